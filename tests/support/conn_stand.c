/* SPDX-License-Identifier: Apache-2.0 */
#include "support/conn_stand.h"

#include "data/row.h"
#include "pool/loop_ev.h"
#include "wire/fe_write.h"
#include "wire/mem.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* --- what the server knows ---------------------------------------------------------------------- */

static const char *const known_columns[] = {"a", "b"};
static const char *const known_cells[] = {"1", "one", "2", "two", "3", NULL};
static const char *const ints[] = {"i"};
static const char *const thousand[1000] = {"x"};
static const struct peer_statement statements[] = {
    {.sql = "select",
     .columns = known_columns,
     .ncolumns = 2,
     .cells = known_cells,
     .nrows = 3,
     .tag = "SELECT 3"},
    {.sql = "noticed",
     .columns = ints,
     .ncolumns = 1,
     .cells = known_cells,
     .nrows = 1,
     .tag = "SELECT 1",
     .notice = "hm"},
    {.sql = "begin", .tag = "BEGIN", .status = 'T'},
    {.sql = "fails in block", .tag = "", .sqlstate = "22012", .status = 'E'},
    {.sql = "fails",
     .columns = ints,
     .ncolumns = 1,
     .cells = known_cells,
     .nrows = 1,
     .tag = "",
     .sqlstate = "22012"},
    {.sql = "insert", .tag = "INSERT 0 3"},
    {.sql = "", .tag = ""},
    {.sql = "thousand",
     .columns = ints,
     .ncolumns = 1,
     .cells = thousand,
     .nrows = 1000,
     .tag = "SELECT 1000"},
};
const struct peer_config stand_trusting = {.statements = statements,
                                           .nstatements = sizeof statements / sizeof statements[0]};

/* --- the server ---------------------------------------------------------------------------------- */

static void peer_watch(struct stand_peer *p)
{
    int events = redwi_buf_len(&p->out) ? EV_READ | EV_WRITE : EV_READ;
    if (p->fd < 0)
        return;
    ev_io_stop(p->stand->ev, &p->io);
    ev_io_set(&p->io, p->fd, events);
    ev_io_start(p->stand->ev, &p->io);
}

void stand_peer_close(struct stand_peer *p)
{
    if (p->fd < 0)
        return;
    ev_io_stop(p->stand->ev, &p->io);
    close(p->fd);
    p->fd = -1;
}

void stand_peer_reset(struct stand_peer *p)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (p->fd >= 0)
        setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    stand_peer_close(p);
}

static void flush_tls(struct stand_peer *p)
{
    uint8_t chunk[20000];
    size_t n;
    while (p->tls && (n = tls_peer_take(p->tls, chunk, sizeof chunk)) > 0)
        redwi_buf_bytes(&p->out, chunk, n);
}

