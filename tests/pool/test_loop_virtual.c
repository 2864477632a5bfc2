/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual loop of the tests keeps the contract of the loop port, as libev's filling does; and its
 * clock does what tests of deadlines rely on.
 */
#include "pool/loop_contract.h"
#include "support/loop_virtual.h"

#include <stdlib.h>

static struct vloop *loop;

static struct redw_loop host_open(void)
{
    loop = vloop_create();
    vloop_tick(loop, 1); /* so that waiting for the clock ends */
    return vloop_table(loop);
}

static void host_run(void)
{
    vloop_run(loop);
}

static void host_run_once(void)
{
    if (!vloop_round(loop))
        vloop_advance(loop, 1000);
}

static void host_run_nowait(void)
{
    vloop_round(loop);
}

static void host_stop(void)
{
    vloop_stop(loop);
}

static void host_close(void)
{
    /* The contract's watchers live on the stack of the test, some of them still set: not ours to free. */
    free(loop);
}

const struct contract_host contract_host = {
    .open = host_open,
    .run = host_run,
    .run_once = host_run_once,
    .run_nowait = host_run_nowait,
    .run_stop = host_stop,
    .close = host_close,
};

struct note {
    struct redw_loop *table;
    _Alignas(16) unsigned char memory[CONTRACT_WATCH_BYTES];
    int64_t at_us;
    int order;
};
static int fired;

static void note_it(void *arg)
{
    struct note *n = arg;

    n->at_us = n->table->now_us(n->table->ctx);
    n->order = ++fired;
}

START_TEST(time_stands_still_and_jumps_to_each_timer_in_order)
{
    struct vloop *v = vloop_create();
    struct redw_loop table = vloop_table(v);
    int64_t start = vloop_now_us(v), at[3] = {start + 3600000000, start + 5, start + 5};
    struct note n[3];

    fired = 0;
    for (int i = 0; i < 3; i++) {
        n[i].table = &table;
        table.timer_init(v, n[i].memory, note_it, &n[i]);
        table.timer_set(v, n[i].memory, at[i]);
    }
    vloop_settle(v);
    ck_assert_int_eq(fired, 0);
    ck_assert_int_eq(vloop_now_us(v), start);
    vloop_advance(v, 4);
    ck_assert_int_eq(fired, 0);
    vloop_advance(v, 1);
    ck_assert_int_eq(fired, 2);
    ck_assert_int_eq(n[1].order, 1);
    ck_assert_int_eq(n[2].order, 2);
    table.hold(v);
    vloop_advance(v, 3600000000);
    ck_assert_int_eq(n[0].at_us, at[0]);
    ck_assert(!vloop_run(v)); /* held, and nothing can happen any more */
    table.release(v);
    vloop_free(v);
}
END_TEST

static void ready(void *arg, unsigned events)
{
    *(unsigned *)arg = events;
}

START_TEST(readiness_can_be_scripted_for_descriptors_that_do_not_exist)
{
    struct vloop *v = vloop_create();
    struct redw_loop table = vloop_table(v);
    _Alignas(16) unsigned char memory[CONTRACT_WATCH_BYTES];
    unsigned seen = 0;

    table.io_init(v, memory, ready, &seen);
    table.io_set(v, memory, 4000, REDW_READ | REDW_WRITE);
    vloop_script(v, 4000, 0);
    ck_assert(!vloop_round(v));
    vloop_script(v, 4000, REDW_WRITE);
    ck_assert(vloop_round(v));
    ck_assert_uint_eq(seen, REDW_WRITE);
    ck_assert_uint_eq(vloop_watched(v, 4000), REDW_READ | REDW_WRITE);
    table.io_set(v, memory, -1, 0);
    ck_assert(!vloop_round(v));
    vloop_free(v);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop_virtual");
    TCase *own = tcase_create("virtual");
    tcase_add_test(own, time_stands_still_and_jumps_to_each_timer_in_order);
    tcase_add_test(own, readiness_can_be_scripted_for_descriptors_that_do_not_exist);
    suite_add_tcase(suite, loop_contract_tests());
    suite_add_tcase(suite, own);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
