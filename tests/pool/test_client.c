/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client over connections that the test plays (fake_conn.h) and a clock that it moves: who gets
 * which connection, when more are opened, how jobs end, and in what order everything ends.
 */
#include "pool/fake_conn.h"
#include "support/loop_virtual.h"
#include "wire/mem.h"

#include <redw/request.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS  INT64_C(1000)
#define URI "postgresql://u@h/d?sslmode=disable"

/* --- the stage --- */

static struct vloop *loop;
static redw_client *client;
static struct {
    size_t out, left;
    bool limited;
} heap;

static void *heap_resize(void *ctx, void *p, size_t n)
{
    (void)ctx;
    if (heap.limited && heap.left-- == 0) {
        heap.left = 0;
        return NULL;
    }
    heap.out += p == NULL;
    return realloc(p, n);
}

static void *heap_alloc(void *ctx, size_t n)
{
    return heap_resize(ctx, NULL, n);
}

static void heap_release(void *ctx, void *p)
{
    (void)ctx;
    heap.out -= p != NULL;
    free(p);
}

static const struct redw_allocator heap_table = {sizeof heap_table, NULL, heap_alloc, heap_resize,
                                                 heap_release};

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

static void tell(const char *text)
{
    strncat(story, text, sizeof story - strlen(story) - 1);
}

static void note(char name, const redw_error *e)
{
    struct seen *n = &seen[(unsigned char)name];

    n->finished++;
    n->code = redw_error_code(e);
    n->cls = redw_error_class(e);
    n->outcome = redw_error_outcome(e);
    snprintf(n->message, sizeof n->message, "%s", redw_error_message(e));
    tell((char[]){name, '\0'});
}

static void job_free(struct redwi_job *j)
{
    redw_error_release(j->error);
    redwi_free(&heap_table, REDWI_OF(j, struct test_job, job));
}

static void job_finish(struct redwi_job *j)
{
    char name = REDWI_OF(j, struct test_job, job)->name;

    ck_assert_int_eq(redw_cancel(j->client, j->id), REDW_ENOENT); /* in no table any more */
    note(name, j->error);
    if (on_finish)
        on_finish(name);
    job_free(j);
}

static void job_drop(struct redwi_job *j)
{
    char name = REDWI_OF(j, struct test_job, job)->name;

    seen[(unsigned char)name].dropped++;
    tell((char[]){'(', name, ')', '\0'});
    job_free(j);
}

