/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C11, C12, C13, C14, C15, C16, C17, C18, C19, C20, C22: Values of every type there and back through
 * PostgreSQL 15, with libpq beside: what redw reads in text and in binary is what libpq shows; what it sends
 * as a parameter is, byte for byte, what libpq gets in binary; and the server finds it to be the same value.
 * All under a locale with a decimal comma, where there is one, and with redw's session in another time zone.
 */
#include "support/comma.h"
#include "support/lab.h"
#include "support/pg.h"

#include "data/encode.h"
#include "data/numeric.h"
#include "data/types.h"
#include "wire/mem.h"

#include <check.h>
#include <libpq-fe.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct lab r;
static PGconn *libpq;
static locale_t plain; /* the C locale, for the C library's own conversions here */

/* --- the values
 * ------------------------------------------------------------------------------------------ */

static const char *const bools[] = {"t", "f", NULL};
static const char *const int2s[] = {"0", "1", "-1", "32767", "-32768", NULL};
static const char *const int4s[] = {"0", "7", "-70000", "2147483647", "-2147483648", NULL};
static const char *const int8s[] = {
    "0", "-1", "9007199254740993", "9223372036854775807", "-9223372036854775808", NULL};
static const char *const float4s[] = {
    "0",     "-0",  "1.5",      "0.1",       "3.4028235e38", "-3.4028235e38", "1.17549435e-38",
    "1e-45", "NaN", "Infinity", "-Infinity", "16777217",     "12.34",         NULL};
static const char *const float8s[] = {"0",
                                      "-0",
                                      "12.34",
                                      "135430.119999999995",
                                      "0.1",
                                      "1e15",
                                      "1e16",
                                      "1e22",
                                      "1e23",
                                      "9007199254740993",
                                      "1.7976931348623157e308",
                                      "2.2250738585072014e-308",
                                      "2.2250738585072011e-308",
                                      "5e-324",
                                      "-5e-324",
                                      "123456.789e-300",
                                      "8.98846567431158e307",
                                      "6.02214076e23",
                                      "NaN",
                                      "Infinity",
                                      "-Infinity",
                                      NULL};
static const char *const numerics[] = {"0",
                                       "0.0",
                                       "0.00000000000000000000000000000000000000",
                                       "1",
                                       "-1",
                                       "10",
                                       "100",
                                       "1000",
                                       "9999",
                                       "10000",
                                       "10001",
                                       "99990000",
                                       "100000000",
                                       "12.34",
                                       "-12.34",
                                       "12.3400",
                                       "0.5",
                                       "0.05",
                                       "0.005",
                                       "0.0005",
                                       "0.00005",
                                       "-0.00001",
                                       "135430.119999999995",
                                       "1e10",
                                       "1e37",
                                       "-1e37",
                                       "12345678901234567890",
                                       "9223372036854775807",
                                       "9223372036854775808",
                                       "-9223372036854775808",
                                       "-9223372036854775809",
                                       "18446744073709551615",
                                       "18446744073709551616",
                                       "99999999999999999999999999999999999999",
                                       "-99999999999999999999999999999999999999",
                                       "0.99999999999999999999999999999999999999",
                                       "9.9999999999999999999999999999999999999",
                                       "0.00000000000000000000000000000000000001",
                                       "1.0000000000000000000000000000000000001",
                                       "1234567890123456789.0123456789012345678",
                                       "10000000000000000000000000000000000000",
                                       "5000.0005",
                                       "50000000.00000005",
                                       "0.1234567890123456789",
                                       "-32768.0000000000",
                                       "-0.1100000000",
                                       "12345.67891000",
                                       "123456789123456789",
                                       "3.1415926535897932384626433832795028842",
                                       "1e-38",
                                       "1.50",
                                       "NaN",
                                       "Infinity",
                                       "-Infinity",
                                       NULL};
static const char *const dates[] = {"1970-01-01",
                                    "1969-12-31",
                                    "2000-01-01",
                                    "1999-12-31",
                                    "2024-02-29",
                                    "1900-02-28",
                                    "1900-03-01",
                                    "2000-02-29",
                                    "0001-01-01",
                                    "0001-12-31 BC",
                                    "0044-03-15 BC",
                                    "0005-02-29 BC",
                                    "4714-11-24 BC",
                                    "9999-12-31",
                                    "10000-01-01",
                                    "294276-12-31",
                                    "5874897-12-31",
                                    "1582-10-04",
                                    "1582-10-15",
                                    "2038-01-19",
                                    "infinity",
                                    "-infinity",
                                    NULL};
