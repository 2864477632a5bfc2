/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's messages, read: bodies (what follows the length) as checked views. All return false for
 * a body that does not follow its layout to the last byte; outputs are then unspecified. Layouts:
 * PostgreSQL documentation, "Message Formats", and what Redshift adds to them.
 */
#ifndef REDWI_WIRE_BE_READ_H
#define REDWI_WIRE_BE_READ_H

#include "wire/cursor.h"

/* No session bounds a DataRow below this: the longest message of another type. */
#define REDWI_DATA_ROW_LEAST ((size_t)4 << 20)

/* Bounds of the length word by type, as they are in any session at any time: span lengths from min on.
 * span 0: no such type. */
struct redwi_be_bounds {
    uint32_t min, span;
};
extern const struct redwi_be_bounds redwi_be_bounds[128];

/* False: redwi_be_limits() must be asked, which knows more. */
static inline bool redwi_be_surely_within(uint8_t type, uint32_t length)
{
    return type < 128 && length - redwi_be_bounds[type].min < redwi_be_bounds[type].span;
}

/* Bounds of the length word of message type `type`, 4 included (reliability: limits); false: no such
 * server message. logged_in: E may be longer after login. data_max: bound for D, d and m, not below
 * REDWI_DATA_ROW_LEAST. */
bool redwi_be_limits(char type, bool logged_in, size_t data_max, size_t *min, size_t *max);

/* --- login -------------------------------------------------------------------------------------- */

enum {
    REDWI_AUTH_CODE_OK = 0,
    REDWI_AUTH_CODE_KERBEROS_V5 = 2,
    REDWI_AUTH_CODE_CLEARTEXT = 3,
    REDWI_AUTH_CODE_CRYPT = 4,
    REDWI_AUTH_CODE_MD5 = 5,
    REDWI_AUTH_CODE_SCM = 6,
    REDWI_AUTH_CODE_GSS = 7,
    REDWI_AUTH_CODE_GSS_CONTINUE = 8,
    REDWI_AUTH_CODE_SSPI = 9,
    REDWI_AUTH_CODE_SASL = 10,
    REDWI_AUTH_CODE_SASL_CONTINUE = 11,
    REDWI_AUTH_CODE_SASL_FINAL = 12,
    REDWI_AUTH_CODE_DIGEST = 13, /* Redshift's */
    REDWI_AUTH_CODE_TOKEN = 14,
};
/* The code and what follows it, which the functions below read. */
bool redwi_be_authentication(const uint8_t *body, size_t len, uint32_t *code, const uint8_t **rest,
                             size_t *rest_len);
/* Codes 0, 3 and 14: nothing may follow. */
bool redwi_be_no_more(const uint8_t *rest, size_t len);
/* MD5 (5): four bytes. */
bool redwi_be_md5_salt(const uint8_t *rest, size_t len, const uint8_t **salt);
/* SASL (10): is this mechanism in the list? The list must be well-formed. */
bool redwi_be_sasl_offers(const uint8_t *rest, size_t len, const char *mechanism, bool *offered);
/* Digest (13). The reader takes what follows the layout with at most 1,024 bytes of salt and of nonce;
 * redwi_be_digest_ok() is what may be answered. */
struct redwi_digest_request {
    uint32_t algorithm; /* 0: SHA-256. 1 (scrypt) and 2 (argon2) have a name and no implementation */
    const uint8_t *salt;
    size_t salt_len;
    const uint8_t *nonce;
    size_t nonce_len;
};
#define REDWI_DIGEST_PART_MAX 1024
bool redwi_be_digest_request(const uint8_t *rest, size_t len, struct redwi_digest_request *out);
/* SHA-256, and a salt and a nonce that are there: without a nonce of its own the server would take the
 * same answer again, without a salt what it stores could be looked up. */
bool redwi_be_digest_ok(const struct redwi_digest_request *request);

/* pid, and what CancelRequest needs: at most so many bytes (protocol 3.2). */
#define REDWI_KEY_MAX 256
bool redwi_be_key_data(const uint8_t *body, size_t len, uint32_t *pid, const uint8_t **key, size_t *key_len);

/* NegotiateProtocolVersion: the newest 3.x the server has, and the startup names it did not know. */
struct redwi_negotiate {
    unsigned minor;
    size_t nnames;
    struct redwi_cursor names; /* nnames times redwi_cursor_text() */
};
bool redwi_be_negotiate(const uint8_t *body, size_t len, struct redwi_negotiate *out);

/* Redshift's stream compression, which is never asked for (`_pq_.compression`): `z` the algorithms agreed
 * upon, `k` which of them is used from here on; `m` carries compressed bytes and nothing to read. */
bool redwi_be_compression(const uint8_t *body, size_t len, redw_slice *algorithms);
bool redwi_be_compression_switch(const uint8_t *body, size_t len, uint8_t *index);

bool redwi_be_parameter_status(const uint8_t *body, size_t len, redw_slice *name, redw_slice *value);
/* The value of `server_protocol_version`: which of Redshift's layouts the server will use, 0 to 3. A server
 * that never says is at 0. */
