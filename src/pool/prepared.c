/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of prepared statements: see prepared.h. A table is small, so it is searched from one end; what is used
 * often lies near the front.
 *
 * Nothing here waits for a CloseComplete or a ParseComplete by itself: the units do, and each of them ends in one
 * of three ways, which conn.c tells.
 */
#include "pool/prepared.h"

#include "pool/client.h"
#include "wire/fe_write.h"
#include "wire/mem.h"
#include "wire/session.h"

#include <inttypes.h>
#include <stdio.h>

/* Entries that wait to be closed, or are being closed, beside those that may be used. */
#define ENTRIES_MAX ((size_t)2 * REDWI_PREPARED_MAX)
#define ENTRIES_FIRST 4

static bool is_usable(const struct redwi_prepared_entry *e)
{
    return e->state == REDWI_PREPARED_PARSING || e->state == REDWI_PREPARED_READY;
}

static void set_unit(struct redwi_prepared *t, struct redwi_prepared_entry *e, const struct redwi_job *j)
{
    t->pending += (j != NULL) - (size_t)(e->unit != NULL);
    e->unit = j;
}

static void set_state(struct redwi_prepared *t, struct redwi_prepared_entry *e, enum redwi_prepared_state state)
{
    t->unwanted += (state == REDWI_PREPARED_UNWANTED) - (size_t)(e->state == REDWI_PREPARED_UNWANTED);
    set_unit(t, e, NULL);
    e->state = state;
}

void redwi_prepared_keep(struct redwi_prepared_entry *e)
{
    e->refs++;
}

void redwi_prepared_release(struct redwi_prepared_entry *e)
{
    if (!e || --e->refs > 0)
        return;
    for (int form = 0; form < REDWI_FORMS; form++)
        redwi_heading_release(e->made[form]);
    redwi_free(e->mem, e->description);
    redwi_free(e->mem, e);
}

void redwi_prepared_free(struct redwi_prepared *t)
{
    if (!t->entries)
        return;
    for (size_t i = 0; i < t->count; i++)
        redwi_prepared_release(t->entries[i]);
    redwi_free(t->mem, t->entries);
    *t = (struct redwi_prepared){0};
}

/* The entry at i leaves the table; another one takes its place. */
static void take_out(struct redwi_prepared *t, size_t i)
{
    struct redwi_prepared_entry *e = t->entries[i];

    set_unit(t, e, NULL);
    t->entries[i] = t->entries[--t->count];
    redwi_prepared_release(e);
}

struct redwi_prepared_entry *redwi_prepared_find(struct redwi_prepared *t, uint64_t statement)
{
    for (size_t i = 0; i < t->count; i++) {
        struct redwi_prepared_entry *e = t->entries[i];
        if (e->statement != statement || !is_usable(e))
            continue;
        t->entries[i] = t->entries[i / 2]; /* what is used often comes to the front */
        t->entries[i / 2] = e;
        e->used = ++t->clock;
        return e;
    }
    return NULL;
}

/* The one to give up for a new one: of the same statement, or, when there are as many as may be, the one not used
 * for longest. False: it would have to be one that is just being made. */
static bool find_victim(const struct redwi_prepared *t, uint64_t statement, struct redwi_prepared_entry **out)
{
    struct redwi_prepared_entry *oldest = NULL;
    size_t usable = 0;

    *out = NULL;
    for (size_t i = 0; i < t->count; i++) {
        struct redwi_prepared_entry *e = t->entries[i];
        if (!is_usable(e))
            continue;
        usable++;
        if (e->statement == statement)
            *out = e;
        if (e->state == REDWI_PREPARED_READY && (!oldest || e->used < oldest->used))
            oldest = e;
    }
    if (!*out && usable >= REDWI_PREPARED_MAX)
        *out = oldest;
    return *out || usable < REDWI_PREPARED_MAX;
}

static bool reserve(struct redwi_prepared *t, const struct redw_allocator *mem)
{
    if (t->count < t->cap)
        return true;
    size_t cap = t->cap ? t->cap * 2 : ENTRIES_FIRST;
    if (cap > ENTRIES_MAX)
        return false;
    struct redwi_prepared_entry **entries = redwi_resize(mem, t->entries, cap * sizeof *entries);
    if (!entries)
        return false;
    t->mem = mem;
    t->entries = entries;
    t->cap = cap;
    return true;
}

struct redwi_prepared_entry *redwi_prepared_add(struct redwi_prepared *t, const struct redwi_job *j,
                                                uint64_t statement, size_t noids)
{
    redw_client *c = j->client;
    struct redwi_prepared_entry *victim, *e = NULL;

    if (find_victim(t, statement, &victim) && reserve(t, &c->mem))
        e = redwi_alloc(&c->work, sizeof *e + noids * sizeof *e->oids);
    if (!e)
        return NULL;
    *e = (struct redwi_prepared_entry){
        .refs = 1,
        .state = REDWI_PREPARED_PARSING,
        .statement = statement,
        .used = ++t->clock,
        .mem = &c->work,
        .noids = noids,
    };
    snprintf(e->name, sizeof e->name, "redw_%016" PRIx64 "_%" PRIu64, c->names_tag, ++c->nnames);
    set_unit(t, e, j);
    t->entries[t->count++] = e;
    if (victim)
        redwi_prepared_unwant(t, victim);
    return e;
}

static void choose_formats(struct redwi_prepared_entry *e, uint8_t *automatic, uint8_t *binary,
                           enum redwi_server server)
{
    struct redwi_columns left = e->columns;

