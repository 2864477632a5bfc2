/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The low-water mark of a connection that streams (pool/lowat.h): when it goes up and down, and that nothing waits
 * behind it for longer than a look takes. The server's pieces are the test's own, so reads can be counted.
 */
#include "pool/drive.h"
#include "support/conn_stand.h"
#include "wire/be_write.h"
#include "wire/mem.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct stand stand;
static struct stand_server *server;
static struct stand_job job;
static uint64_t calls; /* of setsockopt before the result */

/* The first of them tells that rows come at all. */
#define RAISING (REDWI_LOWAT_READS + 1)

static void start(void)
{
    stand_login(&stand);
    stand_job_init(&stand, &job, "select");
    job.job.long_rows = true;
    server->mute = true;
    stand_start(&stand, &job);
    calls = stand.fault.calls[FAULT_SET_OPTION];
}

static void setup(void)
{
    stand_open(&stand);
    server = stand_listen(&stand, &stand_trusting, NULL);
}

static void teardown(void)
{
    stand_job_fini(&job);
    stand_close(&stand);
}

static uint64_t options_set(void)
{
    return stand.fault.calls[FAULT_SET_OPTION] - calls;
}

/* The kernel's word. */
static int mark(void)
{
    int bytes = 0;
    socklen_t len = sizeof bytes;
    ck_assert_int_eq(getsockopt(stand.conn->priv->transport.fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, &len), 0);
    return bytes;
}

static void say(void (*put)(struct redwi_buf *b))
{
    struct redwi_buf b;
    redwi_buf_init(&b, &redwi_malloc, SIZE_MAX / 2);
    put(&b);
    stand_peer_send(&server->peers[0], redwi_buf_front(&b), redwi_buf_len(&b));
    redwi_buf_free(&b);
}

static void put_head(struct redwi_buf *b)
{
    const struct redwi_field field = {.name = {"c", 1}, .type_oid = 25, .type_size = -1, .typmod = -1};
    redwi_be_put_simple(b, '1');
    redwi_be_put_simple(b, '2');
    redwi_be_put_row_description(b, &field, 1);
}

static void put_row(struct redwi_buf *b)
{
    const redw_slice cell = {"x", 1};
    redwi_be_put_data_row(b, &cell, 1);
}

static void put_tail(struct redwi_buf *b)
{
    redwi_be_put_command_complete(b, "SELECT");
    redwi_be_put_ready(b, 'I');
}

/* So many rows, each in a read of its own. */
static void rows(int n)
{
    for (int i = 0; i < n; i++) {
        int want = job.nrows + 1;
        say(put_row);
        stand_run_until(&stand, &job.nrows, want);
    }
}

static void end(void)
{
    int n = stand.nended + 1;
    say(put_tail);
    stand_run_until(&stand, &stand.nended, n);
}

static void begin(void)
{
    start();
    stand_wait_received(&server->peers[0], 1);
    say(put_head);
    stand_run_until(&stand, &job.ncolumns, 1);
}

START_TEST(some_reads_in_a_row_raise_the_mark_and_a_look_lowers_it)
{
    begin();
    rows(RAISING - 1);
    ck_assert_uint_eq(options_set(), 0);
    rows(1);
    ck_assert_int_eq(mark(), REDWI_LOWAT_BYTES);
    ck_assert_int_eq(stand.probe.timers, 1); /* the look */
    rows(1);
    ck_assert_int_eq(mark(), 1); /* one row is far below */
    ck_assert_uint_eq(options_set(), 2);
    rows(REDWI_LOWAT_READS * 4);
    ck_assert_uint_ge(options_set(), 6);
    end();
    ck_assert_int_eq(mark(), 1);
    ck_assert_int_eq(stand.probe.timers, 0);
    ck_assert_int_eq(stand.conn->state, REDWI_CONN_IDLE);
}
END_TEST

START_TEST(reads_that_are_large_keep_it_up_until_the_result_ends)
{
    start();
    ck_assert_uint_gt(stand_flood(server, &job, 1000, (size_t)8 << 20), 0);
    ck_assert_uint_ge(options_set(), 2);
    ck_assert_uint_eq(options_set() % 2, 0);
    ck_assert_int_eq(mark(), 1);
    ck_assert_int_eq(stand.probe.timers, 0);
}
END_TEST

