/* SPDX-License-Identifier: Apache-2.0 */
/* C15: NUMERIC: the three wire forms, the text, and what is refused. */
#include "data/numeric.h"

#include "data/decode.h"
#include "data/fence.h"
#include "data/row.h"
#include "wire/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define B(bytes) bytes, sizeof(bytes) - 1

static const char *text_of(redw_decimal d)
{
    static char buf[REDW_DECIMAL_CHARS];
    return redw_decimal_text(d, buf);
}

static bool is_zeroed(redw_decimal d)
{
    return d.hi == 0 && d.lo == 0 && d.scale == 0 && d.precision == 0 && !d.negative && d.special == 0;
}

static void must_be_zeroed(redw_decimal d)
{
    ck_assert(is_zeroed(d));
}

/* The bytes a writer wrote; the buffer is the caller's to free. */
static redw_slice written(struct redwi_buf *b)
{
    ck_assert_int_eq(b->failed, 0);
    return (redw_slice){(const char *)redwi_buf_front(b), redwi_buf_len(b)};
}

/* --- text --- */

/* What is read and written back is the same text. */
static const char *const texts[] = {
    "0",
    "1",
    "-1",
    "12.34",
    "-12.30",
    "0.5",
    "-0.001",
    "0.00",
    "100",
    "1000000000000000000000",
    "135430.119999999995",
    "9999999999999999999",
    "10000000000000000000",
    "18446744073709551616",
    "99999999999999999999999999999999999999",
    "-99999999999999999999999999999999999999",
    "0.99999999999999999999999999999999999999",
    "-0.00000000000000000000000000000000000001",
    "9.9999999999999999999999999999999999999",
    "-1.0000000000000000000000000000000000000",
    "12345678901234567890.123456789012345678",
    "NaN",
    "Infinity",
    "-Infinity",
};

START_TEST(a_text_of_38_digits_comes_back_as_it_was)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        redw_decimal d, again;
        size_t n = strlen(texts[i]);
        ck_assert_int_eq(redwi_numeric_text(fence_behind(texts[i], n), n, &d), REDW_OK);
        ck_assert_str_eq(text_of(d), texts[i]);
        ck_assert_int_eq(redw_decimal_parse(texts[i], &again), REDW_OK);
        ck_assert_mem_eq(&d, &again, sizeof d);
        ck_assert_ptr_null(redwi_numeric_fault(d));
    }
}
END_TEST

static const struct {
    const char *text;
    int rc;
    const char *want;
} wire_texts[] = {
    {"007", REDW_OK, "7"},
    {"-0", REDW_OK, "0"},
    {"-0.00", REDW_OK, "0.00"},
    {"00000000000000000000000000000000000000000001.50", REDW_OK, "1.50"},
    /* Zeros behind the 38th digit are given up, digits never. */
    {"1.00000000000000000000000000000000000000000000", REDW_OK,
     "1.0000000000000000000000000000000000000"},
    {"0.00000000000000000000000000000000000000000000", REDW_OK,
     "0.00000000000000000000000000000000000000"},
    {"12345678901234567890.12345678901234567800", REDW_OK, "12345678901234567890.123456789012345678"},
    {"100000000000000000000000000000000000000", REDW_ERANGE, NULL},
    {"-123456789012345678901234567890123456789", REDW_ERANGE, NULL},
    {"1.00000000000000000000000000000000000001", REDW_ERANGE, NULL},
    {"0.000000000000000000000000000000000000001", REDW_ERANGE, NULL},
    {"10000000000000000000000000000000000000.05", REDW_ERANGE, NULL},
    {"", REDW_EPROTOCOL, NULL},
    {"-", REDW_EPROTOCOL, NULL},
    {".", REDW_EPROTOCOL, NULL},
    {"1.", REDW_EPROTOCOL, NULL},
    {".5", REDW_EPROTOCOL, NULL},
    {"+1", REDW_EPROTOCOL, NULL},
    {"--1", REDW_EPROTOCOL, NULL},
    {"1..2", REDW_EPROTOCOL, NULL},
    {"1,5", REDW_EPROTOCOL, NULL},
    {"1e5", REDW_EPROTOCOL, NULL},
    {" 1", REDW_EPROTOCOL, NULL},
    {"1 ", REDW_EPROTOCOL, NULL},
    {"-NaN", REDW_EPROTOCOL, NULL},
    {"nan", REDW_EPROTOCOL, NULL},
    {"Inf", REDW_EPROTOCOL, NULL},
    {"infinity", REDW_EPROTOCOL, NULL},
    {"12345678901234567890123456789012345678x", REDW_EPROTOCOL, NULL},
    {"1234567890123456789012345678901234567.x9", REDW_EPROTOCOL, NULL},
};

