/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS sessions that go on in the next connection: that they do, and above all when they must not.
 */
#include "support/tls_pair.h"
#include "wire/tls_ctx.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
#define EACH_VERSION(v) (size_t v = 0; v < sizeof versions / sizeof versions[0]; v++)

/* A server whose connections share the keys of its tickets. */
static struct tls_peer *server_of(const struct cert *cert, int version)
{
    return tls_peer_new(
        &(struct tls_peer_config){.cert = cert, .min_version = version, .max_version = version});
}

/* Connects, takes in what the server says after the handshake, and leaves the pair open. */
static enum redwi_tls_status connect_at(struct tls_pair *p, struct redwi_tls_ctx *ctx, const char *name,
                                        struct tls_peer *like, int64_t wall_s)
{
    enum redwi_tls_status status;
    uint8_t buf[16];

    *p = (struct tls_pair){.peer = tls_peer_new(&(struct tls_peer_config){.like = like})};
    ck_assert_msg(tls_make(&p->t, ctx, name, wall_s * 1000000) == 0, "%s", tls_why.text);
    status = tls_connect(p, TLS_ANY);
    if (status == REDWI_TLS_DONE) {
        tls_from_peer(p, TLS_ANY);
        ck_assert_uint_eq(tls_read_all(p, buf, sizeof buf), 0);
    }
    return status;
}

/* One connection, ended; true: it was a resumed one. It must succeed. */
static bool resumes_at(struct redwi_tls_ctx *ctx, const char *name, struct tls_peer *like, int64_t wall_s)
{
    struct tls_pair p;
    struct redw_tls_facts facts;
    bool resumed;

    ck_assert_msg(connect_at(&p, ctx, name, like, wall_s) == REDWI_TLS_DONE, "%s", redw_error_message(p.why));
    resumed = tls_peer_resumed(p.peer);
    ck_assert_int_eq(tls_facts(ctx, &facts), 0);
    ck_assert_int_eq(facts.resumed, resumed);
    tls_end_pair(&p);
    return resumed;
}

static bool resumes(struct redwi_tls_ctx *ctx, struct tls_peer *like)
{
    return resumes_at(ctx, "localhost", like, CERT_NOW);
}

START_TEST(the_next_connection_resumes_and_knows_the_same_server)
{
    for
        EACH_VERSION(v)
        {
            struct redwi_tls_ctx *ctx = tls_full_ctx();
            struct tls_peer *server = server_of(tls_leaf, versions[v]);
            uint8_t first[64], second[64], buf[16];
            struct redw_tls_facts was, is;
            struct tls_pair p;
            size_t n, took;

            ck_assert_int_eq(connect_at(&p, ctx, "localhost", server, CERT_NOW), REDWI_TLS_DONE);
            n = tls_end_point(&p, first);
            ck_assert_uint_gt(n, 0);
            ck_assert_int_eq(tls_facts(ctx, &was), 0);
            tls_end_pair(&p);

            ck_assert_int_eq(connect_at(&p, ctx, "localhost", server, CERT_NOW), REDWI_TLS_DONE);
            ck_assert(tls_peer_resumed(p.peer));
            ck_assert_uint_eq(tls_end_point(&p, second), n); /* what SCRAM binds to */
            ck_assert_mem_eq(first, second, n);
            ck_assert_int_eq(tls_facts(ctx, &is), 0);
            ck_assert(is.resumed && !was.resumed);
            ck_assert_str_eq(is.fingerprint, was.fingerprint);
            ck_assert_int_eq(tls_write(&p, "hello", 5, &took), REDWI_TLS_DONE);
            tls_to_peer(&p, TLS_ANY);
            ck_assert_uint_eq(tls_peer_read(p.peer, buf, sizeof buf), 5);
            tls_peer_write(p.peer, "hi", 2);
            tls_from_peer(&p, TLS_ANY);
            ck_assert_uint_eq(tls_read_all(&p, buf, sizeof buf), 2);
            tls_end_pair(&p);

            for (int i = 0; i < 20; i++) /* and so on: each leaves one for the next */
                ck_assert(resumes(ctx, server));
            tls_peer_free(server);
            tls_free_ctx(ctx);
            ck_assert_int_eq(tls_memory.live, 0);
        }
}
END_TEST