static const char *const times[] = {"00:00:00",
                                    "00:00:00.000001",
                                    "23:59:59.999999",
                                    "24:00:00",
                                    "12:34:56",
                                    "12:34:56.7",
                                    "12:34:56.78",
                                    "12:34:56.789",
                                    "12:34:56.7890",
                                    "04:05:06.100000",
                                    "13:14:15.678901",
                                    "23:59:60",
                                    NULL};
static const char *const timetzs[] = {"00:00:00+00",
                                      "13:14:15.678901+02",
                                      "04:05:06-08",
                                      "04:05:06+05:30",
                                      "04:05:06-03:30",
                                      "23:59:59.999999-15:59",
                                      "00:00:00+15:59:59",
                                      "24:00:00+14",
                                      "12:00:00.5+00:00:01",
                                      "12:00:00-00:44:30",
                                      NULL};
static const char *const timestamps[] = {"1970-01-01 00:00:00",
                                         "2000-01-01 00:00:00",
                                         "1969-12-31 23:59:59.999999",
                                         "1999-12-31 23:59:59.999999",
                                         "2024-02-29 12:34:56.789012",
                                         "2008-06-01 09:59:59",
                                         "2024-02-29 12:34:56.7",
                                         "2024-02-29 00:00:00.000001",
                                         "1900-03-01 00:00:00",
                                         "0001-01-01 00:00:00",
                                         "0001-12-31 23:59:59.999999 BC",
                                         "0044-03-15 12:00:00 BC",
                                         "4714-11-24 00:00:00 BC",
                                         "4713-01-01 00:00:00.5 BC",
                                         "9999-12-31 23:59:59.999999",
                                         "10000-01-01 00:00:00",
                                         "12345-06-07 08:09:10.11",
                                         "294246-12-31 23:59:59.999999",
                                         "2038-01-19 03:14:08",
                                         "infinity",
                                         "-infinity",
                                         NULL};
static const char *const timestamptzs[] = {"1970-01-01 00:00:00+00",
                                           "2000-01-01 00:00:00+00",
                                           "1999-12-31 23:59:59+14",
                                           "1999-12-31 23:59:59-12",
                                           "2024-02-29 12:34:56.789012+05:30",
                                           "2024-03-31 01:30:00 Europe/Berlin",
                                           "2024-10-27 02:30:00+01",
                                           "1883-11-18 12:03:57 America/New_York",
                                           "1800-01-01 00:00:00 Europe/Amsterdam",
                                           "0044-03-15 12:00:00+00 BC",
                                           "4714-11-24 00:00:00+00 BC",
                                           "9999-12-31 23:59:59.999999+00",
                                           "12345-06-07 08:09:10.11-03:30",
                                           "294246-12-31 00:00:00+00",
                                           "infinity",
                                           "-infinity",
                                           NULL};
static const char *const intervals[] = {"0",
                                        "1 year",
                                        "1 month",
                                        "1 day",
                                        "1 hour",
                                        "1 minute",
                                        "1 second",
                                        "1 microsecond",
                                        "-1 microsecond",
                                        "1 year 2 mons 3 days 04:05:06.789012",
                                        "-1 year -2 mons -3 days -04:05:06.789012",
                                        "1 year -1 day",
                                        "-1 year 1 day 1 second",
                                        "1 mon -1 day 1 hour",
                                        "-1 mon 1 day -1 hour",
                                        "11 mons",
                                        "12 mons",
                                        "13 mons",
                                        "-11 mons",
                                        "-13 mons",
                                        "178956970 years 7 mons",
                                        "-178956970 years -8 mons",
                                        "2147483647 days",
                                        "-2147483648 days",
                                        "23:59:59.999999",
                                        "24:00:00",
                                        "100:00:00",
                                        "-00:00:00.000001",
                                        "2562047788:00:54.775807",
                                        "-2562047788:00:54.775807",
                                        "3 years 6 mons",
                                        "3:25:45.6",
                                        "2 years",
                                        "2 mons",
                                        "2 days",
                                        "-1 days",
                                        NULL};
