/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rooms of the client share: client.c (the public object, ids, close and destroy), dispatch.c
 * (entries from the loop, the turn, the pool's steps) and cancel.c (deadlines, cancel, forget).
 */
#ifndef REDWI_POOL_DISPATCH_H
#define REDWI_POOL_DISPATCH_H

#include "pool/client.h"

#define REDWI_PACE_MS_MIN 100  /* after a failed attempt */
#define REDWI_PACE_MS_MAX 5000

/* dispatch.c */

/* Around everything that comes from the loop. leave finishes done jobs and, when it is the outermost,
 * frees closed connections and runs a deferred destroy: *c may be gone when it returns. */
void redwi_pool_enter(redw_client *c);
void redwi_pool_leave(redw_client *c);

void redwi_pool_ask_for_turn(redw_client *c); /* for redwi_pool_want_turn() */

/* Something changed that the steps have to act on: at the end of this entry, or in a turn. */
static inline void redwi_pool_want_turn(redw_client *c)
{
    c->steps_due = true;
    if (c->depth == 0)
        redwi_pool_ask_for_turn(c);
}
/* Holds the loop, or lets it go, by what is outstanding. At the end of public functions; a no-op inside
 * callbacks, where leave does it. */
void redwi_pool_settle_hold(redw_client *c);

/* Closes a connection without a job and takes it out of the pool. */
void redwi_pool_close(redw_client *c, struct redwi_conn *conn, bool politely);
/* CLOSED, in no list, and no side connection to it under way: its memory. */
void redwi_pool_free(struct redwi_conn *conn);
/* Something on the connection has ended: it goes to where it now belongs. */
void redwi_pool_unit_ended(redw_client *c, struct redwi_conn *conn);
/* cancels NULL: one more for the pool; else a side connection that cancels what runs there. NULL: no
 * memory. */
struct redwi_conn *redwi_pool_open(redw_client *c, struct redwi_conn *cancels);

/* Any state but DONE -> DONE, off every connection already; `owned` counts unless j->error is set. */
void redwi_pool_end(redw_client *c, struct redwi_job *j, redw_error *owned);
redw_loop_fn redwi_pool_turn, redwi_pool_pace; /* arg: the client */

/* client.c */

/* Its id is stale from now on. */
void redwi_client_unlist(redw_client *c, const struct redwi_job *j);
/* Of a job that is done: runs its callback, or frees it if it was forgotten. */
static inline void redwi_pool_finish(redw_client *c, struct redwi_job *j)
{
    redwi_list_remove(&j->link);
    if (j->forgotten) {
        j->ops->drop(j);
        return;
    }
    redwi_client_unlist(c, j);
    j->ops->finish(j);
}
/* Destroy, with nothing on the stack. */
void redwi_client_end(redw_client *c);

/* cancel.c */

/* One timer looks after all deadlines: a request that is answered in time, as nearly all are, costs no call of the
 * loop for it (300 of a ping's 8,200 instructions). It may go off when nobody is late. */
void redwi_cancel_look_earlier(redw_client *c, int64_t us); /* for redwi_cancel_look_at() */
/* Somebody is late at us. */
static inline void redwi_cancel_look_at(redw_client *c, int64_t us)
{
    if (us < c->look_us)
        redwi_cancel_look_earlier(c, us);
}
redw_loop_fn redwi_cancel_deadlines; /* arg: the client, somebody of whose may be late */
redw_loop_fn redwi_cancel_drained;   /* arg: the client whose drain is over */
redw_error *redwi_cancel_late(redw_client *c, const struct redwi_job *j); /* a waiting job's deadline */

/* The job goes off its connection; the server is asked to stop once nothing there is wanted any more, and the
 * connection comes back when it is certain that the cancel is spent; or it is closed. */
void redwi_cancel_abandon(redw_client *c, struct redwi_job *j);
/* The connection is given up in part: asks the server to stop it if nothing on it is wanted any more. */
void redwi_cancel_look(redw_client *c, struct redwi_conn *conn);
/* The server has been asked to stop what runs on conn, and it still runs: asks again after a pause. */
void redwi_cancel_ask_later(redw_client *c, struct redwi_conn *conn);
redw_loop_fn redwi_cancel_ask_again; /* arg: the client, one of whose pauses is over */
/* The jobs that wait end, class CLOSED. */
void redwi_cancel_waiting(redw_client *c);
/* A cancelled job ended with its unit, or with its connection: what became of the cancel. */
void redwi_cancel_judge(const struct redwi_conn *conn, struct redwi_job *j, bool lost);
/* All jobs end, class CLOSED. */
void redwi_cancel_all(redw_client *c);

#endif
