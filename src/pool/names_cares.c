/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Name resolution by c-ares on the loop (design H8). A channel per query: version 1.18 reads resolv.conf
 * only when a channel is made, and a query can so be ended alone.
 *
 *   - IPv4 and IPv6 are asked for apart: when one has addresses, the other is waited for only a moment. There
 * are name servers that never answer about IPv6, and c-ares would ask them for a minute. What the hosts
 * file says of a name, of whichever family, is all there is to it, as everywhere else.
 *   - c-ares may answer inside ares_getaddrinfo (hosts file, bad names) and from inside ares_destroy;
 * the answer is noted, and the caller hears of it from a turn of the loop.
 *   - service is NULL, for with one c-ares reads files of services on the way; the port is filled in
 * here.
 *   - Sockets are made and written here: c-ares writes TCP by writev(), which raises SIGPIPE.
 *   - No deadline of its own: the caller has one, and cancels.
 *
 * c-ares and what it allocates are process-wide malloc; ares_library_init runs once (pthread_once).
 */
#include "pool/names.h"

#include "wire/mem.h"

#include <ares.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Sockets of one channel: two (UDP, TCP) for each name server that was asked and has not answered. A
 * socket beyond that is not watched; c-ares then moves on by its time-outs. */
#define SOCKETS_MAX 16

/* c-ares counts its time-outs in whole milliseconds, cut off: never ask again sooner. */
#define TICK_US 1000

/* How long an answer waits for that about the other family (RFC 8305, section 3, has 50 ms, but can use what
 * comes after; here it is left out, so it may take longer). */
#define OTHER_FAMILY_US 500000

struct query;

struct socket_slot {
    struct query *query;
    int fd; /* -1: free */
    void *io;
};

struct query {
    const struct redw_allocator *mem;
    const struct redw_loop *loop;
    ares_channel channel;
    redwi_names_fn *fn;
    void *arg;
    uint16_t port;
    void *timer, *turn, *other_timer;
    struct socket_slot slots[SOCKETS_MAX];
    int open;        /* families not answered yet */
    bool ended;      /* cancelled, or the answer was handed over: what c-ares says is dropped */
    const char *why; /* static text, when nothing is found */
    struct {
        size_t n;
        struct redwi_address addrs[REDWI_ADDRESSES_MAX];
    } found[2]; /* IPv6, IPv4 */
    struct redwi_address addrs[REDWI_ADDRESSES_MAX];
};

static int library_status = ARES_ENOTINITIALIZED;

static void library_init(void)
{
    library_status = ares_library_init(ARES_LIB_INIT_ALL);
}

/* Sockets: non-blocking, closed on exec, no SIGPIPE. */

static ares_socket_t open_socket(int family, int type, int protocol, void *arg)
{
    (void)arg;
    return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

static int close_socket(ares_socket_t fd, void *arg)
{
    (void)arg;
    return close(fd);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *to, ares_socklen_t len, void *arg)
{
    (void)arg;
    return connect(fd, to, len);
}

static ares_ssize_t receive(ares_socket_t fd, void *p, size_t n, int flags, struct sockaddr *from,
                            ares_socklen_t *len, void *arg)
{
    (void)arg;
    return recvfrom(fd, p, n, flags, from, len);
}

static ares_ssize_t transmit(ares_socket_t fd, const struct iovec *parts, int n, void *arg)
{
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)n};
    (void)arg;
    return sendmsg(fd, &m, MSG_NOSIGNAL);
}

static const struct ares_socket_functions socket_functions = {open_socket, close_socket, connect_socket,
                                                              receive, transmit};

/* c-ares wants other events of a socket, or none: then it is about to close it. */
static void socket_wanted(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct query *q = arg;
    struct socket_slot *slot = NULL;
    unsigned events = (readable ? REDW_READ : 0u) | (writable ? REDW_WRITE : 0u);
    for (int i = 0; i < SOCKETS_MAX && (!slot || slot->fd != fd); i++)
        if (q->slots[i].fd == fd || (events && !slot && q->slots[i].fd < 0))
            slot = &q->slots[i];
    if (!slot)
        return;
    slot->fd = events ? fd : -1;
    q->loop->io_set(q->loop->ctx, slot->io, fd, events);
}

