/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a pipeline's low-water mark goes up and down (pool/lowat.h), decided on figures alone: single wake-ups, and a
 * model of a connection in virtual time, over all ways and servers: what is held back must not lower the rate,
 * and nothing is held back for longer than a look takes. tests/pool/test_conn_lowat.c has the sockets.
 */
#include "pool/lowat.h"

#include <check.h>
#include <stdlib.h>

#define ANSWER_BYTES 80
#define LEFT         99u

static int value, ncalls;
static bool refuse;

static int set_option(void *ctx, int fd, int level, int name, const void *bytes, socklen_t len)
{
    if (ctx || fd != 3 || level != SOL_SOCKET || name != SO_RCVLOWAT || len != sizeof(int))
        abort();
    ncalls++;
    if (!refuse)
        value = *(const int *)bytes;
    return refuse ? -1 : 0;
}

static const struct redwi_sys sys = {.set_option = set_option};
static struct redwi_lowat l;

static void setup(void)
{
    l = (struct redwi_lowat){.least_us = 100};
    value = 1;
    ncalls = 0;
    refuse = false;
}

static void heard(unsigned answers, unsigned left, int64_t took_us)
{
    redwi_lowat_heard(&l, (size_t)answers * ANSWER_BYTES, answers, left, took_us);
}

static bool settle(unsigned left)
{
    return redwi_lowat_settle(&l, &sys, 3, false, left);
}

static void trickle(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        heard(1, LEFT, 700);
        ck_assert(settle(LEFT + 1));
    }
}

START_TEST(some_wake_ups_in_a_row_with_few_answers_raise_it_to_three_eighths)
{
    trickle(REDWI_LOWAT_FEW - 1);
    ck_assert_int_eq(ncalls, 0);
    trickle(1);
    ck_assert_int_eq(value, ANSWER_BYTES * 100 / 8 * 3);
    ck_assert_int_eq(ncalls, 1);
}
END_TEST

/* The answers are read, their callbacks submit, and so on. */
START_TEST(it_stays_as_it_is_while_the_answers_come_in_portions)
{
    trickle(REDWI_LOWAT_FEW);
    for (int i = 0; i < 1000; i++) {
        unsigned answers = 38 + (unsigned)i % 10;
        heard(answers, 100 - answers, 700);
        ck_assert(settle(100 - answers));
        ck_assert(settle(100));
    }
    ck_assert_int_eq(ncalls, 1);
}
END_TEST

START_TEST(bursts_never_raise_it)
{
    for (unsigned burst = 13; burst <= 100; burst++) {
        setup();
        for (int i = 0; i < 100; i++) {
            heard(burst, 100 - burst, 700);
            ck_assert(settle(100 - burst));
            ck_assert(settle(100));
        }
        ck_assert_int_eq(ncalls, 0);
    }
}
END_TEST

START_TEST(one_that_is_no_trickle_begins_the_count_anew)
{
    for (int i = 0; i < 10; i++) {
        trickle(REDWI_LOWAT_FEW - 1);
        if (i % 3 == 0)
            heard(50, 50, 700);
        else if (i % 3 == 1)
            heard(1, LEFT, 399); /* too fast to have queued */
        else
            heard(1, LEFT, 8001); /* too slow for a look */
    }
    trickle(REDWI_LOWAT_FEW - 1);
    ck_assert_int_eq(ncalls, 0);
}
END_TEST

START_TEST(each_of_these_ends_it)
{
    for (int what = 0; what < 5; what++) {
        setup();
        trickle(REDWI_LOWAT_FEW);
        ck_assert_int_gt(value, 1);
        if (what == 0)
            heard(12, 88, 700); /* a look that found less than an eighth */
        else if (what == 1)
            heard(40, 60, 399);
        else if (what == 2)
            heard(40, 60, 8001);
        else if (what == 3)
            ck_assert(settle(REDWI_LOWAT_UNITS - 1));
        else
            ck_assert(redwi_lowat_lower(&l, &sys, 3));
        ck_assert(settle(what == 3 ? REDWI_LOWAT_UNITS - 1 : 100));
        ck_assert_int_eq(value, 1);
    }
}
END_TEST

START_TEST(an_empty_pipeline_earns_it_anew)
{
    trickle(REDWI_LOWAT_FEW);
    ck_assert(settle(0));
    ck_assert_int_eq(value, 1);
    trickle(REDWI_LOWAT_FEW - 1);
    ck_assert_int_eq(value, 1);
}
END_TEST

START_TEST(it_follows_the_window_and_the_length_of_answers)
{
    trickle(REDWI_LOWAT_FEW);
    ck_assert(settle(16));
    ck_assert_int_eq(value, ANSWER_BYTES * 16 / 8 * 3);
    ck_assert(settle(1000));
    ck_assert_int_eq(value, ANSWER_BYTES * 1000 / 8 * 3);
    ck_assert(settle(100000));
    ck_assert_int_eq(value, REDWI_LOWAT_BYTES);
    for (int i = 0; i < 200; i++) {
        redwi_lowat_heard(&l, REDWI_LOWAT_BYTES, 20, 80, 700);
        ck_assert(settle(100));
    }
    ck_assert_int_eq(value, REDWI_LOWAT_BYTES); /* of 320 KiB */
}
END_TEST

START_TEST(wake_ups_without_an_answer_raise_nothing)
{
    for (int i = 0; i < 100; i++) {
        redwi_lowat_heard(&l, 1000, 0, 100, 0);
        ck_assert(settle(100));
    }
    ck_assert_int_eq(ncalls, 0);
}
END_TEST

