/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blast: a server of the v3 protocol that costs as little as a server can, so that the client is what a
 * bench measures. One process per connection.
 *
 *   BLAST <rows> <shape>     that many rows, from pre-encoded DataRow messages in chunks of 1 MiB
 *   anything else            one row with the int4 1
 *
 * Simple and extended protocol; formats per column as Bind asks; row-limited Execute. Anybody may log
 * in. Listens on an ephemeral port of 127.0.0.1 and prints "port=N"; ends with its parent, and after
 * --bound seconds in any case.
 *
 *   blast [--cpu N] [--bound SECONDS] [--cert FILE --key FILE]
 */
#include "rows.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define IN_BYTES ((size_t)256 << 10)
#define OUT_BYTES ((size_t)256 << 10)
#define IOVECS 8
#define NAMED 64
#define NAME_BYTES 64

#define SSL_REQUEST 80877103u
#define GSS_REQUEST 80877104u
#define CANCEL_REQUEST 80877102u

struct statement {
    char name[NAME_BYTES];
    const struct shape *shape; /* NULL: an empty slot */
    uint64_t rows;
    unsigned nparams; /* every '$' of its text: they are taken for int4 */
};
struct portal {
    char name[NAME_BYTES];
    const struct shape *shape;
    uint64_t binary, rows, at;
};
struct peer {
    int fd;
    SSL *ssl;
    uint8_t *in, *out;
    size_t in_len, out_len;
    struct statement statements[NAMED];
    struct portal portals[NAMED];
};
/* What is left of a message's body. */
struct body {
    const uint8_t *p, *end;
};

/* Output ----------------------------------------------------------------------------------------- */

static void write_all(struct peer *c, struct iovec *v, int n)
{
    ssize_t wrote;

    while (n > 0) {
        if (c->ssl != NULL) {
            wrote = SSL_write(c->ssl, v->iov_base, (int)v->iov_len);
            if (wrote <= 0)
                exit(0);
        } else if ((wrote = writev(c->fd, v, n)) < 0) {
            if (errno == EINTR)
                continue;
            exit(0); /* the client went away */
        }
        for (; n > 0 && (size_t)wrote >= v->iov_len; v++, n--)
            wrote -= (ssize_t)v->iov_len;
        if (n > 0) {
            v->iov_base = (uint8_t *)v->iov_base + wrote;
            v->iov_len -= (size_t)wrote;
        }
    }
}

static void flush(struct peer *c)
{
    struct iovec v = {.iov_base = c->out, .iov_len = c->out_len};

    c->out_len = 0;
    if (v.iov_len > 0)
        write_all(c, &v, 1);
}

static void put(struct peer *c, const void *p, size_t n)
{
    if (n > OUT_BYTES - c->out_len)
        flush(c);
    memcpy(c->out + c->out_len, p, n);
    c->out_len += n;
}

static void put_int(struct peer *c, uint32_t v, unsigned bytes)
{
    uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

    put(c, b + 4 - bytes, bytes);
}

static void put_message(struct peer *c, char type, const void *body, size_t n)
{
    put(c, &type, 1);
    put_int(c, (uint32_t)n + 4, 4);
    put(c, body, n);
}

static void put_parameter(struct peer *c, const char *name, const char *value)
{
    char body[128];
    int n = snprintf(body, sizeof body, "%s%c%s", name, '\0', value);

    put_message(c, 'S', body, (size_t)n + 1);
}

static void put_columns(struct peer *c, const struct shape *s, uint64_t binary)
{
    char name[8];
    size_t names = 0;

    for (size_t i = 0; i < s->ncolumns; i++)
        names += (size_t)snprintf(name, sizeof name, "c%zu", i) + 1;
    put(c, "T", 1);
    put_int(c, (uint32_t)(4 + 2 + names + 18 * s->ncolumns), 4);
    put_int(c, (uint32_t)s->ncolumns, 2);
    for (size_t i = 0; i < s->ncolumns; i++) {
        const struct shape_column *col = shape_column(s, i);

        put(c, name, (size_t)snprintf(name, sizeof name, "c%zu", i) + 1);
        put_int(c, 0, 4);
        put_int(c, 0, 2);
        put_int(c, col->oid, 4);
        put_int(c, (uint16_t)col->size, 2);
        put_int(c, col->max > 0 ? col->max + 4 : UINT32_MAX, 4);
        put_int(c, (uint32_t)(binary >> i & 1), 2);
    }
}

