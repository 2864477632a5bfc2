/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters: made, checked, copied. A constructor cannot fail: what it cannot make a value of becomes a
 * parameter that says why, and the check finds it.
 */
#include "data/params.h"

#include "data/datetime.h"
#include "data/decode.h"
#include "data/interval.h"
#include "data/numeric.h"
#include "data/types.h"
#include "wire/mem.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static redw_param no_value(enum redw_type type, const char *why)
{
    return (redw_param){.type = type, .flags = REDWI_PARAM_FAULT, .v.s = {why, strlen(why)}};
}

redw_param redw_p_null(enum redw_type type)
{
    return (redw_param){.type = type, .flags = REDWI_PARAM_NULL};
}

redw_param redw_p_bool(bool v)
{
    return (redw_param){.type = REDW_BOOLEAN, .flags = REDWI_PARAM_BOOL, .v.i = v};
}

redw_param redw_p_int16(int16_t v)
{
    return (redw_param){.type = REDW_SMALLINT, .flags = REDWI_PARAM_INT, .v.i = v};
}

redw_param redw_p_int32(int32_t v)
{
    return (redw_param){.type = REDW_INTEGER, .flags = REDWI_PARAM_INT, .v.i = v};
}

redw_param redw_p_int64(int64_t v)
{
    return (redw_param){.type = REDW_BIGINT, .flags = REDWI_PARAM_INT, .v.i = v};
}

redw_param redw_p_real(float v)
{
    return (redw_param){.type = REDW_REAL, .flags = REDWI_PARAM_FLOAT, .v.d = (double)v};
}

redw_param redw_p_double(double v)
{
    return (redw_param){.type = REDW_DOUBLE, .flags = REDWI_PARAM_FLOAT, .v.d = v};
}

redw_param redw_p_text(const char *text)
{
    return redw_p_text_as(REDW_UNKNOWN_TYPE, text, text ? strlen(text) : 0);
}

redw_param redw_p_text_n(const char *text, size_t len)
{
    return redw_p_text_as(REDW_UNKNOWN_TYPE, text, len);
}

redw_param redw_p_text_as(enum redw_type type, const char *text, size_t len)
{
    if (!text)
        return redw_p_null(type);
    return (redw_param){.type = type, .flags = REDWI_PARAM_TEXT, .v.s = {text, len}};
}

redw_param redw_p_char(const char *text)
{
    return redw_p_text_as(REDW_CHAR, text, text ? strlen(text) : 0);
}

redw_param redw_p_varchar(const char *text)
{
    return redw_p_text_as(REDW_VARCHAR, text, text ? strlen(text) : 0);
}

redw_param redw_p_super(const char *json)
{
    return redw_p_text_as(REDW_SUPER, json, json ? strlen(json) : 0);
}

redw_param redw_p_decimal(redw_decimal v)
{
    return (redw_param){.type = REDW_NUMERIC, .flags = REDWI_PARAM_DECIMAL, .v.n = v};
}

redw_param redw_p_decimal_text(const char *text)
{
    redw_decimal v;
    if (!text)
        return redw_p_null(REDW_NUMERIC);
    switch (redw_decimal_parse(text, &v)) {
    case REDW_OK:
        return redw_p_decimal(v);
    case REDW_ERANGE:
        return no_value(REDW_NUMERIC, "more than 38 digits");
    default:
        return no_value(REDW_NUMERIC, "not a decimal number");
    }
}

redw_param redw_p_bytes(const void *bytes, size_t len)
{
    if (!bytes)
        return redw_p_null(REDW_VARBYTE);
    return (redw_param){.type = REDW_VARBYTE, .flags = REDWI_PARAM_BYTES, .v.s = {bytes, len}};
}

redw_param redw_p_date(int year, int month, int day)
{
    redw_date v;
    if (redw_date_of(year, month, day, &v) != REDW_OK)
        return no_value(REDW_DATE, "no such day");
    return redw_p_date_value(v);
}

redw_param redw_p_date_value(redw_date v)
{
    return (redw_param){.type = REDW_DATE, .flags = REDWI_PARAM_DATE, .v.i = v.days};
}

redw_param redw_p_time(redw_time v)
{
    return (redw_param){.type = REDW_TIME, .flags = REDWI_PARAM_TIME, .v.t = {.us = v.us}};
}

redw_param redw_p_timetz(redw_timetz v)
{
    return (redw_param){
        .type = REDW_TIMETZ,
        .flags = REDWI_PARAM_TIMETZ,
        .v.t = {.days = v.offset_s, .us = v.us},
    };
}

redw_param redw_p_timestamp(redw_timestamp v)
{
    return (redw_param){.type = REDW_TIMESTAMP, .flags = REDWI_PARAM_TIMESTAMP, .v.i = v.us};
}

