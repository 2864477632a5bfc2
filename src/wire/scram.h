/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the client's side (RFC 5802, RFC 7677; PostgreSQL documentation,
 * "SASL Authentication"). Key derivation is sliced: the server chooses the iteration count, so the
 * caller decides how many iterations one turn of its loop may spend.
 *
 *   first     client-first-message to send with SASLInitialResponse
 *   challenge server-first-message received; checks it and prepares the derivation
 *   work      up to n iterations; 1: more to do, 0: keys are ready
 *   final     client-final-message to send
 *   verify    server-final-message received: 0 only if the server proved to know the password
 *
 * All return 0 or a code: REDW_EPROTOCOL malformed, REDW_EAUTH policy or proof, REDW_ENOMEM; *why
 * (static text, never NULL on failure) says what. All secrets are wiped by redwi_scram_free.
 */
#ifndef REDWI_WIRE_SCRAM_H
#define REDWI_WIRE_SCRAM_H

#include "wire/buf.h"

#define REDWI_SCRAM_NONCE_BYTES 24 /* of randomness, before base64 */
#define REDWI_SCRAM_ITERATIONS_MIN 4096
#define REDWI_SCRAM_ITERATIONS_MAX 100000
#define REDWI_SCRAM_SALT_MAX 1024
#define REDWI_SCRAM_MESSAGE_MAX 16384 /* bytes of a message of the server */

struct redwi_scram;

struct redwi_scram_config {
    const struct redw_allocator *mem;
    const char *password;   /* UTF-8; prepared by SASLprep where it can be, else used as it is */
    size_t password_len;
    uint8_t nonce[REDWI_SCRAM_NONCE_BYTES]; /* fresh from the CSPRNG */
    bool plus;              /* use -PLUS with the binding below */
    bool tls_without_plus;  /* over TLS, but the server did not offer -PLUS: gs2 flag "y" */
    const uint8_t *binding; /* tls-server-end-point data */
    size_t binding_len;
    const char *user;       /* PostgreSQL ignores it and so is "" there; the RFC vectors need it */
    const char *nonce_text; /* NULL: base64 of `nonce`; the RFC vectors need theirs */
};

int redwi_scram_create(struct redwi_scram **out, const struct redwi_scram_config *config);
void redwi_scram_free(struct redwi_scram *s); /* NULL is allowed */

int redwi_scram_first(struct redwi_scram *s, redw_slice *message, const char **why);
int redwi_scram_challenge(struct redwi_scram *s, const char *message, size_t n, const char **why);
int redwi_scram_work(struct redwi_scram *s, unsigned iterations, const char **why);
int redwi_scram_final(struct redwi_scram *s, redw_slice *message, const char **why);
int redwi_scram_verify(struct redwi_scram *s, const char *message, size_t n, const char **why);

#endif
