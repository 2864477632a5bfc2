/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pre-encoded DataRow messages: about 1 MiB of them for a shape and a choice of formats. The values come
 * from a fixed seed and vary in width, so that branch prediction fails as it does in life; text and
 * binary hold the same values.
 */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include "shapes.h"
#include <stdbool.h>

struct rows {
    const struct shape *shape;
    uint64_t binary;  /* bit i: column i is in the binary format */
    uint8_t *bytes;
    size_t *ends;     /* row i ends at bytes + ends[i] */
    size_t nrows;
};

/* The rows of a shape, encoded at the first call and kept. Ends the process when memory is short. */
const struct rows *rows_get(const struct shape *shape, uint64_t binary);

#endif
