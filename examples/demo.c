/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main job, start to end, on one libev loop: load 1,000,000 rows, ask 20,000 parameterized queries over
 * ten connections at once, stream the million rows back, meet an error, and say what all of it took.
 *
 * usage: demo URI      (`make demo` starts a private PostgreSQL 15 with TLS and SCRAM and passes its URI)
 */
#include <ev.h>
#include <inttypes.h>
#include <redw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROWS = 1000000, CHUNK = 10000, QUERIES = 20000, CONNECTIONS = 10 };

struct phase {
    const char *what;
    double seconds;
    char figure[80];
    long peak_kib;
};

struct demo {
    struct ev_loop *loop;
    redw_client *db;
    struct phase phases[5];
    unsigned nphases;
    double began;
    int64_t sent, answered;
    int64_t rows, sum;
    double latency_us[QUERIES];
    int status;
};

static void load(struct demo *d);
static void ask(struct demo *d);
static void stream(struct demo *d);
static void meet_error(struct demo *d);

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The process's peak so far, in KiB: VmHWM (ru_maxrss starts at the size of the parent). */
static long peak_kib(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[128];
    long kib = 0;

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    if (f)
        fclose(f);
    return kib;
}

static void progress(const char *what, int64_t done, int64_t all)
{
    static int64_t shown = -1;
    int64_t percent = done * 100 / all;

    if (percent == shown && done != all)
        return;
    shown = percent;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%-34s %3" PRId64 " %%%s", what, percent, done == all ? "\n" : "");
    else if (percent % 25 == 0)
        fprintf(stderr, "%-34s %3" PRId64 " %%\n", what, percent);
}

static void phase_ends(struct demo *d, const char *what, const char *figure)
{
    struct phase *p = &d->phases[d->nphases++];

    p->what = what;
    p->seconds = now() - d->began;
    p->peak_kib = peak_kib();
    snprintf(p->figure, sizeof p->figure, "%s", figure);
    d->began = now();
}

static void stop(struct demo *d, const char *what, const char *why)
{
    fprintf(stderr, "\ndemo: %s: %s\n", what, why);
    d->status = 1;
    redw_client_close(d->db, 0, NULL, NULL);
}

/* True, and the end of the demo, if the result is an error. */
static bool failed(struct demo *d, const char *what, const redw_result *res)
{
    if (!redw_result_error(res))
        return false;
    if (d->status == 0)
        stop(d, what, redw_error_message(redw_result_error(res)));
    return true;
}

/* ---- load: 100 statements of 10,000 rows, ten at a time -------------------------------------------- */
static void on_loaded(const redw_result *res, void *ctx)
{
    struct demo *d = ctx;
    char figure[80];

    if (failed(d, "load", res))
        return;
    d->rows += redw_result_affected(res);
    progress("loading 1,000,000 rows", d->rows, ROWS);
    if (d->rows < ROWS)
        return;
    snprintf(figure, sizeof figure, "%.0f rows/s", ROWS / (now() - d->began));
    phase_ends(d, "load 1,000,000 rows", figure);
    ask(d);
}

static void on_table(const redw_result *res, void *ctx)
{
    struct demo *d = ctx;

    if (failed(d, "create table", res))
        return;
    for (int32_t from = 1; from <= ROWS; from += CHUNK)
        if (redw_submit(d->db,
                        REDW_QUERY("insert into redw_demo select i, i::int8 * 7919 % 100003, 'customer ' || i % 1000, "
                                   "i * 0.25 from generate_series($1::int, $2::int) i",
                                   redw_p_int32(from), redw_p_int32(from + CHUNK - 1)),
                        on_loaded, d) < 0)
            stop(d, "load", redw_client_why(d->db));
}

static void on_dropped(const redw_result *res, void *ctx)
{
    struct demo *d = ctx;

    if (failed(d, "drop table", res))
        return;
    if (redw_submit(d->db,
                    REDW_QUERY("create table redw_demo (id int primary key, account int8, name varchar(40), amount float8)"),
                    on_table, d) < 0)
        stop(d, "create table", redw_client_why(d->db));
}

static void load(struct demo *d)
{
    if (redw_submit(d->db, REDW_QUERY("drop table if exists redw_demo"), on_dropped, d) < 0)
        stop(d, "drop table", redw_client_why(d->db));
}

/* ---- ask: one row by its key, 20,000 times, always ten under way ------------------------------------ */
static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void ask_one(struct demo *d);

static void on_answer(const redw_result *res, void *ctx)
{
    struct demo *d = ctx;
    char figure[80];
    redw_row row;
    int64_t account;

    if (failed(d, "query", res))
        return;
    if (!redw_result_first(res, &row) || redw_row_int64(&row, 1, &account) != REDW_OK) {
        stop(d, "query", "no such row");
        return;
    }
    d->sum += account;
    d->latency_us[d->answered++] = (double)redw_result_elapsed_us(res);
    progress("20,000 queries on ten connections", d->answered, QUERIES);
    if (d->sent < QUERIES)
        ask_one(d);
    if (d->answered < QUERIES)
        return;
    qsort(d->latency_us, QUERIES, sizeof *d->latency_us, by_value);
    snprintf(figure, sizeof figure, "%.0f queries/s, p50 %.0f us, p99 %.0f us", QUERIES / (now() - d->began),
             d->latency_us[QUERIES / 2], d->latency_us[QUERIES / 100 * 99]);
    phase_ends(d, "20,000 queries, ten connections", figure);
    stream(d);
}

