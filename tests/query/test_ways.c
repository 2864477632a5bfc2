/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams by cursor and by portal at a server with Redshift's rules (support/shift.h): what is sent, what is done
 * when the way is refused, and what becomes of a stream when anything fails at any step. Names carry the rows of
 * the feature list, as in tests/api/test_ways.c.
 */
#include "support/lab.h"
#include "support/shift.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct lab r;
static struct shift s;

struct flow {
    redw_id id;
    unsigned columns, done, pauses, notices;
    int64_t next, stop_at, pause_at;
    bool binary;
    enum redw_way in_columns, way;
    int code;
    enum redw_outcome outcome;
    int64_t affected;
    uint64_t counted;
    char tag[64], message[300], notice[300];
};

static bool is(redw_slice cell, const char *text)
{
    return cell.ptr && cell.len == strlen(text) && memcmp(cell.ptr, text, cell.len) == 0;
}

static enum redw_flow on_columns(const redw_result *head, void *ctx)
{
    struct flow *f = ctx;
    f->columns++;
    f->in_columns = redw_result_way(head);
    return REDW_MORE;
}

static enum redw_flow on_rows(redw_rows *rows, void *ctx)
{
    struct flow *f = ctx;
    redw_row row;
    ck_assert_uint_eq(f->columns, 1);
    ck_assert_uint_eq(f->done, 0);
    while (redw_rows_next(rows, &row)) {
        char text[24];
        ck_assert_uint_eq(row.ncells, 2);
        snprintf(text, sizeof text, "%lld", (long long)f->next++);
        ck_assert(is(row.cells[0], text));
        ck_assert(is(row.cells[1], "row"));
        if (f->next == f->stop_at)
            return REDW_STOP;
        if (f->next == f->pause_at) {
            f->pauses++;
            return REDW_PAUSE;
        }
    }
    return REDW_MORE;
}

static void on_done(const redw_result *res, void *ctx)
{
    struct flow *f = ctx;
    const redw_error *e = redw_result_error(res);
    f->done++;
    f->way = redw_result_way(res);
    f->code = redw_error_code(e);
    f->outcome = redw_error_outcome(e);
    f->affected = redw_result_affected(res);
    f->counted = redw_result_row_count(res);
    f->notices = (unsigned)redw_result_notice_count(res);
    f->binary = redw_result_column_count(res) > 1 && redw_result_column(res, 1)->binary;
    snprintf(f->tag, sizeof f->tag, "%s", redw_result_tag(res));
    snprintf(f->message, sizeof f->message, "%s", e ? redw_error_message(e) : "");
    if (f->notices)
        snprintf(f->notice, sizeof f->notice, "%s", redw_error_message(redw_result_notice(res, 0)));
}

static const struct redw_stream_handler handler = {
    .size = sizeof handler, .on_columns = on_columns, .on_rows = on_rows, .on_done = on_done};

static void start(const struct shift_config *config)
{
    struct redw_diag why;
    lab_open(&r);
    shift_open(&s, r.loop, config);
    ck_assert_msg(lab_client(&r, REDW_OPTIONS(.uri = s.uri, .pool_max = 1, .cancel_timeout_ms = 100,
                                              .request_timeout_ms = 10000),
                             &why) == 0,
                  "%s", why.text);
}

static void finish(void)
{
    ck_assert_str_eq(s.wrong, "");
    shift_close(&s);
    ck_assert(lab_close(&r));
    ck_assert(!r.late);
}

static void go(struct flow *f, enum redw_way way, uint32_t fetch_rows, const char *sql)
{
    f->id = redw_stream(r.client, REDW_REQUEST(.sql = sql, .way = way, .fetch_rows = fetch_rows), &handler, f);
    ck_assert_msg(f->id > 0, "%s", redw_client_why(r.client));
}

static void run(struct flow *f, enum redw_way way, uint32_t fetch_rows)
{
    go(f, way, fetch_rows, "select");
    ck_assert(lab_wait(&r, &f->done, 1));
}

