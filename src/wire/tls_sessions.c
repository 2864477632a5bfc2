/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A short stack: the freshest session is the one a server is likeliest to remember.
 *
 * What resuming saves (tests/wire/test_tls_sessions.c measures it; the client's CPU per connection, AMD
 * EPYC, OpenSSL 3.0, server certificate under one root, verify-full):
 *
 *              full handshake   resumed
 *   TLS 1.3    0.8 - 1.2 ms     0.35 - 0.48 ms   still a key exchange of its own
 *   TLS 1.2    0.7 - 1.1 ms     0.17 - 0.22 ms
 *
 * PostgreSQL itself gives no sessions; what stands in front of a database often does.
 */
#include "wire/tls_sessions.h"

#include "wire/mem.h"

#include <string.h>

void redwi_tls_sessions_drop(struct redwi_tls_sessions *s)
{
    while (s->count > 0)
        SSL_SESSION_free(s->kept[--s->count].session);
    redwi_free(s->mem, s->name);
    s->name = NULL;
}

static bool is_of(const struct redwi_tls_sessions *s, const char *name)
{
    return s->name != NULL && strcmp(s->name, name) == 0;
}

SSL_SESSION *redwi_tls_sessions_take(struct redwi_tls_sessions *s, const char *name, int64_t now,
                                     struct redwi_tls_span *span)
{
    while (is_of(s, name) && s->count > 0) {
        const struct redwi_tls_kept *k = &s->kept[--s->count];

        if (now >= k->span.from && now < k->span.until && SSL_SESSION_is_resumable(k->session)) {
            *span = k->span;
            return k->session;
        }
        SSL_SESSION_free(k->session);
    }
    return NULL;
}

bool redwi_tls_sessions_put(struct redwi_tls_sessions *s, const char *name, SSL_SESSION *session,
                            struct redwi_tls_span span)
{
    if (!is_of(s, name)) {
        redwi_tls_sessions_drop(s);
        s->name = redwi_copy_text(s->mem, name, strlen(name));
        if (s->name == NULL)
            return false;
    }
    if (s->count == REDWI_TLS_SESSIONS) {
        SSL_SESSION_free(s->kept[0].session);
        memmove(s->kept, s->kept + 1, --s->count * sizeof s->kept[0]);
    }
    s->kept[s->count++] = (struct redwi_tls_kept){session, span};
    return true;
}
