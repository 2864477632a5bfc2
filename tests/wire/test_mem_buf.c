/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory and the bounded buffer. The allocator of these tests knows the size of each block, counts,
 * fails on demand, and looks into every block that is given back or moved.
 */
#include "wire/buf.h"
#include "wire/mem.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* ---- the watching allocator ---- */

struct watch {
    size_t live, calls, resizes;
    size_t fail_at; /* the call that fails, counted from 1; 0: none */
    size_t dirty;   /* blocks given back or moved while they held anything but zero bytes */
};

union header {
    size_t bytes;
    max_align_t align;
};

static bool fails(struct watch *w)
{
    w->calls++;
    return w->fail_at && w->calls == w->fail_at;
}

static void look(struct watch *w, const union header *h)
{
    const unsigned char *p = (const unsigned char *)(h + 1);
    for (size_t i = 0; i < h->bytes; i++) {
        if (p[i]) {
            w->dirty++;
            return;
        }
    }
}

static void *watch_alloc(void *ctx, size_t bytes)
{
    struct watch *w = ctx;
    if (fails(w))
        return NULL;
    union header *h = malloc(sizeof *h + bytes);
    ck_assert_ptr_nonnull(h);
    h->bytes = bytes;
    w->live++;
    return memset(h + 1, 0, bytes); /* what is not zero later was written */
}

static void watch_release(void *ctx, void *ptr)
{
    struct watch *w = ctx;
    if (!ptr)
        return;
    union header *h = (union header *)ptr - 1;
    look(w, h);
    w->live--;
    free(h);
}

/* Always moves, so that whoever keeps a pointer into the old block is caught by the sanitizer. */
static void *watch_resize(void *ctx, void *ptr, size_t bytes)
{
    struct watch *w = ctx;
    w->resizes++;
    void *now = watch_alloc(ctx, bytes);
    if (!now || !ptr)
        return now;
    size_t had = ((union header *)ptr - 1)->bytes;
    memcpy(now, ptr, had < bytes ? had : bytes);
    watch_release(ctx, ptr);
    return now;
}