    e->automatic = automatic;
    e->binary = binary;
    memset(binary, 1, left.n);
    for (size_t i = 0; i < e->columns.n; i++) {
        struct redwi_field f;
        struct redw_column column = {0};
        redwi_be_field_next(&left, &f);
        redwi_column_describe(&column, f.type_oid, f.typmod, server);
        automatic[i] = redwi_column_in_binary(&column);
    }
}

int redwi_prepared_describe(struct redwi_prepared *t, struct redwi_prepared_entry *e,
                            const struct redwi_columns *columns, enum redwi_server server)
{
    size_t len = redwi_cursor_left(&columns->fields);

    e->brings_rows = columns->fields.p != NULL;
    if (e->brings_rows) {
        e->description = redwi_alloc(e->mem, len + 2 * columns->n + 1);
        if (!e->description) {
            redwi_prepared_unwant(t, e);
            return REDW_ENOMEM;
        }
        memcpy(e->description, columns->fields.p, len);
        e->columns = *columns;
        e->columns.serial = 1; /* of this entry, whose columns do not change */
        e->columns.fields = redwi_cursor_of(e->description, len);
        choose_formats(e, e->description + len, e->description + len + columns->n, server);
    }
    if (e->state == REDWI_PREPARED_PARSING) /* its handle may be gone already */
        set_state(t, e, REDWI_PREPARED_READY);
    return 0;
}

struct redwi_heading *redwi_prepared_heading(struct redwi_prepared_entry *e, const struct redw_allocator *mem,
                                             enum redwi_form form, enum redwi_server server)
{
    const uint8_t *const formats[REDWI_FORMS] = {NULL, e->automatic, e->binary};
    struct redwi_columns columns = e->columns;

    columns.formats = formats[form];
    return redwi_heading_of(&e->made[form], mem, &columns, server);
}

void redwi_prepared_unwant(struct redwi_prepared *t, struct redwi_prepared_entry *e)
{
    if (is_usable(e))
        set_state(t, e, REDWI_PREPARED_UNWANTED);
}

unsigned redwi_prepared_put_close(struct redwi_prepared *t, const struct redwi_job *j, struct redwi_buf *b,
                                  uint64_t statement)
{
    struct redwi_prepared_entry *chosen = NULL;

    for (size_t i = 0; t->unwanted > 0 && i < t->count; i++) {
        struct redwi_prepared_entry *e = t->entries[i];
        if (e->state == REDWI_PREPARED_UNWANTED && (!chosen || e->statement == statement))
            chosen = e;
    }
    if (!chosen)
        return 0;
    redwi_fe_close_statement(b, chosen->name);
    set_state(t, chosen, REDWI_PREPARED_CLOSING);
    set_unit(t, chosen, j);
    return REDWI_SENT_CLOSE;
}

/* --- units --- */

/* What the unit of j was doing: closed is gone; what was being parsed gets a new state, or is gone. */
static void end_unit(struct redwi_prepared *t, const struct redwi_job *j, bool was_sent)
{
    for (size_t i = t->pending ? t->count : 0; i-- > 0;) {
        struct redwi_prepared_entry *e = t->entries[i];
        if (e->unit != j)
            continue;
        bool closing = e->state == REDWI_PREPARED_CLOSING;
        if (closing == was_sent)
            take_out(t, i);
        else
            set_state(t, e, REDWI_PREPARED_UNWANTED);
    }
}

/* A Close cannot fail, and comes first in its unit. What was parsed and not described failed, or was stopped in
 * between: closing a name that is not there is no error (PostgreSQL documentation, "Extended Query"). */
void redwi_prepared_unit_ended(struct redwi_prepared *t, const struct redwi_job *j)
{
    end_unit(t, j, true);
}

/* It runs all the same, ahead of whatever is sent next. */
void redwi_prepared_abandoned(struct redwi_prepared *t, const struct redwi_job *j)
{
    end_unit(t, j, true);
}

void redwi_prepared_never_sent(struct redwi_prepared *t, const struct redwi_job *j)
{
    end_unit(t, j, false);
}

/* --- handles --- */

/* What tells this client's names from others'. It is no secret: should the system have no chance to give, clock
 * and process differ well enough. */
static uint64_t draw_tag(const redw_client *c)
{
    const struct redwi_sys *sys = c->env.sys ? c->env.sys : &redwi_sys_real;
    uint64_t tag;

    if (sys->entropy(sys->ctx, &tag, sizeof tag))
        tag = (uint64_t)c->loop.wall_us(c->loop.ctx) * UINT64_C(0x9E3779B97F4A7C15) ^ (uint64_t)c->pid;
    return tag;
}

void redwi_statement_open(struct redwi_statement *s, redw_client *c)
{
    if (c->nstatements == 0)
        c->names_tag = draw_tag(c);
    s->client = c;
    s->serial = ++c->nstatements;
    redwi_list_append(&c->statements, &s->link);
}

void redwi_statement_close(struct redwi_statement *s)
{
    redw_client *c = s->client;

    redwi_list_remove(&s->link);
    s->client = NULL;
    for (int place = REDWI_AT_IDLE; c && place <= REDWI_AT_BUSY; place++) {
        struct redwi_link *head = &c->places[place];
        for (struct redwi_link *l = head->next; l != head; l = l->next) {
            struct redwi_prepared *t = &REDWI_OF(l, struct redwi_conn, link)->prepared;
            for (size_t i = 0; i < t->count; i++) {
                if (t->entries[i]->statement == s->serial)
                    redwi_prepared_unwant(t, t->entries[i]);
            }
        }
    }
}

void redwi_statements_part(redw_client *c)
{
    while (!redwi_list_empty(&c->statements)) {
        struct redwi_statement *s = REDWI_OF(c->statements.next, struct redwi_statement, link);
        redwi_list_remove(&s->link);
        s->client = NULL;
    }
}
