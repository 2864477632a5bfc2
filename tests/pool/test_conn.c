/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection on a libev loop against servers on loopback sockets that live on the same loop: how it
 * dials, logs in, runs units, is paused, abandoned, limited and closed, from outside and from inside its
 * own callbacks; and what it says when something goes wrong.
 */
#include "pool/drive.h"
#include "support/conn_rig.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const columns[] = {"a", "b"};
static const char *const cells[] = {"1", "one", "2", "two", "3", NULL};
static const char *const ints[] = {"i"};
static const char *const thousand[1000] = {"x"};
static const struct peer_statement statements[] = {
    {.sql = "select", .columns = columns, .ncolumns = 2, .cells = cells, .nrows = 3, .tag = "SELECT 3"},
    {.sql = "noticed", .columns = ints, .ncolumns = 1, .cells = cells, .nrows = 1, .tag = "SELECT 1", .notice = "hm"},
    {.sql = "begin", .tag = "BEGIN", .status = 'T'},
    {.sql = "fails in block", .tag = "", .sqlstate = "22012", .status = 'E'},
    {.sql = "fails", .columns = ints, .ncolumns = 1, .cells = cells, .nrows = 1, .tag = "", .sqlstate = "22012"},
    {.sql = "insert", .tag = "INSERT 0 3"},
    {.sql = "", .tag = ""},
    {.sql = "thousand", .columns = ints, .ncolumns = 1, .cells = thousand, .nrows = 1000, .tag = "SELECT 1000"},
};
static const struct peer_config trusting = {.statements = statements,
                                            .nstatements = sizeof statements / sizeof statements[0]};
#define ALL_ROWS "1,one;2,two;3,;"

static struct rig rig;

static void setup(void)
{
    rig_open(&rig);
}

static void teardown(void)
{
    rig_close(&rig);
}

static int64_t now_us(void)
{
    return rig.probe.loop.now_us(rig.probe.loop.ctx);
}

static void add_address(const char *host, uint16_t port)
{
    ck_assert(redwi_address_literal(host, port, &rig.addrs[rig.naddrs++]));
}

static void expect_why(int code, const char *begin, const char *end)
{
    const char *text = redw_error_message(rig.why);
    ck_assert_msg(redw_error_code(rig.why) == code, "%d %s", redw_error_code(rig.why), text);
    ck_assert_msg(!strncmp(text, begin, strlen(begin)), "%s", text);
    ck_assert_msg(strlen(text) >= strlen(end) && !strcmp(text + strlen(text) - strlen(end), end), "%s", text);
}

/* "connect: 127.0.0.1:<port> <rest>" */
static const char *connect_to(uint16_t port, const char *rest)
{
    static char text[128];
    snprintf(text, sizeof text, "connect: 127.0.0.1:%u %s", port, rest);
    return text;
}

/* Runs a statement to its end. */
static void run_job(struct rig_job *j, const char *sql)
{
    int n = rig.nended;
    rig_job_init(&rig, j, sql);
    rig_start(&rig, j);
    rig_run_until(&rig, &rig.nended, n + 1);
    ck_assert_ptr_eq(rig.ended_job, &j->job);
}

/* --- dialling ------------------------------------------------------------------------------------ */

START_TEST(a_refused_connection_says_who_refused_and_when)
{
    uint16_t port = rig_free_port();
    rig_target(&rig, "127.0.0.1", port);
    ck_assert_int_eq(rig_connect(&rig, 5000), 0);
    rig_run_until(&rig, &rig.nclosed, 1);
    expect_why(REDW_ECONNECT, connect_to(port, "(after "), " ms): connection refused");
    ck_assert_int_eq(redw_error_errno(rig.why), ECONNREFUSED);
    ck_assert_int_eq(redw_error_origin(rig.why), REDW_ORIGIN_OS);
    ck_assert_int_eq(redw_error_class(rig.why), REDW_CLASS_CONNECTION_FAILED);
    ck_assert_int_eq(redw_error_outcome(rig.why), REDW_OUTCOME_NOT_SENT);
}
END_TEST

START_TEST(addresses_are_tried_in_turn_until_one_answers)
{
    struct rig_server *s = rig_listen(&rig, &trusting, NULL);
    rig_target(&rig, "db.test", s->port);
    add_address("127.0.0.1", rig_free_port());
    add_address("::1", rig_free_port());
    add_address("127.0.0.1", s->port);
    rig_login(&rig);
    ck_assert_int_eq(rig.lookups, 1);
    ck_assert_int_eq(rig.cancels, 1); /* the look-up is not kept */
    ck_assert_ptr_null(rig.conn->priv->dial);
}
END_TEST

START_TEST(when_all_addresses_fail_the_last_is_told)
{
    uint16_t port = rig_free_port();
    rig_target(&rig, "db.test", 1);
    add_address("127.0.0.1", rig_free_port());
    add_address("127.0.0.1", port);
    ck_assert_int_eq(rig_connect(&rig, 5000), 0);
    rig_run_until(&rig, &rig.nclosed, 1);
    expect_why(REDW_ECONNECT, connect_to(port, "(address 2 of 2, after "),
               "connection refused");
}
END_TEST

/* A connect that never ends: in progress, and no SYN leaves. */
static int silent_connect(void *ctx, int fd, const struct sockaddr *a, socklen_t len)
{
    struct sockaddr_in in;
    memcpy(&in, a, sizeof in);
    if (ntohs(in.sin_port) != 9)
        return rig.fault.sys.connect(ctx, fd, a, len);
    errno = EINPROGRESS;
    return -1;
}
static struct redwi_sys silent_sys;

/* The socket is told to poll like one whose SYN is unanswered: a listener without callers. */
static int silent_open(void *ctx, int family, int type)
{
    int fd = rig.fault.sys.open(ctx, family, type);
    if (fd >= 0 && rig.naddrs && rig.acted++ == 0)
        ck_assert_int_eq(listen(fd, 1), 0);
    return fd;
}

static void use_silence(void)
{
    silent_sys = rig.fault.sys;
    silent_sys.connect = silent_connect;
    silent_sys.open = silent_open;
    rig.env.sys = &silent_sys;
}

START_TEST(a_silent_address_leaves_time_for_the_others)
{
    struct rig_server *s = rig_listen(&rig, &trusting, NULL);
    int64_t start = now_us();
    use_silence();
    rig_target(&rig, "db.test", 9);
    add_address("127.0.0.1", 9);
    add_address("127.0.0.1", s->port);
    ck_assert_int_eq(rig_connect(&rig, 40), 0);
    rig_run_until(&rig, &rig.nready, 1);
    ck_assert_int_ge(now_us() - start, 20000);
    rig.acted = 0;
}
END_TEST

START_TEST(the_deadline_ends_dialling)
{
    int64_t start = now_us();
    use_silence();
    rig_target(&rig, "db.test", 9);
    add_address("127.0.0.1", 9);
    ck_assert_int_eq(rig_connect(&rig, 10), 0);
    rig_run_until(&rig, &rig.nclosed, 1);
    expect_why(REDW_ETIMEDOUT, "connect: 127.0.0.1:9 (after ", " ms): timed out");
    ck_assert_int_ge(now_us() - start, 10000);
    ck_assert_int_lt(now_us() - start, 1000000);
}
END_TEST

START_TEST(the_deadline_ends_a_look_up)
{
    rig.names_silent = true;
    rig_target(&rig, "db.test", 9);
    ck_assert_int_eq(rig_connect(&rig, 5), 0);
    rig_run_until(&rig, &rig.nclosed, 1);
    expect_why(REDW_ETIMEDOUT, "connect: db.test (after ", " ms): the name look-up timed out");
}
END_TEST

