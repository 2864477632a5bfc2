/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections through TLS, and side connections, which cancel.
 */
#include "pool/drive.h"
#include "support/conn_stand.h"
#include "wire/be_write.h"
#include "wire/mem.h"

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

/* O04 */
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
    ck_assert_int_eq(stand_connect(&stand, 250), 0);
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
            stand_expect_why(&stand, REDW_ECONNECT, i == 1 ? "query: " : "connect: ",
                             i == 1 ? "the server did not end TLS properly"
                                    : "the server closed in the TLS handshake");
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

static void let_go(void)
{
    redwi_conn_close(stand.conn, false);
    redwi_conn_free(stand.conn);
    stand.conn = NULL;
}

START_TEST(a_result_in_one_byte_records_between_new_keys_and_tickets_is_whole)
{
    struct stand_server *s = listen_tls();
    s->record = 1;
    for (int chatters = 0; chatters <= 1; chatters++) {
        struct stand_job j;
        s->chatters = chatters;
        stand_login(&stand);
        stand_run_job(&stand, &j, "select");
        ck_assert_str_eq(j.text, STAND_ALL_ROWS);
        stand_run_job(&stand, &j, "fails");
        ck_assert_ptr_nonnull(j.job.error);
        stand_job_fini(&j);
        let_go();
    }
}
END_TEST

/* O04 */
START_TEST(more_than_twenty_records_of_one_segment_are_read_at_once)
{
    struct stand_server *s = listen_tls();
    struct stand_job j;
    stand_login(&stand);
    s->record = 300;
    s->chatters = true;
    stand_run_job(&stand, &j, "thousand");
    ck_assert_int_eq(j.nrows, 1000); /* of 12 bytes at least: 40 records */
}
END_TEST

START_TEST(an_end_without_close_notify_in_the_middle_of_rows_is_an_error)
{
    struct stand_server *s = listen_tls();
    const struct redwi_field field = {.name = {"a", 1}, .type_oid = 25, .type_size = -1, .typmod = -1};
    const redw_slice cell = {"one", 3};
    struct redwi_buf b;
    struct stand_job j;
    stand_login(&stand);
    s->mute = true;
    stand_job_init(&stand, &j, "select");
    stand_start(&stand, &j);
    stand_wait_received(&s->peers[0], 1);
    redwi_buf_init(&b, &redwi_malloc, 1000);
    redwi_be_put_simple(&b, '1');
    redwi_be_put_simple(&b, '2');
    redwi_be_put_row_description(&b, &field, 1);
    redwi_be_put_data_row(&b, &cell, 1);
    redwi_be_put_command_complete(&b, "SELECT 1"); /* all but ReadyForQuery: not a success yet */
    stand_peer_send(&s->peers[0], redwi_buf_front(&b), redwi_buf_len(&b));
    redwi_buf_free(&b);
    stand_peer_close(&s->peers[0]);
    stand_run_until(&stand, &stand.nclosed, 1);
    stand_expect_why(&stand, REDW_ECONNECT, "query: ", "the server did not end TLS properly");
    ck_assert_int_eq(j.nrows, 1);
    ck_assert_int_eq(redw_error_outcome(j.job.error), REDW_OUTCOME_UNKNOWN);
    stand_job_fini(&j);
}
END_TEST

