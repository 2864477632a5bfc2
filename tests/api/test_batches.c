/* SPDX-License-Identifier: Apache-2.0 */
/*
 * E04: batches against a real server: one flight, one transaction, the member at fault named.
 */
#include "support/lab.h"
#include "support/pg.h"
#include "support/sweep.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct lab r;

/* What the report said. */
struct told {
    redw_id id;
    unsigned calls;
    bool ok, named;
    size_t member;
    uint64_t rows, elapsed_ms;
    int64_t first, last, beyond; /* affected */
    size_t nsets;
    int code;
    enum redw_class cls;
    enum redw_outcome outcome;
    char sqlstate[6], message[200];
};

static void on_report(const redw_report *rep, void *ctx)
{
    struct told *t = ctx;
    const redw_error *e = redw_report_error(rep);

    t->calls++;
    t->ok = e == NULL;
    t->member = 4711;
    t->named = redw_report_failed_member(rep, &t->member);
    t->rows = redw_report_rows(rep);
    t->elapsed_ms = redw_report_elapsed_ms(rep);
    t->first = redw_report_affected(rep, 0);
    t->last = redw_report_affected(rep, t->nsets - 1);
    t->beyond = redw_report_affected(rep, t->nsets);
    if (!e)
        return;
    t->code = redw_error_code(e);
    t->cls = redw_error_class(e);
    t->outcome = redw_error_outcome(e);
    snprintf(t->sqlstate, sizeof t->sqlstate, "%s", redw_error_sqlstate(e));
    snprintf(t->message, sizeof t->message, "%s", redw_error_message(e));
}

static void submit(struct told *t, const struct redw_batch *b)
{
    *t = (struct told){.nsets = b ? b->nsets : 0};
    t->id = redw_batch_execute(r.client, b, on_report, t);
    ck_assert_uint_eq(t->calls, 0);
}

static struct told run(const struct redw_batch *b)
{
    struct told t;

    submit(&t, b);
    if (t.id > 0)
        ck_assert(lab_wait(&r, &t.calls, 1));
    return t;
}

static void must_succeed(const struct redw_batch *b, uint64_t rows)
{
    struct told t = run(b);
    ck_assert_msg(t.ok, "%s%s", t.message, t.id < 0 ? redw_client_why(r.client) : "");
    ck_assert_uint_eq(t.rows, rows);
    ck_assert(!t.named);
    ck_assert_uint_eq(t.member, 4711);
    ck_assert_int_eq(t.beyond, -1);
}

/* member: -1: none is named */
static void must_fail(const struct redw_batch *b, const char *sqlstate, long member)
{
    struct told t = run(b);
    ck_assert_msg(t.id > 0, "%s", redw_client_why(r.client));
    ck_assert(!t.ok);
    ck_assert_msg(strcmp(t.sqlstate, sqlstate) == 0, "%s", t.message);
    ck_assert_msg(t.named == (member >= 0), "%s", t.message);
    if (member >= 0)
        ck_assert_uint_eq(t.member, (size_t)member);
    ck_assert_uint_eq(t.rows, 0);
    ck_assert_int_eq(t.first, -1);
    ck_assert_int_eq(t.outcome, REDW_OUTCOME_NOT_EXECUTED);
}

static void must_refuse(const struct redw_batch *b, int code, const char *words)
{
    struct told t = run(b);
    ck_assert_int_eq((int)t.id, code);
    ck_assert_msg(strcmp(redw_client_why(r.client), words) == 0, "%s", redw_client_why(r.client));
    ck_assert_uint_eq(t.calls, 0);
}

static void start_lab(void)
{
    pg_sql("set client_min_messages = error; drop table if exists batch_child, batch; "
           "create table batch (id int8 primary key, label text, at timestamptz)");
    lab_open(&r);
}

static void start(uint32_t pool_max)
{
    start_lab();
    lab_pool(&r, pg_server()->unixuri, pg_server()->password, pool_max);
}

static void finish(void)
{
    ck_assert_msg(!r.late, "the test waited in vain");
    ck_assert(lab_close(&r));
}

static redw_stmt *prepare(const char *sql)
{
    redw_stmt *s;

    ck_assert_int_eq(redw_stmt_create(&s, r.client, sql, NULL), 0);
    return s;
}

