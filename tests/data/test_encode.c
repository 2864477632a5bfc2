/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters: what they are refused for, what a copy holds, and their bytes in a Bind message. */
#include "data/encode.h"
#include "wire/mem.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

static const char *refused(const redw_param *params, size_t n)
{
    static struct redw_diag why;
    why = (struct redw_diag){.text = "untouched"};
    int rc = redwi_params_check(params, n, &why);
    if (rc == REDW_OK) {
        ck_assert_int_eq(why.code, 0);
        ck_assert_str_eq(why.text, "untouched");
        return NULL;
    }
    ck_assert_int_eq(rc, REDW_EINVAL);
    ck_assert_int_eq(why.code, REDW_EINVAL);
    return why.text;
}

static const char *refused_one(redw_param p)
{
    return refused(&p, 1);
}

START_TEST(each_value_has_its_oid_format_and_bytes)
{
    const struct {
        redw_param p;
        uint32_t oid;
        uint8_t format;
        size_t n;
        const char *bytes;
    } rows[] = {
        {redw_p_bool(true), 16, 1, 1, "\x01"},
        {redw_p_bool(false), 16, 1, 1, "\x00"},
        {redw_p_int16(-2), 21, 1, 2, "\xff\xfe"},
        {redw_p_int16(INT16_MIN), 21, 1, 2, "\x80\x00"},
        {redw_p_int32(0x01020304), 23, 1, 4, "\x01\x02\x03\x04"},
        {redw_p_int32(INT32_MIN), 23, 1, 4, "\x80\x00\x00\x00"},
        {redw_p_int64(0x0102030405060708), 20, 1, 8, "\x01\x02\x03\x04\x05\x06\x07\x08"},
        {redw_p_int64(INT64_MIN), 20, 1, 8, "\x80\x00\x00\x00\x00\x00\x00\x00"},
        {redw_p_real(1.5F), 700, 1, 4, "\x3f\xc0\x00\x00"},
        {redw_p_real(0.1F), 700, 1, 4, "\x3d\xcc\xcc\xcd"},
        {redw_p_real(FLT_TRUE_MIN), 700, 1, 4, "\x00\x00\x00\x01"},
        {redw_p_double(-0.0), 701, 1, 8, "\x80\x00\x00\x00\x00\x00\x00\x00"},
        {redw_p_double(0.1), 701, 1, 8, "\x3f\xb9\x99\x99\x99\x99\x99\x9a"},
        {redw_p_double((double)INFINITY), 701, 1, 8, "\x7f\xf0\x00\x00\x00\x00\x00\x00"},
        {redw_p_double(-(double)INFINITY), 701, 1, 8, "\xff\xf0\x00\x00\x00\x00\x00\x00"},
        {redw_p_text("2024-02-29"), 0, 0, 10, "2024-02-29"},
        {redw_p_text(""), 0, 0, 0, ""},
        {redw_p_text_n("abc", 2), 0, 0, 2, "ab"},
        {redw_p_text_n("", 0), 0, 0, 0, ""},
        {redw_p_text("na\xc3\xafve \xe2\x82\xac \xf0\x9f\x8e\x88"), 0, 0, 15,
         "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x8e\x88"},
        {redw_p_text(NULL), 0, 0, SIZE_MAX, NULL},
        {redw_p_text_n(NULL, 5), 0, 0, SIZE_MAX, NULL},
        {redw_p_null(REDW_UNKNOWN_TYPE), 0, 0, SIZE_MAX, NULL},
        {redw_p_null(REDW_INTEGER), 23, 0, SIZE_MAX, NULL},
        {redw_p_null(REDW_NUMERIC), 1700, 0, SIZE_MAX, NULL},
        {redw_p_null(REDW_SUPER), 4000, 0, SIZE_MAX, NULL},
    };
    struct redwi_buf b;
    redwi_buf_init(&b, &redwi_malloc, 4096);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_ptr_null(refused_one(rows[i].p));
        ck_assert_uint_eq(redwi_param_oid(&rows[i].p), rows[i].oid);
        ck_assert_uint_eq(redwi_param_format(&rows[i].p), rows[i].format);
        redwi_param_put(&b, &rows[i].p);
        const uint8_t *at = redwi_buf_front(&b);
        size_t n = rows[i].n == SIZE_MAX ? 0 : rows[i].n;
        uint8_t word[4] = {0, 0, 0, (uint8_t)n};
        if (rows[i].n == SIZE_MAX)
            memset(word, 0xff, 4); /* -1: NULL */
        ck_assert_uint_eq(redwi_buf_len(&b), 4 + n);
        ck_assert_mem_eq(at, word, 4);
        ck_assert_mem_eq(at + 4, rows[i].bytes ? rows[i].bytes : "", n);
        redwi_buf_take(&b, 4 + n);
    }
    redw_param nan_ = redw_p_double((double)NAN);
    redwi_param_put(&b, &nan_);
    ck_assert_uint_eq(redwi_buf_len(&b), 12);
    ck_assert_uint_eq(redwi_buf_front(&b)[4] & 0x7f, 0x7f);
    ck_assert_uint_ge(redwi_buf_front(&b)[5], 0xf8);
    ck_assert_int_eq(b.failed, 0);
    redwi_buf_free(&b);
}
END_TEST

