/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests over connections that the test plays and a session that only keeps what was written
 * (request_stage.h): what is refused, what is sent, what is gathered and reported, what an error proves.
 */
#include "query/request_stage.h"
#include "wire/cursor.h"
#include "wire/fe_read.h"

START_TEST(wrong_requests_are_refused_with_words)
{
    struct {
        struct redw_request rq;
        uint64_t newer;
    } big = {.rq = {.size = sizeof big, .sql = "select 1"}};
    struct redw_request old = {
        .size = offsetof(struct redw_request, sql_len), .sql = "select 1", .sql_len = 3000};
    static const redw_param none[1];
    char *huge = malloc(((size_t)16 << 20) + 2);

    ck_assert_ptr_nonnull(huge);
    memset(huge, ' ', ((size_t)16 << 20) + 1);
    huge[((size_t)16 << 20) + 1] = '\0';
    refused(submit(NULL), REDW_EINVAL, "request");
    refused(redw_submit(client, REDW_QUERY("select 1"), NULL, NULL), REDW_EINVAL, "fn");
    refused(submit(REDW_REQUEST(.sql = NULL)), REDW_EINVAL, "sql");
    refused(submit(REDW_REQUEST(.sql = "a\0b", .sql_len = 3)), REDW_EINVAL, "sql");
    refused(submit(REDW_REQUEST(.sql = "a\xff")), REDW_EINVAL, "sql");
    refused(submit(REDW_REQUEST(.sql = huge)), REDW_EINVAL, "16777216");
    refused(submit(REDW_REQUEST(.sql = "x", .nparams = 1)), REDW_EINVAL, "params");
    refused(submit(REDW_REQUEST(.sql = "x", .params = none, .nparams = 32768)), REDW_EINVAL, "32767");
    refused(submit(REDW_QUERY("x", redw_p_int32(1), redw_p_text("a\xff"))), REDW_EINVAL, "parameter $2");
    refused(submit(REDW_REQUEST(.sql = "x", .wire = (enum redw_wire)3)), REDW_EINVAL, "wire");
    big.newer = 1;
    refused(submit(&big.rq), REDW_EINVAL, "size");
    big.rq.size = 8;
    refused(submit(&big.rq), REDW_EINVAL, "size");
    ck_assert_int_eq(vloop_holds(loop), 0); /* nothing was accepted */

    huge[(size_t)16 << 20] = '\0';
    ck_assert_int_gt(submit(REDW_REQUEST(.sql = huge)), 0);
    free(huge);
    refused(submit(REDW_QUERY("x")), REDW_EFULL, "queue_max");
    ck_assert_int_eq(redw_forget(client, 1), 0);
    big.rq.size = sizeof big;
    big.newer = 0;
    ck_assert_int_gt(submit(&big.rq), 0);
    ck_assert_int_eq(redw_forget(client, 2), 0);
    ck_assert_int_gt(submit(&old), 0); /* an older caller's struct: what it lacks is not looked at */
    redw_client_close(client, REDW_NONE, NULL, NULL);
    refused(submit(REDW_QUERY("x")), REDW_ECLOSED, "closing");
}
END_TEST

START_TEST(wrong_handlers_are_refused_with_words)
{
    struct redw_stream_handler h = {.size = sizeof h, .on_done = on_done};

    refused(redw_stream(client, REDW_QUERY("x"), NULL, NULL), REDW_EINVAL, "handler");
    refused(redw_stream(client, REDW_QUERY("x"), &h, NULL), REDW_EINVAL, "on_rows");
    h.size--;
    refused(redw_stream(client, REDW_QUERY("x"), &h, NULL), REDW_EINVAL, "handler");
}
END_TEST

/* --- what is sent --- */

/* The next message of the unit; *type 0 at the end. */
static const uint8_t *message(size_t *at, char *type, size_t *len)
{
    const uint8_t *p = redwi_buf_front(&unit) + *at;

    *type = *at < redwi_buf_len(&unit) ? (char)*p : 0;
    if (!*type)
        return NULL;
    *len = redwi_load32(p + 1) - 4;
    *at += *len + 5;
    return p + 5;
}