START_TEST(the_servers_text_is_read_strictly)
{
    for (size_t i = 0; i < sizeof wire_texts / sizeof *wire_texts; i++) {
        redw_decimal d = {.lo = 7};
        size_t n = strlen(wire_texts[i].text);
        int rc = redwi_numeric_text(fence_behind(wire_texts[i].text, n), n, &d);
        ck_assert_msg(rc == wire_texts[i].rc, "\"%s\": %d", wire_texts[i].text, rc);
        if (rc == REDW_OK)
            ck_assert_str_eq(text_of(d), wire_texts[i].want);
        else
            must_be_zeroed(d);
    }
}
END_TEST

/* The getter reads short texts of result rows at once, and says what the reader of any text says. */
static void as_a_cell(const char *text, size_t n)
{
    redw_decimal want, got;
    struct redw_column c = {.name = "x", .type = REDW_NUMERIC, .oid = 1700, .typmod = -1};
    c.priv_[REDWI_COLUMN_FORM] = redwi_form(c.type, c.binary);
    const struct redwi_rowset set = {.columns = &c, .ncolumns = 1};
    static const int precisions[] = {0, -1, 4, 15, 38, 39};
    static unsigned turn;
    int rc = redwi_numeric_text(text, n, &want);
    c.precision = precisions[turn++ % 6];
    if (rc == REDW_OK && c.precision >= want.scale && c.precision <= 38)
        want.precision = (uint8_t)c.precision;
    for (int before = 0; before < 2; before++) {
        redw_slice cell = {fence_led(text, n, before), n};
        redw_row row = {.cells = &cell, .ncells = 1, .priv_ = {&c, &set}};
        memset(&got, 7, sizeof got);
        int got_rc = redw_row_decimal(&row, 0, &got);
        if (got_rc != rc || got.hi != want.hi || got.lo != want.lo || got.scale != want.scale ||
            got.precision != want.precision || got.negative != want.negative || got.special != want.special)
            ck_abort_msg("'%.*s': %d %s as a cell, not %d", (int)n, text, got_rc, text_of(got), rc);
    }
}

START_TEST(a_cell_is_read_as_any_text_is)
{
    uint64_t seed = 99;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        as_a_cell(texts[i], strlen(texts[i]));
    for (size_t i = 0; i < sizeof wire_texts / sizeof *wire_texts; i++)
        as_a_cell(wire_texts[i].text, strlen(wire_texts[i].text));
    /* Every length, the point in every place and nowhere, either sign; then a byte in it that is no digit. */
    for (size_t n = 0; n <= 45; n++) {
        for (size_t point = 0; point <= n; point++) {
            for (int round = 0; round < 8; round++) {
                char text[48];
                for (size_t i = 0; i < n; i++)
                    text[i] = (char)('0' + (round == 0 ? 9 : round == 1 ? 0 : next_random(&seed) % 10));
                if (point < n)
                    text[point] = '.';
                as_a_cell(text, n);
                if (n == 0)
                    continue;
                if (round % 2) {
                    text[0] = '-';
                    as_a_cell(text, n);
                }
                text[next_random(&seed) % n] = "./:-+ e\xb5"[next_random(&seed) % 8];
                as_a_cell(text, n);
            }
        }
    }
    for (int byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < 20; at++) {
            char text[] = "-1234567890123.45678";
            text[at] = (char)byte;
            as_a_cell(text, 20);
        }
    }
}
END_TEST

static const struct {
    const char *text;
    int rc;
    const char *want;
} written_texts[] = {
    {" 12.30\t\n", REDW_OK, "12.30"},
    {"+1", REDW_OK, "1"},
    {".5", REDW_OK, "0.5"},
    {"5.", REDW_OK, "5"},
    {"-.25", REDW_OK, "-0.25"},
    {"1e3", REDW_OK, "1000"},
    {"1E+3", REDW_OK, "1000"},
    {"1.50e1", REDW_OK, "15.0"},
    {"1000e-2", REDW_OK, "10.00"},
    {"12e-3", REDW_OK, "0.012"},
    {"0e99999", REDW_OK, "0"},
    {"0e-99999999999999999999", REDW_OK, "0.00000000000000000000000000000000000000"},
    {"1e37", REDW_OK, "10000000000000000000000000000000000000"},
    {"1e38", REDW_ERANGE, NULL},
    {"1e99999999999999999999", REDW_ERANGE, NULL},
    {"1e-38", REDW_OK, "0.00000000000000000000000000000000000001"},
    {"1e-39", REDW_ERANGE, NULL},
    {"10e-39", REDW_OK, "0.00000000000000000000000000000000000001"},
    {"1e-99999999999999999999", REDW_ERANGE, NULL},
    {"000.00000000000000000000000000000000000001", REDW_OK, "0.00000000000000000000000000000000000001"},
    {"nan", REDW_OK, "NaN"},
    {"INFINITY", REDW_OK, "Infinity"},
    {"+inf", REDW_OK, "Infinity"},
    {"-Inf", REDW_OK, "-Infinity"},
    {"\t\n\v\f\r 7 \r\f\v\n\t", REDW_OK, "7"},
    {"\x08" "7", REDW_EINVAL, NULL},
    {"7\x0e", REDW_EINVAL, NULL},
    {"+nan", REDW_EINVAL, NULL},
    {"", REDW_EINVAL, NULL},
    {"  ", REDW_EINVAL, NULL},
    {"-", REDW_EINVAL, NULL},
    {"- 1", REDW_EINVAL, NULL},
    {".", REDW_EINVAL, NULL},
    {"e5", REDW_EINVAL, NULL},
    {"1e", REDW_EINVAL, NULL},
    {"1e+", REDW_EINVAL, NULL},
    {"1e1.5", REDW_EINVAL, NULL},
    {"1x", REDW_EINVAL, NULL},
    {"1.2.3", REDW_EINVAL, NULL},
    {"1,5", REDW_EINVAL, NULL},
    {"infinit", REDW_EINVAL, NULL},
    {"0x10", REDW_EINVAL, NULL},
};

