/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guards at the end of a test: live allocations 0, descriptors as before, the loop without active
 * watchers, OpenSSL's error queue empty.
 *
 *   struct leak g;
 *   leak_begin(&g);                             after the loop was made and has run once
 *   ...
 *   ck_assert(leak_check(&g, loop, &fault, &probe, stderr));
 */
#ifndef TESTS_SUPPORT_LEAK_H
#define TESTS_SUPPORT_LEAK_H

#include "support/fault.h"
#include "support/probe.h"

struct ev_loop;

struct leak {
    bool open[1024]; /* descriptors at the beginning; tests have no more */
};

void leak_begin(struct leak *g);

/* True: clean. Otherwise each leak is one line in `to`. loop, fault and probe may be NULL: not looked at. */
bool leak_check(const struct leak *g, struct ev_loop *loop, const struct fault *fault,
                const struct probe *probe, FILE *to);

#endif
