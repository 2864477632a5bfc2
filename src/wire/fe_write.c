/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's messages, written. Nothing is checked here twice: the writer fails stickily, and the only
 * limits of this file's own are the counts and lengths that must fit their fields.
 */
#include "wire/fe_write.h"

#define PROTOCOL_3_0 0x00030000u
#define SSL_REQUEST_CODE 80877103u
#define CANCEL_REQUEST_CODE 80877102u

/* Most names are empty. */
static size_t name_len(const char *s)
{
    return *s ? strlen(s) : 0;
}

static void put_name(struct redwi_buf *b, const char *s)
{
    redwi_buf_text(b, s, name_len(s));
}

/* A 16-bit count. The server reads it unsigned; what does not fit must not wrap. */
static bool count_fits(struct redwi_buf *b, size_t n)
{
    if (n > UINT16_MAX && !b->failed)
        b->failed = REDW_EFULL;
    return !b->failed;
}

static void put_count(struct redwi_buf *b, size_t n)
{
    if (count_fits(b, n))
        redwi_buf_u16(b, (uint16_t)n);
}

/* A value's length; redwi_buf_end() bounds the sum, but a single one must not wrap before that. */
static bool length_fits(struct redwi_buf *b, size_t n)
{
    if (n > INT32_MAX && !b->failed)
        b->failed = REDW_EFULL;
    return !b->failed;
}

static void put_value(struct redwi_buf *b, redw_slice value)
{
    if (!value.ptr) {
        redwi_buf_u32(b, UINT32_MAX); /* -1: NULL */
    } else if (length_fits(b, value.len)) {
        redwi_buf_u32(b, (uint32_t)value.len);
        redwi_buf_bytes(b, value.ptr, value.len);
    }
}

void redwi_fe_ssl_request(struct redwi_buf *b)
{
    size_t at = redwi_buf_message(b, 0);
    redwi_buf_u32(b, SSL_REQUEST_CODE);
    redwi_buf_end(b, at);
}

void redwi_fe_cancel_request(struct redwi_buf *b, uint32_t pid, const uint8_t *key, size_t key_len)
{
    size_t at = redwi_buf_message(b, 0);
    redwi_buf_u32(b, CANCEL_REQUEST_CODE);
    redwi_buf_u32(b, pid);
    redwi_buf_bytes(b, key, key_len);
    redwi_buf_end(b, at);
}

void redwi_fe_startup(struct redwi_buf *b, const struct redwi_startup_pair *pairs, size_t n)
{
    size_t at = redwi_buf_message(b, 0);
    redwi_buf_u32(b, PROTOCOL_3_0);
    for (size_t i = 0; i < n; i++) {
        if (!pairs[i].value)
            continue;
        put_name(b, pairs[i].name);
        put_name(b, pairs[i].value);
    }
    redwi_buf_u8(b, 0);
    redwi_buf_end(b, at);
}

void redwi_fe_password(struct redwi_buf *b, const char *text, size_t n)
{
    size_t at = redwi_buf_message(b, 'p');
    redwi_buf_text(b, text, n);
    redwi_buf_end(b, at);
}

void redwi_fe_sasl_initial(struct redwi_buf *b, const char *mechanism, const char *data, size_t n)
{
    size_t at = redwi_buf_message(b, 'p');
    put_name(b, mechanism);
    if (!data) {
        redwi_buf_u32(b, UINT32_MAX); /* -1: no initial response, which differs from an empty one */
    } else if (length_fits(b, n)) {
        redwi_buf_u32(b, (uint32_t)n);
        redwi_buf_bytes(b, data, n);
    }
    redwi_buf_end(b, at);
}

void redwi_fe_sasl_response(struct redwi_buf *b, const char *data, size_t n)
{
    size_t at = redwi_buf_message(b, 'p');
    redwi_buf_bytes(b, data, n);
    redwi_buf_end(b, at);
}

