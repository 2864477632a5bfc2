/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client whose sockets end on the test's desk: every connection is one half of a socketpair, and a server in
 * memory (support/peer.h) behind the other half answers when the test says so, unit by unit. Logins are answered
 * at once; what comes after lies on the desk, whole messages only, until it is served.
 *
 *   struct desk d;
 *   desk_open(&d, &config, REDW_OPTIONS(.pool_max = 1, .pipeline_max = 4));
 *   lab_submit(&d.lab, &a, REDW_QUERY("one"));
 *   desk_turn(&d);                      the loop runs until nothing moves
 *   d.conns[0].units                    ... 1
 *   desk_serve(&d, 0, 1);               its answer
 *   desk_close(&d);                     and all guards of support/lab.h
 *
 * A connection that brings a CancelRequest is one of the conns too: `cancel` is set, and it stays open until
 * desk_cut().
 */
#ifndef TESTS_SUPPORT_DESK_H
#define TESTS_SUPPORT_DESK_H

#include "support/lab.h"
#include "support/peer.h"

#define DESK_CONNS 64
#define DESK_UNITS 64

struct desk_conn {
    int fd; /* -1: closed */
    struct peer peer;
    struct redwi_buf in;        /* whole messages not served yet, and the beginning of one */
    unsigned units;             /* on the desk */
    char sql[DESK_UNITS][400];  /* of them: the text of the Parse, or "Q " and that of the Query */
    bool cancel;                /* it brought a CancelRequest */
    bool ended;                 /* the client has closed its half */
};

struct desk {
    struct lab lab;
    struct peer_config config;
    struct desk_conn conns[DESK_CONNS];
    unsigned nconns;
    bool refuses; /* new connections */
    bool silent;  /* new connections: nothing is read */
};

/* The URI is the desk's, and so is `open`. */
void desk_open(struct desk *d, const struct peer_config *config, const struct redw_options *o);
void desk_close(struct desk *d);
/* Makes the client only; 0 or what it is refused with. For allocations that fail. */
int desk_client(struct desk *d, const struct redw_options *o, struct redw_diag *why);

void desk_turn(struct desk *d);
/* Answers the next n units of connection i, and lets the loop run. */
void desk_serve(struct desk *d, unsigned i, unsigned n);
/* What the test has put into conns[i].peer.out. */
void desk_send(struct desk *d, unsigned i);
void desk_cut(struct desk *d, unsigned i);
/* Until connection i exists; lets the loop run meanwhile, 5 s at most. */
void desk_wait_conn(struct desk *d, unsigned i);

#endif
