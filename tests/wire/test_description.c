/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The description that came before is known again, and only it: by its bytes, its length and the version it was
 * checked for. What is known again reads the same, from the bytes that came now.
 */
#include "support/solo.h"
#include "wire/description.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct redwi_description d;
static struct solo_memory memory;

static void begin(void)
{
    struct solo r;
    solo_init(&r);
    memory = r.memory;
    solo_free(&r);
    memory.mem.ctx = &memory;
    redwi_description_init(&d, &memory.mem);
}

static void end(void)
{
    redwi_description_free(&d);
    ck_assert_uint_eq(memory.live, 0);
}

/* n columns of that name; formats as given. The bytes are the test's, and new each time. */
static uint8_t *body_of(const char *name, size_t n, uint8_t format, size_t *len)
{
    static const char rest[] = "\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0";
    size_t each = strlen(name) + 1 + sizeof rest;
    *len = 2 + n * each;
    uint8_t *body = malloc(*len), *p = body;
    *p++ = (uint8_t)(n >> 8);
    *p++ = (uint8_t)n;
    for (size_t i = 0; i < n; i++, p += each) {
        memcpy(p, name, strlen(name) + 1);
        memcpy(p + strlen(name) + 1, rest, sizeof rest);
        p[each - 1] = format;
    }
    return body;
}

/* Reads it, looks at what was read, and returns its serial; 0 also stands for the refused. */
static uint64_t read_body(const char *name, size_t n, uint8_t format, unsigned version, bool *refused)
{
    size_t len;
    uint8_t *body = body_of(name, n, format, &len);
    *refused = !redwi_description_read(&d, body, len, version);
    uint64_t serial = d.columns.serial;
    if (!*refused) {
        ck_assert_uint_eq(d.columns.n, n);
        ck_assert_uint_eq(d.columns.version, n ? 0 : version); /* there are no tails */
        ck_assert_ptr_null(d.columns.formats);
        ck_assert(d.columns.fields.p == body + 2 && d.columns.fields.end == body + len);
        struct redwi_columns left = d.columns;
        for (size_t i = 0; i < n; i++) {
            struct redwi_field f;
            redwi_be_field_next(&left, &f);
            ck_assert(f.name.len == strlen(name) && memcmp(f.name.ptr, name, f.name.len) == 0);
            ck_assert_uint_eq(f.type_oid, 25);
            ck_assert_uint_eq(f.format, format);
        }
        ck_assert(redwi_cursor_done(&left.fields));
    }
    free(body);
    return serial;
}

static uint64_t good(const char *name, size_t n, uint8_t format, unsigned version)
{
    bool refused;
    uint64_t serial = read_body(name, n, format, version, &refused);
    ck_assert(!refused);
    return serial;
}

START_TEST(the_same_again_has_the_same_serial_and_anything_else_a_new_one)
{
    begin();
    uint64_t a = good("a", 1, 0, 0);
    ck_assert_uint_ne(a, 0);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(good("a", 1, 0, 0), a);
    size_t calls = memory.calls;
    ck_assert_uint_eq(calls, 1);
    uint64_t seen[8] = {a};
    seen[1] = good("b", 1, 0, 0);  /* of the same length */
    seen[2] = good("b", 1, 1, 0);  /* the last byte differs */
    seen[3] = good("bb", 1, 1, 0); /* longer */
    seen[4] = good("b", 1, 1, 0);  /* and what was there before the last is not known any more */
    seen[5] = good("b", 1, 1, 2);  /* for another version */
    seen[6] = good("", 0, 0, 2);
    seen[7] = good("a", 1, 0, 0);
    for (size_t i = 0; i < 8; i++) {
        for (size_t k = 0; k < i; k++)
            ck_assert_uint_ne(seen[i], seen[k]);
    }
    ck_assert_uint_eq(good("a", 1, 0, 0), seen[7]);
    ck_assert_uint_eq(memory.calls, calls + 1); /* for the longer one */
    end();
}
END_TEST

/* What came before a malformed one is not known any more, and the malformed is refused however often it comes. */
START_TEST(the_malformed_is_refused_each_time)
{
    begin();
    uint64_t a = good("a", 1, 0, 0);
    bool refused;
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(read_body("a", 1, 2, 0, &refused), 0);
        ck_assert(refused);
    }
    ck_assert_uint_gt(good("a", 1, 0, 0), a);
    ck_assert(!redwi_description_read(&d, NULL, 0, 0));
    ck_assert(!redwi_description_read(&d, NULL, 0, 0));
    end();
}
END_TEST

