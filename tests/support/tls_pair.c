/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tls_pair.h"

#include "wire/mem.h"

#include <check.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Memory that fails on demand: OpenSSL's and ours, by one counter ---- */

struct tls_memory tls_memory;

static bool refused(void)
{
    if (!tls_memory.inside)
        return false;
    tls_memory.calls++;
    return tls_memory.calls == tls_memory.fail_at ||
           (tls_memory.forever && tls_memory.fail_at > 0 && tls_memory.calls > tls_memory.fail_at);
}

static void *ours_resize(void *ctx, void *p, size_t n)
{
    void *q = refused() ? NULL : realloc(p, n);

    (void)ctx;
    if (p == NULL && q != NULL)
        tls_memory.live++;
    return q;
}

static void *ours_alloc(void *ctx, size_t n)
{
    return ours_resize(ctx, NULL, n);
}

static void ours_release(void *ctx, void *p)
{
    (void)ctx;
    if (p != NULL)
        tls_memory.live--;
    free(p);
}

static const struct redw_allocator allocator = {
    .size = sizeof allocator, .alloc = ours_alloc, .resize = ours_resize, .release = ours_release};

static void *ssl_resize(void *p, size_t n, const char *file, int line)
{
    void *q;

    (void)file, (void)line;
    if (n == 0) {
        tls_memory.ssl_live -= p != NULL;
        free(p);
        return NULL;
    }
    q = refused() ? NULL : realloc(p, n);
    if (p == NULL && q != NULL)
        tls_memory.ssl_live++;
    return q;
}

static void *ssl_alloc(size_t n, const char *file, int line)
{
    return ssl_resize(NULL, n, file, line);
}

static void ssl_release(void *p, const char *file, int line)
{
    (void)file, (void)line;
    tls_memory.ssl_live -= p != NULL;
    free(p);
}

void tls_count_openssl(void)
{
    if (CRYPTO_set_mem_functions(ssl_alloc, ssl_resize, ssl_release))
        return;
    fprintf(stderr, "tls_pair: OpenSSL has allocated already\n");
    exit(1);
}

/* ---- Root and server certificate ---- */

struct cert *tls_ca, *tls_leaf;
const char *tls_ca_path;

static void free_certs(void)
{
    cert_free(tls_ca);
    cert_free(tls_leaf);
}

void tls_begin(void)
{
    tls_ca = cert_make(&(struct cert_spec){.ca = true, .cn = "Test CA"});
    tls_leaf = cert_make(&(struct cert_spec){.issuer = tls_ca});
    tls_ca_path = cert_path("ca.crt");
    cert_write(tls_ca_path, NULL, tls_ca, NULL);
    atexit(free_certs);
}

/* ---- The filter's calls, between a poisoned queue and an empty one ---- */

static void enter(void)
{
    ERR_raise(ERR_LIB_SSL, SSL_R_CERTIFICATE_VERIFY_FAILED);
    ERR_raise(ERR_LIB_SSL, SSL_AD_REASON_OFFSET + SSL_AD_ACCESS_DENIED);
    ERR_raise(ERR_LIB_RSA, ERR_R_MALLOC_FAILURE);
    tls_memory.inside = true;
}

static void leave(void)
{
    tls_memory.inside = false;
    ck_assert_uint_eq(ERR_peek_error(), 0);
}

int tls_make_ctx_of(struct redwi_tls_ctx **out, const struct redwi_tls_config *config, struct redw_diag *why)
{
    int code;

    enter();
    code = redwi_tls_ctx_create(out, &allocator, config, why);
    leave();
    ck_assert_int_eq(code != 0, *out == NULL);
    return code;
}

int tls_make_ctx(struct redwi_tls_ctx **out, enum redwi_tls_mode mode, const char *ca_file,
                 struct redw_diag *why)
{
    bool system = ca_file != NULL && strcmp(ca_file, "system") == 0;

    return tls_make_ctx_of(out,
                           &(struct redwi_tls_config){
                               .mode = mode, .ca_file = system ? NULL : ca_file, .system_roots = system},
                           why);
}

void tls_free_ctx(struct redwi_tls_ctx *ctx)
{
    enter();
    redwi_tls_ctx_free(ctx);
    leave();
}

struct redw_diag tls_why;

int tls_make(struct redwi_tls **out, struct redwi_tls_ctx *ctx, const char *name, int64_t wall_us)
{
    int code;

    enter();
    tls_why = (struct redw_diag){0};
    code = redwi_tls_create(out, ctx, name, wall_us, &tls_why);
    leave();
    ck_assert_int_eq(tls_why.code, code);
    ck_assert_int_eq(tls_why.text[0] != '\0', code != 0);
    ck_assert_int_eq(code != 0, *out == NULL);
    return code;
}

static void forget(struct tls_pair *p)
{
    redw_error_release(p->why);
    p->why = NULL;
}

static void check_why(enum redwi_tls_status status, const redw_error *why)
{
    ck_assert_int_eq(status == REDWI_TLS_FAILED, why != NULL);
    if (why == NULL || redw_error_code(why) == REDW_ENOMEM)
        return;
    ck_assert_int_eq(redw_error_code(why), REDW_ETLS);
    ck_assert_int_eq(redw_error_origin(why), REDW_ORIGIN_TLS);
    ck_assert_int_eq(redw_error_class(why), REDW_CLASS_CONNECTION_FAILED);
    ck_assert_int_eq(redw_error_outcome(why), REDW_OUTCOME_NOT_SENT);
}

