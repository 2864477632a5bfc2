/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C01: The codec of a connection's beginning, both sides: first packets, passwords, SASL, Redshift's digest,
 * negotiation, and what follows until the server is ready, byte by byte as the protocol documentation lays it out.
 */
#include "wire/codec_stand.h"

START_TEST(the_first_packet_of_a_connection)
{
    struct redwi_buf b = writer();
    enum redwi_first kind;
    size_t len;
    static const struct redwi_startup_pair pairs[] = {
        {"user", "awsuser"},
        {"database", "dev"},
        {"options", NULL},
        {"client_protocol_version", "2"},
        {"driver_version", "MyDriver 0.1"},
        {"os_version", "Linux 6.1 x86_64"},
        {"application_name", "app"},
        {"client_encoding", "UTF8"},
    };
    redwi_fe_startup(&b, pairs, sizeof pairs / sizeof pairs[0]);
    ck_assert_uint_eq(redwi_buf_len(&b), 159);
    wrote(&b, "0000009f000300007573657200617773757365720064617461626173650064657600636c69656e745f70726f7"
              "46f636f"
              "6c5f76657273696f6e0032006472697665725f76657273696f6e004d7944726976657220302e31006f735f766"
              "5727369"
              "6f6e004c696e757820362e31207838365f3634006170706c69636174696f6e5f6e616d650061707000636c696"
              "56e745f"
              "656e636f64696e67005554463800"
              "00");
    redwi_fe_startup(&b, pairs, sizeof pairs / sizeof pairs[0]);
    const uint8_t *body = body_of(&b, 4, &len);
    ck_assert(redwi_fe_first(body, len, &kind));
    ck_assert_int_eq(kind, REDWI_FIRST_STARTUP);
    ck_assert(is(redwi_fe_startup_value(body, len, "user"), "awsuser"));
    ck_assert(is(redwi_fe_startup_value(body, len, "client_encoding"), "UTF8"));
    ck_assert_ptr_null(redwi_fe_startup_value(body, len, "options").ptr);
    ck_assert_ptr_null(redwi_fe_startup_value(body, len, "awsuser").ptr); /* a value is no name */
    struct redwi_cursor left = redwi_fe_startup_pairs(body, len);
    redw_slice name, value;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (!pairs[i].value)
            continue;
        ck_assert(redwi_fe_startup_next(&left, &name, &value));
        ck_assert(is(name, pairs[i].name) && is(value, pairs[i].value));
    }
    ck_assert(!redwi_fe_startup_next(&left, &name, &value));

    redwi_fe_startup(&b, pairs, 0);
    wrote(&b, "00000009 00030000 00");
    redwi_fe_startup(&b, (const struct redwi_startup_pair[]){{"user", ""}}, 1);
    body = body_of(&b, 4, &len);
    ck_assert(redwi_fe_first(body, len, &kind));
    ck_assert(is(redwi_fe_startup_value(body, len, "user"), ""));

    redwi_fe_ssl_request(&b);
    wrote(&b, "00000008 04d2162f");
    redwi_fe_ssl_request(&b);
    body = body_of(&b, 4, &len);
    ck_assert(redwi_fe_first(body, len, &kind));
    ck_assert_int_eq(kind, REDWI_FIRST_SSL);

    ck_assert(redwi_fe_first(at_the_edge("\x04\xd2\x16\x30", 4), 4, &kind));
    ck_assert_int_eq(kind, REDWI_FIRST_GSS);

    static const uint8_t key[] = {0x33, 0xf7, 0x92, 0xe1};
    redwi_fe_cancel_request(&b, 30037, key, sizeof key);
    wrote(&b, "00000010 04d2162e 00007555 33f792e1");
    redwi_fe_cancel_request(&b, 30037, key, sizeof key);
    body = body_of(&b, 4, &len);
    ck_assert(redwi_fe_first(body, len, &kind));
    ck_assert_int_eq(kind, REDWI_FIRST_CANCEL);
    uint32_t pid;
    const uint8_t *got;
    size_t got_len;
    ck_assert(redwi_fe_read_cancel(body, len, &pid, &got, &got_len));
    ck_assert_uint_eq(pid, 30037);
    ck_assert_uint_eq(got_len, 4);
    ck_assert_mem_eq(got, key, 4);
    redwi_buf_free(&b);
}
END_TEST

