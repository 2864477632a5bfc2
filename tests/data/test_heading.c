/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headings: what a RowDescription says, made once for all results of the same one. (What columns say is in
 * tests/query/test_result.c.)
 */
#include "data/heading.h"
#include "support/fault.h"
#include "wire/be_write.h"
#include "wire/mem.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

static struct fault heap;
static struct redwi_buf wire;
static struct redwi_heading *last;

static void setup(void)
{
    fault_init(&heap);
    redwi_buf_init(&wire, &redwi_malloc, (size_t)1 << 20);
    last = NULL;
}

static void teardown(void)
{
    redwi_heading_release(last);
    redwi_buf_free(&wire);
    fault_fini(&heap); /* aborts on leaks */
}

/* One column of this name. */
static struct redwi_columns say(const char *name, uint64_t serial)
{
    struct redwi_field field = {.name = {name, strlen(name)}, .type_oid = 23, .typmod = -1};
    struct redwi_columns columns;

    redwi_buf_take(&wire, redwi_buf_len(&wire));
    redwi_be_put_row_description(&wire, &field, 1);
    ck_assert(redwi_be_row_description(redwi_buf_front(&wire) + 5, redwi_buf_len(&wire) - 5, 0, &columns));
    columns.serial = serial;
    return columns;
}

static struct redwi_heading *of(const char *name, uint64_t serial, enum redwi_server server)
{
    struct redwi_columns columns = say(name, serial);

    return redwi_heading_of(&last, &heap.mem, &columns, server);
}

START_TEST(columns_of_the_same_serial_and_server_are_one_heading)
{
    struct redwi_heading *a = of("a", 7, REDWI_POSTGRES), *again = of("a", 7, REDWI_POSTGRES);

    ck_assert_ptr_eq(a, again);
    ck_assert_str_eq(a->columns[0].name, "a");
    ck_assert_uint_eq(a->n, 1);
    ck_assert_uint_eq(heap.total_allocs, 1);
    redwi_heading_release(again);
    redwi_heading_release(a);
    ck_assert_ptr_eq(last, a); /* the session's own reference */
}
END_TEST

START_TEST(another_serial_or_server_is_another_one_and_the_last_is_kept)
{
    struct redwi_heading *a = of("a", 7, REDWI_POSTGRES), *b = of("b", 8, REDWI_POSTGRES),
                             *base = of("b", 8, REDWI_REDSHIFT_BASE);

    ck_assert_ptr_ne(a, b);
    ck_assert_ptr_ne(b, base);
    ck_assert_ptr_eq(last, base);
    ck_assert_int_eq(redwi_column_server(&base->columns[0]), REDWI_REDSHIFT_BASE);
    ck_assert_int_eq(redwi_column_server(&b->columns[0]), REDWI_POSTGRES);
    ck_assert_str_eq(a->columns[0].name, "a"); /* lives on: it is somebody's */
    redwi_heading_release(a);
    redwi_heading_release(b);
    redwi_heading_release(base);
}
END_TEST

START_TEST(without_a_serial_nothing_is_shared_and_nothing_forgotten)
{
    struct redwi_heading *a = of("a", 7, REDWI_POSTGRES), *b = of("b", 0, REDWI_POSTGRES),
                             *c = of("b", 0, REDWI_POSTGRES);

    ck_assert_ptr_ne(b, c);
    ck_assert_ptr_eq(last, a);
    redwi_heading_release(a);
    redwi_heading_release(b);
    redwi_heading_release(c);
}
END_TEST

START_TEST(without_memory_the_last_one_stays)
{
    struct redwi_heading *a = of("a", 7, REDWI_POSTGRES);

    fault_arm(&heap, FAULT_ALLOC, 1, FAULT_STICKY, FAULT_NO_MEMORY);
    ck_assert_ptr_null(of("b", 8, REDWI_POSTGRES));
    ck_assert_ptr_null(of("b", 0, REDWI_POSTGRES));
    ck_assert_ptr_eq(last, a);
    ck_assert_ptr_eq(of("a", 7, REDWI_POSTGRES), a);
    fault_disarm(&heap);
    redwi_heading_release(a);
    redwi_heading_release(a);
}
END_TEST

static void *keep_and_release(void *arg)
{
    struct redwi_heading *d = arg;

    for (int i = 0; i < 20000; i++)
        redwi_heading_release(redwi_heading_keep(d));
    redwi_heading_release(d);
    return NULL;
}

START_TEST(threads_release_it_whichever_is_last)
{
    struct redwi_heading *d = of("a", 7, REDWI_POSTGRES);
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, keep_and_release, redwi_heading_keep(d)), 0);
    redwi_heading_release(last);
    last = NULL;
    redwi_heading_release(d);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(heap.live, 0);
    redwi_heading_release(NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("headings");
    TCase *t = tcase_create("headings");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, columns_of_the_same_serial_and_server_are_one_heading);
    tcase_add_test(t, another_serial_or_server_is_another_one_and_the_last_is_kept);
    tcase_add_test(t, without_a_serial_nothing_is_shared_and_nothing_forgotten);
    tcase_add_test(t, without_memory_the_last_one_stays);
    tcase_add_test(t, threads_release_it_whichever_is_last);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
