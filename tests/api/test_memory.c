/* SPDX-License-Identifier: Apache-2.0 */
/*
 * F06, U6, X6: the memory of a process that streams does not depend on how much it streams, nor on how slow it is. Each
 * way, without TLS, with it, and through PgBouncer: rows come ten times as fast as they are consumed; every row
 * comes once and in order; and RssAnon, looked at in every batch, stays within the bound above what it was
 * after connecting and one small query of the same shape.
 *
 * 30,000 rows as a part of `make test`; `make memory` streams 10,000,000 (REDW_MEMORY_ROWS). Each run is a process of its
 * own. Under a sanitizer only the rows are checked.
 */
#include "support/pg.h"

#include <check.h>
#include <ev.h>
#include <redw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOWER      10
#define BOUND_PLAIN 1024 /* KiB */
#define BOUND_TLS   1536

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

struct consumer {
    struct ev_loop *loop;
    redw_client *client;
    redw_id id;
    ev_timer timer;
    double s_per_row; /* how long a row takes; 0: no time */
    int64_t next;
    uint64_t sum;
    long peak_kb;
    unsigned done, pauses;
    int code;
    enum redw_way way;
    char message[300];
};

static int64_t row_goal(void)
{
    const char *text = getenv("REDW_MEMORY_ROWS");
    return text ? strtoll(text, NULL, 10) : 30000;
}

static long rss_anon_kb(void)
{
    char line[200];
    long kb = -1;
    FILE *f = fopen("/proc/self/status", "re");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f))
        (void)sscanf(line, "RssAnon: %ld kB", &kb);
    fclose(f);
    ck_assert_int_gt(kb, 0);
    return kb;
}

static void on_time(struct ev_loop *loop, ev_timer *w, int events)
{
    struct consumer *c = w->data;
    (void)loop, (void)events;
    ck_assert_int_eq(redw_resume(c->client, c->id), 0);
}

static enum redw_flow on_rows(redw_rows *rows, void *ctx)
{
    struct consumer *c = ctx;
    int64_t from = c->next, n;
    redw_row row;
    while (redw_rows_next(rows, &row)) {
        ck_assert_int_eq(redw_row_int64(&row, 0, &n), REDW_OK);
        ck_assert_int_eq(n, c->next);
        c->next++;
        c->sum += (uint64_t)n * (uint64_t)row.cells[1].len;
    }
    long kb = rss_anon_kb();
    if (kb > c->peak_kb)
        c->peak_kb = kb;
    if (c->s_per_row == 0)
        return REDW_MORE;
    c->pauses++;
    ev_timer_set(&c->timer, (double)(c->next - from) * c->s_per_row, 0.);
    ev_timer_start(c->loop, &c->timer);
    return REDW_PAUSE;
}

static void on_done(const redw_result *res, void *ctx)
{
    struct consumer *c = ctx;
    const redw_error *e = redw_result_error(res);
    c->done++;
    c->code = redw_error_code(e);
    c->way = redw_result_way(res);
    if (e)
        snprintf(c->message, sizeof c->message, "%s", redw_error_message(e));
    ck_assert_uint_eq(redw_result_row_count(res), (uint64_t)c->next);
}

static const struct redw_stream_handler handler = {.size = sizeof handler, .on_rows = on_rows, .on_done = on_done};

/* Narrower when there are very many: the bound does not care, the time it takes does. */
static unsigned width(void)
{
    return row_goal() < 1000000 ? 150 : 20;
}

/* Streams so many rows; the seconds it took. */
static double stream(struct consumer *c, enum redw_way way, int64_t rows)
{
    char sql[200];
    snprintf(sql, sizeof sql, "select g, repeat('m', %u) from (select generate_series(0::int8, %lld - 1) g) s",
             width(), (long long)rows);
    c->next = 0;
    c->sum = 0;
    c->done = c->pauses = 0;
    ev_now_update(c->loop);
    ev_tstamp from = ev_time();
    c->id = redw_stream(c->client, REDW_REQUEST(.sql = sql, .way = way, .timeout_ms = REDW_NONE), &handler, c);
    ck_assert_msg(c->id > 0, "%s", redw_client_why(c->client));
    while (!c->done)
        ev_run(c->loop, EVRUN_ONCE);
    ck_assert_msg(c->code == REDW_OK, "%s", c->message);
    ck_assert_int_eq(c->next, rows);
    ck_assert_uint_eq(c->sum, (uint64_t)rows * (uint64_t)(rows - 1) / 2 * width());
    ck_assert_int_eq(c->way, way);
    return ev_time() - from;
}

static void run(const char *what, const char *uri, enum redw_way way, long bound_kb)
{
    static const char *const names[] = {"", "rows", "cursor", "portal"};
    struct consumer c = {.loop = ev_loop_new(EVFLAG_AUTO)};
    struct redw_diag why;
    int64_t rows = row_goal(), sample = 20000;
    ck_assert_msg(redw_client_create(&c.client, c.loop,
                                     REDW_OPTIONS(.uri = uri, .password = pg_server()->password, .pool_max = 1),
                                     &why) == 0,
                  "%s", why.text);
    ev_timer_init(&c.timer, on_time, 0., 0.);
    c.timer.data = &c;
    stream(&c, way, 1);
    long base_kb = c.peak_kb = rss_anon_kb();
    c.s_per_row = stream(&c, REDW_WAY_ROWS, sample) / (double)sample * SLOWER;
    double took = stream(&c, way, rows);
    ck_assert_uint_gt(c.pauses, 0);
    printf("%s, %s: %lld rows of %u bytes in %.1f s, %u pauses, RssAnon %ld KiB + %ld\n", what, names[way],
           (long long)rows, width() + 8, took, c.pauses, base_kb, c.peak_kb - base_kb);
    fflush(stdout);
    if (!SANITIZED)
        ck_assert_int_le(c.peak_kb - base_kb, bound_kb);
    redw_client_destroy(c.client);
    ev_loop_destroy(c.loop);
}

START_TEST(F06_the_memory_of_a_stream_is_bounded_whatever_it_streams_without_tls)
{
    run("plain", pg_server()->plainuri, (enum redw_way)_i, BOUND_PLAIN);
}
END_TEST

START_TEST(F06_the_memory_of_a_stream_is_bounded_whatever_it_streams_with_tls)
{
    run("TLS", pg_server()->uri, (enum redw_way)_i, BOUND_TLS);
}
END_TEST

START_TEST(F06_the_memory_of_a_stream_is_bounded_whatever_it_streams_through_a_pooler)
{
    if (pg_server()->bouncerplainuri[0])
        run("PgBouncer", pg_server()->bouncerplainuri, (enum redw_way)_i, BOUND_PLAIN);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("memory of streams");
    TCase *t = tcase_create("memory");
    tcase_set_timeout(t, getenv("REDW_MEMORY_ROWS") ? 3600 : 120);
    tcase_add_loop_test(t, F06_the_memory_of_a_stream_is_bounded_whatever_it_streams_without_tls, REDW_WAY_ROWS,
                        REDW_WAY_PORTAL + 1);
    tcase_add_loop_test(t, F06_the_memory_of_a_stream_is_bounded_whatever_it_streams_with_tls, REDW_WAY_ROWS,
                        REDW_WAY_PORTAL + 1);
    tcase_add_loop_test(t, F06_the_memory_of_a_stream_is_bounded_whatever_it_streams_through_a_pooler, REDW_WAY_ROWS,
                        REDW_WAY_PORTAL + 1);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