static void peer_flush(struct stand_peer *p, bool slow)
{
    flush_tls(p);
    while (p->fd >= 0 && redwi_buf_len(&p->out)) {
        size_t n = slow ? 1 : redwi_buf_len(&p->out);
        ssize_t r = send(p->fd, redwi_buf_front(&p->out), n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (r <= 0)
            break;
        redwi_buf_take(&p->out, (size_t)r);
        if (slow)
            break;
    }
    peer_watch(p);
}

void stand_peer_send(struct stand_peer *p, const void *bytes, size_t n)
{
    if (p->tls && n)
        tls_peer_write(p->tls, bytes, n);
    else
        redwi_buf_bytes(&p->out, bytes, n);
    peer_flush(p, false);
}

static struct stand_server *server_of(struct stand_peer *p)
{
    for (size_t i = 0; i < p->stand->nservers; i++)
        if (p >= p->stand->servers[i].peers && p < p->stand->servers[i].peers + STAND_PEERS)
            return &p->stand->servers[i];
    abort();
}

static void write_records(struct stand_peer *p, const uint8_t *bytes, size_t n)
{
    const struct stand_server *s = server_of(p);
    size_t most = s->record ? s->record : n;
    for (size_t i = 0; n; i++) {
        size_t part = n < most ? n : most;
        tls_peer_write(p->tls, bytes, part);
        bytes += part;
        n -= part;
        if (s->chatters && i % 4 == 0)
            tls_peer_key_update(p->tls, i % 8 == 0);
        if (s->chatters && i % 4 == 2)
            tls_peer_ticket(p->tls);
    }
}

/* What the memory peer answered goes out: in clear before TLS, else through it. */
static void answer(struct stand_peer *p)
{
    size_t n = redwi_buf_len(&p->peer.out);
    if (!n)
        return;
    if (p->tls && p->sent_any)
        write_records(p, redwi_buf_front(&p->peer.out), n);
    else
        redwi_buf_bytes(&p->out, redwi_buf_front(&p->peer.out), n);
    redwi_buf_take(&p->peer.out, n);
    p->sent_any = true;
}

static void peer_take(struct stand_peer *p, const uint8_t *bytes, size_t n)
{
    uint8_t clear[20000];
    if (!p->tls || !p->sent_any) {
        peer_feed(&p->peer, bytes, n);
        answer(p);
        return;
    }
    tls_peer_feed(p->tls, bytes, n);
    while ((n = tls_peer_read(p->tls, clear, sizeof clear)) > 0) {
        peer_feed(&p->peer, clear, n);
        answer(p);
    }
}

static void on_peer(struct ev_loop *ev, ev_io *w, int events)
{
    struct stand_peer *p = w->data;
    struct stand_server *s = server_of(p);
    uint8_t bytes[65536];
    (void)ev;
    if (events & EV_READ && !s->deaf) {
        ssize_t n = recv(p->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            p->saw_end = true;
            stand_peer_close(p);
            return;
        }
        if (n > 0) {
            p->received += (size_t)n;
            if (!s->mute)
                peer_take(p, bytes, (size_t)n);
        }
    }
    peer_flush(p, s->slow);
    if (s->deaf && p->fd >= 0)
        ev_io_stop(p->stand->ev, &p->io);
    /* A CancelRequest is answered by closing. */
    if (p->peer.cancelled)
        stand_peer_close(p);
}

static void on_accept(struct ev_loop *ev, ev_io *w, int events)
{
    struct stand_server *s = w->data;
    int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    (void)ev, (void)events;
    if (fd < 0)
        return;
    ck_assert_uint_lt(s->naccepted, STAND_PEERS);
    struct stand_peer *p = &s->peers[s->naccepted++];
    *p = (struct stand_peer){.stand = s->stand, .fd = fd};
    peer_init(&p->peer, &s->config);
    redwi_buf_init(&p->out, &redwi_malloc, SIZE_MAX / 2);
    if (s->tls)
        p->tls = tls_peer_new(s->tls);
    p->sent_any = s->direct;
    ev_io_init(&p->io, on_peer, fd, EV_READ);
    p->io.data = p;
    ev_io_start(s->stand->ev, &p->io);
}

static struct stand_server *server_new(struct stand *r, const struct peer_config *config, int fd)
{
    ck_assert_uint_lt(r->nservers, sizeof r->servers / sizeof r->servers[0]);
    struct stand_server *s = &r->servers[r->nservers++];
    *s = (struct stand_server){.stand = r, .fd = fd, .config = *config};
    for (size_t i = 0; i < STAND_PEERS; i++)
        s->peers[i].fd = -1;
    ck_assert_int_eq(listen(fd, 8), 0);
    ev_io_init(&s->accept, on_accept, fd, EV_READ);
    s->accept.data = s;
    ev_io_start(r->ev, &s->accept);
    return s;
}

static int bound_socket(uint16_t *port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    *port = ntohs(sa.sin_port);
    return fd;
}

uint16_t stand_free_port(void)
{
    uint16_t port;
    close(bound_socket(&port));
    return port;
}

struct stand_server *stand_listen(struct stand *r, const struct peer_config *config,
                                  const struct tls_peer_config *tls)
{
    uint16_t port;
    int fd = bound_socket(&port);
    struct stand_server *s = server_new(r, config, fd);
    s->port = port;
    s->tls = tls;
    stand_target(r, "127.0.0.1", port);
    return s;
}

struct stand_server *stand_listen_unix(struct stand *r, const struct peer_config *config, const char *dir)
{
    struct redwi_address a;
    ck_assert(redwi_address_unix(dir, 5432, &a));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a.storage, a.len), 0);
    struct stand_server *s = server_new(r, config, fd);
    s->dir = dir;
    s->port = 5432;
    stand_target(r, dir, 5432);
    return s;
}

