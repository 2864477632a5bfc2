/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to double: the scan and the rounding of up to 19 digits. See float_text.h.
 *
 * Grammar: [+-] digits [. digits] [(e|E) [+-] digits], a digit before or after the point; or NaN, inf,
 * infinity in any case, the latter two with a sign. What PostgreSQL and Redshift write is part of it.
 */
#include "data/float_text.h"

#include "data/decode.h"
#include "data/digits.h"

enum {
    MANTISSA_BITS = 52,
    EXPONENT_BIAS = 1023,
    EXPONENT_INFINITE = 0x7ff,
    DIGITS_MAX = 19, /* any 19 digits fit in 64 bits */
};
#define INFINITY_BITS ((uint64_t)EXPONENT_INFINITE << MANTISSA_BITS)

/* An exponent beyond any that matters, however many zeros stand before or after the point. */
#define EXPONENT_ENOUGH (INT64_C(1) << 50)

__extension__ typedef unsigned __int128 u128;

/* Apart, so that what is met most saves no register. */
#define NOINLINE static __attribute__((noinline))

/* w * 5^q, w with its top bit set: the 128 bits below the point that follows the first. Exact enough
 * to round: the low word of the power is only looked at when the bits to round by are all ones, so that
 * what it adds could carry into them. */
static inline u128 product(uint64_t w, int q)
{
    const uint64_t *five = redwi_float_powers[q - REDWI_FLOAT_Q_MIN];
    const uint64_t below = UINT64_MAX >> (MANTISSA_BITS + 3);
    u128 z = (u128)w * five[0];
    if (__builtin_expect(((uint64_t)(z >> 64) & below) == below, 0))
        z += (uint64_t)((u128)w * five[1] >> 64);
    return z;
}

/* The bits of the double nearest to w * 10^q as if its exponent had no bounds: *exponent is what it would be
 * stored as, at most 0 for what is too small to be stored so, and *m the mantissa with its first bit and one
 * more to round by. */
static inline uint64_t rounded(uint64_t w, int q, int *exponent, uint64_t *mantissa)
{
    int zeros = __builtin_clzll(w);
    u128 z = product(w << zeros, q);
    uint64_t high = (uint64_t)(z >> 64), low = (uint64_t)z;
    int top = (int)(high >> 63), shift = top + 64 - MANTISSA_BITS - 3;
    /* The exponent of 10^q is floor(q * log2(10)), for which 217706 / 2^16 is near enough. */
    uint64_t m = *mantissa = high >> shift;
    /* cppcheck-suppress shiftNegativeLHS ; arithmetic in gcc and clang, and rounding down is what is meant */
    *exponent = ((217706 * q) >> 16) + 63 + top - zeros + EXPONENT_BIAS;
    /* Exactly in the middle, which only small powers can be: down when that is even. */
    if (low <= 1 && q >= -4 && q <= 23 && (m & 3) == 1 && m << shift == high)
        m &= ~UINT64_C(1);
    m = (m + (m & 1)) >> 1;
    /* The mantissa's first bit is not stored: it adds one to the exponent, a carry two. */
    return ((uint64_t)(*exponent - 1) << MANTISSA_BITS) + m;
}

/* Bits of the double nearest to w * 10^q, ties to even; infinity when that is none. */
static inline uint64_t nearest(uint64_t w, int64_t q)
{
    int exponent;
    uint64_t m;
    if (w == 0 || q < REDWI_FLOAT_Q_MIN)
        return 0;
    if (q > REDWI_FLOAT_Q_MAX)
        return INFINITY_BITS;
    uint64_t bits = rounded(w, (int)q, &exponent, &m);
    if (__builtin_expect(exponent <= 0, 0)) {
        /* Subnormal: fewer bits. No tie: 5^-q does not divide 64 bits there. Rounding up may give the
         * smallest normal number, whose bits follow. */
        if (exponent <= -64 + 1)
            return 0;
        m >>= 1 - exponent;
        return (m + (m & 1)) >> 1;
    }
    return bits < INFINITY_BITS ? bits : INFINITY_BITS;
}

