/* SPDX-License-Identifier: Apache-2.0 */
#include "support/golden.h"

#include "pool/login_options.h"
#include "wire/be_read.h"
#include "wire/fe_write.h"
#include "wire/mem.h"

#include <sanitizer/asan_interface.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the file ----------------------------------------------------------------------------------- */

static void open_buf(struct redwi_buf *b)
{
    redwi_buf_init(b, &redwi_malloc, SIZE_MAX / 2);
}

static const char *skip_space(const char *p)
{
    return p + strspn(p, " \t");
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* p is behind the opening quote; the result behind the closing one, or NULL. */
static const char *put_quoted(struct redwi_buf *b, const char *p)
{
    for (; *p && *p != '"'; p++) {
        char c = *p;
        if (c == '\\') {
            c = *++p;
            if (c == 'n') {
                c = '\n';
            } else if (c == 'x') {
                if (hex_digit(p[1]) < 0 || hex_digit(p[2]) < 0)
                    return NULL;
                c = (char)(hex_digit(p[1]) * 16 + hex_digit(p[2]));
                p += 2;
            }
        }
        redwi_buf_u8(b, (uint8_t)c);
    }
    return *p ? p + 1 : NULL;
}

static const char *put_hex(struct redwi_buf *b, const char *p)
{
    for (; hex_digit(p[0]) >= 0 && hex_digit(p[1]) >= 0; p += 2)
        redwi_buf_u8(b, (uint8_t)(hex_digit(p[0]) * 16 + hex_digit(p[1])));
    return p;
}

static const char *put_item(struct redwi_buf *b, const char *p)
{
    char *end = (char *)p;
    if (p[0] == '"')
        return put_quoted(b, p + 1);
    if (p[0] == 'z' && p[1] == '"') {
        p = put_quoted(b, p + 2);
        redwi_buf_u8(b, 0);
        return p;
    }
    if (strncmp(p, "x:", 2) == 0)
        return put_hex(b, p + 2);
    if (strncmp(p, "i8:", 3) == 0)
        redwi_buf_u8(b, (uint8_t)strtol(p + 3, &end, 10));
    else if (strncmp(p, "i16:", 4) == 0)
        redwi_buf_u16(b, (uint16_t)strtol(p + 4, &end, 10));
    else if (strncmp(p, "i32:", 4) == 0)
        redwi_buf_u32(b, (uint32_t)strtoll(p + 4, &end, 10));
    return end == p ? NULL : end;
}

/* "T item item ..." as a message, or, raw, "item item ..." as bytes. */
static bool put_line(struct redwi_buf *b, const char *p, bool raw)
{
    size_t at = 0;
    p = skip_space(p);
    if (!raw) {
        at = redwi_buf_message(b, *p == '-' ? 0 : *p);
        p = skip_space(p + 1);
    }
    while (p && *p && *p != '#') {
        p = put_item(b, p);
        if (p)
            p = skip_space(p);
    }
    if (!raw)
        redwi_buf_end(b, at);
    return p != NULL;
}

static struct golden_step *add_step(struct golden *g, enum golden_kind kind, int line)
{
    /* Bytes of one direction that nothing comes between are one stretch. */
    if (g->nsteps && g->steps[g->nsteps - 1].kind == kind &&
        (kind == GOLDEN_FEED || kind == GOLDEN_EXPECT))
        return &g->steps[g->nsteps - 1];
    if (g->nsteps == GOLDEN_STEPS)
        abort();
    struct golden_step *s = &g->steps[g->nsteps++];
    s->kind = kind;
    s->line = line;
    open_buf(&s->bytes);
    return s;
}

static size_t unit_named(struct golden *g, const char *name)
{
    for (size_t i = 0; i < g->nunits; i++) {
        if (strcmp(g->units[i], name) == 0)
            return i;
    }
    if (g->nunits == GOLDEN_UNITS)
        abort();
    snprintf(g->units[g->nunits], sizeof g->units[0], "%s", name);
    return g->nunits++;
}

static bool load_login(struct golden *g, const char *require_auth, const char *channel_binding)
{
    char host[] = "h";
    struct redw_diag why;
    struct redwi_settings s = {.host = host, .tls_mode = REDWI_TLS_REQUIRE};
    const struct redwi_login_words words = {.require_auth = require_auth, .channel_binding = channel_binding};
    if (redwi_login_options(&s, &words, &why))
        return false;
    if (require_auth) {
        g->config.methods = s.methods;
        g->config.methods_denied = s.methods_denied;
    } else {
        g->config.binding = s.binding;
    }
    return true;
}

static bool load_setting(struct golden *g, const char *p)
{
    char name[32] = "", value[64] = "", key[64] = "";
    int n = sscanf(p, "%31s %63s %63s", name, value, key);
    if (strcmp(name, "user") == 0) {
        snprintf(g->user, sizeof g->user, "%s", value);
    } else if (strcmp(name, "database") == 0) {
        snprintf(g->database, sizeof g->database, "%s", value);
    } else if (strcmp(name, "application") == 0) {
        snprintf(g->application, sizeof g->application, "%s", value);
    } else if (strcmp(name, "password") == 0) {
        snprintf(g->password, sizeof g->password, "%s", value);
        g->config.password = g->password;
    } else if (strcmp(name, "token") == 0) {
        static const struct redwi_idp_names idp = {.idp_type = "AwsIdc", .token_type = "EXT_JWT"};
        snprintf(g->token, sizeof g->token, "%s", value);
        g->config.token = g->token;
        g->config.startup.idp = &idp;
    } else if (strcmp(name, "tls") == 0) {
        g->config.tls = true;
    } else if (strcmp(name, "verified") == 0) {
        g->config.tls_verified = true;
    } else if (strcmp(name, "redshift") == 0) {
        g->config.startup.redshift = true;
        g->config.startup.os_version = "Linux 6.1 x86_64";
    } else if (strcmp(name, "require_auth") == 0) {
        return load_login(g, value, NULL);
    } else if (strcmp(name, "channel_binding") == 0) {
        return load_login(g, NULL, value);
    } else if (strcmp(name, "whole") == 0) {
        g->whole_only = true;
    } else if (strcmp(name, "data_row_max") == 0) {
        g->config.data_row_max = strtoul(value, NULL, 10);
    } else if (strcmp(name, "cancel") == 0 && n == 3) {
        put_hex(&g->cancel_key, key);
        g->config.cancel_pid = (uint32_t)strtoul(value, NULL, 10);
        g->config.cancel_key = redwi_buf_front(&g->cancel_key);
        g->config.cancel_key_len = redwi_buf_len(&g->cancel_key);
    } else {
        return false;
    }
    return true;
}

static unsigned sent_of(const char *letters)
{
    static const struct {
        char letter;
        unsigned sent;
    } all[] = {
        {'C', REDWI_SENT_CLOSE},    {'P', REDWI_SENT_PARSE},   {'S', REDWI_SENT_DESCRIBE_STATEMENT},
        {'B', REDWI_SENT_BIND},     {'D', REDWI_SENT_DESCRIBE}, {'E', REDWI_SENT_EXECUTE},
        {'K', REDWI_SENT_COLUMNS},  {'L', REDWI_SENT_LIMIT},   {'Q', REDWI_SENT_QUERY},
    };
    unsigned sent = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sent |= strchr(letters, all[i].letter) ? all[i].sent : 0u;
    return sent;
}

static bool load_action(struct golden *g, const char *p, int line)
{
    char what[32] = "", name[64] = "", flags[12] = "", again[12] = "";
    size_t more = 0;
    int at = 0;
    sscanf(p, "%31s %63s", what, name);
    bool batch = strcmp(what, "batch") == 0 && sscanf(p, "%*s %*s %11s %11s %zu %n", flags, again, &more, &at) == 3;
    if (batch || (strcmp(what, "unit") == 0 && sscanf(p, "%*s %*s %11s %n", flags, &at) == 1)) {
        struct golden_step *s = add_step(g, GOLDEN_UNIT, line);
        s->unit = unit_named(g, name);
        s->sent = sent_of(flags);
        s->again = sent_of(again);
        s->more = more;
        redwi_buf_bytes(&s->bytes, p + at, strlen(p + at));
    } else if (strcmp(what, "discard") == 0) {
        struct golden_step *s = add_step(g, GOLDEN_DISCARD, line);
        s->unit = unit_named(g, name);
    } else if (strcmp(what, "tls_started") == 0) {
        put_hex(&add_step(g, GOLDEN_TLS, line)->bytes, name);
    } else if (strcmp(what, "hold") == 0) {
        add_step(g, GOLDEN_HOLD, line);
    } else if (strcmp(what, "eof") == 0) {
        add_step(g, GOLDEN_EOF, line);
    } else {
        return false;
    }
    return true;
}

static bool load_line(struct golden *g, const char *p, int line)
{
    bool raw;
    switch (p[0]) {
    case '\0':
    case '#':
        return true;
    case '!':
        return load_setting(g, p + 1);
    case '*':
        return load_action(g, p + 1, line);
    case '=':
        p = skip_space(p + 1);
        redwi_buf_bytes(&g->trace, p, strlen(p));
        redwi_buf_u8(&g->trace, '\n');
        return true;
    case '<':
    case '>':
        raw = p[1] == p[0];
        return put_line(&add_step(g, p[0] == '<' ? GOLDEN_FEED : GOLDEN_EXPECT, line)->bytes,
                        p + (raw ? 2 : 1), raw);
    default:
        return false;
    }
}

/* The same bytes every time, so that a SCRAM exchange can be written down. */
static int counting_entropy(void *ctx, void *p, size_t n)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)i;
    return 0;
}

