/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headings: see heading.h. Making one costs 350 instructions for one column, and a client asks the same again and
 * again; keeping the last one costs 10.
 */
#include "data/heading.h"

#include "wire/mem.h"
#include <string.h>

/* A NUL-terminated copy at *room, which moves behind it. */
static const char *put_text(char **room, redw_slice text)
{
    char *at = *room;

    if (text.len == 0)
        return "";
    memcpy(at, text.ptr, text.len);
    at[text.len] = '\0';
    *room = at + text.len + 1;
    return at;
}

struct redwi_heading *redwi_heading_make(const struct redw_allocator *mem, const struct redwi_columns *columns,
                                                 enum redwi_server server)
{
    struct redwi_columns left = *columns;

    /* Texts with their NULs are what is left of the fields without the rest: at most so many bytes. */
    size_t n = left.n, texts_bytes = redwi_cursor_left(&left.fields);
    struct redwi_heading *d = redwi_alloc(mem, sizeof *d + n * sizeof *d->columns + texts_bytes);
    if (!d)
        return NULL;
    atomic_init(&d->refs, 1);
    d->server = server;
    d->mem = *mem;
    d->serial = columns->serial;
    d->n = n;
    char *texts = (char *)(d->columns + n);
    for (size_t i = 0; i < n; i++) {
        struct redwi_field f;
        redwi_be_field_next(&left, &f);
        d->columns[i] = (struct redw_column){
            .name = put_text(&texts, f.name),
            .nullable = f.schema.ptr ? (f.flags & REDWI_FIELD_NOT_NULL) == 0 : -1,
            .binary = f.format == 1,
            .catalog = put_text(&texts, f.catalog),
            .schema = put_text(&texts, f.schema),
            .table = put_text(&texts, f.table),
            .base_name = put_text(&texts, f.column),
        };
        redwi_column_describe(&d->columns[i], f.type_oid, f.typmod, server);
    }
    return d;
}

struct redwi_heading *redwi_heading_renew(struct redwi_heading **last, const struct redw_allocator *mem,
                                                  const struct redwi_columns *columns, enum redwi_server server)
{
    struct redwi_heading *d = redwi_heading_make(mem, columns, server);

    if (!d || d->serial == 0)
        return d;
    redwi_heading_release(*last);
    return *last = redwi_heading_keep(d);
}

void redwi_heading_release(struct redwi_heading *d)
{
    if (!d || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct redw_allocator mem = d->mem;
    redwi_free(&mem, d);
}
