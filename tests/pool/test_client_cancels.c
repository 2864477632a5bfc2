/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs that are given up (client_stage.h): cancelled, forgotten, stopped by their own rows, from outside and from
 * inside their callbacks; and the end of a pause.
 */
#include "pool/client_stage.h"

START_TEST(cancelling_a_waiting_job_ends_it_from_the_loop)
{
    open_client(1, 0);
    redw_id id = add('a');
    ck_assert_int_eq(redw_cancel(client, id), 0);
    ck_assert_str_eq(story, "");
    ck_assert_int_eq(redw_cancel(client, id), 0); /* done, but not reported yet */
    settle();
    ck_assert(ended_as('a', REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_NOT_SENT));
    ck_assert_int_eq(redw_cancel(client, id), REDW_ENOENT);
    ck_assert_uint_eq(nfakes, 0);
    ck_assert_int_eq(vloop_holds(loop), 0);
}
END_TEST

START_TEST(cancelling_an_active_job_waits_for_the_servers_word)
{
    open_client_with(1, 1);
    redw_id id = add('a');
    settle();
    ck_assert_int_eq(redw_cancel(client, id), 0);
    vloop_advance(loop, 1000 * MS);
    ck_assert_int_eq(redw_cancel(client, id), 0); /* again: nothing more, and no later */
    settle();
    ck_assert_uint_eq(nfakes, 2);
    ck_assert_str_eq(job_on(fakes[0]), "a");
    ck_assert_int_eq(fakes[0]->limit_us, vloop_now_us(loop) + 4000 * MS);
    fake_end(fakes[0],
             fake_error(REDW_ESERVER, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_NOT_EXECUTED, "57014"));
    ck_assert(ended_as('a', REDW_ESERVER, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_NOT_EXECUTED));
    fake_side_done(fakes[1]);

    id = add('b'); /* one that finishes first ends as if nothing had been asked */
    settle();
    ck_assert_int_eq(redw_cancel(client, id), 0);
    fake_end(fakes[0], NULL);
    ck_assert(ended_as('b', 0, REDW_CLASS_NONE, seen['b'].outcome));
}
END_TEST

START_TEST(a_cancel_that_is_not_obeyed_ends_with_the_connection)
{
    open_client_with(1, 1);
    redw_id id = add('a');
    settle();
    redw_cancel(client, id);
    fake_break(fakes[0], REDW_ETIMEDOUT, "unit did not end");
    ck_assert(ended_as('a', REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_UNKNOWN));
    ck_assert_ptr_nonnull(strstr(seen['a'].message, "5000 ms"));
    fake_side_done(fakes[1]);

    id = add('b'); /* broken for another reason: that is what it says */
    settle();
    fake_ready(fakes[2]);
    settle();
    redw_cancel(client, id);
    fake_break(fakes[2], REDW_ECONNECT, "reset");
    ck_assert(ended_as('b', REDW_ECONNECT, REDW_CLASS_CONNECTION_FAILED, REDW_OUTCOME_UNKNOWN));

    id = add('c'); /* and where the server cannot be asked it ends at once */
    settle();
    struct fake *f = fakes[nfakes - 1];
    fake_ready(f);
    settle();
    f->no_key = true;
    ck_assert_int_eq(redw_cancel(client, id), 0);
    ck_assert_int_eq(seen['c'].finished, 0);
    settle();
    ck_assert(ended_as('c', REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_UNKNOWN));
    ck_assert(f->freed);
}
END_TEST

START_TEST(cancelling_a_paused_stream_ends_it_although_nobody_resumes)
{
    open_client_with(1, 1);
    redw_id id = add('a');
    settle();
    rows_flow = REDWI_JOB_PAUSE;
    fake_rows(fakes[0], (const uint8_t *)"D", 1);
    ck_assert(fakes[0]->conn.paused);
    redw_cancel(client, id);
    settle();
    ck_assert(ended_as('a', REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_UNKNOWN));
    ck_assert_int_eq(fakes[0]->conn.state, REDWI_CONN_DRAINING);
    ck_assert_uint_eq(nfakes, 2);
}
END_TEST

START_TEST(the_deadline_runs_on_during_a_cancel)
{
    open_client_with(1, 1);
    redw_id id = add_until('a', vloop_now_us(loop) + 100 * MS);
    settle();
    redw_cancel(client, id);
    vloop_advance(loop, 100 * MS);
    ck_assert(ended_as('a', REDW_ETIMEDOUT, REDW_CLASS_QUERY_TIMEOUT, REDW_OUTCOME_UNKNOWN));
    ck_assert_uint_eq(nfakes, 2); /* one cancel is enough */
}
END_TEST

