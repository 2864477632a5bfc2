/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles, and their use: see stmt.h. The table of what is prepared where is pool/prepared.c.
 */
#include "query/stmt.h"

#include "data/decode.h"
#include "data/params.h"
#include "query/request.h"
#include "wire/cursor.h"
#include "wire/err.h"
#include "wire/fe_write.h"
#include "wire/mem.h"
#include "wire/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int tell(struct redw_diag *why, int code, const char *fmt, ...) REDW_PRINTF(3, 4);
static int tell(struct redw_diag *why, int code, const char *fmt, ...)
{
    va_list args;

    why->code = code;
    va_start(args, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, args);
    va_end(args);
    return code;
}

const char *redwi_sql_fault(const char *sql, size_t *len)
{
    const char *fault = redwi_sql_length_fault(sql, len);

    return fault ? fault : redwi_utf8_fault(sql, *len);
}

redw_id redwi_stmt_check(redw_client *c, const redw_stmt *s, const char *sql, size_t nparams)
{
    if (sql)
        return redwi_client_refuse(c, REDW_EINVAL, "stmt: sql is given too");
    if (s->of.client != c)
        return redwi_client_refuse(c, REDW_EINVAL, "stmt: it belongs to another client");
    if (s->known && s->nparams != nparams)
        return redwi_client_refuse(c, REDW_EINVAL, "stmt: it has %zu parameters, and %zu are given", s->nparams,
                                   nparams);
    return 0;
}

redw_stmt *redwi_stmt_keep(redw_stmt *s)
{
    s->refs++;
    return s;
}

void redwi_stmt_learn(redw_stmt *s, const uint8_t *oids, size_t len)
{
    size_t n = len / sizeof *s->types;
    uint32_t *types = n > 0 ? redwi_alloc(&s->mem, n * sizeof *types) : NULL;

    if (n > 0 && !types)
        return;
    for (size_t i = 0; i < n; i++)
        types[i] = redwi_load32(oids + i * sizeof *types);
    redwi_free(&s->mem, s->types);
    s->types = types;
    s->nparams = n;
    s->known = true;
}

/* --- one use --- */

void redwi_use_end(struct redwi_use *u)
{
    redwi_prepared_release(u->entry);
    redw_stmt_release(u->stmt);
    *u = (struct redwi_use){0};
}

/* Was it parsed for these? NULL without a type fits any. */
static bool fits(const struct redwi_prepared_entry *e, const struct redwi_use_sql *sql)
{
    if (e->noids != sql->nparams)
        return false;
    for (size_t i = 0; i < e->noids; i++) {
        bool open = sql->oids[i] == 0 && sql->params[i].flags == REDWI_PARAM_NULL;
        if (e->oids[i] != sql->oids[i] && !open)
            return false;
    }
    return true;
}

/* As what the statement is, or will be, prepared there; NULL: it goes unnamed. */
static struct redwi_prepared_entry *choose_entry(struct redwi_use *u, const struct redwi_job *j,
                                                 const struct redwi_use_sql *sql)
{
    struct redwi_prepared *t = &j->conn->prepared;
    struct redwi_prepared_entry *e = redwi_prepared_find(t, u->stmt->of.serial);

    /* A Parse that is under way may fail, and everything behind it would. */
    if (e && e->state == REDWI_PREPARED_PARSING)
        return NULL;
    u->again = e && fits(e, sql);
    if (u->again)
        return e;
    e = redwi_prepared_add(t, j, u->stmt->of.serial, sql->nparams);
    if (e && sql->nparams > 0)
        memcpy(e->oids, sql->oids, sql->nparams * sizeof *e->oids);
    return e;
}

unsigned redwi_use_begin(struct redwi_use *u, const struct redwi_job *j, struct redwi_buf *b,
                         const struct redwi_use_sql *sql)
{
    redwi_prepared_release(u->entry);
    u->entry = NULL;
    u->again = u->bound = false;
    if (u->stmt && (u->entry = choose_entry(u, j, sql)) != NULL)
        redwi_prepared_keep(u->entry);
    unsigned sent = redwi_prepared_put_close(&j->conn->prepared, j, b, u->stmt ? u->stmt->of.serial : 0);
    if (u->again)
        return sent | REDWI_SENT_REPORT_BIND | (u->entry->brings_rows ? REDWI_SENT_COLUMNS : 0);
    redwi_fe_parse(b, redwi_use_name(u), sql->text, sql->len, sql->oids, sql->nparams);
    if (!u->entry)
        return sent | REDWI_SENT_PARSE;
    redwi_fe_describe_statement(b, u->entry->name);
    return sent | REDWI_SENT_PARSE | REDWI_SENT_DESCRIBE_STATEMENT;
}

