/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS filter over OpenSSL 3. One BIO_METHOD of our own stands between OpenSSL and two buffers:
 *
 *   redwi_tls_input -> [in] -> bio_read -> SSL -> redwi_tls_read
 *   redwi_tls_write -> SSL -> bio_write -> [out] -> redwi_tls_output
 *
 * Invariants:
 *  - The BIO knows no end: an empty `in` is "retry", so that only close_notify ends a stream here. What
 *    a FIN without it means is for the owner of the socket to say.
 *  - After a failure SSL is not called again (`dead`); what is in `out` then, as an alert, may be sent.
 *  - What says WANT_INPUT has taken all of `in`.
 *  - A certificate is verified unless the mode is REQUIRE, and its name too unless VERIFY_CA.
 *
 * Roots, policy and the file's reading are in tls_ctx.c, sessions to resume in tls_sessions.c, OpenSSL's
 * error queue in tls_err.c.
 */
#include "wire/tls.h"

#include "wire/buf.h"
#include "wire/mem.h"
#include "wire/tls_cert.h"
#include "wire/tls_ctx.h"
#include "wire/tls_err.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <string.h>

enum {
    RECORD_TEXT = 16384,           /* plaintext of one record (RFC 8446 5.1) */
    RECORD_MAX = 5 + 16384 + 2048, /* one record on the wire (RFC 5246 6.2.3; TLS 1.3 needs less) */
    RECORD_EXTRA = 512,            /* what our records add: header, nonce, padding, tag */
    INPUT_MAX = 64 * 1024,         /* ciphertext taken in before it must be read */
    OUTPUT_MAX = 256 * 1024,       /* ciphertext waiting before writing takes no more */
    OUTPUT_SLACK = 64 * 1024,      /* room beyond that for one record, and for alerts and key updates */
    OUTPUT_KEPT = 64 * 1024,       /* an empty output buffer larger than this is given back */
    OUTPUT_SHARED = 16 * 1024,     /* the same, if others may have it */
};

struct redwi_tls {
    const struct redw_allocator *mem;
    struct redwi_tls_ctx *ctx;
    SSL *ssl;
    char *name;                 /* that the certificate must be for; without a final dot */
    uint8_t address[16];        /* that the name is a literal of */
    size_t address_len;         /* 4, 16; 0: it is a name */
    int64_t wall;               /* when certificates must be valid, Unix seconds */
    struct redwi_tls_span span; /* of what was verified, now or in the session resumed */
    bool resuming;              /* a kept session was offered */
    bool verified;              /* the certificate, as the mode demands */
    bool agreed;                /* the handshake is done, and trusted */
    struct redwi_buf in;        /* ciphertext from the peer */
    struct redwi_buf out;       /* ciphertext for the peer */
    size_t offered;             /* room last offered by redwi_tls_input */
    bool bulk;                  /* the last receive filled that room: offer more */
    bool dead;                  /* failed: SSL must not be called again */
    int bad_depth;              /* which certificate of the chain was refused; 0 is the server's */
};

/* ---- The BIO ---- */

static int bio_read(BIO *bio, char *p, size_t n, size_t *got)
{
    struct redwi_tls *t = BIO_get_data(bio);
    size_t have = redwi_buf_len(&t->in);

    BIO_clear_retry_flags(bio);
    if (have == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    *got = n < have ? n : have;
    memcpy(p, redwi_buf_front(&t->in), *got);
    redwi_buf_take(&t->in, *got);
    return 1;
}

/* No memory, or a peer that makes us answer without end: failed without retry, out.failed says which. */
static int bio_write(BIO *bio, const char *p, size_t n, size_t *wrote)
{
    struct redwi_tls *t = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    redwi_buf_bytes(&t->out, p, n);
    if (t->out.failed != 0)
        return 0;
    *wrote = n;
    return 1;
}

static long bio_ctrl(BIO *bio, int what, long n, void *p)
{
    (void)bio, (void)n, (void)p;
    return what == BIO_CTRL_FLUSH;
}

BIO_METHOD *redwi_tls_bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "redw");

    if (m == NULL)
        return NULL;
    if (!BIO_meth_set_read_ex(m, bio_read) || !BIO_meth_set_write_ex(m, bio_write) ||
        !BIO_meth_set_ctrl(m, bio_ctrl)) {
        BIO_meth_free(m);
        return NULL;
    }
    return m;
}

/* ---- Verification ---- */

/* What is expected of the server's certificate. Set here, where the verification begins, and not on SSL
 * beforehand: OpenSSL 3.0 copies that without looking whether there was memory for the copy, and expects
 * no name at all if there was none. */
