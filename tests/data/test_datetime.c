/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C17, C18: Dates and times: the golden vectors of protocol 5.4, the edges of each type, and round trips of
 * any value, once more under a locale that writes commas where there is one. (Every day there is:
 * test_calendar.c.) Texts lie with an inaccessible page behind or before them.
 */
#include "data/datetime.h"
#include "data/fence.h"
#include "support/comma.h"
#include "wire/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { OK = REDW_OK, RANGE = REDW_ERANGE, FORM = REDW_EPROTOCOL };

#define S   INT64_C(1000000)
#define DAY (86400 * S)

#ifdef __has_feature
#define UNDER_CLANG_ASAN __has_feature(address_sanitizer)
#else
#define UNDER_CLANG_ASAN 0
#endif
#if defined(__SANITIZE_ADDRESS__) || UNDER_CLANG_ASAN
enum { ROUNDS = 100000 };
#else
enum { ROUNDS = 1000000 };
#endif

enum type { DATE, TIME, TIMETZ, TIMESTAMP, TIMESTAMPTZ };

/* A value of any of the types: what it counts, and the zone. */
struct value {
    int64_t count;
    int32_t offset_s;
};

static int read_text(enum type type, const char *p, size_t n, struct value *v)
{
    redw_date d = {7};
    redw_time t = {7};
    redw_timetz tz = {7, 7};
    redw_timestamp ts = {7};
    redw_timestamptz tstz = {7};
    int rc;
    *v = (struct value){0};
    switch (type) {
    case DATE:
        rc = redwi_text_date(p, n, &d);
        v->count = d.days;
        return rc;
    case TIME:
        rc = redwi_text_time(p, n, &t);
        v->count = t.us;
        return rc;
    case TIMETZ:
        rc = redwi_text_timetz(p, n, &tz);
        *v = (struct value){tz.us, tz.offset_s};
        return rc;
    case TIMESTAMP:
        rc = redwi_text_timestamp(p, n, &ts);
        v->count = ts.us;
        return rc;
    default:
        rc = redwi_text_timestamptz(p, n, &tstz);
        v->count = tstz.us;
        return rc;
    }
}

static int read_binary(enum type type, const char *p, size_t n, struct value *v)
{
    redw_date d = {7};
    redw_time t = {7};
    redw_timetz tz = {7, 7};
    redw_timestamp ts = {7};
    redw_timestamptz tstz = {7};
    int rc;
    *v = (struct value){0};
    switch (type) {
    case DATE:
        rc = redwi_binary_date(p, n, &d);
        v->count = d.days;
        return rc;
    case TIME:
        rc = redwi_binary_time(p, n, &t);
        v->count = t.us;
        return rc;
    case TIMETZ:
        rc = redwi_binary_timetz(p, n, &tz);
        *v = (struct value){tz.us, tz.offset_s};
        return rc;
    case TIMESTAMP:
        rc = redwi_binary_timestamp(p, n, &ts);
        v->count = ts.us;
        return rc;
    default:
        rc = redwi_binary_timestamptz(p, n, &tstz);
        v->count = tstz.us;
        return rc;
    }
}

static const char *write_text(enum type type, struct value v)
{
    static char buf[REDW_TIMESTAMP_CHARS];
    switch (type) {
    case DATE:
        return redw_date_text((redw_date){(int32_t)v.count}, buf);
    case TIME:
        return redw_time_text((redw_time){v.count}, buf);
    case TIMETZ:
        return redw_timetz_text((redw_timetz){v.count, v.offset_s}, buf);
    case TIMESTAMP:
        return redw_timestamp_text((redw_timestamp){v.count}, buf);
    default:
        return redw_timestamptz_text((redw_timestamptz){v.count}, buf);
    }
}

static bool in_range(enum type type, struct value v)
{
    switch (type) {
    case DATE:
        return redwi_is_date((redw_date){(int32_t)v.count});
    case TIME:
        return redwi_is_time((redw_time){v.count});
    case TIMETZ:
        return redwi_is_timetz((redw_timetz){v.count, v.offset_s});
    default:
        return redwi_is_timestamp(v.count);
    }
}

static struct redwi_buf written;

/* The binary form, in `written`. */
static void write_binary(enum type type, struct value v)
{
    if (!written.mem)
        redwi_buf_init(&written, &redwi_malloc, 4096);
    redwi_buf_cut(&written, 0);
    switch (type) {
    case DATE:
        redwi_date_put(&written, (redw_date){(int32_t)v.count});
        break;
    case TIME:
        redwi_time_put(&written, (redw_time){v.count});
        break;
    case TIMETZ:
        redwi_timetz_put(&written, (redw_timetz){v.count, v.offset_s});
        break;
    default:
        redwi_timestamp_put(&written, v.count);
        break;
    }
}

