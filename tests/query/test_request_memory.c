/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request allocates (request_stage.h): nothing in steady state, blocks that are spare are given back and
 * wiped, and each allocation may fail.
 */
#include "query/request_stage.h"

static uint64_t rows_seen;
static const struct redw_column *column_seen;
static const char *sql_seen; /* the request's copy */

static void look_only(const redw_result *res, void *ctx)
{
    (void)ctx;
    rows_seen = redw_result_row_count(res);
    column_seen = redw_result_column(res, 0);
}

/* One whole query of three rows. */
static void ask(const struct redw_request *rq, redw_done_fn *fn)
{
    ck_assert_int_gt(redw_submit(client, rq, fn, &dones), 0);
    struct fake *f = go();
    sql_seen = REDWI_OF(redwi_conn_job(&f->conn), struct redwi_request, job)->sql;
    describe(f);
    write_rows(0, 3);
    give(f);
    end_with_tag(f, "SELECT 3");
    vloop_settle(loop);
}

static void use_serial(uint64_t serial)
{
    fake_serial = serial;
}

START_TEST(a_query_allocates_nothing_in_steady_state)
{
    use_serial(7);
    ask(REDW_QUERY("select n"), look_only);
    heap.calls = 0;
    for (int i = 0; i < 100; i++) {
        ask(REDW_QUERY("select n"), look_only);
        ck_assert_uint_eq(rows_seen, 3);
    }
    ck_assert_uint_eq(heap.calls, 0);
    ask(REDW_QUERY("select $1", redw_p_text("x")), look_only); /* its parameters */
    ck_assert_uint_eq(heap.calls, 1);
    char *large = calloc(1, 3000);
    memset(large, ' ', 2999);
    ask(REDW_QUERY(large), look_only); /* does not fit into a spare block */
    ck_assert_uint_eq(heap.calls, 2);
    free(large);
    for (int i = 0; i < 3; i++)
        ask(REDW_QUERY("select n"), on_done); /* kept: the result is given away */
    ck_assert_uint_eq(heap.calls, 2 + 2);
    use_serial(0);
    ask(REDW_QUERY("select n"), look_only); /* a result again, and columns that nothing is known of */
    ck_assert_uint_eq(heap.calls, 2 + 2 + 2);
}
END_TEST

START_TEST(results_share_the_columns_that_the_server_describes_alike)
{
    use_serial(7);
    ask(REDW_QUERY("select n"), on_done);
    redw_result *first = redw_result_keep(last);
    ask(REDW_QUERY("select n"), look_only);
    ck_assert_ptr_eq(column_seen, redw_result_column(first, 0));
    use_serial(8);
    ask(REDW_QUERY("select n"), look_only);
    ck_assert_ptr_ne(column_seen, redw_result_column(first, 0));
    redw_client_destroy(client);
    ck_assert_str_eq(redw_result_column(first, 0)->name, "n"); /* outlives the client, and what came after it */
    redw_result_release(first);
    client = NULL;
    use_serial(0);
}
END_TEST

START_TEST(the_text_of_a_request_is_wiped_in_its_spare_block)
{
    ask(REDW_QUERY("copy t from 's3://b' credentials 'SECRET'"), look_only);
    const char *end = (const char *)client->spares.first + REDWI_SPARE_BYTES;
#ifndef __SANITIZE_ADDRESS__ /* under which it may not be touched at all */
    ck_assert_ptr_null(memmem(client->spares.first, REDWI_SPARE_BYTES, "SECRET", 6));
#endif
    ck_assert(sql_seen > (const char *)client->spares.first && sql_seen < end);
}
END_TEST

START_TEST(spare_blocks_are_given_back_when_memory_is_refused_and_it_is_asked_for_again)
{
    use_serial(7);
    ask(REDW_QUERY("select n"), look_only);
    unsigned spare = client->spares.count;
    ck_assert_uint_eq(spare, 2);
    size_t out = heap.out;
    char *large = calloc(1, 3000);
    memset(large, ' ', 2999);

    heap.limited = true;
    heap.left = 0;
    refused(submit(REDW_QUERY(large)), REDW_ENOMEM, "memory");
    ck_assert_uint_eq(client->spares.count, 0);
    ck_assert_uint_eq(heap.out, out - spare);
    heap.limited = false;
    ask(REDW_QUERY("select n"), look_only);
    ck_assert_uint_eq(client->spares.count, spare);
    free(large);
    use_serial(0);
}
END_TEST

START_TEST(each_allocation_may_fail_and_is_reported_once)
{
    for (size_t n = 0;; n++) {
        dones = 0;
        redw_result_release(last);
        last = NULL;
        heap.limited = true;
        heap.left = n;
        redw_id id = submit(REDW_QUERY("select $1", redw_p_text("x")));
        heap.limited = false;
        if (id < 0) {
            refused(id, REDW_ENOMEM, "memory");
            vloop_settle(loop);
            ck_assert_uint_eq(dones, 0);
            continue;
        }
        struct fake *f = go();
        heap.limited = true;
        describe(f);
        write_rows(0, 2000);
        if (f->conn.njobs)
            give(f);
        bool out_of_memory = dones == 1;
        heap.limited = false;
        if (f->conn.njobs)
            end_with_tag(f, "SELECT 2000");
        ck_assert_uint_eq(dones, 1);
        if (!out_of_memory) {
            ck_assert_ptr_null(redw_result_error(last));
            break;
        }
        ck_assert(failed_as(REDW_ENOMEM, REDW_CLASS_OUT_OF_MEMORY, REDW_OUTCOME_UNKNOWN));
        fake_end(f, NULL); /* the connection serves on */
        fake_side_done(fakes[nfakes - 1]);
        vloop_settle(loop);
        ck_assert_uint_lt(n, 100);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("request_memory");
    TCase *t = tcase_create("request_memory");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_query_allocates_nothing_in_steady_state);
    tcase_add_test(t, results_share_the_columns_that_the_server_describes_alike);
    tcase_add_test(t, the_text_of_a_request_is_wiped_in_its_spare_block);
    tcase_add_test(t, spare_blocks_are_given_back_when_memory_is_refused_and_it_is_asked_for_again);
    tcase_add_test(t, each_allocation_may_fail_and_is_reported_once);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
