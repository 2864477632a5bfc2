/* SPDX-License-Identifier: Apache-2.0 */
/* The guards of the tests bite: each of the failures they are there for is made, and seen. */
#include "support/leak.h"

#include "pool/loop_ev.h"
#include <check.h>
#include <ev.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct fault f;

static void *get(size_t n)
{
    return f.mem.alloc(f.mem.ctx, n);
}

static void put(void *p)
{
    f.mem.release(f.mem.ctx, p);
}

START_TEST(allocations_fail_at_the_number_asked_for_once_or_from_then_on)
{
    fault_init(&f);
    for (uint64_t n = 1; n <= 4; n++) {
        fault_arm(&f, FAULT_ALLOC, n, FAULT_ONCE, FAULT_NO_MEMORY);
        for (uint64_t i = 1; i <= 3; i++) {
            void *p = get(10);
            ck_assert_int_eq(p == NULL, i == n);
            put(p);
        }
        ck_assert_int_eq(fault_fired(&f), n <= 3);
    }
    fault_arm(&f, FAULT_ALLOC, 2, FAULT_STICKY, FAULT_NO_MEMORY);
    void *p = get(1);
    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_null(get(1));
    ck_assert_ptr_null(f.mem.resize(f.mem.ctx, p, 100)); /* and leaves the old block alone */
    ck_assert_uint_eq(f.live, 1);
    put(p);
    fault_fini(&f);
}
END_TEST

START_TEST(resizing_moves_and_keeps_what_was_there)
{
    fault_init(&f);
    char *p = get(4);
    memcpy(p, "abcd", 4);
    for (size_t n = 5; n < 5000; n++) {
        char *q = f.mem.resize(f.mem.ctx, p, n);
        ck_assert_ptr_ne(p, q);
        ck_assert_int_eq(memcmp(q, "abcd", 4), 0);
        p = q;
    }
    ck_assert_uint_eq(f.live, 1);
    ck_assert_uint_eq(f.live_bytes, 4999);
    put(p);
    fault_fini(&f);
}
END_TEST

START_TEST(thousands_of_blocks_are_told_apart)
{
    enum { N = 20000 };
    static void *blocks[N];
    fault_init(&f);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < N; i++)
            blocks[i] = get(i % 100);
        for (size_t i = 0; i < N; i++)
            put(blocks[(i * 7919) % N]);
        ck_assert_uint_eq(f.live, 0);
    }
    fault_fini(&f);
}
END_TEST

START_TEST(a_secret_left_in_released_memory_is_seen)
{
    fault_init(&f);
    f.canary = "hunter2";
    char *p = get(32);
    memset(p, ' ', 32);
    memcpy(p + 9, "hunter2", 7);
    put(p);
    ck_assert_uint_eq(f.canary_hits, 1);
    fault_fini(&f);
}
END_TEST

START_TEST(freeing_twice_aborts)
{
    fault_init(&f);
    void *p = get(8);
    put(p);
    put(p);
}
END_TEST

START_TEST(freeing_what_is_not_ours_aborts)
{
    int on_the_stack;
    fault_init(&f);
    put(&on_the_stack);
}
END_TEST

START_TEST(ending_with_live_blocks_aborts)
{
    fault_init(&f);
    get(8);
    fault_fini(&f);
}
END_TEST

START_TEST(system_calls_do_as_scripted)
{
    int pair[2];
    char in[8];
    fault_init(&f);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    for (int c = FAULT_RECV; c <= FAULT_SEND; c++) {
        size_t n;
        const struct fault_kind *kinds = fault_kinds((enum fault_class)c, &n);
        for (size_t i = 0; i < n; i++) {
            fault_arm(&f, (enum fault_class)c, 1, FAULT_ONCE, kinds[i]);
            errno = 0;
            ssize_t sent = f.sys.send(f.sys.ctx, pair[0], "abcdefgh", 8);
            ssize_t got = f.sys.recv(f.sys.ctx, pair[1], in, 8);
            ck_assert_uint_eq(f.calls[FAULT_SEND], 1);
            ck_assert_uint_eq(f.calls[FAULT_RECV], 1);
            ck_assert(fault_fired(&f));
            ssize_t told = kinds[i].bytes > 0 ? (ssize_t)kinds[i].bytes : kinds[i].end ? 0 : -1;
            ck_assert_int_eq(c == FAULT_SEND ? sent : got, told);
            if (told < 0 && c == FAULT_RECV)
                ck_assert_int_eq(errno, kinds[i].error);
            while (recv(pair[1], in, 8, 0) > 0) { /* what is left for the next one */
            }
        }
    }
    close(pair[0]);
    close(pair[1]);
    fault_arm(&f, FAULT_OPEN, 1, FAULT_ONCE, fault_kinds(FAULT_OPEN, &(size_t){0})[0]);
    ck_assert_int_eq(f.sys.open(f.sys.ctx, AF_INET, SOCK_STREAM), -1);
    ck_assert_int_eq(errno, EMFILE);
    int fd = f.sys.open(f.sys.ctx, AF_INET, SOCK_STREAM);
    ck_assert_int_ge(fd, 0);
    ck_assert_uint_eq(f.opened, 1);
    f.sys.close(f.sys.ctx, fd);
    ck_assert_uint_eq(f.closed, 1);
    fault_fini(&f);
}
END_TEST

