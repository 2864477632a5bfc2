/* SPDX-License-Identifier: Apache-2.0 */
/*
 * D01: The public API against a real server, TLS verified and SCRAM: statements, parameters, results, errors,
 * order, streams, giving up, deadlines, closing.
 */
#include "support/pg.h"
#include "support/lab.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct lab r;

static void start(uint32_t pool_max)
{
    lab_open(&r);
    lab_pool(&r, pg_server()->uri, pg_server()->password, pool_max);
}

static void finish(void)
{
    ck_assert_msg(!r.late, "the test waited in vain");
    ck_assert(lab_close(&r));
}

/* The one value of a statement as text. */
static void must_answer(const struct redw_request *rq, const char *text)
{
    struct answer a = lab_query(&r, rq);
    ck_assert_pstr_eq(answer_text(&a), text);
    answer_release(&a);
}

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

/* --- statements and values --------------------------------------------------------------------------- */

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

/* --- the pool ------------------------------------------------------------------------------------------ */

START_TEST(ten_requests_run_on_ten_connections_at_once)
{
    struct answer a[10];
    start(10);
    for (size_t i = 0; i < 10; i++)
        lab_submit(&r, &a[i], REDW_QUERY("select pg_backend_pid() from pg_sleep(0.5)"));
    double since = ev_time();
    for (size_t i = 0; i < 10; i++)
        ck_assert(lab_wait(&r, &a[i].calls, 1));
    ck_assert_double_lt(ev_time() - since, 4.5); /* one after the other is 5 */
    for (size_t i = 0; i < 10; i++) {
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(answer_text(&a[i]), answer_text(&a[k]));
    }
    for (size_t i = 0; i < 10; i++)
        answer_release(&a[i]);
    ck_assert_uint_eq(r.fault.opened, 10);
    finish();
}
END_TEST

struct ordered {
    unsigned at; /* 0: not yet; n: the n-th to be done */
};
static unsigned ended;
static void note_order(const redw_result *res, void *ctx)
{
    ck_assert_ptr_null(redw_result_error(res));
    ((struct ordered *)ctx)->at = ++ended;
}

START_TEST(one_connection_serves_in_the_order_of_submission)
{
    struct ordered o[200] = {0};
    start(1);
    ended = 0;
    for (size_t i = 0; i < 200; i++)
        ck_assert_int_gt(redw_submit(r.client, REDW_QUERY("select 1"), note_order, &o[i]), 0);
    ck_assert(lab_wait(&r, &ended, 200));
    for (unsigned i = 0; i < 200; i++)
        ck_assert_uint_eq(o[i].at, i + 1);
    ck_assert_uint_eq(r.fault.opened, 1);
    finish();
}
END_TEST

START_TEST(a_full_queue_refuses_and_forgets_nothing_it_accepted)
{
    struct answer a[8];
    struct redw_diag why;
    lab_open(&r);
    ck_assert_int_eq(lab_client(&r, REDW_OPTIONS(.uri = pg_uri(), .pool_max = 1, .queue_max = 5), &why), 0);
    unsigned accepted = 0;
    for (size_t i = 0; i < 8; i++) {
        lab_submit(&r, &a[i], REDW_QUERY("select 1"));
        ck_assert(a[i].id > 0 || a[i].id == REDW_EFULL);
        accepted += a[i].id > 0;
    }
    ck_assert_uint_ge(accepted, 5);
    ck_assert_uint_le(accepted, 6);
    for (size_t i = 0; i < 8; i++)
        if (a[i].id > 0) {
            ck_assert(lab_wait(&r, &a[i].calls, 1));
            answer_must_succeed(&a[i]);
            answer_release(&a[i]);
        }
    must_answer(REDW_QUERY("select 1"), "1");
    finish();
}
END_TEST

START_TEST(a_transaction_left_open_ends_with_its_connection)
{
    start(1);
    must_answer(REDW_QUERY("select count(*) from pg_class where relname = 'left_open'"), "0");
    struct answer a = lab_query(&r, REDW_QUERY("begin"));
    answer_must_succeed(&a);
    answer_release(&a);
    must_answer(REDW_QUERY("select txid_current_if_assigned()"), NULL);
    ck_assert_uint_eq(r.fault.opened, 2); /* not the connection of the transaction */
    a = lab_query(&r, REDW_QUERY("commit"));
    answer_must_succeed(&a);
    ck_assert_uint_eq(redw_result_notice_count(a.res), 1); /* "there is no transaction in progress" */
    answer_release(&a);
    finish();
}
END_TEST

