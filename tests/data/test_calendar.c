/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C17: Every day from 4714 BC to 9999, in each of its forms, against a calendar that only ever counts one day
 * on; and the lengths of months as far as dates reach.
 */
#include "data/datetime.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { OK = REDW_OK, RANGE = REDW_ERANGE };

#define DAY INT64_C(86400000000)

static bool leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* The day after; year 0 is 1 BC. */
static void next_day(int *year, int *month, int *day)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (++*day <= days[*month - 1] + (*month == 2 && leap(*year)))
        return;
    *day = 1;
    if (++*month <= 12)
        return;
    *month = 1;
    ++*year;
}

static char *two(char *to, int v)
{
    to[0] = (char)('0' + v / 10);
    to[1] = (char)('0' + v % 10);
    return to + 2;
}

START_TEST(every_day_of_14713_years_is_the_day_after_the_one_before)
{
    int year = -4713, month = 11, day = 24;
    int64_t count = 0;
    for (int32_t days = -2440588; year < 10000; days++, count++) {
        char text[32], *to = text, written_as[REDW_TIMESTAMP_CHARS];
        int y = year > 0 ? year : 1 - year;
        to = two(two(to, y / 100), y % 100);
        *to++ = '-';
        to = two(to, month);
        *to++ = '-';
        to = two(to, day);
        memcpy(to, year > 0 ? "" : " BC", year > 0 ? 1 : 4);
        size_t n = strlen(text);

        redw_date d, made, binary;
        int ymd[3];
        redw_date_text((redw_date){days}, written_as);
        bool same =
            strcmp(written_as, text) == 0 && redwi_text_date(text, n, &d) == OK && d.days == days;
        same = same && redw_date_of(year, month, day, &made) == OK && made.days == days;
        same = same && redw_date_ymd(d, &ymd[0], &ymd[1], &ymd[2]) == OK && ymd[0] == year &&
               ymd[1] == month && ymd[2] == day;
        uint32_t wire = __builtin_bswap32((uint32_t)(days - 10957));
        same = same && redwi_binary_date((const char *)&wire, 4, &binary) == OK && binary.days == days;
        /* The same day's last microsecond, as a timestamp. */
        redw_timestamp ts, tsb;
        int64_t us = (days + 1) * DAY - 1;
        char moment[48];
        memcpy(moment, text, n + 1);
        memcpy(moment + n - (year > 0 ? 0 : 3), year > 0 ? " 23:59:59.999999" : " 23:59:59.999999 BC",
               year > 0 ? 17 : 20);
        same = same && redwi_text_timestamp(moment, strlen(moment), &ts) == OK && ts.us == us;
        same = same && strcmp(redw_timestamp_text(ts, written_as), moment) == 0;
        uint64_t wide = __builtin_bswap64((uint64_t)(us - 10957 * DAY));
        same = same && redwi_binary_timestamp((const char *)&wide, 8, &tsb) == OK && tsb.us == us;
        if (!same)
            ck_abort_msg("%s (%d)", text, days);
        next_day(&year, &month, &day);
    }
    ck_assert_int_eq(count, 2440588 + 2932897);
}
END_TEST

START_TEST(the_days_of_each_month_are_those_of_the_calendar)
{
    redw_date d;
    int ymd[3];
    for (int year = -4712; year <= 5874897; year += year > 10000 ? 997 : 1) {
        for (int month = 1; month <= 12; month++) {
            int last = 28;
            while (redw_date_of(year, month, last + 1, &d) == OK)
                last++;
            bool thirty = month == 4 || month == 6 || month == 9 || month == 11;
            if (last != (month == 2 ? 28 + leap(year) : thirty ? 30 : 31))
                ck_abort_msg("%d-%d has %d days", year, month, last);
        }
        if (redw_date_of(year, 12, 31, &d) != OK || redw_date_ymd(d, &ymd[0], &ymd[1], &ymd[2]) != OK ||
            ymd[0] != year || ymd[1] != 12 || ymd[2] != 31)
            ck_abort_msg("the end of %d", year);
    }
    static const int none[][3] = {
        {2024, 2, 30},      {2024, 0, 1},    {2024, 13, 1},        {2024, 1, 0},
        {2024, 1, -1},      {2024, -1, 1},   {2024, INT32_MAX, 1}, {-4713, 11, 23},
        {-4713, 1, 1},      {-4714, 12, 31}, {5874898, 1, 1},      {INT32_MAX, 1, 1},
        {INT32_MIN, 12, 1}, {2024, 1, 32},   {2024, INT32_MIN, 1}, {2024, 1, INT32_MAX}};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        d.days = 7;
        ck_assert_int_eq(redw_date_of(none[i][0], none[i][1], none[i][2], &d), RANGE);
        ck_assert_int_eq(d.days, 0);
    }
    static const int32_t no_day[] = {INT32_MIN, INT32_MAX, -2440589, 2145042906};
    for (size_t i = 0; i < sizeof no_day / sizeof *no_day; i++) {
        ymd[0] = ymd[1] = ymd[2] = 7;
        ck_assert_int_eq(redw_date_ymd((redw_date){no_day[i]}, &ymd[0], &ymd[1], &ymd[2]), RANGE);
        ck_assert(ymd[0] == 0 && ymd[1] == 0 && ymd[2] == 0);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("calendar");
    TCase *t = tcase_create("calendar");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, every_day_of_14713_years_is_the_day_after_the_one_before);
    tcase_add_test(t, the_days_of_each_month_are_those_of_the_calendar);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