static void must_serve(void)
{
    struct answer a = lab_query(&r, REDW_QUERY("select 1"));
    answer_must_succeed(&a);
    ck_assert_uint_eq(redw_result_row_count(a.res), 1);
    answer_release(&a);
}

static void must_be_whole(const struct flow *f, int64_t rows)
{
    ck_assert_msg(f->code == REDW_OK, "%s", f->message);
    ck_assert_int_eq(f->next, rows);
    ck_assert_uint_eq(f->counted, (uint64_t)rows);
    ck_assert_uint_eq(f->columns, 1);
    ck_assert_uint_eq(f->done, 1);
}

#define EACH(way) for (enum redw_way way = REDW_WAY_CURSOR; way <= REDW_WAY_PORTAL; way++)

/* --- what is sent ------------------------------------------------------------------------------------------ */

START_TEST(F01_a_cursor_is_described_declared_fetched_and_closed)
{
    struct flow f = {0};
    start(&(struct shift_config){.rows = 2500});
    run(&f, REDW_WAY_CURSOR, 0);
    must_be_whole(&f, 2500);
    ck_assert_str_eq(s.log, "P D S|begin|declare redw_c1 cursor for select|fetch forward 1000 from redw_c1|"
                            "fetch forward 1000 from redw_c1|fetch forward 1000 from redw_c1|"
                            "close redw_c1; commit|");
    ck_assert_str_eq(f.tag, "SELECT 2500");
    ck_assert_int_eq(f.way, REDW_WAY_CURSOR);
    finish();
}
END_TEST

START_TEST(F01_a_batch_that_is_full_is_followed_by_another)
{
    struct flow f = {0};
    start(&(struct shift_config){.rows = 20});
    run(&f, REDW_WAY_CURSOR, 10);
    must_be_whole(&f, 20);
    ck_assert_ptr_nonnull(strstr(s.log, "fetch forward 10 from redw_c1|fetch forward 10 from redw_c1|"
                                        "fetch forward 10 from redw_c1|close"));
    finish();
}
END_TEST

START_TEST(F01_a_portal_is_named_in_lower_case_and_executed_with_a_limit)
{
    struct flow f = {0};
    start(&(struct shift_config){.rows = 2500});
    run(&f, REDW_WAY_PORTAL, 0);
    must_be_whole(&f, 2500);
    ck_assert_str_eq(s.log, "begin|P B D E S|E S|E S|commit|");
    ck_assert_str_eq(f.tag, "SELECT"); /* Redshift counts nothing */
    ck_assert_int_eq(f.affected, -1);
    ck_assert_int_eq(f.way, REDW_WAY_PORTAL);
    f = (struct flow){0};
    s.config.counts = true;
    s.config.rows = 2000;
    run(&f, REDW_WAY_PORTAL, 1000);
    must_be_whole(&f, 2000);
    ck_assert_str_eq(f.tag, "SELECT 2000");
    ck_assert_int_eq(f.affected, 2000);
    finish();
}
END_TEST

START_TEST(F02_a_paused_stream_sends_nothing_while_it_is_suspended)
{
    EACH(way) {
        struct flow f = {.pause_at = 100};
        start(&(struct shift_config){.rows = 250});
        go(&f, way, 100, "select");
        ck_assert(lab_wait(&r, &f.pauses, 1));
        unsigned units = s.nunits;
        lab_run_ms(&r, 20);
        ck_assert_uint_eq(s.nunits, units);
        ck_assert_int_eq(redw_resume(r.client, f.id), 0);
        ck_assert(lab_wait(&r, &f.done, 1));
        must_be_whole(&f, 250);
        finish();
    }
}
END_TEST

START_TEST(X6_more_rows_than_the_limit_are_rows_like_others)
{
    struct flow f = {0};
    start(&(struct shift_config){.rows = 2500, .surplus = 37});
    run(&f, REDW_WAY_PORTAL, 100);
    must_be_whole(&f, 2500);
    finish();
}
END_TEST

