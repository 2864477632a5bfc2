/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of redw_error, for err.c and err_server.c alone.
 */
#ifndef REDWI_WIRE_ERR_IMPL_H
#define REDWI_WIRE_ERR_IMPL_H

#include "wire/err.h"

#include <stdatomic.h>

#define REDWI_MESSAGE_CAP 1024 /* with the NUL */

/* What an error says, apart from its texts. */
struct redwi_err_facts {
    int code;
    enum redw_class cls;
    enum redw_cause cause;
    unsigned flags;
    enum redw_outcome outcome;
    enum redw_origin origin;
    int sys_errno;
    bool fatal; /* severity FATAL or PANIC */
    char sqlstate[6];
    int redshift_code; /* 0: none */
    int64_t query_id;  /* -1: none */
};

struct redw_error {
    struct redw_allocator mem;
    atomic_uint refs;
    bool fixed; /* constant data: never counted, never released */
    struct redwi_err_facts facts;
    const char *message; /* escaped; behind the struct, or static */
    const uint8_t *body; /* fields and the final zero byte, behind the message; NULL: not the server's */
    size_t body_len;
};

/* Anything unforeseen counts as unknown, the outcome that promises nothing. */
enum redw_outcome redwi_err_known_outcome(enum redw_outcome o);

/* An error with its message (escaped, NUL-terminated) and room for a body of body_len bytes. NULL: no
 * memory. */
redw_error *redwi_err_alloc(const struct redw_allocator *mem, const struct redwi_err_facts *facts,
                            const char *message, size_t message_len, size_t body_len);

#endif
