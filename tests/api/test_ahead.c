/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes with a statement: the query group that is set ahead of it on Redshift, its label, and what a
 * result says besides rows. A server on the test's desk (support/desk.h) shows what is sent and when.
 */
#include "support/desk.h"

#include <check.h>
#include <errno.h>
#include <string.h>

static const char *const column[] = {"c"};
#define ONE(name) {.sql = name, .columns = column, .ncolumns = 1, .cells = (const char *const[]){name}, .nrows = 1, \
                   .tag = "SELECT 1"}
static const struct peer_statement statements[] = {
    ONE("s0"),
    ONE("s1"),
    ONE("s2"),
    ONE("/* nightly.load:7-a_B */ s0"),
    {.sql = "set query_group to 'refused'", .tag = "", .sqlstate = "42501"},
    {.sql = "set query_group to 'mine'", .tag = "SET"},
    {.sql = "begin", .tag = "BEGIN", .status = 'T'},
};
static const struct peer_config redshift = {
    .redshift = true, .statements = statements, .nstatements = sizeof statements / sizeof *statements};
static const struct peer_config postgres = {.statements = statements,
                                            .nstatements = sizeof statements / sizeof *statements};

static struct desk d;
static struct answer a[16];

static void start(const struct peer_config *server, const struct redw_options *o)
{
    memset(a, 0, sizeof a);
    desk_open(&d, server, o);
}

static void finish(void)
{
    for (size_t i = 0; i < 16; i++)
        answer_release(&a[i]);
    desk_close(&d);
}

/* group NULL: the client's. */
static void submit(unsigned i, const char *sql, const char *group)
{
    answer_release(&a[i]);
    lab_submit(&d.lab, &a[i], REDW_REQUEST(.sql = sql, .query_group = group));
    ck_assert_msg(a[i].id > 0, "%s", redw_client_why(d.lab.client));
}

/* Submits, and expects this on the connection: NULL, or the text of the Query, and then the statement. */
static void expect(const char *group, const char *query)
{
    unsigned n = 0;
    submit(0, "s0", group);
    desk_turn(&d);
    ck_assert_uint_eq(d.conns[0].units, query ? 2 : 1);
    if (query)
        ck_assert_str_eq(d.conns[0].sql[n++], query);
    ck_assert_str_eq(d.conns[0].sql[n++], "s0");
    desk_serve(&d, 0, n);
    ck_assert_str_eq(answer_text(&a[0]), "s0");
}

/* --- the query group --- */

/* D02 */
START_TEST(a_group_is_set_when_the_connection_has_another_one_and_only_then)
{
    start(&redshift, REDW_OPTIONS(.pool_max = 1));
    expect(NULL, NULL);
    expect("", NULL);
    expect("etl", "Q set query_group to 'etl'");
    expect("etl", NULL);
    expect("dash board", "Q set query_group to 'dash board'");
    expect(NULL, "Q reset query_group");
    expect(NULL, NULL);
    finish();
}
END_TEST

START_TEST(it_goes_in_the_same_flight)
{
    start(&redshift, REDW_OPTIONS(.pool_max = 1));
    expect(NULL, NULL);
    uint64_t sends = d.lab.fault.calls[FAULT_SEND];
    expect("etl", "Q set query_group to 'etl'");
    ck_assert_uint_eq(d.lab.fault.calls[FAULT_SEND], sends + 1);
    finish();
}
END_TEST

START_TEST(requests_that_name_no_group_have_the_clients)
{
    start(&redshift, REDW_OPTIONS(.pool_max = 1, .query_group = "service"));
    expect(NULL, "Q set query_group to 'service'");
    expect("", "Q reset query_group");
    expect(NULL, "Q set query_group to 'service'");
    finish();
}
END_TEST

START_TEST(other_servers_do_not_hear_of_it)
{
    start(&postgres, REDW_OPTIONS(.pool_max = 1, .query_group = "service"));
    expect(NULL, NULL);
    expect("etl", NULL);
    finish();
}
END_TEST

START_TEST(quotes_and_backslashes_are_doubled)
{
    char longest[321], query[400];
    start(&redshift, REDW_OPTIONS(.pool_max = 1));
    expect("o'b\\", "Q set query_group to 'o''b\\\\'");
    expect("'; drop table t; --", "Q set query_group to '''; drop table t; --'");
    memset(longest, 'x', 320);
    longest[320] = '\0';
    snprintf(query, sizeof query, "Q set query_group to '%s'", longest);
    expect(longest, query);
    finish();
}
END_TEST

