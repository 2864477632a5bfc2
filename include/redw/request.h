/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests: one statement, its parameters, its deadline; one callback.
 */
#ifndef REDW_REQUEST_H
#define REDW_REQUEST_H

#include <redw/client.h>
#include <redw/result.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct redw_stmt redw_stmt; /* a prepared statement: redw/statement.h */

/* The format in which the server is asked for values. The typed getters read both. */
enum redw_wire {
    REDW_WIRE_TEXT = 0,
    REDW_WIRE_BINARY, /* all columns; half the decoding cost or less. Raw cells are then binary */
    REDW_WIRE_AUTO,   /* of a statement (redw_stmt) whose columns are known: binary for those whose types this
                         library decodes, text for the others; before they are known, and without a
                         statement: text. See redw_column.binary */
};

/* Which of the requests that wait is given the next connection: the highest priority first, within one
 * the oldest. */
enum redw_priority { REDW_PRIORITY_NORMAL = 0, REDW_PRIORITY_HIGH, REDW_PRIORITY_LOW, REDW_PRIORITY_BULK };

struct redw_request {
    size_t size;                /* sizeof(struct redw_request) */
    const char *sql;            /* exactly one statement, placeholders $1, $2 ...; this or stmt */
    size_t sql_len;             /* bytes of sql; 0: it ends with NUL */
    const redw_param *params;   /* nparams of them; 32,767 at most */
    size_t nparams;
    uint32_t timeout_ms;        /* whole request, waiting for a connection included; 0: the client's
                                   request_timeout_ms; REDW_NONE: never */
    int64_t deadline_ms;        /* absolute, on redw_client_now_ms(); 0: none; the earlier of the two wins */
    enum redw_wire wire;        /* default: text */
    uint64_t max_rows;          /* redw_submit: more rows are an error (REDW_EFULL); 0: no bound */
    uint64_t max_bytes;         /* redw_submit: the result's memory; beyond is REDW_EFULL; 0: 256 MiB */
    redw_stmt *stmt;            /* instead of sql: a prepared statement of this client */
    const char *query_group;    /* Redshift: the group that workload management and STL_QUERY.label see, 320
                                   bytes at most; set ahead of the statement, in the same flight, when the
                                   connection has another one. Other servers do not hear of it. "": none; NULL:
                                   the client's, by default none */
    const char *label;          /* a name for the statement, [A-Za-z0-9_.:-], 64 bytes at most; it goes ahead of the
                                   SQL as a comment, so that it is seen in STL_QUERYTEXT and pg_stat_activity;
                                   positions in errors are those of the SQL without it.
                                   Not with stmt (give it to the statement). NULL: none */
    enum redw_priority priority;
    enum redw_way way;          /* redw_stream only */
    uint32_t fetch_rows;        /* ways cursor and portal: rows asked for at once; 2..100,000; 0: 1,000, which a
                                   Redshift of one node allows */
};
#define REDW_REQUEST(...) \
    (&(const struct redw_request){.size = sizeof(struct redw_request), __VA_ARGS__})

/*
 * REDW_QUERY("select ... $1", redw_p_int64(7)) and, inside REDW_REQUEST, REDW_PARAMS(redw_p_int64(7)).
 * Use them only as an argument of a call: what they point at ends with the enclosing block. The end
 * marker makes a bare 5 or "abc" among the parameters a compile error.
 */
#define REDW_FIRST_(a, ...) a
#define REDW_REST_(a, ...) __VA_ARGS__
#define REDW_LIST_(...)                                                                             \
    .params = (const redw_param[]){__VA_ARGS__},                                                    \
    .nparams = sizeof((const redw_param[]){__VA_ARGS__}) / sizeof(redw_param) - 1
#define REDW_LIST(...) REDW_LIST_(__VA_ARGS__)
#define REDW_PARAMS(...) REDW_LIST_(__VA_ARGS__, redw_p_end_())
#ifndef __cplusplus
#define REDW_QUERY(...)                                                                             \
    REDW_REQUEST(.sql = REDW_FIRST_(__VA_ARGS__, 0), REDW_LIST(REDW_REST_(__VA_ARGS__, redw_p_end_())))
#define REDW_EXEC(...)                                                                              \
    REDW_REQUEST(.stmt = REDW_FIRST_(__VA_ARGS__, 0), REDW_LIST(REDW_REST_(__VA_ARGS__, redw_p_end_())))
#endif

/* The final callback of a request. res is never NULL and dies with the call: redw_result_keep(). */
typedef void redw_done_fn(const redw_result *res, void *ctx);

/*
 * Submits a statement whose rows are gathered; fn runs once with all of them or an error. Requests are
 * given connections by their priority, within one in the order of submission: what has a lower one waits for
 * as long as there is something higher, until its own timeout. A transaction cannot span requests: a connection that
 * a statement leaves inside one (BEGIN) is closed, which rolls it back.
 *
 * > 0: accepted. REDW_EINVAL: a field is wrong (too many parameters, or not as many as the statement is known to
 * have; SQL over 16 MiB, invalid UTF-8 in a parameter); REDW_EFULL: queue_max requests wait; REDW_ECLOSED; REDW_ENOMEM.
 */
REDW_API REDW_MUST_USE redw_id redw_submit(redw_client *c, const struct redw_request *rq,
                                           redw_done_fn *fn, void *ctx);

/*
 * Gives a request up; its callback still comes, and says whether the statement ran: one that waited ends
 * at once (NOT_SENT); for one under way the server is asked to stop (CancelRequest, over TLS if the
 * session is) and has cancel_timeout_ms, after which its connection is closed (UNKNOWN). A statement
 * that finishes first ends as if nothing had been asked. What became of it: redw_result_cancel(). 0, or
 * REDW_ENOENT: done already, or never was. Cannot fail otherwise.
 */
REDW_API int redw_cancel(redw_client *c, redw_id id);

/* Cancels, and takes the callback back: when this returns, ctx may be freed. 0 or REDW_ENOENT. */
REDW_API int redw_forget(redw_client *c, redw_id id);

#ifdef __cplusplus
} /* extern "C" */

/* C++17 has neither compound literals nor designated initialisers: REDW_QUERY is a temporary of the
 * full expression. */
template <size_t N> struct redw_query_ {
    redw_param p[N + 1];
    redw_request r;
    template <class... P>
    explicit redw_query_(const char *sql, P... ps) : p{ps..., redw_p_end_()}, r{}
    {
        r.size = sizeof r;
        r.sql = sql;
        r.params = p;
        r.nparams = N;
    }
    redw_query_(const redw_query_ &) = delete;
    operator const redw_request *() const && { return &r; }
};
template <class... P> redw_query_<sizeof...(P)> redw_query_of_(const char *sql, P... ps)
{
    return redw_query_<sizeof...(P)>(sql, ps...);
}
#define REDW_QUERY(...) redw_query_of_(__VA_ARGS__)
#endif
#endif
