/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a TLS context, shared by tls_ctx.c, which makes it and keeps it up to date with its files,
 * and tls.c, whose filters use it. Nobody else includes this.
 */
#ifndef REDWI_WIRE_TLS_CTX_H
#define REDWI_WIRE_TLS_CTX_H

#include "wire/tls.h"
#include "wire/tls_sessions.h"

#include <openssl/ssl.h>
#include <sys/stat.h>

/* What a context is made from. */
enum redwi_tls_file {
    REDWI_TLS_CA_FILE = 0,
    REDWI_TLS_CERT_FILE,
    REDWI_TLS_KEY_FILE,
    REDWI_TLS_SYSTEM_FILE, /* OpenSSL's default file of roots, and its directory of them */
    REDWI_TLS_SYSTEM_DIR,
    REDWI_TLS_FILES
};

struct redwi_tls_ctx {
    const struct redw_allocator *mem;
    enum redwi_tls_mode mode;
    bool system_roots, direct;
    struct redwi_buffers *buffers; /* of the filters; NULL: none are shared */
    char *paths[REDWI_TLS_KEY_FILE + 1]; /* NULL: not given */

    SSL_CTX *ssl; /* made from files that looked like this: */
    struct stat seen[REDWI_TLS_FILES];
    BIO_METHOD *bio; /* here, so that there is no global; outlives ssl's replacement */

    struct redwi_tls_sessions sessions;
    struct { /* of the last successful handshake; cert NULL: there was none */
        X509 *cert;
        const char *version, *cipher; /* static */
        bool resumed;
    } last;
};

static inline bool redwi_tls_verifies_chain(enum redwi_tls_mode mode)
{
    return mode != REDWI_TLS_REQUIRE; /* a value unheard of is as strict as can be */
}

static inline bool redwi_tls_verifies_name(enum redwi_tls_mode mode)
{
    return mode != REDWI_TLS_REQUIRE && mode != REDWI_TLS_VERIFY_CA;
}

/* tls_ctx.c: makes ctx->ssl anew if a file has changed; sessions made under the old ones go. 0, or
 * REDW_ENOMEM, REDW_ETLS with *why: as it was, and asked again the next time. */
int redwi_tls_ctx_refresh(struct redwi_tls_ctx *ctx, struct redw_diag *why);
#define REDWI_TLS_ALPN "postgresql"

/* tls.c: what a context calls. */
BIO_METHOD *redwi_tls_bio_method(void);                    /* NULL: no memory */
int redwi_tls_verify(X509_STORE_CTX *store, void *unused); /* the certificate */
int redwi_tls_on_session(SSL *ssl, SSL_SESSION *session);  /* 1: keeps it */

#endif