/* Redshift: type `d`, which is CopyData at any other time. Digest and nonce each carry their length. */
void redwi_fe_digest(struct redwi_buf *b, const uint8_t digest[REDWI_DIGEST_BYTES], const uint8_t *nonce,
                     size_t nonce_len)
{
    size_t at = redwi_buf_message(b, 'd');
    redwi_buf_u32(b, REDWI_DIGEST_BYTES);
    redwi_buf_bytes(b, digest, REDWI_DIGEST_BYTES);
    if (length_fits(b, nonce_len)) {
        redwi_buf_u32(b, (uint32_t)nonce_len);
        redwi_buf_bytes(b, nonce, nonce_len);
    }
    redwi_buf_end(b, at);
}

/* With a NUL, as the JDBC and ODBC drivers send it. */
void redwi_fe_token(struct redwi_buf *b, const char *token, size_t n)
{
    size_t at = redwi_buf_message(b, 'i');
    redwi_buf_text(b, token, n);
    redwi_buf_end(b, at);
}

void redwi_fe_query(struct redwi_buf *b, const char *sql, size_t n)
{
    redwi_fe_query_with(b, "", sql, n);
}

void redwi_fe_query_with(struct redwi_buf *b, const char *head, const char *sql, size_t n)
{
    size_t at = redwi_buf_message(b, 'Q');
    redwi_buf_bytes(b, head, strlen(head));
    redwi_buf_text(b, sql, n);
    redwi_buf_end(b, at);
}

void redwi_fe_parse(struct redwi_buf *b, const char *statement, const char *sql, size_t sql_len,
                    const uint32_t *oids, size_t noids)
{
    size_t at = redwi_fe_parse_begin(b, statement);
    redwi_buf_bytes(b, sql, sql_len);
    redwi_fe_parse_end(b, at, oids, noids);
}

size_t redwi_fe_parse_begin(struct redwi_buf *b, const char *statement)
{
    size_t at = redwi_buf_message(b, 'P');
    put_name(b, statement);
    return at;
}

void redwi_fe_parse_end(struct redwi_buf *b, size_t at, const uint32_t *oids, size_t noids)
{
    redwi_buf_u8(b, 0);
    put_count(b, noids);
    for (size_t i = 0; i < noids && !b->failed; i++)
        redwi_buf_u32(b, oids[i]);
    redwi_buf_end(b, at);
}

/* A message that is the same each time; with its own NUL left out. A put of the whole costs a seventh of putting it
 * together, and each request has four of them. */
#define PUT_CONSTANT(b, bytes) put_constant(b, bytes, sizeof(bytes) - 1)
static inline void put_constant(struct redwi_buf *b, const char *bytes, size_t n)
{
    uint8_t *p = redwi_buf_put(b, n);
    if (p)
        memcpy(p, bytes, n);
}

/* Describe and Close: of a statement (S) or a portal (P). */
static void put_target(struct redwi_buf *b, char type, char what, const char *name)
{
    size_t at = redwi_buf_message(b, type);
    redwi_buf_u8(b, (uint8_t)what);
    put_name(b, name);
    redwi_buf_end(b, at);
}

void redwi_fe_describe_statement(struct redwi_buf *b, const char *statement)
{
    put_target(b, 'D', 'S', statement);
}

void redwi_fe_describe_portal(struct redwi_buf *b, const char *portal)
{
    if (*portal)
        put_target(b, 'D', 'P', portal);
    else
        PUT_CONSTANT(b, "D\0\0\0\x06P\0");
}

__attribute__((noinline)) static void put_execute(struct redwi_buf *b, const char *portal, uint32_t max_rows)
{
    size_t at = redwi_buf_message(b, 'E');
    put_name(b, portal);
    redwi_buf_u32(b, max_rows);
    redwi_buf_end(b, at);
}

void redwi_fe_execute(struct redwi_buf *b, const char *portal, uint32_t max_rows)
{
    if (*portal || max_rows)
        put_execute(b, portal, max_rows);
    else
        PUT_CONSTANT(b, "E\0\0\0\x09\0\0\0\0\0");
}

