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
    size_t at = redwi_fe_bind_begin(b, portal, redwi_use_name(use), r->formats, r->nparams);
    for (size_t i = 0; i < r->nparams; i++)
        redwi_param_put(b, &r->params[i], r->server);
    redwi_use_bind_end(use, b, at, r->wire, r->server);
    if (!use->entry) {
        redwi_fe_describe_portal(b, portal);
        sent |= REDWI_SENT_DESCRIBE;
    }
    redwi_fe_execute(b, portal, max_rows);
    if (max_rows)
        sent |= REDWI_SENT_LIMIT;
    return redwi_session_unit_end(s, &r->job, sent, r->on_error);
}

static int begin(struct redwi_job *j, struct redwi_session *s)
{
    struct redwi_request *r = request_of(j);

    if (!r->slices.begun && !(j->exclusive && redwi_request_is_large(r)))
        return redwi_request_put(r, s, "", 0);
    if (!r->slices.begun)
        look_at_server(r, s);
    return redwi_request_write_slice(r, s);
}

static bool next(struct redwi_job *j, char status)
{
    return redwi_use_once_more(&request_of(j)->use, j, status);
}

static void parameter_types(struct redwi_job *j, const uint8_t *oids, size_t len)
{
    redwi_stmt_learn(request_of(j)->use.stmt, oids, len);
}

static enum redwi_job_flow take_columns(struct redwi_request *r, const struct redwi_columns *columns)
{
    if (r->on_rows)
        return redwi_stream_columns(&r->job, columns);
    if (redwi_result_columns(r->result, columns, r->server, false))
        return redwi_request_stop(r, REDW_ENOMEM, REDW_CLASS_OUT_OF_MEMORY, "columns");
    return REDWI_JOB_GO;
}

/* Those that are kept of the statement; it may have none. */
static enum redwi_job_flow take_kept_columns(struct redwi_request *r)
{
    struct redwi_columns columns;

    if (!redwi_use_columns(&r->use, r->wire, r->server, &columns))
        return REDWI_JOB_GO;
    return take_columns(r, &columns);
}

/* Of a statement, in the unit that parsed it; or of the unnamed one's portal. */
static enum redwi_job_flow described(struct redwi_job *j, const struct redwi_columns *columns)
{
    struct redwi_request *r = request_of(j);

    if (!r->use.entry)
        return take_columns(r, columns);
    if (redwi_use_described(&r->use, j, columns, r->server))
        return redwi_request_stop(r, REDW_ENOMEM, REDW_CLASS_OUT_OF_MEMORY, "columns");
    return take_kept_columns(r);
}

static enum redwi_job_flow bound(struct redwi_job *j)
{
    struct redwi_request *r = request_of(j);

    r->use.bound = true;
    return take_kept_columns(r);
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
    redwi_use_end(&r->use);
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

/* By way; gathered results have rows only. */
static const struct redwi_job_ops *ops_of(const struct redw_request *rq, const struct redw_stream_handler *h)
{
    if (!h)
        return &gather_ops;
    return rq->way == REDW_WAY_CURSOR ? &cursor_ops : rq->way == REDW_WAY_PORTAL ? &portal_ops : &stream_ops;
}

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
        return redwi_client_refuse(c, REDW_EINVAL, "priority: %d is none", (int)rq->priority);
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
    redw_id refused;

    if (!rq)
        return redwi_client_refuse(c, REDW_EINVAL, "request: NULL");
    if (!redwi_struct_read(out, sizeof *out, offsetof(struct redw_request, sql) + sizeof out->sql, rq))
        return redwi_client_refuse(c, REDW_EINVAL,
                                   "request: size is wrong, or a field newer than this library is set");
    if (out->stmt) {
        if ((refused = redwi_stmt_check(c, out->stmt, out->sql, out->nparams)) != 0)
            return refused;
    } else if (redwi_sql_check(out->sql, &out->sql_len, &why)) {
        return redwi_client_refuse(c, REDW_EINVAL, "%s", why.text);
    }
    if (out->nparams > REDWI_PARAMS_MAX)
        return redwi_client_refuse(c, REDW_EINVAL, "params: %zu are more than %d", out->nparams,
                                   REDWI_PARAMS_MAX);
    if (out->nparams > 0 && !out->params)
        return redwi_client_refuse(c, REDW_EINVAL, "params: NULL, but nparams is %zu", out->nparams);
    if (redwi_params_check(out->params, out->nparams, &why))
        return redwi_client_refuse(c, REDW_EINVAL, "%s", why.text);
    if ((unsigned)out->wire > REDW_WIRE_AUTO)
        return redwi_client_refuse(c, REDW_EINVAL, "wire: neither text, binary nor automatic");
    if ((refused = check_company(c, out)) != 0)
        return refused;
    if (out->sql_len + label_bytes(out) > REDWI_SQL_BYTES_MAX)
        return redwi_client_refuse(c, REDW_EINVAL, "sql: longer than %zu bytes with its label", REDWI_SQL_BYTES_MAX);
    return 0;
}

