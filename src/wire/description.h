/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last RowDescription of a session. Most statements run again and again, and so their descriptions come
 * again, byte for byte: what was checked then is not checked anew, and its serial tells the floors above that
 * they know it too.
 */
#ifndef REDWI_WIRE_DESCRIPTION_H
#define REDWI_WIRE_DESCRIPTION_H

#include "wire/be_read.h"

/* Of the bytes that are kept for it, a copy as long as they are; a longer one is checked each time. */
#define REDWI_DESCRIPTION_KEPT 2048

struct redwi_description {
    const struct redw_allocator *mem;
    struct redwi_columns columns; /* of the last one read: a view into its body */
    uint8_t *kept;                /* columns.serial not 0: the body */
    size_t len, cap;
    unsigned version;             /* for which it was checked */
    uint64_t serials;             /* given so far */
};

void redwi_description_init(struct redwi_description *d, const struct redw_allocator *mem);
void redwi_description_free(struct redwi_description *d);

bool redwi_description_check(struct redwi_description *d, const uint8_t *body, size_t len,
                             unsigned version); /* for redwi_description_read() */

/* Is it the last one once more? Then it is read with that. To compare takes 41 instructions, to check a single
 * column 228. */
static inline bool redwi_description_again(struct redwi_description *d, const uint8_t *body, size_t len,
                                           unsigned version)
{
    if (!d->columns.serial || len != d->len || version != d->version || memcmp(body, d->kept, len) != 0)
        return false;
    d->columns.fields = (struct redwi_cursor){.p = body + sizeof(uint16_t), .end = body + len};
    return true;
}

/* As redwi_be_row_description(), into d->columns. False: malformed. */
static inline bool redwi_description_read(struct redwi_description *d, const uint8_t *body, size_t len,
                                          unsigned version)
{
    return redwi_description_again(d, body, len, version) || redwi_description_check(d, body, len, version);
}

#endif
