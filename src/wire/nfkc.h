/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Normalisation form KC (Unicode Standard Annex 15) of code points that were assigned in Unicode 3.2; others
 * stay as they are. For saslprep.c only: nothing else in this library changes text.
 */
#ifndef REDWI_WIRE_NFKC_H
#define REDWI_WIRE_NFKC_H

#include <stddef.h>
#include <stdint.h>

/* How many code points the text is in its decomposed form, which is the longest on the way. */
size_t redwi_nfkc_room(const uint32_t *text, size_t n);
/* Writes the normalised text to out, which has that much room; returns its length. */
size_t redwi_nfkc(uint32_t *out, const uint32_t *text, size_t n);

#endif