static struct redw_allocator watched(struct watch *w)
{
    *w = (struct watch){0};
    return (struct redw_allocator){sizeof(struct redw_allocator), w, watch_alloc, watch_resize,
                                   watch_release};
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* ---- memory ---- */

START_TEST(memory_sizes_are_checked_and_zero_is_a_size)
{
    struct watch w;
    struct redw_allocator mem = watched(&w);

    void *nothing = redwi_alloc(&mem, 0);
    ck_assert_ptr_nonnull(nothing);
    nothing = redwi_resize(&mem, nothing, 0);
    ck_assert_ptr_nonnull(nothing);
    redwi_free(&mem, nothing);
    redwi_free(&mem, NULL);
    redwi_free_secret(&mem, NULL, 10);

    size_t calls = w.calls;
    ck_assert_ptr_null(redwi_alloc_array(&mem, SIZE_MAX / 2, 3));
    ck_assert_ptr_null(redwi_alloc_array(&mem, (size_t)1 << 32, (size_t)1 << 32));
    ck_assert_ptr_null(redwi_copy_text(&mem, "x", SIZE_MAX));
    ck_assert_uint_eq(w.calls, calls); /* refused before anything was asked for */

    unsigned char *zeroed = redwi_alloc_array(&redwi_malloc, 100, 7);
    for (size_t i = 0; i < 700; i++)
        ck_assert_uint_eq(zeroed[i], 0);
    zeroed = redwi_resize(&redwi_malloc, zeroed, 7000);
    ck_assert_ptr_nonnull(zeroed);
    redwi_free(&redwi_malloc, zeroed);
    void *none = redwi_alloc_array(&redwi_malloc, 0, 0);
    ck_assert_ptr_nonnull(none);
    redwi_free(&redwi_malloc, none);

    w.fail_at = w.calls + 1;
    ck_assert_ptr_null(redwi_alloc(&mem, 1));
    w.fail_at = w.calls + 1;
    ck_assert_ptr_null(redwi_alloc_array(&mem, 1, 1));
    w.fail_at = w.calls + 1;
    ck_assert_ptr_null(redwi_copy_text(&mem, "x", 1));
    ck_assert_uint_eq(w.live, 0);
}
END_TEST

START_TEST(copied_text_is_the_same_bytes_and_ends_in_nul)
{
    static const char with_nul[] = "a\0b";
    char *copy = redwi_copy_text(&redwi_malloc, with_nul, 3);
    ck_assert_mem_eq(copy, with_nul, 4);
    redwi_free(&redwi_malloc, copy);
    copy = redwi_copy_text(&redwi_malloc, NULL, 0);
    ck_assert_str_eq(copy, "");
    redwi_free(&redwi_malloc, copy);
}
END_TEST

START_TEST(secrets_are_wiped_before_they_are_given_back)
{
    struct watch w;
    struct redw_allocator mem = watched(&w);
    char *p = redwi_copy_text(&mem, "correct horse", 13);
    redwi_free_secret(&mem, p, 14);
    ck_assert_uint_eq(w.dirty, 0);

    p = redwi_copy_text(&mem, "correct horse", 13);
    redwi_wipe(p, 5);
    ck_assert_mem_eq(p, "\0\0\0\0\0ct horse", 13);
    redwi_wipe(NULL, 0);
    redwi_free(&mem, p); /* the watcher does see what is left */
    ck_assert_uint_eq(w.dirty, 1);
    ck_assert_uint_eq(w.live, 0);
}
END_TEST

/* ---- the buffer as a queue of bytes ---- */

START_TEST(room_starts_at_half_a_page_doubles_and_stops_at_max)
{
    struct watch w;
    struct redw_allocator mem = watched(&w);
    struct redwi_buf b;
    size_t room;
    redwi_buf_init(&b, &mem, 10000);
    ck_assert_uint_eq(redwi_buf_len(&b), 0);
    ck_assert_uint_eq(w.calls, 0); /* an idle buffer costs nothing */

    ck_assert_ptr_nonnull(redwi_buf_room(&b, 1, &room));
    ck_assert_uint_eq(room, 2048);
    redwi_buf_added(&b, 2048);
    ck_assert_ptr_nonnull(redwi_buf_room(&b, 1, &room));
    ck_assert_uint_eq(room, 2048);
    redwi_buf_added(&b, 2048);
    ck_assert_ptr_nonnull(redwi_buf_room(&b, 1, &room));
    ck_assert_uint_eq(room, 4096);
    redwi_buf_added(&b, 4096);
    ck_assert_ptr_nonnull(redwi_buf_room(&b, 1, &room));
    ck_assert_uint_eq(room, 10000 - 8192);
    redwi_buf_added(&b, room);

    ck_assert_ptr_null(redwi_buf_room(&b, 1, &room));
    ck_assert_uint_eq(room, 0);
    ck_assert_int_eq(b.failed, REDW_EFULL);
    ck_assert_uint_eq(redwi_buf_len(&b), 10000); /* what is in stays in */
    redwi_buf_free(&b);
    ck_assert_int_eq(b.failed, 0);
    ck_assert_uint_eq(w.live, 0);

    /* Freed is as good as new. */
    ck_assert_ptr_nonnull(redwi_buf_room(&b, 10000, &room));
    ck_assert_uint_eq(room, 10000);
    redwi_buf_free(&b);

    /* A maximum below a page, and a want that is asked for at once. */
    redwi_buf_init(&b, &mem, 100);
    ck_assert_ptr_nonnull(redwi_buf_room(&b, 0, &room));
    ck_assert_uint_eq(room, 100);
    redwi_buf_free(&b);
    redwi_buf_init(&b, &mem, (size_t)1 << 20);
    ck_assert_ptr_nonnull(redwi_buf_room(&b, 65536, &room));
    ck_assert_uint_eq(room, 65536);
    redwi_buf_free(&b);
    ck_assert_uint_eq(w.live, 0);
}
END_TEST

START_TEST(sizes_that_would_wrap_are_refused)
{
    struct redwi_buf b;
    size_t room;
    static const size_t wants[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 4096, SIZE_MAX / 2 + 1};
    for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++) {
        redwi_buf_init(&b, &redwi_malloc, SIZE_MAX / 2);
        redwi_buf_u64(&b, 1);
        ck_assert_ptr_null(redwi_buf_room(&b, wants[i], &room));
        ck_assert_int_eq(b.failed, REDW_EFULL);
        redwi_buf_free(&b);
    }
    /* Growth towards a maximum that doubling would pass by far: clamped, and then only memory is short.
     */
    struct watch w;
    struct redw_allocator mem = watched(&w);
    redwi_buf_init(&b, &mem, SIZE_MAX);
    w.fail_at = 1;
    ck_assert_ptr_null(redwi_buf_room(&b, SIZE_MAX, &room));
    ck_assert_int_eq(b.failed, REDW_ENOMEM);
    redwi_buf_free(&b);
}
END_TEST

