/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Row A04.
 * Connection strings: what each form says, what is refused, that no message quotes the text, and that libpq
 * reads every string alike but for the differences listed here.
 */
#include "pool/conninfo.h"
#include "wire/mem.h"

#include <check.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOST, PORT, USER, PASSWORD, DBNAME, SSLMODE, APPLICATION_NAME, PASSFILE, NAMES };

static const char *const names[NAMES] = {
    "host", "port", "user", "password", "dbname", "sslmode", "application_name", "passfile"};
static redw_slice values[NAMES];
static struct redwi_conninfo info;
static struct redw_diag why;

/* The text stands at the end of an allocation of its own, for ASan. */
static int read_text(const char *text)
{
    char *copy = strdup(text);

    memset(&why, 0, sizeof why);
    int rc = redwi_conninfo_read(&info, values, names, NAMES, copy, &redwi_malloc, &why);
    free(copy);
    return rc;
}

static void done(void)
{
    redwi_conninfo_free(&info, &redwi_malloc);
}

START_TEST(pairs_are_read_with_libpqs_quoting)
{
    static const struct {
        const char *text;
        int name;
        const char *value;
    } table[] = {
        {"host=h", HOST, "h"},
        {" \t\n host \t = \r\n h \v\f ", HOST, "h"},
        {"host=h port=5439", PORT, "5439"},
        {"host=h\tport=5439\n", HOST, "h"},
        {"host='h'", HOST, "h"},
        {"host='a b'", HOST, "a b"},
        {"host=''", HOST, ""},
        {"host= ''", HOST, ""},
        {"host=", HOST, ""},
        {"host= ", HOST, ""},
        {"host= port=1", HOST, "port=1"}, /* blanks after '=' are skipped, in libpq too */
        {"host='h'port=1", PORT, "1"},    /* nothing need stand between, in libpq too */
        {"password='it\\'s'", PASSWORD, "it's"},
        {"password=it\\'s", PASSWORD, "it's"},
        {"password='a\\\\b'", PASSWORD, "a\\b"},
        {"password=a\\\\b", PASSWORD, "a\\b"},
        {"password=a\\ b", PASSWORD, "a b"},
        {"password=a\\nb", PASSWORD, "anb"}, /* no escapes but of itself */
        {"password=a\\", PASSWORD, "a"},
        {"password=\\", PASSWORD, ""},
        {"password=a'b", PASSWORD, "a'b"}, /* a quote inside is one */
        {"password=a=b", PASSWORD, "a=b"},
        {"password='=' host=h", PASSWORD, "="},
        {"password=%41", PASSWORD, "%41"}, /* percents belong to URIs */
        {"password='postgresql://'", PASSWORD, "postgresql://"},
        {"password=postgresql://x", PASSWORD, "postgresql://x"},
        {"password='\xc3\xa4\xff'", PASSWORD, "\xc3\xa4\xff"},
        {"dbname=postgresql://u@h/d", DBNAME, "postgresql://u@h/d"}, /* not looked into */
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        ck_assert_msg(read_text(table[i].text) == 0, "%s: %s", table[i].text, why.text);
        redw_slice v = values[table[i].name];
        ck_assert_msg(v.ptr && strcmp(v.ptr, table[i].value) == 0 && v.len == strlen(v.ptr), "%s: %s",
                      table[i].text, v.ptr);
        ck_assert_uint_eq(info.default_port, 5432);
        done();
    }
    ck_assert_int_eq(read_text(""), 0);
    for (int i = 0; i < NAMES; i++)
        ck_assert_ptr_null(values[i].ptr);
    done();
}
END_TEST

