/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of the server's session that a job wants and its connection lacks, sent ahead of the job's unit in
 * the same flight, as a unit of their own: one simple Query (design: H5). Now that is Redshift's query_group,
 * which changes who runs a statement and never its result, so the statement need not wait for the answer: it
 * runs regardless.
 *
 * What the connection has is what the last of these units set; the answer only confirms it. If that one
 * failed nobody knows, and the next job sets it anew. Nothing is sent while nothing differs, nor ever to a
 * server that is not Redshift.
 */
#ifndef REDWI_POOL_AHEAD_H
#define REDWI_POOL_AHEAD_H

#include "pool/options.h"
#include "wire/session.h"

/* All zeroes: a new connection. */
struct redwi_ahead {
    char group[REDWI_QUERY_GROUP_MAX + 1]; /* that of the last unit; "": none */
    bool touched; /* there was one. Until then a group the application itself has set is left alone */
    bool unknown; /* what the connection has may be something else than `group` */
    bool failed;  /* the unit that is being answered */
    unsigned due; /* units whose ReadyForQuery is to come */
};

/* The two that every statement calls, and nearly none needs, go on in these. */
int redwi_ahead_put_group(struct redwi_ahead *a, struct redwi_session *s, const struct redw_allocator *mem,
                          void *tag, const char *group);
void redwi_ahead_saw_tag(struct redwi_ahead *a, const char *tag, size_t len);

/* Writes a unit with this tag if `group` (NULL: "") is not what the connection has. 0, or what the session's
 * functions answer, with nothing written. */
static inline int redwi_ahead_put(struct redwi_ahead *a, struct redwi_session *s, const struct redw_allocator *mem,
                                  void *tag, const char *group)
{
    if (!a->touched && (!group || !*group))
        return 0;
    return redwi_ahead_put_group(a, s, mem, tag, group ? group : "");
}
/* The unit behind was taken back or never written: takes back the one written for it, if it is still there. */
void redwi_ahead_take_back(struct redwi_ahead *a, struct redwi_session *s, const void *tag);
/* The session's events: of a unit of these, */
void redwi_ahead_failed(struct redwi_ahead *a);
void redwi_ahead_ended(struct redwi_ahead *a);
/* ...the command tag of any other: a SET of the application's; and the end of one that was not watched. */
static inline void redwi_ahead_saw(struct redwi_ahead *a, const char *tag, size_t len)
{
    if (a->touched)
        redwi_ahead_saw_tag(a, tag, len);
}
void redwi_ahead_doubt(struct redwi_ahead *a);

#endif