static void put_parameters(struct peer *c, unsigned n)
{
    put(c, "t", 1);
    put_int(c, 4 + 2 + 4 * n, 4);
    put_int(c, n, 2);
    for (; n > 0; n--)
        put_int(c, OID_INT4, 4);
}

/* Rows `from` to `to` of the endless repetition of the encoded ones. */
static void put_rows(struct peer *c, const struct rows *r, uint64_t from, uint64_t to)
{
    struct iovec v[IOVECS];
    int n = 0;

    if (to == from)
        return;
    v[n++] = (struct iovec){.iov_base = c->out, .iov_len = c->out_len};
    c->out_len = 0;
    while (from < to) {
        size_t i = (size_t)(from % r->nrows), left = r->nrows - i;
        size_t take = to - from < left ? (size_t)(to - from) : left;
        size_t at = i == 0 ? 0 : r->ends[i - 1];

        v[n++] = (struct iovec){.iov_base = r->bytes + at, .iov_len = r->ends[i + take - 1] - at};
        from += take;
        if (n == IOVECS || from == to) {
            write_all(c, v, n);
            n = 0;
        }
    }
}

static void put_ping(struct peer *c, uint64_t binary)
{
    static const uint8_t text[] = {0, 1, 0, 0, 0, 1, '1'};
    static const uint8_t bin[] = {0, 1, 0, 0, 0, 4, 0, 0, 0, 1};

    if (binary)
        put_message(c, 'D', bin, sizeof bin);
    else
        put_message(c, 'D', text, sizeof text);
}

/* Up to `max` rows (0: all) of a portal, and how it stands then. */
static void execute(struct peer *c, struct portal *p, uint64_t max)
{
    uint64_t to = max == 0 || max > p->rows - p->at ? p->rows : p->at + max;
    char tag[40];
    int n;

    if (strcmp(p->shape->name, "ping") != 0)
        put_rows(c, rows_get(p->shape, p->binary), p->at, to);
    else if (p->at < to)
        put_ping(c, p->binary);
    p->at = to;
    if (max != 0 && to < p->rows) {
        put_message(c, 's', "", 0);
        return;
    }
    n = snprintf(tag, sizeof tag, "SELECT %llu", (unsigned long long)p->rows);
    put_message(c, 'C', tag, (size_t)n + 1);
}

/* Input ------------------------------------------------------------------------------------------ */

static uint32_t get_int(struct body *b, unsigned bytes)
{
    uint32_t v = 0;

    if ((size_t)(b->end - b->p) < bytes)
        errx(1, "a message ends too early");
    while (bytes-- > 0)
        v = v << 8 | *b->p++;
    return v;
}

static const char *get_text(struct body *b)
{
    const char *text = (const char *)b->p;
    const uint8_t *nul = memchr(b->p, 0, (size_t)(b->end - b->p));

    if (nul == NULL)
        errx(1, "a message's text has no end");
    b->p = nul + 1;
    return text;
}

static void read_sql(const char *sql, const struct shape **shape, uint64_t *rows)
{
    char name[16];
    unsigned long long n;

    *shape = NULL;
    if (sscanf(sql, " BLAST %llu %15[a-z]", &n, name) == 2)
        *shape = shape_find(name);
    *rows = *shape != NULL ? n : 1;
    if (*shape == NULL)
        *shape = shape_find("ping");
}

static struct statement *statement(struct peer *c, const char *name, bool make)
{
    struct statement *unused = NULL;

    for (int i = 0; i < NAMED; i++) {
        if (c->statements[i].shape == NULL)
            unused = &c->statements[i];
        else if (strcmp(c->statements[i].name, name) == 0)
            return &c->statements[i];
    }
    if (!make || unused == NULL || strlen(name) >= NAME_BYTES)
        errx(1, "statement \"%s\": unknown, or one too many", name);
    snprintf(unused->name, NAME_BYTES, "%s", name);
    return unused;
}

static struct portal *portal(struct peer *c, const char *name, bool make)
{
    struct portal *unused = NULL;