int64_t redwi_request_deadline(const redw_client *c, uint32_t timeout_ms, int64_t deadline_ms, int64_t now_us)
{
    if (timeout_ms == 0)
        timeout_ms = c->settings.request_timeout_ms;
    int64_t at = timeout_ms == REDW_NONE ? INT64_MAX : now_us + (int64_t)timeout_ms * 1000;

    if (deadline_ms != 0 && deadline_ms < at / 1000)
        at = deadline_ms > INT64_MIN / 1000 ? deadline_ms * 1000 : INT64_MIN;
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

/* Of the request's own copy. A statement has its text. */
static size_t sql_bytes(const struct redw_request *rq)
{
    return rq->stmt ? 0 : label_bytes(rq) + rq->sql_len + 1;
}

static void take_sql(struct redwi_request *r, const struct redw_request *rq, char *copy)
{
    if (rq->stmt) {
        r->use.stmt = redwi_stmt_keep(rq->stmt);
        r->sql = rq->stmt->sql;
        r->sql_len = rq->stmt->sql_len;
        return;
    }
    r->label_len = label_bytes(rq);
    if (rq->label)
        snprintf(copy, r->label_len + 1, "/* %s */ ", rq->label);
    memcpy(copy + r->label_len, rq->sql, rq->sql_len);
    r->sql_len = r->label_len + rq->sql_len;
    copy[r->sql_len] = '\0';
    r->sql = copy;
}

/* One piece: the struct, the timer, OIDs, formats, SQL, query group. NULL: no memory. */
static struct redwi_request *create(redw_client *c, const struct redw_request *rq)
{
    size_t timer_at = redwi_align(sizeof(struct redwi_request));
    size_t oids_at = timer_at + redwi_client_timer_bytes(c);
    size_t formats_at = oids_at + rq->nparams * sizeof(uint32_t);
    size_t sql_at = formats_at + rq->nparams;
    const char *group = group_of(c, rq);
    size_t group_at = sql_at + sql_bytes(rq);
    size_t bytes = group_at + strlen(group) + 1;
    char *p = redwi_alloc(&c->work, bytes);

    if (!p)
        return NULL;
    struct redwi_request *r = (struct redwi_request *)(void *)p;
    memset(r, 0, sizeof *r);
    r->bytes = bytes;
    r->job.timer = p + timer_at;
    r->oids = (uint32_t *)(void *)(p + oids_at);
    r->formats = (uint8_t *)p + formats_at;
    take_sql(r, rq, p + sql_at);
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
    r->on_error = rq.stmt ? rq.stmt->on_error : redwi_request_error_proves(r->sql, r->sql_len);
    r->max_rows = rq.max_rows ? rq.max_rows : UINT64_MAX;
    r->max_bytes = rq.max_bytes ? rq.max_bytes : REDWI_RESULT_BYTES_MAX;
    r->job.ops = ops_of(&rq, h);
    redwi_way_init(r, rq.way, rq.fetch_rows);
    r->job.resumable = h != NULL;
    r->job.exclusive = h != NULL || redwi_request_is_large(r);
    r->job.long_rows = r->job.ops == &stream_ops;
    r->job.submitted_us = c->loop.now_us(c->loop.ctx);
    r->job.deadline_us = redwi_request_deadline(c, rq.timeout_ms, rq.deadline_ms, r->job.submitted_us);
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
