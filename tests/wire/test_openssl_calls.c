/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The logins that hash, when OpenSSL refuses: each call that the library makes fails in turn. The functions
 * are defined here again, so that those calls come by; what OpenSSL calls itself does not.
 */
#include "support/solo.h"

#include <check.h>
#include <dlfcn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    long calls, fail_at; /* this one fails, 1 being the first; 0: none */
} openssl;

/* As OpenSSL does it: with an entry in the queue. */
static bool refused(void)
{
    if (++openssl.calls != openssl.fail_at)
        return false;
    ERR_raise(ERR_LIB_EVP, ERR_R_MALLOC_FAILURE);
    return true;
}

#define COUNTED(type, name, failure, parameters, arguments)    \
    type name parameters                                       \
    {                                                          \
        static type(*real) parameters;                         \
        if (!real)                                             \
            *(void **)&real = dlsym(RTLD_NEXT, #name);         \
        return refused() ? (failure) : real arguments;         \
    }

COUNTED(EVP_MD *, EVP_MD_fetch, NULL, (OSSL_LIB_CTX * lib, const char *name, const char *properties),
        (lib, name, properties))
COUNTED(EVP_MD_CTX *, EVP_MD_CTX_new, NULL, (void), ())
COUNTED(int, EVP_DigestInit_ex2, 0, (EVP_MD_CTX * ctx, const EVP_MD *type, const OSSL_PARAM *params),
        (ctx, type, params))
COUNTED(int, EVP_DigestUpdate, 0, (EVP_MD_CTX * ctx, const void *p, size_t n), (ctx, p, n))
COUNTED(int, EVP_DigestFinal_ex, 0, (EVP_MD_CTX * ctx, unsigned char *out, unsigned *n), (ctx, out, n))
COUNTED(int, EVP_Q_digest, 0,
        (OSSL_LIB_CTX * lib, const char *name, const char *properties, const void *p, size_t n,
         unsigned char *out, size_t *len),
        (lib, name, properties, p, n, out, len))
COUNTED(EVP_MAC *, EVP_MAC_fetch, NULL, (OSSL_LIB_CTX * lib, const char *name, const char *properties),
        (lib, name, properties))
COUNTED(EVP_MAC_CTX *, EVP_MAC_CTX_new, NULL, (EVP_MAC * mac), (mac))
COUNTED(int, EVP_MAC_CTX_set_params, 0, (EVP_MAC_CTX * ctx, const OSSL_PARAM params[]), (ctx, params))
COUNTED(int, EVP_MAC_init, 0,
        (EVP_MAC_CTX * ctx, const unsigned char *key, size_t n, const OSSL_PARAM params[]),
        (ctx, key, n, params))
COUNTED(int, EVP_MAC_update, 0, (EVP_MAC_CTX * ctx, const unsigned char *p, size_t n), (ctx, p, n))
COUNTED(int, EVP_MAC_final, 0, (EVP_MAC_CTX * ctx, unsigned char *out, size_t *n, size_t cap),
        (ctx, out, n, cap))

struct request {
    const char *body;
    size_t n;
};
#define REQUEST(text) {text, sizeof(text) - 1}

static const struct login {
    const char *name;
    unsigned method;
    struct request requests[3]; /* one after the other, each answered but the last of SCRAM */
    long calls;
} logins[] = {
    {"md5", REDWI_LOGIN_MD5, {REQUEST("\0\0\0\5salt")}, 12},
    {"digest", REDWI_LOGIN_DIGEST, {REQUEST("\0\0\0\x0d\0\0\0\0\0\0\0\4salt\0\0\0\3abc")}, 13},
    {"scram",
     REDWI_LOGIN_SCRAM,
     {REQUEST("\0\0\0\x0aSCRAM-SHA-256\0\0"), REQUEST(SOLO_SASL_CHALLENGE), REQUEST(SOLO_SASL_SIGNATURE)},
     /* three, of U_1 four, of each further iteration three, of four HMACs and a hash thirteen */
     3 + 4 + 4095 * 3 + 13},
};

/* As far as it goes; the answers that came of it. */
static size_t log_in(struct solo *r, const struct login *login)
{
    size_t answers = 0;
    solo_init(r);
    r->memory.secret = "pencil";
    r->config.methods = login->method;
    solo_reach(r, SOLO_AT_AUTH);
    openssl.calls = 0;
    for (size_t i = 0; i < 3 && login->requests[i].body && !r->seen.fatal; i++) {
        solo_feed_message(r, 'R', login->requests[i].body, login->requests[i].n);
        answers += solo_send_all(r) > 0;
    }
    openssl.fail_at = 0;
    if (!r->seen.fatal)
        SOLO_FEED(r, 'R', "\0\0\0\0");
    return answers;
}

static void must_fail_at(const struct login *login, long n, size_t answers)
{
    struct solo r;
    openssl.fail_at = n;
    ck_assert_msg(log_in(&r, login) < answers, "%s: call %ld failed and all was answered", login->name, n);
    const char *message = redw_error_message(r.seen.fatal_error);
    bool lacks_hash = strstr(message, "is not to be had from this OpenSSL") != NULL;
    ck_assert_int_eq(redw_error_outcome(r.seen.fatal_error), REDW_OUTCOME_NOT_SENT);
    solo_must_be_dead(&r, lacks_hash ? REDW_EAUTH : REDW_ENOMEM);
    solo_free(&r); /* nothing leaked, and OpenSSL's queue is empty */
}

/* All at the beginning and the end; in between are iterations, all alike. */
static long next_call(long n, long total)
{
    if (n < 20 || n >= total - 20)
        return n + 1;
    return n + 613 < total - 20 ? n + 613 : total - 20;
}

START_TEST(each_call_that_fails_ends_the_login_and_nothing_is_sent)
{
    size_t tried = 0;
    for (size_t i = 0; i < sizeof logins / sizeof logins[0]; i++) {
        struct solo r;
        size_t answers = log_in(&r, &logins[i]);
        long total = openssl.calls;
        ck_assert_msg(!r.seen.fatal, "%s: %s", logins[i].name, redw_error_message(r.seen.fatal_error));
        ck_assert_int_eq(total, logins[i].calls);
        solo_free(&r);
        for (long n = 1; n <= total; n = next_call(n, total), tried++)
            must_fail_at(&logins[i], n, answers);
    }
    printf("openssl: %zu calls failed in turn\n", tried);
}
END_TEST

START_TEST(a_hash_that_openssl_lacks_is_named)
{
    static const char *const names[] = {"MD5", "SHA-256"};
    for (size_t i = 0; i < 2; i++) {
        struct solo r;
        char want[100];
        openssl.fail_at = 1; /* the fetch */
        log_in(&r, &logins[i]);
        snprintf(want, sizeof want, "login: %s is not to be had from this OpenSSL", names[i]);
        ck_assert_str_eq(redw_error_message(r.seen.fatal_error), want);
        solo_must_be_dead(&r, REDW_EAUTH);
        solo_free(&r);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("openssl_calls");
    TCase *c = tcase_create("openssl_calls");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, each_call_that_fails_ends_the_login_and_nothing_is_sent);
    tcase_add_test(c, a_hash_that_openssl_lacks_is_named);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