START_TEST(a_type_given_to_a_text_is_declared)
{
    redw_param p = redw_p_text("2024-02-29");
    p.type = REDW_DATE;
    ck_assert_ptr_null(refused_one(p));
    ck_assert_uint_eq(redwi_param_oid(&p), 1082);
    ck_assert_uint_eq(redwi_param_format(&p), 0);
}
END_TEST

START_TEST(a_value_that_finds_no_room_fails_the_writer)
{
    struct redwi_buf b;
    redwi_buf_init(&b, &redwi_malloc, 6);
    redw_param p = redw_p_int64(1);
    redwi_param_put(&b, &p);
    ck_assert_int_eq(b.failed, REDW_EFULL);
    redwi_buf_free(&b);
}
END_TEST

START_TEST(what_is_wrong_is_named_and_never_quoted)
{
    redw_param p[3] = {redw_p_int32(1), redw_p_text("fine"), redw_p_bool(true)};
    ck_assert_ptr_null(refused(p, 3));
    ck_assert_ptr_null(refused(NULL, 0));
    ck_assert_str_eq(refused(NULL, 2), "2 parameters, but params is NULL");

    p[1] = redw_p_text_n("secret\0x", 8);
    ck_assert_str_eq(refused(p, 3), "parameter $2: contains a NUL byte");
    p[1] = redw_p_text("secret \xc3(");
    ck_assert_str_eq(refused(p, 3), "parameter $2: not valid UTF-8");
    p[1] = redw_p_end_();
    ck_assert_str_eq(refused(p, 3), "parameter $2: redw_p_end_ is not a value");
    ck_assert_ptr_null(refused(p, 1));

    /* Left behind zeroed, made up, or changed into what no function makes. */
    p[1] = (redw_param){0};
    ck_assert_str_eq(refused(p, 3), "parameter $2: not made by a redw_p_ function");
    p[1] = (redw_param){.flags = 1000};
    ck_assert_str_eq(refused(p, 3), "parameter $2: not made by a redw_p_ function");
    const redw_param numbers[] = {redw_p_bool(true), redw_p_int16(1), redw_p_int64(1), redw_p_real(1),
                                  redw_p_double(1)};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        for (uint32_t type = 0; type < 40; type++) {
            p[2] = numbers[i];
            p[2].type = type;
            bool whole = numbers[i].type == REDW_SMALLINT || numbers[i].type == REDW_BIGINT;
            bool fits = numbers[i].type == REDW_BOOLEAN ? type == REDW_BOOLEAN
                        : whole ? type == REDW_SMALLINT || type == REDW_INTEGER || type == REDW_BIGINT
                                : type == REDW_REAL || type == REDW_DOUBLE;
            p[1] = redw_p_int32(2);
            const char *why = refused(p, 3);
            if (fits)
                ck_assert_ptr_null(why);
            else
                ck_assert_str_eq(why, "parameter $3: not made by a redw_p_ function");
        }
    }
    for (uint32_t type = 0; type < 40; type++) {
        bool is_type = type <= REDW_GEOMETRY;
        redw_param text = redw_p_text("x");
        text.type = type;
        ck_assert_int_eq(refused_one(text) == NULL, is_type);
        ck_assert_int_eq(refused_one(redw_p_null((enum redw_type)type)) == NULL, is_type);
    }
    ck_assert_str_eq(refused_one(redw_p_null((enum redw_type)1000)), "parameter $1: no such type");
    ck_assert_str_eq(refused_one(redw_p_text_n("", 0x40000000)), "parameter $1: longer than 1 GiB");
}
END_TEST

START_TEST(as_many_parameters_as_a_signed_count_holds)
{
    redw_param *p = malloc(40000 * sizeof *p);
    ck_assert_ptr_nonnull(p);
    for (size_t i = 0; i < 40000; i++)
        p[i] = redw_p_int32((int32_t)i);
    ck_assert_ptr_null(refused(p, 32767));
    ck_assert_str_eq(refused(p, 32768), "32768 parameters: 32767 at most");
    p[32766] = redw_p_end_();
    ck_assert_str_eq(refused(p, 32767), "parameter $32767: redw_p_end_ is not a value");
    free(p);
}
END_TEST

