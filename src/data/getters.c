/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The typed getters of numbers and text: which C types a column can be read as, and by which decoder.
 * The column's type decides first, whatever the value: a wrong getter is found by the first row, not by
 * the first value that is not NULL. The format is the one the server announced for the column (protocol
 * 5.4), never guessed from the bytes.
 */
#include "data/decode.h"
#include "data/digits.h"
#include "data/numeric.h"
#include "data/row.h"
#include "data/types.h"
#include "wire/cursor.h"
#include <limits.h>

/* Apart, so that the getters of what is met most save no register. */
#define NOINLINE static __attribute__((noinline))

static inline const struct redw_column *column(const redw_row *row, size_t col)
{
    return (const struct redw_column *)row->priv_[0] + col;
}

static inline bool is_whole(const struct redw_column *c)
{
    return c->type >= REDW_SMALLINT && c->type <= REDW_BIGINT;
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

/* A REAL is a float, so its text is read as the nearest one and both forms give the same number. The nearest
 * double is rounded once more: its text lies next to a float (at most nine digits), not so near the middle
 * of two that this could matter. */
static int real(const struct redw_column *c, redw_slice s, double *out)
{
    if (c->binary)
        return s.len == 4 ? redwi_binary_float(s.ptr, s.len, out) : REDW_EPROTOCOL;
    int rc = redwi_text_double(s.ptr, s.len, out);
    if (rc != REDW_OK)
        return rc;
    double wide = *out;
    *out = (double)(float)wide;
    if (__builtin_isinf(*out) && !__builtin_isinf(wide)) {
        *out = 0;
        return REDW_ERANGE;
    }
    return REDW_OK;
}

static int wide(const struct redw_column *c, redw_slice s, double *out)
{
    if (!c->binary)
        return redwi_text_double(s.ptr, s.len, out);
    return s.len == 8 ? redwi_binary_float(s.ptr, s.len, out) : REDW_EPROTOCOL;
}

/* An OID, transaction or command number: unsigned, 4 bytes; 8 are met on Redshift. */
static int oid(const struct redw_column *c, redw_slice s, int64_t *out)
{
    *out = 0;
    if (!c->binary)
        return redwi_text_int64(s.ptr, s.len, out);
    if (s.len == 4)
        *out = redwi_load32((const uint8_t *)s.ptr);
    else if (s.len == 8)
        return redwi_binary_int(s.ptr, s.len, out);
    return s.len == 4 ? REDW_OK : REDW_EPROTOCOL;
}

/* NUMERIC. Servers whose binary form cannot be trusted are not asked for it; one that sends it
 * unasked is not believed (protocol 5.4): the getters refuse it before they come here. */
static int numeric(const struct redw_column *c, redw_slice s, redw_decimal *out)
{
    if (!c->binary)
        return redwi_numeric_text(s.ptr, s.len, out);
    if (redwi_column_server(c) == REDWI_POSTGRES)
        return redwi_numeric_postgres(s.ptr, s.len, out);
    return redwi_numeric_redshift(s.ptr, s.len, c->scale < 0 ? 0 : (unsigned)c->scale, out);
}

static int numeric_int64(const struct redw_column *c, redw_slice s, int64_t *out)
{
    redw_decimal d;
    if (!c->binary)
        return redwi_text_whole(s.ptr, s.len, out);
    int rc = numeric(c, s, &d);
    return rc == REDW_OK ? redw_decimal_scaled(d, 0, out) : rc;
}

static int numeric_double(const struct redw_column *c, redw_slice s, double *out)
{
    redw_decimal d;
    if (!c->binary)
        return redwi_text_double(s.ptr, s.len, out);
    if (redwi_column_server(c) == REDWI_POSTGRES)
        return redwi_numeric_postgres_double(s.ptr, s.len, out);
    int rc = numeric(c, s, &d);
    if (rc == REDW_OK)
        *out = redwi_numeric_to_double(d);
    return rc;
}

/* NUMERIC is there, but in a form that is not believed: said of NULL too. */
static inline bool is_unreadable(const struct redw_column *c)
{
    return c->binary && redwi_column_server(c) == REDWI_REDSHIFT_BASE;
}

NOINLINE int any_bool(const redw_row *row, size_t col, bool *out)
{
    *out = false;
    if (col >= row->ncells)
        return REDW_ECOLUMN;
    const struct redw_column *c = column(row, col);
    const redw_slice *cell = &row->cells[col];
    if (c->type != REDW_BOOLEAN)
        return REDW_ETYPE;
    if (!cell->ptr)
        return REDW_NULL;
    return c->binary ? redwi_binary_bool(cell->ptr, cell->len, out)
                     : redwi_text_bool(cell->ptr, cell->len, out);
}

/*
 * Each of the next five looks first at what it is mostly asked for, a value of its own type: one look at the form,
 * one at the length, 17 to 20 instructions in binary where the general way takes 50. That one, apart, decides all else.
 */

int redw_row_bool(const redw_row *row, size_t col, bool *out)
{
    unsigned form = redwi_row_form(row, col);
    if (form == redwi_form(REDW_BOOLEAN, true)) {
        const redw_slice *cell = &row->cells[col];
        if (cell->len == 1 && (unsigned char)*cell->ptr <= 1) {
            memcpy(out, cell->ptr, 1);
            return REDW_OK;
        }
    } else if (form == redwi_form(REDW_BOOLEAN, false)) {
        const redw_slice *cell = &row->cells[col];
        /* Which of the two it is decides no branch: half of them would be mispredicted. */
        unsigned above_f = cell->len == 1 ? (unsigned char)*cell->ptr - (unsigned)'f' : UINT_MAX;
        if (above_f <= 't' - 'f' && ((1U << ('t' - 'f') | 1U) >> above_f & 1U) != 0) {
            *out = above_f != 0;
            return REDW_OK;
        }
    }
    return any_bool(row, col, out);
}

NOINLINE int any_int32(const redw_row *row, size_t col, int32_t *out)
{
    *out = 0;
    if (col >= row->ncells)
        return REDW_ECOLUMN;
    const struct redw_column *c = column(row, col);
    redw_slice s = row->cells[col];
    if (!is_whole(c))
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

int redw_row_int32(const redw_row *row, size_t col, int32_t *out)
{
    unsigned form = redwi_row_form(row, col);
    if (form == redwi_form(REDW_INTEGER, true)) {
        const redw_slice *cell = &row->cells[col];
        if (cell->len == 4) {
            *out = (int32_t)redwi_load32((const uint8_t *)cell->ptr);
            return REDW_OK;
        }
    } else if (form == redwi_form(REDW_INTEGER, false)) {
        const redw_slice *cell = &row->cells[col];
        int64_t v;
        if (redwi_led_int64(cell->ptr, cell->len, &v) && v == (int32_t)v) {
            *out = (int32_t)v;
            return REDW_OK;
        }
    }
    return any_int32(row, col, out);
}

NOINLINE int any_int64(const redw_row *row, size_t col, int64_t *out)
{
    *out = 0;
    if (col >= row->ncells)
        return REDW_ECOLUMN;
    const struct redw_column *c = column(row, col);
    redw_slice s = row->cells[col];
    if (is_whole(c))
        return s.ptr ? integer(c, s, out) : REDW_NULL;
    switch (c->type) {
    case REDW_OID:
        return s.ptr ? oid(c, s, out) : REDW_NULL;
    case REDW_NUMERIC:
        if (is_unreadable(c))
            return REDW_ETYPE;
        return s.ptr ? numeric_int64(c, s, out) : REDW_NULL;
    default:
        return REDW_ETYPE;
    }
}

int redw_row_int64(const redw_row *row, size_t col, int64_t *out)
{
    unsigned form = redwi_row_form(row, col);
    if (form == redwi_form(REDW_BIGINT, true)) {
        const redw_slice *cell = &row->cells[col];
        if (cell->len == 8) {
            *out = (int64_t)redwi_load64((const uint8_t *)cell->ptr);
            return REDW_OK;
        }
    } else if (form == redwi_form(REDW_BIGINT, false)) {
        const redw_slice *cell = &row->cells[col];
        if (cell->len > 16 ? redwi_led_long_int64(cell->ptr, cell->len, out)
                           : redwi_led_int64(cell->ptr, cell->len, out))
            return REDW_OK;
        if (cell->len > 16)
            return redwi_text_int64(cell->ptr, cell->len, out);
    }
    return any_int64(row, col, out);
}

NOINLINE int any_double(const redw_row *row, size_t col, double *out)
{
    *out = 0;
    if (col >= row->ncells)
        return REDW_ECOLUMN;
    const struct redw_column *c = column(row, col);
    redw_slice s = row->cells[col];
    switch (c->type) {
    case REDW_REAL:
        return s.ptr ? real(c, s, out) : REDW_NULL;
    case REDW_DOUBLE:
        return s.ptr ? wide(c, s, out) : REDW_NULL;
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
        if (is_unreadable(c))
            return REDW_ETYPE;
        return s.ptr ? numeric_double(c, s, out) : REDW_NULL;
    default:
        return REDW_ETYPE;
    }
}

int redw_row_double(const redw_row *row, size_t col, double *out)
{
    unsigned form = redwi_row_form(row, col);
    if (form == redwi_form(REDW_DOUBLE, true)) {
        const redw_slice *cell = &row->cells[col];
        if (cell->len == sizeof *out) {
            uint64_t bits = redwi_load64((const uint8_t *)cell->ptr);
            memcpy(out, &bits, sizeof *out);
            return REDW_OK;
        }
    } else if (form == redwi_form(REDW_DOUBLE, false)) {
        const redw_slice *cell = &row->cells[col];
        if (cell->ptr)
            return redwi_led_double(cell->ptr, cell->len, out);
    }
    return any_double(row, col, out);
}

/* A precision below the scale (PostgreSQL 15) or above 38 digits says nothing about a value. */
static inline uint8_t precision_of(const struct redw_column *c, unsigned scale)
{
    unsigned precision = (unsigned)c->precision;
    return precision - scale <= REDWI_NUMERIC_DIGITS - scale ? (uint8_t)precision : 0;
}

NOINLINE int any_decimal(const redw_row *row, size_t col, redw_decimal *out)
{
    *out = (redw_decimal){0};
    if (col >= row->ncells)
        return REDW_ECOLUMN;
    const struct redw_column *c = column(row, col);
    redw_slice s = row->cells[col];
    if (is_whole(c)) {
        int64_t whole;
        int rc = s.ptr ? integer(c, s, &whole) : REDW_NULL;
        if (rc == REDW_OK)
            *out = redwi_numeric_of_int64(whole);
        return rc;
    }
    if (c->type != REDW_NUMERIC || is_unreadable(c))
        return REDW_ETYPE;
    if (!s.ptr)
        return REDW_NULL;
    int rc = numeric(c, s, out);
    if (rc == REDW_OK)
        out->precision = precision_of(c, out->scale);
    return rc;
}

int redw_row_decimal(const redw_row *row, size_t col, redw_decimal *out)
{
    unsigned form = redwi_row_form(row, col);
    if (form == redwi_form(REDW_NUMERIC, false)) {
        const redw_slice *cell = &row->cells[col];
        uint64_t v;
        unsigned scale;
        bool negative;
        if (redwi_led_number(cell->ptr, cell->len, &v, &scale, &negative)) {
            *out = (redw_decimal){
                .lo = v,
                .scale = (uint8_t)scale,
                .precision = precision_of(column(row, col), scale),
                .negative = negative & (v != 0),
            };
            return REDW_OK;
        }
    } else if (form == redwi_form(REDW_NUMERIC, true) && redwi_column_server(column(row, col)) == REDWI_POSTGRES) {
        const redw_slice *cell = &row->cells[col];
        if (redwi_numeric_postgres(cell->ptr, cell->len, out) == REDW_OK) {
            out->precision = precision_of(column(row, col), out->scale);
            return REDW_OK;
        }
    }
    return any_decimal(row, col, out);
}

/* Types whose binary form is their text (protocol 5.4); those of type VARCHAR are known already. */
static bool is_text(const struct redw_column *c)
{
    switch (c->oid) {
    case 18:   /* "char" */
    case 142:  /* xml */
    case 1033: /* aclitem: Redshift sends text, PostgreSQL has no binary form */
    case 1790: /* refcursor */
    case 2275: /* cstring */
        return true;
    default:
        return c->type == REDW_CHAR || c->type == REDW_SUPER || c->type == REDW_JSON ||
               c->type == REDW_HLLSKETCH;
    }
}

/* jsonb's text has its version before it. */
static int binary_text(const struct redw_column *c, redw_slice s, redw_slice *out)
{
    if (!is_text(c))
        return REDW_ETYPE;
    if (!s.ptr)
        return REDW_NULL;
    if (c->oid == REDWI_OID_JSONB) {
        if (s.len == 0 || *s.ptr != 1)
            return REDW_EPROTOCOL;
        s.ptr++;
        s.len--;
    }
    *out = s;
    return REDW_OK;
}

NOINLINE int other_text(const redw_row *row, size_t col, redw_slice *out)
{
    *out = (redw_slice){NULL, 0};
    if (col >= row->ncells)
        return REDW_ECOLUMN;
    const struct redw_column *c = column(row, col);
    if (c->binary && c->type != REDW_VARCHAR)
        return binary_text(c, row->cells[col], out);
    if (!row->cells[col].ptr)
        return REDW_NULL;
    *out = row->cells[col];
    return REDW_OK;
}

int redw_row_text(const redw_row *row, size_t col, redw_slice *out)
{
    if (redwi_row_form(row, col) & 1) {
        const redw_slice *cell = &row->cells[col];
        const char *p = cell->ptr;
        if (p) {
            /* One by one: the two words were written so just now, and a load of both would wait for them. */
            out->ptr = p;
            out->len = cell->len;
            return REDW_OK;
        }
    }
    return other_text(row, col, out);
}
