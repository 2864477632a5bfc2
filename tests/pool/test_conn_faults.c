/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One session of a connection (look-up, dial, TLS, SCRAM login, units, a cancel, a polite close) under
 * every fault: each system call and each allocation fails once, and from then on for ever. Whatever
 * happens: the opening has exactly one outcome, each job exactly one end, rows are right or there is an
 * error, nothing leaks, and nothing spins.
 */
#include "support/conn_stand.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const columns[] = {"a", "b"};
static const char *const cells[] = {"1", "one", "2", "two", "3", NULL};
static const struct peer_statement statements[] = {
    {.sql = "select",
     .columns = columns,
     .ncolumns = 2,
     .cells = cells,
     .nrows = 3,
     .tag = "SELECT 3",
     .notice = "hm"},
};
#define ALL_ROWS "1,one;2,two;3,;"

static struct stand stand;
static struct cert *ca, *leaf;
static struct tls_peer_config tls_server;
static char password[] = "open sesame, says the canary";
static bool over_tls;

/* A fault that happens once is over long before the deadline; one that goes on for ever may reach it. */
#define ONCE_MS     10000
#define STICKY_MS   300
#define WAKEUPS_MAX 4000

static int64_t deadline_ms;

static void run_until_end(const int *a, int n, const int *b, int m)
{
    uint64_t wakeups = stand.probe.wakeups;
    while (*a < n && *b < m && stand.probe.wakeups - wakeups < 50 * WAKEUPS_MAX)
        ev_run(stand.ev, EVRUN_ONCE);
    ck_assert_msg(*a >= n || *b >= m, "no end");
}

/* One unit; false: the connection is gone. */
static bool run_unit(void)
{
    struct stand_job j;
    int ended = stand.nended, closed = stand.nclosed;
    stand_job_init(&stand, &j, "select");
    j.batch = 2;
    j.flow[1] = REDWI_JOB_PAUSE;
    int code = redwi_conn_start(stand.conn, &j.job);
    if (code) {
        ck_assert_int_eq(code, REDW_ENOMEM);
        ck_assert_int_eq(stand.conn->state, REDWI_CONN_IDLE);
        return true;
    }
    redwi_conn_limit(stand.conn, stand.probe.loop.now_us(stand.probe.loop.ctx) + deadline_ms * 1000);
    while (stand.conn && !stand.conn->paused && stand.nended == ended)
        ev_run(stand.ev, EVRUN_ONCE);
    if (stand.conn && stand.conn->paused)
        redwi_conn_resume(stand.conn);
    run_until_end(&stand.nended, ended + 1, &stand.nclosed, closed + 1);
    ck_assert_int_eq((stand.nended - ended) + (stand.nclosed - closed), 1);
    ck_assert_ptr_eq(stand.nended > ended ? stand.ended_job : stand.closed_job, &j.job);
    ck_assert(!j.job.conn);
    if (!j.job.error) {
        ck_assert_str_eq(j.text, ALL_ROWS);
        ck_assert_str_eq(j.tag, "SELECT 3");
    } else {
        ck_assert_int_eq(stand.nclosed, closed + 1);
        ck_assert_int_ne(redw_error_outcome(j.job.error), REDW_OUTCOME_NOT_EXECUTED);
        ck_assert(!strncmp(ALL_ROWS, j.text, strlen(j.text))); /* a part of the rows, no other ones */
    }
    stand_job_fini(&j);
    return stand.conn != NULL;
}

static void run_cancel(void)
{
    int none = 0;
    if (stand_cancel(&stand, deadline_ms))
        return;
    run_until_end(&stand.nside_closed, 1, &none, 1);
    ck_assert_int_eq(stand.nside_closed, 1);
}

static void run_session(void)
{
    int code = stand_connect(&stand, deadline_ms);
    if (code) {
        ck_assert_int_eq(code, REDW_ENOMEM);
        return;
    }
    run_until_end(&stand.nready, 1, &stand.nclosed, 1);
    ck_assert_int_eq(stand.nready + stand.nclosed, 1);
    if (stand.nclosed || !stand.conn || !run_unit() || !run_unit())
        return;
    run_cancel();
    if (!stand.conn)
        return;
    redwi_conn_close(stand.conn, true);
    redwi_conn_free(stand.conn);
    stand.conn = NULL;
}

