/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units of many statements under one Sync: each is reported in its order, the first error skips the rest, and
 * units behind them are answered all the same.
 */
#include "support/solo.h"
#include "wire/fe_write.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char tag_a, tag_b;

static const struct peer_statement statements[] = {
    {.sql = "insert", .tag = "INSERT 0 1"},
    {.sql = "fail", .tag = "", .sqlstate = "22012"},
};
static const struct peer_config trusting = {.statements = statements, .nstatements = 2};

START_TEST(each_statement_is_reported_and_the_unit_ends_once)
{
    for (size_t more = 0; more <= 1000; more = more * 3 + 1) {
        struct solo r;
        struct peer p;
        solo_init(&r);
        solo_log_in(&r, &p, &trusting);
        ck_assert_int_eq(solo_queue_batch(&r, &tag_a, "insert", more), 0);
        ck_assert_int_eq(solo_queue_unit(&r, &tag_b, "insert"), 0);
        ck_assert_uint_eq(redwi_session_units(r.s), 2);
        solo_pump(&r, &p);
        ck_assert_str_eq(p.wrong, "");
        ck_assert_uint_eq(p.units, 2);
        ck_assert_uint_eq(r.seen.fatal, 0);
        ck_assert_uint_eq(r.seen.complete, more + 2);
        ck_assert_uint_eq(r.seen.ready, 2);
        ck_assert_uint_eq(redwi_session_units(r.s), 0);
        peer_free(&p);
        solo_free(&r);
    }
}
END_TEST

/* U8 */
START_TEST(an_error_skips_the_rest_of_its_unit_only)
{
    struct solo r;
    struct peer p;
    solo_init(&r);
    solo_log_in(&r, &p, &trusting);
    ck_assert_int_eq(solo_queue_batch(&r, &tag_a, "fail", 5), 0);
    ck_assert_int_eq(solo_queue_batch(&r, &tag_b, "insert", 2), 0);
    solo_pump(&r, &p);
    ck_assert_uint_eq(r.seen.fatal, 0);
    ck_assert_uint_eq(r.seen.errors, 1);
    ck_assert_uint_eq(r.seen.complete, 3);
    ck_assert_uint_eq(r.seen.ready, 2);
    peer_free(&p);
    solo_free(&r);
}
END_TEST

START_TEST(a_discarded_unit_is_read_to_its_end)
{
    struct solo r;
    struct peer p;
    solo_init(&r);
    solo_log_in(&r, &p, &trusting);
    ck_assert_int_eq(solo_queue_batch(&r, &tag_a, "insert", 9), 0);
    redwi_session_discard(r.s, &tag_a);
    ck_assert_int_eq(solo_queue_unit(&r, &tag_b, "insert"), 0);
    solo_pump(&r, &p);
    ck_assert_uint_eq(r.seen.complete, 1);
    ck_assert_uint_eq(r.seen.ready, 2);
    ck_assert_uint_eq(r.seen.units_ready, 1);
    peer_free(&p);
    solo_free(&r);
}
END_TEST

START_TEST(success_is_at_ready_only)
{
    /* All statements complete, and then the commit fails. */
    struct solo r;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_BATCH_EXECUTE);
    SOLO_FEED(&r, 'C', "INSERT 0 1\0");
    SOLO_FEED(&r, '2', "");
    SOLO_FEED(&r, 'C', "INSERT 0 1\0");
    ck_assert_uint_eq(r.seen.ready, 0);
    SOLO_FEED(&r, 'E', "SERROR\0C40001\0Mno\0\0");
    SOLO_FEED(&r, 'Z', "I");
    ck_assert_uint_eq(r.seen.complete, 3);
    ck_assert_uint_eq(r.seen.errors, 1);
    ck_assert_uint_eq(r.seen.ready, 1);
    solo_free(&r);
}
END_TEST

/* A unit that says what it is made of; nobody answers it but the test. */
static void queue_anything(struct solo *r, unsigned sent, unsigned again, size_t more)
{
    struct redwi_buf *b = redwi_session_unit_begin(r->s);
    redwi_fe_flush(b);
    ck_assert_int_eq(redwi_session_batch_end(r->s, &tag_a, sent, again, more, REDW_OUTCOME_NOT_EXECUTED), 0);
    solo_send_all(r);
}

