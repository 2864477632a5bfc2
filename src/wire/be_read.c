/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's messages, read. The server is hostile input: every reader goes through a cursor, ends
 * exactly at the body's last byte, and checks a count before anything is sized by it.
 */
#include "wire/be_read.h"

#include "wire/buf.h"

#define KIB 1024u
#define MIB (KIB * 1024)

#define COLUMNS_MAX 1664                 /* MaxTupleAttributeNumber */
#define PARAMETERS_MAX 32767
#define PROTOCOL_MAJOR 3
#define KEY_MIN 4                        /* protocol 3.0 */

/* Before login nobody has proved who they are: libpq's bound for an error then. */
#define ERROR_MAX_BEFORE_LOGIN 30000
#define ERROR_MAX              (1 * MIB)

#define BETWEEN(min, max) {(min), (max) - (min) + 1}
#define EXACTLY(length)   BETWEEN(length, length)
#define DATA(min)         BETWEEN(min, (uint32_t)REDWI_DATA_ROW_LEAST) /* and as long as the owner allows */

const struct redwi_be_bounds redwi_be_bounds[128] = { /* of the length word, which counts itself */
    ['1'] = EXACTLY(4),                              /* ParseComplete */
    ['2'] = EXACTLY(4),                              /* BindComplete */
    ['3'] = EXACTLY(4),                              /* CloseComplete */
    ['A'] = BETWEEN(10, 64 * KIB),                   /* NotificationResponse */
    ['C'] = BETWEEN(5, 1 * KIB),                     /* CommandComplete */
    ['D'] = DATA(6),                                 /* DataRow */
    ['E'] = BETWEEN(5, ERROR_MAX_BEFORE_LOGIN),      /* ErrorResponse; later ERROR_MAX */
    ['G'] = BETWEEN(7, 7 + 2 * COLUMNS_MAX),         /* CopyInResponse */
    ['H'] = BETWEEN(7, 7 + 2 * COLUMNS_MAX),         /* CopyOutResponse */
    ['I'] = EXACTLY(4),                              /* EmptyQueryResponse */
    ['K'] = BETWEEN(8 + KEY_MIN, 8 + REDWI_KEY_MAX), /* BackendKeyData */
    ['N'] = BETWEEN(5, 1 * MIB),                     /* NoticeResponse */
    ['R'] = BETWEEN(8, 64 * KIB),                    /* Authentication... */
    ['S'] = BETWEEN(6, 64 * KIB),                    /* ParameterStatus */
    ['T'] = BETWEEN(6, 4 * MIB),                     /* RowDescription */
    ['V'] = BETWEEN(8, 64 * KIB),                    /* FunctionCallResponse: never asked for */
    ['W'] = BETWEEN(7, 7 + 2 * COLUMNS_MAX),         /* CopyBothResponse */
    ['Z'] = EXACTLY(5),                              /* ReadyForQuery */
    ['c'] = EXACTLY(4),                              /* CopyDone */
    ['d'] = DATA(4),                                 /* CopyData */
    ['k'] = EXACTLY(5),                              /* Redshift: another compression from here on */
    ['m'] = DATA(4),                                 /* Redshift: compressed bytes */
    ['n'] = EXACTLY(4),                              /* NoData */
    ['s'] = EXACTLY(4),                              /* PortalSuspended */
    ['t'] = BETWEEN(6, 6 + 4 * PARAMETERS_MAX),      /* ParameterDescription */
    ['v'] = BETWEEN(12, 64 * KIB),                   /* NegotiateProtocolVersion */
    ['z'] = BETWEEN(5, 64 * KIB),                    /* Redshift: compression agreed upon */
};

bool redwi_be_limits(char type, bool logged_in, size_t data_max, size_t *min, size_t *max)
{
    size_t i = (uint8_t)type;
    if (i >= sizeof redwi_be_bounds / sizeof redwi_be_bounds[0] || !redwi_be_bounds[i].span)
        return false;
    *min = redwi_be_bounds[i].min;
    *max = *min + redwi_be_bounds[i].span - 1;
    if (type == 'E' && logged_in)
        *max = ERROR_MAX;
    if (type == 'D' || type == 'd' || type == 'm')
        *max = data_max < REDWI_MESSAGE_MAX ? data_max : REDWI_MESSAGE_MAX;
    return true;
}

/* --- login -------------------------------------------------------------------------------------- */

bool redwi_be_authentication(const uint8_t *body, size_t len, uint32_t *code, const uint8_t **rest,
                             size_t *rest_len)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    *code = redwi_cursor_u32(&c);
    *rest_len = redwi_cursor_left(&c);
    *rest = redwi_cursor_bytes(&c, *rest_len);
    return redwi_cursor_done(&c);
}

