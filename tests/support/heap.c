/* SPDX-License-Identifier: Apache-2.0 */
#include "support/heap.h"

#include <stdlib.h>

struct heap heap;

static void *heap_resize(void *ctx, void *p, size_t n)
{
    (void)ctx;
    if (heap.limited && heap.left == 0)
        return NULL;
    heap.left -= heap.limited;
    heap.calls++;
    heap.bytes += n;
    heap.out += p == NULL;
    return realloc(p, n);
}

static void *heap_alloc(void *ctx, size_t n)
{
    return heap_resize(ctx, NULL, n);
}

static void heap_release(void *ctx, void *p)
{
    (void)ctx;
    heap.out -= p != NULL;
    free(p);
}

const struct redw_allocator heap_table = {sizeof heap_table, NULL, heap_alloc, heap_resize, heap_release};