static enum redwi_job_flow job_rows(struct redwi_job *j, const uint8_t *p, const uint8_t *end,
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

static redw_id add_until(char name, int64_t deadline_us)
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

static redw_id add(char name)
{
    redw_id id = add_until(name, INT64_MAX);

    ck_assert_int_gt(id, 0);
    return id;
}

static void on_ready(const redw_error *e, void *ctx)
{
    note((char)(intptr_t)ctx, e);
}

static redw_id ask_ready(uint32_t timeout_ms, char name)
{
    redw_id id = redw_client_ready(client, timeout_ms, on_ready, (void *)(intptr_t)name);

    ck_assert(id == REDW_ECLOSED || id > 0);
    return id;
}

static void on_closed(void *ctx)
{
    (void)ctx;
    tell(".");
}

/* Chance takes nothing away from pauses. */
static int no_entropy(void *ctx, void *p, size_t n)
{
    (void)ctx;
    memset(p, 0, n);
    return 0;
}

static int create(const struct redw_options *o)
{
    static struct redwi_sys sys = {.entropy = no_entropy};
    const struct redwi_env env = {.sys = &sys};
    struct redw_loop table = vloop_table(loop);

    return redwi_client_create(&client, &table, o, &env, NULL);
}

static void open_client(uint32_t pool_max, uint32_t queue_max)
{
    ck_assert_int_eq(create(REDW_OPTIONS(.uri = URI, .pool_max = pool_max, .queue_max = queue_max,
                                         .allocator = &heap_table)),
                     0);
}

static void setup(void)
{
    loop = vloop_create();
    memset(seen, 0, sizeof seen);
    story[0] = '\0';
    on_finish = on_rows = NULL;
    rows_flow = REDWI_JOB_GO;
    open_fails = false;
    memset(&heap, 0, sizeof heap);
}

static void teardown(void)
{
    redw_client_destroy(client);
    client = NULL;
    for (unsigned i = 0; i < nfakes; i++)
        ck_assert(fakes[i]->freed);
    fakes_forget();
    ck_assert_uint_eq(heap.out, 0);
    vloop_free(loop); /* aborts if something is held or watched */
}

static void settle(void)
{
    vloop_settle(loop);
}

static bool ended_as(char name, int code, enum redw_class cls, enum redw_outcome outcome)
{
    const struct seen *n = &seen[(unsigned char)name];

    return n->finished == 1 && n->code == code && n->cls == cls && n->outcome == outcome;
}

static const char *job_on(const struct fake *f)
{
    static char name[2];

    name[0] = f->conn.njobs ? REDWI_OF(redwi_conn_job(&f->conn), struct test_job, job)->name : '-';
    return name;
}

/* A client whose first n connections are open and idle. */
static void open_client_with(uint32_t pool_max, unsigned n)
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

/* --- assigning and opening --- */

START_TEST(jobs_get_connections_in_the_order_of_submission)
{
    open_client(2, 0);
    for (char name = 'a'; name <= 'e'; name++)
        add(name);
    ck_assert_uint_eq(nfakes, 0); /* nothing happens inside a public call */
    settle();
    ck_assert_uint_eq(nfakes, 2); /* never more than pool_max */
    fake_ready(fakes[1]);
    settle();
    ck_assert_str_eq(job_on(fakes[1]), "a");
    ck_assert_uint_eq(fakes[1]->flushes, 1);
    fake_ready(fakes[0]);
    settle();
    ck_assert_str_eq(job_on(fakes[0]), "b");
    fake_end(fakes[0], NULL);
    ck_assert_str_eq(story, "b");
    settle();
    ck_assert_str_eq(job_on(fakes[0]), "c");
    fake_end(fakes[1], NULL);
    settle();
    ck_assert_str_eq(job_on(fakes[1]), "d");
    fake_end(fakes[1], NULL);
    fake_end(fakes[0], NULL);
    settle();
    fake_end(fakes[1]->conn.njobs ? fakes[1] : fakes[0], NULL);
    settle();
    ck_assert_str_eq(story, "badce");
    ck_assert_uint_eq(nfakes, 2);
}
END_TEST

START_TEST(only_as_many_connections_open_as_jobs_wait)
{
    open_client(10, 0);
    add('a');
    settle();
    ck_assert_uint_eq(nfakes, 1);
    add('b');
    settle();
    ck_assert_uint_eq(nfakes, 2);
    fake_ready(fakes[0]);
    fake_ready(fakes[1]);
    settle();
    fake_end(fakes[0], NULL);
    fake_end(fakes[1], NULL);
    settle();
    add('c');
    settle();
    ck_assert_uint_eq(nfakes, 2);
    ck_assert_str_eq(job_on(fakes[1]), "c"); /* the one used last */
    fake_end(fakes[1], NULL);
}
END_TEST

START_TEST(a_unit_that_cannot_be_written_fails_its_job_and_nothing_else)
{
    open_client_with(1, 1);
    fakes[0]->begin_rc = REDW_ENOMEM;
    add('a');
    settle();
    ck_assert(ended_as('a', REDW_ENOMEM, REDW_CLASS_OUT_OF_MEMORY, REDW_OUTCOME_NOT_SENT));
    fakes[0]->begin_rc = REDW_EFULL;
    add('b');
    settle();
    ck_assert(ended_as('b', REDW_EFULL, REDW_CLASS_RESOURCE_BUSY, REDW_OUTCOME_NOT_SENT));
    fakes[0]->begin_rc = 0;
    add('c');
    settle();
    ck_assert_str_eq(job_on(fakes[0]), "c");
    fake_end(fakes[0], NULL);
    ck_assert_uint_eq(nfakes, 1);
}
END_TEST

START_TEST(the_queue_is_bounded_and_the_refusal_explains_itself)
{
    open_client(1, 3);
    for (char name = 'a'; name <= 'c'; name++)
        add(name);
    settle();
    ck_assert_int_eq(add_until('d', INT64_MAX), REDW_EFULL);
    ck_assert_str_eq(redw_client_why(client),
                     "queue_max 3: 3 requests wait; 0 connections in use, 1 being "
                     "opened, pool_max 1");
    settle();
}
END_TEST

START_TEST(jobs_that_an_idle_connection_takes_do_not_count_as_waiting)
{
    open_client(2, 1);
    add('a');
    settle();
    fake_ready(fakes[0]);
    settle();
    fake_end(fakes[0], NULL);
    settle();
    add('b');
    add('c'); /* one for the idle connection, one that waits */
    ck_assert_int_eq(add_until('d', INT64_MAX), REDW_EFULL);
    settle();
    fake_end(fakes[0], NULL);
    settle();
}
END_TEST

START_TEST(ids_are_never_reused_and_stale_ones_are_not_found)
{
    enum { N = 3000 };
    static redw_id ids[N];
    redw_id last = 0;
    unsigned r = 1;
    bool right = true;

    open_client(1, 1 << 20);
    for (int i = 0; i < 100000; i++) {
        r = r * 1103515245u + 12345u;
        redw_id *at = &ids[(r >> 8) % N];
        if (*at) {
            struct redwi_job *j = redwi_client_find(client, *at);
            right = right && j && j->id == *at && redw_forget(client, *at) == 0;
            right = right && redw_forget(client, *at) == REDW_ENOENT;
            *at = 0;
        } else {
            *at = add_until('a', INT64_MAX);
            right = right && *at > last;
            last = *at;
        }
    }
    ck_assert(right); /* once: an assertion writes to a pipe */
    for (int i = 0; i < N; i++) {
        if (ids[i])
            ck_assert_int_eq(redw_forget(client, ids[i]), 0);
    }
    ck_assert_int_eq(redw_cancel(client, 0), REDW_ENOENT);
    ck_assert_int_eq(redw_cancel(client, -1), REDW_ENOENT);
    ck_assert_int_eq(redw_cancel(client, INT64_MAX), REDW_ENOENT);
    settle();
    ck_assert_int_eq(vloop_holds(loop), 0);
}
END_TEST

/* --- failing to connect --- */

START_TEST(waiting_jobs_fail_when_nobody_is_left_who_could_serve_them)
{
    open_client(2, 0);
    for (char name = 'a'; name <= 'c'; name++)
        add(name);
    settle();
    ck_assert_uint_eq(nfakes, 2);
    fake_break(fakes[0], REDW_ECONNECT, "connect: first");
    settle();
    ck_assert_str_eq(story, ""); /* the other may still make it */
    ck_assert_uint_eq(nfakes, 2);
    fake_break(fakes[1], REDW_ECONNECT, "connect: second");
    settle();
    ck_assert_str_eq(story, "abc");
    for (char name = 'a'; name <= 'c'; name++) {
        ck_assert(ended_as(name, REDW_ECONNECT, REDW_CLASS_CONNECTION_FAILED, REDW_OUTCOME_NOT_SENT));
        ck_assert_str_eq(seen[(int)name].message, "connect: second");
    }
    add('d'); /* the next one tries at once, alone */
    add('e');
    settle();
    ck_assert_uint_eq(nfakes, 3);
    fake_ready(fakes[2]);
    settle();
    ck_assert_uint_eq(nfakes, 4); /* and after a success as many as are needed */
    fake_end(fakes[2], NULL);
    settle();
    fake_end(fakes[2], NULL);
}
END_TEST

START_TEST(while_other_connections_serve_failed_attempts_are_repeated_with_pauses)
{
    int64_t start;

    open_client_with(3, 1);
    add('a');
    add('b');
    settle();
    ck_assert_str_eq(job_on(fakes[0]), "a");
    start = vloop_now_us(loop);
    int64_t pause_ms = 100;
    for (unsigned i = 1; i <= 8; i++) {
        ck_assert_uint_eq(nfakes, i + 1);
        fake_break(fakes[i], REDW_ECONNECT, "too many connections");
        vloop_advance(loop, pause_ms * MS - 1);
        ck_assert_uint_eq(nfakes, i + 1);
        vloop_advance(loop, 1);
        pause_ms = pause_ms * 2 < 5000 ? pause_ms * 2 : 5000;
    }
    ck_assert_int_gt(vloop_now_us(loop), start + 15000 * MS);
    ck_assert_int_eq(seen['b'].finished, 0);
    fake_ready(fakes[9]);
    settle();
    ck_assert_str_eq(job_on(fakes[9]), "b");
    fake_end(fakes[0], NULL);
    fake_end(fakes[9], NULL);
    settle();
    for (char name = 'c'; name <= 'e'; name++) /* after a success the pauses are short again */
        add(name);
    settle();
    ck_assert_uint_eq(nfakes, 11);
    fake_break(fakes[10], REDW_ECONNECT, "too many connections");
    vloop_advance(loop, 100 * MS);
    ck_assert_uint_eq(nfakes, 12);
}
END_TEST

START_TEST(without_memory_for_a_connection_waiting_jobs_fail_unless_others_are_open)
{
    open_client(2, 0);
    open_fails = true;
    add('a');
    settle();
    ck_assert(ended_as('a', REDW_ENOMEM, REDW_CLASS_OUT_OF_MEMORY, REDW_OUTCOME_NOT_SENT));
    open_fails = false;
    add('b');
    settle();
    fake_ready(fakes[0]);
    settle();
    open_fails = true;
    add('c');
    vloop_advance(loop, 10000 * MS);
    ck_assert_int_eq(seen['c'].finished, 0);
    fake_end(fakes[0], NULL);
    settle();
    ck_assert_str_eq(job_on(fakes[0]), "c");
    fake_end(fakes[0], NULL);
}
END_TEST

START_TEST(a_connection_that_breaks_fails_its_own_job_only)
{
    open_client_with(2, 2);
    add('a');
    add('b');
    add('c');
    settle();
    struct fake *f = *job_on(fakes[0]) == 'a' ? fakes[0] : fakes[1];
    fake_break(f, REDW_ECONNECT, "reset");
    ck_assert(ended_as('a', REDW_ECONNECT, REDW_CLASS_CONNECTION_FAILED, REDW_OUTCOME_UNKNOWN));
    settle();
    ck_assert(f->freed);
    ck_assert_uint_eq(nfakes, 3); /* one more for c */
    fake_ready(fakes[2]);
    settle();
    ck_assert_str_eq(job_on(fakes[2]), "c");
    ck_assert_str_eq(story, "a");
}
END_TEST

START_TEST(a_connection_that_a_statement_left_in_a_transaction_is_gone)
{
    open_client_with(1, 1);
    redw_id id = add('a');
    add('b');
    settle();
    fake_end_as(fakes[0], NULL, REDWI_CONN_CLOSED);
    ck_assert_str_eq(story, "a");
    settle();
    ck_assert(fakes[0]->freed);
    ck_assert_uint_eq(nfakes, 2);
    fake_ready(fakes[1]);
    settle();
    ck_assert_str_eq(job_on(fakes[1]), "b");
    fake_end(fakes[1], NULL);
    id = add('c');
    settle();
    redw_cancel(client, id);
    fake_end_as(fakes[1], NULL, REDWI_CONN_CLOSED); /* while its cancel is under way */
    settle();
    ck_assert(!fakes[1]->freed);
    fake_side_done(fakes[2]);
    ck_assert(fakes[1]->freed);
}
END_TEST

START_TEST(an_idle_connection_that_breaks_is_replaced_when_needed)
{
    open_client_with(1, 1);
    fake_break(fakes[0], REDW_ECONNECT, "server shut down");
    settle();
    ck_assert(fakes[0]->freed);
    ck_assert_uint_eq(nfakes, 1);
    ck_assert_int_eq(vloop_holds(loop), 0);
    add('a');
    settle();
    ck_assert_uint_eq(nfakes, 2);
}
END_TEST

/* --- deadlines --- */

START_TEST(a_waiting_job_ends_at_its_deadline_and_says_what_it_waited_for)
{
    open_client_with(1, 1);
    add('a');
    settle();
    add_until('b', vloop_now_us(loop) + 250 * MS);
    vloop_advance(loop, 250 * MS - 1);
    ck_assert_int_eq(seen['b'].finished, 0);
    vloop_advance(loop, 1);
    ck_assert(ended_as('b', REDW_ETIMEDOUT, REDW_CLASS_QUERY_TIMEOUT, REDW_OUTCOME_NOT_SENT));
    ck_assert_str_eq(seen['b'].message,
                     "waiting (not sent): no connection within 250 ms: 1 in use, 0 being opened, pool_max 1, "
                     "1 requests waiting");
    fake_end(fakes[0], NULL);
    settle();
    ck_assert_uint_eq(fakes[0]->starts, 2); /* b was never sent */
}
END_TEST

static void take_long(char name)
{
    (void)name;
    redwi_client_entry_us(client);
    vloop_tick(loop, 300 * MS);
}

START_TEST(a_job_whose_deadline_passes_while_a_callback_runs_is_not_sent)
{
    open_client_with(1, 1);
    on_finish = take_long;
    add('a');
    settle();
    add_until('b', vloop_now_us(loop) + 250 * MS);
    settle();
    unsigned starts = fakes[0]->starts;
    fake_end(fakes[0], NULL);
    settle();
    ck_assert_uint_eq(fakes[0]->starts, starts);
    ck_assert(ended_as('b', REDW_ETIMEDOUT, REDW_CLASS_QUERY_TIMEOUT, REDW_OUTCOME_NOT_SENT));
}
END_TEST

START_TEST(a_deadline_in_the_past_is_accepted_and_fails_by_callback_without_being_sent)
{
    open_client_with(1, 1);
    ck_assert_int_gt(add_until('a', vloop_now_us(loop) - 1), 0);
    ck_assert_int_gt(add_until('b', INT64_MIN), 0);
    ck_assert_str_eq(story, "");
    settle();
    ck_assert_str_eq(story, "ab");
    ck_assert(ended_as('a', REDW_ETIMEDOUT, REDW_CLASS_QUERY_TIMEOUT, REDW_OUTCOME_NOT_SENT));
    ck_assert_uint_eq(fakes[0]->starts, 1);
}
END_TEST

START_TEST(an_active_job_ends_at_its_deadline_and_the_server_is_asked_to_stop)
{
    open_client_with(1, 1);
    add_until('a', vloop_now_us(loop) + 100 * MS);
    settle();
    vloop_advance(loop, 100 * MS);
    ck_assert(ended_as('a', REDW_ETIMEDOUT, REDW_CLASS_QUERY_TIMEOUT, REDW_OUTCOME_UNKNOWN));
    ck_assert_int_eq(fakes[0]->conn.state, REDWI_CONN_DRAINING);
    ck_assert_int_eq(fakes[0]->limit_us, vloop_now_us(loop) + 5000 * MS);
    ck_assert_uint_eq(nfakes, 2);
    ck_assert_ptr_eq(fakes[1]->config.cancels, &fakes[0]->conn);
    ck_assert_int_eq(fakes[1]->config.deadline_us, vloop_now_us(loop) + 5000 * MS);
    ck_assert_int_eq(vloop_holds(loop), 1); /* until the server was told */
}
END_TEST

/* K07 */
START_TEST(a_cancelled_connection_is_given_out_again_only_after_unit_and_cancel_have_ended)
{
    for (int unit_first = 0; unit_first < 2; unit_first++) {
        for (int side_failed = 0; side_failed < 2; side_failed++) {
            unsigned base = nfakes;
            open_client(1, 0);
            add_until('a', vloop_now_us(loop) + 100 * MS);
            settle();
            struct fake *f = fakes[base];
            fake_ready(f);
            settle();
            vloop_advance(loop, 100 * MS);
            struct fake *side = fakes[base + 1];
            add('b');
            settle();
            ck_assert_uint_eq(nfakes, base + 2); /* it still counts: pool_max is 1 */
            if (unit_first)
                fake_end(f, NULL);
            settle();
            ck_assert_uint_eq(f->starts, 1);
            if (side_failed)
                fake_break(side, REDW_ETIMEDOUT, "cancel: no answer");
            else
                fake_side_done(side);
            settle();
            if (!unit_first) {
                ck_assert_uint_eq(f->starts, 1);
                fake_end(f, NULL);
                settle();
            }
            ck_assert(side->freed);
            if (side_failed) { /* the cancel may come late: nobody else may be hit by it */
                ck_assert(f->freed && f->polite);
                ck_assert_uint_eq(nfakes, base + 3);
            } else {
                ck_assert_str_eq(job_on(f), "b");
            }
            redw_client_destroy(client);
        }
    }
    client = NULL;
}
END_TEST

START_TEST(where_the_server_cannot_be_asked_the_connection_is_closed_at_once)
{
    for (int oom = 0; oom < 2; oom++) {
        unsigned base = nfakes;
        open_client(1, 0);
        add_until('a', vloop_now_us(loop) + 100 * MS);
        settle();
        fake_ready(fakes[base]);
        settle();
        fakes[base]->no_key = !oom;
        open_fails = oom;
        vloop_advance(loop, 100 * MS);
        open_fails = false;
        ck_assert_int_eq(seen['a'].finished, oom + 1);
        ck_assert(fakes[base]->freed);
        redw_client_destroy(client);
    }
    client = NULL;
}
END_TEST

START_TEST(a_side_connection_outlives_what_it_cancels)
{
    open_client_with(1, 1);
    add_until('a', vloop_now_us(loop) + 100 * MS);
    settle();
    vloop_advance(loop, 100 * MS);
    fake_break(fakes[0], REDW_ETIMEDOUT, "unit did not end");
    settle();
    ck_assert(!fakes[0]->freed); /* its address and key are in use */
    fake_side_done(fakes[1]);
    settle();
    ck_assert(fakes[0]->freed && fakes[1]->freed);
    ck_assert_int_eq(vloop_holds(loop), 0);
}
END_TEST

/* --- cancel, forget, stop --- */

START_TEST(cancelling_a_waiting_job_ends_it_from_the_loop)
{
    open_client(1, 0);
    redw_id id = add('a');
    ck_assert_int_eq(redw_cancel(client, id), 0);
    ck_assert_str_eq(story, "");
    ck_assert_int_eq(redw_cancel(client, id), 0); /* done, but not reported yet */
    settle();
    ck_assert(ended_as('a', REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_NOT_SENT));
    ck_assert_int_eq(redw_cancel(client, id), REDW_ENOENT);
    ck_assert_uint_eq(nfakes, 0);
    ck_assert_int_eq(vloop_holds(loop), 0);
}
END_TEST

START_TEST(cancelling_an_active_job_waits_for_the_servers_word)
{
    open_client_with(1, 1);
    redw_id id = add('a');
    settle();
    ck_assert_int_eq(redw_cancel(client, id), 0);
    vloop_advance(loop, 1000 * MS);
    ck_assert_int_eq(redw_cancel(client, id), 0); /* again: nothing more, and no later */
    settle();
    ck_assert_uint_eq(nfakes, 2);
    ck_assert_str_eq(job_on(fakes[0]), "a");
    ck_assert_int_eq(fakes[0]->limit_us, vloop_now_us(loop) + 4000 * MS);
    fake_end(fakes[0],
             fake_error(REDW_ESERVER, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_NOT_EXECUTED, "57014"));
    ck_assert(ended_as('a', REDW_ESERVER, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_NOT_EXECUTED));
    fake_side_done(fakes[1]);

    id = add('b'); /* one that finishes first ends as if nothing had been asked */
    settle();
    ck_assert_int_eq(redw_cancel(client, id), 0);
    fake_end(fakes[0], NULL);
    ck_assert(ended_as('b', 0, REDW_CLASS_NONE, seen['b'].outcome));
}
END_TEST

START_TEST(a_cancel_that_is_not_obeyed_ends_with_the_connection)
{
    open_client_with(1, 1);
    redw_id id = add('a');
    settle();
    redw_cancel(client, id);
    fake_break(fakes[0], REDW_ETIMEDOUT, "unit did not end");
    ck_assert(ended_as('a', REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_UNKNOWN));
    ck_assert_ptr_nonnull(strstr(seen['a'].message, "5000 ms"));
    fake_side_done(fakes[1]);

    id = add('b'); /* broken for another reason: that is what it says */
    settle();
    fake_ready(fakes[2]);
    settle();
    redw_cancel(client, id);
    fake_break(fakes[2], REDW_ECONNECT, "reset");
    ck_assert(ended_as('b', REDW_ECONNECT, REDW_CLASS_CONNECTION_FAILED, REDW_OUTCOME_UNKNOWN));

    id = add('c'); /* and where the server cannot be asked it ends at once */
    settle();
    struct fake *f = fakes[nfakes - 1];
    fake_ready(f);
    settle();
    f->no_key = true;
    ck_assert_int_eq(redw_cancel(client, id), 0);
    ck_assert_int_eq(seen['c'].finished, 0);
    settle();
    ck_assert(ended_as('c', REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_UNKNOWN));
    ck_assert(f->freed);
}
END_TEST

START_TEST(cancelling_a_paused_stream_ends_it_although_nobody_resumes)
{
    open_client_with(1, 1);
    redw_id id = add('a');
    settle();
    rows_flow = REDWI_JOB_PAUSE;
    fake_rows(fakes[0], (const uint8_t *)"D", 1);
    ck_assert(fakes[0]->conn.paused);
    redw_cancel(client, id);
    settle();
    ck_assert(ended_as('a', REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_UNKNOWN));
    ck_assert_int_eq(fakes[0]->conn.state, REDWI_CONN_DRAINING);
    ck_assert_uint_eq(nfakes, 2);
}
END_TEST

START_TEST(the_deadline_runs_on_during_a_cancel)
{
    open_client_with(1, 1);
    redw_id id = add_until('a', vloop_now_us(loop) + 100 * MS);
    settle();
    redw_cancel(client, id);
    vloop_advance(loop, 100 * MS);
    ck_assert(ended_as('a', REDW_ETIMEDOUT, REDW_CLASS_QUERY_TIMEOUT, REDW_OUTCOME_UNKNOWN));
    ck_assert_uint_eq(nfakes, 2); /* one cancel is enough */
}
END_TEST

START_TEST(a_forgotten_job_never_calls_back_whatever_its_state)
{
    open_client_with(1, 1);
    redw_id active = add('a');
    settle();
    redw_id waiting = add('b'), done = add('c');
    redw_cancel(client, done);
    ck_assert_int_eq(redw_forget(client, waiting), 0);
    ck_assert_int_eq(redw_forget(client, done), 0);
    ck_assert_int_eq(redw_forget(client, active), 0);
    ck_assert_str_eq(story, "(b)(c)(a)"); /* freed at once, outside callbacks */
    ck_assert_int_eq(redw_forget(client, active), REDW_ENOENT);
    ck_assert_int_eq(redw_cancel(client, active), REDW_ENOENT);
    ck_assert_int_eq(fakes[0]->conn.state, REDWI_CONN_DRAINING);
    ck_assert_uint_eq(nfakes, 2); /* the server is asked to stop all the same */
    fake_end(fakes[0], NULL);
    fake_side_done(fakes[1]);
    settle();
    ck_assert_str_eq(story, "(b)(c)(a)");
    ck_assert_int_eq(vloop_holds(loop), 0);
}
END_TEST

static redw_id own_id;

static void forget_own(char name)
{
    (void)name;
    ck_assert_int_eq(redw_forget(client, own_id), 0);
    ck_assert_str_eq(story, ""); /* not freed under its own callback */
    ck_assert_int_eq(redw_cancel(client, own_id), REDW_ENOENT);
}

START_TEST(a_job_may_be_forgotten_inside_its_own_rows)
{
    open_client_with(1, 1);
    own_id = add('a');
    settle();
    on_rows = forget_own;
    fake_rows(fakes[0], (const uint8_t *)"D", 1);
    ck_assert_str_eq(story, "(a)");
}
END_TEST

static void cancel_own(char name)
{
    (void)name;
    ck_assert_int_eq(redw_cancel(client, own_id), 0);
}

START_TEST(a_job_whose_connection_is_closed_inside_its_own_rows_ends_once)
{
    open_client_with(1, 1);
    own_id = add('a');
    settle();
    fakes[0]->no_key = true;
    on_rows = cancel_own;
    rows_flow = REDWI_JOB_STOP;
    fake_rows(fakes[0], (const uint8_t *)"D", 1);
    ck_assert(ended_as('a', REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_UNKNOWN));
    ck_assert(fakes[0]->freed);
}
END_TEST

START_TEST(stop_ends_the_job_now_and_cancels_the_statement)
{
    open_client_with(1, 1);
    add('a');
    settle();
    rows_flow = REDWI_JOB_STOP;
    fake_rows(fakes[0], (const uint8_t *)"D", 1);
    ck_assert(ended_as('a', REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_UNKNOWN));
    ck_assert_str_eq(seen['a'].message, "stop");
    ck_assert_int_eq(fakes[0]->conn.state, REDWI_CONN_DRAINING);
    ck_assert_uint_eq(nfakes, 2);
    fake_end(fakes[0], NULL);
    fake_side_done(fakes[1]);
    add('b');
    settle();
    ck_assert_str_eq(job_on(fakes[0]), "b");
}
END_TEST

START_TEST(a_pause_ends_in_the_turn_after_resume)
{
    open_client_with(1, 1);
    redw_id id = add('a');
    settle();
    rows_flow = REDWI_JOB_PAUSE;
    fake_rows(fakes[0], (const uint8_t *)"D", 1);
    redwi_client_resume(client, redwi_client_find(client, id));
    redwi_client_resume(client, redwi_client_find(client, id));
    ck_assert_uint_eq(fakes[0]->resumes, 0);
    settle();
    ck_assert_uint_eq(fakes[0]->resumes, 1);
    redwi_client_resume(client, redwi_client_find(client, id)); /* not paused: nothing */
    settle();
    ck_assert_uint_eq(fakes[0]->resumes, 1);
    fake_rows(fakes[0], (const uint8_t *)"D", 1);
    redwi_client_resume(client, redwi_client_find(client, id));
    redw_forget(client, id); /* gone before the turn */
    settle();
    ck_assert_uint_eq(fakes[0]->resumes, 1);
}
END_TEST

/* --- ready --- */

START_TEST(ready_reports_an_open_connection_without_occupying_it)
{
    open_client(5, 1);
    ck_assert_int_gt(ask_ready(0, 'r'), 0);
    ck_assert_int_gt(ask_ready(0, 's'), 0); /* not bounded by queue_max */
    settle();
    ck_assert_uint_eq(nfakes, 1); /* one is enough for both */
    ck_assert_str_eq(story, "");
    fake_ready(fakes[0]);
    settle();
    ck_assert_str_eq(story, "rs");
    ck_assert(ended_as('r', 0, REDW_CLASS_NONE, seen['r'].outcome));
    ck_assert_uint_eq(fakes[0]->starts, 0);
    add('a');
    settle();
    ck_assert_int_gt(ask_ready(0, 't'), 0);
    ck_assert_int_eq(seen['t'].finished, 0); /* never from inside the call */
    settle();
    ck_assert_int_eq(seen['t'].finished, 1); /* a busy one is open too */
    ck_assert_uint_eq(nfakes, 1);
}
END_TEST

START_TEST(ready_reports_failure_timeout_and_can_be_taken_back)
{
    open_client(5, 0);
    redw_id id = ask_ready(100, 'r');
    ck_assert_int_gt(ask_ready(REDW_NONE, 's'), 0);
    vloop_advance(loop, 100 * MS);
    ck_assert(ended_as('r', REDW_ETIMEDOUT, REDW_CLASS_CONNECTION_FAILED, REDW_OUTCOME_NOT_SENT));
    ck_assert_int_eq(redw_forget(client, id), REDW_ENOENT);
    vloop_advance(loop, INT64_C(86400000) * MS);
    ck_assert_int_eq(seen['s'].finished, 0);
    fake_break(fakes[0], REDW_ECONNECT, "connect: refused");
    settle();
    ck_assert(ended_as('s', REDW_ECONNECT, REDW_CLASS_CONNECTION_FAILED, REDW_OUTCOME_NOT_SENT));
    ck_assert_str_eq(seen['s'].message, "connect: refused");
    id = ask_ready(0, 't');
    ck_assert_int_eq(redw_forget(client, id), 0);
    settle();
    ck_assert_int_eq(seen['t'].finished, 0);
    ck_assert_int_eq(redw_client_ready(client, 0, NULL, NULL), REDW_EINVAL);
    ck_assert_int_eq(vloop_holds(loop), 0);
}
END_TEST

/* --- close and destroy --- */

START_TEST(close_of_a_client_without_work_ends_its_connections_politely)
{
    open_client_with(2, 2);
    ck_assert_int_gt(ask_ready(0, 'r'), 0);
    settle();
    redw_client_close(client, REDW_NONE, on_closed, NULL);
    ck_assert_str_eq(story, "r");
    ck_assert_int_eq(vloop_holds(loop), 1);
    settle();
    ck_assert_str_eq(story, "r.");
    ck_assert_int_eq(vloop_holds(loop), 0);
    for (int i = 0; i < 2; i++)
        ck_assert(fakes[i]->freed && fakes[i]->polite);
    ck_assert_int_eq(add_until('a', INT64_MAX), REDW_ECLOSED);
    ck_assert_str_eq(redw_client_why(client), "the client is closed");
    ck_assert_int_eq(ask_ready(0, 'r'), REDW_ECLOSED);
    redw_client_destroy(client);
    client = NULL;
    ck_assert_str_eq(story, "r."); /* once */
}
END_TEST

START_TEST(close_lets_accepted_work_finish_and_closed_comes_last)
{
    open_client_with(1, 1);
    add('a');
    add('b');
    settle();
    redw_client_close(client, REDW_NONE, on_closed, NULL);
    ck_assert_int_eq(add_until('c', INT64_MAX), REDW_ECLOSED);
    ck_assert_str_eq(redw_client_why(client), "the client is closing");
    vloop_advance(loop, INT64_C(86400000) * MS);
    fake_end(fakes[0], NULL);
    settle();
    ck_assert_str_eq(job_on(fakes[0]), "b");
    fake_end(fakes[0], NULL);
    settle();
    ck_assert_str_eq(story, "ab.");
    ck_assert(fakes[0]->freed && fakes[0]->polite);
}
END_TEST

START_TEST(what_is_left_after_the_drain_is_cancelled_with_class_closed)
{
    open_client_with(2, 2);
    add('a');
    add('b');
    settle();
    add('c');
    ask_ready(REDW_NONE, 'r');
    redw_client_close(client, 200, on_closed, NULL);
    settle();
    ck_assert_str_eq(story, "r");
    vloop_advance(loop, 200 * MS - 1);
    ck_assert_str_eq(story, "r");
    vloop_advance(loop, 1);
    ck_assert_uint_eq(strlen(story),
                      4); /* a, b and c, but not closed: the server is being asked to stop */
    ck_assert(ended_as('a', REDW_ECLOSED, REDW_CLASS_CLOSED, REDW_OUTCOME_UNKNOWN));
    ck_assert(ended_as('b', REDW_ECLOSED, REDW_CLASS_CLOSED, REDW_OUTCOME_UNKNOWN));
    ck_assert(ended_as('c', REDW_ECLOSED, REDW_CLASS_CLOSED, REDW_OUTCOME_NOT_SENT));
    ck_assert_uint_eq(nfakes, 4);
    fake_end(fakes[0], NULL);
    fake_side_done(fakes[2]);
    fake_side_done(fakes[3]);
    settle();
    ck_assert_uint_eq(strlen(story), 4);
    fake_break(fakes[1], REDW_ETIMEDOUT, "unit did not end"); /* at the latest now */
    settle();
    ck_assert_int_eq(story[4], '.');
}
END_TEST

START_TEST(close_without_drain_ends_everything_from_the_loop)
{
    open_client(2, 0);
    add('a');
    ask_ready(REDW_NONE, 'r');
    redw_client_close(client, 0, on_closed, NULL);
    ck_assert_str_eq(story, "");
    settle();
    ck_assert_str_eq(story, "ar.");
    ck_assert(ended_as('a', REDW_ECLOSED, REDW_CLASS_CLOSED, REDW_OUTCOME_NOT_SENT));
    ck_assert(ended_as('r', REDW_ECLOSED, REDW_CLASS_CLOSED, REDW_OUTCOME_NOT_SENT));
    ck_assert_int_eq(vloop_holds(loop), 0);
}
END_TEST

static void on_closed_too(void *ctx)
{
    (void)ctx;
    tell("!");
}

START_TEST(closing_again_only_shortens_the_drain_and_may_replace_the_callback)
{
    open_client_with(1, 1);
    add('a');
    settle();
    redw_client_close(client, 1000, on_closed, NULL);
    redw_client_close(client, REDW_NONE, NULL, NULL);
    redw_client_close(client, 5000, on_closed_too, NULL);
    vloop_advance(loop, 100 * MS);
    redw_client_close(client, 300, NULL, NULL);
    redw_client_close(client, 400, NULL, NULL);
    vloop_advance(loop, 299 * MS);
    ck_assert_str_eq(story, "");
    vloop_advance(loop, 1 * MS);
    ck_assert_str_eq(story, "a");
    fake_end(fakes[0], NULL);
    fake_side_done(fakes[1]);
    settle();
    ck_assert_str_eq(story, "a!");
    redw_client_close(client, 0, on_closed, NULL); /* closed already: this one is told too */
    settle();
    ck_assert_str_eq(story, "a!.");
}
END_TEST

START_TEST(a_connection_being_opened_does_not_delay_the_close)
{
    open_client(2, 0);
    redw_id id = add('a');
    settle();
    redw_forget(client, id);
    redw_client_close(client, REDW_NONE, on_closed, NULL);
    settle();
    ck_assert_str_eq(story, "(a).");
    ck_assert(fakes[0]->freed && !fakes[0]->polite);
}
END_TEST

START_TEST(destroy_completes_everything_before_it_returns)
{
    open_client_with(2, 2);
    add('a');
    settle();
    fakes[0]->sent = fakes[1]->sent = true;
    add('b');
    add('c');
    redw_id done = add('d');
    redw_cancel(client, done);
    redw_client_close(client, REDW_NONE, on_closed, NULL);
    redw_client_destroy(client);
    client = NULL;
    ck_assert_uint_eq(strlen(story), 5);
    ck_assert(ended_as('a', REDW_ECLOSED, REDW_CLASS_CLOSED, REDW_OUTCOME_UNKNOWN));
    ck_assert(ended_as('b', REDW_ECLOSED, REDW_CLASS_CLOSED, REDW_OUTCOME_NOT_SENT));
    ck_assert(ended_as('c', REDW_ECLOSED, REDW_CLASS_CLOSED, REDW_OUTCOME_NOT_SENT));
    ck_assert(ended_as('d', REDW_ECANCELLED, REDW_CLASS_QUERY_CANCELLED, REDW_OUTCOME_NOT_SENT));
    ck_assert_int_eq(story[4], '.');
    ck_assert_int_ne(fakes[0]->polite, fakes[1]->polite); /* the idle one politely, the busy one not */
}
END_TEST

/* What a callback may do: everything. */
static void submit_again(char name)
{
    if (name < 'e')
        add((char)(name + 1));
}
static void close_client(char name)
{
    (void)name;
    redw_client_close(client, REDW_NONE, on_closed, NULL);
}
static void close_at_once(char name)
{
    (void)name;
    redw_client_close(client, 0, on_closed, NULL);
}
static void destroy_client(char name)
{
    (void)name;
    redw_client_destroy(client);
    ck_assert_int_eq(add_until('z', INT64_MAX), REDW_ECLOSED);
    redw_client_destroy(client); /* again: nothing */
}
static void destroy_client_in_closed(void *ctx)
{
    (void)ctx;
    tell(".");
    redw_client_destroy(client);
}

/* O02 */
START_TEST(a_callback_may_submit)
{
    open_client_with(1, 1);
    on_finish = submit_again;
    add('a');
    for (int i = 0; i < 5; i++) {
        settle();
        fake_end(fakes[0], NULL);
    }
    ck_assert_str_eq(story, "abcde");
    settle();
    ck_assert_int_eq(vloop_holds(loop), 0);
}
END_TEST

static int cancels_in_a_row;
static void submit_and_cancel(char name)
{
    cancels_in_a_row++;
    if (cancels_in_a_row < 1000)
        redw_cancel(client, add(name));
}

START_TEST(a_callback_that_submits_and_cancels_for_ever_does_not_keep_the_loop)
{
    open_client(1, 0);
    on_finish = submit_and_cancel;
    redw_cancel(client, add('a'));
    vloop_round(loop);
    ck_assert_int_le(cancels_in_a_row, 2);
    settle();
    ck_assert_int_eq(cancels_in_a_row, 1000);
}
END_TEST

START_TEST(a_callback_may_close_or_destroy_the_client)
{
    static void (*const acts[])(char) = {close_client, close_at_once, destroy_client};

    for (unsigned act = 0; act < 3; act++) {
        for (int from_rows = 0; from_rows < 2; from_rows++) {
            unsigned base = nfakes;
            story[0] = '\0';
            on_finish = on_rows = NULL;
            open_client(2, 0);
            add('a');
            add('b');
            settle();
            fake_ready(fakes[base]);
            fake_ready(fakes[base + 1]);
            settle();
            *(from_rows ? &on_rows : &on_finish) = acts[act];
            struct fake *f = fakes[base];
            if (from_rows)
                fake_rows(f, (const uint8_t *)"D", 1);
            else
                fake_end(f, NULL);
            on_finish = on_rows = NULL;
            if (act < 2) {
                settle();
                vloop_advance(loop, 1 * MS);
                redw_client_destroy(client);
            }
            ck_assert_uint_eq(strlen(story), act < 2 ? 3 : 2); /* a, b and closed */
            ck_assert_ptr_nonnull(strchr(story, 'a'));
            ck_assert_ptr_nonnull(strchr(story, 'b'));
            if (act < 2)
                ck_assert_int_eq(story[2], '.');
            for (unsigned i = base; i < nfakes; i++)
                ck_assert(fakes[i]->freed);
        }
    }
    client = NULL;
}
END_TEST

START_TEST(the_closed_callback_may_destroy_the_client)
{
    open_client_with(1, 1);
    redw_client_close(client, 0, destroy_client_in_closed, NULL);
    settle();
    ck_assert_str_eq(story, ".");
    client = NULL;
}
END_TEST

static redw_id ids_by_name[128];
static void forget_b_cancel_c(char name)
{
    if (name != 'a')
        return;
    ck_assert_int_eq(redw_forget(client, ids_by_name['b']), 0);
    ck_assert_int_eq(redw_cancel(client, ids_by_name['c']), 0); /* done already: nothing changes */
    ck_assert_int_eq(add_until('z', INT64_MAX), REDW_ECLOSED);
}

START_TEST(a_callback_during_destroy_may_forget_and_cancel_but_not_submit)
{
    open_client(1, 0);
    for (char name = 'a'; name <= 'd'; name++)
        ids_by_name[(int)name] = add(name);
    on_finish = forget_b_cancel_c;
    redw_client_destroy(client);
    client = NULL;
    ck_assert_str_eq(story, "a(b)cd");
    ck_assert(ended_as('c', REDW_ECLOSED, REDW_CLASS_CLOSED, REDW_OUTCOME_NOT_SENT));
}
END_TEST

START_TEST(in_a_forks_child_destroy_calls_nobody)
{
    open_client_with(2, 2);
    add('a');
    settle();
    add('b');
    add('c');
    redw_client_close(client, REDW_NONE, on_closed, NULL);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        story[0] = '\0';
        redw_client_destroy(client);
        bool quiet = !strpbrk(story, ".") && strcmp(story, "(a)(b)(c)") == 0;
        for (unsigned i = 0; i < nfakes; i++)
            quiet = quiet && fakes[i]->freed && !fakes[i]->polite;
        _exit(quiet && heap.out == 0 ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

/* --- making one --- */

START_TEST(create_names_what_is_wrong_and_leaves_nothing)
{
    struct redw_loop table = vloop_table(loop);
    struct redw_diag why;
    redw_client *out = (redw_client *)(void *)&why;

    ck_assert_int_eq(redw_client_create_on(&out, &table, REDW_OPTIONS(.uri = "x"), &why), REDW_EINVAL);
    ck_assert_ptr_null(out);
    ck_assert_ptr_nonnull(strstr(why.text, "uri"));
    ck_assert_int_eq(redw_client_create_on(&out, &table, NULL, &why), REDW_EINVAL);
    ck_assert_int_eq(redw_client_create_on(&out, NULL, REDW_OPTIONS(.uri = URI), &why), REDW_EINVAL);
    ck_assert_ptr_nonnull(strstr(why.text, "loop"));
    ck_assert_int_eq(redw_client_create(&out, NULL, REDW_OPTIONS(.uri = URI), NULL), REDW_EINVAL);
    table.hold = NULL;
    ck_assert_int_eq(redw_client_create_on(&out, &table, REDW_OPTIONS(.uri = URI), &why), REDW_EINVAL);
    table = vloop_table(loop);
    table.size--;
    ck_assert_int_eq(redw_client_create_on(&out, &table, REDW_OPTIONS(.uri = URI), &why), REDW_EINVAL);
    ck_assert_int_eq(create(REDW_OPTIONS(.uri = "redshift://u@h?sslrootcert=/does/not/exist",
                                         .allocator = &heap_table)),
                     REDW_ETLS);
    ck_assert_uint_eq(heap.out, 0);
    for (size_t n = 0;; n++) {
        heap.limited = true;
        heap.left = n;
        int rc = create(REDW_OPTIONS(.uri = URI "&password=x", .allocator = &heap_table));
        heap.limited = false;
        if (rc == 0)
            break;
        ck_assert_int_eq(rc, REDW_ENOMEM);
        ck_assert_uint_eq(heap.out, 0);
    }
}
END_TEST

START_TEST(a_job_for_which_there_is_no_memory_is_refused_and_nothing_changes)
{
    open_client(1, 0);
    for (int i = 0; i < 40; i++)
        add('a');
    heap.limited = true;
    int refused = 0;
    for (int i = 0; i < 200; i++) {
        heap.left = 1; /* the job itself; then the table, when it must grow */
        redw_id id = add_until('b', INT64_MAX);
        refused += id == REDW_ENOMEM;
        if (id == REDW_ENOMEM) {
            heap.limited = false;
            add('c');
            heap.limited = true;
        }
    }
    heap.limited = false;
    ck_assert_int_gt(refused, 0);
    ck_assert_int_eq(redw_client_now_ms(client), vloop_now_us(loop) / 1000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client");
    TCase *t = tcase_create("client");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, jobs_get_connections_in_the_order_of_submission);
    tcase_add_test(t, only_as_many_connections_open_as_jobs_wait);
    tcase_add_test(t, a_unit_that_cannot_be_written_fails_its_job_and_nothing_else);
    tcase_add_test(t, the_queue_is_bounded_and_the_refusal_explains_itself);
    tcase_add_test(t, jobs_that_an_idle_connection_takes_do_not_count_as_waiting);
    tcase_add_test(t, ids_are_never_reused_and_stale_ones_are_not_found);
    tcase_add_test(t, waiting_jobs_fail_when_nobody_is_left_who_could_serve_them);
    tcase_add_test(t, while_other_connections_serve_failed_attempts_are_repeated_with_pauses);
    tcase_add_test(t, without_memory_for_a_connection_waiting_jobs_fail_unless_others_are_open);
    tcase_add_test(t, a_connection_that_breaks_fails_its_own_job_only);
    tcase_add_test(t, a_connection_that_a_statement_left_in_a_transaction_is_gone);
    tcase_add_test(t, an_idle_connection_that_breaks_is_replaced_when_needed);
    tcase_add_test(t, a_waiting_job_ends_at_its_deadline_and_says_what_it_waited_for);
    tcase_add_test(t, a_job_whose_deadline_passes_while_a_callback_runs_is_not_sent);
    tcase_add_test(t, a_deadline_in_the_past_is_accepted_and_fails_by_callback_without_being_sent);
    tcase_add_test(t, an_active_job_ends_at_its_deadline_and_the_server_is_asked_to_stop);
    tcase_add_test(t, a_cancelled_connection_is_given_out_again_only_after_unit_and_cancel_have_ended);
    tcase_add_test(t, where_the_server_cannot_be_asked_the_connection_is_closed_at_once);
    tcase_add_test(t, a_side_connection_outlives_what_it_cancels);
    tcase_add_test(t, cancelling_a_waiting_job_ends_it_from_the_loop);
    tcase_add_test(t, cancelling_an_active_job_waits_for_the_servers_word);
    tcase_add_test(t, a_cancel_that_is_not_obeyed_ends_with_the_connection);
    tcase_add_test(t, cancelling_a_paused_stream_ends_it_although_nobody_resumes);
    tcase_add_test(t, the_deadline_runs_on_during_a_cancel);
    tcase_add_test(t, a_forgotten_job_never_calls_back_whatever_its_state);
    tcase_add_test(t, a_job_may_be_forgotten_inside_its_own_rows);
    tcase_add_test(t, a_job_whose_connection_is_closed_inside_its_own_rows_ends_once);
    tcase_add_test(t, stop_ends_the_job_now_and_cancels_the_statement);
    tcase_add_test(t, a_pause_ends_in_the_turn_after_resume);
    tcase_add_test(t, ready_reports_an_open_connection_without_occupying_it);
    tcase_add_test(t, ready_reports_failure_timeout_and_can_be_taken_back);
    tcase_add_test(t, close_of_a_client_without_work_ends_its_connections_politely);
    tcase_add_test(t, close_lets_accepted_work_finish_and_closed_comes_last);
    tcase_add_test(t, what_is_left_after_the_drain_is_cancelled_with_class_closed);
    tcase_add_test(t, close_without_drain_ends_everything_from_the_loop);
    tcase_add_test(t, closing_again_only_shortens_the_drain_and_may_replace_the_callback);
    tcase_add_test(t, a_connection_being_opened_does_not_delay_the_close);
    tcase_add_test(t, destroy_completes_everything_before_it_returns);
    tcase_add_test(t, a_callback_may_submit);
    tcase_add_test(t, a_callback_that_submits_and_cancels_for_ever_does_not_keep_the_loop);
    tcase_add_test(t, a_callback_may_close_or_destroy_the_client);
    tcase_add_test(t, the_closed_callback_may_destroy_the_client);
    tcase_add_test(t, a_callback_during_destroy_may_forget_and_cancel_but_not_submit);
    tcase_add_test(t, in_a_forks_child_destroy_calls_nobody);
    tcase_add_test(t, create_names_what_is_wrong_and_leaves_nothing);
    tcase_add_test(t, a_job_for_which_there_is_no_memory_is_refused_and_nothing_changes);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
