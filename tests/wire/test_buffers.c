/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that buffers share: who may have whose, what goes along, what is wiped, and that a session over it
 * keeps what it has to keep. (Golden sessions are robbed at every byte: test_golden.c.)
 */
#include "support/solo.h"

#include "wire/buffers.h"
#include "wire/mem.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIB ((size_t)1024)

/* Its allocator only: it counts, fails and looks for secrets. */
static struct solo r;
static struct redwi_buffers shared;

static void begin(void)
{
    solo_init(&r);
    redwi_buffers_init(&shared);
}

static void make(struct redwi_buf *b, size_t cap, size_t filled)
{
    size_t room;
    redwi_buf_init(b, &r.memory.mem, 128 * KIB);
    b->shared = &shared.in;
    if (cap) {
        b->shared = NULL; /* new memory, not another's */
        ck_assert_ptr_nonnull(redwi_buf_room(b, cap, &room));
        b->shared = &shared.in;
        memset(b->data, 'x', cap);
        redwi_buf_added(b, filled);
    }
}

static void rest(struct redwi_buf *b, size_t cap, size_t filled)
{
    make(b, cap, filled);
    redwi_buf_rest(b);
}

START_TEST(memory_at_rest_is_taken_over_instead_of_allocated)
{
    struct redwi_buf a, b;
    size_t room;
    begin();
    rest(&a, 4 * KIB, 0);
    a.top = 100;
    uint8_t *data = a.data;
    make(&b, 0, 0);
    size_t calls = r.memory.calls;
    ck_assert_ptr_eq(redwi_buf_room(&b, 1, &room), data);
    ck_assert_uint_eq(room, 4 * KIB);
    ck_assert_uint_eq(b.top, 100);
    ck_assert_uint_eq(r.memory.calls, calls);
    ck_assert(!a.data && !a.cap && !a.top && !a.listed && shared.in.count == 0);
    redwi_buf_u8(&a, 1); /* usable, with memory of its own */
    ck_assert_uint_eq(redwi_buf_len(&a), 1);
    redwi_buf_free(&a);
    redwi_buf_free(&b);
    solo_free(&r);
}
END_TEST

START_TEST(what_is_in_use_too_small_too_large_or_ones_own_is_not_taken)
{
    struct redwi_buf used, small, large, full, b;
    size_t room;
    begin();
    rest(&used, 8 * KIB, 0);
    used.resting = false;
    rest(&small, 2 * KIB, 0);
    rest(&large, 128 * KIB, 0);
    rest(&full, 8 * KIB, REDWI_REST_MAX + 1);
    ck_assert(!full.listed);
    make(&b, 0, 0);
    b.max = 64 * KIB;
    ck_assert(!redwi_resting_take(&shared.in, 4 * KIB, &b));
    rest(&b, 4 * KIB, 0);
    b.max = 64 * KIB;
    ck_assert(b.listed);
    ck_assert(!redwi_resting_take(&shared.in, 4 * KIB + 1, &b));
    b.resting = true;
    b.max = 4 * KIB;
    ck_assert(!redwi_resting_take(&shared.in, 4 * KIB, &b));
    ck_assert_ptr_nonnull(redwi_buf_room(&b, 4 * KIB, &room));
    redwi_buf_free(&used);
    redwi_buf_free(&small);
    redwi_buf_free(&large);
    redwi_buf_free(&full);
    redwi_buf_free(&b);
    ck_assert_uint_eq(shared.in.count, 0);
    solo_free(&r);
}
END_TEST

