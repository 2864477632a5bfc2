/* SPDX-License-Identifier: Apache-2.0 */
/*
 * B01, B02, B03, B04, B10: Which login is answered where, by each method against honest servers and hostile
 * ones. The table is what wire/login.h and the public header promise.
 */
#include "support/solo.h"
#include "wire/fe_write.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum where { CLEAR, TLS, VERIFIED, WHERES };

static const uint8_t end_point[32] = {1, 2, 3};

static const struct method {
    const char *name;
    unsigned bit;
    enum peer_login login;
    const char *by_default, *named; /* y or n: in clear, in TLS, in verified TLS */
    char type;                      /* of the answer */
    const char *request;
    size_t request_len;
} methods[] = {
#define REQUEST(bytes) bytes, sizeof(bytes) - 1
    {"none", REDWI_LOGIN_NONE, PEER_SCRAM, "yyy", "yyy", 0, REQUEST("\0\0\0\0")},
    {"password", REDWI_LOGIN_PASSWORD, PEER_CLEARTEXT, "nnn", "nyy", 'p', REQUEST("\0\0\0\3")},
    {"md5", REDWI_LOGIN_MD5, PEER_MD5, "nny", "yyy", 'p', REQUEST("\0\0\0\5abcd")},
    {"digest", REDWI_LOGIN_DIGEST, PEER_DIGEST, "nny", "yyy", 'd',
     REQUEST("\0\0\0\x0d\0\0\0\0\0\0\0\4salt\0\0\0\3abc")},
    {"token", REDWI_LOGIN_TOKEN, PEER_TOKEN, "nny", "nyy", 'i', REQUEST("\0\0\0\x0e")},
    {"scram-sha-256", REDWI_LOGIN_SCRAM | REDWI_LOGIN_SCRAM_PLUS, PEER_SCRAM, "yyy", "yyy", 'p',
     REQUEST("\0\0\0\x0aSCRAM-SHA-256\0\0")},
};
#define METHODS (sizeof methods / sizeof methods[0])

static void open_at(struct solo *r, enum where where, unsigned allowed, unsigned denied, enum redwi_binding binding)
{
    solo_init(r);
    r->memory.secret = "pencil";
    r->config.token = "pencil case";
    r->config.methods = allowed;
    r->config.methods_denied = denied;
    r->config.binding = binding;
    r->config.tls = where != CLEAR;
    r->config.tls_verified = where == VERIFIED;
    r->end_point = end_point;
    r->end_point_len = sizeof end_point;
}

/* Up to the first authentication request; everything the client had to say is taken. */
static void begin(struct solo *r)
{
    solo_open(r);
    solo_send_all(r);
    if (r->config.tls)
        solo_feed(r, "S", 1);
    solo_send_all(r);
}

static void must_answer(const struct method *m, enum where where, unsigned allowed, unsigned denied,
                        enum redwi_binding binding, bool yes)
{
    struct solo r;
    size_t n;
    open_at(&r, where, allowed, denied, binding);
    begin(&r);
    solo_feed_message(&r, 'R', m->request, m->request_len);
    const uint8_t *out = redwi_session_output(r.s, &n);
    if (yes && m->type) {
        ck_assert_msg(n > 5 && out[0] == (uint8_t)m->type, "%s at %d", m->name, where);
        ck_assert_uint_eq(r.seen.fatal, 0);
        solo_send_all(&r);
    } else if (yes) {
        ck_assert_msg(r.seen.fatal == 0, "%s at %d", m->name, where);
    } else {
        ck_assert_msg(n == 0, "%s at %d: answered", m->name, where);
        solo_must_be_dead(&r, REDW_EAUTH);
        ck_assert_int_eq(redw_error_class(r.seen.fatal_error), REDW_CLASS_AUTHENTICATION_FAILED);
        ck_assert_int_eq(redw_error_outcome(r.seen.fatal_error), REDW_OUTCOME_NOT_SENT);
    }
    solo_free(&r);
}

