/* SPDX-License-Identifier: Apache-2.0 */
/* C12: Rows into structs: what is written, what is refused, and in which words. */
#include "data/row.h"
#include "data/types.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

struct all {
    bool b;
    int32_t i32;
    int64_t i64;
    double d;
    redw_decimal n;
    redw_date date;
    redw_time time;
    redw_timetz timetz;
    redw_timestamp ts;
    redw_timestamptz tstz;
    redw_interval iv;
    redw_slice s;
    char text[4];
    bool null[13];
};
#define ALL(m, at) REDW_FIELD_OR_NULL(struct all, m, null[at])
static const struct redw_field all_map[] = {
    ALL(b, 0),      ALL(i32, 1), ALL(i64, 2),  ALL(d, 3),   ALL(n, 4),  ALL(date, 5),  ALL(time, 6),
    ALL(timetz, 7), ALL(ts, 8),  ALL(tstz, 9), ALL(iv, 10), ALL(s, 11), ALL(text, 12),
};
static const uint32_t all_oids[] = {16, 23, 20, 701, 1700, 1082, 1083, 1266, 1114, 1184, 1186, 25, 1043};
static const char *const all_values[] = {"t",
                                         "-1",
                                         "2",
                                         "0.5",
                                         "12.30",
                                         "1970-01-02",
                                         "00:00:01",
                                         "00:00:01+01",
                                         "1970-01-01 00:00:01",
                                         "1970-01-01 00:00:01+00",
                                         "1 mon 00:00:01",
                                         "abc",
                                         "xyz"};
enum { NALL = 13 };

/* Rows of text, as a kept result has them. */
struct table {
    struct redw_column columns[NALL];
    redw_slice cells[2][NALL];
    redw_slice *index[2];
    char texts[NALL][REDWI_LEAD + 64];
    struct redwi_rowset set;
};

static redw_rows rows_of(struct table *t, const struct redw_field *map, const uint32_t *oids,
                         const char *const *values, size_t n)
{
    *t = (struct table){.set = {.columns = t->columns, .ncolumns = n, .first = t->cells[0]}};
    for (size_t i = 0; i < n; i++) {
        t->columns[i].name = map[i].column;
        redwi_column_describe(&t->columns[i], oids[i], -1, REDWI_POSTGRES);
        snprintf(t->texts[i] + REDWI_LEAD, sizeof t->texts[i] - REDWI_LEAD, "%s", values[i] ? values[i] : "");
        for (size_t k = 0; k < 2; k++)
            t->cells[k][i] = (redw_slice){values[i] ? t->texts[i] + REDWI_LEAD : NULL,
                                          values[i] ? strlen(values[i]) : 0};
    }
    t->index[0] = t->cells[0];
    t->index[1] = t->cells[1];
    return redwi_rows_kept(&t->set, t->index, 2);
}

START_TEST(each_kind_of_member_gets_its_value)
{
    struct table t;
    struct redw_diag why = {.text = "untouched"};
    redw_row row;
    size_t met = 0;
    for (redw_rows it = rows_of(&t, all_map, all_oids, all_values, NALL); redw_rows_next(&it, &row);
         met++) {
        struct all v;
        memset(&v, 0x55, sizeof v);
        ck_assert_msg(redw_row_into(&row, all_map, NALL, &v, &why) == REDW_OK, "%s", why.text);
        ck_assert(v.b && v.i32 == -1 && v.i64 == 2 && v.d == 0.5);
        ck_assert(v.n.lo == 1230 && v.n.scale == 2);
        ck_assert(v.date.days == 1 && v.time.us == 1000000 && v.timetz.us == 1000000 &&
                  v.timetz.offset_s == 3600);
        ck_assert(v.ts.us == 1000000 && v.tstz.us == 1000000);
        ck_assert(v.iv.months == 1 && v.iv.days == 0 && v.iv.us == 1000000);
        ck_assert(v.s.len == 3 && memcmp(v.s.ptr, "abc", 3) == 0);
        ck_assert_str_eq(v.text, "xyz");
        for (size_t i = 0; i < NALL; i++)
            ck_assert(!v.null[i]);
    }
    ck_assert_uint_eq(met, 2);
    ck_assert_str_eq(why.text, "untouched");
}
END_TEST

