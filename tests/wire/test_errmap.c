/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C06, C07, C09, X2: SQLSTATE to class, cause and retry flag, and for Redshift's engine code, place and text
 * to the same: one row per case. The SQLSTATEs are those a client of Redshift or PostgreSQL meets, from
 * PostgreSQL's Appendix A; the classes are what redw/error.h promises; texts: docs/redshift/errors.md.
 */
#include "wire/errmap.h"

#include <check.h>
#include <string.h>

static const struct {
    const char *sqlstate;
    enum redw_class cls;
} rows[] = {
    /* connection */
    {"08000", REDW_CLASS_CONNECTION_FAILED},
    {"08001", REDW_CLASS_CONNECTION_FAILED},
    {"08003", REDW_CLASS_CONNECTION_FAILED},
    {"08004", REDW_CLASS_CONNECTION_FAILED},
    {"08006", REDW_CLASS_CONNECTION_FAILED},
    {"08007", REDW_CLASS_CONNECTION_FAILED},
    {"08P01", REDW_CLASS_CONNECTION_FAILED},
    {"57P01", REDW_CLASS_CONNECTION_FAILED},
    {"57P02", REDW_CLASS_CONNECTION_FAILED},
    {"57P03", REDW_CLASS_CONNECTION_FAILED},
    {"57P04", REDW_CLASS_CONNECTION_FAILED},
    {"57P05", REDW_CLASS_CONNECTION_FAILED},
    {"25P03", REDW_CLASS_CONNECTION_FAILED},
    {"25P04", REDW_CLASS_CONNECTION_FAILED},
    /* login */
    {"28000", REDW_CLASS_AUTHENTICATION_FAILED},
    {"28P01", REDW_CLASS_AUTHENTICATION_FAILED},
    {"3D000", REDW_CLASS_AUTHENTICATION_FAILED},
    /* cancelled */
    {"57014", REDW_CLASS_QUERY_CANCELLED},
    /* to be repeated */
    {"40001", REDW_CLASS_SERIALIZATION_FAILURE},
    {"40P01", REDW_CLASS_SERIALIZATION_FAILURE},
    /* resources */
    {"53100", REDW_CLASS_DISK_FULL},
    {"53200", REDW_CLASS_OUT_OF_MEMORY},
    {"53300", REDW_CLASS_RESOURCE_BUSY},
    {"53000", REDW_CLASS_RESOURCE_BUSY},
    {"53400", REDW_CLASS_RESOURCE_BUSY},
    {"55000", REDW_CLASS_RESOURCE_BUSY},
    {"55006", REDW_CLASS_RESOURCE_BUSY},
    {"55P03", REDW_CLASS_RESOURCE_BUSY},
    /* the statement */
    {"42601", REDW_CLASS_INVALID_SQL},
    {"42000", REDW_CLASS_INVALID_SQL},
    {"42704", REDW_CLASS_INVALID_SQL},
    {"42710", REDW_CLASS_INVALID_SQL},
    {"42804", REDW_CLASS_INVALID_SQL},
    {"42883", REDW_CLASS_INVALID_SQL},
    {"42P07", REDW_CLASS_INVALID_SQL},
    {"42P18", REDW_CLASS_INVALID_SQL},
    {"0A000", REDW_CLASS_INVALID_SQL},
    {"24000", REDW_CLASS_INVALID_SQL},
    {"25001", REDW_CLASS_INVALID_SQL},
    {"25006", REDW_CLASS_INVALID_SQL},
    {"25P02", REDW_CLASS_INVALID_SQL},
    {"26000", REDW_CLASS_INVALID_SQL},
    {"2D000", REDW_CLASS_INVALID_SQL},
    {"34000", REDW_CLASS_INVALID_SQL},
    {"3B001", REDW_CLASS_INVALID_SQL},
    {"54000", REDW_CLASS_INVALID_SQL},
    {"54001", REDW_CLASS_INVALID_SQL},
    {"54011", REDW_CLASS_INVALID_SQL},
    {"42P01", REDW_CLASS_TABLE_NOT_FOUND},
    {"3F000", REDW_CLASS_TABLE_NOT_FOUND},
    {"42703", REDW_CLASS_COLUMN_NOT_FOUND},
    {"42501", REDW_CLASS_PERMISSION_DENIED},
    /* the data */
    {"20000", REDW_CLASS_DATA_ERROR},
    {"21000", REDW_CLASS_DATA_ERROR},
    {"22000", REDW_CLASS_DATA_ERROR},
    {"22003", REDW_CLASS_DATA_ERROR},
    {"22012", REDW_CLASS_DATA_ERROR},
    {"22P02", REDW_CLASS_DATA_ERROR},
    {"23502", REDW_CLASS_DATA_ERROR},
    {"23505", REDW_CLASS_DATA_ERROR},
    {"44000", REDW_CLASS_DATA_ERROR},
    {"P0001", REDW_CLASS_DATA_ERROR},
    /* nothing can be promised */
    {"XX000", REDW_CLASS_INTERNAL},
    {"XX001", REDW_CLASS_INTERNAL},
    {"58000", REDW_CLASS_INTERNAL},
    {"58030", REDW_CLASS_INTERNAL},
    {"40000", REDW_CLASS_INTERNAL},
    {"40003", REDW_CLASS_INTERNAL}, /* statement completion unknown: not to be repeated */
    {"57000", REDW_CLASS_INTERNAL},
    {"F0000", REDW_CLASS_INTERNAL},
    {"00000", REDW_CLASS_INTERNAL}, /* an error that says success is not no error */
    {"01000", REDW_CLASS_INTERNAL},
    {"ZZZZZ", REDW_CLASS_INTERNAL},
    /* not a SQLSTATE */
    {NULL, REDW_CLASS_INTERNAL},
    {"", REDW_CLASS_INTERNAL},
    {"4", REDW_CLASS_INTERNAL},
    {"42", REDW_CLASS_INTERNAL},
    {"0800", REDW_CLASS_INTERNAL},
    {"280000", REDW_CLASS_INTERNAL},
    {"570140", REDW_CLASS_INTERNAL},
    {" 5701", REDW_CLASS_INTERNAL},
    {"xx000", REDW_CLASS_INTERNAL},
    {"42p01", REDW_CLASS_INVALID_SQL}, /* exact: a code in small letters is no known one of its class */
};

