/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection on a libev loop against servers on loopback sockets that live on the same loop: how it logs
 * in, runs units, is paused, stopped, abandoned and limited.
 */
#include "pool/drive.h"
#include "support/conn_stand.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct stand stand;

static void setup(void)
{
    stand_open(&stand);
}

static void teardown(void)
{
    stand_close(&stand);
}

/* --- login --------------------------------------------------------------------------------------- */

START_TEST(login_sends_who_we_are_and_ends_idle)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    stand_login(&stand);
    struct peer *p = &stand_peer_of(s, 0)->peer;
    ck_assert_str_eq(p->user, "alice");
    ck_assert_str_eq(p->database, "lake");
    ck_assert_str_eq(p->application, "stand");
    ck_assert(!stand.conn->njobs && !stand.conn->paused);
    ck_assert_int_eq(stand.probe.timers, 0); /* the deadline is over */
    stand_run(&stand, 20);
    ck_assert_int_eq(stand.nready, 1);
}
END_TEST

START_TEST(a_costly_password_exchange_leaves_the_loop_its_turns_and_obeys_the_deadline)
{
    static char password[] = "secret";
    struct peer_config config = stand_trusting;
    config.password = password;
    config.iterations = 100000;
    stand.settings.password = password;
    stand_listen(&stand, &config, NULL);
    uint64_t wakeups = stand.probe.wakeups;
    stand_login(&stand);
    ck_assert_uint_ge(stand.probe.wakeups - wakeups, 100); /* a thousand iterations each */
    redwi_conn_close(stand.conn, true);
    redwi_conn_free(stand.conn);
    stand.conn = NULL;
    ck_assert_int_eq(stand_connect(&stand, 8), 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    stand_expect_why(&stand, REDW_ETIMEDOUT, "", " ms"); /* in whatever phase a busy machine has got to */
    ck_assert_ptr_nonnull(strstr(redw_error_message(stand.why), "timed out after "));
}
END_TEST

START_TEST(a_server_that_says_nothing_is_left_at_the_deadline)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    s->mute = true;
    ck_assert_int_eq(stand_connect(&stand, 250), 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    stand_expect_why(&stand, REDW_ETIMEDOUT, "login: 127.0.0.1:", " ms");
}
END_TEST

START_TEST(a_refused_login_is_the_servers_own_word)
{
    static char wrong[] = "wrong";
    struct peer_config config = stand_trusting;
    config.password = "right";
    stand.settings.password = wrong;
    stand_listen(&stand, &config, NULL);
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    ck_assert_int_eq(redw_error_code(stand.why), REDW_EAUTH);
    ck_assert_int_eq(redw_error_class(stand.why), REDW_CLASS_AUTHENTICATION_FAILED);
    ck_assert_int_eq(redw_error_origin(stand.why), REDW_ORIGIN_SERVER);
    ck_assert_ptr_nonnull(strstr(redw_error_message(stand.why), "login: 127.0.0.1:"));
    ck_assert_ptr_null(strstr(redw_error_message(stand.why), wrong));
}
END_TEST

START_TEST(a_server_that_closes_during_login_is_told)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    s->mute = true;
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    while (!s->naccepted || !s->peers[0].received)
        stand_run(&stand, 1);
    stand_peer_close(stand_peer_of(s, 0));
    stand_run_until(&stand, &stand.nclosed, 1);
    stand_expect_why(&stand, REDW_ECONNECT, "login: 127.0.0.1:", ": the server closed the connection");
}
END_TEST

/* --- units --------------------------------------------------------------------------------------- */

START_TEST(units_run_one_after_another)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    struct stand_job j;
    stand_login(&stand);
    for (int i = 0; i < 3; i++) {
        stand_run_job(&stand, &j, "select");
        ck_assert_str_eq(j.text, STAND_ALL_ROWS);
        ck_assert_str_eq(j.tag, "SELECT 3");
        ck_assert_int_eq(j.ncomplete, 1);
        ck_assert_ptr_null(j.job.error);
        ck_assert_int_eq(stand.conn->state, REDWI_CONN_IDLE);
    }
    stand_run_job(&stand, &j, "insert");
    ck_assert_str_eq(j.tag, "INSERT 0 3");
    ck_assert_int_eq(j.ncalls, 0);
    stand_run_job(&stand, &j, "");
    ck_assert_str_eq(j.tag, "");
    stand_run_job(&stand, &j, "noticed");
    ck_assert_int_eq(j.nnotices, 1);
    ck_assert_uint_eq(stand_peer_of(s, 0)->peer.units, 6);
}
END_TEST

