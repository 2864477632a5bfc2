/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop port filled by libev.
 *
 * Keeping the loop alive: an io watcher or a timer is started, then unref'd, and ref'd again when it stops,
 * so that only hold() counts. `on` is our own note of "started and unref'd": libev also stops watchers
 * by itself (a timer that expired, an io watcher whose descriptor turned out bad), and between that and
 * their callback other callbacks may set them anew.
 *
 * Turns: ev_feed_event would run in reverse order right behind the current watcher and starve sockets
 * when callbacks feed again. Instead a request starts two watchers, which are stopped before fn runs:
 *
 *   prepare  runs fn on the way to the poll: behind all callbacks of this round of the loop, before it
 *            sleeps, together with what the other requests of the round asked for;
 *   idle     does nothing, but while one is started the poll returns at once and ev_run goes round again.
 *
 * That is enough: a request made before this round's prepare phase is served in it (the idle watcher is
 * gone again before the poll, which may then sleep); one made during or after it (by fn itself, by another
 * prepare watcher) finds its prepare watcher not queued until the next round, and the idle watcher makes
 * that round come, with descriptors polled, not waited for, in between. Nothing is started between
 * requests, so a loop with thousands of connections pays nothing for their turns. The idle watcher has
 * the least priority: those of the application run beside it.
 */
#include "pool/loop_ev.h"

#include <ev.h>
#include <time.h>

struct io_watch {
    ev_io ev;
    redw_io_fn *fn;
    void *arg;
    bool on;
};

struct timer_watch {
    ev_timer ev;
    redw_loop_fn *fn;
    void *arg;
    int64_t at_us;
    bool on;
};

struct turn_watch {
    ev_prepare prepare;
    ev_idle idle;
    redw_loop_fn *fn;
    void *arg;
};

_Static_assert((int)REDW_READ == (int)EV_READ && (int)REDW_WRITE == (int)EV_WRITE, "passed on as they are");

static int64_t clock_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + (uint32_t)t.tv_nsec / 1000;
}

static int64_t now_us(void *ctx)
{
    (void)ctx;
    return clock_us(CLOCK_MONOTONIC);
}

static int64_t wall_us(void *ctx)
{
    (void)ctx;
    return clock_us(CLOCK_REALTIME);
}

/* Descriptors. */

static void io_off(struct ev_loop *loop, struct io_watch *w)
{
    if (!w->on)
        return;
    w->on = false;
    ev_ref(loop);
    ev_io_stop(loop, &w->ev);
}

static void io_on(struct ev_loop *loop, struct io_watch *w)
{
    ev_io_start(loop, &w->ev);
    ev_unref(loop);
    w->on = true;
}

static void io_ready(struct ev_loop *loop, ev_io *ev, int events)
{
    struct io_watch *w = ev->data;
    (void)loop;
    w->fn(w->arg, (unsigned)events & (REDW_READ | REDW_WRITE));
}

static void io_init(void *ctx, void *io, redw_io_fn *fn, void *arg)
{
    struct io_watch *w = io;
    (void)ctx;
    *w = (struct io_watch){.fn = fn, .arg = arg};
    ev_io_init(&w->ev, io_ready, -1, 0);
    w->ev.data = w;
}

static void io_set(void *ctx, void *io, int fd, unsigned events)
{
    struct ev_loop *loop = ctx;
    struct io_watch *w = io;
    bool same = w->on && ev_is_active(&w->ev) && w->ev.fd == fd;
    if (same && ((unsigned)w->ev.events & (REDW_READ | REDW_WRITE)) == events)
        return;
    io_off(loop, w);
    if (!events)
        return;
    /* Modify spares a system call when the events end up as they were. Only a watch that goes on may use
     * it: after a stop the same number can be another descriptor, of which the kernel knows nothing. */
    if (same)
        ev_io_modify(&w->ev, (int)events);
    else
        ev_io_set(&w->ev, fd, (int)events);
    io_on(loop, w);
}

/* Timers. */

