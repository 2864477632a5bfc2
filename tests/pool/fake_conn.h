/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection layer of the test's own behind pool/conn.h: nothing is dialled; the test says what
 * happens to each connection, and sees what the pool asked of it. Defines the functions of conn.c, so a
 * program has either this or the real ones. The "session" of a fake is the fake itself.
 */
#ifndef TESTS_POOL_FAKE_CONN_H
#define TESTS_POOL_FAKE_CONN_H

#include "pool/client.h"
#include "wire/be_read.h"
#include "wire/err.h"
#include "wire/mem.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct fake {
    struct redwi_conn conn; /* first: a fake is its connection */
    struct redwi_conn_config config;
    int64_t limit_us; /* of redwi_conn_limit; 0: none */
    bool no_key;
    bool polite; /* closed politely */
    bool freed;
    bool sent; /* its unit has left: outcomes are UNKNOWN from now on */
    unsigned starts, flushes, resumes, abandons;
    int begin_rc; /* what the next redwi_conn_start answers */
};

#define FAKES_MAX 4096
static struct fake *fakes[FAKES_MAX]; /* in the order of opening; sides too */
static unsigned nfakes;
static bool open_fails;

static struct fake *fake_of(struct redwi_conn *c)
{
    return (struct fake *)(void *)c;
}

int redwi_conn_open(struct redwi_conn **out, const struct redwi_conn_config *config)
{
    if (open_fails)
        return REDW_ENOMEM;
    ck_assert_uint_lt(nfakes, FAKES_MAX);
    struct fake *f = calloc(1, sizeof *f);
    ck_assert_ptr_nonnull(f);
    f->config = *config;
    f->conn.session = (struct redwi_session *)(void *)f;
    f->conn.state = REDWI_CONN_DIALING;
    redwi_list_init(&f->conn.jobs);
    fakes[nfakes++] = f;
    *out = &f->conn;
    return 0;
}

int redwi_conn_start(struct redwi_conn *c, struct redwi_job *job)
{
    struct fake *f = fake_of(c);

    ck_assert(c->state == REDWI_CONN_IDLE || (c->state == REDWI_CONN_BUSY && !redwi_conn_job(c)->exclusive));
    if (f->begin_rc)
        return f->begin_rc;
    job->conn = c;
    int rc = job->ops->begin ? job->ops->begin(job, c->session) : 0;
    if (rc) {
        job->conn = NULL;
        return rc;
    }
    c->state = REDWI_CONN_BUSY;
    redwi_list_append(&c->jobs, &job->conn_link);
    c->njobs++;
    f->sent = false;
    f->starts++;
    f->config.ops->corked(f->config.owner, c);
    return 0;
}

void redwi_conn_flush(struct redwi_conn *c)
{
    fake_of(c)->flushes++;
    fake_of(c)->sent = true;
}

void redwi_conn_resume(struct redwi_conn *c)
{
    ck_assert(c->paused);
    c->paused = false;
    fake_of(c)->resumes++;
}

static inline void fake_take_off(struct redwi_conn *c, struct redwi_job *job)
{
    redwi_list_remove(&job->conn_link);
    c->njobs--;
    job->conn = NULL;
}

struct redwi_job *redwi_conn_take_job(struct redwi_conn *c)
{
    struct redwi_job *job = redwi_conn_job(c);
    if (job)
        fake_take_off(c, job);
    return job;
}

bool redwi_conn_take_back(struct redwi_conn *c, struct redwi_job *job)
{
    ck_assert_int_eq(c->state, REDWI_CONN_BUSY);
    if (fake_of(c)->sent || c->jobs.prev != &job->conn_link)
        return false;
    fake_take_off(c, job);
    c->state = c->njobs ? REDWI_CONN_BUSY : REDWI_CONN_IDLE;
    return true;
}

void redwi_conn_abandon(struct redwi_conn *c, struct redwi_job *job)
{
    ck_assert_int_eq(c->state, REDWI_CONN_BUSY);
    ck_assert_ptr_eq(job->conn, c);
    fake_take_off(c, job);
    if (!c->njobs)
        c->state = REDWI_CONN_DRAINING;
    c->paused = false;
    fake_of(c)->abandons++;
}

void redwi_conn_limit(struct redwi_conn *c, int64_t deadline_us)
{
    ck_assert(c->state == REDWI_CONN_BUSY || c->state == REDWI_CONN_DRAINING);
    fake_of(c)->limit_us = deadline_us;
}

void redwi_conn_close(struct redwi_conn *c, bool politely)
{
    ck_assert_int_ne(c->state, REDWI_CONN_CLOSED);
    c->state = REDWI_CONN_CLOSED;
    ck_assert_ptr_null(redwi_conn_job(c));
    fake_of(c)->polite = politely;
}

void redwi_conn_free(struct redwi_conn *c)
{
    ck_assert_int_eq(c->state, REDWI_CONN_CLOSED);
    ck_assert(!fake_of(c)->freed);
    redwi_prepared_free(&c->prepared);
    redwi_heading_release(c->heading);
    c->heading = NULL;
    fake_of(c)->freed = true; /* kept to be looked at, and to find uses after it */
}

enum redw_outcome redwi_session_outcome(const struct redwi_session *s, const void *tag)
{
    const struct fake *f = (const void *)s;

