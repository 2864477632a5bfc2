/* SPDX-License-Identifier: Apache-2.0 */
/*
 * D01: The public API against a real server, TLS verified and SCRAM: statements, parameters, results, errors,
 * notices, bounds. Order and ends: test_e2e_pool.c; streams: test_e2e_streams.c.
 */
#include "api/e2e_lab.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void must_fail(const struct redw_request *rq, const char *sqlstate, enum redw_class cls,
                      enum redw_outcome outcome)
{
    struct answer a = lab_query(&r, rq);
    const redw_error *e = answer_error(&a);
    ck_assert_msg(e != NULL, "%s succeeded", rq->sql);
    ck_assert_msg(strcmp(redw_error_sqlstate(e), sqlstate) == 0 && redw_error_class(e) == cls &&
                      redw_error_outcome(e) == outcome,
                  "%s: %s, %s, %s: %s", rq->sql, redw_error_sqlstate(e), redw_class_name(redw_error_class(e)),
                  redw_outcome_name(redw_error_outcome(e)), redw_error_message(e));
    answer_release(&a);
}

/* C13 */
START_TEST(every_kind_of_parameter_arrives_and_comes_back_in_text_and_in_binary)
{
    start(1);
    for (int wire = REDW_WIRE_TEXT; wire <= REDW_WIRE_BINARY; wire++) {
        struct answer a = lab_query(
            &r, REDW_REQUEST(.sql = "select $1, $2, $3, $4, $5, $6, $7::text, $8::date::text, $9::int8, $10::text",
                             .wire = (enum redw_wire)wire,
                             REDW_PARAMS(redw_p_bool(true), redw_p_int16(INT16_MIN), redw_p_int32(INT32_MIN),
                                         redw_p_int64(INT64_MIN), redw_p_real(1.5f), redw_p_double(-DBL_MIN),
                                         redw_p_text("gr\xc3\xbc\xc3\x9f"), redw_p_text("2024-02-29"),
                                         redw_p_null(REDW_BIGINT), redw_p_text_n("abcdef", 3))));
        redw_row row;
        bool b;
        int32_t i;
        int64_t l;
        double d;
        redw_slice s;
        answer_must_succeed(&a);
        ck_assert(redw_result_first(a.res, &row));
        ck_assert_uint_eq(row.ncells, 10);
        ck_assert_int_eq(redw_row_bool(&row, 0, &b), REDW_OK);
        ck_assert(b);
        ck_assert_int_eq(redw_row_int32(&row, 1, &i), REDW_OK);
        ck_assert_int_eq(i, INT16_MIN);
        ck_assert_int_eq(redw_row_int32(&row, 2, &i), REDW_OK);
        ck_assert_int_eq(i, INT32_MIN);
        ck_assert_int_eq(redw_row_int64(&row, 3, &l), REDW_OK);
        ck_assert_int_eq(l, INT64_MIN);
        ck_assert_int_eq(redw_row_double(&row, 4, &d), REDW_OK);
        ck_assert_double_eq(d, 1.5);
        ck_assert_int_eq(redw_row_double(&row, 5, &d), REDW_OK);
        ck_assert_double_eq(d, -DBL_MIN);
        ck_assert_int_eq(redw_row_text(&row, 6, &s), REDW_OK);
        ck_assert_mem_eq(s.ptr, "gr\xc3\xbc\xc3\x9f", s.len);
        ck_assert_int_eq(redw_row_text(&row, 7, &s), REDW_OK);
        ck_assert_mem_eq(s.ptr, "2024-02-29", 10);
        ck_assert_int_eq(redw_row_int64(&row, 8, &l), REDW_NULL);
        ck_assert_int_eq(l, 0);
        ck_assert_int_eq(redw_row_text(&row, 9, &s), REDW_OK);
        ck_assert_uint_eq(s.len, 3);
        ck_assert_int_eq(redw_row_int64(&row, 6, &l), REDW_ETYPE);
        ck_assert_int_eq(redw_row_int64(&row, 10, &l), REDW_ECOLUMN);
        ck_assert_int_eq(redw_row_int32(&row, 3, &i), REDW_ERANGE);
        for (size_t c = 0; c < 10; c++)
            ck_assert_int_eq(redw_result_column(a.res, c)->binary, wire == REDW_WIRE_BINARY);
        answer_release(&a);
    }
    finish();
}
END_TEST

