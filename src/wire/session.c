/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol machine. What may come when is one table (types): a message that has no row for the phase
 * and for what is due ends the session. What a message does is in steps.c, the login's answers are in
 * auth.c, what is due in reply_queue.c. Protocol: PostgreSQL documentation, "Message Flow".
 *
 * Invariants: BUSY exactly while a unit is queued; `need` is only ever a length that passed its bounds;
 * the output holds whole messages, but for a unit between begin and end, which the sender is not shown.
 */
#include "wire/session.h"

#include "wire/be_read.h"
#include "wire/fe_write.h"
#include "wire/mem.h"
#include "wire/steps.h"

#define KIB          ((size_t)1024)
#define HEADER_BYTES 5 /* type and length */

/* The input: its size but for longer messages; and what it grows by for an owner that does not take. It is
 * compacted when less than a quarter is left. */
#define INPUT_BYTES    (64 * KIB)
#define INPUT_MORE (16 * KIB)
/* Its first size if memory is shared, until a read fills it or rows come: so much have connections that say
 * little and are paused, or wait for the rest of a message. */
#define INPUT_FIRST REDWI_REST_MAX
/* Its size once a read of messages filled it. A recv of 64 KiB costs 10 us besides its bytes (loopback): half
 * as many take 7 % off the CPU of rows of 100 bytes. Not more, for a stream to stay below 512 KiB. */
#define INPUT_FLOODED (128 * KIB)
/* The output: what one session may have waiting, and what an emptied one may keep. */
#define OUTPUT_MAX  ((size_t)1 << 30)
#define OUTPUT_KEEP (64 * KIB)
/* ...and which others may have: what is written in a turn of the loop hardly ever needs more. */
#define OUTPUT_SHARED (16 * KIB)

#define DATA_ROW_DEFAULT (64 * KIB * KIB)
#define DATA_ROW_MAX     (((size_t)1 << 30) - 1)
/* Not below the longest message of another type: then no row that fits what the buffer may have grown to
 * is over its bound, and rows behind the first need no look at their headers here. */
#define DATA_ROW_LEAST   (4 * KIB * KIB)
#define DATA_ROW_MIN_LEN 6   /* length word and a count of columns */
#define CANCEL_NOISE_MAX (32 * KIB) /* what a server may say to a CancelRequest */

/* --- the table ---------------------------------------------------------------------------------- */

#define IN(phase) (1u << REDWI_PHASE_##phase)
#define DUE(what) (1u << REDWI_DUE_##what)
#define ANY       (~0u)
#define ALWAYS    (IN(LOGIN) | IN(SETTLING) | IN(READY) | IN(BUSY))
#define ANY_ERROR (DUE(FAILED) | DUE(COPY_OUT)) /* the unit's error was reported already */

/* What may be done with a type, by phase and, in BUSY, by what the unit in front waits for. */
struct rule {
    unsigned phases, dues;
    redwi_on_message *take;
};

#define ROWS_DUE (DUE(ROWS) | DUE(QUERY_ROWS))
#define UNIT(dues, take) {IN(BUSY), (dues), (take)}

