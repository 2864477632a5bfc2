/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of shapes.
 */
#include "shapes.h"

#include <string.h>

static const struct shape_column int4 = {.oid = OID_INT4, .size = 4};
static const struct shape_column string20 = {.oid = OID_VARCHAR, .size = -1, .min = 16, .max = 24};
static const struct shape_column string1024 = {.oid = OID_VARCHAR, .size = -1, .min = 1024, .max = 1024};
static const struct shape_column string_huge = {
    .oid = OID_VARCHAR, .size = -1, .min = HUGE_BYTES, .max = HUGE_BYTES};
static const struct shape_column mixed[] = {
    {.oid = OID_INT4, .size = 4},
    {.oid = OID_INT8, .size = 8},
    {.oid = OID_FLOAT8, .size = 8},
    {.oid = OID_NUMERIC, .size = -1},
    {.oid = OID_BOOL, .size = 1},
    {.oid = OID_DATE, .size = 4},
    {.oid = OID_TIMESTAMP, .size = 8},
    {.oid = OID_VARCHAR, .size = -1, .min = 4, .max = 32},
};

static const struct shape shapes[] = {
    {.name = "narrow", .ncolumns = 2, .columns = &int4, .same = 1},
    {.name = "mixed", .ncolumns = 8, .columns = mixed},
    {.name = "wide", .ncolumns = 40, .columns = &string20, .same = 1},
    {.name = "fat", .ncolumns = 1, .columns = &string1024},
    {.name = "huge", .ncolumns = 1, .columns = &string_huge, .same = 1},
    {.name = "ping", .ncolumns = 1, .columns = &int4},
};

const struct shape *shape_at(size_t i)
{
    return i < sizeof shapes / sizeof *shapes ? &shapes[i] : NULL;
}

const struct shape *shape_find(const char *name)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(shapes[i].name, name) == 0)
            return &shapes[i];
    return NULL;
}
