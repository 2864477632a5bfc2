#include <ev.h>
#include <redw.h>
#include <stdio.h>
#include <stdlib.h>

static void on_user(const redw_result *res, void *ctx)
{
    redw_row row;
    int64_t n;
    (void)ctx;
    if (redw_result_error(res))
        fprintf(stderr, "%s\n", redw_error_message(redw_result_error(res)));
    else if (redw_result_first(res, &row) && redw_row_int64(&row, 1, &n) == REDW_OK)
        printf("%.*s has %lld letters\n", REDW_ARG(row.cells[0]), (long long)n);
}

int main(void)
{
    struct ev_loop *loop = ev_default_loop(0);
    redw_client *db;
    struct redw_diag why;
    if (redw_client_create(&db, loop, REDW_OPTIONS(.uri = getenv("REDSHIFT_URI")), &why) != 0)
        return fprintf(stderr, "%s\n", why.text), 1;
    if (redw_submit(db, REDW_QUERY("select $1::text, length($1)", redw_p_text("redw")), on_user, NULL) < 0)
        fprintf(stderr, "%s\n", redw_client_why(db));
    ev_run(loop, 0); /* returns when no request is left */
    redw_client_destroy(db);
}