bool golden_load(struct golden *g, const char *path, char why[256])
{
    *g = (struct golden){0};
    snprintf(g->path, sizeof g->path, "%s", path);
    snprintf(g->user, sizeof g->user, "app");
    snprintf(g->database, sizeof g->database, "dev");
    snprintf(g->application, sizeof g->application, "redw");
    open_buf(&g->cancel_key);
    open_buf(&g->trace);
    g->config.mem = &redwi_malloc;
    g->config.entropy = counting_entropy;

    FILE *f = fopen(path, "r");
    char text[4096];
    int line = 0;
    bool ok = f != NULL;
    if (!f)
        snprintf(why, 256, "cannot be opened");
    while (ok && fgets(text, sizeof text, f)) {
        text[strcspn(text, "\n")] = '\0';
        ok = load_line(g, skip_space(text), ++line);
        if (!ok)
            snprintf(why, 256, "line %d makes no sense", line);
    }
    if (f)
        fclose(f);
    for (size_t i = 0; i < g->nsteps; i++) {
        if (g->steps[i].kind == GOLDEN_FEED)
            g->bytes += redwi_buf_len(&g->steps[i].bytes);
    }
    return ok;
}

void golden_free(struct golden *g)
{
    for (size_t i = 0; i < g->nsteps; i++)
        redwi_buf_free(&g->steps[i].bytes);
    redwi_buf_free(&g->cancel_key);
    redwi_buf_free(&g->trace);
}