static void ask_one(struct demo *d)
{
    int32_t id = (int32_t)(d->sent++ * 7919 % ROWS) + 1;

    if (redw_submit(d->db,
                    REDW_QUERY("select id, account, name, amount from redw_demo where id = $1", redw_p_int32(id)),
                    on_answer, d) < 0)
        stop(d, "query", redw_client_why(d->db));
}

static void ask(struct demo *d)
{
    for (int i = 0; i < CONNECTIONS; i++)
        ask_one(d);
}

/* ---- stream: the million rows, decoded as they arrive ------------------------------------------------ */
static enum redw_flow on_rows(redw_rows *rows, void *ctx)
{
    struct demo *d = ctx;
    redw_row row;
    int32_t id;
    int64_t account;
    double amount;

    while (redw_rows_next(rows, &row)) {
        if (redw_row_int32(&row, 0, &id) || redw_row_int64(&row, 1, &account) || redw_row_double(&row, 3, &amount))
            return REDW_STOP;
        d->rows++;
        d->sum += id + account + (int64_t)amount;
    }
    progress("streaming 1,000,000 rows", d->rows, ROWS);
    return REDW_MORE;
}

static void on_streamed(const redw_result *res, void *ctx)
{
    struct demo *d = ctx;
    char figure[80];

    if (failed(d, "stream", res))
        return;
    snprintf(figure, sizeof figure, "%.0f rows/s", (double)d->rows / (now() - d->began));
    phase_ends(d, "stream 1,000,000 rows, decoded", figure);
    meet_error(d);
}

static void stream(struct demo *d)
{
    static const struct redw_stream_handler handler = {
        .size = sizeof handler, .on_rows = on_rows, .on_done = on_streamed};

    d->rows = 0;
    if (redw_stream(d->db, REDW_QUERY("select id, account, name, amount from redw_demo"), &handler, d) < 0)
        stop(d, "stream", redw_client_why(d->db));
}

/* ---- an error: class, outcome, SQLSTATE --------------------------------------------------------------- */
static void on_error(const redw_result *res, void *ctx)
{
    struct demo *d = ctx;
    const redw_error *err = redw_result_error(res);
    char figure[80];

    if (!err) {
        stop(d, "error", "a division by zero went through");
        return;
    }
    snprintf(figure, sizeof figure, "%s, SQLSTATE %s, %s", redw_class_name(redw_error_class(err)),
             redw_error_sqlstate(err), redw_outcome_name(redw_error_outcome(err)));
    fprintf(stderr, "the error, as reported: %s\n", redw_error_message(err));
    phase_ends(d, "an error, told apart", figure);
    redw_client_close(d->db, 5000, NULL, NULL); /* nothing is left, so the loop ends */
}

static void meet_error(struct demo *d)
{
    if (redw_submit(d->db, REDW_QUERY("select 1 / $1::int", redw_p_int32(0)), on_error, d) < 0)
        stop(d, "error", redw_client_why(d->db));
}

/* ---- */
static void on_ready(const redw_error *err, void *ctx)
{
    struct demo *d = ctx;

    if (err) {
        stop(d, "connect", redw_error_message(err));
        return;
    }
    phase_ends(d, "connect (TLS, login)", "first of ten connections");
    load(d);
}

static void report(const struct demo *d)
{
    printf("\n%-34s %9s  %-48s %10s\n", "what", "seconds", "figure", "peak MiB");
    for (unsigned i = 0; i < d->nphases; i++)
        printf("%-34s %9.3f  %-48s %10.1f\n", d->phases[i].what, d->phases[i].seconds, d->phases[i].figure,
               (double)d->phases[i].peak_kib / 1024);
    printf("checksum over all values read: %" PRId64 "\n", d->sum);
}

int main(int argc, char **argv)
{
    static struct demo d;
    struct redw_diag why;

    if (argc != 2) {
        fprintf(stderr, "usage: %s postgresql://user@host/database\n", argv[0]);
        return 2;
    }
    d.loop = ev_default_loop(0);
    d.began = now();
    if (redw_client_create(&d.db, d.loop, REDW_OPTIONS(.uri = argv[1], .pool_max = CONNECTIONS), &why) != 0) {
        fprintf(stderr, "demo: %s\n", why.text);
        return 1;
    }
    if (redw_client_ready(d.db, 0, on_ready, &d) < 0)
        stop(&d, "connect", redw_client_why(d.db));
    ev_run(d.loop, 0);
    redw_client_destroy(d.db);
    if (d.status == 0)
        report(&d);
    return d.status;
}
