/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server reported by ParameterStatus: the latest value of each name. Names compare without regard
 * to case in ASCII: Redshift says `datestyle` where PostgreSQL says `DateStyle`. The server decides how many
 * there are, so 64 names and 256 KiB of text are kept and the rest is only counted.
 */
#ifndef REDWI_WIRE_PARAMETERS_H
#define REDWI_WIRE_PARAMETERS_H

#include <redw/base.h>

#define REDWI_PARAMETERS_KEPT  64
#define REDWI_PARAMETERS_BYTES ((size_t)256 * 1024) /* of names and values with their NULs */

struct redwi_parameter {
    char *name; /* NUL-terminated; the value follows it in the same allocation */
    uint32_t hash, name_len, value_len;
};

struct redwi_parameters {
    const struct redw_allocator *mem;
    struct redwi_parameter *kept;
    size_t cap, count, bytes;
    uint64_t not_kept; /* messages whose name or value found no room */
};

void redwi_parameters_init(struct redwi_parameters *p, const struct redw_allocator *mem);
void redwi_parameters_free(struct redwi_parameters *p);

/* Keeps the value, or counts it. 0, or REDW_ENOMEM: everything is as before. A value that has no room takes
 * its name's older one with it: nothing is better than what is no longer true. */
int redwi_parameters_set(struct redwi_parameters *p, redw_slice name, redw_slice value);

/* The value, NUL-terminated, until the next set; NULL: not reported, or not kept. */
const char *redwi_parameters_get(const struct redwi_parameters *p, const char *name);

/* ASCII letters only, whatever the locale. */
bool redwi_parameters_same_name(const char *a, size_t an, const char *b, size_t bn);

#endif