static const char *const byteas[] = {"\\x",         "\\x00",     "\\xff", "\\xdeadbeef00",
                                     "\\x5c275c27", "\\x0a0d09", NULL};
static const char *const uuids[] = {"00000000-0000-0000-0000-000000000000",
                                    "ffffffff-ffff-ffff-ffff-ffffffffffff",
                                    "b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", NULL};
static const char *const strings[] = {"",
                                      " ",
                                      "a",
                                      "it's \\ here",
                                      "gr\xc3\xbc\xc3\x9f",
                                      "\xf0\x9f\x98\x80",
                                      "line\nbreak\ttab",
                                      "trailing  ",
                                      "NULL",
                                      "{}",
                                      "$1",
                                      NULL};
static const char *const chars[] = {"", "a", "a b", "abc", "gr\xc3\xbc", NULL};
static const char *const jsons[] = {"{\"a\": [1, 2, null]}", "[]", "\"\xc3\xa4\"", "1.50", NULL};
static const char *const oids[] = {"0", "1259", "2147483648", "4294967295", NULL};

static const struct kind {
    const char *sql; /* the type */
    enum redw_type type;
    const char *const *values;
} kinds[] = {
    {"bool", REDW_BOOLEAN, bools},
    {"int2", REDW_SMALLINT, int2s},
    {"int4", REDW_INTEGER, int4s},
    {"int8", REDW_BIGINT, int8s},
    {"float4", REDW_REAL, float4s},
    {"float8", REDW_DOUBLE, float8s},
    {"numeric", REDW_NUMERIC, numerics},
    {"date", REDW_DATE, dates},
    {"time", REDW_TIME, times},
    {"timetz", REDW_TIMETZ, timetzs},
    {"timestamp", REDW_TIMESTAMP, timestamps},
    {"timestamptz", REDW_TIMESTAMPTZ, timestamptzs},
    {"interval", REDW_INTERVAL, intervals},
    {"bytea", REDW_VARBYTE, byteas},
    {"uuid", REDW_UUID, uuids},
    {"text", REDW_VARCHAR, strings},
    {"varchar", REDW_VARCHAR, strings},
    {"char(5)", REDW_CHAR, chars},
    {"json", REDW_JSON, jsons},
    {"jsonb", REDW_JSON, jsons},
    {"oid", REDW_OID, oids},
};
enum { KINDS = sizeof kinds / sizeof *kinds };
static const struct kind numeric = {"numeric", REDW_NUMERIC, numerics};

/* --- one value
 * ------------------------------------------------------------------------------------------- */

static PGresult *by_libpq(const char *sql, const char *value, int wire)
{
    PGresult *res = PQexecParams(libpq, sql, 1, NULL, &value, NULL, NULL, wire);
    ck_assert_msg(PQresultStatus(res) == PGRES_TUPLES_OK, "%s: %s: %s", sql, value,
                  PQresultErrorMessage(res));
    return res;
}

/* What a getter made of the cell, as a parameter again, and as text. */
struct read {
    redw_param p;
    char text[100];
    redw_slice view; /* instead of text: of strings and bytes */
};

static int read_number(const redw_row *row, enum redw_type type, struct read *to)
{
    bool b;
    int64_t n;
    double d;
    redw_decimal dec;
    int rc = REDW_ETYPE;
    switch (type) {
    case REDW_BOOLEAN:
        rc = redw_row_bool(row, 0, &b);
        to->p = redw_p_bool(b);
        snprintf(to->text, sizeof to->text, "%c", b ? 't' : 'f');
        break;
    case REDW_SMALLINT:
    case REDW_INTEGER:
    case REDW_BIGINT:
    case REDW_OID:
        rc = redw_row_int64(row, 0, &n);
        to->p = type == REDW_SMALLINT  ? redw_p_int16((int16_t)n)
                : type == REDW_INTEGER ? redw_p_int32((int32_t)n)
                                       : redw_p_int64(n);
        snprintf(to->text, sizeof to->text, "%lld", (long long)n);
        break;
    case REDW_REAL:
    case REDW_DOUBLE:
        rc = redw_row_double(row, 0, &d);
        to->p = type == REDW_REAL ? redw_p_real((float)d) : redw_p_double(d);
        memcpy(to->text, &d, sizeof d);
        break;
    default:
        rc = redw_row_decimal(row, 0, &dec);
        to->p = redw_p_decimal(dec);
        redw_decimal_text(dec, to->text);
        break;
    }
    return rc;
}

