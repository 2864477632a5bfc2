/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table behind redw_error_class() for errors of the server. Codes and their meaning: PostgreSQL
 * documentation, Appendix A. What is not here is REDW_CLASS_INTERNAL on purpose: a class is a promise
 * about what to do, and for the rest there is none.
 */
#include "wire/errmap.h"

#include <string.h>

struct row {
    const char *prefix; /* five characters: one code; two: a whole class */
    enum redw_class cls;
};

/* The first row whose prefix matches decides, so exceptions stand before their class. */
static const struct row table[] = {
    {"25P03", REDW_CLASS_CONNECTION_FAILED},      /* idle in transaction for too long */
    {"3D000", REDW_CLASS_AUTHENTICATION_FAILED},  /* no such database: the login is refused */
    {"3F000", REDW_CLASS_TABLE_NOT_FOUND},        /* no such schema */
    {"40001", REDW_CLASS_SERIALIZATION_FAILURE},
    {"40P01", REDW_CLASS_SERIALIZATION_FAILURE},  /* deadlock: rolled back, may be repeated likewise */
    {"42501", REDW_CLASS_PERMISSION_DENIED},
    {"42703", REDW_CLASS_COLUMN_NOT_FOUND},
    {"42P01", REDW_CLASS_TABLE_NOT_FOUND},
    {"53100", REDW_CLASS_DISK_FULL},
    {"53200", REDW_CLASS_OUT_OF_MEMORY},
    {"57014", REDW_CLASS_QUERY_CANCELLED},
    {"57P01", REDW_CLASS_CONNECTION_FAILED},      /* admin shutdown */
    {"57P02", REDW_CLASS_CONNECTION_FAILED},      /* crash shutdown */
    {"57P03", REDW_CLASS_CONNECTION_FAILED},      /* cannot connect now */
    {"57P04", REDW_CLASS_CONNECTION_FAILED},      /* database dropped */
    {"57P05", REDW_CLASS_CONNECTION_FAILED},      /* idle session timeout */

    {"08", REDW_CLASS_CONNECTION_FAILED},
    {"0A", REDW_CLASS_INVALID_SQL},               /* feature not supported */
    {"20", REDW_CLASS_DATA_ERROR},                /* no branch of a CASE applies */
    {"21", REDW_CLASS_DATA_ERROR},                /* cardinality */
    {"22", REDW_CLASS_DATA_ERROR},
    {"23", REDW_CLASS_DATA_ERROR},                /* integrity constraints */
    {"24", REDW_CLASS_INVALID_SQL},               /* cursor state */
    {"25", REDW_CLASS_INVALID_SQL},               /* transaction state, 25P02 above all */
    {"26", REDW_CLASS_INVALID_SQL},               /* no such prepared statement */
    {"28", REDW_CLASS_AUTHENTICATION_FAILED},
    {"2D", REDW_CLASS_INVALID_SQL},               /* transaction termination not allowed here */
    {"34", REDW_CLASS_INVALID_SQL},               /* no such cursor */
    {"3B", REDW_CLASS_INVALID_SQL},               /* savepoints */
    {"42", REDW_CLASS_INVALID_SQL},
    {"44", REDW_CLASS_DATA_ERROR},                /* WITH CHECK OPTION */
    {"53", REDW_CLASS_RESOURCE_BUSY},
    {"54", REDW_CLASS_INVALID_SQL},               /* too complex, too many columns */
    {"55", REDW_CLASS_RESOURCE_BUSY},             /* object in use, lock not available */
    {"58", REDW_CLASS_INTERNAL},                  /* the server's system: 58030 input or output */
    {"P0", REDW_CLASS_DATA_ERROR},                /* raised by a procedure */
    {"XX", REDW_CLASS_INTERNAL},                  /* what Redshift's execution engine answers with */
};

enum redw_class redwi_errmap_class(const char *sqlstate)
{
    if (!sqlstate || strnlen(sqlstate, 6) != 5)
        return REDW_CLASS_INTERNAL;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strncmp(sqlstate, table[i].prefix, strlen(table[i].prefix)) == 0)
            return table[i].cls;
    }
    return REDW_CLASS_INTERNAL;
}
