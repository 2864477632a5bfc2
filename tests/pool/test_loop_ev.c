/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The libev filling keeps the contract of the loop port, and what is particular to libev: the
 * application's own watchers live beside ours.
 */
#include "pool/loop_ev.h"
#include "pool/loop_contract.h"

#include <ev.h>
#include <stdlib.h>

static struct ev_loop *loop;

static struct redw_loop host_open(void)
{
    loop = ev_loop_new(EVFLAG_AUTO);
    ck_assert_ptr_nonnull(loop);
    return redwi_loop_ev(loop);
}

static void host_run(void)
{
    ev_run(loop, 0);
}

static void host_run_once(void)
{
    ev_run(loop, EVRUN_ONCE);
}

static void host_run_nowait(void)
{
    ev_run(loop, EVRUN_NOWAIT);
}

static void host_run_stop(void)
{
    ev_break(loop, EVBREAK_ONE);
}

static void host_close(void)
{
    ev_loop_destroy(loop);
}

const struct contract_host contract_host = {host_open,       host_run,      host_run_once,
                                            host_run_nowait, host_run_stop, host_close};

/* Asks once, when the turn has been run in this very phase. */
static void users_prepare(struct ev_loop *l, ev_prepare *p, int events)
{
    struct contract_watch *turn = p->data;
    (void)events;
    if (!turn->calls)
        return;
    contract_request(turn);
    ev_prepare_stop(l, p);
}

static void stop_at_second(struct contract_watch *w)
{
    if (w->calls == 2)
        contract_host.run_stop();
}

START_TEST(a_turn_requested_by_a_prepare_watcher_that_comes_after_ours_runs_before_the_loop_sleeps)
{
    struct contract_watch turn, timer;
    ev_prepare users;
    contract_turn(&turn);
    contract_timer(&timer);
    turn.act = stop_at_second;
    ev_prepare_init(&users, users_prepare);
    ev_set_priority(&users, EV_MINPRI); /* as ours; libev calls the one started last first */
    users.data = &turn;
    ev_prepare_start(loop, &users);
    contract_request(&turn);
    contract_loop.hold(contract_loop.ctx);
    contract_set(&timer, contract_now() + INT64_C(3600) * 1000000);
    contract_host.run(); /* would sleep for an hour */
    ck_assert_int_eq(turn.calls, 2);
    contract_loop.timer_stop(contract_loop.ctx, timer.memory);
    contract_loop.turn_fini(contract_loop.ctx, turn.memory);
    contract_loop.release(contract_loop.ctx);
}
END_TEST

static int idle_calls;

static void users_idle(struct ev_loop *l, ev_idle *i, int events)
{
    (void)l, (void)i, (void)events;
    idle_calls++;
}

START_TEST(turns_do_not_starve_the_applications_idle_watchers)
{
    struct contract_watch turn;
    ev_idle users;
    contract_turn(&turn);
    turn.act = contract_request_again;
    ev_idle_init(&users, users_idle);
    ev_set_priority(&users, EV_MINPRI);
    ev_idle_start(loop, &users);
    contract_request(&turn);
    for (int i = 0; i < 3; i++)
        contract_host.run_nowait();
    ck_assert_int_eq(turn.calls, 3);
    ck_assert_int_ge(idle_calls, 2);
    ev_idle_stop(loop, &users);
    contract_loop.turn_fini(contract_loop.ctx, turn.memory);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop_ev");
    TCase *ev = tcase_create("libev");
    tcase_add_checked_fixture(ev, contract_setup, contract_teardown);
    tcase_add_test(ev,
                   a_turn_requested_by_a_prepare_watcher_that_comes_after_ours_runs_before_the_loop_sleeps);
    tcase_add_test(ev, turns_do_not_starve_the_applications_idle_watchers);
    suite_add_tcase(suite, loop_contract_tests());
    suite_add_tcase(suite, ev);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