static void set_timer(struct query *q)
{
    struct timeval t;
    if (!ares_timeout(q->channel, NULL, &t)) {
        q->loop->timer_stop(q->loop->ctx, q->timer);
        return;
    }
    int64_t us = (int64_t)t.tv_sec * 1000000 + t.tv_usec;
    q->loop->timer_set(q->loop->ctx, q->timer, q->loop->now_us(q->loop->ctx) + (us > TICK_US ? us : TICK_US));
}

static void on_socket(void *arg, unsigned events)
{
    const struct socket_slot *slot = arg;
    struct query *q = slot->query;
    ares_socket_t fd = slot->fd; /* the slot may be free or another's after the first call */
    ares_process_fd(q->channel, events & REDW_READ ? fd : ARES_SOCKET_BAD,
                    events & REDW_WRITE ? fd : ARES_SOCKET_BAD);
    set_timer(q);
}

static void on_timer(void *arg)
{
    struct query *q = arg;
    ares_process_fd(q->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer(q);
}

static void set_port(struct redwi_address *a, uint16_t port)
{
    uint16_t net = htons(port);
    size_t at = a->family == AF_INET ? offsetof(struct sockaddr_in, sin_port)
                                     : offsetof(struct sockaddr_in6, sin6_port);
    memcpy((char *)&a->storage + at, &net, sizeof net);
}

static void add_address(struct query *q, const struct ares_addrinfo_node *node)
{
    int which = node->ai_family == AF_INET6 ? 0 : 1;
    struct redwi_address *a = &q->found[which].addrs[q->found[which].n];
    bool known = node->ai_family == AF_INET || node->ai_family == AF_INET6;
    if (!known || node->ai_addrlen > sizeof a->storage || q->found[which].n == REDWI_ADDRESSES_MAX)
        return;
    *a = (struct redwi_address){.len = node->ai_addrlen, .family = node->ai_family};
    memcpy(&a->storage, node->ai_addr, node->ai_addrlen);
    set_port(a, q->port);
    q->found[which].n++;
}

/* c-ares has an answer; on whose stack is unknown. */
static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
    struct query *q = arg;
    (void)timeouts;
    q->open--;
    if (!q->ended) {
        for (struct ares_addrinfo_node *n = result ? result->nodes : NULL; n; n = n->ai_next)
            add_address(q, n);
        if (!q->why || status != ARES_ENODATA) /* "no data": of this family */
            q->why = status == ARES_SUCCESS ? "the name has no address" : ares_strerror(status);
        if (q->open == 0)
            q->loop->turn_request(q->loop->ctx, q->turn);
        else if (q->found[0].n + q->found[1].n)
            q->loop->timer_set(q->loop->ctx, q->other_timer, q->loop->now_us(q->loop->ctx) + OTHER_FAMILY_US);
    }
    ares_freeaddrinfo(result);
}

/* Both families, in turns, so that the bound cuts neither off; IPv6 first (RFC 8305, section 4). */
static size_t merge(struct query *q)
{
    size_t n = 0;
    for (size_t i = 0; i < REDWI_ADDRESSES_MAX; i++)
        for (int which = 0; which < 2; which++)
            if (i < q->found[which].n && n < REDWI_ADDRESSES_MAX)
                q->addrs[n++] = q->found[which].addrs[i];
    return n;
}

static void on_turn(void *arg)
{
    struct query *q = arg;
    size_t n = merge(q);
    q->ended = true;
    q->loop->timer_stop(q->loop->ctx, q->other_timer);
    q->fn(q->arg, q->addrs, n, n ? NULL : q->why);
}

static void on_other_timer(void *arg)
{
    struct query *q = arg;
    q->loop->turn_request(q->loop->ctx, q->turn);
}

static size_t align(size_t n)
{
    return (n + 15) & ~(size_t)15;
}

