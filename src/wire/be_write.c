/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's messages, written. Deliberately obedient: what a test wants to say wrongly it can say, as
 * long as the layout can hold it.
 */
#include "wire/be_write.h"

static void put_name(struct redwi_buf *b, const char *s)
{
    redwi_buf_text(b, s, strlen(s));
}

static void put_slice(struct redwi_buf *b, redw_slice s)
{
    redwi_buf_text(b, s.ptr, s.len);
}

static void put_count(struct redwi_buf *b, size_t n)
{
    if (n > UINT16_MAX && !b->failed)
        b->failed = REDW_EFULL;
    redwi_buf_u16(b, (uint16_t)n);
}

void redwi_be_put_authentication(struct redwi_buf *b, uint32_t code, const void *rest, size_t n)
{
    size_t at = redwi_buf_message(b, 'R');
    redwi_buf_u32(b, code);
    redwi_buf_bytes(b, rest, n);
    redwi_buf_end(b, at);
}

static void put_length(struct redwi_buf *b, size_t n)
{
    if (n > INT32_MAX && !b->failed)
        b->failed = REDW_EFULL;
    redwi_buf_u32(b, (uint32_t)n);
}

void redwi_be_put_digest_request(struct redwi_buf *b, const struct redwi_digest_request *request)
{
    size_t at = redwi_buf_message(b, 'R');
    redwi_buf_u32(b, REDWI_AUTH_CODE_DIGEST);
    redwi_buf_u32(b, request->algorithm);
    put_length(b, request->salt_len);
    redwi_buf_bytes(b, request->salt, request->salt_len);
    put_length(b, request->nonce_len);
    redwi_buf_bytes(b, request->nonce, request->nonce_len);
    redwi_buf_end(b, at);
}

void redwi_be_put_negotiate(struct redwi_buf *b, uint32_t version, const char *const *names, size_t n)
{
    size_t at = redwi_buf_message(b, 'v');
    redwi_buf_u32(b, version);
    put_length(b, n);
    for (size_t i = 0; i < n; i++)
        put_name(b, names[i]);
    redwi_buf_end(b, at);
}

void redwi_be_put_compression(struct redwi_buf *b, const char *algorithms)
{
    size_t at = redwi_buf_message(b, 'z');
    put_name(b, algorithms);
    redwi_buf_end(b, at);
}

void redwi_be_put_compression_switch(struct redwi_buf *b, uint8_t index)
{
    size_t at = redwi_buf_message(b, 'k');
    redwi_buf_u8(b, index);
    redwi_buf_end(b, at);
}

static void put_bytes_message(struct redwi_buf *b, char type, const void *data, size_t n)
{
    size_t at = redwi_buf_message(b, type);
    redwi_buf_bytes(b, data, n);
    redwi_buf_end(b, at);
}

void redwi_be_put_compressed(struct redwi_buf *b, const void *data, size_t n)
{
    put_bytes_message(b, 'm', data, n);
}

void redwi_be_put_parameter_status(struct redwi_buf *b, const char *name, const char *value)
{
    size_t at = redwi_buf_message(b, 'S');
    put_name(b, name);
    put_name(b, value);
    redwi_buf_end(b, at);
}

void redwi_be_put_key_data(struct redwi_buf *b, uint32_t pid, const uint8_t *key, size_t n)
{
    size_t at = redwi_buf_message(b, 'K');
    redwi_buf_u32(b, pid);
    redwi_buf_bytes(b, key, n);
    redwi_buf_end(b, at);
}

void redwi_be_put_ready(struct redwi_buf *b, char status)
{
    size_t at = redwi_buf_message(b, 'Z');
    redwi_buf_u8(b, (uint8_t)status);
    redwi_buf_end(b, at);
}

void redwi_be_put_simple(struct redwi_buf *b, char type)
{
    redwi_buf_end(b, redwi_buf_message(b, type));
}

/* Redshift, from version 1 on. */
static void put_tail(struct redwi_buf *b, const struct redwi_field *f)
{
    put_slice(b, f->schema);
    put_slice(b, f->table);
    put_slice(b, f->column);
    put_slice(b, f->catalog);
    redwi_buf_u16(b, f->flags);
}

void redwi_be_put_row_description(struct redwi_buf *b, const struct redwi_field *fields, size_t n)
{
    size_t at = redwi_buf_message(b, 'T');
    put_count(b, n);
    for (size_t i = 0; i < n && !b->failed; i++) {
        const struct redwi_field *f = &fields[i];
        put_slice(b, f->name);
        redwi_buf_u32(b, f->table_oid);
        redwi_buf_u16(b, (uint16_t)f->attribute);
        redwi_buf_u32(b, f->type_oid);
        redwi_buf_u16(b, (uint16_t)f->type_size);
        redwi_buf_u32(b, (uint32_t)f->typmod);
        redwi_buf_u16(b, f->format);
        if (f->schema.ptr)
            put_tail(b, f);
    }
    redwi_buf_end(b, at);
}

static void put_cell(struct redwi_buf *b, redw_slice cell)
{
    if (!cell.ptr) {
        redwi_buf_u32(b, UINT32_MAX); /* -1: NULL */
        return;
    }
    put_length(b, cell.len);
    redwi_buf_bytes(b, cell.ptr, cell.len);
}

void redwi_be_put_data_row(struct redwi_buf *b, const redw_slice *cells, size_t n)
{
    size_t at = redwi_buf_message(b, 'D');
    put_count(b, n);
    for (size_t i = 0; i < n && !b->failed; i++)
        put_cell(b, cells[i]);
    redwi_buf_end(b, at);
}

void redwi_be_put_parameter_description(struct redwi_buf *b, const uint32_t *oids, size_t n)
{
    size_t at = redwi_buf_message(b, 't');
    put_count(b, n);
    for (size_t i = 0; i < n && !b->failed; i++)
        redwi_buf_u32(b, oids[i]);
    redwi_buf_end(b, at);
}

void redwi_be_put_command_complete(struct redwi_buf *b, const char *tag)
{
    size_t at = redwi_buf_message(b, 'C');
    put_name(b, tag);
    redwi_buf_end(b, at);
}

void redwi_be_put_error(struct redwi_buf *b, char type, const struct redwi_error_field *fields)
{
    size_t at = redwi_buf_message(b, type);
    for (; fields->letter; fields++) {
        redwi_buf_u8(b, (uint8_t)fields->letter);
        put_name(b, fields->text);
    }
    redwi_buf_u8(b, 0);
    redwi_buf_end(b, at);
}

void redwi_be_put_notification(struct redwi_buf *b, uint32_t pid, const char *channel, const char *payload)
{
    size_t at = redwi_buf_message(b, 'A');
    redwi_buf_u32(b, pid);
    put_name(b, channel);
    put_name(b, payload);
    redwi_buf_end(b, at);
}

void redwi_be_put_copy_response(struct redwi_buf *b, char type, uint8_t format, const uint16_t *formats, size_t n)
{
    size_t at = redwi_buf_message(b, type);
    redwi_buf_u8(b, format);
    put_count(b, n);
    for (size_t i = 0; i < n && !b->failed; i++)
        redwi_buf_u16(b, formats[i]);
    redwi_buf_end(b, at);
}

void redwi_be_put_copy_data(struct redwi_buf *b, const void *data, size_t n)
{
    put_bytes_message(b, 'd', data, n);
}

void redwi_be_put_function_result(struct redwi_buf *b, redw_slice value)
{
    size_t at = redwi_buf_message(b, 'V');
    put_cell(b, value);
    redwi_buf_end(b, at);
}
