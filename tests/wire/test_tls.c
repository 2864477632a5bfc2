/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS filter as a pipe: handshake, data, the end, faults on the way, channel binding.
 */
#include "support/tls_pair.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
#define EACH_VERSION(i) (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++)

static void fill(uint8_t *p, size_t n)
{
    uint32_t x = 12345;

    for (size_t i = 0; i < n; i++) {
        x = x * 1664525 + 1013904223;
        p[i] = (uint8_t)(x >> 24);
    }
}

/* ---- Handshake ---- */

START_TEST(handshake_completes_with_any_partition_of_the_bytes)
{
    const size_t steps[] = {1, 2, 5, 7, 100, 1 << 20};
    struct redwi_tls_ctx *ctx = tls_full_ctx();

    for
        EACH_VERSION(v)
        {
            for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
                struct tls_pair p = tls_start_pair(ctx, "localhost",
                                                   &(struct tls_peer_config){.cert = tls_leaf,
                                                                             .min_version = versions[v],
                                                                             .max_version = versions[v]});

                ck_assert_int_eq(tls_connect(&p, steps[i]), REDWI_TLS_DONE);
                ck_assert_int_eq(tls_handshake(&p), REDWI_TLS_DONE); /* asking again is harmless */
                ck_assert(tls_peer_is_open(p.peer));
                ck_assert_str_eq(tls_peer_sni(p.peer), "localhost");
                ck_assert_str_eq(redwi_tls_version(p.t),
                                 versions[v] == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
                ck_assert_ptr_nonnull(strstr(redwi_tls_cipher(p.t), "AES"));
                tls_end_pair(&p);
            }
        }
    tls_free_ctx(ctx);
    ck_assert_int_eq(tls_memory.live, 0);
}
END_TEST