START_TEST(X6_answers_in_pieces_bring_the_same_rows)
{
    EACH(way) {
        for (size_t piece = 1; piece <= 7; piece += 3) {
            struct flow f = {0};
            start(&(struct shift_config){.rows = 25, .piece = piece});
            run(&f, way, 10);
            must_be_whole(&f, 25);
            finish();
        }
    }
}
END_TEST

START_TEST(F01_a_batch_in_a_binary_form_of_redshift_is_known_as_such)
{
    struct flow f = {0};
    start(&(struct shift_config){.rows = 25, .binary_fetch = true});
    run(&f, REDW_WAY_CURSOR, 10);
    must_be_whole(&f, 25);
    ck_assert(f.binary);
    finish();
}
END_TEST

/* --- refusals of the way ------------------------------------------------------------------------------------ */

START_TEST(F03_a_batch_too_large_for_one_node_begins_again_with_a_thousand)
{
    EACH(way) {
        struct flow f = {0};
        start(&(struct shift_config){.rows = 2500, .node_limit = 1000});
        run(&f, way, 2000);
        must_be_whole(&f, 2500);
        ck_assert_int_eq(f.way, way);
        ck_assert_int_eq(f.in_columns, way);
        ck_assert_uint_eq(f.notices, 1);
        ck_assert_ptr_nonnull(strstr(f.notice, "single node"));
        ck_assert_ptr_nonnull(strstr(s.log, "|rollback|begin|"));
        ck_assert_uint_eq(shift_sessions(&s), 1);
        finish();
    }
}
END_TEST

START_TEST(F03_a_limit_below_a_thousand_or_after_rows_is_an_error)
{
    EACH(way) {
        struct flow f = {0};
        start(&(struct shift_config){.rows = 2500, .node_limit = 100});
        run(&f, way, 0);
        ck_assert_int_eq(f.code, REDW_ESERVER);
        ck_assert_int_eq(f.next, 0);
        must_serve();
        s.config.node_limit = 1000;
        s.config.limit_from = 1;
        f = (struct flow){0};
        run(&f, way, 1200);
        ck_assert_int_eq(f.code, REDW_ESERVER);
        ck_assert_ptr_nonnull(strstr(f.message, "single node"));
        ck_assert_int_eq(f.next, 1200);
        must_serve();
        ck_assert_uint_eq(shift_sessions(&s), 1);
        finish();
    }
}
END_TEST

START_TEST(F04_a_way_that_is_refused_before_a_row_came_goes_by_rows_and_says_so)
{
    static const struct {
        enum redw_way way;
        struct shift_config config;
    } table[] = {
        {REDW_WAY_CURSOR, {.rows = 2500, .full = true}},
        {REDW_WAY_CURSOR, {.rows = 2500, .full_declare = true}},
        {REDW_WAY_PORTAL, {.rows = 2500, .refuses_portals = true}},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct flow f = {0};
        start(&table[i].config);
        run(&f, table[i].way, 0);
        must_be_whole(&f, 2500);
        ck_assert_int_eq(f.way, REDW_WAY_ROWS);
        ck_assert_uint_eq(f.notices, 1);
        ck_assert_ptr_nonnull(strstr(s.log, "|rollback|P B D E S|"));
        ck_assert_uint_eq(shift_sessions(&s), 1);
        finish();
    }
}
END_TEST

START_TEST(F04_a_way_that_is_lost_after_rows_is_an_error_and_no_row_comes_twice)
{
    struct flow f = {0};
    start(&(struct shift_config){.rows = 2500, .no_portals = true});
    run(&f, REDW_WAY_PORTAL, 0);
    ck_assert_int_eq(f.code, REDW_ESERVER);
    ck_assert_int_eq(f.next, 1000);
    ck_assert_int_eq(f.way, REDW_WAY_PORTAL);
    must_serve();
    ck_assert_uint_eq(shift_sessions(&s), 1);
    finish();
}
END_TEST

