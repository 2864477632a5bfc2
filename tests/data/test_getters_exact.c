/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C12, C17, C18, C19, C20: The typed getters of dates, times, intervals, bytes and UUIDs: which columns they
 * read, in which form.
 */
#include "data/datetime.h"
#include "data/types.h"

#include <check.h>
#include <string.h>

struct row {
    redw_row row;
    redw_slice cell;
    struct redw_column column;
};

static const redw_row *row_of(struct row *r, uint32_t oid, bool binary, enum redwi_server server,
                              const char *bytes, size_t n)
{
    r->column = (struct redw_column){.name = "c", .binary = binary};
    redwi_column_describe(&r->column, oid, -1, server);
    r->cell = (redw_slice){bytes, n};
    r->row = (redw_row){.cells = &r->cell, .ncells = 1, .priv_ = {&r->column}};
    return &r->row;
}

/* Any of the getters that give numbers, in one shape: what it gave, at most three numbers of it. */
struct got {
    int rc;
    int64_t a, b, c;
};
typedef struct got getter_fn(const redw_row *row, size_t col);

static struct got get_date(const redw_row *row, size_t col)
{
    redw_date v = {77};
    int rc = redw_row_date(row, col, &v);
    return (struct got){rc, v.days, 0, 0};
}
static struct got get_time(const redw_row *row, size_t col)
{
    redw_time v = {77};
    int rc = redw_row_time(row, col, &v);
    return (struct got){rc, v.us, 0, 0};
}
static struct got get_timetz(const redw_row *row, size_t col)
{
    redw_timetz v = {77, 77};
    int rc = redw_row_timetz(row, col, &v);
    return (struct got){rc, v.us, v.offset_s, 0};
}
static struct got get_timestamp(const redw_row *row, size_t col)
{
    redw_timestamp v = {77};
    int rc = redw_row_timestamp(row, col, &v);
    return (struct got){rc, v.us, 0, 0};
}
static struct got get_timestamptz(const redw_row *row, size_t col)
{
    redw_timestamptz v = {77};
    int rc = redw_row_timestamptz(row, col, &v);
    return (struct got){rc, v.us, 0, 0};
}
static struct got get_interval(const redw_row *row, size_t col)
{
    redw_interval v = {77, 77, 77};
    int rc = redw_row_interval(row, col, &v);
    return (struct got){rc, v.months, v.days, v.us};
}
static getter_fn *const getters[] = {get_date,      get_time,        get_timetz,
                                     get_timestamp, get_timestamptz, get_interval};
enum { DATE, TIME, TIMETZ, TIMESTAMP, TIMESTAMPTZ, INTERVAL, NGETTERS };

#define T(text)  false, text, sizeof(text) - 1
#define B(bytes) true, bytes, sizeof(bytes) - 1
#define OK       REDW_OK
#define PG       REDWI_POSTGRES
#define RS       REDWI_REDSHIFT_BINARY

