/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C12: The walk over DataRow messages and the cursor of kept rows. Messages are written here by a few lines
 * of their own, and read behind a fence: a byte read beyond the end crashes the test.
 */
#include "data/row.h"
#include "data/fence.h"

struct bytes {
    uint8_t at[4096];
    size_t n;
};

static void put(struct bytes *b, uint64_t v, size_t n)
{
    if (n > sizeof b->at - b->n)
        ck_abort_msg("no room");
    for (size_t i = 0; i < n; i++)
        b->at[b->n + i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    b->n += n;
}

static void set32(struct bytes *b, size_t at, uint32_t v)
{
    size_t n = b->n;
    b->n = at;
    put(b, v, 4);
    b->n = n;
}

/* One DataRow; a NULL text is SQL NULL. */
static void put_row(struct bytes *b, const char *const *texts, size_t n)
{
    size_t start = b->n;
    put(b, 'D', 1);
    put(b, 0, 4);
    put(b, n, 2);
    for (size_t i = 0; i < n; i++) {
        size_t len = texts[i] ? strlen(texts[i]) : 0;
        put(b, texts[i] ? len : UINT32_MAX, 4);
        for (size_t k = 0; k < len; k++)
            put(b, (uint8_t)texts[i][k], 1);
    }
    set32(b, start + 1, (uint32_t)(b->n - start - 1));
}

enum { NCOLUMNS = 3, NROWS = 4 };
static const char *const sample[NROWS][NCOLUMNS] = {
    {"1", "one", "x"},
    {NULL, "", "a somewhat longer value"},
    {"", NULL, NULL},
    {"-17", "D", "\t"},
};
static const struct redw_column columns[NCOLUMNS] = {{.name = "a"}, {.name = "b"}, {.name = "c"}};

struct stream {
    redw_slice cells[NCOLUMNS];
    struct redwi_rowset set;
    redw_rows it;
    const uint8_t *p;
};

static void stream_open(struct stream *s, const uint8_t *p, size_t n)
{
    memset(s, 0, sizeof *s);
    memset(s->cells, 0x5a, sizeof s->cells);
    s->set = (struct redwi_rowset){.columns = columns, .ncolumns = NCOLUMNS, .cells = s->cells};
    s->p = (const uint8_t *)fence_behind(p, n);
    s->it = redwi_rows_streamed(&s->set, s->p, s->p + n);
}

static size_t stream_at(const struct stream *s)
{
    return (size_t)(redwi_rows_at(&s->it) - s->p);
}

static void sample_rows(struct bytes *b, size_t ends[NROWS + 1])
{
    b->n = 0;
    ends[0] = 0;
    for (size_t i = 0; i < NROWS; i++) {
        put_row(b, sample[i], NCOLUMNS);
        ends[i + 1] = b->n;
    }
}

START_TEST(rows_are_views_of_the_bytes_they_came_in)
{
    struct bytes b;
    size_t ends[NROWS + 1];
    struct stream s;
    sample_rows(&b, ends);
    stream_open(&s, b.at, b.n);
    for (size_t i = 0; i < NROWS; i++) {
        redw_row row;
        ck_assert(redwi_rows_left(&s.it));
        ck_assert(redw_rows_next(&s.it, &row));
        ck_assert_uint_eq(row.ncells, NCOLUMNS);
        ck_assert_ptr_eq(row.priv_[0], columns);
        for (size_t k = 0; k < NCOLUMNS; k++) {
            if (!sample[i][k]) {
                ck_assert_ptr_null(row.cells[k].ptr);
                ck_assert_uint_eq(row.cells[k].len, 0);
                continue;
            }
            ck_assert_ptr_nonnull(row.cells[k].ptr);
            ck_assert((const uint8_t *)row.cells[k].ptr > s.p);
            ck_assert_uint_eq(row.cells[k].len, strlen(sample[i][k]));
            ck_assert_mem_eq(row.cells[k].ptr, sample[i][k], row.cells[k].len);
        }
        ck_assert_uint_eq(stream_at(&s), ends[i + 1]);
        ck_assert_uint_eq(s.set.taken, i + 1);
    }
    redw_row untouched = {.ncells = 77};
    ck_assert(!redwi_rows_left(&s.it));
    ck_assert(!redw_rows_next(&s.it, &untouched));
    ck_assert_uint_eq(untouched.ncells, 77);
    ck_assert(!s.set.corrupt);
}
END_TEST

START_TEST(a_cursor_stops_before_the_message_that_is_not_whole_wherever_it_is_cut)
{
    struct bytes b;
    size_t ends[NROWS + 1];
    sample_rows(&b, ends);
    for (size_t cut = 0; cut <= b.n; cut++) {
        struct stream s;
        size_t whole = 0;
        redw_row row;
        stream_open(&s, b.at, cut);
        while (whole < NROWS && ends[whole + 1] <= cut)
            whole++;
        for (size_t i = 0; i < whole; i++) {
            ck_assert(redwi_rows_left(&s.it));
            ck_assert(redw_rows_next(&s.it, &row));
        }
        ck_assert(!redwi_rows_left(&s.it));
        ck_assert(!redw_rows_next(&s.it, &row));
        ck_assert_uint_eq(stream_at(&s), ends[whole]);
        ck_assert_uint_eq(s.set.taken, whole);
        ck_assert(!s.set.corrupt);
    }
}
END_TEST

START_TEST(a_cursor_stops_before_any_other_message)
{
    for (unsigned type = 0; type < 256; type++) {
        struct bytes b = {.n = 0};
        struct stream s;
        redw_row row;
        put_row(&b, sample[0], NCOLUMNS);
        size_t end = b.n;
        put_row(&b, sample[1], NCOLUMNS);
        b.at[end] = (uint8_t)type;
        stream_open(&s, b.at, b.n);
        ck_assert(redw_rows_next(&s.it, &row));
        ck_assert_int_eq(redwi_rows_left(&s.it), type == 'D');
        ck_assert_int_eq(redw_rows_next(&s.it, &row), type == 'D');
        ck_assert_uint_eq(stream_at(&s), type == 'D' ? b.n : end);
        ck_assert(!s.set.corrupt);
    }
}
END_TEST

START_TEST(a_length_that_no_row_can_have_is_left_to_the_session)
{
    static const uint32_t lengths[] = {0,          1,          2,          3,          4,         5,
                                       0x7fffffff, 0x80000000, 0x80000006, 0xfffffffe, 0xffffffff};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct bytes b = {.n = 0};
        struct stream s;
        redw_row row;
        put_row(&b, sample[0], NCOLUMNS);
        set32(&b, 1, lengths[i]);
        stream_open(&s, b.at, b.n);
        ck_assert(!redwi_rows_left(&s.it));
        ck_assert(!redw_rows_next(&s.it, &row));
        ck_assert_uint_eq(stream_at(&s), 0);
        ck_assert(!s.set.corrupt);
    }
}
END_TEST

