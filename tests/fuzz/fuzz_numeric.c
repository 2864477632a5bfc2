/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NUMERIC. The first byte says which reader: T the server's text, U a user's, p PostgreSQL's binary
 * form, r Redshift's, whose scale is the second byte. What is read is sound, and the same when it is
 * read again from each form it can be written in.
 */
#include "data/decode.h"
#include "data/numeric.h"
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

static int read_user(const char *p, size_t n, redw_decimal *v)
{
    char text[400];
    if (n >= sizeof text || memchr(p, 0, n))
        return REDW_EINVAL;
    memcpy(text, p, n);
    text[n] = '\0';
    return redw_decimal_parse(text, v);
}

static int read_as(char type, const char *p, size_t n, redw_decimal *v)
{
    *v = (redw_decimal){0};
    switch (type) {
    case 'T':
        return redwi_numeric_text(p, n, v);
    case 'U':
        return read_user(p, n, v);
    case 'p':
        return redwi_numeric_postgres(p, n, v);
    default:
        return n > 0 ? redwi_numeric_redshift(p + 1, n - 1, (uint8_t)*p, v) : REDW_EPROTOCOL;
    }
}

static bool equal(redw_decimal a, redw_decimal b)
{
    return a.hi == b.hi && a.lo == b.lo && a.scale == b.scale && a.precision == b.precision &&
           a.negative == b.negative && a.special == b.special;
}

/* Whatever their length, both forms of a number are read as doubles or not at all. */
static void as_double(char type, const char *p, size_t n, const redw_decimal *v)
{
    double d = 1;
    int rc = type == 'p' ? redwi_numeric_postgres_double(p, n, &d) : redwi_text_double(p, n, &d);
    must(rc == REDW_OK || d == 0);
    must(!v || rc == REDW_OK);
    if (v && v->special != REDW_NAN)
        must(d == redwi_numeric_to_double(*v));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    redw_decimal v, again;
    char text[REDW_DECIMAL_CHARS];
    int64_t whole;
    if (size < 1)
        return 0;
    if (!out.mem)
        redwi_buf_init(&out, &redwi_malloc, 4096);
    redwi_buf_cut(&out, 0);
    const char *p = (const char *)data + 1;
    size_t n = size - 1;
    char type = (char)data[0];
    int rc = read_as(type, p, n, &v);
    if (type == 'T' || type == 'p')
        as_double(type, p, n, rc == REDW_OK ? &v : NULL);
    if (rc != REDW_OK) {
        must(equal(v, (redw_decimal){0}));
        return 0;
    }
    must(!redwi_numeric_fault(v) && !(v.negative && v.hi == 0 && v.lo == 0 && v.special == REDW_FINITE));
    redw_decimal_text(v, text);
    must(redwi_numeric_text(text, strlen(text), &again) == REDW_OK && equal(v, again));
    must(redw_decimal_parse(text, &again) == REDW_OK && equal(v, again));
    redwi_numeric_put_postgres(&out, v);
    must(redwi_numeric_postgres((const char *)redwi_buf_front(&out), redwi_buf_len(&out), &again) ==
         REDW_OK);
    must(equal(v, again));
    if (redw_decimal_scaled(v, v.scale, &whole) == REDW_OK) {
        again = redwi_numeric_of_int64(whole);
        must(again.hi == v.hi && again.lo == v.lo && again.negative == v.negative);
    }
    if (v.special != REDW_FINITE)
        return 0;
    redwi_buf_cut(&out, 0);
    redwi_numeric_put_redshift(&out, v);
    const char *bytes = (const char *)redwi_buf_front(&out);
    must(redwi_numeric_redshift(bytes, redwi_buf_len(&out), v.scale, &again) == REDW_OK &&
         equal(v, again));
    return 0;
}
