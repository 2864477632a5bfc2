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
/* The answers to authentication requests; they carry secrets, so the buffer is to be a secret one.
 * PasswordMessage: cleartext, or "md5" and 32 hex digits; without a NUL inside. */
void redwi_fe_password(struct redwi_buf *b, const char *text, size_t n);
void redwi_fe_sasl_initial(struct redwi_buf *b, const char *mechanism, const char *data, size_t n);
void redwi_fe_sasl_response(struct redwi_buf *b, const char *data, size_t n);
/* Redshift's: the answer to code 13 (digest, client nonce), and to 14. */
#define REDWI_DIGEST_BYTES 32
void redwi_fe_digest(struct redwi_buf *b, const uint8_t digest[REDWI_DIGEST_BYTES], const uint8_t *nonce,
                     size_t nonce_len);
void redwi_fe_token(struct redwi_buf *b, const char *token, size_t n);

void redwi_fe_query(struct redwi_buf *b, const char *sql, size_t n);
/* One text of two: `head` as it is, then sql. */
void redwi_fe_query_with(struct redwi_buf *b, const char *head, const char *sql, size_t n);
void redwi_fe_parse(struct redwi_buf *b, const char *statement, const char *sql, size_t sql_len,
                    const uint32_t *oids, size_t noids);
/* The same in steps: the SQL's bytes are put in between. */
size_t redwi_fe_parse_begin(struct redwi_buf *b, const char *statement);
void redwi_fe_parse_end(struct redwi_buf *b, size_t at, const uint32_t *oids, size_t noids);
void redwi_fe_describe_statement(struct redwi_buf *b, const char *statement);
void redwi_fe_describe_portal(struct redwi_buf *b, const char *portal);
void redwi_fe_execute(struct redwi_buf *b, const char *portal, uint32_t max_rows);
void redwi_fe_close_statement(struct redwi_buf *b, const char *statement);
void redwi_fe_close_portal(struct redwi_buf *b, const char *portal);
void redwi_fe_flush(struct redwi_buf *b);
static inline void redwi_fe_sync(struct redwi_buf *b)
{
    uint8_t *p = redwi_buf_put(b, 5);
    if (p)
        memcpy(p, "S\0\0\0\x04", 5);
}
void redwi_fe_terminate(struct redwi_buf *b);
void redwi_fe_copy_data(struct redwi_buf *b, const void *data, size_t n);
void redwi_fe_copy_done(struct redwi_buf *b);
void redwi_fe_copy_fail(struct redwi_buf *b, const char *why);
/* FunctionCall, every argument and the result in one format. */
void redwi_fe_function_call(struct redwi_buf *b, uint32_t oid, uint16_t format, const redw_slice *values,
                            size_t n, uint16_t result_format);

/*
 * Bind, in steps, so that values are encoded straight into the message:
 *   at = redwi_fe_bind_begin(b, portal, statement, formats, n);
 *   n times: redwi_fe_bind_null(b), or v = redwi_fe_bind_value(b); ...put bytes...; redwi_fe_bind_value_end(b, v);
 *   redwi_fe_bind_end(b, at, result_format), or redwi_fe_bind_end_each(b, at, result_formats, ncolumns);
 * formats: one code (0 text, 1 binary) per parameter. result_format: one code for all columns; result_formats:
 * one for each.
 */
size_t redwi_fe_bind_begin(struct redwi_buf *b, const char *portal, const char *statement,
                           const uint8_t *formats, size_t n);
static inline void redwi_fe_bind_null(struct redwi_buf *b)
{
    redwi_buf_u32(b, UINT32_MAX); /* -1 */
}
static inline size_t redwi_fe_bind_value(struct redwi_buf *b)
{
    size_t at = redwi_buf_mark(b);
    redwi_buf_u32(b, 0);
    return at;
}
void redwi_fe_bind_value_end(struct redwi_buf *b, size_t at);
void redwi_fe_bind_end(struct redwi_buf *b, size_t at, uint16_t result_format);
void redwi_fe_bind_end_each(struct redwi_buf *b, size_t at, const uint8_t *result_formats, size_t ncolumns);

/* What follows the SQL's bytes of a whole request: their NUL, no types; Bind, Describe, Execute, Sync. */
#define REDWI_FE_UNNAMED_REST(format)                                                        \
    "\0" "\0\0" "B\0\0\0\x0e\0\0" "\0\0" "\0\0" "\0\1" "\0" format "D\0\0\0\x06P\0" \
    "E\0\0\0\x09\0\0\0\0\0" "S\0\0\0\x04"

/* A whole request without a name and without parameters: Parse, Bind, Describe of the portal, Execute without a
 * limit, Sync; binary: in which form values are asked for. In one put and in place, as the hottest request: message
 * by message it takes 317 instructions, so it takes 50. */
static inline void redwi_fe_unnamed(struct redwi_buf *b, const char *sql, size_t n, bool binary)
{
    static const char text[] = REDWI_FE_UNNAMED_REST("\0"), forms[] = REDWI_FE_UNNAMED_REST("\1");
    const size_t head = 6, rest = sizeof text - 1, counted = sizeof(uint32_t) + 1 + 1 + 2; /* besides the SQL */

    if (n > REDWI_MESSAGE_MAX - counted && !b->failed)
        b->failed = REDW_EFULL;
    uint8_t *p = b->failed ? NULL : redwi_buf_put(b, head + n + rest);
    if (!p)
        return;
    p[0] = 'P';
    redwi_store32(p + 1, (uint32_t)(counted + n));
    p[5] = 0; /* no name */
    memcpy(p + head, sql, n);
    memcpy(p + head + n, binary ? forms : text, rest);
}

#endif
