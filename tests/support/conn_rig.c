/* SPDX-License-Identifier: Apache-2.0 */
#include "support/conn_rig.h"

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

/* --- the server ---------------------------------------------------------------------------------- */

static void peer_watch(struct rig_peer *p)
{
    int events = redwi_buf_len(&p->out) ? EV_READ | EV_WRITE : EV_READ;
    if (p->fd < 0)
        return;
    ev_io_stop(p->rig->ev, &p->io);
    ev_io_set(&p->io, p->fd, events);
    ev_io_start(p->rig->ev, &p->io);
}

void rig_peer_close(struct rig_peer *p)
{
    if (p->fd < 0)
        return;
    ev_io_stop(p->rig->ev, &p->io);
    close(p->fd);
    p->fd = -1;
}

void rig_peer_reset(struct rig_peer *p)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (p->fd >= 0)
        setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    rig_peer_close(p);
}

static void flush_tls(struct rig_peer *p)
{
    uint8_t chunk[20000];
    size_t n;
    while (p->tls && (n = tls_peer_take(p->tls, chunk, sizeof chunk)) > 0)
        redwi_buf_bytes(&p->out, chunk, n);
}

static void peer_flush(struct rig_peer *p, bool slow)
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

void rig_peer_send(struct rig_peer *p, const void *bytes, size_t n)
{
    if (p->tls && n)
        tls_peer_write(p->tls, bytes, n);
    else
        redwi_buf_bytes(&p->out, bytes, n);
    peer_flush(p, false);
}

/* What the memory peer answered goes out: in clear before TLS, else through it. */
static void answer(struct rig_peer *p)
{
    size_t n = redwi_buf_len(&p->peer.out);
    if (!n)
        return;
    if (p->tls && p->sent_any)
        tls_peer_write(p->tls, redwi_buf_front(&p->peer.out), n);
    else
        redwi_buf_bytes(&p->out, redwi_buf_front(&p->peer.out), n);
    redwi_buf_take(&p->peer.out, n);
    p->sent_any = true;
}

static void peer_take(struct rig_peer *p, const uint8_t *bytes, size_t n)
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

static struct rig_server *server_of(struct rig_peer *p)
{
    for (size_t i = 0; i < p->rig->nservers; i++)
        if (p >= p->rig->servers[i].peers && p < p->rig->servers[i].peers + RIG_PEERS)
            return &p->rig->servers[i];
    abort();
}