START_TEST(other_first_packets_are_refused)
{
    static const char *const bad[] = {
        "",
        "000300",
        "00020000 00",                     /* protocol 2 */
        "00040000 00",                     /* protocol 4 */
        "00030000",                        /* list not ended */
        "00030000 'user' 00",              /* name without value */
        "00030000 'user' 00 'x' 00",       /* not ended */
        "00030000 'user' 00 'x' 00 00 00", /* more behind the end */
        "00030000 00 'user' 00 'x' 00 00", /* pairs behind the end */
        "04d2162f 00",                     /* SSLRequest, too long */
        "04d2162e 00007555",               /* CancelRequest without a key */
        "04d2162e 00007555 33f792",        /* key too short */
        "04d2162d 00007555 33f792e1",      /* something like a CancelRequest */
        "04d21630 00",                     /* GSSENCRequest, too long */
    };
    uint8_t raw[128];
    enum redwi_first kind;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t n = unhex(raw, sizeof raw, bad[i]);
        ck_assert_msg(!redwi_fe_first(at_the_edge(raw, n), n, &kind), "%s", bad[i]);
    }
    /* Values of a packet that is not one are not there. */
    size_t n = unhex(raw, sizeof raw, "00030000 'user' 00 'x' 00");
    ck_assert_ptr_null(redwi_fe_startup_value(at_the_edge(raw, n), n, "user").ptr);

    /* Keys of protocol 3.2: up to 256 bytes. */
    static uint8_t cancel[8 + 257] = {0x04, 0xd2, 0x16, 0x2e};
    ck_assert(redwi_fe_first(at_the_edge(cancel, 8 + 256), 8 + 256, &kind));
    ck_assert(!redwi_fe_first(at_the_edge(cancel, 8 + 257), 8 + 257, &kind));
}
END_TEST

START_TEST(sasl_messages)
{
    struct redwi_buf b = writer();
    redw_slice mechanism, data;
    size_t len;
    redwi_fe_sasl_initial(&b, "SCRAM-SHA-256", "n,,n=,r=x", 9);
    wrote(&b, "70 0000001f 'SCRAM-SHA-256' 00 00000009 'n,,n=,r=x'");
    redwi_fe_sasl_initial(&b, "SCRAM-SHA-256", "n,,n=,r=x", 9);
    const uint8_t *body = body_of(&b, 5, &len);
    ck_assert(redwi_fe_read_sasl_initial(body, len, &mechanism, &data));
    ck_assert(is(mechanism, "SCRAM-SHA-256"));
    ck_assert(is(data, "n,,n=,r=x"));

    redwi_fe_sasl_initial(&b, "X", NULL, 0); /* none is not empty */
    wrote(&b, "70 0000000a 'X' 00 ffffffff");
    redwi_fe_sasl_initial(&b, "X", NULL, 0);
    body = body_of(&b, 5, &len);
    ck_assert(redwi_fe_read_sasl_initial(body, len, &mechanism, &data));
    ck_assert_ptr_null(data.ptr);
    redwi_fe_sasl_initial(&b, "X", "", 0);
    body = body_of(&b, 5, &len);
    ck_assert(redwi_fe_read_sasl_initial(body, len, &mechanism, &data));
    ck_assert(is(data, ""));

    redwi_fe_sasl_response(&b, "c=biws", 6);
    wrote(&b, "70 0000000a 'c=biws'");
    redwi_fe_sasl_response(&b, "", 0);
    wrote(&b, "70 00000004");
    redwi_buf_free(&b);
}
END_TEST

