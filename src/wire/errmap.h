/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an error of the server means: its class, whether it passes by itself, and, when something stopped
 * the statement, what. Tables, decided in this order: SQLSTATE, routine, Redshift's code, text. Text comes
 * last because it may be localized; it decides only where the rest is silent (docs/redshift/errors.md).
 */
#ifndef REDWI_WIRE_ERRMAP_H
#define REDWI_WIRE_ERRMAP_H

#include <redw/error.h>

/* What there is to decide by; slices may be empty. */
struct redwi_evidence {
    const char *sqlstate;       /* five characters, or "" */
    int code;                   /* Redshift's; 0: none */
    redw_slice routine;         /* field R */
    redw_slice message;         /* field M */
    redw_slice error, location; /* of the detail block; error also: the detail's prose */
};
struct redwi_verdict {
    enum redw_class cls;
    enum redw_cause cause;
    bool retryable;
};
struct redwi_verdict redwi_errmap(const struct redwi_evidence *e);

/* By SQLSTATE alone. sqlstate: five characters; anything else, and what is in no table, is
 * REDW_CLASS_INTERNAL. */
enum redw_class redwi_errmap_class(const char *sqlstate);

/* The query monitoring rule that a message names; ptr NULL: it names none. */
redw_slice redwi_errmap_rule(redw_slice message);

#endif
