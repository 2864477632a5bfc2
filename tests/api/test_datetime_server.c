/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C17, C18, C19: Dates, times and intervals against PostgreSQL, which is asked for each value as text, in
 * binary and as a number. What is read from the first two is that number; what is written, as text and in
 * binary, is the value to the server; and the server's text is what redw writes.
 */
#include "data/datetime.h"
#include "data/interval.h"
#include "support/pg.h"
#include "wire/mem.h"

#include <check.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static PGconn *server;
static struct redwi_buf written;

enum type { DATE, TIME, TIMETZ, TIMESTAMP, TIMESTAMPTZ, INTERVAL };

static const struct {
    const char *name;
    Oid oid;
    /* The server's own view of value $1, as three integers: a count, days or zone, months. */
    const char *numbers;
} types[] = {
    {"date", 1082, "case when isfinite(v) then v - date '1970-01-01' else 0 end, 0, 0"},
    {"time", 1083, "(extract(epoch from v) * 1000000)::int8, 0, 0"},
    {"timetz", 1266, "(extract(epoch from v::time) * 1000000)::int8, extract(timezone from v)::int4, 0"},
    {"timestamp", 1114,
     "case when isfinite(v) then (extract(epoch from v) * 1000000)::int8 else 0 end, 0, 0"},
    {"timestamptz", 1184,
     "case when isfinite(v) then (extract(epoch from v) * 1000000)::int8 else 0 end, 0, 0"},
    /* Hours are extracted as a whole number of 64 bits, so that the ends are no exception. */
    {"interval", 1186,
     "((extract(hour from v)::numeric * 60 + extract(minute from v)) * 60000000 + extract(microsecond "
     "from v))::int8, "
     "extract(day from v)::int4, (extract(year from v) * 12 + extract(month from v))::int4"},
};

struct value {
    int64_t count;
    int32_t second, third;
};

static bool equal(struct value a, struct value b)
{
    return a.count == b.count && a.second == b.second && a.third == b.third;
}

static struct value of_interval(redw_interval v)
{
    return (struct value){v.us, v.days, v.months};
}

static redw_interval interval_of(struct value v)
{
    return (redw_interval){v.third, v.second, v.count};
}

static int read_value(enum type type, bool binary, const char *p, size_t n, struct value *v)
{
    redw_date d;
    redw_time t;
    redw_timetz tz;
    redw_timestamp ts;
    redw_timestamptz instant;
    redw_interval i;
    int rc;
    switch (type) {
    case DATE:
        rc = binary ? redwi_binary_date(p, n, &d) : redwi_text_date(p, n, &d);
        *v = (struct value){d.days, 0, 0};
        return rc;
    case TIME:
        rc = binary ? redwi_binary_time(p, n, &t) : redwi_text_time(p, n, &t);
        *v = (struct value){t.us, 0, 0};
        return rc;
    case TIMETZ:
        rc = binary ? redwi_binary_timetz(p, n, &tz) : redwi_text_timetz(p, n, &tz);
        *v = (struct value){tz.us, tz.offset_s, 0};
        return rc;
    case TIMESTAMP:
        rc = binary ? redwi_binary_timestamp(p, n, &ts) : redwi_text_timestamp(p, n, &ts);
        *v = (struct value){ts.us, 0, 0};
        return rc;
    case TIMESTAMPTZ:
        rc = binary ? redwi_binary_timestamptz(p, n, &instant) : redwi_text_timestamptz(p, n, &instant);
        *v = (struct value){instant.us, 0, 0};
        return rc;
    default:
        rc = binary ? redwi_interval_postgres(p, n, &i) : redwi_text_interval(p, n, &i);
        *v = of_interval(i);
        return rc;
    }
}

static const char *write_text(enum type type, struct value v)
{
    static char buf[REDW_INTERVAL_CHARS];
    switch (type) {
    case DATE:
        return redw_date_text((redw_date){(int32_t)v.count}, buf);
    case TIME:
        return redw_time_text((redw_time){v.count}, buf);
    case TIMETZ:
        return redw_timetz_text((redw_timetz){v.count, v.second}, buf);
    case TIMESTAMP:
        return redw_timestamp_text((redw_timestamp){v.count}, buf);
    case TIMESTAMPTZ:
        return redw_timestamptz_text((redw_timestamptz){v.count}, buf);
    default:
        return redw_interval_text(interval_of(v), buf);
    }
}

