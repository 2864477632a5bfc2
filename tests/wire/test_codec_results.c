/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C01: The codec of what the server says about statements, both sides: columns with and without the tails of
 * Redshift, rows, parameters, notifications, COPY, errors and tags.
 */
#include "wire/codec_stand.h"

START_TEST(row_description_and_data_row)
{
    struct redwi_buf b = writer();
    static const struct redwi_field fields[] = {
        {.name = {"proname", 7}, .table_oid = 0x4e7, .attribute = 1, .type_oid = 19, .type_size = 0x80,
         .typmod = -1},
        {.name = {"", 0}, .attribute = -3, .type_oid = 1700, .type_size = -1, .typmod = 0x26000a,
         .format = 1},
    };
    redwi_be_put_row_description(&b, fields, 2);
    wrote(&b, "54 00000033 0002 'proname' 00 000004e7 0001 00000013 0080 ffffffff 0000"
              "00 00000000 fffd 000006a4 ffff 0026000a 0001");
    redwi_be_put_row_description(&b, fields, 2);
    size_t len;
    const uint8_t *body = body_of(&b, 5, &len);
    struct redwi_columns columns;
    ck_assert(redwi_be_row_description(body, len, 0, &columns));
    ck_assert_uint_eq(columns.n, 2);
    for (size_t i = 0; i < columns.n; i++) {
        struct redwi_field f;
        redwi_be_field_next(&columns, &f);
        ck_assert(!f.schema.ptr && !f.table.ptr && !f.column.ptr && !f.catalog.ptr && !f.flags);
        ck_assert(f.name.len == fields[i].name.len &&
                  memcmp(f.name.ptr, fields[i].name.ptr, f.name.len) == 0);
        ck_assert_uint_eq(f.table_oid, fields[i].table_oid);
        ck_assert_int_eq(f.attribute, fields[i].attribute);
        ck_assert_uint_eq(f.type_oid, fields[i].type_oid);
        ck_assert_int_eq(f.type_size, fields[i].type_size);
        ck_assert_int_eq(f.typmod, fields[i].typmod);
        ck_assert_uint_eq(f.format, fields[i].format);
    }
    ck_assert(redwi_cursor_done(&columns.fields));
    redwi_be_put_row_description(&b, NULL, 0);
    wrote(&b, "54 00000006 0000");
    for (unsigned version = 0; version <= REDWI_ROW_VERSION_MAX; version++) {
        ck_assert(redwi_be_row_description(at_the_edge("\0", 2), 2, version, &columns));
        ck_assert_uint_eq(columns.n, 0);
    }

    static const redw_slice cells[] = {{"abc", 3}, {NULL, 0}, {"", 0}};
    redwi_be_put_data_row(&b, cells, 3);
    wrote(&b, "44 00000015 0003 00000003 'abc' ffffffff 00000000");
    redwi_be_put_data_row(&b, cells, 3);
    body = body_of(&b, 5, &len);
    struct redwi_cursor values;
    size_t n;
    ck_assert(redwi_be_data_row(body, len, &n, &values));
    ck_assert_uint_eq(n, 3);
    ck_assert(is(redwi_cursor_value(&values), "abc"));
    ck_assert_ptr_null(redwi_cursor_value(&values).ptr);
    ck_assert(is(redwi_cursor_value(&values), ""));
    ck_assert(redwi_cursor_done(&values));
    static const char *const bad[] = {"", "00", "0001", "0001 fffffffe", "0001 80000000", "0001 7fffffff",
                                      "0001 00000001", "0000 00", "ffff ffffffff", "0001 ffffffff 00"};
    uint8_t raw[16];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t size = unhex(raw, sizeof raw, bad[i]);
        ck_assert_msg(!redwi_be_data_row(at_the_edge(raw, size), size, &n, &values), "%s", bad[i]);
    }
    redwi_be_put_data_row(&b, NULL, 0);
    wrote(&b, "44 00000006 0000");
    redwi_buf_free(&b);
}
END_TEST

