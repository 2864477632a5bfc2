/* SPDX-License-Identifier: Apache-2.0 */
/* C20: Hexadecimal digits, bytea's two forms, UUIDs. */
#include "data/bytes.h"

#include "data/fence.h"

static const struct {
    const char *text;
    int hex, bytea; /* codes */
    size_t n;       /* bytes, of whichever is REDW_OK */
    const char *bytes;
} rows[] = {
    {"", REDW_OK, REDW_OK, 0, ""},
    {"00", REDW_OK, -1, 1, "\0"},
    {"00ff7F", REDW_OK, -1, 3, "\0\xff\x7f"},
    {"0", REDW_EPROTOCOL, -1, 0, NULL},
    {"0g", REDW_EPROTOCOL, -1, 0, NULL},
    {"g0", REDW_EPROTOCOL, -1, 0, NULL},
    {"0:", REDW_EPROTOCOL, -1, 0, NULL},
    {"/0", REDW_EPROTOCOL, -1, 0, NULL},
    {"`0", REDW_EPROTOCOL, -1, 0, NULL},
    {"0@", REDW_EPROTOCOL, -1, 0, NULL},
    {"\xc3\xa9", REDW_EPROTOCOL, -1, 0, NULL},
    {"\\x", REDW_EPROTOCOL, REDW_OK, 0, ""},
    {"\\x00ff", REDW_EPROTOCOL, REDW_OK, 2, "\0\xff"},
    {"\\x0", REDW_EPROTOCOL, REDW_EPROTOCOL, 0, NULL},
    {"\\x0x", REDW_EPROTOCOL, REDW_EPROTOCOL, 0, NULL},
    {"a\\\\b", REDW_EPROTOCOL, REDW_OK, 3, "a\\b"},
    {"\\000\\377z", REDW_EPROTOCOL, REDW_OK, 3, "\0\xffz"},
    {"\\400", REDW_EPROTOCOL, REDW_EPROTOCOL, 0, NULL},
    {"\\080", REDW_EPROTOCOL, REDW_EPROTOCOL, 0, NULL},
    {"\\008", REDW_EPROTOCOL, REDW_EPROTOCOL, 0, NULL},
    {"\\00", REDW_EPROTOCOL, REDW_EPROTOCOL, 0, NULL},
    {"\\", REDW_EPROTOCOL, REDW_EPROTOCOL, 0, NULL},
    {"ab\\", REDW_EPROTOCOL, REDW_EPROTOCOL, 0, NULL},
    {"\\y", REDW_EPROTOCOL, REDW_EPROTOCOL, 0, NULL},
};

typedef int reader(const char *p, size_t n, uint8_t *to, size_t room, size_t *len);

/* With all the room it takes, with more, with less, and with none. */
static void check(reader *read, size_t row, int want)
{
    const char *text = rows[row].text;
    size_t n = strlen(text);
    for (size_t room = 0; room <= rows[row].n + 1; room++) {
        uint8_t to[8];
        size_t len = 99;
        memset(to, 0xa5, sizeof to);
        int rc = read(fence_behind(text, n), n, to, room, &len);
        int expected = want == REDW_OK && room < rows[row].n ? REDW_EFULL : want;
        ck_assert_msg(rc == expected, "%s, room %zu: %d", text, room, rc);
        ck_assert_uint_eq(len, want == REDW_OK ? rows[row].n : 0);
        if (rc == REDW_OK)
            ck_assert_mem_eq(to, rows[row].bytes, len);
        for (size_t i = room; i < sizeof to; i++)
            ck_assert_uint_eq(to[i], 0xa5);
    }
}

START_TEST(bytes_are_read_from_both_their_texts)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check(redwi_text_hex, i, rows[i].hex);
        if (rows[i].bytea != -1)
            check(redwi_text_bytea, i, rows[i].bytea);
    }
}
END_TEST

START_TEST(all_bytes_come_back_from_their_digits)
{
    uint8_t all[256], back[256];
    char text[512];
    size_t len;
    for (size_t i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    redwi_hex_write(text, all, 256);
    ck_assert_int_eq(redwi_text_hex(text, 512, back, 256, &len), REDW_OK);
    ck_assert_mem_eq(all, back, 256);
}
END_TEST

START_TEST(a_uuid_is_36_characters)
{
    static const char good[] = "01234567-89ab-CDEF-0123-456789abcdef";
    static const uint8_t bytes[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                      0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
    static const uint8_t zero[16] = {0};
    uint8_t to[16];
    ck_assert_int_eq(redwi_text_uuid(fence_behind(good, 36), 36, to), REDW_OK);
    ck_assert_mem_eq(to, bytes, 16);
    for (size_t i = 0; i < 36; i++) {
        char bad[37];
        memcpy(bad, good, sizeof bad);
        bad[i] = bad[i] == '-' ? '0' : i % 2 ? '-' : 'g';
        ck_assert_int_eq(redwi_text_uuid(bad, 36, to), REDW_EPROTOCOL);
        ck_assert_mem_eq(to, zero, 16);
        ck_assert_int_eq(redwi_text_uuid(fence_behind(good, i), i, to), REDW_EPROTOCOL);
    }
    ck_assert_int_eq(redwi_text_uuid("01234567-89ab-CDEF-0123-456789abcdef0", 37, to), REDW_EPROTOCOL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bytes");
    TCase *t = tcase_create("bytes");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, bytes_are_read_from_both_their_texts);
    tcase_add_test(t, all_bytes_come_back_from_their_digits);
    tcase_add_test(t, a_uuid_is_36_characters);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
