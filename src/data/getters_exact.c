/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The typed getters of dates, times, intervals, bytes and UUIDs. As in getters.c the column's type
 * decides first, and the format is the one announced.
 */
#include "data/bytes.h"
#include "data/datetime.h"
#include "data/interval.h"
#include "data/moment.h"
#include "data/row.h"
#include "data/types.h"
#include "wire/cursor.h"

struct value {
    const struct redw_column *column;
    const char *ptr;
    size_t len;
};

/* The cell, whatever its type; REDW_ECOLUMN. A value that is NULL has no ptr. */
static inline int cell(const redw_row *row, size_t col, struct value *out)
{
    if (col >= row->ncells)
        return REDW_ECOLUMN;
    *out = (struct value){
        .column = (const struct redw_column *)row->priv_[0] + col,
        .ptr = row->cells[col].ptr,
        .len = row->cells[col].len,
    };
    return REDW_OK;
}

/* The cell of a column of this type. */
static inline int cell_of(const redw_row *row, size_t col, enum redw_type type, struct value *out)
{
    int rc = cell(row, col, out);
    if (rc != REDW_OK)
        return rc;
    if (out->column->type != type)
        return REDW_ETYPE;
    return out->ptr ? REDW_OK : REDW_NULL;
}

/* Apart, so that what is met most saves no register. */
#define NOINLINE static __attribute__((noinline))

NOINLINE int any_date(const redw_row *row, size_t col, redw_date *out)
{
    struct value v;
    *out = (redw_date){0};
    int rc = cell_of(row, col, REDW_DATE, &v);
    if (rc != REDW_OK)
        return rc;
    return v.column->binary ? redwi_binary_date(v.ptr, v.len, out) : redwi_text_date(v.ptr, v.len, out);
}

/* At once what is like nearly all; so it is with the timestamps. NULL has no length that a date has. */
int redw_row_date(const redw_row *row, size_t col, redw_date *out)
{
    unsigned form = redwi_row_form(row, col);
    if (form == redwi_form(REDW_DATE, false)) {
        const redw_slice *cell = &row->cells[col];
        if (redwi_fast_day(cell->ptr, cell->len, &out->days))
            return REDW_OK;
    } else if (form == redwi_form(REDW_DATE, true)) {
        const redw_slice *cell = &row->cells[col];
        if (redwi_fast_binary_day(cell->ptr, cell->len, &out->days))
            return REDW_OK;
    }
    return any_date(row, col, out);
}

int redw_row_time(const redw_row *row, size_t col, redw_time *out)
{
    struct value v;
    *out = (redw_time){0};
    int rc = cell_of(row, col, REDW_TIME, &v);
    if (rc != REDW_OK)
        return rc;
    return v.column->binary ? redwi_binary_time(v.ptr, v.len, out) : redwi_text_time(v.ptr, v.len, out);
}

int redw_row_timetz(const redw_row *row, size_t col, redw_timetz *out)
{
    struct value v;
    *out = (redw_timetz){0};
    int rc = cell_of(row, col, REDW_TIMETZ, &v);
    if (rc != REDW_OK)
        return rc;
    return v.column->binary ? redwi_binary_timetz(v.ptr, v.len, out)
                            : redwi_text_timetz(v.ptr, v.len, out);
}

NOINLINE int any_timestamp(const redw_row *row, size_t col, redw_timestamp *out)
{
    struct value v;
    *out = (redw_timestamp){0};
    int rc = cell_of(row, col, REDW_TIMESTAMP, &v);
    if (rc != REDW_OK)
        return rc;
    return v.column->binary ? redwi_binary_timestamp(v.ptr, v.len, out)
                            : redwi_text_timestamp(v.ptr, v.len, out);
}

int redw_row_timestamp(const redw_row *row, size_t col, redw_timestamp *out)
{
    unsigned form = redwi_row_form(row, col);
    if (form == redwi_form(REDW_TIMESTAMP, false)) {
        const redw_slice *cell = &row->cells[col];
        if (redwi_fast_moment(cell->ptr, cell->len, &out->us))
            return REDW_OK;
    } else if (form == redwi_form(REDW_TIMESTAMP, true)) {
        const redw_slice *cell = &row->cells[col];
        if (redwi_fast_binary_moment(cell->ptr, cell->len, &out->us))
            return REDW_OK;
    }
    return any_timestamp(row, col, out);
}

