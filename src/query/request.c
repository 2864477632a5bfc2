/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests as jobs: written as one unit when a connection is there, gathered into the result, reported once. How
 * they are made is in submit.c, what is different for streams in stream.c and ways.c.
 *
 * SQL may carry credentials (COPY): it is wiped when the request is freed.
 */
#include "query/request.h"

#include "data/encode.h"
#include "data/params.h"
#include "wire/be_read.h"
#include "wire/cursor.h"
#include "wire/fe_write.h"
#include "wire/mem.h"
#include "wire/session.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct redwi_request *request_of(struct redwi_job *j)
{
    return REDWI_OF(j, struct redwi_request, job);
}

enum redwi_job_flow redwi_request_stop(struct redwi_request *r, int code, enum redw_class cls,
                                       const char *fmt, ...)
{
    /* Rows were on their way: the statement may well have done all its work. */
    struct redwi_err_spec spec = {.code = code, .cls = cls, .outcome = REDW_OUTCOME_UNKNOWN};
    char text[200];
    va_list args;

    if (code == REDW_ENOMEM) {
        r->job.error = redwi_client_no_memory(r->job.client, REDW_OUTCOME_UNKNOWN);
        return REDWI_JOB_STOP;
    }
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    r->job.error = redwi_err_make(&r->job.client->mem, &spec, "%s", text);
    return REDWI_JOB_STOP;
}

/* --- job ops --- */

static __attribute__((noinline)) enum redwi_server redshift_of(const struct redwi_session *s)
{
    unsigned version = 0;
    const char *said = redwi_session_parameter(s, "server_protocol_version");
    if (said && !redwi_be_row_version((redw_slice){said, strlen(said)}, &version))
        version = 0; /* the session does not let it come to this */
    return redwi_server_of(true, version);
}

enum redwi_server redwi_request_server(const struct redwi_session *s)
{
    return redwi_session_is_redshift(s) ? redshift_of(s) : REDWI_POSTGRES;
}

/* A Redshift whose binary forms are not to be trusted is asked for text (protocol 5.4). */
uint16_t redwi_request_wants_binary(const struct redwi_request *r)
{
    return r->wire == REDW_WIRE_BINARY && r->server != REDWI_REDSHIFT_BASE;
}

/* Whose forms the parameters have is known now. */
static void look_at_server(struct redwi_request *r, const struct redwi_session *s)
{
    r->server = redwi_request_server(s);
    for (size_t i = 0; i < r->nparams; i++) {
        r->oids[i] = redwi_param_oid(&r->params[i], r->server);
        r->formats[i] = redwi_param_format(&r->params[i], r->server);
    }
}

static void put_bind(const struct redwi_request *r, struct redwi_buf *b, const struct redwi_use *use,
                     const char *portal)
{
    size_t at = redwi_fe_bind_begin(b, portal, redwi_use_name(use), r->formats, r->nparams);
    for (size_t i = 0; i < r->nparams; i++)
        redwi_param_put(b, &r->params[i], r->server);
    redwi_use_bind_end(use, b, at, r->wire, r->server);
}

/* What of Parse has to be sent, Bind, Describe, Execute; Sync comes with unit_end. A named portal is made of a
 * statement without a name. Protocol: "Extended Query". */
int redwi_request_put(struct redwi_request *r, struct redwi_session *s, const char *portal, uint32_t max_rows)
{
    struct redwi_buf *b = redwi_session_unit_begin(s);

    if (!b)
        return REDW_ENOMEM;
    look_at_server(r, s);
    const struct redwi_use_sql sql = {r->sql, r->sql_len, r->oids, r->params, r->nparams};
    struct redwi_use unnamed = {0}, *use = *portal ? &unnamed : &r->use;
    unsigned sent = redwi_use_begin(use, &r->job, b, &sql) | REDWI_SENT_BIND | REDWI_SENT_EXECUTE;
    put_bind(r, b, use, portal);
    if (!use->entry) {
        redwi_fe_describe_portal(b, portal);
        sent |= REDWI_SENT_DESCRIBE;
    }
    redwi_fe_execute(b, portal, max_rows);
    if (max_rows)
        sent |= REDWI_SENT_LIMIT;
    return redwi_session_unit_end(s, &r->job, sent, r->on_error);
}

/* All of it at once: nothing is prepared, closed or bound. */
static int put_unnamed(struct redwi_request *r, struct redwi_session *s)
{
    r->server = redwi_request_server(s);
    return redwi_session_unnamed(s, &r->job, r->sql, r->sql_len, redwi_request_wants_binary(r), r->on_error);
}

