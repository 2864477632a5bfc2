/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authentication requests by their code (PostgreSQL documentation, "Message Formats", Authentication...;
 * docs/redshift/protocol.md, "Logins") and by step. No unit was ever sent when a login fails, so every
 * error here says NOT_SENT.
 */
#include "wire/auth.h"

#include "wire/be_read.h"
#include "wire/digest.h"
#include "wire/fe_write.h"
#include "wire/mem.h"

#define MECHANISM "SCRAM-SHA-256"
#define MECHANISM_PLUS "SCRAM-SHA-256-PLUS"
#define DIGEST_NONCE_BYTES 16

static const char no_entropy[] = "no random bytes for a nonce";

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

/* "login: server asks for <method>, <why not>" */
static redw_error *refuse(const struct redwi_auth *a, const char *method, const char *why)
{
    const struct redwi_err_spec spec = {
        .code = REDW_EAUTH,
        .cls = REDW_CLASS_AUTHENTICATION_FAILED,
        .outcome = REDW_OUTCOME_NOT_SENT,
    };
    return redwi_err_make(a->mem, &spec, "login: server asks for %s, %s", method, why);
}

/* One message is put whole or not at all; a full output is no memory to the login. */
static redw_error *put_done(struct redwi_buf *out, size_t mark)
{
    if (!out->failed)
        return NULL;
    redwi_buf_cut(out, mark);
    return redwi_err_no_memory(REDW_OUTCOME_NOT_SENT);
}

/* --- what is allowed (login.h) ------------------------------------------------------------------ */

/* Does require_auth leave it in? */
static bool listed(const struct redwi_auth *a, unsigned method)
{
    return !(a->denied & method) && (!a->methods || (a->methods & method));
}

/* Is a method allowed that is none of SCRAM's? NULL: yes. */
static const char *why_not(const struct redwi_auth *a, unsigned method)
{
    bool in_clear = method & (REDWI_LOGIN_PASSWORD | REDWI_LOGIN_TOKEN);
    if (a->binding == REDWI_BINDING_REQUIRE)
        return "which binds nothing to TLS as channel_binding=require demands";
    if (in_clear && !a->tls)
        return "which is never sent outside TLS";
    if (!listed(a, method))
        return "which require_auth does not allow";
    if (a->methods)
        return NULL;
    if (!(REDWI_LOGIN_DEFAULT & method))
        return "which is sent only if require_auth says so";
    return a->verified ? NULL
                       : "which is answered only inside verified TLS (sslmode verify-ca or verify-full), or if "
                         "require_auth says so";
}

static bool is_given(const char *secret)
{
    return secret && *secret;
}

static redw_slice slice_of(const char *text)
{
    return (redw_slice){text ? text : "", text ? strlen(text) : 0};
}

/* --- one answer: password, MD5, digest, token ---------------------------------------------------- */

static redw_error *answer_password(struct redwi_auth *a, const uint8_t *rest, size_t len,
                                   struct redwi_buf *out)
{
    if (!redwi_be_no_more(rest, len))
        return auth_error(a, REDW_EPROTOCOL, "malformed request for a cleartext password");
    redwi_fe_password(out, a->password, strlen(a->password));
    return NULL;
}

static redw_error *answer_md5(struct redwi_auth *a, const uint8_t *rest, size_t len,
                              struct redwi_buf *out)
{
    const uint8_t *salt;
    char text[REDWI_MD5_CHARS];
    if (!redwi_be_md5_salt(rest, len, &salt))
        return auth_error(a, REDW_EPROTOCOL, "malformed request for an MD5 password");
    int code = redwi_digest_md5(text, slice_of(a->user), slice_of(a->password), salt);
    if (!code)
        redwi_fe_password(out, text, sizeof text);
    redwi_wipe(text, sizeof text);
    return code ? auth_error(a, code, "MD5 is not to be had from this OpenSSL") : NULL;
}

static redw_error *answer_digest(struct redwi_auth *a, const uint8_t *rest, size_t len,
                                 struct redwi_buf *out)
{
    struct redwi_digest_request request;
    uint8_t nonce[DIGEST_NONCE_BYTES], digest[REDWI_DIGEST_BYTES];
    if (!redwi_be_digest_request(rest, len, &request))
        return auth_error(a, REDW_EPROTOCOL, "malformed request for a digest");
    if (!redwi_be_digest_ok(&request))
        return auth_error(a, REDW_EAUTH,
                          "server asks for a digest other than SHA-256, or without a salt or nonce");
    if (!a->entropy || a->entropy(a->entropy_ctx, nonce, sizeof nonce) != 0)
        return auth_error(a, REDW_EAUTH, no_entropy);
    int code = redwi_digest_sha256(digest, slice_of(a->password), &request,
                                   (redw_slice){(const char *)nonce, sizeof nonce});
    if (!code)
        redwi_fe_digest(out, digest, nonce, sizeof nonce);
    redwi_wipe(digest, sizeof digest);
    return code ? auth_error(a, code, "SHA-256 is not to be had from this OpenSSL") : NULL;
}

