/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL types, values and the parameters of statements.
 *
 * Values are exact: a NUMERIC has all its 38 digits, a time all its microseconds, and nothing here
 * rounds or depends on the locale. The formatters take room for the text and return it, so that they can
 * be used inside printf(); the parser's and the getters' answer to what does not fit is REDW_ERANGE.
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
    REDW_GEOGRAPHY,
    REDW_HLLSKETCH,
    REDW_INTERVAL, /* PostgreSQL's: months, days and microseconds in one */
    REDW_UUID,
    REDW_JSON,
    REDW_OID,
    REDW_ARRAY, /* in the catalogue: redw_row_array() */
};

/* The SQL name, "double precision"; "unknown" for REDW_UNKNOWN_TYPE and anything else. Static. */
REDW_API const char *redw_type_name(enum redw_type type);

/* ---- values ------------------------------------------------------------------------------------ */

/*
 * A NUMERIC: (negative ? -1 : 1) * (hi * 2^64 + lo) / 10^scale, the integer below 10^38 and scale at
 * most 38. PostgreSQL also has values that are no number: see `special`; the integer is then zero. Two
 * values are the same number if they are so after division, not necessarily member by member: 1.5 and
 * 1.50 differ in scale.
 */
typedef struct redw_decimal {
    uint64_t hi, lo;
    uint8_t scale;     /* digits behind the point */
    uint8_t precision; /* digits at most, of NUMERIC(precision, scale); 0: not known */
    bool negative;     /* never set for zero */
    uint8_t special;   /* enum redw_special */
} redw_decimal;
enum redw_special {
    REDW_FINITE = 0,
    REDW_NAN,
    REDW_INFINITY, /* negative: -Infinity */
};

/* Days since 1970-01-01 in the Gregorian calendar, extended to times before it; INT32_MIN and
 * INT32_MAX are -infinity and infinity. */
typedef struct redw_date {
    int32_t days;
} redw_date;

/* Microseconds since midnight; 24:00:00 is a value too. */
typedef struct redw_time {
    int64_t us;
} redw_time;

/* The time of day at a place, and how many seconds east of UTC its zone is. */
typedef struct redw_timetz {
    int64_t us;
    int32_t offset_s;
} redw_timetz;

/* Microseconds since 1970-01-01 00:00:00; INT64_MIN and INT64_MAX are -infinity and infinity. A
 * timestamp is a calendar and a clock without a zone, counted as if it were UTC; a timestamptz is an
 * instant. */
typedef struct redw_timestamp {
    int64_t us;
} redw_timestamp;
typedef struct redw_timestamptz {
    int64_t us;
} redw_timestamptz;

/* Three counts, since neither a month nor a day is always as long. INTERVAL YEAR TO MONTH has months
 * only, DAY TO SECOND days and microseconds. */
typedef struct redw_interval {
    int32_t months, days;
    int64_t us;
} redw_interval;

/* Room for the longest text with its NUL. */
#define REDW_DECIMAL_CHARS   42
#define REDW_DATE_CHARS      20
#define REDW_TIME_CHARS      16
#define REDW_TIMETZ_CHARS    28
#define REDW_TIMESTAMP_CHARS 40
#define REDW_INTERVAL_CHARS  80

/* The text as the server would write it (DateStyle ISO), NUL-terminated; they return buf. An instant is
 * written in UTC, "2024-02-29 12:00:00+00". A value out of its type's range is written as "?". */
REDW_API char *redw_decimal_text(redw_decimal d, char buf[REDW_DECIMAL_CHARS]);
REDW_API char *redw_date_text(redw_date d, char buf[REDW_DATE_CHARS]);
REDW_API char *redw_time_text(redw_time t, char buf[REDW_TIME_CHARS]);
REDW_API char *redw_timetz_text(redw_timetz t, char buf[REDW_TIMETZ_CHARS]);
REDW_API char *redw_timestamp_text(redw_timestamp t, char buf[REDW_TIMESTAMP_CHARS]);
REDW_API char *redw_timestamptz_text(redw_timestamptz t, char buf[REDW_TIMESTAMP_CHARS]);
REDW_API char *redw_interval_text(redw_interval v, char buf[REDW_INTERVAL_CHARS]);

/*
 * A number out of "-12.30", "1e3", "NaN", "Infinity", "-Infinity", as the server reads it; blanks around
 * it are allowed. The scale is the number of digits behind the point, as written; precision is 0. Zeros
 * at the end are given up where 38 digits are not enough otherwise. REDW_ERANGE: more than 38 digits are
 * needed; REDW_EINVAL: not a number, NULL included. *out is then zeroed.
 */