static int read_time(const redw_row *row, enum redw_type type, struct read *to)
{
    redw_date date;
    redw_time t;
    redw_timetz tz;
    redw_timestamp ts;
    redw_timestamptz tstz;
    redw_interval iv;
    int rc;
    switch (type) {
    case REDW_DATE:
        rc = redw_row_date(row, 0, &date);
        to->p = redw_p_date_value(date);
        redw_date_text(date, to->text);
        return rc;
    case REDW_TIME:
        rc = redw_row_time(row, 0, &t);
        to->p = redw_p_time(t);
        redw_time_text(t, to->text);
        return rc;
    case REDW_TIMETZ:
        rc = redw_row_timetz(row, 0, &tz);
        to->p = redw_p_timetz(tz);
        redw_timetz_text(tz, to->text);
        return rc;
    case REDW_TIMESTAMP:
        rc = redw_row_timestamp(row, 0, &ts);
        to->p = redw_p_timestamp(ts);
        redw_timestamp_text(ts, to->text);
        return rc;
    case REDW_TIMESTAMPTZ:
        rc = redw_row_timestamptz(row, 0, &tstz);
        to->p = redw_p_timestamptz(tstz);
        redw_timestamptz_text(tstz, to->text);
        return rc;
    default:
        rc = redw_row_interval(row, 0, &iv);
        to->p = redw_p_interval(iv);
        redw_interval_text(iv, to->text);
        return rc;
    }
}

static int read_value(const redw_row *row, enum redw_type type, struct read *to)
{
    static char room[1000];
    uint8_t uuid[16];
    int rc;
    *to = (struct read){0};
    switch (type) {
    case REDW_DATE:
    case REDW_TIME:
    case REDW_TIMETZ:
    case REDW_TIMESTAMP:
    case REDW_TIMESTAMPTZ:
    case REDW_INTERVAL:
        return read_time(row, type, to);
    case REDW_VARBYTE:
        rc = redw_row_bytes(row, 0, room, sizeof room, &to->view);
        to->p = redw_p_bytes(to->view.ptr, to->view.len);
        return rc;
    case REDW_UUID:
        rc = redw_row_uuid(row, 0, uuid);
        memcpy(room, uuid, 16);
        to->view = (redw_slice){room, 16};
        return rc;
    case REDW_VARCHAR:
    case REDW_CHAR:
    case REDW_JSON:
        rc = redw_row_text(row, 0, &to->view);
        to->p = redw_p_text_as(type, to->view.ptr, to->view.len);
        return rc;
    default:
        return read_number(row, type, to);
    }
}

static void must_be_what_libpq_shows(const struct kind *k, const struct read *got, const PGresult *text,
                                     const PGresult *binary, const char *what)
{
    const char *shown = PQgetvalue(text, 0, 0);
    if (k->type == REDW_REAL || k->type == REDW_DOUBLE) {
        double want = k->type == REDW_REAL ? (double)strtof_l(shown, NULL, plain)
                                           : strtod_l(shown, NULL, plain),
               d;
        memcpy(&d, got->text, sizeof d);
        ck_assert_msg((isnan(d) && isnan(want)) || memcmp(&d, &want, sizeof d) == 0, "%s: %a", what, d);
    } else if (k->type == REDW_VARBYTE || k->type == REDW_UUID) {
        ck_assert_msg(got->view.len == (size_t)PQgetlength(binary, 0, 0) &&
                          memcmp(got->view.ptr, PQgetvalue(binary, 0, 0), got->view.len) == 0,
                      "%s: other bytes", what);
    } else if (got->view.ptr) {
        ck_assert_msg(got->view.len == strlen(shown) && memcmp(got->view.ptr, shown, got->view.len) == 0,
                      "%s: '%.*s'", what, REDW_ARG(got->view));
    } else {
        ck_assert_msg(strcmp(got->text, shown) == 0, "%s: '%s', libpq: '%s'", what, got->text, shown);
    }
}

