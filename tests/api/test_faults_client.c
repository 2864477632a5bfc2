/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The n-th failure, in everything a client can do besides what test_faults.c has: statements, batches, cursors
 * and portals, pipelines, cancels, notices, requests larger than the sockets take, the bound on memory. Each
 * scenario runs on a connection that is open already, and from there on every allocation fails once and for ever,
 * and every system call in every way. After each:
 *
 *   - every accepted request had exactly one callback, one that was forgotten none
 *   - the table agrees with what was told (support/told.h), seen at once and again when all sessions have ended
 *   - the same client serves again
 *   - nothing leaked: blocks, descriptors, watchers; no password in released memory; no busy loop
 *   - what is harmless (short transfers, interrupted calls, full buffers) changed nothing at all
 *
 * A failure prints the fault; REDW_FAULT='recv 7 once ECONNRESET' runs that one alone. The rarer faults take turns
 * (support/sweep.h): REDW_FAULTS=all runs them all at every call, which takes four times as long.
 */
#include "support/lab.h"
#include "support/pg.h"
#include "support/sweep.h"
#include "support/told.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#ifdef __SANITIZE_ADDRESS__
#define TURNS 10
#else
#define TURNS 5
#endif

static struct lab r;

#define SWEEP_FAULT (&r.fault)

struct scenario {
    const char *name;
    void (*run)(void);
    struct redw_options options; /* uri, password, timeouts and pool_max 1 are added */
    bool small_buffers;          /* of the sockets */
    bool bounded;                /* REDW_EFULL may come */
    uint64_t dense;              /* of struct sweep */
    bool sockets;                /* it makes more than one: their calls may fail too */
    bool tls;                    /* also in TLS */
};

static const struct scenario *scenario;
static const char *uri;
static char expected[64];           /* the letters of the session without a fault */
static uint64_t wakeups;            /* that a session may have */
static struct told asks[32];
static unsigned nasks;
static unsigned nnotices;

/* --- requests ---------------------------------------------------------------------------------------------- */

static struct told *ask(int64_t rows)
{
    ck_assert_uint_lt(nasks, sizeof asks / sizeof *asks);
    struct told *t = &asks[nasks++];
    *t = (struct told){.token = rows > 0 ? told_token() : 0, .rows = rows};
    return t;
}

static struct told *submit(struct told *t, const struct redw_request *rq)
{
    t->id = redw_submit(r.client, rq, told_done, t);
    MUST(t->calls == 0);
    return t;
}

/* Accepted: waits for the one callback. Refused: for lack of memory, or at the bound. */
static bool settle(struct told *t)
{
    if (t->id < 0) {
        MUST(t->id == REDW_ENOMEM || (scenario->bounded && t->id == REDW_EFULL));
        return false;
    }
    if (!lab_wait(&r, &t->calls, 1))
        BROKEN("no callback for an accepted request", "");
    MUST(t->calls == 1);
    MUST(t->ok || (t->message[0] != '\0' && strstr(t->message, pg_server()->password) == NULL));
    return t->ok;
}

#define INSERT "insert into told values ($1::int8)"

static void insert(void)
{
    struct told *t = ask(1);
    settle(submit(t, REDW_QUERY(INSERT, redw_p_int64(t->token))));
}

/* --- statements -------------------------------------------------------------------------------------------- */

static redw_stmt *prepare(const char *sql)
{
    redw_stmt *s;
    int rc = redw_stmt_create(&s, r.client, sql, NULL);
    MUST(rc == 0 || rc == REDW_ENOMEM);
    return s;
}

static struct told *use(redw_stmt *s, bool as_double)
{
    struct told *t = ask(1);
    return submit(t, REDW_REQUEST(.stmt = s, .wire = REDW_WIRE_AUTO,
                                  REDW_PARAMS(as_double ? redw_p_double((double)t->token) : redw_p_int64(t->token))));
}

