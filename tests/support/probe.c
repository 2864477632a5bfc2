/* SPDX-License-Identifier: Apache-2.0 */
#include "support/probe.h"

#include <execinfo.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAGIC 0x70726f62u

/* A watcher of ours, the inner loop's right behind it. */
struct watcher {
    uint32_t magic;
    bool on; /* started; a turn: requested */
    struct probe *probe;
    redw_io_fn *io_fn;
    redw_loop_fn *fn;
    void *arg;
    alignas(max_align_t) unsigned char inner[];
};

static void must(bool ok, const char *rule)
{
    if (ok)
        return;
    void *stack[32];
    fprintf(stderr, "probe: %s\n", rule);
    backtrace_symbols_fd(stack, backtrace(stack, 32), 2);
    abort();
}

static struct watcher *open_watcher(void *memory, void *ctx)
{
    struct watcher *w = memory;
    must((uintptr_t)memory % alignof(max_align_t) == 0, "a watcher's memory is not aligned");
    memset(w, 0, sizeof *w);
    w->magic = MAGIC;
    w->probe = ctx;
    return w;
}

static struct watcher *known(void *memory)
{
    struct watcher *w = memory;
    must(w->magic == MAGIC, "a watcher is used that was not initialised");
    return w;
}

static int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t enter(struct probe *p)
{
    must(!p->inside, "a callback ran inside another one");
    p->inside = true;
    p->wakeups++;
    p->cpu_since = cpu_us();
    return p->inner.now_us(p->inner.ctx);
}

static void leave(struct probe *p, int64_t since)
{
    int64_t took = p->inner.now_us(p->inner.ctx) - since;
    if (took > p->longest_us)
        p->longest_us = took;
    took = cpu_us() - p->cpu_since;
    if (took > p->longest_cpu_us)
        p->longest_cpu_us = took;
    p->inside = false;
    if (p->after != NULL)
        p->after(p->after_arg);
}

static void io_fired(void *arg, unsigned events)
{
    struct watcher *w = known(arg);
    struct probe *p = w->probe;
    must(w->on, "a stopped descriptor watcher fired");
    int64_t since = enter(p);
    p->io_wakeups++;
    w->io_fn(w->arg, events); /* may free the watcher */
    leave(p, since);
}

static void io_init(void *ctx, void *io, redw_io_fn *fn, void *arg)
{
    struct probe *p = ctx;
    struct watcher *w = open_watcher(io, ctx);
    w->io_fn = fn;
    w->arg = arg;
    p->inner.io_init(p->inner.ctx, w->inner, io_fired, w);
}

static void io_set(void *ctx, void *io, int fd, unsigned events)
{
    struct probe *p = ctx;
    struct watcher *w = known(io);
    must(events == 0 || fd >= 0, "a negative descriptor is watched");
    p->ios += (events != 0) - w->on;
    w->on = events != 0;
    p->inner.io_set(p->inner.ctx, w->inner, fd, events);
}

static void timer_fired(void *arg)
{
    struct watcher *w = known(arg);
    struct probe *p = w->probe;
    must(w->on, "a stopped timer fired");
    w->on = false;
    p->timers--;
    int64_t since = enter(p);
    w->fn(w->arg);
    leave(p, since);
}

static void timer_init(void *ctx, void *timer, redw_loop_fn *fn, void *arg)
{
    struct probe *p = ctx;
    struct watcher *w = open_watcher(timer, ctx);
    w->fn = fn;
    w->arg = arg;
    p->inner.timer_init(p->inner.ctx, w->inner, timer_fired, w);
}

static void timer_set(void *ctx, void *timer, int64_t at_us)
{
    struct probe *p = ctx;
    struct watcher *w = known(timer);
    p->timers += !w->on;
    w->on = true;
    p->inner.timer_set(p->inner.ctx, w->inner, at_us);
}

static void timer_stop(void *ctx, void *timer)
{
    struct probe *p = ctx;
    struct watcher *w = known(timer);
    p->timers -= w->on;
    w->on = false;
    p->inner.timer_stop(p->inner.ctx, w->inner);
}

static void turn_fired(void *arg)
{
    struct watcher *w = known(arg);
    struct probe *p = w->probe;
    must(w->on, "a turn ran that nobody asked for");
    w->on = false;
    p->turns_requested--;
    int64_t since = enter(p);
    w->fn(w->arg);
    leave(p, since);
}

static void turn_init(void *ctx, void *turn, redw_loop_fn *fn, void *arg)
{
    struct probe *p = ctx;
    struct watcher *w = open_watcher(turn, ctx);
    w->fn = fn;
    w->arg = arg;
    p->turns++;
    p->inner.turn_init(p->inner.ctx, w->inner, turn_fired, w);
}

static void turn_request(void *ctx, void *turn)
{
    struct probe *p = ctx;
    struct watcher *w = known(turn);
    p->turns_requested += !w->on;
    w->on = true;
    p->inner.turn_request(p->inner.ctx, w->inner);
}

static void turn_fini(void *ctx, void *turn)
{
    struct probe *p = ctx;
    struct watcher *w = known(turn);
    p->turns_requested -= w->on;
    p->turns--;
    p->inner.turn_fini(p->inner.ctx, w->inner);
    w->magic = 0;
}

static int64_t now_us(void *ctx)
{
    struct probe *p = ctx;
    return p->inner.now_us(p->inner.ctx);
}

static int64_t wall_us(void *ctx)
{
    struct probe *p = ctx;
    return p->inner.wall_us(p->inner.ctx);
}

static void hold(void *ctx)
{
    struct probe *p = ctx;
    p->holds++;
    p->inner.hold(p->inner.ctx);
}

static void release(void *ctx)
{
    struct probe *p = ctx;
    must(p->holds > 0, "a hold is released that was not taken");
    p->holds--;
    p->inner.release(p->inner.ctx);
}

void probe_init(struct probe *p, struct redw_loop inner)
{
    memset(p, 0, sizeof *p);
    p->inner = inner;
    p->loop = (struct redw_loop){
        .size = sizeof p->loop,
        .ctx = p,
        .io_bytes = sizeof(struct watcher) + inner.io_bytes,
        .timer_bytes = sizeof(struct watcher) + inner.timer_bytes,
        .turn_bytes = sizeof(struct watcher) + inner.turn_bytes,
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

bool probe_is_quiet(const struct probe *p)
{
    return p->ios == 0 && p->timers == 0 && p->turns == 0 && p->turns_requested == 0 && p->holds == 0;
}
