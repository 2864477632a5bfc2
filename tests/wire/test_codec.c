/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C01: The codec, both sides: every message byte by byte as the protocol documentation lays it out, written
 * by one side and read by the other; then each body cut, stretched and bent in every place, always
 * ending at an inaccessible page, so that a read beyond the end is a crash and not luck.
 */
#include "wire/be_read.h"
#include "wire/be_write.h"
#include "wire/fe_read.h"
#include "wire/fe_write.h"
#include "wire/mem.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- helpers ---- */

#define GUARDED_MAX ((size_t)64 * 1024)
static uint8_t *guard; /* the first inaccessible byte */

static void raise_guard(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *area =
        mmap(NULL, GUARDED_MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(area, MAP_FAILED);
    ck_assert_int_eq(mprotect(area + GUARDED_MAX, page, PROT_NONE), 0);
    guard = area + GUARDED_MAX;
}

/* The same bytes, ending where memory ends. */
static const uint8_t *at_the_edge(const void *p, size_t n)
{
    ck_assert_uint_le(n, GUARDED_MAX);
    if (n)
        memmove(guard - n, p, n);
    return guard - n;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "51 0000 'text'": hex digits and text between quotes; spaces mean nothing. */
static size_t unhex(uint8_t *out, size_t cap, const char *hex)
{
    size_t n = 0;
    while (*hex) {
        ck_assert_uint_lt(n, cap);
        if (*hex == ' ') {
            hex++;
        } else if (*hex == '\'') {
            for (hex++; *hex != '\''; hex++)
                out[n++] = (uint8_t)*hex;
            hex++;
        } else {
            ck_assert(digit(hex[0]) >= 0 && digit(hex[1]) >= 0);
            out[n++] = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));
            hex += 2;
        }
    }
    return n;
}

/* What the writer wrote is exactly this; then it starts over. */
static void wrote(struct redwi_buf *b, const char *hex)
{
    uint8_t want[1024];
    size_t n = unhex(want, sizeof want, hex);
    ck_assert_int_eq(b->failed, 0);
    if (redwi_buf_len(b) != n || memcmp(redwi_buf_front(b), want, n) != 0) {
        for (size_t i = 0; i < redwi_buf_len(b); i++)
            printf("%02x", redwi_buf_front(b)[i]);
        ck_abort_msg("differs from %s", hex);
    }
    redwi_buf_cut(b, 0);
}

/* The body of the one message in the buffer (behind `header` bytes), at the edge; the buffer starts
 * over. */
static const uint8_t *body_of(struct redwi_buf *b, size_t header, size_t *len)
{
    ck_assert_int_eq(b->failed, 0);
    ck_assert_uint_eq(redwi_load32(redwi_buf_front(b) + header - 4), redwi_buf_len(b) - header + 4);
    *len = redwi_buf_len(b) - header;
    const uint8_t *body = at_the_edge(redwi_buf_front(b) + header, *len);
    redwi_buf_cut(b, 0);
    return body;
}

static bool is(redw_slice s, const char *want)
{
    return s.ptr && s.len == strlen(want) && memcmp(s.ptr, want, s.len) == 0;
}

static struct redwi_buf writer(void)
{
    struct redwi_buf b;
    redwi_buf_init(&b, &redwi_malloc, (size_t)1 << 30);
    return b;
}

/* ---- the cursor ---- */

START_TEST(a_cursor_reads_to_the_last_byte_and_no_further)
{
    static const char bytes[] = "\x01\x02\x03\x04\x05\x06\x07text";
    const uint8_t *p = at_the_edge(bytes, sizeof bytes);
    struct redwi_cursor c = redwi_cursor_of(p, sizeof bytes);
    ck_assert_uint_eq(redwi_cursor_u8(&c), 1);
    ck_assert_uint_eq(redwi_cursor_u16(&c), 0x0203);
    ck_assert_uint_eq(redwi_cursor_u32(&c), 0x04050607);
    ck_assert(!redwi_cursor_done(&c));
    ck_assert(is(redwi_cursor_text(&c), "text"));
    ck_assert(redwi_cursor_done(&c));
    ck_assert_ptr_nonnull(redwi_cursor_bytes(&c, 0)); /* nothing is there */
    ck_assert(redwi_cursor_done(&c));
    ck_assert_uint_eq(redwi_cursor_u8(&c), 0);
    ck_assert(c.bad && !redwi_cursor_done(&c));

    static const char load[] = "\x80\x01\x02\x03\x04\x05\x06\x07";
    p = at_the_edge(load, 8);
    ck_assert_uint_eq(redwi_load64(p), 0x8001020304050607);
}
END_TEST

START_TEST(a_cursor_that_missed_once_stays_bad_and_yields_nothing)
{
    for (size_t n = 0; n < 4; n++) {
        struct redwi_cursor c = redwi_cursor_of(at_the_edge("\1\1\1\1", n), n);
        ck_assert_uint_eq(redwi_cursor_u32(&c), 0);
        ck_assert(c.bad);
        ck_assert_uint_eq(redwi_cursor_u8(&c), 0);
        ck_assert_uint_eq(redwi_cursor_u16(&c), 0);
        ck_assert_ptr_null(redwi_cursor_bytes(&c, 0));
        ck_assert(is(redwi_cursor_text(&c), ""));
        ck_assert(!redwi_cursor_done(&c));
    }
    struct redwi_cursor c = redwi_cursor_of(at_the_edge("abc", 3), 3);
    ck_assert_uint_eq(redwi_cursor_text(&c).len, 0); /* no NUL before the end */
    ck_assert(c.bad);
    c = redwi_cursor_of(at_the_edge("abc", 3), 3);
    ck_assert_ptr_null(redwi_cursor_bytes(&c, SIZE_MAX)); /* p + n would wrap */
    c = redwi_cursor_of(NULL, 0);
    ck_assert(redwi_cursor_done(&c));
    ck_assert(is(redwi_cursor_text(&c), ""));
    ck_assert(c.bad);
}
END_TEST

/* ---- what the client says ---- */

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

