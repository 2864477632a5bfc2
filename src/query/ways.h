/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams by cursor and by portal: jobs of several units, alone on their connection, in a transaction of their
 * own. What both have in common is in ways.c: the walk from unit to unit, what becomes of an error, one set of
 * columns, one tag. What each sends is in cursor.c and portal.c. (By rows: stream.c, one unit.)
 *
 *   DESCRIBE -> BEGIN -> DECLARE -> BATCH <-> BATCH -> COMMIT     cursor
 *               BEGIN ------------> BATCH <-> BATCH -> COMMIT     portal
 *                                     any -> CLOSE, ROLLBACK -> done, or BEGIN once more, or ROWS
 *
 * A batch is asked for when the last one has ended, which it does only when all of its rows were taken: so a
 * pause asks for nothing. Facts: protocol 6.1.
 */
#ifndef REDWI_QUERY_WAYS_H
#define REDWI_QUERY_WAYS_H

#include "pool/job.h"
#include <redw/stream.h>

#define REDWI_FETCH_ROWS     1000u /* a Redshift of one node allows no more (protocol 6.1) */
#define REDWI_FETCH_ROWS_MIN 2u    /* with 1 it was seen to break the portal */
#define REDWI_FETCH_ROWS_MAX 100000u

struct redwi_columns;
struct redwi_request;

/* Which unit is answered. Units that leave in one flight follow each other here. */
enum redwi_step {
    REDWI_STEP_DESCRIBE = 0, /* cursor: the caller's text alone, which proves that it is one statement */
    REDWI_STEP_BEGIN,
    REDWI_STEP_DECLARE,      /* cursor */
    REDWI_STEP_BATCH,
    REDWI_STEP_COMMIT,
    REDWI_STEP_CLOSE,        /* portal: nothing else may come while it is suspended */
    REDWI_STEP_ROLLBACK,
    REDWI_STEP_ROWS,         /* the plain way after all */
};

/* What follows the ROLLBACK. */
enum redwi_plan { REDWI_PLAN_FAIL = 0, REDWI_PLAN_AGAIN, REDWI_PLAN_ROWS };

struct redwi_walk {
    enum redwi_step step, failed_at; /* failed_at: when job.error is set */
    enum redwi_plan plan;
    uint32_t fetch_rows;
    uint64_t taken;   /* rows of the batches before this one */
    bool described;   /* on_columns has run, or would have */
    bool fetched;     /* a batch described its columns: their format is known */
    bool failed;
    bool suspended;   /* portal: there may be more */
};

/* How a way differs; codes as of ops->begin. */
struct redwi_way {
    int (*open)(struct redwi_request *r, struct redwi_session *s);  /* BEGIN and what leaves with it */
    int (*first)(struct redwi_request *r, struct redwi_session *s); /* the first batch; NULL: it left with BEGIN */
    int (*fetch)(struct redwi_request *r, struct redwi_session *s); /* one more */
    bool (*has_more)(const struct redwi_request *r);
    bool (*refused)(const struct redwi_request *r); /* by job.error the way, not the statement */
    int (*clean)(struct redwi_session *s, void *tag, char status);
    const char *end; /* of a transaction that went well */
};

/* ways.c */

/* Why a request cannot go its way; NULL: it can. */
const char *redwi_way_fault(const struct redw_request *rq, bool streamed);
void redwi_way_init(struct redwi_request *r, enum redw_way way, uint32_t fetch_rows);
/* ops->next: the walk. */
bool redwi_way_next(struct redwi_request *r, const struct redwi_way *way, char status);
/* One of this library's own texts as a simple Query; tag: whose unit. */
int redwi_way_say(struct redwi_session *s, void *tag, const char *sql);
/* Is job.error the server's, with this SQLSTATE, or with this in its message? */
bool redwi_way_is_state(const struct redwi_request *r, const char *sqlstate);
bool redwi_way_says(const struct redwi_request *r, const char *words);

/* Job ops of both ways. */
enum redwi_job_flow redwi_way_columns(struct redwi_job *j, const struct redwi_columns *columns);
enum redwi_job_flow redwi_way_rows(struct redwi_job *j, const uint8_t *p, const uint8_t *end, const uint8_t **taken,
                                   bool *corrupt);
void redwi_way_complete(struct redwi_job *j, const char *tag, size_t len);
void redwi_way_suspended(struct redwi_job *j);

/* cursor.c */
int redwi_cursor_begin(struct redwi_job *j, struct redwi_session *s);
bool redwi_cursor_next(struct redwi_job *j, char status);
int redwi_cursor_clean(struct redwi_session *s, void *tag, char status);

/* portal.c */
int redwi_portal_begin(struct redwi_job *j, struct redwi_session *s);
bool redwi_portal_next(struct redwi_job *j, char status);
int redwi_portal_clean(struct redwi_session *s, void *tag, char status);

#endif
