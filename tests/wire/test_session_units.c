/* SPDX-License-Identifier: Apache-2.0 */
/*
 * U8: The life of units in the protocol machine: answered in their order, written in parts, taken back, ended by
 * their session, and reported once whatever allocation fails.
 */
#include "support/solo.h"

#include "wire/fe_write.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static char tag_b;

static const char *const two_columns[] = {"id", "name"};
static const char *const three_rows[] = {"1", "a", "2", NULL, "3", ""};
static const struct peer_statement statements[] = {
    {.sql = "select",
     .columns = two_columns,
     .ncolumns = 2,
     .cells = three_rows,
     .nrows = 3,
     .tag = "SELECT 3",
     .notice = "hi"},
    {.sql = "insert", .tag = "INSERT 0 1"},
    {.sql = "begin", .tag = "BEGIN", .status = 'T'},
    {.sql = "", .tag = ""},
    {.sql = "fail",
     .columns = two_columns,
     .ncolumns = 2,
     .cells = three_rows,
     .nrows = 2,
     .sqlstate = "22012",
     .tag = ""},
};
static const struct peer_config trusting = {.statements = statements, .nstatements = 5};

START_TEST(units_are_answered_in_their_order)
{
    static const char *const sql[] = {"select", "insert", "syntax error", "", "fail", "begin"};
    struct solo r;
    struct peer p;
    char tags[6];
    solo_init(&r);
    solo_log_in(&r, &p, &trusting);
    for (size_t i = 0; i < 6; i++)
        ck_assert_int_eq(solo_queue_unit(&r, &tags[i], sql[i]), 0);
    ck_assert_uint_eq(redwi_session_units(r.s), 6);
    solo_pump(&r, &p);
    ck_assert_str_eq(p.wrong, "");
    ck_assert_uint_eq(r.seen.fatal, 0);
    ck_assert_uint_eq(r.seen.ready, 6);
    ck_assert_uint_eq(r.seen.rows, 5);
    ck_assert_uint_eq(r.seen.columns, 2);
    ck_assert_uint_eq(r.seen.complete, 4);
    ck_assert_uint_eq(r.seen.errors, 2);
    ck_assert_uint_eq(r.seen.notices, 1);
    ck_assert_ptr_eq(r.seen.unit, &tags[5]);
    ck_assert_int_eq(r.seen.status, 'T');
    ck_assert_int_eq(redw_error_outcome(r.seen.error), REDW_OUTCOME_NOT_EXECUTED);
    ck_assert_uint_eq(redwi_session_units(r.s), 0);
    ck_assert(!redwi_session_has_input(r.s));

    redwi_session_terminate(r.s);
    solo_pump(&r, &p);
    ck_assert(p.terminated);
    peer_free(&p);
    solo_free(&r);
}
END_TEST

START_TEST(rows_not_taken_come_again_and_discarded_ones_never)
{
    struct solo r;
    struct redwi_ev ev, again;
    size_t room;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_ROWS);
    static const char rows[] = "D\0\0\0\13" SOLO_ONE_ROW "D\0\0\0\13" SOLO_ONE_ROW "D\0\0";
    uint8_t *at = redwi_session_input(r.s, &room);
    memcpy(at, rows, sizeof rows - 1);
    redwi_session_received(r.s, sizeof rows - 1);
    ck_assert_int_eq(redwi_session_next(r.s, &ev), REDWI_EV_ROWS);
    ck_assert_ptr_eq(ev.unit, &solo_unit);
    ck_assert_uint_eq(ev.len, sizeof rows - 1); /* everything buffered, and not copied */
    ck_assert_ptr_eq(ev.data, at);
    ck_assert_int_eq(redwi_session_next(r.s, &again), REDWI_EV_ROWS);
    ck_assert(again.unit == ev.unit && again.data == ev.data && again.len == ev.len);
    redwi_session_rows_taken(r.s, ev.data + 12);
    ck_assert_int_eq(redwi_session_next(r.s, &again), REDWI_EV_ROWS);
    ck_assert_ptr_eq(again.data, at + 12);
    redwi_session_discard(r.s, &tag_b); /* not queued: nothing happens */
    ck_assert_int_eq(redwi_session_next(r.s, &again), REDWI_EV_ROWS);
    redwi_session_discard(r.s, &solo_unit);
    ck_assert_int_eq(redwi_session_next(r.s, &again), REDWI_EV_NONE);
    ck_assert(redwi_session_has_input(r.s)); /* the piece of a third */
    solo_feed(&r, "\0\13" SOLO_ONE_ROW, 9);
    solo_feed_message(&r, 'C', "SELECT 3", 9);
    SOLO_FEED(&r, 'Z', "I");
    ck_assert_uint_eq(r.seen.rows, 0);
    ck_assert_uint_eq(r.seen.complete, 0);
    ck_assert_uint_eq(r.seen.ready, 1);
    ck_assert_ptr_null(r.seen.unit);
    solo_free(&r);
}
END_TEST

