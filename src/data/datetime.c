/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates and times. Text is read in two ways: the fast path knows the one shape nearly all values have,
 * where each digit has its place, and says only yes; whatever it does not know is read again by the
 * general path, which alone decides what is wrong with it.
 *
 * Years are counted here from 4801 BC: then no year of any type is negative, and leap years stay where
 * they are, since 4800 is a multiple of 400.
 */
#include "data/datetime.h"

#include "data/moment.h"
#include "wire/cursor.h"

#define YEAR_SHIFT    4800u
#define YEAR_MIN      (-4713) /* 4714 BC */
#define YEAR_MAX      5874897
#define DATE_MIN      (-2440588) /* 4714-11-24 BC, day 0 of the Julian day count */
#define DATE_MAX      2145042905 /* 5874897-12-31 */
#define TIMESTAMP_MIN (DATE_MIN * REDWI_DAY)
#define DAYS_TO_2000  REDWI_DAYS_TO_2000 /* from 1970-01-01, where this library counts from */
#define US_TO_2000    (DAYS_TO_2000 * REDWI_DAY)
#define ZONE_LIMIT_S  57600 /* 16 hours: PostgreSQL's TZDISP_LIMIT */

#define FIRST_MARCH_TO_1970 2472632 /* days from 4801-03-01 BC */

/* ---- the calendar ---------------------------------------------------------------------------- */

static inline bool is_leap(uint32_t year)
{
    return (year & (year % 25 ? 3 : 15)) == 0;
}

/* Of either count of years. */
static inline bool is_day(uint32_t year, unsigned month, unsigned day)
{
    static const uint8_t days[16] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month - 1 < 12 && day - 1 < days[month] + (unsigned)((month == 2) & is_leap(year));
}

/* Days since 1970-01-01. The year is taken to begin in March, so that the leap day is its last; its
 * months then lie on a line, 30.6 days to each (979 / 32). */
static inline int64_t days_of(uint32_t year, unsigned month, unsigned day)
{
    bool early = month <= 2;
    uint64_t y = year - early;
    unsigned m = month + (early ? 12 : 0);
    uint64_t days = 1461 * y / 4 - y / 100 + y / 400 + (979 * m - 2919) / 32 + day - 1;
    return (int64_t)days - FIRST_MARCH_TO_1970;
}

struct day {
    uint32_t year;
    unsigned month, day;
};

/* The way back: century, year of the century, month, each read off a line (Neri and Schneider,
 * "Euclidean affine functions and their application to calendar algorithms", 2023). */
static struct day day_of(int64_t days)
{
    uint64_t n = 4 * (uint64_t)(days + FIRST_MARCH_TO_1970) + 3;
    uint64_t product = 2939745 * (n % 146097 | 3);
    uint32_t year = (uint32_t)(100 * (n / 146097) + (product >> 32));
    uint32_t of_year = (uint32_t)product / 2939745 / 4;
    uint32_t line = 2141 * of_year + 197913;
    bool early = of_year >= 306;
    return (struct day){year + early, (line >> 16) - (early ? 12 : 0), (line & 0xffff) / 2141 + 1};
}

/* ---- reading text: the fast path, of which moment.h has the most -------------------------------- */

/* clang-format off */
#define TEN(of, n) of(n), of(n + 1), of(n + 2), of(n + 3), of(n + 4), of(n + 5), of(n + 6), of(n + 7), of(n + 8), \
                   of(n + 9)
#define ALL(of)    TEN(of, 0), TEN(of, 10), TEN(of, 20), TEN(of, 30), TEN(of, 40), TEN(of, 50), TEN(of, 60), \
                   TEN(of, 70), TEN(of, 80), TEN(of, 90)
#define CENTURY(c) ((c) * 146097 / 4 - 719528) /* 719,528: what the count says of 1970-01-01 */
#define YEAR(y)    ((y) * 1461 / 4)
#define LEAP(y)    ((y) % 4 == 0)
#define MONTH(before, last) {{before, last}, {before, last}}
const struct redwi_calendar redwi_calendar = {
    .century = {ALL(CENTURY)},
    .of_century = {ALL(YEAR)},
    .leap = {ALL(LEAP)},
    .months = {
        [1] = {{0, 31}, {-1, 31}},
        [2] = {{31, 28}, {30, 29}},
        [3] = MONTH(59, 31), MONTH(90, 30), MONTH(120, 31), MONTH(151, 30), MONTH(181, 31),
        MONTH(212, 31), MONTH(243, 30), MONTH(273, 31), MONTH(304, 30), MONTH(334, 31),
    },
    /* "6", "6.7" to "6.789012"; nothing is like the second one, a point without digits. */
    .fractions = {
        REDWI_PATTERN('0', 0, 0, 0, 0, 0, 0, 0),
        REDWI_PATTERN(0, 0, 0, 0, 0, 0, 0, 0xff),
        REDWI_PATTERN('0', '.', '0', 0, 0, 0, 0, 0),
        REDWI_PATTERN('0', '.', '0', '0', 0, 0, 0, 0),
        REDWI_PATTERN('0', '.', '0', '0', '0', 0, 0, 0),
        REDWI_PATTERN('0', '.', '0', '0', '0', '0', 0, 0),
        REDWI_PATTERN('0', '.', '0', '0', '0', '0', '0', 0),
        REDWI_PATTERN('0', '.', '0', '0', '0', '0', '0', '0'),
    },
};
/* clang-format on */