START_TEST(parameters_notifications_copy_and_function_results)
{
    struct redwi_buf b = writer();
    size_t len, n;
    static const uint32_t oids[32768] = {23, 25};
    const uint8_t *got;
    redwi_be_put_parameter_description(&b, oids, 2);
    wrote(&b, "74 0000000e 0002 00000017 00000019");
    redwi_be_put_parameter_description(&b, oids, 2);
    const uint8_t *body = body_of(&b, 5, &len);
    ck_assert(redwi_be_parameter_description(body, len, &got, &n));
    ck_assert(n == 2 && redwi_load32(got) == 23 && redwi_load32(got + 4) == 25);
    for (size_t count = 32767; count <= 32768; count++) { /* beyond the pages with a guard */
        redwi_be_put_parameter_description(&b, oids, count);
        ck_assert_int_eq(redwi_be_parameter_description(redwi_buf_front(&b) + 5, redwi_buf_len(&b) - 5, &got, &n),
                         count == 32767);
        redwi_buf_cut(&b, 0);
    }

    struct redwi_notification a;
    redwi_be_put_notification(&b, 30037, "c", "p");
    wrote(&b, "41 0000000c 00007555 'c' 00 'p' 00");
    redwi_be_put_notification(&b, 30037, "c", "");
    body = body_of(&b, 5, &len);
    ck_assert(redwi_be_notification(body, len, &a));
    ck_assert(a.pid == 30037 && is(a.channel, "c") && is(a.payload, ""));

    static const uint16_t formats[] = {1, 0};
    struct redwi_copy_response copy;
    redwi_be_put_copy_response(&b, 'G', 1, formats, 2);
    wrote(&b, "47 0000000b 01 0002 0001 0000");
    redwi_be_put_copy_response(&b, 'H', 1, formats, 2);
    body = body_of(&b, 5, &len);
    ck_assert(redwi_be_copy_response(body, len, &copy));
    ck_assert(copy.format == 1 && copy.ncolumns == 2 && redwi_load16(copy.formats) == 1);
    static const struct {
        const char *hex;
        bool good;
    } rows[] = {
        {"00 0000", true},           {"00 0001 0000", true},  {"00 0001 0001", false}, /* text, but binary */
        {"01 0002 0001 0002", false}, {"02 0000", false},      {"00 ffff", false},
        {"00 0001", false},           {"00 0000 00", false},   {"00 0681", false},
    };
    uint8_t raw[16];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t size = unhex(raw, sizeof raw, rows[i].hex);
        ck_assert_msg(redwi_be_copy_response(at_the_edge(raw, size), size, &copy) == rows[i].good, "%s",
                      rows[i].hex);
    }
    static const uint16_t many[1665];
    for (size_t count = 1664; count <= 1665; count++) {
        redwi_be_put_copy_response(&b, 'W', 0, many, count);
        body = body_of(&b, 5, &len);
        ck_assert_int_eq(redwi_be_copy_response(body, len, &copy), count == 1664);
    }
    redwi_be_put_copy_data(&b, "a\n", 2);
    redwi_be_put_simple(&b, 'c');
    wrote(&b, "64 00000006 610a 63 00000004");

    redw_slice value;
    redwi_be_put_function_result(&b, (redw_slice){"abc", 3});
    wrote(&b, "56 0000000b 00000003 'abc'");
    ck_assert(redwi_be_function_result(at_the_edge("\0\0\0\2ab", 6), 6, &value) && is(value, "ab"));
    ck_assert(redwi_be_function_result(at_the_edge("\xff\xff\xff\xff", 4), 4, &value) && !value.ptr);
    ck_assert(!redwi_be_function_result(at_the_edge("\xff\xff\xff\xfe", 4), 4, &value));

    const uint8_t *salt;
    ck_assert(redwi_be_md5_salt(at_the_edge("\1\2\3\4", 4), 4, &salt));
    ck_assert_mem_eq(salt, "\1\2\3\4", 4);
    ck_assert(redwi_be_no_more(NULL, 0) && !redwi_be_no_more(at_the_edge("", 1), 1));
    redwi_buf_free(&b);
}
END_TEST

static const char proname_tail[] = "54 00000041 0001 'proname' 00 000004e7 0001 00000013 0080 ffffffff 0000"
                                   "'pg_catalog' 00 'pg_proc' 00 'proname' 00 'dev' 00 1001";

