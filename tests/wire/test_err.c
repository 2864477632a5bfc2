/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C04, C09: Errors: what they answer, what they cost, what a hostile server can put into them, and how text
 * is made fit to be shown.
 */
#include "wire/be_write.h"
#include "wire/err.h"
#include "wire/mem.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- helpers ---- */

struct meter {
    atomic_size_t live, calls;
    bool broken; /* every allocation fails */
};

static void *meter_alloc(void *ctx, size_t bytes)
{
    struct meter *m = ctx;
    m->calls++;
    if (m->broken)
        return NULL;
    m->live++;
    return malloc(bytes);
}

static void *meter_resize(void *ctx, void *ptr, size_t bytes)
{
    (void)ctx;
    return realloc(ptr, bytes);
}

static void meter_release(void *ctx, void *ptr)
{
    struct meter *m = ctx;
    if (ptr)
        m->live--;
    free(ptr);
}

static struct redw_allocator metered(struct meter *m)
{
    memset(m, 0, sizeof *m);
    return (struct redw_allocator){sizeof(struct redw_allocator), m, meter_alloc, meter_resize,
                                   meter_release};
}

static const enum redw_outcome outcomes[] = {
    REDW_OUTCOME_UNKNOWN,
    REDW_OUTCOME_NOT_SENT,
    REDW_OUTCOME_NOT_EXECUTED,
};

static redw_error *server_error(const struct redw_allocator *mem, const struct redwi_error_field *fields,
                                enum redw_outcome outcome)
{
    struct redwi_buf b;
    redwi_buf_init(&b, &redwi_malloc, 4 << 20);
    redwi_be_put_error(&b, 'E', fields);
    ck_assert_int_eq(b.failed, 0);
    const uint8_t *body = redwi_buf_front(&b) + 5;
    size_t len = redwi_buf_len(&b) - 5;
    ck_assert(redwi_be_fields_ok(body, len));
    redw_error *e = redwi_err_server(mem, body, len, outcome);
    redwi_buf_free(&b); /* nothing of it may be needed any more */
    return e;
}

#define FIELDS(...) ((const struct redwi_error_field[]){__VA_ARGS__, {0, NULL}})

static bool field_is(const redw_error *e, char letter, const char *want)
{
    redw_slice s = redw_error_field(e, letter);
    if (!want)
        return !s.ptr;
    return s.ptr && s.len == strlen(want) && memcmp(s.ptr, want, s.len + 1) == 0; /* with its NUL */
}

/* ---- escaping ---- */

