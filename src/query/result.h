/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results: counted, immutable once finished. Rows live in an arena of chunks that never move, so cells are plain
 * pointers and keeping is counting; columns are a heading that results share.
 */
#ifndef REDWI_QUERY_RESULT_H
#define REDWI_QUERY_RESULT_H

#include "data/heading.h"
#include "data/row.h"
#include "wire/err.h"
#include <redw/result.h>
#include <stdatomic.h>

#define REDWI_NOTICES_KEPT 64
#define REDWI_RESULT_BLOCK ((size_t)1024) /* the first allocation: still in the fast bins of malloc */
#define REDWI_RESULT_BYTES_MAX ((uint64_t)256 << 20)

struct redwi_chunk;

struct redw_result {
    atomic_uint refs;
    struct redw_allocator mem;  /* a copy: results outlive clients */
    uint8_t *room, *room_end;   /* free space of the newest chunk; before the first one, the rest of the block */
    redw_slice **index;         /* row i -> its cells; a short one lies in the block */
    uint64_t index_cap;
    size_t next_chunk;          /* bytes of the next one */
    uint64_t bytes;             /* of the block, all chunks and the index; the heading is not its own */
    enum redw_way way;          /* taken, so far as it is known */

    /* From here to the tag: zero in the beginning. */
    uint64_t nrows;
    struct redwi_rowset set;
    struct redwi_heading *heading; /* what set.columns is of; counted */
    struct redwi_chunk *chunks; /* newest first */
    redw_error *error;
    redw_error **notices;
    size_t nnotices;            /* kept */
    int64_t elapsed_us;
    enum redw_cancel_verdict cancel;
    size_t tag_len;             /* below sizeof tag; 0 too when the tag was longer */
    char tag[64];
};

redw_result *redwi_result_create(const struct redw_allocator *mem); /* one reference; NULL: no memory */
/* The same in a block of REDWI_RESULT_BLOCK bytes, which mem gave and will get back. */
redw_result *redwi_result_init(void *block, const struct redw_allocator *mem);
/* Drops a reference. True: it was the last, and all is given back but the block itself. */
bool redwi_result_end(redw_result *r);

/* The columns. Takes the reference over; NULL, there was no memory for it, is REDW_ENOMEM. 0 or REDW_ENOMEM. */
static inline int redwi_result_describe(redw_result *r, struct redwi_heading *owned)
{
    if (!owned)
        return REDW_ENOMEM;
    if (r->heading)
        redwi_heading_release(r->heading);
    r->heading = owned;
    r->set.columns = owned->columns;
    r->set.ncolumns = owned->n;
    return 0;
}
/* The same of a stream's, with room for one row's views. */
int redwi_result_describe_stream(redw_result *r, struct redwi_heading *owned);

/* Copies DataRow messages in, all that are whole from *p on, and *p is then where the next message begins: the one
 * behind them, or the row that was not taken. 0; REDW_ENOMEM; REDW_EFULL beyond max_rows or max_bytes;
 * REDW_EPROTOCOL: malformed. */
int redwi_result_add_rows(redw_result *r, const uint8_t **p, const uint8_t *end, uint64_t max_rows,
                          uint64_t max_bytes);

int64_t redwi_tag_affected(const char *tag, size_t len); /* -1: it counts no rows */
void redwi_result_tag(redw_result *r, const char *tag, size_t len);
void redwi_result_notice_add(redw_result *r, redw_error *owned); /* beyond the bound, or without memory: dropped */

#endif
