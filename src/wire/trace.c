/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages as lines. Each type has a layout, a short string that says what to print for the bytes in order:
 *
 *   1 2 4    Byte1 as a character, Int16, Int32
 *   s x      String; x: one that is shown only with the values
 *   v        a value: its length, and what it is unless it is NULL
 *   ( )      Int16, and so many times what is in between
 *   e p r    fields of an error; pairs of StartupMessage; Strings to the end
 *   * #      the rest: a secret, so that **** says there was one; bytes, not shown
 *
 * The bytes are hostile, and may be the front of a longer message: a layout that runs out of them ends in
 * "..." if the message goes on, in "(malformed)" if it does not.
 */
#include "wire/trace.h"

#include "wire/be_read.h"
#include "wire/err.h"
#include "wire/mem.h"

#include <stdio.h>
#include <strings.h>

#define HEADER_BYTES       5 /* type, length */
#define FIRST_HEADER_BYTES 8 /* length, code */
#define LENGTH_MAX         0x3fffffffu
#define MASK               "****"

#define SSL_REQUEST_CODE    80877103u
#define CANCEL_REQUEST_CODE 80877102u
#define GSSENC_REQUEST_CODE 80877104u

struct form {
    char type;
    const char *name, *layout;
};

static const struct form from_server[] = {
    {'1', "ParseComplete", ""},
    {'2', "BindComplete", ""},
    {'3', "CloseComplete", ""},
    {'A', "NotificationResponse", "4ss"},
    {'C', "CommandComplete", "s"},
    {'D', "DataRow", "(v)"},
    {'E', "ErrorResponse", "e"},
    {'G', "CopyInResponse", "1(2)"},
    {'H', "CopyOutResponse", "1(2)"},
    {'I', "EmptyQueryResponse", ""},
    {'K', "BackendKeyData", "4*"},
    {'N', "NoticeResponse", "e"},
    {'R', "Authentication", "4*"},
    {'S', "ParameterStatus", "ss"},
    {'T', "RowDescription", "(s424242)"},
    {'V', "FunctionCallResponse", "v"},
    {'W', "CopyBothResponse", "1(2)"},
    {'Z', "ReadyForQuery", "1"},
    {'c', "CopyDone", ""},
    {'d', "CopyData", "#"},
    {'k', "CompressionSwitch", "1"},
    {'m', "CompressedData", "#"},
    {'n', "NoData", ""},
    {'s', "PortalSuspended", ""},
    {'t', "ParameterDescription", "(4)"},
    {'v', "NegotiateProtocolVersion", "44r"},
    {'z', "Compression", "s"},
};
static const struct form tailed = {'T', "RowDescription", "(s424242ssss2)"};

static const struct form from_client[] = {
    {'B', "Bind", "ss(2)(v)(2)"},
    {'C', "Close", "1s"},
    {'D', "Describe", "1s"},
    {'E', "Execute", "s4"},
    {'F', "FunctionCall", "4(2)(v)2"},
    {'H', "Flush", ""},
    {'P', "Parse", "sx(4)"},
    {'Q', "Query", "x"},
    {'S', "Sync", ""},
    {'X', "Terminate", ""},
    {'c', "CopyDone", ""},
    {'d', "CopyData", "#"},
    {'f', "CopyFail", "s"},
};

/* During login, and wherever else they come. PasswordMessage, SASLInitialResponse and SASLResponse have
 * one type and, to whoever does not know what was asked, nothing to tell them apart. */
static const struct form answers[] = {
    {'p', "PasswordMessage", "*"},
    {'d', "DigestResponse", "*"},
    {'i', "TokenResponse", "*"},
};

static const struct form ssl_request = {0, "SSLRequest", "22"};
static const struct form gss_request = {0, "GSSENCRequest", "22"};
static const struct form cancel_request = {0, "CancelRequest", "224*"};
static const struct form startup = {0, "StartupMessage", "22p"};

static const struct form *form_in(const struct form *forms, size_t n, char type)
{
    for (size_t i = 0; i < n; i++) {
        if (forms[i].type == type)
            return &forms[i];
    }
    return NULL;
}
#define FORM_IN(forms, type) form_in(forms, sizeof(forms) / sizeof(forms)[0], type)

static const struct form *form_of_first(uint32_t code)
{
    return code == SSL_REQUEST_CODE      ? &ssl_request
           : code == GSSENC_REQUEST_CODE ? &gss_request
           : code == CANCEL_REQUEST_CODE ? &cancel_request
                                         : &startup;
}

