/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C01: Guard pages: readers of messages over bytes that end, or begin, at an inaccessible page, and sessions
 * all of whose memory ends at one. Whoever reads or writes a byte too far crashes. (Rows:
 * tests/data/test_row.c.)
 */
#include "data/fence.h"
#include "support/golden.h"
#include "support/solo.h"

#include "wire/be_read.h"
#include "wire/fe_read.h"
#include "wire/mem.h"
#include "wire/trace.h"

#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static glob_t files;

/* --- readers ------------------------------------------------------------------------------------------ */

static void read_as_server(const uint8_t *p, size_t n)
{
    const uint8_t *bytes;
    redw_slice text, value;
    uint32_t number;
    uint8_t byte;
    size_t count;
    bool yes;
    char status;
    struct redwi_cursor cursor;

    redwi_be_authentication(p, n, &number, &bytes, &count);
    redwi_be_no_more(p, n);
    redwi_be_md5_salt(p, n, &bytes);
    redwi_be_sasl_offers(p, n, "SCRAM-SHA-256", &yes);
    redwi_be_digest_request(p, n, &(struct redwi_digest_request){0});
    redwi_be_key_data(p, n, &number, &bytes, &count);
    redwi_be_negotiate(p, n, &(struct redwi_negotiate){0});
    redwi_be_compression(p, n, &text);
    redwi_be_compression_switch(p, n, &byte);
    if (redwi_be_parameter_status(p, n, &text, &value))
        redwi_be_row_version(value, &(unsigned){0});
    redwi_be_data_row(p, n, &count, &cursor);
    redwi_be_parameter_description(p, n, &bytes, &count);
    redwi_be_ready(p, n, &status);
    if (redwi_be_command_complete(p, n, &text))
        redwi_be_tag_count(text.ptr, text.len);
    redwi_be_notification(p, n, &(struct redwi_notification){0});
    redwi_be_copy_response(p, n, &(struct redwi_copy_response){0});
    redwi_be_function_result(p, n, &value);
}

static void read_columns(const uint8_t *p, size_t n)
{
    for (unsigned version = 0; version <= REDWI_ROW_VERSION_MAX; version++) {
        struct redwi_columns columns;
        struct redwi_field field;
        if (!redwi_be_row_description(p, n, version, &columns))
            continue;
        for (size_t i = 0; i < columns.n; i++)
            redwi_be_field_next(&columns, &field);
    }
}

static void read_error(const uint8_t *p, size_t n)
{
    redwi_be_field(p, n, 'D');
    if (redwi_be_fields_ok(p, n))
        redw_error_release(redwi_err_server(&redwi_malloc, p, n, REDW_OUTCOME_UNKNOWN));
}

static void read_as_client(const uint8_t *p, size_t n)
{
    const uint8_t *bytes;
    redw_slice text, other;
    uint32_t number;
    size_t count;
    char what;
    enum redwi_first kind;

    redwi_fe_first(p, n, &kind);
    redwi_fe_read_cancel(p, n, &number, &bytes, &count);
    redwi_fe_read_parse(p, n, &(struct redwi_parse_msg){0});
    redwi_fe_read_bind(p, n, &(struct redwi_bind_msg){0});
    redwi_fe_read_describe(p, n, &what, &text);
    redwi_fe_read_execute(p, n, &text, &number);
    redwi_fe_read_query(p, n, &text);
    redwi_fe_read_copy_fail(p, n, &text);
    redwi_fe_read_function_call(p, n, &(struct redwi_function_call){0});
    redwi_fe_read_password(p, n, &text);
    redwi_fe_read_sasl_initial(p, n, &text, &other);
    redwi_fe_read_digest(p, n, &bytes, &text);
    redwi_fe_read_token(p, n, &text);
}

static void read_all(const void *body, size_t n)
{
    read_as_server(body, n);
    read_columns(body, n);
    read_error(body, n);
    read_as_client(body, n);
}

static void print_line(const void *message, size_t have)
{
    static char line[REDWI_TRACE_LINE];
    for (int to_server = 0; to_server < 2; to_server++) {
        const struct redwi_trace_view view = {
            .to_server = to_server, .phase = REDWI_TRACE_OPEN, .values = true};
        redwi_trace_message(&view, message, have, line, sizeof line);
    }
}

/* A message cut off at each byte, with the fence to either side. */
static size_t at_the_fence(const uint8_t *message, size_t len)
{
    size_t least = len > 300 ? len - 300 : 5;
    for (size_t have = least; have <= len; have++) {
        read_all(fence_behind(message + 5, have - 5), have - 5);
        read_all(fence_before(message + 5, have - 5), have - 5);
        print_line(fence_behind(message, have), have);
    }
    return len - least + 1;
}

static size_t each_message(const struct redwi_buf *b)
{
    const uint8_t *p = redwi_buf_front(b);
    size_t left = redwi_buf_len(b), runs = 0;
    while (left >= 5 && redwi_load32(p + 1) >= 4 && redwi_load32(p + 1) < left) {
        size_t len = 1 + redwi_load32(p + 1);
        runs += at_the_fence(p, len);
        p += len;
        left -= len;
    }
    return runs;
}

static void load(struct golden *g, size_t i)
{
    char why[256];
    if (!golden_load(g, files.gl_pathv[i], why))
        ck_abort_msg("%s: %s", files.gl_pathv[i], why);
}

