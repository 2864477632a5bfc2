/* SPDX-License-Identifier: Apache-2.0 */
/*
 * D04, D05: Quoting, judged by a lexer of its own that knows Redshift's rules: whatever is accepted is read
 * back as exactly one token, which is the input; and the statement around it is what it was.
 */
#include "data/decode.h"
#include "data/fence.h"
#include "data/quote.h"
#include "wire/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef __has_feature
#define UNDER_CLANG_ASAN __has_feature(address_sanitizer)
#else
#define UNDER_CLANG_ASAN 0
#endif
#if defined(__SANITIZE_ADDRESS__) || UNDER_CLANG_ASAN
enum { ROUNDS = 300000 };
#else
enum { ROUNDS = 1000000 };
#endif

/* ---- the lexer: PostgreSQL 8.0's, as far as quotes go ---- */

struct token {
    char kind; /* '\'' literal, '"' name, 'w' word or number, 'c' comment, '$' dollar quoted, else the
                  character */
    char text[1024];
    size_t n;
};

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

/* The character that a backslash and what follows it stand for. */
static char escaped(const char **p, const char *end)
{
    char c = *(*p)++;
    int v = 0, digits = 0;
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        if (c < '0' || c > '7')
            return c;
        for (--*p; digits < 3 && *p < end && **p >= '0' && **p <= '7'; digits++)
            v = v * 8 + (*(*p)++ - '0');
        return (char)v;
    }
}

/* Between quotes; false: they do not close. A doubled quote is one; in a literal, a backslash escapes.
 */
static bool lex_quoted(const char **p, const char *end, struct token *t)
{
    char quote = t->kind;
    while (*p < end) {
        char c = *(*p)++;
        if (c == quote) {
            if (*p == end || **p != quote)
                return true;
            ++*p;
        } else if (c == '\\' && quote == '\'') {
            if (*p == end)
                return false;
            c = escaped(p, end);
        }
        if (t->n < sizeof t->text)
            t->text[t->n++] = c;
    }
    return false;
}

/* The next token: 1; the end: 0; something that does not end: -1. */
static int lex(const char **p, const char *end, struct token *t)
{
    while (*p < end && isspace((unsigned char)**p))
        ++*p;
    if (*p == end)
        return 0;
    t->n = 0;
    t->kind = **p;
    const char *begin = (*p)++;
    if (t->kind == '\'' || t->kind == '"')
        return lex_quoted(p, end, t) ? 1 : -1;
    if (is_word(t->kind)) {
        while (*p < end && is_word(**p))
            ++*p;
        /* A letter directly before a quote makes another kind of literal of it. */
        if (*p < end && (**p == '\'' || **p == '"'))
            return -1;
        t->kind = 'w';
    } else if (t->kind == '-' && *p < end && **p == '-') {
        while (*p < end && **p != '\n')
            ++*p;
        t->kind = 'c';
    } else if (t->kind == '/' && *p < end && **p == '*') {
        t->kind = 'c';
        const char *close = memmem(*p + 1, (size_t)(end - *p) - 1, "*/", 2);
        if (!close)
            return -1;
        *p = close + 2;
    }
    t->n = (size_t)(*p - begin);
    memcpy(t->text, begin, t->n < sizeof t->text ? t->n : sizeof t->text);
    return 1;
}

/* ---- what must hold ---- */

static struct redwi_buf out;

static struct redwi_buf *emptied(void)
{
    if (!out.mem)
        redwi_buf_init(&out, &redwi_malloc, (size_t)1 << 20);
    redwi_buf_cut(&out, 0);
    return &out;
}

static bool control_free(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (iscntrl((unsigned char)p[i]) && (unsigned char)p[i] < 0x80)
            return false;
    return true;
}