struct stand_peer *stand_peer_of(struct stand_server *s, size_t i)
{
    ck_assert_uint_lt(i, s->naccepted);
    return &s->peers[i];
}

static void server_close(struct stand_server *s)
{
    for (size_t i = 0; i < s->naccepted; i++) {
        stand_peer_close(&s->peers[i]);
        ck_assert_str_eq(s->peers[i].peer.wrong, "");
        peer_free(&s->peers[i].peer);
        redwi_buf_free(&s->peers[i].out);
        tls_peer_free(s->peers[i].tls);
    }
    ev_io_stop(s->stand->ev, &s->accept);
    if (s->fd >= 0)
        close(s->fd);
}

void stand_teardown_servers(struct stand *r)
{
    for (size_t i = 0; i < r->nservers; i++)
        server_close(&r->servers[i]);
    r->nservers = 0;
}

/* --- names --------------------------------------------------------------------------------------- */

struct lookup {
    struct stand *stand;
    redwi_names_fn *fn;
    void *arg;
    _Alignas(16) unsigned char turn[512];
    bool inside;
};

static void on_lookup(void *arg)
{
    struct lookup *l = arg;
    struct stand *r = l->stand;
    l->inside = true;
    l->fn(l->arg, r->addrs, r->naddrs, r->naddrs ? NULL : r->names_why);
    l->inside = false;
}

static int names_start(void *ctx, const struct redw_allocator *mem, const struct redw_loop *loop,
                       const char *host, uint16_t port, redwi_names_fn *fn, void *arg, void **query)
{
    struct stand *r = ctx;
    struct lookup *l = redwi_alloc_array(mem, 1, sizeof *l);
    ck_assert_str_eq(host, r->settings.host);
    ck_assert_uint_eq(port, r->settings.port);
    if (!l)
        return REDW_ENOMEM;
    *l = (struct lookup){.stand = r, .fn = fn, .arg = arg};
    loop->turn_init(loop->ctx, l->turn, on_lookup, l);
    if (!r->names_silent)
        loop->turn_request(loop->ctx, l->turn);
    r->lookups++;
    *query = l;
    return 0;
}

static void names_cancel(void *ctx, void *query)
{
    struct stand *r = ctx;
    struct lookup *l = query;
    ck_assert(!l->inside);
    r->probe.loop.turn_fini(r->probe.loop.ctx, l->turn);
    redwi_free(&r->fault.mem, l);
    r->cancels++;
}

/* --- the owner ----------------------------------------------------------------------------------- */

static void act(struct stand *r, enum stand_event e)
{
    ck_assert_int_gt(r->depth, 0);
    if (!r->act[e])
        return;
    r->acted++;
    r->act[e](r);
}

static void owner_enter(void *owner)
{
    struct stand *r = owner;
    r->depth++;
}

static void bury(struct stand *r, struct redwi_conn *c)
{
    if (!c || c->state != REDWI_CONN_CLOSED)
        return;
    if (c == r->conn)
        r->conn = NULL;
    else
        r->side = NULL;
    redwi_conn_free(c);
}