/* The parameter's bytes are those the server itself sends for the value. */
static void must_be_sent_as_it_came(const redw_param *p, const PGresult *binary, const char *what)
{
    struct redwi_buf b;
    redwi_buf_init(&b, &redwi_malloc, 4096);
    if (redwi_param_format(p, REDWI_POSTGRES) == 1) {
        redwi_param_put(&b, p, REDWI_POSTGRES);
        size_t n = redwi_buf_len(&b) - 4;
        ck_assert_msg(n == (size_t)PQgetlength(binary, 0, 0), "%s: %zu bytes sent", what, n);
        if (p->type == REDW_NUMERIC && p->v.n.special == REDW_INFINITY)
            n = 6; /* the server makes up a scale */
        ck_assert_msg(memcmp(redwi_buf_front(&b) + 4, PQgetvalue(binary, 0, 0), n) == 0,
                      "%s: other bytes sent", what);
    }
    redwi_buf_free(&b);
}

/* Sent as a parameter it is the same value to the server. */
static void must_come_back(const struct kind *k, const struct read *got, const char *value,
                           const char *what)
{
    char sql[200];
    /* As text, since json has no equality; and NaN, which equals itself there. */
    snprintf(sql, sizeof sql, "select ($1::%s)::text is not distinct from ($2::text::%s)::text", k->sql,
             k->sql);
    struct answer a = lab_query(&r, REDW_REQUEST(.sql = sql, REDW_PARAMS(got->p, redw_p_text(value))));
    ck_assert_msg(strcmp(answer_text(&a), "t") == 0, "%s: came back as another", what);
    answer_release(&a);
}

static void check_value(const struct kind *k, const char *value)
{
    char sql[100], what[200];
    snprintf(sql, sizeof sql, "select $1::%s", k->sql);
    PGresult *text = by_libpq(sql, value, 0), *binary = by_libpq(sql, value, 1);
    for (int wire = 0; wire <= 1; wire++) {
        struct answer a = lab_query(
            &r, REDW_REQUEST(.sql = sql, .wire = (enum redw_wire)wire, REDW_PARAMS(redw_p_text(value))));
        struct read got;
        redw_row row;
        snprintf(what, sizeof what, "%s '%.100s' in %s", k->sql, value, wire ? "binary" : "text");
        answer_must_succeed(&a);
        ck_assert(redw_result_first(a.res, &row));
        ck_assert_int_eq(redw_result_column(a.res, 0)->type, k->type);
        int rc = read_value(&row, k->type, &got);
        ck_assert_msg(rc == REDW_OK, "%s: %d", what, rc);
        must_be_what_libpq_shows(k, &got, text, binary, what);
        if (k->type != REDW_UUID && k->type != REDW_OID) { /* those are sent as text, or as bigint */
            must_be_sent_as_it_came(&got.p, binary, what);
            must_come_back(k, &got, value, what);
        }
        answer_release(&a);
    }
    PQclear(text);
    PQclear(binary);
}

START_TEST(every_value_is_the_same_to_libpq_redw_and_the_server)
{
    size_t n = 0;
    for (size_t i = 0; i < KINDS; i++) {
        for (const char *const *v = kinds[i].values; *v; v++, n++)
            check_value(&kinds[i], *v);
    }
    /* Numerics of every length, on both sides of the point. */
    for (int places = 0; places <= 37; places++) {
        char text[60];
        snprintf(text, sizeof text, "%de%d", places % 2 ? -7 : 7, places);
        check_value(&numeric, text);
        snprintf(text, sizeof text, "%d.%.*s", places % 3 ? -4 : 0, 37 - places,
                 "0900700000060000000050000000004000003");
        check_value(&numeric, places == 37 ? "4" : text);
        n += 2;
    }
    printf("values: %zu of %d types, text and binary, there and back\n", n, KINDS);
    ck_assert_uint_ge(n, 300);
}
END_TEST

/* --- what does not fit, and other shapes
 * ------------------------------------------------------------------ */