START_TEST(text_is_escaped_as_specified)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"", ""},
        {"relation \"x\" does not exist", "relation \"x\" does not exist"},
        {"a\tb\r\nc", "a\\x09b\\x0d\\x0ac"},
        {"\x1b[31mred\x07\x7f", "\\x1b[31mred\\x07\\x7f"},
        {"back\\slash \\x \\xg0 \\x4", "back\\slash \\x \\xg0 \\x4"},
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
         "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"},
        /* C1 controls: CSI and NEL as UTF-8, and alone */
        {"\xc2\x9b"
         "31m\xc2\x85",
         "\\xc2\\x9b31m\\xc2\\x85"},
        {"\x9b\x85", "\\x9b\\x85"},
        {"\xc2\x80\xc2\x9f\xc2\xa0", "\\xc2\\x80\\xc2\\x9f\xc2\xa0"},
        /* not UTF-8: alone, cut, overlong, surrogate, too large, Latin-1 */
        {"\x80\xbf\xc0\xc1\xf5\xff", "\\x80\\xbf\\xc0\\xc1\\xf5\\xff"},
        {"\xc3", "\\xc3"},
        {"\xc3(", "\\xc3("},
        {"\xe2\x82", "\\xe2\\x82"},
        {"\xe2\x82z", "\\xe2\\x82z"},
        {"\xf0\x9f\x98", "\\xf0\\x9f\\x98"},
        {"\xf0\x9f\x98\x1b", "\\xf0\\x9f\\x98\\x1b"},
        {"\xc0\x9b\xc1\xbf", "\\xc0\\x9b\\xc1\\xbf"},
        {"\xe0\x9f\xbf \xe0\xa0\x80", "\\xe0\\x9f\\xbf \xe0\xa0\x80"},
        {"\xed\xa0\x80 \xed\x9f\xbf", "\\xed\\xa0\\x80 \xed\x9f\xbf"},
        {"\xf0\x8f\xbf\xbf \xf0\x90\x80\x80", "\\xf0\\x8f\\xbf\\xbf \xf0\x90\x80\x80"},
        {"\xf4\x90\x80\x80 \xf4\x8f\xbf\xbf", "\\xf4\\x90\\x80\\x80 \xf4\x8f\xbf\xbf"},
        {"M\xfcller", "M\\xfcller"},
    };
    char out[256];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = redwi_escape(out, sizeof out, rows[i].in, strlen(rows[i].in));
        ck_assert_str_eq(out, rows[i].out);
        ck_assert_uint_eq(n, strlen(rows[i].out));
    }
    ck_assert_uint_eq(redwi_escape(out, sizeof out, "a\0b", 3), 6);
    ck_assert_str_eq(out, "a\\x00b");
    ck_assert_uint_eq(redwi_escape(out, sizeof out, NULL, 0), 0);
    ck_assert_str_eq(out, "");
    /* A sequence that goes on behind the text is cut off, not read. */
    redwi_escape(out, sizeof out, "\xe2\x82\xac", 2);
    ck_assert_str_eq(out, "\\xe2\\x82");
}
END_TEST

START_TEST(nothing_is_cut_in_the_middle)
{
    static const char text[] = "a\x1b\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\xc2\x9b\xff.";
    static const size_t starts[] = {0, 1, 5, 7, 10, 14, 18, 22, 26, 27}; /* where a piece ends */
    char whole[64], out[64];
    size_t n = redwi_escape(whole, sizeof whole, text, sizeof text - 1);
    ck_assert_uint_eq(n, 27);
    for (size_t cap = 1; cap <= 40; cap++) {
        memset(out, '?', sizeof out);
        size_t want = 0;
        for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
            want = starts[i] <= cap - 1 ? starts[i] : want;
        ck_assert_uint_eq(redwi_escape(out, cap, text, sizeof text - 1), want);
        ck_assert_mem_eq(out, whole, want);
        ck_assert_int_eq(out[want], '\0');
        for (size_t i = cap; i < sizeof out; i++)
            ck_assert_int_eq(out[i], '?'); /* nothing is written behind cap */
    }
    out[0] = '?';
    ck_assert_uint_eq(redwi_escape(out, 0, text, sizeof text - 1), 0);
    ck_assert_int_eq(out[0], '?');
    /* Text that was escaped before is still not cut inside its escapes. */
    ck_assert_uint_eq(redwi_escape(out, 8, "ab \\x1b\\x0a", 11), 7);
    ck_assert_str_eq(out, "ab \\x1b");
    ck_assert_uint_eq(redwi_escape(out, 7, "ab \\x1b\\x0a", 11), 3);
}
END_TEST

START_TEST(any_bytes_come_out_safe_and_escaping_again_changes_nothing)
{
    uint32_t seed = 7;
    for (int round = 0; round < 20000; round++) {
        char in[64], out[4 * sizeof in + 1], again[sizeof out];
        size_t n = (size_t)round % sizeof in;
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525u + 1013904223u;
            in[i] = (char)(seed >> 24);
            if ((seed >> 20 & 3) == 0)
                in[i] = "\xc2\xe2\x9b\x82"[seed >> 18 & 3]; /* more of what nearly is UTF-8 */
        }
        size_t len = redwi_escape(out, sizeof out, in, n);
        bool safe = len < sizeof out && out[len] == '\0' && strlen(out) == len;
        for (size_t i = 0; safe && i < len; i++)
            safe = (unsigned char)out[i] >= 0x20 && out[i] != 0x7f;
        if (!safe || redwi_escape(again, sizeof again, out, len) != len ||
            memcmp(out, again, len + 1) != 0)
            ck_abort_msg("round %d: %s", round, out);
    }
}
END_TEST

