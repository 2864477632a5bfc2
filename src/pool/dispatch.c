/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries from the loop, the turn, and the pool's steps: jobs to connections, connections for jobs.
 *
 * A connection is in exactly one place (enum redwi_place), a job in exactly one list. Events of
 * connections change these at once; what follows from the change (callbacks, new connections, writes)
 * happens on the way out of the entry or in the next turn, when nothing is in the middle of anything.
 *
 * Opening: as many as jobs wait for, up to pool_max. After a failed attempt only one at a time, and
 * with pauses while other connections serve. When none is open or opening any more, nobody is left who could
 * serve the waiting jobs: if the server refused in a way that passes, it is asked again after a pause, inside
 * the time of the first attempt; else they fail with the last error.
 */
#include "pool/dispatch.h"

#include "wire/err.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What an entry seldom comes to: what it does come to saves fewer registers then. */
#define NOINLINE static __attribute__((noinline))

static redw_client *client_of(void *owner)
{
    return owner;
}

static struct redwi_job *first_job(struct redwi_link *list)
{
    return REDWI_OF(list->next, struct redwi_job, link);
}

/* Who is next; some job must wait. */
static struct redwi_job *first_waiting(redw_client *c)
{
    struct redwi_link *rank = c->waiting;

    while (redwi_list_empty(rank))
        rank++;
    return first_job(rank);
}

static struct redwi_conn *first_conn(struct redwi_link *list)
{
    return REDWI_OF(list->next, struct redwi_conn, link);
}

static bool is_open(const redw_client *c)
{
    return c->counts[REDWI_AT_IDLE] + c->counts[REDWI_AT_BUSY] > 0;
}

/* Connections that count for pool_max. */
static uint32_t in_use(const redw_client *c)
{
    return c->counts[REDWI_AT_OPENING] + c->counts[REDWI_AT_IDLE] + c->counts[REDWI_AT_BUSY];
}

static bool close_may_finish(const redw_client *c)
{
    return c->closing && !c->closed_ran && c->njobs == 0 && c->counts[REDWI_AT_BUSY] == 0 &&
           c->counts[REDWI_AT_SIDE] == 0;
}

/* --- holding the loop, asking for a turn --- */

void redwi_pool_settle_hold(redw_client *c)
{
    if (c->depth)
        return;
    bool hold =
        c->njobs > 0 || c->turn_asked || c->counts[REDWI_AT_SIDE] > 0 || (c->closing && !c->closed_ran);
    if (hold == c->held)
        return;
    c->held = hold;
    (hold ? c->loop.hold : c->loop.release)(c->loop.ctx);
}

void redwi_pool_ask_for_turn(redw_client *c)
{
    if (c->turn_asked)
        return;
    c->turn_asked = true;
    c->loop.turn_request(c->loop.ctx, c->turn);
    redwi_pool_settle_hold(c);
}

/* --- jobs --- */

/* What a connection or a unit could not allocate: it may have been the client's own bound. */
static void say_whose_memory(redw_client *c, struct redwi_job *j)
{
    redw_error *e = redwi_client_no_memory(c, redw_error_outcome(j->error));

    redw_error_release(j->error);
    j->error = e;
}

static inline void now_done(redw_client *c, struct redwi_job *j)
{
    redwi_list_move_back(&c->done, &j->link);
    j->conn = NULL;
    j->state = REDWI_JOB_DONE;
}

void redwi_pool_end(redw_client *c, struct redwi_job *j, redw_error *owned)
{
    if (j->cancelled && !j->verdict)
        j->verdict = REDW_CANCEL_UNANSWERED;
    if (j->state == REDWI_JOB_WAITING && !j->connects_only)
        c->nwaiting--;
    if (j->error)
        redw_error_release(owned);
    else
        j->error = owned;
    if (j->error && redw_error_code(j->error) == REDW_ENOMEM)
        say_whose_memory(c, j);
    now_done(c, j);
    if (c->depth == 0)
        redwi_pool_want_turn(c);
}

/* how: put in front of why, or NULL */
static void fail_waiting(redw_client *c, const redw_error *why, const char *how)
{
    redw_error *e = redwi_err_again(&c->mem, why, REDW_OUTCOME_NOT_SENT, how);

    while (c->nwaiting > 0)
        redwi_pool_end(c, first_waiting(c), redw_error_keep(e));
    while (!redwi_list_empty(&c->connects))
        redwi_pool_end(c, first_job(&c->connects), redw_error_keep(e));
    redw_error_release(e);
}

