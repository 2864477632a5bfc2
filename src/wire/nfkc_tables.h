/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Normalisation of what was assigned in Unicode 3.2, each table in ascending order. Only nfkc.c includes this.
 */
#ifndef REDWI_WIRE_NFKC_TABLES_H
#define REDWI_WIRE_NFKC_TABLES_H

#include <stddef.h>
#include <stdint.h>

struct redwi_nfkc_class { /* canonical combining class */
    uint32_t first, last;
    uint8_t value;
};
struct redwi_nfkc_pair { /* first and second are composed to, and decomposed from, whole */
    uint32_t whole, first, second;
};
struct redwi_nfkc_run { /* `count` code points from `first` on, each of `parts` parts; theirs begin at `at` */
    uint32_t first;
    uint16_t count, parts, at;
};

extern const struct redwi_nfkc_class redwi_nfkc_classes[];
extern const struct redwi_nfkc_pair redwi_nfkc_pairs[];
extern const uint16_t redwi_nfkc_by_parts[]; /* of pairs, by first and second */
extern const struct redwi_nfkc_run redwi_nfkc_runs[];
extern const uint32_t redwi_nfkc_parts[];
extern const size_t redwi_nfkc_classes_count, redwi_nfkc_pairs_count, redwi_nfkc_by_parts_count,
    redwi_nfkc_runs_count, redwi_nfkc_parts_count;

#endif