redw_param redw_p_timestamptz(redw_timestamptz v)
{
    return (redw_param){.type = REDW_TIMESTAMPTZ, .flags = REDWI_PARAM_TIMESTAMP, .v.i = v.us};
}

redw_param redw_p_interval_ym(int32_t years, int32_t months)
{
    int32_t total;
    if (__builtin_mul_overflow(years, 12, &total) || __builtin_add_overflow(total, months, &total))
        return no_value(REDW_INTERVAL_YM, "an interval out of range");
    return (redw_param){
        .type = REDW_INTERVAL_YM,
        .flags = REDWI_PARAM_INTERVAL,
        .v.t = {.months = total},
    };
}

redw_param redw_p_interval_ds(int32_t days, int64_t us)
{
    int64_t total;
    if (!redwi_interval_us((redw_interval){.days = days, .us = us}, &total))
        return no_value(REDW_INTERVAL_DS, "an interval out of range");
    return (redw_param){
        .type = REDW_INTERVAL_DS,
        .flags = REDWI_PARAM_INTERVAL,
        .v.t = {.days = days, .us = us},
    };
}

redw_param redw_p_interval(redw_interval v)
{
    return (redw_param){.type = REDW_INTERVAL, .flags = REDWI_PARAM_INTERVAL, .v.t = v};
}

static redw_param array(enum redw_type type, const void *values, size_t n)
{
    return (redw_param){.type = type, .flags = REDWI_PARAM_ARRAY, .v.s = {values, n}};
}

redw_param redw_p_int32_array(const int32_t *values, size_t n)
{
    return array(REDW_INTEGER, values, n);
}

redw_param redw_p_int64_array(const int64_t *values, size_t n)
{
    return array(REDW_BIGINT, values, n);
}

redw_param redw_p_double_array(const double *values, size_t n)
{
    return array(REDW_DOUBLE, values, n);
}

redw_param redw_p_text_array(const redw_slice *texts, size_t n)
{
    return array(REDW_VARCHAR, texts, n);
}

redw_param redw_p_end_(void)
{
    return (redw_param){.type = REDW_UNKNOWN_TYPE, .flags = REDWI_PARAM_END};
}

/* --- check --- */

static const char foreign[] = "not made by a redw_p_ function";
static const char too_long[] = "longer than 16 MiB";

static bool is_type(uint32_t type)
{
    return type < REDW_ARRAY;
}

/* Bytes of one element of an array; 0: no array is of this type. */
static size_t element_bytes(uint32_t type)
{
    switch (type) {
    case REDW_INTEGER:
        return sizeof(int32_t);
    case REDW_BIGINT:
        return sizeof(int64_t);
    case REDW_DOUBLE:
        return sizeof(double);
    case REDW_VARCHAR:
        return sizeof(redw_slice);
    default:
        return 0;
    }
}

static const char *text_fault(redw_slice s)
{
    return s.len > REDWI_PARAM_BYTES_MAX ? too_long : redwi_utf8_fault(s.ptr, s.len);
}

static const char *array_fault(const redw_param *p)
{
    size_t each = element_bytes(p->type), n = p->v.s.len, bytes = 0;
    if (each == 0)
        return foreign;
    if (n > 0 && !p->v.s.ptr)
        return "an array without its elements";
    if (n > REDWI_PARAM_BYTES_MAX / each)
        return too_long;
    const redw_slice *texts = (const redw_slice *)(const void *)p->v.s.ptr;
    for (size_t i = 0; p->type == REDW_VARCHAR && i < n; i++) {
        const char *what = texts[i].ptr ? text_fault(texts[i]) : NULL;
        if (what)
            return what;
        if (texts[i].ptr && (bytes += texts[i].len) > REDWI_PARAM_BYTES_MAX)
            return too_long;
    }
    return NULL;
}

/* NULL, or what is wrong with one parameter. */
static const char *fault(const redw_param *p)
{
    uint32_t type = p->type;
    switch (p->flags) {
    case REDWI_PARAM_NULL:
        return is_type(type) ? NULL : "no such type";
    case REDWI_PARAM_BOOL:
        return type == REDW_BOOLEAN ? NULL : foreign;
    case REDWI_PARAM_INT:
        return type == REDW_SMALLINT || type == REDW_INTEGER || type == REDW_BIGINT ? NULL : foreign;
    case REDWI_PARAM_FLOAT:
        return type == REDW_REAL || type == REDW_DOUBLE ? NULL : foreign;
    case REDWI_PARAM_TEXT:
        return is_type(type) ? text_fault(p->v.s) : "no such type";
    case REDWI_PARAM_BYTES:
        if (type != REDW_VARBYTE)
            return foreign;
        return p->v.s.len > REDWI_PARAM_BYTES_MAX ? too_long : NULL;
    case REDWI_PARAM_DECIMAL:
        return type == REDW_NUMERIC ? redwi_numeric_fault(p->v.n) : foreign;
    case REDWI_PARAM_ARRAY:
        return array_fault(p);
    case REDWI_PARAM_FAULT:
        return p->v.s.ptr;
    case REDWI_PARAM_END:
        return "redw_p_end_ is not a value";
    default:
        return foreign;
    }
}