static bool set_expectations(const struct redwi_tls *t, X509_VERIFY_PARAM *param)
{
    X509_VERIFY_PARAM_set_time(param, (time_t)t->wall);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (!X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER))
        return false;
    if (!redwi_tls_verifies_name(t->ctx->mode))
        return true;
    return t->address_len > 0 ? X509_VERIFY_PARAM_set1_ip(param, t->address, t->address_len)
                              : X509_VERIFY_PARAM_set1_host(param, t->name, 0);
}

/* How long what was just verified holds: no certificate of the chain has expired until then. */
static int64_t chain_until(const struct redwi_tls *t, X509_STORE_CTX *store)
{
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(store);
    int64_t until = t->wall + REDWI_TLS_SESSION_S;

    for (int i = 0; i < sk_X509_num(chain); i++) {
        int64_t end = redwi_cert_not_after(sk_X509_value(chain, i));

        if (end < until)
            until = end;
    }
    return until;
}

int redwi_tls_verify(X509_STORE_CTX *store, void *unused)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct redwi_tls *t = ssl != NULL ? SSL_get_app_data(ssl) : NULL;

    (void)unused;
    if (t != NULL && !redwi_tls_verifies_chain(t->ctx->mode)) {
        t->span = (struct redwi_tls_span){t->wall, t->wall + REDWI_TLS_SESSION_S};
        return 1;
    }
    if (t == NULL || !set_expectations(t, X509_STORE_CTX_get0_param(store))) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_OUT_OF_MEM);
        return 0;
    }
    t->verified = X509_verify_cert(store) > 0;
    t->bad_depth = X509_STORE_CTX_get_error_depth(store);
    if (t->verified)
        t->span = (struct redwi_tls_span){t->wall, chain_until(t, store)};
    return t->verified;
}

/* ---- Making a filter ---- */

/* Bytes of the address that `name` is a literal of; 0: it is a name. A zone (fe80::1%eth0) says where
 * to dial and is in no certificate. */
static size_t parse_address(const char *name, uint8_t out[16])
{
    char bare[INET6_ADDRSTRLEN];
    size_t n = strcspn(name, "%");

    if (inet_pton(AF_INET, name, out) == 1)
        return 4;
    if (n >= sizeof bare)
        return 0;
    memcpy(bare, name, n);
    bare[n] = '\0';
    return inet_pton(AF_INET6, bare, out) == 1 ? 16 : 0;
}

/* To OpenSSL an empty name means any, and a dot in front any name below. */
static bool is_exact_name(const char *name)
{
    return name[0] != '\0' && name[0] != '.';
}

static int set_name(struct redwi_tls *t, const char *name, struct redw_diag *why)
{
    size_t n = strlen(name);

    /* "db.example." is "db.example" without search domains; certificates and SNI know no final dot. */
    t->name = redwi_copy_text(t->mem, name, n > 0 && name[n - 1] == '.' ? n - 1 : n);
    if (t->name == NULL)
        return redwi_tls_no_memory(why);
    t->address_len = parse_address(t->name, t->address);
    if (t->address_len == 0 && redwi_tls_verifies_name(t->ctx->mode) && !is_exact_name(t->name))
        return redwi_tls_why(why, REDW_ETLS, "%s", "no certificate can be for this host name");
    return REDW_OK;
}

/* Best effort: without memory there is a full handshake. */
static void offer_session(struct redwi_tls *t)
{
    SSL_SESSION *session = redwi_tls_sessions_take(&t->ctx->sessions, t->name, t->wall, &t->span);

    if (session != NULL)
        t->resuming = SSL_set_session(t->ssl, session);
    SSL_SESSION_free(session);
}

static int setup_ssl(struct redwi_tls *t, struct redw_diag *why)
{
    BIO *bio = BIO_new(t->ctx->bio);

    t->ssl = SSL_new(t->ctx->ssl);
    if (t->ssl == NULL || bio == NULL) {
        BIO_free(bio);
        return redwi_tls_refused("OpenSSL", "", why);
    }
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio); /* owns it from here on */
    SSL_set_connect_state(t->ssl);
    if (!SSL_set_app_data(t->ssl, t))
        return redwi_tls_no_memory(why);
    if (t->address_len == 0 && t->name[0] != '\0' && !SSL_set_tlsext_host_name(t->ssl, t->name))
        return redwi_tls_refused("name", "", why); /* literals are not for SNI (RFC 6066 3) */
    offer_session(t);
    return REDW_OK;
}

