/* SPDX-License-Identifier: Apache-2.0 */
/*
 * M06: The trace: each message's line, the same lines for any partition of a stream, no secret in any of
 * them, and for a real session the lines that libpq itself prints.
 */
#include "wire/trace.h"

#include "support/pg.h"
#include "wire/be_write.h"
#include "wire/fe_write.h"
#include "wire/mem.h"

#include <check.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- helpers ---- */

#define CANARY "kQ7vCanary"

struct lines {
    char *text;
    size_t len, cap, count;
};

static void add(void *ctx, const char *text, size_t n)
{
    struct lines *l = ctx;
    ck_assert_uint_eq(strlen(text), n);
    ck_assert_uint_lt(n, REDWI_TRACE_LINE + 64);
    if (l->cap - l->len < n + 2) {
        l->cap = 2 * (l->cap + n + 2);
        l->text = realloc(l->text, l->cap);
        ck_assert_ptr_nonnull(l->text);
    }
    memcpy(l->text + l->len, text, n);
    l->len += n;
    l->text[l->len++] = '\n';
    l->text[l->len] = 0;
    l->count++;
}

static void clear(struct lines *l)
{
    free(l->text);
    *l = (struct lines){0};
}

static struct redwi_buf writer(void)
{
    struct redwi_buf b;
    redwi_buf_init(&b, &redwi_malloc, (size_t)1 << 26);
    return b;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Hex digits, and text between quotes; spaces mean nothing. */
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

static bool has_control_bytes(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (((uint8_t)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f)
            return true;
    }
    return false;
}

/* ---- one message ---- */

START_TEST(each_message_has_its_line)
{
    enum { F, B, FIRST, LOGIN, TAILS, BARE }; /* from the client: open, first, login; from the server; BARE: no values */
    static const struct {
        int view;
        const char *hex, *line;
    } rows[] = {
        {F, "51 0000000d 'select 1' 00", "F\t13\tQuery\t \"select 1\""},
        {F, "50 0000001b 's1' 00 'select $1' 00 0002 00000017 00000000",
         "F\t27\tParse\t \"s1\" \"select $1\" 2 23 0"},
        {F, "42 00000026 'p' 00 's' 00 0003 0001 0000 0000 0003 00000004 00000007 ffffffff 00000000 0001 0001",
         "F\t38\tBind\t \"p\" \"s\" 3 1 0 0 3 4 '\\x00\\x00\\x00\\x07' -1 0 '' 1 1"},
        {F, "44 00000006 'P' 00", "F\t6\tDescribe\t P \"\""},
        {F, "43 00000008 'S' 's1' 00", "F\t8\tClose\t S \"s1\""},
        {F, "45 00000009 00 00000000", "F\t9\tExecute\t \"\" 0"},
        {F, "46 0000001b 00000017 0001 0001 0002 00000003 'abc' ffffffff 0000",
         "F\t27\tFunctionCall\t 23 1 1 2 3 'abc' -1 0"},
        {F, "48 00000004", "F\t4\tFlush"},
        {F, "53 00000004", "F\t4\tSync"},
        {F, "58 00000004", "F\t4\tTerminate"},
        {F, "63 00000004", "F\t4\tCopyDone"},
        {F, "64 00000007 'a' 09 0a", "F\t7\tCopyData"},
        {F, "66 00000007 'no' 00", "F\t7\tCopyFail\t \"no\""},
        {F, "70 00000007 'ez' 00", "F\t7\tPasswordMessage\t ****"},
        {F, "70 00000004", "F\t4\tPasswordMessage\t"},
        {F, "69 00000007 'ez' 00", "F\t7\tTokenResponse\t ****"},
        {LOGIN, "64 00000007 'ez' 00", "F\t7\tDigestResponse\t ****"},
        {LOGIN, "70 00000007 'ez' 00", "F\t7\tPasswordMessage\t ****"},
        {FIRST, "00000008 04d2162f", "F\t8\tSSLRequest\t 1234 5679"},
        {FIRST, "00000008 04d21630", "F\t8\tGSSENCRequest\t 1234 5680"},
        {FIRST, "00000010 04d2162e 00007555 33f792e1", "F\t16\tCancelRequest\t 1234 5678 30037 ****"},
        {FIRST, "00000010 00030000 'user' 00 'u' 00 00",
         "F\t16\tStartupMessage\t 3 0 \"user\" \"u\" \\x00"},

        {B, "31 00000004", "B\t4\tParseComplete"},
        {B, "32 00000004", "B\t4\tBindComplete"},
        {B, "33 00000004", "B\t4\tCloseComplete"},
        {B, "49 00000004", "B\t4\tEmptyQueryResponse"},
        {B, "6e 00000004", "B\t4\tNoData"},
        {B, "73 00000004", "B\t4\tPortalSuspended"},
        {B, "63 00000004", "B\t4\tCopyDone"},
        {B, "64 00000007 'a' 09 0a", "B\t7\tCopyData"},
        {B, "41 0000000c 00007555 'c' 00 'p' 00", "B\t12\tNotificationResponse\t 30037 \"c\" \"p\""},
        {B, "43 0000000d 'SELECT 1' 00", "B\t13\tCommandComplete\t \"SELECT 1\""},
        {B, "44 00000015 0003 00000003 'abc' ffffffff 00000000", "B\t21\tDataRow\t 3 3 'abc' -1 0 ''"},
        {B, "44 0000000d 0001 00000003 c3a40a", "B\t13\tDataRow\t 1 3 '\\xc3\\xa4\\x0a'"},
        {B, "45 00000015 'SERROR' 00 'C42601' 00 'M' 00 00", "B\t21\tErrorResponse\t S \"ERROR\" C \"42601\" M \"\" \\x00"},
        {B, "4e 0000000c 'Ma' 1b 0a c3a4 00 00", "B\t12\tNoticeResponse\t M \"a\\x1b\\x0a\xc3\xa4\" \\x00"},
        {B, "47 0000000b 01 0002 0001 0000", "B\t11\tCopyInResponse\t \\x01 2 1 0"},
        {B, "48 00000009 00 0001 0000", "B\t9\tCopyOutResponse\t \\x00 1 0"},
        {B, "57 00000009 00 0001 0000", "B\t9\tCopyBothResponse\t \\x00 1 0"},
        {B, "4b 0000000c 00007555 33f792e1", "B\t12\tBackendKeyData\t 30037 ****"},
        {B, "52 00000008 00000000", "B\t8\tAuthentication\t 0"},
        {B, "52 0000000c 00000005 01020304", "B\t12\tAuthentication\t 5 ****"},
        {B, "53 00000011 'TimeZone' 00 'UTC' 00", "B\t17\tParameterStatus\t \"TimeZone\" \"UTC\""},
        {B, "54 0000001a 0001 'a' 00 00000000 fffd 00000017 ffff ffffffff 0000",
         "B\t26\tRowDescription\t 1 \"a\" 0 65533 23 65535 -1 0"},
        {TAILS, "54 00000024 0001 'a' 00 00000000 fffd 00000017 ffff ffffffff 0000 's' 00 't' 00 'c' 00 'd' 00 1001",
         "B\t36\tRowDescription\t 1 \"a\" 0 65533 23 65535 -1 0 \"s\" \"t\" \"c\" \"d\" 4097"},
        {TAILS, "54 0000001a 0001 'a' 00 00000000 fffd 00000017 ffff ffffffff 0000", /* a proxy dropped them */
         "B\t26\tRowDescription\t 1 \"a\" 0 65533 23 65535 -1 0"},
        {B, "56 0000000b 00000003 'abc'", "B\t11\tFunctionCallResponse\t 3 'abc'"},
        {B, "5a 00000005 'I'", "B\t5\tReadyForQuery\t I"},
        {B, "74 0000000e 0002 00000017 00000019", "B\t14\tParameterDescription\t 2 23 25"},
        {B, "76 00000013 00030000 00000001 '_pq_.x' 00", "B\t19\tNegotiateProtocolVersion\t 196608 1 \"_pq_.x\""},
        {B, "7a 0000000d 'zstd,lz4' 00", "B\t13\tCompression\t \"zstd,lz4\""},
        {B, "6b 00000005 01", "B\t5\tCompressionSwitch\t \\x01"},
        {B, "6d 00000007 010203", "B\t7\tCompressedData"},

        /* Without the values: what the statement says and what it gives stays inside. */
        {BARE | 8, "51 0000000d 'select 1' 00", "F\t13\tQuery\t \"****\""},
        {BARE | 8, "50 00000012 00 'select' 00 0001 00000017", "F\t18\tParse\t \"\" \"****\" 1 23"},
        {BARE | 8, "42 00000013 00 00 0000 0001 00000003 'abc' 0000", "F\t19\tBind\t \"\" \"\" 0 1 3 '****' 0"},
        {BARE, "44 0000000d 0001 00000003 'abc'", "B\t13\tDataRow\t 1 3 '****'"},
        {BARE, "45 00000017 'Mm' 00 'Dd' 00 'Hh' 00 'Ww' 00 'qq' 00 'Cc' 00 00",
         "B\t23\tErrorResponse\t M \"m\" D \"****\" H \"****\" W \"****\" q \"****\" C \"c\" \\x00"},

        /* What is wrong is said to be wrong. */
        {B, "5a 00000004", "B\t4\tReadyForQuery\t (malformed)"},
        {B, "5a 00000006 'II'", "B\t6\tReadyForQuery\t I (malformed)"},
        {B, "31 00000005 00", "B\t5\tParseComplete (malformed)"},
        {B, "43 00000006 'ab'", "B\t6\tCommandComplete\t (malformed)"},
        {B, "44 0000000b 0001 00000005 'a'", "B\t11\tDataRow\t 1 5 (malformed)"},
        {B, "44 0000000b 0001 fffffffe 'a'", "B\t11\tDataRow\t 1 -2 (malformed)"},
        {B, "44 00000006 ffff", "B\t6\tDataRow\t 65535 (malformed)"},
        {B, "45 00000007 'Mm' 00", "B\t7\tErrorResponse\t M \"m\" (malformed)"},
        {F, "54 00000004", "F\t4\tUnknown message: 54"},
        {B, "31 00000004 32 00000004", "B\t4\tParseComplete"}, /* the next one is not this one's */
        {B, "77 00000005 00", "B\t5\tUnknown message: 77"},
        {B, "00 00000004", "B\t4\tUnknown message: 00"},
        {B, "31 00000003", "B\t3\t(no message has this length)"},
        {B, "31 ffffffff", "B\t-1\t(no message has this length)"},
        {B, "31 80000000", "B\t-2147483648\t(no message has this length)"},
        {B, "31 40000000", "B\t1073741824\t(no message has this length)"},
        {FIRST, "00000007 00030000", "F\t7\t(no message has this length)"},
        {FIRST, "0000000c 00030000 'user'", "F\t12\tStartupMessage\t 3 0 (malformed)"},
        {B, "31 000000", "B\t-\t(no whole header)"},
        {FIRST, "00000008 04d216", "F\t-\t(no whole header)"},

        /* And what goes on, to go on. */
        {B, "43 0000000d 'SEL'", "B\t13\tCommandComplete\t \"SEL\"... ..."},
        {B, "44 0000000d 0001 00000003 'a'", "B\t13\tDataRow\t 1 3 'a'... ..."},
        {B, "44 0000000d 0001 00000003", "B\t13\tDataRow\t 1 3 ..."},
        {B, "44 0000000d 0001 0000", "B\t13\tDataRow\t 1 ..."},
        {B, "44 0000000d", "B\t13\tDataRow\t ..."},
        {B, "44 0000000d 0001 00000004 'a'", "B\t13\tDataRow\t 1 4 (malformed)"},
        {B, "5a 00000006 'I'", "B\t6\tReadyForQuery\t I (malformed)"}, /* whatever comes: it is too long */
        {B, "4b 0000000c 00007555", "B\t12\tBackendKeyData\t 30037 ****"},
    };
    char line[REDWI_TRACE_LINE];
    uint8_t raw[128];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int v = rows[i].view & 7;
        const struct redwi_trace_view view = {
            .to_server = v == F || v == FIRST || v == LOGIN || rows[i].view & 8,
            .phase = v == FIRST ? REDWI_TRACE_FIRST : v == LOGIN ? REDWI_TRACE_LOGIN : REDWI_TRACE_OPEN,
            .values = v != BARE,
            .row_version = v == TAILS ? 2 : 0,
        };
        size_t n = unhex(raw, sizeof raw, rows[i].hex);
        uint8_t *exact = malloc(n); /* so that a byte too far is seen */
        ck_assert_ptr_nonnull(exact);
        memcpy(exact, raw, n);
        size_t len = redwi_trace_message(&view, exact, n, line, sizeof line);
        ck_assert_str_eq(line, rows[i].line);
        ck_assert_uint_eq(len, strlen(line));
        for (size_t cap = 0; cap <= len; cap++) { /* a short line is the front of the line */
            char cut[256];
            size_t short_len = redwi_trace_message(&view, exact, n, cut, cap);
            ck_assert_uint_le(short_len, cap ? cap - 1 : 0);
            if (cap)
                ck_assert(strlen(cut) == short_len && memcmp(cut, line, short_len) == 0);
        }
        free(exact);
    }
}
END_TEST

