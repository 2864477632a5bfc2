/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C12, C13, C16, C22: The typed getters of redw/result.h: every type, both formats, and the promise about
 * *out.
 */
#include "data/row.h"
#include "data/types.h"

#include <check.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

struct row {
    redw_row row;
    redw_slice cell;
    struct redw_column column;
    struct redwi_rowset set;
    char led[REDWI_LEAD + 64];
};

static const redw_row *row_of(struct row *r, enum redw_type type, bool binary, const char *bytes,
                              size_t n)
{
    r->column = (struct redw_column){.name = "c", .type = type, .typmod = -1, .binary = binary};
    r->cell = (redw_slice){bytes, n};
    r->row = (redw_row){.cells = &r->cell, .ncells = 1, .priv_ = {&r->column}};
    return &r->row;
}

/* The same as a row of a result, which has a rowset, bytes before its cells and columns with a form. */
static const redw_row *result_row_of(struct row *r, enum redw_type type, bool binary, const char *bytes,
                                     size_t n)
{
    row_of(r, type, binary, r->led + REDWI_LEAD, n);
    memset(r->led, '9', REDWI_LEAD);
    memcpy(r->led + REDWI_LEAD, bytes, n);
    r->row.priv_[1] = &r->set;
    r->column.priv_[REDWI_COLUMN_FORM] = redwi_form(type, binary);
    return &r->row;
}

/* What each getter says of one value. A code other than REDW_OK goes with a zeroed *out. */
struct want {
    enum redw_type type;
    bool binary;
    const char *bytes;
    size_t n;
    int rc_bool, rc_int32, rc_int64, rc_double;
    int64_t integer;
    double number;
};

#define T(text)  false, text, sizeof(text) - 1
#define B(bytes) true, bytes, sizeof(bytes) - 1
#define OK       REDW_OK
#define ETYPE    REDW_ETYPE
#define ERANGE_  REDW_ERANGE
#define EPROTO   REDW_EPROTOCOL

