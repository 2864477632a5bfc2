/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results: an arena of chunks that never move, and an index of rows into it.
 *
 * The first room is the rest of the result's own allocation, so that a small result is one allocation
 * in all; chunks then double from 4 KiB to 256 KiB. A row is its cells, then a copy of the whole DataRow
 * body, in which each value gets its NUL where the length of the next one stood: one memcpy per row.
 */
#include "query/result.h"

#include "data/types.h"
#include "wire/be_read.h"
#include "wire/mem.h"
#include <string.h>
#include <strings.h>

#define RESULT_BYTES    1024u /* of the first allocation: still in the fast bins of malloc */
#define CHUNK_BYTES_MIN 4096u
#define CHUNK_BYTES_MAX 262144u
#define INDEX_FIRST     8u /* entries of the index that lies in the arena */

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
    redw_result *r = redwi_alloc(mem, RESULT_BYTES);

    if (!r)
        return NULL;
    memset(r, 0, sizeof *r);
    atomic_init(&r->refs, 1);
    r->mem = *mem;
    r->room = (uint8_t *)r + round8(sizeof *r);
    r->room_end = (uint8_t *)r + RESULT_BYTES;
    r->next_chunk = CHUNK_BYTES_MIN;
    r->bytes = RESULT_BYTES;
    r->affected = -1;
    r->way = REDW_WAY_ROWS;
    return r;
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

/* A NUL-terminated copy at *room, which moves behind it. */
static const char *put_text(char **room, redw_slice text)
{
    char *at = *room;

    if (text.len == 0)
        return "";
    memcpy(at, text.ptr, text.len);
    at[text.len] = '\0';
    *room = at + text.len + 1;
    return at;
}

int redwi_result_columns(redw_result *r, const struct redwi_columns *described, enum redwi_server server,
                         bool streamed)
{
    struct redwi_columns left = *described;
    size_t n = left.n;

    /* Names with their NULs are what is left of the fields without the rest: at most len bytes. */
    size_t len = redwi_cursor_left(&left.fields);
    size_t columns_bytes = n * sizeof(struct redw_column),
           cells_bytes = streamed ? n * sizeof(redw_slice) : 0;
    size_t need = columns_bytes + cells_bytes + round8(len);
    int rc = reserve(r, need, UINT64_MAX);
    if (rc)
        return rc;
    struct redw_column *columns = (struct redw_column *)take(r, columns_bytes);
    if (streamed)
        r->set.cells = (redw_slice *)take(r, cells_bytes);
    char *names = (char *)r->room;
    for (size_t i = 0; i < n; i++) {
        struct redwi_field f;
        redwi_be_field_next(&left, &f);
        columns[i] = (struct redw_column){
            .name = put_text(&names, f.name),
            .nullable = f.schema.ptr ? (f.flags & REDWI_FIELD_NOT_NULL) == 0 : -1,
            .binary = f.format == 1,
            .catalog = put_text(&names, f.catalog),
            .schema = put_text(&names, f.schema),
            .table = put_text(&names, f.table),
            .base_name = put_text(&names, f.column),
        };
        redwi_column_describe(&columns[i], f.type_oid, f.typmod, server);
    }
    take(r, round8((size_t)(names - (char *)r->room)));
    r->set.columns = columns;
    r->set.ncolumns = n;
    return 0;
}