START_TEST(a_long_text_or_value_is_cut_and_a_message_of_any_length_is_one_bounded_line)
{
    char *big = malloc(1 << 20);
    ck_assert_ptr_nonnull(big);
    memset(big, 'x', 1 << 20);
    struct redwi_buf b = writer();
    static const size_t sizes[] = {255, 256, 257, 2000, 2040, 2048, 3000, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct lines l = {0};
        struct redwi_trace t;
        redwi_buf_cut(&b, 0);
        redwi_be_put_data_row(&b, &(redw_slice){big, sizes[i]}, 1);
        redwi_be_put_ready(&b, 'I');
        redwi_trace_init(&t, false, true, add, &l);
        redwi_trace_feed(&t, redwi_buf_front(&b), redwi_buf_len(&b));
        char want[512];
        bool cut = sizes[i] > 256, beyond = sizes[i] + 11 > 2048;
        snprintf(want, sizeof want, "B\t%zu\tDataRow\t 1 %zu '%.*s'%s%s\nB\t5\tReadyForQuery\t I\n", sizes[i] + 10,
                 sizes[i], (int)(cut ? 256 : sizes[i]), big, cut ? "..." : "", beyond ? " ..." : "");
        ck_assert_str_eq(l.text, want);
        clear(&l);
        redwi_trace_end(&t);
    }
    struct lines status = {0};
    struct redwi_trace s;
    redwi_buf_cut(&b, 0);
    big[4000] = 0;
    redwi_be_put_parameter_status(&b, "long", big); /* longer than what is looked at */
    redwi_trace_init(&s, false, true, add, &status);
    redwi_trace_feed(&s, redwi_buf_front(&b), redwi_buf_len(&b));
    ck_assert_uint_eq(status.count, 1);
    ck_assert_str_eq(status.text + status.len - 10, "x\"... ...\n");
    clear(&status);
    /* The longest line that there can be: of the shortest texts, all of them escaped or masked. */
    for (int values = 0; values < 2; values++) {
        struct lines l = {0};
        struct redwi_trace t;
        redwi_buf_cut(&b, 0);
        size_t at = redwi_buf_message(&b, 'E');
        for (int i = 0; i < 5000; i++) {
            redwi_buf_u8(&b, values ? 1 : 'D');
            redwi_buf_u8(&b, 0);
        }
        redwi_buf_u8(&b, 0);
        redwi_buf_end(&b, at);
        redwi_trace_init(&t, false, values, add, &l);
        redwi_trace_feed(&t, redwi_buf_front(&b), redwi_buf_len(&b));
        ck_assert_uint_eq(l.count, 1);
        ck_assert_str_eq(l.text + l.len - 5, " ...\n"); /* not cut by its own bound */
        clear(&l);
    }
    redwi_buf_free(&b);
    free(big);
}
END_TEST

