/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines that a trace gives, gathered, and a writer of the streams that are traced.
 */
#ifndef TESTS_WIRE_TRACE_LINES_H
#define TESTS_WIRE_TRACE_LINES_H

#include "wire/buf.h"
#include "wire/mem.h"
#include "wire/trace.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct lines {
    char *text;
    size_t len, cap, count;
};

static inline void add(void *ctx, const char *text, size_t n)
{
    struct lines *l = ctx;
    ck_assert_uint_eq(strlen(text), n);
    ck_assert_uint_lt(n, REDWI_TRACE_LINE + 64);
    if (l->cap - l->len < n + 2) {
        l->cap = 2 * (l->cap + n + 2);
        l->text = realloc(l->text, l->cap);
        ck_assert_ptr_nonnull(l->text);
    }
    memcpy(l->text + l->len, text, n);
    l->len += n;
    l->text[l->len++] = '\n';
    l->text[l->len] = 0;
    l->count++;
}

static inline void clear(struct lines *l)
{
    free(l->text);
    *l = (struct lines){0};
}

static inline struct redwi_buf writer(void)
{
    struct redwi_buf b;
    redwi_buf_init(&b, &redwi_malloc, (size_t)1 << 26);
    return b;
}

#endif