    for (int i = 0; i < NAMED; i++) {
        if (c->portals[i].shape == NULL)
            unused = &c->portals[i];
        else if (strcmp(c->portals[i].name, name) == 0)
            return &c->portals[i];
    }
    if (!make || unused == NULL || strlen(name) >= NAME_BYTES)
        errx(1, "portal \"%s\": unknown, or one too many", name);
    snprintf(unused->name, NAME_BYTES, "%s", name);
    return unused;
}

static void on_query(struct peer *c, struct body *b)
{
    struct portal p = {.binary = 0};

    read_sql(get_text(b), &p.shape, &p.rows);
    put_columns(c, p.shape, 0);
    execute(c, &p, 0);
    put_message(c, 'Z', "I", 1);
}

static void on_parse(struct peer *c, struct body *b)
{
    struct statement *s = statement(c, get_text(b), true);
    const char *sql = get_text(b);

    read_sql(sql, &s->shape, &s->rows);
    s->nparams = 0;
    for (; *sql != '\0'; sql++)
        s->nparams += *sql == '$';
    put_message(c, '1', "", 0);
}

static void on_bind(struct peer *c, struct body *b)
{
    struct portal *p = portal(c, get_text(b), true);
    const struct statement *s = statement(c, get_text(b), false);
    uint32_t n, len;

    for (n = get_int(b, 2); n > 0; n--)
        get_int(b, 2);
    for (n = get_int(b, 2); n > 0; n--) {
        len = get_int(b, 4);
        if (len != UINT32_MAX && len > (size_t)(b->end - b->p))
            errx(1, "a parameter ends too late");
        b->p += len == UINT32_MAX ? 0 : len;
    }
    p->shape = s->shape;
    p->rows = s->rows;
    p->at = p->binary = 0;
    n = get_int(b, 2);
    if (n == 1 && get_int(b, 2) == 1)
        p->binary = UINT64_MAX >> (64 - s->shape->ncolumns);
    for (uint32_t i = 0; n > 1 && i < n; i++)
        p->binary |= (uint64_t)(get_int(b, 2) & 1) << i;
    put_message(c, '2', "", 0);
}

static void on_describe(struct peer *c, struct body *b)
{
    uint32_t what = get_int(b, 1);
    const char *name = get_text(b);

    if (what == 'S') {
        put_parameters(c, statement(c, name, false)->nparams);
        put_columns(c, statement(c, name, false)->shape, 0);
    } else {
        const struct portal *p = portal(c, name, false);

        put_columns(c, p->shape, p->binary);
    }
}

static void on_close(struct peer *c, struct body *b)
{
    uint32_t what = get_int(b, 1);
    const char *name = get_text(b);

    for (int i = 0; i < NAMED; i++) {
        if (what == 'S' && strcmp(c->statements[i].name, name) == 0)
            c->statements[i].shape = NULL;
        if (what == 'P' && strcmp(c->portals[i].name, name) == 0)
            c->portals[i].shape = NULL;
    }
    put_message(c, '3', "", 0);
}

static void on_message(struct peer *c, char type, struct body *b)
{
    struct portal *p;

    switch (type) {
    case 'Q': on_query(c, b); break;
    case 'P': on_parse(c, b); break;
    case 'B': on_bind(c, b); break;
    case 'D': on_describe(c, b); break;
    case 'C': on_close(c, b); break;
    case 'E':
        p = portal(c, get_text(b), false);
        execute(c, p, get_int(b, 4));
        break;
    case 'S': put_message(c, 'Z', "I", 1); break;
    case 'H': flush(c); break;
    case 'X': exit(0);
    default: errx(1, "message '%c' is not understood", type);
    }
}

static void fill(struct peer *c)
{
    ssize_t n;

    if (c->in_len == IN_BYTES)
        errx(1, "a message is too long");
    do {
        if (c->ssl != NULL)
            n = SSL_read(c->ssl, c->in + c->in_len, (int)(IN_BYTES - c->in_len));
        else
            n = read(c->fd, c->in + c->in_len, IN_BYTES - c->in_len);
    } while (n < 0 && errno == EINTR);
    if (n <= 0)
        exit(0);
    c->in_len += (size_t)n;
}

/* One message of the start, which has no type: its body. */
static struct body start_message(struct peer *c)
{
    struct body b = {.p = c->in, .end = c->in + 4};
    size_t len;