/* n sets (i, "label i"), i from `from` on. */
static redw_param *sets(size_t from, size_t n)
{
    static char labels[1000][16];
    redw_param *p = calloc(n, 2 * sizeof *p);

    for (size_t i = 0; i < n; i++) {
        snprintf(labels[i % 1000], sizeof labels[0], "label %zu", i % 1000);
        p[2 * i] = redw_p_int64((int64_t)(from + i));
        p[2 * i + 1] = i % 7 ? redw_p_text(labels[i % 1000]) : redw_p_text(NULL);
    }
    return p;
}

#define INSERT "insert into batch values ($1, $2)"

START_TEST(E04_all_sets_are_run_in_one_flight_and_each_ones_count_is_told)
{
    redw_param *p = sets(0, 1000);

    start(1);
    struct told t = run(REDW_BATCH(.sql = INSERT, .params = p, .nsets = 1000, .nparams = 2));
    ck_assert_msg(t.ok, "%s", t.message);
    ck_assert_uint_eq(t.rows, 1000);
    ck_assert_int_eq(t.first, 1);
    ck_assert_int_eq(t.last, 1);
    ck_assert_int_eq(t.beyond, -1);
    ck_assert_uint_lt(t.elapsed_ms, 20000);
    ck_assert_int_eq(pg_number("select count(*) from batch where label = 'label ' || id or id % 7 = 0"), 1000);
    free(p);

    redw_stmt *s = prepare("update batch set label = $2 where id < $1");
    redw_param few[] = {redw_p_int64(10), redw_p_text("a"), redw_p_int64(0), redw_p_text("b"),
                        redw_p_int64(3),  redw_p_text("c")};
    for (int i = 0; i < 3; i++) { /* prepared, then run again */
        t = run(REDW_BATCH(.stmt = s, .params = few, .nsets = 3, .nparams = 2));
        ck_assert_msg(t.ok, "%s", t.message);
        ck_assert_uint_eq(t.rows, 13);
        ck_assert_int_eq(t.first, 10);
        ck_assert_int_eq(t.last, 3);
    }
    ck_assert_int_eq(redw_stmt_parameter_count(s), 2);
    redw_stmt_release(s);
    ck_assert_int_eq(pg_number("select count(*) from batch where label = 'c'"), 3);
    ck_assert_uint_eq(r.fault.opened, 1);
    finish();
}
END_TEST

START_TEST(E04_a_batch_of_one_set_and_sets_without_parameters)
{
    redw_param *p = sets(5, 1);

    start(1);
    must_succeed(REDW_BATCH(.sql = INSERT, .params = p, .nsets = 1, .nparams = 2), 1);
    must_succeed(REDW_BATCH(.sql = "insert into batch select coalesce(max(id), 0) + 1 from batch", .nsets = 10), 10);
    ck_assert_int_eq(pg_number("select max(id) from batch"), 15);
    must_succeed(REDW_BATCH(.sql = "", .nsets = 3), 0);
    free(p);
    finish();
}
END_TEST

START_TEST(E04_the_member_at_fault_is_named_and_nothing_is_kept)
{
    static const size_t faulty[] = {0, 1, 617, 999};

    start(1);
    redw_stmt *s = prepare(INSERT);
    for (size_t i = 0; i < 4; i++) {
        redw_param *p = sets(10, 1000);
        p[2 * faulty[i]] = redw_p_int64(faulty[i] ? 10 : 11); /* a duplicate */
        for (int with = 0; with < 2; with++)
            must_fail(REDW_BATCH(.sql = with ? NULL : INSERT, .stmt = with ? s : NULL, .params = p, .nsets = 1000,
                                 .nparams = 2),
                      "23505", faulty[i] ? (long)faulty[i] : 1);
        free(p);
    }
    ck_assert_int_eq(pg_number("select count(*) from batch"), 0);
    /* What Bind refuses is a member's too: the text of a value. */
    redw_param texts[] = {redw_p_text("1"), redw_p_text("2"), redw_p_text("three"), redw_p_text("4")};
    for (int i = 0; i < 2; i++)
        must_fail(REDW_BATCH(.sql = "insert into batch values ($1)", .params = texts, .nsets = 4, .nparams = 1),
                  "22P02", 2);
    texts[0] = redw_p_text("none");
    must_fail(REDW_BATCH(.sql = "insert into batch values ($1)", .params = texts, .nsets = 4, .nparams = 1), "22P02",
              0);
    redw_stmt_release(s);
    ck_assert_int_eq(pg_number("select count(*) from batch"), 0);
    ck_assert_uint_eq(r.fault.opened, 1);
    finish();
}
END_TEST

