/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How connections end: closed and abandoned from inside each callback, lost while idle and while busy, left
 * politely and not.
 */
#include "pool/drive.h"
#include "support/conn_stand.h"

#include <check.h>
#include <errno.h>
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

/* --- from inside callbacks ----------------------------------------------------------------------- */

static void close_inside(struct stand *r)
{
    redwi_conn_close(r->conn, r->acted & 1);
    redwi_conn_close(r->conn, true);
    redwi_conn_resume(r->conn);
    redwi_conn_limit(r->conn, 0);
    redwi_conn_flush(r->conn);
}

static void abandon_inside(struct stand *r)
{
    if (redwi_conn_job(r->conn))
        redwi_conn_abandon(r->conn, redwi_conn_job(r->conn));
    redwi_conn_resume(r->conn);
}

START_TEST(a_connection_may_be_closed_inside_every_callback)
{
    for (int e = STAND_READY; e < STAND_CLOSED; e++) {
        for (int politely = 0; politely < 2; politely++) {
            struct stand_job j;
            memset(stand.act, 0, sizeof stand.act);
            struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
            if (e == STAND_READY) {
                stand.act[e] = close_inside;
                stand.acted = politely;
                ck_assert_int_eq(stand_connect(&stand, 5000), 0);
            } else {
                stand_login(&stand);
                stand_job_init(&stand, &j, e == STAND_NOTICE ? "noticed" : "select");
                if (e == STAND_STOPPED)
                    j.flow[1] = REDWI_JOB_STOP;
                stand.act[e] = close_inside;
                stand.acted = politely;
                stand_start(&stand, &j);
            }
            while (stand.conn)
                stand_run(&stand, 1);
            ck_assert_int_eq(stand.acted, politely + 1);
            ck_assert_int_eq(stand.nclosed, 0); /* no word about what the owner did itself */
            while (!s->peers[0].saw_end)
                stand_run(&stand, 1);
            if (e != STAND_READY) {
                ck_assert_ptr_null(j.job.conn);
                stand_job_fini(&j);
            }
            stand_teardown_servers(&stand);
        }
    }
}
END_TEST

START_TEST(a_job_may_be_abandoned_inside_each_of_its_callbacks)
{
    stand_listen(&stand, &stand_trusting, NULL);
    stand_login(&stand);
    for (int e = STAND_COLUMNS; e <= STAND_COMPLETE; e++) {
        for (int flow = REDWI_JOB_GO; flow <= REDWI_JOB_STOP; flow++) {
            struct stand_job j, next;
            int ended = stand.nended;
            memset(stand.act, 0, sizeof stand.act);
            stand_job_init(&stand, &j, e == STAND_NOTICE ? "noticed" : "select");
            j.flow[e == STAND_ROWS] = (enum redwi_job_flow)flow; /* what it answers does not count any more */
            j.batch = 1;
            if (e != STAND_COLUMNS && e != STAND_ROWS)
                j.flow[0] = REDWI_JOB_GO;
            stand.act[e] = abandon_inside;
            stand.acted = 0;
            stand_start(&stand, &j);
            stand_run_until(&stand, &stand.nended, ended + 1);
            ck_assert_ptr_null(stand.ended_job);
            ck_assert_int_eq(stand.acted, 1);
            ck_assert(!stand.conn->paused);
            stand_job_fini(&j);
            memset(stand.act, 0, sizeof stand.act);
            stand_run_job(&stand, &next, "select");
            ck_assert_str_eq(next.text, STAND_ALL_ROWS);
        }
    }
}
END_TEST

static void close_again_inside(struct stand *r)
{
    ck_assert_int_eq(r->conn->state, REDWI_CONN_CLOSED);
    redwi_conn_close(r->conn, true);
}

START_TEST(closed_may_be_answered_by_closing)
{
    stand_target(&stand, "127.0.0.1", stand_free_port());
    stand.act[STAND_CLOSED] = close_again_inside;
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    ck_assert_int_eq(stand.acted, 1);
}
END_TEST

/* --- endings ------------------------------------------------------------------------------------- */

static void send_error(struct stand_peer *p, const char *severity, const char *sqlstate, const char *text)
{
    const struct redwi_error_field fields[] = {{'S', severity}, {'C', sqlstate}, {'M', text}, {0, NULL}};
    struct redwi_buf b;
    redwi_buf_init(&b, &redwi_malloc, 65536);
    redwi_be_put_error(&b, 'E', fields);
    stand_peer_send(p, redwi_buf_front(&b), redwi_buf_len(&b));
    redwi_buf_free(&b);
}

