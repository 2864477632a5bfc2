/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates and timestamps in the one shape nearly all have, "2024-02-29 12:34:56.789", where each character has
 * its place: one straight run, inlined into the getters. Each says only yes;
 * whatever it does not know is read again by datetime.c, which alone decides what is wrong with it.
 *
 * Nothing outside of the text is read.
 */
#ifndef REDWI_DATA_MOMENT_H
#define REDWI_DATA_MOMENT_H

#include "data/clock.h"
#include "data/digits.h"
#include "wire/cursor.h"

#define REDWI_INLINE static inline __attribute__((always_inline))

/* Eight characters, the first in the lowest lane, that are like a pattern: '0' stands for any digit,
 * anything else for itself. XOR with the pattern leaves digits as numbers and zero for the rest. */
/* clang-format off */
#define REDWI_PATTERN(a, b, c, d, e, f, g, h)                                       \
    (REDWI_LANE(a, 0) | REDWI_LANE(b, 1) | REDWI_LANE(c, 2) | REDWI_LANE(d, 3) |    \
     REDWI_LANE(e, 4) | REDWI_LANE(f, 5) | REDWI_LANE(g, 6) | REDWI_LANE(h, 7))
/* clang-format on */
#define REDWI_LANE(c, n) ((uint64_t)(c) << (8 * (n)))

/* Lanes of 0x80 and more show which lanes of such an XOR are not what the pattern says: `past` takes a
 * digit's lane there from 10 and any other from 1. (A lane that carries into the next shows itself.) */
static inline uint64_t redwi_pattern_fault(uint64_t lanes, uint64_t past)
{
    return lanes | (lanes + past);
}

/* In the lane of each digit, the number that it and the next one make. */
static inline uint64_t redwi_pairs(uint64_t lanes)
{
    return lanes * redwi_lane.pair >> 8;
}

/*
 * What two digits may say, all 100 of it: a table takes one instruction where the arithmetic takes two.
 *
 *   century      the days before it, since 1970-01-01
 *   of_century   the days of the century before that year, its own leap day included
 *   leap         of the year of a century, or of the century where that is 0: 1, its year has a leap day
 *   months       the days before a month and its last one, 0 where there is none, by leap: January and February are
 *                before the leap day that was counted
 *   fractions    what is behind the seconds' last digit, by how long it is: see redwi_fraction()
 */
struct redwi_month {
    int16_t before;
    uint16_t last;
};
struct redwi_calendar {
    int32_t century[100], of_century[100];
    struct redwi_month months[100][2];
    uint8_t leap[100];
    uint64_t fractions[8];
};
extern const struct redwi_calendar redwi_calendar __attribute__((visibility("hidden")));

/* Days since 1970-01-01 of a year of four digits. Century and year of the century come apart, so nothing
 * is divided. There is no year 0. */
REDWI_INLINE bool redwi_day_of_pairs(uint64_t century, uint64_t of_century, uint64_t month, uint64_t day,
                                     int32_t *days)
{
    enum { FIRST = -719162 }; /* 0001-01-01 */
    const struct redwi_calendar *c = &redwi_calendar;
    const struct redwi_month *m = &c->months[month][c->leap[of_century ? of_century : century]];
    *days = c->century[century] + c->of_century[of_century] + m->before + (int)day;
    return *days >= FIRST && (uint16_t)(day - 1) < m->last;
}

/* The year's four digits. */
REDWI_INLINE uint32_t redwi_year_lanes(const char *p)
{
    uint32_t year;
    memcpy(&year, p, sizeof year);
    return year ^ UINT32_C(0x30303030);
}

/* "2024-02-29" */
REDWI_INLINE bool redwi_fast_day(const char *p, size_t n, int32_t *out)
{
    int32_t days;
    uint16_t tail;
    if (n != 10)
        return false;
    uint64_t head = redwi_load_lanes(p) ^ redwi_lane.year_and_month;
    memcpy(&tail, p + 8, sizeof tail);
    uint64_t day = tail ^ REDWI_PATTERN('0', '0', 0, 0, 0, 0, 0, 0);
    uint64_t fault = redwi_pattern_fault(head, redwi_lane.year_and_month_past) |
                     redwi_pattern_fault(day, 0x7676);
    if ((fault & redwi_lane.top) != 0)
        return false;
    head = redwi_pairs(head);
    if (!redwi_day_of_pairs(head & 0xff, head >> 16 & 0xff, head >> 40 & 0xff, redwi_pairs(day) & 0xff, &days))
        return false;
    *out = days;
    return true;
}

/* Microseconds of nothing, or of ".7" to ".789012": the `behind` <= 7 bytes before end, with the seconds' last
 * digit and so many more before them that eight can be loaded. */
REDWI_INLINE int64_t redwi_fraction(const char *end, size_t behind, uint64_t *fault)
{
    /* The digit, the point and the fraction, all from the lowest lane on and so in their places. */
    uint64_t lanes = redwi_load_lanes(end - 8) >> (8 * behind ^ 56) ^ redwi_calendar.fractions[behind];
    *fault |= redwi_pattern_fault(lanes, redwi_lane.fraction_past);
    uint64_t two = lanes * redwi_lane.pair; /* pairs in the bytes 3, 5 and 7 */
    return (int64_t)(((two >> 24 & redwi_lane.fourth) * redwi_lane.even >> 32) +
                     (two >> 40 & 0xff) * redwi_lane.hundred);
}