static const struct want wants[] = {
    {REDW_BOOLEAN, T("t"), OK, ETYPE, ETYPE, ETYPE, 1, 0},
    {REDW_BOOLEAN, T("f"), OK, ETYPE, ETYPE, ETYPE, 0, 0},
    {REDW_BOOLEAN, T(""), EPROTO, ETYPE, ETYPE, ETYPE, 0, 0},
    {REDW_BOOLEAN, T("x"), EPROTO, ETYPE, ETYPE, ETYPE, 0, 0},
    {REDW_BOOLEAN, T("n"), EPROTO, ETYPE, ETYPE, ETYPE, 0, 0},
    {REDW_BOOLEAN, T("false"), OK, ETYPE, ETYPE, ETYPE, 0, 0},
    {REDW_BOOLEAN, B("\x01"), OK, ETYPE, ETYPE, ETYPE, 1, 0},
    {REDW_BOOLEAN, B("\x00"), OK, ETYPE, ETYPE, ETYPE, 0, 0},
    {REDW_BOOLEAN, B("t"), EPROTO, ETYPE, ETYPE, ETYPE, 0, 0},
    {REDW_BOOLEAN, B("\x00\x01"), EPROTO, ETYPE, ETYPE, ETYPE, 0, 0},

    {REDW_SMALLINT, T("-7"), ETYPE, OK, OK, OK, -7, -7},
    {REDW_SMALLINT, B("\xff\xf9"), ETYPE, OK, OK, OK, -7, -7},
    {REDW_SMALLINT, B("\xff\xff\xff\xf9"), ETYPE, EPROTO, EPROTO, EPROTO, 0, 0},
    {REDW_INTEGER, T("2147483647"), ETYPE, OK, OK, OK, INT32_MAX, 2147483647.0},
    {REDW_INTEGER, T("-2147483648"), ETYPE, OK, OK, OK, INT32_MIN, -2147483648.0},
    {REDW_INTEGER, T(""), ETYPE, EPROTO, EPROTO, EPROTO, 0, 0},
    {REDW_INTEGER, T("12x"), ETYPE, EPROTO, EPROTO, EPROTO, 0, 0},
    {REDW_INTEGER, T("1.0"), ETYPE, EPROTO, EPROTO, EPROTO, 0, 0},
    {REDW_INTEGER, B("\x80\x00\x00\x00"), ETYPE, OK, OK, OK, INT32_MIN, -2147483648.0},
    {REDW_INTEGER, B("\x00\x01"), ETYPE, EPROTO, EPROTO, EPROTO, 0, 0},
    {REDW_INTEGER, B(""), ETYPE, EPROTO, EPROTO, EPROTO, 0, 0},
    {REDW_INTEGER, B("\x00\x00\x00\x00\x00\x00\x00\x01"), ETYPE, EPROTO, EPROTO, EPROTO, 0, 0},
    {REDW_INTEGER, T("2147483648"), ETYPE, ERANGE_, OK, OK, 2147483648, 2147483648.0},
    {REDW_BIGINT, T("2147483647"), ETYPE, OK, OK, OK, INT32_MAX, 2147483647.0},
    {REDW_BIGINT, T("2147483648"), ETYPE, ERANGE_, OK, OK, 2147483648, 2147483648.0},
    {REDW_BIGINT, T("-2147483649"), ETYPE, ERANGE_, OK, OK, -2147483649, -2147483649.0},
    {REDW_BIGINT, T("9007199254740993"), ETYPE, ERANGE_, OK, OK, 9007199254740993, 9007199254740992.0},
    {REDW_BIGINT, T("9223372036854775807"), ETYPE, ERANGE_, OK, OK, INT64_MAX, 9223372036854775808.0},
    {REDW_BIGINT, T("9223372036854775808"), ETYPE, ERANGE_, ERANGE_, ERANGE_, 0, 0},
    {REDW_BIGINT, B("\xff\xff\xff\xff\xff\xff\xff\xfe"), ETYPE, OK, OK, OK, -2, -2},
    {REDW_BIGINT, B("\x80\x00\x00\x00\x00\x00\x00\x00"), ETYPE, ERANGE_, OK, OK, INT64_MIN,
     -9223372036854775808.0},
    {REDW_BIGINT, B("\x00\x00\x00\x01"), ETYPE, EPROTO, EPROTO, EPROTO, 0, 0},

    {REDW_DOUBLE, T("0.1"), ETYPE, ETYPE, ETYPE, OK, 0, 0.1},
    {REDW_DOUBLE, T("-1.5e-300"), ETYPE, ETYPE, ETYPE, OK, 0, -1.5e-300},
    {REDW_DOUBLE, T("-Infinity"), ETYPE, ETYPE, ETYPE, OK, 0, -(double)INFINITY},
    {REDW_DOUBLE, T("1e309"), ETYPE, ETYPE, ETYPE, ERANGE_, 0, 0},
    {REDW_DOUBLE, T("1,5"), ETYPE, ETYPE, ETYPE, EPROTO, 0, 0},
    {REDW_DOUBLE, B("\x3f\xb9\x99\x99\x99\x99\x99\x9a"), ETYPE, ETYPE, ETYPE, OK, 0, 0.1},
    {REDW_DOUBLE, B("\x3d\xcc\xcc\xcd"), ETYPE, ETYPE, ETYPE, EPROTO, 0, 0},
    /* A REAL is the same number in both forms. */
    {REDW_REAL, T("0.1"), ETYPE, ETYPE, ETYPE, OK, 0, (double)0.1F},
    {REDW_REAL, B("\x3d\xcc\xcc\xcd"), ETYPE, ETYPE, ETYPE, OK, 0, (double)0.1F},
    {REDW_REAL, T("3.4028235e+38"), ETYPE, ETYPE, ETYPE, OK, 0, (double)FLT_MAX},
    {REDW_REAL, T("1e-45"), ETYPE, ETYPE, ETYPE, OK, 0, (double)FLT_TRUE_MIN},
    {REDW_REAL, T("Infinity"), ETYPE, ETYPE, ETYPE, OK, 0, (double)INFINITY},
    {REDW_REAL, T("x"), ETYPE, ETYPE, ETYPE, EPROTO, 0, 0},
    {REDW_REAL, T("-1e39"), ETYPE, ETYPE, ETYPE, ERANGE_, 0, 0},
    {REDW_REAL, B("\x3f\xb9\x99\x99\x99\x99\x99\x9a"), ETYPE, ETYPE, ETYPE, EPROTO, 0, 0},

    {REDW_NUMERIC, T("12.00"), ETYPE, ETYPE, OK, OK, 12, 12},
    {REDW_NUMERIC, T("-12.34"), ETYPE, ETYPE, ERANGE_, OK, 0, -12.34},
    {REDW_NUMERIC, T("9223372036854775807"), ETYPE, ETYPE, OK, OK, INT64_MAX, 9223372036854775808.0},
    {REDW_NUMERIC, T("9223372036854775808"), ETYPE, ETYPE, ERANGE_, OK, 0, 9223372036854775808.0},
    {REDW_NUMERIC, T("99999999999999999999999999999999999999"), ETYPE, ETYPE, ERANGE_, OK, 0, 1e38},
    {REDW_NUMERIC, T("x"), ETYPE, ETYPE, EPROTO, EPROTO, 0, 0},
    {REDW_NUMERIC, B("\0\1\0\0\0\0\0\2\0\x0c"), ETYPE, ETYPE, OK, OK, 12, 12},
    {REDW_NUMERIC, B("\0\2\0\0\x40\0\0\2\0\x0c\x0d\x48"), ETYPE, ETYPE, ERANGE_, OK, 0, -12.34},
    {REDW_NUMERIC, B("\0\1\0\4\0\0\0\0\x03\xe8"), ETYPE, ETYPE, ERANGE_, OK, 0, 1e19},
    {REDW_NUMERIC, B("\0\1\0\x14\0\0\0\0\0\1"), ETYPE, ETYPE, ERANGE_, OK, 0, 1e80},
    {REDW_NUMERIC, B("\0\0\0\0\xd0\0\0\0"), ETYPE, ETYPE, ERANGE_, OK, 0, (double)INFINITY},
    {REDW_NUMERIC, B("\0\2"), ETYPE, ETYPE, EPROTO, EPROTO, 0, 0},

    {REDW_OID, T("4294967295"), ETYPE, ETYPE, OK, ETYPE, UINT32_MAX, 0},
    {REDW_OID, T("x"), ETYPE, ETYPE, EPROTO, ETYPE, 0, 0},
    {REDW_OID, B("\xff\xff\xff\xff"), ETYPE, ETYPE, OK, ETYPE, UINT32_MAX, 0},
    {REDW_OID, B("\0\0\0\0\0\0\0\7"), ETYPE, ETYPE, OK, ETYPE, 7, 0},
    {REDW_OID, B("\0\7"), ETYPE, ETYPE, EPROTO, ETYPE, 0, 0},

    {REDW_VARCHAR, T("1"), ETYPE, ETYPE, ETYPE, ETYPE, 0, 0},
    {REDW_CHAR, T("t"), ETYPE, ETYPE, ETYPE, ETYPE, 0, 0},
    {REDW_SUPER, T("1"), ETYPE, ETYPE, ETYPE, ETYPE, 0, 0},
    {REDW_DATE, T("2024-02-29"), ETYPE, ETYPE, ETYPE, ETYPE, 0, 0},
    {REDW_UNKNOWN_TYPE, T("1"), ETYPE, ETYPE, ETYPE, ETYPE, 0, 0},
};