START_TEST(a_failing_unit_has_the_servers_error_and_its_rows)
{
    struct stand_job j;
    stand_listen(&stand, &stand_trusting, NULL);
    stand_login(&stand);
    stand_run_job(&stand, &j, "fails");
    ck_assert_str_eq(j.text, "1;");
    ck_assert_str_eq(redw_error_sqlstate(j.job.error), "22012");
    ck_assert_int_eq(redw_error_outcome(j.job.error), REDW_OUTCOME_NOT_EXECUTED);
    ck_assert_int_eq(stand.conn->state, REDWI_CONN_IDLE);
    stand_job_fini(&j);
    stand_run_job(&stand, &j, "select");
    ck_assert_str_eq(j.text, STAND_ALL_ROWS);
}
END_TEST

static redw_error *own_error;

static void set_own_error(struct stand *r)
{
    own_error = redwi_err_make(&r->fault.mem, &(struct redwi_err_spec){.code = REDW_EFULL}, "own");
    if (redwi_conn_job(r->conn)->error)
        redw_error_release(own_error);
    else
        redwi_conn_job(r->conn)->error = own_error;
}

START_TEST(the_first_error_of_a_job_stays)
{
    struct stand_job j;
    stand_listen(&stand, &stand_trusting, NULL);
    stand_login(&stand);
    stand.act[STAND_ROWS] = set_own_error;
    stand_run_job(&stand, &j, "fails");
    ck_assert_int_eq(redw_error_code(j.job.error), REDW_EFULL);
    stand_job_fini(&j);
}
END_TEST

START_TEST(a_statement_that_leaves_a_transaction_open_costs_the_connection)
{
    static const char *const sql[] = {"begin", "fails in block"};
    for (int i = 0; i < 2; i++) {
        struct stand_job j;
        struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
        stand_login(&stand);
        stand_run_job(&stand, &j, sql[i]);
        ck_assert_int_eq(stand.ended_state, REDWI_CONN_CLOSED);
        ck_assert_ptr_null(stand.conn); /* buried */
        ck_assert(!j.job.error == (i == 0));
        ck_assert_int_eq(stand.nclosed, 0); /* ended has told it */
        while (!stand_peer_of(s, 0)->saw_end)
            stand_run(&stand, 1);
        ck_assert(stand_peer_of(s, 0)->peer.terminated);
        stand_job_fini(&j);
    }
}
END_TEST

/* Starts the next unit from inside the end of the one before. */
static struct stand_job chained[5];
static size_t nchained;

static void start_next(struct stand *r)
{
    if (nchained == 5)
        return;
    stand_job_init(r, &chained[nchained], "select");
    stand_start(r, &chained[nchained++]);
}

START_TEST(a_unit_may_be_started_from_inside_ready_and_ended)
{
    stand_listen(&stand, &stand_trusting, NULL);
    nchained = 0;
    stand.act[STAND_READY] = stand.act[STAND_ENDED] = start_next;
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    stand_run_until(&stand, &stand.nended, 5);
    for (int i = 0; i < 5; i++)
        ck_assert_str_eq(chained[i].text, STAND_ALL_ROWS);
}
END_TEST

