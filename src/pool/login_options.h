/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of a login: their words, and which of them go together. Pure functions, called by options.c.
 */
#ifndef REDWI_POOL_LOGIN_OPTIONS_H
#define REDWI_POOL_LOGIN_OPTIONS_H

#include "pool/options.h"

/* As given; NULL: not given. */
struct redwi_login_words {
    const char *server, *require_auth, *channel_binding;
    bool redshift_scheme; /* the URI begins with redshift:// */
};

/* Fills redshift, methods and binding of s, whose host, port, TLS mode and token are set. 0, or REDW_EINVAL
 * with the setting named in *why. */
int redwi_login_options(struct redwi_settings *s, const struct redwi_login_words *words,
                        struct redw_diag *why);

#endif
