/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spare blocks: see spares.h. A list, the last one first, since that is still in the cache.
 */
#include "pool/spares.h"

void *redwi_spares_fresh(struct redwi_spares *s, const struct redw_allocator *mem, size_t bytes)
{
    if (bytes < REDWI_SPARE_BYTES)
        bytes = REDWI_SPARE_BYTES;
    void *block = redwi_alloc(mem, bytes);
    if (!block && redwi_spares_empty(s, mem))
        block = redwi_alloc(mem, bytes);
    return block;
}

bool redwi_spares_empty(struct redwi_spares *s, const struct redw_allocator *mem)
{
    bool any = s->first != NULL;

    while (s->first)
        redwi_free(mem, redwi_spares_take(s));
    return any;
}
