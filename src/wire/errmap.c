/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables behind class, cause and retry flag of the server's errors. SQLSTATEs and their meaning:
 * PostgreSQL documentation, Appendix A. What is in no table is REDW_CLASS_INTERNAL on purpose: a class is
 * a promise about what to do, and for the rest there is none.
 *
 * Redshift's engine answers nearly everything with XX000, and five different ends of a statement with
 * 57014: these two go through the second table. Its rows cite the parts of docs/redshift/errors.md.
 */
#include "wire/errmap.h"

#include <string.h>

/* Of each text so much is looked at: what decides stands in front, and a hostile server sends a lot. */
#define TEXT_MAX 4096

#define RETRY true

struct row {
    const char *prefix; /* five characters: one code; two: a whole class */
    enum redw_class cls;
    bool retryable;
    enum redw_cause cause;
};

/* The first row whose prefix matches decides, so exceptions stand before their class. */
static const struct row table[] = {
    {"08P01", REDW_CLASS_CONNECTION_FAILED, false, 0}, /* protocol violation: it will be one again */
    {"25P03", REDW_CLASS_CONNECTION_FAILED, RETRY, REDW_CAUSE_SERVER_TIMEOUT}, /* idle in transaction */
    {"25P04", REDW_CLASS_CONNECTION_FAILED, false, REDW_CAUSE_SERVER_TIMEOUT}, /* transaction_timeout */
    {"3D000", REDW_CLASS_AUTHENTICATION_FAILED, false, 0}, /* no such database: the login is refused */
    {"3F000", REDW_CLASS_TABLE_NOT_FOUND, false, 0},       /* no such schema */
    {"40001", REDW_CLASS_SERIALIZATION_FAILURE, RETRY, 0},
    {"40P01", REDW_CLASS_SERIALIZATION_FAILURE, RETRY, 0}, /* deadlock: rolled back likewise */
    {"42501", REDW_CLASS_PERMISSION_DENIED, false, 0},
    {"42703", REDW_CLASS_COLUMN_NOT_FOUND, false, 0},
    {"42P01", REDW_CLASS_TABLE_NOT_FOUND, false, 0},
    {"53100", REDW_CLASS_DISK_FULL, false, 0},
    {"53200", REDW_CLASS_OUT_OF_MEMORY, false, 0}, /* the same statement needs the same memory */
    {"53300", REDW_CLASS_RESOURCE_BUSY, RETRY, 0}, /* too many connections */
    {"55006", REDW_CLASS_RESOURCE_BUSY, RETRY, 0}, /* object in use */
    {"55P03", REDW_CLASS_RESOURCE_BUSY, RETRY, 0}, /* lock not available */
    {"57014", REDW_CLASS_QUERY_CANCELLED, false, REDW_CAUSE_UNKNOWN},
    {"57P01", REDW_CLASS_CONNECTION_FAILED, RETRY, REDW_CAUSE_SHUTDOWN},       /* admin shutdown */
    {"57P02", REDW_CLASS_CONNECTION_FAILED, RETRY, REDW_CAUSE_SHUTDOWN},       /* crash shutdown */
    {"57P03", REDW_CLASS_CONNECTION_FAILED, RETRY, REDW_CAUSE_SHUTDOWN},       /* cannot connect now */
    {"57P04", REDW_CLASS_CONNECTION_FAILED, false, REDW_CAUSE_ADMIN},          /* database dropped */
    {"57P05", REDW_CLASS_CONNECTION_FAILED, RETRY, REDW_CAUSE_SERVER_TIMEOUT}, /* idle session */

    {"08", REDW_CLASS_CONNECTION_FAILED, RETRY, 0},
    {"0A", REDW_CLASS_INVALID_SQL, false, 0}, /* feature not supported */
    {"20", REDW_CLASS_DATA_ERROR, false, 0},  /* no branch of a CASE applies */
    {"21", REDW_CLASS_DATA_ERROR, false, 0},  /* cardinality */
    {"22", REDW_CLASS_DATA_ERROR, false, 0},
    {"23", REDW_CLASS_DATA_ERROR, false, 0},  /* integrity constraints */
    {"24", REDW_CLASS_INVALID_SQL, false, 0}, /* cursor state */
    {"25", REDW_CLASS_INVALID_SQL, false, 0}, /* transaction state, 25P02 above all */
    {"26", REDW_CLASS_INVALID_SQL, false, 0}, /* no such prepared statement */
    {"28", REDW_CLASS_AUTHENTICATION_FAILED, false, 0},
    {"2D", REDW_CLASS_INVALID_SQL, false, 0}, /* transaction termination not allowed here */
    {"34", REDW_CLASS_INVALID_SQL, false, 0}, /* no such cursor */
    {"3B", REDW_CLASS_INVALID_SQL, false, 0}, /* savepoints */
    {"42", REDW_CLASS_INVALID_SQL, false, 0},
    {"44", REDW_CLASS_DATA_ERROR, false, 0}, /* WITH CHECK OPTION */
    {"53", REDW_CLASS_RESOURCE_BUSY, false, 0},
    {"54", REDW_CLASS_INVALID_SQL, false, 0},   /* too complex, too many columns */
    {"55", REDW_CLASS_RESOURCE_BUSY, false, 0}, /* object not in the state that is needed */
    {"58", REDW_CLASS_INTERNAL, false, 0},      /* the server's system: 58030 input or output */
    {"P0", REDW_CLASS_DATA_ERROR, false, 0},    /* raised by a procedure */
};
static const struct row unforeseen = {"", REDW_CLASS_INTERNAL, false, 0};

