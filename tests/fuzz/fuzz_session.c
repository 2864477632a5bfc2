/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's whole core against a hostile server: session, login, the walk over rows, results, getters.
 * Input: a byte of choices; a byte whose two highest bits say what the units are, and all of which says how
 * the rest is cut into receives; then what the server sends.
 *
 * What must hold: any cut gives the same events; every unit ends at most once and the session once; memory
 * stays in proportion to the input. The mutator knows messages: it changes, repeats, moves and makes them, and
 * most of the time their lengths stay right.
 */
#include "data/row.h"
#include "data/types.h"
#include "query/result.h"
#include "wire/be_read.h"
#include "wire/fe_write.h"
#include "wire/mem.h"
#include "wire/session.h"

#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <string.h>
#if __has_include(<valgrind/memcheck.h>) /* which else would take the arena for written */
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_UNDEFINED(p, n) ((void)(p), (void)(n))
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
const char *__asan_default_options(void);
/* libFuzzer's; there is none when a corpus is replayed. */
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* Choices. */
enum {
    UNITS = 3,        /* 0, 1, 4, or one of three statements */
    LOGGED_IN = 4,    /* the server's part begins after a login... */
    IN_ROWS = 8,      /* ...and in the middle of a result */
    REDSHIFT = 16,
    TLS = 32,
    ANY_METHOD = 64,
    DISCARD = 128,    /* the first unit is given up when its columns come */
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* The heap is libFuzzer's own, with a copy of each input: a long quarantine and whole stacks of who allocated
 * it cost more than some inputs. What the library has is in the arena. */
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=1:thread_local_quarantine_size_kb=64:malloc_context_size=2:max_malloc_fill_size=0";
}

/* --- memory: an arena whose gaps and freed blocks are poisoned ------------------------------------- */

#define ARENA_BYTES ((size_t)8 << 20)

/* In front of each block, in the gap. */
struct block {
    size_t n, live;
};

static _Alignas(16) uint8_t arena[ARENA_BYTES];
static size_t arena_used, arena_live, arena_peak;

static struct block head_of(const uint8_t *block)
{
    struct block head;
    ASAN_UNPOISON_MEMORY_REGION(block - sizeof head, sizeof head);
    memcpy(&head, block - sizeof head, sizeof head);
    ASAN_POISON_MEMORY_REGION(block - sizeof head, sizeof head);
    return head;
}

static void set_head(uint8_t *block, size_t n, bool live)
{
    const struct block head = {n, live};
    ASAN_UNPOISON_MEMORY_REGION(block - sizeof head, sizeof head);
    memcpy(block - sizeof head, &head, sizeof head);
    ASAN_POISON_MEMORY_REGION(block - sizeof head, sizeof head);
}

static void open_block(uint8_t *block, size_t n)
{
    set_head(block, n, true);
    ASAN_UNPOISON_MEMORY_REGION(block, n);
    VALGRIND_MAKE_MEM_UNDEFINED(block, n);
}

/* With a gap in front and one behind. */
static size_t room_of(size_t n)
{
    return ((n + 15) & ~(size_t)15) + 2 * sizeof(struct block);
}

static void *arena_alloc(void *ctx, size_t n)
{
    (void)ctx;
    if (n > ARENA_BYTES || room_of(n) > ARENA_BYTES - arena_used)
        return NULL;
    uint8_t *at = arena + arena_used + sizeof(struct block);
    arena_used += room_of(n);
    arena_live += n;
    if (arena_live > arena_peak)
        arena_peak = arena_live;
    open_block(at, n);
    return at;
}

static void arena_release(void *ctx, void *block)
{
    (void)ctx;
    const struct block head = head_of(block);
    must(head.live);
    set_head(block, head.n, false);
    arena_live -= head.n;
    ASAN_POISON_MEMORY_REGION(block, head.n);
}

static void *arena_resize(void *ctx, void *block, size_t n)
{
    void *to = arena_alloc(ctx, n);
    if (to && block) {
        size_t had = head_of(block).n;
        memcpy(to, block, had < n ? had : n);
        arena_release(ctx, block);
    }
    return to;
}

