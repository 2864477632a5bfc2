/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several addresses inside one deadline (rows A01, A02, A07, A08), exactly to the microsecond: the clock and the
 * sockets are the test's. A socket's number says which address it goes to: address i of the name has port
 * i, and what becomes of it is in its plan.
 */
#include "pool/dial.h"
#include "support/loop_virtual.h"
#include "wire/mem.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS       INT64_C(1000)
#define FD_FIRST 2000

enum { SILENT = -1 }; /* else the errno of the connect, 0: it succeeds */

static struct vloop *loop;
static struct redw_loop table;
static struct redwi_dial *dial;

/* The plan, and what was done. */
static struct {
    size_t n;
    int family[32], answer[32];
    int64_t after_us[32]; /* when the answer comes after connect(); 0: at once */
    bool late_names;
} plan;

static struct {
    int opened, open_now, most_open;
    int fd_port[64]; /* by fd - FD_FIRST */
    bool is_open[64];
    int order[32]; /* ports, in the order of connect() */
    int64_t at_us[32];
    int nconnects;
} net;

static struct {
    int calls, fd, port;
    int64_t at_us;
    redw_error *why;
} result;

static int64_t start_us;

static int64_t now(void)
{
    return vloop_now_us(loop) - start_us;
}

/* The system. */

static int net_open(void *ctx, int family, int type)
{
    (void)ctx, (void)family, (void)type;
    int fd = FD_FIRST + net.opened++;
    net.is_open[fd - FD_FIRST] = true;
    if (++net.open_now > net.most_open)
        net.most_open = net.open_now;
    vloop_script(loop, fd, 0);
    return fd;
}

static int net_connect(void *ctx, int fd, const struct sockaddr *a, socklen_t len)
{
    struct sockaddr_in in; /* the port is where IPv6 has it too */
    (void)ctx, (void)len;
    memcpy(&in, a, sizeof in);
    int port = ntohs(in.sin_port);
    net.fd_port[fd - FD_FIRST] = port;
    net.at_us[net.nconnects] = now();
    net.order[net.nconnects++] = port;
    if (plan.answer[port] != SILENT && plan.after_us[port] == 0) {
        errno = plan.answer[port];
        return errno ? -1 : 0;
    }
    errno = EINPROGRESS;
    return -1;
}

static int net_connect_error(void *ctx, int fd)
{
    (void)ctx;
    return plan.answer[net.fd_port[fd - FD_FIRST]];
}

static int net_set_option(void *ctx, int fd, int level, int name, const void *value, socklen_t len)
{
    (void)ctx, (void)fd, (void)level, (void)name, (void)value, (void)len;
    return 0;
}

static void net_close(void *ctx, int fd)
{
    (void)ctx;
    ck_assert(net.is_open[fd - FD_FIRST]);
    ck_assert_uint_eq(vloop_watched(loop, fd), 0);
    net.is_open[fd - FD_FIRST] = false;
    net.open_now--;
}

static int net_adopt(void *ctx, int fd)
{
    (void)ctx;
    if (fd >= FD_FIRST)
        return 0;
    errno = EBADF;
    return -1;
}

static const struct redwi_sys net_sys = {
    .open = net_open,
    .connect = net_connect,
    .connect_error = net_connect_error,
    .set_option = net_set_option,
    .adopt = net_adopt,
    .close = net_close,
};

/* Names. */

static struct {
    redwi_names_fn *fn;
    void *arg;
    int starts, cancels;
} names;

static int names_start(void *ctx, const struct redw_allocator *mem, const struct redw_loop *l, const char *host,
                       uint16_t port, redwi_names_fn *fn, void *arg, void **query)
{
    (void)ctx, (void)mem, (void)l, (void)host, (void)port;
    names.fn = fn;
    names.arg = arg;
    names.starts++;
    *query = &names;
    return 0;
}

static void names_cancel(void *ctx, void *query)
{
    (void)ctx;
    ck_assert_ptr_eq(query, &names);
    names.cancels++;
}

static const struct redwi_names names_table = {.start = names_start, .cancel = names_cancel};

static void names_answer(void)
{
    struct redwi_address addrs[32];
    for (size_t i = 0; i < plan.n; i++)
        ck_assert(redwi_address_literal(plan.family[i] == AF_INET6 ? "2001:db8::1" : "10.0.0.1", (uint16_t)i,
                                        &addrs[i]));
    names.fn(names.arg, addrs, plan.n, plan.n ? NULL : "no such name");
}

/* The dial. */

static void on_done(void *arg, int fd, const struct redwi_address *peer, redw_error *why)
{
    (void)arg;
    result.calls++;
    result.fd = fd;
    result.port = fd >= 0 && peer->family != AF_UNSPEC ? net.fd_port[fd - FD_FIRST] : -1;
    result.at_us = now();
    result.why = why;
    redwi_dial_free(dial); /* as a connection does */
    dial = NULL;
}