START_TEST(a_deadline_in_the_past_tries_nothing)
{
    rig_target(&rig, "127.0.0.1", rig_free_port());
    ck_assert_int_eq(rig_connect(&rig, -1), 0);
    rig_run_until(&rig, &rig.nclosed, 1);
    expect_why(REDW_ETIMEDOUT, "connect: 127.0.0.1:", "timed out");
    ck_assert_uint_eq(rig.fault.opened, 0);
}
END_TEST

START_TEST(a_name_without_address_says_so)
{
    rig_target(&rig, "db.test", 1);
    ck_assert_int_eq(rig_connect(&rig, 5000), 0);
    rig_run_until(&rig, &rig.nclosed, 1);
    expect_why(REDW_ECONNECT, "connect: db.test (after ", " ms): no such name");
}
END_TEST

START_TEST(a_connection_can_be_closed_at_every_step_of_its_opening)
{
    struct rig_server *s = rig_listen(&rig, &trusting, NULL);
    rig_target(&rig, "db.test", s->port);
    add_address("127.0.0.1", rig_free_port());
    add_address("127.0.0.1", s->port);
    for (int rounds = 0; rounds < 4; rounds++) {
        ck_assert_int_eq(rig_connect(&rig, 5000), 0);
        rig_run(&rig, rounds);
        if (!rig.conn)
            continue;
        redwi_conn_close(rig.conn, rounds & 1);
        redwi_conn_close(rig.conn, true); /* again does nothing */
        redwi_conn_free(rig.conn);
        rig.conn = NULL;
        rig_run(&rig, 3);
    }
    ck_assert_int_eq(rig.nclosed, 0);
}
END_TEST

START_TEST(sockets_have_keepalive_user_timeout_and_no_delay)
{
    static const struct {
        int level, name, value;
    } expected[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1}, {IPPROTO_TCP, TCP_KEEPIDLE, 60},
        {IPPROTO_TCP, TCP_KEEPINTVL, 10}, {IPPROTO_TCP, TCP_KEEPCNT, 3}, {IPPROTO_TCP, TCP_USER_TIMEOUT, 75000},
    };
    rig_listen(&rig, &trusting, NULL);
    rig_login(&rig);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        int value = -1;
        socklen_t len = sizeof value;
        ck_assert_int_eq(getsockopt(rig.conn->priv->transport.fd, expected[i].level, expected[i].name, &value, &len), 0);
        ck_assert_int_eq(value, expected[i].value);
    }
}
END_TEST

START_TEST(a_unix_socket_is_dialled_by_its_directory)
{
    char dir[] = "/tmp/redw-conn-XXXXXX", path[64];
    struct rig_job j;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/.s.PGSQL.5432", dir);
    rig_target(&rig, dir, 5432);
    ck_assert_int_eq(rig_connect(&rig, 5000), 0);
    rig_run_until(&rig, &rig.nclosed, 1);
    ck_assert_ptr_nonnull(strstr(redw_error_message(rig.why), path));
    ck_assert_int_eq(redw_error_errno(rig.why), ENOENT);
    rig_listen_unix(&rig, &trusting, dir);
    rig_login(&rig);
    run_job(&j, "select");
    ck_assert_str_eq(j.text, ALL_ROWS);
    rig_job_fini(&j);
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
    rig_listen_unix(&rig, &trusting, dir);
    fault_arm(&rig.fault, FAULT_CONNECT, 1, FAULT_ONCE, again);
    rig_login(&rig);
    ck_assert_uint_eq(rig.fault.calls[FAULT_CONNECT], 2);
    redwi_conn_close(rig.conn, true);
    redwi_conn_free(rig.conn);
    rig.conn = NULL;
    fault_arm(&rig.fault, FAULT_CONNECT, 1, FAULT_STICKY, again); /* until the time is up */
    ck_assert_int_eq(rig_connect(&rig, 25), 0);
    rig_run_until(&rig, &rig.nclosed, 1);
    expect_why(REDW_ETIMEDOUT, "connect: ", "timed out");
    ck_assert_uint_le(rig.fault.calls[FAULT_CONNECT], 4);
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
    rig_target(&rig, dir, 5432);
    ck_assert_int_eq(rig_connect(&rig, 5000), 0);
    rig_run_until(&rig, &rig.nclosed, 1);
    expect_why(REDW_ECONNECT, "connect: /dddd", "the path of the unix socket is too long");
}
END_TEST

/* --- login --------------------------------------------------------------------------------------- */

START_TEST(login_sends_who_we_are_and_ends_idle)
{
    struct rig_server *s = rig_listen(&rig, &trusting, NULL);
    rig_login(&rig);
    struct peer *p = &rig_peer_of(s, 0)->peer;
    ck_assert_str_eq(p->user, "alice");
    ck_assert_str_eq(p->database, "lake");
    ck_assert_str_eq(p->application, "rig");
    ck_assert(!rig.conn->job && !rig.conn->paused);
    ck_assert_int_eq(rig.probe.timers, 0); /* the deadline is over */
    rig_run(&rig, 20);
    ck_assert_int_eq(rig.nready, 1);
}
END_TEST

START_TEST(a_costly_password_exchange_leaves_the_loop_its_turns_and_obeys_the_deadline)
{
    static char password[] = "secret";
    struct peer_config config = trusting;
    config.password = password;
    config.iterations = 100000;
    rig.settings.password = password;
    rig_listen(&rig, &config, NULL);
    uint64_t wakeups = rig.probe.wakeups;
    rig_login(&rig);
    ck_assert_uint_ge(rig.probe.wakeups - wakeups, 100); /* a thousand iterations each */
    redwi_conn_close(rig.conn, true);
    redwi_conn_free(rig.conn);
    rig.conn = NULL;
    ck_assert_int_eq(rig_connect(&rig, 8), 0);
    rig_run_until(&rig, &rig.nclosed, 1);
    expect_why(REDW_ETIMEDOUT, "", " ms"); /* in whatever phase a busy machine has got to */
    ck_assert_ptr_nonnull(strstr(redw_error_message(rig.why), "timed out after "));
}
END_TEST

START_TEST(a_server_that_says_nothing_is_left_at_the_deadline)
{
    struct rig_server *s = rig_listen(&rig, &trusting, NULL);
    s->mute = true;
    ck_assert_int_eq(rig_connect(&rig, 10), 0);
    rig_run_until(&rig, &rig.nclosed, 1);
    expect_why(REDW_ETIMEDOUT, "login: 127.0.0.1:", " ms");
}
END_TEST

START_TEST(a_refused_login_is_the_servers_own_word)
{
    static char wrong[] = "wrong";
    struct peer_config config = trusting;
    config.password = "right";
    rig.settings.password = wrong;
    rig_listen(&rig, &config, NULL);
    ck_assert_int_eq(rig_connect(&rig, 5000), 0);
    rig_run_until(&rig, &rig.nclosed, 1);
    ck_assert_int_eq(redw_error_code(rig.why), REDW_EAUTH);
    ck_assert_int_eq(redw_error_origin(rig.why), REDW_ORIGIN_SERVER);
    ck_assert_int_eq(redw_error_class(rig.why), REDW_CLASS_AUTHENTICATION_FAILED);
    ck_assert_ptr_nonnull(strstr(redw_error_message(rig.why), "login: 127.0.0.1:"));
    ck_assert_ptr_null(strstr(redw_error_message(rig.why), wrong));
}
END_TEST

START_TEST(a_server_that_closes_during_login_is_told)
{
    struct rig_server *s = rig_listen(&rig, &trusting, NULL);
    s->mute = true;
    ck_assert_int_eq(rig_connect(&rig, 5000), 0);
    while (!s->naccepted || !s->peers[0].received)
        rig_run(&rig, 1);
    rig_peer_close(rig_peer_of(s, 0));
    rig_run_until(&rig, &rig.nclosed, 1);
    expect_why(REDW_ECONNECT, "login: 127.0.0.1:", ": the server closed the connection");
}
END_TEST