static const struct redw_allocator arena_mem = {
    sizeof arena_mem, NULL, arena_alloc, arena_resize, arena_release};

/* What the run before had it gave back, so that it is poisoned already. */
static void arena_begin(void)
{
    static bool poisoned;
    if (!poisoned)
        ASAN_POISON_MEMORY_REGION(arena, ARENA_BYTES);
    poisoned = true;
    arena_used = arena_live = arena_peak = 0;
}

/* The arena as it was, to be put back to where it was, pointers and all. */
#define IMAGE_BLOCKS 16
#define IMAGE_FRONT  ((size_t)4096) /* of a longer block, a buffer: nothing was written behind that yet */

struct image {
    size_t used, live, peak, nblocks;
    struct {
        size_t at, n, kept;
        uint8_t *bytes;
    } blocks[IMAGE_BLOCKS];
};

static void arena_save(struct image *image)
{
    *image = (struct image){.used = arena_used, .live = arena_live, .peak = arena_peak};
    for (size_t at = 0, n; at < arena_used; at += room_of(n)) {
        const uint8_t *block = arena + at + sizeof(struct block);
        const struct block head = head_of(block);
        n = head.n;
        if (!head.live)
            continue;
        must(image->nblocks < IMAGE_BLOCKS);
        size_t kept = n < IMAGE_FRONT ? n : IMAGE_FRONT, i = image->nblocks++;
        image->blocks[i].at = (size_t)(block - arena);
        image->blocks[i].n = n;
        image->blocks[i].kept = kept;
        image->blocks[i].bytes = malloc(kept);
        must(image->blocks[i].bytes != NULL);
        memcpy(image->blocks[i].bytes, block, kept);
    }
}

static void arena_restore(const struct image *image)
{
    arena_used = image->used;
    arena_live = image->live;
    arena_peak = image->peak;
    for (size_t i = 0; i < image->nblocks; i++) {
        uint8_t *block = arena + image->blocks[i].at;
        open_block(block, image->blocks[i].n);
        memcpy(block, image->blocks[i].bytes, image->blocks[i].kept);
    }
}

/* --- what is seen ------------------------------------------------------------------------------------ */

struct run {
    struct redwi_session *s;
    struct redwi_session_config config;
    uint8_t choices, kind;
    redw_result *result;
    uint64_t hash;
    size_t units, ready;
    bool fatal, stopped;
    bool quiet; /* what happens is not part of what is compared */
};

#define UNITS_MAX 4

static char tags[UNITS_MAX];

static void note(struct run *r, const void *p, size_t n)
{
    const uint8_t *at = p;
    uint64_t h = r->hash;
    if (r->quiet)
        return;
    for (; n >= 8; n -= 8, at += 8) {
        uint64_t eight;
        memcpy(&eight, at, sizeof eight);
        h = (h ^ eight) * 0x9E3779B97F4A7C15;
        h ^= h >> 29;
    }
    for (size_t i = 0; i < n; i++)
        h = (h ^ at[i]) * 1099511628211u;
    r->hash = (h ^ n) * 1099511628211u;
}

static void note_number(struct run *r, uint64_t v)
{
    note(r, &v, sizeof v);
}

static void note_error(struct run *r, redw_error *e)
{
    if (!e)
        return;
    note_number(r, (uint64_t)redw_error_code(e));
    note_number(r, (uint64_t)redw_error_class(e));
    note_number(r, (uint64_t)redw_error_outcome(e));
    note(r, redw_error_sqlstate(e), strlen(redw_error_sqlstate(e)));
    note(r, redw_error_message(e), strlen(redw_error_message(e)));
    redw_error_release(e);
}

/* What the units send, one after the other, and each further statement of a batch. */
#define PARSED   (REDWI_SENT_PARSE | REDWI_SENT_BIND | REDWI_SENT_DESCRIBE | REDWI_SENT_EXECUTE)
#define PREPARED (REDWI_SENT_PARSE | REDWI_SENT_DESCRIBE_STATEMENT | REDWI_SENT_BIND | REDWI_SENT_EXECUTE)
#define BOUND    (REDWI_SENT_BIND | REDWI_SENT_EXECUTE)
#define KNOWN    (BOUND | REDWI_SENT_COLUMNS)
#define FETCHED  (REDWI_SENT_EXECUTE | REDWI_SENT_COLUMNS | REDWI_SENT_LIMIT)