static int begin(struct redwi_job *j, struct redwi_session *s)
{
    struct redwi_request *r = request_of(j);

    if (j->exclusive && (r->slices.begun || redwi_request_is_large(r))) {
        if (!r->slices.begun)
            look_at_server(r, s);
        return redwi_request_write_slice(r, s);
    }
    if (!r->use.stmt && r->nparams == 0 && j->conn->prepared.unwanted == 0)
        return put_unnamed(r, s);
    return redwi_request_put(r, s, "", 0);
}

static bool next(struct redwi_job *j, char status)
{
    return j->error && redwi_use_once_more(&request_of(j)->use, j, status);
}

static void parameter_types(struct redwi_job *j, const uint8_t *oids, size_t len)
{
    redwi_stmt_learn(request_of(j)->use.stmt, oids, len);
}

/* Memory of the client's machinery: the waiting requests may have used up all the others' (wire/budget.h), and this
 * one has been sent. */
static struct redwi_heading *new_heading(struct redwi_request *r, const struct redwi_columns *columns)
{
    struct redwi_heading **last = &r->job.conn->heading;
    redw_client *c = r->job.client;
    struct redwi_heading *h = redwi_heading_renew(last, &c->mem, columns, r->server);

    if (!h && redwi_client_spare_memory(c))
        h = redwi_heading_renew(last, &c->mem, columns, r->server);
    return h;
}

static inline struct redwi_heading *heading_of(struct redwi_request *r, const struct redwi_columns *columns)
{
    struct redwi_heading *last = r->job.conn->heading;

    return redwi_heading_is(last, columns, r->server) ? redwi_heading_keep(last) : new_heading(r, columns);
}

struct redwi_heading *redwi_request_heading(struct redwi_request *r, const struct redwi_columns *columns)
{
    return heading_of(r, columns);
}

/* owned NULL: there was no memory for it. */
static inline enum redwi_job_flow take_columns(struct redwi_request *r, struct redwi_heading *owned)
{
    if (r->on_rows)
        return redwi_stream_columns(&r->job, owned);
    if (redwi_result_describe(r->result, owned))
        return redwi_request_stop(r, REDW_ENOMEM, REDW_CLASS_OUT_OF_MEMORY, "columns");
    return REDWI_JOB_GO;
}

/* Those that are kept of the statement; it may have none. */
static enum redwi_job_flow take_kept_columns(struct redwi_request *r)
{
    if (!r->use.entry->brings_rows)
        return REDWI_JOB_GO;
    return take_columns(r, redwi_use_heading(&r->use, &r->job.client->mem, r->wire, r->server));
}

static __attribute__((noinline)) enum redwi_job_flow described_otherwise(struct redwi_job *j,
                                                                         const struct redwi_columns *columns)
{
    struct redwi_request *r = request_of(j);

    if (!r->use.entry)
        return take_columns(r, heading_of(r, columns));
    if (redwi_use_described(&r->use, j, columns, r->server))
        return redwi_request_stop(r, REDW_ENOMEM, REDW_CLASS_OUT_OF_MEMORY, "columns");
    return take_kept_columns(r);
}

/* Of a statement, in the unit that parsed it; or of the unnamed one's portal, nearly always as what was described last
 * on this connection, and to be gathered. */
static enum redwi_job_flow described(struct redwi_job *j, const struct redwi_columns *columns)
{
    struct redwi_request *r = request_of(j);
    struct redwi_heading *last = j->conn->heading;

    if (r->use.entry || r->on_rows || r->result->heading || !redwi_heading_is(last, columns, r->server))
        return described_otherwise(j, columns);
    redwi_result_set_heading(r->result, redwi_heading_keep(last));
    return REDWI_JOB_GO;
}

static enum redwi_job_flow bound(struct redwi_job *j)
{
    struct redwi_request *r = request_of(j);

    r->use.bound = true;
    return take_kept_columns(r);
}

/* A row was not taken: why that ends the request, or *corrupt. */
static enum redwi_job_flow row_failed(struct redwi_request *r, int rc, bool *corrupt)
{
    unsigned long long nrows = r->result->nrows;

    *corrupt = rc == REDW_EPROTOCOL;
    if (*corrupt)
        return REDWI_JOB_GO;
    if (rc == REDW_ENOMEM)
        return redwi_request_stop(r, REDW_ENOMEM, REDW_CLASS_OUT_OF_MEMORY, "rows");
    if (nrows >= r->max_rows)
        return redwi_request_stop(r, REDW_EFULL, REDW_CLASS_RESOURCE_BUSY,
                                  "the result has more than max_rows %llu rows", (unsigned long long)r->max_rows);
    return redwi_request_stop(r, REDW_EFULL, REDW_CLASS_RESOURCE_BUSY,
                              "the result needs more than max_bytes %llu; %llu rows fitted",
                              (unsigned long long)r->max_bytes, nrows);
}

