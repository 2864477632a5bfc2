/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C01: The codec of what the client says about statements, written by one side and read by the other: queries,
 * Parse, Bind, Describe, Execute, Close, COPY and function calls, byte by byte as the protocol documentation lays
 * them out.
 */
#include "wire/codec_stand.h"

START_TEST(query_parse_describe_execute_sync_terminate)
{
    struct redwi_buf b = writer();
    size_t len;
    redw_slice s;
    redwi_fe_query(&b, "select 1; junk", 8);
    wrote(&b, "51 0000000d 'select 1' 00");
    redwi_fe_query(&b, "", 0);
    const uint8_t *body = body_of(&b, 5, &len);
    ck_assert(redwi_fe_read_query(body, len, &s));
    ck_assert(is(s, ""));

    static const uint32_t oids[] = {23, 0, 0xfffffffe};
    redwi_fe_parse(&b, "s1", "select $1", 9, oids, 3);
    wrote(&b, "50 0000001f 's1' 00 'select $1' 00 0003 00000017 00000000 fffffffe");
    redwi_fe_parse(&b, "s1", "select $1", 9, oids, 3);
    body = body_of(&b, 5, &len);
    struct redwi_parse_msg parse;
    ck_assert(redwi_fe_read_parse(body, len, &parse));
    ck_assert(is(parse.statement, "s1"));
    ck_assert(is(parse.sql, "select $1"));
    ck_assert_uint_eq(parse.noids, 3);
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(redwi_load32(parse.oids + 4 * i), oids[i]);
    redwi_fe_parse(&b, "", "x", 1, NULL, 0);
    wrote(&b, "50 00000009 00 'x' 00 0000");

    char what;
    redwi_fe_describe_portal(&b, "p");
    wrote(&b, "44 00000007 'P' 'p' 00");
    redwi_fe_describe_portal(&b, "");
    body = body_of(&b, 5, &len);
    ck_assert(redwi_fe_read_describe(body, len, &what, &s));
    ck_assert_int_eq(what, 'P');
    ck_assert(is(s, ""));
    ck_assert(redwi_fe_read_describe(at_the_edge("Sx", 3), 3, &what, &s));
    ck_assert_int_eq(what, 'S');
    ck_assert(!redwi_fe_read_describe(at_the_edge("Xx", 3), 3, &what, &s));

    uint32_t max_rows;
    redwi_fe_execute(&b, "p", 1000);
    wrote(&b, "45 0000000a 'p' 00 000003e8");
    redwi_fe_execute(&b, "", 0x80000001);
    body = body_of(&b, 5, &len);
    ck_assert(redwi_fe_read_execute(body, len, &s, &max_rows));
    ck_assert(is(s, ""));
    ck_assert_uint_eq(max_rows, 0x80000001);

    redwi_fe_sync(&b);
    redwi_fe_terminate(&b);
    wrote(&b, "53 00000004 58 00000004");
    redwi_buf_free(&b);
}
END_TEST

START_TEST(close_flush_copy_and_function_call)
{
    struct redwi_buf b = writer();
    size_t len;
    redw_slice s;
    char what;
    redwi_fe_describe_statement(&b, "s1");
    wrote(&b, "44 00000008 'S' 's1' 00");
    redwi_fe_close_portal(&b, "");
    wrote(&b, "43 00000006 'P' 00");
    redwi_fe_close_statement(&b, "s1");
    wrote(&b, "43 00000008 'S' 's1' 00");
    redwi_fe_close_statement(&b, "s1");
    const uint8_t *body = body_of(&b, 5, &len);
    ck_assert(redwi_fe_read_describe(body, len, &what, &s));
    ck_assert(what == 'S' && is(s, "s1"));

    redwi_fe_flush(&b);
    redwi_fe_copy_done(&b);
    redwi_fe_copy_data(&b, "1\t2\n", 4);
    redwi_fe_copy_data(&b, NULL, 0);
    wrote(&b, "48 00000004 63 00000004 64 00000008 3109320a 64 00000004");
    redwi_fe_copy_fail(&b, "no data");
    wrote(&b, "66 0000000c 'no data' 00");
    redwi_fe_copy_fail(&b, "no data");
    body = body_of(&b, 5, &len);
    ck_assert(redwi_fe_read_copy_fail(body, len, &s) && is(s, "no data"));

    static const redw_slice values[] = {{"a", 1}, {NULL, 0}};
    redwi_fe_function_call(&b, 0x17, 1, values, 2, 0);
    wrote(&b, "46 00000019 00000017 0001 0001 0002 00000001 'a' ffffffff 0000");
    redwi_fe_function_call(&b, 0x17, 1, values, 2, 0);
    body = body_of(&b, 5, &len);
    struct redwi_function_call f;
    ck_assert(redwi_fe_read_function_call(body, len, &f));
    ck_assert(f.oid == 0x17 && f.nformats == 1 && f.nvalues == 2 && f.result_format == 0);
    ck_assert(is(redwi_cursor_value(&f.values), "a"));
    ck_assert_ptr_null(redwi_cursor_value(&f.values).ptr);
    ck_assert(redwi_cursor_done(&f.values));
    redwi_buf_free(&b);
}
END_TEST

