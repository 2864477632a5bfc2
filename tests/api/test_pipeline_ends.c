/* SPDX-License-Identifier: Apache-2.0 */
/*
 * U8: Where a connection or the client ends in the middle of a pipeline (pipeline_desk.h): what was answered stays,
 * and each of the others is told what is known of it.
 */
#include "api/pipeline_desk.h"

/* --- the connection ends --- */

START_TEST(a_cut_in_the_middle_is_unknown_for_what_was_sent_and_not_sent_for_the_rest)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
    submit(0, "s0");
    submit(1, "s1");
    desk_turn(&d);
    submit_big(2);
    submit(3, "s3");
    submit(4, "s4");
    d.silent = true;
    desk_turn(&d);
    d.silent = false;
    d.refuses = true; /* nobody is there to try again with */
    desk_cut(&d, 0);
    desk_turn(&d);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(failed_as(i, REDW_ECONNECT, REDW_OUTCOME_UNKNOWN));
        must_say(i, "(sent, after");
    }
    for (unsigned i = 3; i < 5; i++) {
        ck_assert(failed_as(i, REDW_ECONNECT, REDW_OUTCOME_NOT_SENT));
        must_say(i, "(not sent, after");
    }
    finish();
}
END_TEST

START_TEST(what_was_answered_before_a_cut_stays_answered)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8, .connect_retries = REDW_NONE), 1);
    submit_many(0, 4);
    /* Two answers, and the third without its ReadyForQuery. */
    desk_serve(&d, 0, 2);
    redwi_be_put_simple(&d.conns[0].peer.out, '1');
    redwi_be_put_simple(&d.conns[0].peer.out, '2');
    redwi_be_put_simple(&d.conns[0].peer.out, 'n');
    redwi_be_put_command_complete(&d.conns[0].peer.out, "INSERT 0 1");
    desk_send(&d, 0);
    desk_cut(&d, 0);
    desk_turn(&d);
    ck_assert_str_eq(answer_text(&a[0]), "s0");
    ck_assert_str_eq(answer_text(&a[1]), "s1");
    ck_assert(failed_as(2, REDW_ECONNECT, REDW_OUTCOME_UNKNOWN)); /* it commits at Sync, not before */
    ck_assert(failed_as(3, REDW_ECONNECT, REDW_OUTCOME_UNKNOWN));
    finish();
}
END_TEST

START_TEST(behind_a_transaction_left_open_nobody_knows_and_who_waits_gets_another_connection)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 3), 1);
    submit(0, "s0");
    submit(1, "begin");
    submit(2, "s2");
    submit(3, "s3");
    desk_turn(&d);
    desk_serve(&d, 0, 2);
    ck_assert_str_eq(answer_text(&a[0]), "s0");
    answer_must_succeed(&a[1]);
    ck_assert(failed_as(2, REDW_ECONNECT, REDW_OUTCOME_UNKNOWN));
    must_say(2, "left a transaction open");
    desk_turn(&d);
    ck_assert(d.conns[0].ended);
    ck_assert_uint_eq(d.nconns, 2);
    desk_serve(&d, 1, 1);
    /* s3 had been given to the first connection when s0 was answered, or waited: in both cases it is told. */
    ck_assert_uint_eq(a[3].calls, 1);
    finish();
}
END_TEST

/* --- the client ends --- */

START_TEST(closing_lets_what_is_in_flight_finish)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 4), 1);
    submit_many(0, 6);
    redw_client_close(d.lab.client, REDW_NONE, NULL, NULL);
    ck_assert_int_eq((int)redw_submit(d.lab.client, REDW_QUERY("s7"), answer_done, &a[7]), REDW_ECLOSED);
    desk_serve(&d, 0, 4);
    desk_serve(&d, 0, 2);
    for (unsigned i = 0; i < 6; i++)
        ck_assert_str_eq(answer_text(&a[i]), names[i]);
    desk_turn(&d);
    ck_assert(d.conns[0].ended);
    ck_assert(d.conns[0].peer.terminated);
    finish();
}
END_TEST

START_TEST(the_end_of_a_drain_proves_of_what_was_not_sent_that_it_was_not)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
    submit(0, "s0");
    desk_turn(&d);
    submit_big(1);
    submit(2, "s2");
    submit(3, "s3");
    d.silent = true;
    desk_turn(&d);
    redw_client_close(d.lab.client, 0, NULL, NULL);
    desk_turn(&d);
    d.silent = false;
    ck_assert(failed_as(0, REDW_ECLOSED, REDW_OUTCOME_UNKNOWN));
    ck_assert(failed_as(1, REDW_ECLOSED, REDW_OUTCOME_UNKNOWN));
    ck_assert(failed_as(2, REDW_ECLOSED, REDW_OUTCOME_NOT_SENT));
    ck_assert(failed_as(3, REDW_ECLOSED, REDW_OUTCOME_NOT_SENT));
    desk_turn(&d);
    ck_assert_uint_eq(d.conns[0].units, 2); /* and it was not */
    finish();
}
END_TEST

static void destroy_in(const redw_result *res, void *ctx)
{
    answer_done(res, ctx);
    redw_client_destroy(d.lab.client);
    d.lab.client = NULL;
}

START_TEST(destroy_inside_a_callback_completes_the_others)
{
    for (unsigned k = 0; k < 3; k++) {
        start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
        for (unsigned i = 0; i < 4; i++)
            a[i].id = redw_submit(d.lab.client, REDW_QUERY(names[i]), i == k ? destroy_in : answer_done, &a[i]);
        desk_turn(&d);
        desk_serve(&d, 0, 4);
        ck_assert_ptr_null(d.lab.client);
        for (unsigned i = 0; i < 4; i++) {
            ck_assert_uint_eq(a[i].calls, 1);
            /* All four answers were there: whether the later ones were read by then is not promised, what
             * they are told is. */
            if (i > k && answer_error(&a[i]))
                ck_assert_int_eq(redw_error_code(answer_error(&a[i])), REDW_ECLOSED);
        }
        finish();
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pipeline_ends");
    TCase *t = tcase_create("pipeline_ends");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_cut_in_the_middle_is_unknown_for_what_was_sent_and_not_sent_for_the_rest);
    tcase_add_test(t, what_was_answered_before_a_cut_stays_answered);
    tcase_add_test(t, behind_a_transaction_left_open_nobody_knows_and_who_waits_gets_another_connection);
    tcase_add_test(t, closing_lets_what_is_in_flight_finish);
    tcase_add_test(t, the_end_of_a_drain_proves_of_what_was_not_sent_that_it_was_not);
    tcase_add_test(t, destroy_inside_a_callback_completes_the_others);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
