/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests: checked and copied when submitted, written as one unit when a connection is there, gathered
 * into the result, reported once.
 *
 * A request is one allocation: this struct, its timer, room for the OIDs and formats of its parameters,
 * the SQL. The result exists from the start, so that the final callback has one whatever happens.
 * SQL may carry credentials (COPY): it is wiped when the request is freed.
 */
#include "query/request.h"

#include "data/decode.h"
#include "data/encode.h"
#include "data/params.h"
#include "pool/options.h"
#include "wire/be_read.h"
#include "wire/cursor.h"
#include "wire/fe_write.h"
#include "wire/mem.h"
#include "wire/session.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SQL_BYTES_MAX   ((size_t)16 << 20)
#define LABEL_BYTES_MAX 64
#define DATA_ROW_HEADER 5u /* 'D' and the length word */

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
        r->job.error = redwi_client_no_memory(r->job.client);
        return REDWI_JOB_STOP;
    }
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    r->job.error = redwi_err_make(&r->job.client->mem, &spec, "%s", text);
    return REDWI_JOB_STOP;
}

/* --- job ops --- */

/* Whose forms values have on this connection (design H13). */
static enum redwi_server server_of(const struct redwi_session *s)
{
    unsigned version = 0;

    if (!redwi_session_is_redshift(s))
        return REDWI_POSTGRES;
    const char *said = redwi_session_parameter(s, "server_protocol_version");
    if (said && !redwi_be_row_version((redw_slice){said, strlen(said)}, &version))
        version = 0; /* the session does not let it come to this */
    return redwi_server_of(true, version);
}

/* A Redshift whose binary forms are not to be trusted is asked for text (protocol 5.4). */
uint16_t redwi_request_wants_binary(const struct redwi_request *r)
{
    return r->wire == REDW_WIRE_BINARY && r->server != REDWI_REDSHIFT_BASE;
}

/* Parse, Bind, Describe, Execute; Sync comes with unit_end. Protocol: "Extended Query". */
static int begin(struct redwi_job *j, struct redwi_session *s)
{
    struct redwi_request *r = request_of(j);

    if (r->slices.begun)
        return redwi_request_write_slice(r, s);
    r->server = server_of(s);
    for (size_t i = 0; i < r->nparams; i++) {
        r->oids[i] = redwi_param_oid(&r->params[i], r->server);
        r->formats[i] = redwi_param_format(&r->params[i], r->server);
    }
    if (j->exclusive && redwi_request_is_large(r))
        return redwi_request_write_slice(r, s);
    struct redwi_buf *b = redwi_session_unit_begin(s);
    if (!b)
        return REDW_ENOMEM;
    redwi_fe_parse(b, "", r->sql, r->sql_len, r->oids, r->nparams);
    size_t at = redwi_fe_bind_begin(b, "", "", r->formats, r->nparams);
    for (size_t i = 0; i < r->nparams; i++)
        redwi_param_put(b, &r->params[i], r->server);
    redwi_fe_bind_end(b, at, redwi_request_wants_binary(r));
    redwi_fe_describe_portal(b, "");
    redwi_fe_execute(b, "", 0);
    return redwi_session_unit_end(
        s, j, REDWI_SENT_PARSE | REDWI_SENT_BIND | REDWI_SENT_DESCRIBE | REDWI_SENT_EXECUTE,
        r->on_error);
}

static enum redwi_job_flow gather_columns(struct redwi_job *j, const struct redwi_columns *columns)
{
    struct redwi_request *r = request_of(j);

    if (redwi_result_columns(r->result, columns, r->server, false))
        return redwi_request_stop(r, REDW_ENOMEM, REDW_CLASS_OUT_OF_MEMORY, "columns");
    return REDWI_JOB_GO;
}

