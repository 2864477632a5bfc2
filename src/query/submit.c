/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests submitted: checked, copied, handed to the pool. What is refused is refused here, with the field named,
 * and nothing has happened.
 *
 * A request is one block: its struct, room for the OIDs and formats of its parameters, the SQL, the query
 * group. The result exists from the start, so that the final callback has one whatever happens.
 */
#include "query/request.h"

#include "data/decode.h"
#include "data/params.h"
#include "pool/options.h"
#include "wire/mem.h"

#include <stdio.h>
#include <string.h>

#define LABEL_BYTES_MAX 64
#define NORMAL_RANK     1u /* as redwi_request_rank() has it */

_Static_assert(REDWI_RESULT_BLOCK == REDWI_SPARE_BYTES, "a result begins in a spare block");

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

/* The caller's struct, whatever its version: itself, if it is of this one; else what it says, in *room. NULL: it
 * cannot be read. */
static const struct redw_request *read_request(struct redw_request *room, const struct redw_request *rq)
{
    if (rq->size == sizeof *rq)
        return rq;
    return redwi_struct_read(room, sizeof *room, offsetof(struct redw_request, sql) + sizeof rq->sql, rq) ? room : NULL;
}

/* As most requests are: nothing but a text, deadlines and bounds is set. */
static inline bool is_plain(const struct redw_request *rq)
{
    return rq->size == sizeof *rq && !rq->nparams && !rq->stmt && !rq->query_group && !rq->label &&
           rq->wire == REDW_WIRE_TEXT && rq->priority == REDW_PRIORITY_NORMAL && rq->way == REDW_WAY_AUTO &&
           rq->fetch_rows == 0;
}

static redw_id refuse_sql(redw_client *c, const char *fault)
{
    return redwi_client_refuse(c, REDW_EINVAL, "sql: %s", fault);
}

/* *len: of its own text; it has one, or a statement. */
static redw_id check_text(redw_client *c, const struct redw_request *rq, size_t *len)
{
    *len = rq->sql_len;
    if (rq->stmt)
        return redwi_stmt_check(c, rq->stmt, rq->sql, rq->nparams);
    const char *fault = redwi_sql_fault(rq->sql, len);
    return fault ? refuse_sql(c, fault) : 0;
}

