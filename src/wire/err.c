/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error objects. One allocation each: the struct, the message, and for errors of the server the fields
 * as they came. The allocator is copied in, because a kept error outlives its client. Immutable but for
 * the counter; the fixed ones (out of memory, closed) are constant data that is never counted.
 */
#include "wire/err.h"

#include "wire/be_read.h"
#include "wire/errmap.h"
#include "wire/mem.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_CAP 1024             /* with the NUL */
#define BODY_MAX ((size_t)32 * 1024) /* kept of a server's error (reliability: limits) */
#define OUTCOMES 3

/* What an error says, apart from its texts. */
struct facts {
    int code;
    enum redw_class cls;
    enum redw_outcome outcome;
    enum redw_origin origin;
    int sys_errno;
    bool fatal; /* severity FATAL or PANIC */
    char sqlstate[6];
};

struct redw_error {
    struct redw_allocator mem;
    atomic_uint refs;
    bool fixed; /* constant data: never counted, never released */
    struct facts facts;
    const char *message; /* escaped; behind the struct, or static */
    const uint8_t *body; /* fields and the final zero byte, behind the message; NULL: not the server's */
    size_t body_len;
};

/* ---- fixed errors ---- */

#define FIXED(o, code_, cls_, text) \
    [o] = {.fixed = true, .facts = {.code = (code_), .cls = (cls_), .outcome = (o)}, .message = (text)}
#define NO_MEMORY(o) FIXED(o, REDW_ENOMEM, REDW_CLASS_OUT_OF_MEMORY, "out of memory")
#define CLOSED(o) FIXED(o, REDW_ECLOSED, REDW_CLASS_CLOSED, "the client was closed")

static const struct redw_error no_memory[OUTCOMES] = {
    NO_MEMORY(REDW_OUTCOME_UNKNOWN),
    NO_MEMORY(REDW_OUTCOME_NOT_SENT),
    NO_MEMORY(REDW_OUTCOME_NOT_EXECUTED),
};

static const struct redw_error closed[OUTCOMES] = {
    CLOSED(REDW_OUTCOME_UNKNOWN),
    CLOSED(REDW_OUTCOME_NOT_SENT),
    CLOSED(REDW_OUTCOME_NOT_EXECUTED),
};

/* Anything unforeseen counts as unknown, the outcome that promises nothing. */
static enum redw_outcome known_outcome(enum redw_outcome o)
{
    return o == REDW_OUTCOME_NOT_SENT || o == REDW_OUTCOME_NOT_EXECUTED ? o : REDW_OUTCOME_UNKNOWN;
}

redw_error *redwi_err_no_memory(enum redw_outcome outcome)
{
    return (redw_error *)&no_memory[known_outcome(outcome)];
}

redw_error *redwi_err_closed(enum redw_outcome outcome)
{
    return (redw_error *)&closed[known_outcome(outcome)];
}

/* ---- escaping ---- */

/* The well-formed UTF-8 sequence at p, 2 to 4 bytes (Unicode, table 3-7); 0: there is none. */
static size_t utf8_length(const uint8_t *p, size_t n)
{
    uint8_t lo = 0x80, hi = 0xbf; /* of the second byte: neither overlong, surrogate nor too large */
    size_t length;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        length = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        length = 3;
        lo = p[0] == 0xe0 ? 0xa0 : lo;
        hi = p[0] == 0xed ? 0x9f : hi;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        length = 4;
        lo = p[0] == 0xf0 ? 0x90 : lo;
        hi = p[0] == 0xf4 ? 0x8f : hi;
    } else {
        return 0;
    }
    if (length > n || p[1] < lo || p[1] > hi)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* How many bytes at p may be shown as they are, and only together; 0: the first must be escaped. */
