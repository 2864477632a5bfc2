/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C19: Intervals: the golden vectors of protocol 5.4, the servers' texts, and the ends of each member.
 */
#include "data/fence.h"
#include "data/interval.h"
#include "wire/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { OK = REDW_OK, RANGE = REDW_ERANGE, FORM = REDW_EPROTOCOL };

#define S    INT64_C(1000000)
#define HOUR (3600 * S)
#define DAY  (24 * HOUR)

typedef int reader(const char *p, size_t n, redw_interval *out);

static bool equal(redw_interval a, redw_interval b)
{
    return a.months == b.months && a.days == b.days && a.us == b.us;
}

/* On both sides of a fence; an ordinary comparison first, as each ck_assert costs a system call. */
static void must_read(reader *read, const void *bytes, size_t n, int rc, redw_interval want)
{
    for (int before = 0; before < 2; before++) {
        redw_interval v = {7, 7, 7};
        int got = read(before ? fence_before(bytes, n) : fence_behind(bytes, n), n, &v);
        if (got != rc || !equal(v, want))
            ck_abort_msg("%.*s: %d, %d %d %" PRId64 "; not %d, %d %d %" PRId64, (int)n,
                         (const char *)bytes, got, v.months, v.days, v.us, rc, want.months, want.days,
                         want.us);
    }
}

static void must_refuse(reader *read, const char *text, int rc)
{
    must_read(read, text, strlen(text), rc, (redw_interval){0});
}

static struct redwi_buf written;

static struct redwi_buf *emptied(void)
{
    if (!written.mem)
        redwi_buf_init(&written, &redwi_malloc, 4096);
    redwi_buf_cut(&written, 0);
    return &written;
}

START_TEST(the_bytes_of_the_protocol_document_are_these_values)
{
    must_read(redwi_interval_redshift, "\x00\x00\x00\x64\x95\x34\xe0\x00\x00\x00\x00\x01", 12, OK,
              (redw_interval){1, 5, 0});
    must_read(redwi_binary_interval_ym, "\x00\x00\x00\x2a", 4, OK, (redw_interval){42, 0, 0});
    must_read(redwi_binary_interval_ds, "\x00\x00\x00\x02\xdf\xda\xe8\x00", 8, OK,
              (redw_interval){0, 0, 12345600000});
    /* PostgreSQL keeps days apart from hours. */
    must_read(redwi_interval_postgres,
              "\x00\x00\x00\x14\x1d\xd7\x60\x00\xff\xff\xff\xfd\x00\x00\x00\x0e", 16, OK,
              (redw_interval){14, -3, DAY});
    redwi_interval_put_postgres(emptied(), (redw_interval){14, -3, DAY});
    ck_assert_uint_eq(redwi_buf_len(&written), 16);
    ck_assert_mem_eq(redwi_buf_front(&written),
                     "\x00\x00\x00\x14\x1d\xd7\x60\x00\xff\xff\xff\xfd\x00\x00\x00\x0e", 16);
    redwi_interval_put_redshift(emptied(), (redw_interval){1, 5, 0});
    ck_assert_uint_eq(redwi_buf_len(&written), 12);
    ck_assert_mem_eq(redwi_buf_front(&written), "\x00\x00\x00\x64\x95\x34\xe0\x00\x00\x00\x00\x01", 12);
}
END_TEST

START_TEST(binary_intervals_have_exactly_their_width)
{
    static const char zeros[20];
    static const struct {
        reader *read;
        size_t width;
    } rows[] = {{redwi_interval_postgres, 16},
                {redwi_interval_redshift, 12},
                {redwi_binary_interval_ym, 4},
                {redwi_binary_interval_ds, 8}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t n = 0; n <= sizeof zeros; n++)
            must_read(rows[i].read, zeros, n, n == rows[i].width ? OK : FORM, (redw_interval){0});
}
END_TEST