START_TEST(a_long_one_is_not_kept)
{
    begin();
    const size_t each = 2 + 18, most = (REDWI_DESCRIPTION_KEPT - 2) / each;
    uint64_t kept = good("a", most, 0, 0);
    ck_assert_uint_ne(kept, 0);
    ck_assert_uint_le(memory.bytes, REDWI_DESCRIPTION_KEPT);
    ck_assert_uint_eq(good("a", most, 0, 0), kept);
    ck_assert_uint_eq(good("a", most + 1, 0, 0), 0);
    ck_assert_uint_eq(good("a", most + 1, 0, 0), 0);
    ck_assert_uint_eq(good("a", 1664, 0, 0), 0);
    ck_assert_uint_ne(good("a", most, 0, 0), 0);
    ck_assert_uint_eq(memory.calls, 1);
    end();
}
END_TEST

START_TEST(without_memory_it_is_read_all_the_same)
{
    begin();
    memory.fail_at = memory.calls + 1;
    memory.fail_on = true;
    ck_assert_uint_eq(good("a", 1, 0, 0), 0);
    ck_assert_uint_eq(good("a", 1, 0, 0), 0);
    memory.fail_at = 0;
    uint64_t a = good("a", 1, 0, 0);
    ck_assert_uint_ne(a, 0);
    memory.fail_at = memory.calls + 1;
    ck_assert_uint_eq(good("a", 9, 0, 0), 0); /* what was kept does not take part */
    ck_assert_uint_ne(good("a", 1, 0, 0), a); /* ...and there is room for it */
    end();
}
END_TEST

/* --- in a session ------------------------------------------------------------------------------------- */

static uint64_t serial_of(struct solo *r, const char *body, size_t len, size_t n)
{
    struct redwi_ev ev;
    struct redwi_buf wire;
    redwi_buf_init(&wire, &redwi_malloc, 1 << 20);
    size_t at = redwi_buf_message(&wire, 'T');
    redwi_buf_bytes(&wire, body, len);
    redwi_buf_end(&wire, at);
    size_t room;
    uint8_t *in = redwi_session_input(r->s, &room);
    memcpy(in, redwi_buf_front(&wire), redwi_buf_len(&wire));
    redwi_session_received(r->s, redwi_buf_len(&wire));
    redwi_buf_free(&wire);
    ck_assert_int_eq(redwi_session_next(r->s, &ev), REDWI_EV_COLUMNS);
    ck_assert_uint_eq(ev.columns->n, n);
    struct redwi_columns left = *ev.columns;
    struct redwi_field f;
    redwi_be_field_next(&left, &f);
    ck_assert(f.name.len == 1 && *f.name.ptr == 'c');
    ck_assert_int_eq(redwi_session_next(r->s, &ev), REDWI_EV_NONE);
    return left.serial;
}

static void next_unit(struct solo *r)
{
    SOLO_FEED(r, 'C', "SELECT 0\0");
    SOLO_FEED(r, 'Z', "I");
    ck_assert_int_eq(solo_queue_unit(r, &solo_unit, "select"), 0);
    solo_send_all(r);
    SOLO_FEED(r, '1', "");
    SOLO_FEED(r, '2', "");
}

START_TEST(a_session_knows_what_it_described_last)
{
    static const char one[] = SOLO_ONE_COLUMN;
    struct solo r;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_DESCRIBE);
    uint64_t a = serial_of(&r, one, sizeof one - 1, 1);
    ck_assert_uint_ne(a, 0);
    for (int i = 0; i < 3; i++) {
        next_unit(&r);
        ck_assert_uint_eq(serial_of(&r, one, sizeof one - 1, 1), a);
    }
    /* NoData in between describes nothing. */
    SOLO_FEED(&r, 'C', "SELECT 0\0");
    SOLO_FEED(&r, 'Z', "I");
    ck_assert_int_eq(solo_queue_unit(&r, &solo_unit, "select"), 0);
    solo_send_all(&r);
    SOLO_FEED(&r, '1', "");
    SOLO_FEED(&r, '2', "");
    SOLO_FEED(&r, 'n', "");
    next_unit(&r);
    ck_assert_uint_eq(serial_of(&r, one, sizeof one - 1, 1), a);
    /* The server says that it describes in another way now. */
    SOLO_FEED(&r, 'S', "server_protocol_version\0" "1\0");
    next_unit(&r);
    ck_assert_uint_ne(serial_of(&r, one, sizeof one - 1, 1), a);
    solo_free(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("description");
    TCase *t = tcase_create("description");
    suite_add_tcase(s, t);
    tcase_add_test(t, the_same_again_has_the_same_serial_and_anything_else_a_new_one);
    tcase_add_test(t, the_malformed_is_refused_each_time);
    tcase_add_test(t, a_long_one_is_not_kept);
    tcase_add_test(t, without_memory_it_is_read_all_the_same);
    tcase_add_test(t, a_session_knows_what_it_described_last);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
