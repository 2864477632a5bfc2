/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public client: made, asked, closed, destroyed; and the table of accepted jobs.
 *
 * The client and its watchers are one allocation. Everything that may fail is reserved at create and at
 * accept; close and destroy only give back.
 */
#include "pool/client.h"

#include "pool/dispatch.h"
#include "pool/loop_ev.h"
#include "wire/err.h"
#include "wire/mem.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SLOTS_FIRST       64u
#define TIMERS            4u     /* of a client */
#define WATCHER_BYTES_MAX 65536u /* far beyond any loop's, far below any overflow */

/* What accepting a job seldom comes to. */
#define NOINLINE static __attribute__((noinline))

/* --- the table of ids --- */

/* Ids are a serial number, so those of jobs accepted together are in lists of their own. */
static struct redwi_job **list_of(const redw_client *c, redw_id id)
{
    return &c->slots[(uint64_t)id & (c->nslots - 1)];
}

static void put(redw_client *c, struct redwi_job *j)
{
    struct redwi_job **list = list_of(c, j->id);

    j->id_next = *list;
    *list = j;
}

NOINLINE bool make_slots(redw_client *c)
{
    uint32_t old = c->nslots, n = old ? old * 2 : SLOTS_FIRST;
    struct redwi_job **from = c->slots, **to = n ? redwi_alloc_array(&c->mem, n, sizeof *to) : NULL;

    if (!to)
        return false;
    c->slots = to;
    c->nslots = n;
    for (uint32_t i = 0; i < old; i++) {
        for (struct redwi_job *j = from[i], *next; j; j = next) {
            next = j->id_next;
            put(c, j);
        }
    }
    redwi_free(&c->mem, from);
    return true;
}

/* Room for one more: as many lists as there are jobs. */
static inline bool reserve_slot(redw_client *c)
{
    return c->njobs < c->nslots || make_slots(c);
}

struct redwi_job *redwi_client_find(const redw_client *c, redw_id id)
{
    if (id <= 0 || c->njobs == 0)
        return NULL;
    struct redwi_job *j = *list_of(c, id);
    while (j && j->id != id)
        j = j->id_next;
    return j;
}

void redwi_client_unlist(redw_client *c, const struct redwi_job *j)
{
    struct redwi_job **at = list_of(c, j->id);

    while (*at != j)
        at = &(*at)->id_next;
    *at = j->id_next;
    c->njobs--;
}

/* --- accepting --- */

redw_id redwi_client_refuse(redw_client *c, int code, const char *fmt, ...)
{
    va_list args;

    c->why.code = code;
    va_start(args, fmt);
    vsnprintf(c->why.text, sizeof c->why.text, fmt, args);
    va_end(args);
    return code;
}

/* Jobs that an idle connection will take in the next turn do not wait. */
static inline bool queue_is_full(const redw_client *c)
{
    uint32_t idle = c->counts[REDWI_AT_IDLE];

    return c->nwaiting >= idle && c->nwaiting - idle >= c->settings.queue_max;
}

/* What did not let a job in. */
NOINLINE redw_id refuse(redw_client *c)
{
    if (c->closing || c->destroying)
        return redwi_client_refuse(c, REDW_ECLOSED, "the client is %s",
                                   c->closed_ran ? "closed" : "closing");
    return redwi_client_refuse(
        c, REDW_EFULL,
        "queue_max %u: %u requests wait; %u connections in use, %u being opened, pool_max %u",
        c->settings.queue_max, c->nwaiting, c->counts[REDWI_AT_BUSY], c->counts[REDWI_AT_OPENING],
        c->settings.pool_max);
}

/* A slot is reserved: its id, and its place at the end of a list. */
static inline redw_id enlist(redw_client *c, struct redwi_job *j, struct redwi_link *list)
{
    j->client = c;
    j->id = c->next_id++;
    j->state = REDWI_JOB_WAITING;
    put(c, j);
    c->njobs++;
    redwi_cancel_look_at(c, redwi_job_wait_until(j));
    redwi_list_append(list, &j->link);
    redwi_pool_want_turn(c);
    return j->id;
}

redw_id redwi_client_accept(redw_client *c, struct redwi_job *j)
{
    if (c->closing || c->destroying || queue_is_full(c))
        return refuse(c);
    if (!reserve_slot(c))
        return redwi_client_refuse_memory(c);

    j->acquire_us = INT64_MAX;
    if (c->settings.acquire_timeout_ms != REDW_NONE)
        j->acquire_us = j->submitted_us + (int64_t)c->settings.acquire_timeout_ms * 1000;
    c->nwaiting++;
    return enlist(c, j, &c->waiting[j->rank]);
}

void redwi_client_resume(redw_client *c, struct redwi_job *j)
{
    redwi_list_remove(&j->link);
    redwi_list_append(&c->resuming, &j->link);
    redwi_pool_want_turn(c);
}

