/* SPDX-License-Identifier: Apache-2.0 */
/* The connection's side of the stand: names, owner, job, and the loop around them. Servers: conn_stand_server.c. */
#include "support/conn_stand.h"

#include "data/row.h"
#include "pool/loop_ev.h"
#include "wire/fe_write.h"
#include "wire/mem.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

/* --- names --------------------------------------------------------------------------------------- */

struct lookup {
    struct stand *stand;
    redwi_names_fn *fn;
    void *arg;
    _Alignas(16) unsigned char turn[512];
    bool inside;
};

static void on_lookup(void *arg)
{
    struct lookup *l = arg;
    struct stand *r = l->stand;
    l->inside = true;
    l->fn(l->arg, r->addrs, r->naddrs, r->naddrs ? NULL : r->names_why);
    l->inside = false;
}

static int names_start(void *ctx, const struct redw_allocator *mem, const struct redw_loop *loop,
                       const char *host, uint16_t port, redwi_names_fn *fn, void *arg, void **query)
{
    struct stand *r = ctx;
    struct lookup *l = redwi_alloc_array(mem, 1, sizeof *l);
    ck_assert_str_eq(host, r->settings.host);
    ck_assert_uint_eq(port, r->settings.port);
    if (!l)
        return REDW_ENOMEM;
    *l = (struct lookup){.stand = r, .fn = fn, .arg = arg};
    loop->turn_init(loop->ctx, l->turn, on_lookup, l);
    if (!r->names_silent)
        loop->turn_request(loop->ctx, l->turn);
    r->lookups++;
    *query = l;
    return 0;
}

static void names_cancel(void *ctx, void *query)
{
    struct stand *r = ctx;
    struct lookup *l = query;
    ck_assert(!l->inside);
    r->probe.loop.turn_fini(r->probe.loop.ctx, l->turn);
    redwi_free(&r->fault.mem, l);
    r->cancels++;
}

/* --- the owner ----------------------------------------------------------------------------------- */

static void act(struct stand *r, enum stand_event e)
{
    ck_assert_int_gt(r->depth, 0);
    if (!r->act[e])
        return;
    r->acted++;
    r->act[e](r);
}

static void owner_enter(void *owner)
{
    struct stand *r = owner;
    r->depth++;
}

static void bury(struct stand *r, struct redwi_conn *c)
{
    if (!c || c->state != REDWI_CONN_CLOSED)
        return;
    if (c == r->conn)
        r->conn = NULL;
    else
        r->side = NULL;
    redwi_conn_free(c);
}

static void owner_leave(void *owner)
{
    struct stand *r = owner;
    ev_break(r->ev, EVBREAK_ONE); /* stand_run_until looks before the loop sleeps */
    if (--r->depth > 0)
        return;
    bury(r, r->side);
    bury(r, r->conn);
}

static void owner_ready(void *owner, struct redwi_conn *c)
{
    struct stand *r = owner;
    ck_assert_int_eq(c->state, REDWI_CONN_IDLE);
    ck_assert_ptr_eq(c, r->conn);
    r->nready++;
    act(r, STAND_READY);
}

static void owner_ended(void *owner, struct redwi_conn *c, struct redwi_job *job)
{
    struct stand *r = owner;
    ck_assert(!job || !job->conn);
    r->ended_state = c->state;
    r->ended_job = job;
    r->nended++;
    act(r, STAND_ENDED);
}

static void owner_stopped(void *owner, struct redwi_conn *c, struct redwi_job *job)
{
    struct stand *r = owner;
    ck_assert_ptr_eq(redwi_conn_job(c), job);
    r->nstopped++;
    act(r, STAND_STOPPED);
    if (job->conn)
        redwi_conn_abandon(c, job);
}

static void owner_closed(void *owner, struct redwi_conn *c, const redw_error *why)
{
    struct stand *r = owner;
    struct redwi_job *job = redwi_conn_take_job(c);
    ck_assert_int_eq(c->state, REDWI_CONN_CLOSED);
    ck_assert(!job || (!job->conn && job->error));
    if (c == r->side) {
        r->nside_closed++;
        redw_error_release(r->side_why);
        r->side_why = redw_error_keep(why);
        return;
    }
    ck_assert_ptr_nonnull(why);
    r->nclosed++;
    r->closed_job = job;
    redw_error_release(r->why);
    r->why = redw_error_keep(why);
    act(r, STAND_CLOSED);
}

