/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large requests, which are written in slices, among others on a pipeline (pipeline_desk.h), and each allocation
 * that fails under it.
 */
#include "api/pipeline_desk.h"

#include <stdio.h>

static void serve_all(void)
{
    bool any = true;
    while (any) {
        any = false;
        desk_turn(&d);
        for (unsigned i = 0; i < d.nconns; i++) {
            if (d.conns[i].cancel)
                desk_cut(&d, i);
            any |= d.conns[i].units > 0 && d.conns[i].fd >= 0;
            if (d.conns[i].units && d.conns[i].fd >= 0)
                desk_serve(&d, i, 1);
        }
    }
}

#define LARGE ((size_t)9 << 20)

START_TEST(a_large_request_is_sent_whole_and_alone)
{
    start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
    submit(0, "s0");
    submit_bytes(1, LARGE);
    submit(2, "s2");
    desk_turn(&d);
    ck_assert_uint_eq(d.conns[0].units, 1);
    desk_serve(&d, 0, 1);
    ck_assert_uint_eq(d.conns[0].units, 1);
    ck_assert_uint_gt(redwi_buf_len(&d.conns[0].in), LARGE);
    desk_serve(&d, 0, 1);
    desk_serve(&d, 0, 1);
    ck_assert_str_eq(answer_text(&a[1]), "big");
    ck_assert_str_eq(answer_text(&a[2]), "s2");
    finish();
}
END_TEST

/* A few rounds of the loop: it is being written. */
static void write_some(void)
{
    for (int i = 0; i < 4; i++)
        ev_run(d.lab.loop, EVRUN_NOWAIT);
    ck_assert_uint_eq(a[0].calls, 0);
    ck_assert_uint_eq(d.conns[0].units, 0);
}

START_TEST(until_its_last_slice_a_large_request_is_not_sent_whatever_ends_it)
{
    enum end { CANCEL, FORGET, CUT, CLOSE, DESTROY, ENDS };
    for (int end = 0; end < ENDS; end++) {
        start_with(REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8), 1);
        submit_bytes(0, LARGE);
        write_some();
        if (end == CANCEL)
            redw_cancel(d.lab.client, a[0].id);
        else if (end == FORGET)
            redw_forget(d.lab.client, a[0].id);
        else if (end == CUT)
            desk_cut(&d, 0);
        else if (end == CLOSE)
            redw_client_close(d.lab.client, 0, NULL, NULL);
        else
            redw_client_destroy(d.lab.client), d.lab.client = NULL;
        desk_turn(&d);
        ck_assert_uint_eq(a[0].calls, end != FORGET);
        if (end != FORGET)
            ck_assert_int_eq(redw_error_outcome(answer_error(&a[0])), REDW_OUTCOME_NOT_SENT);
        ck_assert_uint_eq(redwi_buf_len(&d.conns[0].in), d.conns[0].peer.terminated ? 5 : 0);
        if (end <= FORGET) {
            submit(1, "s1");
            desk_turn(&d);
            desk_serve(&d, 0, 1);
            ck_assert_str_eq(answer_text(&a[1]), "s1");
        }
        ck_assert_uint_eq(d.nconns, 1);
        finish();
    }
}
END_TEST

START_TEST(without_memory_for_it_a_large_request_fails_alone)
{
    uint64_t n = 1;
    for (bool fired = true; fired; n++) {
        start_with(REDW_OPTIONS(.pool_max = 1), 1);
        fault_arm(&d.lab.fault, FAULT_ALLOC, n, FAULT_ONCE, FAULT_NO_MEMORY);
        submit_bytes(0, (size_t)3 << 20);
        desk_turn(&d);
        fired = fault_fired(&d.lab.fault);
        fault_disarm(&d.lab.fault);
        ck_assert_uint_eq(d.conns[0].units, !fired);
        if (d.conns[0].units)
            desk_serve(&d, 0, 1);
        if (fired && a[0].id > 0)
            ck_assert(failed_as(0, REDW_ENOMEM, REDW_OUTCOME_NOT_SENT));
        else if (!fired)
            ck_assert_str_eq(answer_text(&a[0]), "big");
        submit(1, "s1");
        desk_turn(&d);
        desk_serve(&d, 0, 1);
        ck_assert_str_eq(answer_text(&a[1]), "s1");
        finish();
    }
    ck_assert_uint_gt(n, 4);
}
END_TEST

/* Two connections, six requests, one of them cancelled, one forgotten; every allocation fails once. */
START_TEST(each_allocation_may_fail_once_and_all_requests_end_once)
{
    uint64_t n = 1;
    for (bool fired = true; fired; n++) {
        start(REDW_OPTIONS(.pool_max = 2, .pipeline_max = 3, .connect_retries = REDW_NONE));
        fault_arm(&d.lab.fault, FAULT_ALLOC, n, FAULT_ONCE, FAULT_NO_MEMORY);
        for (unsigned i = 0; i < 6; i++)
            lab_submit(&d.lab, &a[i], REDW_QUERY(names[i]));
        desk_turn(&d);
        redw_cancel(d.lab.client, a[1].id);
        redw_forget(d.lab.client, a[2].id);
        serve_all();
        fired = fault_fired(&d.lab.fault);
        fault_disarm(&d.lab.fault);
        for (unsigned i = 0; i < 6; i++) {
            if (i == 2)
                ck_assert_uint_le(a[i].calls, 1); /* it may have failed before it was forgotten */
            else
                ck_assert_uint_eq(a[i].calls, a[i].id > 0);
            if (!a[i].calls || redw_result_error(a[i].res))
                continue;
            ck_assert_str_eq(answer_text(&a[i]), names[i]);
        }
        submit(7, "s7"); /* and the client is as good as before */
        serve_all();
        ck_assert_str_eq(answer_text(&a[7]), "s7");
        finish();
    }
    printf("pipeline: %llu allocations failed in turn\n", (unsigned long long)n - 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pipeline_large");
    TCase *t = tcase_create("pipeline_large");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_large_request_is_sent_whole_and_alone);
    tcase_add_test(t, until_its_last_slice_a_large_request_is_not_sent_whatever_ends_it);
    tcase_add_test(t, without_memory_for_it_a_large_request_fails_alone);
    tcase_add_test(t, each_allocation_may_fail_once_and_all_requests_end_once);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
