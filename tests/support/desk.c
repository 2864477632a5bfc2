/* SPDX-License-Identifier: Apache-2.0 */
#include "support/desk.h"

#include "wire/cursor.h"

#include <check.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define URI "postgresql://u@h/d?sslmode=disable"

static int open_half(redw_client *c, redw_id opening, const char *host, uint16_t port, void *ctx)
{
    struct desk *d = ctx;
    int pair[2];
    (void)c, (void)opening, (void)host, (void)port;
    if (d->refuses) {
        errno = ECONNREFUSED;
        return -1;
    }
    ck_assert_uint_lt(d->nconns, DESK_CONNS);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    struct desk_conn *conn = &d->conns[d->nconns++];
    *conn = (struct desk_conn){.fd = pair[0]};
    peer_init(&conn->peer, &d->config);
    redwi_buf_init(&conn->in, &redwi_malloc, (size_t)1 << 30);
    return pair[1];
}

int desk_client(struct desk *d, const struct redw_options *o, struct redw_diag *why)
{
    struct redw_options mine = *o;
    mine.uri = URI;
    mine.open = open_half;
    mine.open_ctx = d;
    if (d->config.redshift)
        mine.server = "redshift";
    return lab_client(&d->lab, &mine, why);
}

void desk_open(struct desk *d, const struct peer_config *config, const struct redw_options *o)
{
    struct redw_diag why;
    memset(d, 0, sizeof *d);
    d->config = *config;
    lab_open(&d->lab);
    ck_assert_msg(desk_client(d, o, &why) == 0, "%s", why.text);
}

void desk_cut(struct desk *d, unsigned i)
{
    if (d->conns[i].fd >= 0)
        close(d->conns[i].fd);
    d->conns[i].fd = -1;
}

void desk_close(struct desk *d)
{
    redw_client_destroy(d->lab.client);
    d->lab.client = NULL;
    for (unsigned i = 0; i < d->nconns; i++) {
        ck_assert_str_eq(d->conns[i].peer.wrong, "");
        desk_cut(d, i);
        peer_free(&d->conns[i].peer);
        redwi_buf_free(&d->conns[i].in);
    }
    ck_assert(lab_close(&d->lab));
}

static bool push(struct desk_conn *conn)
{
    struct redwi_buf *out = &conn->peer.out;
    bool moved = false;
    while (conn->fd >= 0 && redwi_buf_len(out)) {
        ssize_t n = send(conn->fd, redwi_buf_front(out), redwi_buf_len(out), MSG_NOSIGNAL);
        if (n <= 0)
            return moved;
        redwi_buf_take(out, (size_t)n);
        moved = true;
    }
    return moved;
}

/* The bytes of the next message on the desk; 0: it is not whole yet. */
static size_t whole(const struct redwi_buf *in, size_t at)
{
    if (redwi_buf_len(in) < at + 5)
        return 0;
    size_t n = 1 + redwi_load32(redwi_buf_front(in) + at + 1);
    return redwi_buf_len(in) >= at + n ? n : 0;
}

static void note_unit(struct desk_conn *conn, size_t from)
{
    const uint8_t *p = redwi_buf_front(&conn->in) + from;
    char *text = conn->sql[conn->units];
    ck_assert_uint_lt(conn->units, DESK_UNITS - 1);
    if (*p == 'P')
        snprintf(text, sizeof conn->sql[0], "%s", (const char *)p + 6);
    else
        snprintf(text, sizeof conn->sql[0], "%c %s", *p, *p == 'Q' ? (const char *)p + 5 : "");
    conn->units++;
}

/* Counts the units on the desk afresh. */
static void look(struct desk_conn *conn)
{
    size_t from = 0, at = 0, n;
    conn->units = 0;
    while ((n = whole(&conn->in, at)) > 0) {
        char type = (char)redwi_buf_front(&conn->in)[at];
        at += n;
        if (type == 'X')
            conn->peer.terminated = true;
        if (type != 'S' && type != 'Q')
            continue;
        note_unit(conn, from);
        from = at;
    }
}

static bool pull(struct desk_conn *conn)
{
    uint8_t buf[65536];
    bool moved = false;
    ssize_t n = -1;
    while (conn->fd >= 0 && (n = recv(conn->fd, buf, sizeof buf, MSG_DONTWAIT)) > 0) {
        moved = true;
        if (conn->peer.step != PEER_QUERIES) {
            peer_feed(&conn->peer, buf, (size_t)n);
            conn->cancel |= conn->peer.cancelled;
        } else {
            redwi_buf_bytes(&conn->in, buf, (size_t)n);
            ck_assert_int_eq(conn->in.failed, 0);
            look(conn);
        }
    }
    moved |= conn->fd >= 0 && n == 0 && !conn->ended;
    conn->ended |= conn->fd >= 0 && n == 0;
    return moved;
}

void desk_turn(struct desk *d)
{
    int quiet = 0;
    /* Bounded for tests whose sockets only say that they are writable. */
    for (int round = 0; quiet < 3 && round < 5000; round++) {
        bool moved = false;
        uint64_t before = d->lab.probe.wakeups;
        ev_run(d->lab.loop, EVRUN_NOWAIT);
        moved |= d->lab.probe.wakeups != before;
        for (unsigned i = 0; i < d->nconns && !d->silent; i++) {
            moved |= pull(&d->conns[i]);
            moved |= push(&d->conns[i]);
        }
        quiet = moved ? 0 : quiet + 1;
    }
}

void desk_serve(struct desk *d, unsigned i, unsigned n)
{
    struct desk_conn *conn = &d->conns[i];
    for (; n > 0; n--) {
        size_t at = 0, len;
        char type;
        do {
            len = whole(&conn->in, at);
            ck_assert_msg(len > 0, "connection %u has no unit to serve", i);
            type = (char)redwi_buf_front(&conn->in)[at];
            at += len;
        } while (type != 'S' && type != 'Q');
        peer_feed(&conn->peer, redwi_buf_front(&conn->in), at);
        redwi_buf_take(&conn->in, at);
    }
    look(conn);
    desk_turn(d);
}

void desk_send(struct desk *d, unsigned i)
{
    push(&d->conns[i]);
    desk_turn(d);
}

void desk_wait_conn(struct desk *d, unsigned i)
{
    for (double until = ev_time() + 5; d->nconns <= i && ev_time() < until;)
        lab_run_ms(&d->lab, 5);
    ck_assert_uint_gt(d->nconns, i);
    desk_turn(d);
}
