/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libpq as its users use it.
 *
 *   --kind single   single-row mode (PQsetSingleRowMode), on libev or blocking
 *   --kind exec     the whole result (PQexec, or PQexecParams for binary); blocking only
 *   --kind exec --work kept, --work results: as redw_client.c
 *   --work paused   single-row mode on libev; the read watcher rests PAUSE_S after each PAUSE_ROWS rows
 *
 * Every value goes through PQgetvalue and PQgetlength (empty ones also through PQgetisnull). Text
 * results come by the simple protocol, where libpq is fastest; binary ones and pings by the extended
 * one, as from the driver.
 */
#include "consume.h"

#include <err.h>
#include <ev.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

struct client {
    struct bench_args args;
    ev_io io;
    ev_timer rest;
    PGconn *conn;
    Oid oids[SHAPE_COLUMNS_MAX];
    char sql[80];
    bool ping, single, paused;
    uint64_t rows, checksum, left;
    uint64_t rested_at; /* --work paused: rows at the last pause */
    int64_t asked_ns;
};

static void check(struct client *c, int ok, const char *what)
{
    if (!ok)
        errx(1, "%s: %s", what, PQerrorMessage(c->conn));
}

static void consume_result(struct client *c, const PGresult *res)
{
    int rows = PQntuples(res), columns = PQnfields(res);
    enum consume how = c->args.consume;
    uint64_t sum = c->checksum;

    for (int i = 0; how == CONSUME_DECODE && c->rows == 0 && i < columns; i++)
        c->oids[i] = PQftype(res, i);

    for (int r = 0; r < rows; r++)
        for (int i = 0; i < columns; i++) {
            const char *p = PQgetvalue(res, r, i);
            size_t n = (size_t)PQgetlength(res, r, i);

            if (n == 0 && PQgetisnull(res, r, i))
                p = NULL;
            if (how == CONSUME_TOUCH)
                sum = checksum_touch(sum, p, n);
            else if (how == CONSUME_DECODE)
                sum = consume_decoded(sum, c->oids[i], c->args.binary, p, n);
            else
                sum = checksum_hash(sum, p, n);
        }
    c->checksum = sum;
    c->rows += (uint64_t)rows;
}

static void take(struct client *c, PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);

    check(c, status == PGRES_TUPLES_OK || status == PGRES_SINGLE_TUPLE, "result");
    consume_result(c, res);
    PQclear(res);
}

static void ask(struct client *c)
{
    int ok;

    if (c->ping || c->args.binary)
        ok = PQsendQueryParams(c->conn, c->sql, 0, NULL, NULL, NULL, NULL, c->args.binary);
    else
        ok = PQsendQuery(c->conn, c->sql);
    check(c, ok, "query");
    if (c->single)
        check(c, PQsetSingleRowMode(c->conn), "single-row mode");
}

/* True when there is nothing more to ask. */
static bool answered(struct client *c)
{
    int64_t now;

    if (c->left == 0)
        return true;
    now = bench_now_ns();
    bench_latency(now - c->asked_ns);
    c->asked_ns = now;
    if (--c->left == 0)
        return true;
    ask(c);
    return false;
}

/* True when it is time, and then nothing is read until the timer has come. */
static bool rests(struct client *c, struct ev_loop *loop)
{
    if (!c->paused || c->rows - c->rested_at < PAUSE_ROWS)
        return false;
    c->rested_at = c->rows;
    ev_io_stop(loop, &c->io);
    ev_now_update(loop);
    ev_timer_set(&c->rest, PAUSE_S, 0);
    ev_timer_start(loop, &c->rest);
    return true;
}

static void take_results(struct client *c, struct ev_loop *loop)
{
    PGresult *res;

    while (!rests(c, loop) && !PQisBusy(c->conn)) {
        res = PQgetResult(c->conn);
        if (res != NULL) {
            take(c, res);
            continue;
        }
        if (answered(c)) {
            ev_break(loop, EVBREAK_ALL);
            return;
        }
    }
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    struct client *c = io->data;

    (void)events;
    check(c, PQconsumeInput(c->conn), "input");
    take_results(c, loop);
}

