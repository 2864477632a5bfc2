/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public client, seen from inside: the pool of connections, the jobs that wait, the jobs that are
 * done, and the dispatch that runs callbacks.
 *
 * Dispatch: every entry from the loop counts depth up and down (conn's enter and leave, timers, the
 * turn). At depth 1, on the way out, jobs that are done are detached and finished one by one, and then, if
 * anything changed, the steps are taken: waiting jobs given to idle connections, connections opened, corked
 * writes flushed; at depth 0 closed connections are freed and a deferred destroy runs. What changes outside any
 * entry is acted on in a turn asked of the loop, before it sleeps.
 * Change state first, act on it after: no callback runs in the middle of a change.
 */
#ifndef REDWI_POOL_CLIENT_H
#define REDWI_POOL_CLIENT_H

#include "pool/conn.h"
#include "pool/spares.h"
#include "wire/budget.h"
#include "wire/buffers.h"

/* What a connection is to the pool. Every change is one of the moves in dispatch.c. */
enum redwi_place {
    REDWI_AT_NONE = 0,
    REDWI_AT_OPENING, /* not logged in yet */
    REDWI_AT_IDLE,    /* may be given a job */
    REDWI_AT_BUSY,    /* has a job, drains an abandoned one, or waits for the end of its cancel */
    REDWI_AT_SIDE,    /* a side connection, to cancel; not one of the pool's */
    REDWI_AT_CLOSED,  /* to be freed when nothing is on the stack */
    REDWI_PLACES
};

struct redw_client {
    struct redw_allocator own;    /* the caller's, of this struct */
    struct redw_allocator mem;    /* of connections and of the client itself */
    struct redw_allocator work;   /* of requests and results: what a budget refuses first */
    struct redwi_budget *budget;  /* of both; NULL: none is set */
    struct redwi_spares spares;   /* of work: blocks for the next requests and results */
    struct redwi_buffers buffers; /* of connections that have nothing on its way */
    struct redw_loop loop;
    struct redwi_env env;
    struct redwi_settings settings;
    struct redwi_endpoint endpoint;
    struct redwi_tls_ctx *tls;

    struct redwi_link places[REDWI_PLACES]; /* connections by what they are to the pool */
    uint32_t counts[REDWI_PLACES];          /* OPENING + IDLE + BUSY <= pool_max */
    struct redwi_link corked;               /* connections with output, by cork_link */

    /* Jobs by rank, in order of submission. Strict: nothing of a lower rank is sent while something of a higher
     * one waits, and nothing overtakes within a rank, be it a stream that needs a connection for itself. So the
     * lower ones may starve; what bounds that is their own deadline, which counts while they wait. */
    struct redwi_link waiting[REDWI_RANKS];
    uint32_t nwaiting;
    struct redwi_link connects;   /* jobs that only wait for an open connection */
    struct redwi_link resuming;   /* ACTIVE jobs whose pause ends in the next turn */
    struct redwi_link done;       /* jobs to finish */

    /* Accepted jobs by id: lists by id_next, at least as many as there are jobs; nslots is a power of two. Ids are
     * a serial number, so none is ever used twice. */
    struct redwi_job **slots;
    uint32_t nslots;
    uint32_t njobs;               /* accepted and not finished: holds the loop while > 0 */
    redw_id next_id;

    struct redwi_link statements; /* handles that are alive, by redwi_statement.link */
    uint64_t nstatements;         /* handles ever made: their serials */
    uint64_t names_tag, nnames;   /* of prepared statements: this client's, and how many there were */
    uint64_t nopened;             /* connections ever begun, side connections too */

    unsigned depth;               /* entries from the loop and dispatches under way */
    bool steps_due;               /* something changed that the pool has to act on */
    bool turn_asked;              /* of the loop */
    bool flush_due;               /* inside steps that have their flush still before them */
    int64_t entry_us;             /* redwi_client_entry_us; 0: not read yet */
    bool held;                    /* loop.hold is in force */
    bool closing, closed_ran, destroying;
    int64_t drain_us;             /* when the drain is over; INT64_MAX: not set, or never */
    redw_closed_fn *closed_fn;
    void *closed_ctx;

    bool connect_failing;         /* the last attempt failed: one at a time from now on */
    uint32_t pace_ms;             /* the pause after the next failure, before chance shortens it */
    int64_t open_after_us;
    bool retrying;                /* the server refuses, or is not ready: waiting jobs live on until it is */
    redw_error *refusal;          /* retrying: the last attempt's failure, owned */
    uint32_t nattempts;           /* that failed since none was open; attempts that began together are one */
    int64_t failing_since_us, connect_until_us; /* of these attempts together */

    int64_t look_us;              /* when the deadline timer goes off: no later than any job is late; INT64_MAX: off */
    void *turn, *deadline_timer, *drain_timer, *pace_timer, *ask_timer; /* watchers, behind the struct in its allocation */
    int pid;                      /* of the process that made it: a fork's child may only destroy */
    struct redw_diag why;
};

/* redw_client_create_on with another system and other names: for tests. */
int redwi_client_create(redw_client **out, const struct redw_loop *loop, const struct redw_options *o,
                        const struct redwi_env *env, struct redw_diag *why);

/* Records a refusal for redw_client_why and returns its code. */
redw_id redwi_client_refuse(redw_client *c, int code, const char *fmt, ...) REDW_PRINTF(3, 4);

/* The refusal of what could not be allocated: REDW_EFULL if it was the budget, else REDW_ENOMEM. */
redw_id redwi_client_refuse_memory(redw_client *c);
/* Gives spare blocks back, after something was refused. True: there were some, it may be asked for again. */
bool redwi_client_spare_memory(redw_client *c);
/* A job for which something could not be allocated: the error of the same kind. */
redw_error *redwi_client_no_memory(redw_client *c, enum redw_outcome outcome);

/* The loop's time when it was first asked for in this entry, or since something was submitted: good for what need not
 * know how long callbacks took. */
static inline int64_t redwi_client_entry_us(redw_client *c)
{
    if (c->entry_us == 0)
        c->entry_us = c->loop.now_us(c->loop.ctx);
    return c->entry_us;
}

/* Bytes rounded up so that anything may follow. */
static inline size_t redwi_align(size_t bytes)
{
    return (bytes + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
}

/* NEW -> WAITING: reserves a slot, then commits; returns the id, or a refusal with nothing changed (the
 * job stays the caller's). ops, submitted_us and deadline_us must be set. */
redw_id redwi_client_accept(redw_client *c, struct redwi_job *j);
struct redwi_job *redwi_client_find(const redw_client *c, redw_id id); /* NULL: stale */
/* ACTIVE: the job's pause, or the one it is about to answer, ends in the next turn. */
void redwi_client_resume(redw_client *c, struct redwi_job *j);

#endif