/* abstime, of Redshift's catalogue: seconds since 1970, with three values of their own (nabstime.h of
 * PostgreSQL 8.0: INVALID, NOEND, NOSTART). */
static int binary_abstime(const char *p, size_t n, redw_timestamptz *out)
{
    if (n != 4)
        return REDW_EPROTOCOL;
    int32_t seconds = (int32_t)redwi_load32((const uint8_t *)p);
    if (seconds == 0x7ffffffe)
        return REDW_ERANGE;
    if (seconds == 0x7ffffffc)
        out->us = INT64_MAX;
    else if (seconds == INT32_MIN)
        out->us = INT64_MIN;
    else
        out->us = seconds * INT64_C(1000000);
    return REDW_OK;
}

NOINLINE int any_timestamptz(const redw_row *row, size_t col, redw_timestamptz *out)
{
    struct value v;
    *out = (redw_timestamptz){0};
    int rc = cell_of(row, col, REDW_TIMESTAMPTZ, &v);
    if (rc != REDW_OK)
        return rc;
    if (!v.column->binary)
        return redwi_text_timestamptz(v.ptr, v.len, out);
    if (v.column->oid == REDWI_OID_ABSTIME)
        return binary_abstime(v.ptr, v.len, out);
    return redwi_binary_timestamptz(v.ptr, v.len, out);
}

int redw_row_timestamptz(const redw_row *row, size_t col, redw_timestamptz *out)
{
    if (redwi_row_form(row, col) == redwi_form(REDW_TIMESTAMPTZ, true)) {
        const redw_slice *cell = &row->cells[col];
        if (redwi_fast_binary_moment(cell->ptr, cell->len, &out->us))
            return REDW_OK;
    }
    return any_timestamptz(row, col, out);
}

int redw_row_interval(const redw_row *row, size_t col, redw_interval *out)
{
    struct value v;
    *out = (redw_interval){0};
    int rc = cell(row, col, &v);
    if (rc != REDW_OK)
        return rc;
    enum redw_type type = v.column->type;
    if (type != REDW_INTERVAL && type != REDW_INTERVAL_YM && type != REDW_INTERVAL_DS)
        return REDW_ETYPE;
    if (!v.ptr)
        return REDW_NULL;
    bool binary = v.column->binary;
    if (type == REDW_INTERVAL_YM)
        return binary ? redwi_binary_interval_ym(v.ptr, v.len, out)
                      : redwi_text_interval_ym(v.ptr, v.len, out);
    if (type == REDW_INTERVAL_DS)
        return binary ? redwi_binary_interval_ds(v.ptr, v.len, out)
                      : redwi_text_interval_ds(v.ptr, v.len, out);
    if (!binary)
        return redwi_text_interval(v.ptr, v.len, out);
    return redwi_column_server(v.column) == REDWI_POSTGRES ? redwi_interval_postgres(v.ptr, v.len, out)
                                                           : redwi_interval_redshift(v.ptr, v.len, out);
}

int redw_row_uuid(const redw_row *row, size_t col, uint8_t out[16])
{
    struct value v;
    memset(out, 0, 16);
    int rc = cell_of(row, col, REDW_UUID, &v);
    if (rc != REDW_OK)
        return rc;
    if (!v.column->binary)
        return redwi_text_uuid(v.ptr, v.len, out);
    if (v.len != 16)
        return REDW_EPROTOCOL;
    memcpy(out, v.ptr, 16);
    return REDW_OK;
}

int redw_row_bytes(const redw_row *row, size_t col, void *room, size_t room_bytes, redw_slice *out)
{
    struct value v;
    *out = (redw_slice){NULL, 0};
    int rc = cell(row, col, &v);
    if (rc != REDW_OK)
        return rc;
    enum redw_type type = v.column->type;
    if (type != REDW_VARBYTE && type != REDW_GEOMETRY && type != REDW_GEOGRAPHY)
        return REDW_ETYPE;
    if (!v.ptr)
        return REDW_NULL;
    if (v.column->binary) {
        *out = (redw_slice){v.ptr, v.len};
        return REDW_OK;
    }
    if (v.column->oid == REDWI_OID_BYTEA)
        rc = redwi_text_bytea(v.ptr, v.len, room, room_bytes, &out->len);
    else
        rc = redwi_text_hex(v.ptr, v.len, room, room_bytes, &out->len);
    if (rc == REDW_OK)
        out->ptr = out->len > 0 ? room : ""; /* not NULL, though the room may be */
    return rc;
}