/* --- closed connections --- */

NOINLINE void free_closed(redw_client *c)
{
    struct redwi_link *head = &c->places[REDWI_AT_CLOSED], *l = head->next;

    while (l != head) {
        struct redwi_conn *conn = REDWI_OF(l, struct redwi_conn, link);
        l = l->next;
        /* A side connection under way still reads the address and key of the one it cancels. */
        if (conn->cancel)
            continue;
        redwi_list_remove(&conn->link);
        c->counts[REDWI_AT_CLOSED]--;
        redwi_pool_free(conn);
    }
}

void redwi_pool_free(struct redwi_conn *conn)
{
    redw_error_release(conn->refused);
    redwi_conn_free(conn);
}

/* --- connections --- */

static bool somebody_waits(const redw_client *c)
{
    return c->nwaiting > 0 || !redwi_list_empty(&c->connects);
}

/* Its link goes where its count does. */
static inline void count_at(redw_client *c, struct redwi_conn *conn, enum redwi_place place)
{
    c->counts[conn->place]--;
    c->counts[place]++;
    conn->place = (int)place;
}

/* The idle connection used last is given out first: it is the one most likely to be alive. */
static inline void move_to_idle(redw_client *c, struct redwi_conn *conn)
{
    count_at(c, conn, REDWI_AT_IDLE);
    redwi_list_move_front(&c->places[REDWI_AT_IDLE], &conn->link);
    if (somebody_waits(c) || c->closing)
        redwi_pool_want_turn(c);
}

NOINLINE void taken_out(redw_client *c, struct redwi_conn *conn)
{
    if (conn->corked) {
        conn->corked = false;
        redwi_list_remove(&conn->cork_link);
    }
    count_at(c, conn, REDWI_AT_CLOSED);
    redwi_list_move_back(&c->places[REDWI_AT_CLOSED], &conn->link);
    redwi_pool_want_turn(c);
}

void redwi_pool_close(redw_client *c, struct redwi_conn *conn, bool politely)
{
    redwi_conn_close(conn, politely);
    taken_out(c, conn);
}

/* Idle, unless a cancel is still on its way to it. A late CancelRequest would stop somebody else's
 * statement. */
static inline void has_nothing_to_do(redw_client *c, struct redwi_conn *conn)
{
    conn->ask_again_us = 0;
    if (conn->cancel)
        return;
    conn->ask_pause_ms = 0;
    conn->given_up = conn->told = false;
    if (conn->spoiled)
        redwi_pool_close(c, conn, true);
    else
        move_to_idle(c, conn);
}

static inline void unit_ended(redw_client *c, struct redwi_conn *conn)
{
    if (conn->state == REDWI_CONN_IDLE)
        has_nothing_to_do(c, conn);
    else if (conn->state == REDWI_CONN_CLOSED) /* it ended in a transaction */
        taken_out(c, conn);
    else if (conn->given_up)
        redwi_cancel_look(c, conn);
    else if (c->nwaiting > 0)
        redwi_pool_want_turn(c);
}

void redwi_pool_unit_ended(redw_client *c, struct redwi_conn *conn)
{
    unit_ended(c, conn);
}

/* From half of it to all of it, by chance: clients that were refused together do not come back together. */
static int64_t jittered(const redw_client *c, int64_t us)
{
    const struct redwi_sys *sys = c->env.sys ? c->env.sys : &redwi_sys_real;
    uint32_t draw;

    if (sys->entropy(sys->ctx, &draw, sizeof draw))
        draw = 0;
    return us - (int64_t)((uint64_t)(us / 2) * draw >> 32);
}

static void attempt_failed(redw_client *c)
{
    int64_t now_us = c->loop.now_us(c->loop.ctx);

    /* Attempts that began together fail together, and count as one. */
    if (c->connect_failing && now_us < c->open_after_us)
        return;
    c->connect_failing = true;
    c->open_after_us = now_us + jittered(c, (int64_t)c->pace_ms * 1000);
    c->pace_ms = c->pace_ms < REDWI_PACE_MS_MAX / 2 ? c->pace_ms * 2 : REDWI_PACE_MS_MAX;
}

/* Failures that pass by themselves: nobody listens yet, or who listens has no server behind it, or the server
 * starts up ("cannot_connect_now"). What was refused for good is not asked again. */