/* D03 */
START_TEST(a_statement_is_sent_as_parse_bind_describe_execute)
{
    struct redwi_parse_msg parse;
    struct redwi_bind_msg bind;
    redw_slice name;
    size_t at = 0, len;
    uint32_t max_rows;
    char type, what, sql[] = "select $1, $2, $3";

    ck_assert_int_gt(
        submit(REDW_REQUEST(.sql = sql, .wire = REDW_WIRE_BINARY,
                            REDW_PARAMS(redw_p_int64(7), redw_p_text("x"), redw_p_null(0)))),
        0);
    memset(sql, '!', sizeof sql - 1); /* it was copied */
    struct fake *f = go();
    ck_assert_ptr_eq(unit_tag, redwi_conn_job(&f->conn));
    ck_assert_uint_eq(unit_sent,
                      REDWI_SENT_PARSE | REDWI_SENT_BIND | REDWI_SENT_DESCRIBE | REDWI_SENT_EXECUTE);
    ck_assert_int_eq(unit_on_error, REDW_OUTCOME_NOT_EXECUTED);

    const uint8_t *body = message(&at, &type, &len);
    ck_assert_int_eq(type, 'P');
    ck_assert(redwi_fe_read_parse(body, len, &parse));
    ck_assert_uint_eq(parse.statement.len, 0);
    ck_assert_uint_eq(parse.sql.len, strlen("select $1, $2, $3"));
    ck_assert_mem_eq(parse.sql.ptr, "select $1, $2, $3", parse.sql.len);
    ck_assert_uint_eq(parse.noids, 3);
    body = message(&at, &type, &len);
    ck_assert_int_eq(type, 'B');
    ck_assert(redwi_fe_read_bind(body, len, &bind));
    ck_assert_uint_eq(bind.nvalues, 3);
    body = message(&at, &type, &len);
    ck_assert_int_eq(type, 'D');
    ck_assert(redwi_fe_read_describe(body, len, &what, &name));
    ck_assert_int_eq(what, 'P');
    body = message(&at, &type, &len);
    ck_assert_int_eq(type, 'E');
    ck_assert(redwi_fe_read_execute(body, len, &name, &max_rows));
    ck_assert_uint_eq(max_rows, 0);
    ck_assert_ptr_null(message(&at, &type, &len)); /* Sync is the session's */
    fake_end(f, NULL);
    ck_assert_uint_eq(dones, 1);
}
END_TEST

/* D03: A NUMERIC, and the format rows are asked for in: by the server, not by the value (design H13). */
START_TEST(values_take_the_form_of_the_server)
{
    static const struct {
        const char *says; /* server_protocol_version; NULL: not Redshift */
        bool binary_param;
        uint16_t result_format;
    } rows[] = {{NULL, true, 1}, {"", false, 0}, {"0", false, 0}, {"1", false, 0},
                {"2", false, 1}, {"3", false, 1}, {"later", false, 0}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct redwi_bind_msg bind;
        redw_slice value;
        size_t at = 0, len;
        char type;

        redshift = rows[i].says;
        ck_assert_int_gt(submit(REDW_REQUEST(.sql = "select $1", .wire = REDW_WIRE_BINARY,
                                             REDW_PARAMS(redw_p_decimal_text("12.30")))),
                         0);
        struct fake *f = go();
        message(&at, &type, &len);
        const uint8_t *body = message(&at, &type, &len);
        ck_assert_int_eq(type, 'B');
        ck_assert(redwi_fe_read_bind(body, len, &bind));
        ck_assert_uint_eq(bind.nvalues, 1);
        value = redwi_cursor_value(&bind.values);
        ck_assert_int_eq(value.len == 12, rows[i].binary_param);
        ck_assert(rows[i].binary_param || (value.len == 5 && memcmp(value.ptr, "12.30", 5) == 0));
        ck_assert_uint_eq(redwi_load16(body + len - 2), rows[i].result_format);
        fake_end(f, NULL);
    }
    redshift = NULL;
    ck_assert_uint_eq(dones, sizeof rows / sizeof *rows);
}
END_TEST

START_TEST(a_unit_that_cannot_be_written_is_reported_not_sent)
{
    static const int codes[] = {REDW_ENOMEM, REDW_EFULL};

    for (int i = 0; i < 2; i++) {
        unit_rc = codes[i];
        ck_assert_int_gt(submit(REDW_QUERY("select 1")), 0);
        vloop_settle(loop);
        if (i == 0)
            fake_ready(fakes[0]);
        vloop_settle(loop);
        ck_assert(failed_as(codes[i], i ? REDW_CLASS_RESOURCE_BUSY : REDW_CLASS_OUT_OF_MEMORY,
                            REDW_OUTCOME_NOT_SENT));
        ck_assert_uint_eq(fakes[0]->starts, 0);
    }
    ck_assert_uint_eq(dones, 2);
}
END_TEST