/* A sound row, then `b`: taken must be the first, and the second found corrupt, again and again. */
static void assert_corrupt(const struct bytes *bad, const char *what)
{
    struct bytes b = {.n = 0};
    struct stream s;
    redw_row row;
    put_row(&b, sample[0], NCOLUMNS);
    size_t end = b.n;
    for (size_t i = 0; i < bad->n; i++)
        put(&b, bad->at[i], 1);
    put_row(&b, sample[0], NCOLUMNS);
    stream_open(&s, b.at, b.n);
    ck_assert_msg(redw_rows_next(&s.it, &row), "%s", what);
    for (int again = 0; again < 2; again++) {
        ck_assert_msg(!redw_rows_next(&s.it, &row), "%s", what);
        ck_assert_msg(s.set.corrupt, "%s", what);
        ck_assert_uint_eq(stream_at(&s), end);
        ck_assert_uint_eq(s.set.taken, 1);
    }
}

START_TEST(a_malformed_row_is_found_and_not_passed)
{
    struct bytes b = {.n = 0};
    put_row(&b, sample[0], NCOLUMNS);
    const struct bytes sound = b;
    const size_t first = 7, second = first + 4 + 1, third = second + 4 + 3;

    static const uint16_t counts[] = {0, 1, 2, 4, 5, 0x0300, 0x7fff, 0x8000, 0xffff};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        b = sound;
        b.at[5] = (uint8_t)(counts[i] >> 8);
        b.at[6] = (uint8_t)counts[i];
        assert_corrupt(&b, "column count");
    }
    static const uint32_t lengths[] = {0,    4,          100,        0x7ffffffe, 0x7fffffff, 0x80000000,
                                       9999, 0x80000001, 0x01000000, 0xfffffffe, 0xfffffffd, 0xffffff00};
    const size_t cells[] = {first, second, third};
    for (size_t c = 0; c < NCOLUMNS; c++) {
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            b = sound;
            set32(&b, cells[c], lengths[i]);
            assert_corrupt(&b, "cell length");
        }
        /* NULL where a value follows. */
        b = sound;
        set32(&b, cells[c], UINT32_MAX);
        assert_corrupt(&b, "value after NULL");
    }
    /* The body cut anywhere, or with more behind the last cell. */
    for (size_t n = 7; n < sound.n; n++) {
        b = sound;
        b.n = n;
        set32(&b, 1, (uint32_t)(n - 1));
        assert_corrupt(&b, "short body");
    }
    for (size_t more = 1; more < 10; more++) {
        b = sound;
        put(&b, 0, 1);
        for (size_t i = 1; i < more; i++)
            put(&b, 0xff, 1);
        set32(&b, 1, (uint32_t)(b.n - 1));
        assert_corrupt(&b, "long body");
    }
}
END_TEST

