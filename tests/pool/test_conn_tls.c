/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections through TLS, and side connections, which cancel.
 */
#include "pool/drive.h"
#include "support/conn_stand.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct stand stand;

static struct cert *ca, *leaf;
static struct tls_peer_config tls_server;

static void setup(void)
{
    stand_open(&stand);
    ca = cert_make(&(struct cert_spec){.ca = true, .cn = "Test CA"});
    leaf = cert_make(&(struct cert_spec){.issuer = ca});
    tls_server = (struct tls_peer_config){.cert = leaf};
    cert_write(cert_path("ca.crt"), NULL, ca, NULL);
}

static void teardown(void)
{
    stand_close(&stand);
    cert_free(ca);
    cert_free(leaf);
}

static struct stand_server *listen_tls(void)
{
    struct peer_config config = stand_trusting;
    config.tls = true;
    struct stand_server *s = stand_listen(&stand, &config, &tls_server);
    stand_target(&stand, "localhost", s->port);
    stand.naddrs = 0;
    stand_add_address(&stand, "127.0.0.1", s->port);
    if (!stand.tls)
        stand_use_tls(&stand, REDWI_TLS_VERIFY_FULL, cert_path("ca.crt"));
    return s;
}

START_TEST(units_run_inside_tls)
{
    struct stand_job j;
    struct stand_server *s = listen_tls();
    stand_login(&stand);
    ck_assert_str_eq(tls_peer_sni(s->peers[0].tls), "localhost");
    for (int i = 0; i < 3; i++) {
        stand_run_job(&stand, &j, "select");
        ck_assert_str_eq(j.text, STAND_ALL_ROWS);
        tls_peer_key_update(s->peers[0].tls, true);
        tls_peer_ticket(s->peers[0].tls);
        stand_peer_send(&s->peers[0], "", 0);
        stand_run(&stand, 3);
    }
    redwi_conn_close(stand.conn, true);
    while (!s->peers[0].saw_end)
        stand_run(&stand, 1);
    ck_assert(s->peers[0].peer.terminated);
    ck_assert(tls_peer_ended(s->peers[0].tls));
}
END_TEST

START_TEST(a_password_login_binds_to_the_channel)
{
    static char password[] = "secret";
    uint8_t end_point[EVP_MAX_MD_SIZE];
    unsigned n;
    struct peer_config config = stand_trusting;
    X509_digest(leaf->x509, EVP_sha256(), end_point, &n);
    config.tls = true;
    config.password = stand.settings.password = password;
    config.end_point = end_point;
    config.end_point_len = n;
    config.plus_only = true;
    struct stand_server *s = stand_listen(&stand, &config, &tls_server);
    stand_use_tls(&stand, REDWI_TLS_VERIFY_FULL, cert_path("ca.crt"));
    stand_login(&stand);
    ck_assert(s->peers[0].peer.plus_used);
}
END_TEST

START_TEST(all_of_a_burst_of_records_is_read_although_the_socket_is_silent_then)
{
    struct stand_server *s = listen_tls();
    struct stand_job j;
    s->slow = false;
    stand_login(&stand);
    stand_run_job(&stand, &j, "thousand");
    ck_assert_int_eq(j.nrows, 1000);
}
END_TEST

START_TEST(a_paused_tls_connection_goes_on_with_what_was_decrypted)
{
    struct stand_job j;
    listen_tls();
    stand_login(&stand);
    stand_job_init(&stand, &j, "thousand");
    j.batch = 300;
    j.flow[1] = REDWI_JOB_PAUSE;
    j.flow[2] = REDWI_JOB_PAUSE;
    stand_start(&stand, &j);
    for (int i = 0; i < 2; i++) {
        while (!stand.conn->paused)
            stand_run(&stand, 1);
        stand_run(&stand, 3);
        redwi_conn_resume(stand.conn);
    }
    stand_run_until(&stand, &stand.nended, 1);
    ck_assert_int_eq(j.nrows, 1000);
}
END_TEST

START_TEST(byte_by_byte_through_tls)
{
    struct stand_job j;
    struct stand_server *s = listen_tls();
    s->slow = true;
    stand_login(&stand);
    stand_run_job(&stand, &j, "select");
    ck_assert_str_eq(j.text, STAND_ALL_ROWS);
}
END_TEST

START_TEST(a_certificate_for_somebody_else_is_refused)
{
    struct stand_server *s = listen_tls();
    stand_target(&stand, "other.test", s->port);
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    stand_expect_why(&stand, REDW_ETLS, "connect: 127.0.0.1:", "");
    ck_assert_ptr_nonnull(strstr(redw_error_message(stand.why), "not for \"other.test\""));
    ck_assert_int_eq(redw_error_origin(stand.why), REDW_ORIGIN_TLS);
    stand_run(&stand, 5);
    ck_assert(tls_peer_failed(s->peers[0].tls)); /* and the server is told by an alert */
    ck_assert_str_eq(s->peers[0].peer.user, "");
}
END_TEST