START_TEST(each_method_is_answered_where_it_may_be_and_nowhere_else)
{
    const unsigned all = REDWI_LOGIN_DEFAULT | REDWI_LOGIN_PASSWORD;
    for (size_t i = 0; i < METHODS; i++) {
        const struct method *m = &methods[i];
        for (enum where w = CLEAR; w < WHERES; w++) {
            bool by_default = m->by_default[w] == 'y', named = m->named[w] == 'y';
            for (int binding = REDWI_BINDING_PREFER; binding <= REDWI_BINDING_DISABLE; binding++) {
                must_answer(m, w, 0, 0, (enum redwi_binding)binding, by_default);
                must_answer(m, w, m->bit, 0, (enum redwi_binding)binding, named);
                must_answer(m, w, all, 0, (enum redwi_binding)binding, named);
                must_answer(m, w, all & ~m->bit, 0, (enum redwi_binding)binding, false);
                must_answer(m, w, 0, m->bit, (enum redwi_binding)binding, false);
                must_answer(m, w, 0, all & ~m->bit, (enum redwi_binding)binding, by_default);
            }
            /* Required, only -PLUS will do. */
            must_answer(m, w, 0, 0, REDWI_BINDING_REQUIRE, false);
            must_answer(m, w, m->bit, 0, REDWI_BINDING_REQUIRE, false);
        }
    }
}
END_TEST

START_TEST(without_a_secret_nothing_is_answered)
{
    for (size_t i = 1; i < METHODS; i++) {
        for (int empty = 0; empty < 2; empty++) {
            struct solo r;
            size_t n;
            open_at(&r, VERIFIED, methods[i].bit, 0, REDWI_BINDING_PREFER);
            r.config.password = r.config.token = empty ? "" : NULL;
            begin(&r);
            solo_feed_message(&r, 'R', methods[i].request, methods[i].request_len);
            redwi_session_output(r.s, &n);
            ck_assert_uint_eq(n, 0);
            ck_assert_ptr_nonnull(strstr(redw_error_message(r.seen.fatal_error), "none was given"));
            solo_must_be_dead(&r, REDW_EAUTH);
            solo_free(&r);
        }
    }
}
END_TEST

START_TEST(honest_servers_let_in_and_no_block_goes_back_with_a_secret)
{
    for (size_t i = 0; i < METHODS; i++) {
        const struct method *m = &methods[i];
        for (int wrong = 0; wrong < (m->type ? 2 : 1); wrong++) {
            struct solo r;
            struct peer p;
            const char *secret = m->login == PEER_TOKEN ? "pencil case" : "pencil";
            const struct peer_config config = {
                .tls = true, .login = m->login, .password = m->type ? secret : NULL};
            open_at(&r, VERIFIED, m->bit, 0, REDWI_BINDING_DISABLE);
            if (wrong)
                r.config.password = r.config.token = "not the pencil";
            solo_log_in(&r, &p, &config);
            ck_assert_str_eq(p.wrong, "");
            ck_assert_msg(r.seen.logged_in == !wrong, "%s: %s", m->name, redw_error_message(r.seen.fatal_error));
            if (wrong)
                solo_must_be_dead(&r, REDW_EAUTH); /* the server's verdict */
            peer_free(&p);
            solo_free(&r);
        }
    }
}
END_TEST

/* --- hostile servers ----------------------------------------------------------------------------- */

/* Whatever it is, nothing is answered and the session ends. */
static void must_refuse(const struct method *m, const void *request, size_t n)
{
    struct solo r;
    size_t out;
    open_at(&r, VERIFIED, m->bit, 0, REDWI_BINDING_PREFER);
    begin(&r);
    solo_feed_message(&r, 'R', request, n);
    redwi_session_output(r.s, &out);
    ck_assert_msg(out == 0 && r.seen.fatal == 1, "%s: request of %zu bytes", m->name, n);
    ck_assert_uint_eq(r.seen.logged_in, 0);
    solo_free(&r);
}

