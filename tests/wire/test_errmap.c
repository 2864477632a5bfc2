/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLSTATE to class, one row per case. The codes are those a client of Redshift or PostgreSQL meets,
 * from PostgreSQL's Appendix A; the classes are what redw/error.h promises.
 */
#include "wire/errmap.h"

#include <check.h>

static const struct {
    const char *sqlstate;
    enum redw_class cls;
} rows[] = {
    /* connection */
    {"08000", REDW_CLASS_CONNECTION_FAILED},
    {"08001", REDW_CLASS_CONNECTION_FAILED},
    {"08003", REDW_CLASS_CONNECTION_FAILED},
    {"08004", REDW_CLASS_CONNECTION_FAILED},
    {"08006", REDW_CLASS_CONNECTION_FAILED},
    {"08007", REDW_CLASS_CONNECTION_FAILED},
    {"08P01", REDW_CLASS_CONNECTION_FAILED},
    {"57P01", REDW_CLASS_CONNECTION_FAILED},
    {"57P02", REDW_CLASS_CONNECTION_FAILED},
    {"57P03", REDW_CLASS_CONNECTION_FAILED},
    {"57P04", REDW_CLASS_CONNECTION_FAILED},
    {"57P05", REDW_CLASS_CONNECTION_FAILED},
    {"25P03", REDW_CLASS_CONNECTION_FAILED},
    /* login */
    {"28000", REDW_CLASS_AUTHENTICATION_FAILED},
    {"28P01", REDW_CLASS_AUTHENTICATION_FAILED},
    {"3D000", REDW_CLASS_AUTHENTICATION_FAILED},
    /* cancelled */
    {"57014", REDW_CLASS_QUERY_CANCELLED},
    /* to be repeated */
    {"40001", REDW_CLASS_SERIALIZATION_FAILURE},
    {"40P01", REDW_CLASS_SERIALIZATION_FAILURE},
    /* resources */
    {"53100", REDW_CLASS_DISK_FULL},
    {"53200", REDW_CLASS_OUT_OF_MEMORY},
    {"53300", REDW_CLASS_RESOURCE_BUSY},
    {"53000", REDW_CLASS_RESOURCE_BUSY},
    {"53400", REDW_CLASS_RESOURCE_BUSY},
    {"55000", REDW_CLASS_RESOURCE_BUSY},
    {"55006", REDW_CLASS_RESOURCE_BUSY},
    {"55P03", REDW_CLASS_RESOURCE_BUSY},
    /* the statement */
    {"42601", REDW_CLASS_INVALID_SQL},
    {"42000", REDW_CLASS_INVALID_SQL},
    {"42704", REDW_CLASS_INVALID_SQL},
    {"42710", REDW_CLASS_INVALID_SQL},
    {"42804", REDW_CLASS_INVALID_SQL},
    {"42883", REDW_CLASS_INVALID_SQL},
    {"42P07", REDW_CLASS_INVALID_SQL},
    {"42P18", REDW_CLASS_INVALID_SQL},
    {"0A000", REDW_CLASS_INVALID_SQL},
    {"24000", REDW_CLASS_INVALID_SQL},
    {"25001", REDW_CLASS_INVALID_SQL},
    {"25006", REDW_CLASS_INVALID_SQL},
    {"25P02", REDW_CLASS_INVALID_SQL},
    {"26000", REDW_CLASS_INVALID_SQL},
    {"2D000", REDW_CLASS_INVALID_SQL},
    {"34000", REDW_CLASS_INVALID_SQL},
    {"3B001", REDW_CLASS_INVALID_SQL},
    {"54000", REDW_CLASS_INVALID_SQL},
    {"54001", REDW_CLASS_INVALID_SQL},
    {"54011", REDW_CLASS_INVALID_SQL},
    {"42P01", REDW_CLASS_TABLE_NOT_FOUND},
    {"3F000", REDW_CLASS_TABLE_NOT_FOUND},
    {"42703", REDW_CLASS_COLUMN_NOT_FOUND},
    {"42501", REDW_CLASS_PERMISSION_DENIED},
    /* the data */
    {"20000", REDW_CLASS_DATA_ERROR},
    {"21000", REDW_CLASS_DATA_ERROR},
    {"22000", REDW_CLASS_DATA_ERROR},
    {"22003", REDW_CLASS_DATA_ERROR},
    {"22012", REDW_CLASS_DATA_ERROR},
    {"22P02", REDW_CLASS_DATA_ERROR},
    {"23502", REDW_CLASS_DATA_ERROR},
    {"23505", REDW_CLASS_DATA_ERROR},
    {"44000", REDW_CLASS_DATA_ERROR},
    {"P0001", REDW_CLASS_DATA_ERROR},
    /* nothing can be promised */
    {"XX000", REDW_CLASS_INTERNAL},
    {"XX001", REDW_CLASS_INTERNAL},
    {"58000", REDW_CLASS_INTERNAL},
    {"58030", REDW_CLASS_INTERNAL},
    {"40000", REDW_CLASS_INTERNAL},
    {"40003", REDW_CLASS_INTERNAL}, /* statement completion unknown: not to be repeated */
    {"57000", REDW_CLASS_INTERNAL},
    {"F0000", REDW_CLASS_INTERNAL},
    {"00000", REDW_CLASS_INTERNAL}, /* an error that says success is not no error */
    {"01000", REDW_CLASS_INTERNAL},
    {"ZZZZZ", REDW_CLASS_INTERNAL},
    /* not a SQLSTATE */
    {NULL, REDW_CLASS_INTERNAL},
    {"", REDW_CLASS_INTERNAL},
    {"4", REDW_CLASS_INTERNAL},
    {"42", REDW_CLASS_INTERNAL},
    {"0800", REDW_CLASS_INTERNAL},
    {"280000", REDW_CLASS_INTERNAL},
    {"570140", REDW_CLASS_INTERNAL},
    {" 5701", REDW_CLASS_INTERNAL},
    {"xx000", REDW_CLASS_INTERNAL},
    {"42p01", REDW_CLASS_INVALID_SQL}, /* exact: a code in small letters is no known one of its class */
};

START_TEST(each_sqlstate_has_its_class)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum redw_class cls = redwi_errmap_class(rows[i].sqlstate);
        ck_assert_msg(cls == rows[i].cls, "%s: %s, not %s", rows[i].sqlstate ? rows[i].sqlstate : "NULL",
                      redw_class_name(cls), redw_class_name(rows[i].cls));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("errmap");
    TCase *t = tcase_create("errmap");
    suite_add_tcase(s, t);
    tcase_add_test(t, each_sqlstate_has_its_class);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
