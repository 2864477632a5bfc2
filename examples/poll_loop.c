/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redw on a loop of your own: a complete filling of struct redw_loop on poll(2), and the README's program on
 * it. Written on the public headers alone; it passes the same tests as the libev filling. For another loop
 * keep the table and replace what stands behind it.
 *
 * A round: run the turns that were asked for; poll, not sleeping if new turns have been asked for meanwhile;
 * report descriptors; run timers that are due. Watchers are linked into lists by themselves, so nothing is
 * allocated and nothing can fail. Lists are emptied one by one from the front: a callback may stop or start
 * any watcher, also give back the memory of its own, and nothing here touches a watcher after its callback.
 */
#include <limits.h>
#include <poll.h>
#include <redw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct link {
    struct link *prev, *next;
};

struct io_watch {
    struct link link; /* in `watched` while it has events */
    redw_io_fn *fn;
    void *arg;
    int fd;
    unsigned events;
    int slot; /* in this round's pollfds; -1: none */
};

struct timer_watch {
    struct link link; /* in `timers`, or in `due` */
    redw_loop_fn *fn;
    void *arg;
    int64_t at_us;
};

struct turn_watch {
    struct link link; /* in `turns`, or in the list being run */
    redw_loop_fn *fn;
    void *arg;
};

enum { POLLED_AT_ONCE = 256 };

struct poll_loop {
    struct link watched;
    struct link timers; /* by time, equal ones in the order of setting */
    struct link turns;
    int holds;
    bool stop;
    struct pollfd fds[POLLED_AT_ONCE];   /* of this round */
    struct io_watch *at[POLLED_AT_ONCE]; /* whose; NULL: stopped since */
};

/* --- lists --- */

static void list_init(struct link *list)
{
    list->prev = list->next = list;
}

static bool list_empty(const struct link *list)
{
    return list->next == list;
}

static void list_remove(struct link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    list_init(l); /* removing twice is harmless */
}

static void list_insert_behind(struct link *at, struct link *l)
{
    l->prev = at;
    l->next = at->next;
    at->next->prev = l;
    at->next = l;
}

static void list_append(struct link *list, struct link *l)
{
    list_insert_behind(list->prev, l);
}

static void list_move_all(struct link *to, struct link *from)
{
    list_init(to);
    while (!list_empty(from)) {
        struct link *l = from->next;
        list_remove(l);
        list_append(to, l);
    }
}

/* --- clocks --- */

static int64_t clock_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t now_us(void *ctx)
{
    (void)ctx;
    return clock_us(CLOCK_MONOTONIC);
}

static int64_t wall_us(void *ctx)
{
    (void)ctx;
    return clock_us(CLOCK_REALTIME);
}

/* --- the table: descriptors --- */

static void io_init(void *ctx, void *io, redw_io_fn *fn, void *arg)
{
    struct io_watch *w = io;
    (void)ctx;
    *w = (struct io_watch){.fn = fn, .arg = arg, .fd = -1, .slot = -1};
    list_init(&w->link);
}

/* Takes effect within the round: what was polled for a stopped or changed watcher is not reported to it. */
static void io_set(void *ctx, void *io, int fd, unsigned events)
{
    struct poll_loop *loop = ctx;
    struct io_watch *w = io;
    if (w->slot >= 0 && (!events || fd != w->fd)) {
        loop->at[w->slot] = NULL;
        w->slot = -1;
    }
    if (!events)
        list_remove(&w->link);
    else if (list_empty(&w->link))
        list_append(&loop->watched, &w->link);
    w->fd = fd;
    w->events = events;
}

/* --- timers --- */

static void timer_init(void *ctx, void *timer, redw_loop_fn *fn, void *arg)
{
    struct timer_watch *w = timer;
    (void)ctx;
    *w = (struct timer_watch){.fn = fn, .arg = arg};
    list_init(&w->link);
}

static void timer_stop(void *ctx, void *timer)
{
    struct timer_watch *w = timer;
    (void)ctx;
    list_remove(&w->link);
}

/* New deadlines are mostly the latest: the place is looked for from the end. With thousands of timers at
 * different times a heap does better. */
static void timer_set(void *ctx, void *timer, int64_t at_us)
{
    struct poll_loop *loop = ctx;
    struct timer_watch *w = timer;
    list_remove(&w->link);
    w->at_us = at_us;
    struct link *before = loop->timers.prev;
    while (before != &loop->timers && ((struct timer_watch *)(void *)before)->at_us > at_us)
        before = before->prev;
    list_insert_behind(before, &w->link);
}

/* --- turns --- */

static void turn_init(void *ctx, void *turn, redw_loop_fn *fn, void *arg)
{
    struct turn_watch *w = turn;
    (void)ctx;
    *w = (struct turn_watch){.fn = fn, .arg = arg};
    list_init(&w->link);
}

static void turn_request(void *ctx, void *turn)
{
    struct poll_loop *loop = ctx;
    struct turn_watch *w = turn;
    if (list_empty(&w->link))
        list_append(&loop->turns, &w->link);
}

static void turn_fini(void *ctx, void *turn)
{
    struct turn_watch *w = turn;
    (void)ctx;
    list_remove(&w->link);
}

/* --- keeping the loop running --- */

static void hold(void *ctx)
{
    ((struct poll_loop *)ctx)->holds++;
}

static void release(void *ctx)
{
    ((struct poll_loop *)ctx)->holds--;
}

