/* SPDX-License-Identifier: Apache-2.0 */
/*
 * K05, K06, K07, U3, X8: Cancels against a real server, at random moments, over connections that several
 * requests share: nobody else is hit, and each verdict agrees with what the server wrote into its log. Also
 * several requests in flight at a server that knows nothing of this library.
 */
#include "api/lab_stage.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#define CANCELS 400
#else
#define CANCELS 2000
#endif
#define REQUESTS (8 * CANCELS) /* more than it takes */
#define AT_ONCE  10

/* --- chance, the same each time --- */

static uint64_t seed;
static uint32_t chance(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % below;
}

/* --- one run --- */

enum fate { INNOCENT = 0, CANCELLED, FORGOTTEN, TIMED, FATES };

static struct one {
    redw_id id;
    enum fate fate;
    bool given_up; /* cancelled or forgotten already */
    bool ended;
    enum redw_cancel_verdict verdict;
    bool failed;
    char sqlstate[6];
    enum redw_class cls;
    enum redw_outcome outcome;
    char text[200];
    char value[40];
    bool in_log;
} ones[REQUESTS];

static unsigned nended, running, run_number, ncancels;

static void mark_of(char out[40], unsigned i)
{
    snprintf(out, 40, "%d:%u:%u", (int)getpid(), run_number, i);
}

static void on_done(const redw_result *res, void *ctx)
{
    struct one *o = ctx;
    const redw_error *e = redw_result_error(res);
    redw_row row;
    ck_assert(!o->ended);
    ck_assert(o->fate != FORGOTTEN || !o->given_up);
    o->ended = true;
    nended++;
    running--;
    o->verdict = redw_result_cancel(res);
    o->failed = e != NULL;
    o->cls = redw_error_class(e);
    o->outcome = redw_error_outcome(e);
    snprintf(o->sqlstate, sizeof o->sqlstate, "%s", redw_error_sqlstate(e));
    snprintf(o->text, sizeof o->text, "%s", redw_error_message(e));
    if (redw_result_first(res, &row))
        snprintf(o->value, sizeof o->value, "%.*s", (int)row.cells[0].len, row.cells[0].ptr);
}

static void submit(unsigned i)
{
    struct one *o = &ones[i];
    char sql[160], mark[40];
    uint32_t dice = chance(100), us = chance(4) ? chance(2000) : 2000 + chance(20000);
    *o = (struct one){.fate = dice < 40 ? INNOCENT : dice < 84 ? CANCELLED : dice < 92 ? FORGOTTEN : TIMED};
    if (o->fate != INNOCENT && chance(3))
        us = 10000 + chance(60000);
    mark_of(mark, i);
    snprintf(sql, sizeof sql, "select '%s', pg_sleep(0.%06u)", mark, us);
    o->id = redw_submit(r.client,
                        REDW_REQUEST(.sql = sql, .timeout_ms = o->fate == TIMED ? 1 + chance(20) : 20000), on_done, o);
    ck_assert_int_gt(o->id, 0);
    running++;
}

/* Gives one of the latest up, if it is one that is to be. */
static void give_one_up(unsigned submitted)
{
    unsigned back = chance(AT_ONCE + 4);
    if (back >= submitted)
        return;
    struct one *o = &ones[submitted - 1 - back];
    if (o->given_up || o->ended || (o->fate != CANCELLED && o->fate != FORGOTTEN))
        return;
    o->given_up = true;
    if (o->fate == CANCELLED) {
        ck_assert_int_eq(redw_cancel(r.client, o->id), 0);
        ncancels++;
    } else {
        ck_assert_int_eq(redw_forget(r.client, o->id), 0);
        running--;
    }
}

/* Which statements the server says it has stopped, from where its log ended before this run. */
static void read_log(long from)
{
    char path[600], line[1000], mark[40];
    bool stopped = false;
    snprintf(path, sizeof path, "%s/server.log", pg_server()->dir);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, from, SEEK_SET), 0);
    snprintf(mark, sizeof mark, "select '%d:%u:", (int)getpid(), run_number);
    while (fgets(line, sizeof line, f)) {
        const char *at;
        if (strstr(line, "ERROR:"))
            stopped = strstr(line, "canceling statement due to user request") != NULL;
        else if (stopped && strstr(line, "STATEMENT:") && (at = strstr(line, mark)) != NULL)
            ones[strtoul(at + strlen(mark), NULL, 10) % REQUESTS].in_log = true;
    }
    fclose(f);
}

