/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DETAIL of Redshift's engine, in one pass over its lines. A line is a frame (dashes only), a known
 * key with its value, or more of the value before it. The text is the server's, and parts of it are the
 * user's (keys of objects, values): so a key counts once, and a key of a number only before a number;
 * a line that merely looks like one belongs to the value it stands in.
 */
#include "wire/detail.h"

#include <limits.h>
#include <string.h>

enum key { KEY_ERROR, KEY_CODE, KEY_CONTEXT, KEY_QUERY, KEY_LOCATION, KEY_PROCESS, KEYS, NO_KEY = KEYS };

static const char *const names[KEYS] = {"error", "code", "context", "query", "location", "process"};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static redw_slice trimmed(const char *p, const char *end)
{
    while (p < end && is_space(*p))
        p++;
    while (p < end && is_space(end[-1]))
        end--;
    return (redw_slice){p, (size_t)(end - p)};
}

static bool starts_with(redw_slice s, const char *text)
{
    size_t n = strlen(text);
    return s.len >= n && memcmp(s.ptr, text, n) == 0;
}

static redw_slice without(redw_slice s, size_t n)
{
    return trimmed(s.ptr + n, s.ptr + s.len);
}

/* The bracket that text ends with, from `open` on, if it starts with `open`; ptr NULL: there is none. */
static redw_slice last_bracket(redw_slice text, const char *open, char close)
{
    const redw_slice none = {NULL, 0};
    if (!text.len || text.ptr[text.len - 1] != close)
        return none;
    const char *p = memrchr(text.ptr, open[0], text.len);
    if (!p)
        return none;
    redw_slice bracket = {p, (size_t)(text.ptr + text.len - p)};
    return starts_with(bracket, open) ? bracket : none;
}

int64_t redwi_detail_number(redw_slice text, int64_t max)
{
    int64_t n = -1;
    for (size_t i = 0; i < text.len && is_digit(text.ptr[i]); i++) {
        int digit = text.ptr[i] - '0';
        if (digit > max || n > (max - digit) / 10)
            return -1;
        n = (n < 0 ? 0 : n * 10) + digit;
    }
    return n;
}

redw_slice redwi_detail_cut_error_id(redw_slice *text)
{
    static const char open[] = "[ErrorId:";
    if (!text->ptr)
        return *text;
    *text = trimmed(text->ptr, text->ptr + text->len);
    redw_slice bracket = last_bracket(*text, open, ']');
    if (!bracket.ptr)
        return bracket;
    *text = trimmed(text->ptr, bracket.ptr);
    return without((redw_slice){bracket.ptr, bracket.len - 1}, sizeof open - 1);
}

static redw_slice next_line(const char **p, const char *end)
{
    const char *start = *p;
    const char *stop = memchr(start, '\n', (size_t)(end - start));
    *p = stop ? stop + 1 : end;
    return trimmed(start, stop ? stop : end);
}

static bool is_frame(redw_slice line)
{
    static const char dashes[] = "-----";
    if (!starts_with(line, dashes))
        return false;
    for (size_t i = sizeof dashes - 1; i < line.len; i++) {
        if (line.ptr[i] != '-')
            return false;
    }
    return true;
}

/* Which key the line starts with, and what follows its colon. */
static enum key key_of(redw_slice line, redw_slice *value)
{
    static const char product[] = "Amazon Redshift ";
    const char *colon = memchr(line.ptr, ':', line.len);
    if (!colon)
        return NO_KEY;
    redw_slice name = trimmed(line.ptr, colon);
    if (starts_with(name, product))
        name = without(name, sizeof product - 1);
    *value = trimmed(colon + 1, line.ptr + line.len);
    for (int k = 0; k < KEYS; k++) {
        if (name.len != strlen(names[k]) || !starts_with(name, names[k]))
            continue;
        bool number = k == KEY_CODE || k == KEY_QUERY;
        return !number || !value->len || is_digit(value->ptr[0]) ? (enum key)k : NO_KEY;
    }
    return NO_KEY;
}

/* Reads the lines into values; true: they are a block and not prose. */
static bool read_block(redw_slice text, redw_slice values[KEYS])
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    enum key current = NO_KEY;
    bool framed = false, any = false;
    while (p < end) {
        redw_slice line = next_line(&p, end), value;
        if (!line.len)
            continue;
        if (is_frame(line)) {
            framed = true;
            current = NO_KEY;
            continue;
        }
        enum key key = key_of(line, &value);
        if (key != NO_KEY && !values[key].ptr) {
            values[key] = value;
            current = key;
            any = true;
        } else if (current != NO_KEY) {
            redw_slice *v = &values[current];
            const char *start = v->len ? v->ptr : line.ptr;
            *v = (redw_slice){start, (size_t)(line.ptr + line.len - start)};
        }
    }
    return (framed && any) || (values[KEY_ERROR].ptr && values[KEY_CODE].ptr);
}

/* "... exceeded the limit (pid:7627)" */
static void read_prose(redw_slice text, struct redwi_detail *out)
{
    static const char open[] = "(pid:";
    out->error = text;
    redw_slice bracket = last_bracket(text, open, ')');
    if (!bracket.ptr)
        return;
    out->process = trimmed(bracket.ptr + 1, bracket.ptr + bracket.len - 1);
    out->error = trimmed(text.ptr, bracket.ptr);
}

void redwi_detail_parse(redw_slice text, struct redwi_detail *out)
{
    redw_slice values[KEYS] = {{NULL, 0}};
    *out = (struct redwi_detail){.query = -1};
    if (!text.ptr)
        return;
    out->error_id = redwi_detail_cut_error_id(&text);
    if (!read_block(text, values)) {
        read_prose(text, out);
        return;
    }
    out->kind = REDWI_DETAIL_BLOCK;
    out->error = values[KEY_ERROR];
    out->context = values[KEY_CONTEXT];
    out->location = values[KEY_LOCATION];
    out->process = values[KEY_PROCESS];
    int64_t code = redwi_detail_number(values[KEY_CODE], INT_MAX);
    int64_t query = redwi_detail_number(values[KEY_QUERY], INT64_MAX);
    out->code = code > 0 ? (int)code : 0;
    out->query = query > 0 ? query : -1; /* 0: it failed before it had one */
}
