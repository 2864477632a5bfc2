/* SPDX-License-Identifier: Apache-2.0 */
/*
 * B03: SCRAM against the vector of RFC 7677, against each field of the server's messages malformed, and in
 * slices of any size.
 */
#include "wire/mem.h"
#include "wire/scram.h"

#include <check.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* RFC 7677 section 3. */
#define CLIENT_NONCE "rOprNGfwEbeRWgbNEkqO"
#define NONCE CLIENT_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define SALT "W22ZaJ0SNY7soEsUEjb6gQ=="
#define CHALLENGE "r=" NONCE ",s=" SALT ",i=4096"
#define FINAL "c=biws,r=" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define SIGNATURE "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static struct redwi_scram_config rfc_config(void)
{
    return (struct redwi_scram_config){
        .mem = &redwi_malloc,
        .password = "pencil",
        .password_len = 6,
        .user = "user",
        .nonce_text = CLIENT_NONCE,
    };
}

static struct redwi_scram *begun_with(const struct redwi_scram_config *config)
{
    struct redwi_scram *s;
    redw_slice first;
    const char *why;
    ck_assert_int_eq(redwi_scram_create(&s, config), 0);
    ck_assert_int_eq(redwi_scram_first(s, &first, &why), 0);
    return s;
}

static struct redwi_scram *begun(void)
{
    struct redwi_scram_config config = rfc_config();
    return begun_with(&config);
}

static void challenge(struct redwi_scram *s, const char *message)
{
    const char *why = "";
    int code = redwi_scram_challenge(s, message, strlen(message), &why);
    ck_assert_msg(code == 0, "%s: %s", message, why);
}

static void derive(struct redwi_scram *s, unsigned slice)
{
    const char *why;
    int code;
    while ((code = redwi_scram_work(s, slice, &why)) == 1)
        ;
    ck_assert_int_eq(code, 0);
}

static bool slice_is(redw_slice s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.ptr, text, s.len) == 0;
}

