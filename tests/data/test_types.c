/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C11, C22: Type OIDs, against protocol 5.1 written down a second time, and what follows from a type
 * modifier.
 */
#include "data/types.h"

#include <check.h>
#include <string.h>

static const struct {
    uint32_t oid;
    enum redw_type type;
} known[] = {
    {16, REDW_BOOLEAN},    {17, REDW_VARBYTE},       {19, REDW_VARCHAR},
    {20, REDW_BIGINT},     {21, REDW_SMALLINT},      {23, REDW_INTEGER},
    {25, REDW_VARCHAR},    {26, REDW_OID},           {28, REDW_OID},
    {29, REDW_OID},        {114, REDW_JSON},         {700, REDW_REAL},
    {701, REDW_DOUBLE},    {702, REDW_TIMESTAMPTZ},  {705, REDW_VARCHAR},
    {1042, REDW_CHAR},     {1043, REDW_VARCHAR},     {1082, REDW_DATE},
    {1083, REDW_TIME},     {1114, REDW_TIMESTAMP},   {1184, REDW_TIMESTAMPTZ},
    {1186, REDW_INTERVAL}, {1188, REDW_INTERVAL_YM}, {1190, REDW_INTERVAL_DS},
    {1266, REDW_TIMETZ},   {1700, REDW_NUMERIC},     {2935, REDW_HLLSKETCH},
    {2950, REDW_UUID},     {3000, REDW_GEOMETRY},    {3001, REDW_GEOGRAPHY},
    {3802, REDW_JSON},     {3999, REDW_GEOMETRY},    {4000, REDW_SUPER},
    {6551, REDW_VARBYTE},
};
enum { NKNOWN = sizeof known / sizeof *known };

static const struct {
    uint32_t oid, element;
} arrays[] = {
    {22, 21},     {30, 26},     {199, 114},   {1000, 16},   {1001, 17},   {1002, 18},   {1003, 19},
    {1005, 21},   {1006, 22},   {1007, 23},   {1008, 24},   {1009, 25},   {1010, 27},   {1011, 28},
    {1012, 29},   {1013, 30},   {1014, 1042}, {1015, 1043}, {1016, 20},   {1021, 700},  {1022, 701},
    {1023, 702},  {1028, 26},   {1034, 1033}, {1115, 1114}, {1182, 1082}, {1183, 1083}, {1185, 1184},
    {1187, 1186}, {1189, 1188}, {1191, 1190}, {1231, 1700}, {1270, 1266}, {2951, 2950}, {3807, 3802},
    {4601, 4600}, {4603, 4602},
};
enum { NARRAYS = sizeof arrays / sizeof *arrays };

/* Known by name only. */
static const uint32_t others[] = {
    18,   24,   27,   142,  210,  600,  601,  602,  603,  604,  628,  650,  703,
    704,  718,  790,  829,  869,  1033, 1560, 1562, 1790, 2202, 2203, 2204, 2205,
    2206, 2249, 2275, 2276, 2277, 2278, 2279, 2280, 2281, 2282, 2283, 4600, 4602,
};
enum { NOTHERS = sizeof others / sizeof *others };

START_TEST(each_oid_is_its_type_and_every_other_one_is_unknown)
{
    size_t met = 0;
    for (uint32_t oid = 0; oid <= 70000; oid++) {
        enum redw_type want = REDW_UNKNOWN_TYPE;
        uint32_t element = 0;
        bool named = false;
        for (size_t i = 0; i < NKNOWN; i++) {
            if (known[i].oid == oid) {
                want = known[i].type;
                named = true;
            }
        }
        for (size_t i = 0; i < NARRAYS; i++) {
            if (arrays[i].oid == oid) {
                want = REDW_ARRAY;
                element = arrays[i].element;
                named = true;
            }
        }
        for (size_t i = 0; i < NOTHERS; i++)
            named = named || others[i] == oid;
        met += named;
        ck_assert_msg(redwi_type_of_oid(oid) == want, "oid %u", oid);
        ck_assert_uint_eq(redwi_oid_of_element(oid), element);
        ck_assert_msg(!redwi_name_of_oid(oid) == !named, "oid %u", oid);
    }
    ck_assert_uint_eq(met, NKNOWN + NARRAYS + NOTHERS);
    ck_assert_int_eq(redwi_type_of_oid(UINT32_MAX), REDW_UNKNOWN_TYPE);
}
END_TEST

START_TEST(the_array_of_a_type_is_not_a_vector)
{
    for (size_t i = 0; i < NARRAYS; i++) {
        bool vector = arrays[i].oid == 22 || arrays[i].oid == 30;
        ck_assert_int_eq(redwi_oid_of_array(arrays[i].element) == arrays[i].oid, !vector);
    }
    ck_assert_uint_eq(redwi_oid_of_array(21), 1005);
    ck_assert_uint_eq(redwi_oid_of_array(26), 1028);
    ck_assert_uint_eq(redwi_oid_of_array(0), 0);
    ck_assert_uint_eq(redwi_oid_of_array(6551), 0);
}
END_TEST

