/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is prepared on one connection: a bounded table of statements, each with the name the server knows it by,
 * the parameter types it was parsed with, and its columns.
 *
 * A prepared statement belongs to the server's session, a handle (redw_stmt) to the client, so this table is
 * asked at each use: is it there already? Names are never used twice, and are this client's own: behind a pooler
 * that gives a server to many clients, somebody else's statement must not answer to them.
 *
 *   PARSING   a unit with its Parse is under way: nobody but that unit may use it, since the Parse may fail
 *   READY     the server has described it, so it is there
 *   UNWANTED  it is, or may be, there and is to be closed; each unit closes one
 *   CLOSING   a unit with its Close is under way
 *
 * Entries are counted: a unit that uses one keeps it, whatever becomes of the table meanwhile.
 */
#ifndef REDWI_POOL_PREPARED_H
#define REDWI_POOL_PREPARED_H

#include "data/heading.h"
#include "pool/list.h"
#include "wire/be_read.h"
#include "wire/buf.h"
#include <redw/client.h>

/* Statements that one connection keeps prepared: each costs the server a plan, and us its columns. Beyond it the
 * one not used for longest is closed. */
#define REDWI_PREPARED_MAX 256

#define REDWI_PREPARED_NAME 48

struct redwi_job;

enum redwi_prepared_state {
    REDWI_PREPARED_PARSING = 0,
    REDWI_PREPARED_READY,
    REDWI_PREPARED_UNWANTED,
    REDWI_PREPARED_CLOSING,
};

/* In which formats its rows are asked for. */
enum redwi_form {
    REDWI_FORM_TEXT = 0,  /* as the server described it, which is text */
    REDWI_FORM_AUTOMATIC, /* REDW_WIRE_AUTO */
    REDWI_FORM_BINARY,
    REDWI_FORMS
};

struct redwi_prepared_entry {
    unsigned refs;                   /* the table's, and of units that use it */
    enum redwi_prepared_state state;
    uint64_t statement;              /* whose: redwi_statement.serial */
    uint64_t used;                   /* the table's clock when it was used last */
    const struct redwi_job *unit;    /* PARSING, CLOSING: whose unit does it */
    const struct redw_allocator *mem;
    char name[REDWI_PREPARED_NAME];

    /* READY: its description, a copy. */
    bool brings_rows;                /* false: NoData */
    struct redwi_columns columns;
    uint8_t *description;            /* what columns is a view into; behind it the next two */
    const uint8_t *automatic;        /* REDW_WIRE_AUTO: the format of each column */
    const uint8_t *binary;           /* as many ones */
    struct redwi_heading *made[REDWI_FORMS]; /* by form, when its rows were first asked for in it */

    size_t noids;
    uint32_t oids[];                 /* parameter types it was parsed with; 0: left to the server */
};

/* All zero: empty. */
struct redwi_prepared {
    const struct redw_allocator *mem;
    struct redwi_prepared_entry **entries;
    size_t count, cap;
    size_t pending, unwanted;        /* entries whose unit is set; that are UNWANTED */
    uint64_t clock;
};

void redwi_prepared_free(struct redwi_prepared *t);

/* The entry of a statement that is PARSING or READY; NULL: there is none. */
struct redwi_prepared_entry *redwi_prepared_find(struct redwi_prepared *t, uint64_t statement);
/* Makes one, PARSING in the unit of j, with room for noids types; the caller fills them in. What was there of the
 * same statement, or was not used for longest, becomes UNWANTED. NULL: no memory, or no room. */
struct redwi_prepared_entry *redwi_prepared_add(struct redwi_prepared *t, const struct redwi_job *j,
                                                uint64_t statement, size_t noids);
/* It has been described: READY. 0, or REDW_ENOMEM, and it is UNWANTED. */
int redwi_prepared_describe(struct redwi_prepared *t, struct redwi_prepared_entry *e,
                            const struct redwi_columns *columns, enum redwi_server server);
/* What rows in this form are; one more reference. brings_rows must hold. NULL: no memory of mem. */
struct redwi_heading *redwi_prepared_heading(struct redwi_prepared_entry *e, const struct redw_allocator *mem,
                                             enum redwi_form form, enum redwi_server server);
/* The server does not have it any more, or another than was described: UNWANTED, if it was not already. */
void redwi_prepared_unwant(struct redwi_prepared *t, struct redwi_prepared_entry *e);
/* Writes the Close of one that is UNWANTED, the statement's own first. Returns REDWI_SENT_CLOSE, or 0. */
unsigned redwi_prepared_put_close(struct redwi_prepared *t, const struct redwi_job *j, struct redwi_buf *b,
                                  uint64_t statement);

void redwi_prepared_keep(struct redwi_prepared_entry *e);
void redwi_prepared_release(struct redwi_prepared_entry *e); /* NULL is allowed */

/* What became of the unit of j: it ended; its answers will not be looked at; no byte of it was sent. */
void redwi_prepared_unit_ended(struct redwi_prepared *t, const struct redwi_job *j);
void redwi_prepared_abandoned(struct redwi_prepared *t, const struct redwi_job *j);
void redwi_prepared_never_sent(struct redwi_prepared *t, const struct redwi_job *j);

/* The part of a handle that its client knows. */
struct redwi_statement {
    struct redwi_link link;
    redw_client *client; /* NULL: it is gone */
    uint64_t serial;
};
void redwi_statement_open(struct redwi_statement *s, redw_client *c);
/* Nobody will use it any more: what is prepared of it will be closed. */
void redwi_statement_close(struct redwi_statement *s);
/* The client ends; handles live on without it. */
void redwi_statements_part(redw_client *c);

#endif
