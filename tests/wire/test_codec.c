/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec, both sides: every message byte by byte as the protocol documentation lays it out, written
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
        "04d21630",                        /* GSSENCRequest: not spoken */
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
        {{"proname", 7}, 0x4e7, 1, 19, 0x80, -1, 0},
        {{"", 0}, 0, -3, 1700, -1, 0x26000a, 1},
    };
    redwi_be_put_row_description(&b, fields, 2);
    wrote(&b, "54 00000033 0002 'proname' 00 000004e7 0001 00000013 0080 ffffffff 0000"
              "00 00000000 fffd 000006a4 ffff 0026000a 0001");
    redwi_be_put_row_description(&b, fields, 2);
    size_t len, n;
    const uint8_t *body = body_of(&b, 5, &len), *at = NULL;
    ck_assert(redwi_be_row_description(body, len, &n));
    ck_assert_uint_eq(n, 2);
    for (size_t i = 0; i < n; i++) {
        struct redwi_field f;
        redwi_be_field_next(body, len, &at, &f);
        ck_assert(f.name.len == fields[i].name.len &&
                  memcmp(f.name.ptr, fields[i].name.ptr, f.name.len) == 0);
        ck_assert_uint_eq(f.table_oid, fields[i].table_oid);
        ck_assert_int_eq(f.attribute, fields[i].attribute);
        ck_assert_uint_eq(f.type_oid, fields[i].type_oid);
        ck_assert_int_eq(f.type_size, fields[i].type_size);
        ck_assert_int_eq(f.typmod, fields[i].typmod);
        ck_assert_uint_eq(f.format, fields[i].format);
    }
    ck_assert_ptr_eq(at, body + len);
    redwi_be_put_row_description(&b, NULL, 0);
    wrote(&b, "54 00000006 0000");
    ck_assert(redwi_be_row_description(at_the_edge("\0", 2), 2, &n));
    ck_assert_uint_eq(n, 0);

    static const redw_slice cells[] = {{"abc", 3}, {NULL, 0}, {"", 0}};
    redwi_be_put_data_row(&b, cells, 3);
    wrote(&b, "44 00000015 0003 00000003 'abc' ffffffff 00000000");
    redwi_be_put_data_row(&b, NULL, 0);
    wrote(&b, "44 00000006 0000");
    redwi_buf_free(&b);
}
END_TEST

START_TEST(a_row_description_of_too_many_columns_or_odd_formats_is_refused)
{
    struct redwi_buf b = writer();
    static struct redwi_field fields[1665];
    for (size_t i = 0; i < 1665; i++)
        fields[i].name = (redw_slice){"c", 1};
    size_t len, n;
    redwi_be_put_row_description(&b, fields, 1664);
    const uint8_t *body = body_of(&b, 5, &len);
    ck_assert(redwi_be_row_description(body, len, &n));
    ck_assert_uint_eq(n, 1664);
    redwi_be_put_row_description(&b, fields, 1665);
    body = body_of(&b, 5, &len);
    ck_assert(!redwi_be_row_description(body, len, &n));
    for (unsigned format = 0; format < 4; format++) {
        fields[1].format = (uint16_t)format;
        redwi_be_put_row_description(&b, fields, 3);
        body = body_of(&b, 5, &len);
        ck_assert_int_eq(redwi_be_row_description(body, len, &n), format < 2);
    }
    static const char *const bad[] = {"ffff", "0680", "8000", "0001", "", "00", "0000 00"};
    uint8_t raw[8];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t size = unhex(raw, sizeof raw, bad[i]);
        ck_assert_msg(!redwi_be_row_description(at_the_edge(raw, size), size, &n), "%s", bad[i]);
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

static bool read_row_description(const uint8_t *body, size_t len)
{
    size_t n;
    if (!redwi_be_row_description(body, len, &n))
        return false;
    const uint8_t *at = NULL;
    struct redwi_field f;
    for (size_t i = 0; i < n; i++)
        redwi_be_field_next(body, len, &at, &f);
    ck_assert(!n || at == body + len);
    return true;
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
    tcase_add_test(t, bind_carries_its_values_in_place);
    tcase_add_test(t, bind_with_impossible_counts_and_lengths_is_refused);
    tcase_add_test(t, what_cannot_be_said_in_one_message_is_refused_when_written);
    tcase_add_test(t, each_server_message_has_its_limits);
    tcase_add_test(t, authentication_key_status_ready_and_tag);
    tcase_add_test(t, row_description_and_data_row);
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
