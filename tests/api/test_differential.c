/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same statements through libpq and through redw, text and binary: the same columns, bytes, tags,
 * counts, notices and errors; and typed getters that equal what the C library makes of libpq's text.
 */
#include "support/pg.h"
#include "support/lab.h"

#include <check.h>
#include <libpq-fe.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct lab r;

/* Parameters are texts whose types the server infers; the list ends at the first missing one. */
static const char null_param[] = "";
static const struct query {
    const char *sql;
    const char *params[3];
} queries[] = {
    /* integers */
    {"select 0::int2, 1::int2, -1::int2, 32767::int2, (-32768)::int2", {0}},
    {"select 0::int4, 2147483647::int4, (-2147483648)::int4", {0}},
    {"select 0::int8, 9223372036854775807::int8, (-9223372036854775808)::int8, 2147483648::int8", {0}},
    {"select -2147483649::int8, 32768::int4, -32769::int4", {0}},
    {"select $1::int2, $2::int4, $3::int8", {"-5", "70000", "9007199254740993"}},
    {"select count(*), sum(g), avg(g), min(g), max(g) from generate_series(1, 1000) g", {0}},
    {"select g, g::int2, g::int8 * 1000000007 from generate_series(-50, 50) g", {0}},
    /* floats */
    {"select 0::float8, '-0'::float8, 1::float8, -1.5::float8, 0.1::float8, 1e15::float8, 1e16::float8", {0}},
    {"select 1.7976931348623157e308::float8, 2.2250738585072014e-308::float8, 5e-324::float8", {0}},
    {"select 'NaN'::float8, 'Infinity'::float8, '-Infinity'::float8", {0}},
    {"select 0::float4, '-0'::float4, 0.1::float4, 3.4028235e38::float4, 1.17549435e-38::float4, 1e-45::float4",
     {0}},
    {"select 'NaN'::float4, 'Infinity'::float4, '-Infinity'::float4", {0}},
    {"select 1e22::float8, 1e23::float8, 9007199254740993::float8, 123456.789e-300::float8", {0}},
    {"select 2.2250738585072011e-308::float8, 4.9406564584124654e-324::float8, 8.98846567431158e307::float8", {0}},
    {"select sqrt(g::float8), ln(g::float8), g / 7::float4 from generate_series(1, 200) g", {0}},
    {"select $1::float8, $2::float4", {"6.02214076e23", "1.1"}},
    {"select pi(), exp(1.0::float8), power(2::float8, g) from generate_series(-1074, 1023, 13) g", {0}},
    /* booleans */
    {"select true, false, null::bool, 1 < 2", {0}},
    {"select $1::bool, $2::bool, not $3::bool", {"t", "off", "yes"}},
    /* numeric */
    {"select 0::numeric, 1::numeric, -1::numeric, 0.5::numeric, 12345678901234567890::numeric", {0}},
    {"select 9223372036854775807::numeric, (-9223372036854775808)::numeric, 9223372036854775808::numeric", {0}},
    {"select 1.000::numeric, 'NaN'::numeric, 0.000000000000000001::numeric(38, 18), -999.99::numeric(5, 2)", {0}},
    {"select 10::numeric(38), 1e20::numeric, 100000000::numeric, 10000::numeric, 9999::numeric", {0}},
    /* texts */
    {"select 'abc'::text, ''::text, 'abc'::varchar(10), 'abc'::char(10), 'x'::name", {0}},
    {"select 'a' || chr(233) || chr(8364) || chr(128512)", {0}},
    {"select E'tab\\tnewline\\nquote''backslash\\\\'", {0}},
    {"select $1::text || $2::varchar, length($1::text)", {"it's \\ here", "gr\xc3\xbc\xc3\x9f"}},
    {"select repeat('0123456789', 10000)", {0}},
    {"select repeat('long', g) from generate_series(0, 300) g", {0}},
    {"select 'unknown literal'", {0}},
    /* nulls */
    {"select null", {0}},
    {"select null::int2, null::int4, null::int8, null::float4, null::float8, null::bool, null::text, null::numeric",
     {0}},
    {"select case when g % 3 = 0 then g end, case when g % 2 = 0 then 'even' end from generate_series(1, 30) g",
     {0}},
    {"select $1::text is null, $1::text, $2::text", {null_param, "x"}},
    /* other types: bytes and OIDs */
    {"select '2024-02-29'::date, '0044-03-15 BC'::date, 'infinity'::date", {0}},
    {"select '12:34:56.789'::time, '23:59:60'::time, '04:05:06-08'::timetz", {0}},
    {"select '2024-02-29 12:34:56.789012'::timestamp, '1999-12-31 23:59:59+14'::timestamptz", {0}},
    {"select '1 year 2 mons -3 days 04:05:06.7'::interval, '-1 sec'::interval", {0}},
    {"select '\\xdeadbeef00'::bytea, ''::bytea", {0}},
    {"select array[1, 2, null, 4], array['a', 'b c', null]::text[], '{}'::int4[]", {0}},
    {"select '{\"a\": [1, 2]}'::json, '{\"b\": null}'::jsonb", {0}},
    {"select 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid, '192.168.0.0/24'::cidr, '(1,2)'::point", {0}},
    {"select 12.5::money, '101'::bit(3), 'c'::\"char\", 42::oid, 'pg_class'::regclass", {0}},
    {"select row(1, 'a', null), row()", {0}},
    {"select typname, typlen, typbyval, typtype from pg_type where oid < 100 order by oid", {0}},
    /* shapes */
    {"select from generate_series(1, 5)", {0}},
    {"select 1 where false", {0}},
    {"select 1 as a, 2 as a, 3 as \"A b\", 4 as \"\xc3\xa4\"", {0}},
    {"values (1, 'one'), (2, 'two'), (3, null)", {0}},
    {"table pg_am", {0}},
    {"with q as (select 1 as x) select x, x + 1 from q", {0}},
    {"explain (costs off) select 1", {0}},
    {"show server_version", {0}},
    {"show client_encoding", {0}},
    {"show datestyle", {0}},
    {"", {0}},
    {"-- nothing", {0}},
    /* statements, each on both connections' own temporary table */
    {"create temp table d (i int primary key, t varchar(5))", {0}},
    {"insert into d values (1, 'a'), (2, 'b'), ($1, $2)", {"3", "c"}},
    {"update d set t = 'z' where i >= $1 returning i, t", {"2"}},
    {"delete from d where i = 99", {0}},
    {"select * from d order by i", {0}},
    {"insert into d values (1, 'again')", {0}},
    {"insert into d values (4, 'too long for five')", {0}},
    {"insert into d values (null, 'x')", {0}},
    {"alter table d add check (i < 10)", {0}},
    {"insert into d values (11, 'x')", {0}},
    {"truncate d", {0}},
    {"drop table d", {0}},
    {"set search_path = public", {0}},
    {"do $$ begin raise notice 'one %', 1; raise warning 'two' using detail = 'more', hint = 'less'; end $$", {0}},
    {"drop table if exists never_was", {0}},
    {"analyze pg_am", {0}},
    {"vacuum pg_am", {0}},
    /* errors */
    {"selec 1", {0}},
    {"select 1 /", {0}},
    {"select nowhere", {0}},
    {"select * from nowhere.nothing", {0}},
    {"select nofunction(1)", {0}},
    {"select 1 / 0", {0}},
    {"select 10 / (g - 500) from generate_series(1, 1000) g", {0}},
    {"select 32768::int4::int2", {0}},
    {"select 'x'::int4", {0}},
    {"select $1::int4", {"12a"}},
    {"select '2024-02-30'::date", {0}},
    {"select 1; select 2", {0}},
    {"select pg_catalog.set_config('nothing.such', $1, true), current_setting('no.such')", {"v"}},
    {"do $$ begin raise exception 'own %', 7 using errcode = 'ZZ001', detail = 'd', hint = 'h', "
     "schema = 's', table = 't', column = 'c', datatype = 'y', constraint = 'k'; end $$",
     {0}},
    {"do $$ begin raise sqlstate '40P01'; end $$", {0}},
    {"grant select on pg_am to nobody_at_all", {0}},
    {"call nowhere()", {0}},
    {"select * from pg_authid", {0}},
    {"select $1", {"inferred as text"}},
    {"select 1 as one group by 2", {0}},
    {"select '\\x4'::bytea", {0}},
    {"select 'a' < 1", {0}},
    {"create table d2 (i nosuchtype)", {0}},
    {"select $2::int4", {"1", "2"}},
};
enum { QUERIES = sizeof queries / sizeof queries[0] };