#define REDWI_ROW_VERSION_MAX 3
bool redwi_be_row_version(redw_slice value, unsigned *version);

/* --- rows --------------------------------------------------------------------------------------- */

struct redwi_field { /* one field of RowDescription */
    redw_slice name;
    uint32_t table_oid;
    int16_t attribute;
    uint32_t type_oid;
    int16_t type_size;
    int32_t typmod;
    uint16_t format;
    /* The tail, from Redshift's version 1 on: where the column comes from, empty for an expression. ptr NULL
     * (and flags 0): the message has no tails. */
    redw_slice schema, table, column, catalog;
    uint16_t flags;
};
enum { /* of flags; more bits may be set */
    REDWI_FIELD_NOT_NULL = 0x0001,
    REDWI_FIELD_CASE_SENSITIVE = 0x0002, /* says something from version 3 on only */
    REDWI_FIELD_AUTO_INCREMENT = 0x0010,
    REDWI_FIELD_READ_ONLY = 0x0100,
    REDWI_FIELD_SEARCHABLE = 0x1000,
};
struct redwi_columns { /* a checked RowDescription */
    size_t n;
    unsigned version; /* of the layout found: as given, or 0 */
    struct redwi_cursor fields;
    const uint8_t *formats; /* not NULL: these n format codes count, and not the message's own: of a statement it
                               does not say in which form its rows will be asked for */
    uint64_t serial; /* which description of its session this is: equal numbers mean equal bytes and version
                        (formats aside). 0: not known, compare nothing */
};
/* Checks the whole body (at most 1,664 columns, formats 0 or 1) for the version negotiated. A proxy between
 * us and the server may have written it anew and without the tails: a body that has none at all is read
 * as of version 0, and out->version says so. */
bool redwi_be_row_description(const uint8_t *body, size_t len, unsigned version, struct redwi_columns *out);
/* The next of the n fields. */
void redwi_be_field_next(struct redwi_columns *columns, struct redwi_field *out);

/* DataRow: n times redwi_cursor_value(). The driver's own rows take a shorter way (data/row.h). */
bool redwi_be_data_row(const uint8_t *body, size_t len, size_t *n, struct redwi_cursor *values);

/* ParameterDescription: n big-endian 32-bit values. */
bool redwi_be_parameter_description(const uint8_t *body, size_t len, const uint8_t **oids, size_t *n);

/* --- the rest ----------------------------------------------------------------------------------- */

/* I, T or E */
static inline bool redwi_be_ready(const uint8_t *body, size_t len, char *status)
{
    if (len != 1)
        return false;
    *status = (char)body[0];
    return *status == 'I' || *status == 'T' || *status == 'E';
}
static inline bool redwi_be_command_complete(const uint8_t *body, size_t len, redw_slice *tag)
{
    if (!len || memchr(body, 0, len) != body + len - 1)
        return false;
    *tag = (redw_slice){(const char *)body, len - 1};
    return true;
}
/* Is it a tag of 8 to 16 bytes without a NUL, and with one behind it? Two whole words tell, where memchr() is a call.
 * n + 1 bytes are there to be read, if n is in those bounds; else none is read. */
static inline bool redwi_be_is_short_tag(const uint8_t *tag, size_t n)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t head, tail;
    if (n - sizeof head > sizeof tail)
        return false;
    memcpy(&head, tag, sizeof head);
    memcpy(&tail, tag + n - sizeof tail, sizeof tail);
    /* In a word with a zero byte, the lowest of them and no byte below has its top bit set so. */
    uint64_t zeroes = ((head - ones) & ~head) | ((tail - ones) & ~tail);
    return (zeroes & ones << 7) == 0 && tag[n] == 0;
}
/* The trailing decimal of a command tag, or -1: Redshift's tags may have none (protocol 6.5). */
int64_t redwi_be_tag_count(const char *tag, size_t len);

/* ErrorResponse, NoticeResponse: a list of {letter, text}, ended by a zero byte. */
bool redwi_be_fields_ok(const uint8_t *body, size_t len);
/* The text of one field of a checked body; ptr NULL: absent. */
redw_slice redwi_be_field(const uint8_t *body, size_t len, char letter);

struct redwi_notification {
    uint32_t pid;
    redw_slice channel, payload;
};
bool redwi_be_notification(const uint8_t *body, size_t len, struct redwi_notification *out);

struct redwi_copy_response { /* CopyIn-, CopyOut-, CopyBothResponse */
    uint8_t format;          /* 0: text; 1: binary, and so may the columns be */
    size_t ncolumns;
    const uint8_t *formats; /* ncolumns big-endian 16-bit values */
};
bool redwi_be_copy_response(const uint8_t *body, size_t len, struct redwi_copy_response *out);
/* FunctionCallResponse; value->ptr NULL: NULL. */
bool redwi_be_function_result(const uint8_t *body, size_t len, redw_slice *value);

#endif
