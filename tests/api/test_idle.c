/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connection at rest holds: little, whatever it did before. Counted by the allocator, as the difference of two
 * numbers of connections, so that what all of them share is not in it. (What the system gives: make bench.)
 */
#include "support/lab.h"
#include "support/pg.h"

#include <check.h>
#include <stdlib.h>

#define MANY      60
#define FEW       20
#define BYTES_MAX 8192 /* of each */

static struct lab r;
static struct {
    redw_id ids[MANY];
    unsigned conns, columns, rows, done;
} s;

static enum redw_flow on_columns(const redw_result *head, void *ctx)
{
    (void)head, (void)ctx;
    s.columns++;
    return REDW_PAUSE; /* the next one finds no idle connection */
}

static enum redw_flow on_rows(redw_rows *rows, void *ctx)
{
    redw_row row;
    (void)ctx;
    while (redw_rows_next(rows, &row))
        s.rows++;
    return REDW_MORE;
}

static void on_done(const redw_result *res, void *ctx)
{
    (void)ctx;
    ck_assert_ptr_null(redw_result_error(res));
    s.done++;
}

static const struct redw_stream_handler handler = {
    .size = sizeof handler, .on_columns = on_columns, .on_rows = on_rows, .on_done = on_done};

/* One request on each of so many connections at once. */
static void on_each(const char *sql, unsigned rows)
{
    s.columns = s.rows = s.done = 0;
    for (unsigned i = 0; i < s.conns; i++) {
        s.ids[i] = redw_stream(r.client, REDW_QUERY(sql), &handler, NULL);
        ck_assert_int_gt(s.ids[i], 0);
        ck_assert(lab_wait(&r, &s.columns, i + 1));
    }
    for (unsigned i = 0; i < s.conns; i++)
        ck_assert_int_eq(redw_resume(r.client, s.ids[i]), 0);
    ck_assert(lab_wait(&r, &s.done, s.conns));
    ck_assert_uint_eq(s.rows, s.conns * rows);
    ck_assert_uint_eq(r.client->counts[REDWI_AT_IDLE], s.conns);
}

/* Of which they share a few. */
static size_t shared(const struct redwi_resting *spares)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < spares->count; i++)
        bytes += spares->of[i]->cap;
    ck_assert_uint_le(bytes, 4 * 82 * 1024);
    return bytes;
}

/* Bytes that are held when they rest. */
static uint64_t held(const char *uri, unsigned conns, const char *sql, unsigned rows)
{
    struct redw_diag why;
    s.conns = conns;
    lab_open(&r);
    ck_assert_msg(lab_client(&r, REDW_OPTIONS(.uri = uri, .password = pg_server()->password, .pool_max = conns),
                             &why) == 0, "%s", why.text);
    on_each("select 1", 1);
    if (sql)
        on_each(sql, rows);
    uint64_t bytes = r.fault.live_bytes - shared(&r.client->buffers.in) - shared(&r.client->buffers.out);
    ck_assert(lab_close(&r));
    return bytes;
}

static void must_be_little(const char *what, const char *uri, const char *sql, unsigned rows)
{
    uint64_t few = held(uri, FEW, sql, rows), many = held(uri, MANY, sql, rows);
    uint64_t each = many > few ? (many - few) / (MANY - FEW) : 0;
    printf("idle: %s: %llu bytes each\n", what, (unsigned long long)each);
    ck_assert_uint_gt(each, 1000); /* it is counted at all */
    ck_assert_uint_le(each, BYTES_MAX);
}

START_TEST(a_connection_at_rest_holds_little)
{
    must_be_little("after a query", pg_uri(), NULL, 0);
}
END_TEST

START_TEST(a_connection_at_rest_holds_little_after_many_rows)
{
    must_be_little("after 10,000 rows", pg_uri(), "select generate_series(1, 10000), 'some text'", 10000);
}
END_TEST

START_TEST(a_connection_at_rest_holds_little_after_large_rows)
{
    must_be_little("after rows of 200 KB", pg_uri(),
                   "select repeat('x', 200000) from (select generate_series(1, 3)) g", 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("idle");
    TCase *c = tcase_create("idle");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, a_connection_at_rest_holds_little);
    tcase_add_test(c, a_connection_at_rest_holds_little_after_many_rows);
    tcase_add_test(c, a_connection_at_rest_holds_little_after_large_rows);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
