/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows C09, O06.
 * The n-th failure, over a whole session {create, log in, insert, query, stream with a pause, cancel, close}:
 * every allocation fails once, and from then on for ever; every system call fails in every way, one call
 * at a time. After each:
 *
 *   - every accepted request had exactly one final callback
 *   - the ledger agrees with what was reported: success ran once, not sent and not executed never,
 *     unknown at most once, nothing twice
 *   - the same client, or a new one where none could be made, serves again
 *   - nothing leaked: blocks, descriptors, watchers; no password in released memory; no busy loop
 *
 * A failure prints the fault; REDW_FAULT='recv 7 once ECONNRESET' runs that one alone.
 */
#include "support/pg.h"
#include "support/lab.h"
#include "support/sweep.h"

#include <check.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

static struct lab r;
static const char *uri;
static uint64_t token; /* of the last insert */

static uint64_t wakeups; /* that a session may have */

#define SWEEP_FAULT (&r.fault)

/* --- one session ------------------------------------------------------------------------------------------ */

struct stream {
    redw_id id;
    unsigned done;
    int64_t rows;
    bool paused, error;
};

static enum redw_flow on_rows(redw_rows *rows, void *ctx)
{
    struct stream *s = ctx;
    redw_row row;
    int64_t n;
    MUST(s->done == 0);
    while (redw_rows_next(rows, &row)) {
        MUST(redw_row_int64(&row, 0, &n) == REDW_OK && n == s->rows);
        if (++s->rows == 40) {
            s->paused = true;
            return REDW_PAUSE;
        }
    }
    return REDW_MORE;
}

static void on_stream_done(const redw_result *res, void *ctx)
{
    struct stream *s = ctx;
    s->done++;
    s->error = redw_result_error(res) != NULL;
}

/* What became of the session's requests. */
struct report {
    bool inserted;             /* an insert was accepted */
    enum redw_outcome outcome; /* of the insert, when it failed */
    bool insert_ok, all_ok;
};

/* Accepted: waits for the one callback. Refused: only for lack of memory. */
static bool settle(struct answer *a)
{
    if (a->id < 0) {
        MUST(a->id == REDW_ENOMEM);
        return false;
    }
    if (!lab_wait(&r, &a->calls, 1))
        BROKEN("no callback for an accepted request", "");
    MUST(a->calls == 1);
    const redw_error *e = redw_result_error(a->res);
    if (e != NULL)
        MUST(redw_error_message(e)[0] != '\0' && strstr(redw_error_message(e), pg_server()->password) == NULL);
    return e == NULL;
}

static bool run_stream(void)
{
    static const struct redw_stream_handler h = {.size = sizeof h, .on_rows = on_rows, .on_done = on_stream_done};
    struct stream s = {0};
    double until = ev_time() + r.patience_s;
    s.id = redw_stream(r.client, REDW_REQUEST(.sql = "select g::int8, repeat('s', 500) from "
                                                     "generate_series(0, 299) g where g >= $1",
                                              .wire = REDW_WIRE_BINARY, REDW_PARAMS(redw_p_int32(0))),
                       &h, &s);
    if (s.id < 0) {
        MUST(s.id == REDW_ENOMEM);
        return false;
    }
    while (s.done == 0 && ev_time() < until) {
        if (s.paused) {
            s.paused = false;
            redw_resume(r.client, s.id);
        }
        ev_run(r.loop, EVRUN_ONCE);
    }
    MUST(s.done == 1);
    MUST(s.error || s.rows == 300);
    return !s.error;
}

static void run_session(struct report *p)
{
    struct answer a, b;
    *p = (struct report){.all_ok = true};
    lab_submit(&r, &a, REDW_QUERY("insert into ledger values ($1)", redw_p_int64((int64_t)++token)));
    p->inserted = a.id > 0;
    p->insert_ok = settle(&a);
    if (p->inserted && !p->insert_ok)
        p->outcome = redw_error_outcome(redw_result_error(a.res));
    answer_release(&a);

    lab_submit(&r, &a, REDW_QUERY("select $1::text, 1.5::float8 as f, g from generate_series(1, 200) g",
                                  redw_p_text("text")));
    bool ok = settle(&a);
    MUST(!ok || redw_result_row_count(a.res) == 200);
    answer_release(&a);
    ok &= run_stream();

    /* A cancel: of a statement that runs and of one that waits behind it. */
    lab_submit(&r, &a, REDW_REQUEST(.sql = "select pg_sleep(0.05)", .timeout_ms = 5000));
    lab_submit(&r, &b, REDW_QUERY("select 2"));
    lab_run_ms(&r, 4);
    if (a.id > 0)
        redw_cancel(r.client, a.id);
    settle(&a); /* cancelled, or done before */
    ok &= settle(&b);
    answer_release(&a);
    answer_release(&b);
    p->all_ok = ok && p->insert_ok;
}

