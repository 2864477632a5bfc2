/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C05, X1: The DETAIL of Redshift's engine: its two shapes, what may be missing, and what is not to be
 * believed.
 */
#include "wire/detail.h"

#include <check.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static redw_slice slice(const char *text)
{
    return (redw_slice){text, text ? strlen(text) : 0};
}

static bool same(redw_slice s, const char *want)
{
    if (!want)
        return !s.ptr;
    return s.ptr && s.len == strlen(want) && memcmp(s.ptr, want, s.len) == 0;
}

#define LINE "-----------------------------------------------\n"

START_TEST(details_are_decoded_as_described)
{
    static const struct {
        const char *text;
        enum redwi_detail_kind kind;
        const char *error, *context, *location, *process, *error_id;
        int code;
        int64_t query;
    } rows[] = {
#define BLOCK REDWI_DETAIL_BLOCK
#define PROSE REDWI_DETAIL_PROSE
        /* the whole frame, with either end of line */
        {"\n  " LINE "  error:  Disk Full\n  code:      1016\n  context:   node: 3\n  query:     1005177\n"
         "  location:  fdisk_api.cpp:345\n  process:   query3_66 [pid=27629]\n  " LINE,
         BLOCK, "Disk Full", "node: 3", "fdisk_api.cpp:345", "query3_66 [pid=27629]", NULL, 1016, 1005177},
        {LINE "error: a\r\ncode: 1\r\ncontext: c\r\nquery: 2\r\nlocation: l:1\r\nprocess: p\r\n" LINE, BLOCK,
         "a", "c", "l:1", "p", NULL, 1, 2},
        {LINE "Amazon Redshift error:  a:b: c\n" LINE, BLOCK, "a:b: c", NULL, NULL, NULL, NULL, 0, -1},
        /* any key may be missing, in any order; a frame or error and code make a block */
        {"error: a\ncode: 8001", BLOCK, "a", NULL, NULL, NULL, NULL, 8001, -1},
        {"code: 8001\nerror: a", BLOCK, "a", NULL, NULL, NULL, NULL, 8001, -1},
        {"-----\nquery: 7", BLOCK, NULL, NULL, NULL, NULL, NULL, 0, 7},
        {"error: a", PROSE, "error: a", NULL, NULL, NULL, NULL, 0, -1},
        {"code: 1", PROSE, "code: 1", NULL, NULL, NULL, NULL, 0, -1},
        {"-----", PROSE, "-----", NULL, NULL, NULL, NULL, 0, -1},
        {"----\nerror: a", PROSE, "----\nerror: a", NULL, NULL, NULL, NULL, 0, -1},
        {"-----x\nerror: a", PROSE, "-----x\nerror: a", NULL, NULL, NULL, NULL, 0, -1},
        /* empty values, also before a continuation */
        {LINE "error:\ncontext:   \n" LINE, BLOCK, "", "", NULL, NULL, NULL, 0, -1},
        {LINE "error:\n  a\n\n  b: c\ncode:\n  15007\n" LINE, BLOCK, "a\n\n  b: c", NULL, NULL, NULL, NULL,
         15007, -1},
        /* a line without a key goes on with the value before it; behind a frame it is nobody's */
        {"lost\n" LINE "lost\nerror: a\n  at b\ncode: 3\n" LINE "lost: too", BLOCK, "a\n  at b", NULL, NULL,
         NULL, NULL, 3, -1},
        /* a key counts once, and one of a number before a number: values may look like keys */
        {LINE "error: a\ncode: x\ncode: 5\ncontext: k\nquery: drop\nerror: b\nquery: 9\n" LINE, BLOCK,
         "a\ncode: x", "k\nquery: drop\nerror: b", NULL, NULL, NULL, 5, 9},
        {LINE "Error: a\n errors: b\n:\ncode: 5\n" LINE, BLOCK, NULL, NULL, NULL, NULL, NULL, 5, -1},
        /* numbers: the digits in front; 0 is none; one too large is none */
        {LINE "code: 12x\nquery: 185611517[child_sequence:1]\n" LINE, BLOCK, NULL, NULL, NULL, NULL, NULL, 12,
         185611517},
        {LINE "code: 0\nquery: 0\n" LINE, BLOCK, NULL, NULL, NULL, NULL, NULL, 0, -1},
        {LINE "code: -5\nquery: -5\nerror: a\n" LINE, BLOCK, "a", NULL, NULL, NULL, NULL, 0, -1},
        {LINE "code: 2147483647\nquery: 9223372036854775807\n" LINE, BLOCK, NULL, NULL, NULL, NULL, NULL,
         INT_MAX, INT64_MAX},
        {LINE "code: 2147483648\nquery: 9223372036854775808\n" LINE, BLOCK, NULL, NULL, NULL, NULL, NULL, 0,
         -1},
        /* serverless */
        {LINE "error: a\ncode: 1\n" LINE "[ErrorId: 1-68f7-67]\n", BLOCK, "a", NULL, NULL, NULL, "1-68f7-67",
         1, -1},
        {"a (pid:5) [ErrorId:1-2] ", PROSE, "a", NULL, NULL, "pid:5", "1-2", 0, -1},
        {"a [ErrorId: 1-2] b", PROSE, "a [ErrorId: 1-2] b", NULL, NULL, NULL, NULL, 0, -1},
        {"a [Error: 1-2]", PROSE, "a [Error: 1-2]", NULL, NULL, NULL, NULL, 0, -1},
        {"a ErrorId: 1-2]", PROSE, "a ErrorId: 1-2]", NULL, NULL, NULL, NULL, 0, -1},
        {"[ErrorId:]", PROSE, "", NULL, NULL, NULL, "", 0, -1},
        /* prose */
        {"exceeded the limit of 65535 characters (pid:7627)", PROSE, "exceeded the limit of 65535 characters",
         NULL, NULL, "pid:7627", NULL, 0, -1},
        {"Relation does not exist.", PROSE, "Relation does not exist.", NULL, NULL, NULL, NULL, 0, -1},
        {"a (tid:1)", PROSE, "a (tid:1)", NULL, NULL, NULL, NULL, 0, -1},
        {"a pid:1)", PROSE, "a pid:1)", NULL, NULL, NULL, NULL, 0, -1},
        {"(pid:1)", PROSE, "", NULL, NULL, "pid:1", NULL, 0, -1},
        {" \t\r\n\v\f ", PROSE, "", NULL, NULL, NULL, NULL, 0, -1},
        {"", PROSE, "", NULL, NULL, NULL, NULL, 0, -1},
        {NULL, PROSE, NULL, NULL, NULL, NULL, NULL, 0, -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct redwi_detail d;
        memset(&d, 0xee, sizeof d);
        redwi_detail_parse(slice(rows[i].text), &d);
        bool good = d.kind == rows[i].kind && d.code == rows[i].code && d.query == rows[i].query;
        good = good && same(d.error, rows[i].error) && same(d.context, rows[i].context);
        good = good && same(d.location, rows[i].location) && same(d.process, rows[i].process);
        good = good && same(d.error_id, rows[i].error_id);
        ck_assert_msg(good, "row %zu: kind %d code %d query %lld error <%.*s> context <%.*s> id <%.*s>", i,
                      d.kind, d.code, (long long)d.query, REDW_ARG(d.error), REDW_ARG(d.context),
                      REDW_ARG(d.error_id));
    }
}
END_TEST

START_TEST(numbers_are_bounded_by_what_they_are_for)
{
    static const struct {
        const char *text;
        int64_t max, n;
    } rows[] = {
        {"", 10, -1},
        {"x", 10, -1},
        {"-1", 10, -1},
        {"0", 10, 0},
        {"007", 10, 7},
        {"10", 10, 10},
        {"11", 10, -1},
        {"9", 8, -1},
        {"8x9", 8, 8},
        {"100", 10, -1},
        {"9223372036854775807", INT64_MAX, INT64_MAX},
        {"9223372036854775808", INT64_MAX, -1},
        {"99999999999999999999999999999999999999", INT64_MAX, -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_int_eq(redwi_detail_number(slice(rows[i].text), rows[i].max), rows[i].n);
}
END_TEST

static bool inside(redw_slice s, const char *text, size_t n)
{
    return !s.ptr || (s.ptr >= text && s.len <= n && (size_t)(s.ptr - text) <= n - s.len);
}

/* Nothing behind the text is read: it ends where memory does. Every prefix of a block, with every byte of
 * it replaced by what the parser looks for. */
START_TEST(no_text_makes_it_look_outside)
{
    static const char block[] =
        "\n-----\n Amazon Redshift error: a\n b\ncode: 12\ncontext:\nquery: 3 (pid:4)\n"
        "process: q [pid=1]\n-----\n[ErrorId: 1-2]";
    static const char odd[] = "\n:-[](0 \0";
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(two, MAP_FAILED);
    ck_assert_int_eq(mprotect(two + page, page, PROT_NONE), 0);
    for (size_t n = 0; n < sizeof block; n++) {
        char *text = two + page - n;
        for (size_t k = 0; k < n * sizeof odd + 1; k++) {
            memcpy(text, block, n);
            if (k < n * sizeof odd)
                text[k / sizeof odd] = odd[k % sizeof odd];
            struct redwi_detail d;
            redwi_detail_parse((redw_slice){text, n}, &d);
            bool good = inside(d.error, text, n) && inside(d.context, text, n) && inside(d.process, text, n);
            good = good && inside(d.location, text, n) && inside(d.error_id, text, n);
            good = good && d.code >= 0 && (d.query > 0 || d.query == -1);
            if (!good)
                ck_abort_msg("prefix %zu, change %zu", n, k);
        }
    }
    munmap(two, 2 * page);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("detail");
    TCase *t = tcase_create("detail");
    suite_add_tcase(s, t);
    tcase_add_test(t, details_are_decoded_as_described);
    tcase_add_test(t, numbers_are_bounded_by_what_they_are_for);
    tcase_add_test(t, no_text_makes_it_look_outside);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