START_TEST(a_group_that_is_refused_is_a_notice_of_its_statement_and_set_again_next_time)
{
    start(&redshift, REDW_OPTIONS(.pool_max = 1));
    for (int i = 0; i < 2; i++) {
        expect("refused", "Q set query_group to 'refused'");
        ck_assert_uint_eq(redw_result_notice_count(a[0].res), 1);
        ck_assert_str_eq(redw_error_sqlstate(redw_result_notice(a[0].res, 0)), "42501");
    }
    expect("etl", "Q set query_group to 'etl'");
    ck_assert_uint_eq(redw_result_notice_count(a[0].res), 0);
    expect("etl", NULL);
    finish();
}
END_TEST

START_TEST(several_in_flight_each_follow_their_own_group)
{
    start(&redshift, REDW_OPTIONS(.pool_max = 1, .pipeline_max = 8));
    submit(0, "s0", "etl");
    submit(1, "s1", "etl");
    submit(2, "s2", "refused");
    submit(3, "s0", "dash");
    submit(4, "s1", "dash");
    desk_turn(&d);
    static const char *const units[] = {"Q set query_group to 'etl'",  "s0", "s1", "Q set query_group to 'refused'", "s2",
                                        "Q set query_group to 'dash'", "s0", "s1"};
    ck_assert_uint_eq(d.conns[0].units, 8);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_str_eq(d.conns[0].sql[i], units[i]);
    desk_serve(&d, 0, 8);
    for (unsigned i = 0; i < 5; i++) {
        answer_must_succeed(&a[i]);
        ck_assert_uint_eq(redw_result_notice_count(a[i].res), i == 2);
    }
    expect("dash", NULL); /* the last one was taken: what failed before it is forgotten */
    finish();
}
END_TEST

START_TEST(a_set_of_the_applications_own_holds_until_the_next_request)
{
    start(&redshift, REDW_OPTIONS(.pool_max = 1));
    submit(1, "set query_group to 'mine'", NULL); /* nobody here has named a group yet: it is left alone */
    desk_turn(&d);
    desk_serve(&d, 0, 1);
    expect(NULL, NULL);
    expect("etl", "Q set query_group to 'etl'");
    submit(1, "set query_group to 'mine'", "etl");
    desk_turn(&d);
    desk_serve(&d, 0, 1);
    expect("etl", "Q set query_group to 'etl'");
    submit(1, "set query_group to 'mine'", "etl");
    desk_turn(&d);
    redw_forget(d.lab.client, a[1].id); /* unseen what it was */
    desk_wait_conn(&d, 1);
    desk_cut(&d, 1);
    desk_serve(&d, 0, 1);
    expect("etl", "Q set query_group to 'etl'");
    finish();
}
END_TEST

START_TEST(a_new_connection_has_no_group)
{
    start(&redshift, REDW_OPTIONS(.pool_max = 1));
    expect("etl", "Q set query_group to 'etl'");
    submit(1, "begin", "etl");
    desk_turn(&d);
    desk_serve(&d, 0, 1); /* left in a transaction: closed */
    submit(0, "s0", "etl");
    desk_turn(&d);
    ck_assert_uint_eq(d.nconns, 2);
    ck_assert_uint_eq(d.conns[1].units, 2);
    desk_serve(&d, 1, 2);
    ck_assert_str_eq(answer_text(&a[0]), "s0");
    finish();
}
END_TEST

/* So many bytes are still taken by sockets. */
static size_t budget;
static ssize_t (*real_send)(void *ctx, int fd, const void *p, size_t n);
static ssize_t short_send(void *ctx, int fd, const void *p, size_t n)
{
    if (budget == 0) {
        errno = EAGAIN;
        return -1;
    }
    ssize_t sent = real_send(ctx, fd, p, n < budget ? n : budget);
    if (sent > 0)
        budget -= (size_t)sent;
    return sent;
}

#define SET_BYTES (5 + sizeof "set query_group to 'etl'")

