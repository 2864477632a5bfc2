/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters to the wire. Which form a type takes depends on the server that was negotiated with, not on
 * the value (design H13); what Redshift's own drivers send is the measure for it (protocol 5.5). All of
 * it is for parameters that redwi_params_check() let pass.
 */
#ifndef REDWI_DATA_ENCODE_H
#define REDWI_DATA_ENCODE_H

#include "data/types.h"
#include "wire/buf.h"

/* The OID (0: the server infers the type) and format code (0 text, 1 binary) a parameter is sent
 * with; and its value, into a Bind message begun with redwi_fe_bind_begin. */
uint32_t redwi_param_oid(const redw_param *p, enum redwi_server server);
uint8_t redwi_param_format(const redw_param *p, enum redwi_server server);
/* The bytes of a value that goes as it lies, of a text for instance; ptr NULL: it is encoded, or NULL. */
redw_slice redwi_param_raw(const redw_param *p, enum redwi_server server);
void redwi_param_put(struct redwi_buf *b, const redw_param *p, enum redwi_server server);

#endif