/* Protocol 5.3 and 5.4; the bytes of its table of samples among them. */
static const struct {
    int getter; /* the one of its type */
    uint32_t oid;
    enum redwi_server server;
    bool binary;
    const char *bytes;
    size_t n;
    struct got want;
} rows[] = {
    {DATE, 1082, PG, T("2024-02-29"), {OK, 19782, 0, 0}},
    {DATE, 1082, PG, B("\0\0\x22\x79"), {OK, 19782, 0, 0}},
    {DATE, 1082, RS, B("\xff\xff\xff\xff"), {OK, 10956, 0, 0}},
    {DATE, 1082, PG, T("infinity"), {OK, INT32_MAX, 0, 0}},
    {DATE, 1082, PG, T("2024-02-30"), {REDW_ERANGE, 0, 0, 0}},
    {DATE, 1082, PG, T("29.02.2024"), {REDW_EPROTOCOL, 0, 0, 0}},
    {DATE, 1082, PG, B("\0\0\x22"), {REDW_EPROTOCOL, 0, 0, 0}},
    {TIME, 1083, PG, T("13:14:15.678901"), {OK, INT64_C(47655678901), 0, 0}},
    {TIME, 1083, RS, B("\0\0\0\x0b\x18\x7f\xf3\xb5"), {OK, INT64_C(47655678901), 0, 0}},
    {TIME, 1083, PG, B(""), {REDW_EPROTOCOL, 0, 0, 0}},
    {TIMETZ, 1266, PG, T("13:14:15.678901+02"), {OK, INT64_C(47655678901), 7200, 0}},
    {TIMETZ,
     1266,
     RS,
     B("\0\0\0\x0b\x18\x7f\xf3\xb5\xff\xff\xe3\xe0"),
     {OK, INT64_C(47655678901), 7200, 0}},
    {TIMETZ, 1266, PG, T("x"), {REDW_EPROTOCOL, 0, 0, 0}},
    {TIMESTAMP, 1114, PG, T("2008-06-01 09:59:59"), {OK, INT64_C(1212314399000000), 0, 0}},
    {TIMESTAMP, 1114, RS, B("\0\0\xf1\x96\xb5\xe3\xe5\xc0"), {OK, INT64_C(1212314399000000), 0, 0}},
    {TIMESTAMP, 1114, RS, B("\x7f\xff\xff\xff\xff\xff\xff\xff"), {OK, INT64_MAX, 0, 0}},
    {TIMESTAMP, 1114, PG, T(""), {REDW_EPROTOCOL, 0, 0, 0}},
    {TIMESTAMPTZ, 1184, PG, T("2008-06-01 09:59:59+02"), {OK, INT64_C(1212307199000000), 0, 0}},
    {TIMESTAMPTZ, 1184, PG, B("\0\0\xf1\x96\xb5\xe3\xe5\xc0"), {OK, INT64_C(1212314399000000), 0, 0}},
    {TIMESTAMPTZ, 1184, PG, B("\x80\0\0\0\0\0\0\0"), {OK, INT64_MIN, 0, 0}},
    {TIMESTAMPTZ, 1184, PG, T("x"), {REDW_EPROTOCOL, 0, 0, 0}},
    {TIMESTAMPTZ, 702, RS, T("2008-06-01 09:59:59+00"), {OK, INT64_C(1212314399000000), 0, 0}},
    {TIMESTAMPTZ, 702, RS, B("\x48\x42\x73\x1f"), {OK, INT64_C(1212314399000000), 0, 0}},
    {TIMESTAMPTZ, 702, RS, B("\xff\xff\xff\xff"), {OK, -1000000, 0, 0}},
    {TIMESTAMPTZ, 702, RS, B("\x7f\xff\xff\xfc"), {OK, INT64_MAX, 0, 0}},
    {TIMESTAMPTZ, 702, RS, B("\x80\0\0\0"), {OK, INT64_MIN, 0, 0}},
    {TIMESTAMPTZ, 702, RS, B("\x7f\xff\xff\xfe"), {REDW_ERANGE, 0, 0, 0}},
    {TIMESTAMPTZ, 702, RS, B("\0\0\0\0\0\0\0\0"), {REDW_EPROTOCOL, 0, 0, 0}},
    {INTERVAL, 1186, PG, T("1 year 2 mons -3 days +04:05:06.789"), {OK, 14, -3, INT64_C(14706789000)}},
    {INTERVAL, 1186, PG, B("\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0\3"), {OK, 3, 2, 1}},
    {INTERVAL, 1186, PG, B("\0\0\0\x64\x95\x34\xe0\0\0\0\0\1"), {REDW_EPROTOCOL, 0, 0, 0}},
    {INTERVAL, 1186, RS, B("\0\0\0\x64\x95\x34\xe0\0\0\0\0\1"), {OK, 1, 5, 0}},
    {INTERVAL, 1186, RS, B("\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0\3"), {REDW_EPROTOCOL, 0, 0, 0}},
    {INTERVAL, 1188, RS, T("3 years 6 mons"), {OK, 42, 0, 0}},
    {INTERVAL, 1188, RS, B("\0\0\0\x2a"), {OK, 42, 0, 0}},
    {INTERVAL, 1188, RS, T("1 day"), {REDW_EPROTOCOL, 0, 0, 0}},
    {INTERVAL, 1190, RS, T("3 days 4 hours 1 mins 4.3 secs"), {OK, 0, 3, INT64_C(14464300000)}},
    {INTERVAL, 1190, RS, B("\0\0\0\x02\xdf\xda\xe8\0"), {OK, 0, 0, INT64_C(12345600000)}},
    {INTERVAL, 1190, RS, T("1 mon"), {REDW_EPROTOCOL, 0, 0, 0}},
};

