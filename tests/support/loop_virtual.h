/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop port filled by a virtual clock: time stands still while anything can be done and jumps to the
 * next timer when nothing can, so that tests of deadlines are exact and take no time.
 *
 * Timers fire in the order of (time, sequence of setting). Descriptors are real ones, looked at by
 * poll(2), unless vloop_script() says what a number is ready for: then no such descriptor need exist.
 *
 *   round:  turns asked for before it; descriptors; timers that are due
 */
#ifndef TESTS_SUPPORT_LOOP_VIRTUAL_H
#define TESTS_SUPPORT_LOOP_VIRTUAL_H

#include <redw/loop.h>

struct vloop;

struct vloop *vloop_create(void); /* aborts without memory; the clock stands at 1,000 s */
void vloop_free(struct vloop *v); /* aborts if a watcher is still active or a hold not given back */
struct redw_loop vloop_table(struct vloop *v);

int64_t vloop_now_us(struct vloop *v);
/* Each reading of the clock moves it on by so much; 0 from the start. */
void vloop_tick(struct vloop *v, int64_t us);
/* Waits so long in real time for descriptors before the clock jumps: for peers in other threads or
 * processes. 0 from the start. */
void vloop_patience(struct vloop *v, int ms);

/* One round without moving the clock. False: there was nothing to do. */
bool vloop_round(struct vloop *v);
/* Rounds until there is nothing to do at this point in time. */
void vloop_settle(struct vloop *v);
/* Settles, then moves the clock by us, stopping at each timer on the way. */
void vloop_advance(struct vloop *v, int64_t us);
/* Until nothing holds the loop and no turn is asked for, or vloop_stop(); the clock jumps to the next
 * timer when there is nothing to do. False: held, but nothing can ever happen again. */
bool vloop_run(struct vloop *v);
void vloop_stop(struct vloop *v);

/* From now on `fd` is ready for just these events; UINT_MAX: a real descriptor again. */
void vloop_script(struct vloop *v, int fd, unsigned events);

int vloop_holds(const struct vloop *v);    /* holds not given back */
size_t vloop_timers(const struct vloop *v); /* that are set */
size_t vloop_ios(const struct vloop *v);    /* that watch */
unsigned vloop_watched(const struct vloop *v, int fd); /* events some watcher asks of it */

#endif
