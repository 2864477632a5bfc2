/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redshift's startup names at servers that do not know them: one more attempt inside the same deadline
 * without them, remembered once it has succeeded; and never more than one.
 */
#include "pool/drive.h"
#include "support/certs.h"
#include "support/conn_rig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const columns[] = {"a"};
static const char *const cells[] = {"1"};
static const struct peer_statement statements[] = {
    {.sql = "select", .columns = columns, .ncolumns = 1, .cells = cells, .nrows = 1, .tag = "SELECT 1"}};

static struct rig rig;

static struct rig_server *serve(const struct peer_config *config)
{
    struct peer_config c = *config;
    c.statements = statements;
    c.nstatements = 1;
    struct rig_server *s = rig_listen(&rig, &c, NULL);
    rig_target(&rig, "127.0.0.1", s->port);
    rig.settings.redshift = true;
    strcpy(rig.settings.os_version, "Test 1");
    return s;
}

static void run_a_job(void)
{
    struct rig_job j;
    int n = rig.nended;
    rig_job_init(&rig, &j, "select");
    rig_start(&rig, &j);
    rig_run_until(&rig, &rig.nended, n + 1);
    ck_assert_str_eq(j.text, "1;");
    rig_job_fini(&j);
}

START_TEST(a_server_that_knows_the_names_is_told_all_of_them)
{
    rig_open(&rig);
    struct rig_server *s = serve(&(struct peer_config){.redshift = true});
    rig_login(&rig);
    const struct peer *p = &rig_peer_of(s, 0)->peer;
    ck_assert_str_eq(p->protocol, "2");
    ck_assert_str_eq(p->driver, "redw " REDW_VERSION);
    ck_assert_str_eq(p->os, "Test 1");
    ck_assert_str_eq(p->application, "rig");
    ck_assert_str_eq(p->user, "alice");
    ck_assert_str_eq(p->database, "lake");
    ck_assert_str_eq(p->plugin, "");
    ck_assert(redwi_session_is_redshift(rig.conn->session));
    ck_assert_str_eq(redwi_session_parameter(rig.conn->session, "SERVER_protocol_version"), "2");
    ck_assert(!rig.endpoint.plain_names);
    run_a_job();
    rig_close(&rig);
}
END_TEST

START_TEST(a_plain_server_is_told_none)
{
    rig_open(&rig);
    struct rig_server *s = serve(&(struct peer_config){0});
    rig.settings.redshift = false;
    rig_login(&rig);
    ck_assert_str_eq(rig_peer_of(s, 0)->peer.protocol, "");
    ck_assert_str_eq(rig_peer_of(s, 0)->peer.driver, "");
    ck_assert_str_eq(rig_peer_of(s, 0)->peer.os, "");
    ck_assert(!redwi_session_is_redshift(rig.conn->session));
    rig_close(&rig);
}
END_TEST

START_TEST(refused_names_are_left_out_of_one_more_attempt_and_of_all_later_ones)
{
    static const struct peer_config servers[] = {
        {.refuses_names = "42704"},
        {.refuses_names = "08P01"},
        {.refuses_names = "42704", .password = "pencil"}, /* refused after the login, as PostgreSQL does */
        {.refuses_names = "08P01", .password = "pencil"},
    };
    static char password[] = "pencil";
    for (size_t i = 0; i < sizeof servers / sizeof servers[0]; i++) {
        rig_open(&rig);
        struct rig_server *s = serve(&servers[i]);
        rig.settings.password = servers[i].password ? password : NULL;
        rig_login(&rig);
        ck_assert_uint_eq(s->naccepted, 2);
        ck_assert_str_eq(rig_peer_of(s, 0)->peer.protocol, "2");
        ck_assert_str_eq(rig_peer_of(s, 1)->peer.protocol, "");
        ck_assert(rig.endpoint.plain_names);
        run_a_job();

        /* The next connection does not ask again. */
        struct redwi_conn *first = rig.conn;
        rig_login(&rig);
        ck_assert_uint_eq(s->naccepted, 3);
        ck_assert_str_eq(rig_peer_of(s, 2)->peer.protocol, "");
        redwi_conn_close(first, true);
        redwi_conn_free(first);
        rig_close(&rig);
    }
}
END_TEST

START_TEST(the_second_attempt_is_the_last)
{
    static char password[] = "crayon";
    rig_open(&rig);
    struct rig_server *s = serve(&(struct peer_config){.refuses_names = "08P01", .password = "pencil"});
    rig.settings.password = password;
    ck_assert_int_eq(rig_connect(&rig, 5000), 0);
    rig_run_until(&rig, &rig.nclosed, 1);
    ck_assert_uint_eq(s->naccepted, 2);
    ck_assert_str_eq(redw_error_sqlstate(rig.why), "28P01");
    ck_assert(!rig.endpoint.plain_names); /* nothing was learnt */
    rig_close(&rig);
}
END_TEST

START_TEST(other_refusals_are_not_about_names)
{
    rig_open(&rig);
    struct rig_server *s = serve(&(struct peer_config){.refuses_names = "3D000"});
    ck_assert_int_eq(rig_connect(&rig, 5000), 0);
    rig_run_until(&rig, &rig.nclosed, 1);
    ck_assert_uint_eq(s->naccepted, 1);
    ck_assert_str_eq(redw_error_sqlstate(rig.why), "3D000");
    rig_close(&rig);
}
END_TEST

