/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that the application makes (row A11): at once and later, plain and inside TLS, for connections and for
 * cancels; who closes them; what happens when they do not come.
 */
#include "pool/drive.h"
#include "support/lab.h"
#include "support/pg.h"
#include "support/proxy.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct lab r;

/* The application's side. */
static struct {
    unsigned calls, refusals; /* refusals: so many are left */
    bool later, nothing;
    redw_id last;
    char host[64];
    uint16_t port;
    void (*inside)(redw_client *c);
    ev_timer timer;
    int answer; /* of redw_open_done */
} app;

/* To the server, whatever the URI says. blocking: as careless code leaves it. */
static int make_socket(bool blocking)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    in.sin_port = htons((uint16_t)strtoul(pg_server()->port, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | (blocking ? 0 : SOCK_NONBLOCK), 0);
    ck_assert_int_ge(fd, 0);
    ck_assert(connect(fd, (struct sockaddr *)&in, sizeof in) == 0 || errno == EINPROGRESS);
    return fd;
}

static void on_later(struct ev_loop *loop, ev_timer *w, int events)
{
    int fd = make_socket(false);
    (void)loop, (void)w, (void)events;
    app.answer = redw_open_done(r.client, app.last, fd, 0);
    if (app.answer != REDW_OK)
        close(fd);
    ck_assert_int_eq(redw_open_done(r.client, app.last, 0, 0), REDW_ENOENT); /* once */
}

static int on_open(redw_client *c, redw_id opening, const char *host, uint16_t port, void *ctx)
{
    ck_assert_ptr_eq(ctx, &app);
    ck_assert_int_ne(opening, app.last);
    app.calls++;
    app.last = opening;
    snprintf(app.host, sizeof app.host, "%s", host);
    app.port = port;
    if (app.inside)
        app.inside(c);
    if (app.refusals) {
        app.refusals--;
        errno = ECONNREFUSED;
        return -1;
    }
    if (app.later) {
        ev_now_update(r.loop);
        ev_timer_init(&app.timer, on_later, 0.02, 0);
        ev_timer_start(r.loop, &app.timer);
    }
    if (app.later || app.nothing)
        return REDW_OPEN_LATER;
    return make_socket(true);
}

static void begin(const char *uri, uint32_t connect_timeout_ms)
{
    struct redw_diag why;
    memset(&app, 0, sizeof app);
    lab_open(&r);
    ck_assert_msg(lab_client(&r, REDW_OPTIONS(.uri = uri, .password = pg_server()->password, .pool_max = 1,
                                              .connect_timeout_ms = connect_timeout_ms, .open = on_open,
                                              .open_ctx = &app),
                             &why) == 0,
                  "%s", why.text);
}

/* As the socket's descriptor is not counted when the application makes it, the guard of descriptors tells. */
static void end(void)
{
    ck_assert(lab_close(&r));
}

static const char *nowhere(void)
{
    return "postgresql://plain@nowhere.invalid:4321/redw?sslmode=disable";
}

static void must_answer_one(void)
{
    struct answer a = lab_query(&r, REDW_QUERY("select 1"));
    ck_assert_str_eq(answer_text(&a), "1");
    answer_release(&a);
}

START_TEST(A11_a_socket_at_once_or_later_is_used_and_no_name_is_looked_up)
{
    for (int later = 0; later < 2; later++) {
        begin(nowhere(), 0);
        app.later = later;
        must_answer_one();
        must_answer_one();
        ck_assert_uint_eq(app.calls, 1);
        ck_assert_str_eq(app.host, "nowhere.invalid");
        ck_assert_uint_eq(app.port, 4321);
        struct redwi_conn *c = REDWI_OF(r.client->places[REDWI_AT_IDLE].next, struct redwi_conn, link);
        ck_assert_int_ne(fcntl(c->priv->transport.fd, F_GETFL) & O_NONBLOCK, 0);
        ck_assert_int_ne(fcntl(c->priv->transport.fd, F_GETFD) & FD_CLOEXEC, 0);
        ck_assert_int_eq(redw_open_done(r.client, app.last, 0, 0), REDW_ENOENT);
        ck_assert_int_eq(redw_open_done(r.client, 0, 0, 0), REDW_ENOENT);
        end();
    }
}
END_TEST

START_TEST(A11_tls_checks_the_host_of_the_uri_whatever_the_socket_leads_to)
{
    char uri[1200];
    snprintf(uri, sizeof uri, "postgresql://redw@localhost:1/redw?sslrootcert=%s", pg_server()->cafile);
    begin(uri, 0);
    must_answer_one();
    end();
    snprintf(uri, sizeof uri, "postgresql://redw@other.invalid:1/redw?sslrootcert=%s", pg_server()->cafile);
    begin(uri, 0);
    struct answer a = lab_query(&r, REDW_QUERY("select 1"));
    ck_assert_int_eq(redw_error_code(answer_error(&a)), REDW_ETLS);
    ck_assert_ptr_nonnull(strstr(redw_error_message(answer_error(&a)), "connect: other.invalid:1: "));
    ck_assert_uint_eq(app.calls, 1); /* and is not tried again */
    answer_release(&a);
    end();
}
END_TEST

START_TEST(A11_a_cancel_gets_a_socket_of_its_own)
{
    for (int later = 0; later < 2; later++) {
        struct answer a;
        begin("postgresql://redw@nowhere.invalid:4321/redw?sslmode=require", 0);
        app.later = later;
        lab_submit(&r, &a, REDW_QUERY("select pg_sleep(17.17)"));
        lab_run_until_active(&r, "select pg_sleep(17.17)");
        ck_assert_int_eq(redw_cancel(r.client, a.id), 0);
        ck_assert(lab_wait(&r, &a.calls, 1));
        ck_assert_str_eq(redw_error_sqlstate(answer_error(&a)), "57014");
        ck_assert_uint_ge(app.calls, 2);
        answer_release(&a);
        must_answer_one();
        end();
    }
}
END_TEST

