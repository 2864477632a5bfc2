/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts that dates, times and intervals are written with: numbers of few digits, fractions of a
 * second. A reader takes from the front what it knows and leaves the rest; nothing reads behind `end`.
 */
#ifndef REDWI_DATA_CLOCK_H
#define REDWI_DATA_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define REDWI_SECOND INT64_C(1000000) /* microseconds */
#define REDWI_MINUTE (60 * REDWI_SECOND)
#define REDWI_HOUR   (60 * REDWI_MINUTE)
#define REDWI_DAY    (24 * REDWI_HOUR)

struct redwi_reader {
    const char *p, *end;
};

static inline bool redwi_take(struct redwi_reader *r, char c)
{
    if (r->p == r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

/* A number of least..most digits; of most + 1 the last one is left. */
static inline bool redwi_take_digits(struct redwi_reader *r, size_t least, size_t most, uint64_t *out)
{
    const char *begin = r->p;
    uint64_t v = 0;
    while (r->p < r->end && (size_t)(r->p - begin) < most && *r->p >= '0' && *r->p <= '9')
        v = v * 10 + (uint64_t)(*r->p++ - '0');
    *out = v;
    return (size_t)(r->p - begin) >= least;
}

/* ".5" is 500,000 microseconds; no point: none. False: a point without one to six digits. */
static inline bool redwi_take_fraction(struct redwi_reader *r, uint64_t *us)
{
    *us = 0;
    if (!redwi_take(r, '.'))
        return true;
    const char *begin = r->p;
    if (!redwi_take_digits(r, 1, 6, us))
        return false;
    for (size_t n = (size_t)(r->p - begin); n < 6; n++)
        *us *= 10;
    return true;
}

/* Two digits of v < 100; the end of what was written, as of all writers here. */
static inline char *redwi_put_two(char *to, unsigned v)
{
    to[0] = (char)('0' + v / 10);
    to[1] = (char)('0' + v % 10);
    return to + 2;
}

static inline char *redwi_put_text(char *to, const char *text)
{
    size_t n = strlen(text);
    memcpy(to, text, n);
    return to + n;
}

/* At least `least` digits. */
static inline char *redwi_put_number(char *to, uint64_t v, int least)
{
    char digits[20];
    int n = 0;
    for (; v > 0 || n < least; v /= 10)
        digits[n++] = (char)('0' + v % 10);
    while (n > 0)
        *to++ = digits[--n];
    return to;
}

/* Nothing, or ".5": without zeros at the end, as PostgreSQL writes it. */
static inline char *redwi_put_fraction(char *to, uint32_t us)
{
    if (us == 0)
        return to;
    *to = '.';
    for (int i = 6; i > 0; us /= 10)
        to[i--] = (char)('0' + us % 10);
    to += 7;
    while (to[-1] == '0')
        to--;
    return to;
}

#endif
