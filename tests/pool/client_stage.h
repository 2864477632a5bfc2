/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stage of the tests of the client: a clock that the test moves (support/loop_virtual.h), connections that it
 * plays (fake_conn.h), an allocator that counts and fails, and jobs of one letter whose ends are told in order.
 */
#ifndef TESTS_POOL_CLIENT_STAGE_H
#define TESTS_POOL_CLIENT_STAGE_H

#include "pool/fake_conn.h"
#include "support/heap.h"
#include "support/loop_virtual.h"
#include "wire/mem.h"

#include <redw/request.h>
#include <stdio.h>

#define MS  INT64_C(1000)
#define URI "postgresql://u@h/d?sslmode=disable"

static struct vloop *loop;
static redw_client *client;

/* What became of each job, by its name, and all of it in order: "a" finished, "(a)" dropped. */
static struct seen {
    int finished, dropped;
    int code;
    enum redw_class cls;
    enum redw_outcome outcome;
    char message[300];
} seen[128];
static char story[4096];
static void (*on_finish)(char name);
static void (*on_rows)(char name);
static enum redwi_job_flow rows_flow;

struct test_job {
    struct redwi_job job;
    char name;
};

static inline void tell(const char *text)
{
    strncat(story, text, sizeof story - strlen(story) - 1);
}

static inline void note(char name, const redw_error *e)
{
    struct seen *n = &seen[(unsigned char)name];

    n->finished++;
    n->code = redw_error_code(e);
    n->cls = redw_error_class(e);
    n->outcome = redw_error_outcome(e);
    snprintf(n->message, sizeof n->message, "%s", redw_error_message(e));
    tell((char[]){name, '\0'});
}

static inline void job_free(struct redwi_job *j)
{
    redw_error_release(j->error);
    redwi_free(&heap_table, REDWI_OF(j, struct test_job, job));
}

static inline void job_finish(struct redwi_job *j)
{
    char name = REDWI_OF(j, struct test_job, job)->name;

    ck_assert_int_eq(redw_cancel(j->client, j->id), REDW_ENOENT); /* in no table any more */
    note(name, j->error);
    if (on_finish)
        on_finish(name);
    job_free(j);
}

static inline void job_drop(struct redwi_job *j)
{
    char name = REDWI_OF(j, struct test_job, job)->name;

    seen[(unsigned char)name].dropped++;
    tell((char[]){'(', name, ')', '\0'});
    job_free(j);
}

static inline enum redwi_job_flow job_rows(struct redwi_job *j, const uint8_t *p, const uint8_t *end,
                                    const uint8_t **taken, bool *corrupt)
{
    struct test_job *t = REDWI_OF(j, struct test_job, job);
    char name = t->name;

    (void)p;
    *taken = end;
    *corrupt = false;
    if (on_rows)
        on_rows(name);
    ck_assert_int_eq(t->name, name); /* still there, whatever the callback did */
    if (rows_flow == REDWI_JOB_STOP && j->state == REDWI_JOB_ACTIVE)
        j->error = fake_error(REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_UNKNOWN, "stop");
    return rows_flow;
}

static const struct redwi_job_ops job_ops = {.rows = job_rows, .finish = job_finish, .drop = job_drop};

static inline redw_id add_until(char name, int64_t deadline_us)
{
    struct test_job *t = redwi_alloc_array(&heap_table, 1, sizeof *t);

    if (!t)
        return REDW_ENOMEM;
    t->name = name;
    t->job.ops = &job_ops;
    t->job.submitted_us = vloop_now_us(loop);
    t->job.deadline_us = deadline_us;
    redw_id id = redwi_client_accept(client, &t->job);
    if (id < 0)
        redwi_free(&heap_table, t);
    return id;
}

static inline redw_id add(char name)
{
    redw_id id = add_until(name, INT64_MAX);

    ck_assert_int_gt(id, 0);
    return id;
}

static inline void on_ready(const redw_error *e, void *ctx)
{
    note((char)(intptr_t)ctx, e);
}

static inline redw_id ask_ready(uint32_t timeout_ms, char name)
{
    redw_id id = redw_client_ready(client, timeout_ms, on_ready, (void *)(intptr_t)name);

    ck_assert(id == REDW_ECLOSED || id > 0);
    return id;
}

static inline void on_closed(void *ctx)
{
    (void)ctx;
    tell(".");
}

/* Chance takes nothing away from pauses. */
static inline int no_entropy(void *ctx, void *p, size_t n)
{
    (void)ctx;
    memset(p, 0, n);
    return 0;
}

static inline int create(const struct redw_options *o)
{
    static struct redwi_sys sys = {.entropy = no_entropy};
    const struct redwi_env env = {.sys = &sys};
    struct redw_loop table = vloop_table(loop);

    return redwi_client_create(&client, &table, o, &env, NULL);
}

static inline void open_client(uint32_t pool_max, uint32_t queue_max)
{
    ck_assert_int_eq(create(REDW_OPTIONS(.uri = URI, .pool_max = pool_max, .queue_max = queue_max,
                                         .allocator = &heap_table)),
                     0);
}

static inline void setup(void)
{
    loop = vloop_create();
    memset(seen, 0, sizeof seen);
    story[0] = '\0';
    on_finish = on_rows = NULL;
    rows_flow = REDWI_JOB_GO;
    open_fails = false;
    memset(&heap, 0, sizeof heap);
}

static inline void teardown(void)
{
    redw_client_destroy(client);
    client = NULL;
    for (unsigned i = 0; i < nfakes; i++)
        ck_assert(fakes[i]->freed);
    fakes_forget();
    ck_assert_uint_eq(heap.out, 0);
    vloop_free(loop); /* aborts if something is held or watched */
}

static inline void settle(void)
{
    vloop_settle(loop);
}

static inline bool ended_as(char name, int code, enum redw_class cls, enum redw_outcome outcome)
{
    const struct seen *n = &seen[(unsigned char)name];

    return n->finished == 1 && n->code == code && n->cls == cls && n->outcome == outcome;
}

static inline const char *job_on(const struct fake *f)
{
    static char name[2];

    name[0] = f->conn.njobs ? REDWI_OF(redwi_conn_job(&f->conn), struct test_job, job)->name : '-';
    return name;
}

/* A client whose first n connections are open and idle. */
static inline void open_client_with(uint32_t pool_max, unsigned n)
{
    open_client(pool_max, 0);
    for (unsigned i = 0; i < n; i++)
        add('w');
    settle();
    ck_assert_uint_eq(nfakes, n);
    for (unsigned i = 0; i < n; i++)
        fake_ready(fakes[i]);
    settle();
    for (unsigned i = 0; i < n; i++)
        fake_end(fakes[i], NULL);
    settle();
    story[0] = '\0';
    memset(seen, 0, sizeof seen);
    ck_assert_int_eq(vloop_holds(loop), 0);
}

#endif
