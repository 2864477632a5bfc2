/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches: a job whose one unit holds Bind and Execute for each set of parameters, and one Sync. The server runs
 * all that stands before a Sync in one transaction ("Extended Query", pipelining), stops at the first error, and
 * commits at the Sync.
 *
 * Which member was at fault is not said by the server but counted: members that are complete when the error comes.
 */
#include <redw/batch.h>

#include "data/encode.h"
#include "data/params.h"
#include "query/request.h"
#include "wire/cursor.h"
#include "wire/err.h"
#include "wire/fe_write.h"
#include "wire/mem.h"
#include "wire/session.h"

#include <string.h>

struct redw_report {
    const redw_error *error;
    uint64_t rows;
    int64_t elapsed_us;
    int64_t *affected; /* by member */
    size_t nmembers;
    size_t failed;     /* nmembers: none */
};

struct batch {
    struct redwi_job job; /* behind this struct: kinds, oids, formats and sql */
    size_t bytes;         /* of the allocation */
    struct redw_report report;
    redw_report_fn *done;
    void *ctx;
    struct redwi_use use;
    redw_param *params;
    size_t nsets, nparams, nall; /* nall: of all sets */
    redw_param *kinds;  /* of each parameter one that tells its type, without what it points at */
    uint32_t *oids;     /* room for nparams, filled when sent; formats too */
    uint8_t *formats;
    const char *sql;    /* a copy behind this struct, or its statement's */
    size_t sql_len;
    enum redwi_server server;
    enum redw_outcome on_error;
    unsigned sent;      /* REDWI_SENT_* of the first member */
    size_t nput;        /* members written so far */
    size_t ncomplete;   /* of the unit under way */
    bool accepted;      /* the statement itself: what fails from now on is a member */
};

static struct batch *batch_of(struct redwi_job *j)
{
    return REDWI_OF(j, struct batch, job);
}

/* --- job ops --- */

static void put_member(struct batch *b, struct redwi_buf *out, size_t set)
{
    const redw_param *params = b->params + set * b->nparams;

    for (size_t i = 0; i < b->nparams; i++)
        b->formats[i] = redwi_param_format(&params[i], b->server);
    size_t at = redwi_fe_bind_begin(out, "", redwi_use_name(&b->use), b->formats, b->nparams);
    for (size_t i = 0; i < b->nparams; i++)
        redwi_param_put(out, &params[i], b->server);
    redwi_fe_bind_end(out, at, 0);
    redwi_fe_execute(out, "", 0);
}

/* What comes ahead of the members; the first of them is answered as `sent` says. */
static void put_statement(struct batch *b, struct redwi_session *s, struct redwi_buf *out)
{
    b->server = redwi_request_server(s);
    for (size_t i = 0; i < b->nparams; i++)
        b->oids[i] = redwi_param_oid(&b->kinds[i], b->server);
    const struct redwi_use_sql sql = {b->sql, b->sql_len, b->oids, b->kinds, b->nparams};
    b->sent = redwi_use_begin(&b->use, &b->job, out, &sql) | REDWI_SENT_BIND | REDWI_SENT_EXECUTE;
    if (!b->use.entry) {
        redwi_fe_describe_statement(out, "");
        b->sent |= REDWI_SENT_DESCRIBE_STATEMENT;
    }
    b->ncomplete = 0;
    b->accepted = b->use.again;
}

static int begin(struct redwi_job *j, struct redwi_session *s)
{
    struct batch *b = batch_of(j);
    size_t base, slice = b->use.retried || !j->exclusive ? SIZE_MAX : REDWI_SLICE_BYTES; /* slices.c says why */
    struct redwi_buf *out = b->nput > 0 ? redwi_session_unit_more(s, &base) : redwi_session_unit_begin(s);

    if (!out)
        return REDW_ENOMEM;
    size_t from = redwi_buf_mark(out);
    if (b->nput == 0)
        put_statement(b, s, out);
    while (b->nput < b->nsets && !out->failed && redwi_buf_mark(out) - from < slice)
        put_member(b, out, b->nput++);
    if (b->nput < b->nsets && !out->failed)
        return REDWI_JOB_MORE;
    b->nput = 0;
    unsigned again = REDWI_SENT_BIND | REDWI_SENT_EXECUTE | (b->sent & REDWI_SENT_COLUMNS);
    return redwi_session_batch_end(s, j, b->sent, again, b->nsets - 1, b->on_error);
}