START_TEST(F04_a_statement_without_rows_never_meets_a_cursor_and_runs_once)
{
    struct flow f = {0};
    start(&(struct shift_config){.rows = 1});
    go(&f, REDW_WAY_CURSOR, 0, "insert");
    ck_assert(lab_wait(&r, &f.done, 1));
    ck_assert_int_eq(f.code, REDW_OK);
    ck_assert_int_eq(f.way, REDW_WAY_ROWS);
    ck_assert_uint_eq(s.ninserts, 1);
    ck_assert_str_eq(s.log, "P D S|P B D E S|");
    finish();
}
END_TEST

/* --- servers that break the rules ---------------------------------------------------------------------------- */

START_TEST(F07_a_batch_with_other_columns_ends_the_stream)
{
    struct flow f = {0};
    start(&(struct shift_config){.rows = 250, .other_columns = 2});
    run(&f, REDW_WAY_CURSOR, 100);
    ck_assert_int_eq(f.code, REDW_EPROTOCOL);
    ck_assert_int_eq(f.next, 100);
    must_serve();
    finish();
}
END_TEST

START_TEST(F07_rows_nobody_asked_for_are_nobodys_rows)
{
    static const char *const units[] = {"begin", "declare", "rollback", "close", "commit"};
    EACH(way) {
        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
            struct flow f = {0};
            bool said = way == REDW_WAY_CURSOR ? strcmp(units[i], "commit") != 0
                                               : strcmp(units[i], "declare") != 0 && strcmp(units[i], "close") != 0;
            start(&(struct shift_config){.rows = 250, .rows_to = units[i],
                                         .fails_at = strcmp(units[i], "rollback") == 0 ? 5 : 0});
            run(&f, way, 100);
            ck_assert_int_eq(f.code, !said ? REDW_OK : s.config.fails_at ? REDW_ESERVER : REDW_EPROTOCOL);
            ck_assert_int_le(f.next, 250);
            s.config.rows_to = NULL;
            must_serve();
            finish();
        }
    }
}
END_TEST

START_TEST(F07_a_begin_that_begins_nothing_is_told)
{
    EACH(way) {
        struct flow f = {0};
        start(&(struct shift_config){.rows = 250, .begin_is_lost = true});
        run(&f, way, 100);
        ck_assert_int_ne(f.code, REDW_OK);
        ck_assert_int_eq(f.next, 0);
        must_serve();
        ck_assert_uint_eq(shift_sessions(&s), 1);
        s.wrong[0] = '\0';
        finish();
    }
}
END_TEST

/* --- ends ------------------------------------------------------------------------------------------------------ */

/* How many units a whole stream has; the steps of the matrices below. */
static unsigned units_of(enum redw_way way)
{
    struct flow f = {0};
    start(&(struct shift_config){.rows = 250});
    run(&f, way, 100);
    must_be_whole(&f, 250);
    unsigned n = s.nunits;
    finish();
    return n;
}

START_TEST(F05_a_stop_while_suspended_closes_the_portal_and_keeps_the_connection)
{
    EACH(way) {
        for (int64_t stop_at = 1; stop_at <= 250; stop_at += 83) {
            struct flow f = {.stop_at = stop_at};
            start(&(struct shift_config){.rows = 250});
            run(&f, way, 100);
            ck_assert_int_eq(f.code, REDW_ECANCELLED);
            must_serve();
            ck_assert_ptr_nonnull(strstr(s.log, way == REDW_WAY_CURSOR ? "|rollback|" : "rollback|"));
            ck_assert_uint_eq(shift_sessions(&s), 1);
            finish();
        }
    }
}
END_TEST

START_TEST(F05_a_server_that_does_not_answer_a_stop_loses_its_connection_in_time)
{
    EACH(way) {
        unsigned n = units_of(way);
        for (unsigned mute = 1; mute <= n; mute++) {
            struct flow f = {0};
            start(&(struct shift_config){.rows = 250, .mute_from = mute});
            go(&f, way, 100, "select");
            lab_run_ms(&r, 20);
            ck_assert_uint_eq(f.done, 0);
            double from = ev_time();
            ck_assert_int_eq(redw_cancel(r.client, f.id), 0);
            ck_assert(lab_wait(&r, &f.done, 1));
            ck_assert_int_eq(f.code, REDW_ECANCELLED);
            ck_assert(ev_time() - from < 2);
            s.config.mute_from = 0;
            must_serve();
            finish();
        }
    }
}
END_TEST