/* The socket takes nothing, a part of the SET, all of it, or a part of the statement too. */
START_TEST(what_was_not_sent_is_taken_back_with_what_was_ahead_of_it)
{
    static const struct {
        size_t sent;
        bool not_sent, set_arrives, statement_arrives;
    } cases[] = {{0, true, false, false}, {7, true, true, false}, {SET_BYTES, true, true, false},
                 {SET_BYTES + 9, false, true, true}};
    for (size_t i = 0; i < 4; i++) {
        start(&redshift, REDW_OPTIONS(.pool_max = 1));
        expect(NULL, NULL);
        real_send = d.lab.fault.sys.send;
        d.lab.fault.sys.send = short_send;
        budget = cases[i].sent;
        submit(0, "s0", "etl");
        desk_turn(&d);
        redw_cancel(d.lab.client, a[0].id);
        desk_turn(&d);
        ck_assert_uint_eq(a[0].calls, cases[i].not_sent);
        if (cases[i].not_sent) {
            ck_assert_int_eq(redw_error_outcome(answer_error(&a[0])), REDW_OUTCOME_NOT_SENT);
            ck_assert_int_eq(redw_result_cancel(a[0].res), REDW_CANCEL_NOT_SENT);
        }
        budget = SIZE_MAX;
        desk_turn(&d);
        ck_assert_uint_eq(d.conns[0].units, (unsigned)cases[i].set_arrives + cases[i].statement_arrives);
        if (d.conns[0].units)
            desk_serve(&d, 0, d.conns[0].units);
        if (d.nconns > 1)
            desk_cut(&d, 1);
        desk_turn(&d);
        ck_assert_uint_eq(a[0].calls, 1);
        submit(1, "s1", "etl");
        desk_turn(&d);
        ck_assert_uint_eq(d.conns[0].units, cases[i].set_arrives ? 1 : 2);
        desk_serve(&d, 0, d.conns[0].units);
        ck_assert_str_eq(answer_text(&a[1]), "s1");
        d.lab.fault.sys.send = real_send;
        finish();
    }
}
END_TEST

START_TEST(a_set_that_is_never_answered_ends_with_its_connection)
{
    start(&redshift, REDW_OPTIONS(.pool_max = 1, .cancel_timeout_ms = 40));
    expect(NULL, NULL);
    real_send = d.lab.fault.sys.send;
    d.lab.fault.sys.send = short_send;
    budget = 7;
    submit(0, "s0", "etl");
    desk_turn(&d);
    redw_cancel(d.lab.client, a[0].id);
    budget = SIZE_MAX;
    submit(1, "s1", "etl");
    desk_turn(&d);
    desk_wait_conn(&d, 1);
    desk_serve(&d, 1, 2);
    ck_assert_str_eq(answer_text(&a[1]), "s1");
    d.lab.fault.sys.send = real_send;
    finish();
}
END_TEST

START_TEST(a_connection_that_breaks_behind_the_set_is_not_sent_for_its_statement)
{
    start(&redshift, REDW_OPTIONS(.pool_max = 1, .connect_retries = REDW_NONE));
    expect(NULL, NULL);
    real_send = d.lab.fault.sys.send;
    d.lab.fault.sys.send = short_send;
    budget = SET_BYTES;
    submit(0, "s0", "etl");
    desk_turn(&d);
    desk_cut(&d, 0);
    desk_turn(&d);
    ck_assert_int_eq(redw_error_outcome(answer_error(&a[0])), REDW_OUTCOME_NOT_SENT);
    d.lab.fault.sys.send = real_send;
    finish();
}
END_TEST

