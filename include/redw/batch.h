/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches: one statement with many sets of parameters, sent in one flight, run in one transaction. All of it counts
 * or nothing does, and the set that was at fault is named.
 *
 *     redw_param p[2 * N];             set after set
 *     redw_batch_execute(db, REDW_BATCH(.sql = "insert into t values ($1, $2)", .params = p, .nsets = N,
 *                                       .nparams = 2), on_inserted, NULL);
 */
#ifndef REDW_BATCH_H
#define REDW_BATCH_H

#include <redw/statement.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sets and members are the same, and are counted from 0: member i runs with the parameters from
 * params[i * nparams] on. */
struct redw_batch {
    size_t size;              /* sizeof(struct redw_batch) */
    const char *sql;          /* as in redw_request; this or stmt */
    redw_stmt *stmt;
    const redw_param *params; /* nsets * nparams of them, set after set */
    size_t nsets;             /* 1 or more; what they make together must fit into 1 GiB */
    size_t nparams;           /* of one set; 32,767 at most */
    uint32_t timeout_ms;      /* of all of it, waiting for a connection included; as in redw_request */
    const char *query_group;  /* this and the next as in redw_request */
    enum redw_priority priority;
};
#define REDW_BATCH(...) (&(const struct redw_batch){.size = sizeof(struct redw_batch), __VA_ARGS__})

/* How a batch ended; dies with the callback it is given to. */
typedef struct redw_report redw_report;
typedef void redw_report_fn(const redw_report *rep, void *ctx);

/*
 * Submits a batch; done runs once, when all of it has been committed or nothing has. Rows that members return
 * (RETURNING) are read and dropped. redw_cancel() and redw_forget() take the id as they do that of a request.
 *
 * A statement that commits by itself on the way (CALL, VACUUM; Redshift: TRUNCATE) is not undone by a later error;
 * the error's outcome is then unknown.
 *
 * A parameter has one type in all sets, that of the first set in which it is not NULL; NULL may have any.
 *
 * > 0: accepted. REDW_EINVAL: a field is wrong, nsets is 0, or a parameter is: "set 3, parameter $2: ...";
 * REDW_EFULL, REDW_ECLOSED, REDW_ENOMEM as redw_submit(). Too much for one flight is reported as REDW_EFULL.
 */
REDW_API REDW_MUST_USE redw_id redw_batch_execute(redw_client *c, const struct redw_batch *b, redw_report_fn *done,
                                                  void *ctx);

REDW_API const redw_error *redw_report_error(const redw_report *r); /* NULL: success */
/* Rows that all members together inserted, changed or returned, as far as the server gave counts; 0 after an error. */
REDW_API uint64_t redw_report_rows(const redw_report *r);
/* The same of one member; -1: the server gave no count, there is no such member, or the batch failed. */
REDW_API int64_t redw_report_affected(const redw_report *r, size_t member);
/* True and *index: which member the server refused. False: nothing failed; or it was not one member's fault, but
 * the statement's, the connection's, a cancel's, a conflict's with another transaction, or the commit's (a deferred
 * constraint). *index is then untouched. */
REDW_API bool redw_report_failed_member(const redw_report *r, size_t *index);
REDW_API uint64_t redw_report_elapsed_ms(const redw_report *r); /* submit to completion */

#ifdef __cplusplus
}
#endif
#endif