static enum redwi_job_flow gather_row(struct redwi_request *r, const uint8_t *body, size_t len,
                                      bool *corrupt)
{
    if (r->result->nrows >= r->max_rows)
        return redwi_request_stop(r, REDW_EFULL, REDW_CLASS_RESOURCE_BUSY,
                                  "the result has more than max_rows %llu rows",
                                  (unsigned long long)r->max_rows);
    switch (redwi_result_add_row(r->result, body, len, r->max_bytes)) {
    case 0:
        return REDWI_JOB_GO;
    case REDW_EFULL:
        return redwi_request_stop(r, REDW_EFULL, REDW_CLASS_RESOURCE_BUSY,
                                  "the result needs more than max_bytes %llu; %llu rows fitted",
                                  (unsigned long long)r->max_bytes,
                                  (unsigned long long)r->result->nrows);
    case REDW_ENOMEM:
        return redwi_request_stop(r, REDW_ENOMEM, REDW_CLASS_OUT_OF_MEMORY, "rows");
    default:
        *corrupt = true;
        return REDWI_JOB_GO;
    }
}

static enum redwi_job_flow gather_rows(struct redwi_job *j, const uint8_t *p, const uint8_t *end,
                                       const uint8_t **taken, bool *corrupt)
{
    struct redwi_request *r = request_of(j);
    enum redwi_job_flow flow = REDWI_JOB_GO;

    *taken = p;
    *corrupt = false;
    while (flow == REDWI_JOB_GO && !*corrupt && (size_t)(end - p) >= DATA_ROW_HEADER && *p == 'D') {
        size_t len = redwi_load32(p + 1);
        if (len < 4 || len > (size_t)(end - p) - 1)
            break;
        flow = gather_row(r, p + DATA_ROW_HEADER, len - 4, corrupt);
        p += 1 + len;
        if (!*corrupt)
            *taken = p;
    }
    return flow;
}

static void complete(struct redwi_job *j, const char *tag, size_t len)
{
    redwi_result_tag(request_of(j)->result, tag, len);
}

static void notice(struct redwi_job *j, redw_error *owned)
{
    redwi_err_shift_position(owned, request_of(j)->label_len);
    redwi_result_notice_add(request_of(j)->result, owned);
}

static void free_request(const struct redw_allocator *mem, struct redwi_request *r)
{
    redw_error_release(r->job.error);
    redw_result_release(r->result);
    redwi_params_free(mem, r->params, r->nparams);
    redwi_free_secret(mem, r, r->bytes);
}

static void drop(struct redwi_job *j)
{
    free_request(&j->client->work, request_of(j));
}

static void finish(struct redwi_job *j)
{
    struct redwi_request *r = request_of(j);
    const struct redw_loop *loop = &j->client->loop;

    redwi_err_shift_position(j->error, r->label_len);
    r->result->error = j->error;
    j->error = NULL;
    r->result->cancel = j->verdict;
    r->result->elapsed_us = loop->now_us(loop->ctx) - j->submitted_us;
    r->done(r->result, r->ctx);
    drop(j);
}

static const struct redwi_job_ops gather_ops = {
    .begin = begin,
    .columns = gather_columns,
    .rows = gather_rows,
    .complete = complete,
    .notice = notice,
    .finish = finish,
    .drop = drop,
};

static const struct redwi_job_ops stream_ops = {
    .begin = begin,
    .columns = redwi_stream_columns,
    .rows = redwi_stream_rows,
    .complete = complete,
    .notice = notice,
    .finish = finish,
    .drop = drop,
};

/* --- submitting --- */

/* What is wrong with a label; NULL: nothing. Nothing of it may end the comment it goes into. */
static const char *label_fault(const char *label)
{
    size_t n = strnlen(label, LABEL_BYTES_MAX + 1);

    if (n == 0)
        return "is empty";
    if (n > LABEL_BYTES_MAX)
        return "is longer than 64 bytes";
    for (size_t i = 0; i < n; i++) {
        char c = label[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && c != '_' && c != '.' && c != ':' && c != '-')
            return "may have letters, digits, '_', '.', ':' and '-' only";
    }
    return NULL;
}

