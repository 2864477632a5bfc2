/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes between session, TLS filter and socket. One large recv feeds many records, one send carries many:
 * the filter works on memory, and only receive() and transmit() touch the descriptor.
 */
#include "pool/transport.h"

#include <errno.h>

static redw_error *os_failed(const struct redwi_transport *t, const char *doing)
{
    const struct redwi_err_spec spec = {
        .code = REDW_ECONNECT,
        .cls = REDW_CLASS_CONNECTION_FAILED,
        .outcome = REDW_OUTCOME_UNKNOWN,
        .origin = REDW_ORIGIN_OS,
        .sys_errno = errno,
    };
    return redwi_err_make(t->mem, &spec, "%s", doing);
}

void redwi_transport_open(struct redwi_transport *t, const struct redw_allocator *mem,
                          const struct redwi_sys *sys, int fd)
{
    *t = (struct redwi_transport){.mem = mem, .sys = sys, .fd = fd};
    redwi_transport_wake(t, 0);
}

void redwi_transport_close(struct redwi_transport *t)
{
    redwi_tls_free(t->tls);
    t->tls = NULL;
    if (t->fd >= 0)
        t->sys->close(t->sys->ctx, t->fd);
    t->fd = -1;
}

/* One portion from the socket. Another recv is worth its call only if this one filled the room. */
static inline enum redwi_moved receive(struct redwi_transport *t, void *p, size_t room, size_t *got,
                                       redw_error **why)
{
    while (t->recvs) {
        t->recvs--;
        ssize_t n = t->sys->recv(t->sys->ctx, t->fd, p, room);
        if (n > 0) {
            if ((size_t)n < room)
                t->recvs = 0;
            *got = (size_t)n;
            return REDWI_MOVED;
        }
        if (n == 0)
            return REDWI_MOVED_END;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            break;
        if (errno != EINTR) {
            *why = os_failed(t, "receive");
            return REDWI_MOVED_FAILED;
        }
    }
    return REDWI_MOVED_WAIT;
}

/* Sends up to n bytes, *sent tells how many; MOVED: all of them. */
static inline enum redwi_moved transmit(struct redwi_transport *t, const uint8_t *p, size_t n, size_t *sent,
                                        redw_error **why)
{
    *sent = 0;
    size_t most = n < t->sends ? n : t->sends;
    ssize_t r = most ? t->sys->send(t->sys->ctx, t->fd, p, most) : 0;
    if (r < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        *why = os_failed(t, "send");
        return REDWI_MOVED_FAILED;
    }
    if (r > 0) {
        *sent = (size_t)r;
        t->sends -= (size_t)r;
    }
    return *sent == n ? REDWI_MOVED : REDWI_MOVED_WAIT;
}

int redwi_transport_secure(struct redwi_transport *t, struct redwi_tls_ctx *ctx, const char *name,
                           int64_t wall_us, struct redw_diag *why)
{
    return redwi_tls_create(&t->tls, ctx, name, wall_us, why);
}

/* Ciphertext from the socket into the filter. In TLS the socket's end is never a proper one. */
static enum redwi_moved receive_records(struct redwi_transport *t, redw_error **why)
{
    size_t room, got = 0;
    uint8_t *p = redwi_tls_input(t->tls, &room);
    if (!p) {
        *why = redwi_err_no_memory(REDW_OUTCOME_UNKNOWN);
        return REDWI_MOVED_FAILED;
    }
    enum redwi_moved moved = receive(t, p, room, &got, why);
    redwi_tls_received(t->tls, got);
    return moved == REDWI_MOVED_END ? REDWI_MOVED_CUT : moved;
}

/* Ciphertext from the filter to the socket. */
static enum redwi_moved send_records(struct redwi_transport *t, redw_error **why)
{
    enum redwi_moved moved = REDWI_MOVED;
    size_t n, sent;
    const uint8_t *p = redwi_tls_output(t->tls, &n);
    if (n) {
        moved = transmit(t, p, n, &sent, why);
        redwi_tls_sent(t->tls, sent);
    }
    return moved;
}

enum redwi_moved redwi_transport_handshake(struct redwi_transport *t, redw_error **why)
{
    for (;;) {
        redw_error *unsent = NULL;
        enum redwi_tls_status status = redwi_tls_handshake(t->tls, why);
        enum redwi_moved moved = send_records(t, &unsent);
        if (status == REDWI_TLS_FAILED) { /* the alert is on its way as far as it goes */
            redw_error_release(unsent);
            return REDWI_MOVED_FAILED;
        }
        if (moved == REDWI_MOVED_FAILED) {
            *why = unsent;
            return moved;
        }
        if (status == REDWI_TLS_DONE) {
            t->secured = t->more = true;
            return REDWI_MOVED;
        }
        moved = receive_records(t, why);
        if (moved != REDWI_MOVED)
            return moved;
    }
}