/* Seconds of the pairs of "12:34:56": the hour in lane 0, the minute in lane 3 and the second in lane 6, where one
 * product brings the last two together. */
static inline int64_t redwi_seconds(uint64_t clock)
{
    clock &= redwi_lane.clock_pairs;
    return (int64_t)((clock & 0xff) * 3600 + (clock * (60 << 24 | 1) >> 48));
}

/* "12:34:56" or "12:34:56.789012"; before 24:00:00. */
REDWI_INLINE bool redwi_fast_clock(const char *p, size_t n, int64_t *us)
{
    if (n - 8 > 7)
        return false;
    uint64_t clock = redwi_load_lanes(p) ^ redwi_lane.clock;
    uint64_t fault = redwi_pattern_fault(clock, redwi_lane.clock_past);
    clock = redwi_pairs(clock);
    fault |= (clock & redwi_lane.clock_pairs) + redwi_lane.clock_limits;
    int64_t fraction = redwi_fraction(p + n, n - 8, &fault);
    if ((fault & redwi_lane.top) != 0)
        return false;
    *us = redwi_seconds(clock) * REDWI_SECOND + fraction;
    return true;
}

/* "4-02-29 12:34:56": what each two digits say, in the lane of the first of them; not 0 unless all are digits
 * that may stand there, but for the month and the day, which the months' table decides. */
#ifdef __SSE2__
REDWI_INLINE uint64_t redwi_day_and_clock(const char *p, uint64_t *day, uint64_t *clock)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    v = _mm_xor_si128(v, redwi_lane.day_and_clock);
    __m128i fault = _mm_adds_epu8(v, redwi_lane.day_and_clock_past);
    v = _mm_add_epi8(_mm_mullo_epi16(v, redwi_lane.tens), _mm_srli_si128(v, 1));
    fault = _mm_or_si128(fault, _mm_add_epi8(v, redwi_lane.day_and_clock_limits));
    *day = (uint64_t)_mm_cvtsi128_si64(v);
    *clock = (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(v, v));
    return (unsigned)_mm_movemask_epi8(fault);
}
#else
REDWI_INLINE uint64_t redwi_day_and_clock(const char *p, uint64_t *day, uint64_t *clock)
{
    *day = redwi_load_lanes(p) ^ redwi_lane.day;
    *clock = redwi_load_lanes(p + 8) ^ redwi_lane.clock;
    uint64_t fault = redwi_pattern_fault(*day, redwi_lane.day_past) |
                     redwi_pattern_fault(*clock, redwi_lane.clock_past);
    *day = redwi_pairs(*day);
    *clock = redwi_pairs(*clock);
    fault |= (*clock & redwi_lane.clock_pairs) + redwi_lane.clock_limits;
    return fault & redwi_lane.top;
}
#endif

/* "2024-02-29 12:34:56", with or without a fraction. What has four digits of a year is in range. */
REDWI_INLINE bool redwi_fast_moment(const char *p, size_t n, int64_t *us)
{
    int32_t days;
    uint64_t day, clock;
    if (n - 19 > 7)
        return false;
    uint64_t wrong = redwi_day_and_clock(p + 3, &day, &clock);
    uint32_t year = redwi_year_lanes(p);
    uint64_t fault = redwi_pattern_fault(year, redwi_lane.past_nine & UINT32_MAX);
    int64_t fraction = redwi_fraction(p + n, n - 19, &fault);
    if ((wrong | (fault & redwi_lane.top)) != 0)
        return false;
    year *= redwi_lane.pair_of_year;
    if (!redwi_day_of_pairs(year >> 8 & 0xff, year >> 24, day >> 16 & 0xff, day >> 40 & 0xff, &days))
        return false;
    *us = (days * INT64_C(86400) + redwi_seconds(clock)) * REDWI_SECOND + fraction;
    return true;
}

/* The binary forms, which count from 2000-01-01, of what lies within 2,800 years of it: not near any bound. */
#define REDWI_DAYS_TO_2000 10957

REDWI_INLINE bool redwi_fast_binary_day(const char *p, size_t n, int32_t *days)
{
    if (n != 4)
        return false;
    uint32_t v = redwi_load32((const uint8_t *)p);
    *days = (int32_t)(v + REDWI_DAYS_TO_2000);
    return (v + (1U << 20)) >> 21 == 0;
}

REDWI_INLINE bool redwi_fast_binary_moment(const char *p, size_t n, int64_t *us)
{
    if (n != 8)
        return false;
    uint64_t v = redwi_load64((const uint8_t *)p);
    *us = (int64_t)(v + (uint64_t)(REDWI_DAYS_TO_2000 * REDWI_DAY));
    return (v + (UINT64_C(1) << 57)) >> 58 == 0;
}

#endif
