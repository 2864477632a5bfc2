/* SPDX-License-Identifier: Apache-2.0 */
/*
 * U8: Several requests on their way on one connection (pipeline_max), and who is given which connection when:
 * the public client with a server on the test's desk (support/desk.h), which answers one unit after another
 * when the test says so.
 */
#include "support/desk.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* --- the stage --- */

static const char *const column[] = {"c"};
#define ROW(text) (const char *const[]){text}
#define ONE(name) {.sql = name, .columns = column, .ncolumns = 1, .cells = (const char *const[]){name}, .nrows = 1, \
                   .tag = "SELECT 1"}
static const struct peer_statement statements[] = {
    ONE("s0"), ONE("s1"), ONE("s2"), ONE("s3"), ONE("s4"), ONE("s5"), ONE("s6"), ONE("s7"),
    {.sql = "bad", .tag = "", .sqlstate = "22012"},
    {.sql = "stopped", .tag = "", .sqlstate = "57014"},
    {.sql = "begin", .tag = "BEGIN", .status = 'T'},
    {.sql = "select $1", .columns = column, .ncolumns = 1, .cells = ROW("big"), .nrows = 1, .tag = "SELECT 1"},
};
static const struct peer_config server = {.statements = statements,
                                          .nstatements = sizeof statements / sizeof *statements};
static const char *const names[] = {"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"};

static struct desk d;
static struct answer a[16];

static void start(const struct redw_options *o)
{
    memset(a, 0, sizeof a);
    desk_open(&d, &server, o);
}

static void finish(void)
{
    for (size_t i = 0; i < 16; i++)
        answer_release(&a[i]);
    desk_close(&d);
}

/* A client with n connections that are open and idle. */
static void start_with(const struct redw_options *o, unsigned n)
{
    start(o);
    for (unsigned i = 0; i < n; i++)
        lab_submit(&d.lab, &a[i], REDW_QUERY("s0"));
    desk_turn(&d);
    ck_assert_uint_eq(d.nconns, n);
    for (unsigned i = 0; i < n; i++)
        desk_serve(&d, i, d.conns[i].units);
    for (unsigned i = 0; i < n; i++) {
        answer_must_succeed(&a[i]);
        answer_release(&a[i]);
        a[i] = (struct answer){0};
    }
}

static void submit(unsigned i, const char *sql)
{
    lab_submit(&d.lab, &a[i], REDW_QUERY(sql));
    ck_assert_int_gt(a[i].id, 0);
}

static void submit_many(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        submit(i, names[i]);
    desk_turn(&d);
}

static unsigned answered(void)
{
    unsigned n = 0;
    for (size_t i = 0; i < 16; i++)
        n += a[i].calls;
    return n;
}

static bool failed_as(unsigned i, int code, enum redw_outcome outcome)
{
    const redw_error *e = answer_error(&a[i]);
    return e && redw_error_code(e) == code && redw_error_outcome(e) == outcome;
}

static void must_say(unsigned i, const char *part)
{
    const char *text = redw_error_message(answer_error(&a[i]));
    ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in: %s", part, text);
}

static enum redw_cancel_verdict verdict(unsigned i)
{
    ck_assert_uint_eq(a[i].calls, 1);
    return redw_result_cancel(a[i].res);
}

static void submit_bytes(unsigned i, size_t n)
{
    char *text = malloc(n + 1);
    ck_assert_ptr_nonnull(text);
    memset(text, 'x', n);
    text[n] = '\0';
    lab_submit(&d.lab, &a[i], REDW_QUERY("select $1", redw_p_text(text)));
    free(text);
}

/* A statement that does not fit into the socket: what is submitted behind it stays here. */
static void submit_big(unsigned i)
{
    submit_bytes(i, 1000000);
    d.silent = true;
    desk_turn(&d);
    d.silent = false;
}

/* --- in flight together --- */

START_TEST(requests_leave_together_and_each_is_answered_in_its_turn)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
    uint64_t sends = d.lab.fault.calls[FAULT_SEND];
    submit_many(0, 8);
    ck_assert_uint_eq(d.lab.fault.calls[FAULT_SEND], sends + 1); /* corked: one send for all of a turn */
    ck_assert_uint_eq(d.conns[0].units, 8);
    for (unsigned i = 0; i < 8; i++) {
        ck_assert_str_eq(d.conns[0].sql[0], names[i]);
        desk_serve(&d, 0, 1);
        ck_assert_uint_eq(answered(), i + 1);
        ck_assert_str_eq(answer_text(&a[i]), names[i]);
    }
    finish();
}
END_TEST

START_TEST(answers_that_come_in_one_piece_or_in_single_bytes_are_told_apart)
{
    for (int single = 0; single < 2; single++) {
        start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
        if (single)
            fault_arm(&d.lab.fault, FAULT_RECV, 1, FAULT_STICKY, (struct fault_kind){.name = "1 byte", .bytes = 1});
        submit_many(0, 8);
        desk_serve(&d, 0, 8);
        for (unsigned i = 0; i < 8; i++)
            ck_assert_str_eq(answer_text(&a[i]), names[i]);
        finish();
    }
}
END_TEST

