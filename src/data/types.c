/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two tables: one row per OID, by which a column's type is known; one row per redw_type, by which a
 * parameter is declared. Searched once per column or parameter, never per value.
 */
#include "data/types.h"

#include <stdio.h>
#include <string.h>

/* Ascending. Strings by other names are VARCHAR: text is what most expressions are, name what the
 * catalogue holds, and unknown what a bare literal is. Types without a redw_type are read as text.
 * The domains of information_schema have OIDs of their own on Redshift and are not here: text too. */
static const struct row {
    uint32_t oid, element; /* element: of an array */
    enum redw_type type;
    const char *name; /* pg_type.typname, an array's as it is declared */
} rows[] = {
    {16, 0, REDW_BOOLEAN, "bool"},
    {17, 0, REDW_VARBYTE, "bytea"},
    {18, 0, REDW_UNKNOWN_TYPE, "\"char\""},
    {19, 0, REDW_VARCHAR, "name"},
    {20, 0, REDW_BIGINT, "int8"},
    {21, 0, REDW_SMALLINT, "int2"},
    {22, 21, REDW_ARRAY, "int2vector"},
    {23, 0, REDW_INTEGER, "int4"},
    {24, 0, REDW_UNKNOWN_TYPE, "regproc"},
    {25, 0, REDW_VARCHAR, "text"},
    {26, 0, REDW_OID, "oid"},
    {27, 0, REDW_UNKNOWN_TYPE, "tid"},
    {28, 0, REDW_OID, "xid"},
    {29, 0, REDW_OID, "cid"},
    {30, 26, REDW_ARRAY, "oidvector"},
    {114, 0, REDW_JSON, "json"},
    {142, 0, REDW_UNKNOWN_TYPE, "xml"},
    {199, 114, REDW_ARRAY, "json[]"},
    {210, 0, REDW_UNKNOWN_TYPE, "smgr"},
    {600, 0, REDW_UNKNOWN_TYPE, "point"},
    {601, 0, REDW_UNKNOWN_TYPE, "lseg"},
    {602, 0, REDW_UNKNOWN_TYPE, "path"},
    {603, 0, REDW_UNKNOWN_TYPE, "box"},
    {604, 0, REDW_UNKNOWN_TYPE, "polygon"},
    {628, 0, REDW_UNKNOWN_TYPE, "line"},
    {650, 0, REDW_UNKNOWN_TYPE, "cidr"},
    {700, 0, REDW_REAL, "float4"},
    {701, 0, REDW_DOUBLE, "float8"},
    {702, 0, REDW_TIMESTAMPTZ, "abstime"},
    {703, 0, REDW_UNKNOWN_TYPE, "reltime"},
    {704, 0, REDW_UNKNOWN_TYPE, "tinterval"},
    {705, 0, REDW_VARCHAR, "unknown"},
    {718, 0, REDW_UNKNOWN_TYPE, "circle"},
    {790, 0, REDW_UNKNOWN_TYPE, "money"},
    {829, 0, REDW_UNKNOWN_TYPE, "macaddr"},
    {869, 0, REDW_UNKNOWN_TYPE, "inet"},
    {1000, 16, REDW_ARRAY, "bool[]"},
    {1001, 17, REDW_ARRAY, "bytea[]"},
    {1002, 18, REDW_ARRAY, "\"char\"[]"},
    {1003, 19, REDW_ARRAY, "name[]"},
    {1005, 21, REDW_ARRAY, "int2[]"},
    {1006, 22, REDW_ARRAY, "int2vector[]"},
    {1007, 23, REDW_ARRAY, "int4[]"},
    {1008, 24, REDW_ARRAY, "regproc[]"},
    {1009, 25, REDW_ARRAY, "text[]"},
    {1010, 27, REDW_ARRAY, "tid[]"},
    {1011, 28, REDW_ARRAY, "xid[]"},
    {1012, 29, REDW_ARRAY, "cid[]"},
    {1013, 30, REDW_ARRAY, "oidvector[]"},
    {1014, 1042, REDW_ARRAY, "bpchar[]"},
    {1015, 1043, REDW_ARRAY, "varchar[]"},
    {1016, 20, REDW_ARRAY, "int8[]"},
    {1021, 700, REDW_ARRAY, "float4[]"},
    {1022, 701, REDW_ARRAY, "float8[]"},
    {1023, 702, REDW_ARRAY, "abstime[]"},
    {1028, 26, REDW_ARRAY, "oid[]"},
    {1033, 0, REDW_UNKNOWN_TYPE, "aclitem"},
    {1034, 1033, REDW_ARRAY, "aclitem[]"},
    {1042, 0, REDW_CHAR, "bpchar"},
    {1043, 0, REDW_VARCHAR, "varchar"},
    {1082, 0, REDW_DATE, "date"},
    {1083, 0, REDW_TIME, "time"},
    {1114, 0, REDW_TIMESTAMP, "timestamp"},
    {1115, 1114, REDW_ARRAY, "timestamp[]"},
    {1182, 1082, REDW_ARRAY, "date[]"},
    {1183, 1083, REDW_ARRAY, "time[]"},
    {1184, 0, REDW_TIMESTAMPTZ, "timestamptz"},
    {1185, 1184, REDW_ARRAY, "timestamptz[]"},
    {1186, 0, REDW_INTERVAL, "interval"},
    {1187, 1186, REDW_ARRAY, "interval[]"},
    {1188, 0, REDW_INTERVAL_YM, "intervaly2m"},
    {1189, 1188, REDW_ARRAY, "intervaly2m[]"},
    {1190, 0, REDW_INTERVAL_DS, "intervald2s"},
    {1191, 1190, REDW_ARRAY, "intervald2s[]"},
    {1231, 1700, REDW_ARRAY, "numeric[]"},
    {1266, 0, REDW_TIMETZ, "timetz"},
    {1270, 1266, REDW_ARRAY, "timetz[]"},
    {1560, 0, REDW_UNKNOWN_TYPE, "bit"},
    {1562, 0, REDW_UNKNOWN_TYPE, "varbit"},
    {1700, 0, REDW_NUMERIC, "numeric"},
    {1790, 0, REDW_UNKNOWN_TYPE, "refcursor"},
    {2202, 0, REDW_UNKNOWN_TYPE, "regprocedure"},
    {2203, 0, REDW_UNKNOWN_TYPE, "regoper"},
    {2204, 0, REDW_UNKNOWN_TYPE, "regoperator"},
    {2205, 0, REDW_UNKNOWN_TYPE, "regclass"},
    {2206, 0, REDW_UNKNOWN_TYPE, "regtype"},
    {2249, 0, REDW_UNKNOWN_TYPE, "record"},
    {2275, 0, REDW_UNKNOWN_TYPE, "cstring"},
    {2276, 0, REDW_UNKNOWN_TYPE, "any"},
    {2277, 0, REDW_UNKNOWN_TYPE, "anyarray"},
    {2278, 0, REDW_UNKNOWN_TYPE, "void"},
    {2279, 0, REDW_UNKNOWN_TYPE, "trigger"},
    {2280, 0, REDW_UNKNOWN_TYPE, "language_handler"},
    {2281, 0, REDW_UNKNOWN_TYPE, "internal"},
    {2282, 0, REDW_UNKNOWN_TYPE, "opaque"},
    {2283, 0, REDW_UNKNOWN_TYPE, "anyelement"},
    {2935, 0, REDW_HLLSKETCH, "hllsketch"},
    {2950, 0, REDW_UUID, "uuid"},
    {2951, 2950, REDW_ARRAY, "uuid[]"},
    {3000, 0, REDW_GEOMETRY, "geometry"},
    {3001, 0, REDW_GEOGRAPHY, "geography"},
    {3802, 0, REDW_JSON, "jsonb"},
    {3807, 3802, REDW_ARRAY, "jsonb[]"},
    {3999, 0, REDW_GEOMETRY, "geometryhex"},
    {4000, 0, REDW_SUPER, "super"},
    {4600, 0, REDW_UNKNOWN_TYPE, "useritem"},
    {4601, 4600, REDW_ARRAY, "useritem[]"},
    {4602, 0, REDW_UNKNOWN_TYPE, "roleitem"},
    {4603, 4602, REDW_ARRAY, "roleitem[]"},
    {6551, 0, REDW_VARBYTE, "varbyte"},
};
enum { NROWS = sizeof rows / sizeof *rows };