START_TEST(a_tail_shorter_than_the_mark_comes_within_a_look)
{
    begin();
    for (int i = 0; i < 20; i++) {
        rows(1); /* the fifth of them finds the mark up */
        int64_t from = stand_now_us(&stand);
        rows(1);
        ck_assert_int_lt(stand_now_us(&stand) - from, 1000000);
    }
    int64_t from = stand_now_us(&stand);
    end();
    ck_assert_int_lt(stand_now_us(&stand) - from, 1000000);
}
END_TEST

START_TEST(the_end_of_the_stream_is_seen_behind_the_mark)
{
    begin();
    rows(RAISING);
    ck_assert(stand.conn->priv->lowat.mark);
    ck_assert_int_eq(mark(), REDWI_LOWAT_BYTES);
    say(put_row);
    stand_peer_close(&server->peers[0]);
    stand_run_until(&stand, &stand.nclosed, 1);
    ck_assert_int_eq(job.nrows, RAISING + 1);
    ck_assert_int_eq(stand.probe.timers, 0);
}
END_TEST

START_TEST(a_server_that_trickles_loses_nothing)
{
    begin();
    server->slow = true;
    for (int i = 0; i < 40; i++)
        say(put_row);
    say(put_tail);
    stand_run_until(&stand, &stand.nended, 1);
    ck_assert_int_eq(job.nrows, 40);
    ck_assert_int_eq(mark(), 1);
}
END_TEST

START_TEST(a_pause_needs_no_look_and_a_resume_gets_one)
{
    begin();
    job.flow[1 + REDWI_LOWAT_READS] = REDWI_JOB_PAUSE; /* behind the answer to the columns */
    rows(RAISING);
    ck_assert(stand.conn->paused);
    ck_assert_int_eq(mark(), REDWI_LOWAT_BYTES);
    ck_assert_int_eq(stand.probe.timers, 0);
    say(put_row);
    say(put_tail);
    stand_run(&stand, 20);
    ck_assert_int_eq(job.nrows, RAISING);
    redwi_conn_resume(stand.conn);
    stand_run_until(&stand, &stand.nended, 1);
    ck_assert_int_eq(job.nrows, RAISING + 1);
    ck_assert_int_eq(mark(), 1);
}
END_TEST

START_TEST(giving_up_lowers_it)
{
    begin();
    rows(RAISING);
    ck_assert_int_eq(mark(), REDWI_LOWAT_BYTES);
    redwi_conn_abandon(stand.conn, &job.job);
    ck_assert_int_eq(mark(), 1);
    say(put_row);
    end();
    ck_assert_int_eq(stand.conn->state, REDWI_CONN_IDLE);
    ck_assert_int_eq(stand.probe.timers, 0);
}
END_TEST

START_TEST(a_system_that_refuses_it_is_asked_once)
{
    begin();
    fault_arm(&stand.fault, FAULT_SET_OPTION, 1, FAULT_STICKY, (struct fault_kind){.name = "EINVAL", .error = 22});
    rows(REDWI_LOWAT_READS * 5);
    ck_assert_uint_eq(stand.fault.calls[FAULT_SET_OPTION], 1);
    end();
    ck_assert(!stand.conn->spoiled);
    fault_disarm(&stand.fault);
}
END_TEST

START_TEST(a_mark_that_cannot_be_lowered_hides_nothing_and_spoils_the_connection)
{
    begin();
    rows(RAISING);
    fault_arm(&stand.fault, FAULT_SET_OPTION, 1, FAULT_STICKY, (struct fault_kind){.name = "EINVAL", .error = 22});
    rows(7);
    ck_assert_int_eq(mark(), REDWI_LOWAT_BYTES);
    say(put_tail); /* the look finds it */
    stand_run_until(&stand, &stand.nended, 1);
    ck_assert_int_eq(job.nrows, RAISING + 7);
    ck_assert(stand.conn->spoiled);
    fault_disarm(&stand.fault);
}
END_TEST