/* Ends the server's side of the one connection of the pool. */
static void make_terminate(char *sql, size_t cap)
{
    struct answer a = lab_query(&r, REDW_QUERY("select pg_backend_pid()"));
    snprintf(sql, cap, "select pg_terminate_backend(%s)", answer_text(&a));
    answer_release(&a);
}

START_TEST(a_connection_that_the_server_ended_is_replaced)
{
    char terminate[64];
    start(1);
    make_terminate(terminate, sizeof terminate);
    pg_sql(terminate);
    lab_run_ms(&r, 50); /* seen while idle */
    make_terminate(terminate, sizeof terminate);
    ck_assert_uint_eq(r.fault.opened, 2);

    struct answer a;
    lab_submit(&r, &a, REDW_QUERY("select pg_sleep(61)"));
    lab_run_until_active(&r, "select pg_sleep(61)");
    pg_sql(terminate);
    ck_assert(lab_wait(&r, &a.calls, 1));
    ck_assert_int_eq(redw_error_class(answer_error(&a)), REDW_CLASS_CONNECTION_FAILED);
    ck_assert_int_eq(redw_error_outcome(answer_error(&a)), REDW_OUTCOME_UNKNOWN);
    ck_assert_str_eq(redw_error_sqlstate(answer_error(&a)), "57P01");
    answer_release(&a);
    must_answer(REDW_QUERY("select 3"), "3");
    finish();
}
END_TEST

START_TEST(idle_connections_do_not_keep_the_loop_running_and_work_does)
{
    struct answer a;
    start(2);
    lab_submit(&r, &a, REDW_QUERY("select 1"));
    ev_run(r.loop, 0); /* returns when the answer was given */
    answer_must_succeed(&a);
    answer_release(&a);
    ev_run(r.loop, 0); /* at once */
    finish();
}
END_TEST

START_TEST(several_clients_share_a_loop)
{
    enum { CLIENTS = 5, EACH = 20 };
    struct answer a[CLIENTS][EACH];
    redw_client *c[CLIENTS];
    lab_open(&r);
    for (int k = 0; k < CLIENTS; k++) {
        lab_pool(&r, pg_server()->uri, pg_server()->password, 2);
        c[k] = r.client;
        for (int i = 0; i < EACH; i++)
            lab_submit(&r, &a[k][i], REDW_QUERY("select $1", redw_p_int32(k * EACH + i)));
    }
    for (int k = 0; k < CLIENTS; k++)
        for (int i = 0; i < EACH; i++) {
            ck_assert(lab_wait(&r, &a[k][i].calls, 1));
            ck_assert_int_eq(atoi(answer_text(&a[k][i])), k * EACH + i);
            answer_release(&a[k][i]);
        }
    for (int k = 0; k < CLIENTS; k++)
        redw_client_destroy(c[k]);
    r.client = NULL;
    finish();
}
END_TEST

/* --- streams ------------------------------------------------------------------------------------------- */

struct flow {
    redw_client *client;
    redw_id id;
    unsigned columns, batches, done;
    int64_t next;          /* the value the next row must have */
    int64_t pause_every;   /* rows; 0: never */
    int64_t stop_at;       /* rows; 0: never */
    bool resume_inside;    /* before the pause is returned */
    unsigned pauses;
    int code;
    uint64_t counted;
};

static enum redw_flow flow_columns(const redw_result *head, void *ctx)
{
    struct flow *f = ctx;
    f->columns++;
    ck_assert_uint_eq(f->batches, 0);
    ck_assert_uint_eq(redw_result_column_count(head), 2);
    return REDW_MORE;
}

static enum redw_flow flow_rows(redw_rows *rows, void *ctx)
{
    struct flow *f = ctx;
    redw_row row;
    int64_t n;
    f->batches++;
    ck_assert_uint_eq(f->columns, 1);
    while (redw_rows_next(rows, &row)) {
        ck_assert_int_eq(redw_row_int64(&row, 0, &n), REDW_OK);
        ck_assert_int_eq(n, f->next);
        f->next++;
        if (f->stop_at > 0 && n + 1 == f->stop_at)
            return REDW_STOP;
        if (f->pause_every > 0 && (n + 1) % f->pause_every == 0) {
            f->pauses++;
            if (f->resume_inside)
                ck_assert_int_eq(redw_resume(f->client, f->id), 0);
            return REDW_PAUSE; /* with rows of this batch left: they come again */
        }
    }
    return REDW_MORE;
}

