/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C01, C02, U8: The protocol machine, beyond the golden sessions: each message type in each state, lengths,
 * the life of units, memory. Logins: test_login.c.
 */
#include "support/solo.h"

#include "wire/be_read.h"
#include "wire/fe_write.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char tag_b;

/* --- every state -------------------------------------------------------------------------------- */

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

/* --- units -------------------------------------------------------------------------------------- */

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

/* Parse to Sync at once: the same bytes as in parts, the same answers, and nothing where it cannot be. */
START_TEST(a_whole_unit_is_queued_at_once_or_not_at_all)
{
    struct solo r;
    size_t n, whole_n;
    uint8_t parts[256];
    solo_init(&r);
    ck_assert_int_eq(redwi_session_create(&r.s, &r.config), 0);
    ck_assert_int_eq(redwi_session_unnamed(r.s, &tag_b, "x", 1, false, 0), REDW_ENOMEM); /* not logged in */
    redwi_session_free(r.s);
    solo_reach(&r, SOLO_AT_IDLE);
    ck_assert_int_eq(solo_queue_unit(&r, &solo_unit, "select 1"), 0);
    const uint8_t *out = redwi_session_output(r.s, &n);
    ck_assert_uint_le(n, sizeof parts);
    memcpy(parts, out, n);
    redwi_fe_query(redwi_session_unit_begin(r.s), "x", 1); /* was never ended */
    ck_assert_int_eq(redwi_session_unnamed(r.s, &tag_b, "select 1", 8, false, REDW_OUTCOME_NOT_EXECUTED), 0);
    out = redwi_session_output(r.s, &whole_n);
    ck_assert_uint_eq(whole_n, 2 * n);
    ck_assert_mem_eq(out + n, parts, n);
    ck_assert(redwi_session_take_back(r.s, &tag_b));
    ck_assert_int_eq(redwi_session_unnamed(r.s, &tag_b, "", SIZE_MAX, false, 0), REDW_EFULL);
    r.memory.fail_at = r.memory.calls + 1;
    static const char large[100000];
    ck_assert_int_eq(redwi_session_unnamed(r.s, &tag_b, large, sizeof large, false, 0), REDW_ENOMEM);
    ck_assert_uint_eq(redwi_session_units(r.s), 1);
    ck_assert_uint_eq(solo_send_all(&r), n);
    ck_assert_int_eq(redwi_session_unnamed(r.s, &tag_b, "select 1", 8, false, REDW_OUTCOME_NOT_EXECUTED), 0);
    solo_send_all(&r);
    for (size_t unit = 1; unit <= 2; unit++) {
        SOLO_FEED(&r, '1', "");
        SOLO_FEED(&r, '2', "");
        SOLO_FEED(&r, 'T', SOLO_ONE_COLUMN);
        SOLO_FEED(&r, 'D', SOLO_ONE_ROW);
        SOLO_FEED(&r, 'C', "SELECT 1\0");
        SOLO_FEED(&r, 'Z', "I");
        ck_assert_uint_eq(r.seen.ready, unit);
    }
    ck_assert_uint_eq(r.seen.rows, 2);
    ck_assert_ptr_eq(r.seen.unit, &tag_b);
    solo_free(&r);
}
END_TEST