/* A conflict between transactions, or an end from outside, meets some member, and is not its fault. */
static bool is_a_members_fault(const struct batch *b, const redw_error *e)
{
    if (redw_error_origin(e) != REDW_ORIGIN_SERVER || (redw_error_flags(e) & REDW_ERROR_CONNECTION_LOST) ||
        redwi_use_is_stale(&b->use, e))
        return false;
    switch (redw_error_class(e)) {
    case REDW_CLASS_QUERY_CANCELLED:
    case REDW_CLASS_QUERY_TIMEOUT:
    case REDW_CLASS_SERIALIZATION_FAILURE:
        return false;
    default:
        return b->accepted && b->ncomplete < b->nsets;
    }
}

static bool next(struct redwi_job *j, char status)
{
    return redwi_use_once_more(&batch_of(j)->use, j, status);
}

static void parameter_types(struct redwi_job *j, const uint8_t *oids, size_t len)
{
    struct batch *b = batch_of(j);

    b->accepted = true;
    if (b->use.stmt)
        redwi_stmt_learn(b->use.stmt, oids, len);
}

/* Nobody looks at the rows here; without memory for the description only its entry is lost. */
static enum redwi_job_flow columns(struct redwi_job *j, const struct redwi_columns *described)
{
    struct batch *b = batch_of(j);

    if (b->use.entry)
        redwi_use_described(&b->use, j, described, b->server);
    return REDWI_JOB_GO;
}

static enum redwi_job_flow bound(struct redwi_job *j)
{
    batch_of(j)->use.bound = true;
    return REDWI_JOB_GO;
}

static enum redwi_job_flow drop_rows(struct redwi_job *j, const uint8_t *p, const uint8_t *end,
                                     const uint8_t **taken, bool *corrupt)
{
    (void)j;
    *corrupt = false;
    while ((size_t)(end - p) > sizeof(uint32_t) && *p == 'D') {
        size_t len = redwi_load32(p + 1);
        if (len < 4 || len > (size_t)(end - p) - 1)
            break;
        p += 1 + len;
    }
    *taken = p;
    return REDWI_JOB_GO;
}

static void complete(struct redwi_job *j, const char *tag, size_t len)
{
    struct batch *b = batch_of(j);

    b->report.affected[b->ncomplete++] = redwi_tag_affected(tag, len);
}

static redw_error *notice(struct redwi_job *j, redw_error *owned)
{
    (void)j;
    return owned;
}

static void free_batch(const struct redw_allocator *mem, struct batch *b)
{
    redw_error_release(b->job.error);
    redwi_use_end(&b->use);
    redwi_params_free(mem, b->params, b->nall);
    redwi_free(mem, b->report.affected);
    redwi_free_secret(mem, b, b->bytes);
}

static void drop(struct redwi_job *j)
{
    free_batch(&j->client->work, batch_of(j));
}

static void finish(struct redwi_job *j)
{
    struct batch *b = batch_of(j);

    /* Here, not when the unit ends: behind the server's refusal its connection may break. */
    if (j->error && is_a_members_fault(b, j->error))
        b->report.failed = b->ncomplete;
    b->report.error = j->error;
    b->report.elapsed_us = redwi_client_entry_us(j->client) - j->submitted_us;
    for (size_t i = 0; !j->error && i < b->nsets; i++)
        b->report.rows += b->report.affected[i] > 0 ? (uint64_t)b->report.affected[i] : 0;
    b->done(&b->report, b->ctx);
    drop(j);
}

static const struct redwi_job_ops ops = {
    .begin = begin,
    .next = next,
    .parameter_types = parameter_types,
    .columns = columns,
    .bound = bound,
    .rows = drop_rows,
    .complete = complete,
    .notice = notice,
    .finish = finish,
    .drop = drop,
};

/* --- submitting --- */

static bool is_null(const redw_param *p)
{
    return p->flags == REDWI_PARAM_NULL;
}

/* Are they declared as the same type, on any server? Bytes are, to an old Redshift, of no type at all. */
static bool same_type(const redw_param *p, const redw_param *q)
{
    return p->type == q->type && (p->flags == REDWI_PARAM_ARRAY) == (q->flags == REDWI_PARAM_ARRAY) &&
           (p->flags == REDWI_PARAM_BYTES) == (q->flags == REDWI_PARAM_BYTES);
}