static bool may_pass(const redw_error *why)
{
    const char *state = redw_error_sqlstate(why);
    int error = redw_error_errno(why);

    if (redw_error_origin(why) == REDW_ORIGIN_SERVER)
        return state && strcmp(state, "57P03") == 0;
    return redw_error_code(why) == REDW_ECONNECT && redw_error_origin(why) == REDW_ORIGIN_OS &&
           (error == ECONNREFUSED || error == ECONNRESET);
}

/* Nobody is left who could serve the waiting jobs: is there a point in trying again? */
static bool may_retry(const redw_client *c, const redw_error *why)
{
    return c->nattempts <= c->settings.connect_retries && may_pass(why) && c->open_after_us < c->connect_until_us;
}

static void connecting_is_over(redw_client *c)
{
    c->retrying = false;
    redw_error_release(c->refusal);
    c->refusal = NULL;
    c->nattempts = 0;
    c->pace_ms = REDWI_PACE_MS_MIN;
    c->open_after_us = 0;
}

static void connect_failed(redw_client *c, const redw_error *why)
{
    char text[80];
    long long ms = (long long)(c->loop.now_us(c->loop.ctx) - c->failing_since_us) / 1000;

    c->nattempts++;
    if (somebody_waits(c) && may_retry(c, why)) {
        c->retrying = true;
        redw_error_release(c->refusal);
        c->refusal = redw_error_keep(why);
        redwi_pool_want_turn(c);
        return;
    }
    snprintf(text, sizeof text, "%u attempts in %lld ms, the last", c->nattempts, ms);
    fail_waiting(c, why, c->nattempts > 1 ? text : NULL);
    connecting_is_over(c);
}

static int on_open(void *owner, struct redwi_conn *conn)
{
    redw_client *c = client_of(owner);

    conn->opening = c->next_id++;
    return c->settings.open(c, conn->opening, c->settings.host, c->settings.port, c->settings.open_ctx);
}

static void on_noticed(void *owner, struct redwi_job *j, const redw_error *notice)
{
    redw_client *c = client_of(owner);

    /* A destroy waits for what is on the stack to unwind: nobody is called any more. */
    if (c->settings.notice && !c->destroying)
        c->settings.notice(c, j ? j->id : 0, notice, c->settings.notice_ctx);
}

static void on_enter(void *owner)
{
    redwi_pool_enter(client_of(owner));
}

static void on_leave(void *owner)
{
    redwi_pool_leave(client_of(owner));
}

static void on_ready(void *owner, struct redwi_conn *conn)
{
    redw_client *c = client_of(owner);

    c->connect_failing = false;
    connecting_is_over(c);
    move_to_idle(c, conn);
}

/* The server does not say who had a statement stopped; this client knows what it asked for. */
static void tell_who_cancelled(redw_client *c, struct redwi_job *j)
{
    if (redw_error_class(j->error) != REDW_CLASS_QUERY_CANCELLED)
        return;
    redw_error *e = redwi_err_with_cause(&c->mem, j->error, REDW_CAUSE_CALLER, redw_error_outcome(j->error));
    redw_error_release(j->error);
    j->error = e;
}

NOINLINE void ended_otherwise(redw_client *c, struct redwi_conn *conn, struct redwi_job *j)
{
    if (j->cancelled) {
        redwi_cancel_judge(conn, j, false);
        tell_who_cancelled(c, j);
    }
    redwi_pool_end(c, j, NULL);
}

static void on_ended(void *owner, struct redwi_conn *conn, struct redwi_job *j)
{
    redw_client *c = client_of(owner);

    if (j && (j->error || j->cancelled))
        ended_otherwise(c, conn, j);
    else if (j)
        now_done(c, j);
    unit_ended(c, conn);
}

static void on_stopped(void *owner, struct redwi_conn *conn, struct redwi_job *j)
{
    redw_client *c = client_of(owner);

    (void)conn;
    redwi_cancel_abandon(c, j);
    redwi_pool_end(c, j, NULL);
}

/* A cancelled statement whose connection was closed because the server did not obey in time. */
static void name_the_cancel(redw_client *c, const struct redwi_conn *conn, struct redwi_job *j)
{
    char how[300] = "the server did not stop the statement";

    if (!j->cancelled || redw_error_code(j->error) != REDW_ETIMEDOUT)
        return;
    if (j->verdict == REDW_CANCEL_REFUSED)
        snprintf(how, sizeof how, "the server could not be asked to stop the statement (%s), which did not end by itself",
                 conn->refused ? redw_error_message(conn->refused) : "cancel: no answer yet");
    redw_error *e = redwi_err_make(
        &c->mem,
        &(struct redwi_err_spec){.code = REDW_ECANCELLED,
                                 .cls = REDW_CLASS_QUERY_CANCELLED,
                                 .outcome = redw_error_outcome(j->error)},
        "cancelled; %s within %u ms, so its connection was closed", how, c->settings.cancel_timeout_ms);
    redw_error_release(j->error);
    j->error = e;
}

