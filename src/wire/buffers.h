/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of buffers that are empty, kept for the next that is not: connections of one client share what only
 * those need that have bytes on their way, and a short answer is received into memory that is warm from the
 * one before. The newest comes first. One per client; not for several threads.
 *
 * What is kept belongs to nobody, and what was taken to whoever took it: it may be resized or freed like any
 * other block of the allocator, and need not come back. What comes back may be kept or freed.
 *
 * Bytes stay in a kept block: they go from one connection to another of the same client, in one process, where
 * whoever reads the block reads what it received and no further. Before a block is freed its bytes are wiped up
 * to the mark that came with it. What the login brings is wiped by the session before it gives a block.
 */
#ifndef REDWI_WIRE_BUFFERS_H
#define REDWI_WIRE_BUFFERS_H

#include <redw/base.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REDWI_SPARE_CAP_MAX  ((size_t)64 * 1024) /* of one block: the usual input */
#define REDWI_SPARES_MAX     16                  /* blocks kept */

struct redwi_spare {
    uint8_t *data;
    size_t cap;
    size_t top; /* how far it may have been filled with what is to be wiped */
};

struct redwi_spares {
    const struct redw_allocator *mem;
    size_t left;     /* bytes that may be kept besides what is */
    unsigned count;
    struct redwi_spare kept[REDWI_SPARES_MAX];
};

/* A block of `least` bytes or more; false: none is kept. Allocates nothing. */
bool redwi_spares_take(struct redwi_spares *s, size_t least, struct redwi_spare *out);
/* Takes the block, which the same allocator gave: kept, or wiped and freed. data NULL: there is none. */
void redwi_spares_give(struct redwi_spares *s, const struct redwi_spare *block);

struct redwi_buffers {
    struct redwi_spares in;  /* what was received: 64 KiB each, 256 KiB together */
    struct redwi_spares out; /* what is to be sent: 64 KiB together */
};

void redwi_buffers_init(struct redwi_buffers *b, const struct redw_allocator *mem);
void redwi_buffers_free(struct redwi_buffers *b); /* all that is kept; it is empty and usable */

#endif
