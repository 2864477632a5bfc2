/* SPDX-License-Identifier: Apache-2.0 */
/*
 * O06, U15: The fork rule, against a real server: in a child the client may only be destroyed. That closes
 * the child's descriptors, gives back its memory, calls nobody and sends no byte; the parent's requests and
 * connections go on as if nothing had been. Over TLS, plain TCP and a unix socket, with connections in every
 * state.
 */
#include "support/pg.h"

#include <check.h>
#include <ev.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <redw.h>
#include <redw/sync.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FDS_MAX = 256 };

/* An allocator that knows what is out. */
static long out;

static void *counted_alloc(void *ctx, size_t n)
{
    (void)ctx;
    out++;
    return malloc(n);
}

static void *counted_resize(void *ctx, void *p, size_t n)
{
    (void)ctx;
    out += !p;
    return realloc(p, n);
}

static void counted_release(void *ctx, void *p)
{
    (void)ctx;
    out -= p != NULL;
    free(p);
}

static const struct redw_allocator counted = {sizeof counted, NULL, counted_alloc, counted_resize,
                                              counted_release};

/* Sockets this process has open. */
static unsigned sockets(int fds[FDS_MAX])
{
    unsigned n = 0;
    for (int fd = 0; fd < FDS_MAX; fd++) {
        struct stat st;
        if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
            fds[n++] = fd;
    }
    return n;
}

/* Bytes written to the TCP sockets of this process: a count of the kernel's, whoever wrote them, whether they
 * have gone out or wait, and however often they went. */