START_TEST(an_error_in_the_middle_belongs_to_its_own_request)
{
    start(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8));
    submit(0, "s0");
    submit(1, "bad");
    submit(2, "nobody knows this");
    submit(3, "s3");
    desk_turn(&d);
    desk_serve(&d, 0, 4);
    ck_assert_str_eq(answer_text(&a[0]), "s0");
    ck_assert(failed_as(1, REDW_ESERVER, REDW_OUTCOME_NOT_EXECUTED));
    ck_assert_str_eq(redw_error_sqlstate(answer_error(&a[1])), "22012");
    ck_assert_str_eq(redw_error_sqlstate(answer_error(&a[2])), "42601");
    ck_assert_str_eq(answer_text(&a[3]), "s3");
    ck_assert_uint_eq(d.nconns, 1);
    finish();
}
END_TEST

START_TEST(more_than_pipeline_max_wait_and_follow_as_answers_come)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 3), 1);
    submit_many(0, 5);
    ck_assert_uint_eq(d.conns[0].units, 3);
    desk_serve(&d, 0, 1);
    ck_assert_uint_eq(d.conns[0].units, 3);
    ck_assert_str_eq(d.conns[0].sql[2], "s3");
    desk_serve(&d, 0, 3);
    desk_serve(&d, 0, 1);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_str_eq(answer_text(&a[i]), names[i]);
    finish();
}
END_TEST

START_TEST(connections_are_shared_only_when_all_are_in_use_and_the_least_busy_takes_the_next)
{
    start(REDW_OPTIONS(.pool_max = 2, .pipeline_max = 3));
    submit_many(0, 1);
    ck_assert_uint_eq(d.nconns, 1);
    submit_many(1, 8);
    ck_assert_uint_eq(d.nconns, 2); /* rather another connection than a place behind somebody */
    ck_assert_uint_eq(d.conns[0].units, 3);
    ck_assert_uint_eq(d.conns[1].units, 3);
    desk_serve(&d, 1, 2);
    ck_assert_uint_eq(d.conns[1].units, 3);
    for (unsigned i = 0; i < 3; i++) {
        while (d.conns[0].units)
            desk_serve(&d, 0, 1);
        while (d.conns[1].units)
            desk_serve(&d, 1, 1);
    }
    for (unsigned i = 0; i < 8; i++)
        ck_assert_str_eq(answer_text(&a[i]), names[i]);
    finish();
}
END_TEST

static enum redw_flow take_rows(redw_rows *rows, void *ctx)
{
    redw_row row;
    (void)ctx;
    while (redw_rows_next(rows, &row))
        ;
    return REDW_MORE;
}

static const struct redw_stream_handler stream = {.size = sizeof stream, .on_rows = take_rows, .on_done = answer_done};

START_TEST(a_stream_has_its_connection_to_itself_and_is_not_overtaken)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
    submit(0, "s0");
    submit(1, "s1");
    a[2].id = redw_stream(d.lab.client, REDW_QUERY("s2"), &stream, &a[2]);
    submit(3, "s3");
    desk_turn(&d);
    ck_assert_uint_eq(d.conns[0].units, 2);
    desk_serve(&d, 0, 1);
    ck_assert_uint_eq(d.conns[0].units, 1); /* s3 could have gone: it does not overtake */
    desk_serve(&d, 0, 1);
    ck_assert_uint_eq(d.conns[0].units, 1);
    ck_assert_str_eq(d.conns[0].sql[0], "s2");
    desk_serve(&d, 0, 1);
    ck_assert_uint_eq(a[2].calls, 1);
    desk_serve(&d, 0, 1);
    ck_assert_str_eq(answer_text(&a[3]), "s3");
    finish();
}
END_TEST

/* --- the connection ends in the middle --- */

START_TEST(a_cut_in_the_middle_is_unknown_for_what_was_sent_and_not_sent_for_the_rest)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
    submit(0, "s0");
    submit(1, "s1");
    desk_turn(&d);
    submit_big(2);
    submit(3, "s3");
    submit(4, "s4");
    d.silent = true;
    desk_turn(&d);
    d.silent = false;
    d.refuses = true; /* nobody is there to try again with */
    desk_cut(&d, 0);
    desk_turn(&d);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(failed_as(i, REDW_ECONNECT, REDW_OUTCOME_UNKNOWN));
        must_say(i, "(sent, after");
    }
    for (unsigned i = 3; i < 5; i++) {
        ck_assert(failed_as(i, REDW_ECONNECT, REDW_OUTCOME_NOT_SENT));
        must_say(i, "(not sent, after");
    }
    finish();
}
END_TEST