/* By redw_type. PostgreSQL has neither of the two intervals but one that holds both, bytea instead of
 * VARBYTE, and leaves open what SUPER and the like would be: JSON text fits json and jsonb. Redshift
 * has no uuid and no json columns: such a text goes where it is put. */
static const struct {
    uint32_t postgres, redshift;
    const char *name;
} types[] = {
    [REDW_UNKNOWN_TYPE] = {0, 0, "unknown"},
    [REDW_BOOLEAN] = {REDWI_OID_BOOL, REDWI_OID_BOOL, "boolean"},
    [REDW_SMALLINT] = {REDWI_OID_INT2, REDWI_OID_INT2, "smallint"},
    [REDW_INTEGER] = {REDWI_OID_INT4, REDWI_OID_INT4, "integer"},
    [REDW_BIGINT] = {REDWI_OID_INT8, REDWI_OID_INT8, "bigint"},
    [REDW_REAL] = {REDWI_OID_FLOAT4, REDWI_OID_FLOAT4, "real"},
    [REDW_DOUBLE] = {REDWI_OID_FLOAT8, REDWI_OID_FLOAT8, "double precision"},
    [REDW_NUMERIC] = {REDWI_OID_NUMERIC, REDWI_OID_NUMERIC, "numeric"},
    [REDW_CHAR] = {1042, 1042, "char"},
    [REDW_VARCHAR] = {1043, 1043, "varchar"},
    [REDW_DATE] = {1082, 1082, "date"},
    [REDW_TIME] = {1083, 1083, "time"},
    [REDW_TIMETZ] = {1266, 1266, "timetz"},
    [REDW_TIMESTAMP] = {1114, 1114, "timestamp"},
    [REDW_TIMESTAMPTZ] = {1184, 1184, "timestamptz"},
    [REDW_INTERVAL_YM] = {REDWI_OID_INTERVAL, 1188, "interval year to month"},
    [REDW_INTERVAL_DS] = {REDWI_OID_INTERVAL, 1190, "interval day to second"},
    [REDW_VARBYTE] = {REDWI_OID_BYTEA, REDWI_OID_VARBYTE, "varbyte"},
    [REDW_SUPER] = {0, 4000, "super"},
    [REDW_GEOMETRY] = {0, 3000, "geometry"},
    [REDW_GEOGRAPHY] = {0, 3001, "geography"},
    [REDW_HLLSKETCH] = {0, 2935, "hllsketch"},
    [REDW_INTERVAL] = {REDWI_OID_INTERVAL, REDWI_OID_INTERVAL, "interval"},
    [REDW_UUID] = {2950, 0, "uuid"},
    [REDW_JSON] = {114, 0, "json"},
    [REDW_OID] = {26, 26, "oid"},
    [REDW_ARRAY] = {0, 0, "array"},
};
enum { NTYPES = sizeof types / sizeof *types };

