/* SPDX-License-Identifier: Apache-2.0 */
/*
 * O03: examples/threads.c: four loops, four threads, a client each; results handed to another thread and
 * released there. (API program 7.) Runs under TSan too.
 */
#include "support/pg.h"
#include <check.h>
#include <redw.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

struct worker;
struct task;
int threads_main(void);
void worker_give(struct worker *w, struct task *t);
int worker_start(struct worker *w, struct redw_diag *why);
#define main threads_main
#include "../../examples/threads.c"
#undef main

enum { TASKS = 400 };

static atomic_uint answered, wrong;
static redw_result *kept[TASKS];

static void on_task(redw_result *result, void *ctx)
{
    size_t i = (size_t)(redw_result **)ctx - (size_t)kept;
    redw_row row;
    int64_t id;

    kept[i / sizeof *kept] = result; /* released by the main thread */
    if (!result || !redw_result_first(result, &row) || redw_row_int64(&row, 0, &id) != REDW_OK ||
        id != (int64_t)(i / sizeof *kept))
        atomic_fetch_add(&wrong, 1);
    atomic_fetch_add(&answered, 1);
}

/* Role plain has a schema of its own name, first in its search path: this program's `accounts` are not those of
 * the other tests that run at the same time. */
static const char *threads_uri(void)
{
    static char uri[1200];
    const char *rest = strstr(pg_uri(), "redw:");

    ck_assert_ptr_nonnull(rest);
    snprintf(uri, sizeof uri, "postgresql://plain:%s", rest + strlen("redw:"));
    return uri;
}

static void make_table(void)
{
    pg_sql("drop schema if exists plain cascade; create schema plain; "
           "create table plain.accounts as select generate_series(0, 399)::int8 as id; "
           "grant usage on schema plain to plain; grant select on plain.accounts to plain");
}

START_TEST(four_threads_answer_four_hundred_tasks)
{
    static struct worker w[4];
    struct redw_diag why = {0};

    make_table();
    setenv("REDSHIFT_URI", threads_uri(), 1);
    for (int i = 0; i < 4; i++)
        ck_assert_msg(worker_start(&w[i], &why) == 0, "%s", why.text);
    for (size_t i = 0; i < TASKS; i++) {
        struct task *t = calloc(1, sizeof *t);

        ck_assert_ptr_nonnull(t);
        t->account = (int64_t)i;
        t->done = on_task;
        t->ctx = &kept[i];
        worker_give(&w[i % 4], t);
    }
    while (atomic_load(&answered) < TASKS)
        sched_yield();
    for (int i = 0; i < 4; i++)
        worker_give(&w[i], NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(w[i].thread, NULL);
    ck_assert_uint_eq(atomic_load(&answered), TASKS);
    ck_assert_uint_eq(atomic_load(&wrong), 0);
    for (size_t i = 0; i < TASKS; i++)
        redw_result_release(kept[i]);
}
END_TEST

START_TEST(the_example_itself_starts_and_stops)
{
    setenv("REDSHIFT_URI", pg_uri(), 1);
    ck_assert_int_eq(threads_main(), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("threads");
    TCase *t = tcase_create("threads");
    SRunner *r;
    int failed;

    pg_server(); /* before the runner forks */
    tcase_add_test(t, four_threads_answer_four_hundred_tasks);
    tcase_add_test(t, the_example_itself_starts_and_stops);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
