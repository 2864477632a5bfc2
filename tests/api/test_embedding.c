/* SPDX-License-Identifier: Apache-2.0 */
/*
 * O01, O06, U15: a library is a guest. What belongs to the process (threads, signals, children, timers, the
 * directory) is after a session as it was before; a connection that broke raises no SIGPIPE.
 * C08, X3: and who stopped a statement, as PostgreSQL shows it.
 */
#include "api/lab_stage.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- what belongs to the process --- */

struct process {
    unsigned threads;
    struct sigaction actions[NSIG];
    sigset_t mask;
    struct itimerval timers[3];
    char directory[4096];
    mode_t files;
};

static unsigned count_threads(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/task");
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void look(struct process *p)
{
    memset(p, 0, sizeof *p);
    p->threads = count_threads();
    for (int sig = 1; sig < NSIG; sig++)
        (void)sigaction(sig, NULL, &p->actions[sig]); /* of a few it cannot be asked */
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, NULL, &p->mask), 0);
    ck_assert_int_eq(getitimer(ITIMER_REAL, &p->timers[0]), 0);
    ck_assert_int_eq(getitimer(ITIMER_VIRTUAL, &p->timers[1]), 0);
    ck_assert_int_eq(getitimer(ITIMER_PROF, &p->timers[2]), 0);
    ck_assert_ptr_nonnull(getcwd(p->directory, sizeof p->directory));
    p->files = umask(0);
    umask(p->files);
}

static void must_be_as(const struct process *before)
{
    struct process now;
    look(&now);
    ck_assert_uint_eq(now.threads, before->threads);
    for (int sig = 1; sig < NSIG; sig++) {
        ck_assert_msg(now.actions[sig].sa_handler == before->actions[sig].sa_handler, "signal %d", sig);
        ck_assert_int_eq(now.actions[sig].sa_flags, before->actions[sig].sa_flags);
        ck_assert_int_eq(sigismember(&now.mask, sig), sigismember(&before->mask, sig));
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(now.timers[i].it_interval.tv_sec, before->timers[i].it_interval.tv_sec);
        ck_assert_int_eq(now.timers[i].it_value.tv_sec != 0, before->timers[i].it_value.tv_sec != 0);
    }
    ck_assert_str_eq(now.directory, before->directory);
    ck_assert_uint_eq(now.files, before->files);
    errno = 0;
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}

static struct process before;
static unsigned nlooks;
static void look_again(void *arg)
{
    (void)arg;
    must_be_as(&before);
    nlooks++;
}

START_TEST(O01_no_thread_no_signal_handler_no_child_at_any_moment_of_a_session)
{
    struct answer a, b;
    lab_open(&r);
    look(&before);
    nlooks = 0;
    lab_pool(&r, pg_server()->uri, pg_server()->password, 2);
    lab_submit(&r, &a, REDW_QUERY("select pg_sleep(61.5)"));
    lab_submit(&r, &b, REDW_QUERY("select count(*) from generate_series(1, 100000)"));
    double until = ev_time() + 20;
    bool asked = false;
    r.probe.after = look_again;
    while ((!a.calls || !b.calls) && ev_time() < until) {
        ev_run(r.loop, EVRUN_ONCE);
        if (b.calls && !asked)
            asked = redw_cancel(r.client, a.id) == 0;
    }
    r.probe.after = NULL;
    ck_assert_str_eq(answer_text(&b), "100000");
    ck_assert_int_eq(redw_error_class(answer_error(&a)), REDW_CLASS_QUERY_CANCELLED);
    ck_assert_uint_gt(nlooks, 10);
    answer_release(&a);
    answer_release(&b);
    finish();
    must_be_as(&before);
}
END_TEST

/* --- SIGPIPE --- */

static int ends[2];
static int open_pair(redw_client *c, redw_id opening, const char *host, uint16_t port, void *ctx)
{
    (void)c, (void)opening, (void)host, (void)port, (void)ctx;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    close(ends[0]); /* nobody is there: the first byte finds a broken pipe */
    return ends[1];
}

static void write_into_a_broken_pipe(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        _exit(1);
    close(pair[0]);
    _exit(write(pair[1], "x", 1) == 1);
}

