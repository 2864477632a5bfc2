/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SASLprep (RFC 4013) of passwords, as far as it needs no large tables: non-ASCII spaces become spaces,
 * what is "commonly mapped to nothing" goes away, and a password with prohibited characters, an empty
 * result or invalid UTF-8 is used as it is, which is what PostgreSQL does on both sides. Normalisation
 * (NFKC), unassigned code points and the rule for mixed directions are not looked at: a password that
 * NFKC would change does not pass at a server that applies it.
 */
#ifndef REDWI_WIRE_SASLPREP_H
#define REDWI_WIRE_SASLPREP_H

#include <redw/base.h>

/* Writes at most n bytes to out, which has room for n; the bytes written. */
size_t redwi_saslprep(char *out, const char *password, size_t n);

#endif
