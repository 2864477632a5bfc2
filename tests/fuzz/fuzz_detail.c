/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DETAIL of Redshift's engine: any bytes. What comes out lies inside what went in.
 */
#include "wire/detail.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void must_lie_inside(redw_slice s, const char *text, size_t size)
{
    must(!s.ptr ||
         (s.ptr >= text && (size_t)(s.ptr - text) <= size && s.len <= size - (size_t)(s.ptr - text)));
    must(s.ptr || !s.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct redwi_detail d;
    redwi_detail_parse((redw_slice){text, size}, &d);
    const redw_slice parts[] = {d.error, d.context, d.location, d.process, d.error_id};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        must_lie_inside(parts[i], text, size);
    must(d.code >= 0 && (d.query == -1 || d.query > 0));
    must(d.kind == REDWI_DETAIL_BLOCK || (!d.code && d.query == -1 && d.error.ptr));
    return 0;
}