/* What libpq has read before the pause comes first. */
static void on_rested(struct ev_loop *loop, ev_timer *rest, int events)
{
    struct client *c = rest->data;

    (void)events;
    ev_io_start(loop, &c->io);
    take_results(c, loop);
}

static void run_blocking(struct client *c)
{
    PGresult *res;

    do {
        ask(c);
        while ((res = PQgetResult(c->conn)) != NULL)
            take(c, res);
        if (c->left > 0) {
            int64_t now = bench_now_ns();

            bench_latency(now - c->asked_ns);
            c->asked_ns = now;
        }
    } while (c->left > 0 && --c->left > 0);
}

static void run_exec(struct client *c)
{
    if (c->args.binary)
        take(c, PQexecParams(c->conn, c->sql, 0, NULL, NULL, NULL, NULL, 1));
    else
        take(c, PQexec(c->conn, c->sql));
}

/* One result after the other: of KEPT_ROWS rows, cleared before the next, or of one row, all kept. */
static void run_results(struct client *c, bool many)
{
    PGresult **kept = calloc(c->args.count, sizeof *kept);

    if (kept == NULL)
        err(1, "memory");
    bench_sql(&c->args, many ? KEPT_ROWS : 1, c->sql, sizeof c->sql);
    bench_begin();
    for (size_t i = 0; c->rows < c->args.count; i++) {
        if (many && i > 0)
            PQclear(kept[i - 1]);
        kept[i] = PQexec(c->conn, c->sql);
        check(c, PQresultStatus(kept[i]) == PGRES_TUPLES_OK, "result");
        consume_result(c, kept[i]);
    }
    bench_end();
}

static void run(struct client *c)
{
    c->asked_ns = bench_now_ns();
    if (strcmp(c->args.kind, "exec") == 0)
        run_exec(c);
    else if (c->args.loop) {
        ask(c);
        ev_run(ev_default_loop(0), 0);
    } else
        run_blocking(c);
}

int main(int argc, char **argv)
{
    struct client c = {.args = bench_args(argc, argv)};
    char conninfo[120];

    c.ping = strcmp(c.args.work, "ping") == 0;
    c.single = !c.ping;
    c.paused = strcmp(c.args.work, "paused") == 0;
    snprintf(conninfo, sizeof conninfo,
             "host=127.0.0.1 port=%d user=bench dbname=bench sslmode=%s gssencmode=disable", c.args.port,
             c.args.tls ? "require" : "disable");
    c.conn = PQconnectdb(conninfo);
    check(&c, PQstatus(c.conn) == CONNECTION_OK, "connect");
    ev_io_init(&c.io, on_readable, PQsocket(c.conn), EV_READ);
    c.io.data = &c;
    ev_io_start(ev_default_loop(0), &c.io);

    ev_init(&c.rest, on_rested);
    c.rest.data = &c;

    if (c.ping)
        snprintf(c.sql, sizeof c.sql, "SELECT 1");
    else
        bench_sql(&c.args, bench_warm_rows(&c.args), c.sql, sizeof c.sql);
    run(&c);
    c.rows = c.checksum = c.rested_at = 0;
    if (strcmp(c.args.work, "kept") == 0 || strcmp(c.args.work, "results") == 0) {
        run_results(&c, strcmp(c.args.work, "kept") == 0);
    } else {
        if (!c.ping)
            bench_sql(&c.args, c.args.count, c.sql, sizeof c.sql);
        c.left = c.ping ? c.args.count : 0;
        bench_begin();
        run(&c);
        bench_end();
    }
    bench_report(c.rows, c.checksum);
    PQfinish(c.conn);
    return 0;
}
