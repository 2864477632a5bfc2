/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows A05, A06.
 * Options to settings: every default, every rule of the URI, the environment, the password file, and that no
 * message ever quotes a value.
 */
#include "pool/options.h"
#include "wire/mem.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct redwi_settings s;
static struct redw_diag why;

static int read_options(const struct redw_options *o)
{
    memset(&why, 0, sizeof why);
    return redwi_settings_read(&s, &redwi_malloc, o, &why);
}

static int read_uri(const char *uri)
{
    return read_options(REDW_OPTIONS(.uri = uri));
}

static void done(void)
{
    redwi_settings_free(&s, &redwi_malloc);
}

/* What a URI must be read as; NULL: do not look. */
struct good {
    const char *uri, *host;
    uint16_t port;
    const char *user, *password, *database;
    enum redwi_tls_mode mode;
};

/* A03, A12, A14 */
START_TEST(uris_are_read)
{
    static const struct good table[] = {
        {"postgresql://ann@db.example", "db.example", 5432, "ann", NULL, "ann", REDWI_TLS_VERIFY_FULL},
        {"postgres://ann@db.example", "db.example", 5432, "ann", NULL, "ann", REDWI_TLS_VERIFY_FULL},
        {"redshift://ann@db.example", "db.example", 5439, "ann", NULL, "ann", REDWI_TLS_VERIFY_FULL},
        {"redshift://ann@db.example/", "db.example", 5439, "ann", NULL, "ann", REDWI_TLS_VERIFY_FULL},
        {"redshift://ann@db.example/?", "db.example", 5439, "ann", NULL, "ann", REDWI_TLS_VERIFY_FULL},
        {"redshift://ann@db.example:5555/dev", "db.example", 5555, "ann", NULL, "dev", 0},
        {"redshift://ann:pw@h/dev", "h", 5439, "ann", "pw", "dev", 0},
        {"redshift://ann:@h/dev", "h", 5439, "ann", "", "dev", 0},
        {"redshift://a%6en:p%40%3a%2F%25@h/de%20v", "h", 5439, "ann", "p@:/%", "de v", 0},
        {"redshift://ann:a:b@h/dev", "h", 5439, "ann", "a:b", "dev", 0},
        {"redshift://ann:a+b@h/d+v", "h", 5439, "ann", "a+b", "d+v", 0}, /* '+' is a plus sign */
        {"postgresql://u@10.0.0.1:1/d", "10.0.0.1", 1, "u", NULL, "d", 0},
        {"postgresql://u@[::1]/d", "::1", 5432, "u", NULL, "d", 0},
        {"postgresql://u@[2001:db8::7]:65535/d", "2001:db8::7", 65535, "u", NULL, "d", 0},
        {"postgresql://u@h?host=::1", "::1", 5432, "u", NULL, "u", 0},
        {"postgresql://u@h?dbname=x&port=7&user=v&password=w&host=k", "k", 7, "v", "w", "x", 0},
        {"postgresql://u:p@h:1/d?dbname=x&port=7&user=v&password=w&host=k", "k", 7, "v", "w", "x", 0},
        {"postgresql://?user=u&host=h", "h", 5432, "u", NULL, "u", 0},
        {"postgresql:///d?user=u&host=/run/pg", "/run/pg", 5432, "u", NULL, "d", REDWI_TLS_DISABLE},
        {"postgresql://u@%2Frun%2Fpg:5433/d", "/run/pg", 5433, "u", NULL, "d", REDWI_TLS_DISABLE},
        {"postgresql://u@%2Fr?sslmode=disable", "/r", 5432, "u", NULL, "u", REDWI_TLS_DISABLE},
        {"postgresql://u@h?sslmode=disable", "h", 5432, "u", NULL, "u", REDWI_TLS_DISABLE},
        {"postgresql://u@h?sslmode=require", "h", 5432, "u", NULL, "u", REDWI_TLS_REQUIRE},
        {"postgresql://u@h?sslmode=verify-ca", "h", 5432, "u", NULL, "u", REDWI_TLS_VERIFY_CA},
        {"postgresql://u@h?sslmode=verify-full", "h", 5432, "u", NULL, "u", REDWI_TLS_VERIFY_FULL},
        {"postgresql://u@h?ssl%6dode=verify%2Dca", "h", 5432, "u", NULL, "u", REDWI_TLS_VERIFY_CA},
        {"postgresql://IAM%3Aann@h/d/e", "h", 5432, "IAM:ann", NULL, "d/e", 0},
        {"host=h user=u", "h", 5432, "u", NULL, "u", REDWI_TLS_VERIFY_FULL},
        {"host=::1 user=u port=5439 dbname='a b'", "::1", 5439, "u", NULL, "a b", 0},
        {"host=/run/pg user=u", "/run/pg", 5432, "u", NULL, "u", REDWI_TLS_DISABLE},
        {"host=h user=u password='it\\'s' sslmode=verify-ca", "h", 5432, "u", "it's", "u",
         REDWI_TLS_VERIFY_CA},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct good *g = &table[i];
        ck_assert_msg(read_uri(g->uri) == 0, "%s: %s", g->uri, why.text);
        ck_assert_msg(strcmp(s.host, g->host) == 0, "%s: host %s", g->uri, s.host);
        ck_assert_msg(s.port == g->port, "%s: port %u", g->uri, s.port);
        ck_assert_msg(strcmp(s.user, g->user) == 0, "%s: user %s", g->uri, s.user);
        ck_assert_msg(strcmp(s.database, g->database) == 0, "%s: database %s", g->uri, s.database);
        ck_assert_msg(g->password ? s.password && strcmp(s.password, g->password) == 0 : !s.password,
                      "%s: password", g->uri);
        ck_assert_msg(!g->mode || s.tls_mode == g->mode, "%s: mode %d", g->uri, (int)s.tls_mode);
        done();
    }
}
END_TEST

