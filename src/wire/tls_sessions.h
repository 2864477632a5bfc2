/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS sessions kept for the next connections of a client (RFC 8446 2.2, RFC 5246 7.3), so that these need
 * neither signatures nor certificates. A resumed handshake verifies nothing anew; so that it proves no
 * less than a full one, a session is kept with what its verification rested on, and is offered only while
 * all of that still holds:
 *
 *   the mode       a context has one, and its own sessions
 *   the name       all sessions kept are of one name; another name drops them
 *   the roots      changed files drop them (tls_ctx.c)
 *   the time       not before the full handshake, not after a certificate of its chain has expired, and
 *                  not for longer than REDWI_TLS_SESSION_S: then the server proves itself again
 *
 * Each is offered once (RFC 8446 C.4). Called by tls.c and tls_ctx.c only; OpenSSL's queue is theirs.
 */
#ifndef REDWI_WIRE_TLS_SESSIONS_H
#define REDWI_WIRE_TLS_SESSIONS_H

#include <redw/base.h>

#include <openssl/ssl.h>

#define REDWI_TLS_SESSION_S 3600
#define REDWI_TLS_SESSIONS  8 /* a server gives two or so per connection */

/* While what a full handshake verified holds: from <= now < until, Unix seconds. */
struct redwi_tls_span {
    int64_t from, until;
};

struct redwi_tls_kept {
    SSL_SESSION *session;
    struct redwi_tls_span span;
};

struct redwi_tls_sessions {
    const struct redw_allocator *mem;
    char *name; /* whose they are; NULL: nobody's, none are kept */
    size_t count;
    struct redwi_tls_kept kept[REDWI_TLS_SESSIONS]; /* oldest first */
};

/* The freshest that may be offered to `name` now, owned by the caller, with its span; NULL: none. */
SSL_SESSION *redwi_tls_sessions_take(struct redwi_tls_sessions *s, const char *name, int64_t now,
                                     struct redwi_tls_span *span);
/* True: kept, and owned from here on. False: no memory, and still the caller's. */
bool redwi_tls_sessions_put(struct redwi_tls_sessions *s, const char *name, SSL_SESSION *session,
                            struct redwi_tls_span span);
void redwi_tls_sessions_drop(struct redwi_tls_sessions *s); /* all; usable afterwards */

#endif
