/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls through which the library allocates, and the default allocator under them. Sizes are checked
 * here once: no caller multiplies or adds before it has passed this file.
 */
#include "wire/mem.h"

#include <stdlib.h>
#include <string.h>

static void *malloc_alloc(void *ctx, size_t bytes)
{
    (void)ctx;
    return malloc(bytes);
}

static void *malloc_resize(void *ctx, void *ptr, size_t bytes)
{
    (void)ctx;
    return realloc(ptr, bytes);
}

static void malloc_release(void *ctx, void *ptr)
{
    (void)ctx;
    free(ptr);
}

const struct redw_allocator redwi_malloc = {
    .size = sizeof(struct redw_allocator),
    .alloc = malloc_alloc,
    .resize = malloc_resize,
    .release = malloc_release,
};

/* An allocator may answer a request for nothing with NULL, which here means failure: ask for a byte. */
static size_t at_least_one(size_t bytes)
{
    return bytes ? bytes : 1;
}

void *redwi_alloc(const struct redw_allocator *mem, size_t bytes)
{
    return mem->alloc(mem->ctx, at_least_one(bytes));
}

void *redwi_alloc_array(const struct redw_allocator *mem, size_t count, size_t each)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, each, &bytes))
        return NULL;
    void *p = redwi_alloc(mem, bytes);
    if (p)
        memset(p, 0, at_least_one(bytes));
    return p;
}

void *redwi_resize(const struct redw_allocator *mem, void *ptr, size_t bytes)
{
    return mem->resize(mem->ctx, ptr, at_least_one(bytes));
}

void redwi_free(const struct redw_allocator *mem, void *ptr)
{
    if (ptr)
        mem->release(mem->ctx, ptr);
}

char *redwi_copy_text(const struct redw_allocator *mem, const char *text, size_t n)
{
    if (n == SIZE_MAX)
        return NULL;
    char *copy = redwi_alloc(mem, n + 1);
    if (!copy)
        return NULL;
    if (n)
        memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

void redwi_wipe(void *ptr, size_t bytes)
{
    if (ptr && bytes)
        explicit_bzero(ptr, bytes);
}

void redwi_free_secret(const struct redw_allocator *mem, void *ptr, size_t bytes)
{
    redwi_wipe(ptr, bytes);
    redwi_free(mem, ptr);
}