static void one_token(char kind, const char *p, size_t n)
{
    static const char before[] = "select f(", after[] = ") from t -- end";
    bool good = redwi_utf8_fault(p, n) == NULL && control_free(p, n);
    if (kind == '"')
        good = good && n > 0 && n <= REDWI_IDENTIFIER_MAX;
    emptied();
    redwi_buf_bytes(&out, before, sizeof before - 1);
    size_t mark = redwi_buf_mark(&out);
    int rc = kind == '"' ? redwi_quote_identifier(&out, p, n) : redwi_quote_literal(&out, p, n);
    if (rc != (good ? REDW_OK : REDW_EINVAL) || (!good && redwi_buf_mark(&out) != mark))
        ck_abort_msg("%c%.*s: %d", kind, (int)n, p, rc);
    if (!good)
        return;
    redwi_buf_bytes(&out, after, sizeof after - 1);
    const char *at = (const char *)redwi_buf_front(&out), *end = at + redwi_buf_len(&out);
    static const char want[] = "ww(?)wwc";
    struct token t;
    for (const char *w = want; *w; w++) {
        bool ours = *w == '?';
        if (lex(&at, end, &t) != 1 || t.kind != (ours ? kind : *w) ||
            (ours && (t.n != n || (n > 0 && memcmp(t.text, p, n) != 0))))
            ck_abort_msg("%.*s is no token of its own", (int)redwi_buf_len(&out),
                         (const char *)redwi_buf_front(&out));
    }
    if (lex(&at, end, &t) != 0)
        ck_abort_msg("%.*s has more tokens", (int)redwi_buf_len(&out),
                     (const char *)redwi_buf_front(&out));
}

static void quoted_both_ways(const char *p, size_t n)
{
    p = fence_behind(p, n);
    one_token('\'', p, n);
    one_token('"', p, n);
}

/* ---- tests ---- */

START_TEST(quotes_and_backslashes_are_doubled)
{
    static const struct {
        const char *text, *literal, *name;
    } rows[] = {
        {"abc", "'abc'", "\"abc\""},
        {"it's", "'it''s'", "\"it's\""},
        {"'", "''''", "\"'\""},
        {"\\", "'\\\\'", "\"\\\""},
        {"\\'", "'\\\\'''", "\"\\'\""},
        {"a\"b", "'a\"b'", "\"a\"\"b\""},
        {"\"", "'\"'", "\"\"\"\""},
        {"gr\xc3\xbc\xc3\x9f", "'gr\xc3\xbc\xc3\x9f'", "\"gr\xc3\xbc\xc3\x9f\""},
        {"'; drop table t; --", "'''; drop table t; --'", "\"'; drop table t; --\""},
        {" $$ ", "' $$ '", "\" $$ \""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i].text);
        ck_assert_int_eq(redwi_quote_literal(emptied(), rows[i].text, n), REDW_OK);
        ck_assert_uint_eq(redwi_buf_len(&out), strlen(rows[i].literal));
        ck_assert_mem_eq(redwi_buf_front(&out), rows[i].literal, strlen(rows[i].literal));
        ck_assert_int_eq(redwi_quote_identifier(emptied(), rows[i].text, n), REDW_OK);
        ck_assert_uint_eq(redwi_buf_len(&out), strlen(rows[i].name));
        ck_assert_mem_eq(redwi_buf_front(&out), rows[i].name, strlen(rows[i].name));
        quoted_both_ways(rows[i].text, n);
    }
    ck_assert_int_eq(redwi_quote_literal(emptied(), "", 0), REDW_OK);
    ck_assert_mem_eq(redwi_buf_front(&out), "''", 2);
    ck_assert_uint_eq(redwi_buf_len(&out), 2);
    quoted_both_ways("", 0);
}
END_TEST

START_TEST(every_pair_of_bytes_alone_and_inside_a_text_is_one_token_or_refused)
{
    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            char text[8] = {(char)a, (char)b};
            quoted_both_ways(text, 2);
            char inside[8] = {'x', (char)a, 'y', (char)b, 'z', (char)a, (char)b, '\''};
            quoted_both_ways(inside, 8);
        }
        char one = (char)a;
        quoted_both_ways(&one, 1);
    }
}
END_TEST

/* Texts of what is dangerous, characters of any length, and now and then any byte at all. */
static size_t make_text(uint64_t *seed, char *text, size_t room)
{
    static const char *const pieces[] = {"'",
                                         "''",
                                         "\\",
                                         "\\\\",
                                         "\\'",
                                         "'\\",
                                         "\"",
                                         "\"\"",
                                         "--",
                                         "/*",
                                         "*/",
                                         ";",
                                         "$$",
                                         "$1",
                                         "E'",
                                         "U&'",
                                         "\\047",
                                         "\\x27",
                                         "\\n",
                                         "\\134",
                                         "%",
                                         "x",
                                         " ",
                                         "\xc2\xa7",
                                         ")",
                                         "or 1=1",
                                         "\xe2\x80\x99",
                                         "\xef\xbc\x87",
                                         "\xf0\x9f\x98\x80",
                                         "null",
                                         "(",
                                         "~",
                                         "7",
                                         "\xe0\xa5\xa7"};
    size_t n = 0, parts = next_random(seed) % 24;
    for (size_t i = 0; i < parts; i++) {
        uint64_t pick = next_random(seed);
        const char *piece = pieces[pick % (sizeof pieces / sizeof *pieces)];
        if (n + strlen(piece) + 1 > room)
            break;
        if (pick >> 32 & 255)
            n += (size_t)snprintf(text + n, room - n, "%s", piece);
        else
            text[n++] = (char)(pick >> 40);
    }
    return n;
}

