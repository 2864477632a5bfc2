/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors of the server: made from an ErrorResponse or NoticeResponse, whose fields are kept as they came.
 * What is decided once (class, cause, flags, Redshift's code and query id) is decided here, from all that
 * was sent; texts inside DETAIL are found again when somebody asks, in the fields that were kept.
 */
#include "wire/err_impl.h"

#include "wire/be_read.h"
#include "wire/detail.h"
#include "wire/errmap.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define BODY_MAX ((size_t)32 * 1024) /* kept of a server's error (reliability: limits) */

/* Copies the fields that fit into BODY_MAX, each whole or not at all, and the final zero byte. Returns
 * the bytes needed; `out` NULL only counts. */
static size_t keep_fields(uint8_t *out, const uint8_t *body, size_t len)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    size_t at = 0;
    for (;;) {
        const uint8_t *field = c.p;
        if (!redwi_cursor_u8(&c))
            break;
        redwi_cursor_text(&c);
        size_t n = (size_t)(c.p - field);
        if (c.bad)
            break; /* not in a body that was checked */
        if (n > BODY_MAX - 1 - at)
            continue;
        if (out)
            memcpy(out + at, field, n);
        at += n;
    }
    if (out)
        out[at] = 0;
    return at + 1;
}

static bool slice_is(redw_slice s, const char *text)
{
    return s.ptr && s.len == strlen(text) && memcmp(s.ptr, text, s.len) == 0;
}

static bool starts_with(redw_slice s, const char *text)
{
    return s.len >= strlen(text) && memcmp(s.ptr, text, strlen(text)) == 0;
}

/* Five digits and capital letters, or nothing: it is printed where the message is. */
static void copy_sqlstate(char out[6], redw_slice code)
{
    bool good = code.len == 5;
    for (size_t i = 0; good && i < 5; i++)
        good = (code.ptr[i] >= '0' && code.ptr[i] <= '9') || (code.ptr[i] >= 'A' && code.ptr[i] <= 'Z');
    memcpy(out, good ? code.ptr : "\0\0\0\0", 5);
    out[5] = '\0';
}

/* ---- what Redshift's engine says ---- */

/* The message without ErrorId, and the detail; code and query id also where only the message has them. */
struct engine {
    redw_slice message;
    struct redwi_detail detail;
    bool speaks; /* it is the engine's: a block, a pid, or a number for a message */
};

static bool all_digits(redw_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    }
    return s.len > 0;
}

/* "Query (4777555) cancelled on user's request" */
static int64_t query_in(redw_slice message)
{
    static const char before[] = "Query (";
    size_t n = sizeof before - 1;
    if (!starts_with(message, before))
        return -1;
    return redwi_detail_number((redw_slice){message.ptr + n, message.len - n}, INT64_MAX);
}

static void read_engine(struct engine *g, const uint8_t *body, size_t len, const char *sqlstate)
{
    struct redwi_detail *d = &g->detail;
    bool number = false;
    g->message = redwi_be_field(body, len, 'M');
    redw_slice error_id = redwi_detail_cut_error_id(&g->message);
    redwi_detail_parse(redwi_be_field(body, len, 'D'), d);
    if (!d->error_id.ptr)
        d->error_id = error_id;
    /* Only where the SQLSTATE says nothing: elsewhere a number may be all that a procedure raised. */
    if (memcmp(sqlstate, "XX", 2) == 0 && all_digits(g->message)) {
        int64_t code = redwi_detail_number(g->message, INT_MAX);
        number = code > 0;
        if (number && !d->code)
            d->code = (int)code;
    }
    if (d->query < 0 && (memcmp(sqlstate, "XX", 2) == 0 || strcmp(sqlstate, "57014") == 0))
        d->query = query_in(g->message);
    g->speaks = d->kind == REDWI_DETAIL_BLOCK || d->process.ptr || number;
    if (!g->speaks)
        d->error = (redw_slice){NULL, 0}; /* the detail of any other error, with data of its row */
}

/* Messages that say nothing without the detail; so do numbers (docs/redshift/errors.md, "The message"). */
static bool is_vague(redw_slice message)
{
    static const char *const vague[] = {
        "Assert",       "deadlock detected", "Spectrum Scan Error",     "S3 Query Exception (Fetch)",
        "query engine", "abort query",       "Could not execute query",
    };
    for (size_t i = 0; i < sizeof vague / sizeof vague[0]; i++) {
        if (slice_is(message, vague[i]))
            return true;
    }
    return all_digits(message);
}

static size_t append(char *text, size_t at, redw_slice s)
{
    return at + redwi_escape(text + at, REDWI_MESSAGE_CAP - at, s.ptr, s.len);
}

/* " (code 15007, query 146667179)", with what there is. */
static size_t append_ids(char *text, size_t at, int code, int64_t query)
{
    char ids[64] = "";
    int n = 0;
    if (code && query >= 0)
        n = snprintf(ids, sizeof ids, " (code %d, query %lld)", code, (long long)query);
    else if (code)
        n = snprintf(ids, sizeof ids, " (code %d)", code);
    else if (query >= 0)
        n = snprintf(ids, sizeof ids, " (query %lld)", (long long)query);
    return append(text, at, (redw_slice){ids, (size_t)n});
}