static const char *where(const struct query *q, int wire)
{
    static char text[300];
    snprintf(text, sizeof text, "%s: %.200s", wire ? "binary" : "text", q->sql);
    return text;
}

static size_t params_of(const struct query *q)
{
    size_t n = 0;
    while (n < 3 && q->params[n] != NULL)
        n++;
    return n;
}

static PGresult *by_libpq(PGconn *c, const struct query *q, int wire)
{
    const char *values[3];
    for (size_t i = 0; i < 3; i++)
        values[i] = q->params[i] == null_param ? NULL : q->params[i];
    return PQexecParams(c, q->sql, (int)params_of(q), NULL, values, NULL, NULL, wire);
}

static struct answer by_redw(const struct query *q, int wire)
{
    redw_param p[3];
    for (size_t i = 0; i < params_of(q); i++)
        p[i] = redw_p_text(q->params[i] == null_param ? NULL : q->params[i]);
    return lab_query(&r, REDW_REQUEST(.sql = q->sql, .params = p, .nparams = params_of(q),
                                      .wire = (enum redw_wire)wire));
}

/* --- the same answer ------------------------------------------------------------------------------------ */

static void same_fields(const redw_error *e, const PGresult *p, const char *what)
{
    static const char letters[] = "SVCMDHPpqWstcdnFLR";
    ck_assert_msg(e != NULL, "%s: redw says nothing, libpq: %s", what, PQresultErrorMessage(p));
    for (const char *k = letters; *k != '\0'; k++) {
        redw_slice mine = redw_error_field(e, *k);
        const char *theirs = PQresultErrorField(p, *k);
        if (*k == 's' && theirs != NULL && strncmp(theirs, "pg_temp_", 8) == 0)
            continue; /* a schema per connection */
        ck_assert_msg((mine.ptr == NULL) == (theirs == NULL) &&
                          (theirs == NULL || (strlen(theirs) == mine.len && memcmp(theirs, mine.ptr, mine.len) == 0)),
                      "%s: field %c: %.*s, libpq: %s", what, *k, REDW_ARG(mine), theirs ? theirs : "NULL");
    }
    ck_assert_str_eq(redw_error_sqlstate(e), PQresultErrorField(p, PG_DIAG_SQLSTATE));
}