START_TEST(the_vector_of_rfc_7677_in_slices_of_any_size)
{
    static const unsigned slices[] = {1, 7, 100, 1365, 4094, 4095, 4096, 5000, 1000000};
    for (size_t i = 0; i < sizeof slices / sizeof slices[0]; i++) {
        struct redwi_scram_config config = rfc_config();
        struct redwi_scram *s;
        redw_slice message;
        const char *why;
        ck_assert_int_eq(redwi_scram_create(&s, &config), 0);
        ck_assert_int_eq(redwi_scram_first(s, &message, &why), 0);
        ck_assert(slice_is(message, "n,,n=user,r=" CLIENT_NONCE));
        challenge(s, CHALLENGE);
        derive(s, slices[i]);
        ck_assert_int_eq(redwi_scram_final(s, &message, &why), 0);
        ck_assert(slice_is(message, FINAL));
        ck_assert_int_eq(redwi_scram_verify(s, SIGNATURE, strlen(SIGNATURE), &why), 0);
        redwi_scram_free(s);
    }
    ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

START_TEST(an_empty_password_is_a_password)
{
    static const char proof[] = "c=biws,r=" NONCE ",p=tPbr4ksznL34eCCOqZheSI7+G2n6DDu3dNtzNGHfhZo=";
    static const char signature[] = "v=6e5bHiziH1gNavQpPzWjIQcky7oRCSv70Qm1Z5eDOr8=";
    struct redwi_scram_config config = rfc_config();
    redw_slice message;
    const char *why;
    config.password = "";
    config.password_len = 0;
    struct redwi_scram *s = begun_with(&config);
    challenge(s, CHALLENGE);
    derive(s, 5000);
    ck_assert_int_eq(redwi_scram_final(s, &message, &why), 0);
    ck_assert(slice_is(message, proof));
    ck_assert_int_eq(redwi_scram_verify(s, signature, strlen(signature), &why), 0);
    redwi_scram_free(s);
}
END_TEST

START_TEST(a_slice_does_no_more_than_it_was_given)
{
    struct redwi_scram *s = begun();
    const char *why;
    challenge(s, CHALLENGE); /* holds the first of the 4096 */
    for (int i = 0; i < 4094; i++)
        ck_assert_int_eq(redwi_scram_work(s, 1, &why), 1);
    ck_assert_int_eq(redwi_scram_work(s, 1, &why), 0);
    redwi_scram_free(s);
}
END_TEST

static void first_is(const struct redwi_scram_config *config, const char *want)
{
    struct redwi_scram *s;
    redw_slice message;
    const char *why;
    ck_assert_int_eq(redwi_scram_create(&s, config), 0);
    ck_assert_int_eq(redwi_scram_first(s, &message, &why), 0);
    ck_assert_msg(slice_is(message, want), "%.*s", (int)message.len, message.ptr);
    redwi_scram_free(s);
}

START_TEST(the_first_message_says_what_is_bound_and_escapes_the_user)
{
    struct redwi_scram_config config = rfc_config();
    config.user = "a=b,c";
    first_is(&config, "n,,n=a=3Db=2Cc,r=" CLIENT_NONCE);
    config.user = "";
    config.tls_without_plus = true;
    first_is(&config, "y,,n=,r=" CLIENT_NONCE);
    config.plus = true;
    config.binding = (const uint8_t *)"abc";
    config.binding_len = 3;
    first_is(&config, "p=tls-server-end-point,,n=,r=" CLIENT_NONCE);

    config = (struct redwi_scram_config){.mem = &redwi_malloc, .password = "x", .password_len = 1};
    for (size_t i = 0; i < sizeof config.nonce; i++)
        config.nonce[i] = (uint8_t)(250 + i);
    first_is(&config, "n,,n=,r=+vv8/f7/AAECAwQFBgcICQoLDA0ODxAR");
}
END_TEST

START_TEST(the_binding_is_part_of_the_final_message)
{
    static const struct {
        const char *binding, *c;
    } cases[] = {
        {"", "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCws,r="},
        {"a", "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsYQ==,r="},
        {"ab", "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsYWI=,r="},
        {"abc", "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsYWJj,r="},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct redwi_scram_config config = rfc_config();
        config.plus = true;
        config.binding = (const uint8_t *)cases[i].binding;
        config.binding_len = strlen(cases[i].binding);
        struct redwi_scram *s = begun_with(&config);
        redw_slice final;
        const char *why;
        challenge(s, CHALLENGE);
        derive(s, 5000);
        ck_assert_int_eq(redwi_scram_final(s, &final, &why), 0);
        ck_assert_msg(strncmp(final.ptr, cases[i].c, strlen(cases[i].c)) == 0, "%.*s", (int) final.len,
                      final.ptr);
        redwi_scram_free(s);
    }
}
END_TEST

static void refused(const char *message, size_t n, int code)
{
    struct redwi_scram *s = begun();
    const char *why = NULL;
    int got = redwi_scram_challenge(s, message, n, &why);
    ck_assert_msg(got == code && why && *why, "%.60s: %d", message, got);
    /* And that was the end of it. */
    ck_assert_int_eq(redwi_scram_work(s, 1, &why), REDW_EPROTOCOL);
    ck_assert_int_eq(redwi_scram_challenge(s, CHALLENGE, strlen(CHALLENGE), &why), REDW_EPROTOCOL);
    redwi_scram_free(s);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}

START_TEST(a_malformed_challenge_is_refused)
{
    static const char *const messages[] = {
        "",
        ",",
        "r",
        "r=",
        "r=,s=,i=",
        "r=" NONCE,
        "r=" NONCE ",",
        "r=" NONCE ",s=" SALT,
        "r=" NONCE ",s=" SALT ",",
        "r=" NONCE ",s=" SALT ",i",
        "r=" NONCE ",s=" SALT ",i=",
        /* the nonce: ours alone, another's, ours not at its start, with bytes that are not printable */
        "r=" CLIENT_NONCE ",s=" SALT ",i=4096",
        "r=x" NONCE ",s=" SALT ",i=4096",
        "r=rOprNGfwEbeRWgbNEkqP%hvYDpWUa2RaTCAfuxFIlj,s=" SALT ",i=4096",
        "r=" NONCE "\x7f,s=" SALT ",i=4096",
        "r=" NONCE " ,s=" SALT ",i=4096",
        "r=" NONCE "\xc3\xa4,s=" SALT ",i=4096",
        /* the salt: empty, not base64, cut, padded wrongly, bits behind its end, space */
        "r=" NONCE ",s=,i=4096",
        "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ=,i=4096",
        "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ,i=4096",
        "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gR==,i=4096",
        "r=" NONCE ",s=====,i=4096",
        "r=" NONCE ",s=A===,i=4096",
        "r=" NONCE ",s=AA=A,i=4096",
        "r=" NONCE ",s=AA==AAAA,i=4096",
        "r=" NONCE ",s=AAF=,i=4096",
        "r=" NONCE ",s=AA-_,i=4096",
        "r=" NONCE ",s=AAA ,i=4096",
        "r=" NONCE ",s=AAA\n,i=4096",
        /* the count: not a positive number in its one form */
        "r=" NONCE ",s=" SALT ",i=0",
        "r=" NONCE ",s=" SALT ",i=-1",
        "r=" NONCE ",s=" SALT ",i=+4096",
        "r=" NONCE ",s=" SALT ",i=04096",
        "r=" NONCE ",s=" SALT ",i= 4096",
        "r=" NONCE ",s=" SALT ",i=4096 ",
        "r=" NONCE ",s=" SALT ",i=4096x",
        "r=" NONCE ",s=" SALT ",i=0x1000",
        "r=" NONCE ",s=" SALT ",i=4e3",
        /* order, doubles, extensions, more behind */
        "s=" SALT ",r=" NONCE ",i=4096",
        "r=" NONCE ",i=4096,s=" SALT,
        "r=" NONCE ",r=" NONCE ",s=" SALT ",i=4096",
        "m=ext,r=" NONCE ",s=" SALT ",i=4096",
        "r=" NONCE ",m=x,s=" SALT ",i=4096",
        "r=" NONCE ",s=" SALT ",i=4096,",
        "r=" NONCE ",s=" SALT ",i=4096,x=y",
        "R=" NONCE ",s=" SALT ",i=4096",
        "r=" NONCE ";s=" SALT ";i=4096",
        "e=other-error",
    };
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
        refused(messages[i], strlen(messages[i]), REDW_EPROTOCOL);
    /* A NUL inside ends nothing. */
    static const char nul[] = CHALLENGE "\0";
    refused(nul, sizeof nul - 1, REDW_EPROTOCOL);
    static const char nul_in_nonce[] = "r=" NONCE "\0x,s=" SALT ",i=4096";
    refused(nul_in_nonce, sizeof nul_in_nonce - 1, REDW_EPROTOCOL);
}
END_TEST

START_TEST(each_byte_of_a_challenge_cut_off_or_changed_does_no_harm)
{
    for (size_t n = 0; n < strlen(CHALLENGE); n++) {
        const char *why;
        struct redwi_scram *s = begun();
        /* An exact copy, so that a read past its end is seen. */
        char *cut = malloc(n ? n : 1);
        memcpy(cut, CHALLENGE, n);
        ck_assert_int_lt(redwi_scram_challenge(s, cut, n, &why), 0);
        free(cut);
        redwi_scram_free(s);

        for (unsigned c = 0; c < 256; c++) {
            char message[] = CHALLENGE;
            message[n] = (char)c;
            s = begun();
            (void)redwi_scram_challenge(s, message, strlen(CHALLENGE), &why);
            redwi_scram_free(s);
        }
    }
}
END_TEST

START_TEST(salt_and_message_have_bounds)
{
    static char message[40000];
    static const struct {
        size_t salt_bytes;
        bool good;
    } salts[] = {{1, true},     {2, true},     {3, true},     {1023, true},  {1024, true},
                 {1025, false}, {1026, false}, {1027, false}, {12288, false}};
    for (size_t i = 0; i < sizeof salts / sizeof salts[0]; i++) {
        size_t n = (size_t)snprintf(message, sizeof message, "r=%s,s=", NONCE);
        size_t digits = (salts[i].salt_bytes * 4 + 2) / 3, quads = (salts[i].salt_bytes + 2) / 3 * 4;
        memset(message + n, 'A', digits);
        memset(message + n + digits, '=', quads - digits);
        n += quads;
        n += (size_t)snprintf(message + n, sizeof message - n, ",i=4096");
        if (salts[i].good) {
            struct redwi_scram *s = begun();
            challenge(s, message);
            redwi_scram_free(s);
        } else {
            refused(message, n, REDW_EPROTOCOL);
        }
    }
    /* 16 KiB is the most that is looked at. */
    for (size_t more = 0; more < 2; more++) {
        static const char tail[] = ",s=" SALT ",i=4096";
        size_t size = REDWI_SCRAM_MESSAGE_MAX + more;
        memset(message, 'x', size);
        memcpy(message, "r=" CLIENT_NONCE, strlen("r=" CLIENT_NONCE));
        memcpy(message + size - strlen(tail), tail, strlen(tail) + 1);
        if (more) {
            refused(message, size, REDW_EPROTOCOL);
            continue;
        }
        struct redwi_scram *s = begun();
        redw_slice final;
        const char *why;
        challenge(s, message);
        derive(s, 5000);
        ck_assert_int_eq(redwi_scram_final(s, &final, &why), 0);
        redwi_scram_free(s);
    }
}
END_TEST

START_TEST(iterations_are_bounded_and_refused_at_once)
{
    static const struct {
        const char *count;
        int code;
    } cases[] = {
        {"1", REDW_EAUTH}, {"4095", REDW_EAUTH}, {"4096", 0}, {"4097", 0}, {"100000", 0},
        {"100001", REDW_EAUTH}, {"2147483647", REDW_EAUTH}, {"2147483648", REDW_EAUTH},
        {"4294967295", REDW_EAUTH}, {"4294967296", REDW_EAUTH}, {"4294971392", REDW_EAUTH},
        {"18446744073709551615", REDW_EAUTH}, {"18446744073709551616", REDW_EAUTH},
        {"18446744073709555712", REDW_EAUTH},
    };
    char message[6000];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(message, sizeof message, "r=%s,s=" SALT ",i=%s", NONCE, cases[i].count);
        struct redwi_scram *s = begun();
        const char *why;
        clock_t before = clock();
        ck_assert_msg(redwi_scram_challenge(s, message, strlen(message), &why) == cases[i].code, "%s",
                      cases[i].count);
        ck_assert((double)(clock() - before) / CLOCKS_PER_SEC < 0.05);
        redwi_scram_free(s);
    }
    size_t n = (size_t)snprintf(message, sizeof message, "r=%s,s=" SALT ",i=", NONCE);
    memset(message + n, '9', 5000);
    refused(message, n + 5000, REDW_EAUTH);
}
END_TEST