static void on_peer(struct ev_loop *ev, ev_io *w, int events)
{
    struct rig_peer *p = w->data;
    struct rig_server *s = server_of(p);
    uint8_t bytes[65536];
    (void)ev;
    if (events & EV_READ && !s->deaf) {
        ssize_t n = recv(p->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            p->saw_end = true;
            rig_peer_close(p);
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
        ev_io_stop(p->rig->ev, &p->io);
    /* A CancelRequest is answered by closing. */
    if (p->peer.cancelled)
        rig_peer_close(p);
}

static void on_accept(struct ev_loop *ev, ev_io *w, int events)
{
    struct rig_server *s = w->data;
    int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    (void)ev, (void)events;
    if (fd < 0)
        return;
    ck_assert_uint_lt(s->naccepted, RIG_PEERS);
    struct rig_peer *p = &s->peers[s->naccepted++];
    *p = (struct rig_peer){.rig = s->rig, .fd = fd};
    peer_init(&p->peer, &s->config);
    redwi_buf_init(&p->out, &redwi_malloc, SIZE_MAX / 2);
    if (s->tls)
        p->tls = tls_peer_new(s->tls);
    ev_io_init(&p->io, on_peer, fd, EV_READ);
    p->io.data = p;
    ev_io_start(s->rig->ev, &p->io);
}

static struct rig_server *server_new(struct rig *r, const struct peer_config *config, int fd)
{
    ck_assert_uint_lt(r->nservers, sizeof r->servers / sizeof r->servers[0]);
    struct rig_server *s = &r->servers[r->nservers++];
    *s = (struct rig_server){.rig = r, .fd = fd, .config = *config};
    for (size_t i = 0; i < RIG_PEERS; i++)
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

uint16_t rig_free_port(void)
{
    uint16_t port;
    close(bound_socket(&port));
    return port;
}

struct rig_server *rig_listen(struct rig *r, const struct peer_config *config, const struct tls_peer_config *tls)
{
    uint16_t port;
    int fd = bound_socket(&port);
    struct rig_server *s = server_new(r, config, fd);
    s->port = port;
    s->tls = tls;
    rig_target(r, "127.0.0.1", port);
    return s;
}

struct rig_server *rig_listen_unix(struct rig *r, const struct peer_config *config, const char *dir)
{
    struct redwi_address a;
    ck_assert(redwi_address_unix(dir, 5432, &a));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a.storage, a.len), 0);
    struct rig_server *s = server_new(r, config, fd);
    s->dir = dir;
    s->port = 5432;
    rig_target(r, dir, 5432);
    return s;
}

struct rig_peer *rig_peer_of(struct rig_server *s, size_t i)
{
    ck_assert_uint_lt(i, s->naccepted);
    return &s->peers[i];
}

static void server_close(struct rig_server *s)
{
    for (size_t i = 0; i < s->naccepted; i++) {
        rig_peer_close(&s->peers[i]);
        ck_assert_str_eq(s->peers[i].peer.wrong, "");
        peer_free(&s->peers[i].peer);
        redwi_buf_free(&s->peers[i].out);
        tls_peer_free(s->peers[i].tls);
    }
    ev_io_stop(s->rig->ev, &s->accept);
    if (s->fd >= 0)
        close(s->fd);
}

void rig_teardown_servers(struct rig *r)
{
    for (size_t i = 0; i < r->nservers; i++)
        server_close(&r->servers[i]);
    r->nservers = 0;
}

/* --- names --------------------------------------------------------------------------------------- */

struct lookup {
    struct rig *rig;
    redwi_names_fn *fn;
    void *arg;
    _Alignas(16) unsigned char turn[512];
    bool inside;
};

static void on_lookup(void *arg)
{
    struct lookup *l = arg;
    struct rig *r = l->rig;
    l->inside = true;
    l->fn(l->arg, r->addrs, r->naddrs, r->naddrs ? NULL : r->names_why);
    l->inside = false;
}

static int names_start(void *ctx, const struct redw_allocator *mem, const struct redw_loop *loop, const char *host,
                       uint16_t port, redwi_names_fn *fn, void *arg, void **query)
{
    struct rig *r = ctx;
    struct lookup *l = redwi_alloc_array(mem, 1, sizeof *l);
    ck_assert_str_eq(host, r->settings.host);
    ck_assert_uint_eq(port, r->settings.port);
    if (!l)
        return REDW_ENOMEM;
    *l = (struct lookup){.rig = r, .fn = fn, .arg = arg};
    loop->turn_init(loop->ctx, l->turn, on_lookup, l);
    if (!r->names_silent)
        loop->turn_request(loop->ctx, l->turn);
    r->lookups++;
    *query = l;
    return 0;
}

static void names_cancel(void *ctx, void *query)
{
    struct rig *r = ctx;
    struct lookup *l = query;
    ck_assert(!l->inside);
    r->probe.loop.turn_fini(r->probe.loop.ctx, l->turn);
    redwi_free(&r->fault.mem, l);
    r->cancels++;
}

/* --- the owner ----------------------------------------------------------------------------------- */

static void act(struct rig *r, enum rig_event e)
{
    ck_assert_int_gt(r->depth, 0);
    if (!r->act[e])
        return;
    r->acted++;
    r->act[e](r);
}

static void owner_enter(void *owner)
{
    struct rig *r = owner;
    r->depth++;
}

static void bury(struct rig *r, struct redwi_conn *c)
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
    struct rig *r = owner;
    ev_break(r->ev, EVBREAK_ONE); /* rig_run_until looks before the loop sleeps */
    if (--r->depth > 0)
        return;
    bury(r, r->side);
    bury(r, r->conn);
}

static void owner_ready(void *owner, struct redwi_conn *c)
{
    struct rig *r = owner;
    ck_assert_int_eq(c->state, REDWI_CONN_IDLE);
    ck_assert_ptr_eq(c, r->conn);
    r->nready++;
    act(r, RIG_READY);
}