static size_t unit_length(const uint8_t *p, size_t n)
{
    /* An escape of an earlier pass stays one piece, so that escaping twice changes and cuts nothing. */
    if (n >= 4 && p[0] == '\\' && p[1] == 'x' && is_hex(p[2]) && is_hex(p[3]))
        return 4;
    if (p[0] >= 0x20 && p[0] < 0x7f)
        return 1;
    size_t length = utf8_length(p, n);
    if (length == 2 && p[0] == 0xc2 && p[1] < 0xa0)
        return 0; /* U+0080..U+009F: C1 controls, which terminals obey */
    return length;
}

size_t redwi_escape(char *out, size_t cap, const char *text, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t *p = (const uint8_t *)text;
    size_t at = 0;
    if (!cap)
        return 0;
    while (n) {
        size_t unit = unit_length(p, n);
        size_t room = cap - 1 - at;
        if ((unit ? unit : 4) > room)
            break;
        if (unit) {
            memcpy(out + at, p, unit);
            at += unit;
        } else {
            const char escape[4] = {'\\', 'x', hex[*p >> 4], hex[*p & 15]};
            memcpy(out + at, escape, sizeof escape);
            at += sizeof escape;
            unit = 1;
        }
        p += unit;
        n -= unit;
    }
    out[at] = '\0';
    return at;
}

/* ---- making ---- */

/* An error with its message and room for a body of body_len bytes; NULL: no memory. */
static redw_error *make(const struct redw_allocator *mem, const struct facts *facts,
                        const char *message, size_t message_len, size_t body_len)
{
    redw_error *e = redwi_alloc(mem, sizeof *e + message_len + 1 + body_len);
    if (!e)
        return NULL;
    char *space = (char *)(e + 1);
    memcpy(space, message, message_len + 1);
    e->mem = *mem;
    atomic_init(&e->refs, 1);
    e->fixed = false;
    e->facts = *facts;
    e->message = space;
    e->body = body_len ? (const uint8_t *)space + message_len + 1 : NULL;
    e->body_len = body_len;
    return e;
}

/* Appends ": " and what the system calls it, with a small first letter as inside a sentence. */
static void append_errno(char *text, size_t cap, int sys_errno)
{
    const char *what = strerrordesc_np(sys_errno);
    size_t at = strlen(text);
    if (!what) {
        (void)snprintf(text + at, cap - at, ": error %d", sys_errno);
        return;
    }
    bool sentence = what[0] >= 'A' && what[0] <= 'Z' && what[1] >= 'a' && what[1] <= 'z';
    (void)snprintf(text + at, cap - at, ": %c%s", sentence ? what[0] | 0x20 : what[0], what + 1);
}

redw_error *redwi_err_make(const struct redw_allocator *mem, const struct redwi_err_spec *spec,
                           const char *fmt, ...)
{
    /* Escaping never shortens, so what is cut off here would not have fitted the message either. */
    char raw[2 * MESSAGE_CAP], text[MESSAGE_CAP];
    const struct facts facts = {
        .code = spec->code,
        .cls = spec->cls,
        .outcome = known_outcome(spec->outcome),
        .origin = spec->origin,
        .sys_errno = spec->sys_errno,
    };
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(raw, sizeof raw - MESSAGE_CAP / 2, fmt, args) < 0)
        raw[0] = '\0';
    va_end(args);
    if (spec->origin == REDW_ORIGIN_OS && spec->sys_errno)
        append_errno(raw, sizeof raw, spec->sys_errno);
    size_t n = redwi_escape(text, sizeof text, raw, strlen(raw));
    redw_error *e = make(mem, &facts, text, n, 0);
    return e ? e : redwi_err_no_memory(spec->outcome);
}

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
            break;
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

/* Five digits and capital letters, or nothing: it is printed where the message is. */
static void copy_sqlstate(char out[6], redw_slice code)
{
    bool good = code.len == 5;
    for (size_t i = 0; good && i < 5; i++)
        good = (code.ptr[i] >= '0' && code.ptr[i] <= '9') || (code.ptr[i] >= 'A' && code.ptr[i] <= 'Z');
    memcpy(out, good ? code.ptr : "\0\0\0\0", 5);
    out[5] = '\0';
}