/* --- units --------------------------------------------------------------------------------------- */

START_TEST(units_run_one_after_another)
{
    struct rig_server *s = rig_listen(&rig, &trusting, NULL);
    struct rig_job j;
    rig_login(&rig);
    for (int i = 0; i < 3; i++) {
        run_job(&j, "select");
        ck_assert_str_eq(j.text, ALL_ROWS);
        ck_assert_str_eq(j.tag, "SELECT 3");
        ck_assert_int_eq(j.ncomplete, 1);
        ck_assert_ptr_null(j.job.error);
        ck_assert_int_eq(rig.conn->state, REDWI_CONN_IDLE);
    }
    run_job(&j, "insert");
    ck_assert_str_eq(j.tag, "INSERT 0 3");
    ck_assert_int_eq(j.ncalls, 0);
    run_job(&j, "");
    ck_assert_str_eq(j.tag, "");
    run_job(&j, "noticed");
    ck_assert_int_eq(j.nnotices, 1);
    ck_assert_uint_eq(rig_peer_of(s, 0)->peer.units, 6);
}
END_TEST

START_TEST(a_failing_unit_has_the_servers_error_and_its_rows)
{
    struct rig_job j;
    rig_listen(&rig, &trusting, NULL);
    rig_login(&rig);
    run_job(&j, "fails");
    ck_assert_str_eq(j.text, "1;");
    ck_assert_str_eq(redw_error_sqlstate(j.job.error), "22012");
    ck_assert_int_eq(redw_error_outcome(j.job.error), REDW_OUTCOME_NOT_EXECUTED);
    ck_assert_int_eq(rig.conn->state, REDWI_CONN_IDLE);
    rig_job_fini(&j);
    run_job(&j, "select");
    ck_assert_str_eq(j.text, ALL_ROWS);
}
END_TEST

static redw_error *own_error;

static void set_own_error(struct rig *r)
{
    own_error = redwi_err_make(&r->fault.mem, &(struct redwi_err_spec){.code = REDW_EFULL}, "own");
    if (r->conn->job->error)
        redw_error_release(own_error);
    else
        r->conn->job->error = own_error;
}

START_TEST(the_first_error_of_a_job_stays)
{
    struct rig_job j;
    rig_listen(&rig, &trusting, NULL);
    rig_login(&rig);
    rig.act[RIG_ROWS] = set_own_error;
    run_job(&j, "fails");
    ck_assert_int_eq(redw_error_code(j.job.error), REDW_EFULL);
    rig_job_fini(&j);
}
END_TEST

START_TEST(a_statement_that_leaves_a_transaction_open_costs_the_connection)
{
    static const char *const sql[] = {"begin", "fails in block"};
    for (int i = 0; i < 2; i++) {
        struct rig_job j;
        struct rig_server *s = rig_listen(&rig, &trusting, NULL);
        rig_login(&rig);
        run_job(&j, sql[i]);
        ck_assert_int_eq(rig.ended_state, REDWI_CONN_CLOSED);
        ck_assert_ptr_null(rig.conn); /* buried */
        ck_assert(!j.job.error == (i == 0));
        ck_assert_int_eq(rig.nclosed, 0); /* ended has told it */
        while (!rig_peer_of(s, 0)->saw_end)
            rig_run(&rig, 1);
        ck_assert(rig_peer_of(s, 0)->peer.terminated);
        rig_job_fini(&j);
    }
}
END_TEST

/* Starts the next unit from inside the end of the one before. */
static struct rig_job chained[5];
static size_t nchained;

static void start_next(struct rig *r)
{
    if (nchained == 5)
        return;
    rig_job_init(r, &chained[nchained], "select");
    rig_start(r, &chained[nchained++]);
}

START_TEST(a_unit_may_be_started_from_inside_ready_and_ended)
{
    rig_listen(&rig, &trusting, NULL);
    nchained = 0;
    rig.act[RIG_READY] = rig.act[RIG_ENDED] = start_next;
    ck_assert_int_eq(rig_connect(&rig, 5000), 0);
    rig_run_until(&rig, &rig.nended, 5);
    for (int i = 0; i < 5; i++)
        ck_assert_str_eq(chained[i].text, ALL_ROWS);
}
END_TEST

START_TEST(a_long_statement_goes_out_in_parts_while_the_server_does_not_read)
{
    static char sql[(8 << 20) + 1];
    struct rig_server *s = rig_listen(&rig, &trusting, NULL);
    struct rig_job j;
    rig_login(&rig);
    memset(sql, 'x', sizeof sql - 1);
    rig_job_init(&rig, &j, sql);
    s->deaf = true;
    ev_io_stop(rig.ev, &s->peers[0].io);
    rig_start(&rig, &j);
    rig_run(&rig, 50);
    ck_assert_uint_gt(redwi_session_units(rig.conn->session), 0);
    uint64_t wakeups = rig.probe.wakeups;
    rig_run(&rig, 50);
    ck_assert_uint_le(rig.probe.wakeups - wakeups, 1); /* waits, does not spin */
    s->deaf = false;
    ev_io_start(rig.ev, &s->peers[0].io);
    rig_run_until(&rig, &rig.nended, 1);
    ck_assert_uint_gt(s->peers[0].received, sizeof sql);
    ck_assert_str_eq(redw_error_sqlstate(j.job.error), "42601");
    rig_job_fini(&j);
}
END_TEST

START_TEST(a_server_that_sends_byte_by_byte_is_understood)
{
    struct rig_server *s = rig_listen(&rig, &trusting, NULL);
    struct rig_job j;
    s->slow = true;
    rig_login(&rig);
    run_job(&j, "select");
    ck_assert_str_eq(j.text, ALL_ROWS);
}
END_TEST

/* A server that sends without end, for a statement it has not answered otherwise. */
#define FLOOD ((size_t)1 << 20)

START_TEST(one_wake_up_parses_a_bounded_part_of_a_fast_stream)
{
    struct rig_server *s = rig_listen(&rig, &trusting, NULL);
    struct rig_job j;
    struct redwi_buf b;
    const redw_slice cell = {"0123456789012345678901234567890123456789", 40};
    struct redwi_field field = {.name = {"c", 1}, .type_oid = 25, .type_size = -1, .typmod = -1};
    rig_login(&rig);
    rig_job_init(&rig, &j, "flood");
    rig_start(&rig, &j);
    s->mute = true;
    redwi_buf_init(&b, &redwi_malloc, SIZE_MAX / 2);
    redwi_be_put_simple(&b, '1');
    redwi_be_put_simple(&b, '2');
    redwi_be_put_row_description(&b, &field, 1);
    while (redwi_buf_len(&b) < FLOOD)
        redwi_be_put_data_row(&b, &cell, 1);
    redwi_be_put_command_complete(&b, "SELECT 1");
    redwi_be_put_ready(&b, 'I');
    rig_run(&rig, 2);
    rig_peer_send(&s->peers[0], redwi_buf_front(&b), redwi_buf_len(&b));
    redwi_buf_free(&b);
    size_t before = 0, most = 0;
    while (!rig.nended) {
        rig_run(&rig, 1);
        most = j.bytes - before > most ? j.bytes - before : most;
        before = j.bytes;
    }
    ck_assert_uint_gt(j.bytes, FLOOD / 2);
    ck_assert_uint_le(most, 330000);
}
END_TEST

/* --- pause, stop, drain -------------------------------------------------------------------------- */

