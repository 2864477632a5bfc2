/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests and streams over connections that the test plays (pool/fake_conn.h) and a session that only
 * keeps what was written: what is refused, what is sent, what handlers may do, what is reported.
 */
#include "pool/fake_conn.h"
#include "query/request.h"
#include "support/loop_virtual.h"
#include "wire/be_read.h"
#include "wire/be_write.h"
#include "wire/cursor.h"
#include "wire/fe_read.h"
#include "wire/fe_write.h"

#include <stdio.h>

#define MS INT64_C(1000)

/* --- the session: what was written --- */

static struct redwi_buf unit;
static int unit_rc;
static void *unit_tag;
static unsigned unit_sent;
static enum redw_outcome unit_on_error;

struct redwi_buf *redwi_session_unit_begin(struct redwi_session *s)
{
    (void)s;
    redwi_buf_take(&unit, redwi_buf_len(&unit));
    return unit_rc == REDW_ENOMEM ? NULL : &unit;
}

/* Requests of one slice only. */
struct redwi_buf *redwi_session_unit_more(struct redwi_session *s, size_t *base)
{
    (void)s, (void)base;
    ck_abort_msg("a unit was written in slices");
}

int redwi_session_unit_end(struct redwi_session *s, void *tag, unsigned sent, enum redw_outcome on_error)
{
    (void)s;
    unit_tag = tag;
    unit_sent = sent;
    unit_on_error = on_error;
    return unit_rc;
}

int redwi_session_unnamed(struct redwi_session *s, void *tag, const char *sql, size_t n, bool binary,
                          enum redw_outcome on_error)
{
    struct redwi_buf *b = redwi_session_unit_begin(s);

    if (!b)
        return REDW_ENOMEM;
    redwi_fe_unnamed(b, sql, n, binary);
    return redwi_session_unit_end(s, tag, REDWI_SENT_UNNAMED, on_error);
}

/* Of streams by cursor and portal, which are tested with a whole server behind them (test_ways.c). */
int redwi_session_query(struct redwi_session *s, void *tag, const char *sql, size_t n, enum redw_outcome on_error)
{
    (void)s, (void)tag, (void)sql, (void)n, (void)on_error;
    ck_abort_msg("a stream of rows sends nothing of its own");
    return REDW_EINVAL;
}

bool redwi_session_take_back(struct redwi_session *s, const void *tag)
{
    (void)s, (void)tag;
    return false;
}

int redwi_session_batch_end(struct redwi_session *s, void *tag, unsigned sent, unsigned again, size_t more,
                            enum redw_outcome on_error)
{
    (void)again;
    ck_assert_uint_eq(more, 0); /* batches are tested with their uses */
    return redwi_session_unit_end(s, tag, sent, on_error);
}

size_t redwi_session_units(const struct redwi_session *s)
{
    (void)s;
    return 0;
}

/* Whose session it is: NULL, PostgreSQL's; else what Redshift says its version is, "" for nothing. */
static const char *redshift;

bool redwi_session_is_redshift(const struct redwi_session *s)
{
    (void)s;
    return redshift;
}

const char *redwi_session_parameter(const struct redwi_session *s, const char *name)
{
    (void)s;
    ck_assert_str_eq(name, "server_protocol_version");
    return *redshift ? redshift : NULL;
}

/* --- the stage --- */

static struct vloop *loop;
static redw_client *client;
static struct {
    size_t out, calls, left;
    bool limited;
} heap;

static void *heap_resize(void *ctx, void *p, size_t n)
{
    (void)ctx;
    if (heap.limited && heap.left == 0)
        return NULL;
    heap.left--;
    heap.calls++;
    heap.out += p == NULL;
    return realloc(p, n);
}

static void *heap_alloc(void *ctx, size_t n)
{
    return heap_resize(ctx, NULL, n);
}

static void heap_release(void *ctx, void *p)
{
    (void)ctx;
    heap.out -= p != NULL;
    free(p);
}

static const struct redw_allocator heap_table = {sizeof heap_table, NULL, heap_alloc, heap_resize,
                                                 heap_release};