/* "+02" at the end, as whole hours mostly are, n >= 3; less than 16. */
static inline bool fast_zone(const char *p, size_t n, int32_t *east_s)
{
    if (p[n - 3] != '+' && p[n - 3] != '-')
        return false;
    unsigned tens = (unsigned char)p[n - 2] - (unsigned)'0';
    unsigned ones = (unsigned char)p[n - 1] - (unsigned)'0';
    unsigned hours = tens * 10 + ones;
    if (tens > 1 || ones > 9 || hours > 15)
        return false;
    *east_s = (int32_t)hours * (p[n - 3] == '-' ? -3600 : 3600);
    return true;
}

/* Out of line, so that the fast path needs no stack. */
#define NOINLINE __attribute__((noinline))

/* ---- reading text: the general path ---------------------------------------------------------- */

enum {
    PART_DAY = 1,
    PART_CLOCK = 2,
    PART_ZONE = 4,
};

/* As read: digits, whatever they say. */
struct fields {
    uint64_t year, month, day;
    uint64_t hour, minute, second, us;
    uint64_t zone_hour, zone_minute, zone_second;
    bool west, bc;
};

static bool read_day(struct redwi_reader *r, struct fields *f)
{
    return redwi_take_digits(r, 4, 9, &f->year) && redwi_take(r, '-') &&
           redwi_take_digits(r, 2, 2, &f->month) && redwi_take(r, '-') &&
           redwi_take_digits(r, 2, 2, &f->day);
}

static bool read_clock(struct redwi_reader *r, struct fields *f)
{
    return redwi_take_digits(r, 2, 2, &f->hour) && redwi_take(r, ':') &&
           redwi_take_digits(r, 2, 2, &f->minute) && redwi_take(r, ':') &&
           redwi_take_digits(r, 2, 2, &f->second) && redwi_take_fraction(r, &f->us);
}

/* +HH[:MM[:SS]] */
static bool read_zone(struct redwi_reader *r, struct fields *f)
{
    f->west = redwi_take(r, '-');
    if ((!f->west && !redwi_take(r, '+')) || !redwi_take_digits(r, 2, 2, &f->zone_hour))
        return false;
    if (!redwi_take(r, ':'))
        return true;
    if (!redwi_take_digits(r, 2, 2, &f->zone_minute))
        return false;
    return !redwi_take(r, ':') || redwi_take_digits(r, 2, 2, &f->zone_second);
}

/* All of the text, nothing but these parts. */
static bool read_fields(const char *p, size_t n, unsigned parts, struct fields *f)
{
    struct redwi_reader r = {p, p + n};
    *f = (struct fields){0};
    if ((parts & PART_DAY) && !read_day(&r, f))
        return false;
    if ((parts & PART_DAY) && (parts & PART_CLOCK) && !redwi_take(&r, ' '))
        return false;
    if ((parts & PART_CLOCK) && !read_clock(&r, f))
        return false;
    if ((parts & PART_ZONE) && !read_zone(&r, f))
        return false;
    f->bc = (parts & PART_DAY) && r.end - r.p == 3 && memcmp(r.p, " BC", 3) == 0;
    return f->bc || r.p == r.end;
}

/* Days since 1970-01-01; may lie a little outside the types' range. */
static int day_in_fields(const struct fields *f, int64_t *days)
{
    if (f->year == 0 || f->year > YEAR_MAX || (f->bc && f->year > 1 - YEAR_MIN))
        return REDW_ERANGE;
    uint32_t year = (uint32_t)(f->bc ? YEAR_SHIFT + 1 - f->year : YEAR_SHIFT + f->year);
    if (!is_day(year, (unsigned)f->month, (unsigned)f->day))
        return REDW_ERANGE;
    *days = days_of(year, (unsigned)f->month, (unsigned)f->day);
    return REDW_OK;
}

