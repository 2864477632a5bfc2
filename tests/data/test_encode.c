/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C13, C14, C15, C16, C17, C18, C19, C20, C21: Parameters on the wire: OID, format and bytes, by the server
 * that was negotiated with.
 */
#include "data/encode.h"
#include "wire/mem.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

/* One form; SIZE_MAX bytes: NULL. */
struct form {
    uint32_t oid;
    uint8_t format;
    size_t n;
    const char *bytes;
};
#define T(oid, text)                                                                                    \
    {                                                                                                   \
        oid, 0, sizeof(text) - 1, text                                                                  \
    }
#define B(oid, bytes)                                                                                   \
    {                                                                                                   \
        oid, 1, sizeof(bytes) - 1, bytes                                                                \
    }

static void must_be_sent_as(const redw_param *p, enum redwi_server server, const struct form *f,
                            size_t row)
{
    struct redwi_buf b;
    redwi_buf_init(&b, &redwi_malloc, 4096);
    ck_assert_msg(redwi_param_oid(p, server) == f->oid, "%zu, server %d: oid %u", row, (int)server,
                  redwi_param_oid(p, server));
    ck_assert_msg(redwi_param_format(p, server) == f->format, "%zu, server %d", row, (int)server);
    redwi_param_put(&b, p, server);
    ck_assert_int_eq(b.failed, 0);
    const uint8_t *at = redwi_buf_front(&b);
    size_t n = f->n == SIZE_MAX ? 0 : f->n;
    uint8_t word[4] = {0, 0, 0, (uint8_t)n};
    if (f->n == SIZE_MAX)
        memset(word, 0xff, 4); /* -1: NULL */
    ck_assert_msg(redwi_buf_len(&b) == 4 + n, "%zu, server %d: %zu bytes", row, (int)server,
                  redwi_buf_len(&b));
    ck_assert_mem_eq(at, word, 4);
    ck_assert_msg(memcmp(at + 4, f->bytes ? f->bytes : "", n) == 0, "%zu, server %d", row, (int)server);
    redwi_buf_free(&b);
}

