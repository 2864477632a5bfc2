/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Type OIDs and what they are called: one table (Redshift's and PostgreSQL's OIDs agree where both have
 * a type; protocol 5.1). Nothing is ever asked of the server's own catalogue.
 */
#ifndef REDWI_DATA_TYPES_H
#define REDWI_DATA_TYPES_H

#include <redw/result.h>

enum {
    REDWI_OID_BOOL = 16, REDWI_OID_BYTEA = 17, REDWI_OID_INT8 = 20, REDWI_OID_INT2 = 21,
    REDWI_OID_INT2VECTOR = 22, REDWI_OID_INT4 = 23, REDWI_OID_TEXT = 25, REDWI_OID_OIDVECTOR = 30,
    REDWI_OID_FLOAT4 = 700, REDWI_OID_FLOAT8 = 701, REDWI_OID_ABSTIME = 702, REDWI_OID_INTERVAL = 1186,
    REDWI_OID_NUMERIC = 1700, REDWI_OID_JSONB = 3802, REDWI_OID_VARBYTE = 6551,
};

/*
 * Whose forms values have (design H13): the same bytes mean different things to the two. It is
 * negotiated at login and never guessed from a value. What older protocol versions of Redshift call
 * binary is not always what it seems (protocol 5.4), so that they are asked for text.
 */
enum redwi_server {
    REDWI_POSTGRES = 0,
    REDWI_REDSHIFT_BASE,   /* versions 0 and 1 */
    REDWI_REDSHIFT_BINARY, /* 2 and later: Redshift's own binary forms */
};
static inline enum redwi_server redwi_server_of(bool redshift, unsigned version)
{
    return !redshift ? REDWI_POSTGRES : version < 2 ? REDWI_REDSHIFT_BASE : REDWI_REDSHIFT_BINARY;
}

enum redw_type redwi_type_of_oid(uint32_t oid); /* REDW_UNKNOWN_TYPE: its text is all that is known */
/* What a parameter of this type is declared with; 0: the server infers. */
uint32_t redwi_oid_of_type(enum redw_type type, enum redwi_server server);
/* Of an array's elements, and of the array of such elements; 0: none known. */
uint32_t redwi_oid_of_element(uint32_t array_oid);
uint32_t redwi_oid_of_array(uint32_t element_oid);
/* The server's own name, "int8"; NULL: not in the table. */
const char *redwi_name_of_oid(uint32_t oid);

/* The library's own of a column: its priv_. */
enum { REDWI_COLUMN_SERVER = 0, REDWI_COLUMN_FORM = 1 };

/* What the cells of a result's column are, for the getters to see at one look: the type, and in the lowest bit
 * whether they are text as they are. 0 says nothing: columns have it that are not of a result, or unlike others of
 * their type. */
static inline uint8_t redwi_form(enum redw_type type, bool binary)
{
    return (uint8_t)((unsigned)type << 1 | (!binary | (type == REDW_VARCHAR)));
}

/* Fills what follows from oid, typmod, server and binary: type, form, precision, scale. The rest is left alone. */
void redwi_column_describe(struct redw_column *c, uint32_t oid, int32_t typmod,
                           enum redwi_server server);

/* Is its binary form one that the typed getters read, and shorter to read than its text? Texts are the same in
 * both; what is read as text only, or only if the server says its scale, stays text. */
bool redwi_column_in_binary(const struct redw_column *c);

/* "numeric(38,4)", as it would be declared. Cut to fit; returns buf. */
#define REDWI_TYPE_CHARS 64
char *redwi_column_type_text(const struct redw_column *c, char buf[REDWI_TYPE_CHARS]);

static inline enum redwi_server redwi_column_server(const struct redw_column *c)
{
    return (enum redwi_server)c->priv_[REDWI_COLUMN_SERVER];
}

#endif