START_TEST(what_was_answered_before_a_cut_stays_answered)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8, .connect_retries = REDW_NONE), 1);
    submit_many(0, 4);
    /* Two answers, and the third without its ReadyForQuery. */
    desk_serve(&d, 0, 2);
    redwi_be_put_simple(&d.conns[0].peer.out, '1');
    redwi_be_put_simple(&d.conns[0].peer.out, '2');
    redwi_be_put_simple(&d.conns[0].peer.out, 'n');
    redwi_be_put_command_complete(&d.conns[0].peer.out, "INSERT 0 1");
    desk_send(&d, 0);
    desk_cut(&d, 0);
    desk_turn(&d);
    ck_assert_str_eq(answer_text(&a[0]), "s0");
    ck_assert_str_eq(answer_text(&a[1]), "s1");
    ck_assert(failed_as(2, REDW_ECONNECT, REDW_OUTCOME_UNKNOWN)); /* it commits at Sync, not before */
    ck_assert(failed_as(3, REDW_ECONNECT, REDW_OUTCOME_UNKNOWN));
    finish();
}
END_TEST

START_TEST(behind_a_transaction_left_open_nobody_knows_and_who_waits_gets_another_connection)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 3), 1);
    submit(0, "s0");
    submit(1, "begin");
    submit(2, "s2");
    submit(3, "s3");
    desk_turn(&d);
    desk_serve(&d, 0, 2);
    ck_assert_str_eq(answer_text(&a[0]), "s0");
    answer_must_succeed(&a[1]);
    ck_assert(failed_as(2, REDW_ECONNECT, REDW_OUTCOME_UNKNOWN));
    must_say(2, "left a transaction open");
    desk_turn(&d);
    ck_assert(d.conns[0].ended);
    ck_assert_uint_eq(d.nconns, 2);
    desk_serve(&d, 1, 1);
    /* s3 had been given to the first connection when s0 was answered, or waited: in both cases it is told. */
    ck_assert_uint_eq(a[3].calls, 1);
    finish();
}
END_TEST

/* --- giving up --- */

START_TEST(a_deadline_in_the_middle_hurts_nobody_else_and_says_what_was_done)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
    submit(0, "s0");
    lab_submit(&d.lab, &a[1], REDW_REQUEST(.sql = "s1", .timeout_ms = 20));
    submit(2, "s2");
    desk_turn(&d);
    ck_assert(lab_wait(&d.lab, &a[1].calls, 1));
    ck_assert(failed_as(1, REDW_ETIMEDOUT, REDW_OUTCOME_UNKNOWN));
    must_say(1, "not asked to stop it, for others share its connection");
    ck_assert_uint_eq(d.nconns, 1); /* no cancel: it could hit a neighbour */
    submit(3, "s3");
    desk_turn(&d);
    ck_assert_uint_eq(d.conns[0].units, 3); /* nothing new behind it */
    desk_serve(&d, 0, 3);
    ck_assert_str_eq(answer_text(&a[0]), "s0");
    ck_assert_str_eq(answer_text(&a[2]), "s2");
    desk_serve(&d, 0, 1);
    ck_assert_str_eq(answer_text(&a[3]), "s3");
    ck_assert_uint_eq(a[1].calls, 1);
    ck_assert_uint_eq(d.nconns, 1);
    finish();
}
END_TEST

START_TEST(a_deadline_of_the_last_that_is_wanted_asks_the_server_to_stop)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
    submit(0, "s0");
    lab_submit(&d.lab, &a[1], REDW_REQUEST(.sql = "s1", .timeout_ms = 20));
    desk_turn(&d);
    redw_cancel(d.lab.client, a[0].id);
    desk_turn(&d);
    ck_assert_uint_eq(d.nconns, 1);
    ck_assert(lab_wait(&d.lab, &a[1].calls, 1));
    must_say(1, "the server was asked to stop it");
    desk_wait_conn(&d, 1);
    ck_assert(d.conns[1].cancel);
    desk_cut(&d, 1);
    desk_serve(&d, 0, 2);
    ck_assert_str_eq(answer_text(&a[0]), "s0");
    ck_assert_int_eq(verdict(0), REDW_CANCEL_FINISHED_FIRST);
    finish();
}
END_TEST

/* Cancels the k-th of three that were sent. */
START_TEST(a_cancel_of_one_that_shares_its_connection_waits_it_out)
{
    for (unsigned k = 0; k < 3; k++) {
        start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
        submit_many(0, 3);
        ck_assert_int_eq(redw_cancel(d.lab.client, a[k].id), 0);
        desk_turn(&d);
        for (unsigned i = 0; i < 3; i++) {
            /* Once only the cancelled one is left, the server is asked. */
            ck_assert_uint_eq(d.nconns, k == 2 && i == 2 ? 2 : 1);
            desk_serve(&d, 0, 1);
        }
        for (unsigned i = 0; i < 3; i++) {
            ck_assert_str_eq(answer_text(&a[i]), names[i]);
            ck_assert_int_eq(verdict(i), i == k ? REDW_CANCEL_FINISHED_FIRST : REDW_CANCEL_NOT_ASKED);
        }
        submit(3, "s3");
        desk_turn(&d);
        ck_assert_uint_eq(d.conns[0].units, k < 2); /* not while a cancel is on its way to it */
        if (k == 2)
            desk_cut(&d, 1);
        desk_turn(&d);
        desk_serve(&d, 0, 1);
        ck_assert_str_eq(answer_text(&a[3]), "s3");
        finish();
    }
}
END_TEST

