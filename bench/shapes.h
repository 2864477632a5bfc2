/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The results the bench streams: their names and columns. Server and clients read the same table, so
 * that a client that knows the shape need not ask.
 *
 *   narrow  2 int4                                                     about  27 bytes of wire per row
 *   mixed   int4, int8, float8, numeric, bool, date, timestamp, varchar(32)  137
 *   wide    40 varchar of 16 to 24 bytes                                     967
 *   fat     1 varchar of 1,024 bytes                                       1,035
 *   huge    1 varchar of 64 MiB less 64 bytes: nearly the longest row the driver takes
 *   ping    1 int4: what any other statement answers
 */
#ifndef BENCH_SHAPES_H
#define BENCH_SHAPES_H

#include <stddef.h>
#include <stdint.h>

#define SHAPE_COLUMNS_MAX 40
#define HUGE_BYTES (((unsigned)64 << 20) - 64)

enum {
    OID_BOOL = 16,
    OID_INT8 = 20,
    OID_INT4 = 23,
    OID_FLOAT8 = 701,
    OID_VARCHAR = 1043,
    OID_DATE = 1082,
    OID_TIMESTAMP = 1114,
    OID_NUMERIC = 1700,
};

struct shape_column {
    uint32_t oid;
    int16_t size;         /* bytes of the type; -1: varying */
    unsigned min, max;    /* varchar: bytes of a value */
};
struct shape {
    const char *name;
    size_t ncolumns;
    const struct shape_column *columns; /* one column stands for all when `same` */
    int same;
};

/* NULL: there is no such shape. */
const struct shape *shape_find(const char *name);
const struct shape *shape_at(size_t i); /* NULL beyond the last */

static inline const struct shape_column *shape_column(const struct shape *s, size_t i)
{
    return s->same ? s->columns : s->columns + i;
}

#endif
