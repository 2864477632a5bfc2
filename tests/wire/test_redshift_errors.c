/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C05, C06, C07, C08, X1, X2, X3: Redshift's errors, one file each in tests/data/redshift_errors: class,
 * cause, flags, code, query id and the parts of the detail come out as the file expects, also when memory
 * ends at any allocation.
 */
#include "wire/be_write.h"
#include "wire/err.h"
#include "wire/mem.h"

#include <check.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIRECTORY "tests/data/redshift_errors"
enum { EXPECTS_MAX = 24, FIELDS_MAX = 16, FILE_MAX = 16 * 1024 };

struct recorded {
    char name[256];
    char text[FILE_MAX]; /* cut into lines in place */
    struct {
        const char *key, *value;
    } expects[EXPECTS_MAX];
    size_t nexpects;
    struct redwi_error_field fields[FIELDS_MAX + 1];
    size_t nfields;
};

/* ---- reading the files ---- */

static char *next_line(char **p)
{
    char *line = *p, *stop = strchr(line, '\n');
    ck_assert_msg(stop != NULL, "no line break at the end");
    *stop = '\0';
    *p = stop + 1;
    return line;
}

/* "\n" of the expectations becomes a line break. */
static void unescape(char *s)
{
    for (char *p; (p = strstr(s, "\\n")) != NULL; s = p) {
        *p++ = '\n';
        memmove(p, p + 1, strlen(p + 1) + 1);
    }
}

static void add_expect(struct recorded *r, char *line)
{
    ck_assert_uint_lt(r->nexpects, EXPECTS_MAX);
    char *space = strchr(line, ' ');
    if (space)
        *space = '\0';
    char *value = space ? space + 1 : line + strlen(line);
    unescape(value);
    r->expects[r->nexpects].key = line;
    r->expects[r->nexpects++].value = value;
}

static void add_field(struct recorded *r, char *line, char **p)
{
    ck_assert_uint_lt(r->nfields, FIELDS_MAX);
    struct redwi_error_field *f = &r->fields[r->nfields++];
    f->letter = line[0];
    f->text = line[1] == ' ' ? line + 2 : line + 1;
    if (line[0] != 'D')
        return;
    char *end = strstr(*p, "\nend\n");
    ck_assert_msg(end != NULL, "field D without end");
    f->text = *p;
    *end = '\0';
    *p = end + strlen("\nend\n");
}

static void read_file(struct recorded *r, const char *name)
{
    char path[512];
    memset(r, 0, sizeof *r);
    snprintf(r->name, sizeof r->name, "%s", name);
    snprintf(path, sizeof path, DIRECTORY "/%s", name);
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s", path);
    size_t n = fread(r->text, 1, sizeof r->text - 1, f);
    fclose(f);
    ck_assert_uint_lt(n, sizeof r->text - 1);
    char *p = r->text;
    while (*p) {
        char *line = next_line(&p);
        if (strncmp(line, "expect ", 7) == 0)
            add_expect(r, line + 7);
        else if (strncmp(line, "field ", 6) == 0)
            add_field(r, line + 6, &p);
        else
            ck_assert_msg(line[0] == '#', "%s: %s", name, line);
    }
}

/* Calls fn for each file and returns how many there were. */
static size_t for_each_file(void (*fn)(struct recorded *r))
{
    DIR *d = opendir(DIRECTORY);
    ck_assert_msg(d != NULL, "run from the root of the repository");
    struct recorded *r = malloc(sizeof *r);
    size_t n = 0;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        const char *dot = strrchr(entry->d_name, '.');
        if (!dot || strcmp(dot, ".txt") != 0)
            continue;
        read_file(r, entry->d_name);
        fn(r);
        n++;
    }
    free(r);
    closedir(d);
    return n;
}

static redw_error *make(const struct redw_allocator *mem, const struct recorded *r)
{
    struct redwi_buf b;
    redwi_buf_init(&b, &redwi_malloc, 1 << 20);
    redwi_be_put_error(&b, 'E', r->fields);
    ck_assert_int_eq(b.failed, 0);
    const uint8_t *body = redwi_buf_front(&b) + 5;
    size_t len = redwi_buf_len(&b) - 5;
    ck_assert(redwi_be_fields_ok(body, len));
    redw_error *e = redwi_err_server(mem, body, len, REDW_OUTCOME_NOT_EXECUTED);
    redwi_buf_free(&b);
    return e;
}

/* ---- what the files expect ---- */

