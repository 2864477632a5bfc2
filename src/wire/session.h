/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's protocol machine, sans-IO: bytes of the peer in, bytes for the peer out, events out.
 * It knows no descriptor, clock, loop or TLS library, and never calls back.
 *
 *   owner: redwi_session_start()                 first bytes are in the output
 *   loop:  send redwi_session_output(), redwi_session_sent()
 *          recv into redwi_session_input(), redwi_session_received()
 *          while ((kind = redwi_session_next(s, &ev)) != REDWI_EV_NONE) act on ev
 *
 * Any partition of the input gives the same events (rows may come in other batches). Any doubt about
 * the stream ends in REDWI_EV_FATAL, after which nothing but freeing is of use.
 *
 * A unit is what one request sends, up to and with its Sync; its events carry its tag. A unit has ended
 * at REDWI_EV_READY, and only then has it succeeded. Units queue: the reply queue remembers what was
 * sent and so which answers are due.
 *
 * Phases:  START -> (TLS_ASKED -> TLS_WAIT) -> LOGIN -> READY <-> BUSY -> DEAD;  CANCEL for side connections.
 */
#ifndef REDWI_WIRE_SESSION_H
#define REDWI_WIRE_SESSION_H

#include "wire/buf.h"
#include "wire/buffers.h"
#include "wire/err.h"
#include "wire/login.h"
#include "wire/startup.h"

struct redwi_columns;
struct redwi_session;

struct redwi_session_config {
    const struct redw_allocator *mem;
    struct redwi_buffers *buffers;                  /* NULL: none are shared; must outlive the session */
    struct redwi_startup startup;                   /* texts must outlive the login */
    const char *password;                           /* NULL: none; must outlive the login */
    const char *token;                              /* of an identity provider; likewise */
    unsigned methods, methods_denied;               /* REDWI_LOGIN_* that may be used; 0: as login.h says,
                                                       but for the denied ones */
    enum redwi_binding binding;                     /* of SCRAM to TLS */
    bool tls;                                       /* ask for TLS first, and go no further without */
    bool tls_direct;                                /* tls: do not ask, begin with it (PostgreSQL 17) */
    bool tls_verified;                              /* ...and it verifies the server's certificate */
    size_t data_row_max;                            /* bytes of one DataRow; 0: 64 MiB; 4 MiB at least */
    int (*entropy)(void *ctx, void *p, size_t n);   /* 0: p is filled from the system's CSPRNG */
    void *entropy_ctx;

    /* Every message as a line (wire/trace.h); NULL: none. Never calls back into the session. */
    void (*trace)(void *ctx, const char *line, size_t n);
    void *trace_ctx;
    bool trace_values;

    /* A side connection that only sends CancelRequest: cancel_key != NULL. No login follows; after the
     * request is sent the server closes, which is REDWI_EV_FATAL with code REDW_OK's error NULL. */
    const uint8_t *cancel_key;
    size_t cancel_key_len;
    uint32_t cancel_pid;
};

int redwi_session_create(struct redwi_session **out, const struct redwi_session_config *config);
void redwi_session_free(struct redwi_session *s); /* NULL is allowed; wipes */

/* Once the transport is connected: SSLRequest, StartupMessage or CancelRequest into the output. */
int redwi_session_start(struct redwi_session *s);
/* After REDWI_EV_START_TLS, when the handshake is done: end_point is the channel binding (may be empty). */
int redwi_session_tls_started(struct redwi_session *s, const uint8_t *end_point, size_t n);

/* Room for received bytes: at least one byte, usually 64 KiB; grows only for a message larger than
 * that. NULL: no memory (the session is then dead and reports so). Views from events die here. */
uint8_t *redwi_session_input(struct redwi_session *s, size_t *room);
void redwi_session_received(struct redwi_session *s, size_t n);
/* The transport ended or failed. What was received before is still reported first; then FATAL, with the
 * server's own last words if there were any, else with `why` (owned from here on; NULL: "the server
 * closed the connection"). */
void redwi_session_ended(struct redwi_session *s, redw_error *why);