static void run_prepared(void)
{
    redw_stmt *s = prepare(INSERT " returning token, 'text'");
    if (s == NULL)
        return;
    settle(use(s, false)); /* the first use, the second, one with another type */
    settle(use(s, false));
    settle(use(s, true));
    struct told *forgets = ask(0);
    settle(submit(forgets, REDW_QUERY("discard all")));
    settle(use(s, true)); /* it has gone stale */
    struct told *a = use(s, true), *b = use(s, false);
    redw_stmt_release(s); /* while both are under way */
    settle(a);
    settle(b);
    insert();
}

static void run_shared(void)
{
    redw_stmt *s = prepare(INSERT);
    if (s == NULL)
        return;
    struct told *a = use(s, false), *b = use(s, false), *c = use(s, true); /* two of them unnamed */
    settle(a);
    settle(b);
    settle(c);
    a = use(s, true);
    b = submit(ask(0), REDW_QUERY("deallocate all"));
    c = use(s, true);
    settle(a);
    settle(b);
    settle(c);
    redw_stmt_release(s);
    insert();
}

/* --- batches ----------------------------------------------------------------------------------------------- */

static size_t culprit; /* of the last batch the server refused a member of */

static void on_report(const redw_report *rep, void *ctx)
{
    struct told *t = ctx;
    told_answer(t, redw_report_error(rep));
    culprit = SIZE_MAX;
    MUST(!t->ok || redw_report_rows(rep) == (uint64_t)t->rows);
    if (t->ok)
        MUST(!redw_report_failed_member(rep, &culprit) && redw_report_affected(rep, (size_t)t->rows - 1) == 1);
    else
        redw_report_failed_member(rep, &culprit);
}

/* Member `bad` divides by zero. */
static void batch(redw_stmt *s, const char *sql, size_t sets, size_t bad)
{
    redw_param *p = calloc(2 * sets, sizeof *p);
    struct told *t = ask((int64_t)sets);
    for (size_t i = 0; i < sets; i++) {
        p[2 * i] = redw_p_int64(t->token);
        p[2 * i + 1] = redw_p_int32(i != bad);
    }
    t->id = redw_batch_execute(r.client, REDW_BATCH(.stmt = s, .sql = sql, .params = p, .nsets = sets, .nparams = 2),
                               on_report, t);
    MUST(t->calls == 0);
    free(p);
    settle(t);
    if (t->code == REDW_ESERVER)
        MUST(strcmp(t->sqlstate, "22012") == 0 && culprit == bad);
}

#define DIVIDE "insert into told select $1::int8 / $2::int4"

static void run_batch(void)
{
    redw_stmt *s = prepare(DIVIDE " returning token");
    if (s != NULL) {
        batch(s, NULL, 5, SIZE_MAX);
        batch(s, NULL, 5, 3);
        batch(s, NULL, 4, SIZE_MAX);
        redw_stmt_release(s);
    }
    batch(NULL, DIVIDE, 3, SIZE_MAX);
    insert();
}

static void run_large_batch(void)
{
    batch(NULL, DIVIDE " returning token, repeat('b', 50)", 1000, SIZE_MAX);
    insert();
}

/* --- streams ----------------------------------------------------------------------------------------------- */

#define ROWS 100

struct flow {
    struct told *t;
    int64_t next, stop_at;
};

static enum redw_flow on_rows(redw_rows *rows, void *ctx)
{
    struct flow *f = ctx;
    redw_row row;
    int64_t n;
    MUST(f->t->calls == 0);
    while (redw_rows_next(rows, &row)) {
        MUST(redw_row_int64(&row, 0, &n) == REDW_OK && n == f->next);
        if (++f->next == f->stop_at)
            return REDW_STOP;
        if (f->next % 30 == 0) {
            MUST(redw_resume(r.client, f->t->id) == 0);
            return REDW_PAUSE;
        }
    }
    return REDW_MORE;
}

static void on_streamed(const redw_result *res, void *ctx)
{
    struct flow *f = ctx;
    told_done(res, f->t);
    MUST(f->t->nrows == (uint64_t)f->next);
}

