/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session from outside: TLS without asking, the trace, what negotiation and refusals at the start of a
 * login mean, and calls that have nothing to do. The state machine itself: test_session.c.
 */
#include "support/solo.h"

#include "wire/fe_write.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char tag_b;

/* --- TLS without asking (PostgreSQL 17) -------------------------------------------------------------- */

static void open_direct(struct solo *r)
{
    solo_init(r);
    r->config.tls = true;
    r->config.tls_direct = true;
    solo_open(r);
}

/* A17 */
START_TEST(direct_tls_begins_with_the_handshake_and_nothing_in_clear)
{
    struct solo r;
    size_t n;
    open_direct(&r);
    ck_assert_uint_eq(solo_send_all(&r), 0);
    solo_drain(&r);
    ck_assert_uint_eq(r.seen.start_tls, 1);
    solo_drain(&r);
    ck_assert_uint_eq(r.seen.start_tls, 1); /* said once */
    ck_assert_uint_eq(solo_send_all(&r), 0);
    ck_assert_int_eq(redwi_session_tls_started(r.s, NULL, 0), 0);
    const uint8_t *out = redwi_session_output(r.s, &n);
    ck_assert_uint_gt(n, 8);
    ck_assert_mem_eq(out + 4, "\0\3\0\0user\0app", 13); /* StartupMessage */
    solo_free(&r);
}
END_TEST

/* A18 */
START_TEST(direct_tls_takes_no_byte_before_the_handshake)
{
    for (int told = 0; told < 2; told++) {
        struct solo r;
        size_t room;
        open_direct(&r);
        if (told)
            solo_drain(&r); /* the owner knows that TLS is to begin */
        uint8_t *at = redwi_session_input(r.s, &room);
        at[0] = 'S';
        redwi_session_received(r.s, 1);
        solo_drain(&r);
        ck_assert_uint_eq(r.seen.start_tls, (size_t)told);
        ck_assert_str_eq(redw_error_message(r.seen.fatal_error),
                         "tls: unencrypted bytes before the TLS handshake");
        solo_must_be_dead(&r, REDW_ETLS);
        solo_free(&r);
    }
}
END_TEST

/* --- the trace ---------------------------------------------------------------------------------------- */

struct lines {
    char text[4096];
    size_t len;
};

static void add_line(void *ctx, const char *line, size_t n)
{
    struct lines *l = ctx;
    ck_assert_uint_lt(n, sizeof l->text - l->len - 1);
    memcpy(l->text + l->len, line, n);
    l->len += n;
    l->text[l->len++] = '\n';
    l->text[l->len] = '\0';
}

