/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words to bits. A word that is not known is refused and never guessed: a login with less than was asked
 * for looks like any other.
 */
#include "pool/login_options.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define REDSHIFT_PORT 5439

static int fail(struct redw_diag *why, const char *text)
{
    why->code = REDW_EINVAL;
    snprintf(why->text, sizeof why->text, "%s", text);
    return REDW_EINVAL;
}

struct word {
    const char *text;
    unsigned value;
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool look_up(const struct word *words, size_t count, const char *text, size_t n, unsigned *value)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(words[i].text) == n && memcmp(words[i].text, text, n) == 0) {
            *value = words[i].value;
            return true;
        }
    }
    return false;
}

/* --- server -------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, size_t n, const char *end)
{
    size_t m = strlen(end);
    return n > m && strncasecmp(text + n - m, end, m) == 0;
}

/* The names under which AWS hands out clusters and workgroups. */
static bool is_aws_name(const char *host)
{
    size_t n = strlen(host);
    if (n && host[n - 1] == '.')
        n--;
    return ends_with(host, n, ".redshift.amazonaws.com") ||
           ends_with(host, n, ".redshift-serverless.amazonaws.com") ||
           ends_with(host, n, ".redshift.amazonaws.com.cn") ||
           ends_with(host, n, ".redshift-serverless.amazonaws.com.cn");
}

static int read_server(struct redwi_settings *s, const struct redwi_login_words *w, struct redw_diag *why)
{
    enum { AUTO, REDSHIFT, POSTGRES };
    static const struct word words[] = {{"auto", AUTO}, {"redshift", REDSHIFT}, {"postgres", POSTGRES}};
    unsigned server = AUTO;
    if (w->server && !look_up(words, COUNT(words), w->server, strlen(w->server), &server))
        return fail(why, "server must be auto, redshift or postgres");
    if (s->token && server == POSTGRES)
        return fail(why, "token: only Redshift takes tokens, and server is postgres");
    s->redshift = server == REDSHIFT || s->token;
    if (server == AUTO && (w->redshift_scheme || s->port == REDSHIFT_PORT || is_aws_name(s->host)))
        s->redshift = true;
    return 0;
}

/* --- require_auth -------------------------------------------------------------------------------- */

static int read_methods(struct redwi_settings *s, const char *text, struct redw_diag *why)
{
    /* As in libpq SCRAM-SHA-256 means with or without channel binding. */
    static const struct word words[] = {
        {"none", REDWI_LOGIN_NONE},
        {"password", REDWI_LOGIN_PASSWORD},
        {"md5", REDWI_LOGIN_MD5},
        {"scram-sha-256", REDWI_LOGIN_SCRAM | REDWI_LOGIN_SCRAM_PLUS},
        {"scram-sha-256-plus", REDWI_LOGIN_SCRAM_PLUS},
        {"digest", REDWI_LOGIN_DIGEST},
        {"token", REDWI_LOGIN_TOKEN},
    };
    unsigned named = 0, bits;
    bool negated = *text == '!';
    for (const char *p = text;; p++) {
        if ((*p == '!') != negated)
            return fail(why, "require_auth: either all methods begin with '!' or none");
        p += negated;
        size_t n = strcspn(p, ",");
        if (!look_up(words, COUNT(words), p, n, &bits))
            return fail(why, "require_auth must be a list of none, password, md5, scram-sha-256, "
                             "scram-sha-256-plus, digest, token, separated by commas");
        named |= bits;
        p += n;
        if (!*p)
            break;
    }
    s->methods_denied = negated ? named : 0;
    s->methods = negated ? 0 : named;
    return 0;
}

/* --- channel_binding ----------------------------------------------------------------------------- */

static int read_binding(struct redwi_settings *s, const char *text, struct redw_diag *why)
{
    static const struct word words[] = {{"disable", REDWI_BINDING_DISABLE},
                                        {"prefer", REDWI_BINDING_PREFER},
                                        {"require", REDWI_BINDING_REQUIRE}};
    unsigned binding;
    if (!look_up(words, COUNT(words), text, strlen(text), &binding))
        return fail(why, "channel_binding must be disable, prefer or require");
    s->binding = (enum redwi_binding)binding;
    if (binding == REDWI_BINDING_REQUIRE && s->tls_mode == REDWI_TLS_DISABLE)
        return fail(why, "channel_binding: require needs TLS");
    return 0;
}

int redwi_login_options(struct redwi_settings *s, const struct redwi_login_words *words,
                        struct redw_diag *why)
{
    if (s->token && s->tls_mode == REDWI_TLS_DISABLE)
        return fail(why, "token: is never sent without TLS");
    int rc = read_server(s, words, why);
    if (!rc && words->require_auth)
        rc = read_methods(s, words->require_auth, why);
    if (!rc && words->channel_binding)
        rc = read_binding(s, words->channel_binding, why);
    return rc;
}
