/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C01, C02: The protocol machine, beyond the golden sessions: each message type in each state, lengths and bodies
 * that cannot be, calls in the wrong phase. Units: test_session_units.c; memory: test_session_memory.c; logins:
 * test_login.c.
 */
#include "support/solo.h"

#include "wire/be_read.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* A body that is right in itself. */
static redw_slice sample(uint8_t type)
{
#define BODY(text) ((redw_slice){text, sizeof(text) - 1})
    switch (type) {
    case 'A': return BODY("\0\0\0\7c\0p\0");
    case 'C': return BODY("SELECT 1\0");
    case 'D': return BODY(SOLO_ONE_ROW);
    case 'E': case 'N': return BODY(SOLO_SOME_ERROR "\0");
    case 'G': case 'H': case 'W': return BODY("\0\0\0");
    case 'K': return BODY("\0\0\0\1abcd");
    case 'R': return BODY("\0\0\0\0");
    case 'S': return BODY("a\0b\0");
    case 'T': return BODY(SOLO_ONE_COLUMN);
    case 'V': return BODY("\xff\xff\xff\xff");
    case 'Z': return BODY("I");
    case 'd': return BODY("x");
    case 't': return BODY("\0\0");
    case 'v': return BODY("\0\0\0\0\0\0\0\0");
    default: return BODY("");
    }
}

/* What the protocol allows where, E aside. */
static const char *const legal[SOLO_STATES] = {
    [SOLO_AT_AUTH] = "RNSv",      [SOLO_AT_SASL_FIRST] = "NSv", [SOLO_AT_SASL_FINAL] = "NSv",
    [SOLO_AT_SASL_DONE] = "RNSv", [SOLO_AT_SETTLING] = "NSKZ", [SOLO_AT_IDLE] = "NSA",
    [SOLO_AT_PARSE] = "NSA1",    [SOLO_AT_BIND] = "NSA2",     [SOLO_AT_DESCRIBE] = "NSATn",
    [SOLO_AT_EXECUTE] = "NSACIGH", [SOLO_AT_ROWS] = "NSADC",  [SOLO_AT_SYNC] = "NSAZ",
    [SOLO_AT_FAILED] = "NSAZ",   [SOLO_AT_COPY_IN] = "NSA",   [SOLO_AT_COPY_OUT] = "NSAdcC",
    [SOLO_AT_CLOSE] = "NSA3",    [SOLO_AT_PARAMETERS] = "NSAt", [SOLO_AT_COLUMNS] = "NSATn",
    [SOLO_AT_KNOWN_ROWS] = "NSADC", [SOLO_AT_LIMIT_ROWS] = "NSADCs", [SOLO_AT_QUERY] = "NSATCIZ",
    [SOLO_AT_QUERY_ROWS] = "NSADC",
    [SOLO_AT_ANSWERED] = "RNSv", [SOLO_AT_BATCH_BIND] = "NSA2", [SOLO_AT_BATCH_EXECUTE] = "NSACIGH",
};

static void check_type(enum solo_where where, uint8_t type)
{
    struct solo r;
    solo_init(&r);
    solo_reach(&r, where);
    size_t errors = r.seen.errors;
    redw_slice body = sample(type);
    solo_feed_message(&r, (char)type, body.ptr, body.len);

    if (type == 'E' && where <= SOLO_AT_IDLE) {
        solo_must_be_dead(&r, REDW_ESERVER);
        ck_assert_str_eq(redw_error_sqlstate(r.seen.fatal_error), "42601");
    } else if (type == 'E') {
        ck_assert_uint_eq(r.seen.fatal, 0);
        ck_assert_uint_eq(r.seen.errors, errors ? errors : 1); /* one per unit */
    } else if (type && strchr(legal[where], type)) {
        ck_assert_msg(!r.seen.fatal, "%c in state %d: %s", type, where,
                      redw_error_message(r.seen.fatal_error));
    } else {
        solo_must_be_dead(&r, type == 'R' && where < SOLO_AT_SETTLING ? REDW_EAUTH : REDW_EPROTOCOL);
    }

    bool finishes = type == 'Z' && (where == SOLO_AT_SYNC || where == SOLO_AT_FAILED || where == SOLO_AT_QUERY);
    bool logs_in = type == 'Z' && where == SOLO_AT_SETTLING;
    ck_assert_uint_eq(r.seen.ready, finishes);
    ck_assert_uint_eq(r.seen.logged_in, where >= SOLO_AT_IDLE || logs_in);
    solo_end(&r);
    ck_assert_uint_eq(r.seen.fatal, 1); /* nothing waits for ever */
    ck_assert_uint_eq(r.seen.ready, finishes);
    if (where >= SOLO_AT_PARSE && !finishes)
        ck_assert_int_eq(redwi_session_outcome(r.s, &solo_unit), REDW_OUTCOME_UNKNOWN);
    solo_free(&r);
}

