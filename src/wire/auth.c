/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authentication requests by their code (PostgreSQL documentation, "Message Formats", Authentication...)
 * and by step. No unit was ever sent when a login fails, so every error here says NOT_SENT.
 */
#include "wire/auth.h"

#include "wire/be_read.h"
#include "wire/fe_write.h"
#include "wire/mem.h"

#define MECHANISM "SCRAM-SHA-256"
#define MECHANISM_PLUS "SCRAM-SHA-256-PLUS"

enum { CODE_OK = 0, CODE_SASL = 10, CODE_SASL_CONTINUE = 11, CODE_SASL_FINAL = 12 };

/* What servers ask for and this file does not answer. 13 and 14 are Redshift's. */
static const struct {
    uint32_t code;
    const char *name;
} refused[] = {
    {2, "Kerberos V5"}, {3, "a cleartext password"}, {4, "a crypt password"},   {5, "an MD5 password"},
    {6, "SCM credentials"}, {7, "GSSAPI"},           {8, "GSSAPI"},             {9, "SSPI"},
    {13, "a digest password"}, {14, "an identity provider's token"},
};

static redw_error *auth_error(const struct redwi_auth *a, int code, const char *what)
{
    if (code == REDW_ENOMEM)
        return redwi_err_no_memory(REDW_OUTCOME_NOT_SENT);
    const struct redwi_err_spec spec = {
        .code = code,
        .cls = code == REDW_EAUTH ? REDW_CLASS_AUTHENTICATION_FAILED : REDW_CLASS_INTERNAL,
        .outcome = REDW_OUTCOME_NOT_SENT,
    };
    return redwi_err_make(a->mem, &spec, "login: %s", what);
}

static redw_error *refuse_method(const struct redwi_auth *a, uint32_t code)
{
    const struct redwi_err_spec spec = {
        .code = REDW_EAUTH,
        .cls = REDW_CLASS_AUTHENTICATION_FAILED,
        .outcome = REDW_OUTCOME_NOT_SENT,
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (refused[i].code == code)
            return redwi_err_make(a->mem, &spec,
                                  "login: server asks for %s, which this version does not speak",
                                  refused[i].name);
    }
    return redwi_err_make(
        a->mem, &spec,
        "login: server asks for authentication method %lu, which this version does not speak",
        (unsigned long)code);
}

/* One message is put whole or not at all; a full output is no memory to the login. */
static redw_error *put_done(struct redwi_buf *out, size_t mark)
{
    if (!out->failed)
        return NULL;
    redwi_buf_cut(out, mark);
    return redwi_err_no_memory(REDW_OUTCOME_NOT_SENT);
}

/* --- SASL --------------------------------------------------------------------------------------- */

/* -PLUS if it can be had; *offered_plus: whether the server would have had it. */
static const char *choose_mechanism(const struct redwi_auth *a, const uint8_t *list, size_t len,
                                    bool *offered_plus, bool *well_formed)
{
    bool offered;
    *well_formed = redwi_be_sasl_offers(list, len, MECHANISM, &offered) &&
                   redwi_be_sasl_offers(list, len, MECHANISM_PLUS, offered_plus);
    if (!*well_formed)
        return NULL;
    if (*offered_plus && a->tls && a->end_point_len)
        return MECHANISM_PLUS;
    return offered ? MECHANISM : NULL;
}

static redw_error *create_scram(struct redwi_auth *a, bool plus, bool offered_plus)
{
    struct redwi_scram_config config = {
        .mem = a->mem,
        .password = a->password,
        .password_len = strlen(a->password),
        .plus = plus,
        /* "y": I could have bound, you do not offer it. A server that did offer it then knows that
         * somebody in between has struck it out (RFC 5802 section 6). */
        .tls_without_plus = a->tls && a->end_point_len && !offered_plus,
        .binding = a->end_point,
        .binding_len = a->end_point_len,
    };
    if (!a->entropy || a->entropy(a->entropy_ctx, config.nonce, sizeof config.nonce) != 0)
        return auth_error(a, REDW_EAUTH, "no random bytes for a nonce");
    int code = redwi_scram_create(&a->scram, &config);
    redwi_wipe(&config, sizeof config);
    return code ? redwi_err_no_memory(REDW_OUTCOME_NOT_SENT) : NULL;
}

