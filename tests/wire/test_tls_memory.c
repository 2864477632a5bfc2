/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS filter when an allocation fails, its own or OpenSSL's: nothing crashes or leaks, the failure is
 * reported, and above all nobody is trusted who would not be trusted otherwise.
 */
#include "support/tls_pair.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is tried while the n-th allocation fails. */
struct trial {
    const char *what;
    const char *name;        /* the server is asked for */
    const struct cert *cert; /* and answers with */
    bool trusted;
    bool resumed;            /* by the session of a connection before, in which nothing fails */
    struct tls_peer *like;   /* a server with that certificate */
};

/* Later than any session is kept: the next handshake is a full one. */
static int64_t now_us = CERT_NOW_US;
static void let_sessions_expire(void)
{
    now_us += INT64_C(7200) * 1000000;
}

static bool is_code(int code)
{
    return code == REDW_OK || code == REDW_ENOMEM || code == REDW_ETLS;
}

/* After the handshake: data both ways, with the messages of TLS 1.3 that need memory in between. */
static void exchange(struct tls_pair *p)
{
    uint8_t buf[64];
    size_t n;

    tls_end_point(p, buf);
    tls_peer_key_update(p->peer, true);
    tls_peer_ticket(p->peer);
    tls_peer_write(p->peer, "data", 4);
    if (tls_from_peer(p, TLS_ANY) <= 0 || tls_read(p, buf, sizeof buf, &n) != REDWI_TLS_DONE)
        return;
    ck_assert_mem_eq(buf, "data", 4);
    if (tls_write(p, "more", 4, &n) != REDWI_TLS_DONE)
        return;
    tls_to_peer(p, TLS_ANY);
    ck_assert_uint_eq(tls_peer_read(p->peer, buf, sizeof buf), 4);
    ck_assert_mem_eq(buf, "more", 4);
    tls_shutdown(p);
    tls_to_peer(p, TLS_ANY);
}

/* One connection as far as memory allows; whether the server was trusted. *hello: allocations up to and
 * with the ClientHello. */
static bool run(struct redwi_tls_ctx *ctx, const struct trial *trial, long *hello)
{
    struct tls_pair p = {0};
    bool trusted = false;
    int code = tls_make(&p.t, ctx, trial->name, now_us);

    ck_assert(is_code(code));
    if (code == REDW_OK) {
        p.peer = tls_peer_new(&(struct tls_peer_config){.like = trial->like});
        tls_handshake(&p);
        *hello = tls_memory.calls;
        trusted = tls_connect(&p, TLS_ANY) == REDWI_TLS_DONE;
        if (trusted)
            exchange(&p);
    }
    tls_end_pair(&p);
    return trusted;
}

/* What comes before a trial: sessions that are too old, or one that is not. */
static void prepare(struct redwi_tls_ctx *ctx, const struct trial *trial)
{
    long fail_at = tls_memory.fail_at, ignored;

    tls_memory.fail_at = 0;
    let_sessions_expire();
    if (trial->resumed)
        ck_assert(run(ctx, trial, &ignored));
    tls_memory.fail_at = fail_at;
    tls_memory.calls = 0;
}

static bool was_resumed(const struct redwi_tls_ctx *ctx)
{
    struct redw_tls_facts facts;

    return tls_facts(ctx, &facts) == REDW_OK && facts.resumed;
}

/* Fails each allocation of the trial in turn, or every step-th with all behind it. Of a trial that must be
 * refused only those from the server's answer on, which could turn a no into a yes, and in TLS 1.2, where
 * they are fewer. */
static void fail_each(struct redwi_tls_ctx *ctx, struct trial *trial, bool forever, long step)
{
    long live, total, hello, ignored;

    tls_memory.fail_at = 0;
    tls_memory.forever = forever;
    trial->like = tls_peer_new(&(struct tls_peer_config){
        .cert = trial->cert, .max_version = trial->trusted ? TLS1_3_VERSION : TLS1_2_VERSION});
    run(ctx, trial, &ignored); /* what OpenSSL sets up once */
    live = tls_memory.live;
    prepare(ctx, trial);
    ck_assert_int_eq(run(ctx, trial, &hello), trial->trusted);
    if (trial->trusted)
        ck_assert_int_eq(was_resumed(ctx), trial->resumed);
    total = tls_memory.calls;
    ck_assert_int_gt(total - hello, 100);
    for (long n = trial->trusted ? 1 : hello + 1; n <= total; n += step) {
        bool trusted;

        tls_memory.fail_at = n;
        prepare(ctx, trial);
        trusted = run(ctx, trial, &ignored);
        ck_assert_msg(trial->trusted || !trusted, "%s: trusted when allocation %ld fails", trial->what, n);
        ck_assert_msg(tls_memory.live <= live, "%s: leak when allocation %ld fails", trial->what, n);
    }
    tls_memory.fail_at = 0;
    prepare(ctx, trial);
    ck_assert_int_eq(run(ctx, trial, &ignored), trial->trusted);
    tls_peer_free(trial->like);
}

