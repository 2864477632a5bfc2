/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SASLprep: the examples of RFC 4013, each rule, and all code points of interest and 50,000 texts against
 * Python's normalisation (digests by scripts/saslprep_tables.py --digest).
 */
#include "support/solo.h"
#include "wire/nfkc.h"
#include "wire/saslprep.h"
#include "wire/secret.h"

#include <check.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(passwords_are_prepared)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"pencil", "pencil"},
        {"", ""},
        {" two  words ", " two  words "},
        {"a\tb\x01", "a\tb\x01"}, /* ASCII is left alone */
        /* RFC 4013, section 3. */
        {"I\xc2\xadX", "IX"},
        {"user", "user"},
        {"USER", "USER"},
        {"\xc2\xaa", "a"},
        {"\xe2\x85\xa8", "IX"},
        {"\x07", "\x07"},             /* prohibited: as it is */
        {"\xd8\xa7" "1", "\xd8\xa7" "1"}, /* Arabic letter, digit at the end: as it is */
        /* Mapping. */
        {"p\xc3\xa4ssword", "p\xc3\xa4ssword"},
        {"a\xc2\xa0z", "a z"},
        {"a\xe3\x80\x80z", "a z"}, /* no-break, ideographic space */
        {"a\xe2\x80\x8bz", "a z"}, /* U+200B: a space first of all */
        {"a\xc2\xadz", "az"},
        {"a\xef\xbb\xbfz", "az"},
        {"a\xe2\x81\xa0z", "az"},
        {"\xc2\xad", "\xc2\xad"}, /* nothing would be left */
        /* Normalisation. */
        {"pa\xcc\x88ssword", "p\xc3\xa4ssword"},
        {"\xef\xac\x81", "fi"},                                 /* ligature */
        {"\xef\xbc\xa1\xef\xbc\x91", "A1"},                     /* full width */
        {"\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xed\x95\x9c"}, /* Hangul */
        {"\xed\x95\x9c", "\xed\x95\x9c"},
        {"q\xcc\x87\xcc\xa3", "q\xcc\xa3\xcc\x87"},             /* marks in their order */
        {"\xe1\xba\x9b\xcc\xa3", "\xe1\xb9\xa9"},               /* both at once */
        {"\xf0\xaf\xa1\xa8", "\xe3\x9b\xbc"},                   /* U+2F868 as corrected */
        /* Prohibited, or without a form: as they are. */
        {"\xc3\xa4\x07", "\xc3\xa4\x07"},
        {"\xc2\xad\xc2\x85", "\xc2\xad\xc2\x85"},
        {"\xc2\xad\xee\x80\x80", "\xc2\xad\xee\x80\x80"},
        {"\xc2\xad\xf0\x9f\xbf\xbe", "\xc2\xad\xf0\x9f\xbf\xbe"}, /* U+1FFFE */
        {"\xc2\xad\xf0\x9f\x98\x80", "\xc2\xad\xf0\x9f\x98\x80"}, /* newer than Unicode 3.2 */
        /* Directions. */
        {"\xcd\x80\xc2\xad", "\xcd\x80\xc2\xad"},             /* U+0340, prohibited before it is normalised */
        {"\xe1\xb4\xac", "\xe1\xb4\xac"},                     /* newer, though equivalent to an A */
        {"\xd7\x90\xc2\xad\xd7\x91", "\xd7\x90\xd7\x91"},
        {"\xd7\x90\xc2\xad" "1\xd7\x91", "\xd7\x90" "1\xd7\x91"},
        {"\xd7\x90\xc2\xad" "a\xd7\x91", "\xd7\x90\xc2\xad" "a\xd7\x91"},
        {"1\xc2\xad\xd7\x91", "1\xc2\xad\xd7\x91"},
        /* Not UTF-8: as it is. */
        {"\xc2\xad\xc2", "\xc2\xad\xc2"},
        {"\xc2\xad\xc0\xaf", "\xc2\xad\xc0\xaf"},
        {"\xc2\xad\xed\xa0\x80", "\xc2\xad\xed\xa0\x80"},
        {"\xc2\xad\xff", "\xc2\xad\xff"},
        {"\xc2\xad\xf4\x90\x80\x80", "\xc2\xad\xf4\x90\x80\x80"},
        {"\xc2\xad\x80", "\xc2\xad\x80"},
        {"\xc2\xad\xc3(", "\xc2\xad\xc3("},
        {"\xc2\xad\xe3\x81\xc0", "\xc2\xad\xe3\x81\xc0"},
        {"\xc2\xad\xe0\x80\x80", "\xc2\xad\xe0\x80\x80"},
        {"\xc2\xad\xe3\x80", "\xc2\xad\xe3\x80"},
        {"\xc2\xad\xf0\x80\x80\x80", "\xc2\xad\xf0\x80\x80\x80"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = strlen(cases[i].in), len;
        char *out, *in = malloc(n + 1);
        memcpy(in, cases[i].in, n); /* no NUL: its length is what counts */
        ck_assert_int_eq(redwi_saslprep(&redwi_malloc, in, n, &out, &len), 0);
        ck_assert_msg(len == strlen(cases[i].out) && strcmp(out, cases[i].out) == 0, "case %zu", i);
        redwi_secret_free(&redwi_malloc, out);
        free(in);
    }
}
END_TEST

