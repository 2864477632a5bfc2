/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The poll filling of examples/poll_loop.c keeps the contract of the loop port, also with more descriptors
 * than it polls at once; a whole client runs on it in tests/api/test_example_programs.
 */
#include "pool/loop_contract.h"

#include <stdlib.h>

int poll_loop_main(void);
#define main poll_loop_main
#include "../../examples/poll_loop.c"
#undef main

static struct poll_loop host;

static struct redw_loop host_open(void)
{
    return poll_loop_open(&host);
}

static void host_run(void)
{
    poll_loop_run(&host);
}

static void host_run_once(void)
{
    poll_loop_round(&host, true);
}

static void host_run_nowait(void)
{
    poll_loop_round(&host, false);
}

static void host_run_stop(void)
{
    host.stop = true;
}

static void host_close(void)
{
}

const struct contract_host contract_host = {host_open,       host_run,      host_run_once,
                                            host_run_nowait, host_run_stop, host_close};

enum { MANY = 3 * POLLED_AT_ONCE / 2 };

START_TEST(more_descriptors_than_are_polled_at_once_take_turns)
{
    static struct contract_watch io[MANY];
    int fds[2];

    contract_pair(fds);
    for (int i = 0; i < MANY; i++) { /* many watchers of one descriptor: it is the watchers that count */
        contract_io(&io[i]);
        contract_watch_fd(&io[i], fds[0], REDW_WRITE);
    }
    for (int i = 0; i < 3; i++)
        contract_host.run_once();
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_ge(io[i].calls, 1);
        ck_assert_int_le(io[i].calls, 3);
        contract_watch_fd(&io[i], -1, 0);
    }
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static void move_other_to(struct contract_watch *w)
{
    contract_watch_fd(w->other, w->other->fd, REDW_READ);
}

START_TEST(a_watcher_moved_to_another_descriptor_is_not_told_of_the_old_one)
{
    struct contract_watch one, two;
    int a[2], b[2];

    contract_pair(a);
    contract_pair(b);
    contract_io(&one);
    contract_io(&two);
    one.act = move_other_to;
    one.other = &two;
    two.fd = b[0]; /* nothing to read there */
    ck_assert_int_eq(write(a[1], "x", 1), 1);
    contract_watch_fd(&one, a[0], REDW_READ);
    contract_watch_fd(&two, a[0], REDW_READ);
    contract_host.run_nowait();
    ck_assert_int_eq(one.calls, 1);
    ck_assert_int_eq(two.calls, 0);
    contract_watch_fd(&one, -1, 0);
    ck_assert_int_eq(write(b[1], "x", 1), 1);
    contract_host.run_nowait();
    ck_assert_int_eq(two.calls, 1);
    contract_watch_fd(&two, -1, 0);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop_poll");
    TCase *own = tcase_create("poll");
    tcase_add_checked_fixture(own, contract_setup, contract_teardown);
    tcase_add_test(own, more_descriptors_than_are_polled_at_once_take_turns);
    tcase_add_test(own, a_watcher_moved_to_another_descriptor_is_not_told_of_the_old_one);
    suite_add_tcase(suite, loop_contract_tests());
    suite_add_tcase(suite, own);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