START_TEST(the_beginning_of_a_message_moves_and_neither_side_loses_a_byte)
{
    struct redwi_buf a, b;
    size_t room;
    for (int secret = 0; secret < 2; secret++) {
        begin();
        make(&a, 64 * KIB, 300);
        for (size_t i = 0; i < 300; i++)
            a.data[i] = (uint8_t)i;
        redwi_buf_take(&a, 44);
        redwi_buf_rest(&a);
        make(&b, 2 * KIB, 5);
        memcpy(b.data, "hello", 5);
        b.secret = secret;
        r.memory.secret = "hello";
        ck_assert_ptr_nonnull(redwi_buf_room(&b, 30 * KIB, &room));
        ck_assert_uint_eq(b.cap, 64 * KIB);
        ck_assert_uint_eq(room, 64 * KIB - 5);
        ck_assert_mem_eq(redwi_buf_front(&b), "hello", 5);
        ck_assert_uint_ge(b.top, 5);
        ck_assert_uint_eq(redwi_buf_len(&a), 256);
        ck_assert_uint_eq(a.cap, REDWI_REST_MAX);
        for (size_t i = 0; i < 256; i++)
            ck_assert_uint_eq(redwi_buf_front(&a)[i], (uint8_t)(i + 44));
        redwi_buf_rest(&a); /* too small to be lent */
        ck_assert(!a.listed);
        redwi_buf_free(&a);
        redwi_buf_free_wiped(&b);
        solo_free(&r);
    }
}
END_TEST

START_TEST(without_memory_for_the_beginning_nothing_is_taken)
{
    struct redwi_buf a, b;
    size_t room;
    begin();
    rest(&a, 64 * KIB, 7);
    make(&b, 0, 0);
    r.memory.fail_at = r.memory.calls + 1;
    ck_assert_ptr_nonnull(redwi_buf_room(&b, 1, &room)); /* the next call gives it memory of its own */
    ck_assert_uint_eq(a.cap, 64 * KIB);
    ck_assert_mem_eq(redwi_buf_front(&a), "xxxxxxx", 7);
    ck_assert(a.listed);
    r.memory.fail_at = 0;
    redwi_buf_free(&a);
    redwi_buf_free(&b);
    solo_free(&r);
}
END_TEST

START_TEST(a_few_keep_their_memory_and_it_is_wiped_before_it_is_freed)
{
    enum { MANY = 20 };
    struct redwi_buf b[MANY];
    begin();
    r.memory.secret = "password";
    for (size_t i = 0; i < MANY; i++) {
        make(&b[i], 8 * KIB, 0);
        memcpy(b[i].data + 1000, "password", 8);
        b[i].top = 1008;
        redwi_buf_rest(&b[i]);
        ck_assert_uint_le(shared.in.count, 4);
    }
    ck_assert_uint_eq(r.memory.bytes, 4 * 8 * KIB);
    redwi_buf_rest(&b[MANY - 1]); /* without memory */
    ck_assert_uint_eq(shared.in.count, 4);
    for (size_t i = 0; i < MANY; i++)
        redwi_buf_free_wiped(&b[i]);
    solo_free(&r);
}
END_TEST

START_TEST(in_a_full_list_larger_memory_and_what_rests_come_first)
{
    struct redwi_buf b[8];
    begin();
    rest(&b[0], 64 * KIB, 1);
    rest(&b[1], 64 * KIB, 0);
    rest(&b[2], 4 * KIB, 0);
    rest(&b[3], 64 * KIB, 0);
    rest(&b[4], 64 * KIB, 0); /* in place of b[2] */
    ck_assert(b[4].listed && !b[2].data);
    b[1].resting = false;
    rest(&b[5], 2 * KIB, 0); /* in place of b[1] */
    ck_assert(b[5].listed && b[1].data && !b[1].listed);
    redwi_buf_rest(&b[1]); /* in place of b[5] */
    ck_assert(b[1].listed && !b[5].data);
    rest(&b[6], 64 * KIB, 1); /* no place, and it needs what it has */
    ck_assert(!b[6].listed && b[6].data);
    rest(&b[7], 64 * KIB, 0);
    ck_assert(!b[7].listed && !b[7].data);
    for (size_t i = 0; i < 8; i++)
        redwi_buf_free(&b[i]);
    ck_assert_uint_eq(shared.in.count, 0);
    solo_free(&r);
}
END_TEST

/* --- sessions -------------------------------------------------------------------------------------- */

static void begin_session(void)
{
    begin();
    r.config.buffers = &shared;
}

/* All that rests. */
static void take_all(struct redwi_buf *b)
{
    redwi_buf_init(b, &r.memory.mem, 128 * KIB);
    b->shared = &shared.in;
    redwi_resting_take(&shared.in, 1, b);
}