static size_t same_cells(const redw_result *mine, const PGresult *theirs, const char *what)
{
    redw_rows it = redw_result_rows(mine);
    redw_row row;
    size_t cells = 0;
    for (int i = 0; i < PQntuples(theirs); i++) {
        ck_assert_msg(redw_rows_next(&it, &row), "%s: row %d is missing", what, i);
        ck_assert_int_eq((int)row.ncells, PQnfields(theirs));
        for (int c = 0; c < PQnfields(theirs); c++, cells++) {
            redw_slice cell = row.cells[c];
            ck_assert_msg((cell.ptr == NULL) == PQgetisnull(theirs, i, c), "%s: row %d column %d: NULL", what, i, c);
            ck_assert_msg(cell.ptr == NULL || (cell.len == (size_t)PQgetlength(theirs, i, c) &&
                                               memcmp(cell.ptr, PQgetvalue(theirs, i, c), cell.len) == 0),
                          "%s: row %d column %d differs", what, i, c);
        }
    }
    ck_assert_msg(!redw_rows_next(&it, &row), "%s: more rows", what);
    return cells;
}

static size_t same(const redw_result *mine, const PGresult *theirs, int wire, const char *what)
{
    const redw_error *e = redw_result_error(mine);
    if (PQresultStatus(theirs) == PGRES_FATAL_ERROR) {
        same_fields(e, theirs, what);
        return 0;
    }
    ck_assert_msg(e == NULL, "%s: %s", what, redw_error_message(e));
    ck_assert_msg((int)redw_result_column_count(mine) == PQnfields(theirs), "%s: columns", what);
    for (int c = 0; c < PQnfields(theirs); c++) {
        const struct redw_column *col = redw_result_column(mine, (size_t)c);
        ck_assert_str_eq(col->name, PQfname(theirs, c));
        ck_assert_uint_eq(col->oid, PQftype(theirs, c));
        ck_assert_int_eq(col->typmod, PQfmod(theirs, c));
        ck_assert_int_eq(col->binary, wire);
    }
    ck_assert_msg((int)redw_result_row_count(mine) == PQntuples(theirs), "%s: rows", what);
    ck_assert_msg(strcmp(redw_result_tag(mine), PQcmdStatus((PGresult *)theirs)) == 0, "%s: tag %s, libpq: %s",
                  what, redw_result_tag(mine), PQcmdStatus((PGresult *)theirs));
    const char *count = PQcmdTuples((PGresult *)theirs);
    ck_assert_int_eq(redw_result_affected(mine), count[0] != '\0' ? atoll(count) : -1);
    return same_cells(mine, theirs, what);
}