redw_error *redwi_err_server(const struct redw_allocator *mem, const uint8_t *body, size_t len,
                             enum redw_outcome outcome)
{
    struct facts facts = {
        .code = REDW_ESERVER,
        .outcome = known_outcome(outcome),
        .origin = REDW_ORIGIN_SERVER,
    };
    /* 'V' is 'S' untranslated; servers before 9.6, Redshift among them, send only 'S'. */
    redw_slice severity = redwi_be_field(body, len, 'V');
    if (!severity.ptr)
        severity = redwi_be_field(body, len, 'S');
    facts.fatal = slice_is(severity, "FATAL") || slice_is(severity, "PANIC");
    copy_sqlstate(facts.sqlstate, redwi_be_field(body, len, 'C'));
    facts.cls = redwi_errmap_class(facts.sqlstate);
    if (facts.cls == REDW_CLASS_AUTHENTICATION_FAILED)
        facts.code = REDW_EAUTH; /* who refuses a login, server or client, is the origin's to say */

    char text[MESSAGE_CAP];
    redw_slice message = redwi_be_field(body, len, 'M');
    if (!message.ptr || !message.len)
        message = (redw_slice){"the server gave no message", 26};
    size_t n = redwi_escape(text, sizeof text, message.ptr, message.len);
    redw_error *e = make(mem, &facts, text, n, keep_fields(NULL, body, len));
    if (!e)
        return redwi_err_no_memory(outcome);
    keep_fields((uint8_t *)e->body, body, len);
    return e;
}

redw_error *redwi_err_again(const struct redw_allocator *mem, const redw_error *e,
                            enum redw_outcome outcome, const char *prefix)
{
    struct facts facts = e->facts;
    facts.outcome = known_outcome(outcome);
    if (!prefix && facts.outcome == e->facts.outcome)
        return redw_error_keep(e);
    if (e->fixed && facts.code == REDW_ENOMEM)
        return redwi_err_no_memory(outcome);
    if (e->fixed && !prefix)
        return redwi_err_closed(outcome);

    char text[MESSAGE_CAP];
    size_t n = 0;
    if (prefix) {
        n = redwi_escape(text, sizeof text, prefix, strlen(prefix));
        n += redwi_escape(text + n, sizeof text - n, ": ", 2);
    }
    n += redwi_escape(text + n, sizeof text - n, e->message, strlen(e->message));
    redw_error *again = make(mem, &facts, text, n, e->body_len);
    if (!again)
        return redwi_err_no_memory(outcome);
    if (e->body_len)
        memcpy((uint8_t *)again->body, e->body, e->body_len);
    return again;
}

bool redwi_err_is_fatal(const redw_error *e)
{
    return e && e->facts.fatal;
}

/* ---- the public side ---- */

enum redw_class redw_error_class(const redw_error *e)
{
    return e ? e->facts.cls : REDW_CLASS_NONE;
}

const char *redw_class_name(enum redw_class c)
{
    switch (c) {
    case REDW_CLASS_NONE: return "none";
    case REDW_CLASS_CONNECTION_FAILED: return "connection_failed";
    case REDW_CLASS_AUTHENTICATION_FAILED: return "authentication_failed";
    case REDW_CLASS_QUERY_CANCELLED: return "query_cancelled";
    case REDW_CLASS_QUERY_TIMEOUT: return "query_timeout";
    case REDW_CLASS_SERIALIZATION_FAILURE: return "serialization_failure";
    case REDW_CLASS_DISK_FULL: return "disk_full";
    case REDW_CLASS_OUT_OF_MEMORY: return "out_of_memory";
    case REDW_CLASS_RESOURCE_BUSY: return "resource_busy";
    case REDW_CLASS_INVALID_SQL: return "invalid_sql";
    case REDW_CLASS_TABLE_NOT_FOUND: return "table_not_found";
    case REDW_CLASS_COLUMN_NOT_FOUND: return "column_not_found";
    case REDW_CLASS_PERMISSION_DENIED: return "permission_denied";
    case REDW_CLASS_DATA_ERROR: return "data_error";
    case REDW_CLASS_COPY_ERROR: return "copy_error";
    case REDW_CLASS_UNLOAD_ERROR: return "unload_error";
    case REDW_CLASS_SPECTRUM_ERROR: return "spectrum_error";
    case REDW_CLASS_CLOSED: return "closed";
    case REDW_CLASS_INTERNAL: return "internal";
    }
    return "unknown";
}

