/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Silent peers (rows A08, A09, A10, U2; "every request ends"): a proxy that swallows or stalls, and a network
 * whose packets vanish; what we sent acknowledged, and not. Every request ends within its deadline and 100
 * ms, and says in which phase it was, whether it was sent, and how long it took. Without any deadline the
 * kernel finds out: by keepalive if nothing of ours is unacknowledged, by TCP_USER_TIMEOUT if something is.
 *
 * Real time, for the kernel's clock is not ours: an own timer beside each deadline tells how late the machine
 * itself is.
 */
#include "pool/drive.h"
#include "support/lab.h"
#include "support/pg.h"
#include "support/proxy.h"

#include <check.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define LATE_MS 100

static struct lab r;
static struct proxy *proxy;

/* One request, its end, and the control beside it. */
struct watched {
    struct answer a;
    ev_timer control;
    double began, control_at, ended;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_control(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop, (void)events;
    ((struct watched *)w->data)->control_at = now();
}

static void on_answer(const redw_result *res, void *ctx)
{
    struct watched *w = ctx;
    w->ended = now();
    answer_done(res, &w->a);
}

static void begin_control(struct watched *w, unsigned ms)
{
    ev_now_update(r.loop);
    ev_timer_init(&w->control, on_control, ms / 1000.0, 0);
    w->control.data = w;
    ev_timer_start(r.loop, &w->control);
}

static void submit(struct watched *w, const char *sql, const char *param, uint32_t timeout_ms, unsigned control_ms)
{
    memset(w, 0, sizeof *w);
    w->began = now();
    struct redw_request rq = {.size = sizeof rq, .sql = sql, .timeout_ms = timeout_ms};
    redw_param params[1] = {redw_p_text(param ? param : "")};
    if (param) {
        rq.params = params;
        rq.nparams = 1;
    }
    w->a.id = redw_submit(r.client, &rq, on_answer, w);
    ck_assert_msg(w->a.id > 0, "%s", redw_client_why(r.client));
    begin_control(w, control_ms); /* a deadline counts from when submit has copied everything */
}

/* It ended at its time, so many milliseconds after the control began, and says this. */
static void expect(struct watched *w, unsigned ms, int code, enum redw_outcome outcome, const char *says)
{
    ck_assert(lab_wait(&r, &w->a.calls, 1));
    ev_timer_stop(r.loop, &w->control);
    const redw_error *e = answer_error(&w->a);
    const char *text = redw_error_message(e);
    double due = w->began + ms / 1000.0;
    if (w->control_at > due)
        due = w->control_at;
    ck_assert_msg(w->ended <= due + LATE_MS / 1000.0, "%.0f ms late: %s", (w->ended - due) * 1000, text);
    ck_assert_msg(w->ended >= w->began + ms / 1000.0 - 0.002, "%.0f ms early: %s",
                  (w->began + ms / 1000.0 - w->ended) * 1000, text);
    ck_assert_msg(redw_error_code(e) == code, "%s", text);
    ck_assert_msg(redw_error_outcome(e) == outcome, "%s: %s", redw_outcome_name(redw_error_outcome(e)), text);
    ck_assert_msg(strstr(text, says) != NULL, "'%s' not in: %s", says, text);
    ck_assert_msg(strstr(text, " ms") != NULL, "no time in: %s", text);
    answer_release(&w->a);
}

static void open_client(const struct redw_options *o)
{
    struct redw_diag why;
    ck_assert_msg(lab_client(&r, o, &why) == 0, "%s", why.text);
}

static void log_in(void)
{
    struct answer a = lab_query(&r, REDW_QUERY("select 1"));
    ck_assert_str_eq(answer_text(&a), "1");
    answer_release(&a);
}

static struct redwi_conn *the_connection(void)
{
    for (int place = REDWI_AT_IDLE; place <= REDWI_AT_BUSY; place++)
        if (!redwi_list_empty(&r.client->places[place]))
            return REDWI_OF(r.client->places[place].next, struct redwi_conn, link);
    ck_abort_msg("no connection");
    return NULL;
}

/* Until the peer's kernel has acknowledged all we sent. */
static void wait_acknowledged(void)
{
    int left = 1;
    for (int i = 0; i < 2000; i++) {
        lab_run_ms(&r, 1);
        ck_assert_int_eq(ioctl(the_connection()->priv->transport.fd, SIOCOUTQ, &left), 0);
        if (left == 0 && i > 10)
            return;
    }
    ck_abort_msg("%d bytes were never acknowledged", left);
}

static void begin(const struct proxy_config *config)
{
    const char *why = "";
    proxy = proxy_start(config, &why);
    ck_assert_msg(proxy != NULL, "%s", why);
    lab_open(&r);
}

static void end(void)
{
    ck_assert(lab_close(&r));
    proxy_stop(proxy);
}

static const struct proxy_config plain;

START_TEST(A08_a_swallowed_statement_ends_at_its_deadline)
{
    struct watched w;
    begin(&plain);
    open_client(REDW_OPTIONS(.uri = proxy_uri(proxy), .password = pg_server()->password, .pool_max = 1,
                             .cancel_timeout_ms = 200));
    log_in();
    proxy_mode(proxy, PROXY_SWALLOW);
    submit(&w, "select 2", NULL, 300, 300);
    wait_acknowledged();
    expect(&w, 300, REDW_ETIMEDOUT, REDW_OUTCOME_UNKNOWN, "query (sent): not complete within ");
    end();
}
END_TEST

START_TEST(A08_a_statement_that_does_not_get_through_ends_at_its_deadline)
{
    struct watched w;
    size_t n = 16u << 20;
    char *big = malloc(n + 1);
    memset(big, 'x', n);
    big[n] = '\0';
    begin(&(const struct proxy_config){.receive_bytes = 4096});
    open_client(REDW_OPTIONS(.uri = proxy_uri(proxy), .password = pg_server()->password, .pool_max = 1,
                             .cancel_timeout_ms = 200));
    log_in();
    proxy_mode(proxy, PROXY_STALL);
    submit(&w, "select length($1)", big, 400, 400);
    expect(&w, 400, REDW_ETIMEDOUT, REDW_OUTCOME_UNKNOWN, "query (sent): not complete within ");
    end();
    free(big);
}
END_TEST

/* K06 */
START_TEST(A08_a_cancel_that_nobody_answers_ends_at_its_own_deadline)
{
    struct watched w;
    begin(&plain);
    open_client(REDW_OPTIONS(.uri = proxy_uri(proxy), .password = pg_server()->password, .pool_max = 1,
                             .cancel_timeout_ms = 300));
    log_in();
    proxy_mode(proxy, PROXY_SWALLOW);
    submit(&w, "select 2", NULL, 0, 5000);
    wait_acknowledged();
    ev_timer_stop(r.loop, &w.control);
    w.began = now();
    begin_control(&w, 300);
    ck_assert_int_eq(redw_cancel(r.client, w.a.id), 0);
    expect(&w, 300, REDW_ECANCELLED, REDW_OUTCOME_UNKNOWN, "which did not end by itself within 300 ms");
    end();
}
END_TEST

START_TEST(A08_a_login_without_answer_ends_at_the_connect_deadline)
{
    static const struct {
        const char *more, *says;
    } cases[] = {{"", "login: 127.0.0.1:"}, {"&sslmode=require", "connect: 127.0.0.1:"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct watched w;
        char uri[300];
        begin(&plain);
        proxy_mode(proxy, PROXY_SWALLOW);
        snprintf(uri, sizeof uri, "postgresql://redw@127.0.0.1:%u/redw?%s", proxy_port(proxy),
                 *cases[i].more ? cases[i].more + 1 : "sslmode=disable");
        open_client(REDW_OPTIONS(.uri = uri, .password = pg_server()->password, .connect_timeout_ms = 300));
        submit(&w, "select 2", NULL, 5000, 300);
        expect(&w, 300, REDW_ETIMEDOUT, REDW_OUTCOME_NOT_SENT, cases[i].says);
        end();
    }
}
END_TEST

START_TEST(A08_whoever_waits_for_a_silent_server_ends_at_their_own_deadlines)
{
    struct watched w[20], waiting;
    begin(&plain);
    open_client(REDW_OPTIONS(.uri = proxy_uri(proxy), .password = pg_server()->password, .pool_max = 1,
                             .acquire_timeout_ms = 450, .cancel_timeout_ms = 2000));
    log_in();
    proxy_mode(proxy, PROXY_SWALLOW);
    submit(&w[0], "select 2", NULL, 600, 600);
    for (unsigned i = 1; i < 20; i++)
        submit(&w[i], "select 3", NULL, 200 + 10 * i, 200 + 10 * i);
    submit(&waiting, "select 4", NULL, 5000, 450);
    for (unsigned i = 1; i < 20; i++)
        expect(&w[i], 200 + 10 * i, REDW_ETIMEDOUT, REDW_OUTCOME_NOT_SENT, "waiting (not sent): no connection within");
    expect(&waiting, 450, REDW_ETIMEDOUT, REDW_OUTCOME_NOT_SENT, "waiting (not sent): no connection within ");
    expect(&w[0], 600, REDW_ETIMEDOUT, REDW_OUTCOME_UNKNOWN, "query (sent): not complete within ");
    end();
}
END_TEST

START_TEST(A21_a_server_that_comes_back_is_reached_within_the_connect_deadline)
{
    begin(&plain);
    proxy_mode(proxy, PROXY_REFUSE);
    open_client(REDW_OPTIONS(.uri = proxy_uri(proxy), .password = pg_server()->password, .connect_retries = 20));
    struct answer a = {0};
    lab_submit(&r, &a, REDW_QUERY("select 1"));
    lab_run_ms(&r, 250);
    ck_assert_uint_eq(a.calls, 0);
    ck_assert_uint_ge(r.fault.opened, 2);
    proxy_mode(proxy, PROXY_RESET); /* somebody listens, and nobody is behind it */
    unsigned before = proxy_accepted(proxy);
    while (proxy_accepted(proxy) == before)
        lab_run_ms(&r, 5);
    lab_run_ms(&r, 20);
    ck_assert_uint_eq(a.calls, 0);
    proxy_mode(proxy, PROXY_FORWARD);
    ck_assert(lab_wait(&r, &a.calls, 1));
    ck_assert_str_eq(answer_text(&a), "1");
    answer_release(&a);
    end();
}
END_TEST

/* --- packets vanish --- */

static bool begin_cut(void)
{
    const char *why = "";
    proxy = proxy_start(&(const struct proxy_config){.netns = true}, &why);
    if (!proxy) {
        fprintf(stderr, "test_silent: skipped, no packets can be dropped here: %s\n", why);
        return false;
    }
    lab_open(&r);
    return true;
}

START_TEST(A08_vanished_packets_of_a_statement_end_it_at_its_deadline)
{
    for (int acknowledged = 0; acknowledged < 2; acknowledged++) {
        struct watched w;
        if (!begin_cut())
            return;
        open_client(REDW_OPTIONS(.uri = proxy_uri(proxy), .password = pg_server()->password, .pool_max = 1,
                                 .cancel_timeout_ms = 200));
        log_in();
        if (!acknowledged)
            proxy_cut(proxy);
        submit(&w, "select pg_sleep(3)", NULL, 500, 500);
        if (acknowledged) {
            wait_acknowledged();
            proxy_cut(proxy);
        }
        expect(&w, 500, REDW_ETIMEDOUT, REDW_OUTCOME_UNKNOWN, "query (sent): not complete within ");
        end();
    }
}
END_TEST

START_TEST(A08_vanished_packets_of_a_connect_end_it_at_its_deadline)
{
    struct watched w;
    if (!begin_cut())
        return;
    proxy_cut(proxy);
    open_client(REDW_OPTIONS(.uri = proxy_uri(proxy), .connect_timeout_ms = 300));
    submit(&w, "select 2", NULL, 5000, 300);
    expect(&w, 300, REDW_ETIMEDOUT, REDW_OUTCOME_NOT_SENT, "connect: 10.211.77.2:");
    end();
}
END_TEST

START_TEST(A10_without_any_deadline_tcp_user_timeout_ends_what_is_not_acknowledged)
{
    struct watched w;
    if (!begin_cut())
        return;
    open_client(REDW_OPTIONS(.uri = proxy_uri(proxy), .password = pg_server()->password, .pool_max = 1,
                             .request_timeout_ms = REDW_NONE, .tcp_user_timeout_ms = 400));
    log_in();
    proxy_cut(proxy);
    submit(&w, "select 2", NULL, 0, 4000);
    ck_assert(lab_wait(&r, &w.a.calls, 1));
    const redw_error *e = answer_error(&w.a);
    ck_assert_int_eq(redw_error_code(e), REDW_ECONNECT);
    ck_assert_int_eq(redw_error_errno(e), ETIMEDOUT);
    ck_assert_int_eq(redw_error_outcome(e), REDW_OUTCOME_UNKNOWN);
    ck_assert_msg(strstr(redw_error_message(e), " (sent, after ") != NULL, "%s", redw_error_message(e));
    ck_assert(w.ended - w.began >= 0.39 && w.ended - w.began < 4);
    ev_timer_stop(r.loop, &w.control);
    answer_release(&w.a);
    end();
}
END_TEST

START_TEST(A09_without_any_deadline_keepalive_ends_what_is_acknowledged)
{
    struct watched w;
    if (!begin_cut())
        return;
    open_client(REDW_OPTIONS(.uri = proxy_uri(proxy), .password = pg_server()->password, .pool_max = 1,
                             .request_timeout_ms = REDW_NONE, .keepalive_idle_s = 1, .keepalive_interval_s = 1,
                             .keepalive_count = 1, .tcp_user_timeout_ms = REDW_NONE));
    log_in();
    submit(&w, "select pg_sleep(20)", NULL, 0, 10000);
    wait_acknowledged();
    proxy_cut(proxy);
    ck_assert(lab_wait(&r, &w.a.calls, 1));
    const redw_error *e = answer_error(&w.a);
    ck_assert_int_eq(redw_error_errno(e), ETIMEDOUT);
    ck_assert_int_eq(redw_error_outcome(e), REDW_OUTCOME_UNKNOWN);
    ck_assert(w.ended - w.began < 10);
    ev_timer_stop(r.loop, &w.control);
    answer_release(&w.a);
    end();
}
END_TEST

int main(void)
{
    pg_server();
    Suite *suite = suite_create("silent peers");
    TCase *t = tcase_create("silent");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, A08_a_swallowed_statement_ends_at_its_deadline);
    tcase_add_test(t, A08_a_statement_that_does_not_get_through_ends_at_its_deadline);
    tcase_add_test(t, A08_a_cancel_that_nobody_answers_ends_at_its_own_deadline);
    tcase_add_test(t, A08_a_login_without_answer_ends_at_the_connect_deadline);
    tcase_add_test(t, A08_whoever_waits_for_a_silent_server_ends_at_their_own_deadlines);
    tcase_add_test(t, A21_a_server_that_comes_back_is_reached_within_the_connect_deadline);
    tcase_add_test(t, A08_vanished_packets_of_a_statement_end_it_at_its_deadline);
    tcase_add_test(t, A08_vanished_packets_of_a_connect_end_it_at_its_deadline);
    tcase_add_test(t, A10_without_any_deadline_tcp_user_timeout_ends_what_is_not_acknowledged);
    tcase_add_test(t, A09_without_any_deadline_keepalive_ends_what_is_acknowledged);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