START_TEST(passwords_digests_and_tokens)
{
    struct redwi_buf b = writer();
    size_t len;
    redw_slice s;
    redwi_fe_password(&b, "md56a25a8b761ca1d873811551f3edbe4b4", 35);
    wrote(&b, "70 00000028 'md56a25a8b761ca1d873811551f3edbe4b4' 00");
    redwi_fe_password(&b, "", 0);
    wrote(&b, "70 00000005 00");
    redwi_fe_password(&b, "ez", 2);
    const uint8_t *body = body_of(&b, 5, &len);
    ck_assert(redwi_fe_read_password(body, len, &s));
    ck_assert(is(s, "ez"));
    ck_assert(!redwi_fe_read_password(at_the_edge("a\0b", 4), 4, &s)); /* a NUL ends it */

    redwi_fe_token(&b, "abc.def.ghi", 11);
    wrote(&b, "69 00000010 6162632e6465662e676869 00");
    redwi_fe_token(&b, "abc.def.ghi", 11);
    body = body_of(&b, 5, &len);
    ck_assert(redwi_fe_read_token(body, len, &s) && is(s, "abc.def.ghi"));
    ck_assert(redwi_fe_read_token(at_the_edge("abc.def.ghi", 11), 11, &s) && is(s, "abc.def.ghi"));
    ck_assert(redwi_fe_read_token(at_the_edge("", 0), 0, &s) && is(s, ""));
    ck_assert(redwi_fe_read_token(at_the_edge("", 1), 1, &s) && is(s, ""));
    ck_assert(!redwi_fe_read_token(at_the_edge("a\0b", 4), 4, &s));
    ck_assert(!redwi_fe_read_token(at_the_edge("a\0", 3), 3, &s)); /* one NUL only */

    /* The responses of the three vectors (protocol 3.4). */
    static const struct {
        const char *digest, *nonce, *message;
    } rows[] = {
        {"948b9a6320accdd3505242266b1ad6e6748788110cc89dd1add9ee61f768d3e2", "31373030303030303030303030",
         "64 00000039 00000020 948b9a6320accdd3505242266b1ad6e6748788110cc89dd1add9ee61f768d3e2"
         "0000000d 31373030303030303030303030"},
        {"d5c5bf89f82848c2f446e030570a0e2edd8042b0b82f8aa5787b283b875d4926",
         "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
         "64 0000003c 00000020 d5c5bf89f82848c2f446e030570a0e2edd8042b0b82f8aa5787b283b875d4926"
         "00000010 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"},
        {"38fe84930aa052894b25ca82eddb24583cc33884bb571d1a5e8039288e6975f4", "30",
         "64 0000002d 00000020 38fe84930aa052894b25ca82eddb24583cc33884bb571d1a5e8039288e6975f4"
         "00000001 30"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t digest[32], nonce[16];
        ck_assert_uint_eq(unhex(digest, sizeof digest + 1, rows[i].digest), 32);
        size_t n = unhex(nonce, sizeof nonce + 1, rows[i].nonce);
        redwi_fe_digest(&b, digest, nonce, n);
        wrote(&b, rows[i].message);
        redwi_fe_digest(&b, digest, nonce, n);
        body = body_of(&b, 5, &len);
        const uint8_t *got;
        ck_assert(redwi_fe_read_digest(body, len, &got, &s));
        ck_assert_mem_eq(got, digest, 32);
        ck_assert(s.len == n && memcmp(s.ptr, nonce, n) == 0);
    }
    static const char *const bad[] = {
        "0000001f 30313233343536373839303132333435363738393031323334353637383930 00000001 30",
        "ffffffff 00000001 30",
        "00000020 3031323334353637383930313233343536373839303132333435363738393031 ffffffff",
        "00000020 3031323334353637383930313233343536373839303132333435363738393031 fffffffe 30",
    };
    uint8_t raw[64];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t n = unhex(raw, sizeof raw, bad[i]);
        const uint8_t *got;
        ck_assert_msg(!redwi_fe_read_digest(at_the_edge(raw, n), n, &got, &s), "%s", bad[i]);
    }
    redwi_buf_free(&b);
}
END_TEST