/* As PostgreSQL has it (time_overflows): any second may be 60, but nothing is behind 24:00:00. */
static int clock_in_fields(const struct fields *f, int64_t *us)
{
    if (f->hour > 24 || f->minute > 59 || f->second > 60)
        return REDW_ERANGE;
    *us = (int64_t)((f->hour * 60 + f->minute) * 60 + f->second) * REDWI_SECOND + (int64_t)f->us;
    return *us <= REDWI_DAY ? REDW_OK : REDW_ERANGE;
}

static int zone_in_fields(const struct fields *f, int32_t *east_s)
{
    if (f->zone_hour > 15 || f->zone_minute > 59 || f->zone_second > 59)
        return REDW_ERANGE;
    int32_t seconds = (int32_t)((f->zone_hour * 60 + f->zone_minute) * 60 + f->zone_second);
    *east_s = f->west ? -seconds : seconds;
    return REDW_OK;
}

/* 1, -1: infinity, -infinity; 0: neither. */
static int infinity(const char *p, size_t n)
{
    if (n == 9 && memcmp(p, "-infinity", 9) == 0)
        return -1;
    return n == 8 && memcmp(p, "infinity", 8) == 0;
}

NOINLINE static int general_date(const char *p, size_t n, int32_t *out)
{
    struct fields f;
    int64_t days;
    int infinite = infinity(p, n);
    if (infinite != 0) {
        *out = infinite > 0 ? INT32_MAX : INT32_MIN;
        return REDW_OK;
    }
    if (!read_fields(p, n, PART_DAY, &f))
        return REDW_EPROTOCOL;
    if (day_in_fields(&f, &days) != REDW_OK || days < DATE_MIN)
        return REDW_ERANGE;
    *out = (int32_t)days;
    return REDW_OK;
}

NOINLINE static int general_moment(const char *p, size_t n, unsigned parts, int64_t *out)
{
    struct fields f;
    int64_t days, clock, us;
    int32_t east_s;
    int infinite = infinity(p, n);
    if (infinite != 0) {
        *out = infinite > 0 ? INT64_MAX : INT64_MIN;
        return REDW_OK;
    }
    if (!read_fields(p, n, parts, &f))
        return REDW_EPROTOCOL;
    if (day_in_fields(&f, &days) != REDW_OK || clock_in_fields(&f, &clock) != REDW_OK ||
        zone_in_fields(&f, &east_s) != REDW_OK)
        return REDW_ERANGE;
    /* In seconds first: a zone may bring back into range what is not without it. */
    int64_t second = days * (REDWI_DAY / REDWI_SECOND) + clock / REDWI_SECOND - east_s;
    if (__builtin_mul_overflow(second, REDWI_SECOND, &us) ||
        __builtin_add_overflow(us, clock % REDWI_SECOND, &us) || us < TIMESTAMP_MIN || us == INT64_MAX)
        return REDW_ERANGE;
    *out = us;
    return REDW_OK;
}

/* The zone stays 0 where there is none to read. */
NOINLINE static int general_clock(const char *p, size_t n, unsigned parts, int64_t *us,
                                  int32_t *east_s)
{
    struct fields f;
    int64_t clock;
    if (!read_fields(p, n, parts, &f))
        return REDW_EPROTOCOL;
    if (clock_in_fields(&f, &clock) != REDW_OK || zone_in_fields(&f, east_s) != REDW_OK)
        return REDW_ERANGE;
    *us = clock;
    return REDW_OK;
}

int redwi_text_date(const char *p, size_t n, redw_date *out)
{
    out->days = 0;
    if (redwi_fast_day(p, n, &out->days))
        return REDW_OK;
    return general_date(p, n, &out->days);
}

int redwi_text_time(const char *p, size_t n, redw_time *out)
{
    int32_t no_zone;
    out->us = 0;
    if (redwi_fast_clock(p, n, &out->us))
        return REDW_OK;
    return general_clock(p, n, PART_CLOCK, &out->us, &no_zone);
}

int redwi_text_timetz(const char *p, size_t n, redw_timetz *out)
{
    redw_timetz v;
    *out = (redw_timetz){0};
    bool fast = n >= 11 && fast_zone(p, n, &v.offset_s) && redwi_fast_clock(p, n - 3, &v.us);
    int rc = fast ? REDW_OK : general_clock(p, n, PART_CLOCK | PART_ZONE, &v.us, &v.offset_s);
    if (rc == REDW_OK)
        *out = v;
    return rc;
}