START_TEST(a_long_statement_goes_out_in_parts_while_the_server_does_not_read)
{
    static char sql[(8 << 20) + 1];
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    struct stand_job j;
    stand_login(&stand);
    memset(sql, 'x', sizeof sql - 1);
    stand_job_init(&stand, &j, sql);
    s->deaf = true;
    ev_io_stop(stand.ev, &s->peers[0].io);
    stand_start(&stand, &j);
    stand_run(&stand, 50);
    ck_assert_uint_gt(redwi_session_units(stand.conn->session), 0);
    uint64_t wakeups = stand.probe.wakeups;
    stand_run(&stand, 50);
    ck_assert_uint_le(stand.probe.wakeups - wakeups, 1); /* waits, does not spin */
    s->deaf = false;
    ev_io_start(stand.ev, &s->peers[0].io);
    stand_run_until(&stand, &stand.nended, 1);
    ck_assert_uint_gt(s->peers[0].received, sizeof sql);
    ck_assert_str_eq(redw_error_sqlstate(j.job.error), "42601");
    stand_job_fini(&j);
}
END_TEST

START_TEST(a_server_that_sends_byte_by_byte_is_understood)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    struct stand_job j;
    s->slow = true;
    stand_login(&stand);
    stand_run_job(&stand, &j, "select");
    ck_assert_str_eq(j.text, STAND_ALL_ROWS);
}
END_TEST

/* O05 */
START_TEST(one_wake_up_parses_a_bounded_part_of_a_fast_stream)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    struct stand_job j;
    stand_login(&stand);
    stand_job_init(&stand, &j, "flood");
    stand_start(&stand, &j);
    size_t most = stand_flood(s, &j, 40, (size_t)1 << 20);
    ck_assert_uint_le(most, 330000);
    ck_assert_uint_gt(j.bytes, (size_t)1 << 19);
}
END_TEST

START_TEST(rows_larger_than_the_buffer_come_through)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    struct stand_job j;
    stand_login(&stand);
    stand_job_init(&stand, &j, "flood");
    stand_start(&stand, &j);
    stand_flood(s, &j, 3000000, 9000000);
    ck_assert_uint_eq(j.bytes, 9000000);
}
END_TEST

/* A login of the server's own words. */
static void send_login(struct stand_peer *p, bool with_key, char status)
{
    struct redwi_buf b;
    redwi_buf_init(&b, &redwi_malloc, 65536);
    redwi_be_put_authentication(&b, 0, NULL, 0);
    if (with_key)
        redwi_be_put_key_data(&b, 1, peer_key, 4);
    redwi_be_put_ready(&b, status);
    stand_peer_send(p, redwi_buf_front(&b), redwi_buf_len(&b));
    redwi_buf_free(&b);
}

static struct stand_server *connect_mute(void)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    s->mute = true;
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    while (!s->naccepted || !s->peers[0].received)
        stand_run(&stand, 1);
    return s;
}

START_TEST(a_login_that_ends_in_a_transaction_is_refused)
{
    send_login(stand_peer_of(connect_mute(), 0), true, 'T');
    stand_run_until(&stand, &stand.nclosed, 1);
    stand_expect_why(&stand, REDW_EPROTOCOL, "login: 127.0.0.1:", "a transaction is open right after login");
}
END_TEST

START_TEST(without_a_key_there_is_no_side_connection)
{
    send_login(stand_peer_of(connect_mute(), 0), false, 'I');
    stand_run_until(&stand, &stand.nready, 1);
    ck_assert_int_eq(stand_cancel(&stand, 5000), REDW_EINVAL);
    ck_assert_ptr_null(stand.side);
}
END_TEST

/* C03 */
START_TEST(a_notice_between_units_is_nobodys)
{
    const struct redwi_error_field fields[] = {{'S', "NOTICE"}, {'C', "00000"}, {'M', "psst"}, {0, NULL}};
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    struct stand_job j;
    struct redwi_buf b;
    stand_login(&stand);
    redwi_buf_init(&b, &redwi_malloc, 65536);
    redwi_be_put_error(&b, 'N', fields);
    stand_peer_send(&s->peers[0], redwi_buf_front(&b), redwi_buf_len(&b));
    redwi_buf_free(&b);
    stand_run(&stand, 3);
    ck_assert_int_eq(stand.conn->state, REDWI_CONN_IDLE);
    stand_run_job(&stand, &j, "select");
    ck_assert_int_eq(j.nnotices, 0);
}
END_TEST