/* ---- errors of this side ---- */

START_TEST(an_error_answers_what_it_was_made_of)
{
    struct meter m;
    struct redw_allocator mem = metered(&m);
    struct redwi_err_spec spec = {
        .code = REDW_ETIMEDOUT,
        .cls = REDW_CLASS_QUERY_TIMEOUT,
        .outcome = REDW_OUTCOME_NOT_SENT,
    };
    redw_error *e = redwi_err_make(&mem, &spec, "no answer in %d ms from \x1b%s", 250, "10.0.0.1");
    memset(&mem, 0xee, sizeof mem); /* the client is gone; the error is not */
    ck_assert_uint_eq(m.calls, 1);
    ck_assert_int_eq(redw_error_code(e), REDW_ETIMEDOUT);
    ck_assert_int_eq(redw_error_class(e), REDW_CLASS_QUERY_TIMEOUT);
    ck_assert_int_eq(redw_error_outcome(e), REDW_OUTCOME_NOT_SENT);
    ck_assert_int_eq(redw_error_origin(e), REDW_ORIGIN_LIBRARY);
    ck_assert_int_eq(redw_error_errno(e), 0);
    ck_assert_str_eq(redw_error_message(e), "no answer in 250 ms from \\x1b10.0.0.1");
    ck_assert_str_eq(redw_error_sqlstate(e), "");
    ck_assert(field_is(e, 'M', NULL));
    ck_assert(!redwi_err_is_fatal(e));
    ck_assert_ptr_eq(redw_error_keep(e), e);
    redw_error_release(e);
    ck_assert_uint_eq(m.live, 1);
    redw_error_release(e);
    ck_assert_uint_eq(m.live, 0);
}
END_TEST

START_TEST(an_error_of_the_system_says_what_the_system_said)
{
    struct redwi_err_spec spec = {
        .code = REDW_ECONNECT,
        .cls = REDW_CLASS_CONNECTION_FAILED,
        .origin = REDW_ORIGIN_OS,
        .sys_errno = ECONNREFUSED,
    };
    redw_error *e = redwi_err_make(&redwi_malloc, &spec, "connect: %s", "10.0.0.1:5439");
    ck_assert_str_eq(redw_error_message(e), "connect: 10.0.0.1:5439: connection refused");
    ck_assert_int_eq(redw_error_errno(e), ECONNREFUSED);
    ck_assert_int_eq(redw_error_origin(e), REDW_ORIGIN_OS);
    redw_error_release(e);

    spec.sys_errno = 123456;
    e = redwi_err_make(&redwi_malloc, &spec, "recv");
    ck_assert_str_eq(redw_error_message(e), "recv: error 123456");
    redw_error_release(e);

    spec.sys_errno = ERFKILL; /* only the first letter is lowered */
    e = redwi_err_make(&redwi_malloc, &spec, "recv");
    ck_assert_str_eq(redw_error_message(e), "recv: operation not possible due to RF-kill");
    redw_error_release(e);

    spec.sys_errno = EDOTDOT; /* and not that of an abbreviation */
    e = redwi_err_make(&redwi_malloc, &spec, "recv");
    ck_assert_str_eq(redw_error_message(e), "recv: RFS specific error");
    redw_error_release(e);
}
END_TEST