START_TEST(a_row_the_owner_finds_malformed_ends_the_session)
{
    struct solo r;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_ROWS);
    redwi_session_corrupt(r.s, "wrong number of cells");
    solo_drain(&r);
    ck_assert_ptr_nonnull(
        strstr(redw_error_message(r.seen.fatal_error), "wrong number of cells in DataRow"));
    solo_must_be_dead(&r, REDW_EPROTOCOL);
    solo_free(&r);
}
END_TEST

START_TEST(the_outcome_depends_on_the_first_byte_of_the_unit)
{
    struct solo r;
    size_t n, first;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_IDLE);
    ck_assert_int_eq(solo_queue_unit(&r, &solo_unit, "a"), 0);
    redwi_session_output(r.s, &first);
    ck_assert_int_eq(solo_queue_unit(&r, &tag_b, "b"), 0);
    redwi_session_output(r.s, &n);
    ck_assert_uint_eq(n, 2 * first);
    ck_assert_int_eq(redwi_session_outcome(r.s, &solo_unit), REDW_OUTCOME_NOT_SENT);
    redwi_session_sent(r.s, 1);
    ck_assert_int_eq(redwi_session_outcome(r.s, &solo_unit), REDW_OUTCOME_UNKNOWN);
    redwi_session_sent(r.s, first - 1);
    ck_assert_int_eq(redwi_session_outcome(r.s, &tag_b), REDW_OUTCOME_NOT_SENT);
    solo_end(&r);
    solo_must_be_dead(&r, REDW_ECONNECT);
    ck_assert_int_eq(redw_error_outcome(r.seen.fatal_error), REDW_OUTCOME_UNKNOWN);
    ck_assert_int_eq(redwi_session_outcome(r.s, &solo_unit), REDW_OUTCOME_UNKNOWN);
    ck_assert_int_eq(redwi_session_outcome(r.s, &tag_b), REDW_OUTCOME_NOT_SENT);
    solo_free(&r);
}
END_TEST

START_TEST(a_unit_that_was_not_ended_is_not_sent)
{
    struct solo r;
    size_t n;
    solo_init(&r);
    ck_assert_int_eq(redwi_session_create(&r.s, &r.config), 0);
    ck_assert_ptr_null(redwi_session_unit_begin(r.s)); /* not logged in */
    redwi_session_free(r.s);
    solo_reach(&r, SOLO_AT_IDLE);
    ck_assert_int_eq(redwi_session_unit_end(r.s, &solo_unit, 0, 0), REDW_EINVAL);
    redwi_fe_query(redwi_session_unit_begin(r.s), "x", 1);
    redwi_session_output(r.s, &n);
    ck_assert_uint_eq(n, 0);
    redwi_session_terminate(r.s); /* not now */
    ck_assert_int_eq(solo_queue_unit(&r, &solo_unit, "select"), 0);
    const uint8_t *out = redwi_session_output(r.s, &n);
    ck_assert_int_eq(out[0], 'P');
    ck_assert_int_eq(out[n - 5], 'S');
    size_t before = n;
    redwi_session_terminate(r.s); /* nor with a unit queued */
    redwi_session_output(r.s, &n);
    ck_assert_uint_eq(n, before);
    solo_free(&r);
}
END_TEST