static unsigned dones;
static redw_result *last; /* of the last final callback, kept */
static struct redwi_buf rows_wire, columns_wire;

static void on_done(const redw_result *res, void *ctx)
{
    ck_assert_ptr_eq(ctx, &dones);
    ck_assert_ptr_nonnull(res);
    dones++;
    redw_result_release(last);
    last = redw_result_keep(res);
}

static void setup(void)
{
    struct redw_loop table;

    memset(&heap, 0, sizeof heap);
    loop = vloop_create();
    table = vloop_table(loop);
    redwi_buf_init(&unit, &redwi_malloc, (size_t)1 << 26);
    redwi_buf_init(&rows_wire, &redwi_malloc, (size_t)1 << 26);
    redwi_buf_init(&columns_wire, &redwi_malloc, (size_t)1 << 26);
    unit_rc = 0;
    dones = 0;
    ck_assert_int_eq(
        redw_client_create_on(&client, &table,
                              REDW_OPTIONS(.uri = "postgresql://u@h/d?sslmode=disable", .pool_max = 1,
                                           .queue_max = 1, .request_timeout_ms = 60000,
                                           .allocator = &heap_table),
                              NULL),
        0);
}

static void teardown(void)
{
    redw_client_destroy(client);
    redw_result_release(last);
    last = NULL;
    for (unsigned i = 0; i < nfakes; i++)
        ck_assert(fakes[i]->freed);
    fakes_forget();
    redwi_buf_free(&unit);
    redwi_buf_free(&rows_wire);
    redwi_buf_free(&columns_wire);
    ck_assert_uint_eq(heap.out, 0);
    vloop_free(loop);
}

static redw_id submit(const struct redw_request *rq)
{
    return redw_submit(client, rq, on_done, &dones);
}

/* Until the request just submitted is on connection 0. */
static struct fake *go(void)
{
    vloop_settle(loop);
    if (fakes[0]->conn.state == REDWI_CONN_DIALING)
        fake_ready(fakes[0]);
    vloop_settle(loop);
    ck_assert_ptr_nonnull(redwi_conn_job(&fakes[0]->conn));
    return fakes[0];
}

/* A description of one text column "n". */
static void describe(struct fake *f)
{
    struct redwi_field field = {.name = {"n", 1}, .type_oid = 25, .typmod = -1};

    redwi_buf_take(&columns_wire, redwi_buf_len(&columns_wire));
    redwi_be_put_row_description(&columns_wire, &field, 1);
    fake_columns(f, redwi_buf_front(&columns_wire) + 5, redwi_buf_len(&columns_wire) - 5);
}

/* DataRow messages with the numbers from..to-1. */
static void write_rows(int from, int to)
{
    char text[16];

    redwi_buf_take(&rows_wire, redwi_buf_len(&rows_wire));
    for (int i = from; i < to; i++) {
        redw_slice cell = {text, (size_t)snprintf(text, sizeof text, "%d", i)};
        redwi_be_put_data_row(&rows_wire, &cell, 1);
    }
}

static size_t give(struct fake *f)
{
    return fake_rows(f, redwi_buf_front(&rows_wire), redwi_buf_len(&rows_wire));
}

static void end_with_tag(struct fake *f, const char *tag)
{
    redwi_conn_job(&f->conn)->ops->complete(redwi_conn_job(&f->conn), tag, strlen(tag));
    fake_end(f, NULL);
}

static bool failed_as(int code, enum redw_class cls, enum redw_outcome outcome)
{
    const redw_error *e = last ? redw_result_error(last) : NULL;

    return e && redw_error_code(e) == code && redw_error_class(e) == cls &&
           redw_error_outcome(e) == outcome;
}

/* --- what is refused --- */

static void refused(redw_id id, int code, const char *words)
{
    ck_assert_int_eq(id, code);
    ck_assert_msg(strstr(redw_client_why(client), words), "%s", redw_client_why(client));
}

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

/* --- what it allocates --- */

static uint64_t rows_seen;
static const struct redw_column *column_seen;
static const char *sql_seen; /* the request's copy */

static void look_only(const redw_result *res, void *ctx)
{
    (void)ctx;
    rows_seen = redw_result_row_count(res);
    column_seen = redw_result_column(res, 0);
}

