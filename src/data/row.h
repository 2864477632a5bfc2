/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows as views: the walk over DataRow messages in the receive buffer, and the cursor of kept rows.
 * redw_rows_next() is the hot path of the library: one pass over a message, bounds checked against the
 * message's end, no call per column.
 *
 * redw_rows:  priv_[0] position, priv_[1] end, priv_[2] rowset;  kept: priv_[0] next index entry, left_.
 * redw_row:   priv_[0] the columns, priv_[1] rowset.
 */
#ifndef REDWI_DATA_ROW_H
#define REDWI_DATA_ROW_H

#include "data/types.h"
#include <redw/result.h>

/* What the rows of one statement share. */
struct redwi_rowset {
    const struct redw_column *columns;
    size_t ncolumns;
    redw_slice *cells; /* streaming: room for one row's views; NULL in kept results */
    uint64_t taken;    /* streaming: rows handed out so far */
    const redw_slice *first; /* kept: the first row's cells */
    bool corrupt;      /* streaming: a malformed DataRow was met */
};

/* Before each cell of a result are so many bytes that may be read, whatever they are: in a DataRow its type,
 * length and number of columns and the cell's length, in a kept row the last of its views instead of the first
 * two. Cells made otherwise, of the elements of an array, are told by their column, which has no form. */
enum { REDWI_LEAD = 7 };

/* The form (data/types.h) of the cells of a column; 0 beyond the last. Written so, gcc's code for each getter is
 * one instruction shorter; a number, as a row of no columns has none to point at. */
static inline unsigned redwi_row_form(const redw_row *row, size_t col)
{
    uintptr_t first = (uintptr_t)row->priv_[0] + offsetof(struct redw_column, priv_[REDWI_COLUMN_FORM]);
    return col < row->ncells ? *(const uint8_t *)(first + col * sizeof(struct redw_column)) : 0;
}

/* A cursor over whole DataRow messages from p on; it stops before the first thing that is not one. */
redw_rows redwi_rows_streamed(struct redwi_rowset *set, const uint8_t *p, const uint8_t *end);
const uint8_t *redwi_rows_at(const redw_rows *it); /* how far it came */
bool redwi_rows_left(const redw_rows *it);         /* another whole row is there */

/* A row that redw_rows_next() gave is the first of its result. */
static inline bool redwi_row_is_first(const redw_row *row)
{
    const struct redwi_rowset *set = row->priv_[1];
    return set && (set->cells ? set->taken == 1 : set->first == row->cells);
}

/* A cursor over n kept rows: index[i] points at the row's cells. */
redw_rows redwi_rows_kept(struct redwi_rowset *set, redw_slice *const *index, uint64_t n);

#endif
