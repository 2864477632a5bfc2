/* SPDX-License-Identifier: Apache-2.0 */
#include "support/shift.h"

#include "wire/be_write.h"
#include "wire/fe_read.h"
#include "wire/mem.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- what is said -------------------------------------------------------------------------------- */

static void note(struct shift *s, const char *what, const char *divider)
{
    size_t n = strlen(s->log);
    snprintf(s->log + n, sizeof s->log - n, "%s%s", n && s->log[n - 1] != '|' ? divider : "", what);
}

static void put_error(struct shift_peer *p, const char *sqlstate, const char *message)
{
    const struct redwi_error_field fields[] = {{'S', "ERROR"}, {'C', sqlstate}, {'M', message}, {0, NULL}};
    redwi_be_put_error(&p->out, 'E', fields);
    p->skipping = true;
    p->suspended = false;
    p->status = p->status == 'I' ? 'I' : 'E';
}

/* What no client may do; answered as Redshift does. */
static void violation(struct shift_peer *p, const char *what)
{
    if (!p->server->wrong[0])
        snprintf(p->server->wrong, sizeof p->server->wrong, "%s", what);
    put_error(p, "XX000", what);
}

static void put_tag(struct shift_peer *p, const char *word, int64_t count)
{
    char tag[64];
    snprintf(tag, sizeof tag, "%s %lld", word, (long long)count);
    redwi_be_put_command_complete(&p->out, p->server->config.counts ? tag : word);
}

static void put_columns(struct shift_peer *p, bool fetched)
{
    const struct shift_config *c = &p->server->config;
    bool other = c->other_columns && p->batches + 1 == c->other_columns && fetched;
    struct redwi_field fields[2] = {
        {.name = {"n", 1}, .type_oid = 25, .type_size = -1, .typmod = -1},
        {.name = {other ? "u" : "t", 1}, .type_oid = 25, .type_size = -1, .typmod = -1,
         .format = fetched && c->binary_fetch},
    };
    redwi_be_put_row_description(&p->out, fields, 2);
}

static void put_rows(struct shift_peer *p, int64_t n)
{
    char text[24];
    for (; n > 0; n--) {
        redw_slice cells[2] = {{text, (size_t)snprintf(text, sizeof text, "%lld", (long long)p->at++)},
                               {"row", 3}};
        redwi_be_put_data_row(&p->out, cells, 2);
    }
}

static bool too_many(struct shift_peer *p, uint32_t n)
{
    const struct shift_config *c = &p->server->config;
    char text[200];
    if (!c->node_limit || n <= c->node_limit || p->batches < c->limit_from)
        return false;
    snprintf(text, sizeof text,
             "Fetch size %u exceeds the limit of %u for a single node configuration. Reduce the client fetch/cache "
             "size or upgrade to a multi node installation.",
             n, c->node_limit);
    put_error(p, "XX000", text);
    return true;
}

/* --- units ---------------------------------------------------------------------------------------- */

/* A unit begins: does it fail by the script? */
static bool scripted(struct shift_peer *p)
{
    struct shift *s = p->server;
    s->nunits++;
    p->unit_mark = redwi_buf_mark(&p->out);
    if (s->nunits == s->config.fails_at) {
        put_error(p, "58000", "as the script says");
        return true;
    }
    return false;
}

static void end_transaction(struct shift_peer *p)
{
    p->status = 'I';
    p->cursor = p->suspended = false;
    p->portal[0] = '\0';
}

static void run_fetch(struct shift_peer *p, const char *sql)
{
    const struct shift_config *c = &p->server->config;
    uint32_t n = (uint32_t)strtoul(sql + strlen("fetch forward "), NULL, 10);
    if (!p->cursor) {
        put_error(p, "34000", "cursor \"redw_c1\" does not exist");
        return;
    }
    if (c->full) {
        put_error(p, "XX000", "exceeded the maximum size allowed for the total set of cursor data: 8000MB.");
        return;
    }
    if (too_many(p, n))
        return;
    put_columns(p, true);
    p->batches++;
    int64_t left = c->rows - p->at, count = left < n ? left : n;
    put_rows(p, count);
    put_tag(p, "FETCH", count);
}