enum { ONCE, NAMED, PORTAL, QUERY, KINDS };

static const struct {
    unsigned sent[UNITS_MAX], again;
} kinds[KINDS] = {
    [ONCE] = {{PARSED, PARSED, PARSED, PARSED}, BOUND},
    [NAMED] = {{PREPARED, KNOWN, REDWI_SENT_CLOSE | PARSED, KNOWN}, KNOWN},
    [PORTAL] = {{PARSED | REDWI_SENT_LIMIT, FETCHED, FETCHED, PARSED}, BOUND | REDWI_SENT_LIMIT},
    [QUERY] = {{0}, 0},
};

static void put_statement(struct redwi_buf *b, unsigned sent)
{
    if (sent & REDWI_SENT_CLOSE)
        redwi_fe_close_statement(b, "s");
    if (sent & REDWI_SENT_PARSE)
        redwi_fe_parse(b, "", "select", 6, NULL, 0);
    if (sent & REDWI_SENT_DESCRIBE_STATEMENT)
        redwi_fe_describe_statement(b, "");
    if (sent & REDWI_SENT_BIND)
        redwi_fe_bind_end(b, redwi_fe_bind_begin(b, "", "", NULL, 0), 0);
    if (sent & REDWI_SENT_DESCRIBE)
        redwi_fe_describe_portal(b, "");
    redwi_fe_execute(b, "", sent & REDWI_SENT_LIMIT ? 2 : 0);
}

static void queue_unit(struct run *r, size_t i, size_t more)
{
    const unsigned first = kinds[r->kind].sent[i], again = kinds[r->kind].again;
    r->units++;
    if (r->kind == QUERY) {
        must(redwi_session_query(r->s, &tags[i], "fetch", 5, REDW_OUTCOME_NOT_EXECUTED) == 0);
        return;
    }
    struct redwi_buf *b = redwi_session_unit_begin(r->s);
    must(b != NULL);
    put_statement(b, first);
    for (size_t k = 0; k < more; k++)
        put_statement(b, again);
    must(redwi_session_batch_end(r->s, &tags[i], first, again, more, REDW_OUTCOME_NOT_EXECUTED) == 0);
}

static void send_all(struct run *r)
{
    size_t n;
    if (redwi_session_output(r->s, &n))
        redwi_session_sent(r->s, n);
}

static void queue_units(struct run *r)
{
    unsigned n = r->choices & UNITS;
    if (n == 3)
        queue_unit(r, 0, 2);
    for (unsigned i = 0; n < 3 && i < (n == 2 ? UNITS_MAX : n); i++)
        queue_unit(r, i, 0);
    send_all(r); /* at once: what a failure says of them depends on it */
}

static void new_result(struct run *r)
{
    redw_result_release(r->result);
    r->result = redwi_result_create(&arena_mem);
}

/* Every getter at every column: values may be anything, reads may not be anywhere. */
static void get_all(struct run *r, const redw_row *row, size_t ncells)
{
    for (size_t i = 0; i < ncells && i < 8; i++) {
        int64_t n = 0;
        double d = 0;
        bool b = false;
        redw_slice text = {NULL, 0};
        redw_decimal decimal;
        redw_timestamp timestamp;
        redw_interval interval;
        note_number(r, (uint64_t)redw_row_int64(row, i, &n));
        note_number(r, (uint64_t)n);
        note_number(r, (uint64_t)redw_row_double(row, i, &d));
        note_number(r, (uint64_t)redw_row_bool(row, i, &b));
        note_number(r, (uint64_t)redw_row_decimal(row, i, &decimal));
        note_number(r, (uint64_t)redw_row_timestamp(row, i, &timestamp));
        note_number(r, (uint64_t)redw_row_interval(row, i, &interval));
        if (redw_row_text(row, i, &text) == REDW_OK)
            note(r, text.ptr, text.len);
    }
}

