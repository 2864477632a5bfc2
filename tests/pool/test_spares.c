/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spare blocks: what is given back is given out again, up to a bound; nothing is kept when memory is short.
 */
#include "pool/client.h"
#include "support/fault.h"
#include "support/loop_virtual.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct fault heap;
static struct redwi_spares spares;

static void setup(void)
{
    fault_init(&heap);
    spares = (struct redwi_spares){.max = 2};
}

static void teardown(void)
{
    redwi_spares_empty(&spares, &heap.mem);
    fault_fini(&heap); /* aborts on leaks */
}

static void *take(size_t bytes)
{
    return redwi_spares_alloc(&spares, &heap.mem, bytes);
}

static void give(void *block, size_t bytes)
{
    redwi_spares_free(&spares, &heap.mem, block, bytes);
}

START_TEST(a_block_given_back_is_the_next_one_and_may_be_written_whole)
{
    void *a = take(10);

    memset(a, 1, REDWI_SPARE_BYTES);
    give(a, 10);
    ck_assert_uint_eq(heap.live, 1);
    ck_assert_ptr_eq(take(REDWI_SPARE_BYTES), a);
    memset(a, 2, REDWI_SPARE_BYTES);
    ck_assert_uint_eq(heap.total_allocs, 1);
    give(a, REDWI_SPARE_BYTES);
}
END_TEST

START_TEST(no_more_than_the_bound_are_kept)
{
    void *blocks[4];

    for (int i = 0; i < 4; i++)
        blocks[i] = take(1);
    for (int i = 0; i < 4; i++)
        give(blocks[i], 1);
    ck_assert_uint_eq(spares.count, 2);
    ck_assert_uint_eq(heap.live, 2);
    spares.max = 0;
    give(take(1), 1);
    ck_assert_uint_eq(heap.live, 1);
}
END_TEST

START_TEST(larger_ones_are_never_kept)
{
    give(take(1), 1);
    void *large = take(REDWI_SPARE_BYTES + 1);

    memset(large, 1, REDWI_SPARE_BYTES + 1);
    ck_assert_uint_eq(spares.count, 1);
    give(large, REDWI_SPARE_BYTES + 1);
    ck_assert_uint_eq(spares.count, 1);
    ck_assert_uint_eq(heap.live, 1);
}
END_TEST

START_TEST(refused_memory_is_asked_for_again_without_the_spares)
{
    give(take(1), 1);
    fault_arm(&heap, FAULT_ALLOC, 1, FAULT_ONCE, FAULT_NO_MEMORY);
    void *large = take(5000);
    ck_assert_ptr_nonnull(large);
    ck_assert_uint_eq(spares.count, 0);
    fault_arm(&heap, FAULT_ALLOC, 1, FAULT_ONCE, FAULT_NO_MEMORY);
    ck_assert_ptr_null(take(1)); /* there is nothing to give back */
    fault_disarm(&heap);
    ck_assert(!redwi_spares_empty(&spares, &heap.mem));
    give(large, 5000);
}
END_TEST

START_TEST(a_client_with_a_budget_keeps_a_64th_of_it_at_most)
{
    static const struct {
        uint64_t budget;
        unsigned max;
    } rows[] = {{0, REDWI_SPARES_MAX},
                {(uint64_t)1 << 20, 16},
                {(uint64_t)16 << 20, REDWI_SPARES_MAX},
                {(uint64_t)1 << 40, REDWI_SPARES_MAX}};
    struct vloop *loop = vloop_create();
    struct redw_loop table = vloop_table(loop);

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        redw_client *c;
        ck_assert_int_eq(redw_client_create_on(&c, &table,
                                               REDW_OPTIONS(.uri = "postgresql://u@h/d?sslmode=disable",
                                                            .memory_max_bytes = rows[i].budget),
                                               NULL),
                         0);
        ck_assert_uint_eq(c->spares.max, rows[i].max);
        redw_client_destroy(c);
    }
    vloop_free(loop);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("spare blocks");
    TCase *t = tcase_create("spare blocks");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_block_given_back_is_the_next_one_and_may_be_written_whole);
    tcase_add_test(t, no_more_than_the_bound_are_kept);
    tcase_add_test(t, larger_ones_are_never_kept);
    tcase_add_test(t, refused_memory_is_asked_for_again_without_the_spares);
    tcase_add_test(t, a_client_with_a_budget_keeps_a_64th_of_it_at_most);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