START_TEST(short_results_and_other_jobs_leave_it_alone)
{
    begin();
    rows(RAISING - 1);
    end();
    ck_assert_uint_eq(options_set(), 0);
    stand_job_fini(&job);
    stand_job_init(&stand, &job, "select"); /* expects no long result */
    stand_start(&stand, &job);
    stand_wait_received(&server->peers[0], 1);
    say(put_head);
    rows(RAISING * 3);
    end();
    ck_assert_uint_eq(options_set(), 0);
}
END_TEST

/* --- pipelines --- */

#define WINDOW 40
#define SLOTS  64

static struct stand_job units[SLOTS];
static int nstarted;

static void start_one(void)
{
    struct stand_job *j = &units[nstarted % SLOTS];
    if (nstarted >= SLOTS)
        stand_job_fini(j);
    stand_job_init(&stand, j, "select");
    j->job.sent_us = stand_now_us(&stand);
    stand_start(&stand, j);
    nstarted++;
}

static void fini_units(void)
{
    for (int i = 0; i < SLOTS && i < nstarted; i++)
        stand_job_fini(&units[i]);
}

static void fill(int window)
{
    nstarted = 0;
    server->mute = true;
    for (int i = 0; i < window; i++)
        start_one();
    calls = stand.fault.calls[FAULT_SET_OPTION];
    stand.conn->priv->lowat.least_us = 1; /* whatever these take is several times as long */
}

static void pipeline(int window)
{
    stand_login(&stand);
    fill(window);
}

static void put_answer(struct redwi_buf *b)
{
    put_head(b);
    put_row(b);
    put_tail(b);
}

static void put_failure(struct redwi_buf *b)
{
    static const struct redwi_error_field fields[] = {{'S', "ERROR"}, {'C', "22012"}, {'M', "division"}, {0}};
    redwi_be_put_simple(b, '1');
    redwi_be_put_error(b, 'E', fields);
    redwi_be_put_ready(b, 'I');
}

static void put_half(struct redwi_buf *b)
{
    put_head(b);
    put_row(b);
}

static void answers(int n)
{
    struct redwi_buf b;
    redwi_buf_init(&b, &redwi_malloc, SIZE_MAX / 2);
    for (int i = 0; i < n; i++)
        put_answer(&b);
    stand_peer_send(&server->peers[0], redwi_buf_front(&b), redwi_buf_len(&b));
    redwi_buf_free(&b);
}

/* One answer by itself, and a statement that follows. Its age is what queueing would make it. */
static void one_by_one(int n)
{
    for (int i = 0; i < n; i++) {
        int ended = stand.nended + 1;
        redwi_conn_job(stand.conn)->sent_us = stand_now_us(&stand) - 1000;
        say(put_answer);
        stand_run_until(&stand, &stand.nended, ended);
        start_one();
    }
}

/* A machine that stands still for some milliseconds in the middle makes it begin again. */
static void raise_mark(void)
{
    pipeline(WINDOW);
    for (int i = 0; i < 1000 && !stand.conn->priv->lowat.mark; i++)
        one_by_one(1);
    ck_assert_int_gt(mark(), 1);
    ck_assert_int_eq(mark(), stand.conn->priv->lowat.mark);
    ck_assert_int_eq(stand.probe.timers, 1);
}

static void end_all(void)
{
    int n = stand.nended + (int)stand.conn->njobs;
    answers((int)stand.conn->njobs);
    stand_run_until(&stand, &stand.nended, n);
    ck_assert_int_eq(stand.conn->state, REDWI_CONN_IDLE);
    ck_assert_int_eq(mark(), 1);
    ck_assert_int_eq(stand.probe.timers, 0);
    fini_units();
}

START_TEST(answers_that_trickle_raise_the_mark_of_a_pipeline)
{
    struct redwi_buf b;
    raise_mark();
    redwi_buf_init(&b, &redwi_malloc, SIZE_MAX / 2);
    put_answer(&b);
    ck_assert_int_ge(mark(), (int)redwi_buf_len(&b) * (WINDOW / 4));
    ck_assert_int_le(mark(), (int)redwi_buf_len(&b) * (WINDOW / 2));
    redwi_buf_free(&b);
    end_all();
}
END_TEST

START_TEST(fewer_answers_than_the_mark_come_within_a_look)
{
    for (int n = 1; n < WINDOW / 4; n++) {
        raise_mark();
        int want = stand.nended + n;
        int64_t from = stand_now_us(&stand);
        answers(n);
        stand_run_until(&stand, &stand.nended, want);
        ck_assert_int_lt(stand_now_us(&stand) - from, 1000000);
        end_all();
        stand_close(&stand);
        setup();
    }
}
END_TEST