START_TEST(wrong_uris_are_refused_and_the_setting_is_named)
{
    static const struct {
        const char *uri, *names;
    } table[] = {
        {"", "uri"},
        {"mysql://u@h/d", "uri"},
        {"host=h", "user"},
        {"user=u", "host"},
        {"host=h user=u port=x", "port"},
        {"host=h user=u sslmode=Require", "sslmode"},
        {"host=h user=u hostaddr=::1", "hostaddr"},
        {"host=h user=u nonsense=1", "number 3"},
        {"host=h user=u host=k", "host is given twice"},
        {"host=h user=u password='x", "password: the closing quote"},
        {"host=h user=u passfile=/nowhere/at/all", "passfile"},
        {"REDSHIFT://u@h", "uri"},
        {"postgresql:/u@h", "uri"},
        {"postgresql://u@/d", "host"},
        {"postgresql://u@:5432/d", "host"},
        {"postgresql://u@h?host=", "host"},
        {"postgresql://h/d", "user"},
        {"postgresql://@h/d", "user"},
        {"postgresql://:pw@h/d", "user"},
        {"postgresql://u@a,b/d", "host"},
        {"postgresql://u@a b/d", "host"},
        {"postgresql://u:p@q@h/d", "host"}, /* an '@' in a password must be encoded */
        {"postgresql://u@[::1/d", "host"},
        {"postgresql://u@[::1]x/d", "host"},
        {"postgresql://u@[]/d", "host"},
        {"postgresql://u@[h]/d", "host"},
        {"postgresql://u@[::g]/d", "host"},
        {"postgresql://u@[::1%25eth0]/d", "host"},
        {"postgresql://u@h:/d", "port"},
        {"postgresql://u@h:0/d", "port"},
        {"postgresql://u@h:65536/d", "port"},
        {"postgresql://u@h:4294967297/d", "port"},
        {"postgresql://u@h:54x/d", "port"},
        {"postgresql://u@h:-1/d", "port"},
        {"postgresql://u@h:+1/d", "port"},
        {"postgresql://u@h:%35 /d", "port"},
        {"postgresql://u@h?port=", "port"},
        {"postgresql://u@::1/d", "host"},
        {"postgresql://u%@h/d", "user"},
        {"postgresql://u%4@h/d", "user"},
        {"postgresql://u%4g@h/d", "user"},
        {"postgresql://u%00@h/d", "user"},
        {"postgresql://u:%00@h/d", "password"},
        {"postgresql://u:%zz@h/d", "password"},
        {"postgresql://u@h%00/d", "host"},
        {"postgresql://u@h/%00", "dbname"},
        {"postgresql://u@h?sslmode", "number 1"},
        {"postgresql://u@h?sslmode=disable&", "number 2"},
        {"postgresql://u@h?=x", "number 1"},
        {"postgresql://u@h?colour=red", "number 1"},
        {"postgresql://u@h?port=1&colour=red", "number 2"},
        {"postgresql://u@h?SSLMODE=disable", "number 1"},
        {"postgresql://u@h?port=1&port=2", "port is given twice"},
        {"postgresql://u@h?a_very_long_name_of_a_setting_that_is_unknown=1", "number 1"},
        {"postgresql://u@h?sslmode=prefer", "sslmode"},
        {"postgresql://u@h?sslmode=allow", "sslmode"},
        {"postgresql://u@h?sslmode=", "sslmode"},
        {"postgresql://u@h?sslmode=Require", "sslmode"},
        {"postgresql://u@h?sslmode=require%00", "sslmode"},
        {"postgresql://u@%2Frun?sslmode=require", "sslmode"},
        {"postgresql://u@%2Frun?sslmode=verify-full", "sslmode"},
        {"postgresql://u@h?sslmode=require&sslrootcert=/x", "sslrootcert"},
        {"postgresql://u@h?sslmode=disable&sslrootcert=/x", "sslrootcert"},
        {"postgresql://u@h?sslrootcert=", "sslrootcert"},
        {"postgresql://u@h?connect_timeout=0", "connect_timeout"},
        {"postgresql://u@h?connect_timeout=3601", "connect_timeout"},
        {"postgresql://u@h?connect_timeout=1s", "connect_timeout"},
        {"postgresql://u@h?connect_timeout=1.5", "connect_timeout"},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        ck_assert_msg(read_uri(table[i].uri) == REDW_EINVAL, "%s was accepted", table[i].uri);
        ck_assert_int_eq(why.code, REDW_EINVAL);
        ck_assert_msg(strstr(why.text, table[i].names), "%s: %s", table[i].uri, why.text);
        ck_assert_msg(!s.host && !s.user && !s.password, "%s: something is left", table[i].uri);
    }
}
END_TEST

