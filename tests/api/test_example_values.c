/* SPDX-License-Identifier: Apache-2.0 */
/*
 * E04: examples/values.c inside a host (API program 8): sales inserted by a batch, read into structs, printed; a
 * set that is refused; a select list that moved; an answer that outlives its client.
 */
#include "support/pg.h"
#include <check.h>
#include <ev.h>
#include <stdio.h>
#include <string.h>
#include <redw.h>
#include <unistd.h>

struct cache;
struct sale;
void print_sales(FILE *to, const struct cache *c);
int refresh_and_insert(struct cache *c, const struct sale *sales, size_t n);
#include "../../examples/values.c"

static struct ev_loop *loop;
static struct cache cache;

static void on_run(const redw_result *res, void *ctx)
{
    (void)ctx;
    ck_assert_ptr_null(redw_result_error(res));
}

static void must_run(const char *sql)
{
    ck_assert_int_gt(redw_submit(cache.db, REDW_QUERY(sql), on_run, NULL), 0);
    ev_run(loop, 0);
}

static void setup(void)
{
    struct redw_diag why;

    loop = ev_loop_new(0);
    cache = (struct cache){0};
    ck_assert_msg(redw_client_create(&cache.db, loop, REDW_OPTIONS(.uri = pg_uri(), .pool_max = 1), &why) == 0, "%s",
                  why.text);
    must_run("drop table if exists sales");
    must_run("create table sales (id int8 primary key, region varchar(32), revenue numeric(38,4), sold_at timestamptz)");
}

static void teardown(void)
{
    redw_result_release(cache.sales);
    redw_client_destroy(cache.db);
    ev_loop_destroy(loop);
}

static const char *printed(void)
{
    static char text[1000];
    FILE *to = fmemopen(text, sizeof text, "w");

    ck_assert_ptr_nonnull(to);
    print_sales(to, &cache);
    fclose(to);
    return text;
}

/* What a round of the program says on standard output and standard error. */
static const char *said(const struct sale *sales, size_t n)
{
    static char text[400];
    FILE *to = tmpfile();
    int out = dup(1), err = dup(2);

    ck_assert(to && out >= 0 && err >= 0);
    ck_assert(fflush(NULL) == 0 && dup2(fileno(to), 1) == 1 && dup2(fileno(to), 2) == 2);
    int rc = refresh_and_insert(&cache, sales, n);
    ev_run(loop, 0);
    ck_assert(fflush(NULL) == 0 && dup2(out, 1) == 1 && dup2(err, 2) == 2);
    close(out), close(err);
    rewind(to);
    text[fread(text, 1, sizeof text - 1, to)] = '\0';
    fclose(to);
    ck_assert_int_eq(rc, 0);
    return text;
}

static const struct sale sales[] = {
    {.id = 1, .region = {"north", 5}, .revenue = {.lo = 123400, .scale = 4}, .sold_at = {INT64_C(1709210096789012)}},
    {.id = 2, .region = {"s\xc3\xbc" "d", 4}, .no_revenue = true, .sold_at = {0}},
    {.id = INT64_MIN, .region = {"", 0}, .revenue = {.lo = 1, .negative = true, .scale = 4}, .sold_at = {INT64_MAX}},
};
static const struct sale last_sale = {.id = 3, .region = {"west", 4}, .no_revenue = true, .sold_at = {0}};

static void insert_some(void)
{
    ck_assert_str_eq(said(sales, 3), "3 rows\n");
    ck_assert_str_eq(printed(), ""); /* the answer is from before */
    ck_assert_str_eq(said(&last_sale, 1), "1 rows\n");
}

#define SALES                                                                                                    \
    "-9223372036854775808  -0.0001 infinity\n"                                                                   \
    "1 north 12.3400 2024-02-29 12:34:56.789012+00\n"                                                            \
    "2 s\xc3\xbc" "d - 1970-01-01 00:00:00+00\n"

START_TEST(values_go_there_and_back)
{
    ck_assert_str_eq(printed(), "");
    insert_some();
    ck_assert_str_eq(printed(), SALES);
}
END_TEST

START_TEST(one_set_of_a_thousand_that_is_refused_is_named_and_nothing_is_kept)
{
    static struct sale many[1000];

    insert_some();
    for (int i = 0; i < 1000; i++)
        many[i] = (struct sale){.id = 100 + i, .region = {"east", 4}, .no_revenue = true};
    many[617].id = 1;
    const char *text = said(many, 1000);
    ck_assert_int_eq(strncmp(text, "set 617: ", 9), 0);
    ck_assert_ptr_nonnull(strstr(text, "; nothing was kept\n"));
    many[617].id = 99;
    ck_assert_str_eq(said(many, 1000), "1000 rows\n"); /* nothing was */
    many[3].region = (redw_slice){"a region of more than 32 characters", 35};
    many[3].id = 7;
    text = said(many + 3, 1);
    ck_assert_int_eq(strncmp(text, "set 0: ", 7), 0);
    must_run("drop table sales");
    text = said(many, 10);
    ck_assert_ptr_null(strstr(text, "set "));
}
END_TEST

START_TEST(an_answer_that_is_kept_outlives_the_next_and_the_client)
{
    insert_some();
    must_run("drop table sales");
    said(sales, 1); /* fails, and the last answer stays */
    redw_client_destroy(cache.db);
    cache.db = NULL;
    ck_assert_str_eq(printed(), SALES);
}
END_TEST

START_TEST(a_select_list_that_moved_is_told_in_words)
{
    insert_some();
    must_run("alter table sales alter revenue type float8");
    said(sales, 1);
    ck_assert_str_eq(printed(), "column revenue: double precision, wanted decimal\n");
    must_run("alter table sales rename revenue to amount");
    ck_assert_int_gt(redw_submit(cache.db, REDW_QUERY("select * from sales"), on_sales, &cache), 0);
    ev_run(loop, 0);
    ck_assert_str_eq(printed(), "column 3 is amount, wanted revenue\n");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("examples: values");
    TCase *t = tcase_create("values");
    SRunner *r;
    int failed;

    pg_server(); /* before the runner forks */
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, values_go_there_and_back);
    tcase_add_test(t, one_set_of_a_thousand_that_is_refused_is_named_and_nothing_is_kept);
    tcase_add_test(t, an_answer_that_is_kept_outlives_the_next_and_the_client);
    tcase_add_test(t, a_select_list_that_moved_is_told_in_words);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
