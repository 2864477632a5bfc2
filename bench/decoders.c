/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one value costs, without a server: texts as PostgreSQL 15 sends them, made beforehand, turned into C
 * values one after another.
 *
 *   --work int4|int8|float8|numeric|date|timestamp   which
 *   --kind single   as users of libpq do: strtoll, strtod and what stands on them, over NUL-terminated text
 *   --kind frame    nothing is decoded: a getter that reads one byte of each cell. What the loop, the calls and
 *                   the checksum take of the figures of the driver, whichever the value
 *   --kind frame-single   the same of the C library's: one call less
 *   otherwise       by the driver's typed getters
 *
 * Widths vary, so that branch prediction fails as it does in life. Both make the same checksum.
 */
#include "measure.h"
#include "random.h"

#include "data/row.h"
#include "data/types.h"

#include <err.h>
#include <inttypes.h>
#include <redw.h>
#include <stdio.h>
#include <stdlib.h>

enum { VALUES = 4096, ROOM = 32 };

/* Apart from each other as cells are, no value following where one ended, and behind what is before a cell. */
static struct {
    char lead[8], text[ROOM];
} texts[VALUES];
static redw_slice cells[VALUES];

static void make_int4(char *to, uint64_t *s)
{
    snprintf(to, ROOM, "%" PRId64, random_int(s, 31));
}

static void make_int8(char *to, uint64_t *s)
{
    snprintf(to, ROOM, "%" PRId64, random_int(s, 63));
}

/* A quarter amounts with two decimals, the rest of full precision, as in mixed rows. */
static void make_float8(char *to, uint64_t *s)
{
    double v = random_next(s) % 4 == 0 ? (double)random_int(s, 30) / 100.0
                                       : (double)(int64_t)(random_next(s) >> 11) / 9007199254740992.0 *
                                             (double)(1u << (random_next(s) % 20));

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(to, ROOM, "%.*g", digits, v);
        if (strtod(to, NULL) == v)
            return;
    }
}

static void make_numeric(char *to, uint64_t *s)
{
    int64_t v = random_int(s, 59);
    uint64_t magnitude = v < 0 ? (uint64_t)-v : (uint64_t)v;

    snprintf(to, ROOM, "%s%" PRIu64 ".%04" PRIu64, v < 0 ? "-" : "", magnitude / 10000, magnitude % 10000);
}

static void make_date(char *to, uint64_t *s)
{
    redw_date_text((redw_date){(int32_t)(random_next(s) % 30000)}, to);
}

static void make_timestamp(char *to, uint64_t *s)
{
    uint64_t seconds = random_next(s) % UINT64_C(3000000000), fraction = random_next(s) % 1000000;

    /* A third whole seconds, a third milliseconds. */
    fraction = random_next(s) % 3 == 0 ? 0 : random_next(s) % 2 ? fraction : fraction / 1000 * 1000;
    redw_timestamp_text((redw_timestamp){(int64_t)(seconds * 1000000 + fraction)}, to);
}

/* The driver ----------------------------------------------------------------------------------------- */

static void must(int rc)
{
    if (rc != REDW_OK)
        errx(1, "%s", redw_strerror(rc));
}

#define BY_GETTER(name, type, getter, sum)                                                          \
    static uint64_t by_##name(const redw_row *row, uint64_t checksum)                             \
    {                                                                                               \
        type v;                                                                                     \
        must(getter(row, 0, &v));                                                                   \
        return sum;                                                                                 \
    }
BY_GETTER(int4, int32_t, redw_row_int32, checksum_add(checksum, (uint64_t)(int64_t)v))
BY_GETTER(int8, int64_t, redw_row_int64, checksum_add(checksum, (uint64_t)v))
BY_GETTER(float8, double, redw_row_double, checksum_double(checksum, v))
BY_GETTER(numeric, redw_decimal, redw_row_decimal, checksum_add(checksum, (v.lo ^ (0 - (uint64_t)v.negative)) + v.negative))
BY_GETTER(date, redw_date, redw_row_date, checksum_add(checksum, (uint64_t)(int64_t)v.days))
BY_GETTER(timestamp, redw_timestamp, redw_row_timestamp, checksum_add(checksum, (uint64_t)v.us))

__attribute__((noinline)) static int first_byte(const redw_row *row, size_t col, int64_t *out)
{
    if (col >= row->ncells || !row->cells[col].ptr)
        return REDW_ECOLUMN;
    *out = *row->cells[col].ptr;
    return REDW_OK;
}
BY_GETTER(byte, int64_t, first_byte, checksum_add(checksum, (uint64_t)v))