START_TEST(row_description_with_the_tails_of_redshift)
{
    struct redwi_buf b = writer();
    struct redwi_field fields[] = {
        {.name = {"proname", 7}, .table_oid = 0x4e7, .attribute = 1, .type_oid = 19, .type_size = 0x80,
         .typmod = -1, .schema = {"pg_catalog", 10}, .table = {"pg_proc", 7}, .column = {"proname", 7},
         .catalog = {"dev", 3}, .flags = REDWI_FIELD_NOT_NULL | REDWI_FIELD_SEARCHABLE},
        {.name = {"?column?", 8}, .type_oid = 23, .type_size = 4, .typmod = -1, .schema = {"", 0},
         .table = {"", 0}, .column = {"", 0}, .catalog = {"", 0}},
    };
    redwi_be_put_row_description(&b, fields, 1);
    wrote(&b, proname_tail);
    wrote((redwi_be_put_row_description(&b, fields, 1), &b), /* the same, as published */
          "5400000041000170726f6e616d6500000004e70001000000130080ffffffff000070675f636174616c6f670070675f70"
          "726f630070726f6e616d6500646576001001");

    struct redwi_columns columns;
    struct redwi_field f;
    for (unsigned version = 0; version <= REDWI_ROW_VERSION_MAX; version++) {
        size_t len;
        redwi_be_put_row_description(&b, fields, 2);
        const uint8_t *body = body_of(&b, 5, &len);
        ck_assert_int_eq(redwi_be_row_description(body, len, version, &columns), version > 0);
        if (!version)
            continue;
        ck_assert(columns.n == 2 && columns.version == version);
        redwi_be_field_next(&columns, &f);
        ck_assert(is(f.name, "proname") && f.type_oid == 19 && f.typmod == -1);
        ck_assert(is(f.schema, "pg_catalog") && is(f.table, "pg_proc"));
        ck_assert(is(f.column, "proname") && is(f.catalog, "dev"));
        ck_assert_uint_eq(f.flags, 0x1001);
        redwi_be_field_next(&columns, &f);
        ck_assert(is(f.name, "?column?") && is(f.schema, "") && is(f.table, "") && is(f.column, "") &&
                  is(f.catalog, "") && !f.flags);
        ck_assert(redwi_cursor_done(&columns.fields));
    }
    redwi_buf_free(&b);
}
END_TEST

START_TEST(tails_are_there_for_every_field_or_for_none)
{
    struct redwi_buf b = writer();
    size_t len;
    struct redwi_columns columns;
    struct redwi_field f;
    for (unsigned mask = 0; mask < 8; mask++) {
        struct redwi_field fields[3] = {{.name = {"a", 1}}, {.name = {"b", 1}}, {.name = {"c", 1}}};
        for (unsigned i = 0; i < 3; i++)
            fields[i].schema.ptr = fields[i].table.ptr = fields[i].column.ptr = fields[i].catalog.ptr =
                mask >> i & 1 ? "" : NULL;
        redwi_be_put_row_description(&b, fields, 3);
        const uint8_t *body = body_of(&b, 5, &len);
        bool whole = mask == 0 || mask == 7;
        ck_assert_int_eq(redwi_be_row_description(body, len, 1, &columns), whole);
        ck_assert_int_eq(redwi_be_row_description(body, len, 0, &columns), mask == 0);
    }
    /* A proxy dropped them: the message says so, and is read as it is. */
    redwi_be_put_row_description(&b, (const struct redwi_field[]){{.name = {"a", 1}, .type_oid = 23}}, 1);
    const uint8_t *body = body_of(&b, 5, &len);
    ck_assert(redwi_be_row_description(body, len, 3, &columns));
    ck_assert_uint_eq(columns.version, 0);
    redwi_be_field_next(&columns, &f);
    ck_assert(is(f.name, "a") && f.type_oid == 23 && !f.schema.ptr && !f.catalog.ptr);
    ck_assert(redwi_cursor_done(&columns.fields));
    redwi_buf_free(&b);
}
END_TEST

START_TEST(a_row_description_of_too_many_columns_or_odd_formats_is_refused)
{
    struct redwi_buf b = writer();
    static struct redwi_field fields[1665];
    for (size_t i = 0; i < 1665; i++)
        fields[i].name = (redw_slice){"c", 1};
    size_t len;
    struct redwi_columns columns;
    redwi_be_put_row_description(&b, fields, 1664);
    const uint8_t *body = body_of(&b, 5, &len);
    ck_assert(redwi_be_row_description(body, len, 0, &columns));
    ck_assert_uint_eq(columns.n, 1664);
    redwi_be_put_row_description(&b, fields, 1665);
    body = body_of(&b, 5, &len);
    ck_assert(!redwi_be_row_description(body, len, 0, &columns));
    for (unsigned format = 0; format < 4; format++) {
        fields[1].format = (uint16_t)format;
        redwi_be_put_row_description(&b, fields, 3);
        body = body_of(&b, 5, &len);
        ck_assert_int_eq(redwi_be_row_description(body, len, 0, &columns), format < 2);
        ck_assert_int_eq(redwi_be_row_description(body, len, 2, &columns), format < 2);
    }
    static const char *const bad[] = {"ffff", "0680", "8000", "0001", "", "00", "0000 00"};
    uint8_t raw[8];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t size = unhex(raw, sizeof raw, bad[i]);
        for (unsigned version = 0; version <= REDWI_ROW_VERSION_MAX; version++)
            ck_assert_msg(!redwi_be_row_description(at_the_edge(raw, size), size, version, &columns), "%s",
                          bad[i]);
    }
    redwi_buf_free(&b);
}
END_TEST

