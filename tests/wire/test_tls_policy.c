/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A12, A13, A16: Whom the TLS filter trusts: certificates and versions against modes, names, times, CA files.
 */
#include "support/tls_pair.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Policy: certificates and versions against modes ---- */

enum signer { BY_CA = 0, BY_ITSELF, BY_OTHER_CA, BY_OTHER_KEY, BY_INTERMEDIATE, BY_LEAF, BY_EXPIRED_CA };

struct row {
    const char *what;
    struct cert_spec spec;
    enum signer by;
    bool no_chain;    /* the server keeps the intermediate certificate to itself */
    const char *name; /* default "localhost" */
    int version;      /* 0: any */
    const char *ciphers;
    bool require, ca, full; /* accepted? */
    const char *says;       /* in the message of the strictest mode that refuses */
};

#define DAY        INT64_C(86400)
#define RAW(s)     .san_raw = s, .san_raw_len = sizeof s - 1
#define ALL        .require = true, .ca = true, .full = true
#define NOT_FULL   .require = true, .ca = true
#define UNVERIFIED .require = true

static const struct row rows[] = {
    {"good", {0}, ALL},
    {"good, RSA 2048", {.kind = CERT_RSA2048}, ALL},
    {"good, P-384 and SHA-384", {.kind = CERT_P384, .hash = "SHA384"}, ALL},
    {"good, Ed25519", {.kind = CERT_ED25519}, ALL},
    {"good, no EKU", {.eku = ""}, ALL},
    {"good, through an intermediate", {0}, .by = BY_INTERMEDIATE, ALL},
    {"name in capitals", {0}, .name = "LocalHost", ALL},
    {"name with a final dot", {0}, .name = "localhost.", ALL},
    {"CN only", {.san = ""}, ALL},
    {"CN only, SAN of another kind", {.san = "email:a@b.example"}, ALL},
    {"TLS 1.2", {0}, .version = TLS1_2_VERSION, ALL},
    {"TLS 1.3", {0}, .version = TLS1_3_VERSION, ALL},
    {"TLS 1.1", {0}, .version = TLS1_1_VERSION, .says = "peer sent alert: protocol version"},
    {"TLS 1.0", {0}, .version = TLS1_VERSION, .says = "peer sent alert: protocol version"},
    {"anonymous ciphers",
     {0},
     .version = TLS1_2_VERSION,
     .ciphers = "aNULL:@SECLEVEL=0",
     .says = "peer sent alert: handshake failure"},
    {"no encryption",
     {0},
     .version = TLS1_2_VERSION,
     .ciphers = "eNULL:@SECLEVEL=0",
     .says = "peer sent alert: handshake failure"},

    {"expired",
     {.not_after = CERT_NOW - 1},
     UNVERIFIED,
     .says = "not trusted: certificate has expired (depth 0: subject \"CN = localhost\", issuer "
             "\"CN = Test CA\", valid 2020-01-01 00:00:00 to 2024-06-30 23:59:59 UTC)"},
    {"valid in its last second", {.not_after = CERT_NOW + 1}, ALL},
    {"not yet valid", {.not_before = CERT_NOW + 1}, UNVERIFIED, .says = "certificate is not yet valid"},
    {"expired CA", {0}, .by = BY_EXPIRED_CA, UNVERIFIED, .says = "certificate has expired (depth 1"},
    {"self-signed", {0}, .by = BY_ITSELF, UNVERIFIED, .says = "self-signed certificate (depth 0"},
    {"unknown CA", {0}, .by = BY_OTHER_CA, UNVERIFIED, .says = "unable to get local issuer certificate"},
    {"other CA with same name", {0}, .by = BY_OTHER_KEY, UNVERIFIED, .says = "not trusted: "},
    {"intermediate not sent",
     {0},
     .by = BY_INTERMEDIATE,
     .no_chain = true,
     UNVERIFIED,
     .says = "unable to get local issuer certificate"},
    {"leaf as CA", {0}, .by = BY_LEAF, UNVERIFIED, .says = "invalid CA certificate"},
    {"wrong EKU", {.eku = "clientAuth"}, UNVERIFIED, .says = "certificate purpose"},
    {"RSA 1024", {.kind = CERT_RSA1024}, UNVERIFIED, .says = "EE certificate key too weak"},
    {"SHA-1 signature", {.hash = "SHA1"}, UNVERIFIED, .says = "CA signature digest algorithm too weak"},

    {"wrong host",
     {.san = "DNS:a.example,DNS:*.b.example,IP:10.0.0.1,IP:fd00::1"},
     NOT_FULL,
     .says = "certificate is not for \"localhost\"; it is for \"a.example\", \"*.b.example\", 10.0.0.1, "
             "fd00::1"},
    {"CN match with other SAN",
     {.san = "DNS:other.example"},
     NOT_FULL,
     .says = "not for \"localhost\"; it is for \"other.example\""},
    {"other CN, no SAN", {.san = "", .cn = "other.example"}, NOT_FULL, .says = "it is for \"other.example\""},
    {"no name at all", {.san = "", .cn = ""}, NOT_FULL, .says = "it is for no name"},
    {"NUL in SAN",
     {RAW("localhost\0.evil.example")},
     NOT_FULL,
     .says = "it is for \"localhost\\x00.evil.example\""},
    {"NUL at the end of SAN", {RAW("localhost\0")}, NOT_FULL, .says = "it is for \"localhost\\x00\""},
    {"NUL in CN",
     {.san = "", .cn = "localhost\0.evil.example", .cn_len = 23},
     NOT_FULL,
     .says = "it is for \"localhost\\x00.evil.example\""},
    {"empty SAN", {RAW("")}, NOT_FULL, .says = "it is for \"\""},
    {"control bytes in SAN", {RAW("\033[2J\n\"")}, NOT_FULL, .says = "it is for \"\\x1b[2J\\x0a\"\""},
    {"*", {.san = "DNS:*"}, NOT_FULL, .says = "it is for \"*\""},
    {"lo*", {.san = "DNS:lo*"}, NOT_FULL, .says = "it is for \"lo*\""},
    {"*.host", {.san = "DNS:*.host"}, .name = "a.host", NOT_FULL, .says = "not for \"a.host\""},
    {"*.db.example", {.san = "DNS:*.db.example"}, .name = "a.db.example", ALL},
    {"*.db.example, two labels",
     {.san = "DNS:*.db.example"},
     .name = "b.a.db.example",
     NOT_FULL,
     .says = "not for \"b.a.db.example\""},
    {"*.db.example, no label",
     {.san = "DNS:*.db.example"},
     .name = "db.example",
     NOT_FULL,
     .says = "not for \"db.example\""},
    {"partial wildcard",
     {.san = "DNS:a*.db.example"},
     .name = "ab.db.example",
     NOT_FULL,
     .says = "not for \"ab.db.example\""},
    {"wildcard inside",
     {.san = "DNS:db.*.example"},
     .name = "db.a.example",
     NOT_FULL,
     .says = "not for \"db.a.example\""},

    {"IP SAN", {0}, .name = "127.0.0.1", ALL},
    {"IPv6 SAN", {.san = "IP:fe80::1"}, .name = "fe80:0::1", ALL},
    {"IPv6 address with zone", {.san = "IP:fe80::1"}, .name = "fe80::1%eth0", ALL},
    {"other address",
     {.san = "IP:10.0.0.1"},
     .name = "10.0.0.2",
     NOT_FULL,
     .says = "certificate is not for \"10.0.0.2\"; it is for 10.0.0.1"},
    {"IP as dNSName",
     {.san = "DNS:127.0.0.1"},
     .name = "127.0.0.1",
     NOT_FULL,
     .says = "not for \"127.0.0.1\"; it is for \"127.0.0.1\""},
    {"IP as CN",
     {.san = "", .cn = "127.0.0.1"},
     .name = "127.0.0.1",
     NOT_FULL,
     .says = "not for \"127.0.0.1\""},
};

