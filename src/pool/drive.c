/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one wake-up of a connection does, in rounds: take events out of the session until it wants more
 * input, send what that left to send, read. So answers of the login leave before anything is waited for,
 * and reading goes on while bytes wait to be sent: two peers that both only send would block each other.
 *
 * What ends a wake-up: no more input, a pause, the bounds below (the rest in the next turn, or when the
 * socket reports again that it is readable), or the end of the connection. Every callback may close the
 * connection, abandon its job or resume it: after each the state is looked at afresh.
 */
#include "pool/drive.h"

/* Bytes parsed in one wake-up, about: one fast connection shall not hold up the others. */
#define PARSED_MAX ((size_t)256 << 10)
/* Iterations of key derivation per turn: a fraction of a millisecond. */
#define WORK_PER_TURN 1000

static redw_error *failure(const struct redwi_conn *c, int code, enum redw_origin origin, const char *what)
{
    const struct redwi_err_spec spec = {
        .code = code,
        .cls = REDW_CLASS_CONNECTION_FAILED,
        .outcome = REDW_OUTCOME_UNKNOWN,
        .origin = origin,
    };
    return redwi_err_make(c->priv->config.mem, &spec, "%s", what);
}

static void request_turn(struct redwi_conn *c)
{
    const struct redw_loop *loop = c->priv->config.loop;
    loop->turn_request(loop->ctx, c->priv->turn);
}

void redwi_drive_end(struct redwi_conn *c, redw_error *why)
{
    c->priv->ended = true;
    c->priv->heard = false;
    redwi_session_ended(c->session, why);
}

/* Events. */

static void start_tls(struct redwi_conn *c)
{
    const struct redwi_conn_config *config = &c->priv->config;
    const struct redwi_settings *settings = config->settings;
    const char *name = settings->tls_name ? settings->tls_name : settings->host;
    int64_t wall_us = config->loop->wall_us(config->loop->ctx);
    struct redw_diag why;
    int code = redwi_transport_secure(&c->priv->transport, config->tls, name, wall_us, &why);
    if (code == REDW_ENOMEM)
        redwi_drive_end(c, redwi_err_no_memory(REDW_OUTCOME_NOT_SENT));
    else if (code)
        redwi_drive_end(c, failure(c, code, REDW_ORIGIN_TLS, why.text));
}

static void logged_in(struct redwi_conn *c, char status)
{
    const struct redwi_conn_config *config = &c->priv->config;
    if (status != 'I') {
        redwi_conn_lost(c, failure(c, REDW_EPROTOCOL, REDW_ORIGIN_LIBRARY,
                                   "protocol: a transaction is open right after login"));
        return;
    }
    redwi_conn_stop_timer(c);
    if (c->priv->redialled && config->endpoint)
        config->endpoint->plain_names = true;
    redwi_conn_set_state(c, REDWI_CONN_IDLE);
    config->ops->ready(config->owner, c);
}

/* What stands for the oldest job when there is none is no unit's tag, for it lies inside the connection, whose own
 * address is one. */
_Static_assert(offsetof(struct redwi_conn, jobs) > offsetof(struct redwi_job, conn_link), "job_of() counts on it");

/* Whose event it is; NULL: nobody's any more. */
static inline struct redwi_job *job_of(const struct redwi_conn *c, const struct redwi_ev *ev)
{
    struct redwi_job *oldest = REDWI_OF(c->jobs.next, struct redwi_job, conn_link);
    return ev->unit == oldest ? oldest : NULL;
}

/* Of a unit that was sent ahead of a job's. */
static bool is_ahead(const struct redwi_conn *c, const struct redwi_ev *ev)
{
    return ev->unit == c;
}

/* Does what a callback of the job answered, unless it took its job away meanwhile. */
static inline void follow(struct redwi_conn *c, struct redwi_job *job, enum redwi_job_flow flow)
{
    const struct redwi_conn_config *config = &c->priv->config;
    if (flow == REDWI_JOB_GO || job->conn != c)
        return;
    if (flow == REDWI_JOB_PAUSE)
        c->paused = true;
    else
        config->ops->stopped(config->owner, c, job);
}