START_TEST(compaction_comes_before_growth)
{
    struct watch w;
    struct redw_allocator mem = watched(&w);
    struct redwi_buf b;
    size_t room;
    redwi_buf_init(&b, &mem, 1 << 20);
    ck_assert_ptr_nonnull(redwi_buf_room(&b, 4096, &room));
    for (unsigned i = 0; i < 2048; i++)
        redwi_buf_u16(&b, (uint16_t)i);
    ck_assert_uint_eq(b.cap, 4096);
    redwi_buf_take(&b, 4000);
    ck_assert_ptr_nonnull(redwi_buf_room(&b, 4000, &room));
    ck_assert_uint_eq(b.cap, 4096);
    ck_assert_uint_eq(w.calls, 1);
    ck_assert_uint_eq(room, 4000);
    ck_assert_uint_eq(redwi_buf_len(&b), 96);
    ck_assert_mem_eq(redwi_buf_front(&b), "\x07\xd0\x07\xd1", 4);
    redwi_buf_take(&b, 96); /* emptied: starts over */
    ck_assert_uint_eq(b.tail, 0);
    redwi_buf_take(&b, 0);
    redwi_buf_free(&b);
    ck_assert_uint_eq(w.live, 0);
}
END_TEST

START_TEST(a_failed_growth_loses_nothing_and_sticks_until_cut)
{
    for (int secret = 0; secret < 2; secret++) {
        struct watch w;
        struct redw_allocator mem = watched(&w);
        struct redwi_buf b;
        redwi_buf_init(&b, &mem, 1 << 20);
        b.secret = secret;
        redwi_buf_bytes(&b, "kept", 4);
        size_t mark = redwi_buf_mark(&b);
        w.fail_at = w.calls + 1;
        static const char big[5000];
        redwi_buf_bytes(&b, "and", 3);
        redwi_buf_bytes(&b, big, sizeof big);
        ck_assert_int_eq(b.failed, REDW_ENOMEM);
        size_t stuck = redwi_buf_len(&b);
        redwi_buf_u8(&b, 1);
        redwi_buf_u16(&b, 1);
        redwi_buf_u32(&b, 1);
        redwi_buf_u64(&b, 1);
        redwi_buf_text(&b, "x", 1);
        size_t at = redwi_buf_message(&b, 'Q');
        redwi_buf_end(&b, at);
        ck_assert_uint_eq(redwi_buf_len(&b), stuck);
        ck_assert_int_eq(b.failed, REDW_ENOMEM);
        redwi_buf_cut(&b, mark);
        ck_assert_int_eq(b.failed, 0);
        redwi_buf_bytes(&b, " and more", 9);
        ck_assert_int_eq(b.failed, 0);
        ck_assert_uint_eq(redwi_buf_len(&b), 13);
        ck_assert_mem_eq(redwi_buf_front(&b), "kept and more", 13);
        redwi_buf_free(&b);
        ck_assert_uint_eq(w.live, 0);
    }
}
END_TEST

