/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams in their three ways at a real PostgreSQL, directly and through PgBouncer: the same rows, tags, errors
 * and ends whichever it is. What only Redshift does is in tests/query/test_ways.c. Names carry the rows of the
 * feature list: F01 cursors, F02 rows, F03 the size of a batch, F04 refusals, F05 early stops, F06 memory (see
 * test_memory.c), F07 ends, U6 and X6 every row once.
 */
#include "support/lab.h"
#include "support/pg.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct lab r;

#define EACH_WAY(way) for (int way = REDW_WAY_ROWS; way <= REDW_WAY_PORTAL; way++)

struct flow {
    redw_id id;
    unsigned columns, done, pauses, batches;
    enum redw_way in_columns, in_done;
    int64_t next, pause_every, stop_at, cancel_at, forget_at; /* rows; 0: never */
    bool texts, stop_in_columns;
    int code;
    enum redw_class cls;
    enum redw_outcome outcome;
    uint64_t counted;
    int64_t affected;
    size_t notices;
    char tag[64], sqlstate[8], message[300], notice[300];
};

static enum redw_flow flow_columns(const redw_result *head, void *ctx)
{
    struct flow *f = ctx;
    f->columns++;
    ck_assert_uint_eq(f->batches, 0);
    f->in_columns = redw_result_way(head);
    return f->stop_in_columns ? REDW_STOP : REDW_MORE;
}

static enum redw_flow flow_rows(redw_rows *rows, void *ctx)
{
    struct flow *f = ctx;
    redw_row row;
    int64_t n;
    f->batches++;
    ck_assert_uint_eq(f->columns, 1);
    ck_assert_uint_eq(f->done, 0);
    while (redw_rows_next(rows, &row)) {
        ck_assert(f->texts || (redw_row_int64(&row, 0, &n) == REDW_OK && n == f->next));
        f->next++;
        if (f->stop_at == f->next)
            return REDW_STOP;
        if (f->cancel_at == f->next)
            ck_assert_int_eq(redw_cancel(r.client, f->id), 0);
        if (f->forget_at == f->next) {
            ck_assert_int_eq(redw_forget(r.client, f->id), 0);
            f->done++; /* never to be heard of again */
            return REDW_MORE;
        }
        if (f->pause_every > 0 && f->next % f->pause_every == 0) {
            f->pauses++;
            return REDW_PAUSE;
        }
    }
    return REDW_MORE;
}

static void flow_done(const redw_result *res, void *ctx)
{
    struct flow *f = ctx;
    const redw_error *e = redw_result_error(res);
    f->done++;
    f->in_done = redw_result_way(res);
    f->code = redw_error_code(e);
    f->cls = redw_error_class(e);
    f->outcome = redw_error_outcome(e);
    f->counted = redw_result_row_count(res);
    f->affected = redw_result_affected(res);
    f->notices = redw_result_notice_count(res);
    snprintf(f->tag, sizeof f->tag, "%s", redw_result_tag(res));
    if (e) {
        snprintf(f->sqlstate, sizeof f->sqlstate, "%s", redw_error_sqlstate(e));
        snprintf(f->message, sizeof f->message, "%s", redw_error_message(e));
    }
    if (f->notices > 0)
        snprintf(f->notice, sizeof f->notice, "%s", redw_error_message(redw_result_notice(res, 0)));
}

static const struct redw_stream_handler flow = {
    .size = sizeof flow, .on_columns = flow_columns, .on_rows = flow_rows, .on_done = flow_done};

static void start(const char *uri)
{
    lab_open(&r);
    lab_pool(&r, uri, pg_server()->password, 1);
}

static void finish(void)
{
    ck_assert(lab_close(&r));
    ck_assert(!r.late);
}

static void go(struct flow *f, int way, uint32_t fetch_rows, const char *sql)
{
    f->id = redw_stream(r.client, REDW_REQUEST(.sql = sql, .way = (enum redw_way)way, .fetch_rows = fetch_rows),
                        &flow, f);
    ck_assert_msg(f->id > 0, "%s", redw_client_why(r.client));
}

static void run(struct flow *f, int way, uint32_t fetch_rows, const char *sql)
{
    go(f, way, fetch_rows, sql);
    ck_assert(lab_wait(&r, &f->done, 1));
}

/* The client serves, and not from inside a transaction that somebody left: there this draws no warning. */
static void must_serve(void)
{
    struct answer a = lab_query(&r, REDW_QUERY("set local work_mem to '4MB'"));
    answer_must_succeed(&a);
    ck_assert_uint_eq(redw_result_notice_count(a.res), 1);
    answer_release(&a);
}

