/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a connection: made, dialled, given jobs, closed. What a wake-up does is in drive.c.
 *
 * All memory a connection needs to be abandoned, limited, resumed and closed is there from the start:
 * the connection, its inside and its watchers are one allocation. The dial is another, freed once
 * connected.
 *
 * Whoever enters from the loop (the callbacks below) calls ops->leave last:
 * the connection may be gone when it returns.
 */
#include "pool/conn.h"

#include "pool/block.h"
#include "pool/drive.h"
#include "wire/mem.h"

#include <errno.h>
#include <stdio.h>

/* What the end of a unit seldom comes to: what it does come to saves fewer registers then. */
#define NOINLINE static __attribute__((noinline))

const char *redwi_conn_state_name(enum redwi_conn_state s)
{
    switch (s) {
    case REDWI_CONN_DIALING:
        return "dialing";
    case REDWI_CONN_SECURING:
        return "securing";
    case REDWI_CONN_LOGIN:
        return "login";
    case REDWI_CONN_IDLE:
        return "idle";
    case REDWI_CONN_BUSY:
        return "busy";
    case REDWI_CONN_DRAINING:
        return "draining";
    case REDWI_CONN_CLOSED:
        return "closed";
    }
    return "unknown";
}

static void set_timer(struct redwi_conn *c, int64_t at_us)
{
    const struct redw_loop *loop = c->priv->config.loop;
    loop->timer_set(loop->ctx, c->priv->timer, at_us);
    c->priv->timed = true;
}

void redwi_conn_stop_timer(struct redwi_conn *c)
{
    const struct redw_loop *loop = c->priv->config.loop;
    if (c->priv->timed)
        loop->timer_stop(loop->ctx, c->priv->timer);
    c->priv->timed = false;
}

static void enter(struct redwi_conn *c)
{
    c->priv->config.ops->enter(c->priv->config.owner);
}

static void leave(struct redwi_conn *c)
{
    c->priv->config.ops->leave(c->priv->config.owner);
}

void redwi_conn_set_state(struct redwi_conn *c, enum redwi_conn_state state)
{
    c->state = state;
}

NOINLINE void stop_starting(struct redwi_conn *c)
{
    redwi_session_unit_drop(c->session);
    redwi_ahead_take_back(&c->priv->ahead, c->session, c);
    c->priv->starting = NULL;
}

static inline void take_off(struct redwi_conn *c, struct redwi_job *job)
{
    if (c->priv->starting == job)
        stop_starting(c);
    redwi_list_remove(&job->conn_link);
    c->njobs--;
    job->conn = NULL;
}

struct redwi_job *redwi_conn_take_job(struct redwi_conn *c)
{
    struct redwi_job *job = redwi_conn_job(c);
    if (job)
        take_off(c, job);
    return job;
}

/* By what is on it. */
static inline void settle(struct redwi_conn *c)
{
    if (c->njobs)
        redwi_conn_set_state(c, REDWI_CONN_BUSY);
    else if (redwi_session_units(c->session))
        redwi_conn_set_state(c, REDWI_CONN_DRAINING);
    else
        redwi_conn_set_state(c, REDWI_CONN_IDLE);
}

/* The last words go only where they cannot be mistaken: a unit that was written and not sent stays
 * unsent. */
static bool may_say_goodbye(const struct redwi_conn *c)
{
    bool logged_in =
        c->state == REDWI_CONN_IDLE || c->state == REDWI_CONN_BUSY || c->state == REDWI_CONN_DRAINING;
    return logged_in && !c->priv->broken && !c->priv->ended && redwi_session_units(c->session) == 0;
}