START_TEST(a_unit_of_which_nothing_was_sent_can_be_taken_back)
{
    struct solo r;
    size_t n;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_IDLE);
    ck_assert(!redwi_session_take_back(r.s, &solo_unit)); /* no such unit */
    ck_assert_int_eq(solo_queue_unit(&r, &solo_unit, "a"), 0);
    ck_assert(redwi_session_take_back(r.s, &solo_unit));
    redwi_session_output(r.s, &n);
    ck_assert_uint_eq(n, 0);
    ck_assert_uint_eq(redwi_session_units(r.s), 0);

    ck_assert_int_eq(solo_queue_unit(&r, &solo_unit, "a"), 0);
    redwi_session_output(r.s, &n);
    size_t one = n;
    ck_assert_int_eq(solo_queue_unit(&r, &tag_b, "b"), 0);
    ck_assert(!redwi_session_take_back(r.s, &solo_unit)); /* not the last */
    ck_assert(redwi_session_take_back(r.s, &tag_b));
    redwi_session_output(r.s, &n);
    ck_assert_uint_eq(n, one);
    redwi_session_sent(r.s, 1);
    ck_assert(!redwi_session_take_back(r.s, &solo_unit)); /* begun */
    solo_send_all(&r);
    SOLO_FEED(&r, '1', "");
    SOLO_FEED(&r, '2', "");
    SOLO_FEED(&r, 'n', "");
    SOLO_FEED(&r, 'C', "SET\0");
    SOLO_FEED(&r, 'Z', "I");
    ck_assert_uint_eq(r.seen.units_ready, 1);
    solo_free(&r);
}
END_TEST

START_TEST(a_unit_may_be_written_in_parts_while_the_session_lives)
{
    struct solo r;
    size_t n, base;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_IDLE);
    ck_assert_ptr_null(redwi_session_unit_more(r.s, &base)); /* none was begun */
    struct redwi_buf *b = redwi_session_unit_begin(r.s);
    redwi_buf_bytes(b, "half", 4);
    redwi_session_output(r.s, &n);
    ck_assert_uint_eq(n, 0);
    ck_assert_ptr_eq(redwi_session_unit_more(r.s, &base), b);
    ck_assert_uint_eq(base, 0);
    redwi_session_unit_drop(r.s);
    ck_assert_ptr_null(redwi_session_unit_more(r.s, &base));
    ck_assert_ptr_nonnull(redwi_session_unit_begin(r.s));
    SOLO_FEED(&r, 'E', "SFATAL\0C57P01\0Mbye\0\0");
    ck_assert_ptr_null(redwi_session_unit_more(r.s, &base)); /* the session is dead */
    solo_free(&r);
}
END_TEST

START_TEST(a_unit_with_something_behind_it_in_the_output_is_not_taken_back)
{
    struct solo r;
    size_t n, before;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_EXECUTE);
    ck_assert_int_eq(solo_queue_unit(&r, &tag_b, "b"), 0);
    SOLO_FEED(&r, 'G', "\0\0\0"); /* CopyFail for the unit in front */
    redwi_session_output(r.s, &before);
    ck_assert(!redwi_session_take_back(r.s, &tag_b));
    redwi_session_output(r.s, &n);
    ck_assert_uint_eq(n, before);
    solo_free(&r);
}
END_TEST

