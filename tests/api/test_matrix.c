/* SPDX-License-Identifier: Apache-2.0 */
/*
 * O02, U15: Anything may be called from any callback: every callback {columns, rows, notice, done, done after
 * a failure to connect, ready, closed} does every {submit, cancel, forget, resume, keep, close, destroy,
 * ...}, rows also with every answer {MORE, PAUSE, STOP}, while another request runs beside it or waits behind
 * it. Then: one final callback for each accepted request and none for a forgotten one, nothing leaked, and a
 * client that still lives answers.
 */
#include "support/pg.h"
#include "support/lab.h"

#include <check.h>
#include <string.h>

enum where { IN_COLUMNS, IN_ROWS, IN_NOTICE, IN_DONE, IN_FAILED, IN_READY, IN_CLOSED, WHERES };
static const char *const where_names[] = {"columns", "rows", "notice", "done", "failed", "ready", "closed"};
enum action {
    DO_NOTHING,
    DO_SUBMIT,
    DO_STREAM,
    DO_READY,
    DO_CANCEL_SELF,
    DO_CANCEL_OTHER,
    DO_FORGET_SELF,
    DO_FORGET_OTHER,
    DO_CANCEL_THEN_FORGET_SELF,
    DO_RESUME,
    DO_KEEP,
    DO_CLOSE,
    DO_CLOSE_SLOWLY,
    DO_DESTROY,
    DO_FORGET_ALL_AND_DESTROY,
    ACTIONS
};
static const char *const action_names[] = {
    "nothing",         "submit", "stream", "ready", "cancel self",    "cancel other", "forget self", "forget other",
    "cancel, forget",  "resume", "keep",   "close", "close slowly",   "destroy",      "forget all, destroy"};
static const char *const flow_names[] = {"MORE", "PAUSE", "STOP"};

struct slot {
    redw_id id;
    unsigned calls;
    bool forgotten;
    enum redw_class cls;
};

struct scene {
    enum where where;
    enum action action;
    enum redw_flow flow;
    bool acted, over; /* over: destroyed, or about to be: nothing more may be called, callbacks still come */
    bool sealed;      /* nothing may call us any more */
    struct slot self, other, extra;
    unsigned closed;
    redw_result *kept;
    redw_error *kept_error;
};
static struct lab r;
static struct scene s;
static char label[160];

#define MUST(cond) ck_assert_msg(cond, "%s: %s", label, #cond)

static void slot_done(const redw_result *res, void *ctx)
{
    struct slot *x = ctx;
    MUST(!s.sealed);
    MUST(!x->forgotten);
    x->calls++;
    x->cls = redw_error_class(redw_result_error(res));
}

static void slot_ready(const redw_error *err, void *ctx)
{
    struct slot *x = ctx;
    MUST(!s.sealed);
    MUST(!x->forgotten);
    x->calls++;
    x->cls = redw_error_class(err);
}

static void on_closed(void *ctx);

static enum redw_flow take_all(redw_rows *rows, void *ctx)
{
    redw_row row;
    (void)ctx;
    while (redw_rows_next(rows, &row)) {
    }
    return REDW_MORE;
}

static bool self_is_over(void)
{
    return s.where == IN_DONE || s.where == IN_FAILED || s.where == IN_READY || s.where == IN_CLOSED;
}

static void forget(struct slot *x, bool gone)
{
    int rc = redw_forget(r.client, x->id);
    MUST(rc == (gone ? REDW_ENOENT : 0));
    x->forgotten = rc == 0;
}

static void destroy(void)
{
    redw_client_destroy(r.client);
    r.client = NULL;
    s.over = true;
}