START_TEST(a_system_that_refuses_is_asked_once_or_until_it_is_down)
{
    refuse = true;
    trickle(REDWI_LOWAT_FEW * 3);
    ck_assert_int_eq(ncalls, 1);
    setup();
    trickle(REDWI_LOWAT_FEW);
    refuse = true;
    ck_assert(!settle(0));
    ck_assert(!redwi_lowat_lower(&l, &sys, 3));
    refuse = false;
    ck_assert(settle(0));
    ck_assert_int_eq(value, 1);
}
END_TEST

/* --- the model --- */

#define WINDOW_MAX 1000u
#define COUNT      20000

struct model {
    unsigned window;
    int64_t service_us, way_us; /* of one statement; there and back */
    bool marks;
};

struct outcome {
    double rate;
    int wake_ups, calls;
    int64_t latest_us;          /* that an answer was held back */
};

static struct {
    int64_t sent_us, comes_us;
} units[WINDOW_MAX];

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* One server process works on what has come, in turn, and sends each answer by itself; the client fills its
 * window whenever it is woken. */
static struct outcome run(const struct model *m)
{
    struct outcome o = {0};
    int64_t now_us = 0, free_us = 0;
    unsigned first = 0, n = 0;
    int answered = 0;
    bool ok = true; /* an assertion each time would be most of the work */
    setup();
    l.least_us = 0;
    while (answered < COUNT) {
        for (; n < m->window; n++) {
            unsigned at = (first + n) % m->window;
            free_us = larger(free_us, now_us + m->way_us / 2) + m->service_us;
            units[at].sent_us = now_us;
            units[at].comes_us = free_us + m->way_us / 2;
        }
        unsigned wanted = (unsigned)smaller(n, (value + ANSWER_BYTES - 1) / ANSWER_BYTES);
        int64_t full_us = units[(first + wanted - 1) % m->window].comes_us;
        int64_t wakes_us = larger(now_us + 2, value > 1 ? smaller(full_us, now_us + REDWI_LOWAT_WAIT_US) : full_us);
        unsigned got = 0;
        now_us = wakes_us;
        for (; got < n && units[(first + got) % m->window].comes_us <= now_us; got++)
            ;
        o.wake_ups++;
        if (!got) {
            ok &= redwi_lowat_lower(&l, &sys, 3);
            continue;
        }
        o.latest_us = larger(o.latest_us, now_us - units[first].comes_us);
        heard(got, n - got, now_us - units[first].sent_us);
        ok &= !m->marks || settle(n - got);
        first = (first + got) % m->window;
        n -= got;
        answered += (int)got;
    }
    ck_assert(ok);
    o.rate = (double)answered / (double)now_us;
    o.calls = ncalls;
    return o;
}

START_TEST(a_server_that_queues_is_read_in_portions)
{
    const int64_t services[] = {5, 7, 20, 50};
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        struct outcome o = run(&(struct model){100, services[i], 40, true});
        ck_assert_int_lt(o.wake_ups, COUNT / 12); /* a look brings an eighth at least */
        ck_assert_int_le(o.calls, 3);
    }
}
END_TEST

START_TEST(where_the_way_is_most_of_the_time_nothing_is_held_back)
{
    const int64_t ways[] = {300, 1000, 5000, 50000, 200000};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        ck_assert_int_eq(run(&(struct model){100, 7, ways[i], true}).calls, 0);
        ck_assert_int_eq(run(&(struct model){20, 10, ways[i], true}).calls, 0);
    }
}
END_TEST

START_TEST(no_server_and_no_way_loses_rate_or_waits_longer_than_a_look)
{
    const int64_t services[] = {1, 2, 5, 7, 10, 20, 50, 100, 500, 2000};
    const int64_t ways[] = {4, 20, 40, 100, 200, 500, 1000, 2000, 5000, 20000, 100000};
    const unsigned windows[] = {1, 15, 16, 20, 32, 64, 100, 300, 1000};
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++)
        for (size_t j = 0; j < sizeof ways / sizeof ways[0]; j++)
            for (size_t k = 0; k < sizeof windows / sizeof windows[0]; k++) {
                struct model m = {windows[k], services[i], ways[j], false};
                struct outcome without = run(&m);
                m.marks = true;
                struct outcome with = run(&m);
                ck_assert_msg(with.rate >= without.rate * 0.99, "window %u, service %d, way %d us: %f of %f",
                              m.window, (int)m.service_us, (int)m.way_us, with.rate, without.rate);
                ck_assert_int_le(with.latest_us, REDWI_LOWAT_WAIT_US);
            }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("low-water mark of pipelines");
    TCase *t = tcase_create("lowat");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, some_wake_ups_in_a_row_with_few_answers_raise_it_to_three_eighths);
    tcase_add_test(t, it_stays_as_it_is_while_the_answers_come_in_portions);
    tcase_add_test(t, bursts_never_raise_it);
    tcase_add_test(t, one_that_is_no_trickle_begins_the_count_anew);
    tcase_add_test(t, each_of_these_ends_it);
    tcase_add_test(t, an_empty_pipeline_earns_it_anew);
    tcase_add_test(t, it_follows_the_window_and_the_length_of_answers);
    tcase_add_test(t, wake_ups_without_an_answer_raise_nothing);
    tcase_add_test(t, a_system_that_refuses_is_asked_once_or_until_it_is_down);
    tcase_add_test(t, a_server_that_queues_is_read_in_portions);
    tcase_add_test(t, where_the_way_is_most_of_the_time_nothing_is_held_back);
    tcase_add_test(t, no_server_and_no_way_loses_rate_or_waits_longer_than_a_look);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