/* The token comes between head and tail. */
static void stream(enum redw_way way, const char *head, const char *tail, int64_t rows, int64_t stop_at)
{
    static const struct redw_stream_handler h = {.size = sizeof h, .on_rows = on_rows, .on_done = on_streamed};
    char sql[300];
    struct flow f = {.t = ask(rows), .stop_at = stop_at};
    snprintf(sql, sizeof sql, "%s%lld%s", head, (long long)f.t->token, tail);
    f.t->id = redw_stream(r.client, REDW_REQUEST(.sql = sql, .way = way, .fetch_rows = 40), &h, &f);
    settle(f.t);
    MUST(!f.t->ok || (f.next == ROWS && stop_at == 0));
}

#define SERIES  "from generate_series(0::int8, 99) g"
#define WHOLE   "select case when g = 5 then tell(", ", g) else g end " SERIES
#define FAILING "select case when g = 5 then tell(", ", g) when g = 70 then g / (g - 70) else g end " SERIES
#define CHANGES "with i as (insert into told select ", " from generate_series(1, 3)) select g " SERIES

static void run_cursor(void)
{
    stream(REDW_WAY_CURSOR, WHOLE, 1, 0);
    stream(REDW_WAY_CURSOR, WHOLE, 1, 45);
    stream(REDW_WAY_CURSOR, FAILING, 1, 0);
    insert();
}

static void run_portal(void)
{
    stream(REDW_WAY_PORTAL, CHANGES, 3, 0);
    stream(REDW_WAY_PORTAL, WHOLE, 1, 45);
    stream(REDW_WAY_PORTAL, FAILING, 1, 0);
    insert();
}

/* What cannot be declared goes by rows, after a ROLLBACK: once. */
static void run_undeclarable(void)
{
    stream(REDW_WAY_CURSOR, CHANGES, 3, 0);
    insert();
}

/* --- several at once --------------------------------------------------------------------------------------- */

static struct told *victim, *lost;

static void on_first(const redw_result *res, void *ctx)
{
    told_done(res, ctx);
    if (victim->id > 0)
        redw_cancel(r.client, victim->id);
    if (lost->id > 0)
        lost->forgotten = redw_forget(r.client, lost->id) == 0;
}

static void run_pipeline(void)
{
    struct told *t[8];
    for (unsigned i = 0; i < 8; i++)
        t[i] = ask(1);
    victim = t[5];
    lost = t[6];
    for (unsigned i = 0; i < 8; i++)
        t[i]->id = redw_submit(r.client, REDW_QUERY(DIVIDE, redw_p_int64(t[i]->token), redw_p_int32(i != 2)),
                               i == 0 ? on_first : told_done, t[i]);
    for (unsigned i = 0; i < 8; i++)
        if (!t[i]->forgotten)
            settle(t[i]);
    if (t[2]->ok)
        BROKEN("an error was lost", "");
    insert();
}

/* --- large ones -------------------------------------------------------------------------------------------- */

static char *text_of(size_t len)
{
    char *text = malloc(len + 1);
    ck_assert_ptr_nonnull(text);
    memset(text, 't', len);
    text[len] = '\0';
    return text;
}

#define LARGE 1300000 /* written in slices */

static void run_large(void)
{
    char *text = text_of(LARGE);
    struct told *a = ask(1), *b = ask(1), *c = ask(1);
    submit(a, REDW_QUERY(INSERT, redw_p_int64(a->token)));
    submit(b, REDW_QUERY("insert into told select $1::int8 where length($2) = 1300000", redw_p_int64(b->token),
                         redw_p_text(text)));
    submit(c, REDW_QUERY(INSERT, redw_p_int64(c->token)));
    free(text);
    settle(a);
    settle(b);
    settle(c);
}

static void run_bounded(void)
{
    char *text = text_of(150000);
    struct told *t = ask(1), *many[8];
    settle(submit(t, REDW_QUERY(INSERT " returning repeat('m', 1500000)", redw_p_int64(t->token))));
    MUST(!t->ok);
    for (unsigned i = 0; i < 8; i++) {
        many[i] = ask(1);
        submit(many[i], REDW_QUERY("insert into told select $1::int8 where length($2) = 150000",
                                   redw_p_int64(many[i]->token), redw_p_text(text)));
    }
    free(text);
    for (unsigned i = 0; i < 8; i++)
        settle(many[i]);
    insert();
}