#define RULES_MAX 3
static const struct message_type {
    const char *name;
    struct rule rules[RULES_MAX];
} types[128] = {
    ['D'] = {"DataRow", {UNIT(ROWS_DUE, redwi_on_nothing)}}, /* discarded; others: rows_in_front */
    ['1'] = {"ParseComplete", {UNIT(DUE(PARSE), redwi_on_step)}},
    ['2'] = {"BindComplete", {UNIT(DUE(BIND), redwi_on_bound)}},
    ['3'] = {"CloseComplete", {UNIT(DUE(CLOSE), redwi_on_step)}},
    ['t'] = {"ParameterDescription", {UNIT(DUE(PARAMETERS), redwi_on_parameter_types)}},
    ['T'] = {"RowDescription", {UNIT(DUE(COLUMNS) | DUE(DESCRIBE) | DUE(QUERY), redwi_on_columns)}},
    ['n'] = {"NoData", {UNIT(DUE(DESCRIBE), redwi_on_step), UNIT(DUE(COLUMNS), redwi_on_no_columns)}},
    ['C'] = {"CommandComplete",
             {UNIT(DUE(EXECUTE) | DUE(QUERY) | ROWS_DUE, redwi_on_complete),
              UNIT(DUE(COPY_OUT), redwi_on_copy_complete)}},
    ['I'] = {"EmptyQueryResponse", {UNIT(DUE(EXECUTE) | DUE(QUERY), redwi_on_empty)}},
    ['s'] = {"PortalSuspended", {UNIT(DUE(EXECUTE) | DUE(ROWS), redwi_on_suspended)}},
    ['Z'] = {"ReadyForQuery",
             {UNIT(DUE(SYNC) | DUE(FAILED) | DUE(QUERY), redwi_on_ready),
              {IN(SETTLING), ANY, redwi_on_logged_in}}},
    ['E'] = {"ErrorResponse",
             {UNIT(ANY & ~ANY_ERROR, redwi_on_unit_error),
              UNIT(ANY_ERROR, redwi_on_later_error),
              {IN(LOGIN) | IN(SETTLING) | IN(READY), ANY, redwi_on_last_words}}},
    ['N'] = {"NoticeResponse", {{ALWAYS, ANY, redwi_on_notice}}},
    ['S'] = {"ParameterStatus", {{ALWAYS, ANY, redwi_on_parameter}}},
    ['A'] = {"NotificationResponse", {{IN(READY) | IN(BUSY), ANY, redwi_on_nothing}}},
    ['R'] = {"Authentication", {{IN(LOGIN), ANY, redwi_on_authentication}}},
    ['v'] = {"NegotiateProtocolVersion", {{IN(LOGIN), ANY, redwi_on_negotiate}}},
    ['K'] = {"BackendKeyData", {{IN(SETTLING), ANY, redwi_on_key}}},
    ['G'] = {"CopyInResponse", {UNIT(DUE(EXECUTE), redwi_on_copy_in)}},
    ['H'] = {"CopyOutResponse", {UNIT(DUE(EXECUTE), redwi_on_copy_out)}},
    ['d'] = {"CopyData", {UNIT(DUE(COPY_OUT), redwi_on_nothing)}},
    ['c'] = {"CopyDone", {UNIT(DUE(COPY_OUT), redwi_on_nothing)}},
    /* Never asked for; here for their names. */
    ['V'] = {.name = "FunctionCallResponse"},
    ['W'] = {.name = "CopyBothResponse"},
    ['z'] = {.name = "compression (Redshift)"},
    ['k'] = {.name = "switch of compression (Redshift)"},
    ['m'] = {.name = "compressed data (Redshift)"},
};

static void die_unexpected(struct redwi_session *s, uint8_t type)
{
    static const char hex[] = "0123456789abcdef";
    char unknown[] = "message type 0x00";
    const char *name = type < 128 ? types[type].name : NULL;
    unknown[sizeof unknown - 3] = hex[type >> 4];
    unknown[sizeof unknown - 2] = hex[type & 15];
    redwi_die_protocol(s, "unexpected", name ? name : unknown);
}

/* The rule for a type now; NULL, and the session is dead, if there is none. */
static const struct rule *rule_for(struct redwi_session *s, uint8_t type)
{
    unsigned phase = 1u << s->phase, due = ANY;
    if (s->phase == REDWI_PHASE_BUSY)
        due = 1u << redwi_reply_queue_front(&s->queue)->due;
    for (size_t i = 0; type < 128 && i < RULES_MAX; i++) {
        const struct rule *rule = &types[type].rules[i];
        if ((rule->phases & phase) && (rule->dues & due))
            return rule;
    }
    die_unexpected(s, type);
    return NULL;
}

/* --- input -------------------------------------------------------------------------------------- */

/* The message in front: its rule once its header has passed, NULL before that, and when it did not. The
 * bounds are checked before the body is waited for. */
static const struct rule *check_header(struct redwi_session *s)
{
    if (redwi_buf_len(&s->in) < HEADER_BYTES)
        return NULL;
    const uint8_t *p = redwi_buf_front(&s->in);
    const struct rule *rule = rule_for(s, p[0]);
    if (!rule)
        return NULL;
    /* What has no bounds is outside them. */
    size_t len = redwi_load32(p + 1), min = SIZE_MAX, max = 0;
    (void)redwi_be_limits((char)p[0], redwi_session_logged_in(s), s->row_max, &min, &max);
    if (len < min || len > max) {
        redwi_die_protocol(s, "length out of bounds in", types[p[0]].name);
        return NULL;
    }
    s->need = len + 1;
    return rule;
}