START_TEST(no_message_quotes_what_was_given)
{
    /* The canary stands where a password would land if a reserved character in it was not encoded. */
    static const char *const table[] = {
        "postgresql://u:canary@h:x/d",
        "postgresql://u:ca/canary@h/d?x=canary",
        "postgresql://u:x?canary@h/d",
        "postgresql://u:x?canary=1",
        "postgresql://u:x@canary@h/d",
        "postgresql://u:x#canary@h b/d",
        "postgresql://u:canary%zz@h/d",
        "postgresql://u@h?password=canary%zz",
        "postgresql://u@h?sslmode=canary",
        "postgresql://u@h?port=canary",
        "postgresql://u@h?canary=1",
        "canary://u:canary@h/d",
        "postgresql://u@h?connect_timeout=canary",
        "postgresql://u@canary canary/d",
        "postgresql://u@[canary:]/d",
        "postgresql://u@h?host=canary:1",
        "host=h user=u password=a canary",
        "host=h user=u password=a canary=1",
        "host=h user=u password='canary",
        "host=h user=u port=canary",
        "host=h user=u passfile=/canary",
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        ck_assert_msg(read_uri(table[i]) == REDW_EINVAL, "%s was accepted", table[i]);
        ck_assert_msg(!strstr(why.text, "canary"), "%s", why.text);
        ck_assert_uint_gt(strlen(why.text), 0);
    }
}
END_TEST

/* A08, D12 */
START_TEST(every_default_is_filled_in)
{
    ck_assert_int_eq(read_uri("redshift://ann@h"), 0);
    ck_assert_str_eq(s.application_name, "redw");
    ck_assert_ptr_null(s.password);
    ck_assert_ptr_null(s.ca_file);
    ck_assert_uint_eq(s.pool_max, 10);
    ck_assert_uint_eq(s.queue_max, 65536);
    ck_assert_uint_eq(s.connect_timeout_ms, 30000);
    ck_assert_uint_eq(s.request_timeout_ms, 300000);
    ck_assert_uint_eq(s.cancel_timeout_ms, 5000);
    done();
}
END_TEST

START_TEST(fields_of_the_struct_win_over_the_uri)
{
    ck_assert_int_eq(
        read_options(REDW_OPTIONS(
                .uri = "redshift://ann:uri@h?application_name=uri&sslrootcert=/uri&connect_timeout=7",
                .password = "field", .application_name = "field", .ca_file = "/field",
                .connect_timeout_ms = 8)),
        0);
    ck_assert_str_eq(s.password, "field");
    ck_assert_str_eq(s.application_name, "field");
    ck_assert_str_eq(s.ca_file, "/field");
    ck_assert_uint_eq(s.connect_timeout_ms, 8);
    done();

    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "redshift://ann:uri@h?application_name=uri&"
                                                      "sslrootcert=/uri&connect_timeout=7")),
                     0);
    ck_assert_str_eq(s.password, "uri");
    ck_assert_str_eq(s.application_name, "uri");
    ck_assert_str_eq(s.ca_file, "/uri");
    ck_assert_uint_eq(s.connect_timeout_ms, 7000);
    done();

    ck_assert_int_eq(
        read_options(REDW_OPTIONS(.uri = "redshift://ann@h?sslmode=require", .ca_file = "/x")),
        REDW_EINVAL);
    ck_assert_ptr_nonnull(strstr(why.text, "ca_file"));
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "redshift://ann@h", .ca_file = "")), REDW_EINVAL);
}
END_TEST