START_TEST(authentication_key_status_ready_and_tag)
{
    struct redwi_buf b = writer();
    size_t len;
    uint32_t code, pid;
    const uint8_t *rest;
    size_t rest_len;
    redwi_be_put_authentication(&b, 5, "\1\2\3\4", 4);
    wrote(&b, "52 0000000c 00000005 01020304");
    redwi_be_put_authentication(&b, 0, NULL, 0);
    wrote(&b, "52 00000008 00000000");
    redwi_be_put_authentication(&b, 5, "\1\2\3\4", 4);
    const uint8_t *body = body_of(&b, 5, &len);
    ck_assert(redwi_be_authentication(body, len, &code, &rest, &rest_len));
    ck_assert_uint_eq(code, 5);
    ck_assert_uint_eq(rest_len, 4);
    ck_assert_mem_eq(rest, "\1\2\3\4", 4);
    for (size_t n = 0; n < 4; n++)
        ck_assert(!redwi_be_authentication(at_the_edge("\0\0\0\0", n), n, &code, &rest, &rest_len));

    static const uint8_t key[257] = {0x33, 0xf7, 0x92, 0xe1};
    redwi_be_put_key_data(&b, 30037, key, 4);
    wrote(&b, "4b 0000000c 00007555 33f792e1");
    static const size_t key_lens[] = {0, 3, 4, 32, 256, 257};
    for (size_t i = 0; i < sizeof key_lens / sizeof key_lens[0]; i++) {
        redwi_be_put_key_data(&b, 30037, key, key_lens[i]);
        body = body_of(&b, 5, &len);
        bool good = key_lens[i] >= 4 && key_lens[i] <= 256;
        ck_assert_int_eq(redwi_be_key_data(body, len, &pid, &rest, &rest_len), good);
        ck_assert(!good ||
                  (pid == 30037 && rest_len == key_lens[i] && memcmp(rest, key, rest_len) == 0));
    }

    redw_slice name, value;
    redwi_be_put_parameter_status(&b, "TimeZone", "UTC");
    wrote(&b, "53 00000011 'TimeZone' 00 'UTC' 00");
    redwi_be_put_parameter_status(&b, "TimeZone", "");
    body = body_of(&b, 5, &len);
    ck_assert(redwi_be_parameter_status(body, len, &name, &value));
    ck_assert(is(name, "TimeZone") && is(value, ""));

    char status;
    redwi_be_put_ready(&b, 'T');
    wrote(&b, "5a 00000005 'T'");
    for (int c = 0; c < 256; c++) {
        uint8_t byte = (uint8_t)c;
        bool good = c == 'I' || c == 'T' || c == 'E';
        ck_assert_int_eq(redwi_be_ready(at_the_edge(&byte, 1), 1, &status), good);
        ck_assert(!good || status == (char)c);
    }
    ck_assert(!redwi_be_ready(at_the_edge("II", 2), 2, &status));

    redw_slice tag;
    redwi_be_put_command_complete(&b, "SELECT"); /* as Redshift says it: without a count */
    wrote(&b, "43 0000000b 'SELECT' 00");
    redwi_be_put_command_complete(&b, "INSERT 0 5");
    body = body_of(&b, 5, &len);
    ck_assert(redwi_be_command_complete(body, len, &tag));
    ck_assert(is(tag, "INSERT 0 5"));

    redwi_be_put_simple(&b, '1');
    redwi_be_put_simple(&b, 'n');
    wrote(&b, "31 00000004 6e 00000004");
    redwi_buf_free(&b);
}
END_TEST