/* The short way of the hottest message: nothing is looked at but its header. */
static bool rows_in_front(const struct redwi_session *s, struct redwi_ev *ev)
{
    const uint8_t *p = redwi_buf_front(&s->in);
    size_t n = redwi_buf_len(&s->in);
    if (n < HEADER_BYTES || p[0] != 'D')
        return false;
    size_t len = redwi_load32(p + 1);
    if (len >= n || len < DATA_ROW_MIN_LEN || len > s->row_max)
        return false;
    *ev = (struct redwi_ev){
        .kind = REDWI_EV_ROWS,
        .unit = s->queue.ring[s->queue.head].tag,
        .data = p,
        .len = n,
    };
    return true;
}

/* The one byte that answers SSLRequest. Bytes behind it came before TLS: somebody in between would like
 * them to be read as if they had come inside (CVE-2021-23222). Their text is nobody's word. */
static void take_tls_answer(struct redwi_session *s, struct redwi_ev *ev)
{
    uint8_t answer = *redwi_buf_front(&s->in);
    size_t n = redwi_buf_len(&s->in);
    redwi_buf_take(&s->in, n);
    if (answer == 'N') {
        redwi_die_tls(s, "server does not offer TLS");
    } else if (answer != 'S') {
        redwi_die_tls(s, "server answered the request for TLS with something else");
    } else if (n > 1) {
        redwi_die_tls(s, "unencrypted bytes behind the server's answer to the request for TLS");
    } else {
        redwi_session_set_phase(s, REDWI_PHASE_TLS_WAIT);
        ev->kind = REDWI_EV_START_TLS;
    }
}

/* TLS without asking for it: the server's answer is the handshake itself. */
static void start_tls_unasked(struct redwi_session *s, struct redwi_ev *ev)
{
    redwi_session_set_phase(s, REDWI_PHASE_TLS_WAIT);
    ev->kind = REDWI_EV_START_TLS;
}

static void drop_noise(struct redwi_session *s)
{
    size_t n = redwi_buf_len(&s->in);
    redwi_buf_take(&s->in, n);
    s->noise += n;
    if (s->noise > CANCEL_NOISE_MAX)
        redwi_die_protocol(s, "too many", "bytes");
}

static bool take_message(struct redwi_session *s, struct redwi_ev *ev)
{
    const struct rule *rule = check_header(s);
    if (!rule)
        return s->phase == REDWI_PHASE_DEAD;
    if (s->need > redwi_buf_len(&s->in))
        return false;
    const uint8_t *p = redwi_buf_front(&s->in);
    const struct redwi_message m = {p + HEADER_BYTES, s->need - HEADER_BYTES};
    /* The bytes stay where they are until there is room to be made. */
    redwi_buf_take(&s->in, s->need);
    s->need = 0;
    rule->take(s, &m, ev);
    redwi_session_look_at_front(s);
    return true;
}

/* One step; false: nothing more can be done with what was received. */
static bool advance(struct redwi_session *s, struct redwi_ev *ev)
{
    switch (s->phase) {
    case REDWI_PHASE_DEAD:
    case REDWI_PHASE_START:
    case REDWI_PHASE_TLS_WAIT:
        return false;
    case REDWI_PHASE_TLS_ASKED:
        if (s->config.tls_direct) {
            start_tls_unasked(s, ev);
            return true;
        }
        if (!redwi_buf_len(&s->in))
            return false;
        take_tls_answer(s, ev);
        return true;
    case REDWI_PHASE_CANCEL:
        if (!redwi_buf_len(&s->in))
            return false;
        drop_noise(s);
        return true;
    case REDWI_PHASE_LOGIN:
        /* After the end only the server's last words are of interest, not its iterations. */
        if (s->auth.step == REDWI_AUTH_DERIVING && !s->ended) {
            ev->kind = REDWI_EV_WORK;
            return true;
        }
        return take_message(s, ev);
    default: /* SETTLING, READY, BUSY */
        return take_message(s, ev);
    }
}

/* What it may be without a long message. */
static size_t most_input(const struct redwi_session *s)
{
    return s->rows_due ? INPUT_FLOODED : INPUT_BYTES;
}