static struct redwi_scram *answered(void)
{
    struct redwi_scram *s = begun();
    redw_slice final;
    const char *why;
    challenge(s, CHALLENGE);
    derive(s, 5000);
    ck_assert_int_eq(redwi_scram_final(s, &final, &why), 0);
    return s;
}

START_TEST(only_the_right_signature_is_believed)
{
    static const struct {
        const char *message;
        int code;
    } cases[] = {
        {"", REDW_EPROTOCOL},
        {"v", REDW_EPROTOCOL},
        {"v=", REDW_EPROTOCOL},
        {"v=AAAA", REDW_EPROTOCOL},
        {"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4", REDW_EPROTOCOL},
        {"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=", REDW_EPROTOCOL},
        {"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", REDW_EAUTH},
        {"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G8=", REDW_EAUTH},
        {"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4AAA==", REDW_EPROTOCOL},
        {"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", REDW_EAUTH},
        {SIGNATURE ",", REDW_EPROTOCOL},
        {SIGNATURE ",x=y", REDW_EPROTOCOL},
        {" " SIGNATURE, REDW_EPROTOCOL},
        {"e=invalid-proof", REDW_EAUTH},
        {"e=", REDW_EAUTH},
        {"e=x," SIGNATURE, REDW_EAUTH},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct redwi_scram *s = answered();
        const char *why = "";
        int code = redwi_scram_verify(s, cases[i].message, strlen(cases[i].message), &why);
        ck_assert_msg(code == cases[i].code && *why, "%s: %d", cases[i].message, code);
        /* There is one try. */
        ck_assert_int_eq(redwi_scram_verify(s, SIGNATURE, strlen(SIGNATURE), &why), REDW_EPROTOCOL);
        redwi_scram_free(s);
    }
}
END_TEST

