/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS filter and a server, both in memory, with the ciphertext carried between them by hand. Every call
 * of the filter goes through a function here, which puts stale errors into OpenSSL's queue before it, finds
 * the queue empty after it, and checks what holds of every outcome. To be used inside tests of libcheck.
 *
 *   tls_begin();                                             in main: root and server certificate
 *   struct redwi_tls_ctx *ctx = tls_full_ctx();
 *   struct tls_pair p = tls_open_pair(ctx, TLS1_3_VERSION);
 *   ...
 *   tls_end_pair(&p);
 *   tls_free_ctx(ctx);
 */
#ifndef TESTS_SUPPORT_TLS_PAIR_H
#define TESTS_SUPPORT_TLS_PAIR_H

#include "support/tls_peer.h"
#include "wire/tls.h"
#include <redw/client.h>

#define TLS_ANY ((size_t)1 << 20) /* a step that carries all there is */

/* The allocations of the filter and, after tls_count_openssl(), of OpenSSL on its behalf. */
struct tls_memory {
    bool inside;   /* within a call of the filter */
    long calls;    /* allocations inside */
    long fail_at;  /* this one fails; 0: none */
    bool forever;  /* and all after it */
    long live;     /* the filter's blocks that are not released */
    long ssl_live; /* OpenSSL's, the server's too */
};
extern struct tls_memory tls_memory;

struct tls_pair {
    struct redwi_tls *t;
    struct tls_peer *peer;
    redw_error *why; /* of the filter's last failure */
};

extern struct cert *tls_ca, *tls_leaf; /* a root, and a server certificate by it for "localhost" */
extern const char *tls_ca_path;
void tls_begin(void);
void tls_count_openssl(void); /* before anything of OpenSSL's, tls_begin() too */

int tls_make_ctx(struct redwi_tls_ctx **out, enum redwi_tls_mode mode, const char *ca_file,
                 struct redw_diag *why);
int tls_make_ctx_of(struct redwi_tls_ctx **out, const struct redwi_tls_config *config, struct redw_diag *why);
struct redwi_tls_ctx *tls_full_ctx(void); /* verifies by name, trusts tls_ca */
int tls_facts(const struct redwi_tls_ctx *ctx, struct redw_tls_facts *out);
void tls_free_ctx(struct redwi_tls_ctx *ctx);

int tls_make(struct redwi_tls **out, struct redwi_tls_ctx *ctx, const char *name, int64_t wall_us);
extern struct redw_diag tls_why; /* of the last tls_make that failed */
/* Not connected yet; certificates are looked at in CERT_NOW. */
struct tls_pair tls_start_pair(struct redwi_tls_ctx *ctx, const char *name,
                               const struct tls_peer_config *config);
/* Connected, with tls_leaf, in just that version. */
struct tls_pair tls_open_pair(struct redwi_tls_ctx *ctx, int version);
void tls_end_pair(struct tls_pair *p);

/* The calls of the filter. */
enum redwi_tls_status tls_handshake(struct tls_pair *p);
enum redwi_tls_status tls_read(struct tls_pair *p, void *buf, size_t cap, size_t *got);
enum redwi_tls_status tls_write(struct tls_pair *p, const void *buf, size_t n, size_t *took);
void tls_shutdown(struct tls_pair *p);
size_t tls_end_point(struct tls_pair *p, uint8_t out[64]);

/* Up to `step` bytes to the server; how many. */
size_t tls_to_peer(struct tls_pair *p, size_t step);
/* Up to `step` bytes to the filter; how many. -1: it has no memory. */
long tls_from_peer(struct tls_pair *p, size_t step);
/* The handshake, with `step` bytes a time in each direction. */
enum redwi_tls_status tls_connect(struct tls_pair *p, size_t step);
/* Reads until the filter wants input, and fails the test if it ends otherwise; how much. */
size_t tls_read_all(struct tls_pair *p, uint8_t *buf, size_t cap);

void tls_expect_message(const struct tls_pair *p, const char *part);

#endif
