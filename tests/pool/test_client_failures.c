/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that cannot be opened or that break (client_stage.h): which jobs fail with them, which wait for
 * others, and when another attempt is made.
 */
#include "pool/client_stage.h"

START_TEST(waiting_jobs_fail_when_nobody_is_left_who_could_serve_them)
{
    open_client(2, 0);
    for (char name = 'a'; name <= 'c'; name++)
        add(name);
    settle();
    ck_assert_uint_eq(nfakes, 2);
    fake_break(fakes[0], REDW_ECONNECT, "connect: first");
    settle();
    ck_assert_str_eq(story, ""); /* the other may still make it */
    ck_assert_uint_eq(nfakes, 2);
    fake_break(fakes[1], REDW_ECONNECT, "connect: second");
    settle();
    ck_assert_str_eq(story, "abc");
    for (char name = 'a'; name <= 'c'; name++) {
        ck_assert(ended_as(name, REDW_ECONNECT, REDW_CLASS_CONNECTION_FAILED, REDW_OUTCOME_NOT_SENT));
        ck_assert_str_eq(seen[(int)name].message, "connect: second");
    }
    add('d'); /* the next one tries at once, alone */
    add('e');
    settle();
    ck_assert_uint_eq(nfakes, 3);
    fake_ready(fakes[2]);
    settle();
    ck_assert_uint_eq(nfakes, 4); /* and after a success as many as are needed */
    fake_end(fakes[2], NULL);
    settle();
    fake_end(fakes[2], NULL);
}
END_TEST

START_TEST(while_other_connections_serve_failed_attempts_are_repeated_with_pauses)
{
    int64_t start;

    open_client_with(3, 1);
    add('a');
    add('b');
    settle();
    ck_assert_str_eq(job_on(fakes[0]), "a");
    start = vloop_now_us(loop);
    int64_t pause_ms = 100;
    for (unsigned i = 1; i <= 8; i++) {
        ck_assert_uint_eq(nfakes, i + 1);
        fake_break(fakes[i], REDW_ECONNECT, "too many connections");
        vloop_advance(loop, pause_ms * MS - 1);
        ck_assert_uint_eq(nfakes, i + 1);
        vloop_advance(loop, 1);
        pause_ms = pause_ms * 2 < 5000 ? pause_ms * 2 : 5000;
    }
    ck_assert_int_gt(vloop_now_us(loop), start + 15000 * MS);
    ck_assert_int_eq(seen['b'].finished, 0);
    fake_ready(fakes[9]);
    settle();
    ck_assert_str_eq(job_on(fakes[9]), "b");
    fake_end(fakes[0], NULL);
    fake_end(fakes[9], NULL);
    settle();
    for (char name = 'c'; name <= 'e'; name++) /* after a success the pauses are short again */
        add(name);
    settle();
    ck_assert_uint_eq(nfakes, 11);
    fake_break(fakes[10], REDW_ECONNECT, "too many connections");
    vloop_advance(loop, 100 * MS);
    ck_assert_uint_eq(nfakes, 12);
}
END_TEST

START_TEST(without_memory_for_a_connection_waiting_jobs_fail_unless_others_are_open)
{
    open_client(2, 0);
    open_fails = true;
    add('a');
    settle();
    ck_assert(ended_as('a', REDW_ENOMEM, REDW_CLASS_OUT_OF_MEMORY, REDW_OUTCOME_NOT_SENT));
    open_fails = false;
    add('b');
    settle();
    fake_ready(fakes[0]);
    settle();
    open_fails = true;
    add('c');
    vloop_advance(loop, 10000 * MS);
    ck_assert_int_eq(seen['c'].finished, 0);
    fake_end(fakes[0], NULL);
    settle();
    ck_assert_str_eq(job_on(fakes[0]), "c");
    fake_end(fakes[0], NULL);
}
END_TEST

START_TEST(a_connection_that_breaks_fails_its_own_job_only)
{
    open_client_with(2, 2);
    add('a');
    add('b');
    add('c');
    settle();
    struct fake *f = *job_on(fakes[0]) == 'a' ? fakes[0] : fakes[1];
    fake_break(f, REDW_ECONNECT, "reset");
    ck_assert(ended_as('a', REDW_ECONNECT, REDW_CLASS_CONNECTION_FAILED, REDW_OUTCOME_UNKNOWN));
    settle();
    ck_assert(f->freed);
    ck_assert_uint_eq(nfakes, 3); /* one more for c */
    fake_ready(fakes[2]);
    settle();
    ck_assert_str_eq(job_on(fakes[2]), "c");
    ck_assert_str_eq(story, "a");
}
END_TEST

START_TEST(a_connection_that_a_statement_left_in_a_transaction_is_gone)
{
    open_client_with(1, 1);
    redw_id id = add('a');
    add('b');
    settle();
    fake_end_as(fakes[0], NULL, REDWI_CONN_CLOSED);
    ck_assert_str_eq(story, "a");
    settle();
    ck_assert(fakes[0]->freed);
    ck_assert_uint_eq(nfakes, 2);
    fake_ready(fakes[1]);
    settle();
    ck_assert_str_eq(job_on(fakes[1]), "b");
    fake_end(fakes[1], NULL);
    id = add('c');
    settle();
    redw_cancel(client, id);
    fake_end_as(fakes[1], NULL, REDWI_CONN_CLOSED); /* while its cancel is under way */
    settle();
    ck_assert(!fakes[1]->freed);
    fake_side_done(fakes[2]);
    ck_assert(fakes[1]->freed);
}
END_TEST

START_TEST(an_idle_connection_that_breaks_is_replaced_when_needed)
{
    open_client_with(1, 1);
    fake_break(fakes[0], REDW_ECONNECT, "server shut down");
    settle();
    ck_assert(fakes[0]->freed);
    ck_assert_uint_eq(nfakes, 1);
    ck_assert_int_eq(vloop_holds(loop), 0);
    add('a');
    settle();
    ck_assert_uint_eq(nfakes, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_failures");
    TCase *t = tcase_create("client_failures");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, waiting_jobs_fail_when_nobody_is_left_who_could_serve_them);
    tcase_add_test(t, while_other_connections_serve_failed_attempts_are_repeated_with_pauses);
    tcase_add_test(t, without_memory_for_a_connection_waiting_jobs_fail_unless_others_are_open);
    tcase_add_test(t, a_connection_that_breaks_fails_its_own_job_only);
    tcase_add_test(t, a_connection_that_a_statement_left_in_a_transaction_is_gone);
    tcase_add_test(t, an_idle_connection_that_breaks_is_replaced_when_needed);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