static void dial_within(int64_t us, redw_loop_fn *open)
{
    struct redwi_dial_config config = {
        .mem = &redwi_malloc,
        .loop = &table,
        .sys = &net_sys,
        .names = &names_table,
        .host = "db.test",
        .port = 5439,
        .tcp = {.idle_s = 60, .interval_s = 10, .count = 3, .user_timeout_ms = 75000},
        .deadline_us = start_us + us,
        .done = on_done,
        .open = open,
    };
    ck_assert_int_eq(redwi_dial_start(&dial, &config), 0);
}

/* Makes the answers of the plan come at their times until the dial is done. */
static void run(int64_t until_us)
{
    while (!result.calls && now() < until_us) {
        vloop_settle(loop);
        if (result.calls)
            return;
        for (int fd = FD_FIRST; fd < FD_FIRST + net.opened; fd++) {
            int port = net.fd_port[fd - FD_FIRST];
            for (int i = 0; i < net.nconnects; i++)
                if (net.is_open[fd - FD_FIRST] && net.order[i] == port && plan.answer[port] != SILENT &&
                    plan.after_us[port] && now() >= net.at_us[i] + plan.after_us[port])
                    vloop_script(loop, fd, REDW_WRITE);
        }
        vloop_settle(loop);
        if (!result.calls)
            vloop_advance(loop, 1 * MS);
    }
}

static void race(int64_t within_us)
{
    dial_within(within_us, NULL);
    vloop_settle(loop);
    ck_assert_int_eq(names.starts, 1);
    names_answer();
    run(within_us + MS);
    ck_assert_int_eq(result.calls, 1);
    ck_assert_int_eq(names.cancels, 1);
}

static void address(int family, int answer, int64_t after_us)
{
    plan.family[plan.n] = family;
    plan.answer[plan.n] = answer;
    plan.after_us[plan.n++] = after_us;
}

static void setup(void)
{
    memset(&plan, 0, sizeof plan);
    memset(&net, 0, sizeof net);
    memset(&result, 0, sizeof result);
    memset(&names, 0, sizeof names);
    loop = vloop_create();
    table = vloop_table(loop);
    start_us = vloop_now_us(loop);
}

static void teardown(void)
{
    if (result.calls && result.fd >= 0)
        net_close(NULL, result.fd);
    redwi_dial_free(dial);
    dial = NULL;
    ck_assert_int_eq(net.open_now, 0); /* whoever lost was closed */
    ck_assert_uint_eq(vloop_timers(loop), 0);
    for (int fd = FD_FIRST; fd < FD_FIRST + net.opened; fd++)
        vloop_script(loop, fd, UINT_MAX);
    redw_error_release(result.why);
    vloop_free(loop);
}

static void expect_order(const int *ports, int n)
{
    ck_assert_int_eq(net.nconnects, n);
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(net.order[i], ports[i]);
}

START_TEST(A07_families_take_turns_in_the_resolvers_order)
{
    address(AF_INET6, ECONNREFUSED, 0);
    address(AF_INET6, ECONNREFUSED, 0);
    address(AF_INET6, ECONNREFUSED, 0);
    address(AF_INET, ECONNREFUSED, 0);
    address(AF_INET, ECONNREFUSED, 0);
    race(1000 * MS);
    expect_order((int[]){0, 3, 1, 4, 2}, 5);
    ck_assert_int_eq(redw_error_errno(result.why), ECONNREFUSED);
    ck_assert_int_eq(result.at_us, 0); /* failures are not waited for */
}
END_TEST

START_TEST(A07_the_next_address_is_tried_after_250_ms_although_the_first_may_still_answer)
{
    address(AF_INET6, 0, 900 * MS);
    address(AF_INET, 0, 900 * MS);
    race(30000 * MS);
    ck_assert_int_eq(net.at_us[0], 0);
    ck_assert_int_eq(net.at_us[1], REDWI_DIAL_DELAY_US);
    ck_assert_int_eq(result.port, 0); /* the slow first one wins all the same: it was the first to connect */
    ck_assert_int_eq(result.at_us / MS, 900);
    ck_assert_int_eq(net.opened, 2);
}
END_TEST

START_TEST(A07_the_first_to_connect_wins_and_the_others_are_closed)
{
    address(AF_INET6, SILENT, 0);
    address(AF_INET, 0, 40 * MS);
    address(AF_INET6, SILENT, 0);
    race(30000 * MS);
    ck_assert_int_eq(result.port, 1);
    ck_assert_int_eq(result.at_us / MS, 290);
    ck_assert_int_eq(net.open_now, 1);
    ck_assert_int_eq(net.opened, 2); /* the third was not due */
}
END_TEST

