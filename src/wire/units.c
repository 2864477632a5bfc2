/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units: what a session's owner sends, from begin to end, and takes back or forgets. The functions of session.h
 * about them; what answers them is in session.c and steps.c.
 */
#include "wire/steps.h"

#include "wire/fe_write.h"

/* Is there room for what will be said of a unit, and nothing half written? */
static inline bool may_begin(struct redwi_session *s)
{
    if (!redwi_session_logged_in(s) || !redwi_reply_queue_reserve(&s->queue))
        return false;
    if (s->unit_open)
        redwi_session_take_back_unit(s);
    /* What the login put here was wiped as it left; wiping the room of a large statement takes long. */
    if (!redwi_buf_len(&s->out))
        s->out.secret = false;
    return true;
}

struct redwi_buf *redwi_session_unit_begin(struct redwi_session *s)
{
    if (!may_begin(s))
        return NULL;
    s->unit_at = redwi_buf_mark(&s->out);
    s->unit_open = true;
    return &s->out;
}

struct redwi_buf *redwi_session_unit_more(struct redwi_session *s, size_t *base)
{
    if (!s->unit_open || !redwi_session_logged_in(s))
        return NULL;
    *base = s->unit_at;
    return &s->out;
}

void redwi_session_unit_drop(struct redwi_session *s)
{
    redwi_session_take_back_unit(s);
}

int redwi_session_unit_end(struct redwi_session *s, void *tag, unsigned sent, enum redw_outcome on_error)
{
    return redwi_session_batch_end(s, tag, sent, 0, 0, on_error);
}

/* The entry of a unit whose messages are all there, from `at` of the output on. */
static inline struct redwi_reply *queue_unit(struct redwi_session *s, void *tag, size_t at, enum redw_outcome on_error)
{
    struct redwi_reply *r = redwi_reply_queue_push(&s->queue);
    r->tag = tag;
    r->at = s->sent + at;
    r->end = s->sent + redwi_buf_mark(&s->out);
    r->on_error = on_error;
    s->phase = REDWI_PHASE_BUSY;
    return r;
}

static inline void expect(struct redwi_reply *r, unsigned sent, unsigned again, size_t more)
{
    r->sent = sent;
    r->again = again;
    r->more = more;
    redwi_reply_begin(r);
}

int redwi_session_batch_end(struct redwi_session *s, void *tag, unsigned sent, unsigned again, size_t more,
                            enum redw_outcome on_error)
{
    if (!s->unit_open)
        return REDW_EINVAL;
    if (!(sent & REDWI_SENT_QUERY))
        redwi_fe_sync(&s->out);
    int code = redwi_session_put_done(s, s->unit_at);
    s->unit_open = false;
    if (!code)
        expect(queue_unit(s, tag, s->unit_at, on_error), sent, again, more);
    return code;
}

int redwi_session_unnamed(struct redwi_session *s, void *tag, const char *sql, size_t n, bool binary,
                          enum redw_outcome on_error)
{
    if (!may_begin(s))
        return REDW_ENOMEM;
    size_t at = redwi_buf_mark(&s->out);
    redwi_fe_unnamed(&s->out, sql, n, binary);
    int code = redwi_session_put_done(s, at);
    if (!code)
        expect(queue_unit(s, tag, at, on_error), REDWI_SENT_UNNAMED, 0, 0);
    return code;
}

int redwi_session_query(struct redwi_session *s, void *tag, const char *sql, size_t n,
                        enum redw_outcome on_error)
{
    struct redwi_buf *b = redwi_session_unit_begin(s);
    if (!b)
        return REDW_ENOMEM;
    redwi_fe_query(b, sql, n);
    return redwi_session_unit_end(s, tag, REDWI_SENT_QUERY, on_error);
}

bool redwi_session_take_back(struct redwi_session *s, const void *tag)
{
    const struct redwi_reply *first = redwi_reply_queue_last_run(&s->queue, tag);
    if (!first || s->sent > first->at || s->phase != REDWI_PHASE_BUSY)
        return false;
    uint64_t at = first->at;
    redwi_session_take_back_unit(s);
    if (s->sent + redwi_buf_mark(&s->out) != redwi_reply_queue_back(&s->queue)->end) /* CopyFail is behind it */
        return false;
    redwi_buf_cut(&s->out, (size_t)(at - s->sent));
    while (s->queue.count && redwi_reply_queue_back(&s->queue)->at >= at)
        redwi_reply_queue_pop_back(&s->queue);
    s->phase = s->queue.count ? REDWI_PHASE_BUSY : REDWI_PHASE_READY;
    return true;
}

void redwi_session_discard(struct redwi_session *s, void *tag)
{
    for (struct redwi_reply *r; tag && (r = redwi_reply_queue_find(&s->queue, tag));)
        r->tag = NULL;
}

enum redw_outcome redwi_session_outcome(const struct redwi_session *s, const void *tag)
{
    const struct redwi_reply *r = redwi_reply_queue_find(&s->queue, tag);
    return r && s->sent <= r->at ? REDW_OUTCOME_NOT_SENT : REDW_OUTCOME_UNKNOWN;
}