START_TEST(server_that_speaks_no_tls_is_refused)
{
    struct redwi_tls_ctx *ctx = tls_full_ctx();
    const struct {
        const char *bytes;
        size_t n;
        const char *part;
    } cases[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", 28, "TLS handshake: wrong version number"},
        {"\x15\x03\x01\x00\x02\x02\x28", 7, "peer sent alert: handshake failure"},
        {"\x15\x03\x01\x00\x02\x02\x46", 7, "peer sent alert: protocol version"},
        {"\x15\x03\x03\x00\x02\x01\x00", 7, "the peer ended TLS"},
        {"\x17\x03\x03\x00\x01x", 6, "TLS handshake: "},
        /* A ServerHello of TLS 1.1 from a server that ignores what was offered. */
        {"\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02"
         "0123456789abcdef0123456789abcdef\x00\xc0\x14\x00",
         47, "TLS handshake: unsupported protocol"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls_pair p = tls_start_pair(ctx, "localhost", &(struct tls_peer_config){.cert = tls_leaf});
        size_t room;

        ck_assert_int_eq(tls_handshake(&p), REDWI_TLS_WANT_INPUT);
        memcpy(redwi_tls_input(p.t, &room), cases[i].bytes, cases[i].n);
        redwi_tls_received(p.t, cases[i].n);
        ck_assert_int_eq(tls_handshake(&p), REDWI_TLS_FAILED);
        tls_expect_message(&p, cases[i].part);
        tls_end_pair(&p);
    }
    tls_free_ctx(ctx);
}
END_TEST

START_TEST(failed_filter_stays_failed)
{
    struct redwi_tls_ctx *ctx = tls_full_ctx();
    struct tls_pair p = tls_start_pair(ctx, "other.example", &(struct tls_peer_config){.cert = tls_leaf});
    char buf[16];
    size_t n;

    ck_assert_int_eq(tls_connect(&p, TLS_ANY), REDWI_TLS_FAILED);
    ck_assert(tls_peer_failed(p.peer)); /* it was told so by an alert */
    ck_assert_int_eq(tls_handshake(&p), REDWI_TLS_FAILED);
    tls_expect_message(&p, "TLS has failed before");
    ck_assert_int_eq(tls_read(&p, buf, sizeof buf, &n), REDWI_TLS_FAILED);
    ck_assert_int_eq(tls_write(&p, "x", 1, &n), REDWI_TLS_FAILED);
    tls_shutdown(&p);
    redwi_tls_output(p.t, &n);
    ck_assert_uint_eq(n, 0);
    tls_end_pair(&p);
    tls_free_ctx(ctx);
}
END_TEST

START_TEST(server_that_demands_a_client_certificate_is_reported)
{
    struct redwi_tls_ctx *ctx = tls_full_ctx();

    for
        EACH_VERSION(v)
        {
            for (int demands = 0; demands <= 1; demands++) {
                struct tls_pair p = tls_start_pair(ctx, "localhost",
                                                   &(struct tls_peer_config){.cert = tls_leaf,
                                                                             .min_version = versions[v],
                                                                             .max_version = versions[v],
                                                                             .asks_certificate = true,
                                                                             .demands_certificate = demands});
                enum redwi_tls_status status = tls_connect(&p, TLS_ANY);
                char buf[16];
                size_t n;

                if (status == REDWI_TLS_DONE) { /* in TLS 1.3 the client is done before the server looks */
                    tls_from_peer(&p, TLS_ANY);
                    status = tls_read(&p, buf, sizeof buf, &n);
                }
                ck_assert_int_eq(status, demands ? REDWI_TLS_FAILED : REDWI_TLS_WANT_INPUT);
                if (demands)
                    tls_expect_message(&p, versions[v] == TLS1_3_VERSION
                                               ? "TLS read: peer sent alert: certificate required"
                                               : "TLS handshake: peer sent alert: handshake failure");
                tls_end_pair(&p);
            }
        }
    tls_free_ctx(ctx);
}
END_TEST

/* ---- Data ---- */

/* O04 */
START_TEST(records_of_one_segment_are_all_read_without_further_input)
{
    struct redwi_tls_ctx *ctx = tls_full_ctx();

    for
        EACH_VERSION(v)
        {
            struct tls_pair p = tls_open_pair(ctx, versions[v]);
            uint8_t sent[20 * 700], got[sizeof sent + 1];

            fill(sent, sizeof sent);
            for (size_t i = 0; i < 20; i++)
                tls_peer_write(p.peer, sent + i * 700, 700);
            ck_assert_int_gt(tls_from_peer(&p, TLS_ANY), (long)sizeof sent);
            ck_assert_uint_eq(tls_peer_waiting(p.peer), 0);
            ck_assert_uint_eq(tls_read_all(&p, got, sizeof got), sizeof sent);
            ck_assert_mem_eq(got, sent, sizeof sent);
            tls_end_pair(&p);
        }
    tls_free_ctx(ctx);
}
END_TEST

START_TEST(a_record_may_be_read_in_pieces)
{
    struct redwi_tls_ctx *ctx = tls_full_ctx();
    struct tls_pair p = tls_open_pair(ctx, TLS1_3_VERSION);
    char c;
    size_t n;

    tls_peer_write(p.peer, "abc", 3);
    tls_from_peer(&p, TLS_ANY);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(tls_read(&p, &c, 1, &n), REDWI_TLS_DONE);
        ck_assert_int_eq(c, "abc"[i]);
    }
    ck_assert_int_eq(tls_read(&p, &c, 1, &n), REDWI_TLS_WANT_INPUT);
    tls_end_pair(&p);
    tls_free_ctx(ctx);
}
END_TEST

