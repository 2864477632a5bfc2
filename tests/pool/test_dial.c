/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dialling on a libev loop: names, addresses in turn, deadlines, unix sockets, socket options; and what is
 * said when it fails.
 */
#include "pool/drive.h"
#include "support/conn_stand.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct stand stand;

static void setup(void)
{
    stand_open(&stand);
}

static void teardown(void)
{
    stand_close(&stand);
}

/* "connect: 127.0.0.1:<port> <rest>" */
static const char *connect_to(uint16_t port, const char *rest)
{
    static char text[128];
    snprintf(text, sizeof text, "connect: 127.0.0.1:%u %s", port, rest);
    return text;
}

START_TEST(a_refused_connection_says_who_refused_and_when)
{
    uint16_t port = stand_free_port();
    stand_target(&stand, "127.0.0.1", port);
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    stand_expect_why(&stand, REDW_ECONNECT, connect_to(port, "(after "), " ms): connection refused");
    ck_assert_int_eq(redw_error_errno(stand.why), ECONNREFUSED);
    ck_assert_int_eq(redw_error_origin(stand.why), REDW_ORIGIN_OS);
    ck_assert_int_eq(redw_error_class(stand.why), REDW_CLASS_CONNECTION_FAILED);
    ck_assert_int_eq(redw_error_outcome(stand.why), REDW_OUTCOME_NOT_SENT);
}
END_TEST

START_TEST(addresses_are_tried_in_turn_until_one_answers)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    stand_target(&stand, "db.test", s->port);
    stand_add_address(&stand, "127.0.0.1", stand_free_port());
    stand_add_address(&stand, "::1", stand_free_port());
    stand_add_address(&stand, "127.0.0.1", s->port);
    stand_login(&stand);
    ck_assert_int_eq(stand.lookups, 1);
    ck_assert_int_eq(stand.cancels, 1); /* the look-up is not kept */
    ck_assert_ptr_null(stand.conn->priv->dial);
}
END_TEST

START_TEST(when_all_addresses_fail_the_last_is_told)
{
    uint16_t port = stand_free_port();
    stand_target(&stand, "db.test", 1);
    stand_add_address(&stand, "127.0.0.1", stand_free_port());
    stand_add_address(&stand, "127.0.0.1", port);
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    stand_expect_why(&stand, REDW_ECONNECT, connect_to(port, "(address 2 of 2, after "),
                     "connection refused");
}
END_TEST

/* A connect that never ends: in progress, and no SYN leaves. */
static int silent_connect(void *ctx, int fd, const struct sockaddr *a, socklen_t len)
{
    struct sockaddr_in in;
    memcpy(&in, a, sizeof in);
    if (ntohs(in.sin_port) != 9)
        return stand.fault.sys.connect(ctx, fd, a, len);
    errno = EINPROGRESS;
    return -1;
}
static struct redwi_sys silent_sys;

/* The socket is told to poll like one whose SYN is unanswered: a listener without callers. */
static int silent_open(void *ctx, int family, int type)
{
    int fd = stand.fault.sys.open(ctx, family, type);
    if (fd >= 0 && stand.naddrs && stand.acted++ == 0)
        ck_assert_int_eq(listen(fd, 1), 0);
    return fd;
}

static void use_silence(void)
{
    silent_sys = stand.fault.sys;
    silent_sys.connect = silent_connect;
    silent_sys.open = silent_open;
    stand.env.sys = &silent_sys;
}

START_TEST(a_silent_address_leaves_time_for_the_others)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    int64_t start = stand_now_us(&stand);
    use_silence();
    stand_target(&stand, "db.test", 9);
    stand_add_address(&stand, "127.0.0.1", 9);
    stand_add_address(&stand, "127.0.0.1", s->port);
    ck_assert_int_eq(stand_connect(&stand, 40), 0);
    stand_run_until(&stand, &stand.nready, 1);
    ck_assert_int_ge(stand_now_us(&stand) - start, 20000);
    stand.acted = 0;
}
END_TEST

