/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eight loops on eight threads, each with clients of its own, doing all kinds of work at once: requests, statements,
 * batches, streams in each way, cancels, clients that come and go. What one thread keeps another releases. Nothing is
 * shared but what the library itself shares; runs under TSan too.
 */
#include "support/pg.h"

#include <check.h>
#include <ev.h>
#include <pthread.h>
#include <redw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOPS  8
#define ROUNDS 6
#define ROWS   500

struct lane {
    pthread_t thread;
    int number, round;
    struct ev_loop *loop;
    redw_client *db;
    redw_stmt *stmt;
    unsigned pending;
    int64_t rows;
    redw_id slow;
};

/* What was kept, for whoever comes next. */
static _Atomic(redw_result *) handed_over;
static atomic_uint answers, streamed, batches, cancelled, wrong;

#define MUST(cond)                                                                  \
    do {                                                                            \
        if (!(cond)) {                                                              \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond);      \
            atomic_fetch_add(&wrong, 1);                                            \
        }                                                                           \
    } while (0)

static void one_done(struct lane *l)
{
    if (--l->pending == 0)
        ev_break(l->loop, EVBREAK_ALL);
}

static void on_number(const redw_result *res, void *ctx)
{
    struct lane *l = ctx;
    redw_row row;
    int64_t n = 0;
    MUST(!redw_result_error(res));
    MUST(redw_result_first(res, &row) && redw_row_int64(&row, 0, &n) == REDW_OK && n == l->number);
    redw_result_release(atomic_exchange(&handed_over, redw_result_keep(res))); /* another thread's, perhaps */
    atomic_fetch_add(&answers, 1);
    one_done(l);
}

static enum redw_flow on_rows(redw_rows *rows, void *ctx)
{
    struct lane *l = ctx;
    redw_row row;
    int64_t n;
    while (redw_rows_next(rows, &row)) {
        MUST(redw_row_int64(&row, 0, &n) == REDW_OK);
        l->rows += n;
    }
    return REDW_MORE;
}

static void on_streamed(const redw_result *res, void *ctx)
{
    MUST(!redw_result_error(res));
    atomic_fetch_add(&streamed, 1);
    one_done(ctx);
}

static void on_batch(const redw_report *rep, void *ctx)
{
    MUST(!redw_report_error(rep));
    atomic_fetch_add(&batches, 1);
    one_done(ctx);
}

static void on_slow(const redw_result *res, void *ctx)
{
    MUST(redw_error_class(redw_result_error(res)) == REDW_CLASS_QUERY_CANCELLED);
    atomic_fetch_add(&cancelled, 1);
    one_done(ctx);
}

static void on_cancel_time(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct lane *l = w->data;
    (void)loop, (void)revents;
    redw_cancel(l->db, l->slow);
}

static void submit_all(struct lane *l)
{
    static const struct redw_stream_handler h = {.size = sizeof h, .on_rows = on_rows, .on_done = on_streamed};
    static const enum redw_way ways[] = {REDW_WAY_ROWS, REDW_WAY_CURSOR, REDW_WAY_PORTAL};
    redw_param sets[20];
    for (size_t i = 0; i < 20; i++)
        sets[i] = redw_p_int64((int64_t)i);
    for (int i = 0; i < 3; i++, l->pending += 3) {
        MUST(redw_submit(l->db, REDW_QUERY("select $1::int8", redw_p_int64(l->number)), on_number, l) > 0);
        MUST(redw_submit(l->db, REDW_EXEC(l->stmt, redw_p_int64(l->number)), on_number, l) > 0);
        MUST(redw_stream(l->db,
                         REDW_REQUEST(.sql = "select g::int8 from generate_series(1, 500) g", .way = ways[i],
                                      .fetch_rows = 100),
                         &h, l) > 0);
    }
    MUST(redw_batch_execute(l->db, REDW_BATCH(.sql = "select $1::int8", .params = sets, .nsets = 20, .nparams = 1),
                            on_batch, l) > 0);
    l->slow = redw_submit(l->db, REDW_QUERY("select pg_sleep(60)"), on_slow, l);
    MUST(l->slow > 0);
    l->pending += 2;
}

static void *run(void *arg)
{
    struct lane *l = arg;
    struct redw_diag why;
    ev_timer cancel;
    l->loop = ev_loop_new(EVFLAG_AUTO);
    for (l->round = 0; l->round < ROUNDS; l->round++) {
        const char *uri = l->round % 2 ? pg_uri() : pg_server()->unixuri;
        int rc = redw_client_create(&l->db, l->loop,
                                    REDW_OPTIONS(.uri = uri, .password = l->round % 2 ? NULL : pg_server()->password,
                                                 .pool_max = 3, .pipeline_max = l->round % 3 == 2 ? 4 : 1,
                                                 .memory_max_bytes = (uint64_t)(l->round == 4) << 26),
                                    &why);
        MUST(rc == 0);
        if (rc)
            break;
        MUST(redw_stmt_create(&l->stmt, l->db, "select $1::int8", &why) == 0);
        l->rows = 0;
        submit_all(l);
        ev_timer_init(&cancel, on_cancel_time, 0.05, 0.);
        cancel.data = l;
        ev_timer_start(l->loop, &cancel);
        ev_run(l->loop, 0);
        ev_timer_stop(l->loop, &cancel);
        MUST(l->rows == 3 * (int64_t)ROWS * (ROWS + 1) / 2);
        if (l->number % 2)
            redw_stmt_release(l->stmt);
        redw_client_destroy(l->db);
        if (l->number % 2 == 0)
            redw_stmt_release(l->stmt);
    }
    ev_loop_destroy(l->loop);
    return NULL;
}

START_TEST(O01_eight_loops_do_everything_at_once)
{
    static struct lane lanes[LOOPS];
    for (int i = 0; i < LOOPS; i++) {
        lanes[i].number = i;
        ck_assert_int_eq(pthread_create(&lanes[i].thread, NULL, run, &lanes[i]), 0);
    }
    for (int i = 0; i < LOOPS; i++)
        pthread_join(lanes[i].thread, NULL);
    redw_result_release(atomic_exchange(&handed_over, NULL));
    ck_assert_uint_eq(atomic_load(&wrong), 0);
    ck_assert_uint_eq(atomic_load(&answers), LOOPS * ROUNDS * 6);
    ck_assert_uint_eq(atomic_load(&streamed), LOOPS * ROUNDS * 3);
    ck_assert_uint_eq(atomic_load(&batches), LOOPS * ROUNDS);
    ck_assert_uint_eq(atomic_load(&cancelled), LOOPS * ROUNDS);
}
END_TEST

int main(void)
{
    pg_server(); /* before the runner forks */
    Suite *s = suite_create("loops");
    TCase *t = tcase_create("loops");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, O01_eight_loops_do_everything_at_once);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