/* The server process behind the connection: another one, another connection. */
static int backend(void)
{
    struct answer a = lab_query(&r, REDW_QUERY("select pg_backend_pid()"));
    int pid = atoi(answer_text(&a));
    answer_release(&a);
    return pid;
}

/* Connections opened so far, side connections too. */
static uint64_t opened(void)
{
    return r.fault.opened;
}

#define SERIES(n) "select g, repeat('x', (g % 100)::int) from (select generate_series(0::int8, " #n " - 1) g) s"

/* --- every row once -------------------------------------------------------------------------------------- */

START_TEST(X6_each_way_brings_every_row_once_and_in_order)
{
    static const struct {
        const char *sql;
        int64_t rows;
    } series[] = {{SERIES(0), 0},       {SERIES(1), 1},       {SERIES(999), 999},
                  {SERIES(1000), 1000}, {SERIES(1001), 1001}, {SERIES(25000), 25000}};
    static const uint32_t fetches[] = {0, 2, 7, 1000, 100000};
    char tag[40];
    start(pg_uri());
    EACH_WAY(way) {
        for (size_t i = 0; i < sizeof series / sizeof series[0]; i++) {
            for (size_t k = 0; k < sizeof fetches / sizeof fetches[0]; k++) {
                struct flow f = {0};
                if (fetches[k] == 2 && series[i].rows > 2000)
                    continue;
                run(&f, way, fetches[k], series[i].sql);
                ck_assert_msg(f.code == REDW_OK, "%s", f.message);
                ck_assert_int_eq(f.next, series[i].rows);
                ck_assert_uint_eq(f.counted, (uint64_t)series[i].rows);
                ck_assert_int_eq(f.affected, series[i].rows);
                snprintf(tag, sizeof tag, "SELECT %lld", (long long)series[i].rows);
                ck_assert_str_eq(f.tag, tag);
                ck_assert_uint_eq(f.columns, 1);
                ck_assert_uint_eq(f.notices, 0);
                ck_assert_int_eq(f.in_columns, way);
                ck_assert_int_eq(f.in_done, way);
            }
        }
        must_serve();
    }
    ck_assert_uint_eq(opened(), 1); /* and each gave its connection back */
    finish();
}
END_TEST

START_TEST(X6_each_way_goes_through_a_pooler_of_transactions)
{
    if (!pg_server()->bounceruri[0])
        return;
    start(pg_server()->bounceruri);
    EACH_WAY(way) {
        struct flow f = {.pause_every = 0};
        run(&f, way, 500, SERIES(25000));
        ck_assert_msg(f.code == REDW_OK, "%s", f.message);
        ck_assert_int_eq(f.next, 25000);
        ck_assert_int_eq(f.in_done, way);
        must_serve();
    }
    finish();
}
END_TEST

START_TEST(F01_the_default_way_is_rows_and_a_result_says_its_way)
{
    start(pg_uri());
    struct flow f = {0};
    run(&f, REDW_WAY_AUTO, 0, SERIES(10));
    ck_assert_int_eq(f.in_columns, REDW_WAY_ROWS);
    ck_assert_int_eq(f.in_done, REDW_WAY_ROWS);
    struct answer a = lab_query(&r, REDW_QUERY("select 1"));
    ck_assert_int_eq(redw_result_way(a.res), REDW_WAY_ROWS);
    answer_release(&a);
    finish();
}
END_TEST

START_TEST(F01_what_stands_at_the_end_of_the_text_breaks_no_cursor)
{
    static const char *const texts[] = {
        "select g::int8, 1 from generate_series(0, 9) g;",
        "select g::int8, 1 from generate_series(0, 9) g -- the end",
        "select g::int8, 1 from generate_series(0, 9) g; -- the end",
        "select g::int8, 1 from generate_series(0, 9) g ; ; /* the end */ ",
        "/* from */ select g::int8, 1 from generate_series(0, 9) g\n--\n",
        "-- from\nselect g::int8, '; drop table x; --' from generate_series(0, 9) g",
        "(select g::int8, $$;$$ from generate_series(0, 9) g)",
        "with s as (select generate_series(0, 9)::int8 g) select g, 1 from s",
        "values (0::int8, 1), (1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (7, 1), (8, 1), (9, 1)",
    };
    start(pg_uri());
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        EACH_WAY(way) {
            struct flow f = {0};
            run(&f, way, 3, texts[i]);
            ck_assert_msg(f.code == REDW_OK, "%s: %s", texts[i], f.message);
            ck_assert_int_eq(f.next, 10);
            ck_assert_msg(f.in_done == (enum redw_way)way, "%s: way %d", texts[i], (int)f.in_done);
        }
    }
    ck_assert_uint_eq(opened(), 1);
    finish();
}
END_TEST

