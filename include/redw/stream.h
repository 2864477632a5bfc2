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

/* Submits a statement whose rows are streamed. Returns as redw_submit(). The request's deadline runs
 * while the stream is paused; redw_request.max_rows and max_bytes are not looked at. */
REDW_API REDW_MUST_USE redw_id redw_stream(redw_client *c, const struct redw_request *rq,
                                           const struct redw_stream_handler *h, void *ctx);

/* Ends a pause. Counts even before the PAUSE it belongs to is returned, inside on_rows; rows come
 * later, from the loop. 0 (also when nothing is paused), or REDW_ENOENT. */
REDW_API int redw_resume(redw_client *c, redw_id id);

#ifdef __cplusplus
}
#endif
#endif
