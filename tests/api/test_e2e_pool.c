/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool against a real server: order, several connections and clients, lost connections, giving up, deadlines,
 * closing.
 */
#include "api/e2e_lab.h"

#include <stdlib.h>
#include <string.h>

START_TEST(ten_requests_run_on_ten_connections_at_once)
{
    struct answer a[10];
    start(10);
    for (size_t i = 0; i < 10; i++)
        lab_submit(&r, &a[i], REDW_QUERY("select pg_backend_pid() from pg_sleep(0.5)"));
    double since = ev_time();
    for (size_t i = 0; i < 10; i++)
        ck_assert(lab_wait(&r, &a[i].calls, 1));
    ck_assert_double_lt(ev_time() - since, 4.5); /* one after the other is 5 */
    for (size_t i = 0; i < 10; i++) {
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(answer_text(&a[i]), answer_text(&a[k]));
    }
    for (size_t i = 0; i < 10; i++)
        answer_release(&a[i]);
    ck_assert_uint_eq(r.fault.opened, 10);
    finish();
}
END_TEST

struct ordered {
    unsigned at; /* 0: not yet; n: the n-th to be done */
};
static unsigned ended;
static void note_order(const redw_result *res, void *ctx)
{
    ck_assert_ptr_null(redw_result_error(res));
    ((struct ordered *)ctx)->at = ++ended;
}

START_TEST(one_connection_serves_in_the_order_of_submission)
{
    struct ordered o[200] = {0};
    start(1);
    ended = 0;
    for (size_t i = 0; i < 200; i++)
        ck_assert_int_gt(redw_submit(r.client, REDW_QUERY("select 1"), note_order, &o[i]), 0);
    ck_assert(lab_wait(&r, &ended, 200));
    for (unsigned i = 0; i < 200; i++)
        ck_assert_uint_eq(o[i].at, i + 1);
    ck_assert_uint_eq(r.fault.opened, 1);
    finish();
}
END_TEST

START_TEST(a_full_queue_refuses_and_forgets_nothing_it_accepted)
{
    struct answer a[8];
    struct redw_diag why;
    lab_open(&r);
    ck_assert_int_eq(lab_client(&r, REDW_OPTIONS(.uri = pg_uri(), .pool_max = 1, .queue_max = 5), &why), 0);
    unsigned accepted = 0;
    for (size_t i = 0; i < 8; i++) {
        lab_submit(&r, &a[i], REDW_QUERY("select 1"));
        ck_assert(a[i].id > 0 || a[i].id == REDW_EFULL);
        accepted += a[i].id > 0;
    }
    ck_assert_uint_ge(accepted, 5);
    ck_assert_uint_le(accepted, 6);
    for (size_t i = 0; i < 8; i++)
        if (a[i].id > 0) {
            ck_assert(lab_wait(&r, &a[i].calls, 1));
            answer_must_succeed(&a[i]);
            answer_release(&a[i]);
        }
    must_answer(REDW_QUERY("select 1"), "1");
    finish();
}
END_TEST

START_TEST(a_transaction_left_open_ends_with_its_connection)
{
    start(1);
    must_answer(REDW_QUERY("select count(*) from pg_class where relname = 'left_open'"), "0");
    struct answer a = lab_query(&r, REDW_QUERY("begin"));
    answer_must_succeed(&a);
    answer_release(&a);
    must_answer(REDW_QUERY("select txid_current_if_assigned()"), NULL);
    ck_assert_uint_eq(r.fault.opened, 2); /* not the connection of the transaction */
    a = lab_query(&r, REDW_QUERY("commit"));
    answer_must_succeed(&a);
    ck_assert_uint_eq(redw_result_notice_count(a.res), 1); /* "there is no transaction in progress" */
    answer_release(&a);
    finish();
}
END_TEST

/* Ends the server's side of the one connection of the pool. */
static void make_terminate(char *sql, size_t cap)
{
    struct answer a = lab_query(&r, REDW_QUERY("select pg_backend_pid()"));
    snprintf(sql, cap, "select pg_terminate_backend(%s)", answer_text(&a));
    answer_release(&a);
}

