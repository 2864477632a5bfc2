/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver, through its public API only: redw_stream() for rows, redw_submit() for pings and for results
 * that are gathered and kept:
 *
 *   --work kept     results of KEPT_ROWS rows, each kept until the next has come
 *   --work results  --count results of one row, all kept to the end
 *   --work paused   a stream that rests PAUSE_S after each PAUSE_ROWS rows
 *
 * Touching goes over row.cells; decoding through the typed getters for the types the other clients decode,
 * redw_row_text() for text, and over row.cells for the rest.
 */
#include "measure.h"

#include <err.h>
#include <ev.h>
#include <redw.h>
#include <stdlib.h>

struct run {
    struct bench_args args;
    struct ev_loop *loop;
    ev_timer rest;
    redw_client *client;
    redw_id streaming;
    const struct redw_stream_handler *handler;
    uint32_t oids[SHAPE_COLUMNS_MAX];
    char sql[80];
    bool warm;
    redw_result **kept; /* room for all of them */
    size_t nkept;
    uint64_t rows, checksum, left;
    uint64_t rested_at; /* --work paused: rows at the last pause */
    int64_t asked_ns;
};

static void fail(const redw_error *e, const char *what)
{
    errx(1, "%s: %s", what, redw_error_message(e));
}

/* Streams ----------------------------------------------------------------------------------------- */

static enum redw_flow on_columns(const redw_result *head, void *ctx)
{
    struct run *r = ctx;

    for (size_t i = 0; i < redw_result_column_count(head); i++)
        r->oids[i] = redw_result_column(head, i)->oid;
    return REDW_MORE;
}

static enum redw_flow touch_rows(redw_rows *rows, void *ctx)
{
    struct run *r = ctx;
    uint64_t sum = r->checksum, n = 0;
    redw_row row;

    for (; redw_rows_next(rows, &row); n++)
        for (size_t i = 0; i < row.ncells; i++)
            sum = checksum_touch(sum, row.cells[i].ptr, row.cells[i].len);
    r->checksum = sum;
    r->rows += n;
    return REDW_MORE;
}

static enum redw_flow hash_rows(redw_rows *rows, void *ctx)
{
    struct run *r = ctx;
    redw_row row;

    for (; redw_rows_next(rows, &row); r->rows++)
        for (size_t i = 0; i < row.ncells; i++)
            r->checksum = checksum_hash(r->checksum, row.cells[i].ptr, row.cells[i].len);
    return REDW_MORE;
}

/* As consume.h does, but by the typed getters. */
static inline uint64_t decode_cell(uint32_t oid, const redw_row *row, size_t i, uint64_t sum)
{
    int32_t i32;
    int64_t i64;
    double d;
    bool b;
    redw_slice text;
    int rc;

    switch (oid) {
    case OID_INT4:
        rc = redw_row_int32(row, i, &i32);
        sum = checksum_add(sum, (uint64_t)(int64_t)i32);
        break;
    case OID_INT8:
        rc = redw_row_int64(row, i, &i64);
        sum = checksum_add(sum, (uint64_t)i64);
        break;
    case OID_FLOAT8:
        rc = redw_row_double(row, i, &d);
        sum = checksum_double(sum, d);
        break;
    case OID_BOOL:
        rc = redw_row_bool(row, i, &b);
        sum = checksum_add(sum, b);
        break;
    case OID_VARCHAR:
        rc = redw_row_text(row, i, &text);
        sum = checksum_touch(sum, text.ptr, text.len);
        break;
    default: return checksum_touch(sum, row->cells[i].ptr, row->cells[i].len);
    }
    if (rc < 0)
        errx(1, "column %zu: %s", i, redw_strerror(rc));
    return sum;
}

static enum redw_flow decode_rows(redw_rows *rows, void *ctx)
{
    struct run *r = ctx;
    uint64_t sum = r->checksum, n = 0;
    redw_row row;

    for (; redw_rows_next(rows, &row); n++)
        for (size_t i = 0; i < row.ncells; i++)
            sum = decode_cell(r->oids[i], &row, i, sum);
    r->checksum = sum;
    r->rows += n;
    return REDW_MORE;
}

static enum redw_flow paused_rows(redw_rows *rows, void *ctx)
{
    struct run *r = ctx;
    redw_row row;

    for (; r->rows - r->rested_at < PAUSE_ROWS && redw_rows_next(rows, &row); r->rows++)
        for (size_t i = 0; i < row.ncells; i++)
            r->checksum = checksum_touch(r->checksum, row.cells[i].ptr, row.cells[i].len);
    if (r->rows - r->rested_at < PAUSE_ROWS)
        return REDW_MORE;
    r->rested_at = r->rows;
    ev_now_update(r->loop);
    ev_timer_set(&r->rest, PAUSE_S, 0);
    ev_timer_start(r->loop, &r->rest);
    return REDW_PAUSE;
}

static void on_rested(struct ev_loop *loop, ev_timer *rest, int events)
{
    struct run *r = rest->data;

    (void)loop, (void)events;
    if (redw_resume(r->client, r->streaming) < 0)
        errx(1, "resume");
}

static void stream(struct run *r, uint64_t rows)
{
    struct redw_request q = {.size = sizeof q, .sql = r->sql};

    q.wire = r->args.binary ? REDW_WIRE_BINARY : REDW_WIRE_TEXT;
    bench_sql(&r->args, rows, r->sql, sizeof r->sql);
    r->rows = r->checksum = r->rested_at = 0;
    r->streaming = redw_stream(r->client, &q, r->handler, r);
    if (r->streaming < 0)
        errx(1, "stream: %s", redw_client_why(r->client));
}

