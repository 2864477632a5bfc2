/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C14: Text to double, against strtod of the C locale (glibc's rounds correctly). Millions of values, where
 * rounding is hard above all: middles of two doubles and their neighbours, subnormals, hundreds of
 * digits.
 */
#include "data/decode.h"
#include "data/fence.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef __has_feature
#define UNDER_CLANG_ASAN __has_feature(address_sanitizer)
#else
#define UNDER_CLANG_ASAN 0
#endif
#if defined(__SANITIZE_ADDRESS__) || UNDER_CLANG_ASAN
enum { ROUNDS = 20000 };
#else
enum { ROUNDS = 100000 };
#endif

static char text[1 << 15];
static size_t length;

static void say(const char *fmt, ...) REDW_PRINTF(1, 2);
static void say(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    length = (size_t)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (length >= sizeof text)
        ck_abort_msg("%zu bytes of text", length);
}

/* The reader of cells says the same as that of any text. */
static int read_text(const char *p, size_t n, double *out)
{
    double led = 98;
    char copy[256];
    int rc = redwi_text_double(p, n, out);
    if (n > sizeof copy)
        return rc;
    if (n > 0)
        memcpy(copy, p, n);
    for (int before = 0; before < 2; before++) {
        int led_rc = redwi_led_double(fence_led(copy, n, before), n, &led);
        if (led_rc != rc || memcmp(&led, out, sizeof led) != 0)
            ck_abort_msg("%.*s: %d, %a with a lead, %d, %a without", (int)n, copy, led_rc, led, rc, *out);
    }
    return rc;
}

/* What was said is read as strtod reads it; what is too large for a double is no number for us. (An
 * ordinary comparison first: each ck_assert costs a system call.) */
static void as_strtod(void)
{
    char *end;
    double want = strtod(text, &end), got = 99;
    int rc = isinf(want) ? REDW_ERANGE : REDW_OK;
    if (isinf(want))
        want = 0;
    for (int before = 0; before < 2; before++) {
        const char *p = before ? fence_before(text, length) : fence_behind(text, length);
        if (*end != '\0' || read_text(p, length, &got) != rc ||
            memcmp(&got, &want, sizeof got) != 0)
            ck_abort_msg("%s: got %a, want %a (%d)", text, got, want, rc);
    }
}

static double of_bits(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/* A double of any magnitude; with `sub`, a subnormal one. */
static double any_double(uint64_t *seed, bool sub)
{
    for (;;) {
        uint64_t bits = next_random(seed);
        if (sub)
            bits = (bits & 0x800fffffffffffff) >> (next_random(seed) % 52);
        double d = of_bits(bits);
        if (isfinite(d))
            return d;
    }
}

START_TEST(doubles_printed_with_any_precision_are_read_back)
{
    uint64_t seed = 17;
    for (int i = 0; i < ROUNDS; i++) {
        double d = any_double(&seed, i % 8 == 0);
        double got;
        say("%.17g", d);
        as_strtod();
        if (read_text(text, length, &got) != REDW_OK || memcmp(&got, &d, sizeof d) != 0)
            ck_abort_msg("%s does not come back", text);
        say("%.*e", (int)(next_random(&seed) % 22), d);
        as_strtod();
    }
}
END_TEST

START_TEST(decimals_of_any_shape_are_rounded_as_strtod_rounds_them)
{
    uint64_t seed = 18;
    for (int i = 0; i < ROUNDS; i++) {
        unsigned long long a = next_random(&seed) >> (next_random(&seed) % 64);
        unsigned long long b = next_random(&seed) >> (next_random(&seed) % 64);
        int e = (int)(next_random(&seed) % 720) - 370;
        say("%llu.%0*llu", a, (int)(next_random(&seed) % 25), b);
        as_strtod();
        say("%s%llu%s%llue%d", i % 2 ? "-" : "", a, i % 3 ? "." : "", b, e);
        as_strtod();
        say("%llue%+d", a, e % 30);
        as_strtod();
        say("%s%llu.E%d", i % 2 ? "+" : "", a, e);
        as_strtod();
        say(".%llu", b);
        as_strtod();
    }
}
END_TEST

/* The middle between d >= 0 and its neighbour above, printed exactly; x87 holds it. */
static void say_middle(double d)
{
    long double m = ((long double)d + (long double)nextafter(d, (double)INFINITY)) / 2;
    say("%.*Le", 1100, m);
}

START_TEST(the_middle_of_two_doubles_goes_to_the_even_one_and_its_neighbours_to_the_nearest)
{
    if (LDBL_MANT_DIG < 64)
        return;
    uint64_t seed = 19;
    for (int i = 0; i < ROUNDS / 40; i++) {
        double d = fabs(any_double(&seed, i % 4 == 0));
        if (d == DBL_MAX)
            continue;
        say_middle(d);
        as_strtod();
        char *e = strchr(text, 'e');
        /* Something far behind the last digit that counts; then just below; then cut short. */
        e[-1] = '1';
        as_strtod();
        e[-1] = '0';
        for (char *p = e - 1; p > text; p--) {
            if (*p >= '1' && *p <= '9') {
                --*p;
                break;
            }
        }
        as_strtod();
        char exponent[16];
        snprintf(exponent, sizeof exponent, "%s", e);
        say_middle(d);
        size_t cut = 3 + next_random(&seed) % 1000;
        memcpy(text + cut, exponent, strlen(exponent) + 1);
        length = strlen(text);
        as_strtod();
        /* The same as an integer, or with many zeros in front. */
        if (d > 1e15 && d < 1e300) {
            say("%.0Lf", ((long double)d + (long double)nextafter(d, (double)INFINITY)) / 2);
            as_strtod();
        } else if (d < 1) {
            say("%.1200Lf", ((long double)d + (long double)nextafter(d, (double)INFINITY)) / 2);
            as_strtod();
        }
    }
}
END_TEST

START_TEST(small_middles_are_exact_in_the_short_way_too)
{
    /* 2^53 + 1 and the like: ties that 19 digits hold, scaled by powers of ten that keep them ties. */
    for (int shift = 0; shift < 10; shift++) {
        for (uint64_t k = 1; k < 200; k += 2) {
            uint64_t w = ((UINT64_C(1) << 53) + k) << shift;
            say("%llu", (unsigned long long)w);
            as_strtod();
            for (int e = 1; e < 4; e++) {
                static const uint64_t tens[] = {1, 10, 100, 1000};
                if (w > UINT64_MAX / tens[e])
                    continue;
                say("%llue-%d", (unsigned long long)(w * tens[e]), e);
                as_strtod();
            }
            for (int e = 1; e < 24; e++) {
                say("%llue%d", (unsigned long long)w, e);
                as_strtod();
            }
        }
    }
}
END_TEST

START_TEST(numbers_of_hundreds_of_digits_are_read_whole)
{
    uint64_t seed = 20;
    for (int i = 0; i < ROUNDS / 40; i++) {
        size_t n = 1 + next_random(&seed) % 2000, point = next_random(&seed) % n;
        for (size_t k = 0; k < n; k++)
            text[k] = (char)('0' + next_random(&seed) % 10);
        if (n > 1)
            text[point] = '.';
        int e = (int)(next_random(&seed) % 680) - 345 - (int)point;
        length = n + (size_t)snprintf(text + n, 16, "e%d", e);
        as_strtod();
    }
    /* All digits and zeros: 800 nines, a one behind 800 zeros, zeros alone. */
    memset(text, '9', 800);
    memcpy(text + 800, "e-700", 6);
    length = 805;
    as_strtod();
    memset(text, '0', 5000);
    memcpy(text, "0.", 2);
    memcpy(text + 4000, "123e4000", 9);
    length = 4008;
    as_strtod();
    memset(text, '0', 5000);
    text[0] = '7';
    memcpy(text + 4000, "e-4000", 7);
    length = 4006;
    as_strtod();
    memset(text, '0', 30000);
    text[0] = '7';
    memcpy(text + 25000, "e-24999", 8);
    length = 25007;
    as_strtod();
    memset(text, '0', 30000);
    memcpy(text, "-.", 2);
    memcpy(text + 25000, "123e24990", 10);
    length = 25009;
    as_strtod();
    memset(text, '0', 5000);
    text[2500] = '.';
    text[5000] = '\0';
    length = 5000;
    as_strtod();
    text[4999] = '1';
    as_strtod();
    memset(text, '0', 30);
    memcpy(text + 30, "1", 2);
    length = 31;
    as_strtod();
}
END_TEST

/* A middle of two doubles times its powers of two and five, and the digits that were given: each pair lies to
 * different sides of a power of 2^64, so that one of the two integers is a word longer. */
START_TEST(a_number_beside_the_middle_may_be_a_word_longer_or_shorter_than_it)
{
    static const struct {
        const char *digits; /* 2^512; 2^768 - 1 */
        int exponent;
    } rows[] = {
        {"13407807929942597099574024998205846127479365820592393377723561443721764030073546"
         "976801874298166903427690031858186486050853753882811946569946433649006084096",
         -192},
        {"15525180923007089351489794884625025552568860171166966111390520380260509526863768"
         "86330878408828646477950487730697131073206171580044114814391444287275041181139204"
         "454976020849905550265285631598444825262999193716468750892846853816057855",
         -163},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        say("%se%d", rows[i].digits, rows[i].exponent);
        as_strtod();
    }
}
END_TEST

START_TEST(limits_are_met_exactly)
{
    static const char *const rows[] = {
        "0",
        "-0",
        "+0",
        "0.0",
        "-0.0e5",
        "0e999999999",
        "-0e-999999999",
        "1e999999999",
        "-1e999999999",
        "1e-999999999",
        "1e99999999999999999999999",
        "1e-99999999999999999999999",
        "0.1e-2147483648",
        "1e4294967296",
        "1e18446744073709551616",
        "0e18446744073709551616",
        "1.7976931348623157e308",
        "-1.7976931348623157e+308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "179769313486231570814527423731704356798070e267",
        "17976931348623158079372897140530341507993413271003782693617377898044496829276475094664901797758"
        "7207096330286"
        "41669288791094655554785194040263065748867150582068190890200070838367627385484581771153176447573"
        "0270069855571"
        "366959622842914819860834936475292719074168444365510704342711559699508093042880177904174497791",
        "17976931348623158079372897140530341507993413271003782693617377898044496829276475094664901797758"
        "7207096330286"
        "41669288791094655554785194040263065748867150582068190890200070838367627385484581771153176447573"
        "0270069855571"
        "366959622842914819860834936475292719074168444365510704342711559699508093042880177904174497792",
        "2.2250738585072014e-308",
        "2.2250738585072011e-308",
        "2.2250738585072012e-308",
        "2.225073858507201e-308",
        "4.9e-324",
        "5e-324",
        "4.9406564584124654e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.470328229206232720882843964341106861825299013071623822127928412503377536351043e-324",
        "2.470328229206232720882843964341106861825299013071623822127928412503377536351044e-324",
        "7.4109846876186981626485318930233205854758970392148714663837852375101326090531e-324",
        "3e-324",
        "2e-324",
        "1e-342",
        "1e-343",
        "9999999999999999999e-343",
        "9999999999999999999e289",
        "1e308",
        "1e309",
        "9007199254740992",
        "9007199254740993",
        "9007199254740994",
        "9007199254740995",
        "9223372036854775807",
        "18446744073709551615",
        "18446744073709551616",
        "0.5",
        ".5",
        "5.",
        "1e22",
        "1e23",
        "1e-22",
        "1e-23",
        "8.5e22",
        "123456789012345678",
        "1234567890123456789",
        "12345678901234567890",
        "0.1",
        "0.2",
        "0.3",
        "2.5e-5",
        "1e0",
        "1e+0",
        "1e-0",
        "1E5",
        "000000000000000000000000000000001.5",
        "1.00000000000000011102230246251565404",
        "1.00000000000000011102230246251565405",
        "1.000000000000000111022302462515654042363166809082031250000000001",
        "1.00000000000000011102230246251565404236316680908203125",
        "6.631236846766476e-316",
        "1.3694e-319",
        "3.2378839133029012895883524125015321748630094680600e-319",
        "69459372893497e-24",
        "1448997445238699",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        say("%s", rows[i]);
        as_strtod();
    }
    double d;
    ck_assert_int_eq(read_text("-1e-400", 7, &d), REDW_OK);
    ck_assert(d == 0 && signbit(d));
}
END_TEST

START_TEST(the_numbers_that_are_none_are_read_in_any_case)
{
    static const struct {
        const char *text;
        double value;
    } rows[] = {
        {"Infinity", (double)INFINITY},  {"-Infinity", -(double)INFINITY},
        {"+Infinity", (double)INFINITY}, {"infinity", (double)INFINITY},
        {"INFINITY", (double)INFINITY},  {"inf", (double)INFINITY},
        {"-inf", -(double)INFINITY},     {"Inf", (double)INFINITY},
        {"+INF", (double)INFINITY},
    };
    double d;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i].text);
        ck_assert_int_eq(read_text(fence_behind(rows[i].text, n), n, &d), REDW_OK);
        ck_assert_msg(d == rows[i].value, "%s", rows[i].text);
    }
    static const char *const nans[] = {"NaN", "nan", "NAN"};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(read_text(fence_behind(nans[i], 3), 3, &d), REDW_OK);
        ck_assert(isnan(d) && !signbit(d));
    }
}
END_TEST