static int setup(struct redwi_tls *t, const char *name, struct redw_diag *why)
{
    int code = set_name(t, name, why);

    if (code == REDW_OK)
        code = redwi_tls_ctx_refresh(t->ctx, why);
    return code == REDW_OK ? setup_ssl(t, why) : code;
}

int redwi_tls_create(struct redwi_tls **out, struct redwi_tls_ctx *ctx, const char *name, int64_t wall_us,
                     struct redw_diag *why)
{
    struct redwi_tls *t = redwi_alloc_array(ctx->mem, 1, sizeof *t);
    int code;

    *out = NULL;
    ERR_clear_error();
    if (t == NULL)
        return redwi_tls_no_memory(why);
    t->mem = ctx->mem;
    t->ctx = ctx;
    redwi_buf_init(&t->in, t->mem, INPUT_MAX + RECORD_MAX);
    redwi_buf_init(&t->out, t->mem, OUTPUT_MAX + OUTPUT_SLACK);
    if (ctx->buffers) {
        t->in.shared = &ctx->buffers->in;
        t->out.shared = &ctx->buffers->out;
    }
    t->wall = wall_us / 1000000;
    code = setup(t, name, why);
    if (code == REDW_OK)
        *out = t;
    else
        redwi_tls_free(t);
    ERR_clear_error();
    return code;
}

void redwi_tls_free(struct redwi_tls *t)
{
    if (t != NULL) {
        /* OpenSSL would not resume a session whose connection ended without close_notify; since TLS 1.1
         * nothing demands that (RFC 5246 7.2.1), and servers do just close. */
        if (t->agreed && !t->dead)
            SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(t->ssl);
        redwi_buf_free(&t->in);
        redwi_buf_free(&t->out);
        redwi_free(t->mem, t->name);
        redwi_free(t->mem, t);
    }
    ERR_clear_error();
}

/* ---- Ciphertext ---- */

uint8_t *redwi_tls_input(struct redwi_tls *t, size_t *room)
{
    size_t waiting = redwi_buf_len(&t->in);
    uint8_t *p;

    *room = 0;
    t->in.resting = false;
    if (waiting >= INPUT_MAX)
        return t->in.data + t->in.tail;
    p = redwi_buf_room(&t->in, t->bulk && waiting == 0 ? INPUT_MAX : RECORD_MAX, room);
    t->offered = *room;
    return p;
}

void redwi_tls_received(struct redwi_tls *t, size_t n)
{
    redwi_buf_added(&t->in, n);
    t->bulk = n == t->offered;
    if (n == 0 && t->in.shared)
        redwi_buf_rest(&t->in);
}

const uint8_t *redwi_tls_output(struct redwi_tls *t, size_t *n)
{
    *n = redwi_buf_len(&t->out);
    return redwi_buf_front(&t->out);
}

void redwi_tls_sent(struct redwi_tls *t, size_t n)
{
    redwi_buf_take(&t->out, n);
    if (redwi_buf_len(&t->out) > 0 || t->out.failed != 0)
        return;
    if (t->out.cap > (t->out.shared ? OUTPUT_SHARED : OUTPUT_KEPT))
        redwi_buf_free(&t->out);
    else if (t->out.shared)
        redwi_buf_rest(&t->out);
}

/* ---- What went wrong ---- */

static const struct redwi_err_spec tls_failure = {
    .code = REDW_ETLS,
    .cls = REDW_CLASS_CONNECTION_FAILED,
    .outcome = REDW_OUTCOME_NOT_SENT,
    .origin = REDW_ORIGIN_TLS,
};

static redw_error *not_trusted(const struct redwi_tls *t, long verdict)
{
    STACK_OF(X509) *chain = SSL_get0_verified_chain(t->ssl);
    const X509 *bad = t->bad_depth < sk_X509_num(chain) ? sk_X509_value(chain, t->bad_depth) : NULL;
    char about[640] = "not available";

    if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH) {
        if (bad != NULL)
            redwi_cert_names(about, sizeof about, bad);
        return redwi_err_make(t->mem, &tls_failure,
                              "the server's certificate is not for \"%.200s\"; it is for %s", t->name, about);
    }
    if (bad != NULL)
        redwi_cert_about(about, sizeof about, bad);
    return redwi_err_make(t->mem, &tls_failure, "the server's certificate is not trusted: %s (depth %d: %s)",
                          X509_verify_cert_error_string(verdict), t->bad_depth, about);
}