static void owner_ended(void *owner, struct redwi_conn *c, struct redwi_job *job)
{
    struct rig *r = owner;
    ck_assert_ptr_null(c->job);
    ck_assert(!job || !job->conn);
    r->ended_state = c->state;
    r->ended_job = job;
    r->nended++;
    act(r, RIG_ENDED);
}

static void owner_stopped(void *owner, struct redwi_conn *c, struct redwi_job *job)
{
    struct rig *r = owner;
    ck_assert_ptr_eq(c->job, job);
    r->nstopped++;
    act(r, RIG_STOPPED);
    redwi_conn_abandon(c, r->probe.loop.now_us(r->probe.loop.ctx) + 1000000);
}

static void owner_closed(void *owner, struct redwi_conn *c, struct redwi_job *job, const redw_error *why)
{
    struct rig *r = owner;
    ck_assert_int_eq(c->state, REDWI_CONN_CLOSED);
    ck_assert_ptr_null(c->job);
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
    act(r, RIG_CLOSED);
}

static void owner_corked(void *owner, struct redwi_conn *c)
{
    struct rig *r = owner;
    ck_assert_ptr_eq(c, r->conn);
    r->corked = true;
    r->probe.loop.turn_request(r->probe.loop.ctx, r->turn);
}

static void on_turn(void *arg)
{
    struct rig *r = arg;
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
    .corked = owner_corked,
};

/* --- the job ------------------------------------------------------------------------------------- */

static struct rig_job *job_of(struct redwi_job *j)
{
    return REDWI_OF(j, struct rig_job, job);
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
    return redwi_session_unit_end(s, j, REDWI_SENT_PARSE | REDWI_SENT_BIND | REDWI_SENT_DESCRIBE | REDWI_SENT_EXECUTE,
                                  REDW_OUTCOME_NOT_EXECUTED);
}

static enum redwi_job_flow next_flow(struct rig_job *r)
{
    return r->nflow < sizeof r->flow / sizeof r->flow[0] ? r->flow[r->nflow++] : REDWI_JOB_GO;
}

/* The error that goes with STOP and DRAIN. */
static enum redwi_job_flow answer_flow(struct redwi_job *j)
{
    enum redwi_job_flow flow = j->conn ? next_flow(job_of(j)) : REDWI_JOB_GO;
    if ((flow == REDWI_JOB_STOP || flow == REDWI_JOB_DRAIN) && !j->error)
        j->error = redwi_err_make(&job_of(j)->rig->fault.mem,
                                  &(struct redwi_err_spec){.code = REDW_ECANCELLED, .cls = REDW_CLASS_QUERY_CANCELLED},
                                  "enough");
    return flow;
}

static enum redwi_job_flow job_columns(struct redwi_job *j, const struct redwi_columns *columns)
{
    job_of(j)->ncolumns = (int)columns->n;
    act(job_of(j)->rig, RIG_COLUMNS);
    return answer_flow(j);
}

static void add_text(struct rig_job *r, const char *text, size_t n)
{
    size_t at = strlen(r->text);
    if (n && at + n + 1 < sizeof r->text) {
        memcpy(r->text + at, text, n);
        r->text[at + n] = 0;
    }
}

static enum redwi_job_flow job_rows(struct redwi_job *j, const uint8_t *p, const uint8_t *end, const uint8_t **taken,
                                    bool *corrupt)
{
    struct rig_job *r = job_of(j);
    redw_slice cells[16];
    struct redw_column columns[16] = {0};
    struct redwi_rowset set = {.columns = columns, .ncolumns = (size_t)r->ncolumns, .cells = cells};
    redw_rows rows = redwi_rows_streamed(&set, p, end);
    redw_row row;
    size_t n = 0;
    ck_assert_ptr_eq(j->conn, r->rig->conn);
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
    act(r->rig, RIG_ROWS);
    *taken = redwi_rows_at(&rows);
    *corrupt = set.corrupt || r->corrupt;
    return answer_flow(j);
}

static void job_complete(struct redwi_job *j, const char *tag, size_t len)
{
    struct rig_job *r = job_of(j);
    snprintf(r->tag, sizeof r->tag, "%.*s", (int)len, tag);
    r->ncomplete++;
    act(r->rig, RIG_COMPLETE);
}