static void must_be(struct got got, struct got want, size_t row, int getter)
{
    ck_assert_msg(got.rc == want.rc && got.a == want.a && got.b == want.b && got.c == want.c,
                  "row %zu, getter %d: %d, %lld %lld %lld", row, getter, got.rc, (long long)got.a,
                  (long long)got.b, (long long)got.c);
}

START_TEST(each_is_read_by_its_own_getter_and_refused_by_the_others)
{
    const struct got type = {REDW_ETYPE, 0, 0, 0}, null = {REDW_NULL, 0, 0, 0},
                     none = {REDW_ECOLUMN, 0, 0, 0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int g = 0; g < NGETTERS; g++) {
            bool own = g == rows[i].getter;
            struct row r;
            const redw_row *row =
                row_of(&r, rows[i].oid, rows[i].binary, rows[i].server, rows[i].bytes, rows[i].n);
            must_be(getters[g](row, 0), own ? rows[i].want : type, i, g);
            must_be(getters[g](row, 1), none, i, g);
            r.cell = (redw_slice){NULL, 0};
            must_be(getters[g](row, 0), own ? null : type, i, g);
        }
    }
}
END_TEST

START_TEST(uuids_in_both_forms)
{
    static const char bytes[] = "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef";
    static const uint8_t zero[16] = {0};
    uint8_t v[16];
    struct row r;
    ck_assert_int_eq(redw_row_uuid(row_of(&r, 2950, true, PG, bytes, 16), 0, v), OK);
    ck_assert_mem_eq(v, bytes, 16);
    ck_assert_int_eq(
        redw_row_uuid(row_of(&r, 2950, false, PG, "01234567-89ab-cdef-0123-456789abcdef", 36), 0, v),
        OK);
    ck_assert_mem_eq(v, bytes, 16);
    ck_assert_int_eq(redw_row_uuid(row_of(&r, 2950, true, PG, bytes, 15), 0, v), REDW_EPROTOCOL);
    ck_assert_mem_eq(v, zero, 16);
    ck_assert_int_eq(redw_row_uuid(row_of(&r, 2950, false, PG, bytes, 16), 0, v), REDW_EPROTOCOL);
    ck_assert_int_eq(redw_row_uuid(row_of(&r, 2950, false, PG, NULL, 0), 0, v), REDW_NULL);
    ck_assert_int_eq(redw_row_uuid(row_of(&r, 17, true, PG, bytes, 16), 0, v), REDW_ETYPE);
    ck_assert_int_eq(redw_row_uuid(row_of(&r, 2950, true, PG, bytes, 16), 1, v), REDW_ECOLUMN);
    ck_assert_mem_eq(v, zero, 16);
}
END_TEST