/* One whole query of three rows. */
static void ask(const struct redw_request *rq, redw_done_fn *fn)
{
    ck_assert_int_gt(redw_submit(client, rq, fn, &dones), 0);
    struct fake *f = go();
    sql_seen = REDWI_OF(redwi_conn_job(&f->conn), struct redwi_request, job)->sql;
    describe(f);
    write_rows(0, 3);
    give(f);
    end_with_tag(f, "SELECT 3");
    vloop_settle(loop);
}

static void use_serial(uint64_t serial)
{
    fake_serial = serial;
}

START_TEST(a_query_allocates_nothing_in_steady_state)
{
    use_serial(7);
    ask(REDW_QUERY("select n"), look_only);
    heap.calls = 0;
    for (int i = 0; i < 100; i++) {
        ask(REDW_QUERY("select n"), look_only);
        ck_assert_uint_eq(rows_seen, 3);
    }
    ck_assert_uint_eq(heap.calls, 0);
    ask(REDW_QUERY("select $1", redw_p_text("x")), look_only); /* its parameters */
    ck_assert_uint_eq(heap.calls, 1);
    char *large = calloc(1, 3000);
    memset(large, ' ', 2999);
    ask(REDW_QUERY(large), look_only); /* does not fit into a spare block */
    ck_assert_uint_eq(heap.calls, 2);
    free(large);
    for (int i = 0; i < 3; i++)
        ask(REDW_QUERY("select n"), on_done); /* kept: the result is given away */
    ck_assert_uint_eq(heap.calls, 2 + 2);
    use_serial(0);
    ask(REDW_QUERY("select n"), look_only); /* a result again, and columns that nothing is known of */
    ck_assert_uint_eq(heap.calls, 2 + 2 + 2);
}
END_TEST

START_TEST(results_share_the_columns_that_the_server_describes_alike)
{
    use_serial(7);
    ask(REDW_QUERY("select n"), on_done);
    redw_result *first = redw_result_keep(last);
    ask(REDW_QUERY("select n"), look_only);
    ck_assert_ptr_eq(column_seen, redw_result_column(first, 0));
    use_serial(8);
    ask(REDW_QUERY("select n"), look_only);
    ck_assert_ptr_ne(column_seen, redw_result_column(first, 0));
    redw_client_destroy(client);
    ck_assert_str_eq(redw_result_column(first, 0)->name, "n"); /* outlives the client, and what came after it */
    redw_result_release(first);
    client = NULL;
    use_serial(0);
}
END_TEST

START_TEST(the_text_of_a_request_is_wiped_in_its_spare_block)
{
    ask(REDW_QUERY("copy t from 's3://b' credentials 'SECRET'"), look_only);
    const char *end = (const char *)client->spares.first + REDWI_SPARE_BYTES;
#ifndef __SANITIZE_ADDRESS__ /* under which it may not be touched at all */
    ck_assert_ptr_null(memmem(client->spares.first, REDWI_SPARE_BYTES, "SECRET", 6));
#endif
    ck_assert(sql_seen > (const char *)client->spares.first && sql_seen < end);
}
END_TEST

START_TEST(spare_blocks_are_given_back_when_memory_is_refused_and_it_is_asked_for_again)
{
    use_serial(7);
    ask(REDW_QUERY("select n"), look_only);
    unsigned spare = client->spares.count;
    ck_assert_uint_eq(spare, 2);
    size_t out = heap.out;
    char *large = calloc(1, 3000);
    memset(large, ' ', 2999);

    heap.limited = true;
    heap.left = 0;
    refused(submit(REDW_QUERY(large)), REDW_ENOMEM, "memory");
    ck_assert_uint_eq(client->spares.count, 0);
    ck_assert_uint_eq(heap.out, out - spare);
    heap.limited = false;
    ask(REDW_QUERY("select n"), look_only);
    ck_assert_uint_eq(client->spares.count, spare);
    free(large);
    use_serial(0);
}
END_TEST

