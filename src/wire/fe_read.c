/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's messages, read. As strict as the client's own reader: a body ends at its last byte, and
 * counts are checked against the bytes that follow before anyone sizes anything by them.
 */
#include "wire/fe_read.h"

#define PROTOCOL_MAJOR 3
#define SSL_REQUEST_CODE 80877103u
#define CANCEL_REQUEST_CODE 80877102u
#define KEY_MIN 4
#define KEY_MAX 256

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

/* Steps over n values; lengths below -1 mean nothing and are refused. */
static void skip_values(struct redwi_cursor *c, size_t n)
{
    for (size_t i = 0; i < n && !c->bad; i++) {
        uint32_t length = redwi_cursor_u32(c);
        if (length != UINT32_MAX)
            redwi_cursor_bytes(c, length); /* a negative one is longer than any body */
    }
}

bool redwi_fe_read_bind(const uint8_t *body, size_t len, struct redwi_bind_msg *out)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    out->portal = redwi_cursor_text(&c);
    out->statement = redwi_cursor_text(&c);
    out->nformats = redwi_cursor_u16(&c);
    out->formats = redwi_cursor_bytes(&c, out->nformats * sizeof(uint16_t));
    out->nvalues = redwi_cursor_u16(&c);
    out->values = c;
    skip_values(&c, out->nvalues);
    out->values.end = c.p;
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

bool redwi_fe_read_sasl_initial(const uint8_t *body, size_t len, redw_slice *mechanism, redw_slice *data)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    *mechanism = redwi_cursor_text(&c);
    uint32_t n = redwi_cursor_u32(&c);
    *data = (redw_slice){NULL, 0};
    if (n != UINT32_MAX)
        *data = (redw_slice){(const char *)redwi_cursor_bytes(&c, n), n};
    return redwi_cursor_done(&c);
}
