/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters: made, checked, copied, sent.
 *
 * Numbers and booleans travel in the binary format with their type's OID, so that none is ever printed
 * and parsed (protocol 5.5). Text travels as text with OID 0: the server gives it the type of its place.
 *
 * Invariant: what redwi_params_check() let pass has a kind of the list below and a type that goes with
 * it; the other functions rely on that.
 */
#include "data/encode.h"

#include "data/decode.h"
#include "data/types.h"
#include "wire/fe_write.h"
#include "wire/mem.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* redw_param.flags: which member of v is meant. 0 is none of them, so that a zeroed redw_param, as left
 * behind in an array that was not filled, is refused and not sent as NULL. */
enum kind {
    KIND_NULL = 1,
    KIND_BOOL,
    KIND_INT,
    KIND_FLOAT,
    KIND_TEXT,
    KIND_END,
};

#define TEXT_MAX 0x3fffffff /* no message is longer (wire/buf.h) */

redw_param redw_p_null(enum redw_type type)
{
    return (redw_param){.type = type, .flags = KIND_NULL};
}

redw_param redw_p_bool(bool v)
{
    return (redw_param){.type = REDW_BOOLEAN, .flags = KIND_BOOL, .v.i = v};
}

redw_param redw_p_int16(int16_t v)
{
    return (redw_param){.type = REDW_SMALLINT, .flags = KIND_INT, .v.i = v};
}

redw_param redw_p_int32(int32_t v)
{
    return (redw_param){.type = REDW_INTEGER, .flags = KIND_INT, .v.i = v};
}

redw_param redw_p_int64(int64_t v)
{
    return (redw_param){.type = REDW_BIGINT, .flags = KIND_INT, .v.i = v};
}

redw_param redw_p_real(float v)
{
    return (redw_param){.type = REDW_REAL, .flags = KIND_FLOAT, .v.d = (double)v};
}

redw_param redw_p_double(double v)
{
    return (redw_param){.type = REDW_DOUBLE, .flags = KIND_FLOAT, .v.d = v};
}

redw_param redw_p_text(const char *text)
{
    return redw_p_text_n(text, text ? strlen(text) : 0);
}

redw_param redw_p_text_n(const char *text, size_t len)
{
    if (!text)
        return redw_p_null(REDW_UNKNOWN_TYPE);
    return (redw_param){.type = REDW_UNKNOWN_TYPE, .flags = KIND_TEXT, .v.s = {text, len}};
}

redw_param redw_p_end_(void)
{
    return (redw_param){.type = REDW_UNKNOWN_TYPE, .flags = KIND_END};
}

static bool is_type(uint32_t type)
{
    return type == REDW_UNKNOWN_TYPE || redwi_oid_of_type((enum redw_type)type) != 0;
}

/* NULL, or what is wrong with one parameter. */
static const char *fault(const redw_param *p)
{
    static const char foreign[] = "not made by a redw_p_ function";
    switch (p->flags) {
    case KIND_NULL:
        return is_type(p->type) ? NULL : "no such type";
    case KIND_BOOL:
        return p->type == REDW_BOOLEAN ? NULL : foreign;
    case KIND_INT:
        if (p->type == REDW_SMALLINT || p->type == REDW_INTEGER || p->type == REDW_BIGINT)
            return NULL;
        return foreign;
    case KIND_FLOAT:
        return p->type == REDW_REAL || p->type == REDW_DOUBLE ? NULL : foreign;
    case KIND_TEXT:
        if (!is_type(p->type))
            return "no such type";
        if (p->v.s.len > TEXT_MAX)
            return "longer than 1 GiB";
        return redwi_utf8_fault(p->v.s.ptr, p->v.s.len);
    case KIND_END:
        return "redw_p_end_ is not a value";
    default:
        return foreign;
    }
}

static int refuse(struct redw_diag *why, const char *fmt, ...) REDW_PRINTF(2, 3);
static int refuse(struct redw_diag *why, const char *fmt, ...)
{
    va_list args;
    why->code = REDW_EINVAL;
    va_start(args, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, args);
    va_end(args);
    return REDW_EINVAL;
}

int redwi_params_check(const redw_param *params, size_t n, struct redw_diag *why)
{
    if (n > REDWI_PARAMS_MAX)
        return refuse(why, "%zu parameters: %d at most", n, REDWI_PARAMS_MAX);
    if (n > 0 && !params)
        return refuse(why, "%zu parameters, but params is NULL", n);
    for (size_t i = 0; i < n; i++) {
        const char *what = fault(&params[i]);
        if (what)
            return refuse(why, "parameter $%zu: %s", i + 1, what);
    }
    return REDW_OK;
}

/* The size of a copy: the parameters, then the bytes of all texts. False: no memory is that large. */
static bool copy_size(const redw_param *params, size_t n, size_t *bytes)
{
    if (__builtin_mul_overflow(n, sizeof *params, bytes))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (params[i].flags == KIND_TEXT && __builtin_add_overflow(*bytes, params[i].v.s.len, bytes))
            return false;
    }
    return true;
}

redw_param *redwi_params_copy(const struct redw_allocator *mem, const redw_param *params, size_t n)
{
    size_t bytes;
    if (n == 0 || !copy_size(params, n, &bytes))
        return NULL;
    redw_param *copy = redwi_alloc(mem, bytes);
    if (!copy)
        return NULL;
    memcpy(copy, params, n * sizeof *params);
    char *text = (char *)(copy + n);
    for (size_t i = 0; i < n; i++) {
        if (copy[i].flags != KIND_TEXT)
            continue;
        redw_slice *s = &copy[i].v.s;
        memcpy(text, s->ptr, s->len);
        s->ptr = text;
        text += s->len;
    }
    return copy;
}

void redwi_params_free(const struct redw_allocator *mem, redw_param *params, size_t n)
{
    size_t bytes;
    if (params && copy_size(params, n, &bytes))
        redwi_free_secret(mem, params, bytes);
}

uint32_t redwi_param_oid(const redw_param *p)
{
    return redwi_oid_of_type((enum redw_type)p->type);
}

uint8_t redwi_param_format(const redw_param *p)
{
    return p->flags == KIND_BOOL || p->flags == KIND_INT || p->flags == KIND_FLOAT;
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

void redwi_param_put(struct redwi_buf *b, const redw_param *p)
{
    if (p->flags == KIND_NULL) {
        redwi_fe_bind_null(b);
        return;
    }
    size_t at = redwi_fe_bind_value(b);
    switch (p->flags) {
    case KIND_BOOL:
        redwi_buf_u8(b, p->v.i != 0);
        break;
    case KIND_INT:
        put_int(b, p->type, p->v.i);
        break;
    case KIND_FLOAT:
        put_float(b, p->type, p->v.d);
        break;
    default:
        redwi_buf_bytes(b, p->v.s.ptr, p->v.s.len);
        break;
    }
    redwi_fe_bind_value_end(b, at);
}