/* D03: whatever stands in a value, it never is SQL; also where a placeholder stands inside a literal. */
START_TEST(D03_a_value_is_never_read_as_sql)
{
    static const char *const values[] = {"'; drop table victim; --", "$1", "\\'; select 1; --", "%s", "/*", "\"",
                                         "x' or 'a' = 'a"};
    start(1);
    struct answer a = lab_query(&r, REDW_QUERY("create temp table victim (v text)"));
    answer_must_succeed(&a);
    answer_release(&a);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        must_answer(REDW_QUERY("select $1::text", redw_p_text(values[i])), values[i]);
        must_answer(REDW_QUERY("select count(*) from victim where v = $1", redw_p_text(values[i])), "0");
        must_answer(REDW_QUERY("select '$1' || length($1::text)::text", redw_p_text("abc")), "$13");
    }
    finish();
}
END_TEST

/* C14 */
START_TEST(floats_of_every_sort_survive_the_way_there_and_back)
{
    static const double values[] = {0.0,      -0.0,         1.0 / 3,  DBL_MAX, -DBL_MAX,  DBL_MIN, 5e-324,
                                    INFINITY, -INFINITY,    NAN,      1e23,    123456789012345678.0};
    start(1);
    for (int wire = REDW_WIRE_TEXT; wire <= REDW_WIRE_BINARY; wire++)
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
            struct answer a = lab_query(&r, REDW_REQUEST(.sql = "select $1", .wire = (enum redw_wire)wire,
                                                         REDW_PARAMS(redw_p_double(values[i]))));
            redw_row row;
            double d;
            answer_must_succeed(&a);
            ck_assert(redw_result_first(a.res, &row));
            ck_assert_int_eq(redw_row_double(&row, 0, &d), REDW_OK);
            if (isnan(values[i]))
                ck_assert(isnan(d));
            else
                ck_assert_mem_eq(&d, &values[i], sizeof d);
            answer_release(&a);
        }
    finish();
}
END_TEST

/* C10, C11 */
START_TEST(columns_tags_and_counts_are_told)
{
    start(1);
    struct answer a = lab_query(&r, REDW_QUERY("create temp table t as select g as id, 'x' || g as label "
                                               "from generate_series(1, 7) g"));
    answer_must_succeed(&a);
    ck_assert_str_eq(redw_result_tag(a.res), "SELECT 7");
    ck_assert_int_eq(redw_result_affected(a.res), 7);
    answer_release(&a);

    a = lab_query(&r, REDW_QUERY("update t set label = 'y' where id > $1", redw_p_int32(4)));
    ck_assert_str_eq(redw_result_tag(a.res), "UPDATE 3");
    ck_assert_int_eq(redw_result_affected(a.res), 3);
    ck_assert_uint_eq(redw_result_column_count(a.res), 0);
    ck_assert_uint_eq(redw_result_row_count(a.res), 0);
    answer_release(&a);

    a = lab_query(&r, REDW_QUERY("select id, label, 1.25::numeric(10, 2) as \"a Number\" from t order by id"));
    answer_must_succeed(&a);
    ck_assert_uint_eq(redw_result_row_count(a.res), 7);
    ck_assert_uint_eq(redw_result_column_count(a.res), 3);
    ck_assert_str_eq(redw_result_column(a.res, 0)->name, "id");
    ck_assert_int_eq(redw_result_column(a.res, 0)->type, REDW_INTEGER);
    ck_assert_uint_eq(redw_result_column(a.res, 0)->oid, 23);
    ck_assert_int_eq(redw_result_column(a.res, 2)->type, REDW_NUMERIC);
    ck_assert_int_eq(redw_result_column(a.res, 2)->typmod, (10 << 16) + 2 + 4);
    ck_assert_ptr_null(redw_result_column(a.res, 3));
    ck_assert_int_eq(redw_result_find(a.res, "a Number"), 2);
    ck_assert_int_eq(redw_result_find(a.res, "nothing"), REDW_ECOLUMN);
    redw_rows it = redw_result_rows(a.res), copy;
    redw_row row;
    int32_t n, seen = 0;
    while (copy = it, redw_rows_next(&it, &row)) {
        ck_assert_int_eq(redw_row_int32(&row, 0, &n), REDW_OK);
        ck_assert_int_eq(n, ++seen);
        ck_assert(redw_rows_next(&copy, &row)); /* copies of a cursor are independent */
        ck_assert_int_eq(redw_row_int32(&row, 0, &n), REDW_OK);
        ck_assert_int_eq(n, seen);
        ck_assert_int_eq(row.cells[1].ptr[row.cells[1].len], '\0');
    }
    ck_assert_int_eq(seen, 7);
    ck_assert_int_gt(redw_result_elapsed_us(a.res), 0);
    answer_release(&a);

    a = lab_query(&r, REDW_QUERY("drop table t"));
    ck_assert_str_eq(redw_result_tag(a.res), "DROP TABLE");
    ck_assert_int_eq(redw_result_affected(a.res), -1);
    answer_release(&a);
    finish();
}
END_TEST

