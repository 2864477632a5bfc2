/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The blocking helpers against a real server: results, errors, streams with all their answers, bounded waits,
 * connections that die between two calls, and what a handler may not do.
 */
#include "support/pg.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <redw.h>
#include <redw/sync.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static redw_sync *db;
static struct redw_diag why;

static void open_db(void)
{
    int rc = redw_sync_open(&db, REDW_OPTIONS(.uri = pg_uri(), .cancel_timeout_ms = 2000), &why);
    ck_assert_msg(rc == 0, "%s", why.text);
    ck_assert_ptr_null(redw_sync_error(db));
}

static void close_db(void)
{
    redw_sync_close(db);
    db = NULL;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The one number of a statement that must succeed. */
static int64_t number(redw_sync *of, const char *sql)
{
    redw_result *res;
    redw_row row;
    int64_t n = -1;
    int rc = redw_sync_query(of, REDW_REQUEST(.sql = sql), &res, &why);
    ck_assert_msg(rc == 0, "%s: %s", sql, why.text);
    ck_assert(redw_result_first(res, &row) && redw_row_int64(&row, 0, &n) == REDW_OK);
    redw_result_release(res);
    return n;
}

START_TEST(a_result_is_the_callers_and_outlives_the_connection)
{
    redw_result *res;
    redw_row row;
    redw_slice text;
    open_db();
    int rc = redw_sync_query(db, REDW_QUERY("select $1::text || '!'", redw_p_text("blocking")), &res, &why);
    ck_assert_int_eq(rc, 0);
    ck_assert_int_eq(why.code, 0);
    close_db();
    ck_assert(redw_result_first(res, &row) && redw_row_text(&row, 0, &text) == REDW_OK);
    ck_assert_str_eq(text.ptr, "blocking!");
    redw_result_release(res);
}
END_TEST

START_TEST(an_error_is_told_in_a_line_and_in_full_and_the_connection_goes_on)
{
    redw_result *res = (redw_result *)(void *)&why;
    open_db();
    int64_t pid = number(db, "select pg_backend_pid()");
    ck_assert_int_eq(redw_sync_query(db, REDW_QUERY("select nothing from nowhere"), &res, &why),
                     REDW_ESERVER);
    ck_assert_ptr_null(res);
    ck_assert_int_eq(why.code, REDW_ESERVER);
    ck_assert_ptr_nonnull(strstr(why.text, "nowhere"));
    ck_assert_str_eq(redw_error_sqlstate(redw_sync_error(db)), "42P01");
    ck_assert_int_eq(redw_error_outcome(redw_sync_error(db)), REDW_OUTCOME_NOT_EXECUTED);
    ck_assert_int_eq(number(db, "select pg_backend_pid()"), pid);
    ck_assert_ptr_null(redw_sync_error(db));

    ck_assert_int_eq(redw_sync_query(db, REDW_REQUEST(.sql = NULL), &res, &why), REDW_EINVAL);
    ck_assert_ptr_null(res);
    ck_assert_ptr_null(redw_sync_error(db)); /* refused: nothing to be in error */
    ck_assert_uint_gt(strlen(why.text), 0);
    ck_assert_int_eq(redw_sync_query(db, REDW_QUERY("selec"), &res, NULL), REDW_ESERVER);
    ck_assert_int_eq(number(db, "select pg_backend_pid()"), pid);
    close_db();
}
END_TEST

static int refused(const char *uri, const char *password)
{
    db = (redw_sync *)(void *)&why;
    int rc =
        redw_sync_open(&db, REDW_OPTIONS(.uri = uri, .password = password, .connect_timeout_ms = 200), &why);
    ck_assert_ptr_null(db);
    ck_assert_int_eq(why.code, rc);
    ck_assert_uint_gt(strlen(why.text), 0);
    return rc;
}

START_TEST(open_says_why_it_failed_and_within_the_connect_timeout)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    char uri[128];

    ck_assert_int_eq(refused("nonsense", NULL), REDW_EINVAL);
    ck_assert_int_eq(refused(NULL, NULL), REDW_EINVAL);
    ck_assert_int_eq(refused(pg_uri(), "wrong"), REDW_EAUTH);
    ck_assert_int_eq(redw_sync_open(&db, NULL, &why), REDW_EINVAL);
    ck_assert_int_eq(redw_sync_open(&db, REDW_OPTIONS(.uri = "nonsense"), NULL), REDW_EINVAL);

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&addr, sizeof addr), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    snprintf(uri, sizeof uri, "postgresql://u@127.0.0.1:%d/d?sslmode=disable", ntohs(addr.sin_port));
    ck_assert_int_eq(refused(uri, "p"), REDW_ECONNECT); /* nobody listens */
    ck_assert_int_eq(listen(listener, 8), 0);
    int64_t start = now_ms();
    ck_assert_int_eq(refused(uri, "p"), REDW_ETIMEDOUT); /* nobody answers */
    ck_assert_int_ge(now_ms() - start, 199);
    ck_assert_int_lt(now_ms() - start, 2000);
    close(listener);
}
END_TEST