static bool agrees(const struct redwi_buf *b, const uint8_t *model, size_t n)
{
    if (b->failed || b->head > b->tail || b->tail > b->cap || b->cap > b->max || redwi_buf_len(b) != n)
        return false;
    if (n && memcmp(redwi_buf_front(b), model, n) != 0)
        return false;
    /* A secret leaves no byte outside of what waits. */
    for (size_t i = 0; b->secret && i < b->cap; i++) {
        if (b->data[i] && (i < b->head || i >= b->tail))
            return false;
    }
    return true;
}

/* Whatever the order of adding, taking, marking and cutting: the bytes are those of a plain array. */
START_TEST(any_sequence_of_operations_agrees_with_a_plain_array)
{
    enum { MAX = 9000, STEPS = 20000 };
    static uint8_t model[MAX];
    size_t model_len = 0;
    uint32_t seed = 1;
    for (int secret = 0; secret < 2; secret++) {
        struct watch w;
        struct redw_allocator mem = watched(&w);
        struct redwi_buf b;
        redwi_buf_init(&b, &mem, MAX);
        b.secret = secret;
        model_len = 0;
        unsigned refused = 0;
        for (int step = 0; step < STEPS; step++) {
            size_t n = next_random(&seed) % (step % 100 ? 200 : 6000);
            switch (next_random(&seed) % 4) {
            case 0: { /* add */
                size_t room;
                uint8_t *p = redwi_buf_room(&b, n, &room);
                bool fits = (n ? n : 1) <= MAX - model_len;
                if (fits != (p != NULL) || room < (fits ? n : 0) || b.failed != (fits ? 0 : REDW_EFULL))
                    ck_abort_msg("room for %zu of %zu", n, MAX - model_len);
                if (!p) {
                    refused++;
                    redwi_buf_cut(&b, model_len);
                    break;
                }
                for (size_t i = 0; i < n; i++)
                    p[i] = model[model_len + i] = (uint8_t)(next_random(&seed) | 1);
                redwi_buf_added(&b, n);
                model_len += n;
                break;
            }
            case 1: /* put */
                if (model_len + 2 > MAX)
                    break;
                redwi_buf_u16(&b, 0xabcd);
                model[model_len++] = 0xab;
                model[model_len++] = 0xcd;
                break;
            case 2: /* take */
                n = n < model_len ? n : model_len;
                redwi_buf_take(&b, n);
                memmove(model, model + n, model_len - n);
                model_len -= n;
                break;
            default: /* cut the last few */
                n = n % 8 < model_len ? n % 8 : model_len;
                redwi_buf_cut(&b, model_len - n);
                model_len -= n;
                break;
            }
            if (!agrees(&b, model, model_len))
                ck_abort_msg("step %d of pass %d", step, secret);
        }
        ck_assert_uint_gt(refused, 10); /* the walk did reach the bound */
        ck_assert_uint_eq(b.cap, MAX);
        redwi_buf_free(&b);
        ck_assert_uint_eq(w.live, 0);
        if (secret) {
            ck_assert_uint_eq(w.dirty, 0);
            ck_assert_uint_eq(w.resizes, 0);
        }
    }
}
END_TEST

/* ---- the writer ---- */

