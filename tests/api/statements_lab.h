/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stage of the test_statements programs. What is sent is seen in the trace: per connection one letter for each
 * message of a unit, P(arse) D(escribe) B(ind) E(xecute) C(lose) S(ync).
 */
#ifndef TESTS_API_STATEMENTS_LAB_H
#define TESTS_API_STATEMENTS_LAB_H

#include "api/lab_stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what was sent --- */

static struct {
    char sent[8192];
    size_t n;
    char names[64][64]; /* of Parse, in order */
    size_t nnames;
} wire[8]; /* by connection, from 1 */

static inline void on_line(uint64_t connection, const char *line, size_t n, void *ctx)
{
    static const struct {
        const char *name;
        char letter;
    } letters[] = {{"\tParse\t", 'P'}, {"\tDescribe\t", 'D'}, {"\tBind\t", 'B'}, {"\tExecute\t", 'E'},
                   {"\tClose\t", 'C'}, {"\tSync", 'S'}};
    char text[400];

    (void)ctx;
    if (connection >= 8 || line[0] != 'F')
        return;
    snprintf(text, sizeof text, "%.*s", (int)n, line);
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
        if (strstr(text, letters[i].name) && wire[connection].n < sizeof wire[connection].sent - 1) {
            wire[connection].sent[wire[connection].n++] = letters[i].letter;
            wire[connection].sent[wire[connection].n] = '\0';
        }
    }
    const char *name = strstr(text, "\tParse\t");
    if (name && (name = strchr(name, '"')) && wire[connection].nnames < 64)
        sscanf(name + 1, "%63[^\"]", wire[connection].names[wire[connection].nnames++]);
}

/* All that was sent on a connection since the last look. */
static inline const char *sent(uint64_t connection)
{
    static char text[sizeof wire[0].sent];

    memcpy(text, wire[connection].sent, wire[connection].n);
    text[wire[connection].n] = '\0';
    wire[connection].n = 0;
    return text;
}

static inline void start_with(const struct redw_options *o)
{
    struct redw_options mine = *o;
    struct redw_diag why;

    memset(wire, 0, sizeof wire);
    mine.password = pg_server()->password;
    mine.trace = on_line;
    if (!mine.uri)
        mine.uri = pg_server()->unixuri;
    lab_open(&r);
    ck_assert_msg(lab_client(&r, &mine, &why) == 0, "%s", why.text);
}

static inline void start(uint32_t pool_max)
{
    start_with(REDW_OPTIONS(.pool_max = pool_max));
}

static inline redw_stmt *prepare(const char *sql)
{
    redw_stmt *s;
    struct redw_diag why;

    ck_assert_msg(redw_stmt_create(&s, r.client, sql, &why) == 0, "%s", why.text);
    return s;
}

static inline void must_fail(const struct redw_request *rq, const char *sqlstate)
{
    struct answer a = lab_query(&r, rq);
    const redw_error *e = answer_error(&a);
    ck_assert_msg(e && strcmp(redw_error_sqlstate(e), sqlstate) == 0, "%s", e ? redw_error_message(e) : "success");
    answer_release(&a);
}

static inline void must_refuse(const struct redw_request *rq, const char *words)
{
    struct answer a = lab_query(&r, rq);
    ck_assert_int_eq((int)a.id, REDW_EINVAL);
    ck_assert_msg(strstr(redw_client_why(r.client), words), "%s", redw_client_why(r.client));
}

#endif
