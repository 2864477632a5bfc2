/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client over connections that the test plays and a clock that it moves (client_stage.h): who gets which
 * connection, when more are opened, the bound of the queue, ids, ready, and what cannot be made.
 */
#include "pool/client_stage.h"

/* --- assigning and opening --- */

START_TEST(jobs_get_connections_in_the_order_of_submission)
{
    open_client(2, 0);
    for (char name = 'a'; name <= 'e'; name++)
        add(name);
    ck_assert_uint_eq(nfakes, 0); /* nothing happens inside a public call */
    settle();
    ck_assert_uint_eq(nfakes, 2); /* never more than pool_max */
    fake_ready(fakes[1]);
    settle();
    ck_assert_str_eq(job_on(fakes[1]), "a");
    ck_assert_uint_eq(fakes[1]->flushes, 1);
    fake_ready(fakes[0]);
    settle();
    ck_assert_str_eq(job_on(fakes[0]), "b");
    fake_end(fakes[0], NULL);
    ck_assert_str_eq(story, "b");
    settle();
    ck_assert_str_eq(job_on(fakes[0]), "c");
    fake_end(fakes[1], NULL);
    settle();
    ck_assert_str_eq(job_on(fakes[1]), "d");
    fake_end(fakes[1], NULL);
    fake_end(fakes[0], NULL);
    settle();
    fake_end(fakes[1]->conn.njobs ? fakes[1] : fakes[0], NULL);
    settle();
    ck_assert_str_eq(story, "badce");
    ck_assert_uint_eq(nfakes, 2);
}
END_TEST

START_TEST(only_as_many_connections_open_as_jobs_wait)
{
    open_client(10, 0);
    add('a');
    settle();
    ck_assert_uint_eq(nfakes, 1);
    add('b');
    settle();
    ck_assert_uint_eq(nfakes, 2);
    fake_ready(fakes[0]);
    fake_ready(fakes[1]);
    settle();
    fake_end(fakes[0], NULL);
    fake_end(fakes[1], NULL);
    settle();
    add('c');
    settle();
    ck_assert_uint_eq(nfakes, 2);
    ck_assert_str_eq(job_on(fakes[1]), "c"); /* the one used last */
    fake_end(fakes[1], NULL);
}
END_TEST

START_TEST(a_unit_that_cannot_be_written_fails_its_job_and_nothing_else)
{
    open_client_with(1, 1);
    fakes[0]->begin_rc = REDW_ENOMEM;
    add('a');
    settle();
    ck_assert(ended_as('a', REDW_ENOMEM, REDW_CLASS_OUT_OF_MEMORY, REDW_OUTCOME_NOT_SENT));
    fakes[0]->begin_rc = REDW_EFULL;
    add('b');
    settle();
    ck_assert(ended_as('b', REDW_EFULL, REDW_CLASS_RESOURCE_BUSY, REDW_OUTCOME_NOT_SENT));
    fakes[0]->begin_rc = 0;
    add('c');
    settle();
    ck_assert_str_eq(job_on(fakes[0]), "c");
    fake_end(fakes[0], NULL);
    ck_assert_uint_eq(nfakes, 1);
}
END_TEST

START_TEST(the_queue_is_bounded_and_the_refusal_explains_itself)
{
    open_client(1, 3);
    for (char name = 'a'; name <= 'c'; name++)
        add(name);
    settle();
    ck_assert_int_eq(add_until('d', INT64_MAX), REDW_EFULL);
    ck_assert_str_eq(redw_client_why(client),
                     "queue_max 3: 3 requests wait; 0 connections in use, 1 being "
                     "opened, pool_max 1");
    settle();
}
END_TEST

START_TEST(jobs_that_an_idle_connection_takes_do_not_count_as_waiting)
{
    open_client(2, 1);
    add('a');
    settle();
    fake_ready(fakes[0]);
    settle();
    fake_end(fakes[0], NULL);
    settle();
    add('b');
    add('c'); /* one for the idle connection, one that waits */
    ck_assert_int_eq(add_until('d', INT64_MAX), REDW_EFULL);
    settle();
    fake_end(fakes[0], NULL);
    settle();
}
END_TEST

