/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C01, C02: The length word of each server message, in each state in which the message is legal: out of
 * bounds it ends the session at once, before a byte of the body is waited for or room for it is made; within
 * them the message is taken with its last byte and not before. The bounds are written down here a second
 * time.
 */
#include "support/solo.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIB 1024u
#define MIB (1024u * KIB)
#define ROW_MAX (4 * MIB) /* the smallest bound that can be had */

#define AT(where)  (1u << SOLO_AT_##where)
#define SASL       (AT(SASL_FIRST) | AT(SASL_FINAL) | AT(SASL_DONE))
#define LOGIN      (AT(AUTH) | AT(ANSWERED) | SASL)
#define NO_LOGIN   (LOGIN | AT(SETTLING))
#define BATCH      (AT(BATCH_BIND) | AT(BATCH_EXECUTE))
#define UNIT                                                                                            \
    (AT(PARSE) | AT(BIND) | AT(DESCRIBE) | AT(EXECUTE) | AT(ROWS) | AT(SYNC) | AT(FAILED) |             \
     AT(COPY_IN) | AT(COPY_OUT) | AT(CLOSE) | AT(PARAMETERS) | AT(COLUMNS) | AT(KNOWN_ROWS) |           \
     AT(LIMIT_ROWS) | AT(QUERY) | AT(QUERY_ROWS) | BATCH)
#define EXECUTING (AT(EXECUTE) | AT(BATCH_EXECUTE))
#define ALL_ROWS  (AT(ROWS) | AT(KNOWN_ROWS) | AT(LIMIT_ROWS) | AT(QUERY_ROWS))
#define LOGGED_IN (AT(IDLE) | UNIT)

static const struct bounds {
    char type;
    const char *name;
    uint32_t min, max;
    unsigned where;
} table[] = {
    {'R', "Authentication", 8, 64 * KIB, LOGIN},
    {'v', "NegotiateProtocolVersion", 12, 64 * KIB, LOGIN},
    {'K', "BackendKeyData", 12, 264, AT(SETTLING)},
    {'Z', "ReadyForQuery", 5, 5, AT(SETTLING) | AT(SYNC) | AT(FAILED) | AT(QUERY)},
    {'E', "ErrorResponse", 5, 30000, NO_LOGIN},
    {'E', "ErrorResponse", 5, 1 * MIB, LOGGED_IN},
    {'N', "NoticeResponse", 5, 1 * MIB, NO_LOGIN | LOGGED_IN},
    {'S', "ParameterStatus", 6, 64 * KIB, NO_LOGIN | LOGGED_IN},
    {'A', "NotificationResponse", 10, 64 * KIB, LOGGED_IN},
    {'1', "ParseComplete", 4, 4, AT(PARSE)},
    {'2', "BindComplete", 4, 4, AT(BIND) | AT(BATCH_BIND)},
    {'3', "CloseComplete", 4, 4, AT(CLOSE)},
    {'t', "ParameterDescription", 6, 6 + 4 * 32767, AT(PARAMETERS)},
    /* With a limit or without one: the length comes first. */
    {'s', "PortalSuspended", 4, 4, EXECUTING | AT(ROWS) | AT(KNOWN_ROWS) | AT(LIMIT_ROWS)},
    {'T', "RowDescription", 6, 4 * MIB, AT(DESCRIBE) | AT(COLUMNS) | AT(QUERY)},
    {'n', "NoData", 4, 4, AT(DESCRIBE) | AT(COLUMNS)},
    {'D', "DataRow", 6, ROW_MAX, ALL_ROWS},
    {'C', "CommandComplete", 5, 1 * KIB, EXECUTING | ALL_ROWS | AT(QUERY) | AT(COPY_OUT)},
    {'I', "EmptyQueryResponse", 4, 4, EXECUTING | AT(QUERY)},
    {'G', "CopyInResponse", 7, 7 + 2 * 1664, EXECUTING},
    {'H', "CopyOutResponse", 7, 7 + 2 * 1664, EXECUTING},
    {'d', "CopyData", 4, ROW_MAX, AT(COPY_OUT)},
    {'c', "CopyDone", 4, 4, AT(COPY_OUT)},
};