/* ---- a direction ---- */

/* Everything a server can say, its login with each method and with secrets in every place for one. */
static void server_stream(struct redwi_buf *b)
{
    static const char *const names[] = {"_pq_.x"};
    static const struct redwi_error_field fields[] = {{'S', "ERROR"}, {'C', "22012"}, {'M', "division"}, {'D', "d"},
                                                      {0, NULL}};
    static const redw_slice cells[] = {{"1", 1}, {NULL, 0}, {"\xff\x00\n", 3}};
    struct redwi_field field = {.name = {"n", 1}, .type_oid = 23, .type_size = 4, .typmod = -1};
    redwi_be_put_negotiate(b, 0x30000, names, 1);
    redwi_be_put_authentication(b, 5, CANARY, 4);
    redwi_be_put_authentication(b, 10, "SCRAM-SHA-256\0", 15);
    redwi_be_put_authentication(b, 11, "r=" CANARY ",s=" CANARY ",i=4096", 32);
    redwi_be_put_authentication(b, 12, "v=" CANARY, 12);
    redwi_be_put_digest_request(b, &(struct redwi_digest_request){0, (const uint8_t *)CANARY, 10,
                                                                  (const uint8_t *)CANARY, 10});
    redwi_be_put_authentication(b, 0, NULL, 0);
    redwi_be_put_parameter_status(b, "Server_Protocol_Version", "1");
    redwi_be_put_key_data(b, 30037, (const uint8_t *)CANARY, 10);
    redwi_be_put_ready(b, 'I');
    redwi_be_put_simple(b, '1');
    redwi_be_put_row_description(b, &field, 1);
    field.schema = field.table = field.column = field.catalog = (redw_slice){"x", 1};
    redwi_be_put_row_description(b, &field, 1);
    redwi_be_put_data_row(b, cells, 3);
    redwi_be_put_error(b, 'E', fields);
    redwi_be_put_error(b, 'N', fields);
    redwi_be_put_copy_data(b, "copied\n", 7);
    redwi_be_put_ready(b, 'E');
}

