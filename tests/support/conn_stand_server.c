/* SPDX-License-Identifier: Apache-2.0 */
/* The servers of the stand: sockets and TLS around support/peer.h. */
#include "support/conn_stand.h"

#include "wire/mem.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* --- what the server knows ---------------------------------------------------------------------- */

static const char *const known_columns[] = {"a", "b"};
static const char *const known_cells[] = {"1", "one", "2", "two", "3", NULL};
static const char *const ints[] = {"i"};
static const char *const thousand[1000] = {"x"};
static const struct peer_statement statements[] = {
    {.sql = "select",
     .columns = known_columns,
     .ncolumns = 2,
     .cells = known_cells,
     .nrows = 3,
     .tag = "SELECT 3"},
    {.sql = "noticed",
     .columns = ints,
     .ncolumns = 1,
     .cells = known_cells,
     .nrows = 1,
     .tag = "SELECT 1",
     .notice = "hm"},
    {.sql = "begin", .tag = "BEGIN", .status = 'T'},
    {.sql = "fails in block", .tag = "", .sqlstate = "22012", .status = 'E'},
    {.sql = "fails",
     .columns = ints,
     .ncolumns = 1,
     .cells = known_cells,
     .nrows = 1,
     .tag = "",
     .sqlstate = "22012"},
    {.sql = "insert", .tag = "INSERT 0 3"},
    {.sql = "", .tag = ""},
    {.sql = "thousand",
     .columns = ints,
     .ncolumns = 1,
     .cells = thousand,
     .nrows = 1000,
     .tag = "SELECT 1000"},
};
const struct peer_config stand_trusting = {.statements = statements,
                                           .nstatements = sizeof statements / sizeof statements[0]};

/* --- the server ---------------------------------------------------------------------------------- */

static void peer_watch(struct stand_peer *p)
{
    int events = redwi_buf_len(&p->out) ? EV_READ | EV_WRITE : EV_READ;
    if (p->fd < 0)
        return;
    ev_io_stop(p->stand->ev, &p->io);
    ev_io_set(&p->io, p->fd, events);
    ev_io_start(p->stand->ev, &p->io);
}

void stand_peer_close(struct stand_peer *p)
{
    if (p->fd < 0)
        return;
    ev_io_stop(p->stand->ev, &p->io);
    close(p->fd);
    p->fd = -1;
}

void stand_peer_reset(struct stand_peer *p)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (p->fd >= 0)
        setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    stand_peer_close(p);
}

static void flush_tls(struct stand_peer *p)
{
    uint8_t chunk[20000];
    size_t n;
    while (p->tls && (n = tls_peer_take(p->tls, chunk, sizeof chunk)) > 0)
        redwi_buf_bytes(&p->out, chunk, n);
}