static void owner_leave(void *owner)
{
    struct stand *r = owner;
    ev_break(r->ev, EVBREAK_ONE); /* stand_run_until looks before the loop sleeps */
    if (--r->depth > 0)
        return;
    bury(r, r->side);
    bury(r, r->conn);
}

static void owner_ready(void *owner, struct redwi_conn *c)
{
    struct stand *r = owner;
    ck_assert_int_eq(c->state, REDWI_CONN_IDLE);
    ck_assert_ptr_eq(c, r->conn);
    r->nready++;
    act(r, STAND_READY);
}

static void owner_ended(void *owner, struct redwi_conn *c, struct redwi_job *job)
{
    struct stand *r = owner;
    ck_assert(!job || !job->conn);
    r->ended_state = c->state;
    r->ended_job = job;
    r->nended++;
    act(r, STAND_ENDED);
}

static void owner_stopped(void *owner, struct redwi_conn *c, struct redwi_job *job)
{
    struct stand *r = owner;
    ck_assert_ptr_eq(redwi_conn_job(c), job);
    r->nstopped++;
    act(r, STAND_STOPPED);
    if (job->conn)
        redwi_conn_abandon(c, job);
}

static void owner_closed(void *owner, struct redwi_conn *c, const redw_error *why)
{
    struct stand *r = owner;
    struct redwi_job *job = redwi_conn_take_job(c);
    ck_assert_int_eq(c->state, REDWI_CONN_CLOSED);
    ck_assert(!job || (!job->conn && job->error));
    if (c == r->side) {
        r->nside_closed++;
        redw_error_release(r->side_why);
        r->side_why = redw_error_keep(why);
        return;
    }
    ck_assert_ptr_nonnull(why);
    r->nclosed++;
    r->closed_job = job;
    redw_error_release(r->why);
    r->why = redw_error_keep(why);
    act(r, STAND_CLOSED);
}

static void owner_noticed(void *owner, struct redwi_job *job, const redw_error *notice)
{
    struct stand *r = owner;
    ck_assert_ptr_nonnull(notice);
    r->nnoticed += job ? 1 : 0;
}

static void owner_corked(void *owner, struct redwi_conn *c)
{
    struct stand *r = owner;
    ck_assert_ptr_eq(c, r->conn);
    r->corked = true;
    r->probe.loop.turn_request(r->probe.loop.ctx, r->turn);
}

static void on_turn(void *arg)
{
    struct stand *r = arg;
    owner_enter(r);
    if (r->corked && r->conn) {
        r->corked = false;
        redwi_conn_flush(r->conn);
    }
    owner_leave(r);
}

static const struct redwi_conn_ops owner_ops = {
    .enter = owner_enter,
    .leave = owner_leave,
    .ready = owner_ready,
    .ended = owner_ended,
    .stopped = owner_stopped,
    .closed = owner_closed,
    .noticed = owner_noticed,
    .corked = owner_corked,
};

/* --- the job ------------------------------------------------------------------------------------- */

static struct stand_job *job_of(struct redwi_job *j)
{
    return REDWI_OF(j, struct stand_job, job);
}

static int job_begin(struct redwi_job *j, struct redwi_session *s)
{
    struct redwi_buf *b = redwi_session_unit_begin(s);
    if (!b)
        return REDW_ENOMEM;
    redwi_fe_parse(b, "", job_of(j)->sql, strlen(job_of(j)->sql), NULL, 0);
    redwi_fe_bind_end(b, redwi_fe_bind_begin(b, "", "", NULL, 0), 0);
    redwi_fe_describe_portal(b, "");
    redwi_fe_execute(b, "", 0);
    return redwi_session_unit_end(
        s, j, REDWI_SENT_PARSE | REDWI_SENT_BIND | REDWI_SENT_DESCRIBE | REDWI_SENT_EXECUTE,
        REDW_OUTCOME_NOT_EXECUTED);
}

static enum redwi_job_flow next_flow(struct stand_job *r)
{
    return r->nflow < sizeof r->flow / sizeof r->flow[0] ? r->flow[r->nflow++] : REDWI_JOB_GO;
}