/* The rows, once streamed and once gathered. */
static void take_rows(struct run *r, const struct redwi_ev *ev)
{
    struct redwi_rowset *set = r->result ? &r->result->set : NULL;
    if (!set || !set->columns) {
        redwi_session_corrupt(r->s, "row without a description");
        return;
    }
    redw_rows rows = redwi_rows_streamed(set, ev->data, ev->data + ev->len);
    redw_row row;
    const uint8_t *at = ev->data;
    while (redw_rows_next(&rows, &row)) {
        get_all(r, &row, set->ncolumns);
        must(redwi_rows_at(&rows) > at);
        note(r, at + 5, (size_t)(redwi_rows_at(&rows) - at) - 5);
        at = redwi_rows_at(&rows);
    }
    if (set->corrupt)
        redwi_session_corrupt(r->s, "malformed value");
    else
        redwi_session_rows_taken(r->s, at);
}

static enum redwi_server server_of(const struct run *r)
{
    const char *version = redwi_session_parameter(r->s, "server_protocol_version");
    return redwi_server_of(redwi_session_is_redshift(r->s), version ? (unsigned)(*version - '0') : 0);
}

static void take_columns(struct run *r, const struct redwi_ev *ev)
{
    struct redwi_columns columns = *ev->columns;
    note_number(r, columns.version);
    for (size_t i = 0; i < columns.n; i++) {
        struct redwi_field f;
        redwi_be_field_next(&columns, &f);
        note(r, f.name.ptr, f.name.len);
        note_number(r, f.type_oid);
        note_number(r, f.flags);
    }
    new_result(r);
    struct redwi_heading *d = r->result ? redwi_heading_make(&arena_mem, ev->columns, server_of(r)) : NULL;
    if (r->result && redwi_result_describe_stream(r->result, d)) {
        redw_result_release(r->result);
        r->result = NULL;
    }
    if (r->choices & DISCARD)
        redwi_session_discard(r->s, &tags[0]);
}

static void take_event(struct run *r, const struct redwi_ev *ev)
{
    static const uint8_t end_point[32] = {1};
    must(!r->fatal);
    if (ev->kind != REDWI_EV_ROWS) {
        note_number(r, (uint64_t)ev->kind);
        note_number(r, ev->unit ? (uint64_t)((char *)ev->unit - tags) : 99);
    }
    switch (ev->kind) {
    case REDWI_EV_NONE: break;
    case REDWI_EV_START_TLS: must(redwi_session_tls_started(r->s, end_point, sizeof end_point) == 0); break;
    case REDWI_EV_WORK:
        /* A millisecond of hashes says nothing new: fuzz_scram has them. */
        redwi_session_work(r->s, 1);
        r->stopped = r->quiet = true;
        redwi_session_ended(r->s, NULL);
        break;
    case REDWI_EV_LOGGED_IN: queue_units(r); break;
    case REDWI_EV_PARAMETER_TYPES: note(r, ev->data, ev->len); break;
    case REDWI_EV_COLUMNS: take_columns(r, ev); break;
    case REDWI_EV_ROWS: take_rows(r, ev); break;
    case REDWI_EV_BOUND: break;
    case REDWI_EV_COMPLETE:
        note(r, ev->data, ev->len);
        note_number(r, (uint64_t)redwi_be_tag_count((const char *)ev->data, ev->len));
        break;
    case REDWI_EV_SUSPENDED: break;
    case REDWI_EV_ERROR:
    case REDWI_EV_NOTICE: note_error(r, ev->error); break;
    case REDWI_EV_PARAMETER: note(r, ev->data, ev->len); break;
    case REDWI_EV_READY:
        note_number(r, (uint8_t)ev->status);
        r->ready++;
        break;
    case REDWI_EV_FATAL:
        r->fatal = true;
        note_error(r, ev->error);
        break;
    }
}

static void drain(struct run *r)
{
    struct redwi_ev ev;
    while (redwi_session_next(r->s, &ev) != REDWI_EV_NONE)
        take_event(r, &ev);
    send_all(r);
}

