/* SPDX-License-Identifier: Apache-2.0 */
/* GET /score?user=: two dependent queries, one insert, one answer; a deadline over all; the client may go away. */
#include <stdlib.h>
#include <string.h>
#include <redw.h>

struct http;                                                             /* the server's, as in any C HTTP library */
const char *http_arg(struct http *h, const char *name);
void http_answer(struct http *h, int status, const char *body);
void http_on_gone(struct http *h, void (*gone)(void *ctx), void *ctx);   /* not called after http_answer */

struct visit {
    redw_client *db;
    struct http *http;
    redw_id req;
    int64_t deadline_ms, account, score;
};

static void finish(struct visit *v, int status, const char *body)
{
    http_answer(v->http, status, body);
    free(v);
}

static void go(struct visit *v, const struct redw_request *rq, redw_done_fn *next)
{
    v->req = redw_submit(v->db, rq, next, v);
    if (v->req < 0)
        finish(v, v->req == REDW_EFULL || v->req == REDW_ECLOSED ? 503 : 500, redw_client_why(v->db));
}

static bool failed(struct visit *v, const redw_result *res)
{
    const redw_error *err = redw_result_error(res);

    if (!err)
        return false;
    finish(v, redw_error_class(err) == REDW_CLASS_QUERY_TIMEOUT ? 504 : 502, redw_error_message(err));
    return true;
}

static void on_logged(const redw_result *res, void *ctx)
{
    if (!failed(ctx, res))
        finish(ctx, 200, "ok");
}

static void on_score(const redw_result *res, void *ctx)
{
    struct visit *v = ctx;
    redw_row row;

    if (failed(v, res))
        return;
    if (!redw_result_first(res, &row) || redw_row_int64(&row, 0, &v->score) != REDW_OK) {
        finish(v, 404, "no score");                                      /* no row, or sum() over nothing: NULL */
        return;
    }
    go(v, REDW_REQUEST(.sql = "insert into visits(account, score) values ($1, $2)", .deadline_ms = v->deadline_ms,
                       REDW_PARAMS(redw_p_int64(v->account), redw_p_int64(v->score))), on_logged);
}

static void on_account(const redw_result *res, void *ctx)
{
    struct visit *v = ctx;
    redw_row row;

    if (failed(v, res))
        return;
    if (!redw_result_first(res, &row) || redw_row_int64(&row, 0, &v->account) != REDW_OK) {
        finish(v, 404, "no such user");
        return;
    }
    go(v, REDW_REQUEST(.sql = "select sum(points) from scores where account = $1", REDW_PARAMS(redw_p_int64(v->account)),
                       .deadline_ms = v->deadline_ms), on_score);
}

static void gone(void *ctx)
{
    struct visit *v = ctx;

    redw_forget(v->db, v->req);      /* cancelled on the server, no callback any more: v is ours to free */
    free(v);
}

void handle_score(struct http *http, void *server_ctx)
{
    struct visit *v = calloc(1, sizeof *v);

    if (!v) {
        http_answer(http, 500, "out of memory");
        return;
    }
    v->db = server_ctx;
    v->http = http;
    v->deadline_ms = redw_client_now_ms(v->db) + 2000;
    http_on_gone(http, gone, v);
    go(v, REDW_REQUEST(.sql = "select id from accounts where name = $1", REDW_PARAMS(redw_p_text(http_arg(http, "user"))),
                       .deadline_ms = v->deadline_ms), on_account);
}
