/* SPDX-License-Identifier: Apache-2.0 */
#include "support/proxy.h"

#include "pool/names.h"
#include "support/pg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAIRS_MAX 64
#define CHUNK     65536

/* One direction: bytes read from `from` that `to` has not taken yet. */
struct pipe_end {
    ev_io reads, writes;
    size_t at, n;
    unsigned char bytes[CHUNK];
};

struct pair {
    struct proxy *proxy;
    int client, server; /* -1: free */
    struct pipe_end up, down;
};

struct proxy {
    struct proxy_config config;
    struct ev_loop *loop;
    ev_async wake;
    ev_io accept;
    int listener;
    uint16_t port;
    char uri[256];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t done;
    enum proxy_mode wanted, mode;
    bool stop, in_force, listening;
    const char *why;
    long tid;
    int cabled; /* netns: 0: not yet, 1: the cable is there, -1: it cannot be had */
    unsigned accepted;
    struct pair pairs[PAIRS_MAX];
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "proxy: %s: %s\n", what, strerror(errno));
    abort();
}

/* --- connections --- */

static void pair_close(struct pair *p, bool reset)
{
    struct ev_loop *loop = p->proxy->loop;
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (p->client < 0)
        return;
    ev_io_stop(loop, &p->up.reads);
    ev_io_stop(loop, &p->up.writes);
    ev_io_stop(loop, &p->down.reads);
    ev_io_stop(loop, &p->down.writes);
    if (reset)
        setsockopt(p->client, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(p->client);
    close(p->server);
    p->client = p->server = -1;
}

static void watch(struct pair *p, struct pipe_end *e, int from)
{
    struct ev_loop *loop = p->proxy->loop;
    bool reads = p->proxy->mode != PROXY_STALL && (e->n == 0 || p->proxy->mode == PROXY_SWALLOW);
    bool writes = p->proxy->mode == PROXY_FORWARD && e->n > 0;
    (void)from;
    (reads ? ev_io_start : ev_io_stop)(loop, &e->reads);
    (writes ? ev_io_start : ev_io_stop)(loop, &e->writes);
}

static void on_readable(struct ev_loop *loop, ev_io *w, int events)
{
    struct pair *p = w->data;
    struct pipe_end *e = w == &p->up.reads ? &p->up : &p->down;
    unsigned char nowhere[4096];
    bool forwards = p->proxy->mode == PROXY_FORWARD;
    (void)loop, (void)events;
    ssize_t n = read(w->fd, forwards ? e->bytes : nowhere, forwards ? sizeof e->bytes : sizeof nowhere);
    if (n < 0 && errno == EAGAIN)
        return;
    if (p->proxy->mode == PROXY_SWALLOW && n <= 0) { /* its end is swallowed, too */
        ev_io_stop(loop, w);
        return;
    }
    if (n <= 0 || p->proxy->mode == PROXY_RESET) {
        pair_close(p, p->proxy->mode == PROXY_RESET);
        return;
    }
    if (forwards) {
        e->at = 0;
        e->n = (size_t)n;
    }
    watch(p, e, w->fd);
}

static void on_writable(struct ev_loop *loop, ev_io *w, int events)
{
    struct pair *p = w->data;
    struct pipe_end *e = w == &p->up.writes ? &p->up : &p->down;
    (void)loop, (void)events;
    ssize_t n = send(w->fd, e->bytes + e->at, e->n, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0) {
        pair_close(p, false);
        return;
    }
    e->at += (size_t)n;
    e->n -= (size_t)n;
    watch(p, e, w->fd);
}

static int connect_server(void)
{
    const struct pg_server *s = pg_server();
    struct redwi_address at;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(redwi_address_unix(s->sockdir, (uint16_t)strtoul(s->port, NULL, 10), &at), "path too long");
    must(fd >= 0 && connect(fd, (struct sockaddr *)&at.storage, at.len) == 0, s->sockdir);
    must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0, "fcntl");
    return fd;
}

