/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection under observation, on one libev loop with its server: an owner that counts what it is told
 * and does what a test asks it to do inside its callbacks, a job that gathers its rows as text, a server
 * on a loopback socket (support/peer.h, in TLS if asked), and names that are answered by script.
 *
 *   rig_open(&r);
 *   server = rig_listen(&r, &(struct peer_config){...}, NULL);
 *   rig_connect(&r, ...);  rig_run_until(&r, &r.nready, 1);
 *   rig_close(&r);          asserts that nothing is left: memory, descriptors, watchers
 */
#ifndef TESTS_SUPPORT_CONN_RIG_H
#define TESTS_SUPPORT_CONN_RIG_H

#include "pool/conn.h"
#include "support/fault.h"
#include "support/leak.h"
#include "support/peer.h"
#include "support/probe.h"
#include "support/tls_peer.h"

#include <ev.h>

struct rig;

/* One accepted connection on the server's side. */
struct rig_peer {
    struct rig *rig;
    ev_io io;
    int fd; /* -1: none */
    struct peer peer;
    struct tls_peer *tls;
    struct redwi_buf out; /* for the socket */
    bool sent_any;        /* after SSLRequest was answered everything goes through tls */
    size_t received;      /* bytes from the socket */
    bool saw_end;
};

#define RIG_PEERS 4

struct rig_server {
    struct rig *rig;
    ev_io accept;
    int fd;
    uint16_t port;
    const char *dir; /* unix socket */
    struct peer_config config;
    const struct tls_peer_config *tls;
    bool mute;      /* accepts and says nothing */
    bool deaf;      /* does not read either */
    bool slow;      /* sends what it has in pieces of one byte per round */
    size_t naccepted;
    struct rig_peer peers[RIG_PEERS];
};

enum rig_event {
    RIG_READY,
    RIG_COLUMNS,
    RIG_ROWS,
    RIG_NOTICE,
    RIG_COMPLETE,
    RIG_ENDED,
    RIG_STOPPED,
    RIG_CLOSED,
    RIG_EVENTS
};

struct rig {
    struct ev_loop *ev;
    struct probe probe;
    struct fault fault;
    struct leak leak;
    struct redwi_settings settings;
    struct redwi_endpoint endpoint;
    struct redwi_tls_ctx *tls;
    struct redwi_env env;
    struct redwi_names names;
    struct rig_server servers[3];
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
    int nready, nended, nstopped, nclosed, nside_closed;
    struct redwi_job *ended_job, *closed_job;
    enum redwi_conn_state ended_state;
    redw_error *why, *side_why;
    void (*act[RIG_EVENTS])(struct rig *r); /* what a test does inside a callback */
    int acted;
};

/* A job with its rows as text: cells joined by ',', rows by ';'. */
struct rig_job {
    struct redwi_job job;
    struct rig *rig;
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

void rig_open(struct rig *r);
void rig_close(struct rig *r);

/* Servers. tls NULL: none. */
struct rig_server *rig_listen(struct rig *r, const struct peer_config *config, const struct tls_peer_config *tls);
struct rig_server *rig_listen_unix(struct rig *r, const struct peer_config *config, const char *dir);
struct rig_peer *rig_peer_of(struct rig_server *s, size_t i);
void rig_peer_send(struct rig_peer *p, const void *bytes, size_t n); /* as the server's own words; 0 bytes: what TLS has to say */
void rig_peer_close(struct rig_peer *p);                            /* FIN, or RST if it has unread bytes */
void rig_peer_reset(struct rig_peer *p);                            /* RST */
void rig_teardown_servers(struct rig *r);
uint16_t rig_free_port(void);                                       /* nobody listens there */

/* What the settings say; the rest are defaults of the rig. */
void rig_target(struct rig *r, const char *host, uint16_t port);
void rig_use_tls(struct rig *r, enum redwi_tls_mode mode, const char *ca_file);

int rig_connect(struct rig *r, int64_t timeout_ms);
int rig_cancel(struct rig *r, int64_t timeout_ms);
void rig_login(struct rig *r); /* connect, run, be idle */

void rig_job_init(struct rig *r, struct rig_job *j, const char *sql);
void rig_start(struct rig *r, struct rig_job *j);
void rig_job_fini(struct rig_job *j);

/* Runs the loop until *count has reached n; fails the test after 5 s. */
void rig_run_until(struct rig *r, const int *count, int n);
void rig_run(struct rig *r, int rounds); /* without sleeping */

#endif