START_TEST(each_sqlstate_has_its_class)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum redw_class cls = redwi_errmap_class(rows[i].sqlstate);
        ck_assert_msg(cls == rows[i].cls, "%s: %s, not %s", rows[i].sqlstate ? rows[i].sqlstate : "NULL",
                      redw_class_name(cls), redw_class_name(rows[i].cls));
    }
}
END_TEST

/* ---- by SQLSTATE: does it pass, and what stopped it ---- */

static redw_slice slice(const char *text)
{
    return (redw_slice){text, text ? strlen(text) : 0};
}

START_TEST(each_sqlstate_says_whether_it_passes_and_what_stopped_it)
{
    static const struct {
        const char *sqlstate;
        bool retryable;
        enum redw_cause cause;
        const char *routine;
    } cases[] = {
        {"08000", true, REDW_CAUSE_NONE, NULL},
        {"08001", true, REDW_CAUSE_NONE, NULL},
        {"08006", true, REDW_CAUSE_NONE, NULL},
        {"08P01", false, REDW_CAUSE_NONE, NULL}, /* the same bytes break the protocol again */
        {"28000", false, REDW_CAUSE_NONE, NULL},
        {"28P01", false, REDW_CAUSE_NONE, NULL},
        {"3D000", false, REDW_CAUSE_NONE, NULL},
        {"22012", false, REDW_CAUSE_NONE, NULL},
        {"23505", false, REDW_CAUSE_NONE, NULL},
        {"25P02", false, REDW_CAUSE_NONE, NULL},
        {"25P03", true, REDW_CAUSE_SERVER_TIMEOUT, NULL},
        {"25P04", false, REDW_CAUSE_SERVER_TIMEOUT, NULL},
        {"26000", false, REDW_CAUSE_NONE, NULL},
        {"40001", true, REDW_CAUSE_NONE, NULL},
        {"40P01", true, REDW_CAUSE_NONE, NULL},
        {"40003", false, REDW_CAUSE_NONE, NULL}, /* completion unknown */
        {"42601", false, REDW_CAUSE_NONE, NULL},
        {"42P01", false, REDW_CAUSE_NONE, NULL},
        {"42703", false, REDW_CAUSE_NONE, NULL},
        {"42501", false, REDW_CAUSE_NONE, NULL},
        {"53000", false, REDW_CAUSE_NONE, NULL},
        {"53100", false, REDW_CAUSE_NONE, NULL},
        {"53200", false, REDW_CAUSE_NONE, NULL},
        {"53300", true, REDW_CAUSE_NONE, NULL},
        {"53400", false, REDW_CAUSE_NONE, NULL},
        {"55000", false, REDW_CAUSE_NONE, NULL},
        {"55006", true, REDW_CAUSE_NONE, NULL},
        {"55P03", true, REDW_CAUSE_NONE, "LockTableNoWait"},
        {"55P03", true, REDW_CAUSE_SERVER_TIMEOUT, "ProcessInterrupts"},
        {"55006", true, REDW_CAUSE_NONE, "ProcessInterrupts"},
        {"57014", false, REDW_CAUSE_UNKNOWN, NULL},
        {"57P01", true, REDW_CAUSE_SHUTDOWN, NULL},
        {"57P02", true, REDW_CAUSE_SHUTDOWN, NULL},
        {"57P03", true, REDW_CAUSE_SHUTDOWN, NULL},
        {"57P04", false, REDW_CAUSE_ADMIN, NULL},
        {"57P05", true, REDW_CAUSE_SERVER_TIMEOUT, NULL},
        {"XX000", false, REDW_CAUSE_NONE, NULL},
        {"ZZZZZ", false, REDW_CAUSE_NONE, NULL},
        {"", false, REDW_CAUSE_NONE, NULL},
        {NULL, false, REDW_CAUSE_NONE, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        /* Texts of Redshift change nothing where the SQLSTATE has spoken: theirs is XX000. */
        bool engine = cases[i].sqlstate &&
                      (strncmp(cases[i].sqlstate, "XX", 2) == 0 || strcmp(cases[i].sqlstate, "57014") == 0);
        const struct redwi_evidence e = {
            .sqlstate = cases[i].sqlstate,
            .routine = slice(cases[i].routine),
            .code = engine ? 0 : 1023,
            .message = slice(engine ? "x" : "Disk Full, please retry later"),
        };
        struct redwi_verdict v = redwi_errmap(&e);
        const char *name = cases[i].sqlstate ? cases[i].sqlstate : "NULL";
        ck_assert_msg(v.cls == redwi_errmap_class(cases[i].sqlstate), "%s", name);
        ck_assert_msg(v.retryable == cases[i].retryable, "%s: %d", name, v.retryable);
        ck_assert_msg(v.cause == cases[i].cause, "%s: %s", name, redw_cause_name(v.cause));
    }
}
END_TEST

/* ---- Redshift's engine ---- */

#define YES true
#define NO  false

static const struct engine_row {
    const char *sqlstate;
    int code;
    const char *routine, *message, *error, *location;
    enum redw_class cls;
    bool retryable;
    enum redw_cause cause;
} engine_rows[] = {
    /* nothing known */
    {"XX000", 0, NULL, NULL, NULL, NULL, REDW_CLASS_INTERNAL, NO, 0},
    {"XX000", 8001, "pg_throw", "x", "y", "z.cpp:1", REDW_CLASS_INTERNAL, NO, 0}, /* 8001 is anything */
    {"XX001", 0, NULL, "Disk Full", NULL, NULL, REDW_CLASS_DISK_FULL, NO, 0},
    /* who wrote it, exactly */
    {"XX000", 0, "CheckMaxRowError", "Ladefehler", NULL, NULL, REDW_CLASS_COPY_ERROR, NO, 0},
    {"XX000", 0, "CheckMaxRowErrot", "x", NULL, NULL, REDW_CLASS_INTERNAL, NO, 0},
    {"XX000", 0, "CheckMaxRowErrors", "x", NULL, NULL, REDW_CLASS_INTERNAL, NO, 0},
    /* codes, and what stands beside each range */
    {"XX000", 1015, NULL, NULL, NULL, NULL, REDW_CLASS_INTERNAL, NO, 0},
    {"XX000", 1016, NULL, NULL, NULL, NULL, REDW_CLASS_DISK_FULL, NO, 0},
    {"XX000", 1018, NULL, NULL, NULL, NULL, REDW_CLASS_SERIALIZATION_FAILURE, YES, 0},
    {"XX000", 1020, NULL, NULL, NULL, NULL, REDW_CLASS_QUERY_CANCELLED, YES, REDW_CAUSE_SHUTDOWN},
    {"57014", 1020, NULL, NULL, NULL, NULL, REDW_CLASS_QUERY_CANCELLED, YES, REDW_CAUSE_SHUTDOWN},
    {"XX000", 1023, NULL, NULL, NULL, NULL, REDW_CLASS_SERIALIZATION_FAILURE, YES, 0},
    {"XX000", 1024, NULL, NULL, NULL, NULL, REDW_CLASS_INTERNAL, NO, 0},
    {"XX000", 1058, NULL, NULL, NULL, NULL, REDW_CLASS_DATA_ERROR, NO, 0},
    {"XX000", 1199, NULL, NULL, NULL, NULL, REDW_CLASS_INTERNAL, NO, 0},
    {"XX000", 1200, NULL, NULL, NULL, NULL, REDW_CLASS_DATA_ERROR, NO, 0},
    {"XX000", 1224, NULL, NULL, NULL, NULL, REDW_CLASS_DATA_ERROR, NO, 0},
    {"XX000", 1225, NULL, NULL, NULL, NULL, REDW_CLASS_INTERNAL, NO, 0},
    {"XX000", 14999, NULL, NULL, NULL, NULL, REDW_CLASS_INTERNAL, NO, 0},
    {"XX000", 15000, NULL, NULL, NULL, NULL, REDW_CLASS_SPECTRUM_ERROR, NO, 0},
    {"XX000", 15001, NULL, NULL, NULL, NULL, REDW_CLASS_SPECTRUM_ERROR, NO, 0},
    {"XX000", 15999, NULL, NULL, NULL, NULL, REDW_CLASS_SPECTRUM_ERROR, NO, 0},
    {"XX000", 16000, NULL, NULL, NULL, NULL, REDW_CLASS_INTERNAL, NO, 0},
    {"XX000", 32004, NULL, NULL, NULL, NULL, REDW_CLASS_DATA_ERROR, NO, 0},
    {"XX000", 34509, NULL, NULL, NULL, NULL, REDW_CLASS_RESOURCE_BUSY, YES, 0},
    {"XX000", 34510, NULL, NULL, NULL, NULL, REDW_CLASS_SERIALIZATION_FAILURE, YES, 0},
    /* places */
    {"XX000", 8001, NULL, NULL, NULL, "xen_aws_credentials_mgr.cpp:3", REDW_CLASS_PERMISSION_DENIED, NO, 0},
    {"XX000", 8001, NULL, NULL, NULL, "s3_text_unloader.cpp:3", REDW_CLASS_UNLOAD_ERROR, NO, 0},
    {"XX000", 8001, NULL, NULL, NULL, "table_s3_scanner.cpp:3", REDW_CLASS_COPY_ERROR, NO, 0},
    {"XX000", 2, NULL, NULL, NULL, "step_scan.cpp:1883", REDW_CLASS_COPY_ERROR, NO, 0},
    {"XX000", 3, NULL, NULL, NULL, "step_scan.cpp:1883", REDW_CLASS_INTERNAL, NO, 0},
    {"XX000", 2, NULL, NULL, NULL, "step_sort.cpp:1", REDW_CLASS_INTERNAL, NO, 0},
    /* texts, of message or detail */
    {"XX000", 0, NULL, NULL, "Serializable isolation violation on table - 1", NULL,
     REDW_CLASS_SERIALIZATION_FAILURE, YES, 0},
    {"XX000", 0, NULL, "could not complete because of conflict with concurrent transaction", NULL, NULL,
     REDW_CLASS_SERIALIZATION_FAILURE, YES, 0},
    {"XX000", 0, NULL, "could not open relation with OID 124", NULL, NULL, REDW_CLASS_SERIALIZATION_FAILURE,
     YES, 0},
    {"XX000", 0, NULL, "[Data Sharing] Error Code 34510: x", NULL, NULL, REDW_CLASS_SERIALIZATION_FAILURE,
     YES, 0},
    {"XX000", 0, NULL, "Disk Full", NULL, NULL, REDW_CLASS_DISK_FULL, NO, 0},
    {"XX000", 0, NULL, "Insufficient memory to run query", NULL, NULL, REDW_CLASS_OUT_OF_MEMORY, NO, 0},
    {"XX000", 0, NULL, "connection limit \"500\" exceeded for non-bootstrap users", NULL, NULL,
     REDW_CLASS_RESOURCE_BUSY, YES, 0},
    {"XX000", 32103, NULL, "Rate Exceeded.; Exception: TooManyRequestsException; ShouldRetry: 1", NULL, NULL,
     REDW_CLASS_RESOURCE_BUSY, YES, 0},
    {"XX000", 8001, NULL, "Specified unload destination on S3 is not empty.", NULL, NULL,
     REDW_CLASS_UNLOAD_ERROR, NO, 0},
    {"XX000", 0, NULL, "Check 'stl_load_errors' system table", NULL, NULL, REDW_CLASS_COPY_ERROR, NO, 0},
    {"XX000", 0, NULL, "Check 'sys_load_error_detail' system table", NULL, NULL, REDW_CLASS_COPY_ERROR, NO,
     0},
    {"XX000", 8001, NULL, "The specified S3 prefix 'p' does not exist", NULL, NULL, REDW_CLASS_COPY_ERROR, NO,
     0},
    {"XX000", 8001, NULL, "COPY with MANIFEST parameter requires", NULL, NULL, REDW_CLASS_COPY_ERROR, NO, 0},
    {"XX000", 8001, NULL, "COPY from this file format only accepts", NULL, NULL, REDW_CLASS_COPY_ERROR, NO,
     0},
    {"XX000", 8001, NULL, "S3ServiceException:Access Denied,Status 403,CanRetry 1", NULL, NULL,
     REDW_CLASS_COPY_ERROR, NO, 0},
    {"XX000", 0, NULL, "Spectrum Scan Error", NULL, NULL, REDW_CLASS_SPECTRUM_ERROR, NO, 0},
    {"XX000", 0, NULL, "S3 Query Exception (Fetch)", NULL, NULL, REDW_CLASS_SPECTRUM_ERROR, NO, 0},
    {"XX000", 8001, NULL, "8001", "The combined length of columns processed in", NULL, REDW_CLASS_DATA_ERROR,
     NO, 0},
    {"XX000", 8001, NULL, "Result size exceeds LISTAGG limit", NULL, NULL, REDW_CLASS_DATA_ERROR, NO, 0},
    {"XX000", 0, NULL, "Cannot insert a NULL value into column a", NULL, NULL, REDW_CLASS_DATA_ERROR, NO, 0},
    {"XX000", 0, NULL, "Numeric data overflow (result precision)", NULL, NULL, REDW_CLASS_DATA_ERROR, NO, 0},
    {"XX000", 0, NULL, "Specified types or functions (x) not supported on Redshift tables.", NULL, NULL,
     REDW_CLASS_INVALID_SQL, NO, 0},
    {"XX000", 0, NULL, "cursors can only be used within the transaction", NULL, NULL, REDW_CLASS_INVALID_SQL,
     NO, 0},
    /* texts that pass, in any class but that of the stopped */
    {"XX000", 0, NULL, "S3ServiceException:x,Status 500,Error y", NULL, NULL, REDW_CLASS_COPY_ERROR, YES, 0},
    {"XX000", 0, NULL, "S3ServiceException:x,Status 503,Error y", NULL, NULL, REDW_CLASS_COPY_ERROR, YES, 0},
    {"XX000", 0, NULL, "S3ServiceException:x,Error SlowDown", NULL, NULL, REDW_CLASS_COPY_ERROR, YES, 0},
    {"XX000", 0, NULL, "S3ServiceException:x,Error InternalError", NULL, NULL, REDW_CLASS_COPY_ERROR, YES, 0},
    {"XX000", 0, NULL, "S3ServiceException:x,Error RequestTimeout", NULL, NULL, REDW_CLASS_COPY_ERROR, YES,
     0},
    {"XX000", 8001, NULL, "x,Status 503,y", NULL, "s3_text_unloader.cpp:1", REDW_CLASS_UNLOAD_ERROR, YES, 0},
    {"XX000", 15001, NULL, "Spectrum Scan Error: Retries exceeded", NULL, NULL, REDW_CLASS_SPECTRUM_ERROR,
     YES, 0},
    {"XX000", 0, NULL, "Spectrum Scan Error: Access throttled", NULL, NULL, REDW_CLASS_SPECTRUM_ERROR, YES,
     0},
    {"XX000", 0, NULL, "Spectrum Scan Error: Resource limit exceeded", NULL, NULL, REDW_CLASS_SPECTRUM_ERROR,
     NO, 0},
    {"XX000", 1, NULL, "x", "not ready, please retry later.", NULL, REDW_CLASS_INTERNAL, YES, 0},
    /* stopped */
    {"57014", 0, "pg_throw", "Query (1) cancelled on user's request", NULL, NULL, REDW_CLASS_QUERY_CANCELLED,
     NO, REDW_CAUSE_UNKNOWN},
    {"57014", 0, "pg_throw", "Query canceled on user's request", NULL, NULL, REDW_CLASS_QUERY_CANCELLED, NO,
     REDW_CAUSE_UNKNOWN},
    {"57014", 0, "pg_throw", "please retry later", NULL, NULL, REDW_CLASS_QUERY_CANCELLED, NO,
     REDW_CAUSE_ADMIN},
    {"57014", 0, "ProcessInterrupts", "canceling statement due to statement timeout", NULL, NULL,
     REDW_CLASS_QUERY_TIMEOUT, NO, REDW_CAUSE_SERVER_TIMEOUT},
    {"57014", 0, "ProcessInterrupts", "canceling statement due to user request", NULL, NULL,
     REDW_CLASS_QUERY_CANCELLED, NO, REDW_CAUSE_ADMIN},
    {"57014", 0, "ProcessInterrupts", "annulation de la requete", NULL, NULL, REDW_CLASS_QUERY_CANCELLED, NO,
     REDW_CAUSE_UNKNOWN},
    {"57014", 0, NULL, "Disk Full", NULL, NULL, REDW_CLASS_QUERY_CANCELLED, NO, REDW_CAUSE_UNKNOWN},
    {"57014", 0, "pg_throw", "by WLM abort action of Query Monitoring Rule \"r\".", NULL, NULL,
     REDW_CLASS_QUERY_CANCELLED, NO, REDW_CAUSE_RULE},
    {"XX000", 0, "pg_throw", "by WLM abort action of Query Monitoring Rule \"r\", please retry later", NULL,
     NULL, REDW_CLASS_QUERY_CANCELLED, NO, REDW_CAUSE_RULE},
    /* a timeout's text under the engine's SQLSTATE is no proof */
    {"XX000", 0, NULL, "due to statement timeout", NULL, NULL, REDW_CLASS_INTERNAL, NO, 0},
};

START_TEST(each_engine_error_has_its_class_cause_and_retry_flag)
{
    for (size_t i = 0; i < sizeof engine_rows / sizeof engine_rows[0]; i++) {
        const struct engine_row *row = &engine_rows[i];
        const struct redwi_evidence e = {
            .sqlstate = row->sqlstate,
            .code = row->code,
            .routine = slice(row->routine),
            .message = slice(row->message),
            .error = slice(row->error),
            .location = slice(row->location),
        };
        struct redwi_verdict v = redwi_errmap(&e);
        ck_assert_msg(v.cls == row->cls && v.retryable == row->retryable && v.cause == row->cause,
                      "row %zu (%d %s): %s, cause %s, retry %d", i, row->code,
                      row->message ? row->message : "", redw_class_name(v.cls), redw_cause_name(v.cause),
                      v.retryable);
    }
}
END_TEST

START_TEST(only_the_front_of_a_text_is_looked_at)
{
    static char text[5000];
    memset(text, ' ', sizeof text);
    memcpy(text + 4096 - 9, "Disk Full", 9);
    struct redwi_evidence e = {.sqlstate = "XX000", .message = {text, sizeof text}};
    ck_assert_int_eq(redwi_errmap(&e).cls, REDW_CLASS_DISK_FULL);
    e.message.ptr = text + 1; /* and one further */
    ck_assert_int_eq(redwi_errmap(&e).cls, REDW_CLASS_DISK_FULL);
    e.message = (redw_slice){text, 4095};
    ck_assert_int_eq(redwi_errmap(&e).cls, REDW_CLASS_INTERNAL);
    memmove(text + 4096 - 8, text + 4096 - 9, 9);
    e.message = (redw_slice){text, sizeof text};
    ck_assert_int_eq(redwi_errmap(&e).cls, REDW_CLASS_INTERNAL);
}
END_TEST

START_TEST(the_rule_stands_between_quotes)
{
    static const struct {
        const char *message, *rule;
    } cases[] = {
        {"Query (5) cancelled by WLM abort action of Query Monitoring Rule \"testrule\".", "testrule"},
        {"Query Monitoring Rule \"\"", ""},
        {"Query Monitoring Rule \"a", NULL},
        {"Query Monitoring Rule a", NULL},
        {"", NULL},
        {NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        redw_slice rule = redwi_errmap_rule(slice(cases[i].message));
        if (!cases[i].rule) {
            ck_assert_ptr_null(rule.ptr);
            continue;
        }
        ck_assert_ptr_nonnull(rule.ptr);
        ck_assert_uint_eq(rule.len, strlen(cases[i].rule));
        ck_assert_mem_eq(rule.ptr, cases[i].rule, rule.len);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("errmap");
    TCase *t = tcase_create("errmap");
    suite_add_tcase(s, t);
    tcase_add_test(t, each_sqlstate_has_its_class);
    tcase_add_test(t, each_sqlstate_says_whether_it_passes_and_what_stopped_it);
    tcase_add_test(t, each_engine_error_has_its_class_cause_and_retry_flag);
    tcase_add_test(t, only_the_front_of_a_text_is_looked_at);
    tcase_add_test(t, the_rule_stands_between_quotes);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