/* why NULL: it did its work. */
static void side_closed(redw_client *c, struct redwi_conn *side, const redw_error *why)
{
    struct redwi_conn *target = side->cancels;

    taken_out(c, side);
    side->cancels = NULL;
    target->cancel = NULL;
    target->told |= !why;
    if (why) {
        target->spoiled = true;
        redw_error_release(target->refused);
        target->refused = redw_error_keep(why);
    }
    if (target->place != REDWI_AT_BUSY)
        return;
    if (target->state == REDWI_CONN_IDLE)
        has_nothing_to_do(c, target);
    else if (!why)
        redwi_cancel_ask_later(c, target);
}

static void on_closed(void *owner, struct redwi_conn *conn, const redw_error *why)
{
    redw_client *c = client_of(owner);
    struct redwi_job *j;
    bool was_opening = conn->place == REDWI_AT_OPENING;

    if (conn->place == REDWI_AT_SIDE) {
        side_closed(c, conn, why);
        return;
    }
    taken_out(c, conn);
    while ((j = redwi_conn_take_job(conn)) != NULL) {
        redwi_cancel_judge(conn, j, true);
        name_the_cancel(c, conn, j);
        redwi_pool_end(c, j, NULL);
    }
    if (was_opening) {
        attempt_failed(c);
        if (!is_open(c) && c->counts[REDWI_AT_OPENING] == 0)
            connect_failed(c, why);
    }
}

static void on_corked(void *owner, struct redwi_conn *conn)
{
    redw_client *c = client_of(owner);

    if (conn->corked)
        return;
    conn->corked = true;
    redwi_list_append(&c->corked, &conn->cork_link);
    /* A turn asked for from inside a turn costs a round of the loop, system call included. */
    if (!c->flush_due)
        redwi_pool_want_turn(c);
}

static const struct redwi_conn_ops conn_ops = {
    .enter = on_enter,
    .leave = on_leave,
    .ready = on_ready,
    .ended = on_ended,
    .stopped = on_stopped,
    .closed = on_closed,
    .noticed = on_noticed,
    .open = on_open,
    .corked = on_corked,
};

/* Attempts that follow a refusal share the time of the first. */
static int64_t connect_deadline(redw_client *c)
{
    int64_t now_us = c->loop.now_us(c->loop.ctx);
    int64_t fresh_us = now_us + (int64_t)c->settings.connect_timeout_ms * 1000;

    if (c->retrying && now_us < c->connect_until_us)
        return c->connect_until_us;
    if (c->nattempts == 0) {
        c->failing_since_us = now_us;
        c->connect_until_us = fresh_us;
    }
    return fresh_us;
}

struct redwi_conn *redwi_pool_open(redw_client *c, struct redwi_conn *cancels)
{
    struct redwi_conn_config config = {
        .mem = &c->mem,
        .buffers = &c->buffers,
        .loop = &c->loop,
        .env = &c->env,
        .settings = &c->settings,
        .endpoint = &c->endpoint,
        .tls = c->tls,
        .ops = &conn_ops,
        .owner = c,
        .number = ++c->nopened,
        .deadline_us = cancels ? cancels->cancel_until_us : connect_deadline(c),
        .cancels = cancels,
    };
    struct redwi_conn *conn;

    if (redwi_conn_open(&conn, &config))
        return NULL;
    conn->cancels = cancels;
    if (cancels)
        cancels->cancel = conn;
    conn->place = cancels ? REDWI_AT_SIDE : REDWI_AT_OPENING;
    c->counts[conn->place]++;
    redwi_list_append(&c->places[conn->place], &conn->link);
    return conn;
}

/* --- the turn --- */

NOINLINE void end_pauses(redw_client *c)
{
    struct redwi_link now;

    redwi_list_take(&now, &c->resuming);
    while (!redwi_list_empty(&now)) {
        struct redwi_job *j = first_job(&now);
        redwi_list_remove(&j->link);
        if (j->conn->paused)
            redwi_conn_resume(j->conn);
    }
}

NOINLINE void report_open(redw_client *c)
{
    while (!redwi_list_empty(&c->connects) && is_open(c))
        redwi_pool_end(c, first_job(&c->connects), NULL);
}