/* What is asserted of a text, on both sides of a fence. An ordinary comparison first: each ck_assert
 * costs a system call. */
static void must_read(enum type type, const char *text, size_t n, int rc, int64_t count,
                      int32_t offset_s)
{
    for (int before = 0; before < 2; before++) {
        struct value v;
        const char *p = before ? fence_before(text, n) : fence_behind(text, n);
        int got = read_text(type, p, n, &v);
        if (got != rc || v.count != count || v.offset_s != offset_s)
            ck_abort_msg("type %d '%.*s': %d, %" PRId64 " %d; not %d, %" PRId64 " %d", (int)type, (int)n,
                         text, got, v.count, v.offset_s, rc, count, offset_s);
    }
}

static void must_be(enum type type, const char *text, int rc, int64_t count)
{
    must_read(type, text, strlen(text), rc, count, 0);
}

/* This value is written as this text, and read back from it and from its binary form. */
static void must_round(enum type type, struct value v, const char *text)
{
    struct value back;
    must_read(type, text, strlen(text), OK, v.count, v.offset_s);
    if (strcmp(write_text(type, v), text) != 0)
        ck_abort_msg("%" PRId64 " is written as %s, not %s", v.count, write_text(type, v), text);
    write_binary(type, v);
    size_t n = redwi_buf_len(&written);
    int rc = read_binary(type, fence_behind(redwi_buf_front(&written), n), n, &back);
    if (!in_range(type, v) || rc != OK || back.count != v.count || back.offset_s != v.offset_s)
        ck_abort_msg("%s: not the same in binary", text);
}

/* ---- golden vectors ---- */

START_TEST(the_bytes_of_the_protocol_document_are_these_values)
{
    static const struct {
        enum type type;
        const char *bytes;
        size_t n;
        struct value v;
        const char *text;
    } rows[] = {
        {DATE, "\x00\x00\x22\x79", 4, {19782, 0}, "2024-02-29"},
        {DATE, "\xff\xff\xff\xff", 4, {10956, 0}, "1999-12-31"},
        {DATE, "\x00\x00\x00\x00", 4, {10957, 0}, "2000-01-01"},
        {DATE, "\x7f\xff\xff\xff", 4, {INT32_MAX, 0}, "infinity"},
        {DATE, "\x80\x00\x00\x00", 4, {INT32_MIN, 0}, "-infinity"},
        {TIME, "\x00\x00\x00\x0b\x18\x7f\xf3\xb5", 8, {47655678901, 0}, "13:14:15.678901"},
        {TIMETZ,
         "\x00\x00\x00\x0b\x18\x7f\xf3\xb5\xff\xff\xe3\xe0",
         12,
         {47655678901, 7200},
         "13:14:15.678901+02"},
        {TIMESTAMP, "\x00\x00\xf1\x96\xb5\xe3\xe5\xc0", 8, {1212314399 * S, 0}, "2008-06-01 09:59:59"},
        {TIMESTAMPTZ,
         "\x00\x00\xf1\x96\xb5\xe3\xe5\xc0",
         8,
         {1212314399 * S, 0},
         "2008-06-01 09:59:59+00"},
        {TIMESTAMP, "\x7f\xff\xff\xff\xff\xff\xff\xff", 8, {INT64_MAX, 0}, "infinity"},
        {TIMESTAMPTZ, "\x80\x00\x00\x00\x00\x00\x00\x00", 8, {INT64_MIN, 0}, "-infinity"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct value v;
        ck_assert_int_eq(
            read_binary(rows[i].type, fence_behind(rows[i].bytes, rows[i].n), rows[i].n, &v), OK);
        ck_assert_int_eq(v.count, rows[i].v.count);
        ck_assert_int_eq(v.offset_s, rows[i].v.offset_s);
        must_round(rows[i].type, v, rows[i].text);
        ck_assert_uint_eq(redwi_buf_len(&written), rows[i].n);
        ck_assert_mem_eq(redwi_buf_front(&written), rows[i].bytes, rows[i].n);
    }
}
END_TEST

/* ---- edges ---- */

START_TEST(dates_reach_from_4714_bc_to_5874897_and_no_day_further)
{
    static const struct {
        int64_t days;
        const char *text;
    } sound[] = {
        {0, "1970-01-01"},
        {-1, "1969-12-31"},
        {11016, "2000-02-29"},
        {-25509, "1900-02-28"},
        {-25508, "1900-03-01"},
        {2932896, "9999-12-31"},
        {2932897, "10000-01-01"},
        {106751990, "294247-01-09"},
        {-719162, "0001-01-01"},
        {-719163, "0001-12-31 BC"},
        {-719470, "0001-02-28 BC"},
        {-719469, "0001-02-29 BC"},
        {-735160, "0044-03-15 BC"},
        {-2440588, "4714-11-24 BC"},
        {-2440550, "4713-01-01 BC"},
        {2145042905, "5874897-12-31"},
        {2145042541, "5874897-01-01"},
        {INT32_MAX, "infinity"},
        {INT32_MIN, "-infinity"},
    };
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++)
        must_round(DATE, (struct value){sound[i].days, 0}, sound[i].text);
    static const char *const no_day[] = {
        "4714-11-23 BC", "4714-01-01 BC",   "4715-12-31 BC", "9999-12-31 BC", "999999999-01-01 BC",
        "5874898-01-01", "999999999-12-31", "0000-01-01",    "0000-01-01 BC", "2023-02-29",
        "1900-02-29",    "2100-02-29",      "0005-02-30 BC", "0002-02-29 BC", "2024-02-30",
        "2024-00-01",    "2024-13-01",      "2024-01-00",    "2024-01-32",    "2024-04-31",
        "2024-99-99",    "294277-00-00",    "12024-02-30",   "2024-16-01",
    };
    for (size_t i = 0; i < sizeof no_day / sizeof *no_day; i++)
        must_be(DATE, no_day[i], RANGE, 0);
}
END_TEST