START_TEST(A11_A21_a_refusal_of_the_application_is_tried_again)
{
    begin(nowhere(), 0);
    app.refusals = 2;
    must_answer_one();
    ck_assert_uint_eq(app.calls, 3);
    end();
}
END_TEST

START_TEST(A11_a_socket_that_never_comes_costs_the_connect_deadline)
{
    begin(nowhere(), 60);
    app.nothing = true;
    struct answer a = lab_query(&r, REDW_QUERY("select 1"));
    ck_assert_int_eq(redw_error_code(answer_error(&a)), REDW_ETIMEDOUT);
    ck_assert_int_eq(redw_error_outcome(answer_error(&a)), REDW_OUTCOME_NOT_SENT);
    ck_assert_ptr_nonnull(strstr(redw_error_message(answer_error(&a)), "timed out: no socket was given"));
    answer_release(&a);
    int fd = make_socket(false);
    ck_assert_int_eq(redw_open_done(r.client, app.last, fd, 0), REDW_ENOENT); /* too late, and still ours */
    ck_assert_int_eq(close(fd), 0);
    end();
}
END_TEST

static void destroy(redw_client *c)
{
    redw_client_destroy(c);
    r.client = NULL;
}

static void close_now(redw_client *c)
{
    redw_client_close(c, 0, NULL, NULL);
}

static void forget_all(redw_client *c)
{
    for (redw_id id = 1; id < 5; id++)
        (void)!redw_forget(c, id);
}

START_TEST(A11_inside_open_the_client_may_be_closed_destroyed_and_used)
{
    static void (*const acts[])(redw_client *) = {destroy, close_now, forget_all};
    for (int i = 0; i < 6; i++) {
        struct answer a;
        begin(nowhere(), 0);
        app.inside = acts[i / 2];
        app.nothing = i % 2;
        lab_submit(&r, &a, REDW_QUERY("select 1"));
        lab_run_ms(&r, 30);
        ck_assert_uint_eq(app.calls, 1);
        ck_assert_uint_eq(a.calls, i / 2 == 2 ? 0 : 1);
        if (a.calls)
            ck_assert_int_eq(redw_error_class(answer_error(&a)), REDW_CLASS_CLOSED);
        answer_release(&a);
        end();
    }
}
END_TEST

/* The session goes through a proxy that holds the statement back, the cancels go past it. */
static struct proxy *proxy;

static int open_past_the_proxy(redw_client *c, redw_id opening, const char *host, uint16_t port, void *ctx)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void)c, (void)opening, (void)host, (void)port, (void)ctx;
    in.sin_port = htons(app.calls++ == 0 ? proxy_port(proxy) : (uint16_t)strtoul(pg_server()->port, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert(connect(fd, (struct sockaddr *)&in, sizeof in) == 0 || errno == EINPROGRESS);
    return fd;
}

START_TEST(K05_a_cancel_that_overtook_its_statement_stops_it_all_the_same)
{
    const char *none = "";
    struct redw_diag why;
    struct answer a;
    proxy = proxy_start(&(const struct proxy_config){0}, &none);
    memset(&app, 0, sizeof app);
    lab_open(&r);
    ck_assert_int_eq(lab_client(&r, REDW_OPTIONS(.uri = proxy_uri(proxy), .password = pg_server()->password,
                                                 .pool_max = 1, .open = open_past_the_proxy),
                                &why),
                     0);
    must_answer_one();
    proxy_mode(proxy, PROXY_STALL);
    lab_submit(&r, &a, REDW_QUERY("select pg_sleep(18.18)"));
    lab_run_ms(&r, 5); /* it has left */
    ck_assert_int_eq(redw_cancel(r.client, a.id), 0);
    while (app.calls < 2 || r.client->counts[REDWI_AT_SIDE] > 0) /* the server took it, and had nothing to stop */
        lab_run_ms(&r, 1);
    proxy_mode(proxy, PROXY_FORWARD);
    ck_assert(lab_wait(&r, &a.calls, 1));
    ck_assert_str_eq(redw_error_sqlstate(answer_error(&a)), "57014");
    ck_assert_int_eq(redw_error_cause(answer_error(&a)), REDW_CAUSE_CALLER);
    ck_assert_uint_ge(app.calls, 3);
    answer_release(&a);
    must_answer_one(); /* on the same connection, and nobody stops it */
    ck_assert_uint_eq(r.client->nopened, app.calls);
    end();
    proxy_stop(proxy);
}
END_TEST

int main(void)
{
    pg_server();
    Suite *suite = suite_create("open");
    TCase *t = tcase_create("open");
    tcase_set_timeout(t, 30);
    tcase_add_test(t, A11_a_socket_at_once_or_later_is_used_and_no_name_is_looked_up);
    tcase_add_test(t, A11_tls_checks_the_host_of_the_uri_whatever_the_socket_leads_to);
    tcase_add_test(t, A11_a_cancel_gets_a_socket_of_its_own);
    tcase_add_test(t, A11_A21_a_refusal_of_the_application_is_tried_again);
    tcase_add_test(t, A11_a_socket_that_never_comes_costs_the_connect_deadline);
    tcase_add_test(t, A11_inside_open_the_client_may_be_closed_destroyed_and_used);
    tcase_add_test(t, K05_a_cancel_that_overtook_its_statement_stops_it_all_the_same);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
