/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limit: what the same bytes cost a client that has none of a driver's duties.
 *
 *   --kind drain   receives and discards
 *   --kind scan    walks message and column headers
 *   --kind view    fills an array of column views, bounds checked, and calls back for each row, where
 *                  the values are consumed as --consume says
 *
 * On libev (one recv per callback, level-triggered) or blocking. --work ping: one query at a time.
 * --work flight: --inflight N of them, a Sync each, refilled in one send when half have been answered.
 */
#include "consume.h"

#include <arpa/inet.h>
#include <err.h>
#include <ev.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define BUFFER_BYTES ((size_t)256 << 10)
#define READY_BYTES 6

struct cell {
    const char *ptr;
    size_t len;
};

struct reader;
typedef bool feed_fn(struct reader *r); /* true: the answer is complete */
typedef void row_fn(struct reader *r, const struct cell *cells, size_t n);

struct reader {
    struct bench_args args;
    ev_io io; /* first: the callback casts */
    int fd;
    SSL *ssl;
    uint8_t *buffer;
    size_t len;
    feed_fn *feed;
    row_fn *on_row;
    struct cell cells[SHAPE_COLUMNS_MAX];
    uint32_t oids[SHAPE_COLUMNS_MAX];
    uint8_t query[512];
    size_t query_len;
    uint64_t rows, checksum;
    uint64_t left;     /* pings to go */
    uint8_t *flight;   /* as many queries as may be outstanding, one behind the other; NULL: one at a time */
    uint64_t flying, answers;
    int64_t asked_ns;
};

static uint32_t be32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, 4);
    return ntohl(v);
}

static unsigned be16(const uint8_t *p)
{
    return (unsigned)(p[0] << 8 | p[1]);
}

/* Reading ----------------------------------------------------------------------------------------- */

/* The end is a ReadyForQuery at the end of what came; no value of the shapes looks like one. */
static bool feed_drain(struct reader *r)
{
    static const uint8_t ready[READY_BYTES] = {'Z', 0, 0, 0, 5, 'I'};
    uint8_t *tail = r->buffer + r->len - READY_BYTES;

    if (r->len < READY_BYTES)
        return false;
    if (memcmp(tail, ready, READY_BYTES) == 0) {
        r->len = 0;
        return true;
    }
    memmove(r->buffer, tail, READY_BYTES);
    r->len = READY_BYTES;
    return false;
}

static void scan_row(struct reader *r, const uint8_t *p, const uint8_t *end)
{
    unsigned n = be16(p);

    for (p += 2; n > 0; n--)
        p += 4 + be32(p);
    if (p != end)
        errx(1, "a row does not end where its message does");
    r->rows++;
}

/* The cells of a DataRow: exactly n of them, ending exactly at its end. */
static bool parse_row(const uint8_t *p, const uint8_t *end, struct cell *cells, size_t n)
{
    size_t left = (size_t)(end - p);

    if (left < 2 || be16(p) != n)
        return false;
    p += 2;
    left -= 2;
    for (const struct cell *last = cells + n; cells < last; cells++) {
        uint32_t len;

        if (left < 4)
            return false;
        len = be32(p);
        p += 4;
        left -= 4;
        if (len > left) {
            if (len != UINT32_MAX)
                return false;
            *cells = (struct cell){.ptr = NULL};
            continue;
        }
        *cells = (struct cell){.ptr = (const char *)p, .len = len};
        p += len;
        left -= len;
    }
    return left == 0;
}

static void view_row(struct reader *r, const uint8_t *p, const uint8_t *end)
{
    if (!parse_row(p, end, r->cells, r->args.shape->ncolumns))
        errx(1, "a malformed row");
    r->rows++;
    r->on_row(r, r->cells, r->args.shape->ncolumns);
}

typedef void message_fn(struct reader *r, const uint8_t *p, const uint8_t *end);

/* The walk over messages; `row` is a constant where this is inlined. */
static inline bool feed_messages(struct reader *r, message_fn *row)
{
    const uint8_t *p = r->buffer, *end = p + r->len;
    bool done = false;

    while (end - p >= 5) {
        size_t len = be32(p + 1);

        if (len < 4 || len >= BUFFER_BYTES)
            errx(1, "a malformed message");
        if ((size_t)(end - p) < 1 + len)
            break;
        if (p[0] == 'D')
            row(r, p + 5, p + 1 + len);
        else if (p[0] == 'Z') {
            done = true;
            r->answers++;
        }
        else if (p[0] == 'E')
            errx(1, "the server refused");
        p += 1 + len;
    }
    r->len = (size_t)(end - p);
    memmove(r->buffer, p, r->len);
    return done;
}