/* What the error answers to the key of an expectation. */
static void answer(const redw_error *e, const char *key, char *out, size_t cap)
{
    static const struct {
        const char *key;
        enum redw_redshift_field field;
    } parts[] = {
        {"error", REDW_REDSHIFT_ERROR},       {"context", REDW_REDSHIFT_CONTEXT},
        {"location", REDW_REDSHIFT_LOCATION}, {"process", REDW_REDSHIFT_PROCESS},
        {"error_id", REDW_REDSHIFT_ERROR_ID},
    };
    unsigned flag = strcmp(key, "retry") == 0     ? REDW_ERROR_RETRYABLE
                    : strcmp(key, "lost") == 0    ? REDW_ERROR_CONNECTION_LOST
                    : strcmp(key, "aborted") == 0 ? REDW_ERROR_TRANSACTION_ABORTED
                                                  : 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        redw_slice s = redw_error_redshift_field(e, parts[i].field);
        if (strcmp(key, parts[i].key) == 0) {
            snprintf(out, cap, "%.*s", REDW_ARG(s));
            return;
        }
    }
    if (flag)
        snprintf(out, cap, "%s", redw_error_flags(e) & flag ? "yes" : "no");
    else if (strcmp(key, "class") == 0)
        snprintf(out, cap, "%s", redw_class_name(redw_error_class(e)));
    else if (strcmp(key, "cause") == 0)
        snprintf(out, cap, "%s", redw_cause_name(redw_error_cause(e)));
    else if (strcmp(key, "code") == 0)
        snprintf(out, cap, "%d", redw_error_redshift_code(e));
    else if (strcmp(key, "query") == 0)
        snprintf(out, cap, "%" PRId64, redw_error_query_id(e));
    else if (strcmp(key, "rule") == 0)
        snprintf(out, cap, "%.*s", REDW_ARG(redw_error_rule(e)));
    else if (strcmp(key, "message") == 0)
        snprintf(out, cap, "%s", redw_error_message(e));
    else
        ck_abort_msg("unknown expectation: %s", key);
}

static void check_error(const struct recorded *r, const redw_error *e)
{
    for (size_t i = 0; i < r->nexpects; i++) {
        char got[2048];
        answer(e, r->expects[i].key, got, sizeof got);
        ck_assert_msg(strcmp(got, r->expects[i].value) == 0, "%s: %s is %s, not %s", r->name,
                      r->expects[i].key, got, r->expects[i].value);
    }
    for (size_t i = 0; i < r->nfields; i++) { /* and all of it is kept as it came */
        redw_slice s = redw_error_field(e, r->fields[i].letter);
        ck_assert_msg(s.ptr && strcmp(s.ptr, r->fields[i].text) == 0, "%s: field %c", r->name,
                      r->fields[i].letter);
    }
    ck_assert_int_eq(redw_error_code(e), REDW_ESERVER);
    ck_assert_int_eq(redw_error_origin(e), REDW_ORIGIN_SERVER);
    ck_assert_uint_lt(strlen(redw_error_message(e)), 1024);
}

static void says_what_it_expects(struct recorded *r)
{
    ck_assert_uint_ge(r->nexpects, 7);
    redw_error *e = make(&redwi_malloc, r);
    check_error(r, e);
    /* Under another outcome and prefix it is the same error. */
    redw_error *again = redwi_err_again(&redwi_malloc, e, REDW_OUTCOME_UNKNOWN, NULL);
    redw_error_release(e);
    check_error(r, again);
    redw_error_release(again);
}

START_TEST(each_recorded_error_says_what_its_file_expects)
{
    ck_assert_uint_ge(for_each_file(says_what_it_expects), 30);
}
END_TEST

/* ---- the n-th allocation fails ---- */

struct meter {
    size_t live, calls, fails_at;
};

static void *meter_alloc(void *ctx, size_t bytes)
{
    struct meter *m = ctx;
    if (++m->calls == m->fails_at)
        return NULL;
    m->live++;
    return malloc(bytes);
}

static void *meter_resize(void *ctx, void *ptr, size_t bytes)
{
    (void)ctx;
    return realloc(ptr, bytes);
}

static void meter_release(void *ctx, void *ptr)
{
    struct meter *m = ctx;
    m->live -= ptr != NULL;
    free(ptr);
}