/* Neither is empty. */
static bool same(redw_slice a, redw_slice b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

/* The context stays out of it: it may hold values and names of files. */
static size_t write_message(char text[REDWI_MESSAGE_CAP], const struct engine *g, redw_slice whole)
{
    const struct redwi_detail *d = &g->detail;
    if (!whole.len)
        whole = (redw_slice){"the server gave no message", 26};
    if (!g->speaks || !is_vague(g->message))
        return append(text, 0, whole);
    size_t n = append(text, 0, g->message);
    if (d->error.len && !same(d->error, g->message)) {
        n = append(text, n, (redw_slice){": ", 2});
        n = append(text, n, d->error);
    }
    return append_ids(text, n, all_digits(g->message) ? 0 : d->code, d->query);
}

/* ---- making ---- */

redw_error *redwi_err_server(const struct redw_allocator *mem, const uint8_t *body, size_t len,
                             enum redw_outcome outcome)
{
    struct redwi_err_facts facts = {
        .code = REDW_ESERVER,
        .outcome = redwi_err_known_outcome(outcome),
        .origin = REDW_ORIGIN_SERVER,
    };
    /* 'V' is 'S' untranslated; servers before 9.6, Redshift among them, send only 'S'. */
    redw_slice severity = redwi_be_field(body, len, 'V');
    if (!severity.ptr)
        severity = redwi_be_field(body, len, 'S');
    facts.fatal = slice_is(severity, "FATAL") || slice_is(severity, "PANIC");
    copy_sqlstate(facts.sqlstate, redwi_be_field(body, len, 'C'));

    struct engine g;
    read_engine(&g, body, len, facts.sqlstate);
    const struct redwi_evidence evidence = {
        .sqlstate = facts.sqlstate,
        .code = g.detail.code,
        .routine = redwi_be_field(body, len, 'R'),
        .message = g.message,
        .error = g.detail.error,
        .location = g.detail.location,
    };
    const struct redwi_verdict verdict = redwi_errmap(&evidence);
    facts.cls = verdict.cls;
    if (facts.cls == REDW_CLASS_AUTHENTICATION_FAILED)
        facts.code = REDW_EAUTH; /* who refuses a login, server or client, is the origin's to say */
    facts.cause = verdict.cause;
    facts.redshift_code = g.detail.code;
    facts.query_id = g.detail.query;
    facts.flags = (verdict.retryable ? REDW_ERROR_RETRYABLE : 0u) |
                  (facts.fatal ? REDW_ERROR_CONNECTION_LOST : 0u) |
                  (strcmp(facts.sqlstate, "25P02") == 0 ? REDW_ERROR_TRANSACTION_ABORTED : 0u);

    char text[REDWI_MESSAGE_CAP];
    size_t n = write_message(text, &g, redwi_be_field(body, len, 'M'));
    redw_error *e = redwi_err_alloc(mem, &facts, text, n, keep_fields(NULL, body, len));
    if (!e)
        return redwi_err_no_memory(outcome);
    keep_fields((uint8_t *)e->body, body, len);
    return e;
}

void redwi_err_shift_position(redw_error *e, size_t chars)
{
    if (!e || e->fixed || !e->body || atomic_load_explicit(&e->refs, memory_order_acquire) != 1)
        return;
    redw_slice field = redwi_be_field(e->body, e->body_len, 'P');
    int64_t at = field.ptr && all_digits(field) ? redwi_detail_number(field, INT64_MAX) : -1;
    if (at < 0 || (uint64_t)at <= chars)
        return;
    /* The number never gets longer: it is written over the old one, and what is behind it moves up. The body
     * ends at its first empty field, so what is left over at its end is in nobody's way. */
    char text[24];
    size_t n = (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)((uint64_t)at - chars));
    uint8_t *p = (uint8_t *)e->body + (field.ptr - (const char *)e->body), *end = (uint8_t *)e->body + e->body_len;
    if (n > field.len) /* it never is: leading zeroes make it shorter still */
        return;
    memcpy(p, text, n);
    memmove(p + n, p + field.len, (size_t)(end - (p + field.len)));
    memset(end - (field.len - n), 0, field.len - n);
}

/* ---- the public side ---- */

redw_slice redw_error_field(const redw_error *e, char letter)
{
    if (!e || !e->body || !letter)
        return (redw_slice){NULL, 0};
    return redwi_be_field(e->body, e->body_len, letter);
}

int redw_error_redshift_code(const redw_error *e)
{
    return e ? e->facts.redshift_code : 0;
}

int64_t redw_error_query_id(const redw_error *e)
{
    return e ? e->facts.query_id : -1;
}

redw_slice redw_error_redshift_field(const redw_error *e, enum redw_redshift_field field)
{
    const redw_slice none = {NULL, 0};
    struct engine g;
    if (!e || !e->body)
        return none;
    read_engine(&g, e->body, e->body_len, e->facts.sqlstate);
    switch (field) {
    case REDW_REDSHIFT_ERROR:
        return g.detail.error;
    case REDW_REDSHIFT_CONTEXT:
        return g.detail.context;
    case REDW_REDSHIFT_LOCATION:
        return g.detail.location;
    case REDW_REDSHIFT_PROCESS:
        return g.detail.process;
    case REDW_REDSHIFT_ERROR_ID:
        return g.detail.error_id;
    }
    return none;
}

redw_slice redw_error_rule(const redw_error *e)
{
    if (!e || e->facts.cause != REDW_CAUSE_RULE)
        return (redw_slice){NULL, 0};
    redw_slice rule = redwi_errmap_rule(redw_error_field(e, 'M'));
    return rule.ptr ? rule : redwi_errmap_rule(redw_error_redshift_field(e, REDW_REDSHIFT_ERROR));
}