START_TEST(when_all_on_a_connection_are_cancelled_the_server_is_asked_once_and_each_has_its_verdict)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
    submit(0, "stopped");
    submit(1, "s1");
    submit(2, "bad");
    desk_turn(&d);
    for (unsigned i = 0; i < 3; i++)
        redw_cancel(d.lab.client, a[i].id);
    desk_wait_conn(&d, 1);
    ck_assert(d.conns[1].cancel);
    desk_serve(&d, 0, 1);
    desk_cut(&d, 1);
    desk_serve(&d, 0, 2);
    ck_assert_int_eq(verdict(0), REDW_CANCEL_STOPPED);
    ck_assert_int_eq(redw_error_cause(answer_error(&a[0])), REDW_CAUSE_CALLER);
    ck_assert_int_eq(verdict(1), REDW_CANCEL_FINISHED_FIRST);
    ck_assert_str_eq(answer_text(&a[1]), "s1");
    ck_assert_int_eq(verdict(2), REDW_CANCEL_FINISHED_FIRST);
    ck_assert_str_eq(redw_error_sqlstate(answer_error(&a[2])), "22012");
    finish();
}
END_TEST

START_TEST(the_last_of_what_was_not_sent_is_taken_back)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
    submit_big(0);
    submit(1, "s1");
    submit(2, "s2");
    submit(3, "s3");
    d.silent = true;
    desk_turn(&d);
    redw_cancel(d.lab.client, a[3].id);
    redw_forget(d.lab.client, a[2].id);
    submit(4, "s4"); /* the places are free again */
    desk_turn(&d);
    d.silent = false;
    ck_assert(failed_as(3, REDW_ECANCELLED, REDW_OUTCOME_NOT_SENT));
    ck_assert_int_eq(verdict(3), REDW_CANCEL_NOT_SENT);
    desk_turn(&d);
    ck_assert_uint_eq(d.conns[0].units, 3);
    ck_assert_str_eq(d.conns[0].sql[1], "s1");
    ck_assert_str_eq(d.conns[0].sql[2], "s4");
    desk_serve(&d, 0, 3);
    ck_assert_str_eq(answer_text(&a[0]), "big");
    ck_assert_str_eq(answer_text(&a[1]), "s1");
    ck_assert_str_eq(answer_text(&a[4]), "s4");
    ck_assert_uint_eq(a[2].calls, 0);
    ck_assert_uint_eq(d.nconns, 1);
    finish();
}
END_TEST

START_TEST(one_in_the_middle_that_was_not_sent_goes_its_way_and_is_told_so)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
    submit_big(0);
    submit(1, "s1");
    submit(2, "s2");
    d.silent = true;
    desk_turn(&d);
    redw_cancel(d.lab.client, a[1].id);
    desk_turn(&d);
    d.silent = false;
    desk_turn(&d);
    ck_assert_uint_eq(d.conns[0].units, 3);
    desk_serve(&d, 0, 3);
    ck_assert_str_eq(answer_text(&a[1]), "s1");
    ck_assert_int_eq(verdict(1), REDW_CANCEL_FINISHED_FIRST);
    ck_assert_str_eq(answer_text(&a[2]), "s2");
    finish();
}
END_TEST

START_TEST(a_forgotten_one_in_the_middle_is_read_over)
{
    for (unsigned k = 0; k < 3; k++) {
        start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
        submit_many(0, 3);
        ck_assert_int_eq(redw_forget(d.lab.client, a[k].id), 0);
        ck_assert_int_eq(redw_forget(d.lab.client, a[k].id), REDW_ENOENT);
        desk_turn(&d);
        desk_serve(&d, 0, 2);
        desk_serve(&d, 0, 1);
        for (unsigned i = 0; i < 3; i++) {
            if (i != k)
                ck_assert_str_eq(answer_text(&a[i]), names[i]);
        }
        ck_assert_uint_eq(a[k].calls, 0);
        finish();
    }
}
END_TEST

/* --- verdicts --- */

START_TEST(a_cancel_of_what_waits_was_not_sent_and_of_what_is_done_came_late)
{
    start_with(REDW_OPTIONS(.pool_max = 1), 1);
    submit(0, "s0");
    submit(1, "s1");
    desk_turn(&d);
    ck_assert_int_eq(redw_cancel(d.lab.client, a[1].id), 0);
    desk_turn(&d);
    ck_assert_int_eq(verdict(1), REDW_CANCEL_NOT_SENT);
    ck_assert(failed_as(1, REDW_ECANCELLED, REDW_OUTCOME_NOT_SENT));
    desk_serve(&d, 0, 1);
    ck_assert_int_eq(verdict(0), REDW_CANCEL_NOT_ASKED);
    ck_assert_int_eq(redw_cancel(d.lab.client, a[0].id), REDW_ENOENT);
    finish();
}
END_TEST

