/* SPDX-License-Identifier: Apache-2.0 */
/*
 * E02, E05: what a statement's use sends and does when it goes wrong, over connections that the test plays
 * (pool/fake_conn.h) and a session that only keeps what was written. What a real server makes of it is in
 * the tests/api/test_statements programs.
 */
#include "pool/fake_conn.h"
#include "query/request.h"
#include "support/fault.h"
#include "support/loop_virtual.h"
#include "wire/be_write.h"
#include "wire/fe_read.h"
#include <redw/batch.h>

#include <stdio.h>

/* --- the session: what was written --- */

static struct redwi_buf unit;
static int unit_rc;
static unsigned unit_sent, unit_again, units;
static size_t unit_more;
static const char *redshift; /* server_protocol_version; NULL: PostgreSQL */

struct redwi_buf *redwi_session_unit_begin(struct redwi_session *s)
{
    (void)s;
    redwi_buf_take(&unit, redwi_buf_len(&unit));
    return &unit;
}

int redwi_session_batch_end(struct redwi_session *s, void *tag, unsigned sent, unsigned again, size_t more,
                            enum redw_outcome on_error)
{
    (void)s, (void)tag, (void)on_error;
    unit_sent = sent;
    unit_again = again;
    unit_more = more;
    units += unit_rc == 0;
    return unit_rc;
}

int redwi_session_unit_end(struct redwi_session *s, void *tag, unsigned sent, enum redw_outcome on_error)
{
    return redwi_session_batch_end(s, tag, sent, 0, 0, on_error);
}

/* Nothing here is large enough to be written in slices. */
struct redwi_buf *redwi_session_unit_more(struct redwi_session *s, size_t *base)
{
    (void)s, (void)base;
    return NULL;
}

/* Ways of several units are not tested here. */
int redwi_session_query(struct redwi_session *s, void *tag, const char *sql, size_t n, enum redw_outcome on_error)
{
    (void)s, (void)tag, (void)sql, (void)n, (void)on_error;
    return REDW_EINVAL;
}

bool redwi_session_take_back(struct redwi_session *s, const void *tag)
{
    (void)s, (void)tag;
    return false;
}

size_t redwi_session_units(const struct redwi_session *s)
{
    (void)s;
    return 0;
}

bool redwi_session_is_redshift(const struct redwi_session *s)
{
    (void)s;
    return redshift;
}

const char *redwi_session_parameter(const struct redwi_session *s, const char *name)
{
    (void)s, (void)name;
    return redshift;
}

/* --- the stage --- */

static struct vloop *loop;
static struct fault heap;
static redw_client *client;
static redw_stmt *stmt;
static redw_result *last;
static unsigned dones;
static struct {
    unsigned calls;
    int code;
    enum redw_outcome outcome;
    bool named;
} report;

static void on_done(const redw_result *res, void *ctx)
{
    (void)ctx;
    dones++;
    redw_result_release(last);
    last = redw_result_keep(res);
}

static void on_report(const redw_report *rep, void *ctx)
{
    size_t member;

    (void)ctx;
    report.calls++;
    report.code = redw_error_code(redw_report_error(rep));
    report.outcome = redw_error_outcome(redw_report_error(rep));
    report.named = redw_report_failed_member(rep, &member);
}

static void setup(void)
{
    loop = vloop_create();
    struct redw_loop table = vloop_table(loop);
    fault_init(&heap);
    redwi_buf_init(&unit, &redwi_malloc, (size_t)1 << 26);
    unit_rc = 0;
    units = dones = 0;
    redshift = NULL;
    memset(&report, 0, sizeof report);
    ck_assert_int_eq(redw_client_create_on(&client, &table,
                                           REDW_OPTIONS(.uri = "postgresql://u@h/d?sslmode=disable", .pool_max = 1,
                                                        .allocator = &heap.mem),
                                           NULL),
                     0);
    ck_assert_int_eq(redw_stmt_create(&stmt, client, "select $1", NULL), 0);
}

static void teardown(void)
{
    redw_stmt_release(stmt);
    redw_client_destroy(client);
    redw_result_release(last);
    last = NULL;
    for (unsigned i = 0; i < nfakes; i++)
        ck_assert(fakes[i]->freed);
    fakes_forget();
    redwi_buf_free(&unit);
    fault_fini(&heap);
    vloop_free(loop);
}

static struct redwi_job *go(void)
{
    vloop_settle(loop);
    if (fakes[0]->conn.state == REDWI_CONN_DIALING)
        fake_ready(fakes[0]);
    vloop_settle(loop);
    ck_assert_ptr_nonnull(redwi_conn_job(&fakes[0]->conn));
    return redwi_conn_job(&fakes[0]->conn);
}