START_TEST(F01_a_portal_takes_parameters_and_brings_binary)
{
    start(pg_uri());
    for (int wire = REDW_WIRE_TEXT; wire <= REDW_WIRE_BINARY; wire++) {
        struct flow f = {0};
        f.id = redw_stream(r.client,
                           REDW_REQUEST(.sql = "select g::int8, $2::text from generate_series($1::int4, 4999) g",
                                        .way = REDW_WAY_PORTAL, .wire = (enum redw_wire)wire,
                                        REDW_PARAMS(redw_p_int32(0), redw_p_text("t"))),
                           &flow, &f);
        ck_assert_int_gt(f.id, 0);
        ck_assert(lab_wait(&r, &f.done, 1));
        ck_assert_msg(f.code == REDW_OK, "%s", f.message);
        ck_assert_int_eq(f.next, 5000);
    }
    finish();
}
END_TEST

START_TEST(F01_a_portal_runs_statements_that_change_something_and_commits_them)
{
    start(pg_uri());
    pg_sql("drop table if exists ways_t; create table ways_t (n int8)");
    struct flow f = {0};
    run(&f, REDW_WAY_PORTAL, 10, "insert into ways_t select g from generate_series(0, 99) g returning n");
    ck_assert_msg(f.code == REDW_OK, "%s", f.message);
    ck_assert_int_eq(f.next, 100);
    ck_assert_str_eq(f.tag, "INSERT 0 100");
    ck_assert_int_eq(f.affected, 100);
    ck_assert_int_eq(pg_number("select count(*) from ways_t"), 100);
    f = (struct flow){0};
    run(&f, REDW_WAY_PORTAL, 10, "update ways_t set n = n + 1000");
    ck_assert_str_eq(f.tag, "UPDATE 100");
    ck_assert_int_eq(f.affected, 100);
    ck_assert_uint_eq(f.columns, 0);
    f = (struct flow){.stop_at = 5};
    run(&f, REDW_WAY_PORTAL, 10, "delete from ways_t returning n - 1000");
    ck_assert_int_eq(f.code, REDW_ECANCELLED);
    must_serve();
    ck_assert_int_eq(pg_number("select count(*) from ways_t"), 100); /* stopped: rolled back */
    pg_sql("drop table ways_t");
    finish();
}
END_TEST

/* --- what cannot be -------------------------------------------------------------------------------------- */

static void refused(const struct redw_request *rq, const char *words)
{
    struct flow f = {0};
    ck_assert_int_eq(redw_stream(r.client, rq, &flow, &f), REDW_EINVAL);
    ck_assert_msg(strstr(redw_client_why(r.client), words), "%s", redw_client_why(r.client));
}

START_TEST(F04_a_request_that_cannot_go_its_way_is_refused_with_the_reason)
{
    struct answer a = {0};
    start(pg_uri());
    refused(REDW_REQUEST(.sql = "select $1", .way = REDW_WAY_CURSOR, REDW_PARAMS(redw_p_int32(1))), "portal");
    refused(REDW_REQUEST(.sql = "select 1", .way = REDW_WAY_CURSOR, .wire = REDW_WIRE_BINARY), "text");
    refused(REDW_REQUEST(.sql = "select 1", .way = (enum redw_way)4), "way");
    refused(REDW_REQUEST(.sql = "select 1", .way = REDW_WAY_CURSOR, .fetch_rows = 1), "fetch_rows");
    refused(REDW_REQUEST(.sql = "select 1", .fetch_rows = 100001), "fetch_rows");
    ck_assert_int_eq(redw_submit(r.client, REDW_REQUEST(.sql = "select 1", .way = REDW_WAY_PORTAL), answer_done, &a),
                     REDW_EINVAL);
    ck_assert_msg(strstr(redw_client_why(r.client), "redw_stream"), "%s", redw_client_why(r.client));
    finish();
}
END_TEST

