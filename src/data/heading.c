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
    struct redwi_heading *h = redwi_alloc(mem, sizeof *h + n * sizeof *h->columns + texts_bytes);
    if (!h)
        return NULL;
    atomic_init(&h->refs, 1);
    h->server = server;
    h->mem = *mem;
    h->serial = columns->serial;
    h->n = n;
    char *texts = (char *)(h->columns + n);
    for (size_t i = 0; i < n; i++) {
        struct redwi_field f;
        redwi_be_field_next(&left, &f);
        h->columns[i] = (struct redw_column){
            .name = put_text(&texts, f.name),
            .nullable = f.schema.ptr ? (f.flags & REDWI_FIELD_NOT_NULL) == 0 : -1,
            .binary = f.format == 1,
            .catalog = put_text(&texts, f.catalog),
            .schema = put_text(&texts, f.schema),
            .table = put_text(&texts, f.table),
            .base_name = put_text(&texts, f.column),
        };
        redwi_column_describe(&h->columns[i], f.type_oid, f.typmod, server);
    }
    return h;
}

struct redwi_heading *redwi_heading_renew(struct redwi_heading **last, const struct redw_allocator *mem,
                                          const struct redwi_columns *columns, enum redwi_server server)
{
    struct redwi_heading *h = redwi_heading_make(mem, columns, server);

    if (!h || h->serial == 0)
        return h;
    redwi_heading_release(*last);
    return *last = redwi_heading_keep(h);
}

void redwi_heading_release(struct redwi_heading *h)
{
    if (!h || atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct redw_allocator mem = h->mem;
    redwi_free(&mem, h);
}
