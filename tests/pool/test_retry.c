/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the client does about time while it connects and cancels (rows A08, A21, K05): servers that refuse or
 * start up, the four deadlines apart, and asking again when a cancel came too early. Connections are the
 * test's (fake_conn.h), the clock and chance too.
 */
#include "pool/dispatch.h"
#include "pool/fake_conn.h"
#include "support/loop_virtual.h"

#include <errno.h>
#include <redw/request.h>
#include <stdio.h>

#define MS  INT64_C(1000)
#define URI "postgresql://u@h/d?sslmode=disable"

static struct vloop *loop;
static redw_client *client;
static uint32_t chance; /* what every draw is */

static int draw(void *ctx, void *p, size_t n)
{
    (void)ctx;
    ck_assert_uint_eq(n, sizeof chance);
    memcpy(p, &chance, n);
    return 0;
}

/* Jobs. */

static struct seen {
    int calls, code;
    enum redw_class cls;
    enum redw_outcome outcome;
    int64_t at_us;
    char message[400];
} seen[128];

struct test_job {
    struct redwi_job job;
    char name;
};

static void note(char name, const redw_error *e)
{
    struct seen *s = &seen[(int)name];
    s->calls++;
    s->code = redw_error_code(e);
    s->cls = redw_error_class(e);
    s->outcome = redw_error_outcome(e);
    s->at_us = vloop_now_us(loop);
    snprintf(s->message, sizeof s->message, "%s", redw_error_message(e));
}

static void job_drop(struct redwi_job *j)
{
    redw_error_release(j->error);
    free(REDWI_OF(j, struct test_job, job));
}

static void job_finish(struct redwi_job *j)
{
    note(REDWI_OF(j, struct test_job, job)->name, j->error);
    job_drop(j);
}

static const struct redwi_job_ops job_ops = {.finish = job_finish, .drop = job_drop};

static redw_id add_within(char name, int64_t us)
{
    struct test_job *t = calloc(1, sizeof *t);
    ck_assert_ptr_nonnull(t);
    t->name = name;
    t->job.ops = &job_ops;
    t->job.submitted_us = vloop_now_us(loop);
    t->job.deadline_us = us ? t->job.submitted_us + us : INT64_MAX;
    redw_id id = redwi_client_accept(client, &t->job);
    ck_assert_int_gt(id, 0);
    return id;
}

static redw_id add(char name)
{
    return add_within(name, 0);
}

static void open_client(const struct redw_options *o)
{
    static struct redwi_sys sys = {.entropy = draw};
    const struct redwi_env env = {.sys = &sys};
    struct redw_loop table = vloop_table(loop);
    ck_assert_int_eq(redwi_client_create(&client, &table, o, &env, NULL), 0);
}

static void setup(void)
{
    loop = vloop_create();
    memset(seen, 0, sizeof seen);
    chance = 0;
    open_fails = false;
}

static void teardown(void)
{
    redw_client_destroy(client);
    client = NULL;
    fakes_forget();
    vloop_free(loop);
}

static void settle(void)
{
    vloop_settle(loop);
}

static void fail_with(struct fake *f, const struct redwi_err_spec *spec)
{
    redw_error *why = redwi_err_make(&redwi_malloc, spec, "connect: h:5432 (after 0 ms)");
    fake_enter(f);
    f->conn.state = REDWI_CONN_CLOSED;
    f->config.ops->closed(f->config.owner, &f->conn, why);
    fake_leave(f);
    redw_error_release(why);
}

static void refuse_as(struct fake *f, int error)
{
    fail_with(f, &(struct redwi_err_spec){.code = REDW_ECONNECT,
                                          .cls = REDW_CLASS_CONNECTION_FAILED,
                                          .outcome = REDW_OUTCOME_NOT_SENT,
                                          .origin = REDW_ORIGIN_OS,
                                          .sys_errno = error});
}

static void refuse(struct fake *f)
{
    refuse_as(f, ECONNREFUSED);
}

static void server_says(struct fake *f, const char *fields, size_t n)
{
    redw_error *why = redwi_err_server(&redwi_malloc, (const uint8_t *)fields, n, REDW_OUTCOME_NOT_EXECUTED);
    fake_enter(f);
    f->conn.state = REDWI_CONN_CLOSED;
    f->config.ops->closed(f->config.owner, &f->conn, why);
    fake_leave(f);
    redw_error_release(why);
}
#define SAYS(f, fields) server_says(f, fields, sizeof fields)