/* The error that goes with STOP and DRAIN. */
static enum redwi_job_flow answer_flow(struct redwi_job *j)
{
    enum redwi_job_flow flow = j->conn ? next_flow(job_of(j)) : REDWI_JOB_GO;
    if (flow == REDWI_JOB_STOP && !j->error)
        j->error = redwi_err_make(
            &job_of(j)->stand->fault.mem,
            &(struct redwi_err_spec){.code = REDW_ECANCELLED, .cls = REDW_CLASS_QUERY_CANCELLED}, "enough");
    return flow;
}

static enum redwi_job_flow job_columns(struct redwi_job *j, const struct redwi_columns *columns)
{
    job_of(j)->ncolumns = (int)columns->n;
    act(job_of(j)->stand, STAND_COLUMNS);
    return answer_flow(j);
}

static void add_text(struct stand_job *r, const char *text, size_t n)
{
    size_t at = strlen(r->text);
    if (n && at + n + 1 < sizeof r->text) {
        memcpy(r->text + at, text, n);
        r->text[at + n] = 0;
    }
}

static enum redwi_job_flow job_rows(struct redwi_job *j, const uint8_t *p, const uint8_t *end,
                                    const uint8_t **taken, bool *corrupt)
{
    struct stand_job *r = job_of(j);
    redw_slice cells[16];
    struct redw_column columns[16] = {0};
    struct redwi_rowset set = {.columns = columns, .ncolumns = (size_t)r->ncolumns, .cells = cells};
    redw_rows rows = redwi_rows_streamed(&set, p, end);
    redw_row row;
    size_t n = 0;
    ck_assert_ptr_eq(j->conn, r->stand->conn);
    ck_assert(redwi_rows_left(&rows));
    r->ncalls++;
    while (!r->take_none && (!r->batch || n < r->batch) && redw_rows_next(&rows, &row)) {
        for (size_t i = 0; i < row.ncells; i++) {
            add_text(r, ",", i ? 1 : 0);
            add_text(r, row.cells[i].ptr, row.cells[i].len);
            r->bytes += row.cells[i].len;
        }
        add_text(r, ";", 1);
        r->nrows++;
        n++;
    }
    act(r->stand, STAND_ROWS);
    *taken = redwi_rows_at(&rows);
    *corrupt = set.corrupt || r->corrupt;
    return answer_flow(j);
}

static void job_complete(struct redwi_job *j, const char *tag, size_t len)
{
    struct stand_job *r = job_of(j);
    snprintf(r->tag, sizeof r->tag, "%.*s", (int)len, tag);
    r->ncomplete++;
    act(r->stand, STAND_COMPLETE);
}

static redw_error *job_notice(struct redwi_job *j, redw_error *owned)
{
    job_of(j)->nnotices++;
    act(job_of(j)->stand, STAND_NOTICE);
    return owned;
}

static const struct redwi_job_ops job_ops = {
    .begin = job_begin,
    .columns = job_columns,
    .rows = job_rows,
    .complete = job_complete,
    .notice = job_notice,
};

void stand_job_init(struct stand *r, struct stand_job *j, const char *sql)
{
    *j = (struct stand_job){.stand = r, .sql = sql, .job.ops = &job_ops};
}

void stand_job_fini(struct stand_job *j)
{
    redw_error_release(j->job.error);
    j->job.error = NULL;
}

void stand_start(struct stand *r, struct stand_job *j)
{
    ck_assert_int_eq(redwi_conn_start(r->conn, &j->job), 0);
    ck_assert_int_eq(r->conn->state, REDWI_CONN_BUSY);
    ck_assert_ptr_eq(j->job.conn, r->conn);
}

/* --- the stand ------------------------------------------------------------------------------------- */

void stand_target(struct stand *r, const char *host, uint16_t port)
{
    r->settings.host = (char *)(uintptr_t)host;
    r->settings.port = port;
}