static void open_rig(void)
{
    struct peer_config config = {
        .statements = statements, .nstatements = 1, .password = password, .tls = over_tls};
    stand_open(&stand);
    stand.settings.password = password;
    stand.fault.canary = password;
    struct stand_server *s = stand_listen(&stand, &config, over_tls ? &tls_server : NULL);
    stand_target(&stand, "localhost", s->port);
    ck_assert(redwi_address_literal("127.0.0.1", stand_free_port(), &stand.addrs[0])); /* refuses */
    ck_assert(redwi_address_literal("127.0.0.1", s->port, &stand.addrs[1]));
    stand.naddrs = 2;
    if (over_tls)
        stand_use_tls(&stand, REDWI_TLS_VERIFY_FULL, cert_path("ca.crt"));
}

/* True: the n-th call was there to fail. */
static bool one_run(enum fault_class c, uint64_t n, enum fault_mode mode, struct fault_kind kind)
{
    char text[128];
    deadline_ms = mode == FAULT_ONCE ? ONCE_MS : STICKY_MS;
    open_rig();
    fault_arm(&stand.fault, c, n, mode, kind);
    if (getenv("REDW_FAULT_TRACE"))
        fprintf(stderr, "%s %s\n", over_tls ? "tls" : "plain", fault_text(&stand.fault, text, sizeof text));
    run_session();
    bool fired = fault_fired(&stand.fault);
    if (mode == FAULT_ONCE)
        ck_assert_msg(stand.probe.wakeups < WAKEUPS_MAX, "%s: %llu wake-ups",
                      fault_text(&stand.fault, text, sizeof text), (unsigned long long)stand.probe.wakeups);
    ck_assert_uint_eq(stand.fault.canary_hits, 0);
    stand_close(&stand);
    return fired;
}

static void all_of_class(enum fault_class c, enum fault_mode mode)
{
    size_t nkinds;
    const struct fault_kind *kinds = fault_kinds(c, &nkinds);
    uint64_t runs = 0, calls = 0;
    for (size_t k = 0; k < nkinds; k++) {
        /* EINTR and EAGAIN of a ready socket for ever: the kernel breaks its word, and nobody can wait.
         */
        bool readiness = c == FAULT_RECV || c == FAULT_SEND;
        bool lies = kinds[k].error == EINTR || kinds[k].error == EAGAIN;
        if (mode == FAULT_STICKY && readiness && lies)
            continue;
        uint64_t n = 1;
        for (; n < 5000; n++) {
            if (!fault_only(c, n, mode, kinds[k]))
                continue;
            runs++;
            if (!one_run(c, n, mode, kinds[k]))
                break;
        }
        calls = n - 1;
    }
    printf("conn faults, %s, %s, %s: %llu runs, %llu calls\n", over_tls ? "tls" : "plain",
           fault_class_name(c), mode == FAULT_ONCE ? "once" : "sticky", (unsigned long long)runs,
           (unsigned long long)calls);
    ck_assert_uint_gt(runs, 1);
}

START_TEST(every_failing_system_call_has_a_clean_end)
{
    over_tls = _i != 0;
    for (int c = FAULT_OPEN; c < FAULT_CLASSES; c++) {
        all_of_class((enum fault_class)c, FAULT_ONCE);
        all_of_class((enum fault_class)c, FAULT_STICKY);
    }
}
END_TEST

START_TEST(every_failing_allocation_has_a_clean_end)
{
    over_tls = _i != 0;
    all_of_class(FAULT_ALLOC, FAULT_ONCE);
    all_of_class(FAULT_ALLOC, FAULT_STICKY);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conn faults");
    TCase *t = tcase_create("faults");
    ca = cert_make(&(struct cert_spec){.ca = true, .cn = "Test CA"});
    leaf = cert_make(&(struct cert_spec){.issuer = ca});
    tls_server = (struct tls_peer_config){.cert = leaf};
    cert_write(cert_path("ca.crt"), NULL, ca, NULL);
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, every_failing_system_call_has_a_clean_end, 0, 2);
    tcase_add_loop_test(t, every_failing_allocation_has_a_clean_end, 0, 2);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    cert_free(ca);
    cert_free(leaf);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
