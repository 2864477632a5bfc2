/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL's error queue, read: what failed, and in which words to say it. The queue belongs to the thread,
 * and so to others too: tls.c and tls_ctx.c, who alone call this, empty it before each call whose outcome
 * is read from it, and before every public function returns.
 */
#ifndef REDWI_WIRE_TLS_ERR_H
#define REDWI_WIRE_TLS_ERR_H

#include <redw/base.h>

struct redwi_tls_failure {
    unsigned long first; /* the root cause; 0: the queue was empty */
    unsigned long ssl;   /* the first that is TLS's own, below which are those of its ciphers; 0: none */
    int alert;           /* the peer's fatal alert; -1: none */
    bool no_memory;
    bool unverified; /* the certificate was refused */
};

/* Empties the queue. */
struct redwi_tls_failure redwi_tls_take_errors(void);

/* The words for an entry of the queue, in `room` or static. */
const char *redwi_tls_reason(unsigned long e, char room[128]);
const char *redwi_tls_alert_name(int alert);

/* Fills *why (NULL: nobody wants to know), text escaped; returns the code. */
int redwi_tls_why(struct redw_diag *why, int code, const char *fmt, ...) REDW_PRINTF(3, 4);
int redwi_tls_no_memory(struct redw_diag *why);
/* "<what><of>: <reason>" from the queue, which it empties. An empty queue means that there was no memory
 * even for the reason. */
int redwi_tls_refused(const char *what, const char *of, struct redw_diag *why);

#endif
