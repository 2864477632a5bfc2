/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The examples that are programs of their own, run as a user runs them: hello (the README's), poll_loop (the same
 * on another loop), export_tsv (API program 2) into a pipe that is read slowly and in pieces, and the demo with a
 * URI.
 */
#include "support/pg.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Starts a program of this tree's examples and returns the stream of its output. */
static FILE *start(const char *program, const char *arguments)
{
    const char *tree = getenv("REDW_TEST_TREE");
    char command[2048];
    FILE *out;

    snprintf(command, sizeof command, "%s/examples/%s %s", tree ? tree : "build/gcc-plain", program, arguments);
    setenv("REDSHIFT_URI", pg_uri(), 1);
    out = popen(command, "r");
    ck_assert_ptr_nonnull(out);
    return out;
}

START_TEST(the_readme_example_prints_its_row)
{
    FILE *out = start("hello", "");
    char line[200] = "";

    ck_assert_ptr_nonnull(fgets(line, sizeof line, out));
    ck_assert_str_eq(line, "redw has 4 letters\n");
    ck_assert_int_eq(pclose(out), 0);
}
END_TEST

START_TEST(the_same_on_a_loop_made_of_poll_prints_its_row_too)
{
    FILE *out = start("poll_loop", "");
    char line[200] = "";

    ck_assert_ptr_nonnull(fgets(line, sizeof line, out));
    ck_assert_str_eq(line, "redw has 4 letters\n");
    ck_assert_int_eq(pclose(out), 0);
}
END_TEST

START_TEST(the_export_writes_every_row_once_however_slowly_it_is_read)
{
    FILE *out;
    char line[400];
    long id, expected = 1;

    /* A view, because a table's rows come in no order of their own. */
    pg_sql("drop view if exists events; drop table if exists events_stored; "
           "create table events_stored (id int, year int, note text); "
           "insert into events_stored select i, 2024, case when i % 10 = 0 then null else repeat('x', i % 200) end "
           "from generate_series(1, 30000) i; insert into events_stored values (0, 2023, 'not asked for'); "
           "create view events as select * from events_stored order by id");
    out = start("export_tsv", "");
    while (fgets(line, sizeof line, out)) {
        char *rest;

        id = strtol(line, &rest, 10);
        ck_assert_int_eq(id, expected);
        ck_assert_int_eq(strncmp(rest, "\t2024\t", 6), 0);
        rest += 6;
        if (id % 10 == 0)
            ck_assert_str_eq(rest, "\\N\n");
        else
            ck_assert_uint_eq(strlen(rest), (size_t)(id % 200) + 1);
        expected++;
    }
    ck_assert_int_eq(expected, 30001);
    ck_assert_int_eq(pclose(out), 0);
}
END_TEST

START_TEST(the_demo_runs_to_its_table)
{
    char argument[1300], line[400], last[400] = "";
    FILE *out;

    snprintf(argument, sizeof argument, "'%s' 2>/dev/null", pg_uri());
    out = start("demo", argument);
    while (fgets(line, sizeof line, out))
        snprintf(last, sizeof last, "%s", line);
    ck_assert_int_eq(pclose(out), 0);
    /* ids 1..10^6, accounts i * 7919 mod 100003, amounts floor(i / 4), and the accounts of the 20,000 queries:
     * computed apart from the library. */
    ck_assert_str_eq(last, "checksum over all values read: 676001269744\n");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("examples: programs");
    TCase *t = tcase_create("programs");
    SRunner *r;
    int failed;

    pg_server(); /* before the runner forks */
    tcase_add_test(t, the_readme_example_prints_its_row);
    tcase_add_test(t, the_same_on_a_loop_made_of_poll_prints_its_row_too);
    tcase_add_test(t, the_export_writes_every_row_once_however_slowly_it_is_read);
    tcase_add_test(t, the_demo_runs_to_its_table);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