static void write_binary(enum type type, struct value v)
{
    redwi_buf_cut(&written, 0);
    switch (type) {
    case DATE:
        redwi_date_put(&written, (redw_date){(int32_t)v.count});
        break;
    case TIME:
        redwi_time_put(&written, (redw_time){v.count});
        break;
    case TIMETZ:
        redwi_timetz_put(&written, (redw_timetz){v.count, v.second});
        break;
    case TIMESTAMP:
    case TIMESTAMPTZ:
        redwi_timestamp_put(&written, v.count);
        break;
    case INTERVAL:
        redwi_interval_put_postgres(&written, interval_of(v));
        break;
    }
}

static PGresult *ask(const char *sql, Oid oid, const char *param, int len, int binary_in, int binary_out)
{
    PGresult *res = PQexecParams(server, sql, 1, &oid, &param, &len, &binary_in, binary_out);
    ck_assert_msg(PQresultStatus(res) == PGRES_TUPLES_OK, "%s: %s: %s", sql, param,
                  PQresultErrorMessage(res));
    return res;
}

/* The value as the server has it, written by redw in either form: it is the same, and has the same text
 * (times with a zone are the same in other zones too). */
static void must_be_the_servers(enum type type, struct value v, const char *literal)
{
    char sql[200], text[REDW_INTERVAL_CHARS];
    snprintf(sql, sizeof sql, "select $1 = '%s'::%s and $1::text = '%s'::%s::text", literal,
             types[type].name, literal, types[type].name);
    snprintf(text, sizeof text, "%s", write_text(type, v));
    PGresult *by_text = ask(sql, types[type].oid, text, 0, 0, 0);
    ck_assert_msg(strcmp(PQgetvalue(by_text, 0, 0), "t") == 0, "%s is not %s", text, literal);
    PQclear(by_text);
    write_binary(type, v);
    PGresult *by_bytes = ask(sql, types[type].oid, (const char *)redwi_buf_front(&written),
                             (int)redwi_buf_len(&written), 1, 0);
    ck_assert_msg(strcmp(PQgetvalue(by_bytes, 0, 0), "t") == 0, "%s in binary is not %s", text, literal);
    PQclear(by_bytes);
}

/* Asks for the value in each form; returns it. */
static struct value asked(enum type type, const char *literal, int rc, char *text, size_t room)
{
    char sql[700];
    struct value by_text, by_bytes, by_number;
    snprintf(sql, sizeof sql, "select v, %s from (select $1::text::%s) x(v)",
             rc == REDW_OK ? types[type].numbers : "0, 0, 0", types[type].name);
    PGresult *t = ask(sql, 25, literal, 0, 0, 0), *b = ask(sql, 25, literal, 0, 0, 1);
    int rct = read_value(type, false, PQgetvalue(t, 0, 0), (size_t)PQgetlength(t, 0, 0), &by_text);
    int rcb = read_value(type, true, PQgetvalue(b, 0, 0), (size_t)PQgetlength(b, 0, 0), &by_bytes);
    snprintf(text, room, "%s", PQgetvalue(t, 0, 0));
    by_number =
        (struct value){atoll(PQgetvalue(t, 0, 1)), atoi(PQgetvalue(t, 0, 2)), atoi(PQgetvalue(t, 0, 3))};
    ck_assert_msg(rct == rc && rcb == rc, "%s '%s': text %d, binary %d", types[type].name, text, rct,
                  rcb);
    ck_assert_msg(equal(by_text, by_bytes), "%s '%s': text and binary differ", types[type].name, text);
    bool infinite = strstr(text, "infinity") != NULL;
    if (infinite)
        by_number.count = type == DATE   ? (*text == '-' ? INT32_MIN : INT32_MAX)
                          : *text == '-' ? INT64_MIN
                                         : INT64_MAX;
    ck_assert_msg(rc != REDW_OK || equal(by_text, by_number), "%s '%s': %" PRId64 ", not %" PRId64,
                  types[type].name, text, by_text.count, by_number.count);
    PQclear(t);
    PQclear(b);
    return by_text;
}

static void must_agree(enum type type, const char *literal)
{
    char text[100];
    struct value v = asked(type, literal, REDW_OK, text, sizeof text);
    if (type != TIMESTAMPTZ)
        ck_assert_str_eq(write_text(type, v), text);
    must_be_the_servers(type, v, literal);
}

static void run(const char *sql)
{
    PGresult *res = PQexec(server, sql);
    ck_assert_msg(PQresultStatus(res) == PGRES_COMMAND_OK, "%s: %s", sql, PQresultErrorMessage(res));
    PQclear(res);
}

static const char *const zones[] = {
    "UTC", "America/Los_Angeles", "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Kiritimati", "<-15>+15"};

