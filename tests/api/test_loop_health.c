/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A01, A02, O01, O05: The loop never blocks: what one callback of the library costs at most, in CPU time of
 * its thread (other processes do not show there), while a name server is silent, twenty logins in TLS run at
 * once, a parameter or a statement of 16 MB goes out, a gigabyte arrives, a thousand waiting requests time
 * out together. And what strace sees the thread do meanwhile: no call that waits, but for the loop's own. (A
 * value of 16 MB that is gathered is copied at once; to stream it costs nothing.)
 */
#include "support/lab.h"
#include "support/pg.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#define CALLBACK_US_MAX 60000 /* sanitizers cost several times the work */
#define STREAM_BYTES    ((size_t)64 << 20)
#else
#define CALLBACK_US_MAX 10000
#define STREAM_BYTES    ((size_t)1 << 30)
#endif
#define CELL_BYTES ((size_t)8192)

/* --- the stage --- */

static struct lab r;
static ev_timer tick;
static ev_check after_poll;
static ev_prepare before_poll;
static int64_t began_us, longest_round_us;
static unsigned ticks;

static int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void on_tick(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop, (void)w, (void)events;
    ticks++;
}

static void on_check(struct ev_loop *loop, ev_check *w, int events)
{
    (void)loop, (void)w, (void)events;
    began_us = cpu_us();
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int events)
{
    (void)loop, (void)w, (void)events;
    if (began_us && cpu_us() - began_us > longest_round_us)
        longest_round_us = cpu_us() - began_us;
}

static bool traced; /* this process runs under strace */

/* A timer of the application's own every millisecond, and a look at each round of the loop. */
static void start(void)
{
    lab_open(&r);
    r.patience_s = 100;
    ticks = 0;
    began_us = longest_round_us = 0;
    ev_timer_init(&tick, on_tick, 0.001, 0.001);
    ev_check_init(&after_poll, on_check);
    ev_prepare_init(&before_poll, on_prepare);
    ev_set_priority(&after_poll, EV_MAXPRI);
    ev_set_priority(&before_poll, EV_MINPRI);
    ev_timer_start(r.loop, &tick);
    ev_check_start(r.loop, &after_poll);
    ev_prepare_start(r.loop, &before_poll);
}

/* With malloc: the lab's allocator fills, moves and searches what it is given, which would be measured too. */
static void client(const struct redw_options *o)
{
    struct redw_diag why;
    ck_assert_msg(redwi_client_create(&r.client, &r.probe.loop, o, &r.env, &why) == 0, "%s", why.text);
}

static void finish(const char *what)
{
    ev_timer_stop(r.loop, &tick);
    ev_check_stop(r.loop, &after_poll);
    ev_prepare_stop(r.loop, &before_poll);
    ck_assert_msg(!r.late, "the test waited in vain");
    printf("loop: %s: longest callback %lld us, longest round %lld us of CPU, in %llu callbacks and %u ticks\n", what,
           (long long)r.probe.longest_cpu_us, (long long)longest_round_us, (unsigned long long)r.probe.wakeups, ticks);
    fflush(stdout);
    if (!traced) /* strace's stops count as the thread's own time */
        ck_assert_int_le(r.probe.longest_cpu_us, CALLBACK_US_MAX);
    ck_assert_uint_gt(ticks, 0);
    ck_assert(lab_close(&r));
}

/* --- what goes on meanwhile; each also runs under strace --- */