START_TEST(what_is_doubtful_is_refused_and_named)
{
    static const struct {
        const char *text, *says;
    } table[] = {
        {"host", "number 1 is not name=value"},
        {"host=h port", "number 2 is not name=value"},
        {"host h", "number 1 is not name=value"},
        {"=x", "number 1 has an unknown name"},
        {"host=h colour=red", "number 2 has an unknown name"},
        {"HOST=h", "number 1 has an unknown name"},
        {"host='h", "host: the closing quote is missing"},
        {"host='", "host: the closing quote is missing"},
        {"host='h\\'", "host: the closing quote is missing"},
        {"host='h\\", "host: the closing quote is missing"},
        {"host=a host=b", "host is given twice"},
        {"hostaddr=::1", "hostaddr is a setting of libpq"},
        {"options='-c x=y'", "options is a setting of libpq"},
        {"postgresql://u@h?hostaddr=::1", "hostaddr is a setting of libpq"},
        {"postgresql://u@h?ssl=true", "ssl is a setting of libpq"},
        {"postgresql://u@a,b/d", "host: there can be only one"},
        {"postgresql://u@a:1,b:2/d", "host: there can be only one"},
        {"jdbc:redshift://h/d", "must begin with"},
        {"REDSHIFT://h/d", "must begin with"},
        {"mysql://h/d?a=b", "must begin with"},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int rc = read_text(table[i].text);
        ck_assert_msg(rc == REDW_EINVAL && why.code == REDW_EINVAL, "%s was accepted", table[i].text);
        ck_assert_msg(strstr(why.text, table[i].says), "%s: %s", table[i].text, why.text);
        ck_assert_msg(strncmp(why.text, "uri: ", 5) == 0, "%s", why.text);
        ck_assert_ptr_null(info.text);
        ck_assert_ptr_null(values[HOST].ptr);
    }
}
END_TEST

START_TEST(no_message_quotes_the_text)
{
    static const char *const table[] = {
        "password=my canary",
        "password=my canary=x",
        "canary",
        "password='canary",
        "canary=1",
        "host=h canary ='x'",
        "password=x 'canary'",
        "canary://u@h",
        "user=u 'canary'=1",
        "password=a password=canary",
        "postgresql://u:p?canary",
        "postgresql://u@h?canary=1&b",
        "postgresql://u@h?a%zz=canary",
        "postgresql://u:canary%@h",
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        ck_assert_msg(read_text(table[i]) == REDW_EINVAL, "%s was accepted", table[i]);
        ck_assert_msg(!strstr(why.text, "canary"), "%s", why.text);
    }
}
END_TEST

START_TEST(the_query_string_wins_and_the_scheme_gives_the_port)
{
    ck_assert_int_eq(read_text("redshift://u:p@h:1/d?user=v&password=w&host=k&port=2&dbname=e"), 0);
    ck_assert_str_eq(values[USER].ptr, "v");
    ck_assert_str_eq(values[PASSWORD].ptr, "w");
    ck_assert_str_eq(values[HOST].ptr, "k");
    ck_assert_str_eq(values[PORT].ptr, "2");
    ck_assert_str_eq(values[DBNAME].ptr, "e");
    ck_assert_uint_eq(info.default_port, 5439);
    ck_assert(info.redshift_scheme);
    done();
    ck_assert_int_eq(read_text("postgres://h"), 0);
    ck_assert_uint_eq(info.default_port, 5432);
    ck_assert(!info.redshift_scheme);
    done();
}
END_TEST

static size_t taken;
static bool seen;

static void *spy_alloc(void *ctx, size_t n)
{
    (void)ctx;
    taken = n;
    return calloc(1, n);
}

static void *spy_resize(void *ctx, void *p, size_t n)
{
    (void)ctx;
    return realloc(p, n);
}

static void spy_release(void *ctx, void *p)
{
    (void)ctx;
    seen |= memmem(p, taken, "canary", 6) != NULL;
    free(p);
}

START_TEST(the_copy_is_wiped_when_it_is_given_back)
{
    static const struct redw_allocator spy = {sizeof spy, NULL, spy_alloc, spy_resize, spy_release};

    ck_assert_int_eq(redwi_conninfo_read(&info, values, names, NAMES, "password=canary host=h", &spy, &why),
                     0);
    ck_assert_str_eq(values[PASSWORD].ptr, "canary");
    redwi_conninfo_free(&info, &spy);
    ck_assert_int_eq(redwi_conninfo_read(&info, values, names, NAMES, "password=canary host='h", &spy, &why),
                     REDW_EINVAL);
    ck_assert(!seen);
}
END_TEST

