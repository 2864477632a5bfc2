/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What streams by cursor and by portal have in common.
 *
 * Nothing is lost and nothing comes twice: a stream is begun again only when no row of it was handed out, the
 * server's error proves that nothing was executed, and the ROLLBACK behind it was answered with no transaction
 * open. A COMMIT is sent when all rows were taken, so that what ended before it has had no effect.
 */
#include "query/request.h"

#include "wire/be_read.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static struct redwi_request *request_of(struct redwi_job *j)
{
    return REDWI_OF(j, struct redwi_request, job);
}

/* --- submitting --- */

const char *redwi_way_fault(const struct redw_request *rq, bool streamed)
{
    if (rq->way != REDW_WAY_AUTO && rq->way != REDW_WAY_ROWS && rq->way != REDW_WAY_CURSOR &&
        rq->way != REDW_WAY_PORTAL)
        return "way: none of auto, rows, cursor and portal";
    if (rq->fetch_rows != 0 && (rq->fetch_rows < REDWI_FETCH_ROWS_MIN || rq->fetch_rows > REDWI_FETCH_ROWS_MAX))
        return "fetch_rows: not 2 to 100000";
    if (rq->way == REDW_WAY_AUTO || rq->way == REDW_WAY_ROWS)
        return NULL;
    if (!streamed)
        return "way: cursor and portal are for redw_stream";
    if (rq->stmt)
        return "way: cursor and portal take sql, not stmt; use rows";
    if (rq->way == REDW_WAY_PORTAL)
        return NULL;
    if (rq->nparams > 0)
        return "way: a cursor takes no parameters; use rows or portal";
    if (rq->wire == REDW_WIRE_BINARY)
        return "way: a cursor brings text only; use rows or portal for binary";
    return NULL;
}

void redwi_way_init(struct redwi_request *r, enum redw_way way, uint32_t fetch_rows)
{
    r->walk = (struct redwi_walk){.fetch_rows = fetch_rows ? fetch_rows : REDWI_FETCH_ROWS};
    r->result->way = way == REDW_WAY_AUTO ? REDW_WAY_ROWS : way;
}

/* --- errors --- */

/* What never was committed had no effect, if it can be rolled back at all. */
static void set_error(struct redwi_request *r, int code, enum redw_class cls, enum redw_outcome outcome,
                      const char *text)
{
    const struct redwi_err_spec spec = {.code = code, .cls = cls, .outcome = outcome};

    if (code == REDW_ENOMEM)
        r->job.error = redwi_err_no_memory(outcome);
    else
        r->job.error = redwi_err_make(&r->job.client->mem, &spec, "%s", text);
}

bool redwi_way_is_state(const struct redwi_request *r, const char *sqlstate)
{
    return strcmp(redw_error_sqlstate(r->job.error), sqlstate) == 0;
}

bool redwi_way_says(const struct redwi_request *r, const char *words)
{
    return strstr(redw_error_message(r->job.error), words) != NULL;
}

/* "Fetch size 2000 exceeds the limit of 1000 for a single node configuration. ..." (protocol 6.1) */
static bool fetched_too_many(const struct redwi_request *r)
{
    return r->walk.fetch_rows > REDWI_FETCH_ROWS && redwi_way_says(r, "Fetch size ") &&
           redwi_way_says(r, " exceeds the limit of ");
}

static enum redwi_plan plan_after(const struct redwi_request *r, const struct redwi_way *way)
{
    const redw_error *e = r->job.error;
    bool could = r->walk.failed_at == REDWI_STEP_DECLARE || r->walk.failed_at == REDWI_STEP_BATCH;

    if (!could || r->job.cancelled || r->result->set.taken > 0 ||
        redw_error_origin(e) != REDW_ORIGIN_SERVER || redw_error_outcome(e) != REDW_OUTCOME_NOT_EXECUTED)
        return REDWI_PLAN_FAIL;
    if (fetched_too_many(r))
        return REDWI_PLAN_AGAIN;
    return way->refused(r) ? REDWI_PLAN_ROWS : REDWI_PLAN_FAIL;
}

/* --- the walk --- */

int redwi_way_say(struct redwi_session *s, void *tag, const char *sql)
{
    return redwi_session_query(s, tag, sql, strlen(sql), REDW_OUTCOME_NOT_EXECUTED);
}