static bool is_answer(const struct redwi_trace_view *view, char type)
{
    return view->to_server && (type == 'p' || type == 'i' || (type == 'd' && view->phase == REDWI_TRACE_LOGIN));
}

/* NULL: no such message. */
static const struct form *form_of(const struct redwi_trace_view *view, char type)
{
    if (is_answer(view, type))
        return FORM_IN(answers, type);
    return view->to_server ? FORM_IN(from_client, type) : FORM_IN(from_server, type);
}

static size_t header_bytes(const struct redwi_trace_view *view)
{
    return view->to_server && view->phase == REDWI_TRACE_FIRST ? FIRST_HEADER_BYTES : HEADER_BYTES;
}

/* --- a line ------------------------------------------------------------------------------------- */

struct line {
    char *out;
    size_t cap, at;
    struct redwi_cursor in; /* what there is of the body */
    size_t beyond;          /* bytes of the body behind that */
    bool values;
    bool ended; /* nothing more can be said */
};

static void put(struct line *l, const char *text, size_t n)
{
    if (n > l->cap - 1 - l->at)
        n = l->cap - 1 - l->at; /* and so it is full */
    memcpy(l->out + l->at, text, n);
    l->at += n;
}

static void put_text(struct line *l, const char *text)
{
    put(l, text, strlen(text));
}

static void put_number(struct line *l, int32_t n)
{
    char text[16];
    snprintf(text, sizeof text, " %d", (int)n);
    put_text(l, text);
}

static void put_escaped_byte(struct line *l, uint8_t byte)
{
    char text[8];
    if (byte >= 0x20 && byte < 0x7f)
        snprintf(text, sizeof text, "%c", byte);
    else
        snprintf(text, sizeof text, "\\x%02x", byte);
    put_text(l, text);
}

/* The bytes ran out: the message goes on, or it is wrong. */
static void end_short(struct line *l)
{
    put_text(l, l->beyond ? " ..." : " (malformed)");
    l->ended = true;
}

/* Text keeps its UTF-8, as libpq shows it; of values every byte beyond ASCII is escaped. */
static void put_quoted(struct line *l, char quote, const uint8_t *p, size_t n, bool cut, bool shown)
{
    char text[4 * REDWI_TRACE_SHOWN + 1];
    const char open[2] = {' ', quote};
    size_t most = n < REDWI_TRACE_SHOWN ? n : REDWI_TRACE_SHOWN;
    put(l, open, 2);
    if (!shown) {
        put_text(l, MASK);
    } else if (quote == '"') {
        size_t escaped = redwi_escape(text, sizeof text, (const char *)p, most);
        put(l, text, escaped);
    } else {
        for (size_t i = 0; i < most; i++)
            put_escaped_byte(l, p[i]);
    }
    put(l, &quote, 1);
    if (shown && (cut || most < n))
        put_text(l, "...");
}

static void string(struct line *l, bool shown)
{
    size_t left = redwi_cursor_left(&l->in);
    const uint8_t *p = l->in.p, *nul = left ? memchr(p, 0, left) : NULL;
    if (nul) {
        l->in.p = nul + 1;
        put_quoted(l, '"', p, (size_t)(nul - p), false, shown);
        return;
    }
    if (l->beyond && left)
        put_quoted(l, '"', p, left, true, shown);
    end_short(l);
}

static bool integer(struct line *l, size_t bytes, uint32_t *value)
{
    const uint8_t *p = redwi_cursor_bytes(&l->in, bytes);
    if (!p) {
        end_short(l);
        return false;
    }
    *value = bytes == 1 ? *p : bytes == 2 ? redwi_load16(p) : redwi_load32(p);
    return true;
}

static void number(struct line *l, size_t bytes)
{
    uint32_t v;
    if (integer(l, bytes, &v))
        put_number(l, (int32_t)v);
}

static void character(struct line *l)
{
    uint32_t v;
    if (!integer(l, 1, &v))
        return;
    put_text(l, " ");
    put_escaped_byte(l, (uint8_t)v);
}

static void value(struct line *l)
{
    uint32_t n;
    if (!integer(l, 4, &n))
        return;
    put_number(l, (int32_t)n);
    size_t left = redwi_cursor_left(&l->in);
    if (n == UINT32_MAX)
        return;
    if (n <= left) {
        put_quoted(l, '\'', redwi_cursor_bytes(&l->in, n), n, false, l->values);
        return;
    }
    if (n - left > l->beyond)
        l->beyond = 0; /* it reaches behind its message */
    else if (left)
        put_quoted(l, '\'', l->in.p, left, true, l->values);
    end_short(l);
}