static const char server_lines[] = "B\t19\tNegotiateProtocolVersion\t 196608 1 \"_pq_.x\"\n"
                                   "B\t12\tAuthentication\t 5 ****\n"
                                   "B\t23\tAuthentication\t 10 ****\n"
                                   "B\t40\tAuthentication\t 11 ****\n"
                                   "B\t20\tAuthentication\t 12 ****\n"
                                   "B\t40\tAuthentication\t 13 ****\n"
                                   "B\t8\tAuthentication\t 0\n"
                                   "B\t30\tParameterStatus\t \"Server_Protocol_Version\" \"1\"\n"
                                   "B\t18\tBackendKeyData\t 30037 ****\n"
                                   "B\t5\tReadyForQuery\t I\n"
                                   "B\t4\tParseComplete\n"
                                   "B\t26\tRowDescription\t 1 \"n\" 0 0 23 4 -1 0\n"
                                   "B\t36\tRowDescription\t 1 \"n\" 0 0 23 4 -1 0 \"x\" \"x\" \"x\" \"x\" 0\n"
                                   "B\t22\tDataRow\t 3 1 '1' -1 3 '\\xff\\x00\\x0a'\n"
                                   "B\t32\tErrorResponse\t S \"ERROR\" C \"22012\" M \"division\" D \"d\" \\x00\n"
                                   "B\t32\tNoticeResponse\t S \"ERROR\" C \"22012\" M \"division\" D \"d\" \\x00\n"
                                   "B\t11\tCopyData\n"
                                   "B\t5\tReadyForQuery\t E\n";

static void client_stream(struct redwi_buf *b)
{
    static const struct redwi_startup_pair pairs[] = {{"user", "u"}};
    redwi_fe_ssl_request(b);
    redwi_fe_startup(b, pairs, 1);
    redwi_fe_password(b, CANARY, 10);
    redwi_fe_sasl_initial(b, "SCRAM-SHA-256", "n,,n=,r=" CANARY, 18);
    redwi_fe_sasl_response(b, "c=biws,r=" CANARY ",p=" CANARY, 32);
    redwi_fe_digest(b, (const uint8_t *)CANARY CANARY CANARY CANARY, (const uint8_t *)CANARY, 10);
    redwi_fe_token(b, CANARY, 10);
    redwi_fe_query(b, "select 1", 8);
    redwi_fe_copy_data(b, "copied\n", 7);
    redwi_fe_copy_done(b);
    redwi_fe_password(b, CANARY, 10); /* out of place, and still a password */
    redwi_fe_terminate(b);
}