START_TEST(roots_are_the_systems_or_a_files_or_expressly_both)
{
    static const struct {
        const char *setting, *file;
        bool system;
    } table[] = {
        {NULL, NULL, true},
        {"/a/b", "/a/b", false},
        {"system", NULL, true},
        {"system,/a/b", "/a/b", true},
        {"system,a,b", "a,b", true},
        {"systems", "systems", false},
        {"./system", "./system", false},
        {"/a,system", "/a,system", false},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char uri[200];

        snprintf(uri, sizeof uri, "redshift://ann@h%s%s", table[i].setting ? "?sslrootcert=" : "",
                 table[i].setting ? table[i].setting : "");
        for (int field = 0; field <= 1; field++) {
            ck_assert_int_eq(field ? read_options(REDW_OPTIONS(.uri = "redshift://ann@h",
                                                               .ca_file = table[i].setting))
                                   : read_uri(uri),
                             0);
            ck_assert_msg(s.system_roots == table[i].system, "%s", uri);
            ck_assert_int_eq(s.ca_file != NULL, table[i].file != NULL);
            if (s.ca_file)
                ck_assert_str_eq(s.ca_file, table[i].file);
            done();
        }
    }
    ck_assert_int_eq(read_uri("redshift://ann@h?sslrootcert=system,"), REDW_EINVAL);
    ck_assert_str_eq(why.text, "uri: sslrootcert is empty");
}
END_TEST

START_TEST(settings_of_tls_come_together_or_are_refused)
{
    static const struct {
        const char *uri, *names;
    } table[] = {
        {"postgresql://u@h?sslcert=/c", "sslkey is missing"},
        {"postgresql://u@h?sslkey=/k", "sslcert is missing"},
        {"postgresql://u@h?sslcert=&sslkey=/k", "sslcert is missing"},
        {"postgresql://u@h?sslcert=/c&sslkey=", "sslkey is missing"},
        {"postgresql://u@h?sslcert=/c&sslkey=/k&sslmode=disable", "sslcert: there is no TLS"},
        {"postgresql://u@h?host=/tmp&sslcert=/c&sslkey=/k", "sslcert: there is no TLS"},
        {"postgresql://u@h?sslname=db.example&sslmode=verify-ca", "sslname: needs sslmode verify-full"},
        {"postgresql://u@h?sslname=db.example&sslmode=require", "sslname: needs sslmode verify-full"},
        {"postgresql://u@h?sslname=", "sslname is not a host name"},
        {"postgresql://u@h?sslname=.example", "sslname is not a host name"},
        {"postgresql://u@h?sslname=/tmp", "sslname has a character"},
        {"postgresql://u@h?sslname=*.example", "sslname has a character"},
        {"postgresql://u@h?sslname=1:2", "sslname is not an IPv6 address"},
        {"postgresql://u@h?sslnegotiation=Direct", "sslnegotiation must be postgres or direct"},
        {"postgresql://u@h?sslnegotiation=", "sslnegotiation must be postgres or direct"},
        {"postgresql://u@h?sslnegotiation=direct&sslmode=disable", "sslnegotiation: there is no TLS"},
        {"postgresql://u@h?host=/tmp&sslnegotiation=direct", "sslnegotiation: there is no TLS"},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        ck_assert_msg(read_uri(table[i].uri) == REDW_EINVAL, "%s was accepted", table[i].uri);
        ck_assert_msg(strstr(why.text, table[i].names), "%s: %s", table[i].uri, why.text);
    }
    ck_assert_int_eq(read_uri("postgresql://u@h?sslcert=%2Fc&sslkey=/k&sslname=db.example&sslnegotiation=direct"),
                     0);
    ck_assert_str_eq(s.cert_file, "/c");
    ck_assert_str_eq(s.key_file, "/k");
    ck_assert_str_eq(s.tls_name, "db.example");
    ck_assert(s.tls_direct);
    done();
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "postgresql://u@h?sslcert=/c&sslkey=/k&sslname=uri",
                                               .cert_file = "/fc", .key_file = "/fk", .tls_name = "fd00::1")),
                     0);
    ck_assert_str_eq(s.cert_file, "/fc");
    ck_assert_str_eq(s.key_file, "/fk");
    ck_assert_str_eq(s.tls_name, "fd00::1");
    ck_assert(!s.tls_direct);
    done();
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "postgresql://u@h", .cert_file = "/c")), REDW_EINVAL);
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "postgresql://u@h?sslmode=require", .cert_file = "/c",
                                               .key_file = "/k")),
                     0);
    done();
}
END_TEST

/* Sets or, with value NULL, unsets a variable; each test runs in a process of its own. */
static void variable(const char *name, const char *value)
{
    ck_assert_int_eq(value ? setenv(name, value, 1) : unsetenv(name), 0);
}