/* What comes behind ParseComplete and BindComplete in one piece, and what comes instead of them. */
START_TEST(answers_in_one_piece_are_what_they_are_one_by_one)
{
    static const struct {
        size_t n;
        const char *bytes;
        size_t columns, errors, fatal;
    } table[] = {
#define PIECE(bytes) sizeof(bytes) - 1, bytes
        {PIECE("1\0\0\0\4" "2\0\0\0\4" "T\0\0\0\x1a" SOLO_ONE_COLUMN), 1, 0, 0},
        {PIECE("1\0\0\0\4" "2\0\0\0\4" "n\0\0\0\4"), 0, 0, 0},
        {PIECE("1\0\0\0\4" "2\0\0\0\4"), 0, 0, 0},
        {PIECE("1\0\0\0\4" "E\0\0\0\x17" SOLO_SOME_ERROR "\0"), 0, 1, 0},
        {PIECE("1\0\0\0\4" "2\0\0\0\5" "T\0\0\0\x1a"), 0, 0, 1},
        {PIECE("1\0\0\0\4" "1\0\0\0\4" "T\0\0\0\x1a"), 0, 0, 1},
        {PIECE("2\0\0\0\4" "1\0\0\0\4" "T\0\0\0\x1a"), 0, 0, 1},
        {PIECE("1\0\0\0\4" "2\0\0\0\4" "T\0\0\0\x05" "\0"), 0, 0, 1},
        {PIECE("1\0\0\0\4" "2\0\0\0\4" "D\0\0\0\x0b" SOLO_ONE_ROW), 0, 0, 1},
#undef PIECE
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct solo r;
        solo_init(&r);
        solo_reach(&r, SOLO_AT_ROWS); /* so the columns are known */
        SOLO_FEED(&r, 'C', "SELECT 0\0");
        SOLO_FEED(&r, 'Z', "I");
        ck_assert_int_eq(redwi_session_unnamed(r.s, &tag_b, "select 1", 8, false, REDW_OUTCOME_NOT_EXECUTED), 0);
        solo_send_all(&r);
        size_t columns = r.seen.columns;
        solo_feed(&r, table[i].bytes, table[i].n);
        ck_assert_msg(r.seen.columns - columns == table[i].columns, "%zu: columns", i);
        ck_assert_msg(r.seen.errors == table[i].errors, "%zu: errors", i);
        ck_assert_msg(r.seen.fatal == table[i].fatal, "%zu: fatal", i);
        solo_free(&r);
    }
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

/* --- memory ------------------------------------------------------------------------------------- */

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
    tcase_add_test(c, units_are_answered_in_their_order);
    tcase_add_test(c, rows_not_taken_come_again_and_discarded_ones_never);
    tcase_add_test(c, a_row_the_owner_finds_malformed_ends_the_session);
    tcase_add_test(c, the_outcome_depends_on_the_first_byte_of_the_unit);
    tcase_add_test(c, a_unit_that_was_not_ended_is_not_sent);
    tcase_add_test(c, a_whole_unit_is_queued_at_once_or_not_at_all);
    tcase_add_test(c, answers_in_one_piece_are_what_they_are_one_by_one);
    tcase_add_test(c, a_unit_of_which_nothing_was_sent_can_be_taken_back);
    tcase_add_test(c, a_unit_may_be_written_in_parts_while_the_session_lives);
    tcase_add_test(c, a_unit_with_something_behind_it_in_the_output_is_not_taken_back);
    tcase_add_test(c, a_unit_of_a_dead_session_is_not_taken_back);
    tcase_add_test(c, a_query_that_cannot_begin_leaves_nothing_behind);
    tcase_add_test(c, copy_fail_takes_an_unfinished_unit_back);
    tcase_add_test(c, copy_fail_without_memory_ends_the_session);
    tcase_add_test(c, fatal_after_the_units_own_error_still_ends_the_session);
    tcase_add_test(c, a_unit_of_nothing_but_sync_is_answered_by_ready);
    tcase_add_test(c, the_input_grows_with_what_came_and_shrinks_again);
    tcase_add_test(c, reads_that_rows_fill_get_twice_the_room_until_the_rows_end);
    tcase_add_test(c, no_memory_for_twice_the_room_is_no_failure);
    tcase_add_test(c, rows_that_are_not_taken_cost_memory_but_no_row);
    tcase_add_test(c, room_is_found_without_moving_bytes_while_there_is_enough);
    tcase_add_test(c, a_large_statement_does_not_stay_in_the_output);
    tcase_add_test(c, a_unit_that_finds_no_memory_leaves_the_output_as_it_was);
    tcase_add_test(c, each_allocation_may_fail);
    tcase_add_test(c, calls_in_the_wrong_phase_do_nothing);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
