/* SPDX-License-Identifier: Apache-2.0 */
/*
 * U8: Several requests on their way on one connection (pipeline_desk.h): each is answered in its turn, who is given
 * which connection when, priorities, and what callbacks submit.
 */
#include "api/pipeline_desk.h"

/* --- in flight together --- */

START_TEST(requests_leave_together_and_each_is_answered_in_its_turn)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
    uint64_t sends = d.lab.fault.calls[FAULT_SEND];
    submit_many(0, 8);
    ck_assert_uint_eq(d.lab.fault.calls[FAULT_SEND], sends + 1); /* corked: one send for all of a turn */
    ck_assert_uint_eq(d.conns[0].units, 8);
    for (unsigned i = 0; i < 8; i++) {
        ck_assert_str_eq(d.conns[0].sql[0], names[i]);
        desk_serve(&d, 0, 1);
        ck_assert_uint_eq(answered(), i + 1);
        ck_assert_str_eq(answer_text(&a[i]), names[i]);
    }
    finish();
}
END_TEST

START_TEST(answers_that_come_in_one_piece_or_in_single_bytes_are_told_apart)
{
    for (int single = 0; single < 2; single++) {
        start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
        if (single)
            fault_arm(&d.lab.fault, FAULT_RECV, 1, FAULT_STICKY, (struct fault_kind){.name = "1 byte", .bytes = 1});
        submit_many(0, 8);
        desk_serve(&d, 0, 8);
        for (unsigned i = 0; i < 8; i++)
            ck_assert_str_eq(answer_text(&a[i]), names[i]);
        finish();
    }
}
END_TEST

START_TEST(an_error_in_the_middle_belongs_to_its_own_request)
{
    start(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8));
    submit(0, "s0");
    submit(1, "bad");
    submit(2, "nobody knows this");
    submit(3, "s3");
    desk_turn(&d);
    desk_serve(&d, 0, 4);
    ck_assert_str_eq(answer_text(&a[0]), "s0");
    ck_assert(failed_as(1, REDW_ESERVER, REDW_OUTCOME_NOT_EXECUTED));
    ck_assert_str_eq(redw_error_sqlstate(answer_error(&a[1])), "22012");
    ck_assert_str_eq(redw_error_sqlstate(answer_error(&a[2])), "42601");
    ck_assert_str_eq(answer_text(&a[3]), "s3");
    ck_assert_uint_eq(d.nconns, 1);
    finish();
}
END_TEST

START_TEST(more_than_pipeline_max_wait_and_follow_as_answers_come)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 3), 1);
    submit_many(0, 5);
    ck_assert_uint_eq(d.conns[0].units, 3);
    desk_serve(&d, 0, 1);
    ck_assert_uint_eq(d.conns[0].units, 3);
    ck_assert_str_eq(d.conns[0].sql[2], "s3");
    desk_serve(&d, 0, 3);
    desk_serve(&d, 0, 1);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_str_eq(answer_text(&a[i]), names[i]);
    finish();
}
END_TEST

START_TEST(connections_are_shared_only_when_all_are_in_use_and_the_least_busy_takes_the_next)
{
    start(REDW_OPTIONS(.pool_max = 2, .pipeline_max = 3));
    submit_many(0, 1);
    ck_assert_uint_eq(d.nconns, 1);
    submit_many(1, 8);
    ck_assert_uint_eq(d.nconns, 2); /* rather another connection than a place behind somebody */
    ck_assert_uint_eq(d.conns[0].units, 3);
    ck_assert_uint_eq(d.conns[1].units, 3);
    desk_serve(&d, 1, 2);
    ck_assert_uint_eq(d.conns[1].units, 3);
    for (unsigned i = 0; i < 3; i++) {
        while (d.conns[0].units)
            desk_serve(&d, 0, 1);
        while (d.conns[1].units)
            desk_serve(&d, 1, 1);
    }
    for (unsigned i = 0; i < 8; i++)
        ck_assert_str_eq(answer_text(&a[i]), names[i]);
    finish();
}
END_TEST

static enum redw_flow take_rows(redw_rows *rows, void *ctx)
{
    redw_row row;
    (void)ctx;
    while (redw_rows_next(rows, &row))
        ;
    return REDW_MORE;
}

static const struct redw_stream_handler stream = {.size = sizeof stream, .on_rows = take_rows, .on_done = answer_done};

START_TEST(a_stream_has_its_connection_to_itself_and_is_not_overtaken)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
    submit(0, "s0");
    submit(1, "s1");
    a[2].id = redw_stream(d.lab.client, REDW_QUERY("s2"), &stream, &a[2]);
    submit(3, "s3");
    desk_turn(&d);
    ck_assert_uint_eq(d.conns[0].units, 2);
    desk_serve(&d, 0, 1);
    ck_assert_uint_eq(d.conns[0].units, 1); /* s3 could have gone: it does not overtake */
    desk_serve(&d, 0, 1);
    ck_assert_uint_eq(d.conns[0].units, 1);
    ck_assert_str_eq(d.conns[0].sql[0], "s2");
    desk_serve(&d, 0, 1);
    ck_assert_uint_eq(a[2].calls, 1);
    desk_serve(&d, 0, 1);
    ck_assert_str_eq(answer_text(&a[3]), "s3");
    finish();
}
END_TEST

/* --- who is next --- */