START_TEST(another_name_is_verified_anew)
{
    for
        EACH_VERSION(v)
        {
            struct redwi_tls_ctx *ctx = tls_full_ctx();
            struct tls_peer *server = server_of(tls_leaf, versions[v]);
            struct tls_pair p;

            ck_assert(!resumes(ctx, server));
            ck_assert_int_eq(connect_at(&p, ctx, "other.example", server, CERT_NOW), REDWI_TLS_FAILED);
            tls_expect_message(&p, "not for \"other.example\"");
            tls_end_pair(&p);
            ck_assert(!resumes_at(ctx, "127.0.0.1", server, CERT_NOW));
            ck_assert(resumes_at(ctx, "127.0.0.1", server, CERT_NOW));
            ck_assert(!resumes(ctx, server)); /* sessions of one name at a time */
            tls_peer_free(server);
            tls_free_ctx(ctx);
        }
}
END_TEST

START_TEST(a_session_is_no_better_than_its_certificate_and_no_older_than_an_hour)
{
    const int64_t end = CERT_NOW + 1000;
    struct cert *brief = cert_make(&(struct cert_spec){.issuer = tls_ca, .not_after = end});
    struct cert *brief_ca =
        cert_make(&(struct cert_spec){.ca = true, .cn = "Brief CA", .issuer = tls_ca, .not_after = end});
    struct cert *under = cert_make(&(struct cert_spec){.issuer = brief_ca});

    for
        EACH_VERSION(v)
        {
            struct redwi_tls_ctx *ctx = tls_full_ctx();
            struct tls_peer *server = server_of(tls_leaf, versions[v]);
            struct tls_peer *servers[2] = {
                server_of(brief, versions[v]),
                tls_peer_new(&(struct tls_peer_config){.cert = under,
                                                       .chain = brief_ca,
                                                       .min_version = versions[v],
                                                       .max_version = versions[v]})};

            ck_assert(!resumes_at(ctx, "localhost", server, CERT_NOW));
            /* Resuming does not make a session younger. */
            for (int64_t s = 0; s < 3600; s += 400)
                ck_assert(resumes_at(ctx, "localhost", server, CERT_NOW + s));
            ck_assert(!resumes_at(ctx, "localhost", server, CERT_NOW + 3600));
            ck_assert(!resumes_at(ctx, "localhost", server, CERT_NOW - 1)); /* a clock set back */
            for (int i = 0; i < 2; i++) {
                struct tls_pair p;

                ck_assert_int_eq(connect_at(&p, ctx, "127.0.0.1", servers[i], end - 2), REDWI_TLS_DONE);
                tls_end_pair(&p);
                ck_assert(resumes_at(ctx, "127.0.0.1", servers[i], end - 1));
                ck_assert_int_eq(connect_at(&p, ctx, "127.0.0.1", servers[i], end), REDWI_TLS_FAILED);
                tls_expect_message(&p, "certificate has expired");
                tls_end_pair(&p);
                tls_peer_free(servers[i]);
                ck_assert(!resumes(ctx, server));
            }
            tls_peer_free(server);
            tls_free_ctx(ctx);
        }
    cert_free(brief);
    cert_free(brief_ca);
    cert_free(under);
}
END_TEST