START_TEST(a_users_text_is_read_as_the_server_would)
{
    redw_decimal d = {.lo = 7};
    for (size_t i = 0; i < sizeof written_texts / sizeof *written_texts; i++) {
        d.lo = 7;
        int rc = redw_decimal_parse(written_texts[i].text, &d);
        ck_assert_msg(rc == written_texts[i].rc, "\"%s\": %d", written_texts[i].text, rc);
        if (rc == REDW_OK)
            ck_assert_str_eq(text_of(d), written_texts[i].want);
        else
            must_be_zeroed(d);
    }
    d.lo = 7;
    ck_assert_int_eq(redw_decimal_parse(NULL, &d), REDW_EINVAL);
    must_be_zeroed(d);
}
END_TEST

/* --- binary --- */

/* As numeric_send of PostgreSQL 15 gives them. */
static const struct {
    const char *bytes;
    size_t n;
    const char *text;
} postgres[] = {
    {B("\0\0\0\0\0\0\0\0"), "0"},
    {B("\0\0\0\0\0\0\0\2"), "0.00"},
    {B("\0\1\0\0\0\0\0\0\0\1"), "1"},
    {B("\0\1\0\0\x40\0\0\0\0\1"), "-1"},
    {B("\0\2\0\0\0\0\0\2\0\x0c\x0d\x48"), "12.34"},
    {B("\0\1\xff\xff\0\0\0\4\0\1"), "0.0001"},
    {B("\0\1\xff\xff\0\0\0\2\x01\xf4"), "0.05"},
    {B("\0\1\0\1\0\0\0\0\0\1"), "10000"},
    {B("\0\1\0\1\0\0\0\3\0\1"), "10000.000"},
    {B("\0\5\0\1\0\0\0\x0c\0\x0d\x15\x36\x04\xaf\x27\x0f\x26\xde"), "135430.119999999950"},
    {B("\0\1\0\x09\0\0\0\0\0\x0a"), "10000000000000000000000000000000000000"},
    {B("\0\0\0\0\xc0\0\0\0"), "NaN"},
    {B("\0\0\0\0\xd0\0\0\x20"), "Infinity"},
    {B("\0\0\0\0\xf0\0\0\x20"), "-Infinity"},
};

START_TEST(postgresqls_binary_form)
{
    for (size_t i = 0; i < sizeof postgres / sizeof *postgres; i++) {
        redw_decimal d;
        int rc =
            redwi_numeric_postgres(fence_behind(postgres[i].bytes, postgres[i].n), postgres[i].n, &d);
        ck_assert_msg(rc == REDW_OK, "%s: %d", postgres[i].text, rc);
        ck_assert_str_eq(text_of(d), postgres[i].text);

        struct redwi_buf b;
        redwi_buf_init(&b, &redwi_malloc, 1000);
        redwi_numeric_put_postgres(&b, d);
        redw_slice s = written(&b);
        ck_assert_uint_eq(s.len, postgres[i].n);
        size_t compared = d.special == REDW_FINITE ? s.len : 6; /* an infinity's scale says nothing */
        ck_assert_mem_eq(s.ptr, postgres[i].bytes, compared);
        redwi_buf_free(&b);
    }
}
END_TEST

/* One to four groups are read at once. Zero groups behind them, which change nothing, let them be read the other
 * way: both say the same. */
