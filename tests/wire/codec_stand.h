/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the codec share: bytes that end at an inaccessible page, a writer whose bytes are compared
 * with how a specification writes them (support/hex.h), and the body of what was written.
 */
#ifndef TESTS_WIRE_CODEC_STAND_H
#define TESTS_WIRE_CODEC_STAND_H

#include "support/hex.h"
#include "wire/be_read.h"
#include "wire/be_write.h"
#include "wire/fe_read.h"
#include "wire/fe_write.h"
#include "wire/mem.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARDED_MAX ((size_t)64 * 1024)
static uint8_t *guard; /* the first inaccessible byte */

static inline void raise_guard(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *area =
        mmap(NULL, GUARDED_MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(area, MAP_FAILED);
    ck_assert_int_eq(mprotect(area + GUARDED_MAX, page, PROT_NONE), 0);
    guard = area + GUARDED_MAX;
}

/* The same bytes, ending where memory ends. */
static inline const uint8_t *at_the_edge(const void *p, size_t n)
{
    ck_assert_uint_le(n, GUARDED_MAX);
    if (n)
        memmove(guard - n, p, n);
    return guard - n;
}

/* What the writer wrote is exactly this; then it starts over. */
static inline void wrote(struct redwi_buf *b, const char *hex)
{
    uint8_t want[1024];
    size_t n = unhex(want, sizeof want, hex);
    ck_assert_int_eq(b->failed, 0);
    if (redwi_buf_len(b) != n || memcmp(redwi_buf_front(b), want, n) != 0) {
        for (size_t i = 0; i < redwi_buf_len(b); i++)
            printf("%02x", redwi_buf_front(b)[i]);
        ck_abort_msg("differs from %s", hex);
    }
    redwi_buf_cut(b, 0);
}

/* The body of the one message in the buffer (behind `header` bytes), at the edge; the buffer starts
 * over. */
static inline const uint8_t *body_of(struct redwi_buf *b, size_t header, size_t *len)
{
    ck_assert_int_eq(b->failed, 0);
    ck_assert_uint_eq(redwi_load32(redwi_buf_front(b) + header - 4), redwi_buf_len(b) - header + 4);
    *len = redwi_buf_len(b) - header;
    const uint8_t *body = at_the_edge(redwi_buf_front(b) + header, *len);
    redwi_buf_cut(b, 0);
    return body;
}

static inline bool is(redw_slice s, const char *want)
{
    return s.ptr && s.len == strlen(want) && memcmp(s.ptr, want, s.len) == 0;
}

static inline struct redwi_buf writer(void)
{
    struct redwi_buf b;
    redwi_buf_init(&b, &redwi_malloc, (size_t)1 << 30);
    return b;
}

#endif