START_TEST(changed_roots_end_all_sessions)
{
    const char *path = cert_path("rotated.crt");
    struct cert *other = cert_make(&(struct cert_spec){.ca = true, .cn = "Other CA"});

    for
        EACH_VERSION(v)
        {
            struct tls_peer *server = server_of(tls_leaf, versions[v]);
            struct redwi_tls_ctx *ctx;
            struct tls_pair open, p;
            uint8_t buf[16];

            cert_write(path, NULL, tls_ca, NULL);
            ck_assert_int_eq(tls_make_ctx(&ctx, REDWI_TLS_VERIFY_FULL, path, NULL), 0);
            ck_assert(!resumes(ctx, server));
            ck_assert_int_eq(connect_at(&open, ctx, "localhost", server, CERT_NOW), REDWI_TLS_DONE);
            cert_write(path, NULL, other, NULL);
            ck_assert_int_eq(connect_at(&p, ctx, "localhost", server, CERT_NOW), REDWI_TLS_FAILED);
            tls_expect_message(&p, "not trusted");
            tls_end_pair(&p);
            /* Nor does a ticket that comes now, on a connection of before, bring them back. */
            if (versions[v] == TLS1_3_VERSION) {
                tls_peer_ticket(open.peer);
                tls_from_peer(&open, TLS_ANY);
                ck_assert_uint_eq(tls_read_all(&open, buf, sizeof buf), 0);
            }
            ck_assert_uint_eq(ctx->sessions.count, 0);
            ck_assert_int_eq(connect_at(&p, ctx, "localhost", server, CERT_NOW), REDWI_TLS_FAILED);
            tls_end_pair(&p);
            tls_end_pair(&open);
            tls_peer_free(server);
            tls_free_ctx(ctx);
        }
    cert_free(other);
}
END_TEST

START_TEST(a_server_that_does_not_go_on_with_it_is_verified_in_full)
{
    struct cert *expired = cert_make(&(struct cert_spec){.issuer = tls_ca, .not_after = CERT_NOW - 1});
    struct cert *stranger = cert_make(&(struct cert_spec){0});

    for
        EACH_VERSION(v)
        {
            struct redwi_tls_ctx *ctx = tls_full_ctx();
            struct tls_peer *server = server_of(tls_leaf, versions[v]);
            struct tls_peer *again = server_of(tls_leaf, versions[v]);
            const struct cert *bad[] = {expired, stranger};

            ck_assert(!resumes(ctx, server));
            ck_assert(!resumes(ctx, again)); /* as after a restart: its keys are new */
            ck_assert(resumes(ctx, again));
            for (int i = 0; i < 2; i++) {
                struct tls_peer *evil = server_of(bad[i], versions[v]);
                struct tls_pair p;

                ck_assert_uint_gt(ctx->sessions.count, 0);
                ck_assert_int_eq(connect_at(&p, ctx, "localhost", evil, CERT_NOW), REDWI_TLS_FAILED);
                tls_expect_message(&p, "not trusted");
                tls_end_pair(&p);
                /* Whatever it was, the next does without. */
                ck_assert(!resumes(ctx, again));
                tls_peer_free(evil);
            }
            tls_peer_free(server);
            tls_peer_free(again);
            tls_free_ctx(ctx);
        }
    cert_free(expired);
    cert_free(stranger);
}
END_TEST

START_TEST(a_ticket_is_offered_once)
{
    struct redwi_tls_ctx *ctx = tls_full_ctx();
    struct tls_peer *server = server_of(tls_leaf, TLS1_3_VERSION);
    struct tls_pair p[4] = {{0}};

    ck_assert(!resumes(ctx, server));
    ck_assert_uint_eq(ctx->sessions.count, 2); /* OpenSSL's server gives two */
    for (int i = 0; i < 4; i++) { /* at the same time, as a pool opens them; no new tickets yet */
        p[i].peer = tls_peer_new(&(struct tls_peer_config){.like = server});
        ck_assert_int_eq(tls_make(&p[i].t, ctx, "localhost", CERT_NOW_US), 0);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(tls_connect(&p[i], TLS_ANY), REDWI_TLS_DONE);
        ck_assert_int_eq(tls_peer_resumed(p[i].peer), i < 2);
        tls_end_pair(&p[i]);
    }
    tls_peer_free(server);
    tls_free_ctx(ctx);
}
END_TEST

