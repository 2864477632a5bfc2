/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intervals, in the forms they have on the wire:
 *
 *   text       "1 year 2 mons -3 days +04:05:06.789": PostgreSQL's default style, Redshift's INTERVAL;
 *              "3 years 2 mons", "3 days 4 hours 1 mins 4.3 secs": Redshift's INTERVAL YEAR TO MONTH
 *              and DAY TO SECOND (protocol 5.3)
 *   postgres   binary, 16 bytes: int64 microseconds, int32 days, int32 months
 *   redshift   binary, 12 bytes: int64 microseconds, int32 months; days are 24 hours (protocol 5.4)
 *   ym, ds     binary: YEAR TO MONTH, int32 months; DAY TO SECOND, int64 microseconds
 *
 * PostgreSQL tells a day from 24 hours; Redshift does not, in any form. Where its binary forms are read
 * 24 hours are made a day, as its texts have it, so that a value is the same whichever form it came in.
 *
 * The readers return REDW_OK; REDW_EPROTOCOL: not of this form; or REDW_ERANGE: more than the members of
 * a redw_interval hold. *out is zeroed on failure. Since version 17 PostgreSQL has infinite intervals:
 * all three members at their least or greatest.
 */
#ifndef REDWI_DATA_INTERVAL_H
#define REDWI_DATA_INTERVAL_H

#include "wire/buf.h"
#include <redw/value.h>

int redwi_text_interval(const char *p, size_t n, redw_interval *out);
int redwi_text_interval_ym(const char *p, size_t n, redw_interval *out); /* years and months only */
int redwi_text_interval_ds(const char *p, size_t n, redw_interval *out); /* neither of them */

int redwi_interval_postgres(const char *p, size_t n, redw_interval *out);
int redwi_interval_redshift(const char *p, size_t n, redw_interval *out);
int redwi_binary_interval_ym(const char *p, size_t n, redw_interval *out);
int redwi_binary_interval_ds(const char *p, size_t n, redw_interval *out);

/* Days of 24 hours and the rest, as one count. False: it is more than 64 bits hold. */
bool redwi_interval_us(redw_interval v, int64_t *us);

/* The binary form of PostgreSQL, of any value; and Redshift's, of a value for which redwi_interval_us()
 * is true. (INTERVAL YEAR TO MONTH is `months`, DAY TO SECOND what redwi_interval_us() says.) */
void redwi_interval_put_postgres(struct redwi_buf *b, redw_interval v);
void redwi_interval_put_redshift(struct redwi_buf *b, redw_interval v);

/* The text form is made by the public redw_interval_text(); Redshift reads it as well. */

#endif