NOINLINE void shut(struct redwi_conn *c, bool politely)
{
    struct redwi_conn_private *p = c->priv;
    const struct redw_loop *loop = p->config.loop;
    if (politely && may_say_goodbye(c)) {
        redwi_session_terminate(c->session);
        redwi_transport_goodbye(&p->transport, c->session);
    }
    redwi_dial_free(p->dial);
    p->dial = NULL;
    redwi_drive_unwatch(c);
    redwi_conn_stop_timer(c);
    loop->turn_fini(loop->ctx, p->turn);
    redwi_transport_close(&p->transport);
    redw_error_release(p->broken);
    p->broken = NULL;
    c->paused = false;
    redwi_conn_set_state(c, REDWI_CONN_CLOSED);
}

/* Nothing is on it any more. A transaction that is open would reach the next job. */
static inline void at_rest(struct redwi_conn *c, char status)
{
    redwi_conn_stop_timer(c);
    if (status != 'I')
        shut(c, true);
}

/* Its server process keeps the transaction: what is behind in flight would become a part of it. */
NOINLINE void left_in_transaction(struct redwi_conn *c)
{
    const struct redwi_conn_config *config = &c->priv->config;
    const struct redwi_err_spec spec = {
        .code = REDW_ECONNECT,
        .cls = REDW_CLASS_CONNECTION_FAILED,
        .outcome = REDW_OUTCOME_UNKNOWN,
        .origin = REDW_ORIGIN_LIBRARY,
    };
    redwi_conn_lost(c, redwi_err_make(config->mem, &spec,
                                      "a statement ahead on this connection left a transaction open"));
}

/* After a job that was abandoned: have its units ended, does it leave a transaction, are its own words for
 * that written? False: nothing is left to be waited for. */
NOINLINE bool cleans_up(struct redwi_conn *c, char status)
{
    struct redwi_conn_private *p = c->priv;
    const struct redwi_conn_config *config = &p->config;
    if (p->clean && redwi_session_units(c->session))
        return true;
    bool finish = p->cleaning || !p->clean || status == 'I';
    if (!finish && p->clean(c->session, c, status) == 0) {
        redwi_session_discard(c->session, c); /* nobody waits for the answers */
        p->cleaning = true;
        config->ops->corked(config->owner, c);
        return true;
    }
    p->clean = NULL;
    p->cleaning = false;
    return false;
}

/* There is another unit of the job, which is the last one now. */
NOINLINE void goes_on(struct redwi_conn *c, struct redwi_job *job)
{
    const struct redwi_conn_config *config = &c->priv->config;
    job->went_on = true;
    redwi_list_move_back(&c->jobs, &job->conn_link);
    config->ops->corked(config->owner, c);
}

void redwi_conn_unit_ended(struct redwi_conn *c, struct redwi_job *job, char status)
{
    const struct redwi_conn_config *config = &c->priv->config;
    if (job && c->prepared.pending)
        redwi_prepared_unit_ended(&c->prepared, job);
    if (job && job->ops->next && job->ops->next(job, status)) {
        goes_on(c, job);
        return;
    }
    if (!job && cleans_up(c, status))
        return;
    if (job)
        take_off(c, job);
    settle(c);
    if (c->state == REDWI_CONN_IDLE)
        at_rest(c, status);
    config->ops->ended(config->owner, c, job);
    if (status != 'I' && c->state != REDWI_CONN_CLOSED)
        left_in_transaction(c);
}

/* Later units follow one that was sent. */
enum redw_outcome redwi_conn_outcome(const struct redwi_conn *c, const struct redwi_job *job)
{
    if (job == c->priv->starting)
        return REDW_OUTCOME_NOT_SENT;
    return job->went_on ? REDW_OUTCOME_UNKNOWN : redwi_session_outcome(c->session, job);
}

static long long elapsed_ms(const struct redwi_conn *c, int64_t since_us)
{
    const struct redw_loop *loop = c->priv->config.loop;
    return (long long)((loop->now_us(loop->ctx) - since_us) / 1000);
}

/* What is put in front of a failure: what was being done, and with whom; of a unit whether it was sent, and
 * how long ago it came. Dialling says it itself. */