START_TEST(a_server_that_falls_silent_lowers_it)
{
    raise_mark();
    while (stand.conn->priv->lowat.mark)
        stand_run(&stand, 1);
    ck_assert_int_eq(mark(), 1);
    ck_assert_int_eq(stand.probe.timers, 0);
    end_all();
}
END_TEST

START_TEST(half_an_answer_is_read_within_a_look_and_the_rest_at_once)
{
    raise_mark();
    int n = stand.nended + 1;
    const struct stand_job *first = &units[stand.nended % SLOTS];
    say(put_half);
    stand_run_until(&stand, &first->nrows, 1);
    say(put_tail);
    stand_run_until(&stand, &stand.nended, n);
    end_all();
}
END_TEST

static void (*set_timer)(void *ctx, void *timer, int64_t at_us);
static int ntimers_set;

static void count_timer(void *ctx, void *timer, int64_t at_us)
{
    ntimers_set++;
    set_timer(ctx, timer, at_us);
}

START_TEST(submitting_again_and_again_does_not_put_the_look_off)
{
    raise_mark();
    int want = stand.nended + 1;
    set_timer = stand.probe.loop.timer_set;
    stand.probe.loop.timer_set = count_timer;
    say(put_answer);
    for (int i = 0; i < 20; i++)
        redwi_conn_flush(stand.conn);
    ck_assert_int_eq(ntimers_set, 0);
    stand_run_until(&stand, &stand.nended, want);
    end_all();
}
END_TEST

START_TEST(failures_in_the_middle_end_their_own_jobs)
{
    raise_mark();
    int from = stand.nended;
    for (int i = 0; i < 12; i++)
        say(i % 3 == 1 ? put_failure : put_answer);
    stand_run_until(&stand, &stand.nended, from + 12);
    for (int i = 0; i < 12; i++)
        ck_assert_int_eq(units[(from + i) % SLOTS].job.error != NULL, i % 3 == 1);
    end_all();
}
END_TEST

START_TEST(a_job_given_up_lowers_it_at_once)
{
    raise_mark();
    int n = stand.nended + (int)stand.conn->njobs;
    redwi_conn_abandon(stand.conn, redwi_conn_job(stand.conn));
    ck_assert_int_eq(mark(), 1);
    ck_assert_int_eq(stand.probe.timers, 0);
    answers((int)stand.conn->njobs + 1);
    stand_run_until(&stand, &stand.nended, n);
    end_all();
}
END_TEST

START_TEST(while_something_is_to_be_stopped_it_stays_down)
{
    raise_mark();
    stand.conn->given_up = true;
    for (unsigned i = 0; i < REDWI_LOWAT_FEW * 3; i++) {
        one_by_one(1);
        ck_assert_int_eq(mark(), 1);
    }
    end_all();
}
END_TEST

START_TEST(the_end_of_the_stream_is_seen_behind_a_pipelines_mark)
{
    raise_mark();
    int n = stand.nended;
    answers(3);
    stand_peer_close(&server->peers[0]);
    stand_run_until(&stand, &stand.nclosed, 1);
    ck_assert_int_eq(stand.nended, n + 3);
    ck_assert_int_eq(stand.probe.timers, 0);
    fini_units();
}
END_TEST

START_TEST(a_pipelines_mark_that_cannot_be_lowered_hides_nothing_and_spoils_the_connection)
{
    raise_mark();
    fault_arm(&stand.fault, FAULT_SET_OPTION, 1, FAULT_STICKY, (struct fault_kind){.name = "EINVAL", .error = 22});
    for (int i = 0; i < 5; i++) {
        int n = stand.nended + 1;
        say(put_answer);
        stand_run_until(&stand, &stand.nended, n);
    }
    ck_assert_int_gt(mark(), 1);
    ck_assert(stand.conn->spoiled);
    fault_disarm(&stand.fault);
    end_all();
}
END_TEST