/* --- libpq --- */

/* What this library refuses on purpose, by what it says; libpq may think otherwise. */
static bool refused_on_purpose(void)
{
    static const char *const says[] = {
        "given twice",           /* libpq: the last one */
        "there can be only one", /* libpq: a list of hosts */
        "is a setting of libpq", /* known there, not here */
        "must begin with",       /* libpq takes any other scheme for pairs */
        "only an IPv6 address",  /* libpq: a name in brackets is looked up */
        "'[' without ']'",       /* libpq looks for it behind '/' and '?' too */
    };

    for (size_t i = 0; i < sizeof says / sizeof *says; i++) {
        if (strstr(why.text, says[i]))
            return true;
    }
    return false;
}

/* Traits of a URI that are read differently on purpose. */
static bool read_otherwise_on_purpose(const char *text)
{
    if (strncmp(text, "redshift://", 11) == 0)
        return true; /* libpq: pairs */
    if (strncmp(text, "postgres", 8) != 0 || !strstr(text, "://"))
        return false;
    const char *p = strstr(text, "://") + 3, *mark = strchr(p, '?');
    if (!mark)
        return false;
    const char *at = strchr(mark, '@');
    if (at && (size_t)(at - p) < strcspn(p, "/"))
        return true; /* '?' in user or password: libpq looks for '@' behind it */
    if (text[strlen(text) - 1] == '&')
        return true; /* libpq overlooks one at the end */
    for (const char *q = mark + 1; *q; q += strcspn(q, "&") + (q[strcspn(q, "&")] == '&')) {
        const char *equals = memchr(q, '=', strcspn(q, "&"));
        if (equals && strcspn(equals + 1, "=") < strcspn(equals + 1, "&"))
            return true; /* '=' in a value: libpq refuses it */
    }
    return false;
}

static const char *libpq_value(const PQconninfoOption *options, const char *name)
{
    for (; options->keyword; options++) {
        if (strcmp(options->keyword, name) == 0)
            return options->val ? options->val : "";
    }
    ck_abort_msg("libpq has no %s", name);
    return NULL;
}

static unsigned compared, both_good;

static void compare(const char *text)
{
    char *message = NULL;
    int rc = read_text(text);
    PQconninfoOption *theirs = PQconninfoParse(text, &message);

    if (!(rc && refused_on_purpose()) && !read_otherwise_on_purpose(text)) {
        compared++;
        ck_assert_msg((rc == 0) == (theirs != NULL), "<%s>: redw %d %s; libpq %s", text, rc, why.text,
                      message ? message : "accepts it");
        for (int i = 0; rc == 0 && i < NAMES; i++) {
            const char *v = values[i].ptr ? values[i].ptr : "";
            ck_assert_msg(strcmp(v, libpq_value(theirs, names[i])) == 0, "<%s>: %s is <%s>, libpq's <%s>",
                          text, names[i], v, libpq_value(theirs, names[i]));
        }
        both_good += rc == 0;
    }
    if (theirs)
        PQconninfoFree(theirs);
    PQfreemem(message);
    done();
}

