/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of one size that a client keeps for its next requests and results, so that in steady state a query
 * allocates nothing. On the client's thread only. What they are worth: malloc and free of the two blocks of a query
 * were 300 instructions of a ping, and more in pipelines, where as many are in use at once as leave glibc's
 * thread cache.
 *
 * They count as in use for a budget, and a client that rests keeps them: at most REDWI_SPARES_MAX. When memory
 * is refused to a request they are given back, and it is asked for again.
 *
 * Under AddressSanitizer a spare block may not be touched, as if it were freed: a result that is used after its
 * callback shows itself there all the same. The link stays readable, for LeakSanitizer to follow.
 */
#ifndef REDWI_POOL_SPARES_H
#define REDWI_POOL_SPARES_H

#include "wire/mem.h"

#ifdef __has_feature
#define REDWI_UNDER_CLANG_ASAN __has_feature(address_sanitizer)
#else
#define REDWI_UNDER_CLANG_ASAN 0
#endif
#if defined(__SANITIZE_ADDRESS__) || REDWI_UNDER_CLANG_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes)   ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

#define REDWI_SPARE_BYTES ((size_t)1024)
#define REDWI_SPARES_MAX  256u /* a pipeline of 100 has 200 blocks under way */
#define REDWI_SPARES_PART 64u  /* with a budget: at most a 64th of it */

struct redwi_spare {
    struct redwi_spare *next;
};

/* All zero: empty, and keeps none. */
struct redwi_spares {
    struct redwi_spare *first;
    unsigned count, max;
};

/* A block that is none of the spares, as below. */
void *redwi_spares_fresh(struct redwi_spares *s, const struct redw_allocator *mem, size_t bytes);

/* There must be one. */
static inline void *redwi_spares_take(struct redwi_spares *s)
{
    struct redwi_spare *spare = s->first;
    ASAN_UNPOISON_MEMORY_REGION(spare + 1, REDWI_SPARE_BYTES - sizeof *spare);
    s->first = spare->next;
    s->count--;
    return spare;
}

/* A block of REDWI_SPARE_BYTES, or of `bytes` if they are more; NULL: no memory, even without the spares. */
static inline void *redwi_spares_alloc(struct redwi_spares *s, const struct redw_allocator *mem, size_t bytes)
{
    return bytes <= REDWI_SPARE_BYTES && s->first ? redwi_spares_take(s) : redwi_spares_fresh(s, mem, bytes);
}
/* Takes back what was asked for with as many bytes. Secrets are the caller's to wipe. */
static inline void redwi_spares_free(struct redwi_spares *s, const struct redw_allocator *mem, void *block,
                                     size_t bytes)
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
/* Gives all of them back to mem; false: there was none. */
bool redwi_spares_empty(struct redwi_spares *s, const struct redw_allocator *mem);

#endif