static void check_value(const struct want *w, const redw_row *row, bool null)
{
    bool b = true;
    int32_t i = 77;
    int64_t l = 77;
    double d = 77;
    /* A column of the right type that is NULL is NULL; one of the wrong type stays of the wrong type. */
    int rc_bool = null && w->rc_bool != ETYPE ? REDW_NULL : w->rc_bool;
    int rc_int32 = null && w->rc_int32 != ETYPE ? REDW_NULL : w->rc_int32;
    int rc_int64 = null && w->rc_int64 != ETYPE ? REDW_NULL : w->rc_int64;
    int rc_double = null && w->rc_double != ETYPE ? REDW_NULL : w->rc_double;
    const char *what = redw_type_name(w->type);
    ck_assert_msg(redw_row_bool(row, 0, &b) == rc_bool, "bool of %s %s", what, w->bytes);
    ck_assert_msg(redw_row_int32(row, 0, &i) == rc_int32, "int32 of %s %s", what, w->bytes);
    ck_assert_msg(redw_row_int64(row, 0, &l) == rc_int64, "int64 of %s %s", what, w->bytes);
    ck_assert_msg(redw_row_double(row, 0, &d) == rc_double, "double of %s %s", what, w->bytes);
    ck_assert_int_eq(b, rc_bool == OK && w->integer);
    ck_assert_int_eq(i, rc_int32 == OK ? w->integer : 0);
    ck_assert_msg(l == (rc_int64 == OK ? w->integer : 0), "%s %s: %" PRId64, what, w->bytes, l);
    ck_assert_msg(d == (rc_double == OK ? w->number : 0), "%s %s: %a", what, w->bytes, d);
}