START_TEST(null_sets_its_flag_and_zeroes_the_member)
{
    static const char *const nulls[NALL] = {0};
    struct table t;
    struct all v, zero;
    redw_row row;
    redw_rows it = rows_of(&t, all_map, all_oids, nulls, NALL);
    ck_assert(redw_rows_next(&it, &row));
    memset(&v, 0x55, sizeof v);
    ck_assert_int_eq(redw_row_into(&row, all_map, NALL, &v, NULL), REDW_OK);
    memset(&zero, 0, sizeof zero);
    ck_assert(!v.b && v.i32 == 0 && v.i64 == 0 && v.d == 0 && v.date.days == 0 && v.time.us == 0);
    ck_assert(v.timetz.us == 0 && v.timetz.offset_s == 0 && v.ts.us == 0 && v.tstz.us == 0);
    ck_assert(memcmp(&v.n, &zero.n, sizeof v.n) == 0 && memcmp(&v.iv, &zero.iv, sizeof v.iv) == 0);
    ck_assert(!v.s.ptr && v.s.len == 0 && v.text[0] == 0);
    for (size_t i = 0; i < NALL; i++)
        ck_assert(v.null[i]);
}
END_TEST

struct one {
    int64_t revenue;
    int32_t small;
    char name[4];
    redw_date day;
    bool null;
};
static const struct redw_field revenue = REDW_FIELD(struct one, revenue),
                               small = REDW_FIELD(struct one, small),
                               name = REDW_FIELD(struct one, name), day = REDW_FIELD(struct one, day),
                               nullable = REDW_FIELD_OR_NULL(struct one, revenue, null);

