/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row per type: its name, the OID a parameter of it is declared with and a column of it answers
 * with; then the OIDs that are read as one of these types. Searched once per column of a statement,
 * never per value.
 */
#include "data/types.h"

static const struct {
    uint32_t oid;
    const char *name;
} types[] = {
    [REDW_UNKNOWN_TYPE] = {0, "unknown"},
    [REDW_BOOLEAN] = {REDWI_OID_BOOL, "boolean"},
    [REDW_SMALLINT] = {REDWI_OID_INT2, "smallint"},
    [REDW_INTEGER] = {REDWI_OID_INT4, "integer"},
    [REDW_BIGINT] = {REDWI_OID_INT8, "bigint"},
    [REDW_REAL] = {REDWI_OID_FLOAT4, "real"},
    [REDW_DOUBLE] = {REDWI_OID_FLOAT8, "double precision"},
    [REDW_NUMERIC] = {REDWI_OID_NUMERIC, "numeric"},
    [REDW_CHAR] = {REDWI_OID_BPCHAR, "char"},
    [REDW_VARCHAR] = {REDWI_OID_VARCHAR, "varchar"},
    [REDW_DATE] = {1082, "date"},
    [REDW_TIME] = {1083, "time"},
    [REDW_TIMETZ] = {1266, "timetz"},
    [REDW_TIMESTAMP] = {1114, "timestamp"},
    [REDW_TIMESTAMPTZ] = {1184, "timestamptz"},
    [REDW_INTERVAL_YM] = {1188, "interval year to month"},
    [REDW_INTERVAL_DS] = {1190, "interval day to second"},
    [REDW_VARBYTE] = {6551, "varbyte"},
    [REDW_SUPER] = {4000, "super"},
    [REDW_GEOMETRY] = {3000, "geometry"},
};
enum { NTYPES = sizeof types / sizeof *types };

enum redw_type redwi_type_of_oid(uint32_t oid)
{
    /* Strings by other names: text is what most expressions are, name what the catalogue holds, and
     * unknown what a bare literal is. */
    if (oid == REDWI_OID_TEXT || oid == REDWI_OID_NAME || oid == REDWI_OID_UNKNOWN)
        return REDW_VARCHAR;
    for (unsigned i = REDW_UNKNOWN_TYPE + 1; i < NTYPES; i++) {
        if (types[i].oid == oid)
            return (enum redw_type)i;
    }
    return REDW_UNKNOWN_TYPE;
}

uint32_t redwi_oid_of_type(enum redw_type type)
{
    return (unsigned)type < NTYPES ? types[type].oid : 0;
}

const char *redw_type_name(enum redw_type type)
{
    return types[(unsigned)type < NTYPES ? type : REDW_UNKNOWN_TYPE].name;
}
