/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last RowDescription, compared and kept. Called by the session only.
 */
#include "wire/description.h"

#include "wire/mem.h"

void redwi_description_init(struct redwi_description *d, const struct redw_allocator *mem)
{
    *d = (struct redwi_description){.mem = mem};
}

void redwi_description_free(struct redwi_description *d)
{
    redwi_free(d->mem, d->kept);
    redwi_description_init(d, d->mem);
}

/* Only if there is memory: it is no need. */
static void keep(struct redwi_description *d, const uint8_t *body, size_t len, unsigned version)
{
    if (len > REDWI_DESCRIPTION_KEPT)
        return;
    if (len > d->cap) {
        uint8_t *kept = redwi_resize(d->mem, d->kept, len);
        if (!kept)
            return;
        d->kept = kept;
        d->cap = len;
    }
    memcpy(d->kept, body, len);
    d->len = len;
    d->version = version;
    d->columns.serial = ++d->serials;
}

bool redwi_description_check(struct redwi_description *d, const uint8_t *body, size_t len, unsigned version)
{
    if (!redwi_be_row_description(body, len, version, &d->columns))
        return false;
    keep(d, body, len, version);
    return true;
}
