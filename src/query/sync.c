/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocking helpers: a client of the public API, on a libev loop that is run until the one callback has come.
 * That it comes, and when at the latest, is the promise of redw_submit and redw_stream; nothing here adds a
 * timeout or reads a private struct.
 *
 * A private loop stands still between calls, so what happened to the connection meanwhile (the server closed
 * it, mostly) would be seen only when a statement has been written to it. Each call first lets the loop look
 * once without waiting: a dead connection is gone before the statement is given one.
 */
#include <redw/sync.h>

#include "pool/loop_ev.h"
#include "pool/options.h"
#include "wire/mem.h"
#include <stdio.h>

struct redw_sync {
    struct redw_allocator mem;
    struct ev_loop *loop;
    redw_client *client;
    redw_error *error;   /* of the last call */
    bool running;        /* a call is under way */
    bool close_deferred; /* redw_sync_close was called from inside it */

    /* The call under way. */
    bool done, stopped;
    redw_id id;
    redw_result **out;                  /* query */
    struct redw_stream_handler handler; /* stream */
    void *ctx;
};

static int tell(struct redw_diag *why, int code, const char *text)
{
    if (why) {
        why->code = code;
        snprintf(why->text, sizeof why->text, "%s", text);
    }
    return code;
}

/* --- one call --- */

static int begin(redw_sync *db, struct redw_diag *why)
{
    if (why)
        *why = (struct redw_diag){0};
    if (db->running)
        return tell(why, REDW_EINVAL, "called from inside a handler of the same redw_sync");
    redw_error_release(db->error);
    db->error = NULL;
    db->out = NULL;
    db->done = db->stopped = false;
    db->running = true;
    redwi_loop_ev_round(db->loop, false);
    return 0;
}

/* Waits for the callback of an accepted call, takes the refusal of another. */
static int finish(redw_sync *db, redw_id id, struct redw_diag *why)
{
    int rc = 0;

    db->id = id;
    if (id < 0)
        rc = tell(why, (int)id, redw_client_why(db->client));
    while (id > 0 && !db->done)
        redwi_loop_ev_round(db->loop, true);
    db->running = false;
    if (db->error && !db->stopped)
        rc = tell(why, redw_error_code(db->error), redw_error_message(db->error));
    if (db->close_deferred)
        redw_sync_close(db);
    return rc;
}

static void on_ready(const redw_error *error, void *ctx)
{
    redw_sync *db = ctx;

    db->error = error ? redw_error_keep(error) : NULL;
    db->done = true;
}

static void on_result(const redw_result *result, void *ctx)
{
    redw_sync *db = ctx;
    const redw_error *error = redw_result_error(result);

    if (error)
        db->error = redw_error_keep(error);
    else
        *db->out = redw_result_keep(result);
    db->done = true;
}

/* --- streams --- */

static enum redw_flow follow(redw_sync *db, enum redw_flow flow)
{
    db->stopped = flow == REDW_STOP;
    if (flow == REDW_PAUSE)
        redw_resume(db->client, db->id);
    return flow;
}

static enum redw_flow on_columns(const redw_result *head, void *ctx)
{
    redw_sync *db = ctx;

    return db->handler.on_columns ? follow(db, db->handler.on_columns(head, db->ctx)) : REDW_MORE;
}

static enum redw_flow on_rows(redw_rows *rows, void *ctx)
{
    redw_sync *db = ctx;

    return follow(db, db->handler.on_rows(rows, db->ctx));
}

static void on_streamed(const redw_result *result, void *ctx)
{
    redw_sync *db = ctx;
    const redw_error *error = redw_result_error(result);

    /* Stopped, and yet something else went wrong. */
    if (error && redw_error_code(error) != REDW_ECANCELLED)
        db->stopped = false;
    if (error && !db->stopped)
        db->error = redw_error_keep(error);
    if (db->handler.on_done)
        db->handler.on_done(result, db->ctx);
    db->done = true;
}

static const struct redw_stream_handler streams = {
    .size = sizeof streams, .on_columns = on_columns, .on_rows = on_rows, .on_done = on_streamed};

/* --- public --- */

int redw_sync_open(redw_sync **out, const struct redw_options *o, struct redw_diag *why)
{
    struct redw_allocator mem;
    struct redw_diag unread;
    redw_sync *db;

    *out = NULL;
    if (!why)
        why = &unread;
    *why = (struct redw_diag){0};
    int rc = redwi_settings_allocator(&mem, o, why);
    if (rc)
        return rc;
    db = redwi_alloc_array(&mem, 1, sizeof *db);
    if (!db)
        return tell(why, REDW_ENOMEM, "out of memory");
    db->mem = mem;
    db->loop = redwi_loop_ev_open();
    if (!db->loop)
        rc = tell(why, REDW_ENOMEM, "no loop could be made");
    else
        rc = redw_client_create(&db->client, db->loop, o, why);
    if (rc == 0 && (rc = begin(db, why)) == 0)
        rc = finish(db, redw_client_ready(db->client, 0, on_ready, db), why);
    if (rc) {
        redw_sync_close(db);
        return rc;
    }
    *out = db;
    return 0;
}

int redw_sync_query(redw_sync *db, const struct redw_request *rq, redw_result **out, struct redw_diag *why)
{
    *out = NULL;
    int rc = begin(db, why);
    if (rc)
        return rc;
    db->out = out;
    return finish(db, redw_submit(db->client, rq, on_result, db), why);
}

int redw_sync_stream(redw_sync *db, const struct redw_request *rq, const struct redw_stream_handler *h,
                     void *ctx, struct redw_diag *why)
{
    size_t least = offsetof(struct redw_stream_handler, on_done) + sizeof h->on_done;
    int rc = begin(db, why);

    if (rc)
        return rc;
    if (!h || !redwi_struct_read(&db->handler, sizeof db->handler, least, h) || !db->handler.on_rows) {
        db->running = false;
        return tell(why, REDW_EINVAL, "handler: NULL, or its size is wrong, or on_rows is missing");
    }
    db->ctx = ctx;
    /* The id is needed inside the handler, which runs from the loop: after it has been taken. */
    return finish(db, redw_stream(db->client, rq, &streams, db), why);
}

const redw_error *redw_sync_error(const redw_sync *db)
{
    return db->error;
}

void redw_sync_close(redw_sync *db)
{
    if (!db)
        return;
    if (db->running) {
        db->close_deferred = true;
        return;
    }
    struct redw_allocator mem = db->mem;
    redw_client_destroy(db->client);
    if (db->loop)
        redwi_loop_ev_close(db->loop);
    redw_error_release(db->error);
    redwi_free(&mem, db);
}