bool redwi_be_no_more(const uint8_t *rest, size_t len)
{
    struct redwi_cursor c = redwi_cursor_of(rest, len);
    return redwi_cursor_done(&c);
}

bool redwi_be_md5_salt(const uint8_t *rest, size_t len, const uint8_t **salt)
{
    struct redwi_cursor c = redwi_cursor_of(rest, len);
    *salt = redwi_cursor_bytes(&c, 4);
    return redwi_cursor_done(&c);
}

bool redwi_be_sasl_offers(const uint8_t *rest, size_t len, const char *mechanism, bool *offered)
{
    struct redwi_cursor c = redwi_cursor_of(rest, len);
    size_t want = strlen(mechanism);
    *offered = false;
    for (;;) {
        redw_slice name = redwi_cursor_text(&c);
        if (!name.len)
            return redwi_cursor_done(&c); /* the empty name ends the list */
        if (name.len == want && memcmp(name.ptr, mechanism, want) == 0)
            *offered = true;
    }
}

/* Int32 length and bytes, as of a value, but never NULL. */
static const uint8_t *digest_part(struct redwi_cursor *c, size_t *n)
{
    *n = redwi_cursor_u32(c);
    if (*n > REDWI_DIGEST_PART_MAX)
        c->bad = true;
    return redwi_cursor_bytes(c, *n);
}

bool redwi_be_digest_request(const uint8_t *rest, size_t len, struct redwi_digest_request *out)
{
    struct redwi_cursor c = redwi_cursor_of(rest, len);
    out->algorithm = redwi_cursor_u32(&c);
    out->salt = digest_part(&c, &out->salt_len);
    out->nonce = digest_part(&c, &out->nonce_len);
    return redwi_cursor_done(&c);
}

bool redwi_be_digest_ok(const struct redwi_digest_request *request)
{
    return request->algorithm == 0 && request->salt_len && request->nonce_len;
}

bool redwi_be_key_data(const uint8_t *body, size_t len, uint32_t *pid, const uint8_t **key,
                       size_t *key_len)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    *pid = redwi_cursor_u32(&c);
    *key_len = redwi_cursor_left(&c);
    *key = redwi_cursor_bytes(&c, *key_len);
    return redwi_cursor_done(&c) && *key_len >= KEY_MIN && *key_len <= REDWI_KEY_MAX;
}

/* Servers up to PostgreSQL 17 send the whole version, 3 << 16 | minor; the documentation says minor. */
static bool minor_of(uint32_t version, unsigned *minor)
{
    *minor = version & 0xffff;
    return version >> 16 == 0 || version >> 16 == PROTOCOL_MAJOR;
}

bool redwi_be_negotiate(const uint8_t *body, size_t len, struct redwi_negotiate *out)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    uint32_t version = redwi_cursor_u32(&c);
    out->nnames = redwi_cursor_u32(&c);
    out->names = c;
    if (out->nnames > redwi_cursor_left(&c)) /* each has its NUL */
        return false;
    for (size_t i = 0; i < out->nnames && !c.bad; i++)
        redwi_cursor_text(&c);
    return redwi_cursor_done(&c) && minor_of(version, &out->minor);
}

bool redwi_be_compression(const uint8_t *body, size_t len, redw_slice *algorithms)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    *algorithms = redwi_cursor_text(&c);
    return redwi_cursor_done(&c);
}

bool redwi_be_compression_switch(const uint8_t *body, size_t len, uint8_t *index)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    *index = redwi_cursor_u8(&c);
    return redwi_cursor_done(&c);
}

bool redwi_be_parameter_status(const uint8_t *body, size_t len, redw_slice *name, redw_slice *value)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    *name = redwi_cursor_text(&c);
    *value = redwi_cursor_text(&c);
    return redwi_cursor_done(&c);
}

bool redwi_be_row_version(redw_slice value, unsigned *version)
{
    if (value.len != 1 || value.ptr[0] < '0' || value.ptr[0] > '0' + REDWI_ROW_VERSION_MAX)
        return false;
    *version = (unsigned)(value.ptr[0] - '0');
    return true;
}

/* --- rows --------------------------------------------------------------------------------------- */