START_TEST(A07_a_failure_starts_the_next_at_once)
{
    address(AF_INET6, EHOSTUNREACH, 30 * MS);
    address(AF_INET, 0, 10 * MS);
    race(30000 * MS);
    ck_assert_int_eq(result.port, 1);
    ck_assert_int_eq(result.at_us / MS, 40);
}
END_TEST

START_TEST(A07_a_short_deadline_is_shared_instead_of_waiting_250_ms)
{
    address(AF_INET, SILENT, 0);
    address(AF_INET, SILENT, 0);
    address(AF_INET, 0, 5 * MS);
    race(90 * MS);
    ck_assert_int_eq(net.at_us[1], 30 * MS);
    ck_assert_int_eq(net.at_us[2], 60 * MS);
    ck_assert_int_eq(result.port, 2);
}
END_TEST

START_TEST(A07_sockets_are_bounded_and_every_address_has_its_share)
{
    for (int i = 0; i < 15; i++)
        address(i % 2 ? AF_INET : AF_INET6, SILENT, 0);
    address(AF_INET, 0, 100 * MS);
    race(30000 * MS);
    ck_assert_int_eq(net.most_open, REDWI_DIAL_RACERS);
    ck_assert_int_eq(net.opened, 16);
    ck_assert_int_eq(result.port, 15);
    ck_assert_int_lt(result.at_us, 30000 * MS);
    for (int i = 0; i + 4 < 15; i++) /* nobody had less than about a fourth of a fourth */
        ck_assert_int_ge(net.at_us[i + 4] - net.at_us[i], 6000 * MS);
}
END_TEST

START_TEST(A08_the_deadline_ends_all_of_them_together_and_exactly)
{
    for (int i = 0; i < 6; i++)
        address(i % 2 ? AF_INET : AF_INET6, SILENT, 0);
    race(2000 * MS);
    ck_assert_int_eq(result.at_us, 2000 * MS);
    ck_assert_int_eq(redw_error_code(result.why), REDW_ETIMEDOUT);
    ck_assert_str_eq(redw_error_message(result.why),
                     "connect: 10.0.0.1:5 (address 6 of 6, after 350 ms): timed out");
}
END_TEST

START_TEST(A07_a_family_this_host_cannot_reach_hides_no_refusal)
{
    address(AF_INET, ECONNREFUSED, 0);
    address(AF_INET6, ENETUNREACH, 0);
    race(1000 * MS);
    ck_assert_int_eq(redw_error_errno(result.why), ECONNREFUSED);
}
END_TEST

START_TEST(A02_the_time_of_a_look_up_counts_and_ends_it)
{
    address(AF_INET, SILENT, 0);
    dial_within(1000 * MS, NULL);
    vloop_advance(loop, 400 * MS);
    names_answer();
    run(2000 * MS);
    ck_assert_int_eq(result.at_us, 1000 * MS);
    ck_assert_int_eq(net.at_us[0], 400 * MS);
}
END_TEST

START_TEST(A07_a_dial_may_be_ended_in_every_state)
{
    for (int step = 0; step < 5; step++) {
        teardown();
        setup();
        address(AF_INET6, SILENT, 0);
        address(AF_INET, SILENT, 0);
        dial_within(1000 * MS, NULL);
        if (step > 0)
            vloop_settle(loop);
        if (step > 1)
            names_answer();
        if (step > 2)
            vloop_settle(loop);
        if (step > 3)
            vloop_advance(loop, 300 * MS);
        redwi_dial_free(dial);
        dial = NULL;
        vloop_advance(loop, 2000 * MS);
        ck_assert_int_eq(result.calls, 0);
    }
}
END_TEST

/* The caller's socket. */

static int asked, answers_with, answers_errno;

static void on_open(void *arg)
{
    (void)arg;
    asked++;
    if (answers_with != REDW_OPEN_LATER)
        ck_assert(redwi_dial_opened(dial, answers_with, answers_errno));
}

START_TEST(A11_the_callers_socket_is_waited_for_until_it_is_connected)
{
    for (int later = 0; later < 2; later++) {
        teardown();
        setup();
        int fd = net_open(NULL, AF_INET, SOCK_STREAM);
        asked = 0;
        answers_with = later ? REDW_OPEN_LATER : fd;
        dial_within(1000 * MS, on_open);
        ck_assert_int_eq(asked, 0); /* not inside start */
        vloop_advance(loop, 100 * MS);
        if (later)
            ck_assert(redwi_dial_opened(dial, fd, 0));
        ck_assert(!redwi_dial_opened(dial, FD_FIRST + 40, 0)); /* once is enough */
        vloop_advance(loop, 100 * MS);
        ck_assert_int_eq(result.calls, 0);
        ck_assert_uint_eq(vloop_watched(loop, fd), REDW_WRITE);
        vloop_script(loop, fd, REDW_WRITE);
        vloop_settle(loop);
        ck_assert_int_eq(result.calls, 1);
        ck_assert_int_eq(result.fd, fd);
        ck_assert_int_eq(asked, 1);
        ck_assert_int_eq(names.starts, 0);
        vloop_script(loop, fd, 0);
    }
}
END_TEST

