/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every filling of the loop port must do (redw/loop.h), as a test suite: a filling's test program
 * defines a struct contract_host and adds loop_contract_tests() to its suite.
 */
#ifndef TESTS_POOL_LOOP_CONTRACT_H
#define TESTS_POOL_LOOP_CONTRACT_H

#include <check.h>
#include <redw/loop.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The filling under test. */
struct contract_host {
    struct redw_loop (*open)(void); /* a fresh loop */
    void (*run)(void);              /* until nothing holds it */
    void (*run_once)(void);         /* one round, sleeping if nothing is to be done */
    void (*run_nowait)(void);       /* one round, never sleeping */
    void (*run_stop)(void);         /* from a callback: run() returns after this round */
    void (*close)(void);
};
extern const struct contract_host contract_host;

#define CONTRACT_WATCH_BYTES 512

/* One watcher of any kind, what it saw, and what it does when it is called. */
struct contract_watch {
    struct redw_loop *loop;
    _Alignas(16) unsigned char memory[CONTRACT_WATCH_BYTES];
    int calls;
    unsigned events;
    int64_t at_us;
    void (*act)(struct contract_watch *w);
    struct contract_watch *other;
    int fd;
};

static struct redw_loop contract_loop;

static void contract_called(void *arg)
{
    struct contract_watch *w = arg;
    w->calls++;
    w->at_us = w->loop->now_us(w->loop->ctx);
    if (w->act)
        w->act(w);
}

static void contract_ready(void *arg, unsigned events)
{
    struct contract_watch *w = arg;
    w->events = events;
    contract_called(w);
}

static void contract_watch_make(struct contract_watch *w)
{
    memset(w, 0, sizeof *w);
    w->loop = &contract_loop;
    ck_assert_uint_le(contract_loop.io_bytes, sizeof w->memory);
    ck_assert_uint_le(contract_loop.timer_bytes, sizeof w->memory);
    ck_assert_uint_le(contract_loop.turn_bytes, sizeof w->memory);
}

static void contract_io(struct contract_watch *w)
{
    contract_watch_make(w);
    contract_loop.io_init(contract_loop.ctx, w->memory, contract_ready, w);
}

static void contract_timer(struct contract_watch *w)
{
    contract_watch_make(w);
    contract_loop.timer_init(contract_loop.ctx, w->memory, contract_called, w);
}

static void contract_turn(struct contract_watch *w)
{
    contract_watch_make(w);
    contract_loop.turn_init(contract_loop.ctx, w->memory, contract_called, w);
}

static int64_t contract_now(void)
{
    return contract_loop.now_us(contract_loop.ctx);
}

static void contract_set(struct contract_watch *w, int64_t at_us)
{
    contract_loop.timer_set(contract_loop.ctx, w->memory, at_us);
}

static void contract_request(struct contract_watch *w)
{
    contract_loop.turn_request(contract_loop.ctx, w->memory);
}

static void contract_watch_fd(struct contract_watch *w, int fd, unsigned events)
{
    contract_loop.io_set(contract_loop.ctx, w->memory, fd, events);
}

