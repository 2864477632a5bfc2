/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A01, A12, A13, B01, B03: Getting in, and being kept out: TLS modes, login methods, addresses, PgBouncer,
 * against a real server; servers that do not offer TLS are made of a few lines below.
 */
#include "support/pg.h"
#include "support/lab.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct lab r;

/* A URI of the test server with another host, user or setting: "SCHEME user@host settings". */
static const char *uri_of(const char *user, const char *host, const char *port, const char *settings)
{
    static char uri[1500];
    snprintf(uri, sizeof uri, "postgresql://%s@%s:%s/redw?%s", user, host, port, settings);
    return uri;
}

static const char *setting(const char *mode, const char *root)
{
    static char text[700];
    snprintf(text, sizeof text, "sslmode=%s%s%s", mode, root ? "&sslrootcert=" : "", root ? root : "");
    return text;
}

/* One query on a client of its own. */
static struct answer ask(const char *uri, const char *password)
{
    struct redw_diag why;
    ck_assert_msg(lab_client(&r, REDW_OPTIONS(.uri = uri, .password = password, .connect_timeout_ms = 3000,
                                              .request_timeout_ms = 15000),
                             &why) == 0,
                  "%s", why.text);
    return lab_query(&r, REDW_QUERY("select current_user::text || coalesce((select ' ' || version from "
                                    "pg_stat_ssl where pid = pg_backend_pid() and ssl), ' plain')"));
}

static void end(struct answer *a)
{
    answer_release(a);
    redw_client_destroy(r.client);
    r.client = NULL;
}

static void must_enter(const char *uri, const char *as)
{
    struct answer a = ask(uri, pg_server()->password);
    ck_assert_str_eq(answer_text(&a), as);
    end(&a);
}

/* Refused with this code and class, nothing sent, and not a word of the password. */
static void must_stay_out(const char *uri, const char *password, int code, enum redw_class cls, const char *says)
{
    struct answer a = ask(uri, password);
    const redw_error *e = answer_error(&a);
    const char *text = redw_error_message(e);
    ck_assert_ptr_nonnull(e);
    ck_assert_msg(redw_error_code(e) == code, "%s: %s", redw_strerror(redw_error_code(e)), text);
    ck_assert_msg(redw_error_class(e) == cls, "%s: %s", redw_class_name(redw_error_class(e)), text);
    ck_assert_msg(redw_error_outcome(e) == REDW_OUTCOME_NOT_SENT, "%s",
                  redw_outcome_name(redw_error_outcome(e)));
    ck_assert_msg(strstr(text, says) != NULL, "'%s' not in: %s", says, text);
    ck_assert_msg(password == NULL || strstr(text, password) == NULL, "%s", text);
    end(&a);
}

START_TEST(verified_tls_and_scram_let_in)
{
    const struct pg_server *s = pg_server();
    lab_open(&r);
    must_enter(s->uri, "redw TLSv1.3");
    must_enter(uri_of("redw", "127.0.0.1", s->port, setting("verify-full", s->cafile)), "redw TLSv1.3");
    must_enter(uri_of("redw", "localhost", s->port, setting("verify-ca", s->cafile)), "redw TLSv1.3");
    must_enter(uri_of("redw", "127.0.0.2", s->port, setting("verify-ca", s->cafile)), "redw TLSv1.3");
    must_enter(uri_of("redw", "127.0.0.2", s->port, setting("require", NULL)), "redw TLSv1.3");
    ck_assert(lab_close(&r));
}
END_TEST

START_TEST(an_ipv6_literal_is_an_address_and_a_name_of_the_certificate)
{
    const struct pg_server *s = pg_server();
    if (access("/proc/net/if_inet6", R_OK) != 0)
        return; /* a kernel without IPv6 */
    lab_open(&r);
    must_enter(uri_of("redw", "[::1]", s->port, setting("verify-full", s->cafile)), "redw TLSv1.3");
    ck_assert(lab_close(&r));
}
END_TEST

