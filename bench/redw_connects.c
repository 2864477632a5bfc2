/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connection costs through the driver, with a first query on it.
 *
 *   --work connects  --count N connections, one after the other, of clients that have --conns N each. A client
 *                    resumes TLS sessions; with --conns 1 none can be
 *   --work idle      --conns N connections of one client, which then rest: memory
 *   --kind rows      their first query brings 10,000 narrow rows, so that buffers have been filled once
 *
 * A query that is held (a paused stream) has its connection to itself, so the next one opens another. The password
 * comes from PGPASSWORD. Connections answer in any order: the checksum is a plain sum.
 */
#include "measure.h"

#include <err.h>
#include <ev.h>
#include <redw.h>
#include <stdlib.h>

#define CONNS_MAX 1000
#define REST_S    0.2

struct run {
    struct bench_args args;
    struct ev_loop *loop;
    redw_client *client;
    char uri[200];
    const char *sql;
    redw_id ids[CONNS_MAX];
    unsigned opened, ended, wanted; /* of this client's connections */
    bool idle, warm;
    uint64_t rows, checksum;
    int64_t asked_ns;
};

static void open_next(struct run *r);

static void on_rested(int events, void *ctx)
{
    struct run *r = ctx;

    (void)events;
    bench_end();
    ev_break(r->loop, EVBREAK_ALL);
}

static void start_client(struct run *r)
{
    const char *password = getenv("PGPASSWORD");
    struct redw_diag why;
    uint64_t left = r->warm && !r->idle ? r->args.count - r->rows : r->args.conns;

    r->opened = r->ended = 0;
    r->wanted = !r->warm ? 1 : left < r->args.conns ? (unsigned)left : r->args.conns;
    if (redw_client_create(&r->client, r->loop, REDW_OPTIONS(.uri = r->uri, .password = password,
                                                             .pool_max = r->args.conns), &why) != 0)
        errx(1, "create: %s", why.text);
}

/* All connections of this client are open and nothing is under way. */
static void client_done(struct run *r)
{
    if (r->warm && r->idle) {
        ev_once(r->loop, -1, 0, REST_S, on_rested, r); /* buffers that are given back after a while */
        return;
    }
    redw_client_destroy(r->client);
    r->client = NULL;
    if (!r->warm) {
        r->warm = true;
        r->rows = r->checksum = 0;
        if (r->idle)
            start_client(r);
        bench_begin();
    } else if (r->rows == r->args.count) {
        bench_end();
        ev_break(r->loop, EVBREAK_ALL);
        return;
    }
    if (r->client == NULL)
        start_client(r);
    open_next(r);
}

static enum redw_flow on_columns(const redw_result *head, void *ctx)
{
    struct run *r = ctx;

    (void)head;
    if (r->warm)
        bench_latency(bench_now_ns() - r->asked_ns);
    if (++r->opened < r->wanted)
        open_next(r);
    else
        for (unsigned i = 0; i < r->wanted; i++)
            redw_resume(r->client, r->ids[i]);
    return REDW_PAUSE;
}

static enum redw_flow on_rows(redw_rows *rows, void *ctx)
{
    struct run *r = ctx;
    redw_row row;

    while (redw_rows_next(rows, &row))
        r->checksum += checksum_touch(0, row.cells[0].ptr, row.cells[0].len);
    return REDW_MORE;
}

static void on_done(const redw_result *res, void *ctx)
{
    struct run *r = ctx;

    if (redw_result_error(res) != NULL)
        errx(1, "%s", redw_error_message(redw_result_error(res)));
    r->rows++;
    if (++r->ended == r->wanted)
        client_done(r);
}

static const struct redw_stream_handler handler = {
    .size = sizeof handler, .on_columns = on_columns, .on_rows = on_rows, .on_done = on_done};

static void open_next(struct run *r)
{
    redw_id id;

    r->asked_ns = bench_now_ns();
    id = redw_stream(r->client, REDW_QUERY(r->sql), &handler, r);
    if (id < 0)
        errx(1, "stream: %s", redw_client_why(r->client));
    r->ids[r->opened] = id;
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
    start_client(&r);
    open_next(&r);
    ev_run(r.loop, 0);
    bench_report(r.rows, r.checksum);
    redw_client_destroy(r.client);
    return 0;
}