static const struct row *find(uint32_t oid)
{
    size_t low = 0, high = NROWS;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (rows[mid].oid < oid)
            low = mid + 1;
        else
            high = mid;
    }
    return low < NROWS && rows[low].oid == oid ? &rows[low] : NULL;
}

enum redw_type redwi_type_of_oid(uint32_t oid)
{
    const struct row *row = find(oid);
    return row ? row->type : REDW_UNKNOWN_TYPE;
}

uint32_t redwi_oid_of_type(enum redw_type type, enum redwi_server server)
{
    if ((unsigned)type >= NTYPES)
        return 0;
    return server == REDWI_POSTGRES ? types[type].postgres : types[type].redshift;
}

uint32_t redwi_oid_of_element(uint32_t array_oid)
{
    const struct row *row = find(array_oid);
    return row ? row->element : 0;
}

uint32_t redwi_oid_of_array(uint32_t element_oid)
{
    /* The vectors are arrays too, but not those a parameter is. */
    for (size_t i = 0; i < NROWS; i++) {
        if (element_oid && rows[i].element == element_oid && rows[i].oid > REDWI_OID_OIDVECTOR)
            return rows[i].oid;
    }
    return 0;
}

const char *redwi_name_of_oid(uint32_t oid)
{
    const struct row *row = find(oid);
    return row ? row->name : NULL;
}