START_TEST(few_groups_are_read_as_many_are)
{
    static const unsigned groups[] = {0, 1, 7, 10, 500, 1000, 1234, 2500, 9990, 9999, 10000, 0xa710, 0xffff};
    static const unsigned signs[] = {0, 0x4000, 0x4000, 0x8000, 0xc000, 0x4001};
    enum { NGROUPS = sizeof groups / sizeof *groups, MORE = 5 };
    uint64_t seed = 4;
    size_t read = 0, rounds = 400000;
    for (size_t round = 0; round < rounds; round++) {
        uint8_t bytes[8 + 2 * (4 + MORE)] = {0};
        redw_decimal few, many;
        size_t n = 1 + next_random(&seed) % 4;
        int weight = (int)(next_random(&seed) % 9) - 4;
        unsigned scale = (unsigned)(next_random(&seed) % (round % 8 == 0 ? 45 : 12));
        unsigned sign = signs[next_random(&seed) % (round % 8 == 0 ? 6 : 2)];
        const unsigned words[] = {(unsigned)n, (unsigned)weight & 0xffff, sign, scale};
        for (size_t i = 0; i < 4 + n; i++) {
            unsigned w = i < 4 ? words[i] : groups[next_random(&seed) % (round % 4 == 0 ? NGROUPS : NGROUPS - 3)];
            bytes[2 * i] = (uint8_t)(w >> 8);
            bytes[2 * i + 1] = (uint8_t)w;
        }
        int rc = redwi_numeric_postgres(fence_behind(bytes, 8 + 2 * n), 8 + 2 * n, &few);
        bytes[1] = (uint8_t)(n + MORE);
        int rc_many = redwi_numeric_postgres((char *)bytes, 8 + 2 * (n + MORE), &many);
        if (rc != rc_many || few.hi != many.hi || few.lo != many.lo || few.scale != many.scale ||
            few.precision != 0 || few.negative != many.negative || few.special != many.special)
            ck_abort_msg("round %zu: %d, %s, and not %d, %s", round, rc, text_of(few), rc_many, text_of(many));
        read += rc == REDW_OK;
    }
    ck_assert_uint_gt(read, rounds / 5);
    ck_assert_uint_lt(read, rounds - rounds / 5);
}
END_TEST

static const struct {
    const char *why, *bytes;
    size_t n;
    int rc;
    const char *text;
} postgres_odd[] = {
    {"zero groups at both ends", B("\0\4\0\1\0\0\0\1\0\0\0\7\0\0\0\0"), REDW_OK, "7.0"},
    {"zero with groups and a sign", B("\0\2\0\0\x40\0\0\2\0\0\0\0"), REDW_OK, "0.00"},
    {"zero with the largest scale", B("\0\0\0\0\0\0\x3f\xff"), REDW_OK,
     "0.00000000000000000000000000000000000000"},
    {"one with 48 zeros behind the point", B("\0\1\0\0\0\0\0\x30\0\1"), REDW_OK,
     "1.0000000000000000000000000000000000000"},
    {"39 digits", B("\0\1\0\x09\0\0\0\0\0\x64"), REDW_ERANGE, NULL},
    {"39 digits behind the point", B("\0\1\xff\xf6\0\0\0\x27\0\x0a"), REDW_ERANGE, NULL},
    {"1.0 ... 01, 41 digits", B("\0\x0b\0\0\0\0\0\x28\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"),
     REDW_ERANGE, NULL},
    {"ten full groups",
     B("\0\x0a\0\x09\0\0\0\0\x27\x0f\x27\x0f\x27\x0f\x27\x0f\x27\x0f\x27\x0f\x27\x0f\x27\x0f\x27\x0f\x27"
       "\x0f"),
     REDW_ERANGE, NULL},
    {"the largest weight", B("\0\1\x7f\xff\0\0\0\0\0\1"), REDW_ERANGE, NULL},
    {"the smallest weight", B("\0\1\x80\0\0\0\x3f\xff\0\1"), REDW_EPROTOCOL, NULL},
    {"digits behind the announced scale", B("\0\2\0\0\0\0\0\1\0\x0c\x0d\x48"), REDW_EPROTOCOL, NULL},
    {"a group behind the announced scale", B("\0\2\0\0\0\0\0\0\0\x0c\x0d\x48"), REDW_EPROTOCOL, NULL},
    {"a group of 10,000", B("\0\1\0\0\0\0\0\0\x27\x10"), REDW_EPROTOCOL, NULL},
    {"no such sign", B("\0\1\0\0\x80\0\0\0\0\1"), REDW_EPROTOCOL, NULL},
    {"a scale beyond the type's", B("\0\1\0\0\0\0\x40\0\0\1"), REDW_EPROTOCOL, NULL},
    {"a group too few", B("\0\2\0\0\0\0\0\0\0\1"), REDW_EPROTOCOL, NULL},
    {"a group too many", B("\0\0\0\0\0\0\0\0\0\1"), REDW_EPROTOCOL, NULL},
    {"half a group", B("\0\1\0\0\0\0\0\0\0"), REDW_EPROTOCOL, NULL},
    {"half a header", B("\0\1\0\0"), REDW_EPROTOCOL, NULL},
    {"nothing", B(""), REDW_EPROTOCOL, NULL},
};

