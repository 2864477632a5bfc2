/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes and UUIDs as text: see the header. A value that does not fit is read to its end all the same, so
 * that the caller learns how much room it takes, and whether it is one.
 */
#include "data/bytes.h"

#include <string.h>

/* 0..15, or more. */
static inline unsigned hex_digit(char c)
{
    unsigned digit = (unsigned)(unsigned char)c - '0';
    unsigned letter = (unsigned)((unsigned char)c | 0x20) - 'a';
    return digit < 10 ? digit : letter < 6 ? letter + 10 : 16;
}

/* Two digits, or more than 255. */
static inline unsigned hex_pair(const char *p)
{
    return hex_digit(p[0]) << 4 | hex_digit(p[1]) | (hex_digit(p[1]) & 16) << 4;
}

int redwi_text_hex(const char *p, size_t n, uint8_t *to, size_t room, size_t *len)
{
    *len = 0;
    if (n % 2 != 0)
        return REDW_EPROTOCOL;
    for (size_t i = 0; i < n / 2; i++) {
        unsigned byte = hex_pair(p + 2 * i);
        if (byte > 255)
            return REDW_EPROTOCOL;
        if (i < room)
            to[i] = (uint8_t)byte;
    }
    *len = n / 2;
    return *len > room ? REDW_EFULL : REDW_OK;
}

/* What a backslash escapes: another, or three octal digits. The number of characters, 0: neither. */
static size_t escaped(const char *p, size_t n, unsigned *byte)
{
    if (n >= 2 && p[1] == '\\') {
        *byte = '\\';
        return 2;
    }
    if (n < 4)
        return 0;
    unsigned a = (unsigned)(unsigned char)p[1] - '0', b = (unsigned)(unsigned char)p[2] - '0',
             c = (unsigned)(unsigned char)p[3] - '0';
    *byte = a << 6 | b << 3 | c;
    return a < 4 && b < 8 && c < 8 ? 4 : 0;
}

int redwi_text_bytea(const char *p, size_t n, uint8_t *to, size_t room, size_t *len)
{
    size_t at = 0;
    if (n >= 2 && p[0] == '\\' && p[1] == 'x')
        return redwi_text_hex(p + 2, n - 2, to, room, len);
    *len = 0;
    while (n > 0) {
        unsigned byte = (unsigned char)*p;
        size_t step = *p == '\\' ? escaped(p, n, &byte) : 1;
        if (step == 0)
            return REDW_EPROTOCOL;
        if (at < room)
            to[at] = (uint8_t)byte;
        at++;
        p += step;
        n -= step;
    }
    *len = at;
    return at > room ? REDW_EFULL : REDW_OK;
}

void redwi_hex_write(char *to, const uint8_t *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        *to++ = digits[p[i] >> 4];
        *to++ = digits[p[i] & 15];
    }
}

int redwi_text_uuid(const char *p, size_t n, uint8_t to[16])
{
    char digits[32];
    size_t len = 0;
    memset(to, 0, 16);
    if (n != 36)
        return REDW_EPROTOCOL;
    for (size_t i = 0; i < n; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash != (p[i] == '-'))
            return REDW_EPROTOCOL;
        if (!dash)
            digits[len++] = p[i];
    }
    uint8_t bytes[16];
    if (redwi_text_hex(digits, sizeof digits, bytes, sizeof bytes, &len) != REDW_OK)
        return REDW_EPROTOCOL;
    memcpy(to, bytes, sizeof bytes);
    return REDW_OK;
}