/* res, err: what the callback was given, or NULL. */
static void act(const redw_result *res, const redw_error *err)
{
    static const struct redw_stream_handler plain = {
        .size = sizeof plain, .on_rows = take_all, .on_done = slot_done};
    bool closed = s.where == IN_CLOSED;
    if (s.acted || s.over)
        return;
    s.acted = true;
    ev_break(r.loop, EVBREAK_ALL); /* play() goes on at once, not with the next event */
    switch (s.action) {
    case DO_SUBMIT:
        s.extra.id = redw_submit(r.client, REDW_QUERY("select $1", redw_p_int32(1)), slot_done, &s.extra);
        MUST(closed ? s.extra.id == REDW_ECLOSED : s.extra.id > 0);
        break;
    case DO_STREAM:
        s.extra.id = redw_stream(r.client, REDW_QUERY("select 1"), &plain, &s.extra);
        MUST(closed ? s.extra.id == REDW_ECLOSED : s.extra.id > 0);
        break;
    case DO_READY:
        s.extra.id = redw_client_ready(r.client, 0, slot_ready, &s.extra);
        MUST(closed ? s.extra.id == REDW_ECLOSED : s.extra.id > 0);
        break;
    case DO_CANCEL_SELF:
        MUST(redw_cancel(r.client, s.self.id) == (self_is_over() ? REDW_ENOENT : 0));
        break;
    case DO_CANCEL_OTHER:
        MUST(redw_cancel(r.client, s.other.id) == (closed ? REDW_ENOENT : 0));
        break;
    case DO_CANCEL_THEN_FORGET_SELF:
        redw_cancel(r.client, s.self.id);
        forget(&s.self, self_is_over());
        break;
    case DO_FORGET_SELF:
        forget(&s.self, self_is_over());
        break;
    case DO_FORGET_OTHER:
        forget(&s.other, closed);
        break;
    case DO_RESUME:
        MUST(redw_resume(r.client, s.self.id) == (self_is_over() ? REDW_ENOENT : 0));
        break;
    case DO_KEEP:
        if (res != NULL)
            s.kept = redw_result_keep(res);
        if (err != NULL)
            s.kept_error = redw_error_keep(err);
        break;
    case DO_CLOSE:
        redw_client_close(r.client, 0, closed ? NULL : on_closed, NULL);
        break;
    case DO_CLOSE_SLOWLY:
        redw_client_close(r.client, 5000, closed ? NULL : on_closed, NULL);
        break;
    case DO_DESTROY:
        destroy();
        break;
    case DO_FORGET_ALL_AND_DESTROY:
        forget(&s.self, self_is_over());
        forget(&s.other, closed);
        destroy();
        break;
    case DO_NOTHING:
    case ACTIONS:
        break;
    }
}

static void on_closed(void *ctx)
{
    (void)ctx;
    MUST(!s.sealed);
    s.closed++;
    /* Last of all callbacks. */
    MUST(s.self.calls == !s.self.forgotten);
    MUST(s.other.calls == !s.other.forgotten);
    if (s.where == IN_CLOSED)
        act(NULL, NULL);
}

static enum redw_flow on_columns(const redw_result *head, void *ctx)
{
    (void)ctx;
    MUST(!s.sealed && !s.self.forgotten && s.self.calls == 0);
    if (s.where == IN_COLUMNS && !s.acted) {
        act(head, NULL);
        return s.flow;
    }
    return REDW_MORE;
}

static enum redw_flow on_rows(redw_rows *rows, void *ctx)
{
    redw_row row;
    int64_t n;
    (void)ctx;
    MUST(!s.sealed && !s.self.forgotten && s.self.calls == 0);
    MUST(redw_rows_next(rows, &row));
    MUST(redw_row_int64(&row, 0, &n) == REDW_OK);
    if (s.where == IN_ROWS && !s.acted) {
        act(NULL, NULL);
        if (s.flow != REDW_MORE)
            return s.flow;
    }
    return take_all(rows, NULL);
}

static void on_done(const redw_result *res, void *ctx)
{
    slot_done(res, ctx);
    if (s.where == IN_FAILED)
        MUST(redw_error_class(redw_result_error(res)) == REDW_CLASS_CONNECTION_FAILED);
    if (s.where == IN_DONE || s.where == IN_FAILED)
        act(res, redw_result_error(res));
}

static void on_notice(redw_client *c, redw_id request, const redw_error *notice, void *ctx)
{
    MUST(c == r.client && ctx == &s);
    MUST(!s.sealed && !s.self.forgotten && s.self.calls == 0);
    MUST(request == s.self.id);
    MUST(strcmp(redw_error_message(notice), "by the way") == 0);
    if (s.where == IN_NOTICE)
        act(NULL, notice);
}