/* Made, given a cause, given an outcome and a prefix: three allocations at most. */
static void without_the_nth(struct recorded *r)
{
    for (size_t nth = 1;; nth++) {
        struct meter m = {.fails_at = nth};
        const struct redw_allocator mem = {sizeof mem, &m, meter_alloc, meter_resize, meter_release};
        redw_error *e = make(&mem, r);
        redw_error *caused = redwi_err_with_cause(&mem, e, REDW_CAUSE_CALLER, REDW_OUTCOME_UNKNOWN);
        redw_error *last = redwi_err_again(&mem, caused, REDW_OUTCOME_NOT_SENT, "query");
        ck_assert_int_eq(redw_error_outcome(last), REDW_OUTCOME_NOT_SENT);
        int code = redw_error_code(last);
        redw_error_release(e);
        redw_error_release(caused);
        redw_error_release(last);
        ck_assert_uint_eq(m.live, 0);
        if (m.calls < nth) {
            ck_assert_int_eq(code, REDW_ESERVER);
            ck_assert_uint_ge(nth, 3);
            return;
        }
        ck_assert_msg(code == REDW_ENOMEM, "%s: allocation %zu", r->name, nth);
    }
}

START_TEST(without_memory_for_it_any_of_them_is_out_of_memory_and_nothing_leaks)
{
    for_each_file(without_the_nth);
}
END_TEST

/* ---- what only the client knows ---- */

static redw_error *stopped(const char *sqlstate, const char *message, const char *routine)
{
    struct recorded *r = calloc(1, sizeof *r);
    r->fields[0] = (struct redwi_error_field){'S', "ERROR"};
    r->fields[1] = (struct redwi_error_field){'C', sqlstate};
    r->fields[2] = (struct redwi_error_field){'M', message};
    r->fields[3] = (struct redwi_error_field){'R', routine};
    redw_error *e = make(&redwi_malloc, r);
    free(r);
    return e;
}

