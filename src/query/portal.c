/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams by a named portal, executed with a limit again and again. Redshift allows one a session, in lower
 * case and inside a transaction, ignores the limit of an unnamed one, and while it is suspended takes nothing but
 * its next Execute, or its Close (protocol 6.1).
 *
 *   flight 1   begin                                      a Query
 *   flight 2   Parse, Bind, Describe, Execute n, Sync
 *   ...        Execute n, Sync                            while PortalSuspended comes
 *   last       commit                                     a Query
 *   or         Close, Sync | rollback                     when it is stopped while suspended
 *
 * The statement waits for the answer to BEGIN: would that be refused, it ran in a transaction of its own. More
 * rows than the limit are rows like others.
 */
#include "query/request.h"

#include "wire/fe_write.h"

#define PORTAL "redw_p1"

static struct redwi_request *request_of(struct redwi_job *j)
{
    return REDWI_OF(j, struct redwi_request, job);
}

static int open_it(struct redwi_request *r, struct redwi_session *s)
{
    return redwi_way_say(s, &r->job, "begin");
}

static int first(struct redwi_request *r, struct redwi_session *s)
{
    r->walk.taken = r->result->set.taken;
    r->walk.suspended = false;
    return redwi_request_put(r, s, PORTAL, r->walk.fetch_rows);
}

static int fetch(struct redwi_request *r, struct redwi_session *s)
{
    struct redwi_buf *b = redwi_session_unit_begin(s);

    if (!b)
        return REDW_ENOMEM;
    r->walk.taken = r->result->set.taken;
    r->walk.suspended = false;
    redwi_fe_execute(b, PORTAL, r->walk.fetch_rows);
    return redwi_session_unit_end(s, &r->job,
                                  REDWI_SENT_EXECUTE | REDWI_SENT_LIMIT |
                                      (r->walk.described ? REDWI_SENT_COLUMNS : 0u),
                                  r->on_error);
}

static bool has_more(const struct redwi_request *r)
{
    return r->walk.suspended;
}

/* A statement that begins transactions of its own (VACUUM); a portal that Redshift does not keep, as seen with
 * queries of its leader node, or one of somebody before us on the same server process. */
static bool refused(const struct redwi_request *r)
{
    return redwi_way_is_state(r, "25001") || redwi_way_is_state(r, "34000") || redwi_way_is_state(r, "42P03") ||
           (redwi_way_is_state(r, "XX000") && redwi_way_says(r, "portal"));
}

static const struct redwi_way way = {
    .open = open_it,
    .first = first,
    .fetch = fetch,
    .has_more = has_more,
    .refused = refused,
    .clean = redwi_portal_clean,
    .end = "commit",
};

int redwi_portal_begin(struct redwi_job *j, struct redwi_session *s)
{
    struct redwi_request *r = request_of(j);

    r->walk.step = REDWI_STEP_BEGIN;
    return open_it(r, s);
}

bool redwi_portal_next(struct redwi_job *j, char status)
{
    return redwi_way_next(request_of(j), &way, status);
}

int redwi_portal_clean(struct redwi_session *s, void *tag, char status)
{
    int rc = 0;

    if (status == 'T') { /* perhaps suspended; an error has closed it */
        struct redwi_buf *b = redwi_session_unit_begin(s);
        if (!b)
            return REDW_ENOMEM;
        redwi_fe_close_portal(b, PORTAL);
        rc = redwi_session_unit_end(s, tag, REDWI_SENT_CLOSE, REDW_OUTCOME_UNKNOWN);
    }
    if (!rc && (rc = redwi_way_say(s, tag, "rollback")) != 0)
        redwi_session_take_back(s, tag);
    return rc;
}