bool redwi_client_spare_memory(redw_client *c)
{
    return redwi_spares_empty(&c->spares, &c->work);
}

redw_id redwi_client_refuse_memory(redw_client *c)
{
    redwi_client_spare_memory(c); /* for whoever asks next */
    if (c->budget && redwi_budget_took_part(c->budget))
        return redwi_client_refuse(c, REDW_EFULL, "memory_max_bytes %llu: %llu in use",
                                   (unsigned long long)c->settings.memory_max_bytes,
                                   (unsigned long long)redwi_budget_used(c->budget));
    return redwi_client_refuse(c, REDW_ENOMEM, "out of memory");
}

redw_error *redwi_client_no_memory(redw_client *c, enum redw_outcome outcome)
{
    const struct redwi_err_spec spec = {
        .code = REDW_EFULL,
        .cls = REDW_CLASS_RESOURCE_BUSY,
        .outcome = outcome,
    };
    redwi_client_spare_memory(c); /* for whoever asks next */
    if (!c->budget || !redwi_budget_took_part(c->budget))
        return redwi_err_no_memory(outcome);
    return redwi_err_make(&c->mem, &spec, "the client's memory_max_bytes %llu is used up: %llu in use",
                          (unsigned long long)c->settings.memory_max_bytes,
                          (unsigned long long)redwi_budget_used(c->budget));
}

/* --- redw_client_ready: a job that no connection is given --- */

struct ready_job {
    struct redwi_job job;
    redw_ready_fn *fn;
    void *ctx;
};

/* As redwi_client_accept(); no queue is long enough to be full of these. */
static redw_id accept_ready(redw_client *c, struct redwi_job *j)
{
    if (c->closing || c->destroying)
        return refuse(c);
    if (!reserve_slot(c))
        return redwi_client_refuse_memory(c);

    j->connects_only = true;
    j->acquire_us = INT64_MAX;
    return enlist(c, j, &c->connects);
}

static void ready_drop(struct redwi_job *j)
{
    redw_error_release(j->error);
    redwi_free(&j->client->mem, REDWI_OF(j, struct ready_job, job));
}

static void ready_finish(struct redwi_job *j)
{
    struct ready_job *r = REDWI_OF(j, struct ready_job, job);

    r->fn(j->error, r->ctx);
    ready_drop(j);
}

/* Never on a connection: the ops of the wire are not reached. */
static const struct redwi_job_ops ready_ops = {.finish = ready_finish, .drop = ready_drop};

/* --- create --- */

/* A caller's loop: every function is required, so there is no older version of the table. */
static int take_loop(struct redw_loop *out, const struct redw_loop *loop, struct redw_diag *why)
{
    const char *text = NULL;

    if (!loop || !redwi_struct_read(out, sizeof *out, sizeof *out, loop))
        text = "loop: NULL, or its size is wrong";
    else if (!out->io_init || !out->io_set || !out->timer_init || !out->timer_set || !out->timer_stop ||
             !out->turn_init || !out->turn_request || !out->turn_fini || !out->now_us || !out->wall_us ||
             !out->hold || !out->release)
        text = "loop: a function is missing";
    else if (out->io_bytes > WATCHER_BYTES_MAX || out->timer_bytes > WATCHER_BYTES_MAX ||
             out->turn_bytes > WATCHER_BYTES_MAX)
        text = "loop: a watcher is too large";
    if (!text)
        return 0;
    why->code = REDW_EINVAL;
    snprintf(why->text, sizeof why->text, "%s", text);
    return REDW_EINVAL;
}

static void init_watchers(redw_client *c)
{
    char *at = (char *)c + redwi_align(sizeof *c);

    c->drain_timer = at;
    c->pace_timer = at + redwi_align(c->loop.timer_bytes);
    c->ask_timer = at + 2 * redwi_align(c->loop.timer_bytes);
    c->deadline_timer = at + 3 * redwi_align(c->loop.timer_bytes);
    c->turn = at + TIMERS * redwi_align(c->loop.timer_bytes);
    c->loop.timer_init(c->loop.ctx, c->deadline_timer, redwi_cancel_deadlines, c);
    c->loop.timer_init(c->loop.ctx, c->drain_timer, redwi_cancel_drained, c);
    c->loop.timer_init(c->loop.ctx, c->pace_timer, redwi_pool_pace, c);
    c->loop.timer_init(c->loop.ctx, c->ask_timer, redwi_cancel_ask_again, c);
    c->loop.turn_init(c->loop.ctx, c->turn, redwi_pool_turn, c);
}

