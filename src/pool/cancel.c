/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How jobs end before their answer: deadline, cancel, forget, the end of the drain.
 *
 * CancelRequest names a server process, not a statement. So a connection for which one is under way is
 * given no other job until the side connection has closed, which the server does after it delivered
 * the signal (protocol: "Canceling Requests in Progress"); and if the side connection failed, so that
 * nobody knows, the connection is closed when its unit has ended.
 *
 * A CancelRequest that overtakes its statement is lost: the server process has nothing to stop, and says
 * nothing. So while the unit runs on, the server is asked again, in growing pauses, until the connection's
 * time to obey is over.
 *
 * For the same reason a connection on which something is wanted still, because several units are in flight
 * there, is not stopped: what was given up is waited out, and nothing new is sent behind it.
 */
#include "pool/dispatch.h"

#include "wire/err.h"
#include <redw/request.h>
#include <stdio.h>
#include <string.h>

static int64_t now_us(const redw_client *c)
{
    return c->loop.now_us(c->loop.ctx);
}

static int64_t elapsed_ms(const redw_client *c, const struct redwi_job *j)
{
    return (now_us(c) - j->submitted_us) / 1000;
}

#define ASK_PAUSE_MS 250 /* between the end of one asking and the next; doubles */

/* Asks the server to stop what runs on conn. False: impossible. */
static bool ask_to_stop(redw_client *c, struct redwi_conn *conn)
{
    uint32_t pid;
    const uint8_t *key;
    size_t n;

    if (conn->cancel)
        return true;
    if (conn->ask_pause_ms == 0) {
        conn->ask_pause_ms = ASK_PAUSE_MS;
        conn->cancel_until_us = now_us(c) + (int64_t)c->settings.cancel_timeout_ms * 1000;
        redwi_conn_limit(conn, conn->cancel_until_us);
    }
    redwi_session_key(conn->session, &pid, &key, &n);
    return key && redwi_pool_open(c, conn) != NULL;
}

void redwi_cancel_ask_later(redw_client *c, struct redwi_conn *conn)
{
    struct redwi_link *head = &c->places[REDWI_AT_BUSY];
    int64_t first_us = conn->ask_again_us = now_us(c) + (int64_t)conn->ask_pause_ms * 1000;

    conn->ask_pause_ms *= 2;
    for (struct redwi_link *l = head->next; l != head; l = l->next) {
        int64_t us = REDWI_OF(l, struct redwi_conn, link)->ask_again_us;
        if (us != 0 && us < first_us)
            first_us = us;
    }
    c->loop.timer_set(c->loop.ctx, c->ask_timer, first_us);
}

void redwi_cancel_ask_again(void *arg)
{
    redw_client *c = arg;
    struct redwi_link *head = &c->places[REDWI_AT_BUSY];
    int64_t now = now_us(c), next_us = INT64_MAX;

    redwi_pool_enter(c);
    for (struct redwi_link *l = head->next; l != head; l = l->next) {
        struct redwi_conn *conn = REDWI_OF(l, struct redwi_conn, link);
        if (conn->ask_again_us == 0)
            continue;
        if (conn->ask_again_us > now) {
            next_us = conn->ask_again_us < next_us ? conn->ask_again_us : next_us;
            continue;
        }
        conn->ask_again_us = 0;
        ask_to_stop(c, conn); /* when it cannot be asked, its deadline ends it */
    }
    if (next_us != INT64_MAX)
        c->loop.timer_set(c->loop.ctx, c->ask_timer, next_us);
    redwi_pool_leave(c);
}

static redw_error *cancelled(redw_client *c, enum redw_outcome outcome, const char *what)
{
    return redwi_err_make(&c->mem,
                          &(struct redwi_err_spec){.code = REDW_ECANCELLED,
                                                   .cls = REDW_CLASS_QUERY_CANCELLED,
                                                   .outcome = outcome},
                          "cancelled %s", what);
}

