/* SPDX-License-Identifier: Apache-2.0 */
/*
 * E01, E02: prepared statements against a real server (statements_lab.h): what a use sends and brings, values of
 * other types and numbers, streams, and the formats of results.
 */
#include "api/statements_lab.h"

START_TEST(E01_the_first_use_prepares_in_its_own_flight_and_later_ones_only_run)
{
    start(1);
    redw_stmt *s = prepare("select $1::int4 + $2::int4");
    ck_assert_int_eq(redw_stmt_parameter_count(s), -1);
    ck_assert_int_eq(redw_stmt_parameter_type(s, 0), REDW_UNKNOWN_TYPE);
    must_answer(REDW_EXEC(s, redw_p_int32(1), redw_p_int32(2)), "3");
    ck_assert_str_eq(sent(1), "PDBES");
    for (int i = 0; i < 3; i++) {
        struct answer a = lab_query(&r, REDW_EXEC(s, redw_p_int32(i), redw_p_int32(10)));
        char text[16];
        snprintf(text, sizeof text, "%d", i + 10);
        ck_assert_str_eq(answer_text(&a), text);
        ck_assert_uint_eq(redw_result_column_count(a.res), 1);
        ck_assert_str_eq(redw_result_column(a.res, 0)->name, "?column?");
        ck_assert_int_eq(redw_result_column(a.res, 0)->type, REDW_INTEGER);
        ck_assert_str_eq(redw_result_tag(a.res), "SELECT 1");
        answer_release(&a);
        ck_assert_str_eq(sent(1), "BES");
    }
    ck_assert_int_eq(redw_stmt_parameter_count(s), 2);
    ck_assert_int_eq(redw_stmt_parameter_type(s, 1), REDW_INTEGER);
    ck_assert_int_eq(redw_stmt_parameter_type(s, 2), REDW_UNKNOWN_TYPE);
    redw_stmt_release(s);
    finish();
}
END_TEST