static redw_error *sasl_begin(struct redwi_auth *a, const uint8_t *list, size_t len,
                              struct redwi_buf *out)
{
    bool offered_plus, well_formed;
    const char *mechanism = choose_mechanism(a, list, len, &offered_plus, &well_formed);
    if (!well_formed)
        return auth_error(a, REDW_EPROTOCOL, "malformed list of SASL mechanisms");
    if (!mechanism)
        return auth_error(a, REDW_EAUTH, "server offers no SASL mechanism that this version speaks");
    if (!a->password || !*a->password)
        return auth_error(a, REDW_EAUTH, "server asks for a password and none was given");

    redw_error *e = create_scram(a, strcmp(mechanism, MECHANISM_PLUS) == 0, offered_plus);
    if (e)
        return e;
    redw_slice first;
    const char *why = "";
    int code = redwi_scram_first(a->scram, &first, &why);
    if (code)
        return auth_error(a, code, why);
    size_t mark = redwi_buf_mark(out);
    redwi_fe_sasl_initial(out, mechanism, first.ptr, first.len);
    a->step = REDWI_AUTH_FIRST_SENT;
    return put_done(out, mark);
}

static redw_error *sasl_continue(struct redwi_auth *a, const uint8_t *data, size_t len)
{
    const char *why = "";
    int code = redwi_scram_challenge(a->scram, (const char *)data, len, &why);
    if (code)
        return auth_error(a, code, why);
    a->step = REDWI_AUTH_DERIVING;
    return NULL;
}

static redw_error *sasl_final(struct redwi_auth *a, const uint8_t *data, size_t len)
{
    const char *why = "";
    int code = redwi_scram_verify(a->scram, (const char *)data, len, &why);
    if (code)
        return auth_error(a, code, why);
    redwi_auth_end(a);
    a->step = REDWI_AUTH_VERIFIED;
    return NULL;
}

/* --- requests ----------------------------------------------------------------------------------- */

static redw_error *accepted(struct redwi_auth *a, size_t rest_len)
{
    if (rest_len)
        return auth_error(a, REDW_EPROTOCOL, "malformed AuthenticationOk");
    /* Whoever does not know the password would like to end the exchange just here. */
    if (a->step != REDWI_AUTH_ANY && a->step != REDWI_AUTH_VERIFIED)
        return auth_error(a, REDW_EAUTH, "server let us in without proving that it knows the password");
    a->step = REDWI_AUTH_OK;
    return NULL;
}

redw_error *redwi_auth_request(struct redwi_auth *a, const uint8_t *body, size_t len,
                               struct redwi_buf *out)
{
    uint32_t code;
    const uint8_t *rest;
    size_t rest_len;
    if (!redwi_be_authentication(body, len, &code, &rest, &rest_len))
        return auth_error(a, REDW_EPROTOCOL, "malformed authentication request");

    if (code == CODE_OK)
        return accepted(a, rest_len);
    if (code == CODE_SASL && a->step == REDWI_AUTH_ANY)
        return sasl_begin(a, rest, rest_len, out);
    if (code == CODE_SASL_CONTINUE && a->step == REDWI_AUTH_FIRST_SENT)
        return sasl_continue(a, rest, rest_len);
    if (code == CODE_SASL_FINAL && a->step == REDWI_AUTH_FINAL_SENT)
        return sasl_final(a, rest, rest_len);
    if (code >= CODE_SASL && code <= CODE_SASL_FINAL)
        return auth_error(a, REDW_EPROTOCOL, "SASL message out of order");
    return refuse_method(a, code);
}

redw_error *redwi_auth_work(struct redwi_auth *a, unsigned iterations, struct redwi_buf *out)
{
    const char *why = "";
    int code = redwi_scram_work(a->scram, iterations, &why);
    if (code < 0)
        return auth_error(a, code, why);
    if (code > 0)
        return NULL;
    redw_slice final;
    code = redwi_scram_final(a->scram, &final, &why);
    if (code)
        return auth_error(a, code, why);
    size_t mark = redwi_buf_mark(out);
    redwi_fe_sasl_response(out, final.ptr, final.len);
    a->step = REDWI_AUTH_FINAL_SENT;
    return put_done(out, mark);
}

void redwi_auth_end(struct redwi_auth *a)
{
    redwi_scram_free(a->scram);
    a->scram = NULL;
}
