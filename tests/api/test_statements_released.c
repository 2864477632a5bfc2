/* SPDX-License-Identifier: Apache-2.0 */
/*
 * E03: handles that are given back at any time, and uses that are given up (statements_lab.h).
 */
#include "api/statements_lab.h"

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

int main(void)
{
    Suite *s = suite_create("statements_released");
    TCase *t = tcase_create("statements_released");
    SRunner *runner;
    int failed;

    pg_server(); /* before the runner forks */
    tcase_add_test(t, E03_a_released_statement_is_closed_with_the_next_units_one_by_one);
    tcase_add_test(t, E03_released_while_it_runs_and_while_it_waits);
    tcase_add_test(t, E03_released_from_its_own_callback_and_after_the_client);
    tcase_add_test(t, E03_a_first_use_that_is_cancelled_timed_out_or_forgotten_leaves_nothing_wrong);
    tcase_add_test(t, E03_a_use_that_is_taken_back_unsent_was_never_there);
    tcase_set_timeout(t, 240);
    suite_add_tcase(s, t);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
