/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results: what a statement answered. Columns, rows, tag, notices, or the error.
 */
#ifndef REDW_RESULT_H
#define REDW_RESULT_H

#include <redw/error.h>
#include <redw/value.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct redw_result redw_result;

/* A row: its cells as the server sent them. cells[i] is text unless the request asked for binary
 * (redw_request.wire); ptr NULL is SQL NULL. In a buffered result cells live as long as the result and
 * are followed by a NUL byte; in a stream they live until the next call on the same cursor or the end
 * of the callback, and no NUL follows. Typed getters read both forms. */
typedef struct redw_row {
    const redw_slice *cells;
    size_t ncells;
    const void *priv_[2];
} redw_row;

/* A cursor over rows; a value: copies of a cursor over a buffered result are independent. */
typedef struct redw_rows {
    const void *priv_[4];
    uint64_t left_;
} redw_rows;

struct redw_column {
    const char *name;    /* label, NUL-terminated */
    enum redw_type type;
    uint32_t oid;        /* the server's type OID */
    int32_t typmod;      /* the server's type modifier; -1: none */
    bool binary;         /* raw cells of this column are in the binary format */
};

/* All getters take a result that was received or kept; they cannot fail. */
REDW_API const redw_error *redw_result_error(const redw_result *r);    /* NULL: success */
REDW_API uint64_t redw_result_row_count(const redw_result *r);         /* rows held, or streamed so far */
REDW_API int64_t redw_result_affected(const redw_result *r);           /* -1: the server gave no count */
REDW_API const char *redw_result_tag(const redw_result *r);            /* "INSERT 0 3"; "": none */
REDW_API int64_t redw_result_elapsed_us(const redw_result *r);         /* submit to completion */
REDW_API size_t redw_result_notice_count(const redw_result *r);        /* kept: at most 64, in order */
REDW_API const redw_error *redw_result_notice(const redw_result *r, size_t i); /* NULL beyond the end */
REDW_API size_t redw_result_column_count(const redw_result *r);
REDW_API const struct redw_column *redw_result_column(const redw_result *r, size_t i); /* NULL beyond */
REDW_API int redw_result_find(const redw_result *r, const char *column); /* index, or REDW_ECOLUMN */

/* A cursor before the first row of a buffered result. After an error: the rows that came before it. */
REDW_API redw_rows redw_result_rows(const redw_result *r);

/* The next row into *row, true; or false at the end. *row holds until the next call on `it`. */
REDW_API bool redw_rows_next(redw_rows *it, redw_row *row);

/* The first row of a successful result; false: no rows, or an error (row is then untouched). */
REDW_API bool redw_result_first(const redw_result *r, redw_row *row);

/* Keep what a callback received beyond the callback; release gives it back. Neither fails. A kept
 * result is immutable, outlives the client, and may be read and released on any thread. */
REDW_API redw_result *redw_result_keep(const redw_result *r);
REDW_API void redw_result_release(redw_result *r); /* NULL is allowed */

/*
 * Typed getters. REDW_OK and *out set; REDW_NULL (+1) and *out zeroed for SQL NULL; REDW_ECOLUMN beyond
 * the last column; REDW_ETYPE if the column's type cannot be read so (also where the value is NULL),
 * REDW_ERANGE if the value does not fit, REDW_EPROTOCOL if the server's bytes are not a value of the
 * column's type; *out is then zeroed.
 *
 *   bool    BOOLEAN
 *   int32   SMALLINT, INTEGER, BIGINT in range
 *   int64   SMALLINT, INTEGER, BIGINT; NUMERIC that is a whole number in range (else REDW_ERANGE)
 *   double  REAL, DOUBLE; SMALLINT, INTEGER (exact); BIGINT and NUMERIC nearest
 *   text    every column in the text format; CHAR, VARCHAR and SUPER in both. A view, not a copy.
 *
 * NUMERIC in the binary format is REDW_ETYPE: servers disagree on its layout.
 */
REDW_API REDW_MUST_USE int redw_row_bool(const redw_row *row, size_t col, bool *out);
REDW_API REDW_MUST_USE int redw_row_int32(const redw_row *row, size_t col, int32_t *out);
REDW_API REDW_MUST_USE int redw_row_int64(const redw_row *row, size_t col, int64_t *out);
REDW_API REDW_MUST_USE int redw_row_double(const redw_row *row, size_t col, double *out);
REDW_API REDW_MUST_USE int redw_row_text(const redw_row *row, size_t col, redw_slice *out);

#ifdef __cplusplus
}
#endif
#endif
