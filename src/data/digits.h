/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decimal digits, eight or sixteen at a time: ASCII bytes as lanes of a word, the first digit in the
 * lowest byte. No loop, so that the length of a number costs no mispredicted branch.
 *
 * A lane of a digit is '0' XOR the byte, so 0..9, and 10 or more for any other byte. Numbers stand at the
 * words' ends, led by lanes of zero.
 */
#ifndef REDWI_DATA_DIGITS_H
#define REDWI_DATA_DIGITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the digits' lanes, like wire/cursor.h, are written for little-endian machines"
#endif

#define REDWI_LANES(byte) (UINT64_C(0x0101010101010101) * (byte))

/*
 * Constants that are loaded, as one instruction then uses them from memory: known to the compiler, each of
 * 64 bits would take an instruction and an arithmetic unit's turn of its own.
 */
struct redwi_lane_constants {
    uint64_t zero;      /* no digits */
    uint64_t ascii;     /* eight of '0' */
    uint64_t past_nine; /* what takes a lane's top bit, from 10 on */
    uint64_t top;       /* the top bits */
    uint64_t fourth;    /* every fourth byte */
    uint64_t odd, even; /* factors of redwi_digits_value() */
    uint64_t year_and_month, year_and_month_past; /* patterns of moment.h: "0000-00-" */
    uint64_t day, day_past;                       /* "0-00-00 " */
    uint64_t clock, clock_past, clock_pairs, clock_limits; /* "00:00:00" */
    uint64_t pair;                                /* ten times itself and the one behind */
    uint64_t fraction_past;                       /* "0.000000" */
    uint64_t hundred;
    uint32_t pair_of_year;                        /* pair again: as one for both it would be kept in a register */
#ifdef __SSE2__
    __m128i pairs, hundreds, myriads; /* factors of redwi_digits16_value() */
    __m128i tens;                     /* of 16 bits */
    __m128i day_and_clock, day_and_clock_past, day_and_clock_limits; /* "0-00-00 00:00:00" */
#endif
    uint64_t before_last[2]; /* 10^15, and 10^16 where no point is among the last 16 bytes */
    uint8_t last[32];   /* the 16 bytes from n on: those of the last n lanes are set, n <= 16 */
};
extern const struct redwi_lane_constants redwi_lane __attribute__((visibility("hidden")));

