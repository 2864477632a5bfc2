/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loop port around another one that counts: watchers started and not stopped, holds not released,
 * wake-ups, and the longest time a callback of the library kept the loop (stall).
 *
 *   struct probe p;
 *   probe_init(&p, redwi_loop_ev(loop));
 *   redw_client_create_on(&c, &p.loop, ...);
 *
 * It also insists on the port's rules: nothing is used before it is initialised, no descriptor below 0
 * is watched, a watcher that is stopped does not fire, callbacks do not nest.
 */
#ifndef TESTS_SUPPORT_PROBE_H
#define TESTS_SUPPORT_PROBE_H

#include <redw/loop.h>

struct probe {
    struct redw_loop loop;  /* the port to give to the client; must not move */
    struct redw_loop inner;
    int ios, timers;        /* started now */
    int turns;              /* initialised, not finished */
    int turns_requested;
    int holds;
    uint64_t wakeups;       /* callbacks run */
    uint64_t io_wakeups;    /* of them, for a descriptor */
    int64_t longest_us;     /* the longest callback, by the loop's clock */
    int64_t longest_cpu_us; /* by this thread's CPU clock: other processes do not show */
    void (*after)(void *arg); /* NULL, or called after each callback of the library */
    void *after_arg;
    bool inside;
    int64_t cpu_since;
};

void probe_init(struct probe *p, struct redw_loop inner);

/* True when the client has left nothing behind: 0 started, 0 requested, 0 held. */
bool probe_is_quiet(const struct probe *p);

#endif