/* H7: MD5 proves nothing about the server, so TLS has to; cleartext only if asked for. */
START_TEST(md5_is_answered_inside_verified_tls_only_and_cleartext_never_unasked)
{
    const struct pg_server *s = pg_server();
    lab_open(&r);
    must_enter(s->md5uri, "redw_md5 TLSv1.3");
    must_stay_out(uri_of("redw_md5", "localhost", s->port, setting("require", NULL)), s->password, REDW_EAUTH,
                  REDW_CLASS_AUTHENTICATION_FAILED, "MD5");
    must_stay_out(s->clearuri, s->password, REDW_EAUTH, REDW_CLASS_AUTHENTICATION_FAILED, "cleartext");
    ck_assert(lab_close(&r));
}
END_TEST

START_TEST(without_tls_over_tcp_and_over_a_unix_socket)
{
    const struct pg_server *s = pg_server();
    lab_open(&r);
    must_enter(s->plainuri, "plain plain");
    must_enter(s->unixuri, "redw plain");
    ck_assert(lab_close(&r));
}
END_TEST

START_TEST(a_role_without_password_needs_none)
{
    lab_open(&r);
    struct answer a = ask(pg_server()->adminuri, NULL);
    ck_assert_str_eq(answer_text(&a), "postgres plain");
    end(&a);
    ck_assert(lab_close(&r));
}
END_TEST

static void on_closed(void *ctx)
{
    ++*(unsigned *)ctx;
}

START_TEST(through_pgbouncer)
{
    const struct pg_server *s = pg_server();
    if (s->bounceruri[0] == '\0')
        return; /* run without it */
    lab_open(&r);
    must_enter(s->bounceruri, "redw plain"); /* the server sees the bouncer's own connection */
    must_enter(s->bouncerplainuri, "plain plain");

    lab_pool(&r, s->bounceruri, s->password, 10);
    struct answer a[100];
    for (size_t i = 0; i < 100; i++)
        lab_submit(&r, &a[i], REDW_QUERY("select $1", redw_p_int64((int64_t)i)));
    for (size_t i = 0; i < 100; i++) {
        char text[24];
        ck_assert(lab_wait(&r, &a[i].calls, 1));
        snprintf(text, sizeof text, "%zu", i);
        ck_assert_str_eq(answer_text(&a[i]), text);
        answer_release(&a[i]);
    }
    /* A cancel finds its way through the bouncer too. */
    struct answer slow;
    lab_submit(&r, &slow, REDW_QUERY("select pg_sleep(30)"));
    lab_run_until_active(&r, "select pg_sleep(30)");
    ck_assert_int_eq(redw_cancel(r.client, slow.id), 0);
    ck_assert(lab_wait(&r, &slow.calls, 1));
    ck_assert_str_eq(redw_error_sqlstate(answer_error(&slow)), "57014");
    answer_release(&slow);
    /* PgBouncer 1.18 ends itself ("bad client state") when the connection that brought a cancel is closed
     * before it has passed it on; a graceful close waits for it. */
    unsigned closed = 0;
    redw_client_close(r.client, 5000, on_closed, &closed);
    ck_assert(lab_wait(&r, &closed, 1));
    ck_assert(lab_close(&r));
}
END_TEST

START_TEST(a_wrong_password_user_or_database_is_told_as_the_server_tells_it)
{
    const struct pg_server *s = pg_server();
    lab_open(&r);
    must_stay_out(s->uri, "not the password", REDW_EAUTH, REDW_CLASS_AUTHENTICATION_FAILED,
                  "password authentication failed");
    must_stay_out(uri_of("nobody", "localhost", s->port, setting("verify-full", s->cafile)), s->password,
                  REDW_EAUTH, REDW_CLASS_AUTHENTICATION_FAILED, "password authentication failed");
    must_stay_out(s->uri, NULL, REDW_EAUTH, REDW_CLASS_AUTHENTICATION_FAILED, "password");
    /* Role redw may not come without TLS. */
    must_stay_out(uri_of("redw", "127.0.0.1", s->port, setting("disable", NULL)), s->password, REDW_EAUTH,
                  REDW_CLASS_AUTHENTICATION_FAILED, "no pg_hba.conf entry");

    char uri[1500];
    snprintf(uri, sizeof uri, "postgresql://redw@localhost:%s/nowhere?sslmode=verify-full&sslrootcert=%s",
             s->port, s->cafile);
    struct answer a = ask(uri, s->password);
    ck_assert_str_eq(redw_error_sqlstate(answer_error(&a)), "3D000");
    ck_assert_int_eq(redw_error_outcome(answer_error(&a)), REDW_OUTCOME_NOT_SENT);
    end(&a);
    ck_assert(lab_close(&r));
}
END_TEST