static void on_streamed(const redw_result *res, void *ctx)
{
    struct run *r = ctx;

    if (redw_result_error(res) != NULL)
        fail(redw_result_error(res), "stream");
    if (!r->warm) {
        r->warm = true;
        bench_begin();
        stream(r, r->args.count);
        return;
    }
    bench_end();
    ev_break(r->loop, EVBREAK_ALL);
}

static const struct redw_stream_handler touching = {
    .size = sizeof touching, .on_columns = on_columns, .on_rows = touch_rows, .on_done = on_streamed};
static const struct redw_stream_handler hashing = {
    .size = sizeof hashing, .on_columns = on_columns, .on_rows = hash_rows, .on_done = on_streamed};
static const struct redw_stream_handler decoding = {
    .size = sizeof decoding, .on_columns = on_columns, .on_rows = decode_rows, .on_done = on_streamed};
static const struct redw_stream_handler pausing = {
    .size = sizeof pausing, .on_columns = on_columns, .on_rows = paused_rows, .on_done = on_streamed};

/* Pings ------------------------------------------------------------------------------------------- */

static void on_pong(const redw_result *res, void *ctx);

static void ping(struct run *r)
{
    r->asked_ns = bench_now_ns();
    if (redw_submit(r->client, REDW_QUERY("SELECT 1"), on_pong, r) < 0)
        errx(1, "submit: %s", redw_client_why(r->client));
}

static void on_pong(const redw_result *res, void *ctx)
{
    struct run *r = ctx;
    redw_row row;

    if (!redw_result_first(res, &row))
        fail(redw_result_error(res), "ping");
    if (!r->warm) {
        r->warm = true;
        bench_begin();
        ping(r);
        return;
    }
    bench_latency(bench_now_ns() - r->asked_ns);
    r->checksum = checksum_touch(r->checksum, row.cells[0].ptr, row.cells[0].len);
    r->rows++;
    if (--r->left > 0) {
        ping(r);
        return;
    }
    bench_end();
    ev_break(r->loop, EVBREAK_ALL);
}

/* Kept results ------------------------------------------------------------------------------------ */

static void on_gathered(const redw_result *res, void *ctx);

static void gather(struct run *r, uint64_t rows)
{
    bench_sql(&r->args, rows, r->sql, sizeof r->sql);
    if (redw_submit(r->client, REDW_QUERY(r->sql), on_gathered, r) < 0)
        errx(1, "submit: %s", redw_client_why(r->client));
}

static void take_kept(struct run *r, const redw_result *res)
{
    redw_rows rows = redw_result_rows(res);

    if (r->rows == 0)
        on_columns(res, r);
    r->handler->on_rows(&rows, r);
}

static void release_kept(struct run *r)
{
    while (r->nkept > 0)
        redw_result_release(r->kept[--r->nkept]);
}

static void on_gathered(const redw_result *res, void *ctx)
{
    struct run *r = ctx;
    bool many = strcmp(r->args.work, "kept") == 0;

    if (redw_result_error(res) != NULL)
        fail(redw_result_error(res), "result");
    if (r->warm) {
        if (many)
            release_kept(r);
        r->kept[r->nkept] = redw_result_keep(res);
        take_kept(r, r->kept[r->nkept++]);
    }
    if (r->warm && r->rows >= r->args.count) {
        bench_end();
        ev_break(r->loop, EVBREAK_ALL);
        return;
    }
    if (!r->warm) {
        r->warm = true;
        bench_begin();
    }
    gather(r, many ? KEPT_ROWS : 1);
}

/* Start ------------------------------------------------------------------------------------------- */

static void on_first_timer(int events, void *ctx)
{
    (void)events, (void)ctx;
}

static void on_ready(const redw_error *e, void *ctx)
{
    struct run *r = ctx;

    if (e != NULL)
        fail(e, "connect");
    if (strcmp(r->args.work, "ping") == 0)
        ping(r);
    else if (r->kept != NULL)
        gather(r, 1000);
    else
        stream(r, bench_warm_rows(&r->args));
}

int main(int argc, char **argv)
{
    static const struct redw_stream_handler *const handlers[] = {
        [CONSUME_TOUCH] = &touching, [CONSUME_DECODE] = &decoding, [CONSUME_HASH] = &hashing};
    struct run r = {.args = bench_args(argc, argv)};
    struct redw_diag why;
    char uri[200];

    r.loop = ev_default_loop(0);
    ev_once(r.loop, -1, 0, 0.001, on_first_timer, NULL); /* libev's own memory for it comes before the counting */
    r.left = r.args.count;
    if (strcmp(r.args.work, "kept") == 0 || strcmp(r.args.work, "results") == 0) {
        r.kept = calloc(r.args.count, sizeof *r.kept);
        if (r.kept == NULL)
            err(1, "memory");
    }
    r.handler = handlers[r.args.consume];
    if (strcmp(r.args.work, "paused") == 0 && r.args.consume == CONSUME_TOUCH)
        r.handler = &pausing;
    ev_init(&r.rest, on_rested);
    r.rest.data = &r;
    bench_uri(&r.args, uri, sizeof uri);
    if (redw_client_create(&r.client, r.loop, REDW_OPTIONS(.uri = uri, .pool_max = 1), &why) != 0)
        errx(1, "create: %s", why.text);
    if (redw_client_ready(r.client, 0, on_ready, &r) < 0)
        errx(1, "ready: %s", redw_client_why(r.client));
    ev_run(r.loop, 0);
    bench_report(r.rows, r.checksum);
    release_kept(&r);
    redw_client_destroy(r.client);
    return 0;
}
