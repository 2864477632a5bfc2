/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one interface through which the pool calls upward: a job is what waits for a connection, writes a
 * unit to its session and takes its answers. Requests (query floor) are jobs.
 *
 * Life: WAITING (client's queue) -> ACTIVE (on a connection) -> DONE (client's done list) -> finish() or
 * drop(). Every edge is a function of pool/client.h; finish is called from one place, with the job in
 * no list and no table.
 */
#ifndef REDWI_POOL_JOB_H
#define REDWI_POOL_JOB_H

#include "pool/list.h"
#include "wire/session.h"
#include <redw/client.h>
#include <redw/request.h>

struct redwi_job;
struct redwi_conn;

enum redwi_job_flow {
    REDWI_JOB_GO = 0,
    REDWI_JOB_PAUSE, /* no more rows until redwi_client_resume */
    REDWI_JOB_STOP,  /* enough: job->error is set; cancel on the server, end now */
};

#define REDWI_JOB_MORE 1

struct redwi_job_ops {
    /* Writes the unit (redwi_session_unit_begin .. unit_end with the job as tag); j->conn is set. 0, or a
     * code with nothing written: the job then fails with it, NOT_SENT. Of an exclusive job also REDWI_JOB_MORE:
     * the unit is begun and not ended, and begin is called again in the next turn. */
    int (*begin)(struct redwi_job *j, struct redwi_session *s);
    /* The job's unit has ended; status: the transaction's (I, T or E); j->error: what failed. True: another
     * one was written, or is under way already, and the job stays where it is. NULL: jobs of one unit. No
     * user code may run. */
    bool (*next)(struct redwi_job *j, char status);
    /* Writes the units that end the transaction such a job had begun (status: T or E), when it was taken off its
     * connection in the middle and may be gone: all of them with `tag`. 0, or a code with nothing written.
     * NULL: jobs that begin none. */
    int (*clean)(struct redwi_session *s, void *tag, char status);
    /* A ParameterDescription came: n = len / 4 big-endian OIDs. NULL: never asked for. */
    void (*parameter_types)(struct redwi_job *j, const uint8_t *oids, size_t len);
    /* A RowDescription came, or NoData for a statement (no columns). */
    enum redwi_job_flow (*columns)(struct redwi_job *j, const struct redwi_columns *columns);
    /* BindComplete came, in a unit that asked for it to be told. NULL: none does. */
    enum redwi_job_flow (*bound)(struct redwi_job *j);
    /* Rows from p on; *taken: how far they were taken. *corrupt: a malformed row was met. Runs user code:
     * anything may have happened to job, connection and client when it returns, but for being freed. */
    enum redwi_job_flow (*rows)(struct redwi_job *j, const uint8_t *p, const uint8_t *end,
                                const uint8_t **taken, bool *corrupt);
    void (*complete)(struct redwi_job *j, const char *tag, size_t len);
    /* The limit of an Execute was met. NULL: none has one. */
    void (*suspended)(struct redwi_job *j);
    /* A notice of the job. Returns it for others to see, owned again; the job keeps a reference if it likes. */
    redw_error *(*notice)(struct redwi_job *j, redw_error *owned);
    /* The final callback; j->error tells (NULL: success). Frees the job. */
    void (*finish)(struct redwi_job *j);
    /* Frees the job without its callback (forget, or a client destroyed in a fork's child). */
    void (*drop)(struct redwi_job *j);
};

enum redwi_job_state { REDWI_JOB_NEW = 0, REDWI_JOB_WAITING, REDWI_JOB_ACTIVE, REDWI_JOB_DONE };

#define REDWI_RANKS 4u /* of priority */

struct redwi_job {
    const struct redwi_job_ops *ops;
    redw_client *client;
    struct redwi_conn *conn;      /* ACTIVE only */
    struct redwi_link link;       /* WAITING: in a waiting list; ACTIVE: resuming, or none; DONE: done list */
    struct redwi_link conn_link;  /* ACTIVE: among the jobs of its connection */
    redw_id id;
    struct redwi_job *id_next;    /* in the client's table of ids */
    enum redwi_job_state state;
    bool cancelled;               /* redw_cancel was called */
    enum redw_cancel_verdict verdict; /* what became of that */
    bool forgotten;               /* redw_forget was called: drop, not finish */
    bool connects_only;           /* redw_client_ready: done when a connection is open */
    bool resumable;               /* a stream: redw_resume is for it */
    bool exclusive;               /* nothing else is sent on its connection while it is there */
    unsigned rank;                /* WAITING: in which list, 0 is served first; below REDWI_RANKS */
    const char *query_group;      /* Redshift: what the connection is to have while the unit runs, "" none; NULL
                                     is "". The job's owner keeps it */
    bool long_rows;               /* its rows may well be many: they are waited for in larger portions */
    bool went_on;                 /* ACTIVE: its first unit has ended, so it is not unsent any more */
    int64_t submitted_us, deadline_us; /* deadline_us INT64_MAX: none */
    int64_t sent_us;              /* ACTIVE: when it was given to its connection, by whom this is set */
    int64_t acquire_us;           /* WAITING no longer than this; INT64_MAX: only by deadline_us */
    redw_error *error;            /* why it failed; owned */
};

/* When a job that waits for a connection gives up. */
static inline int64_t redwi_job_wait_until(const struct redwi_job *j)
{
    return j->acquire_us < j->deadline_us ? j->acquire_us : j->deadline_us;
}

/* When it is late, where it is now. */
static inline int64_t redwi_job_late_at(const struct redwi_job *j)
{
    return j->state == REDWI_JOB_ACTIVE ? j->deadline_us : redwi_job_wait_until(j);
}

#endif
