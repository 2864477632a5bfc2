/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec, there and back: a body that a reader accepts is written again from what was read, and gives the
 * same bytes; where one thing can be said in two ways, it is read a second time and says the same.
 *
 * Input: a side (F client, B server, L answers and requests of a login, 0 first packet), a type, the body. What
 * was written has a line in the trace that finds nothing wrong with it. Any other side: a stream for the
 * trace, in two partitions.
 */
#include "wire/be_read.h"
#include "wire/be_write.h"
#include "wire/fe_read.h"
#include "wire/fe_write.h"
#include "wire/mem.h"
#include "wire/trace.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct redwi_buf out;

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* The one message written is this body behind `header` bytes. */
static void same(size_t header, const uint8_t *body, size_t len)
{
    must(!out.failed && redwi_buf_len(&out) == header + len);
    must(redwi_load32(redwi_buf_front(&out) + header - 4) == len + 4);
    must(!len || memcmp(redwi_buf_front(&out) + header, body, len) == 0);
}

/* The same of an authentication request, behind its code. */
static void same_rest(uint32_t code, const uint8_t *rest, size_t len)
{
    must(!out.failed && redwi_buf_len(&out) == 9 + len && redwi_load32(redwi_buf_front(&out) + 5) == code);
    must(!len || memcmp(redwi_buf_front(&out) + 9, rest, len) == 0);
}