enum redw_outcome redw_error_outcome(const redw_error *e)
{
    return e ? e->facts.outcome : REDW_OUTCOME_UNKNOWN;
}

const char *redw_outcome_name(enum redw_outcome o)
{
    switch (o) {
    case REDW_OUTCOME_UNKNOWN: return "unknown";
    case REDW_OUTCOME_NOT_SENT: return "not_sent";
    case REDW_OUTCOME_NOT_EXECUTED: return "not_executed";
    }
    return "unknown";
}

enum redw_origin redw_error_origin(const redw_error *e)
{
    return e ? e->facts.origin : REDW_ORIGIN_LIBRARY;
}

int redw_error_code(const redw_error *e)
{
    return e ? e->facts.code : REDW_OK;
}

int redw_error_errno(const redw_error *e)
{
    return e ? e->facts.sys_errno : 0;
}

const char *redw_error_message(const redw_error *e)
{
    return e ? e->message : "";
}

const char *redw_error_sqlstate(const redw_error *e)
{
    return e ? e->facts.sqlstate : "";
}

redw_slice redw_error_field(const redw_error *e, char letter)
{
    if (!e || !e->body || !letter)
        return (redw_slice){NULL, 0};
    return redwi_be_field(e->body, e->body_len, letter);
}

redw_error *redw_error_keep(const redw_error *e)
{
    redw_error *mine = (redw_error *)e;
    if (mine && !mine->fixed)
        atomic_fetch_add_explicit(&mine->refs, 1, memory_order_relaxed);
    return mine;
}

void redw_error_release(redw_error *e)
{
    if (!e || e->fixed)
        return;
    if (atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1)
        return;
    const struct redw_allocator mem = e->mem;
    redwi_free(&mem, e);
}

const char *redw_strerror(int code)
{
    switch (code) {
    case REDW_OK: return "REDW_OK: success";
    case REDW_NULL: return "REDW_NULL: the value is SQL NULL";
    case REDW_EINVAL: return "REDW_EINVAL: an argument is wrong";
    case REDW_ENOMEM: return "REDW_ENOMEM: out of memory";
    case REDW_ENOENT: return "REDW_ENOENT: no such request";
    case REDW_ECLOSED: return "REDW_ECLOSED: the client is closing or closed";
    case REDW_EFULL: return "REDW_EFULL: a bound was reached";
    case REDW_ETYPE: return "REDW_ETYPE: the value is of another type";
    case REDW_ERANGE: return "REDW_ERANGE: the value does not fit";
    case REDW_ECOLUMN: return "REDW_ECOLUMN: no such column";
    case REDW_ECANCELLED: return "REDW_ECANCELLED: cancelled by the caller";
    case REDW_ETIMEDOUT: return "REDW_ETIMEDOUT: a deadline passed";
    case REDW_ECONNECT: return "REDW_ECONNECT: the connection could not be made, or broke";
    case REDW_EPROTOCOL: return "REDW_EPROTOCOL: the peer broke the protocol";
    case REDW_EAUTH: return "REDW_EAUTH: login refused";
    case REDW_ETLS: return "REDW_ETLS: TLS failed";
    case REDW_ESERVER: return "REDW_ESERVER: the server answered with an error";
    default: return "unknown code";
    }
}

const char *redw_version(void)
{
    return REDW_VERSION;
}
