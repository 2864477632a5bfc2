/* SPDX-License-Identifier: Apache-2.0 */
/*
 * E01, E02, E03, E05, U5: prepared statements against a real server. What is sent is seen in the trace: per connection
 * one letter for each message of a unit, P(arse) D(escribe) B(ind) E(xecute) C(lose) S(ync).
 */
#include "support/lab.h"
#include "support/pg.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct lab r;

/* --- what was sent --- */

static struct {
    char sent[8192];
    size_t n;
    char names[64][64]; /* of Parse, in order */
    size_t nnames;
} wire[8]; /* by connection, from 1 */

static void on_line(uint64_t connection, const char *line, size_t n, void *ctx)
{
    static const struct {
        const char *name;
        char letter;
    } letters[] = {{"\tParse\t", 'P'}, {"\tDescribe\t", 'D'}, {"\tBind\t", 'B'}, {"\tExecute\t", 'E'},
                   {"\tClose\t", 'C'}, {"\tSync", 'S'}};
    char text[400];

    (void)ctx;
    if (connection >= 8 || line[0] != 'F')
        return;
    snprintf(text, sizeof text, "%.*s", (int)n, line);
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
        if (strstr(text, letters[i].name) && wire[connection].n < sizeof wire[connection].sent - 1) {
            wire[connection].sent[wire[connection].n++] = letters[i].letter;
            wire[connection].sent[wire[connection].n] = '\0';
        }
    }
    const char *name = strstr(text, "\tParse\t");
    if (name && (name = strchr(name, '"')) && wire[connection].nnames < 64)
        sscanf(name + 1, "%63[^\"]", wire[connection].names[wire[connection].nnames++]);
}

/* All that was sent on a connection since the last look. */
static const char *sent(uint64_t connection)
{
    static char text[sizeof wire[0].sent];

    memcpy(text, wire[connection].sent, wire[connection].n);
    text[wire[connection].n] = '\0';
    wire[connection].n = 0;
    return text;
}

static void start_with(const struct redw_options *o)
{
    struct redw_options mine = *o;
    struct redw_diag why;

    memset(wire, 0, sizeof wire);
    mine.password = pg_server()->password;
    mine.trace = on_line;
    if (!mine.uri)
        mine.uri = pg_server()->unixuri;
    lab_open(&r);
    ck_assert_msg(lab_client(&r, &mine, &why) == 0, "%s", why.text);
}

static void start(uint32_t pool_max)
{
    start_with(REDW_OPTIONS(.pool_max = pool_max));
}

static void finish(void)
{
    ck_assert_msg(!r.late, "the test waited in vain");
    ck_assert(lab_close(&r));
}

static redw_stmt *prepare(const char *sql)
{
    redw_stmt *s;
    struct redw_diag why;

    ck_assert_msg(redw_stmt_create(&s, r.client, sql, &why) == 0, "%s", why.text);
    return s;
}

static void must_answer(const struct redw_request *rq, const char *text)
{
    struct answer a = lab_query(&r, rq);
    ck_assert_pstr_eq(answer_text(&a), text);
    answer_release(&a);
}

static void must_succeed(const struct redw_request *rq)
{
    struct answer a = lab_query(&r, rq);
    answer_must_succeed(&a);
    answer_release(&a);
}

static void must_fail(const struct redw_request *rq, const char *sqlstate)
{
    struct answer a = lab_query(&r, rq);
    const redw_error *e = answer_error(&a);
    ck_assert_msg(e && strcmp(redw_error_sqlstate(e), sqlstate) == 0, "%s", e ? redw_error_message(e) : "success");
    answer_release(&a);
}

static void must_refuse(const struct redw_request *rq, const char *words)
{
    struct answer a = lab_query(&r, rq);
    ck_assert_int_eq((int)a.id, REDW_EINVAL);
    ck_assert_msg(strstr(redw_client_why(r.client), words), "%s", redw_client_why(r.client));
}

/* --- E01 --- */

START_TEST(E01_the_first_use_prepares_in_its_own_flight_and_later_ones_only_run)
{
    start(1);
    redw_stmt *s = prepare("select $1::int4 + $2::int4");
    ck_assert_int_eq(redw_stmt_parameter_count(s), -1);
    ck_assert_int_eq(redw_stmt_parameter_type(s, 0), REDW_UNKNOWN_TYPE);
    must_answer(REDW_EXEC(s, redw_p_int32(1), redw_p_int32(2)), "3");
    ck_assert_str_eq(sent(1), "PDBES");
    for (int i = 0; i < 3; i++) {
        struct answer a = lab_query(&r, REDW_EXEC(s, redw_p_int32(i), redw_p_int32(10)));
        char text[16];
        snprintf(text, sizeof text, "%d", i + 10);
        ck_assert_str_eq(answer_text(&a), text);
        ck_assert_uint_eq(redw_result_column_count(a.res), 1);
        ck_assert_str_eq(redw_result_column(a.res, 0)->name, "?column?");
        ck_assert_int_eq(redw_result_column(a.res, 0)->type, REDW_INTEGER);
        ck_assert_str_eq(redw_result_tag(a.res), "SELECT 1");
        answer_release(&a);
        ck_assert_str_eq(sent(1), "BES");
    }
    ck_assert_int_eq(redw_stmt_parameter_count(s), 2);
    ck_assert_int_eq(redw_stmt_parameter_type(s, 1), REDW_INTEGER);
    ck_assert_int_eq(redw_stmt_parameter_type(s, 2), REDW_UNKNOWN_TYPE);
    redw_stmt_release(s);
    finish();
}
END_TEST