START_TEST(a_million_texts_are_each_read_back_as_one_token)
{
    uint64_t seed = 6;
    for (int i = 0; i < ROUNDS; i++) {
        char text[512];
        size_t n = make_text(&seed, text, sizeof text);
        quoted_both_ways(text, n);
    }
}
END_TEST

START_TEST(what_cannot_be_quoted_is_refused_and_writes_nothing)
{
    static const struct {
        const char *text;
        size_t n;
    } rows[] = {{"a\0b", 3},      {"\0", 1},
                {"a\nb", 3},      {"a\tb", 3},
                {"\x1b[0m", 4},   {"\x7f", 1},
                {"\xff", 1},      {"\xc3", 1},
                {"\xc0\xaf", 2},  {"\xed\xa0\x80", 3},
                {"a\xe2\x82", 3}, {"'\xbf\x27", 3},
                {"\xbf", 1},      {"\xf5\x80\x80\x80", 4}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_int_eq(redwi_quote_literal(emptied(), rows[i].text, rows[i].n), REDW_EINVAL);
        ck_assert_int_eq(redwi_quote_identifier(&out, rows[i].text, rows[i].n), REDW_EINVAL);
        ck_assert_uint_eq(redwi_buf_len(&out), 0);
        ck_assert(!redwi_is_identifier(rows[i].text, rows[i].n));
    }
    char name[129];
    memset(name, '"', sizeof name);
    quoted_both_ways(name, 127);
    quoted_both_ways(name, 128);
    ck_assert_int_eq(redwi_quote_identifier(emptied(), name, 127), REDW_OK);
    ck_assert_int_eq(redwi_quote_identifier(emptied(), name, 128), REDW_EINVAL);
    ck_assert_int_eq(redwi_quote_identifier(emptied(), name, 0), REDW_EINVAL);
}
END_TEST

START_TEST(a_full_buffer_fails_and_holds_no_half_statement_afterwards)
{
    struct redwi_buf small;
    redwi_buf_init(&small, &redwi_malloc, 10);
    ck_assert_int_eq(redwi_quote_literal(&small, "12345678", 8), REDW_OK);
    ck_assert_int_eq(small.failed, 0);
    redwi_buf_cut(&small, 0);
    ck_assert_int_eq(redwi_quote_literal(&small, "1234567'", 8), REDW_OK);
    ck_assert_int_eq(small.failed, REDW_EFULL);
    redwi_buf_cut(&small, 0);
    ck_assert_int_eq(small.failed, 0);
    ck_assert_uint_eq(redwi_buf_len(&small), 0);
    redwi_buf_free(&small);
}
END_TEST

/* The documented list, as printed. */
static const char list[] = "AES128 AES256 ALL ALLOWOVERWRITE ANALYSE ANALYZE AND ANY ARRAY AS ASC "
                           "AUTHORIZATION AZ64 BACKUP BETWEEN BINARY "
                           "BLANKSASNULL BOTH BYTEDICT BZIP2 CASE CAST CHECK COLLATE COLUMN CONSTRAINT "
                           "CREATE CREDENTIALS CROSS CURRENT_DATE "
                           "CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER CURRENT_USER_ID DEFAULT "
                           "DEFERRABLE DEFLATE DEFRAG DELTA DELTA32K DESC "
                           "DISABLE DISTINCT DO ELSE EMPTYASNULL ENABLE ENCODE ENCRYPT ENCRYPTION END "
                           "EXCEPT EXPLICIT FALSE FOR FOREIGN FREEZE "
                           "FROM FULL GLOBALDICT256 GLOBALDICT64K GRANT GROUP GZIP HAVING IDENTITY "
                           "IGNORE ILIKE IN INITIALLY INNER INTERSECT "
                           "INTERVAL INTO IS ISNULL JOIN LEADING LEFT LIKE LIMIT LOCALTIME "
                           "LOCALTIMESTAMP LUN LUNS LZO LZOP MINUS MOSTLY16 "
                           "MOSTLY32 MOSTLY8 NATURAL NEW NOT NOTNULL NULL NULLS OFF OFFLINE OFFSET OID "
                           "OLD ON ONLY OPEN OR ORDER OUTER OVERLAPS "
                           "PARALLEL PARTITION PERCENT PERMISSIONS PIVOT PLACING PRIMARY RAW READRATIO "
                           "RECOVER REFERENCES REJECTLOG RESORT "
                           "RESPECT RESTORE RIGHT SELECT SESSION_USER SIMILAR SNAPSHOT SOME SYSDATE "
                           "SYSTEM TABLE TAG TDES TEXT255 TEXT32K THEN "
                           "TIMESTAMP TO TOP TRAILING TRUE TRUNCATECOLUMNS UNION UNIQUE UNNEST UNPIVOT "
                           "USER USING VERBOSE WALLET WHEN WHERE WITH "
                           "WITHOUT CONNECT LANGUAGE START ";

