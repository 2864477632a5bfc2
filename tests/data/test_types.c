/* SPDX-License-Identifier: Apache-2.0 */
/* Type OIDs, against protocol 5.1 written down a second time. */
#include "data/types.h"

#include <check.h>

static const struct {
    uint32_t oid;
    enum redw_type type;
    const char *name;
} known[] = {
    {16, REDW_BOOLEAN, "boolean"},
    {19, REDW_VARCHAR, "varchar"},
    {20, REDW_BIGINT, "bigint"},
    {21, REDW_SMALLINT, "smallint"},
    {23, REDW_INTEGER, "integer"},
    {25, REDW_VARCHAR, "varchar"},
    {700, REDW_REAL, "real"},
    {701, REDW_DOUBLE, "double precision"},
    {705, REDW_VARCHAR, "varchar"},
    {1042, REDW_CHAR, "char"},
    {1043, REDW_VARCHAR, "varchar"},
    {1082, REDW_DATE, "date"},
    {1083, REDW_TIME, "time"},
    {1114, REDW_TIMESTAMP, "timestamp"},
    {1184, REDW_TIMESTAMPTZ, "timestamptz"},
    {1188, REDW_INTERVAL_YM, "interval year to month"},
    {1190, REDW_INTERVAL_DS, "interval day to second"},
    {1266, REDW_TIMETZ, "timetz"},
    {1700, REDW_NUMERIC, "numeric"},
    {3000, REDW_GEOMETRY, "geometry"},
    {4000, REDW_SUPER, "super"},
    {6551, REDW_VARBYTE, "varbyte"},
};
enum { NKNOWN = sizeof known / sizeof *known };

START_TEST(each_oid_is_its_type_and_every_other_one_is_unknown)
{
    size_t met = 0;
    for (uint32_t oid = 0; oid <= 70000; oid++) {
        enum redw_type want = REDW_UNKNOWN_TYPE;
        for (size_t i = 0; i < NKNOWN; i++) {
            if (known[i].oid == oid) {
                want = known[i].type;
                met++;
            }
        }
        ck_assert_msg(redwi_type_of_oid(oid) == want, "oid %u", oid);
    }
    ck_assert_uint_eq(met, NKNOWN);
    ck_assert_int_eq(redwi_type_of_oid(UINT32_MAX), REDW_UNKNOWN_TYPE);
}
END_TEST

START_TEST(a_type_is_declared_with_the_oid_it_is_known_by)
{
    for (size_t i = 0; i < NKNOWN; i++) {
        uint32_t oid = redwi_oid_of_type(known[i].type);
        ck_assert_uint_eq(oid, known[i].type == REDW_VARCHAR ? 1043 : known[i].oid);
        ck_assert_int_eq(redwi_type_of_oid(oid), known[i].type);
    }
    ck_assert_uint_eq(redwi_oid_of_type(REDW_UNKNOWN_TYPE), 0);
    ck_assert_uint_eq(redwi_oid_of_type((enum redw_type)(REDW_GEOMETRY + 1)), 0);
    ck_assert_uint_eq(redwi_oid_of_type((enum redw_type)UINT32_MAX), 0);
}
END_TEST

START_TEST(each_type_has_a_name_and_what_is_none_is_unknown)
{
    for (size_t i = 0; i < NKNOWN; i++)
        ck_assert_str_eq(redw_type_name(known[i].type), known[i].name);
    ck_assert_str_eq(redw_type_name(REDW_UNKNOWN_TYPE), "unknown");
    ck_assert_str_eq(redw_type_name((enum redw_type)(REDW_GEOMETRY + 1)), "unknown");
    ck_assert_str_eq(redw_type_name((enum redw_type)UINT32_MAX), "unknown");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("types");
    TCase *t = tcase_create("types");
    suite_add_tcase(s, t);
    tcase_add_test(t, each_oid_is_its_type_and_every_other_one_is_unknown);
    tcase_add_test(t, a_type_is_declared_with_the_oid_it_is_known_by);
    tcase_add_test(t, each_type_has_a_name_and_what_is_none_is_unknown);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
