/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results: an arena of chunks that never move, and an index of rows into it.
 *
 * The first room is the rest of the result's own block, so that a small result is one allocation in all; chunks
 * then double from 4 KiB to 256 KiB. A row is its cells, then a copy of the whole DataRow body, in which each value
 * gets its NUL where the length of the next one stood: one copy and one walk per row.
 */
#include "query/result.h"

#include "wire/be_read.h"
#include "wire/cursor.h"
#include "wire/mem.h"
#include <string.h>

#define DATA_ROW_HEADER 5u /* 'D' and the length word */
#define CHUNK_BYTES_MAX 262144u

struct redwi_chunk {
    struct redwi_chunk *next;
    uint64_t unused; /* keeps what follows aligned for any type */
};

static size_t round8(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

redw_result *redwi_result_create(const struct redw_allocator *mem)
{
    void *block = redwi_alloc(mem, REDWI_RESULT_BLOCK);

    return block ? redwi_result_init(block, mem) : NULL;
}

/* Room for n bytes at r->room, without passing max_bytes in all. Near the bound a chunk takes no more
 * than half of what is left if that will do: the index has to grow too. */
static int reserve(redw_result *r, size_t n, uint64_t max_bytes)
{
    if (n <= (size_t)(r->room_end - r->room))
        return 0;
    uint64_t left = r->bytes < max_bytes ? max_bytes - r->bytes : 0;
    if (n > SIZE_MAX / 2 || n + sizeof(struct redwi_chunk) > left)
        return REDW_EFULL;
    size_t least = n + sizeof(struct redwi_chunk);
    size_t size = r->next_chunk < left / 2 ? r->next_chunk : (size_t)(left / 2) & ~(size_t)7;
    if (size < least)
        size = least;
    struct redwi_chunk *chunk = redwi_alloc(&r->mem, size);
    if (!chunk)
        return REDW_ENOMEM;
    chunk->next = r->chunks;
    r->chunks = chunk;
    r->room = (uint8_t *)(chunk + 1);
    r->room_end = (uint8_t *)chunk + size;
    r->bytes += size;
    if (r->next_chunk < CHUNK_BYTES_MAX)
        r->next_chunk *= 2;
    return 0;
}

/* Takes what was reserved. */
static void *take(redw_result *r, size_t n)
{
    void *at = r->room;

    r->room += n;
    return at;
}

int redwi_result_describe_stream(redw_result *r, struct redwi_heading *owned)
{
    size_t cells_bytes = owned ? owned->n * sizeof(redw_slice) : 0;
    int rc = reserve(r, cells_bytes, UINT64_MAX);

    if (rc) {
        redwi_heading_release(owned);
        return rc;
    }
    if ((rc = redwi_result_describe(r, owned)) == 0)
        r->set.cells = (redw_slice *)take(r, cells_bytes);
    return rc;
}

/* Room for one more row in the index: first in the block, then on its own, doubling. */
static int reserve_index(redw_result *r, uint64_t max_bytes)
{
    bool in_block = r->index_cap == REDWI_INDEX_FIRST;
    uint64_t left = r->bytes < max_bytes ? (max_bytes - r->bytes) / sizeof *r->index : 0;
    uint64_t more = r->index_cap < left ? r->index_cap : left;

    if (more == 0 || r->index_cap + more > SIZE_MAX / sizeof *r->index)
        return REDW_EFULL;
    size_t bytes = (size_t)(r->index_cap + more) * sizeof *r->index;
    redw_slice **index = redwi_resize(&r->mem, in_block ? NULL : r->index, bytes);
    if (!index)
        return REDW_ENOMEM;
    if (in_block)
        memcpy(index, r->index, REDWI_INDEX_FIRST * sizeof *index);
    r->index = index;
    r->index_cap += more;
    r->bytes += more * sizeof *index;
    return 0;
}

/* A DataRow's body into the room for it, which is a multiple of 8 bytes. Whole words if so many may be read: of a
 * short row that is half of a call of memcpy(). */
static inline void copy_body(uint8_t *copy, const uint8_t *body, size_t len, const uint8_t *end)
{
    if (len > 32 || round8(len) > (size_t)(end - body)) {
        memcpy(copy, body, len);
        return;
    }
    for (size_t i = 0; i < len; i += 8)
        memcpy(copy + i, body + i, 8);
}

/* The copy's n cells, each with its NUL; the walk of data/row.c reads views. What is behind a value, the next length
 * or the byte behind the copy, is not needed any more when it is written; so is what is behind a NULL, or ahead of the first. */
static inline bool cut_cells(uint8_t *copy, size_t len, redw_slice *cell, size_t n)
{
    int64_t left = (int64_t)len - 2 - 4 * (int64_t)n;
    uint8_t *p = copy + 2;

    if (left < 0 || redwi_load16(copy) != n)
        return false;
    for (; n > 0; n--, cell++) {
        int64_t value_len = redwi_load32(p);
        *p = '\0';
        p += 4;
        if (value_len > left) {
            if (value_len != UINT32_MAX)
                return false;
            *cell = (redw_slice){NULL, 0};
            continue;
        }
        *cell = (redw_slice){(const char *)p, (size_t)value_len};
        p += value_len;
        left -= value_len;
    }
    *p = '\0';
    return left == 0;
}

/* end: as far as may be read behind it. */
static inline int add_row(redw_result *r, const uint8_t *body, size_t len, const uint8_t *end, uint64_t max_bytes)
{
    size_t n = r->set.ncolumns, cells_bytes = n * sizeof(redw_slice);
    int rc;

    if (r->bytes > max_bytes || len > INT32_MAX)
        return REDW_EFULL;
    size_t need = cells_bytes + round8(len + 1);
    if (r->nrows == r->index_cap && (rc = reserve_index(r, max_bytes)) != 0)
        return rc;
    if (need > (size_t)(r->room_end - r->room) && (rc = reserve(r, need, max_bytes)) != 0)
        return rc;
    redw_slice *cells = (redw_slice *)(void *)r->room;
    uint8_t *copy = r->room + cells_bytes;
    copy_body(copy, body, len, end);
    if (!cut_cells(copy, len, cells, n))
        return REDW_EPROTOCOL;
    r->room += need;
    if (r->nrows == 0)
        r->set.first = cells;
    r->index[r->nrows++] = cells;
    return 0;
}

int redwi_result_add_rows(redw_result *r, const uint8_t **p, const uint8_t *end, uint64_t max_rows,
                          uint64_t max_bytes)
{
    const uint8_t *at = *p;
    int rc = 0;

    while ((size_t)(end - at) >= DATA_ROW_HEADER && *at == 'D') {
        size_t len = redwi_load32(at + 1);
        if (len < 4 || len > (size_t)(end - at) - 1)
            break;
        rc = r->nrows < max_rows ? add_row(r, at + DATA_ROW_HEADER, len - 4, end, max_bytes) : REDW_EFULL;
        if (rc)
            break;
        at += 1 + len;
    }
    *p = at;
    return rc;
}

/* How long the words are, with the blank behind them, of a tag whose trailing number counts rows; 0: in any other
 * a number is something else. head: its first eight bytes in small letters. */
static size_t counting_words(const char head[8])
{
    switch (head[0]) {
    case 's':
        return memcmp(head, "select ", 7) == 0 ? 7 : 0;
    case 'i':
        return memcmp(head, "insert ", 7) == 0 ? 7 : 0;
    case 'u':
        return memcmp(head, "update ", 7) == 0 ? 7 : 0;
    case 'd':
        return memcmp(head, "delete ", 7) == 0 ? 7 : 0;
    case 'm':
        return memcmp(head, "merge ", 6) == 0 ? 6 : memcmp(head, "move ", 5) == 0 ? 5 : 0;
    case 'c':
        return memcmp(head, "copy ", 5) == 0 ? 5 : 0;
    case 'f':
        return memcmp(head, "fetch ", 6) == 0 ? 6 : 0;
    default:
        return 0;
    }
}

int64_t redwi_tag_affected(const char *tag, size_t len)
{
    uint64_t eight = 0;
    char head[sizeof eight];

    if (len < 6) /* "COPY 1" */
        return -1;
    memcpy(&eight, tag, len < sizeof eight ? 6 : sizeof eight);
    eight |= UINT64_C(0x2020202020202020); /* what is no letter or blank does not become one by it, but for NUL */
    memcpy(head, &eight, sizeof head);
    size_t words = counting_words(head);
    return words > 0 && len > words ? redwi_be_tag_count(tag, len) : -1;
}

void redwi_result_notice_add(redw_result *r, redw_error *owned)
{
    if (!r->notices && r->nnotices < REDWI_NOTICES_KEPT)
        r->notices = redwi_alloc_array(&r->mem, REDWI_NOTICES_KEPT, sizeof *r->notices);
    if (!r->notices || r->nnotices == REDWI_NOTICES_KEPT) {
        redw_error_release(owned);
        return;
    }
    r->notices[r->nnotices++] = owned;
}

/* --- public --- */

const redw_error *redw_result_error(const redw_result *r)
{
    return r->error;
}

uint64_t redw_result_row_count(const redw_result *r)
{
    return r->nrows + r->set.taken;
}

int64_t redw_result_affected(const redw_result *r)
{
    return redwi_tag_affected(r->tag, r->tag_len);
}

const char *redw_result_tag(const redw_result *r)
{
    return r->tag;
}

int64_t redw_result_elapsed_us(const redw_result *r)
{
    return r->elapsed_us;
}

int64_t redw_result_query_id(const redw_result *r)
{
    int64_t id = redw_error_query_id(r->error);

    for (size_t i = 0; i < r->nnotices && id < 0; i++)
        id = redw_error_query_id(r->notices[i]);
    return id;
}

enum redw_cancel_verdict redw_result_cancel(const redw_result *r)
{
    return r->cancel;
}

const char *redw_cancel_verdict_name(enum redw_cancel_verdict v)
{
    switch (v) {
    case REDW_CANCEL_NOT_ASKED: return "not_asked";
    case REDW_CANCEL_STOPPED: return "stopped";
    case REDW_CANCEL_FINISHED_FIRST: return "finished_first";
    case REDW_CANCEL_NOT_SENT: return "not_sent";
    case REDW_CANCEL_REFUSED: return "refused";
    case REDW_CANCEL_UNANSWERED: return "unanswered";
    }
    return "unknown";
}

enum redw_way redw_result_way(const redw_result *r)
{
    return r->way;
}

size_t redw_result_notice_count(const redw_result *r)
{
    return r->nnotices;
}

const redw_error *redw_result_notice(const redw_result *r, size_t i)
{
    return i < r->nnotices ? r->notices[i] : NULL;
}

size_t redw_result_column_count(const redw_result *r)
{
    return r->set.ncolumns;
}

const struct redw_column *redw_result_column(const redw_result *r, size_t i)
{
    return i < r->set.ncolumns ? &r->set.columns[i] : NULL;
}

int redw_result_find(const redw_result *r, const char *column)
{
    for (size_t i = 0; i < r->set.ncolumns; i++) {
        if (strcmp(r->set.columns[i].name, column) == 0)
            return (int)i;
    }
    return REDW_ECOLUMN;
}

redw_rows redw_result_rows(const redw_result *r)
{
    /* A cursor only writes to the set of a stream; a kept result is read. */
    return redwi_rows_kept((struct redwi_rowset *)(uintptr_t)&r->set, r->index, r->nrows);
}

bool redw_result_first(const redw_result *r, redw_row *row)
{
    if (r->error || r->nrows == 0)
        return false;
    *row = (redw_row){.cells = r->set.first, .ncells = r->set.ncolumns, .priv_ = {r->set.columns, &r->set}};
    return true;
}

redw_result *redw_result_keep(const redw_result *r)
{
    redw_result *kept = (redw_result *)(uintptr_t)r;

    atomic_fetch_add_explicit(&kept->refs, 1, memory_order_relaxed);
    return kept;
}

void redwi_result_empty(redw_result *r)
{
    while (r->chunks) {
        struct redwi_chunk *next = r->chunks->next;
        redwi_free(&r->mem, r->chunks);
        r->chunks = next;
    }
    if (r->index_cap > REDWI_INDEX_FIRST)
        redwi_free(&r->mem, r->index);
    for (size_t i = 0; i < r->nnotices; i++)
        redw_error_release(r->notices[i]);
    redwi_free(&r->mem, r->notices);
    redw_error_release(r->error);
}

void redw_result_release(redw_result *r)
{
    if (!r)
        return;
    struct redw_allocator mem = r->mem;
    if (redwi_result_end(r))
        redwi_free(&mem, r);
}
