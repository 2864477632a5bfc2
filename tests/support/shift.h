/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server for streams that has Redshift's rules (docs/redshift/protocol.md 6.1) and a script of misbehaviour, on a
 * loopback socket and the libev loop of its client. It knows one query, "select", of config.rows rows of two
 * text columns ("n": 0, 1, 2...; "t": "row"), the statement "insert", and "select 1"; and what a client says to
 * stream them. What no client may say to a Redshift is answered as that does, and kept in `wrong`.
 *
 *   shift_open(&s, loop, &(struct shift_config){.rows = 2500});
 *   lab_pool(&r, s.uri, NULL, 1); ...
 *   s.log            "P D S|begin|declare|fetch 1000|...": the units that came
 *   shift_close(&s);
 */
#ifndef TESTS_SUPPORT_SHIFT_H
#define TESTS_SUPPORT_SHIFT_H

#include "wire/buf.h"

#include <ev.h>

struct shift_config {
    int64_t rows;
    uint32_t node_limit;   /* rows of one FETCH or Execute on a single node; 0: none */
    unsigned limit_from;   /* from which batch on it is checked */
    bool full;             /* cursors are over their cap: FETCH fails; full_declare: DECLARE does */
    bool full_declare;
    bool no_portals;       /* as on leader nodes: the second Execute does not find its portal */
    bool refuses_portals;  /* nor the first */
    unsigned surplus;      /* so many rows more than an Execute asked for */
    bool counts;           /* tags have counts, as PostgreSQL's */
    bool binary_fetch;     /* FETCH says that its second column is binary */
    unsigned other_columns; /* this batch (from 1) has another column */
    bool begin_is_lost;    /* BEGIN succeeds and begins nothing */
    const char *rows_to;   /* a unit that begins so is answered with rows, whatever it is */
    unsigned fails_at;     /* this unit (from 1) is answered with an error; 0: none */
    unsigned cut_at;       /* the connection is closed when this unit came; 0: never */
    bool cut_half;         /* ...in the middle of its answer */
    unsigned mute_from;    /* this unit and all behind it get no answer; 0: none */
    size_t piece;          /* bytes of one send; 0: as many as go */
};

#define SHIFT_PEERS 64

struct shift;

struct shift_peer {
    struct shift *server;
    ev_io io;
    int fd; /* -1: gone */
    struct redwi_buf in, out;
    bool started, skipping, batching; /* batching: between a message of the extended protocol and its Sync */
    char status;
    const char *parsed; /* which statement */
    char portal[64];    /* "": none */
    bool suspended, cursor;
    int64_t at;         /* rows sent of it */
    unsigned batches;
    bool cut;           /* when all is sent */
    size_t unit_mark;   /* of `out`, where the answer to this unit begins */
};

struct shift {
    struct ev_loop *loop;
    ev_io accept;
    struct shift_config config;
    struct shift_peer peers[SHIFT_PEERS];
    unsigned naccepted, ncancels, nunits, ninserts;
    char uri[100], log[8192], wrong[200];
};

void shift_open(struct shift *s, struct ev_loop *loop, const struct shift_config *config);
void shift_close(struct shift *s);
/* Sessions that were logged in, side connections not among them. */
unsigned shift_sessions(const struct shift *s);

#endif