START_TEST(E04_what_is_described_of_the_statement_counts_for_every_time_it_runs)
{
    for (int described = 0; described < 2; described++) {
        struct solo r;
        solo_init(&r);
        solo_reach(&r, SOLO_AT_IDLE);
        queue_anything(&r, REDWI_SENT_PARSE | REDWI_SENT_BIND | REDWI_SENT_EXECUTE |
                               (described ? REDWI_SENT_DESCRIBE_STATEMENT : REDWI_SENT_DESCRIBE),
                       REDWI_SENT_BIND | REDWI_SENT_EXECUTE, 2);
        SOLO_FEED(&r, '1', "");
        if (described) {
            SOLO_FEED(&r, 't', "\0\0");
            SOLO_FEED(&r, 'T', SOLO_ONE_COLUMN);
        }
        SOLO_FEED(&r, '2', "");
        if (!described)
            SOLO_FEED(&r, 'T', SOLO_ONE_COLUMN);
        SOLO_FEED(&r, 'D', SOLO_ONE_ROW);
        SOLO_FEED(&r, 'C', "INSERT 0 1\0");
        SOLO_FEED(&r, '2', "");
        SOLO_FEED(&r, 'D', SOLO_ONE_ROW);
        if (!described) { /* of one portal: the next is another */
            solo_must_be_dead(&r, REDW_EPROTOCOL);
            solo_free(&r);
            continue;
        }
        SOLO_FEED(&r, 'D', SOLO_ONE_ROW);
        SOLO_FEED(&r, 'C', "INSERT 0 2\0");
        SOLO_FEED(&r, '2', "");
        SOLO_FEED(&r, 'C', "INSERT 0 0\0");
        SOLO_FEED(&r, 'Z', "I");
        ck_assert_uint_eq(r.seen.rows, 3);
        ck_assert_uint_eq(r.seen.complete, 3);
        ck_assert_uint_eq(r.seen.bound, 0); /* nobody asked */
        ck_assert_uint_eq(r.seen.ready, 1);
        solo_free(&r);
    }
}
END_TEST

START_TEST(E05_bind_complete_is_reported_where_it_is_asked_for)
{
    struct solo r;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_IDLE);
    const unsigned run = REDWI_SENT_BIND | REDWI_SENT_EXECUTE | REDWI_SENT_COLUMNS;
    queue_anything(&r, run | REDWI_SENT_REPORT_BIND, run, 1);
    ck_assert_uint_eq(r.seen.bound, 0);
    SOLO_FEED(&r, '2', "");
    ck_assert_uint_eq(r.seen.bound, 1);
    ck_assert_ptr_eq(r.seen.unit, &tag_a);
    SOLO_FEED(&r, 'D', SOLO_ONE_ROW);
    SOLO_FEED(&r, 'C', "SELECT 1\0");
    SOLO_FEED(&r, '2', "");
    SOLO_FEED(&r, 'C', "SELECT 0\0");
    SOLO_FEED(&r, 'Z', "I");
    ck_assert_uint_eq(r.seen.bound, 1); /* of the first statement, not of the second */
    ck_assert_uint_eq(r.seen.ready, 1);
    queue_anything(&r, run | REDWI_SENT_REPORT_BIND, 0, 0);
    redwi_session_discard(r.s, &tag_a);
    SOLO_FEED(&r, '2', "");
    SOLO_FEED(&r, 'C', "SELECT 0\0");
    SOLO_FEED(&r, 'Z', "I");
    ck_assert_uint_eq(r.seen.bound, 1); /* a discarded unit says nothing */
    solo_free(&r);
}
END_TEST

START_TEST(copy_in_a_batch_is_answered_and_copy_out_ends_the_session)
{
    struct solo r;
    size_t n;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_BATCH_EXECUTE);
    SOLO_FEED(&r, 'G', "\0\0\0");
    const uint8_t *out = redwi_session_output(r.s, &n);
    ck_assert_int_eq(out[0], 'f');
    solo_send_all(&r);
    SOLO_FEED(&r, 'E', "SERROR\0C57014\0MCOPY failed\0\0");
    SOLO_FEED(&r, 'Z', "I");
    ck_assert_uint_eq(r.seen.errors, 1);
    ck_assert_uint_eq(r.seen.ready, 1);
    solo_free(&r);

    solo_init(&r);
    solo_reach(&r, SOLO_AT_BATCH_EXECUTE);
    SOLO_FEED(&r, 'H', "\0\0\0");
    SOLO_FEED(&r, 'c', "");
    SOLO_FEED(&r, 'C', "COPY 0\0");
    SOLO_FEED(&r, '2', "");
    solo_must_be_dead(&r, REDW_EPROTOCOL);
    ck_assert_uint_eq(r.seen.errors, 1);
    solo_free(&r);
}
END_TEST

START_TEST(a_batch_that_finds_no_memory_is_not_sent)
{
    struct solo r;
    size_t before, after;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_IDLE);
    redwi_session_output(r.s, &before);
    r.memory.fail_at = r.memory.calls + 1;
    r.memory.fail_on = true;
    ck_assert_int_eq(solo_queue_batch(&r, &tag_a, "insert", 10000), REDW_ENOMEM);
    redwi_session_output(r.s, &after);
    ck_assert_uint_eq(before, after);
    ck_assert_uint_eq(redwi_session_units(r.s), 0);
    r.memory.fail_at = 0;
    ck_assert_int_eq(solo_queue_batch(&r, &tag_a, "insert", 10), 0);
    solo_free(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("batch");
    TCase *c = tcase_create("batch");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, each_statement_is_reported_and_the_unit_ends_once);
    tcase_add_test(c, an_error_skips_the_rest_of_its_unit_only);
    tcase_add_test(c, a_discarded_unit_is_read_to_its_end);
    tcase_add_test(c, success_is_at_ready_only);
    tcase_add_test(c, E04_what_is_described_of_the_statement_counts_for_every_time_it_runs);
    tcase_add_test(c, E05_bind_complete_is_reported_where_it_is_asked_for);
    tcase_add_test(c, copy_in_a_batch_is_answered_and_copy_out_ends_the_session);
    tcase_add_test(c, a_batch_that_finds_no_memory_is_not_sent);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
