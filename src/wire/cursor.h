/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A checked reader over bytes somebody else owns. Reading past the end sets `bad`, yields zero and stays
 * bad: a parser reads straight on and looks once, at the end, with redwi_cursor_done().
 */
#ifndef REDWI_WIRE_CURSOR_H
#define REDWI_WIRE_CURSOR_H

#include <redw/base.h>
#include <string.h>

struct redwi_cursor {
    const uint8_t *p, *end;
    bool bad;
};

static inline uint16_t redwi_load16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap16(v);
}
static inline uint32_t redwi_load32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}
static inline uint64_t redwi_load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}

/* p may be NULL when n is 0. */
static inline struct redwi_cursor redwi_cursor_of(const void *p, size_t n)
{
    if (!p)
        p = "";
    return (struct redwi_cursor){.p = p, .end = (const uint8_t *)p + n};
}
static inline size_t redwi_cursor_left(const struct redwi_cursor *c)
{
    return (size_t)(c->end - c->p);
}
/* The next n bytes, or NULL and bad. */
static inline const uint8_t *redwi_cursor_bytes(struct redwi_cursor *c, size_t n)
{
    const uint8_t *p = c->p;
    if (c->bad || n > redwi_cursor_left(c)) {
        c->bad = true;
        return NULL;
    }
    c->p += n;
    return p;
}
static inline uint8_t redwi_cursor_u8(struct redwi_cursor *c)
{
    const uint8_t *p = redwi_cursor_bytes(c, 1);
    return p ? *p : 0;
}
static inline uint16_t redwi_cursor_u16(struct redwi_cursor *c)
{
    const uint8_t *p = redwi_cursor_bytes(c, 2);
    return p ? redwi_load16(p) : 0;
}
static inline uint32_t redwi_cursor_u32(struct redwi_cursor *c)
{
    const uint8_t *p = redwi_cursor_bytes(c, 4);
    return p ? redwi_load32(p) : 0;
}
/* A NUL-terminated string, the NUL not counted; ptr "" and bad when there is no NUL before the end. */
static inline redw_slice redwi_cursor_text(struct redwi_cursor *c)
{
    const uint8_t *p = c->p;
    const uint8_t *nul = c->bad || p == c->end ? NULL : memchr(p, 0, redwi_cursor_left(c));
    if (!nul) {
        c->bad = true;
        return (redw_slice){"", 0};
    }
    c->p = nul + 1;
    return (redw_slice){(const char *)p, (size_t)(nul - p)};
}
/* A value: Int32 length, then so many bytes; -1: NULL (ptr NULL). A length below -1 is longer than any
 * message once it is read unsigned, and so runs over the end. */
static inline redw_slice redwi_cursor_value(struct redwi_cursor *c)
{
    uint32_t n = redwi_cursor_u32(c);
    if (c->bad || n == UINT32_MAX)
        return (redw_slice){NULL, 0};
    const uint8_t *p = redwi_cursor_bytes(c, n);
    return (redw_slice){(const char *)p, p ? n : 0};
}
/* Everything read, nothing left, nothing missing: a reader ends exactly at its envelope. */
static inline bool redwi_cursor_done(const struct redwi_cursor *c)
{
    return !c->bad && c->p == c->end;
}

#endif
