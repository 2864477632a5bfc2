/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two stacks of bounded height and weight. Giving never fails; taking may find nothing, and then the buffer
 * allocates as one without a store does.
 */
#include "wire/buffers.h"

#include "wire/mem.h"

#define IN_BYTES  (4 * REDWI_SPARE_CAP_MAX)
#define OUT_BYTES REDWI_SPARE_CAP_MAX

bool redwi_spares_take(struct redwi_spares *s, size_t least, struct redwi_spare *out)
{
    if (!s->count || s->kept[s->count - 1].cap < least)
        return false;
    *out = s->kept[--s->count];
    s->left += out->cap;
    return true;
}

static void drop(const struct redwi_spares *s, const struct redwi_spare *block)
{
    redwi_wipe(block->data, block->top);
    redwi_free(s->mem, block->data);
}

void redwi_spares_give(struct redwi_spares *s, const struct redwi_spare *block)
{
    bool fits = block->cap <= REDWI_SPARE_CAP_MAX && block->cap <= s->left && s->count < REDWI_SPARES_MAX;
    if (!fits || !block->data) {
        drop(s, block);
        return;
    }
    s->kept[s->count++] = *block;
    s->left -= block->cap;
}

static void init(struct redwi_spares *s, const struct redw_allocator *mem, size_t bytes)
{
    s->mem = mem;
    s->left = bytes;
    s->count = 0;
}

void redwi_buffers_init(struct redwi_buffers *b, const struct redw_allocator *mem)
{
    init(&b->in, mem, IN_BYTES);
    init(&b->out, mem, OUT_BYTES);
}

static void empty(struct redwi_spares *s)
{
    struct redwi_spare block;
    while (redwi_spares_take(s, 0, &block))
        drop(s, &block);
}

void redwi_buffers_free(struct redwi_buffers *b)
{
    empty(&b->in);
    empty(&b->out);
}
