/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The constants of digits.h, where no compiler sees them.
 */
#include "data/digits.h"

#define TWICE(word) {(int64_t)(word), (int64_t)(word)}

const struct redwi_lane_constants redwi_lane = {
    .zero = 0,
    .ascii = REDWI_LANES('0'),
    .past_nine = REDWI_LANES(0x76),
    .top = REDWI_LANES(0x80),
    .fourth = UINT64_C(0x000000ff000000ff),
    .odd = 100 + (UINT64_C(1000000) << 32),
    .even = 1 + (UINT64_C(10000) << 32),
    .year_and_month = UINT64_C(0x2d30302d30303030),
    .year_and_month_past = UINT64_C(0x7f76767f76767676),
    .day = UINT64_C(0x2030302d30302d30),
    .day_past = UINT64_C(0x7f76767f76767f76),
    .clock = UINT64_C(0x30303a30303a3030),
    .clock_past = UINT64_C(0x76767f76767f7676),
    .clock_pairs = UINT64_C(0x00ff0000ff0000ff),
    .clock_limits = UINT64_C(0x0044000044000068), /* to 0x80 from 60, 60 and 24 */
    .pair = 2561,
    .fraction_past = UINT64_C(0x7676767676767f76),
    .hundred = 100,
    .pair_of_year = 2561,
#ifdef __SSE2__
    .pairs = TWICE(UINT64_C(0x0001000100010001) * 2561),
    .hundreds = TWICE(UINT64_C(0x0001006400010064)),
    .myriads = TWICE(UINT64_C(0x0001271000012710)),
    .tens = TWICE(UINT64_C(0x000a000a000a000a)),
    .day_and_clock = {INT64_C(0x2030302d30302d30), INT64_C(0x30303a30303a3030)},
    .day_and_clock_past = {INT64_C(0x7f76767f76767f76), INT64_C(0x76767f76767f7676)},
    .day_and_clock_limits = {0, INT64_C(0x0044000044000068)},
#endif
    .before_last = {UINT64_C(1000000000000000), UINT64_C(10000000000000000)},
    .last = {[16] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
             0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
};