/* A18 */
START_TEST(bytes_before_the_handshake_are_fatal_and_never_shown)
{
    /* A man in the middle answers SSLRequest: what he adds must not count as said inside TLS, nor be read
     * to the user (CVE-2021-23222, CVE-2024-10977). */
    static const char fake[] = "E\0\0\0\x1aSFATAL\0MCall +1 555\0\0";
    static const struct {
        const char *first; /* to SSLRequest */
        bool then;         /* the rest only once the ClientHello has come */
        const char *says;
    } cases[] = {
        {"S", false, "unencrypted bytes behind the server's answer to the request for TLS"},
        {"S", true, "TLS handshake: wrong version number"},
        {"", false, "server answered the request for TLS with something else"},
        {"N", false, "server does not offer TLS"},
        {"X", false, "server answered the request for TLS with something else"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
        char bytes[64];
        size_t n = strlen(cases[i].first);
        int closed = stand.nclosed;
        if (!stand.tls)
            stand_use_tls(&stand, REDWI_TLS_REQUIRE, NULL);
        s->mute = true;
        ck_assert_int_eq(stand_connect(&stand, 5000), 0);
        while (!s->naccepted || s->peers[0].received < 8)
            stand_run(&stand, 1);
        memcpy(bytes, cases[i].first, n);
        memcpy(bytes + n, fake, sizeof fake);
        stand_peer_send(&s->peers[0], bytes, cases[i].then ? n : n + sizeof fake);
        if (cases[i].then) {
            stand_wait_received(&s->peers[0], 100);
            stand_peer_send(&s->peers[0], fake, sizeof fake);
        } else {
            ck_assert_uint_eq(s->peers[0].received, 8);
        }
        stand_run_until(&stand, &stand.nclosed, closed + 1);
        stand_expect_why(&stand, REDW_ETLS, "connect: 127.0.0.1:", cases[i].says);
        ck_assert_ptr_null(strstr(redw_error_message(stand.why), "Call +1"));
        stand_teardown_servers(&stand);
    }
}
END_TEST

/* A17 */
START_TEST(direct_tls_says_nothing_in_clear)
{
    struct peer_config config = stand_trusting;
    struct stand_job j;
    tls_server.alpn = "postgresql";
    struct stand_server *s = stand_listen(&stand, &config, &tls_server);
    s->direct = true;
    stand_use_tls_of(&stand,
                     &(struct redwi_tls_config){
                         .mode = REDWI_TLS_VERIFY_FULL, .ca_file = cert_path("ca.crt"), .direct = true});
    stand_login(&stand);
    ck_assert(!s->peers[0].peer.tls_wanted); /* nobody asked */
    stand_run_job(&stand, &j, "select");
    ck_assert_str_eq(j.text, STAND_ALL_ROWS);
    ck_assert_int_eq(stand_cancel(&stand, 5000), 0); /* the same way */
    stand_run_until(&stand, &stand.nside_closed, 1);
    ck_assert_ptr_null(stand.side_why);
    ck_assert(stand_peer_of(s, 1)->peer.cancelled);
}
END_TEST

START_TEST(a_session_of_direct_tls_takes_no_byte_before_the_handshake)
{
    for (int asked_first = 0; asked_first <= 1; asked_first++) {
        struct redwi_session *s;
        struct redwi_ev ev;
        size_t n;
        const struct redwi_session_config config = {
            .mem = &redwi_malloc, .startup = {.user = "u", .database = "d", .application_name = "a"}, .tls = true,
            .tls_direct = true};
        ck_assert_int_eq(redwi_session_create(&s, &config), 0);
        ck_assert_int_eq(redwi_session_start(s), 0);
        ck_assert_ptr_null(redwi_session_output(s, &n));
        if (asked_first)
            ck_assert_int_eq(redwi_session_next(s, &ev), REDWI_EV_START_TLS);
        *redwi_session_input(s, &n) = 'S';
        redwi_session_received(s, 1);
        ck_assert_int_eq(redwi_session_next(s, &ev), REDWI_EV_FATAL);
        ck_assert_int_eq(redw_error_code(ev.error), REDW_ETLS);
        redw_error_release(ev.error);
        redwi_session_free(s);
    }
}
END_TEST

START_TEST(a_server_without_direct_tls_is_left_with_a_hint)
{
    struct stand_server *s = stand_listen(&stand, &stand_trusting, NULL);
    stand_use_tls_of(&stand, &(struct redwi_tls_config){.mode = REDWI_TLS_REQUIRE, .direct = true});
    s->mute = true;
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    while (!s->naccepted || !s->peers[0].received)
        stand_run(&stand, 1);
    stand_peer_close(&s->peers[0]); /* as PostgreSQL before 17, to whom this is no packet */
    stand_run_until(&stand, &stand.nclosed, 1);
    stand_expect_why(&stand, REDW_ECONNECT, "connect: 127.0.0.1:", "does it know sslnegotiation=direct?");
}
END_TEST

START_TEST(the_name_to_verify_may_be_another_than_the_one_dialled)
{
    static char name[] = "db.example", other[] = "other.example";
    struct cert *db = cert_make(&(struct cert_spec){.issuer = ca, .san = "DNS:db.example"});
    tls_server.cert = db;
    struct stand_server *s = listen_tls();
    stand_target(&stand, "127.0.0.1", s->port); /* the tunnel's end */
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    ck_assert_ptr_nonnull(
        strstr(redw_error_message(stand.why), "not for \"127.0.0.1\"; it is for \"db.example\""));

    stand.settings.tls_name = name;
    stand_login(&stand);
    ck_assert_str_eq(tls_peer_sni(s->peers[1].tls), "db.example");
    let_go();

    stand.settings.tls_name = other;
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    stand_run_until(&stand, &stand.nclosed, 2);
    ck_assert_ptr_nonnull(strstr(redw_error_message(stand.why), "not for \"other.example\""));
    stand_teardown_servers(&stand);
    cert_free(db);
}
END_TEST

START_TEST(a_replaced_ca_file_counts_for_the_next_connection)
{
    struct cert *other = cert_make(&(struct cert_spec){.ca = true, .cn = "Other CA"});
    struct stand_job j;
    listen_tls();
    stand_login(&stand);
    cert_write(cert_path("ca.crt"), NULL, other, NULL);
    stand_run_job(&stand, &j, "select"); /* what is open stays open */
    let_go();
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    stand_run_until(&stand, &stand.nclosed, 1);
    ck_assert_ptr_nonnull(strstr(redw_error_message(stand.why), "not trusted"));

    ck_assert_int_eq(unlink(cert_path("ca.crt")), 0);
    ck_assert_int_eq(stand_connect(&stand, 5000), 0);
    stand_run_until(&stand, &stand.nclosed, 2);
    stand_expect_why(&stand, REDW_ETLS, "connect: 127.0.0.1:", "No such file or directory");
    ck_assert_ptr_nonnull(strstr(redw_error_message(stand.why), cert_path("ca.crt")));
    ck_assert_int_eq(redw_error_outcome(stand.why), REDW_OUTCOME_NOT_SENT);

    cert_write(cert_path("ca.crt"), NULL, ca, NULL);
    stand_login(&stand);
    cert_free(other);
}
END_TEST

START_TEST(a_reconnect_resumes_and_still_binds_the_password_to_the_channel)
{
    static char password[] = "secret";
    uint8_t end_point[EVP_MAX_MD_SIZE];
    unsigned n;
    struct peer_config config = stand_trusting;
    struct tls_peer *like = tls_peer_new(&tls_server);
    const struct tls_peer_config again = {.like = like};
    X509_digest(leaf->x509, EVP_sha256(), end_point, &n);
    config.tls = true;
    config.password = stand.settings.password = password;
    config.end_point = end_point;
    config.end_point_len = n;
    config.plus_only = true;
    struct stand_server *s = stand_listen(&stand, &config, &again);
    stand_use_tls(&stand, REDWI_TLS_VERIFY_FULL, cert_path("ca.crt"));
    for (size_t i = 0; i < 3; i++) {
        struct stand_job j;
        stand_login(&stand);
        stand_run_job(&stand, &j, "select");
        ck_assert_int_eq(tls_peer_resumed(s->peers[i].tls), i > 0);
        ck_assert(s->peers[i].peer.plus_used);
        let_go();
    }
    stand_teardown_servers(&stand);
    tls_peer_free(like);
}
END_TEST

START_TEST(a_client_certificate_is_presented_to_the_server)
{
    struct cert *alice = cert_make(&(struct cert_spec){.cn = "alice", .issuer = ca, .eku = "clientAuth"});
    int n;
    cert_write(cert_path("alice.crt"), cert_path("alice.key"), alice, NULL);
    tls_server.demands_certificate = true;
    stand_use_tls_of(&stand, &(struct redwi_tls_config){.mode = REDWI_TLS_VERIFY_FULL,
                                                        .ca_file = cert_path("ca.crt"),
                                                        .cert_file = cert_path("alice.crt"),
                                                        .key_file = cert_path("alice.key")});
    struct stand_server *s = listen_tls();
    stand_login(&stand);
    ck_assert_str_eq(tls_peer_client(s->peers[0].tls, &n), "alice");
    cert_free(alice);
}
END_TEST

/* --- side connections ---------------------------------------------------------------------------- */

/* K06 */
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
    tcase_add_test(t, a_result_in_one_byte_records_between_new_keys_and_tickets_is_whole);
    tcase_add_test(t, more_than_twenty_records_of_one_segment_are_read_at_once);
    tcase_add_test(t, an_end_without_close_notify_in_the_middle_of_rows_is_an_error);
    tcase_add_test(t, bytes_before_the_handshake_are_fatal_and_never_shown);
    tcase_add_test(t, direct_tls_says_nothing_in_clear);
    tcase_add_test(t, a_session_of_direct_tls_takes_no_byte_before_the_handshake);
    tcase_add_test(t, a_server_without_direct_tls_is_left_with_a_hint);
    tcase_add_test(t, the_name_to_verify_may_be_another_than_the_one_dialled);
    tcase_add_test(t, a_replaced_ca_file_counts_for_the_next_connection);
    tcase_add_test(t, a_reconnect_resumes_and_still_binds_the_password_to_the_channel);
    tcase_add_test(t, a_client_certificate_is_presented_to_the_server);
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