static void feed(struct run *r, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    while (n && !r->fatal && !r->stopped) {
        size_t room;
        uint8_t *at = redwi_session_input(r->s, &room);
        if (!at)
            break;
        size_t step = n < room ? n : room;
        memcpy(at, p, step);
        redwi_session_received(r->s, step);
        drain(r);
        p += step;
        n -= step;
    }
}

/* --- one run ------------------------------------------------------------------------------------------ */

static int counting_entropy(void *ctx, void *p, size_t n)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)i;
    return 0;
}

static void open_session(struct run *r, uint8_t choices, uint8_t kind)
{
    *r = (struct run){.choices = choices, .kind = kind, .hash = 14695981039346656037u};
    r->config = (struct redwi_session_config){
        .mem = &arena_mem,
        .startup = {.user = "app",
                    .database = "dev",
                    .application_name = "redw",
                    .redshift = choices & REDSHIFT,
                    .os_version = "fuzz"},
        .password = "pencil",
        .token = "abc.def.ghi",
        .tls = choices & TLS,
        .tls_verified = choices & TLS,
        .methods = choices & ANY_METHOD ? ~0u : 0,
        .entropy = counting_entropy,
    };
    must(redwi_session_create(&r->s, &r->config) == 0);
    must(redwi_session_start(r->s) == 0);
    drain(r);
}

#define BYTES(text) text, sizeof(text) - 1

#define FOUR_COLUMNS                                                \
    "T\0\0\0\136\0\4"                                              \
    "a\0\0\0\0\0\0\0\0\0\0\27\0\4\377\377\377\377\0\0"          \
    "b\0\0\0\0\0\0\0\0\0\4\23\377\377\377\377\377\377\0\0"      \
    "c\0\0\0\0\0\0\0\0\0\2\275\0\10\377\377\377\377\0\1"        \
    "d\0\0\0\0\0\0\0\0\0\6\244\377\377\0\22\0\6\0\1"

static void skip_login(struct run *r)
{
    r->quiet = true;
    if (r->choices & TLS)
        feed(r, "S", 1);
    feed(r, BYTES("R\0\0\0\10\0\0\0\0"));
    if (r->choices & REDSHIFT)
        feed(r, BYTES("S\0\0\0\36server_protocol_version\0" "2\0"));
    feed(r, BYTES("K\0\0\0\14\0\0\0\1abcdZ\0\0\0\5I"));
    bool in_rows = r->choices & IN_ROWS && r->choices & UNITS;
    if (in_rows && r->kind == NAMED)
        feed(r, BYTES("1\0\0\0\4" "t\0\0\0\12\0\1\0\0\0\27" FOUR_COLUMNS "2\0\0\0\4"));
    else if (in_rows && r->kind == QUERY)
        feed(r, BYTES(FOUR_COLUMNS));
    else if (in_rows)
        feed(r, BYTES("1\0\0\0\4" "2\0\0\0\4" FOUR_COLUMNS));
    r->quiet = false;
}

/* Most inputs begin behind the same login. It is done once for each choice, and then put back: half of the
 * work, and all of what other inputs are there to explore. */
static struct {
    bool made;
    struct run run;
    struct image image;
} logged_in[KINDS << 8];

static void make_logged_in(void)
{
    for (unsigned i = 0; i < KINDS << 8; i++) {
        if (!(i & LOGGED_IN))
            continue;
        struct run *r = &logged_in[i].run;
        arena_begin();
        open_session(r, (uint8_t)i, (uint8_t)(i >> 8));
        skip_login(r);
        arena_save(&logged_in[i].image);
        logged_in[i].made = true;
        redw_result_release(r->result);
        redwi_session_free(r->s);
        must(arena_live == 0);
    }
}

