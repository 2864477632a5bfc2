/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's messages, read: the server's side of the codec, for the simulator and the memory peer of
 * the tests. Bodies as checked views; false for a body that does not follow its layout.
 */
#ifndef REDWI_WIRE_FE_READ_H
#define REDWI_WIRE_FE_READ_H

#include "wire/cursor.h"

/* The first packet of a connection, without its length: SSLRequest, CancelRequest or StartupMessage. */
enum redwi_first { REDWI_FIRST_STARTUP, REDWI_FIRST_SSL, REDWI_FIRST_CANCEL };
bool redwi_fe_first(const uint8_t *body, size_t len, enum redwi_first *kind);
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
    struct redwi_cursor values; /* nvalues of {Int32 length or -1, bytes} */
    size_t nvalues;
    const uint8_t *result_formats;
    size_t nresult_formats;
};
bool redwi_fe_read_bind(const uint8_t *body, size_t len, struct redwi_bind_msg *out);
bool redwi_fe_read_describe(const uint8_t *body, size_t len, char *what, redw_slice *name); /* also Close */
bool redwi_fe_read_execute(const uint8_t *body, size_t len, redw_slice *portal, uint32_t *max_rows);
bool redwi_fe_read_query(const uint8_t *body, size_t len, redw_slice *sql);
bool redwi_fe_read_sasl_initial(const uint8_t *body, size_t len, redw_slice *mechanism, redw_slice *data);

#endif
