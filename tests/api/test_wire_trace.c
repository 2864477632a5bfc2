/* SPDX-License-Identifier: Apache-2.0 */
/*
 * M06: redw_options.trace shows each message of each connection as one line; secrets never, SQL and values
 * only if asked for.
 */
#include "support/lab.h"
#include "support/pg.h"
#include <check.h>
#include <stdio.h>
#include <string.h>

static char seen[64 * 1024];
static size_t nseen;
static uint64_t connections;

static void on_line(uint64_t connection, const char *line, size_t n, void *ctx)
{
    ck_assert_ptr_eq(ctx, seen);
    ck_assert_uint_ge(connection, 1);
    ck_assert_uint_le(connection, connections + 1);
    if (connection > connections)
        connections = connection;
    for (size_t i = 0; i < n; i++)
        if (line[i] != '\t' && (unsigned char)line[i] < 0x20)
            ck_abort_msg("a control byte in a line");
    int wrote = snprintf(seen + nseen, sizeof seen - nseen, "%llu\t%.*s\n", (unsigned long long)connection, (int)n,
                         line);
    ck_assert_uint_lt(nseen + (size_t)wrote, sizeof seen);
    nseen += (size_t)wrote;
}

/* One query over TLS and SCRAM with a value that must not leak, traced. */
static void trace_a_query(bool values)
{
    struct lab r;
    struct redw_diag why;

    nseen = 0;
    connections = 0;
    lab_open(&r);
    ck_assert_msg(lab_client(&r,
                             REDW_OPTIONS(.uri = pg_server()->uri, .password = pg_server()->password,
                                          .trace = on_line, .trace_ctx = seen, .trace_values = values),
                             &why) == 0,
                  "%s", why.text);
    struct answer a = lab_query(&r, REDW_QUERY("select 'sql-canary', $1::text", redw_p_text("value-canary")));
    answer_must_succeed(&a);
    answer_release(&a);
    ck_assert(lab_close(&r));
    ck_assert_ptr_null(strstr(seen, pg_server()->password));
    ck_assert_uint_eq(connections, 1);
}

static void expect_in_order(const char *const *parts, size_t n)
{
    const char *at = seen;

    for (size_t i = 0; i < n; i++) {
        at = strstr(at, parts[i]);
        ck_assert_msg(at != NULL, "%s is not there, or not in this place:\n%s", parts[i], seen);
    }
}

START_TEST(every_message_of_a_session_is_a_line_in_its_order)
{
    static const char *const parts[] = {
        "1\tF\t8\tSSLRequest",      "1\tB\t1\tSSLResponse", "Startup",        "Authentication", "F\t",
        "****",                     "Authentication\t 0",    "ParameterStatus", "BackendKeyData", "ReadyForQuery",
        "\tParse\t",                "\tBind\t",             "\tDescribe\t",    "\tExecute\t",    "\tSync",
        "ParseComplete",            "BindComplete",         "RowDescription",  "DataRow",        "CommandComplete",
        "ReadyForQuery",            "Terminate",
    };
    trace_a_query(false);
    expect_in_order(parts, sizeof parts / sizeof *parts);
}
END_TEST

START_TEST(sql_and_values_are_shown_only_if_asked_for)
{
    trace_a_query(false);
    ck_assert_ptr_null(strstr(seen, "canary"));
    trace_a_query(true);
    ck_assert_ptr_nonnull(strstr(seen, "sql-canary"));
    ck_assert_ptr_nonnull(strstr(seen, "value-canary"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wire trace");
    TCase *t = tcase_create("trace");
    SRunner *runner;
    int failed;

    pg_server(); /* before the runner forks */
    tcase_add_test(t, every_message_of_a_session_is_a_line_in_its_order);
    tcase_add_test(t, sql_and_values_are_shown_only_if_asked_for);
    suite_add_tcase(s, t);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
