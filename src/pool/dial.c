/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses racing inside one deadline. Every step runs from a callback of the loop, and the call of
 * `done` or `open` is the last thing a step does: the dial may be gone after it.
 *
 * What the names port or the caller's open answers is only noted, and taken up in the next turn: a look-up
 * must not be ended inside its own callback, and nobody is called back inside their own call.
 */
#include "pool/dial.h"

#include "pool/block.h"
#include "wire/mem.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>

/* A unix socket whose queue of connections is full says EAGAIN and will not say when it has room. */
#define AGAIN_US 10000
/* connect() goes on by itself after EINTR; asking again tells how it stands. */
#define INTERRUPTS_MAX 3

/* One socket on its way to one address. */
struct attempt {
    struct redwi_dial *dial;
    void *io;
    int fd; /* -1: none */
    size_t at;
    int64_t started_us, until_us;
    int64_t again_us; /* INT64_MAX: the socket tells by itself how it stands */
};

/* The caller's socket, config.open. */
enum asking { OWN_NOT_ASKED = 0, OWN_ASKED, OWN_ANSWERED };

struct redwi_dial {
    struct redwi_dial_config config;
    void *timer, *turn;
    void *query;        /* a look-up under way, or done and not yet freed */
    int64_t started_us;
    int64_t due_us;     /* when the next address is tried, whatever the others do */
    redw_error *why;    /* the failure that is told if no other comes */
    enum asking own;
    int own_fd;
    size_t next, n;     /* the address that is tried next; how many there are */
    struct attempt attempts[REDWI_DIAL_RACERS];
    struct redwi_address addrs[REDWI_ADDRESSES_MAX];
};

enum progress { FAILED, UNDER_WAY, CONNECTED };

static int64_t now_us(const struct redwi_dial *d)
{
    return d->config.loop->now_us(d->config.loop->ctx);
}

static long long elapsed_ms(const struct redwi_dial *d, int64_t since_us)
{
    return (long long)((now_us(d) - since_us) / 1000);
}

static void set_timer(struct redwi_dial *d, int64_t at_us)
{
    d->config.loop->timer_set(d->config.loop->ctx, d->timer, at_us);
}

static void request_turn(struct redwi_dial *d)
{
    d->config.loop->turn_request(d->config.loop->ctx, d->turn);
}

static void watch(struct attempt *a, unsigned events)
{
    const struct redw_loop *loop = a->dial->config.loop;
    loop->io_set(loop->ctx, a->io, a->fd, events);
}

static void drop_query(struct redwi_dial *d)
{
    if (d->query)
        d->config.names->cancel(d->config.names->ctx, d->query);
    d->query = NULL;
}

static void drop_socket(struct attempt *a)
{
    const struct redwi_sys *sys = a->dial->config.sys;
    if (a->fd < 0)
        return;
    watch(a, 0);
    sys->close(sys->ctx, a->fd);
    a->fd = -1;
}

static void drop_sockets(struct redwi_dial *d)
{
    for (size_t i = 0; i < REDWI_DIAL_RACERS; i++)
        drop_socket(&d->attempts[i]);
    if (d->own_fd >= 0)
        d->config.sys->close(d->config.sys->ctx, d->own_fd);
    d->own_fd = -1;
}

/* The attempt that is longest under way; NULL: none is. */
static struct attempt *oldest(struct redwi_dial *d)
{
    struct attempt *found = NULL;
    for (size_t i = 0; i < REDWI_DIAL_RACERS; i++) {
        struct attempt *a = &d->attempts[i];
        if (a->fd >= 0 && (!found || a->at < found->at))
            found = a;
    }
    return found;
}

static struct attempt *free_place(struct redwi_dial *d)
{
    for (size_t i = 0; i < REDWI_DIAL_RACERS; i++)
        if (d->attempts[i].fd < 0)
            return &d->attempts[i];
    return NULL;
}

/* Failures. */

static void keep(struct redwi_dial *d, redw_error *why)
{
    redw_error_release(d->why);
    d->why = why;
}

/* This host has no way to such addresses, which says nothing about the server. */
static bool is_local(int sys_errno)
{
    return sys_errno == ENETUNREACH || sys_errno == EAFNOSUPPORT || sys_errno == EADDRNOTAVAIL;
}