START_TEST(readers_of_messages_stay_within_them)
{
    static struct golden g;
    size_t runs = 0;
    for (size_t i = 0; i < files.gl_pathc; i++) {
        load(&g, i);
        for (size_t k = 0; k < g.nsteps; k++) {
            if (g.steps[k].kind == GOLDEN_FEED || g.steps[k].kind == GOLDEN_EXPECT)
                runs += each_message(&g.steps[k].bytes);
        }
        golden_free(&g);
    }
    printf("fence: %zu messages and pieces of them\n", runs);
    ck_assert_uint_gt(runs, 5000);
}
END_TEST

/* --- sessions ----------------------------------------------------------------------------------------- */

/* Each block: a page that knows its size, the block's pages, a page that nobody may touch. */
#define PAGE ((size_t)4096)

struct block {
    size_t size, mapped;
};

static struct block *block_of(void *p)
{
    return (struct block *)(((uintptr_t)p & ~(PAGE - 1)) - PAGE);
}

static void *fenced_alloc(void *ctx, size_t n)
{
    (void)ctx;
    size_t room = (n + 15) & ~(size_t)15; /* aligned for anything */
    size_t pages = room ? (room + PAGE - 1) & ~(PAGE - 1) : PAGE;
    char *base = mmap(NULL, pages + 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(base, MAP_FAILED);
    ck_assert_int_eq(mprotect(base + PAGE + pages, PAGE, PROT_NONE), 0);
    *(struct block *)(void *)base = (struct block){n, pages + 2 * PAGE};
    return base + PAGE + pages - room;
}

static void fenced_release(void *ctx, void *p)
{
    (void)ctx;
    struct block *b = block_of(p);
    munmap(b, b->mapped);
}

static void *fenced_resize(void *ctx, void *p, size_t n)
{
    char *q = fenced_alloc(ctx, n);
    if (p) {
        size_t had = block_of(p)->size;
        memcpy(q, p, had < n ? had : n);
        fenced_release(ctx, p);
    }
    return q;
}

static const struct redw_allocator fenced = {sizeof fenced, NULL, fenced_alloc, fenced_resize, fenced_release};

static void play(const struct golden *g, const struct golden_run *run)
{
    struct redwi_buf trace;
    char why[256];
    redwi_buf_init(&trace, &redwi_malloc, SIZE_MAX / 2);
    if (!golden_play(g, run, &trace, why))
        ck_abort_msg("%s: %s", g->path, why);
    redwi_buf_free(&trace);
}

START_TEST(golden_sessions_stay_within_their_memory)
{
    static struct golden g;
    for (size_t i = 0; i < files.gl_pathc; i++) {
        load(&g, i);
        g.config.mem = &fenced;
        play(&g, &(struct golden_run){.row_by_row = true});
        if (!g.whole_only)
            play(&g, &(struct golden_run){.bytewise = true});
        for (size_t end = 0; end < g.bytes; end += 1 + g.bytes / 8)
            play(&g, &(struct golden_run){.truncate = true, .end = end});
        golden_free(&g);
    }
}
END_TEST

/* Room is made for a long message to its last byte: that is where the fence is then. */
static void long_message(enum solo_where where, char type, const void *start, size_t n, int fill)
{
    enum { WHOLE = 5000 * 32, BODY = WHOLE - 5 };
    static uint8_t body[BODY];
    struct solo r;
    size_t room;
    solo_init(&r);
    r.config.mem = &fenced;
    solo_reach(&r, where);
    memset(body, fill, sizeof body);
    memcpy(body, start, n);
    solo_feed_header(&r, type, BODY + 4);
    solo_feed(&r, body, BODY - 1);
    ck_assert_uint_eq(r.seen.fatal, 0);
    uint8_t *last = redwi_session_input(r.s, &room);
    ck_assert_uint_eq(room, 1);
    ck_assert_uint_eq((uintptr_t)(last + 1) % PAGE, 0);
    solo_feed(&r, body + BODY - 1, 1);
    ck_assert(r.seen.fatal || !redwi_session_has_input(r.s));
    solo_free(&r);
}

START_TEST(a_long_message_is_read_to_its_last_byte_and_no_further)
{
    static const int fills[] = {0, 1, 'x', 0xff};
    for (size_t i = 0; i < sizeof fills / sizeof fills[0]; i++) {
        long_message(SOLO_AT_DESCRIBE, 'T', "", 0, fills[i]);
        long_message(SOLO_AT_DESCRIBE, 'T', "\0\1", 2, fills[i]);
        long_message(SOLO_AT_DESCRIBE, 'T', SOLO_ONE_COLUMN, sizeof SOLO_ONE_COLUMN - 1, fills[i]);
        long_message(SOLO_AT_ROWS, 'E', "", 0, fills[i]);
        long_message(SOLO_AT_ROWS, 'E', SOLO_SOME_ERROR, sizeof SOLO_SOME_ERROR - 1, fills[i]);
        long_message(SOLO_AT_IDLE, 'E', "SFATAL\0D", 8, fills[i]);
        long_message(SOLO_AT_IDLE, 'N', SOLO_SOME_ERROR "D", sizeof SOLO_SOME_ERROR, fills[i]);
        long_message(SOLO_AT_ROWS, 'D', SOLO_ONE_ROW, sizeof SOLO_ONE_ROW - 1, fills[i]);
        long_message(SOLO_AT_COPY_OUT, 'd', "", 0, fills[i]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fence");
    TCase *c = tcase_create("fence");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, readers_of_messages_stay_within_them);
    tcase_add_test(c, golden_sessions_stay_within_their_memory);
    tcase_add_test(c, a_long_message_is_read_to_its_last_byte_and_no_further);
    suite_add_tcase(suite, c);
    if (glob("tests/golden/*.session", 0, NULL, &files) != 0) {
        fprintf(stderr, "run from the top of the tree: no tests/golden/*.session\n");
        return EXIT_FAILURE;
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    globfree(&files);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