START_TEST(tickets_without_end_are_bounded)
{
    struct redwi_tls_ctx *ctx = tls_full_ctx();
    struct tls_peer *server = server_of(tls_leaf, TLS1_3_VERSION);
    struct tls_pair p;
    uint8_t buf[16];

    ck_assert_int_eq(connect_at(&p, ctx, "localhost", server, CERT_NOW), REDWI_TLS_DONE);
    for (int i = 0; i < 100; i++) {
        tls_peer_ticket(p.peer);
        tls_from_peer(&p, TLS_ANY);
        ck_assert_uint_eq(tls_read_all(&p, buf, sizeof buf), 0);
        ck_assert_uint_le(ctx->sessions.count, REDWI_TLS_SESSIONS);
    }
    ck_assert_uint_eq(ctx->sessions.count, REDWI_TLS_SESSIONS);
    tls_end_pair(&p);
    ck_assert(resumes(ctx, server));
    tls_peer_free(server);
    tls_free_ctx(ctx);
}
END_TEST

START_TEST(a_connection_that_just_ended_leaves_its_session_and_a_broken_one_does_not)
{
    for
        EACH_VERSION(v)
        {
            struct redwi_tls_ctx *ctx = tls_full_ctx();
            struct tls_peer *server = server_of(tls_leaf, versions[v]);
            struct tls_pair p;
            uint8_t buf[64], *in;
            size_t n, room;

            ck_assert(!resumes(ctx, server)); /* without close_notify, as servers that are stopped do */
            ck_assert_int_eq(connect_at(&p, ctx, "localhost", server, CERT_NOW), REDWI_TLS_DONE);
            ck_assert(tls_peer_resumed(p.peer));
            tls_shutdown(&p);
            tls_end_pair(&p);
            ck_assert_int_eq(connect_at(&p, ctx, "localhost", server, CERT_NOW), REDWI_TLS_DONE);
            ck_assert(tls_peer_resumed(p.peer));

            tls_peer_write(p.peer, "data", 4);
            in = redwi_tls_input(p.t, &room);
            n = tls_peer_take(p.peer, in, room);
            in[n - 1] ^= 1;
            redwi_tls_received(p.t, n);
            ck_assert_int_eq(tls_read(&p, buf, sizeof buf, &n), REDWI_TLS_FAILED);
            tls_end_pair(&p);
            if (versions[v] == TLS1_2_VERSION)
                ck_assert(!resumes(ctx, server));
            tls_peer_free(server);
            tls_free_ctx(ctx);
        }
}
END_TEST

START_TEST(sessions_that_are_not_bound_to_their_handshake_are_not_kept)
{
    struct redwi_tls_ctx *ctx = tls_full_ctx();
    struct tls_peer *server = tls_peer_new(&(struct tls_peer_config){
        .cert = tls_leaf, .max_version = TLS1_2_VERSION, .options = SSL_OP_NO_EXTENDED_MASTER_SECRET});

    ck_assert(!resumes(ctx, server));
    ck_assert(!resumes(ctx, server));
    ck_assert_uint_eq(ctx->sessions.count, 0);
    tls_peer_free(server);
    tls_free_ctx(ctx);
}
END_TEST

START_TEST(a_context_knows_only_its_own_sessions)
{
    struct redwi_tls_ctx *lax, *strict = tls_full_ctx();
    struct cert *stranger = cert_make(&(struct cert_spec){0});

    ck_assert_int_eq(tls_make_ctx(&lax, REDWI_TLS_REQUIRE, NULL, NULL), 0);
    for
        EACH_VERSION(v)
        {
            struct tls_peer *server = server_of(stranger, versions[v]);
            struct tls_pair p;

            ck_assert(!resumes(lax, server));
            ck_assert(resumes(lax, server));
            ck_assert_int_eq(connect_at(&p, strict, "localhost", server, CERT_NOW), REDWI_TLS_FAILED);
            tls_expect_message(&p, "not trusted");
            tls_end_pair(&p);
            tls_peer_free(server);
        }
    tls_free_ctx(lax);
    tls_free_ctx(strict);
    cert_free(stranger);
}
END_TEST