START_TEST(times_end_at_midnight_and_a_second_60_is_the_next_one)
{
    static const struct {
        int64_t us;
        const char *text;
    } sound[] = {
        {0, "00:00:00"},
        {1, "00:00:00.000001"},
        {100000, "00:00:00.1"},
        {86399 * S, "23:59:59"},
        {86399999999, "23:59:59.999999"},
        {DAY, "24:00:00"},
        {12 * 3600 * S + 34 * 60 * S + 56 * S + 789000, "12:34:56.789"},
    };
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++)
        must_round(TIME, (struct value){sound[i].us, 0}, sound[i].text);
    must_be(TIME, "00:00:00.100000", OK, 100000);
    must_be(TIME, "00:00:00.000000", OK, 0);
    must_be(TIME, "24:00:00.000000", OK, DAY);
    must_be(TIME, "12:30:60", OK, (12 * 60 + 31) * 60 * S);
    must_be(TIME, "12:30:60.5", OK, (12 * 60 + 31) * 60 * S + S / 2);
    must_be(TIME, "23:59:60", OK, DAY);
    static const char *const over[] = {"24:00:00.000001", "24:00:01", "24:01:00",        "25:00:00",
                                       "23:60:00",        "23:59:61", "23:59:60.000001", "12:60:00",
                                       "12:00:61",        "99:99:99", "24:00:60"};
    for (size_t i = 0; i < sizeof over / sizeof *over; i++)
        must_be(TIME, over[i], RANGE, 0);
}
END_TEST

START_TEST(zones_are_east_of_utc_in_text_and_west_in_binary)
{
    static const struct {
        int64_t us;
        int32_t offset_s;
        const char *text;
    } sound[] = {
        {0, 0, "00:00:00+00"},
        {S, -28800, "00:00:01-08"},
        {S + 5, 19800, "00:00:01.000005+05:30"},
        {0, -28378, "00:00:00-07:52:58"},
        {0, -30, "00:00:00-00:00:30"},
        {0, 30, "00:00:00+00:00:30"},
        {0, -1800, "00:00:00-00:30"},
        {DAY, 57599, "24:00:00+15:59:59"},
        {86399999999, -57599, "23:59:59.999999-15:59:59"},
        {86399999999, -54000, "23:59:59.999999-15"},
        {0, 36000, "00:00:00+10"},
    };
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++)
        must_round(TIMETZ, (struct value){sound[i].us, sound[i].offset_s}, sound[i].text);
    must_be(TIMETZ, "12:00:00-00", OK, 43200 * S);
    must_read(TIMETZ, "12:00:00+02:00:00", 17, OK, 43200 * S, 7200);
    static const char *const over[] = {"00:00:00+16",       "00:00:00-16", "00:00:00+15:60",
                                       "00:00:00+15:59:60", "24:00:01+00", "00:00:00+99",
                                       "00:00:00+20",       "25:00:00+15"};
    for (size_t i = 0; i < sizeof over / sizeof *over; i++)
        must_be(TIMETZ, over[i], RANGE, 0);
}
END_TEST

