/* SPDX-License-Identifier: Apache-2.0 */
/* memory_max_bytes against PostgreSQL (X7): one bound over requests, results and streams together, and a client
 * that works on below it. */
#include "support/lab.h"
#include "support/pg.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)
#define STREAMS 50

static struct lab r;
static struct redw_diag why;

static void start(uint32_t pool_max, uint64_t max_bytes)
{
    lab_open(&r);
    ck_assert_int_eq(
        lab_client(&r, REDW_OPTIONS(.uri = pg_uri(), .pool_max = pool_max, .memory_max_bytes = max_bytes), &why), 0);
}

static void finish(void)
{
    ck_assert(lab_close(&r));
}

START_TEST(x7_a_result_that_would_go_beyond_the_bound_ends_its_request_alone)
{
    start(2, 8 * MIB);
    struct answer small = lab_query(&r, REDW_QUERY("select repeat('a', 1000000)"));
    struct answer large = lab_query(&r, REDW_QUERY("select repeat('b', 1000000) from generate_series(1, 20)"));
    answer_must_succeed(&small);
    ck_assert_int_eq(redw_error_code(answer_error(&large)), REDW_EFULL);
    ck_assert_ptr_nonnull(strstr(redw_error_message(answer_error(&large)), "memory_max_bytes 8388608"));
    ck_assert_int_eq(redw_error_class(answer_error(&large)), REDW_CLASS_RESOURCE_BUSY);
    answer_release(&large);
    struct answer again = lab_query(&r, REDW_QUERY("select 1"));
    ck_assert_str_eq(answer_text(&again), "1");
    answer_release(&again);
    answer_release(&small);
    finish();
}
END_TEST

START_TEST(x7_kept_results_count_until_they_are_released_even_after_the_client)
{
    struct answer kept[8], refused;
    size_t n = 0;
    start(1, 4 * MIB);
    for (; n < 8; n++) {
        kept[n] = lab_query(&r, REDW_QUERY("select repeat('k', 700000)"));
        if (redw_result_error(kept[n].res))
            break;
    }
    ck_assert_uint_ge(n, 3);
    ck_assert_uint_lt(n, 8);
    ck_assert_int_eq(redw_error_code(answer_error(&kept[n])), REDW_EFULL);
    answer_release(&kept[n]);
    answer_release(&kept[--n]);
    refused = lab_query(&r, REDW_QUERY("select repeat('k', 700000)")); /* there is room again */
    answer_must_succeed(&refused);
    redw_client_destroy(r.client);
    r.client = NULL;
    answer_release(&refused);
    while (n)
        answer_release(&kept[--n]);
    finish();
}
END_TEST

START_TEST(x7_requests_that_wait_count_and_are_refused_at_the_bound_with_the_reason)
{
    enum { MANY = 64 };
    struct answer waiting[MANY];
    char *text = malloc(100001);
    unsigned n = 0;
    memset(text, 't', 100000);
    text[100000] = '\0';
    start(1, 2 * MIB);
    for (; n < MANY; n++) {
        lab_submit(&r, &waiting[n], REDW_QUERY("select length($1)", redw_p_text(text)));
        if (waiting[n].id < 0)
            break;
    }
    ck_assert_uint_lt(n, MANY);
    ck_assert_int_eq(waiting[n].id, REDW_EFULL);
    ck_assert_ptr_nonnull(strstr(redw_client_why(r.client), "memory_max_bytes 2097152"));
    for (unsigned i = 0; i < n; i++) {
        ck_assert(lab_wait(&r, &waiting[i].calls, 1));
        ck_assert_str_eq(answer_text(&waiting[i]), "100000");
        answer_release(&waiting[i]);
    }
    free(text);
    finish();
}
END_TEST

/* Each fits twice, as it waits and as it is sent, but not while all the others wait. */
START_TEST(x7_a_request_that_cannot_be_written_ends_alone_and_gives_the_next_its_memory)
{
    enum { MANY = 16 };
    struct answer waiting[MANY];
    char *text = malloc(150001);
    unsigned n = 0, refused = 0;
    memset(text, 't', 150000);
    text[150000] = '\0';
    start(1, MIB);
    struct answer opens = lab_query(&r, REDW_QUERY("select 1"));
    answer_release(&opens);
    do
        lab_submit(&r, &waiting[n], REDW_QUERY("select length($1)", redw_p_text(text)));
    while (waiting[n].id > 0 && ++n < MANY);
    ck_assert_uint_ge(n, 4);
    for (unsigned i = 0; i < n; i++) {
        ck_assert(lab_wait(&r, &waiting[i].calls, 1));
        const redw_error *e = answer_error(&waiting[i]);
        if (e) {
            refused++;
            ck_assert_int_eq(redw_error_code(e), REDW_EFULL);
            ck_assert_int_eq(redw_error_outcome(e), REDW_OUTCOME_NOT_SENT);
            ck_assert_ptr_nonnull(strstr(redw_error_message(e), "memory_max_bytes 1048576"));
        }
        answer_release(&waiting[i]);
    }
    ck_assert_uint_ge(refused, 1);
    ck_assert_uint_le(refused, n - 2); /* those at the end had enough */
    free(text);
    finish();
}
END_TEST

