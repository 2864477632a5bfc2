/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection: addresses tried in turn inside one deadline, the socket, the TLS filter, the session,
 * and the jobs that are on it: one, or several whose units are in flight behind each other.
 *
 *   DIALING -> SECURING -> LOGIN -> IDLE <-> BUSY        (any) -> CLOSED
 *                                     BUSY -> DRAINING -> IDLE
 *
 * LOGIN goes back to DIALING once if the server did not take Redshift's startup names: the same address, the
 * same deadline, without them.
 *
 * BUSY: there is a job. DRAINING: the last one was taken away (redwi_conn_abandon); its answers are read and
 * dropped. All changes go through set_state in conn.c. A connection whose unit ended with a transaction open is closed: the
 * server rolls back, and nothing of it reaches the next job.
 *
 * Every entry from the loop is bracketed by ops->enter and ops->leave; in between nothing is freed, so a
 * connection closed by a callback of its own is only marked (redwi_conn_close) and freed by its owner
 * after leave (redwi_conn_free).
 *
 * The same object, given a cancel key, is a side connection: it connects by the same TLS policy, sends
 * CancelRequest, waits for the server to close, and reports closed with error NULL.
 */
#ifndef REDWI_POOL_CONN_H
#define REDWI_POOL_CONN_H

#include "data/heading.h"
#include "pool/job.h"
#include "pool/names.h"
#include "pool/options.h"
#include "pool/prepared.h"
#include "pool/sys.h"

enum redwi_conn_state {
    REDWI_CONN_DIALING = 0, /* name look-up, TCP */
    REDWI_CONN_SECURING,    /* SSLRequest and TLS handshake */
    REDWI_CONN_LOGIN,       /* StartupMessage to first ReadyForQuery; cancel: until the server closes */
    REDWI_CONN_IDLE,
    REDWI_CONN_BUSY,
    REDWI_CONN_DRAINING,
    REDWI_CONN_CLOSED,
};
const char *redwi_conn_state_name(enum redwi_conn_state s);

/* What tests replace; NULL members are the real ones. */
struct redwi_env {
    const struct redwi_sys *sys;
    const struct redwi_names *names;
};

/* What was learnt about a server, for all connections to it. */
struct redwi_endpoint {
    bool plain_names; /* it let us in only without Redshift's startup names */
};

struct redwi_conn_ops {
    void (*enter)(void *owner);
    void (*leave)(void *owner);
    /* Logged in: IDLE from now on. */
    void (*ready)(void *owner, struct redwi_conn *c);
    /* A unit ended, and with it its job, which is now off the connection, j->error set if it failed; NULL if
     * it had been taken away before. c->state tells what became of the connection: IDLE again, BUSY or DRAINING
     * with what is behind, or CLOSED because a transaction was left open; `closed` is then not called. */
    void (*ended)(void *owner, struct redwi_conn *c, struct redwi_job *job);
    /* A row callback answered STOP: the job is still on the connection. The owner completes it and calls
     * redwi_conn_abandon. */
    void (*stopped)(void *owner, struct redwi_conn *c, struct redwi_job *job);
    /* CLOSED by itself: why is lent (NULL: a side connection that did its work). The jobs on it have their
     * error set, each with its own outcome; the owner takes them off (redwi_conn_take_job). */
    void (*closed)(void *owner, struct redwi_conn *c, const redw_error *why);
    /* A notice came, lent; job: whose, or NULL. Runs user code. */
    void (*noticed)(void *owner, struct redwi_job *job, const redw_error *notice);
    /* settings->open is set: asks for a socket, as it does. */
    int (*open)(void *owner, struct redwi_conn *c);
    /* Output waits: call redwi_conn_flush before the loop sleeps. */
    void (*corked)(void *owner, struct redwi_conn *c);
};

struct redwi_conn_config {
    const struct redw_allocator *mem;
    struct redwi_buffers *buffers;    /* shared with the owner's other connections; NULL: none are */
    const struct redw_loop *loop;
    const struct redwi_env *env;
    const struct redwi_settings *settings;
    struct redwi_endpoint *endpoint;  /* NULL: nothing is known, nothing kept */
    struct redwi_tls_ctx *tls;        /* NULL: no TLS */
    const struct redwi_conn_ops *ops;
    void *owner;
    uint64_t number;                  /* which connection of its owner this is, from 1: for the trace */
    int64_t deadline_us;              /* for all of DIALING to LOGIN */
    const struct redwi_conn *cancels; /* a side connection: dial this one's address with its key */
};

