/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decimal digits, eight at a time: ASCII bytes as lanes of one 64-bit word, the first digit in the
 * lowest byte. No loop, so that the length of a number costs no mispredicted branch.
 */
#ifndef REDWI_DATA_DIGITS_H
#define REDWI_DATA_DIGITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the digits' lanes, like wire/cursor.h, are written for little-endian machines"
#endif

#define REDWI_LANES(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Not zero unless every lane is 0..9. The lowest lane that is not always shows: lanes below it neither
 * borrowed when '0' was taken off nor carry now. */
static inline uint64_t redwi_digits_fault(uint64_t lanes)
{
    return (lanes | (lanes + REDWI_LANES(0x76))) & REDWI_LANES(0x80);
}

/* Lanes of 0..9 as a number: pairs, then pairs of pairs, the halves added by one multiplication each. */
static inline uint64_t redwi_digits_value(uint64_t lanes)
{
    const uint64_t every_fourth = UINT64_C(0x000000ff000000ff);
    lanes = lanes * 10 + (lanes >> 8);
    uint64_t odd = (lanes & every_fourth) * (100 + (UINT64_C(1000000) << 32));
    uint64_t even = ((lanes >> 16) & every_fourth) * (1 + (UINT64_C(10000) << 32));
    return (odd + even) >> 32;
}

/* The lanes of the eight bytes at p, '0' taken off. */
static inline uint64_t redwi_digits_8(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v - REDWI_LANES('0');
}

/* The lanes of 4 <= n <= 8 bytes, as if led by zeros. Reads nothing behind them: the words overlap. */
static inline uint64_t redwi_digits_4to8(const char *p, size_t n)
{
    uint32_t head, tail;
    memcpy(&head, p, sizeof head);
    memcpy(&tail, p + n - 4, sizeof tail);
    uint64_t v = head | (uint64_t)tail << (8 * (n - 4));
    return (v << (8 * (8 - n))) - (REDWI_LANES('0') << (8 * (8 - n)));
}

/* The same for 1 <= n <= 3. */
static inline uint64_t redwi_digits_1to3(const char *p, size_t n)
{
    const uint8_t *b = (const uint8_t *)p;
    uint64_t v = b[0] | (uint64_t)b[n / 2] << (8 * (n / 2)) | (uint64_t)b[n - 1] << (8 * (n - 1));
    return (v << (8 * (8 - n))) - (REDWI_LANES('0') << (8 * (8 - n)));
}

/* The lanes of the last n <= 8 bytes before end, as if led by zeros. Reads eight. */
static inline uint64_t redwi_digits_before(const char *end, size_t n)
{
    uint64_t v, these = ~(UINT64_MAX >> (4 * n) >> (4 * n));
    memcpy(&v, end - sizeof v, sizeof v);
    return (v & these) - (REDWI_LANES('0') & these);
}

#endif