START_TEST(what_does_not_go_together_is_told_in_words)
{
    static const struct {
        const struct redw_field *field;
        const char *column;
        uint32_t oid;
        int32_t typmod;
        const char *value;
        int rc;
        const char *why;
    } rows[] = {
        {&revenue, "revenue", 1700, ((38 << 16) | 4) + 4, "12.0000", REDW_ETYPE,
         "column revenue: numeric(38,4), wanted int64"},
        {&revenue, "revenue", 1700, ((38 << 16) | 0) + 4, "12", REDW_OK, NULL},
        {&revenue, "revenue", 1700, -1, "12", REDW_OK, NULL},
        {&revenue, "revenue", 1700, -1, "12.5", REDW_ERANGE,
         "column revenue: out of range, wanted int64"},
        {&revenue, "revenue", 25, -1, "12", REDW_ETYPE, "column revenue: varchar, wanted int64"},
        {&revenue, "revenue", 869, -1, NULL, REDW_ETYPE, "column revenue: inet, wanted int64"},
        {&revenue, "revenue", 20, -1, NULL, REDW_ETYPE, "column revenue: NULL, wanted int64"},
        {&revenue, "revenue", 20, -1, "x", REDW_EPROTOCOL, "column revenue: not a value of type bigint"},
        {&revenue, "amount", 20, -1, "12", REDW_ECOLUMN, "column 1 is amount, wanted revenue"},
        {&revenue, "Revenue", 20, -1, "12", REDW_ECOLUMN, "column 1 is Revenue, wanted revenue"},
        {&small, "small", 20, -1, "2147483648", REDW_ERANGE, "column small: out of range, wanted int32"},
        {&name, "name", 1043, 36, "abc", REDW_OK, NULL},
        {&name, "name", 1043, 36, "abcd", REDW_EFULL, "column name: 4 bytes, room for 3"},
        {&name, "name", 23, -1, "1", REDW_OK, NULL},
        {&name, "name", 1700, ((3 << 16) | 1) + 4, "1.5", REDW_OK, NULL},
        {&day, "day", 1114, -1, "2024-02-29 00:00:00", REDW_ETYPE, "column day: timestamp, wanted date"},
        {&nullable, "revenue", 25, -1, NULL, REDW_ETYPE, "column revenue: varchar, wanted int64"},
        {&nullable, "revenue", 20, -1, NULL, REDW_OK, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct table t;
        struct redw_diag why = {0};
        struct one v;
        redw_row row;
        redw_rows it = rows_of(&t, rows[i].field, &rows[i].oid, &rows[i].value, 1);
        t.columns[0].name = rows[i].column;
        redwi_column_describe(&t.columns[0], rows[i].oid, rows[i].typmod, REDWI_POSTGRES);
        ck_assert(redw_rows_next(&it, &row));
        int rc = redw_row_into(&row, rows[i].field, 1, &v, &why);
        ck_assert_msg(rc == rows[i].rc, "%zu: %d", i, rc);
        ck_assert_str_eq(why.text, rows[i].why ? rows[i].why : "");
        ck_assert_int_eq(why.code, rc);
        ck_assert_int_eq(redw_row_into(&row, rows[i].field, 1, &v, NULL), rc);
    }
}
END_TEST

START_TEST(a_map_that_is_wrong_itself_is_refused)
{
    struct pointer {
        char *text;
    };
    static const struct redw_field bad[] = {
        REDW_FIELD(struct pointer, text),
        {"x", (enum redw_as)99, 0, 8, REDW_NOT_NULL},
        {"x", REDW_AS_INT64, 0, 4, REDW_NOT_NULL},
        {"x", REDW_AS_CHARS, 0, 0, REDW_NOT_NULL},
    };
    static const char *const words[] = {
        "field text: no such kind of member (text needs a char array)",
        "field x: no such kind of member (text needs a char array)",
        "field x: a member of 4 bytes is no int64",
        "field x: a member of 0 bytes is no text",
    };
    static const uint32_t oid = 25;
    static const char *const value = "1";
    for (size_t i = 0; i < 4; i++) {
        struct table t;
        struct redw_diag why;
        int64_t v[4];
        redw_row row;
        redw_rows it = rows_of(&t, &bad[i], &oid, &value, 1);
        ck_assert(redw_rows_next(&it, &row));
        ck_assert_int_eq(redw_row_into(&row, &bad[i], 1, v, &why), REDW_EINVAL);
        ck_assert_str_eq(why.text, words[i]);
        if (i < 2) { /* found again on a later row */
            ck_assert(redw_rows_next(&it, &row));
            ck_assert_int_eq(redw_row_into(&row, &bad[i], 1, v, &why), REDW_EINVAL);
        }
    }
}
END_TEST

START_TEST(the_first_row_counts_columns_and_later_ones_do_not_go_beyond_theirs)
{
    struct table t;
    struct redw_diag why;
    struct all v;
    redw_row row;
    redw_rows it = rows_of(&t, all_map, all_oids, all_values, NALL - 1);
    ck_assert(redw_rows_next(&it, &row));
    ck_assert_int_eq(redw_row_into(&row, all_map, NALL, &v, &why), REDW_ECOLUMN);
    ck_assert_str_eq(why.text, "the result has 12 columns, the map 13 fields");
    ck_assert_int_eq(redw_row_into(&row, all_map, NALL - 2, &v, &why), REDW_ECOLUMN);
    ck_assert(redw_rows_next(&it, &row));
    ck_assert_int_eq(redw_row_into(&row, all_map, NALL, &v, &why), REDW_ECOLUMN);
    ck_assert_str_eq(why.text, "column text: the row has 12");
}
END_TEST

START_TEST(an_element_of_an_array_is_a_row_that_is_not_the_first_of_a_result)
{
    struct redw_column column = {.name = "numbers"};
    redw_slice cell = {"{5,6}", 5};
    redw_row row = {.cells = &cell, .ncells = 1, .priv_ = {&column}}, element;
    redw_array it;
    struct one v;
    int64_t sum = 0;
    redwi_column_describe(&column, 1016, -1, REDWI_POSTGRES);
    ck_assert_int_eq(redw_row_array(&row, 0, &it, NULL, 0), REDW_OK);
    while (redw_array_next(&it, &element)) {
        ck_assert_int_eq(redw_row_into(&element, &revenue, 1, &v, NULL), REDW_OK);
        sum = sum * 10 + v.revenue;
    }
    ck_assert_int_eq(sum, 56);
}
END_TEST

/* One DataRow with one cell. */
static const uint8_t message[] = {'D', 0, 0, 0, 11, 0, 1, 0, 0, 0, 1, '7'};

START_TEST(a_streams_first_row_is_the_first_one_handed_out)
{
    uint8_t bytes[2 * sizeof message];
    redw_slice cell;
    struct redw_column column = {.name = "amount"};
    struct redwi_rowset set = {.columns = &column, .ncolumns = 1, .cells = &cell};
    struct redw_diag why;
    struct one v;
    redw_row row;
    memcpy(bytes, message, sizeof message);
    memcpy(bytes + sizeof message, message, sizeof message);
    redwi_column_describe(&column, 20, -1, REDWI_POSTGRES);
    redw_rows it = redwi_rows_streamed(&set, bytes, bytes + sizeof bytes);
    ck_assert(redw_rows_next(&it, &row));
    ck_assert_int_eq(redw_row_into(&row, &revenue, 1, &v, &why), REDW_ECOLUMN);
    ck_assert(redw_rows_next(&it, &row));
    ck_assert_int_eq(redw_row_into(&row, &revenue, 1, &v, &why), REDW_OK);
    ck_assert_int_eq(v.revenue, 7);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("into");
    TCase *t = tcase_create("into");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, each_kind_of_member_gets_its_value);
    tcase_add_test(t, null_sets_its_flag_and_zeroes_the_member);
    tcase_add_test(t, what_does_not_go_together_is_told_in_words);
    tcase_add_test(t, a_map_that_is_wrong_itself_is_refused);
    tcase_add_test(t, the_first_row_counts_columns_and_later_ones_do_not_go_beyond_theirs);
    tcase_add_test(t, an_element_of_an_array_is_a_row_that_is_not_the_first_of_a_result);
    tcase_add_test(t, a_streams_first_row_is_the_first_one_handed_out);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