START_TEST(a_connection_that_the_server_ended_is_replaced)
{
    char terminate[64];
    start(1);
    make_terminate(terminate, sizeof terminate);
    pg_sql(terminate);
    lab_run_ms(&r, 50); /* seen while idle */
    make_terminate(terminate, sizeof terminate);
    ck_assert_uint_eq(r.fault.opened, 2);

    struct answer a;
    lab_submit(&r, &a, REDW_QUERY("select pg_sleep(61)"));
    lab_run_until_active(&r, "select pg_sleep(61)");
    pg_sql(terminate);
    ck_assert(lab_wait(&r, &a.calls, 1));
    ck_assert_int_eq(redw_error_class(answer_error(&a)), REDW_CLASS_CONNECTION_FAILED);
    ck_assert_int_eq(redw_error_outcome(answer_error(&a)), REDW_OUTCOME_UNKNOWN);
    ck_assert_str_eq(redw_error_sqlstate(answer_error(&a)), "57P01");
    answer_release(&a);
    must_answer(REDW_QUERY("select 3"), "3");
    finish();
}
END_TEST

START_TEST(idle_connections_do_not_keep_the_loop_running_and_work_does)
{
    struct answer a;
    start(2);
    lab_submit(&r, &a, REDW_QUERY("select 1"));
    ev_run(r.loop, 0); /* returns when the answer was given */
    answer_must_succeed(&a);
    answer_release(&a);
    ev_run(r.loop, 0); /* at once */
    finish();
}
END_TEST

START_TEST(several_clients_share_a_loop)
{
    enum { CLIENTS = 5, EACH = 20 };
    struct answer a[CLIENTS][EACH];
    redw_client *c[CLIENTS];
    lab_open(&r);
    for (int k = 0; k < CLIENTS; k++) {
        lab_pool(&r, pg_server()->uri, pg_server()->password, 2);
        c[k] = r.client;
        for (int i = 0; i < EACH; i++)
            lab_submit(&r, &a[k][i], REDW_QUERY("select $1", redw_p_int32(k * EACH + i)));
    }
    for (int k = 0; k < CLIENTS; k++)
        for (int i = 0; i < EACH; i++) {
            ck_assert(lab_wait(&r, &a[k][i].calls, 1));
            ck_assert_int_eq(atoi(answer_text(&a[k][i])), k * EACH + i);
            answer_release(&a[k][i]);
        }
    for (int k = 0; k < CLIENTS; k++)
        redw_client_destroy(c[k]);
    r.client = NULL;
    finish();
}
END_TEST

/* --- giving up ----------------------------------------------------------------------------------------- */

/* K05 */
START_TEST(a_running_statement_is_cancelled_on_the_server)
{
    struct answer a;
    start(1);
    lab_submit(&r, &a, REDW_QUERY("select pg_sleep(62)"));
    lab_run_until_active(&r, "select pg_sleep(62)");
    double since = ev_time();
    ck_assert_int_eq(redw_cancel(r.client, a.id), 0);
    ck_assert_uint_eq(a.calls, 0); /* later, from the loop */
    ck_assert_int_eq(redw_cancel(r.client, a.id), 0);
    ck_assert(lab_wait(&r, &a.calls, 1));
    ck_assert_double_lt(ev_time() - since, 20);
    const redw_error *e = answer_error(&a);
    ck_assert_int_eq(redw_error_class(e), REDW_CLASS_QUERY_CANCELLED);
    ck_assert_int_eq(redw_error_outcome(e), REDW_OUTCOME_NOT_EXECUTED);
    ck_assert_str_eq(redw_error_sqlstate(e), "57014");
    answer_release(&a);
    ck_assert_int_eq(redw_cancel(r.client, a.id), REDW_ENOENT);
    /* The same connection goes on, and the cancel hits nothing else. */
    for (int i = 0; i < 20; i++)
        must_answer(REDW_QUERY("select 1"), "1");
    ck_assert_uint_eq(r.fault.opened, 2);
    finish();
}
END_TEST

START_TEST(a_waiting_request_is_cancelled_at_once_and_unsent)
{
    struct answer first, second;
    start(1);
    must_answer(REDW_QUERY("select 1"), "1");
    lab_submit(&r, &first, REDW_QUERY("select 'first' from pg_sleep(0.6)"));
    lab_submit(&r, &second, REDW_QUERY("select 'second'"));
    lab_run_ms(&r, 20);
    ck_assert_int_eq(redw_cancel(r.client, second.id), 0);
    ck_assert_uint_eq(second.calls, 0);
    ck_assert(lab_wait(&r, &second.calls, 1));
    ck_assert_uint_eq(first.calls, 0);
    ck_assert_int_eq(redw_error_code(answer_error(&second)), REDW_ECANCELLED);
    ck_assert_int_eq(redw_error_class(answer_error(&second)), REDW_CLASS_QUERY_CANCELLED);
    ck_assert_int_eq(redw_error_outcome(answer_error(&second)), REDW_OUTCOME_NOT_SENT);
    ck_assert(lab_wait(&r, &first.calls, 1));
    ck_assert_str_eq(answer_text(&first), "first");
    answer_release(&first);
    answer_release(&second);
    finish();
}
END_TEST