/* More than 19 digits: the first 19 that count decide, but for the rare number so near to the middle of
 * two doubles that it takes all. */
static uint64_t nearest_long(const struct redwi_digits *d)
{
    uint64_t w = 0;
    int64_t q = d->scale;
    int taken = 0;
    bool cut = false;
    for (const char *p = d->p; p < d->end; p++) {
        if (*p == '.')
            continue;
        unsigned digit = (unsigned)(*p - '0');
        if (taken == DIGITS_MAX) {
            q++;
            cut = cut || digit != 0;
        } else if (taken > 0 || digit != 0) {
            w = w * 10 + digit;
            taken++;
        }
    }
    uint64_t below = nearest(w, q);
    if (!cut)
        return below;
    uint64_t above = nearest(w + 1, q);
    if (below == above)
        return below;
    int side = redwi_float_middle(d, below);
    return side > 0 || (side == 0 && (below & 1)) ? above : below;
}

static int give(uint64_t bits, bool negative, double *out)
{
    bits |= (uint64_t)negative << 63;
    memcpy(out, &bits, sizeof *out);
    return REDW_OK;
}

static bool is_word(const char *p, const char *end, const char *word)
{
    for (; p < end && *word && (*p | 0x20) == *word; p++)
        word++;
    return p == end && !*word;
}

/* No digit follows the sign. */
NOINLINE int special(const char *text, size_t n, double *out)
{
    const char *p = text, *end = text + n;
    bool sign = *p == '-' || *p == '+';
    p += sign;
    if (is_word(p, end, "infinity") || is_word(p, end, "inf"))
        return give(INFINITY_BITS, *text == '-', out);
    if (!sign && is_word(p, end, "nan"))
        return give(INFINITY_BITS | UINT64_C(1) << (MANTISSA_BITS - 1), false, out);
    *out = 0;
    return REDW_EPROTOCOL;
}

static inline unsigned digit_at(const char *p)
{
    return (unsigned)(unsigned char)*p - '0';
}

/* What follows the e; false: not a whole exponent, and nothing else. */
static bool exponent(const char *p, const char *end, int64_t *scale)
{
    int64_t e = 0;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p == end)
        return false;
    for (; p < end && digit_at(p) < 10; p++) {
        if (e < EXPONENT_ENOUGH)
            e = e * 10 + digit_at(p);
    }
    *scale += negative ? -e : e;
    return p == end;
}

static int round_off(uint64_t bits, bool negative, double *out)
{
    if (__builtin_expect(bits == INFINITY_BITS, 0)) {
        *out = 0;
        return REDW_ERANGE;
    }
    return give(bits, negative, out);
}

/* Whatever the grammar allows. */
NOINLINE int any_double(const char *text, size_t n, double *out)
{
    *out = 0;
    if (n == 0)
        return REDW_EPROTOCOL;
    const char *p = text, *end = text + n;
    bool negative = *p == '-';
    p += negative | (*p == '+');

    struct redwi_digits d = {.p = p};
    uint64_t w = 0; /* meaningless beyond 19 digits: nearest_long() starts over */
    for (; p < end && digit_at(p) < 10; p++)
        w = w * 10 + digit_at(p);
    size_t ndigits = (size_t)(p - d.p);
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        for (; p < end && digit_at(p) < 10; p++)
            w = w * 10 + digit_at(p);
        d.scale = fraction - p;
        ndigits += (size_t)(p - fraction);
    }
    d.end = p;
    if (ndigits == 0)
        return special(text, n, out);
    if (p < end && ((*p | 0x20) != 'e' || !exponent(p + 1, end, &d.scale)))
        return REDW_EPROTOCOL;
    return round_off(ndigits > DIGITS_MAX ? nearest_long(&d) : nearest(w, d.scale), negative, out);
}

/*
 * At once: [-]digits.digits with 8 to 20 bytes behind the sign, so at most 19 digits, and at most seven of
 * them before the point. Such is nearly every number of full precision; no loop runs over its digits, and
 * 0.7 branches a number are mispredicted instead of 2.5.
 */