/* A unit was written, or not: then this is the end, by an error of its own unless there is one. */
static bool go(struct redwi_request *r, enum redwi_step step, int rc)
{
    r->walk.step = step;
    if (rc && !r->job.error)
        set_error(r, rc, REDW_CLASS_RESOURCE_BUSY, step == REDWI_STEP_COMMIT ? REDW_OUTCOME_UNKNOWN : r->on_error,
                  "send: the statement does not fit into the output buffer");
    return rc == 0;
}

static bool by_rows(struct redwi_request *r, struct redwi_session *s)
{
    r->result->way = REDW_WAY_ROWS;
    r->job.long_rows = true;
    return go(r, REDWI_STEP_ROWS, redwi_request_put(r, s, "", 0));
}

/* No transaction is open any more. */
static bool follow_plan(struct redwi_request *r, const struct redwi_way *way, struct redwi_session *s)
{
    struct redwi_walk *w = &r->walk;

    if (w->plan == REDWI_PLAN_FAIL || r->job.cancelled)
        return false;
    redwi_result_notice_add(r->result, r->job.error);
    r->job.error = NULL;
    w->failed = false;
    if (w->plan == REDWI_PLAN_ROWS)
        return by_rows(r, s);
    w->fetch_rows = REDWI_FETCH_ROWS;
    return go(r, REDWI_STEP_BEGIN, way->open(r, s));
}

/* job.error is set, and nothing of this job is under way any more. */
static bool go_back(struct redwi_request *r, const struct redwi_way *way, struct redwi_session *s, char status)
{
    struct redwi_walk *w = &r->walk;
    bool rolled_back = w->step == REDWI_STEP_ROLLBACK;

    if (!rolled_back)
        w->plan = plan_after(r, way);
    if (status == 'I')
        return follow_plan(r, way, s);
    if (rolled_back)
        return false;
    bool closes = status == 'T' && way->first; /* the portal's two units */
    return go(r, closes ? REDWI_STEP_CLOSE : REDWI_STEP_ROLLBACK, way->clean(s, &r->job, status));
}

/* What is wrong although no error came. */
static void look(struct redwi_request *r, const struct redwi_way *way, char status)
{
    struct redwi_walk *w = &r->walk;
    bool inside = w->step == REDWI_STEP_BEGIN || (w->step == REDWI_STEP_BATCH && way->has_more(r));

    if (r->job.cancelled && w->step < REDWI_STEP_COMMIT)
        set_error(r, REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, r->on_error, "cancelled between two batches");
    else if (inside && status != 'T')
        set_error(r, REDW_EPROTOCOL, REDW_CLASS_INTERNAL, REDW_OUTCOME_UNKNOWN,
                  "protocol: the stream's transaction is not open any more");
}

static bool go_on(struct redwi_request *r, const struct redwi_way *way, struct redwi_session *s, char status)
{
    switch (r->walk.step) {
    case REDWI_STEP_DESCRIBE:
        if (!r->walk.described) /* no rows come of it */
            return by_rows(r, s);
        return go(r, REDWI_STEP_BEGIN, way->open(r, s));
    case REDWI_STEP_BEGIN:
        return go(r, REDWI_STEP_BATCH, way->first(r, s));
    case REDWI_STEP_BATCH:
        if (way->has_more(r))
            return go(r, REDWI_STEP_BATCH, way->fetch(r, s));
        /* The caller's statement may have ended the transaction itself. */
        return status == 'T' &&
               go(r, REDWI_STEP_COMMIT, redwi_session_query(s, &r->job, way->end, strlen(way->end), r->on_error));
    default:
        return false;
    }
}

bool redwi_way_next(struct redwi_request *r, const struct redwi_way *way, char status)
{
    struct redwi_walk *w = &r->walk;
    struct redwi_session *s = r->job.conn->session;
    bool more = redwi_session_units(s) > 0; /* of this flight */

    if (!r->job.error && !more)
        look(r, way, status);
    if (r->job.error && !w->failed) {
        w->failed = true;
        w->failed_at = w->step;
    }
    if (more) {
        w->step++;
        return true;
    }
    return r->job.error ? go_back(r, way, s, status) : go_on(r, way, s, status);
}

/* --- answers --- */