START_TEST(any_allocation_of_a_connection_may_fail)
{
    struct trial good = {"good", "localhost", tls_leaf, true, false, NULL};
    struct redwi_tls_ctx *ctx = tls_full_ctx();

    fail_each(ctx, &good, false, 1);
    fail_each(ctx, &good, true, 7);
    tls_free_ctx(ctx);
    ck_assert_int_eq(tls_memory.live, 0);
}
END_TEST

START_TEST(any_allocation_of_a_resumed_connection_may_fail)
{
    struct trial resumed = {"resumed", "localhost", tls_leaf, true, true, NULL};
    struct redwi_tls_ctx *ctx = tls_full_ctx();

    fail_each(ctx, &resumed, false, 1);
    tls_free_ctx(ctx);
    ck_assert_int_eq(tls_memory.live, 0);
}
END_TEST

START_TEST(no_failed_allocation_makes_a_bad_certificate_pass)
{
    struct cert *expired = cert_make(&(struct cert_spec){.issuer = tls_ca, .not_after = CERT_NOW - 1});
    struct cert *client = cert_make(&(struct cert_spec){.issuer = tls_ca, .eku = "clientAuth"});
    struct cert *self_signed = cert_make(&(struct cert_spec){0});
    struct trial trials[] = {
        {"other name", "other.example", tls_leaf, false, false, NULL},
        {"other address", "127.0.0.2", tls_leaf, false, false, NULL},
        {"expired", "localhost", expired, false, false, NULL},
        {"EKU of a client", "localhost", client, false, false, NULL},
        {"self-signed", "localhost", self_signed, false, false, NULL},
    };
    struct redwi_tls_ctx *ctx = tls_full_ctx();

    for (size_t i = 0; i < sizeof trials / sizeof trials[0]; i++)
        fail_each(ctx, &trials[i], false, i < 2 ? 1 : 5); /* the name is what OpenSSL has lost before */
    tls_free_ctx(ctx);
    cert_free(expired);
    cert_free(client);
    cert_free(self_signed);
}
END_TEST

START_TEST(lack_of_memory_is_reported_as_such)
{
    struct redwi_tls_ctx *ctx = tls_full_ctx();
    struct tls_pair p = tls_open_pair(ctx, TLS1_3_VERSION);
    static const char much[100000];
    struct redwi_tls *other;
    size_t took;

    tls_memory.calls = 0;
    tls_memory.fail_at = 1;
    tls_memory.forever = true;
    ck_assert_int_eq(tls_write(&p, much, sizeof much, &took), REDWI_TLS_FAILED);
    ck_assert_int_eq(redw_error_code(p.why), REDW_ENOMEM);
    ck_assert_int_gt(tls_from_peer(&p, TLS_ANY), 0); /* the tickets: there is room from before */
    tls_memory.fail_at = 0;
    tls_end_pair(&p);

    ck_assert_int_eq(tls_make(&p.t, ctx, "localhost", CERT_NOW_US), REDW_OK);
    tls_memory.fail_at = 1;
    ck_assert_int_eq(tls_handshake(&p), REDWI_TLS_FAILED);
    ck_assert_int_eq(redw_error_code(p.why), REDW_ENOMEM);
    ck_assert_int_eq(tls_from_peer(&p, TLS_ANY), -1);
    ck_assert_int_eq(tls_make(&other, ctx, "localhost", CERT_NOW_US), REDW_ENOMEM);
    tls_memory.fail_at = 0;
    tls_end_pair(&p);
    tls_free_ctx(ctx);
    ck_assert_int_eq(tls_memory.live, 0);
}
END_TEST

/* With client certificate and direct TLS: all that a context can have. Reading the key is thousands of
 * allocations in OpenSSL's decoders: of these some. */
