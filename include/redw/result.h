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

/* What became of redw_cancel(). How the statement ended, and whether it ran, is the error's to say. */
enum redw_cancel_verdict {
    REDW_CANCEL_NOT_ASKED = 0,  /* the request was not cancelled */
    REDW_CANCEL_STOPPED,        /* the server stopped the statement: SQLSTATE 57014 */
    REDW_CANCEL_FINISHED_FIRST, /* the statement ended by itself, well or with another error */
    REDW_CANCEL_NOT_SENT,       /* it had not been sent, and never will be */
    REDW_CANCEL_REFUSED,        /* the server could not be asked: it gave no key, or the connection for it was
                                   refused, failed, or took too long */
    REDW_CANCEL_UNANSWERED,     /* the request ended before the server's word: it did not obey in time, the
                                   connection broke, the request's deadline passed, a stream was paused */
};

/* A row: its cells as the server sent them. cells[i] is text unless the request asked for binary
 * (redw_request.wire); ptr NULL is SQL NULL. In a buffered result cells live as long as the result and
 * are followed by a NUL byte; in a stream they live until the next call on the same cursor or the end
 * of the callback, and no NUL follows. Typed getters read both forms, and count on where the library put the
 * cells (a few bytes before each may be read): hand them no cells of your own. */
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

/* A column. What a server does not say is -1 or "": PostgreSQL gives neither nullable nor any of the
 * last four, and an expression comes from no table. */
struct redw_column {
    const char *name;    /* label, NUL-terminated, as all texts here */
    enum redw_type type;
    uint32_t oid;        /* the server's type OID */
    int32_t typmod;      /* the server's type modifier; -1: none */
    int precision;       /* NUMERIC: digits; CHAR, VARCHAR, VARBYTE: length; times: fractional digits */
    int scale;           /* NUMERIC: digits behind the point; -1. PostgreSQL's may be negative */
    int nullable;        /* 1 or 0; -1 */
    bool binary;         /* raw cells of this column are in the binary format */
    uint8_t priv_[2];
    const char *catalog, *schema, *table, *base_name; /* where it comes from, and its name there */
};

/* How the rows of a stream are fetched: redw/stream.h. */
enum redw_way {
    REDW_WAY_AUTO = 0, /* rows */
    REDW_WAY_ROWS,     /* as they arrive; a pause stops reading the socket */
    REDW_WAY_CURSOR,   /* DECLARE, FETCH ..., CLOSE */
    REDW_WAY_PORTAL,   /* a named portal, executed with a limit again and again */
};

/* All getters take a result that was received or kept; they cannot fail. */
REDW_API const redw_error *redw_result_error(const redw_result *r);    /* NULL: success */
REDW_API uint64_t redw_result_row_count(const redw_result *r);         /* rows held, or streamed so far */
REDW_API int64_t redw_result_affected(const redw_result *r);           /* -1: the server gave no count */
REDW_API const char *redw_result_tag(const redw_result *r);            /* "INSERT 0 3"; "": none */
/* Submit to completion, without what other callbacks of the same wake-up took. */
REDW_API int64_t redw_result_elapsed_us(const redw_result *r);
REDW_API int64_t redw_result_query_id(const redw_result *r);           /* Redshift's, if the error or a notice
                                                                          names it; else -1 */
REDW_API enum redw_way redw_result_way(const redw_result *r);          /* taken; never AUTO */
REDW_API size_t redw_result_notice_count(const redw_result *r);        /* kept: at most 64, in order */
REDW_API const redw_error *redw_result_notice(const redw_result *r, size_t i); /* NULL beyond the end */
REDW_API size_t redw_result_column_count(const redw_result *r);
REDW_API const struct redw_column *redw_result_column(const redw_result *r, size_t i); /* NULL beyond */
REDW_API int redw_result_find(const redw_result *r, const char *column); /* index, or REDW_ECOLUMN */

