/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The typed getters: which C types a column can be read as, and by which decoder. The column's type
 * decides first, whatever the value: a wrong getter is found by the first row, not by the first value
 * that is not NULL. The format is the one the server announced for the column (protocol 5.4), never
 * guessed from the bytes.
 */
#include "data/decode.h"
#include "data/row.h"
#include "data/types.h"

static inline const struct redw_column *column(const redw_row *row, size_t col)
{
    return (const struct redw_column *)row->priv_[0] + col;
}

/* A value of SMALLINT, INTEGER or BIGINT, the wire's width checked against the type. */
static int integer(const struct redw_column *c, redw_slice s, int64_t *out)
{
    if (!c->binary)
        return redwi_text_int64(s.ptr, s.len, out);
    if (s.len != (c->type == REDW_SMALLINT ? 2U : c->type == REDW_INTEGER ? 4U : 8U))
        return REDW_EPROTOCOL;
    return redwi_binary_int(s.ptr, s.len, out);
}

/* A value of REAL or DOUBLE. A REAL is a float, so its text is read as the nearest one and both forms
 * give the same number. The nearest double is rounded once more: its text lies next to a float (at most
 * nine digits), not so near the middle of two that this could matter. */
static int floating(const struct redw_column *c, redw_slice s, double *out)
{
    if (c->binary && s.len != (c->type == REDW_REAL ? 4U : 8U))
        return REDW_EPROTOCOL;
    if (c->binary)
        return redwi_binary_float(s.ptr, s.len, out);
    int rc = redwi_text_double(s.ptr, s.len, out);
    if (rc != REDW_OK || c->type == REDW_DOUBLE)
        return rc;
    double wide = *out;
    *out = (double)(float)wide;
    if (__builtin_isinf(*out) && !__builtin_isinf(wide)) {
        *out = 0;
        return REDW_ERANGE;
    }
    return REDW_OK;
}

int redw_row_bool(const redw_row *row, size_t col, bool *out)
{
    *out = false;
    if (col >= row->ncells)
        return REDW_ECOLUMN;
    const struct redw_column *c = column(row, col);
    redw_slice s = row->cells[col];
    if (c->type != REDW_BOOLEAN)
        return REDW_ETYPE;
    if (!s.ptr)
        return REDW_NULL;
    return c->binary ? redwi_binary_bool(s.ptr, s.len, out) : redwi_text_bool(s.ptr, s.len, out);
}

int redw_row_int32(const redw_row *row, size_t col, int32_t *out)
{
    *out = 0;
    if (col >= row->ncells)
        return REDW_ECOLUMN;
    const struct redw_column *c = column(row, col);
    redw_slice s = row->cells[col];
    if (c->type != REDW_SMALLINT && c->type != REDW_INTEGER && c->type != REDW_BIGINT)
        return REDW_ETYPE;
    if (!s.ptr)
        return REDW_NULL;
    int64_t wide;
    int rc = integer(c, s, &wide);
    if (rc != REDW_OK)
        return rc;
    if (wide < INT32_MIN || wide > INT32_MAX)
        return REDW_ERANGE;
    *out = (int32_t)wide;
    return REDW_OK;
}

int redw_row_int64(const redw_row *row, size_t col, int64_t *out)
{
    *out = 0;
    if (col >= row->ncells)
        return REDW_ECOLUMN;
    const struct redw_column *c = column(row, col);
    redw_slice s = row->cells[col];
    switch (c->type) {
    case REDW_SMALLINT:
    case REDW_INTEGER:
    case REDW_BIGINT:
        return s.ptr ? integer(c, s, out) : REDW_NULL;
    case REDW_NUMERIC:
        /* Binary: PostgreSQL and Redshift disagree on the layout with the same lengths (design H13). */
        if (c->binary)
            return REDW_ETYPE;
        return s.ptr ? redwi_text_whole(s.ptr, s.len, out) : REDW_NULL;
    default:
        return REDW_ETYPE;
    }
}

int redw_row_double(const redw_row *row, size_t col, double *out)
{
    *out = 0;
    if (col >= row->ncells)
        return REDW_ECOLUMN;
    const struct redw_column *c = column(row, col);
    redw_slice s = row->cells[col];
    switch (c->type) {
    case REDW_REAL:
    case REDW_DOUBLE:
        return s.ptr ? floating(c, s, out) : REDW_NULL;
    case REDW_SMALLINT:
    case REDW_INTEGER:
    case REDW_BIGINT: {
        int64_t whole;
        int rc = s.ptr ? integer(c, s, &whole) : REDW_NULL;
        if (rc == REDW_OK)
            *out = (double)whole;
        return rc;
    }
    case REDW_NUMERIC:
        if (c->binary)
            return REDW_ETYPE;
        return s.ptr ? redwi_text_double(s.ptr, s.len, out) : REDW_NULL;
    default:
        return REDW_ETYPE;
    }
}

/* Types whose binary form is their text (protocol 5.4); those of type VARCHAR already are. */
static bool is_text(const struct redw_column *c)
{
    switch (c->oid) {
    case 18:   /* "char" */
    case 114:  /* json */
    case 1790: /* refcursor */
    case 2275: /* cstring */
    case 2935: /* HLLSKETCH: JSON text */
        return true;
    default:
        return c->type == REDW_CHAR || c->type == REDW_VARCHAR || c->type == REDW_SUPER;
    }
}

int redw_row_text(const redw_row *row, size_t col, redw_slice *out)
{
    *out = (redw_slice){NULL, 0};
    if (col >= row->ncells)
        return REDW_ECOLUMN;
    const struct redw_column *c = column(row, col);
    if (c->binary && !is_text(c))
        return REDW_ETYPE;
    *out = row->cells[col];
    return out->ptr ? REDW_OK : REDW_NULL;
}