static void on_ready(const redw_error *err, void *ctx)
{
    slot_ready(err, ctx);
    if (s.where == IN_READY)
        act(NULL, err);
}

#define SELF "select g::int8, repeat('x', 300) from generate_series(1, 1000) g"
#define NOTICED "do $$ begin raise notice 'by the way'; perform pg_sleep(0.002); end $$"
#define OTHER "select pg_sleep(10)"

static void begin(void)
{
    static const struct redw_stream_handler h = {
        .size = sizeof h, .on_columns = on_columns, .on_rows = on_rows, .on_done = on_done};
    if (s.where == IN_READY)
        s.self.id = redw_client_ready(r.client, 0, on_ready, &s.self);
    else
        s.self.id = redw_stream(r.client, REDW_QUERY(s.where == IN_NOTICE ? NOTICED : SELF), &h, &s.self);
    MUST(s.self.id > 0);
    s.other.id = redw_submit(r.client, REDW_QUERY(OTHER), slot_done, &s.other);
    MUST(s.other.id > 0);
    if (s.where == IN_CLOSED)
        redw_client_close(r.client, 0, on_closed, NULL);
}

/* Until the action was done, then until `self` has ended; a paused one is resumed by the way. */
static void play(void)
{
    double until = ev_time() + 20;
    while (!s.acted && ev_time() < until)
        ev_run(r.loop, EVRUN_ONCE);
    MUST(s.acted);
    lab_run_ms(&r, s.flow == REDW_PAUSE ? 3 : 0);
    if (!s.over)
        redw_resume(r.client, s.self.id);
    while (!s.over && !s.self.forgotten && s.self.calls == 0 && ev_time() < until) {
        redw_resume(r.client, s.self.id);
        ev_run(r.loop, EVRUN_ONCE);
    }
}

static void end_alive(void)
{
    bool closing = s.where == IN_CLOSED || s.action == DO_CLOSE || s.action == DO_CLOSE_SLOWLY;
    if (!s.other.forgotten) {
        redw_cancel(r.client, s.other.id);
        MUST(lab_wait(&r, &s.other.calls, 1));
        MUST(s.other.cls == REDW_CLASS_QUERY_CANCELLED || (closing && s.other.cls == REDW_CLASS_CLOSED) ||
             (s.where == IN_FAILED && s.other.cls == REDW_CLASS_CONNECTION_FAILED));
    }
    if (s.extra.id > 0)
        MUST(lab_wait(&r, &s.extra.calls, 1));
    if (closing) {
        MUST(lab_wait(&r, &s.closed, 1));
    } else if (s.where == IN_FAILED) {
        struct answer a = lab_query(&r, REDW_QUERY("select 'alive'"));
        MUST(redw_error_class(answer_error(&a)) == REDW_CLASS_CONNECTION_FAILED);
        answer_release(&a);
    } else {
        struct answer a = lab_query(&r, REDW_QUERY("select 'alive'"));
        MUST(strcmp(answer_text(&a), "alive") == 0);
        answer_release(&a);
    }
}

static void run_scene(enum where where, enum action action, enum redw_flow flow, uint32_t pool, const char *uri)
{
    s = (struct scene){.where = where, .action = action, .flow = flow};
    snprintf(label, sizeof label, "in %s: %s, %s, pool %u, %.40s", where_names[where], action_names[action],
             flow_names[flow], pool, uri);
    lab_open(&r);
    /* A cancel that reaches the server before the statement it is for is lost: that costs this time. */
    struct redw_diag why;
    if (where == IN_FAILED)
        uri = "postgresql://redw@127.0.0.1:1/redw?sslmode=disable"; /* nobody listens there */
    MUST(lab_client(&r, REDW_OPTIONS(.uri = uri, .connect_retries = REDW_NONE, .notice = on_notice, .notice_ctx = &s, .password = pg_server()->password, .pool_max = pool,
                                     .cancel_timeout_ms = 300),
                    &why) == 0);
    begin();
    play();
    if (!s.over)
        end_alive();
    redw_client_destroy(r.client);
    r.client = NULL;
    s.sealed = true;
    lab_run_ms(&r, 0);
    MUST(s.self.calls == !s.self.forgotten);
    MUST(s.other.calls == !s.other.forgotten);
    MUST(s.extra.calls == (s.extra.id > 0));
    if (s.over && s.action == DO_DESTROY && where != IN_CLOSED && where != IN_FAILED)
        MUST(s.other.cls == REDW_CLASS_CLOSED);
    MUST(s.closed <= 1);
    redw_result_release(s.kept);
    redw_error_release(s.kept_error);
    MUST(!r.late);
    MUST(lab_close(&r));
}

