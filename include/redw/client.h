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
 * Makes the socket of a new connection, instead of a name look-up and connect(): for proxies, tunnels and
 * sockets that the application has already. Called from the loop, once for each attempt to connect, and
 * for each connection that carries a cancel; host and port are those of the URI (lent). Returns
 *
 *   >= 0             a descriptor of a stream socket, connected or connecting. It is the client's from here
 *                    on: made non-blocking and close-on-exec, waited for until it is connected, closed by
 *                    the client whatever happens. Its socket options stay as they are.
 *   REDW_OPEN_LATER  the answer comes by redw_open_done(), named by `opening`.
 *   -1               it cannot be made; errno says why (0: no reason known).
 *
 * What follows on it is as on any other socket: TLS and its checks of the host name, login, all inside the
 * connect deadline. A failure is one of connecting: ECONNREFUSED and ECONNRESET are tried again, see
 * connect_retries. Everything of this library may be called from inside.
 */
typedef int redw_open_fn(redw_client *c, redw_id opening, const char *host, uint16_t port, void *ctx);
enum { REDW_OPEN_LATER = -2 };

/*
 * The answer to REDW_OPEN_LATER, on the loop's thread: fd as redw_open_fn returns it, or -1 and the errno
 * that says why. REDW_OK: taken. REDW_ENOENT: the connection is not wanted any more (its deadline passed,
 * the client was closed, it was answered before), and fd stays the caller's to close. Does not allocate.
 */
REDW_API REDW_MUST_USE int redw_open_done(redw_client *c, redw_id opening, int fd, int sys_errno);

/*
 * One message of the wire protocol as one line, without a line's end and without a NUL: `n` bytes of text in the
 * form of libpq's PQtrace ("F" from the client, "B" from the server, length, name, fields). connection
 * counts the client's connections from 1. Passwords, tokens, keys and salts are shown as ****, control
 * bytes escaped, long texts cut. Runs in the middle of things: it may not call any function of redw.
 */
typedef void redw_trace_fn(uint64_t connection, const char *line, size_t n, void *ctx);

/*
 * A notice of a server, as it arrives: warnings, the INFO lines of COPY and UNLOAD, and what a server says when it
 * is about to close. request: whose statement it is about; 0: none. The notice dies with the call:
 * redw_error_keep(). Runs from the loop; everything of this library may be called from inside. What belongs to a
 * request is also in its result, in order: redw_result_notice().
 */
typedef void redw_notice_fn(redw_client *c, redw_id request, const redw_error *notice, void *ctx);

/*
 * Settings of a client. Fill by designated initialisers through REDW_OPTIONS; zero is the default. All
 * are copied by create, checked before any I/O, and the wrong one is named.
 */
struct redw_options {
    size_t size; /* sizeof(struct redw_options) */