START_TEST(one_byte_records_and_one_byte_segments_lose_nothing)
{
    struct redwi_tls_ctx *ctx = tls_full_ctx();

    for
        EACH_VERSION(v)
        {
            struct tls_pair p = tls_open_pair(ctx, versions[v]);
            uint8_t sent[500], got[sizeof sent + 1];
            size_t n, took;

            fill(sent, sizeof sent);
            for (size_t i = 0; i < sizeof sent; i++)
                tls_peer_write(p.peer, sent + i, 1);
            tls_from_peer(&p, TLS_ANY);
            ck_assert_uint_eq(tls_read_all(&p, got, sizeof got), sizeof sent);
            ck_assert_mem_eq(got, sent, sizeof sent);

            tls_peer_write(p.peer, sent, sizeof sent);
            n = 0;
            while (tls_from_peer(&p, 1) > 0)
                n += tls_read_all(&p, got + n, sizeof got - n);
            ck_assert_uint_eq(n, sizeof sent);
            ck_assert_mem_eq(got, sent, sizeof sent);

            for (size_t i = 0; i < sizeof sent; i++) {
                ck_assert_int_eq(tls_write(&p, sent + i, 1, &took), REDWI_TLS_DONE);
                ck_assert_uint_eq(took, 1);
            }
            while (tls_to_peer(&p, 1) > 0)
                ;
            ck_assert_uint_eq(tls_peer_read(p.peer, got, sizeof got), sizeof sent);
            ck_assert_mem_eq(got, sent, sizeof sent);
            tls_end_pair(&p);
        }
    tls_free_ctx(ctx);
}
END_TEST

START_TEST(much_data_arrives_whole_and_the_room_offered_grows)
{
    const size_t total = 1 << 20;
    uint8_t *sent = malloc(total), *got = malloc(total + 1);
    struct redwi_tls_ctx *ctx = tls_full_ctx();

    fill(sent, total);
    for
        EACH_VERSION(v)
        {
            struct tls_pair p = tls_open_pair(ctx, versions[v]);
            size_t n = 0;
            long segment, largest = 0;

            tls_peer_write(p.peer, sent, total);
            while ((segment = tls_from_peer(&p, TLS_ANY)) > 0) {
                largest = segment > largest ? segment : largest;
                n += tls_read_all(&p, got + n, total + 1 - n);
            }
            ck_assert_uint_eq(n, total);
            ck_assert_mem_eq(got, sent, total);
            ck_assert_int_ge(largest, 64 * 1024);
            ck_assert_int_le(largest, 128 * 1024);
            tls_end_pair(&p);
        }
    tls_free_ctx(ctx);
    free(sent);
    free(got);
}
END_TEST

START_TEST(input_that_nobody_reads_is_bounded)
{
    uint8_t sent[256 * 1024], got[sizeof sent + 1];
    struct redwi_tls_ctx *ctx = tls_full_ctx();
    struct tls_pair p = tls_open_pair(ctx, TLS1_3_VERSION);
    size_t room, n = 0, in = 0;

    fill(sent, sizeof sent);
    tls_peer_write(p.peer, sent, sizeof sent);
    for (long k; (k = tls_from_peer(&p, 10000)) > 0;)
        in += (size_t)k;
    ck_assert_uint_ge(in, 64 * 1024);
    ck_assert_uint_le(in, 128 * 1024);
    ck_assert_ptr_nonnull(redwi_tls_input(p.t, &room));
    ck_assert_uint_eq(room, 0);
    do
        n += tls_read_all(&p, got + n, sizeof got - n);
    while (tls_from_peer(&p, 10000) > 0);
    ck_assert_uint_eq(n, sizeof sent);
    ck_assert_mem_eq(got, sent, sizeof sent);
    tls_end_pair(&p);
    tls_free_ctx(ctx);
}
END_TEST

START_TEST(a_large_write_is_bounded_and_arrives_whole)
{
    const size_t total = 3 << 20;
    uint8_t *sent = malloc(total), *got = malloc(total + 1);
    struct redwi_tls_ctx *ctx = tls_full_ctx();

    fill(sent, total);
    for
        EACH_VERSION(v)
        {
            struct tls_pair p = tls_open_pair(ctx, versions[v]);
            size_t done = 0, arrived = 0, took, waiting;

            while (done < total) {
                ck_assert_int_eq(tls_write(&p, sent + done, total - done, &took), REDWI_TLS_DONE);
                done += took;
                redwi_tls_output(p.t, &waiting);
                ck_assert_uint_le(waiting, 256 * 1024 + 16384 + 512);
                if (done < total) { /* full: nothing more is taken until something is sent */
                    ck_assert_uint_ge(waiting, 256 * 1024);
                    ck_assert_int_eq(tls_write(&p, sent + done, total - done, &took), REDWI_TLS_DONE);
                    ck_assert_uint_eq(took, 0);
                }
                tls_to_peer(&p, 100000);
            }
            while (tls_to_peer(&p, 100000) > 0)
                ;
            for (size_t n; (n = tls_peer_read(p.peer, got + arrived, total + 1 - arrived)) > 0;)
                arrived += n;
            ck_assert_uint_eq(arrived, total);
            ck_assert_mem_eq(got, sent, total);
            tls_end_pair(&p);
        }
    tls_free_ctx(ctx);
    free(sent);
    free(got);
}
END_TEST