/* An allocator that counts, fails on demand, and finds what was not wiped. */
struct watch {
    size_t allocs, live, fail_at, dirty;
    union {
        max_align_t align;
        size_t bytes;
    } * block;
};

static void *watch_alloc(void *ctx, size_t bytes)
{
    struct watch *w = ctx;
    if (++w->allocs == w->fail_at)
        return NULL;
    ck_assert_ptr_null(w->block);
    w->block = malloc(sizeof *w->block + bytes);
    ck_assert_ptr_nonnull(w->block);
    w->block->bytes = bytes;
    w->live++;
    return w->block + 1;
}

static void *watch_resize(void *ctx, void *ptr, size_t bytes)
{
    (void)ctx, (void)ptr, (void)bytes;
    ck_abort_msg("parameters are never resized");
    return NULL;
}

static void watch_release(void *ctx, void *ptr)
{
    struct watch *w = ctx;
    ck_assert_ptr_eq(ptr, w->block + 1);
    const unsigned char *p = ptr;
    for (size_t i = 0; i < w->block->bytes; i++)
        w->dirty += p[i] != 0;
    free(w->block);
    w->block = NULL;
    w->live--;
}

START_TEST(a_copy_is_one_allocation_owes_nothing_to_the_caller_and_is_wiped)
{
    struct watch w = {0};
    struct redw_allocator mem = {sizeof mem, &w, watch_alloc, watch_resize, watch_release};
    char one[] = "first secret", two[] = "second";
    redw_param p[] = {redw_p_text(one),       redw_p_int32(7),       redw_p_text(""),
                      redw_p_null(REDW_DATE), redw_p_text_n(two, 3), redw_p_double(2.5),
                      redw_p_text(NULL)};
    const size_t n = sizeof p / sizeof *p;
    redw_param *copy = redwi_params_copy(&mem, p, n);
    ck_assert_ptr_nonnull(copy);
    ck_assert_uint_eq(w.allocs, 1);
    memset(one, 'x', sizeof one - 1);
    memset(two, 'x', sizeof two - 1);
    memset(p, 0, sizeof p);
    ck_assert_ptr_null(refused(copy, n));
    ck_assert_uint_eq(copy[0].v.s.len, 12);
    ck_assert_mem_eq(copy[0].v.s.ptr, "first secret", 12);
    ck_assert_int_eq(copy[1].v.i, 7);
    ck_assert_ptr_nonnull(copy[2].v.s.ptr);
    ck_assert_uint_eq(copy[2].v.s.len, 0);
    ck_assert_uint_eq(redwi_param_oid(&copy[3]), 1082);
    ck_assert_uint_eq(copy[4].v.s.len, 3);
    ck_assert_mem_eq(copy[4].v.s.ptr, "sec", 3);
    ck_assert(copy[5].v.d == 2.5);
    redwi_params_free(&mem, copy, n);
    ck_assert_uint_eq(w.live, 0);
    ck_assert_uint_eq(w.dirty, 0);
}
END_TEST

START_TEST(no_parameters_and_no_memory_are_both_null)
{
    struct watch w = {.fail_at = 1};
    struct redw_allocator mem = {sizeof mem, &w, watch_alloc, watch_resize, watch_release};
    redw_param p = redw_p_text("x");
    ck_assert_ptr_null(redwi_params_copy(&mem, NULL, 0));
    ck_assert_uint_eq(w.allocs, 0);
    ck_assert_ptr_null(redwi_params_copy(&mem, &p, 1));
    ck_assert_uint_eq(w.allocs, 1);
    redwi_params_free(&mem, NULL, 0);
    ck_assert_uint_eq(w.live, 0);
    /* Sizes whose sum wraps are no memory either. */
    redw_param huge[2] = {redw_p_text_n("x", SIZE_MAX / 2), redw_p_text_n("x", SIZE_MAX / 2 + 2)};
    ck_assert_ptr_null(redwi_params_copy(&mem, huge, 2));
    ck_assert_uint_eq(w.allocs, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("encode");
    TCase *t = tcase_create("encode");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, each_value_has_its_oid_format_and_bytes);
    tcase_add_test(t, a_type_given_to_a_text_is_declared);
    tcase_add_test(t, a_value_that_finds_no_room_fails_the_writer);
    tcase_add_test(t, what_is_wrong_is_named_and_never_quoted);
    tcase_add_test(t, as_many_parameters_as_a_signed_count_holds);
    tcase_add_test(t, a_copy_is_one_allocation_owes_nothing_to_the_caller_and_is_wiped);
    tcase_add_test(t, no_parameters_and_no_memory_are_both_null);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
