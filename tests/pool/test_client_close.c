/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a client ends (client_stage.h): close with and without a drain, destroy, both from inside callbacks, what
 * callbacks may do meanwhile, and a fork's child.
 */
#include "pool/client_stage.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(close_of_a_client_without_work_ends_its_connections_politely)
{
    open_client_with(2, 2);
    ck_assert_int_gt(ask_ready(0, 'r'), 0);
    settle();
    redw_client_close(client, REDW_NONE, on_closed, NULL);
    ck_assert_str_eq(story, "r");
    ck_assert_int_eq(vloop_holds(loop), 1);
    settle();
    ck_assert_str_eq(story, "r.");
    ck_assert_int_eq(vloop_holds(loop), 0);
    for (int i = 0; i < 2; i++)
        ck_assert(fakes[i]->freed && fakes[i]->polite);
    ck_assert_int_eq(add_until('a', INT64_MAX), REDW_ECLOSED);
    ck_assert_str_eq(redw_client_why(client), "the client is closed");
    ck_assert_int_eq(ask_ready(0, 'r'), REDW_ECLOSED);
    redw_client_destroy(client);
    client = NULL;
    ck_assert_str_eq(story, "r."); /* once */
}
END_TEST

START_TEST(close_lets_accepted_work_finish_and_closed_comes_last)
{
    open_client_with(1, 1);
    add('a');
    add('b');
    settle();
    redw_client_close(client, REDW_NONE, on_closed, NULL);
    ck_assert_int_eq(add_until('c', INT64_MAX), REDW_ECLOSED);
    ck_assert_str_eq(redw_client_why(client), "the client is closing");
    vloop_advance(loop, INT64_C(86400000) * MS);
    fake_end(fakes[0], NULL);
    settle();
    ck_assert_str_eq(job_on(fakes[0]), "b");
    fake_end(fakes[0], NULL);
    settle();
    ck_assert_str_eq(story, "ab.");
    ck_assert(fakes[0]->freed && fakes[0]->polite);
}
END_TEST

START_TEST(what_is_left_after_the_drain_is_cancelled_with_class_closed)
{
    open_client_with(2, 2);
    add('a');
    add('b');
    settle();
    add('c');
    ask_ready(REDW_NONE, 'r');
    redw_client_close(client, 200, on_closed, NULL);
    settle();
    ck_assert_str_eq(story, "r");
    vloop_advance(loop, 200 * MS - 1);
    ck_assert_str_eq(story, "r");
    vloop_advance(loop, 1);
    ck_assert_uint_eq(strlen(story),
                      4); /* a, b and c, but not closed: the server is being asked to stop */
    ck_assert(ended_as('a', REDW_ECLOSED, REDW_CLASS_CLOSED, REDW_OUTCOME_UNKNOWN));
    ck_assert(ended_as('b', REDW_ECLOSED, REDW_CLASS_CLOSED, REDW_OUTCOME_UNKNOWN));
    ck_assert(ended_as('c', REDW_ECLOSED, REDW_CLASS_CLOSED, REDW_OUTCOME_NOT_SENT));
    ck_assert_uint_eq(nfakes, 4);
    fake_end(fakes[0], NULL);
    fake_side_done(fakes[2]);
    fake_side_done(fakes[3]);
    settle();
    ck_assert_uint_eq(strlen(story), 4);
    fake_break(fakes[1], REDW_ETIMEDOUT, "unit did not end"); /* at the latest now */
    settle();
    ck_assert_int_eq(story[4], '.');
}
END_TEST

START_TEST(close_without_drain_ends_everything_from_the_loop)
{
    open_client(2, 0);
    add('a');
    ask_ready(REDW_NONE, 'r');
    redw_client_close(client, 0, on_closed, NULL);
    ck_assert_str_eq(story, "");
    settle();
    ck_assert_str_eq(story, "ar.");
    ck_assert(ended_as('a', REDW_ECLOSED, REDW_CLASS_CLOSED, REDW_OUTCOME_NOT_SENT));
    ck_assert(ended_as('r', REDW_ECLOSED, REDW_CLASS_CLOSED, REDW_OUTCOME_NOT_SENT));
    ck_assert_int_eq(vloop_holds(loop), 0);
}
END_TEST

static void on_closed_too(void *ctx)
{
    (void)ctx;
    tell("!");
}

