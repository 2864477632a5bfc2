/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counted blocks: each has its size in front. The budget is one more block of the caller's allocator, freed
 * by whoever gives the last of them back.
 */
#include "wire/budget.h"

#include "wire/mem.h"

#include <stdalign.h>
#include <stdatomic.h>

#define MACHINERY_ALWAYS ((size_t)128 << 10) /* twice the usual buffer */

struct redwi_budget {
    struct redw_allocator own;
    uint64_t max;
    atomic_uint_fast64_t used;
    atomic_uint_fast64_t owners; /* blocks, and the client */
    atomic_bool refused;
};

struct head {
    alignas(max_align_t) size_t bytes; /* of the whole block */
};

uint64_t redwi_budget_used(const struct redwi_budget *b)
{
    return atomic_load_explicit(&b->used, memory_order_relaxed);
}

bool redwi_budget_took_part(struct redwi_budget *b)
{
    return atomic_exchange_explicit(&b->refused, false, memory_order_relaxed);
}

/* Would so many bytes more be too many? Then somebody will ask why. */
static bool full(struct redwi_budget *b, size_t bytes)
{
    uint64_t used = redwi_budget_used(b);
    if (used <= b->max && bytes + sizeof(struct head) <= b->max - used)
        return false;
    atomic_store_explicit(&b->refused, true, memory_order_relaxed);
    return true;
}

static void disown(struct redwi_budget *b)
{
    if (atomic_fetch_sub_explicit(&b->owners, 1, memory_order_acq_rel) != 1)
        return;
    struct redw_allocator own = b->own;
    redwi_free(&own, b);
}

static void *alloc(struct redwi_budget *b, size_t bytes)
{
    bytes += sizeof(struct head);
    struct head *h = redwi_alloc(&b->own, bytes);
    if (!h)
        return NULL;
    h->bytes = bytes;
    atomic_fetch_add_explicit(&b->used, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&b->owners, 1, memory_order_relaxed);
    return h + 1;
}

static void *resize(struct redwi_budget *b, void *ptr, size_t bytes)
{
    if (!ptr)
        return alloc(b, bytes);
    bytes += sizeof(struct head);
    struct head *h = (struct head *)ptr - 1;
    size_t before = h->bytes;
    h = redwi_resize(&b->own, h, bytes);
    if (!h)
        return NULL;
    h->bytes = bytes;
    atomic_fetch_add_explicit(&b->used, bytes - before, memory_order_relaxed); /* modulo 2^64 */
    return h + 1;
}

/* What a block would add to the count. */
static size_t growth(void *ptr, size_t bytes)
{
    size_t before = ptr ? ((struct head *)ptr - 1)->bytes - sizeof(struct head) : 0;
    return bytes > before ? bytes - before : 0;
}

static void *work_resize(void *ctx, void *ptr, size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        return NULL;
    return full(ctx, growth(ptr, bytes)) ? NULL : resize(ctx, ptr, bytes);
}

static void *work_alloc(void *ctx, size_t bytes)
{
    return work_resize(ctx, NULL, bytes);
}

static void *machinery_resize(void *ctx, void *ptr, size_t bytes)
{
    return bytes > MACHINERY_ALWAYS ? work_resize(ctx, ptr, bytes) : resize(ctx, ptr, bytes);
}

static void *machinery_alloc(void *ctx, size_t bytes)
{
    return machinery_resize(ctx, NULL, bytes);
}

static void release(void *ctx, void *ptr)
{
    struct redwi_budget *b = ctx;
    if (!ptr)
        return;
    struct head *h = (struct head *)ptr - 1;
    atomic_fetch_sub_explicit(&b->used, h->bytes, memory_order_relaxed);
    redwi_free(&b->own, h);
    disown(b);
}

struct redwi_budget *redwi_budget_create(const struct redw_allocator *own, uint64_t max_bytes)
{
    struct redwi_budget *b = redwi_alloc_array(own, 1, sizeof *b);
    if (!b)
        return NULL;
    b->own = *own;
    b->max = max_bytes;
    atomic_init(&b->used, 0);
    atomic_init(&b->owners, 1);
    atomic_init(&b->refused, false);
    return b;
}

void redwi_budget_release(struct redwi_budget *b)
{
    if (b)
        disown(b);
}

struct redw_allocator redwi_budget_work(struct redwi_budget *b)
{
    return (struct redw_allocator){
        .size = sizeof(struct redw_allocator),
        .ctx = b,
        .alloc = work_alloc,
        .resize = work_resize,
        .release = release,
    };
}

struct redw_allocator redwi_budget_machinery(struct redwi_budget *b)
{
    return (struct redw_allocator){
        .size = sizeof(struct redw_allocator),
        .ctx = b,
        .alloc = machinery_alloc,
        .resize = machinery_resize,
        .release = release,
    };
}
