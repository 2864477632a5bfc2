/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A15: The context of a client: roots that change on disk, several sets of roots, the client's certificate
 * and its key, direct TLS, and what is told of a handshake.
 */
#include "support/tls_pair.h"
#include "wire/tls_ctx.h"

#include <check.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_file(const char *path, const char *text, size_t n)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

/* One connection to `like`, ended. tls_why says why if it did not even begin. */
static enum redwi_tls_status try_server(struct redwi_tls_ctx *ctx, struct tls_peer *like, char *says,
                                        size_t cap)
{
    struct tls_pair p = {.peer = tls_peer_new(&(struct tls_peer_config){.like = like})};
    enum redwi_tls_status status = REDWI_TLS_FAILED;

    snprintf(says, cap, "%s", "");
    if (tls_make(&p.t, ctx, "localhost", CERT_NOW_US) == 0) {
        status = tls_connect(&p, TLS_ANY);
        snprintf(says, cap, "%s", redw_error_message(p.why));
    } else {
        snprintf(says, cap, "%s", tls_why.text);
    }
    tls_end_pair(&p);
    return status;
}

static void expect(struct redwi_tls_ctx *ctx, struct tls_peer *like, const char *refusal)
{
    char says[1024];
    enum redwi_tls_status status = try_server(ctx, like, says, sizeof says);

    if (refusal == NULL) {
        ck_assert_msg(status == REDWI_TLS_DONE, "%s", says);
        return;
    }
    ck_assert_int_eq(status, REDWI_TLS_FAILED);
    ck_assert_msg(strstr(says, refusal) != NULL, "\"%s\" is not in: %s", refusal, says);
}

static struct redwi_tls_ctx *make(const struct redwi_tls_config *config)
{
    struct redwi_tls_ctx *ctx;
    struct redw_diag why = {0};

    ck_assert_msg(tls_make_ctx_of(&ctx, config, &why) == 0, "%s", why.text);
    return ctx;
}

/* ---- Roots ---- */

static struct cert *other_ca, *other_leaf;
static struct tls_peer *ours, *theirs; /* servers by tls_ca and by other_ca */

static void setup(void)
{
    other_ca = cert_make(&(struct cert_spec){.ca = true, .cn = "Other CA"});
    other_leaf = cert_make(&(struct cert_spec){.issuer = other_ca});
    ours = tls_peer_new(&(struct tls_peer_config){.cert = tls_leaf});
    theirs = tls_peer_new(&(struct tls_peer_config){.cert = other_leaf});
}

static void teardown(void)
{
    tls_peer_free(ours);
    tls_peer_free(theirs);
    cert_free(other_ca);
    cert_free(other_leaf);
}

START_TEST(a_changed_ca_file_is_used_by_the_next_connection)
{
    const char *path = cert_path("roots.crt");
    struct redwi_tls_ctx *ctx;
    struct tls_pair open = {.peer = tls_peer_new(&(struct tls_peer_config){.like = ours})};
    const SSL_CTX *parsed;
    size_t n;

    cert_write(path, NULL, tls_ca, NULL);
    ctx = make(&(struct redwi_tls_config){.mode = REDWI_TLS_VERIFY_FULL, .ca_file = path});
    parsed = ctx->ssl;
    ck_assert_int_eq(tls_make(&open.t, ctx, "localhost", CERT_NOW_US), 0);
    ck_assert_int_eq(tls_connect(&open, TLS_ANY), REDWI_TLS_DONE);
    for (int i = 0; i < 3; i++) {
        expect(ctx, ours, NULL);
        expect(ctx, theirs, "not trusted");
    }
    ck_assert_ptr_eq(ctx->ssl, parsed); /* once for all */

    cert_write(cert_path("moved"), NULL, other_ca, NULL); /* moved into place */
    ck_assert_int_eq(rename(cert_path("moved"), path), 0);
    expect(ctx, ours, "not trusted");
    expect(ctx, theirs, NULL);

    cert_write(path, NULL, tls_ca, other_ca); /* both, during a rotation */
    expect(ctx, ours, NULL);
    expect(ctx, theirs, NULL);

    write_file(path, "", 0); /* cut in place, as by an editor or a full disk */
    expect(ctx, ours, "CA file ");
    expect(ctx, theirs, path);
    expect(ctx, ours, "no certificate or crl found");

    ck_assert_int_eq(unlink(path), 0);
    expect(ctx, ours, "No such file or directory");
    expect(ctx, theirs, path);

    cert_write(path, NULL, tls_ca, NULL); /* and back: no restart was needed */
    expect(ctx, ours, NULL);
    expect(ctx, theirs, "not trusted");

    /* What was open through all of this still is. */
    ck_assert_int_eq(tls_write(&open, "x", 1, &n), REDWI_TLS_DONE);
    tls_end_pair(&open);
    tls_free_ctx(ctx);
    ck_assert_int_eq(tls_memory.live, 0);
}
END_TEST