START_TEST(a_paused_connection_reads_nothing_and_goes_on_where_it_was)
{
    struct rig_server *s = rig_listen(&rig, &trusting, NULL);
    struct rig_job j;
    rig_login(&rig);
    rig_job_init(&rig, &j, "select");
    j.batch = 1;
    j.flow[0] = REDWI_JOB_PAUSE; /* columns */
    j.flow[1] = REDWI_JOB_PAUSE;
    j.flow[2] = REDWI_JOB_PAUSE;
    rig_start(&rig, &j);
    for (int i = 0; i < 3; i++) {
        while (!rig.conn->paused)
            rig_run(&rig, 1);
        ck_assert_int_eq(j.ncalls, i);
        ck_assert_int_eq(rig.probe.ios, 0); /* the socket is not watched */
        rig_run(&rig, 3);
        ck_assert_int_eq(j.ncalls, i);
        int calls = j.ncalls;
        redwi_conn_resume(rig.conn);
        ck_assert_int_eq(j.ncalls, calls); /* never from inside */
        ck_assert(!rig.conn->paused);
        redwi_conn_resume(rig.conn);
    }
    rig_run_until(&rig, &rig.nended, 1);
    ck_assert_str_eq(j.text, ALL_ROWS);
    ck_assert_uint_eq(s->peers[0].peer.units, 1);
}
END_TEST

START_TEST(rows_not_taken_before_a_pause_come_again)
{
    struct rig_job j;
    rig_listen(&rig, &trusting, NULL);
    rig_login(&rig);
    rig_job_init(&rig, &j, "select");
    j.take_none = true;
    j.flow[1] = REDWI_JOB_PAUSE;
    rig_start(&rig, &j);
    while (!rig.conn->paused)
        rig_run(&rig, 1);
    ck_assert_int_eq(j.nrows, 0);
    j.take_none = false;
    redwi_conn_resume(rig.conn);
    rig_run_until(&rig, &rig.nended, 1);
    ck_assert_str_eq(j.text, ALL_ROWS);
    ck_assert_int_eq(j.ncalls, 2);
}
END_TEST

START_TEST(what_a_server_said_before_it_died_is_read_after_the_pause)
{
    struct rig_server *s = rig_listen(&rig, &trusting, NULL);
    struct rig_job j;
    rig_login(&rig);
    rig_job_init(&rig, &j, "select");
    j.flow[0] = REDWI_JOB_PAUSE;
    rig_start(&rig, &j);
    while (!rig.conn->paused)
        rig_run(&rig, 1);
    rig_peer_close(&s->peers[0]);
    rig_run(&rig, 3);
    ck_assert_int_eq(rig.nclosed, 0);
    redwi_conn_resume(rig.conn);
    rig_run_until(&rig, &rig.nended, 1);
    ck_assert_str_eq(j.text, ALL_ROWS);
    rig_run_until(&rig, &rig.nclosed, 1); /* then idle, and closed by the server */
    ck_assert_ptr_null(rig.closed_job);
}
END_TEST

START_TEST(stop_hands_the_job_to_the_owner_and_drains_the_rest)
{
    struct rig_job j, next;
    rig_listen(&rig, &trusting, NULL);
    rig_login(&rig);
    for (int at = 0; at < 2; at++) { /* from columns, from rows */
        int ended = rig.nended, stopped = rig.nstopped;
        rig_job_init(&rig, &j, "thousand");
        j.flow[at] = REDWI_JOB_STOP;
        j.batch = 1;
        rig_start(&rig, &j);
        rig_run_until(&rig, &rig.nended, ended + 1);
        ck_assert_int_eq(rig.nstopped, stopped + 1);
        ck_assert_ptr_null(rig.ended_job);
        ck_assert_int_eq(j.nrows, at);
        ck_assert_int_eq(j.ncomplete, 0);
        rig_job_fini(&j);
        run_job(&next, "select");
        ck_assert_str_eq(next.text, ALL_ROWS);
    }
}
END_TEST

START_TEST(drain_ends_the_job_with_its_own_error_when_the_unit_has_ended)
{
    struct rig_job j;
    rig_listen(&rig, &trusting, NULL);
    rig_login(&rig);
    for (int at = 0; at < 2; at++) {
        int ended = rig.nended;
        rig_job_init(&rig, &j, "thousand");
        j.flow[at] = REDWI_JOB_DRAIN;
        j.batch = 1;
        rig_start(&rig, &j);
        rig_run_until(&rig, &rig.nended, ended + 1);
        ck_assert_ptr_eq(rig.ended_job, &j.job);
        ck_assert_int_eq(redw_error_code(j.job.error), REDW_ECANCELLED);
        ck_assert_int_eq(j.nrows, at);
        ck_assert_int_eq(j.ncomplete, 0);
        rig_job_fini(&j);
    }
}
END_TEST

START_TEST(a_corrupt_row_costs_the_connection)
{
    struct rig_job j;
    rig_listen(&rig, &trusting, NULL);
    rig_login(&rig);
    rig_job_init(&rig, &j, "select");
    j.corrupt = true;
    rig_start(&rig, &j);
    rig_run_until(&rig, &rig.nclosed, 1);
    ck_assert_ptr_eq(rig.closed_job, &j.job);
    ck_assert_int_eq(redw_error_code(j.job.error), REDW_EPROTOCOL);
    ck_assert_int_eq(redw_error_outcome(j.job.error), REDW_OUTCOME_UNKNOWN);
    rig_job_fini(&j);
}
END_TEST

START_TEST(a_job_that_takes_no_row_and_wants_more_does_not_hang_the_loop)
{
    struct rig_job j;
    rig_listen(&rig, &trusting, NULL);
    rig_login(&rig);
    rig_job_init(&rig, &j, "select");
    j.take_none = true;
    rig_start(&rig, &j);
    rig_run_until(&rig, &rig.nclosed, 1);
    ck_assert_int_eq(j.ncalls, 1);
    ck_assert_int_eq(redw_error_code(j.job.error), REDW_EPROTOCOL);
    rig_job_fini(&j);
}
END_TEST

/* --- abandon and limit --------------------------------------------------------------------------- */

START_TEST(an_abandoned_jobs_answers_are_dropped_and_the_connection_lives)
{
    struct rig_job j, next;
    rig_listen(&rig, &trusting, NULL);
    rig_login(&rig);
    rig_job_init(&rig, &j, "select");
    rig_start(&rig, &j);
    redwi_conn_abandon(rig.conn, now_us() + 1000000);
    ck_assert_int_eq(rig.conn->state, REDWI_CONN_DRAINING);
    ck_assert(!rig.conn->job && !j.job.conn);
    redwi_conn_abandon(rig.conn, 0); /* nothing to abandon any more */
    redwi_conn_limit(rig.conn, 0);
    rig_run_until(&rig, &rig.nended, 1);
    ck_assert_ptr_null(rig.ended_job);
    ck_assert_int_eq(j.ncalls + j.ncomplete, 0);
    ck_assert_int_eq(rig.probe.timers, 0);
    run_job(&next, "select");
    ck_assert_str_eq(next.text, ALL_ROWS);
}
END_TEST

START_TEST(a_paused_job_can_be_abandoned)
{
    struct rig_job j;
    rig_listen(&rig, &trusting, NULL);
    rig_login(&rig);
    rig_job_init(&rig, &j, "thousand");
    j.batch = 1;
    j.flow[1] = REDWI_JOB_PAUSE;
    rig_start(&rig, &j);
    while (!rig.conn->paused)
        rig_run(&rig, 1);
    redwi_conn_abandon(rig.conn, now_us() + 1000000);
    ck_assert_int_eq(rig.nended, 0);
    rig_run_until(&rig, &rig.nended, 1);
    ck_assert_int_eq(j.nrows, 1);
    ck_assert_int_eq(rig.conn->state, REDWI_CONN_IDLE);
}
END_TEST