/* U2 */
START_TEST(the_end_of_an_idle_connection_is_seen_at_once)
{
    struct {
        const char *name, *text;
        int code;
    } table[] = {
        {"fin", "the server closed the connection", REDW_ECONNECT},
        {"rst", "receive: connection reset by peer", REDW_ECONNECT},
        {"fatal", "going down", REDW_ESERVER},
        {"garbage", "", REDW_EPROTOCOL},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int closed = stand.nclosed;
        struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
        stand_login(&stand);
        if (i == 0)
            stand_peer_close(&s->peers[0]);
        else if (i == 1)
            stand_peer_reset(&s->peers[0]);
        else if (i == 2)
            send_error(&s->peers[0], "FATAL", "57P01", "going down");
        else
            stand_peer_send(&s->peers[0], "HTTP/1.1", 8);
        stand_run_until(&stand, &stand.nclosed, closed + 1);
        ck_assert_ptr_null(stand.closed_job);
        stand_expect_why(&stand, table[i].code, "idle connection: 127.0.0.1:", table[i].text);
        if (i == 2)
            ck_assert_str_eq(redw_error_sqlstate(stand.why), "57P01");
        stand_teardown_servers(&stand);
    }
}
END_TEST

START_TEST(a_lost_connection_tells_the_job_what_is_known_of_its_statement)
{
    for (int i = 0; i < 4; i++) {
        struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
        struct stand_job j;
        int closed = stand.nclosed;
        stand_login(&stand);
        s->mute = true;
        stand_job_init(&stand, &j, "select");
        if (i == 0) {
            fault_arm(&stand.fault, FAULT_SEND, 1, FAULT_STICKY,
                      (struct fault_kind){.name = "EPIPE", .error = EPIPE});
            stand_start(&stand, &j);
        } else {
            stand_start(&stand, &j);
            stand_wait_received(&s->peers[0], 1);
            if (i == 1)
                stand_peer_close(&s->peers[0]);
            else if (i == 2)
                stand_peer_reset(&s->peers[0]);
            else
                send_error(&s->peers[0], "FATAL", "57P01", "going down");
        }
        stand_run_until(&stand, &stand.nclosed, closed + 1);
        fault_disarm(&stand.fault);
        ck_assert_ptr_eq(stand.closed_job, &j.job);
        ck_assert_int_eq(redw_error_outcome(j.job.error), i ? REDW_OUTCOME_UNKNOWN : REDW_OUTCOME_NOT_SENT);
        ck_assert_int_eq(redw_error_class(j.job.error), REDW_CLASS_CONNECTION_FAILED);
        ck_assert(!strncmp(redw_error_message(j.job.error), "query: 127.0.0.1:", 17));
        stand_job_fini(&j);
        stand_teardown_servers(&stand);
    }
}
END_TEST

START_TEST(the_servers_last_words_are_heard_although_sending_fails)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    struct stand_job j;
    stand_login(&stand);
    stand_job_init(&stand, &j, "select");
    stand_start(&stand, &j); /* corked */
    send_error(&s->peers[0], "FATAL", "57P01", "going down");
    stand_peer_close(&s->peers[0]);
    fault_arm(&stand.fault, FAULT_SEND, 1, FAULT_STICKY,
              (struct fault_kind){.name = "EPIPE", .error = EPIPE});
    stand_run_until(&stand, &stand.nclosed, 1);
    ck_assert_str_eq(redw_error_sqlstate(j.job.error), "57P01");
    ck_assert_int_eq(redw_error_outcome(j.job.error), REDW_OUTCOME_NOT_SENT);
    stand_job_fini(&j);
}
END_TEST

static ssize_t broken_recv(void *ctx, int fd, void *p, size_t n)
{
    (void)ctx, (void)fd, (void)p, (void)n;
    errno = ECONNRESET;
    return -1;
}

static ssize_t broken_send(void *ctx, int fd, const void *p, size_t n)
{
    (void)ctx, (void)fd, (void)p, (void)n;
    errno = EPIPE;
    return -1;
}

START_TEST(of_two_failures_the_first_is_told)
{
    struct stand_job j;
    stand_listen(&stand, &stand_trusting, NULL);
    stand_login(&stand);
    stand.fault.sys.recv = broken_recv;
    stand.fault.sys.send = broken_send;
    stand_job_init(&stand, &j, "select");
    stand_start(&stand, &j);
    stand_run_until(&stand, &stand.nclosed, 1);
    ck_assert_int_eq(redw_error_errno(j.job.error), EPIPE);
    ck_assert_int_eq(redw_error_outcome(j.job.error), REDW_OUTCOME_NOT_SENT);
    stand_job_fini(&j);
}
END_TEST