START_TEST(each_allocation_may_fail_once_and_no_statement_runs_twice_or_without_its_answer)
{
    static const char *const groups[] = {"etl", "etl", "dash", ""};
    uint64_t n = 1;
    for (bool fired = true; fired; n++) {
        unsigned runs[4] = {0};
        start(&redshift, REDW_OPTIONS(.pool_max = 1, .pipeline_max = 4));
        expect(NULL, NULL);
        fault_arm(&d.lab.fault, FAULT_ALLOC, n, FAULT_ONCE, FAULT_NO_MEMORY);
        for (unsigned i = 0; i < 4; i++)
            lab_submit(&d.lab, &a[i + 1], REDW_REQUEST(.sql = i % 2 ? "s1" : "s0", .query_group = groups[i]));
        desk_turn(&d);
        fired = fault_fired(&d.lab.fault);
        fault_disarm(&d.lab.fault);
        for (unsigned i = 0; i < d.conns[0].units; i++) {
            bool is_set = strncmp(d.conns[0].sql[i], "Q ", 2) == 0;
            runs[is_set ? 0 : 1]++;
            /* A SET that was written for a statement that then was not is gone too. */
            ck_assert(!is_set || (i + 1 < d.conns[0].units && strncmp(d.conns[0].sql[i + 1], "Q ", 2) != 0));
        }
        if (d.conns[0].units)
            desk_serve(&d, 0, d.conns[0].units);
        unsigned succeeded = 0;
        for (unsigned i = 1; i < 5; i++)
            succeeded += a[i].id > 0 && a[i].calls == 1 && !redw_result_error(a[i].res);
        ck_assert_uint_eq(runs[1], succeeded);
        submit(0, "s0", "other");
        desk_turn(&d);
        desk_serve(&d, d.nconns - 1, d.conns[d.nconns - 1].units);
        ck_assert_str_eq(answer_text(&a[0]), "s0");
        finish();
    }
    ck_assert_uint_gt(n, 8);
    printf("query group: %llu allocations failed in turn\n", (unsigned long long)n - 2);
}
END_TEST

/* --- the label --- */

/* D02 */
START_TEST(a_label_goes_ahead_of_the_statement_as_a_comment)
{
    start(&postgres, REDW_OPTIONS(.pool_max = 1));
    lab_submit(&d.lab, &a[0], REDW_REQUEST(.sql = "s0", .label = "nightly.load:7-a_B"));
    desk_turn(&d);
    ck_assert_str_eq(d.conns[0].sql[0], "/* nightly.load:7-a_B */ s0");
    desk_serve(&d, 0, 1);
    ck_assert_str_eq(answer_text(&a[0]), "/* nightly.load:7-a_B */ s0");
    finish();
}
END_TEST

/* The server's words to the unit that was served last, instead of those it has by itself. */
static void fail_with(char type, const char *position, const char *detail)
{
    struct redwi_error_field fields[8] = {{'S', "ERROR"}, {'C', "XX000"}, {'M', "no"}};
    size_t n = 3;
    if (position)
        fields[n++] = (struct redwi_error_field){'P', position};
    if (detail)
        fields[n++] = (struct redwi_error_field){'D', detail};
    fields[n++] = (struct redwi_error_field){'F', "parse.c"};
    redwi_be_put_error(&d.conns[0].peer.out, type, fields);
}

