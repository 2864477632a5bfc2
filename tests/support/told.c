/* SPDX-License-Identifier: Apache-2.0 */
#include "support/told.h"

#include "support/pg.h"
#include "support/sweep.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANY 65536

static struct claim {
    int64_t rows;
    enum { NOTHING = 0, ALL, NONE, EITHER } word;
} claims[MANY]; /* by token, from `first` on */
static int64_t first, next;

void told_tables(void)
{
    /* Programs that run at the same time make it once. */
    pg_sql("set client_min_messages = error; begin; select pg_advisory_xact_lock(7351); "
           "create table if not exists told (token int8); create index if not exists told_token on told (token); grant all on told to public; "
           "create or replace function tell(token int8, x int8) returns int8 language plpgsql as "
           "'begin insert into told values (token); return x; end'; "
           "create or replace function tell_loudly(token int8) returns int8 language plpgsql as "
           "'begin raise notice ''one''; raise warning ''two''; raise notice ''three''; return token; end'; "
           "create or replace function tell_slowly(token int8, s float8) returns int8 language plpgsql as "
           "'begin raise notice ''begun''; perform pg_sleep(s); return token; end'; commit");
}

void told_begin(void)
{
    /* Tokens of all programs and tests differ, and a double holds them. */
    first = ((int64_t)getpid() << 24) + (int64_t)(ev_time() * 10) % 128 * 131072 + 1;
    next = first;
}

const char *told_application(void)
{
    static char name[40];
    snprintf(name, sizeof name, "told %d", (int)getpid());
    return name;
}

int64_t told_token(void)
{
    ck_assert_int_lt(next - first, MANY);
    return next++;
}

int64_t told_next(void)
{
    return next;
}

void told_answer(struct told *t, const redw_error *e)
{
    t->calls++;
    t->ok = e == NULL;
    t->code = redw_error_code(e);
    t->cls = redw_error_class(e);
    t->outcome = redw_error_outcome(e);
    snprintf(t->sqlstate, sizeof t->sqlstate, "%s", e ? redw_error_sqlstate(e) : "");
    snprintf(t->message, sizeof t->message, "%s", e ? redw_error_message(e) : "");
}

void told_done(const redw_result *res, void *ctx)
{
    struct told *t = ctx;
    told_answer(t, redw_result_error(res));
    t->verdict = redw_result_cancel(res);
    t->nrows = redw_result_row_count(res);
}

char told_letter(const struct told *t)
{
    if (t->id < 0)
        return 'r';
    if (t->forgotten)
        return 'f';
    if (t->ok)
        return 's';
    return t->outcome == REDW_OUTCOME_UNKNOWN ? '?' : t->outcome == REDW_OUTCOME_NOT_SENT ? '0' : 'n';
}

void told_keep(const struct told *t)
{
    if (t->token == 0)
        return;
    struct claim *c = &claims[t->token - first];
    ck_assert_int_eq(c->word, NOTHING);
    c->rows = t->rows;
    switch (told_letter(t)) {
    case 's':
        c->word = ALL;
        break;
    case '?':
    case 'f':
        c->word = EITHER;
        break;
    default:
        c->word = NONE;
    }
}

/* NULL, or what is wrong with so many rows. */
static const char *judge(int64_t token, int64_t rows)
{
    static const char *const words[] = {"nobody asked for it", "it succeeded", "it did not run", "nobody knows"};
    static char text[120];
    const struct claim *c = &claims[token - first];
    if ((rows == 0 && c->word != ALL) || (rows == c->rows && (c->word == ALL || c->word == EITHER)))
        return NULL;
    snprintf(text, sizeof text, "statement %lld of the test: %s, and there are %lld rows of %lld",
             (long long)(token - first), words[c->word], (long long)rows, (long long)c->rows);
    return text;
}

const char *told_compare(const redw_result *res, int64_t from)
{
    redw_rows it = redw_result_rows(res);
    redw_row row;
    int64_t at = from, token, count;
    const char *wrong;
    while (redw_rows_next(&it, &row)) {
        if (redw_row_int64(&row, 0, &token) != REDW_OK || redw_row_int64(&row, 1, &count) != REDW_OK)
            return "the table cannot be read";
        for (; at < token; at++)
            if ((wrong = judge(at, 0)) != NULL)
                return wrong;
        if ((wrong = judge(at++, count)) != NULL)
            return wrong;
    }
    for (; at < next; at++)
        if ((wrong = judge(at, 0)) != NULL)
            return wrong;
    return NULL;
}

void told_check(struct lab *r, int64_t from)
{
    struct answer a = lab_query(r, REDW_QUERY(TOLD_QUERY, redw_p_int64(from), redw_p_int64(next)));
    if (a.id < 0 || a.calls != 1 || redw_result_error(a.res))
        sweep_broken(&r->fault, __FILE__, __LINE__, "the client does not serve again:",
                     a.id < 0 ? redw_client_why(r->client) : redw_error_message(redw_result_error(a.res)));
    const char *wrong = told_compare(a.res, from);
    if (wrong)
        sweep_broken(&r->fault, __FILE__, __LINE__, "told otherwise:", wrong);
    answer_release(&a);
}

void told_check_all(void)
{
    struct lab r;
    char sql[200];
    snprintf(sql, sizeof sql, "select count(*) from pg_stat_activity where application_name = '%s'", told_application());
    /* What was sent and not read yet is read before a server process ends. */
    for (double until = ev_time() + 20; pg_number(sql) > 0;)
        ck_assert_msg(ev_time() < until, "a session does not end");
    lab_open(&r);
    lab_pool(&r, pg_uri(), NULL, 1);
    told_check(&r, first);
    ck_assert(lab_close(&r));
    snprintf(sql, sizeof sql, "delete from told where token >= %lld and token < %lld", (long long)first,
             (long long)next);
    pg_sql(sql);
}
