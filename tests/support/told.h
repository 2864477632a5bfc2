/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients were told, and what is in the table: no statement may run twice, none may be lost silently.
 *
 * Each request inserts a token of its own into the table `told`, once or in several rows that are all or nothing.
 * What its callback said is kept:
 *
 *   success                   all its rows, once
 *   not executed, not sent    none
 *   unknown, forgotten        all or none
 *
 *   told_tables();                            in main, before the runner forks
 *   told_begin();                             in a test
 *   t->token = told_token(); ... insert into told values ($1) ...; told_answer(t, error);
 *   told_keep(t);                             when it is over
 *   told_check(&lab, from)                    through its client, for the tokens from `from` on
 *   told_check_all()                          at the end, when no statement runs any more: all of them
 *
 * Clients have told_application() for their application_name: so the end waits for all of their sessions.
 */
#ifndef TESTS_SUPPORT_TOLD_H
#define TESTS_SUPPORT_TOLD_H

#include "support/lab.h"

/* One request and what was said about it. All zero but rows: nothing was. */
struct told {
    redw_id id;     /* < 0: refused */
    unsigned calls; /* of the final callback */
    int64_t token;  /* 0: it inserts nothing */
    int64_t rows;
    bool forgotten, ok;
    int code;
    enum redw_class cls;
    enum redw_outcome outcome;
    enum redw_cancel_verdict verdict;
    uint64_t nrows;
    char sqlstate[6], message[400];
};

/* The table, and functions that insert into it: tell(token, x) returns x; tell_loudly(token) raises three notices;
 * tell_slowly(token, seconds) raises one and sleeps. */
void told_tables(void);
void told_begin(void);
const char *told_application(void);
int64_t told_token(void);
int64_t told_next(void); /* the token that the next call of told_token will return */

/* What a callback said. redw_done_fn told_done: ctx is a struct told. */
void told_answer(struct told *t, const redw_error *e);
void told_done(const redw_result *res, void *ctx);
/* One letter: s(uccess), r(efused), n(ot executed), 0 not sent, ? unknown, f(orgotten). */
char told_letter(const struct told *t);

void told_keep(const struct told *t);
/* What is in the table for tokens from $1 up to $2, told_next(); and what is wrong with that, or NULL. */
#define TOLD_QUERY \
    "select token, count(*)::int8 from told where token >= $1 and token < $2 group by token order by token"
const char *told_compare(const redw_result *res, int64_t from);
/* Fails the test, with the fault, if what the table has was not what was said. */
void told_check(struct lab *r, int64_t from);
void told_check_all(void);

#endif