void stand_use_tls_of(struct stand *r, const struct redwi_tls_config *config)
{
    struct redw_diag why = {0};
    r->settings.tls_mode = config->mode;
    r->settings.tls_direct = config->direct;
    ck_assert_msg(redwi_tls_ctx_create(&r->tls, &r->fault.mem, config, &why) == 0, "%s", why.text);
}

void stand_use_tls(struct stand *r, enum redwi_tls_mode mode, const char *ca_file)
{
    stand_use_tls_of(r, &(struct redwi_tls_config){.mode = mode, .ca_file = ca_file});
}

void stand_open(struct stand *r)
{
    static char user[] = "alice", database[] = "lake", application[] = "stand";
    memset(r, 0, sizeof *r);
    r->ev = ev_loop_new(EVFLAG_AUTO);
    fault_init(&r->fault);
    probe_init(&r->probe, redwi_loop_ev(r->ev));
    r->names = (struct redwi_names){.ctx = r, .start = names_start, .cancel = names_cancel};
    r->names_why = "no such name";
    r->env = (struct redwi_env){.sys = &r->fault.sys, .names = &r->names};
    r->settings = (struct redwi_settings){
        .user = user,
        .database = database,
        .application_name = application,
        .tls_mode = REDWI_TLS_DISABLE,
        .tcp = {.idle_s = 60, .interval_s = 10, .count = 3, .user_timeout_ms = 75000}};
    r->probe.loop.turn_init(r->probe.loop.ctx, r->turn, on_turn, r);
    ev_run(r->ev, EVRUN_NOWAIT);
    leak_begin(&r->leak);
}

void stand_close(struct stand *r)
{
    fault_disarm(&r->fault);
    if (r->side) {
        redwi_conn_close(r->side, false);
        redwi_conn_free(r->side);
    }
    if (r->conn) {
        redwi_conn_close(r->conn, false);
        redwi_conn_free(r->conn);
    }
    redw_error_release(r->why);
    redw_error_release(r->side_why);
    stand_teardown_servers(r);
    redwi_tls_ctx_free(r->tls);
    r->probe.loop.turn_fini(r->probe.loop.ctx, r->turn);
    ck_assert_int_eq(r->lookups, r->cancels);
    ck_assert_int_eq(r->depth, 0);
    ck_assert(leak_check(&r->leak, r->ev, &r->fault, &r->probe, stderr));
    fault_fini(&r->fault);
    ev_loop_destroy(r->ev);
}

static int open_conn(struct stand *r, int64_t timeout_ms, struct redwi_conn **out,
                     const struct redwi_conn *cancels)
{
    const struct redwi_conn_config config = {
        .mem = &r->fault.mem,
        .loop = &r->probe.loop,
        .env = &r->env,
        .settings = &r->settings,
        .endpoint = &r->endpoint,
        .tls = r->tls,
        .ops = &owner_ops,
        .owner = r,
        .deadline_us = r->probe.loop.now_us(r->probe.loop.ctx) + timeout_ms * 1000,
        .cancels = cancels,
    };
    int calls = r->nready + r->nclosed + r->nside_closed;
    int code = redwi_conn_open(out, &config);
    ck_assert_int_eq(r->nready + r->nclosed + r->nside_closed, calls); /* never from inside */
    return code;
}

int stand_connect(struct stand *r, int64_t timeout_ms)
{
    return open_conn(r, timeout_ms, &r->conn, NULL);
}

int stand_cancel(struct stand *r, int64_t timeout_ms)
{
    return open_conn(r, timeout_ms, &r->side, r->conn);
}

void stand_login(struct stand *r)
{
    int n = r->nready;
    ck_assert_int_eq(stand_connect(r, 5000), 0);
    stand_run_until(r, &r->nready, n + 1);
    ck_assert_int_eq(r->conn->state, REDWI_CONN_IDLE);
}