START_TEST(bursts_and_short_pipelines_leave_it_alone)
{
    pipeline(REDWI_LOWAT_UNITS - 1);
    one_by_one(REDWI_LOWAT_FEW * 4);
    ck_assert_uint_eq(options_set(), 0);
    for (int i = 0; i < 30; i++)
        start_one();
    for (int i = 0; i < 50; i++) {
        int n = stand.nended + 10;
        answers(10);
        stand_run_until(&stand, &stand.nended, n);
        for (int k = 0; k < 10; k++)
            start_one();
    }
    ck_assert_uint_eq(options_set(), 0);
    end_all();
}
END_TEST

START_TEST(unix_sockets_leave_it_alone)
{
    char dir[] = "/tmp/redw-lowat-XXXXXX", path[120];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    server = stand_listen_unix(&stand, &stand_trusting, dir);
    start();
    ck_assert_uint_gt(stand_flood(server, &job, 1000, (size_t)2 << 20), 0);
    fill(WINDOW);
    one_by_one(REDWI_LOWAT_FEW * 4);
    ck_assert_uint_eq(options_set(), 0);
    fini_units();
    snprintf(path, sizeof path, "%s/.s.PGSQL.%u", dir, server->port);
    unlink(path);
    rmdir(dir);
}
END_TEST

START_TEST(tls_leaves_it_alone)
{
    struct cert *ca = cert_make(&(struct cert_spec){.ca = true, .cn = "lowat"});
    struct cert *leaf = cert_make(&(struct cert_spec){.issuer = ca});
    struct peer_config config = stand_trusting;
    config.tls = true;
    cert_write(cert_path("lowat-ca.crt"), NULL, ca, NULL);
    server = stand_listen(&stand, &config, &(struct tls_peer_config){.cert = leaf});
    stand_target(&stand, "localhost", server->port);
    stand_add_address(&stand, "127.0.0.1", server->port);
    stand_use_tls(&stand, REDWI_TLS_REQUIRE, NULL);
    start();
    ck_assert_uint_gt(stand_flood(server, &job, 1000, (size_t)2 << 20), 0);
    fill(WINDOW);
    one_by_one(REDWI_LOWAT_FEW * 4);
    ck_assert_uint_eq(options_set(), 0);
    fini_units();
    cert_free(leaf);
    cert_free(ca);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("low-water mark");
    TCase *t = tcase_create("lowat");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, some_reads_in_a_row_raise_the_mark_and_a_look_lowers_it);
    tcase_add_test(t, reads_that_are_large_keep_it_up_until_the_result_ends);
    tcase_add_test(t, a_tail_shorter_than_the_mark_comes_within_a_look);
    tcase_add_test(t, the_end_of_the_stream_is_seen_behind_the_mark);
    tcase_add_test(t, a_server_that_trickles_loses_nothing);
    tcase_add_test(t, a_pause_needs_no_look_and_a_resume_gets_one);
    tcase_add_test(t, giving_up_lowers_it);
    tcase_add_test(t, a_system_that_refuses_it_is_asked_once);
    tcase_add_test(t, a_mark_that_cannot_be_lowered_hides_nothing_and_spoils_the_connection);
    tcase_add_test(t, short_results_and_other_jobs_leave_it_alone);
    tcase_add_test(t, answers_that_trickle_raise_the_mark_of_a_pipeline);
    tcase_add_test(t, fewer_answers_than_the_mark_come_within_a_look);
    tcase_add_test(t, a_server_that_falls_silent_lowers_it);
    tcase_add_test(t, half_an_answer_is_read_within_a_look_and_the_rest_at_once);
    tcase_add_test(t, submitting_again_and_again_does_not_put_the_look_off);
    tcase_add_test(t, failures_in_the_middle_end_their_own_jobs);
    tcase_add_test(t, a_job_given_up_lowers_it_at_once);
    tcase_add_test(t, while_something_is_to_be_stopped_it_stays_down);
    tcase_add_test(t, the_end_of_the_stream_is_seen_behind_a_pipelines_mark);
    tcase_add_test(t, a_pipelines_mark_that_cannot_be_lowered_hides_nothing_and_spoils_the_connection);
    tcase_add_test(t, bursts_and_short_pipelines_leave_it_alone);
    tcase_add_test(t, unix_sockets_leave_it_alone);
    tcase_add_test(t, tls_leaves_it_alone);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
