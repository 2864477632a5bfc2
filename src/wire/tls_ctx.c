/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all connections of a client share: policy, roots, client certificate, kept sessions.
 *
 * Files are read when the context is made and again when one has changed: each new filter looks at them
 * first (one stat a file). Changed means another device, inode, size, or time of modification or status;
 * so a file that is moved into place is noticed always, one rewritten in place unless size and both times
 * stay. What cannot be used fails that connection and leaves all as it was, to be tried by the next: never
 * are roots used that are no longer there.
 *
 * This is the one place of this floor that touches the system. Files on a slow disk hold up the loop.
 */
#include "wire/tls_ctx.h"

#include "wire/mem.h"
#include "wire/tls_cert.h"
#include "wire/tls_err.h"
#include <redw/client.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECURITY_LEVEL = 2,       /* 112 bits: no RSA below 2,048, no SHA-1 signatures */
    KEY_FILE_MAX = 64 * 1024, /* bytes; keys have a few thousand */
};

/* ---- Looking at files ---- */

static const char *path_of(const struct redwi_tls_ctx *ctx, enum redwi_tls_file which)
{
    const char *set;

    if (which <= REDWI_TLS_KEY_FILE)
        return ctx->paths[which];
    if (!ctx->system_roots || !redwi_tls_verifies_chain(ctx->mode))
        return NULL;
    if (which == REDWI_TLS_SYSTEM_FILE) {
        set = secure_getenv(X509_get_default_cert_file_env());
        return set != NULL ? set : X509_get_default_cert_file();
    }
    set = secure_getenv(X509_get_default_cert_dir_env());
    return set != NULL ? set : X509_get_default_cert_dir();
}

/* What is not there looks like nothing: all zeroes. */
static void look_at_files(const struct redwi_tls_ctx *ctx, struct stat seen[REDWI_TLS_FILES])
{
    for (int i = 0; i < REDWI_TLS_FILES; i++) {
        const char *path = path_of(ctx, (enum redwi_tls_file)i);

        if (path == NULL || stat(path, &seen[i]) != 0)
            seen[i] = (struct stat){0};
    }
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_files(const struct stat a[REDWI_TLS_FILES], const struct stat b[REDWI_TLS_FILES])
{
    for (int i = 0; i < REDWI_TLS_FILES; i++) {
        if (a[i].st_dev != b[i].st_dev || a[i].st_ino != b[i].st_ino || a[i].st_size != b[i].st_size ||
            !same_time(a[i].st_mtim, b[i].st_mtim) || !same_time(a[i].st_ctim, b[i].st_ctim))
            return false;
    }
    return true;
}

/* ---- Roots ---- */

/* A file that was named must be usable, even if this mode verifies nothing. */
static int load_roots(const struct redwi_tls_ctx *ctx, SSL_CTX *ssl, struct redw_diag *why)
{
    const char *ca_file = ctx->paths[REDWI_TLS_CA_FILE];

    if (ca_file != NULL && !SSL_CTX_load_verify_file(ssl, ca_file))
        return redwi_tls_refused("CA file ", ca_file, why);
    if (ctx->system_roots && redwi_tls_verifies_chain(ctx->mode) && !SSL_CTX_set_default_verify_paths(ssl))
        return redwi_tls_refused("system roots", "", why);
    return REDW_OK;
}

/* ---- The client's certificate ---- */

/* OpenSSL's own would ask at the terminal, and wait. */
static int no_passphrase(char *buf, int size, int writing, void *asked)
{
    (void)buf, (void)size, (void)writing;
    if (asked != NULL)
        *(bool *)asked = true;
    return -1;
}

static int key_refused(const char *path, const char *reason, struct redw_diag *why)
{
    return redwi_tls_why(why, REDW_ETLS, "key file %s: %s", path, reason);
}

static int key_unreadable(const char *path, int sys_errno, struct redw_diag *why)
{
    char room[128];

    if (sys_errno == ENOMEM)
        return redwi_tls_no_memory(why);
    return key_refused(path, strerror_r(sys_errno, room, sizeof room), why);
}

/* As libpq: nobody else may read it, but for a group of root's choice. */
static bool is_private(const struct stat *st)
{
    mode_t others = st->st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;

    return (st->st_mode & others) == 0;
}

/* The file into text, which has room for KEY_FILE_MAX + 1 bytes and is the caller's to wipe. Not through
 * stdio's buffer, which nobody would wipe. */
static int read_key(const char *path, char *text, size_t *n, struct redw_diag *why)
{
    struct stat st;
    FILE *f;

    if (stat(path, &st) != 0)
        return key_unreadable(path, errno, why);
    if (!S_ISREG(st.st_mode)) /* to open a pipe would wait for its other end */
        return key_refused(path, "is not a regular file", why);
    if (!is_private(&st))
        return key_refused(path, "others may read it; its permissions must be 0600 (or 0640 if it is root's)",
                           why);
    f = fopen(path, "re");
    if (f == NULL)
        return key_unreadable(path, errno, why);
    setvbuf(f, NULL, _IONBF, 0);
    *n = fread(text, 1, KEY_FILE_MAX + 1, f);
    fclose(f);
    return *n <= KEY_FILE_MAX ? REDW_OK : key_refused(path, "is too long for a key", why);
}

static int use_key(SSL_CTX *ssl, const char *path, const char *text, size_t n, struct redw_diag *why)
{
    bool asked = false;
    BIO *bio = BIO_new_mem_buf(text, (int)n);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked) : NULL;
    int code = REDW_OK;

    if (key == NULL && asked)
        code = key_refused(path, "is locked by a passphrase, which is not supported", why);
    else if (key == NULL || !SSL_CTX_use_PrivateKey(ssl, key))
        code = redwi_tls_refused("key file ", path, why);
    EVP_PKEY_free(key);
    BIO_free(bio);
    return code;
}