static const char *array_text(const redw_param *p)
{
    return p->flags == REDWI_PARAM_ARRAY ? " array" : "";
}

/* The set that says what parameter i is: the first in which it is not NULL. */
static size_t telling_set(const struct redw_batch *rq, size_t i)
{
    for (size_t set = 0; set < rq->nsets; set++) {
        if (!is_null(&rq->params[set * rq->nparams + i]))
            return set;
    }
    return 0;
}

static redw_id check_types(redw_client *c, const struct redw_batch *rq)
{
    for (size_t i = 0; i < rq->nparams; i++) {
        size_t first = telling_set(rq, i);
        const redw_param *kind = &rq->params[first * rq->nparams + i];
        for (size_t set = first + 1; set < rq->nsets; set++) {
            const redw_param *p = &rq->params[set * rq->nparams + i];
            if (!is_null(p) && !same_type(p, kind))
                return redwi_client_refuse(c, REDW_EINVAL, "set %zu, parameter $%zu: %s%s, but set %zu has %s%s", set,
                                           i + 1, redw_type_name((enum redw_type)p->type), array_text(p), first,
                                           redw_type_name((enum redw_type)kind->type), array_text(kind));
        }
    }
    return 0;
}

static redw_id check_params(redw_client *c, const struct redw_batch *rq)
{
    struct redw_diag why;
    size_t all;

    if (rq->nsets == 0)
        return redwi_client_refuse(c, REDW_EINVAL, "nsets: 0");
    if (rq->nparams > REDWI_PARAMS_MAX)
        return redwi_client_refuse(c, REDW_EINVAL, "nparams: %zu are more than %d", rq->nparams, REDWI_PARAMS_MAX);
    if (rq->nparams > 0 && !rq->params)
        return redwi_client_refuse(c, REDW_EINVAL, "params: NULL, but nparams is %zu", rq->nparams);
    if (__builtin_mul_overflow(rq->nsets, rq->nparams, &all))
        return redwi_client_refuse(c, REDW_EINVAL, "nsets: %zu are too many", rq->nsets);
    for (size_t set = 0; set < rq->nsets && rq->nparams > 0; set++) {
        if (redwi_params_check(rq->params + set * rq->nparams, rq->nparams, &why))
            return redwi_client_refuse(c, REDW_EINVAL, "set %zu, %s", set, why.text);
    }
    return check_types(c, rq);
}

static redw_id check_company(redw_client *c, const struct redw_batch *rq)
{
    const char *fault = rq->query_group ? redwi_query_group_fault(rq->query_group) : NULL;

    if (fault)
        return redwi_client_refuse(c, REDW_EINVAL, "query_group %s", fault);
    if ((unsigned)rq->priority > REDW_PRIORITY_BULK)
        return redwi_client_refuse(c, REDW_EINVAL, "priority: %d is none of REDW_PRIORITY_*", (int)rq->priority);
    return 0;
}

static redw_id check(redw_client *c, struct redw_batch *out, size_t *sql_len, const struct redw_batch *rq)
{
    const char *fault;
    redw_id refused;

    *sql_len = 0;
    if (!rq || !redwi_struct_read(out, sizeof *out, offsetof(struct redw_batch, nparams) + sizeof out->nparams, rq))
        return redwi_client_refuse(c, REDW_EINVAL,
                                   "batch: NULL, its size is wrong, or a field newer than this library is set");
    if (out->stmt) {
        if ((refused = redwi_stmt_check(c, out->stmt, out->sql, out->nparams)) != 0)
            return refused;
    } else if ((fault = redwi_sql_fault(out->sql, sql_len)) != NULL) {
        return redwi_client_refuse(c, REDW_EINVAL, "sql: %s", fault);
    }
    if ((refused = check_company(c, out)) != 0)
        return refused;
    return check_params(c, out);
}

static void take_sql(struct batch *b, const struct redw_batch *rq, char *room, size_t len)
{
    if (rq->stmt) {
        b->use.stmt = redwi_stmt_keep(rq->stmt);
        b->sql = rq->stmt->sql;
        b->sql_len = rq->stmt->sql_len;
        b->on_error = rq->stmt->on_error;
        return;
    }
    b->sql = memcpy(room, rq->sql, len);
    b->sql_len = len;
    b->on_error = redwi_request_error_proves(b->sql, len);
}

