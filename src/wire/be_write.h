/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's messages, written: for the simulator and the memory peer of the tests.
 */
#ifndef REDWI_WIRE_BE_WRITE_H
#define REDWI_WIRE_BE_WRITE_H

#include "wire/be_read.h"
#include "wire/buf.h"

void redwi_be_put_authentication(struct redwi_buf *b, uint32_t code, const void *rest, size_t n);
void redwi_be_put_digest_request(struct redwi_buf *b, const struct redwi_digest_request *request);
void redwi_be_put_negotiate(struct redwi_buf *b, uint32_t version, const char *const *names, size_t n);
void redwi_be_put_compression(struct redwi_buf *b, const char *algorithms);
void redwi_be_put_compression_switch(struct redwi_buf *b, uint8_t index);
void redwi_be_put_compressed(struct redwi_buf *b, const void *data, size_t n);
void redwi_be_put_parameter_status(struct redwi_buf *b, const char *name, const char *value);
void redwi_be_put_key_data(struct redwi_buf *b, uint32_t pid, const uint8_t *key, size_t n);
void redwi_be_put_ready(struct redwi_buf *b, char status);
void redwi_be_put_simple(struct redwi_buf *b, char type); /* 1 2 3 n s I c: length 4 */
/* A field has its tail if its schema is not NULL. */
void redwi_be_put_row_description(struct redwi_buf *b, const struct redwi_field *fields, size_t n);
void redwi_be_put_data_row(struct redwi_buf *b, const redw_slice *cells, size_t n);
void redwi_be_put_parameter_description(struct redwi_buf *b, const uint32_t *oids, size_t n);
void redwi_be_put_command_complete(struct redwi_buf *b, const char *tag);
/* 'E' or 'N'; fields are letter, text, letter, text ... ended by letter 0. */
struct redwi_error_field {
    char letter;
    const char *text;
};
void redwi_be_put_error(struct redwi_buf *b, char type, const struct redwi_error_field *fields);
void redwi_be_put_notification(struct redwi_buf *b, uint32_t pid, const char *channel, const char *payload);
/* type: G, H or W. */
void redwi_be_put_copy_response(struct redwi_buf *b, char type, uint8_t format, const uint16_t *formats, size_t n);
void redwi_be_put_copy_data(struct redwi_buf *b, const void *data, size_t n);
void redwi_be_put_function_result(struct redwi_buf *b, redw_slice value);

#endif