START_TEST(F07_a_connection_cut_in_each_step_ends_the_stream_once)
{
    EACH(way) {
        unsigned n = units_of(way);
        for (unsigned at = 1; at <= n; at++) {
            for (int half = 0; half < 2; half++) {
                struct flow f = {0};
                start(&(struct shift_config){.rows = 250, .cut_at = at, .cut_half = half});
                run(&f, way, 100);
                lab_run_ms(&r, 1);
                ck_assert_uint_eq(f.done, 1);
                ck_assert_int_eq(f.code, REDW_ECONNECT);
                ck_assert_int_eq(f.outcome, REDW_OUTCOME_UNKNOWN);
                ck_assert_int_eq(f.next <= 250, 1);
                s.config.cut_at = 0;
                must_serve();
                ck_assert_uint_eq(shift_sessions(&s), 2);
                finish();
            }
        }
    }
}
END_TEST

START_TEST(F07_an_error_in_each_step_ends_the_stream_once_and_keeps_the_connection)
{
    EACH(way) {
        unsigned n = units_of(way);
        for (unsigned at = 1; at <= n; at++) {
            struct flow f = {0};
            start(&(struct shift_config){.rows = 250, .fails_at = at});
            run(&f, way, 100);
            ck_assert_int_eq(f.code, REDW_ESERVER);
            ck_assert_int_eq(f.outcome, REDW_OUTCOME_NOT_EXECUTED);
            ck_assert_ptr_nonnull(strstr(f.message, "as the script says"));
            ck_assert_uint_eq(f.notices, 0);
            must_serve();
            ck_assert_uint_eq(shift_sessions(&s), 1);
            finish();
        }
    }
}
END_TEST

START_TEST(F07_a_rollback_that_fails_or_is_cut_ends_the_stream_once)
{
    EACH(way) {
        for (int cut = 0; cut < 2; cut++) {
            struct flow f = {.stop_at = 50};
            unsigned rollback = way == REDW_WAY_CURSOR ? 5 : 4; /* behind the first batch; the portal is closed first */
            start(&(struct shift_config){.rows = 250, .cut_at = cut ? rollback : 0, .fails_at = cut ? 0 : rollback});
            run(&f, way, 100);
            ck_assert_int_eq(f.code, REDW_ECANCELLED);
            must_serve();
            ck_assert_uint_eq(shift_sessions(&s), 2);
            finish();
        }
    }
}
END_TEST

/* --- the n-th failure ------------------------------------------------------------------------------------------- */

static bool run_fault(enum redw_way way, enum fault_class c, uint64_t n, enum fault_mode mode, struct fault_kind kind,
                      struct shift_config config, int64_t stop_at)
{
    struct flow f = {.stop_at = stop_at};
    struct redw_diag why;
    lab_open(&r);
    shift_open(&s, r.loop, &config);
    ck_assert_int_eq(lab_client(&r, REDW_OPTIONS(.uri = s.uri, .pool_max = 1, .cancel_timeout_ms = 100,
                                                 .request_timeout_ms = 10000),
                                &why),
                     0);
    fault_arm(&r.fault, c, n, mode, kind);
    f.id = redw_stream(r.client, REDW_REQUEST(.sql = "select", .way = way, .fetch_rows = 2000), &handler, &f);
    if (f.id > 0) {
        if (!lab_wait(&r, &f.done, 1))
            fault_explain(&r.fault, stderr);
        ck_assert_uint_eq(f.done, 1);
        bool whole = f.next == config.rows && f.counted == (uint64_t)config.rows && f.columns == 1;
        if (f.code == REDW_OK && !whole)
            fault_explain(&r.fault, stderr);
        ck_assert(f.code != REDW_OK || whole);
    } else {
        ck_assert_int_eq(f.id, REDW_ENOMEM);
    }
    bool fired = fault_fired(&r.fault);
    fault_disarm(&r.fault);
    must_serve();
    finish();
    return fired;
}

