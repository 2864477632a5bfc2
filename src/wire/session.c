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

/* What the input grows by for an owner that does not take. */
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

/* Not below the longest message of another type (REDWI_DATA_ROW_LEAST): then no row that fits what the
 * buffer may have grown to is over its bound, and rows behind the first need no look at their headers
 * here. */
#define DATA_ROW_DEFAULT (64 * KIB * KIB)
#define DATA_ROW_MAX     (((size_t)1 << 30) - 1)
#define CANCEL_NOISE_MAX (32 * KIB) /* what a server may say to a CancelRequest */

/* --- the table ---------------------------------------------------------------------------------- */

/* A moment: what the unit in front waits for, or while none is under way the phase. */
#define DUE(what)  (1u << REDWI_DUE_##what)
#define IN_(phase) (1u << (16 + (phase)))
#define IN(phase)  IN_(REDWI_PHASE_##phase)
#define BUSY       0xffffu /* whatever is due */
#define ALWAYS     (IN(LOGIN) | IN(SETTLING) | IN(READY) | BUSY)
#define ANY_ERROR  (DUE(FAILED) | DUE(COPY_OUT)) /* the unit's error was reported already */
#define ROWS_DUE   (DUE(ROWS) | DUE(QUERY_ROWS))

/* What may be done with a type, and when. */
struct rule {
    unsigned when;
    redwi_on_message *take;
};

#define RULES_MAX 3
static const struct message_type {
    _Alignas(64) const char *name; /* a cache line each */
    struct rule rules[RULES_MAX];
} types[128] = {
    ['D'] = {"DataRow", {{ROWS_DUE, redwi_on_nothing}}}, /* discarded; others: report_rows */
    ['1'] = {"ParseComplete", {{DUE(PARSE), redwi_on_step}}},
    ['2'] = {"BindComplete", {{DUE(BIND), redwi_on_bound}}},
    ['3'] = {"CloseComplete", {{DUE(CLOSE), redwi_on_step}}},
    ['t'] = {"ParameterDescription", {{DUE(PARAMETERS), redwi_on_parameter_types}}},
    ['T'] = {"RowDescription", {{DUE(COLUMNS) | DUE(DESCRIBE) | DUE(QUERY), redwi_on_columns}}},
    ['n'] = {"NoData", {{DUE(DESCRIBE), redwi_on_step}, {DUE(COLUMNS), redwi_on_no_columns}}},
    ['C'] = {"CommandComplete",
             {{DUE(EXECUTE) | DUE(QUERY) | ROWS_DUE, redwi_on_complete},
              {DUE(COPY_OUT), redwi_on_copy_complete}}},
    ['I'] = {"EmptyQueryResponse", {{DUE(EXECUTE) | DUE(QUERY), redwi_on_empty}}},
    ['s'] = {"PortalSuspended", {{DUE(EXECUTE) | DUE(ROWS), redwi_on_suspended}}},
    ['Z'] = {"ReadyForQuery",
             {{DUE(SYNC) | DUE(FAILED) | DUE(QUERY), redwi_on_ready}, {IN(SETTLING), redwi_on_logged_in}}},
    ['E'] = {"ErrorResponse",
             {{BUSY & ~ANY_ERROR, redwi_on_unit_error},
              {ANY_ERROR, redwi_on_later_error},
              {IN(LOGIN) | IN(SETTLING) | IN(READY), redwi_on_last_words}}},
    ['N'] = {"NoticeResponse", {{ALWAYS, redwi_on_notice}}},
    ['S'] = {"ParameterStatus", {{ALWAYS, redwi_on_parameter}}},
    ['A'] = {"NotificationResponse", {{IN(READY) | BUSY, redwi_on_nothing}}},
    ['R'] = {"Authentication", {{IN(LOGIN), redwi_on_authentication}}},
    ['v'] = {"NegotiateProtocolVersion", {{IN(LOGIN), redwi_on_negotiate}}},
    ['K'] = {"BackendKeyData", {{IN(SETTLING), redwi_on_key}}},
    ['G'] = {"CopyInResponse", {{DUE(EXECUTE), redwi_on_copy_in}}},
    ['H'] = {"CopyOutResponse", {{DUE(EXECUTE), redwi_on_copy_out}}},
    ['d'] = {"CopyData", {{DUE(COPY_OUT), redwi_on_nothing}}},
    ['c'] = {"CopyDone", {{DUE(COPY_OUT), redwi_on_nothing}}},
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

static unsigned moment(const struct redwi_session *s)
{
    if (s->phase == REDWI_PHASE_BUSY)
        return 1u << redwi_session_front(s)->due;
    return IN_(s->phase);
}

static bool rows_due(const struct redwi_session *s)
{
    return moment(s) & ROWS_DUE;
}

/* The rule for a type now; NULL if there is none. */
static const struct rule *rule_for(const struct redwi_session *s, uint8_t type)
{
    unsigned now = moment(s);
    for (size_t i = 0; type < 128 && i < RULES_MAX; i++) {
        if (types[type].rules[i].when & now)
            return &types[type].rules[i];
    }
    return NULL;
}

/* --- input -------------------------------------------------------------------------------------- */

static bool is_within(const struct redwi_session *s, uint8_t type, uint32_t len)
{
    if (redwi_be_surely_within(type, len))
        return true;
    /* What has no bounds is outside them. */
    size_t min = SIZE_MAX, max = 0;
    (void)redwi_be_limits((char)type, redwi_session_logged_in(s), s->row_max, &min, &max);
    return len >= min && len <= max;
}

/* Takes what is in front, a whole message that its rule allows. A row with an owner stays, and nothing
 * is looked at but the header of the first: the owner takes as many as there are. */
static enum redwi_ev_kind take_message(struct redwi_session *s, const struct rule *rule,
                                              struct redwi_ev *ev)
{
    const uint8_t *p = s->in.data + s->in.head;
    size_t len = redwi_load32(p + 1);
    if (p[0] == 'D' && redwi_session_front(s)->tag) {
        *ev = (struct redwi_ev){
            .kind = REDWI_EV_ROWS,
            .unit = redwi_session_front(s)->tag,
            .data = p,
            .len = redwi_buf_len(&s->in),
        };
        return REDWI_EV_ROWS;
    }
    /* The bytes stay where they are until there is room to be made. */
    redwi_buf_take_plain(&s->in, len + 1);
    s->need = 0;
    return rule->take(s, (struct redwi_message){p + REDWI_HEADER_BYTES, len - sizeof(uint32_t)}, ev);
}

/* The rule for the message in front; NULL: it is not whole yet, or it ended the session. The bounds are
 * checked before the body is waited for. */
static const struct rule *check_message(struct redwi_session *s)
{
    size_t n = redwi_buf_len(&s->in);
    if (n < REDWI_HEADER_BYTES)
        return NULL;
    const uint8_t *p = redwi_buf_front(&s->in);
    uint32_t len = redwi_load32(p + 1);
    const struct rule *rule = rule_for(s, p[0]);
    if (!rule) {
        die_unexpected(s, p[0]);
        return NULL;
    }
    if (!is_within(s, p[0], len)) {
        redwi_die_protocol(s, "length out of bounds in", types[p[0]].name);
        return NULL;
    }
    if (len < n)
        return rule;
    s->need = (size_t)len + 1;
    return NULL;
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
        s->phase = REDWI_PHASE_TLS_WAIT;
        *ev = (struct redwi_ev){.kind = REDWI_EV_START_TLS};
    }
}