/* This address failed; sys_errno 0: it did not answer in time. */
static enum progress failed(struct attempt *a, int sys_errno)
{
    struct redwi_dial *d = a->dial;
    const struct redwi_err_spec spec = {
        .code = sys_errno ? REDW_ECONNECT : REDW_ETIMEDOUT,
        .cls = REDW_CLASS_CONNECTION_FAILED,
        .outcome = REDW_OUTCOME_NOT_SENT,
        .origin = sys_errno ? REDW_ORIGIN_OS : REDW_ORIGIN_LIBRARY,
        .sys_errno = sys_errno,
    };
    char text[160], which[64] = "";
    d->due_us = now_us(d);
    drop_socket(a);
    if (d->why && is_local(sys_errno))
        return FAILED;
    redwi_address_text(&d->addrs[a->at], text, sizeof text);
    if (d->n > 1)
        snprintf(which, sizeof which, "address %zu of %zu, ", a->at + 1, d->n);
    keep(d, redwi_err_make(d->config.mem, &spec, "connect: %s (%safter %lld ms)%s", text, which,
                           elapsed_ms(d, a->started_us), sys_errno ? "" : ": timed out"));
    return FAILED;
}

/* There is nothing to try. */
static void failed_before(struct redwi_dial *d, int code, int sys_errno, const char *what)
{
    const struct redwi_err_spec spec = {
        .code = code,
        .cls = REDW_CLASS_CONNECTION_FAILED,
        .outcome = REDW_OUTCOME_NOT_SENT,
        .origin = sys_errno ? REDW_ORIGIN_OS : REDW_ORIGIN_LIBRARY,
        .sys_errno = sys_errno,
    };
    keep(d, redwi_err_make(d->config.mem, &spec, "connect: %.300s (after %lld ms): %s", d->config.host,
                           elapsed_ms(d, d->started_us), what));
}

/* One attempt. */

static bool set_option(const struct attempt *a, int level, int name, uint32_t value)
{
    const struct redwi_sys *sys = a->dial->config.sys;
    int v = (int)value;
    return sys->set_option(sys->ctx, a->fd, level, name, &v, sizeof v) == 0 || errno == ENOPROTOOPT;
}

/* Small writes leave at once: what belongs together was corked before. */
static bool set_options(const struct attempt *a)
{
    const struct redwi_dial *d = a->dial;
    const struct redwi_tcp *tcp = &d->config.tcp;
    const struct {
        int level, name;
        uint32_t value;
    } wanted[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, tcp->idle_s ? 1 : 0},
        {IPPROTO_TCP, TCP_KEEPIDLE, tcp->idle_s},
        {IPPROTO_TCP, TCP_KEEPINTVL, tcp->interval_s},
        {IPPROTO_TCP, TCP_KEEPCNT, tcp->count},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, tcp->user_timeout_ms},
    };
    if (d->addrs[a->at].family == AF_UNIX)
        return true;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (wanted[i].value && !set_option(a, wanted[i].level, wanted[i].name, wanted[i].value))
            return false;
    return true;
}

static enum progress try_connect(struct attempt *a)
{
    const struct redwi_sys *sys = a->dial->config.sys;
    const struct redwi_address *to = &a->dial->addrs[a->at];
    int error = EINTR;
    a->again_us = INT64_MAX;
    for (int tries = 0; error == EINTR && tries < INTERRUPTS_MAX; tries++)
        error = sys->connect(sys->ctx, a->fd, (const struct sockaddr *)&to->storage, to->len) ? errno : 0;
    switch (error) {
    case 0:
    case EISCONN:
        return CONNECTED;
    case EINPROGRESS:
    case EALREADY:
        watch(a, REDW_WRITE);
        return UNDER_WAY;
    case EAGAIN:
        a->again_us = now_us(a->dial) + AGAIN_US;
        return UNDER_WAY;
    default:
        return failed(a, error);
    }
}

/* Its time: with fewer addresses left than places all there is, else a share of it. */
static void set_times(struct attempt *a)
{
    struct redwi_dial *d = a->dial;
    int64_t left_us = d->config.deadline_us - a->started_us, remaining = (int64_t)(d->n - a->at);
    int64_t delay_us = left_us / remaining;
    d->due_us = a->started_us + (delay_us < REDWI_DIAL_DELAY_US ? delay_us : REDWI_DIAL_DELAY_US);
    a->until_us = d->config.deadline_us;
    if (remaining > REDWI_DIAL_RACERS)
        a->until_us = a->started_us + left_us / remaining * REDWI_DIAL_RACERS;
}