struct slow {
    unsigned rows, done;
    redw_id id;
    int code;
};

static enum redw_flow one_row(redw_rows *rows, void *ctx)
{
    struct slow *s = ctx;
    redw_row row;
    s->rows += redw_rows_next(rows, &row);
    return REDW_PAUSE;
}

static void slow_done(const redw_result *res, void *ctx)
{
    struct slow *s = ctx;
    s->code = redw_error_code(redw_result_error(res));
    s->done++;
}

START_TEST(x7_fifty_streams_with_slow_consumers_stay_below_the_bound)
{
    const struct redw_stream_handler h = {.size = sizeof h, .on_rows = one_row, .on_done = slow_done};
    static struct slow streams[STREAMS];
    memset(streams, 0, sizeof streams);
    start(STREAMS, 64 * MIB);
    uint64_t base = r.fault.live_bytes;
    for (int i = 0; i < STREAMS; i++) {
        streams[i].id = redw_stream(
            r.client, REDW_QUERY("select repeat('s', 10000) from generate_series(1, 2000)"), &h, &streams[i]);
        ck_assert_int_gt(streams[i].id, 0);
    }
    for (int round = 0; round < 40; round++) {
        lab_run_ms(&r, 5);
        for (int i = 0; i < STREAMS; i++)
            ck_assert_int_eq(redw_resume(r.client, streams[i].id), 0);
    }
    unsigned rows = 0;
    for (int i = 0; i < STREAMS; i++) {
        rows += streams[i].rows;
        ck_assert_uint_eq(streams[i].done, 0);
        ck_assert_int_eq(redw_forget(r.client, streams[i].id), 0);
    }
    ck_assert_uint_gt(rows, STREAMS);
    ck_assert_uint_lt(r.fault.peak_bytes - base, 64 * MIB);
    finish();
}
END_TEST

START_TEST(x7_a_row_larger_than_what_is_left_is_refused_and_the_pool_goes_on)
{
    start(1, 4 * MIB);
    struct answer a = lab_query(&r, REDW_QUERY("select repeat('w', 8000000)"));
    ck_assert_int_eq(redw_error_code(answer_error(&a)), REDW_EFULL);
    ck_assert_ptr_nonnull(strstr(redw_error_message(answer_error(&a)), "memory_max_bytes 4194304"));
    answer_release(&a);
    struct answer next = lab_query(&r, REDW_QUERY("select 2"));
    ck_assert_str_eq(answer_text(&next), "2");
    answer_release(&next);
    finish();
}
END_TEST

START_TEST(x7_the_setting_has_a_least_value)
{
    lab_open(&r);
    ck_assert_int_eq(lab_client(&r, REDW_OPTIONS(.uri = pg_uri(), .memory_max_bytes = 1000), &why), REDW_EINVAL);
    ck_assert_ptr_nonnull(strstr(why.text, "memory_max_bytes"));
    finish();
}
END_TEST

int main(void)
{
    pg_server();
    Suite *s = suite_create("budget of a client");
    TCase *c = tcase_create("budget of a client");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, x7_a_result_that_would_go_beyond_the_bound_ends_its_request_alone);
    tcase_add_test(c, x7_kept_results_count_until_they_are_released_even_after_the_client);
    tcase_add_test(c, x7_requests_that_wait_count_and_are_refused_at_the_bound_with_the_reason);
    tcase_add_test(c, x7_a_request_that_cannot_be_written_ends_alone_and_gives_the_next_its_memory);
    tcase_add_test(c, x7_fifty_streams_with_slow_consumers_stay_below_the_bound);
    tcase_add_test(c, x7_a_row_larger_than_what_is_left_is_refused_and_the_pool_goes_on);
    tcase_add_test(c, x7_the_setting_has_a_least_value);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