START_TEST(a_signature_longer_than_any_is_not_looked_at)
{
    static char message[REDWI_SCRAM_MESSAGE_MAX + 1];
    for (size_t over = 0; over < 2; over++) {
        static const char beginnings[] = "ev";
        for (const char *name = beginnings; *name; name++) {
            struct redwi_scram *s = answered();
            const char *why;
            memset(message, 'A', sizeof message);
            message[0] = *name;
            message[1] = '=';
            int code = redwi_scram_verify(s, message, REDWI_SCRAM_MESSAGE_MAX + over, &why);
            ck_assert_int_eq(code, *name == 'e' && !over ? REDW_EAUTH : REDW_EPROTOCOL);
            redwi_scram_free(s);
        }
    }
}
END_TEST

START_TEST(calls_out_of_order_are_refused)
{
    struct redwi_scram_config config = rfc_config();
    struct redwi_scram *s;
    redw_slice message;
    const char *why;
    for (int call = 0; call < 4; call++) {
        ck_assert_int_eq(redwi_scram_create(&s, &config), 0);
        int code = call == 0   ? redwi_scram_challenge(s, CHALLENGE, strlen(CHALLENGE), &why)
                   : call == 1 ? redwi_scram_work(s, 1, &why)
                   : call == 2 ? redwi_scram_final(s, &message, &why)
                               : redwi_scram_verify(s, SIGNATURE, strlen(SIGNATURE), &why);
        ck_assert_int_eq(code, REDW_EPROTOCOL);
        redwi_scram_free(s);
    }
    s = begun();
    ck_assert_int_eq(redwi_scram_first(s, &message, &why), REDW_EPROTOCOL);
    redwi_scram_free(s);
    s = begun();
    challenge(s, CHALLENGE);
    ck_assert_int_eq(redwi_scram_final(s, &message, &why), REDW_EPROTOCOL);
    redwi_scram_free(s);
    redwi_scram_free(NULL);
}
END_TEST