START_TEST(query_parse_describe_execute_sync_terminate)
{
    struct redwi_buf b = writer();
    size_t len;
    redw_slice s;
    redwi_fe_query(&b, "select 1; junk", 8);
    wrote(&b, "51 0000000d 'select 1' 00");
    redwi_fe_query(&b, "", 0);
    const uint8_t *body = body_of(&b, 5, &len);
    ck_assert(redwi_fe_read_query(body, len, &s));
    ck_assert(is(s, ""));

    static const uint32_t oids[] = {23, 0, 0xfffffffe};
    redwi_fe_parse(&b, "s1", "select $1", 9, oids, 3);
    wrote(&b, "50 0000001f 's1' 00 'select $1' 00 0003 00000017 00000000 fffffffe");
    redwi_fe_parse(&b, "s1", "select $1", 9, oids, 3);
    body = body_of(&b, 5, &len);
    struct redwi_parse_msg parse;
    ck_assert(redwi_fe_read_parse(body, len, &parse));
    ck_assert(is(parse.statement, "s1"));
    ck_assert(is(parse.sql, "select $1"));
    ck_assert_uint_eq(parse.noids, 3);
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(redwi_load32(parse.oids + 4 * i), oids[i]);
    redwi_fe_parse(&b, "", "x", 1, NULL, 0);
    wrote(&b, "50 00000009 00 'x' 00 0000");

    char what;
    redwi_fe_describe_portal(&b, "p");
    wrote(&b, "44 00000007 'P' 'p' 00");
    redwi_fe_describe_portal(&b, "");
    body = body_of(&b, 5, &len);
    ck_assert(redwi_fe_read_describe(body, len, &what, &s));
    ck_assert_int_eq(what, 'P');
    ck_assert(is(s, ""));
    ck_assert(redwi_fe_read_describe(at_the_edge("Sx", 3), 3, &what, &s));
    ck_assert_int_eq(what, 'S');
    ck_assert(!redwi_fe_read_describe(at_the_edge("Xx", 3), 3, &what, &s));

    uint32_t max_rows;
    redwi_fe_execute(&b, "p", 1000);
    wrote(&b, "45 0000000a 'p' 00 000003e8");
    redwi_fe_execute(&b, "", 0x80000001);
    body = body_of(&b, 5, &len);
    ck_assert(redwi_fe_read_execute(body, len, &s, &max_rows));
    ck_assert(is(s, ""));
    ck_assert_uint_eq(max_rows, 0x80000001);

    redwi_fe_sync(&b);
    redwi_fe_terminate(&b);
    wrote(&b, "53 00000004 58 00000004");
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

START_TEST(close_flush_copy_and_function_call)
{
    struct redwi_buf b = writer();
    size_t len;
    redw_slice s;
    char what;
    redwi_fe_describe_statement(&b, "s1");
    wrote(&b, "44 00000008 'S' 's1' 00");
    redwi_fe_close_portal(&b, "");
    wrote(&b, "43 00000006 'P' 00");
    redwi_fe_close_statement(&b, "s1");
    wrote(&b, "43 00000008 'S' 's1' 00");
    redwi_fe_close_statement(&b, "s1");
    const uint8_t *body = body_of(&b, 5, &len);
    ck_assert(redwi_fe_read_describe(body, len, &what, &s));
    ck_assert(what == 'S' && is(s, "s1"));

    redwi_fe_flush(&b);
    redwi_fe_copy_done(&b);
    redwi_fe_copy_data(&b, "1\t2\n", 4);
    redwi_fe_copy_data(&b, NULL, 0);
    wrote(&b, "48 00000004 63 00000004 64 00000008 3109320a 64 00000004");
    redwi_fe_copy_fail(&b, "no data");
    wrote(&b, "66 0000000c 'no data' 00");
    redwi_fe_copy_fail(&b, "no data");
    body = body_of(&b, 5, &len);
    ck_assert(redwi_fe_read_copy_fail(body, len, &s) && is(s, "no data"));

    static const redw_slice values[] = {{"a", 1}, {NULL, 0}};
    redwi_fe_function_call(&b, 0x17, 1, values, 2, 0);
    wrote(&b, "46 00000019 00000017 0001 0001 0002 00000001 'a' ffffffff 0000");
    redwi_fe_function_call(&b, 0x17, 1, values, 2, 0);
    body = body_of(&b, 5, &len);
    struct redwi_function_call f;
    ck_assert(redwi_fe_read_function_call(body, len, &f));
    ck_assert(f.oid == 0x17 && f.nformats == 1 && f.nvalues == 2 && f.result_format == 0);
    ck_assert(is(redwi_cursor_value(&f.values), "a"));
    ck_assert_ptr_null(redwi_cursor_value(&f.values).ptr);
    ck_assert(redwi_cursor_done(&f.values));
    redwi_buf_free(&b);
}
END_TEST

START_TEST(a_short_tag_is_what_the_reader_of_tags_takes)
{
    for (size_t n = 0; n < 24; n++) {
        /* A block of its own: not a byte behind it is read. */
        uint8_t *tag = malloc(n + 1);
        redw_slice read;
        for (size_t at = 0; at <= n; at++) {
            static const uint8_t others[] = {0, 1, 0x7f, 0x80, 0x81, 0xff};
            for (size_t i = 0; i < sizeof others; i++) {
                memset(tag, 'x', n);
                tag[n] = 0;
                tag[at] = others[i];
                bool is = redwi_be_is_short_tag(tag, n);
                if (is != (n >= 8 && n <= 16 && redwi_be_command_complete(tag, n + 1, &read)))
                    ck_abort_msg("%zu bytes, %#x at %zu: %d", n, others[i], at, is);
            }
        }
        free(tag);
    }
    ck_assert(!redwi_be_is_short_tag(NULL, SIZE_MAX)); /* a length word below 5 */
}
END_TEST

/* Five messages in one put: byte for byte what the writers of each put, and nothing at all where one of them fails. */
START_TEST(a_whole_request_without_a_name_is_what_its_messages_are)
{
    static char sql[5000];
    memset(sql, 'x', sizeof sql);
    for (size_t n = 0; n <= sizeof sql; n = n < 200 ? n + 1 : n + 97) {
        for (uint16_t format = 0; format < 2; format++) {
            struct redwi_buf each = writer(), whole = writer();
            redwi_fe_parse(&each, "", sql, n, NULL, 0);
            redwi_fe_bind_end(&each, redwi_fe_bind_begin(&each, "", "", NULL, 0), format);
            redwi_fe_describe_portal(&each, "");
            redwi_fe_execute(&each, "", 0);
            redwi_fe_sync(&each);
            redwi_fe_unnamed(&whole, sql, n, format);
            ck_assert_uint_eq(redwi_buf_len(&whole), redwi_buf_len(&each));
            ck_assert_mem_eq(redwi_buf_front(&whole), redwi_buf_front(&each), redwi_buf_len(&each));
            redwi_buf_free(&each);
            redwi_buf_free(&whole);
        }
    }
    struct redwi_buf b = writer();
    redwi_fe_unnamed(&b, "select 1", 8, 1);
    wrote(&b, "50 00000010 00 'select' 20 '1' 00 0000"
              "42 0000000e 00 00 0000 0000 0001 0001 44 00000006 'P' 00 45 00000009 00 00000000"
              "53 00000004");
    /* The longest there can be, were there room; longer; as long as a length word cannot say. */
    static const size_t lengths[] = {0x3fffffff - 8, 0x3fffffff - 7, UINT32_MAX - 8, SIZE_MAX - 8, SIZE_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        redwi_fe_sync(&b);
        redwi_fe_unnamed(&b, sql, lengths[i], 0);
        ck_assert_int_eq(b.failed, REDW_EFULL);
        redwi_fe_unnamed(&b, sql, 1, 0); /* sticky */
        ck_assert_uint_eq(redwi_buf_len(&b), 5);
        redwi_buf_cut(&b, 0);
    }
    b.failed = REDW_ENOMEM; /* the first failure stays */
    redwi_fe_unnamed(&b, sql, SIZE_MAX, 0);
    ck_assert_int_eq(b.failed, REDW_ENOMEM);
    redwi_buf_free(&b);
}
END_TEST

START_TEST(bind_carries_its_values_in_place)
{
    struct redwi_buf b = writer();
    static const uint8_t formats[] = {1, 0, 0};
    size_t at = redwi_fe_bind_begin(&b, "p", "s", formats, 3);
    size_t v = redwi_fe_bind_value(&b);
    redwi_buf_u32(&b, 7);
    redwi_fe_bind_value_end(&b, v);
    redwi_fe_bind_null(&b);
    v = redwi_fe_bind_value(&b);
    redwi_fe_bind_value_end(&b, v);
    redwi_fe_bind_end(&b, at, 1);
    static const char want[] = "42 00000026 'p' 00 's' 00 0003 0001 0000 0000 0003"
                               "00000004 00000007 ffffffff 00000000 0001 0001";
    struct redwi_buf copy = writer();
    redwi_buf_bytes(&copy, redwi_buf_front(&b), redwi_buf_len(&b));
    wrote(&b, want);

    size_t len;
    const uint8_t *body = body_of(&copy, 5, &len);
    struct redwi_bind_msg bind;
    ck_assert(redwi_fe_read_bind(body, len, &bind));
    ck_assert(is(bind.portal, "p"));
    ck_assert(is(bind.statement, "s"));
    ck_assert_uint_eq(bind.nformats, 3);
    ck_assert_uint_eq(redwi_load16(bind.formats), 1);
    ck_assert_uint_eq(redwi_load16(bind.formats + 2), 0);
    ck_assert_uint_eq(bind.nvalues, 3);
    ck_assert_uint_eq(redwi_cursor_u32(&bind.values), 4);
    ck_assert_uint_eq(redwi_cursor_u32(&bind.values), 7);
    ck_assert_uint_eq(redwi_cursor_u32(&bind.values), UINT32_MAX);
    ck_assert_uint_eq(redwi_cursor_u32(&bind.values), 0);
    ck_assert(redwi_cursor_done(&bind.values)); /* the values end where they end */
    ck_assert_uint_eq(bind.nresult_formats, 1);
    ck_assert_uint_eq(redwi_load16(bind.result_formats), 1);

    /* No parameters; behind bytes that are taken away in between; with growth in the middle of a value.
     */
    at = redwi_fe_bind_begin(&b, "", "", NULL, 0);
    redwi_fe_bind_end(&b, at, 0);
    wrote(&b, "42 0000000e 00 00 0000 0000 0001 0000");
    redwi_fe_sync(&b);
    redwi_fe_sync(&b);
    redwi_buf_take(&b, 5);
    at = redwi_fe_bind_begin(&b, "", "", formats, 1);
    v = redwi_fe_bind_value(&b);
    for (int i = 0; i < 9000; i++)
        redwi_buf_u8(&b, 'x');
    redwi_fe_bind_value_end(&b, v);
    redwi_fe_bind_end(&b, at, 0);
    redwi_buf_take(&b, 5);
    body = body_of(&b, 5, &len);
    ck_assert(redwi_fe_read_bind(body, len, &bind));
    ck_assert_uint_eq(redwi_cursor_u32(&bind.values), 9000);
    ck_assert_uint_eq(redwi_cursor_left(&bind.values), 9000);
    redwi_buf_free(&b);
    redwi_buf_free(&copy);
}
END_TEST

START_TEST(bind_with_impossible_counts_and_lengths_is_refused)
{
    static const struct {
        const char *hex;
        bool good;
    } rows[] = {
        {"00 00 0000 0001 ffffffff 0000", true}, /* NULL */
        {"00 00 0000 0001 00000001 41 0000", true},
        {"00 00 0000 0001 fffffffe 0000", false}, /* -2 */
        {"00 00 0000 0001 80000000 0000", false}, /* -2^31 */
        {"00 00 0000 0001 7fffffff 41 0000", false},
        {"00 00 0000 0001 00000003 41 0000", false}, /* reaches into what follows */
        {"00 00 0000 0001 00000004 41 0000", false},
        {"00 00 0000 ffff ffffffff 0000", false}, /* 65,535 values in four bytes */
        {"00 00 ffff 0000 0000", false},
        {"00 00 0001 0001 0002 ffffffff ffffffff 0000", true},                /* one format for all */
        {"00 00 0002 0001 0001 0003 ffffffff ffffffff ffffffff 0000", false}, /* two for three */
        {"00 00 0000 0000 0002 0000 0001", true},
        {"00 00 0000 0000 0003 0000 0001", false},
        {"00 00 0000 0000 0001 0000 00", false}, /* one byte too many */
    };
    uint8_t raw[128];
    struct redwi_bind_msg bind;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = unhex(raw, sizeof raw, rows[i].hex);
        bool good = redwi_fe_read_bind(at_the_edge(raw, n), n, &bind);
        ck_assert_msg(good == rows[i].good, "%s", rows[i].hex);
    }
    static const char *const lengths[] = {"'X' 00 fffffffe", "'X' 00 80000000", "'X' 00 00000001",
                                          "'X' 00 ffffffff 00"};
    size_t call_len = unhex(raw, sizeof raw, "00000017 0002 0000 0000 0001 ffffffff 0000"); /* two for one */
    struct redwi_function_call call;
    ck_assert(!redwi_fe_read_function_call(at_the_edge(raw, call_len), call_len, &call));
    ck_assert(!redwi_fe_read_cancel(at_the_edge("\x04\xd2\x16\x2f\0\0\0\1key!", 12), 12, &(uint32_t){0},
                                    &(const uint8_t *){NULL}, &(size_t){0}));
    redw_slice mechanism, data;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        size_t n = unhex(raw, sizeof raw, lengths[i]);
        ck_assert_msg(!redwi_fe_read_sasl_initial(at_the_edge(raw, n), n, &mechanism, &data), "%s",
                      lengths[i]);
    }
}
END_TEST