struct signers {
    struct cert *other_ca, *other_key, *intermediate, *leaf, *expired;
};

static const struct cert *signer_of(const struct signers *s, enum signer by)
{
    switch (by) {
    case BY_CA:
        return tls_ca;
    case BY_ITSELF:
        return NULL;
    case BY_OTHER_CA:
        return s->other_ca;
    case BY_OTHER_KEY:
        return s->other_key;
    case BY_INTERMEDIATE:
        return s->intermediate;
    case BY_LEAF:
        return s->leaf;
    case BY_EXPIRED_CA:
        return s->expired;
    }
    return NULL;
}

/* Runs one row in one mode; the message of a refusal must hold `says`. */
static void try_row(const struct row *r, const struct cert *cert, const struct cert *chain,
                    struct redwi_tls_ctx *ctx, bool accepted, const char *says)
{
    const char *name = r->name != NULL ? r->name : "localhost";
    bool literal = strspn(name, "0123456789.") == strlen(name) || strchr(name, ':') != NULL;
    struct tls_pair p = tls_start_pair(ctx, name,
                                       &(struct tls_peer_config){.cert = cert,
                                                                 .chain = chain,
                                                                 .min_version = r->version,
                                                                 .max_version = r->version,
                                                                 .ciphers = r->ciphers});
    enum redwi_tls_status status = tls_connect(&p, TLS_ANY);