static void peer_flush(struct stand_peer *p, bool slow)
{
    flush_tls(p);
    while (p->fd >= 0 && redwi_buf_len(&p->out)) {
        size_t n = slow ? 1 : redwi_buf_len(&p->out);
        ssize_t r = send(p->fd, redwi_buf_front(&p->out), n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (r <= 0)
            break;
        redwi_buf_take(&p->out, (size_t)r);
        if (slow)
            break;
    }
    peer_watch(p);
}

void stand_peer_send(struct stand_peer *p, const void *bytes, size_t n)
{
    if (p->tls && n)
        tls_peer_write(p->tls, bytes, n);
    else
        redwi_buf_bytes(&p->out, bytes, n);
    peer_flush(p, false);
}

static struct stand_server *server_of(struct stand_peer *p)
{
    for (size_t i = 0; i < p->stand->nservers; i++)
        if (p >= p->stand->servers[i].peers && p < p->stand->servers[i].peers + STAND_PEERS)
            return &p->stand->servers[i];
    abort();
}

static void write_records(struct stand_peer *p, const uint8_t *bytes, size_t n)
{
    const struct stand_server *s = server_of(p);
    size_t most = s->record ? s->record : n;
    for (size_t i = 0; n; i++) {
        size_t part = n < most ? n : most;
        tls_peer_write(p->tls, bytes, part);
        bytes += part;
        n -= part;
        if (s->chatters && i % 4 == 0)
            tls_peer_key_update(p->tls, i % 8 == 0);
        if (s->chatters && i % 4 == 2)
            tls_peer_ticket(p->tls);
    }
}

/* What the memory peer answered goes out: in clear before TLS, else through it. */
static void answer(struct stand_peer *p)
{
    size_t n = redwi_buf_len(&p->peer.out);
    if (!n)
        return;
    if (p->tls && p->sent_any)
        write_records(p, redwi_buf_front(&p->peer.out), n);
    else
        redwi_buf_bytes(&p->out, redwi_buf_front(&p->peer.out), n);
    redwi_buf_take(&p->peer.out, n);
    p->sent_any = true;
}

static void peer_take(struct stand_peer *p, const uint8_t *bytes, size_t n)
{
    uint8_t clear[20000];
    if (!p->tls || !p->sent_any) {
        peer_feed(&p->peer, bytes, n);
        answer(p);
        return;
    }
    tls_peer_feed(p->tls, bytes, n);
    while ((n = tls_peer_read(p->tls, clear, sizeof clear)) > 0) {
        peer_feed(&p->peer, clear, n);
        answer(p);
    }
}

static void on_peer(struct ev_loop *ev, ev_io *w, int events)
{
    struct stand_peer *p = w->data;
    struct stand_server *s = server_of(p);
    uint8_t bytes[65536];
    (void)ev;
    if (events & EV_READ && !s->deaf) {
        ssize_t n = recv(p->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            p->saw_end = true;
            stand_peer_close(p);
            return;
        }
        if (n > 0) {
            p->received += (size_t)n;
            if (!s->mute)
                peer_take(p, bytes, (size_t)n);
        }
    }
    peer_flush(p, s->slow);
    if (s->deaf && p->fd >= 0)
        ev_io_stop(p->stand->ev, &p->io);
    /* A CancelRequest is answered by closing. */
    if (p->peer.cancelled)
        stand_peer_close(p);
}

static void on_accept(struct ev_loop *ev, ev_io *w, int events)
{
    struct stand_server *s = w->data;
    int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    (void)ev, (void)events;
    if (fd < 0)
        return;
    ck_assert_uint_lt(s->naccepted, STAND_PEERS);
    struct stand_peer *p = &s->peers[s->naccepted++];
    *p = (struct stand_peer){.stand = s->stand, .fd = fd};
    peer_init(&p->peer, &s->config);
    redwi_buf_init(&p->out, &redwi_malloc, SIZE_MAX / 2);
    if (s->tls)
        p->tls = tls_peer_new(s->tls);
    p->sent_any = s->direct;
    ev_io_init(&p->io, on_peer, fd, EV_READ);
    p->io.data = p;
    ev_io_start(s->stand->ev, &p->io);
}

static struct stand_server *server_new(struct stand *r, const struct peer_config *config, int fd)
{
    ck_assert_uint_lt(r->nservers, sizeof r->servers / sizeof r->servers[0]);
    struct stand_server *s = &r->servers[r->nservers++];
    *s = (struct stand_server){.stand = r, .fd = fd, .config = *config};
    for (size_t i = 0; i < STAND_PEERS; i++)
        s->peers[i].fd = -1;
    ck_assert_int_eq(listen(fd, 8), 0);
    ev_io_init(&s->accept, on_accept, fd, EV_READ);
    s->accept.data = s;
    ev_io_start(r->ev, &s->accept);
    return s;
}

static int bound_socket(uint16_t *port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    *port = ntohs(sa.sin_port);
    return fd;
}

uint16_t stand_free_port(void)
{
    uint16_t port;
    close(bound_socket(&port));
    return port;
}

struct stand_server *stand_listen(struct stand *r, const struct peer_config *config,
                                  const struct tls_peer_config *tls)
{
    uint16_t port;
    int fd = bound_socket(&port);
    struct stand_server *s = server_new(r, config, fd);
    s->port = port;
    s->tls = tls;
    stand_target(r, "127.0.0.1", port);
    return s;
}

struct stand_server *stand_listen_unix(struct stand *r, const struct peer_config *config, const char *dir)
{
    struct redwi_address a;
    ck_assert(redwi_address_unix(dir, 5432, &a));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a.storage, a.len), 0);
    struct stand_server *s = server_new(r, config, fd);
    s->dir = dir;
    s->port = 5432;
    stand_target(r, dir, 5432);
    return s;
}

struct stand_peer *stand_peer_of(struct stand_server *s, size_t i)
{
    ck_assert_uint_lt(i, s->naccepted);
    return &s->peers[i];
}

static void server_close(struct stand_server *s)
{
    for (size_t i = 0; i < s->naccepted; i++) {
        stand_peer_close(&s->peers[i]);
        ck_assert_str_eq(s->peers[i].peer.wrong, "");
        peer_free(&s->peers[i].peer);
        redwi_buf_free(&s->peers[i].out);
        tls_peer_free(s->peers[i].tls);
    }
    ev_io_stop(s->stand->ev, &s->accept);
    if (s->fd >= 0)
        close(s->fd);
}

void stand_teardown_servers(struct stand *r)
{
    for (size_t i = 0; i < r->nservers; i++)
        server_close(&r->servers[i]);
    r->nservers = 0;
}

void stand_wait_received(struct stand_peer *p, size_t more)
{
    size_t n = p->received + more;
    while (p->received < n)
        stand_run(p->stand, 1);
}

/* A buffer of an answer: one column, rows of one cell, the end. */
static void put_flood(struct redwi_buf *b, size_t cell_bytes, size_t total)
{
    const struct redwi_field field = {.name = {"c", 1}, .type_oid = 25, .type_size = -1, .typmod = -1};
    char *text = malloc(cell_bytes);
    const redw_slice cell = {text, cell_bytes};
    memset(text, 'r', cell_bytes);
    redwi_be_put_simple(b, '1');
    redwi_be_put_simple(b, '2');
    redwi_be_put_row_description(b, &field, 1);
    while (redwi_buf_len(b) < total)
        redwi_be_put_data_row(b, &cell, 1);
    redwi_be_put_command_complete(b, "SELECT 1");
    redwi_be_put_ready(b, 'I');
    free(text);
}

size_t stand_flood(struct stand_server *s, const struct stand_job *j, size_t cell_bytes, size_t total)
{
    struct stand *r = s->stand;
    struct redwi_buf b;
    size_t before = 0, most = 0;
    int ended = r->nended;
    s->mute = true;
    stand_wait_received(&s->peers[0], 1);
    redwi_buf_init(&b, &redwi_malloc, SIZE_MAX / 2);
    put_flood(&b, cell_bytes, total);
    stand_peer_send(&s->peers[0], redwi_buf_front(&b), redwi_buf_len(&b));
    redwi_buf_free(&b);
    while (r->nended == ended && !r->nclosed) {
        stand_run(r, 1);
        most = j->bytes - before > most ? j->bytes - before : most;
        before = j->bytes;
    }
    s->mute = false;
    ck_assert_int_eq(r->nclosed, 0);
    return most;
}