START_TEST(edges_are_the_same_values_to_the_server)
{
    static const struct {
        enum type type;
        const char *literal;
    } rows[] = {
        {DATE, "2024-02-29"},
        {DATE, "1970-01-01"},
        {DATE, "0001-01-01"},
        {DATE, "0001-12-31 BC"},
        {DATE, "0001-02-29 BC"},
        {DATE, "0044-03-15 BC"},
        {DATE, "4713-01-01 BC"},
        {DATE, "4714-11-24 BC"},
        {DATE, "9999-12-31"},
        {DATE, "10000-01-01"},
        {DATE, "294276-12-31"},
        {DATE, "5874897-12-31"},
        {DATE, "infinity"},
        {DATE, "-infinity"},
        {TIME, "00:00:00"},
        {TIME, "24:00:00"},
        {TIME, "23:59:60"},
        {TIME, "12:30:60.5"},
        {TIME, "23:59:59.999999"},
        {TIME, "00:00:00.000001"},
        {TIMETZ, "04:05:06-08"},
        {TIMETZ, "04:05:06.789+05:30"},
        {TIMETZ, "24:00:00+15:59:59"},
        {TIMETZ, "23:59:59.999999-15:59:59"},
        {TIMETZ, "00:00:00-00:00:01"},
        {TIMESTAMP, "2024-02-29 12:34:56.789012"},
        {TIMESTAMP, "2024-02-29 24:00:00"},
        {TIMESTAMP, "2024-12-31 23:59:60"},
        {TIMESTAMP, "1969-12-31 23:59:59.999999"},
        {TIMESTAMP, "0001-12-31 23:59:59.9 BC"},
        {TIMESTAMP, "4714-11-24 00:00:00 BC"},
        {TIMESTAMP, "4714-11-24 00:00:00.000001 BC"},
        {TIMESTAMP, "294247-01-10 04:00:54.775806"},
        {TIMESTAMP, "infinity"},
        {TIMESTAMP, "-infinity"},
        {TIMESTAMPTZ, "2024-02-29 12:34:56.789012+00"},
        {TIMESTAMPTZ, "2024-02-29 12:34:56+05:30"},
        {TIMESTAMPTZ, "1900-01-01 00:00:00+00"},
        {TIMESTAMPTZ, "1850-06-01 12:00:00+00"},
        {TIMESTAMPTZ, "0044-03-15 12:00:00+00 BC"},
        {TIMESTAMPTZ, "4714-11-24 00:00:00+00 BC"},
        {TIMESTAMPTZ, "294247-01-10 04:00:54.775806+00"},
        {TIMESTAMPTZ, "infinity"},
        {TIMESTAMPTZ, "-infinity"},
        {INTERVAL, "0"},
        {INTERVAL, "1 year 2 mons 3 days 04:05:06.789"},
        {INTERVAL, "-1 year -2 mons +3 days -04:05:06"},
        {INTERVAL, "-1 mon 1 day 00:00:00.000001"},
        {INTERVAL, "1 mon -1 day"},
        {INTERVAL, "-1 days +01:00:00"},
        {INTERVAL, "11 mons 29 days 25:00:00"},
        {INTERVAL, "-00:00:00.000001"},
        {INTERVAL, "178956970 years 7 mons 2147483647 days"},
        {INTERVAL, "-178956970 years -8 mons -2147483648 days"},
        {INTERVAL, "2562047788:00:54.775807"},
        {INTERVAL, "-2562047788:00:54.775807"},
    };
    for (size_t z = 0; z < sizeof zones / sizeof *zones; z++) {
        char sql[100];
        snprintf(sql, sizeof sql, "set timezone = '%s'", zones[z]);
        run(sql);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            if (z == 0 || rows[i].type == TIMESTAMPTZ)
                must_agree(rows[i].type, rows[i].literal);
    }
    run("set timezone = 'UTC'");
}
END_TEST

START_TEST(timestamps_that_64_bits_since_1970_cannot_count_are_out_of_range)
{
    static const char *const rows[] = {"294247-01-10 04:00:54.775807", "294247-01-10 04:00:55",
                                       "294276-12-31 23:59:59.999999"};
    char text[100];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        asked(TIMESTAMP, rows[i], REDW_ERANGE, text, sizeof text);
        asked(TIMESTAMPTZ, rows[i], REDW_ERANGE, text, sizeof text);
    }
}
END_TEST