/* --- against Python --------------------------------------------------------------------------------- */

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80)
        return (size_t)sprintf(out, "%c", (int)c) ? 1 : 1;
    if (c < 0x800)
        return (size_t)snprintf(out, 8, "%c%c", (int)(0xC0 | c >> 6), (int)(0x80 | (c & 63)));
    if (c < 0x10000)
        return (size_t)snprintf(out, 8, "%c%c%c", (int)(0xE0 | c >> 12), (int)(0x80 | (c >> 6 & 63)),
                                (int)(0x80 | (c & 63)));
    return (size_t)snprintf(out, 8, "%c%c%c%c", (int)(0xF0 | c >> 18), (int)(0x80 | (c >> 12 & 63)),
                            (int)(0x80 | (c >> 6 & 63)), (int)(0x80 | (c & 63)));
}

static void hash_prepared(EVP_MD_CTX *hash, const char *text, size_t n)
{
    char *out;
    size_t len;
    if (redwi_saslprep(&redwi_malloc, text, n, &out, &len))
        ck_abort_msg("no memory");
    EVP_DigestUpdate(hash, out, len + 1); /* with its NUL */
    redwi_secret_free(&redwi_malloc, out);
}

static EVP_MD_CTX *hash_begin(void)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    EVP_DigestInit_ex2(hash, EVP_sha256(), NULL);
    return hash;
}

static void hash_must_be(EVP_MD_CTX *hash, const char *want)
{
    unsigned char sum[32];
    char text[65];
    EVP_DigestFinal_ex(hash, sum, NULL);
    EVP_MD_CTX_free(hash);
    for (size_t i = 0; i < sizeof sum; i++)
        snprintf(text + 2 * i, 3, "%02x", sum[i]);
    ck_assert_str_eq(text, want);
}

/* Of the large blocks that are all of one kind, and of the planes above 2, one in 37: a secret costs a few
 * system calls. */
static uint32_t next_code_point(uint32_t c)
{
    bool uniform = (c >= 0x3400 && c < 0xA000) || (c >= 0xAC00 && c < 0xF900) ||
                   (c >= 0x10500 && c < 0x1D000) || (c >= 0x20000 && c < 0x2F7C0) || c >= 0x30000;
    c += uniform ? 37 : 1;
    return c >= 0xD800 && c < 0xE000 ? 0xE000 : c;
}

START_TEST(code_points_are_prepared_as_python_does)
{
    EVP_MD_CTX *hash = hash_begin();
    for (uint32_t c = 0; c < 0x110000; c = next_code_point(c)) {
        char text[8];
        hash_prepared(hash, text, put_utf8(text, c));
    }
    hash_must_be(hash, "3498cb4664682078824805275b3dc70e14c74211a3ef298d74639bd49b9ab6ea");
}
END_TEST

