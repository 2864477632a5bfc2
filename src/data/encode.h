/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters to the wire. They stay typed values until they are sent (design H13): which form a type
 * takes depends on the server, not on the value.
 */
#ifndef REDWI_DATA_ENCODE_H
#define REDWI_DATA_ENCODE_H

#include "wire/buf.h"
#include <redw/value.h>

#define REDWI_PARAMS_MAX 32767 /* a signed Int16 on Redshift, protocol 6.2 */

/* 0, or REDW_EINVAL with the parameter named in *why ("parameter $2: ..."). No value is ever quoted. */
int redwi_params_check(const redw_param *params, size_t n, struct redw_diag *why);

/* A copy of the parameters with all they point at, in one allocation; NULL: no memory. Free with
 * redwi_params_free, which wipes. n 0: NULL is returned and fine. */
redw_param *redwi_params_copy(const struct redw_allocator *mem, const redw_param *params, size_t n);
void redwi_params_free(const struct redw_allocator *mem, redw_param *params, size_t n);

/* The OID and format code (0 text, 1 binary) a parameter is sent with; and its value, into a Bind
 * message begun with redwi_fe_bind_begin. */
uint32_t redwi_param_oid(const redw_param *p);
uint8_t redwi_param_format(const redw_param *p);
void redwi_param_put(struct redwi_buf *b, const redw_param *p);

#endif