static void pair_open(struct proxy *x, int client)
{
    struct pair *p = x->pairs;
    while (p < x->pairs + PAIRS_MAX && p->client >= 0)
        p++;
    must(p < x->pairs + PAIRS_MAX, "too many connections");
    p->proxy = x;
    p->client = client;
    p->server = connect_server();
    p->up.n = p->down.n = 0;
    ev_io_init(&p->up.reads, on_readable, p->client, EV_READ);
    ev_io_init(&p->up.writes, on_writable, p->server, EV_WRITE);
    ev_io_init(&p->down.reads, on_readable, p->server, EV_READ);
    ev_io_init(&p->down.writes, on_writable, p->client, EV_WRITE);
    p->up.reads.data = p->up.writes.data = p->down.reads.data = p->down.writes.data = p;
    watch(p, &p->up, p->client);
    watch(p, &p->down, p->server);
}

static void on_accept(struct ev_loop *loop, ev_io *w, int events)
{
    struct proxy *x = w->data;
    int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    (void)loop, (void)events;
    if (fd < 0)
        return;
    pthread_mutex_lock(&x->lock);
    x->accepted++;
    pthread_mutex_unlock(&x->lock);
    pair_open(x, fd);
}

/* --- what the test asks for --- */

static void set_listening(struct proxy *x, bool on)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(x->port)};
    socklen_t len = sizeof in;
    const int one = 1;
    if (x->listening == on)
        return;
    x->listening = on;
    if (!on) {
        ev_io_stop(x->loop, &x->accept);
        close(x->listener);
        return;
    }
    in.sin_addr.s_addr = htonl(x->config.netns ? INADDR_ANY : INADDR_LOOPBACK);
    x->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(x->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (x->config.receive_bytes)
        setsockopt(x->listener, SOL_SOCKET, SO_RCVBUF, &x->config.receive_bytes, sizeof x->config.receive_bytes);
    must(bind(x->listener, (struct sockaddr *)&in, sizeof in) == 0, "bind");
    must(listen(x->listener, 64) == 0, "listen");
    must(getsockname(x->listener, (struct sockaddr *)&in, &len) == 0, "getsockname");
    x->port = ntohs(in.sin_port);
    ev_io_init(&x->accept, on_accept, x->listener, EV_READ);
    x->accept.data = x;
    ev_io_start(x->loop, &x->accept);
}

static void apply(struct proxy *x)
{
    x->mode = x->wanted;
    set_listening(x, x->mode != PROXY_REFUSE);
    for (struct pair *p = x->pairs; p < x->pairs + PAIRS_MAX; p++) {
        if (p->client < 0)
            continue;
        if (x->mode == PROXY_RESET || x->mode == PROXY_REFUSE) {
            pair_close(p, true);
            continue;
        }
        watch(p, &p->up, p->client);
        watch(p, &p->down, p->server);
    }
}

static void on_wake(struct ev_loop *loop, ev_async *w, int events)
{
    struct proxy *x = w->data;
    (void)events;
    pthread_mutex_lock(&x->lock);
    if (x->stop)
        ev_break(loop, EVBREAK_ALL);
    else
        apply(x);
    x->in_force = true;
    pthread_cond_broadcast(&x->done);
    pthread_mutex_unlock(&x->lock);
}

static void *run(void *arg)
{
    struct proxy *x = arg;
    pthread_mutex_lock(&x->lock);
    x->tid = syscall(SYS_gettid);
    /* Descriptors of its own: the test's guards count only the test's. */
    must(unshare(CLONE_FILES) == 0, "unshare");
    if (x->config.netns && unshare(CLONE_NEWNET) != 0)
        x->cabled = -1;
    x->in_force = true;
    pthread_cond_broadcast(&x->done);
    while (x->config.netns && x->cabled == 0) /* the other side lays the cable */
        pthread_cond_wait(&x->done, &x->lock);
    if (x->cabled >= 0)
        set_listening(x, true);
    x->in_force = true;
    pthread_cond_broadcast(&x->done);
    pthread_mutex_unlock(&x->lock);
    if (x->cabled >= 0)
        ev_run(x->loop, 0);
    for (struct pair *p = x->pairs; p < x->pairs + PAIRS_MAX; p++)
        pair_close(p, false);
    if (x->cabled >= 0)
        set_listening(x, false);
    return NULL;
}

static void wait_until_in_force(struct proxy *x)
{
    while (!x->in_force)
        pthread_cond_wait(&x->done, &x->lock);
    x->in_force = false;
}