/* A Redshift whose binary forms are not to be trusted is asked for text (protocol 5.4). */
static bool all_binary(enum redw_wire wire, enum redwi_server server)
{
    return wire == REDW_WIRE_BINARY && server != REDWI_REDSHIFT_BASE;
}

static bool is_automatic(const struct redwi_use *u, enum redw_wire wire)
{
    return wire == REDW_WIRE_AUTO && u->again && u->entry->brings_rows;
}

void redwi_use_bind_end(const struct redwi_use *u, struct redwi_buf *b, size_t at, enum redw_wire wire,
                        enum redwi_server server)
{
    if (is_automatic(u, wire))
        redwi_fe_bind_end_each(b, at, u->entry->automatic, u->entry->columns.n);
    else
        redwi_fe_bind_end(b, at, all_binary(wire, server));
}

int redwi_use_described(struct redwi_use *u, const struct redwi_job *j, const struct redwi_columns *columns,
                        enum redwi_server server)
{
    return redwi_prepared_describe(&j->conn->prepared, u->entry, columns, server);
}

struct redwi_heading *redwi_use_heading(const struct redwi_use *u, const struct redw_allocator *mem,
                                        enum redw_wire wire, enum redwi_server server)
{
    enum redwi_form form = REDWI_FORM_TEXT;

    if (is_automatic(u, wire))
        form = REDWI_FORM_AUTOMATIC;
    else if (all_binary(wire, server))
        form = REDWI_FORM_BINARY;
    return redwi_prepared_heading(u->entry, mem, form, server);
}

bool redwi_use_is_stale(const struct redwi_use *u, const redw_error *e)
{
    const char *state = redw_error_sqlstate(e);

    return u->again && !u->bound && (strcmp(state, "26000") == 0 || strcmp(state, "0A000") == 0);
}

static redw_error *cancelled(const struct redwi_job *j)
{
    return redwi_err_make(&j->client->mem,
                          &(struct redwi_err_spec){.code = REDW_ECANCELLED,
                                                   .cls = REDW_CLASS_QUERY_CANCELLED,
                                                   .outcome = REDW_OUTCOME_NOT_EXECUTED},
                          "cancelled before it was prepared anew");
}

bool redwi_use_once_more(struct redwi_use *u, struct redwi_job *j, char status)
{
    if (!j->error || !u->again || redw_error_origin(j->error) != REDW_ORIGIN_SERVER)
        return false;
    bool stale = redwi_use_is_stale(u, j->error);
    /* Servers that do not watch their plans say XX000 of a table that was made anew (protocol 6.1). */
    if (stale || strcmp(redw_error_sqlstate(j->error), "XX000") == 0)
        redwi_prepared_unwant(&j->conn->prepared, u->entry);
    if (!stale || u->retried || status != 'I')
        return false;
    redw_error_release(j->error);
    j->error = NULL;
    u->retried = true;
    if (j->cancelled) {
        j->error = cancelled(j);
        return false;
    }
    if (j->ops->begin(j, j->conn->session) == 0)
        return true;
    redwi_prepared_never_sent(&j->conn->prepared, j);
    j->error = redwi_err_no_memory(REDW_OUTCOME_NOT_EXECUTED);
    return false;
}

/* --- public --- */

int redw_stmt_create(redw_stmt **out, redw_client *c, const char *sql, struct redw_diag *why)
{
    struct redw_diag unread;
    size_t len = 0;

    *out = NULL;
    if (!why)
        why = &unread;
    *why = (struct redw_diag){0};
    const char *fault = redwi_sql_fault(sql, &len);
    if (fault)
        return tell(why, REDW_EINVAL, "sql: %s", fault);
    size_t bytes = sizeof(redw_stmt) + len + 1;
    redw_stmt *s = redwi_alloc(&c->work, bytes);
    if (!s)
        return tell(why, (int)redwi_client_refuse_memory(c), "%s", redw_client_why(c));
    *s = (redw_stmt){
        .mem = c->work,
        .refs = 1,
        .bytes = bytes,
        .on_error = redwi_request_error_proves(sql, len),
        .sql_len = len,
    };
    memcpy(s->sql, sql, len + 1);
    redwi_statement_open(&s->of, c);
    *out = s;
    return 0;
}

void redw_stmt_release(redw_stmt *s)
{
    if (!s || --s->refs > 0)
        return;
    struct redw_allocator mem = s->mem;
    redwi_statement_close(&s->of);
    redwi_free(&mem, s->types);
    redwi_free_secret(&mem, s, s->bytes);
}

int redw_stmt_parameter_count(const redw_stmt *s)
{
    return s->known ? (int)s->nparams : -1;
}

enum redw_type redw_stmt_parameter_type(const redw_stmt *s, size_t i)
{
    return s->known && i < s->nparams ? redwi_type_of_oid(s->types[i]) : REDW_UNKNOWN_TYPE;
}