/* What the login brought does not go to another connection. */
static void wipe_login(struct redwi_session *s)
{
    redwi_wipe(s->in.data, s->in.top);
    s->in.top = 0;
    s->in_login = false;
}

/* No more can be done with what is there: memory that is shared may be taken by others. If nothing waits, back to
 * the usual size after a long message, which filled its buffer to the last byte, and after rows. */
static void rest_input(struct redwi_session *s)
{
    if (!redwi_buf_len(&s->in)) {
        if (s->in_login)
            wipe_login(s);
        if (s->in.cap > most_input(s))
            redwi_buf_free(&s->in);
    }
    if (s->in.spares && !s->in_login)
        redwi_buf_rest(&s->in);
}

/* --- life --------------------------------------------------------------------------------------- */

static int watch(struct redwi_session *s)
{
    const struct redwi_session_config *c = &s->config;
    if (!c->trace)
        return 0;
    s->traces = redwi_alloc(c->mem, sizeof *s->traces);
    if (!s->traces)
        return REDW_ENOMEM;
    redwi_trace_init(&s->traces->sent, true, c->trace_values, c->trace, c->trace_ctx);
    redwi_trace_init(&s->traces->received, false, c->trace_values, c->trace, c->trace_ctx);
    s->traces->received.answers = c->tls && !c->tls_direct;
    return 0;
}

int redwi_session_create(struct redwi_session **out, const struct redwi_session_config *config)
{
    *out = NULL;
    if (config->cancel_key_len > REDWI_KEY_MAX)
        return REDW_EINVAL;
    struct redwi_session *s = redwi_alloc_array(config->mem, 1, sizeof *s);
    if (!s)
        return REDW_ENOMEM;
    s->config = *config;
    s->row_max = config->data_row_max ? config->data_row_max : DATA_ROW_DEFAULT;
    if (s->row_max < DATA_ROW_LEAST)
        s->row_max = DATA_ROW_LEAST;
    if (s->row_max > DATA_ROW_MAX)
        s->row_max = DATA_ROW_MAX;
    if (config->cancel_key) {
        memcpy(s->key, config->cancel_key, config->cancel_key_len);
        s->config.cancel_key = s->key;
    }
    redwi_buf_init(&s->in, config->mem, INPUT_BYTES);
    redwi_buf_init(&s->out, config->mem, OUTPUT_MAX);
    s->out.secret = true;
    if (config->buffers) {
        s->in.spares = &config->buffers->in;
        s->out.spares = &config->buffers->out;
    }
    redwi_reply_queue_init(&s->queue, config->mem);
    redwi_parameters_init(&s->parameters, config->mem);
    s->auth = (struct redwi_auth){
        .mem = config->mem,
        .user = config->startup.user,
        .password = config->password,
        .token = config->token,
        .methods = config->methods,
        .denied = config->methods_denied,
        .binding = config->binding,
        .tls = config->tls,
        .verified = config->tls && config->tls_verified,
        .entropy = config->entropy,
        .entropy_ctx = config->entropy_ctx,
    };
    int code = watch(s);
    if (code) {
        redwi_session_free(s);
        return code;
    }
    *out = s;
    return 0;
}

void redwi_session_free(struct redwi_session *s)
{
    if (!s)
        return;
    if (s->traces) {
        redwi_trace_end(&s->traces->sent);
        redwi_trace_end(&s->traces->received);
        redwi_free(s->config.mem, s->traces);
    }
    redwi_auth_end(&s->auth);
    redwi_reply_queue_free(&s->queue);
    redwi_parameters_free(&s->parameters);
    redwi_buf_free_wiped(&s->in);
    redwi_buf_free(&s->out);
    redw_error_release(s->fatal);
    redw_error_release(s->why);
    redwi_free_secret(s->config.mem, s, sizeof *s);
}

/* What was written since mark, or nothing of it. */
static int put_done(struct redwi_session *s, size_t mark)
{
    int code = s->out.failed;
    if (code)
        redwi_buf_cut(&s->out, mark);
    return code;
}

