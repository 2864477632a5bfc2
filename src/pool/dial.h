/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dialling: from a host to a connected socket, inside one deadline (RFC 8305, "Happy Eyeballs").
 *
 * The addresses are tried with the families in turns. The next attempt begins when the one before has
 * failed, or after a while without waiting for that; both then go on, the first to connect wins, and the
 * others are closed. No more than REDWI_DIAL_RACERS sockets are open at a time: with more addresses each
 * attempt has a share of the time, so that silent ones leave some to the last. Every failure is reported
 * with the address and the time it took; of several, the last that says something about the server.
 *
 * Or the caller has a socket: then nothing is looked up, and the deadline and the waiting for the connection
 * are the same.
 */
#ifndef REDWI_POOL_DIAL_H
#define REDWI_POOL_DIAL_H

#include "pool/names.h"
#include "pool/options.h"
#include "pool/sys.h"
#include "wire/err.h"

#define REDWI_DIAL_RACERS   4u
#define REDWI_DIAL_DELAY_US 250000 /* RFC 8305, section 8: Connection Attempt Delay */

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
    struct redwi_tcp tcp;
    int64_t deadline_us;
    redwi_dial_fn *done;
    redw_loop_fn *open; /* not NULL: asks for a socket, once, from the loop; may free the dial */
    void *arg;          /* of done and open */
};

/* Starts. 0, or REDW_ENOMEM: nothing was started. The host must live as long as the dial. */
int redwi_dial_start(struct redwi_dial **out, const struct redwi_dial_config *config);
/* The answer to config.open, inside it or later: a descriptor, the dial's from here on, or -1 and why. `done`
 * comes later. False: there was an answer before, and the descriptor stays the caller's. */
bool redwi_dial_opened(struct redwi_dial *d, int fd, int sys_errno);
/* Ends it, without a call if there was none yet. NULL is allowed. */
void redwi_dial_free(struct redwi_dial *d);

#endif