START_TEST(positions_in_errors_are_those_of_the_callers_text)
{
    static const struct {
        const char *label, *said, *told;
    } cases[] = {
        {"x", "9", "1"},       {"x", "10", "2"},   {"x", "108", "100"}, {"x", "1000", "992"},
        {"x", "8", "8"}, /* inside the label: nobody says that */
        {"x", "0", "0"},       {"x", "", ""},      {"x", "ten", "ten"}, {"x", "-9", "-9"},
        {"x", "99999999999999999999", "99999999999999999999"},
        {NULL, "9", "9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        start(&postgres, REDW_OPTIONS(.pool_max = 1));
        lab_submit(&d.lab, &a[0], REDW_REQUEST(.sql = "nobody knows it", .label = cases[i].label));
        desk_turn(&d);
        fail_with('N', cases[i].said, NULL);
        fail_with('E', cases[i].said, NULL);
        redwi_be_put_ready(&d.conns[0].peer.out, 'I');
        desk_send(&d, 0);
        const redw_error *both[] = {answer_error(&a[0]), redw_result_notice(a[0].res, 0)};
        for (size_t k = 0; k < 2; k++) {
            redw_slice p = redw_error_field(both[k], 'P'), f = redw_error_field(both[k], 'F');
            ck_assert_ptr_nonnull(p.ptr);
            ck_assert_str_eq(p.ptr, cases[i].told);
            ck_assert_uint_eq(p.len, strlen(cases[i].told));
            ck_assert_str_eq(f.ptr, "parse.c"); /* what is behind it is still there */
            ck_assert_ptr_null(redw_error_field(both[k], 'R').ptr);
        }
        finish();
    }
}
END_TEST

/* --- what a result says besides rows --- */

/* D14 */
START_TEST(the_query_id_is_that_of_the_error_or_of_the_first_notice_that_has_one)
{
    static const char block[] = "\n  -----------------------------------------------\n  error:  x\n  code:      1023\n"
                                "  context:   y\n  query:     4711\n  location:  z.cpp:1\n  process:   p [pid=1]\n"
                                "  -----------------------------------------------\n";
    for (int how = 0; how < 3; how++) {
        start(&redshift, REDW_OPTIONS(.pool_max = 1));
        submit(0, "nobody knows it", NULL);
        desk_turn(&d);
        if (how == 1) {
            fail_with('N', NULL, NULL);
            fail_with('N', NULL, block);
        }
        fail_with('E', NULL, how == 2 ? block : NULL);
        redwi_be_put_ready(&d.conns[0].peer.out, 'I');
        desk_send(&d, 0);
        ck_assert_ptr_nonnull(answer_error(&a[0]));
        ck_assert_int_eq(redw_result_query_id(a[0].res), how ? 4711 : -1);
        finish();
    }
}
END_TEST

/* --- what is refused --- */

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

START_TEST(labels_and_groups_that_could_be_anything_else_are_refused_by_name)
{
    static const char *const labels[] = {"",     "a b",    "*/",  "/*",     "a*b", "gr\xc3\xbc\xc3\x9f", "a\n",
                                         "a;b", "a'",     "a\\", X64 "x",  "\x7f"};
    static const char *const groups[] = {"a\nb", "\t", "\x7f", "\xff", X64 X64 X64 X64 X64 "x"};
    struct redw_diag why;
    start(&redshift, REDW_OPTIONS(.pool_max = 1));
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        ck_assert_int_eq((int)redw_submit(d.lab.client, REDW_REQUEST(.sql = "s0", .label = labels[i]), answer_done, &a[0]),
                         REDW_EINVAL);
        ck_assert_msg(strncmp(redw_client_why(d.lab.client), "label ", 6) == 0, "%s", redw_client_why(d.lab.client));
    }
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        ck_assert_int_eq(
            (int)redw_submit(d.lab.client, REDW_REQUEST(.sql = "s0", .query_group = groups[i]), answer_done, &a[0]),
            REDW_EINVAL);
        ck_assert_msg(strncmp(redw_client_why(d.lab.client), "query_group ", 12) == 0, "%s",
                      redw_client_why(d.lab.client));
    }
    lab_submit(&d.lab, &a[0], REDW_REQUEST(.sql = "s0", .label = X64)); /* the longest */
    ck_assert_int_gt(a[0].id, 0);
    redw_forget(d.lab.client, a[0].id);
    redw_client_destroy(d.lab.client);
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        ck_assert_int_eq(desk_client(&d, REDW_OPTIONS(.query_group = groups[i]), &why), REDW_EINVAL);
        ck_assert_msg(strncmp(why.text, "query_group ", 12) == 0, "%s", why.text);
    }
    d.lab.client = NULL;
    finish();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ahead");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_group_is_set_when_the_connection_has_another_one_and_only_then);
    tcase_add_test(t, it_goes_in_the_same_flight);
    tcase_add_test(t, requests_that_name_no_group_have_the_clients);
    tcase_add_test(t, other_servers_do_not_hear_of_it);
    tcase_add_test(t, quotes_and_backslashes_are_doubled);
    tcase_add_test(t, a_group_that_is_refused_is_a_notice_of_its_statement_and_set_again_next_time);
    tcase_add_test(t, several_in_flight_each_follow_their_own_group);
    tcase_add_test(t, a_set_of_the_applications_own_holds_until_the_next_request);
    tcase_add_test(t, a_new_connection_has_no_group);
    tcase_add_test(t, what_was_not_sent_is_taken_back_with_what_was_ahead_of_it);
    tcase_add_test(t, a_set_that_is_never_answered_ends_with_its_connection);
    tcase_add_test(t, a_connection_that_breaks_behind_the_set_is_not_sent_for_its_statement);
    tcase_add_test(t, each_allocation_may_fail_once_and_no_statement_runs_twice_or_without_its_answer);
    tcase_add_test(t, a_label_goes_ahead_of_the_statement_as_a_comment);
    tcase_add_test(t, positions_in_errors_are_those_of_the_callers_text);
    tcase_add_test(t, the_query_id_is_that_of_the_error_or_of_the_first_notice_that_has_one);
    tcase_add_test(t, labels_and_groups_that_could_be_anything_else_are_refused_by_name);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