/* --- notices and cancels ----------------------------------------------------------------------------------- */

static struct told *reaction; /* submitted from inside the hook */

static void on_notice(redw_client *c, redw_id request, const redw_error *notice, void *ctx)
{
    (void)ctx, (void)request;
    redw_error_release(redw_error_keep(notice));
    nnotices++;
    if (victim != NULL && victim->id > 0)
        redw_cancel(c, victim->id);
    if (reaction != NULL && reaction->id == 0)
        submit(reaction, REDW_QUERY(INSERT, redw_p_int64(reaction->token)));
}

static void run_notices(void)
{
    struct told *loud = ask(1);
    reaction = ask(1);
    settle(submit(loud, REDW_QUERY("insert into told values (tell_loudly($1))", redw_p_int64(loud->token))));
    MUST(nnotices <= 3);
    if (reaction->id != 0)
        settle(reaction);
    insert();
}

/* A statement is stopped that certainly runs: it has said so. */
static void run_cancel(void)
{
    struct told *slow = ask(1), *behind = ask(1);
    victim = slow;
    submit(slow, REDW_QUERY("insert into told values (tell_slowly($1, 0.3))", redw_p_int64(slow->token)));
    submit(behind, REDW_QUERY(INSERT, redw_p_int64(behind->token)));
    for (int i = 0; i < 20 && slow->id > 0 && nnotices == 0 && slow->calls == 0; i++)
        lab_run_ms(&r, 2);
    if (nnotices == 0 && slow->id > 0) /* its word was lost */
        redw_cancel(r.client, slow->id);
    settle(slow);
    settle(behind);
    insert();
}

/* --- one session with one fault ---------------------------------------------------------------------------- */

static int (*real_open)(void *ctx, int family, int type);

static int open_small(void *ctx, int family, int type)
{
    int fd = real_open(ctx, family, type), bytes = 4096;
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    }
    return fd;
}

/* Nobody has failed anything yet: a client with its connection open. */
static void open_client(void)
{
    struct redw_options o = scenario->options;
    struct redw_diag why;
    lab_open(&r);
    if (scenario->small_buffers) {
        real_open = r.fault.sys.open;
        r.fault.sys.open = open_small;
    }
    o.size = sizeof o;
    o.uri = uri;
    o.password = pg_server()->password;
    o.application_name = told_application();
    o.pool_max = 1;
    o.connect_timeout_ms = 10000;
    o.request_timeout_ms = 15000;
    ck_assert_msg(lab_client(&r, &o, &why) == 0, "%s", why.text);
    struct answer a = lab_query(&r, REDW_QUERY("select 1"));
    answer_must_succeed(&a);
    answer_release(&a);
    nasks = nnotices = 0;
    victim = lost = reaction = NULL;
}

static void on_closed(void *ctx)
{
    ++*(unsigned *)ctx;
}

static void close_client(bool politely)
{
    unsigned closed = 0;
    if (politely) {
        redw_client_close(r.client, 3000, on_closed, &closed);
        MUST(lab_wait(&r, &closed, 1));
    }
    if (!lab_close(&r))
        BROKEN("something leaked:", "see above");
    MUST(!r.late);
}

/* What was told, in letters: one for each request, and the notices. */
static const char *letters(void)
{
    static char text[64];
    unsigned n = 0;
    for (; n < nasks; n++) {
        struct told *t = &asks[n];
        text[n] = told_letter(t);
        /* When they are given up they may have ended, and a server under load may stop too late. */
        if (t == victim || t == lost)
            text[n] = 'x';
    }
    snprintf(text + n, sizeof text - n, "%u", victim ? 0 : nnotices); /* a victim's may come before its end */
    return text;
}