/* TLS without asking for it: the server's answer is the handshake itself. */
static void start_tls_unasked(struct redwi_session *s, struct redwi_ev *ev)
{
    s->phase = REDWI_PHASE_TLS_WAIT;
    *ev = (struct redwi_ev){.kind = REDWI_EV_START_TLS};
}

static void drop_noise(struct redwi_session *s)
{
    size_t n = redwi_buf_len(&s->in);
    redwi_buf_take(&s->in, n);
    s->noise += n;
    if (s->noise > CANCEL_NOISE_MAX)
        redwi_die_protocol(s, "too many", "bytes");
}

enum passage {
    PASSAGE_STUCK,    /* nothing more can be done with what was received */
    PASSAGE_WENT_ON,
    PASSAGE_MESSAGES, /* they are what is to be read */
};

/* In the phases without messages. */
static enum passage pass(struct redwi_session *s, struct redwi_ev *ev)
{
    bool any = redwi_buf_len(&s->in) > 0;
    switch (s->phase) {
    case REDWI_PHASE_DEAD:
    case REDWI_PHASE_START:
    case REDWI_PHASE_TLS_WAIT:
        return PASSAGE_STUCK;
    case REDWI_PHASE_TLS_ASKED:
        if (s->config.tls_direct)
            start_tls_unasked(s, ev);
        else if (any)
            take_tls_answer(s, ev);
        else
            return PASSAGE_STUCK;
        return PASSAGE_WENT_ON;
    case REDWI_PHASE_CANCEL:
        if (!any)
            return PASSAGE_STUCK;
        drop_noise(s);
        return PASSAGE_WENT_ON;
    case REDWI_PHASE_LOGIN:
        /* After the end only the server's last words are of interest, not its iterations. */
        if (s->auth.step != REDWI_AUTH_DERIVING || s->ended)
            return PASSAGE_MESSAGES;
        *ev = (struct redwi_ev){.kind = REDWI_EV_WORK};
        return PASSAGE_WENT_ON;
    default: /* SETTLING */
        return PASSAGE_MESSAGES;
    }
}

