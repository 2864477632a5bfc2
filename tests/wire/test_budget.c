/* SPDX-License-Identifier: Apache-2.0 */
/* The byte budget of a client (X7): what is counted, what is refused at the bound, and who frees it last. */
#include "wire/budget.h"

#include "support/fault.h"
#include "wire/mem.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define KIB ((size_t)1024)

static struct fault fault;
static struct redwi_budget *budget;
static struct redw_allocator work, machinery;

static void setup(void)
{
    fault_init(&fault);
    budget = redwi_budget_create(&fault.mem, 1024 * KIB);
    ck_assert_ptr_nonnull(budget);
    work = redwi_budget_work(budget);
    machinery = redwi_budget_machinery(budget);
}

static void teardown(void)
{
    redwi_budget_release(budget);
    ck_assert_uint_eq(fault.live, 0);
    fault_fini(&fault);
}

START_TEST(x7_both_kinds_share_one_count)
{
    void *a = redwi_alloc(&work, 100 * KIB), *b = redwi_alloc(&machinery, 50 * KIB);
    ck_assert_uint_ge(redwi_budget_used(budget), 150 * KIB);
    ck_assert_uint_lt(redwi_budget_used(budget), 151 * KIB);
    redwi_free(&work, a);
    ck_assert_uint_lt(redwi_budget_used(budget), 51 * KIB);
    redwi_free(&machinery, b);
    ck_assert_uint_eq(redwi_budget_used(budget), 0);
}
END_TEST

START_TEST(x7_work_is_refused_at_the_bound_and_taken_again_below_it)
{
    void *blocks[16], *one;
    size_t n = 0;
    while (n < 16 && (blocks[n] = redwi_alloc(&work, 100 * KIB)) != NULL)
        n++;
    ck_assert_uint_eq(n, 10);
    ck_assert(redwi_budget_took_part(budget));
    ck_assert(!redwi_budget_took_part(budget)); /* said once */
    redwi_free(&work, blocks[--n]);
    ck_assert_ptr_nonnull(one = redwi_alloc(&work, 100 * KIB));
    ck_assert(!redwi_budget_took_part(budget));
    redwi_free(&work, one);
    while (n)
        redwi_free(&work, blocks[--n]);
}
END_TEST

START_TEST(x7_growing_costs_the_difference_and_keeps_what_is_there)
{
    char *p = redwi_alloc(&work, 600 * KIB);
    p[0] = 'a';
    p[600 * KIB - 1] = 'z';
    ck_assert_ptr_nonnull(p = redwi_resize(&work, p, 1000 * KIB)); /* 400 more, not 1000 */
    ck_assert(p[0] == 'a' && p[600 * KIB - 1] == 'z');
    ck_assert_ptr_null(redwi_resize(&work, p, 1100 * KIB));
    ck_assert(redwi_budget_took_part(budget));
    ck_assert(p[0] == 'a'); /* as it was */
    ck_assert_ptr_nonnull(p = redwi_resize(&work, p, KIB));
    ck_assert_uint_lt(redwi_budget_used(budget), 2 * KIB);
    redwi_free(&work, p);
}
END_TEST

START_TEST(x7_machinery_goes_on_at_the_bound_but_not_in_large_pieces)
{
    void *all = redwi_alloc(&work, 1023 * KIB);
    ck_assert_ptr_null(redwi_alloc(&work, KIB));
    void *buffer = redwi_alloc(&machinery, 64 * KIB);
    ck_assert_ptr_nonnull(buffer);
    ck_assert_ptr_null(redwi_resize(&machinery, buffer, 512 * KIB));
    redwi_free(&machinery, buffer);
    redwi_free(&work, all);
}
END_TEST

START_TEST(x7_a_size_beyond_all_bounds_is_refused)
{
    ck_assert_ptr_null(redwi_alloc(&work, SIZE_MAX - 3));
    ck_assert_ptr_null(redwi_alloc(&machinery, SIZE_MAX - 3));
    ck_assert_uint_eq(redwi_budget_used(budget), 0);
}
END_TEST

START_TEST(x7_a_failure_of_the_callers_allocator_is_not_the_bound)
{
    fault_arm(&fault, FAULT_ALLOC, 1, FAULT_ONCE, FAULT_NO_MEMORY);
    ck_assert_ptr_null(redwi_alloc(&work, 10));
    ck_assert(!redwi_budget_took_part(budget));
    ck_assert_uint_eq(redwi_budget_used(budget), 0);
}
END_TEST

static void *release_there(void *block)
{
    struct redw_allocator mem = work;
    redwi_free(&mem, block);
    return NULL;
}

START_TEST(x7_the_last_block_frees_the_budget_on_whatever_thread)
{
    struct fault own;
    fault_init(&own);
    struct redwi_budget *b = redwi_budget_create(&own.mem, 1024 * KIB);
    work = redwi_budget_work(b);
    void *kept = redwi_alloc(&work, KIB);
    redwi_budget_release(b);
    ck_assert_uint_eq(own.live, 2);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, release_there, kept), 0);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(own.live, 0);
    fault_fini(&own);
    fault_fini(&own);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("budget");
    TCase *c = tcase_create("budget");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, x7_both_kinds_share_one_count);
    tcase_add_test(c, x7_work_is_refused_at_the_bound_and_taken_again_below_it);
    tcase_add_test(c, x7_growing_costs_the_difference_and_keeps_what_is_there);
    tcase_add_test(c, x7_machinery_goes_on_at_the_bound_but_not_in_large_pieces);
    tcase_add_test(c, x7_a_size_beyond_all_bounds_is_refused);
    tcase_add_test(c, x7_a_failure_of_the_callers_allocator_is_not_the_bound);
    tcase_add_test(c, x7_the_last_block_frees_the_budget_on_whatever_thread);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
