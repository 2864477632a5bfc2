/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a session, shared by its files: session.c has the table of what may come when and the
 * functions of session.h, but for redwi_session_next(), in usual.c, and those about units, in units.c; steps.c
 * has what each message does. Nobody else includes this.
 *
 * A step gets a whole message whose type was legal and whose length was within its bounds. If there is
 * something to report it sets *ev, all of it, and returns its kind, else NONE; it redwi_die()s if the message is
 * malformed.
 */
#ifndef REDWI_WIRE_STEPS_H
#define REDWI_WIRE_STEPS_H

#include "wire/auth.h"
#include "wire/description.h"
#include "wire/parameters.h"
#include "wire/reply_queue.h"
#include "wire/session.h"
#include "wire/trace.h"

#define REDWI_HEADER_BYTES 5 /* type and length */

/* The input's size but for longer messages. It is compacted when less than a quarter is left. */
#define REDWI_INPUT_BYTES ((size_t)64 << 10)

enum redwi_phase {
    REDWI_PHASE_START = 0,
    REDWI_PHASE_TLS_ASKED,
    REDWI_PHASE_TLS_WAIT,
    REDWI_PHASE_LOGIN,
    REDWI_PHASE_SETTLING, /* LOGIN after AuthenticationOk */
    REDWI_PHASE_READY,
    REDWI_PHASE_BUSY,
    REDWI_PHASE_CANCEL,
    REDWI_PHASE_DEAD,
};

struct redwi_session {
    struct redwi_buf out, in; /* out is the first: redwi_session_has_output() */
    struct redwi_session_config config;
    enum redwi_phase phase;
    bool in_login;   /* `in` has, or had, what came before the login was done */
    size_t need;     /* whole length of the message in front, once its header passed; 0: not known yet */
    size_t row_max;  /* largest length word of a DataRow */
    bool is_redshift;             /* as it reported */
    unsigned row_version;         /* of RowDescription, as the server says (protocol 1.2) */
    struct redwi_description description; /* the last one; of its columns COLUMNS gives a view */
    bool unit_open;  /* between unit_begin and unit_end */
    size_t unit_at;  /* the unit's mark in out */
    uint64_t sent;   /* bytes ever taken from the output */
    size_t noise;    /* CANCEL: bytes ignored so far */
    struct redwi_auth auth;
    struct redwi_reply_queue queue;
    struct redwi_parameters parameters;
    struct redwi_session_traces {
        struct redwi_trace sent, received;
    } *traces; /* NULL: nobody looks on */

    bool ended;         /* the transport did */
    redw_error *why;    /* ...as its owner says; NULL: it did not say */
    bool fatal_due;     /* DEAD: FATAL is still to be reported... */
    redw_error *fatal;  /* ...with this */

    bool names_refused; /* DEAD: the server may not have known Redshift's startup names */
    bool has_key;
    uint32_t pid;
    uint8_t key[REDWI_KEY_MAX];
    size_t key_len;
};

struct redwi_message {
    const uint8_t *body;
    size_t len;
};

static inline bool redwi_session_logged_in(const struct redwi_session *s)
{
    return s->phase == REDWI_PHASE_READY || s->phase == REDWI_PHASE_BUSY;
}
/* The unit in front; there is one while the phase is BUSY. */
static inline struct redwi_reply *redwi_session_front(const struct redwi_session *s)
{
    return s->queue.front;
}
/* What was written since mark, or nothing of it. */
static inline int redwi_session_put_done(struct redwi_session *s, size_t mark)
{
    int code = s->out.failed;
    if (code)
        redwi_buf_cut(&s->out, mark);
    return code;
}
/* The unit in front has ended, with ReadyForQuery. */
static inline void redwi_session_unit_ended(struct redwi_session *s)
{
    redwi_reply_queue_pop(&s->queue);
    s->phase = s->queue.count ? REDWI_PHASE_BUSY : REDWI_PHASE_READY;
}
/* Forgets a unit that was begun and not ended. */
void redwi_session_take_back_unit(struct redwi_session *s);

/* All there is to redwi_session_next(). */
enum redwi_ev_kind redwi_session_next_of_all(struct redwi_session *s, struct redwi_ev *ev);

/* The end: FATAL is due with e, which is taken; NULL only for a cancel session that did its work. */
void redwi_die(struct redwi_session *s, redw_error *e);
/* "protocol: <what> <which> <while this was going on>" */
void redwi_die_protocol(struct redwi_session *s, const char *what, const char *which);
void redwi_die_tls(struct redwi_session *s, const char *what);
void redwi_die_no_memory(struct redwi_session *s);
void redwi_die_ended(struct redwi_session *s);

typedef enum redwi_ev_kind redwi_on_message(struct redwi_session *s, struct redwi_message m,
                                            struct redwi_ev *ev);

redwi_on_message redwi_on_nothing;        /* dropped */
redwi_on_message redwi_on_authentication; /* login */
redwi_on_message redwi_on_negotiate;
redwi_on_message redwi_on_key;
redwi_on_message redwi_on_logged_in;
redwi_on_message redwi_on_parameter;      /* at any time */
redwi_on_message redwi_on_notice;
redwi_on_message redwi_on_last_words;
redwi_on_message redwi_on_step;           /* of a unit */
redwi_on_message redwi_on_bound;
redwi_on_message redwi_on_parameter_types;
redwi_on_message redwi_on_columns;
redwi_on_message redwi_on_no_columns;
redwi_on_message redwi_on_suspended;
redwi_on_message redwi_on_complete;
redwi_on_message redwi_on_empty;
redwi_on_message redwi_on_unit_error;
redwi_on_message redwi_on_later_error;
redwi_on_message redwi_on_copy_in;
redwi_on_message redwi_on_copy_out;
redwi_on_message redwi_on_copy_complete;
redwi_on_message redwi_on_ready;

#endif