/* One piece: the struct, kinds, OIDs, formats, SQL, query group; one each for parameters and counts. NULL: no
 * memory. */
static struct batch *create(redw_client *c, const struct redw_batch *rq, size_t sql_len)
{
    size_t kinds_at = redwi_align(sizeof(struct batch));
    size_t oids_at = kinds_at + rq->nparams * sizeof(redw_param);
    size_t formats_at = oids_at + rq->nparams * sizeof(uint32_t);
    size_t sql_at = formats_at + rq->nparams;
    const char *group = redwi_request_group(c, rq->query_group);
    size_t group_at = sql_at + sql_len, bytes = group_at + strlen(group) + 1;
    char *p = redwi_alloc(&c->work, bytes);

    if (!p)
        return NULL;
    struct batch *b = (struct batch *)(void *)p;
    memset(b, 0, sizeof *b);
    b->bytes = bytes;
    b->kinds = (redw_param *)(void *)(p + kinds_at);
    b->oids = (uint32_t *)(void *)(p + oids_at);
    b->formats = (uint8_t *)p + formats_at;
    b->nsets = b->report.nmembers = b->report.failed = rq->nsets;
    b->nparams = rq->nparams;
    take_sql(b, rq, p + sql_at, sql_len);
    b->job.query_group = memcpy(p + group_at, group, strlen(group) + 1);
    b->job.rank = redwi_request_rank(rq->priority);
    b->params = redwi_params_copy(&c->work, rq->params, rq->nsets * rq->nparams);
    b->nall = b->params ? rq->nsets * rq->nparams : 0;
    b->report.affected = redwi_alloc_array(&c->work, rq->nsets, sizeof *b->report.affected);
    if (!b->report.affected || b->nall != rq->nsets * rq->nparams) {
        free_batch(&c->work, b);
        return NULL;
    }
    for (size_t i = 0; i < rq->nparams; i++)
        b->kinds[i] = b->params[telling_set(rq, i) * rq->nparams + i];
    return b;
}

/* Is it written in less time than a slice may take? Then it shares a connection as any request does. Roughly: what is
 * around a member and a value, and values of a fixed size, need less than the bytes taken for them. */
static bool is_small(const struct batch *b)
{
    size_t bytes = b->sql_len;

    for (size_t set = 0; set < b->nsets && bytes <= REDWI_SLICE_BYTES; set++) {
        const redw_param *params = b->params + set * b->nparams;
        bytes += 64;
        for (size_t i = 0; i < b->nparams; i++) {
            if (params[i].flags == REDWI_PARAM_ARRAY)
                return false;
            bytes += 64 + redwi_param_raw(&params[i], REDWI_POSTGRES).len;
        }
    }
    return bytes <= REDWI_SLICE_BYTES;
}

redw_id redw_batch_execute(redw_client *c, const struct redw_batch *caller_rq, redw_report_fn *done, void *ctx)
{
    struct redw_batch rq;
    size_t sql_len;

    if (!done)
        return redwi_client_refuse(c, REDW_EINVAL, "batch: done is NULL");
    redw_id refused = check(c, &rq, &sql_len, caller_rq);
    if (refused)
        return refused;
    struct batch *b = create(c, &rq, sql_len);
    if (!b)
        return redwi_client_refuse_memory(c);
    b->done = done;
    b->ctx = ctx;
    b->job.ops = &ops;
    b->job.exclusive = !is_small(b);
    b->job.submitted_us = c->entry_us = c->loop.now_us(c->loop.ctx);
    b->job.deadline_us = redwi_request_deadline(c, rq.timeout_ms, 0, b->job.submitted_us);
    redw_id id = redwi_client_accept(c, &b->job);
    if (id < 0)
        free_batch(&c->work, b);
    return id;
}

/* --- the report --- */

const redw_error *redw_report_error(const redw_report *r)
{
    return r->error;
}

uint64_t redw_report_rows(const redw_report *r)
{
    return r->rows;
}

int64_t redw_report_affected(const redw_report *r, size_t member)
{
    return !r->error && member < r->nmembers ? r->affected[member] : -1;
}

bool redw_report_failed_member(const redw_report *r, size_t *index)
{
    if (r->failed == r->nmembers)
        return false;
    *index = r->failed;
    return true;
}

uint64_t redw_report_elapsed_ms(const redw_report *r)
{
    return (uint64_t)r->elapsed_us / 1000;
}
