/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intervals. The first byte says which reader: T, Y, D for texts of the three types, p, r, y, d for the
 * binary forms. What is read is read again from the text and from the bytes it is written as.
 */
#include "data/interval.h"
#include "wire/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct redwi_buf out;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static int read_as(char type, const char *p, size_t n, redw_interval *v)
{
    switch (type) {
    case 'T':
        return redwi_text_interval(p, n, v);
    case 'Y':
        return redwi_text_interval_ym(p, n, v);
    case 'D':
        return redwi_text_interval_ds(p, n, v);
    case 'p':
        return redwi_interval_postgres(p, n, v);
    case 'r':
        return redwi_interval_redshift(p, n, v);
    case 'y':
        return redwi_binary_interval_ym(p, n, v);
    default:
        return redwi_binary_interval_ds(p, n, v);
    }
}

static bool equal(redw_interval a, redw_interval b)
{
    return a.months == b.months && a.days == b.days && a.us == b.us;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    redw_interval v, again;
    char text[REDW_INTERVAL_CHARS];
    int64_t us;
    if (size < 1)
        return 0;
    if (!out.mem)
        redwi_buf_init(&out, &redwi_malloc, 4096);
    redwi_buf_cut(&out, 0);
    const char *p = (const char *)data + 1;
    size_t n = size - 1;
    char type = (char)data[0];
    if (read_as(type, p, n, &v) != REDW_OK) {
        must(equal(v, (redw_interval){0}));
        return 0;
    }
    redw_interval_text(v, text);
    must(redwi_text_interval(text, strlen(text), &again) == REDW_OK && equal(v, again));
    redwi_interval_put_postgres(&out, v);
    const char *bytes = (const char *)redwi_buf_front(&out);
    must(redwi_interval_postgres(bytes, redwi_buf_len(&out), &again) == REDW_OK && equal(v, again));
    must(type != 'p' || memcmp(p, bytes, n) == 0);
    if (!redwi_interval_us(v, &us)) {
        must(type == 'T' || type == 'p');
        return 0;
    }
    redwi_buf_cut(&out, 0);
    redwi_interval_put_redshift(&out, v);
    must(type != 'r' || memcmp(p, redwi_buf_front(&out), n) == 0);
    return 0;
}
