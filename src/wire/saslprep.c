/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of RFC 4013 over code points, in memory for secrets. Called by scram.c only.
 */
#include "wire/saslprep.h"

#include "wire/nfkc.h"
#include "wire/saslprep_tables.h"
#include "wire/secret.h"

#include <string.h>

#define IN(table, c) in_table(redwi_prep_##table, redwi_prep_##table##_count, c)

static bool in_table(const struct redwi_prep_range *table, size_t n, uint32_t c)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c > table[mid].last)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && c >= table[low].first;
}

/* --- UTF-8 --------------------------------------------------------------------------------------- */

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

static size_t encode(char *out, uint32_t c)
{
    size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = len; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(lead[len] | c);
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

/* --- steps ---------------------------------------------------------------------------------------- */

/* 2.1 Mapping. The code points that are left; 0: none, or no UTF-8. U+200B is a space and goes away: a space. */
static size_t map(uint32_t *out, const char *password, size_t n)
{
    size_t len = 0;
    for (size_t at = 0; at < n;) {
        uint32_t c;
        size_t step = decode(password + at, n - at, &c);
        if (!step)
            return 0;
        if (IN(spaces, c))
            out[len++] = ' ';
        else if (!IN(nothing, c))
            out[len++] = c;
        at += step;
    }
    return len;
}

/* 2.3 Prohibited output, 2.5 unassigned code points. What is looked at is the mapped text, before it is
 * normalised: so does PostgreSQL, with which this has to agree. */
static bool is_allowed(const uint32_t *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (IN(no_form, text[i]))
            return false;
    }
    return true;
}

/* 2.4 Bidirectional characters: from right to left all of it, or nothing. */
static bool runs_one_way(const uint32_t *text, size_t n)
{
    bool left = false, right = false;
    for (size_t i = 0; i < n; i++) {
        left |= IN(left_to_right, text[i]);
        right |= IN(right_to_left, text[i]);
    }
    return !right || (!left && IN(right_to_left, text[0]) && IN(right_to_left, text[n - 1]));
}

static int as_it_is(const struct redw_allocator *mem, const char *password, size_t n, char **out, size_t *len)
{
    *out = redwi_secret_copy(mem, password, n);
    *len = n;
    return *out ? 0 : REDW_ENOMEM;
}

int redwi_saslprep(const struct redw_allocator *mem, const char *password, size_t n, char **out, size_t *len)
{
    if (is_ascii(password, n))
        return as_it_is(mem, password, n, out, len);

    int code = REDW_ENOMEM;
    uint32_t *normal = NULL, *mapped = redwi_secret_alloc(mem, n * sizeof *mapped);
    if (!mapped)
        return code;
    size_t nmapped = map(mapped, password, n);
    if (!nmapped || !is_allowed(mapped, nmapped) || !runs_one_way(mapped, nmapped)) {
        code = as_it_is(mem, password, n, out, len);
        goto out;
    }
    normal = redwi_secret_alloc(mem, redwi_nfkc_room(mapped, nmapped) * sizeof *normal);
    if (!normal)
        goto out;
    size_t nnormal = redwi_nfkc(normal, mapped, nmapped);
    *out = redwi_secret_alloc(mem, nnormal * 4);
    if (!*out)
        goto out;
    *len = 0;
    for (size_t i = 0; i < nnormal; i++)
        *len += encode(*out + *len, normal[i]);
    code = 0;

out:
    redwi_secret_free(mem, normal);
    redwi_secret_free(mem, mapped);
    return code;
}
