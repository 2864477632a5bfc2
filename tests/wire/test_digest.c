/* SPDX-License-Identifier: Apache-2.0 */
/*
 * B01, B02: The vectors of docs/redshift/protocol.md, "Vectors": MD5, Redshift's digest, and the answers they
 * go in.
 */
#include "wire/digest.h"
#include "wire/mem.h"

#include <check.h>
#include <openssl/err.h>
#include <stdlib.h>

static redw_slice text(const char *s)
{
    return (redw_slice){s, strlen(s)};
}

/* Bytes of hexadecimal digits; the four latest ones live. */
static redw_slice hex(const char *digits)
{
    static char texts[4][128];
    static unsigned turn;
    size_t n = strlen(digits) / 2;
    char *out = texts[turn++ % 4];
    ck_assert_uint_le(n, sizeof texts[0]);
    for (size_t i = 0; i < n; i++) {
        const char pair[3] = {digits[2 * i], digits[2 * i + 1], 0};
        out[i] = (char)strtoul(pair, NULL, 16);
    }
    return (redw_slice){out, n};
}

static void must_be(const struct redwi_buf *b, redw_slice want)
{
    ck_assert_uint_eq(redwi_buf_len(b), want.len);
    ck_assert_mem_eq(redwi_buf_front(b), want.ptr, want.len);
}

START_TEST(md5_of_user_and_password)
{
    char out[REDWI_MD5_CHARS];
    const uint8_t salt[4] = {1, 2, 3, 4};
    struct redwi_buf b;
    ck_assert_int_eq(redwi_digest_md5(out, text("user1"), text("ez"), salt), 0);
    ck_assert_mem_eq(out, "md56a25a8b761ca1d873811551f3edbe4b4", sizeof out);
    redwi_buf_init(&b, &redwi_malloc, 4096);
    redwi_fe_password(&b, out, sizeof out);
    must_be(&b, hex("7000000028"
                    "6d64353661323561386237363163613164383733383131353531663365646265346234"
                    "00"));
    redwi_buf_free(&b);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

START_TEST(redshifts_digest)
{
    static const struct {
        const char *password, *request, *client_nonce, *h2, *response;
        bool answered;
    } vectors[] = {
        {"Mypassword1",
         "0000000000000020"
         "c721bff5d9042cf541ff7b9d48fa8a6e545c19a763e3710151f9513038b0f6c6"
         "00000010000102030405060708090a0b0c0d0e0f",
         "31373030303030303030303030", "948b9a6320accdd3505242266b1ad6e6748788110cc89dd1add9ee61f768d3e2",
         "640000003900000020948b9a6320accdd3505242266b1ad6e6748788110cc89dd1add9ee61f768d3e2"
         "0000000d31373030303030303030303030",
         true},
        {"p\xc3\xa4ssw\xc3\xb6rd",
         "0000000000000020"
         "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
         "00000008deadbeefcafef00d",
         "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
         "d5c5bf89f82848c2f446e030570a0e2edd8042b0b82f8aa5787b283b875d4926",
         "640000003c00000020d5c5bf89f82848c2f446e030570a0e2edd8042b0b82f8aa5787b283b875d4926"
         "00000010a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
         true},
        {"", "000000000000000000000000", "30",
         "38fe84930aa052894b25ca82eddb24583cc33884bb571d1a5e8039288e6975f4",
         "640000002d0000002038fe84930aa052894b25ca82eddb24583cc33884bb571d1a5e8039288e6975f4"
         "0000000130",
         false},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct redwi_digest_request request;
        redw_slice body = hex(vectors[i].request), nonce = hex(vectors[i].client_nonce);
        uint8_t out[REDWI_DIGEST_BYTES];
        struct redwi_buf b;
        ck_assert(redwi_be_digest_request((const uint8_t *)body.ptr, body.len, &request));
        ck_assert(redwi_be_digest_ok(&request) == vectors[i].answered);
        ck_assert_int_eq(redwi_digest_sha256(out, text(vectors[i].password), &request, nonce), 0);
        ck_assert_mem_eq(out, hex(vectors[i].h2).ptr, sizeof out);
        redwi_buf_init(&b, &redwi_malloc, 4096);
        redwi_fe_digest(&b, out, (const uint8_t *)nonce.ptr, nonce.len);
        must_be(&b, hex(vectors[i].response));
        redwi_buf_free(&b);
    }
    ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("digest");
    TCase *c = tcase_create("digest");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, md5_of_user_and_password);
    tcase_add_test(c, redshifts_digest);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