static void give_parameter_types(struct redwi_conn *c, const struct redwi_ev *ev)
{
    struct redwi_job *job = job_of(c, ev);
    if (job && job->ops->parameter_types)
        job->ops->parameter_types(job, ev->data, ev->len);
}

static void give_suspended(struct redwi_conn *c, const struct redwi_ev *ev)
{
    struct redwi_job *job = job_of(c, ev);
    if (job && job->ops->suspended)
        job->ops->suspended(job);
}

static void give_bound(struct redwi_conn *c, const struct redwi_ev *ev)
{
    struct redwi_job *job = job_of(c, ev);
    if (job && job->ops->bound)
        follow(c, job, job->ops->bound(job));
}

static void give_columns(struct redwi_conn *c, const struct redwi_ev *ev)
{
    struct redwi_job *job = job_of(c, ev);
    if (job)
        follow(c, job, job->ops->columns(job, ev->columns));
}

/* The session must hear how many rows were taken before it hears anything else, so what the callback did
 * to the connection is told to it afterwards. */
static void give_rows(struct redwi_conn *c, const struct redwi_ev *ev)
{
    struct redwi_conn_private *p = c->priv;
    struct redwi_job *job = job_of(c, ev);
    const uint8_t *taken = ev->data;
    bool corrupt = false;
    if (!job) {
        redwi_session_corrupt(c->session, "malformed value");
        return;
    }
    p->in_rows = true;
    enum redwi_job_flow flow = job->ops->rows(job, ev->data, ev->data + ev->len, &taken, &corrupt);
    p->in_rows = false;
    if (c->state == REDWI_CONN_CLOSED)
        return;
    bool stuck = taken == ev->data && flow == REDWI_JOB_GO && job->conn == c;
    if (corrupt || stuck) {
        redwi_session_corrupt(c->session, corrupt ? "malformed value" : "nobody takes the rows");
        return;
    }
    p->in_result |= job->long_rows && job->conn == c;
    redwi_session_rows_taken(c->session, taken);
    if (p->dropped) {
        redwi_session_discard(c->session, p->dropped);
        p->dropped = NULL;
    }
    follow(c, job, flow);
}

/* job: whose it is, or NULL. Runs user code. */
static void tell_notice(struct redwi_conn *c, struct redwi_job *job, redw_error *owned)
{
    const struct redwi_conn_config *config = &c->priv->config;
    redw_error *notice = job ? job->ops->notice(job, owned) : owned;
    config->ops->noticed(config->owner, job, notice);
    redw_error_release(notice);
}

/* A setting was refused; the statement behind it runs none the less, and hears of it as a notice. While
 * something here is given up, nobody knows whose it was. */
static void ahead_failed(struct redwi_conn *c, redw_error *owned)
{
    redwi_ahead_failed(&c->priv->ahead);
    tell_notice(c, c->given_up ? NULL : redwi_conn_job(c), owned);
}

static void give_error(struct redwi_conn *c, const struct redwi_ev *ev)
{
    struct redwi_job *job = job_of(c, ev);
    redwi_drive_result_ended(c);
    if (is_ahead(c, ev)) {
        ahead_failed(c, ev->error);
        return;
    }
    if (job && !job->error)
        job->error = ev->error;
    else
        redw_error_release(ev->error);
}

static void give_tag(struct redwi_conn *c, const struct redwi_ev *ev)
{
    struct redwi_job *job = job_of(c, ev);
    if (c->priv->in_result)
        redwi_drive_result_ended(c);
    if (!is_ahead(c, ev))
        redwi_ahead_saw(&c->priv->ahead, (const char *)ev->data, ev->len);
    if (job)
        job->ops->complete(job, (const char *)ev->data, ev->len);
}

/* False: more to do in the next turn. Meanwhile nothing is read: the server has nothing to say. */
static bool work(struct redwi_conn *c)
{
    c->priv->working = redwi_session_work(c->session, WORK_PER_TURN);
    if (c->priv->working)
        request_turn(c);
    return !c->priv->working;
}

static void fatal(struct redwi_conn *c, redw_error *why)
{
    if (redwi_session_names_refused(c->session))
        redwi_conn_redial(c, why);
    else
        redwi_conn_lost(c, why);
}