START_TEST(a_file_alone_replaces_the_systems_roots_and_adds_to_them_if_asked_to)
{
    const char *system = cert_path("system.crt");
    const struct redwi_tls_config configs[] = {
        {.mode = REDWI_TLS_VERIFY_FULL, .system_roots = true},
        {.mode = REDWI_TLS_VERIFY_FULL, .ca_file = tls_ca_path},
        {.mode = REDWI_TLS_VERIFY_FULL, .ca_file = tls_ca_path, .system_roots = true},
        {.mode = REDWI_TLS_VERIFY_FULL}, /* nobody is trusted */
    };
    const bool trusts_ours[] = {false, true, true, false}, trusts_theirs[] = {true, false, true, false};

    cert_write(system, NULL, other_ca, NULL);
    setenv("SSL_CERT_FILE", system, 1);
    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        struct redwi_tls_ctx *ctx = make(&configs[i]);

        expect(ctx, ours, trusts_ours[i] ? NULL : "not trusted");
        expect(ctx, theirs, trusts_theirs[i] ? NULL : "not trusted");
        tls_free_ctx(ctx);
    }
    tls_free_ctx(make(&configs[2]));
    unsetenv("SSL_CERT_FILE");
}
END_TEST

START_TEST(changed_system_roots_are_used_by_the_next_connection)
{
    const char *system = cert_path("system.crt"), *dir = cert_path("system.d");
    char hashed[512];
    struct redwi_tls_ctx *ctx;

    cert_write(system, NULL, other_ca, NULL);
    ck_assert_int_eq(mkdir(dir, 0700), 0);
    setenv("SSL_CERT_FILE", system, 1);
    setenv("SSL_CERT_DIR", dir, 1);
    ctx = make(&(struct redwi_tls_config){.mode = REDWI_TLS_VERIFY_FULL, .system_roots = true});
    expect(ctx, theirs, NULL);
    expect(ctx, ours, "not trusted");
    cert_write(system, NULL, tls_ca, NULL);
    expect(ctx, ours, NULL);
    expect(ctx, theirs, "not trusted");

    snprintf(hashed, sizeof hashed, "%s/%08lx.0", dir, X509_subject_name_hash(other_ca->x509));
    cert_write(hashed, NULL, other_ca, NULL); /* as c_rehash lays them out */
    expect(ctx, theirs, NULL);
    ck_assert_int_eq(unlink(hashed), 0);
    expect(ctx, theirs, "not trusted"); /* nor does what was looked up before stay */

    ck_assert_int_eq(unlink(system), 0); /* the system trusts nobody any more, and so do we */
    expect(ctx, ours, "not trusted");
    tls_free_ctx(ctx);
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* ---- The client's certificate ---- */

START_TEST(the_clients_certificate_and_its_chain_are_sent_when_asked_for)
{
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct cert *middle = cert_make(&(struct cert_spec){.ca = true, .cn = "Middle", .issuer = tls_ca});
    struct cert *own = cert_make(&(struct cert_spec){.cn = "alice", .issuer = middle, .eku = "clientAuth"});
    struct redwi_tls_ctx *ctx;

    cert_write(cert_path("alice.crt"), cert_path("alice.key"), own, middle);
    ctx = make(&(struct redwi_tls_config){.mode = REDWI_TLS_VERIFY_FULL,
                                          .ca_file = tls_ca_path,
                                          .cert_file = cert_path("alice.crt"),
                                          .key_file = cert_path("alice.key")});
    for (size_t v = 0; v < 2; v++) {
        for (int asks = 0; asks <= 1; asks++) {
            struct tls_pair p = tls_start_pair(ctx, "localhost",
                                               &(struct tls_peer_config){.cert = tls_leaf,
                                                                         .min_version = versions[v],
                                                                         .max_version = versions[v],
                                                                         .demands_certificate = asks});
            int n;

            ck_assert_int_eq(tls_connect(&p, TLS_ANY), REDWI_TLS_DONE);
            ck_assert(tls_peer_is_open(p.peer));
            ck_assert_str_eq(tls_peer_client(p.peer, &n), asks ? "alice" : "");
            ck_assert_int_eq(n, asks ? 2 : 0);
            tls_end_pair(&p);
        }
    }
    tls_free_ctx(ctx);
    cert_free(middle);
    cert_free(own);
}
END_TEST

START_TEST(a_renewed_certificate_is_used_by_the_next_connection)
{
    struct cert *first = cert_make(&(struct cert_spec){.cn = "first", .issuer = tls_ca, .eku = "clientAuth"});
    struct cert *second =
        cert_make(&(struct cert_spec){.cn = "second", .issuer = tls_ca, .eku = "clientAuth"});
    const char *cert = cert_path("renewed.crt"), *key = cert_path("renewed.key");
    struct tls_peer *like =
        tls_peer_new(&(struct tls_peer_config){.cert = tls_leaf, .demands_certificate = true});
    struct redwi_tls_ctx *ctx;
    struct tls_pair p;
    int n;

    cert_write(cert, key, first, NULL);
    ctx = make(&(struct redwi_tls_config){
        .mode = REDWI_TLS_VERIFY_FULL, .ca_file = tls_ca_path, .cert_file = cert, .key_file = key});
    expect(ctx, like, NULL);
    cert_write(cert, NULL, second, NULL);
    expect(ctx, like, "key values mismatch"); /* half way */
    cert_write(cert, key, second, NULL);
    p = (struct tls_pair){.peer = tls_peer_new(&(struct tls_peer_config){.like = like})};
    ck_assert_int_eq(tls_make(&p.t, ctx, "localhost", CERT_NOW_US), 0);
    ck_assert_int_eq(tls_connect(&p, TLS_ANY), REDWI_TLS_DONE);
    ck_assert(!tls_peer_resumed(p.peer)); /* the session was somebody else's */
    ck_assert_str_eq(tls_peer_client(p.peer, &n), "second");
    tls_end_pair(&p);
    tls_peer_free(like);
    tls_free_ctx(ctx);
    cert_free(first);
    cert_free(second);
}
END_TEST

static void write_locked_key(const char *path, EVP_PKEY *key)
{
    FILE *f;

    unlink(path);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert(PEM_write_PrivateKey(f, key, EVP_aes_128_cbc(), (const unsigned char *)"word", 4, NULL, NULL));
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod(path, 0600), 0);
}