START_TEST(a_long_message_is_bounded_and_cut_cleanly)
{
    char big[5000];
    const struct redwi_err_spec spec = {
        .code = REDW_EINVAL, .origin = REDW_ORIGIN_OS, .sys_errno = EPIPE};
    memset(big, 'x', sizeof big);
    big[sizeof big - 1] = '\0';
    redw_error *e = redwi_err_make(&redwi_malloc, &spec, "%s", big);
    ck_assert_uint_eq(strlen(redw_error_message(e)), 1023);
    redw_error_release(e);

    for (size_t i = 0; i + 1 < sizeof big; i++)
        big[i] = "\xe2\x82\xac"[i % 3];
    e = redwi_err_make(&redwi_malloc, &spec, "%s", big);
    ck_assert_uint_eq(strlen(redw_error_message(e)), 1023); /* 341 times three */
    redw_error_release(e);
    e = redwi_err_make(&redwi_malloc, &spec, ".%s", big);
    ck_assert_uint_eq(strlen(redw_error_message(e)), 1 + 340 * 3);
    redw_error_release(e);

    memset(big, 27, sizeof big - 1);
    e = redwi_err_make(&redwi_malloc, &spec, "%s", big);
    ck_assert_uint_eq(strlen(redw_error_message(e)), 1020);
    redw_error_release(e);

    /* What fits is complete, its system text included. */
    memset(big, 'x', 1000);
    big[1000] = '\0';
    e = redwi_err_make(&redwi_malloc, &spec, "%s", big);
    ck_assert_str_eq(redw_error_message(e) + 1000, ": broken pipe");
    redw_error_release(e);
}
END_TEST

START_TEST(without_memory_there_still_is_an_error_with_the_same_outcome)
{
    struct meter m;
    struct redw_allocator mem = metered(&m);
    m.broken = true;
    static const uint8_t body[] = "SERROR\0C42601\0Mno\0";
    redw_error *original = redwi_err_server(&redwi_malloc, body, sizeof body, REDW_OUTCOME_UNKNOWN);
    for (size_t i = 0; i < 3; i++) {
        enum redw_outcome o = outcomes[i];
        const struct redwi_err_spec spec = {.code = REDW_EFULL, .outcome = o};
        redw_error *made[] = {
            redwi_err_make(&mem, &spec, "x"),
            redwi_err_server(&mem, body, sizeof body, o),
            redwi_err_again(&mem, original, o, "q"),
            redwi_err_no_memory(o),
        };
        for (size_t k = 0; k < sizeof made / sizeof made[0]; k++) {
            ck_assert_int_eq(redw_error_code(made[k]), REDW_ENOMEM);
            ck_assert_int_eq(redw_error_class(made[k]), REDW_CLASS_OUT_OF_MEMORY);
            ck_assert_int_eq(redw_error_outcome(made[k]), o);
            ck_assert_str_ne(redw_error_message(made[k]), "");
            ck_assert_ptr_eq(redw_error_keep(made[k]), made[k]);
            for (int times = 0; times < 5; times++)
                redw_error_release(made[k]); /* counts nothing, frees nothing */
        }
        redw_error *shut = redwi_err_closed(o);
        ck_assert_int_eq(redw_error_code(shut), REDW_ECLOSED);
        ck_assert_int_eq(redw_error_class(shut), REDW_CLASS_CLOSED);
        ck_assert_int_eq(redw_error_outcome(shut), o);
        redw_error_release(redw_error_keep(shut));
        redw_error_release(shut);
        redw_error_release(shut);
    }
    /* An outcome from nowhere promises nothing. */
    ck_assert_int_eq(redw_error_outcome(redwi_err_closed((enum redw_outcome)77)), REDW_OUTCOME_UNKNOWN);
    ck_assert_uint_eq(m.live, 0);
    redw_error_release(original);
}
END_TEST

START_TEST(no_error_is_an_error_that_says_nothing)
{
    ck_assert_int_eq(redw_error_class(NULL), REDW_CLASS_NONE);
    ck_assert_int_eq(redw_error_outcome(NULL), REDW_OUTCOME_UNKNOWN);
    ck_assert_int_eq(redw_error_origin(NULL), REDW_ORIGIN_LIBRARY);
    ck_assert_int_eq(redw_error_code(NULL), REDW_OK);
    ck_assert_int_eq(redw_error_errno(NULL), 0);
    ck_assert_str_eq(redw_error_message(NULL), "");
    ck_assert_str_eq(redw_error_sqlstate(NULL), "");
    ck_assert_ptr_null(redw_error_field(NULL, 'M').ptr);
    ck_assert_ptr_null(redw_error_keep(NULL));
    redw_error_release(NULL);
    ck_assert(!redwi_err_is_fatal(NULL));
}
END_TEST

