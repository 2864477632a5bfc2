/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoders of integers, booleans, binary numbers and UTF-8, against plain readers. Values lie with an
 * inaccessible page behind or before them. (Floating-point text: test_float.c.)
 */
#include "data/decode.h"
#include "data/digits.h"
#include "data/fence.h"
#include "data/row.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* [+-]digits in the most plain way. */
static int plain_int64(const char *p, size_t n, int64_t *out)
{
    size_t i = n > 0 && (p[0] == '-' || p[0] == '+');
    bool over = false;
    __extension__ __int128 v = 0;
    *out = 0;
    if (i == n)
        return REDW_EPROTOCOL;
    for (; i < n; i++) {
        if (p[i] < '0' || p[i] > '9')
            return REDW_EPROTOCOL;
        v = v * 10 + (p[i] - '0');
        over = over || v > (__extension__(__int128) 1 << 100);
        if (over)
            v = (__extension__(__int128) 1 << 100);
    }
    v = p[0] == '-' ? -v : v;
    if (v < INT64_MIN || v > INT64_MAX)
        return REDW_ERANGE;
    *out = (int64_t)v;
    return REDW_OK;
}

/* An ordinary comparison first: each ck_assert costs a system call. */
static void assert_int64(const char *text, size_t n)
{
    int64_t want, got;
    int32_t narrow;
    int rc = plain_int64(text, n, &want);
    bool fits = want >= INT32_MIN && want <= INT32_MAX;
    for (int before = 0; before < 2; before++) {
        got = narrow = 99;
        const char *p = before ? fence_before(text, n) : fence_behind(text, n);
        if (redwi_text_int64(p, n, &got) != rc || got != want)
            ck_abort_msg("%.*s: not %d, %" PRId64, (int)n, text, rc, want);
        if (redwi_text_int32(p, n, &narrow) != (fits ? rc : REDW_ERANGE) || narrow != (fits ? want : 0))
            ck_abort_msg("%.*s: not %d, %" PRId64 " in 32 bits", (int)n, text, rc, want);
        /* Short ones at once, and nothing else but what is one. */
        bool at_once = redwi_led_int64(fence_led(text, n, before), n, &got);
        if (at_once ? rc != REDW_OK || got != want : rc == REDW_OK && n <= 16 && text[0] != '+')
            ck_abort_msg("%.*s: at once not %d, %" PRId64, (int)n, text, rc, want);
        struct redw_column c = {.name = "x", .type = REDW_BIGINT};
        c.priv_[REDWI_COLUMN_FORM] = redwi_form(c.type, c.binary);
        const struct redwi_rowset set = {.columns = &c, .ncolumns = 1};
        redw_slice cell = {fence_led(text, n, before), n};
        redw_row row = {.cells = &cell, .ncells = 1, .priv_ = {&c, &set}};
        if (redw_row_int64(&row, 0, &got) != rc || got != want)
            ck_abort_msg("%.*s: as a cell not %d, %" PRId64, (int)n, text, rc, want);
        if (n <= 16)
            continue;
        size_t ndigits = n - (text[0] == '-');
        at_once = redwi_led_long_int64(fence_led(text, n, before), n, &got);
        if (at_once ? rc != REDW_OK || got != want
                    : rc == REDW_OK && ndigits >= 17 && ndigits <= 19 && text[0] != '+')
            ck_abort_msg("%.*s: long, at once not %d, %" PRId64, (int)n, text, rc, want);
    }
}

