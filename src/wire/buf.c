/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bounded buffer: where its bytes move, and the writer on top. Everything that can fail goes through
 * redwi_buf_room(); a put either finds its bytes of room there or does nothing.
 */
#include "wire/buf.h"

#include "wire/buffers.h"
#include "wire/mem.h"

/* The first allocation: it holds a login or a few short statements. */
#define CAP_MIN 2048u

void redwi_buf_init(struct redwi_buf *b, const struct redw_allocator *mem, size_t max)
{
    *b = (struct redwi_buf){.mem = mem, .max = max};
}

void redwi_buf_free(struct redwi_buf *b)
{
    /* All of cap, not only up to tail: a secret buffer may have been filled further than was added. */
    if (b->secret)
        redwi_wipe(b->data, b->cap);
    if (b->listed)
        redwi_resting_unlist(b->shared, b);
    redwi_free(b->mem, b->data);
    b->data = NULL;
    b->head = b->tail = b->cap = b->top = 0;
    b->failed = 0;
}

void redwi_buf_free_wiped(struct redwi_buf *b)
{
    redwi_wipe(b->data, b->top);
    redwi_buf_free(b);
}

static void compact(struct redwi_buf *b)
{
    size_t len = redwi_buf_len(b);
    if (!b->head)
        return;
    if (len)
        memmove(b->data, b->data + b->head, len);
    if (b->secret)
        redwi_wipe(b->data + len, b->tail - len);
    b->head = 0;
    b->tail = len;
}

/* The smallest doubling of the present size that holds `need`, which is at most max. */
static size_t grown_cap(const struct redwi_buf *b, size_t need)
{
    size_t cap = b->cap ? b->cap : CAP_MIN;
    while (cap < need)
        cap = cap > b->max / 2 ? b->max : cap * 2;
    return cap < b->max ? cap : b->max;
}

static bool grow(struct redwi_buf *b, size_t cap)
{
    if (b->shared && redwi_resting_take(b->shared, cap, b))
        return true;
    size_t len = redwi_buf_len(b);
    if (!b->secret) {
        compact(b);
        uint8_t *data = redwi_resize(b->mem, b->data, cap);
        if (!data)
            return false;
        b->data = data;
        b->cap = cap;
        return true;
    }
    /* Not resized: an allocator that moves the block would leave the old bytes behind. */
    uint8_t *data = redwi_alloc(b->mem, cap);
    if (!data)
        return false;
    if (len)
        memcpy(data, b->data + b->head, len);
    redwi_free_secret(b->mem, b->data, b->cap);
    b->data = data;
    b->head = 0;
    b->tail = len;
    b->cap = cap;
    return true;
}

uint8_t *redwi_buf_room(struct redwi_buf *b, size_t want, size_t *room)
{
    size_t len = redwi_buf_len(b);
    *room = 0;
    if (b->failed)
        return NULL;
    if (!want)
        want = 1;
    if (want > b->max - len) {
        b->failed = REDW_EFULL;
        return NULL;
    }
    if (want > b->cap - b->tail) {
        if (len + want <= b->cap) {
            compact(b);
        } else if (!grow(b, grown_cap(b, len + want))) {
            b->failed = REDW_ENOMEM;
            return NULL;
        }
    }
    *room = b->cap - b->tail;
    return b->data + b->tail;
}

void redwi_buf_wipe_front(struct redwi_buf *b, size_t n)
{
    if (n)
        redwi_wipe(b->data + b->head, n);
}

uint8_t *redwi_buf_put_slowly(struct redwi_buf *b, size_t n)
{
    size_t room;
    uint8_t *p = redwi_buf_room(b, n, &room);
    if (p)
        redwi_buf_added(b, n);
    return p;
}

void redwi_buf_bytes(struct redwi_buf *b, const void *p, size_t n)
{
    uint8_t *to = n ? redwi_buf_put(b, n) : NULL;
    if (to)
        memcpy(to, p, n);
}

void redwi_buf_text(struct redwi_buf *b, const char *s, size_t n)
{
    redwi_buf_bytes(b, s, n);
    redwi_buf_u8(b, 0);
}

size_t redwi_buf_message(struct redwi_buf *b, char type)
{
    uint8_t *p = redwi_buf_put(b, type ? 5 : 4);
    if (!p)
        return redwi_buf_mark(b);
    if (type)
        *p++ = (uint8_t)type;
    redwi_store32(p, 0);
    return redwi_buf_mark(b) - sizeof(uint32_t);
}

void redwi_buf_end(struct redwi_buf *b, size_t at)
{
    if (b->failed)
        return;
    size_t len = redwi_buf_mark(b) - at;
    if (len > REDWI_MESSAGE_MAX) {
        b->failed = REDW_EFULL;
        return;
    }
    redwi_store32(b->data + b->head + at, (uint32_t)len);
}

void redwi_buf_cut(struct redwi_buf *b, size_t mark)
{
    size_t len = redwi_buf_len(b);
    b->failed = 0;
    if (mark >= len)
        return;
    if (b->secret)
        redwi_wipe(b->data + b->head + mark, len - mark);
    b->tail = b->head + mark;
    if (b->head == b->tail)
        b->head = b->tail = 0;
}
