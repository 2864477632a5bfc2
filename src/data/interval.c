/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intervals. Their texts are one grammar, of which each type uses a part: numbers with units, from the
 * largest unit to the smallest, and perhaps a clock at the end; every part has a sign of its own.
 */
#include "data/interval.h"

#include "data/clock.h"
#include "wire/cursor.h"

__extension__ typedef __int128 wide;

/* ---- reading text ---------------------------------------------------------------------------- */

/* The units in the order in which they appear, with what one of them counts. */
enum member {
    MONTHS,
    DAYS,
    MICROSECONDS,
};
static const struct unit {
    const char *name; /* an s may follow */
    enum member member;
    int64_t each;
} units[] = {
    {"year", MONTHS, 12},
    {"mon", MONTHS, 1},
    {"day", DAYS, 1},
    {"hour", MICROSECONDS, REDWI_HOUR},
    {"min", MICROSECONDS, REDWI_MINUTE},
    {"sec", MICROSECONDS, REDWI_SECOND},
};
enum {
    UNITS = sizeof units / sizeof *units,
    CLOCK = 3, /* a clock stands where hours would, and is the last */
};

struct sum {
    int64_t of[3];
    bool over; /* one of them is beyond 64 bits */
};

static void add(struct sum *sum, enum member member, bool negative, uint64_t count, int64_t each)
{
    int64_t v;
    int64_t signed_each = negative ? -each : each;
    sum->over |= __builtin_mul_overflow(count, signed_each, &v) ||
                 __builtin_add_overflow(sum->of[member], v, &sum->of[member]);
}

/* The unit that comes next, not before `from`; UNITS: none. */
static size_t take_unit(struct redwi_reader *r, size_t from)
{
    for (size_t i = from; i < UNITS; i++) {
        size_t n = strlen(units[i].name), left = (size_t)(r->end - r->p);
        if (left < n || memcmp(r->p, units[i].name, n) != 0)
            continue;
        r->p += n;
        (void)redwi_take(r, 's');
        return i;
    }
    return UNITS;
}

/* What follows the hours: ":MM" and perhaps ":SS", "SS.ffffff". */
static bool take_clock(struct redwi_reader *r, bool negative, uint64_t hours, struct sum *sum)
{
    uint64_t minutes, seconds = 0, us = 0;
    if (!redwi_take_digits(r, 2, 2, &minutes))
        return false;
    if (redwi_take(r, ':') && (!redwi_take_digits(r, 2, 2, &seconds) || !redwi_take_fraction(r, &us)))
        return false;
    sum->over |= minutes > 59 || seconds > 59;
    add(sum, MICROSECONDS, negative, hours, REDWI_HOUR);
    add(sum, MICROSECONDS, negative, minutes, REDWI_MINUTE);
    add(sum, MICROSECONDS, negative, seconds, REDWI_SECOND);
    add(sum, MICROSECONDS, negative, us, 1);
    return true;
}

/* "-3 days", "4.3 secs" or a clock. *next: the first unit that may still come. */
static bool take_part(struct redwi_reader *r, size_t *next, struct sum *sum)
{
    uint64_t count, us;
    bool negative = redwi_take(r, '-');
    if (!negative)
        (void)redwi_take(r, '+');
    if (!redwi_take_digits(r, 1, 19, &count))
        return false;
    if (redwi_take(r, ':')) {
        bool allowed = *next <= CLOCK;
        *next = UNITS;
        return allowed && take_clock(r, negative, count, sum);
    }
    const char *point = r->p;
    if (!redwi_take_fraction(r, &us))
        return false;
    bool fraction = r->p != point;
    if (!redwi_take(r, ' '))
        return false;
    size_t i = take_unit(r, *next);
    if (i == UNITS || (fraction && i != UNITS - 1))
        return false;
    add(sum, units[i].member, negative, count, units[i].each);
    add(sum, units[i].member, negative, us, 1);
    *next = i + 1;
    return true;
}

static int infinite(const char *p, size_t n, redw_interval *out)
{
    if (n == 8 && memcmp(p, "infinity", 8) == 0)
        *out = (redw_interval){INT32_MAX, INT32_MAX, INT64_MAX};
    else if (n == 9 && memcmp(p, "-infinity", 9) == 0)
        *out = (redw_interval){INT32_MIN, INT32_MIN, INT64_MIN};
    else
        return REDW_EPROTOCOL;
    return REDW_OK;
}

int redwi_text_interval(const char *p, size_t n, redw_interval *out)
{
    struct redwi_reader r = {p, p + n};
    struct sum sum = {{0}, false};
    size_t next = 0;
    *out = (redw_interval){0};
    do {
        if (!take_part(&r, &next, &sum))
            return infinite(p, n, out);
    } while (redwi_take(&r, ' '));
    if (r.p != r.end)
        return REDW_EPROTOCOL;
    if (sum.over || sum.of[MONTHS] != (int32_t)sum.of[MONTHS] || sum.of[DAYS] != (int32_t)sum.of[DAYS])
        return REDW_ERANGE;
    *out = (redw_interval){(int32_t)sum.of[MONTHS], (int32_t)sum.of[DAYS], sum.of[MICROSECONDS]};
    return REDW_OK;
}

int redwi_text_interval_ym(const char *p, size_t n, redw_interval *out)
{
    int rc = redwi_text_interval(p, n, out);
    if (rc == REDW_OK && (out->days != 0 || out->us != 0)) {
        *out = (redw_interval){0};
        return REDW_EPROTOCOL;
    }
    return rc;
}