/* --- playing ------------------------------------------------------------------------------------ */

struct play {
    const struct golden *g;
    const struct golden_run *run;
    struct redwi_session *s;
    struct redwi_buf *trace;
    struct redwi_buf sent;          /* taken from the output, not yet compared */
    char *why;
    size_t fed;
    bool hold, dead;
    struct redwi_buffers shared;
    struct redwi_buf others[2];     /* robbed: of another session, one for each list */
    bool pending[GOLDEN_UNITS];     /* sent, neither ended nor discarded */
};

static REDW_PRINTF(2, 3) bool fail(struct play *p, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(p->why, 256, fmt, args);
    va_end(args);
    return false;
}

static REDW_PRINTF(2, 3) void print(struct play *p, const char *fmt, ...)
{
    char text[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    redwi_buf_bytes(p->trace, text, strlen(text));
}

static const char *unit_name(const struct play *p, const void *tag)
{
    return tag ? p->g->units[(const char(*)[16])tag - p->g->units] : "-";
}

static void print_text(struct play *p, const void *text, size_t n)
{
    char shown[1500];
    redwi_escape(shown, sizeof shown, text, n);
    print(p, "%s", shown);
}

static const char *code_name(int code)
{
    static char name[32];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(redw_strerror(code), ":"), redw_strerror(code));
    return name;
}

static void print_error(struct play *p, redw_error *e)
{
    const char *state = redw_error_sqlstate(e);
    print(p, " %s %s %s: %s\n", code_name(redw_error_code(e)), state[0] ? state : "-",
          redw_outcome_name(redw_error_outcome(e)), redw_error_message(e));
    redw_error_release(e);
}

