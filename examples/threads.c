/* SPDX-License-Identifier: Apache-2.0 */
/* Four loops, four threads, a client each. Another thread hands over work by ev_async, the one thread-safe libev call. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <ev.h>
#include <redw.h>

struct task { struct task *next; int64_t account; void (*done)(redw_result *kept, void *ctx); void *ctx; redw_client *db; };
struct worker { pthread_t thread; pthread_mutex_t lock; struct task *inbox; bool stop; ev_async wake; struct ev_loop *loop; redw_client *db; };

void worker_give(struct worker *w, struct task *t)                       /* any thread; t NULL: stop */
{
    pthread_mutex_lock(&w->lock);
    if (t) {
        t->next = w->inbox;
        w->inbox = t;
    } else {
        w->stop = true;
    }
    pthread_mutex_unlock(&w->lock);
    ev_async_send(w->loop, &w->wake);
}

static void on_result(const redw_result *res, void *ctx)
{
    struct task *t = ctx;

    t->done(redw_result_keep(res), t->ctx);                              /* its owner releases it, on whatever thread */
    free(t);
}

static void on_wake(struct ev_loop *loop, ev_async *a, int revents)
{
    struct worker *w = a->data;
    struct task *list, *t;
    bool stop;

    (void)revents;
    pthread_mutex_lock(&w->lock);
    list = w->inbox;
    stop = w->stop;
    w->inbox = NULL;
    pthread_mutex_unlock(&w->lock);
    while ((t = list)) {
        list = t->next;
        if (redw_submit(w->db, REDW_QUERY("select * from accounts where id = $1", redw_p_int64(t->account)), on_result, t) < 0) {
            t->done(NULL, t->ctx);
            free(t);
        }
    }
    if (stop) {
        ev_async_stop(loop, a);                                          /* now only the client keeps the loop alive */
        redw_client_close(w->db, 0, NULL, NULL);
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;

    ev_run(w->loop, 0);
    redw_client_destroy(w->db);
    ev_loop_destroy(w->loop);
    return NULL;
}

int worker_start(struct worker *w, struct redw_diag *why)
{
    w->loop = ev_loop_new(EVFLAG_AUTO);
    if (!w->loop || redw_client_create(&w->db, w->loop, REDW_OPTIONS(.uri = getenv("REDSHIFT_URI"), .pool_max = 3), why) != 0)
        return -1;                                                       /* created here, used by `work` only: allowed before it starts */
    pthread_mutex_init(&w->lock, NULL);
    ev_async_init(&w->wake, on_wake);
    w->wake.data = w;
    ev_async_start(w->loop, &w->wake);
    return pthread_create(&w->thread, NULL, work, w);
}

int main(void)
{
    static struct worker w[4];
    struct redw_diag why = { 0 };

    for (int i = 0; i < 4; i++)
        if (worker_start(&w[i], &why) != 0) {
            fprintf(stderr, "redw: %s\n", why.text);
            return 1;
        }
    for (int i = 0; i < 4; i++)
        worker_give(&w[i], NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(w[i].thread, NULL);
    return 0;
}