/* What goes with the statement. */
static redw_id check_company(redw_client *c, const struct redw_request *rq)
{
    const char *fault;

    if (rq->query_group && (fault = redwi_query_group_fault(rq->query_group)) != NULL)
        return redwi_client_refuse(c, REDW_EINVAL, "query_group %s", fault);
    if (rq->label && rq->stmt)
        return redwi_client_refuse(c, REDW_EINVAL, "label: not with stmt, whose text is the server's already");
    if (rq->label && (fault = label_fault(rq->label)) != NULL)
        return redwi_client_refuse(c, REDW_EINVAL, "label %s", fault);
    if ((unsigned)rq->priority > REDW_PRIORITY_BULK)
        return redwi_client_refuse(c, REDW_EINVAL, "priority: %d is none of REDW_PRIORITY_*", (int)rq->priority);
    return 0;
}

static size_t label_bytes(const struct redw_request *rq)
{
    return rq->label ? strlen(rq->label) + sizeof "/*  */ " - 1 : 0;
}

/* The caller's struct, whatever its version, with sql_len filled in. */
static redw_id check(redw_client *c, struct redw_request *out, const struct redw_request *rq)
{
    struct redw_diag why;
    const char *fault;
    redw_id refused;

    if (!rq)
        return redwi_client_refuse(c, REDW_EINVAL, "request: NULL");
    if (!redwi_struct_read(out, sizeof *out, offsetof(struct redw_request, sql) + sizeof out->sql, rq))
        return redwi_client_refuse(c, REDW_EINVAL,
                                   "request: size is wrong, or a field newer than this library is set");
    if (!out->sql)
        return redwi_client_refuse(c, REDW_EINVAL, "sql: NULL");
    if (out->sql_len == 0)
        out->sql_len = strnlen(out->sql, SQL_BYTES_MAX + 1);
    if (out->sql_len > SQL_BYTES_MAX)
        return redwi_client_refuse(c, REDW_EINVAL, "sql: longer than %zu bytes", SQL_BYTES_MAX);
    if ((fault = redwi_utf8_fault(out->sql, out->sql_len)) != NULL)
        return redwi_client_refuse(c, REDW_EINVAL, "sql: %s", fault);
    if (out->nparams > REDWI_PARAMS_MAX)
        return redwi_client_refuse(c, REDW_EINVAL, "params: %zu are more than %d", out->nparams,
                                   REDWI_PARAMS_MAX);
    if (out->nparams > 0 && !out->params)
        return redwi_client_refuse(c, REDW_EINVAL, "params: NULL, but nparams is %zu", out->nparams);
    if (redwi_params_check(out->params, out->nparams, &why))
        return redwi_client_refuse(c, REDW_EINVAL, "%s", why.text);
    if (out->wire != REDW_WIRE_TEXT && out->wire != REDW_WIRE_BINARY)
        return redwi_client_refuse(c, REDW_EINVAL, "wire: neither text nor binary");
    if ((refused = check_company(c, out)) != 0)
        return refused;
    if (out->sql_len + label_bytes(out) > SQL_BYTES_MAX)
        return redwi_client_refuse(c, REDW_EINVAL, "sql: longer than %zu bytes with its label", SQL_BYTES_MAX);
    return 0;
}

/* The earlier of timeout and deadline, on the loop's clock. */
static int64_t deadline_of(const redw_client *c, const struct redw_request *rq, int64_t now_us)
{
    uint32_t timeout_ms = rq->timeout_ms ? rq->timeout_ms : c->settings.request_timeout_ms;
    int64_t at = timeout_ms == REDW_NONE ? INT64_MAX : now_us + (int64_t)timeout_ms * 1000;

    if (rq->deadline_ms != 0 && rq->deadline_ms < at / 1000)
        at = rq->deadline_ms > INT64_MIN / 1000 ? rq->deadline_ms * 1000 : INT64_MIN;
    return at;
}

static const char *group_of(const redw_client *c, const struct redw_request *rq)
{
    if (rq->query_group)
        return rq->query_group;
    return c->settings.query_group ? c->settings.query_group : "";
}

