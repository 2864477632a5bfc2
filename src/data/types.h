/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Type OIDs and what they are called: one table (Redshift's and PostgreSQL's OIDs agree where both
 * have a type; protocol 5.1).
 */
#ifndef REDWI_DATA_TYPES_H
#define REDWI_DATA_TYPES_H

#include <redw/value.h>

enum {
    REDWI_OID_BOOL = 16, REDWI_OID_NAME = 19, REDWI_OID_INT8 = 20, REDWI_OID_INT2 = 21,
    REDWI_OID_INT4 = 23, REDWI_OID_TEXT = 25, REDWI_OID_FLOAT4 = 700, REDWI_OID_FLOAT8 = 701,
    REDWI_OID_UNKNOWN = 705, REDWI_OID_BPCHAR = 1042, REDWI_OID_VARCHAR = 1043, REDWI_OID_NUMERIC = 1700,
};

enum redw_type redwi_type_of_oid(uint32_t oid);
uint32_t redwi_oid_of_type(enum redw_type type); /* 0: the server infers */

#endif
