/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short arrays, searched from the end: who rested last has the memory that is still in the processor's caches.
 */
#include "wire/buffers.h"

#include "wire/mem.h"

#define IN_KEPT  4
#define OUT_KEPT 16

void redwi_buffers_init(struct redwi_buffers *b)
{
    *b = (struct redwi_buffers){.in = {.keep = IN_KEPT}, .out = {.keep = OUT_KEPT}};
}

/* Has it memory that it can do without? */
static bool can_lend(const struct redwi_buf *b)
{
    size_t len = redwi_buf_len(b);
    return b->resting && b->data && (!len || (len <= REDWI_REST_MAX && b->cap > REDWI_REST_MAX));
}

static void remove_at(struct redwi_resting *s, unsigned i)
{
    s->of[i]->listed = false;
    s->count--;
    for (; i < s->count; i++)
        s->of[i] = s->of[i + 1];
}

/* A block for the bytes of b, which has small memory or none from now on; b loses what it had. */
static bool leave_bytes(struct redwi_buf *b)
{
    size_t len = redwi_buf_len(b);
    uint8_t *small = len ? redwi_alloc(b->mem, REDWI_REST_MAX) : NULL;
    if (len && !small)
        return false;
    if (small)
        memcpy(small, b->data + b->head, len);
    b->data = small;
    b->cap = small ? REDWI_REST_MAX : 0;
    b->head = 0;
    b->tail = b->top = len;
    return true;
}

/* What b had moves into the block. */
static void put_bytes(struct redwi_buf *b, const struct redwi_buf *block)
{
    size_t len = redwi_buf_len(b);
    if (len)
        memcpy(block->data, b->data + b->head, len);
    redwi_free_secret(b->mem, b->data, b->secret ? b->cap : b->tail);
    b->data = block->data;
    b->cap = block->cap;
    b->top = block->top > len ? block->top : len;
    b->head = 0;
    b->tail = len;
}

bool redwi_resting_take(struct redwi_resting *s, size_t least, struct redwi_buf *b)
{
    for (unsigned i = s->count; i > 0; i--) {
        struct redwi_buf *from = s->of[i - 1], block = *from;
        bool fits = from != b && from->cap >= least && from->cap <= b->max;
        if (!fits || !can_lend(from) || !leave_bytes(from))
            continue;
        put_bytes(b, &block);
        remove_at(s, i - 1);
        return true;
    }
    return false;
}

/* Room in a full list: who is in use again will come back, and larger memory is worth more. False: none. */
static bool make_room(struct redwi_resting *s, const struct redwi_buf *b)
{
    for (unsigned i = 0; i < s->count; i++) {
        struct redwi_buf *old = s->of[i];
        if (can_lend(old) && (redwi_buf_len(old) || old->cap >= b->cap))
            continue;
        if (can_lend(old))
            redwi_buf_free_wiped(old);
        else
            remove_at(s, i);
        return true;
    }
    return false;
}

void redwi_resting_list(struct redwi_resting *s, struct redwi_buf *b)
{
    if (!can_lend(b))
        return;
    /* Not in place of an equal one: of many that ended together, the first lie lowest in the heap, and what is
     * above them may go back to the system. */
    if (s->count < s->keep || make_room(s, b)) {
        s->of[s->count++] = b;
        b->listed = true;
    } else if (!redwi_buf_len(b)) {
        redwi_buf_free_wiped(b);
    }
}

void redwi_resting_unlist(struct redwi_resting *s, struct redwi_buf *b)
{
    unsigned i = 0;
    while (s->of[i] != b)
        i++;
    remove_at(s, i);
}