static void wait_received(struct rig_peer *p, size_t more)
{
    size_t n = p->received + more;
    while (p->received < n)
        rig_run(&rig, 1);
}

START_TEST(an_abandoned_unit_that_does_not_end_costs_the_connection)
{
    struct rig_server *s = rig_listen(&rig, &trusting, NULL);
    struct rig_job j;
    rig_login(&rig);
    s->mute = true;
    rig_job_init(&rig, &j, "select");
    rig_start(&rig, &j);
    wait_received(&s->peers[0], 1);
    redwi_conn_abandon(rig.conn, now_us() + 2000);
    rig_run_until(&rig, &rig.nclosed, 1);
    ck_assert_ptr_null(rig.closed_job);
    expect_why(REDW_ETIMEDOUT, "query: 127.0.0.1:", "the server did not end the statement in time, so the connection was closed");
}
END_TEST

START_TEST(a_limited_job_is_closed_with_its_connection)
{
    struct rig_server *s = rig_listen(&rig, &trusting, NULL);
    struct rig_job j;
    rig_login(&rig);
    s->mute = true;
    rig_job_init(&rig, &j, "select");
    rig_start(&rig, &j);
    wait_received(&s->peers[0], 1);
    redwi_conn_limit(rig.conn, now_us() + 1000);
    redwi_conn_limit(rig.conn, INT64_MAX); /* taken back */
    ck_assert_int_eq(rig.probe.timers, 0);
    redwi_conn_limit(rig.conn, now_us() + 2000);
    rig_run_until(&rig, &rig.nclosed, 1);
    ck_assert_ptr_eq(rig.closed_job, &j.job);
    ck_assert_int_eq(redw_error_code(j.job.error), REDW_ETIMEDOUT);
    ck_assert_int_eq(redw_error_class(j.job.error), REDW_CLASS_QUERY_TIMEOUT);
    ck_assert_int_eq(redw_error_outcome(j.job.error), REDW_OUTCOME_UNKNOWN);
    rig_job_fini(&j);
}
END_TEST

START_TEST(a_limit_ends_with_the_unit)
{
    struct rig_job j;
    rig_listen(&rig, &trusting, NULL);
    rig_login(&rig);
    rig_job_init(&rig, &j, "select");
    rig_start(&rig, &j);
    redwi_conn_limit(rig.conn, now_us() + 1000000);
    rig_run_until(&rig, &rig.nended, 1);
    ck_assert_int_eq(rig.probe.timers, 0);
}
END_TEST

/* --- from inside callbacks ----------------------------------------------------------------------- */

static void close_inside(struct rig *r)
{
    redwi_conn_close(r->conn, r->acted & 1);
    redwi_conn_close(r->conn, true);
    redwi_conn_resume(r->conn);
    redwi_conn_abandon(r->conn, 0);
    redwi_conn_limit(r->conn, 0);
    redwi_conn_flush(r->conn);
}

static void abandon_inside(struct rig *r)
{
    redwi_conn_abandon(r->conn, now_us() + 1000000);
    redwi_conn_resume(r->conn);
}

START_TEST(a_connection_may_be_closed_inside_every_callback)
{
    for (int e = RIG_READY; e < RIG_CLOSED; e++) {
        for (int politely = 0; politely < 2; politely++) {
            struct rig_job j;
            memset(rig.act, 0, sizeof rig.act);
            struct rig_server *s = rig_listen(&rig, &trusting, NULL);
            if (e == RIG_READY) {
                rig.act[e] = close_inside;
                rig.acted = politely;
                ck_assert_int_eq(rig_connect(&rig, 5000), 0);
            } else {
                rig_login(&rig);
                rig_job_init(&rig, &j, e == RIG_NOTICE ? "noticed" : "select");
                if (e == RIG_STOPPED)
                    j.flow[1] = REDWI_JOB_STOP;
                rig.act[e] = close_inside;
                rig.acted = politely;
                rig_start(&rig, &j);
            }
            while (rig.conn)
                rig_run(&rig, 1);
            ck_assert_int_eq(rig.acted, politely + 1);
            ck_assert_int_eq(rig.nclosed, 0); /* no word about what the owner did itself */
            while (!s->peers[0].saw_end)
                rig_run(&rig, 1);
            if (e != RIG_READY) {
                ck_assert_ptr_null(j.job.conn);
                rig_job_fini(&j);
            }
            rig_teardown_servers(&rig);
        }
    }
}
END_TEST

START_TEST(a_job_may_be_abandoned_inside_each_of_its_callbacks)
{
    rig_listen(&rig, &trusting, NULL);
    rig_login(&rig);
    for (int e = RIG_COLUMNS; e <= RIG_COMPLETE; e++) {
        for (int flow = REDWI_JOB_GO; flow <= REDWI_JOB_DRAIN; flow++) {
            struct rig_job j, next;
            int ended = rig.nended;
            memset(rig.act, 0, sizeof rig.act);
            rig_job_init(&rig, &j, e == RIG_NOTICE ? "noticed" : "select");
            j.flow[e == RIG_ROWS] = (enum redwi_job_flow)flow; /* what it answers does not count any more */
            j.batch = 1;
            if (e != RIG_COLUMNS && e != RIG_ROWS)
                j.flow[0] = REDWI_JOB_GO;
            rig.act[e] = abandon_inside;
            rig.acted = 0;
            rig_start(&rig, &j);
            rig_run_until(&rig, &rig.nended, ended + 1);
            ck_assert_ptr_null(rig.ended_job);
            ck_assert_int_eq(rig.acted, 1);
            ck_assert(!rig.conn->paused);
            rig_job_fini(&j);
            memset(rig.act, 0, sizeof rig.act);
            run_job(&next, "select");
            ck_assert_str_eq(next.text, ALL_ROWS);
        }
    }
}
END_TEST

static void close_again_inside(struct rig *r)
{
    ck_assert_int_eq(r->conn->state, REDWI_CONN_CLOSED);
    redwi_conn_close(r->conn, true);
}

START_TEST(closed_may_be_answered_by_closing)
{
    rig_target(&rig, "127.0.0.1", rig_free_port());
    rig.act[RIG_CLOSED] = close_again_inside;
    ck_assert_int_eq(rig_connect(&rig, 5000), 0);
    rig_run_until(&rig, &rig.nclosed, 1);
    ck_assert_int_eq(rig.acted, 1);
}
END_TEST

/* --- endings ------------------------------------------------------------------------------------- */

static void send_error(struct rig_peer *p, const char *severity, const char *sqlstate, const char *text)
{
    const struct redwi_error_field fields[] = {{'S', severity}, {'C', sqlstate}, {'M', text}, {0, NULL}};
    struct redwi_buf b;
    redwi_buf_init(&b, &redwi_malloc, 65536);
    redwi_be_put_error(&b, 'E', fields);
    rig_peer_send(p, redwi_buf_front(&b), redwi_buf_len(&b));
    redwi_buf_free(&b);
}

START_TEST(the_end_of_an_idle_connection_is_seen_at_once)
{
    struct {
        const char *name, *text;
        int code;
    } table[] = {
        {"fin", "the server closed the connection", REDW_ECONNECT},
        {"rst", "receive: connection reset by peer", REDW_ECONNECT},
        {"fatal", "going down", REDW_ESERVER},
        {"garbage", "", REDW_EPROTOCOL},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int closed = rig.nclosed;
        struct rig_server *s = rig_listen(&rig, &trusting, NULL);
        rig_login(&rig);
        if (i == 0)
            rig_peer_close(&s->peers[0]);
        else if (i == 1)
            rig_peer_reset(&s->peers[0]);
        else if (i == 2)
            send_error(&s->peers[0], "FATAL", "57P01", "going down");
        else
            rig_peer_send(&s->peers[0], "HTTP/1.1", 8);
        rig_run_until(&rig, &rig.nclosed, closed + 1);
        ck_assert_ptr_null(rig.closed_job);
        expect_why(table[i].code, "idle connection: 127.0.0.1:", table[i].text);
        if (i == 2)
            ck_assert_str_eq(redw_error_sqlstate(rig.why), "57P01");
        rig_teardown_servers(&rig);
    }
}
END_TEST

