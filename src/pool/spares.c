/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spare blocks: see spares.h. A list, the last one first, since that is still in the cache.
 */
#include "pool/spares.h"

#include "wire/mem.h"

void *redwi_spares_fresh(struct redwi_spares *s, const struct redw_allocator *mem, size_t bytes)
{
    if (bytes < REDWI_SPARE_BYTES)
        bytes = REDWI_SPARE_BYTES;
    void *block = redwi_alloc(mem, bytes);
    if (!block && redwi_spares_empty(s, mem))
        block = redwi_alloc(mem, bytes);
    return block;
}

void redwi_spares_free(struct redwi_spares *s, const struct redw_allocator *mem, void *block, size_t bytes)
{
    struct redwi_spare *spare = block;

    if (bytes > REDWI_SPARE_BYTES || s->count >= s->max) {
        redwi_free(mem, block);
        return;
    }
    spare->next = s->first;
    s->first = spare;
    s->count++;
    ASAN_POISON_MEMORY_REGION(spare + 1, REDWI_SPARE_BYTES - sizeof *spare);
}

bool redwi_spares_empty(struct redwi_spares *s, const struct redw_allocator *mem)
{
    bool any = s->first != NULL;

    while (s->first)
        redwi_free(mem, redwi_spares_take(s));
    return any;
}