int redwi_text_timestamp(const char *p, size_t n, redw_timestamp *out)
{
    out->us = 0;
    if (redwi_fast_moment(p, n, &out->us))
        return REDW_OK;
    return general_moment(p, n, PART_DAY | PART_CLOCK, &out->us);
}

int redwi_text_timestamptz(const char *p, size_t n, redw_timestamptz *out)
{
    int32_t east_s;
    out->us = 0;
    if (n >= 22 && fast_zone(p, n, &east_s) && redwi_fast_moment(p, n - 3, &out->us)) {
        out->us -= east_s * REDWI_SECOND;
        return REDW_OK;
    }
    return general_moment(p, n, PART_DAY | PART_CLOCK | PART_ZONE, &out->us);
}

/* ---- binary ---------------------------------------------------------------------------------- */

bool redwi_is_date(redw_date v)
{
    return (v.days >= DATE_MIN && v.days <= DATE_MAX) || v.days == INT32_MIN || v.days == INT32_MAX;
}

bool redwi_is_time(redw_time v)
{
    return v.us >= 0 && v.us <= REDWI_DAY;
}

bool redwi_is_timetz(redw_timetz v)
{
    return v.us >= 0 && v.us <= REDWI_DAY && v.offset_s > -ZONE_LIMIT_S && v.offset_s < ZONE_LIMIT_S;
}

bool redwi_is_timestamp(int64_t us)
{
    return us >= TIMESTAMP_MIN || us == INT64_MIN;
}

int redwi_binary_date(const char *p, size_t n, redw_date *out)
{
    out->days = 0;
    if (n != 4)
        return REDW_EPROTOCOL;
    int32_t days = (int32_t)redwi_load32((const uint8_t *)p);
    if (days != INT32_MIN && days != INT32_MAX) {
        if (days < DATE_MIN - DAYS_TO_2000 || days > DATE_MAX - DAYS_TO_2000)
            return REDW_ERANGE;
        days += DAYS_TO_2000;
    }
    out->days = days;
    return REDW_OK;
}

int redwi_binary_time(const char *p, size_t n, redw_time *out)
{
    out->us = 0;
    if (n != 8)
        return REDW_EPROTOCOL;
    redw_time v = {(int64_t)redwi_load64((const uint8_t *)p)};
    if (!redwi_is_time(v))
        return REDW_ERANGE;
    *out = v;
    return REDW_OK;
}

int redwi_binary_timetz(const char *p, size_t n, redw_timetz *out)
{
    *out = (redw_timetz){0};
    if (n != 12)
        return REDW_EPROTOCOL;
    int64_t us = (int64_t)redwi_load64((const uint8_t *)p);
    int32_t west_s = (int32_t)redwi_load32((const uint8_t *)p + 8);
    if (us < 0 || us > REDWI_DAY || west_s <= -ZONE_LIMIT_S || west_s >= ZONE_LIMIT_S)
        return REDW_ERANGE;
    *out = (redw_timetz){us, -west_s};
    return REDW_OK;
}

static int binary_moment(const char *p, size_t n, int64_t *out)
{
    *out = 0;
    if (n != 8)
        return REDW_EPROTOCOL;
    int64_t us = (int64_t)redwi_load64((const uint8_t *)p);
    if (us != INT64_MIN && us != INT64_MAX) {
        if (us < TIMESTAMP_MIN - US_TO_2000 || us >= INT64_MAX - US_TO_2000)
            return REDW_ERANGE;
        us += US_TO_2000;
    }
    *out = us;
    return REDW_OK;
}

int redwi_binary_timestamp(const char *p, size_t n, redw_timestamp *out)
{
    return binary_moment(p, n, &out->us);
}

int redwi_binary_timestamptz(const char *p, size_t n, redw_timestamptz *out)
{
    return binary_moment(p, n, &out->us);
}

void redwi_date_put(struct redwi_buf *b, redw_date v)
{
    bool infinite = v.days == INT32_MIN || v.days == INT32_MAX;
    redwi_buf_u32(b, (uint32_t)(infinite ? v.days : v.days - DAYS_TO_2000));
}

void redwi_time_put(struct redwi_buf *b, redw_time v)
{
    redwi_buf_u64(b, (uint64_t)v.us);
}

void redwi_timetz_put(struct redwi_buf *b, redw_timetz v)
{
    redwi_buf_u64(b, (uint64_t)v.us);
    redwi_buf_u32(b, (uint32_t)-v.offset_s);
}

void redwi_timestamp_put(struct redwi_buf *b, int64_t us)
{
    bool infinite = us == INT64_MIN || us == INT64_MAX;
    redwi_buf_u64(b, (uint64_t)(infinite ? us : us - US_TO_2000));
}

/* ---- writing text ---------------------------------------------------------------------------- */