/* Is there a socket? There is none any more after a callback that closed, or when it is dialled again. */
static bool has_socket(const struct redwi_conn *c)
{
    return c->state > REDWI_CONN_DIALING && c->state < REDWI_CONN_CLOSED;
}

static void unit_ended(struct redwi_conn *c, const struct redwi_ev *ev)
{
    struct redwi_conn_private *p = c->priv;
    struct redwi_job *job = job_of(c, ev);
    if (!job && is_ahead(c, ev))
        redwi_ahead_ended(&p->ahead);
    else if (!job)
        redwi_ahead_doubt(&p->ahead);
    else if (p->answers++ == 0)
        p->asked_us = job->sent_us;
    redwi_conn_unit_ended(c, job, ev->status);
}

/* True: the session wants more input. */
static bool take_events(struct redwi_conn *c)
{
    struct redwi_ev ev;
    while (has_socket(c) && !c->paused) {
        switch (redwi_session_next(c->session, &ev)) {
        case REDWI_EV_NONE:
            c->priv->heard = true;
            return true;
        case REDWI_EV_START_TLS:
            start_tls(c);
            break;
        case REDWI_EV_WORK:
            if (!work(c))
                return false;
            break;
        case REDWI_EV_LOGGED_IN:
            logged_in(c, ev.status);
            break;
        case REDWI_EV_COLUMNS:
            give_columns(c, &ev);
            break;
        case REDWI_EV_PARAMETER_TYPES:
            give_parameter_types(c, &ev);
            break;
        case REDWI_EV_BOUND:
            give_bound(c, &ev);
            break;
        case REDWI_EV_SUSPENDED:
            give_suspended(c, &ev);
            break;
        case REDWI_EV_ROWS:
            give_rows(c, &ev);
            break;
        case REDWI_EV_COMPLETE:
            give_tag(c, &ev);
            break;
        case REDWI_EV_ERROR:
            give_error(c, &ev);
            break;
        case REDWI_EV_NOTICE:
            tell_notice(c, job_of(c, &ev), ev.error);
            break;
        case REDWI_EV_PARAMETER:
            break;
        case REDWI_EV_READY:
            unit_ended(c, &ev);
            break;
        case REDWI_EV_FATAL:
            fatal(c, ev.error);
            break;
        }
    }
    return false;
}

/* Output. */

static inline bool output_waits(const struct redwi_conn *c)
{
    const struct redwi_conn_private *p = c->priv;
    return redwi_transport_waits(&p->transport, c->session) && !p->broken && !p->ended;
}

/* False: the socket takes no more now. */
static bool send_out(struct redwi_conn *c)
{
    struct redwi_conn_private *p = c->priv;
    switch (redwi_transport_write(&p->transport, c->session, &p->broken)) {
    case REDWI_MOVED_WAIT:
        return false;
    case REDWI_MOVED_FAILED:
        p->transport.recvs = REDWI_DRIVE_RECVS; /* for the server's last words, which say more than EPIPE */
        return true;
    default:
        return true;
    }
}

/* Input. */

/* A side connection that has said all it had to say: whatever ends it now, it did its work. */
static bool side_is_done(const struct redwi_conn *c)
{
    return c->priv->side && c->state == REDWI_CONN_LOGIN && !c->priv->broken && !output_waits(c);
}

/* The server closed in the middle of TLS. */
static redw_error *was_cut(const struct redwi_conn *c)
{
    if (c->state != REDWI_CONN_SECURING)
        return failure(c, REDW_ECONNECT, REDW_ORIGIN_TLS,
                       "the connection was cut: the server did not end TLS properly");
    return failure(c, REDW_ECONNECT, REDW_ORIGIN_TLS,
                   c->priv->config.settings->tls_direct
                       ? "the server closed in the TLS handshake: does it know sslnegotiation=direct?"
                       : "the server closed in the TLS handshake");
}

/* Why the end of the stream is a failure; NULL: the session knows best. Servers do close idle
 * connections without close_notify; in the middle of anything it may be somebody in between who cut the
 * stream. */
