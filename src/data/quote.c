/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quoting. What is quoted is looked at as a whole first, then written in runs.
 */
#include "data/quote.h"

#include "data/decode.h"

/* Redshift's list, and three words that were on it in 2023. Sorted, for the search. */
static const char *const reserved[] = {
    /* clang-format off */
    "aes128", "aes256", "all", "allowoverwrite", "analyse", "analyze", "and", "any", "array", "as",
    "asc", "authorization", "az64", "backup", "between", "binary", "blanksasnull", "both",
    "bytedict", "bzip2", "case", "cast", "check", "collate", "column", "connect", "constraint",
    "create", "credentials", "cross", "current_date", "current_time", "current_timestamp",
    "current_user", "current_user_id", "default", "deferrable", "deflate", "defrag", "delta",
    "delta32k", "desc", "disable", "distinct", "do", "else", "emptyasnull", "enable", "encode",
    "encrypt", "encryption", "end", "except", "explicit", "false", "for", "foreign", "freeze",
    "from", "full", "globaldict256", "globaldict64k", "grant", "group", "gzip", "having",
    "identity", "ignore", "ilike", "in", "initially", "inner", "intersect", "interval", "into",
    "is", "isnull", "join", "language", "leading", "left", "like", "limit", "localtime",
    "localtimestamp", "lun", "luns", "lzo", "lzop", "minus", "mostly16", "mostly32", "mostly8",
    "natural", "new", "not", "notnull", "null", "nulls", "off", "offline", "offset", "oid", "old",
    "on", "only", "open", "or", "order", "outer", "overlaps", "parallel", "partition", "percent",
    "permissions", "pivot", "placing", "primary", "raw", "readratio", "recover", "references",
    "rejectlog", "resort", "respect", "restore", "right", "select", "session_user", "similar",
    "snapshot", "some", "start", "sysdate", "system", "table", "tag", "tdes", "text255", "text32k",
    "then", "timestamp", "to", "top", "trailing", "true", "truncatecolumns", "union", "unique",
    "unnest", "unpivot", "user", "using", "verbose", "wallet", "when", "where", "with", "without",
    /* clang-format on */
};
enum { RESERVED = sizeof reserved / sizeof *reserved, LONGEST = sizeof "current_timestamp" - 1 };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool redwi_is_reserved(const char *p, size_t n)
{
    char word[LONGEST + 1];
    size_t first = 0, end = RESERVED;
    if (n > LONGEST)
        return false;
    for (size_t i = 0; i < n; i++)
        word[i] = lower(p[i]);
    word[n] = '\0';
    while (first < end) {
        size_t middle = (first + end) / 2;
        int order = strcmp(word, reserved[middle]);
        if (order == 0)
            return strlen(reserved[middle]) == n; /* no NUL inside */
        if (order < 0)
            end = middle;
        else
            first = middle + 1;
    }
    return false;
}

bool redwi_is_identifier(const char *p, size_t n)
{
    if (n == 0 || n > REDWI_IDENTIFIER_MAX || redwi_utf8_fault(p, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = lower(p[i]);
        bool letter = (c >= 'a' && c <= 'z') || c == '_' || (unsigned char)c >= 0x80;
        bool other = (c >= '0' && c <= '9') || c == '$';
        if (!letter && (!other || i == 0))
            return false;
    }
    return !redwi_is_reserved(p, n);
}

static bool is_printable(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)p[i] < ' ' || p[i] == 0x7f)
            return false;
    }
    return !redwi_utf8_fault(p, n);
}

/* Between quotes, each of the two characters doubled: a run ends behind one, the next begins with it. */
static void put_quoted(struct redwi_buf *b, const char *p, size_t n, char quote, char other)
{
    size_t from = 0;
    redwi_buf_u8(b, (uint8_t)quote);
    for (size_t i = 0; i < n; i++) {
        if (p[i] != quote && p[i] != other)
            continue;
        redwi_buf_bytes(b, p + from, i + 1 - from);
        from = i;
    }
    redwi_buf_bytes(b, p + from, n - from);
    redwi_buf_u8(b, (uint8_t)quote);
}

int redwi_quote_identifier(struct redwi_buf *b, const char *p, size_t n)
{
    if (n == 0 || n > REDWI_IDENTIFIER_MAX || !is_printable(p, n))
        return REDW_EINVAL;
    put_quoted(b, p, n, '"', '"');
    return REDW_OK;
}

int redwi_quote_literal(struct redwi_buf *b, const char *p, size_t n)
{
    if (!is_printable(p, n))
        return REDW_EINVAL;
    put_quoted(b, p, n, '\'', '\\');
    return REDW_OK;
}