    /* Required, unless from_environment. postgresql://user@host:port/database?setting=value (also postgres://,
     * redshift://; parts percent-encoded as in libpq); or "setting=value setting=value" with libpq's quoting:
     * a value that is empty or has blanks stands in 'single quotes', and a backslash takes a quote or another
     * backslash as it is. Defaults: port 5439 for redshift://, else 5432; database:
     * the user's name. A host beginning with '/' (percent-encoded, or in ?host=) is the directory of a
     * unix socket. Settings: host, port, user, password, dbname, application_name, connect_timeout
     * (seconds), keepalives_idle, keepalives_interval (seconds), keepalives_count, tcp_user_timeout (milliseconds;
     * 0 leaves these four to the system), server, require_auth, channel_binding (as below), passfile (as
     * password_file), query_group, cancel_tls (as below), and of TLS: sslmode (disable, require, verify-ca, verify-full), sslrootcert (as ca_file),
     * sslcert, sslkey, sslname (as cert_file, key_file,
     * tls_name), sslnegotiation (postgres, the default; direct: TLS from the first byte, agreed by ALPN, for
     * PostgreSQL 17 and later). Unknown names are refused, and names given twice. The text is never echoed
     * in errors. With a token the user may be left out, but then not the database. */
    const char *uri;
    const char *password;         /* default: the URI's; kept out of core dumps and swap, wiped by destroy */
    const char *ca_file;          /* trusted roots: a PEM file, instead of the system's; "system": those, the
                                     default; "system,FILE": both */
    const char *application_name; /* default: "redw" */
    uint32_t pool_max;            /* connections at most, opening and closing ones counted; 1..10,000; default 10 */
    uint32_t queue_max;           /* requests waiting for a connection at most; default 65,536 */
    uint32_t connect_timeout_ms;  /* name, TCP, TLS and login together; 1..3,600,000; default 30,000 */
    uint32_t request_timeout_ms;  /* for requests that state none; default 300,000; REDW_NONE: never */
    uint32_t cancel_timeout_ms;   /* how long the server may take to obey a cancel before its connection is closed;
                                     1..3,600,000; default 5,000 */
    uint32_t acquire_timeout_ms;  /* how long a request may wait for a connection, inside its own timeout;
                                     default and REDW_NONE: only its own timeout counts */
    /* A server that refuses connections, or is not ready for them (a paused or resuming cluster), is asked
     * again inside connect_timeout_ms: at most so many times, 100 ms apart at first, then doubling up to 5 s,
     * each pause shortened by chance by up to half. 1..1,000; default 5; REDW_NONE: the first failure counts.
     * Tried again after ECONNREFUSED, a reset before the login ended, SQLSTATE 57P03; never when a password
     * or a certificate was refused. */
    uint32_t connect_retries;
    /* TCP sockets. A peer that vanished is found by keepalive while nothing is under way, and by
     * TCP_USER_TIMEOUT when it acknowledges nothing of what was sent. REDW_NONE: as the system has it. */
    uint32_t keepalive_idle_s;     /* without traffic before the first probe; 1..32,767; default 60 */
    uint32_t keepalive_interval_s; /* between probes; 1..32,767; default 10 */
    uint32_t keepalive_count;      /* unanswered probes that end the connection; 1..127; default 3 */
    uint32_t tcp_user_timeout_ms;  /* 1..3,600,000; default 75,000 */
    redw_open_fn *open;            /* makes the sockets; default: the library does */
    void *open_ctx;                /* its last argument */
    const struct redw_allocator *allocator; /* default: malloc */
    const char *cert_file;        /* PEM: the client's certificate, intermediate ones behind it... */
    const char *key_file;         /* ...and its private key, without passphrase, mode 0600, or 0640 if it is
                                     root's. Both or neither */
    const char *tls_name;         /* whom the server's certificate must be for, and SNI; default: the host that
                                     is dialled. For tunnels; needs sslmode verify-full */

    /* "auto" (default), "redshift" or "postgres": whether the names that only Redshift knows are sent at the
     * start of a session: protocol version, driver, operating system, and those of a token. Auto sends them
     * for redshift://, port 5439, a host name of AWS Redshift, or a token. A server that refuses them is
     * dialled once more without, inside the same deadline, and not bothered again. */
    const char *server;

    /* Which logins the server may ask for, as a list with commas: none (it asks for nothing), password (in
     * clear), md5, scram-sha-256 (with or without channel binding), scram-sha-256-plus (with), digest
     * (Redshift's SHA-256), token; or, each with a '!' in front, which of the default ones it may not.
     * Default: none, md5, scram-sha-256, digest, token; md5, digest and token only inside TLS that verifies
     * the server (sslmode verify-ca or verify-full), because they prove nothing about it. Password and token
     * are never sent without TLS, whatever is listed here. */
    const char *require_auth;

    /* "disable", "prefer" (default) or "require": binding of SCRAM to the server's certificate. Required, no
     * other login is accepted, not even a server that asks for nothing. */
    const char *channel_binding;

    /* Token of an identity provider, for Redshift (UTF-8; kept as the password is), and what is to be said
     * about it, each NULL for nothing: idp_type (AzureAD, Okta, AwsIdc), token_type (ACCESS_TOKEN,
     * SUBJECT_TOKEN, EXT_JWT), the namespace in IAM Identity Center, the name of the identity provider in
     * Redshift, the display name of the application. */
    const char *token;
    const char *idp_type;
    const char *token_type;
    const char *identity_namespace;
    const char *provider_name;
    const char *idc_client_display_name;

    redw_notice_fn *notice; /* default: notices are seen in results only */
    void *notice_ctx;       /* its last argument */

    /* For debugging: every message of every connection; default: none. trace_values shows SQL, parameters,
     * rows and the server's DETAIL and HINT too, which may be anybody's secrets; otherwise only names,
     * types and sizes are. */
    redw_trace_fn *trace;
    void *trace_ctx;
    bool trace_values;

    /* Reads the environment, once, at create; default: no. What neither a field nor `uri` gives comes from the
     * variable REDSHIFT_ and the setting's name: REDSHIFT_HOST, _PORT, _DATABASE (for dbname), _USER, _PASSWORD,
     * _SSLMODE and so on, for each setting of `uri`; `uri`, if NULL, from REDSHIFT_URI. Without any URI the
     * port is 5439 by default. Empty variables count as not set; others are not looked at. As with getenv(),
     * no other thread may change the environment meanwhile. Nothing is read in a setuid program. */
    bool from_environment;