/* A14 */
START_TEST(a_certificate_that_is_not_trusted_or_not_the_hosts_is_refused)
{
    const struct pg_server *s = pg_server();
    lab_open(&r);
    must_stay_out(uri_of("redw", "localhost", s->port, setting("verify-full", s->otherca)), s->password,
                  REDW_ETLS, REDW_CLASS_CONNECTION_FAILED, "certificate");
    must_stay_out(uri_of("redw", "localhost", s->port, setting("verify-ca", s->otherca)), s->password,
                  REDW_ETLS, REDW_CLASS_CONNECTION_FAILED, "certificate");
    must_stay_out(uri_of("redw", "127.0.0.2", s->port, setting("verify-full", s->cafile)), s->password,
                  REDW_ETLS, REDW_CLASS_CONNECTION_FAILED, "127.0.0.2");
    /* verify-full is what is done when nothing is said; the system does not trust the test's authority. */
    must_stay_out(uri_of("redw", "localhost", s->port, ""), s->password, REDW_ETLS,
                  REDW_CLASS_CONNECTION_FAILED, "certificate");
    ck_assert(lab_close(&r));
}
END_TEST

START_TEST(a_ca_file_that_cannot_be_used_is_told_at_create)
{
    struct redw_diag why;
    lab_open(&r);
    ck_assert_int_eq(lab_client(&r, REDW_OPTIONS(.uri = "postgresql://a@b/c", .ca_file = "/nowhere/ca.pem"),
                                &why),
                     REDW_ETLS);
    ck_assert_ptr_null(r.client);
    ck_assert_msg(strstr(why.text, "/nowhere/ca.pem") != NULL, "%s", why.text);
    ck_assert(lab_close(&r));
}
END_TEST

/* --- servers that do not speak TLS ----------------------------------------------------------------- */

struct fake {
    ev_io accept, conn;
    int port;
    redw_slice reply; /* to the first bytes; NULL: silence; empty: closes */
    char got[256];     /* everything the client sent, of all connections */
    size_t n;
    unsigned conns;
};

static void fake_read(struct ev_loop *loop, ev_io *w, int events)
{
    struct fake *f = w->data;
    ssize_t n = recv(w->fd, f->got + f->n, sizeof f->got - f->n, 0);
    (void)events;
    if (n > 0)
        f->n += (size_t)n;
    if (n > 0 && f->reply.len > 0)
        ck_assert_int_gt(send(w->fd, f->reply.ptr, f->reply.len, MSG_NOSIGNAL), 0);
    if (n <= 0 || (f->reply.ptr != NULL && f->reply.len == 0)) {
        ev_io_stop(loop, w);
        close(w->fd);
        w->fd = -1;
    }
}

static void fake_accept(struct ev_loop *loop, ev_io *w, int events)
{
    struct fake *f = w->data;
    (void)events;
    int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    f->conns++;
    if (f->conn.fd >= 0) { /* one at a time */
        ev_io_stop(loop, &f->conn);
        close(f->conn.fd);
    }
    ev_io_init(&f->conn, fake_read, fd, EV_READ);
    f->conn.data = f;
    ev_io_start(loop, &f->conn);
}

static void fake_start(struct fake *f, redw_slice reply)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    memset(f, 0, sizeof *f);
    f->reply = reply;
    f->conn.fd = -1;
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    f->port = ntohs(a.sin_port);
    ev_io_init(&f->accept, fake_accept, fd, EV_READ);
    f->accept.data = f;
    ev_io_start(r.loop, &f->accept);
}

static void fake_stop(struct fake *f)
{
    ev_io_stop(r.loop, &f->accept);
    close(f->accept.fd);
    ev_io_stop(r.loop, &f->conn);
    if (f->conn.fd >= 0)
        close(f->conn.fd);
}