START_TEST(a_statement_ends_at_its_deadline_and_the_next_one_runs)
{
    redw_result *res;
    open_db();
    int64_t start = now_ms();
    int rc = redw_sync_query(db, REDW_REQUEST(.sql = "select pg_sleep(60)", .timeout_ms = 100), &res, &why);
    ck_assert_int_eq(rc, REDW_ETIMEDOUT);
    ck_assert_ptr_null(res);
    ck_assert_int_lt(now_ms() - start, 5000);
    ck_assert_int_eq(number(db, "select 7"), 7);
    close_db();
}
END_TEST

START_TEST(a_connection_the_server_closed_between_calls_is_replaced)
{
    redw_sync *other;
    char sql[100];
    open_db();
    ck_assert_int_eq(redw_sync_open(&other, REDW_OPTIONS(.uri = pg_uri()), &why), 0);
    int64_t pid = number(db, "select pg_backend_pid()");
    snprintf(sql, sizeof sql, "select pg_terminate_backend(%lld)::int", (long long)pid);
    ck_assert_int_eq(number(other, sql), 1);
    while (kill((pid_t)pid, 0) == 0 || errno != ESRCH) /* its socket is closed when the process is gone */
        sched_yield();
    int64_t now = number(db, "select pg_backend_pid()");
    ck_assert_int_ne(now, pid);
    redw_sync_close(other);
    close_db();
}
END_TEST

/* --- streams --- */

struct seen {
    int64_t rows, next, columns, done, done_code;
    int64_t pause_every, stop_at;
    bool nested, close_inside;
};

static enum redw_flow on_columns(const redw_result *head, void *ctx)
{
    struct seen *s = ctx;
    s->columns += (int64_t)redw_result_column_count(head);
    return s->pause_every ? REDW_PAUSE : REDW_MORE;
}

static void try_nested(void)
{
    redw_result *res;
    struct redw_diag text;
    struct redw_stream_handler h = {.size = sizeof h};
    ck_assert_int_eq(redw_sync_query(db, REDW_QUERY("select 1"), &res, &text), REDW_EINVAL);
    ck_assert_ptr_nonnull(strstr(text.text, "handler"));
    ck_assert_ptr_null(res);
    ck_assert_int_eq(redw_sync_stream(db, REDW_QUERY("select 1"), &h, NULL, &text), REDW_EINVAL);
}

