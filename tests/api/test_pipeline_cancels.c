/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines, cancels and what is forgotten in the middle of a pipeline (pipeline_desk.h): nobody else is hurt, and
 * each cancel has its verdict.
 */
#include "api/pipeline_desk.h"

static enum redw_cancel_verdict verdict(unsigned i)
{
    ck_assert_uint_eq(a[i].calls, 1);
    return redw_result_cancel(a[i].res);
}

START_TEST(a_deadline_in_the_middle_hurts_nobody_else_and_says_what_was_done)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
    submit(0, "s0");
    lab_submit(&d.lab, &a[1], REDW_REQUEST(.sql = "s1", .timeout_ms = 20));
    submit(2, "s2");
    desk_turn(&d);
    ck_assert(lab_wait(&d.lab, &a[1].calls, 1));
    ck_assert(failed_as(1, REDW_ETIMEDOUT, REDW_OUTCOME_UNKNOWN));
    must_say(1, "not asked to stop it, for others share its connection");
    ck_assert_uint_eq(d.nconns, 1); /* no cancel: it could hit a neighbour */
    submit(3, "s3");
    desk_turn(&d);
    ck_assert_uint_eq(d.conns[0].units, 3); /* nothing new behind it */
    desk_serve(&d, 0, 3);
    ck_assert_str_eq(answer_text(&a[0]), "s0");
    ck_assert_str_eq(answer_text(&a[2]), "s2");
    desk_serve(&d, 0, 1);
    ck_assert_str_eq(answer_text(&a[3]), "s3");
    ck_assert_uint_eq(a[1].calls, 1);
    ck_assert_uint_eq(d.nconns, 1);
    finish();
}
END_TEST

START_TEST(a_deadline_of_the_last_that_is_wanted_asks_the_server_to_stop)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
    submit(0, "s0");
    lab_submit(&d.lab, &a[1], REDW_REQUEST(.sql = "s1", .timeout_ms = 20));
    desk_turn(&d);
    redw_cancel(d.lab.client, a[0].id);
    desk_turn(&d);
    ck_assert_uint_eq(d.nconns, 1);
    ck_assert(lab_wait(&d.lab, &a[1].calls, 1));
    must_say(1, "the server was asked to stop it");
    desk_wait_conn(&d, 1);
    ck_assert(d.conns[1].cancel);
    desk_cut(&d, 1);
    desk_serve(&d, 0, 2);
    ck_assert_str_eq(answer_text(&a[0]), "s0");
    ck_assert_int_eq(verdict(0), REDW_CANCEL_FINISHED_FIRST);
    finish();
}
END_TEST

/* Cancels the k-th of three that were sent. */
START_TEST(a_cancel_of_one_that_shares_its_connection_waits_it_out)
{
    for (unsigned k = 0; k < 3; k++) {
        start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
        submit_many(0, 3);
        ck_assert_int_eq(redw_cancel(d.lab.client, a[k].id), 0);
        desk_turn(&d);
        for (unsigned i = 0; i < 3; i++) {
            /* Once only the cancelled one is left, the server is asked. */
            ck_assert_uint_eq(d.nconns, k == 2 && i == 2 ? 2 : 1);
            desk_serve(&d, 0, 1);
        }
        for (unsigned i = 0; i < 3; i++) {
            ck_assert_str_eq(answer_text(&a[i]), names[i]);
            ck_assert_int_eq(verdict(i), i == k ? REDW_CANCEL_FINISHED_FIRST : REDW_CANCEL_NOT_ASKED);
        }
        submit(3, "s3");
        desk_turn(&d);
        ck_assert_uint_eq(d.conns[0].units, k < 2); /* not while a cancel is on its way to it */
        if (k == 2)
            desk_cut(&d, 1);
        desk_turn(&d);
        desk_serve(&d, 0, 1);
        ck_assert_str_eq(answer_text(&a[3]), "s3");
        finish();
    }
}
END_TEST

START_TEST(when_all_on_a_connection_are_cancelled_the_server_is_asked_once_and_each_has_its_verdict)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
    submit(0, "stopped");
    submit(1, "s1");
    submit(2, "bad");
    desk_turn(&d);
    for (unsigned i = 0; i < 3; i++)
        redw_cancel(d.lab.client, a[i].id);
    desk_wait_conn(&d, 1);
    ck_assert(d.conns[1].cancel);
    desk_serve(&d, 0, 1);
    desk_cut(&d, 1);
    desk_serve(&d, 0, 2);
    ck_assert_int_eq(verdict(0), REDW_CANCEL_STOPPED);
    ck_assert_int_eq(redw_error_cause(answer_error(&a[0])), REDW_CAUSE_CALLER);
    ck_assert_int_eq(verdict(1), REDW_CANCEL_FINISHED_FIRST);
    ck_assert_str_eq(answer_text(&a[1]), "s1");
    ck_assert_int_eq(verdict(2), REDW_CANCEL_FINISHED_FIRST);
    ck_assert_str_eq(redw_error_sqlstate(answer_error(&a[2])), "22012");
    finish();
}
END_TEST

