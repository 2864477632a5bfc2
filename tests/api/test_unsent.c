/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C09: What is reported as not sent stays unsent (reliability: No double execution). The socket takes no byte
 * for a while, the caller gives up, the socket takes bytes again: the server must not see the statement.
 */
#include "api/lab_stage.h"

#include <check.h>
#include <errno.h>

static struct answer a;

/* A connection that is open and whose socket takes nothing, and a statement written to it. */
static void block_and_submit(uint32_t timeout_ms)
{
    const struct fault_kind full = {.name = "EAGAIN", .error = EAGAIN};

    pg_sql("drop table if exists unsent; create table unsent (n int)");
    lab_open(&r);
    lab_pool(&r, pg_server()->plainuri, pg_server()->password, 1);
    must_answer(REDW_QUERY("select 1"), "1");
    fault_arm(&r.fault, FAULT_SEND, 1, FAULT_STICKY, full);
    lab_submit(&r, &a, REDW_REQUEST(.sql = "insert into unsent values (1)", .timeout_ms = timeout_ms));
    while (!fault_fired(&r.fault))
        ev_run(r.loop, EVRUN_ONCE);
}

static void expect_unsent_and_a_table_without_rows(int code)
{
    if (code) {
        ck_assert(lab_wait(&r, &a.calls, 1));
        ck_assert_int_eq(redw_error_code(answer_error(&a)), code);
        ck_assert_int_eq(redw_error_outcome(answer_error(&a)), REDW_OUTCOME_NOT_SENT);
    }
    fault_disarm(&r.fault);
    for (int i = 0; i < 3; i++)
        must_answer(REDW_QUERY("select count(*) from unsent"), "0");
    ck_assert_uint_eq(a.calls, code ? 1 : 0);
    answer_release(&a);
    ck_assert(lab_close(&r));
}

START_TEST(a_timeout_of_an_unsent_statement_takes_it_back)
{
    block_and_submit(30);
    expect_unsent_and_a_table_without_rows(REDW_ETIMEDOUT);
}
END_TEST

START_TEST(a_cancel_of_an_unsent_statement_takes_it_back)
{
    block_and_submit(0);
    ck_assert_int_eq(redw_cancel(r.client, a.id), 0);
    expect_unsent_and_a_table_without_rows(REDW_ECANCELLED);
}
END_TEST

START_TEST(a_forgotten_unsent_statement_is_taken_back)
{
    block_and_submit(0);
    ck_assert_int_eq(redw_forget(r.client, a.id), 0);
    expect_unsent_and_a_table_without_rows(0);
}
END_TEST

START_TEST(a_close_takes_back_what_is_unsent)
{
    block_and_submit(0);
    redw_client_close(r.client, 0, NULL, NULL);
    ck_assert(lab_wait(&r, &a.calls, 1));
    ck_assert_int_eq(redw_error_class(answer_error(&a)), REDW_CLASS_CLOSED);
    ck_assert_int_eq(redw_error_outcome(answer_error(&a)), REDW_OUTCOME_NOT_SENT);
    fault_disarm(&r.fault);
    answer_release(&a);
    ck_assert(lab_close(&r));
    lab_open(&r);
    lab_pool(&r, pg_server()->plainuri, pg_server()->password, 1);
    must_answer(REDW_QUERY("select count(*) from unsent"), "0");
    ck_assert(lab_close(&r));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("unsent");
    TCase *t = tcase_create("unsent");
    SRunner *runner;
    int failed;

    pg_server(); /* before the runner forks */
    tcase_add_test(t, a_timeout_of_an_unsent_statement_takes_it_back);
    tcase_add_test(t, a_cancel_of_an_unsent_statement_takes_it_back);
    tcase_add_test(t, a_forgotten_unsent_statement_is_taken_back);
    tcase_add_test(t, a_close_takes_back_what_is_unsent);
    suite_add_tcase(s, t);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