/* Of a request that was given up with redw_cancel(), in its final callback. */
REDW_API enum redw_cancel_verdict redw_result_cancel(const redw_result *r);
REDW_API const char *redw_cancel_verdict_name(enum redw_cancel_verdict v); /* "finished_first"; static */

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
 *   bool         BOOLEAN
 *   int32        SMALLINT, INTEGER, BIGINT in range
 *   int64        SMALLINT, INTEGER, BIGINT, OID; NUMERIC that is a whole number in range
 *   double       REAL, DOUBLE; SMALLINT, INTEGER (exact); BIGINT and NUMERIC nearest
 *   text         every column in the text format; CHAR, VARCHAR, JSON, SUPER, HLLSKETCH in both. A view,
 *                not a copy. Blanks that pad a CHAR are part of it
 *   decimal      NUMERIC of 38 digits; SMALLINT, INTEGER, BIGINT. precision is the column's
 *   date         DATE
 *   time         TIME
 *   timetz       TIMETZ
 *   timestamp    TIMESTAMP
 *   timestamptz  TIMESTAMPTZ
 *   interval     INTERVAL, and Redshift's two kinds of it
 *   uuid         UUID, in the order of its text
 *
 * Text must be in DateStyle ISO (the default), with any time zone. A date, time or interval the C type
 * cannot hold is REDW_ERANGE.
 */
REDW_API REDW_MUST_USE int redw_row_bool(const redw_row *row, size_t col, bool *out);
REDW_API REDW_MUST_USE int redw_row_int32(const redw_row *row, size_t col, int32_t *out);
REDW_API REDW_MUST_USE int redw_row_int64(const redw_row *row, size_t col, int64_t *out);
REDW_API REDW_MUST_USE int redw_row_double(const redw_row *row, size_t col, double *out);
REDW_API REDW_MUST_USE int redw_row_text(const redw_row *row, size_t col, redw_slice *out);
REDW_API REDW_MUST_USE int redw_row_decimal(const redw_row *row, size_t col, redw_decimal *out);
REDW_API REDW_MUST_USE int redw_row_date(const redw_row *row, size_t col, redw_date *out);
REDW_API REDW_MUST_USE int redw_row_time(const redw_row *row, size_t col, redw_time *out);
REDW_API REDW_MUST_USE int redw_row_timetz(const redw_row *row, size_t col, redw_timetz *out);
REDW_API REDW_MUST_USE int redw_row_timestamp(const redw_row *row, size_t col, redw_timestamp *out);
REDW_API REDW_MUST_USE int redw_row_timestamptz(const redw_row *row, size_t col, redw_timestamptz *out);
REDW_API REDW_MUST_USE int redw_row_interval(const redw_row *row, size_t col, redw_interval *out);
REDW_API REDW_MUST_USE int redw_row_uuid(const redw_row *row, size_t col, uint8_t out[16]);

/*
 * The bytes of a VARBYTE, GEOMETRY or GEOGRAPHY (EWKB); PostgreSQL: bytea. In the binary format a view;
 * text is decoded into room, which half the cell's length is always enough for. Codes as above, and
 * REDW_EFULL: room is too small; out->len then says how much is needed, out->ptr is NULL. room and cells
 * may not overlap.
 */
REDW_API REDW_MUST_USE int redw_row_bytes(const redw_row *row, size_t col, void *room, size_t room_bytes,
                                          redw_slice *out);

/*
 * The elements of an array (in the catalogue; user tables have none), one by one, each as a row of one
 * cell that the getters above read:
 *
 *     redw_array names;
 *     char room[128];
 *     redw_row name;
 *     if (redw_row_array(&row, 2, &names, room, sizeof room) == REDW_OK)
 *         while (redw_array_next(&names, &name))
 *             ... redw_row_text(&name, 0, &text) ...
 *
 * The whole array is checked first. room holds an element that has escapes in its text, until the next
 * one; NULL and 0 will do for numbers. Codes as above; REDW_EFULL: room is too small for an element;
 * REDW_ETYPE also for more than one dimension.
 */