static void owner_noticed(void *owner, struct redwi_job *job, const redw_error *notice)
{
    struct stand *r = owner;
    ck_assert_ptr_nonnull(notice);
    r->nnoticed += job ? 1 : 0;
}

static void owner_corked(void *owner, struct redwi_conn *c)
{
    struct stand *r = owner;
    ck_assert_ptr_eq(c, r->conn);
    r->corked = true;
    r->probe.loop.turn_request(r->probe.loop.ctx, r->turn);
}

static void on_turn(void *arg)
{
    struct stand *r = arg;
    owner_enter(r);
    if (r->corked && r->conn) {
        r->corked = false;
        redwi_conn_flush(r->conn);
    }
    owner_leave(r);
}

static const struct redwi_conn_ops owner_ops = {
    .enter = owner_enter,
    .leave = owner_leave,
    .ready = owner_ready,
    .ended = owner_ended,
    .stopped = owner_stopped,
    .closed = owner_closed,
    .noticed = owner_noticed,
    .corked = owner_corked,
};

/* --- the job ------------------------------------------------------------------------------------- */

static struct stand_job *job_of(struct redwi_job *j)
{
    return REDWI_OF(j, struct stand_job, job);
}

static int job_begin(struct redwi_job *j, struct redwi_session *s)
{
    struct redwi_buf *b = redwi_session_unit_begin(s);
    if (!b)
        return REDW_ENOMEM;
    redwi_fe_parse(b, "", job_of(j)->sql, strlen(job_of(j)->sql), NULL, 0);
    redwi_fe_bind_end(b, redwi_fe_bind_begin(b, "", "", NULL, 0), 0);
    redwi_fe_describe_portal(b, "");
    redwi_fe_execute(b, "", 0);
    return redwi_session_unit_end(
        s, j, REDWI_SENT_PARSE | REDWI_SENT_BIND | REDWI_SENT_DESCRIBE | REDWI_SENT_EXECUTE,
        REDW_OUTCOME_NOT_EXECUTED);
}

static enum redwi_job_flow next_flow(struct stand_job *r)
{
    return r->nflow < sizeof r->flow / sizeof r->flow[0] ? r->flow[r->nflow++] : REDWI_JOB_GO;
}

/* The error that goes with STOP and DRAIN. */
static enum redwi_job_flow answer_flow(struct redwi_job *j)
{
    enum redwi_job_flow flow = j->conn ? next_flow(job_of(j)) : REDWI_JOB_GO;
    if (flow == REDWI_JOB_STOP && !j->error)
        j->error = redwi_err_make(
            &job_of(j)->stand->fault.mem,
            &(struct redwi_err_spec){.code = REDW_ECANCELLED, .cls = REDW_CLASS_QUERY_CANCELLED}, "enough");
    return flow;
}

static enum redwi_job_flow job_columns(struct redwi_job *j, const struct redwi_columns *columns)
{
    job_of(j)->ncolumns = (int)columns->n;
    act(job_of(j)->stand, STAND_COLUMNS);
    return answer_flow(j);
}

static void add_text(struct stand_job *r, const char *text, size_t n)
{
    size_t at = strlen(r->text);
    if (n && at + n + 1 < sizeof r->text) {
        memcpy(r->text + at, text, n);
        r->text[at + n] = 0;
    }
}

