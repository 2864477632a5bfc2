/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The login's exchange: what is answered to each authentication request, and when AuthenticationOk is
 * believed: never between the start of an exchange and the proof that the server knows the password, and
 * never instead of an exchange that was required.
 *
 *   ANY -> FIRST_SENT -> DERIVING -> FINAL_SENT -> VERIFIED -> OK       SCRAM
 *   ANY -> ANSWERED -> OK                                               password, MD5, digest, token
 *   ANY -> OK                                                           nothing was asked
 *
 * One exchange per login: a second request for a method, or another one, ends it. What may be used at all
 * is in login.h. Called by session.c only.
 */
#ifndef REDWI_WIRE_AUTH_H
#define REDWI_WIRE_AUTH_H

#include "wire/buf.h"
#include "wire/err.h"
#include "wire/login.h"
#include "wire/scram.h"

#define REDWI_END_POINT_MAX 64 /* bytes of a tls-server-end-point: one SHA-512 */

enum redwi_auth_step {
    REDWI_AUTH_ANY = 0,
    REDWI_AUTH_ANSWERED, /* the server's verdict is due */
    REDWI_AUTH_FIRST_SENT,
    REDWI_AUTH_DERIVING, /* redwi_auth_work() is due */
    REDWI_AUTH_FINAL_SENT,
    REDWI_AUTH_VERIFIED,
    REDWI_AUTH_OK,
};

struct redwi_auth {
    const struct redw_allocator *mem;
    const char *user;     /* NULL: none */
    const char *password; /* NULL or "": none */
    const char *token;    /* likewise */
    unsigned methods;     /* REDWI_LOGIN_* that are allowed; 0: what login.h says... */
    unsigned denied;      /* ...but for these */
    enum redwi_binding binding;
    bool tls, verified;
    uint8_t end_point[REDWI_END_POINT_MAX];
    size_t end_point_len;
    int (*entropy)(void *ctx, void *p, size_t n);
    void *entropy_ctx;

    enum redwi_auth_step step;
    struct redwi_scram *scram;
};

/* Body of an authentication request; the answer goes to out. NULL, or the error that ends the login. */
redw_error *redwi_auth_request(struct redwi_auth *a, const uint8_t *body, size_t len,
                               struct redwi_buf *out);

/* DERIVING: up to n iterations, and the answer to out after the last. NULL, or the error as above. */
redw_error *redwi_auth_work(struct redwi_auth *a, unsigned iterations, struct redwi_buf *out);

/* Wipes and frees what the exchange held; the step stays. */
void redwi_auth_end(struct redwi_auth *a);

#endif