/* One behind the other on one connection, each a transaction of its own; large ones wait until they are alone. */
START_TEST(E04_small_batches_share_a_connection_and_one_that_fails_hurts_no_other)
{
    struct redw_diag why;
    struct told t[4];
    redw_param *p[4];

    start_lab();
    ck_assert_msg(lab_client(&r, REDW_OPTIONS(.uri = pg_server()->unixuri, .password = pg_server()->password,
                                              .pool_max = 1, .pipeline_max = 8), &why) == 0, "%s", why.text);
    must_succeed(REDW_BATCH(.sql = "select", .nsets = 1), 1);
    uint64_t sends = r.fault.calls[FAULT_SEND];
    for (size_t i = 0; i < 4; i++) {
        p[i] = sets(i * 100, 100);
        if (i == 1)
            p[i][2 * 42] = redw_p_int64(7); /* the first one's */
        submit(&t[i], REDW_BATCH(.sql = INSERT, .params = p[i], .nsets = 100, .nparams = 2));
    }
    ck_assert(lab_wait(&r, &t[3].calls, 1));
    ck_assert_uint_eq(r.fault.calls[FAULT_SEND], sends + 1);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_uint_eq(t[i].calls, 1);
        ck_assert_msg(t[i].ok == (i != 1), "%s", t[i].message);
        free(p[i]);
    }
    ck_assert(t[1].named && t[1].member == 42);
    ck_assert_str_eq(t[1].sqlstate, "23505");
    ck_assert_int_eq(pg_number("select count(*) from batch"), 300);

    static char wide[1 << 20];
    memset(wide, 'w', sizeof wide - 1);
    redw_param large[] = {redw_p_int64(1000), redw_p_text(wide), redw_p_int64(1001), redw_p_text(wide)};
    redw_param small[] = {redw_p_int64(1002), redw_p_text("s")};
    submit(&t[0], REDW_BATCH(.sql = INSERT, .params = large, .nsets = 2, .nparams = 2));
    submit(&t[1], REDW_BATCH(.sql = INSERT, .params = small, .nsets = 1, .nparams = 2));
    ck_assert(lab_wait(&r, &t[1].calls, 1));
    ck_assert_msg(t[0].ok && t[1].ok, "%s%s", t[0].message, t[1].message);
    ck_assert_int_eq(pg_number("select count(*) from batch"), 303);
    ck_assert_uint_eq(r.fault.opened, 1);
    finish();
}
END_TEST

START_TEST(E04_no_member_is_named_for_what_is_none_ones_fault)
{
    redw_param *p = sets(0, 100);

    start(1);
    must_fail(REDW_BATCH(.sql = "insert into nowhere values ($1, $2)", .params = p, .nsets = 100, .nparams = 2),
              "42P01", -1);
    must_fail(REDW_BATCH(.sql = "insert int batch", .params = p, .nsets = 100, .nparams = 2), "42601", -1);
    must_fail(REDW_BATCH(.sql = "select 1; select 2", .nsets = 2), "42601", -1);
    /* At the commit: a deferred constraint. */
    pg_sql("create table batch_child (id int8 references batch deferrable initially deferred, t text)");
    for (int i = 0; i < 2; i++)
        must_fail(REDW_BATCH(.sql = "insert into batch_child values ($1, $2)", .params = p, .nsets = 100, .nparams = 2),
                  "23503", -1);
    ck_assert_int_eq(pg_number("select count(*) from batch_child"), 0);
    must_succeed(REDW_BATCH(.sql = INSERT, .params = p, .nsets = 100, .nparams = 2), 100);
    must_succeed(REDW_BATCH(.sql = "insert into batch_child values ($1, $2)", .params = p, .nsets = 100, .nparams = 2),
                 100);
    free(p);
    finish();
}
END_TEST

