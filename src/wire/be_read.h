/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's messages, read: bodies (what follows the length) as checked views. All return false for
 * a body that does not follow its layout to the last byte; outputs are then unspecified.
 */
#ifndef REDWI_WIRE_BE_READ_H
#define REDWI_WIRE_BE_READ_H

#include "wire/cursor.h"

/* Bounds of the length word of message type `type`, 4 included (reliability: limits); false: no such
 * server message. logged_in: E may be longer after login. data_max: bound for D. */
bool redwi_be_limits(char type, bool logged_in, size_t data_max, size_t *min, size_t *max);

struct redwi_field { /* one field of RowDescription */
    redw_slice name;
    uint32_t table_oid;
    int16_t attribute;
    uint32_t type_oid;
    int16_t type_size;
    int32_t typmod;
    uint16_t format;
};
/* Checks the whole body (at most 1,664 columns, formats 0 or 1) and gives the number of columns... */
bool redwi_be_row_description(const uint8_t *body, size_t len, size_t *ncolumns);
/* ...after which the fields are read one after another; start with *at = NULL. */
void redwi_be_field_next(const uint8_t *body, size_t len, const uint8_t **at, struct redwi_field *out);

bool redwi_be_parameter_status(const uint8_t *body, size_t len, redw_slice *name, redw_slice *value);
bool redwi_be_key_data(const uint8_t *body, size_t len, uint32_t *pid, const uint8_t **key, size_t *key_len);
bool redwi_be_ready(const uint8_t *body, size_t len, char *status); /* I, T or E */
bool redwi_be_command_complete(const uint8_t *body, size_t len, redw_slice *tag);
bool redwi_be_authentication(const uint8_t *body, size_t len, uint32_t *code, const uint8_t **rest,
                             size_t *rest_len);
/* SASL (code 10): is this mechanism in the list? The list must be well-formed. */
bool redwi_be_sasl_offers(const uint8_t *rest, size_t len, const char *mechanism, bool *offered);
/* ErrorResponse, NoticeResponse: a list of {letter, text}, ended by a zero byte. */
bool redwi_be_fields_ok(const uint8_t *body, size_t len);
/* The text of one field of a checked body; ptr NULL: absent. */
redw_slice redwi_be_field(const uint8_t *body, size_t len, char letter);

/* The trailing decimal of a command tag, or -1: Redshift's tags may have none (protocol 6.5). */
int64_t redwi_be_tag_count(const char *tag, size_t len);

#endif