START_TEST(E01_names_are_lower_case_and_never_used_twice)
{
    start(1);
    for (int i = 0; i < 5; i++) {
        redw_stmt *s = prepare("select 1");
        must_answer(REDW_EXEC(s), "1");
        redw_stmt_release(s);
    }
    ck_assert_uint_eq(wire[1].nnames, 5);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(strncmp(wire[1].names[i], "redw_", 5), 0);
        ck_assert_uint_eq(strspn(wire[1].names[i], "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(wire[1].names[i]));
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(wire[1].names[i], wire[1].names[k]);
    }
    finish();
}
END_TEST

START_TEST(E01_a_text_that_is_no_statement_is_refused_or_fails_when_first_used)
{
    redw_stmt *s = NULL;
    struct redw_diag why;

    start(1);
    ck_assert_int_eq(redw_stmt_create(&s, r.client, NULL, &why), REDW_EINVAL);
    ck_assert_ptr_nonnull(strstr(why.text, "NULL"));
    ck_assert_ptr_null(s);
    ck_assert_int_eq(redw_stmt_create(&s, r.client, "a\xff", NULL), REDW_EINVAL);
    redw_stmt_release(NULL);
    s = prepare("selec 1");
    must_fail(REDW_EXEC(s), "42601");
    must_fail(REDW_EXEC(s), "42601"); /* and again: it was not taken for prepared */
    ck_assert_str_eq(sent(1), "PDBESCPDBES");
    redw_stmt_release(s);
    s = prepare(""); /* the empty statement is one */
    must_succeed(REDW_EXEC(s));
    must_succeed(REDW_EXEC(s));
    redw_stmt_release(s);
    must_answer(REDW_QUERY("select 1"), "1");
    finish();
}
END_TEST

/* --- E02 --- */

START_TEST(E02_another_number_of_parameters_is_refused_once_it_is_known)
{
    start(1);
    redw_stmt *s = prepare("select $1::int4 + $2::int4");
    must_fail(REDW_EXEC(s, redw_p_int32(1)), "08P01"); /* the server says it: nobody knows yet */
    must_refuse(REDW_EXEC(s, redw_p_int32(1)), "it has 2 parameters, and 1 are given");
    must_refuse(REDW_EXEC(s), "it has 2 parameters, and 0 are given");
    must_answer(REDW_EXEC(s, redw_p_int32(1), redw_p_int32(1)), "2");
    redw_stmt_release(s);
    finish();
}
END_TEST

START_TEST(E02_sql_and_statement_together_and_a_statement_of_another_client_are_refused)
{
    redw_client *other;
    redw_stmt *s, *theirs;

    start(1);
    s = prepare("select 1");
    must_refuse(REDW_REQUEST(.sql = "select 1", .stmt = s), "sql is given too");
    must_refuse(REDW_REQUEST(.sql = NULL), "sql");
    ck_assert_int_eq(redw_client_create(&other, r.loop, REDW_OPTIONS(.uri = pg_server()->plainuri), NULL), 0);
    ck_assert_int_eq(redw_stmt_create(&theirs, other, "select 1", NULL), 0);
    must_refuse(REDW_REQUEST(.stmt = theirs), "another client");
    redw_client_destroy(other);
    must_refuse(REDW_REQUEST(.stmt = theirs), "another client");
    redw_stmt_release(theirs);
    redw_stmt_release(s);
    finish();
}
END_TEST

START_TEST(E02_parameters_of_other_types_prepare_anew_and_close_what_was_there)
{
    start(1);
    redw_stmt *s = prepare("select pg_typeof($1)::text || coalesce($1::text, '')");
    must_answer(REDW_EXEC(s, redw_p_int32(7)), "integer7");
    must_answer(REDW_EXEC(s, redw_p_int64(8)), "bigint8");
    must_answer(REDW_EXEC(s, redw_p_double(0.5)), "double precision0.5");
    ck_assert_str_eq(sent(1), "PDBESCPDBESCPDBES");
    must_answer(REDW_EXEC(s, redw_p_null(REDW_DOUBLE)), "double precision");
    must_answer(REDW_EXEC(s, redw_p_null(REDW_UNKNOWN_TYPE)), "double precision"); /* NULL without a type fits any */
    ck_assert_str_eq(sent(1), "BESBES");
    ck_assert_int_eq(redw_stmt_parameter_type(s, 0), REDW_DOUBLE);
    must_answer(REDW_QUERY("select count(*) from pg_prepared_statements"), "1");
    redw_stmt_release(s);
    finish();
}
END_TEST

START_TEST(E02_a_failing_execution_leaves_the_statement_prepared)
{
    start(1);
    redw_stmt *s = prepare("select 10 / $1::int4");
    must_fail(REDW_EXEC(s, redw_p_int32(0)), "22012");
    must_answer(REDW_EXEC(s, redw_p_int32(5)), "2");
    must_fail(REDW_EXEC(s, redw_p_int32(0)), "22012");
    must_answer(REDW_EXEC(s, redw_p_int32(2)), "5");
    ck_assert_str_eq(sent(1), "PDBESBESBESBES");
    redw_stmt_release(s);
    finish();
}
END_TEST

START_TEST(E02_statements_without_rows_and_rows_without_columns)
{
    start(1);
    must_succeed(REDW_QUERY("create temp table t (i int4)"));
    redw_stmt *ins = prepare("insert into t values ($1)"), *none = prepare("select from t");
    redw_stmt *ret = prepare("insert into t values ($1) returning i");
    for (int i = 0; i < 3; i++) {
        struct answer a = lab_query(&r, REDW_EXEC(ins, redw_p_int32(i)));
        answer_must_succeed(&a);
        ck_assert_int_eq(redw_result_affected(a.res), 1);
        ck_assert_uint_eq(redw_result_column_count(a.res), 0);
        answer_release(&a);
        a = lab_query(&r, REDW_EXEC(none));
        answer_must_succeed(&a);
        ck_assert_uint_eq(redw_result_row_count(a.res), 2 * (uint64_t)i + 1);
        answer_release(&a);
        must_answer(REDW_EXEC(ret, redw_p_int32(40)), "40");
    }
    redw_stmt_release(ins);
    redw_stmt_release(none);
    redw_stmt_release(ret);
    finish();
}
END_TEST

/* --- what the connection forgot, or knows otherwise --- */

START_TEST(E05_a_table_that_changed_its_columns_is_seen_with_the_new_ones)
{
    start(1);
    must_succeed(REDW_QUERY("create temp table t as select 1::int4 as a"));
    redw_stmt *s = prepare("select * from t");
    must_answer(REDW_EXEC(s), "1");
    must_succeed(REDW_QUERY("alter table t alter a type text using 'x' || a"));
    sent(1);
    for (int i = 0; i < 2; i++) {
        struct answer a = lab_query(&r, REDW_EXEC(s));
        ck_assert_str_eq(answer_text(&a), "x1");
        ck_assert_int_eq(redw_result_column(a.res, 0)->type, REDW_VARCHAR);
        answer_release(&a);
    }
    ck_assert_str_eq(sent(1), "BESCPDBESBES"); /* refused by Bind, prepared anew, run; then as ever */
    must_succeed(REDW_QUERY("alter table t add column b int8 default 5"));
    struct answer a = lab_query(&r, REDW_REQUEST(.stmt = s, .wire = REDW_WIRE_BINARY));
    answer_must_succeed(&a);
    ck_assert_uint_eq(redw_result_column_count(a.res), 2);
    answer_release(&a);
    must_succeed(REDW_QUERY("drop table t"));
    must_fail(REDW_EXEC(s), "42P01");
    redw_stmt_release(s);
    finish();
}
END_TEST

START_TEST(E05_discard_and_deallocate_are_survived_without_an_error_and_without_a_second_run)
{
    static const char *const forgets[] = {"discard all", "deallocate all"};

    start(1);
    pg_sql("drop table if exists stmt_ledger; create table stmt_ledger (i int4)");
    redw_stmt *s = prepare("insert into stmt_ledger values ($1) returning i");
    must_answer(REDW_EXEC(s, redw_p_int32(0)), "0");
    for (int i = 0; i < 2; i++) {
        must_succeed(REDW_QUERY(forgets[i]));
        sent(1);
        must_answer(REDW_EXEC(s, redw_p_int32(1)), "1");
        ck_assert_str_eq(sent(1), "BESCPDBES");
        must_answer(REDW_EXEC(s, redw_p_int32(2)), "2");
        ck_assert_str_eq(sent(1), "BES");
    }
    ck_assert_int_eq(pg_number("select count(*) from stmt_ledger"), 5);
    redw_stmt_release(s);
    finish();
}
END_TEST

START_TEST(E05_an_error_of_the_same_name_from_inside_the_statement_is_not_retried)
{
    start(1);
    pg_sql("create or replace function stmt_fail(s text) returns int language plpgsql as "
           "$$ begin raise exception 'mine' using errcode = s; end $$");
    redw_stmt *s = prepare("select stmt_fail($1)");
    must_fail(REDW_EXEC(s, redw_p_text("26000")), "26000");
    must_fail(REDW_EXEC(s, redw_p_text("26000")), "26000");
    must_fail(REDW_EXEC(s, redw_p_text("0A000")), "0A000");
    ck_assert_str_eq(sent(1), "PDBESBESBES");
    redw_stmt_release(s);
    finish();
}
END_TEST

/* --- E03 --- */

START_TEST(E03_a_released_statement_is_closed_with_the_next_units_one_by_one)
{
    redw_stmt *s[3];

    start(1);
    for (int i = 0; i < 3; i++) {
        s[i] = prepare("select 1");
        must_answer(REDW_EXEC(s[i]), "1");
    }
    sent(1);
    must_answer(REDW_QUERY("select count(*) from pg_prepared_statements where name like 'redw%'"), "3");
    for (int i = 0; i < 3; i++)
        redw_stmt_release(s[i]);
    must_answer(REDW_QUERY("select 1"), "1");
    must_answer(REDW_QUERY("select 1"), "1");
    must_answer(REDW_QUERY("select count(*) from pg_prepared_statements where name like 'redw%'"), "0");
    ck_assert_str_eq(sent(1), "PBDESCPBDESCPBDESCPBDES");
    finish();
}
END_TEST

START_TEST(E03_released_while_it_runs_and_while_it_waits)
{
    struct answer a, b;

    start(1);
    redw_stmt *s = prepare("select 5 from pg_sleep(0.02)");
    lab_submit(&r, &a, REDW_EXEC(s));
    lab_submit(&r, &b, REDW_EXEC(s));
    lab_run_ms(&r, 1);
    redw_stmt_release(s);
    ck_assert(lab_wait(&r, &a.calls, 1));
    ck_assert(lab_wait(&r, &b.calls, 1));
    ck_assert_str_eq(answer_text(&a), "5");
    ck_assert_str_eq(answer_text(&b), "5");
    answer_release(&a);
    answer_release(&b);
    must_answer(REDW_QUERY("select count(*) from pg_prepared_statements"), "0");
    finish();
}
END_TEST

struct releaser {
    unsigned calls;
    redw_stmt *stmt;
    bool destroy;
};

static void on_release(const redw_result *res, void *ctx)
{
    struct releaser *x = ctx;

    (void)res;
    x->calls++;
    if (x->destroy)
        redw_client_destroy(r.client);
    redw_stmt_release(x->stmt);
}

START_TEST(E03_released_from_its_own_callback_and_after_the_client)
{
    for (int destroy = 0; destroy < 2; destroy++) {
        start(1);
        struct releaser x = {.stmt = prepare("select 1"), .destroy = destroy};
        redw_stmt *idle = prepare("select 2");
        ck_assert_int_gt(redw_submit(r.client, REDW_EXEC(x.stmt), on_release, &x), 0);
        ck_assert(lab_wait(&r, &x.calls, 1));
        if (destroy)
            r.client = NULL;
        redw_client_destroy(r.client);
        r.client = NULL;
        redw_stmt_release(idle);
        finish();
    }
}
END_TEST

/* --- E05 --- */

START_TEST(E05_one_handle_serves_three_connections_at_once_and_each_prepares_it_once)
{
    struct answer a[9];

    start(3);
    redw_stmt *s = prepare("select $1::int4 from pg_sleep(0.05)");
    for (int i = 0; i < 9; i++)
        lab_submit(&r, &a[i], REDW_EXEC(s, redw_p_int32(i)));
    for (int i = 0; i < 9; i++) {
        char text[16];
        ck_assert(lab_wait(&r, &a[i].calls, 1));
        snprintf(text, sizeof text, "%d", i);
        ck_assert_str_eq(answer_text(&a[i]), text);
        answer_release(&a[i]);
    }
    ck_assert_uint_eq(r.fault.opened, 3);
    size_t uses = 0;
    for (uint64_t c = 1; c <= 3; c++) {
        const char *text = sent(c);
        ck_assert_int_eq(strncmp(text, "PDBES", 5), 0);
        ck_assert_ptr_null(strchr(text + 5, 'P'));
        uses += 1 + strlen(text + 5) / 3;
    }
    ck_assert_uint_eq(uses, 9);
    redw_stmt_release(s);
    finish();
}
END_TEST

START_TEST(E05_behind_a_first_use_in_flight_the_second_goes_unnamed)
{
    struct answer a[4];

    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 10));
    must_answer(REDW_QUERY("select 1"), "1");
    sent(1);
    redw_stmt *s = prepare("select 10 / $1::int4"), *bad = prepare("selec $1::int4");
    for (int i = 0; i < 4; i++)
        lab_submit(&r, &a[i], i % 2 ? REDW_EXEC(s, redw_p_int32(i)) : REDW_EXEC(bad, redw_p_int32(i)));
    for (int i = 0; i < 4; i++) {
        ck_assert(lab_wait(&r, &a[i].calls, 1));
        if (i % 2)
            ck_assert_str_eq(answer_text(&a[i]), i == 1 ? "10" : "3");
        else
            ck_assert_str_eq(redw_error_sqlstate(answer_error(&a[i])), "42601");
        answer_release(&a[i]);
    }
    ck_assert_str_eq(sent(1), "PDBESPDBESPBDESPBDES");
    must_answer(REDW_EXEC(s, redw_p_int32(5)), "2");
    ck_assert_str_eq(sent(1), "CBES"); /* what was perhaps prepared of the bad one is closed */
    redw_stmt_release(s);
    redw_stmt_release(bad);
    finish();
}
END_TEST