static redw_error *explain(const struct redwi_tls *t, const struct redwi_tls_failure *f, const char *doing)
{
    long verdict = SSL_get_verify_result(t->ssl);
    char room[128];

    if (f->no_memory || t->out.failed == REDW_ENOMEM || (f->unverified && verdict == X509_V_ERR_OUT_OF_MEM))
        return redwi_err_no_memory(REDW_OUTCOME_NOT_SENT);
    if (t->out.failed != 0)
        return redwi_err_make(t->mem, &tls_failure, "%s: the peer asks for more answers than it takes",
                              doing);
    if (f->unverified && verdict != X509_V_OK)
        return not_trusted(t, verdict);
    if (f->alert >= 0)
        return redwi_err_make(t->mem, &tls_failure, "%s: peer sent alert: %s", doing,
                              redwi_tls_alert_name(f->alert));
    return redwi_err_make(t->mem, &tls_failure, "%s: %s", doing,
                          redwi_tls_reason(f->ssl != 0 ? f->ssl : f->first, room));
}

static enum redwi_tls_status fail(struct redwi_tls *t, const char *doing, redw_error **why)
{
    struct redwi_tls_failure f = redwi_tls_take_errors();

    t->dead = true;
    if (t->resuming && !t->agreed) /* the sessions may be what the server stumbles over */
        redwi_tls_sessions_drop(&t->ctx->sessions);
    *why = explain(t, &f, doing);
    ERR_clear_error();
    return REDWI_TLS_FAILED;
}

/* Before a call of SSL: false, and *why set, if it must not be called any more. */
static bool begin(struct redwi_tls *t, const char *doing, redw_error **why)
{
    ERR_clear_error();
    if (!t->dead)
        return true;
    *why = redwi_err_make(t->mem, &tls_failure, "%s: TLS has failed before", doing);
    return false;
}

/* After a call of SSL, which returned ret. Output may have been lost even if SSL did not mind. */
static enum redwi_tls_status ended(struct redwi_tls *t, int ret, const char *doing, redw_error **why)
{
    int result = SSL_get_error(t->ssl, ret);

    if (t->out.failed != 0 ||
        (result != SSL_ERROR_NONE && result != SSL_ERROR_WANT_READ && result != SSL_ERROR_ZERO_RETURN))
        return fail(t, doing, why);
    ERR_clear_error();
    return result == SSL_ERROR_NONE        ? REDWI_TLS_DONE
           : result == SSL_ERROR_WANT_READ ? REDWI_TLS_WANT_INPUT
                                           : REDWI_TLS_END;
}

/* As ended(), for calls in which the peer has no business to end the stream. */
static enum redwi_tls_status completed(struct redwi_tls *t, int ret, const char *doing, redw_error **why)
{
    enum redwi_tls_status status = ended(t, ret, doing, why);

    if (status != REDWI_TLS_END)
        return status;
    t->dead = true;
    *why = redwi_err_make(t->mem, &tls_failure, "%s: the peer ended TLS", doing);
    return REDWI_TLS_FAILED;
}

/* ---- The handshake ---- */

static bool keep_session(const struct redwi_tls *t, SSL_SESSION *session)
{
    /* Not one made under files that have changed since. */
    return SSL_get_SSL_CTX(t->ssl) == t->ctx->ssl &&
           redwi_tls_sessions_put(&t->ctx->sessions, t->name, session, t->span);
}

/* Until TLS 1.2 the session is there with the handshake; without the extended master secret it is not
 * bound to it (RFC 7627). */
static void keep_session_of_tls12(const struct redwi_tls *t)
{
    SSL_SESSION *session = SSL_get1_session(t->ssl);

    if (session != NULL && SSL_SESSION_is_resumable(session) && SSL_get_extms_support(t->ssl) == 1 &&
        keep_session(t, session))
        return;
    SSL_SESSION_free(session);
}

/* From TLS 1.3 on sessions come later, as tickets. */
int redwi_tls_on_session(SSL *ssl, SSL_SESSION *session)
{
    const struct redwi_tls *t = SSL_get_app_data(ssl);

    return t != NULL && t->agreed && SSL_version(ssl) >= TLS1_3_VERSION && keep_session(t, session);
}

/* Whether there was a verification that succeeded, now or when the session that we offered was made. That
 * the handshake is done should say so; this does not rest on it. */
static bool is_trusted(const struct redwi_tls *t)
{
    if (!redwi_tls_verifies_chain(t->ctx->mode))
        return true;
    return SSL_get_verify_result(t->ssl) == X509_V_OK &&
           (SSL_session_reused(t->ssl) ? t->resuming : t->verified);
}

static bool is_alpn_ours(const struct redwi_tls *t)
{
    const unsigned char *chosen;
    unsigned n;

    SSL_get0_alpn_selected(t->ssl, &chosen, &n);
    return n == strlen(REDWI_TLS_ALPN) && memcmp(chosen, REDWI_TLS_ALPN, n) == 0;
}