    /* Where to look the password up if none is given: lines "host:port:database:user:password", the format of
     * libpq's .pgpass ('*' fits anything, a backslash takes ':' or another backslash as it is, '#' begins a
     * comment). The first line that fits counts; none is no error. The file must be regular, 1 MiB at most, and
     * group and others must have no rights to it (mode 0600). Default: none; ~/.pgpass is not looked at. */
    const char *password_file;

    /* How many requests may be on their way on one connection behind each other, each with a Sync of its own, when
     * pool_max connections are in use; 1..1,000; default 1: a request has its connection to itself. More saves
     * round trips for many short statements; a slow one delays those behind it, and a request that is given
     * up can be stopped on the server only if nothing else is wanted of its connection. Streams are always
     * alone, and so is what has more than about 1 MB to send. Redshift is not known to accept it.
     *
     * With 16 or more on their way over TCP without TLS, answers that queue at the server and come one by one may be
     * collected for about a millisecond before they are handed over: callbacks then come in groups. */
    uint32_t pipeline_max;

    /* One bound for the memory of the whole client: waiting requests with their parameters, results that are being
     * gathered or are kept, buffers of connections and streams. At the bound a submit is refused, and a request
     * ends whose result grows or whose statement cannot be written, all with REDW_EFULL; the others go on. Costs
     * 16 bytes a block. At least 1 MiB; default: no bound. What OpenSSL, c-ares and the loop allocate is not
     * counted. */
    uint64_t memory_max_bytes;

    /* "session" (default): the server is asked to stop a statement over a connection as secure as the one it
     * runs on. "plain": in clear, for servers that refuse TLS there; whoever listens on the way can then stop
     * statements of that session. What is refused is told: REDW_CANCEL_REFUSED. */
    const char *cancel_tls;

    /* Redshift: the query group of requests that name none (redw_request.query_group); default: none. Once a
     * request has had a group, the pool says which one a connection has; a SET of the application's own is then
     * overridden by the next request. */
    const char *query_group;
};
#define REDW_OPTIONS(...) \
    (&(const struct redw_options){.size = sizeof(struct redw_options), __VA_ARGS__})

/*
 * Makes a client on a libev loop. Reads local files (roots, certificate, key, password file) and does no other I/O:
 * connections open when first needed, or by redw_client_ready(). TLS is verified against host name and
 * roots (verify-full) unless the URI asks for less; unix sockets carry no TLS.
 *
 * The files are looked at again by each new connection, and read if they have changed: a rotated root or
 * certificate needs no restart. One that cannot be used fails that connection, and is named. Reconnects
 * resume the TLS session if the server gave one, which spares both sides most of the handshake.
 *
 * 0 and *out is owned by the caller, until redw_client_destroy(); the loop must live longer. Otherwise
 * *out is NULL and *why (may be NULL) says what is wrong: REDW_EINVAL a setting, REDW_ENOMEM, REDW_ETLS
 * a file that cannot be used.
 */
REDW_API REDW_MUST_USE int redw_client_create(redw_client **out, struct ev_loop *loop,
                                              const struct redw_options *o, struct redw_diag *why);

/* The same on any loop. *loop is copied; what its ctx points at must live longer than the client. */
REDW_API REDW_MUST_USE int redw_client_create_on(redw_client **out, const struct redw_loop *loop,
                                                 const struct redw_options *o, struct redw_diag *why);

/* The last refusal (a negative redw_id), one line; never NULL; until the next refusal. */
REDW_API const char *redw_client_why(const redw_client *c);

/* What the last TLS handshake that succeeded agreed on, and with whom. Texts come from the server: they
 * are escaped for one line, cut to their room, and NUL-terminated. */
struct redw_tls_facts {
    size_t size;          /* sizeof(struct redw_tls_facts), set by the caller */
    char version[16];     /* "TLSv1.3" */
    char cipher[64];      /* "TLS_AES_256_GCM_SHA384" */
    char subject[256];    /* of the server's certificate: "CN = db.example" */
    char issuer[256];
    char fingerprint[65]; /* SHA-256 of the certificate, in lower-case hex */
    bool resumed;         /* an earlier session went on: the certificate is the one verified then */
    int64_t not_after_s;  /* when the certificate expires, Unix time: watch it, before it ends your day */
};

/* 0 and *out filled; REDW_ENOENT: no handshake has succeeded (yet, or there is no TLS); REDW_EINVAL: size
 * is wrong; REDW_ENOMEM. Allowed anywhere. */
REDW_API REDW_MUST_USE int redw_client_tls_facts(const redw_client *c, struct redw_tls_facts *out);

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