/* --- what is gathered --- */

START_TEST(rows_are_gathered_and_reported_with_tag_and_time)
{
    redw_row row;

    ck_assert_int_gt(submit(REDW_QUERY("select n")), 0);
    struct fake *f = go();
    describe(f);
    write_rows(0, 1000);
    /* Whole messages are taken, the rest waits: here and there cut in the middle of one. */
    const uint8_t *p = redwi_buf_front(&rows_wire);
    size_t left = redwi_buf_len(&rows_wire), cut = 1;
    while (left > 0) {
        size_t n = cut < left ? cut : left, taken = fake_rows(f, p, n);
        ck_assert_uint_le(taken, n);
        cut = taken > 0 ? 1 + (cut * 7) % 997 : n + 5;
        p += taken;
        left -= taken;
    }
    vloop_advance(loop, 1234 * MS);
    end_with_tag(f, "SELECT 1000");
    ck_assert_uint_eq(dones, 1);
    ck_assert_ptr_null(redw_result_error(last));
    ck_assert_uint_eq(redw_result_row_count(last), 1000);
    ck_assert_str_eq(redw_result_tag(last), "SELECT 1000");
    ck_assert_int_eq(redw_result_affected(last), 1000);
    ck_assert_int_eq(redw_result_elapsed_us(last), 1234 * MS);
    redw_rows rows = redw_result_rows(last);
    for (int i = 0; i < 1000; i++) {
        if (!redw_rows_next(&rows, &row) || atoi(row.cells[0].ptr) != i)
            ck_abort();
    }
}
END_TEST

/* D13 */
START_TEST(bounds_end_the_request_and_cancel_the_statement)
{
    ck_assert_int_gt(submit(REDW_REQUEST(.sql = "select n", .max_rows = 3)), 0);
    struct fake *f = go();
    describe(f);
    write_rows(0, 3);
    give(f);
    ck_assert_uint_eq(dones, 0); /* as many as allowed are allowed */
    write_rows(3, 4);
    give(f);
    ck_assert(failed_as(REDW_EFULL, REDW_CLASS_RESOURCE_BUSY, REDW_OUTCOME_UNKNOWN));
    ck_assert_uint_eq(redw_result_row_count(last), 3);
    ck_assert_int_eq(f->conn.state, REDWI_CONN_DRAINING);
    ck_assert_ptr_eq(fakes[1]->config.cancels, &f->conn);
    fake_end(f, NULL);
    fake_side_done(fakes[1]);

    ck_assert_int_gt(submit(REDW_REQUEST(.sql = "select n", .max_bytes = 5000)), 0);
    f = go();
    describe(f);
    write_rows(0, 1000);
    give(f);
    ck_assert(failed_as(REDW_EFULL, REDW_CLASS_RESOURCE_BUSY, REDW_OUTCOME_UNKNOWN));
    ck_assert_uint_gt(redw_result_row_count(last), 20);
    ck_assert_uint_eq(dones, 2);
}
END_TEST

START_TEST(a_malformed_row_is_told_to_the_connection)
{
    ck_assert_int_gt(submit(REDW_QUERY("select n")), 0);
    struct fake *f = go();
    describe(f);
    write_rows(0, 2);
    rows_wire.data[rows_wire.head + 6] = 9; /* nine columns */
    ck_assert_uint_eq(give(f), SIZE_MAX);
    ck_assert_uint_eq(dones, 0);
}
END_TEST

