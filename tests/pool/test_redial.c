/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Row A19.
 * Redshift's startup names at servers that do not know them: one more attempt inside the same deadline
 * without them, remembered once it has succeeded; and never more than one.
 */
#include "pool/drive.h"
#include "support/certs.h"
#include "support/conn_stand.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const columns[] = {"a"};
static const char *const cells[] = {"1"};
static const struct peer_statement statements[] = {
    {.sql = "select", .columns = columns, .ncolumns = 1, .cells = cells, .nrows = 1, .tag = "SELECT 1"}};

static struct stand stand;

static struct stand_server *serve(const struct peer_config *config)
{
    struct peer_config c = *config;
    c.statements = statements;
    c.nstatements = 1;
    struct stand_server *s = stand_listen(&stand, &c, NULL);
    stand_target(&stand, "127.0.0.1", s->port);
    stand.settings.redshift = true;
    strcpy(stand.settings.os_version, "Test 1");
    return s;
}

static void run_a_job(void)
{
    struct stand_job j;
    int n = stand.nended;
    stand_job_init(&stand, &j, "select");
    stand_start(&stand, &j);
    stand_run_until(&stand, &stand.nended, n + 1);
    ck_assert_str_eq(j.text, "1;");
    stand_job_fini(&j);
}

START_TEST(a_server_that_knows_the_names_is_told_all_of_them)
{
    stand_open(&stand);
    struct stand_server *s = serve(&(struct peer_config){.redshift = true});
    stand_login(&stand);
    const struct peer *p = &stand_peer_of(s, 0)->peer;
    ck_assert_str_eq(p->protocol, "2");
    ck_assert_str_eq(p->driver, "redw " REDW_VERSION);
    ck_assert_str_eq(p->os, "Test 1");
    ck_assert_str_eq(p->application, "stand");
    ck_assert_str_eq(p->user, "alice");
    ck_assert_str_eq(p->database, "lake");
    ck_assert_str_eq(p->plugin, "");
    ck_assert(redwi_session_is_redshift(stand.conn->session));
    ck_assert_str_eq(redwi_session_parameter(stand.conn->session, "SERVER_protocol_version"), "2");
    ck_assert(!stand.endpoint.plain_names);
    run_a_job();
    stand_close(&stand);
}
END_TEST

START_TEST(a_plain_server_is_told_none)
{
    stand_open(&stand);
    struct stand_server *s = serve(&(struct peer_config){0});
    stand.settings.redshift = false;
    stand_login(&stand);
    ck_assert_str_eq(stand_peer_of(s, 0)->peer.protocol, "");
    ck_assert_str_eq(stand_peer_of(s, 0)->peer.driver, "");
    ck_assert_str_eq(stand_peer_of(s, 0)->peer.os, "");
    ck_assert(!redwi_session_is_redshift(stand.conn->session));
    stand_close(&stand);
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
        stand_open(&stand);
        struct stand_server *s = serve(&servers[i]);
        stand.settings.password = servers[i].password ? password : NULL;
        stand_login(&stand);
        ck_assert_uint_eq(s->naccepted, 2);
        ck_assert_str_eq(stand_peer_of(s, 0)->peer.protocol, "2");
        ck_assert_str_eq(stand_peer_of(s, 1)->peer.protocol, "");
        ck_assert(stand.endpoint.plain_names);
        run_a_job();

        /* The next connection does not ask again. */
        struct redwi_conn *first = stand.conn;
        stand_login(&stand);
        ck_assert_uint_eq(s->naccepted, 3);
        ck_assert_str_eq(stand_peer_of(s, 2)->peer.protocol, "");
        redwi_conn_close(first, true);
        redwi_conn_free(first);
        stand_close(&stand);
    }
}
END_TEST

START_TEST(the_second_attempt_is_the_last)
{
    static char password[] = "crayon";
    stand_open(&stand);
    struct stand_server *s = serve(&(struct peer_config){.refuses_names = "08P01", .password = "pencil"});
    stand.settings.password = password;
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    ck_assert_uint_eq(s->naccepted, 2);
    ck_assert_str_eq(redw_error_sqlstate(stand.why), "28P01");
    ck_assert(!stand.endpoint.plain_names); /* nothing was learnt */
    stand_close(&stand);
}
END_TEST

START_TEST(other_refusals_are_not_about_names)
{
    stand_open(&stand);
    struct stand_server *s = serve(&(struct peer_config){.refuses_names = "3D000"});
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    ck_assert_uint_eq(s->naccepted, 1);
    ck_assert_str_eq(redw_error_sqlstate(stand.why), "3D000");
    stand_close(&stand);
}
END_TEST