START_TEST(bytes_are_a_view_or_decoded_into_the_callers_room)
{
    static const struct {
        uint32_t oid;
        bool binary;
        const char *value;
        size_t n;
        int rc;
        size_t len;
        const char *bytes;
    } values[] = {
        {6551, B("a\0b"), OK, 3, "a\0b"},
        {6551, B(""), OK, 0, ""},
        {6551, T("610062"), OK, 3, "a\0b"},
        {6551, T(""), OK, 0, ""},
        {6551, T("\\x61"), REDW_EPROTOCOL, 0, NULL},
        {6551, T("6"), REDW_EPROTOCOL, 0, NULL},
        {17, T("\\x610062"), OK, 3, "a\0b"},
        {17, T("\\x"), OK, 0, ""},
        {17, T("a\\000b"), OK, 3, "a\0b"},
        {17, B("a\0b"), OK, 3, "a\0b"},
        {3000, T("0101"), OK, 2, "\1\1"},
        {3001, B("\1\1"), OK, 2, "\1\1"},
        {3999, T("0101"), OK, 2, "\1\1"},
        {6551, T("61006263"), REDW_EFULL, 4, NULL},
        {25, T("61"), REDW_ETYPE, 0, NULL},
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char room[3];
        redw_slice s = {"x", 9};
        struct row r;
        const redw_row *row =
            row_of(&r, values[i].oid, values[i].binary, RS, values[i].value, values[i].n);
        ck_assert_msg(redw_row_bytes(row, 0, room, sizeof room, &s) == values[i].rc, "%zu", i);
        ck_assert_uint_eq(s.len, values[i].len);
        ck_assert_int_eq(s.ptr != NULL, values[i].rc == OK);
        if (values[i].rc == OK)
            ck_assert_mem_eq(s.ptr, values[i].bytes, s.len);
        if (values[i].rc == OK && values[i].binary)
            ck_assert_ptr_eq(s.ptr, values[i].value);
        r.cell = (redw_slice){NULL, 0};
        ck_assert_int_eq(redw_row_bytes(row, 0, NULL, 0, &s),
                         values[i].rc == REDW_ETYPE ? REDW_ETYPE : REDW_NULL);
        ck_assert_int_eq(redw_row_bytes(row, 1, NULL, 0, &s), REDW_ECOLUMN);
        ck_assert(!s.ptr && s.len == 0);
    }
    struct row r;
    redw_slice s;
    ck_assert_int_eq(redw_row_bytes(row_of(&r, 6551, false, RS, "", 0), 0, NULL, 0, &s), OK);
    ck_assert(s.ptr && s.len == 0);
}
END_TEST

static void put(char *to, uint64_t v, size_t n)
{
    for (size_t i = n; i-- > 0; v >>= 8)
        to[i] = (char)(v & 0xff);
}

/* Cells near 2000 are read at once, and any other as the reader of all does: both say what that says. */
START_TEST(binary_moments_of_all_sizes_are_read_as_their_decoders_read_them)
{
    for (int shift = 0; shift < 64; shift++) {
        for (int near = -2; near <= 2; near++) {
            for (int sign = 0; sign < 2; sign++) {
                char bytes[8];
                struct row r;
                redw_date date = {7}, want_date;
                redw_timestamp ts = {7}, want_ts;
                redw_timestamptz tstz = {7}, want_tstz;
                uint64_t v = (UINT64_C(1) << shift) + (uint64_t)(int64_t)near;
                v = sign ? 0 - v : v;
                put(bytes, v, 4);
                int rc = redw_row_date(row_of(&r, 1082, true, REDWI_POSTGRES, bytes, 4), 0, &date);
                ck_assert_int_eq(rc, redwi_binary_date(bytes, 4, &want_date));
                ck_assert_int_eq(date.days, want_date.days);
                put(bytes, v, 8);
                rc = redw_row_timestamp(row_of(&r, 1114, true, REDWI_POSTGRES, bytes, 8), 0, &ts);
                ck_assert_int_eq(rc, redwi_binary_timestamp(bytes, 8, &want_ts));
                ck_assert_int_eq(ts.us, want_ts.us);
                rc = redw_row_timestamptz(row_of(&r, 1184, true, REDWI_POSTGRES, bytes, 8), 0, &tstz);
                ck_assert_int_eq(rc, redwi_binary_timestamptz(bytes, 8, &want_tstz));
                ck_assert_int_eq(tstz.us, want_tstz.us);
            }
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("getters_exact");
    TCase *t = tcase_create("getters_exact");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, each_is_read_by_its_own_getter_and_refused_by_the_others);
    tcase_add_test(t, uuids_in_both_forms);
    tcase_add_test(t, binary_moments_of_all_sizes_are_read_as_their_decoders_read_them);
    tcase_add_test(t, bytes_are_a_view_or_decoded_into_the_callers_room);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