/* What it may be without a long message. */
static size_t most_input(const struct redwi_session *s)
{
    return rows_due(s) ? INPUT_FLOODED : REDWI_INPUT_BYTES;
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
    if (s->in.shared && !s->in_login)
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
    if (s->row_max < REDWI_DATA_ROW_LEAST)
        s->row_max = REDWI_DATA_ROW_LEAST;
    if (s->row_max > DATA_ROW_MAX)
        s->row_max = DATA_ROW_MAX;
    if (config->cancel_key) {
        memcpy(s->key, config->cancel_key, config->cancel_key_len);
        s->config.cancel_key = s->key;
    }
    redwi_buf_init(&s->in, config->mem, REDWI_INPUT_BYTES);
    redwi_buf_init(&s->out, config->mem, OUTPUT_MAX);
    s->out.secret = true;
    if (config->buffers) {
        s->in.shared = &config->buffers->in;
        s->out.shared = &config->buffers->out;
    }
    redwi_reply_queue_init(&s->queue, config->mem);
    redwi_parameters_init(&s->parameters, config->mem);
    redwi_description_init(&s->description, config->mem);
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
    redwi_description_free(&s->description);
    redwi_buf_free_wiped(&s->in);
    redwi_buf_free(&s->out);
    redw_error_release(s->fatal);
    redw_error_release(s->why);
    redwi_free_secret(s->config.mem, s, sizeof *s);
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
    int code = redwi_session_put_done(s, mark);
    if (!code)
        s->phase = c->cancel_key ? REDWI_PHASE_CANCEL : REDWI_PHASE_LOGIN;
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
    int code = redwi_session_put_done(s, mark);
    if (!code)
        s->phase = REDWI_PHASE_TLS_ASKED;
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
    return s->in.tail == s->in.cap && s->in.cap == REDWI_INPUT_BYTES && s->in.head > REDWI_INPUT_BYTES / 2;
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
    if (in->cap > INPUT_FIRST || !in->shared || rows_due(s) || s->need > INPUT_FIRST)
        return REDWI_INPUT_BYTES;
    bool filled = in->cap && in->tail == in->cap;
    return filled ? REDWI_INPUT_BYTES : INPUT_FIRST;
}

/* So it is nearly always: nothing waits, and it has the size it is to have. (The first one has only what is shared.) */
static inline bool has_usual_room(const struct redwi_session *s)
{
    const struct redwi_buf *in = &s->in;
    return !redwi_buf_len(in) &&
           (in->cap >= REDWI_INPUT_BYTES || (in->cap == INPUT_FIRST && !rows_due(s)));
}

__attribute__((noinline)) static uint8_t *make_room(struct redwi_session *s, size_t *room)
{
    size_t usual = usual_input(s), len = redwi_buf_len(&s->in);
    *room = 0;
    if (is_flooded(s))
        widen_input(s);
    /* The buffer grows by doubling, but never further than the message in front needs: a header alone
     * makes no server own much of our memory. An owner that feeds on without taking what is whole gets
     * its room too. */
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

uint8_t *redwi_session_input(struct redwi_session *s, size_t *room)
{
    if (s->phase == REDWI_PHASE_DEAD) {
        *room = 0;
        return NULL;
    }
    s->in.resting = false;
    if (!has_usual_room(s))
        return make_room(s, room);
    *room = s->in.cap;
    return s->in.data;
}

/* True: there it is. What comes before the handshake, but for the one answer that is awaited, is
 * nobody's word. */
static bool may_receive(struct redwi_session *s)
{
    if (s->phase > REDWI_PHASE_TLS_WAIT || (s->phase == REDWI_PHASE_TLS_ASKED && !s->config.tls_direct))
        return true;
    redwi_die_tls(s, "unencrypted bytes before the TLS handshake");
    return false;
}

static void note_top(struct redwi_session *s)
{
    if (s->in.tail > s->in.top)
        s->in.top = s->in.tail;
}

/* Before the login is done, or somebody looks on, or nothing came. */
__attribute__((noinline)) static void received_with_care(struct redwi_session *s, size_t n)
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
    if (may_receive(s))
        redwi_buf_added(&s->in, n);
    note_top(s);
    s->in_login |= !redwi_session_logged_in(s);
}

