/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A19, A20, C08, D02, D14, X3: what is particular to Redshift, seen by an application, with a server on the
 * test's desk (support/desk.h) that talks as Redshift does: the version 8.0.2, the encoding UNICODE, tags
 * without a count, 57014 with the same text for every reason.
 */
#include "support/desk.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char *const column[] = {"n"};
static const char *const cells[] = {"1", "2", "3"};
#define THREE(text)                                                                                          \
    {                                                                                                        \
        .sql = text, .columns = column, .ncolumns = 1, .cells = cells, .nrows = 3, .tag = "SELECT"           \
    }
static const struct peer_statement statements[] = {
    THREE("select n from t"),
    THREE("/* report-7 */ select n from t where n < $1"),
    {.sql = "insert into t values (1)", .tag = "INSERT 0 1"},
    {.sql = "set query_group to 'nightly'", .tag = "SET"},
    {.sql = "reset query_group", .tag = "RESET"},
};
static const struct peer_config redshift = {
    .redshift = true, .statements = statements, .nstatements = sizeof statements / sizeof *statements};

static struct desk d;
static struct answer a[2];

static void start(const struct redw_options *o)
{
    memset(a, 0, sizeof a);
    desk_open(&d, &redshift, o);
}

static void finish(void)
{
    for (size_t i = 0; i < 2; i++)
        answer_release(&a[i]);
    desk_close(&d);
}

static void submit(unsigned i, const char *sql)
{
    lab_submit(&d.lab, &a[i], REDW_QUERY(sql));
    ck_assert_msg(a[i].id > 0, "%s", redw_client_why(d.lab.client));
    desk_turn(&d);
}

/* The server's words to the unit under way, which end it if they are an error. */
static void say(char type, const char *sqlstate, const char *message, const char *detail)
{
    struct redwi_error_field fields[5] = {
        {'S', type == 'E' ? "ERROR" : "INFO"}, {'C', sqlstate}, {'M', message}};
    if (detail)
        fields[3] = (struct redwi_error_field){'D', detail};
    redwi_be_put_error(&d.conns[0].peer.out, type, fields);
    if (type == 'E')
        redwi_be_put_ready(&d.conns[0].peer.out, 'I');
    desk_send(&d, 0);
}

/* --- the session --- */

static char startup[2000];
static void keep_startup(uint64_t connection, const char *line, size_t n, void *ctx)
{
    (void)connection, (void)ctx;
    if (memmem(line, n, "StartupMessage", 14))
        snprintf(startup, sizeof startup, "%.*s", (int)n, line);
}

START_TEST(A20_an_old_banner_another_encoding_and_tags_without_a_count_are_taken_as_they_are)
{
    start(REDW_OPTIONS(.pool_max = 1, .trace = keep_startup));
    submit(0, "select n from t");
    /* Nothing is asked first: no settings, no look into catalogues that are not there. */
    ck_assert_uint_eq(d.nconns, 1);
    ck_assert_uint_eq(d.conns[0].units, 1);
    ck_assert_str_eq(d.conns[0].sql[0], "select n from t");
    desk_serve(&d, 0, 1);
    answer_must_succeed(&a[0]);
    ck_assert_str_eq(redw_result_tag(a[0].res), "SELECT");
    ck_assert_int_eq(redw_result_affected(a[0].res), -1); /* not 0: the server gave none */
    ck_assert_uint_eq(redw_result_row_count(a[0].res), 3);
    submit(1, "insert into t values (1)");
    desk_serve(&d, 0, 1);
    answer_must_succeed(&a[1]);
    ck_assert_int_eq(redw_result_affected(a[1].res), 1);
    ck_assert_uint_eq(d.nconns, 1);
    finish();
    ck_assert_ptr_nonnull(strstr(startup, "\"user\""));
    ck_assert_ptr_null(strstr(startup, "extra_float_digits"));
    ck_assert_ptr_null(strstr(startup, "DateStyle"));
    ck_assert_ptr_null(strstr(startup, "options"));
}
END_TEST

START_TEST(A19_redshifts_names_are_sent_and_its_compression_is_not_asked_for)
{
    start(REDW_OPTIONS(.pool_max = 1, .trace = keep_startup));
    submit(0, "select n from t");
    ck_assert_str_eq(d.conns[0].peer.protocol, "2");
    ck_assert_int_eq(strncmp(d.conns[0].peer.driver, "redw ", 5), 0);
    ck_assert_str_ne(d.conns[0].peer.os, "");
    ck_assert_ptr_null(strstr(startup, "_pq_"));
    desk_serve(&d, 0, 1);
    answer_must_succeed(&a[0]);
    finish();
}
END_TEST

/* --- the fields of a request --- */

START_TEST(D02_parameters_timeout_group_and_label_belong_to_their_request_alone)
{
    start(REDW_OPTIONS(.pool_max = 1));
    lab_submit(&d.lab, &a[0],
               REDW_REQUEST(.sql = "select n from t where n < $1", REDW_PARAMS(redw_p_int64(9)),
                            .timeout_ms = 60000, .query_group = "nightly", .label = "report-7"));
    desk_turn(&d);
    ck_assert_uint_eq(d.conns[0].units, 2);
    ck_assert_str_eq(d.conns[0].sql[0], "Q set query_group to 'nightly'");
    ck_assert_str_eq(d.conns[0].sql[1], "/* report-7 */ select n from t where n < $1");
    desk_serve(&d, 0, 2);
    answer_must_succeed(&a[0]);

    submit(1, "select n from t");
    ck_assert_uint_eq(d.conns[0].units, 2);
    ck_assert_str_eq(d.conns[0].sql[0], "Q reset query_group");
    ck_assert_str_eq(d.conns[0].sql[1], "select n from t");
    desk_serve(&d, 0, 2);
    answer_must_succeed(&a[1]);
    finish();
}
END_TEST