static long log_end(void)
{
    char path[600];
    snprintf(path, sizeof path, "%s/server.log", pg_server()->dir);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    long at = ftell(f);
    fclose(f);
    return at;
}

static unsigned verdicts[6], fates[FATES];

static void judge(unsigned i)
{
    const struct one *o = &ones[i];
    char mark[40];
    mark_of(mark, i);
    bool right = !o->failed && strcmp(o->value, mark) == 0;
    bool cancelled = o->fate == CANCELLED && o->given_up;
    fates[o->fate]++;
    if (cancelled)
        verdicts[o->verdict]++;
    if (o->fate == FORGOTTEN && o->given_up)
        return; /* nobody was told anything */
    ck_assert_msg(o->ended, "request %u has not ended", i);
    if (o->fate == TIMED) {
        ck_assert_msg(right || o->cls == REDW_CLASS_QUERY_TIMEOUT, "request %u: %s %s", i, o->sqlstate, o->text);
        return;
    }
    if (!cancelled) {
        ck_assert_msg(right && !o->in_log, "request %u was nobody's to stop: %s %s, in the log %d", i, o->sqlstate,
                      o->text, o->in_log);
        ck_assert_int_eq(o->verdict, REDW_CANCEL_NOT_ASKED);
        return;
    }
    switch (o->verdict) {
    case REDW_CANCEL_STOPPED:
        ck_assert_msg(o->in_log && strcmp(o->sqlstate, "57014") == 0, "request %u stopped: %s, in the log %d", i,
                      o->text, o->in_log);
        break;
    case REDW_CANCEL_FINISHED_FIRST:
        ck_assert_msg(right && !o->in_log, "request %u finished first: %s, in the log %d", i, o->text, o->in_log);
        break;
    case REDW_CANCEL_NOT_SENT:
        ck_assert_msg(o->failed && !o->in_log && o->outcome == REDW_OUTCOME_NOT_SENT, "request %u not sent: %s", i,
                      o->text);
        break;
    default:
        ck_abort_msg("request %u: verdict %s: %s", i, redw_cancel_verdict_name(o->verdict), o->text);
    }
}

static unsigned run(const char *uri, uint32_t pipeline_max, unsigned cancels)
{
    struct redw_diag why;
    unsigned submitted = 0;
    long log = log_end();
    double began = ev_time();
    run_number++;
    nended = running = ncancels = 0;
    lab_open(&r);
    ck_assert_msg(lab_client(&r, REDW_OPTIONS(.uri = uri, .password = pg_server()->password, .pool_max = 4,
                                              .pipeline_max = pipeline_max),
                             &why) == 0,
                  "%s", why.text);
    while (ncancels < cancels || running > 0) {
        while (ncancels < cancels && submitted < REQUESTS && running < AT_ONCE)
            submit(submitted++);
        ev_run(r.loop, EVRUN_ONCE);
        for (uint32_t n = chance(4); n > 0; n--)
            give_one_up(submitted);
        ck_assert_uint_lt(submitted, REQUESTS);
        ck_assert_double_lt(ev_time() - began, 100);
    }
    finish();
    read_log(log);
    for (unsigned i = 0; i < submitted; i++)
        judge(i);
    printf("cancels: pipeline_max %u: %u cancels among %u requests in %.1f s, %llu connections\n", pipeline_max,
           ncancels, submitted, ev_time() - began, (unsigned long long)r.fault.opened);
    return ncancels;
}

