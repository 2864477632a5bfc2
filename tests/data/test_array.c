/* SPDX-License-Identifier: Apache-2.0 */
/* C22: Arrays of the catalogue: text, vector and binary, element by element. */
#include "data/row.h"
#include "data/types.h"

#include "data/fence.h"

struct row {
    redw_row row;
    redw_slice cell;
    struct redw_column column;
};

static const redw_row *row_of(struct row *r, uint32_t oid, bool binary, const char *bytes, size_t n)
{
    r->column = (struct redw_column){.name = "c", .binary = binary};
    redwi_column_describe(&r->column, oid, -1, REDWI_POSTGRES);
    r->cell = (redw_slice){bytes, n};
    r->row = (redw_row){.cells = &r->cell, .ncells = 1, .priv_ = {&r->column}};
    return &r->row;
}

/* The elements as "a|NULL|b", or NULL and *rc. */
static const char *walked(uint32_t oid, bool binary, const char *bytes, size_t n, size_t room, int *rc)
{
    static char out[256];
    char small[64];
    struct row r;
    redw_array it;
    redw_row element;
    size_t at = 0, count = 0;
    *rc = redw_row_array(row_of(&r, oid, binary, bytes, n), 0, &it, small, room);
    out[0] = '\0';
    if (*rc != REDW_OK) {
        ck_assert(it.count == 0 && !redw_array_next(&it, &element));
        return NULL;
    }
    while (redw_array_next(&it, &element)) {
        redw_slice text = element.cells[0];
        ck_assert_uint_eq(element.ncells, 1);
        ck_assert_uint_eq(redwi_row_form(&element, 0), 0); /* nothing before it may be read */
        if (count++ > 0)
            out[at++] = '|';
        if (!text.ptr)
            text = (redw_slice){"NULL", 4};
        memcpy(out + at, text.ptr, text.len);
        at += text.len;
    }
    out[at] = '\0';
    ck_assert_uint_eq(count, it.count);
    ck_assert(!redw_array_next(&it, &element));
    return out;
}

static const struct {
    uint32_t oid;
    const char *text;
    int rc;
    const char *want;
} texts[] = {
    {1009, "{}", REDW_OK, ""},
    {1009, "{ }", REDW_OK, ""},
    {1009, "{a}", REDW_OK, "a"},
    {1009, "{a,b,c}", REDW_OK, "a|b|c"},
    {1009, "{a, b c ,d}", REDW_OK, "a|b c|d"},
    {1009, "{NULL,\"NULL\",nullx}", REDW_OK, "NULL|NULL|nullx"},
    {1009, "{\"\",\"a,b\",\"{}\" , x}", REDW_OK, "|a,b|{}|x"},
    {1009, "{\"a\\\"b\\\\c\",d\\ e}", REDW_OK, "a\"b\\c|d e"},
    {1009, "{\ta\r,\n\v\f\"b\"\t}", REDW_OK, "a|b"},
    {1009, "{\x08" "a,\x0e" "b}", REDW_OK, "\x08" "a|\x0e" "b"},
    {1009, "{a,\"b\\}", REDW_EPROTOCOL, NULL},
    {1009, "{\\}", REDW_EPROTOCOL, NULL},
    {1009, "{\"}", REDW_EPROTOCOL, NULL},
    {1009, "[0:1]={a,b}", REDW_OK, "a|b"},
    {1007, "{1,-2,NULL}", REDW_OK, "1|-2|NULL"},
    {1034, "{redw=arwdDxt/redw,=r/redw}", REDW_OK, "redw=arwdDxt/redw|=r/redw"},
    {22, "1 2 3", REDW_OK, "1|2|3"},
    {22, "", REDW_OK, ""},
    {30, "26", REDW_OK, "26"},
    {1009, "{{a,b},{c,d}}", REDW_ETYPE, NULL},
    {1009, "[1:2][1:2]={{a,b},{c,d}}", REDW_ETYPE, NULL},
    {1009, "", REDW_EPROTOCOL, NULL},
    {1009, "{", REDW_EPROTOCOL, NULL},
    {1009, "a}", REDW_EPROTOCOL, NULL},
    {1009, "{a", REDW_EPROTOCOL, NULL},
    {1009, "{a,}", REDW_EPROTOCOL, NULL},
    {1009, "{,a}", REDW_EPROTOCOL, NULL},
    {1009, "{a,,b}", REDW_EPROTOCOL, NULL},
    {1009, "{a}}", REDW_EPROTOCOL, NULL},
    {1009, "{a}b}", REDW_EPROTOCOL, NULL},
    {1009, "{a{b}", REDW_EPROTOCOL, NULL},
    {1009, "{a\"b}", REDW_EPROTOCOL, NULL},
    {1009, "{\"a}", REDW_EPROTOCOL, NULL},
    {1009, "{\"a\"b}", REDW_EPROTOCOL, NULL},
    {1009, "{\"a\",}", REDW_EPROTOCOL, NULL},
    {1009, "{\"a\\\"}", REDW_EPROTOCOL, NULL},
    {1009, "{a\\}", REDW_EPROTOCOL, NULL},
    {1009, "[0:1]", REDW_EPROTOCOL, NULL},
    {1009, "[0:1]={", REDW_EPROTOCOL, NULL},
    {22, " 1", REDW_EPROTOCOL, NULL},
    {22, "1 ", REDW_EPROTOCOL, NULL},
    {22, "1  2", REDW_EPROTOCOL, NULL},
};

