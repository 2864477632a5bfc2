/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quoting: what is accepted is between its quotes, no quote stands alone there, no backslash escapes,
 * and undoubled it is the input; what is refused writes nothing. A name without quotes is one word.
 */
#include "data/quote.h"
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

/* Undoubles what was written, and compares. */
static void check(int rc, char quote, char other, const char *p, size_t n)
{
    size_t len = redwi_buf_len(&out), k = 0;
    if (rc != REDW_OK) {
        must(len == 0);
        return;
    }
    const char *q = (const char *)redwi_buf_front(&out);
    must(!out.failed && len >= 2 && q[0] == quote && q[len - 1] == quote);
    for (size_t i = 1; i < len - 1; i++, k++) {
        must(k < n && q[i] == p[k]);
        if (q[i] == quote || q[i] == other) {
            must(i + 1 < len - 1 && q[i + 1] == q[i]);
            i++;
        }
    }
    must(k == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    if (!out.mem)
        redwi_buf_init(&out, &redwi_malloc, (size_t)1 << 24);
    redwi_buf_cut(&out, 0);
    check(redwi_quote_literal(&out, p, size), '\'', '\\', p, size);
    redwi_buf_cut(&out, 0);
    int rc = redwi_quote_identifier(&out, p, size);
    check(rc, '"', '"', p, size);
    if (redwi_is_identifier(p, size)) {
        must(rc == REDW_OK && !redwi_is_reserved(p, size));
        for (size_t i = 0; i < size; i++)
            must(p[i] != '\0' && !strchr(" \t\n\v\f\r'\"\\;:,.()[]{}+-*/<>=~!@#%^&|`?", p[i]));
    }
    return 0;
}