static uint64_t bytes_written(void)
{
    int fds[FDS_MAX];
    uint64_t sum = 0;
    for (unsigned i = 0, n = sockets(fds); i < n; i++) {
        struct tcp_info info = {0};
        socklen_t len = sizeof info;
        if (getsockopt(fds[i], IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
            sum += info.tcpi_bytes_sent - info.tcpi_bytes_retrans + info.tcpi_notsent_bytes;
    }
    return sum;
}

static struct ev_loop *loop;
static redw_client *db;
static pid_t parent;
static unsigned calls, calls_in_child;

static void called(void)
{
    calls++;
    calls_in_child += getpid() != parent;
}

struct answer {
    int done, code;
    int64_t number;
    redw_id stream;
    bool paused;
};

static void on_number(const redw_result *res, void *ctx)
{
    struct answer *a = ctx;
    redw_row row;
    called();
    a->done++;
    a->code = redw_error_code(redw_result_error(res));
    if (redw_result_first(res, &row) && redw_row_int64(&row, 0, &a->number) != REDW_OK)
        a->number = -1;
}

static enum redw_flow on_rows(redw_rows *rows, void *ctx)
{
    struct answer *a = ctx;
    redw_row row;
    called();
    if (!a->paused) {
        a->paused = true;
        ev_break(loop, EVBREAK_ONE);
        return REDW_PAUSE;
    }
    while (redw_rows_next(rows, &row))
        a->number++;
    return REDW_MORE;
}

static void on_ready(const redw_error *error, void *ctx)
{
    struct answer *a = ctx;
    called();
    a->done++;
    a->code = redw_error_code(error);
}

static void on_closed(void *ctx)
{
    called();
    ((struct answer *)ctx)->done++;
}

static redw_id ask(const char *sql, struct answer *a)
{
    redw_id id = redw_submit(db, REDW_REQUEST(.sql = sql), on_number, a);
    ck_assert_msg(id > 0, "%s", redw_client_why(db));
    return id;
}

/* Destroys what the parent made; 0: by the rule. Reports by exit status, as Check's asserts do not work here.
 */
static int destroy_in_child(unsigned others)
{
    int fds[FDS_MAX];
    redw_client_destroy(db);
    if (calls_in_child)
        return 2;
    if (sockets(fds) != others)
        return 3;
    if (out)
        return 4;
    return 0;
}

static void fork_and_destroy(unsigned others)
{
    int status;
    unsigned before = calls;
    uint64_t sent = bytes_written();
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(destroy_in_child(others));
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
    ck_assert_uint_eq(calls, before);
    ck_assert_uint_eq(bytes_written(), sent); /* the sockets are shared: the child's bytes would count */
}

static void forks_are_harmless(const char *uri, const char *password)
{
    static const struct redw_stream_handler handler = {
        .size = sizeof handler, .on_rows = on_rows, .on_done = on_number};
    struct answer idle = {0}, stream = {0}, active = {0}, waiting = {0}, ready = {0}, again = {0},
                  closed = {0};
    struct redw_diag why;
    int fds[FDS_MAX];

    parent = getpid();
    calls = calls_in_child = 0;
    loop = ev_loop_new(EVFLAG_AUTO);
    unsigned others = sockets(fds);
    ck_assert_msg(redw_client_create(
                      &db, loop,
                      REDW_OPTIONS(.uri = uri, .password = password, .pool_max = 3, .allocator = &counted),
                      &why) == 0,
                  "%s", why.text);

    fork_and_destroy(others); /* nothing open */

    ask("select pg_backend_pid()", &idle);
    ev_run(loop, EVRUN_ONCE);
    fork_and_destroy(others); /* while it connects, whatever it is at */
    ev_run(loop, 0);
    ck_assert_int_eq(idle.done, 1);
    ck_assert_int_eq(idle.code, 0);
    fork_and_destroy(others); /* idle */
    ask("select pg_backend_pid()", &again);
    ev_run(loop, 0);
    ck_assert_int_eq(again.number, idle.number); /* the same session: the server saw no Terminate */

    stream.stream = redw_stream(db, REDW_QUERY("select generate_series(1, 300000)"), &handler, &stream);
    ck_assert_int_gt(stream.stream, 0);
    ev_run(loop, 0); /* until the pause: two connections are free to be opened */
    ck_assert(stream.paused);
    ask("select 5 from pg_sleep(0.2)", &active);
    ask("select 6 from pg_sleep(0.2)", &active);
    ask("select 7", &waiting);
    ck_assert_int_gt(redw_client_ready(db, 0, on_ready, &ready), 0);
    fork_and_destroy(others); /* a paused stream, work that waits for connections */
    while (sockets(fds) < others + 3)
        ev_run(loop, EVRUN_ONCE);
    redw_client_close(db, REDW_NONE, on_closed, &closed);
    for (int i = 0; i < 6; i++) { /* while others log in and run */
        ev_run(loop, EVRUN_ONCE);
        fork_and_destroy(others);
    }
    ck_assert_int_eq(redw_resume(db, stream.stream), 0);
    ev_run(loop, 0);
    ck_assert_int_eq(stream.code, 0);
    ck_assert_int_eq(stream.number, 300000);
    ck_assert_int_eq(active.done, 2);
    ck_assert_int_eq(active.code, 0);
    ck_assert_int_eq(waiting.number, 7);
    ck_assert_int_eq(ready.done, 1);
    ck_assert_int_eq(closed.done, 1);
    fork_and_destroy(others); /* closed */
    redw_client_destroy(db);
    ck_assert_uint_eq(sockets(fds), others);
    ck_assert_int_eq(out, 0);
    ev_loop_destroy(loop);
}

START_TEST(a_child_destroys_without_a_trace_over_tls)
{
    forks_are_harmless(pg_server()->uri, pg_server()->password);
}
END_TEST

START_TEST(a_child_destroys_without_a_trace_over_plain_tcp)
{
    forks_are_harmless(pg_server()->plainuri, pg_server()->password);
}
END_TEST

START_TEST(a_child_destroys_without_a_trace_over_a_unix_socket)
{
    forks_are_harmless(pg_server()->unixuri, pg_server()->password);
}
END_TEST

START_TEST(a_child_closes_a_blocking_helper_without_a_trace)
{
    redw_sync *sync;
    redw_result *res;
    struct redw_diag why;
    redw_row row;
    int64_t pids[2];
    int status, fds[FDS_MAX];
    unsigned others = sockets(fds);

    ck_assert_int_eq(redw_sync_open(&sync, REDW_OPTIONS(.uri = pg_uri(), .allocator = &counted), &why), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(redw_sync_query(sync, REDW_QUERY("select pg_backend_pid()"), &res, &why), 0);
        ck_assert(redw_result_first(res, &row) && redw_row_int64(&row, 0, &pids[i]) == REDW_OK);
        redw_result_release(res);
        uint64_t sent = bytes_written();
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            redw_sync_close(sync);
            _exit(sockets(fds) != others || out);
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
        ck_assert_uint_eq(bytes_written(), sent);
    }
    ck_assert_int_eq(pids[0], pids[1]);
    redw_sync_close(sync);
    ck_assert_int_eq(out, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fork");
    TCase *t = tcase_create("fork");
    SRunner *r;
    int failed;

    pg_server(); /* before the runner forks */
    tcase_add_test(t, a_child_destroys_without_a_trace_over_tls);
    tcase_add_test(t, a_child_destroys_without_a_trace_over_plain_tcp);
    tcase_add_test(t, a_child_destroys_without_a_trace_over_a_unix_socket);
    tcase_add_test(t, a_child_closes_a_blocking_helper_without_a_trace);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