/* The query and its watchers, in one allocation. */
static struct query *query_new(const struct redw_allocator *mem, const struct redw_loop *loop)
{
    size_t io = align(loop->io_bytes), timer = align(loop->timer_bytes), turn = align(loop->turn_bytes);
    size_t head = align(sizeof(struct query));
    char *block = redwi_alloc_array(mem, 1, head + 2 * timer + turn + io * SOCKETS_MAX);
    struct query *q = (struct query *)(void *)block;
    if (!q)
        return NULL;
    q->mem = mem;
    q->loop = loop;
    q->timer = block + head;
    q->other_timer = block + head + timer;
    q->turn = block + head + 2 * timer;
    loop->timer_init(loop->ctx, q->timer, on_timer, q);
    loop->timer_init(loop->ctx, q->other_timer, on_other_timer, q);
    loop->turn_init(loop->ctx, q->turn, on_turn, q);
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        struct socket_slot *slot = &q->slots[i];
        *slot = (struct socket_slot){.query = q, .fd = -1, .io = block + head + 2 * timer + turn + io * i};
        loop->io_init(loop->ctx, slot->io, on_socket, slot);
    }
    return q;
}

static void query_free(struct query *q)
{
    q->ended = true;
    if (q->channel)
        ares_destroy(
            q->channel); /* answers what is open, closes sockets: socket_wanted stops their watchers */
    q->loop->timer_stop(q->loop->ctx, q->timer);
    q->loop->timer_stop(q->loop->ctx, q->other_timer);
    q->loop->turn_fini(q->loop->ctx, q->turn);
    redwi_free(q->mem, q);
}

static int channel_open(struct query *q, const char *servers)
{
    struct ares_options o = {.sock_state_cb = socket_wanted, .sock_state_cb_data = q};
    int status = ares_init_options(&q->channel, &o, ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS) {
        q->channel = NULL;
        return status;
    }
    ares_set_socket_functions(q->channel, &socket_functions, NULL);
    return servers ? ares_set_servers_ports_csv(q->channel, servers) : ARES_SUCCESS;
}

static void add_host(struct query *q, int family, const char *raw)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct ares_addrinfo_node node = {.ai_family = family, .ai_addrlen = sizeof v4};
    node.ai_addr = (struct sockaddr *)&v4;
    if (family == AF_INET6) {
        node.ai_addrlen = sizeof v6;
        node.ai_addr = (struct sockaddr *)&v6;
        memcpy(&v6.sin6_addr, raw, sizeof v6.sin6_addr);
    } else {
        memcpy(&v4.sin_addr, raw, sizeof v4.sin_addr);
    }
    add_address(q, &node);
}

/* True: the hosts file knows the name. */
static bool look_into_hosts_file(struct query *q, const char *host, const int families[2])
{
    for (int i = 0; i < 2; i++) {
        struct hostent *h = NULL;
        if (ares_gethostbyname_file(q->channel, host, families[i], &h) != ARES_SUCCESS)
            continue;
        for (char **raw = h->h_addr_list; *raw; raw++)
            add_host(q, families[i], *raw);
        ares_free_hostent(h);
    }
    return q->found[0].n + q->found[1].n > 0;
}

static int start(void *ctx, const struct redw_allocator *mem, const struct redw_loop *loop, const char *host,
                 uint16_t port, redwi_names_fn *fn, void *arg, void **query)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static const int families[] = {AF_INET6, AF_INET};
    struct query *q = query_new(mem, loop);
    if (!q)
        return REDW_ENOMEM;
    q->fn = fn;
    q->arg = arg;
    q->port = port;
    *query = q;
    pthread_once(&once, library_init);
    int status = library_status == ARES_SUCCESS ? channel_open(q, ctx) : library_status;
    if (status != ARES_SUCCESS) { /* told like an answer: there may be more to say than "no memory" */
        q->open = 1;
        on_answer(q, status, 0, NULL);
        return 0;
    }
    if (look_into_hosts_file(q, host, families)) {
        loop->turn_request(loop->ctx, q->turn);
        return 0;
    }
    q->open = 2;
    for (int i = 0; i < 2; i++) {
        const struct ares_addrinfo_hints hints = {.ai_family = families[i], .ai_socktype = SOCK_STREAM};
        ares_getaddrinfo(q->channel, host, NULL, &hints, on_answer, q);
    }
    set_timer(q);
    return 0;
}

static void cancel(void *ctx, void *query)
{
    (void)ctx;
    query_free(query);
}

const struct redwi_names redwi_names_cares = {.ctx = NULL, .start = start, .cancel = cancel};