START_TEST(a_row_without_columns_is_a_row)
{
    struct bytes b = {.n = 0};
    struct stream s;
    redw_row row;
    put_row(&b, NULL, 0);
    put_row(&b, NULL, 0);
    ck_assert_uint_eq(b.n, 14);
    stream_open(&s, b.at, b.n);
    s.set.ncolumns = 0;
    s.set.cells = NULL;
    for (int i = 0; i < 2; i++) {
        ck_assert(redw_rows_next(&s.it, &row));
        ck_assert_uint_eq(row.ncells, 0);
    }
    ck_assert(!redw_rows_next(&s.it, &row));
    ck_assert(!s.set.corrupt);
}
END_TEST

START_TEST(a_row_without_columns_has_nothing_else_in_it)
{
    for (uint8_t count = 0; count < 2; count++) {
        for (size_t more = 0; more < 9; more++) {
            struct bytes b = {.n = 0};
            struct stream s;
            redw_row row;
            put(&b, 'D', 1);
            put(&b, 6 + more, 4);
            put(&b, count, 2);
            for (size_t i = 0; i < more; i++)
                put(&b, 0, 1);
            bool sound = count == 0 && more == 0;
            stream_open(&s, b.at, b.n);
            s.set.ncolumns = 0;
            ck_assert_int_eq(redw_rows_next(&s.it, &row), sound);
            ck_assert_int_eq(s.set.corrupt, !sound);
            ck_assert_uint_eq(stream_at(&s), sound ? b.n : 0);
        }
    }
}
END_TEST

START_TEST(a_stream_without_bytes_has_no_rows)
{
    struct redwi_rowset set = {.columns = columns, .ncolumns = NCOLUMNS};
    redw_rows it = redwi_rows_streamed(&set, NULL, NULL);
    redw_row row;
    ck_assert(!redwi_rows_left(&it));
    ck_assert(!redw_rows_next(&it, &row));
    ck_assert_ptr_null(redwi_rows_at(&it));
    ck_assert(!set.corrupt);
}
END_TEST