START_TEST(E01_names_are_lower_case_and_never_used_twice)
{
    start(1);
    for (int i = 0; i < 5; i++) {
        redw_stmt *s = prepare("select 1");
        must_answer(REDW_EXEC(s), "1");
        redw_stmt_release(s);
    }
    ck_assert_uint_eq(wire[1].nnames, 5);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(strncmp(wire[1].names[i], "redw_", 5), 0);
        ck_assert_uint_eq(strspn(wire[1].names[i], "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(wire[1].names[i]));
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(wire[1].names[i], wire[1].names[k]);
    }
    finish();
}
END_TEST

START_TEST(E01_a_text_that_is_no_statement_is_refused_or_fails_when_first_used)
{
    redw_stmt *s = NULL;
    struct redw_diag why;

    start(1);
    ck_assert_int_eq(redw_stmt_create(&s, r.client, NULL, &why), REDW_EINVAL);
    ck_assert_ptr_nonnull(strstr(why.text, "NULL"));
    ck_assert_ptr_null(s);
    ck_assert_int_eq(redw_stmt_create(&s, r.client, "a\xff", NULL), REDW_EINVAL);
    redw_stmt_release(NULL);
    s = prepare("selec 1");
    must_fail(REDW_EXEC(s), "42601");
    must_fail(REDW_EXEC(s), "42601"); /* and again: it was not taken for prepared */
    ck_assert_str_eq(sent(1), "PDBESCPDBES");
    redw_stmt_release(s);
    s = prepare(""); /* the empty statement is one */
    must_succeed(REDW_EXEC(s));
    must_succeed(REDW_EXEC(s));
    redw_stmt_release(s);
    must_answer(REDW_QUERY("select 1"), "1");
    finish();
}
END_TEST

/* --- E02 --- */

START_TEST(E02_another_number_of_parameters_is_refused_once_it_is_known)
{
    start(1);
    redw_stmt *s = prepare("select $1::int4 + $2::int4");
    must_fail(REDW_EXEC(s, redw_p_int32(1)), "08P01"); /* the server says it: nobody knows yet */
    must_refuse(REDW_EXEC(s, redw_p_int32(1)), "it has 2 parameters, and 1 are given");
    must_refuse(REDW_EXEC(s), "it has 2 parameters, and 0 are given");
    must_answer(REDW_EXEC(s, redw_p_int32(1), redw_p_int32(1)), "2");
    redw_stmt_release(s);
    finish();
}
END_TEST

START_TEST(E02_sql_and_statement_together_and_a_statement_of_another_client_are_refused)
{
    redw_client *other;
    redw_stmt *s, *theirs;

    start(1);
    s = prepare("select 1");
    must_refuse(REDW_REQUEST(.sql = "select 1", .stmt = s), "sql is given too");
    must_refuse(REDW_REQUEST(.sql = NULL), "sql");
    ck_assert_int_eq(redw_client_create(&other, r.loop, REDW_OPTIONS(.uri = pg_server()->plainuri), NULL), 0);
    ck_assert_int_eq(redw_stmt_create(&theirs, other, "select 1", NULL), 0);
    must_refuse(REDW_REQUEST(.stmt = theirs), "another client");
    redw_client_destroy(other);
    must_refuse(REDW_REQUEST(.stmt = theirs), "another client");
    redw_stmt_release(theirs);
    redw_stmt_release(s);
    finish();
}
END_TEST

START_TEST(E02_parameters_of_other_types_prepare_anew_and_close_what_was_there)
{
    start(1);
    redw_stmt *s = prepare("select pg_typeof($1)::text || coalesce($1::text, '')");
    must_answer(REDW_EXEC(s, redw_p_int32(7)), "integer7");
    must_answer(REDW_EXEC(s, redw_p_int64(8)), "bigint8");
    must_answer(REDW_EXEC(s, redw_p_double(0.5)), "double precision0.5");
    ck_assert_str_eq(sent(1), "PDBESCPDBESCPDBES");
    must_answer(REDW_EXEC(s, redw_p_null(REDW_DOUBLE)), "double precision");
    must_answer(REDW_EXEC(s, redw_p_null(REDW_UNKNOWN_TYPE)), "double precision"); /* NULL without a type fits any */
    ck_assert_str_eq(sent(1), "BESBES");
    ck_assert_int_eq(redw_stmt_parameter_type(s, 0), REDW_DOUBLE);
    must_answer(REDW_QUERY("select count(*) from pg_prepared_statements"), "1");
    redw_stmt_release(s);
    finish();
}
END_TEST

START_TEST(E02_a_failing_execution_leaves_the_statement_prepared)
{
    start(1);
    redw_stmt *s = prepare("select 10 / $1::int4");
    must_fail(REDW_EXEC(s, redw_p_int32(0)), "22012");
    must_answer(REDW_EXEC(s, redw_p_int32(5)), "2");
    must_fail(REDW_EXEC(s, redw_p_int32(0)), "22012");
    must_answer(REDW_EXEC(s, redw_p_int32(2)), "5");
    ck_assert_str_eq(sent(1), "PDBESBESBESBES");
    redw_stmt_release(s);
    finish();
}
END_TEST

START_TEST(E02_statements_without_rows_and_rows_without_columns)
{
    start(1);
    must_succeed(REDW_QUERY("create temp table t (i int4)"));
    redw_stmt *ins = prepare("insert into t values ($1)"), *none = prepare("select from t");
    redw_stmt *ret = prepare("insert into t values ($1) returning i");
    for (int i = 0; i < 3; i++) {
        struct answer a = lab_query(&r, REDW_EXEC(ins, redw_p_int32(i)));
        answer_must_succeed(&a);
        ck_assert_int_eq(redw_result_affected(a.res), 1);
        ck_assert_uint_eq(redw_result_column_count(a.res), 0);
        answer_release(&a);
        a = lab_query(&r, REDW_EXEC(none));
        answer_must_succeed(&a);
        ck_assert_uint_eq(redw_result_row_count(a.res), 2 * (uint64_t)i + 1);
        answer_release(&a);
        must_answer(REDW_EXEC(ret, redw_p_int32(40)), "40");
    }
    redw_stmt_release(ins);
    redw_stmt_release(none);
    redw_stmt_release(ret);
    finish();
}
END_TEST

/* --- streams --- */

struct stream {
    unsigned done, columns, rows;
    bool pause_at_columns, pause_at_rows, failed, binary;
    redw_id id;
};

static enum redw_flow on_columns(const redw_result *head, void *ctx)
{
    struct stream *s = ctx;

    ck_assert_uint_eq(s->rows, 0);
    ck_assert_uint_eq(redw_result_column_count(head), 2);
    ck_assert_str_eq(redw_result_column(head, 1)->name, "label");
    s->binary = redw_result_column(head, 0)->binary;
    s->columns++;
    if (s->pause_at_columns)
        redw_resume(r.client, s->id);
    return s->pause_at_columns ? REDW_PAUSE : REDW_MORE;
}

static enum redw_flow on_rows(redw_rows *rows, void *ctx)
{
    struct stream *s = ctx;
    redw_row row;
    int32_t n;

    ck_assert_uint_eq(s->columns, 1);
    while (redw_rows_next(rows, &row)) {
        ck_assert_int_eq(redw_row_int32(&row, 0, &n), REDW_OK);
        ck_assert_uint_eq((unsigned)n, ++s->rows);
        if (s->pause_at_rows && s->rows % 100 == 0) {
            redw_resume(r.client, s->id);
            return REDW_PAUSE;
        }
    }
    return REDW_MORE;
}

static void on_streamed(const redw_result *res, void *ctx)
{
    struct stream *s = ctx;

    s->failed = redw_result_error(res) != NULL;
    s->done++;
}

static struct stream stream(redw_stmt *stmt, int rows, enum redw_wire form, bool pauses)
{
    static const struct redw_stream_handler h = {
        .size = sizeof h, .on_columns = on_columns, .on_rows = on_rows, .on_done = on_streamed};
    struct stream s = {.pause_at_columns = pauses, .pause_at_rows = pauses};

    s.id = redw_stream(r.client, REDW_REQUEST(.stmt = stmt, .wire = form, REDW_PARAMS(redw_p_int32(rows))), &h, &s);
    ck_assert_int_gt(s.id, 0);
    ck_assert(lab_wait(&r, &s.done, 1));
    ck_assert(!s.failed);
    ck_assert_uint_eq(s.rows, (unsigned)rows);
    ck_assert_uint_eq(s.columns, 1); /* also where no row came */
    return s;
}

START_TEST(E02_streams_run_statements_and_tell_their_columns_once_before_the_rows)
{
    start(1);
    redw_stmt *s = prepare("select g, repeat('x', g % 50) as label from generate_series(1, $1) g");
    for (int round = 0; round < 2; round++) {
        for (int pauses = 0; pauses < 2; pauses++) {
            stream(s, 5000, REDW_WIRE_TEXT, pauses);
            stream(s, 0, REDW_WIRE_TEXT, pauses);
            stream(s, 300, REDW_WIRE_BINARY, pauses);
        }
        must_succeed(REDW_QUERY("discard all"));
    }
    ck_assert(!stream(s, 3, REDW_WIRE_TEXT, false).binary);
    ck_assert(stream(s, 3, REDW_WIRE_BINARY, false).binary);
    ck_assert(stream(s, 3, REDW_WIRE_AUTO, false).binary);
    redw_stmt_release(s);
    finish();
}
END_TEST

/* --- REDW_WIRE_AUTO --- */

#define MANY                                                                                                     \
    "select true as b, 7::int2, 7::int4, 7::int8, 1.5::float4, 1.5::float8, 12.34::numeric(10,2) as n, "         \
    "'x'::text as t, 'y'::char(3), '{\"a\": 1}'::jsonb as j, date '2024-02-29', "                                \
    "timestamptz '2024-02-29 12:00:00+00', '\\x0102'::bytea, '{1,2}'::int4[] as a, "                             \
    "'6bf3ac3c-6a7d-4b71-a9d9-6ff0ee3f3a66'::uuid, 'a'::\"char\", '10.0.0.1'::inet, null::int4, interval '1 day'"

START_TEST(E02_automatic_formats_are_binary_where_getters_read_it_and_text_elsewhere)
{
    /* By column, as above. */
    static const char expected[] = "bbbbbbbtttbbbtbttbb";
    redw_row row;
    redw_decimal d;
    redw_slice text;
    redw_timestamptz at;
    int64_t l;
    double f;
    bool b;

    start(1);
    redw_stmt *s = prepare(MANY);
    for (int round = 0; round < 3; round++) {
        struct answer a = lab_query(&r, REDW_REQUEST(.stmt = s, .wire = REDW_WIRE_AUTO));
        answer_must_succeed(&a);
        ck_assert_uint_eq(redw_result_column_count(a.res), sizeof expected - 1);
        for (size_t i = 0; i < sizeof expected - 1; i++)
            ck_assert_msg(redw_result_column(a.res, i)->binary == (round > 0 && (i == 6 || expected[i] == 'b')),
                          "round %d, column %zu", round, i);
        ck_assert(redw_result_first(a.res, &row));
        ck_assert_int_eq(redw_row_bool(&row, 0, &b), REDW_OK);
        ck_assert(b);
        for (size_t i = 1; i <= 3; i++) {
            ck_assert_int_eq(redw_row_int64(&row, i, &l), REDW_OK);
            ck_assert_int_eq(l, 7);
        }
        for (size_t i = 4; i <= 5; i++) {
            ck_assert_int_eq(redw_row_double(&row, i, &f), REDW_OK);
            ck_assert_double_eq(f, 1.5);
        }
        ck_assert_int_eq(redw_row_decimal(&row, 6, &d), REDW_OK);
        ck_assert_uint_eq(d.lo, 1234);
        ck_assert_int_eq(redw_row_text(&row, 7, &text), REDW_OK);
        ck_assert_int_eq(redw_row_text(&row, 9, &text), REDW_OK);
        ck_assert_mem_eq(text.ptr, "{\"a\": 1}", text.len);
        ck_assert_int_eq(redw_row_timestamptz(&row, 11, &at), REDW_OK);
        ck_assert_int_eq(at.us, INT64_C(1709208000000000));
        ck_assert_str_eq(row.cells[13].ptr, "{1,2}");
        ck_assert_str_eq(row.cells[16].ptr, "10.0.0.1");
        ck_assert_int_eq(redw_row_int64(&row, 17, &l), REDW_NULL);
        answer_release(&a);
    }
    /* Without a statement, and in the other two ways: all alike. */
    for (int form = REDW_WIRE_TEXT; form <= REDW_WIRE_AUTO; form++) {
        for (int with = 0; with < 2; with++) {
            if (with && form == REDW_WIRE_AUTO)
                continue;
            struct answer a = lab_query(&r, REDW_REQUEST(.sql = with ? NULL : "select 1, 'x'::text",
                                                         .stmt = with ? s : NULL, .wire = (enum redw_wire)form));
            answer_must_succeed(&a);
            for (size_t i = 0; i < redw_result_column_count(a.res); i++)
                ck_assert_int_eq(redw_result_column(a.res, i)->binary, form == REDW_WIRE_BINARY);
            answer_release(&a);
        }
    }
    redw_stmt_release(s);
    finish();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("statements");
    TCase *t = tcase_create("statements");
    SRunner *runner;
    int failed;

    pg_server(); /* before the runner forks */
    tcase_add_test(t, E01_the_first_use_prepares_in_its_own_flight_and_later_ones_only_run);
    tcase_add_test(t, E01_names_are_lower_case_and_never_used_twice);
    tcase_add_test(t, E01_a_text_that_is_no_statement_is_refused_or_fails_when_first_used);
    tcase_add_test(t, E02_another_number_of_parameters_is_refused_once_it_is_known);
    tcase_add_test(t, E02_sql_and_statement_together_and_a_statement_of_another_client_are_refused);
    tcase_add_test(t, E02_parameters_of_other_types_prepare_anew_and_close_what_was_there);
    tcase_add_test(t, E02_a_failing_execution_leaves_the_statement_prepared);
    tcase_add_test(t, E02_statements_without_rows_and_rows_without_columns);
    tcase_add_test(t, E02_streams_run_statements_and_tell_their_columns_once_before_the_rows);
    tcase_add_test(t, E02_automatic_formats_are_binary_where_getters_read_it_and_text_elsewhere);
    tcase_set_timeout(t, 240);
    suite_add_tcase(s, t);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