/* The same for what a calendar and a clock say. */
static const char *time_fault(const redw_param *p)
{
    switch (p->flags) {
    case REDWI_PARAM_DATE:
        if (p->type != REDW_DATE)
            return foreign;
        return redwi_is_date((redw_date){(int32_t)p->v.i}) ? NULL : "a date out of range";
    case REDWI_PARAM_TIME:
        if (p->type != REDW_TIME)
            return foreign;
        return redwi_is_time((redw_time){p->v.t.us}) ? NULL : "a time of day out of range";
    case REDWI_PARAM_TIMETZ:
        if (p->type != REDW_TIMETZ)
            return foreign;
        if (!redwi_is_timetz((redw_timetz){p->v.t.us, p->v.t.days}))
            return "a time of day out of range";
        return NULL;
    case REDWI_PARAM_TIMESTAMP:
        if (p->type != REDW_TIMESTAMP && p->type != REDW_TIMESTAMPTZ)
            return foreign;
        return redwi_is_timestamp(p->v.i) ? NULL : "a timestamp out of range";
    case REDWI_PARAM_INTERVAL:
        if (p->type == REDW_INTERVAL || p->type == REDW_INTERVAL_YM || p->type == REDW_INTERVAL_DS)
            return NULL;
        return foreign;
    default:
        return fault(p);
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
        const char *what = time_fault(&params[i]);
        if (what)
            return refuse(why, "parameter $%zu: %s", i + 1, what);
    }
    return REDW_OK;
}

/* --- copy --- */

/* Adds what one parameter points at, and room to align it; false: no memory is that large. */
static bool add_bytes(const redw_param *p, size_t *bytes)
{
    size_t own, n = p->v.s.len;
    switch (p->flags) {
    case REDWI_PARAM_TEXT:
    case REDWI_PARAM_BYTES:
        return !__builtin_add_overflow(*bytes, n, bytes);
    case REDWI_PARAM_ARRAY:
        if (__builtin_mul_overflow(n, element_bytes(p->type), &own) ||
            __builtin_add_overflow(own, sizeof(redw_slice), &own) ||
            __builtin_add_overflow(*bytes, own, bytes))
            return false;
        for (size_t i = 0; p->type == REDW_VARCHAR && i < n; i++) {
            redw_slice text = ((const redw_slice *)(const void *)p->v.s.ptr)[i];
            if (text.ptr && __builtin_add_overflow(*bytes, text.len, bytes))
                return false;
        }
        return true;
    default:
        return true;
    }
}

/* The size of a copy: the parameters, then all they point at. */
static bool copy_size(const redw_param *params, size_t n, size_t *bytes)
{
    if (__builtin_mul_overflow(n, sizeof *params, bytes))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!add_bytes(&params[i], bytes))
            return false;
    }
    return true;
}

static const char *copy_bytes(char **to, redw_slice s)
{
    char *at = *to;
    memcpy(at, s.ptr, s.len);
    *to = at + s.len;
    return at;
}

static void copy_array(char **to, redw_param *p)
{
    size_t n = p->v.s.len, bytes = n * element_bytes(p->type);
    char *at = *to + (-(uintptr_t)*to & (sizeof(redw_slice) - 1));
    *to = at + bytes;
    if (n > 0)
        memcpy(at, p->v.s.ptr, bytes);
    p->v.s.ptr = at;
    redw_slice *texts = (redw_slice *)(void *)at;
    for (size_t i = 0; p->type == REDW_VARCHAR && i < n; i++) {
        if (texts[i].ptr)
            texts[i].ptr = copy_bytes(to, texts[i]);
    }
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
    char *to = (char *)(copy + n);
    for (size_t i = 0; i < n; i++) {
        if (copy[i].flags == REDWI_PARAM_TEXT || copy[i].flags == REDWI_PARAM_BYTES)
            copy[i].v.s.ptr = copy_bytes(&to, copy[i].v.s);
        else if (copy[i].flags == REDWI_PARAM_ARRAY)
            copy_array(&to, &copy[i]);
    }
    return copy;
}

void redwi_params_free(const struct redw_allocator *mem, redw_param *params, size_t n)
{
    size_t bytes = 0;
    if (!params)
        return;
    (void)copy_size(params, n, &bytes); /* as when the copy was made */
    redwi_free_secret(mem, params, bytes);
}
