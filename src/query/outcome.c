/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an error proves about a statement, by its first keyword (design H11). An ErrorResponse means the
 * server rolled the statement back - unless the statement acts outside its transaction or commits on
 * the way. Not a parser: whatever it does not know by name is an ordinary statement.
 */
#include "query/request.h"

#include <string.h>
#include <strings.h>

struct text {
    const char *p, *end;
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c >= 0x80;
}

static bool starts(const struct text *t, const char *two)
{
    return t->end - t->p >= 2 && t->p[0] == two[0] && t->p[1] == two[1];
}

static void skip_line(struct text *t)
{
    while (t->p < t->end && *t->p != '\n' && *t->p != '\r')
        t->p++;
}

/* Comments nest, as in the standard. */
static void skip_comment(struct text *t)
{
    size_t depth = 0;

    do {
        if (starts(t, "/*")) {
            depth++;
            t->p += 2;
        } else if (starts(t, "*/")) {
            depth--;
            t->p += 2;
        } else {
            t->p++;
        }
    } while (depth > 0 && t->p < t->end);
}

static void skip_blank(struct text *t)
{
    while (t->p < t->end) {
        if (is_space(*t->p))
            t->p++;
        else if (starts(t, "--"))
            skip_line(t);
        else if (starts(t, "/*"))
            skip_comment(t);
        else
            return;
    }
}

/* The next word; empty at anything else, which is then skipped: a quoted text as a whole. */
static redw_slice next_word(struct text *t)
{
    skip_blank(t);
    const char *from = t->p;
    while (t->p < t->end && is_word(*t->p))
        t->p++;
    redw_slice word = {from, (size_t)(t->p - from)};
    if (word.len > 0 || t->p == t->end)
        return word;
    char quote = *t->p++;
    if (quote == '"' || quote == '\'') {
        while (t->p < t->end && *t->p != quote)
            t->p++;
        if (t->p < t->end)
            t->p++;
    }
    return word;
}

static bool is(redw_slice word, const char *keyword)
{
    /* The first letter decides nearly always, and costs no call. */
    return word.len > 0 && (word.ptr[0] | 0x20) == (keyword[0] | 0x20) && strlen(keyword) == word.len &&
           strncasecmp(word.ptr, keyword, word.len) == 0;
}

enum redw_outcome redwi_request_keyword_proves(const char *sql, size_t n)
{
    /* VACUUM, ANALYZE, REINDEX and CLUSTER commit table by table; CALL and DO may commit inside;
     * TRUNCATE commits on Redshift; UNLOAD leaves files behind. */
    static const char *const commit_on_the_way[] = {"call",    "unload",  "vacuum",  "truncate",
                                                    "analyze", "reindex", "cluster", "do"};
    struct text t = {sql, sql + n};

    skip_blank(&t);
    redw_slice first = next_word(&t);

    for (size_t i = 0; i < sizeof commit_on_the_way / sizeof *commit_on_the_way; i++) {
        if (is(first, commit_on_the_way[i]))
            return REDW_OUTCOME_UNKNOWN;
    }
    if (!is(first, "alter") || !is(next_word(&t), "table"))
        return REDW_OUTCOME_NOT_EXECUTED;
    /* ALTER TABLE name APPEND FROM ... moves blocks and commits by itself (Redshift). */
    while (t.p < t.end) {
        if (is(next_word(&t), "append"))
            return REDW_OUTCOME_UNKNOWN;
    }
    return REDW_OUTCOME_NOT_EXECUTED;
}
