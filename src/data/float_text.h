/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decimal text to double, correctly rounded (redwi_text_double of data/decode.h), in two steps:
 *
 *   float_text.c   scans the text into 19 digits and a power of ten, and rounds that by one or two
 *                  multiplications with a power of five of 128 bits (Eisel and Lemire, "Number Parsing
 *                  at a Gigabyte per Second", 2021). With 19 digits that always decides (Mushtak and
 *                  Lemire, "Fast Number Parsing Without Fallback", 2023). One division, where both are
 *                  exact doubles (Clinger, 1990), would do for short numbers; choosing costs more.
 *   float_exact.c  decides what digits beyond the 19th leave open, with integers of bounded size.
 *
 * Nothing here depends on the locale or the processor's rounding mode, or allocates. Rounding is to
 * nearest, ties to even.
 */
#ifndef REDWI_DATA_FLOAT_TEXT_H
#define REDWI_DATA_FLOAT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Below, 19 digits are less than half the smallest double; above, one is more than the largest. */
#define REDWI_FLOAT_Q_MIN (-342)
#define REDWI_FLOAT_Q_MAX 308

/* The 128 most significant bits of 5^q, high word first, at [q - REDWI_FLOAT_Q_MIN]. */
extern const uint64_t redwi_float_powers[REDWI_FLOAT_Q_MAX - REDWI_FLOAT_Q_MIN + 1][2];

/* A number's digits as they stand in the text: a point may be among them. Its value is the digits as
 * one integer, times 10^scale. */
struct redwi_digits {
    const char *p, *end;
    int64_t scale;
};

/*
 * Compares the number with the middle between the finite double of these bits (not negative) and its
 * neighbour above: < 0, 0, > 0. Only for numbers that lie between the two, to about one part in 10^18.
 */
int redwi_float_middle(const struct redwi_digits *d, uint64_t bits);

#endif