START_TEST(the_last_of_what_was_not_sent_is_taken_back)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
    submit_big(0);
    submit(1, "s1");
    submit(2, "s2");
    submit(3, "s3");
    d.silent = true;
    desk_turn(&d);
    redw_cancel(d.lab.client, a[3].id);
    redw_forget(d.lab.client, a[2].id);
    submit(4, "s4"); /* the places are free again */
    desk_turn(&d);
    d.silent = false;
    ck_assert(failed_as(3, REDW_ECANCELLED, REDW_OUTCOME_NOT_SENT));
    ck_assert_int_eq(verdict(3), REDW_CANCEL_NOT_SENT);
    desk_turn(&d);
    ck_assert_uint_eq(d.conns[0].units, 3);
    ck_assert_str_eq(d.conns[0].sql[1], "s1");
    ck_assert_str_eq(d.conns[0].sql[2], "s4");
    desk_serve(&d, 0, 3);
    ck_assert_str_eq(answer_text(&a[0]), "big");
    ck_assert_str_eq(answer_text(&a[1]), "s1");
    ck_assert_str_eq(answer_text(&a[4]), "s4");
    ck_assert_uint_eq(a[2].calls, 0);
    ck_assert_uint_eq(d.nconns, 1);
    finish();
}
END_TEST

START_TEST(one_in_the_middle_that_was_not_sent_goes_its_way_and_is_told_so)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
    submit_big(0);
    submit(1, "s1");
    submit(2, "s2");
    d.silent = true;
    desk_turn(&d);
    redw_cancel(d.lab.client, a[1].id);
    desk_turn(&d);
    d.silent = false;
    desk_turn(&d);
    ck_assert_uint_eq(d.conns[0].units, 3);
    desk_serve(&d, 0, 3);
    ck_assert_str_eq(answer_text(&a[1]), "s1");
    ck_assert_int_eq(verdict(1), REDW_CANCEL_FINISHED_FIRST);
    ck_assert_str_eq(answer_text(&a[2]), "s2");
    finish();
}
END_TEST

START_TEST(a_forgotten_one_in_the_middle_is_read_over)
{
    for (unsigned k = 0; k < 3; k++) {
        start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
        submit_many(0, 3);
        ck_assert_int_eq(redw_forget(d.lab.client, a[k].id), 0);
        ck_assert_int_eq(redw_forget(d.lab.client, a[k].id), REDW_ENOENT);
        desk_turn(&d);
        desk_serve(&d, 0, 2);
        desk_serve(&d, 0, 1);
        for (unsigned i = 0; i < 3; i++) {
            if (i != k)
                ck_assert_str_eq(answer_text(&a[i]), names[i]);
        }
        ck_assert_uint_eq(a[k].calls, 0);
        finish();
    }
}
END_TEST

/* --- verdicts --- */

START_TEST(a_cancel_of_what_waits_was_not_sent_and_of_what_is_done_came_late)
{
    start_with(REDW_OPTIONS(.pool_max = 1), 1);
    submit(0, "s0");
    submit(1, "s1");
    desk_turn(&d);
    ck_assert_int_eq(redw_cancel(d.lab.client, a[1].id), 0);
    desk_turn(&d);
    ck_assert_int_eq(verdict(1), REDW_CANCEL_NOT_SENT);
    ck_assert(failed_as(1, REDW_ECANCELLED, REDW_OUTCOME_NOT_SENT));
    desk_serve(&d, 0, 1);
    ck_assert_int_eq(verdict(0), REDW_CANCEL_NOT_ASKED);
    ck_assert_int_eq(redw_cancel(d.lab.client, a[0].id), REDW_ENOENT);
    finish();
}
END_TEST