/* --- pause, stop, drain -------------------------------------------------------------------------- */

START_TEST(a_paused_connection_reads_nothing_and_goes_on_where_it_was)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    struct stand_job j;
    stand_login(&stand);
    stand_job_init(&stand, &j, "select");
    j.batch = 1;
    j.flow[0] = REDWI_JOB_PAUSE; /* columns */
    j.flow[1] = REDWI_JOB_PAUSE;
    j.flow[2] = REDWI_JOB_PAUSE;
    stand_start(&stand, &j);
    for (int i = 0; i < 3; i++) {
        while (!stand.conn->paused)
            stand_run(&stand, 1);
        ck_assert_int_eq(j.ncalls, i);
        ck_assert_int_eq(stand.probe.ios, 0); /* the socket is not watched */
        stand_run(&stand, 3);
        ck_assert_int_eq(j.ncalls, i);
        int calls = j.ncalls;
        redwi_conn_resume(stand.conn);
        ck_assert_int_eq(j.ncalls, calls); /* never from inside */
        ck_assert(!stand.conn->paused);
        redwi_conn_resume(stand.conn);
    }
    stand_run_until(&stand, &stand.nended, 1);
    ck_assert_str_eq(j.text, STAND_ALL_ROWS);
    ck_assert_uint_eq(s->peers[0].peer.units, 1);
}
END_TEST

START_TEST(rows_not_taken_before_a_pause_come_again)
{
    struct stand_job j;
    stand_listen(&stand, &stand_trusting, NULL);
    stand_login(&stand);
    stand_job_init(&stand, &j, "select");
    j.take_none = true;
    j.flow[1] = REDWI_JOB_PAUSE;
    stand_start(&stand, &j);
    while (!stand.conn->paused)
        stand_run(&stand, 1);
    ck_assert_int_eq(j.nrows, 0);
    j.take_none = false;
    redwi_conn_resume(stand.conn);
    stand_run_until(&stand, &stand.nended, 1);
    ck_assert_str_eq(j.text, STAND_ALL_ROWS);
    ck_assert_int_eq(j.ncalls, 2);
}
END_TEST

START_TEST(what_a_server_said_before_it_died_is_read_after_the_pause)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    struct stand_job j;
    stand_login(&stand);
    stand_job_init(&stand, &j, "select");
    j.flow[0] = REDWI_JOB_PAUSE;
    stand_start(&stand, &j);
    while (!stand.conn->paused)
        stand_run(&stand, 1);
    stand_peer_close(&s->peers[0]);
    stand_run(&stand, 3);
    ck_assert_int_eq(stand.nclosed, 0);
    redwi_conn_resume(stand.conn);
    stand_run_until(&stand, &stand.nended, 1);
    ck_assert_str_eq(j.text, STAND_ALL_ROWS);
    stand_run_until(&stand, &stand.nclosed, 1); /* then idle, and closed by the server */
    ck_assert_ptr_null(stand.closed_job);
}
END_TEST

START_TEST(stop_hands_the_job_to_the_owner_and_drains_the_rest)
{
    struct stand_job j, next;
    stand_listen(&stand, &stand_trusting, NULL);
    stand_login(&stand);
    for (int at = 0; at < 2; at++) { /* from columns, from rows */
        int ended = stand.nended, stopped = stand.nstopped;
        stand_job_init(&stand, &j, "thousand");
        j.flow[at] = REDWI_JOB_STOP;
        j.batch = 1;
        stand_start(&stand, &j);
        stand_run_until(&stand, &stand.nended, ended + 1);
        ck_assert_int_eq(stand.nstopped, stopped + 1);
        ck_assert_ptr_null(stand.ended_job);
        ck_assert_int_eq(j.nrows, at);
        ck_assert_int_eq(j.ncomplete, 0);
        stand_job_fini(&j);
        stand_run_job(&stand, &next, "select");
        ck_assert_str_eq(next.text, STAND_ALL_ROWS);
    }
}
END_TEST

