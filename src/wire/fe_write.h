/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's messages, written. Each function appends one whole message to a writer (wire/buf.h),
 * which fails stickily. Layouts: PostgreSQL documentation, "Message Formats".
 */
#ifndef REDWI_WIRE_FE_WRITE_H
#define REDWI_WIRE_FE_WRITE_H

#include "wire/buf.h"

struct redwi_startup_pair {
    const char *name, *value; /* value NULL: the pair is left out */
};

void redwi_fe_ssl_request(struct redwi_buf *b);
void redwi_fe_cancel_request(struct redwi_buf *b, uint32_t pid, const uint8_t *key, size_t key_len);
void redwi_fe_startup(struct redwi_buf *b, const struct redwi_startup_pair *pairs, size_t n);
void redwi_fe_sasl_initial(struct redwi_buf *b, const char *mechanism, const char *data, size_t n);
void redwi_fe_sasl_response(struct redwi_buf *b, const char *data, size_t n);
void redwi_fe_query(struct redwi_buf *b, const char *sql, size_t n);
void redwi_fe_parse(struct redwi_buf *b, const char *statement, const char *sql, size_t sql_len,
                    const uint32_t *oids, size_t noids);
void redwi_fe_describe_portal(struct redwi_buf *b, const char *portal);
void redwi_fe_execute(struct redwi_buf *b, const char *portal, uint32_t max_rows);
void redwi_fe_sync(struct redwi_buf *b);
void redwi_fe_terminate(struct redwi_buf *b);

/*
 * Bind, in steps, so that values are encoded straight into the message:
 *   at = redwi_fe_bind_begin(b, portal, statement, formats, n);
 *   n times: redwi_fe_bind_null(b), or v = redwi_fe_bind_value(b); ...put bytes...; redwi_fe_bind_value_end(b, v);
 *   redwi_fe_bind_end(b, at, result_format);
 * formats: one code (0 text, 1 binary) per parameter. result_format: one code for all columns.
 */
size_t redwi_fe_bind_begin(struct redwi_buf *b, const char *portal, const char *statement,
                           const uint8_t *formats, size_t n);
void redwi_fe_bind_null(struct redwi_buf *b);
size_t redwi_fe_bind_value(struct redwi_buf *b);
void redwi_fe_bind_value_end(struct redwi_buf *b, size_t at);
void redwi_fe_bind_end(struct redwi_buf *b, size_t at, uint16_t result_format);

#endif