/* The letters whose texts may quote the statement or its values. */
static void error_fields(struct line *l)
{
    while (!l->ended) {
        uint32_t letter;
        if (!integer(l, 1, &letter))
            return;
        put_text(l, " ");
        put_escaped_byte(l, (uint8_t)letter);
        if (!letter)
            return;
        string(l, l->values || !memchr("DHWq", (int)letter, 4));
    }
}

/* Names and values, and the empty name that ends them. */
static void pairs(struct line *l)
{
    while (!l->ended) {
        if (redwi_cursor_left(&l->in) && *l->in.p == 0) {
            character(l);
            return;
        }
        string(l, true);
        if (!l->ended)
            string(l, true);
    }
}

static void strings(struct line *l)
{
    while (!l->ended && (redwi_cursor_left(&l->in) || l->beyond))
        string(l, true);
}

static void rest(struct line *l, bool secret)
{
    if (secret && (redwi_cursor_left(&l->in) || l->beyond))
        put_text(l, " " MASK);
    l->in.p = l->in.end;
    l->beyond = 0;
}

static void item(struct line *l, char what)
{
    switch (what) {
    case '1': character(l); break;
    case '2': number(l, 2); break;
    case '4': number(l, 4); break;
    case 's': string(l, true); break;
    case 'x': string(l, l->values); break;
    case 'v': value(l); break;
    case 'e': error_fields(l); break;
    case 'p': pairs(l); break;
    case 'r': strings(l); break;
    default: rest(l, what == '*'); break;
    }
}

/* From the item behind '(' to the one before ')', as often as the count says. Returns the ')'. */
static const char *repeat(struct line *l, const char *items)
{
    uint32_t n = 0;
    const char *end = strchr(items, ')');
    if (integer(l, 2, &n))
        put_number(l, (int32_t)n);
    for (; n && !l->ended; n--) {
        for (const char *at = items; at < end && !l->ended; at++)
            item(l, *at);
    }
    return end;
}

static void body(struct line *l, const char *layout)
{
    for (; *layout && !l->ended; layout++) {
        if (*layout == '(')
            layout = repeat(l, layout + 1);
        else
            item(l, *layout);
    }
    if (!l->ended && (redwi_cursor_left(&l->in) || l->beyond))
        put_text(l, " (malformed)");
}

/* As the reader found it, if it can be read here: with its tails or, from a proxy, without. */
static const struct form *row_form(const struct redwi_trace_view *view, const struct line *l)
{
    struct redwi_columns columns;
    size_t n = redwi_cursor_left(&l->in);
    bool plain = !view->row_version ||
                 (!l->beyond && redwi_be_row_description(l->in.p, n, view->row_version, &columns) &&
                  !columns.version);
    return plain ? FORM_IN(from_server, 'T') : &tailed;
}

size_t redwi_trace_message(const struct redwi_trace_view *view, const uint8_t *message, size_t have, char *out,
                           size_t cap)
{
    size_t header = header_bytes(view), typed = header == HEADER_BYTES;
    if (!cap)
        return 0;
    struct line l = {.out = out, .cap = cap, .values = view->values};
    put_text(&l, view->to_server ? "F\t" : "B\t");
    if (have < header) {
        put_text(&l, "-\t(no whole header)");
        out[l.at] = 0;
        return l.at;
    }
    uint32_t len = redwi_load32(message + typed);
    char text[48];
    snprintf(text, sizeof text, "%d\t", (int)(int32_t)len);
    put_text(&l, text);
    if (len > LENGTH_MAX || len + typed < header) {
        put_text(&l, "(no message has this length)");
        out[l.at] = 0;
        return l.at;
    }
    size_t whole = len + typed;
    if (have > whole)
        have = whole;
    /* The code of a first message is part of what is shown. */
    size_t skip = typed + sizeof len;
    l.in = redwi_cursor_of(message + skip, have - skip);
    l.beyond = whole - have;
    const struct form *f = typed ? form_of(view, (char)message[0]) : form_of_first(redwi_load32(message + 4));
    if (!f) {
        snprintf(text, sizeof text, "Unknown message: %02x", message[0]);
        put_text(&l, text);
    } else {
        if (f->type == 'T') /* RowDescription: no client has one */
            f = row_form(view, &l);
        put_text(&l, f->name);
        put_text(&l, *f->layout && *f->layout != '#' ? "\t" : "");
        body(&l, f->layout);
    }
    out[l.at] = 0;
    return l.at;
}

/* --- a direction -------------------------------------------------------------------------------- */

