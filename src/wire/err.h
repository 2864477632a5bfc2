/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making errors. A redw_error is one allocation, counted atomically and immutable; out-of-memory and
 * closed exist from the start, one per outcome, so that reporting them cannot fail. Every function here
 * returns an error the caller owns, never NULL: if there is no memory for it, the out-of-memory one with
 * the same outcome.
 */
#ifndef REDWI_WIRE_ERR_H
#define REDWI_WIRE_ERR_H

#include <redw/error.h>

struct redwi_err_spec {
    int code;                  /* REDW_E* */
    enum redw_class cls;
    enum redw_outcome outcome;
    enum redw_origin origin;
    int sys_errno;             /* origin OS: what the call said; its text is appended to the message */
};

/* A failure found on this side of the wire. The formatted text is escaped and bounded. */
redw_error *redwi_err_make(const struct redw_allocator *mem, const struct redwi_err_spec *spec,
                           const char *fmt, ...) REDW_PRINTF(3, 4);

/* From the body of an ErrorResponse or NoticeResponse, already checked by redwi_be_fields_ok(). */
redw_error *redwi_err_server(const struct redw_allocator *mem, const uint8_t *body, size_t len,
                             enum redw_outcome outcome);

/* The same error seen from one request: another outcome, and "prefix: " in front of the message when
 * prefix is not NULL. `e` stays the caller's. */
redw_error *redwi_err_again(const struct redw_allocator *mem, const redw_error *e,
                            enum redw_outcome outcome, const char *prefix);

/* The same error with what only this client knows about a statement that was stopped: whether it cancelled
 * it, whether its deadline passed, whether a statement_timeout it had set was due. It fills in what the
 * error does not prove; an error of another kind is none the less that error. `e` stays the caller's. */
redw_error *redwi_err_with_cause(const struct redw_allocator *mem, const redw_error *e,
                                 enum redw_cause cause, enum redw_outcome outcome);

/* The statement that was sent had so many characters in front of the one the caller wrote: field P counts from
 * there on. Only of an error that nobody else holds; of others nothing changes. */
void redwi_err_shift_position(redw_error *e, size_t chars);

redw_error *redwi_err_no_memory(enum redw_outcome outcome);
redw_error *redwi_err_closed(enum redw_outcome outcome);

/* True for severities FATAL and PANIC: the server closes the connection after it. */
bool redwi_err_is_fatal(const redw_error *e);

/* Copies text so that it can be shown on one line of a terminal or log: control bytes and invalid UTF-8
 * become \xNN, an escape is never cut; at most cap - 1 bytes and a NUL. Returns the bytes written. */
size_t redwi_escape(char *out, size_t cap, const char *text, size_t n);

#endif