/* A03 */
START_TEST(the_environment_is_read_when_asked_for_and_only_then)
{
    variable("REDSHIFT_HOST", "env.example");
    variable("REDSHIFT_USER", "env");
    variable("REDSHIFT_PASSWORD", "it's %41 & 'all' of it");
    variable("REDSHIFT_IAM_ROLE", "not a setting of ours");
    ck_assert_int_eq(read_options(REDW_OPTIONS(.from_environment = true)), 0);
    ck_assert_str_eq(s.host, "env.example");
    ck_assert_str_eq(s.user, "env");
    ck_assert_str_eq(s.password, "it's %41 & 'all' of it");
    ck_assert_str_eq(s.database, "env");
    ck_assert_uint_eq(s.port, 5439); /* nothing but REDSHIFT_*: to Redshift */
    ck_assert_int_eq(s.tls_mode, REDWI_TLS_VERIFY_FULL);
    done();

    ck_assert_int_eq(read_uri("postgresql://h"), REDW_EINVAL); /* no user */
    ck_assert_int_eq(read_uri("postgresql://u@h"), 0);
    ck_assert_ptr_null(s.password);
    done();

    variable("REDSHIFT_PORT", "1234");
    variable("REDSHIFT_DATABASE", "dev");
    variable("REDSHIFT_SSLMODE", "verify-ca");
    variable("REDSHIFT_SSLROOTCERT", "/roots");
    variable("REDSHIFT_APPLICATION_NAME", "tool");
    variable("REDSHIFT_CONNECT_TIMEOUT", "3");
    ck_assert_int_eq(read_options(REDW_OPTIONS(.from_environment = true)), 0);
    ck_assert_uint_eq(s.port, 1234);
    ck_assert_str_eq(s.database, "dev");
    ck_assert_int_eq(s.tls_mode, REDWI_TLS_VERIFY_CA);
    ck_assert_str_eq(s.ca_file, "/roots");
    ck_assert_str_eq(s.application_name, "tool");
    ck_assert_uint_eq(s.connect_timeout_ms, 3000);
    done();
}
END_TEST

START_TEST(query_group_and_cancel_tls_come_from_every_source)
{
    ck_assert_int_eq(read_uri("redshift://u@h"), 0);
    ck_assert_ptr_null(s.query_group);
    ck_assert(!s.cancel_plain);
    done();
    ck_assert_int_eq(read_uri("redshift://u@h?query_group=dash%20board&cancel_tls=plain"), 0);
    ck_assert_str_eq(s.query_group, "dash board");
    ck_assert(s.cancel_plain);
    done();
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "redshift://u@h?query_group=a&cancel_tls=plain", .query_group = "b",
                                               .cancel_tls = "session")),
                     0);
    ck_assert_str_eq(s.query_group, "b");
    ck_assert(!s.cancel_plain);
    done();
    ck_assert_int_eq(read_uri("redshift://u@h?cancel_tls=canary"), REDW_EINVAL);
    ck_assert_str_eq(why.text, "uri: cancel_tls must be session or plain");
    ck_assert_int_eq(read_uri("redshift://u@h?query_group=canary%0a"), REDW_EINVAL);
    ck_assert_str_eq(why.text, "uri: query_group has a control character");
    variable("REDSHIFT_QUERY_GROUP", "env");
    variable("REDSHIFT_CANCEL_TLS", "plain");
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "redshift://u@h", .from_environment = true)), 0);
    ck_assert_str_eq(s.query_group, "env");
    ck_assert(s.cancel_plain);
    done();
}
END_TEST

START_TEST(fields_win_over_the_uri_and_the_uri_over_the_environment)
{
    variable("REDSHIFT_HOST", "env");
    variable("REDSHIFT_USER", "env");
    variable("REDSHIFT_PASSWORD", "env");
    variable("REDSHIFT_APPLICATION_NAME", "env");
    variable("REDSHIFT_URI", "redshift://not-looked-at/x");
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "postgresql://uri/d", .password = "field",
                                               .from_environment = true)),
                     0);
    ck_assert_str_eq(s.host, "uri");
    ck_assert_uint_eq(s.port, 5432); /* the URI's scheme */
    ck_assert_str_eq(s.user, "env");
    ck_assert_str_eq(s.database, "d");
    ck_assert_str_eq(s.password, "field");
    ck_assert_str_eq(s.application_name, "env");
    done();

    variable("REDSHIFT_URI", "host=uri user=uri");
    ck_assert_int_eq(read_options(REDW_OPTIONS(.from_environment = true)), 0);
    ck_assert_str_eq(s.host, "uri");
    ck_assert_str_eq(s.user, "uri");
    ck_assert_str_eq(s.password, "env");
    done();
    ck_assert_int_eq(read_options(REDW_OPTIONS(0)), REDW_EINVAL); /* not without being asked */
}
END_TEST