static int load_key(const struct redwi_tls_ctx *ctx, SSL_CTX *ssl, struct redw_diag *why)
{
    const char *path = ctx->paths[REDWI_TLS_KEY_FILE];
    char *text = redwi_alloc(ctx->mem, KEY_FILE_MAX + 1);
    size_t n = 0;
    int code;

    if (text == NULL)
        return redwi_tls_no_memory(why);
    code = read_key(path, text, &n, why);
    if (code == REDW_OK)
        code = use_key(ssl, path, text, n, why);
    redwi_wipe(text, n);
    redwi_free(ctx->mem, text);
    return code;
}

static int load_identity(const struct redwi_tls_ctx *ctx, SSL_CTX *ssl, struct redw_diag *why)
{
    const char *path = ctx->paths[REDWI_TLS_CERT_FILE];
    int code;

    if (path == NULL)
        return REDW_OK;
    SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
    if (!SSL_CTX_use_certificate_chain_file(ssl, path))
        return redwi_tls_refused("certificate file ", path, why);
    code = load_key(ctx, ssl, why);
    return code == REDW_OK && !SSL_CTX_check_private_key(ssl)
               ? redwi_tls_refused("key file ", ctx->paths[REDWI_TLS_KEY_FILE], why)
               : code;
}

/* ---- Policy ---- */

/* The machine's own policy (openssl.cnf) may be stricter than ours, and stays so. */
static bool set_policy(const struct redwi_tls_ctx *ctx, SSL_CTX *ssl)
{
    static const unsigned char alpn[] = "\x0a" REDWI_TLS_ALPN;

    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /* A write that must be repeated may come from another place; idle connections hold no buffers. */
    SSL_CTX_set_mode(ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl, redwi_tls_on_session);
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ssl, redwi_tls_verify, NULL);
    if (SSL_CTX_get_security_level(ssl) < SECURITY_LEVEL)
        SSL_CTX_set_security_level(ssl, SECURITY_LEVEL);
    if (ctx->direct && SSL_CTX_set_alpn_protos(ssl, alpn, sizeof alpn - 1) != 0) /* 0: done */
        return false;
    return SSL_CTX_get_min_proto_version(ssl) >= TLS1_2_VERSION ||
           SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
}

static int setup_ssl_ctx(const struct redwi_tls_ctx *ctx, SSL_CTX *ssl, struct redw_diag *why)
{
    int code;

    if (ssl == NULL || !set_policy(ctx, ssl))
        return redwi_tls_refused("OpenSSL", "", why);
    code = load_roots(ctx, ssl, why);
    return code != REDW_OK ? code : load_identity(ctx, ssl, why);
}

