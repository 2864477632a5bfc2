/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams against a real server: each row once and in order, pauses, stops, and ends without rows or half way.
 */
#include "api/e2e_lab.h"

struct flow {
    redw_client *client;
    redw_id id;
    unsigned columns, batches, done;
    int64_t next;          /* the value the next row must have */
    int64_t pause_every;   /* rows; 0: never */
    int64_t stop_at;       /* rows; 0: never */
    bool resume_inside;    /* before the pause is returned */
    unsigned pauses;
    int code;
    uint64_t counted;
};

static enum redw_flow flow_columns(const redw_result *head, void *ctx)
{
    struct flow *f = ctx;
    f->columns++;
    ck_assert_uint_eq(f->batches, 0);
    ck_assert_uint_eq(redw_result_column_count(head), 2);
    return REDW_MORE;
}

static enum redw_flow flow_rows(redw_rows *rows, void *ctx)
{
    struct flow *f = ctx;
    redw_row row;
    int64_t n;
    f->batches++;
    ck_assert_uint_eq(f->columns, 1);
    while (redw_rows_next(rows, &row)) {
        ck_assert_int_eq(redw_row_int64(&row, 0, &n), REDW_OK);
        ck_assert_int_eq(n, f->next);
        f->next++;
        if (f->stop_at > 0 && n + 1 == f->stop_at)
            return REDW_STOP;
        if (f->pause_every > 0 && (n + 1) % f->pause_every == 0) {
            f->pauses++;
            if (f->resume_inside)
                ck_assert_int_eq(redw_resume(f->client, f->id), 0);
            return REDW_PAUSE; /* with rows of this batch left: they come again */
        }
    }
    return REDW_MORE;
}

static void flow_done(const redw_result *res, void *ctx)
{
    struct flow *f = ctx;
    f->done++;
    f->code = redw_error_code(redw_result_error(res));
    f->counted = redw_result_row_count(res);
    ck_assert(!redw_result_first(res, &(redw_row){0}));
}

static const struct redw_stream_handler flow = {
    .size = sizeof flow, .on_columns = flow_columns, .on_rows = flow_rows, .on_done = flow_done};
#define SERIES "select g::int8, repeat('x', (g % 100)::int) from generate_series(0, 49999) g"

static void flow_start(struct flow *f, const char *sql, enum redw_wire wire)
{
    f->client = r.client;
    f->id = redw_stream(r.client, REDW_REQUEST(.sql = sql, .wire = wire), &flow, f);
    ck_assert_int_gt(f->id, 0);
}

START_TEST(a_stream_brings_every_row_once_and_in_order)
{
    start(1);
    for (int wire = REDW_WIRE_TEXT; wire <= REDW_WIRE_BINARY; wire++) {
        struct flow f = {0};
        flow_start(&f, SERIES, (enum redw_wire)wire);
        ck_assert(lab_wait(&r, &f.done, 1));
        ck_assert_int_eq(f.code, REDW_OK);
        ck_assert_int_eq(f.next, 50000);
        ck_assert_uint_eq(f.counted, 50000);
        ck_assert_uint_gt(f.batches, 1);
        ck_assert_uint_lt(f.batches, 5000); /* batches, not rows one by one */
    }
    finish();
}
END_TEST

START_TEST(a_paused_stream_waits_and_loses_no_row)
{
    start(1);
    struct flow f = {.pause_every = 7001};
    flow_start(&f, SERIES, REDW_WIRE_TEXT);
    for (unsigned k = 1; k <= 7; k++) {
        ck_assert(lab_wait(&r, &f.pauses, k));
        int64_t at = f.next;
        lab_run_ms(&r, 20);
        ck_assert_int_eq(f.next, at);
        ck_assert_int_eq(redw_resume(r.client, f.id), 0);
        ck_assert_int_eq(f.next, at); /* never from inside */
        ck_assert_int_eq(redw_resume(r.client, f.id), 0);
    }
    ck_assert(lab_wait(&r, &f.done, 1));
    ck_assert_int_eq(f.code, REDW_OK);
    ck_assert_int_eq(f.next, 50000);
    ck_assert_int_eq(redw_resume(r.client, f.id), REDW_ENOENT);

    f = (struct flow){.pause_every = 100, .resume_inside = true};
    flow_start(&f, SERIES, REDW_WIRE_BINARY);
    ck_assert(lab_wait(&r, &f.done, 1));
    ck_assert_int_eq(f.next, 50000);
    ck_assert_uint_eq(f.pauses, 500);
    finish();
}
END_TEST

