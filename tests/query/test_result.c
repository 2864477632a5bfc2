/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C10: Results: what goes in comes out, in few allocations, within the bound, and counted.
 */
#include "query/result.h"
#include "support/heap.h"
#include "wire/be_read.h"
#include "wire/be_write.h"
#include "wire/mem.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct redwi_buf wire;
static redw_result *res;

static void setup(void)
{
    memset(&heap, 0, sizeof heap);
    redwi_buf_init(&wire, &redwi_malloc, (size_t)1 << 30);
    res = redwi_result_create(&heap_table);
    ck_assert_ptr_nonnull(res);
}

static void teardown(void)
{
    redw_result_release(res);
    redwi_buf_free(&wire);
    ck_assert_uint_eq(heap.out, 0);
}

/* The body of a message that a put function wrote as the only one in `wire`. */
#define BODY     (redwi_buf_front(&wire) + 5)
#define BODY_LEN (redwi_buf_len(&wire) - 5)

static int describe(const struct redwi_columns *columns, enum redwi_server server, bool streamed)
{
    struct redwi_heading *d = redwi_heading_make(&heap_table, columns, server);

    return streamed ? redwi_result_describe_stream(res, d) : redwi_result_describe(res, d);
}

static int columns(size_t n, bool streamed)
{
    static char names[1664][16];
    static struct redwi_field fields[1664];

    for (size_t i = 0; i < n; i++) {
        int len = snprintf(names[i], sizeof names[i], "c%zu", i);
        fields[i] = (struct redwi_field){.name = {names[i], (size_t)len},
                                         .type_oid = i % 2 ? 25 : 23,
                                         .typmod = -1,
                                         .format = i % 3 == 0};
    }
    redwi_buf_take(&wire, redwi_buf_len(&wire));
    redwi_be_put_row_description(&wire, fields, n);
    struct redwi_columns columns;
    ck_assert(redwi_be_row_description(BODY, BODY_LEN, 0, &columns));
    return describe(&columns, REDWI_POSTGRES, streamed);
}

/* All that is in the wire, of which what was taken is taken out. */
static int add_what_came(uint64_t max_rows, uint64_t max_bytes)
{
    const uint8_t *from = redwi_buf_front(&wire), *p = from;
    int rc = redwi_result_add_rows(res, &p, from + redwi_buf_len(&wire), max_rows, max_bytes);
    redwi_buf_take(&wire, (size_t)(p - from));
    return rc;
}

static int add(const redw_slice *cells, size_t n, uint64_t max_bytes)
{
    redwi_buf_take(&wire, redwi_buf_len(&wire));
    redwi_be_put_data_row(&wire, cells, n);
    return add_what_came(UINT64_MAX, max_bytes);
}

START_TEST(a_new_result_is_empty)
{
    redw_row row;
    redw_rows rows = redw_result_rows(res);

    ck_assert_ptr_null(redw_result_error(res));
    ck_assert_uint_eq(redw_result_row_count(res), 0);
    ck_assert_int_eq(redw_result_affected(res), -1);
    ck_assert_str_eq(redw_result_tag(res), "");
    ck_assert_uint_eq(redw_result_column_count(res), 0);
    ck_assert_ptr_null(redw_result_column(res, 0));
    ck_assert_ptr_null(redw_result_notice(res, 0));
    ck_assert_int_eq(redw_result_find(res, "c0"), REDW_ECOLUMN);
    ck_assert(!redw_rows_next(&rows, &row));
    ck_assert(!redw_result_first(res, &row));
    redw_result_release(NULL);
}
END_TEST

