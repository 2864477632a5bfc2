/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request: the job behind redw_submit and redw_stream. One allocation for the request with its copy of
 * SQL, one for parameters if there are any, one for the result.
 */
#ifndef REDWI_QUERY_REQUEST_H
#define REDWI_QUERY_REQUEST_H

#include "pool/client.h"
#include "query/result.h"
#include <redw/stream.h>

struct redwi_request {
    struct redwi_job job;
    struct redw_result *result;
    redw_done_fn *done;
    void *ctx;
    enum redw_flow (*on_columns)(const redw_result *head, void *ctx); /* streams */
    enum redw_flow (*on_rows)(redw_rows *rows, void *ctx);            /* NULL: gathered */
    redw_param *params;
    size_t nparams;
    const char *sql; /* in the request's own allocation */
    size_t sql_len;
    enum redw_wire wire;
    enum redw_outcome on_error; /* what an ErrorResponse proves, by first keyword (design H11) */
    uint64_t max_rows, max_bytes;
    bool in_rows, resumed; /* redw_resume was called from inside on_rows */
};

extern const struct redwi_job_ops redwi_request_ops;

/* What an ErrorResponse proves about a statement: NOT_EXECUTED, or UNKNOWN for those that act outside
 * the transaction or commit on the way (CALL, UNLOAD, VACUUM, ALTER TABLE APPEND, TRUNCATE). */
enum redw_outcome redwi_request_error_proves(const char *sql, size_t n);

#endif