/* The rest of the input in receives of the length that the seed draws; 0: as it is. */
static uint64_t play(const uint8_t *data, size_t size, uint8_t choices, uint8_t kind, uint32_t seed)
{
    struct run r;
    unsigned start = (unsigned)kind << 8 | choices;
    arena_begin();
    if (choices & LOGGED_IN) {
        r = logged_in[start].run;
        arena_restore(&logged_in[start].image);
    } else {
        open_session(&r, choices, kind);
    }
    while (size && !r.fatal && !r.stopped) {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        size_t n = seed ? 1 + seed % (seed & 64 ? 7 : 200) : size;
        n = n < size ? n : size;
        feed(&r, data, n);
        data += n;
        size -= n;
    }
    redwi_session_ended(r.s, NULL);
    drain(&r);
    must(r.fatal && r.ready <= r.units);
    must(redwi_session_units(r.s) == r.units - r.ready);
    for (size_t i = 0; i < r.units; i++)
        note_number(&r, (uint64_t)redwi_session_outcome(r.s, &tags[i]));
    redw_result_release(r.result);
    redwi_session_free(r.s);
    must(arena_live == 0);
    return r.hash;
}

#define BASE_BYTES ((size_t)160 << 10) /* 64 KiB of input, output, the session, a result */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!logged_in[LOGGED_IN].made)
        make_logged_in();
    if (size < 2)
        return 0;
    uint8_t choices = data[0], cut = data[1], kind = cut >> 6;
    /* In clear, what comes in one receive with the S is another matter than what comes behind it. */
    bool one = (choices & TLS) && !(choices & LOGGED_IN);
    uint64_t whole = play(data + 2, size - 2, choices, kind, one ? cut + 1u : 0);
    must(arena_peak <= BASE_BYTES + 16 * size);
    if (cut % 16 == 0 && !one)
        must(play(data + 2, size - 2, choices, kind, cut + 1u) == whole);
    return 0;
}

/* --- the mutator --------------------------------------------------------------------------------------- */

#define HEAD         2
#define MESSAGES_MAX 64

struct message {
    size_t at, len; /* all of it */
};

static uint32_t draw(unsigned *seed, uint32_t n)
{
    *seed = *seed * 1103515245u + 12345u;
    return (*seed >> 8) % n;
}

static size_t find_messages(const uint8_t *data, size_t size, struct message *out)
{
    size_t n = 0;
    for (size_t at = HEAD; n < MESSAGES_MAX && size - at >= 5;) {
        size_t len = 1 + (size_t)redwi_load32(data + at + 1);
        if (len < 5 || len > size - at)
            break;
        out[n++] = (struct message){at, len};
        at += len;
    }
    return n;
}

static void set_length(uint8_t *message, size_t len)
{
    uint32_t word = __builtin_bswap32((uint32_t)len - 1);
    memcpy(message + 1, &word, sizeof word);
}

/* Opens or closes a gap: what is from `at` on moves to `to`. */
static size_t shift(uint8_t *data, size_t size, size_t at, size_t to)
{
    memmove(data + to, data + at, size - at);
    return size - at + to;
}

static size_t change_body(uint8_t *data, size_t size, size_t max, struct message m)
{
    static uint8_t body[1 << 16];
    size_t n = m.len - 5, room = max - size + n;
    if (n > sizeof body)
        return size;
    memcpy(body, data + m.at + 5, n);
    if (room > sizeof body)
        room = sizeof body;
    if (!room)
        return size;
    size_t now = LLVMFuzzerMutate(body, n, room);
    size = shift(data, size, m.at + m.len, m.at + 5 + now);
    memcpy(data + m.at + 5, body, now);
    set_length(data + m.at, 5 + now);
    return size;
}

static size_t repeat(uint8_t *data, size_t size, size_t max, struct message m)
{
    if (m.len > max - size)
        return size;
    return shift(data, size, m.at, m.at + m.len); /* the bytes at m.at stay: a copy */
}