START_TEST(postgresqls_binary_form_at_its_limits)
{
    for (size_t i = 0; i < sizeof postgres_odd / sizeof *postgres_odd; i++) {
        redw_decimal d = {.lo = 7};
        int rc = redwi_numeric_postgres(fence_behind(postgres_odd[i].bytes, postgres_odd[i].n),
                                        postgres_odd[i].n, &d);
        ck_assert_msg(rc == postgres_odd[i].rc, "%s: %d", postgres_odd[i].why, rc);
        if (rc == REDW_OK)
            ck_assert_str_eq(text_of(d), postgres_odd[i].text);
        else
            must_be_zeroed(d);
    }
}
END_TEST

/* Protocol 5.4. */
static const struct {
    const char *bytes;
    size_t n;
    unsigned scale;
    int rc;
    const char *text;
} redshift[] = {
    {B("\x01\xb6\x9b\x4b\xac\xd0\x5f\x15"), 0, REDW_OK, "123456789123456789"},
    {B("\xff\xff\xff\xff\xb6\x69\xfd\x2d"), 5, REDW_OK, "-12345.67891"},
    {B("\x00\x00\x01\x1f\x71\xfb\x08\x38"), 8, REDW_OK, "12345.67891000"},
    {B("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xd5\xfa\x0e\x00\x00\x00"), 10, REDW_OK,
     "-32768.0000000000"},
    {B("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xbe\x6f\x55\x00"), 10, REDW_OK,
     "-0.1100000000"},
    {B("\xff\xff\xff\xff\xff\xff\xfb\x2e"), 2, REDW_OK, "-12.34"},
    {B("\0\0\0\0\0\0\0\0"), 2, REDW_OK, "0.00"},
    {B("\x80\0\0\0\0\0\0\0"), 0, REDW_OK, "-9223372036854775808"},
    {B("\x7f\xff\xff\xff\xff\xff\xff\xff"), 0, REDW_OK, "9223372036854775807"},
    {B("\x4b\x3b\x4c\xa8\x5a\x86\xc4\x7a\x09\x8a\x22\x3f\xff\xff\xff\xff"), 37, REDW_OK,
     "9.9999999999999999999999999999999999999"},
    {B("\xb4\xc4\xb3\x57\xa5\x79\x3b\x85\xf6\x75\xdd\xc0\0\0\0\1"), 38, REDW_OK,
     "-0.99999999999999999999999999999999999999"},
    /* 10^38, -10^38, and the smallest 16 bytes can say */
    {B("\x4b\x3b\x4c\xa8\x5a\x86\xc4\x7a\x09\x8a\x22\x40\0\0\0\0"), 0, REDW_ERANGE, NULL},
    {B("\xb4\xc4\xb3\x57\xa5\x79\x3b\x85\xf6\x75\xdd\xc0\0\0\0\0"), 0, REDW_ERANGE, NULL},
    {B("\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), 0, REDW_ERANGE, NULL},
    {B("\0\0\0\0\0\0\0\1"), 39, REDW_EPROTOCOL, NULL},
    {B("\0\0\0\0\0\0\1"), 0, REDW_EPROTOCOL, NULL},
    {B("\0\0\0\0\0\0\0\0\1"), 0, REDW_EPROTOCOL, NULL},
    {B("\0\0\0\1"), 0, REDW_EPROTOCOL, NULL},
    {B(""), 0, REDW_EPROTOCOL, NULL},
};

START_TEST(redshifts_binary_form)
{
    for (size_t i = 0; i < sizeof redshift / sizeof *redshift; i++) {
        redw_decimal d = {.lo = 7};
        int rc = redwi_numeric_redshift(fence_behind(redshift[i].bytes, redshift[i].n), redshift[i].n,
                                        redshift[i].scale, &d);
        ck_assert_msg(rc == redshift[i].rc, "%zu: %d", i, rc);
        if (rc != REDW_OK) {
            must_be_zeroed(d);
            continue;
        }
        ck_assert_str_eq(text_of(d), redshift[i].text);
        /* The declared precision says how wide it is written. */
        struct redwi_buf b;
        redwi_buf_init(&b, &redwi_malloc, 100);
        d.precision = redshift[i].n == 8 ? 18 : 38;
        redwi_numeric_put_redshift(&b, d);
        ck_assert_uint_eq(written(&b).len, redshift[i].n);
        ck_assert_mem_eq(written(&b).ptr, redshift[i].bytes, redshift[i].n);
        redwi_buf_free(&b);
    }
}
END_TEST

START_TEST(without_a_precision_redshifts_form_is_as_wide_as_the_number)
{
    static const struct {
        const char *text;
        size_t bytes;
    } rows[] = {{"0", 8}, {"-999999999999999999", 8}, {"1000000000000000000", 16}};
    for (size_t i = 0; i < 3; i++) {
        struct redwi_buf b;
        redw_decimal d, again;
        redwi_buf_init(&b, &redwi_malloc, 100);
        ck_assert_int_eq(redw_decimal_parse(rows[i].text, &d), REDW_OK);
        redwi_numeric_put_redshift(&b, d);
        ck_assert_uint_eq(written(&b).len, rows[i].bytes);
        ck_assert_int_eq(redwi_numeric_redshift(written(&b).ptr, rows[i].bytes, 0, &again), REDW_OK);
        ck_assert_mem_eq(&d, &again, sizeof d);
        redwi_buf_free(&b);
    }
}
END_TEST

/* --- properties --- */

/* A number's text: up to 38 digits, the point anywhere; many zeros among them. */
static void random_text(uint64_t *seed, char *text)
{
    size_t n = 1 + next_random(seed) % 38, scale = next_random(seed) % (n + 1), at = 0;
    bool sparse = next_random(seed) % 2;
    char digits[39];
    bool zero = true;
    for (size_t i = 0; i < n; i++) {
        digits[i] = (char)('0' + (sparse && next_random(seed) % 4 ? 0 : next_random(seed) % 10));
        zero = zero && digits[i] == '0';
    }
    if (!zero && next_random(seed) % 2)
        text[at++] = '-';
    size_t first = 0;
    while (first + scale + 1 < n && digits[first] == '0')
        first++;
    if (first + scale == n)
        text[at++] = '0';
    for (size_t i = first; i < n; i++) {
        if (i == n - scale)
            text[at++] = '.';
        text[at++] = digits[i];
    }
    text[at] = '\0';
}

/* What the writer wrote, as the next reader's input; the buffer is empty again, its bytes still there. */
static redw_slice taken(struct redwi_buf *b)
{
    redw_slice bytes = {(const char *)redwi_buf_front(b), redwi_buf_len(b)};
    redwi_buf_take(b, bytes.len);
    return bytes;
}

static bool is_same(redw_decimal a, redw_decimal b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* NULL, or which way there and back is not the identity. (No ck_assert: each costs system calls.) */
static const char *forms_differ(const char *text, struct redwi_buf *b)
{
    redw_decimal d, again;
    double exact, near;
    size_t n = strlen(text);
    if (redwi_numeric_text(text, n, &d) != REDW_OK || strcmp(text_of(d), text) != 0)
        return "text";
    redwi_numeric_put_postgres(b, d);
    redw_slice sent = taken(b);
    if (redwi_numeric_postgres(sent.ptr, sent.len, &again) != REDW_OK || !is_same(d, again))
        return "PostgreSQL's form";
    if (redwi_numeric_postgres_double(sent.ptr, sent.len, &near) != REDW_OK ||
        redwi_text_double(text, n, &exact) != REDW_OK || near != exact ||
        redwi_numeric_to_double(d) != exact)
        return "double";
    redwi_numeric_put_redshift(b, d);
    sent = taken(b);
    if (redwi_numeric_redshift(sent.ptr, sent.len, d.scale, &again) != REDW_OK || !is_same(d, again))
        return "Redshift's form";
    return NULL;
}

START_TEST(every_form_gives_back_what_was_put_in)
{
    uint64_t seed = 88172645463325252u;
    struct redwi_buf b;
    redwi_buf_init(&b, &redwi_malloc, 1000);
    for (int i = 0; i < 100000; i++) {
        char text[48];
        random_text(&seed, text);
        const char *differs = forms_differ(text, &b);
        if (differs)
            ck_abort_msg("%s: %s", text, differs);
    }
    redwi_buf_free(&b);
}
END_TEST

START_TEST(any_bytes_give_a_sound_value_or_an_error)
{
    uint64_t seed = 2463534242u;
    size_t sound = 0;
    for (int i = 0; i < 200000; i++) {
        char bytes[40];
        size_t n = next_random(&seed) % sizeof bytes;
        for (size_t k = 0; k < n; k++)
            bytes[k] = (char)(next_random(&seed) % 3 ? next_random(&seed) % 4 : next_random(&seed));
        if (n >= 8 && next_random(&seed) % 2) {
            memcpy(bytes, (char[]){0, (char)((n - 8) / 2), 0, (char)(next_random(&seed) % 4), 0, 0, 0},
                   7);
            bytes[7] &= 0x3f;
        }
        const char *p = fence_behind(bytes, n);
        redw_decimal d;
        if (redwi_numeric_postgres(p, n, &d) == REDW_OK) {
            if (redwi_numeric_fault(d) || strcmp(text_of(d), "?") == 0)
                ck_abort_msg("round %d: an unsound value", i);
            sound++;
        } else if (!is_zeroed(d)) {
            ck_abort_msg("round %d: PostgreSQL's form: not zeroed", i);
        }
        if (redwi_numeric_redshift(p, n, 5, &d) != REDW_OK && !is_zeroed(d))
            ck_abort_msg("round %d: Redshift's form: not zeroed", i);
        if (redwi_numeric_text(p, n, &d) != REDW_OK && !is_zeroed(d))
            ck_abort_msg("round %d: text: not zeroed", i);
    }
    ck_assert_uint_gt(sound, 1000);
}
END_TEST

/* --- doubles --- */

START_TEST(a_number_of_any_length_is_the_nearest_double)
{
    /* 1 and thousands of digits: just above, and at, the middle between 1 and the next double. */
    enum { GROUPS = 1000 };
    static char bytes[8 + 2 * GROUPS];
    double v;
    const char *middle = "100000000000000011102230246251565404236316680908203125000000";
    memset(bytes, 0, sizeof bytes);
    bytes[0] = GROUPS >> 8;
    bytes[1] = (char)(GROUPS & 255);
    bytes[6] = 0x3f;
    for (size_t i = 0; i < 15; i++) {
        unsigned group = 0;
        for (size_t k = 0; k < 4; k++)
            group = group * 10 + (unsigned)(i == 0 ? (k == 3) : middle[4 * i + k - 3] - '0');
        bytes[8 + 2 * i] = (char)(group >> 8);
        bytes[9 + 2 * i] = (char)(group & 255);
    }
    ck_assert_int_eq(redwi_numeric_postgres_double(bytes, sizeof bytes, &v), REDW_OK);
    ck_assert(v == 1.0);
    bytes[sizeof bytes - 1] = 1;
    ck_assert_int_eq(redwi_numeric_postgres_double(fence_behind(bytes, sizeof bytes), sizeof bytes, &v),
                     REDW_OK);
    ck_assert(v == nextafter(1.0, 2.0));
}
END_TEST

START_TEST(doubles_of_the_special_values_and_of_what_is_none)
{
    double v;
    ck_assert_int_eq(redwi_numeric_postgres_double(B("\0\0\0\0\xc0\0\0\0"), &v), REDW_OK);
    ck_assert(isnan(v));
    ck_assert_int_eq(redwi_numeric_postgres_double(B("\0\0\0\0\xd0\0\0\0"), &v), REDW_OK);
    ck_assert(isinf(v) && v > 0);
    ck_assert_int_eq(redwi_numeric_postgres_double(B("\0\0\0\0\xf0\0\0\0"), &v), REDW_OK);
    ck_assert(isinf(v) && v < 0);
    ck_assert_int_eq(redwi_numeric_postgres_double(B("\0\0\0\0\0\0\0\0"), &v), REDW_OK);
    ck_assert(v == 0);
    ck_assert_int_eq(redwi_numeric_postgres_double(B("\0\1\x7f\xff\0\0\0\0\0\1"), &v), REDW_ERANGE);
    ck_assert(v == 0);
    ck_assert_int_eq(redwi_numeric_postgres_double(B("\0\1\0\0\x80\0\0\0\0\1"), &v), REDW_EPROTOCOL);
    ck_assert_int_eq(redwi_numeric_postgres_double(B("\0\1\0\0\0\0\0\0"), &v), REDW_EPROTOCOL);
    ck_assert(v == 0);

    redw_decimal d;
    ck_assert_int_eq(redw_decimal_parse("NaN", &d), REDW_OK);
    ck_assert(isnan(redwi_numeric_to_double(d)));
    ck_assert_int_eq(redw_decimal_parse("-inf", &d), REDW_OK);
    ck_assert(redwi_numeric_to_double(d) == -INFINITY);
}
END_TEST

/* --- scaled, faults --- */

static const struct {
    const char *text;
    unsigned scale;
    int rc;
    int64_t want;
} scaled[] = {
    {"12.30", 2, REDW_OK, 1230},
    {"12.30", 1, REDW_OK, 123},
    {"12.30", 0, REDW_ERANGE, 0},
    {"12.30", 5, REDW_OK, 1230000},
    {"-0.00", 0, REDW_OK, 0},
    {"0", 1000000, REDW_OK, 0},
    {"1", 18, REDW_OK, INT64_C(1000000000000000000)},
    {"1", 19, REDW_ERANGE, 0},
    {"1", 20, REDW_ERANGE, 0},
    {"1", 4000000000, REDW_ERANGE, 0},
    {"9223372036854775807", 0, REDW_OK, INT64_MAX},
    {"9223372036854775808", 0, REDW_ERANGE, 0},
    {"-9223372036854775808", 0, REDW_OK, INT64_MIN},
    {"-9223372036854775809", 0, REDW_ERANGE, 0},
    {"9223372036854775807.0000000000000000000", 0, REDW_OK, INT64_MAX},
    {"9223372036854775808.0", 0, REDW_ERANGE, 0},
    {"-9223372036854775808.0", 0, REDW_OK, INT64_MIN},
    {"-9223372036854775809.0", 0, REDW_ERANGE, 0},
    {"922337203685477580.7", 1, REDW_OK, INT64_MAX},
    {"922337203685477580.8", 1, REDW_ERANGE, 0},
    {"-922337203685477580.8", 1, REDW_OK, INT64_MIN},
    {"99999999999999999999999999999999999999", 0, REDW_ERANGE, 0},
    {"0.00000000000000000000000000000000000001", 38, REDW_OK, 1},
    {"NaN", 0, REDW_ERANGE, 0},
    {"Infinity", 0, REDW_ERANGE, 0},
};

START_TEST(scaled_is_exact_or_refused)
{
    int64_t v;
    for (size_t i = 0; i < sizeof scaled / sizeof *scaled; i++) {
        redw_decimal d;
        v = 7;
        ck_assert_int_eq(redw_decimal_parse(scaled[i].text, &d), REDW_OK);
        int rc = redw_decimal_scaled(d, scaled[i].scale, &v);
        ck_assert_msg(rc == scaled[i].rc && v == scaled[i].want, "%s at %u", scaled[i].text,
                      scaled[i].scale);
    }
    ck_assert_int_eq(redw_decimal_scaled((redw_decimal){.hi = UINT64_MAX}, 0, &v), REDW_ERANGE);
    ck_assert_int_eq(redw_decimal_scaled((redw_decimal){.lo = 10, .scale = 39}, 0, &v), REDW_ERANGE);
}
END_TEST

START_TEST(integers_are_decimals_without_a_scale)
{
    ck_assert_str_eq(text_of(redwi_numeric_of_int64(INT64_MIN)), "-9223372036854775808");
    ck_assert_str_eq(text_of(redwi_numeric_of_int64(INT64_MAX)), "9223372036854775807");
    ck_assert_str_eq(text_of(redwi_numeric_of_int64(0)), "0");
}
END_TEST

START_TEST(values_that_are_none_are_told_and_printed_as_a_question_mark)
{
    static const struct {
        redw_decimal d;
        const char *fault, *text;
    } rows[] = {
        {{.lo = 5, .scale = 1}, NULL, "0.5"},
        {{.special = REDW_INFINITY, .negative = true}, NULL, "-Infinity"},
        {{.lo = 999, .scale = 2, .precision = 3}, NULL, "9.99"},
        {{.lo = 1000, .scale = 2, .precision = 3}, "more digits than its precision", "10.00"},
        {{.hi = UINT64_MAX}, "more than 38 digits", "?"},
        {{.scale = 39}, "not a decimal: its scale or kind is none", "?"},
        {{.special = 3}, "not a decimal: its scale or kind is none", "?"},
        {{.lo = 1, .special = REDW_NAN}, "not a decimal: NaN or infinity with digits", "NaN"},
        {{.scale = 3, .precision = 2},
         "not a decimal: its precision is below its scale or above 38",
         "0.000"},
        {{.precision = 39}, "not a decimal: its precision is below its scale or above 38", "0"},
        {{.negative = true}, NULL, "0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *fault = redwi_numeric_fault(rows[i].d);
        ck_assert_msg((!fault && !rows[i].fault) ||
                          (fault && rows[i].fault && !strcmp(fault, rows[i].fault)),
                      "%zu: %s", i, fault ? fault : "none");
        ck_assert_str_eq(text_of(rows[i].d), rows[i].text);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("numeric");
    TCase *t = tcase_create("numeric");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_text_of_38_digits_comes_back_as_it_was);
    tcase_add_test(t, the_servers_text_is_read_strictly);
    tcase_add_test(t, a_cell_is_read_as_any_text_is);
    tcase_add_test(t, a_users_text_is_read_as_the_server_would);
    tcase_add_test(t, postgresqls_binary_form);
    tcase_add_test(t, few_groups_are_read_as_many_are);
    tcase_add_test(t, postgresqls_binary_form_at_its_limits);
    tcase_add_test(t, redshifts_binary_form);
    tcase_add_test(t, without_a_precision_redshifts_form_is_as_wide_as_the_number);
    tcase_add_test(t, every_form_gives_back_what_was_put_in);
    tcase_add_test(t, any_bytes_give_a_sound_value_or_an_error);
    tcase_add_test(t, a_number_of_any_length_is_the_nearest_double);
    tcase_add_test(t, doubles_of_the_special_values_and_of_what_is_none);
    tcase_add_test(t, scaled_is_exact_or_refused);
    tcase_add_test(t, integers_are_decimals_without_a_scale);
    tcase_add_test(t, values_that_are_none_are_told_and_printed_as_a_question_mark);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
