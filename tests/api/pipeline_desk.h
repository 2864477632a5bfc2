/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stage of the test_pipeline programs: the public client with a server on the test's desk (support/desk.h), which
 * answers one unit after another when the test says so, and sixteen answers.
 */
#ifndef TESTS_API_PIPELINE_DESK_H
#define TESTS_API_PIPELINE_DESK_H

#include "support/desk.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char *const column[] = {"c"};
#define ROW(text) (const char *const[]){text}
#define ONE(name) {.sql = name, .columns = column, .ncolumns = 1, .cells = (const char *const[]){name}, .nrows = 1, \
                   .tag = "SELECT 1"}
static const struct peer_statement statements[] = {
    ONE("s0"), ONE("s1"), ONE("s2"), ONE("s3"), ONE("s4"), ONE("s5"), ONE("s6"), ONE("s7"),
    {.sql = "bad", .tag = "", .sqlstate = "22012"},
    {.sql = "stopped", .tag = "", .sqlstate = "57014"},
    {.sql = "begin", .tag = "BEGIN", .status = 'T'},
    {.sql = "select $1", .columns = column, .ncolumns = 1, .cells = ROW("big"), .nrows = 1, .tag = "SELECT 1"},
};
static const struct peer_config server = {.statements = statements,
                                          .nstatements = sizeof statements / sizeof *statements};
static const char *const names[] = {"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"};

static struct desk d;
static struct answer a[16];

static inline void start(const struct redw_options *o)
{
    memset(a, 0, sizeof a);
    desk_open(&d, &server, o);
}

static inline void finish(void)
{
    for (size_t i = 0; i < 16; i++)
        answer_release(&a[i]);
    desk_close(&d);
}

/* A client with n connections that are open and idle. */
static inline void start_with(const struct redw_options *o, unsigned n)
{
    start(o);
    for (unsigned i = 0; i < n; i++)
        lab_submit(&d.lab, &a[i], REDW_QUERY("s0"));
    desk_turn(&d);
    ck_assert_uint_eq(d.nconns, n);
    for (unsigned i = 0; i < n; i++)
        desk_serve(&d, i, d.conns[i].units);
    for (unsigned i = 0; i < n; i++) {
        answer_must_succeed(&a[i]);
        answer_release(&a[i]);
        a[i] = (struct answer){0};
    }
}

static inline void submit(unsigned i, const char *sql)
{
    lab_submit(&d.lab, &a[i], REDW_QUERY(sql));
    ck_assert_int_gt(a[i].id, 0);
}

static inline void submit_many(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        submit(i, names[i]);
    desk_turn(&d);
}

static inline unsigned answered(void)
{
    unsigned n = 0;
    for (size_t i = 0; i < 16; i++)
        n += a[i].calls;
    return n;
}

static inline bool failed_as(unsigned i, int code, enum redw_outcome outcome)
{
    const redw_error *e = answer_error(&a[i]);
    return e && redw_error_code(e) == code && redw_error_outcome(e) == outcome;
}

static inline void must_say(unsigned i, const char *part)
{
    const char *text = redw_error_message(answer_error(&a[i]));
    ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in: %s", part, text);
}

static inline void submit_bytes(unsigned i, size_t n)
{
    char *text = malloc(n + 1);
    ck_assert_ptr_nonnull(text);
    memset(text, 'x', n);
    text[n] = '\0';
    lab_submit(&d.lab, &a[i], REDW_QUERY("select $1", redw_p_text(text)));
    free(text);
}

/* A statement that does not fit into the socket: what is submitted behind it stays here. */
static inline void submit_big(unsigned i)
{
    submit_bytes(i, 1000000);
    d.silent = true;
    desk_turn(&d);
    d.silent = false;
}

#endif