static void print_columns(struct play *p, const struct redwi_ev *ev)
{
    struct redwi_columns columns = *ev->columns;
    print(p, "columns %s", unit_name(p, ev->unit));
    for (size_t i = 0; i < columns.n; i++) {
        struct redwi_field f;
        redwi_be_field_next(&columns, &f);
        print(p, " %.*s:%u", (int)f.name.len, f.name.ptr, (unsigned)f.type_oid);
        if (f.format)
            print(p, ":binary");
        if (f.schema.ptr)
            print(p, "(%.*s.%.*s.%.*s.%.*s 0x%04x)", (int)f.catalog.len, f.catalog.ptr, (int)f.schema.len,
                  f.schema.ptr, (int)f.table.len, f.table.ptr, (int)f.column.len, f.column.ptr, f.flags);
    }
    print(p, "\n");
}

static void print_row(struct play *p, const struct redwi_ev *ev, const uint8_t *body)
{
    unsigned n = (unsigned)body[0] << 8 | body[1];
    const uint8_t *at = body + 2;
    print(p, "row %s", unit_name(p, ev->unit));
    for (unsigned i = 0; i < n; i++) {
        uint32_t len = redwi_load32(at);
        at += 4;
        if (len == UINT32_MAX) {
            print(p, " NULL");
            continue;
        }
        print(p, " \"");
        print_text(p, at, len);
        print(p, "\"");
        at += len;
    }
    print(p, "\n");
}

static void print_rows(struct play *p, const struct redwi_ev *ev)
{
    const uint8_t *at = ev->data, *end = ev->data + ev->len;
    while (end - at >= 5 && at[0] == 'D' && redwi_load32(at + 1) < (size_t)(end - at)) {
        print_row(p, ev, at + 5);
        at += 1 + redwi_load32(at + 1);
        if (p->run->row_by_row)
            break;
    }
    redwi_session_rows_taken(p->s, at);
}

static void print_fatal(struct play *p, struct redwi_ev *ev)
{
    p->dead = true;
    if (ev->error) {
        print(p, "fatal");
        print_error(p, ev->error);
    } else {
        print(p, "closed\n");
    }
    for (size_t i = 0; i < p->g->nunits; i++) {
        if (p->pending[i])
            print(p, "lost %s %s\n", p->g->units[i],
                  redw_outcome_name(redwi_session_outcome(p->s, p->g->units[i])));
    }
}

static bool drain(struct play *p)
{
    struct redwi_ev ev;
    enum redwi_ev_kind kind;
    while ((kind = redwi_session_next(p->s, &ev)) != REDWI_EV_NONE) {
        const char *unit = unit_name(p, ev.unit);
        if (p->dead)
            return fail(p, "event %d after FATAL", (int)kind);
        switch (kind) {
        case REDWI_EV_START_TLS: print(p, "start_tls\n"); break;
        case REDWI_EV_WORK:
            while (redwi_session_work(p->s, 1000))
                ;
            break;
        case REDWI_EV_LOGGED_IN: print(p, "logged_in %c\n", ev.status); break;
        case REDWI_EV_COLUMNS: print_columns(p, &ev); break;
        case REDWI_EV_PARAMETER_TYPES: print(p, "parameter_types %s %zu\n", unit, ev.len / 4); break;
        case REDWI_EV_BOUND: print(p, "bound %s\n", unit); break;
        case REDWI_EV_SUSPENDED: print(p, "suspended %s\n", unit); break;
        case REDWI_EV_ROWS: print_rows(p, &ev); break;
        case REDWI_EV_COMPLETE:
            print(p, "complete %s \"", unit);
            print_text(p, ev.data, ev.len);
            print(p, "\"\n");
            break;
        case REDWI_EV_ERROR:
            print(p, "error %s", unit);
            print_error(p, ev.error);
            break;
        case REDWI_EV_NOTICE:
            print(p, "notice %s", unit);
            print_error(p, ev.error);
            break;
        case REDWI_EV_PARAMETER:
            print(p, "parameter %s=%s\n", (const char *)ev.data,
                  (const char *)ev.data + strlen((const char *)ev.data) + 1);
            break;
        case REDWI_EV_READY:
            print(p, "ready %s %c\n", unit, ev.status);
            if (ev.unit)
                p->pending[(const char(*)[16])ev.unit - p->g->units] = false;
            break;
        case REDWI_EV_FATAL: print_fatal(p, &ev); break;
        case REDWI_EV_NONE: break;
        }
    }
    return true;
}

