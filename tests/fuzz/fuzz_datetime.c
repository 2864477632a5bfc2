/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates and times. The first byte says which reader: D, T, Z, S, I for the texts of date, time, timetz,
 * timestamp and timestamptz; d, t, z, s, i for their binary forms. What is read is in its type's range and
 * is read again from the text and from the bytes it is written as.
 */
#include "data/datetime.h"
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

static const char *bytes(void)
{
    return (const char *)redwi_buf_front(&out);
}

static void date(const char *p, size_t n, bool binary)
{
    redw_date v, again;
    char text[REDW_DATE_CHARS];
    if ((binary ? redwi_binary_date(p, n, &v) : redwi_text_date(p, n, &v)) != REDW_OK) {
        must(v.days == 0);
        return;
    }
    must(redwi_is_date(v));
    redw_date_text(v, text);
    must(redwi_text_date(text, strlen(text), &again) == REDW_OK && again.days == v.days);
    must(binary || n != 10 || memcmp(p, text, n) == 0);
    redwi_date_put(&out, v);
    must(redwi_binary_date(bytes(), redwi_buf_len(&out), &again) == REDW_OK && again.days == v.days);
    must(!binary || memcmp(p, bytes(), n) == 0);
}

static void time_of_day(const char *p, size_t n, bool binary)
{
    redw_time v, again;
    char text[REDW_TIME_CHARS];
    if ((binary ? redwi_binary_time(p, n, &v) : redwi_text_time(p, n, &v)) != REDW_OK) {
        must(v.us == 0);
        return;
    }
    must(redwi_is_time(v));
    redw_time_text(v, text);
    must(redwi_text_time(text, strlen(text), &again) == REDW_OK && again.us == v.us);
    redwi_time_put(&out, v);
    must(redwi_binary_time(bytes(), redwi_buf_len(&out), &again) == REDW_OK && again.us == v.us);
    must(!binary || memcmp(p, bytes(), n) == 0);
}

static void timetz(const char *p, size_t n, bool binary)
{
    redw_timetz v, again;
    char text[REDW_TIMETZ_CHARS];
    if ((binary ? redwi_binary_timetz(p, n, &v) : redwi_text_timetz(p, n, &v)) != REDW_OK) {
        must(v.us == 0 && v.offset_s == 0);
        return;
    }
    must(redwi_is_timetz(v));
    redw_timetz_text(v, text);
    must(redwi_text_timetz(text, strlen(text), &again) == REDW_OK);
    must(again.us == v.us && again.offset_s == v.offset_s);
    redwi_timetz_put(&out, v);
    must(redwi_binary_timetz(bytes(), redwi_buf_len(&out), &again) == REDW_OK);
    must(again.us == v.us && again.offset_s == v.offset_s);
    must(!binary || memcmp(p, bytes(), n) == 0);
}

static void timestamp(const char *p, size_t n, bool binary)
{
    redw_timestamp v, again;
    char text[REDW_TIMESTAMP_CHARS];
    if ((binary ? redwi_binary_timestamp(p, n, &v) : redwi_text_timestamp(p, n, &v)) != REDW_OK) {
        must(v.us == 0);
        return;
    }
    must(redwi_is_timestamp(v.us));
    redw_timestamp_text(v, text);
    must(redwi_text_timestamp(text, strlen(text), &again) == REDW_OK && again.us == v.us);
    redwi_timestamp_put(&out, v.us);
    must(redwi_binary_timestamp(bytes(), redwi_buf_len(&out), &again) == REDW_OK && again.us == v.us);
    must(!binary || memcmp(p, bytes(), n) == 0);
}

static void timestamptz(const char *p, size_t n, bool binary)
{
    redw_timestamptz v, again;
    char text[REDW_TIMESTAMP_CHARS];
    if ((binary ? redwi_binary_timestamptz(p, n, &v) : redwi_text_timestamptz(p, n, &v)) != REDW_OK) {
        must(v.us == 0);
        return;
    }
    must(redwi_is_timestamp(v.us));
    redw_timestamptz_text(v, text);
    must(redwi_text_timestamptz(text, strlen(text), &again) == REDW_OK && again.us == v.us);
    redwi_timestamp_put(&out, v.us);
    must(!binary || memcmp(p, bytes(), n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if (!out.mem)
        redwi_buf_init(&out, &redwi_malloc, 4096);
    redwi_buf_cut(&out, 0);
    const char *p = (const char *)data + 1;
    size_t n = size - 1;
    bool binary = data[0] >= 'a';
    switch (data[0] & ~0x20) {
    case 'D':
        date(p, n, binary);
        break;
    case 'T':
        time_of_day(p, n, binary);
        break;
    case 'Z':
        timetz(p, n, binary);
        break;
    case 'S':
        timestamp(p, n, binary);
        break;
    case 'I':
        timestamptz(p, n, binary);
        break;
    default:
        break;
    }
    return 0;
}