static const char client_lines[] = "F\t8\tSSLRequest\t 1234 5679\n"
                                   "F\t16\tStartupMessage\t 3 0 \"user\" \"u\" \\x00\n"
                                   "F\t15\tPasswordMessage\t ****\n"
                                   "F\t40\tPasswordMessage\t ****\n"
                                   "F\t36\tPasswordMessage\t ****\n"
                                   "F\t54\tDigestResponse\t ****\n"
                                   "F\t15\tTokenResponse\t ****\n"
                                   "F\t13\tQuery\t \"select 1\"\n"
                                   "F\t11\tCopyData\n"
                                   "F\t4\tCopyDone\n"
                                   "F\t15\tPasswordMessage\t ****\n"
                                   "F\t4\tTerminate\n";

static void check_lines(bool to_server, const uint8_t *p, size_t n, const size_t *cuts, size_t ncuts, const char *want)
{
    struct redwi_trace t;
    struct lines l = {0};
    size_t at = 0;
    redwi_trace_init(&t, to_server, true, add, &l);
    for (size_t i = 0; i <= ncuts; i++) {
        size_t end = i < ncuts ? cuts[i] : n;
        redwi_trace_feed(&t, p + at, end - at);
        at = end;
    }
    ck_assert_str_eq(l.text, want);
    size_t whole = l.len;
    redwi_trace_end(&t);
    ck_assert_uint_eq(l.len, whole); /* nothing was left */
    clear(&l);
}

START_TEST(any_partition_of_a_stream_gives_the_same_lines)
{
    uint32_t seed = 7;
    for (int side = 0; side < 2; side++) {
        struct redwi_buf b = writer();
        (side ? client_stream : server_stream)(&b);
        const uint8_t *p = redwi_buf_front(&b);
        size_t n = redwi_buf_len(&b), cuts[1024];
        const char *want = side ? client_lines : server_lines;
        ck_assert_uint_lt(n, 1024);
        check_lines(side, p, n, NULL, 0, want);
        for (size_t cut = 0; cut <= n; cut++)
            check_lines(side, p, n, &cut, 1, want);
        for (size_t i = 0; i < n; i++)
            cuts[i] = i;
        check_lines(side, p, n, cuts, n, want);
        for (int round = 0; round < 2000; round++) {
            size_t ncuts = 0;
            for (size_t i = 0; i < n; i++) {
                seed = seed * 1664525u + 1013904223u;
                if (seed >> 28 < (uint32_t)round % 16)
                    cuts[ncuts++] = i;
            }
            check_lines(side, p, n, cuts, ncuts, want);
        }
        redwi_buf_free(&b);
    }
}
END_TEST

START_TEST(no_secret_is_shown_or_kept_wherever_the_stream_ends)
{
    for (int side = 0; side < 2; side++) {
        struct redwi_buf b = writer();
        (side ? client_stream : server_stream)(&b);
        size_t n = redwi_buf_len(&b);
        ck_assert_ptr_nonnull(memmem(redwi_buf_front(&b), n, CANARY, 10));
        for (size_t end = 0; end <= n; end++) {
            struct redwi_trace t;
            struct lines l = {0};
            redwi_trace_init(&t, side, true, add, &l);
            redwi_trace_feed(&t, redwi_buf_front(&b), end);
            /* Four bytes of it in a row would be too many. */
            ck_assert_ptr_null(memmem(&t, sizeof t, CANARY, 4));
            redwi_trace_end(&t);
            ck_assert(!l.text || !strstr(l.text, "kQ7v"));
            size_t count = l.count;
            redwi_trace_feed(&t, redwi_buf_front(&b), n); /* after the end nothing comes */
            ck_assert_uint_eq(l.count, count);
            for (size_t i = 0; i < sizeof t.kept; i++)
                ck_assert_uint_eq(t.kept[i], 0);
            clear(&l);
        }
        redwi_buf_free(&b);
    }
    /* A canary in all that may hold anything, and the values not asked for. */
    struct redwi_buf b = writer();
    static const struct redwi_error_field fields[] = {{'M', "m"}, {'D', CANARY}, {'H', CANARY}, {'W', CANARY},
                                                      {'q', CANARY}, {0, NULL}};
    redwi_be_put_data_row(&b, &(redw_slice){CANARY, 10}, 1);
    redwi_be_put_error(&b, 'E', fields);
    redwi_be_put_copy_data(&b, CANARY, 10);
    redwi_be_put_function_result(&b, (redw_slice){CANARY, 10});
    struct redwi_trace t;
    struct lines l = {0};
    redwi_trace_init(&t, false, false, add, &l);
    redwi_trace_feed(&t, redwi_buf_front(&b), redwi_buf_len(&b));
    ck_assert_uint_eq(l.count, 4);
    ck_assert_ptr_null(strstr(l.text, "kQ7v"));
    clear(&l);
    redwi_buf_cut(&b, 0);
    redwi_fe_startup(&b, NULL, 0);
    redwi_fe_query(&b, CANARY, 10);
    redwi_fe_parse(&b, "", CANARY, 10, NULL, 0);
    redwi_fe_function_call(&b, 1, 0, &(redw_slice){CANARY, 10}, 1, 0);
    redwi_fe_copy_data(&b, CANARY, 10);
    redwi_trace_init(&t, true, false, add, &l);
    redwi_trace_feed(&t, redwi_buf_front(&b), redwi_buf_len(&b));
    ck_assert_uint_eq(l.count, 5);
    ck_assert_ptr_null(strstr(l.text, "kQ7v"));
    clear(&l);
    redwi_buf_cut(&b, 0);
    redwi_fe_cancel_request(&b, 30037, (const uint8_t *)CANARY, 10);
    redwi_trace_init(&t, true, true, add, &l);
    redwi_trace_feed(&t, redwi_buf_front(&b), redwi_buf_len(&b));
    ck_assert_str_eq(l.text, "F\t22\tCancelRequest\t 1234 5678 30037 ****\n");
    clear(&l);
    redwi_buf_free(&b);
}
END_TEST