/* Where the receive that begins at `from` ends. */
static size_t receive_end(const struct golden_run *run, size_t from, size_t end)
{
    if (run->bytewise)
        return from + 1;
    for (size_t i = 0; i < run->ncuts; i++) {
        if (run->cuts[i] > from && run->cuts[i] < end)
            return run->cuts[i];
    }
    return end;
}

#define GUARDED ((size_t)256)

/* What stands in the input behind the bytes received, as far as a reader could stray: ASan, where it is at
 * work, reports whoever does. Only of an input that stays where it is. */
static bool drain_guarded(struct play *p, uint8_t *behind, size_t room)
{
    size_t n = p->g->bytes > 32768 || p->run->robbed ? 0 : room < GUARDED ? room : GUARDED;
    ASAN_POISON_MEMORY_REGION(behind, n);
    bool ok = drain(p);
    ASAN_UNPOISON_MEMORY_REGION(behind, n);
    return ok;
}

/* Takes all memory that rests, overwrites it, and offers it again. */
static void rob(struct play *p)
{
    for (size_t i = 0; p->run->robbed && i < 2; i++) {
        struct redwi_buf *other = &p->others[i];
        redwi_resting_take(other->shared, 1, other);
        if (other->data)
            memset(other->data, 0xa5, other->cap);
        redwi_buf_rest(other);
    }
}

static void meet_others(struct play *p, struct redwi_session_config *config)
{
    size_t room;
    if (!p->run->robbed)
        return;
    redwi_buffers_init(&p->shared);
    config->buffers = &p->shared;
    for (size_t i = 0; i < 2; i++) {
        redwi_buf_init(&p->others[i], config->mem, (size_t)128 * 1024);
        p->others[i].shared = i ? &p->shared.out : &p->shared.in;
        redwi_buf_room(&p->others[i], i ? 16384 : 65536, &room);
    }
    rob(p);
}

static void leave_others(struct play *p)
{
    for (size_t i = 0; p->run->robbed && i < 2; i++)
        redwi_buf_free(&p->others[i]);
}

static bool receive(struct play *p, const uint8_t *bytes, size_t n)
{
    while (n && !p->dead) {
        size_t room;
        uint8_t *at = redwi_session_input(p->s, &room);
        if (!at || !room)
            return fail(p, "no room for input");
        size_t step = n < room ? n : room;
        memcpy(at, bytes, step);
        redwi_session_received(p->s, step);
        if (!drain_guarded(p, at + step, room - step))
            return false;
        rob(p);
        bytes += step;
        n -= step;
    }
    return true;
}

static bool feed(struct play *p, const struct golden_step *step)
{
    size_t start = p->fed, end = start + redwi_buf_len(&step->bytes);
    while (p->fed < end && !p->dead) {
        size_t to = receive_end(p->run, p->fed, end);
        if (p->run->truncate && to > p->run->end)
            to = p->run->end;
        if (!receive(p, redwi_buf_front(&step->bytes) + (p->fed - start), to - p->fed))
            return false;
        p->fed = to;
        if (p->run->truncate && p->fed == p->run->end)
            break;
    }
    return true;
}

static void take_output(struct play *p)
{
    size_t n;
    const uint8_t *out = redwi_session_output(p->s, &n);
    if (p->hold || !n)
        return;
    redwi_buf_bytes(&p->sent, out, n);
    redwi_session_sent(p->s, n);
    rob(p);
}

static bool expect(struct play *p, const struct golden_step *step)
{
    size_t n = redwi_buf_len(&step->bytes), got = redwi_buf_len(&p->sent);
    const uint8_t *want = redwi_buf_front(&step->bytes), *have = redwi_buf_front(&p->sent);
    size_t same = 0;
    while (same < n && same < got && want[same] == have[same])
        same++;
    if (same < n || same < got)
        return fail(p, "line %d: the client sent %zu bytes instead of %zu; they differ from byte %zu on",
                    step->line, got, n, same);
    redwi_buf_take(&p->sent, got);
    return true;
}

