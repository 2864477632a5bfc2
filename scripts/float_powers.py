#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Writes src/data/float_powers.c: scripts/float_powers.py > src/data/float_powers.c
#
# 5^q for every q at which a decimal of up to 19 digits can be a finite double that is not zero, as the
# 128 most significant bits, the first of them set. They are cut off, but those from 5^-27 to 5^-1 are
# rounded up: a decimal divided by them can lie exactly in the middle of two doubles, and then the product
# must not fall below it (Lemire, "Number Parsing at a Gigabyte per Second", 2021).

Q_MIN, Q_MAX = -342, 308


def top128(q):
    if q >= 0:
        n = 5**q
        bits = n.bit_length()
        return n >> (bits - 128) if bits > 128 else n << (128 - bits)
    # 2^k / 5^-q with the k that leaves 128 bits; never exact.
    d = 5**-q
    v = (1 << (d.bit_length() + 127)) // d + (1 if q >= -27 else 0)
    assert v.bit_length() == 128
    return v


print("""/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The powers of five of the text-to-double conversion. Written by scripts/float_powers.py: change that.
 */
#include "data/float_text.h"

/* clang-format off */
const uint64_t redwi_float_powers[REDWI_FLOAT_Q_MAX - REDWI_FLOAT_Q_MIN + 1][2] = {""")
for q in range(Q_MIN, Q_MAX + 1):
    v = top128(q)
    print(f"    {{UINT64_C(0x{v >> 64:016x}), UINT64_C(0x{v & (2**64 - 1):016x})}}, /* {q} */")
print("};")