START_TEST(F04_what_cannot_be_declared_goes_by_rows_and_says_so)
{
    static const struct {
        const char *sql;
        bool declared; /* tried, and refused by the server */
    } texts[] = {
        {"insert into ways_u values (7) returning 0::int8", true},
        {"; select 0::int8", true},
        {"show block_size", true},
        {"insert into ways_u values (7)", false},
        {"with x as (insert into ways_u values (7) returning n) select 0::int8 from x", true},
        {"", false},
    };
    pg_sql("drop table if exists ways_u; create table ways_u (n int8)");
    start(pg_uri());
    long ran = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct flow f = {.texts = strstr(texts[i].sql, "show") != NULL};
        run(&f, REDW_WAY_CURSOR, 10, texts[i].sql);
        ck_assert_msg(f.code == REDW_OK, "%s: %s", texts[i].sql, f.message);
        ck_assert_int_eq(f.in_done, REDW_WAY_ROWS);
        ck_assert_uint_eq(f.notices, texts[i].declared);
        ran += strstr(texts[i].sql, "insert") != NULL;
        ck_assert_int_eq(pg_number("select count(*) from ways_u"), ran); /* once */
    }
    ck_assert_uint_eq(opened(), 1);
    pg_sql("drop table ways_u");
    finish();
}
END_TEST

START_TEST(F04_what_begins_transactions_of_its_own_goes_by_rows_and_says_so)
{
    pg_sql("drop table if exists ways_v; create table ways_v (n int8)");
    start(pg_uri());
    struct flow f = {0};
    run(&f, REDW_WAY_PORTAL, 10, "vacuum ways_v");
    /* An error of VACUUM proves nothing in general: it is told, not tried again. */
    ck_assert_int_eq(f.code, REDW_ESERVER);
    ck_assert_str_eq(f.sqlstate, "25001");
    f = (struct flow){0};
    run(&f, REDW_WAY_PORTAL, 10, "create index concurrently ways_i on ways_v (n)");
    ck_assert_msg(f.code == REDW_OK, "%s", f.message);
    ck_assert_int_eq(f.in_done, REDW_WAY_ROWS);
    ck_assert_uint_eq(f.notices, 1);
    must_serve();
    ck_assert_uint_eq(opened(), 1);
    pg_sql("drop table ways_v");
    finish();
}
END_TEST

START_TEST(F04_a_second_statement_never_runs)
{
    pg_sql("drop table if exists ways_w; create table ways_w (n int8)");
    start(pg_uri());
    EACH_WAY(way) {
        struct flow f = {0};
        run(&f, way, 10, "select 0::int8; insert into ways_w values (1)");
        ck_assert_int_eq(f.code, REDW_ESERVER);
        ck_assert_str_eq(f.sqlstate, "42601");
        ck_assert_int_eq(f.outcome, REDW_OUTCOME_NOT_EXECUTED);
        ck_assert_int_eq(pg_number("select count(*) from ways_w"), 0);
    }
    must_serve();
    ck_assert_uint_eq(opened(), 1);
    pg_sql("drop table ways_w");
    finish();
}
END_TEST

/* --- errors ---------------------------------------------------------------------------------------------- */

START_TEST(F07_errors_in_each_step_are_reported_once_and_the_connection_is_kept)
{
    static const struct {
        const char *sql, *state;
        int64_t rows;
    } texts[] = {
        {"select nothing at all from", "42601", 0},
        {"select n from ways_none", "42P01", 0},
        {"select 1::int8 / 0", "22012", 0},
        {"select g::int8 + 0 / (25 - g), 1 / (25 - g) from generate_series(0, 5000) g", "22012", 25},
        {"select g::int8 + 0 / (2500 - g), 1 from generate_series(0, 5000) g", "22012", 2500},
    };
    start(pg_uri());
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        EACH_WAY(way) {
            struct flow f = {0};
            run(&f, way, 1000, texts[i].sql);
            ck_assert_int_eq(f.code, REDW_ESERVER);
            ck_assert_str_eq(f.sqlstate, texts[i].state);
            ck_assert_int_eq(f.outcome, REDW_OUTCOME_NOT_EXECUTED);
            /* PostgreSQL gathers what a FETCH brings before it sends any of it. */
            ck_assert_int_eq(f.next, way == REDW_WAY_CURSOR ? texts[i].rows / 1000 * 1000 : texts[i].rows);
            ck_assert_int_eq(f.in_done, way);
            must_serve();
        }
    }
    ck_assert_uint_eq(opened(), 1);
    finish();
}
END_TEST

