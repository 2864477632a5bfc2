/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests submitted: checked, copied, handed to the pool. What is refused is refused here, with the field named,
 * and nothing has happened.
 *
 * A request is one allocation: its struct, room for the OIDs and formats of its parameters, the SQL, the
 * query group. The result exists from the start, so that the final callback has one whatever happens.
 */
#include "query/request.h"

#include "data/params.h"
#include "pool/options.h"
#include "wire/mem.h"

#include <stdio.h>
#include <string.h>

#define LABEL_BYTES_MAX 64

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

const char *redwi_request_group(const redw_client *c, const char *query_group)
{
    if (query_group)
        return query_group;
    return c->settings.query_group ? c->settings.query_group : "";
}

unsigned redwi_request_rank(enum redw_priority priority)
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

/* One piece: the struct, OIDs, formats, SQL, query group. NULL: no memory. */
static struct redwi_request *create(redw_client *c, const struct redw_request *rq)
{
    size_t oids_at = redwi_align(sizeof(struct redwi_request));
    size_t formats_at = oids_at + rq->nparams * sizeof(uint32_t);
    size_t sql_at = formats_at + rq->nparams;
    const char *group = redwi_request_group(c, rq->query_group);
    size_t group_at = sql_at + sql_bytes(rq);
    size_t bytes = group_at + strlen(group) + 1;
    char *p = redwi_alloc(&c->work, bytes);

    if (!p)
        return NULL;
    struct redwi_request *r = (struct redwi_request *)(void *)p;
    memset(r, 0, sizeof *r);
    r->bytes = bytes;
    r->oids = (uint32_t *)(void *)(p + oids_at);
    r->formats = (uint8_t *)p + formats_at;
    take_sql(r, rq, p + sql_at);
    memcpy(p + group_at, group, strlen(group) + 1);
    r->job.query_group = p + group_at;
    r->job.rank = redwi_request_rank(rq->priority);

    r->result = redwi_result_create(&c->work);
    r->params = redwi_params_copy(&c->work, rq->params, rq->nparams);
    r->nparams = r->params ? rq->nparams : 0;
    if (!r->result || r->nparams != rq->nparams) {
        redwi_request_free(&c->work, r);
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
    r->job.ops = redwi_request_ops(h != NULL, rq.way);
    redwi_way_init(r, rq.way, rq.fetch_rows);
    r->job.resumable = h != NULL;
    r->job.exclusive = h != NULL || redwi_request_is_large(r);
    r->job.long_rows = h && (rq.way == REDW_WAY_AUTO || rq.way == REDW_WAY_ROWS);
    r->job.submitted_us = c->entry_us = c->loop.now_us(c->loop.ctx);
    r->job.deadline_us = redwi_request_deadline(c, rq.timeout_ms, rq.deadline_ms, r->job.submitted_us);
    redw_id id = redwi_client_accept(c, &r->job);
    if (id < 0)
        redwi_request_free(&c->work, r);
    return id;
}

redw_id redw_submit(redw_client *c, const struct redw_request *rq, redw_done_fn *fn, void *ctx)
{
    if (!fn)
        return redwi_client_refuse(c, REDW_EINVAL, "submit: fn is NULL");
    return redwi_request_submit(c, rq, NULL, fn, ctx);
}
