/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C01: The cursor that all readers of messages go by: it reads to the last byte and no further, and what it
 * missed once stays missed.
 */
#include "wire/codec_stand.h"

/* ---- the cursor ---- */

START_TEST(a_cursor_reads_to_the_last_byte_and_no_further)
{
    static const char bytes[] = "\x01\x02\x03\x04\x05\x06\x07text";
    const uint8_t *p = at_the_edge(bytes, sizeof bytes);
    struct redwi_cursor c = redwi_cursor_of(p, sizeof bytes);
    ck_assert_uint_eq(redwi_cursor_u8(&c), 1);
    ck_assert_uint_eq(redwi_cursor_u16(&c), 0x0203);
    ck_assert_uint_eq(redwi_cursor_u32(&c), 0x04050607);
    ck_assert(!redwi_cursor_done(&c));
    ck_assert(is(redwi_cursor_text(&c), "text"));
    ck_assert(redwi_cursor_done(&c));
    ck_assert_ptr_nonnull(redwi_cursor_bytes(&c, 0)); /* nothing is there */
    ck_assert(redwi_cursor_done(&c));
    ck_assert_uint_eq(redwi_cursor_u8(&c), 0);
    ck_assert(c.bad && !redwi_cursor_done(&c));

    static const char load[] = "\x80\x01\x02\x03\x04\x05\x06\x07";
    p = at_the_edge(load, 8);
    ck_assert_uint_eq(redwi_load64(p), 0x8001020304050607);
}
END_TEST

START_TEST(a_cursor_that_missed_once_stays_bad_and_yields_nothing)
{
    for (size_t n = 0; n < 4; n++) {
        struct redwi_cursor c = redwi_cursor_of(at_the_edge("\1\1\1\1", n), n);
        ck_assert_uint_eq(redwi_cursor_u32(&c), 0);
        ck_assert(c.bad);
        ck_assert_uint_eq(redwi_cursor_u8(&c), 0);
        ck_assert_uint_eq(redwi_cursor_u16(&c), 0);
        ck_assert_ptr_null(redwi_cursor_bytes(&c, 0));
        ck_assert(is(redwi_cursor_text(&c), ""));
        ck_assert(!redwi_cursor_done(&c));
    }
    struct redwi_cursor c = redwi_cursor_of(at_the_edge("abc", 3), 3);
    ck_assert_uint_eq(redwi_cursor_text(&c).len, 0); /* no NUL before the end */
    ck_assert(c.bad);
    c = redwi_cursor_of(at_the_edge("abc", 3), 3);
    ck_assert_ptr_null(redwi_cursor_bytes(&c, SIZE_MAX)); /* p + n would wrap */
    c = redwi_cursor_of(NULL, 0);
    ck_assert(redwi_cursor_done(&c));
    ck_assert(is(redwi_cursor_text(&c), ""));
    ck_assert(c.bad);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cursor");
    TCase *t = tcase_create("cursor");
    suite_add_tcase(s, t);
    tcase_add_checked_fixture(t, raise_guard, NULL);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_cursor_reads_to_the_last_byte_and_no_further);
    tcase_add_test(t, a_cursor_that_missed_once_stays_bad_and_yields_nothing);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
