/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server reports: by name without regard to case, the latest value, bounded however much it is.
 */
#include "support/solo.h"
#include "wire/parameters.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct redwi_parameters p;

static redw_slice text(const char *s)
{
    return (redw_slice){s, strlen(s)};
}

static void set(const char *name, const char *value)
{
    ck_assert_int_eq(redwi_parameters_set(&p, text(name), text(value)), 0);
}

START_TEST(names_compare_without_regard_to_case)
{
    redwi_parameters_init(&p, &redwi_malloc);
    ck_assert_ptr_null(redwi_parameters_get(&p, "TimeZone"));
    set("datestyle", "ISO, MDY");
    set("TimeZone", "UTC");
    set("DateStyle", "German");
    set("empty", "");
    ck_assert_uint_eq(p.count, 3);
    ck_assert_str_eq(redwi_parameters_get(&p, "DATESTYLE"), "German");
    ck_assert_str_eq(redwi_parameters_get(&p, "timezone"), "UTC");
    ck_assert_str_eq(redwi_parameters_get(&p, "empty"), "");
    ck_assert_ptr_null(redwi_parameters_get(&p, "TimeZon"));
    ck_assert_ptr_null(redwi_parameters_get(&p, "TimeZones"));
    ck_assert_ptr_null(redwi_parameters_get(&p, "[imeZone")); /* '[' | 0x20 is '{', but '@' | 0x20 is '`' */
    ck_assert(!redwi_parameters_same_name("@", 1, "`", 1));
    ck_assert(!redwi_parameters_same_name("[", 1, "{", 1));
    ck_assert(redwi_parameters_same_name("Z\xc3", 2, "z\xc3", 2));
    ck_assert(!redwi_parameters_same_name("\xc3", 1, "\xe3", 1));
    redwi_parameters_free(&p);
    ck_assert_ptr_null(redwi_parameters_get(&p, "TimeZone"));
}
END_TEST

/* Of one FNV-1a value, 32 bits. */
START_TEST(names_of_the_same_hash_are_two_names)
{
    redwi_parameters_init(&p, &redwi_malloc);
    set("gvlpg", "1");
    ck_assert_ptr_null(redwi_parameters_get(&p, "yomzq"));
    set("yomzq", "2");
    ck_assert_uint_eq(p.kept[0].hash, p.kept[1].hash);
    ck_assert_str_eq(redwi_parameters_get(&p, "gvlpg"), "1");
    ck_assert_str_eq(redwi_parameters_get(&p, "yomzq"), "2");
    redwi_parameters_free(&p);
}
END_TEST

START_TEST(sixty_four_names_are_kept_and_the_rest_is_counted)
{
    char name[32];
    redwi_parameters_init(&p, &redwi_malloc);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "name_%d", i);
        set(name, "v");
    }
    ck_assert_uint_eq(p.count, REDWI_PARAMETERS_KEPT);
    ck_assert_uint_eq(p.not_kept, 36);
    ck_assert_str_eq(redwi_parameters_get(&p, "name_63"), "v");
    ck_assert_ptr_null(redwi_parameters_get(&p, "name_64"));
    set("NAME_0", "w"); /* the names that are kept stay current */
    ck_assert_str_eq(redwi_parameters_get(&p, "name_0"), "w");
    redwi_parameters_free(&p);
}
END_TEST

START_TEST(bytes_are_bounded_and_an_outdated_value_does_not_stay)
{
    static char large[60001];
    char name[32];
    memset(large, 'x', sizeof large - 1);
    redwi_parameters_init(&p, &redwi_malloc);
    set("small", "1");
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "large_%d", i);
        set(name, large);
    }
    ck_assert_uint_eq(p.count, 5); /* four of them, and the small one */
    ck_assert_uint_eq(p.not_kept, 6);
    ck_assert_uint_le(p.bytes, REDWI_PARAMETERS_BYTES);
    set("small", large);
    ck_assert_ptr_null(redwi_parameters_get(&p, "small"));
    ck_assert_uint_eq(p.count, 4);
    set("large_0", large); /* in place of itself it fits */
    ck_assert_uint_eq(strlen(redwi_parameters_get(&p, "large_0")), 60000);
    set("large_0", "");
    set("small", "2");
    ck_assert_str_eq(redwi_parameters_get(&p, "small"), "2");
    redwi_parameters_free(&p);
    ck_assert_uint_eq(p.bytes, 0);
}
END_TEST

START_TEST(without_memory_nothing_changes)
{
    struct solo r;
    solo_init(&r);
    redwi_parameters_init(&p, &r.memory.mem);
    set("a", "1");
    r.memory.fail_at = r.memory.calls + 1;
    ck_assert_int_eq(redwi_parameters_set(&p, text("A"), text("2")), REDW_ENOMEM);
    ck_assert_str_eq(redwi_parameters_get(&p, "a"), "1");
    redwi_parameters_free(&p);
    ck_assert_uint_eq(r.memory.live, 0);
}
END_TEST

START_TEST(a_session_keeps_what_the_server_reports)
{
    struct solo r;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_IDLE);
    ck_assert_ptr_null(redwi_session_parameter(r.s, "server_version"));
    ck_assert(!redwi_session_is_redshift(r.s));
    SOLO_FEED(&r, 'S', "Server_Version\0" "8.0.2\0");
    ck_assert_str_eq(redwi_session_parameter(r.s, "server_version"), "8.0.2");
    SOLO_FEED(&r, 'S', "padb_revision\0" "17187a5367\0");
    ck_assert(redwi_session_is_redshift(r.s));
    SOLO_FEED(&r, 'S', "padb_version\0" "1.0.63269\0");
    ck_assert(redwi_session_is_redshift(r.s));
    r.memory.fail_at = r.memory.calls + 1;
    SOLO_FEED(&r, 'S', "b\0" "1\0");
    solo_must_be_dead(&r, REDW_ENOMEM);
    solo_free(&r);
}
END_TEST

START_TEST(a_hundred_thousand_names_cost_less_than_a_second)
{
    struct solo r;
    struct timespec a, b;
    struct redwi_ev ev;
    char message[64];
    size_t events = 0;
    solo_init(&r);
    solo_reach(&r, SOLO_AT_IDLE);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    for (unsigned i = 0; i < 100000; i++) { /* not by solo_feed(): its checks would be most of it */
        size_t room, n = (size_t)snprintf(message, sizeof message, "S...%cname_%06u.value.", 4 + 12 + 6, i);
        memset(message + 1, 0, 3);
        message[16] = message[22] = '\0';
        uint8_t *at = redwi_session_input(r.s, &room);
        memcpy(at, message, n);
        redwi_session_received(r.s, n);
        while (redwi_session_next(r.s, &ev) != REDWI_EV_NONE)
            events += ev.kind == REDWI_EV_PARAMETER;
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    double ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
    printf("parameters: 100,000 distinct names in %.0f ms of CPU\n", ms);
    ck_assert(ms < 1000);
    ck_assert_uint_eq(events, 100000);
    ck_assert_uint_lt(r.memory.bytes, 200000);
    solo_free(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parameters");
    TCase *c = tcase_create("parameters");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, names_compare_without_regard_to_case);
    tcase_add_test(c, names_of_the_same_hash_are_two_names);
    tcase_add_test(c, sixty_four_names_are_kept_and_the_rest_is_counted);
    tcase_add_test(c, bytes_are_bounded_and_an_outdated_value_does_not_stay);
    tcase_add_test(c, without_memory_nothing_changes);
    tcase_add_test(c, a_session_keeps_what_the_server_reports);
    tcase_add_test(c, a_hundred_thousand_names_cost_less_than_a_second);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
