/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the limit and libpq clients do with a value when it is to be decoded: the library's own decoders,
 * so that the difference to the driver is the driver alone.
 */
#ifndef BENCH_CONSUME_H
#define BENCH_CONSUME_H

#include "measure.h"
#include "data/decode.h"
#include <err.h>

/* p NULL is SQL NULL, and then len is 0. */
static inline uint64_t consume_decoded(uint64_t sum, uint32_t oid, bool binary, const char *p,
                                       size_t len)
{
    int64_t i = 0;
    double d = 0;
    bool b = false;
    int rc;

    if (p == NULL)
        return checksum_touch(sum, p, len);
    switch (oid) {
    case OID_INT4:
    case OID_INT8:
        rc = binary ? redwi_binary_int(p, len, &i) : redwi_text_int64(p, len, &i);
        sum = checksum_add(sum, (uint64_t)i);
        break;
    case OID_FLOAT8:
        rc = binary ? redwi_binary_float(p, len, &d) : redwi_text_double(p, len, &d);
        sum = checksum_double(sum, d);
        break;
    case OID_BOOL:
        rc = binary ? redwi_binary_bool(p, len, &b) : redwi_text_bool(p, len, &b);
        sum = checksum_add(sum, b);
        break;
    default: return checksum_touch(sum, p, len);
    }
    if (rc != REDW_OK)
        errx(1, "a value does not decode: %.*s", binary ? 0 : (int)len, p);
    return sum;
}

#endif