static struct redw_loop poll_loop_open(struct poll_loop *loop)
{
    memset(loop, 0, sizeof *loop);
    list_init(&loop->watched);
    list_init(&loop->timers);
    list_init(&loop->turns);
    return (struct redw_loop){
        .size = sizeof(struct redw_loop),
        .ctx = loop,
        .io_bytes = sizeof(struct io_watch),
        .timer_bytes = sizeof(struct timer_watch),
        .turn_bytes = sizeof(struct turn_watch),
        .io_init = io_init,
        .io_set = io_set,
        .timer_init = timer_init,
        .timer_set = timer_set,
        .timer_stop = timer_stop,
        .turn_init = turn_init,
        .turn_request = turn_request,
        .turn_fini = turn_fini,
        .now_us = now_us,
        .wall_us = wall_us,
        .hold = hold,
        .release = release,
    };
}

/* --- running it --- */

/* Those asked for until now; what they ask for themselves is for the next round. */
static void run_turns(struct poll_loop *loop)
{
    struct link turns;
    list_move_all(&turns, &loop->turns);
    while (!list_empty(&turns)) {
        struct turn_watch *w = (struct turn_watch *)(void *)turns.next;
        list_remove(&w->link);
        w->fn(w->arg);
    }
}

static void run_timers(struct poll_loop *loop)
{
    struct link due;
    int64_t now = now_us(loop);
    list_init(&due);
    for (struct link *l; (l = loop->timers.next) != &loop->timers;) {
        if (((struct timer_watch *)(void *)l)->at_us > now)
            break;
        list_remove(l);
        list_append(&due, l);
    }
    while (!list_empty(&due)) {
        struct timer_watch *w = (struct timer_watch *)(void *)due.next;
        list_remove(&w->link);
        w->fn(w->arg);
    }
}

/* Fills the pollfds. The list goes round: more watchers than fit take turns, and the sleep is kept short. */
static nfds_t choose_watchers(struct poll_loop *loop, int *ms)
{
    nfds_t n = 0;
    while (!list_empty(&loop->watched)) {
        struct io_watch *w = (struct io_watch *)(void *)loop->watched.next;
        if (w->slot >= 0)
            break; /* once round */
        if (n == POLLED_AT_ONCE) {
            *ms = *ms == 0 ? 0 : 1;
            break;
        }
        list_remove(&w->link);
        list_append(&loop->watched, &w->link);
        loop->fds[n] = (struct pollfd){
            .fd = w->fd,
            .events = (short)((w->events & REDW_READ ? POLLIN : 0) | (w->events & REDW_WRITE ? POLLOUT : 0))};
        loop->at[n] = w;
        w->slot = (int)n++;
    }
    return n;
}

/* An error or the end of a connection is reported as whatever the watcher waits for: it will read or write,
 * and see. */
static void report_descriptors(struct poll_loop *loop, nfds_t n)
{
    for (nfds_t i = 0; i < n; i++) {
        struct io_watch *w = loop->at[i];
        short got = loop->fds[i].revents;
        if (!w)
            continue;
        w->slot = -1;
        unsigned events = (got & ~POLLOUT ? REDW_READ : 0u) | (got & ~POLLIN ? REDW_WRITE : 0u);
        if (events & w->events)
            w->fn(w->arg, events & w->events);
    }
}

/* How long poll may sleep: until the first timer, rounded up, as timers must not be early. -1: for ever. Not at
 * all if the turns just run have ended the last work, or asked for more turns. */
static int sleep_ms(const struct poll_loop *loop, bool may_sleep)
{
    if (!may_sleep || loop->stop || loop->holds == 0 || !list_empty(&loop->turns))
        return 0;
    if (list_empty(&loop->timers))
        return -1;
    int64_t left_us = ((const struct timer_watch *)(const void *)loop->timers.next)->at_us - now_us(NULL);
    if (left_us <= 0)
        return 0;
    return left_us / 1000 < INT_MAX ? (int)(left_us / 1000) + 1 : INT_MAX;
}

static void poll_loop_round(struct poll_loop *loop, bool may_sleep)
{
    run_turns(loop);
    int ms = sleep_ms(loop, may_sleep);
    nfds_t n = choose_watchers(loop, &ms);
    /* A signal or a lack of memory: as if nothing had happened. */
    if (poll(loop->fds, n, ms) < 0)
        memset(loop->fds, 0, n * sizeof *loop->fds);
    report_descriptors(loop, n);
    run_timers(loop);
}

/* Until no work is outstanding, or somebody sets `stop`. */
static void poll_loop_run(struct poll_loop *loop)
{
    loop->stop = false;
    while (!loop->stop && (loop->holds > 0 || !list_empty(&loop->turns)))
        poll_loop_round(loop, true);
}

/* --- the README's program --- */

static void on_user(const redw_result *res, void *ctx)
{
    redw_row row;
    int64_t n;
    (void)ctx;
    if (redw_result_error(res))
        fprintf(stderr, "%s\n", redw_error_message(redw_result_error(res)));
    else if (redw_result_first(res, &row) && redw_row_int64(&row, 1, &n) == REDW_OK)
        printf("%.*s has %lld letters\n", REDW_ARG(row.cells[0]), (long long)n);
}

int main(void)
{
    static struct poll_loop loop;
    struct redw_loop port = poll_loop_open(&loop);
    redw_client *db;
    struct redw_diag why;
    if (redw_client_create_on(&db, &port, REDW_OPTIONS(.uri = getenv("REDSHIFT_URI")), &why) != 0)
        return fprintf(stderr, "%s\n", why.text), 1;
    if (redw_submit(db, REDW_QUERY("select $1::text, length($1)", redw_p_text("redw")), on_user, NULL) < 0)
        fprintf(stderr, "%s\n", redw_client_why(db));
    poll_loop_run(&loop); /* returns when no request is left */
    redw_client_destroy(db);
    return 0;
}