/* C12 */
START_TEST(nulls_empty_texts_and_rows_without_columns_are_three_things)
{
    start(1);
    struct answer a = lab_query(&r, REDW_QUERY("select null::text, ''::text, $1::text, $2::text",
                                               redw_p_text(NULL), redw_p_text("")));
    redw_row row;
    answer_must_succeed(&a);
    ck_assert(redw_result_first(a.res, &row));
    ck_assert_ptr_null(row.cells[0].ptr);
    ck_assert_ptr_nonnull(row.cells[1].ptr);
    ck_assert_uint_eq(row.cells[1].len, 0);
    ck_assert_ptr_null(row.cells[2].ptr);
    ck_assert_ptr_nonnull(row.cells[3].ptr);
    answer_release(&a);

    a = lab_query(&r, REDW_QUERY("select from generate_series(1, 3)"));
    answer_must_succeed(&a);
    ck_assert_uint_eq(redw_result_row_count(a.res), 3);
    ck_assert_uint_eq(redw_result_column_count(a.res), 0);
    answer_release(&a);

    a = lab_query(&r, REDW_QUERY("select 1 where false"));
    answer_must_succeed(&a);
    ck_assert_uint_eq(redw_result_row_count(a.res), 0);
    ck_assert_uint_eq(redw_result_column_count(a.res), 1);
    ck_assert(!redw_result_first(a.res, &row));
    answer_release(&a);
    finish();
}
END_TEST

START_TEST(large_values_travel_whole_in_both_directions)
{
    enum { N = 6 << 20 };
    char *text = malloc(N + 1);
    start(1);
    for (size_t i = 0; i < N; i++)
        text[i] = (char)('a' + i % 26);
    text[N] = '\0';
    struct answer a = lab_query(&r, REDW_QUERY("select $1::text, length($1::text)", redw_p_text(text)));
    redw_row row;
    answer_must_succeed(&a);
    ck_assert(redw_result_first(a.res, &row));
    ck_assert_uint_eq(row.cells[0].len, N);
    ck_assert_int_eq(memcmp(row.cells[0].ptr, text, N), 0);
    ck_assert_str_eq(row.cells[1].ptr, "6291456");
    answer_release(&a);

    /* The statement itself may be large, and has its bound. */
    memcpy(text, "select 1 --", 11);
    must_answer(REDW_REQUEST(.sql = text, .sql_len = N), "1");
    char *big = malloc((16 << 20) + 2);
    memset(big, ' ', (16 << 20) + 2);
    memcpy(big, "select 1", 8);
    a = lab_query(&r, REDW_REQUEST(.sql = big, .sql_len = (16 << 20) + 1));
    ck_assert_int_eq((int)a.id, REDW_EINVAL);
    free(big);
    free(text);
    finish();
}
END_TEST

START_TEST(an_empty_query_succeeds_with_nothing)
{
    static const char *const texts[] = {" ", ";", "-- only a comment", "/* and another */ ;"};
    start(1);
    for (size_t i = 0; i < 4; i++) {
        struct answer a = lab_query(&r, REDW_QUERY(texts[i]));
        answer_must_succeed(&a);
        ck_assert_str_eq(redw_result_tag(a.res), "");
        ck_assert_uint_eq(redw_result_row_count(a.res), 0);
        answer_release(&a);
    }
    finish();
}
END_TEST