/* ---- errors of the server ---- */

START_TEST(a_server_error_keeps_its_fields_and_shows_only_its_message)
{
    struct meter m;
    struct redw_allocator mem = metered(&m);
    redw_error *e =
        server_error(&mem,
                     FIELDS({'S', "ERROR"}, {'C', "42P01"}, {'M', "relation \"a\nb\" does not exist"},
                            {'D', "secret row"}, {'P', "15"}, {'H', ""}),
                     REDW_OUTCOME_NOT_EXECUTED);
    ck_assert_uint_eq(m.calls, 1);
    ck_assert_int_eq(redw_error_code(e), REDW_ESERVER);
    ck_assert_int_eq(redw_error_class(e), REDW_CLASS_TABLE_NOT_FOUND);
    ck_assert_int_eq(redw_error_outcome(e), REDW_OUTCOME_NOT_EXECUTED);
    ck_assert_int_eq(redw_error_origin(e), REDW_ORIGIN_SERVER);
    ck_assert_str_eq(redw_error_sqlstate(e), "42P01");
    ck_assert_str_eq(redw_error_message(e), "relation \"a\\x0ab\" does not exist");
    ck_assert(field_is(e, 'S', "ERROR"));
    ck_assert(field_is(e, 'M', "relation \"a\nb\" does not exist"));
    ck_assert(field_is(e, 'D', "secret row"));
    ck_assert(field_is(e, 'P', "15"));
    ck_assert(field_is(e, 'H', ""));
    ck_assert(field_is(e, 'W', NULL));
    ck_assert(field_is(e, '\0', NULL));
    redw_error_release(e);
    ck_assert_uint_eq(m.live, 0);
}
END_TEST