START_TEST(error_and_notice_fields)
{
    struct redwi_buf b = writer();
    static const struct redwi_error_field fields[] = {
        {'S', "ERROR"}, {'C', "42601"}, {'M', ""}, {0, NULL}};
    redwi_be_put_error(&b, 'E', fields);
    wrote(&b, "45 00000015 'SERROR' 00 'C42601' 00 'M' 00 00");
    redwi_be_put_error(&b, 'N', &fields[3]);
    wrote(&b, "4e 00000005 00");
    redwi_be_put_error(&b, 'E', fields);
    size_t len;
    const uint8_t *body = body_of(&b, 5, &len);
    ck_assert(redwi_be_fields_ok(body, len));
    ck_assert(is(redwi_be_field(body, len, 'S'), "ERROR"));
    ck_assert(is(redwi_be_field(body, len, 'C'), "42601"));
    ck_assert(is(redwi_be_field(body, len, 'M'), ""));
    ck_assert_ptr_null(redwi_be_field(body, len, 'E').ptr); /* a text is no letter */
    ck_assert_ptr_null(redwi_be_field(body, len, '\0').ptr);
    ck_assert_ptr_null(redwi_be_field(at_the_edge("Mx", 2), 2, 'M').ptr); /* unchecked, and not ended */

    static const char *const bad[] = {
        "", "'M'", "'Mx'", "'Mx' 00", "00 00", "'Mx' 00 00 00", "'Mx' 00 00 'Hy' 00"};
    uint8_t raw[32];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t n = unhex(raw, sizeof raw, bad[i]);
        ck_assert_msg(!redwi_be_fields_ok(at_the_edge(raw, n), n), "%s", bad[i]);
    }
    redwi_buf_free(&b);
}
END_TEST

START_TEST(a_tag_counts_only_with_a_trailing_number)
{
    static const struct {
        const char *tag;
        int64_t count;
    } rows[] = {
        {"SELECT 5", 5},
        {"INSERT 0 12", 12},
        {"UPDATE 0", 0},
        {"DELETE 007", 7},
        {"COPY 9223372036854775807", INT64_MAX},
        {"COPY 9223372036854775808", -1},
        {"COPY 99999999999999999999999999", -1},
        {"SELECT", -1},
        {"COPY", -1},
        {"UNLOAD", -1},
        {"CREATE TABLE", -1},
        {"FETCH", -1},
        {"FETCH 3", 3},
        {"SELECT ", -1},
        {"SELECT -5", -1},
        {"SELECT +5", -1},
        {"SELECT 5 ", -1},
        {"SELECT 5x", -1},
        {"SELECT x5", -1},
        {"SELECT5", -1},
        {"5", -1},
        {"", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = strlen(rows[i].tag);
        const char *tag = (const char *)at_the_edge(rows[i].tag, n);
        ck_assert_msg(redwi_be_tag_count(tag, n) == rows[i].count, "%s", rows[i].tag);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("codec_results");
    TCase *t = tcase_create("codec_results");
    suite_add_tcase(s, t);
    tcase_add_checked_fixture(t, raise_guard, NULL);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, row_description_and_data_row);
    tcase_add_test(t, parameters_notifications_copy_and_function_results);
    tcase_add_test(t, row_description_with_the_tails_of_redshift);
    tcase_add_test(t, tails_are_there_for_every_field_or_for_none);
    tcase_add_test(t, a_row_description_of_too_many_columns_or_odd_formats_is_refused);
    tcase_add_test(t, error_and_notice_fields);
    tcase_add_test(t, a_tag_counts_only_with_a_trailing_number);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
