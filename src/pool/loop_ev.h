/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop port filled by libev. loop_ev.c is the only file of the library that includes <ev.h>.
 *
 * libev aborts the process when its own allocator fails: redw cannot change that (ev_set_allocator is
 * the application's).
 */
#ifndef REDWI_POOL_LOOP_EV_H
#define REDWI_POOL_LOOP_EV_H

#include <redw/loop.h>

struct ev_loop;

/* The table for this loop; ctx is the loop itself, nothing is allocated or started. */
struct redw_loop redwi_loop_ev(struct ev_loop *loop);

/* A loop that nobody else runs, for blocking calls; NULL: none could be made. */
struct ev_loop *redwi_loop_ev_open(void);
/* Goes round once; waits for something to happen if there is nothing to do and `wait`. */
void redwi_loop_ev_round(struct ev_loop *loop, bool wait);
void redwi_loop_ev_close(struct ev_loop *loop);

#endif
