/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire, readable: one line per message, in the form of libpq's PQtrace without timestamps,
 *
 *   F <tab> 15 <tab> Query <tab> "select 1"          F: from the client, B: from the server; the length word
 *   B <tab> 11 <tab> DataRow <tab> 1 1 '1'
 *
 * so that the two can be compared. What libpq leaves out or calls unknown (login, startup, Redshift's own
 * messages) has a name here as well. One message is always one line: control bytes are escaped, text and
 * values are cut at REDWI_TRACE_SHOWN bytes ("..." follows).
 *
 * Never in a line: passwords and tokens, SASL and digest data, salts, cancel keys; **** stands for them.
 * Texts that may hold anything (SQL, parameters, rows, the server's DETAIL, HINT, context and query) are
 * shown only if asked for: SQL can contain credentials too.
 *
 * Sans-IO and without an allocation. Whoever owns the bytes feeds them, in any partition: the lines are
 * the same.
 */
#ifndef REDWI_WIRE_TRACE_H
#define REDWI_WIRE_TRACE_H

#include "wire/cursor.h"

#define REDWI_TRACE_SHOWN 256                          /* bytes of one text or value */
#define REDWI_TRACE_KEPT  2048                         /* bytes looked at of one message */
#define REDWI_TRACE_LINE  (5 * REDWI_TRACE_KEPT + 256) /* no line is longer, its NUL counted */

enum redwi_trace_phase { /* of the client's side, where types mean different things */
    REDWI_TRACE_FIRST,   /* a message without a type: SSLRequest, StartupMessage, CancelRequest */
    REDWI_TRACE_LOGIN,   /* answers to authentication requests */
    REDWI_TRACE_OPEN,
};

struct redwi_trace_view {
    bool to_server;
    enum redwi_trace_phase phase; /* to_server only */
    bool values;                  /* SQL, parameters, rows are shown */
    unsigned row_version;         /* of RowDescription (wire/be_read.h) */
};

/* One message as a line without a line's end: `have` of its bytes from the first one, header included (5
 * bytes; 8 in phase FIRST). It may go on behind them as far as its own length says. At most cap - 1 bytes and
 * a NUL; returns the bytes. */
size_t redwi_trace_message(const struct redwi_trace_view *view, const uint8_t *message, size_t have, char *out,
                           size_t cap);

/* One direction of one connection. */
struct redwi_trace {
    struct redwi_trace_view view;
    unsigned answers; /* from the server: one-byte answers to SSLRequest that are due before all else */
    void (*line)(void *ctx, const char *text, size_t n);
    void *ctx;

    bool lost;             /* a length that cannot be: what follows is not looked at */
    size_t whole;          /* bytes of the message in front; 0: its header is not complete */
    size_t seen;           /* ...that have passed */
    size_t keep, nkept;    /* ...that are looked at: none of a secret */
    uint8_t kept[REDWI_TRACE_KEPT];
};

/* From the first byte of a connection on; set `answers` afterwards where there are some. */
void redwi_trace_init(struct redwi_trace *t, bool to_server, bool values,
                      void (*line)(void *ctx, const char *text, size_t n), void *ctx);
void redwi_trace_feed(struct redwi_trace *t, const void *p, size_t n);
/* The direction ended: a message that did not is one more line. Wipes. */
void redwi_trace_end(struct redwi_trace *t);

#endif
