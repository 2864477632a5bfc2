/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between a session and a connected socket: plain, or through the TLS filter. Moves bytes, decides nothing;
 * never blocks, never calls back.
 *
 * Work is bounded per wake-up of the loop, so that one fast socket cannot hold up the others: after
 * redwi_transport_wake() so many calls of recv and so many sent bytes are allowed. What is left over is
 * found again because readiness is level-triggered. EINTR spends an allowance like any other call.
 */
#ifndef REDWI_POOL_TRANSPORT_H
#define REDWI_POOL_TRANSPORT_H

#include "pool/sys.h"
#include "wire/session.h"
#include "wire/tls.h"

struct redwi_transport {
    const struct redw_allocator *mem;
    const struct redwi_sys *sys;
    int fd;                /* -1: none */
    struct redwi_tls *tls; /* NULL: plain */
    bool secured;          /* the TLS handshake is done */
    bool more;             /* the filter may hold bytes that were not read yet */
    unsigned recvs;        /* calls of recv still allowed */
    size_t sends;          /* bytes still allowed to be sent */
    size_t came;           /* bytes that went into the session since its owner set this to 0 */
};

enum redwi_moved {
    REDWI_MOVED = 0,    /* reading: something came in; writing: everything is out */
    REDWI_MOVED_WAIT,   /* for the socket to be readable, or writable */
    REDWI_MOVED_END,    /* the peer ended the stream, and properly so */
    REDWI_MOVED_CUT,    /* the peer closed in the middle of TLS */
    REDWI_MOVED_FAILED, /* *why is set, owned by the caller */
};

/* Takes over a connected descriptor. */
void redwi_transport_open(struct redwi_transport *t, const struct redw_allocator *mem,
                          const struct redwi_sys *sys, int fd);
/* Frees the filter and closes the descriptor; again is allowed. */
void redwi_transport_close(struct redwi_transport *t);

/* Bytes sent in one wake-up, at most. */
#define REDWI_TRANSPORT_SENDS ((size_t)1 << 20)

/* A new wake-up: `recvs` calls of recv are allowed from now on. */
static inline void redwi_transport_wake(struct redwi_transport *t, unsigned recvs)
{
    t->recvs = recvs;
    t->sends = REDWI_TRANSPORT_SENDS;
}

/* Puts the filter in front; 0, or the code and *why of redwi_tls_create(). Then handshake until MOVED: each
 * call goes as far as the socket allows. */
int redwi_transport_secure(struct redwi_transport *t, struct redwi_tls_ctx *ctx, const char *name,
                           int64_t wall_us, struct redw_diag *why);
enum redwi_moved redwi_transport_handshake(struct redwi_transport *t, redw_error **why);

/* Brings one portion into the session (of no bytes with MOVED: the session has no memory and says so itself). */
enum redwi_moved redwi_transport_read(struct redwi_transport *t, struct redwi_session *s, redw_error **why);
/* Sends what the session has to send. */
enum redwi_moved redwi_transport_write(struct redwi_transport *t, struct redwi_session *s, redw_error **why);
/* Is there anything to send? */
bool redwi_transport_holds(const struct redwi_transport *t, const struct redwi_session *s); /* through TLS */
static inline bool redwi_transport_waits(const struct redwi_transport *t, const struct redwi_session *s)
{
    return t->tls ? redwi_transport_holds(t, s) : redwi_session_has_output(s);
}
/* Has this wake-up taken all it may, or all there is? */
static inline bool redwi_transport_has_read(const struct redwi_transport *t)
{
    return !t->tls && t->recvs == 0;
}

/* The last words before a close: what the session still has to send and close_notify, as far as the socket
 * takes it at once. */
void redwi_transport_goodbye(struct redwi_transport *t, struct redwi_session *s);

#endif