/* --- allocation failures and secrets ------------------------------------------------------------ */

struct watch {
    size_t left;  /* allocations that succeed */
    size_t leaks; /* blocks given back with the password in them */
    long live;
};

static void *watch_alloc(void *ctx, size_t n)
{
    struct watch *w = ctx;
    if (!w->left)
        return NULL;
    w->left--;
    w->live++;
    size_t *p = malloc(n + 16);
    *p = n;
    return p + 2;
}

static void watch_release(void *ctx, void *ptr)
{
    struct watch *w = ctx;
    size_t *p = (size_t *)ptr - 2;
    w->leaks += memmem(ptr, *p, "pencil", 6) != NULL;
    w->live--;
    free(p);
}

static void *watch_resize(void *ctx, void *ptr, size_t n)
{
    void *p = watch_alloc(ctx, n);
    if (p && ptr) {
        size_t had = ((size_t *)ptr)[-2];
        memcpy(p, ptr, had < n ? had : n);
        watch_release(ctx, ptr);
    }
    return p;
}

START_TEST(each_allocation_may_fail_and_no_block_goes_back_with_the_password)
{
    bool done = false;
    for (size_t n = 0; !done; n++) {
        struct watch w = {.left = n};
        struct redw_allocator mem = {sizeof mem, &w, watch_alloc, watch_resize, watch_release};
        struct redwi_scram_config config = rfc_config();
        struct redwi_scram *s;
        redw_slice message;
        const char *why = NULL;
        config.mem = &mem;
        int code = redwi_scram_create(&s, &config);
        ck_assert(code == 0 || !s);
        if (!code)
            code = redwi_scram_first(s, &message, &why);
        if (!code)
            code = redwi_scram_challenge(s, CHALLENGE, strlen(CHALLENGE), &why);
        if (!code)
            code = redwi_scram_work(s, 5000, &why);
        if (!code)
            code = redwi_scram_final(s, &message, &why);
        if (!code) {
            ck_assert(slice_is(message, FINAL));
            done = true;
        } else {
            ck_assert_int_eq(code, REDW_ENOMEM);
        }
        redwi_scram_free(s);
        ck_assert_int_eq(w.live, 0);
        ck_assert_uint_eq(w.leaks, 0);
        ck_assert_uint_eq(ERR_peek_error(), 0);
        ck_assert_uint_lt(n, 100);
    }
}
END_TEST