/* C02 */
START_TEST(a_corrupt_row_costs_the_connection)
{
    struct stand_job j;
    stand_listen(&stand, &stand_trusting, NULL);
    stand_login(&stand);
    stand_job_init(&stand, &j, "select");
    j.corrupt = true;
    stand_start(&stand, &j);
    stand_run_until(&stand, &stand.nclosed, 1);
    ck_assert_ptr_eq(stand.closed_job, &j.job);
    ck_assert_int_eq(redw_error_code(j.job.error), REDW_EPROTOCOL);
    ck_assert_int_eq(redw_error_outcome(j.job.error), REDW_OUTCOME_UNKNOWN);
    stand_job_fini(&j);
}
END_TEST

START_TEST(a_job_that_takes_no_row_and_wants_more_does_not_hang_the_loop)
{
    struct stand_job j;
    stand_listen(&stand, &stand_trusting, NULL);
    stand_login(&stand);
    stand_job_init(&stand, &j, "select");
    j.take_none = true;
    stand_start(&stand, &j);
    stand_run_until(&stand, &stand.nclosed, 1);
    ck_assert_int_eq(j.ncalls, 1);
    ck_assert_int_eq(redw_error_code(j.job.error), REDW_EPROTOCOL);
    stand_job_fini(&j);
}
END_TEST

/* --- abandon and limit --------------------------------------------------------------------------- */

START_TEST(an_abandoned_jobs_answers_are_dropped_and_the_connection_lives)
{
    struct stand_job j, next;
    stand_listen(&stand, &stand_trusting, NULL);
    stand_login(&stand);
    stand_job_init(&stand, &j, "select");
    stand_start(&stand, &j);
    redwi_conn_abandon(stand.conn, &j.job);
    ck_assert_int_eq(stand.conn->state, REDWI_CONN_DRAINING);
    ck_assert(!stand.conn->njobs && !j.job.conn);
    redwi_conn_limit(stand.conn, stand_now_us(&stand) + 1000000);
    stand_run_until(&stand, &stand.nended, 1);
    ck_assert_ptr_null(stand.ended_job);
    ck_assert_int_eq(j.ncalls + j.ncomplete, 0);
    ck_assert_int_eq(stand.probe.timers, 0);
    stand_run_job(&stand, &next, "select");
    ck_assert_str_eq(next.text, STAND_ALL_ROWS);
}
END_TEST

START_TEST(a_paused_job_can_be_abandoned)
{
    struct stand_job j;
    stand_listen(&stand, &stand_trusting, NULL);
    stand_login(&stand);
    stand_job_init(&stand, &j, "thousand");
    j.batch = 1;
    j.flow[1] = REDWI_JOB_PAUSE;
    stand_start(&stand, &j);
    while (!stand.conn->paused)
        stand_run(&stand, 1);
    redwi_conn_abandon(stand.conn, &j.job);
    ck_assert_int_eq(stand.nended, 0);
    stand_run_until(&stand, &stand.nended, 1);
    ck_assert_int_eq(j.nrows, 1);
    ck_assert_int_eq(stand.conn->state, REDWI_CONN_IDLE);
}
END_TEST

START_TEST(an_abandoned_unit_that_does_not_end_costs_the_connection)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    struct stand_job j;
    stand_login(&stand);
    s->mute = true;
    stand_job_init(&stand, &j, "select");
    stand_start(&stand, &j);
    stand_wait_received(&s->peers[0], 1);
    redwi_conn_abandon(stand.conn, &j.job);
    redwi_conn_limit(stand.conn, stand_now_us(&stand) + 2000);
    stand_run_until(&stand, &stand.nclosed, 1);
    ck_assert_ptr_null(stand.closed_job);
    stand_expect_why(&stand, REDW_ETIMEDOUT, "query: 127.0.0.1:",
                     "the server did not end the statement in time, so the connection was closed");
}
END_TEST

