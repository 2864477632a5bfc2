/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is read next: the answers that nearly all messages are, by the shortest way, and for anything else all
 * there is to it (session.c).
 *
 * Nothing is done here that is not done there. A message is taken here if it is whole, due, within its bounds,
 * well-formed and somebody's, which is a few looks for each type; otherwise nothing of it was touched, and
 * there it is looked at anew. The six answers of a small query take 350 instructions so, and took 640 when each was
 * looked up in the table. What is due is asked first, and nothing follows the steps that report something:
 * redwi_session_next() saves next to no register.
 */
#include "wire/steps.h"

#include "wire/be_read.h"

#define NOINLINE static __attribute__((noinline))

#define DUE(r, what) ((r)->due == REDWI_DUE_##what)

/* The answers that say no more than that they came, by what is due: of the table in session.c, what
 * redwi_on_step takes. */
#define ANSWER(type) (0x100u | (type)) /* 0: there is none, and no type has it */
static const uint16_t answers[] = {
    [REDWI_DUE_CLOSE] = ANSWER('3'),
    [REDWI_DUE_PARSE] = ANSWER('1'),
    [REDWI_DUE_BIND] = ANSWER('2'),
    [REDWI_DUE_DESCRIBE] = ANSWER('n'),
    [REDWI_DUE_FAILED] = 0,
};

/* Of a whole header. BindComplete may have to be reported: next_bound(). */
static inline bool is_answer(const struct redwi_reply *r, const uint8_t *p)
{
    return ANSWER(p[0]) == answers[r->due] && redwi_load32(p + 1) == sizeof(uint32_t) &&
           !(r->sent & REDWI_SENT_REPORT_BIND);
}

/* ParseComplete and BindComplete to what redwi_fe_unnamed() writes, and a description behind them: so nearly every
 * answer begins. */
#define BOTH_BYTES ((size_t)2 * REDWI_HEADER_BYTES)
static inline bool are_both(const struct redwi_session *s, const struct redwi_reply *r, const uint8_t *p)
{
    return r->sent == REDWI_SENT_UNNAMED && DUE(r, PARSE) &&
           redwi_buf_len(&s->in) >= BOTH_BYTES + REDWI_HEADER_BYTES &&
           memcmp(p, "1\0\0\0\4" "2\0\0\0\4", BOTH_BYTES) == 0 && p[BOTH_BYTES] == 'T';
}

static inline const uint8_t *front_of(const struct redwi_session *s)
{
    return s->in.data + s->in.head;
}

/* The bytes stay where they are until there is room to be made. */
static inline void take(struct redwi_session *s, size_t n)
{
    redwi_buf_take_plain(&s->in, n);
    s->need = 0;
}

/* What else the kind tells is set already. */
static inline enum redwi_ev_kind report(struct redwi_ev *ev, enum redwi_ev_kind kind, const struct redwi_reply *r)
{
    ev->kind = kind;
    ev->unit = r->tag;
    return kind;
}

/* RowDescription, of a portal, as it was the last time: that one was within the bounds. */
NOINLINE enum redwi_ev_kind next_columns(struct redwi_session *s, struct redwi_ev *ev)
{
    struct redwi_reply *r = redwi_session_front(s);
    const uint8_t *p = front_of(s), *body = p + REDWI_HEADER_BYTES;
    size_t len = redwi_load32(p + 1), body_len = len - sizeof(uint32_t);
    if (!DUE(r, DESCRIBE) || p[0] != 'T' || len >= redwi_buf_len(&s->in) ||
        !redwi_description_again(&s->description, body, body_len, s->row_version))
        return redwi_session_next_of_all(s, ev);
    take(s, len + 1);
    redwi_reply_described(r);
    ev->columns = &s->description.columns;
    return report(ev, REDWI_EV_COLUMNS, r);
}

/* CommandComplete, at p; one of another length than most have goes the long way. */
NOINLINE enum redwi_ev_kind next_complete(struct redwi_session *s, struct redwi_ev *ev, struct redwi_reply *r,
                                          const uint8_t *p)
{
    size_t len = redwi_load32(p + 1), tag_len = len - sizeof(uint32_t) - 1;
    const uint8_t *tag = p + REDWI_HEADER_BYTES;
    if (len >= redwi_buf_len(&s->in) || !redwi_be_is_short_tag(tag, tag_len))
        return redwi_session_next_of_all(s, ev);
    take(s, len + 1);
    redwi_reply_complete(r);
    ev->data = tag;
    ev->len = tag_len;
    return report(ev, REDWI_EV_COMPLETE, r);
}

