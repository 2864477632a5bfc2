/* SPDX-License-Identifier: Apache-2.0 */
#include "support/solo.h"

#include "wire/fe_write.h"

#include <check.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

char solo_unit;

/* --- an allocator that counts, fails, and looks at what is given back --------------------------- */

static bool must_fail(struct solo_memory *m)
{
    m->calls++;
    return m->fail_at && (m->fail_on ? m->calls >= m->fail_at : m->calls == m->fail_at);
}

static void *memory_alloc(void *ctx, size_t n)
{
    struct solo_memory *m = ctx;
    if (must_fail(m))
        return NULL;
    size_t *p = malloc(n + 16);
    *p = n;
    m->live++;
    m->bytes += n;
    if (m->bytes > m->peak)
        m->peak = m->bytes;
    return p + 2;
}

static void memory_release(void *ctx, void *ptr)
{
    struct solo_memory *m = ctx;
    size_t *p = (size_t *)ptr - 2;
    if (m->secret)
        m->secrets += memmem(ptr, *p, m->secret, strlen(m->secret)) != NULL;
    m->live--;
    m->bytes -= *p;
    free(p);
}

static void *memory_resize(void *ctx, void *ptr, size_t n)
{
    void *p = memory_alloc(ctx, n);
    if (p && ptr) {
        size_t had = ((size_t *)ptr)[-2];
        memcpy(p, ptr, had < n ? had : n);
        memory_release(ctx, ptr);
    }
    return p;
}

static void memory_init(struct solo_memory *m)
{
    *m = (struct solo_memory){.mem = {sizeof m->mem, m, memory_alloc, memory_resize, memory_release}};
}

/* --- a session, and what it reported ------------------------------------------------------------ */

static int counting_entropy(void *ctx, void *p, size_t n)
{
    if (ctx)
        return -1;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)i;
    return 0;
}

void solo_init(struct solo *r)
{
    *r = (struct solo){0};
    memory_init(&r->memory);
    r->config = (struct redwi_session_config){
        .mem = &r->memory.mem,
        .startup = {.user = "app", .database = "dev", .application_name = "redw"},
        .password = "pencil",
        .entropy = counting_entropy,
    };
}

void solo_open(struct solo *r)
{
    ck_assert_int_eq(redwi_session_create(&r->s, &r->config), 0);
    ck_assert_int_eq(redwi_session_start(r->s), 0);
}

void solo_free(struct solo *r)
{
    redwi_session_free(r->s);
    redw_error_release(r->seen.fatal_error);
    redw_error_release(r->seen.error);
    ck_assert_uint_eq(r->memory.live, 0);
    ck_assert_uint_eq(r->memory.secrets, 0);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}

static void note_rows(struct solo *r, const struct redwi_ev *ev)
{
    const uint8_t *p = ev->data, *end = p + ev->len;
    while (end - p >= 5 && p[0] == 'D' && redwi_load32(p + 1) < (size_t)(end - p)) {
        p += 1 + redwi_load32(p + 1);
        r->seen.rows++;
    }
    redwi_session_rows_taken(r->s, p);
}

static void note(struct solo *r, const struct redwi_ev *ev)
{
    struct solo_seen *seen = &r->seen;
    ck_assert_uint_eq(seen->fatal, 0);
    seen->unit = ev->unit;
    switch (ev->kind) {
    case REDWI_EV_NONE: break;
    case REDWI_EV_START_TLS: seen->start_tls++; break;
    case REDWI_EV_WORK: seen->work++; break;
    case REDWI_EV_LOGGED_IN: seen->logged_in++; seen->status = ev->status; break;
    case REDWI_EV_COLUMNS: seen->columns++; break;
    case REDWI_EV_PARAMETER_TYPES: seen->parameter_types++; break;
    case REDWI_EV_BOUND: seen->bound++; break;
    case REDWI_EV_SUSPENDED: seen->suspended++; break;
    case REDWI_EV_ROWS: note_rows(r, ev); break;
    case REDWI_EV_COMPLETE: seen->complete++; break;
    case REDWI_EV_ERROR:
        seen->errors++;
        redw_error_release(seen->error);
        seen->error = ev->error;
        break;
    case REDWI_EV_NOTICE: seen->notices++; redw_error_release(ev->error); break;
    case REDWI_EV_PARAMETER: seen->parameters++; break;
    case REDWI_EV_READY:
        seen->ready++;
        seen->units_ready += ev->unit != NULL;
        seen->status = ev->status;
        break;
    case REDWI_EV_FATAL: seen->fatal++; seen->fatal_error = ev->error; break;
    }
}

