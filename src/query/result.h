/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results: counted, immutable once finished. Columns and rows live in an arena of chunks that never
 * move, so cells are plain pointers and keeping is counting.
 */
#ifndef REDWI_QUERY_RESULT_H
#define REDWI_QUERY_RESULT_H

#include "data/row.h"
#include "data/types.h"
#include "wire/err.h"
#include <redw/result.h>
#include <stdatomic.h>

struct redwi_columns; /* wire/be_read.h */

#define REDWI_NOTICES_KEPT 64
#define REDWI_RESULT_BYTES_MAX ((uint64_t)256 << 20)

struct redwi_chunk;

struct redw_result {
    atomic_uint refs;
    struct redw_allocator mem; /* a copy: results outlive clients */
    struct redwi_rowset set;
    struct redwi_chunk *chunks; /* newest first; before the first, the rest of the result's own allocation */
    uint8_t *room, *room_end;   /* free space of the newest */
    size_t next_chunk;          /* bytes of the next one */
    uint64_t bytes;             /* of the result, all chunks and the index */
    redw_slice **index;         /* row i -> its cells; a short one lies in the arena */
    uint64_t nrows, index_cap;
    redw_error *error;
    redw_error **notices;
    size_t nnotices;            /* kept */
    char tag[64];
    int64_t affected, elapsed_us;
    enum redw_cancel_verdict cancel;
    enum redw_way way; /* taken, so far as it is known */
};

redw_result *redwi_result_create(const struct redw_allocator *mem); /* one reference; NULL: no memory */

/* The columns, and, for streams, room for one row's views. 0 or REDW_ENOMEM. */
int redwi_result_columns(redw_result *r, const struct redwi_columns *columns, enum redwi_server server,
                         bool streamed);

/* Copies one DataRow body in. 0; REDW_ENOMEM; REDW_EFULL beyond max_bytes; REDW_EPROTOCOL: malformed. */
int redwi_result_add_row(redw_result *r, const uint8_t *body, size_t len, uint64_t max_bytes);

int64_t redwi_tag_affected(const char *tag, size_t len); /* -1: it counts no rows */
void redwi_result_tag(redw_result *r, const char *tag, size_t len);
void redwi_result_notice_add(redw_result *r, redw_error *owned); /* beyond the bound, or without memory: dropped */

#endif