START_TEST(ids_are_never_reused_and_stale_ones_are_not_found)
{
    enum { N = 3000 };
    static redw_id ids[N];
    redw_id last = 0;
    unsigned r = 1;
    bool right = true;

    open_client(1, 1 << 20);
    for (int i = 0; i < 100000; i++) {
        r = r * 1103515245u + 12345u;
        redw_id *at = &ids[(r >> 8) % N];
        if (*at) {
            struct redwi_job *j = redwi_client_find(client, *at);
            right = right && j && j->id == *at && redw_forget(client, *at) == 0;
            right = right && redw_forget(client, *at) == REDW_ENOENT;
            *at = 0;
        } else {
            *at = add_until('a', INT64_MAX);
            right = right && *at > last;
            last = *at;
        }
    }
    ck_assert(right); /* once: an assertion writes to a pipe */
    for (int i = 0; i < N; i++) {
        if (ids[i])
            ck_assert_int_eq(redw_forget(client, ids[i]), 0);
    }
    ck_assert_int_eq(redw_cancel(client, 0), REDW_ENOENT);
    ck_assert_int_eq(redw_cancel(client, -1), REDW_ENOENT);
    ck_assert_int_eq(redw_cancel(client, INT64_MAX), REDW_ENOENT);
    settle();
    ck_assert_int_eq(vloop_holds(loop), 0);
}
END_TEST

/* --- ready --- */

START_TEST(ready_reports_an_open_connection_without_occupying_it)
{
    open_client(5, 1);
    ck_assert_int_gt(ask_ready(0, 'r'), 0);
    ck_assert_int_gt(ask_ready(0, 's'), 0); /* not bounded by queue_max */
    settle();
    ck_assert_uint_eq(nfakes, 1); /* one is enough for both */
    ck_assert_str_eq(story, "");
    fake_ready(fakes[0]);
    settle();
    ck_assert_str_eq(story, "rs");
    ck_assert(ended_as('r', 0, REDW_CLASS_NONE, seen['r'].outcome));
    ck_assert_uint_eq(fakes[0]->starts, 0);
    add('a');
    settle();
    ck_assert_int_gt(ask_ready(0, 't'), 0);
    ck_assert_int_eq(seen['t'].finished, 0); /* never from inside the call */
    settle();
    ck_assert_int_eq(seen['t'].finished, 1); /* a busy one is open too */
    ck_assert_uint_eq(nfakes, 1);
}
END_TEST

START_TEST(ready_reports_failure_timeout_and_can_be_taken_back)
{
    open_client(5, 0);
    redw_id id = ask_ready(100, 'r');
    ck_assert_int_gt(ask_ready(REDW_NONE, 's'), 0);
    vloop_advance(loop, 100 * MS);
    ck_assert(ended_as('r', REDW_ETIMEDOUT, REDW_CLASS_CONNECTION_FAILED, REDW_OUTCOME_NOT_SENT));
    ck_assert_int_eq(redw_forget(client, id), REDW_ENOENT);
    vloop_advance(loop, INT64_C(86400000) * MS);
    ck_assert_int_eq(seen['s'].finished, 0);
    fake_break(fakes[0], REDW_ECONNECT, "connect: refused");
    settle();
    ck_assert(ended_as('s', REDW_ECONNECT, REDW_CLASS_CONNECTION_FAILED, REDW_OUTCOME_NOT_SENT));
    ck_assert_str_eq(seen['s'].message, "connect: refused");
    id = ask_ready(0, 't');
    ck_assert_int_eq(redw_forget(client, id), 0);
    settle();
    ck_assert_int_eq(seen['t'].finished, 0);
    ck_assert_int_eq(redw_client_ready(client, 0, NULL, NULL), REDW_EINVAL);
    ck_assert_int_eq(vloop_holds(loop), 0);
}
END_TEST

