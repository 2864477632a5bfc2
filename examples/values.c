/* SPDX-License-Identifier: Apache-2.0 */
/* Results kept, rows into structs, NULL, decimal, timestamp; and the same values back as parameters. */
#include <inttypes.h>
#include <stdio.h>
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

static void on_inserted(const redw_result *res, void *ctx)
{
    (void)ctx;
    if (redw_result_error(res))
        fprintf(stderr, "%s\n", redw_error_message(redw_result_error(res)));
}

int insert(struct cache *c, const struct sale *s)
{
    redw_id id = redw_submit(c->db, REDW_QUERY("insert into sales values ($1, $2, $3, $4)", redw_p_int64(s->id),
                                               redw_p_text_n(s->region.ptr, s->region.len),
                                               s->no_revenue ? redw_p_null(REDW_NUMERIC) : redw_p_decimal(s->revenue),
                                               redw_p_timestamptz(s->sold_at)), on_inserted, c);

    return id < 0 ? (int)id : 0;
}

int refresh(struct cache *c)
{
    redw_id id = redw_submit(c->db, REDW_QUERY("select id, region, revenue, sold_at from sales order by id"), on_sales, c);

    return id < 0 ? (int)id : 0;
}