START_TEST(integers_are_exact_to_the_last_one_that_fits)
{
    static const char *const limits[] = {
        "0",
        "-0",
        "+0",
        "9223372036854775806",
        "9223372036854775807",
        "9223372036854775808",
        "9223372036854775809",
        "9223372036854775810",
        "9223372036854775817",
        "9999999999999999999",
        "10000000000000000000",
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709551617",
        "36893488147419103232",
        "99999999999999999999",
        "100000000000000000000000000000000000000000000000000",
        "2147483647",
        "2147483648",
        "4294967296",
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        static const char *const before[] = {"",  "-",  "+",
                                             "0", "-0", "-000000000000000000000000000000000"};
        for (size_t k = 0; k < sizeof before / sizeof *before; k++) {
            char text[128];
            int n = snprintf(text, sizeof text, "%s%s", before[k], limits[i]);
            assert_int64(text, (size_t)n);
        }
    }
    int64_t v;
    ck_assert_int_eq(redwi_text_int64("-9223372036854775808", 20, &v), REDW_OK);
    ck_assert(v == INT64_MIN);
    ck_assert_int_eq(redwi_text_int64("-9223372036854775809", 20, &v), REDW_ERANGE);
    ck_assert_int_eq(redwi_text_int64("9223372036854775808", 19, &v), REDW_ERANGE);
    ck_assert(v == 0);
}
END_TEST

START_TEST(integers_of_every_length_are_read_as_a_plain_reader_reads_them)
{
    uint64_t seed = 1;
    for (int round = 0; round < 4000; round++) {
        char text[32];
        for (size_t n = 0; n <= 24; n++) {
            for (size_t i = 0; i < n; i++)
                text[i] = (char)('0' + next_random(&seed) % 10);
            if (n > 0 && next_random(&seed) % 3 == 0)
                text[0] = next_random(&seed) % 4 ? '-' : '+';
            assert_int64(text, n);
        }
    }
}
END_TEST

START_TEST(any_byte_that_is_no_digit_is_refused_wherever_it_stands)
{
    char text[32];
    for (size_t n = 1; n <= 24; n++) {
        for (size_t at = 0; at < n; at++) {
            for (int byte = 0; byte < 256; byte++) {
                memset(text, '7', n);
                text[at] = (char)byte;
                assert_int64(text, n);
            }
        }
    }
    static const char *const refused[] = {
        "",   "-",  "+",   "--1", "+-1",   "-+1",        " 1",
        "1 ", "1.", "1e3", "0x1", "1,000", "-12345678-", "12345678+12345678"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        int64_t v = 5;
        ck_assert_int_eq(redwi_text_int64(refused[i], strlen(refused[i]), &v), REDW_EPROTOCOL);
        ck_assert(v == 0);
    }
    int64_t v;
    ck_assert_int_eq(redwi_text_int64("1\0", 2, &v), REDW_EPROTOCOL);
}
END_TEST