START_TEST(an_end_in_the_middle_is_a_line_and_an_impossible_length_the_last_one)
{
    struct lines l = {0};
    struct redwi_trace t;
    redwi_trace_init(&t, false, true, add, &l);
    redwi_trace_feed(&t, "C\0\0\0\15SELE", 9);
    redwi_trace_end(&t);
    ck_assert_str_eq(l.text, "B\t13\tCommandComplete\t \"SELE\"... ... (cut after 9 bytes)\n");
    clear(&l);
    redwi_trace_init(&t, false, true, add, &l);
    redwi_trace_feed(&t, "C\0\0", 3);
    redwi_trace_end(&t);
    ck_assert_str_eq(l.text, "B\t-\t(no whole header) (cut after 3 bytes)\n");
    clear(&l);
    redwi_trace_init(&t, false, true, add, &l);
    redwi_trace_feed(&t, "C\xff\xff\xff\xff" "Z\0\0\0\5I", 11);
    redwi_trace_feed(&t, "Z\0\0\0\5I", 6);
    redwi_trace_end(&t);
    ck_assert_str_eq(l.text, "B\t-1\t(no message has this length)\n");
    clear(&l);
    redwi_trace_init(&t, false, true, add, &l);
    redwi_trace_feed(&t, "C\0\0\0\3Z\0\0\0\5I", 11);
    ck_assert_str_eq(l.text, "B\t3\t(no message has this length)\n");
    clear(&l);
    redwi_trace_init(&t, true, true, add, &l);
    redwi_trace_feed(&t, "\0\0\0\7\0\3\0\0", 8);
    ck_assert_str_eq(l.text, "F\t7\t(no message has this length)\n");
    clear(&l);
}
END_TEST