START_TEST(F07_each_allocation_of_each_way_may_fail)
{
    static const struct shift_config configs[] = {
        {.rows = 4500}, {.rows = 1500, .node_limit = 1000}, {.rows = 50, .full = true, .refuses_portals = true}};
    unsigned runs = 0;
    EACH(way) {
        for (int mode = FAULT_ONCE; mode <= FAULT_STICKY; mode++) {
            for (size_t i = 0; i < 3; i++) {
                for (uint64_t n = 1; run_fault(way, FAULT_ALLOC, n, (enum fault_mode)mode, FAULT_NO_MEMORY,
                                               configs[i], 0);
                     n++)
                    runs++;
            }
            for (uint64_t n = 1;
                 run_fault(way, FAULT_ALLOC, n, (enum fault_mode)mode, FAULT_NO_MEMORY, configs[0], 2100); n++)
                runs++;
        }
    }
    printf("allocations of the ways: %u runs\n", runs);
}
END_TEST

START_TEST(F07_each_send_and_recv_of_each_way_may_fail)
{
    static const enum fault_class classes[] = {FAULT_SEND, FAULT_RECV};
    unsigned runs = 0;
    EACH(way) {
        for (size_t c = 0; c < 2; c++) {
            size_t nkinds;
            const struct fault_kind *kinds = fault_kinds(classes[c], &nkinds);
            for (size_t k = 0; k < nkinds; k++) {
                for (uint64_t n = 1; run_fault(way, classes[c], n, FAULT_ONCE, kinds[k],
                                               (struct shift_config){.rows = 4500}, 0);
                     n++)
                    runs++;
            }
        }
    }
    printf("sends and recvs of the ways: %u runs\n", runs);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cursor and portal");
    TCase *t = tcase_create("ways");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, F01_a_cursor_is_described_declared_fetched_and_closed);
    tcase_add_test(t, F01_a_batch_that_is_full_is_followed_by_another);
    tcase_add_test(t, F01_a_portal_is_named_in_lower_case_and_executed_with_a_limit);
    tcase_add_test(t, F02_a_paused_stream_sends_nothing_while_it_is_suspended);
    tcase_add_test(t, X6_more_rows_than_the_limit_are_rows_like_others);
    tcase_add_test(t, X6_answers_in_pieces_bring_the_same_rows);
    tcase_add_test(t, F01_a_batch_in_a_binary_form_of_redshift_is_known_as_such);
    tcase_add_test(t, F03_a_batch_too_large_for_one_node_begins_again_with_a_thousand);
    tcase_add_test(t, F03_a_limit_below_a_thousand_or_after_rows_is_an_error);
    tcase_add_test(t, F04_a_way_that_is_refused_before_a_row_came_goes_by_rows_and_says_so);
    tcase_add_test(t, F04_a_way_that_is_lost_after_rows_is_an_error_and_no_row_comes_twice);
    tcase_add_test(t, F04_a_statement_without_rows_never_meets_a_cursor_and_runs_once);
    tcase_add_test(t, F07_a_batch_with_other_columns_ends_the_stream);
    tcase_add_test(t, F07_rows_nobody_asked_for_are_nobodys_rows);
    tcase_add_test(t, F07_a_begin_that_begins_nothing_is_told);
    tcase_add_test(t, F05_a_stop_while_suspended_closes_the_portal_and_keeps_the_connection);
    tcase_add_test(t, F05_a_server_that_does_not_answer_a_stop_loses_its_connection_in_time);
    tcase_add_test(t, F07_a_connection_cut_in_each_step_ends_the_stream_once);
    tcase_add_test(t, F07_an_error_in_each_step_ends_the_stream_once_and_keeps_the_connection);
    tcase_add_test(t, F07_a_rollback_that_fails_or_is_cut_ends_the_stream_once);
    tcase_add_test(t, F07_each_allocation_of_each_way_may_fail);
    tcase_add_test(t, F07_each_send_and_recv_of_each_way_may_fail);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