START_TEST(a_second_statement_is_refused_and_neither_runs)
{
    start(1);
    must_answer(REDW_QUERY("select count(*) from pg_class where relname = 'second'"), "0");
    must_fail(REDW_QUERY("create table second (i int); drop table second"), "42601", REDW_CLASS_INVALID_SQL,
              REDW_OUTCOME_NOT_EXECUTED);
    must_fail(REDW_QUERY("select $1::int; select 2", redw_p_int32(1)), "42601", REDW_CLASS_INVALID_SQL,
              REDW_OUTCOME_NOT_EXECUTED);
    must_answer(REDW_QUERY("select count(*) from pg_class where relname = 'second'"), "0");
    finish();
}
END_TEST

/* --- errors and notices ------------------------------------------------------------------------------ */

/* C04, C06 */
START_TEST(errors_say_what_they_are_and_what_they_prove_and_the_connection_goes_on)
{
    start(1);
    must_answer(REDW_QUERY("select 1"), "1");
    must_fail(REDW_QUERY("selec 1"), "42601", REDW_CLASS_INVALID_SQL, REDW_OUTCOME_NOT_EXECUTED);
    must_fail(REDW_QUERY("select * from nowhere"), "42P01", REDW_CLASS_TABLE_NOT_FOUND,
              REDW_OUTCOME_NOT_EXECUTED);
    must_fail(REDW_QUERY("select nothing from pg_class"), "42703", REDW_CLASS_COLUMN_NOT_FOUND,
              REDW_OUTCOME_NOT_EXECUTED);
    must_fail(REDW_QUERY("select * from pg_authid"), "42501", REDW_CLASS_PERMISSION_DENIED,
              REDW_OUTCOME_NOT_EXECUTED);
    must_fail(REDW_QUERY("select 1 / 0"), "22012", REDW_CLASS_DATA_ERROR, REDW_OUTCOME_NOT_EXECUTED);
    must_fail(REDW_QUERY("select $1::int4", redw_p_text("twelve")), "22P02", REDW_CLASS_DATA_ERROR,
              REDW_OUTCOME_NOT_EXECUTED);
    /* After rows have come: an error all the same. */
    must_fail(REDW_QUERY("select 1000 / (1000 - g) from generate_series(1, 1000) g"), "22012",
              REDW_CLASS_DATA_ERROR, REDW_OUTCOME_NOT_EXECUTED);
    must_fail(REDW_QUERY("do $$ begin raise exception 'x' using errcode = '40001'; end $$"), "40001",
              REDW_CLASS_SERIALIZATION_FAILURE, REDW_OUTCOME_UNKNOWN); /* a block may commit on its way */
    must_fail(REDW_QUERY("call nowhere()"), "42883", REDW_CLASS_INVALID_SQL, REDW_OUTCOME_UNKNOWN);
    must_fail(REDW_QUERY("select $1::int4 + $2::int4", redw_p_int32(1)), "08P01",
              REDW_CLASS_CONNECTION_FAILED, REDW_OUTCOME_NOT_EXECUTED); /* one parameter missing */
    must_answer(REDW_QUERY("select 2"), "2");
    ck_assert_uint_eq(r.fault.opened, 1);

    struct answer a = lab_query(&r, REDW_QUERY("select 1 +\n 'a\x1b[2J'::int"));
    const redw_error *e = answer_error(&a);
    ck_assert_int_eq(redw_error_origin(e), REDW_ORIGIN_SERVER);
    ck_assert_int_eq(redw_error_code(e), REDW_ESERVER);
    ck_assert_str_eq(redw_error_field(e, 'S').ptr, "ERROR");
    ck_assert_str_eq(redw_error_field(e, 'P').ptr, "13");
    ck_assert_ptr_null(redw_error_field(e, 'q').ptr);
    ck_assert_ptr_nonnull(strchr(redw_error_field(e, 'M').ptr, '\x1b'));
    ck_assert_ptr_null(strchr(redw_error_message(e), '\x1b'));
    ck_assert_ptr_null(strchr(redw_error_message(e), '\n'));
    redw_error *kept = redw_error_keep(e);
    answer_release(&a);
    ck_assert_str_eq(redw_error_sqlstate(kept), "22P02"); /* outlives its result */
    redw_error_release(kept);
    finish();
}
END_TEST

