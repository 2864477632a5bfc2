/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values from the wire: text and binary forms to C types. Locale is never consulted. Each returns
 * REDW_OK, REDW_ERANGE or REDW_EPROTOCOL (not such a value); *out is zeroed on failure.
 */
#ifndef REDWI_DATA_DECODE_H
#define REDWI_DATA_DECODE_H

#include <redw/base.h>
#include <string.h>

int redwi_text_bool(const char *p, size_t n, bool *out);      /* t, f, true, false, 1, 0 */
int redwi_text_int64(const char *p, size_t n, int64_t *out);  /* [+-]digits */
int redwi_text_int32(const char *p, size_t n, int32_t *out);
int redwi_text_double(const char *p, size_t n, double *out);  /* correctly rounded; NaN, [-]Infinity */
/* The same, where REDWI_LEAD bytes before it may be read (data/row.h): those of short texts are so loaded. */
int redwi_led_double(const char *p, size_t n, double *out);
/* NUMERIC text whose fraction, if any, is zero. */
int redwi_text_whole(const char *p, size_t n, int64_t *out);

int redwi_binary_bool(const char *p, size_t n, bool *out);
int redwi_binary_int(const char *p, size_t n, int64_t *out);  /* 2, 4 or 8 bytes */
int redwi_binary_float(const char *p, size_t n, double *out); /* 4 or 8 bytes */

/* NULL, or what is wrong: for parameters. Valid UTF-8 without NUL bytes. */
const char *redwi_utf8_fault(const char *p, size_t n);
/* Copies n bytes. True: all of them are ASCII and none is NUL, seen on the way, which costs a short text half of what
 * copying and looking do; false: not so, or too few to tell, and redwi_utf8_fault() is to be asked. */
static inline bool redwi_copy_ascii(char *to, const char *from, size_t n)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word, odd;
    if (n < sizeof word) {
        memcpy(to, from, n);
        return false;
    }
    /* The last word first, which the others may overlap. A zero byte borrows and so sets a top bit. */
    memcpy(&word, from + n - sizeof word, sizeof word);
    memcpy(to + n - sizeof word, &word, sizeof word);
    odd = word | (word - ones);
    for (size_t i = 0; i < n - sizeof word; i += sizeof word) {
        memcpy(&word, from + i, sizeof word);
        memcpy(to + i, &word, sizeof word);
        odd |= word | (word - ones);
    }
    return (odd & ones << 7) == 0;
}

#endif