/* Four messages in one put: byte for byte what the writers of each put, and nothing at all where one of them fails. */
START_TEST(a_whole_request_without_a_name_is_what_its_messages_are)
{
    static char sql[5000];
    memset(sql, 'x', sizeof sql);
    for (size_t n = 0; n <= sizeof sql; n = n < 200 ? n + 1 : n + 97) {
        for (uint16_t format = 0; format < 2; format++) {
            struct redwi_buf each = writer(), whole = writer();
            redwi_fe_parse(&each, "", sql, n, NULL, 0);
            redwi_fe_bind_end(&each, redwi_fe_bind_begin(&each, "", "", NULL, 0), format);
            redwi_fe_describe_portal(&each, "");
            redwi_fe_execute(&each, "", 0);
            redwi_fe_unnamed(&whole, sql, n, format);
            ck_assert_uint_eq(redwi_buf_len(&whole), redwi_buf_len(&each));
            ck_assert_mem_eq(redwi_buf_front(&whole), redwi_buf_front(&each), redwi_buf_len(&each));
            redwi_buf_free(&each);
            redwi_buf_free(&whole);
        }
    }
    struct redwi_buf b = writer();
    redwi_fe_unnamed(&b, "select 1", 8, 1);
    wrote(&b, "50 00000010 00 'select' 20 '1' 00 0000"
              "42 0000000e 00 00 0000 0000 0001 0001 44 00000006 'P' 00 45 00000009 00 00000000");
    /* The longest there can be, were there room; longer; as long as a length word cannot say. */
    static const size_t lengths[] = {0x3fffffff - 8, 0x3fffffff - 7, UINT32_MAX - 8, SIZE_MAX - 8, SIZE_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        redwi_fe_sync(&b);
        redwi_fe_unnamed(&b, sql, lengths[i], 0);
        ck_assert_int_eq(b.failed, REDW_EFULL);
        redwi_fe_unnamed(&b, sql, 1, 0); /* sticky */
        ck_assert_uint_eq(redwi_buf_len(&b), 5);
        redwi_buf_cut(&b, 0);
    }
    b.failed = REDW_ENOMEM; /* the first failure stays */
    redwi_fe_unnamed(&b, sql, SIZE_MAX, 0);
    ck_assert_int_eq(b.failed, REDW_ENOMEM);
    redwi_buf_free(&b);
}
END_TEST

START_TEST(bind_carries_its_values_in_place)
{
    struct redwi_buf b = writer();
    static const uint8_t formats[] = {1, 0, 0};
    size_t at = redwi_fe_bind_begin(&b, "p", "s", formats, 3);
    size_t v = redwi_fe_bind_value(&b);
    redwi_buf_u32(&b, 7);
    redwi_fe_bind_value_end(&b, v);
    redwi_fe_bind_null(&b);
    v = redwi_fe_bind_value(&b);
    redwi_fe_bind_value_end(&b, v);
    redwi_fe_bind_end(&b, at, 1);
    static const char want[] = "42 00000026 'p' 00 's' 00 0003 0001 0000 0000 0003"
                               "00000004 00000007 ffffffff 00000000 0001 0001";
    struct redwi_buf copy = writer();
    redwi_buf_bytes(&copy, redwi_buf_front(&b), redwi_buf_len(&b));
    wrote(&b, want);

    size_t len;
    const uint8_t *body = body_of(&copy, 5, &len);
    struct redwi_bind_msg bind;
    ck_assert(redwi_fe_read_bind(body, len, &bind));
    ck_assert(is(bind.portal, "p"));
    ck_assert(is(bind.statement, "s"));
    ck_assert_uint_eq(bind.nformats, 3);
    ck_assert_uint_eq(redwi_load16(bind.formats), 1);
    ck_assert_uint_eq(redwi_load16(bind.formats + 2), 0);
    ck_assert_uint_eq(bind.nvalues, 3);
    ck_assert_uint_eq(redwi_cursor_u32(&bind.values), 4);
    ck_assert_uint_eq(redwi_cursor_u32(&bind.values), 7);
    ck_assert_uint_eq(redwi_cursor_u32(&bind.values), UINT32_MAX);
    ck_assert_uint_eq(redwi_cursor_u32(&bind.values), 0);
    ck_assert(redwi_cursor_done(&bind.values)); /* the values end where they end */
    ck_assert_uint_eq(bind.nresult_formats, 1);
    ck_assert_uint_eq(redwi_load16(bind.result_formats), 1);

    /* No parameters; behind bytes that are taken away in between; with growth in the middle of a value.
     */
    at = redwi_fe_bind_begin(&b, "", "", NULL, 0);
    redwi_fe_bind_end(&b, at, 0);
    wrote(&b, "42 0000000e 00 00 0000 0000 0001 0000");
    redwi_fe_sync(&b);
    redwi_fe_sync(&b);
    redwi_buf_take(&b, 5);
    at = redwi_fe_bind_begin(&b, "", "", formats, 1);
    v = redwi_fe_bind_value(&b);
    for (int i = 0; i < 9000; i++)
        redwi_buf_u8(&b, 'x');
    redwi_fe_bind_value_end(&b, v);
    redwi_fe_bind_end(&b, at, 0);
    redwi_buf_take(&b, 5);
    body = body_of(&b, 5, &len);
    ck_assert(redwi_fe_read_bind(body, len, &bind));
    ck_assert_uint_eq(redwi_cursor_u32(&bind.values), 9000);
    ck_assert_uint_eq(redwi_cursor_left(&bind.values), 9000);
    redwi_buf_free(&b);
    redwi_buf_free(&copy);
}
END_TEST