/* ---- The end ---- */

START_TEST(close_notify_is_the_end_and_silence_is_not)
{
    struct redwi_tls_ctx *ctx = tls_full_ctx();

    for
        EACH_VERSION(v)
        {
            struct tls_pair p = tls_open_pair(ctx, versions[v]);
            char buf[16];
            size_t n;

            tls_peer_write(p.peer, "last", 4);
            tls_from_peer(&p, TLS_ANY);
            ck_assert_int_eq(tls_read(&p, buf, sizeof buf, &n), REDWI_TLS_DONE);
            ck_assert_int_eq(tls_read(&p, buf, sizeof buf, &n), REDWI_TLS_WANT_INPUT);
            ck_assert_int_eq(tls_read(&p, buf, sizeof buf, &n), REDWI_TLS_WANT_INPUT);

            tls_peer_write(p.peer, "words", 5);
            tls_peer_close(p.peer);
            tls_from_peer(&p, TLS_ANY);
            ck_assert_int_eq(tls_read(&p, buf, sizeof buf, &n), REDWI_TLS_DONE);
            ck_assert_mem_eq(buf, "words", 5);
            ck_assert_int_eq(tls_read(&p, buf, sizeof buf, &n), REDWI_TLS_END);
            ck_assert_int_eq(tls_read(&p, buf, sizeof buf, &n), REDWI_TLS_END);
            tls_end_pair(&p);
        }
    tls_free_ctx(ctx);
}
END_TEST

START_TEST(shutdown_tells_the_server)
{
    struct redwi_tls_ctx *ctx = tls_full_ctx();

    for
        EACH_VERSION(v)
        {
            struct tls_pair p = tls_open_pair(ctx, versions[v]),
                            early =
                                tls_start_pair(ctx, "localhost", &(struct tls_peer_config){.cert = tls_leaf});
            size_t n;

            tls_shutdown(&p);
            tls_shutdown(&p);
            tls_to_peer(&p, TLS_ANY);
            ck_assert(tls_peer_ended(p.peer));
            ck_assert(!tls_peer_failed(p.peer));
            tls_end_pair(&p);

            tls_shutdown(&early); /* before the handshake there is nobody to tell */
            redwi_tls_output(early.t, &n);
            ck_assert_uint_eq(n, 0);
            tls_end_pair(&early);
        }
    tls_free_ctx(ctx);
}
END_TEST

/* ---- Faults ---- */

START_TEST(a_record_with_any_byte_changed_is_never_read)
{
    struct redwi_tls_ctx *ctx = tls_full_ctx();

    for
        EACH_VERSION(v)
        {
            size_t length = 1;

            for (size_t at = 0; at < length; at++) {
                struct tls_pair p = tls_open_pair(ctx, versions[v]);
                char buf[64];
                size_t n, room;
                uint8_t *in;
                enum redwi_tls_status status;

                tls_from_peer(&p, TLS_ANY); /* tickets */
                tls_read_all(&p, (uint8_t *)buf, sizeof buf);
                tls_peer_write(p.peer, "secret", 6);
                in = redwi_tls_input(p.t, &room);
                length = tls_peer_take(p.peer, in, room);
                in[at] ^= 0x40;
                redwi_tls_received(p.t, length);
                status = tls_read(&p, buf, sizeof buf, &n);
                /* A length that grew makes the filter wait for the rest. */
                ck_assert(status == REDWI_TLS_FAILED ||
                          (status == REDWI_TLS_WANT_INPUT && (at == 3 || at == 4)));
                if (at >= 5)
                    tls_expect_message(&p, "TLS read: decryption failed or bad record mac");
                tls_end_pair(&p);
            }
            ck_assert_uint_gt(length, 20);
        }
    tls_free_ctx(ctx);
}
END_TEST