START_TEST(a_lost_connection_tells_the_job_what_is_known_of_its_statement)
{
    for (int i = 0; i < 4; i++) {
        struct rig_server *s = rig_listen(&rig, &trusting, NULL);
        struct rig_job j;
        int closed = rig.nclosed;
        rig_login(&rig);
        s->mute = true;
        rig_job_init(&rig, &j, "select");
        if (i == 0) {
            fault_arm(&rig.fault, FAULT_SEND, 1, FAULT_STICKY, (struct fault_kind){.name = "EPIPE", .error = EPIPE});
            rig_start(&rig, &j);
        } else {
            rig_start(&rig, &j);
            wait_received(&s->peers[0], 1);
            if (i == 1)
                rig_peer_close(&s->peers[0]);
            else if (i == 2)
                rig_peer_reset(&s->peers[0]);
            else
                send_error(&s->peers[0], "FATAL", "57P01", "going down");
        }
        rig_run_until(&rig, &rig.nclosed, closed + 1);
        fault_disarm(&rig.fault);
        ck_assert_ptr_eq(rig.closed_job, &j.job);
        ck_assert_int_eq(redw_error_outcome(j.job.error), i ? REDW_OUTCOME_UNKNOWN : REDW_OUTCOME_NOT_SENT);
        ck_assert_int_eq(redw_error_class(j.job.error), REDW_CLASS_CONNECTION_FAILED);
        ck_assert(!strncmp(redw_error_message(j.job.error), "query: 127.0.0.1:", 17));
        rig_job_fini(&j);
        rig_teardown_servers(&rig);
    }
}
END_TEST

START_TEST(the_servers_last_words_are_heard_although_sending_fails)
{
    struct rig_server *s = rig_listen(&rig, &trusting, NULL);
    struct rig_job j;
    rig_login(&rig);
    rig_job_init(&rig, &j, "select");
    rig_start(&rig, &j); /* corked */
    send_error(&s->peers[0], "FATAL", "57P01", "going down");
    rig_peer_close(&s->peers[0]);
    fault_arm(&rig.fault, FAULT_SEND, 1, FAULT_STICKY, (struct fault_kind){.name = "EPIPE", .error = EPIPE});
    rig_run_until(&rig, &rig.nclosed, 1);
    ck_assert_str_eq(redw_error_sqlstate(j.job.error), "57P01");
    ck_assert_int_eq(redw_error_outcome(j.job.error), REDW_OUTCOME_NOT_SENT);
    rig_job_fini(&j);
}
END_TEST

START_TEST(a_polite_close_says_goodbye_and_an_impolite_one_does_not)
{
    for (int politely = 0; politely < 2; politely++) {
        struct rig_server *s = rig_listen(&rig, &trusting, NULL);
        rig_login(&rig);
        redwi_conn_close(rig.conn, politely);
        ck_assert_int_eq(rig.conn->state, REDWI_CONN_CLOSED);
        redwi_conn_free(rig.conn);
        rig.conn = NULL;
        while (!s->peers[0].saw_end)
            rig_run(&rig, 1);
        ck_assert(s->peers[0].peer.terminated == politely);
        rig_teardown_servers(&rig);
    }
}
END_TEST

START_TEST(a_unit_that_was_not_sent_is_not_sent_by_a_close)
{
    struct rig_server *s = rig_listen(&rig, &trusting, NULL);
    struct rig_job j;
    rig_login(&rig);
    size_t received = s->peers[0].received;
    rig_job_init(&rig, &j, "select");
    rig_start(&rig, &j);
    ck_assert_int_eq(redwi_session_outcome(rig.conn->session, &j.job), REDW_OUTCOME_NOT_SENT);
    redwi_conn_close(rig.conn, true);
    while (!s->peers[0].saw_end)
        rig_run(&rig, 1);
    ck_assert_uint_eq(s->peers[0].received, received);
    ck_assert_ptr_null(j.job.conn);
}
END_TEST

START_TEST(an_idle_connection_does_not_keep_the_loop_running)
{
    rig_listen(&rig, &trusting, NULL);
    rig_login(&rig);
    ck_assert_int_eq(rig.probe.holds, 0);
    ck_assert_int_eq(rig.probe.ios, 1);
    ck_assert_int_eq(rig.probe.timers, 0);
    ck_assert_int_eq(rig.probe.turns_requested, 0);
}
END_TEST

/* --- TLS ----------------------------------------------------------------------------------------- */

static struct cert *ca, *leaf;
static struct tls_peer_config tls_server;

static void tls_setup(void)
{
    setup();
    ca = cert_make(&(struct cert_spec){.ca = true, .cn = "Test CA"});
    leaf = cert_make(&(struct cert_spec){.issuer = ca});
    tls_server = (struct tls_peer_config){.cert = leaf};
    cert_write(cert_path("ca.crt"), NULL, ca, NULL);
}

static void tls_teardown(void)
{
    teardown();
    cert_free(ca);
    cert_free(leaf);
}

static struct rig_server *listen_tls(void)
{
    struct peer_config config = trusting;
    config.tls = true;
    struct rig_server *s = rig_listen(&rig, &config, &tls_server);
    rig_target(&rig, "localhost", s->port);
    rig.naddrs = 0;
    add_address("127.0.0.1", s->port);
    if (!rig.tls)
        rig_use_tls(&rig, REDWI_TLS_VERIFY_FULL, cert_path("ca.crt"));
    return s;
}

START_TEST(units_run_inside_tls)
{
    struct rig_job j;
    struct rig_server *s = listen_tls();
    rig_login(&rig);
    ck_assert_str_eq(tls_peer_sni(s->peers[0].tls), "localhost");
    for (int i = 0; i < 3; i++) {
        run_job(&j, "select");
        ck_assert_str_eq(j.text, ALL_ROWS);
        tls_peer_key_update(s->peers[0].tls, true);
        tls_peer_ticket(s->peers[0].tls);
        rig_peer_send(&s->peers[0], "", 0);
        rig_run(&rig, 3);
    }
    redwi_conn_close(rig.conn, true);
    while (!s->peers[0].saw_end)
        rig_run(&rig, 1);
    ck_assert(s->peers[0].peer.terminated);
    ck_assert(tls_peer_ended(s->peers[0].tls));
}
END_TEST

START_TEST(a_password_login_binds_to_the_channel)
{
    static char password[] = "secret";
    uint8_t end_point[EVP_MAX_MD_SIZE];
    unsigned n;
    struct peer_config config = trusting;
    X509_digest(leaf->x509, EVP_sha256(), end_point, &n);
    config.tls = true;
    config.password = rig.settings.password = password;
    config.end_point = end_point;
    config.end_point_len = n;
    config.plus_only = true;
    struct rig_server *s = rig_listen(&rig, &config, &tls_server);
    rig_use_tls(&rig, REDWI_TLS_VERIFY_FULL, cert_path("ca.crt"));
    rig_login(&rig);
    ck_assert(s->peers[0].peer.plus_used);
}
END_TEST