/* It cannot be asked: the server learns from the end of the connection, sooner or later. */
static void cut_off(redw_client *c, struct redwi_conn *conn)
{
    struct redwi_job *j;

    while ((j = redwi_conn_take_job(conn)) != NULL) {
        j->verdict = REDW_CANCEL_REFUSED;
        redwi_pool_end(
            c, j, cancelled(c, REDW_OUTCOME_UNKNOWN, "by closing the connection: the server could not be asked"));
    }
    redwi_pool_close(c, conn, false);
}

static bool wanted(const struct redwi_conn *conn)
{
    for (const struct redwi_link *l = conn->jobs.next; l != &conn->jobs; l = l->next) {
        if (!REDWI_OF(l, struct redwi_job, conn_link)->cancelled)
            return true;
    }
    return false;
}

void redwi_cancel_judge(const struct redwi_conn *conn, struct redwi_job *j, bool lost)
{
    if (!j->cancelled || j->verdict)
        return;
    bool overdue = lost && redw_error_code(j->error) == REDW_ETIMEDOUT;
    if (strcmp(redw_error_sqlstate(j->error), "57014") == 0)
        j->verdict = REDW_CANCEL_STOPPED;
    else if (!conn->told && (conn->refused || overdue))
        j->verdict = REDW_CANCEL_REFUSED;
    else
        j->verdict = lost ? REDW_CANCEL_UNANSWERED : REDW_CANCEL_FINISHED_FIRST;
}

void redwi_cancel_look(redw_client *c, struct redwi_conn *conn)
{
    conn->given_up = true;
    if (!wanted(conn) && !ask_to_stop(c, conn))
        cut_off(c, conn);
}

void redwi_cancel_abandon(redw_client *c, struct redwi_job *j)
{
    struct redwi_conn *conn = j->conn;

    redwi_conn_abandon(conn, j);
    redwi_cancel_look(c, conn);
}

/* Out of the output again, if nothing of it was sent. What was sent ahead of it may be under way, and gets
 * the time that any statement gets which nobody waits for. */
static bool take_back(redw_client *c, struct redwi_job *j)
{
    struct redwi_conn *conn = j->conn;

    if (!redwi_conn_take_back(conn, j))
        return false;
    if (conn->state == REDWI_CONN_DRAINING && !conn->given_up)
        redwi_conn_limit(conn, now_us(c) + (int64_t)c->settings.cancel_timeout_ms * 1000);
    return true;
}

/* An active job leaves its connection: what is known of it then. */
static enum redw_outcome take_off(redw_client *c, struct redwi_job *j)
{
    struct redwi_conn *conn = j->conn;

    if (take_back(c, j)) {
        redwi_pool_unit_ended(c, conn);
        return REDW_OUTCOME_NOT_SENT;
    }
    redwi_cancel_abandon(c, j);
    return REDW_OUTCOME_UNKNOWN;
}

redw_error *redwi_cancel_late(redw_client *c, const struct redwi_job *j)
{
    enum redw_class cls = REDW_CLASS_QUERY_TIMEOUT;
    char text[80];

    if (j->connects_only && c->refusal) { /* the server keeps refusing: that is the news, not the time */
        snprintf(text, sizeof text, "gave up after %lld ms, the last of %u attempts", (long long)elapsed_ms(c, j),
                 c->nattempts);
        return redwi_err_again(&c->mem, c->refusal, REDW_OUTCOME_NOT_SENT, text);
    }
    if (j->connects_only) /* who waits for a connection and nothing else has no query that could time out */
        cls = REDW_CLASS_CONNECTION_FAILED;
    else if (j->acquire_us < j->deadline_us)
        cls = REDW_CLASS_RESOURCE_BUSY;
    return redwi_err_make(
        &c->mem,
        &(struct redwi_err_spec){.code = REDW_ETIMEDOUT, .cls = cls, .outcome = REDW_OUTCOME_NOT_SENT},
        "waiting (not sent): no connection within %lld ms: %u in use, %u being opened, pool_max %u, %u requests waiting",
        (long long)elapsed_ms(c, j), c->counts[REDWI_AT_BUSY], c->counts[REDWI_AT_OPENING],
        c->settings.pool_max, c->nwaiting);
}