START_TEST(booleans_have_six_spellings)
{
    static const struct {
        const char *text;
        int rc;
        bool value;
    } rows[] = {
        {"t", 0, true},
        {"true", 0, true},
        {"1", 0, true},
        {"f", 0, false},
        {"false", 0, false},
        {"0", 0, false},
        {"", REDW_EPROTOCOL, false},
        {"T", REDW_EPROTOCOL, false},
        {"yes", REDW_EPROTOCOL, false},
        {"tr", REDW_EPROTOCOL, false},
        {"true ", REDW_EPROTOCOL, false},
        {"trues", REDW_EPROTOCOL, false},
        {"falsy", REDW_EPROTOCOL, false},
        {"2", REDW_EPROTOCOL, false},
        {"TRUE", REDW_EPROTOCOL, false},
        {"01", REDW_EPROTOCOL, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool v = true;
        size_t n = strlen(rows[i].text);
        ck_assert_int_eq(redwi_text_bool(fence_behind(rows[i].text, n), n, &v), rows[i].rc);
        ck_assert_int_eq(v, rows[i].value);
    }
}
END_TEST

START_TEST(a_numeric_is_an_integer_when_its_fraction_is_zero)
{
    static const struct {
        const char *text;
        int rc;
        int64_t value;
    } rows[] = {
        {"0", 0, 0},
        {"12", 0, 12},
        {"-12.00", 0, -12},
        {"0.000", 0, 0},
        {"-0.0", 0, 0},
        {"+3.0", 0, 3},
        {"9223372036854775807.0000000000000000000", 0, INT64_MAX},
        {"-9223372036854775808.0", 0, INT64_MIN},
        {"9223372036854775808.0", REDW_ERANGE, 0},
        {"9223372036854775808", REDW_ERANGE, 0},
        {"-9223372036854775808.5", REDW_ERANGE, 0},
        {"99999999999999999999999999999999999999", REDW_ERANGE, 0},
        {"12.5", REDW_ERANGE, 0},
        {"0.01", REDW_ERANGE, 0},
        {"-7.0000000000000000000000000000000000001", REDW_ERANGE, 0},
        {"NaN", REDW_ERANGE, 0},
        {"Infinity", REDW_ERANGE, 0},
        {"-Infinity", REDW_ERANGE, 0},
        {"", REDW_EPROTOCOL, 0},
        {".", REDW_EPROTOCOL, 0},
        {"-", REDW_EPROTOCOL, 0},
        {"1.", REDW_EPROTOCOL, 0},
        {".0", REDW_EPROTOCOL, 0},
        {"-.0", REDW_EPROTOCOL, 0},
        {"1.0.0", REDW_EPROTOCOL, 0},
        {"1.0 ", REDW_EPROTOCOL, 0},
        {"1.-0", REDW_EPROTOCOL, 0},
        {"1.5x", REDW_EPROTOCOL, 0},
        {"x.5", REDW_EPROTOCOL, 0},
        {"1e3", REDW_EPROTOCOL, 0},
        {"nan", REDW_EPROTOCOL, 0},
        {"Infinit", REDW_EPROTOCOL, 0},
        {"NaM", REDW_EPROTOCOL, 0},
        {"infinity", REDW_EPROTOCOL, 0},
        {"-infinity", REDW_EPROTOCOL, 0},
        {"x", REDW_EPROTOCOL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t v = 99;
        size_t n = strlen(rows[i].text);
        ck_assert_msg(redwi_text_whole(fence_behind(rows[i].text, n), n, &v) == rows[i].rc, "%s",
                      rows[i].text);
        ck_assert_msg(v == rows[i].value, "%s", rows[i].text);
    }
}
END_TEST

START_TEST(binary_values_have_exactly_their_type_s_width)
{
    static const char bytes[] = "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7";
    for (size_t n = 0; n <= 9; n++) {
        int64_t v = 99;
        double d = 99;
        bool b = true;
        const char *p = fence_behind(bytes, n);
        ck_assert_int_eq(redwi_binary_int(p, n, &v),
                         n == 2 || n == 4 || n == 8 ? REDW_OK : REDW_EPROTOCOL);
        ck_assert_int_eq(v, n == 2 ? -2 : n == 4 ? -66052 : n == 8 ? -283686952306184 : 0);
        ck_assert_int_eq(redwi_binary_float(p, n, &d), n == 4 || n == 8 ? REDW_OK : REDW_EPROTOCOL);
        ck_assert(n == 4 || n == 8 ? d < 0 || isnan(d) : d == 0);
        ck_assert_int_eq(redwi_binary_bool(p, n, &b), REDW_EPROTOCOL);
        ck_assert(!b);
    }
    bool b;
    for (int byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        ck_assert_int_eq(redwi_binary_bool(fence_behind(&c, 1), 1, &b),
                         byte < 2 ? REDW_OK : REDW_EPROTOCOL);
        ck_assert_int_eq(b, byte == 1);
    }
}
END_TEST

START_TEST(binary_numbers_are_their_bytes)
{
    static const struct {
        const char *bytes;
        size_t n;
        int64_t value;
    } ints[] = {
        {"\x00\x00", 2, 0},
        {"\x7f\xff", 2, 32767},
        {"\x80\x00", 2, -32768},
        {"\x7f\xff\xff\xff", 4, INT32_MAX},
        {"\x80\x00\x00\x00", 4, INT32_MIN},
        {"\x00\x00\x01\x02", 4, 258},
        {"\x7f\xff\xff\xff\xff\xff\xff\xff", 8, INT64_MAX},
        {"\x80\x00\x00\x00\x00\x00\x00\x00", 8, INT64_MIN},
        {"\x01\x02\x03\x04\x05\x06\x07\x08", 8, 0x0102030405060708},
    };
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        int64_t v;
        ck_assert_int_eq(redwi_binary_int(fence_before(ints[i].bytes, ints[i].n), ints[i].n, &v),
                         REDW_OK);
        ck_assert(v == ints[i].value);
    }
    static const struct {
        const char *bytes;
        size_t n;
        double value;
    } floats[] = {
        {"\x3f\xc0\x00\x00", 4, 1.5},
        {"\x3d\xcc\xcc\xcd", 4, (double)0.1F},
        {"\x00\x00\x00\x01", 4, (double)FLT_TRUE_MIN},
        {"\x3f\xb9\x99\x99\x99\x99\x99\x9a", 8, 0.1},
        {"\x00\x00\x00\x00\x00\x00\x00\x01", 8, DBL_TRUE_MIN},
        {"\x7f\xf0\x00\x00\x00\x00\x00\x00", 8, (double)INFINITY},
        {"\xff\x80\x00\x00", 4, -(double)INFINITY},
        {"\x7f\xef\xff\xff\xff\xff\xff\xff", 8, DBL_MAX},
    };
    double d;
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
        ck_assert_int_eq(redwi_binary_float(floats[i].bytes, floats[i].n, &d), REDW_OK);
        ck_assert(d == floats[i].value);
    }
    ck_assert_int_eq(redwi_binary_float("\x80\x00\x00\x00", 4, &d), REDW_OK);
    ck_assert(d == 0 && signbit(d));
    ck_assert_int_eq(redwi_binary_float("\x7f\xc0\x00\x00", 4, &d), REDW_OK);
    ck_assert(isnan(d));
    ck_assert_int_eq(redwi_binary_float("\x7f\xf8\x00\x00\x00\x00\x00\x00", 8, &d), REDW_OK);
    ck_assert(isnan(d));
}
END_TEST