/* The sums are refused before a byte is read or written: none of these sizes exists in memory. */
START_TEST(what_cannot_be_said_in_one_message_is_refused_when_written)
{
    static const size_t sizes[] = {(size_t)1 << 30, ((size_t)1 << 31) - 1, (size_t)1 << 31,
                                   (size_t)1 << 32, ((size_t)1 << 32) + 5, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct redwi_buf b = writer();
        redwi_fe_query(&b, "x", sizes[i]);
        ck_assert_int_eq(b.failed, REDW_EFULL);
        redwi_buf_cut(&b, 0);
        redwi_fe_parse(&b, "", "x", sizes[i], NULL, 0);
        ck_assert_int_eq(b.failed, REDW_EFULL);
        redwi_buf_cut(&b, 0);
        redwi_fe_sasl_initial(&b, "X", "x", sizes[i]);
        ck_assert_int_eq(b.failed, REDW_EFULL);
        redwi_buf_cut(&b, 0);
        redwi_fe_sasl_response(&b, "x", sizes[i]);
        ck_assert_int_eq(b.failed, REDW_EFULL);
        redwi_buf_cut(&b, 0);
        redwi_fe_password(&b, "x", sizes[i]);
        ck_assert_int_eq(b.failed, REDW_EFULL);
        redwi_buf_cut(&b, 0);
        redwi_fe_token(&b, "x", sizes[i]);
        ck_assert_int_eq(b.failed, REDW_EFULL);
        redwi_buf_cut(&b, 0);
        redwi_fe_digest(&b, (const uint8_t[32]){0}, (const uint8_t *)"x", sizes[i]);
        ck_assert_int_eq(b.failed, REDW_EFULL);
        redwi_buf_cut(&b, 0);
        redwi_fe_copy_data(&b, "x", sizes[i]);
        ck_assert_int_eq(b.failed, REDW_EFULL);
        redwi_buf_cut(&b, 0);
        redwi_fe_function_call(&b, 1, 0, &(redw_slice){"x", sizes[i]}, 1, 0);
        ck_assert_int_eq(b.failed, REDW_EFULL);
        redwi_buf_cut(&b, 0);
        redwi_be_put_data_row(&b, &(redw_slice){"x", sizes[i]}, 1);
        ck_assert_int_eq(b.failed, REDW_EFULL);
        redwi_buf_free(&b);
    }
    /* Counts that would wrap in 16 bits. */
    static uint32_t oids[65536];
    static uint8_t formats[65536];
    static redw_slice cells[65536];
    struct redwi_buf b = writer();
    redwi_fe_parse(&b, "", "x", 1, oids, 65535);
    ck_assert_int_eq(b.failed, 0);
    redwi_fe_parse(&b, "", "x", 1, oids, 65536);
    ck_assert_int_eq(b.failed, REDW_EFULL);
    redwi_buf_cut(&b, 0);
    (void)redwi_fe_bind_begin(&b, "", "", formats, 65536);
    ck_assert_int_eq(b.failed, REDW_EFULL);
    redwi_buf_cut(&b, 0);
    redwi_be_put_data_row(&b, cells, 65536);
    ck_assert_int_eq(b.failed, REDW_EFULL);
    redwi_buf_free(&b);

    /* A value whose length would turn negative, claimed by the counters alone. */
    uint8_t word[4] = {0};
    b = (struct redwi_buf){.mem = &redwi_malloc, .data = word, .max = SIZE_MAX};
    b.tail = b.cap = (size_t)4 + INT32_MAX;
    redwi_fe_bind_value_end(&b, 0);
    ck_assert_int_eq(b.failed, 0);
    ck_assert_uint_eq(redwi_load32(word), INT32_MAX);
    b.tail = b.cap = (size_t)4 + INT32_MAX + 1;
    redwi_fe_bind_value_end(&b, 0);
    ck_assert_int_eq(b.failed, REDW_EFULL);
    ck_assert_uint_eq(redwi_load32(word), INT32_MAX);
}
END_TEST