START_TEST(timestamps_are_exact_up_to_the_last_microsecond_that_fits)
{
    static const struct {
        int64_t us;
        const char *text;
    } sound[] = {
        {0, "1970-01-01 00:00:00"},
        {-1, "1969-12-31 23:59:59.999999"},
        {-DAY, "1969-12-31 00:00:00"},
        {1709210096789012, "2024-02-29 12:34:56.789012"},
        {253402300799999999, "9999-12-31 23:59:59.999999"},
        {253402300800000000, "10000-01-01 00:00:00"},
        {-62135596800 * S, "0001-01-01 00:00:00"},
        {-62135596800 * S - 1, "0001-12-31 23:59:59.999999 BC"},
        {-2440588 * DAY, "4714-11-24 00:00:00 BC"},
        {-2440588 * DAY + 1, "4714-11-24 00:00:00.000001 BC"},
        {INT64_MAX - 1, "294247-01-10 04:00:54.775806"},
        {INT64_MAX - 775807, "294247-01-10 04:00:54"},
        {INT64_MAX, "infinity"},
        {INT64_MIN, "-infinity"},
    };
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++)
        must_round(TIMESTAMP, (struct value){sound[i].us, 0}, sound[i].text);
    must_be(TIMESTAMP, "2024-02-29 24:00:00", OK, 19783 * DAY);
    must_be(TIMESTAMP, "2024-12-31 23:59:60", OK, 20089 * DAY);
    must_be(TIMESTAMP, "2024-12-31 23:58:60.25", OK, 20089 * DAY - 60 * S + S / 4);
    must_be(TIMESTAMP, "2024-02-29 12:34:56.50", OK, 1709210096500000);
    static const char *const over[] = {
        "294247-01-10 04:00:54.775807", "294247-01-10 04:00:54.775808",  "294247-01-10 04:00:55",
        "294247-01-11 00:00:00",        "294276-12-31 23:59:59.999999",  "294277-01-01 00:00:00",
        "5874897-12-31 00:00:00",       "4714-11-23 24:00:00.000001 BC", "4714-11-23 23:59:59.999999 BC",
        "2023-02-29 00:00:00",          "2024-01-01 24:00:00.000001",    "2024-01-01 25:00:00",
        "2024-13-01 00:00:00",          "2024-01-01 00:60:00",           "0000-01-01 00:00:00",
        "0000-01-01 00:00:00.5",        "4715-11-24 00:00:00 BC",        "2024-01-01 00:00:61",
    };
    for (size_t i = 0; i < sizeof over / sizeof *over; i++)
        must_be(TIMESTAMP, over[i], RANGE, 0);
}
END_TEST