static const char *doing(const struct redwi_conn *c, const struct redwi_job *job, char *text, size_t cap)
{
    char peer[160];
    const char *phase = "query";
    if (c->state == REDWI_CONN_DIALING)
        return NULL;
    if (c->priv->side)
        phase = "cancel";
    else if (c->state == REDWI_CONN_SECURING)
        phase = "connect";
    else if (c->state == REDWI_CONN_LOGIN)
        phase = "login";
    else if (c->state == REDWI_CONN_IDLE)
        phase = "idle connection";
    redwi_address_text(&c->priv->peer, peer, sizeof peer);
    if (job) {
        enum redw_outcome outcome = redwi_conn_outcome(c, job);
        snprintf(text, cap, "%s: %s (%s, after %lld ms)", phase, peer,
                 outcome == REDW_OUTCOME_NOT_SENT ? "not sent" : "sent", elapsed_ms(c, job->sent_us));
        return text;
    }
    snprintf(text, cap, "%s: %s", phase, peer);
    return text;
}

/* Each with its own outcome: of a unit that waits behind others perhaps nothing was sent. */
static void fail_jobs(struct redwi_conn *c, const redw_error *why)
{
    char text[224];
    for (struct redwi_link *l = c->jobs.next; l != &c->jobs; l = l->next) {
        struct redwi_job *job = REDWI_OF(l, struct redwi_job, conn_link);
        enum redw_outcome outcome = redwi_conn_outcome(c, job);
        if (!job->error)
            job->error = redwi_err_again(c->priv->config.mem, why, outcome, doing(c, job, text, sizeof text));
    }
}

void redwi_conn_lost(struct redwi_conn *c, redw_error *why)
{
    const struct redwi_conn_config *config = &c->priv->config;
    redw_error *told = NULL;
    if (why) {
        char text[224];
        const char *how = doing(c, redwi_conn_job(c), text, sizeof text);
        told = redwi_err_again(config->mem, why, REDW_OUTCOME_NOT_SENT, how);
        fail_jobs(c, why);
    }
    shut(c, false);
    config->ops->closed(config->owner, c, told);
    redw_error_release(told);
    redw_error_release(why);
}

/* Callbacks of the loop. */

static void on_io(void *arg, unsigned events)
{
    struct redwi_conn *c = arg;
    enter(c);
    redwi_drive(c, events & REDW_READ ? REDWI_DRIVE_RECVS : 0);
    leave(c);
}

static void request_turn(struct redwi_conn *c)
{
    const struct redw_loop *loop = c->priv->config.loop;
    loop->turn_request(loop->ctx, c->priv->turn);
}

/* The next slice of a unit; it may turn out that it cannot be written. */
static void go_on_starting(struct redwi_conn *c)
{
    struct redwi_conn_private *p = c->priv;
    struct redwi_job *job = p->starting;
    if (!job || c->state != REDWI_CONN_BUSY)
        return;
    int code = job->ops->begin(job, c->session);
    if (code == REDWI_JOB_MORE) {
        request_turn(c);
        return;
    }
    if (code == 0) {
        p->starting = NULL;
        return;
    }
    const struct redwi_err_spec spec = {
        .code = code, .cls = REDW_CLASS_RESOURCE_BUSY, .outcome = REDW_OUTCOME_NOT_SENT};
    take_off(c, job);
    job->error = code == REDW_ENOMEM ? redwi_err_no_memory(REDW_OUTCOME_NOT_SENT)
                                     : redwi_err_make(p->config.mem, &spec, "send: the statement cannot be written");
    settle(c);
    p->config.ops->ended(p->config.owner, c, job);
}

static void on_turn(void *arg)
{
    struct redwi_conn *c = arg;
    enter(c);
    go_on_starting(c);
    redwi_drive(c, 0);
    leave(c);
}