/* D12 too: the client's own clock, also where the server never answers. */
START_TEST(D02_a_requests_timeout_ends_it_and_not_its_neighbour)
{
    start(REDW_OPTIONS(.pool_max = 2));
    lab_submit(&d.lab, &a[0], REDW_REQUEST(.sql = "select n from t", .timeout_ms = 50));
    submit(1, "insert into t values (1)");
    ck_assert(lab_wait(&d.lab, &a[0].calls, 1));
    desk_turn(&d);
    const redw_error *e = answer_error(&a[0]);
    ck_assert_int_eq(redw_error_class(e), REDW_CLASS_QUERY_TIMEOUT);
    ck_assert_int_eq(redw_error_cause(e), REDW_CAUSE_DEADLINE);
    ck_assert_uint_eq(a[1].calls, 0);
    desk_serve(&d, strcmp(d.conns[1].sql[0], "insert into t values (1)") == 0, 1);
    answer_must_succeed(&a[1]);
    finish();
}
END_TEST

/* --- the id of the query --- */

#define BLOCK(code)                                                                                          \
    "\n  -----------------------------------------------\n  error:  x\n  code:      " code                   \
    "\n  context:   y\n  query:     4711\n  location:  z.cpp:1\n  process:   p [pid=1]\n"                    \
    "  -----------------------------------------------\n"

START_TEST(D14_a_result_has_the_query_id_that_the_server_told_and_asks_for_none)
{
    start(REDW_OPTIONS(.pool_max = 1));
    submit(0, "select n from t");
    say('N', "00000", "told with the statement", BLOCK("1"));
    desk_serve(&d, 0, 1);
    answer_must_succeed(&a[0]);
    ck_assert_int_eq(redw_result_query_id(a[0].res), 4711);
    submit(1, "select n from t");
    desk_serve(&d, 0, 1);
    answer_must_succeed(&a[1]);
    ck_assert_int_eq(redw_result_query_id(a[1].res), -1); /* untold is -1, never the last one's */
    ck_assert_uint_eq(d.conns[0].units, 0);               /* and no unit of the client's own asks */
    finish();
}
END_TEST

/* --- who stopped it --- */

#define SAME "Query (4711) cancelled on user's request"

START_TEST(X3_57014_that_nobody_here_asked_for_is_told_by_what_it_proves)
{
    static const struct {
        const char *sqlstate, *message, *detail;
        enum redw_cause cause;
        enum redw_class cls;
    } rows[] = {
        {"57014", SAME, NULL, REDW_CAUSE_UNKNOWN, REDW_CLASS_QUERY_CANCELLED}, /* nobody is blamed for it */
        {"57014", "Query (4711) cancelled by WLM abort action of Query Monitoring Rule \"long\".", NULL,
         REDW_CAUSE_RULE, REDW_CLASS_QUERY_CANCELLED},
        {"XX000", "1020", BLOCK("1020"), REDW_CAUSE_SHUTDOWN, REDW_CLASS_QUERY_CANCELLED},
        {"57014", "system requested abort", BLOCK("1020"), REDW_CAUSE_SHUTDOWN, REDW_CLASS_QUERY_CANCELLED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        start(REDW_OPTIONS(.pool_max = 1));
        submit(0, "select n from t");
        say('E', rows[i].sqlstate, rows[i].message, rows[i].detail);
        const redw_error *e = answer_error(&a[0]);
        ck_assert_msg(redw_error_cause(e) == rows[i].cause && redw_error_class(e) == rows[i].cls,
                      "row %zu: %s, %s", i, redw_cause_name(redw_error_cause(e)),
                      redw_class_name(redw_error_class(e)));
        finish();
    }
}
END_TEST

START_TEST(X3_the_same_57014_is_the_callers_when_the_caller_asked)
{
    start(REDW_OPTIONS(.pool_max = 1));
    submit(0, "select n from t");
    ck_assert_int_eq(redw_cancel(d.lab.client, a[0].id), 0);
    desk_wait_conn(&d, 1);
    ck_assert(d.conns[1].cancel);
    desk_cut(&d, 1);
    say('E', "57014", SAME, NULL);
    const redw_error *e = answer_error(&a[0]);
    ck_assert_int_eq(redw_error_cause(e), REDW_CAUSE_CALLER);
    ck_assert_int_eq(redw_error_class(e), REDW_CLASS_QUERY_CANCELLED);
    ck_assert_int_eq(redw_result_cancel(a[0].res), REDW_CANCEL_STOPPED);
    finish();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redshift");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, A20_an_old_banner_another_encoding_and_tags_without_a_count_are_taken_as_they_are);
    tcase_add_test(t, A19_redshifts_names_are_sent_and_its_compression_is_not_asked_for);
    tcase_add_test(t, D02_parameters_timeout_group_and_label_belong_to_their_request_alone);
    tcase_add_test(t, D02_a_requests_timeout_ends_it_and_not_its_neighbour);
    tcase_add_test(t, D14_a_result_has_the_query_id_that_the_server_told_and_asks_for_none);
    tcase_add_test(t, X3_57014_that_nobody_here_asked_for_is_told_by_what_it_proves);
    tcase_add_test(t, X3_the_same_57014_is_the_callers_when_the_caller_asked);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