/* --- A21 --- */

START_TEST(A21_a_server_that_refuses_is_asked_again_with_pauses_that_double)
{
    static const int64_t pauses_ms[] = {100, 200, 400, 800, 1600};
    open_client(REDW_OPTIONS(.uri = URI));
    add('a');
    settle();
    for (size_t i = 0; i < 5; i++) {
        refuse(fakes[i]);
        ck_assert_int_eq(seen['a'].calls, 0);
        vloop_advance(loop, pauses_ms[i] * MS - 1);
        ck_assert_uint_eq(nfakes, i + 1);
        vloop_advance(loop, 1);
        ck_assert_uint_eq(nfakes, i + 2);
    }
    fake_ready(fakes[5]);
    settle();
    ck_assert_int_eq(fakes[5]->starts, 1);
    fake_end(fakes[5], NULL);
    settle();
    ck_assert_int_eq(seen['a'].code, 0);
}
END_TEST

START_TEST(A21_the_number_of_attempts_is_bounded_and_told)
{
    static const struct {
        uint32_t setting;
        unsigned attempts;
        const char *says;
    } cases[] = {
        {0, 6, "6 attempts in 3100 ms, the last: connect: h:5432 (after 0 ms): connection refused"},
        {2, 3, "3 attempts in 300 ms, the last: connect: h:5432 (after 0 ms): connection refused"},
        {REDW_NONE, 1, "connect: h:5432 (after 0 ms): connection refused"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        open_client(REDW_OPTIONS(.uri = URI, .connect_retries = cases[i].setting));
        unsigned base = nfakes;
        add('a');
        add('b');
        settle();
        memset(seen, 0, sizeof seen);
        while (!seen['a'].calls) {
            while (client->counts[REDWI_AT_OPENING])
                refuse(REDWI_OF(client->places[REDWI_AT_OPENING].next, struct fake, conn.link));
            vloop_advance(loop, 100 * MS);
        }
        ck_assert_str_eq(seen['a'].message, cases[i].says);
        ck_assert_str_eq(seen['b'].message, cases[i].says);
        ck_assert_int_eq(seen['a'].outcome, REDW_OUTCOME_NOT_SENT);
        ck_assert_uint_eq(nfakes - base, cases[i].attempts + 1); /* the first time two began together */
        redw_client_destroy(client);
    }
    client = NULL;
}
END_TEST

static void on_ready(const redw_error *err, void *ctx)
{
    ck_assert_int_eq(redw_error_code(err), REDW_ECONNECT);
    ck_assert_int_eq(redw_error_class(err), REDW_CLASS_CONNECTION_FAILED);
    ck_assert_str_eq(redw_error_message(err), "gave up after 250 ms, the last of 2 attempts: connect: h:5432 (after 0 ms): "
                                              "connection refused");
    ++*(unsigned *)ctx;
}

START_TEST(A21_who_waits_for_a_connection_alone_hears_of_the_last_refusal_and_not_of_time)
{
    unsigned calls = 0;
    open_client(REDW_OPTIONS(.uri = URI));
    ck_assert_int_gt(redw_client_ready(client, 250, on_ready, &calls), 0);
    settle();
    refuse(fakes[0]);
    vloop_advance(loop, 100 * MS);
    refuse(fakes[1]);
    vloop_advance(loop, 149 * MS);
    ck_assert_uint_eq(calls, 0);
    vloop_advance(loop, 1 * MS);
    ck_assert_uint_eq(calls, 1);
}
END_TEST

START_TEST(A21_all_attempts_share_the_connect_deadline)
{
    open_client(REDW_OPTIONS(.uri = URI, .connect_timeout_ms = 1000, .connect_retries = 1000));
    int64_t start = vloop_now_us(loop);
    add('a');
    settle();
    for (unsigned i = 0; !seen['a'].calls; i++) {
        ck_assert_uint_eq(nfakes, i + 1);
        ck_assert_int_eq(fakes[i]->config.deadline_us, start + 1000 * MS);
        refuse(fakes[i]);
        settle();
        if (!seen['a'].calls)
            vloop_advance(loop, client->open_after_us - vloop_now_us(loop));
    }
    ck_assert_uint_eq(nfakes, 4); /* at 0, 100, 300 and 700 ms; the next would be too late */
    ck_assert_int_eq(seen['a'].at_us, start + 700 * MS);
    add('b'); /* new work, new time */
    settle();
    ck_assert_int_eq(fakes[4]->config.deadline_us, start + 1700 * MS);
    refuse(fakes[4]);
    settle();
    vloop_advance(loop, 100 * MS);
    ck_assert_uint_eq(nfakes, 6); /* and short pauses */
    fake_ready(fakes[5]);
}
END_TEST

START_TEST(A21_chance_shortens_a_pause_by_up_to_half)
{
    open_client(REDW_OPTIONS(.uri = URI));
    chance = UINT32_MAX;
    add('a');
    settle();
    refuse(fakes[0]);
    vloop_advance(loop, 50 * MS);
    ck_assert_uint_eq(nfakes, 1);
    vloop_advance(loop, 1);
    ck_assert_uint_eq(nfakes, 2);
    chance = UINT32_MAX / 2;
    refuse(fakes[1]);
    vloop_advance(loop, 150 * MS);
    ck_assert_uint_eq(nfakes, 2);
    vloop_advance(loop, 1);
    ck_assert_uint_eq(nfakes, 3);
}
END_TEST

START_TEST(A21_only_what_passes_by_itself_is_tried_again)
{
    static const struct redwi_err_spec for_good[] = {
        {.code = REDW_ETLS, .cls = REDW_CLASS_CONNECTION_FAILED, .origin = REDW_ORIGIN_TLS},
        {.code = REDW_EAUTH, .cls = REDW_CLASS_AUTHENTICATION_FAILED, .origin = REDW_ORIGIN_LIBRARY},
        {.code = REDW_ETIMEDOUT, .cls = REDW_CLASS_CONNECTION_FAILED, .origin = REDW_ORIGIN_LIBRARY},
        {.code = REDW_EPROTOCOL, .cls = REDW_CLASS_INTERNAL, .origin = REDW_ORIGIN_LIBRARY},
        {.code = REDW_ECONNECT, .cls = REDW_CLASS_CONNECTION_FAILED, .origin = REDW_ORIGIN_LIBRARY},
        {.code = REDW_ECONNECT, .cls = REDW_CLASS_CONNECTION_FAILED, .origin = REDW_ORIGIN_OS, .sys_errno = EACCES},
    };
    open_client(REDW_OPTIONS(.uri = URI));
    for (size_t i = 0; i < sizeof for_good / sizeof for_good[0] + 4; i++) {
        memset(seen, 0, sizeof seen);
        add('a');
        settle();
        struct fake *f = fakes[nfakes - 1];
        switch (i) {
        case 0:
            SAYS(f, "SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0");
            break;
        case 1:
            SAYS(f, "SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry\0");
            break;
        case 2:
            SAYS(f, "SFATAL\0VFATAL\0C3D000\0Mno such database\0");
            break;
        case 3:
            SAYS(f, "SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0");
            break;
        default:
            fail_with(f, &for_good[i - 4]);
        }
        settle();
        ck_assert_msg(seen['a'].calls == 1, "%zu", i);
        ck_assert_ptr_null(strstr(seen['a'].message, "attempts"));
    }
    for (int i = 0; i < 3; i++) {
        add('b');
        settle();
        if (i == 0)
            SAYS(fakes[nfakes - 1], "SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0");
        else
            refuse_as(fakes[nfakes - 1], i == 1 ? ECONNREFUSED : ECONNRESET);
        unsigned before = nfakes;
        vloop_advance(loop, 100 * MS);
        ck_assert_uint_eq(nfakes, before + 1);
        fake_ready(fakes[before]);
        settle();
        fake_end(fakes[before], NULL);
        settle();
        fake_break(fakes[before], REDW_ECONNECT, "gone");
        settle();
    }
}
END_TEST

START_TEST(A21_while_nobody_waits_nobody_is_asked)
{
    open_client(REDW_OPTIONS(.uri = URI, .connect_timeout_ms = 60000));
    add_within('a', 150 * MS);
    settle();
    refuse(fakes[0]);
    vloop_advance(loop, 100 * MS);
    refuse(fakes[1]);
    vloop_advance(loop, 50 * MS);
    ck_assert_int_eq(seen['a'].code, REDW_ETIMEDOUT); /* its own deadline goes on meanwhile */
    ck_assert_int_eq(vloop_holds(loop), 0);
    vloop_advance(loop, 60000 * MS);
    ck_assert_uint_eq(nfakes, 2);
    add('b');
    settle();
    ck_assert_uint_eq(nfakes, 3);
    ck_assert_int_eq(fakes[2]->config.deadline_us, vloop_now_us(loop) + 60000 * MS);
}
END_TEST

static int nclosed;

static void on_closed(void *ctx)
{
    (void)ctx;
    nclosed++;
}

START_TEST(A21_a_pause_ends_with_the_client)
{
    open_client(REDW_OPTIONS(.uri = URI));
    nclosed = 0;
    add('a');
    settle();
    refuse(fakes[0]);
    redw_client_close(client, 10, on_closed, NULL);
    vloop_advance(loop, 10 * MS);
    ck_assert_int_eq(seen['a'].code, REDW_ECLOSED);
    ck_assert_int_eq(nclosed, 1);
    ck_assert_uint_eq(vloop_timers(loop), 0);
}
END_TEST

/* --- A08: four deadlines --- */

START_TEST(A08_connecting_waiting_running_and_cancelling_have_a_deadline_each)
{
    open_client(REDW_OPTIONS(.uri = URI, .pool_max = 1, .connect_timeout_ms = 7000, .acquire_timeout_ms = 300,
                             .cancel_timeout_ms = 900));
    int64_t start = vloop_now_us(loop);
    add_within('a', 2000 * MS);
    settle();
    ck_assert_int_eq(fakes[0]->config.deadline_us, start + 7000 * MS);
    fake_ready(fakes[0]);
    settle();
    redwi_conn_flush(&fakes[0]->conn);
    add_within('b', 2000 * MS);
    vloop_advance(loop, 300 * MS);
    ck_assert_int_eq(seen['b'].code, REDW_ETIMEDOUT);
    ck_assert_int_eq(seen['b'].cls, REDW_CLASS_RESOURCE_BUSY);
    ck_assert_int_eq(seen['b'].outcome, REDW_OUTCOME_NOT_SENT);
    ck_assert_str_eq(seen['b'].message, "waiting (not sent): no connection within 300 ms: 1 in use, 0 being "
                                        "opened, pool_max 1, 1 requests waiting");
    vloop_advance(loop, 1700 * MS - 1);
    ck_assert_int_eq(seen['a'].calls, 0); /* it waited no longer than it might, and runs by its own time */
    vloop_advance(loop, 1);
    ck_assert_int_eq(seen['a'].at_us, start + 2000 * MS);
    ck_assert_int_eq(seen['a'].cls, REDW_CLASS_QUERY_TIMEOUT);
    ck_assert_int_eq(seen['a'].outcome, REDW_OUTCOME_UNKNOWN);
    ck_assert_str_eq(seen['a'].message,
                     "query (sent): not complete within 2000 ms; the server was asked to stop it");
    ck_assert_int_eq(fakes[0]->limit_us, start + 2900 * MS);
    ck_assert_int_eq(fakes[1]->config.deadline_us, start + 2900 * MS);
}
END_TEST

START_TEST(A08_a_job_without_deadline_of_its_own_still_waits_no_longer_than_it_may)
{
    open_client(REDW_OPTIONS(.uri = URI, .pool_max = 1, .acquire_timeout_ms = 300));
    add('a');
    add('b');
    settle();
    fake_ready(fakes[0]);
    vloop_advance(loop, 300 * MS);
    ck_assert_int_eq(seen['b'].code, REDW_ETIMEDOUT);
    vloop_advance(loop, 3600 * 1000 * MS);
    ck_assert_int_eq(seen['a'].calls, 0); /* it runs, for ever */
    fake_end(fakes[0], NULL);
}
END_TEST

/* --- K05: a cancel that came too early --- */

START_TEST(K05_a_cancel_that_was_ignored_is_repeated_while_the_unit_runs)
{
    static const int64_t pauses_ms[] = {250, 500, 1000, 2000};
    open_client(REDW_OPTIONS(.uri = URI, .pool_max = 1, .cancel_timeout_ms = 5000));
    redw_id id = add('a');
    settle();
    fake_ready(fakes[0]);
    settle();
    fakes[0]->sent = true;
    int64_t start = vloop_now_us(loop);
    ck_assert_int_eq(redw_cancel(client, id), 0);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_uint_eq(nfakes, i + 2);
        ck_assert_int_eq(fakes[i + 1]->config.deadline_us, start + 5000 * MS);
        fake_side_done(fakes[i + 1]);
        vloop_advance(loop, pauses_ms[i] * MS - 1);
        ck_assert_uint_eq(nfakes, i + 2);
        vloop_advance(loop, 1);
    }
    ck_assert_uint_eq(nfakes, 6);
    fake_end(fakes[0], fake_error(REDW_ESERVER, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_NOT_EXECUTED, "stopped"));
    add('b');
    settle();
    ck_assert_uint_eq(fakes[0]->starts, 1); /* the last one is still under way, and would hit b */
    fake_side_done(fakes[5]);
    settle();
    ck_assert_uint_eq(fakes[0]->starts, 2);
    fakes[0]->sent = true;
    vloop_advance(loop, 10000 * MS);
    ck_assert_uint_eq(nfakes, 6); /* nobody asks to stop b */
    ck_assert_int_eq(redw_cancel(client, id + 1), 0);
    fake_side_done(fakes[6]);
    vloop_advance(loop, 250 * MS);
    ck_assert_uint_eq(nfakes, 8); /* b's own cancel begins with the short pause */
}
END_TEST