START_TEST(unusable_certificates_and_keys_are_named_with_the_reason)
{
    static char huge[70000];
    const char *cert = cert_path("c.crt"), *key = cert_path("c.key"), *another = cert_path("another.key");
    const struct {
        const char *cert, *key, *about, *reason;
    } cases[] = {
        {cert_path("missing"), key, "certificate file ", "No such file or directory"},
        {key, key, "certificate file ", ""},
        {cert_dir(), key, "certificate file ", ""},
        {cert, cert_path("missing"), "key file ", "No such file or directory"},
        {cert, cert_dir(), "key file ", "is not a regular file"},
        {cert, "/dev/zero", "key file ", "is not a regular file"},
        {cert, cert_path("pipe"), "key file ", "is not a regular file"}, /* and nobody waits for it */
        {cert, cert_path("huge"), "key file ", "is too long for a key"},
        {cert, cert_path("empty"), "key file ", ""},
        {cert, cert_path("locked"), "key file ", "is locked by a passphrase, which is not supported"},
        {cert, another, "key file ", "key values mismatch"},
    };

    cert_write(cert, key, tls_leaf, NULL);
    cert_write(cert_path("another.crt"), another, other_leaf, NULL);
    ck_assert_int_eq(mkfifo(cert_path("pipe"), 0600), 0);
    write_file(cert_path("huge"), huge, sizeof huge);
    write_file(cert_path("empty"), "", 0);
    ck_assert_int_eq(chmod(cert_path("huge"), 0600) | chmod(cert_path("empty"), 0600), 0);
    write_locked_key(cert_path("locked"), tls_leaf->key);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = cases[i].about[0] == 'k' ? cases[i].key : cases[i].cert;
        struct redw_diag why = {0};
        struct redwi_tls_ctx *ctx;

        ck_assert_int_eq(tls_make_ctx_of(&ctx,
                                         &(struct redwi_tls_config){.mode = REDWI_TLS_REQUIRE,
                                                                    .cert_file = cases[i].cert,
                                                                    .key_file = cases[i].key},
                                         &why),
                         REDW_ETLS);
        ck_assert_msg(strncmp(why.text, cases[i].about, strlen(cases[i].about)) == 0, "%s", why.text);
        ck_assert_msg(strstr(why.text, path) != NULL, "%s", why.text);
        ck_assert_msg(strstr(why.text, cases[i].reason) != NULL, "%s", why.text);
    }
    ck_assert_int_eq(tls_memory.live, 0);
}
END_TEST