/* Encodes one code point as its number of bytes says, sound or not. */
static size_t encode(uint32_t c, size_t len, char *out)
{
    static const unsigned lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    if (len == 1) {
        out[0] = (char)c;
        return 1;
    }
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    out[0] = (char)(lead[len] | c);
    return len;
}

START_TEST(every_code_point_is_accepted_in_its_shortest_form_alone)
{
    static const uint32_t first[] = {0, 1, 0x80, 0x800, 0x10000};
    for (uint32_t c = 1; c < 0x1fffff; c += c < 0x12000 ? 1 : 61) {
        for (size_t len = 2; len <= 4; len++) {
            char text[4];
            if (len < 4 && c >= (len == 3 ? 0x10000U : 0x800U))
                continue;
            encode(c, len, text);
            bool sound = c >= first[len] && c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
            const char *fault = redwi_utf8_fault(fence_behind(text, len), len);
            if (sound ? fault != NULL : !fault || strcmp(fault, "not valid UTF-8") != 0)
                ck_abort_msg("U+%X in %zu bytes: %s", c, len, fault ? fault : "accepted");
        }
    }
    for (int byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        const char *fault = redwi_utf8_fault(fence_behind(&c, 1), 1);
        ck_assert_pstr_eq(fault, byte == 0     ? "contains a NUL byte"
                                 : byte < 0x80 ? NULL
                                               : "not valid UTF-8");
    }
    ck_assert_ptr_null(redwi_utf8_fault(NULL, 0));
    ck_assert_ptr_null(redwi_utf8_fault("\xf4\x8f\xbf\xbf", 4));
    ck_assert_ptr_nonnull(redwi_utf8_fault("\xf4\x90\x80\x80", 4));
    ck_assert_ptr_nonnull(redwi_utf8_fault("\xf5\x80\x80\x80", 4));
}
END_TEST

