/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dialling: from a host to a connected socket. The addresses of the host are tried one after another,
 * each with an equal share of what is left until the deadline, so that a silent first address leaves
 * time for the others. Every failure is reported with the address and the time it took; of several, the
 * last.
 */
#ifndef REDWI_POOL_DIAL_H
#define REDWI_POOL_DIAL_H

#include "pool/names.h"
#include "pool/sys.h"
#include "wire/err.h"

struct redwi_dial;

/* Called once, from the loop: a connected descriptor, the caller's from here on, and its address (lent);
 * or -1 and why, owned by the callee. The dial may be freed inside. */
typedef void redwi_dial_fn(void *arg, int fd, const struct redwi_address *peer, redw_error *why);

struct redwi_dial_config {
    const struct redw_allocator *mem;
    const struct redw_loop *loop;
    const struct redwi_sys *sys;
    const struct redwi_names *names;
    const char *host; /* a name, an address literal, the directory of a unix socket */
    uint16_t port;
    const struct redwi_address *address; /* not NULL: this one alone, instead of the host's */
    int64_t deadline_us;
    redwi_dial_fn *done;
    void *arg;
};

/* Starts. 0, or REDW_ENOMEM: nothing was started. The host must live as long as the dial. */
int redwi_dial_start(struct redwi_dial **out, const struct redwi_dial_config *config);
/* Ends it, without a call if there was none yet. NULL is allowed. */
void redwi_dial_free(struct redwi_dial *d);

#endif
