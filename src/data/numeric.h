/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NUMERIC: 38 digits, exactly, in the three forms it has on the wire.
 *
 *   text         "-12.30", "NaN", "Infinity": both servers
 *   PostgreSQL   binary, base 10,000: int16 number of groups, int16 weight of the first, uint16 sign,
 *                uint16 digits behind the point, then the groups (PostgreSQL source, numeric_send)
 *   Redshift     binary: the unscaled integer in 8 or 16 bytes of two's complement; the scale is the
 *                column's (protocol 5.4)
 *
 * The same eight or sixteen bytes are different numbers in the last two, so the server says which it is,
 * never the length. Readers return REDW_OK, REDW_ERANGE (a number, but not one of 38 digits) or
 * REDW_EPROTOCOL, and *out is zeroed on failure; zeros behind the 38th digit are given up, digits never.
 *
 * Invariant of a redw_decimal made here: the integer is below 10^38, scale at most 38, zero is not
 * negative.
 */
#ifndef REDWI_DATA_NUMERIC_H
#define REDWI_DATA_NUMERIC_H

#include "wire/buf.h"
#include <redw/value.h>

#define REDWI_NUMERIC_DIGITS 38

int redwi_numeric_text(const char *p, size_t n, redw_decimal *out);
int redwi_numeric_postgres(const char *p, size_t n, redw_decimal *out);
int redwi_numeric_redshift(const char *p, size_t n, unsigned scale, redw_decimal *out);
/* The nearest double, of numbers of any length. */
int redwi_numeric_postgres_double(const char *p, size_t n, double *out);

redw_decimal redwi_numeric_of_int64(int64_t v);
double redwi_numeric_to_double(redw_decimal d); /* nearest */

/* NULL, or why a value made by somebody else is none. */
const char *redwi_numeric_fault(redw_decimal d);

/* The binary forms of a value without fault; Redshift's has no NaN and no infinity. */
void redwi_numeric_put_postgres(struct redwi_buf *b, redw_decimal d);
void redwi_numeric_put_redshift(struct redwi_buf *b, redw_decimal d);

#endif