/* DataRow: nothing is looked at but the header of the first, the owner takes as many as there are. */
static inline enum redwi_ev_kind next_rows(struct redwi_session *s, struct redwi_ev *ev,
                                           const struct redwi_reply *r, const uint8_t *p)
{
    uint32_t len = redwi_load32(p + 1);
    if (!redwi_be_surely_within('D', len) || len >= redwi_buf_len(&s->in))
        return redwi_session_next_of_all(s, ev);
    ev->data = p;
    ev->len = redwi_buf_len(&s->in);
    return report(ev, REDWI_EV_ROWS, r);
}

/* ReadyForQuery. */
static inline enum redwi_ev_kind next_ready(struct redwi_session *s, struct redwi_ev *ev,
                                            const struct redwi_reply *r, const uint8_t *p)
{
    char status;
    if (redwi_load32(p + 1) != sizeof(uint32_t) + 1 || redwi_buf_len(&s->in) == REDWI_HEADER_BYTES ||
        !redwi_be_ready(p + REDWI_HEADER_BYTES, 1, &status))
        return redwi_session_next_of_all(s, ev);
    take(s, REDWI_HEADER_BYTES + 1);
    ev->status = status;
    report(ev, REDWI_EV_READY, r);
    redwi_session_unit_ended(s);
    return REDWI_EV_READY;
}

/* Nothing to read, to report, to give back: so it is after the last answer, and whenever somebody just asks. */
static inline bool is_at_rest(const struct redwi_session *s)
{
    return !redwi_buf_len(&s->in) && redwi_session_logged_in(s) && !s->ended && !s->in_login &&
           s->in.cap <= REDWI_INPUT_BYTES;
}

NOINLINE enum redwi_ev_kind rest(struct redwi_session *s, struct redwi_ev *ev)
{
    if (!is_at_rest(s))
        return redwi_session_next_of_all(s, ev);
    ev->kind = REDWI_EV_NONE;
    if (s->in.shared)
        redwi_buf_rest(&s->in);
    return REDWI_EV_NONE;
}

/* BindComplete, where it is to be reported. */
NOINLINE enum redwi_ev_kind next_bound(struct redwi_session *s, struct redwi_ev *ev)
{
    struct redwi_reply *r = redwi_session_front(s);
    const uint8_t *p = front_of(s);
    if (!DUE(r, BIND) || p[0] != '2' || redwi_load32(p + 1) != sizeof(uint32_t))
        return next_columns(s, ev);
    take(s, REDWI_HEADER_BYTES);
    redwi_reply_step(r);
    return report(ev, REDWI_EV_BOUND, r);
}

/* Answers, and then what is behind them. */
NOINLINE enum redwi_ev_kind next_behind_answers(struct redwi_session *s, struct redwi_ev *ev)
{
    struct redwi_reply *r = redwi_session_front(s);
    if (!is_answer(r, front_of(s)))
        return next_bound(s, ev);
    do {
        redwi_buf_take_plain(&s->in, REDWI_HEADER_BYTES);
        redwi_reply_step(r);
    } while (redwi_buf_len(&s->in) >= REDWI_HEADER_BYTES && is_answer(r, front_of(s)));
    return redwi_session_next(s, ev);
}

enum redwi_ev_kind redwi_session_next(struct redwi_session *s, struct redwi_ev *ev)
{
    if (s->phase != REDWI_PHASE_BUSY || redwi_buf_len(&s->in) < REDWI_HEADER_BYTES)
        return rest(s, ev);
    struct redwi_reply *r = redwi_session_front(s);
    const uint8_t *p = front_of(s);
    if (!r->tag)
        return redwi_session_next_of_all(s, ev);
    if (DUE(r, ROWS) && p[0] == 'D')
        return next_rows(s, ev, r, p);
    if (p[0] == 'C' && (DUE(r, ROWS) || DUE(r, EXECUTE)))
        return next_complete(s, ev, r, p);
    if (DUE(r, SYNC) && p[0] == 'Z')
        return next_ready(s, ev, r, p);
    if (!are_both(s, r, p))
        return next_behind_answers(s, ev);
    s->in.head += BOTH_BYTES;
    r->due = REDWI_DUE_DESCRIBE;
    return next_columns(s, ev);
}
