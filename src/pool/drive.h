/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a connection, shared by its two files: conn.c has its life and the functions of conn.h;
 * drive.c has what one wake-up does: events out of the session, output to the socket, input from it.
 * Nobody else includes this.
 */
#ifndef REDWI_POOL_DRIVE_H
#define REDWI_POOL_DRIVE_H

#include "pool/ahead.h"
#include "pool/conn.h"
#include "pool/dial.h"
#include "pool/lowat.h"
#include "pool/transport.h"

/* Calls of recv in one wake-up by readiness: each fills 64 KiB at most. */
#define REDWI_DRIVE_RECVS 4

struct redwi_conn_private {
    struct redwi_conn_config config;
    const struct redwi_sys *sys;
    struct redwi_dial *dial;          /* DIALING only */
    struct redwi_transport transport; /* after DIALING */
    struct redwi_address peer;
    struct redwi_ahead ahead; /* its units have the connection for a tag */
    struct redwi_lowat lowat;
    void *io, *timer, *turn;
    void *tick;         /* the look at a socket whose low-water mark is up */
    int64_t started_us;
    unsigned answers;   /* units that ended in it, by jobs that were on the connection */
    int64_t asked_us;   /* when the first of them was given to it */
    redw_error *broken; /* sending failed: what the server said last is still read, then this is the end */
    struct redwi_job *starting; /* its unit is being written, a slice a turn; NULL: none */
    void *dropped;      /* a job abandoned by its own row callback: the session hears of it afterwards */
    /* What ends the transaction of a job that was abandoned in the middle of it; NULL: nothing is to be done. */
    int (*clean)(struct redwi_session *s, void *tag, char status);
    bool cleaning;      /* that was written */
    bool side;          /* cancels */
    bool in_rows;       /* a row callback is running */
    bool in_result;     /* rows of a job that expects many are coming */
    bool heard;         /* the session has reported all that it was given */
    bool working;       /* the login derives its keys: goes on in the next turn */
    bool ended;         /* the session knows that the transport ended */
    bool redialled;     /* this is the second attempt, without Redshift's startup names */
    unsigned watched;   /* what the loop watches the socket for */
    bool timed, ticking; /* the timer, the tick is set: neither is stopped for every query */
};

/* Inside enter and leave: does what can be done now. recvs: calls of recv allowed. */
void redwi_drive(struct redwi_conn *c, unsigned recvs);
/* Sends what waits. The same as redwi_drive(c, 0), at less cost for a plain connection that only has something to
 * send. There must be a socket. */
void redwi_drive_flush(struct redwi_conn *c);
/* The socket is not watched any more, or never was. */
void redwi_drive_unwatch(struct redwi_conn *c);
/* The result is over, or nobody wants it any more: short answers follow. */
void redwi_drive_result_ended(struct redwi_conn *c);
/* A job is given up: what it leaves is not waited for in portions. */
void redwi_drive_given_up(struct redwi_conn *c);
/* The low-water mark is up, and for a while nothing was reported: what is there is read. */
void redwi_drive_look(struct redwi_conn *c);
/* No byte is read or sent any more; the session reports the end. why: owned; NULL: closed by the server. */
void redwi_drive_end(struct redwi_conn *c, redw_error *why);

/* conn.c */
void redwi_conn_stop_timer(struct redwi_conn *c);
void redwi_conn_set_state(struct redwi_conn *c, enum redwi_conn_state state);
/* A unit of the connection has ended, that of job (NULL: nobody's any more). */
void redwi_conn_unit_ended(struct redwi_conn *c, struct redwi_job *job, char status);
/* The login failed for Redshift's startup names: DIALING again, without them; or lost. why: owned. */
void redwi_conn_redial(struct redwi_conn *c, redw_error *why);
/* CLOSED by itself. why: owned; NULL: a side connection that did its work. */
void redwi_conn_lost(struct redwi_conn *c, redw_error *why);

#endif