const uint8_t *redwi_session_output(const struct redwi_session *s, size_t *n);
size_t redwi_session_sendable(const struct redwi_session *s); /* how much that is */
/* Asked several times in each wake-up, when nearly always there is none: a session begins with its output's buffer. */
static inline bool redwi_session_has_output(const struct redwi_session *s)
{
    const struct redwi_buf *out = (const void *)s;
    return redwi_buf_len(out) > 0 && redwi_session_sendable(s) > 0;
}
void redwi_session_sent(struct redwi_session *s, size_t n);

enum redwi_ev_kind {
    REDWI_EV_NONE = 0,   /* feed more */
    REDWI_EV_START_TLS,  /* the server agreed; nothing more is read until redwi_session_tls_started */
    REDWI_EV_WORK,       /* CPU is needed: redwi_session_work(), then go on */
    REDWI_EV_LOGGED_IN,  /* first ReadyForQuery: units may be sent */
    REDWI_EV_PARAMETER_TYPES, /* data: ParameterDescription, its OIDs as n = len / 4 big-endian 32-bit values */
    REDWI_EV_COLUMNS,    /* columns; none of them: NoData, which is reported for a described statement only */
    REDWI_EV_BOUND,      /* BindComplete: the statement begins to run. Only if REDWI_SENT_REPORT_BIND was asked */
    REDWI_EV_ROWS,       /* data: from a complete DataRow message to the end of what is buffered. Take rows
                            with data/row.h, then redwi_session_rows_taken() before anything else */
    REDWI_EV_COMPLETE,   /* data: the command tag; empty for an empty query */
    REDWI_EV_SUSPENDED,  /* the Execute's limit was met: the portal has, perhaps, more */
    REDWI_EV_ERROR,      /* error: the server refused the unit; READY follows */
    REDWI_EV_NOTICE,     /* error: a notice; unit NULL when none is under way */
    REDWI_EV_PARAMETER,  /* data: name NUL value NUL */
    REDWI_EV_READY,      /* the unit ended; status */
    REDWI_EV_FATAL,      /* error: the connection is of no further use. Units still queued fail with it:
                            redwi_session_outcome() tells how each */
};
struct redwi_ev {         /* kind and unit are set, and what the kind tells; nothing else is to be read */
    enum redwi_ev_kind kind; /* NONE: nothing else is set */
    void *unit;           /* tag; NULL outside units and for discarded ones */
    const uint8_t *data;  /* view, until redwi_session_next says NONE or room for input is asked for */
    size_t len;
    const struct redwi_columns *columns; /* COLUMNS: a view as data is (wire/be_read.h) */
    redw_error *error;    /* owned by the receiver */
    char status;          /* READY, LOGGED_IN: transaction status I, T or E */
};
enum redwi_ev_kind redwi_session_next(struct redwi_session *s, struct redwi_ev *ev);

/* Up to n iterations of the login's key derivation; true: more to do (REDWI_EV_WORK comes again). */
bool redwi_session_work(struct redwi_session *s, unsigned iterations);

/* After ROWS: bytes before `upto` (a message boundary inside the event's data) are done with. With no
 * row taken the same event comes again. */
void redwi_session_rows_taken(struct redwi_session *s, const uint8_t *upto);
/* The owner found a row malformed: the next event is FATAL. */
void redwi_session_corrupt(struct redwi_session *s, const char *what);

/* What a unit's messages ask to be answered, in the order in which they must have been written. A bit's place is
 * that of the answer in enum redwi_due. */