static void run_declare(struct shift_peer *p, const char *sql)
{
    const char *query = strstr(sql, " for ") + 5;
    if (p->status != 'T')
        put_error(p, "25P01", "DECLARE CURSOR may only be used in transaction blocks");
    else if (p->cursor)
        violation(p, "a second cursor");
    else if (p->server->config.full_declare)
        put_error(p, "XX000", "exceeded the maximum size allowed for the total set of cursor data: 8000MB.");
    else if (strcmp(query, "select") != 0)
        put_error(p, "42601", "syntax error at or near \"insert\"");
    else {
        p->cursor = true;
        p->at = 0;
        p->batches = 0;
        redwi_be_put_command_complete(&p->out, "DECLARE CURSOR");
    }
}

static bool starts(const char *text, const char *with)
{
    return with && strncmp(text, with, strlen(with)) == 0;
}

static void run_query(struct shift_peer *p, const char *sql)
{
    struct shift *s = p->server;
    if (starts(sql, "rollback")) {
        end_transaction(p);
        redwi_be_put_command_complete(&p->out, "ROLLBACK");
    } else if (starts(sql, s->config.rows_to)) {
        put_columns(p, false);
        put_rows(p, 1);
        redwi_be_put_command_complete(&p->out, "SELECT");
    } else if (p->status == 'E') {
        put_error(p, "25P02", "current transaction is aborted");
    } else if (starts(sql, "begin")) {
        p->status = s->config.begin_is_lost ? 'I' : 'T';
        redwi_be_put_command_complete(&p->out, "BEGIN");
    } else if (starts(sql, "declare ")) {
        run_declare(p, sql);
    } else if (starts(sql, "fetch forward ")) {
        run_fetch(p, sql);
    } else if (starts(sql, "close redw_c1; commit")) {
        redwi_be_put_command_complete(&p->out, "CLOSE CURSOR");
        end_transaction(p);
        redwi_be_put_command_complete(&p->out, "COMMIT");
    } else if (starts(sql, "commit")) {
        end_transaction(p);
        redwi_be_put_command_complete(&p->out, "COMMIT");
    } else {
        violation(p, "a Query of the caller's");
    }
}

static void end_unit(struct shift_peer *p)
{
    p->skipping = false;
    redwi_be_put_ready(&p->out, p->status);
    p->cut = p->server->nunits == p->server->config.cut_at;
}

static void query(struct shift_peer *p, const uint8_t *body, size_t len)
{
    redw_slice sql;
    char text[200], name[220];
    ck_assert(redwi_fe_read_query(body, len, &sql));
    snprintf(text, sizeof text, "%.*s", (int)sql.len, sql.ptr);
    snprintf(name, sizeof name, "%s|", text);
    note(p->server, name, "|");
    if (p->batching)
        violation(p, "a Query before the Sync");
    else if (p->suspended)
        violation(p, "Invalid protocol sequence 'Q' while in PortalSuspended state.");
    else if (!scripted(p))
        run_query(p, text);
    end_unit(p);
}

static const char *const known[] = {"select", "insert", "select 1"};

static void parse(struct shift_peer *p, const uint8_t *body, size_t len)
{
    struct redwi_parse_msg m;
    ck_assert(redwi_fe_read_parse(body, len, &m));
    p->parsed = NULL;
    for (size_t i = 0; i < 3; i++) {
        if (strlen(known[i]) == m.sql.len && memcmp(known[i], m.sql.ptr, m.sql.len) == 0)
            p->parsed = known[i];
    }
    if (p->parsed)
        redwi_be_put_simple(&p->out, '1');
    else
        put_error(p, "42601", "syntax error");
}

static void describe(struct shift_peer *p, char what)
{
    if (what == 'S')
        redwi_be_put_parameter_description(&p->out, NULL, 0);
    if (p->parsed == known[1])
        redwi_be_put_simple(&p->out, 'n');
    else
        put_columns(p, false);
}

static void bind_portal(struct shift_peer *p, const uint8_t *body, size_t len)
{
    struct redwi_bind_msg m;
    ck_assert(redwi_fe_read_bind(body, len, &m));
    snprintf(p->portal, sizeof p->portal, "%.*s", (int)m.portal.len, m.portal.ptr);
    for (const char *c = p->portal; *c; c++) {
        if (*c >= 'A' && *c <= 'Z')
            violation(p, "a portal in upper case");
    }
    if (p->portal[0] && p->status != 'T')
        violation(p, "a named portal outside a transaction");
    p->at = 0;
    p->batches = 0;
    if (!p->skipping)
        redwi_be_put_simple(&p->out, '2');
}

