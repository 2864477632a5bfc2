/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client: a pool of connections to one server on one event loop.
 */
#ifndef REDW_CLIENT_H
#define REDW_CLIENT_H

#include <redw/error.h>
#include <redw/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ev_loop;
typedef struct redw_client redw_client;

/* Names a request; a value, never reused. Negative: a REDW_E* code. */
typedef int64_t redw_id;

/*
 * Settings of a client. Fill by designated initialisers through REDW_OPTIONS; zero is the default. All
 * are copied by create, checked before any I/O, and the wrong one is named.
 */
struct redw_options {
    size_t size; /* sizeof(struct redw_options) */

    /* Required, unless from_environment. postgresql://user@host:port/database?setting=value (also
     * postgres://, redshift://; parts percent-encoded as in libpq); or "setting=value setting=value", with
     * libpq's quoting: a value that is empty or has blanks in 'single quotes', a backslash in front of a
     * quote or a backslash. Defaults: port 5439 for redshift://, else 5432; database:
     * the user's name. A host beginning with '/' (percent-encoded, or in ?host=) is the directory of a
     * unix socket. Settings: host, port, user, password, dbname, sslmode (disable, require, verify-ca,
     * verify-full), sslrootcert (a file, or "system"), application_name, connect_timeout (seconds), passfile
     * (as password_file). Unknown names are refused, and names given twice. The text is never echoed in errors. */
    const char *uri;
    const char *password;         /* default: the URI's; wiped by destroy */
    const char *ca_file;          /* PEM file of trusted roots, instead of the system's; as sslrootcert */
    const char *application_name; /* default: "redw" */
    uint32_t pool_max;            /* connections at most, opening and closing ones counted; 1..10,000; default 10 */
    uint32_t queue_max;           /* requests waiting for a connection at most; default 65,536 */
    uint32_t connect_timeout_ms;  /* name, TCP, TLS and login together; 1..3,600,000; default 30,000 */
    uint32_t request_timeout_ms;  /* for requests that state none; default 300,000; REDW_NONE: never */
    uint32_t cancel_timeout_ms;   /* how long the server may take to obey a cancel before its connection is closed;
                                     1..3,600,000; default 5,000 */
    const struct redw_allocator *allocator; /* default: malloc */

    /* Read the environment, once, at create; never read otherwise. What neither a field nor the text of `uri`
     * gives comes from REDSHIFT_ and the name of the setting: REDSHIFT_HOST, _PORT, _DATABASE (for dbname), _USER,
     * _PASSWORD, _SSLMODE and so on for each above; `uri` itself, if NULL, from REDSHIFT_URI. The port is 5439
     * by default if there is no URI at all. Empty variables count as not set, others are not looked at. As with
     * getenv(), no other thread may change the environment meanwhile. */
    bool from_environment;

    /* Where to look the password up if none is given: lines "host:port:database:user:password" in the format of
     * libpq's .pgpass ('*' matches anything, '\' takes ':' and '\' as they are, '#' begins a comment). The first
     * line that fits counts; none is no error. Must be a regular file that group and others have no rights to
     * (mode 0600). Default: none; ~/.pgpass is not looked at. */
    const char *password_file;
};
#define REDW_OPTIONS(...) \
    (&(const struct redw_options){.size = sizeof(struct redw_options), __VA_ARGS__})

/*
 * Makes a client on a libev loop. Reads local files (CA, passwords) and does no other I/O: connections open when
 * first needed, or by redw_client_ready(). TLS is verified against host name and roots (verify-full)
 * unless the URI asks for less; unix sockets carry no TLS.
 *
 * 0 and *out is owned by the caller, until redw_client_destroy(); the loop must live longer. Otherwise
 * *out is NULL and *why (may be NULL) says what is wrong: REDW_EINVAL a setting, REDW_ENOMEM, REDW_ETLS
 * a CA file that cannot be used.
 */
REDW_API REDW_MUST_USE int redw_client_create(redw_client **out, struct ev_loop *loop,
                                              const struct redw_options *o, struct redw_diag *why);

/* The same on any loop. *loop is copied; what its ctx points at must live longer than the client. */
REDW_API REDW_MUST_USE int redw_client_create_on(redw_client **out, const struct redw_loop *loop,
                                                 const struct redw_options *o, struct redw_diag *why);

/* The last refusal (a negative redw_id), one line; never NULL; until the next refusal. */
REDW_API const char *redw_client_why(const redw_client *c);

/* The monotonic clock on which redw_request.deadline_ms is read, in milliseconds. */
REDW_API int64_t redw_client_now_ms(const redw_client *c);

/* Called once by redw_client_ready: err NULL when a connection is open. err dies with the call. */
typedef void redw_ready_fn(const redw_error *err, void *ctx);

/*
 * Opens a connection unless one is open, and reports once, from the loop, within timeout_ms (0: the
 * connect timeout; REDW_NONE: never gives up by itself). For services that refuse to start blind.
 * > 0: fn will run once (redw_forget() takes it back); REDW_ENOMEM, REDW_ECLOSED, REDW_EINVAL (fn NULL).
 */
REDW_API REDW_MUST_USE redw_id redw_client_ready(redw_client *c, uint32_t timeout_ms, redw_ready_fn *fn,
                                                 void *ctx);

typedef void redw_closed_fn(void *ctx);

/*
 * Graceful end, asynchronous. Accepted work goes on for drain_ms (REDW_NONE: as long as it takes); new
 * work is refused with REDW_ECLOSED. Then what is left is cancelled and completes with class CLOSED,
 * connections are closed, and `closed` (may be NULL) runs: once, last of all callbacks, also when
 * redw_client_destroy() comes first. Called again it may only shorten the drain; a `closed` that is not
 * NULL replaces the earlier one. Cannot fail, does not allocate. The client must still be destroyed.
 */
REDW_API void redw_client_close(redw_client *c, uint32_t drain_ms, redw_closed_fn *closed, void *ctx);

/*
 * The end, now. Connections are closed, every request still pending completes with class CLOSED before
 * this returns (the one exception to R1), then `closed` of an earlier close, then memory is given back
 * and secrets are wiped. From inside a callback it is deferred until the outermost callback returns.
 * NULL is allowed. Cannot fail, does not allocate. In a fork's child: closes the descriptors without a
 * byte to the server, calls nobody; nothing else is allowed there.
 */
REDW_API void redw_client_destroy(redw_client *c);

#ifdef __cplusplus
}
#endif
#endif
