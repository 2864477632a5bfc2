/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: rows as they arrive, views into the receive buffer, with back-pressure. Memory stays flat
 * however long the result is: a paused stream stops reading its socket.
 */
#ifndef REDW_STREAM_H
#define REDW_STREAM_H

#include <redw/request.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a handler wants next. */
enum redw_flow {
    REDW_MORE = 0, /* go on; from on_rows with rows not taken: an error (REDW_EINVAL), never a skip */
    REDW_PAUSE,    /* no more until redw_resume(); rows not taken come again then */
    REDW_STOP,     /* enough: rows not taken are dropped, the statement is cancelled on the server, and
                      on_done reports REDW_ECANCELLED */
};

struct redw_stream_handler {
    size_t size; /* sizeof(struct redw_stream_handler) */

    /* Optional; once, before the first row: `head` has the columns and dies with the call. */
    enum redw_flow (*on_columns)(const redw_result *head, void *ctx);

    /* Required; a batch of whole rows, at least one: take them with redw_rows_next(). */
    enum redw_flow (*on_rows)(redw_rows *rows, void *ctx);

    /* Required; once, last: columns, tag, count of rows streamed, or the error. Holds no rows. */
    redw_done_fn *on_done;
};

/*
 * Submits a statement whose rows are streamed. Returns as redw_submit(). The request's deadline runs
 * while the stream is paused; redw_request.max_rows and max_bytes are not looked at.
 *
 * redw_request.way says how; the handler is the same, and each row comes once whichever it is:
 *
 *   ROWS    the server sends all rows at once, as fast as they are taken. A paused stream leaves the
 *           statement running on the server, with its locks and its place in a queue of Redshift's.
 *   CURSOR  a transaction with DECLARE, FETCH of fetch_rows rows, ..., CLOSE and COMMIT. Redshift computes
 *           the whole result and keeps it on its leader node first. One query without parameters (REDW_EINVAL:
 *           use rows or portal), text format. redw_result_way() in on_columns says CURSOR before it is
 *           declared: on_done has the last word.
 *   PORTAL  a transaction with a named portal, executed for fetch_rows rows at a time. Any statement,
 *           parameters, binary.
 *
 * CURSOR and PORTAL ask for the next batch when the last one is taken: a pause asks for nothing. A batch may
 * come in several calls of on_rows. Of a statement that has no rows, or is no query, CURSOR makes ROWS. When
 * the server refuses the way itself before a row came, the transaction is rolled back and the statement begun
 * again: a fetch_rows that is too much for a Redshift of one node with 1,000, a cursor or portal that cannot
 * be with ROWS. The refusal is then among the notices, and redw_result_way() tells the way taken. Every other
 * error is the stream's. The tag has the count of all batches.
 */
REDW_API REDW_MUST_USE redw_id redw_stream(redw_client *c, const struct redw_request *rq,
                                           const struct redw_stream_handler *h, void *ctx);

/* Ends a pause. Counts even before the PAUSE it belongs to is returned, inside on_rows; rows come
 * later, from the loop. 0 (also when nothing is paused), or REDW_ENOENT. */
REDW_API int redw_resume(redw_client *c, redw_id id);

#ifdef __cplusplus
}
#endif
#endif
