/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's messages, read. As strict as the client's own reader: a body ends at its last byte, and
 * counts are checked against the bytes that follow before anyone sizes anything by them.
 */
#include "wire/fe_read.h"

#define PROTOCOL_MAJOR 3
#define SSL_REQUEST_CODE 80877103u
#define CANCEL_REQUEST_CODE 80877102u
#define GSSENC_REQUEST_CODE 80877104u
#define DIGEST_BYTES 32
#define KIB ((size_t)1024)
#define MESSAGE_MAX ((size_t)0x3fffffff)
#define SECRET_MAX (64 * KIB + 256) /* a password or token of 64 KiB and what is around it */
#define KEY_MIN 4
#define KEY_MAX 256

struct limit {
    char type;
    bool login;      /* part of an authentication exchange, too */
    size_t min, max; /* of the length word, which counts itself */
};

static const struct limit limits[] = {
    {'B', false, 12, MESSAGE_MAX}, /* Bind */
    {'C', false, 6, 64 * KIB},     /* Close */
    {'D', false, 6, 64 * KIB},     /* Describe */
    {'E', false, 9, 64 * KIB},     /* Execute */
    {'F', false, 14, MESSAGE_MAX}, /* FunctionCall */
    {'H', false, 4, 4},            /* Flush */
    {'P', false, 8, MESSAGE_MAX},  /* Parse */
    {'Q', false, 5, MESSAGE_MAX},  /* Query */
    {'S', false, 4, 4},            /* Sync */
    {'X', true, 4, 4},             /* Terminate */
    {'c', false, 4, 4},            /* CopyDone */
    {'d', false, 4, MESSAGE_MAX},  /* CopyData; */
    {'d', true, 12, SECRET_MAX},   /* ...during login: digest */
    {'f', false, 5, 64 * KIB},     /* CopyFail */
    {'i', true, 4, SECRET_MAX},    /* token */
    {'p', true, 4, SECRET_MAX},    /* PasswordMessage, SASL... */
};

bool redwi_fe_limits(char type, bool logged_in, size_t *min, size_t *max)
{
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (limits[i].type != type || (limits[i].login == logged_in && type != 'X'))
            continue;
        *min = limits[i].min;
        *max = limits[i].max;
        return true;
    }
    return false;
}

/* {name, value} pairs, ended by an empty name. Finds one on the way; value->ptr NULL: not there. */
static bool read_pairs(struct redwi_cursor *c, const char *name, redw_slice *value)
{
    size_t want = strlen(name);
    *value = (redw_slice){NULL, 0};
    for (;;) {
        redw_slice have = redwi_cursor_text(c);
        if (!have.len)
            return redwi_cursor_done(c);
        redw_slice text = redwi_cursor_text(c);
        if (have.len == want && memcmp(have.ptr, name, want) == 0)
            *value = text;
    }
}

bool redwi_fe_first(const uint8_t *body, size_t len, enum redwi_first *kind)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    uint32_t code = redwi_cursor_u32(&c);
    redw_slice none;
    if (code == SSL_REQUEST_CODE) {
        *kind = REDWI_FIRST_SSL;
        return redwi_cursor_done(&c);
    }
    if (code == GSSENC_REQUEST_CODE) {
        *kind = REDWI_FIRST_GSS;
        return redwi_cursor_done(&c);
    }
    if (code == CANCEL_REQUEST_CODE) {
        uint32_t pid;
        const uint8_t *key;
        size_t key_len;
        *kind = REDWI_FIRST_CANCEL;
        return redwi_fe_read_cancel(body, len, &pid, &key, &key_len);
    }
    *kind = REDWI_FIRST_STARTUP;
    return code >> 16 == PROTOCOL_MAJOR && read_pairs(&c, "", &none);
}

struct redwi_cursor redwi_fe_startup_pairs(const uint8_t *body, size_t len)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    redwi_cursor_u32(&c);
    return c;
}

bool redwi_fe_startup_next(struct redwi_cursor *pairs, redw_slice *name, redw_slice *value)
{
    *name = redwi_cursor_text(pairs);
    if (!name->len)
        return false;
    *value = redwi_cursor_text(pairs);
    return !pairs->bad;
}

redw_slice redwi_fe_startup_value(const uint8_t *body, size_t len, const char *name)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    redw_slice value;
    redwi_cursor_u32(&c);
    return read_pairs(&c, name, &value) ? value : (redw_slice){NULL, 0};
}

