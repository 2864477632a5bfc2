/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded byte buffer: bytes are added at the end and taken from the front.
 *
 *      data        data+head            data+tail          data+cap   <= max
 *       |  taken   |  waiting to be taken |   free room    |
 *
 * As a receive buffer:   p = redwi_buf_room(b, want, &room); ...fill...; redwi_buf_added(b, n);
 *                        ...look at redwi_buf_front()...;    redwi_buf_take(b, n);
 * As a writer:           at = redwi_buf_message(b, 'Q'); redwi_buf_text(b, sql); redwi_buf_end(b, at);
 *
 * The writer fails stickily: after a failed growth every put is a no-op, and one look at b->failed at
 * the end tells. redwi_buf_cut() takes back what was written since a mark and clears the failure.
 * Invariant: head <= tail <= cap <= max. Moving bytes (compaction, growth) happens only in
 * redwi_buf_room() and the puts, so views into the buffer live until the next of those.
 *
 * Several may share their memory (wire/buffers.h): while one of them rests, another may take it.
 */
#ifndef REDWI_WIRE_BUF_H
#define REDWI_WIRE_BUF_H

#include <redw/base.h>
#include <string.h>

struct redwi_resting;

struct redwi_buf {
    const struct redw_allocator *mem;
    uint8_t *data;
    size_t head, tail, cap;
    size_t max;   /* bytes the buffer may ever hold */
    int failed;   /* 0, REDW_ENOMEM (no memory) or REDW_EFULL (would pass max) */
    bool secret;  /* bytes are wiped when taken, moved, grown and freed */
    size_t top;   /* the owner's: how far it was ever filled with what is to be wiped at last */
    struct redwi_resting *shared; /* NULL: memory is not shared */
    bool resting, listed;        /* wire/buffers.h */
};

void redwi_buf_init(struct redwi_buf *b, const struct redw_allocator *mem, size_t max);
void redwi_buf_free(struct redwi_buf *b); /* frees the memory; the buffer is empty and usable */
void redwi_buf_free_wiped(struct redwi_buf *b); /* the same, wiped up to `top` */

/* What waits; NULL only while the buffer has no memory, and so nothing waits. */
static inline const uint8_t *redwi_buf_front(const struct redwi_buf *b)
{
    return b->data ? b->data + b->head : NULL;
}
static inline size_t redwi_buf_len(const struct redwi_buf *b)
{
    return b->tail - b->head;
}

/* Room for at least `want` bytes at the end, *room is what there is; NULL and b->failed set when there
 * is none to be had. Compacts before it grows; grows by doubling. */
uint8_t *redwi_buf_room(struct redwi_buf *b, size_t want, size_t *room);
static inline void redwi_buf_added(struct redwi_buf *b, size_t n)
{
    b->tail += n;
}
/* PostgreSQL keeps messages below this (MaxAllocSize); the length word counts itself. */
#define REDWI_MESSAGE_MAX 0x3fffffffu

void redwi_buf_wipe_front(struct redwi_buf *b, size_t n); /* for redwi_buf_take() */

/* n <= len; an emptied buffer starts over at 0. The first is for buffers that are not secret ones. */
static inline void redwi_buf_take_plain(struct redwi_buf *b, size_t n)
{
    b->head += n;
    if (b->head == b->tail)
        b->head = b->tail = 0;
}
static inline void redwi_buf_take(struct redwi_buf *b, size_t n)
{
    if (b->secret)
        redwi_buf_wipe_front(b, n);
    redwi_buf_take_plain(b, n);
}

/* The writer. */

uint8_t *redwi_buf_put_slowly(struct redwi_buf *b, size_t n); /* for redwi_buf_put() */

/* n bytes at the end, already counted as added, to be written now; NULL when there is no room or the
 * writer has failed. */
static inline uint8_t *redwi_buf_put(struct redwi_buf *b, size_t n)
{
    if (b->failed || n > b->cap - b->tail)
        return redwi_buf_put_slowly(b, n);
    uint8_t *p = b->data + b->tail;
    b->tail += n;
    return p;
}

/* Integers in network order. In place: a parameter of a batch is three of them. */
static inline void redwi_store16(uint8_t *p, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, sizeof v);
}
static inline void redwi_store32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof v);
}
static inline void redwi_buf_u8(struct redwi_buf *b, uint8_t v)
{
    uint8_t *p = redwi_buf_put(b, sizeof v);
    if (p)
        *p = v;
}
static inline void redwi_buf_u16(struct redwi_buf *b, uint16_t v)
{
    uint8_t *p = redwi_buf_put(b, sizeof v);
    if (p)
        redwi_store16(p, v);
}
static inline void redwi_buf_u32(struct redwi_buf *b, uint32_t v)
{
    uint8_t *p = redwi_buf_put(b, sizeof v);
    if (p)
        redwi_store32(p, v);
}
static inline void redwi_buf_u64(struct redwi_buf *b, uint64_t v)
{
    uint8_t *p = redwi_buf_put(b, sizeof v);
    v = __builtin_bswap64(v);
    if (p)
        memcpy(p, &v, sizeof v);
}
void redwi_buf_bytes(struct redwi_buf *b, const void *p, size_t n);
void redwi_buf_text(struct redwi_buf *b, const char *s, size_t n); /* n bytes and a NUL */

/* A message: type byte (0: none, as in StartupMessage) and a length that redwi_buf_end fills in. The
 * value returned is relative to the front, so that it survives growth. A message longer than
 * 1 GiB - 1 fails stickily with REDW_EFULL. */
size_t redwi_buf_message(struct redwi_buf *b, char type);
void redwi_buf_end(struct redwi_buf *b, size_t at);

/* Where the writer stands, relative to the front; and back to there. */
static inline size_t redwi_buf_mark(const struct redwi_buf *b)
{
    return b->tail - b->head;
}
void redwi_buf_cut(struct redwi_buf *b, size_t mark);

#endif
