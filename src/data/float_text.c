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

/* Bits of the double nearest to w * 10^q, ties to even; infinity when that is none. */
static inline uint64_t nearest(uint64_t w, int64_t q)
{
    if (w == 0 || q < REDWI_FLOAT_Q_MIN)
        return 0;
    if (q > REDWI_FLOAT_Q_MAX)
        return INFINITY_BITS;
    int zeros = __builtin_clzll(w);
    u128 z = product(w << zeros, (int)q);
    uint64_t high = (uint64_t)(z >> 64), low = (uint64_t)z;
    int top = (int)(high >> 63), shift = top + 64 - MANTISSA_BITS - 3;
    /* The mantissa with its first bit and one more to round by; the exponent of 10^q is
     * floor(q * log2(10)), for which 217706 / 2^16 is near enough. */
    uint64_t m = high >> shift;
    /* cppcheck-suppress shiftNegativeLHS ; arithmetic in gcc and clang, and rounding down is what is meant */
    int exponent = (int)((217706 * q) >> 16) + 63 + top - zeros + EXPONENT_BIAS;
    if (__builtin_expect(exponent <= 0, 0)) {
        /* Subnormal: fewer bits. No tie: 5^-q does not divide 64 bits there. Rounding up may give the
         * smallest normal number, whose bits follow. */
        if (exponent <= -64 + 1)
            return 0;
        m >>= 1 - exponent;
        return (m + (m & 1)) >> 1;
    }
    /* Exactly in the middle, which only small powers can be: down when that is even. */
    if (low <= 1 && q >= -4 && q <= 23 && (m & 3) == 1 && m << shift == high)
        m &= ~UINT64_C(1);
    m = (m + (m & 1)) >> 1;
    /* The mantissa's first bit is not stored: it adds one to the exponent, a carry two. */
    uint64_t bits = ((uint64_t)(exponent - 1) << MANTISSA_BITS) + m;
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
static __attribute__((noinline)) int special(const char *text, size_t n, double *out)
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

/* Apart from the scan, which has the fewer registers to save. */
static __attribute__((noinline)) int round_short(uint64_t w, int64_t q, bool negative, double *out)
{
    return round_off(nearest(w, q), negative, out);
}

static __attribute__((noinline)) int round_long(struct redwi_digits d, bool negative, double *out)
{
    return round_off(nearest_long(&d), negative, out);
}

int redwi_text_double(const char *text, size_t n, double *out)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    static const uint32_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    if (n == 0) {
        *out = 0;
        return REDW_EPROTOCOL;
    }
    const char *p = text, *end = text + n;
    bool negative = *p == '-';
    p += negative | (*p == '+');

    const char *start = p;
    uint64_t w = 0; /* meaningless beyond 19 digits: nearest_long() starts over */
    int64_t scale = 0;
    for (; p < end && digit_at(p) < 10; p++)
        w = w * 10 + digit_at(p);
    size_t ndigits = (size_t)(p - start);
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        for (; end - p >= 8; p += 8) {
            uint64_t lanes = redwi_digits_8(p);
            if (redwi_digits_fault(lanes))
                break;
            w = w * 100000000 + redwi_digits_value(lanes);
        }
        size_t left = (size_t)(end - p);
        uint64_t lanes = left >= 4 && left < 8 ? redwi_digits_4to8(p, left) : UINT64_MAX;
        if (!redwi_digits_fault(lanes)) {
            w = w * powers[left] + redwi_digits_value(lanes);
            p = end;
        }
        for (; p < end && digit_at(p) < 10; p++)
            w = w * 10 + digit_at(p);
        scale = fraction - p;
        ndigits += (size_t)(p - fraction);
    }
    const char *point_end = p;
    if (__builtin_expect(ndigits == 0, 0))
        return special(text, n, out);
    if (p < end && ((*p | 0x20) != 'e' || !exponent(p + 1, end, &scale))) {
        *out = 0;
        return REDW_EPROTOCOL;
    }
    if (__builtin_expect(ndigits > DIGITS_MAX, 0))
        return round_long((struct redwi_digits){start, point_end, scale}, negative, out);
    /* Clinger's case: both numbers are doubles, and one division rounds once. */
    if (w <= UINT64_C(1) << 53 && scale <= 0 && scale >= -22) {
        double v = (double)(int64_t)w / tens[-scale];
        *out = negative ? -v : v;
        return REDW_OK;
    }
    return round_short(w, scale, negative, out);
}
