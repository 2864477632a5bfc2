/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The n-th failure with query groups, on a Redshift on the test's desk (support/desk.h), which runs whatever
 * arrives whole, also on connections the client has given up. Six requests in a pipeline, of four groups, one that
 * fails and one whose group is refused; every allocation fails once and for ever, every recv and send in every way.
 *
 *   - a statement ran as often as was told: success or the server's error once, not sent and not executed never,
 *     unknown at most once
 *   - one that succeeded ran in its own group, unless a notice says otherwise
 *   - one callback each, the pool goes on, nothing is left
 */
#include "support/desk.h"
#include "support/sweep.h"
#include "support/told.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char *const column[] = {"c"};
#define ONE(name) {.sql = name, .columns = column, .ncolumns = 1, .cells = (const char *const[]){name}, .nrows = 1, \
                   .tag = "SELECT 1"}
static const struct peer_statement statements[] = {
    ONE("q0"), ONE("q1"), ONE("q3"), ONE("q4"), ONE("q5"), ONE("idle"),
    {.sql = "q2", .columns = column, .ncolumns = 1, .tag = "", .sqlstate = "22012"},
    {.sql = "set query_group to 'refused'", .tag = "", .sqlstate = "42501"},
};
static const struct peer_config redshift = {
    .redshift = true, .statements = statements, .nstatements = sizeof statements / sizeof *statements};

#define REQUESTS 6
static const char *const sqls[REQUESTS] = {"q0", "q1", "q2", "q3", "q4", "q5"};
static const char *const groups[REQUESTS] = {"etl", "etl", "dash", "", "refused", "etl"};

static struct desk d;
static struct told asks[REQUESTS];
static size_t notices[REQUESTS];
static unsigned ran[REQUESTS];
static bool ran_elsewhere[REQUESTS];       /* in another group */
static char group_of[DESK_CONNS][64];      /* of each session */
static char expected[REQUESTS + 1];

#define SWEEP_FAULT (&d.lab.fault)

static void on_done(const redw_result *res, void *ctx)
{
    struct told *t = ctx;
    told_done(res, t);
    notices[t - asks] = redw_result_notice_count(res);
}

/* What the unit does to its session, before it is answered. */
static void note(unsigned conn, const char *unit)
{
    char group[64] = "";
    if (strncmp(unit, "Q ", 2) == 0) {
        if (sscanf(unit, "Q set query_group to '%63[^']", group) == 1 && strcmp(group, "refused") == 0)
            return;
        memcpy(group_of[conn], group, sizeof group);
        return;
    }
    for (unsigned i = 0; i < REQUESTS; i++) {
        if (strcmp(unit, sqls[i]) == 0) {
            ran[i]++;
            ran_elsewhere[i] = strcmp(group_of[conn], groups[i]) != 0;
        }
    }
}

static void serve_all(void)
{
    desk_turn(&d);
    for (unsigned i = 0; i < d.nconns; i++) {
        while (d.conns[i].units > 0) {
            note(i, d.conns[i].sql[0]);
            desk_serve(&d, i, 1);
        }
    }
}

static bool all_ended(void)
{
    for (unsigned i = 0; i < REQUESTS; i++)
        if (asks[i].id > 0 && asks[i].calls == 0)
            return false;
    return true;
}

static void judge(const struct told *t, unsigned i, const struct sweep_point *p)
{
    char letter = told_letter(t);
    MUST(t->id > 0 || t->id == REDW_ENOMEM);
    MUST(t->calls == (t->id > 0));
    if (letter == 's' || t->code == REDW_ESERVER)
        MUST(ran[i] == 1);
    else if (letter == 'n' && i == 2) /* it ran and failed, and there was no memory for the words */
        MUST(ran[i] == 1);
    else if (letter == '?')
        MUST(ran[i] <= 1);
    else
        MUST(ran[i] == 0);
    if (letter == 's' && ran_elsewhere[i]) /* its group was refused, which may find no memory to be told */
        MUST(i == 4 && (notices[i] == 1 || p->c == FAULT_ALLOC));
}

/* The pool goes on, and knows which group its connection has. */
static void serve_again(void)
{
    struct answer a;
    lab_submit(&d.lab, &a, REDW_REQUEST(.sql = "idle", .query_group = "etl"));
    for (unsigned i = 0; i < 5000 && a.id > 0 && a.calls == 0; i++) {
        serve_all();
        if (a.calls == 0)
            lab_run_ms(&d.lab, 1);
    }
    MUST(a.id > 0 && a.calls == 1 && redw_result_error(a.res) == NULL);
    MUST(strcmp(group_of[d.nconns - 1], "etl") == 0);
    answer_release(&a);
}

static bool run_point(const struct sweep_point *p)
{
    char letters[REQUESTS + 1] = "";
    memset(asks, 0, sizeof asks);
    memset(notices, 0, sizeof notices);
    memset(ran, 0, sizeof ran);
    memset(ran_elsewhere, 0, sizeof ran_elsewhere);
    memset(group_of, 0, sizeof group_of);
    desk_open(&d, &redshift, REDW_OPTIONS(.pool_max = 1, .pipeline_max = 4));
    serve_again(); /* the connection is open, in the first group */
    fault_arm(&d.lab.fault, p->c, p->n, p->mode, p->kind);
    for (unsigned i = 0; i < REQUESTS; i++)
        asks[i].id = redw_submit(d.lab.client, REDW_REQUEST(.sql = sqls[i], .query_group = groups[i]), on_done,
                                 &asks[i]);
    for (unsigned i = 0; i < 5000 && !all_ended(); i++) {
        serve_all();
        if (!all_ended())
            lab_run_ms(&d.lab, 1);
    }
    bool fired = fault_fired(&d.lab.fault);
    fault_disarm(&d.lab.fault);
    serve_again();
    for (unsigned i = 0; i < REQUESTS; i++) {
        judge(&asks[i], i, p);
        letters[i] = told_letter(&asks[i]);
    }
    if (!expected[0])
        memcpy(expected, letters, sizeof expected);
    MUST(!p->harmless || strcmp(letters, expected) == 0);
    MUST(d.lab.probe.wakeups < 1000);
    desk_close(&d);
    return fired;
}

static const struct sweep sweep = {.name = "query groups", .run = run_point};

START_TEST(no_statement_runs_twice_or_unnoticed_in_another_group_whatever_fails)
{
    sweep_none(&sweep);
    ck_assert_str_eq(expected, "ssnsss");
    ck_assert_uint_eq(notices[4], 1);
    sweep_allocations(&sweep);
    sweep_calls(&sweep, FAULT_RECV);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("faults with query groups");
    TCase *t = tcase_create("faults with query groups");
    tcase_add_test(t, no_statement_runs_twice_or_unnoticed_in_another_group_whatever_fails);
    tcase_set_timeout(t, 240);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