START_TEST(a_forgotten_request_is_never_heard_of_again)
{
    struct answer *a = malloc(sizeof *a), *b = malloc(sizeof *b);
    start(1);
    must_answer(REDW_QUERY("select 1"), "1");
    lab_submit(&r, a, REDW_QUERY("select pg_sleep(63)"));
    lab_submit(&r, b, REDW_QUERY("select 1"));
    lab_run_until_active(&r, "select pg_sleep(63)");
    redw_id id = a->id;
    ck_assert_int_eq(redw_forget(r.client, a->id), 0);
    ck_assert_int_eq(redw_forget(r.client, b->id), 0);
    free(a); /* its context is the caller's again: a late callback is a use after free */
    free(b);
    ck_assert_int_eq(redw_forget(r.client, id), REDW_ENOENT);
    double since = ev_time();
    must_answer(REDW_QUERY("select 2"), "2");
    ck_assert_double_lt(ev_time() - since, 20); /* the statement was cancelled, not waited for */
    finish();
}
END_TEST

/* D12 */
START_TEST(a_deadline_ends_a_running_statement_and_a_waiting_one)
{
    struct answer a, b;
    start(1);
    must_answer(REDW_QUERY("select 1"), "1");
    lab_submit(&r, &a, REDW_REQUEST(.sql = "select pg_sleep(64)", .timeout_ms = 600));
    lab_submit(&r, &b, REDW_REQUEST(.sql = "select 1", .deadline_ms = redw_client_now_ms(r.client) + 100));
    double since = ev_time();
    ck_assert(lab_wait(&r, &b.calls, 1));
    ck_assert_double_ge(ev_time() - since, 0.09);
    ck_assert_uint_eq(a.calls, 0);
    ck_assert_int_eq(redw_error_class(answer_error(&b)), REDW_CLASS_QUERY_TIMEOUT);
    ck_assert_int_eq(redw_error_code(answer_error(&b)), REDW_ETIMEDOUT);
    ck_assert_int_eq(redw_error_outcome(answer_error(&b)), REDW_OUTCOME_NOT_SENT);
    ck_assert(lab_wait(&r, &a.calls, 1));
    ck_assert_double_ge(ev_time() - since, 0.59);
    ck_assert_int_eq(redw_error_class(answer_error(&a)), REDW_CLASS_QUERY_TIMEOUT);
    ck_assert_int_eq(redw_error_code(answer_error(&a)), REDW_ETIMEDOUT);
    answer_release(&a);
    answer_release(&b);
    must_answer(REDW_QUERY("select 1"), "1");
    finish();
}
END_TEST

/* --- the end ------------------------------------------------------------------------------------------- */

static unsigned closed_calls, calls_at_close;
static struct answer *watched;
static void on_closed(void *ctx)
{
    (void)ctx;
    closed_calls++;
    calls_at_close = watched[0].calls + watched[1].calls;
}

START_TEST(closing_lets_accepted_work_end_and_refuses_new_work)
{
    struct answer a[2], late;
    start(1);
    watched = a;
    lab_submit(&r, &a[0], REDW_QUERY("select 'a' from pg_sleep(0.1)"));
    lab_submit(&r, &a[1], REDW_QUERY("select 'b'"));
    closed_calls = 0;
    redw_client_close(r.client, 10000, on_closed, NULL);
    lab_submit(&r, &late, REDW_QUERY("select 1"));
    ck_assert_int_eq((int)late.id, REDW_ECLOSED);
    ck_assert_uint_eq(closed_calls, 0);
    ck_assert(lab_wait(&r, &closed_calls, 1));
    ck_assert_uint_eq(calls_at_close, 2); /* last of all callbacks */
    ck_assert_str_eq(answer_text(&a[0]), "a");
    ck_assert_str_eq(answer_text(&a[1]), "b");
    answer_release(&a[0]);
    answer_release(&a[1]);
    ck_assert_uint_eq(r.fault.opened, r.fault.closed);
    finish();
    ck_assert_uint_eq(closed_calls, 1);
}
END_TEST

