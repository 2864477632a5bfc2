/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol machine, beyond the golden sessions: each message type in each state, lengths, the login
 * against dishonest servers, the life of units, memory, and the end.
 */
#include "support/peer.h"

#include "wire/be_read.h"
#include "wire/fe_write.h"
#include "wire/session.h"

#include <check.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- an allocator that counts, fails, and looks at what is given back --------------------------- */

struct memory {
    struct redw_allocator mem;
    size_t calls, fail_at; /* fail_at: this call fails, 1 being the first; 0: none */
    bool fail_on;          /* ...and all after it */
    size_t live, bytes, peak;
    const char *secret;    /* must not be in a block that is given back */
    size_t secrets;
};

static bool must_fail(struct memory *m)
{
    m->calls++;
    return m->fail_at && (m->fail_on ? m->calls >= m->fail_at : m->calls == m->fail_at);
}

static void *memory_alloc(void *ctx, size_t n)
{
    struct memory *m = ctx;
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
    struct memory *m = ctx;
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

static void memory_init(struct memory *m)
{
    *m = (struct memory){.mem = {sizeof m->mem, m, memory_alloc, memory_resize, memory_release}};
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

struct seen {
    size_t logged_in, columns, rows, complete, errors, notices, parameters, ready, fatal, start_tls, work;
    redw_error *fatal_error; /* owned */
    redw_error *error;       /* the last ERROR's; owned */
    void *unit;              /* of the last event */
    char status;
    size_t units_ready;      /* READY with a unit */
};

struct rig {
    struct memory memory;
    struct redwi_session_config config;
    struct redwi_session *s;
    struct seen seen;
    bool lazy; /* leave WORK alone */
    const uint8_t *end_point;
    size_t end_point_len;
};

static void rig_init(struct rig *r)
{
    *r = (struct rig){0};
    memory_init(&r->memory);
    r->config = (struct redwi_session_config){
        .mem = &r->memory.mem,
        .user = "app",
        .database = "dev",
        .application_name = "redw",
        .password = "pencil",
        .entropy = counting_entropy,
    };
}

static void rig_open(struct rig *r)
{
    ck_assert_int_eq(redwi_session_create(&r->s, &r->config), 0);
    ck_assert_int_eq(redwi_session_start(r->s), 0);
}

static void rig_free(struct rig *r)
{
    redwi_session_free(r->s);
    redw_error_release(r->seen.fatal_error);
    redw_error_release(r->seen.error);
    ck_assert_uint_eq(r->memory.live, 0);
    ck_assert_uint_eq(r->memory.secrets, 0);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}

static void note_rows(struct rig *r, const struct redwi_ev *ev)
{
    const uint8_t *p = ev->data, *end = p + ev->len;
    while (end - p >= 5 && p[0] == 'D' && redwi_load32(p + 1) < (size_t)(end - p)) {
        p += 1 + redwi_load32(p + 1);
        r->seen.rows++;
    }
    redwi_session_rows_taken(r->s, p);
}

static void note(struct rig *r, const struct redwi_ev *ev)
{
    struct seen *seen = &r->seen;
    ck_assert_uint_eq(seen->fatal, 0);
    seen->unit = ev->unit;
    switch (ev->kind) {
    case REDWI_EV_NONE: break;
    case REDWI_EV_START_TLS: seen->start_tls++; break;
    case REDWI_EV_WORK: seen->work++; break;
    case REDWI_EV_LOGGED_IN: seen->logged_in++; seen->status = ev->status; break;
    case REDWI_EV_COLUMNS: seen->columns++; break;
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

static void drain(struct rig *r)
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

static void feed(struct rig *r, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    while (n && !r->seen.fatal) {
        size_t room;
        uint8_t *at = redwi_session_input(r->s, &room);
        if (!at) {
            drain(r);
            return;
        }
        ck_assert_uint_gt(room, 0);
        size_t step = n < room ? n : room;
        memcpy(at, p, step);
        redwi_session_received(r->s, step);
        drain(r);
        p += step;
        n -= step;
    }
}

static void feed_message(struct rig *r, char type, const void *body, size_t n)
{
    uint8_t head[5] = {(uint8_t)type, 0, 0, (uint8_t)((n + 4) >> 8), (uint8_t)(n + 4)};
    feed(r, head, sizeof head);
    feed(r, body, n);
}
#define FEED(r, type, body) feed_message(r, type, body, sizeof(body) - 1)

static size_t send_all(struct rig *r)
{
    size_t n;
    redwi_session_output(r->s, &n);
    redwi_session_sent(r->s, n);
    return n;
}

static int queue_unit(struct rig *r, void *tag, const char *sql)
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

static void end_of_stream(struct rig *r)
{
    redwi_session_ended(r->s, NULL);
    drain(r);
}

static void must_be_dead(struct rig *r, int code)
{
    struct redwi_ev ev;
    size_t n = 1;
    ck_assert_uint_eq(r->seen.fatal, 1);
    ck_assert_msg(redw_error_code(r->seen.fatal_error) == code, "%s", redw_error_message(r->seen.fatal_error));
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

enum where {
    AT_AUTH, AT_SASL_FIRST, AT_SASL_FINAL, AT_SASL_DONE, AT_SETTLING, AT_IDLE, AT_PARSE, AT_BIND, AT_DESCRIBE,
    AT_EXECUTE, AT_ROWS, AT_SYNC, AT_FAILED, AT_COPY_IN, AT_COPY_OUT, STATES
};

/* As in tests/golden/scram.session: the nonce is the counted one. */
#define SASL_CHALLENGE \
    "\0\0\0\x0br=AAECAwQFBgcICQoLDA0ODxAREhMUFRYX%peer,s=c2FsdHNhbHRzYWx0c2FsdA==,i=4096"
#define SASL_SIGNATURE "\0\0\0\x0cv=7a91g0ooAm60KP8q+BDbZCzvIrvUV6Yng+q0rkXNt/8="
#define ONE_COLUMN "\0\1c\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"
#define ONE_ROW "\0\1\0\0\0\1x"
#define SOME_ERROR "SERROR\0C42601\0Mno\0"

static char tag_a, tag_b;

static void reach_login(struct rig *r, enum where where)
{
    rig_open(r);
    send_all(r);
    if (where == AT_AUTH)
        return;
    if (where >= AT_SETTLING) {
        FEED(r, 'R', "\0\0\0\0");
        return;
    }
    FEED(r, 'R', "\0\0\0\x0aSCRAM-SHA-256\0\0");
    ck_assert_uint_gt(send_all(r), 0);
    if (where == AT_SASL_FIRST)
        return;
    FEED(r, 'R', SASL_CHALLENGE);
    ck_assert_uint_gt(send_all(r), 0);
    if (where == AT_SASL_DONE)
        FEED(r, 'R', SASL_SIGNATURE);
}

static void reach(struct rig *r, enum where where)
{
    reach_login(r, where);
    if (where < AT_IDLE)
        return;
    FEED(r, 'K', "\0\0\0\1abcd");
    FEED(r, 'Z', "I");
    ck_assert_uint_eq(r->seen.logged_in, 1);
    if (where == AT_IDLE)
        return;
    ck_assert_int_eq(queue_unit(r, &tag_a, "select"), 0);
    send_all(r);
    if (where == AT_PARSE)
        return;
    FEED(r, '1', "");
    if (where == AT_BIND)
        return;
    FEED(r, '2', "");
    if (where == AT_DESCRIBE)
        return;
    if (where == AT_ROWS)
        FEED(r, 'T', ONE_COLUMN);
    else
        FEED(r, 'n', "");
    switch (where) {
    case AT_SYNC: FEED(r, 'C', "INSERT 0 1\0"); break;
    case AT_FAILED: FEED(r, 'E', SOME_ERROR "\0"); break;
    case AT_COPY_IN: FEED(r, 'G', "\0\0\0"); break;
    case AT_COPY_OUT: FEED(r, 'H', "\0\0\0"); break;
    default: break;
    }
    send_all(r);
    ck_assert_uint_eq(r->seen.fatal, 0);
}

/* A body that is right in itself. */
static redw_slice sample(uint8_t type)
{
#define BODY(text) ((redw_slice){text, sizeof(text) - 1})
    switch (type) {
    case 'A': return BODY("\0\0\0\7c\0p\0");
    case 'C': return BODY("SELECT 1\0");
    case 'D': return BODY(ONE_ROW);
    case 'E': case 'N': return BODY(SOME_ERROR "\0");
    case 'G': case 'H': case 'W': return BODY("\0\0\0");
    case 'K': return BODY("\0\0\0\1abcd");
    case 'R': return BODY("\0\0\0\0");
    case 'S': return BODY("a\0b\0");
    case 'T': return BODY(ONE_COLUMN);
    case 'V': return BODY("\xff\xff\xff\xff");
    case 'Z': return BODY("I");
    case 'd': return BODY("x");
    case 't': return BODY("\0\0");
    case 'v': return BODY("\0\0\0\0\0\0\0\0");
    default: return BODY("");
    }
}

/* What the protocol allows where, E aside. */
static const char *const legal[STATES] = {
    [AT_AUTH] = "RNS",        [AT_SASL_FIRST] = "NS",  [AT_SASL_FINAL] = "NS", [AT_SASL_DONE] = "RNS",
    [AT_SETTLING] = "NSKZ",   [AT_IDLE] = "NSA",       [AT_PARSE] = "NSA1",    [AT_BIND] = "NSA2",
    [AT_DESCRIBE] = "NSATn",  [AT_EXECUTE] = "NSACIGH", [AT_ROWS] = "NSADC",   [AT_SYNC] = "NSAZ",
    [AT_FAILED] = "NSAZ",     [AT_COPY_IN] = "NSA",    [AT_COPY_OUT] = "NSAdcC",
};

static void check_type(enum where where, uint8_t type)
{
    struct rig r;
    rig_init(&r);
    reach(&r, where);
    size_t errors = r.seen.errors;
    redw_slice body = sample(type);
    feed_message(&r, (char)type, body.ptr, body.len);

    if (type == 'E' && where <= AT_IDLE) {
        must_be_dead(&r, REDW_ESERVER);
        ck_assert_str_eq(redw_error_sqlstate(r.seen.fatal_error), "42601");
    } else if (type == 'E') {
        ck_assert_uint_eq(r.seen.fatal, 0);
        ck_assert_uint_eq(r.seen.errors, errors ? errors : 1); /* one per unit */
    } else if (type && strchr(legal[where], type)) {
        ck_assert_msg(!r.seen.fatal, "%c in state %d: %s", type, where, redw_error_message(r.seen.fatal_error));
    } else {
        must_be_dead(&r, type == 'R' && where < AT_SETTLING ? REDW_EAUTH : REDW_EPROTOCOL);
    }

    bool finishes = type == 'Z' && (where == AT_SYNC || where == AT_FAILED);
    bool logs_in = type == 'Z' && where == AT_SETTLING;
    ck_assert_uint_eq(r.seen.ready, finishes);
    ck_assert_uint_eq(r.seen.logged_in, where >= AT_IDLE || logs_in);
    end_of_stream(&r);
    ck_assert_uint_eq(r.seen.fatal, 1); /* nothing waits for ever */
    ck_assert_uint_eq(r.seen.ready, finishes);
    if (where >= AT_PARSE && !finishes)
        ck_assert_int_eq(redwi_session_outcome(r.s, &tag_a), REDW_OUTCOME_UNKNOWN);
    rig_free(&r);
}

START_TEST(each_type_in_each_state_is_taken_or_ends_the_session)
{
    for (int where = 0; where < STATES; where++) {
        for (unsigned type = 0; type < 256; type++)
            check_type((enum where)where, (uint8_t)type);
    }
}
END_TEST

START_TEST(an_unexpected_message_is_named_with_the_state)
{
    struct rig r;
    rig_init(&r);
    reach(&r, AT_BIND);
    FEED(&r, 'Z', "I");
    ck_assert_str_eq(redw_error_message(r.seen.fatal_error),
                     "protocol: unexpected ReadyForQuery while BindComplete is due");
    ck_assert_int_eq(redw_error_class(r.seen.fatal_error), REDW_CLASS_INTERNAL);
    rig_free(&r);
    rig_init(&r);
    reach(&r, AT_IDLE);
    FEED(&r, '\x07', "");
    ck_assert_str_eq(redw_error_message(r.seen.fatal_error), "protocol: unexpected message type 0x07 while idle");
    rig_free(&r);
}
END_TEST

/* Where a type is legal; STATES: nowhere. */
static enum where home_of(char type)
{
    for (int where = STATES - 1; where >= 0; where--) {
        if (strchr(legal[where], type))
            return (enum where)where;
    }
    return type == 'E' ? AT_ROWS : STATES;
}

static void feed_header(struct rig *r, char type, uint32_t len)
{
    uint8_t head[5] = {(uint8_t)type, (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len};
    feed(r, head, sizeof head);
}

START_TEST(lengths_out_of_bounds_end_the_session_before_a_byte_is_buffered)
{
    for (unsigned type = 1; type < 128; type++) {
        enum where where = home_of((char)type);
        size_t min, max;
        if (where == STATES)
            continue;
        ck_assert(redwi_be_limits((char)type, where >= AT_IDLE, 4 << 20, &min, &max));
        const uint32_t bad[] = {0, 1, 3, (uint32_t)min - 1, (uint32_t)max + 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            struct rig r;
            rig_init(&r);
            r.config.data_row_max = 1; /* counts as 4 MiB */
            reach(&r, where);
            feed_header(&r, (char)type, bad[i]);
            must_be_dead(&r, REDW_EPROTOCOL);
            rig_free(&r);
        }
        struct rig r;
        rig_init(&r);
        r.config.data_row_max = 4 << 20;
        reach(&r, where);
        if (max > min) {
            feed_header(&r, (char)type, (uint32_t)max);
            ck_assert_uint_eq(r.seen.fatal, 0);
        }
        rig_free(&r);
    }
}
END_TEST

START_TEST(malformed_bodies_end_the_session)
{
    static const struct {
        enum where where;
        char type;
        const char *body;
        size_t n;
    } cases[] = {
        {AT_AUTH, 'R', "\0\0\0\0x", 5},          {AT_AUTH, 'R', "\0\0\0\x0aSCRAM-SHA-256", 17},
        {AT_AUTH, 'R', "\0\0\0\x0a", 4},         {AT_AUTH, 'R', "\0\0\0\x0b" "r=", 6},
        {AT_AUTH, 'R', "\0\0\0\x0c" "v=", 6},    {AT_SASL_FIRST, 'R', "\0\0\0\x0c" "v=", 6},
        {AT_SASL_FIRST, 'R', "\0\0\0\x0b", 4},   {AT_SASL_FINAL, 'R', "\0\0\0\x0c", 4},
        {AT_SASL_FINAL, 'R', SASL_CHALLENGE, sizeof SASL_CHALLENGE - 1},
        {AT_SASL_DONE, 'R', SASL_SIGNATURE, sizeof SASL_SIGNATURE - 1},
        {AT_AUTH, 'E', "SERROR", 6},             {AT_AUTH, 'N', "x", 1},
        {AT_IDLE, 'S', "ab", 2},                 {AT_IDLE, 'E', "S", 1},
        {AT_IDLE, 'N', "\0x", 2},                {AT_SETTLING, 'Z', "X", 1},
        {AT_SYNC, 'Z', "\0", 1},                 {AT_DESCRIBE, 'T', "\0\1", 2},
        {AT_ROWS, 'C', "SELECT", 6},             {AT_ROWS, 'E', "Mx\0", 3},
        {AT_ROWS, 'C', "SELECT\0x", 8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig r;
        rig_init(&r);
        reach(&r, cases[i].where);
        feed_message(&r, cases[i].type, cases[i].body, cases[i].n);
        ck_assert_msg(r.seen.fatal == 1, "case %zu", i);
        must_be_dead(&r, REDW_EPROTOCOL);
        rig_free(&r);
    }
}
END_TEST

START_TEST(a_second_cancel_key_is_refused)
{
    struct rig r;
    rig_init(&r);
    reach(&r, AT_SETTLING);
    FEED(&r, 'K', "\0\0\0\1abcd");
    FEED(&r, 'K', "\0\0\0\2efgh");
    must_be_dead(&r, REDW_EPROTOCOL);
    rig_free(&r);
}
END_TEST

/* --- login -------------------------------------------------------------------------------------- */

static const uint8_t end_point[32] = {1, 2, 3};

/* Bytes go to and fro until nothing moves. */
static void pump(struct rig *r, struct peer *p)
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
        /* feed() may make the client speak; the peer's buffer must not be written meanwhile. */
        uint8_t *copy = malloc(answer + 1);
        if (answer)
            memcpy(copy, redwi_buf_front(&p->out), answer);
        redwi_buf_take(&p->out, answer);
        feed(r, copy, answer);
        free(copy);
    }
}

static void log_in(struct rig *r, struct peer *p, const struct peer_config *config)
{
    peer_init(p, config);
    rig_open(r);
    pump(r, p);
}

START_TEST(logins_that_succeed)
{
    static const struct {
        struct peer_config peer;
        bool tls, binding, plus;
        const char *gs2;
    } cases[] = {
        {{0}, false, false, false, ""},
        {{.tls = true}, true, false, false, ""},
        {{.password = "pencil"}, false, false, false, "n,,"},
        {{.password = "pencil", .iterations = 100000}, false, false, false, "n,,"},
        /* A certificate without a defined binding: nothing to say about it. */
        {{.password = "pencil", .tls = true}, true, false, false, "n,,"},
        {{.password = "pencil", .tls = true}, true, true, false, "y,,"},
        {{.password = "pencil", .tls = true, .end_point = end_point, .end_point_len = 32}, true, true, true, "p=tls-server-end-point,,"},
        {{.password = "pencil", .tls = true, .end_point = end_point, .end_point_len = 32, .plus_only = true}, true, true, true, "p=tls-server-end-point,,"},
        {{.password = "pencil", .tls = true, .end_point = end_point, .end_point_len = 32}, true, false, false, "n,,"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig r;
        struct peer p;
        rig_init(&r);
        r.memory.secret = "pencil";
        r.config.tls = cases[i].tls;
        r.end_point = end_point;
        r.end_point_len = cases[i].binding ? sizeof end_point : 0;
        log_in(&r, &p, &cases[i].peer);
        ck_assert_msg(r.seen.logged_in == 1, "case %zu: %s %s", i, p.wrong, redw_error_message(r.seen.fatal_error));
        ck_assert_str_eq(p.wrong, "");
        ck_assert_str_eq(p.gs2, cases[i].gs2);
        ck_assert(p.plus_used == cases[i].plus);
        ck_assert(p.tls_wanted == cases[i].tls);
        ck_assert_str_eq(p.user, "app");
        ck_assert_str_eq(p.database, "dev");
        ck_assert_str_eq(p.application, "redw");
        ck_assert_uint_eq(r.seen.parameters, 2);
        ck_assert_int_eq(r.seen.status, 'I');

        uint32_t pid;
        const uint8_t *key;
        size_t n;
        redwi_session_key(r.s, &pid, &key, &n);
        ck_assert_uint_eq(pid, PEER_PID);
        ck_assert(n == sizeof peer_key && memcmp(key, peer_key, n) == 0);
        peer_free(&p);
        rig_free(&r);
    }
}
END_TEST

START_TEST(dishonest_servers_are_refused)
{
    static const struct {
        enum peer_fault fault;
        int code;
    } cases[] = {
        {PEER_OK_INSTEAD_OF_CHALLENGE, REDW_EAUTH}, {PEER_OK_INSTEAD_OF_PROOF, REDW_EAUTH},
        {PEER_BAD_SIGNATURE, REDW_EAUTH},           {PEER_SHORT_SIGNATURE, REDW_EPROTOCOL},
        {PEER_EMPTY_SIGNATURE, REDW_EPROTOCOL},     {PEER_ERROR_SIGNATURE, REDW_EAUTH},
        {PEER_FOREIGN_NONCE, REDW_EPROTOCOL},       {PEER_SAME_NONCE, REDW_EPROTOCOL},
        {PEER_METHOD_SWITCH, REDW_EAUTH},           {PEER_SECOND_EXCHANGE, REDW_EPROTOCOL},
        {PEER_ASKS_AFTER_LOGIN, REDW_EPROTOCOL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig r;
        struct peer p;
        const struct peer_config config = {.password = "pencil", .fault = cases[i].fault};
        rig_init(&r);
        r.memory.secret = "pencil";
        log_in(&r, &p, &config);
        ck_assert_uint_eq(r.seen.logged_in, 0);
        must_be_dead(&r, cases[i].code);
        ck_assert_int_eq(redw_error_outcome(r.seen.fatal_error), REDW_OUTCOME_NOT_SENT);
        ck_assert_str_eq(p.wrong, "");
        peer_free(&p);
        rig_free(&r);
    }
}
END_TEST

START_TEST(methods_this_version_does_not_speak_are_refused_by_name)
{
    static const struct {
        uint8_t code;
        const char *name;
    } cases[] = {
        {2, "Kerberos V5"}, {3, "a cleartext password"}, {5, "an MD5 password"}, {7, "GSSAPI"}, {9, "SSPI"},
        {13, "a digest password"}, {14, "an identity provider's token"}, {99, "authentication method 99"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig r;
        char want[200];
        const uint8_t body[8] = {0, 0, 0, cases[i].code, 1, 2, 3, 4};
        rig_init(&r);
        reach(&r, AT_AUTH);
        feed_message(&r, 'R', body, sizeof body);
        snprintf(want, sizeof want, "login: server asks for %s, which this version does not speak", cases[i].name);
        ck_assert_str_eq(redw_error_message(r.seen.fatal_error), want);
        must_be_dead(&r, REDW_EAUTH);
        rig_free(&r);
    }
}
END_TEST

static void refused_at_sasl(struct rig *r, const void *list, size_t n)
{
    reach(r, AT_AUTH);
    feed_message(r, 'R', list, n);
    must_be_dead(r, REDW_EAUTH);
    rig_free(r);
}

START_TEST(logins_this_side_refuses)
{
    static const char scram[] = "\0\0\0\x0aSCRAM-SHA-256\0";
    static const char plus[] = "\0\0\0\x0aSCRAM-SHA-256-PLUS\0";
    static const char other[] = "\0\0\0\x0aSCRAM-SHA-512\0OAUTHBEARER\0";
    static int broken;
    struct rig r;

    rig_init(&r);
    r.config.password = NULL;
    refused_at_sasl(&r, scram, sizeof scram);
    rig_init(&r);
    r.config.password = "";
    refused_at_sasl(&r, scram, sizeof scram);
    rig_init(&r); /* no TLS to bind to */
    refused_at_sasl(&r, plus, sizeof plus);
    rig_init(&r);
    refused_at_sasl(&r, other, sizeof other);
    rig_init(&r); /* no random bytes */
    r.config.entropy_ctx = &broken;
    refused_at_sasl(&r, scram, sizeof scram);
    rig_init(&r);
    r.config.entropy = NULL;
    refused_at_sasl(&r, scram, sizeof scram);
}
END_TEST

START_TEST(a_wrong_password_is_the_servers_verdict)
{
    struct rig r;
    struct peer p;
    rig_init(&r);
    r.config.password = "crayon";
    log_in(&r, &p, &(struct peer_config){.password = "pencil"});
    must_be_dead(&r, REDW_ESERVER);
    ck_assert_str_eq(redw_error_sqlstate(r.seen.fatal_error), "28P01");
    ck_assert_int_eq(redw_error_class(r.seen.fatal_error), REDW_CLASS_AUTHENTICATION_FAILED);
    peer_free(&p);
    rig_free(&r);
}
END_TEST

START_TEST(a_certificate_that_is_not_the_servers_does_not_pass_for_it)
{
    static const uint8_t other[32] = {9, 9, 9};
    struct rig r;
    struct peer p;
    rig_init(&r);
    r.config.tls = true;
    r.end_point = other;
    r.end_point_len = sizeof other;
    log_in(&r, &p, &(struct peer_config){
                       .password = "pencil", .tls = true, .end_point = end_point, .end_point_len = 32});
    ck_assert_uint_eq(r.seen.logged_in, 0);
    ck_assert_str_eq(p.wrong, "client-final-message");
    peer_free(&p);
    rig_free(&r);
}
END_TEST

START_TEST(keys_are_derived_in_slices_the_owner_chooses)
{
    struct rig r;
    struct redwi_ev ev;
    size_t turns = 0;
    rig_init(&r);
    r.lazy = true;
    reach_login(&r, AT_SASL_FIRST);
    FEED(&r, 'R', SASL_CHALLENGE);
    ck_assert_int_eq(redwi_session_next(r.s, &ev), REDWI_EV_WORK);
    ck_assert_int_eq(redwi_session_next(r.s, &ev), REDWI_EV_WORK);
    ck_assert_uint_eq(send_all(&r), 0);
    do
        turns++;
    while (redwi_session_work(r.s, 100));
    ck_assert_uint_eq(turns, 41); /* 4,095 by 100 */
    ck_assert_uint_gt(send_all(&r), 0);
    ck_assert(!redwi_session_work(r.s, 100));
    ck_assert_int_eq(redwi_session_next(r.s, &ev), REDWI_EV_NONE);
    rig_free(&r);
}
END_TEST

START_TEST(the_servers_last_words_are_heard_while_keys_are_derived)
{
    struct rig r;
    rig_init(&r);
    r.lazy = true;
    r.memory.secret = "pencil";
    reach_login(&r, AT_SASL_FIRST);
    FEED(&r, 'R', SASL_CHALLENGE);
    feed_message(&r, 'E', "SFATAL\0C57014\0Mtoo slow\0", 25);
    ck_assert_uint_eq(r.seen.fatal, 0);
    end_of_stream(&r);
    must_be_dead(&r, REDW_ESERVER);
    ck_assert_str_eq(redw_error_message(r.seen.fatal_error), "too slow");
    rig_free(&r);
}
END_TEST

/* --- TLS ---------------------------------------------------------------------------------------- */

START_TEST(nothing_that_came_before_tls_is_read_as_if_it_came_inside)
{
    struct redwi_ev ev;
    size_t room;
    for (int late = 0; late < 2; late++) {
        struct rig r;
        rig_init(&r);
        r.config.tls = true;
        rig_open(&r);
        ck_assert_uint_eq(send_all(&r), 8);
        if (late) {
            feed(&r, "S", 1);
            ck_assert_uint_eq(r.seen.start_tls, 1);
            ck_assert_int_eq(redwi_session_next(r.s, &ev), REDWI_EV_NONE);
            uint8_t *at = redwi_session_input(r.s, &room);
            memcpy(at, "R", 1);
            redwi_session_received(r.s, 1);
            drain(&r);
        } else {
            feed(&r, "SR\0\0\0\10\0\0\0\0Z\0\0\0\5I", 16);
        }
        ck_assert_uint_eq(r.seen.logged_in, 0);
        ck_assert_uint_eq(send_all(&r), 0);
        must_be_dead(&r, REDW_ETLS);
        ck_assert_int_eq(redwi_session_tls_started(r.s, NULL, 0), REDW_EINVAL);
        rig_free(&r);
    }
}
END_TEST

START_TEST(only_s_starts_tls)
{
    for (unsigned answer = 0; answer < 256; answer++) {
        struct rig r;
        uint8_t byte = (uint8_t)answer;
        rig_init(&r);
        r.config.tls = true;
        rig_open(&r);
        feed(&r, &byte, 1);
        if (answer == 'S')
            ck_assert_uint_eq(r.seen.start_tls, 1);
        else
            must_be_dead(&r, REDW_ETLS);
        rig_free(&r);
    }
}
END_TEST

START_TEST(a_failed_handshake_is_reported_as_its_owner_says)
{
    struct rig r;
    rig_init(&r);
    r.config.tls = true;
    rig_open(&r);
    feed(&r, "S", 1);
    const struct redwi_err_spec spec = {.code = REDW_ETLS};
    redwi_session_ended(r.s, redwi_err_make(&r.memory.mem, &spec, "certificate has expired"));
    drain(&r);
    ck_assert_str_eq(redw_error_message(r.seen.fatal_error), "certificate has expired");
    must_be_dead(&r, REDW_ETLS);
    rig_free(&r);
}
END_TEST

/* --- units -------------------------------------------------------------------------------------- */

static const char *const two_columns[] = {"id", "name"};
static const char *const three_rows[] = {"1", "a", "2", NULL, "3", ""};
static const struct peer_statement statements[] = {
    {.sql = "select", .columns = two_columns, .ncolumns = 2, .cells = three_rows, .nrows = 3, .tag = "SELECT 3", .notice = "hi"},
    {.sql = "insert", .tag = "INSERT 0 1"},
    {.sql = "begin", .tag = "BEGIN", .status = 'T'},
    {.sql = "", .tag = ""},
    {.sql = "fail", .columns = two_columns, .ncolumns = 2, .cells = three_rows, .nrows = 2, .sqlstate = "22012", .tag = ""},
};
static const struct peer_config trusting = {.statements = statements, .nstatements = 5};

START_TEST(units_are_answered_in_their_order)
{
    static const char *const sql[] = {"select", "insert", "syntax error", "", "fail", "begin"};
    struct rig r;
    struct peer p;
    char tags[6];
    rig_init(&r);
    log_in(&r, &p, &trusting);
    for (size_t i = 0; i < 6; i++)
        ck_assert_int_eq(queue_unit(&r, &tags[i], sql[i]), 0);
    ck_assert_uint_eq(redwi_session_units(r.s), 6);
    pump(&r, &p);
    ck_assert_str_eq(p.wrong, "");
    ck_assert_uint_eq(r.seen.fatal, 0);
    ck_assert_uint_eq(r.seen.ready, 6);
    ck_assert_uint_eq(r.seen.rows, 5);
    ck_assert_uint_eq(r.seen.columns, 2);
    ck_assert_uint_eq(r.seen.complete, 4);
    ck_assert_uint_eq(r.seen.errors, 2);
    ck_assert_uint_eq(r.seen.notices, 1);
    ck_assert_ptr_eq(r.seen.unit, &tags[5]);
    ck_assert_int_eq(r.seen.status, 'T');
    ck_assert_int_eq(redw_error_outcome(r.seen.error), REDW_OUTCOME_NOT_EXECUTED);
    ck_assert_uint_eq(redwi_session_units(r.s), 0);
    ck_assert(!redwi_session_has_input(r.s));

    redwi_session_terminate(r.s);
    pump(&r, &p);
    ck_assert(p.terminated);
    peer_free(&p);
    rig_free(&r);
}
END_TEST

START_TEST(rows_not_taken_come_again_and_discarded_ones_never)
{
    struct rig r;
    struct redwi_ev ev, again;
    size_t room;
    rig_init(&r);
    reach(&r, AT_ROWS);
    static const char rows[] = "D\0\0\0\13" ONE_ROW "D\0\0\0\13" ONE_ROW "D\0\0";
    uint8_t *at = redwi_session_input(r.s, &room);
    memcpy(at, rows, sizeof rows - 1);
    redwi_session_received(r.s, sizeof rows - 1);
    ck_assert_int_eq(redwi_session_next(r.s, &ev), REDWI_EV_ROWS);
    ck_assert_ptr_eq(ev.unit, &tag_a);
    ck_assert_uint_eq(ev.len, sizeof rows - 1); /* everything buffered, and not copied */
    ck_assert_ptr_eq(ev.data, at);
    ck_assert_int_eq(redwi_session_next(r.s, &again), REDWI_EV_ROWS);
    ck_assert(memcmp(&ev, &again, sizeof ev) == 0);
    redwi_session_rows_taken(r.s, ev.data + 12);
    ck_assert_int_eq(redwi_session_next(r.s, &again), REDWI_EV_ROWS);
    ck_assert_ptr_eq(again.data, at + 12);
    redwi_session_discard(r.s, &tag_b); /* not queued: nothing happens */
    ck_assert_int_eq(redwi_session_next(r.s, &again), REDWI_EV_ROWS);
    redwi_session_discard(r.s, &tag_a);
    ck_assert_int_eq(redwi_session_next(r.s, &again), REDWI_EV_NONE);
    ck_assert(redwi_session_has_input(r.s)); /* the piece of a third */
    feed(&r, "\0\13" ONE_ROW, 9);
    feed_message(&r, 'C', "SELECT 3", 9);
    FEED(&r, 'Z', "I");
    ck_assert_uint_eq(r.seen.rows, 0);
    ck_assert_uint_eq(r.seen.complete, 0);
    ck_assert_uint_eq(r.seen.ready, 1);
    ck_assert_ptr_null(r.seen.unit);
    rig_free(&r);
}
END_TEST

START_TEST(a_row_the_owner_finds_malformed_ends_the_session)
{
    struct rig r;
    rig_init(&r);
    reach(&r, AT_ROWS);
    redwi_session_corrupt(r.s, "wrong number of cells");
    drain(&r);
    ck_assert_ptr_nonnull(strstr(redw_error_message(r.seen.fatal_error), "wrong number of cells in DataRow"));
    must_be_dead(&r, REDW_EPROTOCOL);
    rig_free(&r);
}
END_TEST

START_TEST(the_outcome_depends_on_the_first_byte_of_the_unit)
{
    struct rig r;
    size_t n, first;
    rig_init(&r);
    reach(&r, AT_IDLE);
    ck_assert_int_eq(queue_unit(&r, &tag_a, "a"), 0);
    redwi_session_output(r.s, &first);
    ck_assert_int_eq(queue_unit(&r, &tag_b, "b"), 0);
    redwi_session_output(r.s, &n);
    ck_assert_uint_eq(n, 2 * first);
    ck_assert_int_eq(redwi_session_outcome(r.s, &tag_a), REDW_OUTCOME_NOT_SENT);
    redwi_session_sent(r.s, 1);
    ck_assert_int_eq(redwi_session_outcome(r.s, &tag_a), REDW_OUTCOME_UNKNOWN);
    redwi_session_sent(r.s, first - 1);
    ck_assert_int_eq(redwi_session_outcome(r.s, &tag_b), REDW_OUTCOME_NOT_SENT);
    end_of_stream(&r);
    must_be_dead(&r, REDW_ECONNECT);
    ck_assert_int_eq(redw_error_outcome(r.seen.fatal_error), REDW_OUTCOME_UNKNOWN);
    ck_assert_int_eq(redwi_session_outcome(r.s, &tag_a), REDW_OUTCOME_UNKNOWN);
    ck_assert_int_eq(redwi_session_outcome(r.s, &tag_b), REDW_OUTCOME_NOT_SENT);
    rig_free(&r);
}
END_TEST

START_TEST(a_unit_that_was_not_ended_is_not_sent)
{
    struct rig r;
    size_t n;
    rig_init(&r);
    ck_assert_int_eq(redwi_session_create(&r.s, &r.config), 0);
    ck_assert_ptr_null(redwi_session_unit_begin(r.s)); /* not logged in */
    redwi_session_free(r.s);
    reach(&r, AT_IDLE);
    ck_assert_int_eq(redwi_session_unit_end(r.s, &tag_a, 0, 0), REDW_EINVAL);
    redwi_fe_query(redwi_session_unit_begin(r.s), "x", 1);
    redwi_session_output(r.s, &n);
    ck_assert_uint_eq(n, 0);
    redwi_session_terminate(r.s); /* not now */
    ck_assert_int_eq(queue_unit(&r, &tag_a, "select"), 0);
    const uint8_t *out = redwi_session_output(r.s, &n);
    ck_assert_int_eq(out[0], 'P');
    ck_assert_int_eq(out[n - 5], 'S');
    size_t before = n;
    redwi_session_terminate(r.s); /* nor with a unit queued */
    redwi_session_output(r.s, &n);
    ck_assert_uint_eq(n, before);
    rig_free(&r);
}
END_TEST

START_TEST(copy_fail_takes_an_unfinished_unit_back)
{
    struct rig r;
    size_t n;
    rig_init(&r);
    reach(&r, AT_EXECUTE);
    redwi_fe_query(redwi_session_unit_begin(r.s), "x", 1);
    FEED(&r, 'G', "\0\0\0");
    const uint8_t *out = redwi_session_output(r.s, &n);
    ck_assert_int_eq(out[0], 'f');
    ck_assert_int_eq(redwi_session_unit_end(r.s, &tag_b, 0, 0), REDW_EINVAL);
    ck_assert_uint_eq(redwi_session_units(r.s), 1);
    rig_free(&r);
}
END_TEST

/* --- cancel ------------------------------------------------------------------------------------- */

static void rig_cancel(struct rig *r)
{
    rig_init(r);
    r->config.cancel_key = peer_key;
    r->config.cancel_key_len = sizeof peer_key;
    r->config.cancel_pid = PEER_PID;
    rig_open(r);
}

START_TEST(a_cancel_session_ends_well_only_after_its_request_left)
{
    struct rig r;
    struct peer p;
    size_t n;
    rig_cancel(&r);
    peer_init(&p, &trusting);
    const uint8_t *out = redwi_session_output(r.s, &n);
    peer_feed(&p, out, n);
    ck_assert(p.cancelled && p.cancel_pid == PEER_PID && memcmp(p.cancel_key, peer_key, 4) == 0);
    redwi_session_sent(r.s, n - 1);
    end_of_stream(&r);
    must_be_dead(&r, REDW_ECONNECT);
    peer_free(&p);
    rig_free(&r);

    rig_cancel(&r);
    send_all(&r);
    end_of_stream(&r);
    must_be_dead(&r, REDW_OK);
    ck_assert_ptr_null(r.seen.fatal_error);
    rig_free(&r);

    rig_cancel(&r);
    send_all(&r);
    redwi_session_ended(r.s, redwi_err_closed(REDW_OUTCOME_UNKNOWN));
    drain(&r);
    must_be_dead(&r, REDW_ECLOSED);
    rig_free(&r);
}
END_TEST

START_TEST(a_cancel_session_listens_only_so_long)
{
    static uint8_t noise[32 * 1024];
    struct rig r;
    rig_cancel(&r);
    send_all(&r);
    feed(&r, noise, sizeof noise);
    ck_assert_uint_eq(r.seen.fatal, 0);
    feed(&r, noise, 1);
    must_be_dead(&r, REDW_EPROTOCOL);
    rig_free(&r);
    r.config.cancel_key_len = 257;
    ck_assert_int_eq(redwi_session_create(&r.s, &r.config), REDW_EINVAL);
}
END_TEST

/* --- memory ------------------------------------------------------------------------------------- */

START_TEST(the_input_grows_with_what_came_and_shrinks_again)
{
    struct rig r;
    size_t room, row = 3u << 20;
    rig_init(&r);
    reach(&r, AT_ROWS);
    size_t before = r.memory.bytes;

    /* Announced is not received: memory follows the bytes. */
    feed_header(&r, 'D', 60u << 20);
    r.memory.peak = r.memory.bytes;
    for (int i = 0; i < 8; i++) {
        uint8_t *at = redwi_session_input(r.s, &room);
        memset(at, 0, room < 10000 ? room : 10000);
        redwi_session_received(r.s, room < 10000 ? room : 10000);
        drain(&r);
    }
    ck_assert_uint_lt(r.memory.peak, before + 300000);
    rig_free(&r);

    rig_init(&r);
    reach(&r, AT_ROWS);
    before = r.memory.bytes;
    r.memory.peak = 0;
    uint8_t *body = calloc(1, row);
    feed_header(&r, 'D', (uint32_t)row + 4);
    feed(&r, body, row - 1);
    ck_assert_uint_le(r.memory.bytes, before + row + 5);
    ck_assert_uint_lt(r.memory.peak, 2 * (row + 5) + before);
    feed(&r, body, 1);
    ck_assert_uint_eq(r.seen.rows, 1);
    ck_assert(redwi_session_input(r.s, &room) && room == 64 * 1024);
    ck_assert_uint_le(r.memory.bytes, before);

    /* Also when the next message has begun. */
    feed_header(&r, 'D', (uint32_t)row + 4);
    feed(&r, body, row - 1);
    redwi_session_input(r.s, &room);
    feed(&r, "\0D\0", 3);
    ck_assert_uint_eq(r.seen.rows, 2);
    ck_assert(redwi_session_input(r.s, &room) && room == 64 * 1024 - 2);
    ck_assert_uint_le(r.memory.bytes, before);
    free(body);
    rig_free(&r);
}
END_TEST

START_TEST(room_is_found_without_moving_bytes_while_there_is_enough)
{
    struct rig r;
    size_t room;
    rig_init(&r);
    reach(&r, AT_ROWS);
    uint8_t *start = redwi_session_input(r.s, &room);
    size_t all = room;
    uint8_t row[1000] = {'D', 0, 0, 0x03, 0xe7};
    /* The end of one row and the beginning of the next. */
    uint8_t between[1000] = {0};
    memcpy(between + 990, row, 10);
    feed(&r, row, 10);
    size_t used = 10;
    for (; all - used >= 16 * 1024; used += 1000) {
        ck_assert_ptr_eq(redwi_session_input(r.s, &room), start + used);
        feed(&r, between, sizeof between);
    }
    /* Too little is left: the 10 bytes that wait move to the front. */
    ck_assert_ptr_eq(redwi_session_input(r.s, &room), start + 10);
    ck_assert_uint_eq(r.seen.rows, used / 1000);
    rig_free(&r);
}
END_TEST

START_TEST(a_large_statement_does_not_stay_in_the_output)
{
    struct rig r;
    rig_init(&r);
    reach(&r, AT_IDLE);
    size_t before = r.memory.bytes, n = 1u << 20;
    char *sql = calloc(1, n + 1);
    memset(sql, 'x', n);
    ck_assert_int_eq(queue_unit(&r, &tag_a, sql), 0);
    ck_assert_uint_gt(r.memory.bytes, before + n);
    send_all(&r);
    ck_assert_uint_lt(r.memory.bytes, before + 4096);
    free(sql);
    rig_free(&r);
}
END_TEST

START_TEST(a_unit_that_finds_no_memory_leaves_the_output_as_it_was)
{
    char *sql = calloc(1, 20001);
    memset(sql, 'x', 20000);
    bool done = false;
    for (size_t fail_at = 1; !done; fail_at++) {
        struct rig r;
        size_t n, after;
        rig_init(&r);
        reach(&r, AT_IDLE);
        ck_assert_int_eq(queue_unit(&r, &tag_a, "a"), 0);
        const uint8_t *out = redwi_session_output(r.s, &n);
        uint8_t *copy = malloc(n);
        memcpy(copy, out, n);
        r.memory.calls = 0;
        r.memory.fail_at = fail_at;
        int code = queue_unit(&r, &tag_b, sql);
        done = r.memory.calls < fail_at;
        r.memory.fail_at = 0;
        ck_assert_int_eq(code, done ? 0 : REDW_ENOMEM);
        ck_assert_uint_eq(redwi_session_units(r.s), done ? 2 : 1);
        out = redwi_session_output(r.s, &after);
        ck_assert(done || after == n);
        ck_assert(memcmp(out, copy, n) == 0);
        /* And the session goes on. */
        ck_assert_int_eq(queue_unit(&r, &tag_b, sql), 0);
        free(copy);
        rig_free(&r);
    }
    free(sql);
}
END_TEST

/* A login and three statements with whatever memory there is. */
static void whole_life(struct rig *r, struct peer *p)
{
    static const char *const sql[] = {"select", "fail", "insert"};
    char tags[3];
    size_t queued = 0;
    if (redwi_session_create(&r->s, &r->config) != 0) {
        ck_assert_ptr_null(r->s);
        return;
    }
    if (redwi_session_start(r->s) != 0)
        return;
    pump(r, p);
    for (size_t i = 0; i < 3 && r->seen.logged_in && !r->seen.fatal; i++) {
        int code = queue_unit(r, &tags[i], sql[i]);
        ck_assert(code == 0 || code == REDW_ENOMEM);
        queued += code == 0;
        pump(r, p);
        ck_assert(r->seen.ready == queued || r->seen.fatal);
        ck_assert_uint_eq(redwi_session_units(r->s), queued - r->seen.ready);
    }
    if (r->seen.fatal && r->memory.calls)
        ck_assert_int_eq(redw_error_code(r->seen.fatal_error), REDW_ENOMEM);
    ck_assert_str_eq(p->wrong, "");
}

START_TEST(each_allocation_may_fail)
{
    for (int on = 0; on < 2; on++) {
        bool done = false;
        size_t n;
        for (n = 1; !done; n++) {
            struct rig r;
            struct peer p;
            struct peer_config config = trusting;
            config.password = "pencil";
            rig_init(&r);
            r.memory.secret = "pencil";
            r.memory.fail_at = n;
            r.memory.fail_on = on;
            peer_init(&p, &config);
            whole_life(&r, &p);
            done = r.memory.calls < n;
            if (done)
                ck_assert_uint_eq(r.seen.ready, 3);
            r.memory.fail_at = 0;
            peer_free(&p);
            rig_free(&r);
        }
        ck_assert_uint_gt(n, 10);
    }
}
END_TEST

START_TEST(calls_in_the_wrong_phase_do_nothing)
{
    struct rig r;
    struct redwi_ev ev;
    size_t n;
    rig_init(&r);
    ck_assert_int_eq(redwi_session_create(&r.s, &r.config), 0);
    ck_assert_int_eq(redwi_session_tls_started(r.s, NULL, 0), REDW_EINVAL);
    ck_assert_int_eq(redwi_session_next(r.s, &ev), REDWI_EV_NONE);
    ck_assert_ptr_null(redwi_session_output(r.s, &n));
    redwi_session_terminate(r.s);
    ck_assert(!redwi_session_work(r.s, 1));
    ck_assert_int_eq(redwi_session_start(r.s), 0);
    ck_assert_int_eq(redwi_session_start(r.s), REDW_EINVAL);
    const uint8_t *key = peer_key;
    uint32_t pid;
    redwi_session_key(r.s, &pid, &key, &n);
    ck_assert_ptr_null(key);
    rig_free(&r);
    redwi_session_free(NULL);

    rig_init(&r);
    r.config.tls = true;
    rig_open(&r);
    feed(&r, "S", 1);
    static const uint8_t long_binding[65];
    ck_assert_int_eq(redwi_session_tls_started(r.s, long_binding, sizeof long_binding), REDW_EINVAL);
    rig_free(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session");
    TCase *c = tcase_create("session");
    tcase_set_timeout(c, 300);
    tcase_add_test(c, each_type_in_each_state_is_taken_or_ends_the_session);
    tcase_add_test(c, an_unexpected_message_is_named_with_the_state);
    tcase_add_test(c, lengths_out_of_bounds_end_the_session_before_a_byte_is_buffered);
    tcase_add_test(c, malformed_bodies_end_the_session);
    tcase_add_test(c, a_second_cancel_key_is_refused);
    tcase_add_test(c, logins_that_succeed);
    tcase_add_test(c, dishonest_servers_are_refused);
    tcase_add_test(c, methods_this_version_does_not_speak_are_refused_by_name);
    tcase_add_test(c, logins_this_side_refuses);
    tcase_add_test(c, a_wrong_password_is_the_servers_verdict);
    tcase_add_test(c, a_certificate_that_is_not_the_servers_does_not_pass_for_it);
    tcase_add_test(c, keys_are_derived_in_slices_the_owner_chooses);
    tcase_add_test(c, the_servers_last_words_are_heard_while_keys_are_derived);
    tcase_add_test(c, nothing_that_came_before_tls_is_read_as_if_it_came_inside);
    tcase_add_test(c, only_s_starts_tls);
    tcase_add_test(c, a_failed_handshake_is_reported_as_its_owner_says);
    tcase_add_test(c, units_are_answered_in_their_order);
    tcase_add_test(c, rows_not_taken_come_again_and_discarded_ones_never);
    tcase_add_test(c, a_row_the_owner_finds_malformed_ends_the_session);
    tcase_add_test(c, the_outcome_depends_on_the_first_byte_of_the_unit);
    tcase_add_test(c, a_unit_that_was_not_ended_is_not_sent);
    tcase_add_test(c, copy_fail_takes_an_unfinished_unit_back);
    tcase_add_test(c, a_cancel_session_ends_well_only_after_its_request_left);
    tcase_add_test(c, a_cancel_session_listens_only_so_long);
    tcase_add_test(c, the_input_grows_with_what_came_and_shrinks_again);
    tcase_add_test(c, room_is_found_without_moving_bytes_while_there_is_enough);
    tcase_add_test(c, a_large_statement_does_not_stay_in_the_output);
    tcase_add_test(c, a_unit_that_finds_no_memory_leaves_the_output_as_it_was);
    tcase_add_test(c, each_allocation_may_fail);
    tcase_add_test(c, calls_in_the_wrong_phase_do_nothing);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