static ssize_t (*real_recv)(void *ctx, int fd, void *p, size_t n);
static bool refused;

/* The connection breaks behind the error, before the ReadyForQuery that ends the unit. */
static ssize_t recv_up_to_the_error(void *ctx, int fd, void *p, size_t n)
{
    static const char ready[5] = {'Z', 0, 0, 0, 5};

    if (refused) {
        errno = ECONNRESET;
        return -1;
    }
    ssize_t got = real_recv(ctx, fd, p, n);
    refused = got > 6 && memmem(p, (size_t)got, "C22012", 6);
    if (refused)
        shutdown(fd, SHUT_RDWR); /* there is always something more to be read */
    return refused && memcmp((char *)p + got - 6, ready, 5) == 0 ? got - 6 : got;
}

START_TEST(E04_the_member_at_fault_is_named_when_the_connection_breaks_behind_the_error)
{
    redw_param p[] = {redw_p_int32(1), redw_p_int32(1), redw_p_int32(1), redw_p_int32(0)};

    start(1);
    real_recv = r.fault.sys.recv;
    r.fault.sys.recv = recv_up_to_the_error;
    must_fail(REDW_BATCH(.sql = "insert into batch select 1 / $1::int4", .params = p, .nsets = 4, .nparams = 1), "23505",
              1); /* not cut: there are two of them */
    must_fail(REDW_BATCH(.sql = "insert into batch select $1::int4 / $2::int4", .params = p, .nsets = 2, .nparams = 2),
              "22012", 1);
    ck_assert(refused);
    refused = false;
    must_succeed(REDW_BATCH(.sql = INSERT, .params = (redw_param[]){redw_p_int64(1), redw_p_text("a")}, .nsets = 1,
                            .nparams = 2), 1);
    finish();
}
END_TEST

START_TEST(E04_returned_rows_are_read_and_dropped)
{
    redw_param *p = sets(0, 500);

    start(1);
    redw_stmt *s = prepare(INSERT " returning id, repeat(label, 1000)");
    must_succeed(REDW_BATCH(.sql = INSERT " returning *", .params = p, .nsets = 500, .nparams = 2), 500);
    for (size_t i = 1; i <= 2; i++) {
        redw_param *q = sets(500 * i, 500);
        must_succeed(REDW_BATCH(.stmt = s, .params = q, .nsets = 500, .nparams = 2), 500);
        free(q);
    }
    must_fail(REDW_BATCH(.stmt = s, .params = p, .nsets = 500, .nparams = 2), "23505", 0);
    must_succeed(REDW_BATCH(.sql = "select generate_series(1, 3)", .nsets = 4), 12);
    redw_stmt_release(s);
    free(p);
    finish();
}
END_TEST

START_TEST(E04_what_was_forgotten_or_changed_is_prepared_anew_and_the_batch_runs_once)
{
    redw_param *p = sets(0, 50), *q = sets(50, 50), *t = sets(100, 50);

    start(1);
    redw_stmt *s = prepare(INSERT " returning *");
    must_succeed(REDW_BATCH(.stmt = s, .params = p, .nsets = 50, .nparams = 2), 50);
    must_succeed(REDW_BATCH(.sql = "deallocate all", .nsets = 1), 0);
    must_succeed(REDW_BATCH(.stmt = s, .params = q, .nsets = 50, .nparams = 2), 50);
    pg_sql("alter table batch add column more int4");
    must_succeed(REDW_BATCH(.stmt = s, .params = t, .nsets = 50, .nparams = 2), 50);
    must_fail(REDW_BATCH(.stmt = s, .params = t, .nsets = 50, .nparams = 2), "23505", 0);
    ck_assert_int_eq(pg_number("select count(*) from batch"), 150);
    redw_stmt_release(s);
    free(p), free(q), free(t);
    finish();
}
END_TEST

