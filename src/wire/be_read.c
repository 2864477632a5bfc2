/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's messages, read. The server is hostile input: every reader goes through a cursor, ends
 * exactly at the body's last byte, and checks a count before anything is sized by it.
 */
#include "wire/be_read.h"

#define KIB ((size_t)1024)
#define MIB (KIB * 1024)

#define MESSAGE_MAX ((size_t)0x3fffffff) /* 1 GiB - 1: what a PostgreSQL server can send at all */
#define COLUMNS_MAX 1664                 /* MaxTupleAttributeNumber */
#define PARAMETERS_MAX 32767
#define KEY_MIN 4   /* protocol 3.0 ... */
#define KEY_MAX 256 /* ... and 3.2 */

#define TO_DATA_MAX 0 /* in the table: the caller's bound */

struct limit {
    char type;
    size_t min, max; /* of the length word, which counts itself */
};

static const struct limit limits[] = {
    {'1', 4, 4},                        /* ParseComplete */
    {'2', 4, 4},                        /* BindComplete */
    {'3', 4, 4},                        /* CloseComplete */
    {'A', 10, 64 * KIB},                /* NotificationResponse */
    {'C', 5, 1 * KIB},                  /* CommandComplete */
    {'D', 6, TO_DATA_MAX},              /* DataRow */
    {'E', 5, 1 * MIB},                  /* ErrorResponse */
    {'G', 7, 7 + 2 * COLUMNS_MAX},      /* CopyInResponse */
    {'H', 7, 7 + 2 * COLUMNS_MAX},      /* CopyOutResponse */
    {'I', 4, 4},                        /* EmptyQueryResponse */
    {'K', 8 + KEY_MIN, 8 + KEY_MAX},    /* BackendKeyData */
    {'N', 5, 1 * MIB},                  /* NoticeResponse */
    {'R', 8, 64 * KIB},                 /* Authentication... */
    {'S', 6, 64 * KIB},                 /* ParameterStatus */
    {'T', 6, 4 * MIB},                  /* RowDescription */
    {'V', 8, 64 * KIB},                 /* FunctionCallResponse: never asked for */
    {'W', 7, 7 + 2 * COLUMNS_MAX},      /* CopyBothResponse */
    {'Z', 5, 5},                        /* ReadyForQuery */
    {'c', 4, 4},                        /* CopyDone */
    {'d', 4, TO_DATA_MAX},              /* CopyData */
    {'n', 4, 4},                        /* NoData */
    {'s', 4, 4},                        /* PortalSuspended */
    {'t', 6, 6 + 4 * PARAMETERS_MAX},   /* ParameterDescription */
    {'v', 12, 64 * KIB},                /* NegotiateProtocolVersion */
};

/* Before login nobody has proved who they are: libpq's bound for an error then. */
#define ERROR_MAX_BEFORE_LOGIN 30000

bool redwi_be_limits(char type, bool logged_in, size_t data_max, size_t *min, size_t *max)
{
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (limits[i].type != type)
            continue;
        *min = limits[i].min;
        *max = limits[i].max;
        if (*max == TO_DATA_MAX)
            *max = data_max < MESSAGE_MAX ? data_max : MESSAGE_MAX;
        if (type == 'E' && !logged_in)
            *max = ERROR_MAX_BEFORE_LOGIN;
        return true;
    }
    return false;
}

static void read_field(struct redwi_cursor *c, struct redwi_field *f)
{
    f->name = redwi_cursor_text(c);
    f->table_oid = redwi_cursor_u32(c);
    f->attribute = (int16_t)redwi_cursor_u16(c);
    f->type_oid = redwi_cursor_u32(c);
    f->type_size = (int16_t)redwi_cursor_u16(c);
    f->typmod = (int32_t)redwi_cursor_u32(c);
    f->format = redwi_cursor_u16(c);
}

bool redwi_be_row_description(const uint8_t *body, size_t len, size_t *ncolumns)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    *ncolumns = redwi_cursor_u16(&c);
    if (*ncolumns > COLUMNS_MAX)
        return false;
    for (size_t i = 0; i < *ncolumns && !c.bad; i++) {
        struct redwi_field f;
        read_field(&c, &f);
        if (f.format > 1)
            return false;
    }
    return redwi_cursor_done(&c);
}

void redwi_be_field_next(const uint8_t *body, size_t len, const uint8_t **at, struct redwi_field *out)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    if (*at)
        c.p = *at;
    else
        redwi_cursor_u16(&c);
    read_field(&c, out);
    *at = c.p;
}

bool redwi_be_parameter_status(const uint8_t *body, size_t len, redw_slice *name, redw_slice *value)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    *name = redwi_cursor_text(&c);
    *value = redwi_cursor_text(&c);
    return redwi_cursor_done(&c);
}

bool redwi_be_key_data(const uint8_t *body, size_t len, uint32_t *pid, const uint8_t **key,
                       size_t *key_len)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    *pid = redwi_cursor_u32(&c);
    *key_len = redwi_cursor_left(&c);
    *key = redwi_cursor_bytes(&c, *key_len);
    return redwi_cursor_done(&c) && *key_len >= KEY_MIN && *key_len <= KEY_MAX;
}

bool redwi_be_ready(const uint8_t *body, size_t len, char *status)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    *status = (char)redwi_cursor_u8(&c);
    return redwi_cursor_done(&c) && (*status == 'I' || *status == 'T' || *status == 'E');
}

bool redwi_be_command_complete(const uint8_t *body, size_t len, redw_slice *tag)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    *tag = redwi_cursor_text(&c);
    return redwi_cursor_done(&c);
}

bool redwi_be_authentication(const uint8_t *body, size_t len, uint32_t *code, const uint8_t **rest,
                             size_t *rest_len)
{
    struct redwi_cursor c = redwi_cursor_of(body, len);
    *code = redwi_cursor_u32(&c);
    *rest_len = redwi_cursor_left(&c);
    *rest = redwi_cursor_bytes(&c, *rest_len);
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