static void timer_off(struct ev_loop *loop, struct timer_watch *w)
{
    if (!w->on)
        return;
    w->on = false;
    ev_ref(loop);
    ev_timer_stop(loop, &w->ev);
}

/* libev counts from the time it cached when the loop woke up: a timer comes early by what this round of the
 * loop has taken so far. timer_due() sets it again then; by that time the cache is fresh. Correcting by
 * ev_time() instead would turn a step of the wall clock into a late timer. */
static void timer_on(struct ev_loop *loop, struct timer_watch *w)
{
    double after = ((double)w->at_us - (double)clock_us(CLOCK_MONOTONIC)) * 1e-6;
    ev_timer_set(&w->ev, after > 0 ? after : 0., 0.);
    ev_timer_start(loop, &w->ev);
    ev_unref(loop);
    w->on = true;
}

static void timer_due(struct ev_loop *loop, ev_timer *ev, int events)
{
    struct timer_watch *w = ev->data;
    (void)events;
    timer_off(loop, w);
    if (clock_us(CLOCK_MONOTONIC) < w->at_us)
        timer_on(loop, w);
    else
        w->fn(w->arg);
}

static void timer_init(void *ctx, void *timer, redw_loop_fn *fn, void *arg)
{
    struct timer_watch *w = timer;
    (void)ctx;
    *w = (struct timer_watch){.fn = fn, .arg = arg};
    ev_timer_init(&w->ev, timer_due, 0., 0.);
    w->ev.data = w;
}

static void timer_set(void *ctx, void *timer, int64_t at_us)
{
    struct timer_watch *w = timer;
    timer_off(ctx, w);
    w->at_us = at_us;
    timer_on(ctx, w);
}

static void timer_stop(void *ctx, void *timer)
{
    timer_off(ctx, timer);
}

/* Turns. */

static void turn_on(struct ev_loop *loop, struct turn_watch *w)
{
    if (ev_is_active(&w->idle))
        return;
    ev_idle_start(loop, &w->idle);
    ev_prepare_start(loop, &w->prepare);
}

static void turn_off(struct ev_loop *loop, struct turn_watch *w)
{
    ev_prepare_stop(loop, &w->prepare);
    ev_idle_stop(loop, &w->idle);
}

static void turn_run(struct ev_loop *loop, ev_prepare *ev, int events)
{
    struct turn_watch *w = ev->data;
    (void)events;
    turn_off(loop, w);
    w->fn(w->arg);
}

static void turn_idle(struct ev_loop *loop, ev_idle *ev, int events)
{
    (void)loop, (void)ev, (void)events;
}

static void turn_init(void *ctx, void *turn, redw_loop_fn *fn, void *arg)
{
    struct turn_watch *w = turn;
    *w = (struct turn_watch){.fn = fn, .arg = arg};
    ev_prepare_init(&w->prepare, turn_run);
    ev_idle_init(&w->idle, turn_idle);
    ev_set_priority(&w->prepare, EV_MINPRI);
    ev_set_priority(&w->idle, EV_MINPRI);
    w->prepare.data = w;
    /* libev grows its tables at start and keeps them: the first growth happens here, not in a request. */
    turn_on(ctx, w);
    turn_off(ctx, w);
}

static void turn_request(void *ctx, void *turn)
{
    turn_on(ctx, turn);
}

static void turn_fini(void *ctx, void *turn)
{
    turn_off(ctx, turn);
}

static void hold(void *ctx)
{
    ev_ref(ctx);
}

static void release(void *ctx)
{
    ev_unref(ctx);
}

struct redw_loop redwi_loop_ev(struct ev_loop *loop)
{
    return (struct redw_loop){
        .size = sizeof(struct redw_loop),
        .ctx = loop,
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

struct ev_loop *redwi_loop_ev_open(void)
{
    return ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
}

void redwi_loop_ev_round(struct ev_loop *loop, bool wait)
{
    ev_run(loop, wait ? EVRUN_ONCE : EVRUN_NOWAIT);
}

void redwi_loop_ev_close(struct ev_loop *loop)
{
    ev_loop_destroy(loop);
}