START_TEST(a_forgotten_job_never_calls_back_whatever_its_state)
{
    open_client_with(1, 1);
    redw_id active = add('a');
    settle();
    redw_id waiting = add('b'), done = add('c');
    redw_cancel(client, done);
    ck_assert_int_eq(redw_forget(client, waiting), 0);
    ck_assert_int_eq(redw_forget(client, done), 0);
    ck_assert_int_eq(redw_forget(client, active), 0);
    ck_assert_str_eq(story, "(b)(c)(a)"); /* freed at once, outside callbacks */
    ck_assert_int_eq(redw_forget(client, active), REDW_ENOENT);
    ck_assert_int_eq(redw_cancel(client, active), REDW_ENOENT);
    ck_assert_int_eq(fakes[0]->conn.state, REDWI_CONN_DRAINING);
    ck_assert_uint_eq(nfakes, 2); /* the server is asked to stop all the same */
    fake_end(fakes[0], NULL);
    fake_side_done(fakes[1]);
    settle();
    ck_assert_str_eq(story, "(b)(c)(a)");
    ck_assert_int_eq(vloop_holds(loop), 0);
}
END_TEST

static redw_id own_id;

static void forget_own(char name)
{
    (void)name;
    ck_assert_int_eq(redw_forget(client, own_id), 0);
    ck_assert_str_eq(story, ""); /* not freed under its own callback */
    ck_assert_int_eq(redw_cancel(client, own_id), REDW_ENOENT);
}

START_TEST(a_job_may_be_forgotten_inside_its_own_rows)
{
    open_client_with(1, 1);
    own_id = add('a');
    settle();
    on_rows = forget_own;
    fake_rows(fakes[0], (const uint8_t *)"D", 1);
    ck_assert_str_eq(story, "(a)");
}
END_TEST

static void cancel_own(char name)
{
    (void)name;
    ck_assert_int_eq(redw_cancel(client, own_id), 0);
}

START_TEST(a_job_whose_connection_is_closed_inside_its_own_rows_ends_once)
{
    open_client_with(1, 1);
    own_id = add('a');
    settle();
    fakes[0]->no_key = true;
    on_rows = cancel_own;
    rows_flow = REDWI_JOB_STOP;
    fake_rows(fakes[0], (const uint8_t *)"D", 1);
    ck_assert(ended_as('a', REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_UNKNOWN));
    ck_assert(fakes[0]->freed);
}
END_TEST

START_TEST(stop_ends_the_job_now_and_cancels_the_statement)
{
    open_client_with(1, 1);
    add('a');
    settle();
    rows_flow = REDWI_JOB_STOP;
    fake_rows(fakes[0], (const uint8_t *)"D", 1);
    ck_assert(ended_as('a', REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_UNKNOWN));
    ck_assert_str_eq(seen['a'].message, "stop");
    ck_assert_int_eq(fakes[0]->conn.state, REDWI_CONN_DRAINING);
    ck_assert_uint_eq(nfakes, 2);
    fake_end(fakes[0], NULL);
    fake_side_done(fakes[1]);
    add('b');
    settle();
    ck_assert_str_eq(job_on(fakes[0]), "b");
}
END_TEST

START_TEST(a_pause_ends_in_the_turn_after_resume)
{
    open_client_with(1, 1);
    redw_id id = add('a');
    settle();
    rows_flow = REDWI_JOB_PAUSE;
    fake_rows(fakes[0], (const uint8_t *)"D", 1);
    redwi_client_resume(client, redwi_client_find(client, id));
    redwi_client_resume(client, redwi_client_find(client, id));
    ck_assert_uint_eq(fakes[0]->resumes, 0);
    settle();
    ck_assert_uint_eq(fakes[0]->resumes, 1);
    redwi_client_resume(client, redwi_client_find(client, id)); /* not paused: nothing */
    settle();
    ck_assert_uint_eq(fakes[0]->resumes, 1);
    fake_rows(fakes[0], (const uint8_t *)"D", 1);
    redwi_client_resume(client, redwi_client_find(client, id));
    redw_forget(client, id); /* gone before the turn */
    settle();
    ck_assert_uint_eq(fakes[0]->resumes, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_cancels");
    TCase *t = tcase_create("client_cancels");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, cancelling_a_waiting_job_ends_it_from_the_loop);
    tcase_add_test(t, cancelling_an_active_job_waits_for_the_servers_word);
    tcase_add_test(t, a_cancel_that_is_not_obeyed_ends_with_the_connection);
    tcase_add_test(t, cancelling_a_paused_stream_ends_it_although_nobody_resumes);
    tcase_add_test(t, the_deadline_runs_on_during_a_cancel);
    tcase_add_test(t, a_forgotten_job_never_calls_back_whatever_its_state);
    tcase_add_test(t, a_job_may_be_forgotten_inside_its_own_rows);
    tcase_add_test(t, a_job_whose_connection_is_closed_inside_its_own_rows_ends_once);
    tcase_add_test(t, stop_ends_the_job_now_and_cancels_the_statement);
    tcase_add_test(t, a_pause_ends_in_the_turn_after_resume);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