enum redwi_tls_status tls_handshake(struct tls_pair *p)
{
    enum redwi_tls_status status;

    forget(p);
    enter();
    status = redwi_tls_handshake(p->t, &p->why);
    leave();
    check_why(status, p->why);
    return status;
}

enum redwi_tls_status tls_read(struct tls_pair *p, void *buf, size_t cap, size_t *got)
{
    enum redwi_tls_status status;

    forget(p);
    enter();
    status = redwi_tls_read(p->t, buf, cap, got, &p->why);
    leave();
    check_why(status, p->why);
    ck_assert_int_eq(status == REDWI_TLS_DONE, *got > 0);
    return status;
}

enum redwi_tls_status tls_write(struct tls_pair *p, const void *buf, size_t n, size_t *took)
{
    enum redwi_tls_status status;

    forget(p);
    enter();
    status = redwi_tls_write(p->t, buf, n, took, &p->why);
    leave();
    check_why(status, p->why);
    return status;
}

void tls_shutdown(struct tls_pair *p)
{
    enter();
    redwi_tls_shutdown(p->t);
    leave();
}

size_t tls_end_point(struct tls_pair *p, uint8_t out[64])
{
    size_t n;

    enter();
    n = redwi_tls_end_point(p->t, out);
    leave();
    return n;
}

void tls_end_pair(struct tls_pair *p)
{
    enter();
    redwi_tls_free(p->t);
    leave();
    tls_peer_free(p->peer);
    redw_error_release(p->why);
    *p = (struct tls_pair){0};
}

int tls_facts(const struct redwi_tls_ctx *ctx, struct redw_tls_facts *out)
{
    int code;

    enter();
    code = redwi_tls_ctx_facts(ctx, out);
    leave();
    return code;
}

/* ---- Carrying ciphertext ---- */

size_t tls_to_peer(struct tls_pair *p, size_t step)
{
    size_t n;
    const uint8_t *out = redwi_tls_output(p->t, &n);

    n = n < step ? n : step;
    if (n > 0) {
        tls_peer_feed(p->peer, out, n);
        redwi_tls_sent(p->t, n);
    }
    return n;
}

long tls_from_peer(struct tls_pair *p, size_t step)
{
    size_t room, n;
    uint8_t *in;

    tls_memory.inside = true;
    in = redwi_tls_input(p->t, &room);
    tls_memory.inside = false;
    if (in == NULL)
        return -1;
    n = tls_peer_take(p->peer, in, room < step ? room : step);
    redwi_tls_received(p->t, n);
    return (long)n;
}

enum redwi_tls_status tls_connect(struct tls_pair *p, size_t step)
{
    enum redwi_tls_status status;

    for (;;) {
        long got;

        status = tls_handshake(p);
        if (status == REDWI_TLS_FAILED)
            break;
        while (tls_to_peer(p, step) > 0)
            ;
        if (status == REDWI_TLS_DONE)
            return status;
        got = tls_from_peer(p, step);
        if (got < 0)
            return REDWI_TLS_FAILED;
        if (got == 0)
            return REDWI_TLS_WANT_INPUT; /* and the server has no more to say */
    }
    while (tls_to_peer(p, step) > 0) /* the alert */
        ;
    return status;
}

/* ---- Pairs ---- */

struct redwi_tls_ctx *tls_full_ctx(void)
{
    struct redwi_tls_ctx *ctx;
    struct redw_diag why;

    ck_assert_msg(tls_make_ctx(&ctx, REDWI_TLS_VERIFY_FULL, tls_ca_path, &why) == 0, "%s", why.text);
    return ctx;
}

struct tls_pair tls_start_pair(struct redwi_tls_ctx *ctx, const char *name,
                               const struct tls_peer_config *config)
{
    struct tls_pair p = {.peer = tls_peer_new(config)};

    ck_assert_int_eq(tls_make(&p.t, ctx, name, CERT_NOW_US), 0);
    return p;
}

struct tls_pair tls_open_pair(struct redwi_tls_ctx *ctx, int version)
{
    struct tls_pair p = tls_start_pair(
        ctx, "localhost",
        &(struct tls_peer_config){.cert = tls_leaf, .min_version = version, .max_version = version});

    ck_assert_msg(tls_connect(&p, TLS_ANY) == REDWI_TLS_DONE, "%s", redw_error_message(p.why));
    ck_assert(tls_peer_is_open(p.peer));
    return p;
}

void tls_expect_message(const struct tls_pair *p, const char *part)
{
    ck_assert_msg(strstr(redw_error_message(p->why), part) != NULL, "\"%s\" is not in: %s", part,
                  redw_error_message(p->why));
}

size_t tls_read_all(struct tls_pair *p, uint8_t *buf, size_t cap)
{
    size_t total = 0, got;
    enum redwi_tls_status status;

    while ((status = tls_read(p, buf + total, cap - total, &got)) == REDWI_TLS_DONE)
        total += got;
    ck_assert_msg(status == REDWI_TLS_WANT_INPUT, "%s", redw_error_message(p->why));
    return total;
}