/* Every message that is more than its header, into the writer. */
static void write_each(struct redwi_buf *b, int which)
{
    static const redw_slice cells[] = {{"abc", 3}, {NULL, 0}};
    static const uint32_t oids[] = {23, 25, 1700};
    static const uint16_t formats[] = {0, 0, 0};
    static const uint8_t bind_formats[] = {1, 1}, bytes[32] = {1};
    static const char *const names[] = {"a", "b"};
    static const struct redwi_error_field fields[] = {{'M', "m"}, {'D', "d"}, {0, NULL}};
    static const struct redwi_startup_pair pairs[] = {{"user", "u"}, {"database", "d"}};
    static const struct redwi_field columns[] = {{.name = {"a", 1}},
                                                 {.name = {"b", 1}, .schema = {"s", 1}, .table = {"t", 1},
                                                  .column = {"c", 1}, .catalog = {"d", 1}}};
    const struct redwi_digest_request digest = {0, bytes, 8, bytes, 8};
    size_t at, v;
    switch (which) {
    case 0: redwi_fe_startup(b, pairs, 2); break;
    case 1: redwi_fe_cancel_request(b, 1, bytes, 32); break;
    case 2: redwi_fe_password(b, "password", 8); break;
    case 3: redwi_fe_sasl_initial(b, "mechanism", "data", 4); break;
    case 4: redwi_fe_digest(b, bytes, bytes, 16); break;
    case 5: redwi_fe_token(b, "token", 5); break;
    case 6: redwi_fe_query(b, "select 1", 8); break;
    case 7: redwi_fe_parse(b, "s", "select 1", 8, oids, 3); break;
    case 8: redwi_fe_describe_statement(b, "s"); break;
    case 9: redwi_fe_execute(b, "p", 0); break;
    case 10: redwi_fe_function_call(b, 1, 0, cells, 2, 0); break;
    case 11: redwi_fe_copy_fail(b, "why"); break;
    case 12:
        at = redwi_fe_bind_begin(b, "p", "s", bind_formats, 2);
        redwi_fe_bind_null(b);
        v = redwi_fe_bind_value(b);
        redwi_buf_bytes(b, "abc", 3);
        redwi_fe_bind_value_end(b, v);
        redwi_fe_bind_end(b, at, 0);
        break;
    case 13: redwi_be_put_digest_request(b, &digest); break;
    case 14: redwi_be_put_negotiate(b, 0x30000, names, 2); break;
    case 15: redwi_be_put_row_description(b, columns, 2); break;
    case 16: redwi_be_put_data_row(b, cells, 2); break;
    case 17: redwi_be_put_parameter_description(b, oids, 3); break;
    case 18: redwi_be_put_error(b, 'E', fields); break;
    case 19: redwi_be_put_copy_response(b, 'G', 0, formats, 3); break;
    case 20: redwi_be_put_function_result(b, cells[0]); break;
    default: redwi_be_put_notification(b, 1, "channel", "payload"); break;
    }
}
enum { WRITERS = 22 };

START_TEST(a_message_that_does_not_fit_fails_the_writer_and_what_was_there_stays)
{
    for (int which = 0; which < WRITERS; which++) {
        struct redwi_buf whole = writer();
        write_each(&whole, which);
        size_t n = redwi_buf_len(&whole);
        ck_assert_int_eq(whole.failed, 0);
        for (size_t max = 0; max <= n; max++) {
            struct redwi_buf b;
            redwi_buf_init(&b, &redwi_malloc, 5 + max);
            redwi_fe_sync(&b);
            write_each(&b, which);
            ck_assert_int_eq(b.failed, max < n ? REDW_EFULL : 0);
            if (b.failed)
                redwi_buf_cut(&b, 5);
            ck_assert_uint_eq(redwi_buf_len(&b), max < n ? 5 : 5 + n);
            ck_assert_mem_eq(redwi_buf_front(&b), "S\0\0\0\4", 5);
            ck_assert(max < n || memcmp(redwi_buf_front(&b) + 5, redwi_buf_front(&whole), n) == 0);
            redwi_buf_free(&b);
        }
        redwi_buf_free(&whole);
    }
    /* Once failed it stays so, counts that do not fit included. */
    struct redwi_buf b;
    redwi_buf_init(&b, &redwi_malloc, 4);
    redwi_fe_sync(&b);
    redwi_fe_parse(&b, "", "", 0, NULL, 65536);
    redwi_fe_copy_data(&b, "x", SIZE_MAX);
    redwi_fe_sasl_initial(&b, "X", "x", SIZE_MAX);
    redwi_be_put_data_row(&b, NULL, 65536);
    redwi_be_put_function_result(&b, (redw_slice){"x", SIZE_MAX});
    ck_assert_int_eq(b.failed, REDW_EFULL);
    redwi_buf_free(&b);
}
END_TEST

/* ---- what the server says ---- */

START_TEST(each_server_message_has_its_limits)
{
    enum { DATA = 1 << 26 };
    static const struct {
        char type;
        size_t min, max, max_login;
    } rows[] = {
        {'1', 4, 4, 4},
        {'2', 4, 4, 4},
        {'3', 4, 4, 4},
        {'n', 4, 4, 4},
        {'s', 4, 4, 4},
        {'I', 4, 4, 4},
        {'c', 4, 4, 4},
        {'Z', 5, 5, 5},
        {'R', 8, 65536, 65536},
        {'K', 12, 264, 264},
        {'E', 5, 1 << 20, 30000},
        {'N', 5, 1 << 20, 1 << 20},
        {'S', 6, 65536, 65536},
        {'C', 5, 1024, 1024},
        {'T', 6, 4 << 20, 4 << 20},
        {'t', 6, 6 + 4 * 32767, 6 + 4 * 32767},
        {'D', 6, DATA, DATA},
        {'d', 4, DATA, DATA},
        {'A', 10, 65536, 65536},
        {'v', 12, 65536, 65536},
        {'V', 8, 65536, 65536},
        {'G', 7, 7 + 2 * 1664, 7 + 2 * 1664},
        {'H', 7, 7 + 2 * 1664, 7 + 2 * 1664},
        {'W', 7, 7 + 2 * 1664, 7 + 2 * 1664},
        {'z', 5, 65536, 65536},
        {'k', 5, 5, 5},
        {'m', 4, DATA, DATA},
    };
    unsigned known = 0;
    for (int type = 0; type < 256; type++) {
        size_t min = 0, max = 0, i = 0;
        while (i < sizeof rows / sizeof rows[0] && rows[i].type != (char)type)
            i++;
        bool want = i < sizeof rows / sizeof rows[0];
        ck_assert_msg(redwi_be_limits((char)type, true, DATA, &min, &max) == want, "type %d", type);
        if (!want) {
            ck_assert(!redwi_be_limits((char)type, false, DATA, &min, &max));
            continue;
        }
        known++;
        ck_assert_uint_eq(min, rows[i].min);
        ck_assert_uint_eq(max, rows[i].max);
        ck_assert(redwi_be_limits((char)type, false, DATA, &min, &max));
        ck_assert_uint_eq(min, rows[i].min);
        ck_assert_uint_eq(max, rows[i].max_login);
    }
    ck_assert_uint_eq(known, sizeof rows / sizeof rows[0]);
    /* Nothing is longer than what a server can send. */
    size_t min, max;
    ck_assert(redwi_be_limits('D', true, SIZE_MAX, &min, &max));
    ck_assert_uint_eq(max, 0x3fffffff);
}
END_TEST

/* What a length word may claim, for every type that there is: only what lies within the type's bounds
 * passes, and of the numbers a sender would like to be read as negative, none. */
START_TEST(every_type_takes_the_lengths_within_its_bounds_and_no_other)
{
    enum { DATA_MAX = 64 << 20 };
    unsigned cells = 0, types = 0;
    for (int type = 0; type < 256; type++) {
        for (int logged_in = 0; logged_in < 2; logged_in++) {
            size_t min[2], max[2];
            bool known[2] = {redwi_be_limits((char)type, logged_in, DATA_MAX, &min[0], &max[0]),
                             redwi_fe_limits((char)type, logged_in, &min[1], &max[1])};
            for (int side = 0; side < 2; side++) {
                if (!known[side])
                    continue;
                types++;
                const uint32_t lengths[] = {0, 3, 4, (uint32_t)min[side] - 1, (uint32_t)min[side],
                                            (uint32_t)max[side], (uint32_t)max[side] + 1, 0x7fffffff,
                                            UINT32_MAX, UINT32_MAX - 1, 0x80000000};
                for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++, cells++) {
                    bool passes = lengths[i] >= min[side] && lengths[i] <= max[side];
                    bool within = i == 4 || i == 5 || (i == 2 && min[side] == 4);
                    ck_assert_msg(passes == within, "type %d length %u", type, lengths[i]);
                }
                ck_assert(min[side] >= 4 && max[side] >= min[side] && max[side] <= 0x3fffffff);
            }
        }
    }
    ck_assert_uint_eq(types, 2 * 27 + 17);
    ck_assert_uint_eq(cells, types * 11);
}
END_TEST