REDW_API REDW_MUST_USE int redw_decimal_parse(const char *text, redw_decimal *out);

/* The number times 10^scale: 12.30 at scale 2 is 1230, and at scale 1 it is 123. REDW_ERANGE if that
 * is not a whole number or does not fit; *out is then zeroed. Never rounds. */
REDW_API REDW_MUST_USE int redw_decimal_scaled(redw_decimal d, unsigned scale, int64_t *out);

/* A date of the Gregorian calendar and back; year 0 is 1 BC, -1 is 2 BC. REDW_ERANGE: no such day, or
 * one before 4714-11-24 BC or after 5874897-12-31; for _ymd also an infinity. Outputs are then
 * zeroed. */
REDW_API REDW_MUST_USE int redw_date_of(int year, int month, int day, redw_date *out);
REDW_API REDW_MUST_USE int redw_date_ymd(redw_date d, int *year, int *month, int *day);

/* ---- parameters -------------------------------------------------------------------------------- */

/* One parameter: made by the functions below, valid as long as what it points at. Text, bytes and
 * arrays are copied by the call that takes the parameter, not by these; that call also checks it, and
 * names what is wrong with it: "parameter $2: ...". It stays a value until it is sent: which form it
 * then takes (protocol 5.5) depends on the server. */
typedef struct redw_param {
    uint32_t type;  /* enum redw_type; REDW_UNKNOWN_TYPE: the server infers it */
    uint32_t flags; /* internal */
    union {
        int64_t i;
        double d;
        redw_slice s;
        redw_decimal n;
        redw_interval t;
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
 * UTF-8, 16 MiB at most; a NUL byte or invalid UTF-8 is refused. text NULL: SQL NULL. */
REDW_API redw_param redw_p_text(const char *text);
REDW_API redw_param redw_p_text_n(const char *text, size_t len);
/* The same, the type said: for where nothing tells the server, or the wrong thing does. Any type but
 * REDW_ARRAY. A type this server does not have (SUPER on PostgreSQL) is left to it to infer. */
REDW_API redw_param redw_p_text_as(enum redw_type type, const char *text, size_t len);
REDW_API redw_param redw_p_char(const char *text);    /* CHAR: blanks at the end are kept */
REDW_API redw_param redw_p_varchar(const char *text); /* VARCHAR */
REDW_API redw_param redw_p_super(const char *json);   /* SUPER: JSON text; PostgreSQL: json or jsonb */

/* NUMERIC. The text is read as by redw_decimal_parse(). A precision that is not 0 is checked: digits
 * before the point at most precision - scale. NaN and infinities are for PostgreSQL; Redshift refuses
 * them. */
REDW_API redw_param redw_p_decimal(redw_decimal v);
REDW_API redw_param redw_p_decimal_text(const char *text);

/* VARBYTE; PostgreSQL: bytea. NULL: SQL NULL; an empty value needs a pointer all the same. */
REDW_API redw_param redw_p_bytes(const void *bytes, size_t len);

/* A day that is none is refused. */
REDW_API redw_param redw_p_date(int year, int month, int day);
REDW_API redw_param redw_p_date_value(redw_date v);
REDW_API redw_param redw_p_time(redw_time v);
REDW_API redw_param redw_p_timetz(redw_timetz v);
REDW_API redw_param redw_p_timestamp(redw_timestamp v);
REDW_API redw_param redw_p_timestamptz(redw_timestamptz v);

/* INTERVAL YEAR TO MONTH and DAY TO SECOND; PostgreSQL: interval. _interval is PostgreSQL's;
 * Redshift's own type of that name (in its catalogue) takes it with 24 hours to a day. */
REDW_API redw_param redw_p_interval_ym(int32_t years, int32_t months);
REDW_API redw_param redw_p_interval_ds(int32_t days, int64_t us);
REDW_API redw_param redw_p_interval(redw_interval v);

/* Arrays of one dimension, for `= any($1)` on the catalogue; neither server's tables need one, and
 * Redshift's cannot have them. NULL elements: texts with ptr NULL. values NULL with n 0 is the empty
 * array. */
REDW_API redw_param redw_p_int32_array(const int32_t *values, size_t n);
REDW_API redw_param redw_p_int64_array(const int64_t *values, size_t n);
REDW_API redw_param redw_p_double_array(const double *values, size_t n);
REDW_API redw_param redw_p_text_array(const redw_slice *texts, size_t n);

/* The end marker of REDW_QUERY and REDW_PARAMS; not for use by itself. */
REDW_API redw_param redw_p_end_(void);

#ifdef __cplusplus
}
#endif
#endif