static uint64_t seed = 0x9E3779B97F4A7C15;

static uint32_t draw(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed % n);
}

START_TEST(texts_are_prepared_as_python_does)
{
    static const uint32_t pool[][2] = {
        {0x41, 0x7A},     {0xA0, 0x17F},    {0x300, 0x36F},   {0x5B0, 0x6D5},   {0x900, 0xDDF},
        {0x1100, 0x11FF}, {0x1E00, 0x1FFF}, {0x2000, 0x206F}, {0x3040, 0x30FF}, {0xAC00, 0xD7A3},
        {0xF900, 0xFA6A}, {0xFB1D, 0xFDFC}, {0xFE00, 0xFFEF}, {0x1D15E, 0x1D164},
    };
    const uint32_t count = sizeof pool / sizeof pool[0];
    EVP_MD_CTX *hash = hash_begin();
    for (int i = 0; i < 50000; i++) {
        char text[64];
        size_t n = 0;
        uint32_t length = 1 + draw(6), one = draw(count);
        while (length--) {
            const uint32_t *range = pool[draw(4) ? one : draw(count)];
            n += put_utf8(text + n, range[0] + draw(range[1] - range[0] + 1));
        }
        hash_prepared(hash, text, n);
    }
    hash_must_be(hash, "98ea58d048c9f05e65ca5a029065048bf0121d2a8bb2f60aa49d25c228e2921c");
}
END_TEST

/* Which no password is normalised with, but what the tables do not have must not be looked for behind them. */
START_TEST(code_points_that_unicode_3_2_does_not_have_stay_as_they_are)
{
    static const uint32_t text[] = {0x378, 0x1D2C, 0x2FA1E, 0xE0100, 0x10FFFD, UINT32_MAX};
    enum { N = sizeof text / sizeof text[0] };
    uint32_t out[N];
    ck_assert_uint_eq(redwi_nfkc_room(text, N), N);
    ck_assert_uint_eq(redwi_nfkc(out, text, N), N);
    ck_assert_mem_eq(out, text, sizeof text);
}
END_TEST

START_TEST(a_password_may_grow_eighteenfold)
{
    /* U+FDFA, three bytes that become thirty-three. */
    size_t n = 3 * 1000, len;
    char *in = malloc(n), *out;
    for (size_t i = 0; i < n; i += 3)
        memcpy(in + i, "\xef\xb7\xba", 3);
    ck_assert_int_eq(redwi_saslprep(&redwi_malloc, in, n, &out, &len), 0);
    ck_assert_uint_eq(len, 33 * 1000);
    ck_assert_uint_eq(strlen(out), len);
    redwi_secret_free(&redwi_malloc, out);
    free(in);
}
END_TEST

START_TEST(each_allocation_may_fail_and_no_block_goes_back_with_the_password)
{
    for (size_t n = 1;; n++) {
        struct solo r;
        char *out;
        size_t len;
        solo_init(&r);
        r.memory.secret = "\xc2\xadpencil";
        r.memory.fail_at = n;
        int code = redwi_saslprep(&r.memory.mem, "\xc2\xadpencil", 8, &out, &len);
        ck_assert_int_eq(code, r.memory.calls >= n ? REDW_ENOMEM : 0);
        if (!code)
            redwi_secret_free(&r.memory.mem, out);
        ck_assert_uint_eq(r.memory.live, 0);
        ck_assert_uint_eq(r.memory.secrets, 0);
        if (!code)
            break;
        ck_assert_uint_lt(n, 10);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("saslprep");
    TCase *c = tcase_create("saslprep");
    tcase_set_timeout(c, 300);
    tcase_add_test(c, passwords_are_prepared);
    tcase_add_test(c, code_points_are_prepared_as_python_does);
    tcase_add_test(c, texts_are_prepared_as_python_does);
    tcase_add_test(c, code_points_that_unicode_3_2_does_not_have_stay_as_they_are);
    tcase_add_test(c, a_password_may_grow_eighteenfold);
    tcase_add_test(c, each_allocation_may_fail_and_no_block_goes_back_with_the_password);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