START_TEST(where_the_server_cannot_be_asked_the_verdict_is_refused_and_the_deadline_closes)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .cancel_timeout_ms = 60), 1);
    submit(0, "s0");
    desk_turn(&d);
    d.refuses = true;
    redw_cancel(d.lab.client, a[0].id);
    desk_turn(&d);
    ck_assert_uint_eq(a[0].calls, 0); /* it may end by itself until then */
    ck_assert(lab_wait(&d.lab, &a[0].calls, 1));
    ck_assert(failed_as(0, REDW_ECANCELLED, REDW_OUTCOME_UNKNOWN));
    ck_assert_int_eq(verdict(0), REDW_CANCEL_REFUSED);
    must_say(0, "could not be asked");
    must_say(0, "refused");
    finish();

    start_with(REDW_OPTIONS(.pool_max = 1), 1); /* it does end by itself: that is no news of the cancel */
    submit(0, "s0");
    desk_turn(&d);
    d.refuses = true;
    redw_cancel(d.lab.client, a[0].id);
    desk_turn(&d);
    desk_serve(&d, 0, 1);
    ck_assert_str_eq(answer_text(&a[0]), "s0");
    ck_assert_int_eq(verdict(0), REDW_CANCEL_REFUSED);
    desk_turn(&d);
    ck_assert(d.conns[0].ended); /* a cancel that nobody is sure of may come late */
    finish();
}
END_TEST

START_TEST(a_server_that_takes_no_notice_is_unanswered_or_refused_by_how_far_the_asking_came)
{
    for (int heard = 0; heard < 2; heard++) {
        start_with(REDW_OPTIONS(.pool_max = 1, .cancel_timeout_ms = 60), 1);
        submit(0, "s0");
        desk_turn(&d);
        d.silent = !heard;
        redw_cancel(d.lab.client, a[0].id);
        if (heard) {
            desk_wait_conn(&d, 1);
            desk_cut(&d, 1);
        }
        ck_assert(lab_wait(&d.lab, &a[0].calls, 1));
        ck_assert(failed_as(0, REDW_ECANCELLED, REDW_OUTCOME_UNKNOWN));
        ck_assert_int_eq(verdict(0), heard ? REDW_CANCEL_UNANSWERED : REDW_CANCEL_REFUSED);
        finish();
    }
}
END_TEST

START_TEST(a_connection_that_breaks_or_a_deadline_leaves_the_cancel_unanswered)
{
    start_with(REDW_OPTIONS(.pool_max = 1), 1);
    submit(0, "s0");
    desk_turn(&d);
    redw_cancel(d.lab.client, a[0].id);
    desk_wait_conn(&d, 1);
    desk_cut(&d, 0);
    desk_turn(&d);
    ck_assert(failed_as(0, REDW_ECONNECT, REDW_OUTCOME_UNKNOWN));
    ck_assert_int_eq(verdict(0), REDW_CANCEL_UNANSWERED);
    desk_cut(&d, 1);
    desk_turn(&d);
    lab_submit(&d.lab, &a[1], REDW_REQUEST(.sql = "s1", .timeout_ms = 30));
    desk_wait_conn(&d, 2);
    redw_cancel(d.lab.client, a[1].id);
    ck_assert(lab_wait(&d.lab, &a[1].calls, 1));
    ck_assert(failed_as(1, REDW_ETIMEDOUT, REDW_OUTCOME_UNKNOWN));
    ck_assert_int_eq(verdict(1), REDW_CANCEL_UNANSWERED);
    finish();
}
END_TEST

START_TEST(verdicts_have_names)
{
    static const char *const words[] = {"not_asked", "stopped", "finished_first", "not_sent", "refused", "unanswered"};
    for (int v = 0; v < 6; v++)
        ck_assert_str_eq(redw_cancel_verdict_name((enum redw_cancel_verdict)v), words[v]);
    ck_assert_str_eq(redw_cancel_verdict_name((enum redw_cancel_verdict)6), "unknown");
}
END_TEST

/* --- who is next --- */

START_TEST(the_highest_priority_goes_first_and_within_one_the_oldest)
{
    static const struct {
        enum redw_priority priority;
        const char *sql;
    } given[] = {{REDW_PRIORITY_BULK, "s0"},   {REDW_PRIORITY_NORMAL, "s1"}, {REDW_PRIORITY_LOW, "s2"},
                 {REDW_PRIORITY_HIGH, "s3"},   {REDW_PRIORITY_NORMAL, "s4"}, {REDW_PRIORITY_HIGH, "s5"},
                 {REDW_PRIORITY_BULK, "s6"}};
    static const char *const order[] = {"s3", "s5", "s1", "s4", "s2", "s0", "s6"};
    start_with(REDW_OPTIONS(.pool_max = 1, .queue_max = 6), 1);
    for (unsigned i = 0; i < 7; i++)
        lab_submit(&d.lab, &a[i], REDW_REQUEST(.sql = given[i].sql, .priority = given[i].priority));
    /* One for the idle connection, and queue_max counts the others of whatever priority. */
    ck_assert_int_eq((int)redw_submit(d.lab.client, REDW_REQUEST(.sql = "s7", .priority = REDW_PRIORITY_HIGH),
                                      answer_done, &a[7]),
                     REDW_EFULL);
    for (unsigned i = 0; i < 7; i++) {
        desk_turn(&d);
        ck_assert_uint_eq(d.conns[0].units, 1);
        ck_assert_str_eq(d.conns[0].sql[0], order[i]);
        desk_serve(&d, 0, 1);
    }
    ck_assert_uint_eq(answered(), 7);
    finish();
}
END_TEST