START_TEST(a_digest_request_is_read_within_its_bounds)
{
    static const char salt[] = "c721bff5d9042cf541ff7b9d48fa8a6e545c19a763e3710151f9513038b0f6c6";
    static const struct {
        const char *salt, *nonce, *message;
        bool ok;
    } rows[] = {
        {salt, "000102030405060708090a0b0c0d0e0f",
         "52 00000044 0000000d 00000000 00000020"
         "c721bff5d9042cf541ff7b9d48fa8a6e545c19a763e3710151f9513038b0f6c6"
         "00000010 000102030405060708090a0b0c0d0e0f",
         true},
        {"202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f", "deadbeefcafef00d",
         "52 0000003c 0000000d 00000000 00000020"
         "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
         "00000008 deadbeefcafef00d",
         true},
        /* Follows the layout, and is read; an answer to it would be good for ever. */
        {"", "", "52 00000014 0000000d 00000000 00000000 00000000", false},
    };
    struct redwi_buf b = writer();
    struct redwi_digest_request r;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t s[33], n[33];
        const struct redwi_digest_request want = {
            .salt = s,
            .salt_len = unhex(s, sizeof s, rows[i].salt),
            .nonce = n,
            .nonce_len = unhex(n, sizeof n, rows[i].nonce),
        };
        redwi_be_put_digest_request(&b, &want);
        wrote(&b, rows[i].message);
        redwi_be_put_digest_request(&b, &want);
        size_t len, rest_len;
        const uint8_t *body = body_of(&b, 5, &len), *rest;
        uint32_t code;
        ck_assert(redwi_be_authentication(body, len, &code, &rest, &rest_len));
        ck_assert_uint_eq(code, REDWI_AUTH_CODE_DIGEST);
        ck_assert(redwi_be_digest_request(rest, rest_len, &r));
        ck_assert_uint_eq(r.algorithm, 0);
        ck_assert(r.salt_len == want.salt_len && memcmp(r.salt, s, r.salt_len) == 0);
        ck_assert(r.nonce_len == want.nonce_len && memcmp(r.nonce, n, r.nonce_len) == 0);
        ck_assert_int_eq(redwi_be_digest_ok(&r), rows[i].ok);
    }
    /* Each length from none to too many; what may be answered needs both, and SHA-256. */
    static const uint8_t bytes[1025];
    static const size_t lens[] = {0, 1, 1024, 1025};
    for (size_t s = 0; s < 4; s++) {
        for (size_t n = 0; n < 4; n++) {
            for (uint32_t algorithm = 0; algorithm < 3; algorithm++) {
                redwi_be_put_digest_request(
                    &b, &(struct redwi_digest_request){algorithm, bytes, lens[s], bytes, lens[n]});
                size_t len;
                const uint8_t *body = body_of(&b, 5, &len);
                ck_assert_int_eq(redwi_be_digest_request(body + 4, len - 4, &r), s < 3 && n < 3);
                if (s < 3 && n < 3)
                    ck_assert_int_eq(redwi_be_digest_ok(&r), s && n && !algorithm);
            }
        }
    }
    static const char *const bad[] = {
        "00000000 ffffffff 00000000", "00000000 80000000 00000000", "00000000 7fffffff 00000000",
        "00000000 00000001 41 ffffffff", "00000000 00000001 41 7fffffff 41", "00000000 00000005 00000001 41",
    };
    uint8_t raw[32];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t n = unhex(raw, sizeof raw, bad[i]);
        ck_assert_msg(!redwi_be_digest_request(at_the_edge(raw, n), n, &r), "%s", bad[i]);
    }
    redwi_buf_free(&b);
}
END_TEST

