/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that the application makes: its later answers find the connection that waits for them. The asking
 * is in dispatch.c, the waiting in dial.c.
 */
#include "pool/client.h"

static struct redwi_conn *find(redw_client *c, enum redwi_place place, redw_id opening)
{
    struct redwi_link *head = &c->places[place];

    for (struct redwi_link *l = head->next; l != head; l = l->next) {
        struct redwi_conn *conn = REDWI_OF(l, struct redwi_conn, link);
        if (conn->opening == opening)
            return conn;
    }
    return NULL;
}

int redw_open_done(redw_client *c, redw_id opening, int fd, int sys_errno)
{
    struct redwi_conn *conn = opening > 0 ? find(c, REDWI_AT_OPENING, opening) : NULL;

    if (!conn && opening > 0)
        conn = find(c, REDWI_AT_SIDE, opening);
    return conn && redwi_conn_opened(conn, fd, sys_errno) ? REDW_OK : REDW_ENOENT;
}