static void nothing_io(void *arg, unsigned events)
{
    (void)arg, (void)events;
}

static void nothing(void *arg)
{
    (void)arg;
}

/* Each leak alone makes the check fail; without any it passes. */
START_TEST(every_kind_of_leak_is_seen)
{
    struct leak g;
    struct probe p;
    struct ev_loop *loop = ev_loop_new(0);
    FILE *to = fopen("/dev/null", "w");
    fault_init(&f);
    ev_run(loop, EVRUN_NOWAIT);
    probe_init(&p, redwi_loop_ev(loop));
    void *io = calloc(1, p.loop.io_bytes), *timer = calloc(1, p.loop.timer_bytes);
    void *turn = calloc(1, p.loop.turn_bytes);
    leak_begin(&g);
    ck_assert(leak_check(&g, loop, &f, &p, stderr));

    int fd = open("/dev/null", O_RDONLY);
    ck_assert(!leak_check(&g, NULL, NULL, NULL, to));
    close(fd);

    void *block = get(1);
    ck_assert(!leak_check(&g, NULL, &f, NULL, to));
    put(block);

    ERR_raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR);
    ck_assert(!leak_check(&g, NULL, NULL, NULL, to));
    ck_assert(leak_check(&g, NULL, NULL, NULL, to)); /* emptied by the check before */

    p.loop.io_init(p.loop.ctx, io, nothing_io, NULL);
    p.loop.io_set(p.loop.ctx, io, 1, REDW_WRITE);
    ck_assert(!leak_check(&g, NULL, NULL, &p, to));
    p.loop.io_set(p.loop.ctx, io, -1, 0);
    ck_assert(leak_check(&g, NULL, NULL, &p, stderr));

    p.loop.timer_init(p.loop.ctx, timer, nothing, NULL);
    p.loop.timer_set(p.loop.ctx, timer, p.loop.now_us(p.loop.ctx) + 1000000);
    ck_assert(!leak_check(&g, NULL, NULL, &p, to));
    p.loop.timer_stop(p.loop.ctx, timer);
    ck_assert(leak_check(&g, NULL, NULL, &p, stderr));

    p.loop.turn_init(p.loop.ctx, turn, nothing, NULL);
    ck_assert(!leak_check(&g, NULL, NULL, &p, to));
    p.loop.turn_fini(p.loop.ctx, turn);

    p.loop.hold(p.loop.ctx);
    ck_assert(!leak_check(&g, loop, NULL, NULL, to));
    ck_assert(!leak_check(&g, NULL, NULL, &p, to));
    p.loop.release(p.loop.ctx);
    ck_assert(leak_check(&g, loop, &f, &p, stderr));

    free(io);
    free(timer);
    free(turn);
    fclose(to);
    ev_loop_destroy(loop);
    fault_fini(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("guards");
    TCase *t = tcase_create("guards");
    tcase_add_test(t, allocations_fail_at_the_number_asked_for_once_or_from_then_on);
    tcase_add_test(t, resizing_moves_and_keeps_what_was_there);
    tcase_add_test(t, thousands_of_blocks_are_told_apart);
    tcase_add_test(t, a_secret_left_in_released_memory_is_seen);
    tcase_add_test_raise_signal(t, freeing_twice_aborts, SIGABRT);
    tcase_add_test_raise_signal(t, freeing_what_is_not_ours_aborts, SIGABRT);
    tcase_add_test_raise_signal(t, ending_with_live_blocks_aborts, SIGABRT);
    tcase_add_test(t, system_calls_do_as_scripted);
    tcase_add_test(t, every_kind_of_leak_is_seen);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