/* --- making one --- */

START_TEST(create_names_what_is_wrong_and_leaves_nothing)
{
    struct redw_loop table = vloop_table(loop);
    struct redw_diag why;
    redw_client *out = (redw_client *)(void *)&why;

    ck_assert_int_eq(redw_client_create_on(&out, &table, REDW_OPTIONS(.uri = "x"), &why), REDW_EINVAL);
    ck_assert_ptr_null(out);
    ck_assert_ptr_nonnull(strstr(why.text, "uri"));
    ck_assert_int_eq(redw_client_create_on(&out, &table, NULL, &why), REDW_EINVAL);
    ck_assert_int_eq(redw_client_create_on(&out, NULL, REDW_OPTIONS(.uri = URI), &why), REDW_EINVAL);
    ck_assert_ptr_nonnull(strstr(why.text, "loop"));
    ck_assert_int_eq(redw_client_create(&out, NULL, REDW_OPTIONS(.uri = URI), NULL), REDW_EINVAL);
    table.hold = NULL;
    ck_assert_int_eq(redw_client_create_on(&out, &table, REDW_OPTIONS(.uri = URI), &why), REDW_EINVAL);
    table = vloop_table(loop);
    table.size--;
    ck_assert_int_eq(redw_client_create_on(&out, &table, REDW_OPTIONS(.uri = URI), &why), REDW_EINVAL);
    ck_assert_int_eq(create(REDW_OPTIONS(.uri = "redshift://u@h?sslrootcert=/does/not/exist",
                                         .allocator = &heap_table)),
                     REDW_ETLS);
    ck_assert_uint_eq(heap.out, 0);
    for (size_t n = 0;; n++) {
        heap.limited = true;
        heap.left = n;
        int rc = create(REDW_OPTIONS(.uri = URI "&password=x", .allocator = &heap_table));
        heap.limited = false;
        if (rc == 0)
            break;
        ck_assert_int_eq(rc, REDW_ENOMEM);
        ck_assert_uint_eq(heap.out, 0);
    }
}
END_TEST

START_TEST(a_job_for_which_there_is_no_memory_is_refused_and_nothing_changes)
{
    open_client(1, 0);
    for (int i = 0; i < 40; i++)
        add('a');
    heap.limited = true;
    int refused = 0;
    for (int i = 0; i < 200; i++) {
        heap.left = 1; /* the job itself; then the table, when it must grow */
        redw_id id = add_until('b', INT64_MAX);
        refused += id == REDW_ENOMEM;
        if (id == REDW_ENOMEM) {
            heap.limited = false;
            add('c');
            heap.limited = true;
        }
    }
    heap.limited = false;
    ck_assert_int_gt(refused, 0);
    ck_assert_int_eq(redw_client_now_ms(client), vloop_now_us(loop) / 1000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client");
    TCase *t = tcase_create("client");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, jobs_get_connections_in_the_order_of_submission);
    tcase_add_test(t, only_as_many_connections_open_as_jobs_wait);
    tcase_add_test(t, a_unit_that_cannot_be_written_fails_its_job_and_nothing_else);
    tcase_add_test(t, the_queue_is_bounded_and_the_refusal_explains_itself);
    tcase_add_test(t, jobs_that_an_idle_connection_takes_do_not_count_as_waiting);
    tcase_add_test(t, ids_are_never_reused_and_stale_ones_are_not_found);
    tcase_add_test(t, ready_reports_an_open_connection_without_occupying_it);
    tcase_add_test(t, ready_reports_failure_timeout_and_can_be_taken_back);
    tcase_add_test(t, create_names_what_is_wrong_and_leaves_nothing);
    tcase_add_test(t, a_job_for_which_there_is_no_memory_is_refused_and_nothing_changes);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