/* The same columns as before? *other_format: but not as text or binary as they were. */
static bool same_columns(const struct redwi_request *r, const struct redwi_columns *described, bool *other_format)
{
    struct redwi_columns left = *described;
    const struct redw_column *columns = r->result->set.columns;

    *other_format = false;
    if (left.n != r->result->set.ncolumns)
        return false;
    for (size_t i = 0; i < described->n; i++) {
        struct redwi_field f;
        redwi_be_field_next(&left, &f);
        if (f.type_oid != columns[i].oid || f.typmod != columns[i].typmod || f.name.len != strlen(columns[i].name) ||
            memcmp(f.name.ptr, columns[i].name, f.name.len) != 0)
            return false;
        *other_format = *other_format || (f.format == 1) != columns[i].binary;
    }
    return true;
}

/* Redshift may send its own binary form where text was asked (protocol 1.2), which the description of a statement
 * does not say yet: what the first batch says counts. */
static enum redwi_job_flow more_columns(struct redwi_request *r, const struct redwi_columns *described)
{
    bool other_format;

    if (!same_columns(r, described, &other_format) || (other_format && r->walk.fetched))
        return redwi_request_stop(r, REDW_EPROTOCOL, REDW_CLASS_INTERNAL,
                                  "protocol: a batch has other columns than the one before");
    r->walk.fetched = true;
    if (other_format && redwi_result_describe(r->result, redwi_request_heading(r, described)))
        return redwi_request_stop(r, REDW_ENOMEM, REDW_CLASS_OUT_OF_MEMORY, "columns");
    return REDWI_JOB_GO;
}

static bool brings_rows(enum redwi_step step)
{
    return step == REDWI_STEP_BATCH || step == REDWI_STEP_ROWS;
}

enum redwi_job_flow redwi_way_columns(struct redwi_job *j, const struct redwi_columns *columns)
{
    struct redwi_request *r = request_of(j);
    struct redwi_walk *w = &r->walk;

    if (j->error) /* of a unit before this one */
        return REDWI_JOB_GO;
    if (w->step == REDWI_STEP_DESCRIBE && columns->n == 0)
        return REDWI_JOB_GO;
    if (!brings_rows(w->step) && w->step != REDWI_STEP_DESCRIBE)
        return redwi_request_stop(r, REDW_EPROTOCOL, REDW_CLASS_INTERNAL,
                                  "protocol: unexpected RowDescription for a statement of the stream's own");
    if (w->described)
        return more_columns(r, columns);
    w->described = true;
    w->fetched = w->step != REDWI_STEP_DESCRIBE;
    return redwi_stream_columns(j, redwi_request_heading(r, columns));
}

enum redwi_job_flow redwi_way_rows(struct redwi_job *j, const uint8_t *p, const uint8_t *end, const uint8_t **taken,
                                   bool *corrupt)
{
    *taken = p;
    *corrupt = j->error || !brings_rows(request_of(j)->walk.step);
    return *corrupt ? REDWI_JOB_GO : redwi_stream_rows(j, p, end, taken, corrupt);
}

/* The tag of the last batch counts that one alone: the stream's own has the rows of all. */
static void tag_of_all(struct redwi_request *r, const char *tag, size_t len)
{
    char text[64];
    size_t words = len;

    while (words > 0 && tag[words - 1] >= '0' && tag[words - 1] <= '9')
        words--;
    if (words == len || words == 0 || words > 40) {
        redwi_result_tag(r->result, tag, len);
        return;
    }
    int n = snprintf(text, sizeof text, "%.*s%llu", (int)words, tag, (unsigned long long)r->result->set.taken);
    redwi_result_tag(r->result, text, (size_t)n);
}

void redwi_way_complete(struct redwi_job *j, const char *tag, size_t len)
{
    struct redwi_request *r = request_of(j);
    bool by_cursor = r->result->way == REDW_WAY_CURSOR;

    if (r->walk.step == REDWI_STEP_ROWS)
        redwi_result_tag(r->result, tag, len);
    else if (r->walk.step == REDWI_STEP_BATCH && by_cursor)
        tag_of_all(r, "SELECT 0", 8); /* nothing else can be declared */
    else if (r->walk.step == REDWI_STEP_BATCH && r->result->set.taken > 0)
        tag_of_all(r, tag, len);
    else if (r->walk.step == REDWI_STEP_BATCH)
        redwi_result_tag(r->result, tag, len);
}

void redwi_way_suspended(struct redwi_job *j)
{
    request_of(j)->walk.suspended = true;
}