START_TEST(each_client_message_has_its_limits)
{
    enum { MOST = 0x3fffffff, SECRET = 65536 + 256 };
    static const struct {
        char type;
        size_t min, max, login_min, login_max; /* 0: not then */
    } rows[] = {
        {'B', 12, MOST, 0, 0}, {'C', 6, 65536, 0, 0}, {'D', 6, 65536, 0, 0}, {'E', 9, 65536, 0, 0},
        {'F', 14, MOST, 0, 0}, {'H', 4, 4, 0, 0},     {'P', 8, MOST, 0, 0},  {'Q', 5, MOST, 0, 0},
        {'S', 4, 4, 0, 0},     {'X', 4, 4, 4, 4},     {'c', 4, 4, 0, 0},     {'d', 4, MOST, 12, SECRET},
        {'f', 5, 65536, 0, 0}, {'i', 0, 0, 4, SECRET}, {'p', 0, 0, 4, SECRET},
    };
    for (int type = 0; type < 256; type++) {
        size_t i = 0, min = 0, max = 0;
        while (i < sizeof rows / sizeof rows[0] && rows[i].type != (char)type)
            i++;
        bool want = i < sizeof rows / sizeof rows[0];
        ck_assert_int_eq(redwi_fe_limits((char)type, true, &min, &max), want && rows[i].min);
        ck_assert(!want || !rows[i].min || (min == rows[i].min && max == rows[i].max));
        ck_assert_int_eq(redwi_fe_limits((char)type, false, &min, &max), want && rows[i].login_min);
        ck_assert(!want || !rows[i].login_min || (min == rows[i].login_min && max == rows[i].login_max));
    }
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

START_TEST(row_description_and_data_row)
{
    struct redwi_buf b = writer();
    static const struct redwi_field fields[] = {
        {.name = {"proname", 7}, .table_oid = 0x4e7, .attribute = 1, .type_oid = 19, .type_size = 0x80,
         .typmod = -1},
        {.name = {"", 0}, .attribute = -3, .type_oid = 1700, .type_size = -1, .typmod = 0x26000a,
         .format = 1},
    };
    redwi_be_put_row_description(&b, fields, 2);
    wrote(&b, "54 00000033 0002 'proname' 00 000004e7 0001 00000013 0080 ffffffff 0000"
              "00 00000000 fffd 000006a4 ffff 0026000a 0001");
    redwi_be_put_row_description(&b, fields, 2);
    size_t len;
    const uint8_t *body = body_of(&b, 5, &len);
    struct redwi_columns columns;
    ck_assert(redwi_be_row_description(body, len, 0, &columns));
    ck_assert_uint_eq(columns.n, 2);
    for (size_t i = 0; i < columns.n; i++) {
        struct redwi_field f;
        redwi_be_field_next(&columns, &f);
        ck_assert(!f.schema.ptr && !f.table.ptr && !f.column.ptr && !f.catalog.ptr && !f.flags);
        ck_assert(f.name.len == fields[i].name.len &&
                  memcmp(f.name.ptr, fields[i].name.ptr, f.name.len) == 0);
        ck_assert_uint_eq(f.table_oid, fields[i].table_oid);
        ck_assert_int_eq(f.attribute, fields[i].attribute);
        ck_assert_uint_eq(f.type_oid, fields[i].type_oid);
        ck_assert_int_eq(f.type_size, fields[i].type_size);
        ck_assert_int_eq(f.typmod, fields[i].typmod);
        ck_assert_uint_eq(f.format, fields[i].format);
    }
    ck_assert(redwi_cursor_done(&columns.fields));
    redwi_be_put_row_description(&b, NULL, 0);
    wrote(&b, "54 00000006 0000");
    for (unsigned version = 0; version <= REDWI_ROW_VERSION_MAX; version++) {
        ck_assert(redwi_be_row_description(at_the_edge("\0", 2), 2, version, &columns));
        ck_assert_uint_eq(columns.n, 0);
    }

    static const redw_slice cells[] = {{"abc", 3}, {NULL, 0}, {"", 0}};
    redwi_be_put_data_row(&b, cells, 3);
    wrote(&b, "44 00000015 0003 00000003 'abc' ffffffff 00000000");
    redwi_be_put_data_row(&b, cells, 3);
    body = body_of(&b, 5, &len);
    struct redwi_cursor values;
    size_t n;
    ck_assert(redwi_be_data_row(body, len, &n, &values));
    ck_assert_uint_eq(n, 3);
    ck_assert(is(redwi_cursor_value(&values), "abc"));
    ck_assert_ptr_null(redwi_cursor_value(&values).ptr);
    ck_assert(is(redwi_cursor_value(&values), ""));
    ck_assert(redwi_cursor_done(&values));
    static const char *const bad[] = {"", "00", "0001", "0001 fffffffe", "0001 80000000", "0001 7fffffff",
                                      "0001 00000001", "0000 00", "ffff ffffffff", "0001 ffffffff 00"};
    uint8_t raw[16];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t size = unhex(raw, sizeof raw, bad[i]);
        ck_assert_msg(!redwi_be_data_row(at_the_edge(raw, size), size, &n, &values), "%s", bad[i]);
    }
    redwi_be_put_data_row(&b, NULL, 0);
    wrote(&b, "44 00000006 0000");
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

START_TEST(parameters_notifications_copy_and_function_results)
{
    struct redwi_buf b = writer();
    size_t len, n;
    static const uint32_t oids[32768] = {23, 25};
    const uint8_t *got;
    redwi_be_put_parameter_description(&b, oids, 2);
    wrote(&b, "74 0000000e 0002 00000017 00000019");
    redwi_be_put_parameter_description(&b, oids, 2);
    const uint8_t *body = body_of(&b, 5, &len);
    ck_assert(redwi_be_parameter_description(body, len, &got, &n));
    ck_assert(n == 2 && redwi_load32(got) == 23 && redwi_load32(got + 4) == 25);
    for (size_t count = 32767; count <= 32768; count++) { /* beyond the pages with a guard */
        redwi_be_put_parameter_description(&b, oids, count);
        ck_assert_int_eq(redwi_be_parameter_description(redwi_buf_front(&b) + 5, redwi_buf_len(&b) - 5, &got, &n),
                         count == 32767);
        redwi_buf_cut(&b, 0);
    }

    struct redwi_notification a;
    redwi_be_put_notification(&b, 30037, "c", "p");
    wrote(&b, "41 0000000c 00007555 'c' 00 'p' 00");
    redwi_be_put_notification(&b, 30037, "c", "");
    body = body_of(&b, 5, &len);
    ck_assert(redwi_be_notification(body, len, &a));
    ck_assert(a.pid == 30037 && is(a.channel, "c") && is(a.payload, ""));

    static const uint16_t formats[] = {1, 0};
    struct redwi_copy_response copy;
    redwi_be_put_copy_response(&b, 'G', 1, formats, 2);
    wrote(&b, "47 0000000b 01 0002 0001 0000");
    redwi_be_put_copy_response(&b, 'H', 1, formats, 2);
    body = body_of(&b, 5, &len);
    ck_assert(redwi_be_copy_response(body, len, &copy));
    ck_assert(copy.format == 1 && copy.ncolumns == 2 && redwi_load16(copy.formats) == 1);
    static const struct {
        const char *hex;
        bool good;
    } rows[] = {
        {"00 0000", true},           {"00 0001 0000", true},  {"00 0001 0001", false}, /* text, but binary */
        {"01 0002 0001 0002", false}, {"02 0000", false},      {"00 ffff", false},
        {"00 0001", false},           {"00 0000 00", false},   {"00 0681", false},
    };
    uint8_t raw[16];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t size = unhex(raw, sizeof raw, rows[i].hex);
        ck_assert_msg(redwi_be_copy_response(at_the_edge(raw, size), size, &copy) == rows[i].good, "%s",
                      rows[i].hex);
    }
    static const uint16_t many[1665];
    for (size_t count = 1664; count <= 1665; count++) {
        redwi_be_put_copy_response(&b, 'W', 0, many, count);
        body = body_of(&b, 5, &len);
        ck_assert_int_eq(redwi_be_copy_response(body, len, &copy), count == 1664);
    }
    redwi_be_put_copy_data(&b, "a\n", 2);
    redwi_be_put_simple(&b, 'c');
    wrote(&b, "64 00000006 610a 63 00000004");

    redw_slice value;
    redwi_be_put_function_result(&b, (redw_slice){"abc", 3});
    wrote(&b, "56 0000000b 00000003 'abc'");
    ck_assert(redwi_be_function_result(at_the_edge("\0\0\0\2ab", 6), 6, &value) && is(value, "ab"));
    ck_assert(redwi_be_function_result(at_the_edge("\xff\xff\xff\xff", 4), 4, &value) && !value.ptr);
    ck_assert(!redwi_be_function_result(at_the_edge("\xff\xff\xff\xfe", 4), 4, &value));

    const uint8_t *salt;
    ck_assert(redwi_be_md5_salt(at_the_edge("\1\2\3\4", 4), 4, &salt));
    ck_assert_mem_eq(salt, "\1\2\3\4", 4);
    ck_assert(redwi_be_no_more(NULL, 0) && !redwi_be_no_more(at_the_edge("", 1), 1));
    redwi_buf_free(&b);
}
END_TEST