/* K07 */
START_TEST(no_random_cancel_hits_an_innocent_request_and_verdicts_agree_with_the_servers_log)
{
    seed = 20261;
    memset(verdicts, 0, sizeof verdicts);
    memset(fates, 0, sizeof fates);
    unsigned n = run(pg_server()->plainuri, 1, CANCELS / 2);
    n += run(pg_server()->plainuri, 4, CANCELS / 2);
    ck_assert_uint_ge(n, CANCELS);
    printf("cancels: %u innocent, %u to be cancelled (%u stopped, %u finished first, %u not sent), %u forgotten, "
           "%u timed\n",
           fates[INNOCENT], fates[CANCELLED], verdicts[REDW_CANCEL_STOPPED], verdicts[REDW_CANCEL_FINISHED_FIRST],
           verdicts[REDW_CANCEL_NOT_SENT], fates[FORGOTTEN], fates[TIMED]);
    ck_assert_uint_gt(verdicts[REDW_CANCEL_STOPPED], CANCELS / 20);
    ck_assert_uint_gt(verdicts[REDW_CANCEL_FINISHED_FIRST], CANCELS / 20);
    ck_assert_uint_gt(verdicts[REDW_CANCEL_NOT_SENT], CANCELS / 20);
}
END_TEST

/* --- cancel connections and TLS --- */

static size_t in_clear, in_tls;
static void watch(uint64_t connection, const char *line, size_t n, void *ctx)
{
    char text[400];
    (void)connection, (void)ctx;
    snprintf(text, sizeof text, "%.*s", (int)(n < sizeof text ? n : sizeof text - 1), line);
    in_tls += strstr(text, "SSLRequest") != NULL;
    in_clear += strstr(text, "CancelRequest") != NULL;
}

/* K06 */
START_TEST(a_cancel_goes_in_tls_as_the_session_does_unless_asked_otherwise)
{
    static const char *const ways[] = {NULL, "session", "plain"};
    for (int i = 0; i < 3; i++) {
        struct redw_diag why;
        char sql[100];
        lab_open(&r);
        ck_assert_msg(lab_client(&r, REDW_OPTIONS(.uri = pg_server()->uri, .password = pg_server()->password,
                                                  .pool_max = 1, .cancel_tls = ways[i], .trace = watch),
                                 &why) == 0,
                      "%s", why.text);
        struct answer a;
        snprintf(sql, sizeof sql, "select pg_sleep(20), 'cancel_tls %d %d'", i, (int)getpid());
        lab_submit(&r, &a, REDW_QUERY(sql));
        for (int k = 0; sql[k]; k++) /* for lab_run_until_active, which quotes */
            sql[k] = sql[k] == '\'' ? '_' : sql[k];
        char like[200];
        snprintf(like, sizeof like, "select count(*) from pg_stat_activity where state = 'active' and query like '%s'", sql);
        for (double until = ev_time() + r.patience_s; pg_number(like) == 0 && ev_time() < until;)
            lab_run_ms(&r, 5);
        in_clear = in_tls = 0;
        ck_assert_int_eq(redw_cancel(r.client, a.id), 0);
        ck_assert(lab_wait(&r, &a.calls, 1));
        ck_assert_int_eq(redw_result_cancel(a.res), REDW_CANCEL_STOPPED);
        ck_assert_uint_eq(in_tls, i < 2); /* an SSLRequest ahead of it, or none */
        ck_assert_uint_eq(in_clear, 1);
        answer_release(&a);
        finish();
    }
    ck_assert_int_eq(redw_client_create(&r.client, ev_default_loop(0),
                                        REDW_OPTIONS(.uri = pg_server()->uri, .cancel_tls = "clear"), NULL),
                     REDW_EINVAL);
}
END_TEST

/* --- several in flight at a real server --- */

START_TEST(many_in_flight_are_answered_in_order_each_with_its_own)
{
    enum { N = 200 };
    static struct answer many[N];
    struct redw_diag why;
    lab_open(&r);
    ck_assert_msg(lab_client(&r, REDW_OPTIONS(.uri = pg_server()->plainuri, .password = pg_server()->password,
                                              .pool_max = 2, .pipeline_max = 16),
                             &why) == 0,
                  "%s", why.text);
    for (int i = 0; i < N; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "select %d / $1", i);
        lab_submit(&r, &many[i], REDW_QUERY(sql, redw_p_int32(i % 7 ? 1 : 0)));
    }
    for (int i = 0; i < N; i++)
        ck_assert(lab_wait(&r, &many[i].calls, 1));
    ck_assert_uint_eq(r.fault.opened, 2);
    for (int i = 0; i < N; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        if (i % 7)
            ck_assert_str_eq(answer_text(&many[i]), text);
        else
            ck_assert_str_eq(redw_error_sqlstate(answer_error(&many[i])), "22012");
        answer_release(&many[i]);
    }
    finish();
}
END_TEST