START_TEST(what_no_c_type_holds_is_a_range_error)
{
    static const struct {
        const char *sql;
        enum redw_type type;
    } rows[] = {
        {"select 1e38::numeric", REDW_NUMERIC},
        {"select 123456789012345678901234567890123456789::numeric", REDW_NUMERIC},
        {"select 1e-39::numeric", REDW_NUMERIC},
        {"select 1 + 1e-38::numeric", REDW_NUMERIC},
        {"select '294276-12-31 23:59:59.999999'::timestamp", REDW_TIMESTAMP},
        {"select '294276-12-31 23:59:59.999999+00'::timestamptz", REDW_TIMESTAMPTZ},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int wire = 0; wire <= 1; wire++) {
            struct answer a =
                lab_query(&r, REDW_REQUEST(.sql = rows[i].sql, .wire = (enum redw_wire)wire));
            struct read got;
            redw_row row;
            answer_must_succeed(&a);
            ck_assert(redw_result_first(a.res, &row));
            ck_assert_msg(read_value(&row, rows[i].type, &got) == REDW_ERANGE, "%s, %d", rows[i].sql,
                          wire);
            answer_release(&a);
        }
    }
}
END_TEST

START_TEST(long_numerics_are_the_nearest_double_in_both_forms)
{
    static const char *const values[] = {"1e100",
                                         "-1e-100",
                                         "1.000000000000000111022302462515654042363166809082031250000",
                                         "1.000000000000000111022302462515654042363166809082031250001",
                                         "1e308",
                                         "9e-324",
                                         "2.4703282292062327208e-324"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        PGresult *text = by_libpq("select $1::numeric", values[i], 0);
        double want = strtod_l(PQgetvalue(text, 0, 0), NULL, plain), d;
        for (int wire = 0; wire <= 1; wire++) {
            struct answer a =
                lab_query(&r, REDW_REQUEST(.sql = "select $1::numeric", .wire = (enum redw_wire)wire,
                                           REDW_PARAMS(redw_p_text(values[i]))));
            redw_row row;
            answer_must_succeed(&a);
            ck_assert(redw_result_first(a.res, &row));
            ck_assert_int_eq(redw_row_double(&row, 0, &d), REDW_OK);
            ck_assert_msg(d == want, "%s: %a, not %a", values[i], d, want);
            answer_release(&a);
        }
        PQclear(text);
    }
}
END_TEST