/* Both allocators, with a budget over them if one is asked for. */
static int share_memory(redw_client *c, const struct redw_allocator *mem, uint64_t max_bytes)
{
    c->own = c->mem = c->work = *mem;
    c->spares.max = REDWI_SPARES_MAX;
    if (max_bytes == 0)
        return 0;
    if (max_bytes / REDWI_SPARES_PART < REDWI_SPARES_MAX * REDWI_SPARE_BYTES)
        c->spares.max = (unsigned)(max_bytes / REDWI_SPARES_PART / REDWI_SPARE_BYTES);
    c->budget = redwi_budget_create(mem, max_bytes);
    if (!c->budget)
        return REDW_ENOMEM;
    c->mem = redwi_budget_machinery(c->budget);
    c->work = redwi_budget_work(c->budget);
    return 0;
}

static redw_client *alloc_client(const struct redw_allocator *mem, const struct redw_loop *loop,
                                 uint64_t max_bytes)
{
    size_t bytes = redwi_align(sizeof(redw_client)) + TIMERS * redwi_align(loop->timer_bytes) +
                   redwi_align(loop->turn_bytes);
    redw_client *c = redwi_alloc_array(mem, 1, bytes);

    if (!c)
        return NULL;
    if (share_memory(c, mem, max_bytes)) {
        redwi_free(mem, c);
        return NULL;
    }
    redwi_buffers_init(&c->buffers);
    c->loop = *loop;
    for (int i = 0; i < REDWI_PLACES; i++)
        redwi_list_init(&c->places[i]);
    redwi_list_init(&c->corked);
    for (unsigned i = 0; i < REDWI_RANKS; i++)
        redwi_list_init(&c->waiting[i]);
    redwi_list_init(&c->connects);
    redwi_list_init(&c->resuming);
    redwi_list_init(&c->done);
    redwi_list_init(&c->statements);
    c->next_id = 1;
    c->drain_us = c->look_us = INT64_MAX;
    c->pace_ms = REDWI_PACE_MS_MIN;
    c->pid = (int)getpid();
    return c;
}

static int create_tls(redw_client *c, struct redw_diag *why)
{
    const struct redwi_settings *s = &c->settings;
    const struct redwi_tls_config config = {
        .mode = s->tls_mode,
        .ca_file = s->ca_file,
        .system_roots = s->system_roots,
        .cert_file = s->cert_file,
        .key_file = s->key_file,
        .direct = s->tls_direct,
        .buffers = &c->buffers,
    };

    if (s->tls_mode == REDWI_TLS_DISABLE)
        return 0;
    return redwi_tls_ctx_create(&c->tls, &c->mem, &config, why);
}

int redwi_client_create(redw_client **out, const struct redw_loop *loop, const struct redw_options *o,
                        const struct redwi_env *env, struct redw_diag *why)
{
    struct redw_diag unread;
    struct redw_allocator mem;
    struct redw_loop table;
    uint64_t memory_max;
    redw_client *c;
    int rc;

    *out = NULL;
    if (!why)
        why = &unread;
    *why = (struct redw_diag){0};
    if ((rc = redwi_settings_allocator(&mem, o, why)) != 0 || (rc = take_loop(&table, loop, why)) != 0)
        return rc;
    if ((rc = redwi_settings_memory_max(&memory_max, o, why)) != 0)
        return rc;
    c = alloc_client(&mem, &table, memory_max);
    if (!c) {
        why->code = REDW_ENOMEM;
        snprintf(why->text, sizeof why->text, "out of memory");
        return REDW_ENOMEM;
    }
    c->env = *env;
    rc = redwi_settings_read(&c->settings, &c->mem, o, why);
    if (rc == 0)
        rc = create_tls(c, why);
    if (rc) {
        struct redwi_budget *budget = c->budget;
        redwi_settings_free(&c->settings, &c->mem);
        redwi_free(&mem, c);
        redwi_budget_release(budget);
        return rc;
    }
    init_watchers(c);
    *out = c;
    return 0;
}

int redw_client_create(redw_client **out, struct ev_loop *loop, const struct redw_options *o,
                       struct redw_diag *why)
{
    if (!loop)
        return redw_client_create_on(out, NULL, o, why);
    struct redw_loop table = redwi_loop_ev(loop);
    return redw_client_create_on(out, &table, o, why);
}

int redw_client_create_on(redw_client **out, const struct redw_loop *loop, const struct redw_options *o,
                          struct redw_diag *why)
{
    return redwi_client_create(out, loop, o, &(const struct redwi_env){0}, why);
}

const char *redw_client_why(const redw_client *c)
{
    return c->why.text;
}

int redw_client_tls_facts(const redw_client *c, struct redw_tls_facts *out)
{
    struct redw_tls_facts facts = {0};

    if (!out || out->size < sizeof facts)
        return REDW_EINVAL;
    if (!c->tls)
        return REDW_ENOENT;
    int rc = redwi_tls_ctx_facts(c->tls, &facts);
    if (rc == 0) {
        facts.size = out->size;
        memcpy(out, &facts, sizeof facts);
    }
    return rc;
}