START_TEST(a_trace_sees_both_directions_from_the_first_byte)
{
    static const struct {
        bool tls, direct;
        const char *begins;
    } cases[] = {
        {false, false, "F\t74\tStartupMessage\t"},
        {true, false, "F\t8\tSSLRequest\t"},
        {true, true, "F\t74\tStartupMessage\t"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct solo r;
        struct lines l = {.len = 0};
        size_t room;
        solo_init(&r);
        r.config.tls = cases[i].tls;
        r.config.tls_direct = cases[i].direct;
        r.config.trace = add_line;
        r.config.trace_ctx = &l;
        solo_open(&r);
        solo_send_all(&r);
        if (cases[i].tls) {
            if (!cases[i].direct)
                solo_feed(&r, "S", 1);
            solo_drain(&r);
            ck_assert_int_eq(redwi_session_tls_started(r.s, NULL, 0), 0);
            solo_send_all(&r);
        }
        redwi_session_sent(r.s, 0); /* nothing is nothing */
        ck_assert_ptr_nonnull(redwi_session_input(r.s, &room));
        redwi_session_received(r.s, 0);
        SOLO_FEED(&r, 'R', "\0\0\0\0");
        SOLO_FEED(&r, 'Z', "I");
        ck_assert_uint_eq(r.seen.logged_in, 1);
        ck_assert_msg(strncmp(l.text, cases[i].begins, strlen(cases[i].begins)) == 0, "%s", l.text);
        ck_assert_ptr_nonnull(strstr(l.text, "\nB\t8\tAuthentication\t 0\n"));
        ck_assert_ptr_nonnull(strstr(l.text, "\nB\t5\tReadyForQuery\t I\n"));
        solo_free(&r);
    }
}
END_TEST

START_TEST(a_session_without_memory_for_its_trace_is_not_made)
{
    for (size_t fail_at = 1; fail_at <= 2; fail_at++) {
        struct solo r;
        struct lines l = {.len = 0};
        solo_init(&r);
        r.config.trace = add_line;
        r.config.trace_ctx = &l;
        r.memory.fail_at = fail_at;
        ck_assert_int_eq(redwi_session_create(&r.s, &r.config), REDW_ENOMEM);
        ck_assert_ptr_null(r.s);
        ck_assert_uint_eq(r.memory.calls, fail_at);
        solo_free(&r);
    }
}
END_TEST

/* --- answers to the startup packet -------------------------------------------------------------------- */

/* A19 */
START_TEST(negotiation_takes_nothing_that_was_not_asked_for)
{
    static const struct {
        const char *body, *says; /* NULL: fine */
        size_t n;
    } cases[] = {
#define BODY(text, says) {text, says, sizeof(text) - 1}
        BODY("\0\0\0\0\0\0\0\0", NULL),
        BODY("\0\3\0\0\0\0\0\0", NULL),
        BODY("\0\3\0\1\0\0\0\0", "what was not asked for in NegotiateProtocolVersion"),
        BODY("\0\0\0\2\0\0\0\0", "what was not asked for in NegotiateProtocolVersion"),
        BODY("\0\3\0\0\0\0\0\1_pq_.x\0", "what was not asked for in NegotiateProtocolVersion"),
        BODY("\0\2\0\0\0\0\0\0", "malformed NegotiateProtocolVersion"),
        BODY("\0\3\0\0\0\0\0\1", "malformed NegotiateProtocolVersion"),
        BODY("\0\3\0\0\0\0\0\2_pq_.x\0", "malformed NegotiateProtocolVersion"),
        BODY("\0\3\0\0\0\0\0\0x", "malformed NegotiateProtocolVersion"),
        BODY("\0\3\0\0\xff\xff\xff\xff", "malformed NegotiateProtocolVersion"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct solo r;
        solo_init(&r);
        solo_reach(&r, SOLO_AT_AUTH);
        solo_feed_message(&r, 'v', cases[i].body, cases[i].n);
        if (cases[i].says) {
            ck_assert_msg(r.seen.fatal && strstr(redw_error_message(r.seen.fatal_error), cases[i].says),
                          "case %zu", i);
            solo_must_be_dead(&r, REDW_EPROTOCOL);
        } else {
            SOLO_FEED(&r, 'R', "\0\0\0\0");
            ck_assert_uint_eq(r.seen.fatal, 0);
        }
        solo_free(&r);
    }
}
END_TEST

/* A19 */
START_TEST(only_a_refusal_of_the_names_during_login_says_to_try_without_them)
{
    static const struct {
        bool names;
        enum solo_where where;
        const char *body;
        bool refused;
    } cases[] = {
        {true, SOLO_AT_AUTH, "SFATAL\0C42704\0Mno\0", true},
        {true, SOLO_AT_AUTH, "SFATAL\0C08P01\0Mno\0", true},
        {true, SOLO_AT_SETTLING, "SFATAL\0C42704\0Mno\0", true},
        {true, SOLO_AT_AUTH, "SFATAL\0C28P01\0Mno\0", false}, /* about something else */
        {true, SOLO_AT_AUTH, "SERROR\0C42704\0Mno\0", false}, /* and it did not close */
        {true, SOLO_AT_IDLE, "SFATAL\0C42704\0Mno\0", false}, /* too late to be about them */
        {false, SOLO_AT_AUTH, "SFATAL\0C42704\0Mno\0", false}, /* they were not sent */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct solo r;
        solo_init(&r);
        r.config.startup.redshift = cases[i].names;
        solo_reach(&r, cases[i].where);
        ck_assert(!redwi_session_names_refused(r.s));
        solo_feed_message(&r, 'E', cases[i].body, 18 + 1);
        ck_assert_msg(redwi_session_names_refused(r.s) == cases[i].refused, "case %zu", i);
        ck_assert_uint_eq(r.seen.fatal, 1);
        solo_free(&r);
    }
}
END_TEST

/* --- units -------------------------------------------------------------------------------------------- */

START_TEST(a_unit_without_execute_is_complete_with_its_columns)
{
    struct solo r;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_IDLE);
    for (size_t times = 1; times < 3; times++) { /* the second time its columns are known */
        struct redwi_buf *b = redwi_session_unit_begin(r.s);
        redwi_fe_parse(b, "", "select 1", 8, NULL, 0);
        redwi_fe_describe_portal(b, "");
        ck_assert_int_eq(redwi_session_unit_end(r.s, &solo_unit, REDWI_SENT_PARSE | REDWI_SENT_DESCRIBE,
                                                REDW_OUTCOME_NOT_EXECUTED), 0);
        solo_send_all(&r);
        SOLO_FEED(&r, '1', "");
        SOLO_FEED(&r, 'T', SOLO_ONE_COLUMN);
        ck_assert_uint_eq(r.seen.columns, times);
        SOLO_FEED(&r, 'Z', "I");
        ck_assert_uint_eq(r.seen.ready, times);
        ck_assert_ptr_eq(r.seen.unit, &solo_unit);
    }
    solo_free(&r);
}
END_TEST

START_TEST(what_was_not_queued_has_an_unknown_outcome_and_cannot_be_discarded)
{
    struct solo r;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_IDLE);
    ck_assert_int_eq(solo_queue_unit(&r, &solo_unit, "select"), 0);
    ck_assert_int_eq(redwi_session_outcome(r.s, &tag_b), REDW_OUTCOME_UNKNOWN);
    ck_assert_int_eq(redwi_session_outcome(r.s, &solo_unit), REDW_OUTCOME_NOT_SENT);
    redwi_session_discard(r.s, &tag_b);
    redwi_session_discard(r.s, NULL);
    ck_assert_int_eq(redwi_session_outcome(r.s, &solo_unit), REDW_OUTCOME_NOT_SENT);
    redwi_session_discard(r.s, &solo_unit);
    redwi_session_discard(r.s, NULL); /* nobody's is not everybody's that was discarded */
    ck_assert_uint_eq(redwi_session_units(r.s), 1);
    solo_free(&r);
}
END_TEST