START_TEST(a_unit_of_a_dead_session_is_not_taken_back)
{
    struct solo r;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_IDLE);
    ck_assert_int_eq(solo_queue_unit(&r, &solo_unit, "a"), 0);
    SOLO_FEED(&r, 'D', SOLO_ONE_ROW);
    ck_assert_uint_eq(r.seen.fatal, 1);
    ck_assert(!redwi_session_take_back(r.s, &solo_unit));
    ck_assert_uint_eq(redwi_session_units(r.s), 1);
    ck_assert_int_eq(redwi_session_outcome(r.s, &solo_unit), REDW_OUTCOME_NOT_SENT);
    solo_free(&r);
}
END_TEST

START_TEST(a_query_that_cannot_begin_leaves_nothing_behind)
{
    struct solo r;
    size_t n, before;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_IDLE);
    redwi_session_output(r.s, &before);
    r.memory.fail_at = r.memory.calls + 1;
    ck_assert_int_eq(redwi_session_query(r.s, &solo_unit, "fetch", 5, REDW_OUTCOME_NOT_EXECUTED), REDW_ENOMEM);
    redwi_session_output(r.s, &n);
    ck_assert_uint_eq(n, before);
    ck_assert_uint_eq(redwi_session_units(r.s), 0);
    ck_assert_int_eq(redwi_session_query(r.s, &solo_unit, "fetch", 5, REDW_OUTCOME_NOT_EXECUTED), 0);
    ck_assert_uint_eq(redwi_session_units(r.s), 1);
    solo_free(&r);
}
END_TEST

START_TEST(copy_fail_takes_an_unfinished_unit_back)
{
    struct solo r;
    size_t n;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_EXECUTE);
    redwi_fe_query(redwi_session_unit_begin(r.s), "x", 1);
    SOLO_FEED(&r, 'G', "\0\0\0");
    const uint8_t *out = redwi_session_output(r.s, &n);
    ck_assert_int_eq(out[0], 'f');
    ck_assert_int_eq(redwi_session_unit_end(r.s, &tag_b, 0, 0), REDW_EINVAL);
    ck_assert_uint_eq(redwi_session_units(r.s), 1);
    solo_free(&r);
}
END_TEST

START_TEST(copy_fail_without_memory_ends_the_session)
{
    struct solo r;
    char *sql = calloc(1, 100001);
    memset(sql, 'x', 100000);
    solo_init(&r);
    solo_reach(&r, SOLO_AT_IDLE);
    ck_assert_int_eq(solo_queue_unit(&r, &solo_unit, sql), 0);
    solo_send_all(&r); /* the output is given back */
    SOLO_FEED(&r, '1', "");
    SOLO_FEED(&r, '2', "");
    SOLO_FEED(&r, 'n', "");
    r.memory.fail_at = r.memory.calls + 1;
    SOLO_FEED(&r, 'G', "\0\0\0");
    solo_must_be_dead(&r, REDW_ENOMEM);
    free(sql);
    solo_free(&r);
}
END_TEST

START_TEST(fatal_after_the_units_own_error_still_ends_the_session)
{
    struct solo r;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_FAILED);
    SOLO_FEED(&r, 'E', "SFATAL\0C57P01\0Mbye\0\0");
    solo_must_be_dead(&r, REDW_ESERVER);
    ck_assert_uint_eq(r.seen.errors, 1);
    ck_assert_int_eq(redw_error_outcome(r.seen.fatal_error), REDW_OUTCOME_UNKNOWN);
    /* The first doom counts. */
    redwi_session_corrupt(r.s, "late");
    redwi_session_rows_taken(r.s, NULL);
    solo_drain(&r);
    ck_assert_uint_eq(r.seen.fatal, 1);
    solo_free(&r);
}
END_TEST

