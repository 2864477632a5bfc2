/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several clients on one loop: to different servers and roles, over TLS, plain TCP, unix sockets and
 * PgBouncer. None waits for, ends with, or answers for another; the loop runs as long as any has work.
 */
#include "support/pg.h"

#include <check.h>
#include <ev.h>
#include <redw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 6, REQUESTS = 200 };

struct member {
    redw_client *db;
    int number;
    unsigned asked, answered, wrong, failed;
    char user[32];
    struct member *destroys; /* another client, from inside a callback of this one */
    unsigned destroys_at;
};

static struct ev_loop *loop;
static struct member members[CLIENTS];

static void add_member(struct member *m, const char *uri, const char *user)
{
    struct redw_diag why;
    *m = (struct member){.number = (int)(m - members)};
    snprintf(m->user, sizeof m->user, "%s", user);
    int rc = redw_client_create(
        &m->db, loop, REDW_OPTIONS(.uri = uri, .password = pg_server()->password, .pool_max = 2), &why);
    ck_assert_msg(rc == 0, "%s: %s", uri, why.text);
}

static unsigned add_all(void)
{
    const struct pg_server *pg = pg_server();
    unsigned n = 0;
    add_member(&members[n++], pg->uri, "redw");
    add_member(&members[n++], pg->plainuri, "plain");
    add_member(&members[n++], pg->unixuri, "redw");
    add_member(&members[n++], pg->uri, "redw");
    if (pg->bouncerplainuri[0])
        add_member(&members[n++], pg->bouncerplainuri, "plain");
    return n;
}

static void ask(struct member *m);

static void on_answer(const redw_result *res, void *ctx)
{
    struct member *m = ctx;
    redw_row row;
    redw_slice user;
    int32_t number = -1;

    m->answered++;
    if (redw_result_error(res)) {
        m->failed++;
    } else if (!redw_result_first(res, &row) || redw_row_int32(&row, 0, &number) != REDW_OK ||
               number != m->number || redw_row_text(&row, 1, &user) != REDW_OK ||
               strcmp(user.ptr, m->user) != 0) {
        m->wrong++;
    }
    if (m->destroys && m->answered == m->destroys_at) {
        redw_client_destroy(m->destroys->db);
        m->destroys->db = NULL;
    }
    if (m->db && m->asked < REQUESTS && !m->failed)
        ask(m);
}

static void ask(struct member *m)
{
    redw_id id = redw_submit(m->db, REDW_QUERY("select $1, current_user::text", redw_p_int32(m->number)),
                             on_answer, m);
    ck_assert_msg(id > 0, "%s", redw_client_why(m->db));
    m->asked++;
}

static void begin(void)
{
    loop = ev_loop_new(EVFLAG_AUTO);
    ck_assert_ptr_nonnull(loop);
}

static void end(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        redw_client_destroy(members[i].db);
    ev_run(loop, 0); /* nothing of theirs is left in it */
    ev_loop_destroy(loop);
}

START_TEST(each_gets_its_own_answers_and_the_loop_ends_with_the_last)
{
    begin();
    unsigned n = add_all();
    for (unsigned round = 0; round < 8; round++) { /* mixed up */
        for (unsigned i = 0; i < n; i++)
            ask(&members[i]);
    }
    ev_run(loop, 0);
    for (unsigned i = 0; i < n; i++) {
        ck_assert_uint_eq(members[i].asked, REQUESTS);
        ck_assert_uint_eq(members[i].answered, REQUESTS);
        ck_assert_uint_eq(members[i].wrong + members[i].failed, 0);
    }
    end(n);
}
END_TEST

START_TEST(one_destroyed_from_a_callback_of_another_takes_nobody_with_it)
{
    begin();
    unsigned n = add_all();
    members[0].destroys = &members[1]; /* each request of the destroyed one still ends exactly once */
    members[0].destroys_at = 50;
    for (unsigned round = 0; round < 8; round++) {
        for (unsigned i = 0; i < n; i++)
            ask(&members[i]);
    }
    ev_run(loop, 0);
    ck_assert_ptr_null(members[1].db);
    for (unsigned i = 0; i < n; i++) {
        ck_assert_uint_eq(members[i].answered, members[i].asked);
        ck_assert_uint_eq(members[i].wrong, 0);
        ck_assert(i == 1 || (members[i].asked == REQUESTS && members[i].failed == 0));
    }
    end(n);
}
END_TEST

START_TEST(one_that_reaches_no_server_does_not_hold_up_the_others)
{
    begin();
    unsigned n = add_all();
    struct member *lost = &members[n];
    struct redw_diag why;
    *lost = (struct member){.number = (int)n};
    /* Reserved for documentation (RFC 5737): silent, or refused at once by a network without a route. */
    ck_assert_int_eq(redw_client_create(&lost->db, loop,
                                        REDW_OPTIONS(.uri = "postgresql://u@192.0.2.1/d?sslmode=disable",
                                                     .connect_timeout_ms = 1500, .request_timeout_ms = 3000),
                                        &why),
                     0);
    ask(lost);
    for (unsigned i = 0; i < n; i++)
        ask(&members[i]);
    ev_run(loop, 0);
    ck_assert_uint_eq(lost->answered, 1);
    ck_assert_uint_eq(lost->failed, 1);
    for (unsigned i = 0; i < n; i++) {
        ck_assert_uint_eq(members[i].answered, REQUESTS);
        ck_assert_uint_eq(members[i].wrong + members[i].failed, 0);
    }
    end(n + 1);
}
END_TEST

static void on_first(const redw_result *res, void *ctx)
{
    (void)ctx;
    ck_assert_ptr_null(redw_result_error(res));
    add_member(&members[1], pg_server()->plainuri, "plain");
    members[1].asked = REQUESTS - 1; /* one more, and that is all */
    ask(&members[1]);
}

START_TEST(one_may_be_made_and_used_inside_a_callback_of_another)
{
    begin();
    add_member(&members[0], pg_server()->uri, "redw");
    ck_assert_int_gt(redw_submit(members[0].db, REDW_QUERY("select 1"), on_first, NULL), 0);
    ev_run(loop, 0);
    ck_assert_uint_eq(members[1].answered, 1);
    ck_assert_uint_eq(members[1].wrong + members[1].failed, 0);
    end(2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("clients");
    TCase *t = tcase_create("clients");
    SRunner *r;
    int failed;

    pg_server(); /* before the runner forks */
    tcase_add_test(t, each_gets_its_own_answers_and_the_loop_ends_with_the_last);
    tcase_add_test(t, one_destroyed_from_a_callback_of_another_takes_nobody_with_it);
    tcase_add_test(t, one_that_reaches_no_server_does_not_hold_up_the_others);
    tcase_add_test(t, one_may_be_made_and_used_inside_a_callback_of_another);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
