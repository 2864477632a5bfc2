/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCP proxy in front of the PostgreSQL of the tests, in a thread and on a libev loop of its own, that can
 * go silent: what real networks do when a NAT forgets, a host dies, a firewall drops.
 *
 *   struct proxy *p = proxy_start(&(struct proxy_config){0}, why);   forwards to the server's unix socket
 *   proxy_uri(p)                       "postgresql://redw@127.0.0.1:<port>/redw?sslmode=disable"
 *   proxy_mode(p, PROXY_SWALLOW)       returns when it is in force, for connections there are and to come
 *   proxy_stop(p)
 *
 * In a network of its own (config.netns) it listens on the far side of a virtual cable, where packets can be
 * made to vanish: proxy_cut() in both directions. Without the rights for that proxy_start() says why.
 */
#ifndef TESTS_SUPPORT_PROXY_H
#define TESTS_SUPPORT_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct proxy;

enum proxy_mode {
    PROXY_FORWARD = 0,
    PROXY_SWALLOW, /* reads and forgets, says nothing: all is acknowledged */
    PROXY_STALL,   /* neither reads nor writes: what does not fit into the buffers is not acknowledged */
    PROXY_RESET,   /* all connections are reset, new ones too as soon as they say something */
    PROXY_REFUSE,  /* listens no more */
};

struct proxy_config {
    bool netns;
    int receive_bytes; /* SO_RCVBUF of accepted sockets; 0: the system's */
};

/* NULL: *why (one line, static) says why not; without netns it aborts instead. */
struct proxy *proxy_start(const struct proxy_config *config, const char **why);
void proxy_mode(struct proxy *p, enum proxy_mode mode);
/* Packets vanish from now on. netns only. */
void proxy_cut(struct proxy *p);
unsigned proxy_accepted(struct proxy *p); /* connections, ever */
uint16_t proxy_port(const struct proxy *p);
const char *proxy_uri(const struct proxy *p);
void proxy_stop(struct proxy *p);

#endif
