/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C01: The bounds of messages: what cannot be said in one is refused when written, a writer that fails keeps
 * what was there, and a length word may claim what its type allows and no more.
 */
#include "wire/codec_stand.h"

/* --- when written --- */

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

/* --- when read --- */

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

int main(void)
{
    Suite *s = suite_create("codec_bounds");
    TCase *t = tcase_create("codec_bounds");
    suite_add_tcase(s, t);
    tcase_add_checked_fixture(t, raise_guard, NULL);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_cannot_be_said_in_one_message_is_refused_when_written);
    tcase_add_test(t, a_message_that_does_not_fit_fails_the_writer_and_what_was_there_stays);
    tcase_add_test(t, each_server_message_has_its_limits);
    tcase_add_test(t, every_type_takes_the_lengths_within_its_bounds_and_no_other);
    tcase_add_test(t, each_client_message_has_its_limits);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