START_TEST(K05_nobody_is_asked_again_for_a_unit_that_has_ended)
{
    for (int how = 0; how < 3; how++) {
        open_client(REDW_OPTIONS(.uri = URI, .pool_max = 2));
        unsigned base = nfakes;
        add_within('a', 100 * MS);
        settle();
        fake_ready(fakes[base]);
        settle();
        fakes[base]->sent = true;
        vloop_advance(loop, 100 * MS);
        fake_side_done(fakes[base + 1]);
        vloop_advance(loop, 100 * MS);
        if (how == 0)
            fake_end(fakes[base], NULL);
        else if (how == 1)
            fake_break(fakes[base], REDW_ETIMEDOUT, "unit did not end");
        else
            redw_client_close(client, 0, NULL, NULL);
        if (how < 2) {
            vloop_advance(loop, 10000 * MS);
            ck_assert_uint_eq(nfakes, base + 2);
        }
        redw_client_destroy(client);
    }
    client = NULL;
}
END_TEST

START_TEST(K05_several_are_asked_again_each_at_its_time)
{
    open_client(REDW_OPTIONS(.uri = URI, .pool_max = 2));
    redw_id a = add('a'), b = add('b');
    settle();
    for (int i = 0; i < 2; i++)
        fake_ready(fakes[i]);
    settle();
    fakes[0]->sent = fakes[1]->sent = true;
    ck_assert_int_eq(redw_cancel(client, a), 0);
    fake_side_done(fakes[2]);
    vloop_advance(loop, 100 * MS);
    ck_assert_int_eq(redw_cancel(client, b), 0);
    fake_side_done(fakes[3]);
    vloop_advance(loop, 150 * MS);
    ck_assert_uint_eq(nfakes, 5);
    ck_assert_ptr_eq(fakes[4]->config.cancels, fakes[2]->config.cancels);
    vloop_advance(loop, 100 * MS);
    ck_assert_uint_eq(nfakes, 6);
    ck_assert_ptr_eq(fakes[5]->config.cancels, fakes[3]->config.cancels);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("retry");
    TCase *t = tcase_create("retry");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, A21_a_server_that_refuses_is_asked_again_with_pauses_that_double);
    tcase_add_test(t, A21_the_number_of_attempts_is_bounded_and_told);
    tcase_add_test(t, A21_who_waits_for_a_connection_alone_hears_of_the_last_refusal_and_not_of_time);
    tcase_add_test(t, A21_all_attempts_share_the_connect_deadline);
    tcase_add_test(t, A21_chance_shortens_a_pause_by_up_to_half);
    tcase_add_test(t, A21_only_what_passes_by_itself_is_tried_again);
    tcase_add_test(t, A21_while_nobody_waits_nobody_is_asked);
    tcase_add_test(t, A21_a_pause_ends_with_the_client);
    tcase_add_test(t, A08_connecting_waiting_running_and_cancelling_have_a_deadline_each);
    tcase_add_test(t, A08_a_job_without_deadline_of_its_own_still_waits_no_longer_than_it_may);
    tcase_add_test(t, K05_a_cancel_that_was_ignored_is_repeated_while_the_unit_runs);
    tcase_add_test(t, K05_nobody_is_asked_again_for_a_unit_that_has_ended);
    tcase_add_test(t, K05_several_are_asked_again_each_at_its_time);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
