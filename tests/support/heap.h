/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plain allocator that counts and is refused on demand, for tests that look at numbers only. Faults one by one,
 * double frees and stale memory: support/fault.h.
 *
 *   memset(&heap, 0, sizeof heap);
 *   ... with &heap_table ...
 *   heap.limited = true, heap.left = 2;   two more blocks, then none
 *   ck_assert_uint_eq(heap.out, 0);
 */
#ifndef TESTS_SUPPORT_HEAP_H
#define TESTS_SUPPORT_HEAP_H

#include <redw/base.h>
#include <stdbool.h>
#include <stddef.h>

struct heap {
    size_t out;   /* blocks that are not given back */
    size_t calls; /* blocks given, made larger or smaller */
    size_t bytes; /* asked for, over all calls */
    size_t left;  /* calls until it is refused, where limited */
    bool limited;
};

extern struct heap heap;
extern const struct redw_allocator heap_table;

#endif