/* 24 hours are a day. */
static redw_interval of_us(int32_t months, int64_t us)
{
    return (redw_interval){months, (int32_t)(us / REDWI_DAY), us % REDWI_DAY};
}

int redwi_text_interval_ds(const char *p, size_t n, redw_interval *out)
{
    int64_t us = 0;
    int rc = redwi_text_interval(p, n, out);
    if (rc == REDW_OK && out->months != 0)
        rc = REDW_EPROTOCOL;
    else if (rc == REDW_OK && !redwi_interval_us(*out, &us))
        rc = REDW_ERANGE;
    *out = rc == REDW_OK ? of_us(0, us) : (redw_interval){0};
    return rc;
}

/* ---- binary ---------------------------------------------------------------------------------- */

int redwi_interval_postgres(const char *p, size_t n, redw_interval *out)
{
    const uint8_t *b = (const uint8_t *)p;
    *out = (redw_interval){0};
    if (n != 16)
        return REDW_EPROTOCOL;
    out->us = (int64_t)redwi_load64(b);
    out->days = (int32_t)redwi_load32(b + 8);
    out->months = (int32_t)redwi_load32(b + 12);
    return REDW_OK;
}

int redwi_interval_redshift(const char *p, size_t n, redw_interval *out)
{
    const uint8_t *b = (const uint8_t *)p;
    *out = (redw_interval){0};
    if (n != 12)
        return REDW_EPROTOCOL;
    *out = of_us((int32_t)redwi_load32(b + 8), (int64_t)redwi_load64(b));
    return REDW_OK;
}

int redwi_binary_interval_ym(const char *p, size_t n, redw_interval *out)
{
    *out = (redw_interval){0};
    if (n != 4)
        return REDW_EPROTOCOL;
    out->months = (int32_t)redwi_load32((const uint8_t *)p);
    return REDW_OK;
}

int redwi_binary_interval_ds(const char *p, size_t n, redw_interval *out)
{
    *out = (redw_interval){0};
    if (n != 8)
        return REDW_EPROTOCOL;
    *out = of_us(0, (int64_t)redwi_load64((const uint8_t *)p));
    return REDW_OK;
}

bool redwi_interval_us(redw_interval v, int64_t *us)
{
    /* In 128 bits: days beyond the range may be brought back by a rest of the other sign. */
    wide sum = (wide)v.days * REDWI_DAY + v.us;
    *us = (int64_t)sum;
    return sum == *us;
}

void redwi_interval_put_postgres(struct redwi_buf *b, redw_interval v)
{
    redwi_buf_u64(b, (uint64_t)v.us);
    redwi_buf_u32(b, (uint32_t)v.days);
    redwi_buf_u32(b, (uint32_t)v.months);
}

void redwi_interval_put_redshift(struct redwi_buf *b, redw_interval v)
{
    int64_t us;
    (void)redwi_interval_us(v, &us);
    redwi_buf_u64(b, (uint64_t)us);
    redwi_buf_u32(b, (uint32_t)v.months);
}

/* ---- writing text ---------------------------------------------------------------------------- */

/* As PostgreSQL writes it (AddPostgresIntPart): a part that is zero is left out, and behind a negative
 * part a positive one says so. */
struct writing {
    char *to;
    bool empty, after_negative;
};

static void put_sign(struct writing *w, bool negative)
{
    if (!w->empty)
        *w->to++ = ' ';
    if (negative)
        *w->to++ = '-';
    else if (w->after_negative)
        *w->to++ = '+';
    w->empty = false;
    w->after_negative = negative;
}

static void put_part(struct writing *w, int32_t v, const char *unit)
{
    if (v == 0)
        return;
    put_sign(w, v < 0);
    w->to = redwi_put_number(w->to, v < 0 ? 0 - (uint32_t)v : (uint32_t)v, 1);
    *w->to++ = ' ';
    w->to = redwi_put_text(w->to, unit);
    if (v != 1)
        *w->to++ = 's';
}

static void put_clock(struct writing *w, int64_t us)
{
    uint64_t rest = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
    uint64_t seconds = rest / REDWI_SECOND;
    put_sign(w, us < 0);
    w->to = redwi_put_number(w->to, seconds / 3600, 2);
    *w->to++ = ':';
    w->to = redwi_put_two(w->to, (unsigned)(seconds / 60 % 60));
    *w->to++ = ':';
    w->to = redwi_put_two(w->to, (unsigned)(seconds % 60));
    w->to = redwi_put_fraction(w->to, (uint32_t)(rest % REDWI_SECOND));
}

char *redw_interval_text(redw_interval v, char buf[REDW_INTERVAL_CHARS])
{
    struct writing w = {buf, true, false};
    bool greatest = v.months == INT32_MAX && v.days == INT32_MAX && v.us == INT64_MAX;
    bool least = v.months == INT32_MIN && v.days == INT32_MIN && v.us == INT64_MIN;
    if (greatest || least) {
        *redwi_put_text(buf, least ? "-infinity" : "infinity") = '\0';
        return buf;
    }
    put_part(&w, v.months / 12, "year");
    put_part(&w, v.months % 12, "mon");
    put_part(&w, v.days, "day");
    if (v.us != 0 || w.empty)
        put_clock(&w, v.us);
    *w.to = '\0';
    return buf;
}