START_TEST(what_is_no_number_is_refused_and_leaves_zero)
{
    static const char *const rows[] = {
        "",           "-",      "+",       ".",         "-.",          "e",
        "e5",         ".e5",    "1e",      "1e+",       "1e-",         "1ee5",
        "1e5e",       "1e5.0",  "1..2",    "1.2.3",     "--1",         "+-1",
        " 1",         "1 ",     "1.5 ",    "1,5",       "0x10",        "0x1p3",
        "1f",         "1.5d",   "1_000",   "12345678x", "0.12345678x", "0.123456789012345x",
        "1.5e5x",     "nan(1)", "-nan",    "+NaN",      "na",          "nann",
        "in",         "infi",   "infinit", "infinityy", "-infx",       "i",
        "n",          "1.0inf", "one",     "0.1234;",   "0.12345:",    "0./123",
        "0.1234567/", "1e5/",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i]);
        double d = 99;
        ck_assert_msg(read_text(fence_behind(rows[i], n), n, &d) == REDW_EPROTOCOL, "%s",
                      rows[i]);
        ck_assert_msg(d == 0 && !signbit(d), "%s", rows[i]);
    }
    /* Any byte anywhere: a number exactly when strtod takes all of it (without blanks, hex and words).
     */
    static const char *const sound[] = {"123.456", "-0.1234567890123", "1.5e-10", "-1.234567890123456789",
                                        "12345678901234567890.5"};
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
        for (size_t at = 0; at < strlen(sound[i]); at++) {
            for (int byte = 1; byte < 256; byte++) {
                say("%s", sound[i]);
                text[at] = (char)byte;
                char *end;
                double want = strtod(text, &end), d;
                bool ok = *end == '\0' && !strpbrk(text, " \t\n\v\f\rxX");
                int rc = !ok ? REDW_EPROTOCOL : isinf(want) ? REDW_ERANGE : REDW_OK;
                if (read_text(text, length, &d) != rc || d != (rc == REDW_OK ? want : 0))
                    ck_abort_msg("%s: %a", text, d);
            }
            text[at] = '\0';
            double d;
            ck_assert_int_eq(read_text(text, strlen(sound[i]), &d), REDW_EPROTOCOL);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("float");
    TCase *t = tcase_create("float");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, doubles_printed_with_any_precision_are_read_back);
    tcase_add_test(t, decimals_of_any_shape_are_rounded_as_strtod_rounds_them);
    tcase_add_test(t, the_middle_of_two_doubles_goes_to_the_even_one_and_its_neighbours_to_the_nearest);
    tcase_add_test(t, small_middles_are_exact_in_the_short_way_too);
    tcase_add_test(t, numbers_of_hundreds_of_digits_are_read_whole);
    tcase_add_test(t, a_number_beside_the_middle_may_be_a_word_longer_or_shorter_than_it);
    tcase_add_test(t, limits_are_met_exactly);
    tcase_add_test(t, the_numbers_that_are_none_are_read_in_any_case);
    tcase_add_test(t, what_is_no_number_is_refused_and_leaves_zero);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
