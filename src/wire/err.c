/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error objects. One allocation each: the struct, the message, and for errors of the server the fields
 * as they came. The allocator is copied in, because a kept error outlives its client. Immutable but for
 * the counter; the fixed ones (out of memory, closed) are constant data that is never counted.
 */
#include "wire/err.h"

#include "wire/err_impl.h"
#include "wire/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define OUTCOMES 3

/* ---- fixed errors ---- */

#define FIXED(o, code_, cls_, text)                                                          \
    [o] = {.fixed = true,                                                                    \
           .facts = {.code = (code_), .cls = (cls_), .outcome = (o), .query_id = -1},        \
           .message = (text)}
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

enum redw_outcome redwi_err_known_outcome(enum redw_outcome o)
{
    return o == REDW_OUTCOME_NOT_SENT || o == REDW_OUTCOME_NOT_EXECUTED ? o : REDW_OUTCOME_UNKNOWN;
}

redw_error *redwi_err_no_memory(enum redw_outcome outcome)
{
    return (redw_error *)&no_memory[redwi_err_known_outcome(outcome)];
}

redw_error *redwi_err_closed(enum redw_outcome outcome)
{
    return (redw_error *)&closed[redwi_err_known_outcome(outcome)];
}

/* ---- making ---- */

redw_error *redwi_err_alloc(const struct redw_allocator *mem, const struct redwi_err_facts *facts,
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

/* What the peer broke or refused it will break or refuse again, and a result over its bound is over it the
 * next time too; a connection may come about, and a request that only waited has waited for that. */
static unsigned flags_of(const struct redwi_err_spec *spec)
{
    bool late = spec->code == REDW_ETIMEDOUT;
    switch (spec->code) {
    case REDW_ECONNECT: return REDW_ERROR_RETRYABLE | REDW_ERROR_CONNECTION_LOST;
    case REDW_EPROTOCOL:
    case REDW_EAUTH:
    case REDW_ETLS: return REDW_ERROR_CONNECTION_LOST;
    default: break;
    }
    if (late && spec->cls == REDW_CLASS_CONNECTION_FAILED)
        return REDW_ERROR_RETRYABLE | REDW_ERROR_CONNECTION_LOST;
    return late && spec->outcome == REDW_OUTCOME_NOT_SENT ? REDW_ERROR_RETRYABLE : 0;
}

static enum redw_cause cause_of(const struct redwi_err_spec *spec)
{
    switch (spec->cls) {
    case REDW_CLASS_QUERY_CANCELLED: return REDW_CAUSE_CALLER;
    case REDW_CLASS_QUERY_TIMEOUT: return REDW_CAUSE_DEADLINE;
    default: return REDW_CAUSE_NONE;
    }
}

redw_error *redwi_err_make(const struct redw_allocator *mem, const struct redwi_err_spec *spec,
                           const char *fmt, ...)
{
    /* Escaping never shortens, so what is cut off here would not have fitted the message either. */
    char raw[2 * REDWI_MESSAGE_CAP], text[REDWI_MESSAGE_CAP];
    const struct redwi_err_facts facts = {
        .code = spec->code,
        .cls = spec->cls,
        .cause = cause_of(spec),
        .flags = flags_of(spec),
        .outcome = redwi_err_known_outcome(spec->outcome),
        .origin = spec->origin,
        .sys_errno = spec->sys_errno,
        .query_id = -1,
    };
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(raw, sizeof raw - REDWI_MESSAGE_CAP / 2, fmt, args) < 0)
        raw[0] = '\0';
    va_end(args);
    if (spec->origin == REDW_ORIGIN_OS && spec->sys_errno)
        append_errno(raw, sizeof raw, spec->sys_errno);
    size_t n = redwi_escape(text, sizeof text, raw, strlen(raw));
    redw_error *e = redwi_err_alloc(mem, &facts, text, n, 0);
    return e ? e : redwi_err_no_memory(spec->outcome);
}

/* `e` with other facts and another message. */
static redw_error *copy(const struct redw_allocator *mem, const redw_error *e,
                        const struct redwi_err_facts *facts, const char *text, size_t n)
{
    redw_error *made = redwi_err_alloc(mem, facts, text, n, e->body_len);
    if (!made)
        return redwi_err_no_memory(facts->outcome);
    if (e->body_len)
        memcpy((uint8_t *)made->body, e->body, e->body_len);
    return made;
}

redw_error *redwi_err_again(const struct redw_allocator *mem, const redw_error *e,
                            enum redw_outcome outcome, const char *prefix)
{
    struct redwi_err_facts facts = e->facts;
    facts.outcome = redwi_err_known_outcome(outcome);
    if (!prefix && facts.outcome == e->facts.outcome)
        return redw_error_keep(e);
    if (e->fixed && facts.code == REDW_ENOMEM)
        return redwi_err_no_memory(outcome);
    if (e->fixed && !prefix)
        return redwi_err_closed(outcome);

    char text[REDWI_MESSAGE_CAP];
    size_t n = 0;
    if (prefix) {
        n = redwi_escape(text, sizeof text, prefix, strlen(prefix));
        n += redwi_escape(text + n, sizeof text - n, ": ", 2);
    }
    n += redwi_escape(text + n, sizeof text - n, e->message, strlen(e->message));
    return copy(mem, e, &facts, text, n);
}

/* A CancelRequest of this client looks to the server like any other session's; what names a rule, a
 * timeout or a shutdown proves that it was not ours. */
static bool may_replace(enum redw_cause proven, enum redw_cause told)
{
    if (told == REDW_CAUSE_NONE || told == REDW_CAUSE_UNKNOWN)
        return false;
    bool ours = told == REDW_CAUSE_CALLER || told == REDW_CAUSE_DEADLINE;
    return proven == REDW_CAUSE_UNKNOWN || (proven == REDW_CAUSE_ADMIN && ours);
}

redw_error *redwi_err_with_cause(const struct redw_allocator *mem, const redw_error *e,
                                 enum redw_cause cause, enum redw_outcome outcome)
{
    struct redwi_err_facts facts = e->facts;
    if (facts.cls != REDW_CLASS_QUERY_CANCELLED || !may_replace(facts.cause, cause))
        return redwi_err_again(mem, e, outcome, NULL);
    facts.outcome = redwi_err_known_outcome(outcome);
    facts.cause = cause;
    if (cause == REDW_CAUSE_DEADLINE || cause == REDW_CAUSE_SERVER_TIMEOUT)
        facts.cls = REDW_CLASS_QUERY_TIMEOUT;
    return copy(mem, e, &facts, e->message, strlen(e->message));
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

enum redw_outcome redw_error_outcome(const redw_error *e)
{
    return e ? e->facts.outcome : REDW_OUTCOME_UNKNOWN;
}

enum redw_cause redw_error_cause(const redw_error *e)
{
    return e ? e->facts.cause : REDW_CAUSE_NONE;
}

unsigned redw_error_flags(const redw_error *e)
{
    return e ? e->facts.flags : 0;
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