START_TEST(a_key_that_others_may_read_is_refused)
{
    /* As libpq: 0600 or less; a file of root's may be 0640, for a group of its choice. */
    const struct {
        mode_t mode;
        bool own, roots;
    } cases[] = {{0600, true, true},   {0400, true, true},   {0640, false, true},  {0440, false, true},
                 {0660, false, false}, {0650, false, false}, {0604, false, false}, {0644, false, false},
                 {0601, false, false}, {0602, false, false}};
    const char *cert = cert_path("c.crt"), *key = cert_path("c.key");
    bool root = geteuid() == 0;

    for (int roots = 0; roots <= root; roots++) {
        cert_write(cert, key, tls_leaf, NULL);
        if (root && !roots)
            ck_assert_int_eq(chown(key, 65534, 65534), 0);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            bool allowed = roots ? cases[i].roots : cases[i].own;
            struct redw_diag why = {0};
            struct redwi_tls_ctx *ctx;
            int code;

            ck_assert_int_eq(chmod(key, cases[i].mode), 0);
            code = tls_make_ctx_of(
                &ctx,
                &(struct redwi_tls_config){.mode = REDWI_TLS_REQUIRE, .cert_file = cert, .key_file = key},
                &why);
            ck_assert_msg(code == (allowed ? REDW_OK : REDW_ETLS), "%o: %s", cases[i].mode, why.text);
            if (!allowed)
                ck_assert_ptr_nonnull(strstr(why.text, "others may read it; its permissions must be 0600"));
            tls_free_ctx(ctx);
        }
    }
}
END_TEST

/* ---- Direct TLS ---- */