START_TEST(a_paused_stream_stops_reading_and_memory_stays_flat)
{
    start(1);
    struct flow f = {.pause_every = 10};
    uint64_t base = r.fault.live_bytes;
    flow_start(&f, "select g::int8, repeat('y', 1000) from generate_series(0, 199999) g", REDW_WIRE_TEXT);
    ck_assert(lab_wait(&r, &f.pauses, 1));
    lab_run_ms(&r, 200); /* 200 MB wait on the other side */
    ck_assert_uint_lt(r.fault.peak_bytes - base, 2 << 20);
    f.pause_every = 0;
    ck_assert_int_eq(redw_resume(r.client, f.id), 0);
    ck_assert(lab_wait(&r, &f.done, 1));
    ck_assert_int_eq(f.next, 200000);
    ck_assert_uint_lt(r.fault.peak_bytes - base, 2 << 20);
    finish();
}
END_TEST

START_TEST(a_stopped_stream_cancels_its_statement_and_its_connection_serves_again)
{
    start(1);
    struct flow f = {.stop_at = 100};
    flow_start(&f, "select g::int8, repeat('z', 1000) from generate_series(0, 9999999) g", REDW_WIRE_TEXT);
    ck_assert(lab_wait(&r, &f.done, 1));
    ck_assert_int_eq(f.code, REDW_ECANCELLED);
    ck_assert_int_eq(f.next, 100);
    must_answer(REDW_QUERY("select 1"), "1");
    lab_run_ms(&r, 50);
    ck_assert_uint_le(r.fault.opened, 2); /* the session, and the side connection of the cancel */
    finish();
}
END_TEST

static enum redw_flow take_none(redw_rows *rows, void *ctx)
{
    (void)rows;
    ++*(unsigned *)ctx;
    return REDW_MORE;
}

static unsigned ended;
static void code_done(const redw_result *res, void *ctx)
{
    (void)ctx;
    ck_assert_int_eq(redw_error_code(redw_result_error(res)), REDW_EINVAL);
    ended++;
}

START_TEST(going_on_with_rows_not_taken_is_an_error_never_a_skip)
{
    const struct redw_stream_handler h = {.size = sizeof h, .on_rows = take_none, .on_done = code_done};
    unsigned batches = 0;
    start(1);
    ended = 0;
    ck_assert_int_gt(redw_stream(r.client, REDW_QUERY("select 1"), &h, &batches), 0);
    ck_assert(lab_wait(&r, &ended, 1));
    ck_assert_uint_eq(batches, 1);
    must_answer(REDW_QUERY("select 1"), "1");
    finish();
}
END_TEST

START_TEST(a_stream_without_rows_and_one_that_fails_half_way)
{
    start(1);
    struct flow f = {0};
    flow_start(&f, "select 1::int8, 2 where false", REDW_WIRE_TEXT);
    ck_assert(lab_wait(&r, &f.done, 1));
    ck_assert_int_eq(f.code, REDW_OK);
    ck_assert_uint_eq(f.columns, 1);
    ck_assert_uint_eq(f.batches, 0);
    f = (struct flow){0};
    flow_start(&f, "select g::int8, 1 / (30000 - g) from generate_series(0, 50000) g", REDW_WIRE_TEXT);
    ck_assert(lab_wait(&r, &f.done, 1));
    ck_assert_int_eq(f.code, REDW_ESERVER);
    ck_assert_int_eq(f.next, 30000);
    must_answer(REDW_QUERY("select 1"), "1");
    finish();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("e2e_streams");
    TCase *t = tcase_create("e2e_streams");
    pg_server();
    tcase_add_test(t, a_stream_brings_every_row_once_and_in_order);
    tcase_add_test(t, a_paused_stream_waits_and_loses_no_row);
    tcase_add_test(t, a_paused_stream_stops_reading_and_memory_stays_flat);
    tcase_add_test(t, a_stopped_stream_cancels_its_statement_and_its_connection_serves_again);
    tcase_add_test(t, going_on_with_rows_not_taken_is_an_error_never_a_skip);
    tcase_add_test(t, a_stream_without_rows_and_one_that_fails_half_way);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
