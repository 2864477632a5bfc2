/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocking helpers for tools, tests and scripts: one call, one answer. They run a loop of their own, which
 * nobody else sees, and are written on the rest of the public API; <redw.h> does not include them.
 *
 * Never in a service: while such a call runs, this thread does nothing else. Never from inside a callback of
 * redw or of the application's loop: everything the loop serves would stand still, and a loop must not be run
 * inside itself. There redw_submit() and redw_stream() are the right calls.
 *
 *     redw_sync *db;
 *     redw_result *res;
 *     struct redw_diag why;
 *     if (redw_sync_open(&db, REDW_OPTIONS(.from_environment = true), &why) != 0)
 *         return fprintf(stderr, "%s\n", why.text), 1;
 *     if (redw_sync_query(db, REDW_QUERY("select version()"), &res, &why) == 0)
 *         print(res);
 *     else
 *         fprintf(stderr, "%s\n", why.text);
 *     redw_result_release(res);
 *     redw_sync_close(db);
 *
 * One at a time: a redw_sync has one call under way, from one thread. Several may exist, on any threads.
 * Nothing is served between calls; a connection that the server closed meanwhile is replaced by the next call.
 */
#ifndef REDW_SYNC_H
#define REDW_SYNC_H

#include <redw/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct redw_sync redw_sync;

/*
 * Makes a client on a loop of its own and waits until a connection is open, for connect_timeout_ms at most.
 *
 * 0 and *out is owned by the caller, until redw_sync_close(). Otherwise *out is NULL and *why (may be NULL)
 * says what is wrong: REDW_EINVAL a setting, REDW_ENOMEM, REDW_ETLS, REDW_ECONNECT, REDW_EAUTH,
 * REDW_ETIMEDOUT, REDW_EPROTOCOL, or REDW_ESERVER: the server refused the session for another reason.
 */
REDW_API REDW_MUST_USE int redw_sync_open(redw_sync **out, const struct redw_options *o,
                                          struct redw_diag *why);

/*
 * Runs a statement and waits for its result: at most for the request's deadline, by default the client's
 * request_timeout_ms, and cancel_timeout_ms.
 *
 * 0 and *out is the caller's, until redw_result_release(). Otherwise *out is NULL, *why (may be NULL) says
 * what is wrong in one line, and redw_sync_error() in full: the code of a refusal (redw_submit) or of the
 * error. REDW_EINVAL also: called from inside a stream's handler. The connection stays usable, or is replaced
 * by the next call.
 */
REDW_API REDW_MUST_USE int redw_sync_query(redw_sync *db, const struct redw_request *rq, redw_result **out,
                                           struct redw_diag *why);

/*
 * Runs a statement and hands its rows to the handler as they arrive, from inside this call; memory stays flat.
 * As redw_stream(), but: on_done may be NULL; REDW_PAUSE has nobody to end it, so it ends by itself at once,
 * and rows not taken come again.
 *
 * 0: all rows were taken, or the handler answered REDW_STOP (on_done then sees REDW_ECANCELLED). Otherwise as
 * redw_sync_query(). Not allowed in the handler: redw_sync calls on the same db (REDW_EINVAL), except
 * redw_sync_close(), which is deferred until this returns.
 */
REDW_API REDW_MUST_USE int redw_sync_stream(redw_sync *db, const struct redw_request *rq,
                                            const struct redw_stream_handler *h, void *ctx,
                                            struct redw_diag *why);

/* The error of the last call, lent until the next; NULL: it succeeded, or was refused before it was sent. */
REDW_API const redw_error *redw_sync_error(const redw_sync *db);

/* The end: connections are closed, memory is given back. Results stay. NULL is allowed; cannot fail. In a
 * fork's child as redw_client_destroy(): it alone is allowed there, and nothing is sent. */
REDW_API void redw_sync_close(redw_sync *db);

#ifdef __cplusplus
}
#endif
#endif