/* The second unit of a request goes behind those that were in flight by then: each answer finds its owner. */
START_TEST(E05_preparing_anew_in_a_pipeline_mixes_nothing_up)
{
    enum { N = 12 };
    struct answer a[N];

    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = N));
    redw_stmt *s = prepare("select $1::int4"), *t = prepare("select $1::int4 + 100");
    must_answer(REDW_EXEC(s, redw_p_int32(7)), "7");
    must_answer(REDW_EXEC(t, redw_p_int32(7)), "107");
    for (int round = 0; round < 3; round++) {
        must_succeed(REDW_QUERY("deallocate all"));
        for (int i = 0; i < N; i++)
            lab_submit(&r, &a[i], i % 3 == 0   ? REDW_EXEC(s, redw_p_int32(i))
                                  : i % 3 == 1 ? REDW_EXEC(t, redw_p_int32(i))
                                               : REDW_QUERY("select $1::int4 + 200", redw_p_int32(i)));
        for (int i = 0; i < N; i++) {
            char text[16];
            ck_assert(lab_wait(&r, &a[i].calls, 1));
            snprintf(text, sizeof text, "%d", i + i % 3 * 100);
            ck_assert_str_eq(answer_text(&a[i]), text);
            answer_release(&a[i]);
        }
    }
    must_answer(REDW_QUERY("select count(*) from pg_prepared_statements"), "2");
    ck_assert_uint_eq(r.fault.opened, 1);
    redw_stmt_release(s);
    redw_stmt_release(t);
    finish();
}
END_TEST