    ck_assert_msg(status == (accepted ? REDWI_TLS_DONE : REDWI_TLS_FAILED), "%s: %s: %s", r->what,
                  status == REDWI_TLS_DONE ? "accepted" : "refused", redw_error_message(p.why));
    if (!accepted) {
        tls_expect_message(&p, says);
        ck_assert_msg(tls_peer_failed(p.peer), "%s: the server was not told", r->what);
    } else if (literal) {
        ck_assert_msg(tls_peer_sni(p.peer) == NULL, "%s: SNI with an address", r->what);
    } else {
        ck_assert_int_eq(strncmp(tls_peer_sni(p.peer), name, strlen(tls_peer_sni(p.peer))), 0);
    }
    tls_end_pair(&p);
}

START_TEST(policy_matrix)
{
    struct signers s = {
        .other_ca = cert_make(&(struct cert_spec){.ca = true, .cn = "Other CA"}),
        .other_key = cert_make(&(struct cert_spec){.ca = true, .cn = "Test CA"}),
        .intermediate = cert_make(&(struct cert_spec){.ca = true, .cn = "Intermediate", .issuer = tls_ca}),
        .leaf = cert_make(&(struct cert_spec){.issuer = tls_ca}),
        .expired = cert_make(&(struct cert_spec){
            .ca = true, .cn = "Expired CA", .issuer = tls_ca, .not_after = CERT_NOW - DAY}),
    };
    struct redwi_tls_ctx *require, *verify_ca, *full = tls_full_ctx(), *system;

    ck_assert_int_eq(tls_make_ctx(&require, REDWI_TLS_REQUIRE, NULL, NULL), 0);
    ck_assert_int_eq(tls_make_ctx(&verify_ca, REDWI_TLS_VERIFY_CA, tls_ca_path, NULL), 0);
    ck_assert_int_eq(tls_make_ctx(&system, REDWI_TLS_VERIFY_FULL, "system", NULL), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        struct cert_spec spec = r->spec;
        const struct cert *chain;
        struct cert *cert;

        spec.issuer = signer_of(&s, r->by);
        chain = r->by >= BY_INTERMEDIATE && !r->no_chain ? spec.issuer : NULL;
        cert = cert_make(&spec);
        try_row(r, cert, chain, require, r->require, r->require ? "" : r->says);
        try_row(r, cert, chain, verify_ca, r->ca, r->require ? "not trusted: " : r->says);
        try_row(r, cert, chain, full, r->full, r->says);
        /* The system's roots know none of these. */
        try_row(r, cert, chain, system, false, r->require ? "not trusted: " : r->says);
        cert_free(cert);
    }
    tls_free_ctx(require);
    tls_free_ctx(verify_ca);
    tls_free_ctx(full);
    tls_free_ctx(system);
    cert_free(s.other_ca);
    cert_free(s.other_key);
    cert_free(s.intermediate);
    cert_free(s.leaf);
    cert_free(s.expired);
    ck_assert_int_eq(tls_memory.live, 0);
}
END_TEST

