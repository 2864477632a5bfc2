/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C13, C14, C15, C16, C17, C18, C19, C20, C21, C23: Parameters: what they are refused for, and what a copy
 * holds.
 */
#include "data/params.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

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
        bool is_type = type <= REDW_OID;
        redw_param text = redw_p_text("x");
        text.type = type;
        ck_assert_int_eq(refused_one(text) == NULL, is_type);
        ck_assert_int_eq(refused_one(redw_p_null((enum redw_type)type)) == NULL, is_type);
    }
    ck_assert_str_eq(refused_one(redw_p_null((enum redw_type)1000)), "parameter $1: no such type");
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
    ck_assert_uint_eq(copy[3].type, REDW_DATE);
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

START_TEST(a_value_that_is_none_is_refused_in_words)
{
    static const int32_t one32[] = {1};
    static const redw_slice bad[] = {{"fine", 4}, {NULL, 0}, {"\xff", 1}};
    static char big[(16 << 20) + 1];
    static redw_slice many[2] = {{big, (16 << 20) - 1}, {big, 2}};
    memset(big, 'x', sizeof big);
    const struct {
        redw_param p;
        const char *why;
    } rows[] = {
        {redw_p_decimal_text("12.3.4"), "not a decimal number"},
        {redw_p_decimal_text(""), "not a decimal number"},
        {redw_p_decimal_text("100000000000000000000000000000000000000"), "more than 38 digits"},
        {redw_p_decimal((redw_decimal){.lo = 12345, .scale = 2, .precision = 4}),
         "more digits than its precision"},
        {redw_p_decimal((redw_decimal){.hi = UINT64_MAX}), "more than 38 digits"},
        {redw_p_decimal((redw_decimal){.special = 9}), "not a decimal: its scale or kind is none"},
        {redw_p_date(2023, 2, 29), "no such day"},
        {redw_p_date(2023, 13, 1), "no such day"},
        {redw_p_date(-4714, 1, 1), "no such day"},
        {redw_p_date_value((redw_date){INT32_MAX - 1}), "a date out of range"},
        {redw_p_time((redw_time){-1}), "a time of day out of range"},
        {redw_p_time((redw_time){INT64_C(86400000001)}), "a time of day out of range"},
        {redw_p_timetz((redw_timetz){0, 16 * 3600}), "a time of day out of range"},
        {redw_p_timestamp((redw_timestamp){INT64_MIN + 1}), "a timestamp out of range"},
        {redw_p_timestamptz((redw_timestamptz){INT64_MIN + 1}), "a timestamp out of range"},
        {redw_p_interval_ym(INT32_MAX, 0), "an interval out of range"},
        {redw_p_interval_ym(178956970, 8), "an interval out of range"},
        {redw_p_interval_ds(INT32_MAX, 0), "an interval out of range"},
        {redw_p_interval_ds(1, INT64_MAX), "an interval out of range"},
        {redw_p_int32_array(NULL, 1), "an array without its elements"},
        {redw_p_int32_array(one32, (4 << 20) + 1), "longer than 16 MiB"},
        {redw_p_int64_array(NULL, SIZE_MAX), "an array without its elements"},
        {redw_p_text_array(bad, 3), "not valid UTF-8"},
        {redw_p_text_array(many, 2), "longer than 16 MiB"},
        {redw_p_text_n(big, sizeof big), "longer than 16 MiB"},
        {redw_p_super("\xc3"), "not valid UTF-8"},
        {redw_p_bytes(big, sizeof big), "longer than 16 MiB"},
        {redw_p_text_as(REDW_ARRAY, "{}", 2), "no such type"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *why = refused_one(rows[i].p);
        ck_assert_msg(why && strcmp(why + strlen("parameter $1: "), rows[i].why) == 0, "%zu: %s", i,
                      why ? why : "accepted");
    }
    many[1].len = 1;
    ck_assert_ptr_null(refused_one(redw_p_text_array(many, 2)));
    ck_assert_ptr_null(refused_one(redw_p_text_n(big, sizeof big - 1)));
    ck_assert_ptr_null(refused_one(redw_p_bytes(big, sizeof big - 1)));
}
END_TEST

START_TEST(values_at_the_ends_of_their_types_are_taken)
{
    const redw_param p[] = {
        redw_p_decimal_text("99999999999999999999999999999999999999"),
        redw_p_decimal_text(" 1e37 "),
        redw_p_decimal_text("NaN"),
        redw_p_date(-4713, 11, 24),
        redw_p_date(5874897, 12, 31),
        redw_p_date_value((redw_date){INT32_MIN}),
        redw_p_date_value((redw_date){INT32_MAX}),
        redw_p_time((redw_time){INT64_C(86400000000)}),
        redw_p_timetz((redw_timetz){0, -57599}),
        redw_p_timestamp((redw_timestamp){INT64_MAX}),
        redw_p_timestamptz((redw_timestamptz){INT64_MIN}),
        redw_p_interval_ym(178956970, 7),
        redw_p_interval_ds(-106751991, 0),
        redw_p_interval((redw_interval){INT32_MIN, INT32_MAX, INT64_MIN}),
        redw_p_bytes("", 0),
        redw_p_int32_array(NULL, 0),
        redw_p_text_array(NULL, 0),
    };
    ck_assert_ptr_null(refused(p, sizeof p / sizeof *p));
}
END_TEST

START_TEST(null_pointers_are_sql_null)
{
    const redw_param p[] = {redw_p_decimal_text(NULL), redw_p_bytes(NULL, 5),
                            redw_p_super(NULL),        redw_p_char(NULL),
                            redw_p_varchar(NULL),      redw_p_text_as(REDW_UUID, NULL, 1)};
    static const enum redw_type types[] = {REDW_NUMERIC, REDW_VARBYTE, REDW_SUPER,
                                           REDW_CHAR,    REDW_VARCHAR, REDW_UUID};
    ck_assert_ptr_null(refused(p, 6));
    for (size_t i = 0; i < 6; i++) {
        ck_assert_uint_eq(p[i].flags, redw_p_null(types[i]).flags);
        ck_assert_uint_eq(p[i].type, types[i]);
    }
}
END_TEST

START_TEST(a_kind_and_a_type_that_do_not_go_together_are_refused)
{
    static const uint32_t none = 1000;
    redw_param p[] = {
        redw_p_bytes("x", 1),
        redw_p_decimal_text("1"),
        redw_p_date(2024, 1, 1),
        redw_p_time((redw_time){0}),
        redw_p_timetz((redw_timetz){0, 0}),
        redw_p_timestamp((redw_timestamp){0}),
        redw_p_interval_ym(1, 1),
        redw_p_int32_array(NULL, 0),
    };
    for (size_t i = 0; i < sizeof p / sizeof *p; i++) {
        ck_assert_ptr_null(refused_one(p[i]));
        p[i].type = none;
        ck_assert_str_eq(refused_one(p[i]), "parameter $1: not made by a redw_p_ function");
        p[i].type = REDW_BOOLEAN;
        ck_assert_str_eq(refused_one(p[i]), "parameter $1: not made by a redw_p_ function");
    }
}
END_TEST

START_TEST(a_copy_holds_all_that_arrays_and_bytes_point_at)
{
    struct watch w = {0};
    struct redw_allocator mem = {sizeof mem, &w, watch_alloc, watch_resize, watch_release};
    int32_t i32[3] = {1, 2, 3};
    int64_t i64[2] = {INT64_MIN, 7};
    double f64[1] = {2.5};
    char name[] = "name", bytes[] = "b\0b";
    redw_slice texts[3] = {{name, 4}, {NULL, 99}, {"", 0}};
    redw_param p[] = {redw_p_text("x"),
                      redw_p_int32_array(i32, 3),
                      redw_p_bytes(bytes, 3),
                      redw_p_text_array(texts, 3),
                      redw_p_int64_array(i64, 2),
                      redw_p_text("yz"),
                      redw_p_double_array(f64, 1),
                      redw_p_int32_array(NULL, 0),
                      redw_p_decimal_text("1.5")};
    const size_t n = sizeof p / sizeof *p;
    redw_param *copy = redwi_params_copy(&mem, p, n);
    ck_assert_ptr_nonnull(copy);
    ck_assert_uint_eq(w.allocs, 1);
    memset(i32, 'x', sizeof i32);
    memset(i64, 'x', sizeof i64);
    memset(f64, 'x', sizeof f64);
    memset(name, 'x', 4);
    memset(bytes, 'x', 3);
    memset(texts, 0, sizeof texts);
    memset(p, 0, sizeof p);
    ck_assert_ptr_null(refused(copy, n));
    for (size_t i = 0; i < n; i++)
        ck_assert(copy[i].flags == REDWI_PARAM_DECIMAL || (uintptr_t)copy[i].v.s.ptr % 8 == 0 ||
                  copy[i].flags == REDWI_PARAM_TEXT || copy[i].flags == REDWI_PARAM_BYTES);
    ck_assert_mem_eq(copy[1].v.s.ptr, ((int32_t[]){1, 2, 3}), 12);
    ck_assert_mem_eq(copy[2].v.s.ptr, "b\0b", 3);
    const redw_slice *copied = (const redw_slice *)(const void *)copy[3].v.s.ptr;
    ck_assert_mem_eq(copied[0].ptr, "name", 4);
    ck_assert_ptr_null(copied[1].ptr);
    ck_assert(copied[2].ptr && copied[2].len == 0);
    ck_assert_mem_eq(copy[4].v.s.ptr, ((int64_t[]){INT64_MIN, 7}), 16);
    ck_assert_mem_eq(copy[6].v.s.ptr, ((double[]){2.5}), 8);
    ck_assert(copy[8].v.n.lo == 15);
    redwi_params_free(&mem, copy, n);
    ck_assert_uint_eq(w.live, 0);
    ck_assert_uint_eq(w.dirty, 0);
    /* Arrays whose sizes wrap are no memory either. */
    redw_param huge[3] = {redw_p_int64_array(i64, SIZE_MAX / 8), redw_p_text("xxxxxxxxxxxxxxxxxx"),
                          redw_p_int64_array(i64, SIZE_MAX)};
    ck_assert_ptr_null(redwi_params_copy(&mem, huge, 2));
    ck_assert_ptr_null(redwi_params_copy(&mem, huge + 2, 1));
    texts[0] = (redw_slice){name, SIZE_MAX};
    huge[0] = redw_p_text_array(texts, 1);
    ck_assert_ptr_null(redwi_params_copy(&mem, huge, 1));
    ck_assert_ptr_null(redwi_params_copy(&mem, huge, SIZE_MAX / 2));
    /* Each fits, but not the two together. */
    huge[0] = redw_p_text_n("x", SIZE_MAX / 2);
    huge[1] = redw_p_int64_array(i64, SIZE_MAX / 16);
    ck_assert_ptr_null(redwi_params_copy(&mem, huge, 2));
    ck_assert_uint_eq(w.allocs, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("params");
    TCase *t = tcase_create("params");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_is_wrong_is_named_and_never_quoted);
    tcase_add_test(t, as_many_parameters_as_a_signed_count_holds);
    tcase_add_test(t, a_copy_is_one_allocation_owes_nothing_to_the_caller_and_is_wiped);
    tcase_add_test(t, no_parameters_and_no_memory_are_both_null);
    tcase_add_test(t, a_value_that_is_none_is_refused_in_words);
    tcase_add_test(t, values_at_the_ends_of_their_types_are_taken);
    tcase_add_test(t, null_pointers_are_sql_null);
    tcase_add_test(t, a_kind_and_a_type_that_do_not_go_together_are_refused);
    tcase_add_test(t, a_copy_holds_all_that_arrays_and_bytes_point_at);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