START_TEST(E05_a_connection_keeps_a_bounded_number_of_statements)
{
    enum { N = REDWI_PREPARED_MAX + 20 };
    static redw_stmt *s[N];
    char text[16];

    start(1);
    for (int i = 0; i < N; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "select %d", i);
        s[i] = prepare(sql);
        snprintf(text, sizeof text, "%d", i);
        must_answer(REDW_EXEC(s[i]), text);
        must_answer(REDW_EXEC(s[0]), "0"); /* always in use, so always there */
    }
    struct answer a = lab_query(&r, REDW_QUERY("select count(*) from pg_prepared_statements"));
    snprintf(text, sizeof text, "%d", REDWI_PREPARED_MAX);
    ck_assert_str_eq(answer_text(&a), text);
    answer_release(&a);
    sent(1);
    must_answer(REDW_EXEC(s[0]), "0");
    ck_assert_str_eq(sent(1), "BES");
    must_answer(REDW_EXEC(s[1]), "1"); /* the least recently used one had to go */
    ck_assert_str_eq(sent(1), "CPDBES");
    for (int i = 0; i < N; i++)
        redw_stmt_release(s[i]);
    finish();
}
END_TEST

START_TEST(E05_through_a_pooler_that_knows_no_prepared_statements)
{
    struct answer a[8];

    if (pg_server()->bouncerplainuri[0] == '\0')
        return;
    start_with(REDW_OPTIONS(.uri = pg_server()->bouncerplainuri, .pool_max = 2));
    redw_stmt *s = prepare("select $1::int4"), *t = prepare("select $1::int4 + 100");
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 8; i++)
            lab_submit(&r, &a[i], i % 2 ? REDW_EXEC(s, redw_p_int32(i)) : REDW_EXEC(t, redw_p_int32(i)));
        for (int i = 0; i < 8; i++) {
            char text[16];
            ck_assert(lab_wait(&r, &a[i].calls, 1));
            snprintf(text, sizeof text, "%d", i % 2 ? i : i + 100);
            ck_assert_str_eq(answer_text(&a[i]), text);
            answer_release(&a[i]);
        }
    }
    redw_stmt_release(s);
    redw_stmt_release(t);
    finish();
}
END_TEST