START_TEST(a_limited_job_is_closed_with_its_connection)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    struct stand_job j;
    stand_login(&stand);
    s->mute = true;
    stand_job_init(&stand, &j, "select");
    stand_start(&stand, &j);
    stand_wait_received(&s->peers[0], 1);
    redwi_conn_limit(stand.conn, stand_now_us(&stand) + 2000);
    stand_run_until(&stand, &stand.nclosed, 1);
    ck_assert_ptr_eq(stand.closed_job, &j.job);
    ck_assert_int_eq(redw_error_code(j.job.error), REDW_ETIMEDOUT);
    ck_assert_int_eq(redw_error_class(j.job.error), REDW_CLASS_QUERY_TIMEOUT);
    ck_assert_int_eq(redw_error_outcome(j.job.error), REDW_OUTCOME_UNKNOWN);
    stand_job_fini(&j);
}
END_TEST

START_TEST(a_limit_ends_with_the_unit)
{
    struct stand_job j;
    stand_listen(&stand, &stand_trusting, NULL);
    stand_login(&stand);
    stand_job_init(&stand, &j, "select");
    stand_start(&stand, &j);
    redwi_conn_limit(stand.conn, stand_now_us(&stand) + 1000000);
    stand_run_until(&stand, &stand.nended, 1);
    ck_assert_int_eq(stand.probe.timers, 0);
}
END_TEST

START_TEST(states_have_names)
{
    for (int s = REDWI_CONN_DIALING; s <= REDWI_CONN_CLOSED; s++)
        for (int t = REDWI_CONN_DIALING; t < s; t++)
            ck_assert_str_ne(redwi_conn_state_name((enum redwi_conn_state)s),
                             redwi_conn_state_name((enum redwi_conn_state)t));
    ck_assert_str_eq(redwi_conn_state_name((enum redwi_conn_state)99), "unknown");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conn");
    TCase *t = tcase_create("conn");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 20);
    tcase_add_test(t, login_sends_who_we_are_and_ends_idle);
    tcase_add_test(t, a_costly_password_exchange_leaves_the_loop_its_turns_and_obeys_the_deadline);
    tcase_add_test(t, a_server_that_says_nothing_is_left_at_the_deadline);
    tcase_add_test(t, a_refused_login_is_the_servers_own_word);
    tcase_add_test(t, a_server_that_closes_during_login_is_told);
    tcase_add_test(t, units_run_one_after_another);
    tcase_add_test(t, a_failing_unit_has_the_servers_error_and_its_rows);
    tcase_add_test(t, the_first_error_of_a_job_stays);
    tcase_add_test(t, a_statement_that_leaves_a_transaction_open_costs_the_connection);
    tcase_add_test(t, a_unit_may_be_started_from_inside_ready_and_ended);
    tcase_add_test(t, a_long_statement_goes_out_in_parts_while_the_server_does_not_read);
    tcase_add_test(t, a_server_that_sends_byte_by_byte_is_understood);
    tcase_add_test(t, one_wake_up_parses_a_bounded_part_of_a_fast_stream);
    tcase_add_test(t, rows_larger_than_the_buffer_come_through);
    tcase_add_test(t, a_login_that_ends_in_a_transaction_is_refused);
    tcase_add_test(t, without_a_key_there_is_no_side_connection);
    tcase_add_test(t, a_notice_between_units_is_nobodys);
    tcase_add_test(t, a_paused_connection_reads_nothing_and_goes_on_where_it_was);
    tcase_add_test(t, rows_not_taken_before_a_pause_come_again);
    tcase_add_test(t, what_a_server_said_before_it_died_is_read_after_the_pause);
    tcase_add_test(t, stop_hands_the_job_to_the_owner_and_drains_the_rest);
    tcase_add_test(t, a_corrupt_row_costs_the_connection);
    tcase_add_test(t, a_job_that_takes_no_row_and_wants_more_does_not_hang_the_loop);
    tcase_add_test(t, an_abandoned_jobs_answers_are_dropped_and_the_connection_lives);
    tcase_add_test(t, a_paused_job_can_be_abandoned);
    tcase_add_test(t, an_abandoned_unit_that_does_not_end_costs_the_connection);
    tcase_add_test(t, a_limited_job_is_closed_with_its_connection);
    tcase_add_test(t, a_limit_ends_with_the_unit);
    tcase_add_test(t, states_have_names);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