START_TEST(closing_again_only_shortens_the_drain_and_may_replace_the_callback)
{
    open_client_with(1, 1);
    add('a');
    settle();
    redw_client_close(client, 1000, on_closed, NULL);
    redw_client_close(client, REDW_NONE, NULL, NULL);
    redw_client_close(client, 5000, on_closed_too, NULL);
    vloop_advance(loop, 100 * MS);
    redw_client_close(client, 300, NULL, NULL);
    redw_client_close(client, 400, NULL, NULL);
    vloop_advance(loop, 299 * MS);
    ck_assert_str_eq(story, "");
    vloop_advance(loop, 1 * MS);
    ck_assert_str_eq(story, "a");
    fake_end(fakes[0], NULL);
    fake_side_done(fakes[1]);
    settle();
    ck_assert_str_eq(story, "a!");
    redw_client_close(client, 0, on_closed, NULL); /* closed already: this one is told too */
    settle();
    ck_assert_str_eq(story, "a!.");
}
END_TEST

START_TEST(a_connection_being_opened_does_not_delay_the_close)
{
    open_client(2, 0);
    redw_id id = add('a');
    settle();
    redw_forget(client, id);
    redw_client_close(client, REDW_NONE, on_closed, NULL);
    settle();
    ck_assert_str_eq(story, "(a).");
    ck_assert(fakes[0]->freed && !fakes[0]->polite);
}
END_TEST

START_TEST(destroy_completes_everything_before_it_returns)
{
    open_client_with(2, 2);
    add('a');
    settle();
    fakes[0]->sent = fakes[1]->sent = true;
    add('b');
    add('c');
    redw_id done = add('d');
    redw_cancel(client, done);
    redw_client_close(client, REDW_NONE, on_closed, NULL);
    redw_client_destroy(client);
    client = NULL;
    ck_assert_uint_eq(strlen(story), 5);
    ck_assert(ended_as('a', REDW_ECLOSED, REDW_CLASS_CLOSED, REDW_OUTCOME_UNKNOWN));
    ck_assert(ended_as('b', REDW_ECLOSED, REDW_CLASS_CLOSED, REDW_OUTCOME_NOT_SENT));
    ck_assert(ended_as('c', REDW_ECLOSED, REDW_CLASS_CLOSED, REDW_OUTCOME_NOT_SENT));
    ck_assert(ended_as('d', REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_NOT_SENT));
    ck_assert_int_eq(story[4], '.');
    ck_assert_int_ne(fakes[0]->polite, fakes[1]->polite); /* the idle one politely, the busy one not */
}
END_TEST

/* What a callback may do: everything. */
static void submit_again(char name)
{
    if (name < 'e')
        add((char)(name + 1));
}
static void close_client(char name)
{
    (void)name;
    redw_client_close(client, REDW_NONE, on_closed, NULL);
}
static void close_at_once(char name)
{
    (void)name;
    redw_client_close(client, 0, on_closed, NULL);
}
static void destroy_client(char name)
{
    (void)name;
    redw_client_destroy(client);
    ck_assert_int_eq(add_until('z', INT64_MAX), REDW_ECLOSED);
    redw_client_destroy(client); /* again: nothing */
}
static void destroy_client_in_closed(void *ctx)
{
    (void)ctx;
    tell(".");
    redw_client_destroy(client);
}

/* O02 */
START_TEST(a_callback_may_submit)
{
    open_client_with(1, 1);
    on_finish = submit_again;
    add('a');
    for (int i = 0; i < 5; i++) {
        settle();
        fake_end(fakes[0], NULL);
    }
    ck_assert_str_eq(story, "abcde");
    settle();
    ck_assert_int_eq(vloop_holds(loop), 0);
}
END_TEST

static int cancels_in_a_row;
static void submit_and_cancel(char name)
{
    cancels_in_a_row++;
    if (cancels_in_a_row < 1000)
        redw_cancel(client, add(name));
}

START_TEST(a_callback_that_submits_and_cancels_for_ever_does_not_keep_the_loop)
{
    open_client(1, 0);
    on_finish = submit_and_cancel;
    redw_cancel(client, add('a'));
    vloop_round(loop);
    ck_assert_int_le(cancels_in_a_row, 2);
    settle();
    ck_assert_int_eq(cancels_in_a_row, 1000);
}
END_TEST