/* The handshake is done: is it one to go on with? */
static enum redwi_tls_status agree(struct redwi_tls *t, redw_error **why)
{
    struct redwi_tls_ctx *ctx = t->ctx;
    const char *wrong = !is_trusted(t)                    ? "the server's certificate was not verified"
                        : ctx->direct && !is_alpn_ours(t) ? "the server did not choose the protocol "
                                                            "\"" REDWI_TLS_ALPN "\" (ALPN)"
                                                          : NULL;

    if (wrong != NULL) {
        t->dead = true;
        *why = redwi_err_make(t->mem, &tls_failure, "TLS handshake: %s", wrong);
        return REDWI_TLS_FAILED;
    }
    t->agreed = true;
    if (SSL_version(t->ssl) < TLS1_3_VERSION)
        keep_session_of_tls12(t);
    X509_free(ctx->last.cert);
    ctx->last.cert = SSL_get1_peer_certificate(t->ssl);
    ctx->last.version = SSL_get_version(t->ssl);
    ctx->last.cipher = SSL_get_cipher_name(t->ssl);
    ctx->last.resumed = SSL_session_reused(t->ssl);
    ERR_clear_error();
    return REDWI_TLS_DONE;
}

enum redwi_tls_status redwi_tls_handshake(struct redwi_tls *t, redw_error **why)
{
    enum redwi_tls_status status;

    if (!begin(t, "TLS handshake", why))
        return REDWI_TLS_FAILED;
    status = completed(t, SSL_do_handshake(t->ssl), "TLS handshake", why);
    return status == REDWI_TLS_DONE && !t->agreed ? agree(t, why) : status;
}

/* ---- Plaintext ---- */

enum redwi_tls_status redwi_tls_read(struct redwi_tls *t, void *buf, size_t cap, size_t *got,
                                     redw_error **why)
{
    *got = 0;
    if (!begin(t, "TLS read", why))
        return REDWI_TLS_FAILED;
    return ended(t, SSL_read_ex(t->ssl, buf, cap, got), "TLS read", why);
}

/* One record a time, and room for it first: so the bound holds, and memory runs out before a record is
 * begun rather than within. */
enum redwi_tls_status redwi_tls_write(struct redwi_tls *t, const void *p, size_t n, size_t *took,
                                      redw_error **why)
{
    const char *text = p;
    enum redwi_tls_status status = REDWI_TLS_DONE;

    *took = 0;
    if (!begin(t, "TLS write", why))
        return REDWI_TLS_FAILED;
    while (status == REDWI_TLS_DONE && *took < n && redwi_buf_len(&t->out) < OUTPUT_MAX) {
        size_t left = n - *took, wrote = 0, room;
        size_t part = left < RECORD_TEXT ? left : RECORD_TEXT;

        if (redwi_buf_room(&t->out, part + RECORD_EXTRA, &room) == NULL)
            return fail(t, "TLS write", why);
        status = completed(t, SSL_write_ex(t->ssl, text + *took, part, &wrote), "TLS write", why);
        *took += wrote;
    }
    return status == REDWI_TLS_WANT_INPUT && *took > 0 ? REDWI_TLS_DONE : status;
}

void redwi_tls_shutdown(struct redwi_tls *t)
{
    ERR_clear_error();
    if (!t->dead && SSL_is_init_finished(t->ssl))
        (void)SSL_shutdown(t->ssl);
    ERR_clear_error();
}

/* ---- What was agreed ---- */

size_t redwi_tls_end_point(const struct redwi_tls *t, uint8_t out[64])
{
    X509 *cert = SSL_get0_peer_certificate(t->ssl);
    unsigned int n = 0;
    int nid = NID_undef;
    const EVP_MD *hash = NULL;

    /* RFC 5929 4.1: MD5 and SHA-1 become SHA-256; a signature without a hash (EdDSA) binds nothing. */
    if (cert != NULL && X509_get_signature_info(cert, &nid, NULL, NULL, NULL) && nid != NID_undef)
        hash = nid == NID_md5 || nid == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(nid);
    if (hash == NULL || EVP_MD_get_size(hash) > 64 || !X509_digest(cert, hash, out, &n))
        n = 0;
    ERR_clear_error();
    return n;
}

const char *redwi_tls_version(const struct redwi_tls *t)
{
    return SSL_get_version(t->ssl);
}

const char *redwi_tls_cipher(const struct redwi_tls *t)
{
    return SSL_get_cipher_name(t->ssl);
}
