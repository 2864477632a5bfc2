/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spare blocks: see spares.h. A list, the last one first, since that is still in the cache.
 *
 * Under AddressSanitizer a spare block may not be touched, as if it were freed: a result that is used after its
 * callback shows itself there all the same. The link stays readable, for LeakSanitizer to follow.
 */
#include "pool/spares.h"

#include "wire/mem.h"

#ifdef __has_feature
#define UNDER_CLANG_ASAN __has_feature(address_sanitizer)
#else
#define UNDER_CLANG_ASAN 0
#endif

#if defined(__SANITIZE_ADDRESS__) || UNDER_CLANG_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes)   ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

static void *take(struct redwi_spares *s)
{
    struct redwi_spare *spare = s->first;

    ASAN_UNPOISON_MEMORY_REGION(spare + 1, REDWI_SPARE_BYTES - sizeof *spare);
    s->first = spare->next;
    s->count--;
    return spare;
}

void *redwi_spares_alloc(struct redwi_spares *s, const struct redw_allocator *mem, size_t bytes)
{
    if (bytes <= REDWI_SPARE_BYTES && s->first)
        return take(s);
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
        redwi_free(mem, take(s));
    return any;
}