START_TEST(bind_with_impossible_counts_and_lengths_is_refused)
{
    static const struct {
        const char *hex;
        bool good;
    } rows[] = {
        {"00 00 0000 0001 ffffffff 0000", true}, /* NULL */
        {"00 00 0000 0001 00000001 41 0000", true},
        {"00 00 0000 0001 fffffffe 0000", false}, /* -2 */
        {"00 00 0000 0001 80000000 0000", false}, /* -2^31 */
        {"00 00 0000 0001 7fffffff 41 0000", false},
        {"00 00 0000 0001 00000003 41 0000", false}, /* reaches into what follows */
        {"00 00 0000 0001 00000004 41 0000", false},
        {"00 00 0000 ffff ffffffff 0000", false}, /* 65,535 values in four bytes */
        {"00 00 ffff 0000 0000", false},
        {"00 00 0001 0001 0002 ffffffff ffffffff 0000", true},                /* one format for all */
        {"00 00 0002 0001 0001 0003 ffffffff ffffffff ffffffff 0000", false}, /* two for three */
        {"00 00 0000 0000 0002 0000 0001", true},
        {"00 00 0000 0000 0003 0000 0001", false},
        {"00 00 0000 0000 0001 0000 00", false}, /* one byte too many */
    };
    uint8_t raw[128];
    struct redwi_bind_msg bind;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = unhex(raw, sizeof raw, rows[i].hex);
        bool good = redwi_fe_read_bind(at_the_edge(raw, n), n, &bind);
        ck_assert_msg(good == rows[i].good, "%s", rows[i].hex);
    }
    static const char *const lengths[] = {"'X' 00 fffffffe", "'X' 00 80000000", "'X' 00 00000001",
                                          "'X' 00 ffffffff 00"};
    size_t call_len = unhex(raw, sizeof raw, "00000017 0002 0000 0000 0001 ffffffff 0000"); /* two for one */
    struct redwi_function_call call;
    ck_assert(!redwi_fe_read_function_call(at_the_edge(raw, call_len), call_len, &call));
    ck_assert(!redwi_fe_read_cancel(at_the_edge("\x04\xd2\x16\x2f\0\0\0\1key!", 12), 12, &(uint32_t){0},
                                    &(const uint8_t *){NULL}, &(size_t){0}));
    redw_slice mechanism, data;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        size_t n = unhex(raw, sizeof raw, lengths[i]);
        ck_assert_msg(!redwi_fe_read_sasl_initial(at_the_edge(raw, n), n, &mechanism, &data), "%s",
                      lengths[i]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("codec_statements");
    TCase *t = tcase_create("codec_statements");
    suite_add_tcase(s, t);
    tcase_add_checked_fixture(t, raise_guard, NULL);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, query_parse_describe_execute_sync_terminate);
    tcase_add_test(t, close_flush_copy_and_function_call);
    tcase_add_test(t, a_whole_request_without_a_name_is_what_its_messages_are);
    tcase_add_test(t, bind_carries_its_values_in_place);
    tcase_add_test(t, bind_with_impossible_counts_and_lengths_is_refused);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