enum {
    REDWI_SENT_CLOSE = 1 << 1,              /* Close, once */
    REDWI_SENT_PARSE = 1 << 2,
    REDWI_SENT_DESCRIBE_STATEMENT = 3 << 3, /* its parameters and columns: two answers */
    REDWI_SENT_BIND = 1 << 5,
    REDWI_SENT_DESCRIBE = 1 << 6,           /* the portal's columns */
    REDWI_SENT_EXECUTE = 1 << 7,
    REDWI_SENT_COLUMNS = 1 << 8,            /* nothing was sent, it is known: the Execute brings rows */
    REDWI_SENT_QUERY = 1 << 9,              /* one simple Query and nothing else: it takes no Sync */
    REDWI_SENT_LIMIT = 1 << 16,             /* the Execute has a limit: PortalSuspended may come */
    REDWI_SENT_REPORT_BIND = 1 << 17,       /* nothing was sent: BindComplete is to be reported */
    REDWI_SENT_UNNAMED = REDWI_SENT_PARSE | REDWI_SENT_BIND | REDWI_SENT_DESCRIBE | REDWI_SENT_EXECUTE,
};
/* A unit: begin gives the writer (wire/fe_write.h), end adds Sync and queues the unit. NULL or a code
 * (REDW_ENOMEM, REDW_EFULL): nothing was written, nothing queued. tag: not NULL. on_error: what an
 * ErrorResponse proves about this statement. Only in phases READY and BUSY. */
struct redwi_buf *redwi_session_unit_begin(struct redwi_session *s);
/* The writer again, of a unit that was begun and not ended; *base: where the unit begins in it. NULL: none is.
 * Nothing else is written meanwhile, so no other unit may be under way. And: it never was begun. */
struct redwi_buf *redwi_session_unit_more(struct redwi_session *s, size_t *base);
void redwi_session_unit_drop(struct redwi_session *s);
int redwi_session_unit_end(struct redwi_session *s, void *tag, unsigned sent, enum redw_outcome on_error);
/* The same for many statements under one Sync, which are one transaction: `sent` for the first, then
 * `more` times `again` (a statement parsed once is only bound and executed again; what is described of it counts
 * for all of them). COMPLETE comes for each in order; the first error skips all that is left of the unit. (COPY TO STDOUT fails without stopping the
 * server: in front of other statements it ends the session.) */
int redwi_session_batch_end(struct redwi_session *s, void *tag, unsigned sent, unsigned again, size_t more,
                            enum redw_outcome on_error);
/* A whole unit at once, of what redwi_fe_unnamed() writes. Codes as unit_end. */
int redwi_session_unnamed(struct redwi_session *s, void *tag, const char *sql, size_t n, bool binary,
                          enum redw_outcome on_error);
/* A unit of one simple Query: text that this library wrote, never the caller's (it may hold several
 * statements). Codes as unit_end. */
int redwi_session_query(struct redwi_session *s, void *tag, const char *sql, size_t n,
                        enum redw_outcome on_error);
/* Takes the newest units, as far as they are the tag's, out of the output again, if no byte of them was taken by
 * redwi_session_sent(): they never were. False: too late, or something is behind; nothing has changed. */
bool redwi_session_take_back(struct redwi_session *s, const void *tag);
/* Forgets the tag: its units' answers are read and dropped, READY comes with unit NULL. No-op if the tag
 * is not queued. */
void redwi_session_discard(struct redwi_session *s, void *tag);
/* NOT_SENT while no byte of the unit was taken by redwi_session_sent(), else UNKNOWN. */
enum redw_outcome redwi_session_outcome(const struct redwi_session *s, const void *tag);

/* Terminate into the output, as far as memory allows; only when no unit is queued. */
void redwi_session_terminate(struct redwi_session *s);

/* BackendKeyData; key NULL: the server sent none (cancel is then impossible). */
void redwi_session_key(const struct redwi_session *s, uint32_t *pid, const uint8_t **key, size_t *n);
/* What the server reported by ParameterStatus, the latest value; names compare without regard to case. NULL:
 * nothing, or the server reported so much that it was not kept (wire/parameters.h). Until
 * redwi_session_next(). */
const char *redwi_session_parameter(const struct redwi_session *s, const char *name);
/* Only Redshift reports padb_version or padb_revision. */
bool redwi_session_is_redshift(const struct redwi_session *s);
/* After FATAL: the login failed as it does at servers that do not know Redshift's startup names, and these
 * were sent. It may be tried again without them. */
bool redwi_session_names_refused(const struct redwi_session *s);
size_t redwi_session_units(const struct redwi_session *s); /* queued */
bool redwi_session_has_input(const struct redwi_session *s); /* bytes not yet turned into events */

#endif