START_TEST(all_of_a_burst_of_records_is_read_although_the_socket_is_silent_then)
{
    struct rig_server *s = listen_tls();
    struct rig_job j;
    s->slow = false;
    rig_login(&rig);
    run_job(&j, "thousand");
    ck_assert_int_eq(j.nrows, 1000);
}
END_TEST

START_TEST(a_paused_tls_connection_goes_on_with_what_was_decrypted)
{
    struct rig_job j;
    listen_tls();
    rig_login(&rig);
    rig_job_init(&rig, &j, "thousand");
    j.batch = 300;
    j.flow[1] = REDWI_JOB_PAUSE;
    j.flow[2] = REDWI_JOB_PAUSE;
    rig_start(&rig, &j);
    for (int i = 0; i < 2; i++) {
        while (!rig.conn->paused)
            rig_run(&rig, 1);
        rig_run(&rig, 3);
        redwi_conn_resume(rig.conn);
    }
    rig_run_until(&rig, &rig.nended, 1);
    ck_assert_int_eq(j.nrows, 1000);
}
END_TEST

START_TEST(byte_by_byte_through_tls)
{
    struct rig_job j;
    struct rig_server *s = listen_tls();
    s->slow = true;
    rig_login(&rig);
    run_job(&j, "select");
    ck_assert_str_eq(j.text, ALL_ROWS);
}
END_TEST

START_TEST(a_certificate_for_somebody_else_is_refused)
{
    struct rig_server *s = listen_tls();
    rig_target(&rig, "other.test", s->port);
    ck_assert_int_eq(rig_connect(&rig, 5000), 0);
    rig_run_until(&rig, &rig.nclosed, 1);
    expect_why(REDW_ETLS, "connect: 127.0.0.1:", "");
    ck_assert_ptr_nonnull(strstr(redw_error_message(rig.why), "not for \"other.test\""));
    ck_assert_int_eq(redw_error_origin(rig.why), REDW_ORIGIN_TLS);
    rig_run(&rig, 5);
    ck_assert(tls_peer_failed(s->peers[0].tls)); /* and the server is told by an alert */
    ck_assert_str_eq(s->peers[0].peer.user, "");
}
END_TEST

START_TEST(a_host_that_no_certificate_can_be_for_is_refused)
{
    struct rig_server *s = listen_tls();
    rig_target(&rig, ".test", s->port);
    ck_assert_int_eq(rig_connect(&rig, 5000), 0);
    rig_run_until(&rig, &rig.nclosed, 1);
    expect_why(REDW_ETLS, "connect: 127.0.0.1:", "no certificate can be for this host name");
}
END_TEST

START_TEST(a_server_without_tls_is_refused_and_gets_no_startup_packet)
{
    struct rig_server *s = rig_listen(&rig, &trusting, NULL);
    rig_use_tls(&rig, REDWI_TLS_REQUIRE, NULL);
    ck_assert_int_eq(rig_connect(&rig, 5000), 0);
    rig_run_until(&rig, &rig.nclosed, 1);
    expect_why(REDW_ETLS, "connect: 127.0.0.1:", "server does not offer TLS");
    ck_assert_uint_eq(s->peers[0].received, 8);
}
END_TEST

START_TEST(settings_that_ask_for_tls_are_never_served_without)
{
    rig_listen(&rig, &trusting, NULL);
    rig.settings.tls_mode = REDWI_TLS_REQUIRE;
    ck_assert_int_eq(rig_connect(&rig, 5000), REDW_EINVAL);
}
END_TEST

START_TEST(a_silent_server_is_left_at_the_deadline_in_the_handshake_too)
{
    struct rig_server *s = listen_tls();
    ck_assert_int_eq(rig_connect(&rig, 30), 0);
    while (rig.conn && (!s->naccepted || !s->peers[0].received))
        rig_run(&rig, 1);
    s->mute = true;
    rig_run_until(&rig, &rig.nclosed, 1);
    expect_why(REDW_ETIMEDOUT, "connect: 127.0.0.1:", " ms");
}
END_TEST

START_TEST(tls_that_is_cut_in_the_middle_is_an_error_but_an_idle_close_is_just_a_close)
{
    for (int i = 0; i < 4; i++) {
        struct rig_server *s = listen_tls();
        struct rig_job j;
        int closed = rig.nclosed;
        rig_job_init(&rig, &j, "select");
        if (i == 3) { /* in the handshake */
            ck_assert_int_eq(rig_connect(&rig, 5000), 0);
            while (!s->naccepted || !s->peers[0].sent_any)
                rig_run(&rig, 1);
            s->mute = true;
            rig_peer_close(&s->peers[0]);
        } else {
            rig_login(&rig);
            s->mute = true;
            if (i > 0) {
                rig_start(&rig, &j);
                wait_received(&s->peers[0], 1);
            }
            if (i == 2) /* properly ended, but in the middle */
                tls_peer_close(s->peers[0].tls);
            rig_peer_send(&s->peers[0], "", 0);
            rig_peer_close(&s->peers[0]);
        }
        rig_run_until(&rig, &rig.nclosed, closed + 1);
        if (i == 0)
            expect_why(REDW_ECONNECT, "idle connection: ", ": the server closed the connection");
        else if (i == 2)
            expect_why(REDW_ECONNECT, "query: ", ": the server closed the connection");
        else if (i == 1)
            expect_why(REDW_ECONNECT, "query: ", "the server did not end TLS properly");
        else
            expect_why(REDW_ECONNECT, "connect: ", "the server closed in the TLS handshake");
        rig_job_fini(&j);
        rig_teardown_servers(&rig);
    }
}
END_TEST

/* --- side connections ---------------------------------------------------------------------------- */

START_TEST(a_side_connection_sends_the_key_to_the_same_address_and_reports_no_error)
{
    for (int tls = 0; tls < 2; tls++) {
        struct rig_job j;
        struct rig_server *s = tls ? listen_tls() : rig_listen(&rig, &trusting, NULL);
        int closed = rig.nside_closed, lookups = rig.lookups;
        rig_login(&rig);
        s->mute = true;
        rig_job_init(&rig, &j, "select");
        rig_start(&rig, &j);
        wait_received(&s->peers[0], 1);
        s->mute = false;
        rig.naddrs = 0; /* the name would not be found any more */
        ck_assert_int_eq(rig_cancel(&rig, 5000), 0);
        rig_run_until(&rig, &rig.nside_closed, closed + 1);
        ck_assert_ptr_null(rig.side_why);
        struct peer *p = &rig_peer_of(s, 1)->peer;
        ck_assert(p->cancelled);
        ck_assert_uint_eq(p->cancel_pid, PEER_PID);
        ck_assert_mem_eq(p->cancel_key, peer_key, sizeof peer_key);
        ck_assert(p->tls_wanted == (tls == 1));
        ck_assert_int_eq(rig.lookups, lookups + tls);
        redwi_conn_close(rig.conn, false);
        redwi_conn_free(rig.conn);
        rig.conn = NULL;
        rig_teardown_servers(&rig);
    }
}
END_TEST

START_TEST(a_side_connection_that_fails_says_why)
{
    struct rig_server *s = rig_listen(&rig, &trusting, NULL);
    rig_login(&rig);
    s->mute = true; /* takes the request and does not close */
    ck_assert_int_eq(rig_cancel(&rig, 10), 0);
    rig_run_until(&rig, &rig.nside_closed, 1);
    ck_assert_int_eq(redw_error_code(rig.side_why), REDW_ETIMEDOUT);
    ck_assert(!strncmp(redw_error_message(rig.side_why), "cancel: 127.0.0.1:", 18));

    fault_arm(&rig.fault, FAULT_SEND, 1, FAULT_ONCE, (struct fault_kind){.name = "EPIPE", .error = EPIPE});
    ck_assert_int_eq(rig_cancel(&rig, 5000), 0);
    rig_run_until(&rig, &rig.nside_closed, 2);
    ck_assert_int_eq(redw_error_errno(rig.side_why), EPIPE);

    ev_io_stop(rig.ev, &s->accept);
    close(s->fd);
    s->fd = -1;
    ck_assert_int_eq(rig_cancel(&rig, 5000), 0);
    rig_run_until(&rig, &rig.nside_closed, 3);
    ck_assert_int_eq(redw_error_errno(rig.side_why), ECONNREFUSED);
    ck_assert_int_eq(rig.conn->state, REDWI_CONN_IDLE);
}
END_TEST