static void put_statement(struct redwi_buf *b, const struct golden_step *step, unsigned sent)
{
    const char *sql = (const char *)redwi_buf_front(&step->bytes);
    size_t n = redwi_buf_len(&step->bytes);
    const char *statement = sent & (REDWI_SENT_DESCRIBE_STATEMENT | REDWI_SENT_COLUMNS) ? "redw_s1" : "";
    const char *portal = sent & REDWI_SENT_LIMIT ? "redw_p1" : "";
    if (sent & REDWI_SENT_CLOSE)
        redwi_fe_close_statement(b, "redw_s0");
    if (sent & REDWI_SENT_PARSE)
        redwi_fe_parse(b, statement, sql, n, NULL, 0);
    if (sent & REDWI_SENT_DESCRIBE_STATEMENT)
        redwi_fe_describe_statement(b, statement);
    if (sent & REDWI_SENT_BIND)
        redwi_fe_bind_end(b, redwi_fe_bind_begin(b, portal, statement, NULL, 0), 0);
    if (sent & REDWI_SENT_DESCRIBE)
        redwi_fe_describe_portal(b, portal);
    if (sent & REDWI_SENT_EXECUTE)
        redwi_fe_execute(b, portal, sent & REDWI_SENT_LIMIT ? 2 : 0);
    if (sent & REDWI_SENT_QUERY)
        redwi_fe_query(b, sql, n);
}

static bool send_unit(struct play *p, const struct golden_step *step)
{
    struct redwi_buf *b = redwi_session_unit_begin(p->s);
    if (!b)
        return fail(p, "line %d: no unit can be sent now", step->line);
    put_statement(b, step, step->sent);
    for (size_t i = 0; i < step->more; i++)
        put_statement(b, step, step->again);
    p->pending[step->unit] = true;
    int code = redwi_session_batch_end(p->s, (void *)p->g->units[step->unit], step->sent, step->again,
                                       step->more, REDW_OUTCOME_NOT_EXECUTED);
    return code == 0 || fail(p, "line %d: unit_end returned %d", step->line, code);
}

static bool play_step(struct play *p, const struct golden_step *step)
{
    switch (step->kind) {
    case GOLDEN_FEED: return feed(p, step);
    case GOLDEN_EXPECT: return expect(p, step);
    case GOLDEN_UNIT: return send_unit(p, step);
    case GOLDEN_DISCARD:
        p->pending[step->unit] = false;
        redwi_session_discard(p->s, (void *)p->g->units[step->unit]);
        return true;
    case GOLDEN_TLS:
        return redwi_session_tls_started(p->s, redwi_buf_front(&step->bytes),
                                         redwi_buf_len(&step->bytes)) == 0 ||
               fail(p, "line %d: tls_started refused", step->line);
    case GOLDEN_HOLD: p->hold = true; return true;
    case GOLDEN_EOF:
        redwi_session_ended(p->s, NULL);
        return drain(p);
    }
    return false;
}

static bool play_all(struct play *p)
{
    const struct golden *g = p->g;
    size_t size = 0;
    if (redwi_session_start(p->s) != 0)
        return fail(p, "start failed");
    take_output(p);
    for (size_t i = 0; i < g->nsteps; i++) {
        bool feeding = g->steps[i].kind == GOLDEN_FEED;
        size += feeding ? redwi_buf_len(&g->steps[i].bytes) : 0;
        if (feeding && p->run->truncate && p->fed == p->run->end)
            break;
        if (p->dead && !(feeding || g->steps[i].kind == GOLDEN_EXPECT || g->steps[i].kind == GOLDEN_EOF))
            return fail(p, "line %d comes after the end of the session", g->steps[i].line);
        if (!play_step(p, &g->steps[i]))
            return false;
        take_output(p);
        if (p->run->truncate && p->fed == p->run->end && p->fed < size)
            break;
    }
    if (!p->run->truncate)
        return true;
    redwi_session_ended(p->s, NULL);
    return drain(p);
}

bool golden_play(const struct golden *g, const struct golden_run *run, struct redwi_buf *trace,
                 char why[256])
{
    struct play p = {.g = g, .run = run, .trace = trace, .why = why};
    struct redwi_session_config config = g->config;
    config.startup.user = g->user;
    config.startup.database = g->database;
    config.startup.application_name = g->application;
    if (g->config.password)
        config.password = g->password;
    if (g->config.token)
        config.token = g->token;
    redwi_buf_init(&p.sent, &redwi_malloc, SIZE_MAX / 2);
    meet_others(&p, &config);
    bool ok = redwi_session_create(&p.s, &config) == 0 && play_all(&p);
    redwi_session_free(p.s);
    leave_others(&p);
    redwi_buf_free(&p.sent);
    return ok;
}