START_TEST(alert_of_the_server_is_named)
{
    struct redwi_tls_ctx *ctx = tls_full_ctx();

    for
        EACH_VERSION(v)
        {
            struct tls_pair p = tls_open_pair(ctx, versions[v]);
            char buf[16], cipher[256];
            size_t n;

            ck_assert_int_eq(tls_write(&p, "hello", 5, &n), REDWI_TLS_DONE);
            ck_assert_ptr_nonnull(redwi_tls_output(p.t, &n));
            memcpy(cipher, redwi_tls_output(p.t, &n), n);
            cipher[n - 1] ^= 1;
            tls_peer_feed(p.peer, cipher, n);
            ck_assert(tls_peer_failed(p.peer));
            tls_from_peer(&p, TLS_ANY);
            ck_assert_int_eq(tls_read(&p, buf, sizeof buf, &n), REDWI_TLS_FAILED);
            tls_expect_message(&p, "TLS read: peer sent alert: bad record mac");
            tls_end_pair(&p);
        }
    tls_free_ctx(ctx);
}
END_TEST

START_TEST(key_updates_and_tickets_between_data_are_not_noticed)
{
    struct redwi_tls_ctx *ctx = tls_full_ctx();
    struct tls_pair p = tls_open_pair(ctx, TLS1_3_VERSION);
    uint8_t buf[64];
    size_t took;

    for (int round = 0; round < 10; round++) {
        tls_peer_write(p.peer, "ab", 2);
        tls_peer_key_update(p.peer, round % 2 == 0);
        tls_peer_write(p.peer, "cd", 2);
        tls_peer_ticket(p.peer);
        tls_peer_write(p.peer, "ef", 2);
        tls_from_peer(&p, TLS_ANY);
        ck_assert_uint_eq(tls_read_all(&p, buf, sizeof buf), 6);
        ck_assert_mem_eq(buf, "abcdef", 6);
        ck_assert_int_eq(tls_write(&p, "gh", 2, &took), REDWI_TLS_DONE);
        tls_to_peer(&p, TLS_ANY);
        ck_assert_uint_eq(tls_peer_read(p.peer, buf, sizeof buf), 2);
        ck_assert_mem_eq(buf, "gh", 2);
    }
    tls_end_pair(&p);
    tls_free_ctx(ctx);
}
END_TEST

START_TEST(answers_the_peer_does_not_take_are_bounded)
{
    struct redwi_tls_ctx *ctx = tls_full_ctx();

    /* Each request for a key update, and in TLS 1.2 each HelloRequest, is answered at once. */
    for
        EACH_VERSION(v)
        {
            struct tls_pair p = tls_open_pair(ctx, versions[v]);
            enum redwi_tls_status status = REDWI_TLS_WANT_INPUT;
            size_t n, waiting = 0;
            char buf[16];

            for (int i = 0; i < 20000 && status == REDWI_TLS_WANT_INPUT; i++) {
                if (versions[v] == TLS1_3_VERSION)
                    tls_peer_key_update(p.peer, true);
                else
                    tls_peer_renegotiate(p.peer);
                tls_from_peer(&p, TLS_ANY);
                status = tls_read(&p, buf, sizeof buf, &n);
            }
            redwi_tls_output(p.t, &waiting);
            ck_assert_int_eq(status, REDWI_TLS_FAILED);
            ck_assert_uint_le(waiting, 320 * 1024);
            tls_expect_message(&p, "TLS read: the peer asks for more answers than it takes");
            tls_end_pair(&p);
        }
    tls_free_ctx(ctx);
}
END_TEST