static const struct redwi_tls_config *full_config(void)
{
    static struct redwi_tls_config config;

    config = (struct redwi_tls_config){.mode = REDWI_TLS_VERIFY_FULL,
                                       .ca_file = tls_ca_path,
                                       .system_roots = true,
                                       .cert_file = cert_path("client.crt"),
                                       .key_file = cert_path("client.key"),
                                       .direct = true};
    return &config;
}

START_TEST(any_allocation_of_a_context_may_fail)
{
    struct redwi_tls_ctx *ctx;
    long total;

    cert_write(cert_path("client.crt"), cert_path("client.key"), tls_leaf, tls_ca);
    setenv("SSL_CERT_FILE", tls_ca_path, 1); /* short, as the system's own is not */
    setenv("SSL_CERT_DIR", "/nowhere", 1);
    ck_assert_int_eq(tls_make_ctx_of(&ctx, full_config(), NULL), 0);
    tls_free_ctx(ctx);
    tls_memory.calls = 0;
    ck_assert_int_eq(tls_make_ctx_of(&ctx, full_config(), NULL), 0);
    total = tls_memory.calls;
    tls_free_ctx(ctx);
    for (long n = 1; n <= total; n += n < 500 ? 1 : 13) {
        struct redw_diag why = {0};
        int code;

        tls_memory.calls = 0;
        tls_memory.fail_at = n;
        code = tls_make_ctx_of(&ctx, full_config(), &why);
        ck_assert(is_code(code));
        ck_assert_int_eq(why.code, code);
        ck_assert_int_eq(why.text[0] != '\0', code != REDW_OK);
        tls_free_ctx(ctx);
        ck_assert_msg(tls_memory.live == 0, "leak when allocation %ld fails", n);
    }
    tls_memory.fail_at = 0;
}
END_TEST

/* The roots change to some that do not know the server: whatever fails while they are read, it must not be
 * trusted by the old ones, and the next connection is judged by the new. */
START_TEST(any_allocation_may_fail_while_changed_roots_are_read)
{
    struct cert *other = cert_make(&(struct cert_spec){.ca = true, .cn = "Other CA"});
    struct tls_peer *like = tls_peer_new(&(struct tls_peer_config){.cert = tls_leaf});
    struct trial trial = {"old roots", "localhost", tls_leaf, false, false, like};
    const char *path = cert_path("changing.crt");
    long ignored, hello, total = 1; /* allocations until the ClientHello: the roots' */

    for (long n = 0; n <= total; n += n < 30 ? 1 : 3) {
        struct redwi_tls_ctx *ctx;
        struct redw_diag why;
        bool failed;

        tls_memory.fail_at = 0;
        cert_write(path, NULL, tls_ca, NULL);
        ck_assert_msg(tls_make_ctx(&ctx, REDWI_TLS_VERIFY_FULL, path, &why) == 0, "%s", why.text);
        if (n == 0)
            ck_assert(run(ctx, &trial, &ignored));
        cert_write(cert_path("new.crt"), NULL, other, NULL);
        ck_assert_int_eq(rename(cert_path("new.crt"), path), 0);
        tls_memory.calls = 0;
        tls_memory.fail_at = n;
        failed = !run(ctx, &trial, &hello);
        if (n == 0)
            total = hello;
        ck_assert_msg(failed, "trusted by the old roots when allocation %ld fails", n);
        tls_memory.fail_at = 0;
        if (n % 4 == 0)
            ck_assert(!run(ctx, &trial, &ignored));
        tls_free_ctx(ctx);
        ck_assert_msg(tls_memory.live == 0, "leak when allocation %ld fails", n);
    }
    ck_assert_int_gt(total, 100);
    tls_peer_free(like);
    cert_free(other);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tls_memory");
    TCase *c = tcase_create("tls_memory");
    SRunner *r;
    int failed;

    tls_count_openssl();
    tls_begin();
    tcase_set_timeout(c, 300);
    tcase_add_test(c, any_allocation_of_a_connection_may_fail);
    tcase_add_test(c, any_allocation_of_a_resumed_connection_may_fail);
    tcase_add_test(c, no_failed_allocation_makes_a_bad_certificate_pass);
    tcase_add_test(c, lack_of_memory_is_reported_as_such);
    tcase_add_test(c, any_allocation_of_a_context_may_fail);
    tcase_add_test(c, any_allocation_may_fail_while_changed_roots_are_read);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