static void flow_done(const redw_result *res, void *ctx)
{
    struct flow *f = ctx;
    f->done++;
    f->code = redw_error_code(redw_result_error(res));
    f->counted = redw_result_row_count(res);
    ck_assert(!redw_result_first(res, &(redw_row){0}));
}

static const struct redw_stream_handler flow = {
    .size = sizeof flow, .on_columns = flow_columns, .on_rows = flow_rows, .on_done = flow_done};
#define SERIES "select g::int8, repeat('x', (g % 100)::int) from generate_series(0, 49999) g"

static void flow_start(struct flow *f, const char *sql, enum redw_wire wire)
{
    f->client = r.client;
    f->id = redw_stream(r.client, REDW_REQUEST(.sql = sql, .wire = wire), &flow, f);
    ck_assert_int_gt(f->id, 0);
}

START_TEST(a_stream_brings_every_row_once_and_in_order)
{
    start(1);
    for (int wire = REDW_WIRE_TEXT; wire <= REDW_WIRE_BINARY; wire++) {
        struct flow f = {0};
        flow_start(&f, SERIES, (enum redw_wire)wire);
        ck_assert(lab_wait(&r, &f.done, 1));
        ck_assert_int_eq(f.code, REDW_OK);
        ck_assert_int_eq(f.next, 50000);
        ck_assert_uint_eq(f.counted, 50000);
        ck_assert_uint_gt(f.batches, 1);
        ck_assert_uint_lt(f.batches, 5000); /* batches, not rows one by one */
    }
    finish();
}
END_TEST

START_TEST(a_paused_stream_waits_and_loses_no_row)
{
    start(1);
    struct flow f = {.pause_every = 7001};
    flow_start(&f, SERIES, REDW_WIRE_TEXT);
    for (unsigned k = 1; k <= 7; k++) {
        ck_assert(lab_wait(&r, &f.pauses, k));
        int64_t at = f.next;
        lab_run_ms(&r, 20);
        ck_assert_int_eq(f.next, at);
        ck_assert_int_eq(redw_resume(r.client, f.id), 0);
        ck_assert_int_eq(f.next, at); /* never from inside */
        ck_assert_int_eq(redw_resume(r.client, f.id), 0);
    }
    ck_assert(lab_wait(&r, &f.done, 1));
    ck_assert_int_eq(f.code, REDW_OK);
    ck_assert_int_eq(f.next, 50000);
    ck_assert_int_eq(redw_resume(r.client, f.id), REDW_ENOENT);

    f = (struct flow){.pause_every = 100, .resume_inside = true};
    flow_start(&f, SERIES, REDW_WIRE_BINARY);
    ck_assert(lab_wait(&r, &f.done, 1));
    ck_assert_int_eq(f.next, 50000);
    ck_assert_uint_eq(f.pauses, 500);
    finish();
}
END_TEST

START_TEST(a_paused_stream_stops_reading_and_memory_stays_flat)
{
    start(1);
    struct flow f = {.pause_every = 10};
    uint64_t base = r.fault.live_bytes;
    flow_start(&f, "select g::int8, repeat('y', 1000) from generate_series(0, 199999) g", REDW_WIRE_TEXT);
    ck_assert(lab_wait(&r, &f.pauses, 1));
    lab_run_ms(&r, 200); /* 200 MB wait on the other side */
    ck_assert_uint_lt(r.fault.peak_bytes - base, 2 << 20);
    f.pause_every = 0;
    ck_assert_int_eq(redw_resume(r.client, f.id), 0);
    ck_assert(lab_wait(&r, &f.done, 1));
    ck_assert_int_eq(f.next, 200000);
    ck_assert_uint_lt(r.fault.peak_bytes - base, 2 << 20);
    finish();
}
END_TEST

START_TEST(a_stopped_stream_cancels_its_statement_and_its_connection_serves_again)
{
    start(1);
    struct flow f = {.stop_at = 100};
    flow_start(&f, "select g::int8, repeat('z', 1000) from generate_series(0, 9999999) g", REDW_WIRE_TEXT);
    ck_assert(lab_wait(&r, &f.done, 1));
    ck_assert_int_eq(f.code, REDW_ECANCELLED);
    ck_assert_int_eq(f.next, 100);
    must_answer(REDW_QUERY("select 1"), "1");
    lab_run_ms(&r, 50);
    ck_assert_uint_le(r.fault.opened, 2); /* the session, and the side connection of the cancel */
    finish();
}
END_TEST