START_TEST(a_copy_tells_whether_it_is_ascii_without_a_nul)
{
    static const uint8_t others[] = {0, 1, 0x7f, 0x80, 0x81, 0xff};
    for (size_t n = 0; n < 40; n++) {
        for (size_t at = 0; at < (n ? n : 1); at++) {
            for (size_t i = 0; i < sizeof others; i++) {
                char text[40], copy[48];
                memset(text, 'a', sizeof text);
                memset(copy, '#', sizeof copy);
                if (n)
                    text[at] = (char)others[i];
                bool ascii = redwi_copy_ascii(copy, fence_behind(text, n), n);
                if (ascii != (n >= 8 && others[i] > 0 && others[i] < 0x80))
                    ck_abort_msg("%zu bytes, %#x at %zu: %d", n, others[i], at, ascii);
                if (memcmp(copy, text, n) != 0 || copy[n] != '#')
                    ck_abort_msg("%zu bytes: not the same", n);
            }
        }
    }
}
END_TEST

START_TEST(a_fault_in_a_text_is_found_wherever_it_stands)
{
    static const char *const faults[] = {"\x80",
                                         "\xbf",
                                         "\xc0\x80",
                                         "\xc1\xbf",
                                         "\xc3(",
                                         "\xe0\x80\x80",
                                         "\xe2\x82",
                                         "\xe2\x28\xa1",
                                         "\xe2\x82\x28",
                                         "\xed\xa0\x80",
                                         "\xf0\x80\x80\x80",
                                         "\xf0\x9f\x8e",
                                         "\xf0\x9f\x8e(",
                                         "\xf8\x88\x80\x80\x80",
                                         "\xff",
                                         "\xfe"};
    for (size_t before = 0; before < 20; before++) {
        for (size_t after = 0; after < 20; after++) {
            char text[64];
            memset(text, 'a', sizeof text);
            const char *sound = fence_behind(text, before + after);
            ck_assert_ptr_null(redwi_utf8_fault(sound, before + after));
            for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
                size_t len = strlen(faults[i]);
                memset(text, 'a', sizeof text);
                memcpy(text + before, faults[i], len);
                const char *p = fence_behind(text, before + len + after);
                ck_assert_pstr_eq(redwi_utf8_fault(p, before + len + after), "not valid UTF-8");
            }
            text[before] = '\0';
            const char *p = fence_behind(text, before + 1);
            ck_assert_pstr_eq(redwi_utf8_fault(p, before + 1), "contains a NUL byte");
            /* A sound character across the words that are looked at together. */
            memset(text, 'a', sizeof text);
            memcpy(text + before, "\xf0\x9f\x8e\x88", 4);
            p = fence_behind(text, before + 4 + after);
            ck_assert_ptr_null(redwi_utf8_fault(p, before + 4 + after));
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode");
    TCase *t = tcase_create("decode");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, integers_are_exact_to_the_last_one_that_fits);
    tcase_add_test(t, integers_of_every_length_are_read_as_a_plain_reader_reads_them);
    tcase_add_test(t, any_byte_that_is_no_digit_is_refused_wherever_it_stands);
    tcase_add_test(t, booleans_have_six_spellings);
    tcase_add_test(t, a_numeric_is_an_integer_when_its_fraction_is_zero);
    tcase_add_test(t, binary_values_have_exactly_their_type_s_width);
    tcase_add_test(t, binary_numbers_are_their_bytes);
    tcase_add_test(t, every_code_point_is_accepted_in_its_shortest_form_alone);
    tcase_add_test(t, a_copy_tells_whether_it_is_ascii_without_a_nul);
    tcase_add_test(t, a_fault_in_a_text_is_found_wherever_it_stands);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
