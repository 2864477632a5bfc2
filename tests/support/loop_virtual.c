/* SPDX-License-Identifier: Apache-2.0 */
#include "support/loop_virtual.h"

#include "pool/list.h"
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define FDS_MAX          4096
#define START_US         INT64_C(1000000000)
#define WALL_AT_START_US INT64_C(1700000000000000)

struct vloop {
    struct redwi_link ios, timers, turns; /* active ones; timers in order */
    int64_t now_us, tick_us;
    uint64_t sequence;
    int holds, patience_ms;
    bool stopped;
    unsigned script[FDS_MAX]; /* events + 1; 0: not scripted */
};

struct io_watch {
    struct redwi_link link;
    redw_io_fn *fn;
    void *arg;
    int fd;
    unsigned events, ready;
};

struct timer_watch {
    struct redwi_link link;
    redw_loop_fn *fn;
    void *arg;
    int64_t at_us;
    uint64_t sequence;
};

struct turn_watch {
    struct redwi_link link;
    redw_loop_fn *fn;
    void *arg;
};

static void die(const char *what)
{
    fprintf(stderr, "virtual loop: %s\n", what);
    abort();
}

static size_t count(const struct redwi_link *list)
{
    size_t n = 0;

    for (const struct redwi_link *l = list->next; l != list; l = l->next)
        n++;
    return n;
}

/* --- the table --- */

static void io_init(void *ctx, void *io, redw_io_fn *fn, void *arg)
{
    struct io_watch *w = io;

    (void)ctx;
    *w = (struct io_watch){.fn = fn, .arg = arg, .fd = -1};
    redwi_list_init(&w->link);
}

static void io_set(void *ctx, void *io, int fd, unsigned events)
{
    struct vloop *v = ctx;
    struct io_watch *w = io;

    if (events && fd >= FDS_MAX)
        die("descriptor out of range");
    if (w->events && events && w->fd == fd) {
        w->events = events;
        w->ready &= events;
        return;
    }
    redwi_list_remove(&w->link);
    w->fd = fd;
    w->events = events;
    w->ready = 0;
    if (events)
        redwi_list_append(&v->ios, &w->link);
}

static void timer_init(void *ctx, void *timer, redw_loop_fn *fn, void *arg)
{
    struct timer_watch *w = timer;

    (void)ctx;
    *w = (struct timer_watch){.fn = fn, .arg = arg};
    redwi_list_init(&w->link);
}

static void timer_set(void *ctx, void *timer, int64_t at_us)
{
    struct vloop *v = ctx;
    struct timer_watch *w = timer;
    struct redwi_link *before = v->timers.prev;

    redwi_list_remove(&w->link);
    before = v->timers.prev;
    w->at_us = at_us;
    w->sequence = v->sequence++;
    while (before != &v->timers && REDWI_OF(before, struct timer_watch, link)->at_us > at_us)
        before = before->prev;
    redwi_list_prepend(before, &w->link);
}

static void timer_stop(void *ctx, void *timer)
{
    (void)ctx;
    redwi_list_remove(&((struct timer_watch *)timer)->link);
}

static void turn_init(void *ctx, void *turn, redw_loop_fn *fn, void *arg)
{
    struct turn_watch *w = turn;

    (void)ctx;
    *w = (struct turn_watch){.fn = fn, .arg = arg};
    redwi_list_init(&w->link);
}

static void turn_request(void *ctx, void *turn)
{
    struct vloop *v = ctx;
    struct turn_watch *w = turn;

    if (redwi_list_empty(&w->link))
        redwi_list_append(&v->turns, &w->link);
}

static void turn_fini(void *ctx, void *turn)
{
    (void)ctx;
    redwi_list_remove(&((struct turn_watch *)turn)->link);
}

static int64_t now_us(void *ctx)
{
    struct vloop *v = ctx;

    v->now_us += v->tick_us;
    return v->now_us;
}

static int64_t wall_us(void *ctx)
{
    struct vloop *v = ctx;

    return WALL_AT_START_US + (v->now_us - START_US);
}

static void hold(void *ctx)
{
    ((struct vloop *)ctx)->holds++;
}

static void release(void *ctx)
{
    struct vloop *v = ctx;

    if (--v->holds < 0)
        die("released more often than held");
}

struct redw_loop vloop_table(struct vloop *v)
{
    return (struct redw_loop){
        .size = sizeof(struct redw_loop),
        .ctx = v,
        .io_bytes = sizeof(struct io_watch),
        .timer_bytes = sizeof(struct timer_watch),
        .turn_bytes = sizeof(struct turn_watch),
        .io_init = io_init,
        .io_set = io_set,
        .timer_init = timer_init,
        .timer_set = timer_set,
        .timer_stop = timer_stop,
        .turn_init = turn_init,
        .turn_request = turn_request,
        .turn_fini = turn_fini,
        .now_us = now_us,
        .wall_us = wall_us,
        .hold = hold,
        .release = release,
    };
}

/* --- rounds --- */

static bool run_turns(struct vloop *v)
{
    struct redwi_link now;
    bool any = false;

    redwi_list_take(&now, &v->turns);
    while (!redwi_list_empty(&now)) {
        struct turn_watch *w = REDWI_OF(now.next, struct turn_watch, link);
        redwi_list_remove(&w->link);
        w->fn(w->arg);
        any = true;
    }
    return any;
}

