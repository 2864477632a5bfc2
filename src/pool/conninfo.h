/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connection strings: a URI, or key=value pairs with libpq's quoting, cut into settings and decoded. Text
 * only: which settings there are is said by the caller, what their values mean is not known here.
 *
 * No message quotes the text. A misplaced '/', '?', '&' or blank may turn part of a password into the name or
 * the value of any other setting: settings are named by this library's own words, or by number.
 */
#ifndef REDWI_POOL_CONNINFO_H
#define REDWI_POOL_CONNINFO_H

#include <redw/base.h>

struct redwi_conninfo {
    char *text;            /* a copy in secret memory, decoded in place: the values lie in it */
    uint16_t default_port; /* by the scheme; key=value: PostgreSQL's */
    bool redshift_scheme;
};

/* values[i] becomes what `text` gives for names[i], NUL-terminated; ptr NULL: nothing. Parts of a URI go to
 * user, password, host, port and dbname, which must be among the names (64 at most); its query string wins
 * over them.
 * 0; REDW_EINVAL and *why, with "uri: " in front; REDW_ENOMEM. On failure *c is empty. */
int redwi_conninfo_read(struct redwi_conninfo *c, redw_slice *values, const char *const *names, size_t count,
                        const char *text, const struct redw_allocator *mem, struct redw_diag *why);
void redwi_conninfo_free(struct redwi_conninfo *c, const struct redw_allocator *mem); /* wipes it */

#endif