/* A17 */
START_TEST(direct_tls_goes_on_only_with_a_server_that_chose_the_protocol)
{
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    const struct {
        const char *alpn, *refusal;
    } servers[] = {
        {"postgresql", NULL},
        {NULL, "the server did not choose the protocol \"postgresql\" (ALPN)"},
        {"http/1.1", "peer sent alert: no application protocol"},
    };
    struct redwi_tls_ctx *direct = make(&(struct redwi_tls_config){
                             .mode = REDWI_TLS_VERIFY_FULL, .ca_file = tls_ca_path, .direct = true}),
                         *asked = tls_full_ctx();

    for (size_t v = 0; v < 2; v++) {
        for (size_t i = 0; i < sizeof servers / sizeof servers[0]; i++) {
            struct tls_peer *like = tls_peer_new(&(struct tls_peer_config){.cert = tls_leaf,
                                                                           .min_version = versions[v],
                                                                           .max_version = versions[v],
                                                                           .alpn = servers[i].alpn});

            expect(direct, like, servers[i].refusal);
            expect(direct, like, servers[i].refusal); /* resumed, if there is something to resume */
            expect(asked, like, NULL);                /* who asked in clear needs no ALPN */
            tls_peer_free(like);
        }
    }
    tls_free_ctx(direct);
    tls_free_ctx(asked);
}
END_TEST

/* ---- Facts ---- */

/* A16 */
START_TEST(what_was_agreed_can_be_read)
{
    struct cert *c = cert_make(&(struct cert_spec){
        .cn = "db\n\033.example", .issuer = tls_ca, .san = "DNS:localhost", .not_after = CERT_NOW + 86400});
    struct redwi_tls_ctx *ctx = tls_full_ctx();
    struct tls_peer *like = tls_peer_new(&(struct tls_peer_config){.cert = c});
    struct tls_peer *like12 = tls_peer_new(&(struct tls_peer_config){
        .cert = tls_leaf, .max_version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305"});
    struct redw_tls_facts facts = {0};
    unsigned char hash[32];
    char hex[65];

    ck_assert_int_eq(tls_facts(ctx, &facts), REDW_ENOENT);
    expect(ctx, theirs, "not trusted"); /* a failure is nothing to tell of */
    ck_assert_int_eq(tls_facts(ctx, &facts), REDW_ENOENT);

    expect(ctx, like, NULL);
    ck_assert_int_eq(tls_facts(ctx, &facts), 0);
    ck_assert_str_eq(facts.version, "TLSv1.3");
    ck_assert_ptr_eq(strstr(facts.cipher, "TLS_"), facts.cipher);
    ck_assert_ptr_nonnull(strstr(facts.subject, ".example"));
    ck_assert_uint_eq(strcspn(facts.subject, "\n\033"), strlen(facts.subject));
    ck_assert_str_eq(facts.issuer, "CN = Test CA");
    ck_assert_int_eq(facts.not_after_s, CERT_NOW + 86400);
    ck_assert(!facts.resumed);
    ck_assert(X509_digest(c->x509, EVP_sha256(), hash, NULL));
    for (size_t i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    ck_assert_str_eq(facts.fingerprint, hex);

    expect(ctx, like12, NULL);
    expect(ctx, theirs, "not trusted"); /* which leaves the facts as they are */
    ck_assert_int_eq(tls_facts(ctx, &facts), 0);
    ck_assert_str_eq(facts.version, "TLSv1.2");
    ck_assert_str_eq(facts.cipher, "ECDHE-ECDSA-CHACHA20-POLY1305");
    ck_assert_str_eq(facts.subject, "CN = localhost");
    tls_peer_free(like);
    tls_peer_free(like12);
    tls_free_ctx(ctx);
    cert_free(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tls_ctx");
    TCase *c = tcase_create("tls_ctx");
    SRunner *r;
    int failed;

    tls_begin();
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, a_changed_ca_file_is_used_by_the_next_connection);
    tcase_add_test(c, a_file_alone_replaces_the_systems_roots_and_adds_to_them_if_asked_to);
    tcase_add_test(c, changed_system_roots_are_used_by_the_next_connection);
    tcase_add_test(c, the_clients_certificate_and_its_chain_are_sent_when_asked_for);
    tcase_add_test(c, a_renewed_certificate_is_used_by_the_next_connection);
    tcase_add_test(c, unusable_certificates_and_keys_are_named_with_the_reason);
    tcase_add_test(c, a_key_that_others_may_read_is_refused);
    tcase_add_test(c, direct_tls_goes_on_only_with_a_server_that_chose_the_protocol);
    tcase_add_test(c, what_was_agreed_can_be_read);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
