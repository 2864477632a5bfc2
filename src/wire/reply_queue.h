/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was sent and which answers are due: one entry per unit, oldest first, in a ring. The answers of a
 * unit come in a fixed order (PostgreSQL documentation, "Extended Query"), so an entry is no more than
 * the one thing that is due next.
 *
 *   CLOSE -> PARSE -> PARAMETERS -> COLUMNS -> BIND -> DESCRIBE -> EXECUTE or ROWS -> SYNC
 *                                                               |  COPY_IN, COPY_OUT
 *   QUERY <-> QUERY_ROWS           a simple Query                   (any) -> FAILED
 *
 * What was not sent is skipped over. A unit of many statements starts over after each but the last.
 * Pushing cannot fail after redwi_reply_queue_reserve().
 */
#ifndef REDWI_WIRE_REPLY_QUEUE_H
#define REDWI_WIRE_REPLY_QUEUE_H

#include "wire/session.h"

enum redwi_due {
    REDWI_DUE_NOTHING = 0, /* no unit is queued */
    REDWI_DUE_CLOSE,       /* CloseComplete */
    REDWI_DUE_PARSE,       /* ParseComplete */
    REDWI_DUE_PARAMETERS,  /* ParameterDescription */
    REDWI_DUE_COLUMNS,     /* RowDescription or NoData, of a statement */
    REDWI_DUE_BIND,        /* BindComplete */
    REDWI_DUE_DESCRIBE,    /* RowDescription or NoData, of a portal */
    REDWI_DUE_EXECUTE,     /* CommandComplete or EmptyQueryResponse; no columns, so no rows */
    REDWI_DUE_ROWS,        /* DataRow any number of times, CommandComplete or PortalSuspended */
    REDWI_DUE_QUERY,       /* of a Query: RowDescription, CommandComplete, ..., ReadyForQuery */
    REDWI_DUE_QUERY_ROWS,  /* of a Query: DataRow any number of times, CommandComplete */
    REDWI_DUE_COPY_IN,     /* CopyFail was sent: the ErrorResponse to it */
    REDWI_DUE_COPY_OUT,    /* its error was reported; CopyData, CopyDone, CommandComplete are dropped */
    REDWI_DUE_SYNC,        /* all was answered: ReadyForQuery, or an ErrorResponse from the commit */
    REDWI_DUE_FAILED,      /* its error was reported: ReadyForQuery */
};

struct redwi_reply {
    void *tag;                  /* whose unit; NULL: discarded */
    uint64_t at, end;           /* where in all that was ever put out it stands */
    enum redw_outcome on_error; /* what an ErrorResponse proves */
    enum redwi_due due;
    unsigned sent;              /* REDWI_SENT_*, of the statement that is answered now */
    unsigned again;             /* the same of each of... */
    size_t more;                /* ...the statements behind it */
};

struct redwi_reply_queue {
    const struct redw_allocator *mem;
    struct redwi_reply *ring;
    struct redwi_reply *front; /* the oldest, while there is one */
    size_t cap, head, count; /* cap: 0 or a power of two */
};

void redwi_reply_queue_init(struct redwi_reply_queue *q, const struct redw_allocator *mem);
void redwi_reply_queue_free(struct redwi_reply_queue *q);

bool redwi_reply_queue_grow(struct redwi_reply_queue *q); /* for redwi_reply_queue_reserve() */

/* Room for one more entry; false: no memory. */
static inline bool redwi_reply_queue_reserve(struct redwi_reply_queue *q)
{
    return q->count < q->cap || redwi_reply_queue_grow(q);
}

/* The answer that was due has come: the next one the unit asks for. What is asked for is a bit at the
 * answer's own place (wire/session.h): a loop over their order took 167 instructions for the five steps
 * of a request, this takes 55. */
static inline void redwi_reply_step(struct redwi_reply *r)
{
    const unsigned answered = REDWI_SENT_CLOSE | REDWI_SENT_PARSE | REDWI_SENT_DESCRIBE_STATEMENT |
                              REDWI_SENT_BIND | REDWI_SENT_DESCRIBE | REDWI_SENT_EXECUTE | REDWI_SENT_QUERY;
    unsigned left = ((r->sent & answered) | 1u << REDWI_DUE_SYNC) >> r->due >> 1;
    r->due += 1 + (unsigned)__builtin_ctz(left);
    if (r->due == REDWI_DUE_EXECUTE && (r->sent & REDWI_SENT_COLUMNS))
        r->due = REDWI_DUE_ROWS;
}

/* One more, the newest, to be filled and begun. */
static inline struct redwi_reply *redwi_reply_queue_push(struct redwi_reply_queue *q)
{
    return &q->ring[(q->head + q->count++) & (q->cap - 1)];
}
/* The first answer that r->sent asks for is due. */
static inline void redwi_reply_begin(struct redwi_reply *r)
{
    r->due = REDWI_DUE_NOTHING;
    redwi_reply_step(r);
}
/* The oldest; there must be one. */
static inline void redwi_reply_queue_pop(struct redwi_reply_queue *q)
{
    q->head = (q->head + 1) & (q->cap - 1);
    q->front = &q->ring[q->head];
    q->count--;
}
void redwi_reply_queue_pop_back(struct redwi_reply_queue *q); /* the newest; there must be one */

static inline struct redwi_reply *redwi_reply_queue_front(const struct redwi_reply_queue *q)
{
    return q->count ? q->front : NULL;
}
/* The newest; there must be one. */
struct redwi_reply *redwi_reply_queue_back(const struct redwi_reply_queue *q);
/* The oldest entry of a tag; NULL: none. */
struct redwi_reply *redwi_reply_queue_find(const struct redwi_reply_queue *q, const void *tag);

/* The oldest of the newest entries that are all of this tag; NULL: the newest is another's. */
struct redwi_reply *redwi_reply_queue_last_run(const struct redwi_reply_queue *q, const void *tag);

/* The statement has columns: its Execute brings rows. */
static inline void redwi_reply_has_columns(struct redwi_reply *r)
{
    r->sent |= REDWI_SENT_COLUMNS;
    /* Described was the statement, not one portal of it: so it is each time it runs. */
    if (r->due == REDWI_DUE_COLUMNS)
        r->again |= REDWI_SENT_COLUMNS;
}
/* What is due is that of a portal, and there it is: as redwi_reply_has_columns() and redwi_reply_step(). */
static inline void redwi_reply_described(struct redwi_reply *r)
{
    r->due = r->sent & REDWI_SENT_EXECUTE ? REDWI_DUE_ROWS : REDWI_DUE_SYNC;
    r->sent |= REDWI_SENT_COLUMNS;
}
/* A statement of the unit is complete: on to the next, or to Sync. */
static inline void redwi_reply_complete(struct redwi_reply *r)
{
    if (r->sent & REDWI_SENT_QUERY) {
        r->due = REDWI_DUE_QUERY;
        return;
    }
    r->due = REDWI_DUE_SYNC;
    if (!r->more)
        return;
    r->more--;
    r->sent = r->again;
    redwi_reply_begin(r);
}

#endif