START_TEST(the_client_adds_who_stopped_it_where_the_error_does_not_prove_it)
{
    static const char ambiguous[] = "Query (1) cancelled on user's request";
    static const struct {
        const char *sqlstate, *message, *routine;
        enum redw_cause told, cause;
        enum redw_class cls;
    } rows[] = {
#define CAUSE(c) REDW_CAUSE_##c
#define CLS(c)   REDW_CLASS_##c
        /* Redshift says the same of all */
        {"57014", ambiguous, "pg_throw", CAUSE(NONE), CAUSE(UNKNOWN), CLS(QUERY_CANCELLED)},
        {"57014", ambiguous, "pg_throw", CAUSE(UNKNOWN), CAUSE(UNKNOWN), CLS(QUERY_CANCELLED)},
        {"57014", ambiguous, "pg_throw", CAUSE(CALLER), CAUSE(CALLER), CLS(QUERY_CANCELLED)},
        {"57014", ambiguous, "pg_throw", CAUSE(DEADLINE), CAUSE(DEADLINE), CLS(QUERY_TIMEOUT)},
        {"57014", ambiguous, "pg_throw", CAUSE(SERVER_TIMEOUT), CAUSE(SERVER_TIMEOUT), CLS(QUERY_TIMEOUT)},
        {"57014", ambiguous, "pg_throw", CAUSE(QUEUE), CAUSE(QUEUE), CLS(QUERY_CANCELLED)},
        {"57014", ambiguous, "pg_throw", CAUSE(ADMIN), CAUSE(ADMIN), CLS(QUERY_CANCELLED)},
        /* PostgreSQL proves that somebody asked, not who; and a timeout it names was one */
        {"57014", "canceling statement due to user request", "ProcessInterrupts", CAUSE(CALLER),
         CAUSE(CALLER), CLS(QUERY_CANCELLED)},
        {"57014", "canceling statement due to user request", "ProcessInterrupts", CAUSE(DEADLINE),
         CAUSE(DEADLINE), CLS(QUERY_TIMEOUT)},
        {"57014", "canceling statement due to user request", "ProcessInterrupts", CAUSE(SERVER_TIMEOUT),
         CAUSE(ADMIN), CLS(QUERY_CANCELLED)},
        {"57014", "canceling statement due to statement timeout", "ProcessInterrupts", CAUSE(CALLER),
         CAUSE(SERVER_TIMEOUT), CLS(QUERY_TIMEOUT)},
        /* in a language this client does not read, nothing is proved */
        {"57014", "storniere Anfrage wegen Benutzeraufforderung", "ProcessInterrupts", CAUSE(NONE),
         CAUSE(UNKNOWN), CLS(QUERY_CANCELLED)},
        {"57014", "storniere Anfrage wegen Benutzeraufforderung", "ProcessInterrupts", CAUSE(CALLER),
         CAUSE(CALLER), CLS(QUERY_CANCELLED)},
        /* a rule or the system did it, whatever this client did as well */
        {"57014", "Query (5) cancelled by WLM abort action of Query Monitoring Rule \"r\".", "pg_throw",
         CAUSE(CALLER), CAUSE(RULE), CLS(QUERY_CANCELLED)},
        {"57P01", "going down", "ProcessInterrupts", CAUSE(CALLER), CAUSE(SHUTDOWN), CLS(CONNECTION_FAILED)},
        /* an error that came first is that error */
        {"42601", "syntax error", "yyerror", CAUSE(CALLER), CAUSE(NONE), CLS(INVALID_SQL)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        redw_error *e = stopped(rows[i].sqlstate, rows[i].message, rows[i].routine);
        redw_error *told = redwi_err_with_cause(&redwi_malloc, e, rows[i].told, REDW_OUTCOME_UNKNOWN);
        redw_error_release(e);
        ck_assert_msg(redw_error_cause(told) == rows[i].cause, "row %zu: %s", i,
                      redw_cause_name(redw_error_cause(told)));
        ck_assert_msg(redw_error_class(told) == rows[i].cls, "row %zu: %s", i,
                      redw_class_name(redw_error_class(told)));
        ck_assert_str_eq(redw_error_message(told), rows[i].message);
        ck_assert_str_eq(redw_error_sqlstate(told), rows[i].sqlstate);
        ck_assert_int_eq(redw_error_outcome(told), REDW_OUTCOME_UNKNOWN);
        ck_assert_ptr_nonnull(redw_error_field(told, 'M').ptr);
        redw_error_release(told);
    }
}
END_TEST

/* ---- hostile and odd ---- */

START_TEST(details_of_other_servers_are_neither_decoded_nor_shown)
{
    static const struct {
        const char *sqlstate, *message, *detail;
    } rows[] = {
        {"23505", "duplicate key value", "Key (ssn)=(078-05-1120) already exists."},
        {"40P01", "deadlock detected", "Process 1 waits for ShareLock on transaction 2."},
        {"XX000", "cache lookup failed", "query: 12\nprocess: 3"},
        {"P0001", "8001", "secret"},
        {"XX000", "99999999999999999999", "secret"}, /* a number, but no code */
        {"XX000", "0", "secret"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct redwi_error_field fields[] = {
            {'C', rows[i].sqlstate}, {'M', rows[i].message}, {'D', rows[i].detail}, {0, NULL}};
        struct recorded *r = calloc(1, sizeof *r);
        memcpy(r->fields, fields, sizeof fields);
        redw_error *e = make(&redwi_malloc, r);
        free(r);
        ck_assert_str_eq(redw_error_message(e), rows[i].message);
        ck_assert_int_eq(redw_error_redshift_code(e), 0);
        ck_assert_int_eq(redw_error_query_id(e), -1);
        for (int part = REDW_REDSHIFT_ERROR; part <= REDW_REDSHIFT_ERROR_ID + 1; part++)
            ck_assert_ptr_null(redw_error_redshift_field(e, (enum redw_redshift_field)part).ptr);
        ck_assert_ptr_null(redw_error_rule(e).ptr);
        redw_error_release(e);
    }
}
END_TEST

START_TEST(a_vague_message_is_completed_with_what_there_is)
{
    static const struct {
        const char *message, *detail, *shown;
    } rows[] = {
        {"Assert", "error: Assert\ncode: 1000\nquery: 7", "Assert (code 1000, query 7)"},
        {"Assert", "error: offset\ncode: 1", "Assert: offset (code 1)"},
        {"Assert", "-----\nerror: a is null\nquery: 7", "Assert: a is null (query 7)"},
        {"Assert", "-----\nerror: \ncode: 5", "Assert (code 5)"},
        {"Assert", "-----\ncontext: c", "Assert"},
        {"Assert", "secret", "Assert"},
        {"Assert", NULL, "Assert"},
        {"deadlock detected", "between 1 and 2 (pid:7)", "deadlock detected: between 1 and 2"},
        /* a number is the code, unless a block has another */
        {"1023", NULL, "1023"},
        {"1023", "x", "1023: x"},
        {"1023", "error: x\ncode: 8001\nquery: 7", "1023: x (query 7)"},
        {"1023", "1023", "1023"},
        {"10 3", "x", "10 3"},
        {"10:3", "x", "10:3"},
        /* what speaks for itself stays as it is */
        {"Disk Full", "error: Disk Full\ncode: 1016", "Disk Full"},
        {"Spectrum Scan Error: x", "error: y\ncode: 15007", "Spectrum Scan Error: x"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct recorded *r = calloc(1, sizeof *r);
        r->fields[0] = (struct redwi_error_field){'C', "XX000"};
        r->fields[1] = (struct redwi_error_field){'M', rows[i].message};
        if (rows[i].detail)
            r->fields[2] = (struct redwi_error_field){'D', rows[i].detail};
        redw_error *e = make(&redwi_malloc, r);
        free(r);
        ck_assert_str_eq(redw_error_message(e), rows[i].shown);
        redw_error_release(e);
    }
}
END_TEST

START_TEST(the_rule_is_found_where_the_message_is_only_a_number)
{
    struct recorded *r = calloc(1, sizeof *r);
    r->fields[0] = (struct redwi_error_field){'C', "XX000"};
    r->fields[1] = (struct redwi_error_field){'M', "1"};
    r->fields[2] = (struct redwi_error_field){'D', "by Query Monitoring Rule \"long\". (pid:7)"};
    redw_error *e = make(&redwi_malloc, r);
    free(r);
    ck_assert_int_eq(redw_error_cause(e), REDW_CAUSE_RULE);
    redw_slice rule = redw_error_rule(e);
    ck_assert_uint_eq(rule.len, 4);
    ck_assert_mem_eq(rule.ptr, "long", 4);
    redw_error_release(e);
}
END_TEST

START_TEST(a_detail_too_large_to_keep_is_decoded_before_it_goes)
{
    static char large[64 * 1024];
    int n = snprintf(large, sizeof large, "-----\nerror: Disk Full\ncode: 1016\nquery: 9\ncontext: ");
    memset(large + n, 'x', sizeof large - 1 - (size_t)n);
    struct recorded *r = calloc(1, sizeof *r);
    r->fields[0] = (struct redwi_error_field){'C', "XX000"};
    r->fields[1] = (struct redwi_error_field){'D', large};
    redw_error *e = make(&redwi_malloc, r);
    free(r);
    ck_assert_int_eq(redw_error_class(e), REDW_CLASS_DISK_FULL);
    ck_assert_int_eq(redw_error_redshift_code(e), 1016);
    ck_assert_int_eq(redw_error_query_id(e), 9);
    ck_assert_str_eq(redw_error_message(e), "the server gave no message");
    ck_assert_ptr_null(redw_error_redshift_field(e, REDW_REDSHIFT_ERROR).ptr);
    redw_error_release(e);
}
END_TEST

START_TEST(the_error_text_that_joins_the_message_is_escaped_and_bounded)
{
    static char detail[8 * 1024];
    memset(detail, 27, sizeof detail - 1);
    memcpy(detail, "error: ", 7);
    memcpy(detail + sizeof detail - 30, "\ncode: 7\nquery: 8\nprocess: p", 29);
    struct recorded *r = calloc(1, sizeof *r);
    r->fields[0] = (struct redwi_error_field){'C', "XX000"};
    r->fields[1] = (struct redwi_error_field){'M', "Assert"};
    r->fields[2] = (struct redwi_error_field){'D', detail};
    redw_error *e = make(&redwi_malloc, r);
    free(r);
    const char *text = redw_error_message(e);
    ck_assert_int_eq(strncmp(text, "Assert: \\x1b\\x1b", 16), 0);
    ck_assert_uint_le(strlen(text), 1023);
    ck_assert_ptr_null(strchr(text, 27));
    redw_error_release(e);
}
END_TEST

START_TEST(no_error_has_no_cause_no_flags_and_no_redshift)
{
    ck_assert_int_eq(redw_error_cause(NULL), REDW_CAUSE_NONE);
    ck_assert_uint_eq(redw_error_flags(NULL), 0);
    ck_assert_int_eq(redw_error_redshift_code(NULL), 0);
    ck_assert_int_eq(redw_error_query_id(NULL), -1);
    ck_assert_ptr_null(redw_error_redshift_field(NULL, REDW_REDSHIFT_ERROR).ptr);
    ck_assert_ptr_null(redw_error_rule(NULL).ptr);
    /* nor have errors that no server sent */
    redw_error *closed = redwi_err_closed(REDW_OUTCOME_NOT_SENT);
    ck_assert_int_eq(redw_error_query_id(closed), -1);
    ck_assert_ptr_null(redw_error_redshift_field(closed, REDW_REDSHIFT_ERROR).ptr);
    ck_assert_ptr_null(redw_error_rule(closed).ptr);
    ck_assert_uint_eq(redw_error_flags(closed), 0);
}
END_TEST

START_TEST(errors_of_this_side_have_flags_and_a_cause_too)
{
    enum { R = REDW_ERROR_RETRYABLE, L = REDW_ERROR_CONNECTION_LOST };
    static const struct {
        struct redwi_err_spec spec;
        unsigned flags;
        enum redw_cause cause;
    } rows[] = {
        {{.code = REDW_ECONNECT, .cls = REDW_CLASS_CONNECTION_FAILED}, R | L, REDW_CAUSE_NONE},
        {{.code = REDW_ETIMEDOUT, .cls = REDW_CLASS_CONNECTION_FAILED}, R | L, REDW_CAUSE_NONE},
        {{.code = REDW_EPROTOCOL, .cls = REDW_CLASS_INTERNAL}, L, REDW_CAUSE_NONE},
        {{.code = REDW_EAUTH, .cls = REDW_CLASS_AUTHENTICATION_FAILED}, L, REDW_CAUSE_NONE},
        {{.code = REDW_ETLS, .cls = REDW_CLASS_CONNECTION_FAILED}, L, REDW_CAUSE_NONE},
        {{.code = REDW_ETIMEDOUT, .cls = REDW_CLASS_QUERY_TIMEOUT}, 0, REDW_CAUSE_DEADLINE},
        {{.code = REDW_ETIMEDOUT, .cls = REDW_CLASS_QUERY_TIMEOUT, .outcome = REDW_OUTCOME_NOT_SENT},
         R,
         REDW_CAUSE_DEADLINE},
        {{.code = REDW_ECANCELLED, .cls = REDW_CLASS_QUERY_CANCELLED}, 0, REDW_CAUSE_CALLER},
        {{.code = REDW_EFULL, .cls = REDW_CLASS_RESOURCE_BUSY}, 0, REDW_CAUSE_NONE},
        {{.code = REDW_ENOMEM, .cls = REDW_CLASS_OUT_OF_MEMORY, .outcome = REDW_OUTCOME_NOT_SENT},
         0,
         REDW_CAUSE_NONE},
        {{.code = REDW_EINVAL, .cls = REDW_CLASS_INVALID_SQL}, 0, REDW_CAUSE_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        redw_error *e = redwi_err_make(&redwi_malloc, &rows[i].spec, "x");
        ck_assert_msg(redw_error_flags(e) == rows[i].flags, "row %zu: %u", i, redw_error_flags(e));
        ck_assert_int_eq(redw_error_cause(e), rows[i].cause);
        ck_assert_int_eq(redw_error_query_id(e), -1);
        redw_error_release(e);
    }
}
END_TEST

START_TEST(every_cause_has_a_name_of_its_own)
{
    static const char *const names[] = {"none", "caller", "deadline", "server_timeout", "queue",
                                        "rule", "admin",  "shutdown", "unknown"};
    for (int c = REDW_CAUSE_NONE; c <= REDW_CAUSE_UNKNOWN; c++)
        ck_assert_str_eq(redw_cause_name((enum redw_cause)c), names[c]);
    ck_assert_str_eq(redw_cause_name((enum redw_cause)99), "unknown");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("redshift_errors");
    TCase *t = tcase_create("redshift_errors");
    suite_add_tcase(s, t);
    tcase_add_test(t, each_recorded_error_says_what_its_file_expects);
    tcase_add_test(t, without_memory_for_it_any_of_them_is_out_of_memory_and_nothing_leaks);
    tcase_add_test(t, the_client_adds_who_stopped_it_where_the_error_does_not_prove_it);
    tcase_add_test(t, details_of_other_servers_are_neither_decoded_nor_shown);
    tcase_add_test(t, a_vague_message_is_completed_with_what_there_is);
    tcase_add_test(t, the_rule_is_found_where_the_message_is_only_a_number);
    tcase_add_test(t, a_detail_too_large_to_keep_is_decoded_before_it_goes);
    tcase_add_test(t, the_error_text_that_joins_the_message_is_escaped_and_bounded);
    tcase_add_test(t, no_error_has_no_cause_no_flags_and_no_redshift);
    tcase_add_test(t, errors_of_this_side_have_flags_and_a_cause_too);
    tcase_add_test(t, every_cause_has_a_name_of_its_own);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