/* --- given up --- */

START_TEST(E03_a_first_use_that_is_cancelled_timed_out_or_forgotten_leaves_nothing_wrong)
{
    start(1);
    must_answer(REDW_QUERY("select 1"), "1");
    for (int how = 0; how < 3; how++) {
        struct answer a;
        redw_stmt *s = prepare("select $1::float8 from pg_sleep($1)");
        lab_submit(&r, &a, REDW_REQUEST(.stmt = s, .timeout_ms = how == 1 ? 60 : 0, REDW_PARAMS(redw_p_double(30))));
        if (how != 1)
            lab_run_until_active(&r, "select $1::float8 from pg_sleep($1)");
        if (how == 0)
            ck_assert_int_eq(redw_cancel(r.client, a.id), 0);
        else if (how == 2)
            ck_assert_int_eq(redw_forget(r.client, a.id), 0);
        if (how < 2) {
            ck_assert(lab_wait(&r, &a.calls, 1));
            ck_assert_ptr_nonnull(answer_error(&a));
            answer_release(&a);
        }
        must_answer(REDW_EXEC(s, redw_p_double(0)), "0");
        must_answer(REDW_EXEC(s, redw_p_double(0)), "0");
        redw_stmt_release(s);
        must_answer(REDW_QUERY("select 1"), "1");
        must_answer(REDW_QUERY("select count(*) from pg_prepared_statements"), "0");
    }
    finish();
}
END_TEST