static struct redwi_job *exec(enum redw_wire form)
{
    ck_assert_int_gt(redw_submit(client, REDW_REQUEST(.stmt = stmt, .wire = form, REDW_PARAMS(redw_p_int64(1))),
                                 on_done, NULL),
                     0);
    return go();
}

/* The unit of j ends as conn.c ends it; true: another one was written. */
static bool end(struct redwi_job *j, const char *sqlstate, char status)
{
    struct fake *f = fakes[0];
    uint8_t body[64];

    if (sqlstate) {
        int n = snprintf((char *)body, sizeof body, "SERROR%cC%s%cMno%c", 0, sqlstate, 0, 0);
        ck_assert(n > 0);
        j->error = redwi_err_server(&redwi_malloc, body, (size_t)n + 1, REDW_OUTCOME_NOT_EXECUTED);
    }
    redwi_prepared_unit_ended(&f->conn.prepared, j);
    if (j->ops->next(j, status))
        return true;
    redw_error *e = j->error;
    j->error = NULL;
    fake_end(f, e);
    return false;
}

/* ParameterDescription of one int8, RowDescription of int8, text and numeric. */
static void described(struct redwi_job *j)
{
    static const uint8_t oid[4] = {0, 0, 0, 20};
    struct redwi_field fields[] = {{.name = {"i", 1}, .type_oid = 20, .typmod = -1},
                                   {.name = {"t", 1}, .type_oid = 25, .typmod = -1},
                                   {.name = {"n", 1}, .type_oid = 1700, .typmod = -1}};
    struct redwi_buf b;

    redwi_buf_init(&b, &redwi_malloc, 4096);
    redwi_be_put_row_description(&b, fields, 3);
    j->ops->parameter_types(j, oid, 4);
    fake_columns(fakes[0], redwi_buf_front(&b) + 5, redwi_buf_len(&b) - 5);
    redwi_buf_free(&b);
}

static void prepare(void)
{
    struct redwi_job *j = exec(REDW_WIRE_TEXT);

    ck_assert_uint_eq(unit_sent, REDWI_SENT_PARSE | REDWI_SENT_DESCRIBE_STATEMENT | REDWI_SENT_BIND |
                                     REDWI_SENT_EXECUTE);
    described(j);
    ck_assert(!end(j, NULL, 'I'));
    ck_assert_int_eq(redw_stmt_parameter_count(stmt), 1);
}

static bool failed_as(int code, enum redw_outcome outcome)
{
    const redw_error *e = redw_result_error(last);

    return e && redw_error_code(e) == code && redw_error_outcome(e) == outcome;
}

/* The types of the messages of the last unit. */
static const char *messages(void)
{
    static char text[64];
    size_t n = 0;

    for (size_t at = 0; at < redwi_buf_len(&unit); at += 1 + redwi_load32(redwi_buf_front(&unit) + at + 1))
        text[n++] = (char)redwi_buf_front(&unit)[at];
    text[n] = '\0';
    return text;
}

/* The result formats of the last unit's Bind, as it ends. */
static void must_ask_for(const char *formats)
{
    const uint8_t *p = redwi_buf_front(&unit);
    size_t n = strlen(formats);

    while (*p != 'B')
        p += 1 + redwi_load32(p + 1);
    const uint8_t *e = p + 1 + redwi_load32(p + 1) - 2 * n - 2;
    ck_assert_uint_eq(redwi_load16(e), n);
    for (size_t i = 0; i < n; i++)
        ck_assert_uint_eq(redwi_load16(e + 2 + 2 * i), (unsigned)(formats[i] - '0'));
}

START_TEST(E02_formats_are_asked_for_by_way_and_server)
{
    static const struct {
        const char *says, *automatic, *binary; /* by column: int8, text, numeric of no scale */
    } rows[] = {{NULL, "101", "111"}, {"2", "100", "111"}, {"0", "000", "000"}};

    for (size_t i = 0; i < 3; i++) {
        redshift = rows[i].says;
        redw_stmt_release(stmt);
        ck_assert_int_eq(redw_stmt_create(&stmt, client, "select $1", NULL), 0);
        for (int form = REDW_WIRE_TEXT; form <= REDW_WIRE_AUTO; form++) {
            struct redwi_job *j = exec((enum redw_wire)form); /* the first, and after it others that know */
            const char *want = form == REDW_WIRE_TEXT ? "000" : form == REDW_WIRE_AUTO ? rows[i].automatic : rows[i].binary;
            if (form == REDW_WIRE_TEXT) {
                ck_assert_str_eq(messages(), i ? "CPDBE" : "PDBE");
                described(j);
            } else {
                ck_assert_str_eq(messages(), "BE");
                ck_assert_uint_eq(unit_sent, REDWI_SENT_BIND | REDWI_SENT_EXECUTE | REDWI_SENT_COLUMNS |
                                                 REDWI_SENT_REPORT_BIND);
                ck_assert_int_eq(j->ops->bound(j), REDWI_JOB_GO);
            }
            if (form == REDW_WIRE_AUTO)
                must_ask_for(want);
            else
                must_ask_for(form == REDW_WIRE_BINARY && strchr(want, '1') ? "1" : "0");
            ck_assert(!end(j, NULL, 'I'));
            ck_assert_uint_eq(redw_result_column_count(last), 3);
            for (size_t c = 0; c < 3; c++)
                ck_assert_int_eq(redw_result_column(last, c)->binary, want[c] == '1');
        }
    }
}
END_TEST

