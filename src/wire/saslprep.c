/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of RFC 3454 by the names they have there, and one walk over UTF-8. Called by scram.c only.
 */
#include "wire/saslprep.h"

#include <string.h>

struct range {
    uint32_t first, last;
};

/* C.1.2, non-ASCII space characters. U+200B is in B.1 too; the spaces are mapped first. */
static const struct range spaces[] = {
    {0x00A0, 0x00A0}, {0x1680, 0x1680}, {0x2000, 0x200B},
    {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000},
};

/* B.1, commonly mapped to nothing. */
static const struct range nothing[] = {
    {0x00AD, 0x00AD}, {0x034F, 0x034F}, {0x1806, 0x1806}, {0x180B, 0x180D},
    {0x200C, 0x200D}, {0x2060, 0x2060}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF},
};

/* C.2.1 to C.9, prohibited, without what the mappings above have taken out. The noncharacters at the end
 * of each plane (C.4) are computed. */
static const struct range prohibited[] = {
    {0x0000, 0x001F},   {0x007F, 0x009F},   {0x0340, 0x0341},   {0x06DD, 0x06DD},     {0x070F, 0x070F},
    {0x180E, 0x180E},   {0x200E, 0x200F},   {0x2028, 0x202E},   {0x2061, 0x2063},     {0x206A, 0x206F},
    {0x2FF0, 0x2FFB},   {0xD800, 0xF8FF},   {0xFDD0, 0xFDEF},   {0xFFF9, 0xFFFD},     {0x1D173, 0x1D17A},
    {0xE0001, 0xE0001}, {0xE0020, 0xE007F}, {0xF0000, 0xFFFFD}, {0x100000, 0x10FFFD},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool in_table(const struct range *table, size_t n, uint32_t c)
{
    for (size_t i = 0; i < n; i++) {
        if (c >= table[i].first && c <= table[i].last)
            return true;
    }
    return false;
}

static bool is_prohibited(uint32_t c)
{
    return (c & 0xFFFE) == 0xFFFE || in_table(prohibited, COUNT(prohibited), c);
}

/* The bytes of the code point at p, at most n; 0: not UTF-8 (RFC 3629: shortest form, no surrogates). */
static size_t decode(const char *text, size_t n, uint32_t *c)
{
    const uint8_t *p = (const uint8_t *)text;
    if (p[0] < 0x80) {
        *c = p[0];
        return 1;
    }
    size_t len = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || len > n)
        return 0;
    uint32_t v = p[0] & (0xFFu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        v = v << 6 | (p[i] & 0x3F);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (v < least[len] || v > 0x10FFFF || (v >= 0xD800 && v <= 0xDFFF))
        return 0;
    *c = v;
    return len;
}

static bool is_ascii(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((uint8_t)p[i] >= 0x80)
            return false;
    }
    return true;
}

/* The mapped text in out; 0: the password has no prepared form. */
static size_t prepare(char *out, const char *password, size_t n)
{
    size_t len = 0;
    for (size_t at = 0; at < n;) {
        uint32_t c;
        size_t step = decode(password + at, n - at, &c);
        if (!step)
            return 0;
        if (in_table(spaces, COUNT(spaces), c)) {
            out[len++] = ' ';
        } else if (!in_table(nothing, COUNT(nothing), c)) {
            if (is_prohibited(c))
                return 0;
            memcpy(out + len, password + at, step);
            len += step;
        }
        at += step;
    }
    return len;
}

size_t redwi_saslprep(char *out, const char *password, size_t n)
{
    size_t len = is_ascii(password, n) ? 0 : prepare(out, password, n);
    if (len)
        return len;
    memcpy(out, password, n);
    return n;
}
