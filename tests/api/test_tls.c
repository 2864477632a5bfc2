/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A12, A13, A15, A16: TLS with a real server: modes against roots and names, client certificates, a
 * verification name of its own, roots replaced between two connections, direct TLS with a server that does
 * not know it, facts. What no server in its right mind presents is in tests/wire/test_tls_policy.c.
 */
#include "support/certs.h"
#include "support/lab.h"
#include "support/pg.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct lab r;

static void open_client(const char *uri, const struct redw_options *more)
{
    struct redw_diag why;
    struct redw_options o = *more;
    o.uri = uri;
    o.password = pg_server()->password;
    o.pool_max = 1;
    o.connect_timeout_ms = 10000;
    ck_assert_msg(lab_client(&r, &o, &why) == 0, "%s", why.text);
}

static void close_client(void)
{
    redw_client_destroy(r.client);
    r.client = NULL;
}

/* NULL: let in; else refused with this in the message, and nothing sent. */
static void expect(const char *refusal)
{
    struct answer a = lab_query(&r, REDW_QUERY("select current_user::text"));
    const redw_error *e = answer_error(&a);
    if (refusal == NULL) {
        ck_assert_msg(e == NULL, "%s", redw_error_message(e));
    } else {
        ck_assert_ptr_nonnull(e);
        ck_assert_msg(strstr(redw_error_message(e), refusal) != NULL, "\"%s\" is not in: %s", refusal,
                      redw_error_message(e));
        ck_assert_int_eq(redw_error_outcome(e), REDW_OUTCOME_NOT_SENT);
    }
    answer_release(&a);
}

static void copy_file(const char *to, const char *from)
{
    char text[16384], beside[600];
    FILE *in = fopen(from, "r"), *out;
    snprintf(beside, sizeof beside, "%s.new", to);
    out = fopen(beside, "w");
    ck_assert(in != NULL && out != NULL);
    size_t n = fread(text, 1, sizeof text, in);
    ck_assert_uint_eq(fwrite(text, 1, n, out), n);
    ck_assert_int_eq(fclose(in) | fclose(out), 0);
    ck_assert_int_eq(rename(beside, to), 0);
}

START_TEST(modes_against_roots_and_names)
{
    const struct pg_server *s = pg_server();
    enum { TRUSTED, STRANGE, SYSTEM, BOTH, ROOTS };
    char both[600];
    snprintf(both, sizeof both, "system,%s", s->cafile);
    const char *const roots[ROOTS] = {s->cafile, s->otherca, "system", both};
    static const struct {
        const char *host, *mode;
        const char *trusted, *untrusted; /* what is said; NULL: let in */
    } table[] = {
        {"localhost", "verify-full", NULL, "not trusted"},
        {"127.0.0.1", "verify-full", NULL, "not trusted"},
        {"127.0.0.2", "verify-full",
         "not for \"127.0.0.2\"; it is for \"localhost\", 127.0.0.1, ::1", "not trusted"},
        {"localhost", "verify-ca", NULL, "not trusted"},
        {"127.0.0.2", "verify-ca", NULL, "not trusted"},
        {"localhost", "require", NULL, NULL},
        {"127.0.0.2", "require", NULL, NULL},
    };
    lab_open(&r);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        bool verifies = strcmp(table[i].mode, "require") != 0;
        for (int root = 0; root < (verifies ? ROOTS : 1); root++) {
            char uri[300];
            snprintf(uri, sizeof uri, "postgresql://redw@%s:%s/redw?sslmode=%s", table[i].host, s->port,
                     table[i].mode);
            open_client(uri, REDW_OPTIONS(.ca_file = verifies ? roots[root] : NULL));
            expect(root == TRUSTED || root == BOTH ? table[i].trusted : table[i].untrusted);
            close_client();
        }
    }
    ck_assert(lab_close(&r));
}
END_TEST

