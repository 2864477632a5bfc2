/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of a login: which server, which methods, which binding, which token.
 */
#include "pool/login_options.h"
#include "wire/mem.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct redwi_settings s;
static struct redw_diag why;

static int read_options(const struct redw_options *o)
{
    memset(&why, 0, sizeof why);
    return redwi_settings_read(&s, &redwi_malloc, o, &why);
}

static void done(void)
{
    redwi_settings_free(&s, &redwi_malloc);
}

static void must_refuse(const struct redw_options *o, const char *says)
{
    ck_assert_int_eq(read_options(o), REDW_EINVAL);
    ck_assert_msg(strstr(why.text, says) != NULL, "%s", why.text);
    ck_assert(!s.host && !s.token && !s.password && !s.idp.idp_type);
}

START_TEST(which_server_it_is)
{
    static const struct {
        const char *uri, *server;
        bool redshift;
    } table[] = {
        {"postgresql://u@h/d", NULL, false},
        {"postgresql://u@h/d", "auto", false},
        {"postgresql://u@h/d", "redshift", true},
        {"redshift://u@h/d", NULL, true},
        {"redshift://u@h:5432/d", NULL, true},
        {"redshift://u@h/d", "postgres", false},
        {"redshift://u@h/d?server=postgres", NULL, false},
        {"redshift://u@h/d?server=postgres", "redshift", true}, /* the struct wins */
        {"postgresql://u@h/d?server=redshift", NULL, true},
        {"postgresql://u@h:5439/d", NULL, true},
        {"postgresql://u@h:5439/d?server=postgres", NULL, false},
        {"postgresql://u@c.abc.eu-west-1.redshift.amazonaws.com:5432/d", NULL, true},
        {"postgresql://u@C.ABC.EU-WEST-1.REDSHIFT.AMAZONAWS.COM./d", NULL, true},
        {"postgresql://u@w.1234.us-east-1.redshift-serverless.amazonaws.com/d", NULL, true},
        {"postgresql://u@c.abc.cn-north-1.redshift.amazonaws.com.cn/d", NULL, true},
        {"postgresql://u@c.redshift.amazonaws.com.evil.example/d", NULL, false},
        {"postgresql://u@redshift.amazonaws.com/d", NULL, false}, /* no cluster's name */
        {"postgresql://u@xredshift.amazonaws.com/d", NULL, false},
        {"postgresql://u@db.rds.amazonaws.com/d", NULL, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        ck_assert_msg(read_options(REDW_OPTIONS(.uri = table[i].uri, .server = table[i].server)) == 0, "%s: %s",
                      table[i].uri, why.text);
        ck_assert_msg(s.redshift == table[i].redshift, "%s", table[i].uri);
        ck_assert_uint_gt(strlen(s.os_version), 4);
        done();
    }
    must_refuse(REDW_OPTIONS(.uri = "postgresql://u@h?server=mysql"), "server must be");
    must_refuse(REDW_OPTIONS(.uri = "postgresql://u@h", .server = ""), "server must be");
    must_refuse(REDW_OPTIONS(.uri = "postgresql://u@h", .server = "Redshift"), "server must be");
}
END_TEST

/* B10 */
START_TEST(which_methods_are_allowed)
{
    static const struct {
        const char *text;
        unsigned methods, denied;
    } table[] = {
        {NULL, 0, 0},
        {"none", REDWI_LOGIN_NONE, 0},
        {"password", REDWI_LOGIN_PASSWORD, 0},
        {"md5,digest,token", REDWI_LOGIN_MD5 | REDWI_LOGIN_DIGEST | REDWI_LOGIN_TOKEN, 0},
        {"scram-sha-256", REDWI_LOGIN_SCRAM | REDWI_LOGIN_SCRAM_PLUS, 0},
        {"scram-sha-256-plus", REDWI_LOGIN_SCRAM_PLUS, 0},
        {"md5,md5", REDWI_LOGIN_MD5, 0},
        {"!none", 0, REDWI_LOGIN_NONE},
        {"!md5,!scram-sha-256", 0, REDWI_LOGIN_MD5 | REDWI_LOGIN_SCRAM | REDWI_LOGIN_SCRAM_PLUS},
    };
    static const char *const wrong[] = {"",      ",",     "md5,",       ",md5",     "md5;none", "MD5",  "md5 ",
                                        "md",    "md55",  "md5,,none",  "!",        "!md5,none", "none,!md5",
                                        "!!md5", "gss",   "scram-sha-512"};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "redshift://u@h", .require_auth = table[i].text)), 0);
        ck_assert_uint_eq(s.methods, table[i].methods);
        ck_assert_uint_eq(s.methods_denied, table[i].denied);
        done();
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        must_refuse(REDW_OPTIONS(.uri = "redshift://u@h", .require_auth = wrong[i]), "require_auth");
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "redshift://u@h?require_auth=md5%2Cnone")), 0);
    ck_assert_uint_eq(s.methods, REDWI_LOGIN_MD5 | REDWI_LOGIN_NONE);
    done();
}
END_TEST