static double cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* What one connection costs the client from creation to the last ticket, the server's part left out. */
static double client_cost(struct redwi_tls_ctx *ctx, struct tls_peer *like)
{
    struct tls_pair p = {.peer = tls_peer_new(&(struct tls_peer_config){.like = like})};
    enum redwi_tls_status status;
    double spent, at = cpu_us();
    uint8_t buf[16];
    size_t got;

    ck_assert_int_eq(redwi_tls_create(&p.t, ctx, "localhost", CERT_NOW_US, NULL), 0);
    spent = cpu_us() - at;
    do {
        at = cpu_us();
        status = redwi_tls_handshake(p.t, &p.why);
        spent += cpu_us() - at;
        tls_to_peer(&p, TLS_ANY);
        tls_from_peer(&p, TLS_ANY);
    } while (status == REDWI_TLS_WANT_INPUT);
    ck_assert_int_eq(status, REDWI_TLS_DONE);
    at = cpu_us();
    (void)redwi_tls_read(p.t, buf, sizeof buf, &got, &p.why);
    spent += cpu_us() - at;
    tls_end_pair(&p);
    return spent;
}

/* The figures of wire/tls_sessions.c are from here. */
START_TEST(resuming_spares_the_client_most_of_a_handshake)
{
    enum { ROUNDS = 100 };
    const struct {
        const char *what;
        enum cert_key kind;
    } kinds[] = {{"P-256", CERT_P256}, {"RSA 2048", CERT_RSA2048}};

    for (size_t k = 0; k < 2; k++) {
        struct cert *root = cert_make(&(struct cert_spec){.ca = true, .cn = "Root", .kind = kinds[k].kind});
        struct cert *own = cert_make(&(struct cert_spec){.issuer = root, .kind = kinds[k].kind});

        cert_write(cert_path("root.crt"), NULL, root, NULL);
        for
            EACH_VERSION(v)
            {
                struct tls_peer *server = server_of(own, versions[v]);
                struct redwi_tls_ctx *ctx;
                double full = 0, resumed = 0;

                ck_assert_int_eq(tls_make_ctx(&ctx, REDWI_TLS_VERIFY_FULL, cert_path("root.crt"), NULL), 0);
                for (int i = 0; i < ROUNDS; i++) {
                    redwi_tls_sessions_drop(&ctx->sessions);
                    full += client_cost(ctx, server);
                    resumed += client_cost(ctx, server);
                    ck_assert(ctx->last.resumed);
                }
                printf("tls: %s, %s: full handshake %.0f us of the client's CPU, resumed %.0f us\n",
                       versions[v] == TLS1_2_VERSION ? "TLS 1.2" : "TLS 1.3", kinds[k].what, full / ROUNDS,
                       resumed / ROUNDS);
                ck_assert(resumed < full * 0.8);
                tls_peer_free(server);
                tls_free_ctx(ctx);
            }
        cert_free(own);
        cert_free(root);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tls_sessions");
    TCase *c = tcase_create("tls_sessions");
    SRunner *r;
    int failed;

    tls_begin();
    tcase_set_timeout(c, 120);
    tcase_add_test(c, the_next_connection_resumes_and_knows_the_same_server);
    tcase_add_test(c, another_name_is_verified_anew);
    tcase_add_test(c, a_session_is_no_better_than_its_certificate_and_no_older_than_an_hour);
    tcase_add_test(c, changed_roots_end_all_sessions);
    tcase_add_test(c, a_server_that_does_not_go_on_with_it_is_verified_in_full);
    tcase_add_test(c, a_ticket_is_offered_once);
    tcase_add_test(c, tickets_without_end_are_bounded);
    tcase_add_test(c, a_connection_that_just_ended_leaves_its_session_and_a_broken_one_does_not);
    tcase_add_test(c, sessions_that_are_not_bound_to_their_handshake_are_not_kept);
    tcase_add_test(c, a_context_knows_only_its_own_sessions);
    tcase_add_test(c, resuming_spares_the_client_most_of_a_handshake);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