static redw_error *not_begun(redw_client *c, int code)
{
    if (code == REDW_ENOMEM)
        return redwi_err_no_memory(REDW_OUTCOME_NOT_SENT);
    return redwi_err_make(&c->mem,
                          &(struct redwi_err_spec){.code = code,
                                                   .cls = REDW_CLASS_RESOURCE_BUSY,
                                                   .outcome = REDW_OUTCOME_NOT_SENT},
                          "send: the statement and its parameters do not fit into the output buffer");
}

/* May a job be sent behind what is on its way there already? */
static bool takes_more(const redw_client *c, const struct redwi_conn *conn)
{
    return conn->state == REDWI_CONN_BUSY && conn->njobs < c->settings.pipeline_max && !conn->given_up &&
           !redwi_conn_job(conn)->exclusive;
}

/* All connections there may be are in use: the one with the least to do, of those that take one more job. */
NOINLINE struct redwi_conn *shared_conn(redw_client *c)
{
    struct redwi_link *head = &c->places[REDWI_AT_BUSY];
    struct redwi_conn *best = NULL;

    if (c->settings.pipeline_max <= 1 || in_use(c) < c->settings.pool_max)
        return NULL;
    for (struct redwi_link *l = head->next; l != head; l = l->next) {
        struct redwi_conn *conn = REDWI_OF(l, struct redwi_conn, link);
        if (takes_more(c, conn) && (!best || conn->njobs < best->njobs))
            best = conn;
    }
    return best;
}

static struct redwi_conn *conn_for(redw_client *c, const struct redwi_job *j)
{
    if (c->counts[REDWI_AT_IDLE] > 0)
        return first_conn(&c->places[REDWI_AT_IDLE]);
    return j->exclusive ? NULL : shared_conn(c);
}

/* 0, or why the job has ended without. */
static inline int give(redw_client *c, struct redwi_job *j, struct redwi_conn *conn, int64_t now_us)
{
    j->sent_us = now_us;
    int rc = redwi_conn_start(conn, j);

    if (rc) {
        redwi_pool_end(c, j, not_begun(c, rc));
        return rc;
    }
    redwi_list_remove(&j->link);
    c->nwaiting--;
    j->state = REDWI_JOB_ACTIVE;
    if (conn->place == REDWI_AT_IDLE) {
        count_at(c, conn, REDWI_AT_BUSY);
        redwi_list_move_back(&c->places[REDWI_AT_BUSY], &conn->link);
    }
    return 0;
}

static inline void assign(redw_client *c, int64_t now_us)
{
    while (c->nwaiting > 0) {
        struct redwi_job *j = first_waiting(c);
        struct redwi_conn *conn = conn_for(c, j);

        if (!conn)
            return;
        /* Nothing is sent after its deadline, whichever of timer and turn comes first. */
        if (redwi_job_wait_until(j) <= now_us) {
            redwi_pool_end(c, j, redwi_cancel_late(c, j));
        } else if (give(c, j, conn, now_us) == REDW_ENOMEM) {
            /* Its own memory comes back with its callback: the next may have enough then. */
            redwi_pool_want_turn(c);
            return;
        }
    }
}

static bool needs_more(const redw_client *c)
{
    uint32_t opening = c->counts[REDWI_AT_OPENING];

    if (c->nwaiting > opening)
        return in_use(c) < c->settings.pool_max;
    return !redwi_list_empty(&c->connects) && opening == 0 && !is_open(c);
}

NOINLINE void open_more(redw_client *c, int64_t now_us)
{
    while (needs_more(c)) {
        if (c->connect_failing && c->counts[REDWI_AT_OPENING] > 0)
            return;
        if (c->connect_failing && (is_open(c) || c->retrying) && now_us < c->open_after_us) {
            c->loop.timer_set(c->loop.ctx, c->pace_timer, c->open_after_us);
            return;
        }
        if (redwi_pool_open(c, NULL))
            continue;
        attempt_failed(c);
        if (!is_open(c) && c->counts[REDWI_AT_OPENING] == 0) {
            redw_error *e = redwi_err_no_memory(REDW_OUTCOME_NOT_SENT);
            fail_waiting(c, e, NULL);
            connecting_is_over(c);
            redw_error_release(e);
        }
    }
}