START_TEST(what_the_login_brought_is_wiped_before_another_may_have_it)
{
    struct redwi_buf other;
    begin_session();
    solo_reach(&r, SOLO_AT_SETTLING);
    SOLO_FEED(&r, 'S', "parameter\0Remember\0");
    take_all(&other);
    ck_assert_ptr_nonnull(other.data);
    ck_assert_ptr_null(memmem(other.data, other.cap, "Remember", 8));
    redwi_buf_free(&other);
    /* The beginning of a message of the login is not moved, and where it has to grow it leaves nothing. */
    r.memory.secret = "Remember";
    char body[4000] = "parameter\0RememberRememberRemember";
    solo_feed_header(&r, 'S', sizeof body + 4);
    solo_feed(&r, body, 1000);
    take_all(&other);
    ck_assert_ptr_null(other.data);
    solo_feed(&r, body + 1000, sizeof body - 1000 - 1);
    r.memory.secret = NULL; /* it is kept as a parameter */
    solo_free(&r);
}
END_TEST

START_TEST(a_session_at_rest_has_no_buffers_when_others_needed_them)
{
    struct redwi_buf other;
    struct redwi_ev ev;
    begin_session();
    solo_reach(&r, SOLO_AT_IDLE);
    /* Whoever asks again what there is changes nothing. */
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(redwi_session_next(r.s, &ev), REDWI_EV_NONE);
    ck_assert_uint_eq(shared.in.count, 1);
    solo_free(&r);
    begin_session();
    solo_reach(&r, SOLO_AT_ROWS);
    ck_assert_int_eq(solo_queue_unit(&r, &solo_unit, "select"), 0);
    solo_send_all(&r);
    SOLO_FEED(&r, 'D', SOLO_ONE_ROW);
    solo_feed(&r, "D\0\0\0", 4);
    take_all(&other);
    solo_feed(&r, "\13" SOLO_ONE_ROW, sizeof SOLO_ONE_ROW);
    ck_assert_uint_eq(r.seen.rows, 2);
    SOLO_FEED(&r, 'C', "SELECT 2\0");
    SOLO_FEED(&r, 'Z', "I");
    redwi_buf_free(&other);
    take_all(&other);
    ck_assert_ptr_nonnull(other.data);
    ck_assert_uint_eq(shared.in.count, 0);
    redwi_buf_free(&other);
    solo_free(&r);
}
END_TEST

START_TEST(room_begins_small_and_grows_with_what_comes)
{
    size_t room;
    begin_session();
    solo_reach(&r, SOLO_AT_IDLE);
    ck_assert_ptr_nonnull(redwi_session_input(r.s, &room));
    ck_assert_uint_eq(room, REDWI_REST_MAX);
    redwi_session_received(r.s, 0); /* nothing came: it rests again */
    ck_assert_uint_eq(shared.in.count, 1);
    /* Filled by the beginning of a notice, then what the notice needs. */
    ck_assert_int_eq(solo_queue_unit(&r, &solo_unit, "select"), 0);
    static char notice[5000] = "SNOTICE";
    solo_feed_header(&r, 'N', sizeof notice + 4);
    solo_feed(&r, notice, REDWI_REST_MAX - 5);
    ck_assert_ptr_nonnull(redwi_session_input(r.s, &room));
    ck_assert_uint_eq(room, 64 * KIB - REDWI_REST_MAX);
    solo_free(&r);
    /* Not filled, but the message in front will be longer. */
    begin_session();
    solo_reach(&r, SOLO_AT_IDLE);
    solo_feed_header(&r, 'N', sizeof notice + 4);
    ck_assert_ptr_nonnull(redwi_session_input(r.s, &room));
    ck_assert_uint_eq(room, 64 * KIB - 5);
    solo_free(&r);
    /* Filled, and more is to be expected. */
    begin_session();
    solo_reach(&r, SOLO_AT_IDLE);
    static char two[REDWI_REST_MAX] = "S\0\0\7\xfdname\0value";
    two[REDWI_REST_MAX - 2] = 'S'; /* after a ParameterStatus of 2046 bytes the first two of another */
    memset(two + 15, 'v', sizeof two - 18);
    solo_feed(&r, two, sizeof two);
    ck_assert_uint_eq(r.seen.parameters, 1);
    ck_assert_ptr_nonnull(redwi_session_input(r.s, &room));
    ck_assert_uint_eq(room, 64 * KIB - 2);
    redwi_session_received(r.s, 0);
    solo_drain(&r);
    solo_free(&r);
    /* Rows. */
    begin_session();
    solo_reach(&r, SOLO_AT_ROWS);
    ck_assert_ptr_nonnull(redwi_session_input(r.s, &room));
    ck_assert_uint_eq(room, 64 * KIB);
    solo_free(&r);
}
END_TEST