__attribute__((noinline)) static uint64_t libc_byte(const char *p, uint64_t sum)
{
    return checksum_add(sum, (uint64_t)*p);
}

/* What stands on the C library ------------------------------------------------------------------------ */

static uint64_t libc_int4(const char *p, uint64_t sum)
{
    return checksum_add(sum, (uint64_t)(int64_t)(int32_t)strtol(p, NULL, 10));
}

static uint64_t libc_int8(const char *p, uint64_t sum)
{
    return checksum_add(sum, (uint64_t)strtoll(p, NULL, 10));
}

static uint64_t libc_float8(const char *p, uint64_t sum)
{
    return checksum_double(sum, strtod(p, NULL));
}

static uint64_t libc_numeric(const char *p, uint64_t sum)
{
    char *end;
    int64_t whole = strtoll(p, &end, 10), fraction = strtoll(end + 1, NULL, 10);

    return checksum_add(sum, (uint64_t)(whole * 10000 + (*p == '-' ? -fraction : fraction)));
}

/* Days since 1970-01-01, as everybody computes them; *end is behind the day. */
static int64_t libc_days(const char *p, char **end)
{
    int64_t year = strtol(p, end, 10);
    int64_t month = strtol(*end + 1, end, 10), day = strtol(*end + 1, end, 10);

    year -= month <= 2;
    int64_t era = year / 400, yoe = year - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static uint64_t libc_date(const char *p, uint64_t sum)
{
    char *end;

    return checksum_add(sum, (uint64_t)libc_days(p, &end));
}

static uint64_t libc_timestamp(const char *p, uint64_t sum)
{
    char *end;
    int64_t us = libc_days(p, &end) * 86400;

    us += strtol(end + 1, &end, 10) * 3600;
    us += strtol(end + 1, &end, 10) * 60;
    us += strtol(end + 1, &end, 10);
    us *= 1000000;
    if (*end == '.') {
        const char *digits = end + 1;
        int64_t fraction = strtol(digits, &end, 10);

        for (ptrdiff_t n = end - digits; n < 6; n++)
            fraction *= 10;
        us += fraction;
    }
    return checksum_add(sum, (uint64_t)us);
}

/* The run --------------------------------------------------------------------------------------------- */

static const struct value {
    const char *name;
    uint32_t oid;
    void (*make)(char *to, uint64_t *state);
    uint64_t (*by_redw)(const redw_row *row, uint64_t sum);
    uint64_t (*by_libc)(const char *p, uint64_t sum);
} values[] = {
    {"int4", 23, make_int4, by_int4, libc_int4},
    {"int8", 20, make_int8, by_int8, libc_int8},
    {"float8", 701, make_float8, by_float8, libc_float8},
    {"numeric", 1700, make_numeric, by_numeric, libc_numeric},
    {"date", 1082, make_date, by_date, libc_date},
    {"timestamp", 1114, make_timestamp, by_timestamp, libc_timestamp},
};

static const struct value *find(const char *name)
{
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (strcmp(values[i].name, name) == 0)
            return &values[i];
    errx(1, "--work %s: no such value", name);
}

static uint64_t run(const struct value *v, const struct redw_column *column, bool libc, uint64_t count)
{
    const struct redwi_rowset set = {.columns = column, .ncolumns = 1}; /* as rows from a server have one */
    redw_row row = {.ncells = 1, .priv_ = {column, &set}};
    uint64_t sum = 0;

    if (libc) {
        for (uint64_t i = 0; i < count; i++)
            sum = v->by_libc(cells[i % VALUES].ptr, sum);
        return sum;
    }
    for (uint64_t i = 0; i < count; i++) {
        row.cells = &cells[i % VALUES];
        sum = v->by_redw(&row, sum);
    }
    return sum;
}

int main(int argc, char **argv)
{
    struct bench_args args = bench_args(argc, argv);
    struct value chosen = *find(args.work);
    const struct value *v = &chosen;
    bool libc = strcmp(args.kind, "single") == 0;
    struct redw_column column = {.name = v->name};
    uint64_t state = 1, sum;

    if (strncmp(args.kind, "frame", 5) == 0) {
        chosen.by_redw = by_byte;
        chosen.by_libc = libc_byte;
        libc = strcmp(args.kind, "frame-single") == 0;
    }
    redwi_column_describe(&column, v->oid, -1, REDWI_POSTGRES);
    for (size_t i = 0; i < VALUES; i++) {
        v->make(texts[i].text, &state);
        cells[i] = (redw_slice){texts[i].text, strlen(texts[i].text)};
    }
    run(v, &column, libc, VALUES);
    bench_begin();
    sum = run(v, &column, libc, args.count);
    bench_end();
    bench_report(args.count, sum);
    return 0;
}