static void flush_corked(redw_client *c)
{
    struct redwi_link now;

    redwi_list_take(&now, &c->corked);
    while (!redwi_list_empty(&now)) {
        struct redwi_conn *conn = REDWI_OF(now.next, struct redwi_conn, cork_link);
        redwi_list_remove(&conn->cork_link);
        conn->corked = false;
        redwi_conn_flush(conn);
    }
}

NOINLINE void finish_close(redw_client *c)
{
    redw_closed_fn *fn = c->closed_fn;

    while (c->counts[REDWI_AT_OPENING] > 0)
        redwi_pool_close(c, first_conn(&c->places[REDWI_AT_OPENING]), false);
    while (c->counts[REDWI_AT_IDLE] > 0)
        redwi_pool_close(c, first_conn(&c->places[REDWI_AT_IDLE]), true);
    c->loop.timer_stop(c->loop.ctx, c->drain_timer);
    c->loop.timer_stop(c->loop.ctx, c->pace_timer);
    c->loop.timer_stop(c->loop.ctx, c->ask_timer);
    c->closed_ran = true;
    c->closed_fn = NULL;
    if (fn)
        fn(c->closed_ctx);
}

static inline void serve_waiting(redw_client *c, int64_t now_us)
{
    bool connects = !redwi_list_empty(&c->connects);

    if (connects)
        report_open(c);
    assign(c, now_us);
    if (c->nwaiting > 0 || connects)
        open_more(c, now_us);
}

/* What was changed since the last time is acted upon. */
static void take_steps(redw_client *c)
{
    int64_t now_us = c->entry_us = c->loop.now_us(c->loop.ctx); /* callbacks may have taken long */

    c->steps_due = false;
    if (c->closing && now_us >= c->drain_us)
        redwi_cancel_all(c);
    c->flush_due = true;
    if (!redwi_list_empty(&c->resuming))
        end_pauses(c);
    serve_waiting(c, now_us);
    c->flush_due = false;
    if (!redwi_list_empty(&c->corked))
        flush_corked(c);
    if (close_may_finish(c))
        finish_close(c);
}

/* --- entries --- */

void redwi_pool_enter(redw_client *c)
{
    if (c->depth++ == 0)
        c->entry_us = 0;
}

/* Callbacks between two steps. Where many answers came at once, what their callbacks submit leaves in portions, so that
 * the server works on the first while the others run: half of a pipeline of 100 in one send. */
#define PORTION 50

/* Up to `last`, which is in the list until it is finished. True: that was reached. */
static inline bool finish_portion(redw_client *c, const struct redwi_link *last)
{
    for (unsigned n = 0; n < PORTION; n++) {
        struct redwi_link *l = c->done.next;
        redwi_pool_finish(c, REDWI_OF(l, struct redwi_job, link));
        if (l == last)
            return true;
    }
    return false;
}

/* Steps that became due inside this entry are taken at its end: what its callbacks submitted leaves at once, without
 * a round of the loop (400 of a ping's instructions). What was submitted outside waits for the turn, in company. */
static inline void act_on_changes(redw_client *c)
{
    if (c->steps_due && !c->turn_asked && !c->destroying)
        take_steps(c);
}

/* What is done now, with the steps after each portion. */
static void finish_done(redw_client *c)
{
    const struct redwi_link *last = c->done.prev;
    bool all = last == &c->done;

    do {
        all = all || finish_portion(c, last);
        act_on_changes(c);
    } while (!all);
}

/* What the steps end is finished too, once: a callback that submits and cancels for ever must not keep the loop here. */
static inline void finish_entry(redw_client *c)
{
    finish_done(c);
    if (redwi_list_empty(&c->done))
        return;
    finish_done(c);
    if (!redwi_list_empty(&c->done))
        redwi_pool_want_turn(c);
}

void redwi_pool_leave(redw_client *c)
{
    if (c->depth > 1) {
        c->depth--;
        return;
    }
    finish_entry(c);
    c->depth = 0;
    if (c->destroying) {
        redwi_client_end(c);
        return;
    }
    if (c->counts[REDWI_AT_CLOSED] > 0)
        free_closed(c);
    if (c->steps_due || close_may_finish(c))
        redwi_pool_ask_for_turn(c);
    if (c->njobs == 0 || !c->held)
        redwi_pool_settle_hold(c);
}

void redwi_pool_turn(void *arg)
{
    redw_client *c = arg;

    c->turn_asked = false;
    redwi_pool_enter(c);
    c->steps_due = true;
    redwi_pool_leave(c);
}

void redwi_pool_pace(void *arg)
{
    redwi_pool_want_turn(arg);
}
