/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The n-th failure in the blocking helpers: a session of redw_sync {insert, stream, error, insert} on an open
 * connection, in which every allocation fails once and for ever, and every recv and send in every way. Each call
 * returns, says what happened, and the table agrees (support/told.h); the same redw_sync goes on; nothing is left.
 *
 * redw_sync makes its client itself, so the system calls are this program's: it defines recv and send.
 */
#include "support/leak.h"
#include "support/pg.h"
#include "support/sweep.h"
#include "support/told.h"

#include <check.h>
#include <redw/sync.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct fault fault;
static bool watched; /* this program's recv and send are counted and may fail */
static redw_sync *db;
static const char *uri;

#define SWEEP_FAULT (&fault)

/* --- the system -------------------------------------------------------------------------------------------- */

ssize_t recv(int fd, void *p, size_t n, int flags)
{
    if (!watched)
        return syscall(SYS_recvfrom, fd, p, n, flags, NULL, NULL);
    watched = false; /* the call inside is the real one */
    ssize_t got = fault.sys.recv(fault.sys.ctx, fd, p, n);
    watched = true;
    return got;
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
    if (!watched)
        return syscall(SYS_sendto, fd, p, n, flags, NULL, 0);
    watched = false;
    ssize_t sent = fault.sys.send(fault.sys.ctx, fd, p, n);
    watched = true;
    return sent;
}

/* --- one session ------------------------------------------------------------------------------------------- */

#define CALLS 4
static struct told calls[CALLS];
static unsigned ncalls;
static char expected[CALLS + 1];

/* What a call returned, as if it had been a callback. */
static void note(struct told *t, int rc, const struct redw_diag *why)
{
    const redw_error *e = redw_sync_error(db);
    t->id = rc != 0 && e == NULL ? rc : 1;
    MUST(t->id == 1 || rc == REDW_ENOMEM);
    told_answer(t, e);
    MUST(rc == 0 || (why->code == rc && why->text[0] != '\0' && !strstr(why->text, pg_server()->password)));
    told_keep(t);
}

static struct told *call(int64_t rows)
{
    struct told *t = &calls[ncalls++];
    *t = (struct told){.token = told_token(), .rows = rows};
    return t;
}

static void query(const char *sql)
{
    struct told *t = call(1);
    redw_result *res;
    struct redw_diag why;
    int rc = redw_sync_query(db, REDW_QUERY(sql, redw_p_int64(t->token)), &res, &why);
    MUST((rc == 0) == (res != NULL));
    note(t, rc, &why);
    redw_result_release(res);
}

static enum redw_flow on_rows(redw_rows *rows, void *ctx)
{
    int64_t *next = ctx, n;
    redw_row row;
    while (redw_rows_next(rows, &row)) {
        MUST(redw_row_int64(&row, 0, &n) == REDW_OK && n == *next);
        if (++*next % 30 == 0)
            return REDW_PAUSE;
    }
    return REDW_MORE;
}

static void stream(void)
{
    static const struct redw_stream_handler h = {.size = sizeof h, .on_rows = on_rows};
    struct told *t = call(1);
    struct redw_diag why;
    int64_t next = 0;
    int rc = redw_sync_stream(db,
                              REDW_REQUEST(.sql = "select case when g = 5 then tell($1, g) else g end from "
                                                  "generate_series(0::int8, 99) g",
                                           .way = REDW_WAY_PORTAL, .fetch_rows = 40,
                                           REDW_PARAMS(redw_p_int64(t->token))),
                              &h, &next, &why);
    MUST(rc != 0 || next == 100);
    note(t, rc, &why);
}

static void check_table(int64_t from)
{
    redw_result *res;
    struct redw_diag why;
    if (redw_sync_query(db, REDW_QUERY(TOLD_QUERY, redw_p_int64(from), redw_p_int64(told_next())), &res, &why) != 0)
        BROKEN("it does not go on:", why.text);
    const char *wrong = told_compare(res, from);
    if (wrong)
        BROKEN("told otherwise:", wrong);
    redw_result_release(res);
}

static bool run_point(const struct sweep_point *p)
{
    struct leak leak;
    struct redw_diag why;
    char letters[CALLS + 1] = "";
    int64_t from = told_next();
    leak_begin(&leak);
    fault_init(&fault);
    fault.canary = pg_server()->password;
    ck_assert_msg(redw_sync_open(&db,
                                 REDW_OPTIONS(.uri = uri, .password = pg_server()->password, .allocator = &fault.mem,
                                              .application_name = told_application(), .request_timeout_ms = 15000),
                                 &why) == 0, "%s", why.text);
    ncalls = 0;
    fault_arm(&fault, p->c, p->n, p->mode, p->kind);
    watched = true;
    query("insert into told values ($1::int8)");
    stream();
    query("insert into told select $1::int8 / 0");
    query("insert into told values ($1::int8) returning token");
    watched = false;
    for (unsigned i = 0; i < ncalls; i++)
        letters[i] = told_letter(&calls[i]);
    if (!expected[0])
        snprintf(expected, sizeof expected, "%s", letters);
    if (p->harmless && strcmp(expected, letters) != 0)
        BROKEN("it shows:", letters);
    bool fired = fault_fired(&fault);
    fault_disarm(&fault);
    check_table(from);
    redw_sync_close(db);
    MUST(leak_check(&leak, NULL, &fault, NULL, stderr) && fault.canary_hits == 0);
    fault_fini(&fault);
    return fired;
}

static struct sweep begin(const char *name, const char *to)
{
    struct sweep s = {.name = name, .run = run_point, .turns = 4};
    uri = to;
    told_begin();
    sweep_none(&s);
    ck_assert_str_eq(expected, "ssns");
    return s;
}

START_TEST(every_allocation_may_fail)
{
    struct sweep s = begin("sync, TCP", pg_server()->plainuri);
    sweep_allocations(&s);
    told_check_all();
}
END_TEST

START_TEST(every_recv_and_send_may_fail_in_every_way)
{
    struct sweep s = begin(_i ? "sync, TLS" : "sync, TCP", _i ? pg_server()->uri : pg_server()->plainuri);
    sweep_calls(&s, FAULT_RECV);
    told_check_all();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("faults of the blocking helpers");
    TCase *t = tcase_create("faults of the blocking helpers");
    pg_server();
    told_tables();
    tcase_add_test(t, every_allocation_may_fail);
    tcase_add_loop_test(t, every_recv_and_send_may_fail_in_every_way, 0, 2);
    tcase_set_timeout(t, 240);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