START_TEST(a_host_that_no_certificate_can_be_for_is_refused)
{
    struct stand_server *s = listen_tls();
    stand_target(&stand, ".test", s->port);
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    stand_expect_why(&stand, REDW_ETLS, "connect: 127.0.0.1:", "no certificate can be for this host name");
}
END_TEST

START_TEST(a_server_without_tls_is_refused_and_gets_no_startup_packet)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    stand_use_tls(&stand, REDWI_TLS_REQUIRE, NULL);
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    stand_expect_why(&stand, REDW_ETLS, "connect: 127.0.0.1:", "server does not offer TLS");
    ck_assert_uint_eq(s->peers[0].received, 8);
}
END_TEST

START_TEST(settings_that_ask_for_tls_are_never_served_without)
{
    stand_listen(&stand, &stand_trusting, NULL);
    stand.settings.tls_mode = REDWI_TLS_REQUIRE;
    ck_assert_int_eq(stand_connect(&stand, 5000), REDW_EINVAL);
}
END_TEST

START_TEST(a_silent_server_is_left_at_the_deadline_in_the_handshake_too)
{
    struct stand_server *s = listen_tls();
    ck_assert_int_eq(stand_connect(&stand, 30), 0);
    while (stand.conn && (!s->naccepted || !s->peers[0].received))
        stand_run(&stand, 1);
    s->mute = true;
    stand_run_until(&stand, &stand.nclosed, 1);
    stand_expect_why(&stand, REDW_ETIMEDOUT, "connect: 127.0.0.1:", " ms");
}
END_TEST

START_TEST(tls_that_is_cut_in_the_middle_is_an_error_but_an_idle_close_is_just_a_close)
{
    for (int i = 0; i < 4; i++) {
        struct stand_server *s = listen_tls();
        struct stand_job j;
        int closed = stand.nclosed;
        stand_job_init(&stand, &j, "select");
        if (i == 3) { /* in the handshake */
            ck_assert_int_eq(stand_connect(&stand, 5000), 0);
            while (!s->naccepted || !s->peers[0].sent_any)
                stand_run(&stand, 1);
            s->mute = true;
            stand_peer_close(&s->peers[0]);
        } else {
            stand_login(&stand);
            s->mute = true;
            if (i > 0) {
                stand_start(&stand, &j);
                stand_wait_received(&s->peers[0], 1);
            }
            if (i == 2) /* properly ended, but in the middle */
                tls_peer_close(s->peers[0].tls);
            stand_peer_send(&s->peers[0], "", 0);
            stand_peer_close(&s->peers[0]);
        }
        stand_run_until(&stand, &stand.nclosed, closed + 1);
        if (i == 0)
            stand_expect_why(&stand, REDW_ECONNECT,
                             "idle connection: ", ": the server closed the connection");
        else if (i == 2)
            stand_expect_why(&stand, REDW_ECONNECT, "query: ", ": the server closed the connection");
        else
            stand_expect_why(&stand, REDW_ECONNECT,
                             i == 1 ? "query: " : "connect: ", "the server did not end TLS properly");
        stand_job_fini(&j);
        stand_teardown_servers(&stand);
    }
}
END_TEST

START_TEST(a_fast_stream_through_tls_is_read_to_its_end_in_bounded_parts)
{
    static const size_t cells[] = {40, 5000, 3000000};
    struct stand_server *s = listen_tls();
    stand_login(&stand);
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        struct stand_job j;
        stand_job_init(&stand, &j, "flood");
        stand_start(&stand, &j);
        size_t most = stand_flood(s, &j, cells[i], 6000000);
        ck_assert_uint_ge(j.bytes, 4000000);
        if (cells[i] < 65536)
            ck_assert_uint_le(most, 400000);
    }
}
END_TEST