static redw_error *end_reason(struct redwi_conn *c, bool cut)
{
    struct redwi_conn_private *p = c->priv;
    redw_error *why = p->broken;
    p->broken = NULL;
    if (why || c->state == REDWI_CONN_IDLE || side_is_done(c))
        return why;
    if (cut)
        return was_cut(c);
    if (p->side)
        return failure(c, REDW_ECONNECT, REDW_ORIGIN_LIBRARY, "the server closed before the cancel was sent");
    return NULL;
}

static void ended(struct redwi_conn *c, bool cut)
{
    redwi_drive_end(c, end_reason(c, cut));
}

static void broke(struct redwi_conn *c, redw_error *why)
{
    redw_error *first = c->priv->broken;
    c->priv->broken = NULL;
    if (!first && side_is_done(c)) {
        redw_error_release(why);
        why = NULL;
    } else if (first) {
        redw_error_release(why);
        why = first;
    }
    redwi_drive_end(c, why);
}

static void tls_is_up(struct redwi_conn *c)
{
    uint8_t end_point[64];
    size_t n = redwi_tls_end_point(c->priv->transport.tls, end_point);
    redwi_conn_set_state(c, REDWI_CONN_LOGIN);
    if (redwi_session_tls_started(c->session, end_point, n))
        redwi_drive_end(c, redwi_err_no_memory(REDW_OUTCOME_NOT_SENT));
}

static enum redwi_moved read_in(struct redwi_conn *c, redw_error **why)
{
    struct redwi_conn_private *p = c->priv;
    enum redwi_moved moved;
    if (!p->transport.tls || p->transport.secured) {
        moved = redwi_transport_read(&p->transport, c->session, why);
        p->lowat.reads += moved == REDWI_MOVED && p->in_result;
        return moved;
    }
    moved = redwi_transport_handshake(&p->transport, why);
    if (moved == REDWI_MOVED)
        tls_is_up(c);
    return moved;
}

/* Nothing came. After a failure to send that is the end: the server has no last words any more. */
static bool nothing_came(struct redwi_conn *c)
{
    if (!c->priv->broken)
        return false;
    ended(c, false);
    return true;
}

/* True: there is something new for take_events(). */
static bool fill(struct redwi_conn *c)
{
    struct redwi_conn_private *p = c->priv;
    redw_error *why = NULL;
    if (p->transport.came >= PARSED_MAX) {
        if (p->transport.more || p->broken)
            request_turn(c); /* of these the socket does not remind us */
        return false;
    }
    if (redwi_transport_has_read(&p->transport))
        return nothing_came(c);
    switch (read_in(c, &why)) {
    case REDWI_MOVED:
        return true;
    case REDWI_MOVED_WAIT:
        return nothing_came(c);
    case REDWI_MOVED_END:
        ended(c, false);
        return true;
    case REDWI_MOVED_CUT:
        ended(c, true);
        return true;
    case REDWI_MOVED_FAILED:
        break;
    }
    broke(c, why);
    return true;
}

/* A look is put off only by what was read: whoever submits again and again does not put it off. */
static void tick(struct redwi_conn_private *p, bool on)
{
    const struct redw_loop *loop = p->config.loop;
    if (on && p->ticking && !p->transport.came)
        return;
    if (on)
        loop->timer_set(loop->ctx, p->tick, loop->now_us(loop->ctx) + REDWI_LOWAT_WAIT_US);
    else if (p->ticking)
        loop->timer_stop(loop->ctx, p->tick);
    p->ticking = on;
}

static inline void watch_for(struct redwi_conn_private *p, unsigned events)
{
    const struct redw_loop *loop = p->config.loop;
    if (events == p->watched)
        return;
    loop->io_set(loop->ctx, p->io, p->transport.fd, events);
    p->watched = events;
}

/* A mark that cannot be lowered would hide short answers: the connection serves the jobs on it and no other. */
static void lowered(struct redwi_conn *c, bool is_down)
{
    c->spoiled |= !is_down;
}

static void lower_mark(struct redwi_conn *c)
{
    struct redwi_conn_private *p = c->priv;
    lowered(c, redwi_lowat_lower(&p->lowat, p->sys, p->transport.fd));
    if (!p->lowat.mark)
        tick(p, false);
}

/* May the socket wait for a portion? */
static bool may_wait(const struct redwi_conn_private *p)
{
    return !p->transport.tls && (p->peer.family == AF_INET || p->peer.family == AF_INET6);
}