/* The first message of the connection proper. */
static int open_session(struct redwi_session *s)
{
    const struct redwi_session_config *c = &s->config;
    size_t mark = redwi_buf_mark(&s->out);
    if (c->cancel_key)
        redwi_fe_cancel_request(&s->out, c->cancel_pid, c->cancel_key, c->cancel_key_len);
    else
        redwi_startup_put(&s->out, &c->startup);
    int code = put_done(s, mark);
    if (!code)
        redwi_session_set_phase(s, c->cancel_key ? REDWI_PHASE_CANCEL : REDWI_PHASE_LOGIN);
    return code;
}

int redwi_session_start(struct redwi_session *s)
{
    if (s->phase != REDWI_PHASE_START)
        return REDW_EINVAL;
    if (!s->config.tls)
        return open_session(s);
    size_t mark = redwi_buf_mark(&s->out);
    if (!s->config.tls_direct)
        redwi_fe_ssl_request(&s->out);
    int code = put_done(s, mark);
    if (!code)
        redwi_session_set_phase(s, REDWI_PHASE_TLS_ASKED);
    return code;
}

int redwi_session_tls_started(struct redwi_session *s, const uint8_t *end_point, size_t n)
{
    if (s->phase != REDWI_PHASE_TLS_WAIT || n > sizeof s->auth.end_point)
        return REDW_EINVAL;
    if (n)
        memcpy(s->auth.end_point, end_point, n);
    s->auth.end_point_len = n;
    return open_session(s);
}

/* --- bytes in and out --------------------------------------------------------------------------- */

/* Did the last read fill it, and not with the start of a long message, which is given what it needs? */
static bool is_flooded(const struct redwi_session *s)
{
    return s->in.tail == s->in.cap && s->in.cap == INPUT_BYTES && s->in.head > INPUT_BYTES / 2;
}

/* Only if there is memory: it is no need. */
static void widen_input(struct redwi_session *s)
{
    size_t room, len = redwi_buf_len(&s->in);
    s->in.max = INPUT_FLOODED;
    if (!redwi_buf_room(&s->in, INPUT_FLOODED - len, &room))
        redwi_buf_cut(&s->in, len);
}

/* The size it is to have now, but for a long message. */
static size_t usual_input(const struct redwi_session *s)
{
    const struct redwi_buf *in = &s->in;
    if (in->cap > INPUT_FIRST || !in->spares || s->rows_due || s->need > INPUT_FIRST)
        return INPUT_BYTES;
    bool filled = in->cap && in->tail == in->cap;
    return filled ? INPUT_BYTES : INPUT_FIRST;
}

uint8_t *redwi_session_input(struct redwi_session *s, size_t *room)
{
    *room = 0;
    if (s->phase == REDWI_PHASE_DEAD)
        return NULL;
    s->in.resting = false;
    if (is_flooded(s))
        widen_input(s);
    /* The buffer grows by doubling, but never further than the message in front needs: a header alone
     * makes no server own much of our memory. An owner that feeds on without taking what is whole gets
     * its room too. */
    size_t len = redwi_buf_len(&s->in);
    size_t usual = usual_input(s);
    size_t cap = s->need > usual ? s->need : usual;
    if (cap <= len)
        cap = len + INPUT_MORE;
    size_t want = s->in.cap < usual ? usual - len : usual / 4;
    if (want > cap - len)
        want = cap - len;
    s->in.max = cap > s->in.cap ? cap : s->in.cap;
    if (s->in.cap < usual && s->in.max < most_input(s))
        s->in.max = most_input(s); /* more than was asked for is welcome if somebody has it */
    s->in.secret = s->in_login; /* what moves is wiped where it was; what is taken stays in view */
    uint8_t *p = redwi_buf_room(&s->in, want, room);
    s->in.secret = false;
    if (!p)
        redwi_die_no_memory(s);
    return p;
}

void redwi_session_received(struct redwi_session *s, size_t n)
{
    if (s->phase == REDWI_PHASE_DEAD)
        return;
    if (!n) {
        rest_input(s);
        return;
    }
    if (s->traces) {
        s->traces->received.view.row_version = s->row_version;
        redwi_trace_feed(&s->traces->received, s->in.data + s->in.tail, n);
    }
    bool asked = s->phase == REDWI_PHASE_TLS_ASKED && !s->config.tls_direct;
    if (s->phase <= REDWI_PHASE_TLS_WAIT && !asked)
        redwi_die_tls(s, "unencrypted bytes before the TLS handshake");
    else
        redwi_buf_added(&s->in, n);
    if (s->in.tail > s->in.top)
        s->in.top = s->in.tail;
    s->in_login |= !redwi_session_logged_in(s);
}

