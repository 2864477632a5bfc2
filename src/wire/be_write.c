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

void redwi_be_put_row_description(struct redwi_buf *b, const struct redwi_field *fields, size_t n)
{
    size_t at = redwi_buf_message(b, 'T');
    put_count(b, n);
    for (size_t i = 0; i < n && !b->failed; i++) {
        const struct redwi_field *f = &fields[i];
        redwi_buf_text(b, f->name.ptr, f->name.len);
        redwi_buf_u32(b, f->table_oid);
        redwi_buf_u16(b, (uint16_t)f->attribute);
        redwi_buf_u32(b, f->type_oid);
        redwi_buf_u16(b, (uint16_t)f->type_size);
        redwi_buf_u32(b, (uint32_t)f->typmod);
        redwi_buf_u16(b, f->format);
    }
    redwi_buf_end(b, at);
}

static void put_cell(struct redwi_buf *b, redw_slice cell)
{
    if (!cell.ptr) {
        redwi_buf_u32(b, UINT32_MAX); /* -1: NULL */
        return;
    }
    if (cell.len > INT32_MAX && !b->failed)
        b->failed = REDW_EFULL;
    redwi_buf_u32(b, (uint32_t)cell.len);
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