/* What the socket waits for. Of what is given up nothing is expected in a hurry, nor in portions. */
static void settle_mark(struct redwi_conn *c)
{
    struct redwi_conn_private *p = c->priv;
    unsigned left = c->given_up ? 0 : c->njobs;
    const struct redw_loop *loop = p->config.loop;
    if (p->transport.came && p->answers + left >= REDWI_LOWAT_UNITS) {
        int64_t took_us = p->answers ? loop->now_us(loop->ctx) - p->asked_us : 0;
        redwi_lowat_heard(&p->lowat, p->transport.came, p->answers, left, took_us);
    }
    lowered(c, redwi_lowat_settle(&p->lowat, p->sys, p->transport.fd, p->in_result, left));
    tick(p, p->lowat.mark && (p->watched & REDW_READ));
}

/* The mark is up for a result, or has earned to be. */
static bool waits_for_rows(const struct redwi_conn_private *p)
{
    return p->in_result && p->lowat.reads >= REDWI_LOWAT_READS;
}

/* Is there anything to be said about the mark? Each wake-up asks, a ping's too: hence no branches. */
static bool has_mark(const struct redwi_conn *c)
{
    const struct redwi_conn_private *p = c->priv;
    const struct redwi_lowat *l = &p->lowat;
    bool pipeline = p->answers + c->njobs >= REDWI_LOWAT_UNITS;
    return ((unsigned)l->mark | l->few | p->in_result | pipeline) && may_wait(p);
}

/* Who has heard all is neither paused, nor working, nor at the end. */
static inline void watch(struct redwi_conn *c, bool output)
{
    struct redwi_conn_private *p = c->priv;
    bool reads = p->heard || !(p->ended || c->paused || p->working);
    watch_for(p, (reads ? REDW_READ : 0u) | (output ? REDW_WRITE : 0u));
}

void redwi_drive_unwatch(struct redwi_conn *c)
{
    watch_for(c->priv, 0);
    tick(c->priv, false);
}

void redwi_drive_result_ended(struct redwi_conn *c)
{
    struct redwi_conn_private *p = c->priv;
    if (waits_for_rows(p))
        lower_mark(c);
    p->lowat.reads = 0;
    p->in_result = false;
}

void redwi_drive_given_up(struct redwi_conn *c)
{
    redwi_drive_result_ended(c);
    lower_mark(c);
}

/* A wake-up that took longer than the wait may come here with more than the mark: then all is well. So it is with
 * some answers of a pipeline: settle_mark has judged them. */
void redwi_drive_look(struct redwi_conn *c)
{
    struct redwi_conn_private *p = c->priv;
    redwi_drive(c, REDWI_DRIVE_RECVS);
    if (!has_socket(c) || !p->lowat.mark || p->transport.came >= (waits_for_rows(p) ? REDWI_LOWAT_BYTES : 1))
        return;
    lower_mark(c);
}

void redwi_drive(struct redwi_conn *c, unsigned recvs)
{
    struct redwi_conn_private *p = c->priv;
    bool sent, more;
    if (!has_socket(c))
        return;
    p->transport.came = 0;
    p->answers = 0;
    redwi_transport_wake(&p->transport, recvs);
    do {
        more = p->heard || take_events(c);
        if (!has_socket(c))
            return;
        sent = !output_waits(c) || send_out(c);
        more = more && fill(c);
        p->heard &= !more;
        /* Reading may leave something to send although it brought nothing: answers of TLS itself. */
    } while (more || (p->transport.tls && sent && output_waits(c)));
    watch(c, !sent);
    if (has_mark(c))
        settle_mark(c);
}

void redwi_drive_flush(struct redwi_conn *c)
{
    struct redwi_conn_private *p = c->priv;
    if (!p->heard || p->transport.tls) {
        redwi_drive(c, 0);
        return;
    }
    redwi_transport_wake(&p->transport, 0);
    bool sent = p->broken || send_out(c);
    if (p->broken)
        redwi_drive(c, REDWI_DRIVE_RECVS);
    else
        watch_for(p, sent ? REDW_READ : REDW_READ | REDW_WRITE); /* as it has heard all */
}