static const char proname_tail[] = "54 00000041 0001 'proname' 00 000004e7 0001 00000013 0080 ffffffff 0000"
                                   "'pg_catalog' 00 'pg_proc' 00 'proname' 00 'dev' 00 1001";

START_TEST(row_description_with_the_tails_of_redshift)
{
    struct redwi_buf b = writer();
    struct redwi_field fields[] = {
        {.name = {"proname", 7}, .table_oid = 0x4e7, .attribute = 1, .type_oid = 19, .type_size = 0x80,
         .typmod = -1, .schema = {"pg_catalog", 10}, .table = {"pg_proc", 7}, .column = {"proname", 7},
         .catalog = {"dev", 3}, .flags = REDWI_FIELD_NOT_NULL | REDWI_FIELD_SEARCHABLE},
        {.name = {"?column?", 8}, .type_oid = 23, .type_size = 4, .typmod = -1, .schema = {"", 0},
         .table = {"", 0}, .column = {"", 0}, .catalog = {"", 0}},
    };
    redwi_be_put_row_description(&b, fields, 1);
    wrote(&b, proname_tail);
    wrote((redwi_be_put_row_description(&b, fields, 1), &b), /* the same, as published */
          "5400000041000170726f6e616d6500000004e70001000000130080ffffffff000070675f636174616c6f670070675f70"
          "726f630070726f6e616d6500646576001001");

    struct redwi_columns columns;
    struct redwi_field f;
    for (unsigned version = 0; version <= REDWI_ROW_VERSION_MAX; version++) {
        size_t len;
        redwi_be_put_row_description(&b, fields, 2);
        const uint8_t *body = body_of(&b, 5, &len);
        ck_assert_int_eq(redwi_be_row_description(body, len, version, &columns), version > 0);
        if (!version)
            continue;
        ck_assert(columns.n == 2 && columns.version == version);
        redwi_be_field_next(&columns, &f);
        ck_assert(is(f.name, "proname") && f.type_oid == 19 && f.typmod == -1);
        ck_assert(is(f.schema, "pg_catalog") && is(f.table, "pg_proc"));
        ck_assert(is(f.column, "proname") && is(f.catalog, "dev"));
        ck_assert_uint_eq(f.flags, 0x1001);
        redwi_be_field_next(&columns, &f);
        ck_assert(is(f.name, "?column?") && is(f.schema, "") && is(f.table, "") && is(f.column, "") &&
                  is(f.catalog, "") && !f.flags);
        ck_assert(redwi_cursor_done(&columns.fields));
    }
    redwi_buf_free(&b);
}
END_TEST

START_TEST(tails_are_there_for_every_field_or_for_none)
{
    struct redwi_buf b = writer();
    size_t len;
    struct redwi_columns columns;
    struct redwi_field f;
    for (unsigned mask = 0; mask < 8; mask++) {
        struct redwi_field fields[3] = {{.name = {"a", 1}}, {.name = {"b", 1}}, {.name = {"c", 1}}};
        for (unsigned i = 0; i < 3; i++)
            fields[i].schema.ptr = fields[i].table.ptr = fields[i].column.ptr = fields[i].catalog.ptr =
                mask >> i & 1 ? "" : NULL;
        redwi_be_put_row_description(&b, fields, 3);
        const uint8_t *body = body_of(&b, 5, &len);
        bool whole = mask == 0 || mask == 7;
        ck_assert_int_eq(redwi_be_row_description(body, len, 1, &columns), whole);
        ck_assert_int_eq(redwi_be_row_description(body, len, 0, &columns), mask == 0);
    }
    /* A proxy dropped them: the message says so, and is read as it is. */
    redwi_be_put_row_description(&b, (const struct redwi_field[]){{.name = {"a", 1}, .type_oid = 23}}, 1);
    const uint8_t *body = body_of(&b, 5, &len);
    ck_assert(redwi_be_row_description(body, len, 3, &columns));
    ck_assert_uint_eq(columns.version, 0);
    redwi_be_field_next(&columns, &f);
    ck_assert(is(f.name, "a") && f.type_oid == 23 && !f.schema.ptr && !f.catalog.ptr);
    ck_assert(redwi_cursor_done(&columns.fields));
    redwi_buf_free(&b);
}
END_TEST

START_TEST(a_row_description_of_too_many_columns_or_odd_formats_is_refused)
{
    struct redwi_buf b = writer();
    static struct redwi_field fields[1665];
    for (size_t i = 0; i < 1665; i++)
        fields[i].name = (redw_slice){"c", 1};
    size_t len;
    struct redwi_columns columns;
    redwi_be_put_row_description(&b, fields, 1664);
    const uint8_t *body = body_of(&b, 5, &len);
    ck_assert(redwi_be_row_description(body, len, 0, &columns));
    ck_assert_uint_eq(columns.n, 1664);
    redwi_be_put_row_description(&b, fields, 1665);
    body = body_of(&b, 5, &len);
    ck_assert(!redwi_be_row_description(body, len, 0, &columns));
    for (unsigned format = 0; format < 4; format++) {
        fields[1].format = (uint16_t)format;
        redwi_be_put_row_description(&b, fields, 3);
        body = body_of(&b, 5, &len);
        ck_assert_int_eq(redwi_be_row_description(body, len, 0, &columns), format < 2);
        ck_assert_int_eq(redwi_be_row_description(body, len, 2, &columns), format < 2);
    }
    static const char *const bad[] = {"ffff", "0680", "8000", "0001", "", "00", "0000 00"};
    uint8_t raw[8];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t size = unhex(raw, sizeof raw, bad[i]);
        for (unsigned version = 0; version <= REDWI_ROW_VERSION_MAX; version++)
            ck_assert_msg(!redwi_be_row_description(at_the_edge(raw, size), size, version, &columns), "%s",
                          bad[i]);
    }
    redwi_buf_free(&b);
}
END_TEST

START_TEST(error_and_notice_fields)
{
    struct redwi_buf b = writer();
    static const struct redwi_error_field fields[] = {
        {'S', "ERROR"}, {'C', "42601"}, {'M', ""}, {0, NULL}};
    redwi_be_put_error(&b, 'E', fields);
    wrote(&b, "45 00000015 'SERROR' 00 'C42601' 00 'M' 00 00");
    redwi_be_put_error(&b, 'N', &fields[3]);
    wrote(&b, "4e 00000005 00");
    redwi_be_put_error(&b, 'E', fields);
    size_t len;
    const uint8_t *body = body_of(&b, 5, &len);
    ck_assert(redwi_be_fields_ok(body, len));
    ck_assert(is(redwi_be_field(body, len, 'S'), "ERROR"));
    ck_assert(is(redwi_be_field(body, len, 'C'), "42601"));
    ck_assert(is(redwi_be_field(body, len, 'M'), ""));
    ck_assert_ptr_null(redwi_be_field(body, len, 'E').ptr); /* a text is no letter */
    ck_assert_ptr_null(redwi_be_field(body, len, '\0').ptr);
    ck_assert_ptr_null(redwi_be_field(at_the_edge("Mx", 2), 2, 'M').ptr); /* unchecked, and not ended */

    static const char *const bad[] = {
        "", "'M'", "'Mx'", "'Mx' 00", "00 00", "'Mx' 00 00 00", "'Mx' 00 00 'Hy' 00"};
    uint8_t raw[32];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t n = unhex(raw, sizeof raw, bad[i]);
        ck_assert_msg(!redwi_be_fields_ok(at_the_edge(raw, n), n), "%s", bad[i]);
    }
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