/* A18 */
START_TEST(without_tls_on_the_other_side_nothing_but_the_question_leaves)
{
    static const struct {
        redw_slice reply;
        int code;
        const char *says;
    } cases[] = {
#define BYTES(text) {text, sizeof text - 1}
        {BYTES("N"), REDW_ETLS, "TLS"},
        {BYTES(""), REDW_ECONNECT, ""},                    /* closes */
        {BYTES("E\0\0\0\tMno\0\0"), REDW_ETLS, ""},        /* from before TLS was known: never shown */
        {BYTES("HTTP/1.1 400 Bad Request\r\n\r\n"), REDW_ETLS, ""},
        {BYTES("SR\0\0\0\b\0\0\0\0"), REDW_ETLS, ""}, /* bytes behind the S [CVE-2021-23222] */
        {{NULL, 0}, REDW_ETIMEDOUT, ""},                   /* silence */
    };
    static const char ssl_request[] = "\0\0\0\b\x04\xd2\x16\x2f";
    lab_open(&r);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fake f;
        char uri[200];
        struct redw_diag why;
        fake_start(&f, cases[i].reply);
        snprintf(uri, sizeof uri, "postgresql://somebody@127.0.0.1:%d/db", f.port);
        ck_assert_int_eq(lab_client(&r, REDW_OPTIONS(.uri = uri, .password = "very secret",
                                                     .connect_timeout_ms = 300),
                                    &why),
                         0);
        struct answer a = lab_query(&r, REDW_QUERY("select 1"));
        const redw_error *e = answer_error(&a);
        ck_assert_msg(redw_error_code(e) == cases[i].code, "case %zu: %s: %s", i,
                      redw_strerror(redw_error_code(e)), redw_error_message(e));
        ck_assert_msg(strstr(redw_error_message(e), cases[i].says) != NULL, "%s", redw_error_message(e));
        ck_assert_int_eq(redw_error_outcome(e), REDW_OUTCOME_NOT_SENT);
        ck_assert_uint_ge(f.conns, 1);
        ck_assert_uint_eq(f.n % 8, 0);
        ck_assert_uint_ge(f.n, 8);
        for (size_t k = 0; k < f.n; k += 8)
            ck_assert_msg(memcmp(f.got + k, ssl_request, 8) == 0, "case %zu: something else left in clear", i);
        end(&a);
        fake_stop(&f);
    }
    ck_assert(lab_close(&r));
}
END_TEST

START_TEST(a_refused_port_and_an_unknown_name_are_told)
{
    struct fake f;
    char uri[200];
    lab_open(&r);
    fake_start(&f, (redw_slice){NULL, 0}); /* for a port that nobody listens on */
    fake_stop(&f);
    snprintf(uri, sizeof uri, "postgresql://a@127.0.0.1:%d/b", f.port);
    struct answer a = ask(uri, NULL);
    const redw_error *e = answer_error(&a);
    ck_assert_int_eq(redw_error_code(e), REDW_ECONNECT);
    ck_assert_int_eq(redw_error_class(e), REDW_CLASS_CONNECTION_FAILED);
    ck_assert_int_eq(redw_error_outcome(e), REDW_OUTCOME_NOT_SENT);
    ck_assert_int_eq(redw_error_origin(e), REDW_ORIGIN_OS);
    ck_assert_int_eq(redw_error_errno(e), ECONNREFUSED);
    snprintf(uri, sizeof uri, "127.0.0.1:%d", f.port);
    ck_assert_msg(strstr(redw_error_message(e), uri) != NULL, "%s", redw_error_message(e));
    end(&a);

    a = ask("postgresql://a@no-such-host.invalid/b", NULL);
    e = answer_error(&a);
    ck_assert_int_eq(redw_error_class(e), REDW_CLASS_CONNECTION_FAILED);
    ck_assert_int_eq(redw_error_outcome(e), REDW_OUTCOME_NOT_SENT);
    ck_assert_msg(strstr(redw_error_message(e), "no-such-host.invalid") != NULL, "%s", redw_error_message(e));
    end(&a);

    a = ask("postgresql://a@/b?host=/nowhere/at/all", NULL);
    e = answer_error(&a);
    ck_assert_int_eq(redw_error_code(e), REDW_ECONNECT);
    ck_assert_int_eq(redw_error_errno(e), ENOENT);
    end(&a);
    ck_assert(lab_close(&r));
}
END_TEST