static bool feed_scan(struct reader *r)
{
    return feed_messages(r, scan_row);
}

static bool feed_view(struct reader *r)
{
    return feed_messages(r, view_row);
}

static void touch_row(struct reader *r, const struct cell *cells, size_t n)
{
    uint64_t sum = r->checksum;

    for (size_t i = 0; i < n; i++)
        sum = checksum_touch(sum, cells[i].ptr, cells[i].len);
    r->checksum = sum;
}

static void decode_row(struct reader *r, const struct cell *cells, size_t n)
{
    uint64_t sum = r->checksum;
    bool binary = r->args.binary;

    for (size_t i = 0; i < n; i++)
        sum = consume_decoded(sum, r->oids[i], binary, cells[i].ptr, cells[i].len);
    r->checksum = sum;
}

static void hash_row(struct reader *r, const struct cell *cells, size_t n)
{
    for (size_t i = 0; i < n; i++)
        r->checksum = checksum_hash(r->checksum, cells[i].ptr, cells[i].len);
}

/* Asking ------------------------------------------------------------------------------------------ */

static void add(struct reader *r, const void *p, size_t n)
{
    if (n > sizeof r->query - r->query_len)
        errx(1, "the query is too long");
    memcpy(r->query + r->query_len, p, n);
    r->query_len += n;
}

static void add_message(struct reader *r, char type, const void *body, size_t n)
{
    uint32_t len = htonl((uint32_t)n + 4);

    add(r, &type, 1);
    add(r, &len, 4);
    add(r, body, n);
}

/* Parse, Bind, Describe, Execute, Sync of the unnamed statement, as drivers send them. */
static void write_query(struct reader *r, const char *sql)
{
    char parse[256];
    const uint8_t bind[] = {0, 0, 0, 0, 0, 0, 0, 1, 0, r->args.binary};
    int n = snprintf(parse, sizeof parse, "%c%s%c%c%c", 0, sql, 0, 0, 0);

    r->query_len = 0;
    add_message(r, 'P', parse, (size_t)n);
    add_message(r, 'B', bind, sizeof bind);
    add_message(r, 'D', "P", 2);
    add_message(r, 'E', "\0\0\0\0", 5);
    add_message(r, 'S', "", 0);
}

static void ask(struct reader *r)
{
    if (r->ssl != NULL) {
        if (SSL_write(r->ssl, r->query, (int)r->query_len) != (int)r->query_len)
            errx(1, "send over TLS");
        return;
    }
    if (send(r->fd, r->query, r->query_len, MSG_NOSIGNAL) != (ssize_t)r->query_len)
        err(1, "send");
}

/* What one read of the socket brought, record by record. */
static bool receive_tls(struct reader *r)
{
    bool done = false;
    int n;

    while ((n = SSL_read(r->ssl, r->buffer + r->len, (int)(BUFFER_BYTES - r->len))) > 0) {
        r->len += (size_t)n;
        done = r->feed(r);
        if (!SSL_has_pending(r->ssl))
            return done;
    }
    if (SSL_get_error(r->ssl, n) != SSL_ERROR_WANT_READ)
        errx(1, "recv over TLS");
    return done;
}

/* One recv; true when the answer is complete. */
static bool receive(struct reader *r)
{
    ssize_t n;

    if (r->ssl != NULL)
        return receive_tls(r);
    n = recv(r->fd, r->buffer + r->len, BUFFER_BYTES - r->len, 0);

    if (n <= 0)
        err(1, "recv");
    r->len += (size_t)n;
    return r->feed(r);
}

static void refill(struct reader *r)
{
    uint64_t n = r->args.inflight - r->flying;

    if (n < r->args.inflight / 2)
        return;
    n = n < r->left - r->flying ? n : r->left - r->flying;
    if (n > 0 && send(r->fd, r->flight, n * r->query_len, MSG_NOSIGNAL) != (ssize_t)(n * r->query_len))
        err(1, "send");
    r->flying += n;
}

static bool flight_answered(struct reader *r)
{
    r->left -= r->answers;
    r->flying -= r->answers;
    r->answers = 0;
    if (r->left > 0)
        refill(r);
    return r->left == 0;
}

