/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: rows are handed over as views into the receive buffer, a batch at a time.
 *
 * While a handler runs, anything may be called: cancel, forget, destroy. The request is not freed
 * before the handler has returned (pool/dispatch.c); what changed is seen by its state.
 */
#include "query/request.h"

#include "wire/err.h"

static struct redwi_request *request_of(struct redwi_job *j)
{
    return REDWI_OF(j, struct redwi_request, job);
}

/* What a handler's answer means to the connection. */
static enum redwi_job_flow follow(struct redwi_request *r, enum redw_flow flow)
{
    redw_client *c = r->job.client;

    if (r->job.state != REDWI_JOB_ACTIVE)
        return REDWI_JOB_GO; /* taken off its connection meanwhile: nobody looks at the answer */
    switch (flow) {
    case REDW_MORE:
        /* A destroy waits for this callback to unwind: no row after it. */
        return c->destroying ? REDWI_JOB_PAUSE : REDWI_JOB_GO;
    case REDW_PAUSE:
        if (r->job.cancelled)
            return redwi_request_stop(r, REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED,
                                      "cancelled, then paused");
        if (r->resumed)
            redwi_client_resume(c, &r->job);
        return REDWI_JOB_PAUSE;
    case REDW_STOP:
        return redwi_request_stop(r, REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED,
                                  "stopped by the handler after %llu rows",
                                  (unsigned long long)r->result->set.taken);
    }
    return redwi_request_stop(r, REDW_EINVAL, REDW_CLASS_INTERNAL,
                              "the handler answered %d, which is no redw_flow", (int)flow);
}

/* A head that was kept stays as it was: the stream goes on with a result of its own. */
static int part_from_kept(struct redwi_request *r)
{
    if (atomic_load_explicit(&r->result->refs, memory_order_acquire) == 1)
        return 0;
    redw_result *own = redwi_result_create(&r->job.client->work);
    if (!own)
        return REDW_ENOMEM;
    int rc = redwi_result_describe_stream(own, redwi_heading_keep(r->result->heading));
    if (rc) {
        redw_result_release(own);
        return rc;
    }
    for (size_t i = 0; i < r->result->nnotices; i++)
        redwi_result_notice_add(own, redw_error_keep(r->result->notices[i]));
    own->way = r->result->way;
    redw_result_release(r->result);
    r->result = own;
    return 0;
}

enum redwi_job_flow redwi_stream_columns(struct redwi_job *j, struct redwi_heading *owned)
{
    struct redwi_request *r = request_of(j);

    if (redwi_result_describe_stream(r->result, owned))
        return redwi_request_stop(r, REDW_ENOMEM, REDW_CLASS_OUT_OF_MEMORY, "columns");
    if (!r->on_columns)
        return REDWI_JOB_GO;
    r->in_rows = true;
    r->resumed = false;
    enum redw_flow flow = r->on_columns(r->result, r->ctx);
    r->in_rows = false;
    if (r->job.state == REDWI_JOB_ACTIVE && part_from_kept(r))
        return redwi_request_stop(r, REDW_ENOMEM, REDW_CLASS_OUT_OF_MEMORY, "columns");
    return follow(r, flow);
}

enum redwi_job_flow redwi_stream_rows(struct redwi_job *j, const uint8_t *p, const uint8_t *end,
                                      const uint8_t **taken, bool *corrupt)
{
    struct redwi_request *r = request_of(j);
    struct redwi_rowset *set = &r->result->set;

    *taken = p;
    *corrupt = !set->columns; /* a row without a description */
    if (*corrupt)
        return REDWI_JOB_GO;
    redw_rows rows = redwi_rows_streamed(set, p, end);
    r->in_rows = true;
    r->resumed = false;
    enum redw_flow flow = r->on_rows(&rows, r->ctx);
    r->in_rows = false;
    *taken = redwi_rows_at(&rows);
    *corrupt = set->corrupt;
    if (*corrupt)
        return REDWI_JOB_GO;
    if (flow == REDW_MORE && redwi_rows_left(&rows) && r->job.state == REDWI_JOB_ACTIVE)
        return redwi_request_stop(r, REDW_EINVAL, REDW_CLASS_INTERNAL,
                                  "on_rows answered REDW_MORE with rows not taken");
    return follow(r, flow);
}

redw_id redw_stream(redw_client *c, const struct redw_request *rq,
                    const struct redw_stream_handler *handler, void *ctx)
{
    struct redw_stream_handler h;
    size_t least = offsetof(struct redw_stream_handler, on_done) + sizeof h.on_done;

    if (!handler || !redwi_struct_read(&h, sizeof h, least, handler))
        return redwi_client_refuse(c, REDW_EINVAL, "handler: NULL, or its size is wrong");
    if (!h.on_rows || !h.on_done)
        return redwi_client_refuse(c, REDW_EINVAL, "handler: on_rows and on_done are required");
    return redwi_request_submit(c, rq, &h, h.on_done, ctx);
}

int redw_resume(redw_client *c, redw_id id)
{
    struct redwi_job *j = redwi_client_find(c, id);

    if (!j)
        return REDW_ENOENT;
    /* Who waits or is done has no pause. */
    if (!j->resumable || j->state != REDWI_JOB_ACTIVE)
        return 0;
    if (request_of(j)->in_rows)
        request_of(j)->resumed = true;
    else if (j->conn->paused)
        redwi_client_resume(c, j);
    return 0;
}