START_TEST(columns_are_named_typed_and_found)
{
    ck_assert_int_eq(columns(3, false), 0);
    ck_assert_uint_eq(redw_result_column_count(res), 3);
    ck_assert_str_eq(redw_result_column(res, 0)->name, "c0");
    ck_assert_int_eq(redw_result_column(res, 0)->type, REDW_INTEGER);
    ck_assert_uint_eq(redw_result_column(res, 0)->oid, 23);
    ck_assert_int_eq(redw_result_column(res, 0)->typmod, -1);
    ck_assert(redw_result_column(res, 0)->binary);
    ck_assert(!redw_result_column(res, 1)->binary);
    ck_assert_int_eq(redw_result_column(res, 1)->type, REDW_VARCHAR);
    ck_assert_int_eq(redw_result_find(res, "c2"), 2);
    ck_assert_int_eq(redw_result_find(res, "C2"), REDW_ECOLUMN);
    ck_assert_ptr_null(redw_result_column(res, 3));
}
END_TEST

START_TEST(columns_say_where_they_come_from_if_the_server_does)
{
    const struct redwi_field fields[] = {
        {.name = {"n", 1}, .type_oid = 1700, .typmod = 0x00120006, .format = 1, .schema = {"public", 6},
         .table = {"sales", 5}, .column = {"amount", 6}, .catalog = {"dev", 3}, .flags = REDWI_FIELD_NOT_NULL},
        {.name = {"", 0}, .type_oid = 6551, .typmod = 64004, .schema = {"", 0}, .table = {"", 0},
         .column = {"", 0}, .catalog = {"", 0}},
    };
    struct redwi_columns described;
    redwi_be_put_row_description(&wire, fields, 2);
    ck_assert(redwi_be_row_description(BODY, BODY_LEN, 2, &described));
    ck_assert_int_eq(describe(&described, REDWI_REDSHIFT_BINARY, false), 0);
    const struct redw_column *n = redw_result_column(res, 0), *b = redw_result_column(res, 1);
    ck_assert_str_eq(n->name, "n");
    ck_assert_str_eq(n->schema, "public");
    ck_assert_str_eq(n->table, "sales");
    ck_assert_str_eq(n->base_name, "amount");
    ck_assert_str_eq(n->catalog, "dev");
    ck_assert(n->nullable == 0 && n->precision == 18 && n->scale == 2 && n->binary);
    ck_assert_int_eq(redwi_column_server(n), REDWI_REDSHIFT_BINARY);
    ck_assert_str_eq(b->name, "");
    ck_assert_str_eq(b->schema, "");
    ck_assert_str_eq(b->base_name, "");
    ck_assert(b->nullable == 1 && b->precision == 64000 && b->type == REDW_VARBYTE && !b->binary);
    ck_assert_int_eq(columns(1, false), 0);
    ck_assert_int_eq(redw_result_column(res, 0)->nullable, -1);
    ck_assert_str_eq(redw_result_column(res, 0)->catalog, "");
}
END_TEST

START_TEST(as_many_columns_as_there_can_be_and_none)
{
    ck_assert_int_eq(columns(1664, true), 0);
    for (int i = 0; i < 1664; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%d", i);
        ck_assert_int_eq(redw_result_find(res, name), i);
    }
    ck_assert_ptr_nonnull(res->set.cells);
    redw_result_release(res);
    res = redwi_result_create(&heap_table);
    ck_assert_int_eq(columns(0, false), 0);
    ck_assert_int_eq(add(NULL, 0, UINT64_MAX), 0); /* "select" without columns has rows */
    ck_assert_uint_eq(redw_result_row_count(res), 1);
    redw_row row;
    ck_assert(redw_result_first(res, &row));
    ck_assert_uint_eq(row.ncells, 0);
}
END_TEST

static char text[70000];

/* Rows whose sizes run over every chunk boundary: the value of cell c of row r is a function of both. */
static size_t cell_of(uint64_t r, size_t c, redw_slice *out)
{
    size_t len = (size_t)(r * 7 + c * 13) % 97;

    if ((r + c) % 11 == 0)
        *out = (redw_slice){NULL, 0};
    else
        *out = (redw_slice){text + (r + c) % 1000, r % 500 == 499 ? 60000 + len : len};
    return len;
}