static enum redw_flow take_none(redw_rows *rows, void *ctx)
{
    (void)rows;
    ++*(unsigned *)ctx;
    return REDW_MORE;
}

static void code_done(const redw_result *res, void *ctx)
{
    (void)ctx;
    ck_assert_int_eq(redw_error_code(redw_result_error(res)), REDW_EINVAL);
    ended++;
}

START_TEST(going_on_with_rows_not_taken_is_an_error_never_a_skip)
{
    const struct redw_stream_handler h = {.size = sizeof h, .on_rows = take_none, .on_done = code_done};
    unsigned batches = 0;
    start(1);
    ended = 0;
    ck_assert_int_gt(redw_stream(r.client, REDW_QUERY("select 1"), &h, &batches), 0);
    ck_assert(lab_wait(&r, &ended, 1));
    ck_assert_uint_eq(batches, 1);
    must_answer(REDW_QUERY("select 1"), "1");
    finish();
}
END_TEST

START_TEST(a_stream_without_rows_and_one_that_fails_half_way)
{
    start(1);
    struct flow f = {0};
    flow_start(&f, "select 1::int8, 2 where false", REDW_WIRE_TEXT);
    ck_assert(lab_wait(&r, &f.done, 1));
    ck_assert_int_eq(f.code, REDW_OK);
    ck_assert_uint_eq(f.columns, 1);
    ck_assert_uint_eq(f.batches, 0);
    f = (struct flow){0};
    flow_start(&f, "select g::int8, 1 / (30000 - g) from generate_series(0, 50000) g", REDW_WIRE_TEXT);
    ck_assert(lab_wait(&r, &f.done, 1));
    ck_assert_int_eq(f.code, REDW_ESERVER);
    ck_assert_int_eq(f.next, 30000);
    must_answer(REDW_QUERY("select 1"), "1");
    finish();
}
END_TEST

/* --- giving up ----------------------------------------------------------------------------------------- */

/* K05 */
START_TEST(a_running_statement_is_cancelled_on_the_server)
{
    struct answer a;
    start(1);
    lab_submit(&r, &a, REDW_QUERY("select pg_sleep(62)"));
    lab_run_until_active(&r, "select pg_sleep(62)");
    double since = ev_time();
    ck_assert_int_eq(redw_cancel(r.client, a.id), 0);
    ck_assert_uint_eq(a.calls, 0); /* later, from the loop */
    ck_assert_int_eq(redw_cancel(r.client, a.id), 0);
    ck_assert(lab_wait(&r, &a.calls, 1));
    ck_assert_double_lt(ev_time() - since, 20);
    const redw_error *e = answer_error(&a);
    ck_assert_int_eq(redw_error_class(e), REDW_CLASS_QUERY_CANCELLED);
    ck_assert_int_eq(redw_error_outcome(e), REDW_OUTCOME_NOT_EXECUTED);
    ck_assert_str_eq(redw_error_sqlstate(e), "57014");
    answer_release(&a);
    ck_assert_int_eq(redw_cancel(r.client, a.id), REDW_ENOENT);
    /* The same connection goes on, and the cancel hits nothing else. */
    for (int i = 0; i < 20; i++)
        must_answer(REDW_QUERY("select 1"), "1");
    ck_assert_uint_eq(r.fault.opened, 2);
    finish();
}
END_TEST

START_TEST(a_waiting_request_is_cancelled_at_once_and_unsent)
{
    struct answer first, second;
    start(1);
    must_answer(REDW_QUERY("select 1"), "1");
    lab_submit(&r, &first, REDW_QUERY("select 'first' from pg_sleep(0.6)"));
    lab_submit(&r, &second, REDW_QUERY("select 'second'"));
    lab_run_ms(&r, 20);
    ck_assert_int_eq(redw_cancel(r.client, second.id), 0);
    ck_assert_uint_eq(second.calls, 0);
    ck_assert(lab_wait(&r, &second.calls, 1));
    ck_assert_uint_eq(first.calls, 0);
    ck_assert_int_eq(redw_error_code(answer_error(&second)), REDW_ECANCELLED);
    ck_assert_int_eq(redw_error_class(answer_error(&second)), REDW_CLASS_QUERY_CANCELLED);
    ck_assert_int_eq(redw_error_outcome(answer_error(&second)), REDW_OUTCOME_NOT_SENT);
    ck_assert(lab_wait(&r, &first.calls, 1));
    ck_assert_str_eq(answer_text(&first), "first");
    answer_release(&first);
    answer_release(&second);
    finish();
}
END_TEST

