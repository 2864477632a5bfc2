/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session holds: its input grows with what came and shrinks again, reads that rows fill get more room, and
 * a large statement does not stay in its output.
 */
#include "support/solo.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static char tag_b;

START_TEST(the_input_grows_with_what_came_and_shrinks_again)
{
    struct solo r;
    size_t room, row = 3u << 20;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_ROWS);
    size_t before = r.memory.bytes;

    /* Announced is not received: memory follows the bytes. */
    solo_feed_header(&r, 'D', 60u << 20);
    r.memory.peak = r.memory.bytes;
    for (int i = 0; i < 8; i++) {
        uint8_t *at = redwi_session_input(r.s, &room);
        memset(at, 0, room < 10000 ? room : 10000);
        redwi_session_received(r.s, room < 10000 ? room : 10000);
        solo_drain(&r);
    }
    ck_assert_uint_lt(r.memory.peak, before + 300000);
    solo_free(&r);

    solo_init(&r);
    solo_reach(&r, SOLO_AT_ROWS);
    before = r.memory.bytes;
    r.memory.peak = 0;
    uint8_t *body = calloc(1, row);
    solo_feed_header(&r, 'D', (uint32_t)row + 4);
    solo_feed(&r, body, row - 1);
    ck_assert_uint_le(r.memory.bytes, before + row + 5);
    ck_assert_uint_lt(r.memory.peak, 2 * (row + 5) + before);
    solo_feed(&r, body, 1);
    ck_assert_uint_eq(r.seen.rows, 1);
    ck_assert(redwi_session_input(r.s, &room) && room == 64 * 1024);
    ck_assert_uint_le(r.memory.bytes, before);

    free(body);
    solo_free(&r);
}
END_TEST

static const char flood_row[12] = "D\0\0\0\13" SOLO_ONE_ROW;

/* Fills all the room there is with rows, a part of one at the end; the room. */
static size_t flood(struct solo *r, size_t *fed)
{
    size_t room;
    uint8_t *at = redwi_session_input(r->s, &room);
    ck_assert(at && room);
    for (size_t i = 0; i < room; i++, ++*fed)
        at[i] = (uint8_t)flood_row[*fed % sizeof flood_row];
    redwi_session_received(r->s, room);
    solo_drain(r);
    return room;
}

START_TEST(reads_that_rows_fill_get_twice_the_room_until_the_rows_end)
{
    enum { USUAL = 64 * 1024 };
    struct solo r;
    size_t room, fed = 0;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_ROWS);
    size_t before = r.memory.bytes;
    ck_assert_uint_le(flood(&r, &fed), USUAL);
    while (fed < 1000000) {
        size_t got = flood(&r, &fed);
        ck_assert_uint_gt(got, 2 * USUAL - 16);
        ck_assert_uint_le(got, 2 * USUAL);
    }
    ck_assert_uint_eq(r.memory.bytes, before + USUAL);
    ck_assert_uint_eq(r.seen.rows, fed / sizeof flood_row);
    for (; fed % sizeof flood_row; fed++)
        solo_feed(&r, &flood_row[fed % sizeof flood_row], 1);
    SOLO_FEED(&r, 'C', "SELECT 9\0");
    SOLO_FEED(&r, 'Z', "I");
    ck_assert(redwi_session_input(r.s, &room) && room == USUAL);
    ck_assert_uint_eq(r.memory.bytes, before);
    solo_free(&r);
}
END_TEST

START_TEST(no_memory_for_twice_the_room_is_no_failure)
{
    struct solo r;
    size_t fed = 0;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_ROWS);
    flood(&r, &fed);
    r.memory.fail_at = r.memory.calls + 1;
    r.memory.fail_on = true;
    for (int i = 0; i < 10; i++)
        ck_assert_uint_gt(flood(&r, &fed), 64 * 1024 - 16);
    ck_assert_uint_eq(r.seen.rows, fed / sizeof flood_row);
    ck_assert_uint_eq(r.seen.fatal, 0);
    r.memory.fail_at = 0;
    solo_free(&r);
}
END_TEST