START_TEST(arrays_as_text)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int rc;
        size_t n = strlen(texts[i].text);
        const char *got = walked(texts[i].oid, false, fence_behind(texts[i].text, n), n, 64, &rc);
        ck_assert_msg(rc == texts[i].rc, "%s: %d", texts[i].text, rc);
        if (rc == REDW_OK)
            ck_assert_str_eq(got, texts[i].want);
    }
}
END_TEST

#define B(bytes) bytes, sizeof(bytes) - 1
static const struct {
    const char *bytes;
    size_t n;
    int rc;
    const char *want;
} binaries[] = {
    {B("\0\0\0\0\0\0\0\0\0\0\0\x19"), REDW_OK, ""},
    {B("\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\0\0\0\0\1"), REDW_OK, ""},
    {B("\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\3\0\0\0\1\0\0\0\1"
       "a"
       "\xff\xff\xff\xff\0\0\0\0"),
     REDW_OK, "a|NULL|"},
    {B("\0\0\0\2\0\0\0\0\0\0\0\x19\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1"
       "a"),
     REDW_ETYPE, NULL},
    {B("\0\0\0\7\0\0\0\0\0\0\0\x19"), REDW_EPROTOCOL, NULL},
    {B("\0\0\0\0\0\0\0\2\0\0\0\x19"), REDW_EPROTOCOL, NULL},
    {B("\0\0\0\0\0\0\0\0\0\0\0"), REDW_EPROTOCOL, NULL},
    {B("\0\0\0\0\0\0\0\0\0\0\0\x19\0\0\0\0"), REDW_EPROTOCOL, NULL},
    {B("\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\1"), REDW_EPROTOCOL, NULL},
    {B("\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\2\0\0\0\1\0\0\0\1"
       "a"),
     REDW_EPROTOCOL, NULL},
    {B("\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\1\0\0\0\1\0\0\0\2"
       "a"),
     REDW_EPROTOCOL, NULL},
    {B("\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\1\0\0\0\1\0\0\0\1"
       "a"
       "\0"),
     REDW_EPROTOCOL, NULL},
};

START_TEST(arrays_in_binary)
{
    for (size_t i = 0; i < sizeof binaries / sizeof *binaries; i++) {
        int rc;
        const char *got =
            walked(1009, true, fence_behind(binaries[i].bytes, binaries[i].n), binaries[i].n, 0, &rc);
        ck_assert_msg(rc == binaries[i].rc, "%zu: %d", i, rc);
        if (rc == REDW_OK)
            ck_assert_str_eq(got, binaries[i].want);
    }
}
END_TEST