static void read_field(struct redwi_cursor *c, bool tail, struct redwi_field *f)
{
    *f = (struct redwi_field){.name = redwi_cursor_text(c)};
    f->table_oid = redwi_cursor_u32(c);
    f->attribute = (int16_t)redwi_cursor_u16(c);
    f->type_oid = redwi_cursor_u32(c);
    f->type_size = (int16_t)redwi_cursor_u16(c);
    f->typmod = (int32_t)redwi_cursor_u32(c);
    f->format = redwi_cursor_u16(c);
    if (!tail)
        return;
    f->schema = redwi_cursor_text(c);
    f->table = redwi_cursor_text(c);
    f->column = redwi_cursor_text(c);
    f->catalog = redwi_cursor_text(c);
    f->flags = redwi_cursor_u16(c);
}

/* All n fields, and nothing behind them? */
static bool fields_have_layout(struct redwi_cursor c, size_t n, bool tail)
{
    for (size_t i = 0; i < n && !c.bad; i++) {
        struct redwi_field f;
        read_field(&c, tail, &f);
        if (f.format > 1)
            return false;
    }
    return redwi_cursor_done(&c);
}

bool redwi_be_row_description(const uint8_t *body, size_t len, unsigned version, struct redwi_columns *out)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    out->n = redwi_cursor_u16(&c);
    out->version = version;
    out->formats = NULL;
    out->serial = 0;
    out->fields = c;
    if (out->n > COLUMNS_MAX)
        return false;
    if (version && fields_have_layout(c, out->n, true))
        return true;
    out->version = 0;
    return fields_have_layout(c, out->n, false);
}

void redwi_be_field_next(struct redwi_columns *columns, struct redwi_field *out)
{
    read_field(&columns->fields, columns->version > 0, out);
    if (columns->formats)
        out->format = *columns->formats++;
}

bool redwi_be_data_row(const uint8_t *body, size_t len, size_t *n, struct redwi_cursor *values)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    *n = redwi_cursor_u16(&c);
    *values = c;
    for (size_t i = 0; i < *n && !c.bad; i++)
        redwi_cursor_value(&c);
    return redwi_cursor_done(&c);
}

bool redwi_be_parameter_description(const uint8_t *body, size_t len, const uint8_t **oids, size_t *n)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    *n = redwi_cursor_u16(&c);
    *oids = redwi_cursor_bytes(&c, *n * sizeof(uint32_t));
    return redwi_cursor_done(&c) && *n <= PARAMETERS_MAX;
}

/* --- the rest ----------------------------------------------------------------------------------- */

int64_t redwi_be_tag_count(const char *tag, size_t len)
{
    size_t at = len;
    while (at && tag[at - 1] >= '0' && tag[at - 1] <= '9')
        at--;
    if (at == len || !at || tag[at - 1] != ' ')
        return -1;
    int64_t count = 0;
    for (; at < len; at++) {
        bool over = __builtin_mul_overflow(count, 10, &count);
        if (over || __builtin_add_overflow(count, tag[at] - '0', &count))
            return -1; /* no count is better than a wrong one */
    }
    return count;
}

bool redwi_be_fields_ok(const uint8_t *body, size_t len)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    while (redwi_cursor_u8(&c))
        redwi_cursor_text(&c);
    return redwi_cursor_done(&c);
}

redw_slice redwi_be_field(const uint8_t *body, size_t len, char letter)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    uint8_t have;
    while ((have = redwi_cursor_u8(&c)) != 0) {
        redw_slice text = redwi_cursor_text(&c);
        if (have == (uint8_t)letter && !c.bad)
            return text;
    }
    return (redw_slice){NULL, 0};
}

bool redwi_be_notification(const uint8_t *body, size_t len, struct redwi_notification *out)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    out->pid = redwi_cursor_u32(&c);
    out->channel = redwi_cursor_text(&c);
    out->payload = redwi_cursor_text(&c);
    return redwi_cursor_done(&c);
}

bool redwi_be_copy_response(const uint8_t *body, size_t len, struct redwi_copy_response *out)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    out->format = redwi_cursor_u8(&c);
    out->ncolumns = redwi_cursor_u16(&c);
    out->formats = redwi_cursor_bytes(&c, out->ncolumns * sizeof(uint16_t));
    if (!redwi_cursor_done(&c) || out->format > 1 || out->ncolumns > COLUMNS_MAX)
        return false;
    for (size_t i = 0; i < out->ncolumns; i++) {
        if (redwi_load16(out->formats + i * sizeof(uint16_t)) > out->format)
            return false; /* in a textual COPY every column is text */
    }
    return true;
}

bool redwi_be_function_result(const uint8_t *body, size_t len, redw_slice *value)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    *value = redwi_cursor_value(&c);
    return redwi_cursor_done(&c);
}
