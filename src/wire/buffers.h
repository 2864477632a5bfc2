/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which buffers of a client have memory that they do not need now. A buffer in which nothing is, or only the
 * beginning of a message, rests: it keeps its memory, but another may take it away, and then the beginning moves
 * into a small block. Beyond a few that rest, empty ones have none. So memory follows the bytes that are on their
 * way: connections at rest have none, many streams share a block that stays in the processor's caches, and a
 * connection that is busy alone keeps its own at the cost of a look at two flags.
 *
 * The lists own nothing: each block is one buffer's, which may resize and free it like any other of the
 * allocator, the same for all buffers of a list. A buffer is listed at most once, and redwi_buf_free() unlists
 * it. One pair per client; not for several threads.
 *
 * What was received stays in a block that is taken over: it goes from one connection to another of the same
 * client, which reads what it received itself and no further. `top` goes along, and up to there it is wiped
 * when the block is freed. What a login brought is wiped by the session before its buffer rests.
 */
#ifndef REDWI_WIRE_BUFFERS_H
#define REDWI_WIRE_BUFFERS_H

#include "wire/buf.h"

#define REDWI_RESTING_MAX 16
#define REDWI_REST_MAX   ((size_t)2048) /* bytes that may be in a buffer from which memory is taken */

struct redwi_resting {
    unsigned keep;  /* buffers listed, at most */
    unsigned count;
    struct redwi_buf *of[REDWI_RESTING_MAX]; /* the newest last; some may be in use again */
};

struct redwi_buffers {
    struct redwi_resting in;  /* of up to 64 KiB: 4 */
    struct redwi_resting out; /* of up to 16 KiB: 16, as many connections may write in one turn of the loop */
};

void redwi_buffers_init(struct redwi_buffers *b);

/* The memory of the newest buffer at rest that has at least so many bytes, and not more than b may have, becomes
 * b's, with what is in b; false: there is none. */
bool redwi_resting_take(struct redwi_resting *s, size_t least, struct redwi_buf *b);

/* For buf.h and buf.c. */
void redwi_resting_list(struct redwi_resting *s, struct redwi_buf *b);
void redwi_resting_unlist(struct redwi_resting *s, struct redwi_buf *b);

/* No view into the buffer is left: others may have its memory until the owner says that it does not rest.
 * b->shared is not NULL. */
static inline void redwi_buf_rest(struct redwi_buf *b)
{
    b->resting = true;
    if (!b->listed)
        redwi_resting_list(b->shared, b);
}

#endif