START_TEST(texts_are_written_as_postgresql_writes_them_and_read_back)
{
    static const struct {
        redw_interval v;
        const char *text;
    } rows[] = {
        {{0, 0, 0}, "00:00:00"},
        {{14, 3, 4 * HOUR + 5 * 60 * S + 6789000}, "1 year 2 mons 3 days 04:05:06.789"},
        {{12, 0, 0}, "1 year"},
        {{24, 0, 0}, "2 years"},
        {{-12, 0, 0}, "-1 years"},
        {{1, 0, 0}, "1 mon"},
        {{-1, 0, 0}, "-1 mons"},
        {{38, 0, 0}, "3 years 2 mons"},
        {{-38, 0, 0}, "-3 years -2 mons"},
        {{0, 1, 0}, "1 day"},
        {{0, -1, 0}, "-1 days"},
        {{0, 1, -HOUR}, "1 day -01:00:00"},
        {{0, -1, HOUR}, "-1 days +01:00:00"},
        {{-1, 1, 1}, "-1 mons +1 day 00:00:00.000001"},
        {{-11, 1, -1}, "-11 mons +1 day -00:00:00.000001"},
        {{-1, 0, 1}, "-1 mons +00:00:00.000001"},
        {{0, 0, -1}, "-00:00:00.000001"},
        {{0, 0, -100000}, "-00:00:00.1"},
        {{0, 0, 25 * HOUR}, "25:00:00"},
        {{0, 0, 100 * HOUR + 1}, "100:00:00.000001"},
        {{0, 0, 4 * HOUR + 60 * S}, "04:01:00"},
        {{0, 0, INT64_MAX}, "2562047788:00:54.775807"},
        {{0, 0, INT64_MIN}, "-2562047788:00:54.775808"},
        {{INT32_MAX, INT32_MAX, INT64_MAX - 1},
         "178956970 years 7 mons 2147483647 days 2562047788:00:54.775806"},
        {{INT32_MIN, INT32_MIN, INT64_MIN + 1},
         "-178956970 years -8 mons -2147483648 days -2562047788:00:54.775807"},
        {{INT32_MIN, INT32_MAX, INT64_MIN},
         "-178956970 years -8 mons +2147483647 days -2562047788:00:54.775808"},
        {{INT32_MAX, INT32_MIN, INT64_MAX},
         "178956970 years 7 mons -2147483648 days +2562047788:00:54.775807"},
        {{INT32_MAX, INT32_MAX, INT64_MAX}, "infinity"},
        {{INT32_MIN, INT32_MIN, INT64_MIN}, "-infinity"},
        {{INT32_MAX, 0, INT64_MAX}, "178956970 years 7 mons 2562047788:00:54.775807"},
        {{INT32_MIN, 0, INT64_MIN}, "-178956970 years -8 mons -2562047788:00:54.775808"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char buf[REDW_INTERVAL_CHARS];
        ck_assert_str_eq(redw_interval_text(rows[i].v, buf), rows[i].text);
        must_read(redwi_text_interval, rows[i].text, strlen(rows[i].text), OK, rows[i].v);
    }
}
END_TEST

START_TEST(redshift_s_texts_are_read)
{
    static const struct {
        reader *read;
        const char *text;
        redw_interval v;
    } rows[] = {
        {redwi_text_interval_ym, "3 years 2 mons", {38, 0, 0}},
        {redwi_text_interval_ym, "-3 years -2 mons", {-38, 0, 0}},
        {redwi_text_interval_ym, "0 years 0 mons", {0, 0, 0}},
        {redwi_text_interval_ym, "1 year 0 mons", {12, 0, 0}},
        {redwi_text_interval_ym, "00:00:00", {0, 0, 0}},
        {redwi_text_interval_ym, "178956970 years 7 mons", {INT32_MAX, 0, 0}},
        {redwi_text_interval_ds, "3 days 4 hours 1 mins 4.3 secs", {0, 3, 4 * HOUR + 64300000}},
        {redwi_text_interval_ds, "-3 days -4 hours -1 mins -4.3 secs", {0, -3, -4 * HOUR - 64300000}},
        {redwi_text_interval_ds, "0 days 0 hours 0 mins 0.0 secs", {0, 0, 0}},
        {redwi_text_interval_ds, "1 day 1 hour 1 min 1 sec", {0, 1, 3661 * S}},
        {redwi_text_interval_ds, "0.000001 secs", {0, 0, 1}},
        {redwi_text_interval_ds, "-0.000001 secs", {0, 0, -1}},
        {redwi_text_interval_ds, "28 hours", {0, 1, 4 * HOUR}},
        {redwi_text_interval_ds, "1 day -1 hours", {0, 0, 23 * HOUR}},
        {redwi_text_interval_ds, "-49:00:00", {0, -2, -HOUR}},
        {redwi_text_interval_ds, "3 days 04:01:04.3", {0, 3, 4 * HOUR + 64300000}},
        {redwi_text_interval_ds, "106751991 days 04:00:54.775807", {0, 106751991, 14454775807}},
        {redwi_text_interval_ds, "-106751991 days -04:00:54.775808", {0, -106751991, -14454775808}},
        {redwi_text_interval_ds, "106751992 days -24:00:00", {0, 106751991, 0}},
        {redwi_text_interval, "1 mon 5 days 03:25:45.60", {1, 5, 12345600000}},
        {redwi_text_interval, "1 mon 5 days 03:25", {1, 5, 12300 * S}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        must_read(rows[i].read, rows[i].text, strlen(rows[i].text), OK, rows[i].v);
    must_refuse(redwi_text_interval_ym, "3 years 2 mons 1 day", FORM);
    must_refuse(redwi_text_interval_ym, "1 year 00:00:01", FORM);
    must_refuse(redwi_text_interval_ym, "178956970 years 8 mons", RANGE);
    must_refuse(redwi_text_interval_ym, "years", FORM);
    must_refuse(redwi_text_interval_ds, "1 mon", FORM);
    must_refuse(redwi_text_interval_ds, "infinity", FORM);
    must_refuse(redwi_text_interval_ds, "", FORM);
    must_refuse(redwi_text_interval_ds, "106751991 days 04:00:54.775808", RANGE);
    must_refuse(redwi_text_interval_ds, "-106751991 days -04:00:54.775809", RANGE);
}
END_TEST

START_TEST(what_the_members_cannot_hold_is_out_of_range)
{
    static const char *const over[] = {
        "178956970 years 8 mons",
        "-178956970 years -9 mons",
        "178956971 years",
        "2147483648 mons",
        "-2147483649 mons",
        "2147483648 days",
        "-2147483649 days",
        "2562047788:00:54.775808",
        "-2562047788:00:54.775809",
        "2562047789:00:00",
        "9999999999999999999 years",
        "9999999999999999999 hours",
        "2562047788 hours 1 min",
        "00:60:00",
        "00:00:60",
        "768614336404564651 years",
        "9223372036855 secs",
        "9223372036854.775808 secs",
        "9999999999999999999:00:00",
    };
    for (size_t i = 0; i < sizeof over / sizeof *over; i++)
        must_refuse(redwi_text_interval, over[i], RANGE);
    must_read(redwi_text_interval, "9223372036854.775807 secs", 25, OK,
              (redw_interval){0, 0, INT64_MAX});
    must_read(redwi_text_interval, "-9223372036854.775808 secs", 26, OK,
              (redw_interval){0, 0, INT64_MIN});
    must_read(redwi_text_interval, "2147483647 days", 15, OK, (redw_interval){0, INT32_MAX, 0});
    must_read(redwi_text_interval, "178956971 years -5 mons", 23, OK, (redw_interval){INT32_MAX, 0, 0});
}
END_TEST

START_TEST(what_is_of_another_form_is_refused)
{
    static const char *const rows[] = {
        "",
        " ",
        "-",
        "+",
        "1",
        "1 ",
        "day",
        " 1 day",
        "1 day ",
        "1  day",
        "1day",
        "1 days1",
        "1 dayss",
        "1 da",
        "1 d",
        "--1 day",
        "+-1 day",
        "1 Day",
        "1 day 2 days",
        "1 day 1 mon",
        "1 mon 1 year",
        "1 sec 1 min",
        "1 week",
        "1 month",
        "1.5 days",
        "1. secs",
        "1.1234567 secs",
        ".5 secs",
        "1.5",
        "1:2:3",
        "01:2",
        "01:",
        "01:02:",
        "01:02:3",
        "01:02:03.",
        "01:02:03.1234567",
        "01:02:03 1 day",
        "01:02:03 04:05:06",
        "1 hour 02:03:04",
        "1 min 00:00:01",
        "01:02:03x",
        "12345678901234567890 days",
        "P1Y2M3DT4H5M6S",
        "@ 1 year",
        "@ 1 day ago",
        "1-2 3 4:05:06",
        "1-2",
        "Infinity",
        "infinite",
        "1 day infinity",
        "infinity 1 day",
        "+infinity",
        "-infinitx",
        "1 day,",
        "1,5 secs",
        "1 y",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        must_refuse(redwi_text_interval, rows[i], FORM);
    must_read(redwi_text_interval, "1 day\0", 6, FORM, (redw_interval){0});
}
END_TEST

START_TEST(any_byte_in_any_place_is_read_as_what_it_then_says)
{
    static const char *const sound[] = {"1 year 2 mons 3 days 04:05:06.789",
                                        "-3 days -4 hours -1 mins -4.3 secs"};
    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(sound[i]), read = 0;
        for (size_t at = 0; at < n; at++) {
            for (int byte = 0; byte < 256; byte++) {
                char text[64];
                redw_interval v = {7, 7, 7};
                memcpy(text, sound[i], n + 1);
                bool digit = text[at] >= '0' && text[at] <= '9', sign = text[at] == '-',
                     point = text[at] == '.';
                text[at] = (char)byte;
                int rc = redwi_text_interval(fence_behind(text, n), n, &v);
                bool put_digit = byte >= '0' && byte <= '9', put_sign = byte == '-' || byte == '+';
                bool alike = text[at] == sound[i][at] || (digit && (put_digit || put_sign)) ||
                             (sign && (put_digit || put_sign)) || (point && put_digit);
                if (rc == OK ? !alike : !equal(v, (redw_interval){0}))
                    ck_abort_msg("%.*s: %d", (int)n, text, rc);
                read += rc == OK;
            }
        }
        ck_assert_uint_gt(read, n);
    }
}
END_TEST

START_TEST(values_keep_through_every_form)
{
    uint64_t seed = 5;
    for (int i = 0; i < 300000; i++) {
        uint64_t shape = next_random(&seed);
        redw_interval v = {(int32_t)next_random(&seed), (int32_t)next_random(&seed),
                           (int64_t)next_random(&seed)},
                      back;
        v.months = shape % 4 == 0 ? 0 : shape % 4 == 1 ? v.months % 40 : v.months;
        v.days = shape / 4 % 4 == 0 ? 0 : shape / 4 % 4 == 1 ? v.days % 40 : v.days;
        v.us = shape / 16 % 4 == 0 ? 0 : shape / 16 % 4 == 1 ? v.us % DAY : v.us;
        v.us -= shape / 64 % 2 ? v.us % S : 0;
        char buf[REDW_INTERVAL_CHARS];
        size_t n = strlen(redw_interval_text(v, buf));
        if (redwi_text_interval(fence_behind(buf, n), n, &back) != OK || !equal(back, v))
            ck_abort_msg("%s", buf);
        redwi_interval_put_postgres(emptied(), v);
        if (redwi_interval_postgres((const char *)redwi_buf_front(&written), redwi_buf_len(&written),
                                    &back) != OK ||
            !equal(back, v))
            ck_abort_msg("%s in binary", buf);
        /* Redshift's: the same count of microseconds, and days of 24 hours. */
        int64_t us, us_back;
        __extension__ __int128 whole = v.us;
        whole += (__int128)v.days * DAY;
        if (redwi_interval_us(v, &us) != (whole >= INT64_MIN && whole <= INT64_MAX))
            ck_abort_msg("%s: does it fit?", buf);
        if (!redwi_interval_us(v, &us))
            continue;
        redwi_interval_put_redshift(emptied(), v);
        int rc = redwi_interval_redshift((const char *)redwi_buf_front(&written),
                                         redwi_buf_len(&written), &back);
        if (rc != OK || back.months != v.months || !redwi_interval_us(back, &us_back) || us_back != us ||
            us != whole || back.us <= -DAY || back.us >= DAY || (back.us < 0 && back.days > 0) ||
            (back.us > 0 && back.days < 0))
            ck_abort_msg("%s on Redshift", buf);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("interval");
    TCase *t = tcase_create("interval");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_bytes_of_the_protocol_document_are_these_values);
    tcase_add_test(t, binary_intervals_have_exactly_their_width);
    tcase_add_test(t, texts_are_written_as_postgresql_writes_them_and_read_back);
    tcase_add_test(t, redshift_s_texts_are_read);
    tcase_add_test(t, what_the_members_cannot_hold_is_out_of_range);
    tcase_add_test(t, what_is_of_another_form_is_refused);
    tcase_add_test(t, any_byte_in_any_place_is_read_as_what_it_then_says);
    tcase_add_test(t, values_keep_through_every_form);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