static redw_error *timed_out(const struct redwi_conn *c)
{
    const struct redwi_conn_config *config = &c->priv->config;
    bool opening = c->state < REDWI_CONN_IDLE;
    const struct redwi_err_spec spec = {
        .code = REDW_ETIMEDOUT,
        .cls = opening ? REDW_CLASS_CONNECTION_FAILED : REDW_CLASS_QUERY_TIMEOUT,
        .outcome = REDW_OUTCOME_UNKNOWN,
        .origin = REDW_ORIGIN_LIBRARY,
    };
    if (opening)
        return redwi_err_make(config->mem, &spec, "timed out after %lld ms", elapsed_ms(c, c->priv->started_us));
    return redwi_err_make(config->mem, &spec,
                          "the server did not end the statement in time, so the connection was closed");
}

static void on_timer(void *arg)
{
    struct redwi_conn *c = arg;
    enter(c);
    c->priv->timed = false;
    redwi_conn_lost(c, timed_out(c));
    leave(c);
}

static void on_tick(void *arg)
{
    struct redwi_conn *c = arg;
    enter(c);
    c->priv->ticking = false;
    redwi_drive_look(c);
    leave(c);
}

static void on_dialled(void *arg, int fd, const struct redwi_address *peer, redw_error *why)
{
    struct redwi_conn *c = arg;
    struct redwi_conn_private *p = c->priv;
    enter(c);
    if (fd < 0) {
        redwi_conn_lost(c, why);
    } else {
        p->peer = *peer;
        redwi_transport_open(&p->transport, p->config.mem, p->sys, fd);
        redwi_dial_free(p->dial);
        p->dial = NULL;
        redwi_conn_set_state(c, p->config.tls ? REDWI_CONN_SECURING : REDWI_CONN_LOGIN);
        set_timer(c, p->config.deadline_us);
        if (redwi_session_start(c->session))
            redwi_drive_end(c, redwi_err_no_memory(REDW_OUTCOME_NOT_SENT));
        redwi_drive(c, 0);
    }
    leave(c);
}

static void on_open(void *arg)
{
    struct redwi_conn *c = arg;
    struct redwi_conn_private *p = c->priv;
    enter(c);
    errno = 0;
    int fd = p->config.ops->open(p->config.owner, c), error = errno;
    if (c->state == REDWI_CONN_CLOSED) { /* by the very call: what it brought has no owner any more */
        if (fd >= 0 && p->sys->adopt(p->sys->ctx, fd) == 0)
            p->sys->close(p->sys->ctx, fd);
    } else if (fd != REDW_OPEN_LATER) {
        redwi_dial_opened(p->dial, fd, error);
    }
    leave(c);
}

bool redwi_conn_opened(struct redwi_conn *c, int fd, int sys_errno)
{
    return c->state == REDWI_CONN_DIALING && redwi_dial_opened(c->priv->dial, fd, sys_errno);
}

/* Made and unmade. */

/* A side connection does as the session it is for, unless the settings say otherwise. */
static bool wants_tls(const struct redwi_conn_config *config)
{
    const struct redwi_settings *settings = config->settings;
    return settings->tls_mode != REDWI_TLS_DISABLE && !(config->cancels && settings->cancel_plain);
}

static struct redwi_conn *conn_new(const struct redwi_conn_config *config)
{
    const struct redw_loop *loop = config->loop;
    size_t total = 0;
    redwi_block_part(&total, sizeof(struct redwi_conn));
    size_t priv = redwi_block_part(&total, sizeof(struct redwi_conn_private));
    size_t io = redwi_block_part(&total, loop->io_bytes);
    size_t timer = redwi_block_part(&total, loop->timer_bytes);
    size_t turn = redwi_block_part(&total, loop->turn_bytes);
    size_t tick = redwi_block_part(&total, loop->timer_bytes);
    char *block = redwi_alloc_array(config->mem, 1, total);
    struct redwi_conn *c = (struct redwi_conn *)(void *)block;
    if (!c)
        return NULL;
    struct redwi_conn_private *p = c->priv = (struct redwi_conn_private *)(void *)(block + priv);
    redwi_list_init(&c->link);
    redwi_list_init(&c->cork_link);
    redwi_list_init(&c->jobs);
    p->config = *config;
    if (!wants_tls(config))
        p->config.tls = NULL;
    p->sys = config->env && config->env->sys ? config->env->sys : &redwi_sys_real;
    p->side = config->cancels != NULL;
    p->started_us = loop->now_us(loop->ctx);
    redwi_transport_open(&p->transport, config->mem, p->sys, -1);
    p->io = block + io;
    p->timer = block + timer;
    p->turn = block + turn;
    p->tick = block + tick;
    loop->io_init(loop->ctx, p->io, on_io, c);
    loop->timer_init(loop->ctx, p->timer, on_timer, c);
    loop->timer_init(loop->ctx, p->tick, on_tick, c);
    loop->turn_init(loop->ctx, p->turn, on_turn, c);
    return c;
}