START_TEST(the_highest_priority_goes_first_and_within_one_the_oldest)
{
    static const struct {
        enum redw_priority priority;
        const char *sql;
    } given[] = {{REDW_PRIORITY_BULK, "s0"},   {REDW_PRIORITY_NORMAL, "s1"}, {REDW_PRIORITY_LOW, "s2"},
                 {REDW_PRIORITY_HIGH, "s3"},   {REDW_PRIORITY_NORMAL, "s4"}, {REDW_PRIORITY_HIGH, "s5"},
                 {REDW_PRIORITY_BULK, "s6"}};
    static const char *const order[] = {"s3", "s5", "s1", "s4", "s2", "s0", "s6"};
    start_with(REDW_OPTIONS(.pool_max = 1, .queue_max = 6), 1);
    for (unsigned i = 0; i < 7; i++)
        lab_submit(&d.lab, &a[i], REDW_REQUEST(.sql = given[i].sql, .priority = given[i].priority));
    /* One for the idle connection, and queue_max counts the others of whatever priority. */
    ck_assert_int_eq((int)redw_submit(d.lab.client, REDW_REQUEST(.sql = "s7", .priority = REDW_PRIORITY_HIGH),
                                      answer_done, &a[7]),
                     REDW_EFULL);
    for (unsigned i = 0; i < 7; i++) {
        desk_turn(&d);
        ck_assert_uint_eq(d.conns[0].units, 1);
        ck_assert_str_eq(d.conns[0].sql[0], order[i]);
        desk_serve(&d, 0, 1);
    }
    ck_assert_uint_eq(answered(), 7);
    finish();
}
END_TEST

static unsigned busy;
static void keep_busy(const redw_result *res, void *ctx)
{
    ck_assert_ptr_null(redw_result_error(res));
    busy++;
    if (a[0].calls == 0)
        ck_assert_int_gt(redw_submit(d.lab.client, REDW_QUERY("s1"), keep_busy, ctx), 0);
}

START_TEST(a_low_priority_that_never_comes_to_its_turn_ends_at_its_deadline)
{
    start_with(REDW_OPTIONS(.pool_max = 1), 1);
    lab_submit(&d.lab, &a[0], REDW_REQUEST(.sql = "s0", .priority = REDW_PRIORITY_BULK, .timeout_ms = 40));
    busy = 0;
    for (int i = 0; i < 2; i++) /* one under way, one that waits: always */
        ck_assert_int_gt(redw_submit(d.lab.client, REDW_QUERY("s1"), keep_busy, NULL), 0);
    desk_turn(&d);
    while (d.conns[0].units) {
        ck_assert_str_eq(d.conns[0].sql[0], "s1");
        desk_serve(&d, 0, 1);
        lab_run_ms(&d.lab, 1);
    }
    ck_assert_uint_gt(busy, 2);
    ck_assert(failed_as(0, REDW_ETIMEDOUT, REDW_OUTCOME_NOT_SENT));
    finish();
}
END_TEST

/* --- what callbacks submit --- */

static unsigned chained;
static void chain(const redw_result *res, void *ctx)
{
    ck_assert_ptr_null(redw_result_error(res));
    chained++;
    if (chained < 40)
        ck_assert_int_gt(redw_submit(d.lab.client, REDW_QUERY("s0"), chain, ctx), 0);
}

START_TEST(what_a_callback_submits_goes_behind_what_is_in_flight)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 4), 1);
    chained = 0;
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_gt(redw_submit(d.lab.client, REDW_QUERY("s0"), chain, NULL), 0);
    desk_turn(&d);
    while (d.conns[0].units) {
        ck_assert_uint_le(d.conns[0].units, 4);
        desk_serve(&d, 0, 1);
    }
    ck_assert_uint_eq(chained, 43);
    ck_assert_uint_eq(d.nconns, 1);
    finish();
}
END_TEST

static unsigned ended;
static void count_end(const redw_result *res, void *ctx)
{
    ck_assert_ptr_null(redw_result_error(res));
    (void)ctx;
    ended++;
}

static void follow_up(const redw_result *res, void *ctx)
{
    count_end(res, ctx);
    ck_assert_int_gt(redw_submit(d.lab.client, REDW_QUERY("s0"), count_end, ctx), 0);
}

/* So the server works on the first of them while the callbacks of the others run. */
START_TEST(what_many_callbacks_submit_leaves_in_portions_of_50)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 60), 1);
    ended = 0;
    for (unsigned i = 0; i < 60; i++)
        ck_assert_int_gt(redw_submit(d.lab.client, REDW_QUERY("s0"), follow_up, NULL), 0);
    desk_turn(&d);
    uint64_t sends = d.lab.fault.calls[FAULT_SEND];
    desk_serve(&d, 0, 60);
    ck_assert_uint_eq(ended, 60);
    ck_assert_uint_eq(d.lab.fault.calls[FAULT_SEND], sends + 2);
    ck_assert_uint_eq(d.conns[0].units, 60);
    desk_serve(&d, 0, 60);
    ck_assert_uint_eq(ended, 120);
    finish();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pipeline");
    TCase *t = tcase_create("pipeline");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, requests_leave_together_and_each_is_answered_in_its_turn);
    tcase_add_test(t, answers_that_come_in_one_piece_or_in_single_bytes_are_told_apart);
    tcase_add_test(t, an_error_in_the_middle_belongs_to_its_own_request);
    tcase_add_test(t, more_than_pipeline_max_wait_and_follow_as_answers_come);
    tcase_add_test(t, connections_are_shared_only_when_all_are_in_use_and_the_least_busy_takes_the_next);
    tcase_add_test(t, a_stream_has_its_connection_to_itself_and_is_not_overtaken);
    tcase_add_test(t, the_highest_priority_goes_first_and_within_one_the_oldest);
    tcase_add_test(t, a_low_priority_that_never_comes_to_its_turn_ends_at_its_deadline);
    tcase_add_test(t, what_a_callback_submits_goes_behind_what_is_in_flight);
    tcase_add_test(t, what_many_callbacks_submit_leaves_in_portions_of_50);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