/* What was done about a statement that is not waited for any more. */
static const char *measure(const struct redwi_conn *conn)
{
    if (conn->state == REDWI_CONN_CLOSED)
        return "; the server could not be asked to stop it, so its connection was closed";
    if (conn->ask_pause_ms == 0)
        return "; the server was not asked to stop it, for others share its connection";
    return "; the server was asked to stop it";
}

static redw_error *unanswered(redw_client *c, const struct redwi_job *j, enum redw_outcome outcome,
                              const struct redwi_conn *conn)
{
    bool sent = outcome != REDW_OUTCOME_NOT_SENT;

    return redwi_err_make(&c->mem,
                          &(struct redwi_err_spec){.code = REDW_ETIMEDOUT,
                                                   .cls = REDW_CLASS_QUERY_TIMEOUT,
                                                   .outcome = outcome},
                          "query (%s): not complete within %lld ms%s", sent ? "sent" : "not sent",
                          (long long)elapsed_ms(c, j), sent ? measure(conn) : "");
}

static void active_is_late(redw_client *c, struct redwi_job *j)
{
    struct redwi_conn *conn = j->conn; /* closed or not, it is there until leave */
    enum redw_outcome outcome = take_off(c, j);

    redwi_pool_end(c, j, unanswered(c, j, outcome, conn));
}

void redwi_cancel_look_earlier(redw_client *c, int64_t us)
{
    c->look_us = us;
    c->loop.timer_set(c->loop.ctx, c->deadline_timer, us);
}

/* Is this one late? If not, *next_us is no later than it will be. */
static bool is_late(const struct redwi_job *j, int64_t now, int64_t *next_us)
{
    int64_t at = redwi_job_late_at(j);

    if (at > now && at < *next_us)
        *next_us = at;
    return at <= now;
}

static struct redwi_job *late_waiting(const struct redwi_link *list, int64_t now, int64_t *next_us)
{
    for (struct redwi_link *l = list->next; l != list; l = l->next) {
        struct redwi_job *j = REDWI_OF(l, struct redwi_job, link);
        if (is_late(j, now, next_us))
            return j;
    }
    return NULL;
}

static struct redwi_job *late_active(const redw_client *c, int64_t now, int64_t *next_us)
{
    const struct redwi_link *head = &c->places[REDWI_AT_BUSY];

    for (struct redwi_link *l = head->next; l != head; l = l->next) {
        struct redwi_conn *conn = REDWI_OF(l, struct redwi_conn, link);
        for (struct redwi_link *k = conn->jobs.next; k != &conn->jobs; k = k->next) {
            struct redwi_job *j = REDWI_OF(k, struct redwi_job, conn_link);
            if (is_late(j, now, next_us))
                return j;
        }
    }
    return NULL;
}

/* One that is late; NULL: none is, and *next_us tells when the next one will be. */
static struct redwi_job *late_job(const redw_client *c, int64_t now, int64_t *next_us)
{
    struct redwi_job *j = NULL;

    *next_us = INT64_MAX;
    for (unsigned rank = 0; rank < REDWI_RANKS && !j; rank++)
        j = late_waiting(&c->waiting[rank], now, next_us);
    if (!j)
        j = late_waiting(&c->connects, now, next_us);
    return j ? j : late_active(c, now, next_us);
}

void redwi_cancel_deadlines(void *arg)
{
    redw_client *c = arg;
    int64_t now = now_us(c), next_us;
    struct redwi_job *j;

    redwi_pool_enter(c);
    c->look_us = INT64_MAX;
    while ((j = late_job(c, now, &next_us)) != NULL) {
        if (j->state == REDWI_JOB_WAITING)
            redwi_pool_end(c, j, redwi_cancel_late(c, j));
        else
            active_is_late(c, j);
    }
    redwi_cancel_look_at(c, next_us);
    redwi_pool_leave(c);
}

