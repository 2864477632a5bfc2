/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams by cursor. Redshift takes DECLARE as a simple Query only (protocol 6.1), so the caller's text becomes
 * part of a text of ours; Parse has proved before that it is one statement. It stands last there, so that a
 * comment or a semicolon at its end does no harm; with a semicolon in front of it, or as anything but a query, it
 * is a syntax error of the whole text, and the stream goes the plain way.
 *
 *   flight 1   Parse, Describe, Sync
 *   flight 2   begin | declare redw_c1 cursor for ... | fetch forward n from redw_c1     three Queries
 *   ...        fetch forward n from redw_c1
 *   last       close redw_c1; commit
 *
 * Two of the second flight fail by themselves when the one before them did: they go out together.
 */
#include "query/request.h"

#include "wire/fe_write.h"

#include <stdio.h>
#include <string.h>

static struct redwi_request *request_of(struct redwi_job *j)
{
    return REDWI_OF(j, struct redwi_request, job);
}

/* Refused or failed, a cursor's statement had no effect: only queries can be declared. */
static int declare(struct redwi_request *r, struct redwi_session *s)
{
    struct redwi_buf *b = redwi_session_unit_begin(s);

    if (!b)
        return REDW_ENOMEM;
    redwi_fe_query_with(b, "declare redw_c1 cursor for ", r->sql, r->sql_len);
    return redwi_session_unit_end(s, &r->job, REDWI_SENT_QUERY, REDW_OUTCOME_NOT_EXECUTED);
}

static int fetch(struct redwi_request *r, struct redwi_session *s)
{
    char sql[64];

    snprintf(sql, sizeof sql, "fetch forward %u from redw_c1", (unsigned)r->walk.fetch_rows);
    r->walk.taken = r->result->set.taken;
    return redwi_way_say(s, &r->job, sql);
}

static int open_it(struct redwi_request *r, struct redwi_session *s)
{
    int rc = redwi_way_say(s, &r->job, "begin");

    if (!rc)
        rc = declare(r, s);
    if (!rc)
        rc = fetch(r, s);
    if (rc)
        redwi_session_take_back(s, &r->job);
    return rc;
}

static bool has_more(const struct redwi_request *r)
{
    return r->result->set.taken - r->walk.taken >= r->walk.fetch_rows;
}

/* The text passed Parse, so that a syntax error is DECLARE's. The cap is Redshift's: all cursors of a cluster
 * share it, and it depends on the type of its nodes (protocol 6.1). */
static bool refused(const struct redwi_request *r)
{
    if (redwi_way_says(r, "maximum size allowed for the total set of cursor data"))
        return true;
    return r->walk.failed_at == REDWI_STEP_DECLARE &&
           (redwi_way_is_state(r, "42601") || redwi_way_is_state(r, "42P11") || redwi_way_is_state(r, "42P03") ||
            redwi_way_is_state(r, "0A000") || (redwi_way_is_state(r, "XX000") && redwi_way_says(r, "cursor")));
}

static const struct redwi_way way = {
    .open = open_it,
    .fetch = fetch,
    .has_more = has_more,
    .refused = refused,
    .clean = redwi_cursor_clean,
    .end = "close redw_c1; commit",
};

int redwi_cursor_begin(struct redwi_job *j, struct redwi_session *s)
{
    struct redwi_request *r = request_of(j);
    struct redwi_buf *b = redwi_session_unit_begin(s);

    if (!b)
        return REDW_ENOMEM;
    r->server = redwi_request_server(s);
    r->walk.step = REDWI_STEP_DESCRIBE;
    redwi_fe_parse(b, "", r->sql, r->sql_len, NULL, 0);
    redwi_fe_describe_statement(b, "");
    return redwi_session_unit_end(s, j, REDWI_SENT_PARSE | REDWI_SENT_DESCRIBE_STATEMENT,
                                  REDW_OUTCOME_NOT_EXECUTED);
}

bool redwi_cursor_next(struct redwi_job *j, char status)
{
    return redwi_way_next(request_of(j), &way, status);
}

int redwi_cursor_clean(struct redwi_session *s, void *tag, char status)
{
    (void)status;
    return redwi_way_say(s, tag, "rollback");
}
