/* SPDX-License-Identifier: Apache-2.0 */
/* Chance that is the same each time, for values: from a seed, what the last call left in *state. */
#ifndef BENCH_RANDOM_H
#define BENCH_RANDOM_H

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Every magnitude equally likely, either sign. */
static inline int64_t random_int(uint64_t *state, unsigned bits_max)
{
    unsigned bits = 1 + (unsigned)(random_next(state) % bits_max);
    int64_t v = (int64_t)(random_next(state) >> (64 - bits) | UINT64_C(1) << (bits - 1));

    return random_next(state) & 1 ? -v : v;
}

#endif
