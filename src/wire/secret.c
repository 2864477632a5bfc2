/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   block      page        page                                  page
 *     |  (gap)  | header secret . . . . . . . . . . . . . . . . . |  (rest)
 *
 * Advice and lock are for whole pages, so nothing else may lie on them: the block has room to align in. The
 * allocator gets its memory back as it gave it, to be dumped and swapped again.
 */
#include "wire/secret.h"

#include "wire/mem.h"

#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

struct header {
    void *block;
    size_t bytes; /* of the pages */
};

#define HEADER_BYTES ((sizeof(struct header) + 15) & ~(size_t)15)
#define SECRET_MAX   ((size_t)1 << 30)

void *redwi_secret_alloc(const struct redw_allocator *mem, size_t n)
{
    size_t page = getauxval(AT_PAGESZ);
    if (n > SECRET_MAX)
        return NULL;
    size_t bytes = (HEADER_BYTES + n + 1 + page - 1) & ~(page - 1);
    void *block = redwi_alloc(mem, bytes + page - 1);
    if (!block)
        return NULL;
    char *pages = (char *)(((uintptr_t)block + page - 1) & ~(uintptr_t)(page - 1));
    memset(pages, 0, bytes);
    /* Each may be refused (RLIMIT_MEMLOCK, an allocator with memory of another kind): then that much less. */
    (void)madvise(pages, bytes, MADV_DONTDUMP);
    (void)mlock(pages, bytes);
    struct header *h = (struct header *)(void *)pages;
    h->block = block;
    h->bytes = bytes;
    return pages + HEADER_BYTES;
}

char *redwi_secret_copy(const struct redw_allocator *mem, const char *text, size_t n)
{
    char *secret = redwi_secret_alloc(mem, n);
    if (secret && n)
        memcpy(secret, text, n);
    return secret;
}

void redwi_secret_free(const struct redw_allocator *mem, void *secret)
{
    if (!secret)
        return;
    char *pages = (char *)secret - HEADER_BYTES;
    const struct header h = *(const struct header *)(void *)pages;
    redwi_wipe(pages, h.bytes);
    (void)munlock(pages, h.bytes);
    (void)madvise(pages, h.bytes, MADV_DODUMP);
    redwi_free(mem, h.block);
}