START_TEST(E05_what_went_stale_is_sent_once_more_and_only_once)
{
    static const char *const states[] = {"26000", "0A000"};

    prepare();
    for (int i = 0; i < 2; i++) {
        struct redwi_job *j = exec(REDW_WIRE_TEXT);
        ck_assert_str_eq(messages(), "BE");
        ck_assert(end(j, states[i], 'I'));
        ck_assert_ptr_null(j->error);
        ck_assert_str_eq(messages(), "CPDBE");
        ck_assert(!end(j, states[i], 'I'));
        ck_assert(failed_as(REDW_ESERVER, REDW_OUTCOME_NOT_EXECUTED));
        ck_assert_str_eq(redw_error_sqlstate(redw_result_error(last)), states[i]);
        j = exec(REDW_WIRE_TEXT); /* and the next one starts afresh */
        ck_assert_str_eq(messages(), "CPDBE");
        described(j);
        ck_assert(!end(j, NULL, 'I'));
    }
    ck_assert_uint_eq(dones, 5);
}
END_TEST

START_TEST(E05_nothing_is_sent_again_that_may_have_run_or_that_nobody_waits_for)
{
    prepare();
    struct redwi_job *j = exec(REDW_WIRE_TEXT);
    j->ops->bound(j);
    ck_assert(!end(j, "26000", 'I')); /* it came from inside */
    ck_assert(failed_as(REDW_ESERVER, REDW_OUTCOME_NOT_EXECUTED));
    j = exec(REDW_WIRE_TEXT);
    ck_assert_str_eq(messages(), "BE");
    ck_assert(!end(j, "22012", 'I'));
    j = exec(REDW_WIRE_TEXT);
    ck_assert_str_eq(messages(), "BE");
    ck_assert(!end(j, "26000", 'E')); /* a transaction is open */
    j = exec(REDW_WIRE_TEXT);
    ck_assert_str_eq(messages(), "CPDBE");
    described(j);
    ck_assert(!end(j, NULL, 'I'));
    j = exec(REDW_WIRE_TEXT);
    j->cancelled = true;
    ck_assert(!end(j, "26000", 'I'));
    ck_assert(failed_as(REDW_ECANCELLED, REDW_OUTCOME_NOT_EXECUTED));
}
END_TEST

/* A server without an eye on its plans: the next use prepares anew, this one is not repeated. */
START_TEST(E05_an_internal_error_forgets_the_statement)
{
    prepare();
    struct redwi_job *j = exec(REDW_WIRE_TEXT);
    ck_assert(!end(j, "XX000", 'I'));
    exec(REDW_WIRE_TEXT);
    ck_assert_str_eq(messages(), "CPDBE");
    fake_end(fakes[0], NULL);
}
END_TEST

START_TEST(E05_without_memory_a_use_goes_unnamed_or_fails_by_itself)
{
    /* The table, the entry: unnamed. Until then the request has made its own. */
    for (int n = 1; n <= 2; n++) {
        ck_assert_int_gt(redw_submit(client, REDW_EXEC(stmt, redw_p_int64(1)), on_done, NULL), 0);
        fault_arm(&heap, FAULT_ALLOC, (uint64_t)n, FAULT_ONCE, FAULT_NO_MEMORY);
        go();
        ck_assert(fault_fired(&heap));
        fault_disarm(&heap);
        ck_assert_str_eq(messages(), "PBDE");
        fake_end(fakes[0], NULL);
        ck_assert_ptr_null(redw_result_error(last));
    }
    /* The description: that request fails, and its entry is closed. */
    struct redwi_job *j = exec(REDW_WIRE_TEXT);
    fault_arm(&heap, FAULT_ALLOC, 2, FAULT_ONCE, FAULT_NO_MEMORY); /* 1: what is learnt of parameters */
    described(j);
    ck_assert(fault_fired(&heap));
    fault_disarm(&heap);
    vloop_settle(loop);
    ck_assert(failed_as(REDW_ENOMEM, REDW_OUTCOME_UNKNOWN));
}
END_TEST