START_TEST(requests_cut_off_or_too_long_are_refused)
{
    for (size_t i = 1; i < METHODS; i++) {
        char request[64];
        const struct method *m = &methods[i];
        memcpy(request, m->request, m->request_len);
        request[m->request_len] = 'x';
        must_refuse(m, request, m->request_len + 1);
        for (size_t n = 4; n < m->request_len; n++)
            must_refuse(m, request, n);
    }
}
END_TEST

START_TEST(each_field_of_a_digest_request_is_checked)
{
    static const struct {
        const char *body;
        size_t n;
    } bad[] = {
        {REQUEST("\0\0\0\x0d\0\0\0\1\0\0\0\4salt\0\0\0\3abc")},         /* scrypt */
        {REQUEST("\0\0\0\x0d\0\0\0\2\0\0\0\4salt\0\0\0\3abc")},         /* argon2 */
        {REQUEST("\0\0\0\x0d\xff\xff\xff\xff\0\0\0\4salt\0\0\0\3abc")}, /* nothing known */
        {REQUEST("\0\0\0\x0d\0\0\0\0\0\0\0\0\0\0\0\3abc")},             /* no salt */
        {REQUEST("\0\0\0\x0d\0\0\0\0\0\0\0\4salt\0\0\0\0")},            /* no nonce */
        {REQUEST("\0\0\0\x0d\0\0\0\0\0\0\0\5salt\0\0\0\3abc")},         /* lengths that do not add up */
        {REQUEST("\0\0\0\x0d\0\0\0\0\0\0\0\3salt\0\0\0\3abc")},
        {REQUEST("\0\0\0\x0d\0\0\0\0\0\0\0\4salt\0\0\0\4abc")},
        {REQUEST("\0\0\0\x0d\0\0\0\0\0\0\0\4salt\0\0\0\2abc")},
        {REQUEST("\0\0\0\x0d\0\0\0\0\xff\xff\xff\xffsalt\0\0\0\3abc")}, /* -1 */
        {REQUEST("\0\0\0\x0d\0\0\0\0\x7f\xff\xff\xffsalt\0\0\0\3abc")},
        {REQUEST("\0\0\0\x0d\0\0\0\0\0\0\0\4salt\xff\xff\xff\xff""abc")},
        {REQUEST("\0\0\0\x0d\0\0\0\0\0\0\0\4salt\x80\0\0\0abc")},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        must_refuse(&methods[3], bad[i].body, bad[i].n);
    /* Longer than any server's: 1,025 bytes of salt. */
    static char large[12 + 1025 + 4 + 1] = "\0\0\0\x0d\0\0\0\0\0\0\4\1";
    large[sizeof large - 2] = 1;
    must_refuse(&methods[3], large, sizeof large);
}
END_TEST

START_TEST(after_an_answer_only_the_verdict_is_heard)
{
    for (size_t i = 1; i < METHODS - 1; i++) {
        for (size_t k = 1; k < METHODS; k++) {
            struct solo r;
            size_t n;
            open_at(&r, VERIFIED, ~0u, 0, REDWI_BINDING_PREFER);
            begin(&r);
            solo_feed_message(&r, 'R', methods[i].request, methods[i].request_len);
            ck_assert_uint_gt(solo_send_all(&r), 5);
            solo_feed_message(&r, 'R', methods[k].request, methods[k].request_len);
            redwi_session_output(r.s, &n);
            ck_assert_msg(n == 0, "%s answered after %s", methods[k].name, methods[i].name);
            ck_assert_uint_eq(r.seen.fatal, 1);
            solo_free(&r);
        }
    }
}
END_TEST

START_TEST(a_verdict_is_taken_once_and_whole)
{
    for (size_t i = 1; i < METHODS - 1; i++) {
        struct solo r;
        open_at(&r, VERIFIED, methods[i].bit, 0, REDWI_BINDING_PREFER);
        begin(&r);
        solo_feed_message(&r, 'R', methods[i].request, methods[i].request_len);
        solo_send_all(&r);
        SOLO_FEED(&r, 'Z', "I"); /* ready before any Ok */
        solo_must_be_dead(&r, REDW_EPROTOCOL);
        ck_assert_uint_eq(r.seen.logged_in, 0);
        solo_free(&r);

        open_at(&r, VERIFIED, methods[i].bit, 0, REDWI_BINDING_PREFER);
        begin(&r);
        solo_feed_message(&r, 'R', methods[i].request, methods[i].request_len);
        solo_send_all(&r);
        SOLO_FEED(&r, 'R', "\0\0\0\0");
        SOLO_FEED(&r, 'R', "\0\0\0\0");
        solo_must_be_dead(&r, REDW_EPROTOCOL);
        solo_free(&r);
    }
}
END_TEST

START_TEST(servers_that_let_in_early_are_not_believed)
{
    /* In the middle of SCRAM; and at once, where an exchange is required. */
    struct solo r;
    for (int where = SOLO_AT_SASL_FIRST; where <= SOLO_AT_SASL_FINAL; where++) {
        solo_init(&r);
        solo_reach(&r, (enum solo_where)where);
        SOLO_FEED(&r, 'R', "\0\0\0\0");
        solo_must_be_dead(&r, REDW_EAUTH);
        solo_free(&r);
    }
    for (size_t i = 1; i < METHODS; i++) {
        open_at(&r, VERIFIED, methods[i].bit, 0, REDWI_BINDING_PREFER);
        begin(&r);
        SOLO_FEED(&r, 'R', "\0\0\0\0");
        solo_must_be_dead(&r, REDW_EAUTH);
        solo_free(&r);
    }
}
END_TEST

/* B03 */
START_TEST(the_work_a_server_may_ask_for_is_bounded)
{
    static const char *const counts[] = {"0", "1", "4095", "100001", "2147483647", "2147483648", "-1", "4096 ", NULL};
    static char digits[5001];
    memset(digits, '9', sizeof digits - 1);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        static char body[6000] = "\0\0\0\x0b";
        struct solo r;
        struct timespec a, b;
        int n = snprintf(body + 4, sizeof body - 4, "r=AAECAwQFBgcICQoLDA0ODxAREhMUFRYX%%peer,s=c2FsdA==,i=%s",
                         counts[i] ? counts[i] : digits);
        solo_init(&r);
        solo_reach(&r, SOLO_AT_SASL_FIRST);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
        solo_feed_message(&r, 'R', body, 4 + (size_t)n);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
        ck_assert_uint_eq(r.seen.fatal, 1);
        ck_assert_uint_eq(r.seen.work, 0);
        double ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
        ck_assert_msg(ms < 50, "i=%.20s: %f ms", counts[i] ? counts[i] : digits, ms);
        solo_free(&r);
    }
}
END_TEST