START_TEST(sending_may_fail_during_a_pause_and_what_was_received_is_still_given)
{
    static char sql[(8 << 20) + 1];
    const struct redwi_field field = {.name = {"c", 1}, .type_oid = 25, .type_size = -1, .typmod = -1};
    const redw_slice cell = {"early", 5};
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    struct stand_job j;
    struct redwi_buf b;
    stand_login(&stand);
    memset(sql, 'x', sizeof sql - 1);
    s->deaf = s->mute = true;
    ev_io_stop(stand.ev, &s->peers[0].io);
    stand_job_init(&stand, &j, sql);
    j.flow[0] = REDWI_JOB_PAUSE;
    stand_start(&stand, &j);
    stand_run(&stand, 20); /* the socket is full */
    redwi_buf_init(&b, &redwi_malloc, 65536);
    redwi_be_put_simple(&b, '1');
    redwi_be_put_simple(&b, '2');
    redwi_be_put_row_description(&b, &field, 1);
    redwi_be_put_data_row(&b, &cell, 1);
    stand_peer_send(&s->peers[0], redwi_buf_front(&b), redwi_buf_len(&b));
    redwi_buf_free(&b);
    while (!stand.conn->paused)
        stand_run(&stand, 1);
    ck_assert_int_eq(stand.probe.ios, 1); /* to go on sending */
    fault_arm(&stand.fault, FAULT_SEND, 1, FAULT_STICKY,
              (struct fault_kind){.name = "EPIPE", .error = EPIPE});
    s->deaf = false;
    stand_peer_send(&s->peers[0], "", 0);
    while (!fault_fired(&stand.fault))
        stand_run(&stand, 1);
    ck_assert_int_eq(stand.probe.ios, 0);
    stand_run(&stand, 5);
    ck_assert_int_eq(stand.nclosed, 0);
    redwi_conn_resume(stand.conn);
    stand_run_until(&stand, &stand.nclosed, 1);
    ck_assert_str_eq(j.text, "early;");
    ck_assert_int_eq(redw_error_errno(j.job.error), EPIPE);
    ck_assert_int_eq(redw_error_outcome(j.job.error), REDW_OUTCOME_UNKNOWN);
    stand_job_fini(&j);
}
END_TEST

START_TEST(a_polite_close_says_goodbye_and_an_impolite_one_does_not)
{
    for (int politely = 0; politely < 2; politely++) {
        struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
        stand_login(&stand);
        redwi_conn_close(stand.conn, politely);
        ck_assert_int_eq(stand.conn->state, REDWI_CONN_CLOSED);
        redwi_conn_free(stand.conn);
        stand.conn = NULL;
        while (!s->peers[0].saw_end)
            stand_run(&stand, 1);
        ck_assert(s->peers[0].peer.terminated == politely);
        stand_teardown_servers(&stand);
    }
}
END_TEST

START_TEST(a_unit_that_was_not_sent_is_not_sent_by_a_close)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    struct stand_job j;
    stand_login(&stand);
    size_t received = s->peers[0].received;
    stand_job_init(&stand, &j, "select");
    stand_start(&stand, &j);
    ck_assert_int_eq(redwi_session_outcome(stand.conn->session, &j.job), REDW_OUTCOME_NOT_SENT);
    redwi_conn_close(stand.conn, true);
    while (!s->peers[0].saw_end)
        stand_run(&stand, 1);
    ck_assert_uint_eq(s->peers[0].received, received);
    ck_assert_ptr_null(j.job.conn);
}
END_TEST

START_TEST(an_idle_connection_does_not_keep_the_loop_running)
{
    stand_listen(&stand, &stand_trusting, NULL);
    stand_login(&stand);
    ck_assert_int_eq(stand.probe.holds, 0);
    ck_assert_int_eq(stand.probe.ios, 1);
    ck_assert_int_eq(stand.probe.timers, 0);
    ck_assert_int_eq(stand.probe.turns_requested, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conn ends");
    TCase *t = tcase_create("conn ends");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 20);
    tcase_add_test(t, a_connection_may_be_closed_inside_every_callback);
    tcase_add_test(t, a_job_may_be_abandoned_inside_each_of_its_callbacks);
    tcase_add_test(t, closed_may_be_answered_by_closing);
    tcase_add_test(t, the_end_of_an_idle_connection_is_seen_at_once);
    tcase_add_test(t, a_lost_connection_tells_the_job_what_is_known_of_its_statement);
    tcase_add_test(t, the_servers_last_words_are_heard_although_sending_fails);
    tcase_add_test(t, of_two_failures_the_first_is_told);
    tcase_add_test(t, sending_may_fail_during_a_pause_and_what_was_received_is_still_given);
    tcase_add_test(t, a_polite_close_says_goodbye_and_an_impolite_one_does_not);
    tcase_add_test(t, a_unit_that_was_not_sent_is_not_sent_by_a_close);
    tcase_add_test(t, an_idle_connection_does_not_keep_the_loop_running);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