void redwi_column_describe(struct redw_column *c, uint32_t oid, int32_t typmod, enum redwi_server server)
{
    enum { HEADER = 4 }; /* of a varlena, which sizes include (protocol 5.2) */
    c->oid = oid;
    c->typmod = typmod;
    c->type = redwi_type_of_oid(oid);
    /* Seconds, unlike any other of its type. */
    c->priv_[REDWI_COLUMN_FORM] = oid == REDWI_OID_ABSTIME ? 0 : redwi_form(c->type, c->binary);
    c->priv_[REDWI_COLUMN_SERVER] = (uint8_t)server;
    c->precision = c->scale = -1;
    switch (c->type) {
    case REDW_NUMERIC:
        if (typmod < HEADER)
            break;
        c->precision = (typmod - HEADER) >> 16;
        /* PostgreSQL 15 has negative scales, in 11 bits of two's complement. */
        c->scale = (((typmod - HEADER) & 0x7ff) ^ 0x400) - 0x400;
        break;
    case REDW_CHAR:
    case REDW_VARCHAR:
    case REDW_VARBYTE:
        if (typmod >= HEADER)
            c->precision = typmod - HEADER;
        break;
    case REDW_TIME:
    case REDW_TIMETZ:
    case REDW_TIMESTAMP:
    case REDW_TIMESTAMPTZ:
        c->precision = typmod >= 0 && typmod <= 6 ? typmod : 6;
        break;
    default:
        break;
    }
}

bool redwi_column_in_binary(const struct redw_column *c)
{
    enum redwi_server server = redwi_column_server(c);
    if (server == REDWI_REDSHIFT_BASE)
        return false;
    switch (c->type) {
    case REDW_BOOLEAN:
    case REDW_SMALLINT:
    case REDW_INTEGER:
    case REDW_BIGINT:
    case REDW_REAL:
    case REDW_DOUBLE:
    case REDW_DATE:
    case REDW_TIME:
    case REDW_TIMETZ:
    case REDW_TIMESTAMP:
    case REDW_TIMESTAMPTZ:
    case REDW_INTERVAL:
    case REDW_INTERVAL_YM:
    case REDW_INTERVAL_DS:
    case REDW_VARBYTE:
    case REDW_UUID:
    case REDW_OID:
        return true;
    case REDW_NUMERIC: /* Redshift's binary form is a whole number: its scale must be known (protocol 5.4) */
        return server == REDWI_POSTGRES || c->scale >= 0;
    default:
        return false;
    }
}

char *redwi_column_type_text(const struct redw_column *c, char buf[REDWI_TYPE_CHARS])
{
    const char *name = redwi_name_of_oid(c->oid);
    if (c->type == REDW_NUMERIC && c->precision >= 0)
        snprintf(buf, REDWI_TYPE_CHARS, "numeric(%d,%d)", c->precision, c->scale);
    else if ((c->type == REDW_CHAR || c->type == REDW_VARCHAR) && c->precision >= 0)
        snprintf(buf, REDWI_TYPE_CHARS, "%s(%d)", redw_type_name(c->type), c->precision);
    else if (c->type != REDW_UNKNOWN_TYPE && c->type != REDW_ARRAY)
        snprintf(buf, REDWI_TYPE_CHARS, "%s", redw_type_name(c->type));
    else if (name)
        snprintf(buf, REDWI_TYPE_CHARS, "%s", name);
    else
        snprintf(buf, REDWI_TYPE_CHARS, "the type of OID %u", (unsigned)c->oid);
    return buf;
}

const char *redw_type_name(enum redw_type type)
{
    return types[(unsigned)type < NTYPES ? type : REDW_UNKNOWN_TYPE].name;
}
