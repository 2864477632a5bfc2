/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server in memory for tests: the client's bytes in, the server's bytes out, no transport. It speaks
 * the login (trust, cleartext, MD5, SCRAM-SHA-256 and -PLUS, Redshift's digest and token) and the extended
 * query protocol for a list of statements whose answers are known. Its hashes share nothing with the
 * library's, so that a mistake there cannot agree with itself. Whatever a correct client would not send is kept in `wrong`.
 *
 *   peer_init(&p, &config);
 *   peer_feed(&p, bytes, n);                ...answers are added to p.out...
 *   redwi_buf_front(&p.out), redwi_buf_len(&p.out), redwi_buf_take(&p.out, n)
 *   after TLS was agreed (p.tls_wanted), feed what comes inside it
 */
#ifndef TESTS_SUPPORT_PEER_H
#define TESTS_SUPPORT_PEER_H

#include "wire/be_write.h"
#include "wire/buf.h"
#include "wire/mem.h"

/* What a dishonest server does instead. */
enum peer_fault {
    PEER_HONEST = 0,
    PEER_OK_INSTEAD_OF_CHALLENGE, /* AuthenticationOk after client-first */
    PEER_OK_INSTEAD_OF_PROOF,     /* AuthenticationOk after client-final, no server signature */
    PEER_BAD_SIGNATURE,
    PEER_SHORT_SIGNATURE,
    PEER_EMPTY_SIGNATURE,
    PEER_ERROR_SIGNATURE,         /* e=other-error */
    PEER_FOREIGN_NONCE,           /* one that does not begin with the client's */
    PEER_SAME_NONCE,              /* the client's and nothing more */
    PEER_METHOD_SWITCH,           /* asks for a cleartext password after client-first */
    PEER_SECOND_EXCHANGE,         /* asks for SASL again after client-first */
    PEER_ASKS_AFTER_LOGIN,        /* an authentication request behind AuthenticationOk */
};

/* One statement and what comes of it. */
struct peer_statement {
    const char *sql;
    const char *const *columns;    /* NULL: no rows come of it */
    size_t ncolumns;
    const char *const *cells;      /* ncolumns * nrows; NULL: SQL NULL */
    size_t nrows;
    const char *tag;               /* "" is an empty query */
    const char *notice;            /* NULL: none; comes before the answer */
    const char *sqlstate;          /* NULL: succeeds; else fails after its rows with this */
    char status;                   /* of ReadyForQuery; 0: I */
};

enum peer_login { PEER_SCRAM = 0, PEER_CLEARTEXT, PEER_MD5, PEER_DIGEST, PEER_TOKEN };

struct peer_config {
    bool tls;                      /* answers SSLRequest with S; otherwise N */
    enum peer_login login;
    const char *password;          /* or token; NULL: lets anybody in */
    const char *refuses_names;     /* SQLSTATE for Redshift's startup names; NULL: it knows them. 08P01 comes at
                                      once, as from PgBouncer; others after the login, as from PostgreSQL */
    bool redshift;                 /* reports what Redshift reports */
    const uint8_t *end_point;      /* offers -PLUS when not NULL */
    size_t end_point_len;
    bool plus_only;
    unsigned iterations;           /* 0: 4096 */
    enum peer_fault fault;
    const struct peer_statement *statements;
    size_t nstatements;
};

enum peer_step { PEER_FIRST, PEER_STARTUP, PEER_ANSWER, PEER_SASL_FIRST, PEER_SASL_FINAL, PEER_QUERIES, PEER_GONE };

struct peer {
    struct peer_config config;
    enum peer_step step;
    struct redwi_buf in, out;
    char wrong[200];               /* "" while the client did nothing wrong */

    bool tls_wanted;               /* S was answered */
    bool plus_used;
    bool terminated;               /* Terminate came */
    bool cancelled;                /* a CancelRequest came, for: */
    uint32_t cancel_pid;
    uint8_t cancel_key[4];
    char user[64], database[64], application[64];
    char protocol[16], driver[64], os[128], plugin[64], idp_type[64]; /* Redshift's names; "": not sent */
    char namespace[64], token_type[64], provider[64], display_name[64];
    char gs2[64], client_bare[512], server_first[1024], nonce[512];

    const struct peer_statement *parsed; /* NULL: an unknown one */
    bool skipping;                 /* an error came: until Sync */
    char status;
    size_t units;                  /* Syncs seen */
};

#define PEER_PID 4242u
extern const uint8_t peer_key[4];

void peer_init(struct peer *p, const struct peer_config *config);
void peer_free(struct peer *p);
void peer_feed(struct peer *p, const uint8_t *bytes, size_t n);

#endif
