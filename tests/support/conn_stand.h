/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection under observation, on one libev loop with its server: an owner that counts what it is
 * told and does what a test asks it to do inside its callbacks, a job that gathers its rows as text, a
 * server on a loopback socket (support/peer.h, in TLS if asked), and names that are answered by script.
 *
 *   stand_open(&r);
 *   server = stand_listen(&r, &(struct peer_config){...}, NULL);
 *   stand_connect(&r, ...);  stand_run_until(&r, &r.nready, 1);
 *   stand_close(&r);          asserts that nothing is left: memory, descriptors, watchers
 */
#ifndef TESTS_SUPPORT_CONN_STAND_H
#define TESTS_SUPPORT_CONN_STAND_H

#include "pool/conn.h"
#include "support/fault.h"
#include "support/leak.h"
#include "support/peer.h"
#include "support/probe.h"
#include "support/tls_peer.h"

#include <ev.h>

struct stand;

/* One accepted connection on the server's side. */
struct stand_peer {
    struct stand *stand;
    ev_io io;
    int fd; /* -1: none */
    struct peer peer;
    struct tls_peer *tls;
    struct redwi_buf out; /* for the socket */
    bool sent_any;        /* after SSLRequest was answered everything goes through tls */
    size_t received;      /* bytes from the socket */
    bool saw_end;
};

#define STAND_PEERS 4

struct stand_server {
    struct stand *stand;
    ev_io accept;
    int fd;
    uint16_t port;
    const char *dir; /* unix socket */
    struct peer_config config;
    const struct tls_peer_config *tls;
    bool mute; /* accepts and says nothing */
    bool deaf; /* does not read either */
    bool slow; /* sends what it has in pieces of one byte per round */
    bool direct;    /* begins with TLS, unasked */
    size_t record;  /* bytes of an answer per TLS record; 0: as many as fit */
    bool chatters;  /* new keys and tickets between them (TLS 1.3) */
    size_t naccepted;
    struct stand_peer peers[STAND_PEERS];
};

enum stand_event {
    STAND_READY,
    STAND_COLUMNS,
    STAND_ROWS,
    STAND_NOTICE,
    STAND_COMPLETE,
    STAND_ENDED,
    STAND_STOPPED,
    STAND_CLOSED,
    STAND_EVENTS
};

struct stand {
    struct ev_loop *ev;
    struct probe probe;
    struct fault fault;
    struct leak leak;
    struct redwi_settings settings;
    struct redwi_endpoint endpoint;
    struct redwi_tls_ctx *tls;
    struct redwi_env env;
    struct redwi_names names;
    struct stand_server servers[3];
    size_t nservers;

    /* The names port: what it answers. */
    struct redwi_address addrs[8];
    size_t naddrs;
    const char *names_why;
    bool names_silent;
    int lookups, cancels;

    /* The owner. */
    struct redwi_conn *conn, *side;
    int depth;
    _Alignas(16) unsigned char turn[512];
    bool corked;
    int nready, nended, nstopped, nclosed, nside_closed, nnoticed;
    struct redwi_job *ended_job, *closed_job;
    enum redwi_conn_state ended_state;
    redw_error *why, *side_why;
    void (*act[STAND_EVENTS])(struct stand *r); /* what a test does inside a callback */
    int acted;
};

/* A job with its rows as text: cells joined by ',', rows by ';'. */
struct stand_job {
    struct redwi_job job;
    struct stand *stand;
    const char *sql;
    enum redwi_job_flow flow[8]; /* answers of its row callbacks, one after another; then GO */
    size_t nflow, batch;         /* batch: rows taken per callback; 0: all */
    bool take_none;
    bool corrupt;
    int ncolumns, nrows, ncomplete, nnotices, ncalls;
    char tag[64];
    char text[4096];
    size_t bytes;
};

void stand_open(struct stand *r);
void stand_close(struct stand *r);

/* Servers. tls NULL: none. */
struct stand_server *stand_listen(struct stand *r, const struct peer_config *config,
                                  const struct tls_peer_config *tls);
struct stand_server *stand_listen_unix(struct stand *r, const struct peer_config *config, const char *dir);
struct stand_peer *stand_peer_of(struct stand_server *s, size_t i);
/* The server's own words; 0 bytes: what TLS has to say. */
void stand_peer_send(struct stand_peer *p, const void *bytes, size_t n);
void stand_peer_close(struct stand_peer *p); /* FIN, or RST if it has unread bytes */
void stand_peer_reset(struct stand_peer *p); /* RST */
void stand_teardown_servers(struct stand *r);
uint16_t stand_free_port(void); /* nobody listens there */

/* What the settings say; the rest are defaults of the stand. */
void stand_target(struct stand *r, const char *host, uint16_t port);
void stand_use_tls(struct stand *r, enum redwi_tls_mode mode, const char *ca_file);
void stand_use_tls_of(struct stand *r, const struct redwi_tls_config *config);

int stand_connect(struct stand *r, int64_t timeout_ms);
int stand_cancel(struct stand *r, int64_t timeout_ms);
void stand_login(struct stand *r); /* connect, run, be idle */

void stand_job_init(struct stand *r, struct stand_job *j, const char *sql);
void stand_start(struct stand *r, struct stand_job *j);
void stand_job_fini(struct stand_job *j);

/* Runs the loop until *count has reached n; fails the test after 5 s. */
void stand_run_until(struct stand *r, const int *count, int n);
void stand_run(struct stand *r, int rounds); /* without sleeping */

/* A server that lets anybody in and knows some statements: "select" (3 rows), "noticed", "begin", "fails",
 * "fails in block", "insert", "" and "thousand" (rows). */
extern const struct peer_config stand_trusting;
#define STAND_ALL_ROWS "1,one;2,two;3,;" /* of "select" */

void stand_add_address(struct stand *r, const char *host, uint16_t port); /* to what names answer */
int64_t stand_now_us(const struct stand *r);
void stand_run_job(struct stand *r, struct stand_job *j, const char *sql); /* to its end */
void stand_wait_received(struct stand_peer *p, size_t more);
/* Why the connection closed: the code, how the message begins and how it ends. */
void stand_expect_why(const struct stand *r, int code, const char *begin, const char *end);

/* Answers the unit under way, whatever it is, with `total` bytes of rows of one cell each; returns the
 * most bytes of cells that came in one round of the loop. */
size_t stand_flood(struct stand_server *s, const struct stand_job *j, size_t cell_bytes, size_t total);

#endif