/* One that ends the request counts as taken, as all behind it will be thrown away; a malformed one does not. */
static enum redwi_job_flow gather_rows(struct redwi_job *j, const uint8_t *p, const uint8_t *end,
                                       const uint8_t **taken, bool *corrupt)
{
    struct redwi_request *r = request_of(j);

    *corrupt = false;
    *taken = p;
    int rc = redwi_result_add_rows(r->result, taken, end, r->max_rows, r->max_bytes);
    if (!rc)
        return REDWI_JOB_GO;
    if (rc == REDW_ENOMEM && redwi_client_spare_memory(j->client) &&
        !(rc = redwi_result_add_rows(r->result, taken, end, r->max_rows, r->max_bytes)))
        return REDWI_JOB_GO;
    enum redwi_job_flow flow = row_failed(r, rc, corrupt);
    if (!*corrupt)
        *taken += 1 + redwi_load32(*taken + 1);
    return flow;
}

static void complete(struct redwi_job *j, const char *tag, size_t len)
{
    redwi_result_tag(request_of(j)->result, tag, len);
}

static redw_error *notice(struct redwi_job *j, redw_error *owned)
{
    redwi_err_shift_position(owned, request_of(j)->label_len);
    redwi_result_notice_add(request_of(j)->result, redw_error_keep(owned));
    return owned;
}

/* What lies behind it, the SQL. Words, if they are few: explicit_bzero() takes 29 instructions for the shortest. The
 * last may reach behind the text, but not behind the block. */
static inline void wipe_text(struct redwi_request *r)
{
    volatile uint64_t *p = (volatile uint64_t *)(r + 1);
    size_t n = r->bytes - sizeof *r;

    if (n > 64) {
        redwi_wipe(r + 1, n);
        return;
    }
    for (size_t i = 0; i < n; i += sizeof *p)
        *p++ = 0;
}

void redwi_request_free(redw_client *c, struct redwi_request *r)
{
    if (r->job.error)
        redw_error_release(r->job.error);
    if (r->use.stmt)
        redwi_use_end(&r->use);
    if (r->params)
        redwi_params_free(&c->work, r->params, r->nparams);
    if (redwi_result_end(r->result))
        redwi_spares_free(&c->spares, &c->work, r->result, REDWI_RESULT_BLOCK);
    wipe_text(r);
    redwi_spares_free(&c->spares, &c->work, r, r->bytes);
}

static void drop(struct redwi_job *j)
{
    redwi_request_free(j->client, request_of(j));
}

static void finish(struct redwi_job *j)
{
    struct redwi_request *r = request_of(j);

    if (j->error)
        redwi_err_shift_position(j->error, r->label_len);
    r->result->error = j->error;
    j->error = NULL;
    r->result->cancel = j->verdict;
    r->result->elapsed_us = redwi_client_entry_us(j->client) - j->submitted_us;
    r->done(r->result, r->ctx);
    drop(j);
}

const struct redwi_job_ops redwi_gather_ops = {
    .begin = begin,
    .next = next,
    .parameter_types = parameter_types,
    .columns = described,
    .bound = bound,
    .rows = gather_rows,
    .complete = complete,
    .notice = notice,
    .finish = finish,
    .drop = drop,
};

static const struct redwi_job_ops stream_ops = {
    .begin = begin,
    .next = next,
    .parameter_types = parameter_types,
    .columns = described,
    .bound = bound,
    .rows = redwi_stream_rows,
    .complete = complete,
    .notice = notice,
    .finish = finish,
    .drop = drop,
};

static const struct redwi_job_ops cursor_ops = {
    .begin = redwi_cursor_begin,
    .next = redwi_cursor_next,
    .clean = redwi_cursor_clean,
    .columns = redwi_way_columns,
    .rows = redwi_way_rows,
    .complete = redwi_way_complete,
    .notice = notice,
    .finish = finish,
    .drop = drop,
};

static const struct redwi_job_ops portal_ops = {
    .begin = redwi_portal_begin,
    .next = redwi_portal_next,
    .clean = redwi_portal_clean,
    .columns = redwi_way_columns,
    .rows = redwi_way_rows,
    .complete = redwi_way_complete,
    .suspended = redwi_way_suspended,
    .notice = notice,
    .finish = finish,
    .drop = drop,
};

const struct redwi_job_ops *redwi_request_ops(bool streamed, enum redw_way way)
{
    if (!streamed)
        return &redwi_gather_ops;
    return way == REDW_WAY_CURSOR ? &cursor_ops : way == REDW_WAY_PORTAL ? &portal_ops : &stream_ops;
}