START_TEST(reserved_words_are_known_in_any_case_and_nothing_else_is_one)
{
    size_t words = 0;
    for (const char *p = list, *blank; (blank = strchr(p, ' ')) != NULL; p = blank + 1, words++) {
        char word[32], wrapped[40];
        size_t n = (size_t)(blank - p);
        for (int form = 0; form < 3; form++) {
            for (size_t i = 0; i < n; i++)
                word[i] =
                    (char)(form == 0 || (form == 1 && i % 2) ? p[i] : tolower((unsigned char)p[i]));
            ck_assert_msg(redwi_is_reserved(fence_behind(word, n), n), "%.*s", (int)n, word);
            ck_assert_msg(!redwi_is_identifier(word, n), "%.*s", (int)n, word);
        }
        /* Cut or prolonged, it is reserved only if it is on the list so. */
        for (int change = 0; change < 3; change++) {
            size_t m = change == 0 ? n - 1 : n + 1;
            memcpy(word, p, n);
            word[n] = change == 1 ? 'S' : '\0';
            int length = snprintf(wrapped, sizeof wrapped, " %.*s ", (int)m, word);
            bool listed = (size_t)length == m + 2 &&
                          (strstr(list, wrapped) || strncmp(list, wrapped + 1, m + 1) == 0);
            ck_assert_msg(redwi_is_reserved(word, m) == listed, "%s", wrapped);
        }
    }
    ck_assert_uint_eq(words, 159);
    static const char *const none[] = {"",     "a",    "zebra", "selec", "selects", "current_timestamps",
                                       "rows", "date", "0",     "\xff"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        ck_assert_msg(!redwi_is_reserved(none[i], strlen(none[i])), "%s", none[i]);
}
END_TEST

START_TEST(a_name_without_quotes_is_letters_digits_and_a_few_more)
{
    static const char *const good[] = {"a",
                                       "A",
                                       "_",
                                       "z9",
                                       "a$",
                                       "_1",
                                       "sales_2024",
                                       "Zebra",
                                       "gr\xc3\xbc\xc3\x9f",
                                       "\xe5\xa4\xa7",
                                       "select_",
                                       "\xf0\x9f\x98\x80"};
    static const char *const bad[] = {
        "",      "1a", "$a", "a b", "a-b",    "a.b",  "a'",
        "\"a\"", "a;", "#t", "a\\", "select", "From", "\xff" /* no UTF-8 */,
        "a\xc3", "a@", "a[", "a`",  "a{",     "a/",   "a:"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(redwi_is_identifier(fence_behind(good[i], strlen(good[i])), strlen(good[i])), "%s",
                      good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!redwi_is_identifier(fence_behind(bad[i], strlen(bad[i])), strlen(bad[i])), "%s",
                      bad[i]);
    char name[128];
    memset(name, 'x', sizeof name);
    ck_assert(redwi_is_identifier(name, 127));
    ck_assert(!redwi_is_identifier(name, 128));
    for (int byte = 0; byte < 256; byte++) {
        char two[2] = {'q', (char)byte};
        ck_assert(redwi_is_identifier(two, 2) ==
                  (byte < 0x80 && (isalnum(byte) || byte == '_' || byte == '$')));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("quote");
    TCase *t = tcase_create("quote");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, quotes_and_backslashes_are_doubled);
    tcase_add_test(t, every_pair_of_bytes_alone_and_inside_a_text_is_one_token_or_refused);
    tcase_add_test(t, a_million_texts_are_each_read_back_as_one_token);
    tcase_add_test(t, what_cannot_be_quoted_is_refused_and_writes_nothing);
    tcase_add_test(t, a_full_buffer_fails_and_holds_no_half_statement_afterwards);
    tcase_add_test(t, reserved_words_are_known_in_any_case_and_nothing_else_is_one);
    tcase_add_test(t, a_name_without_quotes_is_letters_digits_and_a_few_more);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