/* Room for one more row in the index: first in the arena, then on its own, doubling. */
static int reserve_index(redw_result *r, uint64_t max_bytes)
{
    if (r->nrows < r->index_cap)
        return 0;
    if (r->index_cap == 0) {
        int rc = reserve(r, INDEX_FIRST * sizeof *r->index, max_bytes);
        if (rc)
            return rc;
        r->index = take(r, INDEX_FIRST * sizeof *r->index);
        r->index_cap = INDEX_FIRST;
        return 0;
    }
    bool in_arena = r->index_cap == INDEX_FIRST;
    uint64_t left = r->bytes < max_bytes ? (max_bytes - r->bytes) / sizeof *r->index : 0;
    uint64_t more = r->index_cap < left ? r->index_cap : left;
    if (more == 0 || r->index_cap + more > SIZE_MAX / sizeof *r->index)
        return REDW_EFULL;
    size_t bytes = (size_t)(r->index_cap + more) * sizeof *r->index;
    redw_slice **index = redwi_resize(&r->mem, in_arena ? NULL : r->index, bytes);
    if (!index)
        return REDW_ENOMEM;
    if (in_arena)
        memcpy(index, r->index, INDEX_FIRST * sizeof *index);
    r->index = index;
    r->index_cap += more;
    r->bytes += more * sizeof *index;
    return 0;
}

int redwi_result_add_row(redw_result *r, const uint8_t *body, size_t len, uint64_t max_bytes)
{
    size_t n = r->set.ncolumns, cells_bytes = n * sizeof(redw_slice);

    if (r->bytes > max_bytes || len > SIZE_MAX / 2)
        return REDW_EFULL;
    int rc = reserve_index(r, max_bytes);
    if (rc || (rc = reserve(r, cells_bytes + round8(len + 1), max_bytes)) != 0)
        return rc;
    redw_slice *cells = (redw_slice *)(void *)r->room;
    uint8_t *copy = r->room + cells_bytes;
    memcpy(copy, body, len);
    if (!redwi_row_parse(copy, len, cells, n))
        return REDW_EPROTOCOL;
    for (size_t i = 0; i < n; i++) {
        if (cells[i].ptr)
            copy[(size_t)((const uint8_t *)cells[i].ptr - copy) + cells[i].len] = '\0';
    }
    take(r, cells_bytes + round8(len + 1));
    if (r->nrows == 0)
        r->set.first = cells;
    r->index[r->nrows++] = cells;
    return 0;
}

/* Tags whose trailing number counts rows; in any other a number is something else. */
int64_t redwi_tag_affected(const char *tag, size_t len)
{
    static const char counting[][8] = {"INSERT ", "UPDATE ", "DELETE ", "SELECT ", "MERGE ", "COPY ", "FETCH ", "MOVE "};

    for (size_t i = 0; i < sizeof counting / sizeof *counting; i++) {
        size_t n = i < 4 ? 7 : strlen(counting[i]);
        if (len > n && (tag[0] | 0x20) == (counting[i][0] | 0x20) && strncasecmp(tag, counting[i], n) == 0)
            return redwi_be_tag_count(tag, len);
    }
    return -1;
}

void redwi_result_tag(redw_result *r, const char *tag, size_t len)
{
    size_t n = len < sizeof r->tag - 1 ? len : sizeof r->tag - 1;

    memcpy(r->tag, tag, n);
    r->tag[n] = '\0';
    r->affected = n == len ? redwi_tag_affected(tag, len) : -1;
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
    return r->affected;
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
    redw_rows rows = redw_result_rows(r);

    return !r->error && redw_rows_next(&rows, row);
}

redw_result *redw_result_keep(const redw_result *r)
{
    redw_result *kept = (redw_result *)(uintptr_t)r;

    atomic_fetch_add_explicit(&kept->refs, 1, memory_order_relaxed);
    return kept;
}

void redw_result_release(redw_result *r)
{
    if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct redw_allocator mem = r->mem;
    while (r->chunks) {
        struct redwi_chunk *next = r->chunks->next;
        redwi_free(&mem, r->chunks);
        r->chunks = next;
    }
    if (r->index_cap > INDEX_FIRST)
        redwi_free(&mem, r->index);
    for (size_t i = 0; i < r->nnotices; i++)
        redw_error_release(r->notices[i]);
    redwi_free(&mem, r->notices);
    redw_error_release(r->error);
    redwi_free(&mem, r);
}
