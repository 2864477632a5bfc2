/* SPDX-License-Identifier: Apache-2.0 */
/* Results kept, rows into structs, NULL, decimal, timestamp; 1,000 parameter sets with the failing member named. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <redw.h>

struct sale { int64_t id; redw_slice region; redw_decimal revenue; bool no_revenue; redw_timestamptz sold_at; };

static const struct redw_field sale_map[] = {
    REDW_FIELD(struct sale, id), REDW_FIELD(struct sale, region), REDW_FIELD_OR_NULL(struct sale, revenue, no_revenue),
    REDW_FIELD(struct sale, sold_at),
};

struct cache { redw_client *db; redw_result *sales; };                   /* a dashboard's last answer, and the views into it */

static void on_sales(const redw_result *res, void *ctx)
{
    struct cache *c = ctx;

    if (redw_result_error(res)) {
        fprintf(stderr, "%s\n", redw_error_message(redw_result_error(res)));
        return;
    }
    redw_result_release(c->sales);                                       /* NULL is fine */
    c->sales = redw_result_keep(res);
}

void print_sales(FILE *to, const struct cache *c)
{
    char money[REDW_DECIMAL_CHARS], when[REDW_TIMESTAMP_CHARS];
    struct redw_diag why;
    struct sale s;
    redw_row row;

    if (!c->sales)
        return;
    for (redw_rows it = redw_result_rows(c->sales); redw_rows_next(&it, &row);) {
        if (redw_row_into(&row, sale_map, sizeof sale_map / sizeof *sale_map, &s, &why) != 0) {
            fprintf(to, "%s\n", why.text);                               /* "column revenue: numeric(38,4), wanted int64" */
            return;
        }
        fprintf(to, "%" PRId64 " %.*s %s %s\n", s.id, REDW_ARG(s.region), s.no_revenue ? "-" : redw_decimal_text(s.revenue, money),
                redw_timestamptz_text(s.sold_at, when));
    }
}

static void on_inserted(const redw_report *rep, void *ctx)
{
    const redw_error *err = redw_report_error(rep);
    size_t i;

    (void)ctx;
    if (!err)
        printf("%" PRIu64 " rows\n", redw_report_rows(rep));
    else if (redw_report_failed_member(rep, &i))
        fprintf(stderr, "set %zu: %s; nothing was kept\n", i, redw_error_message(err));
    else
        fprintf(stderr, "%s\n", redw_error_message(err));
}

int refresh_and_insert(struct cache *c, const struct sale *sales, size_t n)
{
    redw_param *p = calloc(n, 4 * sizeof *p);
    redw_id id = REDW_ENOMEM;

    if (redw_submit(c->db, REDW_QUERY("select id, region, revenue, sold_at from sales order by id"), on_sales, c) < 0 || !p)
        goto out;
    for (size_t i = 0; i < n; i++) {
        p[4 * i] = redw_p_int64(sales[i].id);
        p[4 * i + 1] = redw_p_text_n(sales[i].region.ptr, sales[i].region.len);
        p[4 * i + 2] = sales[i].no_revenue ? redw_p_null(REDW_NUMERIC) : redw_p_decimal(sales[i].revenue);
        p[4 * i + 3] = redw_p_timestamptz(sales[i].sold_at);
    }
    id = redw_batch_execute(c->db, REDW_BATCH(.sql = "insert into sales values ($1, $2, $3, $4)", .params = p, .nsets = n, .nparams = 4),
                            on_inserted, c);
out:
    free(p);
    return id < 0 ? (int)id : 0;
}
