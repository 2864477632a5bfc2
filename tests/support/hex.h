/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as a specification writes them: "51 0000 'text'" is hex digits and text between quotes; spaces mean
 * nothing.
 */
#ifndef TESTS_SUPPORT_HEX_H
#define TESTS_SUPPORT_HEX_H

#include <stddef.h>
#include <stdint.h>

/* Returns how many bytes they are; fails the test where they are not fewer than cap. */
size_t unhex(uint8_t *out, size_t cap, const char *hex);

#endif