/* Slices that end in a value, between values, in the statement, right at the end of one. */
START_TEST(large_requests_arrive_whole)
{
    static const size_t sizes[][3] = {{3 << 20, 0, 5}, {1 << 20, 1 << 20, 1 << 20}, {(1 << 20) - 7, 100, 3 << 20},
                                      {10, 20, (2 << 20) + 1}};
    size_t most = (size_t)4 << 20;
    char *text = malloc(most + 1), *sql = malloc(most + 1);
    ck_assert(text && sql);
    for (size_t i = 0; i < most; i++)
        text[i] = (char)('a' + (i * 7 + i / 1000) % 26);
    text[most] = '\0';
    lab_open(&r);
    lab_pool(&r, pg_server()->uri, pg_server()->password, 1);
    for (size_t i = 0; i < 8; i++) {
        const size_t *n = sizes[i % 4];
        memset(sql, ' ', most);
        strcpy(sql, "select $1::text || $2::int || $3::text || coalesce($4::text, '-') || $5::text");
        if (i >= 4)
            sql[strlen(sql)] = ' '; /* and blanks up to 2 MB and a bit */
        struct answer a =
            lab_query(&r, REDW_REQUEST(.sql = sql, .sql_len = i < 4 ? 0 : ((size_t)2 << 20) + i, .label = "large",
                                       REDW_PARAMS(redw_p_text_n(text, n[0]), redw_p_int32(7), redw_p_text_n(text, n[1]),
                                                   redw_p_null(REDW_VARCHAR), redw_p_text_n(text, n[2]))));
        const char *got = answer_text(&a);
        ck_assert_uint_eq(strlen(got), n[0] + 1 + n[1] + 1 + n[2]);
        ck_assert_int_eq(memcmp(got, text, n[0]), 0);
        ck_assert_int_eq(got[n[0]], '7');
        ck_assert_int_eq(memcmp(got + n[0] + 1, text, n[1]), 0);
        ck_assert_int_eq(got[n[0] + 1 + n[1]], '-');
        ck_assert_int_eq(memcmp(got + n[0] + n[1] + 2, text, n[2]), 0);
        answer_release(&a);
    }
    free(sql);
    free(text);
    finish();
}
END_TEST

START_TEST(a_begin_in_the_middle_leaves_nothing_behind)
{
    struct redw_diag why;
    struct answer a[4];
    lab_open(&r);
    ck_assert_msg(lab_client(&r, REDW_OPTIONS(.uri = pg_server()->plainuri, .password = pg_server()->password,
                                              .pool_max = 1, .pipeline_max = 4),
                             &why) == 0,
                  "%s", why.text);
    pg_sql("create table left_behind (n int); grant all on left_behind to public");
    lab_submit(&r, &a[0], REDW_QUERY("insert into left_behind values (1)"));
    lab_submit(&r, &a[1], REDW_QUERY("begin"));
    lab_submit(&r, &a[2], REDW_QUERY("insert into left_behind values (2)"));
    for (int i = 0; i < 3; i++)
        ck_assert(lab_wait(&r, &a[i].calls, 1));
    answer_must_succeed(&a[0]);
    answer_must_succeed(&a[1]);
    ck_assert_int_eq(redw_error_outcome(answer_error(&a[2])), REDW_OUTCOME_UNKNOWN);
    a[3] = lab_query(&r, REDW_QUERY("select string_agg(n::text, ',') from left_behind"));
    ck_assert_str_eq(answer_text(&a[3]), "1");
    for (int i = 0; i < 4; i++)
        answer_release(&a[i]);
    finish();
    pg_sql("drop table left_behind");
}
END_TEST

int main(void)
{
    pg_server();
    Suite *s = suite_create("cancels");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 240);
    tcase_add_test(t, no_random_cancel_hits_an_innocent_request_and_verdicts_agree_with_the_servers_log);
    tcase_add_test(t, a_cancel_goes_in_tls_as_the_session_does_unless_asked_otherwise);
    tcase_add_test(t, many_in_flight_are_answered_in_order_each_with_its_own);
    tcase_add_test(t, large_requests_arrive_whole);
    tcase_add_test(t, a_begin_in_the_middle_leaves_nothing_behind);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