START_TEST(an_instant_is_its_clock_less_its_zone)
{
    const int64_t noon = 1709208000 * S; /* 2024-02-29 12:00:00 UTC */
    static const char *const noons[] = {
        "2024-02-29 12:00:00+00",         "2024-02-29 12:00:00-00",
        "2024-02-29 14:00:00+02",         "2024-02-29 17:30:00+05:30",
        "2024-02-29 04:07:02-07:52:58",   "2024-02-28 20:01:00-15:59",
        "2024-03-01 03:59:59.0+15:59:59", "2024-02-29 24:00:00+12",
        "2024-02-29 11:59:60.000000+00",
    };
    for (size_t i = 0; i < sizeof noons / sizeof *noons; i++)
        must_be(TIMESTAMPTZ, noons[i], OK, noon);
    must_round(TIMESTAMPTZ, (struct value){noon, 0}, noons[0]);
    must_round(TIMESTAMPTZ, (struct value){noon + 120, 0}, "2024-02-29 12:00:00.00012+00");
    must_round(TIMESTAMPTZ, (struct value){-2440588 * DAY, 0}, "4714-11-24 00:00:00+00 BC");
    must_round(TIMESTAMPTZ, (struct value){INT64_MAX - 1, 0}, "294247-01-10 04:00:54.775806+00");
    must_round(TIMESTAMPTZ, (struct value){INT64_MAX, 0}, "infinity");
    must_round(TIMESTAMPTZ, (struct value){INT64_MIN, 0}, "-infinity");
    /* The zone moves a clock that is out of range back in, and the other way round. */
    must_be(TIMESTAMPTZ, "4714-11-23 16:07:02-07:52:58 BC", OK, -2440588 * DAY);
    must_be(TIMESTAMPTZ, "4714-11-24 01:00:00+01 BC", OK, -2440588 * DAY);
    must_be(TIMESTAMPTZ, "4714-11-24 00:59:59.999999+01 BC", RANGE, 0);
    must_be(TIMESTAMPTZ, "294247-01-10 14:00:54.775806+10", OK, INT64_MAX - 1);
    must_be(TIMESTAMPTZ, "294247-01-10 14:00:54.775807+10", RANGE, 0);
    must_be(TIMESTAMPTZ, "294247-01-09 23:00:55-06", RANGE, 0);
    must_be(TIMESTAMPTZ, "294247-01-09 20:00:54.775806-08", OK, INT64_MAX - 1);
    must_be(TIMESTAMPTZ, "9999-12-31 23:59:59.999999-15", OK, 253402300799999999 + 54000 * S);
    must_be(TIMESTAMPTZ, "0001-01-01 00:00:00+15", OK, -62135596800 * S - 54000 * S);
    static const char *const over[] = {"2024-02-29 12:00:00+16", "2024-02-29 12:00:00+00:60",
                                       "2024-02-30 12:00:00+00", "2024-02-29 24:00:00.1+00",
                                       "2024-13-29 12:00:00+00", "0000-02-29 12:00:00+00",
                                       "2024-02-29 12:00:00+19"};
    for (size_t i = 0; i < sizeof over / sizeof *over; i++)
        must_be(TIMESTAMPTZ, over[i], RANGE, 0);
}
END_TEST