static unsigned busy;
static void keep_busy(const redw_result *res, void *ctx)
{
    ck_assert_ptr_null(redw_result_error(res));
    busy++;
    if (a[0].calls == 0)
        ck_assert_int_gt(redw_submit(d.lab.client, REDW_QUERY("s1"), keep_busy, ctx), 0);
}

START_TEST(a_low_priority_that_never_comes_to_its_turn_ends_at_its_deadline)
{
    start_with(REDW_OPTIONS(.pool_max = 1), 1);
    lab_submit(&d.lab, &a[0], REDW_REQUEST(.sql = "s0", .priority = REDW_PRIORITY_BULK, .timeout_ms = 40));
    busy = 0;
    for (int i = 0; i < 2; i++) /* one under way, one that waits: always */
        ck_assert_int_gt(redw_submit(d.lab.client, REDW_QUERY("s1"), keep_busy, NULL), 0);
    desk_turn(&d);
    while (d.conns[0].units) {
        ck_assert_str_eq(d.conns[0].sql[0], "s1");
        desk_serve(&d, 0, 1);
        lab_run_ms(&d.lab, 1);
    }
    ck_assert_uint_gt(busy, 2);
    ck_assert(failed_as(0, REDW_ETIMEDOUT, REDW_OUTCOME_NOT_SENT));
    finish();
}
END_TEST

/* --- ends --- */

START_TEST(closing_lets_what_is_in_flight_finish)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 4), 1);
    submit_many(0, 6);
    redw_client_close(d.lab.client, REDW_NONE, NULL, NULL);
    ck_assert_int_eq((int)redw_submit(d.lab.client, REDW_QUERY("s7"), answer_done, &a[7]), REDW_ECLOSED);
    desk_serve(&d, 0, 4);
    desk_serve(&d, 0, 2);
    for (unsigned i = 0; i < 6; i++)
        ck_assert_str_eq(answer_text(&a[i]), names[i]);
    desk_turn(&d);
    ck_assert(d.conns[0].ended);
    ck_assert(d.conns[0].peer.terminated);
    finish();
}
END_TEST

START_TEST(the_end_of_a_drain_proves_of_what_was_not_sent_that_it_was_not)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
    submit(0, "s0");
    desk_turn(&d);
    submit_big(1);
    submit(2, "s2");
    submit(3, "s3");
    d.silent = true;
    desk_turn(&d);
    redw_client_close(d.lab.client, 0, NULL, NULL);
    desk_turn(&d);
    d.silent = false;
    ck_assert(failed_as(0, REDW_ECLOSED, REDW_OUTCOME_UNKNOWN));
    ck_assert(failed_as(1, REDW_ECLOSED, REDW_OUTCOME_UNKNOWN));
    ck_assert(failed_as(2, REDW_ECLOSED, REDW_OUTCOME_NOT_SENT));
    ck_assert(failed_as(3, REDW_ECLOSED, REDW_OUTCOME_NOT_SENT));
    desk_turn(&d);
    ck_assert_uint_eq(d.conns[0].units, 2); /* and it was not */
    finish();
}
END_TEST

static void destroy_in(const redw_result *res, void *ctx)
{
    answer_done(res, ctx);
    redw_client_destroy(d.lab.client);
    d.lab.client = NULL;
}

START_TEST(destroy_inside_a_callback_completes_the_others)
{
    for (unsigned k = 0; k < 3; k++) {
        start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
        for (unsigned i = 0; i < 4; i++)
            a[i].id = redw_submit(d.lab.client, REDW_QUERY(names[i]), i == k ? destroy_in : answer_done, &a[i]);
        desk_turn(&d);
        desk_serve(&d, 0, 4);
        ck_assert_ptr_null(d.lab.client);
        for (unsigned i = 0; i < 4; i++) {
            ck_assert_uint_eq(a[i].calls, 1);
            /* All four answers were there: whether the later ones were read by then is not promised, what
             * they are told is. */
            if (i > k && answer_error(&a[i]))
                ck_assert_int_eq(redw_error_code(answer_error(&a[i])), REDW_ECLOSED);
        }
        finish();
    }
}
END_TEST

static unsigned chained;
static void chain(const redw_result *res, void *ctx)
{
    ck_assert_ptr_null(redw_result_error(res));
    chained++;
    if (chained < 40)
        ck_assert_int_gt(redw_submit(d.lab.client, REDW_QUERY("s0"), chain, ctx), 0);
}

START_TEST(what_a_callback_submits_goes_behind_what_is_in_flight)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 4), 1);
    chained = 0;
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_gt(redw_submit(d.lab.client, REDW_QUERY("s0"), chain, NULL), 0);
    desk_turn(&d);
    while (d.conns[0].units) {
        ck_assert_uint_le(d.conns[0].units, 4);
        desk_serve(&d, 0, 1);
    }
    ck_assert_uint_eq(chained, 43);
    ck_assert_uint_eq(d.nconns, 1);
    finish();
}
END_TEST