START_TEST(the_answer_to_ssl_request_is_a_line_where_one_is_due)
{
    static const struct {
        unsigned answers;
        const char *bytes;
        size_t n;
        const char *lines;
    } rows[] = {
        {1, "SZ\0\0\0\5I", 7, "B\t1\tSSLResponse\t S\nB\t5\tReadyForQuery\t I\n"},
        {2, "NNZ\0\0\0\5I", 8, "B\t1\tSSLResponse\t N\nB\t1\tSSLResponse\t N\nB\t5\tReadyForQuery\t I\n"},
        {2, "E\0\0\0\5\0", 6, "B\t5\tErrorResponse\t \\x00\n"},
        {1, "\n", 1, "B\t1\tSSLResponse\t \\x0a\n"},
        {0, "Z\0\0\0\5I", 6, "B\t5\tReadyForQuery\t I\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct lines l = {0};
        struct redwi_trace t;
        redwi_trace_init(&t, true, true, add, &l);
        t.answers = rows[i].answers; /* nobody asks the client */
        redwi_trace_feed(&t, "\0\0\0\10\4\xd2\x16\x2f", 8);
        ck_assert_str_eq(l.text, "F\t8\tSSLRequest\t 1234 5679\n");
        clear(&l);
        redwi_trace_init(&t, false, true, add, &l);
        t.answers = rows[i].answers;
        for (size_t at = 0; at < rows[i].n; at++)
            redwi_trace_feed(&t, rows[i].bytes + at, 1);
        ck_assert_str_eq(l.text, rows[i].lines);
        clear(&l);
    }
}
END_TEST

static void no_control_bytes(void *ctx, const char *text, size_t n)
{
    ck_assert(!has_control_bytes(text, n));
    ck_assert_uint_eq(strlen(text), n);
    *(size_t *)ctx += 1;
}

/* Whatever the bytes: lines, one at a time, of printable text. */
START_TEST(random_bytes_cannot_forge_a_line)
{
    uint32_t seed = 3;
    size_t lines = 0;
    static const char types[] = "123ACDEGHIKNRSTVWZcdkmnstvzBFPQXfpi";
    for (int round = 0; round < 20000; round++) {
        uint8_t raw[160];
        size_t n = 0;
        while (n < 120) {
            seed = seed * 1664525u + 1013904223u;
            uint32_t len = 4 + (seed >> 8) % 40;
            raw[n++] = (uint8_t)types[(seed >> 20) % (sizeof types - 1)];
            memcpy(raw + n, (uint8_t[]){0, 0, 0, (uint8_t)len}, 4);
            n += 4;
            for (uint32_t i = 4; i < len && n < sizeof raw; i++) {
                seed = seed * 1664525u + 1013904223u;
                raw[n++] = seed >> 28 < 7 ? 0 : (uint8_t)(seed >> 16);
            }
        }
        uint8_t *exact = malloc(n);
        ck_assert_ptr_nonnull(exact);
        memcpy(exact, raw, n);
        struct redwi_trace t;
        redwi_trace_init(&t, round & 1, round & 2, no_control_bytes, &lines);
        if (round & 1)
            t.view.phase = REDWI_TRACE_LOGIN;
        t.view.row_version = round & 4 ? 3 : 0;
        redwi_trace_feed(&t, exact, n);
        redwi_trace_end(&t);
        free(exact);
    }
    ck_assert_uint_gt(lines, 50000);
}
END_TEST

/* ---- libpq's own trace ---- */

/* A man in the middle who writes down what both sides say. */
struct tap {
    int listener;
    const char *port; /* the server's */
    struct redwi_buf said[2];
    pthread_t thread;
};

static bool pass(int from, int to, struct redwi_buf *said)
{
    uint8_t bytes[8192];
    ssize_t n = recv(from, bytes, sizeof bytes, 0);
    if (n <= 0)
        return false;
    redwi_buf_bytes(said, bytes, (size_t)n);
    return send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n; /* blocking, so all of it or an error */
}

static void *listen_in(void *arg)
{
    struct tap *t = arg;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(t->port, NULL, 10)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int client = accept(t->listener, NULL, NULL), server = socket(AF_INET, SOCK_STREAM, 0);
    if (client >= 0 && connect(server, (struct sockaddr *)&to, sizeof to) == 0) {
        for (;;) {
            struct pollfd fds[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
            if (poll(fds, 2, 30000) <= 0)
                break;
            if (fds[0].revents && !pass(client, server, &t->said[1]))
                break;
            if (fds[1].revents && !pass(server, client, &t->said[0]))
                break;
        }
    }
    close(client);
    close(server);
    return NULL;
}

static unsigned tap_open(struct tap *t, const char *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    *t = (struct tap){.port = port, .listener = socket(AF_INET, SOCK_STREAM, 0), .said = {writer(), writer()}};
    ck_assert_int_eq(bind(t->listener, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(t->listener, 1), 0);
    ck_assert_int_eq(getsockname(t->listener, (struct sockaddr *)&at, &n), 0);
    ck_assert_int_eq(pthread_create(&t->thread, NULL, listen_in, t), 0);
    return ntohs(at.sin_port);
}

static void quiet(void *ctx, const char *text)
{
    (void)ctx;
    (void)text;
}

/* Query, extended query, errors, notices, cursors, COPY, a pipeline: through libpq, traced by libpq. */
static void use_libpq(PGconn *c)
{
    static const char *const values[] = {"7", NULL};
    static const int formats[] = {1, 0};
    static const uint8_t seven[] = {0, 0, 0, 7};
    const char *binary[] = {(const char *)seven, "text\n\xc3\xa4"};
    static const int lengths[] = {4, 0};
    static const Oid types[] = {23, 25};
    static const char *const queries[] = {
        "select 1 as one, null::text as nothing, 'a''b\\c' as \"q u\"",
        "select 1/0",
        "do $$ begin raise notice 'hello %', 'you' using hint = 'none', detail = 'some'; end $$",
        "",
        "select 1; select 2",
        "set application_name = 'traced'",
        "select from pg_class limit 2",
        "listen traced",
        "notify traced, 'payload'",
    };
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        PQclear(PQexec(c, queries[i]));
    PQclear(PQexecParams(c, "select $1::int4, $2::text", 2, types, values, NULL, NULL, 0));
    PQclear(PQexecParams(c, "select $1::int4, $2::text", 2, types, binary, lengths, formats, 1));
    PQclear(PQexecParams(c, "select $1::int4 / 0", 1, types, values, NULL, NULL, 0));
    PQclear(PQexecParams(c, "syntax error", 0, NULL, NULL, NULL, NULL, 0));
    PQclear(PQprepare(c, "s1", "select $1::int4 + 1", 0, NULL));
    PQclear(PQdescribePrepared(c, "s1"));
    PQclear(PQexecPrepared(c, "s1", 1, values, NULL, NULL, 1));
    PQclear(PQdescribePrepared(c, "none"));
    PQclear(PQexec(c, "copy (select 1, 'x') to stdout"));
    char *row;
    while (PQgetCopyData(c, &row, 0) > 0)
        PQfreemem(row);
    PQclear(PQgetResult(c));
    while (PQgetResult(c))
        ck_abort_msg("more results");
    PQclear(PQexec(c, "create temp table t (a int, b text)"));
    PQclear(PQexec(c, "copy t from stdin"));
    ck_assert_int_eq(PQputCopyData(c, "1\tx\n", 4), 1);
    ck_assert_int_eq(PQputCopyEnd(c, "changed my mind"), 1);
    for (PGresult *r; (r = PQgetResult(c)) != NULL;)
        PQclear(r);
    ck_assert_int_eq(PQenterPipelineMode(c), 1);
    ck_assert_int_eq(PQsendQueryParams(c, "select 1", 0, NULL, NULL, NULL, NULL, 0), 1);
    ck_assert_int_eq(PQsendFlushRequest(c), 1);
    ck_assert_int_eq(PQpipelineSync(c), 1);
    for (int nulls = 0; nulls < 2;) {
        PGresult *r = PQgetResult(c);
        nulls = r ? 0 : nulls + 1;
        bool sync = r && PQresultStatus(r) == PGRES_PIPELINE_SYNC;
        PQclear(r);
        if (sync)
            break;
    }
}

/* The lines of one direction, from `from` on; libpq's remarks about itself left out. */
static void direction_of(struct lines *out, const char *text, char direction)
{
    for (const char *end; *text; text = end + 1) {
        end = strchr(text, '\n');
        ck_assert_ptr_nonnull(end);
        if (text[0] != direction || text[1] != '\t')
            continue;
        char line[4096];
        size_t n = (size_t)(end - text);
        ck_assert_uint_lt(n, sizeof line);
        memcpy(line, text, n);
        line[n] = 0;
        add(out, line, n);
    }
}

/* libpq has no name for CopyData and does not trace what it receives of it, and its trace begins only when
 * somebody is logged in. */
static void as_libpq(struct lines *out, const struct lines *ours)
{
    const char *text = ours->text, *login = strstr(text, "ReadyForQuery\t I\n");
    if (text[0] == 'F') { /* the last answer to the login */
        for (const char *at = text; (at = strstr(at, "PasswordMessage")) != NULL; at++)
            login = at;
    }
    ck_assert_ptr_nonnull(login);
    for (const char *at = strchr(login, '\n') + 1, *end; *at; at = end + 1) {
        end = strchr(at, '\n');
        size_t n = (size_t)(end - at), copy = strlen("CopyData");
        char line[4096];
        ck_assert_uint_lt(n, sizeof line);
        if (n > copy && memcmp(end - copy, "CopyData", copy) == 0) {
            if (*at == 'B')
                continue;
            n -= copy;
        }
        memcpy(line, at, n);
        line[n] = 0;
        add(out, line, n);
    }
}

START_TEST(the_lines_of_a_session_are_those_of_libpq)
{
    const struct pg_server *pg = pg_server();
    struct tap tap;
    char uri[512], *theirs = NULL;
    size_t size = 0;
    snprintf(uri, sizeof uri,
             "hostaddr=127.0.0.1 port=%u user=%s password=%s dbname=%s sslmode=disable gssencmode=disable",
             tap_open(&tap, pg->port), "plain", pg->password, pg->database);
    PGconn *c = PQconnectdb(uri);
    ck_assert_msg(PQstatus(c) == CONNECTION_OK, "%s", PQerrorMessage(c));
    PQsetNoticeProcessor(c, quiet, NULL);
    FILE *f = open_memstream(&theirs, &size);
    ck_assert_ptr_nonnull(f);
    PQtrace(c, f);
    PQsetTraceFlags(c, PQTRACE_SUPPRESS_TIMESTAMPS);
    use_libpq(c);
    PQfinish(c); /* Terminate is traced, too */
    fclose(f);
    pthread_join(tap.thread, NULL);
    close(tap.listener);

    for (int side = 0; side < 2; side++) {
        struct redwi_trace t;
        struct lines ours = {0}, want = {0}, got = {0};
        redwi_trace_init(&t, side, true, add, &ours);
        redwi_trace_feed(&t, redwi_buf_front(&tap.said[side]), redwi_buf_len(&tap.said[side]));
        redwi_trace_end(&t);
        ck_assert_ptr_null(strstr(ours.text, "malformed"));
        ck_assert_ptr_null(strstr(ours.text, "Unknown"));
        ck_assert_ptr_null(strstr(ours.text, pg->password));
        as_libpq(&got, &ours);
        direction_of(&want, theirs, side ? 'F' : 'B');
        ck_assert_uint_gt(want.count, 40);
        const char *g = got.text, *w = want.text;
        for (size_t line = 0; *g && *w; line++) { /* one at a time: all of it would be too long to be printed */
            size_t gn = strcspn(g, "\n"), wn = strcspn(w, "\n");
            ck_assert_msg(gn == wn && memcmp(g, w, gn) == 0, "line %zu: %.*s, but libpq: %.*s", line, (int)gn, g,
                          (int)wn, w);
            g += gn + 1;
            w += wn + 1;
        }
        ck_assert_msg(!*g && !*w, "lines missing: %s%s", g, w);
        printf("%zu lines %s the server, as libpq traces them\n", got.count, side ? "to" : "from");
        clear(&ours);
        clear(&want);
        clear(&got);
        redwi_buf_free(&tap.said[side]);
    }
    free(theirs);
}
END_TEST

int main(void)
{
    (void)pg_server(); /* before the tests fork */
    Suite *s = suite_create("trace");
    TCase *t = tcase_create("trace");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, each_message_has_its_line);
    tcase_add_test(t, a_long_text_or_value_is_cut_and_a_message_of_any_length_is_one_bounded_line);
    tcase_add_test(t, any_partition_of_a_stream_gives_the_same_lines);
    tcase_add_test(t, no_secret_is_shown_or_kept_wherever_the_stream_ends);
    tcase_add_test(t, an_end_in_the_middle_is_a_line_and_an_impossible_length_the_last_one);
    tcase_add_test(t, the_answer_to_ssl_request_is_a_line_where_one_is_due);
    tcase_add_test(t, random_bytes_cannot_forge_a_line);
    tcase_add_test(t, the_lines_of_a_session_are_those_of_libpq);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