static void job_notice(struct redwi_job *j, redw_error *owned)
{
    redw_error_release(owned);
    job_of(j)->nnotices++;
    act(job_of(j)->rig, RIG_NOTICE);
}

static const struct redwi_job_ops job_ops = {
    .begin = job_begin,
    .columns = job_columns,
    .rows = job_rows,
    .complete = job_complete,
    .notice = job_notice,
};

void rig_job_init(struct rig *r, struct rig_job *j, const char *sql)
{
    *j = (struct rig_job){.rig = r, .sql = sql, .job.ops = &job_ops};
}

void rig_job_fini(struct rig_job *j)
{
    redw_error_release(j->job.error);
    j->job.error = NULL;
}

void rig_start(struct rig *r, struct rig_job *j)
{
    ck_assert_int_eq(redwi_conn_start(r->conn, &j->job), 0);
    ck_assert_int_eq(r->conn->state, REDWI_CONN_BUSY);
    ck_assert_ptr_eq(j->job.conn, r->conn);
}

/* --- the rig ------------------------------------------------------------------------------------- */

void rig_target(struct rig *r, const char *host, uint16_t port)
{
    r->settings.host = (char *)(uintptr_t)host;
    r->settings.port = port;
}

void rig_use_tls(struct rig *r, enum redwi_tls_mode mode, const char *ca_file)
{
    struct redw_diag why = {0};
    r->settings.tls_mode = mode;
    ck_assert_msg(redwi_tls_ctx_create(&r->tls, &r->fault.mem, mode, ca_file, &why) == 0, "%s", why.text);
}

void rig_open(struct rig *r)
{
    static char user[] = "alice", database[] = "lake", application[] = "rig";
    memset(r, 0, sizeof *r);
    r->ev = ev_loop_new(EVFLAG_AUTO);
    fault_init(&r->fault);
    probe_init(&r->probe, redwi_loop_ev(r->ev));
    r->names = (struct redwi_names){.ctx = r, .start = names_start, .cancel = names_cancel};
    r->names_why = "no such name";
    r->env = (struct redwi_env){.sys = &r->fault.sys, .names = &r->names};
    r->settings = (struct redwi_settings){
        .user = user, .database = database, .application_name = application, .tls_mode = REDWI_TLS_DISABLE};
    r->probe.loop.turn_init(r->probe.loop.ctx, r->turn, on_turn, r);
    ev_run(r->ev, EVRUN_NOWAIT);
    leak_begin(&r->leak);
}

void rig_close(struct rig *r)
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
    rig_teardown_servers(r);
    redwi_tls_ctx_free(r->tls);
    r->probe.loop.turn_fini(r->probe.loop.ctx, r->turn);
    ck_assert_int_eq(r->lookups, r->cancels);
    ck_assert_int_eq(r->depth, 0);
    ck_assert(leak_check(&r->leak, r->ev, &r->fault, &r->probe, stderr));
    fault_fini(&r->fault);
    ev_loop_destroy(r->ev);
}

static int open_conn(struct rig *r, int64_t timeout_ms, struct redwi_conn **out, const struct redwi_conn *cancels)
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

int rig_connect(struct rig *r, int64_t timeout_ms)
{
    return open_conn(r, timeout_ms, &r->conn, NULL);
}

int rig_cancel(struct rig *r, int64_t timeout_ms)
{
    return open_conn(r, timeout_ms, &r->side, r->conn);
}

void rig_login(struct rig *r)
{
    int n = r->nready;
    ck_assert_int_eq(rig_connect(r, 5000), 0);
    rig_run_until(r, &r->nready, n + 1);
    ck_assert_int_eq(r->conn->state, REDWI_CONN_IDLE);
}

static void on_timeout(struct ev_loop *ev, ev_timer *t, int events)
{
    (void)ev, (void)events;
    *(bool *)t->data = true;
}

void rig_run_until(struct rig *r, const int *count, int n)
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
    ck_assert_msg(*count >= n, "late: ready %d, ended %d, closed %d, state %s; %s", r->nready, r->nended, r->nclosed,
                  r->conn ? redwi_conn_state_name(r->conn->state) : "none", redw_error_message(r->why));
}

void rig_run(struct rig *r, int rounds)
{
    while (rounds--)
        ev_run(r->ev, EVRUN_NOWAIT);
}
