/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examples/shutdown.c inside a host: SIGTERM with 500 requests in flight, each of them answered before the
 * program leaves. (API program 5.)
 */
#include "support/pg.h"
#include <check.h>
#include <ev.h>
#include <stdio.h>
#include <redw.h>

/* The client the example makes, so that the host can use it. */
static redw_client **made;
static int create_and_tell(redw_client **out, struct ev_loop *loop, const struct redw_options *o, struct redw_diag *why)
{
    made = out;
    return redw_client_create(out, loop, o, why);
}

struct server;
int shutdown_main(void);
void handler_begins(struct server *s);
void handler_ends(struct server *s);
#define main shutdown_main
#define redw_client_create create_and_tell
#include "../../examples/shutdown.c"
#undef main
#undef redw_client_create

enum { REQUESTS = 500 };

static struct {
    unsigned answered, succeeded, refused;
    bool stopped_listening;
} seen;

static struct server *the_server(void)
{
    return (struct server *)(void *)((char *)made - offsetof(struct server, db));
}

void stop_listening(struct server *s)
{
    ck_assert_ptr_eq(s, the_server());
    seen.stopped_listening = true;
}

static void on_second(const redw_result *res, void *ctx)
{
    (void)ctx;
    seen.answered++;
    seen.succeeded += redw_result_error(res) == NULL;
    handler_ends(the_server());
}

/* A handler needs two queries: the second is submitted while the program is already stopping. */
static void on_first(const redw_result *res, void *ctx)
{
    (void)ctx;
    ck_assert_msg(!redw_result_error(res), "%s", redw_error_message(redw_result_error(res)));
    if (redw_submit(the_server()->db, REDW_QUERY("select pg_sleep(0.001)"), on_second, NULL) < 0) {
        seen.refused++;
        handler_ends(the_server());
    }
}

static void on_start(struct ev_loop *loop, ev_timer *w, int revents)
{
    (void)loop, (void)w, (void)revents;
    for (int i = 0; i < REQUESTS; i++) {
        handler_begins(the_server());
        ck_assert_int_gt(redw_submit(the_server()->db, REDW_QUERY("select 1"), on_first, NULL), 0);
    }
    raise(SIGTERM);
}

START_TEST(five_hundred_handlers_finish_before_the_program_leaves)
{
    ev_timer start;

    setenv("REDSHIFT_URI", pg_uri(), 1);
    ev_timer_init(&start, on_start, 0., 0.);
    ev_timer_start(ev_default_loop(0), &start);
    ck_assert_int_eq(shutdown_main(), 0);
    ck_assert(seen.stopped_listening);
    ck_assert_uint_eq(seen.answered, REQUESTS);
    ck_assert_uint_eq(seen.succeeded, REQUESTS);
    ck_assert_uint_eq(seen.refused, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("examples: shutdown");
    TCase *t = tcase_create("shutdown");
    SRunner *r;
    int failed;

    pg_server(); /* before the runner forks */
    tcase_add_test(t, five_hundred_handlers_finish_before_the_program_leaves);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