/* Made by the server, from its own arithmetic; one query gives a few hundred of each type. */
START_TEST(values_the_server_makes_up_are_the_same_here)
{
    static const char *const makers[] = {
        "select (date '4714-11-24 BC' + (g * g * 23823)::int4)::text from generate_series(1, 300) g",
        "select (time '00:00' + g * interval '287.123457 sec')::text from generate_series(0, 300) g",
        "select (time '00:00' + g * interval '287.123457 sec')::text || "
        "to_char(make_interval(secs => (g * 383) % 57599), case when g % 2 = 0 then '+HH24:MI:SS' else "
        "'-HH24:MI:SS' end) "
        "from generate_series(0, 300) g",
        "select (timestamp '4714-11-24 BC' + g * g * interval '3316 years 7 days "
        "01:02:03.456789')::text "
        "from generate_series(0, 9) g union all "
        "select (timestamp '1970-01-01' + g * g * g * interval '1 day 01:02:03.04')::text from "
        "generate_series(-100, 300) g",
        "select (timestamptz '1970-01-01' + g * g * g * interval '07:02:03.040506')::text from "
        "generate_series(-100, 300) g",
        "select make_interval(months => (g * g - 2000 * g)::int4, days => 70 - (g % 141)::int4, secs => "
        "(g - 150) ^ 3 / 7)::text "
        "from generate_series(1, 300) g",
    };
    for (enum type type = DATE; type <= INTERVAL; type++) {
        PGresult *made = PQexec(server, makers[type]);
        ck_assert_msg(PQresultStatus(made) == PGRES_TUPLES_OK, "%s: %s", makers[type],
                      PQresultErrorMessage(made));
        ck_assert_int_ge(PQntuples(made), 300);
        for (int i = 0; i < PQntuples(made); i++)
            must_agree(type, PQgetvalue(made, i, 0));
        PQclear(made);
    }
}
END_TEST

/* The server is as strict as the readers here, as far as there is such a text at all. */
START_TEST(what_is_out_of_range_here_is_so_to_the_server)
{
    static const struct {
        enum type type;
        const char *literal;
    } rows[] = {
        {DATE, "4714-11-23 BC"},
        {DATE, "5874898-01-01"},
        {DATE, "0000-01-01"},
        {DATE, "2023-02-29"},
        {DATE, "2024-13-01"},
        {TIME, "24:00:00.000001"},
        {TIME, "23:59:60.000001"},
        {TIME, "25:00:00"},
        {TIME, "12:00:61"},
        {TIMETZ, "00:00:00+16"},
        {TIMETZ, "00:00:00+15:60"},
        {TIMESTAMP, "4714-11-23 23:59:59.999999 BC"},
        {TIMESTAMP, "294277-01-01 00:00:00"},
        {TIMESTAMP, "2024-01-01 24:00:00.000001"},
        {TIMESTAMP, "2024-01-01 00:60:00"},
        {TIMESTAMPTZ, "4714-11-24 00:59:59.999999+01 BC"},
        {INTERVAL, "178956970 years 8 mons"},
        {INTERVAL, "2147483648 days"},
        {INTERVAL, "2562047788:00:54.775808"},
        {INTERVAL, "00:60:00"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct value v;
        char sql[100];
        snprintf(sql, sizeof sql, "select '%s'::%s", rows[i].literal, types[rows[i].type].name);
        PGresult *res = PQexec(server, sql);
        ck_assert_msg(PQresultStatus(res) == PGRES_FATAL_ERROR, "%s is a value to the server", sql);
        ck_assert_msg(strncmp(PQresultErrorField(res, PG_DIAG_SQLSTATE), "220", 3) == 0, "%s",
                      PQresultErrorMessage(res));
        PQclear(res);
        int rc = read_value(rows[i].type, false, rows[i].literal, strlen(rows[i].literal), &v);
        ck_assert_msg(rc == REDW_ERANGE && equal(v, (struct value){0}), "%s: %d", sql, rc);
    }
}
END_TEST

int main(void)
{
    (void)pg_server();
    redwi_buf_init(&written, &redwi_malloc, 4096);
    Suite *s = suite_create("datetime_server");
    TCase *t = tcase_create("datetime_server");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, edges_are_the_same_values_to_the_server);
    tcase_add_test(t, timestamps_that_64_bits_since_1970_cannot_count_are_out_of_range);
    tcase_add_test(t, values_the_server_makes_up_are_the_same_here);
    tcase_add_test(t, what_is_out_of_range_here_is_so_to_the_server);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    server = PQconnectdb(pg_uri());
    bool ready = PQstatus(server) == CONNECTION_OK;
    if (ready)
        srunner_run_all(r, CK_ENV);
    else
        printf("%s\n", PQerrorMessage(server));
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    PQfinish(server);
    redwi_buf_free(&written);
    return !ready || failed != 0;
}
