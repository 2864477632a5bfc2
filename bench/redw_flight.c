/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many short statements at once through the driver.
 *
 *   --work flight   --inflight N requests outstanding over --conns N connections, --depth N of them on each
 *                   (pipeline_max); every answer's callback submits the next one
 *   --work batch    --inflight N sets of parameters as one batch (redw_batch_execute), batch after batch;
 *                   --depth N batches are on their way
 *
 * All connections are open before anything is counted.
 */
#include "measure.h"

#include <err.h>
#include <ev.h>
#include <redw.h>

#define INFLIGHT_MAX 1000

struct run;
struct slot {
    struct run *r;
    redw_id id;
    int64_t asked_ns;
};

struct run {
    struct bench_args args;
    struct ev_loop *loop;
    redw_client *client;
    redw_stmt *stmt;
    redw_param params[INFLIGHT_MAX];
    struct slot slots[INFLIGHT_MAX];
    unsigned opened;
    bool warm;
    uint64_t to_ask, to_come, rows, checksum;
};

static void fail(const redw_error *e, const char *what)
{
    errx(1, "%s: %s", what, e == NULL ? "no row" : redw_error_message(e));
}

static void start_work(struct run *r);

/* True when that was the last one of a phase: the warm-up, then what is counted. */
static bool phase_ends(struct run *r)
{
    if (r->to_come > 0)
        return false;
    if (r->warm) {
        bench_end();
        ev_break(r->loop, EVBREAK_ALL);
        return true;
    }
    r->warm = true;
    r->rows = r->checksum = 0;
    r->to_ask = r->to_come = r->args.count;
    bench_begin();
    start_work(r);
    return true;
}

/* Single statements ------------------------------------------------------------------------------- */

static void on_answer(const redw_result *res, void *ctx);

static void ask(struct slot *s)
{
    struct run *r = s->r;

    r->to_ask--;
    s->asked_ns = bench_now_ns();
    if (redw_submit(r->client, REDW_QUERY("SELECT 1"), on_answer, s) < 0)
        errx(1, "submit: %s", redw_client_why(r->client));
}

static void on_answer(const redw_result *res, void *ctx)
{
    struct slot *s = ctx;
    struct run *r = s->r;
    redw_row row;

    if (!redw_result_first(res, &row))
        fail(redw_result_error(res), "query");
    r->checksum = checksum_touch(r->checksum, row.cells[0].ptr, row.cells[0].len);
    r->rows++;
    r->to_come--;
    if (r->warm)
        bench_latency(bench_now_ns() - s->asked_ns);
    if (!phase_ends(r) && r->to_ask > 0)
        ask(s);
}

/* Batches ----------------------------------------------------------------------------------------- */

static void on_batch(const redw_report *rep, void *ctx);

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void ask_batch(struct slot *s)
{
    struct run *r = s->r;

    r->to_ask -= smaller(r->to_ask, r->args.inflight);
    s->asked_ns = bench_now_ns();
    if (redw_batch_execute(r->client, REDW_BATCH(.stmt = r->stmt, .params = r->params, .nsets = r->args.inflight,
                                                 .nparams = 1), on_batch, s) < 0)
        errx(1, "batch: %s", redw_client_why(r->client));
}

static void on_batch(const redw_report *rep, void *ctx)
{
    struct slot *s = ctx;
    struct run *r = s->r;

    if (redw_report_error(rep) != NULL)
        fail(redw_report_error(rep), "batch");
    for (size_t i = 0; i < r->args.inflight; i++)
        r->checksum = checksum_add(r->checksum, (uint64_t)redw_report_affected(rep, i));
    r->rows += r->args.inflight;
    r->to_come -= smaller(r->to_come, r->args.inflight);
    if (r->warm)
        bench_latency(bench_now_ns() - s->asked_ns);
    if (!phase_ends(r) && r->to_ask > 0)
        ask_batch(s);
}

static void start_work(struct run *r)
{
    bool batch = strcmp(r->args.work, "batch") == 0;
    unsigned n = batch ? r->args.depth : r->args.inflight;

    for (unsigned i = 0; i < n && r->to_ask > 0; i++) {
        if (batch)
            ask_batch(&r->slots[i]);
        else
            ask(&r->slots[i]);
    }
}

/* Opening: a paused stream has its connection to itself, so that the next one opens another -------- */

static enum redw_flow on_columns(const redw_result *head, void *ctx)
{
    struct run *r = ((struct slot *)ctx)->r;

    (void)head;
    if (++r->opened == r->args.conns)
        for (unsigned i = 0; i < r->args.conns; i++)
            redw_resume(r->client, r->slots[i].id);
    return REDW_PAUSE;
}

static enum redw_flow on_rows(redw_rows *rows, void *ctx)
{
    redw_row row;

    (void)ctx;
    while (redw_rows_next(rows, &row))
        ;
    return REDW_MORE;
}

static void on_open(const redw_result *res, void *ctx)
{
    struct run *r = ((struct slot *)ctx)->r;

    if (redw_result_error(res) != NULL)
        fail(redw_result_error(res), "opening");
    if (--r->opened == 0)
        start_work(r);
}

static const struct redw_stream_handler opening = {
    .size = sizeof opening, .on_columns = on_columns, .on_rows = on_rows, .on_done = on_open};

static void on_first_timer(int events, void *ctx)
{
    (void)events, (void)ctx;
}

int main(int argc, char **argv)
{
    static struct run r;
    struct redw_diag why;
    char uri[200];

    r.args = bench_args(argc, argv);
    if (r.args.inflight > INFLIGHT_MAX || r.args.conns > r.args.inflight || r.args.depth > r.args.inflight)
        errx(1, "--inflight %u --conns %u --depth %u: too many", r.args.inflight, r.args.conns, r.args.depth);
    r.loop = ev_default_loop(0);
    ev_once(r.loop, -1, 0, 0.001, on_first_timer, NULL); /* libev's own memory for it comes before the counting */
    bench_uri(&r.args, uri, sizeof uri);
    if (redw_client_create(&r.client, r.loop, REDW_OPTIONS(.uri = uri, .pool_max = r.args.conns,
                                                           .pipeline_max = r.args.depth), &why) != 0 ||
        redw_stmt_create(&r.stmt, r.client, "SELECT $1::int4", &why) != 0)
        errx(1, "create: %s", why.text);
    r.to_ask = r.to_come = 10 * (uint64_t)r.args.inflight;
    for (unsigned i = 0; i < r.args.inflight; i++) {
        r.slots[i].r = &r;
        r.params[i] = redw_p_int32((int32_t)i);
    }
    for (unsigned i = 0; i < r.args.conns; i++) {
        r.slots[i].id = redw_stream(r.client, REDW_QUERY("SELECT 1"), &opening, &r.slots[i]);
        if (r.slots[i].id < 0)
            errx(1, "stream: %s", redw_client_why(r.client));
    }
    ev_run(r.loop, 0);
    bench_report(r.rows, r.checksum);
    redw_stmt_release(r.stmt);
    redw_client_destroy(r.client);
    return 0;
}