static void a_name_server_is_silent(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof sa;
    char servers[64];
    start();
    int hole = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(hole, 0);
    ck_assert_int_eq(bind(hole, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(getsockname(hole, (struct sockaddr *)&sa, &len), 0);
    snprintf(servers, sizeof servers, "127.0.0.1:%u", ntohs(sa.sin_port));
    const struct redwi_names names = {servers, redwi_names_cares.start, redwi_names_cares.cancel};
    r.env.names = &names;
    client(REDW_OPTIONS(.uri = "postgresql://u@nobody.test/d", .connect_timeout_ms = 300));
    struct answer a = lab_query(&r, REDW_QUERY("select 1"));
    ck_assert_int_eq(redw_error_code(answer_error(&a)), REDW_ETIMEDOUT);
    answer_release(&a);
    close(hole);
    finish("a name server that is silent");
}

static void twenty_logins_at_once(void)
{
    struct answer a[20];
    start();
    client(REDW_OPTIONS(.uri = pg_server()->uri, .password = pg_server()->password, .pool_max = 20));
    for (int i = 0; i < 20; i++)
        lab_submit(&r, &a[i], REDW_QUERY("select pg_sleep(0.5)"));
    for (int i = 0; i < 20; i++) {
        ck_assert(lab_wait(&r, &a[i].calls, 1));
        answer_must_succeed(&a[i]);
        answer_release(&a[i]);
    }
    ck_assert_uint_eq(r.fault.opened, 20);
    finish("20 logins in TLS with SCRAM");
}

static void sixteen_megabytes(const char *uri, const char *what)
{
    size_t n = (size_t)16 << 20;
    char *text = malloc(n + 1);
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i + 1 < n; i += 2)
        memcpy(text + i, "\xc3\xa9", 2); /* not ASCII: it is checked with care */
    text[n] = '\0';
    start();
    client(REDW_OPTIONS(.uri = uri, .password = pg_server()->password, .pool_max = 1));
    struct answer a = lab_query(&r, REDW_QUERY("select md5($1::text) = md5(repeat('\xc3\xa9', 8388608))", redw_p_text(text)));
    ck_assert_str_eq(answer_text(&a), "t");
    answer_release(&a);
    free(text);
    finish(what);
}

static void sixteen_megabytes_plain(void)
{
    sixteen_megabytes(pg_server()->plainuri, "a 16 MB parameter");
}

static void sixteen_megabytes_tls(void)
{
    sixteen_megabytes(pg_server()->uri, "the same in TLS");
}

static void a_statement_of_sixteen_megabytes(void)
{
    size_t n = ((size_t)16 << 20) - 1;
    char *text = malloc(n + 1);
    ck_assert_ptr_nonnull(text);
    memset(text, ' ', n);
    memcpy(text, "select $1::text || $2", 21);
    text[n] = '\0';
    start();
    client(REDW_OPTIONS(.uri = pg_server()->plainuri, .password = pg_server()->password, .pool_max = 1));
    struct answer a = lab_query(&r, REDW_QUERY(text, redw_p_text("wr"), redw_p_text("der")));
    ck_assert_str_eq(answer_text(&a), "wrder");
    answer_release(&a);
    free(text);
    finish("a statement of 16 MB");
}

static size_t streamed;
static enum redw_flow on_rows(redw_rows *rows, void *ctx)
{
    redw_row row;
    (void)ctx;
    while (redw_rows_next(rows, &row))
        streamed += row.cells[0].len;
    return REDW_MORE;
}

static void much_arrives(size_t bytes)
{
    static const struct redw_stream_handler h = {.size = sizeof h, .on_rows = on_rows, .on_done = answer_done};
    char sql[100], what[60];
    struct answer a = {0};
    snprintf(sql, sizeof sql, "select repeat('x', %zu) from generate_series(1, %zu)", CELL_BYTES, bytes / CELL_BYTES);
    start();
    streamed = 0;
    client(REDW_OPTIONS(.uri = pg_server()->plainuri, .password = pg_server()->password, .pool_max = 1));
    a.id = redw_stream(r.client, REDW_QUERY(sql), &h, &a);
    ck_assert_int_gt(a.id, 0);
    ck_assert(lab_wait(&r, &a.calls, 1));
    answer_must_succeed(&a);
    ck_assert_uint_eq(streamed, bytes);
    answer_release(&a);
    snprintf(what, sizeof what, "%zu MB arrive", bytes >> 20);
    finish(what);
}

static void a_gigabyte_arrives(void)
{
    much_arrives(STREAM_BYTES);
}

static void some_megabytes_arrive(void)
{
    much_arrives((size_t)16 << 20);
}

static unsigned late;
static void on_late(const redw_result *res, void *ctx)
{
    (void)ctx;
    late += redw_error_code(redw_result_error(res)) == REDW_ETIMEDOUT;
}

static void a_thousand_time_out_together(void)
{
    start();
    late = 0;
    client(REDW_OPTIONS(.uri = pg_server()->plainuri, .password = pg_server()->password, .pool_max = 1));
    int64_t at = redw_client_now_ms(r.client) + 200;
    for (int i = 0; i < 1000; i++)
        ck_assert_int_gt(redw_submit(r.client, REDW_REQUEST(.sql = "select pg_sleep(5)", .deadline_ms = at), on_late, NULL),
                         0);
    ck_assert(lab_wait(&r, &late, 1000));
    finish("1,000 requests time out together");
}

#define BOTH(name)             \
    START_TEST(test_##name)    \
    {                          \
        name();                \
    }                          \
    END_TEST
BOTH(a_name_server_is_silent)
BOTH(twenty_logins_at_once)
BOTH(sixteen_megabytes_plain)
BOTH(sixteen_megabytes_tls)
BOTH(a_statement_of_sixteen_megabytes)
BOTH(a_gigabyte_arrives)
BOTH(a_thousand_time_out_together)

/* --- strace --- */

#define MARK_FD 999 /* of no file: what is written to it is for the reader of the trace */

static void mark(const char *text)
{
    ck_assert_int_lt(write(MARK_FD, text, strlen(text)), 0);
}

/* The traced process. pg_sql() and such would wait for an answer, and are not used in here. */
START_TEST(all_of_it)
{
    mark("begin\n");
    a_name_server_is_silent();
    twenty_logins_at_once();
    sixteen_megabytes_plain();
    some_megabytes_arrive();
    a_thousand_time_out_together();
    mark("end\n");
}
END_TEST

static int be_traced(void)
{
    traced = true;
    Suite *s = suite_create("traced");
    TCase *t = tcase_create("all");
    tcase_add_test(t, all_of_it);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

static unsigned char nonblocking[1024];

static int result_of(const char *line)
{
    const char *at = NULL;
    for (const char *p = line; (p = strstr(p, " = ")) != NULL; p++)
        at = p;
    return at ? atoi(at + 3) : -1;
}

static int fd_of(const char *line)
{
    int fd = atoi(strchr(line, '(') + 1);
    return fd >= 0 && fd < (int)sizeof nonblocking ? fd : 0;
}

static bool is_call(const char *line, const char *name)
{
    size_t n = strlen(name);
    return strncmp(line, name, n) == 0 && line[n] == '(';
}

static bool is_one_of(const char *line, const char *const *names)
{
    for (; *names; names++)
        if (is_call(line, *names))
            return true;
    return false;
}

/* Descriptors that are made non-blocking, and those that end. */
static void follow(const char *line)
{
    int made = result_of(line);
    if ((is_call(line, "socket") || is_call(line, "accept4") || is_call(line, "eventfd2") || is_call(line, "timerfd_create")) &&
        made >= 0 && made < (int)sizeof nonblocking)
        nonblocking[made] = strstr(line, "NONBLOCK") != NULL;
    else if (is_call(line, "fcntl") && strstr(line, "F_SETFL"))
        nonblocking[fd_of(line)] = strstr(line, "O_NONBLOCK") != NULL;
    else if (is_call(line, "ioctl") && strstr(line, "FIONBIO"))
        nonblocking[fd_of(line)] = strstr(line, "[1]") != NULL;
    else if (is_call(line, "close"))
        nonblocking[fd_of(line)] = 0;
}

/* What a thread with a loop may not call: NULL, or why this line is wrong. */
static const char *fault_of(const char *line)
{
    static const char *const waits[] = {"poll",   "ppoll",     "select",          "pselect6", "nanosleep", "wait4",
                                        "waitid", "pause",     "clock_nanosleep", "flock",    "fsync",     "fdatasync",
                                        "msgrcv", "rt_sigtimedwait", NULL};
    static const char *const moves[] = {"connect", "recvfrom", "recvmsg", "sendto", "sendmsg", "accept", "accept4", NULL};
    if (is_one_of(line, waits))
        return "it waits";
    if (is_call(line, "futex") && strstr(line, "FUTEX_WAIT"))
        return "it waits for a lock";
    if (is_call(line, "fcntl") && strstr(line, "F_SETLKW"))
        return "it waits for a lock";
    if (is_one_of(line, moves) && !nonblocking[fd_of(line)] && !strstr(line, "MSG_DONTWAIT"))
        return "the descriptor blocks";
    return NULL;
}

static unsigned read_trace(const char *path)
{
    char line[4096];
    bool inside = false;
    unsigned calls = 0;
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        if (is_call(line, "write") && fd_of(line) == MARK_FD) {
            inside = strstr(line, "begin") != NULL;
            continue;
        }
        const char *fault = inside ? fault_of(line) : NULL;
        ck_assert_msg(!fault, "%s: %s", fault, line);
        calls += inside;
        follow(line);
    }
    fclose(f);
    return calls;
}

static const char *self;

START_TEST(strace_sees_no_call_that_waits_but_the_loops_own)
{
    char path[600], errors[700];
    struct stat st;
    snprintf(path, sizeof path, "%s/strace.%d", pg_server()->dir, (int)getpid());
    snprintf(errors, sizeof errors, "%s.err", path);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (!freopen(errors, "w", stderr) || !freopen("/dev/null", "w", stdout))
            _exit(126);
        /* One thread: the loop's. -f would follow others, of which there are none. */
        execlp("strace", "strace", "-qq", "-s", "256", "-o", path, self, "--traced", (char *)NULL);
        _exit(127);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    if (stat(path, &st) != 0 || st.st_size == 0) {
        printf("loop: strace is not there or may not trace (status %d): not looked at\n", status);
        return;
    }
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the traced program failed: %s", errors);
    unsigned calls = read_trace(path);
    printf("loop: strace: %u system calls, none that waits\n", calls);
    ck_assert_uint_gt(calls, 500);
    unlink(path);
    unlink(errors);
}
END_TEST

int main(int argc, char **argv)
{
    pg_server();
    self = argv[0];
    if (argc > 1 && strcmp(argv[1], "--traced") == 0)
        return be_traced();
    Suite *s = suite_create("loop health");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 240);
    tcase_add_test(t, test_a_name_server_is_silent);
    tcase_add_test(t, test_twenty_logins_at_once);
    tcase_add_test(t, test_sixteen_megabytes_plain);
    tcase_add_test(t, test_sixteen_megabytes_tls);
    tcase_add_test(t, test_a_statement_of_sixteen_megabytes);
    tcase_add_test(t, test_a_gigabyte_arrives);
    tcase_add_test(t, test_a_thousand_time_out_together);
#ifdef __SANITIZE_ADDRESS__
    (void)strace_sees_no_call_that_waits_but_the_loops_own; /* the leak checker traces the process itself */
#else
    tcase_add_test(t, strace_sees_no_call_that_waits_but_the_loops_own);
#endif
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
