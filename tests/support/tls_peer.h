/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TLS server over memory: the other end for tests of the TLS filter and, later, of connections. Built
 * on OpenSSL's own memory BIOs, so that it shares no code with what it tests.
 *
 *   p = tls_peer_new(&(struct tls_peer_config){.cert = leaf});
 *   tls_peer_feed(p, from_client, n);     ciphertext in; handshakes and decrypts as far as it goes
 *   n = tls_peer_take(p, buf, cap);       ciphertext out
 *
 * What the client does to it is told by tls_peer_failed(); on anything else that goes wrong the program
 * ends with a message and status 1.
 */
#ifndef TESTS_SUPPORT_TLS_PEER_H
#define TESTS_SUPPORT_TLS_PEER_H

#include "support/certs.h"

#include <openssl/ssl.h>

struct tls_peer;

struct tls_peer_config {
    const struct tls_peer *like;  /* if not NULL: all as with this one, which saves the setting up */
    const struct cert *cert;      /* otherwise required; must outlive the peer */
    const struct cert *chain;     /* sent behind it; NULL: nothing */
    int min_version, max_version; /* TLS1_2_VERSION ...; 0: all OpenSSL has */
    const char *ciphers;          /* up to TLS 1.2; default: all, at security level 0 */
    bool asks_certificate;        /* of the client; goes on without one */
    bool demands_certificate;     /* and does not */
    const char *alpn;             /* the protocol it speaks; others are refused. NULL: knows no ALPN */
    uint64_t options;             /* SSL_OP_... */
};

struct tls_peer *tls_peer_new(const struct tls_peer_config *config);
void tls_peer_free(struct tls_peer *p); /* NULL is allowed */

void tls_peer_feed(struct tls_peer *p, const void *bytes, size_t n);
size_t tls_peer_waiting(const struct tls_peer *p); /* ciphertext for the client */
size_t tls_peer_take(struct tls_peer *p, void *buf, size_t cap);

bool tls_peer_is_open(const struct tls_peer *p);    /* the handshake is done */
bool tls_peer_failed(const struct tls_peer *p);     /* broken by the client, or its alert came */
bool tls_peer_ended(const struct tls_peer *p);      /* the client sent close_notify */
const char *tls_peer_sni(const struct tls_peer *p); /* what the client asked for; NULL: nothing */

/* Common name of the client's certificate, and how many it sent; "" and 0: none. */
const char *tls_peer_client(struct tls_peer *p, int *ncerts);
bool tls_peer_resumed(const struct tls_peer *p);

/* Plaintext received so far and not read yet. */
size_t tls_peer_read(struct tls_peer *p, void *buf, size_t cap);
/* One record per 16 KiB. */
void tls_peer_write(struct tls_peer *p, const void *bytes, size_t n);

void tls_peer_key_update(struct tls_peer *p, bool asks_client_too); /* TLS 1.3 */
void tls_peer_ticket(struct tls_peer *p);                           /* TLS 1.3: one NewSessionTicket */
void tls_peer_renegotiate(struct tls_peer *p);                      /* TLS 1.2: HelloRequest */
void tls_peer_close(struct tls_peer *p);                            /* close_notify */

#endif
