/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines of jobs that wait or run (client_stage.h), and the connection that the server was asked to stop: when
 * it is given out again, and when it is closed instead.
 */
#include "pool/client_stage.h"

START_TEST(a_waiting_job_ends_at_its_deadline_and_says_what_it_waited_for)
{
    open_client_with(1, 1);
    add('a');
    settle();
    add_until('b', vloop_now_us(loop) + 250 * MS);
    vloop_advance(loop, 250 * MS - 1);
    ck_assert_int_eq(seen['b'].finished, 0);
    vloop_advance(loop, 1);
    ck_assert(ended_as('b', REDW_ETIMEDOUT, REDW_CLASS_QUERY_TIMEOUT, REDW_OUTCOME_NOT_SENT));
    ck_assert_str_eq(seen['b'].message,
                     "waiting (not sent): no connection within 250 ms: 1 in use, 0 being opened, pool_max 1, "
                     "1 requests waiting");
    fake_end(fakes[0], NULL);
    settle();
    ck_assert_uint_eq(fakes[0]->starts, 2); /* b was never sent */
}
END_TEST

static void take_long(char name)
{
    (void)name;
    redwi_client_entry_us(client);
    vloop_tick(loop, 300 * MS);
}

START_TEST(a_job_whose_deadline_passes_while_a_callback_runs_is_not_sent)
{
    open_client_with(1, 1);
    on_finish = take_long;
    add('a');
    settle();
    add_until('b', vloop_now_us(loop) + 250 * MS);
    settle();
    unsigned starts = fakes[0]->starts;
    fake_end(fakes[0], NULL);
    settle();
    ck_assert_uint_eq(fakes[0]->starts, starts);
    ck_assert(ended_as('b', REDW_ETIMEDOUT, REDW_CLASS_QUERY_TIMEOUT, REDW_OUTCOME_NOT_SENT));
}
END_TEST

START_TEST(a_deadline_in_the_past_is_accepted_and_fails_by_callback_without_being_sent)
{
    open_client_with(1, 1);
    ck_assert_int_gt(add_until('a', vloop_now_us(loop) - 1), 0);
    ck_assert_int_gt(add_until('b', INT64_MIN), 0);
    ck_assert_str_eq(story, "");
    settle();
    ck_assert_str_eq(story, "ab");
    ck_assert(ended_as('a', REDW_ETIMEDOUT, REDW_CLASS_QUERY_TIMEOUT, REDW_OUTCOME_NOT_SENT));
    ck_assert_uint_eq(fakes[0]->starts, 1);
}
END_TEST

START_TEST(an_active_job_ends_at_its_deadline_and_the_server_is_asked_to_stop)
{
    open_client_with(1, 1);
    add_until('a', vloop_now_us(loop) + 100 * MS);
    settle();
    vloop_advance(loop, 100 * MS);
    ck_assert(ended_as('a', REDW_ETIMEDOUT, REDW_CLASS_QUERY_TIMEOUT, REDW_OUTCOME_UNKNOWN));
    ck_assert_int_eq(fakes[0]->conn.state, REDWI_CONN_DRAINING);
    ck_assert_int_eq(fakes[0]->limit_us, vloop_now_us(loop) + 5000 * MS);
    ck_assert_uint_eq(nfakes, 2);
    ck_assert_ptr_eq(fakes[1]->config.cancels, &fakes[0]->conn);
    ck_assert_int_eq(fakes[1]->config.deadline_us, vloop_now_us(loop) + 5000 * MS);
    ck_assert_int_eq(vloop_holds(loop), 1); /* until the server was told */
}
END_TEST

/* K07 */
START_TEST(a_cancelled_connection_is_given_out_again_only_after_unit_and_cancel_have_ended)
{
    for (int unit_first = 0; unit_first < 2; unit_first++) {
        for (int side_failed = 0; side_failed < 2; side_failed++) {
            unsigned base = nfakes;
            open_client(1, 0);
            add_until('a', vloop_now_us(loop) + 100 * MS);
            settle();
            struct fake *f = fakes[base];
            fake_ready(f);
            settle();
            vloop_advance(loop, 100 * MS);
            struct fake *side = fakes[base + 1];
            add('b');
            settle();
            ck_assert_uint_eq(nfakes, base + 2); /* it still counts: pool_max is 1 */
            if (unit_first)
                fake_end(f, NULL);
            settle();
            ck_assert_uint_eq(f->starts, 1);
            if (side_failed)
                fake_break(side, REDW_ETIMEDOUT, "cancel: no answer");
            else
                fake_side_done(side);
            settle();
            if (!unit_first) {
                ck_assert_uint_eq(f->starts, 1);
                fake_end(f, NULL);
                settle();
            }
            ck_assert(side->freed);
            if (side_failed) { /* the cancel may come late: nobody else may be hit by it */
                ck_assert(f->freed && f->polite);
                ck_assert_uint_eq(nfakes, base + 3);
            } else {
                ck_assert_str_eq(job_on(f), "b");
            }
            redw_client_destroy(client);
        }
    }
    client = NULL;
}
END_TEST

START_TEST(where_the_server_cannot_be_asked_the_connection_is_closed_at_once)
{
    for (int oom = 0; oom < 2; oom++) {
        unsigned base = nfakes;
        open_client(1, 0);
        add_until('a', vloop_now_us(loop) + 100 * MS);
        settle();
        fake_ready(fakes[base]);
        settle();
        fakes[base]->no_key = !oom;
        open_fails = oom;
        vloop_advance(loop, 100 * MS);
        open_fails = false;
        ck_assert_int_eq(seen['a'].finished, oom + 1);
        ck_assert(fakes[base]->freed);
        redw_client_destroy(client);
    }
    client = NULL;
}
END_TEST

START_TEST(a_side_connection_outlives_what_it_cancels)
{
    open_client_with(1, 1);
    add_until('a', vloop_now_us(loop) + 100 * MS);
    settle();
    vloop_advance(loop, 100 * MS);
    fake_break(fakes[0], REDW_ETIMEDOUT, "unit did not end");
    settle();
    ck_assert(!fakes[0]->freed); /* its address and key are in use */
    fake_side_done(fakes[1]);
    settle();
    ck_assert(fakes[0]->freed && fakes[1]->freed);
    ck_assert_int_eq(vloop_holds(loop), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_deadlines");
    TCase *t = tcase_create("client_deadlines");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_waiting_job_ends_at_its_deadline_and_says_what_it_waited_for);
    tcase_add_test(t, a_job_whose_deadline_passes_while_a_callback_runs_is_not_sent);
    tcase_add_test(t, a_deadline_in_the_past_is_accepted_and_fails_by_callback_without_being_sent);
    tcase_add_test(t, an_active_job_ends_at_its_deadline_and_the_server_is_asked_to_stop);
    tcase_add_test(t, a_cancelled_connection_is_given_out_again_only_after_unit_and_cancel_have_ended);
    tcase_add_test(t, where_the_server_cannot_be_asked_the_connection_is_closed_at_once);
    tcase_add_test(t, a_side_connection_outlives_what_it_cancels);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
