/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Integers, booleans, binary numbers, UTF-8. The text of floating-point numbers is read by
 * float_text.c. Formats: protocol 5.3 (text) and 5.4 (binary).
 */
#include "data/decode.h"

#include "data/digits.h"
#include "wire/cursor.h"

/* Apart, so that what is met most saves no register. */
#define NOINLINE static __attribute__((noinline))
#define INLINE   static inline __attribute__((always_inline))

int redwi_text_bool(const char *p, size_t n, bool *out)
{
    *out = false;
    if (n == 1 && (*p == 't' || *p == 'f' || *p == '1' || *p == '0')) {
        *out = *p == 't' || *p == '1';
        return REDW_OK;
    }
    if (n == 4 && memcmp(p, "true", 4) == 0) {
        *out = true;
        return REDW_OK;
    }
    return n == 5 && memcmp(p, "false", 5) == 0 ? REDW_OK : REDW_EPROTOCOL;
}

/* 20 digits and more: leading zeros do not count, and 20 that do are more than 64 bits of a signed
 * number hold. */
static int digits_one_by_one(const char *p, size_t n, uint64_t *out)
{
    uint64_t v = 0;
    size_t significant = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned d = (unsigned)(unsigned char)p[i] - '0';
        if (d > 9)
            return REDW_EPROTOCOL;
        significant += significant > 0 || d > 0;
        v = v * 10 + d;
    }
    if (significant > 19)
        return REDW_ERANGE;
    *out = v;
    return REDW_OK;
}

/* n digits and nothing else. */
static int digits(const char *p, size_t n, uint64_t *out)
{
    const uint64_t e8 = 100000000;
    if (n - 17 > 2)
        return n > 0 ? digits_one_by_one(p, n, out) : REDW_EPROTOCOL;
    uint64_t a = redwi_digits_8(p) << (8 * (24 - n));
    uint64_t b = redwi_digits_8(p + n - 16), c = redwi_digits_8(p + n - 8);
    *out = (redwi_digits_value(a) * e8 + redwi_digits_value(b)) * e8 + redwi_digits_value(c);
    uint64_t fault = redwi_digits_fault(a) | redwi_digits_fault(b) | redwi_digits_fault(c);
    return fault == 0 ? REDW_OK : REDW_EPROTOCOL;
}

/* Whatever has not the shape of a short number. */
NOINLINE int long_int64(const char *p, size_t n, int64_t *out)
{
    *out = 0;
    if (n == 0)
        return REDW_EPROTOCOL;
    bool negative = *p == '-';
    size_t sign = negative | (*p == '+');
    uint64_t v;
    int rc = digits(p + sign, n - sign, &v);
    if (rc != REDW_OK)
        return rc;
    if (v > (uint64_t)INT64_MAX + negative)
        return REDW_ERANGE;
    *out = (int64_t)(negative ? 0 - v : v);
    return REDW_OK;
}

/* [-] and 1 to 16 digits, as most integers are; false says nothing. The sign is arithmetic, as where half
 * the numbers have one a branch on it would be mispredicted. */
INLINE bool short_int64(const char *p, size_t n, int64_t *out)
{
    if (n == 0)
        return false;
    uint64_t negative = *p == '-', v, fault;
    p += negative;
    n -= negative;
    if (n - 1 <= 7) {
        uint64_t a = n >= 4 ? redwi_digits_4to8(p, n) : redwi_digits_1to3(p, n);
        fault = redwi_digits_fault(a);
        v = redwi_digits_value(a);
    } else if (n - 9 <= 7) {
        uint64_t a = redwi_digits_8(p) << (8 * (16 - n)), b = redwi_digits_8(p + n - 8);
        fault = redwi_digits_fault(a) | redwi_digits_fault(b);
        v = redwi_digits_value(a) * 100000000 + redwi_digits_value(b);
    } else {
        return false;
    }
    *out = (int64_t)((v ^ (0 - negative)) + negative);
    return fault == 0;
}

int redwi_text_int64(const char *p, size_t n, int64_t *out)
{
    return short_int64(p, n, out) ? REDW_OK : long_int64(p, n, out);
}

NOINLINE int long_int32(const char *p, size_t n, int32_t *out)
{
    int64_t v;
    int rc = redwi_text_int64(p, n, &v);
    if (rc == REDW_OK && v != (int32_t)v)
        rc = REDW_ERANGE;
    *out = rc == REDW_OK ? (int32_t)v : 0;
    return rc;
}