void redwi_session_ended(struct redwi_session *s, redw_error *why)
{
    if (s->ended || s->phase == REDWI_PHASE_DEAD) {
        redw_error_release(why);
        return;
    }
    s->ended = true;
    s->why = why;
}

/* What may be sent: whole messages of a living session. */
static size_t sendable(const struct redwi_session *s)
{
    if (s->phase == REDWI_PHASE_DEAD)
        return 0;
    return s->unit_open ? s->unit_at : redwi_buf_len(&s->out);
}

const uint8_t *redwi_session_output(const struct redwi_session *s, size_t *n)
{
    *n = sendable(s);
    return *n ? redwi_buf_front(&s->out) : NULL;
}

/* All was sent. */
static void rest_output(struct redwi_session *s)
{
    struct redwi_buf *out = &s->out;
    /* Of a unit that is being written the buffer may have to remember that it failed. */
    if (s->unit_open)
        return;
    if (!out->spares) {
        if (out->cap > OUTPUT_KEEP)
            redwi_buf_free(out);
    } else if (out->secret || out->cap > OUTPUT_SHARED) {
        redwi_buf_free(out);
    } else {
        redwi_buf_rest(out);
    }
}

void redwi_session_sent(struct redwi_session *s, size_t n)
{
    /* Counted after the end too: a unit's outcome depends on it. */
    s->sent += n;
    if (s->traces && n)
        redwi_trace_feed(&s->traces->sent, redwi_buf_front(&s->out), n);
    redwi_buf_take(&s->out, n);
    if (s->unit_open)
        s->unit_at -= n;
    if (redwi_buf_len(&s->out))
        return;
    rest_output(s);
    s->out.secret = s->out.secret && !redwi_session_logged_in(s);
}

/* --- events ------------------------------------------------------------------------------------- */

static void report_fatal(struct redwi_session *s, struct redwi_ev *ev)
{
    ev->kind = REDWI_EV_FATAL;
    ev->error = s->fatal;
    s->fatal = NULL;
    s->fatal_due = false;
}

enum redwi_ev_kind redwi_session_next(struct redwi_session *s, struct redwi_ev *ev)
{
    for (;;) {
        if (s->rows_due && rows_in_front(s, ev))
            return REDWI_EV_ROWS;
        *ev = (struct redwi_ev){0};
        bool went_on = advance(s, ev);
        if (!went_on && s->ended && s->phase != REDWI_PHASE_DEAD)
            redwi_die_ended(s);
        if (s->fatal_due)
            report_fatal(s, ev);
        if (ev->kind || !went_on)
            break;
    }
    if (!ev->kind && !s->in.resting)
        rest_input(s);
    return ev->kind;
}

bool redwi_session_work(struct redwi_session *s, unsigned iterations)
{
    if (s->phase != REDWI_PHASE_LOGIN || s->auth.step != REDWI_AUTH_DERIVING)
        return false;
    redw_error *e = redwi_auth_work(&s->auth, iterations, &s->out);
    if (e)
        redwi_die(s, e);
    return !e && s->auth.step == REDWI_AUTH_DERIVING;
}

void redwi_session_rows_taken(struct redwi_session *s, const uint8_t *upto)
{
    if (s->phase == REDWI_PHASE_DEAD)
        return;
    size_t n = (size_t)(upto - redwi_buf_front(&s->in));
    redwi_buf_take(&s->in, n);
    s->need = 0;
}

void redwi_session_corrupt(struct redwi_session *s, const char *what)
{
    redwi_die_protocol(s, what, "in DataRow");
}

/* --- units -------------------------------------------------------------------------------------- */

struct redwi_buf *redwi_session_unit_begin(struct redwi_session *s)
{
    if (!redwi_session_logged_in(s) || !redwi_reply_queue_reserve(&s->queue))
        return NULL;
    redwi_session_take_back_unit(s);
    /* What the login put here was wiped as it left; wiping the room of a large statement takes long. */
    if (!redwi_buf_len(&s->out))
        s->out.secret = false;
    s->unit_at = redwi_buf_mark(&s->out);
    s->unit_open = true;
    return &s->out;
}