START_TEST(nor_is_42704_when_no_names_were_sent)
{
    static const char fatal[] = "E\0\0\0\x1dSFATAL\0C42704\0Mno such\0\0";
    stand_open(&stand);
    struct stand_server *s = serve(&(struct peer_config){0});
    stand.settings.redshift = false;
    s->mute = true;
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    while (!stand.conn->session || stand.conn->state != REDWI_CONN_LOGIN || s->naccepted == 0)
        stand_run(&stand, 1);
    stand_peer_send(stand_peer_of(s, 0), fatal, sizeof fatal - 1);
    stand_run_until(&stand, &stand.nclosed, 1);
    ck_assert_uint_eq(s->naccepted, 1);
    stand_close(&stand);
}
END_TEST

START_TEST(the_second_attempt_goes_to_the_same_address_without_asking_for_names)
{
    stand_open(&stand);
    struct stand_server *s = serve(&(struct peer_config){.refuses_names = "42704"});
    stand_target(&stand, "db.test", s->port);
    ck_assert(redwi_address_literal("127.0.0.1", s->port, &stand.addrs[stand.naddrs++]));
    stand_login(&stand);
    ck_assert_int_eq(stand.lookups, 1);
    ck_assert_uint_eq(s->naccepted, 2);
    stand_close(&stand);
}
END_TEST

START_TEST(the_second_attempt_is_secured_like_the_first)
{
    struct cert *ca = cert_make(&(struct cert_spec){.cn = "ca", .ca = true});
    struct cert *leaf = cert_make(&(struct cert_spec){.issuer = ca});
    const char *ca_file = cert_path("ca.pem");
    cert_write(ca_file, NULL, ca, NULL);
    const struct tls_peer_config tls = {.cert = leaf};
    stand_open(&stand);
    const struct peer_config config = {
        .tls = true, .refuses_names = "42704", .statements = statements, .nstatements = 1};
    struct stand_server *s = stand_listen(&stand, &config, &tls);
    stand_target(&stand, "localhost", s->port);
    ck_assert(redwi_address_literal("127.0.0.1", s->port, &stand.addrs[stand.naddrs++]));
    stand_use_tls(&stand, REDWI_TLS_VERIFY_FULL, ca_file);
    stand.settings.redshift = true;
    stand_login(&stand);
    ck_assert_uint_eq(s->naccepted, 2);
    ck_assert(stand_peer_of(s, 1)->peer.tls_wanted);
    ck_assert(stand.conn->priv->transport.secured);
    run_a_job();
    stand_close(&stand);
    cert_free(leaf);
    cert_free(ca);
}
END_TEST

START_TEST(both_attempts_share_one_deadline)
{
    stand_open(&stand);
    struct stand_server *s = serve(&(struct peer_config){.refuses_names = "08P01"});
    int64_t before = stand.probe.loop.now_us(stand.probe.loop.ctx);
    ck_assert_int_eq(stand_connect(&stand, 300), 0);
    while (s->naccepted < 2)
        stand_run(&stand, 1);
    s->mute = true; /* whatever comes second is not answered */
    stand_run_until(&stand, &stand.nclosed, 1);
    int64_t took_ms = (stand.probe.loop.now_us(stand.probe.loop.ctx) - before) / 1000;
    ck_assert_int_eq(redw_error_code(stand.why), REDW_ETIMEDOUT);
    ck_assert_int_ge(took_ms, 290);
    ck_assert_int_le(took_ms, 450);
    stand_close(&stand);
}
END_TEST

START_TEST(any_allocation_may_fail_on_the_way)
{
    size_t n = 1, failures = 0;
    for (;; n++) {
        stand_open(&stand);
        serve(&(struct peer_config){.refuses_names = "42704"});
        fault_arm(&stand.fault, FAULT_ALLOC, n, FAULT_ONCE, FAULT_NO_MEMORY);
        int code = stand_connect(&stand, 5000);
        if (code == 0) {
            int *done = &stand.nready;
            while (!stand.nready && !stand.nclosed)
                stand_run(&stand, 1);
            ck_assert_int_eq(stand.nready + stand.nclosed, 1);
            if (!*done)
                ck_assert_int_eq(redw_error_code(stand.why), REDW_ENOMEM);
        }
        bool fired = fault_fired(&stand.fault);
        failures += fired;
        stand_close(&stand);
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