/* --- the same values ------------------------------------------------------------------------------------- */

static bool same_double(double a, double b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

/* What each getter must say of a value that libpq shows as this text (NULL: SQL NULL). */
static void check_getters(const redw_row *row, size_t c, const struct redw_column *col, const char *text,
                          const char *what)
{
    enum redw_type type = col->type;
    bool binary = col->binary;
    bool b = true;
    int32_t i = 7;
    int64_t l = 7;
    double d = 7;
    redw_slice s = {"7", 1};
    int rb = redw_row_bool(row, c, &b), ri = redw_row_int32(row, c, &i), rl = redw_row_int64(row, c, &l);
    int rd = redw_row_double(row, c, &d), rs = redw_row_text(row, c, &s);
#define MUST(cond) ck_assert_msg(cond, "%s: column %zu (%s) '%s': %s", what, c, redw_type_name(type), \
                                 text ? text : "NULL", #cond)
    bool whole = type == REDW_SMALLINT || type == REDW_INTEGER || type == REDW_BIGINT;
    bool floating = type == REDW_REAL || type == REDW_DOUBLE;
    bool texts = type == REDW_CHAR || type == REDW_VARCHAR || type == REDW_JSON || !binary ||
                 col->oid == 18; /* "char": binary is its text */
    if (text == NULL) {
        MUST(rb == (type == REDW_BOOLEAN ? REDW_NULL : rb) && !b);
        MUST(!whole || (ri == REDW_NULL && rl == REDW_NULL && rd == REDW_NULL));
        MUST(!floating || rd == REDW_NULL);
        MUST(!texts || rs == REDW_NULL);
        MUST(i == 0 && l == 0 && d == 0 && s.ptr == NULL);
        return;
    }
    MUST(type == REDW_BOOLEAN ? rb == REDW_OK && b == (text[0] == 't') : rb == REDW_ETYPE && !b);
    if (whole) {
        int64_t v = strtoll(text, NULL, 10);
        MUST(rl == REDW_OK && l == v);
        MUST(v >= INT32_MIN && v <= INT32_MAX ? ri == REDW_OK && i == v : ri == REDW_ERANGE && i == 0);
        MUST(rd == REDW_OK && same_double(d, (double)v));
    } else if (floating) {
        MUST(rl == REDW_ETYPE && ri == REDW_ETYPE);
        MUST(rd == REDW_OK);
        MUST(same_double(d, type == REDW_REAL ? (double)strtof(text, NULL) : strtod(text, NULL)));
    } else if (type == REDW_NUMERIC) {
        const char *dot = strchr(text, '.');
        bool nan = strcmp(text, "NaN") == 0;
        bool integer = !nan && (dot == NULL || strspn(dot + 1, "0") == strlen(dot + 1));
        bool fits = integer && (strlen(text) < 19 || strcmp(text, "9223372036854775807") == 0 ||
                                strcmp(text, "-9223372036854775808") == 0);
        MUST(rd == REDW_OK && same_double(d, strtod(text, NULL)));
        MUST(fits ? rl == REDW_OK && l == strtoll(text, NULL, 10) : rl == REDW_ERANGE);
    } else if (type == REDW_OID) {
        MUST(rl == REDW_OK && l == strtoll(text, NULL, 10) && ri == REDW_ETYPE && rd == REDW_ETYPE);
    } else {
        MUST(rl == REDW_ETYPE && ri == REDW_ETYPE && rd == REDW_ETYPE);
    }
    if (texts)
        MUST(rs == REDW_OK && s.len == strlen(text) && memcmp(s.ptr, text, s.len) == 0);
    else
        MUST(rs == REDW_ETYPE && s.ptr == NULL);
#undef MUST
}

static void same_values(const redw_result *mine, const PGresult *as_text, const char *what)
{
    redw_rows it = redw_result_rows(mine);
    redw_row row;
    for (int i = 0; redw_rows_next(&it, &row); i++)
        for (size_t c = 0; c < row.ncells; c++)
            check_getters(&row, c, redw_result_column(mine, c),
                          PQgetisnull(as_text, i, (int)c) ? NULL : PQgetvalue(as_text, i, (int)c), what);
}

/* --- notices --------------------------------------------------------------------------------------------- */

static struct {
    char sqlstate[6], text[200];
} notices[8];
static size_t nnotices;

static void on_notice(void *ctx, const PGresult *p)
{
    (void)ctx;
    ck_assert_uint_lt(nnotices, 8);
    snprintf(notices[nnotices].sqlstate, 6, "%s", PQresultErrorField(p, PG_DIAG_SQLSTATE));
    snprintf(notices[nnotices].text, 200, "%s", PQresultErrorField(p, PG_DIAG_MESSAGE_PRIMARY));
    nnotices++;
}

static void same_notices(const redw_result *mine, const char *what)
{
    ck_assert_msg(redw_result_notice_count(mine) == nnotices, "%s: notices", what);
    for (size_t i = 0; i < nnotices; i++) {
        const redw_error *n = redw_result_notice(mine, i);
        ck_assert_str_eq(redw_error_sqlstate(n), notices[i].sqlstate);
        ck_assert_str_eq(redw_error_field(n, 'M').ptr, notices[i].text);
    }
}

static PGconn *connect_libpq(void)
{
    PGconn *c = PQconnectdb(pg_uri());
    ck_assert_msg(PQstatus(c) == CONNECTION_OK, "%s", PQerrorMessage(c));
    PQsetNoticeReceiver(c, on_notice, NULL);
    return c;
}

START_TEST(libpq_and_redw_see_the_same)
{
    size_t cells = 0;
    ck_assert_int_ge(QUERIES, 60);
    for (int wire = 0; wire <= 1; wire++) {
        PGconn *c = connect_libpq(), *shown = connect_libpq();
        lab_open(&r);
        lab_pool(&r, pg_server()->uri, pg_server()->password, 1);
        for (size_t k = 0; k < QUERIES; k++) {
            const struct query *q = &queries[k];
            PGresult *text = by_libpq(shown, q, 0); /* the values as text, whatever the format compared */
            nnotices = 0;
            PGresult *theirs = by_libpq(c, q, wire);
            struct answer mine = by_redw(q, wire);
            ck_assert_msg(mine.calls == 1, "%s", where(q, wire));
            cells += same(mine.res, theirs, wire, where(q, wire));
            same_notices(mine.res, where(q, wire));
            if (redw_result_error(mine.res) == NULL)
                same_values(mine.res, text, where(q, wire));
            answer_release(&mine);
            PQclear(theirs);
            PQclear(text);
        }
        ck_assert_uint_eq(r.fault.opened, 1); /* no error cost the connection */
        ck_assert(lab_close(&r));
        PQfinish(c);
        PQfinish(shown);
    }
    printf("differential: %d statements, text and binary, %zu cells equal\n", QUERIES, cells);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("differential");
    TCase *t = tcase_create("differential");
    pg_server();
    tcase_add_test(t, libpq_and_redw_see_the_same);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