static unsigned closed_calls;
static void on_closed(void *ctx)
{
    (void)ctx;
    closed_calls++;
}

static int make_client(void)
{
    struct redw_diag why;
    return lab_client(&r, REDW_OPTIONS(.uri = uri, .password = pg_server()->password, .pool_max = 1,
                                       .connect_timeout_ms = 10000, .request_timeout_ms = 15000),
                      &why);
}

/* The ledger, asked through the client that has just been through the fault. */
static void check_ledger(const struct report *p)
{
    struct answer a;
    lab_submit(&r, &a, REDW_QUERY("select count(*)::int4 from ledger where token = $1",
                                  redw_p_int64((int64_t)token)));
    if (!settle(&a))
        BROKEN("the client does not serve again:",
             a.id < 0 ? redw_client_why(r.client) : redw_error_message(redw_result_error(a.res)));
    int times = atoi(answer_text(&a));
    answer_release(&a);
    MUST(times <= 1);
    if (p->insert_ok)
        MUST(times == 1);
    else if (!p->inserted || p->outcome != REDW_OUTCOME_UNKNOWN)
        MUST(times == 0);
}

static bool run_fault(const struct sweep_point *f)
{
    struct report p;
    lab_open(&r);
    fault_arm(&r.fault, f->c, f->n, f->mode, f->kind);
    int rc = make_client();
    if (rc == 0) {
        run_session(&p);
    } else { /* nothing made, nothing left */
        MUST(rc == REDW_ENOMEM && f->c == FAULT_ALLOC);
        MUST(r.fault.live == 0 && fault_fired(&r.fault));
        p = (struct report){0};
        token++;
    }
    if (fault_fired(&r.fault)) {
        fault_disarm(&r.fault);
        if (rc != 0)
            MUST(make_client() == 0);
        check_ledger(&p);
    }
    closed_calls = 0;
    redw_client_close(r.client, 3000, on_closed, NULL);
    MUST(lab_wait(&r, &closed_calls, 1));
    bool fired = fault_fired(&r.fault);
    MUST(!r.late);
    if (!lab_close(&r))
        BROKEN("something leaked:", "see above");
    MUST(p.all_ok || !f->harmless);
    if (r.probe.wakeups > wakeups)
        BROKEN("busy loop?", "");
    return fired;
}

static void begin(const struct sweep *s, const char *to)
{
    uri = to;
    pg_sql("set client_min_messages = error; create table if not exists ledger (token int8); "
           "grant all on ledger to public");
    /* Tokens of all programs and tests differ. */
    token = ((uint64_t)getpid() << 24) + (uint64_t)(ev_time() * 10) % 1024 * 16384;
    /* Wake-ups of a session without a fault, with room for those that a fault adds: redials, retries of a
     * call, the recovery query. A busy loop makes tens of thousands. */
    wakeups = UINT64_MAX;
    sweep_none(s);
    wakeups = 3 * r.probe.wakeups + 100;
}

START_TEST(every_allocation_of_a_tls_session_may_fail)
{
    struct sweep s = {.name = "TLS, SCRAM", .run = run_fault};
    begin(&s, pg_server()->uri);
    sweep_allocations(&s);
}
END_TEST

START_TEST(every_system_call_of_a_session_may_fail_in_every_way)
{
    struct sweep s = {.name = "TCP, SCRAM", .run = run_fault};
    begin(&s, pg_server()->plainuri);
    sweep_calls(&s, FAULT_OPEN);
}
END_TEST

START_TEST(every_system_call_of_a_tls_session_may_fail)
{
    struct sweep s = {.name = "TLS, SCRAM", .run = run_fault, .trimmed = true};
    begin(&s, pg_server()->uri);
    sweep_calls(&s, FAULT_OPEN);
}
END_TEST

/* --- OpenSSL ------------------------------------------------------------------------------------------------ */

START_TEST(what_the_host_left_in_openssls_error_queue_changes_nothing)
{
    struct report p;
    begin(&(struct sweep){.name = "OpenSSL", .run = run_fault}, pg_server()->uri);
    lab_open(&r);
    MUST(make_client() == 0);
    for (int i = 0; i < 20; i++)
        ERR_raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR);
    run_session(&p);
    MUST(p.all_ok);
    ERR_clear_error();
    MUST(lab_close(&r));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("faults");
    TCase *t = tcase_create("faults");
    pg_server();
    tcase_add_test(t, every_allocation_of_a_tls_session_may_fail);
    tcase_add_test(t, every_system_call_of_a_session_may_fail_in_every_way);
    tcase_add_test(t, every_system_call_of_a_tls_session_may_fail);
    tcase_add_test(t, what_the_host_left_in_openssls_error_queue_changes_nothing);
    tcase_set_timeout(t, 240);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