/* Fills in what each watcher is ready for; waits at most wait_ms for a first one. */
static bool look_at_descriptors(struct vloop *v, int wait_ms)
{
    static _Thread_local struct pollfd fds[FDS_MAX];
    struct redwi_link *l;
    nfds_t n = 0;
    bool any = false;

    for (l = v->ios.next; l != &v->ios; l = l->next) {
        struct io_watch *w = REDWI_OF(l, struct io_watch, link);
        short events =
            (short)((w->events & REDW_READ ? POLLIN : 0) | (w->events & REDW_WRITE ? POLLOUT : 0));
        w->ready = v->script[w->fd] ? (v->script[w->fd] - 1) & w->events : 0;
        any = any || w->ready;
        /* A negative number is skipped by poll and keeps the positions in step. */
        fds[n++] = (struct pollfd){.fd = v->script[w->fd] ? -1 : w->fd, .events = events};
    }
    if (poll(fds, n, any ? 0 : wait_ms) <= 0)
        return any;
    n = 0;
    for (l = v->ios.next; l != &v->ios; l = l->next, n++) {
        struct io_watch *w = REDWI_OF(l, struct io_watch, link);
        short bad = POLLERR | POLLHUP | POLLNVAL;
        if (fds[n].revents & (POLLIN | bad))
            w->ready |= REDW_READ & w->events;
        if (fds[n].revents & (POLLOUT | bad))
            w->ready |= REDW_WRITE & w->events;
        any = any || w->ready;
    }
    return any;
}

static void run_descriptors(struct vloop *v)
{
    struct redwi_link now;

    redwi_list_take(&now, &v->ios);
    while (!redwi_list_empty(&now)) {
        struct io_watch *w = REDWI_OF(now.next, struct io_watch, link);
        unsigned ready = w->ready;
        redwi_list_remove(&w->link);
        redwi_list_append(&v->ios, &w->link);
        w->ready = 0;
        if (ready)
            w->fn(w->arg, ready);
    }
}

static struct timer_watch *first_timer(const struct vloop *v)
{
    return redwi_list_empty(&v->timers) ? NULL : REDWI_OF(v->timers.next, struct timer_watch, link);
}

/* Those due now; not what their callbacks set. */
static bool run_timers(struct vloop *v)
{
    uint64_t until = v->sequence;
    int64_t now = v->now_us;
    struct timer_watch *w;
    bool any = false;

    while ((w = first_timer(v)) && w->at_us <= now && w->sequence < until) {
        redwi_list_remove(&w->link);
        w->fn(w->arg);
        any = true;
    }
    return any;
}

static bool one_round(struct vloop *v, int wait_ms)
{
    bool turned = run_turns(v);
    bool ready = look_at_descriptors(v, turned ? 0 : wait_ms);

    if (ready)
        run_descriptors(v);
    return run_timers(v) || ready || turned || !redwi_list_empty(&v->turns);
}

bool vloop_round(struct vloop *v)
{
    return one_round(v, 0);
}

void vloop_settle(struct vloop *v)
{
    /* A descriptor that stays ready because nobody reads it would go on for ever. */
    for (int rounds = 0; one_round(v, v->patience_ms); rounds++) {
        if (rounds > 1000000)
            die("no end of things to do at one point in time");
    }
}

void vloop_advance(struct vloop *v, int64_t us)
{
    int64_t until = v->now_us + us;
    struct timer_watch *w;

    vloop_settle(v);
    while ((w = first_timer(v)) && w->at_us <= until) {
        if (w->at_us > v->now_us)
            v->now_us = w->at_us;
        vloop_settle(v);
    }
    if (until > v->now_us)
        v->now_us = until;
    vloop_settle(v);
}

bool vloop_run(struct vloop *v)
{
    v->stopped = false;
    while (!v->stopped && (v->holds > 0 || !redwi_list_empty(&v->turns))) {
        if (one_round(v, v->patience_ms))
            continue;
        struct timer_watch *w = first_timer(v);
        if (!w || w->at_us == INT64_MAX)
            return false;
        if (w->at_us > v->now_us)
            v->now_us = w->at_us;
    }
    return true;
}

void vloop_stop(struct vloop *v)
{
    v->stopped = true;
}

/* --- making and asking --- */

struct vloop *vloop_create(void)
{
    struct vloop *v = calloc(1, sizeof *v);

    if (!v)
        die("out of memory");
    redwi_list_init(&v->ios);
    redwi_list_init(&v->timers);
    redwi_list_init(&v->turns);
    v->now_us = START_US;
    return v;
}

void vloop_free(struct vloop *v)
{
    if (v->holds)
        die("still held");
    if (count(&v->ios) || count(&v->timers) || count(&v->turns))
        die("a watcher is still active");
    free(v);
}

int64_t vloop_now_us(struct vloop *v)
{
    return v->now_us;
}

void vloop_tick(struct vloop *v, int64_t us)
{
    v->tick_us = us;
}

void vloop_patience(struct vloop *v, int ms)
{
    v->patience_ms = ms;
}

void vloop_script(struct vloop *v, int fd, unsigned events)
{
    if (fd < 0 || fd >= FDS_MAX)
        die("descriptor out of range");
    v->script[fd] = events == UINT_MAX ? 0 : events + 1;
}

int vloop_holds(const struct vloop *v)
{
    return v->holds;
}

size_t vloop_timers(const struct vloop *v)
{
    return count(&v->timers);
}

size_t vloop_ios(const struct vloop *v)
{
    return count(&v->ios);
}

unsigned vloop_watched(const struct vloop *v, int fd)
{
    unsigned events = 0;

    for (const struct redwi_link *l = v->ios.next; l != &v->ios; l = l->next) {
        const struct io_watch *w = REDWI_OF(l, struct io_watch, link);
        if (w->fd == fd)
            events |= w->events;
    }
    return events;
}
