/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Row A05.
 * The password file: which line fits, what its password is, which files are refused. That libpq finds the
 * same password in the same file is tested against libpq itself.
 */
#include "pool/passfile.h"
#include "wire/mem.h"
#include "wire/secret.h"

#include <check.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct redwi_passfile_key key = {"h", "d", "u", 5439};
static const char *fault;

/* The text stands at the end of an allocation of its own, for ASan. What is found is the caller's. */
static char *search(const char *text, size_t len, size_t max, int expected)
{
    char *copy = malloc(len ? len : 1), *found;

    memcpy(copy, text, len);
    int rc = redwi_passfile_search(&found, (redw_slice){copy, len}, &key, max, &redwi_malloc, &fault);
    ck_assert_int_eq(rc, expected);
    free(copy);
    return found;
}

static const struct {
    const char *text, *password; /* NULL: none fits */
} lines[] = {
    {"", NULL},
    {"\n\n", NULL},
    {"h:5439:d:u:p", "p"},
    {"h:5439:d:u:p\n", "p"},
    {"h:5439:d:u:p\r\n", "p"},
    {"h:5439:d:u:p\r\r\n", "p"},
    {"\nh:5439:d:u:p", "p"},
    {"#h:5439:d:u:q\nh:5439:d:u:p", "p"},
    {" h:5439:d:u:p", NULL},
    {"h:5439:d:u: p ", " p "},
    {"h:5439:d:u:p:rest", "p"},
    {"h:5439:d:u:", ""},
    {"h:5439:d:u", NULL},
    {"h:5439:d:v:p", NULL},
    {"h:5439:e:u:p", NULL},
    {"h:5432:d:u:p", NULL},
    {"g:5439:d:u:p", NULL},
    {"hh:5439:d:u:p", NULL},
    {":5439:d:u:p", NULL},
    {"H:5439:d:u:p", NULL},
    {"*:*:*:*:p", "p"},
    {"*:5439:*:u:p", "p"},
    {"**:5439:d:u:p", NULL},
    {"*h:5439:d:u:p", NULL},
    {"\\*:5439:d:u:p", NULL},
    {"\\h:\\5439:d:u:p", "p"},
    {"h:5439:d:u:a\\:b", "a:b"},
    {"h:5439:d:u:a\\\\b", "a\\b"},
    {"h:5439:d:u:a\\b", "ab"},
    {"h:5439:d:u:a\\", "a\\"},
    {"h:5439:d:u\\", NULL},
    {"h:5439:d:\\", NULL},
    {"g:*:*:*:q\nh:*:*:*:p\nh:5439:d:u:r", "p"},
    {"h", NULL},
    {"*", NULL},
    {"*:", NULL},
    {"h:5439:d:u:\xc3\xa4\xff", "\xc3\xa4\xff"},
};

START_TEST(the_first_line_that_fits_counts)
{
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char *p = search(lines[i].text, strlen(lines[i].text), 100, 0);
        ck_assert_msg(lines[i].password ? p && strcmp(p, lines[i].password) == 0 : !p, "<%s>: <%s>",
                      lines[i].text, p ? p : "none");
        redwi_secret_free(&redwi_malloc, p);
    }
}
END_TEST

START_TEST(passwords_are_bounded_and_have_no_nul)
{
    redwi_secret_free(&redwi_malloc, search("h:5439:d:u:12345", 16, 5, 0));
    ck_assert_ptr_null(search("h:5439:d:u:123456", 17, 5, REDW_EINVAL));
    ck_assert_ptr_nonnull(fault);
    ck_assert_ptr_null(search("h:5439:d:u:1\0002", 14, 5, REDW_EINVAL));
    ck_assert_ptr_null(search("h\0:5439:d:u:1", 13, 5, 0));
    ck_assert_ptr_null(search("\0", 1, 5, 0));
}
END_TEST

static char path[64];

static void write_file(const char *text, mode_t mode)
{
    snprintf(path, sizeof path, "/tmp/redw-passfile.XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

static int find(char **found)
{
    fault = NULL;
    return redwi_passfile_find(found, path, &key, 100, &redwi_malloc, &fault);
}

START_TEST(files_that_are_no_place_for_passwords_are_refused)
{
    static const mode_t modes[] = {0640, 0604, 0620, 0610, 0601, 0644, 0777};
    char *found;

    write_file("h:5439:d:u:p\n", 0600);
    ck_assert_int_eq(find(&found), 0);
    ck_assert_str_eq(found, "p");
    redwi_secret_free(&redwi_malloc, found);
    ck_assert_int_eq(chmod(path, 0400), 0);
    ck_assert_int_eq(find(&found), 0);
    redwi_secret_free(&redwi_malloc, found);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        ck_assert_int_eq(chmod(path, modes[i]), 0);
        ck_assert_int_eq(find(&found), REDW_EINVAL);
        ck_assert_ptr_null(found);
        ck_assert_msg(strstr(fault, "0600"), "%s", fault);
    }
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert_int_eq(truncate(path, (off_t)REDWI_PASSFILE_BYTES_MAX + 1), 0);
    ck_assert_int_eq(find(&found), REDW_EINVAL);
    unlink(path);

    ck_assert_int_eq(find(&found), REDW_EINVAL); /* not there: it was asked for by name */
    ck_assert_str_eq(fault, "there is no such file");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(find(&found), REDW_EINVAL); /* and does not wait for a writer */
    ck_assert_str_eq(fault, "is not a regular file");
    unlink(path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(find(&found), REDW_EINVAL);
    rmdir(path);
}
END_TEST

START_TEST(libpq_finds_the_same_password)
{
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const char *const keys[] = {"host", "hostaddr", "port", "dbname", "user", "passfile", NULL};
        write_file(lines[i].text, 0600);
        const char *const with[] = {"h", "127.0.0.1", "5439", "d", "u", path, NULL};
        /* Starts to connect and no more: the password is looked up first. */
        PGconn *c = PQconnectStartParams(keys, with, 0);
        const char *theirs = PQpass(c);
        ck_assert_msg(strcmp(theirs ? theirs : "", lines[i].password ? lines[i].password : "") == 0,
                      "<%s>: libpq's is <%s>", lines[i].text, theirs);
        PQfinish(c);
        unlink(path);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("passfile");
    TCase *t = tcase_create("passfile");
    tcase_add_test(t, the_first_line_that_fits_counts);
    tcase_add_test(t, passwords_are_bounded_and_have_no_nul);
    tcase_add_test(t, files_that_are_no_place_for_passwords_are_refused);
    tcase_add_test(t, libpq_finds_the_same_password);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