int64_t redw_client_now_ms(const redw_client *c)
{
    return c->loop.now_us(c->loop.ctx) / 1000;
}

redw_id redw_client_ready(redw_client *c, uint32_t timeout_ms, redw_ready_fn *fn, void *ctx)
{
    if (!fn)
        return redwi_client_refuse(c, REDW_EINVAL, "ready: fn is NULL");
    struct ready_job *r = redwi_alloc_array(&c->mem, 1, sizeof *r);
    if (!r)
        return redwi_client_refuse_memory(c);

    int64_t wait_ms = timeout_ms ? timeout_ms : c->settings.connect_timeout_ms;
    r->fn = fn;
    r->ctx = ctx;
    r->job.ops = &ready_ops;
    r->job.submitted_us = c->entry_us = c->loop.now_us(c->loop.ctx);
    r->job.deadline_us = timeout_ms == REDW_NONE ? INT64_MAX : r->job.submitted_us + wait_ms * 1000;
    redw_id id = accept_ready(c, &r->job);
    if (id < 0)
        redwi_free(&c->mem, r);
    return id;
}

/* --- the end --- */

void redw_client_close(redw_client *c, uint32_t drain_ms, redw_closed_fn *closed, void *ctx)
{
    int64_t until_us = INT64_MAX;

    c->closing = true;
    if (closed) {
        c->closed_fn = closed;
        c->closed_ctx = ctx;
        c->closed_ran = false;
    }
    if (drain_ms != REDW_NONE)
        until_us = c->loop.now_us(c->loop.ctx) + (int64_t)drain_ms * 1000;
    if (until_us < c->drain_us) {
        c->drain_us = until_us;
        c->loop.timer_set(c->loop.ctx, c->drain_timer, until_us);
    }
    redwi_pool_want_turn(c);
    redwi_pool_settle_hold(c);
}

/* Takes everything off the connections and closes them; jobs end with what is known of each. */
static void close_connections(redw_client *c, bool in_child)
{
    for (int place = REDWI_AT_OPENING; place < REDWI_AT_CLOSED; place++) {
        while (!redwi_list_empty(&c->places[place])) {
            struct redwi_conn *conn = REDWI_OF(c->places[place].next, struct redwi_conn, link);
            struct redwi_job *j;

            while ((j = redwi_conn_job(conn)) != NULL) {
                enum redw_outcome outcome = redwi_conn_outcome(conn, j);
                redwi_conn_take_job(conn);
                redwi_pool_end(c, j, redwi_err_closed(outcome));
            }
            redwi_pool_close(c, conn, !in_child && conn->state == REDWI_CONN_IDLE);
        }
    }
}

static void give_back(redw_client *c)
{
    struct redw_allocator own = c->own;
    struct redwi_budget *budget = c->budget;
    struct redwi_link *closed = &c->places[REDWI_AT_CLOSED];

    while (!redwi_list_empty(closed)) {
        struct redwi_conn *conn = REDWI_OF(closed->next, struct redwi_conn, link);
        redwi_list_remove(&conn->link);
        redwi_pool_free(conn);
    }
    c->loop.timer_stop(c->loop.ctx, c->deadline_timer);
    c->loop.timer_stop(c->loop.ctx, c->drain_timer);
    c->loop.timer_stop(c->loop.ctx, c->pace_timer);
    c->loop.timer_stop(c->loop.ctx, c->ask_timer);
    c->loop.turn_fini(c->loop.ctx, c->turn);
    if (c->held)
        c->loop.release(c->loop.ctx);
    redwi_statements_part(c);
    redw_error_release(c->refusal);
    redwi_tls_ctx_free(c->tls);
    redwi_settings_free(&c->settings, &c->mem);
    redwi_free(&c->mem, c->slots);
    redwi_client_spare_memory(c);
    redwi_free(&own, c);
    redwi_budget_release(budget);
}

void redwi_client_end(redw_client *c)
{
    bool in_child = c->pid != (int)getpid();

    c->depth = 1; /* what callbacks do from here on is inside a callback */
    c->entry_us = 0;
    c->closing = c->destroying = true;
    close_connections(c, in_child);
    redwi_cancel_waiting(c);
    while (!redwi_list_empty(&c->done)) {
        struct redwi_job *j = REDWI_OF(c->done.next, struct redwi_job, link);
        if (in_child && !j->forgotten) {
            redwi_client_unlist(c, j);
            j->forgotten = true;
        }
        redwi_pool_finish(c, j);
    }
    if (!in_child && c->closed_fn)
        c->closed_fn(c->closed_ctx);
    give_back(c);
}

void redw_client_destroy(redw_client *c)
{
    if (!c || c->destroying)
        return;
    c->destroying = true;
    if (c->depth == 0)
        redwi_client_end(c);
}