START_TEST(rows_that_are_not_taken_cost_memory_but_no_row)
{
    struct solo r;
    size_t room, fed = 0;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_ROWS);
    static const char row[12] = "D\0\0\0\13" SOLO_ONE_ROW;
    while (fed < 200000) {
        uint8_t *at = redwi_session_input(r.s, &room);
        ck_assert(at && room);
        for (size_t i = 0; i < room; i++, fed++)
            at[i] = (uint8_t)row[fed % sizeof row];
        redwi_session_received(r.s, room);
    }
    solo_drain(&r);
    ck_assert_uint_eq(r.seen.rows, fed / sizeof row);
    solo_free(&r);
}
END_TEST

START_TEST(room_is_found_without_moving_bytes_while_there_is_enough)
{
    struct solo r;
    size_t room;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_ROWS);
    uint8_t *start = redwi_session_input(r.s, &room);
    size_t all = room;
    uint8_t row[1000] = {'D', 0, 0, 0x03, 0xe7};
    /* The end of one row and the beginning of the next. */
    uint8_t between[1000] = {0};
    memcpy(between + 990, row, 10);
    solo_feed(&r, row, 10);
    size_t used = 10;
    for (; all - used >= 16 * 1024; used += 1000) {
        ck_assert_ptr_eq(redwi_session_input(r.s, &room), start + used);
        solo_feed(&r, between, sizeof between);
    }
    /* Too little is left: the 10 bytes that wait move to the front. */
    ck_assert_ptr_eq(redwi_session_input(r.s, &room), start + 10);
    ck_assert_uint_eq(r.seen.rows, used / 1000);
    solo_free(&r);
}
END_TEST

START_TEST(a_large_statement_does_not_stay_in_the_output)
{
    struct solo r;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_IDLE);
    size_t before = r.memory.bytes, n = 1u << 20;
    char *sql = calloc(1, n + 1);
    memset(sql, 'x', n);
    ck_assert_int_eq(solo_queue_unit(&r, &solo_unit, sql), 0);
    ck_assert_uint_gt(r.memory.bytes, before + n);
    solo_send_all(&r);
    ck_assert_uint_lt(r.memory.bytes, before + 4096);
    free(sql);
    solo_free(&r);
}
END_TEST

START_TEST(a_unit_that_finds_no_memory_leaves_the_output_as_it_was)
{
    char *sql = calloc(1, 20001);
    memset(sql, 'x', 20000);
    bool done = false;
    for (size_t fail_at = 1; !done; fail_at++) {
        struct solo r;
        size_t n, after;
        solo_init(&r);
        solo_reach(&r, SOLO_AT_IDLE);
        ck_assert_int_eq(solo_queue_unit(&r, &solo_unit, "a"), 0);
        const uint8_t *out = redwi_session_output(r.s, &n);
        uint8_t *copy = malloc(n);
        memcpy(copy, out, n);
        r.memory.calls = 0;
        r.memory.fail_at = fail_at;
        int code = solo_queue_unit(&r, &tag_b, sql);
        done = r.memory.calls < fail_at;
        r.memory.fail_at = 0;
        ck_assert_int_eq(code, done ? 0 : REDW_ENOMEM);
        ck_assert_uint_eq(redwi_session_units(r.s), done ? 2 : 1);
        out = redwi_session_output(r.s, &after);
        ck_assert(done || after == n);
        ck_assert(memcmp(out, copy, n) == 0);
        /* And the session goes on. */
        ck_assert_int_eq(solo_queue_unit(&r, &tag_b, sql), 0);
        free(copy);
        solo_free(&r);
    }
    free(sql);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_memory");
    TCase *c = tcase_create("session_memory");
    tcase_set_timeout(c, 300);
    tcase_add_test(c, the_input_grows_with_what_came_and_shrinks_again);
    tcase_add_test(c, reads_that_rows_fill_get_twice_the_room_until_the_rows_end);
    tcase_add_test(c, no_memory_for_twice_the_room_is_no_failure);
    tcase_add_test(c, rows_that_are_not_taken_cost_memory_but_no_row);
    tcase_add_test(c, room_is_found_without_moving_bytes_while_there_is_enough);
    tcase_add_test(c, a_large_statement_does_not_stay_in_the_output);
    tcase_add_test(c, a_unit_that_finds_no_memory_leaves_the_output_as_it_was);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