static unsigned rank_of(enum redw_priority priority)
{
    switch (priority) {
    case REDW_PRIORITY_HIGH:
        return 0;
    case REDW_PRIORITY_NORMAL:
        return 1;
    case REDW_PRIORITY_LOW:
        return 2;
    case REDW_PRIORITY_BULK:
        return 3;
    }
    return REDWI_RANKS - 1;
}

/* One piece: the struct, the timer, OIDs, formats, SQL, query group. NULL: no memory. */
static struct redwi_request *create(redw_client *c, const struct redw_request *rq)
{
    size_t timer_at = redwi_align(sizeof(struct redwi_request));
    size_t oids_at = timer_at + redwi_client_timer_bytes(c);
    size_t formats_at = oids_at + rq->nparams * sizeof(uint32_t);
    size_t sql_at = formats_at + rq->nparams;
    size_t label_len = label_bytes(rq), sql_len = label_len + rq->sql_len;
    const char *group = group_of(c, rq);
    size_t group_at = sql_at + sql_len + 1, bytes = group_at + strlen(group) + 1;
    char *p = redwi_alloc(&c->work, bytes);

    if (!p)
        return NULL;
    struct redwi_request *r = (struct redwi_request *)(void *)p;
    memset(r, 0, sizeof *r);
    r->bytes = bytes;
    r->job.timer = p + timer_at;
    r->oids = (uint32_t *)(void *)(p + oids_at);
    r->formats = (uint8_t *)p + formats_at;
    r->sql = p + sql_at;
    if (rq->label)
        snprintf(r->sql, label_len + 1, "/* %s */ ", rq->label);
    memcpy(r->sql + label_len, rq->sql, rq->sql_len);
    r->sql[sql_len] = '\0';
    r->sql_len = sql_len;
    r->label_len = label_len;
    memcpy(p + group_at, group, strlen(group) + 1);
    r->job.query_group = p + group_at;
    r->job.rank = rank_of(rq->priority);

    r->result = redwi_result_create(&c->work);
    r->params = redwi_params_copy(&c->work, rq->params, rq->nparams);
    r->nparams = r->params ? rq->nparams : 0;
    if (!r->result || r->nparams != rq->nparams) {
        free_request(&c->work, r);
        return NULL;
    }
    return r;
}

redw_id redwi_request_submit(redw_client *c, const struct redw_request *caller_rq,
                             const struct redw_stream_handler *h, redw_done_fn *fn, void *ctx)
{
    struct redw_request rq;
    redw_id refused = check(c, &rq, caller_rq);

    if (refused)
        return refused;
    struct redwi_request *r = create(c, &rq);
    if (!r)
        return redwi_client_refuse_memory(c);
    r->done = fn;
    r->ctx = ctx;
    r->on_columns = h ? h->on_columns : NULL;
    r->on_rows = h ? h->on_rows : NULL;
    r->wire = rq.wire;
    r->on_error = redwi_request_error_proves(r->sql, r->sql_len);
    r->max_rows = rq.max_rows ? rq.max_rows : UINT64_MAX;
    r->max_bytes = rq.max_bytes ? rq.max_bytes : REDWI_RESULT_BYTES_MAX;
    r->job.ops = h ? &stream_ops : &gather_ops;
    r->job.exclusive = h != NULL || redwi_request_is_large(r);
    r->job.submitted_us = c->loop.now_us(c->loop.ctx);
    r->job.deadline_us = deadline_of(c, &rq, r->job.submitted_us);
    redw_id id = redwi_client_accept(c, &r->job);
    if (id < 0)
        free_request(&c->work, r);
    return id;
}

redw_id redw_submit(redw_client *c, const struct redw_request *rq, redw_done_fn *fn, void *ctx)
{
    if (!fn)
        return redwi_client_refuse(c, REDW_EINVAL, "submit: fn is NULL");
    return redwi_request_submit(c, rq, NULL, fn, ctx);
}