START_TEST(libpq_reads_written_strings_alike)
{
    static const char *const table[] = {
        "",
        " ",
        "host=h",
        "host = h",
        "host= h port =1",
        "host='h'port='1'",
        "host=h port",
        "host",
        "=",
        "=h",
        "host=''",
        "password='it\\'s'",
        "password=it\\'s",
        "password='a\\\\'",
        "password='a\\'",
        "password=a\\",
        "password=a\\ b user=u",
        "password='a b' user=u",
        "password=a b",
        "user=u\tdbname=d",
        "user=u\vdbname=d",
        "user=u\fdbname=d",
        "user=u\rdbname=d",
        "user=u\ndbname=d",
        "user\n=\nu",
        "User=u",
        "user =",
        "user= ",
        "user=u=v",
        "user==u",
        "user='u'='v'",
        "user='u' 'v'",
        "user='u''v'",
        "user=u'v'",
        "nonsense=1",
        "port=abc",
        "port=",
        "sslmode=nonsense",
        "passfile=/x",
        "passfile='/x y'",
        "application_name='%s'",
        "dbname=postgresql://u@h/d",
        "\xc3\xa4=x",
        "user=\xc3\xa4",
        "user='\xff'",
        "user=%41",
        "postgresql://",
        "postgres://",
        "postgresql:///",
        "postgresql://?",
        "postgresql:///?",
        "postgresql://h",
        "postgresql://h/",
        "postgresql://h/d",
        "postgresql://h/d?",
        "postgresql://h?",
        "postgresql://h:1",
        "postgresql://h:",
        "postgresql://:1",
        "postgresql://h:1/",
        "postgresql://h:1?port=2",
        "postgresql://h::",
        "postgresql://u@h",
        "postgresql://u:@h",
        "postgresql://:@h",
        "postgresql://:p@h",
        "postgresql://@h",
        "postgresql://@",
        "postgresql://u@",
        "postgresql://u:p@",
        "postgresql://u:p@/d",
        "postgresql://u:p:q@h",
        "postgresql://u@v@h",
        "postgresql://u:p@q@h",
        "postgresql://u/p@h",
        "postgresql://u:p/q@h/d",
        "postgresql://%75@h",
        "postgresql://u:%70@h",
        "postgresql://u@%68",
        "postgresql://h/%64",
        "postgresql://h:%31",
        "postgresql://u%@h",
        "postgresql://u%4@h",
        "postgresql://u%4g@h",
        "postgresql://u%00@h",
        "postgresql://u:%00@h",
        "postgresql://h%00",
        "postgresql://h/%00",
        "postgresql://h/%",
        "postgresql://h/%4",
        "postgresql://h/%zz",
        "postgresql://h:%zz",
        "postgresql://%2Frun",
        "postgresql://%2Frun/d",
        "postgresql://%2frun%2Fpg:5433/d",
        "postgresql://[::1]",
        "postgresql://[::1]:1",
        "postgresql://[::1]/d",
        "postgresql://[::1]?",
        "postgresql://[::1]x",
        "postgresql://[::1",
        "postgresql://[]",
        "postgresql://[",
        "postgresql://u@[::1]:1/d?port=2",
        "postgresql://[::1]]",
        "postgresql://h]",
        "postgresql://[::1%25eth0]",
        "postgresql://a[::1]",
        "postgresql://h/d/e",
        "postgresql://h//d",
        "postgresql://h/d?e?f",
        "postgresql://h/?user=u",
        "postgresql://h?user=u",
        "postgresql://?user=u&host=h",
        "postgresql:///d?user=u&host=/run",
        "postgresql://h?user",
        "postgresql://h?user&port=1",
        "postgresql://h?=",
        "postgresql://h?=u",
        "postgresql://h?user=",
        "postgresql://h?user=&port=1",
        "postgresql://h?user=u&&port=1",
        "postgresql://h?&user=u",
        "postgresql://h?%75ser=u",
        "postgresql://h?user=%75",
        "postgresql://h?user=%",
        "postgresql://h?user=%00",
        "postgresql://h?user%00=u",
        "postgresql://h?us%zzer=u",
        "postgresql://h?USER=u",
        "postgresql://h?user=a+b",
        "postgresql://a+b@h",
        "postgresql://h?nonsense=1",
        "postgresql://h?user=u#f",
        "postgresql://h#f",
        "postgresql://h/d#f",
        "postgresql://u@h?user=v",
        "postgresql://u%zz@h?user=v",
        "postgresql://h/d?dbname=e",
        "postgresql://h:1/d?host=k",
        "postgresql://h?host=%2Frun",
        "postgresql:/h",
        "postgresql:h",
        "postgresql",
        "postgres:",
        "postgresql:// h",
        "postgresql://h /d",
        " postgresql://h",
        "postgresql://h?user= u",
        "postgresql://h? user=u",
        "postgresql://h?user='u'",
        "postgresql://h?user=\\",
        "postgresql://\xc3\xa4@h",
        "postgresql://h/\xff",
        "postgresql://u:p@h:1/d?sslmode=require",
        "postgresql://h?sslmode=x&application_name=y&passfile=z",
        "postgresql://h?passfile=%2Fx%20y",
        "postgresql://h/d?password=p%26q%3Dr%3Fs",
        "postgresql://u:p%40q%3Ar%2Fs%3Ft@h",
        "postgresql://?host=",
        "postgresql://h:1:2",
        "postgresql://h?port=1%2C2",
        "postgresql://h%2Ck",
        "postgresql://?",
        "postgresql:///?host",
        "user=u password=p host=h port=1 dbname=d sslmode=require application_name=a passfile=f",
        "user='u' password='p' host='h' port='1' dbname='d' sslmode='require' application_name='a'",
        "  user\t=\t'u'\t\tpassword\n=\n'\\p'\n",
        "user='\n'",
        "user=\\\n",
        "user='a\\",
        "user='",
        "user=\\'",
        "user=a\\\\\\",
        "user=''''",
        "user='''",
        "user=''x=1",
        "user='a'b",
        "user='a' b=",
        "user=a port=1 =",
        "user=a\\=b",
        "us\\er=a",
        "'user'=a",
        "\"user\"=a",
        "user=\"a b\"",
        "user=\"a\"",
        "user:a",
        "user=a;port=1",
        "user=a,port=1",
        "user=a&port=1",
        "# user=a",
        "user=#",
        "user=a # b",
        "host=a,b",
        "host=a,b port=1,2",
        "host=/run/pg port=1",
        "port=1 port",
        "user",
        "user=u passwort=p",
        "connect",
        "host=h nonsense",
        "host==",
        "user=u dbname='d d' port=' 1 '",
        "postgresql://h/d%20d?user=u%3D",
        "user=' u' password=' '",
        "postgresql://u%3Ap:q@h",
        "port='1",
        "postgresql://u@h:%20/d",
        "sslmode=a sslmod=b",
    };

    compared = both_good = 0;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        compare(table[i]);
    ck_assert_uint_ge(compared, 200);
    ck_assert_uint_ge(both_good, 80);
}
END_TEST

