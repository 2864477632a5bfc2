/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A heading: what a RowDescription says, as the columns that results have, with their texts, in one allocation. It is
 * counted and never changes, so that all results of the same description, kept on any thread, refer to one.
 */
#ifndef REDWI_DATA_HEADING_H
#define REDWI_DATA_HEADING_H

#include "data/types.h"
#include "wire/be_read.h"
#include <stdatomic.h>

struct redwi_heading {
    atomic_uint refs;
    enum redwi_server server;
    struct redw_allocator mem; /* a copy: results outlive clients */
    uint64_t serial;           /* of the columns it was made of; 0: they had none */
    size_t n;
    struct redw_column columns[]; /* n; then their texts */
};

/* One reference; NULL: no memory. The columns have been checked (redwi_be_row_description). */
struct redwi_heading *redwi_heading_make(const struct redw_allocator *mem, const struct redwi_columns *columns,
                                         enum redwi_server server);
void redwi_heading_release(struct redwi_heading *h); /* on any thread; NULL is allowed */
static inline struct redwi_heading *redwi_heading_keep(struct redwi_heading *h)
{
    atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    return h;
}

/* Is what is kept as the last one of these columns? NULL is of none. */
static inline bool redwi_heading_is(const struct redwi_heading *h, const struct redwi_columns *columns,
                                    enum redwi_server server)
{
    return h && h->serial == columns->serial && h->server == server;
}

/* Makes one, which becomes *last, unless the columns have no serial. */
struct redwi_heading *redwi_heading_renew(struct redwi_heading **last, const struct redw_allocator *mem,
                                          const struct redwi_columns *columns, enum redwi_server server);
/* *last, which one session keeps for itself (NULL: nothing yet), if it was made of the same bytes; else a new one. */
static inline struct redwi_heading *redwi_heading_of(struct redwi_heading **last, const struct redw_allocator *mem,
                                                     const struct redwi_columns *columns, enum redwi_server server)
{
    return redwi_heading_is(*last, columns, server) ? redwi_heading_keep(*last)
                                                    : redwi_heading_renew(last, mem, columns, server);
}

#endif