/* Protocol 5.1; 0: the server infers. */
static const struct {
    enum redw_type type;
    const char *name;
    uint32_t postgres, redshift;
} declared[] = {
    {REDW_UNKNOWN_TYPE, "unknown", 0, 0},
    {REDW_BOOLEAN, "boolean", 16, 16},
    {REDW_SMALLINT, "smallint", 21, 21},
    {REDW_INTEGER, "integer", 23, 23},
    {REDW_BIGINT, "bigint", 20, 20},
    {REDW_REAL, "real", 700, 700},
    {REDW_DOUBLE, "double precision", 701, 701},
    {REDW_NUMERIC, "numeric", 1700, 1700},
    {REDW_CHAR, "char", 1042, 1042},
    {REDW_VARCHAR, "varchar", 1043, 1043},
    {REDW_DATE, "date", 1082, 1082},
    {REDW_TIME, "time", 1083, 1083},
    {REDW_TIMETZ, "timetz", 1266, 1266},
    {REDW_TIMESTAMP, "timestamp", 1114, 1114},
    {REDW_TIMESTAMPTZ, "timestamptz", 1184, 1184},
    {REDW_INTERVAL_YM, "interval year to month", 1186, 1188},
    {REDW_INTERVAL_DS, "interval day to second", 1186, 1190},
    {REDW_VARBYTE, "varbyte", 17, 6551},
    {REDW_SUPER, "super", 0, 4000},
    {REDW_GEOMETRY, "geometry", 0, 3000},
    {REDW_GEOGRAPHY, "geography", 0, 3001},
    {REDW_HLLSKETCH, "hllsketch", 0, 2935},
    {REDW_INTERVAL, "interval", 1186, 1186},
    {REDW_UUID, "uuid", 2950, 0},
    {REDW_JSON, "json", 114, 0},
    {REDW_OID, "oid", 26, 26},
    {REDW_ARRAY, "array", 0, 0},
};

START_TEST(a_type_has_a_name_and_an_oid_to_be_declared_with)
{
    for (size_t i = 0; i < sizeof declared / sizeof *declared; i++) {
        enum redw_type type = declared[i].type;
        ck_assert_uint_eq(type, i);
        ck_assert_str_eq(redw_type_name(type), declared[i].name);
        ck_assert_uint_eq(redwi_oid_of_type(type, REDWI_POSTGRES), declared[i].postgres);
        ck_assert_uint_eq(redwi_oid_of_type(type, REDWI_REDSHIFT_BASE), declared[i].redshift);
        ck_assert_uint_eq(redwi_oid_of_type(type, REDWI_REDSHIFT_BINARY), declared[i].redshift);
    }
    static const uint32_t none[] = {REDW_ARRAY + 1, UINT32_MAX};
    for (size_t i = 0; i < 2; i++) {
        ck_assert_uint_eq(redwi_oid_of_type((enum redw_type)none[i], REDWI_POSTGRES), 0);
        ck_assert_str_eq(redw_type_name((enum redw_type)none[i]), "unknown");
    }
}
END_TEST

/* C11 */
START_TEST(a_columns_precision_and_scale_follow_from_its_modifier)
{
    static const struct {
        uint32_t oid;
        int32_t typmod;
        int precision, scale;
        const char *text;
    } rows[] = {
        {1700, 0x00120006, 18, 2, "numeric(18,2)"}, /* protocol 5.4 */
        {1700, ((38 << 16) | 37) + 4, 38, 37, "numeric(38,37)"},
        {1700, ((38 << 16) | 0) + 4, 38, 0, "numeric(38,0)"},
        {1700, ((3 << 16) | 0x7fe) + 4, 3, -2, "numeric(3,-2)"}, /* PostgreSQL 15 */
        {1700, -1, -1, -1, "numeric"},
        {1043, 36, 32, -1, "varchar(32)"},
        {1043, 65539, 65535, -1, "varchar(65535)"},
        {1043, -1, -1, -1, "varchar"},
        {25, -1, -1, -1, "varchar"},
        {1042, 5, 1, -1, "char(1)"},
        {6551, 64004, 64000, -1, "varbyte"},
        {17, -1, -1, -1, "varbyte"},
        {1083, -1, 6, -1, "time"},
        {1114, 3, 3, -1, "timestamp"},
        {1184, 0, 0, -1, "timestamptz"},
        {1266, 7, 6, -1, "timetz"},
        {23, -1, -1, -1, "integer"},
        {1186, -1, -1, -1, "interval"},
        {869, -1, -1, -1, "inet"},
        {1009, -1, -1, -1, "text[]"},
        {30, -1, -1, -1, "oidvector"},
        {16999, -1, -1, -1, "the type of OID 16999"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct redw_column c = {.name = "kept"};
        char text[REDWI_TYPE_CHARS];
        redwi_column_describe(&c, rows[i].oid, rows[i].typmod, REDWI_REDSHIFT_BINARY);
        ck_assert_uint_eq(c.oid, rows[i].oid);
        ck_assert_int_eq(c.typmod, rows[i].typmod);
        ck_assert_int_eq(c.type, redwi_type_of_oid(rows[i].oid));
        ck_assert_msg(c.precision == rows[i].precision && c.scale == rows[i].scale, "%s: %d, %d",
                      rows[i].text, c.precision, c.scale);
        ck_assert_int_eq(redwi_column_server(&c), REDWI_REDSHIFT_BINARY);
        ck_assert_str_eq(redwi_column_type_text(&c, text), rows[i].text);
        ck_assert_str_eq(c.name, "kept");
        ck_assert_uint_eq(c.priv_[REDWI_COLUMN_FORM], redwi_form(c.type, false));
        c.binary = true;
        redwi_column_describe(&c, rows[i].oid, rows[i].typmod, REDWI_REDSHIFT_BINARY);
        ck_assert_uint_eq(c.priv_[REDWI_COLUMN_FORM], redwi_form(c.type, true));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("types");
    TCase *t = tcase_create("types");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, each_oid_is_its_type_and_every_other_one_is_unknown);
    tcase_add_test(t, the_array_of_a_type_is_not_a_vector);
    tcase_add_test(t, a_type_has_a_name_and_an_oid_to_be_declared_with);
    tcase_add_test(t, a_columns_precision_and_scale_follow_from_its_modifier);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