START_TEST(each_allocation_may_fail_and_is_reported_once)
{
    for (size_t n = 0;; n++) {
        dones = 0;
        redw_result_release(last);
        last = NULL;
        heap.limited = true;
        heap.left = n;
        redw_id id = submit(REDW_QUERY("select $1", redw_p_text("x")));
        heap.limited = false;
        if (id < 0) {
            refused(id, REDW_ENOMEM, "memory");
            vloop_settle(loop);
            ck_assert_uint_eq(dones, 0);
            continue;
        }
        struct fake *f = go();
        heap.limited = true;
        describe(f);
        write_rows(0, 2000);
        if (f->conn.njobs)
            give(f);
        bool out_of_memory = dones == 1;
        heap.limited = false;
        if (f->conn.njobs)
            end_with_tag(f, "SELECT 2000");
        ck_assert_uint_eq(dones, 1);
        if (!out_of_memory) {
            ck_assert_ptr_null(redw_result_error(last));
            break;
        }
        ck_assert(failed_as(REDW_ENOMEM, REDW_CLASS_OUT_OF_MEMORY, REDW_OUTCOME_UNKNOWN));
        fake_end(f, NULL); /* the connection serves on */
        fake_side_done(fakes[nfakes - 1]);
        vloop_settle(loop);
        ck_assert_uint_lt(n, 100);
    }
}
END_TEST

/* --- streams --- */

static enum redw_flow answer;
static int take_at_most, taken_sum, batches, heads;
static redw_id own_id;
static void (*in_rows)(void);
static redw_result *kept_head;

static enum redw_flow on_columns(const redw_result *head, void *ctx)
{
    ck_assert_ptr_eq(ctx, &dones);
    ck_assert_uint_eq(redw_result_column_count(head), 1);
    heads++;
    return answer;
}

static enum redw_flow on_columns_keep(const redw_result *head, void *ctx)
{
    kept_head = redw_result_keep(head);
    return on_columns(head, ctx);
}

static enum redw_flow on_rows(redw_rows *rows, void *ctx)
{
    redw_row row;

    ck_assert_ptr_eq(ctx, &dones);
    batches++;
    for (int i = 0; i < take_at_most && redw_rows_next(rows, &row); i++)
        taken_sum +=
            atoi((char[8]){row.cells[0].ptr[0], row.cells[0].len > 1 ? row.cells[0].ptr[1] : '\0'});
    if (in_rows)
        in_rows();
    return answer;
}

static struct fake *stream(enum redw_flow (*columns)(const redw_result *, void *))
{
    struct redw_stream_handler h = {
        .size = sizeof h, .on_columns = columns, .on_rows = on_rows, .on_done = on_done};

    answer = REDW_MORE;
    take_at_most = 1000;
    taken_sum = batches = heads = 0;
    in_rows = NULL;
    own_id = redw_stream(client, REDW_QUERY("select n"), &h, &dones);
    ck_assert_int_gt(own_id, 0);
    memset(&h, 0, sizeof h); /* it was copied */
    return go();
}

START_TEST(a_stream_hands_rows_over_and_ends_with_their_count)
{
    struct fake *f = stream(on_columns);

    describe(f);
    ck_assert_int_eq(heads, 1);
    heap.calls = 0;
    for (int i = 0; i < 100; i++) {
        write_rows(1, 4);
        ck_assert_uint_eq(give(f), redwi_buf_len(&rows_wire));
    }
    ck_assert_uint_eq(heap.calls, 0); /* none per row, none per batch */
    end_with_tag(f, "SELECT 300");
    ck_assert_int_eq(taken_sum, 600);
    ck_assert_int_eq(batches, 100);
    ck_assert_uint_eq(dones, 1);
    ck_assert_ptr_null(redw_result_error(last));
    ck_assert_uint_eq(redw_result_row_count(last), 300);
    ck_assert_uint_eq(redw_result_column_count(last), 1);
    redw_row row;
    ck_assert(!redw_result_first(last, &row)); /* it holds none */
}
END_TEST

