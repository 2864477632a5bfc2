/* SPDX-License-Identifier: Apache-2.0 */
#include "support/lab.h"

#include "pool/loop_ev.h"
#include "support/pg.h"
#include <check.h>
#include <openssl/ssl.h>

static void on_time(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop, (void)events;
    *(bool *)w->data = true;
}

/* The library's turn runs before the loop sleeps: who waited for it need not wait for what comes next. */
static void check_goal(void *arg)
{
    struct lab *r = arg;
    if (*r->counter >= r->goal)
        ev_break(r->loop, EVBREAK_ONE);
}

/* Runs the loop until *counter reaches the goal or the time is up; true: reached. */
static bool run(struct lab *r, const unsigned *counter, unsigned goal, double seconds)
{
    ev_timer timer;
    bool over = false;
    ev_timer_init(&timer, on_time, seconds, 0);
    timer.data = &over;
    r->counter = counter;
    r->goal = goal;
    r->probe.after = check_goal;
    r->probe.after_arg = r;
    ev_now_update(r->loop);
    ev_timer_start(r->loop, &timer);
    while (*counter < goal && !over)
        ev_run(r->loop, EVRUN_ONCE);
    ev_timer_stop(r->loop, &timer);
    r->probe.after = NULL;
    return *counter >= goal;
}

void lab_open(struct lab *r)
{
    memset(r, 0, sizeof *r);
    /* What OpenSSL and libev open and keep for the process comes before the guard. */
    OPENSSL_init_ssl(0, NULL);
    r->loop = ev_loop_new(EVFLAG_AUTO);
    ck_assert_ptr_nonnull(r->loop);
    r->patience_s = 20;
    run(r, &(unsigned){0}, 1, 0.001);
    fault_init(&r->fault);
    probe_init(&r->probe, redwi_loop_ev(r->loop));
    r->env.sys = &r->fault.sys;
    leak_begin(&r->leak);
}

int lab_client(struct lab *r, const struct redw_options *o, struct redw_diag *why)
{
    struct redw_options mine = *o;
    mine.allocator = &r->fault.mem;
    if (o->password != NULL)
        r->fault.canary = o->password;
    return redwi_client_create(&r->client, &r->probe.loop, &mine, &r->env, why);
}

void lab_pool(struct lab *r, const char *uri, const char *password, uint32_t pool_max)
{
    struct redw_diag why;
    ck_assert_msg(lab_client(r, REDW_OPTIONS(.uri = uri, .password = password, .pool_max = pool_max), &why) == 0,
                  "%s", why.text);
}

bool lab_close(struct lab *r)
{
    redw_client_destroy(r->client);
    r->client = NULL;
    bool clean = leak_check(&r->leak, r->loop, &r->fault, &r->probe, stderr);
    if (r->fault.canary_hits > 0) {
        fprintf(stderr, "leak: the password was in %llu released blocks\n",
                (unsigned long long)r->fault.canary_hits);
        clean = false;
    }
    if (clean)
        fault_fini(&r->fault);
    ev_loop_destroy(r->loop);
    return clean;
}

bool lab_wait(struct lab *r, const unsigned *counter, unsigned goal)
{
    bool reached = run(r, counter, goal, r->patience_s);
    r->late |= !reached;
    return reached;
}

void lab_run_ms(struct lab *r, unsigned ms)
{
    run(r, &(unsigned){0}, 1, ms / 1000.0);
}

void lab_run_until_active(struct lab *r, const char *sql)
{
    char seen[400];
    double until = ev_time() + r->patience_s;
    snprintf(seen, sizeof seen, "select count(*) from pg_stat_activity where state = 'active' and query = '%s'",
             sql);
    do
        lab_run_ms(r, 5);
    while (pg_number(seen) == 0 && ev_time() < until);
    r->late |= ev_time() >= until;
}

void answer_done(const redw_result *res, void *ctx)
{
    struct answer *a = ctx;
    a->calls++;
    if (a->res == NULL)
        a->res = redw_result_keep(res);
}

void lab_submit(struct lab *r, struct answer *a, const struct redw_request *rq)
{
    *a = (struct answer){0};
    a->id = redw_submit(r->client, rq, answer_done, a);
    ck_assert_msg(a->calls == 0, "the callback ran inside redw_submit");
}

struct answer lab_query(struct lab *r, const struct redw_request *rq)
{
    struct answer a;
    lab_submit(r, &a, rq);
    if (a.id > 0 && !lab_wait(r, &a.calls, 1))
        redw_forget(r->client, a.id); /* `a` goes out of reach */
    return a;
}

void answer_release(struct answer *a)
{
    redw_result_release(a->res);
    a->res = NULL;
}

const redw_error *answer_error(const struct answer *a)
{
    ck_assert_msg(a->id > 0, "refused: %s", redw_strerror((int)a->id));
    ck_assert_msg(a->calls == 1, "%u callbacks", a->calls);
    return redw_result_error(a->res);
}

void answer_must_succeed(const struct answer *a)
{
    const redw_error *e = answer_error(a);
    ck_assert_msg(e == NULL, "%s", redw_error_message(e));
}

const char *answer_text(const struct answer *a)
{
    redw_row row;
    answer_must_succeed(a);
    ck_assert_uint_eq(redw_result_row_count(a->res), 1);
    ck_assert(redw_result_first(a->res, &row));
    ck_assert_uint_eq(row.ncells, 1);
    return row.cells[0].ptr;
}