START_TEST(fatal_is_told_by_the_untranslated_severity)
{
    static const struct {
        const char *s, *v;
        bool fatal;
    } rows[] = {
        {"ERROR", NULL, false},    {"FATAL", NULL, true},     {"PANIC", NULL, true},
        {"FATAL", "ERROR", false}, {"FEHLER", "FATAL", true}, {"ERROR", "PANIC", true},
        {"FATALE", NULL, false},   {"FATA", NULL, false},     {"", NULL, false},
        {"WARNING", NULL, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct redwi_error_field fields[] = {
            {'S', rows[i].s},
            {rows[i].v ? 'V' : 0, rows[i].v},
            {0, NULL},
        };
        redw_error *e = server_error(&redwi_malloc, fields, REDW_OUTCOME_UNKNOWN);
        ck_assert_int_eq(redwi_err_is_fatal(e), rows[i].fatal);
        redw_error_release(e);
    }
}
END_TEST

START_TEST(what_the_server_left_out_or_got_wrong_is_still_an_error)
{
    static const char *const codes[] = {NULL,    "",      "42",     "42P0\x1b",
                                        "42p01", "4 601", "426011", "\x80\x80\x80\x80\x80"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        const struct redwi_error_field fields[] = {{codes[i] ? 'C' : 0, codes[i]}, {0, NULL}};
        redw_error *e = server_error(&redwi_malloc, fields, REDW_OUTCOME_UNKNOWN);
        ck_assert_int_eq(redw_error_class(e), REDW_CLASS_INTERNAL);
        ck_assert_str_eq(redw_error_sqlstate(e), "");
        ck_assert(field_is(e, 'C', codes[i])); /* as it came */
        ck_assert_str_eq(redw_error_message(e), "the server gave no message");
        redw_error_release(e);
    }
    redw_error *e = server_error(&redwi_malloc, FIELDS({'M', ""}), REDW_OUTCOME_UNKNOWN);
    ck_assert_str_eq(redw_error_message(e), "the server gave no message");
    redw_error_release(e);
}
END_TEST

START_TEST(of_a_huge_error_the_fields_that_fit_are_kept_whole)
{
    enum { KEPT = 32 * 1024 };
    static char fits[KEPT], large[1 << 20];
    memset(fits, 'f', sizeof fits - 1);
    memset(large, 'l', sizeof large - 1);
    struct meter m;
    struct redw_allocator mem = metered(&m);

    redw_error *e = server_error(
        &mem, FIELDS({'S', "ERROR"}, {'M', large}, {'C', "53100"}, {'D', large}, {'H', "do"}),
        REDW_OUTCOME_UNKNOWN);
    ck_assert_int_eq(redw_error_class(e), REDW_CLASS_DISK_FULL);
    ck_assert_uint_eq(strlen(redw_error_message(e)), 1023); /* shown although not kept */
    ck_assert(field_is(e, 'M', NULL));
    ck_assert(field_is(e, 'D', NULL));
    ck_assert(field_is(e, 'S', "ERROR"));
    ck_assert(field_is(e, 'C', "53100"));
    ck_assert(field_is(e, 'H', "do"));
    redw_error_release(e);

    /* To the byte: letter, text, NUL, and the zero byte that ends the list make 32 KiB. */
    fits[KEPT - 3] = '\0';
    e = server_error(&mem, FIELDS({'D', fits}), REDW_OUTCOME_UNKNOWN);
    ck_assert_uint_eq(redw_error_field(e, 'D').len, KEPT - 3);
    redw_error_release(e);
    fits[KEPT - 3] = 'f';
    fits[KEPT - 2] = '\0';
    e = server_error(&mem, FIELDS({'D', fits}), REDW_OUTCOME_UNKNOWN);
    ck_assert(field_is(e, 'D', NULL));
    redw_error_release(e);
    ck_assert_uint_eq(m.live, 0);
}
END_TEST

/* ---- the same error for another request ---- */

START_TEST(an_error_seen_again_differs_only_in_outcome_and_prefix)
{
    struct meter m;
    struct redw_allocator mem = metered(&m);
    redw_error *e = server_error(&mem, FIELDS({'S', "FATAL"}, {'C', "57P01"}, {'M', "going\tdown"}),
                                 REDW_OUTCOME_UNKNOWN);
    redw_error *again = redwi_err_again(&mem, e, REDW_OUTCOME_NOT_SENT, "que\nry");
    ck_assert_int_eq(redw_error_outcome(e), REDW_OUTCOME_UNKNOWN); /* the first is as it was */
    ck_assert_str_eq(redw_error_message(e), "going\\x09down");
    redw_error_release(e);
    ck_assert_str_eq(redw_error_message(again), "que\\x0ary: going\\x09down");
    ck_assert_int_eq(redw_error_outcome(again), REDW_OUTCOME_NOT_SENT);
    ck_assert_int_eq(redw_error_code(again), REDW_ESERVER);
    ck_assert_int_eq(redw_error_class(again), REDW_CLASS_CONNECTION_FAILED);
    ck_assert_int_eq(redw_error_origin(again), REDW_ORIGIN_SERVER);
    ck_assert_str_eq(redw_error_sqlstate(again), "57P01");
    ck_assert(field_is(again, 'M', "going\tdown"));
    ck_assert(redwi_err_is_fatal(again));

    /* Nothing to change: the same object. */
    size_t calls = m.calls;
    redw_error *same = redwi_err_again(&mem, again, REDW_OUTCOME_NOT_SENT, NULL);
    ck_assert_ptr_eq(same, again);
    ck_assert_uint_eq(m.calls, calls);
    redw_error_release(same);
    redw_error *other = redwi_err_again(&mem, again, REDW_OUTCOME_NOT_EXECUTED, NULL);
    ck_assert_str_eq(redw_error_message(other), redw_error_message(again));
    redw_error_release(other);
    redw_error_release(again);

    /* The errno of a broken connection stays. */
    const struct redwi_err_spec spec = {
        .code = REDW_ECONNECT, .origin = REDW_ORIGIN_OS, .sys_errno = ECONNRESET};
    e = redwi_err_make(&mem, &spec, "recv");
    again = redwi_err_again(&mem, e, REDW_OUTCOME_NOT_SENT, "a");
    ck_assert_int_eq(redw_error_errno(again), ECONNRESET);
    redw_error_release(e);
    redw_error_release(again);

    /* Fixed errors need no memory for another outcome. */
    m.broken = true;
    again = redwi_err_again(&mem, redwi_err_closed(REDW_OUTCOME_UNKNOWN), REDW_OUTCOME_NOT_SENT, NULL);
    ck_assert_ptr_eq(again, redwi_err_closed(REDW_OUTCOME_NOT_SENT));
    again =
        redwi_err_again(&mem, redwi_err_no_memory(REDW_OUTCOME_UNKNOWN), REDW_OUTCOME_NOT_EXECUTED, "x");
    ck_assert_ptr_eq(again, redwi_err_no_memory(REDW_OUTCOME_NOT_EXECUTED));
    m.broken = false;
    again =
        redwi_err_again(&mem, redwi_err_closed(REDW_OUTCOME_UNKNOWN), REDW_OUTCOME_NOT_SENT, "submit");
    ck_assert_str_eq(redw_error_message(again), "submit: the client was closed");
    ck_assert_int_eq(redw_error_code(again), REDW_ECLOSED);
    redw_error_release(again);
    ck_assert_uint_eq(m.live, 0);
}
END_TEST

START_TEST(prefixes_pile_up_without_passing_the_bound_or_cutting_an_escape)
{
    const struct redwi_err_spec spec = {.code = REDW_EPROTOCOL};
    redw_error *e =
        redwi_err_make(&redwi_malloc, &spec, "%s", "\x1b\x1b\x1b\x1b\xe2\x82\xac\x1b\x1b\x1b\x1b");
    for (int i = 0; i < 600; i++) {
        redw_error *again =
            redwi_err_again(&redwi_malloc, e, REDW_OUTCOME_UNKNOWN, i % 3 ? "a" : "\x1b");
        redw_error_release(e);
        e = again;
        const char *text = redw_error_message(e);
        ck_assert_uint_le(strlen(text), 1023);
        for (const char *p = text; (p = strchr(p, '\\')) != NULL; p++) {
            if (strncmp(p, "\\x1b", 4) != 0)
                ck_abort_msg("cut: %s", p);
        }
        const char *euro = strchr(text, '\xe2');
        if (euro && strncmp(euro, "\xe2\x82\xac", 3) != 0)
            ck_abort_msg("cut: %s", euro);
    }
    ck_assert_uint_gt(strlen(redw_error_message(e)), 1015);
    redw_error_release(e);
}
END_TEST

/* ---- counting ---- */

enum { THREADS = 4, TURNS = 20000 };

static void *keep_and_release(void *arg)
{
    redw_error *e = arg;
    for (int i = 0; i < TURNS; i++) {
        redw_error *mine = redw_error_keep(e);
        if (redw_error_code(mine) != REDW_EFULL)
            return NULL;
        redw_error *again =
            redwi_err_again(&redwi_malloc, mine, REDW_OUTCOME_NOT_SENT, i % 64 ? NULL : "x");
        redw_error_release(again);
        redw_error_release(mine);
    }
    redw_error_release(e); /* the reference that came with the thread */
    return e;
}

START_TEST(references_may_be_taken_and_given_back_on_any_thread)
{
    struct meter m;
    struct redw_allocator mem = metered(&m);
    const struct redwi_err_spec spec = {.code = REDW_EFULL, .outcome = REDW_OUTCOME_NOT_SENT};
    redw_error *e = redwi_err_make(&mem, &spec, "shared");
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, keep_and_release, redw_error_keep(e)), 0);
    redw_error_release(e);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        ck_assert_ptr_eq(result, e);
    }
    ck_assert_uint_eq(m.live, 0);
    ck_assert_uint_eq(m.calls, 1);
}
END_TEST