static redw_error *answer_token(struct redwi_auth *a, const uint8_t *rest, size_t len,
                                struct redwi_buf *out)
{
    if (!redwi_be_no_more(rest, len))
        return auth_error(a, REDW_EPROTOCOL, "malformed request for a token");
    redwi_fe_token(out, a->token, strlen(a->token));
    return NULL;
}

/* What servers ask for, SASL aside; method 0: not spoken here. */
static const struct method {
    uint32_t code;
    unsigned method;
    const char *name;
    redw_error *(*answer)(struct redwi_auth *a, const uint8_t *rest, size_t len, struct redwi_buf *out);
} methods[] = {
    {REDWI_AUTH_CODE_CLEARTEXT, REDWI_LOGIN_PASSWORD, "a cleartext password", answer_password},
    {REDWI_AUTH_CODE_MD5, REDWI_LOGIN_MD5, "an MD5 password", answer_md5},
    {REDWI_AUTH_CODE_DIGEST, REDWI_LOGIN_DIGEST, "a digest password", answer_digest},
    {REDWI_AUTH_CODE_TOKEN, REDWI_LOGIN_TOKEN, "an identity provider's token", answer_token},
    {REDWI_AUTH_CODE_KERBEROS_V5, 0, "Kerberos V5", NULL},
    {REDWI_AUTH_CODE_CRYPT, 0, "a crypt password", NULL},
    {REDWI_AUTH_CODE_SCM, 0, "SCM credentials", NULL},
    {REDWI_AUTH_CODE_GSS, 0, "GSSAPI", NULL},
    {REDWI_AUTH_CODE_GSS_CONTINUE, 0, "GSSAPI", NULL},
    {REDWI_AUTH_CODE_SSPI, 0, "SSPI", NULL},
};

static redw_error *answer_once(struct redwi_auth *a, const struct method *m, const uint8_t *rest,
                               size_t len, struct redwi_buf *out)
{
    const char *why = why_not(a, m->method);
    bool token = m->method == REDWI_LOGIN_TOKEN;
    if (why)
        return refuse(a, m->name, why);
    if (!is_given(token ? a->token : a->password))
        return refuse(a, m->name, "and none was given");
    size_t mark = redwi_buf_mark(out);
    redw_error *e = m->answer(a, rest, len, out);
    if (e)
        return e;
    a->step = REDWI_AUTH_ANSWERED;
    return put_done(out, mark);
}

static redw_error *ask_other(struct redwi_auth *a, uint32_t code, const uint8_t *rest, size_t len,
                             struct redwi_buf *out)
{
    static const char unknown[] = "which this version does not speak";
    if (a->step != REDWI_AUTH_ANY)
        return auth_error(a, REDW_EAUTH, "server changed the method in the middle of the login");
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (methods[i].code != code)
            continue;
        return methods[i].answer ? answer_once(a, &methods[i], rest, len, out)
                                 : refuse(a, methods[i].name, unknown);
    }
    const struct redwi_err_spec spec = {
        .code = REDW_EAUTH,
        .cls = REDW_CLASS_AUTHENTICATION_FAILED,
        .outcome = REDW_OUTCOME_NOT_SENT,
    };
    return redwi_err_make(a->mem, &spec, "login: server asks for authentication method %lu, %s",
                          (unsigned long)code, unknown);
}

/* --- SASL --------------------------------------------------------------------------------------- */

struct offer {
    bool plain, plus;
};

static bool may_bind(const struct redwi_auth *a)
{
    return a->tls && a->end_point_len && a->binding != REDWI_BINDING_DISABLE &&
           listed(a, REDWI_LOGIN_SCRAM_PLUS);
}