START_TEST(output_at_rest_is_shared_unless_it_is_large_secret_or_being_written)
{
    static char sql[40000];
    begin_session();
    solo_reach(&r, SOLO_AT_IDLE);
    ck_assert_uint_eq(shared.out.count, 0); /* the login's was freed */
    ck_assert_int_eq(solo_queue_unit(&r, &solo_unit, "select"), 0);
    solo_send_all(&r);
    ck_assert_uint_eq(shared.out.count, 1);
    size_t bytes = r.memory.bytes;
    memset(sql, 'x', sizeof sql - 1);
    ck_assert_int_eq(solo_queue_unit(&r, &solo_unit, sql), 0);
    solo_send_all(&r);
    ck_assert_uint_lt(r.memory.bytes, bytes);
    ck_assert_uint_eq(shared.out.count, 0);
    /* A unit that failed while the one ahead of it was sent stays failed. */
    ck_assert_int_eq(solo_queue_unit(&r, &solo_unit, "select"), 0);
    struct redwi_buf *b = redwi_session_unit_begin(r.s);
    r.memory.fail_at = r.memory.calls + 1;
    r.memory.fail_on = true;
    redwi_buf_text(b, sql, sizeof sql - 1);
    r.memory.fail_at = 0;
    solo_send_all(&r);
    ck_assert_int_eq(redwi_session_unit_end(r.s, &r, REDWI_SENT_PARSE, REDW_OUTCOME_UNKNOWN), REDW_ENOMEM);
    solo_free(&r);
}
END_TEST

START_TEST(output_of_the_login_that_leaves_after_it_is_not_kept)
{
    begin_session();
    solo_open(&r);
    SOLO_FEED(&r, 'R', "\0\0\0\0"); /* from a server that trusts us, and does not wait */
    SOLO_FEED(&r, 'Z', "I");
    ck_assert_uint_eq(r.seen.logged_in, 1);
    ck_assert_uint_gt(solo_send_all(&r), 0);
    ck_assert_uint_eq(shared.out.count, 0);
    ck_assert_int_eq(solo_queue_unit(&r, &solo_unit, "select"), 0);
    ck_assert_uint_gt(solo_send_all(&r), 0);
    ck_assert_uint_eq(shared.out.count, 1);
    solo_free(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("buffers");
    TCase *c = tcase_create("buffers");
    tcase_add_test(c, memory_at_rest_is_taken_over_instead_of_allocated);
    tcase_add_test(c, what_is_in_use_too_small_too_large_or_ones_own_is_not_taken);
    tcase_add_test(c, the_beginning_of_a_message_moves_and_neither_side_loses_a_byte);
    tcase_add_test(c, without_memory_for_the_beginning_nothing_is_taken);
    tcase_add_test(c, a_few_keep_their_memory_and_it_is_wiped_before_it_is_freed);
    tcase_add_test(c, in_a_full_list_larger_memory_and_what_rests_come_first);
    tcase_add_test(c, what_the_login_brought_is_wiped_before_another_may_have_it);
    tcase_add_test(c, a_session_at_rest_has_no_buffers_when_others_needed_them);
    tcase_add_test(c, room_begins_small_and_grows_with_what_comes);
    tcase_add_test(c, output_at_rest_is_shared_unless_it_is_large_secret_or_being_written);
    tcase_add_test(c, output_of_the_login_that_leaves_after_it_is_not_kept);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