int redwi_text_int32(const char *p, size_t n, int32_t *out)
{
    int64_t v;
    if (!short_int64(p, n, &v) || v != (int32_t)v)
        return long_int32(p, n, out);
    *out = (int32_t)v;
    return REDW_OK;
}

/* NUMERIC's values that are no number: legal, but in no integer's range. */
static bool is_special(const char *p, size_t n)
{
    return (n == 3 && memcmp(p, "NaN", 3) == 0) || (n == 8 && memcmp(p, "Infinity", 8) == 0) ||
           (n == 9 && memcmp(p, "-Infinity", 9) == 0);
}

int redwi_text_whole(const char *p, size_t n, int64_t *out)
{
    const char *dot = n > 0 ? memchr(p, '.', n) : NULL;
    if (!dot) {
        int rc = redwi_text_int64(p, n, out);
        return rc == REDW_EPROTOCOL && is_special(p, n) ? REDW_ERANGE : rc;
    }
    bool whole = true;
    *out = 0;
    if (dot + 1 == p + n)
        return REDW_EPROTOCOL;
    for (const char *f = dot + 1; f < p + n; f++) {
        if (*f < '0' || *f > '9')
            return REDW_EPROTOCOL;
        whole = whole && *f == '0';
    }
    int rc = redwi_text_int64(p, (size_t)(dot - p), out);
    if (rc == REDW_OK && !whole) {
        *out = 0;
        return REDW_ERANGE;
    }
    return rc;
}

int redwi_binary_bool(const char *p, size_t n, bool *out)
{
    *out = false;
    if (n != 1 || *(const uint8_t *)p > 1)
        return REDW_EPROTOCOL;
    *out = *p == 1;
    return REDW_OK;
}

int redwi_binary_int(const char *p, size_t n, int64_t *out)
{
    const uint8_t *b = (const uint8_t *)p;
    switch (n) {
    case 2:
        *out = (int16_t)redwi_load16(b);
        return REDW_OK;
    case 4:
        *out = (int32_t)redwi_load32(b);
        return REDW_OK;
    case 8:
        *out = (int64_t)redwi_load64(b);
        return REDW_OK;
    default:
        *out = 0;
        return REDW_EPROTOCOL;
    }
}

int redwi_binary_float(const char *p, size_t n, double *out)
{
    if (n == sizeof(float)) {
        uint32_t bits = redwi_load32((const uint8_t *)p);
        float v;
        memcpy(&v, &bits, sizeof v);
        *out = (double)v;
        return REDW_OK;
    }
    if (n == sizeof(double)) {
        uint64_t bits = redwi_load64((const uint8_t *)p);
        memcpy(out, &bits, sizeof *out);
        return REDW_OK;
    }
    *out = 0;
    return REDW_EPROTOCOL;
}

/* The bytes of the multi-byte character at p, or 0: no valid one. Unicode table 3-7 (well-formed UTF-8):
 * the second byte's range excludes overlong forms, surrogates and what lies beyond U+10FFFF. */
static size_t character(const uint8_t *p, size_t left)
{
    uint8_t low = 0x80, high = 0xbf;
    size_t len = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
    if (*p < 0xc2 || *p > 0xf4 || len > left)
        return 0;
    if (*p == 0xe0)
        low = 0xa0;
    else if (*p == 0xed)
        high = 0x9f;
    else if (*p == 0xf0)
        low = 0x90;
    else if (*p == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

const char *redwi_utf8_fault(const char *text, size_t n)
{
    const uint8_t *p = (const uint8_t *)text;
    while (n > 0) {
        /* Eight ASCII bytes other than NUL: a zero byte borrows and so sets a top bit. */
        if (n >= 8) {
            uint64_t v;
            memcpy(&v, p, sizeof v);
            if (((v | (v - REDWI_LANES(1))) & REDWI_LANES(0x80)) == 0) {
                p += 8;
                n -= 8;
                continue;
            }
        }
        if (*p == 0)
            return "contains a NUL byte";
        size_t len = *p < 0x80 ? 1 : character(p, n);
        if (len == 0)
            return "not valid UTF-8";
        p += len;
        n -= len;
    }
    return NULL;
}