START_TEST(a_forgotten_request_is_never_heard_of_again)
{
    struct answer *a = malloc(sizeof *a), *b = malloc(sizeof *b);
    start(1);
    must_answer(REDW_QUERY("select 1"), "1");
    lab_submit(&r, a, REDW_QUERY("select pg_sleep(63)"));
    lab_submit(&r, b, REDW_QUERY("select 1"));
    lab_run_until_active(&r, "select pg_sleep(63)");
    redw_id id = a->id;
    ck_assert_int_eq(redw_forget(r.client, a->id), 0);
    ck_assert_int_eq(redw_forget(r.client, b->id), 0);
    free(a); /* its context is the caller's again: a late callback is a use after free */
    free(b);
    ck_assert_int_eq(redw_forget(r.client, id), REDW_ENOENT);
    double since = ev_time();
    must_answer(REDW_QUERY("select 2"), "2");
    ck_assert_double_lt(ev_time() - since, 20); /* the statement was cancelled, not waited for */
    finish();
}
END_TEST

/* D12 */
START_TEST(a_deadline_ends_a_running_statement_and_a_waiting_one)
{
    struct answer a, b;
    start(1);
    must_answer(REDW_QUERY("select 1"), "1");
    lab_submit(&r, &a, REDW_REQUEST(.sql = "select pg_sleep(64)", .timeout_ms = 600));
    lab_submit(&r, &b, REDW_REQUEST(.sql = "select 1", .deadline_ms = redw_client_now_ms(r.client) + 100));
    double since = ev_time();
    ck_assert(lab_wait(&r, &b.calls, 1));
    ck_assert_double_ge(ev_time() - since, 0.09);
    ck_assert_uint_eq(a.calls, 0);
    ck_assert_int_eq(redw_error_class(answer_error(&b)), REDW_CLASS_QUERY_TIMEOUT);
    ck_assert_int_eq(redw_error_code(answer_error(&b)), REDW_ETIMEDOUT);
    ck_assert_int_eq(redw_error_outcome(answer_error(&b)), REDW_OUTCOME_NOT_SENT);
    ck_assert(lab_wait(&r, &a.calls, 1));
    ck_assert_double_ge(ev_time() - since, 0.59);
    ck_assert_int_eq(redw_error_class(answer_error(&a)), REDW_CLASS_QUERY_TIMEOUT);
    ck_assert_int_eq(redw_error_code(answer_error(&a)), REDW_ETIMEDOUT);
    answer_release(&a);
    answer_release(&b);
    must_answer(REDW_QUERY("select 1"), "1");
    finish();
}
END_TEST

/* --- the end ------------------------------------------------------------------------------------------- */

static unsigned closed_calls, calls_at_close;
static struct answer *watched;
static void on_closed(void *ctx)
{
    (void)ctx;
    closed_calls++;
    calls_at_close = watched[0].calls + watched[1].calls;
}

START_TEST(closing_lets_accepted_work_end_and_refuses_new_work)
{
    struct answer a[2], late;
    start(1);
    watched = a;
    lab_submit(&r, &a[0], REDW_QUERY("select 'a' from pg_sleep(0.1)"));
    lab_submit(&r, &a[1], REDW_QUERY("select 'b'"));
    closed_calls = 0;
    redw_client_close(r.client, 10000, on_closed, NULL);
    lab_submit(&r, &late, REDW_QUERY("select 1"));
    ck_assert_int_eq((int)late.id, REDW_ECLOSED);
    ck_assert_uint_eq(closed_calls, 0);
    ck_assert(lab_wait(&r, &closed_calls, 1));
    ck_assert_uint_eq(calls_at_close, 2); /* last of all callbacks */
    ck_assert_str_eq(answer_text(&a[0]), "a");
    ck_assert_str_eq(answer_text(&a[1]), "b");
    answer_release(&a[0]);
    answer_release(&a[1]);
    ck_assert_uint_eq(r.fault.opened, r.fault.closed);
    finish();
    ck_assert_uint_eq(closed_calls, 1);
}
END_TEST