/* What else a request may have; len: of its text. */
static redw_id check_rest(redw_client *c, const struct redw_request *rq, bool streamed, size_t len)
{
    const char *fault;
    struct redw_diag why;
    redw_id refused;

    if (rq->nparams > REDWI_PARAMS_MAX)
        return redwi_client_refuse(c, REDW_EINVAL, "params: %zu are more than %d", rq->nparams, REDWI_PARAMS_MAX);
    if (rq->nparams > 0 && !rq->params)
        return redwi_client_refuse(c, REDW_EINVAL, "params: NULL, but nparams is %zu", rq->nparams);
    if (redwi_params_check(rq->params, rq->nparams, &why))
        return redwi_client_refuse(c, REDW_EINVAL, "%s", why.text);
    if ((unsigned)rq->wire > REDW_WIRE_AUTO)
        return redwi_client_refuse(c, REDW_EINVAL, "wire: neither text, binary nor automatic");
    if ((refused = check_company(c, rq)) != 0)
        return refused;
    if (len + label_bytes(rq) > REDWI_SQL_BYTES_MAX)
        return redwi_client_refuse(c, REDW_EINVAL, "sql: longer than %zu bytes with its label", REDWI_SQL_BYTES_MAX);
    if ((fault = redwi_way_fault(rq, streamed)) != NULL)
        return redwi_client_refuse(c, REDW_EINVAL, "%s", fault);
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

/* What lies behind the struct: as offsets from it. */
struct layout {
    size_t oids, formats, sql, group, bytes;
};

static struct layout lay_out(const struct redw_request *rq, size_t sql_len)
{
    struct layout at = {.oids = sizeof(struct redwi_request)};

    at.formats = at.oids + rq->nparams * sizeof(uint32_t);
    at.sql = at.formats + rq->nparams;
    at.group = at.sql + (rq->stmt ? 0 : label_bytes(rq) + sql_len + 1);
    at.bytes = at.group + (rq->query_group ? strlen(rq->query_group) + 1 : 0);
    return at;
}

/* A statement has its text. */
static void take_statement(struct redwi_request *r, redw_stmt *stmt)
{
    r->use.stmt = redwi_stmt_keep(stmt);
    r->sql = stmt->sql;
    r->sql_len = stmt->sql_len;
    r->on_error = stmt->on_error;
}

/* A copy of it has been made, behind the label. */
static inline void have_sql(struct redwi_request *r, char *copy, size_t label_len, size_t len)
{
    r->label_len = label_len;
    r->sql = copy;
    r->sql_len = label_len + len;
    copy[label_len + len] = '\0';
    r->on_error = redwi_request_error_proves(copy + label_len, len);
}

static void take_sql(struct redwi_request *r, const struct redw_request *rq, char *copy, size_t len)
{
    size_t label_len = label_bytes(rq);

    if (rq->label)
        snprintf(copy, label_len + 1, "/* %s */ ", rq->label);
    memcpy(copy + label_len, rq->sql, len);
    have_sql(r, copy, label_len, len);
}

static bool take_params(redw_client *c, struct redwi_request *r, const struct redw_request *rq)
{
    r->params = redwi_params_copy(&c->work, rq->params, rq->nparams);
    if (!r->params && rq->nparams > 0 && redwi_client_spare_memory(c))
        r->params = redwi_params_copy(&c->work, rq->params, rq->nparams);
    r->nparams = r->params ? rq->nparams : 0;
    return r->nparams == rq->nparams;
}

/* What a plain one has not. False: no memory. */
static bool take_rest(redw_client *c, struct redwi_request *r, const struct redw_request *rq, const struct layout *at)
{
    char *p = (char *)r;

    r->oids = (uint32_t *)(void *)(p + at->oids);
    r->formats = (uint8_t *)p + at->formats;
    r->wire = rq->wire;
    r->job.rank = redwi_request_rank(rq->priority);
    if (rq->query_group)
        r->job.query_group = memcpy(p + at->group, rq->query_group, strlen(rq->query_group) + 1);
    return take_params(c, r, rq);
}

/* In parts: for more bytes at once gcc has a slow loop (rep stos), and the C library's memset() takes 50
 * instructions, this 16. */
static inline void clear(struct redwi_request *r)
{
    enum { PART = 64, BYTES = offsetof(struct redwi_request, bytes) };
    _Static_assert(BYTES > 3 * PART && BYTES <= 4 * PART, "four parts");
    char *p = (char *)r;

    memset(p, 0, PART);
    memset(p + PART, 0, PART);
    memset(p + 2 * PART, 0, PART);
    memset(p + 3 * PART, 0, BYTES - 3 * PART);
    r->slices.begun = false;
}

/* A request of nothing, with its result. NULL: no memory. */
static inline __attribute__((always_inline)) struct redwi_request *create_blank(redw_client *c, size_t bytes)
{
    struct redwi_request *r = redwi_spares_alloc(&c->spares, &c->work, bytes);
    void *block = r ? redwi_spares_alloc(&c->spares, &c->work, REDWI_RESULT_BLOCK) : NULL;

    if (!block) {
        if (r)
            redwi_spares_free(&c->spares, &c->work, r, bytes);
        return NULL;
    }
    clear(r);
    r->bytes = bytes;
    r->result = redwi_result_init(block, &c->work);
    r->job.rank = NORMAL_RANK;
    r->job.query_group = c->settings.query_group; /* the client's lives as long as any request */
    return r;
}

/* NULL: no memory. */
static struct redwi_request *create(redw_client *c, const struct redw_request *rq, size_t sql_len)
{
    const struct layout at = lay_out(rq, sql_len);
    struct redwi_request *r = create_blank(c, at.bytes);

    if (!r)
        return NULL;
    if (rq->stmt)
        take_statement(r, rq->stmt);
    else
        take_sql(r, rq, (char *)r + at.sql, sql_len);
    if (!take_rest(c, r, rq, &at)) {
        redwi_request_free(c, r);
        return NULL;
    }
    return r;
}

/* What only streams have. */
static void set_stream(struct redwi_request *r, const struct redw_request *rq, const struct redw_stream_handler *h)
{
    r->on_columns = h->on_columns;
    r->on_rows = h->on_rows;
    redwi_way_init(r, rq->way, rq->fetch_rows);
    r->job.resumable = true;
    r->job.exclusive = true;
    r->job.long_rows = rq->way == REDW_WAY_AUTO || rq->way == REDW_WAY_ROWS;
}

/* All it needs is there, but for what drives it. */
static inline redw_id hand_over(redw_client *c, struct redwi_request *r, const struct redw_request *rq,
                             redw_done_fn *fn, void *ctx)
{
    r->done = fn;
    r->ctx = ctx;
    r->max_rows = rq->max_rows ? rq->max_rows : UINT64_MAX;
    r->max_bytes = rq->max_bytes ? rq->max_bytes : REDWI_RESULT_BYTES_MAX;
    r->job.submitted_us = c->entry_us = c->loop.now_us(c->loop.ctx);
    r->job.deadline_us = redwi_request_deadline(c, rq->timeout_ms, rq->deadline_ms, r->job.submitted_us);
    redw_id id = redwi_client_accept(c, &r->job);
    if (id < 0)
        redwi_request_free(c, r);
    return id;
}

/* As nearly all are; the same as below without what such a one has not. */
static redw_id submit_plain(redw_client *c, const struct redw_request *rq, redw_done_fn *fn, void *ctx)
{
    size_t len = rq->sql_len;
    const char *fault = redwi_sql_length_fault(rq->sql, &len);
    struct redwi_request *r = fault ? NULL : create_blank(c, sizeof *r + len + 1);

    if (!r)
        return fault ? refuse_sql(c, fault) : redwi_client_refuse_memory(c);
    if (!redwi_copy_ascii((char *)(r + 1), rq->sql, len) && (fault = redwi_utf8_fault(rq->sql, len)) != NULL) {
        redwi_request_free(c, r);
        return refuse_sql(c, fault);
    }
    have_sql(r, (char *)(r + 1), 0, len);
    r->job.ops = &redwi_gather_ops;
    r->job.exclusive = len > REDWI_SLICE_BYTES; /* redwi_request_is_large() */
    return hand_over(c, r, rq, fn, ctx);
}

redw_id redwi_request_submit(redw_client *c, const struct redw_request *caller_rq,
                             const struct redw_stream_handler *h, redw_done_fn *fn, void *ctx)
{
    struct redw_request room;
    size_t sql_len;

    if (!caller_rq)
        return redwi_client_refuse(c, REDW_EINVAL, "request: NULL");
    const struct redw_request *rq = read_request(&room, caller_rq);
    if (!rq)
        return redwi_client_refuse(c, REDW_EINVAL,
                                   "request: size is wrong, or a field newer than this library is set");
    redw_id id = check_text(c, rq, &sql_len);
    if (id || (id = check_rest(c, rq, h != NULL, sql_len)) != 0)
        return id;
    struct redwi_request *r = create(c, rq, sql_len);
    if (!r)
        return redwi_client_refuse_memory(c);
    r->job.ops = redwi_request_ops(h != NULL, rq->way);
    r->job.exclusive = redwi_request_is_large(r);
    if (h)
        set_stream(r, rq, h);
    return hand_over(c, r, rq, fn, ctx);
}

redw_id redw_submit(redw_client *c, const struct redw_request *rq, redw_done_fn *fn, void *ctx)
{
    if (!fn)
        return redwi_client_refuse(c, REDW_EINVAL, "submit: fn is NULL");
    if (rq && is_plain(rq))
        return submit_plain(c, rq, fn, ctx);
    return redwi_request_submit(c, rq, NULL, fn, ctx);
}