START_TEST(elements_are_read_by_the_getters_of_their_type)
{
    struct row r;
    redw_array it;
    redw_row e;
    int32_t n;
    int64_t oid;
    bool b;
    ck_assert_int_eq(redw_row_array(row_of(&r, 1007, false, "{1,NULL}", 8), 0, &it, NULL, 0), REDW_OK);
    ck_assert(redw_array_next(&it, &e));
    ck_assert_int_eq(redw_row_int32(&e, 0, &n), REDW_OK);
    ck_assert_int_eq(n, 1);
    ck_assert(redw_array_next(&it, &e));
    ck_assert_int_eq(redw_row_int32(&e, 0, &n), REDW_NULL);

    ck_assert_int_eq(redw_row_array(row_of(&r, 30, true,
                                           B("\0\0\0\1\0\0\0\0\0\0\0\x1a\0\0\0\1\0\0\0\0"
                                             "\0\0\0\4\xff\xff\xff\xff")),
                                    0, &it, NULL, 0),
                     REDW_OK);
    ck_assert(redw_array_next(&it, &e));
    ck_assert_int_eq(redw_row_int64(&e, 0, &oid), REDW_OK);
    ck_assert_int_eq(oid, UINT32_MAX);
    ck_assert_int_eq(redw_row_int64(&e, 1, &oid), REDW_ECOLUMN);

    /* The elements' type is what the value says, also where the column's OID is of another array. */
    ck_assert_int_eq(redw_row_array(row_of(&r, 1009, true,
                                           B("\0\0\0\1\0\0\0\0\0\0\0\x10\0\0\0\1\0\0\0\1"
                                             "\0\0\0\1\1")),
                                    0, &it, NULL, 0),
                     REDW_OK);
    ck_assert(redw_array_next(&it, &e));
    ck_assert_int_eq(redw_row_bool(&e, 0, &b), REDW_OK);
    ck_assert(b);
}
END_TEST

START_TEST(room_is_only_for_elements_with_escapes)
{
    int rc;
    ck_assert_str_eq(walked(1009, false, "{\"a\\\"bc\",dddddddddd}", 20, 4, &rc), "a\"bc|dddddddddd");
    walked(1009, false, "{\"a\\\"bc\",dddddddddd}", 20, 3, &rc);
    ck_assert_int_eq(rc, REDW_EFULL);
    walked(1009, false, "{\"a\\\"bc\",d{}", 13, 3, &rc);
    ck_assert_int_eq(rc, REDW_EPROTOCOL);
    ck_assert_str_eq(walked(1009, false, "{dddddddddd}", 12, 0, &rc), "dddddddddd");
}
END_TEST

START_TEST(what_is_no_array_is_refused_and_null_is_null)
{
    struct row r;
    redw_array it;
    ck_assert_int_eq(redw_row_array(row_of(&r, 25, false, "{}", 2), 0, &it, NULL, 0), REDW_ETYPE);
    ck_assert_int_eq(redw_row_array(row_of(&r, 1009, false, NULL, 0), 0, &it, NULL, 0), REDW_NULL);
    ck_assert_int_eq(redw_row_array(row_of(&r, 1009, false, "{}", 2), 1, &it, NULL, 0), REDW_ECOLUMN);
    ck_assert_uint_eq(it.count, 0);
}
END_TEST

START_TEST(any_bytes_are_an_array_or_an_error)
{
    static const char pieces[] = "{},\"\\ aN[]=:1";
    uint64_t seed = 88172645463325252u;
    size_t sound = 0;
    for (int i = 0; i < 50000; i++) {
        char bytes[32];
        int rc;
        bool binary = next_random(&seed) % 4 == 0;
        size_t n = next_random(&seed) % sizeof bytes;
        for (size_t k = 0; k < n; k++)
            bytes[k] = binary ? (char)(next_random(&seed) % 3)
                              : pieces[next_random(&seed) % (sizeof pieces - 1)];
        if (!binary && n > 1) {
            bytes[0] = '{';
            bytes[n - 1] = '}';
        }
        sound += walked(binary                   ? 1009
                        : next_random(&seed) % 8 ? 1009
                                                 : 22,
                        binary, fence_behind(bytes, n), n, next_random(&seed) % 33, &rc) != NULL;
    }
    ck_assert_uint_gt(sound, 1000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("array");
    TCase *t = tcase_create("array");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, arrays_as_text);
    tcase_add_test(t, arrays_in_binary);
    tcase_add_test(t, elements_are_read_by_the_getters_of_their_type);
    tcase_add_test(t, room_is_only_for_elements_with_escapes);
    tcase_add_test(t, what_is_no_array_is_refused_and_null_is_null);
    tcase_add_test(t, any_bytes_are_an_array_or_an_error);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
