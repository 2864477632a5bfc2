/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public client, seen from inside: the pool of connections, the jobs that wait, the jobs that are
 * done, and the dispatch that runs callbacks.
 *
 * Dispatch: every entry from the loop counts depth up and down (conn's enter and leave, job timers, the
 * turn). At depth 1, on the way out, jobs that are done are detached and finished one by one; at depth 0
 * closed connections are freed and a deferred destroy runs. Once a turn, before the loop sleeps:
 * finish what is done, give waiting jobs to idle connections, open connections, flush corked writes.
 * Change state first, act on it after: no callback runs in the middle of a change.
 */
#ifndef REDWI_POOL_CLIENT_H
#define REDWI_POOL_CLIENT_H

#include "pool/conn.h"

struct redw_client {
    struct redw_allocator mem;
    struct redw_loop loop;
    struct redwi_env env;
    struct redwi_settings settings;
    struct redwi_tls_ctx *tls;

    struct redwi_link opening, idle, busy, closed, sides; /* connections by what they are to the pool */
    uint32_t nconns;              /* opening + idle + busy, draining ones included: <= pool_max */
    struct redwi_link corked;     /* connections with output, by cork_link */

    struct redwi_link waiting;    /* jobs, in order of submission */
    uint32_t nwaiting;
    struct redwi_link done;       /* jobs to finish */
    struct redwi_job **slots;     /* table of accepted jobs: id -> job */
    uint32_t nslots, free_slot;   /* free slots form a list, see client.c */
    uint32_t njobs;               /* accepted and not finished: holds the loop while > 0 */

    unsigned depth;               /* entries from the loop and dispatches under way */
    bool dispatching;             /* done jobs are being finished further up the stack */
    bool held;                    /* loop.hold is in force */
    bool closing, destroying;
    redw_closed_fn *closed_fn;
    void *closed_ctx;
    void *turn, *drain_timer;     /* watchers */
    uint64_t next_serial;
    int pid;                      /* of the process that made it: a fork's child may only destroy */
    struct redw_diag why;
};

/* redw_client_create_on with another system and other names: for tests. */
int redwi_client_create(redw_client **out, const struct redw_loop *loop, const struct redw_options *o,
                        const struct redwi_env *env, struct redw_diag *why);

/* Records a refusal for redw_client_why and returns its code. */
redw_id redwi_client_refuse(redw_client *c, int code, const char *fmt, ...) REDW_PRINTF(3, 4);

/* Bytes a job's owner must provide at job->timer, aligned as for any type. */
static inline size_t redwi_client_timer_bytes(const redw_client *c)
{
    return c->loop.timer_bytes;
}

/* NEW -> WAITING: reserves slot and timer, then commits; returns the id, or a refusal with nothing
 * changed (the job stays the caller's). deadline_us must be set. */
redw_id redwi_client_accept(redw_client *c, struct redwi_job *j);
struct redwi_job *redwi_client_find(const redw_client *c, redw_id id); /* NULL: stale */
void redwi_client_resume(redw_client *c, struct redwi_job *j);

#endif