static inline uint64_t redwi_load_lanes(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Not zero unless every lane is 0..9. The lowest lane that is not always shows: lanes below it do
 * not carry. */
static inline uint64_t redwi_digits_fault(uint64_t lanes)
{
    return (lanes | (lanes + redwi_lane.past_nine)) & redwi_lane.top;
}

/* Lanes of 0..9 as a number: pairs, then pairs of pairs, the halves added by one multiplication each. */
static inline uint64_t redwi_digits_value(uint64_t lanes)
{
    lanes = lanes * 10 + (lanes >> 8);
    uint64_t odd = (lanes & redwi_lane.fourth) * redwi_lane.odd;
    uint64_t even = ((lanes >> 16) & redwi_lane.fourth) * redwi_lane.even;
    return (odd + even) >> 32;
}

/* The lanes of the eight bytes at p. */
static inline uint64_t redwi_digits_8(const char *p)
{
    return redwi_load_lanes(p) ^ redwi_lane.ascii;
}

/* The lanes of 4 <= n <= 8 bytes. Reads nothing behind them: the words overlap. */
static inline uint64_t redwi_digits_4to8(const char *p, size_t n)
{
    uint32_t head, tail;
    memcpy(&head, p, sizeof head);
    memcpy(&tail, p + n - 4, sizeof tail);
    uint64_t v = head | (uint64_t)tail << (8 * (n - 4));
    return (v ^ redwi_lane.ascii) << (8 * (8 - n));
}

/* The same for 1 <= n <= 3. */
static inline uint64_t redwi_digits_1to3(const char *p, size_t n)
{
    const uint8_t *b = (const uint8_t *)p;
    uint64_t v = b[0] | (uint64_t)b[n / 2] << (8 * (n / 2)) | (uint64_t)b[n - 1] << (8 * (n - 1));
    return (v ^ redwi_lane.ascii) << (8 * (8 - n));
}

/* The lanes of the last n <= 8 bytes before end, as if led by zeros. Reads eight. */
static inline uint64_t redwi_digits_before(const char *end, size_t n)
{
    uint64_t v, these = ~(UINT64_MAX >> (4 * n) >> (4 * n));
    memcpy(&v, end - sizeof v, sizeof v);
    return (v ^ redwi_lane.ascii) & these;
}

/* ---- sixteen ----------------------------------------------------------------------------------- */

#ifdef __SSE2__ /* which every x86-64 has */

typedef __m128i redwi_lanes16;

/* The lanes of the eight bytes at each. */
static inline redwi_lanes16 redwi_digits_8_and_8(const char *first, const char *last)
{
    __m128i v = _mm_loadl_epi64((const __m128i *)(const void *)first);
    v = _mm_unpacklo_epi64(v, _mm_loadl_epi64((const __m128i *)(const void *)last));
    return _mm_xor_si128(v, _mm_set1_epi8('0'));
}

/* The last n, n <= 16, and zeros before them. */
static inline redwi_lanes16 redwi_lanes16_last(redwi_lanes16 v, size_t n)
{
    return _mm_and_si128(v, _mm_loadu_si128((const __m128i *)(const void *)(redwi_lane.last + n)));
}

static inline bool redwi_digits16_fault(redwi_lanes16 v)
{
    return _mm_movemask_epi8(_mm_adds_epu8(v, _mm_set1_epi8(0x76))) != 0;
}

/* Pairs, as a lane of 2,560 times itself and 256 times the next has them above its lower byte; then pairs of
 * pairs, twice. */
static inline uint64_t redwi_digits16_value(redwi_lanes16 v)
{
    v = _mm_srli_epi16(_mm_mullo_epi16(v, redwi_lane.pairs), 8);
    v = _mm_madd_epi16(v, redwi_lane.hundreds);
    v = _mm_madd_epi16(_mm_packs_epi32(v, v), redwi_lane.myriads);
    uint64_t halves = (uint64_t)_mm_cvtsi128_si64(v);
    return (halves & 0xffffffff) * 100000000 + (halves >> 32);
}

#else

typedef struct {
    uint64_t first, last;
} redwi_lanes16;

static inline redwi_lanes16 redwi_digits_8_and_8(const char *first, const char *last)
{
    return (redwi_lanes16){redwi_digits_8(first), redwi_digits_8(last)};
}

static inline redwi_lanes16 redwi_lanes16_last(redwi_lanes16 v, size_t n)
{
    const char *mask = (const char *)redwi_lane.last + n;
    return (redwi_lanes16){v.first & redwi_load_lanes(mask), v.last & redwi_load_lanes(mask + 8)};
}

static inline bool redwi_digits16_fault(redwi_lanes16 v)
{
    return (redwi_digits_fault(v.first) | redwi_digits_fault(v.last)) != 0;
}

static inline uint64_t redwi_digits16_value(redwi_lanes16 v)
{
    return redwi_digits_value(v.first) * 100000000 + redwi_digits_value(v.last);
}

#endif

/* ---- with a lead ---------------------------------------------------------------------------------
 * Cells of rows as the library makes them have seven bytes before them that may be read (REDWI_LEAD of
 * data/row.h). Short texts are then loaded as long ones are, and what is before them is masked: no branch on
 * their length. An int4 takes 88 instructions and no mispredicted branch in the bench, instead of 110 and 0.53.
 */

/* The last sixteen bytes before end, as lanes: as many of them are sound as the text has, n >= 1. */
static inline redwi_lanes16 redwi_led_16(const char *end, size_t n)
{
    return redwi_digits_8_and_8(end - (n > 8 ? 16 : 8), end - 8);
}

/* [-]digits, 1 to 16 bytes, as most integers are; false says nothing. The sign is arithmetic, as where half
 * the numbers have one a branch on it would be mispredicted. */
static inline __attribute__((always_inline)) bool redwi_led_int64(const char *p, size_t n, int64_t *out)
{
    if (n - 1 > 15)
        return false;
    uint64_t negative = *p == '-';
    redwi_lanes16 lanes = redwi_lanes16_last(redwi_led_16(p + n, n), n - negative);
    if (redwi_digits16_fault(lanes) || n == negative)
        return false;
    *out = (int64_t)((redwi_digits16_value(lanes) ^ (0 - negative)) + negative);
    return true;
}

/* [-] and 17 to 19 digits that fit; false says nothing. */
static inline bool redwi_led_long_int64(const char *p, size_t n, int64_t *out)
{
    uint32_t first;
    uint64_t negative = *p == '-';
    size_t digits = n - negative;
    if (digits - 17 > 2)
        return false;
    /* Their first one to three, led by what is before them. */
    memcpy(&first, p + n - 20, sizeof first);
    uint64_t lanes = (uint64_t)(first ^ UINT32_C(0x30303030)) >> (8 * (20 - digits)) << (8 * (24 - digits));
    redwi_lanes16 last = redwi_digits_8_and_8(p + n - 16, p + n - 8);
    uint64_t v = redwi_digits_value(lanes) * UINT64_C(10000000000000000) + redwi_digits16_value(last);
    if (redwi_digits_fault(lanes) || redwi_digits16_fault(last) || v > (uint64_t)INT64_MAX + negative)
        return false;
    *out = (int64_t)((v ^ (0 - negative)) + negative);
    return true;
}

/*
 * [-]digits[.digits], 1 to 20 bytes behind the sign and at most 19 digits: as a number without the point, and
 * how many digits are behind it. False says nothing, and without SSE2 nothing else is said.
 *
 * The digits before the point are moved one place, over it, so that all of the last 16 bytes are converted at
 * once, wherever it stands. The four bytes before those are a word of their own. Nothing branches on the length
 * or on the place of the point: a numeric takes 164 instructions in the bench, instead of 333.
 */
#ifdef __SSE2__
static inline __attribute__((always_inline)) bool redwi_led_number(const char *p, size_t n, uint64_t *value,
                                                                   unsigned *fraction, bool *negative)
{
    if (n - 1 > 20)
        return false;
    const char *end = p + n;
    size_t sign = *p == '-';
    p += sign;
    n -= sign;
    if (n - 1 > 19)
        return false;
    size_t last = n < 16 ? n : 16, more = n - last;
    redwi_lanes16 v = redwi_lanes16_last(redwi_led_16(end, n), last);
    unsigned points = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('.' ^ '0')));
    /* 16 where there is no point. */
    unsigned behind = 16 - (31 ^ (unsigned)__builtin_clz(points << 1 | 1));
    __m128i these = _mm_loadu_si128((const __m128i *)(const void *)(redwi_lane.last + behind));
    v = _mm_or_si128(_mm_and_si128(these, v), _mm_andnot_si128(these, _mm_slli_si128(v, 1)));
    if (redwi_digits16_fault(v) || behind == 0 || *p == '.')
        return false;

    /* Of the bytes before the last 16 so many as the text has. */
    uint32_t first;
    memcpy(&first, end - 4 - ((more + 15) & 16), sizeof first);
    first = (first ^ UINT32_C(0x30303030)) & (uint32_t)(UINT64_C(0xffffffff00000000) >> (8 * more));
    if (((first | (first + UINT32_C(0x76767676))) & UINT32_C(0x80808080)) != 0)
        return false;
    if (n > 19 && behind == 16)
        return false;
    first = first * 2561 >> 8 & 0xff00ff;
    first = first * (100 << 16 | 1) >> 16;
    *value = first * redwi_lane.before_last[behind >> 4] +
             redwi_digits16_value(v);
    *fraction = behind & 15;
    *negative = sign != 0;
    return true;
}
#else
static inline bool redwi_led_number(const char *p, size_t n, uint64_t *value, unsigned *fraction, bool *negative)
{
    (void)p, (void)n, (void)value, (void)fraction, (void)negative;
    return false;
}
#endif

#endif