START_TEST(a_drain_that_ends_gives_up_what_is_left)
{
    struct answer a[2];
    start(1);
    watched = a;
    lab_submit(&r, &a[0], REDW_QUERY("select pg_sleep(65)"));
    lab_submit(&r, &a[1], REDW_QUERY("select 1"));
    lab_run_until_active(&r, "select pg_sleep(65)");
    closed_calls = 0;
    redw_client_close(r.client, REDW_NONE, NULL, NULL);
    redw_client_close(r.client, 100, on_closed, NULL); /* shortens */
    double since = ev_time();
    ck_assert(lab_wait(&r, &closed_calls, 1));
    ck_assert_double_lt(ev_time() - since, 20);
    ck_assert_uint_eq(calls_at_close, 2);
    ck_assert_int_eq(redw_error_class(answer_error(&a[0])), REDW_CLASS_CLOSED);
    ck_assert_int_eq(redw_error_class(answer_error(&a[1])), REDW_CLASS_CLOSED);
    ck_assert_int_eq(redw_error_outcome(answer_error(&a[1])), REDW_OUTCOME_NOT_SENT);
    answer_release(&a[0]);
    answer_release(&a[1]);
    finish();
}
END_TEST

START_TEST(destroying_ends_everything_before_it_returns)
{
    struct answer a[2];
    start(1);
    watched = a;
    lab_submit(&r, &a[0], REDW_QUERY("select pg_sleep(66)"));
    lab_submit(&r, &a[1], REDW_QUERY("select 1"));
    lab_run_until_active(&r, "select pg_sleep(66)");
    closed_calls = 0;
    redw_client_close(r.client, REDW_NONE, on_closed, NULL);
    redw_client_destroy(r.client);
    r.client = NULL;
    ck_assert_uint_eq(closed_calls, 1);
    ck_assert_uint_eq(calls_at_close, 2);
    ck_assert_int_eq(redw_error_class(answer_error(&a[0])), REDW_CLASS_CLOSED);
    ck_assert_int_eq(redw_error_outcome(answer_error(&a[0])), REDW_OUTCOME_UNKNOWN);
    ck_assert_int_eq(redw_error_outcome(answer_error(&a[1])), REDW_OUTCOME_NOT_SENT);
    answer_release(&a[0]); /* kept results outlive the client */
    answer_release(&a[1]);
    finish();
}
END_TEST

/* O03 */
START_TEST(results_kept_outlive_the_client)
{
    start(1);
    struct answer a = lab_query(&r, REDW_QUERY("select repeat('k', 100000)"));
    redw_client_destroy(r.client);
    r.client = NULL;
    ck_assert_uint_eq(strlen(answer_text(&a)), 100000);
    redw_result *again = redw_result_keep(a.res);
    answer_release(&a);
    redw_result_release(again);
    finish();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("e2e_pool");
    TCase *t = tcase_create("e2e_pool");
    pg_server();
    tcase_add_test(t, ten_requests_run_on_ten_connections_at_once);
    tcase_add_test(t, one_connection_serves_in_the_order_of_submission);
    tcase_add_test(t, a_full_queue_refuses_and_forgets_nothing_it_accepted);
    tcase_add_test(t, a_transaction_left_open_ends_with_its_connection);
    tcase_add_test(t, a_connection_that_the_server_ended_is_replaced);
    tcase_add_test(t, idle_connections_do_not_keep_the_loop_running_and_work_does);
    tcase_add_test(t, several_clients_share_a_loop);
    tcase_add_test(t, a_running_statement_is_cancelled_on_the_server);
    tcase_add_test(t, a_waiting_request_is_cancelled_at_once_and_unsent);
    tcase_add_test(t, a_forgotten_request_is_never_heard_of_again);
    tcase_add_test(t, a_deadline_ends_a_running_statement_and_a_waiting_one);
    tcase_add_test(t, closing_lets_accepted_work_end_and_refuses_new_work);
    tcase_add_test(t, a_drain_that_ends_gives_up_what_is_left);
    tcase_add_test(t, destroying_ends_everything_before_it_returns);
    tcase_add_test(t, results_kept_outlive_the_client);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