START_TEST(a_wrong_variable_is_named_and_not_echoed)
{
    static const struct {
        const char *name, *value;
    } table[] = {
        {"REDSHIFT_HOST", "canary canary"},
        {"REDSHIFT_HOST", "canary:1"},
        {"REDSHIFT_PORT", "canary"},
        {"REDSHIFT_PORT", "65536"},
        {"REDSHIFT_SSLMODE", "canary"},
        {"REDSHIFT_CONNECT_TIMEOUT", "canary"},
        {"REDSHIFT_PASSFILE", "/nowhere/canary"},
        {"REDSHIFT_URI", "canary"},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        bool uri = strcmp(table[i].name, "REDSHIFT_URI") == 0;
        variable("REDSHIFT_HOST", "h");
        variable("REDSHIFT_USER", "u");
        variable(table[i].name, table[i].value);
        ck_assert_int_eq(read_options(REDW_OPTIONS(.from_environment = true)), REDW_EINVAL);
        ck_assert_msg(strncmp(why.text, uri ? "uri" : table[i].name, uri ? 3 : strlen(table[i].name)) == 0,
                      "%s", why.text);
        ck_assert_msg(!strstr(why.text, "canary"), "%s", why.text);
        variable(table[i].name, NULL);
    }
    variable("REDSHIFT_HOST", "h"); /* an empty variable is one that is not set */
    variable("REDSHIFT_USER", "u");
    variable("REDSHIFT_PORT", "");
    variable("REDSHIFT_URI", "");
    ck_assert_int_eq(read_options(REDW_OPTIONS(.from_environment = true)), 0);
    ck_assert_uint_eq(s.port, 5439);
    done();
}
END_TEST

static char passfile[64];

static void write_passfile(const char *text, mode_t mode)
{
    snprintf(passfile, sizeof passfile, "/tmp/redw-passfile.XXXXXX");
    int fd = mkstemp(passfile);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

START_TEST(a_password_comes_from_the_file_if_none_is_given)
{
    char uri[256];

    write_passfile("# comment\nother:*:*:*:wrong\nh:5439:d:ann:it\\:s\nh:*:*:*:later\n", 0600);
    snprintf(uri, sizeof uri, "redshift://ann@h/d?passfile=%s", passfile);
    ck_assert_int_eq(read_uri(uri), 0);
    ck_assert_str_eq(s.password, "it:s");
    done();
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "redshift://bob@h/d", .password_file = passfile)), 0);
    ck_assert_str_eq(s.password, "later");
    done();
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "redshift://bob@k/d", .password_file = passfile)), 0);
    ck_assert_ptr_null(s.password); /* no line: perhaps the server wants none */
    done();
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "redshift://ann:given@h/d", .password_file = passfile)),
                     0);
    ck_assert_str_eq(s.password, "given");
    done();
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "redshift://ann:@h/d", .password_file = passfile)), 0);
    ck_assert_str_eq(s.password, "it:s"); /* an empty one is none, as in libpq */
    done();
    ck_assert_int_eq(chmod(passfile, 0640), 0);
    ck_assert_int_eq(read_uri(uri), REDW_EINVAL);
    ck_assert_msg(strstr(why.text, "uri: passfile: ") && strstr(why.text, "0600"), "%s", why.text);
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "redshift://ann@h/d", .password_file = passfile)),
                     REDW_EINVAL);
    ck_assert_msg(strncmp(why.text, "password_file: ", 15) == 0, "%s", why.text);
    variable("REDSHIFT_PASSFILE", passfile);
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "redshift://ann@h/d", .from_environment = true)),
                     REDW_EINVAL);
    ck_assert_msg(strncmp(why.text, "REDSHIFT_PASSFILE: ", 19) == 0, "%s", why.text);
    unlink(passfile);
}
END_TEST

START_TEST(numbers_have_bounds_and_none_where_it_makes_sense)
{
    static const char uri[] = "redshift://ann@h";

    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = uri, .pool_max = 10000, .queue_max = 1,
                                               .connect_timeout_ms = 3600000, .cancel_timeout_ms = 1,
                                               .request_timeout_ms = REDW_NONE)),
                     0);
    ck_assert_uint_eq(s.request_timeout_ms, REDW_NONE);
    done();
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = uri, .pool_max = 10001)), REDW_EINVAL);
    ck_assert_ptr_nonnull(strstr(why.text, "pool_max"));
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = uri, .connect_timeout_ms = REDW_NONE)),
                     REDW_EINVAL);
    ck_assert_ptr_nonnull(strstr(why.text, "connect_timeout_ms"));
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = uri, .cancel_timeout_ms = 3600001)), REDW_EINVAL);
    ck_assert_ptr_nonnull(strstr(why.text, "cancel_timeout_ms"));
}
END_TEST

START_TEST(texts_are_bounded)
{
    char uri[110000], dir[200];

    memset(dir, 'd', sizeof dir);
    dir[0] = '/';
    for (size_t len = 90; len < 110; len++) { /* 107 bytes of sun_path, "/.s.PGSQL.5432" included */
        dir[len] = '\0';
        snprintf(uri, sizeof uri, "postgresql://u@/d?host=%s", dir);
        ck_assert_int_eq(read_uri(uri), len + 14 <= 107 ? 0 : REDW_EINVAL);
        done();
        dir[len] = 'd';
    }
    for (size_t len = 1020; len < 1030; len++) {
        snprintf(uri, sizeof uri, "postgresql://%0*d@h/d", (int)len, 7);
        ck_assert_int_eq(read_uri(uri), len <= 1023 ? 0 : REDW_EINVAL);
        done();
    }
    for (size_t len = 252; len < 256; len++) {
        snprintf(uri, sizeof uri, "postgresql://u@%0*d/d", (int)len, 7);
        ck_assert_int_eq(read_uri(uri), len <= 253 ? 0 : REDW_EINVAL);
        done();
    }
    snprintf(uri, sizeof uri, "postgresql://u:%0100000d@h/d", 7);
    ck_assert_int_eq(read_uri(uri), REDW_EINVAL);
    ck_assert_ptr_nonnull(strstr(why.text, "password"));
    snprintf(uri, sizeof uri, "%032768d", 7);
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "redshift://u@h", .password = uri)), REDW_EINVAL);
}
END_TEST