/* Made, sent, and compared by the server with what it reads itself. */
START_TEST(each_kind_of_parameter_is_what_it_says)
{
    static const int32_t i32[] = {1, -2, INT32_MIN};
    static const int64_t i64[] = {INT64_MAX, INT64_MIN};
    static const double f64[] = {0.1, -0.0};
    static const redw_slice texts[] = {{"a", 1}, {NULL, 0}, {"", 0}, {"it's {\"q\"}", 10}};
    redw_decimal price;
    ck_assert_int_eq(redw_decimal_parse("12.30", &price), REDW_OK);
    price.precision = 4;
    const struct {
        const char *sql;
        redw_param p;
    } rows[] = {
        {"select $1::text is null", redw_p_null(REDW_VARCHAR)},
        {"select $1 and pg_typeof($1) = 'bool'::regtype", redw_p_bool(true)},
        {"select $1 = -7 and pg_typeof($1) = 'int2'::regtype", redw_p_int16(-7)},
        {"select $1 = -70000 and pg_typeof($1) = 'int4'::regtype", redw_p_int32(-70000)},
        {"select $1 = 9007199254740993 and pg_typeof($1) = 'int8'::regtype",
         redw_p_int64(9007199254740993)},
        {"select $1 = 1.5 and pg_typeof($1) = 'float4'::regtype", redw_p_real(1.5F)},
        {"select $1 = 0.1::float8 and pg_typeof($1) = 'float8'::regtype", redw_p_double(0.1)},
        {"select $1::text = '12.30' and pg_typeof($1) = 'numeric'::regtype", redw_p_decimal(price)},
        {"select $1::text = '-0.000001'", redw_p_decimal_text("-0.000001")},
        {"select $1 = 'a'::bpchar and pg_typeof($1) = 'bpchar'::regtype", redw_p_char("a  ")},
        {"select $1 = 'a  '::varchar and pg_typeof($1) = 'varchar'::regtype", redw_p_varchar("a  ")},
        {"select $1 = date '2024-02-29' and pg_typeof($1) = 'date'::regtype", redw_p_date(2024, 2, 29)},
        {"select $1 = date '0044-03-15 BC'", redw_p_date(-43, 3, 15)},
        {"select $1 = time '12:34:56.789' and pg_typeof($1) = 'time'::regtype",
         redw_p_time((redw_time){INT64_C(45296789000)})},
        {"select $1 = timetz '12:34:56.789+02' and pg_typeof($1) = 'timetz'::regtype",
         redw_p_timetz((redw_timetz){INT64_C(45296789000), 7200})},
        {"select $1 = timestamp '2001-09-09 01:46:40.000001' and pg_typeof($1) = 'timestamp'::regtype",
         redw_p_timestamp((redw_timestamp){INT64_C(1000000000000001)})},
        {"select $1 = timestamptz '2001-09-09 01:46:40.000001+00' and pg_typeof($1) = "
         "'timestamptz'::regtype",
         redw_p_timestamptz((redw_timestamptz){INT64_C(1000000000000001)})},
        {"select $1::text = '-1 years -2 mons' and pg_typeof($1) = 'interval'::regtype",
         redw_p_interval_ym(-1, -2)},
        {"select $1::text = '3 days 00:00:01.5'", redw_p_interval_ds(3, 1500000)},
        {"select $1::text = '1 mon -1 days +00:00:00.000001'",
         redw_p_interval((redw_interval){1, -1, 1})},
        {"select $1 = '\\x00ff'::bytea and pg_typeof($1) = 'bytea'::regtype", redw_p_bytes("\0\xff", 2)},
        {"select $1 = ''::bytea", redw_p_bytes("", 0)},
        {"select $1::jsonb = '{\"a\": 1}'", redw_p_super("{\"a\":1}")},
        {"select $1 = 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid",
         redw_p_text_as(REDW_UUID, "b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", 36)},
        {"select $1 = array[1, -2, -2147483648] and pg_typeof($1) = 'int4[]'::regtype",
         redw_p_int32_array(i32, 3)},
        {"select $1 = array[9223372036854775807, -9223372036854775808]", redw_p_int64_array(i64, 2)},
        {"select $1 = array[0.1, 0]::float8[]", redw_p_double_array(f64, 2)},
        {"select $1 = array['a', null, '', 'it''s {\"q\"}'] and pg_typeof($1) = 'text[]'::regtype",
         redw_p_text_array(texts, 4)},
        {"select $1 = '{}'::int4[]", redw_p_int32_array(NULL, 0)},
        {"select count(*) = 1 from pg_class where relname = any($1)",
         redw_p_text_array((const redw_slice[]){{"pg_class", 8}}, 1)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answer a = lab_query(&r, REDW_REQUEST(.sql = rows[i].sql, REDW_PARAMS(rows[i].p)));
        const redw_error *e = answer_error(&a);
        ck_assert_msg(!e, "%s: %s", rows[i].sql, redw_error_message(e));
        ck_assert_msg(strcmp(answer_text(&a), "t") == 0, "%s: %s", rows[i].sql, answer_text(&a));
        answer_release(&a);
    }
}
END_TEST

START_TEST(arrays_of_the_catalogue_element_by_element)
{
    static const char sql[] =
        "select array['a b', null, 'q\"\\'], array[1, 2]::int2[], '1 2 3'::int2vector, "
        "array[1.5, 'NaN']::numeric[], '{}'::text[], array[[1], [2]]";
    for (int wire = 0; wire <= 1; wire++) {
        struct answer a = lab_query(&r, REDW_REQUEST(.sql = sql, .wire = (enum redw_wire)wire));
        char room[16], text[REDW_DECIMAL_CHARS];
        redw_row row, e;
        redw_array it;
        redw_slice s;
        redw_decimal d;
        int32_t n;
        answer_must_succeed(&a);
        ck_assert(redw_result_first(a.res, &row));
        ck_assert_int_eq(redw_row_array(&row, 0, &it, room, sizeof room), REDW_OK);
        ck_assert_uint_eq(it.count, 3);
        ck_assert(redw_array_next(&it, &e) && redw_row_text(&e, 0, &s) == REDW_OK);
        ck_assert(s.len == 3 && memcmp(s.ptr, "a b", 3) == 0);
        ck_assert(redw_array_next(&it, &e) && redw_row_text(&e, 0, &s) == REDW_NULL);
        ck_assert(redw_array_next(&it, &e) && redw_row_text(&e, 0, &s) == REDW_OK);
        ck_assert(s.len == 3 && memcmp(s.ptr, "q\"\\", 3) == 0);
        for (size_t col = 1; col <= 2; col++) {
            ck_assert_int_eq(redw_row_array(&row, col, &it, NULL, 0), REDW_OK);
            for (int32_t i = 1; redw_array_next(&it, &e); i++) {
                ck_assert_int_eq(redw_row_int32(&e, 0, &n), REDW_OK);
                ck_assert_int_eq(n, i);
            }
            ck_assert_uint_eq(it.count, 1 + col);
        }
        ck_assert_int_eq(redw_row_array(&row, 3, &it, NULL, 0), REDW_OK);
        ck_assert(redw_array_next(&it, &e) && redw_row_decimal(&e, 0, &d) == REDW_OK);
        ck_assert_str_eq(redw_decimal_text(d, text), "1.5");
        ck_assert(redw_array_next(&it, &e) && redw_row_decimal(&e, 0, &d) == REDW_OK &&
                  d.special == REDW_NAN);
        ck_assert_int_eq(redw_row_array(&row, 4, &it, NULL, 0), REDW_OK);
        ck_assert(it.count == 0 && !redw_array_next(&it, &e));
        ck_assert_int_eq(redw_row_array(&row, 5, &it, NULL, 0), REDW_ETYPE);
        answer_release(&a);
    }
}
END_TEST

/* C11 */
START_TEST(columns_say_what_they_hold)
{
    struct answer a = lab_query(
        &r, REDW_QUERY("select 1::numeric(38, 4) as revenue, 'x'::varchar(32), now()::timestamp(3), "
                       "1::numeric, '{1}'::int4[], 'x'::char(4), 1.5::numeric(3, -2)"));
    static const struct {
        enum redw_type type;
        int precision, scale;
    } want[] = {{REDW_NUMERIC, 38, 4},  {REDW_VARCHAR, 32, -1}, {REDW_TIMESTAMP, 3, -1},
                {REDW_NUMERIC, -1, -1}, {REDW_ARRAY, -1, -1},   {REDW_CHAR, 4, -1},
                {REDW_NUMERIC, 3, -2}};
    answer_must_succeed(&a);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const struct redw_column *c = redw_result_column(a.res, i);
        ck_assert_int_eq(c->type, want[i].type);
        ck_assert_int_eq(c->precision, want[i].precision);
        ck_assert_int_eq(c->scale, want[i].scale);
        ck_assert_int_eq(c->nullable, -1); /* PostgreSQL does not say */
        ck_assert_str_eq(c->catalog, "");
        ck_assert_str_eq(c->schema, "");
        ck_assert_str_eq(c->table, "");
        ck_assert_str_eq(c->base_name, "");
    }
    answer_release(&a);
}
END_TEST