START_TEST(a_callback_may_close_or_destroy_the_client)
{
    static void (*const acts[])(char) = {close_client, close_at_once, destroy_client};

    for (unsigned act = 0; act < 3; act++) {
        for (int from_rows = 0; from_rows < 2; from_rows++) {
            unsigned base = nfakes;
            story[0] = '\0';
            on_finish = on_rows = NULL;
            open_client(2, 0);
            add('a');
            add('b');
            settle();
            fake_ready(fakes[base]);
            fake_ready(fakes[base + 1]);
            settle();
            *(from_rows ? &on_rows : &on_finish) = acts[act];
            struct fake *f = fakes[base];
            if (from_rows)
                fake_rows(f, (const uint8_t *)"D", 1);
            else
                fake_end(f, NULL);
            on_finish = on_rows = NULL;
            if (act < 2) {
                settle();
                vloop_advance(loop, 1 * MS);
                redw_client_destroy(client);
            }
            ck_assert_uint_eq(strlen(story), act < 2 ? 3 : 2); /* a, b and closed */
            ck_assert_ptr_nonnull(strchr(story, 'a'));
            ck_assert_ptr_nonnull(strchr(story, 'b'));
            if (act < 2)
                ck_assert_int_eq(story[2], '.');
            for (unsigned i = base; i < nfakes; i++)
                ck_assert(fakes[i]->freed);
        }
    }
    client = NULL;
}
END_TEST

START_TEST(the_closed_callback_may_destroy_the_client)
{
    open_client_with(1, 1);
    redw_client_close(client, 0, destroy_client_in_closed, NULL);
    settle();
    ck_assert_str_eq(story, ".");
    client = NULL;
}
END_TEST

static redw_id ids_by_name[128];
static void forget_b_cancel_c(char name)
{
    if (name != 'a')
        return;
    ck_assert_int_eq(redw_forget(client, ids_by_name['b']), 0);
    ck_assert_int_eq(redw_cancel(client, ids_by_name['c']), 0); /* done already: nothing changes */
    ck_assert_int_eq(add_until('z', INT64_MAX), REDW_ECLOSED);
}

START_TEST(a_callback_during_destroy_may_forget_and_cancel_but_not_submit)
{
    open_client(1, 0);
    for (char name = 'a'; name <= 'd'; name++)
        ids_by_name[(int)name] = add(name);
    on_finish = forget_b_cancel_c;
    redw_client_destroy(client);
    client = NULL;
    ck_assert_str_eq(story, "a(b)cd");
    ck_assert(ended_as('c', REDW_ECLOSED, REDW_CLASS_CLOSED, REDW_OUTCOME_NOT_SENT));
}
END_TEST

START_TEST(in_a_forks_child_destroy_calls_nobody)
{
    open_client_with(2, 2);
    add('a');
    settle();
    add('b');
    add('c');
    redw_client_close(client, REDW_NONE, on_closed, NULL);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        story[0] = '\0';
        redw_client_destroy(client);
        bool quiet = !strpbrk(story, ".") && strcmp(story, "(a)(b)(c)") == 0;
        for (unsigned i = 0; i < nfakes; i++)
            quiet = quiet && fakes[i]->freed && !fakes[i]->polite;
        _exit(quiet && heap.out == 0 ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_close");
    TCase *t = tcase_create("client_close");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, close_of_a_client_without_work_ends_its_connections_politely);
    tcase_add_test(t, close_lets_accepted_work_finish_and_closed_comes_last);
    tcase_add_test(t, what_is_left_after_the_drain_is_cancelled_with_class_closed);
    tcase_add_test(t, close_without_drain_ends_everything_from_the_loop);
    tcase_add_test(t, closing_again_only_shortens_the_drain_and_may_replace_the_callback);
    tcase_add_test(t, a_connection_being_opened_does_not_delay_the_close);
    tcase_add_test(t, destroy_completes_everything_before_it_returns);
    tcase_add_test(t, a_callback_may_submit);
    tcase_add_test(t, a_callback_that_submits_and_cancels_for_ever_does_not_keep_the_loop);
    tcase_add_test(t, a_callback_may_close_or_destroy_the_client);
    tcase_add_test(t, the_closed_callback_may_destroy_the_client);
    tcase_add_test(t, a_callback_during_destroy_may_forget_and_cancel_but_not_submit);
    tcase_add_test(t, in_a_forks_child_destroy_calls_nobody);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
