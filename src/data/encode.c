/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters to the wire.
 *
 *                      PostgreSQL            Redshift
 *   bool, numbers      binary                binary
 *   timestamp(tz)      binary                binary
 *   year to month      binary, interval      binary, int32 months
 *   day to second      binary, interval      binary, int64 microseconds
 *   NUMERIC            binary, base 10,000   text: its drivers send no other
 *   date, time(tz)     binary                text, as the Python driver does
 *   interval           binary                text
 *   VARBYTE            binary, bytea         binary; hexadecimal digits before version 2
 *   arrays             binary                binary
 *   text               text                  text
 */
#include "data/encode.h"

#include "data/bytes.h"
#include "data/datetime.h"
#include "data/interval.h"
#include "data/numeric.h"
#include "data/params.h"
#include "wire/fe_write.h"

uint32_t redwi_param_oid(const redw_param *p, enum redwi_server server)
{
    switch (p->flags) {
    case REDWI_PARAM_ARRAY:
        /* text[] and not varchar[]: it compares with all string types, name among them. */
        return redwi_oid_of_array(p->type == REDW_VARCHAR
                                      ? (uint32_t)REDWI_OID_TEXT
                                      : redwi_oid_of_type((enum redw_type)p->type, server));
    case REDWI_PARAM_BYTES:
        if (server == REDWI_REDSHIFT_BASE)
            return 0;
        break;
    default:
        break;
    }
    return redwi_oid_of_type((enum redw_type)p->type, server);
}

uint8_t redwi_param_format(const redw_param *p, enum redwi_server server)
{
    switch (p->flags) {
    case REDWI_PARAM_NULL:
    case REDWI_PARAM_TEXT:
        return 0;
    case REDWI_PARAM_DECIMAL:
    case REDWI_PARAM_DATE:
    case REDWI_PARAM_TIME:
    case REDWI_PARAM_TIMETZ:
        return server == REDWI_POSTGRES;
    case REDWI_PARAM_INTERVAL:
        return server == REDWI_POSTGRES || p->type != REDW_INTERVAL;
    case REDWI_PARAM_BYTES:
        return server != REDWI_REDSHIFT_BASE;
    default:
        return 1;
    }
}

static void put_int(struct redwi_buf *b, uint32_t type, int64_t v)
{
    if (type == REDW_SMALLINT)
        redwi_buf_u16(b, (uint16_t)v);
    else if (type == REDW_INTEGER)
        redwi_buf_u32(b, (uint32_t)v);
    else
        redwi_buf_u64(b, (uint64_t)v);
}

static void put_float(struct redwi_buf *b, uint32_t type, double v)
{
    if (type == REDW_REAL) {
        float narrow = (float)v; /* as it was given to redw_p_real() */
        uint32_t bits;
        memcpy(&bits, &narrow, sizeof bits);
        redwi_buf_u32(b, bits);
    } else {
        uint64_t bits;
        memcpy(&bits, &v, sizeof bits);
        redwi_buf_u64(b, bits);
    }
}

static void put_text(struct redwi_buf *b, const char *text)
{
    redwi_buf_bytes(b, text, strlen(text));
}

static void put_hex(struct redwi_buf *b, redw_slice s)
{
    size_t room;
    uint8_t *to = redwi_buf_room(b, 2 * s.len, &room);
    if (!to)
        return;
    redwi_hex_write((char *)to, (const uint8_t *)s.ptr, s.len);
    redwi_buf_added(b, 2 * s.len);
}

/* PostgreSQL has one interval, of 16 bytes; Redshift a type for each kind, of as many bytes as it
 * needs. */
static void put_interval(struct redwi_buf *b, const redw_param *p, enum redwi_server server)
{
    char text[REDW_INTERVAL_CHARS];
    redw_interval v = p->v.t;
    int64_t us = 0;
    if (server == REDWI_POSTGRES) {
        redwi_interval_put_postgres(b, v);
    } else if (p->type == REDW_INTERVAL_YM) {
        redwi_buf_u32(b, (uint32_t)v.months);
    } else if (p->type == REDW_INTERVAL_DS) {
        (void)redwi_interval_us(v, &us); /* was true when it was made */
        redwi_buf_u64(b, (uint64_t)us);
    } else {
        put_text(b, redw_interval_text(v, text));
    }
}

/* Array: dimensions, flags, OID of the elements; for the dimension its size and first index; the
 * elements (protocol 5.4). An empty one has no dimension. */