static void on_timeout(struct ev_loop *ev, ev_timer *t, int events)
{
    (void)ev, (void)events;
    *(bool *)t->data = true;
}

void stand_run_until(struct stand *r, const int *count, int n)
{
    bool late = false;
    ev_timer timer;
    ev_timer_init(&timer, on_timeout, 5., 0.);
    timer.data = &late;
    ev_now_update(r->ev);
    ev_timer_start(r->ev, &timer);
    while (*count < n && !late)
        ev_run(r->ev, EVRUN_ONCE);
    ev_timer_stop(r->ev, &timer);
    ck_assert_msg(*count >= n, "late: ready %d, ended %d, closed %d, state %s; %s", r->nready, r->nended,
                  r->nclosed, r->conn ? redwi_conn_state_name(r->conn->state) : "none",
                  redw_error_message(r->why));
}

void stand_run(struct stand *r, int rounds)
{
    while (rounds--)
        ev_run(r->ev, EVRUN_NOWAIT);
}

void stand_add_address(struct stand *r, const char *host, uint16_t port)
{
    ck_assert(redwi_address_literal(host, port, &r->addrs[r->naddrs++]));
}

int64_t stand_now_us(const struct stand *r)
{
    return r->probe.loop.now_us(r->probe.loop.ctx);
}

void stand_run_job(struct stand *r, struct stand_job *j, const char *sql)
{
    int n = r->nended;
    stand_job_init(r, j, sql);
    stand_start(r, j);
    stand_run_until(r, &r->nended, n + 1);
    ck_assert_ptr_eq(r->ended_job, &j->job);
}

void stand_wait_received(struct stand_peer *p, size_t more)
{
    size_t n = p->received + more;
    while (p->received < n)
        stand_run(p->stand, 1);
}

void stand_expect_why(const struct stand *r, int code, const char *begin, const char *end)
{
    const char *text = redw_error_message(r->why);
    size_t n = strlen(text);
    ck_assert_msg(redw_error_code(r->why) == code, "%d %s", redw_error_code(r->why), text);
    ck_assert_msg(!strncmp(text, begin, strlen(begin)), "%s", text);
    ck_assert_msg(n >= strlen(end) && !strcmp(text + n - strlen(end), end), "%s", text);
}

/* A buffer of an answer: one column, rows of one cell, the end. */
static void put_flood(struct redwi_buf *b, size_t cell_bytes, size_t total)
{
    const struct redwi_field field = {.name = {"c", 1}, .type_oid = 25, .type_size = -1, .typmod = -1};
    char *text = malloc(cell_bytes);
    const redw_slice cell = {text, cell_bytes};
    memset(text, 'r', cell_bytes);
    redwi_be_put_simple(b, '1');
    redwi_be_put_simple(b, '2');
    redwi_be_put_row_description(b, &field, 1);
    while (redwi_buf_len(b) < total)
        redwi_be_put_data_row(b, &cell, 1);
    redwi_be_put_command_complete(b, "SELECT 1");
    redwi_be_put_ready(b, 'I');
    free(text);
}

size_t stand_flood(struct stand_server *s, const struct stand_job *j, size_t cell_bytes, size_t total)
{
    struct stand *r = s->stand;
    struct redwi_buf b;
    size_t before = 0, most = 0;
    int ended = r->nended;
    s->mute = true;
    stand_wait_received(&s->peers[0], 1);
    redwi_buf_init(&b, &redwi_malloc, SIZE_MAX / 2);
    put_flood(&b, cell_bytes, total);
    stand_peer_send(&s->peers[0], redwi_buf_front(&b), redwi_buf_len(&b));
    redwi_buf_free(&b);
    while (r->nended == ended && !r->nclosed) {
        stand_run(r, 1);
        most = j->bytes - before > most ? j->bytes - before : most;
        before = j->bytes;
    }
    s->mute = false;
    ck_assert_int_eq(r->nclosed, 0);
    return most;
}
