/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates, times of day and timestamps, to the day and the microsecond, in the forms they have on the
 * wire:
 *
 *   text     DateStyle ISO: "2024-02-29 12:34:56.789+02 BC" and the parts of it (protocol 5.3)
 *   binary   days or microseconds since 2000-01-01; the same on both servers (protocol 5.4)
 *
 * The readers return REDW_OK; REDW_EPROTOCOL: not of this form; or REDW_ERANGE: of this form, but there
 * is no such day or time of day, or it lies outside the type. *out is zeroed on failure. What the types
 * hold:
 *
 *   date              4714-11-24 BC .. 5874897-12-31, -infinity, infinity
 *   time, timetz      00:00:00 .. 24:00:00; a zone is less than 16 hours from UTC
 *   timestamp(tz)     4714-11-24 00:00:00 BC .. 294247-01-10 04:00:54.775806, -infinity, infinity
 *
 * These are PostgreSQL's, but for the last timestamp: microseconds since 1970 end 30 years before those
 * since 2000. 24:00:00 and a second 60 are read as PostgreSQL reads them: as the moment that follows.
 */
#ifndef REDWI_DATA_DATETIME_H
#define REDWI_DATA_DATETIME_H

#include "wire/buf.h"
#include <redw/value.h>

int redwi_text_date(const char *p, size_t n, redw_date *out);
int redwi_text_time(const char *p, size_t n, redw_time *out);
int redwi_text_timetz(const char *p, size_t n, redw_timetz *out);
int redwi_text_timestamp(const char *p, size_t n, redw_timestamp *out);
int redwi_text_timestamptz(const char *p, size_t n, redw_timestamptz *out); /* the zone is applied */

int redwi_binary_date(const char *p, size_t n, redw_date *out);
int redwi_binary_time(const char *p, size_t n, redw_time *out);
int redwi_binary_timetz(const char *p, size_t n, redw_timetz *out);
int redwi_binary_timestamp(const char *p, size_t n, redw_timestamp *out);
int redwi_binary_timestamptz(const char *p, size_t n, redw_timestamptz *out);

/* Whether a value made by somebody else is in its type's range. */
bool redwi_is_date(redw_date v);
bool redwi_is_time(redw_time v);
bool redwi_is_timetz(redw_timetz v);
bool redwi_is_timestamp(int64_t us); /* of a timestamptz too */

/* The binary form of a value in its type's range. */
void redwi_date_put(struct redwi_buf *b, redw_date v);
void redwi_time_put(struct redwi_buf *b, redw_time v);
void redwi_timetz_put(struct redwi_buf *b, redw_timetz v);
void redwi_timestamp_put(struct redwi_buf *b, int64_t us); /* a timestamptz too */

/* The text form is made by the public redw_date_text() and its like. */

#endif