static unsigned ended;
static void count_end(const redw_result *res, void *ctx)
{
    ck_assert_ptr_null(redw_result_error(res));
    (void)ctx;
    ended++;
}

static void follow_up(const redw_result *res, void *ctx)
{
    count_end(res, ctx);
    ck_assert_int_gt(redw_submit(d.lab.client, REDW_QUERY("s0"), count_end, ctx), 0);
}

/* So the server works on the first of them while the callbacks of the others run. */
START_TEST(what_many_callbacks_submit_leaves_in_portions_of_50)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 60), 1);
    ended = 0;
    for (unsigned i = 0; i < 60; i++)
        ck_assert_int_gt(redw_submit(d.lab.client, REDW_QUERY("s0"), follow_up, NULL), 0);
    desk_turn(&d);
    uint64_t sends = d.lab.fault.calls[FAULT_SEND];
    desk_serve(&d, 0, 60);
    ck_assert_uint_eq(ended, 60);
    ck_assert_uint_eq(d.lab.fault.calls[FAULT_SEND], sends + 2);
    ck_assert_uint_eq(d.conns[0].units, 60);
    desk_serve(&d, 0, 60);
    ck_assert_uint_eq(ended, 120);
    finish();
}
END_TEST

static void serve_all(void)
{
    bool any = true;
    while (any) {
        any = false;
        desk_turn(&d);
        for (unsigned i = 0; i < d.nconns; i++) {
            if (d.conns[i].cancel)
                desk_cut(&d, i);
            any |= d.conns[i].units > 0 && d.conns[i].fd >= 0;
            if (d.conns[i].units && d.conns[i].fd >= 0)
                desk_serve(&d, i, 1);
        }
    }
}

/* --- large requests, which are written in slices --- */

#define LARGE ((size_t)9 << 20)

START_TEST(a_large_request_is_sent_whole_and_alone)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
    submit(0, "s0");
    submit_bytes(1, LARGE);
    submit(2, "s2");
    desk_turn(&d);
    ck_assert_uint_eq(d.conns[0].units, 1);
    desk_serve(&d, 0, 1);
    ck_assert_uint_eq(d.conns[0].units, 1);
    ck_assert_uint_gt(redwi_buf_len(&d.conns[0].in), LARGE);
    desk_serve(&d, 0, 1);
    desk_serve(&d, 0, 1);
    ck_assert_str_eq(answer_text(&a[1]), "big");
    ck_assert_str_eq(answer_text(&a[2]), "s2");
    finish();
}
END_TEST

/* A few rounds of the loop: it is being written. */
static void write_some(void)
{
    for (int i = 0; i < 4; i++)
        ev_run(d.lab.loop, EVRUN_NOWAIT);
    ck_assert_uint_eq(a[0].calls, 0);
    ck_assert_uint_eq(d.conns[0].units, 0);
}

START_TEST(until_its_last_slice_a_large_request_is_not_sent_whatever_ends_it)
{
    enum end { CANCEL, FORGET, CUT, CLOSE, DESTROY, ENDS };
    for (int end = 0; end < ENDS; end++) {
        start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
        submit_bytes(0, LARGE);
        write_some();
        if (end == CANCEL)
            redw_cancel(d.lab.client, a[0].id);
        else if (end == FORGET)
            redw_forget(d.lab.client, a[0].id);
        else if (end == CUT)
            desk_cut(&d, 0);
        else if (end == CLOSE)
            redw_client_close(d.lab.client, 0, NULL, NULL);
        else
            redw_client_destroy(d.lab.client), d.lab.client = NULL;
        desk_turn(&d);
        ck_assert_uint_eq(a[0].calls, end != FORGET);
        if (end != FORGET)
            ck_assert_int_eq(redw_error_outcome(answer_error(&a[0])), REDW_OUTCOME_NOT_SENT);
        ck_assert_uint_eq(redwi_buf_len(&d.conns[0].in), d.conns[0].peer.terminated ? 5 : 0);
        if (end <= FORGET) {
            submit(1, "s1");
            desk_turn(&d);
            desk_serve(&d, 0, 1);
            ck_assert_str_eq(answer_text(&a[1]), "s1");
        }
        ck_assert_uint_eq(d.nconns, 1);
        finish();
    }
}
END_TEST

START_TEST(without_memory_for_it_a_large_request_fails_alone)
{
    uint64_t n = 1;
    for (bool fired = true; fired; n++) {
        start_with(REDW_OPTIONS(.pool_max = 1), 1);
        fault_arm(&d.lab.fault, FAULT_ALLOC, n, FAULT_ONCE, FAULT_NO_MEMORY);
        submit_bytes(0, (size_t)3 << 20);
        desk_turn(&d);
        fired = fault_fired(&d.lab.fault);
        fault_disarm(&d.lab.fault);
        ck_assert_uint_eq(d.conns[0].units, !fired);
        if (d.conns[0].units)
            desk_serve(&d, 0, 1);
        if (fired && a[0].id > 0)
            ck_assert(failed_as(0, REDW_ENOMEM, REDW_OUTCOME_NOT_SENT));
        else if (!fired)
            ck_assert_str_eq(answer_text(&a[0]), "big");
        submit(1, "s1");
        desk_turn(&d);
        desk_serve(&d, 0, 1);
        ck_assert_str_eq(answer_text(&a[1]), "s1");
        finish();
    }
    ck_assert_uint_gt(n, 4);
}
END_TEST