/* The layout read in the most plain way. */
static bool plain_parse(const uint8_t *p, size_t n, redw_slice *cells, size_t ncells)
{
    size_t at = 2;
    if (n < 2 || (size_t)(p[0] << 8 | p[1]) != ncells)
        return false;
    for (size_t i = 0; i < ncells; i++) {
        if (n - at < 4)
            return false;
        int64_t len = (int32_t)((uint32_t)p[at] << 24 | (uint32_t)p[at + 1] << 16 |
                                (uint32_t)p[at + 2] << 8 | p[at + 3]);
        at += 4;
        cells[i] = (redw_slice){NULL, 0};
        if (len == -1)
            continue;
        if (len < 0 || len > (int64_t)(n - at))
            return false;
        cells[i] = (redw_slice){(const char *)p + at, (size_t)len};
        at += (size_t)len;
    }
    return at == n;
}

START_TEST(mutated_rows_are_read_as_a_plain_reader_reads_them)
{
    uint64_t seed = 20240229;
    size_t sound = 0, rounds = 200000;
    for (size_t round = 0; round < rounds; round++) {
        struct bytes b = {.n = 0};
        redw_slice got[NCOLUMNS], want[NCOLUMNS];
        put_row(&b, sample[next_random(&seed) % NROWS], NCOLUMNS);
        for (uint64_t k = next_random(&seed) % 3; k > 0; k--) {
            /* Small values and all ones are what lengths are made of. */
            static const uint8_t values[] = {0, 1, 2, 3, 4, 5, 7, 15, 0x7f, 0x80, 0xfe, 0xff};
            b.at[5 + next_random(&seed) % (b.n - 5)] = values[next_random(&seed) % sizeof values];
        }
        size_t len = b.n - 5 - (next_random(&seed) % 8 == 0 ? next_random(&seed) % (b.n - 5) : 0);
        set32(&b, 1, (uint32_t)(len + 4));
        const uint8_t *p = (const uint8_t *)fence_behind(b.at, 5 + len);
        struct redwi_rowset set = {.columns = columns, .ncolumns = NCOLUMNS, .cells = got};
        redw_rows it = redwi_rows_streamed(&set, p, p + 5 + len);
        redw_row row;
        bool ok = redw_rows_next(&it, &row);
        /* An ordinary comparison first: each ck_assert costs a system call. */
        if (ok != plain_parse(p + 5, len, want, NCOLUMNS) || (!ok && len >= 2 && !set.corrupt))
            ck_abort_msg("round %zu: %s", round, ok ? "passed" : "refused");
        for (size_t i = 0; ok && i < NCOLUMNS; i++) {
            if (got[i].ptr != want[i].ptr || got[i].len != want[i].len)
                ck_abort_msg("round %zu: cell %zu", round, i);
        }
        sound += ok;
    }
    ck_assert_uint_gt(sound, rounds / 10);
    ck_assert_uint_lt(sound, rounds - rounds / 10);
}
END_TEST

START_TEST(kept_rows_are_walked_by_index_and_copies_of_a_cursor_are_independent)
{
    redw_slice cells[NROWS][NCOLUMNS];
    redw_slice *index[NROWS];
    struct redwi_rowset set = {.columns = columns, .ncolumns = NCOLUMNS};
    for (size_t i = 0; i < NROWS; i++) {
        for (size_t k = 0; k < NCOLUMNS; k++)
            cells[i][k] = (redw_slice){sample[i][k], sample[i][k] ? strlen(sample[i][k]) : 0};
        index[i] = cells[NROWS - 1 - i]; /* rows need not lie in order */
    }
    redw_rows it = redwi_rows_kept(&set, index, NROWS), copy = it;
    redw_row row;
    for (size_t i = 0; i < NROWS; i++) {
        if (i == 2)
            copy = it;
        ck_assert(redwi_rows_left(&it));
        ck_assert(redw_rows_next(&it, &row));
        ck_assert_ptr_eq(row.cells, index[i]);
        ck_assert_uint_eq(row.ncells, NCOLUMNS);
        ck_assert_ptr_eq(row.priv_[0], columns);
    }
    ck_assert(!redwi_rows_left(&it));
    ck_assert(!redw_rows_next(&it, &row));
    ck_assert(!redw_rows_next(&it, &row));
    for (size_t i = 2; i < NROWS; i++) {
        ck_assert(redw_rows_next(&copy, &row));
        ck_assert_ptr_eq(row.cells, index[i]);
    }
    ck_assert(!redw_rows_next(&copy, &row));
    redw_rows none = redwi_rows_kept(&set, NULL, 0);
    ck_assert(!redwi_rows_left(&none));
    ck_assert(!redw_rows_next(&none, &row));
}
END_TEST