/* --- a network of its own --- */

#define NEAR "10.211.77.1"
#define FAR  "10.211.77.2"

REDW_PRINTF(1, 2) static bool shell(const char *fmt, ...)
{
    char command[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(command, sizeof command, fmt, args);
    va_end(args);
    return system(command) == 0;
}

/* This process leaves the network it is in; the proxy's thread has left before, each for one of its own. */
static bool lay_cable(long tid)
{
    return shell("ip link add redwn type veth peer name redwf 2>/dev/null") &&
           shell("ip link set redwf netns %ld 2>/dev/null", tid) &&
           shell("ip addr add " NEAR "/24 dev redwn && ip link set redwn up") &&
           shell("nsenter --net=/proc/%ld/ns/net sh -c 'ip addr add " FAR "/24 dev redwf && ip link set redwf up'",
                 tid);
}

/* Neighbours that nobody has: frames leave, nobody takes them. */
void proxy_cut(struct proxy *x)
{
    must(shell("ip neigh replace " FAR " lladdr 02:00:00:00:00:99 nud permanent dev redwn"), "ip neigh");
    must(shell("nsenter --net=/proc/%ld/ns/net ip neigh replace " NEAR
               " lladdr 02:00:00:00:00:98 nud permanent dev redwf", x->tid), "ip neigh");
}

/* --- for the test --- */

struct proxy *proxy_start(const struct proxy_config *config, const char **why)
{
    struct proxy *x = calloc(1, sizeof *x);
    must(x != NULL, "calloc");
    pg_server();
    x->config = *config;
    for (struct pair *p = x->pairs; p < x->pairs + PAIRS_MAX; p++) {
        p->client = p->server = -1;
        p->proxy = x;
    }
    x->loop = ev_loop_new(EVFLAG_AUTO);
    must(x->loop != NULL, "ev_loop_new");
    ev_async_init(&x->wake, on_wake);
    x->wake.data = x;
    ev_async_start(x->loop, &x->wake);
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->done, NULL);
    if (config->netns && unshare(CLONE_NEWNET) != 0) {
        *why = "no right to make a network namespace";
        x->cabled = -1;
    }
    must(pthread_create(&x->thread, NULL, run, x) == 0, "pthread_create");
    pthread_mutex_lock(&x->lock);
    wait_until_in_force(x);
    if (config->netns && x->cabled == 0) {
        x->cabled = lay_cable(x->tid) ? 1 : -1;
        *why = "a virtual cable (ip link add ... type veth) cannot be laid";
        pthread_cond_broadcast(&x->done);
        wait_until_in_force(x);
    } else if (!config->netns) {
        while (!x->listening)
            pthread_cond_wait(&x->done, &x->lock);
    }
    bool ok = x->cabled >= 0;
    pthread_mutex_unlock(&x->lock);
    if (!ok) {
        proxy_stop(x);
        return NULL;
    }
    snprintf(x->uri, sizeof x->uri, "postgresql://redw@%s:%u/redw?sslmode=disable",
             config->netns ? FAR : "127.0.0.1", x->port);
    return x;
}

static void tell(struct proxy *x)
{
    x->in_force = false;
    ev_async_send(x->loop, &x->wake);
}

void proxy_mode(struct proxy *x, enum proxy_mode mode)
{
    pthread_mutex_lock(&x->lock);
    x->wanted = mode;
    tell(x);
    wait_until_in_force(x);
    pthread_mutex_unlock(&x->lock);
}

unsigned proxy_accepted(struct proxy *x)
{
    pthread_mutex_lock(&x->lock);
    unsigned n = x->accepted;
    pthread_mutex_unlock(&x->lock);
    return n;
}

uint16_t proxy_port(const struct proxy *x)
{
    return x->port;
}

const char *proxy_uri(const struct proxy *x)
{
    return x->uri;
}

void proxy_stop(struct proxy *x)
{
    pthread_mutex_lock(&x->lock);
    x->stop = true;
    tell(x);
    pthread_mutex_unlock(&x->lock);
    pthread_join(x->thread, NULL);
    ev_async_stop(x->loop, &x->wake);
    ev_loop_destroy(x->loop);
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->done);
    free(x);
}
