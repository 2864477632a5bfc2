/* SPDX-License-Identifier: Apache-2.0 */
/*
 * B11: Memory for secrets: on pages of its own, left out of core dumps, wiped and given back as it was.
 */
#include "support/solo.h"
#include "wire/secret.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The kernel's flags for the mapping that holds an address ("dd": not dumped, "lo": locked); false: no smaps. */
static bool flags_of(const void *at, char flags[256])
{
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    unsigned long first, last;
    bool inside = false, found = false;
    while (f && !found && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%lx-%lx ", &first, &last) == 2 && strchr(line, '-') < strchr(line, ' '))
            inside = (uintptr_t)at >= first && (uintptr_t)at < last;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            found = snprintf(flags, 256, "%s", line + 8) > 0;
    }
    if (f)
        fclose(f);
    return found;
}

START_TEST(a_secret_is_not_dumped_and_its_memory_is_given_back_as_it_was)
{
    char flags[256];
    char *s = redwi_secret_copy(&redwi_malloc, "pencil", 6);
    ck_assert_str_eq(s, "pencil");
    if (flags_of(s, flags)) {
        ck_assert_msg(strstr(flags, " dd") != NULL, "%s", flags);
        printf("secret: locked: %s\n", strstr(flags, " lo") ? "yes" : "no");
    }
    redwi_secret_free(&redwi_malloc, s);
    if (flags_of(s, flags)) {
        ck_assert_msg(strstr(flags, " dd") == NULL, "%s", flags);
        ck_assert_msg(strstr(flags, " lo") == NULL, "%s", flags);
    }
}
END_TEST

START_TEST(a_secret_of_any_length_is_writable_zeroed_ended_and_wiped)
{
    static const size_t lengths[] = {0, 1, 7, 4063, 4064, 4079, 4080, 4081, 4095, 4096, 4097, 100000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct solo r;
        solo_init(&r);
        size_t n = lengths[i];
        char *s = redwi_secret_alloc(&r.memory.mem, n);
        ck_assert_uint_eq((uintptr_t)s % 16, 0);
        for (size_t k = 0; k <= n; k++)
            ck_assert(s[k] == 0);
        for (size_t k = 0; k < n; k++)
            s[k] = "pencil"[k % 6];
        ck_assert_int_eq(s[n], 0);
        r.memory.secret = n >= 6 ? "pencil" : NULL;
        redwi_secret_free(&r.memory.mem, s);
        ck_assert_uint_eq(r.memory.secrets, 0);
        ck_assert_uint_eq(r.memory.live, 0);
    }
    redwi_secret_free(&redwi_malloc, NULL);
}
END_TEST

START_TEST(two_secrets_share_no_page)
{
    char flags[256];
    char *a = redwi_secret_copy(&redwi_malloc, "a", 1), *b = redwi_secret_copy(&redwi_malloc, "b", 1);
    ck_assert_uint_ne((uintptr_t)a / 4096, (uintptr_t)b / 4096);
    redwi_secret_free(&redwi_malloc, a);
    if (flags_of(b, flags))
        ck_assert_ptr_nonnull(strstr(flags, " dd"));
    ck_assert_str_eq(b, "b");
    redwi_secret_free(&redwi_malloc, b);
}
END_TEST

START_TEST(without_memory_there_is_no_secret)
{
    struct solo r;
    solo_init(&r);
    r.memory.fail_at = 1;
    ck_assert_ptr_null(redwi_secret_copy(&r.memory.mem, "pencil", 6));
    ck_assert_ptr_null(redwi_secret_alloc(&redwi_malloc, SIZE_MAX));
    ck_assert_ptr_null(redwi_secret_alloc(&redwi_malloc, SIZE_MAX - 4096));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("secret");
    TCase *c = tcase_create("secret");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_secret_is_not_dumped_and_its_memory_is_given_back_as_it_was);
    tcase_add_test(c, a_secret_of_any_length_is_writable_zeroed_ended_and_wiped);
    tcase_add_test(c, two_secrets_share_no_page);
    tcase_add_test(c, without_memory_there_is_no_secret);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
