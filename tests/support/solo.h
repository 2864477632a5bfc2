/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session on its own, for tests: no transport, an allocator that counts and fails, everything it
 * reports counted, and a short way into each of its states.
 *
 *   solo_init(&r); ...change r.config...
 *   solo_reach(&r, SOLO_AT_ROWS); SOLO_FEED(&r, 'C', "SELECT 1\0"); ...look at r.seen...
 *   solo_free(&r);                          which also checks that nothing leaked
 */
#ifndef TESTS_SUPPORT_SOLO_H
#define TESTS_SUPPORT_SOLO_H

#include "support/peer.h"

#include "wire/session.h"

struct solo_memory {
    struct redw_allocator mem;
    size_t calls, fail_at; /* fail_at: this call fails, 1 being the first; 0: none */
    bool fail_on;          /* ...and all after it */
    size_t live, bytes, peak;
    const char *secret;    /* must not be in a block that is given back */
    size_t secrets;
};

/* What was reported. */
struct solo_seen {
    size_t logged_in, columns, parameter_types, bound, suspended, rows, complete, errors, notices, parameters, ready, fatal, start_tls,
        work;
    redw_error *fatal_error; /* owned */
    redw_error *error;       /* the last ERROR's; owned */
    void *unit;              /* of the last event */
    char status;
    size_t units_ready;      /* READY with a unit */
};

struct solo {
    struct solo_memory memory;
    struct redwi_session_config config;
    struct redwi_session *s;
    struct solo_seen seen;
    bool lazy; /* leave WORK alone */
    const uint8_t *end_point;
    size_t end_point_len;
};

enum solo_where {
    SOLO_AT_AUTH,
    SOLO_AT_ANSWERED,   /* to a request for MD5 */
    SOLO_AT_SASL_FIRST,
    SOLO_AT_SASL_FINAL,
    SOLO_AT_SASL_DONE,
    SOLO_AT_SETTLING,
    SOLO_AT_IDLE,
    SOLO_AT_PARSE,
    SOLO_AT_BIND,
    SOLO_AT_DESCRIBE,
    SOLO_AT_EXECUTE,
    SOLO_AT_ROWS,
    SOLO_AT_SYNC,
    SOLO_AT_FAILED,
    SOLO_AT_COPY_IN,
    SOLO_AT_COPY_OUT,
    SOLO_AT_BATCH_BIND, /* the second statement of a batch, without Parse and Describe */
    SOLO_AT_BATCH_EXECUTE,
    SOLO_AT_CLOSE,       /* of a unit that closes, describes and runs a named statement */
    SOLO_AT_PARAMETERS,
    SOLO_AT_COLUMNS,     /* of the statement */
    SOLO_AT_KNOWN_ROWS,  /* of a statement whose columns are known */
    SOLO_AT_LIMIT_ROWS,  /* of an Execute with a limit */
    SOLO_AT_QUERY,       /* a simple Query */
    SOLO_AT_QUERY_ROWS,
    SOLO_STATES
};

/* As in tests/golden/scram.session: the nonce is the counted one. */
#define SOLO_SASL_CHALLENGE \
    "\0\0\0\x0br=AAECAwQFBgcICQoLDA0ODxAREhMUFRYX%peer,s=c2FsdHNhbHRzYWx0c2FsdA==,i=4096"
#define SOLO_SASL_SIGNATURE "\0\0\0\x0cv=7a91g0ooAm60KP8q+BDbZCzvIrvUV6Yng+q0rkXNt/8="
#define SOLO_ONE_COLUMN "\0\1c\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"
#define SOLO_ONE_ROW "\0\1\0\0\0\1x"
#define SOLO_SOME_ERROR "SERROR\0C42601\0Mno\0"

extern char solo_unit; /* the tag of the unit that the states from SOLO_AT_PARSE on are about */

/* A user, a database, the password "pencil", nonces that count. */
void solo_init(struct solo *r);
void solo_open(struct solo *r); /* create, start */
void solo_free(struct solo *r);
/* Everything up to that state; what the client has to say is taken. */
void solo_reach(struct solo *r, enum solo_where where);

void solo_drain(struct solo *r); /* all events there are */
void solo_feed(struct solo *r, const void *bytes, size_t n);
void solo_feed_header(struct solo *r, char type, uint32_t len);
void solo_feed_message(struct solo *r, char type, const void *body, size_t n);
#define SOLO_FEED(r, type, body) solo_feed_message(r, type, body, sizeof(body) - 1)
void solo_end(struct solo *r); /* the transport ends without a reason */

size_t solo_send_all(struct solo *r);
/* Parse, Bind, Describe, Execute, Sync. */
int solo_queue_unit(struct solo *r, void *tag, const char *sql);
/* The same with `more` times Bind, Execute in front of the Sync. */
int solo_queue_batch(struct solo *r, void *tag, const char *sql, size_t more);

/* FATAL came once, with this code, and nothing can be got out of the session any more. */
void solo_must_be_dead(struct solo *r, int code);

/* With a peer: bytes go to and fro until nothing moves. */
void solo_pump(struct solo *r, struct peer *p);
void solo_log_in(struct solo *r, struct peer *p, const struct peer_config *config);

#endif