static void put_array(struct redwi_buf *b, const redw_param *p, enum redwi_server server)
{
    size_t n = p->v.s.len;
    const void *at = p->v.s.ptr;
    const redw_slice *texts = p->type == REDW_VARCHAR ? at : NULL;
    uint32_t nulls = 0;
    for (size_t i = 0; texts && i < n; i++)
        nulls |= !texts[i].ptr;
    redwi_buf_u32(b, n > 0);
    redwi_buf_u32(b, nulls);
    redwi_buf_u32(b, redwi_oid_of_element(redwi_param_oid(p, server)));
    if (n == 0)
        return;
    redwi_buf_u32(b, (uint32_t)n);
    redwi_buf_u32(b, 1);
    for (size_t i = 0; i < n; i++) {
        if (texts) {
            redwi_buf_u32(b, texts[i].ptr ? (uint32_t)texts[i].len : UINT32_MAX);
            redwi_buf_bytes(b, texts[i].ptr, texts[i].ptr ? texts[i].len : 0);
        } else if (p->type == REDW_INTEGER) {
            redwi_buf_u32(b, 4);
            redwi_buf_u32(b, (uint32_t)((const int32_t *)at)[i]);
        } else if (p->type == REDW_BIGINT) {
            redwi_buf_u32(b, 8);
            redwi_buf_u64(b, (uint64_t)((const int64_t *)at)[i]);
        } else {
            redwi_buf_u32(b, 8);
            put_float(b, p->type, ((const double *)at)[i]);
        }
    }
}

/* What PostgreSQL takes in binary and Redshift as text. */
static void put_by_server(struct redwi_buf *b, const redw_param *p, enum redwi_server server)
{
    bool binary = server == REDWI_POSTGRES;
    char text[REDW_DECIMAL_CHARS];
    redw_date date = {(int32_t)p->v.i};
    redw_timetz timetz = {p->v.t.us, p->v.t.days};
    switch (p->flags) {
    case REDWI_PARAM_DECIMAL:
        if (binary)
            redwi_numeric_put_postgres(b, p->v.n);
        else
            put_text(b, redw_decimal_text(p->v.n, text));
        return;
    case REDWI_PARAM_DATE:
        if (binary)
            redwi_date_put(b, date);
        else
            put_text(b, redw_date_text(date, text));
        return;
    case REDWI_PARAM_TIME:
        if (binary)
            redwi_time_put(b, (redw_time){p->v.t.us});
        else
            put_text(b, redw_time_text((redw_time){p->v.t.us}, text));
        return;
    default:
        if (binary)
            redwi_timetz_put(b, timetz);
        else
            put_text(b, redw_timetz_text(timetz, text));
        return;
    }
}

redw_slice redwi_param_raw(const redw_param *p, enum redwi_server server)
{
    bool hex = p->flags == REDWI_PARAM_BYTES && server == REDWI_REDSHIFT_BASE;
    if ((p->flags != REDWI_PARAM_TEXT && p->flags != REDWI_PARAM_BYTES) || hex)
        return (redw_slice){NULL, 0};
    return p->v.s;
}

void redwi_param_put(struct redwi_buf *b, const redw_param *p, enum redwi_server server)
{
    if (p->flags == REDWI_PARAM_NULL) {
        redwi_fe_bind_null(b);
        return;
    }
    size_t at = redwi_fe_bind_value(b);
    switch (p->flags) {
    case REDWI_PARAM_BOOL:
        redwi_buf_u8(b, p->v.i != 0);
        break;
    case REDWI_PARAM_INT:
        put_int(b, p->type, p->v.i);
        break;
    case REDWI_PARAM_FLOAT:
        put_float(b, p->type, p->v.d);
        break;
    case REDWI_PARAM_TIMESTAMP:
        redwi_timestamp_put(b, p->v.i);
        break;
    case REDWI_PARAM_INTERVAL:
        put_interval(b, p, server);
        break;
    case REDWI_PARAM_ARRAY:
        put_array(b, p, server);
        break;
    case REDWI_PARAM_TEXT:
        redwi_buf_bytes(b, p->v.s.ptr, p->v.s.len);
        break;
    case REDWI_PARAM_BYTES:
        if (server == REDWI_REDSHIFT_BASE)
            put_hex(b, p->v.s);
        else
            redwi_buf_bytes(b, p->v.s.ptr, p->v.s.len);
        break;
    default:
        put_by_server(b, p, server);
        break;
    }
    redwi_fe_bind_value_end(b, at);
}
