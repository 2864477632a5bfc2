/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stage of the tests of requests and streams: connections that the test plays (pool/fake_conn.h), a session
 * that only keeps what was written, a client of one connection, and rows of one column to give to it. Defines the
 * functions of session.c that requests call.
 */
#ifndef TESTS_QUERY_REQUEST_STAGE_H
#define TESTS_QUERY_REQUEST_STAGE_H

#include "pool/fake_conn.h"
#include "query/request.h"
#include "support/heap.h"
#include "support/loop_virtual.h"
#include "wire/be_read.h"
#include "wire/be_write.h"

#include <stdio.h>

#define MS INT64_C(1000)

/* --- the session: what was written --- */

static struct redwi_buf unit;
static int unit_rc;
static void *unit_tag;
static unsigned unit_sent;
static enum redw_outcome unit_on_error;

struct redwi_buf *redwi_session_unit_begin(struct redwi_session *s)
{
    (void)s;
    redwi_buf_take(&unit, redwi_buf_len(&unit));
    return unit_rc == REDW_ENOMEM ? NULL : &unit;
}

/* Requests of one slice only. */
struct redwi_buf *redwi_session_unit_more(struct redwi_session *s, size_t *base)
{
    (void)s, (void)base;
    ck_abort_msg("a unit was written in slices");
}

int redwi_session_unit_end(struct redwi_session *s, void *tag, unsigned sent, enum redw_outcome on_error)
{
    (void)s;
    unit_tag = tag;
    unit_sent = sent;
    unit_on_error = on_error;
    return unit_rc;
}

/* Of streams by cursor and portal, which are tested with a whole server behind them (test_ways.c). */
int redwi_session_query(struct redwi_session *s, void *tag, const char *sql, size_t n, enum redw_outcome on_error)
{
    (void)s, (void)tag, (void)sql, (void)n, (void)on_error;
    ck_abort_msg("a stream of rows sends nothing of its own");
    return REDW_EINVAL;
}

bool redwi_session_take_back(struct redwi_session *s, const void *tag)
{
    (void)s, (void)tag;
    return false;
}

int redwi_session_batch_end(struct redwi_session *s, void *tag, unsigned sent, unsigned again, size_t more,
                            enum redw_outcome on_error)
{
    (void)again;
    ck_assert_uint_eq(more, 0); /* batches are tested with their uses */
    return redwi_session_unit_end(s, tag, sent, on_error);
}

size_t redwi_session_units(const struct redwi_session *s)
{
    (void)s;
    return 0;
}

/* Whose session it is: NULL, PostgreSQL's; else what Redshift says its version is, "" for nothing. */
static const char *redshift;

bool redwi_session_is_redshift(const struct redwi_session *s)
{
    (void)s;
    return redshift;
}

const char *redwi_session_parameter(const struct redwi_session *s, const char *name)
{
    (void)s;
    ck_assert_str_eq(name, "server_protocol_version");
    return *redshift ? redshift : NULL;
}

/* --- the stage --- */

static struct vloop *loop;
static redw_client *client;
static unsigned dones;
static redw_result *last; /* of the last final callback, kept */
static struct redwi_buf rows_wire, columns_wire;

static inline void on_done(const redw_result *res, void *ctx)
{
    ck_assert_ptr_eq(ctx, &dones);
    ck_assert_ptr_nonnull(res);
    dones++;
    redw_result_release(last);
    last = redw_result_keep(res);
}

static inline void setup(void)
{
    struct redw_loop table;

    memset(&heap, 0, sizeof heap);
    loop = vloop_create();
    table = vloop_table(loop);
    redwi_buf_init(&unit, &redwi_malloc, (size_t)1 << 26);
    redwi_buf_init(&rows_wire, &redwi_malloc, (size_t)1 << 26);
    redwi_buf_init(&columns_wire, &redwi_malloc, (size_t)1 << 26);
    unit_rc = 0;
    dones = 0;
    ck_assert_int_eq(
        redw_client_create_on(&client, &table,
                              REDW_OPTIONS(.uri = "postgresql://u@h/d?sslmode=disable", .pool_max = 1,
                                           .queue_max = 1, .request_timeout_ms = 60000,
                                           .allocator = &heap_table),
                              NULL),
        0);
}

static inline void teardown(void)
{
    redw_client_destroy(client);
    redw_result_release(last);
    last = NULL;
    for (unsigned i = 0; i < nfakes; i++)
        ck_assert(fakes[i]->freed);
    fakes_forget();
    redwi_buf_free(&unit);
    redwi_buf_free(&rows_wire);
    redwi_buf_free(&columns_wire);
    ck_assert_uint_eq(heap.out, 0);
    vloop_free(loop);
}

static inline redw_id submit(const struct redw_request *rq)
{
    return redw_submit(client, rq, on_done, &dones);
}

/* Until the request just submitted is on connection 0. */
static inline struct fake *go(void)
{
    vloop_settle(loop);
    if (fakes[0]->conn.state == REDWI_CONN_DIALING)
        fake_ready(fakes[0]);
    vloop_settle(loop);
    ck_assert_ptr_nonnull(redwi_conn_job(&fakes[0]->conn));
    return fakes[0];
}

/* A description of one text column "n". */
static inline void describe(struct fake *f)
{
    struct redwi_field field = {.name = {"n", 1}, .type_oid = 25, .typmod = -1};

    redwi_buf_take(&columns_wire, redwi_buf_len(&columns_wire));
    redwi_be_put_row_description(&columns_wire, &field, 1);
    fake_columns(f, redwi_buf_front(&columns_wire) + 5, redwi_buf_len(&columns_wire) - 5);
}

/* DataRow messages with the numbers from..to-1. */
static inline void write_rows(int from, int to)
{
    char text[16];

    redwi_buf_take(&rows_wire, redwi_buf_len(&rows_wire));
    for (int i = from; i < to; i++) {
        redw_slice cell = {text, (size_t)snprintf(text, sizeof text, "%d", i)};
        redwi_be_put_data_row(&rows_wire, &cell, 1);
    }
}

static inline size_t give(struct fake *f)
{
    return fake_rows(f, redwi_buf_front(&rows_wire), redwi_buf_len(&rows_wire));
}

static inline void end_with_tag(struct fake *f, const char *tag)
{
    redwi_conn_job(&f->conn)->ops->complete(redwi_conn_job(&f->conn), tag, strlen(tag));
    fake_end(f, NULL);
}

static inline bool failed_as(int code, enum redw_class cls, enum redw_outcome outcome)
{
    const redw_error *e = last ? redw_result_error(last) : NULL;

    return e && redw_error_code(e) == code && redw_error_class(e) == cls &&
           redw_error_outcome(e) == outcome;
}

static inline void refused(redw_id id, int code, const char *words)
{
    ck_assert_int_eq(id, code);
    ck_assert_msg(strstr(redw_client_why(client), words), "%s", redw_client_why(client));
}

#endif