static void open_both(void)
{
    static const char *const zone[] = {"set timezone to 'Asia/Kolkata'"};
    lab_open(&r);
    lab_pool(&r, pg_server()->uri, pg_server()->password, 1);
    struct answer a = lab_query(&r, REDW_QUERY(zone[0]));
    answer_must_succeed(&a);
    answer_release(&a);
    libpq = PQconnectdb(pg_uri());
    ck_assert_msg(PQstatus(libpq) == CONNECTION_OK, "%s", PQerrorMessage(libpq));
    PQclear(PQexec(libpq, "set timezone to 'UTC'"));
    plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    comma_locale();
}

static void close_both(void)
{
    PQfinish(libpq);
    freelocale(plain);
    ck_assert(lab_close(&r));
}

int main(void)
{
    Suite *s = suite_create("values");
    TCase *t = tcase_create("values");
    pg_server();
    tcase_add_checked_fixture(t, open_both, close_both);
    tcase_add_test(t, every_value_is_the_same_to_libpq_redw_and_the_server);
    tcase_add_test(t, what_no_c_type_holds_is_a_range_error);
    tcase_add_test(t, long_numerics_are_the_nearest_double_in_both_forms);
    tcase_add_test(t, each_kind_of_parameter_is_what_it_says);
    tcase_add_test(t, arrays_of_the_catalogue_element_by_element);
    tcase_add_test(t, columns_say_what_they_hold);
    tcase_set_timeout(t, 120);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