/* ---- XX000 and 57014 ---- */

enum where { IN_TEXT, /* message or the detail's error */ IN_LOCATION, IN_ROUTINE };

/* Conditions that are left out are met. The first row that matches decides. */
struct rule {
    const char *sqlstate; /* NULL: both */
    int from, to;         /* Redshift's code */
    enum where where;
    const char *text;
    enum redw_class cls;
    bool retryable;
    enum redw_cause cause;
};

#define ROUTINE(name)  .where = IN_ROUTINE, .text = (name)
#define LOCATION(part) .where = IN_LOCATION, .text = (part)
#define TEXT(part)     .where = IN_TEXT, .text = (part)
#define CODE(n)        .from = (n), .to = (n)
#define CODES(a, b)    .from = (a), .to = (b)
#define IS(what)       .cls = REDW_CLASS_##what

static const struct rule rules[] = {
    /* Who wrote it: "COPY". */
    {ROUTINE("CheckMaxRowError"), IS(COPY_ERROR)},

    /* By code: "Codes". */
    {CODE(1016), IS(DISK_FULL)},
    {CODE(1018), IS(SERIALIZATION_FAILURE), .retryable = true},
    {CODE(1020), IS(QUERY_CANCELLED), .retryable = true, .cause = REDW_CAUSE_SHUTDOWN},
    {CODE(1023), IS(SERIALIZATION_FAILURE), .retryable = true},
    {CODE(1058), IS(DATA_ERROR)},
    {CODES(1200, 1224), IS(DATA_ERROR)},
    {CODES(15000, 15999), IS(SPECTRUM_ERROR)},
    {CODE(32004), IS(DATA_ERROR)},
    {CODE(34509), IS(RESOURCE_BUSY), .retryable = true},
    {CODE(34510), IS(SERIALIZATION_FAILURE), .retryable = true},

    /* By where in the engine it was found: "Locations". */
    {LOCATION("xen_aws_credentials_mgr"), IS(PERMISSION_DENIED)},
    {LOCATION("unload"), IS(UNLOAD_ERROR)},
    {LOCATION("table_s3_scanner"), IS(COPY_ERROR)},
    {CODE(2), LOCATION("step_scan"), IS(COPY_ERROR)},

    /* By text: "Texts". */
    {TEXT("Query Monitoring Rule"), IS(QUERY_CANCELLED), .cause = REDW_CAUSE_RULE},
    {"57014", TEXT("due to statement timeout"), IS(QUERY_TIMEOUT), .cause = REDW_CAUSE_SERVER_TIMEOUT},
    {"57014", TEXT("due to user request"), IS(QUERY_CANCELLED), .cause = REDW_CAUSE_ADMIN},
    {"57014", TEXT("on user's request"), IS(QUERY_CANCELLED), .cause = REDW_CAUSE_UNKNOWN},
    /* Any other text of the engine is what somebody gave to CANCEL. */
    {"57014", ROUTINE("pg_throw"), IS(QUERY_CANCELLED), .cause = REDW_CAUSE_ADMIN},

    {"XX", TEXT("Serializable isolation violation"), IS(SERIALIZATION_FAILURE), .retryable = true},
    {"XX", TEXT("conflict with concurrent transaction"), IS(SERIALIZATION_FAILURE), .retryable = true},
    {"XX", TEXT("could not open relation with OID"), IS(SERIALIZATION_FAILURE), .retryable = true},
    {"XX", TEXT("Error Code 34510"), IS(SERIALIZATION_FAILURE), .retryable = true},
    {"XX", TEXT("Disk Full"), IS(DISK_FULL)},
    {"XX", TEXT("Insufficient memory to run query"), IS(OUT_OF_MEMORY)},
    {"XX", TEXT("connection limit"), IS(RESOURCE_BUSY), .retryable = true},
    {"XX", TEXT("TooManyRequestsException"), IS(RESOURCE_BUSY), .retryable = true},
    {"XX", TEXT("unload destination on S3"), IS(UNLOAD_ERROR)},
    {"XX", TEXT("stl_load_errors"), IS(COPY_ERROR)},
    {"XX", TEXT("sys_load_error_detail"), IS(COPY_ERROR)},
    {"XX", TEXT("The specified S3 prefix"), IS(COPY_ERROR)},
    {"XX", TEXT("COPY with MANIFEST"), IS(COPY_ERROR)},
    {"XX", TEXT("COPY from this file format"), IS(COPY_ERROR)},
    {"XX", TEXT("S3ServiceException"), IS(COPY_ERROR)},
    {"XX", TEXT("Spectrum Scan Error"), IS(SPECTRUM_ERROR)},
    {"XX", TEXT("S3 Query Exception"), IS(SPECTRUM_ERROR)},
    {"XX", TEXT("combined length of columns processed"), IS(DATA_ERROR)},
    {"XX", TEXT("exceeds LISTAGG limit"), IS(DATA_ERROR)},
    {"XX", TEXT("Cannot insert a NULL value"), IS(DATA_ERROR)},
    {"XX", TEXT("Numeric data overflow"), IS(DATA_ERROR)},
    {"XX", TEXT("not supported on Redshift tables"), IS(INVALID_SQL)},
    {"XX", TEXT("cursors can only be used within"), IS(INVALID_SQL)},
};