void redwi_trace_init(struct redwi_trace *t, bool to_server, bool values,
                      void (*line)(void *ctx, const char *text, size_t n), void *ctx)
{
    *t = (struct redwi_trace){
        .view = {.to_server = to_server, .phase = REDWI_TRACE_FIRST, .values = values},
        .line = line,
        .ctx = ctx,
        .keep = REDWI_TRACE_KEPT,
    };
}

/* Once the header is there: how far the message goes, and how much of it may be looked at. The bytes of a
 * secret are not even copied. */
static void look_at_header(struct redwi_trace *t)
{
    size_t header = header_bytes(&t->view), typed = header == HEADER_BYTES;
    uint32_t len = redwi_load32(t->kept + typed);
    t->lost = len > LENGTH_MAX || len + typed < header;
    t->whole = len + typed;
    if (!typed)
        t->keep = redwi_load32(t->kept + 4) == CANCEL_REQUEST_CODE ? 12 : REDWI_TRACE_KEPT;
    else if (is_answer(&t->view, (char)t->kept[0]))
        t->keep = HEADER_BYTES;
    else if (!t->view.to_server && (t->kept[0] == 'K' || t->kept[0] == 'R'))
        t->keep = HEADER_BYTES + 4;
}

/* What this message means for those behind it. */
static void follow(struct redwi_trace *t)
{
    if (!t->view.to_server) {
        redw_slice name, val;
        if (t->kept[0] == 'S' && t->nkept == t->whole &&
            redwi_be_parameter_status(t->kept + HEADER_BYTES, t->nkept - HEADER_BYTES, &name, &val) &&
            strcasecmp(name.ptr, "server_protocol_version") == 0)
            (void)redwi_be_row_version(val, &t->view.row_version);
    } else if (t->view.phase == REDWI_TRACE_FIRST) {
        if (form_of_first(redwi_load32(t->kept + 4)) == &startup)
            t->view.phase = REDWI_TRACE_LOGIN;
    } else if (!is_answer(&t->view, (char)t->kept[0])) {
        t->view.phase = REDWI_TRACE_OPEN;
    }
}

static void forget(struct redwi_trace *t)
{
    redwi_wipe(t->kept, t->nkept);
    t->whole = t->seen = t->nkept = 0;
    t->keep = REDWI_TRACE_KEPT;
}

static void emit(struct redwi_trace *t)
{
    char text[REDWI_TRACE_LINE];
    size_t n = redwi_trace_message(&t->view, t->kept, t->nkept, text, sizeof text);
    t->line(t->ctx, text, n);
    if (!t->lost)
        follow(t);
    forget(t);
}

/* Takes from the front of p what belongs to the message in front, up to `most` bytes of it in all. */
static size_t take(struct redwi_trace *t, const uint8_t *p, size_t n, size_t most)
{
    size_t taken = n < most - t->seen ? n : most - t->seen;
    size_t room = t->keep > t->nkept ? t->keep - t->nkept : 0, kept = taken < room ? taken : room;
    memcpy(t->kept + t->nkept, p, kept);
    t->nkept += kept;
    t->seen += taken;
    return taken;
}

static size_t take_answer(struct redwi_trace *t, uint8_t answer)
{
    t->answers--;
    if (answer == 'E') { /* an ErrorResponse, whole */
        t->answers = 0;
        return 0;
    }
    char text[32] = "B\t1\tSSLResponse\t ";
    struct line l = {.out = text, .cap = sizeof text, .at = strlen(text)};
    put_escaped_byte(&l, answer);
    t->line(t->ctx, text, l.at);
    return 1;
}

void redwi_trace_feed(struct redwi_trace *t, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    while (n && !t->lost) {
        size_t taken;
        if (t->answers && !t->view.to_server) {
            taken = take_answer(t, *p);
        } else if (!t->whole) {
            size_t header = header_bytes(&t->view);
            taken = take(t, p, n, header);
            if (t->seen == header)
                look_at_header(t);
        } else {
            taken = take(t, p, n, t->whole);
        }
        p += taken;
        n -= taken;
        if (t->lost || (t->whole && t->seen == t->whole))
            emit(t);
    }
}

void redwi_trace_end(struct redwi_trace *t)
{
    if (t->seen) {
        char text[REDWI_TRACE_LINE + 64];
        size_t n = redwi_trace_message(&t->view, t->kept, t->nkept, text, REDWI_TRACE_LINE);
        int more = snprintf(text + n, sizeof text - n, " (cut after %zu bytes)", t->seen);
        t->line(t->ctx, text, n + (size_t)more);
    }
    forget(t);
    t->lost = true;
}