static bool equal(redw_slice a, redw_slice b)
{
    return !a.ptr == !b.ptr && a.len == b.len && (!a.len || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static const uint8_t *written(size_t header, size_t *len)
{
    must(!out.failed && redwi_buf_len(&out) >= header);
    *len = redwi_buf_len(&out) - header;
    return redwi_buf_front(&out) + header;
}

/* ---- first packets ---- */

static void first_packet(const uint8_t *body, size_t len)
{
    static struct redwi_startup_pair pairs[4096];
    enum redwi_first kind;
    redw_slice name, value;
    size_t n = 0;
    if (!redwi_fe_first(body, len, &kind))
        return;
    if (kind == REDWI_FIRST_SSL) {
        redwi_fe_ssl_request(&out);
        same(4, body, len);
    } else if (kind == REDWI_FIRST_CANCEL) {
        uint32_t pid;
        const uint8_t *key;
        size_t key_len;
        must(redwi_fe_read_cancel(body, len, &pid, &key, &key_len));
        redwi_fe_cancel_request(&out, pid, key, key_len);
        same(4, body, len);
    } else if (kind == REDWI_FIRST_STARTUP) {
        struct redwi_cursor left = redwi_fe_startup_pairs(body, len);
        while (redwi_fe_startup_next(&left, &name, &value)) {
            if (n == sizeof pairs / sizeof pairs[0])
                return;
            pairs[n++] = (struct redwi_startup_pair){name.ptr, value.ptr};
            must(redwi_fe_startup_value(body, len, name.ptr).ptr != NULL);
        }
        must(redwi_cursor_done(&left));
        redwi_fe_startup(&out, pairs, n);
        if (redwi_load32(body) == 0x30000)
            same(4, body, len);
    }
}

/* ---- logins ---- */

static void login(char type, const uint8_t *body, size_t len)
{
    redw_slice a, b;
    const uint8_t *p;
    struct redwi_digest_request request;
    bool offered;
    size_t n;
    switch (type) {
    case 'p':
        if (redwi_fe_read_password(body, len, &a)) {
            redwi_fe_password(&out, a.ptr, a.len);
            same(5, body, len);
        }
        break;
    case 's':
        if (redwi_fe_read_sasl_initial(body, len, &a, &b)) {
            redwi_fe_sasl_initial(&out, a.ptr, b.ptr, b.len);
            same(5, body, len);
        }
        break;
    case 'd':
        if (redwi_fe_read_digest(body, len, &p, &a)) {
            redwi_fe_digest(&out, p, (const uint8_t *)a.ptr, a.len);
            same(5, body, len);
        }
        break;
    case 'i':
        if (redwi_fe_read_token(body, len, &a)) {
            redwi_fe_token(&out, a.ptr, a.len);
            const uint8_t *again = written(5, &n);
            must(redwi_fe_read_token(again, n, &b) && equal(a, b));
        }
        break;
    case 'D':
        if (redwi_be_digest_request(body, len, &request)) {
            must(request.salt_len <= REDWI_DIGEST_PART_MAX && request.nonce_len <= REDWI_DIGEST_PART_MAX);
            must(redwi_be_digest_ok(&request) ==
                 (request.algorithm == 0 && request.salt_len > 0 && request.nonce_len > 0));
            redwi_be_put_digest_request(&out, &request);
            same_rest(REDWI_AUTH_CODE_DIGEST, body, len);
        }
        break;
    case 'S':
        if (redwi_be_sasl_offers(body, len, "SCRAM-SHA-256", &offered))
            must(!offered || memmem(body, len, "SCRAM-SHA-256", 14));
        break;
    default:
        if (redwi_be_md5_salt(body, len, &p))
            must(len == 4 && p == body);
        break;
    }
}

/* ---- what the client says ---- */

static size_t values_of(struct redwi_cursor c, size_t n, redw_slice *values)
{
    for (size_t i = 0; i < n; i++)
        values[i] = redwi_cursor_value(&c);
    must(redwi_cursor_done(&c));
    return n;
}

static redw_slice values[65536];

static void bind(const uint8_t *body, size_t len)
{
    static uint8_t formats[65536];
    struct redwi_bind_msg m;
    if (!redwi_fe_read_bind(body, len, &m))
        return;
    values_of(m.values, m.nvalues, values);
    bool ours = m.nformats == m.nvalues && m.nresult_formats == 1;
    for (size_t i = 0; i < m.nformats; i++) {
        uint16_t format = redwi_load16(m.formats + 2 * i);
        formats[i] = (uint8_t)format;
        ours = ours && format < 256;
    }
    if (!ours)
        return; /* the writer says it in one way of several */
    size_t at = redwi_fe_bind_begin(&out, m.portal.ptr, m.statement.ptr, formats, m.nvalues);
    for (size_t i = 0; i < m.nvalues; i++) {
        if (!values[i].ptr) {
            redwi_fe_bind_null(&out);
            continue;
        }
        size_t v = redwi_fe_bind_value(&out);
        redwi_buf_bytes(&out, values[i].ptr, values[i].len);
        redwi_fe_bind_value_end(&out, v);
    }
    redwi_fe_bind_end(&out, at, redwi_load16(m.result_formats));
    same(5, body, len);
}

static uint32_t oids[65536];

static void load_oids(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        oids[i] = redwi_load32(p + 4 * i);
}

static void client(char type, const uint8_t *body, size_t len)
{
    redw_slice a;
    char what;
    uint32_t number;
    struct redwi_parse_msg parse;
    struct redwi_function_call call;
    switch (type) {
    case 'B':
        bind(body, len);
        break;
    case 'C':
    case 'D':
        if (redwi_fe_read_describe(body, len, &what, &a)) {
            if (type == 'C')
                (what == 'S' ? redwi_fe_close_statement : redwi_fe_close_portal)(&out, a.ptr);
            else
                (what == 'S' ? redwi_fe_describe_statement : redwi_fe_describe_portal)(&out, a.ptr);
            same(5, body, len);
        }
        break;
    case 'E':
        if (redwi_fe_read_execute(body, len, &a, &number)) {
            redwi_fe_execute(&out, a.ptr, number);
            same(5, body, len);
        }
        break;
    case 'F':
        if (redwi_fe_read_function_call(body, len, &call)) {
            values_of(call.values, call.nvalues, values);
            if (call.nformats != 1)
                break;
            redwi_fe_function_call(&out, call.oid, redwi_load16(call.formats), values, call.nvalues,
                                   call.result_format);
            same(5, body, len);
        }
        break;
    case 'P':
        if (redwi_fe_read_parse(body, len, &parse)) {
            load_oids(parse.oids, parse.noids);
            redwi_fe_parse(&out, parse.statement.ptr, parse.sql.ptr, parse.sql.len, oids, parse.noids);
            same(5, body, len);
        }
        break;
    case 'Q':
        if (redwi_fe_read_query(body, len, &a)) {
            redwi_fe_query(&out, a.ptr, a.len);
            same(5, body, len);
        }
        break;
    case 'f':
        if (redwi_fe_read_copy_fail(body, len, &a)) {
            redwi_fe_copy_fail(&out, a.ptr);
            same(5, body, len);
        }
        break;
    default:
        break;
    }
}

/* ---- what the server says ---- */

static void columns(const uint8_t *body, size_t len, unsigned version)
{
    static struct redwi_field fields[1664];
    struct redwi_columns c;
    redwi_buf_cut(&out, 0);
    if (!redwi_be_row_description(body, len, version, &c))
        return;
    must(c.n <= 1664 && (c.version == version || c.version == 0));
    size_t n = c.n;
    for (size_t i = 0; i < n; i++) {
        redwi_be_field_next(&c, &fields[i]);
        must(!fields[i].schema.ptr == (c.version == 0));
    }
    must(redwi_cursor_done(&c.fields));
    redwi_be_put_row_description(&out, fields, n);
    same(5, body, len);
}

static void fields(const uint8_t *body, size_t len)
{
    if (!redwi_be_fields_ok(body, len))
        return;
    static struct redwi_error_field list[4096];
    size_t n = 0;
    for (size_t at = 0; body[at];) {
        list[n] = (struct redwi_error_field){(char)body[at], (const char *)body + at + 1};
        must(redwi_be_field(body, len, list[n].letter).ptr != NULL);
        at += 2 + strlen(list[n].text);
        if (++n == sizeof list / sizeof list[0])
            return;
    }
    list[n].letter = 0;
    redwi_be_put_error(&out, 'E', list);
    same(5, body, len);
}

static void negotiate(const uint8_t *body, size_t len)
{
    static const char *names[4096];
    struct redwi_negotiate v;
    if (!redwi_be_negotiate(body, len, &v) || v.nnames > sizeof names / sizeof names[0])
        return;
    for (size_t i = 0; i < v.nnames; i++)
        names[i] = redwi_cursor_text(&v.names).ptr;
    must(redwi_cursor_done(&v.names));
    must((redwi_load32(body) & 0xffff) == v.minor);
    redwi_be_put_negotiate(&out, redwi_load32(body), names, v.nnames);
    same(5, body, len);
}

static void copy_response(const uint8_t *body, size_t len)
{
    static uint16_t formats[1664];
    struct redwi_copy_response r;
    if (!redwi_be_copy_response(body, len, &r))
        return;
    must(r.ncolumns <= 1664);
    for (size_t i = 0; i < r.ncolumns; i++)
        formats[i] = redwi_load16(r.formats + 2 * i);
    redwi_be_put_copy_response(&out, 'G', r.format, formats, r.ncolumns);
    same(5, body, len);
}

/* What is said about the session. */
static void server_session(char type, const uint8_t *body, size_t len)
{
    redw_slice a, b;
    const uint8_t *p;
    size_t n;
    uint32_t number;
    uint8_t index;
    char status;
    struct redwi_notification notification;
    unsigned version;
    switch (type) {
    case 'A':
        if (redwi_be_notification(body, len, &notification)) {
            redwi_be_put_notification(&out, notification.pid, notification.channel.ptr, notification.payload.ptr);
            same(5, body, len);
        }
        break;
    case 'K':
        if (redwi_be_key_data(body, len, &number, &p, &n)) {
            redwi_be_put_key_data(&out, number, p, n);
            same(5, body, len);
        }
        break;
    case 'R':
        if (redwi_be_authentication(body, len, &number, &p, &n)) {
            redwi_be_put_authentication(&out, number, p, n);
            same(5, body, len);
        }
        break;
    case 'S':
        if (redwi_be_parameter_status(body, len, &a, &b)) {
            must(!redwi_be_row_version(b, &version) || version <= REDWI_ROW_VERSION_MAX);
            redwi_be_put_parameter_status(&out, a.ptr, b.ptr);
            same(5, body, len);
        }
        break;
    case 'Z':
        if (redwi_be_ready(body, len, &status)) {
            redwi_be_put_ready(&out, status);
            same(5, body, len);
        }
        break;
    case 'k':
        if (redwi_be_compression_switch(body, len, &index)) {
            redwi_be_put_compression_switch(&out, index);
            same(5, body, len);
        }
        break;
    case 'v':
        negotiate(body, len);
        break;
    case 'z':
        if (redwi_be_compression(body, len, &a)) {
            redwi_be_put_compression(&out, a.ptr);
            same(5, body, len);
        }
        break;
    default:
        break;
    }
}

static void server(char type, const uint8_t *body, size_t len)
{
    redw_slice a;
    const uint8_t *p;
    size_t n;
    struct redwi_cursor c;
    switch (type) {
    case 'C':
        if (redwi_be_command_complete(body, len, &a)) {
            must(redwi_be_tag_count(a.ptr, a.len) >= -1);
            redwi_be_put_command_complete(&out, a.ptr);
            same(5, body, len);
        }
        break;
    case 'D':
        if (redwi_be_data_row(body, len, &n, &c)) {
            redwi_be_put_data_row(&out, values, values_of(c, n, values));
            same(5, body, len);
        }
        break;
    case 'E':
        fields(body, len);
        break;
    case 'G':
        copy_response(body, len);
        break;
    case 'T':
        for (unsigned version = 0; version <= REDWI_ROW_VERSION_MAX; version++)
            columns(body, len, version);
        break;
    case 'V':
        if (redwi_be_function_result(body, len, &a)) {
            redwi_be_put_function_result(&out, a);
            same(5, body, len);
        }
        break;
    case 't':
        if (redwi_be_parameter_description(body, len, &p, &n)) {
            load_oids(p, n);
            redwi_be_put_parameter_description(&out, oids, n);
            same(5, body, len);
        }
        break;
    default:
        server_session(type, body, len);
        break;
    }
}

/* ---- the trace ---- */

struct sum {
    uint64_t hash;
    size_t lines;
};

static void add_line(void *ctx, const char *text, size_t n)
{
    struct sum *sum = ctx;
    must(strlen(text) == n && n < REDWI_TRACE_LINE + 64);
    for (size_t i = 0; i < n; i++) {
        must(((uint8_t)text[i] >= 0x20 && text[i] != 0x7f) || text[i] == '\t');
        sum->hash = (sum->hash ^ (uint8_t)text[i]) * 0x100000001b3u;
    }
    sum->lines++;
}

static struct sum trace(const uint8_t *data, size_t size, size_t cut, bool to_server)
{
    struct sum sum = {0};
    struct redwi_trace t;
    redwi_trace_init(&t, to_server, true, add_line, &sum);
    redwi_trace_feed(&t, data, cut);
    redwi_trace_feed(&t, data + cut, size - cut);
    redwi_trace_end(&t);
    return sum;
}

static void trace_stream(const uint8_t *data, size_t size)
{
    for (int to_server = 0; to_server < 2; to_server++) {
        struct sum whole = trace(data, size, 0, to_server), split = trace(data, size, size / 3, to_server);
        must(whole.hash == split.hash && whole.lines == split.lines);
    }
}

/* The message just written is well-formed, and its line says nothing else. */
static void trace_message(bool to_server, enum redwi_trace_phase phase)
{
    static char line[REDWI_TRACE_LINE];
    const struct redwi_trace_view view = {to_server, phase, true, REDWI_ROW_VERSION_MAX};
    struct sum sum = {0};
    size_t n = redwi_buf_len(&out);
    if (!n)
        return;
    add_line(&sum, line, redwi_trace_message(&view, redwi_buf_front(&out), n, line, sizeof line));
    must(!strstr(line, "(malformed)") || memmem(redwi_buf_front(&out), n, "(malformed)", 11));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (!out.mem)
        redwi_buf_init(&out, &redwi_malloc, (size_t)1 << 30);
    const uint8_t *body = data + 2;
    size_t len = size - 2;
    switch (data[0]) {
    case '0':
        first_packet(body, len);
        trace_message(true, REDWI_TRACE_FIRST);
        break;
    case 'L':
        login((char)data[1], body, len);
        trace_message(data[1] != 'D', REDWI_TRACE_LOGIN);
        break;
    case 'F':
        client((char)data[1], body, len);
        trace_message(true, REDWI_TRACE_OPEN);
        break;
    case 'B':
        server((char)data[1], body, len);
        trace_message(false, REDWI_TRACE_OPEN);
        break;
    default:
        trace_stream(body, len);
        break;
    }
    redwi_buf_cut(&out, 0);
    return 0;
}
