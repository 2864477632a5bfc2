/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The golden sessions of tests/golden: the same events at any partition of the server's bytes, and an
 * end at any byte fails what was pending once and makes nothing succeed.
 */
#include "support/golden.h"

#include "wire/mem.h"

#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Random partitions of a session: the key derivation of SCRAM costs a millisecond each time, and sanitizers
 * ten of everything. */
#define PARTITIONS_SCRAM 100
#ifdef __SANITIZE_ADDRESS__
#define PARTITIONS 500
#else
#define PARTITIONS 10000
#endif

static glob_t files;
static struct {
    size_t sessions, splits, partitions, cuts, least; /* least: partitions of one session */
} ran = {.least = SIZE_MAX};

static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void load(struct golden *g, size_t i)
{
    char why[256];
    if (!golden_load(g, files.gl_pathv[i], why))
        ck_abort_msg("%s: %s", files.gl_pathv[i], why);
}

static void play(const struct golden *g, const struct golden_run *run, struct redwi_buf *trace)
{
    char why[256];
    redwi_buf_init(trace, &redwi_malloc, SIZE_MAX / 2);
    if (!golden_play(g, run, trace, why))
        ck_abort_msg("%s: %s", g->path, why);
    redwi_buf_u8(trace, 0);
}

static const char *text(const struct redwi_buf *b)
{
    return (const char *)redwi_buf_front(b);
}

static void must_give_trace(const struct golden *g, const struct golden_run *run, const char *how)
{
    struct redwi_buf trace;
    play(g, run, &trace);
    if (strcmp(text(&trace), text(&g->trace)) != 0)
        ck_abort_msg("%s, %s (first cut %zu)\n--- expected\n%s--- got\n%s", g->path, how,
                     run->ncuts ? run->cuts[0] : 0, text(&g->trace), text(&trace));
    redwi_buf_free(&trace);
}

static void each_session(void (*check)(const struct golden *g))
{
    ck_assert_uint_ge(files.gl_pathc, 60);
    static struct golden g; /* large */
    for (size_t i = 0; i < files.gl_pathc; i++) {
        load(&g, i);
        redwi_buf_u8(&g.trace, 0);
        check(&g);
        golden_free(&g);
    }
}

static void whole(const struct golden *g)
{
    must_give_trace(g, &(struct golden_run){0}, "whole");
    must_give_trace(g, &(struct golden_run){.row_by_row = true}, "whole, row by row");
    must_give_trace(g, &(struct golden_run){.robbed = true}, "whole, robbed");
}

START_TEST(a_session_gives_the_events_written_down)
{
    each_session(whole);
}
END_TEST

/* What random partitions cost is mostly their number. */
static size_t partitions_of(const struct golden *g)
{
    return strstr(g->path, "scram") ? PARTITIONS_SCRAM : PARTITIONS;
}

static void divided(const struct golden *g)
{
    if (g->whole_only)
        return;
    size_t partitions = g->bytes > 1 ? partitions_of(g) : 0;
    ran.sessions++;
    ran.splits += g->bytes ? g->bytes - 1 : 0;
    ran.partitions += partitions;
    if (partitions && partitions < ran.least)
        ran.least = partitions;
    must_give_trace(g, &(struct golden_run){.bytewise = true}, "byte by byte");
    must_give_trace(g, &(struct golden_run){.bytewise = true, .robbed = true}, "byte by byte, robbed");
    for (size_t cut = 1; cut < g->bytes; cut++) {
        must_give_trace(g, &(struct golden_run){.cuts = &cut, .ncuts = 1}, "cut in two");
        must_give_trace(g, &(struct golden_run){.cuts = &cut, .ncuts = 1, .robbed = true}, "cut in two, robbed");
    }

    uint64_t seed = 0x9e3779b97f4a7c15;
    for (size_t n = 0; n < partitions; n++) {
        size_t cuts[32], ncuts = 0;
        for (size_t at = 0; ncuts < 32; ncuts++) {
            at += 1 + draw(&seed) % (g->bytes / 4 + 1);
            if (at >= g->bytes)
                break;
            cuts[ncuts] = at;
        }
        const struct golden_run run = {
            .cuts = cuts, .ncuts = ncuts, .row_by_row = n % 2, .robbed = n % 8 >= 6};
        must_give_trace(g, &run, "random cuts");
    }
}

START_TEST(any_partition_gives_the_same_events)
{
    each_session(divided);
    printf("golden: %zu sessions, %zu splits in two, byte by byte, %zu random partitions (%zu at least of each)\n",
           ran.sessions, ran.splits, ran.partitions, ran.least);
}
END_TEST

static size_t count_lines(const char *trace, const char *start)
{
    size_t n = 0;
    for (const char *p = trace; *p; p = strchr(p, '\n') + 1)
        n += strncmp(p, start, strlen(start)) == 0;
    return n;
}

/* What a cut session reports is what the whole one does, up to some line; then its end, and each unit
 * that was pending once. */
static void must_be_cut_short(const struct golden *g, const char *trace, size_t end)
{
    const char *whole_trace = text(&g->trace), *p = trace;
    while (*p && strncmp(p, "fatal ", 6) != 0 && strncmp(p, "closed", 6) != 0 &&
           strncmp(p, "lost ", 5) != 0)
        p = strchr(p, '\n') + 1;
    size_t before = (size_t)(p - trace);
    if (strncmp(trace, whole_trace, before) != 0)
        ck_abort_msg("%s cut at %zu: not the events of the whole\n%s", g->path, end, trace);
    if (count_lines(trace, "fatal ") + count_lines(trace, "closed") != 1)
        ck_abort_msg("%s cut at %zu: no single end\n%s", g->path, end, trace);
    for (size_t i = 0; i < g->nunits; i++) {
        char ready[32], lost[32];
        snprintf(ready, sizeof ready, "ready %s ", g->units[i]);
        snprintf(lost, sizeof lost, "lost %s ", g->units[i]);
        if (count_lines(trace, ready) + count_lines(trace, lost) > 1)
            ck_abort_msg("%s cut at %zu: %s ended twice\n%s", g->path, end, g->units[i], trace);
    }
    if (strstr(trace, "lost ") && strstr(trace, "lost ") < p)
        ck_abort_msg("%s cut at %zu: lost before the end\n%s", g->path, end, trace);
}

static void cut_short(const struct golden *g)
{
    ran.cuts += g->bytes + 1;
    for (size_t end = 0; end <= g->bytes; end++) {
        for (int bytewise = 0; bytewise < (end % 8 || g->whole_only ? 1 : 2); bytewise++) {
            struct redwi_buf trace;
            const struct golden_run run = {
                .truncate = true, .end = end, .bytewise = bytewise, .robbed = end % 16 == 8};
            play(g, &run, &trace);
            /* The injection needs more than one byte: cut at one it is an honest S. */
            if (!(g->whole_only && end < g->bytes))
                must_be_cut_short(g, text(&trace), end);
            redwi_buf_free(&trace);
        }
    }
}

START_TEST(an_end_at_any_byte_fails_what_is_pending_once)
{
    each_session(cut_short);
    printf("golden: cut off at %zu places\n", ran.cuts);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("golden");
    TCase *c = tcase_create("golden");
    tcase_set_timeout(c, 300);
    tcase_add_test(c, a_session_gives_the_events_written_down);
    tcase_add_test(c, any_partition_gives_the_same_events);
    tcase_add_test(c, an_end_at_any_byte_fails_what_is_pending_once);
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
