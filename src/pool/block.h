/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Laying out one allocation that holds a struct and the watchers of a loop, whose sizes are known at run
 * time: sum up the parts, allocate, and add each part's offset to the block.
 */
#ifndef REDWI_POOL_BLOCK_H
#define REDWI_POOL_BLOCK_H

#include <redw/base.h>

/* Adds a part to *total; returns its offset, fit for any type. */
static inline size_t redwi_block_part(size_t *total, size_t bytes)
{
    size_t at = *total, step = _Alignof(max_align_t);
    *total += (bytes + step - 1) / step * step;
    return at;
}

#endif