START_TEST(a_client_certificate_lets_in_without_a_password)
{
    const struct pg_server *s = pg_server();
    char uri[300];
    if (s->certuri[0] == '\0')
        return; /* a server that was started by something older */
    lab_open(&r);
    open_client(s->certuri, REDW_OPTIONS());
    struct answer a = lab_query(&r, REDW_QUERY("select current_user::text"));
    ck_assert_str_eq(answer_text(&a), "redw_cert");
    answer_release(&a);
    close_client();

    snprintf(uri, sizeof uri, "postgresql://redw_cert@localhost:%s/redw", s->port);
    open_client(uri, REDW_OPTIONS(.ca_file = s->cafile));
    expect("connection requires a valid client certificate");
    close_client();
    ck_assert(lab_close(&r));
}
END_TEST

/* A11 */
START_TEST(through_a_tunnel_the_servers_own_name_is_verified)
{
    const struct pg_server *s = pg_server();
    char uri[300];
    lab_open(&r);
    snprintf(uri, sizeof uri, "postgresql://redw@127.0.0.2:%s/redw?sslname=localhost", s->port);
    open_client(uri, REDW_OPTIONS(.ca_file = s->cafile));
    expect(NULL);
    close_client();
    open_client(uri, REDW_OPTIONS(.ca_file = s->cafile, .tls_name = "db.example"));
    expect("not for \"db.example\"");
    close_client();
    ck_assert(lab_close(&r));
}
END_TEST

START_TEST(replaced_roots_need_no_restart)
{
    const struct pg_server *s = pg_server();
    const char *path = cert_path("roots.pem");
    char uri[300];
    lab_open(&r);
    copy_file(path, s->otherca);
    snprintf(uri, sizeof uri, "postgresql://redw@localhost:%s/redw", s->port);
    open_client(uri, REDW_OPTIONS(.ca_file = path));
    expect("not trusted");
    copy_file(path, s->cafile);
    expect(NULL);
    close_client();
    ck_assert(lab_close(&r));
}
END_TEST

/* A17 */
START_TEST(direct_tls_with_a_server_before_17_fails_with_a_hint)
{
    char uri[1200];
    lab_open(&r);
    snprintf(uri, sizeof uri, "%s&sslnegotiation=direct", pg_server()->uri);
    open_client(uri, REDW_OPTIONS());
    expect("does it know sslnegotiation=direct?");
    close_client();
    ck_assert(lab_close(&r));
}
END_TEST

START_TEST(facts_of_the_handshake_can_be_read)
{
    struct redw_tls_facts facts = {.size = sizeof facts};
    lab_open(&r);
    open_client(pg_server()->uri, REDW_OPTIONS());
    ck_assert_int_eq(redw_client_tls_facts(r.client, &facts), REDW_ENOENT);
    expect(NULL);
    ck_assert_int_eq(redw_client_tls_facts(r.client, &facts), 0);
    ck_assert_uint_eq(facts.size, sizeof facts);
    ck_assert_str_eq(facts.version, "TLSv1.3");
    ck_assert_str_eq(facts.subject, "CN = localhost");
    ck_assert_str_eq(facts.issuer, "CN = redw test ca");
    ck_assert_uint_eq(strlen(facts.fingerprint), 64);
    ck_assert_int_gt(facts.not_after_s, 1700000000);

    facts.size = sizeof facts - 1;
    ck_assert_int_eq(redw_client_tls_facts(r.client, &facts), REDW_EINVAL);
    ck_assert_int_eq(redw_client_tls_facts(r.client, NULL), REDW_EINVAL);
    close_client();

    facts.size = sizeof facts;
    open_client(pg_server()->plainuri, REDW_OPTIONS());
    expect(NULL);
    ck_assert_int_eq(redw_client_tls_facts(r.client, &facts), REDW_ENOENT);
    close_client();
    ck_assert(lab_close(&r));
}
END_TEST

int main(void)
{
    pg_server();
    Suite *s = suite_create("tls");
    TCase *t = tcase_create("tls");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, modes_against_roots_and_names);
    tcase_add_test(t, a_client_certificate_lets_in_without_a_password);
    tcase_add_test(t, through_a_tunnel_the_servers_own_name_is_verified);
    tcase_add_test(t, replaced_roots_need_no_restart);
    tcase_add_test(t, direct_tls_with_a_server_before_17_fails_with_a_hint);
    tcase_add_test(t, facts_of_the_handshake_can_be_read);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
