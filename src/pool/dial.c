/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses tried in turn inside one deadline. Every step runs from a callback of the loop, and the call
 * of `done` is the last thing a step does: the dial may be gone after it.
 *
 * What the names port answers is only noted, and taken up in the next turn: a look-up must not be ended
 * inside its own callback.
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

struct redwi_dial {
    struct redwi_dial_config config;
    void *io, *timer, *turn;
    void *query;                              /* a look-up under way, or done and not yet freed */
    int64_t started_us, attempt_us, until_us; /* until when this attempt may take */
    int fd;                                   /* of this attempt; -1: none */
    redw_error *why;                          /* the last failure */
    size_t at, n;
    struct redwi_address addrs[REDWI_ADDRESSES_MAX];
};

enum progress { FAILED, UNDER_WAY, CONNECTED };

/* Dead peers are found within 90 s when idle and 75 s when we have sent something; small writes leave at
 * once, for they are corked before. */
static const struct {
    int level, name, value;
} tcp_options[] = {
    {IPPROTO_TCP, TCP_NODELAY, 1},    {SOL_SOCKET, SO_KEEPALIVE, 1}, {IPPROTO_TCP, TCP_KEEPIDLE, 60},
    {IPPROTO_TCP, TCP_KEEPINTVL, 10}, {IPPROTO_TCP, TCP_KEEPCNT, 3}, {IPPROTO_TCP, TCP_USER_TIMEOUT, 75000},
};

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

static void watch(struct redwi_dial *d, unsigned events)
{
    d->config.loop->io_set(d->config.loop->ctx, d->io, d->fd, events);
}

static void drop_query(struct redwi_dial *d)
{
    if (d->query)
        d->config.names->cancel(d->config.names->ctx, d->query);
    d->query = NULL;
}

static void drop_socket(struct redwi_dial *d)
{
    if (d->fd < 0)
        return;
    watch(d, 0);
    d->config.sys->close(d->config.sys->ctx, d->fd);
    d->fd = -1;
}

static void keep(struct redwi_dial *d, redw_error *why)
{
    redw_error_release(d->why);
    d->why = why;
}

/* This address failed; sys_errno 0: it did not answer in time. */
static enum progress failed(struct redwi_dial *d, int sys_errno)
{
    const struct redwi_err_spec spec = {
        .code = sys_errno ? REDW_ECONNECT : REDW_ETIMEDOUT,
        .cls = REDW_CLASS_CONNECTION_FAILED,
        .outcome = REDW_OUTCOME_NOT_SENT,
        .origin = sys_errno ? REDW_ORIGIN_OS : REDW_ORIGIN_LIBRARY,
        .sys_errno = sys_errno,
    };
    char text[160], which[64] = "";
    redwi_address_text(&d->addrs[d->at], text, sizeof text);
    if (d->n > 1)
        snprintf(which, sizeof which, "address %zu of %zu, ", d->at + 1, d->n);
    keep(d, redwi_err_make(d->config.mem, &spec, "connect: %s (%safter %lld ms)%s", text, which,
                           elapsed_ms(d, d->attempt_us), sys_errno ? "" : ": timed out"));
    drop_socket(d);
    return FAILED;
}

/* There is no address to try. */
static void failed_name(struct redwi_dial *d, int code, const char *what)
{
    const struct redwi_err_spec spec = {
        .code = code,
        .cls = REDW_CLASS_CONNECTION_FAILED,
        .outcome = REDW_OUTCOME_NOT_SENT,
        .origin = REDW_ORIGIN_LIBRARY,
    };
    keep(d, redwi_err_make(d->config.mem, &spec, "connect: %.300s (after %lld ms): %s", d->config.host,
                           elapsed_ms(d, d->started_us), what));
}

static bool set_options(const struct redwi_dial *d)
{
    const struct redwi_sys *sys = d->config.sys;
    if (d->addrs[d->at].family == AF_UNIX)
        return true;
    for (size_t i = 0; i < sizeof tcp_options / sizeof tcp_options[0]; i++)
        if (sys->set_option(sys->ctx, d->fd, tcp_options[i].level, tcp_options[i].name, &tcp_options[i].value,
                            sizeof tcp_options[i].value) &&
            errno != ENOPROTOOPT)
            return false;
    return true;
}

static enum progress try_connect(struct redwi_dial *d)
{
    const struct redwi_sys *sys = d->config.sys;
    const struct redwi_address *a = &d->addrs[d->at];
    int64_t again_us = now_us(d) + AGAIN_US;
    int error = EINTR;
    for (int tries = 0; error == EINTR && tries < INTERRUPTS_MAX; tries++)
        error = sys->connect(sys->ctx, d->fd, (const struct sockaddr *)&a->storage, a->len) ? errno : 0;
    switch (error) {
    case 0:
    case EISCONN:
        return CONNECTED;
    case EINPROGRESS:
    case EALREADY:
        watch(d, REDW_WRITE);
        set_timer(d, d->until_us);
        return UNDER_WAY;
    case EAGAIN:
        set_timer(d, again_us < d->until_us ? again_us : d->until_us);
        return UNDER_WAY;
    default:
        return failed(d, error);
    }
}