/* -PLUS if it can be had. NULL: none of them, and *why says so. */
static const char *choose_mechanism(const struct redwi_auth *a, struct offer offer, const char **why)
{
    bool plain_allowed = listed(a, REDWI_LOGIN_SCRAM) && a->binding != REDWI_BINDING_REQUIRE;
    if (offer.plus && may_bind(a))
        return MECHANISM_PLUS;
    if (offer.plain && plain_allowed)
        return MECHANISM;
    if (!offer.plain && !offer.plus)
        *why = "server offers no SASL mechanism that this version speaks";
    else if (plain_allowed)
        *why = "server offers SCRAM-SHA-256-PLUS only, which there is no TLS certificate to bind to for, or "
               "which the settings do not allow";
    else if (!a->tls)
        *why = "SCRAM-SHA-256-PLUS is required, and the connection has no TLS to bind to";
    else if (!a->end_point_len)
        *why = "SCRAM-SHA-256-PLUS is required, and the server's certificate defines nothing to bind to";
    else if (!offer.plus && listed(a, REDWI_LOGIN_SCRAM_PLUS))
        *why = "SCRAM-SHA-256-PLUS is required, and the server does not offer it";
    else
        *why = "server asks for SCRAM-SHA-256, which require_auth does not allow";
    return NULL;
}

/* The exchange, and its first message. */
static redw_error *begin_scram(struct redwi_auth *a, bool plus, bool offered_plus, redw_slice *first)
{
    const char *why = "";
    struct redwi_scram_config config = {
        .mem = a->mem,
        .password = a->password,
        .password_len = strlen(a->password),
        .plus = plus,
        /* "y": I could have bound, you do not offer it. A server that did offer it then knows that
         * somebody in between has struck it out (RFC 5802 section 6). */
        .tls_without_plus = may_bind(a) && !offered_plus,
        .binding = a->end_point,
        .binding_len = a->end_point_len,
    };
    if (!a->entropy || a->entropy(a->entropy_ctx, config.nonce, sizeof config.nonce) != 0)
        return auth_error(a, REDW_EAUTH, no_entropy);
    int code = redwi_scram_create(&a->scram, &config);
    redwi_wipe(&config, sizeof config);
    if (!code)
        code = redwi_scram_first(a->scram, first, &why);
    return code ? auth_error(a, code, why) : NULL;
}

static redw_error *sasl_begin(struct redwi_auth *a, const uint8_t *list, size_t len,
                              struct redwi_buf *out)
{
    struct offer offer;
    const char *why = "";
    bool whole = redwi_be_sasl_offers(list, len, MECHANISM, &offer.plain);
    (void)redwi_be_sasl_offers(list, len, MECHANISM_PLUS, &offer.plus); /* the same list */
    if (!whole)
        return auth_error(a, REDW_EPROTOCOL, "malformed list of SASL mechanisms");
    const char *mechanism = choose_mechanism(a, offer, &why);
    if (!mechanism)
        return auth_error(a, REDW_EAUTH, why);
    if (!is_given(a->password))
        return auth_error(a, REDW_EAUTH, "server asks for a password and none was given");

    redw_slice first;
    redw_error *e = begin_scram(a, strcmp(mechanism, MECHANISM_PLUS) == 0, offer.plus, &first);
    if (e)
        return e;
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

static redw_error *accepted(struct redwi_auth *a, const uint8_t *rest, size_t len)
{
    if (!redwi_be_no_more(rest, len))
        return auth_error(a, REDW_EPROTOCOL, "malformed AuthenticationOk");
    if (a->step == REDWI_AUTH_ANY && a->binding == REDWI_BINDING_REQUIRE)
        return auth_error(a, REDW_EAUTH,
                          "server let us in without the exchange that channel_binding=require demands");
    if (a->step == REDWI_AUTH_ANY && !listed(a, REDWI_LOGIN_NONE))
        return auth_error(a, REDW_EAUTH,
                          "server let us in without asking for anything, which require_auth does not allow");
    /* Whoever does not know the password would like to end the exchange just here. */
    if (a->step != REDWI_AUTH_ANY && a->step != REDWI_AUTH_ANSWERED && a->step != REDWI_AUTH_VERIFIED)
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

    if (code == REDWI_AUTH_CODE_OK)
        return accepted(a, rest, rest_len);
    if (code == REDWI_AUTH_CODE_SASL && a->step == REDWI_AUTH_ANY)
        return sasl_begin(a, rest, rest_len, out);
    if (code == REDWI_AUTH_CODE_SASL_CONTINUE && a->step == REDWI_AUTH_FIRST_SENT)
        return sasl_continue(a, rest, rest_len);
    if (code == REDWI_AUTH_CODE_SASL_FINAL && a->step == REDWI_AUTH_FINAL_SENT)
        return sasl_final(a, rest, rest_len);
    if (code >= REDWI_AUTH_CODE_SASL && code <= REDWI_AUTH_CODE_SASL_FINAL)
        return auth_error(a, REDW_EPROTOCOL, "SASL message out of order");
    return ask_other(a, code, rest, rest_len, out);
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