START_TEST(the_earlier_of_timeout_and_deadline_counts)
{
    static const struct {
        uint32_t timeout_ms;
        int64_t deadline_in_ms; /* 0: none */
        int64_t fires_ms;       /* -1: never */
    } table[] = {
        {0, 0, 60000},      {100, 0, 100},       {100, 50, 50},
        {50, 100, 50},      {REDW_NONE, 70, 70}, {0, 70, 70},
        {REDW_NONE, 0, -1}, {0, 100000, 60000},  {100, INT64_MIN / 2, 0},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int64_t deadline =
            table[i].deadline_in_ms ? redw_client_now_ms(client) + table[i].deadline_in_ms : 0;
        dones = 0;
        redw_id id =
            submit(REDW_REQUEST(.sql = "x", .timeout_ms = table[i].timeout_ms, .deadline_ms = deadline));
        ck_assert_int_gt(id, 0);
        if (table[i].fires_ms > 0) {
            vloop_advance(loop, table[i].fires_ms * MS - 1);
            ck_assert_uint_eq(dones, 0);
            vloop_advance(loop, 1);
        } else {
            vloop_advance(loop, table[i].fires_ms == 0 ? 0 : INT64_C(3600000) * MS);
        }
        ck_assert_uint_eq(dones, table[i].fires_ms >= 0);
        if (table[i].fires_ms < 0)
            ck_assert_int_eq(redw_forget(client, id), 0);
        else
            ck_assert(failed_as(REDW_ETIMEDOUT, REDW_CLASS_QUERY_TIMEOUT, REDW_OUTCOME_NOT_SENT));
    }
}
END_TEST

/* --- what an error proves --- */

START_TEST(an_error_proves_that_a_statement_had_no_effect_unless_it_commits_on_the_way)
{
    static const struct {
        const char *sql;
        enum redw_outcome outcome;
    } table[] = {
#define YES REDW_OUTCOME_NOT_EXECUTED
#define NO  REDW_OUTCOME_UNKNOWN
        {"", YES},
        {"   ", YES},
        {";", YES},
        {"select 1", YES},
        {"insert into t values (1)", YES},
        {"with x as (select 1) delete from t", YES},
        {"copy t from 's3://b'", YES},
        {"drop table t", YES},
        {"call p()", NO},
        {"CALL p()", NO},
        {"Call", NO},
        {"callx p()", YES},
        {"call_me()", YES},
        {"\"call\" p", YES},
        {"  \t\r\n\f\vcall p()", NO},
        {"-- select\ncall p()", NO},
        {"-- call p()\nselect 1", YES},
        {"--", YES},
        {"-- call", YES},
        {"/* a */ call p()", NO},
        {"/* a /* b */ c */ call p()", NO},
        {"/* a /* b */ call */ select 1", YES},
        {"/*/ call p() */ select 1", YES},
        {"/**/call p()", NO},
        {"/* call p()", YES},
        {"/* /* call p() */", YES},
        {"/*", YES},
        {"/", YES},
        {"- -call", YES},
        {"--x\r\n--y\n/* z */-- w\nUNLOAD ('select 1') to 's3://b'", NO},
        {"vacuum full t", NO},
        {"truncate t", NO},
        {"TRUNCATE\nt", NO},
        {"analyze", NO},
        {"reindex table t", NO},
        {"cluster", NO},
        {"do $$ begin end $$", NO},
        {"double precision", YES},
        {"alter table t append from s", NO},
        {"ALTER TABLE a.b APPEND FROM c.d", NO},
        {"alter /* x */ table \"t t\" -- y\n append from s", NO},
        {"alter table t add column append_x int", YES},
        {"alter table \"append\" add column x int", YES},
        {"alter table t alter column c set default 'append'", YES},
        {"alter table t", YES},
        {"alter user append", YES},
        {"alter", YES},
#undef YES
#undef NO
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        size_t n = strlen(table[i].sql);
        char *exact = malloc(n ? n : 1); /* so that ASan sees a look behind the end */
        memcpy(exact, table[i].sql, n);
        ck_assert_msg(redwi_request_error_proves(exact, n) == table[i].outcome, "%s", table[i].sql);
        free(exact);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("request");
    TCase *t = tcase_create("request");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, wrong_requests_are_refused_with_words);
    tcase_add_test(t, wrong_handlers_are_refused_with_words);
    tcase_add_test(t, a_statement_is_sent_as_parse_bind_describe_execute);
    tcase_add_test(t, values_take_the_form_of_the_server);
    tcase_add_test(t, a_unit_that_cannot_be_written_is_reported_not_sent);
    tcase_add_test(t, rows_are_gathered_and_reported_with_tag_and_time);
    tcase_add_test(t, bounds_end_the_request_and_cancel_the_statement);
    tcase_add_test(t, a_malformed_row_is_told_to_the_connection);
    tcase_add_test(t, the_earlier_of_timeout_and_deadline_counts);
    tcase_add_test(t, an_error_proves_that_a_statement_had_no_effect_unless_it_commits_on_the_way);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