/* Decrypts a portion into the session; needs no socket. WAIT: more ciphertext is wanted. */
static enum redwi_moved decrypt(struct redwi_transport *t, struct redwi_session *s, redw_error **why)
{
    size_t room, got = 0;
    uint8_t *p = redwi_session_input(s, &room);
    if (!p)
        return REDWI_MOVED;
    switch (redwi_tls_read(t->tls, p, room, &got, why)) {
    case REDWI_TLS_DONE:
        redwi_session_received(s, got);
        t->came += got;
        return REDWI_MOVED;
    case REDWI_TLS_WANT_INPUT:
        redwi_session_received(s, 0);
        t->more = false;
        return REDWI_MOVED_WAIT;
    case REDWI_TLS_END:
        return REDWI_MOVED_END;
    default:
        return REDWI_MOVED_FAILED;
    }
}

static enum redwi_moved read_secured(struct redwi_transport *t, struct redwi_session *s, redw_error **why)
{
    for (;;) {
        enum redwi_moved moved = t->more ? decrypt(t, s, why) : REDWI_MOVED_WAIT;
        if (moved != REDWI_MOVED_WAIT)
            return moved;
        moved = receive_records(t, why);
        if (moved != REDWI_MOVED)
            return moved;
        t->more = true;
    }
}

enum redwi_moved redwi_transport_read(struct redwi_transport *t, struct redwi_session *s, redw_error **why)
{
    size_t room, got = 0;
    if (t->tls)
        return read_secured(t, s, why);
    uint8_t *p = redwi_session_input(s, &room);
    if (!p)
        return REDWI_MOVED;
    enum redwi_moved moved = receive(t, p, room, &got, why);
    redwi_session_received(s, got);
    t->came += got;
    return moved;
}

static redw_error *renegotiates(const struct redwi_transport *t)
{
    static const struct redwi_err_spec spec = {
        .code = REDW_ETLS,
        .cls = REDW_CLASS_CONNECTION_FAILED,
        .outcome = REDW_OUTCOME_UNKNOWN,
        .origin = REDW_ORIGIN_TLS,
    };
    return redwi_err_make(t->mem, &spec, "TLS write: the peer wants to renegotiate");
}

/* Portion by portion: what the filter holds goes first, so it takes some of the session's output each time.
 */
static enum redwi_moved write_secured(struct redwi_transport *t, struct redwi_session *s, redw_error **why)
{
    for (;;) {
        size_t n = 0, took;
        enum redwi_moved moved = send_records(t, why);
        const uint8_t *p = t->secured ? redwi_session_output(s, &n) : NULL;
        if (moved != REDWI_MOVED || !n)
            return moved;
        enum redwi_tls_status status = redwi_tls_write(t->tls, p, n, &took, why);
        if (status == REDWI_TLS_WANT_INPUT) /* our policy refuses it before it comes to this */
            *why = renegotiates(t);
        if (status != REDWI_TLS_DONE)
            return REDWI_MOVED_FAILED;
        redwi_session_sent(s, took);
    }
}

enum redwi_moved redwi_transport_write(struct redwi_transport *t, struct redwi_session *s, redw_error **why)
{
    size_t n, sent;
    if (t->tls)
        return write_secured(t, s, why);
    const uint8_t *p = redwi_session_output(s, &n);
    if (!n)
        return REDWI_MOVED;
    enum redwi_moved moved = transmit(t, p, n, &sent, why);
    redwi_session_sent(s, sent);
    return moved;
}

bool redwi_transport_holds(const struct redwi_transport *t, const struct redwi_session *s)
{
    size_t n;
    redwi_tls_output(t->tls, &n);
    return n > 0 || (t->secured && redwi_session_has_output(s));
}

void redwi_transport_goodbye(struct redwi_transport *t, struct redwi_session *s)
{
    redw_error *why = NULL;
    redwi_transport_wake(t, 0);
    if (redwi_transport_write(t, s, &why) == REDWI_MOVED && t->secured) {
        redwi_tls_shutdown(t->tls);
        send_records(t, &why);
    }
    redw_error_release(why);
}
