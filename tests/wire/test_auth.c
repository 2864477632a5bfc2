/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The login's exchange without a session around it: what a session never lets through, and an output that
 * has no room. Everything else: test_login.c, test_methods.c.
 */
#include "wire/auth.h"

#include "wire/mem.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static int counting_entropy(void *ctx, void *p, size_t n)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)i;
    return 0;
}

static struct redwi_auth exchange(void)
{
    return (struct redwi_auth){
        .mem = &redwi_malloc,
        .user = "app",
        .password = "pencil",
        .token = "a token",
        .methods = ~0u,
        .tls = true,
        .verified = true,
        .entropy = counting_entropy,
    };
}

static redw_error *request(struct redwi_auth *a, const char *body, size_t n, struct redwi_buf *out)
{
    return redwi_auth_request(a, (const uint8_t *)body, n, out);
}

static void must_be(redw_error *e, int code, const char *part)
{
    ck_assert_ptr_nonnull(e);
    ck_assert_msg(redw_error_code(e) == code && strstr(redw_error_message(e), part), "%s",
                  redw_error_message(e));
    ck_assert_int_eq(redw_error_outcome(e), REDW_OUTCOME_NOT_SENT);
    redw_error_release(e);
}

START_TEST(a_request_without_a_whole_code_is_malformed)
{
    struct redwi_buf out;
    redwi_buf_init(&out, &redwi_malloc, 4096);
    for (size_t n = 0; n < 4; n++) {
        struct redwi_auth a = exchange();
        char *body = calloc(1, n ? n : 1); /* of just this size, for whoever reads on */
        must_be(request(&a, body, n, &out), REDW_EPROTOCOL, "malformed authentication request");
        ck_assert_int_eq(a.step, REDWI_AUTH_ANY);
        free(body);
    }
    redwi_buf_free(&out);
}
END_TEST

START_TEST(a_user_that_is_not_given_hashes_as_an_empty_one)
{
    struct redwi_auth a = exchange();
    struct redwi_buf out;
    redwi_buf_init(&out, &redwi_malloc, 4096);
    a.user = NULL;
    ck_assert_ptr_null(request(&a, "\0\0\0\5salt", 8, &out));
    ck_assert_uint_eq(redwi_buf_len(&out), 5 + 36);
    ck_assert_str_eq((const char *)redwi_buf_front(&out) + 5, "md5aad9c13c96989f38ac2133a290aac1eb");
    redwi_buf_free(&out);
}
END_TEST

#define BODY(text) text, sizeof(text) - 1
#define OFFER     "\0\0\0\x0aSCRAM-SHA-256\0\0"
#define CHALLENGE "\0\0\0\x0br=AAECAwQFBgcICQoLDA0ODxAREhMUFRYX%peer,s=c2FsdHNhbHRzYWx0c2FsdA==,i=4096"

START_TEST(an_answer_that_finds_no_room_is_not_written_in_part)
{
    static const struct {
        const char *body;
        size_t n;
    } asked[] = {
        {BODY("\0\0\0\3")},
        {BODY("\0\0\0\5salt")},
        {BODY("\0\0\0\x0d\0\0\0\0\0\0\0\4salt\0\0\0\3abc")},
        {BODY("\0\0\0\x0e")},
        {BODY(OFFER)},
    };
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        struct redwi_auth a = exchange();
        struct redwi_buf out;
        redwi_buf_init(&out, &redwi_malloc, 10);
        redwi_buf_bytes(&out, "abc", 3);
        must_be(request(&a, asked[i].body, asked[i].n, &out), REDW_ENOMEM, "");
        ck_assert_uint_eq(redwi_buf_len(&out), 3);
        ck_assert_mem_eq(redwi_buf_front(&out), "abc", 3);
        redwi_buf_free(&out);
        redwi_auth_end(&a);
    }
}
END_TEST

START_TEST(a_proof_that_finds_no_room_is_not_written_in_part)
{
    struct redwi_auth a = exchange();
    struct redwi_buf out;
    redwi_buf_init(&out, &redwi_malloc, 100); /* the first message, and no more */
    ck_assert_ptr_null(request(&a, BODY(OFFER), &out));
    size_t first = redwi_buf_len(&out);
    ck_assert_ptr_null(request(&a, BODY(CHALLENGE), &out));
    ck_assert_int_eq(a.step, REDWI_AUTH_DERIVING);
    must_be(redwi_auth_work(&a, 4096, &out), REDW_ENOMEM, "");
    ck_assert_uint_eq(redwi_buf_len(&out), first);
    redwi_buf_free(&out);
    redwi_auth_end(&a);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("auth");
    TCase *c = tcase_create("auth");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_request_without_a_whole_code_is_malformed);
    tcase_add_test(c, a_user_that_is_not_given_hashes_as_an_empty_one);
    tcase_add_test(c, an_answer_that_finds_no_room_is_not_written_in_part);
    tcase_add_test(c, a_proof_that_finds_no_room_is_not_written_in_part);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