static bool known_as_plain(const struct redwi_conn_config *config)
{
    return config->endpoint && config->endpoint->plain_names;
}

static void trace(void *ctx, const char *line, size_t n)
{
    const struct redwi_conn *c = ctx;
    const struct redwi_settings *settings = c->priv->config.settings;
    settings->trace(c->priv->config.number, line, n, settings->trace_ctx);
}

static int make_session(struct redwi_conn *c, struct redwi_session **out)
{
    const struct redwi_conn_private *p = c->priv;
    const struct redwi_settings *settings = p->config.settings;
    struct redwi_session_config sc = {
        .mem = p->config.mem,
        .buffers = p->config.buffers,
        .startup = {.user = settings->user,
                    .database = settings->database,
                    .application_name = settings->application_name,
                    .redshift = settings->redshift && !p->redialled && !known_as_plain(&p->config),
                    .os_version = settings->os_version,
                    .idp = settings->token ? &settings->idp : NULL},
        .password = settings->password,
        .token = settings->token,
        .methods = settings->methods,
        .methods_denied = settings->methods_denied,
        .binding = settings->binding,
        .tls = p->config.tls != NULL,
        .tls_direct = settings->tls_direct,
        .tls_verified = settings->tls_mode >= REDWI_TLS_VERIFY_CA,
        .entropy = p->sys->entropy,
        .entropy_ctx = p->sys->ctx,
        .trace = settings->trace ? trace : NULL,
        .trace_ctx = c,
        .trace_values = settings->trace_values,
    };
    if (p->side) {
        redwi_session_key(p->config.cancels->session, &sc.cancel_pid, &sc.cancel_key, &sc.cancel_key_len);
        if (!sc.cancel_key)
            return REDW_EINVAL;
    }
    return redwi_session_create(out, &sc);
}

static int start_dial(struct redwi_conn *c)
{
    struct redwi_conn_private *p = c->priv;
    const struct redwi_env *env = p->config.env;
    const struct redwi_dial_config dc = {
        .mem = p->config.mem,
        .loop = p->config.loop,
        .sys = p->sys,
        .names = env && env->names ? env->names : &redwi_names_cares,
        .host = p->config.settings->host,
        .port = p->config.settings->port,
        .address = p->side ? &p->config.cancels->priv->peer : p->redialled ? &p->peer : NULL,
        .tcp = p->config.settings->tcp,
        .deadline_us = p->config.deadline_us,
        .open = p->config.settings->open ? on_open : NULL,
        .done = on_dialled,
        .arg = c,
    };
    return redwi_dial_start(&p->dial, &dc);
}

void redwi_conn_redial(struct redwi_conn *c, redw_error *why)
{
    struct redwi_conn_private *p = c->priv;
    struct redwi_session *plain;
    redw_error_release(why);
    p->redialled = true;
    if (make_session(c, &plain)) {
        redwi_conn_lost(c, redwi_err_no_memory(REDW_OUTCOME_NOT_SENT));
        return;
    }
    redwi_drive_unwatch(c);
    redwi_conn_stop_timer(c);
    redwi_transport_close(&p->transport);
    redw_error_release(p->broken);
    p->broken = NULL;
    p->ended = p->heard = false;
    redwi_session_free(c->session);
    c->session = plain;
    redwi_conn_set_state(c, REDWI_CONN_DIALING);
    if (start_dial(c))
        redwi_conn_lost(c, redwi_err_no_memory(REDW_OUTCOME_NOT_SENT));
}

