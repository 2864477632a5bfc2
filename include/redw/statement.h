/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prepared statements: SQL that is parsed once on each connection, and from then on only bound and executed.
 *
 *     redw_stmt *by_id;
 *     redw_stmt_create(&by_id, db, "select name from users where id = $1", &why);
 *     redw_submit(db, REDW_EXEC(by_id, redw_p_int64(7)), on_user, NULL);
 *     redw_stmt_release(by_id);        at any time: what was submitted runs
 *
 * A handle belongs to the client, not to a connection: it works on each of them, and is prepared there in the same
 * flight as its first use; that costs no round trip. It is prepared anew, unseen, when a table it reads has changed
 * the types of its columns, when the server has forgotten it (DISCARD ALL, a pooler in between), and when parameters
 * of other types come. Connections keep a bounded number of statements; what is used least gives way.
 */
#ifndef REDW_STATEMENT_H
#define REDW_STATEMENT_H

#include <redw/request.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Makes a handle on one statement, with placeholders $1, $2 ... The SQL is copied and not looked at: no byte is
 * sent before the handle is first used, and what the server thinks of it is then that request's error.
 *
 * 0 and *out is the caller's, until redw_stmt_release(). Otherwise *out is NULL and *why (may be NULL) says why:
 * REDW_EINVAL sql is NULL, longer than 16 MiB or no UTF-8; REDW_ENOMEM; REDW_EFULL: memory_max_bytes.
 */
REDW_API REDW_MUST_USE int redw_stmt_create(redw_stmt **out, redw_client *c, const char *sql,
                                            struct redw_diag *why);

/*
 * Gives the handle back; NULL is allowed. At any time, from any callback, also after the client was destroyed:
 * accepted requests hold their own reference. What is prepared of it is closed, one statement with each request
 * that next runs on a connection. Cannot fail, does not allocate. On the client's thread, like all of a client.
 */
REDW_API void redw_stmt_release(redw_stmt *s);

/*
 * What servers said about its parameters when it was last prepared. Before its first use has been answered: count
 * -1, type REDW_UNKNOWN_TYPE, as beyond the last one. Once the count is known, requests with another one are
 * refused when submitted; until then the server refuses them.
 */
REDW_API int redw_stmt_parameter_count(const redw_stmt *s);
REDW_API enum redw_type redw_stmt_parameter_type(const redw_stmt *s, size_t i); /* from 0 */

#ifdef __cplusplus
}
#endif
#endif