/* Two connections, six requests, one of them cancelled, one forgotten; every allocation fails once. */
START_TEST(each_allocation_may_fail_once_and_all_requests_end_once)
{
    uint64_t n = 1;
    for (bool fired = true; fired; n++) {
        start(REDW_OPTIONS(.pool_max = 2, .pipeline_max = 3, .connect_retries = REDW_NONE));
        fault_arm(&d.lab.fault, FAULT_ALLOC, n, FAULT_ONCE, FAULT_NO_MEMORY);
        for (unsigned i = 0; i < 6; i++)
            lab_submit(&d.lab, &a[i], REDW_QUERY(names[i]));
        desk_turn(&d);
        redw_cancel(d.lab.client, a[1].id);
        redw_forget(d.lab.client, a[2].id);
        serve_all();
        fired = fault_fired(&d.lab.fault);
        fault_disarm(&d.lab.fault);
        for (unsigned i = 0; i < 6; i++) {
            if (i == 2)
                ck_assert_uint_le(a[i].calls, 1); /* it may have failed before it was forgotten */
            else
                ck_assert_uint_eq(a[i].calls, a[i].id > 0);
            if (!a[i].calls || redw_result_error(a[i].res))
                continue;
            ck_assert_str_eq(answer_text(&a[i]), names[i]);
        }
        submit(7, "s7"); /* and the client is as good as before */
        serve_all();
        ck_assert_str_eq(answer_text(&a[7]), "s7");
        finish();
    }
    printf("pipeline: %llu allocations failed in turn\n", (unsigned long long)n - 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pipeline");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, requests_leave_together_and_each_is_answered_in_its_turn);
    tcase_add_test(t, answers_that_come_in_one_piece_or_in_single_bytes_are_told_apart);
    tcase_add_test(t, an_error_in_the_middle_belongs_to_its_own_request);
    tcase_add_test(t, more_than_pipeline_max_wait_and_follow_as_answers_come);
    tcase_add_test(t, connections_are_shared_only_when_all_are_in_use_and_the_least_busy_takes_the_next);
    tcase_add_test(t, a_stream_has_its_connection_to_itself_and_is_not_overtaken);
    tcase_add_test(t, a_cut_in_the_middle_is_unknown_for_what_was_sent_and_not_sent_for_the_rest);
    tcase_add_test(t, what_was_answered_before_a_cut_stays_answered);
    tcase_add_test(t, behind_a_transaction_left_open_nobody_knows_and_who_waits_gets_another_connection);
    tcase_add_test(t, a_deadline_in_the_middle_hurts_nobody_else_and_says_what_was_done);
    tcase_add_test(t, a_deadline_of_the_last_that_is_wanted_asks_the_server_to_stop);
    tcase_add_test(t, a_cancel_of_one_that_shares_its_connection_waits_it_out);
    tcase_add_test(t, when_all_on_a_connection_are_cancelled_the_server_is_asked_once_and_each_has_its_verdict);
    tcase_add_test(t, the_last_of_what_was_not_sent_is_taken_back);
    tcase_add_test(t, one_in_the_middle_that_was_not_sent_goes_its_way_and_is_told_so);
    tcase_add_test(t, a_forgotten_one_in_the_middle_is_read_over);
    tcase_add_test(t, a_cancel_of_what_waits_was_not_sent_and_of_what_is_done_came_late);
    tcase_add_test(t, where_the_server_cannot_be_asked_the_verdict_is_refused_and_the_deadline_closes);
    tcase_add_test(t, a_server_that_takes_no_notice_is_unanswered_or_refused_by_how_far_the_asking_came);
    tcase_add_test(t, a_connection_that_breaks_or_a_deadline_leaves_the_cancel_unanswered);
    tcase_add_test(t, verdicts_have_names);
    tcase_add_test(t, the_highest_priority_goes_first_and_within_one_the_oldest);
    tcase_add_test(t, a_low_priority_that_never_comes_to_its_turn_ends_at_its_deadline);
    tcase_add_test(t, closing_lets_what_is_in_flight_finish);
    tcase_add_test(t, the_end_of_a_drain_proves_of_what_was_not_sent_that_it_was_not);
    tcase_add_test(t, destroy_inside_a_callback_completes_the_others);
    tcase_add_test(t, what_a_callback_submits_goes_behind_what_is_in_flight);
    tcase_add_test(t, what_many_callbacks_submit_leaves_in_portions_of_50);
    tcase_add_test(t, a_large_request_is_sent_whole_and_alone);
    tcase_add_test(t, until_its_last_slice_a_large_request_is_not_sent_whatever_ends_it);
    tcase_add_test(t, without_memory_for_it_a_large_request_fails_alone);
    tcase_add_test(t, each_allocation_may_fail_once_and_all_requests_end_once);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
