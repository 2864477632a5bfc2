/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's messages, read: the server's side of the codec, for the simulator and the memory peer of
 * the tests. Bodies as checked views; false for a body that does not follow its layout.
 */
#ifndef REDWI_WIRE_FE_READ_H
#define REDWI_WIRE_FE_READ_H

#include "wire/cursor.h"

/* Bounds of the length word of client message `type`, 4 included; false: no such message. logged_in: before
 * that only answers to authentication requests are read, and Terminate. */
bool redwi_fe_limits(char type, bool logged_in, size_t *min, size_t *max);

/* The first packet of a connection, without its length: SSLRequest, GSSENCRequest,
 * CancelRequest or StartupMessage (protocol 3.x). */
enum redwi_first { REDWI_FIRST_STARTUP, REDWI_FIRST_SSL, REDWI_FIRST_GSS, REDWI_FIRST_CANCEL };
bool redwi_fe_first(const uint8_t *body, size_t len, enum redwi_first *kind);
/* The parameters of a checked StartupMessage, one after another; false: there are no more. */
struct redwi_cursor redwi_fe_startup_pairs(const uint8_t *body, size_t len);
bool redwi_fe_startup_next(struct redwi_cursor *pairs, redw_slice *name, redw_slice *value);
/* Value of one startup parameter; ptr NULL: absent. */
redw_slice redwi_fe_startup_value(const uint8_t *body, size_t len, const char *name);
bool redwi_fe_read_cancel(const uint8_t *body, size_t len, uint32_t *pid, const uint8_t **key, size_t *key_len);

struct redwi_parse_msg {
    redw_slice statement, sql;
    const uint8_t *oids; /* noids big-endian 32-bit values */
    size_t noids;
};
bool redwi_fe_read_parse(const uint8_t *body, size_t len, struct redwi_parse_msg *out);

struct redwi_bind_msg {
    redw_slice portal, statement;
    const uint8_t *formats; /* nformats big-endian 16-bit values */
    size_t nformats;
    struct redwi_cursor values; /* nvalues times redwi_cursor_value() */
    size_t nvalues;
    const uint8_t *result_formats;
    size_t nresult_formats;
};
bool redwi_fe_read_bind(const uint8_t *body, size_t len, struct redwi_bind_msg *out);
bool redwi_fe_read_describe(const uint8_t *body, size_t len, char *what, redw_slice *name); /* also Close */
bool redwi_fe_read_execute(const uint8_t *body, size_t len, redw_slice *portal, uint32_t *max_rows);
bool redwi_fe_read_query(const uint8_t *body, size_t len, redw_slice *sql);
bool redwi_fe_read_copy_fail(const uint8_t *body, size_t len, redw_slice *why);

struct redwi_function_call {
    uint32_t oid;
    const uint8_t *formats; /* nformats big-endian 16-bit values */
    size_t nformats;
    struct redwi_cursor values; /* nvalues times redwi_cursor_value() */
    size_t nvalues;
    uint16_t result_format;
};
bool redwi_fe_read_function_call(const uint8_t *body, size_t len, struct redwi_function_call *out);

/* Answers to authentication requests. All but the last two are of type `p`: which of them it is depends on
 * what was asked. A SASLResponse is its body. */
bool redwi_fe_read_password(const uint8_t *body, size_t len, redw_slice *text);
bool redwi_fe_read_sasl_initial(const uint8_t *body, size_t len, redw_slice *mechanism, redw_slice *data);
bool redwi_fe_read_digest(const uint8_t *body, size_t len, const uint8_t **digest, redw_slice *nonce);
bool redwi_fe_read_token(const uint8_t *body, size_t len, redw_slice *token); /* with a NUL or without */

#endif