START_TEST(rows_come_out_as_they_went_in_with_a_nul_behind_each_value)
{
    enum { ROWS = 5000, COLS = 4 };
    redw_slice in[COLS];
    redw_row row;
    bool same = true;

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(1 + i * 31 % 255);
    ck_assert_int_eq(columns(COLS, false), 0);
    for (uint64_t r = 0; r < ROWS; r++) {
        for (size_t c = 0; c < COLS; c++)
            cell_of(r, c, &in[c]);
        same = same && add(in, COLS, UINT64_MAX) == 0;
    }
    ck_assert(same);
    ck_assert_uint_eq(redw_result_row_count(res), ROWS);
    redw_rows rows = redw_result_rows(res), second;
    uint64_t n = 0;
    for (; redw_rows_next(&rows, &row); n++) {
        same = same && row.ncells == COLS;
        for (size_t c = 0; c < COLS; c++) {
            cell_of(n, c, &in[c]);
            same = same && row.cells[c].len == in[c].len && !row.cells[c].ptr == !in[c].ptr;
            if (in[c].ptr)
                same = same && memcmp(row.cells[c].ptr, in[c].ptr, in[c].len) == 0 &&
                       row.cells[c].ptr[in[c].len] == '\0';
        }
        if (n == 100)
            second = rows; /* copies of a cursor are independent */
    }
    ck_assert(same);
    ck_assert_uint_eq(n, ROWS);
    for (n = 101; redw_rows_next(&second, &row); n++)
        ;
    ck_assert_uint_eq(n, ROWS);
    ck_assert_uint_lt(heap.calls, 400); /* the 60,000-byte rows fill chunks of 256 KiB */
}
END_TEST

START_TEST(a_small_result_is_one_allocation_beside_its_heading)
{
    redw_slice cell[3] = {{"1", 1}, {"alpha", 5}, {NULL, 0}};

    ck_assert_int_eq(columns(3, false), 0);
    ck_assert_int_eq(add(cell, 3, REDWI_RESULT_BYTES_MAX), 0);
    redwi_result_tag(res, "SELECT 1", 8);
    ck_assert_uint_eq(heap.calls, 2);
    ck_assert_uint_le(heap.bytes, 1024 + 512);
}
END_TEST

START_TEST(allocations_grow_with_the_logarithm_of_rows)
{
    redw_slice cell = {"0123456789", 10};

    ck_assert_int_eq(columns(1, false), 0);
    for (int i = 0; i < 100000; i++)
        add(&cell, 1, UINT64_MAX);
    ck_assert_uint_eq(redw_result_row_count(res), 100000);
    ck_assert_uint_lt(heap.calls, 60);
}
END_TEST

START_TEST(the_bound_holds_to_the_byte_and_rows_before_it_stay)
{
    redw_slice cell = {"0123456789", 10};
    int rc = 0;

    ck_assert_int_eq(columns(1, false), 0);
    for (uint64_t max = 1000; max < 60000; max += 777) {
        redw_result_release(res);
        heap.bytes = 0;
        res = redwi_result_create(&heap_table);
        ck_assert_int_eq(columns(1, false), 0);
        uint64_t rows = 0;
        while ((rc = add(&cell, 1, max)) == 0)
            rows++;
        ck_assert_int_eq(rc, REDW_EFULL);
        ck_assert_uint_eq(redw_result_row_count(res), rows);
        ck_assert_uint_le(res->bytes, max < 1024 ? 1024 : max);
        if (max < 1024)
            ck_assert_uint_eq(rows, 0);
        if (max > 5000) /* and is used: a row of 10 bytes takes 48 with its index entry */
            ck_assert_uint_gt(rows, max / 48 / 2);
        ck_assert_int_eq(add(&cell, 1, max), REDW_EFULL);
    }
}
END_TEST