START_TEST(E04_what_is_wrong_is_refused_before_a_byte_is_sent)
{
    redw_param p[] = {redw_p_int64(1), redw_p_text("a"), redw_p_int64(2), redw_p_text("b"),
                      redw_p_int64(3), redw_p_text("c")};
    redw_client *other;
    redw_stmt *s, *theirs;

    start(1);
    must_refuse(NULL, REDW_EINVAL, "batch: NULL, its size is wrong, or a field newer than this library is set");
    must_refuse(REDW_BATCH(.nsets = 1), REDW_EINVAL, "sql: NULL");
    must_refuse(REDW_BATCH(.sql = INSERT, .params = p, .nparams = 2), REDW_EINVAL, "nsets: 0");
    must_refuse(REDW_BATCH(.sql = INSERT, .nsets = 1, .nparams = 2), REDW_EINVAL, "params: NULL, but nparams is 2");
    must_refuse(REDW_BATCH(.sql = INSERT, .params = p, .nsets = 1, .nparams = 32768), REDW_EINVAL,
                "nparams: 32768 are more than 32767");
    must_refuse(REDW_BATCH(.sql = INSERT, .params = p, .nsets = SIZE_MAX, .nparams = 2), REDW_EINVAL,
                "nsets: 18446744073709551615 are too many");
    p[5] = redw_p_text("\xff");
    must_refuse(REDW_BATCH(.sql = INSERT, .params = p, .nsets = 3, .nparams = 2), REDW_EINVAL,
                "set 2, parameter $2: not valid UTF-8");
    p[5] = redw_p_text("c");
    p[2] = redw_p_int32(2);
    must_refuse(REDW_BATCH(.sql = INSERT, .params = p, .nsets = 3, .nparams = 2), REDW_EINVAL,
                "set 1, parameter $1: integer, but set 0 has bigint");
    p[0] = redw_p_null(REDW_DATE); /* NULL says nothing */
    must_refuse(REDW_BATCH(.sql = INSERT, .params = p, .nsets = 3, .nparams = 2), REDW_EINVAL,
                "set 2, parameter $1: bigint, but set 1 has integer");
    p[0] = redw_p_int64(1);
    p[2] = redw_p_int64_array(NULL, 0);
    must_refuse(REDW_BATCH(.sql = INSERT, .params = p, .nsets = 3, .nparams = 2), REDW_EINVAL,
                "set 1, parameter $1: bigint array, but set 0 has bigint");
    p[2] = redw_p_int64(2);
    s = prepare(INSERT);
    must_refuse(REDW_BATCH(.sql = INSERT, .stmt = s, .params = p, .nsets = 3, .nparams = 2), REDW_EINVAL,
                "stmt: sql is given too");
    ck_assert_int_eq((int)redw_batch_execute(r.client, REDW_BATCH(.stmt = s, .nsets = 1), NULL, NULL), REDW_EINVAL);
    ck_assert_int_eq(redw_client_create(&other, r.loop, REDW_OPTIONS(.uri = pg_server()->plainuri), NULL), 0);
    ck_assert_int_eq(redw_stmt_create(&theirs, other, INSERT, NULL), 0);
    must_refuse(REDW_BATCH(.stmt = theirs, .params = p, .nsets = 3, .nparams = 2), REDW_EINVAL,
                "stmt: it belongs to another client");
    redw_client_destroy(other);
    redw_stmt_release(theirs);
    ck_assert_uint_eq(r.fault.opened, 0);
    must_succeed(REDW_BATCH(.stmt = s, .params = p, .nsets = 3, .nparams = 2), 3);
    must_refuse(REDW_BATCH(.stmt = s, .params = p, .nsets = 2, .nparams = 3), REDW_EINVAL,
                "stmt: it has 2 parameters, and 3 are given");
    redw_stmt_release(s);
    finish();
}
END_TEST

START_TEST(E04_null_of_any_kind_goes_with_any_type_first_or_last)
{
    redw_param p[] = {redw_p_int64(1), redw_p_null(REDW_UNKNOWN_TYPE), redw_p_null(REDW_DATE),
                      redw_p_int64(2), redw_p_text("x"),               redw_p_timestamptz((redw_timestamptz){5000000}),
                      redw_p_int64(3), redw_p_null(REDW_BIGINT),       redw_p_null(REDW_UNKNOWN_TYPE)};

    start(1);
    must_succeed(REDW_BATCH(.sql = "insert into batch values ($1, $2, $3)", .params = p, .nsets = 3, .nparams = 3), 3);
    ck_assert_int_eq(pg_number("select id from batch where label = 'x' and extract(epoch from at) = 5"), 2);
    ck_assert_int_eq(pg_number("select count(*) from batch where label is null and at is null"), 2);
    finish();
}
END_TEST