/* Whole messages that are right, to begin with. */
static const struct {
    const char *bytes;
    size_t n;
} templates[] = {
    {BYTES("R\0\0\0\10\0\0\0\0")},
    {BYTES("R\0\0\0\10\0\0\0\3")},
    {BYTES("R\0\0\0\14\0\0\0\5abcd")},
    {BYTES("R\0\0\0\27\0\0\0\12SCRAM-SHA-256\0\0")},
    {BYTES("R\0\0\0\33\0\0\0\15\0\0\0\0\0\0\0\4salt\0\0\0\3abc")},
    {BYTES("R\0\0\0\10\0\0\0\16")},
    {BYTES("S\0\0\0\36server_protocol_version\0" "2\0")},
    {BYTES("S\0\0\0\23padb_version\0" "1\0")},
    {BYTES("K\0\0\0\14\0\0\0\1abcd")},
    {BYTES("v\0\0\0\14\0\3\0\0\0\0\0\0")},
    {BYTES("Z\0\0\0\5I")},
    {BYTES("Z\0\0\0\5E")},
    {BYTES("1\0\0\0\4")},
    {BYTES("2\0\0\0\4")},
    {BYTES("n\0\0\0\4")},
    {BYTES("3\0\0\0\4")},
    {BYTES("t\0\0\0\12\0\1\0\0\0\27")},
    {BYTES("s\0\0\0\4")},
    {BYTES("I\0\0\0\4")},
    {BYTES("T\0\0\0\32\0\1a\0\0\0\0\0\0\0\0\0\0\27\0\4\377\377\377\377\0\0")},
    {BYTES("T\0\0\0\52\0\1a\0\0\0\0\0\0\0\0\0\6\244\377\377\377\377\377\377\0\1pub\0t\0id\0dev\0\20\1")},
    {BYTES("D\0\0\0\13\0\1\0\0\0\1" "7")},
    {BYTES("D\0\0\0\12\0\1\377\377\377\377")},
    {BYTES("C\0\0\0\13SELECT\0")},
    {BYTES("C\0\0\0\17INSERT 0 1\0")},
    {BYTES("E\0\0\0\31SERROR\0C42601\0Mno\0\0")},
    {BYTES("E\0\0\0\31SFATAL\0C08P01\0Mno\0\0")},
    {BYTES("N\0\0\0\30SINFO\0C00000\0Mhm\0\0")},
    {BYTES("A\0\0\0\14\0\0\0\1c\0p\0")},
    {BYTES("G\0\0\0\7\0\0\0")},
    {BYTES("H\0\0\0\7\0\0\0")},
    {BYTES("d\0\0\0\6xx")},
    {BYTES("c\0\0\0\4")},
};

static size_t insert(uint8_t *data, size_t size, size_t max, size_t at, unsigned *seed)
{
    uint32_t i = draw(seed, sizeof templates / sizeof templates[0]);
    if (templates[i].n > max - size)
        return size;
    size = shift(data, size, at, at + templates[i].n);
    memcpy(data + at, templates[i].bytes, templates[i].n);
    return size;
}

static size_t move(uint8_t *data, size_t size, struct message m, size_t to)
{
    static uint8_t copy[1 << 16];
    if (m.len > sizeof copy || to >= m.at)
        return size;
    memcpy(copy, data + m.at, m.len);
    memmove(data + to + m.len, data + to, m.at - to);
    memcpy(data + to, copy, m.len);
    return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static const char types[] = "RSKZ12nITDCENAGHdcvstVWzkm3";
    struct message m[MESSAGES_MAX];
    size_t n = size >= HEAD ? find_messages(data, size, m) : 0;
    if (!n || draw(&seed, 8) == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    uint32_t i = draw(&seed, (uint32_t)n);
    switch (draw(&seed, 8)) {
    case 0: data[draw(&seed, HEAD)] = (uint8_t)draw(&seed, 256); return size;
    case 1: data[m[i].at] = (uint8_t)types[draw(&seed, sizeof types - 1)]; return size;
    case 2: return repeat(data, size, max_size, m[i]);
    case 3: return n > 1 ? shift(data, size, m[i].at + m[i].len, m[i].at) : size;
    case 4: return move(data, size, m[i], m[draw(&seed, i + 1)].at);
    case 5:
    case 6: return insert(data, size, max_size, m[i].at + (draw(&seed, 2) ? m[i].len : 0), &seed);
    default: return change_body(data, size, max_size, m[i]);
    }
}