void redwi_fe_close_statement(struct redwi_buf *b, const char *statement)
{
    put_target(b, 'C', 'S', statement);
}

void redwi_fe_close_portal(struct redwi_buf *b, const char *portal)
{
    put_target(b, 'C', 'P', portal);
}

void redwi_fe_flush(struct redwi_buf *b)
{
    redwi_buf_end(b, redwi_buf_message(b, 'H'));
}

void redwi_fe_terminate(struct redwi_buf *b)
{
    redwi_buf_end(b, redwi_buf_message(b, 'X'));
}

void redwi_fe_copy_data(struct redwi_buf *b, const void *data, size_t n)
{
    size_t at = redwi_buf_message(b, 'd');
    redwi_buf_bytes(b, data, n);
    redwi_buf_end(b, at);
}

void redwi_fe_copy_done(struct redwi_buf *b)
{
    redwi_buf_end(b, redwi_buf_message(b, 'c'));
}

void redwi_fe_copy_fail(struct redwi_buf *b, const char *why)
{
    size_t at = redwi_buf_message(b, 'f');
    put_name(b, why);
    redwi_buf_end(b, at);
}

void redwi_fe_function_call(struct redwi_buf *b, uint32_t oid, uint16_t format, const redw_slice *values,
                            size_t n, uint16_t result_format)
{
    size_t at = redwi_buf_message(b, 'F');
    redwi_buf_u32(b, oid);
    redwi_buf_u16(b, 1);
    redwi_buf_u16(b, format);
    put_count(b, n);
    for (size_t i = 0; i < n && !b->failed; i++)
        put_value(b, values[i]);
    redwi_buf_u16(b, result_format);
    redwi_buf_end(b, at);
}

/* With its NUL; where it ends. */
static uint8_t *name_at(uint8_t *p, const char *name, size_t n)
{
    if (n)
        memcpy(p, name, n);
    p[n] = 0;
    return p + n + 1;
}

/* One put for all of it up to the values: a batch has as many as sets of parameters. */
size_t redwi_fe_bind_begin(struct redwi_buf *b, const char *portal, const char *statement,
                           const uint8_t *formats, size_t n)
{
    size_t at = redwi_buf_mark(b) + 1, portal_len = name_len(portal), statement_len = name_len(statement);
    if (!count_fits(b, n))
        return at;
    uint8_t *p = redwi_buf_put(b, 1 + 4 + portal_len + 1 + statement_len + 1 + 2 + 2 * n + 2);
    if (!p)
        return at;
    memcpy(p, "B\0\0\0", 5); /* the length comes with the end */
    p = name_at(p + 5, portal, portal_len);
    p = name_at(p, statement, statement_len);
    redwi_store16(p, (uint16_t)n);
    for (size_t i = 0; i < n; i++)
        redwi_store16(p + 2 + 2 * i, formats[i]);
    redwi_store16(p + 2 + 2 * n, (uint16_t)n);
    return at;
}

void redwi_fe_bind_value_end(struct redwi_buf *b, size_t at)
{
    /* After a failure the length word itself may be missing. */
    if (b->failed)
        return;
    size_t n = redwi_buf_mark(b) - at - sizeof(uint32_t);
    if (!length_fits(b, n))
        return;
    redwi_store32(b->data + b->head + at, (uint32_t)n); /* this one does not count itself */
}

void redwi_fe_bind_end(struct redwi_buf *b, size_t at, uint16_t result_format)
{
    redwi_buf_u32(b, 1u << 16 | result_format);
    redwi_buf_end(b, at);
}

void redwi_fe_bind_end_each(struct redwi_buf *b, size_t at, const uint8_t *result_formats, size_t ncolumns)
{
    put_count(b, ncolumns);
    for (size_t i = 0; i < ncolumns && !b->failed; i++)
        redwi_buf_u16(b, result_formats[i]);
    redwi_buf_end(b, at);
}