START_TEST(a_tag_counts_only_with_a_trailing_number)
{
    static const struct {
        const char *tag;
        int64_t count;
    } rows[] = {
        {"SELECT 5", 5},
        {"INSERT 0 12", 12},
        {"UPDATE 0", 0},
        {"DELETE 007", 7},
        {"COPY 9223372036854775807", INT64_MAX},
        {"COPY 9223372036854775808", -1},
        {"COPY 99999999999999999999999999", -1},
        {"SELECT", -1},
        {"COPY", -1},
        {"UNLOAD", -1},
        {"CREATE TABLE", -1},
        {"FETCH", -1},
        {"FETCH 3", 3},
        {"SELECT ", -1},
        {"SELECT -5", -1},
        {"SELECT +5", -1},
        {"SELECT 5 ", -1},
        {"SELECT 5x", -1},
        {"SELECT x5", -1},
        {"SELECT5", -1},
        {"5", -1},
        {"", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = strlen(rows[i].tag);
        const char *tag = (const char *)at_the_edge(rows[i].tag, n);
        ck_assert_msg(redwi_be_tag_count(tag, n) == rows[i].count, "%s", rows[i].tag);
    }
}
END_TEST

/* ---- every body, bent ---- */

/* One shape for all readers. What a body promised is then walked, as its users do. */
static bool read_first(const uint8_t *body, size_t len)
{
    enum redwi_first kind;
    redwi_fe_startup_value(body, len, "user");
    return redwi_fe_first(body, len, &kind);
}

static bool read_parse(const uint8_t *body, size_t len)
{
    struct redwi_parse_msg m;
    return redwi_fe_read_parse(body, len, &m);
}

static bool read_bind(const uint8_t *body, size_t len)
{
    struct redwi_bind_msg m;
    if (!redwi_fe_read_bind(body, len, &m))
        return false;
    for (size_t i = 0; i < m.nvalues; i++) {
        uint32_t n = redwi_cursor_u32(&m.values);
        if (n != UINT32_MAX)
            redwi_cursor_bytes(&m.values, n);
    }
    ck_assert(redwi_cursor_done(&m.values));
    return true;
}

static bool read_describe(const uint8_t *body, size_t len)
{
    char what;
    redw_slice s;
    return redwi_fe_read_describe(body, len, &what, &s);
}

static bool read_execute(const uint8_t *body, size_t len)
{
    redw_slice s;
    uint32_t n;
    return redwi_fe_read_execute(body, len, &s, &n);
}

static bool read_query(const uint8_t *body, size_t len)
{
    redw_slice s;
    return redwi_fe_read_query(body, len, &s);
}

static bool read_sasl_initial(const uint8_t *body, size_t len)
{
    redw_slice a, d;
    return redwi_fe_read_sasl_initial(body, len, &a, &d);
}

static bool read_columns(const uint8_t *body, size_t len, unsigned version)
{
    struct redwi_columns columns;
    if (!redwi_be_row_description(body, len, version, &columns))
        return false;
    struct redwi_field f;
    for (size_t i = 0; i < columns.n; i++)
        redwi_be_field_next(&columns, &f);
    ck_assert(redwi_cursor_done(&columns.fields));
    return true;
}

static bool read_row_description(const uint8_t *body, size_t len)
{
    return read_columns(body, len, 0);
}

static bool read_row_description_3(const uint8_t *body, size_t len)
{
    return read_columns(body, len, 3);
}

static bool read_data_row(const uint8_t *body, size_t len)
{
    size_t n;
    struct redwi_cursor values;
    if (!redwi_be_data_row(body, len, &n, &values))
        return false;
    while (n--)
        redwi_cursor_value(&values);
    ck_assert(redwi_cursor_done(&values));
    return true;
}

static bool read_digest_request(const uint8_t *body, size_t len)
{
    struct redwi_digest_request r;
    return redwi_be_digest_request(body, len, &r);
}

static bool read_md5(const uint8_t *body, size_t len)
{
    const uint8_t *salt;
    return redwi_be_md5_salt(body, len, &salt);
}

static bool read_negotiate(const uint8_t *body, size_t len)
{
    struct redwi_negotiate v;
    if (!redwi_be_negotiate(body, len, &v))
        return false;
    while (v.nnames--)
        redwi_cursor_text(&v.names);
    ck_assert(redwi_cursor_done(&v.names));
    return true;
}

static bool read_compression(const uint8_t *body, size_t len)
{
    redw_slice s;
    return redwi_be_compression(body, len, &s);
}

static bool read_switch(const uint8_t *body, size_t len)
{
    uint8_t index;
    return redwi_be_compression_switch(body, len, &index);
}

static bool read_parameters(const uint8_t *body, size_t len)
{
    const uint8_t *oids;
    size_t n;
    return redwi_be_parameter_description(body, len, &oids, &n);
}

static bool read_notification(const uint8_t *body, size_t len)
{
    struct redwi_notification a;
    return redwi_be_notification(body, len, &a);
}

static bool read_copy(const uint8_t *body, size_t len)
{
    struct redwi_copy_response r;
    return redwi_be_copy_response(body, len, &r);
}

static bool read_function_result(const uint8_t *body, size_t len)
{
    redw_slice v;
    return redwi_be_function_result(body, len, &v);
}

static bool read_function_call(const uint8_t *body, size_t len)
{
    struct redwi_function_call f;
    if (!redwi_fe_read_function_call(body, len, &f))
        return false;
    while (f.nvalues--)
        redwi_cursor_value(&f.values);
    ck_assert(redwi_cursor_done(&f.values));
    return true;
}

static bool read_copy_fail(const uint8_t *body, size_t len)
{
    redw_slice s;
    return redwi_fe_read_copy_fail(body, len, &s);
}

static bool read_password(const uint8_t *body, size_t len)
{
    redw_slice s;
    return redwi_fe_read_password(body, len, &s);
}

static bool read_digest(const uint8_t *body, size_t len)
{
    const uint8_t *digest;
    redw_slice nonce;
    return redwi_fe_read_digest(body, len, &digest, &nonce);
}

static bool read_parameter(const uint8_t *body, size_t len)
{
    redw_slice a, v;
    return redwi_be_parameter_status(body, len, &a, &v);
}

static bool read_key(const uint8_t *body, size_t len)
{
    uint32_t pid;
    const uint8_t *k;
    size_t n;
    return redwi_be_key_data(body, len, &pid, &k, &n);
}

static bool read_ready(const uint8_t *body, size_t len)
{
    char s;
    return redwi_be_ready(body, len, &s);
}

static bool read_complete(const uint8_t *body, size_t len)
{
    redw_slice s;
    if (!redwi_be_command_complete(body, len, &s))
        return false;
    (void)redwi_be_tag_count(s.ptr, s.len);
    return true;
}

static bool read_auth(const uint8_t *body, size_t len)
{
    uint32_t c;
    const uint8_t *r;
    size_t n;
    return redwi_be_authentication(body, len, &c, &r, &n);
}

static bool read_offers(const uint8_t *body, size_t len)
{
    bool o;
    return redwi_be_sasl_offers(body, len, "SCRAM-SHA-256", &o);
}

static bool read_fields(const uint8_t *body, size_t len)
{
    if (!redwi_be_fields_ok(body, len))
        return false;
    (void)redwi_be_field(body, len, 'Z');
    return true;
}

static const struct specimen {
    const char *name;
    bool (*read)(const uint8_t *body, size_t len);
    const char *hex;
    size_t shortest; /* every shorter body is refused; 0: every body shorter than this one */
    bool open;       /* ends in bytes of any number: one more is no error */
} specimens[] = {
    {"StartupMessage", read_first, "00030000 'user' 00 'u' 00 'database' 00 'd' 00 00", 0, false},
    {"SSLRequest", read_first, "04d2162f", 0, false},
    {"CancelRequest", read_first, "04d2162e 00007555 33f792e1", 0, true},
    {"CancelRequest 3.2", read_first, "04d2162e 00007555 33f792e133f792e1", 12, true},
    {"Parse", read_parse, "'s' 00 'select $1' 00 0002 00000017 00000019", 0, false},
    {"Bind", read_bind, "'p' 00 's' 00 0002 0001 0000 0002 00000004 00000001 ffffffff 0001 0001", 0,
     false},
    {"Describe", read_describe, "'P' 'portal' 00", 0, false},
    {"Execute", read_execute, "'portal' 00 00000000", 0, false},
    {"Query", read_query, "'select 1' 00", 0, false},
    {"SASLInitialResponse", read_sasl_initial, "'SCRAM-SHA-256' 00 00000004 'n,,r'", 0, false},
    {"RowDescription", read_row_description,
     "0002 'a' 00 00000000 0000 00000017 0004 ffffffff 0000 'bc' 00 00000001 0002 00000019 ffff "
     "00000008 0001",
     0, false},
    {"ParameterStatus", read_parameter, "'client_encoding' 00 'UTF8' 00", 0, false},
    {"BackendKeyData", read_key, "00007555 33f792e1", 0, true},
    {"RowDescription with tails", read_row_description_3,
     "0002 'a' 00 00000000 0000 00000017 0004 ffffffff 0000 00 00 00 00 0000 'bc' 00 00000001 0002 00000019 "
     "ffff 00000008 0001 's' 00 't' 00 'c' 00 'd' 00 1001",
     0, false},
    {"DataRow", read_data_row, "0003 00000003 'abc' ffffffff 00000000", 0, false},
    {"digest request", read_digest_request, "00000000 00000003 010203 00000002 0405", 0, false},
    {"MD5 salt", read_md5, "01020304", 0, false},
    {"NegotiateProtocolVersion", read_negotiate, "00030000 00000002 '_pq_.a' 00 '_pq_.b' 00", 0, false},
    {"compression", read_compression, "'zstd,lz4' 00", 0, false},
    {"switch of compression", read_switch, "01", 0, false},
    {"ParameterDescription", read_parameters, "0002 00000017 00000019", 0, false},
    {"NotificationResponse", read_notification, "00007555 'channel' 00 'payload' 00", 0, false},
    {"CopyInResponse", read_copy, "01 0002 0001 0000", 0, false},
    {"FunctionCallResponse", read_function_result, "00000003 'abc'", 0, false},
    {"FunctionCall", read_function_call, "00000017 0001 0001 0002 00000001 'a' ffffffff 0001", 0, false},
    {"FunctionCall, a format each", read_function_call,
     "00000017 0002 0001 0000 0002 00000001 'a' ffffffff 0001", 0, false},
    {"CopyFail", read_copy_fail, "'no' 00", 0, false},
    {"PasswordMessage", read_password, "'md5' 00", 0, false},
    {"digest", read_digest,
     "00000020 '01234567890123456789012345678901' 0000000d '1700000000000'", 0, false},
    {"ReadyForQuery", read_ready, "'I'", 0, false},
    {"CommandComplete", read_complete, "'INSERT 0 5' 00", 0, false},
    {"AuthenticationMD5Password", read_auth, "00000005 01020304", 4, true},
    {"AuthenticationSASL list", read_offers, "'SCRAM-SHA-256-PLUS' 00 'SCRAM-SHA-256' 00 00", 0, false},
    {"ErrorResponse", read_fields, "'SERROR' 00 'C42601' 00 'Msyntax error' 00 'P15' 00 00", 0, false},
};
#define SPECIMENS (sizeof specimens / sizeof specimens[0])

START_TEST(each_body_is_accepted_whole_and_refused_when_cut_anywhere_or_one_byte_longer)
{
    uint8_t raw[256];
    for (size_t i = 0; i < SPECIMENS; i++) {
        const struct specimen *m = &specimens[i];
        size_t n = unhex(raw, sizeof raw, m->hex);
        size_t shortest = m->shortest ? m->shortest : n;
        for (size_t cut = 0; cut <= n; cut++)
            ck_assert_msg(m->read(at_the_edge(raw, cut), cut) == (cut >= shortest), "%s cut to %zu",
                          m->name, cut);
        for (int more = 0; more < 256; more++) {
            raw[n] = (uint8_t)more;
            ck_assert_msg(m->read(at_the_edge(raw, n + 1), n + 1) == m->open, "%s and %02x", m->name,
                          more);
        }
    }
}
END_TEST

/* What is wanted of these is only that they return: the page behind the body and the sanitizers watch.
 */
START_TEST(no_bent_body_is_read_beyond_its_end)
{
    uint8_t raw[256];
    uint32_t seed = 11;
    unsigned accepted = 0, refused = 0;
    for (size_t i = 0; i < SPECIMENS; i++) {
        size_t n = unhex(raw, sizeof raw, specimens[i].hex);
        for (size_t at = 0; at < n; at++) {
            for (int v = 0; v < 256; v++) { /* each byte, each value, through every reader */
                uint8_t *p = guard - n;
                memcpy(p, raw, n);
                p[at] = (uint8_t)v;
                *(specimens[i].read(p, n) ? &accepted : &refused) += 1;
                *(specimens[(i + at + (size_t)v) % SPECIMENS].read(p, n) ? &accepted : &refused) += 1;
            }
        }
    }
    for (int round = 0; round < 100000; round++) {
        size_t n = (size_t)round % 48;
        uint8_t *p = guard - n;
        for (size_t k = 0; k < n; k++) {
            seed = seed * 1664525u + 1013904223u;
            p[k] = seed >> 28 < 9 ? 0 : (uint8_t)(seed >> 16); /* many zeros: counts and ends */
        }
        *(specimens[(size_t)round % SPECIMENS].read(p, n) ? &accepted : &refused) += 1;
    }
    ck_assert_uint_gt(accepted, 1000);
    ck_assert_uint_gt(refused, 1000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("codec");
    TCase *t = tcase_create("codec");
    suite_add_tcase(s, t);
    tcase_add_checked_fixture(t, raise_guard, NULL);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_cursor_reads_to_the_last_byte_and_no_further);
    tcase_add_test(t, a_cursor_that_missed_once_stays_bad_and_yields_nothing);
    tcase_add_test(t, the_first_packet_of_a_connection);
    tcase_add_test(t, other_first_packets_are_refused);
    tcase_add_test(t, sasl_messages);
    tcase_add_test(t, query_parse_describe_execute_sync_terminate);
    tcase_add_test(t, passwords_digests_and_tokens);
    tcase_add_test(t, close_flush_copy_and_function_call);
    tcase_add_test(t, a_short_tag_is_what_the_reader_of_tags_takes);
    tcase_add_test(t, a_whole_request_without_a_name_is_what_its_messages_are);
    tcase_add_test(t, bind_carries_its_values_in_place);
    tcase_add_test(t, bind_with_impossible_counts_and_lengths_is_refused);
    tcase_add_test(t, what_cannot_be_said_in_one_message_is_refused_when_written);
    tcase_add_test(t, a_message_that_does_not_fit_fails_the_writer_and_what_was_there_stays);
    tcase_add_test(t, each_server_message_has_its_limits);
    tcase_add_test(t, every_type_takes_the_lengths_within_its_bounds_and_no_other);
    tcase_add_test(t, each_client_message_has_its_limits);
    tcase_add_test(t, authentication_key_status_ready_and_tag);
    tcase_add_test(t, row_description_and_data_row);
    tcase_add_test(t, a_digest_request_is_read_within_its_bounds);
    tcase_add_test(t, negotiation_of_the_protocol_and_of_compression);
    tcase_add_test(t, parameters_notifications_copy_and_function_results);
    tcase_add_test(t, row_description_with_the_tails_of_redshift);
    tcase_add_test(t, tails_are_there_for_every_field_or_for_none);
    tcase_add_test(t, a_row_description_of_too_many_columns_or_odd_formats_is_refused);
    tcase_add_test(t, error_and_notice_fields);
    tcase_add_test(t, a_sasl_mechanism_is_offered_only_by_its_whole_name);
    tcase_add_test(t, a_tag_counts_only_with_a_trailing_number);
    tcase_add_test(t, each_body_is_accepted_whole_and_refused_when_cut_anywhere_or_one_byte_longer);
    tcase_add_test(t, no_bent_body_is_read_beyond_its_end);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
