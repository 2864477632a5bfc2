/* SPDX-License-Identifier: Apache-2.0 */
/*
 * E05: prepared statements through failures: each allocation fails, and the connection is cut in every phase; what
 * was inserted is counted by the server.
 */
#include "api/lab_stage.h"
#include "support/sweep.h"

static void ledger(void)
{
    pg_sql("set client_min_messages = error; drop table if exists stmt_ledger; create table stmt_ledger (i int4)");
}

/* A session that prepares, runs, is made to prepare anew, releases: true if all of it worked. What was inserted
 * and said to be inserted is counted. */
static bool run_session(int *inserted, int *perhaps)
{
    redw_stmt *s = NULL;
    bool ok = redw_stmt_create(&s, r.client, "insert into stmt_ledger values ($1) returning i, 'text'", NULL) == 0;

    for (int i = 0; i < 6 && s; i++) {
        struct answer a;
        if (i == 3) {
            lab_submit(&r, &a, REDW_QUERY("deallocate all"));
        } else {
            lab_submit(&r, &a, i % 2 ? REDW_EXEC(s, redw_p_int32(i))
                                     : REDW_REQUEST(.stmt = s, .wire = REDW_WIRE_AUTO,
                                                    REDW_PARAMS(i == 4 ? redw_p_int64(i) : redw_p_int32(i))));
        }
        if (a.id < 0) {
            ck_assert_int_eq((int)a.id, REDW_ENOMEM);
            ok = false;
            continue;
        }
        ck_assert(lab_wait(&r, &a.calls, 1));
        const redw_error *e = answer_error(&a);
        if (!e && i != 3)
            ck_assert_uint_eq(redw_result_row_count(a.res), 1);
        *inserted += !e && i != 3;
        *perhaps += e && i != 3 && redw_error_outcome(e) == REDW_OUTCOME_UNKNOWN;
        if (e)
            ck_assert_msg(redw_error_code(e) != REDW_ESERVER, "%s", redw_error_message(e));
        ok = ok && !e;
        answer_release(&a);
    }
    redw_stmt_release(s);
    return ok;
}

/* One session with one fault. False: it has not so many calls. */
static bool survive(const struct sweep_point *p)
{
    int inserted = 0, perhaps = 0;
    struct redw_diag why;
    char text[96];

    lab_open(&r);
    fault_arm(&r.fault, p->c, p->n, p->mode, p->kind);
    int rc = lab_client(&r, REDW_OPTIONS(.uri = pg_server()->unixuri, .password = pg_server()->password, .pool_max = 1),
                        &why);
    bool ok = rc == 0 && run_session(&inserted, &perhaps);
    bool fired = fault_fired(&r.fault);
    fault_disarm(&r.fault);
    if (rc == 0 && fired) { /* the same client serves again */
        int again = 0, not = 0;
        ck_assert_msg(run_session(&again, &not), "%s", fault_text(&r.fault, text, sizeof text));
        inserted += again;
    }
    long rows = pg_number("with d as (delete from stmt_ledger returning 1) select count(*) from d");
    ck_assert_msg(fired || ok, "no fault, and yet it failed");
    ck_assert_msg(rows >= inserted && rows <= inserted + perhaps, "%s: %ld rows, %d said, %d perhaps",
                  fault_text(&r.fault, text, sizeof text), rows, inserted, perhaps);
    ck_assert(!r.late);
    ck_assert_msg(lab_close(&r), "%s", fault_text(&r.fault, text, sizeof text));
    return fired;
}

/* Of short transfers and of broken connections one each: test_faults.c has all. */
static const struct sweep statements = {.name = "statements", .run = survive, .trimmed = true};

START_TEST(E05_every_allocation_may_fail)
{
    ledger();
    sweep_allocations(&statements);
}
END_TEST

START_TEST(E05_the_connection_may_be_cut_in_every_phase)
{
    ledger();
    sweep_calls(&statements, FAULT_RECV);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("faults_statements");
    TCase *t = tcase_create("faults_statements");
    SRunner *runner;
    int failed;

    pg_server(); /* before the runner forks */
    tcase_add_test(t, E05_every_allocation_may_fail);
    tcase_add_test(t, E05_the_connection_may_be_cut_in_every_phase);
    tcase_set_timeout(t, 240);
    suite_add_tcase(s, t);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
