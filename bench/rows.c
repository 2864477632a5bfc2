/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values from a fixed seed, encoded as PostgreSQL 15 sends them.
 */
#include "rows.h"

#include "random.h"

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)1 << 20)
#define ROW_BYTES_MAX 4096
#define CACHED_MAX 32

static uint8_t *put(uint8_t *p, uint64_t v, unsigned bytes)
{
    for (unsigned i = bytes; i-- > 0;)
        *p++ = (uint8_t)(v >> (8 * i));
    return p;
}

static uint8_t *put_text(uint8_t *p, const char *text)
{
    size_t n = strlen(text);

    memcpy(p, text, n);
    return p + n;
}

/* Days since 2000-01-01 to a civil date (proleptic Gregorian; the days here are never before 0). */
static void civil(unsigned days, unsigned *year, unsigned *month, unsigned *day)
{
    unsigned z = days + 730425; /* days since 0000-03-01 */
    unsigned era = z / 146097, doe = z % 146097;
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;

    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = yoe + era * 400 + (*month <= 2);
}

static uint8_t *put_bool(uint8_t *p, uint64_t *state, bool binary)
{
    uint64_t v = random_next(state) & 1;

    return put(p, binary ? v : v ? 't' : 'f', 1);
}

static uint8_t *put_int(uint8_t *p, uint64_t *state, unsigned bits, bool binary)
{
    int64_t v = random_int(state, bits);
    char text[32];

    if (binary)
        return put(p, (uint64_t)v, bits == 31 ? 4 : 8);
    snprintf(text, sizeof text, "%" PRId64, v);
    return put_text(p, text);
}

/* A quarter amounts with two decimals, the rest of full precision; in the shortest text that reads
 * back. */
static uint8_t *put_float(uint8_t *p, uint64_t *state, bool binary)
{
    double v;
    uint64_t bits;
    char text[40];

    if (random_next(state) % 4 == 0)
        v = (double)random_int(state, 30) / 100.0;
    else
        v = (double)(int64_t)(random_next(state) >> 11) / 9007199254740992.0 *
            (double)(1u << (random_next(state) % 20));
    if (binary) {
        memcpy(&bits, &v, sizeof bits);
        return put(p, bits, 8);
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    return put_text(p, text);
}

/* numeric(18,4); in binary: ndigits, weight, sign, dscale, then digits of base 10,000. */
static uint8_t *put_numeric(uint8_t *p, uint64_t *state, bool binary)
{
    int64_t v = random_int(state, 59);
    uint64_t magnitude = v < 0 ? (uint64_t)-v : (uint64_t)v;
    unsigned groups[5], n = 0;
    char text[40];

    if (!binary) {
        snprintf(text, sizeof text, "%s%" PRIu64 ".%04" PRIu64, v < 0 ? "-" : "", magnitude / 10000,
                 magnitude % 10000);
        return put_text(p, text);
    }
    for (; n == 0 || magnitude != 0; magnitude /= 10000)
        groups[n++] = (unsigned)(magnitude % 10000); /* groups[0] is the fraction */
    p = put(p, n, 2);
    p = put(p, (uint64_t)n - 2, 2);
    p = put(p, v < 0 ? 0x4000 : 0, 2);
    p = put(p, 4, 2);
    while (n > 0)
        p = put(p, groups[--n], 2);
    return p;
}

static uint8_t *put_date(uint8_t *p, uint64_t *state, bool binary)
{
    unsigned days = (unsigned)(random_next(state) % 11000), y, m, d;
    char text[40];

    if (binary)
        return put(p, days, 4);
    civil(days, &y, &m, &d);
    snprintf(text, sizeof text, "%04u-%02u-%02u", y, m, d);
    return put_text(p, text);
}

/* As PostgreSQL writes them: without trailing zeros of the fraction. */
static uint8_t *put_timestamp(uint8_t *p, uint64_t *state, bool binary)
{
    uint64_t us = random_next(state) % (11000ull * 86400000000ull);
    unsigned y, m, d, second;
    char text[80];
    size_t n;

    if (binary)
        return put(p, us, 8);
    civil((unsigned)(us / 86400000000ull), &y, &m, &d);
    second = (unsigned)(us / 1000000 % 86400);
    snprintf(text, sizeof text, "%04u-%02u-%02u %02u:%02u:%02u.%06u", y, m, d, second / 3600,
             second / 60 % 60, second % 60, (unsigned)(us % 1000000));
    for (n = strlen(text); text[n - 1] == '0' && n > 20; n--)
        text[n - 1] = '\0';
    if (text[n - 1] == '.')
        text[n - 1] = '\0';
    return put_text(p, text);
}

static uint8_t *put_string(uint8_t *p, uint64_t *state, const struct shape_column *c)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz 012345";
    size_t n = c->min + (size_t)(random_next(state) % (c->max - c->min + 1));

    size_t drawn = n < ROW_BYTES_MAX ? n : ROW_BYTES_MAX; /* a huge one repeats itself */

    for (size_t i = 0; i < drawn; i++)
        p[i] = (uint8_t)letters[random_next(state) % 32];
    for (size_t i = drawn; i < n; i++)
        p[i] = p[i - drawn];
    return p + n;
}

static uint8_t *put_value(uint8_t *p, uint64_t *state, const struct shape_column *c, bool binary)
{
    switch (c->oid) {
    case OID_INT4: return put_int(p, state, 31, binary);
    case OID_INT8: return put_int(p, state, 63, binary);
    case OID_FLOAT8: return put_float(p, state, binary);
    case OID_NUMERIC: return put_numeric(p, state, binary);
    case OID_DATE: return put_date(p, state, binary);
    case OID_TIMESTAMP: return put_timestamp(p, state, binary);
    case OID_BOOL: return put_bool(p, state, binary);
    default: return put_string(p, state, c);
    }
}

static uint8_t *put_row(uint8_t *p, uint64_t *state, const struct shape *s, uint64_t binary)
{
    uint8_t *start = p, *value;

    *p = 'D';
    p = put(p + 5, s->ncolumns, 2);
    for (size_t i = 0; i < s->ncolumns; i++) {
        value = p + 4;
        p = put_value(value, state, shape_column(s, i), binary >> i & 1);
        put(value - 4, (uint64_t)(p - value), 4);
    }
    put(start + 1, (uint64_t)(p - start - 1), 4);
    return p;
}

static void encode(struct rows *r, const struct shape *s, uint64_t binary)
{
    uint64_t state = 20240229;
    uint8_t *p;

    r->shape = s;
    r->binary = binary;
    r->nrows = 0;
    r->bytes = p = malloc(CHUNK_BYTES + ROW_BYTES_MAX + s->columns->max);
    r->ends = malloc(sizeof *r->ends * (CHUNK_BYTES / 8));
    if (r->bytes == NULL || r->ends == NULL)
        err(1, "memory");
    while ((size_t)(p - r->bytes) < CHUNK_BYTES) {
        p = put_row(p, &state, s, binary);
        r->ends[r->nrows++] = (size_t)(p - r->bytes);
    }
}

const struct rows *rows_get(const struct shape *shape, uint64_t binary)
{
    static struct rows cached[CACHED_MAX];
    static size_t n;

    for (size_t i = 0; i < n; i++)
        if (cached[i].shape == shape && cached[i].binary == binary)
            return &cached[i];
    if (n == CACHED_MAX)
        errx(1, "more than %d choices of formats", CACHED_MAX);
    encode(&cached[n], shape, binary);
    return &cached[n++];
}
