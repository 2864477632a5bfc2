/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examples/http_score.c inside a host made of a few lines: answers, no such user, a deadline, and the client
 * that goes away. (API program 1.)
 */
#include "support/pg.h"
#include <check.h>
#include <ev.h>
#include <stdio.h>

struct http;
void handle_score(struct http *http, void *server_ctx);
#include "../../examples/http_score.c"

struct http {
    const char *user;
    void (*gone)(void *ctx);
    void *gone_ctx;
    int status;
    char body[200];
    unsigned answers;
    struct ev_loop *loop;
};

const char *http_arg(struct http *h, const char *name)
{
    ck_assert_str_eq(name, "user");
    return h->user;
}

void http_answer(struct http *h, int status, const char *body)
{
    h->answers++;
    h->status = status;
    h->gone = NULL;
    snprintf(h->body, sizeof h->body, "%s", body);
}

void http_on_gone(struct http *h, void (*fn)(void *ctx), void *ctx)
{
    h->gone = fn;
    h->gone_ctx = ctx;
}

static void ran(const redw_result *res, void *ctx)
{
    unsigned *n = ctx;

    ck_assert_msg(!redw_result_error(res), "%s", redw_error_message(redw_result_error(res)));
    ++*n;
}

static void run_sql(redw_client *db, struct ev_loop *loop, const char *sql)
{
    unsigned n = 0;

    ck_assert_int_gt(redw_submit(db, REDW_QUERY(sql), ran, &n), 0);
    ev_run(loop, 0);
    ck_assert_uint_eq(n, 1);
}

static redw_client *open_client(struct ev_loop *loop)
{
    redw_client *db;
    struct redw_diag why;

    ck_assert_msg(redw_client_create(&db, loop, REDW_OPTIONS(.uri = pg_uri(), .pool_max = 3), &why) == 0, "%s",
                  why.text);
    return db;
}

START_TEST(a_score_is_answered_and_logged_and_an_unknown_user_is_404)
{
    struct ev_loop *loop = ev_loop_new(0);
    redw_client *db = open_client(loop);
    struct http known = {.user = "ada"}, unknown = {.user = "nobody"}, scoreless = {.user = "bob"};

    run_sql(db, loop, "drop table if exists accounts, scores, visits");
    run_sql(db, loop, "create table accounts (id int8, name text)");
    run_sql(db, loop, "create table scores (account int8, points int4)");
    run_sql(db, loop, "create table visits (account int8, score int8)");
    run_sql(db, loop, "insert into accounts values (1, 'ada'), (2, 'bob')");
    run_sql(db, loop, "insert into scores values (1, 40), (1, 2)");

    handle_score(&known, db);
    handle_score(&unknown, db);
    handle_score(&scoreless, db);
    ck_assert_uint_eq(known.answers + unknown.answers + scoreless.answers, 0); /* never inside submit */
    ev_run(loop, 0);
    ck_assert_int_eq(known.status, 200);
    ck_assert_int_eq(unknown.status, 404);
    ck_assert_int_eq(scoreless.status, 404);
    ck_assert_uint_eq(known.answers + unknown.answers + scoreless.answers, 3);
    run_sql(db, loop, "select 1 / (count(*) = 1 and min(score) = 42)::int from visits");
    redw_client_destroy(db);
    ev_loop_destroy(loop);
}
END_TEST

START_TEST(a_client_that_goes_away_at_any_step_gets_no_answer_and_leaks_nothing)
{
    struct ev_loop *loop = ev_loop_new(0);
    redw_client *db = open_client(loop);

    for (int turns = 0; turns < 12; turns++) {
        struct http http = {.user = "ada"};

        handle_score(&http, db);
        for (int i = 0; i < turns; i++)
            ev_run(loop, EVRUN_ONCE);
        if (http.gone)
            http.gone(http.gone_ctx);
        ev_run(loop, 0);
        ck_assert_uint_le(http.answers, 1);
    }
    redw_client_destroy(db);
    ev_loop_destroy(loop);
}
END_TEST

START_TEST(a_closing_client_is_503)
{
    struct ev_loop *loop = ev_loop_new(0);
    redw_client *db = open_client(loop);
    struct http http = {.user = "ada"};

    redw_client_close(db, 0, NULL, NULL);
    handle_score(&http, db);
    ck_assert_int_eq(http.status, 503);
    redw_client_destroy(db);
    ev_loop_destroy(loop);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("examples: http_score");
    TCase *t = tcase_create("http_score");
    SRunner *r;
    int failed;

    pg_server(); /* before the runner forks */
    tcase_add_test(t, a_score_is_answered_and_logged_and_an_unknown_user_is_404);
    tcase_add_test(t, a_client_that_goes_away_at_any_step_gets_no_answer_and_leaks_nothing);
    tcase_add_test(t, a_closing_client_is_503);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