START_TEST(what_both_servers_take_in_the_same_form)
{
    static const int32_t i32[] = {1, -2};
    static const int64_t i64[] = {INT64_MIN};
    static const double f64[] = {1.5};
    static const redw_slice texts[] = {{"a", 1}, {NULL, 7}, {"", 0}};
    const struct {
        redw_param p;
        struct form form;
    } rows[] = {
        {redw_p_bool(true), {16, 1, 1, "\x01"}},
        {redw_p_bool(false), {16, 1, 1, "\x00"}},
        {redw_p_int16(-2), {21, 1, 2, "\xff\xfe"}},
        {redw_p_int16(INT16_MIN), {21, 1, 2, "\x80\x00"}},
        {redw_p_int32(0x01020304), {23, 1, 4, "\x01\x02\x03\x04"}},
        {redw_p_int32(INT32_MIN), {23, 1, 4, "\x80\x00\x00\x00"}},
        {redw_p_int64(0x0102030405060708), {20, 1, 8, "\x01\x02\x03\x04\x05\x06\x07\x08"}},
        {redw_p_int64(INT64_MIN), {20, 1, 8, "\x80\x00\x00\x00\x00\x00\x00\x00"}},
        {redw_p_real(1.5F), {700, 1, 4, "\x3f\xc0\x00\x00"}},
        {redw_p_real(0.1F), {700, 1, 4, "\x3d\xcc\xcc\xcd"}},
        {redw_p_real(FLT_TRUE_MIN), {700, 1, 4, "\x00\x00\x00\x01"}},
        {redw_p_double(-0.0), {701, 1, 8, "\x80\x00\x00\x00\x00\x00\x00\x00"}},
        {redw_p_double(0.1), {701, 1, 8, "\x3f\xb9\x99\x99\x99\x99\x99\x9a"}},
        {redw_p_double((double)INFINITY), {701, 1, 8, "\x7f\xf0\x00\x00\x00\x00\x00\x00"}},
        {redw_p_double(-(double)INFINITY), {701, 1, 8, "\xff\xf0\x00\x00\x00\x00\x00\x00"}},
        {redw_p_text("2024-02-29"), {0, 0, 10, "2024-02-29"}},
        {redw_p_text(""), {0, 0, 0, ""}},
        {redw_p_text_n("abc", 2), {0, 0, 2, "ab"}},
        {redw_p_text_n("", 0), {0, 0, 0, ""}},
        {redw_p_text("na\xc3\xafve \xe2\x82\xac \xf0\x9f\x8e\x88"),
         {0, 0, 15, "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x8e\x88"}},
        {redw_p_text(NULL), {0, 0, SIZE_MAX, NULL}},
        {redw_p_text_n(NULL, 5), {0, 0, SIZE_MAX, NULL}},
        {redw_p_null(REDW_UNKNOWN_TYPE), {0, 0, SIZE_MAX, NULL}},
        {redw_p_null(REDW_INTEGER), {23, 0, SIZE_MAX, NULL}},
        {redw_p_null(REDW_NUMERIC), {1700, 0, SIZE_MAX, NULL}},
        {redw_p_char("a  "), T(1042, "a  ")},
        {redw_p_varchar("a  "), T(1043, "a  ")},
        {redw_p_text_as(REDW_DATE, "2024-02-29", 10), T(1082, "2024-02-29")},
        {redw_p_timestamp((redw_timestamp){INT64_C(1212314399000000)}),
         B(1114, "\0\0\xf1\x96\xb5\xe3\xe5\xc0")},
        {redw_p_timestamptz((redw_timestamptz){INT64_C(1212314399000000)}),
         B(1184, "\0\0\xf1\x96\xb5\xe3\xe5\xc0")},
        {redw_p_timestamp((redw_timestamp){INT64_MAX}), B(1114, "\x7f\xff\xff\xff\xff\xff\xff\xff")},
        {redw_p_timestamptz((redw_timestamptz){INT64_MIN}), B(1184, "\x80\0\0\0\0\0\0\0")},
        {redw_p_int32_array(i32, 2), B(1007, "\0\0\0\1\0\0\0\0\0\0\0\x17\0\0\0\2\0\0\0\1"
                                             "\0\0\0\4\0\0\0\1\0\0\0\4\xff\xff\xff\xfe")},
        {redw_p_int64_array(i64, 1), B(1016, "\0\0\0\1\0\0\0\0\0\0\0\x14\0\0\0\1\0\0\0\1"
                                             "\0\0\0\x08\x80\0\0\0\0\0\0\0")},
        {redw_p_double_array(f64, 1), B(1022, "\0\0\0\1\0\0\0\0\0\0\x02\xbd\0\0\0\1\0\0\0\1"
                                              "\0\0\0\x08\x3f\xf8\0\0\0\0\0\0")},
        {redw_p_text_array(texts, 3), B(1009, "\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\3\0\0\0\1"
                                              "\0\0\0\1"
                                              "a"
                                              "\xff\xff\xff\xff\0\0\0\0")},
        {redw_p_int32_array(NULL, 0), B(1007, "\0\0\0\0\0\0\0\0\0\0\0\x17")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        must_be_sent_as(&rows[i].p, REDWI_POSTGRES, &rows[i].form, i);
        must_be_sent_as(&rows[i].p, REDWI_REDSHIFT_BASE, &rows[i].form, i);
        must_be_sent_as(&rows[i].p, REDWI_REDSHIFT_BINARY, &rows[i].form, i);
    }
    redw_param nan_ = redw_p_double((double)NAN);
    struct redwi_buf b;
    redwi_buf_init(&b, &redwi_malloc, 4096);
    redwi_param_put(&b, &nan_, REDWI_POSTGRES);
    ck_assert_uint_eq(redwi_buf_len(&b), 12);
    ck_assert_uint_eq(redwi_buf_front(&b)[4] & 0x7f, 0x7f);
    ck_assert_uint_ge(redwi_buf_front(&b)[5], 0xf8);
    redwi_buf_free(&b);
}
END_TEST

/* Protocol 5.4 and 5.5; the bytes of its table of samples among them. */
START_TEST(what_depends_on_the_server)
{
    const redw_interval mixed = {1, 2, 3};
    const struct {
        redw_param p;
        struct form postgres, base, binary;
    } rows[] = {
        {redw_p_decimal_text("-12.34"), B(1700, "\0\2\0\0\x40\0\0\2\0\x0c\x0d\x48"), T(1700, "-12.34"),
         T(1700, "-12.34")},
        {redw_p_decimal_text("NaN"), B(1700, "\0\0\0\0\xc0\0\0\0"), T(1700, "NaN"), T(1700, "NaN")},
        {redw_p_date(2024, 2, 29), B(1082, "\x00\x00\x22\x79"), T(1082, "2024-02-29"),
         T(1082, "2024-02-29")},
        {redw_p_date(1999, 12, 31), B(1082, "\xff\xff\xff\xff"), T(1082, "1999-12-31"),
         T(1082, "1999-12-31")},
        {redw_p_date_value((redw_date){INT32_MAX}), B(1082, "\x7f\xff\xff\xff"), T(1082, "infinity"),
         T(1082, "infinity")},
        {redw_p_time((redw_time){INT64_C(47655678901)}), B(1083, "\x00\x00\x00\x0b\x18\x7f\xf3\xb5"),
         T(1083, "13:14:15.678901"), T(1083, "13:14:15.678901")},
        {redw_p_timetz((redw_timetz){INT64_C(47655678901), 7200}),
         B(1266, "\x00\x00\x00\x0b\x18\x7f\xf3\xb5\xff\xff\xe3\xe0"), T(1266, "13:14:15.678901+02"),
         T(1266, "13:14:15.678901+02")},
        {redw_p_interval_ym(3, 6), B(1186, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x2a"), B(1188, "\0\0\0\x2a"),
         B(1188, "\0\0\0\x2a")},
        {redw_p_interval_ds(0, INT64_C(12345600000)),
         B(1186, "\0\0\0\x02\xdf\xda\xe8\0\0\0\0\0\0\0\0\0"), B(1190, "\0\0\0\x02\xdf\xda\xe8\0"),
         B(1190, "\0\0\0\x02\xdf\xda\xe8\0")},
        {redw_p_interval_ds(-1, 1), B(1186, "\0\0\0\0\0\0\0\1\xff\xff\xff\xff\0\0\0\0"),
         B(1190, "\xff\xff\xff\xeb\xe2\x28\xa0\1"), B(1190, "\xff\xff\xff\xeb\xe2\x28\xa0\1")},
        {redw_p_interval(mixed), B(1186, "\0\0\0\0\0\0\0\3\0\0\0\2\0\0\0\1"),
         T(1186, "1 mon 2 days 00:00:00.000003"), T(1186, "1 mon 2 days 00:00:00.000003")},
        {redw_p_bytes("\0\xff", 2), B(17, "\0\xff"), T(0, "00ff"), B(6551, "\0\xff")},
        {redw_p_bytes("", 0), B(17, ""), T(0, ""), B(6551, "")},
        {redw_p_super("{\"a\":1}"), T(0, "{\"a\":1}"), T(4000, "{\"a\":1}"), T(4000, "{\"a\":1}")},
        {redw_p_text_as(REDW_UUID, "x", 1), T(2950, "x"), T(0, "x"), T(0, "x")},
        {redw_p_text_as(REDW_JSON, "{}", 2), T(114, "{}"), T(0, "{}"), T(0, "{}")},
        {redw_p_text_as(REDW_GEOMETRY, "x", 1), T(0, "x"), T(3000, "x"), T(3000, "x")},
        {redw_p_null(REDW_SUPER),
         {0, 0, SIZE_MAX, NULL},
         {4000, 0, SIZE_MAX, NULL},
         {4000, 0, SIZE_MAX, NULL}},
        {redw_p_null(REDW_VARBYTE),
         {17, 0, SIZE_MAX, NULL},
         {6551, 0, SIZE_MAX, NULL},
         {6551, 0, SIZE_MAX, NULL}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        must_be_sent_as(&rows[i].p, REDWI_POSTGRES, &rows[i].postgres, i);
        must_be_sent_as(&rows[i].p, REDWI_REDSHIFT_BASE, &rows[i].base, i);
        must_be_sent_as(&rows[i].p, REDWI_REDSHIFT_BINARY, &rows[i].binary, i);
    }
}
END_TEST

/* A19 */
START_TEST(the_server_is_what_was_negotiated)
{
    ck_assert_int_eq(redwi_server_of(false, 0), REDWI_POSTGRES);
    ck_assert_int_eq(redwi_server_of(false, 3), REDWI_POSTGRES);
    ck_assert_int_eq(redwi_server_of(true, 0), REDWI_REDSHIFT_BASE);
    ck_assert_int_eq(redwi_server_of(true, 1), REDWI_REDSHIFT_BASE);
    ck_assert_int_eq(redwi_server_of(true, 2), REDWI_REDSHIFT_BINARY);
    ck_assert_int_eq(redwi_server_of(true, 3), REDWI_REDSHIFT_BINARY);
}
END_TEST

START_TEST(a_value_that_finds_no_room_fails_the_writer)
{
    const redw_param p[] = {redw_p_int64(1), redw_p_bytes("12345678", 8),
                            redw_p_decimal_text("1234567")};
    for (size_t i = 0; i < sizeof p / sizeof *p; i++) {
        struct redwi_buf b;
        redwi_buf_init(&b, &redwi_malloc, 6);
        redwi_param_put(&b, &p[i], REDWI_REDSHIFT_BASE);
        ck_assert_int_eq(b.failed, REDW_EFULL);
        redwi_buf_free(&b);
    }
}
END_TEST

START_TEST(texts_and_bytes_go_as_they_lie_unless_the_server_wants_hex)
{
    redw_param text = redw_p_text("abc"), bytes = redw_p_bytes("\1\2", 2), number = redw_p_int32(7);
    redw_param none = redw_p_null(REDW_VARCHAR);
    ck_assert_uint_eq(redwi_param_raw(&text, REDWI_POSTGRES).len, 3);
    ck_assert_uint_eq(redwi_param_raw(&text, REDWI_REDSHIFT_BASE).len, 3);
    ck_assert_uint_eq(redwi_param_raw(&bytes, REDWI_POSTGRES).len, 2);
    ck_assert_ptr_null(redwi_param_raw(&bytes, REDWI_REDSHIFT_BASE).ptr); /* protocol 5.4: as text */
    ck_assert_ptr_null(redwi_param_raw(&number, REDWI_POSTGRES).ptr);
    ck_assert_ptr_null(redwi_param_raw(&none, REDWI_POSTGRES).ptr);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("encode");
    TCase *t = tcase_create("encode");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_both_servers_take_in_the_same_form);
    tcase_add_test(t, what_depends_on_the_server);
    tcase_add_test(t, the_server_is_what_was_negotiated);
    tcase_add_test(t, a_value_that_finds_no_room_fails_the_writer);
    tcase_add_test(t, texts_and_bytes_go_as_they_lie_unless_the_server_wants_hex);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