START_TEST(self_signed_certificate_is_trusted_when_it_is_the_root)
{
    struct cert *own = cert_make(&(struct cert_spec){0});
    struct redwi_tls_ctx *ctx;
    struct tls_pair p;

    cert_write(cert_path("own.crt"), NULL, own, NULL);
    ck_assert_int_eq(tls_make_ctx(&ctx, REDWI_TLS_VERIFY_FULL, cert_path("own.crt"), NULL), 0);
    p = tls_start_pair(ctx, "localhost", &(struct tls_peer_config){.cert = own});
    ck_assert_int_eq(tls_connect(&p, TLS_ANY), REDWI_TLS_DONE);
    tls_end_pair(&p);
    tls_free_ctx(ctx);
    cert_free(own);
}
END_TEST

START_TEST(time_of_verification_is_the_one_given)
{
    struct cert *past = cert_make(&(struct cert_spec){.issuer = tls_ca, .not_after = CERT_NOW - 100 * DAY});
    struct redwi_tls_ctx *ctx = tls_full_ctx();
    const struct {
        int64_t s;
        enum redwi_tls_status status;
    } times[] = {{CERT_NOW - 101 * DAY, REDWI_TLS_DONE}, {CERT_NOW, REDWI_TLS_FAILED}, {0, REDWI_TLS_FAILED}};

    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct tls_pair p = {.peer = tls_peer_new(&(struct tls_peer_config){.cert = past})};

        ck_assert_int_eq(tls_make(&p.t, ctx, "localhost", times[i].s * 1000000), 0);
        ck_assert_int_eq(tls_connect(&p, TLS_ANY), times[i].status);
        tls_end_pair(&p);
    }
    tls_free_ctx(ctx);
    cert_free(past);
}
END_TEST

START_TEST(names_no_certificate_can_be_for_are_refused)
{
    char longest[257];
    const char *names[] = {"", ".", ".localhost", ".127.0.0.1", longest};
    struct redwi_tls_ctx *ctx = tls_full_ctx();
    struct redwi_tls *t;

    memset(longest, 'a', sizeof longest - 1);
    longest[256] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        ck_assert_int_eq(tls_make(&t, ctx, names[i], CERT_NOW_US), REDW_ETLS);
    tls_free_ctx(ctx);
    ck_assert_int_eq(tls_memory.live, 0);
}
END_TEST

START_TEST(presented_names_are_bounded_in_the_message)
{
    char san[8192] = "DNS:name-0.example";
    struct redwi_tls_ctx *ctx = tls_full_ctx();
    struct cert *many;
    struct tls_pair p;
    const char *message;
    int shown = 0, omitted = 0;

    for (int i = 1; i < 200; i++)
        snprintf(san + strlen(san), sizeof san - strlen(san), ",DNS:name-%d.example", i);
    many = cert_make(&(struct cert_spec){.issuer = tls_ca, .san = san});
    p = tls_start_pair(ctx, "localhost", &(struct tls_peer_config){.cert = many});
    ck_assert_int_eq(tls_connect(&p, TLS_ANY), REDWI_TLS_FAILED);
    message = redw_error_message(p.why);
    for (const char *at = message; (at = strstr(at, "\"name-")) != NULL; at++)
        shown++;
    ck_assert_ptr_nonnull(strstr(message, " and "));
    ck_assert_int_eq(sscanf(strstr(message, " and "), " and %d more", &omitted), 1);
    ck_assert_int_gt(shown, 10);
    ck_assert_int_eq(shown + omitted, 200);
    tls_end_pair(&p);
    tls_free_ctx(ctx);
    cert_free(many);
}
END_TEST