struct redwi_buf *redwi_session_unit_more(struct redwi_session *s, size_t *base)
{
    if (!s->unit_open || !redwi_session_logged_in(s))
        return NULL;
    *base = s->unit_at;
    return &s->out;
}

void redwi_session_unit_drop(struct redwi_session *s)
{
    redwi_session_take_back_unit(s);
}

int redwi_session_unit_end(struct redwi_session *s, void *tag, unsigned sent, enum redw_outcome on_error)
{
    return redwi_session_batch_end(s, tag, sent, 0, 0, on_error);
}

int redwi_session_batch_end(struct redwi_session *s, void *tag, unsigned sent, unsigned again, size_t more,
                            enum redw_outcome on_error)
{
    if (!s->unit_open)
        return REDW_EINVAL;
    s->unit_open = false;
    if (!(sent & REDWI_SENT_QUERY))
        redwi_fe_sync(&s->out);
    int code = put_done(s, s->unit_at);
    if (code)
        return code;
    const struct redwi_reply reply = {
        .tag = tag,
        .at = s->sent + s->unit_at,
        .end = s->sent + redwi_buf_mark(&s->out),
        .on_error = on_error,
        .sent = sent,
        .again = again,
        .more = more,
    };
    redwi_reply_queue_push(&s->queue, &reply);
    redwi_session_set_phase(s, REDWI_PHASE_BUSY);
    return 0;
}

int redwi_session_query(struct redwi_session *s, void *tag, const char *sql, size_t n,
                        enum redw_outcome on_error)
{
    struct redwi_buf *b = redwi_session_unit_begin(s);
    if (!b)
        return REDW_ENOMEM;
    redwi_fe_query(b, sql, n);
    return redwi_session_unit_end(s, tag, REDWI_SENT_QUERY, on_error);
}

bool redwi_session_take_back(struct redwi_session *s, const void *tag)
{
    const struct redwi_reply *first = redwi_reply_queue_last_run(&s->queue, tag);
    if (!first || s->sent > first->at || s->phase != REDWI_PHASE_BUSY)
        return false;
    uint64_t at = first->at;
    redwi_session_take_back_unit(s);
    if (s->sent + redwi_buf_mark(&s->out) != redwi_reply_queue_back(&s->queue)->end) /* CopyFail is behind it */
        return false;
    redwi_buf_cut(&s->out, (size_t)(at - s->sent));
    while (s->queue.count && redwi_reply_queue_back(&s->queue)->at >= at)
        redwi_reply_queue_pop_back(&s->queue);
    redwi_session_set_phase(s, s->queue.count ? REDWI_PHASE_BUSY : REDWI_PHASE_READY);
    return true;
}

void redwi_session_discard(struct redwi_session *s, void *tag)
{
    for (struct redwi_reply *r; tag && (r = redwi_reply_queue_find(&s->queue, tag));)
        r->tag = NULL;
    redwi_session_look_at_front(s);
}

enum redw_outcome redwi_session_outcome(const struct redwi_session *s, const void *tag)
{
    const struct redwi_reply *r = redwi_reply_queue_find(&s->queue, tag);
    return r && s->sent <= r->at ? REDW_OUTCOME_NOT_SENT : REDW_OUTCOME_UNKNOWN;
}

void redwi_session_terminate(struct redwi_session *s)
{
    if (s->phase != REDWI_PHASE_READY || s->unit_open)
        return;
    size_t mark = redwi_buf_mark(&s->out);
    redwi_fe_terminate(&s->out);
    put_done(s, mark);
}

void redwi_session_key(const struct redwi_session *s, uint32_t *pid, const uint8_t **key, size_t *n)
{
    *pid = s->pid;
    *key = s->has_key ? s->key : NULL;
    *n = s->key_len;
}

const char *redwi_session_parameter(const struct redwi_session *s, const char *name)
{
    return redwi_parameters_get(&s->parameters, name);
}

bool redwi_session_is_redshift(const struct redwi_session *s)
{
    return s->is_redshift;
}

bool redwi_session_names_refused(const struct redwi_session *s)
{
    return s->names_refused;
}

size_t redwi_session_units(const struct redwi_session *s)
{
    return s->queue.count;
}

bool redwi_session_has_input(const struct redwi_session *s)
{
    return redwi_buf_len(&s->in) > 0;
}