static enum redw_flow on_rows(redw_rows *rows, void *ctx)
{
    struct seen *s = ctx;
    redw_row row;
    if (s->nested)
        try_nested();
    if (s->close_inside)
        redw_sync_close(db);
    s->nested = s->close_inside = false;
    while (redw_rows_next(rows, &row)) {
        int64_t n = -1;
        ck_assert_int_eq(redw_row_int64(&row, 0, &n), REDW_OK);
        ck_assert_int_eq(n, ++s->next); /* each row once, in order, also after a pause */
        s->rows++;
        if (s->rows == s->stop_at)
            return REDW_STOP;
        if (s->pause_every && s->rows % s->pause_every == 0)
            return REDW_PAUSE;
    }
    return REDW_MORE;
}

static void on_done(const redw_result *res, void *ctx)
{
    struct seen *s = ctx;
    s->done++;
    s->done_code = redw_error_code(redw_result_error(res));
}

static const struct redw_stream_handler whole = {
    .size = sizeof whole, .on_columns = on_columns, .on_rows = on_rows, .on_done = on_done};
static const struct redw_stream_handler bare = {.size = sizeof bare, .on_rows = on_rows};

#define SERIES(n) REDW_QUERY("select generate_series(1, $1)", redw_p_int32(n))

START_TEST(a_stream_hands_over_every_row_once_however_often_it_is_paused)
{
    struct seen plain = {0}, paused = {.pause_every = 77}, without = {0};
    open_db();
    ck_assert_int_eq(redw_sync_stream(db, SERIES(20000), &whole, &plain, &why), 0);
    ck_assert_int_eq(plain.rows, 20000);
    ck_assert_int_eq(plain.columns, 1);
    ck_assert_int_eq(plain.done, 1);
    ck_assert_int_eq(plain.done_code, 0);
    ck_assert_int_eq(redw_sync_stream(db, SERIES(20000), &whole, &paused, NULL), 0);
    ck_assert_int_eq(paused.rows, 20000);
    ck_assert_int_eq(paused.done, 1);
    ck_assert_int_eq(redw_sync_stream(db, SERIES(5), &bare, &without, &why), 0);
    ck_assert_int_eq(without.rows, 5);
    close_db();
}
END_TEST

START_TEST(a_stopped_stream_is_a_success_and_a_failed_one_is_not)
{
    struct seen stopped = {.stop_at = 10}, failed = {0};
    open_db();
    ck_assert_int_eq(redw_sync_stream(db, SERIES(10000000), &whole, &stopped, &why), 0);
    ck_assert_int_eq(stopped.rows, 10);
    ck_assert_int_eq(stopped.done, 1);
    ck_assert_int_eq(stopped.done_code, REDW_ECANCELLED);
    ck_assert_ptr_null(redw_sync_error(db));
    int rc = redw_sync_stream(db, REDW_QUERY("select i / (i - 5000) * 0 + i from generate_series(1, 9000) i"),
                              &whole, &failed, &why);
    ck_assert_int_eq(rc, REDW_ESERVER);
    ck_assert_str_eq(redw_error_sqlstate(redw_sync_error(db)), "22012");
    ck_assert_int_eq(failed.done, 1);
    ck_assert_int_eq(failed.done_code, REDW_ESERVER);
    ck_assert_int_eq(number(db, "select 8"), 8);
    close_db();
}
END_TEST

START_TEST(a_handler_may_not_call_back_in_but_may_close)
{
    struct seen nested = {.nested = true}, closing = {.close_inside = true};
    const struct redw_stream_handler wrong = {.size = sizeof wrong};
    open_db();
    ck_assert_int_eq(redw_sync_stream(db, SERIES(3), NULL, NULL, &why), REDW_EINVAL);
    ck_assert_int_eq(redw_sync_stream(db, SERIES(3), &wrong, NULL, &why), REDW_EINVAL);
    ck_assert_int_eq(redw_sync_stream(db, REDW_REQUEST(.sql = ""), &wrong, NULL, NULL), REDW_EINVAL);
    ck_assert_int_eq(redw_sync_stream(db, SERIES(3000), &whole, &nested, &why), 0);
    ck_assert_int_eq(nested.rows, 3000);
    ck_assert_int_eq(redw_sync_stream(db, SERIES(3000), &whole, &closing, &why), 0);
    ck_assert_int_eq(closing.rows, 3000); /* closed after this call, and freed: LeakSanitizer looks */
    redw_sync_close(NULL);
}
END_TEST