START_TEST(F07_an_error_of_the_commit_is_the_streams)
{
    pg_sql("drop table if exists ways_p cascade; create table ways_p (n int8 primary key);"
           "drop table if exists ways_c; create table ways_c (n int8 references ways_p deferrable initially deferred)");
    start(pg_uri());
    EACH_WAY(way) {
        struct flow f = {0};
        if (way == REDW_WAY_CURSOR)
            continue;
        run(&f, way, 10, "insert into ways_c values (0) returning n");
        ck_assert_int_eq(f.code, REDW_ESERVER);
        ck_assert_str_eq(f.sqlstate, "23503");
        ck_assert_int_eq(f.outcome, REDW_OUTCOME_NOT_EXECUTED);
        ck_assert_int_eq(f.next, 1);
    }
    must_serve();
    ck_assert_uint_eq(opened(), 1);
    pg_sql("drop table ways_c, ways_p");
    finish();
}
END_TEST

/* --- pauses and ends --------------------------------------------------------------------------------------- */

START_TEST(F02_a_pause_asks_for_nothing_and_loses_nothing)
{
    start(pg_uri());
    EACH_WAY(way) {
        struct flow f = {.pause_every = 700};
        go(&f, way, 500, SERIES(5000));
        for (unsigned k = 1; k <= 7; k++) {
            ck_assert(lab_wait(&r, &f.pauses, k));
            ck_assert_int_eq(f.next, 700 * k);
            uint64_t sent = r.fault.calls[FAULT_SEND];
            lab_run_ms(&r, 10);
            ck_assert_int_eq(f.next, 700 * k);
            ck_assert_uint_eq(r.fault.calls[FAULT_SEND], sent);
            ck_assert_int_eq(redw_resume(r.client, f.id), 0);
        }
        ck_assert(lab_wait(&r, &f.done, 1));
        ck_assert_int_eq(f.code, REDW_OK);
        ck_assert_int_eq(f.next, 5000);
    }
    /* The pause at the last row of a batch, and at the last of all. */
    EACH_WAY(way) {
        struct flow f = {.pause_every = 500};
        go(&f, way, 500, SERIES(1000));
        for (unsigned k = 1; k <= 2; k++) {
            ck_assert(lab_wait(&r, &f.pauses, k));
            lab_run_ms(&r, 2);
            ck_assert_uint_eq(f.done, 0);
            ck_assert_int_eq(redw_resume(r.client, f.id), 0);
        }
        ck_assert(lab_wait(&r, &f.done, 1));
        ck_assert_int_eq(f.next, 1000);
    }
    finish();
}
END_TEST

START_TEST(F05_an_early_stop_frees_the_same_connection_in_bounded_time)
{
    start(pg_uri());
    int pid = backend();
    for (int k = 0; k < 4; k++) {
        EACH_WAY(way) {
            struct flow f = {.stop_at = k == 0 ? 1 : k == 1 ? 100 : 150};
            f.stop_in_columns = k == 3;
            double from = ev_time();
            run(&f, way, 100, "select generate_series(0::int8, 9999999), repeat('z', 1000)");
            ck_assert_int_eq(f.code, REDW_ECANCELLED);
            ck_assert_int_eq(f.next, k == 3 ? 0 : f.stop_at);
            must_serve();
            ck_assert(ev_time() - from < 5);
        }
    }
    ck_assert_int_eq(backend(), pid);
    finish();
}
END_TEST

START_TEST(F07_cancel_forget_and_a_deadline_end_each_way_once)
{
    start(pg_uri());
    EACH_WAY(way) {
        struct flow f = {.cancel_at = 150};
        run(&f, way, 100, "select generate_series(0::int8, 9999999), pg_sleep(0)");
        ck_assert_int_eq(f.cls, REDW_CLASS_QUERY_CANCELLED);
        must_serve();

        f = (struct flow){.forget_at = 150};
        run(&f, way, 100, SERIES(1000000));
        must_serve();
        ck_assert_uint_eq(f.done, 1);

        f = (struct flow){.pause_every = 150};
        f.id = redw_stream(r.client, REDW_REQUEST(.sql = SERIES(1000000), .way = (enum redw_way)way,
                                                  .fetch_rows = 100, .timeout_ms = 60),
                           &flow, &f);
        ck_assert(lab_wait(&r, &f.done, 1)); /* paused, for ever */
        ck_assert_int_eq(f.code, REDW_ETIMEDOUT);
        ck_assert_int_eq(f.next, 150);
        must_serve();

        f = (struct flow){.pause_every = 150};
        go(&f, way, 100, SERIES(1000000));
        ck_assert(lab_wait(&r, &f.pauses, 1));
        ck_assert_int_eq(redw_cancel(r.client, f.id), 0);
        ck_assert(lab_wait(&r, &f.done, 1));
        ck_assert_int_eq(f.code, REDW_ECANCELLED);
        must_serve();
    }
    finish();
}
END_TEST