    (void)tag;
    return f->sent ? REDW_OUTCOME_UNKNOWN : REDW_OUTCOME_NOT_SENT;
}

void redwi_session_key(const struct redwi_session *s, uint32_t *pid, const uint8_t **key, size_t *n)
{
    static const uint8_t bytes[4] = {1, 2, 3, 4};

    *pid = 7;
    *key = ((const struct fake *)(const void *)s)->no_key ? NULL : bytes;
    *n = 4;
}

enum redw_outcome redwi_conn_outcome(const struct redwi_conn *c, const struct redwi_job *job)
{
    return redwi_session_outcome(c->session, job);
}

/* Nothing is dialled here, so nobody waits for a socket. */
bool redwi_conn_opened(struct redwi_conn *c, int fd, int sys_errno)
{
    (void)c, (void)fd, (void)sys_errno;
    return false;
}

/* --- what happens to a connection --- */

static inline void fake_enter(struct fake *f)
{
    f->config.ops->enter(f->config.owner);
}

static inline void fake_leave(struct fake *f)
{
    f->config.ops->leave(f->config.owner);
}

static inline void fake_ready(struct fake *f)
{
    ck_assert(!f->freed);
    fake_enter(f);
    f->conn.state = REDWI_CONN_IDLE;
    f->config.ops->ready(f->config.owner, &f->conn);
    fake_leave(f);
}

static inline void fake_end_as(struct fake *f, redw_error *error, enum redwi_conn_state state)
{
    struct redwi_job *j = redwi_conn_take_job(&f->conn);

    ck_assert(f->conn.state == REDWI_CONN_BUSY || f->conn.state == REDWI_CONN_DRAINING);
    fake_enter(f);
    f->conn.state = f->conn.njobs ? REDWI_CONN_BUSY : state;
    f->conn.paused = false;
    f->limit_us = 0;
    if (j)
        j->error = error;
    f->config.ops->ended(f->config.owner, &f->conn, j);
    fake_leave(f);
}

/* The unit ended: its job is done, with an error or without. */
static inline void fake_end(struct fake *f, redw_error *error)
{
    fake_end_as(f, error, REDWI_CONN_IDLE);
}

static inline redw_error *fake_error(int code, enum redw_class cls, enum redw_outcome outcome,
                                     const char *text)
{
    struct redwi_err_spec spec = {.code = code, .cls = cls, .outcome = outcome};
    return redwi_err_make(&redwi_malloc, &spec, "%s", text);
}

/* It closes by itself. */
static inline void fake_break(struct fake *f, int code, const char *text)
{
    redw_error *why = fake_error(code, REDW_CLASS_CONNECTION_FAILED, REDW_OUTCOME_UNKNOWN, text);

    ck_assert_int_ne(f->conn.state, REDWI_CONN_CLOSED);
    fake_enter(f);
    f->conn.state = REDWI_CONN_CLOSED;
    for (struct redwi_link *l = f->conn.jobs.next; l != &f->conn.jobs; l = l->next)
        REDWI_OF(l, struct redwi_job, conn_link)->error = redw_error_keep(why);
    f->config.ops->closed(f->config.owner, &f->conn, why);
    fake_leave(f);
    redw_error_release(why);
}

/* A side connection that did its work. */
static inline void fake_side_done(struct fake *f)
{
    ck_assert_ptr_nonnull(f->config.cancels);
    fake_enter(f);
    f->conn.state = REDWI_CONN_CLOSED;
    f->config.ops->closed(f->config.owner, &f->conn, NULL);
    fake_leave(f);
}

/* Does what a callback of the job answered, as drive.c does. */
static inline void fake_follow(struct fake *f, struct redwi_job *j, enum redwi_job_flow flow)
{
    if (j->conn != &f->conn)
        return;
    f->conn.paused = flow == REDWI_JOB_PAUSE;
    if (flow == REDWI_JOB_STOP)
        f->config.ops->stopped(f->config.owner, &f->conn, j);
}

/* A description of rows came. */
static uint64_t fake_serial; /* of the columns that come; 0: not known */

static inline void fake_columns(struct fake *f, const uint8_t *body, size_t len)
{
    struct redwi_job *j = redwi_conn_job(&f->conn);
    struct redwi_columns columns;

    ck_assert(redwi_be_row_description(body, len, 0, &columns));
    columns.serial = fake_serial;
    fake_enter(f);
    fake_follow(f, j, j->ops->columns(j, &columns));
    fake_leave(f);
}

/* Rows came; returns how many bytes were taken, SIZE_MAX for a malformed one. */
static inline size_t fake_rows(struct fake *f, const uint8_t *p, size_t len)
{
    struct redwi_job *j = redwi_conn_job(&f->conn);
    const uint8_t *taken;
    bool corrupt;

    fake_enter(f);
    enum redwi_job_flow flow = j->ops->rows(j, p, p + len, &taken, &corrupt);
    if (!corrupt)
        fake_follow(f, j, flow);
    fake_leave(f);
    return corrupt ? SIZE_MAX : (size_t)(taken - p);
}

static inline void fakes_forget(void)
{
    while (nfakes > 0)
        free(fakes[--nfakes]);
}

#endif
