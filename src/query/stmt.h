/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handle on a prepared statement, and one use of a statement on a connection. Requests and batches run their
 * SQL through a use, whether there is a handle or not: it decides what has to be sent ahead of Bind.
 *
 *   nothing prepared here      Parse(named) Describe(statement)   Bind Execute
 *   prepared                                                      Bind Execute
 *   ...with other types        Close(old) Parse(named) Describe   Bind Execute
 *   no handle; or another unit with its Parse is still under way; or no memory for an entry:
 *                              Parse(unnamed)                     Bind Describe Execute
 *
 * A handle is counted: the caller's reference, and one of each job. It is used on one thread.
 */
#ifndef REDWI_QUERY_STMT_H
#define REDWI_QUERY_STMT_H

#include "pool/client.h"
#include <redw/statement.h>

#define REDWI_SQL_BYTES_MAX ((size_t)16 << 20) /* redwi_sql_length_fault() has it in words */

struct redw_stmt {
    struct redwi_statement of; /* of.client NULL: it was destroyed */
    struct redw_allocator mem; /* a copy: handles may outlive clients */
    unsigned refs;
    size_t bytes;              /* of the allocation */
    enum redw_outcome on_error;
    bool known;                /* a server has described it: the next two hold */
    size_t nparams;
    uint32_t *types;           /* OIDs; NULL: none */
    size_t sql_len;
    char sql[];
};

redw_stmt *redwi_stmt_keep(redw_stmt *s);

/* What a ParameterDescription said. Without memory for it nothing is learnt this time. */
void redwi_stmt_learn(redw_stmt *s, const uint8_t *oids, size_t len);

/* What is wrong with the length of one statement's text; NULL: nothing. *len 0: it ends with NUL, and is measured. */
static inline const char *redwi_sql_length_fault(const char *sql, size_t *len)
{
    if (!sql)
        return "NULL";
    if (*len == 0)
        *len = strnlen(sql, REDWI_SQL_BYTES_MAX + 1);
    return *len > REDWI_SQL_BYTES_MAX ? "longer than 16777216 bytes" : NULL;
}
/* The same with its characters. */
const char *redwi_sql_fault(const char *sql, size_t *len);

/* Either sql or s, and s of this client and with as many parameters, if that is known: 0. Else a refusal. */
redw_id redwi_stmt_check(redw_client *c, const redw_stmt *s, const char *sql, size_t nparams);

/* --- one use --- */

struct redwi_use {
    redw_stmt *stmt;                    /* counted; NULL: plain SQL */
    struct redwi_prepared_entry *entry; /* counted: as what it is prepared there; NULL: unnamed */
    bool again;                         /* it was there before this unit */
    bool bound;                         /* again: BindComplete came, so it has begun to run */
    bool retried;                       /* it had gone stale, and this unit is the second one */
};

/* Frees what it holds, the handle too. */
void redwi_use_end(struct redwi_use *u);

struct redwi_use_sql {
    const char *text;
    size_t len;
    const uint32_t *oids;     /* as the parameters are sent to this server */
    const redw_param *params;
    size_t nparams;
};
/* Writes what comes ahead of Bind, and returns what of it is to be answered (REDWI_SENT_*). j->conn is set. */
unsigned redwi_use_begin(struct redwi_use *u, const struct redwi_job *j, struct redwi_buf *b,
                         const struct redwi_use_sql *sql);
/* What Bind names; "": unnamed. */
static inline const char *redwi_use_name(const struct redwi_use *u)
{
    return u->entry ? u->entry->name : "";
}
/* Ends the Bind with the formats of the result. */
void redwi_use_bind_end(const struct redwi_use *u, struct redwi_buf *b, size_t at, enum redw_wire wire,
                        enum redwi_server server);

/* The statement was described, in the unit that parsed it: keeps a copy. 0 or REDW_ENOMEM. */
int redwi_use_described(struct redwi_use *u, const struct redwi_job *j, const struct redwi_columns *columns,
                        enum redwi_server server);
/* What its rows are in this unit, if u->entry->brings_rows; counted. NULL: no memory of mem. */
struct redwi_heading *redwi_use_heading(const struct redwi_use *u, const struct redw_allocator *mem,
                                        enum redw_wire wire, enum redwi_server server);

/* The server does not know it, or knows it with other columns (PostgreSQL: "cached plan must not change result
 * type"). Both are said by Bind, so nothing has run. */
bool redwi_use_is_stale(const struct redwi_use *u, const redw_error *e);
/* The unit of j has ended: if it failed only because what was prepared before had gone stale, it is prepared anew
 * and sent once more (by j->ops->begin), and the error is gone. True: sent. */
bool redwi_use_once_more(struct redwi_use *u, struct redwi_job *j, char status);

#endif