START_TEST(renegotiation_is_refused_and_data_goes_on)
{
    struct redwi_tls_ctx *ctx = tls_full_ctx();
    struct tls_pair p = tls_open_pair(ctx, TLS1_2_VERSION);
    uint8_t buf[64];

    tls_peer_renegotiate(p.peer);
    tls_from_peer(&p, TLS_ANY);
    ck_assert_uint_eq(tls_read_all(&p, buf, sizeof buf), 0);
    ck_assert_uint_gt(tls_to_peer(&p, TLS_ANY), 0);
    ck_assert(tls_peer_failed(p.peer)); /* OpenSSL's server takes the refusal badly */
    ck_assert_uint_eq(tls_read_all(&p, buf, sizeof buf), 0);
    tls_end_pair(&p);
    tls_free_ctx(ctx);
}
END_TEST

/* ---- Channel binding ---- */

START_TEST(end_point_is_the_hash_of_rfc_5929)
{
    const struct {
        struct cert_spec spec;
        const char *hash; /* NULL: none */
    } cases[] = {
        {{0}, "SHA256"},
        {{.hash = "SHA384"}, "SHA384"},
        {{.hash = "SHA512"}, "SHA512"},
        {{.hash = "SHA224"}, "SHA224"},
        {{.hash = "SHA1"}, "SHA256"},
        {{.kind = CERT_RSA2048}, "SHA256"},
        {{.kind = CERT_RSA2048, .hash = "MD5"}, "SHA256"},
        {{.kind = CERT_RSA_PSS2048, .hash = "SHA384"}, "SHA384"},
        {{.kind = CERT_ED25519}, NULL},
    };
    struct redwi_tls_ctx *ctx;

    ck_assert_int_eq(tls_make_ctx(&ctx, REDWI_TLS_REQUIRE, NULL, NULL), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cert *own = cert_make(&cases[i].spec); /* self-signed: its key kind signs */
        struct tls_pair p = tls_start_pair(ctx, "localhost", &(struct tls_peer_config){.cert = own});
        unsigned char *der = NULL, expected[64];
        uint8_t got[64];
        size_t n = 0;
        int der_len = i2d_X509(own->x509, &der);

        ck_assert_uint_eq(tls_end_point(&p, got), 0); /* nobody known yet */
        ck_assert_msg(tls_connect(&p, TLS_ANY) == REDWI_TLS_DONE, "%zu: %s", i, redw_error_message(p.why));
        if (cases[i].hash != NULL)
            ck_assert(EVP_Q_digest(NULL, cases[i].hash, NULL, der, (size_t)der_len, expected, &n));
        ck_assert_uint_eq(tls_end_point(&p, got), n);
        ck_assert_int_eq(memcmp(got, expected, n), 0);
        OPENSSL_free(der);
        tls_end_pair(&p);
        cert_free(own);
    }
    tls_free_ctx(ctx);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tls");
    TCase *c = tcase_create("tls");
    SRunner *r;
    int failed;

    tls_begin();
    tcase_set_timeout(c, 300);
    tcase_add_test(c, handshake_completes_with_any_partition_of_the_bytes);
    tcase_add_test(c, server_that_speaks_no_tls_is_refused);
    tcase_add_test(c, failed_filter_stays_failed);
    tcase_add_test(c, server_that_demands_a_client_certificate_is_reported);
    tcase_add_test(c, records_of_one_segment_are_all_read_without_further_input);
    tcase_add_test(c, a_record_may_be_read_in_pieces);
    tcase_add_test(c, one_byte_records_and_one_byte_segments_lose_nothing);
    tcase_add_test(c, much_data_arrives_whole_and_the_room_offered_grows);
    tcase_add_test(c, input_that_nobody_reads_is_bounded);
    tcase_add_test(c, a_large_write_is_bounded_and_arrives_whole);
    tcase_add_test(c, close_notify_is_the_end_and_silence_is_not);
    tcase_add_test(c, shutdown_tells_the_server);
    tcase_add_test(c, a_record_with_any_byte_changed_is_never_read);
    tcase_add_test(c, alert_of_the_server_is_named);
    tcase_add_test(c, key_updates_and_tickets_between_data_are_not_noticed);
    tcase_add_test(c, answers_the_peer_does_not_take_are_bounded);
    tcase_add_test(c, renegotiation_is_refused_and_data_goes_on);
    tcase_add_test(c, end_point_is_the_hash_of_rfc_5929);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
