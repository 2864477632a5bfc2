/* SPDX-License-Identifier: Apache-2.0 */
/*
 * E05, U5: one handle on every connection (statements_lab.h): what a connection forgot or knows otherwise is
 * prepared anew, in a pipeline and through a pooler too, and the statement runs once.
 */
#include "api/statements_lab.h"

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

/* --- several connections, several in flight --- */

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

int main(void)
{
    Suite *s = suite_create("statements_healed");
    TCase *t = tcase_create("statements_healed");
    SRunner *runner;
    int failed;

    pg_server(); /* before the runner forks */
    tcase_add_test(t, E05_a_table_that_changed_its_columns_is_seen_with_the_new_ones);
    tcase_add_test(t, E05_discard_and_deallocate_are_survived_without_an_error_and_without_a_second_run);
    tcase_add_test(t, E05_an_error_of_the_same_name_from_inside_the_statement_is_not_retried);
    tcase_add_test(t, E05_one_handle_serves_three_connections_at_once_and_each_prepares_it_once);
    tcase_add_test(t, E05_behind_a_first_use_in_flight_the_second_goes_unnamed);
    tcase_add_test(t, E05_preparing_anew_in_a_pipeline_mixes_nothing_up);
    tcase_add_test(t, E05_a_connection_keeps_a_bounded_number_of_statements);
    tcase_add_test(t, E05_through_a_pooler_that_knows_no_prepared_statements);
    tcase_set_timeout(t, 240);
    suite_add_tcase(s, t);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
