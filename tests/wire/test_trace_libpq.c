/* SPDX-License-Identifier: Apache-2.0 */
/*
 * M06: The trace of a real session: the lines that libpq itself prints of it.
 */
#include "wire/trace_lines.h"
#include "support/pg.h"

#include <check.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A man in the middle who writes down what both sides say. */
struct tap {
    int listener;
    const char *port; /* the server's */
    struct redwi_buf said[2];
    pthread_t thread;
};

static bool pass(int from, int to, struct redwi_buf *said)
{
    uint8_t bytes[8192];
    ssize_t n = recv(from, bytes, sizeof bytes, 0);
    if (n <= 0)
        return false;
    redwi_buf_bytes(said, bytes, (size_t)n);
    return send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n; /* blocking, so all of it or an error */
}

static void *listen_in(void *arg)
{
    struct tap *t = arg;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(t->port, NULL, 10)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int client = accept(t->listener, NULL, NULL), server = socket(AF_INET, SOCK_STREAM, 0);
    if (client >= 0 && connect(server, (struct sockaddr *)&to, sizeof to) == 0) {
        for (;;) {
            struct pollfd fds[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
            if (poll(fds, 2, 30000) <= 0)
                break;
            if (fds[0].revents && !pass(client, server, &t->said[1]))
                break;
            if (fds[1].revents && !pass(server, client, &t->said[0]))
                break;
        }
    }
    close(client);
    close(server);
    return NULL;
}

static unsigned tap_open(struct tap *t, const char *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    *t = (struct tap){.port = port, .listener = socket(AF_INET, SOCK_STREAM, 0), .said = {writer(), writer()}};
    ck_assert_int_eq(bind(t->listener, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(t->listener, 1), 0);
    ck_assert_int_eq(getsockname(t->listener, (struct sockaddr *)&at, &n), 0);
    ck_assert_int_eq(pthread_create(&t->thread, NULL, listen_in, t), 0);
    return ntohs(at.sin_port);
}

static void quiet(void *ctx, const char *text)
{
    (void)ctx;
    (void)text;
}

/* Query, extended query, errors, notices, cursors, COPY, a pipeline: through libpq, traced by libpq. */
static void use_libpq(PGconn *c)
{
    static const char *const values[] = {"7", NULL};
    static const int formats[] = {1, 0};
    static const uint8_t seven[] = {0, 0, 0, 7};
    const char *binary[] = {(const char *)seven, "text\n\xc3\xa4"};
    static const int lengths[] = {4, 0};
    static const Oid types[] = {23, 25};
    static const char *const queries[] = {
        "select 1 as one, null::text as nothing, 'a''b\\c' as \"q u\"",
        "select 1/0",
        "do $$ begin raise notice 'hello %', 'you' using hint = 'none', detail = 'some'; end $$",
        "",
        "select 1; select 2",
        "set application_name = 'traced'",
        "select from pg_class limit 2",
        "listen traced",
        "notify traced, 'payload'",
    };
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++)
        PQclear(PQexec(c, queries[i]));
    PQclear(PQexecParams(c, "select $1::int4, $2::text", 2, types, values, NULL, NULL, 0));
    PQclear(PQexecParams(c, "select $1::int4, $2::text", 2, types, binary, lengths, formats, 1));
    PQclear(PQexecParams(c, "select $1::int4 / 0", 1, types, values, NULL, NULL, 0));
    PQclear(PQexecParams(c, "syntax error", 0, NULL, NULL, NULL, NULL, 0));
    PQclear(PQprepare(c, "s1", "select $1::int4 + 1", 0, NULL));
    PQclear(PQdescribePrepared(c, "s1"));
    PQclear(PQexecPrepared(c, "s1", 1, values, NULL, NULL, 1));
    PQclear(PQdescribePrepared(c, "none"));
    PQclear(PQexec(c, "copy (select 1, 'x') to stdout"));
    char *row;
    while (PQgetCopyData(c, &row, 0) > 0)
        PQfreemem(row);
    PQclear(PQgetResult(c));
    while (PQgetResult(c))
        ck_abort_msg("more results");
    PQclear(PQexec(c, "create temp table t (a int, b text)"));
    PQclear(PQexec(c, "copy t from stdin"));
    ck_assert_int_eq(PQputCopyData(c, "1\tx\n", 4), 1);
    ck_assert_int_eq(PQputCopyEnd(c, "changed my mind"), 1);
    for (PGresult *r; (r = PQgetResult(c)) != NULL;)
        PQclear(r);
    ck_assert_int_eq(PQenterPipelineMode(c), 1);
    ck_assert_int_eq(PQsendQueryParams(c, "select 1", 0, NULL, NULL, NULL, NULL, 0), 1);
    ck_assert_int_eq(PQsendFlushRequest(c), 1);
    ck_assert_int_eq(PQpipelineSync(c), 1);
    for (int nulls = 0; nulls < 2;) {
        PGresult *r = PQgetResult(c);
        nulls = r ? 0 : nulls + 1;
        bool sync = r && PQresultStatus(r) == PGRES_PIPELINE_SYNC;
        PQclear(r);
        if (sync)
            break;
    }
}

/* The lines of one direction, from `from` on; libpq's remarks about itself left out. */
static void direction_of(struct lines *out, const char *text, char direction)
{
    for (const char *end; *text; text = end + 1) {
        end = strchr(text, '\n');
        ck_assert_ptr_nonnull(end);
        if (text[0] != direction || text[1] != '\t')
            continue;
        char line[4096];
        size_t n = (size_t)(end - text);
        ck_assert_uint_lt(n, sizeof line);
        memcpy(line, text, n);
        line[n] = 0;
        add(out, line, n);
    }
}

/* libpq has no name for CopyData and does not trace what it receives of it, and its trace begins only when
 * somebody is logged in. */
static void as_libpq(struct lines *out, const struct lines *ours)
{
    const char *text = ours->text, *login = strstr(text, "ReadyForQuery\t I\n");
    if (text[0] == 'F') { /* the last answer to the login */
        for (const char *at = text; (at = strstr(at, "PasswordMessage")) != NULL; at++)
            login = at;
    }
    ck_assert_ptr_nonnull(login);
    for (const char *at = strchr(login, '\n') + 1, *end; *at; at = end + 1) {
        end = strchr(at, '\n');
        size_t n = (size_t)(end - at), copy = strlen("CopyData");
        char line[4096];
        ck_assert_uint_lt(n, sizeof line);
        if (n > copy && memcmp(end - copy, "CopyData", copy) == 0) {
            if (*at == 'B')
                continue;
            n -= copy;
        }
        memcpy(line, at, n);
        line[n] = 0;
        add(out, line, n);
    }
}

START_TEST(the_lines_of_a_session_are_those_of_libpq)
{
    const struct pg_server *pg = pg_server();
    struct tap tap;
    char uri[512], *theirs = NULL;
    size_t size = 0;
    snprintf(uri, sizeof uri,
             "hostaddr=127.0.0.1 port=%u user=%s password=%s dbname=%s sslmode=disable gssencmode=disable",
             tap_open(&tap, pg->port), "plain", pg->password, pg->database);
    PGconn *c = PQconnectdb(uri);
    ck_assert_msg(PQstatus(c) == CONNECTION_OK, "%s", PQerrorMessage(c));
    PQsetNoticeProcessor(c, quiet, NULL);
    FILE *f = open_memstream(&theirs, &size);
    ck_assert_ptr_nonnull(f);
    PQtrace(c, f);
    PQsetTraceFlags(c, PQTRACE_SUPPRESS_TIMESTAMPS);
    use_libpq(c);
    PQfinish(c); /* Terminate is traced, too */
    fclose(f);
    pthread_join(tap.thread, NULL);
    close(tap.listener);

    for (int side = 0; side < 2; side++) {
        struct redwi_trace t;
        struct lines ours = {0}, want = {0}, got = {0};
        redwi_trace_init(&t, side, true, add, &ours);
        redwi_trace_feed(&t, redwi_buf_front(&tap.said[side]), redwi_buf_len(&tap.said[side]));
        redwi_trace_end(&t);
        ck_assert_ptr_null(strstr(ours.text, "malformed"));
        ck_assert_ptr_null(strstr(ours.text, "Unknown"));
        ck_assert_ptr_null(strstr(ours.text, pg->password));
        as_libpq(&got, &ours);
        direction_of(&want, theirs, side ? 'F' : 'B');
        ck_assert_uint_gt(want.count, 40);
        const char *g = got.text, *w = want.text;
        for (size_t line = 0; *g && *w; line++) { /* one at a time: all of it would be too long to be printed */
            size_t gn = strcspn(g, "\n"), wn = strcspn(w, "\n");
            ck_assert_msg(gn == wn && memcmp(g, w, gn) == 0, "line %zu: %.*s, but libpq: %.*s", line, (int)gn, g,
                          (int)wn, w);
            g += gn + 1;
            w += wn + 1;
        }
        ck_assert_msg(!*g && !*w, "lines missing: %s%s", g, w);
        printf("%zu lines %s the server, as libpq traces them\n", got.count, side ? "to" : "from");
        clear(&ours);
        clear(&want);
        clear(&got);
        redwi_buf_free(&tap.said[side]);
    }
    free(theirs);
}
END_TEST

int main(void)
{
    (void)pg_server(); /* before the tests fork */
    Suite *s = suite_create("trace_libpq");
    TCase *t = tcase_create("trace_libpq");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_lines_of_a_session_are_those_of_libpq);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