START_TEST(a_drain_that_ends_gives_up_what_is_left)
{
    struct answer a[2];
    start(1);
    watched = a;
    lab_submit(&r, &a[0], REDW_QUERY("select pg_sleep(65)"));
    lab_submit(&r, &a[1], REDW_QUERY("select 1"));
    lab_run_until_active(&r, "select pg_sleep(65)");
    closed_calls = 0;
    redw_client_close(r.client, REDW_NONE, NULL, NULL);
    redw_client_close(r.client, 100, on_closed, NULL); /* shortens */
    double since = ev_time();
    ck_assert(lab_wait(&r, &closed_calls, 1));
    ck_assert_double_lt(ev_time() - since, 20);
    ck_assert_uint_eq(calls_at_close, 2);
    ck_assert_int_eq(redw_error_class(answer_error(&a[0])), REDW_CLASS_CLOSED);
    ck_assert_int_eq(redw_error_class(answer_error(&a[1])), REDW_CLASS_CLOSED);
    ck_assert_int_eq(redw_error_outcome(answer_error(&a[1])), REDW_OUTCOME_NOT_SENT);
    answer_release(&a[0]);
    answer_release(&a[1]);
    finish();
}
END_TEST

START_TEST(destroying_ends_everything_before_it_returns)
{
    struct answer a[2];
    start(1);
    watched = a;
    lab_submit(&r, &a[0], REDW_QUERY("select pg_sleep(66)"));
    lab_submit(&r, &a[1], REDW_QUERY("select 1"));
    lab_run_until_active(&r, "select pg_sleep(66)");
    closed_calls = 0;
    redw_client_close(r.client, REDW_NONE, on_closed, NULL);
    redw_client_destroy(r.client);
    r.client = NULL;
    ck_assert_uint_eq(closed_calls, 1);
    ck_assert_uint_eq(calls_at_close, 2);
    ck_assert_int_eq(redw_error_class(answer_error(&a[0])), REDW_CLASS_CLOSED);
    ck_assert_int_eq(redw_error_outcome(answer_error(&a[0])), REDW_OUTCOME_UNKNOWN);
    ck_assert_int_eq(redw_error_outcome(answer_error(&a[1])), REDW_OUTCOME_NOT_SENT);
    answer_release(&a[0]); /* kept results outlive the client */
    answer_release(&a[1]);
    finish();
}
END_TEST

/* O03 */
START_TEST(results_kept_outlive_the_client)
{
    start(1);
    struct answer a = lab_query(&r, REDW_QUERY("select repeat('k', 100000)"));
    redw_client_destroy(r.client);
    r.client = NULL;
    ck_assert_uint_eq(strlen(answer_text(&a)), 100000);
    redw_result *again = redw_result_keep(a.res);
    answer_release(&a);
    redw_result_release(again);
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
    tcase_add_test(t, ten_requests_run_on_ten_connections_at_once);
    tcase_add_test(t, one_connection_serves_in_the_order_of_submission);
    tcase_add_test(t, a_full_queue_refuses_and_forgets_nothing_it_accepted);
    tcase_add_test(t, a_transaction_left_open_ends_with_its_connection);
    tcase_add_test(t, a_connection_that_the_server_ended_is_replaced);
    tcase_add_test(t, idle_connections_do_not_keep_the_loop_running_and_work_does);
    tcase_add_test(t, several_clients_share_a_loop);
    tcase_add_test(t, a_stream_brings_every_row_once_and_in_order);
    tcase_add_test(t, a_paused_stream_waits_and_loses_no_row);
    tcase_add_test(t, a_paused_stream_stops_reading_and_memory_stays_flat);
    tcase_add_test(t, a_stopped_stream_cancels_its_statement_and_its_connection_serves_again);
    tcase_add_test(t, going_on_with_rows_not_taken_is_an_error_never_a_skip);
    tcase_add_test(t, a_stream_without_rows_and_one_that_fails_half_way);
    tcase_add_test(t, a_running_statement_is_cancelled_on_the_server);
    tcase_add_test(t, a_waiting_request_is_cancelled_at_once_and_unsent);
    tcase_add_test(t, a_forgotten_request_is_never_heard_of_again);
    tcase_add_test(t, a_deadline_ends_a_running_statement_and_a_waiting_one);
    tcase_add_test(t, closing_lets_accepted_work_end_and_refuses_new_work);
    tcase_add_test(t, a_drain_that_ends_gives_up_what_is_left);
    tcase_add_test(t, destroying_ends_everything_before_it_returns);
    tcase_add_test(t, results_kept_outlive_the_client);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