START_TEST(a_malformed_row_is_refused_and_changes_nothing)
{
    static const struct {
        size_t len;
        uint8_t body[24];
    } bad[] = {
        {0, {0}},
        {1, {0}},
        {2, {0, 0}},
        {2, {0, 1}},
        {6, {0, 1, 0, 0, 0, 1}},             /* value missing */
        {8, {0, 1, 0, 0, 0, 1, 'x', 'y'}},   /* one byte too many */
        {6, {0, 1, 0xff, 0xff, 0xff, 0xfe}}, /* length -2 */
        {6, {0, 1, 0x7f, 0xff, 0xff, 0xff}},
        {10, {0, 2, 0, 0, 0, 0, 0, 0, 0, 0}}, /* two cells for one column */
    };
    redw_slice cell = {"x", 1};

    ck_assert_int_eq(columns(1, false), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        redwi_buf_take(&wire, redwi_buf_len(&wire));
        size_t at = redwi_buf_message(&wire, 'D');
        redwi_buf_bytes(&wire, bad[i].body, bad[i].len);
        redwi_buf_end(&wire, at);
        ck_assert_int_eq(add_what_came(UINT64_MAX, UINT64_MAX), REDW_EPROTOCOL);
        ck_assert_uint_eq(redw_result_row_count(res), i);
        ck_assert_int_eq(add(&cell, 1, UINT64_MAX), 0);
    }
}
END_TEST

START_TEST(rows_are_taken_as_far_as_they_are_whole_and_allowed)
{
    redw_slice cell = {"x", 1};
    const size_t each = 5 + 2 + 4 + 1;

    ck_assert_int_eq(columns(1, false), 0);
    redwi_buf_take(&wire, redwi_buf_len(&wire));
    for (int i = 0; i < 3; i++)
        redwi_be_put_data_row(&wire, &cell, 1);
    redwi_buf_cut(&wire, 3 * each - 1); /* of the last one a byte is missing */
    ck_assert_int_eq(add_what_came(1, UINT64_MAX), REDW_EFULL);
    ck_assert_uint_eq(redw_result_row_count(res), 1);
    ck_assert_uint_eq(redwi_buf_len(&wire), 2 * each - 1);
    ck_assert_int_eq(add_what_came(UINT64_MAX, UINT64_MAX), 0);
    ck_assert_uint_eq(redw_result_row_count(res), 2);
    ck_assert_uint_eq(redwi_buf_len(&wire), each - 1);
    redwi_buf_cut(&wire, 4); /* not even its header */
    ck_assert_int_eq(add_what_came(UINT64_MAX, UINT64_MAX), 0);
    ck_assert_uint_eq(redwi_buf_len(&wire), 4);
    redwi_buf_take(&wire, 4);
    redwi_buf_bytes(&wire, "D\0\0\0\3", 5); /* no length at all */
    redwi_buf_bytes(&wire, "C\0\0\0\4", 5);
    ck_assert_int_eq(add_what_came(UINT64_MAX, UINT64_MAX), 0);
    redwi_buf_take(&wire, 5);
    ck_assert_int_eq(add_what_came(UINT64_MAX, UINT64_MAX), 0); /* another message's */
    ck_assert_uint_eq(redwi_buf_len(&wire), 5);
    ck_assert_uint_eq(redw_result_row_count(res), 2);
}
END_TEST

START_TEST(a_failed_allocation_changes_nothing_and_a_later_one_goes_on)
{
    redw_slice cell = {text, 3000};
    uint64_t rows = 0;

    ck_assert_int_eq(columns(1, false), 0);
    heap.limited = true;
    for (int i = 0; i < 2000; i++) {
        heap.left = (size_t)(i % 2);
        int rc = add(&cell, 1, UINT64_MAX);
        ck_assert(rc == 0 || rc == REDW_ENOMEM);
        rows += rc == 0;
        if (redw_result_row_count(res) != rows)
            ck_abort();
    }
    heap.limited = false;
    ck_assert_uint_gt(rows, 900);
}
END_TEST

