/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many short statements at once through libpq on libev, as redw_flight.c does through the driver.
 *
 *   --work flight   --inflight N requests outstanding over --conns N connections. --depth 1: one statement at a
 *                   time on each, the others wait in a queue. More: pipeline mode, a PQpipelineSync after each
 *                   statement. --kind one: depth 1, whatever --depth says
 *   --work batch    --inflight N executions of a prepared statement and one PQpipelineSync, again and again;
 *                   --depth N of these are on their way
 *
 * An answered connection is given its next statement at once, inside the same callback.
 */
#include "measure.h"

#include <err.h>
#include <ev.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#define CONNS_MAX 64
#define INFLIGHT_MAX 1000

struct run;
struct ring { /* of times at which requests were made */
    int64_t asked_ns[INFLIGHT_MAX];
    unsigned at, n;
};
struct conn {
    ev_io io;
    struct run *r;
    PGconn *pg;
    struct ring sent;
};
struct run {
    struct bench_args args;
    struct conn conns[CONNS_MAX];
    struct ring waiting;
    bool batch, warm;
    uint64_t to_ask, to_come, rows, checksum;
};

static void check(struct conn *c, int ok, const char *what)
{
    if (!ok)
        errx(1, "%s: %s", what, PQerrorMessage(c->pg));
}

static void push(struct ring *q, int64_t asked_ns)
{
    q->asked_ns[(q->at + q->n++) % INFLIGHT_MAX] = asked_ns;
}

static int64_t pop(struct ring *q)
{
    int64_t asked_ns = q->asked_ns[q->at];

    q->at = (q->at + 1) % INFLIGHT_MAX;
    q->n--;
    return asked_ns;
}

/* What is sent is small: the socket always takes it. */
static void flush(struct conn *c)
{
    check(c, PQflush(c->pg) == 0, "the socket is full");
}

static void send_statement(struct conn *c)
{
    push(&c->sent, pop(&c->r->waiting));
    check(c, PQsendQueryParams(c->pg, "SELECT 1", 0, NULL, NULL, NULL, NULL, 0), "query");
    if (c->r->args.depth > 1)
        check(c, PQpipelineSync(c->pg), "sync");
    flush(c);
}

static void send_batch(struct conn *c)
{
    int len = 4, binary = 1;

    push(&c->sent, pop(&c->r->waiting));
    for (unsigned i = 0; i < c->r->args.inflight; i++) {
        const char value[4] = {0, 0, (char)(i >> 8), (char)i};
        const char *values[1] = {value};

        check(c, PQsendQueryPrepared(c->pg, "s", 1, values, &len, &binary, 0), "execution");
    }
    check(c, PQpipelineSync(c->pg), "sync");
    flush(c);
}

/* Gives waiting requests to a connection that has room. */
static void supply(struct conn *c)
{
    struct run *r = c->r;

    while (c->sent.n < r->args.depth && r->waiting.n > 0) {
        if (r->batch)
            send_batch(c);
        else
            send_statement(c);
    }
}

/* Makes as many requests as may be outstanding. */
static void request(struct run *r, unsigned n)
{
    int64_t now = bench_now_ns();

    for (; n > 0 && r->to_ask > 0; n--) {
        uint64_t step = r->batch ? r->args.inflight : 1;

        r->to_ask -= r->to_ask < step ? r->to_ask : step;
        push(&r->waiting, now);
    }
}

static void start_work(struct run *r)
{
    request(r, r->batch ? r->args.depth : r->args.inflight);
    for (unsigned i = 0; i < r->args.conns; i++)
        supply(&r->conns[i]);
}

static void phase_ends(struct run *r)
{
    if (r->warm) {
        bench_end();
        ev_break(ev_default_loop(0), EVBREAK_ALL);
        return;
    }
    r->warm = true;
    r->rows = r->checksum = 0;
    r->to_ask = r->to_come = r->args.count;
    bench_begin();
    start_work(r);
}

static void take_result(struct conn *c, PGresult *res)
{
    struct run *r = c->r;

    check(c, PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1, "result");
    if (r->batch)
        r->checksum = checksum_add(r->checksum, strtoull(PQcmdTuples(res), NULL, 10));
    else
        r->checksum = checksum_touch(r->checksum, PQgetvalue(res, 0, 0), (size_t)PQgetlength(res, 0, 0));
    r->rows++;
    r->to_come -= r->to_come > 0;
}

/* A statement, or a batch, is over. */
static void answered(struct conn *c)
{
    struct run *r = c->r;
    int64_t asked_ns = pop(&c->sent);

    if (r->warm)
        bench_latency(bench_now_ns() - asked_ns);
    if (r->to_come == 0) {
        phase_ends(r);
        return;
    }
    request(r, 1);
    supply(c);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    struct conn *c = io->data;
    bool pipeline = PQpipelineStatus(c->pg) != PQ_PIPELINE_OFF;

    (void)loop, (void)events;
    check(c, PQconsumeInput(c->pg), "input");
    while (c->sent.n > 0 && !PQisBusy(c->pg)) {
        PGresult *res = PQgetResult(c->pg);
        bool over = pipeline ? PQresultStatus(res) == PGRES_PIPELINE_SYNC : res == NULL;

        if (over)
            answered(c);
        else if (res != NULL)
            take_result(c, res);
        PQclear(res);
    }
}

static void open_conn(struct run *r, struct conn *c)
{
    char conninfo[120];

    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1 port=%d user=bench dbname=bench sslmode=disable "
             "gssencmode=disable", r->args.port);
    c->r = r;
    c->pg = PQconnectdb(conninfo);
    check(c, PQstatus(c->pg) == CONNECTION_OK, "connect");
    if (r->batch)
        PQclear(PQprepare(c->pg, "s", "SELECT $1::int4", 0, NULL));
    if (r->batch || r->args.depth > 1)
        check(c, PQenterPipelineMode(c->pg), "pipeline mode");
    check(c, PQsetnonblocking(c->pg, 1) == 0, "non-blocking");
    ev_io_init(&c->io, on_readable, PQsocket(c->pg), EV_READ);
    c->io.data = c;
    ev_io_start(ev_default_loop(0), &c->io);
}

int main(int argc, char **argv)
{
    static struct run r;

    r.args = bench_args(argc, argv);
    r.batch = strcmp(r.args.work, "batch") == 0;
    if (strcmp(r.args.kind, "one") == 0)
        r.args.depth = 1;
    if (r.args.inflight > INFLIGHT_MAX || r.args.conns > CONNS_MAX)
        errx(1, "--inflight %u --conns %u: too many", r.args.inflight, r.args.conns);
    for (unsigned i = 0; i < r.args.conns; i++)
        open_conn(&r, &r.conns[i]);
    r.to_ask = r.to_come = 10 * (uint64_t)r.args.inflight;
    start_work(&r);
    ev_run(ev_default_loop(0), 0);
    bench_report(r.rows, r.checksum);
    for (unsigned i = 0; i < r.args.conns; i++)
        PQfinish(r.conns[i].pg);
    return 0;
}