START_TEST(the_widest_row_is_read)
{
    enum { WIDE = 1664 }; /* as many columns as a server has */
    static uint8_t b[7 + WIDE * 6];
    static redw_slice cells[WIDE];
    struct redwi_rowset set = {.ncolumns = WIDE, .cells = cells};
    uint32_t len = sizeof b - 1;
    memcpy(b, (uint8_t[]){'D', 0, 0, (uint8_t)(len >> 8), (uint8_t)len, WIDE >> 8, WIDE & 0xff}, 7);
    for (size_t i = 0; i < WIDE; i++)
        memcpy(b + 7 + 6 * i, (uint8_t[]){0, 0, 0, 2, (uint8_t)(i >> 8), (uint8_t)i}, 6);
    const uint8_t *p = (const uint8_t *)fence_behind(b, sizeof b);
    redw_rows it = redwi_rows_streamed(&set, p, p + sizeof b);
    redw_row row;
    ck_assert(redw_rows_next(&it, &row));
    for (size_t i = 0; i < WIDE; i++) {
        ck_assert_ptr_eq(row.cells[i].ptr, p + 7 + 6 * i + 4);
        ck_assert_uint_eq(row.cells[i].len, 2);
    }
    ck_assert_ptr_eq(redwi_rows_at(&it), p + sizeof b);
}
END_TEST

START_TEST(lengths_are_signed_even_where_so_many_bytes_are_there)
{
    const size_t n = ((size_t)1 << 31) + 11;
    uint8_t *p =
        mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ck_assert_ptr_ne(p, MAP_FAILED);
    /* A message of 2^31 + 10 bytes with one value of 2^31: negative lengths, both of them. */
    memcpy(p, (uint8_t[]){'D', 0x80, 0, 0, 10, 0, 1, 0x80, 0, 0, 0}, 11);
    redw_slice cell;
    struct redwi_rowset set = {.ncolumns = 1, .cells = &cell};
    redw_rows it = redwi_rows_streamed(&set, p, p + n);
    redw_row row;
    ck_assert(!redwi_rows_left(&it));
    ck_assert(!redw_rows_next(&it, &row));
    ck_assert_int_eq(munmap(p, n), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("row");
    TCase *t = tcase_create("row");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, rows_are_views_of_the_bytes_they_came_in);
    tcase_add_test(t, a_cursor_stops_before_the_message_that_is_not_whole_wherever_it_is_cut);
    tcase_add_test(t, a_cursor_stops_before_any_other_message);
    tcase_add_test(t, a_length_that_no_row_can_have_is_left_to_the_session);
    tcase_add_test(t, a_malformed_row_is_found_and_not_passed);
    tcase_add_test(t, a_row_without_columns_is_a_row);
    tcase_add_test(t, a_row_without_columns_has_nothing_else_in_it);
    tcase_add_test(t, a_stream_without_bytes_has_no_rows);
    tcase_add_test(t, mutated_rows_are_read_as_a_plain_reader_reads_them);
    tcase_add_test(t, kept_rows_are_walked_by_index_and_copies_of_a_cursor_are_independent);
    tcase_add_test(t, the_widest_row_is_read);
    tcase_add_test(t, lengths_are_signed_even_where_so_many_bytes_are_there);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
