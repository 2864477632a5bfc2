/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text of others made fit to be shown: no byte in the result moves a cursor, ends a line or is not UTF-8.
 */
#include "wire/err.h"

#include <string.h>

/* The well-formed UTF-8 sequence at p, 2 to 4 bytes (Unicode, table 3-7); 0: there is none. */
static size_t utf8_length(const uint8_t *p, size_t n)
{
    uint8_t lo = 0x80, hi = 0xbf; /* of the second byte: neither overlong, surrogate nor too large */
    size_t length;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        length = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        length = 3;
        lo = p[0] == 0xe0 ? 0xa0 : lo;
        hi = p[0] == 0xed ? 0x9f : hi;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        length = 4;
        lo = p[0] == 0xf0 ? 0x90 : lo;
        hi = p[0] == 0xf4 ? 0x8f : hi;
    } else {
        return 0;
    }
    if (length > n || p[1] < lo || p[1] > hi)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* How many bytes at p may be shown as they are, and only together; 0: the first must be escaped. */
static size_t unit_length(const uint8_t *p, size_t n)
{
    /* An escape of an earlier pass stays one piece, so that escaping twice changes and cuts nothing. */
    if (n >= 4 && p[0] == '\\' && p[1] == 'x' && is_hex(p[2]) && is_hex(p[3]))
        return 4;
    if (p[0] >= 0x20 && p[0] < 0x7f)
        return 1;
    size_t length = utf8_length(p, n);
    if (length == 2 && p[0] == 0xc2 && p[1] < 0xa0)
        return 0; /* U+0080..U+009F: C1 controls, which terminals obey */
    return length;
}

/* How many bytes at p are printable ASCII and begin no escape: nearly all of nearly every text. */
static size_t plain_length(const uint8_t *p, size_t n)
{
    size_t i = 0;
    while (i < n && p[i] >= 0x20 && p[i] < 0x7f && p[i] != '\\')
        i++;
    return i;
}

size_t redwi_escape(char *out, size_t cap, const char *text, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t *p = (const uint8_t *)text;
    size_t at = 0;
    if (!cap)
        return 0;
    while (n) {
        size_t room = cap - 1 - at;
        size_t unit = plain_length(p, n < room ? n : room);
        if (!unit)
            unit = unit_length(p, n);
        if ((unit ? unit : 4) > room)
            break;
        if (unit) {
            memcpy(out + at, p, unit);
            at += unit;
        } else {
            const char escape[4] = {'\\', 'x', hex[*p >> 4], hex[*p & 15]};
            memcpy(out + at, escape, sizeof escape);
            at += sizeof escape;
            unit = 1;
        }
        p += unit;
        n -= unit;
    }
    out[at] = '\0';
    return at;
}