START_TEST(O06_a_broken_pipe_is_an_error_and_no_signal)
{
    struct redw_diag why;
    int status;
    /* The host lets SIGPIPE kill it, and it would. */
    ck_assert(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        write_into_a_broken_pipe();
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);

    for (int tls = 0; tls <= 1; tls++) {
        lab_open(&r);
        ck_assert_int_eq(
            lab_client(&r,
                       REDW_OPTIONS(.uri = tls ? "postgresql://u@h/d" : "postgresql://u@h/d?sslmode=disable",
                                    .open = open_pair, .connect_retries = REDW_NONE),
                       &why),
            0);
        struct answer a = lab_query(&r, REDW_QUERY("select 1"));
        ck_assert_int_eq(redw_error_class(answer_error(&a)), REDW_CLASS_CONNECTION_FAILED);
        ck_assert_int_eq(redw_error_outcome(answer_error(&a)), REDW_OUTCOME_NOT_SENT);
        ck_assert_uint_gt(r.fault.calls[FAULT_SEND], 0);
        answer_release(&a);
        finish();
    }
}
END_TEST

/* --- who stopped it --- */

static void stop_from_outside(const char *how, const char *sql)
{
    char stop[200];
    snprintf(stop, sizeof stop,
             "select %s(pid) from pg_stat_activity where state = 'active' and query = '%s'", how, sql);
    pg_sql(stop);
}

START_TEST(X3_five_ways_to_be_stopped_are_five_causes)
{
    enum { BY_CALLER, BY_DEADLINE, BY_TIMEOUT, BY_ADMIN, BY_END, WAYS };
    static const struct {
        enum redw_cause cause;
        enum redw_class cls;
        const char *sqlstate;
    } want[WAYS] = {
        [BY_CALLER] = {REDW_CAUSE_CALLER, REDW_CLASS_QUERY_CANCELLED, "57014"},
        [BY_DEADLINE] = {REDW_CAUSE_DEADLINE, REDW_CLASS_QUERY_TIMEOUT, ""},
        [BY_TIMEOUT] = {REDW_CAUSE_SERVER_TIMEOUT, REDW_CLASS_QUERY_TIMEOUT, "57014"},
        [BY_ADMIN] = {REDW_CAUSE_ADMIN, REDW_CLASS_QUERY_CANCELLED, "57014"},
        [BY_END] = {REDW_CAUSE_SHUTDOWN, REDW_CLASS_CONNECTION_FAILED, "57P01"},
    };
    for (int way = 0; way < WAYS; way++) {
        struct answer a;
        char sql[40]; /* no other's: one that was given up may still run */
        snprintf(sql, sizeof sql, "select pg_sleep(63.%d)", 20 + way);
        lab_open(&r);
        lab_pool(&r, pg_server()->uri, pg_server()->password, 1);
        if (way == BY_TIMEOUT) {
            a = lab_query(&r, REDW_QUERY("set statement_timeout = 50"));
            answer_must_succeed(&a);
            answer_release(&a);
        }
        lab_submit(&r, &a, REDW_REQUEST(.sql = sql, .timeout_ms = way == BY_DEADLINE ? 50 : 0));
        if (way != BY_DEADLINE && way != BY_TIMEOUT)
            lab_run_until_active(&r, sql);
        if (way == BY_CALLER)
            ck_assert_int_eq(redw_cancel(r.client, a.id), 0);
        if (way == BY_ADMIN || way == BY_END)
            stop_from_outside(way == BY_ADMIN ? "pg_cancel_backend" : "pg_terminate_backend", sql);
        ck_assert_msg(lab_wait(&r, &a.calls, 1), "way %d", way);
        const redw_error *e = answer_error(&a);
        ck_assert_msg(redw_error_cause(e) == want[way].cause && redw_error_class(e) == want[way].cls &&
                          strcmp(redw_error_sqlstate(e), want[way].sqlstate) == 0,
                      "way %d: %s, %s, %s: %s", way, redw_cause_name(redw_error_cause(e)),
                      redw_class_name(redw_error_class(e)), redw_error_sqlstate(e), redw_error_message(e));
        answer_release(&a);
        finish();
    }
}
END_TEST

int main(void)
{
    pg_server();
    Suite *s = suite_create("embedding");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, O01_no_thread_no_signal_handler_no_child_at_any_moment_of_a_session);
    tcase_add_test(t, O06_a_broken_pipe_is_an_error_and_no_signal);
    tcase_add_test(t, X3_five_ways_to_be_stopped_are_five_causes);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