static enum progress begin(struct attempt *a)
{
    struct redwi_dial *d = a->dial;
    const struct redwi_sys *sys = d->config.sys;
    a->at = d->next++;
    a->started_us = now_us(d);
    if (a->started_us >= d->config.deadline_us)
        return failed(a, 0);
    set_times(a);
    a->fd = sys->open(sys->ctx, d->addrs[a->at].family, SOCK_STREAM);
    if (a->fd < 0 || !set_options(a))
        return failed(a, errno);
    return try_connect(a);
}

/* The race. */

static void succeed(struct attempt *a)
{
    struct redwi_dial *d = a->dial;
    int fd = a->fd;
    watch(a, 0);
    a->fd = -1;
    drop_sockets(d);
    d->config.loop->timer_stop(d->config.loop->ctx, d->timer);
    d->config.done(d->config.arg, fd, &d->addrs[a->at], NULL);
}

static void give_up(struct redwi_dial *d)
{
    redw_error *why = d->why;
    d->why = NULL;
    d->config.loop->timer_stop(d->config.loop->ctx, d->timer);
    d->config.done(d->config.arg, -1, NULL, why);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When something is to be done although no socket has anything to say. */
static void await(struct redwi_dial *d)
{
    int64_t at_us = INT64_MAX;
    for (size_t i = 0; i < REDWI_DIAL_RACERS; i++) {
        const struct attempt *a = &d->attempts[i];
        if (a->fd >= 0)
            at_us = earlier(at_us, earlier(a->until_us, a->again_us));
    }
    if (d->next < d->n && free_place(d))
        at_us = earlier(at_us, d->due_us);
    set_timer(d, at_us);
}

/* Begins what is due. Connected: which one; NULL: none. */
static struct attempt *race(struct redwi_dial *d)
{
    struct attempt *a;
    while ((a = oldest(d)) != NULL && now_us(d) >= a->until_us)
        failed(a, 0);
    while (d->next < d->n && (a = free_place(d)) != NULL && (!oldest(d) || now_us(d) >= d->due_us))
        if (begin(a) == CONNECTED)
            return a;
    return NULL;
}

static void go_on(struct redwi_dial *d)
{
    struct attempt *winner = race(d);
    if (winner)
        succeed(winner);
    else if (oldest(d))
        await(d);
    else
        give_up(d);
}

/* Callbacks of the loop. */

static void on_writable(void *arg, unsigned events)
{
    struct attempt *a = arg;
    const struct redwi_sys *sys = a->dial->config.sys;
    int error = sys->connect_error(sys->ctx, a->fd);
    (void)events;
    if (error == 0) {
        succeed(a);
        return;
    }
    failed(a, error > 0 ? error : errno);
    go_on(a->dial);
}

static void on_timer(void *arg)
{
    struct redwi_dial *d = arg;
    if (!oldest(d)) { /* the deadline, and still nothing to try */
        failed_before(d, REDW_ETIMEDOUT, 0,
                      d->config.open ? "timed out: no socket was given" : "the name look-up timed out");
        drop_query(d);
        give_up(d);
        return;
    }
    for (size_t i = 0; i < REDWI_DIAL_RACERS; i++) {
        struct attempt *a = &d->attempts[i];
        if (a->fd < 0 || now_us(d) < a->again_us || now_us(d) >= a->until_us)
            continue;
        if (try_connect(a) == CONNECTED) {
            succeed(a);
            return;
        }
    }
    go_on(d);
}

/* The socket is the caller's; how far its connection is, it says itself. */
static void take_own(struct redwi_dial *d)
{
    struct attempt *a = &d->attempts[0];
    if (d->own_fd < 0) {
        give_up(d);
        return;
    }
    *a = (struct attempt){.dial = d, .io = a->io, .fd = d->own_fd, .started_us = d->started_us};
    a->until_us = d->config.deadline_us;
    a->again_us = INT64_MAX;
    d->own_fd = -1;
    d->next = d->n = 1;
    redwi_address_named(d->config.host, d->config.port, &d->addrs[0]);
    watch(a, REDW_WRITE);
    await(d);
}

static void on_turn(void *arg)
{
    struct redwi_dial *d = arg;
    if (d->config.open && d->own == OWN_NOT_ASKED) {
        d->own = OWN_ASKED;
        set_timer(d, d->config.deadline_us);
        d->config.open(d->config.arg);
        return;
    }
    if (d->config.open) {
        take_own(d);
        return;
    }
    drop_query(d);
    go_on(d);
}

static void on_names(void *arg, const struct redwi_address *addrs, size_t n, const char *why)
{
    struct redwi_dial *d = arg;
    d->n = n < REDWI_ADDRESSES_MAX ? n : REDWI_ADDRESSES_MAX;
    for (size_t i = 0; i < d->n; i++)
        d->addrs[i] = addrs[i];
    redwi_addresses_interleave(d->addrs, d->n);
    if (!n)
        failed_before(d, REDW_ECONNECT, 0, why);
    d->config.loop->timer_stop(d->config.loop->ctx, d->timer);
    request_turn(d);
}

/* What needs no look-up: filled in, true. */
static bool know_address(struct redwi_dial *d)
{
    const struct redwi_dial_config *config = &d->config;
    d->n = 1;
    if (config->address) {
        d->addrs[0] = *config->address;
        return true;
    }
    if (config->host[0] == '/') {
        if (!redwi_address_unix(config->host, config->port, &d->addrs[0])) {
            d->n = 0;
            failed_before(d, REDW_ECONNECT, 0, "the path of the unix socket is too long");
        }
        return true;
    }
    return redwi_address_literal(config->host, config->port, &d->addrs[0]);
}

static int find_address(struct redwi_dial *d)
{
    const struct redw_loop *loop = d->config.loop;
    const struct redwi_names *names = d->config.names;
    if (d->config.open || know_address(d)) {
        request_turn(d);
        return 0;
    }
    d->n = 0;
    set_timer(d, d->config.deadline_us);
    return names->start(names->ctx, d->config.mem, loop, d->config.host, d->config.port, on_names, d,
                        &d->query);
}

int redwi_dial_start(struct redwi_dial **out, const struct redwi_dial_config *config)
{
    const struct redw_loop *loop = config->loop;
    size_t total = 0;
    redwi_block_part(&total, sizeof **out);
    size_t io[REDWI_DIAL_RACERS];
    for (size_t i = 0; i < REDWI_DIAL_RACERS; i++)
        io[i] = redwi_block_part(&total, loop->io_bytes);
    size_t timer = redwi_block_part(&total, loop->timer_bytes);
    size_t turn = redwi_block_part(&total, loop->turn_bytes);
    char *block = redwi_alloc_array(config->mem, 1, total);
    struct redwi_dial *d = (struct redwi_dial *)(void *)block;
    if (!d)
        return REDW_ENOMEM;
    d->config = *config;
    d->own_fd = -1;
    d->timer = block + timer;
    d->turn = block + turn;
    d->started_us = now_us(d);
    for (size_t i = 0; i < REDWI_DIAL_RACERS; i++) {
        struct attempt *a = &d->attempts[i];
        *a = (struct attempt){.dial = d, .io = block + io[i], .fd = -1};
        loop->io_init(loop->ctx, a->io, on_writable, a);
    }
    loop->timer_init(loop->ctx, d->timer, on_timer, d);
    loop->turn_init(loop->ctx, d->turn, on_turn, d);
    int code = find_address(d);
    if (code) {
        redwi_dial_free(d);
        return code;
    }
    *out = d;
    return 0;
}

bool redwi_dial_opened(struct redwi_dial *d, int fd, int sys_errno)
{
    const struct redwi_sys *sys = d->config.sys;
    if (d->own != OWN_ASKED)
        return false;
    d->own = OWN_ANSWERED;
    if (fd >= 0 && sys->adopt(sys->ctx, fd) == 0)
        d->own_fd = fd;
    else
        failed_before(d, REDW_ECONNECT, fd >= 0 ? errno : sys_errno,
                      fd >= 0 ? "not a descriptor" : "no socket was given");
    d->config.loop->timer_stop(d->config.loop->ctx, d->timer);
    request_turn(d);
    return true;
}

void redwi_dial_free(struct redwi_dial *d)
{
    if (!d)
        return;
    const struct redw_loop *loop = d->config.loop;
    drop_query(d);
    drop_sockets(d);
    loop->timer_stop(loop->ctx, d->timer);
    loop->turn_fini(loop->ctx, d->turn);
    redw_error_release(d->why);
    redwi_free(d->config.mem, d);
}
