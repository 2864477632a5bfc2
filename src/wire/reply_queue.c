/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring of units under way, and the order of a unit's answers. Called by the session only.
 */
#include "wire/reply_queue.h"

#include "wire/mem.h"

#include <string.h>

#define RING_START 4

_Static_assert(REDWI_SENT_CLOSE == 1 << REDWI_DUE_CLOSE && REDWI_SENT_PARSE == 1 << REDWI_DUE_PARSE &&
                   REDWI_SENT_DESCRIBE_STATEMENT == (1 << REDWI_DUE_PARAMETERS | 1 << REDWI_DUE_COLUMNS) &&
                   REDWI_SENT_BIND == 1 << REDWI_DUE_BIND && REDWI_SENT_DESCRIBE == 1 << REDWI_DUE_DESCRIBE &&
                   REDWI_SENT_EXECUTE == 1 << REDWI_DUE_EXECUTE && REDWI_SENT_QUERY == 1 << REDWI_DUE_QUERY,
               "a bit's place is that of its answer");
_Static_assert(REDWI_DUE_SYNC > REDWI_DUE_QUERY, "ReadyForQuery is the last");

void redwi_reply_queue_init(struct redwi_reply_queue *q, const struct redw_allocator *mem)
{
    *q = (struct redwi_reply_queue){.mem = mem};
}

void redwi_reply_queue_free(struct redwi_reply_queue *q)
{
    redwi_free(q->mem, q->ring);
    redwi_reply_queue_init(q, q->mem);
}

static struct redwi_reply *reply_at(const struct redwi_reply_queue *q, size_t i)
{
    return &q->ring[(q->head + i) & (q->cap - 1)];
}

bool redwi_reply_queue_grow(struct redwi_reply_queue *q)
{
    size_t cap = q->cap ? q->cap * 2 : RING_START;
    struct redwi_reply *ring = redwi_alloc_array(q->mem, cap, sizeof *ring);
    if (!ring)
        return false;
    for (size_t i = 0; i < q->count; i++)
        ring[i] = *reply_at(q, i);
    redwi_free(q->mem, q->ring);
    q->ring = q->front = ring;
    q->cap = cap;
    q->head = 0;
    return true;
}

void redwi_reply_queue_pop_back(struct redwi_reply_queue *q)
{
    q->count--;
}

struct redwi_reply *redwi_reply_queue_back(const struct redwi_reply_queue *q)
{
    return reply_at(q, q->count - 1);
}

struct redwi_reply *redwi_reply_queue_find(const struct redwi_reply_queue *q, const void *tag)
{
    for (size_t i = 0; i < q->count; i++) {
        struct redwi_reply *r = reply_at(q, i);
        if (r->tag == tag)
            return r;
    }
    return NULL;
}

struct redwi_reply *redwi_reply_queue_last_run(const struct redwi_reply_queue *q, const void *tag)
{
    struct redwi_reply *oldest = NULL;
    for (size_t i = q->count; i > 0 && reply_at(q, i - 1)->tag == tag; i--)
        oldest = reply_at(q, i - 1);
    return oldest;
}