static void close_list(redw_client *c, struct redwi_link *list)
{
    while (!redwi_list_empty(list))
        redwi_pool_end(c, REDWI_OF(list->next, struct redwi_job, link),
                       redwi_err_closed(REDW_OUTCOME_NOT_SENT));
}

void redwi_cancel_waiting(redw_client *c)
{
    for (unsigned rank = 0; rank < REDWI_RANKS; rank++)
        close_list(c, &c->waiting[rank]);
    close_list(c, &c->connects);
}

/* From the last to the first as far as nothing of them was sent, which proves it of each; the others in
 * their order. */
static void close_jobs(redw_client *c, struct redwi_conn *conn)
{
    struct redwi_job *j;

    while (conn->njobs > 0 && take_back(c, j = redwi_conn_last_job(conn))) {
        redwi_pool_end(c, j, redwi_err_closed(REDW_OUTCOME_NOT_SENT));
        redwi_pool_unit_ended(c, conn);
    }
    while ((j = redwi_conn_job(conn)) != NULL)
        redwi_pool_end(c, j, redwi_err_closed(take_off(c, j)));
}

void redwi_cancel_all(redw_client *c)
{
    struct redwi_link *head = &c->places[REDWI_AT_BUSY], *l = head->next;

    c->drain_us = INT64_MAX;
    c->loop.timer_stop(c->loop.ctx, c->drain_timer);
    redwi_cancel_waiting(c);
    while (l != head) {
        struct redwi_conn *conn = REDWI_OF(l, struct redwi_conn, link);
        l = l->next;
        close_jobs(c, conn);
    }
}

void redwi_cancel_drained(void *arg)
{
    redw_client *c = arg;

    redwi_pool_enter(c);
    redwi_cancel_all(c);
    redwi_pool_leave(c);
}

static void cancel_active(redw_client *c, struct redwi_job *j)
{
    struct redwi_conn *conn = j->conn;

    if (j->cancelled)
        return;
    j->cancelled = true;
    if (conn->paused) {
        /* Its answer would stay unread until a resume that nobody owes: it ends as if stopped. */
        redwi_pool_end(c, j, cancelled(c, take_off(c, j), "while paused"));
        return;
    }
    if (take_back(c, j)) {
        j->verdict = REDW_CANCEL_NOT_SENT;
        redwi_pool_end(c, j, cancelled(c, REDW_OUTCOME_NOT_SENT, "before it was sent"));
        redwi_pool_unit_ended(c, conn);
        return;
    }
    redwi_cancel_look(c, conn);
}

int redw_cancel(redw_client *c, redw_id id)
{
    struct redwi_job *j = redwi_client_find(c, id);

    if (!j)
        return REDW_ENOENT;
    if (j->state == REDWI_JOB_WAITING) {
        j->verdict = REDW_CANCEL_NOT_SENT;
        redwi_pool_end(c, j, cancelled(c, REDW_OUTCOME_NOT_SENT, "while waiting for a connection"));
    } else if (j->state == REDWI_JOB_ACTIVE) {
        cancel_active(c, j);
    } else if (!j->verdict) {
        j->verdict = REDW_CANCEL_FINISHED_FIRST; /* only its callback was still to come */
    }
    redwi_pool_settle_hold(c);
    return 0;
}

int redw_forget(redw_client *c, redw_id id)
{
    struct redwi_job *j = redwi_client_find(c, id);

    if (!j)
        return REDW_ENOENT;
    if (j->state == REDWI_JOB_ACTIVE)
        take_off(c, j);
    if (j->state != REDWI_JOB_DONE)
        redwi_pool_end(c, j, NULL);
    redwi_client_unlist(c, j);
    j->forgotten = true;
    /* Inside a callback it may be this very job's rows that are being handed over: leave frees it. */
    if (c->depth == 0)
        redwi_pool_finish(c, j);
    redwi_pool_settle_hold(c);
    return 0;
}