START_TEST(rows_not_taken_before_a_pause_come_again_after_resume)
{
    struct fake *f = stream(NULL);

    describe(f);
    write_rows(1, 6);
    take_at_most = 2;
    answer = REDW_PAUSE;
    size_t taken = give(f);
    ck_assert_uint_lt(taken, redwi_buf_len(&rows_wire));
    ck_assert(f->conn.paused);
    vloop_settle(loop);
    ck_assert_uint_eq(f->resumes, 0);
    ck_assert_int_eq(redw_resume(client, own_id), 0);
    ck_assert_uint_eq(f->resumes, 0); /* never from inside */
    vloop_settle(loop);
    ck_assert_uint_eq(f->resumes, 1);
    answer = REDW_MORE;
    take_at_most = 100;
    fake_rows(f, redwi_buf_front(&rows_wire) + taken, redwi_buf_len(&rows_wire) - taken);
    ck_assert_int_eq(taken_sum, 1 + 2 + 3 + 4 + 5);
    ck_assert_int_eq(redw_resume(client, own_id), 0); /* nothing is paused: nothing happens */
    vloop_settle(loop);
    ck_assert_uint_eq(f->resumes, 1);
    end_with_tag(f, "SELECT 5");
    ck_assert_int_eq(redw_resume(client, own_id), REDW_ENOENT);
}
END_TEST

static void resume_own(void)
{
    ck_assert_int_eq(redw_resume(client, own_id), 0);
}

START_TEST(a_resume_counts_before_its_pause_is_returned_and_for_no_other)
{
    struct fake *f = stream(NULL);

    describe(f);
    write_rows(1, 3);
    in_rows = resume_own;
    answer = REDW_PAUSE;
    give(f);
    vloop_settle(loop);
    ck_assert_uint_eq(f->resumes, 1);
    answer = REDW_MORE; /* resumed, then not paused: it is spent */
    give(f);
    in_rows = NULL;
    resume_own(); /* nothing is paused: spent too */
    answer = REDW_PAUSE;
    give(f);
    vloop_settle(loop);
    ck_assert(f->conn.paused);
    ck_assert_uint_eq(f->resumes, 1);
}
END_TEST

START_TEST(more_with_rows_left_is_an_error_never_a_skip)
{
    struct fake *f = stream(NULL);

    describe(f);
    write_rows(1, 6);
    take_at_most = 4;
    give(f);
    ck_assert(failed_as(REDW_EINVAL, REDW_CLASS_INTERNAL, REDW_OUTCOME_UNKNOWN));
    ck_assert_uint_eq(redw_result_row_count(last), 4);
    ck_assert_int_eq(f->conn.state, REDWI_CONN_DRAINING);
}
END_TEST

START_TEST(stop_from_columns_or_rows_ends_the_stream_now)
{
    struct fake *f = stream(NULL);

    describe(f);
    write_rows(1, 6);
    take_at_most = 2;
    answer = REDW_STOP;
    give(f);
    ck_assert(failed_as(REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_UNKNOWN));
    ck_assert_uint_eq(redw_result_row_count(last), 2);
    fake_end(f, NULL);
    fake_side_done(fakes[1]);

    f = stream(on_columns);
    answer = REDW_STOP;
    describe(f);
    ck_assert(failed_as(REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_UNKNOWN));
    ck_assert_uint_eq(dones, 2);
    fake_end(f, NULL);
    fake_side_done(fakes[2]);

    f = stream(NULL);
    describe(f);
    answer = (enum redw_flow)77;
    give(f);
    ck_assert(failed_as(REDW_EINVAL, REDW_CLASS_INTERNAL, REDW_OUTCOME_UNKNOWN));
}
END_TEST

START_TEST(a_head_that_is_kept_does_not_change_any_more)
{
    struct fake *f = stream(on_columns_keep);

    describe(f);
    write_rows(1, 4);
    give(f);
    end_with_tag(f, "SELECT 3");
    ck_assert_ptr_ne(kept_head, last);
    ck_assert_uint_eq(redw_result_row_count(kept_head), 0);
    ck_assert_str_eq(redw_result_tag(kept_head), "");
    ck_assert_str_eq(redw_result_column(kept_head, 0)->name, "n");
    ck_assert_uint_eq(redw_result_row_count(last), 3);
    redw_result_release(kept_head);
}
END_TEST