START_TEST(structs_of_other_versions_are_read_or_refused)
{
    struct {
        struct redw_options o;
        uint64_t newer[2];
    } big = {.o = {.size = sizeof big, .uri = "redshift://u@h", .pool_max = 3}};
    struct redw_options old = {.size = offsetof(struct redw_options, pool_max),
                               .uri = "redshift://u@h",
                               .password = "pw",
                               .pool_max = 99999}; /* beyond what this caller knows */

    ck_assert_int_eq(read_options(&big.o), 0);
    ck_assert_uint_eq(s.pool_max, 3);
    done();
    big.newer[1] = UINT64_C(1) << 56;
    ck_assert_int_eq(read_options(&big.o), REDW_EINVAL);
    ck_assert_ptr_nonnull(strstr(why.text, "size"));

    ck_assert_int_eq(read_options(&old), 0);
    ck_assert_str_eq(s.password, "pw");
    ck_assert_uint_eq(s.pool_max, 10);
    done();
    old.size = sizeof(size_t);
    ck_assert_int_eq(read_options(&old), REDW_EINVAL);
    old.size = 0;
    ck_assert_int_eq(read_options(&old), REDW_EINVAL);
    ck_assert_int_eq(read_options(NULL), REDW_EINVAL);
    ck_assert_int_eq(read_uri(NULL), REDW_EINVAL);
}
END_TEST

/* An allocator that fails the n-th time and knows what is out. */
struct counted {
    size_t left, out;
};

static void *counted_resize(void *ctx, void *p, size_t n)
{
    struct counted *a = ctx;
    if (a->left == 0)
        return NULL;
    a->left--;
    a->out += p == NULL;
    return realloc(p, n);
}

static void *counted_alloc(void *ctx, size_t n)
{
    return counted_resize(ctx, NULL, n);
}

static void counted_release(void *ctx, void *p)
{
    ((struct counted *)ctx)->out -= p != NULL;
    free(p);
}

START_TEST(every_failed_allocation_leaves_nothing_behind)
{
    static const char uri[] =
        "redshift://u@h/d?application_name=%41&"
        "sslrootcert=system,/x&sslcert=/c&sslkey=/k&sslname=n&connect_timeout=3";
    struct counted a;
    struct redw_allocator mem = {sizeof mem, &a, counted_alloc, counted_resize, counted_release};

    write_passfile("*:*:*:*:p", 0600);
    for (size_t n = 0;; n++) {
        a = (struct counted){.left = n};
        int rc = redwi_settings_read(&s, &mem, REDW_OPTIONS(.uri = uri, .password_file = passfile), &why);
        if (rc == 0)
            break;
        ck_assert_int_eq(rc, REDW_ENOMEM);
        ck_assert_int_eq(why.code, REDW_ENOMEM);
        ck_assert_uint_eq(a.out, 0);
        ck_assert_uint_lt(n, 100);
    }
    unlink(passfile);
    ck_assert_str_eq(s.password, "p");
    redwi_settings_free(&s, &mem);
    ck_assert_uint_eq(a.out, 0);
}
END_TEST

START_TEST(an_allocator_is_whole_or_refused)
{
    struct counted a = {.left = 1};
    struct redw_allocator mem = {sizeof mem, &a, counted_alloc, counted_resize, counted_release}, out;
    struct redw_options o = {.size = sizeof o, .uri = "x", .allocator = &mem};

    ck_assert_int_eq(redwi_settings_allocator(&out, &o, &why), 0);
    ck_assert_ptr_eq(out.ctx, &a);
    mem.resize = NULL;
    ck_assert_int_eq(redwi_settings_allocator(&out, &o, &why), REDW_EINVAL);
    mem.resize = counted_resize;
    mem.size = 8;
    ck_assert_int_eq(redwi_settings_allocator(&out, &o, &why), REDW_EINVAL);
    o.allocator = NULL;
    ck_assert_int_eq(redwi_settings_allocator(&out, &o, &why), 0);
    ck_assert_ptr_eq(out.alloc, redwi_malloc.alloc);
}
END_TEST

