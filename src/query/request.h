/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request: the job behind redw_submit and redw_stream. One block for the request with its copy of SQL, one for
 * the result, both from the client's spares; one allocation for parameters if there are any.
 */
#ifndef REDWI_QUERY_REQUEST_H
#define REDWI_QUERY_REQUEST_H

#include "pool/client.h"
#include "query/result.h"
#include "query/stmt.h"
#include "query/ways.h"
#include <redw/stream.h>

/* How far a request was written that is written in slices (slices.c). */
struct redwi_slices {
    bool begun;
    int step;
    size_t index, offset;        /* the parameter, and what of it or of the SQL was written */
    size_t message_at, value_at; /* where length words are due, from the beginning of the unit */
};

struct redwi_request {
    struct redwi_job job; /* behind this struct: oids, formats and sql */
    enum redw_flow (*on_columns)(const redw_result *head, void *ctx); /* streams */
    enum redw_flow (*on_rows)(redw_rows *rows, void *ctx);            /* NULL: gathered */
    redw_param *params;
    size_t nparams;
    uint32_t *oids;   /* room for nparams, filled when sent */
    uint8_t *formats;
    size_t label_len; /* of the comment, which is ASCII */
    struct redwi_use use;
    enum redw_wire wire;
    enum redwi_server server;   /* whose forms values have; known when sent */
    bool in_rows, resumed; /* redw_resume was called from inside on_rows */

    /* What is above is zero in the beginning, what is here is set. */
    size_t bytes;         /* of the block */
    struct redw_result *result;
    redw_done_fn *done;
    void *ctx;
    const char *sql;  /* a copy behind this struct, with the label in front; or its statement's */
    size_t sql_len;
    enum redw_outcome on_error; /* what an ErrorResponse proves, by first keyword (design H11) */
    uint64_t max_rows, max_bytes;

    struct redwi_slices slices; /* begun is set, the rest when it begins */
    struct redwi_walk walk;     /* streams by cursor or portal; set for streams */
};

/* Checks, copies, hands to the pool: redw_submit with h NULL, else redw_stream. */
redw_id redwi_request_submit(redw_client *c, const struct redw_request *rq,
                             const struct redw_stream_handler *h, redw_done_fn *fn, void *ctx);

/* What drives a request: gathered, or streamed in a way. */
extern const struct redwi_job_ops redwi_gather_ops;
const struct redwi_job_ops *redwi_request_ops(bool streamed, enum redw_way way);
/* Wipes its text; the handle, the result and the error are given back, blocks to the client's spares. */
void redwi_request_free(redw_client *c, struct redwi_request *r);
/* In which list a job of this priority waits. */
unsigned redwi_request_rank(enum redw_priority priority);
/* The group that a request wants, the client's if it names none; never NULL. */
const char *redwi_request_group(const redw_client *c, const char *query_group);

/* Whose forms values have on this connection (design H13). */
enum redwi_server redwi_request_server(const struct redwi_session *s);

/* When a request is late, on the loop's clock: the earlier of timeout (0: the client's) and deadline (0: none). */
int64_t redwi_request_deadline(const redw_client *c, uint32_t timeout_ms, int64_t deadline_ms, int64_t now_us);

/* What its rows are, as the server has just said: counted, shared with the results before it if it said the
 * same of them. NULL: no memory. */
struct redwi_heading *redwi_request_heading(struct redwi_request *r, const struct redwi_columns *columns);

/* The job ops of rows: gathered (request.c) and streamed (stream.c). */
enum redwi_job_flow redwi_stream_columns(struct redwi_job *j, struct redwi_heading *owned);
enum redwi_job_flow redwi_stream_rows(struct redwi_job *j, const uint8_t *p, const uint8_t *end,
                                      const uint8_t **taken, bool *corrupt);

/* The caller's statement as a unit: Parse, Bind, Describe, Execute. portal "": the unnamed one; max_rows 0: no
 * limit, which the unnamed one has on Redshift anyway (protocol 6.1). Codes as of ops->begin. */
int redwi_request_put(struct redwi_request *r, struct redwi_session *s, const char *portal, uint32_t max_rows);
/* Large requests (slices.c): whether it is one; and as `begin` of a job, again and again. */
#define REDWI_SLICE_BYTES ((size_t)1 << 20)
bool redwi_request_has_large_params(const struct redwi_request *r);
static inline bool redwi_request_is_large(const struct redwi_request *r)
{
    return r->sql_len > REDWI_SLICE_BYTES || (r->nparams > 0 && redwi_request_has_large_params(r));
}
int redwi_request_write_slice(struct redwi_request *r, struct redwi_session *s);
/* The format in which values are asked for: 1 or 0; where it is sent. */
uint16_t redwi_request_wants_binary(const struct redwi_request *r);

/* Sets the job's error and answers STOP. REDW_ENOMEM needs no text. */
enum redwi_job_flow redwi_request_stop(struct redwi_request *r, int code, enum redw_class cls,
                                       const char *fmt, ...) REDW_PRINTF(4, 5);

/* What an ErrorResponse proves about a statement: NOT_EXECUTED, or UNKNOWN for those that act outside
 * the transaction or commit on the way (CALL, UNLOAD, VACUUM, ALTER TABLE APPEND, TRUNCATE). */
enum redw_outcome redwi_request_keyword_proves(const char *sql, size_t n);
/* The first letter decides nearly always: none of these begins as SELECT, INSERT and WITH do. */
static inline enum redw_outcome redwi_request_error_proves(const char *sql, size_t n)
{
    switch (n > 0 ? *sql | 0x20 : 0) {
    case 's': case 'i': case 'w':
        return REDW_OUTCOME_NOT_EXECUTED;
    default:
        return redwi_request_keyword_proves(sql, n);
    }
}

#endif