START_TEST(the_nonce_of_a_digest_is_random_and_its_failure_is_told)
{
    static int broken;
    for (int none = 0; none < 2; none++) {
        struct solo r;
        open_at(&r, VERIFIED, 0, 0, REDWI_BINDING_PREFER);
        if (none)
            r.config.entropy = NULL;
        else
            r.config.entropy_ctx = &broken;
        begin(&r);
        solo_feed_message(&r, 'R', methods[3].request, methods[3].request_len);
        ck_assert_ptr_nonnull(strstr(redw_error_message(r.seen.fatal_error), "random"));
        solo_must_be_dead(&r, REDW_EAUTH);
        solo_free(&r);
    }
}
END_TEST

/* --- SCRAM and its binding ------------------------------------------------------------------------ */

#define OFFER_PLAIN "\0\0\0\x0aSCRAM-SHA-256\0\0"
#define OFFER_PLUS  "\0\0\0\x0aSCRAM-SHA-256-PLUS\0\0"
#define OFFER_BOTH  "\0\0\0\x0aSCRAM-SHA-256\0SCRAM-SHA-256-PLUS\0\0"

START_TEST(binding_is_used_required_or_left_out_as_the_settings_say)
{
    static const struct {
        const char *offer;
        size_t n;
        bool tls, end_point;
        enum redwi_binding binding;
        unsigned methods, denied;
        const char *gs2; /* NULL: refused */
        const char *says;
    } table[] = {
        {REQUEST(OFFER_BOTH), true, true, REDWI_BINDING_PREFER, 0, 0, "p=tls-server-end-point,,", ""},
        {REQUEST(OFFER_BOTH), true, true, REDWI_BINDING_REQUIRE, 0, 0, "p=tls-server-end-point,,", ""},
        {REQUEST(OFFER_BOTH), true, true, REDWI_BINDING_DISABLE, 0, 0, "n,,", ""},
        {REQUEST(OFFER_BOTH), true, true, REDWI_BINDING_PREFER, REDWI_LOGIN_SCRAM_PLUS, 0, "p=tls-server-end-point,,", ""},
        {REQUEST(OFFER_BOTH), true, true, REDWI_BINDING_PREFER, REDWI_LOGIN_SCRAM, 0, "n,,", ""},
        {REQUEST(OFFER_BOTH), true, true, REDWI_BINDING_PREFER, 0, REDWI_LOGIN_SCRAM_PLUS, "n,,", ""},
        {REQUEST(OFFER_BOTH), true, true, REDWI_BINDING_PREFER, 0, REDWI_LOGIN_SCRAM, "p=tls-server-end-point,,", ""},
        {REQUEST(OFFER_BOTH), true, false, REDWI_BINDING_PREFER, 0, 0, "n,,", ""},
        {REQUEST(OFFER_BOTH), false, false, REDWI_BINDING_PREFER, 0, 0, "n,,", ""},
        {REQUEST(OFFER_PLAIN), true, true, REDWI_BINDING_PREFER, 0, 0, "y,,", ""},
        {REQUEST(OFFER_PLAIN), true, true, REDWI_BINDING_DISABLE, 0, 0, "n,,", ""},
        {REQUEST(OFFER_PLAIN), true, true, REDWI_BINDING_REQUIRE, 0, 0, NULL, "does not offer it"},
        {REQUEST(OFFER_PLAIN), true, true, REDWI_BINDING_PREFER, REDWI_LOGIN_SCRAM_PLUS, 0, NULL, "does not offer it"},
        {REQUEST(OFFER_PLAIN), true, true, REDWI_BINDING_PREFER, REDWI_LOGIN_MD5, 0, NULL, "require_auth does not allow"},
        {REQUEST(OFFER_PLUS), true, true, REDWI_BINDING_PREFER, 0, 0, "p=tls-server-end-point,,", ""},
        {REQUEST(OFFER_PLUS), true, true, REDWI_BINDING_DISABLE, 0, 0, NULL, "do not allow"},
        {REQUEST(OFFER_PLUS), true, false, REDWI_BINDING_PREFER, 0, 0, NULL, "no TLS certificate"},
        {REQUEST(OFFER_BOTH), true, false, REDWI_BINDING_REQUIRE, 0, 0, NULL, "nothing to bind to"},
        {REQUEST(OFFER_BOTH), false, false, REDWI_BINDING_REQUIRE, 0, 0, NULL, "no TLS to bind to"},
        {REQUEST(OFFER_BOTH), true, true, REDWI_BINDING_REQUIRE, 0, REDWI_LOGIN_SCRAM_PLUS, NULL, "require_auth"},
        {REQUEST("\0\0\0\x0aSCRAM-SHA-1\0\0"), true, true, REDWI_BINDING_PREFER, 0, 0, NULL, "no SASL mechanism"},
        {REQUEST("\0\0\0\x0a\0"), true, true, REDWI_BINDING_REQUIRE, 0, 0, NULL, "no SASL mechanism"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct solo r;
        size_t n;
        open_at(&r, table[i].tls ? VERIFIED : CLEAR, table[i].methods, table[i].denied, table[i].binding);
        r.end_point_len = table[i].end_point ? sizeof end_point : 0;
        begin(&r);
        solo_feed_message(&r, 'R', table[i].offer, table[i].n);
        const uint8_t *out = redwi_session_output(r.s, &n);
        if (!table[i].gs2) {
            ck_assert_msg(n == 0 && r.seen.fatal == 1, "case %zu", i);
            ck_assert_msg(strstr(redw_error_message(r.seen.fatal_error), table[i].says) != NULL, "case %zu: %s", i,
                          redw_error_message(r.seen.fatal_error));
            solo_must_be_dead(&r, REDW_EAUTH);
        } else {
            bool plus = table[i].gs2[0] == 'p';
            const char *mechanism = plus ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256";
            ck_assert_msg(n > 40, "case %zu: %s", i, redw_error_message(r.seen.fatal_error));
            ck_assert_str_eq((const char *)out + 5, mechanism);
            const char *first = (const char *)out + 5 + strlen(mechanism) + 1 + 4;
            ck_assert_msg(strncmp(first, table[i].gs2, strlen(table[i].gs2)) == 0, "case %zu: %.30s", i, first);
        }
        solo_free(&r);
    }
}
END_TEST

START_TEST(each_allocation_of_each_login_may_fail)
{
    size_t tried = 0;
    for (size_t i = 1; i < METHODS; i++) {
        for (size_t fail_at = 1;; fail_at++, tried++) {
            struct solo r;
            struct peer p;
            const struct peer_config config = {
                .tls = true,
                .login = methods[i].login,
                .password = methods[i].login == PEER_TOKEN ? "pencil case" : "pencil"};
            open_at(&r, VERIFIED, methods[i].bit, 0, REDWI_BINDING_DISABLE);
            ck_assert_int_eq(redwi_session_create(&r.s, &r.config), 0);
            r.memory.fail_at = r.memory.calls + fail_at;
            peer_init(&p, &config);
            if (redwi_session_start(r.s) == 0)
                solo_pump(&r, &p);
            bool fired = r.memory.calls >= r.memory.fail_at;
            if (fired && r.seen.fatal)
                ck_assert_int_eq(redw_error_code(r.seen.fatal_error), REDW_ENOMEM);
            ck_assert(r.seen.logged_in || r.seen.fatal || fired);
            peer_free(&p);
            solo_free(&r);
            if (!fired)
                break;
        }
    }
    printf("methods: %zu allocations failed in turn\n", tried);
    ck_assert_uint_gt(tried, 20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("methods");
    TCase *c = tcase_create("methods");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, each_method_is_answered_where_it_may_be_and_nowhere_else);
    tcase_add_test(c, without_a_secret_nothing_is_answered);
    tcase_add_test(c, honest_servers_let_in_and_no_block_goes_back_with_a_secret);
    tcase_add_test(c, requests_cut_off_or_too_long_are_refused);
    tcase_add_test(c, each_field_of_a_digest_request_is_checked);
    tcase_add_test(c, after_an_answer_only_the_verdict_is_heard);
    tcase_add_test(c, a_verdict_is_taken_once_and_whole);
    tcase_add_test(c, servers_that_let_in_early_are_not_believed);
    tcase_add_test(c, the_work_a_server_may_ask_for_is_bounded);
    tcase_add_test(c, the_nonce_of_a_digest_is_random_and_its_failure_is_told);
    tcase_add_test(c, binding_is_used_required_or_left_out_as_the_settings_say);
    tcase_add_test(c, each_allocation_of_each_login_may_fail);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