START_TEST(libpq_reads_random_strings_alike)
{
    static const char *const pairs[] = {"host", "user", "password", "port", "=", "=", "=", " ",   " ",
                                        "'",    "'",    "\\",       "\t",   "x", "1", "h", "=x ", "='y' "};
    static const char *const uris[] = {
        "u",   "h",     ":", "@", "/",     "?",      "&",        "=",        "%",  "%41", "%4",
        "%00", "[::1]", "[", "]", "user=", "port=1", "password", "dbname=x", "/d", ",",   "host=k"};
    uint64_t random = 20240229;
    char text[256];

    compared = both_good = 0;
    for (int i = 0; i < 15000; i++) {
        bool uri = i % 2;
        size_t n = 0;

        n += (size_t)snprintf(text, sizeof text, "%s", uri ? "postgresql://" : "");
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        for (unsigned parts = 1 + (unsigned)(random >> 60); parts && n < 200; parts--) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            const char *part = uri ? uris[(random >> 33) % (sizeof uris / sizeof *uris)]
                                   : pairs[(random >> 33) % (sizeof pairs / sizeof *pairs)];
            n += (size_t)snprintf(text + n, sizeof text - n, "%s", part);
        }
        compare(text);
    }
    ck_assert_uint_ge(compared, 8000);
    ck_assert_uint_ge(both_good, 800);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conninfo");
    TCase *t = tcase_create("conninfo");
    tcase_add_test(t, pairs_are_read_with_libpqs_quoting);
    tcase_add_test(t, what_is_doubtful_is_refused_and_named);
    tcase_add_test(t, no_message_quotes_the_text);
    tcase_add_test(t, the_query_string_wins_and_the_scheme_gives_the_port);
    tcase_add_test(t, the_copy_is_wiped_when_it_is_given_back);
    tcase_add_test(t, libpq_reads_written_strings_alike);
    tcase_add_test(t, libpq_reads_random_strings_alike);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