struct redwi_conn {
    /* For the owner: lists and links of the pool. conn.c does not touch them, but for spoiled. */
    struct redwi_link link, cork_link;
    int place;                        /* which of the owner's lists it is in: enum redwi_place */
    bool corked;                      /* in the owner's list of connections to flush */
    bool spoiled;                     /* a cancel may still hit it late, or its socket cannot be trusted any more:
                                         close when its unit has ended */
    bool given_up;                    /* something on it is to be stopped: it is sent nothing new until idle */
    bool told;                        /* the server was told to stop its unit, once at least */
    redw_error *refused;              /* why the server could not be told; owned. NULL: nothing failed */
    struct redwi_conn *cancel;        /* side connection under way for this one; NULL: none */
    struct redwi_conn *cancels;       /* the other way round */
    redw_id opening;                  /* what redw_open_done names it by; 0: none */
    int64_t ask_again_us;             /* when the server is asked again to stop the unit; 0: not set */
    int64_t cancel_until_us;          /* until when a cancel may take */
    uint32_t ask_pause_ms;            /* the pause after the next asking; 0: nobody asked yet */

    /* To read by the owner. */
    enum redwi_conn_state state;
    struct redwi_link jobs;           /* BUSY: in the order of their units, by conn_link */
    unsigned njobs;
    struct redwi_session *session;
    struct redwi_prepared prepared;   /* the statements prepared there; its users are jobs */
    bool paused;                      /* a row callback answered PAUSE */
    struct redwi_heading *heading;    /* the last one that came, for the results behind it: the query floor's */

    struct redwi_conn_private *priv;  /* socket, watchers, filter: conn.c's own */
};

/* Starts connecting; the outcome comes by ops->ready or ops->closed, from the loop, never from inside
 * this call. 0; or, with nothing started, REDW_ENOMEM, or REDW_EINVAL: the server sent no key to cancel
 * with, or the settings ask for TLS and config->tls is NULL. */
int redwi_conn_open(struct redwi_conn **out, const struct redwi_conn_config *config);

/* The answer to ops->open that came later. False: nobody waits for it. */
bool redwi_conn_opened(struct redwi_conn *c, int fd, int sys_errno);

/* IDLE, or BUSY to queue behind what is there: the job writes its unit and is on the connection; it goes
 * out by redwi_conn_flush. 0, or the code begin returned: nothing has changed. */
int redwi_conn_start(struct redwi_conn *c, struct redwi_job *job);

/* Sends what waits, as far as the socket takes it; the rest goes when it is writable. May end in
 * ops->closed. Only between enter and leave. */
void redwi_conn_flush(struct redwi_conn *c);

/* What is known of a job on it. */
enum redw_outcome redwi_conn_outcome(const struct redwi_conn *c, const struct redwi_job *job);

/* Ends a pause; rows come from the loop (redwi_conn_flush is asked for by ops->corked and continues the
 * reading), never from inside this call. */
void redwi_conn_resume(struct redwi_conn *c);

/* The oldest job on it; NULL: none. */
static inline struct redwi_job *redwi_conn_job(const struct redwi_conn *c)
{
    return c->njobs ? REDWI_OF(c->jobs.next, struct redwi_job, conn_link) : NULL;
}

/* The newest; there must be one. */
static inline struct redwi_job *redwi_conn_last_job(const struct redwi_conn *c)
{
    return REDWI_OF(c->jobs.prev, struct redwi_job, conn_link);
}

/* Takes the oldest job off, for an owner that closes the connection; NULL: there is none. */
struct redwi_job *redwi_conn_take_job(struct redwi_conn *c);

/* Takes a job off whose unit is the last one written, and of which nothing was sent: it never will be.
 * False: it was, or others are behind it. What was sent ahead of it for its sake may be under way: DRAINING. */
bool redwi_conn_take_back(struct redwi_conn *c, struct redwi_job *job);

/* Takes a job off; its answers are dropped. From inside ops or job callbacks too. */
void redwi_conn_abandon(struct redwi_conn *c, struct redwi_job *job);

/* BUSY, DRAINING: closed by itself (ETIMEDOUT, outcome unknown) if not everything has ended at deadline_us. */
void redwi_conn_limit(struct redwi_conn *c, int64_t deadline_us);

/* CLOSED now: watchers stopped, descriptor closed, Terminate and close_notify sent first as far as the
 * socket takes them at once if `politely`. No ops are called; there is no job on it any more. */
void redwi_conn_close(struct redwi_conn *c, bool politely);
/* CLOSED only, not between enter and leave. */
void redwi_conn_free(struct redwi_conn *c);

#endif
