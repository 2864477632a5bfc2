/* SPDX-License-Identifier: Apache-2.0 */
/*
 * B01, B03: How a session begins: honest and dishonest servers, methods, TLS, and the side connection that
 * only cancels.
 */
#include "support/solo.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- login -------------------------------------------------------------------------------------- */

static const uint8_t end_point[32] = {1, 2, 3};

START_TEST(logins_that_succeed)
{
    static const struct {
        struct peer_config peer;
        bool tls, binding, plus;
        const char *gs2;
    } cases[] = {
        {{0}, false, false, false, ""},
        {{.tls = true}, true, false, false, ""},
        {{.password = "pencil"}, false, false, false, "n,,"},
        {{.password = "pencil", .iterations = 100000}, false, false, false, "n,,"},
        /* A certificate without a defined binding: nothing to say about it. */
        {{.password = "pencil", .tls = true}, true, false, false, "n,,"},
        {{.password = "pencil", .tls = true}, true, true, false, "y,,"},
        {{.password = "pencil", .tls = true, .end_point = end_point, .end_point_len = 32},
         true,
         true,
         true,
         "p=tls-server-end-point,,"},
        {{.password = "pencil",
          .tls = true,
          .end_point = end_point,
          .end_point_len = 32,
          .plus_only = true},
         true,
         true,
         true,
         "p=tls-server-end-point,,"},
        {{.password = "pencil", .tls = true, .end_point = end_point, .end_point_len = 32},
         true,
         false,
         false,
         "n,,"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct solo r;
        struct peer p;
        solo_init(&r);
        r.memory.secret = "pencil";
        r.config.tls = cases[i].tls;
        r.end_point = end_point;
        r.end_point_len = cases[i].binding ? sizeof end_point : 0;
        solo_log_in(&r, &p, &cases[i].peer);
        ck_assert_msg(r.seen.logged_in == 1, "case %zu: %s %s", i, p.wrong,
                      redw_error_message(r.seen.fatal_error));
        ck_assert_str_eq(p.wrong, "");
        ck_assert_str_eq(p.gs2, cases[i].gs2);
        ck_assert(p.plus_used == cases[i].plus);
        ck_assert(p.tls_wanted == cases[i].tls);
        ck_assert_str_eq(p.user, "app");
        ck_assert_str_eq(p.database, "dev");
        ck_assert_str_eq(p.application, "redw");
        ck_assert_uint_eq(r.seen.parameters, 2);
        ck_assert_int_eq(r.seen.status, 'I');

        uint32_t pid;
        const uint8_t *key;
        size_t n;
        redwi_session_key(r.s, &pid, &key, &n);
        ck_assert_uint_eq(pid, PEER_PID);
        ck_assert(n == sizeof peer_key && memcmp(key, peer_key, n) == 0);
        peer_free(&p);
        solo_free(&r);
    }
}
END_TEST

START_TEST(dishonest_servers_are_refused)
{
    static const struct {
        enum peer_fault fault;
        int code;
    } cases[] = {
        {PEER_OK_INSTEAD_OF_CHALLENGE, REDW_EAUTH}, {PEER_OK_INSTEAD_OF_PROOF, REDW_EAUTH},
        {PEER_BAD_SIGNATURE, REDW_EAUTH},           {PEER_SHORT_SIGNATURE, REDW_EPROTOCOL},
        {PEER_EMPTY_SIGNATURE, REDW_EPROTOCOL},     {PEER_ERROR_SIGNATURE, REDW_EAUTH},
        {PEER_FOREIGN_NONCE, REDW_EPROTOCOL},       {PEER_SAME_NONCE, REDW_EPROTOCOL},
        {PEER_METHOD_SWITCH, REDW_EAUTH},           {PEER_SECOND_EXCHANGE, REDW_EPROTOCOL},
        {PEER_ASKS_AFTER_LOGIN, REDW_EPROTOCOL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct solo r;
        struct peer p;
        const struct peer_config config = {.password = "pencil", .fault = cases[i].fault};
        solo_init(&r);
        r.memory.secret = "pencil";
        solo_log_in(&r, &p, &config);
        ck_assert_uint_eq(r.seen.logged_in, 0);
        solo_must_be_dead(&r, cases[i].code);
        ck_assert_int_eq(redw_error_outcome(r.seen.fatal_error), REDW_OUTCOME_NOT_SENT);
        ck_assert_str_eq(p.wrong, "");
        peer_free(&p);
        solo_free(&r);
    }
}
END_TEST

START_TEST(methods_this_version_does_not_speak_are_refused_by_name)
{
    static const struct {
        uint8_t code;
        const char *name;
    } cases[] = {
        {2, "Kerberos V5"},
        {4, "a crypt password"},
        {6, "SCM credentials"},
        {7, "GSSAPI"},
        {8, "GSSAPI"},
        {9, "SSPI"},
        {15, "authentication method 15"},
        {99, "authentication method 99"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct solo r;
        char want[200];
        const uint8_t body[8] = {0, 0, 0, cases[i].code, 1, 2, 3, 4};
        solo_init(&r);
        solo_reach(&r, SOLO_AT_AUTH);
        solo_feed_message(&r, 'R', body, sizeof body);
        snprintf(want, sizeof want, "login: server asks for %s, which this version does not speak",
                 cases[i].name);
        ck_assert_str_eq(redw_error_message(r.seen.fatal_error), want);
        solo_must_be_dead(&r, REDW_EAUTH);
        solo_free(&r);
    }
}
END_TEST

static void refused_at_sasl(struct solo *r, const void *list, size_t n)
{
    solo_reach(r, SOLO_AT_AUTH);
    solo_feed_message(r, 'R', list, n);
    solo_must_be_dead(r, REDW_EAUTH);
    solo_free(r);
}

START_TEST(logins_this_side_refuses)
{
    static const char scram[] = "\0\0\0\x0aSCRAM-SHA-256\0";
    static const char plus[] = "\0\0\0\x0aSCRAM-SHA-256-PLUS\0";
    static const char other[] = "\0\0\0\x0aSCRAM-SHA-512\0OAUTHBEARER\0";
    static int broken;
    struct solo r;

    solo_init(&r);
    r.config.password = NULL;
    refused_at_sasl(&r, scram, sizeof scram);
    solo_init(&r);
    r.config.password = "";
    refused_at_sasl(&r, scram, sizeof scram);
    solo_init(&r); /* no TLS to bind to */
    refused_at_sasl(&r, plus, sizeof plus);
    solo_init(&r);
    refused_at_sasl(&r, other, sizeof other);
    solo_init(&r); /* no random bytes */
    r.config.entropy_ctx = &broken;
    refused_at_sasl(&r, scram, sizeof scram);
    solo_init(&r);
    r.config.entropy = NULL;
    refused_at_sasl(&r, scram, sizeof scram);
}
END_TEST

START_TEST(a_wrong_password_is_the_servers_verdict)
{
    struct solo r;
    struct peer p;
    solo_init(&r);
    r.config.password = "crayon";
    solo_log_in(&r, &p, &(struct peer_config){.password = "pencil"});
    solo_must_be_dead(&r, REDW_EAUTH);
    ck_assert_str_eq(redw_error_sqlstate(r.seen.fatal_error), "28P01");
    ck_assert_int_eq(redw_error_class(r.seen.fatal_error), REDW_CLASS_AUTHENTICATION_FAILED);
    peer_free(&p);
    solo_free(&r);
}
END_TEST

START_TEST(a_certificate_that_is_not_the_servers_does_not_pass_for_it)
{
    static const uint8_t other[32] = {9, 9, 9};
    struct solo r;
    struct peer p;
    solo_init(&r);
    r.config.tls = true;
    r.end_point = other;
    r.end_point_len = sizeof other;
    solo_log_in(&r, &p, &(struct peer_config){
                       .password = "pencil", .tls = true, .end_point = end_point, .end_point_len = 32});
    ck_assert_uint_eq(r.seen.logged_in, 0);
    ck_assert_str_eq(p.wrong, "client-final-message");
    peer_free(&p);
    solo_free(&r);
}
END_TEST

START_TEST(keys_are_derived_in_slices_the_owner_chooses)
{
    struct solo r;
    struct redwi_ev ev;
    size_t turns = 0;
    solo_init(&r);
    r.lazy = true;
    solo_reach(&r, SOLO_AT_SASL_FIRST);
    SOLO_FEED(&r, 'R', SOLO_SASL_CHALLENGE);
    ck_assert_int_eq(redwi_session_next(r.s, &ev), REDWI_EV_WORK);
    ck_assert_int_eq(redwi_session_next(r.s, &ev), REDWI_EV_WORK);
    ck_assert_uint_eq(solo_send_all(&r), 0);
    do
        turns++;
    while (redwi_session_work(r.s, 100));
    ck_assert_uint_eq(turns, 41); /* 4,095 by 100 */
    ck_assert_uint_gt(solo_send_all(&r), 0);
    ck_assert(!redwi_session_work(r.s, 100));
    ck_assert_int_eq(redwi_session_next(r.s, &ev), REDWI_EV_NONE);
    solo_free(&r);
}
END_TEST

START_TEST(the_servers_last_words_are_heard_while_keys_are_derived)
{
    struct solo r;
    solo_init(&r);
    r.lazy = true;
    r.memory.secret = "pencil";
    solo_reach(&r, SOLO_AT_SASL_FIRST);
    SOLO_FEED(&r, 'R', SOLO_SASL_CHALLENGE);
    solo_feed_message(&r, 'E', "SFATAL\0C57014\0Mtoo slow\0", 25);
    ck_assert_uint_eq(r.seen.fatal, 0);
    solo_end(&r);
    solo_must_be_dead(&r, REDW_ESERVER);
    ck_assert_str_eq(redw_error_message(r.seen.fatal_error), "too slow");
    solo_free(&r);
}
END_TEST

/* --- TLS ---------------------------------------------------------------------------------------- */

/* A18 */
START_TEST(nothing_that_came_before_tls_is_read_as_if_it_came_inside)
{
    struct redwi_ev ev;
    size_t room;
    for (int late = 0; late < 2; late++) {
        struct solo r;
        solo_init(&r);
        r.config.tls = true;
        solo_open(&r);
        ck_assert_uint_eq(solo_send_all(&r), 8);
        if (late) {
            solo_feed(&r, "S", 1);
            ck_assert_uint_eq(r.seen.start_tls, 1);
            ck_assert_int_eq(redwi_session_next(r.s, &ev), REDWI_EV_NONE);
            uint8_t *at = redwi_session_input(r.s, &room);
            memcpy(at, "R", 1);
            redwi_session_received(r.s, 1);
            solo_drain(&r);
        } else {
            solo_feed(&r, "SR\0\0\0\10\0\0\0\0Z\0\0\0\5I", 16);
        }
        ck_assert_uint_eq(r.seen.logged_in, 0);
        ck_assert_uint_eq(solo_send_all(&r), 0);
        solo_must_be_dead(&r, REDW_ETLS);
        ck_assert_int_eq(redwi_session_tls_started(r.s, NULL, 0), REDW_EINVAL);
        solo_free(&r);
    }
}
END_TEST

START_TEST(only_s_starts_tls)
{
    for (unsigned answer = 0; answer < 256; answer++) {
        struct solo r;
        uint8_t byte = (uint8_t)answer;
        solo_init(&r);
        r.config.tls = true;
        solo_open(&r);
        solo_feed(&r, &byte, 1);
        if (answer == 'S')
            ck_assert_uint_eq(r.seen.start_tls, 1);
        else
            solo_must_be_dead(&r, REDW_ETLS);
        solo_free(&r);
    }
}
END_TEST

START_TEST(a_failed_handshake_is_reported_as_its_owner_says)
{
    struct solo r;
    solo_init(&r);
    r.config.tls = true;
    solo_open(&r);
    solo_feed(&r, "S", 1);
    const struct redwi_err_spec spec = {.code = REDW_ETLS};
    redwi_session_ended(r.s, redwi_err_make(&r.memory.mem, &spec, "certificate has expired"));
    solo_drain(&r);
    ck_assert_str_eq(redw_error_message(r.seen.fatal_error), "certificate has expired");
    solo_must_be_dead(&r, REDW_ETLS);
    solo_free(&r);
}
END_TEST

/* --- cancel ------------------------------------------------------------------------------------- */

static void solo_cancel(struct solo *r)
{
    solo_init(r);
    r->config.cancel_key = peer_key;
    r->config.cancel_key_len = sizeof peer_key;
    r->config.cancel_pid = PEER_PID;
    solo_open(r);
}

START_TEST(a_cancel_session_ends_well_only_after_its_request_left)
{
    struct solo r;
    struct peer p;
    size_t n;
    solo_cancel(&r);
    peer_init(&p, &(struct peer_config){0});
    const uint8_t *out = redwi_session_output(r.s, &n);
    peer_feed(&p, out, n);
    ck_assert(p.cancelled && p.cancel_pid == PEER_PID && memcmp(p.cancel_key, peer_key, 4) == 0);
    redwi_session_sent(r.s, n - 1);
    solo_end(&r);
    solo_must_be_dead(&r, REDW_ECONNECT);
    peer_free(&p);
    solo_free(&r);

    solo_cancel(&r);
    solo_send_all(&r);
    solo_end(&r);
    solo_must_be_dead(&r, REDW_OK);
    ck_assert_ptr_null(r.seen.fatal_error);
    solo_free(&r);

    solo_cancel(&r);
    solo_send_all(&r);
    redwi_session_ended(r.s, redwi_err_closed(REDW_OUTCOME_UNKNOWN));
    solo_drain(&r);
    solo_must_be_dead(&r, REDW_ECLOSED);
    solo_free(&r);
}
END_TEST

START_TEST(a_cancel_session_listens_only_so_long)
{
    static uint8_t noise[32 * 1024];
    struct solo r;
    solo_cancel(&r);
    solo_send_all(&r);
    solo_feed(&r, noise, sizeof noise);
    ck_assert_uint_eq(r.seen.fatal, 0);
    solo_feed(&r, noise, 1);
    solo_must_be_dead(&r, REDW_EPROTOCOL);
    solo_free(&r);
    r.config.cancel_key_len = 257;
    ck_assert_int_eq(redwi_session_create(&r.s, &r.config), REDW_EINVAL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("login");
    TCase *c = tcase_create("login");
    tcase_set_timeout(c, 300);
    tcase_add_test(c, logins_that_succeed);
    tcase_add_test(c, dishonest_servers_are_refused);
    tcase_add_test(c, methods_this_version_does_not_speak_are_refused_by_name);
    tcase_add_test(c, logins_this_side_refuses);
    tcase_add_test(c, a_wrong_password_is_the_servers_verdict);
    tcase_add_test(c, a_certificate_that_is_not_the_servers_does_not_pass_for_it);
    tcase_add_test(c, keys_are_derived_in_slices_the_owner_chooses);
    tcase_add_test(c, the_servers_last_words_are_heard_while_keys_are_derived);
    tcase_add_test(c, nothing_that_came_before_tls_is_read_as_if_it_came_inside);
    tcase_add_test(c, only_s_starts_tls);
    tcase_add_test(c, a_failed_handshake_is_reported_as_its_owner_says);
    tcase_add_test(c, a_cancel_session_ends_well_only_after_its_request_left);
    tcase_add_test(c, a_cancel_session_listens_only_so_long);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