int redwi_tls_ctx_refresh(struct redwi_tls_ctx *ctx, struct redw_diag *why)
{
    struct stat seen[REDWI_TLS_FILES];
    SSL_CTX *ssl;
    int code;

    look_at_files(ctx, seen);
    if (ctx->ssl != NULL && same_files(seen, ctx->seen))
        return REDW_OK;
    ssl = SSL_CTX_new(TLS_client_method());
    code = setup_ssl_ctx(ctx, ssl, why);
    if (code != REDW_OK) {
        SSL_CTX_free(ssl);
        return code;
    }
    redwi_tls_sessions_drop(&ctx->sessions);
    SSL_CTX_free(ctx->ssl); /* connections that are open keep theirs */
    ctx->ssl = ssl;
    memcpy(ctx->seen, seen, sizeof seen);
    return REDW_OK;
}

/* ---- Making a context ---- */

static int copy_path(struct redwi_tls_ctx *ctx, enum redwi_tls_file which, const char *path)
{
    if (path == NULL)
        return REDW_OK;
    ctx->paths[which] = redwi_copy_text(ctx->mem, path, strlen(path));
    return ctx->paths[which] != NULL ? REDW_OK : REDW_ENOMEM;
}

static int setup_ctx(struct redwi_tls_ctx *ctx, const struct redwi_tls_config *config, struct redw_diag *why)
{
    if (copy_path(ctx, REDWI_TLS_CA_FILE, config->ca_file) != REDW_OK ||
        copy_path(ctx, REDWI_TLS_CERT_FILE, config->cert_file) != REDW_OK ||
        copy_path(ctx, REDWI_TLS_KEY_FILE, config->cert_file != NULL ? config->key_file : NULL) != REDW_OK)
        return redwi_tls_no_memory(why);
    ctx->bio = redwi_tls_bio_method();
    if (ctx->bio == NULL)
        return redwi_tls_refused("OpenSSL", "", why);
    return redwi_tls_ctx_refresh(ctx, why);
}

int redwi_tls_ctx_create(struct redwi_tls_ctx **out, const struct redw_allocator *mem,
                         const struct redwi_tls_config *config, struct redw_diag *why)
{
    struct redwi_tls_ctx *ctx = redwi_alloc_array(mem, 1, sizeof *ctx);
    int code;

    *out = NULL;
    ERR_clear_error();
    if (ctx == NULL)
        return redwi_tls_no_memory(why);
    ctx->mem = ctx->sessions.mem = mem;
    ctx->mode = config->mode;
    ctx->system_roots = config->system_roots;
    ctx->direct = config->direct;
    ctx->buffers = config->buffers;
    code = setup_ctx(ctx, config, why);
    if (code == REDW_OK)
        *out = ctx;
    else
        redwi_tls_ctx_free(ctx);
    ERR_clear_error();
    return code;
}

void redwi_tls_ctx_free(struct redwi_tls_ctx *ctx)
{
    if (ctx != NULL) {
        X509_free(ctx->last.cert);
        redwi_tls_sessions_drop(&ctx->sessions);
        SSL_CTX_free(ctx->ssl);
        BIO_meth_free(ctx->bio);
        for (int i = 0; i <= REDWI_TLS_KEY_FILE; i++)
            redwi_free(ctx->mem, ctx->paths[i]);
        redwi_free(ctx->mem, ctx);
    }
    ERR_clear_error();
}

int redwi_tls_ctx_facts(const struct redwi_tls_ctx *ctx, struct redw_tls_facts *out)
{
    bool known;

    ERR_clear_error();
    if (ctx->last.cert == NULL)
        return REDW_ENOENT;
    snprintf(out->version, sizeof out->version, "%s", ctx->last.version);
    snprintf(out->cipher, sizeof out->cipher, "%s", ctx->last.cipher);
    out->resumed = ctx->last.resumed;
    known = redwi_cert_facts(out, ctx->last.cert);
    ERR_clear_error();
    return known ? REDW_OK : REDW_ENOMEM;
}
