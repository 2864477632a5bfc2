/* SPDX-License-Identifier: Apache-2.0 */
/*
 * M06: The trace of a direction: the same lines for any partition of a stream, no secret in any of them, and
 * nothing but printable text whatever the bytes.
 */
#include "wire/trace_lines.h"
#include "wire/be_write.h"
#include "wire/fe_write.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define CANARY "kQ7vCanary"

static bool has_control_bytes(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (((uint8_t)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f)
            return true;
    }
    return false;
}

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

int main(void)
{
    Suite *s = suite_create("trace_streams");
    TCase *t = tcase_create("trace_streams");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, any_partition_of_a_stream_gives_the_same_lines);
    tcase_add_test(t, no_secret_is_shown_or_kept_wherever_the_stream_ends);
    tcase_add_test(t, an_end_in_the_middle_is_a_line_and_an_impossible_length_the_last_one);
    tcase_add_test(t, the_answer_to_ssl_request_is_a_line_where_one_is_due);
    tcase_add_test(t, random_bytes_cannot_forge_a_line);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