START_TEST(the_affected_count_is_read_from_counting_tags_only)
{
    static const struct {
        const char *tag;
        int64_t affected;
    } table[] = {
        {"INSERT 0 3", 3},
        {"UPDATE 0", 0},
        {"DELETE 9223372036854775807", INT64_MAX},
        {"MERGE 4", 4},
        {"SELECT 12", 12},
        {"COPY 5", 5},
        {"FETCH 6", 6},
        {"MOVE 7", 7},
        {"SELECT", -1},
        {"CREATE TABLE", -1},
        {"BEGIN", -1},
        {"", -1},
        {"LISTEN 3", -1},
        {"INSERT", -1},
        {"SELECT x", -1},
        {"UPDATE 99999999999999999999", -1},
    };
    char longer[100];

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        redwi_result_tag(res, table[i].tag, strlen(table[i].tag));
        ck_assert_str_eq(redw_result_tag(res), table[i].tag);
        ck_assert_msg(redw_result_affected(res) == table[i].affected, "%s", table[i].tag);
    }
    memset(longer, ' ', sizeof longer);
    memcpy(longer, "SELECT ", 7);
    longer[sizeof longer - 1] = '7';
    redwi_result_tag(res, longer, sizeof longer);
    ck_assert_uint_eq(strlen(redw_result_tag(res)), 63);
    ck_assert_int_eq(redw_result_affected(res), -1);
}
END_TEST

START_TEST(notices_are_kept_up_to_their_bound)
{
    struct redwi_err_spec spec = {.code = REDW_ESERVER};

    heap.limited = true;
    heap.left = 0;
    redwi_result_notice_add(res, redwi_err_make(&redwi_malloc, &spec, "no memory for the list"));
    heap.limited = false;
    for (int i = 0; i < 70; i++)
        redwi_result_notice_add(res, redwi_err_make(&redwi_malloc, &spec, "notice %d", i));
    ck_assert_uint_eq(redw_result_notice_count(res), REDWI_NOTICES_KEPT);
    ck_assert_str_eq(redw_error_message(redw_result_notice(res, 0)), "notice 0");
    ck_assert_str_eq(redw_error_message(redw_result_notice(res, 63)), "notice 63");
    ck_assert_ptr_null(redw_result_notice(res, 64));
}
END_TEST

START_TEST(a_kept_result_lives_until_it_is_released_as_often)
{
    redw_slice cell = {"kept", 4};
    redw_row row;

    ck_assert_int_eq(columns(1, false), 0);
    ck_assert_int_eq(add(&cell, 1, UINT64_MAX), 0);
    redw_result *kept = redw_result_keep(res);
    redw_result_release(res);
    ck_assert(redw_result_first(kept, &row));
    ck_assert_str_eq(row.cells[0].ptr, "kept");
    res = kept;
}
END_TEST

START_TEST(first_gives_no_row_of_a_failed_result)
{
    redw_slice cell = {"before the error", 16};
    redw_row row;

    ck_assert_int_eq(columns(1, false), 0);
    ck_assert_int_eq(add(&cell, 1, UINT64_MAX), 0);
    res->error = redwi_err_no_memory(REDW_OUTCOME_UNKNOWN);
    ck_assert(!redw_result_first(res, &row));
    redw_rows rows = redw_result_rows(res);
    ck_assert(redw_rows_next(&rows, &row)); /* the rows that came before it are there */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("result");
    TCase *t = tcase_create("result");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_new_result_is_empty);
    tcase_add_test(t, columns_are_named_typed_and_found);
    tcase_add_test(t, columns_say_where_they_come_from_if_the_server_does);
    tcase_add_test(t, as_many_columns_as_there_can_be_and_none);
    tcase_add_test(t, rows_come_out_as_they_went_in_with_a_nul_behind_each_value);
    tcase_add_test(t, a_small_result_is_one_allocation_beside_its_heading);
    tcase_add_test(t, allocations_grow_with_the_logarithm_of_rows);
    tcase_add_test(t, the_bound_holds_to_the_byte_and_rows_before_it_stay);
    tcase_add_test(t, a_malformed_row_is_refused_and_changes_nothing);
    tcase_add_test(t, rows_are_taken_as_far_as_they_are_whole_and_allowed);
    tcase_add_test(t, a_failed_allocation_changes_nothing_and_a_later_one_goes_on);
    tcase_add_test(t, the_affected_count_is_read_from_counting_tags_only);
    tcase_add_test(t, notices_are_kept_up_to_their_bound);
    tcase_add_test(t, a_kept_result_lives_until_it_is_released_as_often);
    tcase_add_test(t, first_gives_no_row_of_a_failed_result);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
