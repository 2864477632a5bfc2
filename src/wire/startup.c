/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and values of docs/redshift/protocol.md, "Startup". Left out on purpose: extra_float_digits (Redshift
 * refuses 3, PgBouncer any), DateStyle and TimeZone (what they are is reported), _pq_.compression (never
 * asked for). Called by session.c only.
 */
#include "wire/startup.h"

#include "wire/fe_write.h"

/* Version 2: metadata tails in RowDescription, Redshift's own binary values. What counts is the server's
 * answer, which may be less. */
#define CLIENT_PROTOCOL_VERSION "2"

void redwi_startup_put(struct redwi_buf *b, const struct redwi_startup *s)
{
    static const struct redwi_idp_names none;
    bool token = s->redshift && s->idp;
    const struct redwi_idp_names *idp = token ? s->idp : &none;
    const struct redwi_startup_pair pairs[] = {
        {"user", s->user},
        {"database", s->database},
        {"client_encoding", "UTF8"},
        {"application_name", s->application_name},
        {"client_protocol_version", s->redshift ? CLIENT_PROTOCOL_VERSION : NULL},
        {"driver_version", s->redshift ? "redw " REDW_VERSION : NULL},
        {"os_version", s->redshift ? s->os_version : NULL},
        {"plugin_name", token ? "none" : NULL},
        {"idp_type", idp->idp_type},
        {"token_type", idp->token_type},
        {"identity_namespace", idp->identity_namespace},
        {"provider_name", idp->provider_name},
        {"idc_client_display_name", idp->display_name},
    };
    redwi_fe_startup(b, pairs, sizeof pairs / sizeof pairs[0]);
}

bool redwi_startup_refused(const char *sqlstate)
{
    /* PostgreSQL: undefined_object. PgBouncer: protocol_violation. */
    return strcmp(sqlstate, "42704") == 0 || strcmp(sqlstate, "08P01") == 0;
}