START_TEST(which_binding_is_wanted)
{
    static const struct {
        const char *text;
        enum redwi_binding binding;
    } table[] = {{NULL, REDWI_BINDING_PREFER},
                 {"prefer", REDWI_BINDING_PREFER},
                 {"disable", REDWI_BINDING_DISABLE},
                 {"require", REDWI_BINDING_REQUIRE}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "redshift://u@h", .channel_binding = table[i].text)), 0);
        ck_assert_int_eq(s.binding, table[i].binding);
        done();
    }
    must_refuse(REDW_OPTIONS(.uri = "redshift://u@h?channel_binding=always"), "channel_binding");
    must_refuse(REDW_OPTIONS(.uri = "redshift://u@h?channel_binding=require&sslmode=disable"), "needs TLS");
    must_refuse(REDW_OPTIONS(.uri = "postgresql://u@/d?host=/run&channel_binding=require"), "needs TLS");
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "postgresql://u@h?channel_binding=require&sslmode=require")), 0);
    done();
}
END_TEST

/* B04 */
START_TEST(a_token_and_what_is_said_about_it)
{
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "postgresql://h/dev", .token = "abc.def", .idp_type = "AwsIdc",
                                               .token_type = "EXT_JWT", .identity_namespace = "ns",
                                               .provider_name = "p", .idc_client_display_name = "n")),
                     0);
    ck_assert_ptr_null(s.user); /* the token says who */
    ck_assert_str_eq(s.database, "dev");
    ck_assert_str_eq(s.token, "abc.def");
    ck_assert_str_eq(s.idp.idp_type, "AwsIdc");
    ck_assert_str_eq(s.idp.token_type, "EXT_JWT");
    ck_assert_str_eq(s.idp.identity_namespace, "ns");
    ck_assert_str_eq(s.idp.provider_name, "p");
    ck_assert_str_eq(s.idp.display_name, "n");
    ck_assert(s.redshift);
    done();
    ck_assert_int_eq(read_options(REDW_OPTIONS(.uri = "postgresql://ann@h", .token = "t")), 0);
    ck_assert_str_eq(s.user, "ann");
    done();

    char long_word[300], *long_token = calloc(1, 32769);
    memset(long_word, 'w', sizeof long_word - 1);
    long_word[sizeof long_word - 1] = '\0';
    memset(long_token, 't', 32768);
    must_refuse(REDW_OPTIONS(.uri = "redshift://h", .token = "t"), "no database");
    must_refuse(REDW_OPTIONS(.uri = "redshift://u@h", .token = ""), "token is empty");
    must_refuse(REDW_OPTIONS(.uri = "redshift://u@h", .token = long_token), "token is longer");
    must_refuse(REDW_OPTIONS(.uri = "redshift://u@h", .token = "t", .idp_type = long_word), "idp_type is longer");
    must_refuse(REDW_OPTIONS(.uri = "redshift://u@h", .provider_name = "p"), "provider_name");
    must_refuse(REDW_OPTIONS(.uri = "redshift://u@h", .token = "t", .server = "postgres"), "server is postgres");
    must_refuse(REDW_OPTIONS(.uri = "redshift://u@h?sslmode=disable", .token = "t"), "without TLS");
    must_refuse(REDW_OPTIONS(.uri = "redshift://u@h?token=t"), "unknown name");
    free(long_token);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("login_options");
    TCase *c = tcase_create("login_options");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, which_server_it_is);
    tcase_add_test(c, which_methods_are_allowed);
    tcase_add_test(c, which_binding_is_wanted);
    tcase_add_test(c, a_token_and_what_is_said_about_it);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