static size_t lengths_of(const struct bounds *b, uint32_t out[11])
{
    const uint32_t lengths[] = {0,          3,          4,          b->min - 1, b->min,    b->max,
                                b->max + 1, 0x7fffffff, 0xffffffff, 0xfffffffe, 0x80000000};
    memcpy(out, lengths, sizeof lengths);
    return sizeof lengths / sizeof lengths[0];
}

/* Everything that a message could have brought about. */
static size_t events(const struct solo *r)
{
    const struct solo_seen *s = &r->seen;
    return s->logged_in + s->columns + s->rows + s->complete + s->errors + s->notices + s->parameters +
           s->parameter_types + s->suspended + s->ready + s->fatal + s->work;
}

static void must_refuse(struct solo *r, const struct bounds *b)
{
    char want[100];
    snprintf(want, sizeof want, "protocol: length out of bounds in %s ", b->name);
    const char *message = redw_error_message(r->seen.fatal_error);
    ck_assert_msg(strncmp(message, want, strlen(want)) == 0, "%s", message);
    solo_must_be_dead(r, REDW_EPROTOCOL);
}

/* A body of zeros, which some messages find malformed: at its end, not before. */
static void must_take(struct solo *r, uint32_t len)
{
    static const uint8_t zeros[ROW_MAX];
    size_t before = events(r);
    if (len > 4) {
        ck_assert_uint_eq(r->seen.fatal, 0);
        solo_feed(r, zeros, len - 5);
        ck_assert_uint_eq(events(r), before);
        ck_assert(redwi_session_has_input(r->s));
        solo_feed(r, zeros, 1);
    }
    if (r->seen.fatal)
        ck_assert_ptr_null(strstr(redw_error_message(r->seen.fatal_error), "length"));
    else
        ck_assert(!redwi_session_has_input(r->s));
}

static void check_length(const struct bounds *b, enum solo_where where, uint32_t len)
{
    struct solo r;
    solo_init(&r);
    r.config.data_row_max = ROW_MAX;
    solo_reach(&r, where);
    size_t room;
    ck_assert_ptr_nonnull(redwi_session_input(r.s, &room)); /* the usual one, where nothing came yet */
    size_t before = r.memory.peak = r.memory.bytes;
    solo_feed_header(&r, b->type, len);
    if (len < b->min || len > b->max) {
        must_refuse(&r, b);
        ck_assert_uint_lt(r.memory.peak, before + 4 * KIB); /* the error */
    } else {
        ck_assert_uint_le(r.memory.peak, before + (len > 4 ? 0 : 4 * KIB));
        must_take(&r, len);
        ck_assert_uint_le(r.memory.peak, before + 4 * (size_t)len + 64 * KIB);
    }
    solo_free(&r);
}

START_TEST(each_length_of_each_type_in_each_state_where_it_is_legal)
{
    size_t cells = 0;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        for (int where = 0; where < SOLO_STATES; where++) {
            uint32_t lengths[11];
            size_t n = lengths_of(&table[i], lengths);
            if (!(table[i].where & 1u << where))
                continue;
            for (size_t k = 0; k < n; k++, cells++)
                check_length(&table[i], (enum solo_where)where, lengths[k]);
        }
    }
    printf("lengths: %zu cells\n", cells);
}
END_TEST