START_TEST(A09_A10_keepalive_and_user_timeout_are_settings)
{
    static const struct {
        const char *settings;
        struct redw_options o;
        struct redwi_tcp tcp;
        const char *wrong; /* NULL: it is accepted */
    } table[] = {
        {"", {.size = 0}, {60, 10, 3, 75000}, NULL},
        {"keepalives_idle=7&keepalives_interval=8&keepalives_count=9&tcp_user_timeout=10", {.size = 0}, {7, 8, 9, 10}, NULL},
        {"keepalives_idle=0&tcp_user_timeout=0", {.size = 0}, {0, 10, 3, 0}, NULL},
        {"keepalives_idle=7", {.keepalive_idle_s = 5}, {5, 10, 3, 75000}, NULL},
        {"", {.keepalive_idle_s = REDW_NONE, .tcp_user_timeout_ms = REDW_NONE}, {0, 10, 3, 0}, NULL},
        {"", {.keepalive_interval_s = 1, .keepalive_count = 1, .tcp_user_timeout_ms = 3600000}, {60, 1, 1, 3600000}, NULL},
        {"", {.keepalive_idle_s = 32768}, {0}, "keepalive_idle_s"},
        {"", {.keepalive_interval_s = 32768}, {0}, "keepalive_interval_s"},
        {"", {.keepalive_count = 128}, {0}, "keepalive_count"},
        {"", {.tcp_user_timeout_ms = 3600001}, {0}, "tcp_user_timeout_ms"},
        {"keepalives_idle=x", {.size = 0}, {0}, "keepalives_idle"},
        {"keepalives_interval=-1", {.size = 0}, {0}, "keepalives_interval"},
        {"keepalives_count=128", {.size = 0}, {0}, "keepalives_count"},
        {"tcp_user_timeout=3600001", {.size = 0}, {0}, "tcp_user_timeout"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct redw_options o = table[i].o;
        char uri[200];
        snprintf(uri, sizeof uri, "postgresql://u@h?%s", table[i].settings);
        o.size = sizeof o;
        o.uri = uri;
        int rc = read_options(&o);
        if (table[i].wrong) {
            ck_assert_int_eq(rc, REDW_EINVAL);
            ck_assert_msg(strstr(why.text, table[i].wrong) != NULL, "%s", why.text);
            continue;
        }
        ck_assert_msg(rc == 0, "%s", why.text);
        ck_assert_uint_eq(s.tcp.idle_s, table[i].tcp.idle_s);
        ck_assert_uint_eq(s.tcp.interval_s, table[i].tcp.interval_s);
        ck_assert_uint_eq(s.tcp.count, table[i].tcp.count);
        ck_assert_uint_eq(s.tcp.user_timeout_ms, table[i].tcp.user_timeout_ms);
        done();
    }
}
END_TEST

START_TEST(A08_A21_deadlines_and_retries_are_settings)
{
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "postgresql://u@h")), 0);
    ck_assert_uint_eq(s.acquire_timeout_ms, REDW_NONE);
    ck_assert_uint_eq(s.connect_retries, 5);
    done();
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "postgresql://u@h", .acquire_timeout_ms = 9,
                                               .connect_retries = REDW_NONE)),
                     0);
    ck_assert_uint_eq(s.acquire_timeout_ms, 9);
    ck_assert_uint_eq(s.connect_retries, 0);
    done();
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "postgresql://u@h", .connect_retries = 1001)), REDW_EINVAL);
    ck_assert_ptr_nonnull(strstr(why.text, "connect_retries"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *t = tcase_create("options");
    tcase_add_test(t, uris_are_read);
    tcase_add_test(t, wrong_uris_are_refused_and_the_setting_is_named);
    tcase_add_test(t, no_message_quotes_what_was_given);
    tcase_add_test(t, every_default_is_filled_in);
    tcase_add_test(t, roots_are_the_systems_or_a_files_or_expressly_both);
    tcase_add_test(t, settings_of_tls_come_together_or_are_refused);
    tcase_add_test(t, fields_of_the_struct_win_over_the_uri);
    tcase_add_test(t, the_environment_is_read_when_asked_for_and_only_then);
    tcase_add_test(t, query_group_and_cancel_tls_come_from_every_source);
    tcase_add_test(t, fields_win_over_the_uri_and_the_uri_over_the_environment);
    tcase_add_test(t, a_wrong_variable_is_named_and_not_echoed);
    tcase_add_test(t, a_password_comes_from_the_file_if_none_is_given);
    tcase_add_test(t, numbers_have_bounds_and_none_where_it_makes_sense);
    tcase_add_test(t, texts_are_bounded);
    tcase_add_test(t, structs_of_other_versions_are_read_or_refused);
    tcase_add_test(t, every_failed_allocation_leaves_nothing_behind);
    tcase_add_test(t, an_allocator_is_whole_or_refused);
    tcase_add_test(t, A09_A10_keepalive_and_user_timeout_are_settings);
    tcase_add_test(t, A08_A21_deadlines_and_retries_are_settings);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