START_TEST(a_session_that_ends_before_its_unit_left_has_sent_nothing)
{
    struct solo r;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_IDLE);
    ck_assert_int_eq(solo_queue_unit(&r, &solo_unit, "select"), 0);
    solo_end(&r);
    solo_must_be_dead(&r, REDW_ECONNECT);
    ck_assert_int_eq(redw_error_outcome(r.seen.fatal_error), REDW_OUTCOME_NOT_SENT);
    ck_assert_int_eq(redwi_session_outcome(r.s, &solo_unit), REDW_OUTCOME_NOT_SENT);
    solo_free(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_life");
    TCase *c = tcase_create("session_life");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, direct_tls_begins_with_the_handshake_and_nothing_in_clear);
    tcase_add_test(c, direct_tls_takes_no_byte_before_the_handshake);
    tcase_add_test(c, a_trace_sees_both_directions_from_the_first_byte);
    tcase_add_test(c, a_session_without_memory_for_its_trace_is_not_made);
    tcase_add_test(c, negotiation_takes_nothing_that_was_not_asked_for);
    tcase_add_test(c, only_a_refusal_of_the_names_during_login_says_to_try_without_them);
    tcase_add_test(c, a_unit_without_execute_is_complete_with_its_columns);
    tcase_add_test(c, what_was_not_queued_has_an_unknown_outcome_and_cannot_be_discarded);
    tcase_add_test(c, a_session_that_ends_before_its_unit_left_has_sent_nothing);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