static enum redwi_job_flow job_rows(struct redwi_job *j, const uint8_t *p, const uint8_t *end,
                                    const uint8_t **taken, bool *corrupt)
{
    struct stand_job *r = job_of(j);
    redw_slice cells[16];
    struct redw_column columns[16] = {0};
    struct redwi_rowset set = {.columns = columns, .ncolumns = (size_t)r->ncolumns, .cells = cells};
    redw_rows rows = redwi_rows_streamed(&set, p, end);
    redw_row row;
    size_t n = 0;
    ck_assert_ptr_eq(j->conn, r->stand->conn);
    ck_assert(redwi_rows_left(&rows));
    r->ncalls++;
    while (!r->take_none && (!r->batch || n < r->batch) && redw_rows_next(&rows, &row)) {
        for (size_t i = 0; i < row.ncells; i++) {
            add_text(r, ",", i ? 1 : 0);
            add_text(r, row.cells[i].ptr, row.cells[i].len);
            r->bytes += row.cells[i].len;
        }
        add_text(r, ";", 1);
        r->nrows++;
        n++;
    }
    act(r->stand, STAND_ROWS);
    *taken = redwi_rows_at(&rows);
    *corrupt = set.corrupt || r->corrupt;
    return answer_flow(j);
}

static void job_complete(struct redwi_job *j, const char *tag, size_t len)
{
    struct stand_job *r = job_of(j);
    snprintf(r->tag, sizeof r->tag, "%.*s", (int)len, tag);
    r->ncomplete++;
    act(r->stand, STAND_COMPLETE);
}

static redw_error *job_notice(struct redwi_job *j, redw_error *owned)
{
    job_of(j)->nnotices++;
    act(job_of(j)->stand, STAND_NOTICE);
    return owned;
}

static const struct redwi_job_ops job_ops = {
    .begin = job_begin,
    .columns = job_columns,
    .rows = job_rows,
    .complete = job_complete,
    .notice = job_notice,
};

void stand_job_init(struct stand *r, struct stand_job *j, const char *sql)
{
    *j = (struct stand_job){.stand = r, .sql = sql, .job.ops = &job_ops};
}

void stand_job_fini(struct stand_job *j)
{
    redw_error_release(j->job.error);
    j->job.error = NULL;
}

void stand_start(struct stand *r, struct stand_job *j)
{
    ck_assert_int_eq(redwi_conn_start(r->conn, &j->job), 0);
    ck_assert_int_eq(r->conn->state, REDWI_CONN_BUSY);
    ck_assert_ptr_eq(j->job.conn, r->conn);
}

/* --- the stand ------------------------------------------------------------------------------------- */

void stand_target(struct stand *r, const char *host, uint16_t port)
{
    r->settings.host = (char *)(uintptr_t)host;
    r->settings.port = port;
}

void stand_use_tls_of(struct stand *r, const struct redwi_tls_config *config)
{
    struct redw_diag why = {0};
    r->settings.tls_mode = config->mode;
    r->settings.tls_direct = config->direct;
    ck_assert_msg(redwi_tls_ctx_create(&r->tls, &r->fault.mem, config, &why) == 0, "%s", why.text);
}

void stand_use_tls(struct stand *r, enum redwi_tls_mode mode, const char *ca_file)
{
    stand_use_tls_of(r, &(struct redwi_tls_config){.mode = mode, .ca_file = ca_file});
}

void stand_open(struct stand *r)
{
    static char user[] = "alice", database[] = "lake", application[] = "stand";
    memset(r, 0, sizeof *r);
    r->ev = ev_loop_new(EVFLAG_AUTO);
    fault_init(&r->fault);
    probe_init(&r->probe, redwi_loop_ev(r->ev));
    r->names = (struct redwi_names){.ctx = r, .start = names_start, .cancel = names_cancel};
    r->names_why = "no such name";
    r->env = (struct redwi_env){.sys = &r->fault.sys, .names = &r->names};
    r->settings = (struct redwi_settings){
        .user = user,
        .database = database,
        .application_name = application,
        .tls_mode = REDWI_TLS_DISABLE,
        .tcp = {.idle_s = 60, .interval_s = 10, .count = 3, .user_timeout_ms = 75000}};
    r->probe.loop.turn_init(r->probe.loop.ctx, r->turn, on_turn, r);
    ev_run(r->ev, EVRUN_NOWAIT);
    leak_begin(&r->leak);
}

