/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connection costs through libpq on libev (PQconnectStart, PQconnectPoll), with a first query on it. The
 * options are those of redw_connects.c: --work connects closes --conns connections when they all are open, and
 * begins again; --work idle lets them rest. Rows come in single-row mode.
 */
#include "measure.h"

#include <err.h>
#include <ev.h>
#include <libpq-fe.h>

#define CONNS_MAX 1000
#define REST_S    0.2

struct run {
    struct bench_args args;
    struct ev_loop *loop;
    ev_io io;
    PGconn *conns[CONNS_MAX];
    char uri[200];
    const char *sql;
    unsigned opened, wanted;
    bool idle, warm, polling;
    uint64_t rows, checksum;
    int64_t asked_ns;
};

static void on_event(struct ev_loop *loop, ev_io *io, int events);

static void check(PGconn *c, int ok, const char *what)
{
    if (!ok)
        errx(1, "%s: %s", what, PQerrorMessage(c));
}

static void watch(struct run *r, PGconn *c, int events)
{
    ev_io_stop(r->loop, &r->io);
    ev_io_set(&r->io, PQsocket(c), events);
    ev_io_start(r->loop, &r->io);
}

static void open_next(struct run *r)
{
    const char *const names[] = {"dbname", "gssencmode", NULL}, *const values[] = {r->uri, "disable", NULL};
    PGconn *c = PQconnectStartParams(names, values, 1);

    check(c, c != NULL && PQstatus(c) != CONNECTION_BAD, "connect");
    r->asked_ns = bench_now_ns();
    r->conns[r->opened] = c;
    r->polling = true;
    watch(r, c, EV_WRITE);
}

static void start_round(struct run *r)
{
    uint64_t left = r->warm && !r->idle ? r->args.count - r->rows : r->args.conns;

    r->opened = 0;
    r->wanted = !r->warm ? 1 : left < r->args.conns ? (unsigned)left : r->args.conns;
    open_next(r);
}

static void close_all(struct run *r)
{
    for (unsigned i = 0; i < r->opened; i++)
        PQfinish(r->conns[i]);
}

static void on_rested(int events, void *ctx)
{
    struct run *r = ctx;

    (void)events;
    bench_end();
    ev_break(r->loop, EVBREAK_ALL);
}

static void all_open(struct run *r)
{
    ev_io_stop(r->loop, &r->io);
    if (r->warm && r->idle) {
        ev_once(r->loop, -1, 0, REST_S, on_rested, r);
        return;
    }
    close_all(r);
    if (!r->warm) {
        r->warm = true;
        r->rows = r->checksum = 0;
        bench_begin();
    } else if (r->rows == r->args.count) {
        bench_end();
        ev_break(r->loop, EVBREAK_ALL);
        return;
    }
    start_round(r);
}

static void poll_connect(struct run *r, PGconn *c)
{
    switch (PQconnectPoll(c)) {
    case PGRES_POLLING_READING: watch(r, c, EV_READ); break;
    case PGRES_POLLING_WRITING: watch(r, c, EV_WRITE); break;
    case PGRES_POLLING_OK:
        r->polling = false;
        watch(r, c, EV_READ);
        check(c, PQsendQueryParams(c, r->sql, 0, NULL, NULL, NULL, NULL, 0), "query");
        if (strcmp(r->args.kind, "rows") == 0)
            check(c, PQsetSingleRowMode(c), "single-row mode");
        break;
    default: check(c, 0, "connect");
    }
}

static void read_answer(struct run *r, PGconn *c)
{
    PGresult *res;

    check(c, PQconsumeInput(c), "input");
    while (!PQisBusy(c)) {
        res = PQgetResult(c);
        if (res == NULL) {
            r->rows++;
            if (r->warm)
                bench_latency(bench_now_ns() - r->asked_ns);
            if (++r->opened < r->wanted)
                open_next(r);
            else
                all_open(r);
            return;
        }
        check(c, PQresultStatus(res) == PGRES_SINGLE_TUPLE || PQresultStatus(res) == PGRES_TUPLES_OK, "result");
        for (int i = 0; i < PQntuples(res); i++)
            r->checksum += checksum_touch(0, PQgetvalue(res, i, 0), (size_t)PQgetlength(res, i, 0));
        PQclear(res);
    }
}

static void on_event(struct ev_loop *loop, ev_io *io, int events)
{
    struct run *r = io->data;

    (void)loop, (void)events;
    if (r->polling)
        poll_connect(r, r->conns[r->opened]);
    else
        read_answer(r, r->conns[r->opened]);
}

int main(int argc, char **argv)
{
    static struct run r;

    r.args = bench_args(argc, argv);
    r.idle = strcmp(r.args.work, "idle") == 0;
    r.sql = strcmp(r.args.kind, "rows") == 0 ? "BLAST 10000 narrow" : "SELECT 1";
    r.loop = ev_default_loop(0);
    if (r.args.conns > CONNS_MAX)
        errx(1, "--conns %u: too many", r.args.conns);
    bench_uri(&r.args, r.uri, sizeof r.uri);
    ev_init(&r.io, on_event);
    r.io.data = &r;
    start_round(&r);
    ev_run(r.loop, 0);
    bench_report(r.rows, r.checksum);
    if (r.idle)
        close_all(&r);
    return 0;
}