START_TEST(E03_a_use_that_is_taken_back_unsent_was_never_there)
{
    struct answer a, b;

    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 5));
    redw_stmt *old = prepare("select 1"), *s = prepare("select $1::int4");
    must_answer(REDW_EXEC(old), "1");
    redw_stmt_release(old); /* its Close is to go with the next unit */
    sent(1);
    lab_submit(&r, &a, REDW_EXEC(s, redw_p_int32(1)));
    redw_cancel(r.client, a.id); /* while it waits */
    ck_assert(lab_wait(&r, &a.calls, 1));
    answer_release(&a);
    lab_submit(&r, &b, REDW_EXEC(s, redw_p_int32(2)));
    ck_assert(lab_wait(&r, &b.calls, 1));
    ck_assert_str_eq(answer_text(&b), "2");
    answer_release(&b);
    ck_assert_str_eq(sent(1), "CPDBES");
    redw_stmt_release(s);
    finish();
}
END_TEST

/* --- streams --- */

struct stream {
    unsigned done, columns, rows;
    bool pause_at_columns, pause_at_rows, failed, binary;
    redw_id id;
};

static enum redw_flow on_columns(const redw_result *head, void *ctx)
{
    struct stream *s = ctx;

    ck_assert_uint_eq(s->rows, 0);
    ck_assert_uint_eq(redw_result_column_count(head), 2);
    ck_assert_str_eq(redw_result_column(head, 1)->name, "label");
    s->binary = redw_result_column(head, 0)->binary;
    s->columns++;
    if (s->pause_at_columns)
        redw_resume(r.client, s->id);
    return s->pause_at_columns ? REDW_PAUSE : REDW_MORE;
}

static enum redw_flow on_rows(redw_rows *rows, void *ctx)
{
    struct stream *s = ctx;
    redw_row row;
    int32_t n;

    ck_assert_uint_eq(s->columns, 1);
    while (redw_rows_next(rows, &row)) {
        ck_assert_int_eq(redw_row_int32(&row, 0, &n), REDW_OK);
        ck_assert_uint_eq((unsigned)n, ++s->rows);
        if (s->pause_at_rows && s->rows % 100 == 0) {
            redw_resume(r.client, s->id);
            return REDW_PAUSE;
        }
    }
    return REDW_MORE;
}

static void on_streamed(const redw_result *res, void *ctx)
{
    struct stream *s = ctx;

    s->failed = redw_result_error(res) != NULL;
    s->done++;
}

static struct stream stream(redw_stmt *stmt, int rows, enum redw_wire form, bool pauses)
{
    static const struct redw_stream_handler h = {
        .size = sizeof h, .on_columns = on_columns, .on_rows = on_rows, .on_done = on_streamed};
    struct stream s = {.pause_at_columns = pauses, .pause_at_rows = pauses};

    s.id = redw_stream(r.client, REDW_REQUEST(.stmt = stmt, .wire = form, REDW_PARAMS(redw_p_int32(rows))), &h, &s);
    ck_assert_int_gt(s.id, 0);
    ck_assert(lab_wait(&r, &s.done, 1));
    ck_assert(!s.failed);
    ck_assert_uint_eq(s.rows, (unsigned)rows);
    ck_assert_uint_eq(s.columns, 1); /* also where no row came */
    return s;
}

START_TEST(E02_streams_run_statements_and_tell_their_columns_once_before_the_rows)
{
    start(1);
    redw_stmt *s = prepare("select g, repeat('x', g % 50) as label from generate_series(1, $1) g");
    for (int round = 0; round < 2; round++) {
        for (int pauses = 0; pauses < 2; pauses++) {
            stream(s, 5000, REDW_WIRE_TEXT, pauses);
            stream(s, 0, REDW_WIRE_TEXT, pauses);
            stream(s, 300, REDW_WIRE_BINARY, pauses);
        }
        must_succeed(REDW_QUERY("discard all"));
    }
    ck_assert(!stream(s, 3, REDW_WIRE_TEXT, false).binary);
    ck_assert(stream(s, 3, REDW_WIRE_BINARY, false).binary);
    ck_assert(stream(s, 3, REDW_WIRE_AUTO, false).binary);
    redw_stmt_release(s);
    finish();
}
END_TEST

/* --- REDW_WIRE_AUTO --- */

#define MANY                                                                                                     \
    "select true as b, 7::int2, 7::int4, 7::int8, 1.5::float4, 1.5::float8, 12.34::numeric(10,2) as n, "         \
    "'x'::text as t, 'y'::char(3), '{\"a\": 1}'::jsonb as j, date '2024-02-29', "                                \
    "timestamptz '2024-02-29 12:00:00+00', '\\x0102'::bytea, '{1,2}'::int4[] as a, "                             \
    "'6bf3ac3c-6a7d-4b71-a9d9-6ff0ee3f3a66'::uuid, 'a'::\"char\", '10.0.0.1'::inet, null::int4, interval '1 day'"

