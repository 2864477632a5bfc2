/* SPDX-License-Identifier: Apache-2.0 */
#include "support/hex.h"

#include <check.h>

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t unhex(uint8_t *out, size_t cap, const char *hex)
{
    size_t n = 0;
    while (*hex) {
        ck_assert_uint_lt(n, cap);
        if (*hex == ' ') {
            hex++;
        } else if (*hex == '\'') {
            for (hex++; *hex != '\''; hex++)
                out[n++] = (uint8_t)*hex;
            hex++;
        } else {
            ck_assert(digit(hex[0]) >= 0 && digit(hex[1]) >= 0);
            out[n++] = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));
            hex += 2;
        }
    }
    return n;
}
