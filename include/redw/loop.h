/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The port through which a client uses an event loop. libev is the filling that ships
 * (redw_client_create); another loop, or a virtual clock, is another filling
 * (redw_client_create_on).
 *
 * A filling provides watchers whose memory redw embeds in its own objects: `io_bytes` and friends say
 * how much room each needs (aligned as for any type). After init nothing here may fail.
 * All callbacks run on the loop's thread, never from inside a function of this table. Inside its own
 * callback a watcher may be set, stopped and finished and its memory given back: a filling does not touch
 * it after the callback returns. Stopped (finished, for a turn) it owns nothing; only then memory is
 * given back.
 */
#ifndef REDW_LOOP_H
#define REDW_LOOP_H

#include <redw/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    REDW_READ = 1, /* the descriptor may be read, or has an error or end to report */
    REDW_WRITE = 2 /* the descriptor may be written */
};

typedef void redw_io_fn(void *arg, unsigned events); /* REDW_READ | REDW_WRITE */
typedef void redw_loop_fn(void *arg);

struct redw_loop {
    size_t size; /* sizeof(struct redw_loop) */
    void *ctx;   /* first argument of all functions below; owned by whoever made the table */
    size_t io_bytes, timer_bytes, turn_bytes; /* room for one watcher of each kind */

    /* Readiness, level-triggered. A watcher is initialised once and starts stopped. io_set watches
     * `fd` for `events`; events 0 stops (fd is then ignored). Always stopped before the descriptor is
     * closed. Watchers never keep the loop running by themselves: see hold. */
    void (*io_init)(void *ctx, void *io, redw_io_fn *fn, void *arg);
    void (*io_set)(void *ctx, void *io, int fd, unsigned events);

    /* One shot at an absolute time of now_us. Setting again replaces; fires once the time is reached,
     * never before. Stopping a stopped timer is allowed. */
    void (*timer_init)(void *ctx, void *timer, redw_loop_fn *fn, void *arg);
    void (*timer_set)(void *ctx, void *timer, int64_t at_us);
    void (*timer_stop)(void *ctx, void *timer);

    /* Deferred work. After turn_request `fn` runs exactly once, before the loop sleeps next; several
     * requests before it runs count as one; a request made from inside `fn` runs it in the next turn
     * (descriptors are looked at in between, and the loop does not sleep). turn_fini drops a request. */
    void (*turn_init)(void *ctx, void *turn, redw_loop_fn *fn, void *arg);
    void (*turn_request)(void *ctx, void *turn);
    void (*turn_fini)(void *ctx, void *turn);

    /* Monotonic time in microseconds, the clock of timer_set; and Unix time in microseconds, for
     * certificates and credentials. Read afresh at each call. */
    int64_t (*now_us)(void *ctx);
    int64_t (*wall_us)(void *ctx);

    /* Outstanding work keeps the loop running; idle connections do not. Calls are balanced. */
    void (*hold)(void *ctx);
    void (*release)(void *ctx);
};

#ifdef __cplusplus
}
#endif
#endif