bool redwi_fe_read_cancel(const uint8_t *body, size_t len, uint32_t *pid, const uint8_t **key,
                          size_t *key_len)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    uint32_t code = redwi_cursor_u32(&c);
    *pid = redwi_cursor_u32(&c);
    *key_len = redwi_cursor_left(&c);
    *key = redwi_cursor_bytes(&c, *key_len);
    return redwi_cursor_done(&c) && code == CANCEL_REQUEST_CODE && *key_len >= KEY_MIN &&
           *key_len <= KEY_MAX;
}

bool redwi_fe_read_parse(const uint8_t *body, size_t len, struct redwi_parse_msg *out)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    out->statement = redwi_cursor_text(&c);
    out->sql = redwi_cursor_text(&c);
    out->noids = redwi_cursor_u16(&c);
    out->oids = redwi_cursor_bytes(&c, out->noids * sizeof(uint32_t));
    return redwi_cursor_done(&c);
}

/* The n values at c, as a cursor of their own. */
static struct redwi_cursor read_values(struct redwi_cursor *c, size_t n)
{
    struct redwi_cursor values = *c;
    for (size_t i = 0; i < n && !c->bad; i++)
        redwi_cursor_value(c);
    values.end = c->p;
    return values;
}

bool redwi_fe_read_bind(const uint8_t *body, size_t len, struct redwi_bind_msg *out)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    out->portal = redwi_cursor_text(&c);
    out->statement = redwi_cursor_text(&c);
    out->nformats = redwi_cursor_u16(&c);
    out->formats = redwi_cursor_bytes(&c, out->nformats * sizeof(uint16_t));
    out->nvalues = redwi_cursor_u16(&c);
    out->values = read_values(&c, out->nvalues);
    out->nresult_formats = redwi_cursor_u16(&c);
    out->result_formats = redwi_cursor_bytes(&c, out->nresult_formats * sizeof(uint16_t));
    /* None, one for all, or one for each. */
    return redwi_cursor_done(&c) && (out->nformats <= 1 || out->nformats == out->nvalues);
}

bool redwi_fe_read_describe(const uint8_t *body, size_t len, char *what, redw_slice *name)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    *what = (char)redwi_cursor_u8(&c);
    *name = redwi_cursor_text(&c);
    return redwi_cursor_done(&c) && (*what == 'S' || *what == 'P');
}

bool redwi_fe_read_execute(const uint8_t *body, size_t len, redw_slice *portal, uint32_t *max_rows)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    *portal = redwi_cursor_text(&c);
    *max_rows = redwi_cursor_u32(&c);
    return redwi_cursor_done(&c);
}

bool redwi_fe_read_query(const uint8_t *body, size_t len, redw_slice *sql)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    *sql = redwi_cursor_text(&c);
    return redwi_cursor_done(&c);
}

bool redwi_fe_read_copy_fail(const uint8_t *body, size_t len, redw_slice *why)
{
    return redwi_fe_read_query(body, len, why);
}

bool redwi_fe_read_function_call(const uint8_t *body, size_t len, struct redwi_function_call *out)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    out->oid = redwi_cursor_u32(&c);
    out->nformats = redwi_cursor_u16(&c);
    out->formats = redwi_cursor_bytes(&c, out->nformats * sizeof(uint16_t));
    out->nvalues = redwi_cursor_u16(&c);
    out->values = read_values(&c, out->nvalues);
    out->result_format = redwi_cursor_u16(&c);
    return redwi_cursor_done(&c) && (out->nformats <= 1 || out->nformats == out->nvalues);
}

bool redwi_fe_read_password(const uint8_t *body, size_t len, redw_slice *text)
{
    return redwi_fe_read_query(body, len, text);
}

bool redwi_fe_read_sasl_initial(const uint8_t *body, size_t len, redw_slice *mechanism, redw_slice *data)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    *mechanism = redwi_cursor_text(&c);
    *data = redwi_cursor_value(&c);
    return redwi_cursor_done(&c);
}

bool redwi_fe_read_digest(const uint8_t *body, size_t len, const uint8_t **digest, redw_slice *nonce)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    redw_slice hash = redwi_cursor_value(&c);
    *digest = (const uint8_t *)hash.ptr;
    *nonce = redwi_cursor_value(&c);
    return redwi_cursor_done(&c) && hash.len == DIGEST_BYTES && nonce->ptr;
}

bool redwi_fe_read_token(const uint8_t *body, size_t len, redw_slice *token)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    if (len && body[len - 1] == 0)
        len--;
    *token = (redw_slice){(const char *)redwi_cursor_bytes(&c, len), len};
    return !memchr(token->ptr, 0, len);
}