START_TEST(E01_without_memory_nothing_is_learnt_this_time)
{
    struct redwi_job *j = exec(REDW_WIRE_TEXT);
    static const uint8_t oid[4] = {0, 0, 0, 20};

    fault_arm(&heap, FAULT_ALLOC, 1, FAULT_ONCE, FAULT_NO_MEMORY);
    j->ops->parameter_types(j, oid, 4);
    fault_disarm(&heap);
    ck_assert_int_eq(redw_stmt_parameter_count(stmt), -1);
    j->ops->parameter_types(j, oid, 4);
    ck_assert_int_eq(redw_stmt_parameter_count(stmt), 1);
    ck_assert_int_eq(redw_stmt_parameter_type(stmt, 0), REDW_BIGINT);
    fake_end(fakes[0], NULL);
    redw_stmt *none = NULL;
    fault_arm(&heap, FAULT_ALLOC, 1, FAULT_ONCE, FAULT_NO_MEMORY);
    ck_assert_int_eq(redw_stmt_create(&none, client, "select 1", NULL), REDW_ENOMEM);
    ck_assert_ptr_null(none);
    fault_disarm(&heap);
}
END_TEST

START_TEST(E05_a_second_unit_that_cannot_be_written_ends_the_request_not_executed)
{
    prepare();
    struct redwi_job *j = exec(REDW_WIRE_TEXT);
    unit_rc = REDW_ENOMEM;
    ck_assert(!end(j, "26000", 'I'));
    ck_assert(failed_as(REDW_ENOMEM, REDW_OUTCOME_NOT_EXECUTED));
    unit_rc = 0;
    exec(REDW_WIRE_TEXT);
    ck_assert_str_eq(messages(), "CPDBE"); /* the old one is to be closed still */
    fake_end(fakes[0], NULL);
}
END_TEST

START_TEST(E04_a_batch_is_one_unit_and_says_when_it_does_not_fit)
{
    redw_param p[] = {redw_p_int64(1), redw_p_int64(2), redw_p_int64(3)};
    const struct redw_batch *b = REDW_BATCH(.stmt = stmt, .params = p, .nsets = 3, .nparams = 1);

    ck_assert_int_gt(redw_batch_execute(client, b, on_report, NULL), 0);
    struct redwi_job *j = go();
    ck_assert_str_eq(messages(), "PDBEBEBE");
    ck_assert(!j->exclusive);
    ck_assert_uint_eq(unit_again, REDWI_SENT_BIND | REDWI_SENT_EXECUTE);
    ck_assert_uint_eq(unit_more, 2);
    described(j);
    ck_assert(!end(j, "40001", 'I')); /* nobody's fault */
    ck_assert(report.calls == 1 && !report.named);
    ck_assert_int_gt(redw_batch_execute(client, b, on_report, NULL), 0);
    j = go();
    ck_assert_str_eq(messages(), "BEBEBE");
    ck_assert_uint_eq(unit_again, REDWI_SENT_BIND | REDWI_SENT_EXECUTE | REDWI_SENT_COLUMNS);
    ck_assert(end(j, "0A000", 'I'));
    ck_assert_str_eq(messages(), "CPDBEBEBE");
    ck_assert(!end(j, "42P01", 'I')); /* the statement's */
    ck_assert(report.calls == 2 && !report.named);
    unit_rc = REDW_EFULL;
    ck_assert_int_gt(redw_batch_execute(client, b, on_report, NULL), 0);
    vloop_settle(loop);
    ck_assert_uint_eq(report.calls, 3);
    ck_assert_int_eq(report.code, REDW_EFULL);
    ck_assert_int_eq(report.outcome, REDW_OUTCOME_NOT_SENT);
    ck_assert(!report.named);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("use");
    TCase *t = tcase_create("use");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, E02_formats_are_asked_for_by_way_and_server);
    tcase_add_test(t, E05_what_went_stale_is_sent_once_more_and_only_once);
    tcase_add_test(t, E05_nothing_is_sent_again_that_may_have_run_or_that_nobody_waits_for);
    tcase_add_test(t, E05_an_internal_error_forgets_the_statement);
    tcase_add_test(t, E05_without_memory_a_use_goes_unnamed_or_fails_by_itself);
    tcase_add_test(t, E01_without_memory_nothing_is_learnt_this_time);
    tcase_add_test(t, E05_a_second_unit_that_cannot_be_written_ends_the_request_not_executed);
    tcase_add_test(t, E04_a_batch_is_one_unit_and_says_when_it_does_not_fit);
    suite_add_tcase(s, t);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