START_TEST(the_writer_writes_in_network_order)
{
    struct redwi_buf b;
    redwi_buf_init(&b, &redwi_malloc, 4096);
    redwi_buf_u8(&b, 0xfe);
    redwi_buf_u16(&b, 0x0102);
    redwi_buf_u32(&b, 0x03040506);
    redwi_buf_u64(&b, 0x0708090a0b0c0d0e);
    redwi_buf_bytes(&b, NULL, 0);
    redwi_buf_text(&b, "ab", 2);
    redwi_buf_text(&b, "", 0);
    static const char want[] = "\xfe\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e"
                               "ab\0";
    ck_assert_uint_eq(redwi_buf_len(&b), sizeof want);
    ck_assert_mem_eq(redwi_buf_front(&b), want, sizeof want);
    redwi_buf_free(&b);
}
END_TEST

START_TEST(a_message_finds_its_length_after_growth_and_behind_taken_bytes)
{
    struct redwi_buf b;
    redwi_buf_init(&b, &redwi_malloc, 1 << 20);
    redwi_buf_bytes(&b, "gone!", 5);
    redwi_buf_u8(&b, '=');
    redwi_buf_take(&b, 5);
    size_t at = redwi_buf_message(&b, 'Q');
    for (int i = 0; i < 10000; i++)
        redwi_buf_u8(&b, 'x');
    redwi_buf_end(&b, at);
    ck_assert_int_eq(b.failed, 0);
    ck_assert_uint_eq(redwi_buf_len(&b), 1 + 1 + 4 + 10000);
    ck_assert_mem_eq(redwi_buf_front(&b), "=Q\x00\x00\x27\x14xx", 8);

    size_t mark = redwi_buf_mark(&b);
    at = redwi_buf_message(&b, 0); /* without a type */
    redwi_buf_end(&b, at);
    ck_assert_uint_eq(redwi_buf_len(&b), mark + 4);
    ck_assert_mem_eq(redwi_buf_front(&b) + mark, "\0\0\0\4", 4);
    redwi_buf_free(&b);
}
END_TEST

/* No memory of such a size is needed: only the counters claim it. */
START_TEST(a_message_of_a_gibibyte_is_refused)
{
    static const struct {
        size_t len;
        int failed;
    } rows[] = {
        {4, 0},
        {0x3fffffff, 0},
        {0x40000000, REDW_EFULL},
        {0x7fffffff, REDW_EFULL},
        {0x80000000, REDW_EFULL},
        {0x100000000, REDW_EFULL},
        {0x100000004, REDW_EFULL}, /* 4 when wrapped to 32 bits */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t word[4] = {0xee, 0xee, 0xee, 0xee};
        struct redwi_buf b = {.mem = &redwi_malloc, .data = word, .max = SIZE_MAX};
        b.tail = b.cap = rows[i].len;
        redwi_buf_end(&b, 0);
        ck_assert_int_eq(b.failed, rows[i].failed);
        if (b.failed) {
            ck_assert_mem_eq(word, "\xee\xee\xee\xee", 4);
        } else {
            uint32_t len =
                (uint32_t)word[0] << 24 | (uint32_t)word[1] << 16 | (uint32_t)word[2] << 8 | word[3];
            ck_assert_uint_eq(len, rows[i].len);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mem_buf");
    TCase *t = tcase_create("mem_buf");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, memory_sizes_are_checked_and_zero_is_a_size);
    tcase_add_test(t, copied_text_is_the_same_bytes_and_ends_in_nul);
    tcase_add_test(t, secrets_are_wiped_before_they_are_given_back);
    tcase_add_test(t, room_starts_at_half_a_page_doubles_and_stops_at_max);
    tcase_add_test(t, sizes_that_would_wrap_are_refused);
    tcase_add_test(t, compaction_comes_before_growth);
    tcase_add_test(t, a_failed_growth_loses_nothing_and_sticks_until_cut);
    tcase_add_test(t, any_sequence_of_operations_agrees_with_a_plain_array);
    tcase_add_test(t, the_writer_writes_in_network_order);
    tcase_add_test(t, a_message_finds_its_length_after_growth_and_behind_taken_bytes);
    tcase_add_test(t, a_message_of_a_gibibyte_is_refused);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