START_TEST(several_exist_side_by_side_and_take_their_settings_from_the_environment)
{
    redw_sync *two[2];
    setenv("REDSHIFT_URI", pg_uri(), 1);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(redw_sync_open(&two[i], REDW_OPTIONS(.from_environment = true), &why), 0);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(number(two[i % 2], "select 9"), 9);
    ck_assert_int_ne(number(two[0], "select pg_backend_pid()"), number(two[1], "select pg_backend_pid()"));
    redw_sync_close(two[0]);
    ck_assert_int_eq(number(two[1], "select 10"), 10);
    redw_sync_close(two[1]);
}
END_TEST

/* An allocator that fails the n-th time and, once failing, knows what is out. */
static long left, out;

static void *failing_resize(void *ctx, void *p, size_t n)
{
    (void)ctx;
    if (left-- == 0)
        return NULL;
    out += !p;
    return realloc(p, n);
}

static void *failing_alloc(void *ctx, size_t n)
{
    return failing_resize(ctx, NULL, n);
}

static void failing_release(void *ctx, void *p)
{
    (void)ctx;
    out -= p != NULL;
    free(p);
}

START_TEST(every_failed_allocation_ends_a_call_and_leaves_nothing_behind)
{
    static const struct redw_allocator failing = {sizeof failing, NULL, failing_alloc, failing_resize,
                                                  failing_release};
    unsigned opened = 0;

    for (long n = 0;; n++) {
        redw_result *res = NULL;
        left = n;
        int rc = redw_sync_open(&db,
                                REDW_OPTIONS(.uri = pg_server()->unixuri, .password = pg_server()->password,
                                             .allocator = &failing),
                                &why);
        if (rc == 0) {
            opened++;
            rc = redw_sync_query(db, REDW_QUERY("select $1::int", redw_p_int32(1)), &res, &why);
        }
        if (rc == 0) {
            struct seen s = {0};
            redw_result_release(res);
            rc = redw_sync_stream(db, SERIES(100), &whole, &s, &why);
            ck_assert(rc != 0 || s.rows == 100);
        }
        /* The n-th is taken exactly once: whoever it hits, the caller hears of it or does without. */
        ck_assert_msg(rc == 0 || (rc == REDW_ENOMEM && why.code == rc), "allocation %ld: %s", n, why.text);
        close_db();
        ck_assert_msg(out == 0, "allocation %ld: %ld are left", n, out);
        if (left >= 0)
            break; /* it was never reached */
        ck_assert_int_lt(n, 2000);
    }
    ck_assert_uint_ge(opened, 5);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sync");
    TCase *t = tcase_create("sync");
    SRunner *r;
    int failed;

    pg_server(); /* before the runner forks */
    tcase_add_test(t, a_result_is_the_callers_and_outlives_the_connection);
    tcase_add_test(t, an_error_is_told_in_a_line_and_in_full_and_the_connection_goes_on);
    tcase_add_test(t, open_says_why_it_failed_and_within_the_connect_timeout);
    tcase_add_test(t, a_statement_ends_at_its_deadline_and_the_next_one_runs);
    tcase_add_test(t, a_connection_the_server_closed_between_calls_is_replaced);
    tcase_add_test(t, a_stream_hands_over_every_row_once_however_often_it_is_paused);
    tcase_add_test(t, a_stopped_stream_is_a_success_and_a_failed_one_is_not);
    tcase_add_test(t, a_handler_may_not_call_back_in_but_may_close);
    tcase_add_test(t, several_exist_side_by_side_and_take_their_settings_from_the_environment);
    tcase_add_test(t, every_failed_allocation_ends_a_call_and_leaves_nothing_behind);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
