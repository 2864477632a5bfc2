/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden sessions: readable files with what the server sends, what the client must send, and the events
 * that must come of it, run at any partition of the server's bytes and cut off anywhere. One line each:
 *
 *   # comment; also at the end of other lines
 *   ! user app              the session: user, database, application, password, token, tls, verified,
 *                           redshift, require_auth <list>, channel_binding <word>, cancel <pid> <hex>,
 *                           data_row_max <n>; whole: run undivided only
 *   < T i16:1 z"id" ...     the server sends a message: type, then its body; the length is made
 *   << x:53                 the server sends bytes as they are
 *   > P z"" z"select" ...   the client has sent this message since the last '>' line ("> -": no type)
 *   >> x:0000               the same as bytes
 *   * unit u1 PBDE select   the owner sends a unit: name, messages, SQL to the end of the line. C: Close of a
 *                           statement, P: Parse, S: Describe of the statement, B: Bind, D: Describe of the
 *                           portal, E: Execute; K: its columns are known, L: its limit is 2; or Q: a Query.
 *                           With S or K the statement is called redw_s1, with L the portal redw_p1
 *   * batch u1 PBDE BE 2 x  the same and, under the same Sync, two more statements of messages BE
 *   * discard u1, * tls_started <hex>, * hold (nothing is sent from here on), * eof
 *   = row u1 "1" NULL       the next event, as printed by the runner
 *
 * Items: i8:1 i16:1 i32:-1 (network order), x:0a0b (hex), "text" and z"text" (with a NUL); escapes in
 * text: \n \" \\ \xHH. Consecutive '<' lines are one stretch of bytes. After FATAL the runner prints
 * "lost <unit> <outcome>" for each unit that had not ended.
 */
#ifndef TESTS_SUPPORT_GOLDEN_H
#define TESTS_SUPPORT_GOLDEN_H

#include "wire/buf.h"
#include "wire/session.h"

#define GOLDEN_STEPS 128
#define GOLDEN_UNITS 8

enum golden_kind {
    GOLDEN_FEED,
    GOLDEN_EXPECT,
    GOLDEN_UNIT,
    GOLDEN_DISCARD,
    GOLDEN_TLS,
    GOLDEN_HOLD,
    GOLDEN_EOF
};

struct golden_step {
    enum golden_kind kind;
    int line;
    struct redwi_buf bytes; /* FEED, EXPECT, TLS; UNIT: its SQL */
    size_t unit;
    unsigned sent, again;   /* UNIT */
    size_t more;
};

struct golden {
    char path[256];
    struct redwi_session_config config;
    char user[64], database[64], application[64], password[64], token[64];
    struct redwi_buf cancel_key;
    bool whole_only;
    struct golden_step steps[GOLDEN_STEPS];
    size_t nsteps;
    char units[GOLDEN_UNITS][16];
    size_t nunits;
    struct redwi_buf trace; /* expected, lines */
    size_t bytes;           /* the server's, all together */
};

/* false: *why says what is wrong with the file. */
bool golden_load(struct golden *g, const char *path, char why[256]);
void golden_free(struct golden *g);

/* How to run it. */
struct golden_run {
    const size_t *cuts;     /* offsets in the server's bytes where a receive ends, ascending */
    size_t ncuts;
    bool bytewise;          /* a receive per byte; cuts are not looked at */
    bool row_by_row;        /* take one row of each batch */
    bool robbed;            /* memory is shared, and others take and overwrite what they can get at any time */
    bool truncate;          /* the connection ends after `end` bytes */
    size_t end;
};
/* Runs it; *trace (initialised by the caller) gets the events. false: *why says which expectation of the
 * client's bytes failed, or which promise of the session was broken. */
bool golden_play(const struct golden *g, const struct golden_run *run, struct redwi_buf *trace,
                 char why[256]);

#endif
