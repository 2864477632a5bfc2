/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams over connections that the test plays (request_stage.h): what handlers are given, what they may answer,
 * and what they may do.
 */
#include "query/request_stage.h"

static enum redw_flow answer;
static int take_at_most, taken_sum, batches, heads;
static redw_id own_id;
static void (*in_rows)(void);
static redw_result *kept_head;

static enum redw_flow on_columns(const redw_result *head, void *ctx)
{
    ck_assert_ptr_eq(ctx, &dones);
    ck_assert_uint_eq(redw_result_column_count(head), 1);
    heads++;
    return answer;
}

static enum redw_flow on_columns_keep(const redw_result *head, void *ctx)
{
    kept_head = redw_result_keep(head);
    return on_columns(head, ctx);
}

static enum redw_flow on_rows(redw_rows *rows, void *ctx)
{
    redw_row row;

    ck_assert_ptr_eq(ctx, &dones);
    batches++;
    for (int i = 0; i < take_at_most && redw_rows_next(rows, &row); i++)
        taken_sum +=
            atoi((char[8]){row.cells[0].ptr[0], row.cells[0].len > 1 ? row.cells[0].ptr[1] : '\0'});
    if (in_rows)
        in_rows();
    return answer;
}

static struct fake *stream(enum redw_flow (*columns)(const redw_result *, void *))
{
    struct redw_stream_handler h = {
        .size = sizeof h, .on_columns = columns, .on_rows = on_rows, .on_done = on_done};

    answer = REDW_MORE;
    take_at_most = 1000;
    taken_sum = batches = heads = 0;
    in_rows = NULL;
    own_id = redw_stream(client, REDW_QUERY("select n"), &h, &dones);
    ck_assert_int_gt(own_id, 0);
    memset(&h, 0, sizeof h); /* it was copied */
    return go();
}

START_TEST(a_stream_hands_rows_over_and_ends_with_their_count)
{
    struct fake *f = stream(on_columns);

    describe(f);
    ck_assert_int_eq(heads, 1);
    heap.calls = 0;
    for (int i = 0; i < 100; i++) {
        write_rows(1, 4);
        ck_assert_uint_eq(give(f), redwi_buf_len(&rows_wire));
    }
    ck_assert_uint_eq(heap.calls, 0); /* none per row, none per batch */
    end_with_tag(f, "SELECT 300");
    ck_assert_int_eq(taken_sum, 600);
    ck_assert_int_eq(batches, 100);
    ck_assert_uint_eq(dones, 1);
    ck_assert_ptr_null(redw_result_error(last));
    ck_assert_uint_eq(redw_result_row_count(last), 300);
    ck_assert_uint_eq(redw_result_column_count(last), 1);
    redw_row row;
    ck_assert(!redw_result_first(last, &row)); /* it holds none */
}
END_TEST

START_TEST(rows_not_taken_before_a_pause_come_again_after_resume)
{
    struct fake *f = stream(NULL);

    describe(f);
    write_rows(1, 6);
    take_at_most = 2;
    answer = REDW_PAUSE;
    size_t taken = give(f);
    ck_assert_uint_lt(taken, redwi_buf_len(&rows_wire));
    ck_assert(f->conn.paused);
    vloop_settle(loop);
    ck_assert_uint_eq(f->resumes, 0);
    ck_assert_int_eq(redw_resume(client, own_id), 0);
    ck_assert_uint_eq(f->resumes, 0); /* never from inside */
    vloop_settle(loop);
    ck_assert_uint_eq(f->resumes, 1);
    answer = REDW_MORE;
    take_at_most = 100;
    fake_rows(f, redwi_buf_front(&rows_wire) + taken, redwi_buf_len(&rows_wire) - taken);
    ck_assert_int_eq(taken_sum, 1 + 2 + 3 + 4 + 5);
    ck_assert_int_eq(redw_resume(client, own_id), 0); /* nothing is paused: nothing happens */
    vloop_settle(loop);
    ck_assert_uint_eq(f->resumes, 1);
    end_with_tag(f, "SELECT 5");
    ck_assert_int_eq(redw_resume(client, own_id), REDW_ENOENT);
}
END_TEST

static void resume_own(void)
{
    ck_assert_int_eq(redw_resume(client, own_id), 0);
}

START_TEST(a_resume_counts_before_its_pause_is_returned_and_for_no_other)
{
    struct fake *f = stream(NULL);

    describe(f);
    write_rows(1, 3);
    in_rows = resume_own;
    answer = REDW_PAUSE;
    give(f);
    vloop_settle(loop);
    ck_assert_uint_eq(f->resumes, 1);
    answer = REDW_MORE; /* resumed, then not paused: it is spent */
    give(f);
    in_rows = NULL;
    resume_own(); /* nothing is paused: spent too */
    answer = REDW_PAUSE;
    give(f);
    vloop_settle(loop);
    ck_assert(f->conn.paused);
    ck_assert_uint_eq(f->resumes, 1);
}
END_TEST

START_TEST(more_with_rows_left_is_an_error_never_a_skip)
{
    struct fake *f = stream(NULL);

    describe(f);
    write_rows(1, 6);
    take_at_most = 4;
    give(f);
    ck_assert(failed_as(REDW_EINVAL, REDW_CLASS_INTERNAL, REDW_OUTCOME_UNKNOWN));
    ck_assert_uint_eq(redw_result_row_count(last), 4);
    ck_assert_int_eq(f->conn.state, REDWI_CONN_DRAINING);
}
END_TEST