START_TEST(a_side_connection_outlives_the_one_it_cancels)
{
    struct rig_server *s = rig_listen(&rig, &trusting, NULL);
    rig_login(&rig);
    ck_assert_int_eq(rig_cancel(&rig, 5000), 0);
    redwi_conn_close(rig.conn, false);
    redwi_conn_free(rig.conn);
    rig.conn = NULL;
    rig_run_until(&rig, &rig.nside_closed, 1);
    ck_assert_ptr_null(rig.side_why);
    ck_assert(rig_peer_of(s, 1)->peer.cancelled);
}
END_TEST

START_TEST(a_reset_after_the_cancel_was_sent_is_success_too)
{
    struct rig_server *s = rig_listen(&rig, &trusting, NULL);
    rig_login(&rig);
    s->mute = true;
    ck_assert_int_eq(rig_cancel(&rig, 5000), 0);
    while (s->naccepted < 2 || !s->peers[1].received)
        rig_run(&rig, 1);
    rig_peer_reset(&s->peers[1]);
    rig_run_until(&rig, &rig.nside_closed, 1);
    ck_assert_ptr_null(rig.side_why);
}
END_TEST

START_TEST(states_have_names)
{
    for (int s = REDWI_CONN_DIALING; s <= REDWI_CONN_CLOSED; s++)
        for (int t = REDWI_CONN_DIALING; t < s; t++)
            ck_assert_str_ne(redwi_conn_state_name((enum redwi_conn_state)s),
                             redwi_conn_state_name((enum redwi_conn_state)t));
    ck_assert_str_eq(redwi_conn_state_name((enum redwi_conn_state)99), "unknown");
}
END_TEST

#define ADD(tests, test) tcase_add_test(tests, test)

int main(void)
{
    Suite *suite = suite_create("conn");
    TCase *dial = tcase_create("dial"), *units = tcase_create("units"), *tls = tcase_create("tls");
    tcase_add_checked_fixture(dial, setup, teardown);
    tcase_add_checked_fixture(units, setup, teardown);
    tcase_add_checked_fixture(tls, tls_setup, tls_teardown);
    tcase_set_timeout(units, 20);
    tcase_set_timeout(tls, 20);
    ADD(dial, a_refused_connection_says_who_refused_and_when);
    ADD(dial, addresses_are_tried_in_turn_until_one_answers);
    ADD(dial, when_all_addresses_fail_the_last_is_told);
    ADD(dial, a_silent_address_leaves_time_for_the_others);
    ADD(dial, the_deadline_ends_dialling);
    ADD(dial, the_deadline_ends_a_look_up);
    ADD(dial, a_deadline_in_the_past_tries_nothing);
    ADD(dial, a_name_without_address_says_so);
    ADD(dial, a_connection_can_be_closed_at_every_step_of_its_opening);
    ADD(dial, sockets_have_keepalive_user_timeout_and_no_delay);
    ADD(dial, a_unix_socket_is_dialled_by_its_directory);
    ADD(dial, a_unix_socket_with_a_full_queue_is_tried_again);
    ADD(dial, a_path_too_long_for_a_unix_socket_is_a_clear_error);
    ADD(units, login_sends_who_we_are_and_ends_idle);
    ADD(units, a_costly_password_exchange_leaves_the_loop_its_turns_and_obeys_the_deadline);
    ADD(units, a_server_that_says_nothing_is_left_at_the_deadline);
    ADD(units, a_refused_login_is_the_servers_own_word);
    ADD(units, a_server_that_closes_during_login_is_told);
    ADD(units, units_run_one_after_another);
    ADD(units, a_failing_unit_has_the_servers_error_and_its_rows);
    ADD(units, the_first_error_of_a_job_stays);
    ADD(units, a_statement_that_leaves_a_transaction_open_costs_the_connection);
    ADD(units, a_unit_may_be_started_from_inside_ready_and_ended);
    ADD(units, a_long_statement_goes_out_in_parts_while_the_server_does_not_read);
    ADD(units, a_server_that_sends_byte_by_byte_is_understood);
    ADD(units, one_wake_up_parses_a_bounded_part_of_a_fast_stream);
    ADD(units, a_paused_connection_reads_nothing_and_goes_on_where_it_was);
    ADD(units, rows_not_taken_before_a_pause_come_again);
    ADD(units, what_a_server_said_before_it_died_is_read_after_the_pause);
    ADD(units, stop_hands_the_job_to_the_owner_and_drains_the_rest);
    ADD(units, drain_ends_the_job_with_its_own_error_when_the_unit_has_ended);
    ADD(units, a_corrupt_row_costs_the_connection);
    ADD(units, a_job_that_takes_no_row_and_wants_more_does_not_hang_the_loop);
    ADD(units, an_abandoned_jobs_answers_are_dropped_and_the_connection_lives);
    ADD(units, a_paused_job_can_be_abandoned);
    ADD(units, an_abandoned_unit_that_does_not_end_costs_the_connection);
    ADD(units, a_limited_job_is_closed_with_its_connection);
    ADD(units, a_limit_ends_with_the_unit);
    ADD(units, a_connection_may_be_closed_inside_every_callback);
    ADD(units, a_job_may_be_abandoned_inside_each_of_its_callbacks);
    ADD(units, closed_may_be_answered_by_closing);
    ADD(units, the_end_of_an_idle_connection_is_seen_at_once);
    ADD(units, a_lost_connection_tells_the_job_what_is_known_of_its_statement);
    ADD(units, the_servers_last_words_are_heard_although_sending_fails);
    ADD(units, a_polite_close_says_goodbye_and_an_impolite_one_does_not);
    ADD(units, a_unit_that_was_not_sent_is_not_sent_by_a_close);
    ADD(units, an_idle_connection_does_not_keep_the_loop_running);
    ADD(units, a_side_connection_that_fails_says_why);
    ADD(units, a_side_connection_outlives_the_one_it_cancels);
    ADD(units, a_reset_after_the_cancel_was_sent_is_success_too);
    ADD(units, states_have_names);
    ADD(tls, units_run_inside_tls);
    ADD(tls, a_password_login_binds_to_the_channel);
    ADD(tls, all_of_a_burst_of_records_is_read_although_the_socket_is_silent_then);
    ADD(tls, a_paused_tls_connection_goes_on_with_what_was_decrypted);
    ADD(tls, byte_by_byte_through_tls);
    ADD(tls, a_certificate_for_somebody_else_is_refused);
    ADD(tls, a_host_that_no_certificate_can_be_for_is_refused);
    ADD(tls, a_server_without_tls_is_refused_and_gets_no_startup_packet);
    ADD(tls, settings_that_ask_for_tls_are_never_served_without);
    ADD(tls, a_silent_server_is_left_at_the_deadline_in_the_handshake_too);
    ADD(tls, tls_that_is_cut_in_the_middle_is_an_error_but_an_idle_close_is_just_a_close);
    ADD(tls, a_side_connection_sends_the_key_to_the_same_address_and_reports_no_error);
    suite_add_tcase(suite, dial);
    suite_add_tcase(suite, units);
    suite_add_tcase(suite, tls);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
