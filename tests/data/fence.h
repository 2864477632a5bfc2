/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that end exactly where an inaccessible page begins, or begin exactly where one ends: whoever
 * reads one byte too many, to either side, crashes the test.
 */
#ifndef TESTS_DATA_FENCE_H
#define TESTS_DATA_FENCE_H

#include <check.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

enum { FENCE_ROOM = 1 << 16 };

static inline char *fence_pages(void)
{
    static char *room;
    if (!room) {
        char *p = mmap(NULL, 3 * FENCE_ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ck_assert_ptr_ne(p, MAP_FAILED);
        ck_assert_int_eq(mprotect(p + FENCE_ROOM, FENCE_ROOM, PROT_READ | PROT_WRITE), 0);
        room = p + FENCE_ROOM;
    }
    return room;
}

/* A copy with the fence behind it. Holds until the next call of either. */
static inline char *fence_behind(const void *p, size_t n)
{
    if (n > FENCE_ROOM)
        ck_abort_msg("%zu bytes behind a fence", n);
    char *at = fence_pages() + FENCE_ROOM - n;
    return n ? memcpy(at, p, n) : at;
}

/* A copy with the fence before it. */
static inline char *fence_before(const void *p, size_t n)
{
    if (n > FENCE_ROOM)
        ck_abort_msg("%zu bytes before a fence", n);
    return n ? memcpy(fence_pages(), p, n) : fence_pages();
}

/* A copy with the seven bytes before it that cells have (REDWI_LEAD), digits as they mislead most, and the fence
 * before those or behind the copy. */
static inline char *fence_led(const void *p, size_t n, bool before)
{
    char room[7 + 256];
    if (n > sizeof room - 7)
        ck_abort_msg("%zu bytes with a lead", n);
    memset(room, '9', 7);
    if (n > 0)
        memcpy(room + 7, p, n);
    return (before ? fence_before(room, 7 + n) : fence_behind(room, 7 + n)) + 7;
}

/* Deterministic randomness (xorshift64). */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