/* U8: The server answers while it reads: who only wrote would stand still with it. */
START_TEST(E04_100_000_sets_are_more_than_the_sockets_hold_and_nobody_waits_for_the_other)
{
    enum { N = 100000 };
    redw_param *p = sets(0, N);
    struct answer a;

    start(2);
    redw_stmt *s = prepare(INSERT " returning repeat('r', 200)");
    struct told t;
    submit(&t, REDW_BATCH(.stmt = s, .params = p, .nsets = N, .nparams = 2));
    memset(p, 0, N * 2 * sizeof *p); /* it was copied */
    free(p);
    lab_submit(&r, &a, REDW_QUERY("select 1"));
    ck_assert(lab_wait(&r, &a.calls, 1));
    ck_assert_str_eq(answer_text(&a), "1");
    answer_release(&a);
    ck_assert(lab_wait(&r, &t.calls, 1));
    ck_assert_msg(t.ok, "%s", t.message);
    ck_assert_uint_eq(t.rows, N);
    ck_assert_int_eq(t.last, 1);
    ck_assert_int_eq(pg_number("select count(*) from batch"), N);
    p = sets(N, N);
    p[2 * (N - 1)] = redw_p_int64(7);
    must_fail(REDW_BATCH(.stmt = s, .params = p, .nsets = N, .nparams = 2), "23505", N - 1);
    free(p);
    redw_stmt_release(s);
    finish();
}
END_TEST

START_TEST(E04_cancelled_timed_out_forgotten_closed)
{
    redw_param p[60];
    struct told t;

    for (int i = 0; i < 60; i++)
        p[i] = redw_p_int64(i);
    for (int how = 0; how < 5; how++) {
        start(1);
        struct answer a = lab_query(&r, REDW_QUERY("select 1"));
        answer_release(&a);
        submit(&t, REDW_BATCH(.sql = "insert into batch select $1 from pg_sleep(1)", .params = p, .nsets = 60,
                              .nparams = 1, .timeout_ms = how == 1 ? 80 : 0));
        ck_assert_int_gt(t.id, 0);
        if (how != 1)
            lab_run_until_active(&r, "insert into batch select $1 from pg_sleep(1)");
        ck_assert_int_eq(redw_resume(r.client, t.id), 0); /* means nothing to it */
        if (how == 0)
            ck_assert_int_eq(redw_cancel(r.client, t.id), 0);
        else if (how == 2)
            ck_assert_int_eq(redw_forget(r.client, t.id), 0);
        else if (how == 3)
            redw_client_close(r.client, 0, NULL, NULL);
        else if (how == 4) {
            redw_client_destroy(r.client);
            r.client = NULL;
        }
        if (how == 2) {
            a = lab_query(&r, REDW_QUERY("select 2"));
            ck_assert_str_eq(answer_text(&a), "2");
            answer_release(&a);
            ck_assert_uint_eq(t.calls, 0);
        } else {
            ck_assert(lab_wait(&r, &t.calls, 1));
            ck_assert(!t.ok && !t.named);
            ck_assert_int_eq(t.cls, how == 0   ? REDW_CLASS_QUERY_CANCELLED
                                    : how == 1 ? REDW_CLASS_QUERY_TIMEOUT
                                               : REDW_CLASS_CLOSED);
        }
        finish();
        /* Wherever the server was stopped, nothing stays. */
        double until = ev_time() + 10;
        while (pg_number("select count(*) from pg_locks where relation = 'batch'::regclass and pid <> pg_backend_pid()") &&
               ev_time() < until)
            ;
        ck_assert_int_eq(pg_number("select count(*) from batch"), 0);
    }
}
END_TEST

/* --- failures --- */