START_TEST(the_deadline_ends_dialling)
{
    int64_t start = stand_now_us(&stand);
    use_silence();
    stand_target(&stand, "db.test", 9);
    stand_add_address(&stand, "127.0.0.1", 9);
    ck_assert_int_eq(stand_connect(&stand, 10), 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    stand_expect_why(&stand, REDW_ETIMEDOUT, "connect: 127.0.0.1:9 (after ", " ms): timed out");
    ck_assert_int_ge(stand_now_us(&stand) - start, 10000);
    ck_assert_int_lt(stand_now_us(&stand) - start, 1000000);
}
END_TEST

START_TEST(the_deadline_ends_a_look_up)
{
    stand.names_silent = true;
    stand_target(&stand, "db.test", 9);
    ck_assert_int_eq(stand_connect(&stand, 5), 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    stand_expect_why(&stand, REDW_ETIMEDOUT, "connect: db.test (after ", " ms): the name look-up timed out");
}
END_TEST

START_TEST(a_deadline_in_the_past_tries_nothing)
{
    stand_target(&stand, "127.0.0.1", stand_free_port());
    ck_assert_int_eq(stand_connect(&stand, -1), 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    stand_expect_why(&stand, REDW_ETIMEDOUT, "connect: 127.0.0.1:", "timed out");
    ck_assert_uint_eq(stand.fault.opened, 0);
}
END_TEST

START_TEST(a_name_without_address_says_so)
{
    stand_target(&stand, "db.test", 1);
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    stand_expect_why(&stand, REDW_ECONNECT, "connect: db.test (after ", " ms): no such name");
}
END_TEST

START_TEST(a_connection_can_be_closed_at_every_step_of_its_opening)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    stand_target(&stand, "db.test", s->port);
    stand_add_address(&stand, "127.0.0.1", stand_free_port());
    stand_add_address(&stand, "127.0.0.1", s->port);
    for (int rounds = 0; rounds < 4; rounds++) {
        ck_assert_int_eq(stand_connect(&stand, 5000), 0);
        stand_run(&stand, rounds);
        if (!stand.conn)
            continue;
        redwi_conn_close(stand.conn, rounds & 1);
        redwi_conn_close(stand.conn, true); /* again does nothing */
        redwi_conn_free(stand.conn);
        stand.conn = NULL;
        stand_run(&stand, 3);
    }
    ck_assert_int_eq(stand.nclosed, 0);
}
END_TEST

/* What getsockopt says of the connection's socket. */
static int option_of(int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    ck_assert_int_eq(getsockopt(stand.conn->priv->transport.fd, level, name, &value, &len), 0);
    return value;
}

START_TEST(A09_A10_sockets_have_keepalive_user_timeout_and_no_delay)
{
    stand_listen(&stand, &stand_trusting, NULL);
    stand_login(&stand);
    ck_assert_int_eq(option_of(IPPROTO_TCP, TCP_NODELAY), 1);
    ck_assert_int_eq(option_of(SOL_SOCKET, SO_KEEPALIVE), 1);
    ck_assert_int_eq(option_of(IPPROTO_TCP, TCP_KEEPIDLE), 60);
    ck_assert_int_eq(option_of(IPPROTO_TCP, TCP_KEEPINTVL), 10);
    ck_assert_int_eq(option_of(IPPROTO_TCP, TCP_KEEPCNT), 3);
    ck_assert_int_eq(option_of(IPPROTO_TCP, TCP_USER_TIMEOUT), 75000);
}
END_TEST

START_TEST(A09_A10_settings_change_them_or_leave_them_to_the_system)
{
    stand_listen(&stand, &stand_trusting, NULL);
    stand.settings.tcp = (struct redwi_tcp){.idle_s = 7, .interval_s = 2, .count = 5, .user_timeout_ms = 1234};
    stand_login(&stand);
    ck_assert_int_eq(option_of(SOL_SOCKET, SO_KEEPALIVE), 1);
    ck_assert_int_eq(option_of(IPPROTO_TCP, TCP_KEEPIDLE), 7);
    ck_assert_int_eq(option_of(IPPROTO_TCP, TCP_KEEPINTVL), 2);
    ck_assert_int_eq(option_of(IPPROTO_TCP, TCP_KEEPCNT), 5);
    ck_assert_int_eq(option_of(IPPROTO_TCP, TCP_USER_TIMEOUT), 1234);
    redwi_conn_close(stand.conn, true);
    redwi_conn_free(stand.conn);
    stand.conn = NULL;
    stand.nready = 0;
    stand.settings.tcp = (struct redwi_tcp){0};
    stand_login(&stand);
    ck_assert_int_eq(option_of(IPPROTO_TCP, TCP_NODELAY), 1);
    ck_assert_int_eq(option_of(SOL_SOCKET, SO_KEEPALIVE), 0);
    ck_assert_int_eq(option_of(IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
}
END_TEST

START_TEST(a_unix_socket_is_dialled_by_its_directory)
{
    char dir[] = "/tmp/redw-conn-XXXXXX", path[64];
    struct stand_job j;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/.s.PGSQL.5432", dir);
    stand_target(&stand, dir, 5432);
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    ck_assert_ptr_nonnull(strstr(redw_error_message(stand.why), path));
    ck_assert_int_eq(redw_error_errno(stand.why), ENOENT);
    stand_listen_unix(&stand, &stand_trusting, dir);
    stand_login(&stand);
    stand_run_job(&stand, &j, "select");
    ck_assert_str_eq(j.text, STAND_ALL_ROWS);
    stand_job_fini(&j);
    unlink(path);
    rmdir(dir);
}
END_TEST

START_TEST(a_unix_socket_with_a_full_queue_is_tried_again)
{
    char dir[] = "/tmp/redw-conn-XXXXXX", path[64];
    struct fault_kind again = {.name = "EAGAIN", .error = EAGAIN};
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/.s.PGSQL.5432", dir);
    stand_listen_unix(&stand, &stand_trusting, dir);
    fault_arm(&stand.fault, FAULT_CONNECT, 1, FAULT_ONCE, again);
    stand_login(&stand);
    ck_assert_uint_eq(stand.fault.calls[FAULT_CONNECT], 2);
    redwi_conn_close(stand.conn, true);
    redwi_conn_free(stand.conn);
    stand.conn = NULL;
    fault_arm(&stand.fault, FAULT_CONNECT, 1, FAULT_STICKY, again); /* until the time is up */
    ck_assert_int_eq(stand_connect(&stand, 25), 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    stand_expect_why(&stand, REDW_ETIMEDOUT, "connect: ", "timed out");
    ck_assert_uint_le(stand.fault.calls[FAULT_CONNECT], 4);
    unlink(path);
    rmdir(dir);
}
END_TEST

START_TEST(a_path_too_long_for_a_unix_socket_is_a_clear_error)
{
    char dir[160];
    memset(dir, 'd', sizeof dir);
    dir[0] = '/';
    dir[sizeof dir - 1] = 0;
    stand_target(&stand, dir, 5432);
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    stand_expect_why(&stand, REDW_ECONNECT, "connect: /dddd", "the path of the unix socket is too long");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dial");
    TCase *t = tcase_create("dial");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 20);
    tcase_add_test(t, a_refused_connection_says_who_refused_and_when);
    tcase_add_test(t, addresses_are_tried_in_turn_until_one_answers);
    tcase_add_test(t, when_all_addresses_fail_the_last_is_told);
    tcase_add_test(t, a_silent_address_leaves_time_for_the_others);
    tcase_add_test(t, the_deadline_ends_dialling);
    tcase_add_test(t, the_deadline_ends_a_look_up);
    tcase_add_test(t, a_deadline_in_the_past_tries_nothing);
    tcase_add_test(t, a_name_without_address_says_so);
    tcase_add_test(t, a_connection_can_be_closed_at_every_step_of_its_opening);
    tcase_add_test(t, A09_A10_sockets_have_keepalive_user_timeout_and_no_delay);
    tcase_add_test(t, A09_A10_settings_change_them_or_leave_them_to_the_system);
    tcase_add_test(t, a_unix_socket_is_dialled_by_its_directory);
    tcase_add_test(t, a_unix_socket_with_a_full_queue_is_tried_again);
    tcase_add_test(t, a_path_too_long_for_a_unix_socket_is_a_clear_error);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