/* So no state is left out of the table: what has no row for a state is refused there. */
START_TEST(each_type_in_each_state_where_it_is_not_legal)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        unsigned legal = 0;
        for (size_t k = 0; k < sizeof table / sizeof table[0]; k++)
            legal |= table[k].type == table[i].type ? table[k].where : 0;
        for (int where = 0; where < SOLO_STATES; where++) {
            struct solo r;
            if (legal & 1u << where)
                continue;
            solo_init(&r);
            solo_reach(&r, (enum solo_where)where);
            solo_feed_header(&r, table[i].type, table[i].min);
            ck_assert_msg(r.seen.fatal == 1, "%s in state %d", table[i].name, where);
            ck_assert_ptr_nonnull(strstr(redw_error_message(r.seen.fatal_error), "unexpected"));
            ck_assert_ptr_nonnull(strstr(redw_error_message(r.seen.fatal_error), table[i].name));
            solo_must_be_dead(&r, REDW_EPROTOCOL);
            solo_free(&r);
        }
    }
}
END_TEST

START_TEST(a_type_that_is_never_legal_is_refused_at_any_length)
{
    static const char never[] = "VWzkm";
    static const struct bounds any = {.min = 8, .max = 64 * KIB};
    uint32_t lengths[11];
    size_t n = lengths_of(&any, lengths);
    for (const char *type = never; *type; type++) {
        for (size_t k = 0; k < n; k++) {
            for (int where = 0; where < SOLO_STATES; where++) {
                struct solo r;
                solo_init(&r);
                solo_reach(&r, (enum solo_where)where);
                solo_feed_header(&r, *type, lengths[k]);
                ck_assert_ptr_nonnull(strstr(redw_error_message(r.seen.fatal_error), "unexpected"));
                solo_must_be_dead(&r, REDW_EPROTOCOL);
                solo_free(&r);
            }
        }
    }
}
END_TEST

/* --- rows, whose bound the owner chooses --------------------------------------------------------------- */

START_TEST(the_bound_of_a_row_is_the_owners_within_reason)
{
    static const struct {
        size_t chosen;
        uint32_t max;
    } cases[] = {
        {0, 64 * MIB},      {1, 4 * MIB},           {4 * MIB + 1, 4 * MIB + 1},
        {1024 * MIB - 1, 1024 * MIB - 1}, {1024 * MIB, 1024 * MIB - 1}, {SIZE_MAX, 1024 * MIB - 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (uint32_t over = 0; over < 2; over++) {
            struct solo r;
            solo_init(&r);
            r.config.data_row_max = cases[i].chosen;
            solo_reach(&r, SOLO_AT_ROWS);
            solo_feed_header(&r, 'D', cases[i].max + over);
            ck_assert_msg(r.seen.fatal == over, "case %zu", i);
            solo_free(&r);
        }
    }
}
END_TEST

START_TEST(a_row_over_its_bound_is_refused_however_much_was_buffered)
{
    static const uint8_t head[] = {'D', 0, 0x40, 0, 1}; /* 4 MiB and one */
    struct solo r;
    size_t room, fed = 0, all = 1 + 4 * MIB + 1;
    solo_init(&r);
    r.config.data_row_max = ROW_MAX;
    solo_reach(&r, SOLO_AT_ROWS);
    while (fed < all) { /* nobody asks for events meanwhile */
        uint8_t *at = redwi_session_input(r.s, &room);
        ck_assert(at && room);
        memset(at, 0, room);
        if (!fed)
            memcpy(at, head, sizeof head);
        redwi_session_received(r.s, room);
        fed += room;
    }
    solo_drain(&r);
    ck_assert_uint_eq(r.seen.rows, 0);
    ck_assert_ptr_nonnull(strstr(redw_error_message(r.seen.fatal_error), "length out of bounds in DataRow"));
    solo_must_be_dead(&r, REDW_EPROTOCOL);
    solo_free(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_lengths");
    TCase *c = tcase_create("session_lengths");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, each_length_of_each_type_in_each_state_where_it_is_legal);
    tcase_add_test(c, each_type_in_each_state_where_it_is_not_legal);
    tcase_add_test(c, a_type_that_is_never_legal_is_refused_at_any_length);
    tcase_add_test(c, the_bound_of_a_row_is_the_owners_within_reason);
    tcase_add_test(c, a_row_over_its_bound_is_refused_however_much_was_buffered);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