START_TEST(each_type_is_read_by_its_getters_and_refused_by_the_others)
{
    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++) {
        struct row r;
        const struct want *w = &wants[i];
        check_value(w, row_of(&r, w->type, w->binary, w->bytes, w->n), false);
        check_value(w, row_of(&r, w->type, w->binary, NULL, 0), true);
        check_value(w, result_row_of(&r, w->type, w->binary, w->bytes, w->n), false);
        r.cell = (redw_slice){NULL, 0};
        check_value(w, &r.row, true);
    }
}
END_TEST

START_TEST(nan_is_read_in_all_its_columns)
{
    static const struct {
        enum redw_type type;
        bool binary;
        const char *bytes;
        size_t n;
    } rows[] = {
        {REDW_DOUBLE, T("NaN")},
        {REDW_REAL, T("NaN")},
        {REDW_NUMERIC, T("NaN")},
        {REDW_DOUBLE, B("\x7f\xf8\x00\x00\x00\x00\x00\x00")},
        {REDW_REAL, B("\x7f\xc0\x00\x00")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct row r;
        double d = 0;
        ck_assert_int_eq(
            redw_row_double(row_of(&r, rows[i].type, rows[i].binary, rows[i].bytes, rows[i].n), 0, &d),
            OK);
        ck_assert(isnan(d));
        d = 0;
        const redw_row *row = result_row_of(&r, rows[i].type, rows[i].binary, rows[i].bytes, rows[i].n);
        ck_assert_int_eq(redw_row_double(row, 0, &d), OK);
        ck_assert(isnan(d));
    }
}
END_TEST

START_TEST(text_is_every_column_in_text_and_the_strings_in_binary)
{
    static const struct {
        enum redw_type type;
        uint32_t oid;
        bool text; /* the binary form is text */
    } rows[] = {
        {REDW_VARCHAR, 1043, true},       {REDW_VARCHAR, 25, true},
        {REDW_VARCHAR, 19, true},         {REDW_VARCHAR, 705, true},
        {REDW_CHAR, 1042, true},          {REDW_SUPER, 4000, true},
        {REDW_JSON, 114, true},   {REDW_UNKNOWN_TYPE, 18, true},
        {REDW_UNKNOWN_TYPE, 1790, true},  {REDW_UNKNOWN_TYPE, 2275, true},
        {REDW_UNKNOWN_TYPE, 142, true},   {REDW_UNKNOWN_TYPE, 1033, true},
        {REDW_HLLSKETCH, 2935, true},     {REDW_UNKNOWN_TYPE, 0, false},
        {REDW_VARBYTE, 17, false},        {REDW_GEOGRAPHY, 3001, false},
        {REDW_OID, 26, false},            {REDW_UUID, 2950, false},
        {REDW_BOOLEAN, 16, false},        {REDW_INTEGER, 23, false},
        {REDW_NUMERIC, 1700, false},      {REDW_DATE, 1082, false},
        {REDW_VARBYTE, 6551, false},      {REDW_TIMESTAMPTZ, 1184, false},
        {REDW_GEOMETRY, 3000, false},     {REDW_INTERVAL_YM, 1188, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int k = 0; k < 4; k++) {
            bool binary = k & 1, of_result = k & 2;
            static const char bytes[] = "a\0b";
            struct row r;
            redw_slice s = {"untouched", 9};
            bool ok = !binary || rows[i].text;
            const redw_row *row = row_of(&r, rows[i].type, binary, bytes, 3);
            r.column.oid = rows[i].oid;
            if (of_result)
                r.column.priv_[REDWI_COLUMN_FORM] = redwi_form(rows[i].type, binary);
            ck_assert_msg(redw_row_text(row, 0, &s) == (ok ? OK : ETYPE), "oid %u", rows[i].oid);
            ck_assert_ptr_eq(s.ptr, ok ? bytes : NULL); /* a view */
            ck_assert_uint_eq(s.len, ok ? 3 : 0);
            r.cell = (redw_slice){bytes, 0};
            ck_assert_int_eq(redw_row_text(row, 0, &s), ok ? OK : ETYPE);
            ck_assert_ptr_eq(s.ptr, ok ? bytes : NULL); /* empty is not NULL */
            r.cell = (redw_slice){NULL, 0};
            ck_assert_int_eq(redw_row_text(row, 0, &s), ok ? REDW_NULL : ETYPE);
            ck_assert_ptr_null(s.ptr);
            ck_assert_uint_eq(s.len, 0);
        }
    }
}
END_TEST

START_TEST(jsonb_is_its_text_behind_a_version)
{
    struct row r;
    redw_slice s;
    const redw_row *row = row_of(&r, REDW_JSON, true, "\1{}", 3);
    r.column.oid = 3802;
    ck_assert_int_eq(redw_row_text(row, 0, &s), OK);
    ck_assert(s.len == 2 && memcmp(s.ptr, "{}", 2) == 0);
    r.cell.ptr = "\2{}";
    ck_assert_int_eq(redw_row_text(row, 0, &s), EPROTO);
    ck_assert(!s.ptr && s.len == 0);
    r.cell.len = 0;
    ck_assert_int_eq(redw_row_text(row, 0, &s), EPROTO);
    r.column.binary = false;
    r.cell = (redw_slice){"{}", 2};
    ck_assert_int_eq(redw_row_text(row, 0, &s), OK);
    ck_assert_uint_eq(s.len, 2);
}
END_TEST

/* The same eight bytes: the negotiated server says what they are (design H13), and one whose binary form
 * is not what it seems is not believed. */
START_TEST(the_server_says_which_number_a_binary_numeric_is)
{
    static const char bytes[] = "\0\0\0\0\0\0\0\2";
    static const struct {
        enum redwi_server server;
        int typmod, rc;
        const char *text;
        double number;
    } rows[] = {
        {REDWI_POSTGRES, -1, OK, "0.00", 0},
        {REDWI_REDSHIFT_BASE, 0x00120006, ETYPE, "0", 0},
        {REDWI_REDSHIFT_BINARY, 0x00120006, OK, "0.02", 0.02},
        {REDWI_REDSHIFT_BINARY, -1, OK, "2", 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[REDW_DECIMAL_CHARS];
        redw_decimal d;
        int64_t n;
        double v;
        struct row r;
        const redw_row *row = row_of(&r, REDW_NUMERIC, true, bytes, 8);
        redwi_column_describe(&r.column, 1700, rows[i].typmod, rows[i].server);
        ck_assert_int_eq(redw_row_decimal(row, 0, &d), rows[i].rc);
        ck_assert_str_eq(redw_decimal_text(d, text), rows[i].text);
        ck_assert_int_eq(redw_row_double(row, 0, &v), rows[i].rc);
        ck_assert(v == rows[i].number);
        bool whole = rows[i].number == (double)(int64_t)rows[i].number;
        ck_assert_int_eq(redw_row_int64(row, 0, &n), whole ? rows[i].rc : ERANGE_);
        ck_assert_int_eq(n, rows[i].rc == OK && whole ? (int64_t)rows[i].number : 0);
        r.cell = (redw_slice){NULL, 0};
        int null = rows[i].rc == OK ? REDW_NULL : ETYPE;
        ck_assert_int_eq(redw_row_decimal(row, 0, &d), null);
        ck_assert_int_eq(redw_row_double(row, 0, &v), null);
        ck_assert_int_eq(redw_row_int64(row, 0, &n), null);
        r.cell = (redw_slice){bytes, 7};
        ck_assert_int_eq(redw_row_double(row, 0, &v), rows[i].rc == OK ? EPROTO : ETYPE);
        ck_assert_int_eq(redw_row_int64(row, 0, &n), rows[i].rc == OK ? EPROTO : ETYPE);
    }
}
END_TEST

START_TEST(decimals_are_numeric_and_whole_columns)
{
    static const struct {
        uint32_t oid;
        int typmod;
        const char *value;
        int rc;
        uint8_t precision;
    } rows[] = {
        {1700, ((38 << 16) | 4) + 4, "12.3400", OK, 38},
        {1700, -1, "12.3400", OK, 0},
        {1700, ((3 << 16) | 5) + 4, "0.00123", OK, 0}, /* PostgreSQL 15: more scale than precision */
        {1700, ((1000 << 16) | 2) + 4, "1.00", OK, 0},
        {1700, -1, "100000000000000000000000000000000000000", ERANGE_, 0},
        {1700, -1, "x", EPROTO, 0},
        {1700, ((5 << 16) | 0) + 4, "NaN", OK, 5},
        {21, -1, "-7", OK, 0},
        {23, -1, "x", EPROTO, 0},
        {20, -1, "-9223372036854775808", OK, 0},
        {701, -1, "1", ETYPE, 0},
        {25, -1, "1", ETYPE, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[REDW_DECIMAL_CHARS];
        redw_decimal d = {.lo = 7};
        struct row r;
        const redw_row *row = result_row_of(&r, REDW_UNKNOWN_TYPE, false, rows[i].value, strlen(rows[i].value));
        redwi_column_describe(&r.column, rows[i].oid, rows[i].typmod, REDWI_POSTGRES);
        ck_assert_msg(redw_row_decimal(row, 0, &d) == rows[i].rc, "%s", rows[i].value);
        ck_assert_uint_eq(d.precision, rows[i].precision);
        ck_assert_str_eq(redw_decimal_text(d, text), rows[i].rc == OK ? rows[i].value : "0");
        r.cell = (redw_slice){NULL, 0};
        ck_assert_int_eq(redw_row_decimal(row, 0, &d), rows[i].rc == ETYPE ? ETYPE : REDW_NULL);
        ck_assert_int_eq(redw_row_decimal(row, 1, &d), REDW_ECOLUMN);
    }
}
END_TEST

START_TEST(beyond_the_last_column_there_is_nothing)
{
    struct row r;
    const redw_row *row = row_of(&r, REDW_INTEGER, false, "1", 1);
    const redw_row empty = {0};
    static const size_t beyond[] = {1, 2, SIZE_MAX};
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++) {
        bool b = true;
        int32_t n = 77;
        int64_t l = 77;
        double d = 77;
        redw_slice s = {"x", 1};
        ck_assert_int_eq(redw_row_bool(row, beyond[i], &b), REDW_ECOLUMN);
        ck_assert_int_eq(redw_row_int32(row, beyond[i], &n), REDW_ECOLUMN);
        ck_assert_int_eq(redw_row_int64(row, beyond[i], &l), REDW_ECOLUMN);
        ck_assert_int_eq(redw_row_double(row, beyond[i], &d), REDW_ECOLUMN);
        ck_assert_int_eq(redw_row_text(row, beyond[i], &s), REDW_ECOLUMN);
        ck_assert(!b && n == 0 && l == 0 && d == 0 && !s.ptr && s.len == 0);
        ck_assert_int_eq(redw_row_int32(&empty, i, &n), REDW_ECOLUMN);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("getters");
    TCase *t = tcase_create("getters");
    suite_add_tcase(s, t);
    tcase_add_test(t, each_type_is_read_by_its_getters_and_refused_by_the_others);
    tcase_add_test(t, nan_is_read_in_all_its_columns);
    tcase_add_test(t, text_is_every_column_in_text_and_the_strings_in_binary);
    tcase_add_test(t, jsonb_is_its_text_behind_a_version);
    tcase_add_test(t, the_server_says_which_number_a_binary_numeric_is);
    tcase_add_test(t, decimals_are_numeric_and_whole_columns);
    tcase_add_test(t, beyond_the_last_column_there_is_nothing);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
