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
#include "wire/be_read.h"
#include "wire/cursor.h"
#include "wire/fe_write.h"
#include "wire/mem.h"
#include "wire/session.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SQL_BYTES_MAX   ((size_t)16 << 20)
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

enum redwi_server redwi_request_server(const struct redwi_session *s)
{
    unsigned version = 0;

    if (!redwi_session_is_redshift(s))
        return REDWI_POSTGRES;
    const char *said = redwi_session_parameter(s, "server_protocol_version");
    if (said && !redwi_be_row_version((redw_slice){said, strlen(said)}, &version))
        version = 0; /* the session does not let it come to this */
    return redwi_server_of(true, version);
}

/* Sync comes with unit_end. Protocol: "Extended Query". */
int redwi_request_put(struct redwi_request *r, struct redwi_session *s, const char *portal, uint32_t max_rows)
{
    struct redwi_buf *b = redwi_session_unit_begin(s);

    if (!b)
        return REDW_ENOMEM;
    r->server = redwi_request_server(s);
    for (size_t i = 0; i < r->nparams; i++) {
        r->oids[i] = redwi_param_oid(&r->params[i], r->server);
        r->formats[i] = redwi_param_format(&r->params[i], r->server);
    }
    redwi_fe_parse(b, "", r->sql, r->sql_len, r->oids, r->nparams);
    size_t at = redwi_fe_bind_begin(b, portal, "", r->formats, r->nparams);
    for (size_t i = 0; i < r->nparams; i++)
        redwi_param_put(b, &r->params[i], r->server);
    /* A Redshift whose binary forms are not to be trusted is asked for text (protocol 5.4). */
    redwi_fe_bind_end(b, at, r->wire == REDW_WIRE_BINARY && r->server != REDWI_REDSHIFT_BASE);
    redwi_fe_describe_portal(b, portal);
    redwi_fe_execute(b, portal, max_rows);
    return redwi_session_unit_end(s, &r->job,
                                  REDWI_SENT_PARSE | REDWI_SENT_BIND | REDWI_SENT_DESCRIBE | REDWI_SENT_EXECUTE |
                                      (max_rows ? REDWI_SENT_LIMIT : 0u),
                                  r->on_error);
}

static int begin(struct redwi_job *j, struct redwi_session *s)
{
    return redwi_request_put(request_of(j), s, "", 0);
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

    r->result->error = j->error;
    j->error = NULL;
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

/* By way; gathered results have rows only. */
static const struct redwi_job_ops *ops_of(const struct redw_request *rq, const struct redw_stream_handler *h)
{
    if (!h)
        return &gather_ops;
    return rq->way == REDW_WAY_CURSOR ? &cursor_ops : rq->way == REDW_WAY_PORTAL ? &portal_ops : &stream_ops;
}

/* --- submitting --- */

/* The caller's struct, whatever its version, with sql_len filled in. */
static redw_id check(redw_client *c, struct redw_request *out, const struct redw_request *rq)
{
    struct redw_diag why;
    const char *fault;

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

/* One piece: the struct, the timer, OIDs, formats, SQL. NULL: no memory. */
static struct redwi_request *create(redw_client *c, const struct redw_request *rq)
{
    size_t timer_at = redwi_align(sizeof(struct redwi_request));
    size_t oids_at = timer_at + redwi_client_timer_bytes(c);
    size_t formats_at = oids_at + rq->nparams * sizeof(uint32_t);
    size_t sql_at = formats_at + rq->nparams;
    size_t bytes = sql_at + rq->sql_len + 1;
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
    memcpy(r->sql, rq->sql, rq->sql_len);
    r->sql[rq->sql_len] = '\0';
    r->sql_len = rq->sql_len;

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
    const char *fault;
    redw_id refused = check(c, &rq, caller_rq);

    if (refused)
        return refused;
    if ((fault = redwi_way_fault(&rq, h != NULL)) != NULL)
        return redwi_client_refuse(c, REDW_EINVAL, "%s", fault);
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
    r->job.ops = ops_of(&rq, h);
    redwi_way_init(r, rq.way, rq.fetch_rows);
    r->job.long_rows = r->job.ops == &stream_ops;
    r->job.exclusive = h != NULL;
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