int redwi_text_double(const char *text, size_t n, double *out)
{
    static const uint32_t tens[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    size_t sign = n > 0 && *text == '-';
    const char *p = text + sign, *end = text + n;
    if (n - sign - 8 > 12)
        return any_double(text, n, out);

    /* The digits before the point: as many as stand before the first lane that is none. */
    uint64_t lanes = redwi_digits_8(p);
    uint64_t fault = redwi_digits_fault(lanes);
    if (fault == 0)
        return any_double(text, n, out);
    unsigned whole = (unsigned)__builtin_ctzll(fault) / 8;
    p += whole;
    if (*p++ != '.')
        return any_double(text, n, out);
    uint64_t w = redwi_digits_value(lanes << (60 - 8 * whole) << 4);
    size_t left = (size_t)(end - p);
    int64_t scale = -(int64_t)left;
    fault = 0;
    for (; left >= 8; left -= 8, p += 8) {
        lanes = redwi_digits_8(p);
        fault |= redwi_digits_fault(lanes);
        w = w * 100000000 + redwi_digits_value(lanes);
    }
    lanes = redwi_digits_before(end, left);
    fault |= redwi_digits_fault(lanes);
    if (fault != 0)
        return any_double(text, n, out);
    w = w * tens[left] + redwi_digits_value(lanes);
    uint64_t bits = nearest(w, scale) | (uint64_t)sign << 63;
    memcpy(out, &bits, sizeof *out);
    return REDW_OK;
}

/* 10^n, n <= 16. */
static const uint64_t tens16[] = {
    UINT64_C(1), UINT64_C(10), UINT64_C(100), UINT64_C(1000), UINT64_C(10000), UINT64_C(100000),
    UINT64_C(1000000), UINT64_C(10000000), UINT64_C(100000000), UINT64_C(1000000000),
    UINT64_C(10000000000), UINT64_C(100000000000), UINT64_C(1000000000000),
    UINT64_C(10000000000000), UINT64_C(100000000000000), UINT64_C(1000000000000000),
    UINT64_C(10000000000000000),
};

/*
 * At once: [-]digits.digits, one to seven digits before the point and at most 19 in all, so what nearly every
 * number is. Short ones have the way of the long ones, and nothing is mispredicted but whether there are more
 * than 16 digits behind the point.
 */
int redwi_led_double(const char *text, size_t n, double *out)
{
    size_t sign = n > 0 && *text == '-';
    const char *p = text + sign, *end = text + n;
    if (n - sign - 3 > 17) /* 20 bytes, so no more than 18 digits behind the point */
        return redwi_text_double(text, n, out);
    n -= sign;

    /* The digits before the point: as many as stand before the first of eight lanes that is none. */
    size_t behind = n < 8 ? 8 - n : 0;
    uint64_t lanes = (redwi_load_lanes(p - behind) >> (8 * behind)) ^ redwi_lane.ascii;
    uint64_t fault = redwi_digits_fault(lanes);
    unsigned bits = (unsigned)__builtin_ctzll(fault | UINT64_C(1) << 63) & ~7u; /* 8 for each */
    size_t fraction = n - bits / 8 - 1;
    if ((uint8_t)(lanes >> bits) != ('.' ^ '0') || bits == 0)
        return redwi_text_double(text, n + sign, out);
    uint64_t w = redwi_digits_value(lanes << (64 - bits));
    size_t last = fraction;
    if (fraction > 16) {
        uint64_t more = redwi_digits_before(end - 16, fraction - 16);
        if (redwi_digits_fault(more))
            return redwi_text_double(text, n + sign, out);
        w = w * (fraction == 17 ? 10 : 100) + redwi_digits_value(more);
        last = 16;
    }
    redwi_lanes16 digits = redwi_lanes16_last(redwi_led_16(end, n), last);
    w = w * tens16[last] + redwi_digits16_value(digits);
    if (redwi_digits16_fault(digits) || w == 0)
        return redwi_text_double(text, n + sign, out);
    int exponent;
    uint64_t m, b = rounded(w, -(int)fraction, &exponent, &m) | (uint64_t)sign << 63;
    memcpy(out, &b, sizeof *out);
    return REDW_OK;
}