void stand_close(struct stand *r)
{
    fault_disarm(&r->fault);
    if (r->side) {
        redwi_conn_close(r->side, false);
        redwi_conn_free(r->side);
    }
    if (r->conn) {
        redwi_conn_close(r->conn, false);
        redwi_conn_free(r->conn);
    }
    redw_error_release(r->why);
    redw_error_release(r->side_why);
    stand_teardown_servers(r);
    redwi_tls_ctx_free(r->tls);
    r->probe.loop.turn_fini(r->probe.loop.ctx, r->turn);
    ck_assert_int_eq(r->lookups, r->cancels);
    ck_assert_int_eq(r->depth, 0);
    ck_assert(leak_check(&r->leak, r->ev, &r->fault, &r->probe, stderr));
    fault_fini(&r->fault);
    ev_loop_destroy(r->ev);
}

static int open_conn(struct stand *r, int64_t timeout_ms, struct redwi_conn **out,
                     const struct redwi_conn *cancels)
{
    const struct redwi_conn_config config = {
        .mem = &r->fault.mem,
        .loop = &r->probe.loop,
        .env = &r->env,
        .settings = &r->settings,
        .endpoint = &r->endpoint,
        .tls = r->tls,
        .ops = &owner_ops,
        .owner = r,
        .deadline_us = r->probe.loop.now_us(r->probe.loop.ctx) + timeout_ms * 1000,
        .cancels = cancels,
    };
    int calls = r->nready + r->nclosed + r->nside_closed;
    int code = redwi_conn_open(out, &config);
    ck_assert_int_eq(r->nready + r->nclosed + r->nside_closed, calls); /* never from inside */
    return code;
}

int stand_connect(struct stand *r, int64_t timeout_ms)
{
    return open_conn(r, timeout_ms, &r->conn, NULL);
}

int stand_cancel(struct stand *r, int64_t timeout_ms)
{
    return open_conn(r, timeout_ms, &r->side, r->conn);
}

void stand_login(struct stand *r)
{
    int n = r->nready;
    ck_assert_int_eq(stand_connect(r, 5000), 0);
    stand_run_until(r, &r->nready, n + 1);
    ck_assert_int_eq(r->conn->state, REDWI_CONN_IDLE);
}

static void on_timeout(struct ev_loop *ev, ev_timer *t, int events)
{
    (void)ev, (void)events;
    *(bool *)t->data = true;
}

void stand_run_until(struct stand *r, const int *count, int n)
{
    bool late = false;
    ev_timer timer;
    ev_timer_init(&timer, on_timeout, 5., 0.);
    timer.data = &late;
    ev_now_update(r->ev);
    ev_timer_start(r->ev, &timer);
    while (*count < n && !late)
        ev_run(r->ev, EVRUN_ONCE);
    ev_timer_stop(r->ev, &timer);
    ck_assert_msg(*count >= n, "late: ready %d, ended %d, closed %d, state %s; %s", r->nready, r->nended,
                  r->nclosed, r->conn ? redwi_conn_state_name(r->conn->state) : "none",
                  redw_error_message(r->why));
}

void stand_run(struct stand *r, int rounds)
{
    while (rounds--)
        ev_run(r->ev, EVRUN_NOWAIT);
}

void stand_add_address(struct stand *r, const char *host, uint16_t port)
{
    ck_assert(redwi_address_literal(host, port, &r->addrs[r->naddrs++]));
}

int64_t stand_now_us(const struct stand *r)
{
    return r->probe.loop.now_us(r->probe.loop.ctx);
}

void stand_run_job(struct stand *r, struct stand_job *j, const char *sql)
{
    int n = r->nended;
    stand_job_init(r, j, sql);
    stand_start(r, j);
    stand_run_until(r, &r->nended, n + 1);
    ck_assert_ptr_eq(r->ended_job, &j->job);
}

void stand_expect_why(const struct stand *r, int code, const char *begin, const char *end)
{
    const char *text = redw_error_message(r->why);
    size_t n = strlen(text);
    ck_assert_msg(redw_error_code(r->why) == code, "%d %s", redw_error_code(r->why), text);
    ck_assert_msg(!strncmp(text, begin, strlen(begin)), "%s", text);
    ck_assert_msg(n >= strlen(end) && !strcmp(text + n - strlen(end), end), "%s", text);
}