/* pool 3: the other request runs beside this one; pool 1: it waits behind it. */
static unsigned run_matrix(const char *uri, bool whole)
{
    unsigned n = 0;
    for (int where = 0; where < WHERES; where++)
        for (int action = 0; action < ACTIONS; action++)
            for (int flow = REDW_MORE; flow <= (where <= IN_ROWS ? REDW_STOP : REDW_MORE); flow++)
                for (uint32_t pool = 1; pool <= 3; pool += 2) {
                    bool heart = pool == 3 && (where > IN_ROWS || flow == REDW_PAUSE);
                    if (!whole && !heart)
                        continue;
                    run_scene((enum where)where, (enum action)action, (enum redw_flow)flow, pool, uri);
                    n++;
                }
    return n;
}

START_TEST(every_callback_may_do_everything)
{
    printf("matrix: %u scenes without TLS\n", run_matrix(pg_server()->unixuri, true));
}
END_TEST

START_TEST(every_callback_may_do_everything_under_tls)
{
    printf("matrix: %u scenes with TLS\n", run_matrix(pg_server()->uri, false));
}
END_TEST

/* --- chains -------------------------------------------------------------------------------------------- */

static unsigned links;
static void next_link(const redw_result *res, void *ctx)
{
    ck_assert_ptr_null(redw_result_error(res));
    if (++links < 2000)
        ck_assert_int_gt(redw_submit(ctx, REDW_QUERY("select 1"), next_link, ctx), 0);
}

START_TEST(requests_submitted_by_callbacks_make_long_chains)
{
    links = 0;
    lab_open(&r);
    lab_pool(&r, pg_server()->unixuri, pg_server()->password, 1);
    ck_assert_int_gt(redw_submit(r.client, REDW_QUERY("select 1"), next_link, r.client), 0);
    ck_assert(lab_wait(&r, &links, 2000));
    ck_assert_uint_eq(r.fault.opened, 1);
    ck_assert(lab_close(&r));
}
END_TEST

/* Callbacks of requests that end by destroy may call anything too, and are refused. */
static unsigned refused;
static void submit_again(const redw_result *res, void *ctx)
{
    ck_assert_int_eq(redw_error_class(redw_result_error(res)), REDW_CLASS_CLOSED);
    ck_assert_int_eq((int)redw_submit(ctx, REDW_QUERY("select 1"), submit_again, ctx), REDW_ECLOSED);
    redw_client_close(ctx, 0, NULL, NULL);
    redw_client_destroy(ctx);
    refused++;
}

START_TEST(callbacks_inside_destroy_are_refused_and_may_destroy_again)
{
    refused = 0;
    lab_open(&r);
    lab_pool(&r, pg_server()->unixuri, pg_server()->password, 2);
    for (int i = 0; i < 20; i++)
        ck_assert_int_gt(redw_submit(r.client, REDW_QUERY("select pg_sleep(10)"), submit_again, r.client), 0);
    lab_run_ms(&r, 50);
    redw_client_destroy(r.client);
    r.client = NULL;
    ck_assert_uint_eq(refused, 20);
    ck_assert(lab_close(&r));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("matrix");
    TCase *t = tcase_create("matrix");
    pg_server();
    tcase_add_test(t, every_callback_may_do_everything);
    tcase_add_test(t, every_callback_may_do_everything_under_tls);
    tcase_add_test(t, requests_submitted_by_callbacks_make_long_chains);
    tcase_add_test(t, callbacks_inside_destroy_are_refused_and_may_destroy_again);
    tcase_set_timeout(t, 240);
    suite_add_tcase(suite, t);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
