/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A decimal against the middle of two doubles, exactly: both sides are made integers by powers of two
 * and five, and compared. See float_text.h.
 *
 * Why the size is bounded: a middle has at most 767 significant digits, so beyond DIGITS it only matters
 * whether anything follows. The decimal is then d * 10^s with d < 10^780 and s > -342 - 780, and the
 * middle times 5^1122 and a power of two has about as many bits: less than 2,700.
 */
#include "data/float_text.h"

enum {
    DIGITS = 780,
    LIMBS = 48, /* 3,072 bits */
};

__extension__ typedef unsigned __int128 u128;

struct big {
    size_t n; /* limbs in use, lowest first; the last one is not zero */
    uint64_t limb[LIMBS];
};

static void push(struct big *b, uint64_t limb)
{
    if (limb != 0 && b->n < LIMBS)
        b->limb[b->n++] = limb;
}

static void multiply_add(struct big *b, uint64_t factor, uint64_t carry)
{
    for (size_t i = 0; i < b->n; i++) {
        u128 z = (u128)b->limb[i] * factor + carry;
        b->limb[i] = (uint64_t)z;
        carry = (uint64_t)(z >> 64);
    }
    push(b, carry);
}

static void times_power_of_five(struct big *b, int64_t power)
{
    for (; power >= 27; power -= 27)
        multiply_add(b, UINT64_C(7450580596923828125), 0);
    for (; power > 0; power--)
        multiply_add(b, 5, 0);
}

static void times_power_of_two(struct big *b, int64_t power)
{
    for (; power >= 63; power -= 63)
        multiply_add(b, UINT64_C(1) << 63, 0);
    multiply_add(b, UINT64_C(1) << power, 0);
}

static int compare(const struct big *a, const struct big *b)
{
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    for (size_t i = a->n; i-- > 0;) {
        if (a->limb[i] != b->limb[i])
            return a->limb[i] < b->limb[i] ? -1 : 1;
    }
    return 0;
}

/* The first DIGITS significant digits; *scale is that of the last one taken. True: something that is not
 * zero follows. */
static bool decimal(struct big *b, const struct redwi_digits *d, int64_t *scale)
{
    uint64_t part = 0, unit = 1; /* up to 19 digits at a time */
    size_t taken = 0;
    bool more = false;
    b->n = 0;
    *scale = d->scale;
    for (const char *p = d->p; p < d->end; p++) {
        if (*p == '.')
            continue;
        unsigned digit = (unsigned)(*p - '0');
        if (taken == DIGITS) {
            ++*scale;
            more = more || digit != 0;
        } else if (taken > 0 || digit != 0) {
            part = part * 10 + digit;
            unit *= 10;
            if (++taken % 19 == 0) {
                multiply_add(b, unit, part);
                part = 0;
                unit = 1;
            }
        }
    }
    multiply_add(b, unit, part);
    return more;
}

int redwi_float_middle(const struct redwi_digits *d, uint64_t bits)
{
    /* The double is m * 2^e; the middle above it (2m + 1) * 2^(e - 1). */
    int64_t e = (int64_t)(bits >> 52);
    uint64_t m = bits & ((UINT64_C(1) << 52) - 1);
    if (e > 0)
        m |= UINT64_C(1) << 52;
    else
        e = 1;
    e -= 1023 + 52;

    struct big a, b = {0};
    int64_t scale;
    bool more = decimal(&a, d, &scale);
    push(&b, 2 * m + 1);
    if (scale >= 0)
        times_power_of_five(&a, scale);
    else
        times_power_of_five(&b, -scale);
    int64_t twos = scale - (e - 1);
    if (twos >= 0)
        times_power_of_two(&a, twos);
    else
        times_power_of_two(&b, -twos);

    int side = compare(&a, &b);
    return side == 0 && more ? 1 : side;
}