static void run_session(int *batches, int *perhaps, bool *ok)
{
    static int64_t next;
    redw_stmt *s = NULL;

    *ok = redw_stmt_create(&s, r.client, INSERT " returning id", NULL) == 0;
    for (int i = 0; i < 4 && s; i++) {
        next += 2;
        redw_param p[] = {redw_p_int64(next), redw_p_text("a"), redw_p_int64(next + 1), redw_p_text(NULL)};
        struct told t;
        submit(&t, i == 3 ? REDW_BATCH(.sql = "deallocate all", .nsets = 1)
                          : REDW_BATCH(.stmt = s, .params = p, .nsets = 2, .nparams = 2));
        if (t.id < 0) {
            ck_assert_int_eq((int)t.id, REDW_ENOMEM);
            *ok = false;
            continue;
        }
        ck_assert(lab_wait(&r, &t.calls, 1));
        *ok = *ok && t.ok;
        ck_assert_msg(t.ok || t.code != REDW_ESERVER, "%s", t.message);
        *batches += t.ok && i < 3;
        *perhaps += !t.ok && i < 3 && t.outcome == REDW_OUTCOME_UNKNOWN;
    }
    redw_stmt_release(s);
}

static bool survive(const struct sweep_point *p)
{
    int batches = 0, perhaps = 0;
    struct redw_diag why;
    bool ok = false;
    char text[96];

    lab_open(&r);
    fault_arm(&r.fault, p->c, p->n, p->mode, p->kind);
    int rc = lab_client(&r, REDW_OPTIONS(.uri = pg_server()->unixuri, .password = pg_server()->password, .pool_max = 1),
                        &why);
    if (rc == 0)
        run_session(&batches, &perhaps, &ok);
    bool fired = fault_fired(&r.fault);
    fault_disarm(&r.fault);
    if (rc == 0 && fired) {
        bool again;
        run_session(&batches, &perhaps, &again);
        ck_assert_msg(again, "%s", fault_text(&r.fault, text, sizeof text));
    }
    ck_assert(fired || ok);
    long rows = pg_number("with d as (delete from batch returning 1) select count(*) from d");
    ck_assert_msg(rows % 2 == 0 && rows >= 2 * batches && rows <= 2 * (batches + perhaps), "%s: %ld, %d, %d",
                  fault_text(&r.fault, text, sizeof text), rows, batches, perhaps);
    ck_assert(!r.late);
    ck_assert_msg(lab_close(&r), "%s", fault_text(&r.fault, text, sizeof text));
    return fired;
}

/* Of short transfers and of broken connections one each: test_faults.c has all. */
static const struct sweep batches = {.name = "batches", .run = survive, .trimmed = true};

START_TEST(E04_every_allocation_may_fail_and_the_connection_may_be_cut_in_every_phase)
{
    start(1);
    finish();
    sweep_allocations(&batches);
    sweep_calls(&batches, FAULT_RECV);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("batches");
    TCase *t = tcase_create("batches");
    SRunner *runner;
    int failed;

    pg_server(); /* before the runner forks */
    tcase_add_test(t, E04_all_sets_are_run_in_one_flight_and_each_ones_count_is_told);
    tcase_add_test(t, E04_a_batch_of_one_set_and_sets_without_parameters);
    tcase_add_test(t, E04_the_member_at_fault_is_named_and_nothing_is_kept);
    tcase_add_test(t, E04_small_batches_share_a_connection_and_one_that_fails_hurts_no_other);
    tcase_add_test(t, E04_no_member_is_named_for_what_is_none_ones_fault);
    tcase_add_test(t, E04_the_member_at_fault_is_named_when_the_connection_breaks_behind_the_error);
    tcase_add_test(t, E04_returned_rows_are_read_and_dropped);
    tcase_add_test(t, E04_what_was_forgotten_or_changed_is_prepared_anew_and_the_batch_runs_once);
    tcase_add_test(t, E04_what_is_wrong_is_refused_before_a_byte_is_sent);
    tcase_add_test(t, E04_null_of_any_kind_goes_with_any_type_first_or_last);
    tcase_add_test(t, E04_100_000_sets_are_more_than_the_sockets_hold_and_nobody_waits_for_the_other);
    tcase_add_test(t, E04_cancelled_timed_out_forgotten_closed);
    tcase_add_test(t, E04_every_allocation_may_fail_and_the_connection_may_be_cut_in_every_phase);
    tcase_set_timeout(t, 240);
    suite_add_tcase(s, t);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