START_TEST(E02_automatic_formats_are_binary_where_getters_read_it_and_text_elsewhere)
{
    /* By column, as above. */
    static const char expected[] = "bbbbbbbtttbbbtbttbb";
    redw_row row;
    redw_decimal d;
    redw_slice text;
    redw_timestamptz at;
    int64_t l;
    double f;
    bool b;

    start(1);
    redw_stmt *s = prepare(MANY);
    for (int round = 0; round < 3; round++) {
        struct answer a = lab_query(&r, REDW_REQUEST(.stmt = s, .wire = REDW_WIRE_AUTO));
        answer_must_succeed(&a);
        ck_assert_uint_eq(redw_result_column_count(a.res), sizeof expected - 1);
        for (size_t i = 0; i < sizeof expected - 1; i++)
            ck_assert_msg(redw_result_column(a.res, i)->binary == (round > 0 && (i == 6 || expected[i] == 'b')),
                          "round %d, column %zu", round, i);
        ck_assert(redw_result_first(a.res, &row));
        ck_assert_int_eq(redw_row_bool(&row, 0, &b), REDW_OK);
        ck_assert(b);
        for (size_t i = 1; i <= 3; i++) {
            ck_assert_int_eq(redw_row_int64(&row, i, &l), REDW_OK);
            ck_assert_int_eq(l, 7);
        }
        for (size_t i = 4; i <= 5; i++) {
            ck_assert_int_eq(redw_row_double(&row, i, &f), REDW_OK);
            ck_assert_double_eq(f, 1.5);
        }
        ck_assert_int_eq(redw_row_decimal(&row, 6, &d), REDW_OK);
        ck_assert_uint_eq(d.lo, 1234);
        ck_assert_int_eq(redw_row_text(&row, 7, &text), REDW_OK);
        ck_assert_int_eq(redw_row_text(&row, 9, &text), REDW_OK);
        ck_assert_mem_eq(text.ptr, "{\"a\": 1}", text.len);
        ck_assert_int_eq(redw_row_timestamptz(&row, 11, &at), REDW_OK);
        ck_assert_int_eq(at.us, INT64_C(1709208000000000));
        ck_assert_str_eq(row.cells[13].ptr, "{1,2}");
        ck_assert_str_eq(row.cells[16].ptr, "10.0.0.1");
        ck_assert_int_eq(redw_row_int64(&row, 17, &l), REDW_NULL);
        answer_release(&a);
    }
    /* Without a statement, and in the other two ways: all alike. */
    for (int form = REDW_WIRE_TEXT; form <= REDW_WIRE_AUTO; form++) {
        for (int with = 0; with < 2; with++) {
            if (with && form == REDW_WIRE_AUTO)
                continue;
            struct answer a = lab_query(&r, REDW_REQUEST(.sql = with ? NULL : "select 1, 'x'::text",
                                                         .stmt = with ? s : NULL, .wire = (enum redw_wire)form));
            answer_must_succeed(&a);
            for (size_t i = 0; i < redw_result_column_count(a.res); i++)
                ck_assert_int_eq(redw_result_column(a.res, i)->binary, form == REDW_WIRE_BINARY);
            answer_release(&a);
        }
    }
    redw_stmt_release(s);
    finish();
}
END_TEST

/* --- failures --- */

static void ledger(void)
{
    pg_sql("set client_min_messages = error; drop table if exists stmt_ledger; create table stmt_ledger (i int4)");
}

/* A session that prepares, runs, is made to prepare anew, releases: true if all of it worked. What was inserted
 * and said to be inserted is counted. */
static bool run_session(int *inserted, int *perhaps)
{
    redw_stmt *s = NULL;
    bool ok = redw_stmt_create(&s, r.client, "insert into stmt_ledger values ($1) returning i, 'text'", NULL) == 0;

    for (int i = 0; i < 6 && s; i++) {
        struct answer a;
        if (i == 3) {
            lab_submit(&r, &a, REDW_QUERY("deallocate all"));
        } else {
            lab_submit(&r, &a, i % 2 ? REDW_EXEC(s, redw_p_int32(i))
                                     : REDW_REQUEST(.stmt = s, .wire = REDW_WIRE_AUTO,
                                                    REDW_PARAMS(i == 4 ? redw_p_int64(i) : redw_p_int32(i))));
        }
        if (a.id < 0) {
            ck_assert_int_eq((int)a.id, REDW_ENOMEM);
            ok = false;
            continue;
        }
        ck_assert(lab_wait(&r, &a.calls, 1));
        const redw_error *e = answer_error(&a);
        if (!e && i != 3)
            ck_assert_uint_eq(redw_result_row_count(a.res), 1);
        *inserted += !e && i != 3;
        *perhaps += e && i != 3 && redw_error_outcome(e) == REDW_OUTCOME_UNKNOWN;
        if (e)
            ck_assert_msg(redw_error_code(e) != REDW_ESERVER, "%s", redw_error_message(e));
        ok = ok && !e;
        answer_release(&a);
    }
    redw_stmt_release(s);
    return ok;
}