START_TEST(A11_the_deadline_and_the_end_close_the_callers_socket)
{
    for (int how = 0; how < 3; how++) {
        teardown();
        setup();
        asked = 0;
        answers_with = how == 0 ? REDW_OPEN_LATER : net_open(NULL, AF_INET, SOCK_STREAM);
        dial_within(1000 * MS, on_open);
        if (how == 2) { /* answered, not yet taken up */
            vloop_round(loop);
            ck_assert_int_eq(asked, 1);
            redwi_dial_free(dial);
            dial = NULL;
            continue;
        }
        vloop_advance(loop, 1000 * MS);
        ck_assert_int_eq(result.calls, 1);
        ck_assert_int_eq(redw_error_code(result.why), REDW_ETIMEDOUT);
        ck_assert_str_eq(redw_error_message(result.why),
                         how == 0 ? "connect: db.test (after 1000 ms): timed out: no socket was given"
                                  : "connect: db.test:5439 (after 1000 ms): timed out");
    }
}
END_TEST

START_TEST(A11_a_socket_that_cannot_be_had_says_why)
{
    static const struct {
        int fd, error;
        const char *says;
    } cases[] = {{-1, ECONNREFUSED, "connect: db.test (after 0 ms): no socket was given: connection refused"},
                 {-1, 0, "connect: db.test (after 0 ms): no socket was given"},
                 {-77, 0, "connect: db.test (after 0 ms): no socket was given"},
                 {99, 0, "connect: db.test (after 0 ms): not a descriptor: bad file descriptor"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        teardown();
        setup();
        answers_with = cases[i].fd;
        answers_errno = cases[i].error;
        dial_within(1000 * MS, on_open);
        vloop_settle(loop);
        ck_assert_int_eq(result.calls, 1);
        ck_assert_int_eq(redw_error_code(result.why), REDW_ECONNECT);
        ck_assert_str_eq(redw_error_message(result.why), cases[i].says);
    }
}
END_TEST

START_TEST(families_in_turns_keep_every_address_once)
{
    struct redwi_address a[7], none[1];
    for (unsigned set = 0; set < 1u << 7; set++) {
        int seen = 0, family[7], first[2] = {-1, -1};
        for (int i = 0; i < 7; i++) {
            family[i] = set & 1u << i ? AF_INET6 : AF_INET;
            ck_assert(redwi_address_literal(family[i] == AF_INET6 ? "::1" : "127.0.0.1", (uint16_t)i, &a[i]));
        }
        redwi_addresses_interleave(a, 7);
        ck_assert_int_eq(a[0].family, family[0]);
        int count = __builtin_popcount(set), least = count < 7 - count ? count : 7 - count;
        for (int i = 0; i < 7; i++) {
            struct sockaddr_in in;
            memcpy(&in, &a[i].storage, sizeof in);
            int port = ntohs(in.sin_port), k = a[i].family == AF_INET6;
            seen |= 1 << port;
            ck_assert_int_gt(port, first[k]); /* within a family the order stays */
            first[k] = port;
            if (i > 0 && i < 2 * least)
                ck_assert_int_ne(a[i].family, a[i - 1].family);
        }
        ck_assert_int_eq(seen, 127);
    }
    redwi_addresses_interleave(none, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dial race");
    TCase *t = tcase_create("race");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, A07_families_take_turns_in_the_resolvers_order);
    tcase_add_test(t, A07_the_next_address_is_tried_after_250_ms_although_the_first_may_still_answer);
    tcase_add_test(t, A07_the_first_to_connect_wins_and_the_others_are_closed);
    tcase_add_test(t, A07_a_failure_starts_the_next_at_once);
    tcase_add_test(t, A07_a_short_deadline_is_shared_instead_of_waiting_250_ms);
    tcase_add_test(t, A07_sockets_are_bounded_and_every_address_has_its_share);
    tcase_add_test(t, A08_the_deadline_ends_all_of_them_together_and_exactly);
    tcase_add_test(t, A07_a_family_this_host_cannot_reach_hides_no_refusal);
    tcase_add_test(t, A02_the_time_of_a_look_up_counts_and_ends_it);
    tcase_add_test(t, A07_a_dial_may_be_ended_in_every_state);
    tcase_add_test(t, A11_the_callers_socket_is_waited_for_until_it_is_connected);
    tcase_add_test(t, A11_the_deadline_and_the_end_close_the_callers_socket);
    tcase_add_test(t, A11_a_socket_that_cannot_be_had_says_why);
    tcase_add_test(t, families_in_turns_keep_every_address_once);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
