/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters as the caller made them: checked when they are taken, copied, kept as typed values until
 * they are sent (data/encode.h).
 *
 * Invariant: what redwi_params_check() let pass has a kind of the list below, a type that goes with it,
 * and a value of that type; the other functions rely on that.
 */
#ifndef REDWI_DATA_PARAMS_H
#define REDWI_DATA_PARAMS_H

#include <redw/value.h>

#define REDWI_PARAMS_MAX      32767             /* a signed Int16 on Redshift, protocol 6.2 */
#define REDWI_PARAM_BYTES_MAX ((size_t)16 << 20) /* as of SQL; protocol 5.2 has no larger value */

/* redw_param.flags: which member of v is meant. 0 is none of them, so that a zeroed redw_param, as
 * left behind in an array that was not filled, is refused and not sent as NULL. */
enum redwi_param_kind {
    REDWI_PARAM_NULL = 1,
    REDWI_PARAM_BOOL,        /* i */
    REDWI_PARAM_INT,         /* i */
    REDWI_PARAM_FLOAT,       /* d */
    REDWI_PARAM_TEXT,        /* s */
    REDWI_PARAM_BYTES,       /* s */
    REDWI_PARAM_DECIMAL,     /* n */
    REDWI_PARAM_DATE,        /* i: days */
    REDWI_PARAM_TIME,        /* t.us */
    REDWI_PARAM_TIMETZ,      /* t.us, t.days: seconds east of UTC */
    REDWI_PARAM_TIMESTAMP,   /* i: microseconds; TIMESTAMPTZ too */
    REDWI_PARAM_INTERVAL,    /* t; all three types of it */
    REDWI_PARAM_ARRAY,       /* s: ptr is the first element, len how many; type is theirs */
    REDWI_PARAM_FAULT,       /* s: why there is no value */
    REDWI_PARAM_END,
};

/* 0, or REDW_EINVAL with the parameter named in *why ("parameter $2: ..."). No value is ever quoted. */
int redwi_params_check(const redw_param *params, size_t n, struct redw_diag *why);

/* A copy of the parameters with all they point at, in one allocation; NULL: no memory. Free with
 * redwi_params_free, which wipes. n 0: NULL is returned and fine. */
redw_param *redwi_params_copy(const struct redw_allocator *mem, const redw_param *params, size_t n);
void redwi_params_free(const struct redw_allocator *mem, redw_param *params, size_t n);

#endif
