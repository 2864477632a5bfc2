/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list, searched from its beginning: a server reports about eighteen names (docs/redshift/protocol.md,
 * "What the server reports"), and hashes are compared before letters. Called by the session only.
 */
#include "wire/parameters.h"

#include "wire/mem.h"

#include <string.h>

#define CAP_FIRST 16 /* what PostgreSQL reports; Redshift, a few more */

void redwi_parameters_init(struct redwi_parameters *p, const struct redw_allocator *mem)
{
    *p = (struct redwi_parameters){.mem = mem};
}

void redwi_parameters_free(struct redwi_parameters *p)
{
    for (size_t i = 0; i < p->count; i++)
        redwi_free(p->mem, p->kept[i].name);
    redwi_free(p->mem, p->kept);
    redwi_parameters_init(p, p->mem);
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

bool redwi_parameters_same_name(const char *a, size_t an, const char *b, size_t bn)
{
    if (an != bn)
        return false;
    for (size_t i = 0; i < an; i++) {
        if (lower(a[i]) != lower(b[i]))
            return false;
    }
    return true;
}

/* FNV-1a. A server that makes names collide slows down its own connection, 64 comparisons a message. */
static uint32_t hash_of(const char *name, size_t n)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ lower(name[i])) * 16777619u;
    return h;
}

static size_t find(const struct redwi_parameters *p, uint32_t hash, const char *name, size_t n)
{
    size_t i = 0;
    while (i < p->count && !(p->kept[i].hash == hash &&
                             redwi_parameters_same_name(p->kept[i].name, p->kept[i].name_len, name, n)))
        i++;
    return i;
}

static size_t bytes_of(const struct redwi_parameter *q)
{
    return (size_t)q->name_len + 1 + q->value_len + 1;
}

/* Room for one more. */
static bool reserve(struct redwi_parameters *p)
{
    if (p->count < p->cap)
        return true;
    size_t cap = p->cap ? p->cap * 2 : CAP_FIRST;
    struct redwi_parameter *kept = redwi_resize(p->mem, p->kept, cap * sizeof *kept);
    if (!kept)
        return false;
    p->kept = kept;
    p->cap = cap;
    return true;
}

static void drop(struct redwi_parameters *p, size_t i)
{
    p->bytes -= bytes_of(&p->kept[i]);
    redwi_free(p->mem, p->kept[i].name);
    p->kept[i] = p->kept[--p->count];
}

int redwi_parameters_set(struct redwi_parameters *p, redw_slice name, redw_slice value)
{
    uint32_t hash = hash_of(name.ptr, name.len);
    size_t i = find(p, hash, name.ptr, name.len), bytes = name.len + 1 + value.len + 1;
    size_t had = i < p->count ? bytes_of(&p->kept[i]) : 0;
    if (i == REDWI_PARAMETERS_KEPT || bytes > REDWI_PARAMETERS_BYTES - (p->bytes - had)) {
        if (i < p->count)
            drop(p, i);
        p->not_kept++;
        return 0;
    }
    struct redwi_parameter q = {
        .hash = hash, .name_len = (uint32_t)name.len, .value_len = (uint32_t)value.len};
    if (i == p->count && !reserve(p))
        return REDW_ENOMEM;
    q.name = redwi_alloc(p->mem, bytes);
    if (!q.name)
        return REDW_ENOMEM;
    memcpy(q.name, name.ptr, name.len);
    q.name[name.len] = '\0';
    memcpy(q.name + name.len + 1, value.ptr, value.len);
    q.name[bytes - 1] = '\0';
    if (i < p->count)
        drop(p, i);
    p->kept[p->count++] = q;
    p->bytes += bytes;
    return 0;
}

const char *redwi_parameters_get(const struct redwi_parameters *p, const char *name)
{
    size_t n = strlen(name), i = find(p, hash_of(name, n), name, n);
    return i < p->count ? p->kept[i].name + p->kept[i].name_len + 1 : NULL;
}
