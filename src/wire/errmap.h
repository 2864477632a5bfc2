/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLSTATE to class: a table, exceptions first, then the two-character classes.
 */
#ifndef REDWI_WIRE_ERRMAP_H
#define REDWI_WIRE_ERRMAP_H

#include <redw/error.h>

/* sqlstate: five characters; anything else, and what is in no table, is REDW_CLASS_INTERNAL. */
enum redw_class redwi_errmap_class(const char *sqlstate);

#endif