START_TEST(a_corrupted_record_is_a_tls_error)
{
    struct stand_server *s = listen_tls();
    struct stand_job j;
    stand_login(&stand);
    s->mute = true;
    stand_job_init(&stand, &j, "select");
    stand_start(&stand, &j);
    stand_wait_received(&s->peers[0], 1);
    redwi_buf_bytes(&s->peers[0].out, "\x17\x03\x03\x00\x20 this is not what was agreed on...", 37);
    stand_peer_send(&s->peers[0], "", 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    ck_assert_int_eq(redw_error_code(j.job.error), REDW_ETLS);
    ck_assert_int_eq(redw_error_outcome(j.job.error), REDW_OUTCOME_UNKNOWN);
    stand_job_fini(&j);
}
END_TEST

/* --- side connections ---------------------------------------------------------------------------- */

START_TEST(a_side_connection_sends_the_key_to_the_same_address_and_reports_no_error)
{
    for (int tls = 0; tls < 2; tls++) {
        struct stand_job j;
        struct stand_server *s = tls ? listen_tls() : stand_listen(&stand, &stand_trusting, NULL);
        int closed = stand.nside_closed, lookups = stand.lookups;
        stand_login(&stand);
        s->mute = true;
        stand_job_init(&stand, &j, "select");
        stand_start(&stand, &j);
        stand_wait_received(&s->peers[0], 1);
        s->mute = false;
        stand.naddrs = 0; /* the name would not be found any more */
        ck_assert_int_eq(stand_cancel(&stand, 5000), 0);
        stand_run_until(&stand, &stand.nside_closed, closed + 1);
        ck_assert_ptr_null(stand.side_why);
        struct peer *p = &stand_peer_of(s, 1)->peer;
        ck_assert(p->cancelled);
        ck_assert_uint_eq(p->cancel_pid, PEER_PID);
        ck_assert_mem_eq(p->cancel_key, peer_key, sizeof peer_key);
        ck_assert(p->tls_wanted == (tls == 1));
        ck_assert_int_eq(stand.lookups, lookups + tls);
        redwi_conn_close(stand.conn, false);
        redwi_conn_free(stand.conn);
        stand.conn = NULL;
        stand_teardown_servers(&stand);
    }
}
END_TEST

START_TEST(a_side_connection_that_fails_says_why)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    stand_login(&stand);
    s->mute = true; /* takes the request and does not close */
    ck_assert_int_eq(stand_cancel(&stand, 100), 0);
    stand_run_until(&stand, &stand.nside_closed, 1);
    ck_assert_int_eq(redw_error_code(stand.side_why), REDW_ETIMEDOUT);
    ck_assert(!strncmp(redw_error_message(stand.side_why), "cancel: 127.0.0.1:", 18));

    fault_arm(&stand.fault, FAULT_SEND, 1, FAULT_ONCE, (struct fault_kind){.name = "EPIPE", .error = EPIPE});
    ck_assert_int_eq(stand_cancel(&stand, 5000), 0);
    stand_run_until(&stand, &stand.nside_closed, 2);
    ck_assert_int_eq(redw_error_errno(stand.side_why), EPIPE);

    ev_io_stop(stand.ev, &s->accept);
    close(s->fd);
    s->fd = -1;
    ck_assert_int_eq(stand_cancel(&stand, 5000), 0);
    stand_run_until(&stand, &stand.nside_closed, 3);
    ck_assert_int_eq(redw_error_errno(stand.side_why), ECONNREFUSED);
    ck_assert_int_eq(stand.conn->state, REDWI_CONN_IDLE);
}
END_TEST

START_TEST(a_side_connection_outlives_the_one_it_cancels)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    stand_login(&stand);
    ck_assert_int_eq(stand_cancel(&stand, 5000), 0);
    redwi_conn_close(stand.conn, false);
    redwi_conn_free(stand.conn);
    stand.conn = NULL;
    stand_run_until(&stand, &stand.nside_closed, 1);
    ck_assert_ptr_null(stand.side_why);
    ck_assert(stand_peer_of(s, 1)->peer.cancelled);
}
END_TEST

START_TEST(a_reset_after_the_cancel_was_sent_is_success_too)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    stand_login(&stand);
    s->mute = true;
    ck_assert_int_eq(stand_cancel(&stand, 5000), 0);
    while (s->naccepted < 2 || !s->peers[1].received)
        stand_run(&stand, 1);
    stand_peer_reset(&s->peers[1]);
    stand_run_until(&stand, &stand.nside_closed, 1);
    ck_assert_ptr_null(stand.side_why);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conn tls");
    TCase *t = tcase_create("conn tls");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 20);
    tcase_add_test(t, units_run_inside_tls);
    tcase_add_test(t, a_password_login_binds_to_the_channel);
    tcase_add_test(t, all_of_a_burst_of_records_is_read_although_the_socket_is_silent_then);
    tcase_add_test(t, a_paused_tls_connection_goes_on_with_what_was_decrypted);
    tcase_add_test(t, byte_by_byte_through_tls);
    tcase_add_test(t, a_certificate_for_somebody_else_is_refused);
    tcase_add_test(t, a_host_that_no_certificate_can_be_for_is_refused);
    tcase_add_test(t, a_server_without_tls_is_refused_and_gets_no_startup_packet);
    tcase_add_test(t, settings_that_ask_for_tls_are_never_served_without);
    tcase_add_test(t, a_silent_server_is_left_at_the_deadline_in_the_handshake_too);
    tcase_add_test(t, a_fast_stream_through_tls_is_read_to_its_end_in_bounded_parts);
    tcase_add_test(t, a_corrupted_record_is_a_tls_error);
    tcase_add_test(t, tls_that_is_cut_in_the_middle_is_an_error_but_an_idle_close_is_just_a_close);
    tcase_add_test(t, a_side_connection_sends_the_key_to_the_same_address_and_reports_no_error);
    tcase_add_test(t, a_side_connection_that_fails_says_why);
    tcase_add_test(t, a_side_connection_outlives_the_one_it_cancels);
    tcase_add_test(t, a_reset_after_the_cancel_was_sent_is_success_too);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
