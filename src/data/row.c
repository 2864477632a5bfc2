/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over DataRow messages: Byte1('D') Int32 length Int16 columns, then per column Int32 length
 * (-1: NULL) and so many bytes. One pass; each byte of framing is looked at once, each value not at all.
 *
 * Invariant: a cursor's position is always at a message's first byte, and moves over whole messages
 * that were found sound only. A kept cursor is told by its missing end.
 */
#include "data/row.h"

#include "wire/cursor.h"

enum {
    POSITION = 0, /* of redw_rows.priv_ */
    END = 1,
    ROWSET = 2,
    HEADER = 7, /* type, length, number of columns */
    WORD = 4,   /* a cell's length */
};

/* Apart, so that the walk saves no register. */
#define NOINLINE static __attribute__((noinline))

/* The bytes of the whole DataRow at p, or 0: there is none. The length is a signed Int32 (its highest
 * bit makes it negative), which keeps cell lengths below -1 from passing as large ones. */
static inline size_t message_at(const uint8_t *p, const uint8_t *end)
{
    int64_t left = end - p;
    if (left < HEADER || *p != 'D')
        return 0;
    int64_t len = (int32_t)redwi_load32(p + 1);
    return len >= HEADER - 1 && len < left ? (size_t)len + 1 : 0;
}

/* A cell's length. Each waits for the one before it, and gcc would spend an instruction on widening what bswap has
 * widened: 11 of 12 a cell are left, 7 of 8 cycles. */
static inline uint64_t length_at(const uint8_t *p)
{
#ifdef __x86_64__
    uint32_t word;
    memcpy(&word, p, sizeof word);
    uint64_t len = word;
    __asm__("bswapl %k0" : "+r"(len));
    return len;
#else
    return redwi_load32(p);
#endif
}

/* -1 in 32 bits; said so that it takes no constant of them in a register. */
static inline bool is_null(uint64_t len)
{
    return (len + 1) >> 32 != 0;
}

/* Fills n >= 1 cells, the first one's length word at p and at least that much before end; true: the last one ends
 * at the end. A value that leaves a length word behind it within the message needs one
 * comparison, against the last place for such a word; the last value has to end at the end. NULL, whose length leads
 * beyond any message, is looked for where that fails. */
static inline bool walk(const uint8_t *p, const uint8_t *end, redw_slice *cell, size_t n)
{
    const uintptr_t last_word = (uintptr_t)end - WORD;
    uint64_t len;
    for (size_t more = n - 1; more > 0; more--, cell++) {
        len = length_at(p);
        p += WORD;
        if (__builtin_expect((uintptr_t)p + len > last_word, 0)) {
            if (!is_null(len) || (uintptr_t)p > last_word)
                return false;
            *cell = (redw_slice){NULL, 0};
            continue;
        }
        *cell = (redw_slice){(const char *)p, len};
        p += len;
    }
    len = length_at(p);
    *cell = (redw_slice){(const char *)p + WORD, len};
    if (__builtin_expect((uintptr_t)p + len == last_word, 1))
        return true;
    *cell = (redw_slice){NULL, 0};
    return is_null(len) && (uintptr_t)p == last_word;
}

redw_rows redwi_rows_streamed(struct redwi_rowset *set, const uint8_t *p, const uint8_t *end)
{
    return (redw_rows){.priv_ = {p, end, set}};
}

const uint8_t *redwi_rows_at(const redw_rows *it)
{
    return it->priv_[POSITION];
}

bool redwi_rows_left(const redw_rows *it)
{
    return it->priv_[END] ? message_at(it->priv_[POSITION], it->priv_[END]) != 0 : it->left_ != 0;
}

redw_rows redwi_rows_kept(struct redwi_rowset *set, redw_slice *const *index, uint64_t n)
{
    return (redw_rows){.priv_ = {index, NULL, set}, .left_ = n};
}

static bool next_kept(redw_rows *it, redw_row *row)
{
    const struct redwi_rowset *set = it->priv_[ROWSET];
    redw_slice *const *index = it->priv_[POSITION];
    if (it->left_ == 0)
        return false;
    row->cells = *index;
    row->ncells = set->ncolumns;
    row->priv_[0] = set->columns;
    row->priv_[1] = set;
    it->priv_[POSITION] = index + 1;
    it->left_--;
    return true;
}

/* No row of at least one cell is at the cursor. */
NOINLINE bool other_row(redw_rows *it, redw_row *row)
{
    const uint8_t *p = it->priv_[POSITION];
    struct redwi_rowset *set = (struct redwi_rowset *)it->priv_[ROWSET];
    size_t len = message_at(p, it->priv_[END]);
    if (len == 0)
        return false;
    if (set->ncolumns > 0 || len > HEADER || redwi_load16(p + 5) != 0) {
        set->corrupt = true;
        return false;
    }
    set->taken++;
    it->priv_[POSITION] = p + len;
    *row = (redw_row){.cells = set->cells, .priv_ = {set->columns, set}};
    return true;
}

/* 60 instructions for two cells and 11 for each more. The row is filled before its cells are known to be sound, so
 * that all the walk needs is in registers that nobody has to save. */
bool redw_rows_next(redw_rows *it, redw_row *row)
{
    const uint8_t *p = it->priv_[POSITION], *end = it->priv_[END];
    if (!end)
        return next_kept(it, row);
    struct redwi_rowset *set = (struct redwi_rowset *)it->priv_[ROWSET];
    int64_t left = end - p;
    if (left < HEADER + WORD || *p != 'D')
        return other_row(it, row);
    uint64_t len = redwi_load32(p + 1);
    size_t n = set->ncolumns;
    uint16_t count;
    memcpy(&count, p + 5, sizeof count);
    if ((int32_t)len < HEADER + WORD - 1 || len >= (uint64_t)left || count != __builtin_bswap16((uint16_t)n) ||
        n == 0)
        return other_row(it, row);
    redw_slice *cells = set->cells;
    row->cells = cells;
    row->ncells = n;
    row->priv_[1] = set;
    const uint8_t *next = p + 1 + len;
    if (!walk(p + HEADER, next, cells, n))
        return other_row(it, row);
    row->priv_[0] = set->columns;
    set->taken++;
    it->priv_[POSITION] = next; /* by its length: the next row waits for no cell of this one */
    return true;
}
