/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over DataRow messages: Byte1('D') Int32 length Int16 columns, then per column Int32 length
 * (-1: NULL) and so many bytes. One pass; each byte of framing is looked at once, each value not at all.
 *
 * Invariant: a cursor's position is always at a message's first byte, and moves over whole messages
 * that were found sound only. A kept cursor is told by its missing end.
 */
#include "data/row.h"

#include "wire/cursor.h"

enum {
    POSITION = 0, /* of redw_rows.priv_ */
    END = 1,
    ROWSET = 2,
    HEADER = 7, /* type, length, number of columns */
};

/* The bytes of the whole DataRow at p, or 0: there is none. The length is a signed Int32 (its highest
 * bit makes it negative), which keeps cell lengths below -1 from passing as large ones. */
static inline size_t message_at(const uint8_t *p, const uint8_t *end)
{
    size_t left = (size_t)(end - p);
    if (left < HEADER || *p != 'D')
        return 0;
    uint32_t len = redwi_load32(p + 1);
    if ((int32_t)len < HEADER - 1 || len > left - 1)
        return 0;
    return (size_t)len + 1;
}

/* Fills n cells from p; true when the last one ends exactly at the end. Every cell's length word is paid
 * for in advance: `left` is what the values may still take, so that a value within it leaves the words
 * behind it within the message, and one comparison per cell is enough. */
static inline bool walk(const uint8_t *p, const uint8_t *end, redw_slice *cell, size_t n)
{
    int64_t left = end - p - 4 * (int64_t)n;
    if (left < 0)
        return false;
    for (; n > 0; n--, cell++) {
        int64_t len = redwi_load32(p);
        p += 4;
        if (__builtin_expect(len > left, 0)) {
            if (len != UINT32_MAX)
                return false;
            *cell = (redw_slice){NULL, 0};
            continue;
        }
        *cell = (redw_slice){(const char *)p, (size_t)len};
        p += len;
        left -= len;
    }
    return left == 0;
}

bool redwi_row_parse(const uint8_t *body, size_t len, redw_slice *cells, size_t ncells)
{
    if (len < 2 || len > INT32_MAX || redwi_load16(body) != ncells)
        return false;
    return walk(body + 2, body + len, cells, ncells);
}

redw_rows redwi_rows_streamed(struct redwi_rowset *set, const uint8_t *p, const uint8_t *end)
{
    return (redw_rows){.priv_ = {p, end, set}};
}

const uint8_t *redwi_rows_at(const redw_rows *it)
{
    return it->priv_[POSITION];
}

bool redwi_rows_left(const redw_rows *it)
{
    return it->priv_[END] ? message_at(it->priv_[POSITION], it->priv_[END]) != 0 : it->left_ != 0;
}

redw_rows redwi_rows_kept(struct redwi_rowset *set, redw_slice *const *index, uint64_t n)
{
    return (redw_rows){.priv_ = {index, NULL, set}, .left_ = n};
}

static bool next_kept(redw_rows *it, redw_row *row)
{
    const struct redwi_rowset *set = it->priv_[ROWSET];
    redw_slice *const *index = it->priv_[POSITION];
    if (it->left_ == 0)
        return false;
    row->cells = *index;
    row->ncells = set->ncolumns;
    row->priv_[0] = set->columns;
    row->priv_[1] = set;
    it->priv_[POSITION] = index + 1;
    it->left_--;
    return true;
}

bool redw_rows_next(redw_rows *it, redw_row *row)
{
    const uint8_t *p = it->priv_[POSITION], *end = it->priv_[END];
    if (!end)
        return next_kept(it, row);
    size_t len = message_at(p, end);
    if (len == 0)
        return false;
    struct redwi_rowset *set = (struct redwi_rowset *)it->priv_[ROWSET];
    redw_slice *cells = set->cells;
    size_t n = set->ncolumns;
    if (redwi_load16(p + 5) != n || !walk(p + HEADER, p + len, cells, n)) {
        set->corrupt = true;
        return false;
    }
    set->taken++;
    it->priv_[POSITION] = p + len;
    row->cells = cells;
    row->ncells = n;
    row->priv_[0] = set->columns;
    row->priv_[1] = set;
    return true;
}
