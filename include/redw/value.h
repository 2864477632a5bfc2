/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL types and the parameters of statements.
 *
 * Parameters always travel apart from the statement's text (protocol message Bind); there is no way to
 * have redw paste a value into SQL.
 */
#ifndef REDW_VALUE_H
#define REDW_VALUE_H

#include <redw/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Types by their SQL names (INT8 would read as one byte in C). A column of any other type is
 * REDW_UNKNOWN_TYPE: its text is available all the same, and redw_column.oid tells what it is. */
enum redw_type {
    REDW_UNKNOWN_TYPE = 0,
    REDW_BOOLEAN,
    REDW_SMALLINT,
    REDW_INTEGER,
    REDW_BIGINT,
    REDW_REAL,
    REDW_DOUBLE,
    REDW_NUMERIC,
    REDW_CHAR,
    REDW_VARCHAR,
    REDW_DATE,
    REDW_TIME,
    REDW_TIMETZ,
    REDW_TIMESTAMP,
    REDW_TIMESTAMPTZ,
    REDW_INTERVAL_YM,
    REDW_INTERVAL_DS,
    REDW_VARBYTE,
    REDW_SUPER,
    REDW_GEOMETRY,
};

/* The SQL name, "double precision"; "unknown" for REDW_UNKNOWN_TYPE and anything else. Static. */
REDW_API const char *redw_type_name(enum redw_type type);

/* One parameter: made by the functions below, valid as long as what it points at. Text and bytes are
 * copied by the call that takes the parameter, not by these. */
typedef struct redw_param {
    uint32_t type;  /* enum redw_type; REDW_UNKNOWN_TYPE: the server infers it */
    uint32_t flags; /* internal */
    union {
        int64_t i;
        double d;
        redw_slice s;
    } v;
} redw_param;

REDW_API redw_param redw_p_null(enum redw_type type); /* REDW_UNKNOWN_TYPE: the server infers it */
REDW_API redw_param redw_p_bool(bool v);
REDW_API redw_param redw_p_int16(int16_t v);
REDW_API redw_param redw_p_int32(int32_t v);
REDW_API redw_param redw_p_int64(int64_t v);
REDW_API redw_param redw_p_real(float v);
REDW_API redw_param redw_p_double(double v); /* NaN and infinities included */

/* Text of a type the server infers from its place: 'redw_p_text("2024-02-29")' fits a DATE column.
 * UTF-8; a NUL byte or invalid UTF-8 is refused by the call that takes the parameter, which names it
 * ("parameter $2: ..."). text NULL: SQL NULL. */
REDW_API redw_param redw_p_text(const char *text);
REDW_API redw_param redw_p_text_n(const char *text, size_t len);

/* The end marker of REDW_QUERY and REDW_PARAMS; not for use by itself. */
REDW_API redw_param redw_p_end_(void);

#ifdef __cplusplus
}
#endif
#endif