/* ---- names ---- */

START_TEST(every_code_class_and_outcome_has_a_name_of_its_own)
{
    static const struct {
        int code;
        const char *name;
    } codes[] = {
        {REDW_OK, "REDW_OK: "},
        {REDW_NULL, "REDW_NULL: "},
        {REDW_EINVAL, "REDW_EINVAL: "},
        {REDW_ENOMEM, "REDW_ENOMEM: "},
        {REDW_ENOENT, "REDW_ENOENT: "},
        {REDW_ECLOSED, "REDW_ECLOSED: "},
        {REDW_EFULL, "REDW_EFULL: a bound was reached"},
        {REDW_ETYPE, "REDW_ETYPE: "},
        {REDW_ERANGE, "REDW_ERANGE: "},
        {REDW_ECOLUMN, "REDW_ECOLUMN: "},
        {REDW_ECANCELLED, "REDW_ECANCELLED: "},
        {REDW_ETIMEDOUT, "REDW_ETIMEDOUT: "},
        {REDW_ECONNECT, "REDW_ECONNECT: "},
        {REDW_EPROTOCOL, "REDW_EPROTOCOL: "},
        {REDW_EAUTH, "REDW_EAUTH: "},
        {REDW_ETLS, "REDW_ETLS: "},
        {REDW_ESERVER, "REDW_ESERVER: "},
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        ck_assert_int_eq(strncmp(redw_strerror(codes[i].code), codes[i].name, strlen(codes[i].name)), 0);
    ck_assert_str_eq(redw_strerror(-9), "unknown code");
    ck_assert_str_eq(redw_strerror(12345), "unknown code");

    for (int a = REDW_CLASS_NONE; a <= REDW_CLASS_INTERNAL; a++) {
        ck_assert_str_ne(redw_class_name((enum redw_class)a), "unknown");
        for (int b = REDW_CLASS_NONE; b < a; b++)
            ck_assert_str_ne(redw_class_name((enum redw_class)a), redw_class_name((enum redw_class)b));
    }
    ck_assert_str_eq(redw_class_name(REDW_CLASS_SERIALIZATION_FAILURE), "serialization_failure");
    ck_assert_str_eq(redw_class_name((enum redw_class)(REDW_CLASS_INTERNAL + 1)), "unknown");
    ck_assert_str_eq(redw_outcome_name(REDW_OUTCOME_UNKNOWN), "unknown");
    ck_assert_str_eq(redw_outcome_name(REDW_OUTCOME_NOT_SENT), "not_sent");
    ck_assert_str_eq(redw_outcome_name(REDW_OUTCOME_NOT_EXECUTED), "not_executed");
    ck_assert_str_eq(redw_outcome_name((enum redw_outcome)3), "unknown");
    ck_assert_str_eq(redw_version(), REDW_VERSION);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("err");
    TCase *t = tcase_create("err");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, text_is_escaped_as_specified);
    tcase_add_test(t, nothing_is_cut_in_the_middle);
    tcase_add_test(t, any_bytes_come_out_safe_and_escaping_again_changes_nothing);
    tcase_add_test(t, an_error_answers_what_it_was_made_of);
    tcase_add_test(t, an_error_of_the_system_says_what_the_system_said);
    tcase_add_test(t, a_long_message_is_bounded_and_cut_cleanly);
    tcase_add_test(t, without_memory_there_still_is_an_error_with_the_same_outcome);
    tcase_add_test(t, no_error_is_an_error_that_says_nothing);
    tcase_add_test(t, a_server_error_keeps_its_fields_and_shows_only_its_message);
    tcase_add_test(t, fatal_is_told_by_the_untranslated_severity);
    tcase_add_test(t, what_the_server_left_out_or_got_wrong_is_still_an_error);
    tcase_add_test(t, of_a_huge_error_the_fields_that_fit_are_kept_whole);
    tcase_add_test(t, an_error_seen_again_differs_only_in_outcome_and_prefix);
    tcase_add_test(t, prefixes_pile_up_without_passing_the_bound_or_cutting_an_escape);
    tcase_add_test(t, references_may_be_taken_and_given_back_on_any_thread);
    tcase_add_test(t, every_code_class_and_outcome_has_a_name_of_its_own);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