static enum progress attempt(struct redwi_dial *d)
{
    const struct redwi_sys *sys = d->config.sys;
    d->attempt_us = now_us(d);
    int64_t left = d->config.deadline_us - d->attempt_us;
    if (left <= 0)
        return failed(d, 0);
    d->until_us = d->attempt_us + left / (int64_t)(d->n - d->at);
    d->fd = sys->open(sys->ctx, d->addrs[d->at].family, SOCK_STREAM);
    if (d->fd < 0 || !set_options(d))
        return failed(d, errno);
    return try_connect(d);
}

static void succeed(struct redwi_dial *d)
{
    int fd = d->fd;
    watch(d, 0);
    d->config.loop->timer_stop(d->config.loop->ctx, d->timer);
    d->fd = -1;
    d->config.done(d->config.arg, fd, &d->addrs[d->at], NULL);
}

static void give_up(struct redwi_dial *d)
{
    redw_error *why = d->why;
    d->why = NULL;
    d->config.loop->timer_stop(d->config.loop->ctx, d->timer);
    d->config.done(d->config.arg, -1, NULL, why);
}

/* Goes on from what the current address came to. */
static void go_on(struct redwi_dial *d, enum progress progress)
{
    while (progress == FAILED && ++d->at < d->n)
        progress = attempt(d);
    if (progress == CONNECTED)
        succeed(d);
    else if (progress == FAILED)
        give_up(d);
}

static void on_turn(void *arg)
{
    struct redwi_dial *d = arg;
    drop_query(d);
    if (d->n)
        go_on(d, attempt(d));
    else
        give_up(d);
}

static void on_writable(void *arg, unsigned events)
{
    struct redwi_dial *d = arg;
    int error = d->config.sys->connect_error(d->config.sys->ctx, d->fd);
    (void)events;
    go_on(d, error == 0 ? CONNECTED : failed(d, error > 0 ? error : errno));
}

static void on_timer(void *arg)
{
    struct redwi_dial *d = arg;
    if (d->fd < 0) { /* the deadline, and still no address */
        failed_name(d, REDW_ETIMEDOUT, "the name look-up timed out");
        drop_query(d);
        give_up(d);
    } else if (now_us(d) < d->until_us) {
        go_on(d, try_connect(d));
    } else {
        go_on(d, failed(d, 0));
    }
}

static void on_names(void *arg, const struct redwi_address *addrs, size_t n, const char *why)
{
    struct redwi_dial *d = arg;
    d->n = n < REDWI_ADDRESSES_MAX ? n : REDWI_ADDRESSES_MAX;
    for (size_t i = 0; i < d->n; i++)
        d->addrs[i] = addrs[i];
    if (!n)
        failed_name(d, REDW_ECONNECT, why);
    d->config.loop->timer_stop(d->config.loop->ctx, d->timer);
    d->config.loop->turn_request(d->config.loop->ctx, d->turn);
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
            failed_name(d, REDW_ECONNECT, "the path of the unix socket is too long");
        }
        return true;
    }
    return redwi_address_literal(config->host, config->port, &d->addrs[0]);
}

static int find_address(struct redwi_dial *d)
{
    const struct redw_loop *loop = d->config.loop;
    const struct redwi_names *names = d->config.names;
    if (know_address(d)) {
        loop->turn_request(loop->ctx, d->turn);
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
    size_t io = redwi_block_part(&total, loop->io_bytes);
    size_t timer = redwi_block_part(&total, loop->timer_bytes);
    size_t turn = redwi_block_part(&total, loop->turn_bytes);
    char *block = redwi_alloc_array(config->mem, 1, total);
    struct redwi_dial *d = (struct redwi_dial *)(void *)block;
    if (!d)
        return REDW_ENOMEM;
    d->config = *config;
    d->fd = -1;
    d->io = block + io;
    d->timer = block + timer;
    d->turn = block + turn;
    d->started_us = now_us(d);
    loop->io_init(loop->ctx, d->io, on_writable, d);
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

void redwi_dial_free(struct redwi_dial *d)
{
    if (!d)
        return;
    const struct redw_loop *loop = d->config.loop;
    drop_query(d);
    drop_socket(d);
    loop->timer_stop(loop->ctx, d->timer);
    loop->turn_fini(loop->ctx, d->turn);
    redw_error_release(d->why);
    redwi_free(d->config.mem, d);
}