START_TEST(what_is_of_another_form_is_refused)
{
    static const struct {
        enum type type;
        const char *text;
    } rows[] = {
        {DATE, ""},
        {DATE, "2024"},
        {DATE, "2024-02"},
        {DATE, "2024-02-"},
        {DATE, "2024-2-29"},
        {DATE, "2024-02-2"},
        {DATE, "2024-02-029"},
        {DATE, "024-02-29"},
        {DATE, "+2024-02-29"},
        {DATE, "-2024-02-29"},
        {DATE, "2024/02/29"},
        {DATE, "2024-02/29"},
        {DATE, "20240229"},
        {DATE, "29.02.2024"},
        {DATE, "02/29/2024"},
        {DATE, "1234567890-01-01"},
        {DATE, "2024-02-29 "},
        {DATE, " 2024-02-29"},
        {DATE, "2024-02-29 AD"},
        {DATE, "2024-02-29 BC "},
        {DATE, "2024-02-29BC"},
        {DATE, "2024-02-29 12:00:00"},
        {DATE, "Infinity"},
        {DATE, "+infinity"},
        {DATE, "infinit"},
        {DATE, "-infinit"},
        {DATE, "-infinitx"},
        {DATE, "now"},
        {TIME, ""},
        {TIME, "12:34"},
        {TIME, "12:34:"},
        {TIME, "12:34:5"},
        {TIME, "1:34:56"},
        {TIME, "12-34-56"},
        {TIME, "12:34-56"},
        {TIME, "12:34:56."},
        {TIME, "12:34:56,5"},
        {TIME, "12:34:56.1234567"},
        {TIME, "12:34:56.12x"},
        {TIME, "12:34:56 AM"},
        {TIME, "12:34:56+00"},
        {TIME, "12:34:56 BC"},
        {TIME, "infinity"},
        {TIME, "-1:00:00"},
        {TIMETZ, "12:34:56"},
        {TIMETZ, "12:34:56+"},
        {TIMETZ, "12:34:56+2"},
        {TIMETZ, "12:34:56+2:00"},
        {TIMETZ, "12:34:56+0200"},
        {TIMETZ, "12:34:56+02:"},
        {TIMETZ, "12:34:56+02:0"},
        {TIMETZ, "12:34:56+02:00:"},
        {TIMETZ, "12:34:56+02:00:0"},
        {TIMETZ, "12:34:56+02:00:00:00"},
        {TIMETZ, "12:34:56Z"},
        {TIMETZ, "12:34:56 +02"},
        {TIMETZ, "12:34+02"},
        {TIMETZ, "12:34:56.+02"},
        {TIMETZ, "12:34:56.1234567+02"},
        {TIMESTAMPTZ, "2024-02-29 12:34:56.+02"},
        {TIMESTAMPTZ, "2024-02-29 12:34:56.1234567+02"},
        {TIMETZ, "x"},
        {TIMETZ, "12:34:5x+02"},
        {TIMESTAMP, ""},
        {TIMESTAMP, "2024-02-29"},
        {TIMESTAMP, "2024-02-29 "},
        {TIMESTAMP, "2024-02-29T12:34:56"},
        {TIMESTAMP, "2024-02-29  12:34:56"},
        {TIMESTAMP, "2024-02-29 12:34"},
        {TIMESTAMP, "2024-02-29 12:34:56+00"},
        {TIMESTAMP, "2024-02-29 BC 12:34:56"},
        {TIMESTAMP, "2024-02-29 12:34:56BC"},
        {TIMESTAMP, "2024-02-29 12:34:56."},
        {TIMESTAMP, "2024-02-29 12:34:56.1234567"},
        {TIMESTAMP, "24-02-29 12:34:56"},
        {TIMESTAMP, "Thu Feb 29 12:34:56 2024"},
        {TIMESTAMPTZ, "2024-02-29 12:34:56"},
        {TIMESTAMPTZ, "2024-02-29 12:34:56 CET"},
        {TIMESTAMPTZ, "2024-02-29 12:34:56+"},
        {TIMESTAMPTZ, "2024-02-29 12:34:56 BC+01"},
        {TIMESTAMPTZ, "2024-02-29+01"},
        {TIMESTAMPTZ, "+01"},
        {TIMESTAMPTZ, "1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        must_be(rows[i].type, rows[i].text, FORM, 0);
    must_read(DATE, "2024-02-29\0", 11, FORM, 0, 0);
}
END_TEST

START_TEST(any_byte_in_any_place_makes_the_same_value_or_none)
{
    static const struct {
        enum type type;
        const char *text;
    } sound[] = {
        {DATE, "2024-02-29"},
        {TIME, "12:34:56"},
        {TIME, "12:34:56.7"},
        {TIME, "12:34:56.789012"},
        {TIMETZ, "12:34:56.789012+02"},
        {TIMESTAMP, "2024-02-29 12:34:56"},
        {TIMESTAMP, "2024-02-29 12:34:56.789"},
        {TIMESTAMPTZ, "2024-02-29 12:34:56.789012-08"},
        {TIMESTAMPTZ, "0044-03-15 12:34:56-08:30 BC"},
    };
    /* Whatever is read is written back as what was read: so digits are all that may have changed. */
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
        size_t n = strlen(sound[i].text), read = 0;
        for (size_t at = 0; at < n; at++) {
            for (int byte = 0; byte < 256; byte++) {
                char text[40];
                struct value v;
                memcpy(text, sound[i].text, n + 1);
                bool digit = text[at] >= '0' && text[at] <= '9';
                text[at] = (char)byte;
                int rc = read_text(sound[i].type, fence_behind(text, n), n, &v);
                bool sign = sound[i].text[at] == '-' || sound[i].text[at] == '+';
                bool alike = text[at] == sound[i].text[at] || (digit && byte >= '0' && byte <= '9') ||
                             (sign && at > 10 && (byte == '+' || byte == '-')) ||
                             (sign && sound[i].type == TIMETZ && (byte == '+' || byte == '-'));
                if (rc == OK ? !alike : rc != FORM && !alike)
                    ck_abort_msg("%.*s is read, %d", (int)n, text, rc);
                if (rc == FORM && alike)
                    ck_abort_msg("%.*s is not read", (int)n, text);
                read += rc == OK;
            }
        }
        ck_assert_uint_gt(read, n);
    }
}
END_TEST

/* A part of a text: mostly what belongs there, now and then what is out of range or of another form. */
static size_t put_part(char *to, uint64_t *seed, unsigned below, char separator)
{
    unsigned v = (unsigned)(next_random(seed) % (next_random(seed) % 16 ? below : 100));
    to[0] = (char)('0' + v / 10);
    to[1] = (char)('0' + v % 10);
    to[2] = next_random(seed) % 64 ? separator : "-: .T/0\0"[next_random(seed) % 8];
    return separator ? 3 : 2;
}

/* The general reader alone knows "+00:00", so that both ways can be compared. */
START_TEST(the_usual_shape_is_read_as_the_general_one)
{
    uint64_t seed = 5;
    size_t sound = 0;
    for (int i = 0; i < ROUNDS; i++) {
        char text[64], general[80];
        struct value slow;
        size_t n = 2;
        put_part(text, &seed, 100, 0);
        n += put_part(text + n, &seed, 100, '-');
        if (next_random(&seed) % 8 == 0)
            memset(text + next_random(&seed) % 2 * 2, '0', 2);
        n += put_part(text + n, &seed, 14, '-');
        n += put_part(text + n, &seed, 32, ' ');
        size_t day = n - 1, clock = n;
        n += put_part(text + n, &seed, 24, ':');
        n += put_part(text + n, &seed, 60, ':');
        n += put_part(text + n, &seed, 60, 0);
        size_t digits = next_random(&seed) % 9;
        if (digits > 0)
            text[n++] = next_random(&seed) % 32 ? '.' : ',';
        for (; digits > 1; digits--)
            text[n++] = (char)('0' + next_random(&seed) % (next_random(&seed) % 64 ? 10 : 13));
        if (next_random(&seed) % 64 == 0)
            n -= next_random(&seed) % 4;

        memcpy(general, text, n);
        memcpy(general + n, "+00:00", 6);
        int rc = read_text(TIMESTAMPTZ, general, n + 6, &slow);
        must_read(TIMESTAMP, text, n, rc, slow.count, 0);
        sound += rc == OK;
        rc = read_text(TIMETZ, general + clock, n - clock + 6, &slow);
        must_read(TIME, text + clock, n - clock, rc, slow.count, 0);
        memcpy(general + day, " 00:00:00+00:00", 15);
        rc = read_text(TIMESTAMPTZ, general, day + 15, &slow);
        must_read(DATE, text, day, rc, slow.count / DAY, 0);
    }
    ck_assert_uint_gt(sound, ROUNDS / 8);
}
END_TEST

START_TEST(binary_values_have_their_width_and_their_range)
{
    static const size_t width[] = {4, 8, 12, 8, 8};
    char zeros[16] = {0};
    for (enum type type = DATE; type <= TIMESTAMPTZ; type++) {
        for (size_t n = 0; n <= sizeof zeros; n++) {
            struct value v;
            int rc = read_binary(type, fence_behind(zeros, n), n, &v);
            ck_assert_int_eq(rc, n == width[type] ? OK : FORM);
            ck_assert_int_eq(v.count, n != width[type]    ? 0
                                      : type == DATE      ? 10957
                                      : type >= TIMESTAMP ? 10957 * DAY
                                                          : 0);
        }
    }
    static const struct {
        enum type type;
        struct value first, last;
    } rows[] = {
        {DATE, {-2440588 - 10957, 0}, {2145042905 - 10957, 0}},
        {TIME, {0, 0}, {DAY, 0}},
        {TIMETZ, {0, -57599}, {DAY, 57599}},
        {TIMESTAMP, {-2451545 * DAY, 0}, {INT64_MAX - 1 - 10957 * DAY, 0}},
        {TIMESTAMPTZ, {-2451545 * DAY, 0}, {INT64_MAX - 1 - 10957 * DAY, 0}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int step = -2; step <= 2; step++) {
            struct value v, raw = step < 0 ? rows[i].first : rows[i].last;
            raw.count += step == -2 ? -1 : step == 2;
            write_binary(rows[i].type == DATE     ? DATE
                         : rows[i].type == TIMETZ ? TIMETZ
                                                  : TIME,
                         (struct value){raw.count + (rows[i].type == DATE ? 10957 : 0), raw.offset_s});
            const char *p = (const char *)redwi_buf_front(&written);
            int rc = read_binary(rows[i].type, p, redwi_buf_len(&written), &v);
            ck_assert_int_eq(rc, step == -2 || step == 2 ? RANGE : OK);
            if (rc != OK)
                ck_assert(v.count == 0 && v.offset_s == 0);
        }
    }
    struct value v;
    ck_assert_int_eq(read_binary(TIMETZ, "\0\0\0\0\0\0\0\0\x00\x00\xe1\x00", 12, &v), RANGE);
    ck_assert_int_eq(read_binary(TIMETZ, "\0\0\0\0\0\0\0\0\xff\xff\x1f\x00", 12, &v), RANGE);
    ck_assert_int_eq(read_binary(TIMETZ, "\0\0\0\0\0\0\0\0\x80\x00\x00\x00", 12, &v), RANGE);
}
END_TEST

START_TEST(values_out_of_range_are_known_and_written_as_a_question_mark)
{
    static const struct {
        enum type type;
        struct value v;
    } rows[] = {
        {DATE, {-2440589, 0}},
        {DATE, {2145042906, 0}},
        {DATE, {INT32_MAX - 1, 0}},
        {DATE, {INT32_MIN + 1, 0}},
        {TIME, {-1, 0}},
        {TIME, {DAY + 1, 0}},
        {TIME, {INT64_MIN, 0}},
        {TIMETZ, {-1, 0}},
        {TIMETZ, {DAY + 1, 0}},
        {TIMETZ, {0, 57600}},
        {TIMETZ, {0, -57600}},
        {TIMETZ, {0, INT32_MIN}},
        {TIMESTAMP, {-2440588 * DAY - 1, 0}},
        {TIMESTAMP, {INT64_MIN + 1, 0}},
        {TIMESTAMPTZ, {-2440588 * DAY - 1, 0}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert(!in_range(rows[i].type, rows[i].v));
        ck_assert_str_eq(write_text(rows[i].type, rows[i].v), "?");
    }
}
END_TEST

/* ---- properties ---- */

static int64_t between(uint64_t *seed, int64_t first, int64_t last)
{
    return first + (int64_t)(next_random(seed) % ((uint64_t)(last - first) + 1));
}

static void any_value_is_read_back_from_both_its_forms(void)
{
    uint64_t seed = 4;
    for (int i = 0; i < ROUNDS; i++) {
        enum type type = (enum type)(next_random(&seed) % 5);
        struct value v = {0}, back;
        bool usual = next_random(&seed) % 2;
        if (type == DATE) {
            v.count = usual ? between(&seed, -40000, 40000) : between(&seed, -2440588, 2145042905);
        } else if (type <= TIMETZ) {
            v.count = between(&seed, 0, DAY);
            v.offset_s = type == TIME ? 0
                         : usual      ? (int32_t)between(&seed, -15, 15) * 3600
                                      : (int32_t)between(&seed, -57599, 57599);
        } else {
            v.count = usual ? between(&seed, 0, 4000000000 * S)
                            : between(&seed, -2440588 * DAY, INT64_MAX / 2);
            v.count =
                next_random(&seed) % 64 == 0 ? INT64_MAX - between(&seed, 0, 40 * 366 * DAY) : v.count;
        }
        if (type != DATE && next_random(&seed) % 4 == 0)
            v.count -= v.count % S;
        char text[REDW_TIMESTAMP_CHARS];
        snprintf(text, sizeof text, "%s", write_text(type, v));
        must_round(type, v, text);
        /* As the server prints the same instant elsewhere: the clock moved, the zone said. */
        int64_t hours = between(&seed, -15, 15);
        if (type != TIMESTAMPTZ || v.count > INT64_MAX - 16 * 3600 * S || v.count < -2440587 * DAY)
            continue;
        const char *there = write_text(TIMESTAMP, (struct value){v.count + hours * 3600 * S, 0});
        size_t n = strlen(there);
        bool bc = there[n - 1] == 'C';
        snprintf(text, sizeof text, "%.*s%+03d%s", (int)(bc ? n - 3 : n), there, (int)hours,
                 bc ? " BC" : "");
        if (read_text(type, text, strlen(text), &back) != OK || back.count != v.count)
            ck_abort_msg("%s", text);
    }
}

START_TEST(values_keep_through_text_and_binary)
{
    any_value_is_read_back_from_both_its_forms();
}
END_TEST

START_TEST(no_locale_is_asked)
{
    comma_locale();
    any_value_is_read_back_from_both_its_forms();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("datetime");
    TCase *t = tcase_create("datetime");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, the_bytes_of_the_protocol_document_are_these_values);
    tcase_add_test(t, dates_reach_from_4714_bc_to_5874897_and_no_day_further);
    tcase_add_test(t, times_end_at_midnight_and_a_second_60_is_the_next_one);
    tcase_add_test(t, zones_are_east_of_utc_in_text_and_west_in_binary);
    tcase_add_test(t, timestamps_are_exact_up_to_the_last_microsecond_that_fits);
    tcase_add_test(t, an_instant_is_its_clock_less_its_zone);
    tcase_add_test(t, what_is_of_another_form_is_refused);
    tcase_add_test(t, any_byte_in_any_place_makes_the_same_value_or_none);
    tcase_add_test(t, the_usual_shape_is_read_as_the_general_one);
    tcase_add_test(t, binary_values_have_their_width_and_their_range);
    tcase_add_test(t, values_out_of_range_are_known_and_written_as_a_question_mark);
    tcase_add_test(t, values_keep_through_text_and_binary);
    tcase_add_test(t, no_locale_is_asked);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