START_TEST(each_type_in_each_state_is_taken_or_ends_the_session)
{
    for (int where = 0; where < SOLO_STATES; where++) {
        for (unsigned type = 0; type < 256; type++)
            check_type((enum solo_where)where, (uint8_t)type);
    }
}
END_TEST

START_TEST(an_unexpected_message_is_named_with_the_state)
{
    struct solo r;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_BIND);
    SOLO_FEED(&r, 'Z', "I");
    ck_assert_str_eq(redw_error_message(r.seen.fatal_error),
                     "protocol: unexpected ReadyForQuery while BindComplete is due");
    ck_assert_int_eq(redw_error_class(r.seen.fatal_error), REDW_CLASS_INTERNAL);
    solo_free(&r);
    solo_init(&r);
    solo_reach(&r, SOLO_AT_IDLE);
    SOLO_FEED(&r, '\x07', "");
    ck_assert_str_eq(redw_error_message(r.seen.fatal_error),
                     "protocol: unexpected message type 0x07 while idle");
    solo_free(&r);
}
END_TEST

/* Where a type is legal; SOLO_STATES: nowhere. */
static enum solo_where home_of(char type)
{
    for (int where = SOLO_STATES - 1; where >= 0; where--) {
        if (strchr(legal[where], type))
            return (enum solo_where)where;
    }
    return type == 'E' ? SOLO_AT_ROWS : SOLO_STATES;
}

START_TEST(lengths_out_of_bounds_end_the_session_before_a_byte_is_buffered)
{
    for (unsigned type = 1; type < 128; type++) {
        enum solo_where where = home_of((char)type);
        size_t min, max;
        if (where == SOLO_STATES)
            continue;
        ck_assert(redwi_be_limits((char)type, where >= SOLO_AT_IDLE, 4 << 20, &min, &max));
        const uint32_t bad[] = {0,          1,          3,          (uint32_t)min - 1, (uint32_t)max + 1,
                                0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            struct solo r;
            solo_init(&r);
            r.config.data_row_max = 1; /* counts as 4 MiB */
            solo_reach(&r, where);
            solo_feed_header(&r, (char)type, bad[i]);
            solo_must_be_dead(&r, REDW_EPROTOCOL);
            solo_free(&r);
        }
        struct solo r;
        solo_init(&r);
        r.config.data_row_max = 4 << 20;
        solo_reach(&r, where);
        if (max > min) {
            solo_feed_header(&r, (char)type, (uint32_t)max);
            ck_assert_uint_eq(r.seen.fatal, 0);
        }
        solo_free(&r);
    }
}
END_TEST