/* C03 */
START_TEST(notices_are_kept_in_order_and_bounded)
{
    start(1);
    struct answer a = lab_query(
        &r, REDW_QUERY("do $$ begin for i in 1..100 loop raise notice 'note %', i; end loop; end $$"));
    answer_must_succeed(&a);
    ck_assert_uint_eq(redw_result_notice_count(a.res), 64);
    ck_assert_str_eq(redw_error_field(redw_result_notice(a.res, 0), 'M').ptr, "note 1");
    ck_assert_str_eq(redw_error_field(redw_result_notice(a.res, 63), 'M').ptr, "note 64");
    ck_assert_str_eq(redw_error_field(redw_result_notice(a.res, 63), 'S').ptr, "NOTICE");
    ck_assert_ptr_null(redw_result_notice(a.res, 64));
    answer_release(&a);
    finish();
}
END_TEST

/* C23 */
START_TEST(what_is_wrong_before_anything_is_sent_is_refused_with_its_name)
{
    static redw_param many[32768];
    start(1);
    struct answer a;
    for (size_t i = 0; i < 32768; i++)
        many[i] = redw_p_null(REDW_INTEGER);
    struct {
        const struct redw_request *rq;
        const char *says;
    } cases[] = {
        {REDW_REQUEST(.sql = NULL), "sql"},
        {REDW_QUERY("select \xff"), "sql"},
        {REDW_REQUEST(.sql = "select 1\0", .sql_len = 9), "sql"},
        {REDW_QUERY("select $1, $2", redw_p_int32(1), redw_p_text("\xc3(")), "$2"},
        {REDW_QUERY("select $1", redw_p_text_n("a\0b", 3)), "$1"},
        {REDW_REQUEST(.sql = "select 1", .params = many, .nparams = 32768), "param"},
        {REDW_REQUEST(.sql = "select 1", .params = NULL, .nparams = 1), "param"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        a = lab_query(&r, cases[i].rq);
        ck_assert_msg(a.id == REDW_EINVAL, "case %zu: %d", i, (int)a.id);
        ck_assert_msg(strstr(redw_client_why(r.client), cases[i].says) != NULL, "case %zu: %s", i,
                      redw_client_why(r.client));
        ck_assert_uint_eq(a.calls, 0);
    }
    ck_assert_int_eq((int)redw_submit(r.client, REDW_QUERY("select 1"), NULL, NULL), REDW_EINVAL);
    ck_assert_uint_eq(r.fault.opened, 0);
    finish();
}
END_TEST

/* D13 */
START_TEST(bounds_of_a_buffered_result_are_errors_not_truncations)
{
    start(1);
    struct answer a = lab_query(&r, REDW_REQUEST(.sql = "select generate_series(1, 11)", .max_rows = 10));
    ck_assert_int_eq(redw_error_code(answer_error(&a)), REDW_EFULL);
    answer_release(&a);
    a = lab_query(&r, REDW_REQUEST(.sql = "select generate_series(1, 10)", .max_rows = 10));
    answer_must_succeed(&a);
    answer_release(&a);
    a = lab_query(&r, REDW_REQUEST(.sql = "select repeat('x', 10000) from generate_series(1, 100)",
                                   .max_bytes = 200000));
    ck_assert_int_eq(redw_error_code(answer_error(&a)), REDW_EFULL);
    answer_release(&a);
    must_answer(REDW_QUERY("select 1"), "1");
    finish();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("e2e");
    TCase *t = tcase_create("e2e");
    pg_server();
    tcase_add_test(t, every_kind_of_parameter_arrives_and_comes_back_in_text_and_in_binary);
    tcase_add_test(t, D03_a_value_is_never_read_as_sql);
    tcase_add_test(t, floats_of_every_sort_survive_the_way_there_and_back);
    tcase_add_test(t, columns_tags_and_counts_are_told);
    tcase_add_test(t, nulls_empty_texts_and_rows_without_columns_are_three_things);
    tcase_add_test(t, large_values_travel_whole_in_both_directions);
    tcase_add_test(t, an_empty_query_succeeds_with_nothing);
    tcase_add_test(t, a_second_statement_is_refused_and_neither_runs);
    tcase_add_test(t, errors_say_what_they_are_and_what_they_prove_and_the_connection_goes_on);
    tcase_add_test(t, notices_are_kept_in_order_and_bounded);
    tcase_add_test(t, what_is_wrong_before_anything_is_sent_is_refused_with_its_name);
    tcase_add_test(t, bounds_of_a_buffered_result_are_errors_not_truncations);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