START_TEST(where_the_server_cannot_be_asked_the_verdict_is_refused_and_the_deadline_closes)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .cancel_timeout_ms = 60), 1);
    submit(0, "s0");
    desk_turn(&d);
    d.refuses = true;
    redw_cancel(d.lab.client, a[0].id);
    desk_turn(&d);
    ck_assert_uint_eq(a[0].calls, 0); /* it may end by itself until then */
    ck_assert(lab_wait(&d.lab, &a[0].calls, 1));
    ck_assert(failed_as(0, REDW_ECANCELLED, REDW_OUTCOME_UNKNOWN));
    ck_assert_int_eq(verdict(0), REDW_CANCEL_REFUSED);
    must_say(0, "could not be asked");
    must_say(0, "refused");
    finish();

    start_with(REDW_OPTIONS(.pool_max = 1), 1); /* it does end by itself: that is no news of the cancel */
    submit(0, "s0");
    desk_turn(&d);
    d.refuses = true;
    redw_cancel(d.lab.client, a[0].id);
    desk_turn(&d);
    desk_serve(&d, 0, 1);
    ck_assert_str_eq(answer_text(&a[0]), "s0");
    ck_assert_int_eq(verdict(0), REDW_CANCEL_REFUSED);
    desk_turn(&d);
    ck_assert(d.conns[0].ended); /* a cancel that nobody is sure of may come late */
    finish();
}
END_TEST

START_TEST(a_server_that_takes_no_notice_is_unanswered_or_refused_by_how_far_the_asking_came)
{
    for (int heard = 0; heard < 2; heard++) {
        start_with(REDW_OPTIONS(.pool_max = 1, .cancel_timeout_ms = 60), 1);
        submit(0, "s0");
        desk_turn(&d);
        d.silent = !heard;
        redw_cancel(d.lab.client, a[0].id);
        if (heard) {
            desk_wait_conn(&d, 1);
            desk_cut(&d, 1);
        }
        ck_assert(lab_wait(&d.lab, &a[0].calls, 1));
        ck_assert(failed_as(0, REDW_ECANCELLED, REDW_OUTCOME_UNKNOWN));
        ck_assert_int_eq(verdict(0), heard ? REDW_CANCEL_UNANSWERED : REDW_CANCEL_REFUSED);
        finish();
    }
}
END_TEST

START_TEST(a_connection_that_breaks_or_a_deadline_leaves_the_cancel_unanswered)
{
    start_with(REDW_OPTIONS(.pool_max = 1), 1);
    submit(0, "s0");
    desk_turn(&d);
    redw_cancel(d.lab.client, a[0].id);
    desk_wait_conn(&d, 1);
    desk_cut(&d, 0);
    desk_turn(&d);
    ck_assert(failed_as(0, REDW_ECONNECT, REDW_OUTCOME_UNKNOWN));
    ck_assert_int_eq(verdict(0), REDW_CANCEL_UNANSWERED);
    desk_cut(&d, 1);
    desk_turn(&d);
    lab_submit(&d.lab, &a[1], REDW_REQUEST(.sql = "s1", .timeout_ms = 30));
    desk_wait_conn(&d, 2);
    redw_cancel(d.lab.client, a[1].id);
    ck_assert(lab_wait(&d.lab, &a[1].calls, 1));
    ck_assert(failed_as(1, REDW_ETIMEDOUT, REDW_OUTCOME_UNKNOWN));
    ck_assert_int_eq(verdict(1), REDW_CANCEL_UNANSWERED);
    finish();
}
END_TEST

START_TEST(verdicts_have_names)
{
    static const char *const words[] = {"not_asked", "stopped", "finished_first", "not_sent", "refused", "unanswered"};
    for (int v = 0; v < 6; v++)
        ck_assert_str_eq(redw_cancel_verdict_name((enum redw_cancel_verdict)v), words[v]);
    ck_assert_str_eq(redw_cancel_verdict_name((enum redw_cancel_verdict)6), "unknown");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pipeline_cancels");
    TCase *t = tcase_create("pipeline_cancels");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_deadline_in_the_middle_hurts_nobody_else_and_says_what_was_done);
    tcase_add_test(t, a_deadline_of_the_last_that_is_wanted_asks_the_server_to_stop);
    tcase_add_test(t, a_cancel_of_one_that_shares_its_connection_waits_it_out);
    tcase_add_test(t, when_all_on_a_connection_are_cancelled_the_server_is_asked_once_and_each_has_its_verdict);
    tcase_add_test(t, the_last_of_what_was_not_sent_is_taken_back);
    tcase_add_test(t, one_in_the_middle_that_was_not_sent_goes_its_way_and_is_told_so);
    tcase_add_test(t, a_forgotten_one_in_the_middle_is_read_over);
    tcase_add_test(t, a_cancel_of_what_waits_was_not_sent_and_of_what_is_done_came_late);
    tcase_add_test(t, where_the_server_cannot_be_asked_the_verdict_is_refused_and_the_deadline_closes);
    tcase_add_test(t, a_server_that_takes_no_notice_is_unanswered_or_refused_by_how_far_the_asking_came);
    tcase_add_test(t, a_connection_that_breaks_or_a_deadline_leaves_the_cancel_unanswered);
    tcase_add_test(t, verdicts_have_names);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