START_TEST(malformed_bodies_end_the_session)
{
    static const struct {
        enum solo_where where;
        char type;
        const char *body;
        size_t n;
    } cases[] = {
        {SOLO_AT_AUTH, 'R', "\0\0\0\0x", 5},          {SOLO_AT_AUTH, 'R', "\0\0\0\x0aSCRAM-SHA-256", 17},
        {SOLO_AT_AUTH, 'R', "\0\0\0\x0a", 4},         {SOLO_AT_AUTH, 'R', "\0\0\0\x0b" "r=", 6},
        {SOLO_AT_AUTH, 'R', "\0\0\0\x0c" "v=", 6},    {SOLO_AT_SASL_FIRST, 'R', "\0\0\0\x0c" "v=", 6},
        {SOLO_AT_SASL_FIRST, 'R', "\0\0\0\x0b", 4},   {SOLO_AT_SASL_FINAL, 'R', "\0\0\0\x0c", 4},
        {SOLO_AT_SASL_FINAL, 'R', SOLO_SASL_CHALLENGE, sizeof SOLO_SASL_CHALLENGE - 1},
        {SOLO_AT_SASL_DONE, 'R', SOLO_SASL_SIGNATURE, sizeof SOLO_SASL_SIGNATURE - 1},
        {SOLO_AT_AUTH, 'E', "SERROR", 6},             {SOLO_AT_AUTH, 'N', "x", 1},
        {SOLO_AT_IDLE, 'S', "ab", 2},                 {SOLO_AT_IDLE, 'E', "S", 1},
        {SOLO_AT_IDLE, 'N', "\0x", 2},                {SOLO_AT_SETTLING, 'Z', "X", 1},
        {SOLO_AT_SYNC, 'Z', "\0", 1},                 {SOLO_AT_DESCRIBE, 'T', "\0\1", 2},
        {SOLO_AT_ROWS, 'C', "SELECT", 6},             {SOLO_AT_ROWS, 'E', "Mx\0", 3},
        {SOLO_AT_ROWS, 'C', "SELECT\0x", 8},          {SOLO_AT_PARAMETERS, 't', "\0\2\0\0\0\x17", 6},
        {SOLO_AT_COLUMNS, 'T', "\0\1", 2},             {SOLO_AT_QUERY, 'C', "BEGIN", 5},
        {SOLO_AT_QUERY, 'Z', "?", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct solo r;
        solo_init(&r);
        solo_reach(&r, cases[i].where);
        solo_feed_message(&r, cases[i].type, cases[i].body, cases[i].n);
        ck_assert_msg(r.seen.fatal == 1, "case %zu", i);
        solo_must_be_dead(&r, REDW_EPROTOCOL);
        solo_free(&r);
    }
}
END_TEST

START_TEST(a_second_cancel_key_is_refused)
{
    struct solo r;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_SETTLING);
    SOLO_FEED(&r, 'K', "\0\0\0\1abcd");
    SOLO_FEED(&r, 'K', "\0\0\0\2efgh");
    solo_must_be_dead(&r, REDW_EPROTOCOL);
    solo_free(&r);
}
END_TEST

START_TEST(calls_in_the_wrong_phase_do_nothing)
{
    struct solo r;
    struct redwi_ev ev;
    size_t n;
    solo_init(&r);
    ck_assert_int_eq(redwi_session_create(&r.s, &r.config), 0);
    ck_assert_int_eq(redwi_session_tls_started(r.s, NULL, 0), REDW_EINVAL);
    ck_assert_int_eq(redwi_session_next(r.s, &ev), REDWI_EV_NONE);
    ck_assert_ptr_null(redwi_session_output(r.s, &n));
    redwi_session_terminate(r.s);
    ck_assert(!redwi_session_work(r.s, 1));
    ck_assert_int_eq(redwi_session_start(r.s), 0);
    ck_assert_int_eq(redwi_session_start(r.s), REDW_EINVAL);
    const uint8_t *key = peer_key;
    uint32_t pid;
    redwi_session_key(r.s, &pid, &key, &n);
    ck_assert_ptr_null(key);
    solo_free(&r);
    redwi_session_free(NULL);

    solo_init(&r);
    r.config.tls = true;
    solo_open(&r);
    solo_feed(&r, "S", 1);
    static const uint8_t long_binding[65];
    ck_assert_int_eq(redwi_session_tls_started(r.s, long_binding, sizeof long_binding), REDW_EINVAL);
    solo_free(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session");
    TCase *c = tcase_create("session");
    tcase_set_timeout(c, 300);
    tcase_add_test(c, each_type_in_each_state_is_taken_or_ends_the_session);
    tcase_add_test(c, an_unexpected_message_is_named_with_the_state);
    tcase_add_test(c, lengths_out_of_bounds_end_the_session_before_a_byte_is_buffered);
    tcase_add_test(c, malformed_bodies_end_the_session);
    tcase_add_test(c, a_second_cancel_key_is_refused);
    tcase_add_test(c, calls_in_the_wrong_phase_do_nothing);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
