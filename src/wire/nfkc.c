/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decompose, put combining marks in canonical order, compose. The work grows with the square of the number
 * of marks on one letter, which is what the owner of a password may do to himself.
 */
#include "wire/nfkc.h"

#include "wire/nfkc_tables.h"

#include <stdbool.h>

/* Hangul syllables are computed (Unicode Standard, section 3.12). */
enum {
    S_BASE = 0xAC00,
    L_BASE = 0x1100,
    V_BASE = 0x1161,
    T_BASE = 0x11A7,
    L_COUNT = 19,
    V_COUNT = 21,
    T_COUNT = 28,
    S_COUNT = L_COUNT * V_COUNT * T_COUNT,
};

#define NESTING_MAX 3 /* pairs in pairs; the script that writes the tables knows no deeper one */

static bool is_within(uint32_t c, uint32_t base, uint32_t count)
{
    return c >= base && c - base < count;
}

static unsigned class_of(uint32_t c)
{
    size_t low = 0, high = redwi_nfkc_classes_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c > redwi_nfkc_classes[mid].last)
            low = mid + 1;
        else
            high = mid;
    }
    bool found = low < redwi_nfkc_classes_count && c >= redwi_nfkc_classes[low].first;
    return found ? redwi_nfkc_classes[low].value : 0;
}

static const struct redwi_nfkc_pair *pair_of(uint32_t c)
{
    size_t low = 0, high = redwi_nfkc_pairs_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c > redwi_nfkc_pairs[mid].whole)
            low = mid + 1;
        else
            high = mid;
    }
    bool found = low < redwi_nfkc_pairs_count && redwi_nfkc_pairs[low].whole == c;
    return found ? &redwi_nfkc_pairs[low] : NULL;
}

static const struct redwi_nfkc_run *run_of(uint32_t c)
{
    size_t low = 0, high = redwi_nfkc_runs_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c >= redwi_nfkc_runs[mid].first + redwi_nfkc_runs[mid].count)
            low = mid + 1;
        else
            high = mid;
    }
    bool found = low < redwi_nfkc_runs_count && c >= redwi_nfkc_runs[low].first;
    return found ? &redwi_nfkc_runs[low] : NULL;
}

/* --- decomposition ------------------------------------------------------------------------------ */

static void put(uint32_t *out, size_t *n, uint32_t c)
{
    if (out)
        out[*n] = c;
    ++*n;
}

/* The parts of c behind *n; out NULL: only counted. */
static void decompose(uint32_t *out, size_t *n, uint32_t c)
{
    if (is_within(c, S_BASE, S_COUNT)) {
        uint32_t at = c - S_BASE;
        put(out, n, L_BASE + at / (V_COUNT * T_COUNT));
        put(out, n, V_BASE + at % (V_COUNT * T_COUNT) / T_COUNT);
        if (at % T_COUNT)
            put(out, n, T_BASE + at % T_COUNT);
        return;
    }
    uint32_t seconds[NESTING_MAX];
    size_t nesting = 0;
    const struct redwi_nfkc_pair *pair;
    while (nesting < NESTING_MAX && (pair = pair_of(c)) != NULL) {
        seconds[nesting++] = pair->second;
        c = pair->first;
    }
    const struct redwi_nfkc_run *run = run_of(c);
    if (run) {
        const uint32_t *parts = redwi_nfkc_parts + run->at + (c - run->first) * run->parts;
        for (size_t i = 0; i < run->parts; i++)
            put(out, n, parts[i]);
    } else {
        put(out, n, c);
    }
    while (nesting)
        put(out, n, seconds[--nesting]);
}

/* Marks in a row, by their class; those of one class stay as they are. */
static void order_marks(uint32_t *text, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint32_t c = text[i];
        unsigned cls = class_of(c);
        size_t at = i;
        for (; cls && at && class_of(text[at - 1]) > cls; at--)
            text[at] = text[at - 1];
        text[at] = c;
    }
}

/* --- composition -------------------------------------------------------------------------------- */

/* 0: they stay two. */
static uint32_t compose_two(uint32_t first, uint32_t second)
{
    if (is_within(first, L_BASE, L_COUNT) && is_within(second, V_BASE, V_COUNT))
        return S_BASE + ((first - L_BASE) * V_COUNT + (second - V_BASE)) * T_COUNT;
    if (is_within(first, S_BASE, S_COUNT) && (first - S_BASE) % T_COUNT == 0 &&
        is_within(second, T_BASE + 1, T_COUNT - 1))
        return first + (second - T_BASE);
    size_t low = 0, high = redwi_nfkc_by_parts_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        const struct redwi_nfkc_pair *p = &redwi_nfkc_pairs[redwi_nfkc_by_parts[mid]];
        if (p->first == first && p->second == second)
            return p->whole;
        if (p->first < first || (p->first == first && p->second < second))
            low = mid + 1;
        else
            high = mid;
    }
    return 0;
}

static size_t compose(uint32_t *text, size_t n)
{
    size_t len = 0, starter = 0;
    bool has_starter = false;
    unsigned last = 0; /* class of the last one that stayed behind the starter */
    for (size_t i = 0; i < n; i++) {
        uint32_t c = text[i];
        unsigned cls = class_of(c);
        /* Blocked: something of the same or a higher class stands in between. */
        bool next = has_starter && (len == starter + 1 || last < cls);
        uint32_t whole = next ? compose_two(text[starter], c) : 0;
        if (whole) {
            text[starter] = whole;
            continue;
        }
        if (!cls) {
            starter = len;
            has_starter = true;
        }
        last = cls;
        text[len++] = c;
    }
    return len;
}

size_t redwi_nfkc_room(const uint32_t *text, size_t n)
{
    size_t room = 0;
    for (size_t i = 0; i < n; i++)
        decompose(NULL, &room, text[i]);
    return room;
}

size_t redwi_nfkc(uint32_t *out, const uint32_t *text, size_t n)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++)
        decompose(out, &len, text[i]);
    order_marks(out, len);
    return compose(out, len);
}