void solo_drain(struct solo *r)
{
    struct redwi_ev ev;
    while (redwi_session_next(r->s, &ev) != REDWI_EV_NONE) {
        note(r, &ev);
        if (ev.kind == REDWI_EV_WORK && r->lazy)
            return;
        if (ev.kind == REDWI_EV_WORK)
            redwi_session_work(r->s, 1000);
        if (ev.kind == REDWI_EV_START_TLS && r->end_point)
            ck_assert_int_eq(redwi_session_tls_started(r->s, r->end_point, r->end_point_len), 0);
    }
}

void solo_feed(struct solo *r, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    while (n && !r->seen.fatal) {
        size_t room;
        uint8_t *at = redwi_session_input(r->s, &room);
        if (!at) {
            solo_drain(r);
            return;
        }
        ck_assert_uint_gt(room, 0);
        size_t step = n < room ? n : room;
        memcpy(at, p, step);
        redwi_session_received(r->s, step);
        solo_drain(r);
        p += step;
        n -= step;
    }
}

void solo_feed_message(struct solo *r, char type, const void *body, size_t n)
{
    uint8_t head[5] = {(uint8_t)type, 0, 0, (uint8_t)((n + 4) >> 8), (uint8_t)(n + 4)};
    solo_feed(r, head, sizeof head);
    solo_feed(r, body, n);
}

size_t solo_send_all(struct solo *r)
{
    size_t n;
    redwi_session_output(r->s, &n);
    redwi_session_sent(r->s, n);
    return n;
}

static void put_execution(struct redwi_buf *b)
{
    redwi_fe_bind_end(b, redwi_fe_bind_begin(b, "", "", NULL, 0), 0);
    redwi_fe_execute(b, "", 0);
}

int solo_queue_batch(struct solo *r, void *tag, const char *sql, size_t more)
{
    struct redwi_buf *b = redwi_session_unit_begin(r->s);
    if (!b)
        return REDW_ENOMEM;
    redwi_fe_parse(b, "", sql, strlen(sql), NULL, 0);
    for (size_t i = 0; i <= more; i++)
        put_execution(b);
    const unsigned again = REDWI_SENT_BIND | REDWI_SENT_EXECUTE;
    return redwi_session_batch_end(r->s, tag, REDWI_SENT_PARSE | again, again, more, REDW_OUTCOME_NOT_EXECUTED);
}

int solo_queue_unit(struct solo *r, void *tag, const char *sql)
{
    struct redwi_buf *b = redwi_session_unit_begin(r->s);
    if (!b)
        return REDW_ENOMEM;
    redwi_fe_parse(b, "", sql, strlen(sql), NULL, 0);
    redwi_fe_bind_end(b, redwi_fe_bind_begin(b, "", "", NULL, 0), 0);
    redwi_fe_describe_portal(b, "");
    redwi_fe_execute(b, "", 0);
    return redwi_session_unit_end(
        r->s, tag, REDWI_SENT_PARSE | REDWI_SENT_BIND | REDWI_SENT_DESCRIBE | REDWI_SENT_EXECUTE,
        REDW_OUTCOME_NOT_EXECUTED);
}

void solo_end(struct solo *r)
{
    redwi_session_ended(r->s, NULL);
    solo_drain(r);
}