START_TEST(stop_from_columns_or_rows_ends_the_stream_now)
{
    struct fake *f = stream(NULL);

    describe(f);
    write_rows(1, 6);
    take_at_most = 2;
    answer = REDW_STOP;
    give(f);
    ck_assert(failed_as(REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_UNKNOWN));
    ck_assert_uint_eq(redw_result_row_count(last), 2);
    fake_end(f, NULL);
    fake_side_done(fakes[1]);

    f = stream(on_columns);
    answer = REDW_STOP;
    describe(f);
    ck_assert(failed_as(REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_UNKNOWN));
    ck_assert_uint_eq(dones, 2);
    fake_end(f, NULL);
    fake_side_done(fakes[2]);

    f = stream(NULL);
    describe(f);
    answer = (enum redw_flow)77;
    give(f);
    ck_assert(failed_as(REDW_EINVAL, REDW_CLASS_INTERNAL, REDW_OUTCOME_UNKNOWN));
}
END_TEST

START_TEST(a_head_that_is_kept_does_not_change_any_more)
{
    struct fake *f = stream(on_columns_keep);

    describe(f);
    write_rows(1, 4);
    give(f);
    end_with_tag(f, "SELECT 3");
    ck_assert_ptr_ne(kept_head, last);
    ck_assert_uint_eq(redw_result_row_count(kept_head), 0);
    ck_assert_str_eq(redw_result_tag(kept_head), "");
    ck_assert_str_eq(redw_result_column(kept_head, 0)->name, "n");
    ck_assert_uint_eq(redw_result_row_count(last), 3);
    redw_result_release(kept_head);
}
END_TEST

static void forget_own(void)
{
    ck_assert_int_eq(redw_forget(client, own_id), 0);
    ck_assert_int_eq(redw_resume(client, own_id), REDW_ENOENT);
}
static void cancel_own(void)
{
    ck_assert_int_eq(redw_cancel(client, own_id), 0);
}
static void resume_and_forget_own(void)
{
    resume_own();
    forget_own();
}

START_TEST(what_a_handler_answers_after_its_request_has_ended_changes_nothing)
{
    struct fake *f = stream(NULL);

    describe(f);
    write_rows(1, 4);
    in_rows = resume_and_forget_own;
    answer = REDW_PAUSE;
    give(f);
    vloop_settle(loop);
    ck_assert_uint_eq(f->resumes, 0);
    fake_end(f, NULL);
    fake_side_done(fakes[1]);

    f = stream(NULL);
    describe(f);
    f->no_key = true;
    in_rows = cancel_own;
    answer = REDW_STOP;
    give(f);
    ck_assert_uint_eq(dones, 1);
    ck_assert_ptr_nonnull(strstr(redw_error_message(redw_result_error(last)), "closing the connection"));
}
END_TEST

static void destroy_client(void)
{
    redw_client_destroy(client);
    client = NULL;
}

START_TEST(a_handler_may_forget_cancel_or_destroy)
{
    struct fake *f = stream(NULL);

    describe(f);
    write_rows(1, 4);
    in_rows = forget_own;
    give(f);
    ck_assert_uint_eq(dones, 0);
    fake_end(f, NULL);
    fake_side_done(fakes[1]);

    f = stream(NULL);
    describe(f);
    in_rows = cancel_own;
    give(f); /* goes on: the statement may still finish */
    ck_assert_uint_eq(dones, 0);
    in_rows = NULL;
    answer = REDW_PAUSE; /* but who pauses now would never see the end */
    give(f);
    ck_assert(failed_as(REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_UNKNOWN));
    fake_end(f, NULL);
    fake_side_done(fakes[2]);

    f = stream(NULL);
    describe(f);
    in_rows = destroy_client;
    give(f);
    ck_assert_uint_eq(dones, 2);
    ck_assert(failed_as(REDW_ECLOSED, REDW_CLASS_CLOSED, REDW_OUTCOME_UNKNOWN));
    ck_assert(f->freed && f->conn.paused); /* it was told to read no further */
}
END_TEST

START_TEST(a_malformed_row_in_a_stream_is_told_to_the_connection)
{
    struct fake *f = stream(NULL);

    write_rows(0, 2);
    ck_assert_uint_eq(give(f), SIZE_MAX); /* rows before any description */
    describe(f);
    rows_wire.data[rows_wire.head + 6] = 9;
    ck_assert_uint_eq(give(f), SIZE_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream");
    TCase *t = tcase_create("stream");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_stream_hands_rows_over_and_ends_with_their_count);
    tcase_add_test(t, rows_not_taken_before_a_pause_come_again_after_resume);
    tcase_add_test(t, a_resume_counts_before_its_pause_is_returned_and_for_no_other);
    tcase_add_test(t, more_with_rows_left_is_an_error_never_a_skip);
    tcase_add_test(t, stop_from_columns_or_rows_ends_the_stream_now);
    tcase_add_test(t, a_head_that_is_kept_does_not_change_any_more);
    tcase_add_test(t, a_handler_may_forget_cancel_or_destroy);
    tcase_add_test(t, what_a_handler_answers_after_its_request_has_ended_changes_nothing);
    tcase_add_test(t, a_malformed_row_in_a_stream_is_told_to_the_connection);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