typedef struct redw_array {
    size_t count; /* elements in all */
    struct redw_column element;
    redw_slice cell_;
    const char *p_, *end_;
    char *room_;
    uint8_t form_;
} redw_array;
REDW_API REDW_MUST_USE int redw_row_array(const redw_row *row, size_t col, redw_array *out, char *room,
                                          size_t room_bytes);
/* The next one, true; or false at the end. *element holds until the next call. */
REDW_API bool redw_array_next(redw_array *it, redw_row *element);

/*
 * A row into a struct. Field i takes column i:
 *
 *     struct sale { int64_t id; redw_decimal revenue; bool no_revenue; char region[16]; };
 *     static const struct redw_field sale_map[] = {
 *         REDW_FIELD(struct sale, id), REDW_FIELD_OR_NULL(struct sale, revenue, no_revenue),
 *         REDW_FIELD(struct sale, region),
 *     };
 *     redw_row_into(&row, sale_map, 3, &sale, &why)
 *
 * On the first row of a result names and types are checked, so that a select list that moved is an error
 * in words and not a wrong number: "column revenue: numeric(38,4), wanted int64". The result must have n
 * columns. Later rows are only converted. A member is written as by the getter of its type; char arrays
 * get text with a NUL, redw_slice a view that lives as long as the row. SQL NULL sets the bool of
 * FIELD_OR_NULL and zeroes the member; without one it is REDW_ETYPE. 0 or a getter's code, REDW_EINVAL
 * for a map that is wrong itself; *why (may be NULL) then says which column and why, and what of *out
 * was written is unspecified. No state is kept anywhere: any thread, any map.
 */
enum redw_as {
    REDW_AS_BOOL = 1,
    REDW_AS_INT32,
    REDW_AS_INT64,
    REDW_AS_DOUBLE,
    REDW_AS_DECIMAL,
    REDW_AS_DATE,
    REDW_AS_TIME,
    REDW_AS_TIMETZ,
    REDW_AS_TIMESTAMP,
    REDW_AS_TIMESTAMPTZ,
    REDW_AS_INTERVAL,
    REDW_AS_SLICE,
    REDW_AS_CHARS,
};
struct redw_field {
    const char *column;
    enum redw_as as;
    size_t offset, room; /* of the member */
    size_t null_offset;  /* of the bool that says NULL; REDW_NOT_NULL: none */
};
#define REDW_NOT_NULL SIZE_MAX
/* A member of any other type does not compile; one that is a char * (no array) is refused by the
 * call. */
#define REDW_AS_(T, m)                                                                              \
    _Generic(&((T *)0)->m, char **: (enum redw_as)0, default: _Generic(((T *)0)->m,                 \
        bool: REDW_AS_BOOL, int32_t: REDW_AS_INT32, int64_t: REDW_AS_INT64, double: REDW_AS_DOUBLE, \
        redw_decimal: REDW_AS_DECIMAL, redw_date: REDW_AS_DATE, redw_time: REDW_AS_TIME,            \
        redw_timetz: REDW_AS_TIMETZ, redw_timestamp: REDW_AS_TIMESTAMP,                             \
        redw_timestamptz: REDW_AS_TIMESTAMPTZ, redw_interval: REDW_AS_INTERVAL,                     \
        redw_slice: REDW_AS_SLICE, char *: REDW_AS_CHARS))
#define REDW_FIELD(T, m) {#m, REDW_AS_(T, m), offsetof(T, m), sizeof(((T *)0)->m), REDW_NOT_NULL}
#define REDW_FIELD_OR_NULL(T, m, isnull)                                                            \
    {#m, REDW_AS_(T, m), offsetof(T, m), sizeof(((T *)0)->m), offsetof(T, isnull)}
REDW_API REDW_MUST_USE int redw_row_into(const redw_row *row, const struct redw_field *map, size_t n,
                                         void *out, struct redw_diag *why);

#ifdef __cplusplus
}
#endif
#endif