/* True when there is nothing more to ask. */
static bool answered(struct reader *r)
{
    int64_t now;

    if (r->flight != NULL)
        return flight_answered(r);
    if (r->left == 0)
        return true;
    now = bench_now_ns();
    bench_latency(now - r->asked_ns);
    r->asked_ns = now;
    if (--r->left == 0)
        return true;
    ask(r);
    return false;
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    struct reader *r = io->data;

    (void)events;
    if (receive(r) && answered(r))
        ev_break(loop, EVBREAK_ALL);
}

static void run(struct reader *r)
{
    r->asked_ns = bench_now_ns();
    r->answers = 0;
    if (r->flight != NULL)
        refill(r);
    else
        ask(r);
    if (r->args.loop) {
        ev_run(ev_default_loop(0), 0);
        return;
    }
    do {
        while (!receive(r))
            ;
    } while (!answered(r));
}

/* Nobody is verified: a bench of bytes, on loopback. Reads ahead, as fast clients do. */
static void start_tls(struct reader *r)
{
    static const uint8_t request[] = {0, 0, 0, 8, 4, 210, 22, 47};
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    char answer;

    if (tls == NULL || send(r->fd, request, sizeof request, MSG_NOSIGNAL) != (ssize_t)sizeof request ||
        recv(r->fd, &answer, 1, 0) != 1 || answer != 'S')
        errx(1, "the server has no TLS");
    SSL_CTX_set_read_ahead(tls, 1);
    SSL_CTX_set_default_read_buffer_len(tls, (size_t)128 << 10);
    r->ssl = SSL_new(tls);
    if (r->ssl == NULL || SSL_set_fd(r->ssl, r->fd) != 1 || SSL_connect(r->ssl) != 1)
        errx(1, "TLS handshake");
    if (r->args.loop)
        fcntl(r->fd, F_SETFL, O_NONBLOCK);
}

static void connect_local(struct reader *r)
{
    static const uint8_t start[] = "\0\0\0\0\0\3\0\0user\0bench\0"; /* its length: below */
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;

    a.sin_port = htons((uint16_t)r->args.port);
    r->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (r->fd < 0 || connect(r->fd, (struct sockaddr *)&a, sizeof a) != 0)
        err(1, "connect");
    setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (r->args.tls)
        start_tls(r);
    r->query_len = 0;
    add(r, start, sizeof start);
    r->query[3] = sizeof start;
    ask(r);
    while (!receive(r))
        ;
}

static void prepare_flight(struct reader *r)
{
    r->flight = malloc(r->args.inflight * r->query_len);
    if (r->flight == NULL)
        err(1, "memory");
    for (size_t i = 0; i < r->args.inflight; i++)
        memcpy(r->flight + i * r->query_len, r->query, r->query_len);
}

static void choose(struct reader *r)
{
    static row_fn *const row_fns[] = {
        [CONSUME_TOUCH] = touch_row, [CONSUME_DECODE] = decode_row, [CONSUME_HASH] = hash_row};

    r->on_row = row_fns[r->args.consume];
    for (size_t i = 0; i < r->args.shape->ncolumns; i++)
        r->oids[i] = shape_column(r->args.shape, i)->oid;
    if (strcmp(r->args.kind, "drain") == 0)
        r->feed = feed_drain;
    else if (strcmp(r->args.kind, "scan") == 0)
        r->feed = feed_scan;
    else if (strcmp(r->args.kind, "view") == 0)
        r->feed = feed_view;
    else
        errx(1, "--kind drain, scan or view");
}

int main(int argc, char **argv)
{
    struct reader r = {.args = bench_args(argc, argv)};
    bool flight = strcmp(r.args.work, "flight") == 0, ping = flight || strcmp(r.args.work, "ping") == 0;
    char sql[80];

    r.buffer = malloc(BUFFER_BYTES);
    if (r.buffer == NULL)
        err(1, "memory");
    choose(&r);
    connect_local(&r);
    ev_io_init(&r.io, on_readable, r.fd, EV_READ);
    r.io.data = &r;
    ev_io_start(ev_default_loop(0), &r.io);

    if (ping)
        snprintf(sql, sizeof sql, "SELECT 1");
    else
        bench_sql(&r.args, bench_warm_rows(&r.args), sql, sizeof sql);
    write_query(&r, sql);
    run(&r);
    r.rows = r.checksum = 0;
    if (!ping) {
        bench_sql(&r.args, r.args.count, sql, sizeof sql);
        write_query(&r, sql);
    }
    r.left = ping ? r.args.count : 0;
    if (flight)
        prepare_flight(&r);
    bench_begin();
    run(&r);
    bench_end();
    bench_report(r.feed == feed_drain ? r.args.count : r.rows, r.checksum);
    return 0;
}
