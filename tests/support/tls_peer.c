/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tls_peer.h"

#include <openssl/err.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tls_peer {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
    BIO *plain;    /* decrypted */
    bool failed, ended;
    char sni[256], client[256];
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "tls_peer: %s failed\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static int on_sni(SSL *ssl, int *alert, void *arg)
{
    struct tls_peer *p = SSL_get_app_data(ssl);
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert, (void)arg;
    snprintf(p->sni, sizeof p->sni, "%s", name != NULL ? name : "");
    return SSL_TLSEXT_ERR_OK;
}

static int choose(SSL *ssl, const unsigned char **out, unsigned char *n, const unsigned char *in,
                  unsigned in_len, void *arg)
{
    const char *alpn = arg;
    unsigned char ours[256];

    (void)ssl;
    ours[0] = (unsigned char)strlen(alpn);
    memcpy(ours + 1, alpn, ours[0]);
    for (unsigned i = 0; i + 1u + ours[0] <= in_len; i += 1u + in[i]) {
        if (memcmp(in + i, ours, 1u + ours[0]) == 0) {
            *out = in + i + 1;
            *n = ours[0];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int any_client(int ok, X509_STORE_CTX *store)
{
    (void)ok, (void)store;
    return 1;
}

static SSL_CTX *make_ctx(const struct tls_peer_config *config)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    int verify = config->demands_certificate ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                 : config->asks_certificate  ? SSL_VERIFY_PEER
                                             : SSL_VERIFY_NONE;

    must(ctx != NULL, "SSL_CTX_new");
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_options(ctx, config->options);
    if (config->alpn != NULL)
        SSL_CTX_set_alpn_select_cb(ctx, choose, (void *)(uintptr_t)config->alpn);
    must(SSL_CTX_set_cipher_list(ctx, config->ciphers != NULL ? config->ciphers : "ALL:@SECLEVEL=0"),
         "cipher list");
    must(SSL_CTX_set_min_proto_version(ctx, config->min_version) &&
             SSL_CTX_set_max_proto_version(ctx, config->max_version),
         "version");
    must(SSL_CTX_use_certificate(ctx, config->cert->x509), "certificate");
    must(SSL_CTX_use_PrivateKey(ctx, config->cert->key), "key");
    if (config->chain != NULL)
        must(SSL_CTX_add1_chain_cert(ctx, config->chain->x509) > 0, "chain");
    SSL_CTX_set_verify(ctx, verify, any_client);
    must(SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"redw", 4), "session id");
    SSL_CTX_set_tlsext_servername_callback(ctx, on_sni);
    return ctx;
}

struct tls_peer *tls_peer_new(const struct tls_peer_config *config)
{
    struct tls_peer *p = calloc(1, sizeof *p);

    must(p != NULL, "memory");
    if (config->like != NULL) {
        p->ctx = config->like->ctx;
        SSL_CTX_up_ref(p->ctx);
    } else {
        p->ctx = make_ctx(config);
    }
    p->ssl = SSL_new(p->ctx);
    p->in = BIO_new(BIO_s_mem());
    p->out = BIO_new(BIO_s_mem());
    p->plain = BIO_new(BIO_s_mem());
    must(p->ssl != NULL && p->in != NULL && p->out != NULL && p->plain != NULL, "memory");
    must(SSL_set_app_data(p->ssl, p), "memory");
    SSL_set_bio(p->ssl, p->in, p->out);
    SSL_set_accept_state(p->ssl);
    return p;
}

void tls_peer_free(struct tls_peer *p)
{
    if (p == NULL)
        return;
    SSL_free(p->ssl);
    SSL_CTX_free(p->ctx);
    BIO_free(p->plain);
    free(p);
    ERR_clear_error();
}

/* Reading drives everything else too: handshake, alerts, key updates. */
static void run(struct tls_peer *p)
{
    char buf[16384];
    size_t n;
    int ret;

    if (p->failed || p->ended)
        return;
    ERR_clear_error();
    while ((ret = SSL_read_ex(p->ssl, buf, sizeof buf, &n)) == 1)
        must(BIO_write(p->plain, buf, (int)n) == (int)n, "memory");
    switch (SSL_get_error(p->ssl, ret)) {
    case SSL_ERROR_WANT_READ:
        break;
    case SSL_ERROR_ZERO_RETURN:
        p->ended = true;
        break;
    default:
        p->failed = true;
    }
    ERR_clear_error();
}

void tls_peer_feed(struct tls_peer *p, const void *bytes, size_t n)
{
    if (n > 0)
        must(BIO_write(p->in, bytes, (int)n) == (int)n, "memory");
    run(p);
}

size_t tls_peer_waiting(const struct tls_peer *p)
{
    return BIO_ctrl_pending(p->out);
}

static size_t take(BIO *bio, void *buf, size_t cap)
{
    int n = BIO_read(bio, buf, (int)cap);

    return n > 0 ? (size_t)n : 0;
}

size_t tls_peer_take(struct tls_peer *p, void *buf, size_t cap)
{
    return take(p->out, buf, cap);
}

bool tls_peer_is_open(const struct tls_peer *p)
{
    return SSL_is_init_finished(p->ssl);
}

bool tls_peer_failed(const struct tls_peer *p)
{
    return p->failed;
}

bool tls_peer_ended(const struct tls_peer *p)
{
    return p->ended;
}

const char *tls_peer_sni(const struct tls_peer *p)
{
    return p->sni[0] != '\0' ? p->sni : NULL;
}

const char *tls_peer_client(struct tls_peer *p, int *ncerts)
{
    X509 *cert = SSL_get0_peer_certificate(p->ssl);

    *ncerts = cert != NULL ? 1 + sk_X509_num(SSL_get_peer_cert_chain(p->ssl)) : 0;
    p->client[0] = '\0';
    if (cert != NULL)
        X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, p->client, sizeof p->client);
    return p->client;
}

bool tls_peer_resumed(const struct tls_peer *p)
{
    return SSL_session_reused(p->ssl);
}

size_t tls_peer_read(struct tls_peer *p, void *buf, size_t cap)
{
    return take(p->plain, buf, cap);
}

void tls_peer_write(struct tls_peer *p, const void *bytes, size_t n)
{
    size_t wrote;

    ERR_clear_error();
    must(SSL_write_ex(p->ssl, bytes, n, &wrote) == 1 && wrote == n, "write");
}

void tls_peer_key_update(struct tls_peer *p, bool asks_client_too)
{
    int how = asks_client_too ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;

    must(SSL_key_update(p->ssl, how), "key update");
    must(SSL_do_handshake(p->ssl) == 1, "key update");
}

void tls_peer_ticket(struct tls_peer *p)
{
    must(SSL_new_session_ticket(p->ssl), "ticket");
    must(SSL_do_handshake(p->ssl) == 1, "ticket");
}

void tls_peer_renegotiate(struct tls_peer *p)
{
    must(SSL_renegotiate(p->ssl), "renegotiation");
    (void)SSL_do_handshake(p->ssl);
    ERR_clear_error();
}

void tls_peer_close(struct tls_peer *p)
{
    ERR_clear_error();
    (void)SSL_shutdown(p->ssl);
    ERR_clear_error();
}