static void contract_pair(int fds[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

static void contract_setup(void)
{
    contract_loop = contract_host.open();
}

static void contract_teardown(void)
{
    contract_host.close();
}

/* Ways for a watcher to act. */
static void contract_stop_loop(struct contract_watch *w)
{
    (void)w;
    contract_host.run_stop();
}

/* Once the other one has run. */
static void contract_stop_loop_behind(struct contract_watch *w)
{
    if (w->other->calls > 0)
        contract_stop_loop(w);
}

static void contract_fini_and_scribble(struct contract_watch *w)
{
    w->loop->turn_fini(w->loop->ctx, w->memory);
    memset(w->memory, 0xa5, sizeof w->memory);
}

static void contract_unwatch_and_scribble(struct contract_watch *w)
{
    contract_watch_fd(w, -1, 0);
    memset(w->memory, 0xa5, sizeof w->memory);
}

static void contract_unset_and_scribble(struct contract_watch *w)
{
    w->loop->timer_stop(w->loop->ctx, w->memory);
    memset(w->memory, 0xa5, sizeof w->memory);
}

static void contract_request_again(struct contract_watch *w)
{
    if (w->calls < 3)
        contract_request(w);
}

static void contract_request_other(struct contract_watch *w)
{
    contract_request(w->other);
}

static void contract_stop_other_timer(struct contract_watch *w)
{
    w->loop->timer_stop(w->loop->ctx, w->other->memory);
}

static void contract_reset_other_timer(struct contract_watch *w)
{
    if (w->calls == 1)
        contract_set(w->other, contract_now() + 3000);
}

static void contract_stop_other_io(struct contract_watch *w)
{
    contract_watch_fd(w->other, -1, 0);
}

static void contract_release_at_3(struct contract_watch *w)
{
    if (w->calls == 3)
        w->loop->release(w->loop->ctx);
    else
        contract_set(w, contract_now() + 500);
}

START_TEST(the_table_is_complete)
{
    const struct redw_loop *l = &contract_loop;
    ck_assert_uint_eq(l->size, sizeof *l);
    ck_assert(l->io_bytes && l->timer_bytes && l->turn_bytes);
    ck_assert(l->io_init && l->io_set && l->timer_init && l->timer_set && l->timer_stop);
    ck_assert(l->turn_init && l->turn_request && l->turn_fini && l->now_us && l->wall_us);
    ck_assert(l->hold && l->release);
}
END_TEST

START_TEST(clocks_run_and_are_read_afresh)
{
    int64_t t = contract_now();
    while (contract_now() == t)
        ;
    ck_assert_int_gt(contract_now(), t);
    ck_assert_int_gt(contract_loop.wall_us(contract_loop.ctx), INT64_C(1600000000) * 1000000);
}
END_TEST

START_TEST(watchers_do_not_keep_the_loop_running)
{
    int fds[2];
    struct contract_watch io, timer, turn;
    contract_pair(fds);
    contract_io(&io);
    contract_timer(&timer);
    contract_turn(&turn);
    contract_watch_fd(&io, fds[0], REDW_READ);
    contract_set(&timer, contract_now() + INT64_C(3600) * 1000000);
    contract_host.run();
    ck_assert_int_eq(io.calls + timer.calls + turn.calls, 0);
    contract_watch_fd(&io, -1, 0);
    contract_loop.timer_stop(contract_loop.ctx, timer.memory);
    contract_host.run(); /* and stopping them is balanced: the loop still has nothing to run for */
    contract_loop.turn_fini(contract_loop.ctx, turn.memory);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(hold_keeps_the_loop_running_until_release)
{
    struct contract_watch timer;
    contract_timer(&timer);
    timer.act = contract_release_at_3;
    contract_loop.hold(contract_loop.ctx);
    contract_set(&timer, contract_now() + 500);
    contract_host.run();
    ck_assert_int_eq(timer.calls, 3);
}
END_TEST

START_TEST(readiness_is_level_triggered_and_follows_the_events_asked_for)
{
    int fds[2];
    char byte;
    struct contract_watch io;
    contract_pair(fds);
    contract_io(&io);
    contract_watch_fd(&io, fds[0], REDW_READ);
    contract_host.run_nowait();
    ck_assert_int_eq(io.calls, 0); /* nothing to read */
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    contract_host.run_nowait();
    contract_host.run_nowait();
    ck_assert_int_eq(io.calls, 2); /* unread: reported again */
    ck_assert_uint_eq(io.events, REDW_READ);
    contract_watch_fd(&io, fds[0], REDW_READ | REDW_WRITE);
    contract_host.run_nowait();
    ck_assert_uint_eq(io.events, REDW_READ | REDW_WRITE);
    contract_watch_fd(&io, fds[0], REDW_WRITE);
    contract_host.run_nowait();
    ck_assert_uint_eq(io.events, REDW_WRITE);
    contract_watch_fd(&io, fds[0], REDW_READ); /* to and fro between two rounds */
    contract_watch_fd(&io, fds[0], REDW_WRITE);
    contract_watch_fd(&io, fds[0], REDW_READ);
    ck_assert_int_eq(read(fds[0], &byte, 1), 1);
    io.calls = 0;
    contract_host.run_nowait();
    ck_assert_int_eq(io.calls, 0);
    close(fds[1]); /* the end is something to read */
    contract_host.run_nowait();
    ck_assert_int_eq(io.calls, 1);
    ck_assert_uint_ne(io.events & REDW_READ, 0);
    contract_watch_fd(&io, -1, 0);
    contract_watch_fd(&io, -1, 0); /* stopping twice is allowed */
    contract_host.run_nowait();
    ck_assert_int_eq(io.calls, 1);
    close(fds[0]);
}
END_TEST

START_TEST(a_descriptor_number_may_come_back_as_another_descriptor)
{
    int first[2], second[2];
    struct contract_watch io;
    contract_pair(first);
    contract_io(&io);
    contract_watch_fd(&io, first[0], REDW_READ);
    contract_host.run_nowait();
    contract_watch_fd(&io, -1, 0);
    close(first[0]);
    close(first[1]);
    contract_pair(second);
    ck_assert_int_eq(second[0], first[0]);
    contract_watch_fd(&io, second[0], REDW_READ);
    ck_assert_int_eq(write(second[1], "x", 1), 1);
    contract_host.run_nowait();
    ck_assert_int_eq(io.calls, 1);
    contract_watch_fd(&io, -1, 0);
    close(second[0]);
    close(second[1]);
}
END_TEST

START_TEST(a_stopped_watcher_is_silent_even_if_it_was_ready_in_the_same_round)
{
    int a[2], b[2];
    struct contract_watch one, two;
    contract_pair(a);
    contract_pair(b);
    contract_io(&one);
    contract_io(&two);
    one.other = &two;
    two.other = &one;
    one.act = two.act = contract_stop_other_io;
    ck_assert_int_eq(write(a[1], "x", 1), 1);
    ck_assert_int_eq(write(b[1], "x", 1), 1);
    contract_watch_fd(&one, a[0], REDW_READ);
    contract_watch_fd(&two, b[0], REDW_READ);
    contract_host.run_nowait();
    ck_assert_int_eq(one.calls + two.calls, 1);
    contract_watch_fd(&one, -1, 0);
    contract_watch_fd(&two, -1, 0);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}
END_TEST

START_TEST(timers_fire_once_in_order_and_never_early)
{
    struct contract_watch t[4], end;
    int64_t at[4], start = contract_now();
    contract_loop.hold(contract_loop.ctx);
    for (int i = 0; i < 4; i++) {
        contract_timer(&t[i]);
        at[i] =
            start + 4000 - 1300 * i; /* the last is due first, and within the same millisecond as others */
        contract_set(&t[i], at[i]);
    }
    contract_timer(&end);
    end.act = contract_stop_loop;
    contract_set(&end, start + 6000);
    contract_host.run();
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(t[i].calls, 1);
        ck_assert_int_ge(t[i].at_us, at[i]);
    }
    contract_loop.release(contract_loop.ctx);
}
END_TEST

START_TEST(a_timer_is_not_early_although_the_loop_has_been_busy)
{
    struct contract_watch t;
    int64_t start = contract_now();
    contract_timer(&t);
    t.act = contract_stop_loop;
    contract_host.run_nowait();
    while (contract_now() < start + 5000) /* the loop's idea of the time is now 5 ms old */
        ;
    contract_set(&t, contract_now() + 2000);
    start = contract_now();
    contract_loop.hold(contract_loop.ctx);
    contract_host.run();
    contract_loop.release(contract_loop.ctx);
    ck_assert_int_eq(t.calls, 1);
    ck_assert_int_ge(t.at_us, start + 1900);
}
END_TEST

START_TEST(setting_a_timer_replaces_and_the_past_is_now)
{
    struct contract_watch t;
    contract_timer(&t);
    t.act = contract_stop_loop;
    contract_loop.hold(contract_loop.ctx);
    contract_set(&t, contract_now() + INT64_C(3600) * 1000000);
    contract_set(&t, INT64_MAX);
    contract_set(&t, contract_now() - 1000);
    contract_host.run();
    ck_assert_int_eq(t.calls, 1);
    contract_set(&t, 0);
    contract_host.run();
    ck_assert_int_eq(t.calls, 2);
    contract_loop.timer_stop(contract_loop.ctx, t.memory);
    contract_loop.timer_stop(contract_loop.ctx, t.memory);
    contract_loop.release(contract_loop.ctx);
}
END_TEST

START_TEST(a_timer_that_is_due_can_still_be_stopped_or_moved)
{
    struct contract_watch a, b, end;
    int64_t due = contract_now() + 1000;
    contract_loop.hold(contract_loop.ctx);
    contract_timer(&a);
    contract_timer(&b);
    contract_timer(&end);
    a.other = &b;
    b.other = &a;
    a.act = b.act = contract_stop_other_timer;
    end.act = contract_stop_loop;
    contract_set(&a, due);
    contract_set(&b, due);
    contract_set(&end, due + 3000);
    contract_host.run();
    ck_assert_int_eq(a.calls + b.calls, 1);

    a.calls = b.calls = 0;
    b.act = contract_reset_other_timer;
    a.act = contract_stop_loop_behind;
    due = contract_now() + 1000;
    contract_set(&b, due);
    contract_set(&a, due + 1); /* due with b, moved by it, or run before it and set again */
    contract_host.run();
    ck_assert_int_ge(a.calls, 1);
    ck_assert_int_ge(a.at_us, b.at_us + 3000);
    contract_loop.release(contract_loop.ctx);
    contract_host.run(); /* balanced all the same */
}
END_TEST

START_TEST(a_turn_runs_once_per_round_however_often_it_was_requested)
{
    struct contract_watch t;
    contract_turn(&t);
    contract_request(&t);
    contract_request(&t);
    ck_assert_int_eq(t.calls, 0); /* never from inside the request */
    contract_host.run();          /* a request keeps the loop running until it was served */
    ck_assert_int_eq(t.calls, 1);
    contract_host.run();
    ck_assert_int_eq(t.calls, 1);
    contract_loop.turn_fini(contract_loop.ctx, t.memory);
}
END_TEST

START_TEST(a_turn_requested_from_inside_itself_runs_in_the_next_round_with_descriptors_in_between)
{
    int fds[2];
    struct contract_watch t, io;
    contract_pair(fds);
    contract_turn(&t);
    contract_io(&io);
    t.act = contract_request_again;
    contract_watch_fd(&io, fds[0], REDW_READ);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    contract_request(&t);
    contract_host.run(); /* nothing holds it but the requests, and it does not sleep */
    ck_assert_int_eq(t.calls, 3);
    ck_assert_int_ge(io.calls, 2);
    contract_watch_fd(&io, -1, 0);
    contract_loop.turn_fini(contract_loop.ctx, t.memory);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(a_turn_requested_by_another_turn_runs_before_the_loop_sleeps)
{
    struct contract_watch t[3], timer;
    int64_t start = contract_now();
    contract_timer(&timer);
    for (int i = 0; i < 3; i++)
        contract_turn(&t[i]);
    for (int i = 0; i < 2; i++) {
        t[i].act = contract_request_other;
        t[i].other = &t[i + 1];
    }
    t[2].act = contract_stop_loop;
    contract_loop.hold(contract_loop.ctx);
    contract_set(&timer, start + INT64_C(3600) * 1000000);
    contract_request(&t[0]);
    contract_host.run(); /* would sleep for an hour */
    ck_assert_int_eq(t[0].calls, 1);
    ck_assert_int_eq(t[1].calls, 1);
    ck_assert_int_eq(t[2].calls, 1);
    contract_loop.timer_stop(contract_loop.ctx, timer.memory);
    contract_loop.release(contract_loop.ctx);
    for (int i = 0; i < 3; i++)
        contract_loop.turn_fini(contract_loop.ctx, t[i].memory);
}
END_TEST

START_TEST(a_turn_requested_by_a_descriptor_or_timer_runs_before_the_loop_sleeps)
{
    int fds[2];
    struct contract_watch turn, io, timer;
    contract_pair(fds);
    contract_turn(&turn);
    contract_io(&io);
    contract_timer(&timer);
    turn.act = contract_stop_loop;
    io.act = contract_request_other;
    io.other = &turn;
    timer.act = contract_request_other;
    timer.other = &turn;
    contract_loop.hold(contract_loop.ctx);
    contract_watch_fd(&io, fds[0], REDW_WRITE);
    contract_host.run();
    ck_assert_int_eq(turn.calls, 1);
    contract_watch_fd(&io, -1, 0);
    contract_set(&timer, contract_now());
    contract_host.run();
    ck_assert_int_ge(turn.calls, 2);
    contract_loop.release(contract_loop.ctx);
    contract_loop.turn_fini(contract_loop.ctx, turn.memory);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(turn_fini_drops_a_request)
{
    struct contract_watch t;
    contract_turn(&t);
    contract_request(&t);
    contract_loop.turn_fini(contract_loop.ctx, t.memory);
    contract_host.run();
    ck_assert_int_eq(t.calls, 0);
}
END_TEST

START_TEST(a_watcher_may_vanish_inside_its_own_callback)
{
    int fds[2];
    struct contract_watch turn, io, timer;
    contract_pair(fds);
    contract_turn(&turn);
    contract_io(&io);
    contract_timer(&timer);
    turn.act = contract_fini_and_scribble;
    io.act = contract_unwatch_and_scribble;
    timer.act = contract_unset_and_scribble;
    contract_request(&turn);
    contract_watch_fd(&io, fds[0], REDW_WRITE);
    contract_set(&timer, contract_now() + 1000);
    contract_loop.hold(contract_loop.ctx);
    while (!timer.calls)
        contract_host.run_once();
    contract_loop.release(contract_loop.ctx);
    ck_assert_int_eq(turn.calls, 1);
    ck_assert_int_eq(io.calls, 1);
    contract_host.run();
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static inline TCase *loop_contract_tests(void)
{
    TCase *t = tcase_create("contract");
    tcase_add_checked_fixture(t, contract_setup, contract_teardown);
    tcase_add_test(t, the_table_is_complete);
    tcase_add_test(t, clocks_run_and_are_read_afresh);
    tcase_add_test(t, watchers_do_not_keep_the_loop_running);
    tcase_add_test(t, hold_keeps_the_loop_running_until_release);
    tcase_add_test(t, readiness_is_level_triggered_and_follows_the_events_asked_for);
    tcase_add_test(t, a_descriptor_number_may_come_back_as_another_descriptor);
    tcase_add_test(t, a_stopped_watcher_is_silent_even_if_it_was_ready_in_the_same_round);
    tcase_add_test(t, timers_fire_once_in_order_and_never_early);
    tcase_add_test(t, a_timer_is_not_early_although_the_loop_has_been_busy);
    tcase_add_test(t, setting_a_timer_replaces_and_the_past_is_now);
    tcase_add_test(t, a_timer_that_is_due_can_still_be_stopped_or_moved);
    tcase_add_test(t, a_turn_runs_once_per_round_however_often_it_was_requested);
    tcase_add_test(t, a_turn_requested_from_inside_itself_runs_in_the_next_round_with_descriptors_in_between);
    tcase_add_test(t, a_turn_requested_by_another_turn_runs_before_the_loop_sleeps);
    tcase_add_test(t, a_turn_requested_by_a_descriptor_or_timer_runs_before_the_loop_sleeps);
    tcase_add_test(t, turn_fini_drops_a_request);
    tcase_add_test(t, a_watcher_may_vanish_inside_its_own_callback);
    return t;
}

#endif