static void run_portal(struct shift_peer *p, uint32_t limit)
{
    const struct shift_config *c = &p->server->config;
    int64_t left = c->rows - p->at, count = left;
    if (limit && p->portal[0]) {
        if (too_many(p, limit))
            return;
        if (c->refuses_portals || (c->no_portals && p->batches > 0)) {
            put_error(p, "XX000", "portal \"redw_p1\" does not exist");
            return;
        }
        count = (int64_t)limit + c->surplus < left ? (int64_t)limit + c->surplus : left;
    }
    p->batches++;
    put_rows(p, count);
    p->suspended = limit && p->portal[0] && count >= limit;
    if (p->suspended)
        redwi_be_put_simple(&p->out, 's');
    else
        put_tag(p, "SELECT", count);
}

static void execute(struct shift_peer *p, const uint8_t *body, size_t len)
{
    redw_slice portal;
    uint32_t limit;
    ck_assert(redwi_fe_read_execute(body, len, &portal, &limit));
    if (portal.len != strlen(p->portal) || memcmp(portal.ptr, p->portal, portal.len) != 0) {
        violation(p, "Execute of a portal that there is not");
    } else if (p->parsed == known[1]) {
        p->server->ninserts++;
        put_tag(p, "INSERT 0", 1);
    } else if (p->parsed == known[2]) {
        p->at = 1;
        put_rows(p, 1);
        put_tag(p, "SELECT", 1);
    } else {
        run_portal(p, limit);
    }
}

static void extended(struct shift_peer *p, char type, const uint8_t *body, size_t len)
{
    char letter[] = {type, '\0'}, what;
    redw_slice name;
    note(p->server, letter, " ");
    if (type == 'S') {
        note(p->server, "|", "");
        p->batching = false;
        end_unit(p);
        return;
    }
    if (!p->batching)
        scripted(p);
    p->batching = true;
    if (p->skipping)
        return;
    if (p->suspended && type != 'E' && type != 'C') {
        violation(p, "Invalid protocol sequence while in PortalSuspended state.");
    } else if (p->status == 'E' && type != 'C') {
        put_error(p, "25P02", "current transaction is aborted");
    } else if (type == 'P') {
        parse(p, body, len);
    } else if (type == 'B') {
        bind_portal(p, body, len);
    } else if (type == 'D' && redwi_fe_read_describe(body, len, &what, &name)) {
        describe(p, what);
    } else if (type == 'E') {
        execute(p, body, len);
    } else if (type == 'C') {
        p->suspended = false;
        p->portal[0] = '\0';
        redwi_be_put_simple(&p->out, '3');
    } else {
        violation(p, "an unknown message");
    }
}

/* --- bytes ---------------------------------------------------------------------------------------- */

static void drop_peer(struct shift_peer *p)
{
    if (p->fd < 0)
        return;
    ev_io_stop(p->server->loop, &p->io);
    close(p->fd);
    p->fd = -1;
}

static void first_packet(struct shift_peer *p, const uint8_t *body, size_t len)
{
    static const uint8_t key[4] = {1, 2, 3, 4};
    enum redwi_first kind;
    ck_assert(redwi_fe_first(body, len, &kind));
    if (kind == REDWI_FIRST_CANCEL) {
        p->server->ncancels++;
        drop_peer(p);
        return;
    }
    ck_assert_int_eq(kind, REDWI_FIRST_STARTUP);
    p->started = true;
    redwi_be_put_authentication(&p->out, 0, NULL, 0);
    redwi_be_put_parameter_status(&p->out, "padb_version", "1.0.63269");
    redwi_be_put_key_data(&p->out, 7, key, sizeof key);
    redwi_be_put_ready(&p->out, 'I');
}

/* The answers of the unit so far, cut or kept back as the script says. */
static void tamper(struct shift_peer *p)
{
    const struct shift_config *c = &p->server->config;
    size_t n = redwi_buf_mark(&p->out);
    size_t mark = p->unit_mark < n ? p->unit_mark : n;
    if (p->cut)
        redwi_buf_cut(&p->out, mark + (c->cut_half ? (n - mark) / 2 : 0));
    else if (c->mute_from && p->server->nunits >= c->mute_from)
        redwi_buf_cut(&p->out, mark);
}

