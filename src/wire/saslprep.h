/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SASLprep (RFC 4013) of passwords: non-ASCII spaces become spaces, what is "commonly mapped to nothing" goes
 * away, the rest is normalised (NFKC). A password that has no prepared form (prohibited or unassigned code
 * points, mixed directions, nothing left, no UTF-8 at all) is used as it is, which is what PostgreSQL does on
 * both sides.
 */
#ifndef REDWI_WIRE_SASLPREP_H
#define REDWI_WIRE_SASLPREP_H

#include <redw/base.h>

/* *out: the prepared password, NUL-terminated, to be given to redwi_secret_free(); *len its bytes. 0 or
 * REDW_ENOMEM. */
int redwi_saslprep(const struct redw_allocator *mem, const char *password, size_t n, char **out, size_t *len);

#endif