/* What an engine error says when it will pass by itself, whatever its class: "Texts that pass". */
static const char *const passing[] = {
    "Status 500,",          "Status 503,",      "Error SlowDown",   "Error InternalError",
    "Error RequestTimeout", "Retries exceeded", "Access throttled", "please retry later",
};

static bool contains(redw_slice text, const char *part)
{
    size_t n = text.len < TEXT_MAX ? text.len : TEXT_MAX;
    return n && memmem(text.ptr, n, part, strlen(part)) != NULL;
}

static bool equals(redw_slice text, const char *whole)
{
    return text.len == strlen(whole) && memcmp(text.ptr, whole, text.len) == 0;
}

static bool in_text(const struct redwi_evidence *e, const char *part)
{
    return contains(e->message, part) || contains(e->error, part);
}

static bool has_prefix(const char *sqlstate, const char *prefix)
{
    while (*prefix && *sqlstate == *prefix) {
        sqlstate++;
        prefix++;
    }
    return !*prefix;
}

static const struct row *row_of(const char *sqlstate)
{
    if (!sqlstate || strnlen(sqlstate, 6) != 5)
        return &unforeseen;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (has_prefix(sqlstate, table[i].prefix))
            return &table[i];
    }
    return &unforeseen;
}

static bool matches(const struct rule *r, const struct redwi_evidence *e)
{
    if (r->sqlstate && !has_prefix(e->sqlstate, r->sqlstate))
        return false;
    if (r->to && (e->code < r->from || e->code > r->to))
        return false;
    if (!r->text)
        return true;
    if (r->where == IN_ROUTINE)
        return equals(e->routine, r->text);
    return r->where == IN_LOCATION ? contains(e->location, r->text) : in_text(e, r->text);
}

static bool passes(const struct redwi_evidence *e)
{
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++) {
        if (in_text(e, passing[i]))
            return true;
    }
    return false;
}

struct redwi_verdict redwi_errmap(const struct redwi_evidence *e)
{
    const struct row *row = row_of(e->sqlstate);
    struct redwi_verdict v = {row->cls, row->cause, row->retryable};
    bool cancelled = row->cls == REDW_CLASS_QUERY_CANCELLED;
    bool engine = row == &unforeseen && e->sqlstate && has_prefix(e->sqlstate, "XX");
    if (!cancelled && !engine) {
        /* 55P03 is raised by NOWAIT and by lock_timeout; only the latter interrupts. */
        if (strcmp(row->prefix, "55P03") == 0 && equals(e->routine, "ProcessInterrupts"))
            v.cause = REDW_CAUSE_SERVER_TIMEOUT;
        return v;
    }
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const struct rule *r = &rules[i];
        if (!matches(r, e))
            continue;
        v = (struct redwi_verdict){r->cls, r->cause, r->retryable};
        break;
    }
    if (engine && v.cls != REDW_CLASS_QUERY_CANCELLED)
        v.retryable = v.retryable || passes(e);
    return v;
}

enum redw_class redwi_errmap_class(const char *sqlstate)
{
    return row_of(sqlstate)->cls;
}

redw_slice redwi_errmap_rule(redw_slice message)
{
    static const char before[] = "Query Monitoring Rule \"";
    const redw_slice none = {NULL, 0};
    const char *p = message.len ? memmem(message.ptr, message.len, before, sizeof before - 1) : NULL;
    if (!p)
        return none;
    p += sizeof before - 1;
    const char *quote = memchr(p, '"', (size_t)(message.ptr + message.len - p));
    return quote ? (redw_slice){p, (size_t)(quote - p)} : none;
}