static void forget_own(void)
{
    ck_assert_int_eq(redw_forget(client, own_id), 0);
    ck_assert_int_eq(redw_resume(client, own_id), REDW_ENOENT);
}
static void cancel_own(void)
{
    ck_assert_int_eq(redw_cancel(client, own_id), 0);
}
static void resume_and_forget_own(void)
{
    resume_own();
    forget_own();
}

START_TEST(what_a_handler_answers_after_its_request_has_ended_changes_nothing)
{
    struct fake *f = stream(NULL);

    describe(f);
    write_rows(1, 4);
    in_rows = resume_and_forget_own;
    answer = REDW_PAUSE;
    give(f);
    vloop_settle(loop);
    ck_assert_uint_eq(f->resumes, 0);
    fake_end(f, NULL);
    fake_side_done(fakes[1]);

    f = stream(NULL);
    describe(f);
    f->no_key = true;
    in_rows = cancel_own;
    answer = REDW_STOP;
    give(f);
    ck_assert_uint_eq(dones, 1);
    ck_assert_ptr_nonnull(strstr(redw_error_message(redw_result_error(last)), "closing the connection"));
}
END_TEST

static void destroy_client(void)
{
    redw_client_destroy(client);
    client = NULL;
}

START_TEST(a_handler_may_forget_cancel_or_destroy)
{
    struct fake *f = stream(NULL);

    describe(f);
    write_rows(1, 4);
    in_rows = forget_own;
    give(f);
    ck_assert_uint_eq(dones, 0);
    fake_end(f, NULL);
    fake_side_done(fakes[1]);

    f = stream(NULL);
    describe(f);
    in_rows = cancel_own;
    give(f); /* goes on: the statement may still finish */
    ck_assert_uint_eq(dones, 0);
    in_rows = NULL;
    answer = REDW_PAUSE; /* but who pauses now would never see the end */
    give(f);
    ck_assert(failed_as(REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_UNKNOWN));
    fake_end(f, NULL);
    fake_side_done(fakes[2]);

    f = stream(NULL);
    describe(f);
    in_rows = destroy_client;
    give(f);
    ck_assert_uint_eq(dones, 2);
    ck_assert(failed_as(REDW_ECLOSED, REDW_CLASS_CLOSED, REDW_OUTCOME_UNKNOWN));
    ck_assert(f->freed && f->conn.paused); /* it was told to read no further */
}
END_TEST

START_TEST(a_malformed_row_in_a_stream_is_told_to_the_connection)
{
    struct fake *f = stream(NULL);

    write_rows(0, 2);
    ck_assert_uint_eq(give(f), SIZE_MAX); /* rows before any description */
    describe(f);
    rows_wire.data[rows_wire.head + 6] = 9;
    ck_assert_uint_eq(give(f), SIZE_MAX);
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
    tcase_add_test(t, a_query_allocates_nothing_in_steady_state);
    tcase_add_test(t, results_share_the_columns_that_the_server_describes_alike);
    tcase_add_test(t, the_text_of_a_request_is_wiped_in_its_spare_block);
    tcase_add_test(t, spare_blocks_are_given_back_when_memory_is_refused_and_it_is_asked_for_again);
    tcase_add_test(t, each_allocation_may_fail_and_is_reported_once);
    tcase_add_test(t, a_stream_hands_rows_over_and_ends_with_their_count);
    tcase_add_test(t, rows_not_taken_before_a_pause_come_again_after_resume);
    tcase_add_test(t, a_resume_counts_before_its_pause_is_returned_and_for_no_other);
    tcase_add_test(t, more_with_rows_left_is_an_error_never_a_skip);
    tcase_add_test(t, stop_from_columns_or_rows_ends_the_stream_now);
    tcase_add_test(t, a_head_that_is_kept_does_not_change_any_more);
    tcase_add_test(t, a_handler_may_forget_cancel_or_destroy);
    tcase_add_test(t, what_a_handler_answers_after_its_request_has_ended_changes_nothing);
    tcase_add_test(t, a_malformed_row_in_a_stream_is_told_to_the_connection);
    tcase_add_test(t, an_error_proves_that_a_statement_had_no_effect_unless_it_commits_on_the_way);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