START_TEST(a_unit_of_nothing_but_sync_is_answered_by_ready)
{
    struct solo r;
    size_t n;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_IDLE);
    ck_assert_int_eq(solo_queue_unit(&r, &solo_unit, "a"), 0);
    redwi_session_output(r.s, &n);
    ck_assert_ptr_nonnull(redwi_session_unit_begin(r.s));
    redwi_session_sent(r.s, n); /* what was whole may go meanwhile */
    ck_assert_int_eq(redwi_session_unit_end(r.s, &tag_b, 0, REDW_OUTCOME_NOT_EXECUTED), 0);
    ck_assert_int_eq(redwi_session_outcome(r.s, &tag_b), REDW_OUTCOME_NOT_SENT);
    ck_assert_uint_eq(solo_send_all(&r), 5);
    SOLO_FEED(&r, 'E', SOLO_SOME_ERROR "\0");
    SOLO_FEED(&r, 'Z', "I");
    SOLO_FEED(&r, 'Z', "I");
    ck_assert_uint_eq(r.seen.ready, 2);
    ck_assert_ptr_eq(r.seen.unit, &tag_b);
    solo_free(&r);
}
END_TEST

/* A login and three statements with whatever memory there is. */
static void whole_life(struct solo *r, struct peer *p)
{
    static const char *const sql[] = {"select", "fail", "insert"};
    char tags[3];
    size_t queued = 0;
    if (redwi_session_create(&r->s, &r->config) != 0) {
        ck_assert_ptr_null(r->s);
        return;
    }
    if (redwi_session_start(r->s) != 0)
        return;
    solo_pump(r, p);
    for (size_t i = 0; i < 3 && r->seen.logged_in && !r->seen.fatal; i++) {
        int code = solo_queue_unit(r, &tags[i], sql[i]);
        ck_assert(code == 0 || code == REDW_ENOMEM);
        queued += code == 0;
        solo_pump(r, p);
        ck_assert(r->seen.ready == queued || r->seen.fatal);
        ck_assert_uint_eq(redwi_session_units(r->s), queued - r->seen.ready);
    }
    if (r->seen.fatal && r->memory.calls)
        ck_assert_int_eq(redw_error_code(r->seen.fatal_error), REDW_ENOMEM);
    ck_assert_str_eq(p->wrong, "");
}

START_TEST(each_allocation_may_fail)
{
    for (int on = 0; on < 2; on++) {
        bool done = false;
        size_t n;
        for (n = 1; !done; n++) {
            struct solo r;
            struct peer p;
            struct peer_config config = trusting;
            config.password = "pencil";
            solo_init(&r);
            r.memory.secret = "pencil";
            r.memory.fail_at = n;
            r.memory.fail_on = on;
            peer_init(&p, &config);
            whole_life(&r, &p);
            done = r.memory.calls < n;
            if (done)
                ck_assert_uint_eq(r.seen.ready, 3);
            r.memory.fail_at = 0;
            peer_free(&p);
            solo_free(&r);
        }
        ck_assert_uint_gt(n, 10);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_units");
    TCase *c = tcase_create("session_units");
    tcase_set_timeout(c, 300);
    tcase_add_test(c, units_are_answered_in_their_order);
    tcase_add_test(c, rows_not_taken_come_again_and_discarded_ones_never);
    tcase_add_test(c, a_row_the_owner_finds_malformed_ends_the_session);
    tcase_add_test(c, the_outcome_depends_on_the_first_byte_of_the_unit);
    tcase_add_test(c, a_unit_that_was_not_ended_is_not_sent);
    tcase_add_test(c, a_unit_of_which_nothing_was_sent_can_be_taken_back);
    tcase_add_test(c, a_unit_may_be_written_in_parts_while_the_session_lives);
    tcase_add_test(c, a_unit_with_something_behind_it_in_the_output_is_not_taken_back);
    tcase_add_test(c, a_unit_of_a_dead_session_is_not_taken_back);
    tcase_add_test(c, a_query_that_cannot_begin_leaves_nothing_behind);
    tcase_add_test(c, copy_fail_takes_an_unfinished_unit_back);
    tcase_add_test(c, copy_fail_without_memory_ends_the_session);
    tcase_add_test(c, fatal_after_the_units_own_error_still_ends_the_session);
    tcase_add_test(c, a_unit_of_nothing_but_sync_is_answered_by_ready);
    tcase_add_test(c, each_allocation_may_fail);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
