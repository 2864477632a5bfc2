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
#include <string.h>

#define REDWI_NOTICES_KEPT 64
#define REDWI_RESULT_BLOCK ((size_t)1024) /* the first allocation: still in the fast bins of malloc */
#define REDWI_RESULT_BYTES_MAX ((uint64_t)256 << 20)
#define REDWI_INDEX_FIRST      8u /* entries of the index that lies in the block */
#define REDWI_CHUNK_FIRST      4096u /* bytes */

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
_Static_assert(sizeof(struct redw_result) % 8 == 0, "behind it comes its first index");

redw_result *redwi_result_create(const struct redw_allocator *mem); /* one reference; NULL: no memory */
/* The same in a block of REDWI_RESULT_BLOCK bytes, which mem gave and will get back. */
static inline redw_result *redwi_result_init(void *block, const struct redw_allocator *mem)
{
    redw_result *r = (redw_result *)block;

    atomic_init(&r->refs, 1);
    r->mem = *mem;
    r->index = (redw_slice **)(void *)((uint8_t *)block + sizeof *r);
    r->index_cap = REDWI_INDEX_FIRST;
    r->room = (uint8_t *)(r->index + REDWI_INDEX_FIRST);
    r->room_end = (uint8_t *)block + REDWI_RESULT_BLOCK;
    r->next_chunk = REDWI_CHUNK_FIRST;
    r->bytes = REDWI_RESULT_BLOCK;
    r->way = REDW_WAY_ROWS;
    /* In two halves: for more than 96 bytes gcc has a slow loop (rep stos). */
    memset(&r->nrows, 0, offsetof(redw_result, chunks) - offsetof(redw_result, nrows));
    memset(&r->chunks, 0, offsetof(redw_result, tag) - offsetof(redw_result, chunks));
    r->tag[0] = '\0';
    return r;
}
void redwi_result_empty(redw_result *r); /* for redwi_result_end() */
/* Drops a reference. True: it was the last, and all is given back but the block itself. */
static inline bool redwi_result_end(redw_result *r)
{
    /* Whose reference is the only one needs no atomic step: nobody else can take another. */
    if (atomic_load_explicit(&r->refs, memory_order_acquire) != 1 &&
        atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return false;
    if (r->chunks || r->index_cap > REDWI_INDEX_FIRST || r->notices || r->error)
        redwi_result_empty(r);
    redwi_heading_release(r->heading);
    return true;
}

/* The columns of one that has none yet. Takes the reference over. */
static inline void redwi_result_set_heading(redw_result *r, struct redwi_heading *owned)
{
    r->heading = owned;
    r->set.columns = owned->columns;
    r->set.ncolumns = owned->n;
}
/* The columns. Takes the reference over; NULL, there was no memory for it, is REDW_ENOMEM. 0 or REDW_ENOMEM. */
static inline int redwi_result_describe(redw_result *r, struct redwi_heading *owned)
{
    if (!owned)
        return REDW_ENOMEM;
    if (r->heading)
        redwi_heading_release(r->heading);
    redwi_result_set_heading(r, owned);
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
/* Its count is read when it is asked for: 70 instructions, more than a tenth of what a small result costs. */
static inline void redwi_result_tag(redw_result *r, const char *tag, size_t len)
{
    size_t n = len < sizeof r->tag - 1 ? len : sizeof r->tag - 1;

    if (n >= 8 && n <= 16) { /* as nearly all are: two words, which may overlap */
        uint64_t head, tail;
        memcpy(&head, tag, sizeof head);
        memcpy(&tail, tag + n - sizeof tail, sizeof tail);
        memcpy(r->tag, &head, sizeof head);
        memcpy(r->tag + n - sizeof tail, &tail, sizeof tail);
    } else {
        memcpy(r->tag, tag, n);
    }
    r->tag[n] = '\0';
    r->tag_len = n == len ? len : 0;
}
void redwi_result_notice_add(redw_result *r, redw_error *owned); /* beyond the bound, or without memory: dropped */

#endif