/* The nonce fills the message's first page: its proof needs another one. */
START_TEST(a_proof_without_memory_is_no_proof)
{
    struct watch w = {.left = 100};
    struct redw_allocator mem = {sizeof mem, &w, watch_alloc, watch_resize, watch_release};
    struct redwi_scram_config config = rfc_config();
    char message[5000] = "r=" CLIENT_NONCE;
    redw_slice final;
    const char *why;
    config.mem = &mem;
    struct redwi_scram *s = begun_with(&config);
    size_t n = 2 + 4096 - strlen("c=biws,r=") - 20;
    memset(message + strlen(message), 'x', n - strlen(message));
    snprintf(message + n, sizeof message - n, ",s=" SALT ",i=4096");
    challenge(s, message);
    derive(s, 5000);
    w.left = 0;
    ck_assert_int_eq(redwi_scram_final(s, &final, &why), REDW_ENOMEM);
    w.left = 100;
    ck_assert_int_eq(redwi_scram_final(s, &final, &why), REDW_EPROTOCOL);
    redwi_scram_free(s);
    ck_assert_int_eq(w.live, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scram");
    TCase *c = tcase_create("scram");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, the_vector_of_rfc_7677_in_slices_of_any_size);
    tcase_add_test(c, an_empty_password_is_a_password);
    tcase_add_test(c, a_slice_does_no_more_than_it_was_given);
    tcase_add_test(c, the_first_message_says_what_is_bound_and_escapes_the_user);
    tcase_add_test(c, the_binding_is_part_of_the_final_message);
    tcase_add_test(c, a_malformed_challenge_is_refused);
    tcase_add_test(c, each_byte_of_a_challenge_cut_off_or_changed_does_no_harm);
    tcase_add_test(c, salt_and_message_have_bounds);
    tcase_add_test(c, iterations_are_bounded_and_refused_at_once);
    tcase_add_test(c, only_the_right_signature_is_believed);
    tcase_add_test(c, a_signature_longer_than_any_is_not_looked_at);
    tcase_add_test(c, calls_out_of_order_are_refused);
    tcase_add_test(c, each_allocation_may_fail_and_no_block_goes_back_with_the_password);
    tcase_add_test(c, a_proof_without_memory_is_no_proof);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