    while (c->in_len < 4)
        fill(c);
    len = get_int(&b, 4);
    while (c->in_len < len)
        fill(c);
    b.end = c->in + len;
    return b;
}

static void start(struct peer *c, SSL_CTX *tls)
{
    struct body b = start_message(c);
    uint32_t code = get_int(&b, 4);

    while (code == SSL_REQUEST || code == GSS_REQUEST) {
        bool yes = code == SSL_REQUEST && tls != NULL;

        c->in_len = 0;
        put(c, yes ? "S" : "N", 1);
        flush(c);
        if (yes) {
            c->ssl = SSL_new(tls);
            if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1 || SSL_accept(c->ssl) != 1)
                exit(0);
        }
        b = start_message(c);
        code = get_int(&b, 4);
    }
    if (code == CANCEL_REQUEST)
        exit(0);
    c->in_len = 0;
    put_message(c, 'R', "\0\0\0\0", 4);
    put_parameter(c, "server_version", "15.0");
    put_parameter(c, "server_encoding", "UTF8");
    put_parameter(c, "client_encoding", "UTF8");
    put_parameter(c, "DateStyle", "ISO, MDY");
    put_parameter(c, "TimeZone", "UTC");
    put_parameter(c, "integer_datetimes", "on");
    put_parameter(c, "standard_conforming_strings", "on");
    put_message(c, 'K', "\0\0\0\1\0\0\0\2", 8);
    put_message(c, 'Z', "I", 1);
    flush(c);
}

static void serve(int fd, SSL_CTX *tls)
{
    struct peer *c = calloc(1, sizeof *c);
    int one = 1;

    if (c == NULL || (c->in = malloc(IN_BYTES)) == NULL || (c->out = malloc(OUT_BYTES)) == NULL)
        err(1, "memory");
    c->fd = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    start(c, tls);
    for (;;) {
        size_t at = 0;

        while (c->in_len - at >= 5) {
            struct body b = {.p = c->in + at + 1, .end = c->in + c->in_len};
            size_t len = get_int(&b, 4);

            if (len < 4 || c->in_len - at - 1 < len)
                break;
            b.end = c->in + at + 1 + len;
            on_message(c, (char)c->in[at], &b);
            at += 1 + len;
        }
        flush(c);
        c->in_len -= at;
        memmove(c->in, c->in + at, c->in_len);
        fill(c);
    }
}

/* Start ------------------------------------------------------------------------------------------ */

static SSL_CTX *tls_context(const char *cert, const char *key)
{
    SSL_CTX *tls;

    if (cert == NULL)
        return NULL;
    tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL || key == NULL || SSL_CTX_use_certificate_chain_file(tls, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
        errx(1, "--cert %s --key %s: cannot be used", cert, key == NULL ? "(none)" : key);
    return tls;
}

static int listen_local(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) != 0 || listen(fd, 512) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &n) != 0)
        err(1, "listen");
    printf("port=%u\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

/* Ends with the process that made it, and after `bound` seconds. */
static void bind_life(unsigned bound)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(bound);
}

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        err(1, "--cpu %d", cpu);
}

int main(int argc, char **argv)
{
    const char *cert = NULL, *key = NULL;
    unsigned bound = 3600;
    int listener, fd;
    SSL_CTX *tls;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--cpu") == 0)
            pin((int)strtol(argv[i + 1], NULL, 10));
        else if (strcmp(argv[i], "--bound") == 0)
            bound = (unsigned)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--cert") == 0)
            cert = argv[i + 1];
        else if (strcmp(argv[i], "--key") == 0)
            key = argv[i + 1];
        else
            errx(1, "unknown option %s", argv[i]);
    }
    bind_life(bound);
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    tls = tls_context(cert, key);
    /* Encoded once, before any connection: children share the pages. Huge ones only by who is asked for them. */
    for (size_t i = 0; shape_at(i) != NULL; i++) {
        const struct shape *s = shape_at(i);

        if (s->columns->max >= HUGE_BYTES)
            continue;
        rows_get(s, 0);
        rows_get(s, UINT64_MAX >> (64 - s->ncolumns));
    }
    listener = listen_local();
    for (;;) {
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0)
            err(1, "accept");
        if (fork() == 0) {
            bind_life(bound);
            close(listener);
            serve(fd, tls);
        }
        close(fd);
    }
}
