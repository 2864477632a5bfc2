/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows into structs. Which column goes with which member is decided by the first row, in words that name
 * both; every row goes through the typed getters, so that a type can be wrong in no row at all.
 */
#include "data/row.h"
#include "data/types.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* By redw_as; room: the size of such a member, 0: any. */
static const struct {
    const char *name;
    size_t room;
} kinds[] = {
    [REDW_AS_BOOL] = {"bool", sizeof(bool)},
    [REDW_AS_INT32] = {"int32", sizeof(int32_t)},
    [REDW_AS_INT64] = {"int64", sizeof(int64_t)},
    [REDW_AS_DOUBLE] = {"double", sizeof(double)},
    [REDW_AS_DECIMAL] = {"decimal", sizeof(redw_decimal)},
    [REDW_AS_DATE] = {"date", sizeof(redw_date)},
    [REDW_AS_TIME] = {"time", sizeof(redw_time)},
    [REDW_AS_TIMETZ] = {"timetz", sizeof(redw_timetz)},
    [REDW_AS_TIMESTAMP] = {"timestamp", sizeof(redw_timestamp)},
    [REDW_AS_TIMESTAMPTZ] = {"timestamptz", sizeof(redw_timestamptz)},
    [REDW_AS_INTERVAL] = {"interval", sizeof(redw_interval)},
    [REDW_AS_SLICE] = {"text", sizeof(redw_slice)},
    [REDW_AS_CHARS] = {"text", 0},
};
enum { NKINDS = sizeof kinds / sizeof *kinds };

static int refuse(struct redw_diag *why, int code, const char *fmt, ...) REDW_PRINTF(3, 4);
static int refuse(struct redw_diag *why, int code, const char *fmt, ...)
{
    va_list args;
    if (!why)
        return code;
    why->code = code;
    va_start(args, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, args);
    va_end(args);
    return code;
}

static int wrong_type(struct redw_diag *why, const struct redw_column *c, const struct redw_field *f)
{
    char type[REDWI_TYPE_CHARS];
    return refuse(why, REDW_ETYPE, "column %s: %s, wanted %s", c->name, redwi_column_type_text(c, type),
                  kinds[f->as].name);
}

/* What only the first row is asked: that the map is sound, and says what the columns say. */
static int check(const struct redw_column *columns, size_t ncolumns, const struct redw_field *map, size_t n,
                 struct redw_diag *why)
{
    if (n != ncolumns)
        return refuse(why, REDW_ECOLUMN, "the result has %zu columns, the map %zu fields", ncolumns, n);
    for (size_t i = 0; i < n; i++) {
        const struct redw_field *f = &map[i];
        const struct redw_column *c = &columns[i];
        if ((unsigned)f->as == 0 || (unsigned)f->as >= NKINDS)
            return refuse(why, REDW_EINVAL, "field %s: no such kind of member (text needs a char array)",
                          f->column);
        if (kinds[f->as].room ? f->room != kinds[f->as].room : f->room == 0)
            return refuse(why, REDW_EINVAL, "field %s: a member of %zu bytes is no %s", f->column, f->room,
                          kinds[f->as].name);
        if (strcmp(c->name, f->column) != 0)
            return refuse(why, REDW_ECOLUMN, "column %zu is %s, wanted %s", i + 1, c->name, f->column);
        /* A getter would take those values that are whole, and so fail at some later row. */
        if (c->type == REDW_NUMERIC && c->scale > 0 && f->as == REDW_AS_INT64)
            return wrong_type(why, c, f);
    }
    return REDW_OK;
}

/* Text with a NUL; *len is what it takes without. */
static int into_chars(const redw_row *row, size_t col, char *to, size_t room, size_t *len)
{
    redw_slice text;
    int rc = redw_row_text(row, col, &text);
    *len = text.len;
    *to = '\0';
    if (rc != REDW_OK)
        return rc;
    if (text.len >= room)
        return REDW_EFULL;
    memcpy(to, text.ptr, text.len);
    to[text.len] = '\0';
    return REDW_OK;
}

static int into_member(const redw_row *row, size_t col, const struct redw_field *f, void *to, size_t *len)
{
    switch (f->as) {
    case REDW_AS_BOOL:
        return redw_row_bool(row, col, to);
    case REDW_AS_INT32:
        return redw_row_int32(row, col, to);
    case REDW_AS_INT64:
        return redw_row_int64(row, col, to);
    case REDW_AS_DOUBLE:
        return redw_row_double(row, col, to);
    case REDW_AS_DECIMAL:
        return redw_row_decimal(row, col, to);
    case REDW_AS_DATE:
        return redw_row_date(row, col, to);
    case REDW_AS_TIME:
        return redw_row_time(row, col, to);
    case REDW_AS_TIMETZ:
        return redw_row_timetz(row, col, to);
    case REDW_AS_TIMESTAMP:
        return redw_row_timestamp(row, col, to);
    case REDW_AS_TIMESTAMPTZ:
        return redw_row_timestamptz(row, col, to);
    case REDW_AS_INTERVAL:
        return redw_row_interval(row, col, to);
    case REDW_AS_SLICE:
        return redw_row_text(row, col, to);
    case REDW_AS_CHARS:
        return into_chars(row, col, to, f->room, len);
    }
    return REDW_EINVAL;
}

/* Why a column could not be read, in words. */
static int explain(const redw_row *row, size_t col, const struct redw_field *f, int rc, size_t len,
                   struct redw_diag *why)
{
    char type[REDWI_TYPE_CHARS];
    if (col >= row->ncells)
        return refuse(why, REDW_ECOLUMN, "column %s: the row has %zu", f->column, row->ncells);
    const struct redw_column *c = (const struct redw_column *)row->priv_[0] + col;
    switch (rc) {
    case REDW_NULL:
        return refuse(why, REDW_ETYPE, "column %s: NULL, wanted %s", c->name, kinds[f->as].name);
    case REDW_ETYPE:
        return wrong_type(why, c, f);
    case REDW_ERANGE:
        return refuse(why, rc, "column %s: out of range, wanted %s", c->name, kinds[f->as].name);
    case REDW_EFULL:
        return refuse(why, rc, "column %s: %zu bytes, room for %zu", c->name, len, f->room - 1);
    case REDW_EINVAL:
        return refuse(why, rc, "field %s: no such kind of member", f->column);
    default:
        return refuse(why, rc, "column %s: not a value of type %s", c->name,
                      redwi_column_type_text(c, type));
    }
}

int redw_row_into(const redw_row *row, const struct redw_field *map, size_t n, void *out,
                  struct redw_diag *why)
{
    if (redwi_row_is_first(row)) {
        int rc = check(row->priv_[0], row->ncells, map, n, why);
        if (rc != REDW_OK)
            return rc;
    }
    for (size_t i = 0; i < n; i++) {
        const struct redw_field *f = &map[i];
        size_t len = 0;
        int rc = into_member(row, i, f, (char *)out + f->offset, &len);
        if (f->null_offset != REDW_NOT_NULL && rc >= 0) {
            *(bool *)(void *)((char *)out + f->null_offset) = rc == REDW_NULL;
            continue;
        }
        if (rc != REDW_OK)
            return explain(row, i, f, rc, len, why);
    }
    return REDW_OK;
}