static bool take_packet(struct shift_peer *p)
{
    size_t head = p->started ? 5 : 4;
    if (p->fd < 0 || p->cut || redwi_buf_len(&p->in) < head)
        return false;
    const uint8_t *at = redwi_buf_front(&p->in);
    size_t len = redwi_load32(at + head - 4) - 4;
    if (redwi_buf_len(&p->in) < head + len)
        return false;
    char type = (char)at[0];
    redwi_buf_take(&p->in, head + len);
    if (!p->started)
        first_packet(p, at + head, len);
    else if (type == 'X')
        drop_peer(p);
    else if (type == 'Q')
        query(p, at + head, len);
    else
        extended(p, type, at + head, len);
    if (p->fd >= 0 && p->server->nunits > 0)
        tamper(p);
    return p->fd >= 0;
}

static void watch(struct shift_peer *p)
{
    int events = EV_READ | (redwi_buf_len(&p->out) ? EV_WRITE : 0);
    if (p->fd < 0 || p->io.events == events)
        return;
    ev_io_stop(p->server->loop, &p->io);
    ev_io_set(&p->io, p->fd, events);
    ev_io_start(p->server->loop, &p->io);
}

static void send_out(struct shift_peer *p)
{
    size_t n = redwi_buf_len(&p->out), piece = p->server->config.piece;
    if (n && piece && n > piece)
        n = piece;
    ssize_t sent = n ? send(p->fd, redwi_buf_front(&p->out), n, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    if (sent < 0 && errno != EAGAIN) {
        drop_peer(p);
        return;
    }
    if (sent > 0)
        redwi_buf_take(&p->out, (size_t)sent);
    if (p->cut && !redwi_buf_len(&p->out))
        drop_peer(p);
}

static void on_peer(struct ev_loop *loop, ev_io *w, int events)
{
    struct shift_peer *p = w->data;
    uint8_t bytes[65536];
    (void)loop;
    if (events & EV_READ) {
        ssize_t n = recv(p->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            drop_peer(p);
            return;
        }
        if (n > 0)
            redwi_buf_bytes(&p->in, bytes, (size_t)n);
        while (take_packet(p))
            ;
    }
    if (p->fd >= 0)
        send_out(p);
    watch(p);
}

static void on_accept(struct ev_loop *loop, ev_io *w, int events)
{
    struct shift *s = w->data;
    int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    (void)events;
    if (fd < 0)
        return;
    ck_assert_uint_lt(s->naccepted, SHIFT_PEERS);
    struct shift_peer *p = &s->peers[s->naccepted++];
    *p = (struct shift_peer){.server = s, .fd = fd, .status = 'I'};
    redwi_buf_init(&p->in, &redwi_malloc, SIZE_MAX / 2);
    redwi_buf_init(&p->out, &redwi_malloc, SIZE_MAX / 2);
    ev_io_init(&p->io, on_peer, fd, EV_READ);
    p->io.data = p;
    ev_io_start(loop, &p->io);
}

static int bind_to_loopback(int fd, struct sockaddr_in *at, socklen_t *len)
{
    if (bind(fd, (struct sockaddr *)at, *len) || listen(fd, 16))
        return -1;
    return getsockname(fd, (struct sockaddr *)at, len);
}

void shift_open(struct shift *s, struct ev_loop *loop, const struct shift_config *config)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    memset(s, 0, sizeof *s);
    s->loop = loop;
    s->config = *config;
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind_to_loopback(fd, &at, &len), 0);
    snprintf(s->uri, sizeof s->uri, "postgresql://u@127.0.0.1:%u/d?sslmode=disable", ntohs(at.sin_port));
    ev_io_init(&s->accept, on_accept, fd, EV_READ);
    s->accept.data = s;
    ev_io_start(loop, &s->accept);
    ev_unref(loop); /* the loop does not run for the server's sake */
}

void shift_close(struct shift *s)
{
    ev_ref(s->loop);
    ev_io_stop(s->loop, &s->accept);
    close(s->accept.fd);
    for (unsigned i = 0; i < s->naccepted; i++) {
        drop_peer(&s->peers[i]);
        redwi_buf_free(&s->peers[i].in);
        redwi_buf_free(&s->peers[i].out);
    }
}

unsigned shift_sessions(const struct shift *s)
{
    return s->naccepted - s->ncancels;
}
