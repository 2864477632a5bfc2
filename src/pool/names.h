/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Name resolution as a port of its own (design H8): c-ares is the filling that ships (names_cares.c);
 * tests have another. Numeric addresses never get here: see redwi_address_literal.
 */
#ifndef REDWI_POOL_NAMES_H
#define REDWI_POOL_NAMES_H

#include <redw/loop.h>
#include <sys/socket.h>

struct redwi_address {
    struct sockaddr_storage storage;
    socklen_t len;
    int family;
};

#define REDWI_ADDRESSES_MAX 16 /* of one name; the rest are left out */

/* Called once, from the loop, never from inside start: n > 0 addresses in the order to try them (owned
 * by the caller of the callback, dead after it), or n 0 and what failed in one line. */
typedef void redwi_names_fn(void *arg, const struct redwi_address *addrs, size_t n, const char *why);

struct redwi_names {
    void *ctx;
    /* Starts a look-up; *query is what cancel takes. 0, or REDW_ENOMEM. */
    int (*start)(void *ctx, const struct redw_allocator *mem, const struct redw_loop *loop,
                 const char *host, uint16_t port, redwi_names_fn *fn, void *arg, void **query);
    /* Ends the look-up without its callback, or frees it after its callback. Must be called once for
     * each start that succeeded; not from inside the callback. Cannot fail. */
    void (*cancel)(void *ctx, void *query);
};
/* c-ares, with the system's hosts file and name servers. Its ctx is NULL, or points at the name servers to
 * ask instead, "127.0.0.1:5353,10.0.0.2" (for tests). */
extern const struct redwi_names redwi_names_cares;

/* "10.0.0.1", "::1": true and *out filled. */
bool redwi_address_literal(const char *host, uint16_t port, struct redwi_address *out);
/* A unix socket: directory and port as PostgreSQL names them, "dir/.s.PGSQL.5432"; false: too long. */
bool redwi_address_unix(const char *dir, uint16_t port, struct redwi_address *out);
/* Where a socket that somebody else connected leads to: known by name only, good for messages. */
void redwi_address_named(const char *host, uint16_t port, struct redwi_address *out);
/* Puts the families in turns, beginning with that of the first address, each family in its own order (RFC
 * 8305, section 4): whichever family is broken, the second attempt is of the other. */
void redwi_addresses_interleave(struct redwi_address *addrs, size_t n);
/* "10.0.0.1:5432", "[::1]:5432", the path of a unix socket: for messages. */
void redwi_address_text(const struct redwi_address *a, char *out, size_t cap);

#endif
