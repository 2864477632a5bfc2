/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS as a filter over memory: ciphertext in, ciphertext out, no descriptor (own BIO_METHOD). The same
 * object works in the application, in tests with any byte split, and under injected faults.
 *
 *   ciphertext from the peer:  p = redwi_tls_input(t, &room); ...recv...; redwi_tls_received(t, n);
 *   ciphertext for the peer:   p = redwi_tls_output(t, &n); ...send...;   redwi_tls_sent(t, sent);
 *
 * Reading must be repeated until it says WANT_INPUT: decrypted bytes wait inside while the socket is
 * silent. OpenSSL's error queue is empty after every call, and what it held before changes nothing.
 * Policy: TLS 1.2 or later, security level 2, no renegotiation, no compression, SNI for names.
 */
#ifndef REDWI_WIRE_TLS_H
#define REDWI_WIRE_TLS_H

#include "wire/buffers.h"
#include "wire/err.h"

enum redwi_tls_mode {
    REDWI_TLS_DISABLE = 1,
    REDWI_TLS_REQUIRE,     /* encrypted, nobody verified */
    REDWI_TLS_VERIFY_CA,   /* chain verified */
    REDWI_TLS_VERIFY_FULL, /* chain and name verified */
};

struct redwi_tls_config {
    enum redwi_tls_mode mode;
    const char *ca_file;              /* PEM file of trusted roots; NULL: none */
    bool system_roots;                /* the system's are trusted, too */
    const char *cert_file, *key_file; /* PEM: the client's certificate (chain behind it), its key; or NULL */
    bool direct;                      /* the server must choose "postgresql" by ALPN */
    struct redwi_buffers *buffers;    /* NULL: none are shared; must outlive the filters */
};

/* What all connections of a client share: roots, client certificate, policy, and the sessions by which
 * the next handshakes are cheap. Must outlive them. Reads the files; each redwi_tls_create() looks whether
 * they have changed, and reads them again if so. 0, or REDW_ENOMEM, or REDW_ETLS: *why (may be NULL) names
 * the file. Strings are copied. */
struct redwi_tls_ctx;
int redwi_tls_ctx_create(struct redwi_tls_ctx **out, const struct redw_allocator *mem,
                         const struct redwi_tls_config *config, struct redw_diag *why);
void redwi_tls_ctx_free(struct redwi_tls_ctx *ctx); /* NULL is allowed */

/* All but size, of the last handshake that succeeded; 0, REDW_ENOENT (none has) or REDW_ENOMEM. */
struct redw_tls_facts;
int redwi_tls_ctx_facts(const struct redwi_tls_ctx *ctx, struct redw_tls_facts *out);

enum redwi_tls_status {
    REDWI_TLS_DONE = 0,   /* did what was asked */
    REDWI_TLS_WANT_INPUT, /* feed ciphertext and call again */
    REDWI_TLS_END,        /* read: the peer ended the stream properly (close_notify) */
    REDWI_TLS_FAILED,     /* *why is set, owned by the caller; the filter is of no further use, but an
                             alert that says why to the peer may wait in the output */
};

struct redwi_tls;
/* name: host name or address literal that the certificate must be for, and SNI if a name. wall_us: the
 * time at which certificates must be valid. 0, or REDW_ENOMEM, or REDW_ETLS: a file has changed and cannot
 * be used, or no certificate can be for that name (empty, with a dot in front, longer than 255 bytes). */
int redwi_tls_create(struct redwi_tls **out, struct redwi_tls_ctx *ctx, const char *name, int64_t wall_us,
                     struct redw_diag *why);
void redwi_tls_free(struct redwi_tls *t); /* NULL is allowed */

/* Room for one record at least. NULL: no memory. *room 0: 64 KiB wait already, read first. */
uint8_t *redwi_tls_input(struct redwi_tls *t, size_t *room);
void redwi_tls_received(struct redwi_tls *t, size_t n);
const uint8_t *redwi_tls_output(struct redwi_tls *t, size_t *n);
void redwi_tls_sent(struct redwi_tls *t, size_t n);

/* Call after creation and whenever ciphertext came in, until DONE. */
enum redwi_tls_status redwi_tls_handshake(struct redwi_tls *t, redw_error **why);
/* Decrypts into buf; DONE: *got > 0 bytes. */
enum redwi_tls_status redwi_tls_read(struct redwi_tls *t, void *buf, size_t cap, size_t *got,
                                     redw_error **why);
/* Encrypts up to n bytes into the output; DONE: *took > 0 bytes. Bounded: when 256 KiB of ciphertext
 * already wait, DONE with *took 0. WANT_INPUT: only during a handshake message exchange. */
enum redwi_tls_status redwi_tls_write(struct redwi_tls *t, const void *p, size_t n, size_t *took,
                                      redw_error **why);
/* Queues close_notify, as far as memory allows. */
void redwi_tls_shutdown(struct redwi_tls *t);

/* After the handshake. tls-server-end-point (RFC 5929): hash of the server's certificate; returns its
 * length, at most 64; 0: the certificate's signature algorithm has no defined binding. */
size_t redwi_tls_end_point(const struct redwi_tls *t, uint8_t out[64]);
const char *redwi_tls_version(const struct redwi_tls *t); /* "TLSv1.3" */
const char *redwi_tls_cipher(const struct redwi_tls *t);

#endif
