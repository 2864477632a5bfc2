/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first message of a session: who comes, and what only Redshift wants to know about it.
 */
#ifndef REDWI_WIRE_STARTUP_H
#define REDWI_WIRE_STARTUP_H

#include "wire/buf.h"

/* What a token login says about its token; each may be NULL (docs/redshift/protocol.md, "Tokens"). */
struct redwi_idp_names {
    const char *idp_type, *token_type, *identity_namespace, *provider_name, *display_name;
};

struct redwi_startup {
    const char *user; /* NULL: the token says who */
    const char *database, *application_name;
    bool redshift;                     /* the names only Redshift knows go along */
    const char *os_version;            /* ...among them this one */
    const struct redwi_idp_names *idp; /* ...and these; NULL: no token login */
};

/* StartupMessage. */
void redwi_startup_put(struct redwi_buf *b, const struct redwi_startup *s);

/* Is this the SQLSTATE with which a server that is not Redshift refuses a name it does not know? */
bool redwi_startup_refused(const char *sqlstate);

#endif
