/* SPDX-License-Identifier: Apache-2.0 */
/* SIGTERM with 500 requests in flight: stop accepting, let handlers finish (20 s), then the client (5 s), then leave. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <ev.h>
#include <redw.h>

struct server { struct ev_loop *loop; redw_client *db; ev_signal term; ev_timer grace; unsigned active; bool stopping; };

void stop_listening(struct server *s);                                   /* the HTTP side */

static void closed(void *ctx)
{
    struct server *s = ctx;

    ev_break(s->loop, EVBREAK_ALL);
}

static void close_client(struct server *s)
{
    ev_timer_stop(s->loop, &s->grace);
    redw_client_close(s->db, 5000, closed, s);                           /* what is left after 5 s gets its callback, cancelled */
}

/* Each handler calls these; a handler needs several queries, so the client must not refuse while handlers live. */
void handler_begins(struct server *s) { s->active++; }
void handler_ends(struct server *s)
{
    if (--s->active == 0 && s->stopping)
        close_client(s);
}

static void on_grace_over(struct ev_loop *loop, ev_timer *w, int revents)
{
    (void)loop, (void)revents;
    close_client(w->data);
}

static void on_term(struct ev_loop *loop, ev_signal *w, int revents)
{
    struct server *s = w->data;

    (void)revents;
    ev_signal_stop(loop, w);                                             /* a second SIGTERM kills */
    s->stopping = true;
    stop_listening(s);
    ev_timer_start(loop, &s->grace);
    if (s->active == 0)
        close_client(s);
}

int main(void)
{
    struct server s = { .loop = ev_default_loop(0) };
    struct redw_diag why;

    if (redw_client_create(&s.db, s.loop, REDW_OPTIONS(.uri = getenv("REDSHIFT_URI"), .pool_max = 50, .queue_max = 1000), &why)) {
        fprintf(stderr, "redw: %s\n", why.text);
        return 1;
    }
    ev_signal_init(&s.term, on_term, SIGTERM);
    ev_timer_init(&s.grace, on_grace_over, 20., 0.);
    s.term.data = s.grace.data = &s;
    ev_signal_start(s.loop, &s.term);
    ev_run(s.loop, 0);
    redw_client_destroy(s.db);                                           /* nothing is left: calls nobody */
    return 0;
}
