/* SPDX-License-Identifier: Apache-2.0 */
/*
 * M06: The trace: each message's line, and its bound. Whole streams: test_trace_streams.c; the lines of libpq:
 * test_trace_libpq.c.
 */
#include "support/hex.h"
#include "wire/trace_lines.h"
#include "wire/be_write.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int main(void)
{
    Suite *s = suite_create("trace");
    TCase *t = tcase_create("trace");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, each_message_has_its_line);
    tcase_add_test(t, a_long_text_or_value_is_cut_and_a_message_of_any_length_is_one_bounded_line);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