/* One session with one fault. False: it has not so many calls. */
static bool survive(enum fault_class c, uint64_t n, enum fault_mode mode, struct fault_kind kind)
{
    int inserted = 0, perhaps = 0;
    struct redw_diag why;
    char text[96];

    lab_open(&r);
    fault_arm(&r.fault, c, n, mode, kind);
    int rc = lab_client(&r, REDW_OPTIONS(.uri = pg_server()->unixuri, .password = pg_server()->password, .pool_max = 1),
                        &why);
    bool ok = rc == 0 && run_session(&inserted, &perhaps);
    bool fired = fault_fired(&r.fault);
    fault_disarm(&r.fault);
    if (rc == 0 && fired) { /* the same client serves again */
        int again = 0, not = 0;
        ck_assert_msg(run_session(&again, &not), "%s", fault_text(&r.fault, text, sizeof text));
        inserted += again;
    }
    long rows = pg_number("with d as (delete from stmt_ledger returning 1) select count(*) from d");
    ck_assert_msg(fired || ok, "no fault, and yet it failed");
    ck_assert_msg(rows >= inserted && rows <= inserted + perhaps, "%s: %ld rows, %d said, %d perhaps",
                  fault_text(&r.fault, text, sizeof text), rows, inserted, perhaps);
    ck_assert(!r.late);
    ck_assert_msg(lab_close(&r), "%s", fault_text(&r.fault, text, sizeof text));
    return fired;
}

/* Of short transfers and of broken connections one each: test_faults.c has all. */
static bool is_spared(const struct fault_kind *k)
{
    return k->bytes > 1 || (k->error != 0 && k->error != ECONNRESET && k->error != EINTR && k->error != EAGAIN);
}

static uint64_t sweep(enum fault_class c, enum fault_mode mode, struct fault_kind kind)
{
    uint64_t n = 1;

    while (survive(c, n, mode, kind))
        n++;
    return n - 1;
}

START_TEST(E05_every_allocation_may_fail)
{
    ledger();
    for (int mode = FAULT_ONCE; mode <= FAULT_STICKY; mode++)
        printf("statements: %llu allocations\n",
               (unsigned long long)sweep(FAULT_ALLOC, (enum fault_mode)mode, FAULT_NO_MEMORY));
}
END_TEST

START_TEST(E05_the_connection_may_be_cut_in_every_phase)
{
    static const enum fault_class classes[] = {FAULT_RECV, FAULT_SEND};

    ledger();
    for (size_t i = 0; i < 2; i++) {
        size_t n;
        const struct fault_kind *kinds = fault_kinds(classes[i], &n);
        for (size_t k = 0; k < n; k++) {
            if (!is_spared(&kinds[k]))
                printf("statements: %llu times %s %s\n",
                       (unsigned long long)sweep(classes[i], FAULT_ONCE, kinds[k]), fault_class_name(classes[i]),
                       kinds[k].name);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("statements");
    TCase *t = tcase_create("statements");
    SRunner *runner;
    int failed;

    pg_server(); /* before the runner forks */
    tcase_add_test(t, E01_the_first_use_prepares_in_its_own_flight_and_later_ones_only_run);
    tcase_add_test(t, E01_names_are_lower_case_and_never_used_twice);
    tcase_add_test(t, E01_a_text_that_is_no_statement_is_refused_or_fails_when_first_used);
    tcase_add_test(t, E02_another_number_of_parameters_is_refused_once_it_is_known);
    tcase_add_test(t, E02_sql_and_statement_together_and_a_statement_of_another_client_are_refused);
    tcase_add_test(t, E02_parameters_of_other_types_prepare_anew_and_close_what_was_there);
    tcase_add_test(t, E02_a_failing_execution_leaves_the_statement_prepared);
    tcase_add_test(t, E02_statements_without_rows_and_rows_without_columns);
    tcase_add_test(t, E02_streams_run_statements_and_tell_their_columns_once_before_the_rows);
    tcase_add_test(t, E02_automatic_formats_are_binary_where_getters_read_it_and_text_elsewhere);
    tcase_add_test(t, E03_a_released_statement_is_closed_with_the_next_units_one_by_one);
    tcase_add_test(t, E03_released_while_it_runs_and_while_it_waits);
    tcase_add_test(t, E03_released_from_its_own_callback_and_after_the_client);
    tcase_add_test(t, E03_a_first_use_that_is_cancelled_timed_out_or_forgotten_leaves_nothing_wrong);
    tcase_add_test(t, E03_a_use_that_is_taken_back_unsent_was_never_there);
    tcase_add_test(t, E05_a_table_that_changed_its_columns_is_seen_with_the_new_ones);
    tcase_add_test(t, E05_discard_and_deallocate_are_survived_without_an_error_and_without_a_second_run);
    tcase_add_test(t, E05_an_error_of_the_same_name_from_inside_the_statement_is_not_retried);
    tcase_add_test(t, E05_one_handle_serves_three_connections_at_once_and_each_prepares_it_once);
    tcase_add_test(t, E05_behind_a_first_use_in_flight_the_second_goes_unnamed);
    tcase_add_test(t, E05_preparing_anew_in_a_pipeline_mixes_nothing_up);
    tcase_add_test(t, E05_a_connection_keeps_a_bounded_number_of_statements);
    tcase_add_test(t, E05_through_a_pooler_that_knows_no_prepared_statements);
    tcase_add_test(t, E05_every_allocation_may_fail);
    tcase_add_test(t, E05_the_connection_may_be_cut_in_every_phase);
    tcase_set_timeout(t, 240);
    suite_add_tcase(s, t);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