/* --- ready ------------------------------------------------------------------------------------------- */

struct readiness {
    unsigned calls;
    int code;
};

static void on_ready(const redw_error *err, void *ctx)
{
    struct readiness *y = ctx;
    y->calls++;
    y->code = redw_error_code(err);
}

START_TEST(ready_reports_once_an_open_connection_or_why_not)
{
    const struct pg_server *s = pg_server();
    struct readiness y = {0};
    lab_open(&r);
    lab_pool(&r, s->uri, s->password, 3);
    for (unsigned i = 1; i <= 2; i++) { /* the second time one is open already */
        ck_assert_int_gt(redw_client_ready(r.client, 0, on_ready, &y), 0);
        ck_assert_uint_eq(y.calls, i - 1);
        ck_assert(lab_wait(&r, &y.calls, i));
        ck_assert_int_eq(y.code, REDW_OK);
    }
    ck_assert_uint_eq(r.fault.opened, 1);
    ck_assert_int_eq(redw_client_ready(r.client, 0, NULL, NULL), REDW_EINVAL);
    redw_client_destroy(r.client);

    struct fake f;
    char uri[200];
    struct redw_diag why;
    fake_start(&f, (redw_slice){NULL, 0}); /* silence */
    snprintf(uri, sizeof uri, "postgresql://a@127.0.0.1:%d/b", f.port);
    ck_assert_int_eq(lab_client(&r, REDW_OPTIONS(.uri = uri), &why), 0);
    y = (struct readiness){0};
    ck_assert_int_gt(redw_client_ready(r.client, 100, on_ready, &y), 0);
    ck_assert(lab_wait(&r, &y.calls, 1));
    ck_assert_int_eq(y.code, REDW_ETIMEDOUT);

    redw_id id = redw_client_ready(r.client, 50, on_ready, &y); /* forgotten: never told */
    ck_assert_int_gt(id, 0);
    ck_assert_int_eq(redw_forget(r.client, id), 0);
    ck_assert_int_eq(redw_forget(r.client, id), REDW_ENOENT);
    lab_run_ms(&r, 150);
    ck_assert_uint_eq(y.calls, 1);
    redw_client_destroy(r.client);
    r.client = NULL;
    fake_stop(&f);
    ck_assert(lab_close(&r));
}
END_TEST

START_TEST(logging_in_never_keeps_the_loop_for_more_than_ten_milliseconds)
{
    const struct pg_server *s = pg_server();
    lab_open(&r);
    for (int i = 0; i < 5; i++)
        must_enter(s->uri, "redw TLSv1.3");
    printf("connect: longest callback %lld us, %lld us of CPU\n", (long long)r.probe.longest_us,
           (long long)r.probe.longest_cpu_us);
#ifdef __SANITIZE_ADDRESS__
    ck_assert_int_le(r.probe.longest_cpu_us, 50000);
#else
    ck_assert_int_le(r.probe.longest_cpu_us, 10000);
#endif
    ck_assert(lab_close(&r));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("connect");
    TCase *t = tcase_create("connect");
    pg_server();
    tcase_add_test(t, verified_tls_and_scram_let_in);
    tcase_add_test(t, an_ipv6_literal_is_an_address_and_a_name_of_the_certificate);
    tcase_add_test(t, md5_is_answered_inside_verified_tls_only_and_cleartext_never_unasked);
    tcase_add_test(t, without_tls_over_tcp_and_over_a_unix_socket);
    tcase_add_test(t, a_role_without_password_needs_none);
    tcase_add_test(t, through_pgbouncer);
    tcase_add_test(t, a_wrong_password_user_or_database_is_told_as_the_server_tells_it);
    tcase_add_test(t, a_certificate_that_is_not_trusted_or_not_the_hosts_is_refused);
    tcase_add_test(t, a_ca_file_that_cannot_be_used_is_told_at_create);
    tcase_add_test(t, without_tls_on_the_other_side_nothing_but_the_question_leaves);
    tcase_add_test(t, a_refused_port_and_an_unknown_name_are_told);
    tcase_add_test(t, ready_reports_once_an_open_connection_or_why_not);
    tcase_add_test(t, logging_in_never_keeps_the_loop_for_more_than_ten_milliseconds);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