START_TEST(negotiation_of_the_protocol_and_of_compression)
{
    struct redwi_buf b = writer();
    size_t len;
    static const char *const names[] = {"_pq_.compression", "_pq_.x"};
    redwi_be_put_negotiate(&b, 0x30000, names, 2);
    wrote(&b, "76 00000024 00030000 00000002 '_pq_.compression' 00 '_pq_.x' 00");
    redwi_be_put_negotiate(&b, 0x30002, names, 2);
    const uint8_t *body = body_of(&b, 5, &len);
    struct redwi_negotiate v;
    ck_assert(redwi_be_negotiate(body, len, &v));
    ck_assert(v.minor == 2 && v.nnames == 2);
    ck_assert(is(redwi_cursor_text(&v.names), "_pq_.compression"));
    ck_assert(is(redwi_cursor_text(&v.names), "_pq_.x"));
    ck_assert(redwi_cursor_done(&v.names));
    static const struct {
        const char *hex;
        bool good;
        unsigned minor;
    } rows[] = {
        {"00000002 00000000", true, 2}, /* as documented */
        {"00030002 00000000", true, 2}, /* as sent */
        {"00020000 00000000", false, 0},
        {"80000000 00000000", false, 0},
        {"00030000 00000001", false, 0},
        {"00030000 00000001 00", true, 0},
        {"00030000 00000000 00", false, 0},
        {"00030000 ffffffff 00", false, 0},
        {"00030000 7fffffff 00", false, 0},
        {"00030000 00000001 'x'", false, 0},
        {"00030000 00000002 'x' 00", false, 0},
    };
    uint8_t raw[32];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = unhex(raw, sizeof raw, rows[i].hex);
        bool good = redwi_be_negotiate(at_the_edge(raw, n), n, &v);
        ck_assert_msg(good == rows[i].good, "%s", rows[i].hex);
        ck_assert(!good || v.minor == rows[i].minor);
    }

    redw_slice list;
    uint8_t index;
    redwi_be_put_compression(&b, "zstd,lz4");
    wrote(&b, "7a 0000000d 'zstd,lz4' 00");
    redwi_be_put_compression(&b, ""); /* refused */
    body = body_of(&b, 5, &len);
    ck_assert(redwi_be_compression(body, len, &list) && is(list, ""));
    redwi_be_put_compression_switch(&b, 1);
    wrote(&b, "6b 00000005 01");
    ck_assert(redwi_be_compression_switch(at_the_edge("\7", 1), 1, &index));
    ck_assert_uint_eq(index, 7);
    redwi_be_put_compressed(&b, "\1\2\3", 3);
    wrote(&b, "6d 00000007 010203");

    static const char *const versions[] = {"0", "1", "2", "3"};
    static const char *const others[] = {"", "4", "9", "-1", "01", "3 ", " 3", "2.0", "x", "/", "33"};
    unsigned version;
    for (unsigned i = 0; i < 4; i++) {
        ck_assert(redwi_be_row_version((redw_slice){versions[i], 1}, &version));
        ck_assert_uint_eq(version, i);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        ck_assert(!redwi_be_row_version((redw_slice){others[i], strlen(others[i])}, &version));
    redwi_buf_free(&b);
}
END_TEST

START_TEST(a_sasl_mechanism_is_offered_only_by_its_whole_name)
{
    static const struct {
        const char *list;
        bool good, plain, plus;
    } rows[] = {
        {"'SCRAM-SHA-256' 00 00", true, true, false},
        {"'SCRAM-SHA-256-PLUS' 00 'SCRAM-SHA-256' 00 00", true, true, true},
        {"'SCRAM-SHA-256-PLUS' 00 00", true, false, true},
        {"'SCRAM-SHA-25' 00 'SCRAM-SHA-2567' 00 'scram-sha-256' 00 00", true, false, false},
        {"00", true, false, false},
        {"", false, false, false},
        {"'SCRAM-SHA-256'", false, false, false},
        {"'SCRAM-SHA-256' 00", false, false, false},
        {"'SCRAM-SHA-256' 00 00 00", false, false, false},
        {"00 'SCRAM-SHA-256' 00 00", false, false, false},
    };
    uint8_t raw[128];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool plain, plus;
        size_t n = unhex(raw, sizeof raw, rows[i].list);
        const uint8_t *list = at_the_edge(raw, n);
        ck_assert_int_eq(redwi_be_sasl_offers(list, n, "SCRAM-SHA-256", &plain), rows[i].good);
        ck_assert_int_eq(redwi_be_sasl_offers(list, n, "SCRAM-SHA-256-PLUS", &plus), rows[i].good);
        ck_assert(!rows[i].good || (plain == rows[i].plain && plus == rows[i].plus));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("codec_login");
    TCase *t = tcase_create("codec_login");
    suite_add_tcase(s, t);
    tcase_add_checked_fixture(t, raise_guard, NULL);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_first_packet_of_a_connection);
    tcase_add_test(t, other_first_packets_are_refused);
    tcase_add_test(t, sasl_messages);
    tcase_add_test(t, passwords_digests_and_tokens);
    tcase_add_test(t, authentication_key_status_ready_and_tag);
    tcase_add_test(t, a_digest_request_is_read_within_its_bounds);
    tcase_add_test(t, negotiation_of_the_protocol_and_of_compression);
    tcase_add_test(t, a_sasl_mechanism_is_offered_only_by_its_whole_name);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