int redwi_conn_open(struct redwi_conn **out, const struct redwi_conn_config *config)
{
    /* Never in clear what was to be encrypted. */
    if (wants_tls(config) && !config->tls)
        return REDW_EINVAL;
    struct redwi_conn *c = conn_new(config);
    if (!c)
        return REDW_ENOMEM;
    int code = make_session(c, &c->session);
    if (!code)
        code = start_dial(c);
    if (code) {
        shut(c, false);
        redwi_conn_free(c);
        return code;
    }
    c->priv->config.cancels = NULL; /* all that was wanted of it is copied */
    *out = c;
    return 0;
}

int redwi_conn_start(struct redwi_conn *c, struct redwi_job *job)
{
    const struct redwi_conn_config *config = &c->priv->config;
    struct redwi_ahead *ahead = &c->priv->ahead;
    job->conn = c;
    job->went_on = false;
    int code = redwi_ahead_put(ahead, c->session, config->mem, c, job->query_group);
    if (!code && (code = job->ops->begin(job, c->session)) < 0)
        redwi_ahead_take_back(ahead, c->session, c);
    if (code < 0) {
        redwi_prepared_never_sent(&c->prepared, job);
        job->conn = NULL;
        return code;
    }
    if (code == REDWI_JOB_MORE) {
        c->priv->starting = job;
        request_turn(c);
    }
    redwi_list_append(&c->jobs, &job->conn_link);
    c->njobs++;
    redwi_conn_set_state(c, REDWI_CONN_BUSY);
    config->ops->corked(config->owner, c);
    return 0;
}

void redwi_conn_flush(struct redwi_conn *c)
{
    if (c->state == REDWI_CONN_DIALING || c->state == REDWI_CONN_CLOSED)
        return;
    redwi_drive_flush(c);
}

void redwi_conn_resume(struct redwi_conn *c)
{
    if (!c->paused)
        return;
    c->paused = false;
    c->priv->config.ops->corked(c->priv->config.owner, c);
}

bool redwi_conn_take_back(struct redwi_conn *c, struct redwi_job *job)
{
    bool starting = c->priv->starting == job;
    if (!starting && (job->went_on || !redwi_session_take_back(c->session, job)))
        return false;
    redwi_prepared_never_sent(&c->prepared, job);
    redwi_ahead_take_back(&c->priv->ahead, c->session, c);
    take_off(c, job);
    settle(c);
    return true;
}

void redwi_conn_abandon(struct redwi_conn *c, struct redwi_job *job)
{
    struct redwi_conn_private *p = c->priv;
    redwi_prepared_abandoned(&c->prepared, job);
    take_off(c, job);
    settle(c);
    redwi_drive_given_up(c);
    p->clean = job->ops->clean;
    if (p->in_rows)
        p->dropped = job;
    else
        redwi_session_discard(c->session, job);
    if (c->paused) {
        c->paused = false;
        p->config.loop->turn_request(p->config.loop->ctx, p->turn);
    }
}

void redwi_conn_limit(struct redwi_conn *c, int64_t deadline_us)
{
    if (c->state == REDWI_CONN_BUSY || c->state == REDWI_CONN_DRAINING)
        set_timer(c, deadline_us);
}

void redwi_conn_close(struct redwi_conn *c, bool politely)
{
    if (c->state == REDWI_CONN_CLOSED)
        return;
    while (redwi_conn_take_job(c))
        ;
    shut(c, politely);
}

void redwi_conn_free(struct redwi_conn *c)
{
    redwi_session_free(c->session);
    redwi_prepared_free(&c->prepared);
    redwi_heading_release(c->heading);
    redwi_free(c->priv->config.mem, c);
}