void solo_must_be_dead(struct solo *r, int code)
{
    struct redwi_ev ev;
    size_t n = 1;
    ck_assert_uint_eq(r->seen.fatal, 1);
    ck_assert_msg(redw_error_code(r->seen.fatal_error) == code, "%s",
                  redw_error_message(r->seen.fatal_error));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(redwi_session_next(r->s, &ev), REDWI_EV_NONE);
    ck_assert_ptr_null(redwi_session_input(r->s, &n));
    ck_assert_uint_eq(n, 0);
    ck_assert_ptr_null(redwi_session_output(r->s, &n));
    ck_assert_uint_eq(n, 0);
    ck_assert_ptr_null(redwi_session_unit_begin(r->s));
    ck_assert(!redwi_session_work(r->s, 1));
    redwi_session_terminate(r->s);
    redwi_session_received(r->s, 0);
    redwi_session_ended(r->s, redwi_err_closed(REDW_OUTCOME_UNKNOWN));
    ck_assert_int_eq(redwi_session_next(r->s, &ev), REDWI_EV_NONE);
}

/* --- every state -------------------------------------------------------------------------------- */

static void reach_login(struct solo *r, enum solo_where where)
{
    if (where == SOLO_AT_ANSWERED)
        r->config.methods = REDWI_LOGIN_MD5;
    solo_open(r);
    solo_send_all(r);
    if (where == SOLO_AT_AUTH)
        return;
    if (where == SOLO_AT_ANSWERED) {
        SOLO_FEED(r, 'R', "\0\0\0\5salt");
        ck_assert_uint_gt(solo_send_all(r), 0);
        return;
    }
    if (where >= SOLO_AT_SETTLING) {
        SOLO_FEED(r, 'R', "\0\0\0\0");
        return;
    }
    SOLO_FEED(r, 'R', "\0\0\0\x0aSCRAM-SHA-256\0\0");
    ck_assert_uint_gt(solo_send_all(r), 0);
    if (where == SOLO_AT_SASL_FIRST)
        return;
    SOLO_FEED(r, 'R', SOLO_SASL_CHALLENGE);
    ck_assert_uint_gt(solo_send_all(r), 0);
    if (where == SOLO_AT_SASL_DONE)
        SOLO_FEED(r, 'R', SOLO_SASL_SIGNATURE);
}

static void reach_batch(struct solo *r, enum solo_where where)
{
    ck_assert_int_eq(solo_queue_batch(r, &solo_unit, "insert", 2), 0);
    solo_send_all(r);
    SOLO_FEED(r, '1', "");
    SOLO_FEED(r, '2', "");
    SOLO_FEED(r, 'C', "INSERT 0 1\0");
    if (where == SOLO_AT_BATCH_EXECUTE)
        SOLO_FEED(r, '2', "");
    ck_assert_uint_eq(r->seen.fatal, 0);
}

/* A unit of such messages; which ones stand in it does not matter here, but what they ask for. */
static void queue_of(struct solo *r, unsigned sent)
{
    struct redwi_buf *b = redwi_session_unit_begin(r->s);
    ck_assert_ptr_nonnull(b);
    redwi_fe_execute(b, "", 0);
    ck_assert_int_eq(redwi_session_unit_end(r->s, &solo_unit, sent, REDW_OUTCOME_NOT_EXECUTED), 0);
    solo_send_all(r);
}

static void reach_statement(struct solo *r, enum solo_where where)
{
    queue_of(r, REDWI_SENT_CLOSE | REDWI_SENT_PARSE | REDWI_SENT_DESCRIBE_STATEMENT | REDWI_SENT_BIND |
                    REDWI_SENT_EXECUTE);
    if (where == SOLO_AT_CLOSE)
        return;
    SOLO_FEED(r, '3', "");
    SOLO_FEED(r, '1', "");
    if (where == SOLO_AT_COLUMNS)
        SOLO_FEED(r, 't', "\0\1\0\0\0\x17");
}