static bool run_point(const struct sweep_point *p)
{
    int64_t from = told_next();
    open_client();
    fault_arm(&r.fault, p->c, p->n, p->mode, p->kind);
    scenario->run();
    for (unsigned i = 0; i < nasks; i++)
        if (asks[i].id != 0)
            told_keep(&asks[i]);
    if (p->harmless && expected[0] && strcmp(expected, letters()) != 0)
        BROKEN("it shows:", letters());
    if (!expected[0])
        snprintf(expected, sizeof expected, "%s", letters());
    bool fired = fault_fired(&r.fault);
    if (fired)
        fault_disarm(&r.fault);
    if (fired || p->n == UINT64_MAX)
        told_check(&r, from);
    close_client(p->n % 2);
    for (unsigned i = 0; i < nasks; i++)
        MUST(asks[i].calls == (asks[i].id > 0 && !asks[i].forgotten));
    if (r.probe.wakeups > wakeups)
        BROKEN("busy loop?", "");
    return fault_fired(&r.fault);
}

/* --- scenarios --------------------------------------------------------------------------------------------- */

static const struct scenario scenarios[] = {
    {.name = "prepared", .run = run_prepared, .tls = true},
    {.name = "prepared, shared", .run = run_shared, .options = {.pipeline_max = 4}},
    {.name = "batch", .run = run_batch},
    {.name = "large batch", .run = run_large_batch, .small_buffers = true, .dense = 5},
    {.name = "cursor", .run = run_cursor, .dense = 8},
    {.name = "portal", .run = run_portal, .dense = 8, .tls = true},
    {.name = "no cursor", .run = run_undeclarable},
    {.name = "pipeline", .run = run_pipeline, .options = {.pipeline_max = 4}, .tls = true},
    {.name = "large", .run = run_large, .options = {.pipeline_max = 2}, .dense = 8, .tls = true},
    {.name = "bounded", .run = run_bounded, .options = {.memory_max_bytes = 1 << 20}, .bounded = true, .dense = 5},
    {.name = "notices", .run = run_notices, .options = {.notice = on_notice}},
    {.name = "cancel", .run = run_cancel, .options = {.notice = on_notice, .cancel_timeout_ms = 60}, .sockets = true,
     .tls = true},
};

/* The session without a fault, with room for what a fault adds: reconnects, retries, the query at the end. */
static struct sweep begin(const struct scenario *which, const char *kind, const char *to)
{
    static char name[60];
    scenario = which;
    uri = to;
    snprintf(name, sizeof name, "%s, %s", which->name, kind);
    struct sweep s = {.name = name, .run = run_point, .turns = TURNS, .dense = which->dense};
    told_begin();
    expected[0] = '\0';
    wakeups = UINT64_MAX;
    sweep_none(&s);
    wakeups = 3 * r.probe.wakeups + 100;
    printf("faults: %s: without one %s\n", name, expected);
    return s;
}

START_TEST(every_allocation_may_fail)
{
    struct sweep s = begin(&scenarios[_i], "TCP", pg_server()->plainuri);
    sweep_allocations(&s);
    told_check_all();
}
END_TEST

START_TEST(every_system_call_may_fail_in_every_way)
{
    struct sweep s = begin(&scenarios[_i], "TCP", pg_server()->plainuri);
    sweep_calls(&s, scenario->sockets ? FAULT_OPEN : FAULT_RECV);
    told_check_all();
}
END_TEST

START_TEST(every_system_call_may_fail_in_tls)
{
    if (!scenarios[_i].tls)
        return;
    struct sweep s = begin(&scenarios[_i], "TLS", pg_server()->uri);
    sweep_calls(&s, scenario->sockets ? FAULT_OPEN : FAULT_RECV);
    told_check_all();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("faults of a client");
    TCase *t = tcase_create("faults of a client");
    int n = sizeof scenarios / sizeof *scenarios;
    pg_server();
    told_tables();
    tcase_add_loop_test(t, every_allocation_may_fail, 0, n);
    tcase_add_loop_test(t, every_system_call_may_fail_in_every_way, 0, n);
    tcase_add_loop_test(t, every_system_call_may_fail_in_tls, 0, n);
    tcase_set_timeout(t, 240);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