static unsigned closed;
static void on_closed(void *ctx)
{
    (void)ctx;
    closed++;
}

START_TEST(F07_close_waits_for_each_way_and_destroy_does_not)
{
    EACH_WAY(way) {
        struct flow f = {0};
        start(pg_uri());
        closed = 0;
        go(&f, way, 100, SERIES(5000));
        redw_client_close(r.client, REDW_NONE, on_closed, NULL);
        ck_assert(lab_wait(&r, &closed, 1));
        ck_assert_uint_eq(f.done, 1);
        ck_assert_int_eq(f.code, REDW_OK);
        ck_assert_int_eq(f.next, 5000);
        finish();

        f = (struct flow){.pause_every = 250};
        start(pg_uri());
        go(&f, way, 100, SERIES(5000));
        ck_assert(lab_wait(&r, &f.pauses, 1));
        redw_client_destroy(r.client);
        r.client = NULL;
        ck_assert_uint_eq(f.done, 1);
        ck_assert_int_eq(f.code, REDW_ECLOSED);
        finish();
    }
}
END_TEST

/* Wherever the stream is when it is given up: before anything was sent, in each of its round trips, between two
 * batches, at its end. */
START_TEST(F07_a_stream_given_up_at_any_moment_ends_once_and_its_connection_serves)
{
    enum { CANCEL, FORGET, WAYS_TO_GO };
    start(pg_uri());
    EACH_WAY(way) {
        for (int how = CANCEL; how < WAYS_TO_GO; how++) {
            for (unsigned rounds = 0; rounds < 60; rounds++) {
                struct flow f = {0};
                go(&f, way, 100, SERIES(900));
                for (unsigned k = 0; k < rounds && f.done == 0; k++)
                    ev_run(r.loop, EVRUN_ONCE);
                bool over = f.done > 0;
                if (how == CANCEL) {
                    redw_cancel(r.client, f.id);
                    ck_assert(lab_wait(&r, &f.done, 1));
                    ck_assert(f.code == REDW_OK || f.cls == REDW_CLASS_QUERY_CANCELLED);
                } else {
                    redw_forget(r.client, f.id);
                }
                must_serve();
                ck_assert_uint_eq(f.done, over || how == CANCEL);
                if (over)
                    break;
            }
        }
    }
    finish();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("streams in three ways");
    TCase *t = tcase_create("ways");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, X6_each_way_brings_every_row_once_and_in_order);
    tcase_add_test(t, X6_each_way_goes_through_a_pooler_of_transactions);
    tcase_add_test(t, F01_the_default_way_is_rows_and_a_result_says_its_way);
    tcase_add_test(t, F01_what_stands_at_the_end_of_the_text_breaks_no_cursor);
    tcase_add_test(t, F01_a_portal_takes_parameters_and_brings_binary);
    tcase_add_test(t, F01_a_portal_runs_statements_that_change_something_and_commits_them);
    tcase_add_test(t, F04_a_request_that_cannot_go_its_way_is_refused_with_the_reason);
    tcase_add_test(t, F04_what_cannot_be_declared_goes_by_rows_and_says_so);
    tcase_add_test(t, F04_what_begins_transactions_of_its_own_goes_by_rows_and_says_so);
    tcase_add_test(t, F04_a_second_statement_never_runs);
    tcase_add_test(t, F07_errors_in_each_step_are_reported_once_and_the_connection_is_kept);
    tcase_add_test(t, F07_an_error_of_the_commit_is_the_streams);
    tcase_add_test(t, F02_a_pause_asks_for_nothing_and_loses_nothing);
    tcase_add_test(t, F05_an_early_stop_frees_the_same_connection_in_bounded_time);
    tcase_add_test(t, F07_cancel_forget_and_a_deadline_end_each_way_once);
    tcase_add_test(t, F07_close_waits_for_each_way_and_destroy_does_not);
    tcase_add_test(t, F07_a_stream_given_up_at_any_moment_ends_once_and_its_connection_serves);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