/* The year's era comes last of all, behind clock and zone. */
static char *put_day(char *to, struct day d, bool *bc)
{
    *bc = d.year <= YEAR_SHIFT;
    to = redwi_put_number(to, *bc ? YEAR_SHIFT + 1 - d.year : d.year - YEAR_SHIFT, 4);
    *to++ = '-';
    to = redwi_put_two(to, d.month);
    *to++ = '-';
    return redwi_put_two(to, d.day);
}

static char *put_clock(char *to, int64_t us)
{
    unsigned second = (unsigned)(us / REDWI_SECOND);
    to = redwi_put_two(to, second / 3600);
    *to++ = ':';
    to = redwi_put_two(to, second / 60 % 60);
    *to++ = ':';
    to = redwi_put_two(to, second % 60);
    return redwi_put_fraction(to, (uint32_t)(us % REDWI_SECOND));
}

static char *put_zone(char *to, int32_t east_s)
{
    unsigned s = (unsigned)(east_s < 0 ? -east_s : east_s);
    *to++ = east_s < 0 ? '-' : '+';
    to = redwi_put_two(to, s / 3600);
    if (s % 3600 != 0) {
        *to++ = ':';
        to = redwi_put_two(to, s / 60 % 60);
    }
    if (s % 60 != 0) {
        *to++ = ':';
        to = redwi_put_two(to, s % 60);
    }
    return to;
}

static char *put_moment(char *to, int64_t us, bool instant)
{
    bool bc;
    if (us == INT64_MIN || us == INT64_MAX)
        return redwi_put_text(to, us < 0 ? "-infinity" : "infinity");
    if (!redwi_is_timestamp(us))
        return redwi_put_text(to, "?");
    int64_t days = us / REDWI_DAY - (us % REDWI_DAY < 0);
    to = put_day(to, day_of(days), &bc);
    *to++ = ' ';
    to = put_clock(to, us - days * REDWI_DAY);
    if (instant)
        to = redwi_put_text(to, "+00");
    return bc ? redwi_put_text(to, " BC") : to;
}

char *redw_date_text(redw_date d, char buf[REDW_DATE_CHARS])
{
    char *to = buf;
    bool bc = false;
    if (!redwi_is_date(d))
        to = redwi_put_text(to, "?");
    else if (d.days == INT32_MIN || d.days == INT32_MAX)
        to = redwi_put_text(to, d.days < 0 ? "-infinity" : "infinity");
    else
        to = put_day(to, day_of(d.days), &bc);
    if (bc)
        to = redwi_put_text(to, " BC");
    *to = '\0';
    return buf;
}

char *redw_time_text(redw_time t, char buf[REDW_TIME_CHARS])
{
    *(redwi_is_time(t) ? put_clock(buf, t.us) : redwi_put_text(buf, "?")) = '\0';
    return buf;
}

char *redw_timetz_text(redw_timetz t, char buf[REDW_TIMETZ_CHARS])
{
    bool sound = redwi_is_timetz(t);
    *(sound ? put_zone(put_clock(buf, t.us), t.offset_s) : redwi_put_text(buf, "?")) = '\0';
    return buf;
}

char *redw_timestamp_text(redw_timestamp t, char buf[REDW_TIMESTAMP_CHARS])
{
    *put_moment(buf, t.us, false) = '\0';
    return buf;
}

char *redw_timestamptz_text(redw_timestamptz t, char buf[REDW_TIMESTAMP_CHARS])
{
    *put_moment(buf, t.us, true) = '\0';
    return buf;
}

/* ---- the calendar, for the application ------------------------------------------------------- */

int redw_date_of(int year, int month, int day, redw_date *out)
{
    out->days = 0;
    if (year < YEAR_MIN || year > YEAR_MAX || month < 1 || day < 1)
        return REDW_ERANGE;
    uint32_t y = (uint32_t)(year + (int)YEAR_SHIFT);
    if (!is_day(y, (unsigned)month, (unsigned)day))
        return REDW_ERANGE;
    int64_t days = days_of(y, (unsigned)month, (unsigned)day);
    if (days < DATE_MIN)
        return REDW_ERANGE;
    out->days = (int32_t)days;
    return REDW_OK;
}

int redw_date_ymd(redw_date d, int *year, int *month, int *day)
{
    *year = *month = *day = 0;
    if (d.days < DATE_MIN || d.days > DATE_MAX)
        return REDW_ERANGE;
    struct day v = day_of(d.days);
    *year = (int)v.year - (int)YEAR_SHIFT;
    *month = (int)v.month;
    *day = (int)v.day;
    return REDW_OK;
}