START_TEST(nor_is_42704_when_no_names_were_sent)
{
    static const char fatal[] = "E\0\0\0\x1dSFATAL\0C42704\0Mno such\0\0";
    rig_open(&rig);
    struct rig_server *s = serve(&(struct peer_config){0});
    rig.settings.redshift = false;
    s->mute = true;
    ck_assert_int_eq(rig_connect(&rig, 5000), 0);
    while (!rig.conn->session || rig.conn->state != REDWI_CONN_LOGIN || s->naccepted == 0)
        rig_run(&rig, 1);
    rig_peer_send(rig_peer_of(s, 0), fatal, sizeof fatal - 1);
    rig_run_until(&rig, &rig.nclosed, 1);
    ck_assert_uint_eq(s->naccepted, 1);
    rig_close(&rig);
}
END_TEST

START_TEST(the_second_attempt_goes_to_the_same_address_without_asking_for_names)
{
    rig_open(&rig);
    struct rig_server *s = serve(&(struct peer_config){.refuses_names = "42704"});
    rig_target(&rig, "db.test", s->port);
    ck_assert(redwi_address_literal("127.0.0.1", s->port, &rig.addrs[rig.naddrs++]));
    rig_login(&rig);
    ck_assert_int_eq(rig.lookups, 1);
    ck_assert_uint_eq(s->naccepted, 2);
    rig_close(&rig);
}
END_TEST

START_TEST(the_second_attempt_is_secured_like_the_first)
{
    struct cert *ca = cert_make(&(struct cert_spec){.cn = "ca", .ca = true});
    struct cert *leaf = cert_make(&(struct cert_spec){.issuer = ca});
    const char *ca_file = cert_path("ca.pem");
    cert_write(ca_file, NULL, ca, NULL);
    const struct tls_peer_config tls = {.cert = leaf};
    rig_open(&rig);
    const struct peer_config config = {
        .tls = true, .refuses_names = "42704", .statements = statements, .nstatements = 1};
    struct rig_server *s = rig_listen(&rig, &config, &tls);
    rig_target(&rig, "localhost", s->port);
    ck_assert(redwi_address_literal("127.0.0.1", s->port, &rig.addrs[rig.naddrs++]));
    rig_use_tls(&rig, REDWI_TLS_VERIFY_FULL, ca_file);
    rig.settings.redshift = true;
    rig_login(&rig);
    ck_assert_uint_eq(s->naccepted, 2);
    ck_assert(rig_peer_of(s, 1)->peer.tls_wanted);
    ck_assert(rig.conn->priv->transport.secured);
    run_a_job();
    rig_close(&rig);
    cert_free(leaf);
    cert_free(ca);
}
END_TEST

START_TEST(both_attempts_share_one_deadline)
{
    rig_open(&rig);
    struct rig_server *s = serve(&(struct peer_config){.refuses_names = "08P01"});
    int64_t before = rig.probe.loop.now_us(rig.probe.loop.ctx);
    ck_assert_int_eq(rig_connect(&rig, 300), 0);
    while (s->naccepted < 2)
        rig_run(&rig, 1);
    s->mute = true; /* whatever comes second is not answered */
    rig_run_until(&rig, &rig.nclosed, 1);
    int64_t took_ms = (rig.probe.loop.now_us(rig.probe.loop.ctx) - before) / 1000;
    ck_assert_int_eq(redw_error_code(rig.why), REDW_ETIMEDOUT);
    ck_assert_int_ge(took_ms, 290);
    ck_assert_int_le(took_ms, 450);
    rig_close(&rig);
}
END_TEST

START_TEST(any_allocation_may_fail_on_the_way)
{
    size_t n = 1, failures = 0;
    for (;; n++) {
        rig_open(&rig);
        serve(&(struct peer_config){.refuses_names = "42704"});
        fault_arm(&rig.fault, FAULT_ALLOC, n, FAULT_ONCE, FAULT_NO_MEMORY);
        int code = rig_connect(&rig, 5000);
        if (code == 0) {
            int *done = &rig.nready;
            while (!rig.nready && !rig.nclosed)
                rig_run(&rig, 1);
            ck_assert_int_eq(rig.nready + rig.nclosed, 1);
            if (!*done)
                ck_assert_int_eq(redw_error_code(rig.why), REDW_ENOMEM);
        }
        bool fired = fault_fired(&rig.fault);
        failures += fired;
        rig_close(&rig);
        if (!fired)
            break;
    }
    printf("redial: %zu allocations failed in turn\n", failures);
    ck_assert_uint_gt(failures, 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redial");
    TCase *c = tcase_create("redial");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_server_that_knows_the_names_is_told_all_of_them);
    tcase_add_test(c, a_plain_server_is_told_none);
    tcase_add_test(c, refused_names_are_left_out_of_one_more_attempt_and_of_all_later_ones);
    tcase_add_test(c, the_second_attempt_is_the_last);
    tcase_add_test(c, other_refusals_are_not_about_names);
    tcase_add_test(c, nor_is_42704_when_no_names_were_sent);
    tcase_add_test(c, the_second_attempt_goes_to_the_same_address_without_asking_for_names);
    tcase_add_test(c, the_second_attempt_is_secured_like_the_first);
    tcase_add_test(c, both_attempts_share_one_deadline);
    tcase_add_test(c, any_allocation_may_fail_on_the_way);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