static void reach_rows(struct solo *r, unsigned sent)
{
    queue_of(r, REDWI_SENT_BIND | REDWI_SENT_EXECUTE | REDWI_SENT_COLUMNS | sent);
    SOLO_FEED(r, '2', "");
}

static void reach_query(struct solo *r, enum solo_where where)
{
    ck_assert_int_eq(redwi_session_query(r->s, &solo_unit, "fetch", 5, REDW_OUTCOME_NOT_EXECUTED), 0);
    solo_send_all(r);
    if (where == SOLO_AT_QUERY_ROWS)
        SOLO_FEED(r, 'T', SOLO_ONE_COLUMN);
}

void solo_reach(struct solo *r, enum solo_where where)
{
    reach_login(r, where);
    if (where < SOLO_AT_IDLE)
        return;
    SOLO_FEED(r, 'K', "\0\0\0\1abcd");
    SOLO_FEED(r, 'Z', "I");
    ck_assert_uint_eq(r->seen.logged_in, 1);
    if (where == SOLO_AT_IDLE)
        return;
    switch (where) {
    case SOLO_AT_BATCH_BIND:
    case SOLO_AT_BATCH_EXECUTE: reach_batch(r, where); return;
    case SOLO_AT_CLOSE:
    case SOLO_AT_PARAMETERS:
    case SOLO_AT_COLUMNS: reach_statement(r, where); return;
    case SOLO_AT_KNOWN_ROWS: reach_rows(r, 0); return;
    case SOLO_AT_LIMIT_ROWS: reach_rows(r, REDWI_SENT_LIMIT); return;
    case SOLO_AT_QUERY:
    case SOLO_AT_QUERY_ROWS: reach_query(r, where); return;
    default: break;
    }
    ck_assert_int_eq(solo_queue_unit(r, &solo_unit, "select"), 0);
    solo_send_all(r);
    if (where == SOLO_AT_PARSE)
        return;
    SOLO_FEED(r, '1', "");
    if (where == SOLO_AT_BIND)
        return;
    SOLO_FEED(r, '2', "");
    if (where == SOLO_AT_DESCRIBE)
        return;
    if (where == SOLO_AT_ROWS)
        SOLO_FEED(r, 'T', SOLO_ONE_COLUMN);
    else
        SOLO_FEED(r, 'n', "");
    switch (where) {
    case SOLO_AT_SYNC: SOLO_FEED(r, 'C', "INSERT 0 1\0"); break;
    case SOLO_AT_FAILED: SOLO_FEED(r, 'E', SOLO_SOME_ERROR "\0"); break;
    case SOLO_AT_COPY_IN: SOLO_FEED(r, 'G', "\0\0\0"); break;
    case SOLO_AT_COPY_OUT: SOLO_FEED(r, 'H', "\0\0\0"); break;
    default: break;
    }
    solo_send_all(r);
    ck_assert_uint_eq(r->seen.fatal, 0);
}

void solo_feed_header(struct solo *r, char type, uint32_t len)
{
    uint8_t head[5] = {(uint8_t)type, (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                       (uint8_t)len};
    solo_feed(r, head, sizeof head);
}

/* Bytes go to and fro until nothing moves. */
void solo_pump(struct solo *r, struct peer *p)
{
    for (;;) {
        size_t n;
        const uint8_t *out = redwi_session_output(r->s, &n);
        if (n) {
            peer_feed(p, out, n);
            redwi_session_sent(r->s, n);
        }
        size_t answer = redwi_buf_len(&p->out);
        if (!n && !answer)
            return;
        /* solo_feed() may make the client speak; the peer's buffer must not be written meanwhile. */
        uint8_t *copy = malloc(answer + 1);
        if (answer)
            memcpy(copy, redwi_buf_front(&p->out), answer);
        redwi_buf_take(&p->out, answer);
        solo_feed(r, copy, answer);
        free(copy);
    }
}

void solo_log_in(struct solo *r, struct peer *p, const struct peer_config *config)
{
    peer_init(p, config);
    solo_open(r);
    solo_pump(r, p);
}