/* ---- The CA file ---- */

static void write_file(const char *path, const char *text, size_t n)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

static size_t read_file(const char *path, char *buf, size_t cap)
{
    FILE *f = fopen(path, "r");
    size_t n;

    ck_assert_ptr_nonnull(f);
    n = fread(buf, 1, cap, f);
    ck_assert_int_eq(fclose(f), 0);
    return n;
}

START_TEST(unusable_ca_file_is_named_with_the_reason)
{
    char pem[8192];
    size_t n = read_file(tls_ca_path, pem, sizeof pem / 2);
    const enum redwi_tls_mode modes[] = {REDWI_TLS_REQUIRE, REDWI_TLS_VERIFY_CA, REDWI_TLS_VERIFY_FULL};
    const struct {
        const char *path, *part;
    } cases[] = {
        {cert_path("missing"), "No such file or directory"},
        {cert_dir(), ""},
        {cert_path("empty"), "no certificate or crl found"},
        {cert_path("text"), "no certificate or crl found"},
        {cert_path("truncated"), ""},
        {cert_path("garbled"), ""},
        {cert_path("key"), ""},
        {cert_path("second-garbled"), ""},
        {cert_path("control\033bytes"), "control\\x1bbytes"},
        {"", ""},
    };

    write_file(cert_path("empty"), "", 0);
    write_file(cert_path("text"), "not a certificate\n", 18);
    write_file(cert_path("truncated"), pem, n / 2);
    cert_write(cert_path("unused"), cert_path("key"), tls_leaf, NULL);
    memcpy(pem + n, pem, n);
    memset(pem + n + n / 2, '!', 8);
    write_file(cert_path("garbled"), pem + n, n);
    write_file(cert_path("second-garbled"), pem, 2 * n);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t m = 0; m < sizeof modes / sizeof modes[0]; m++) {
            struct redwi_tls_ctx *ctx;
            struct redw_diag why = {0};
            size_t named = strcspn(cases[i].path, "\033");

            ck_assert_msg(tls_make_ctx(&ctx, modes[m], cases[i].path, &why) == REDW_ETLS, "%s: %s",
                          cases[i].path, why.text);
            ck_assert_int_eq(why.code, REDW_ETLS);
            ck_assert_msg(strncmp(why.text, "CA file ", 8) == 0, "%s", why.text);
            ck_assert_msg(strncmp(why.text + 8, cases[i].path, named) == 0, "%s", why.text);
            ck_assert_msg(strstr(why.text, cases[i].part) != NULL, "%s", why.text);
            ck_assert_msg(strlen(why.text) > 12 + named, "no reason: %s", why.text);
        }
    }
    ck_assert_int_eq(tls_memory.live, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tls_policy");
    TCase *c = tcase_create("tls_policy");
    SRunner *r;
    int failed;

    tls_begin();
    tcase_set_timeout(c, 300);
    tcase_add_test(c, policy_matrix);
    tcase_add_test(c, self_signed_certificate_is_trusted_when_it_is_the_root);
    tcase_add_test(c, time_of_verification_is_the_one_given);
    tcase_add_test(c, names_no_certificate_can_be_for_are_refused);
    tcase_add_test(c, presented_names_are_bounded_in_the_message);
    tcase_add_test(c, unusable_ca_file_is_named_with_the_reason);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