void redwi_session_received(struct redwi_session *s, size_t n)
{
    if (!n || s->traces || !redwi_session_logged_in(s)) {
        received_with_care(s, n);
        return;
    }
    redwi_buf_added(&s->in, n);
    note_top(s);
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
static inline size_t sendable(const struct redwi_session *s)
{
    if (s->phase == REDWI_PHASE_DEAD)
        return 0;
    return s->unit_open ? s->unit_at : redwi_buf_len(&s->out);
}

_Static_assert(offsetof(struct redwi_session, out) == 0, "redwi_session_has_output() counts on it");

size_t redwi_session_sendable(const struct redwi_session *s)
{
    return sendable(s);
}

const uint8_t *redwi_session_output(const struct redwi_session *s, size_t *n)
{
    *n = sendable(s);
    return *n ? s->out.data + s->out.head : NULL;
}

/* All was sent, and of no unit that is being written: of that the buffer may have to remember that it failed. */
static void rest_output(struct redwi_session *s)
{
    struct redwi_buf *out = &s->out;
    if (!out->shared) {
        if (out->cap > OUTPUT_KEEP)
            redwi_buf_free(out);
    } else if (out->secret || out->cap > OUTPUT_SHARED) {
        redwi_buf_free(out);
    } else {
        redwi_buf_rest(out);
    }
}

/* What was sent is seen, is secret, or is followed by a unit that is being written. */
__attribute__((noinline)) static void left_with_care(struct redwi_session *s, size_t n)
{
    if (s->traces && n)
        redwi_trace_feed(&s->traces->sent, redwi_buf_front(&s->out), n);
    redwi_buf_take(&s->out, n);
    if (s->unit_open)
        s->unit_at -= n;
    if (redwi_buf_len(&s->out))
        return;
    if (!s->unit_open)
        rest_output(s);
    s->out.secret = s->out.secret && !redwi_session_logged_in(s);
}

void redwi_session_sent(struct redwi_session *s, size_t n)
{
    /* Counted after the end too: a unit's outcome depends on it. */
    s->sent += n;
    if (s->traces || s->out.secret || s->unit_open) {
        left_with_care(s, n);
        return;
    }
    redwi_buf_take_plain(&s->out, n);
    if (!redwi_buf_len(&s->out))
        rest_output(s);
}

/* --- events ------------------------------------------------------------------------------------- */

static enum redwi_ev_kind report_fatal(struct redwi_session *s, struct redwi_ev *ev)
{
    *ev = (struct redwi_ev){.kind = REDWI_EV_FATAL, .error = s->fatal};
    s->fatal = NULL;
    s->fatal_due = false;
    return REDWI_EV_FATAL;
}

/* Everything was read that can be. */
static enum redwi_ev_kind stop(struct redwi_session *s, struct redwi_ev *ev)
{
    if (s->ended && s->phase != REDWI_PHASE_DEAD)
        redwi_die_ended(s);
    if (s->fatal_due)
        return report_fatal(s, ev);
    if (!s->in.resting)
        rest_input(s);
    ev->kind = REDWI_EV_NONE;
    return REDWI_EV_NONE;
}

enum redwi_ev_kind redwi_session_next_of_all(struct redwi_session *s, struct redwi_ev *ev)
{
    for (;;) {
        ev->kind = REDWI_EV_NONE;
        enum passage passage = redwi_session_logged_in(s) ? PASSAGE_MESSAGES : pass(s, ev);
        if (passage == PASSAGE_MESSAGES) {
            const struct rule *rule = check_message(s);
            if (!rule)
                return stop(s, ev);
            ev->kind = take_message(s, rule, ev);
        } else if (passage == PASSAGE_STUCK) {
            return stop(s, ev);
        }
        if (ev->kind)
            return ev->kind;
    }
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
    redwi_buf_take_plain(&s->in, (size_t)(upto - (s->in.data + s->in.head)));
    s->need = 0;
}

void redwi_session_corrupt(struct redwi_session *s, const char *what)
{
    redwi_die_protocol(s, what, "in DataRow");
}

/* --- the rest ---------------------------------------------------------------------------------- */

void redwi_session_terminate(struct redwi_session *s)
{
    if (s->phase != REDWI_PHASE_READY || s->unit_open)
        return;
    size_t mark = redwi_buf_mark(&s->out);
    redwi_fe_terminate(&s->out);
    redwi_session_put_done(s, mark);
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
