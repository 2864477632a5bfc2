/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: immutable, counted objects. Each answers four questions: what went wrong (code, class, cause,
 * SQLSTATE, message), who says so (origin), whether the statement ran (outcome), and whether trying again
 * makes sense (flags). Errors of Redshift's engine also carry what it wrote into DETAIL.
 */
#ifndef REDW_ERROR_H
#define REDW_ERROR_H

#include <redw/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct redw_error redw_error;

/* What kind of failure, to branch on. For errors of the server from the SQLSTATE; where Redshift says
 * XX000 for everything, from the code and text of its engine. */
enum redw_class {
    REDW_CLASS_NONE = 0,
    REDW_CLASS_CONNECTION_FAILED,     /* not reached, broken, shut down: SQLSTATE 08, 57P01..57P05, 25P03, 25P04 */
    REDW_CLASS_AUTHENTICATION_FAILED, /* 28, 3D000 */
    REDW_CLASS_QUERY_CANCELLED,       /* stopped, by whom tells redw_error_cause(): 57014, Redshift 1020 */
    REDW_CLASS_QUERY_TIMEOUT,         /* a deadline passed: the request's own, or the server's for it */
    REDW_CLASS_SERIALIZATION_FAILURE, /* 40001, 40P01; Redshift 1023, 1018, 34510 */
    REDW_CLASS_DISK_FULL,             /* 53100; Redshift 1016 */
    REDW_CLASS_OUT_OF_MEMORY,         /* 53200, or this process */
    REDW_CLASS_RESOURCE_BUSY,         /* the rest of 53, 55, or this client's own bounds */
    REDW_CLASS_INVALID_SQL,           /* 42, 0A, 24, 25, 26, 2D, 34, 3B, 54 */
    REDW_CLASS_TABLE_NOT_FOUND,       /* 42P01, 3F000 */
    REDW_CLASS_COLUMN_NOT_FOUND,      /* 42703 */
    REDW_CLASS_PERMISSION_DENIED,     /* 42501; Redshift may not assume the IAM role */
    REDW_CLASS_DATA_ERROR,            /* 20, 21, 22, 23, 44, P0; Redshift 1200..1224 and overflows */
    REDW_CLASS_COPY_ERROR,            /* rows that could not be loaded, files that could not be read */
    REDW_CLASS_UNLOAD_ERROR,
    REDW_CLASS_SPECTRUM_ERROR,        /* Redshift 15xxx: external tables, COPY from Parquet and ORC */
    REDW_CLASS_CLOSED,                /* the client was closed or destroyed */
    REDW_CLASS_INTERNAL,              /* XX, a broken protocol, anything unforeseen */
};

/* Did the statement run? Only the first two are safe to send again without further thought. */
enum redw_outcome {
    REDW_OUTCOME_UNKNOWN = 0,   /* some of it may have reached the server, and no answer proves otherwise */
    REDW_OUTCOME_NOT_SENT,      /* not one byte of it left this process */
    REDW_OUTCOME_NOT_EXECUTED,  /* the server's answer proves it had no effect */
};

/* What stopped a statement that was stopped. Redshift says the same of most of them, so this is what the
 * error proves together with what this client itself did. */
enum redw_cause {
    REDW_CAUSE_NONE = 0,       /* it was not stopped: it failed */
    REDW_CAUSE_CALLER,         /* redw_cancel() */
    REDW_CAUSE_DEADLINE,       /* the request's own deadline, in this client */
    REDW_CAUSE_SERVER_TIMEOUT, /* a timeout of the server: statement_timeout, lock_timeout, idle ... */
    REDW_CAUSE_QUEUE,          /* the timeout of a WLM queue */
    REDW_CAUSE_RULE,           /* a WLM query monitoring rule: redw_error_rule() */
    REDW_CAUSE_ADMIN,          /* another session: CANCEL, pg_cancel_backend(), its text in the message */
    REDW_CAUSE_SHUTDOWN,       /* the system, for itself: restart, resize, failover; Redshift 1020 */
    REDW_CAUSE_UNKNOWN,        /* it was stopped, and nothing proves by what */
};

/* Bits of redw_error_flags(). */
enum redw_error_flag {
    /* The same work may succeed when done again, after a pause: the failure passes by itself. It does not
     * say that repeating is safe: that takes an outcome other than unknown, or work that may run twice.
     * Inside a transaction it is the transaction that is repeated. */
    REDW_ERROR_RETRYABLE = 1,
    /* The connection it happened on is of no further use; the pool replaces it. */
    REDW_ERROR_CONNECTION_LOST = 2,
    /* Refused because an earlier statement of the transaction failed (25P02): only ROLLBACK helps. */
    REDW_ERROR_TRANSACTION_ABORTED = 4,
};

/* Who found the failure. */
enum redw_origin {
    REDW_ORIGIN_LIBRARY = 0, /* this library: bounds, deadlines, protocol checks */
    REDW_ORIGIN_OS,          /* a system call; redw_error_errno() */
    REDW_ORIGIN_TLS,         /* OpenSSL */
    REDW_ORIGIN_SERVER,      /* an ErrorResponse; SQLSTATE and fields are the server's */
};

/* All getters accept NULL (no error) and never fail; strings are NUL-terminated, never NULL unless said,
 * and live as long as the error. */
REDW_API enum redw_class redw_error_class(const redw_error *e);     /* NULL: REDW_CLASS_NONE */
REDW_API const char *redw_class_name(enum redw_class c);            /* "serialization_failure"; static */
REDW_API enum redw_outcome redw_error_outcome(const redw_error *e);
REDW_API const char *redw_outcome_name(enum redw_outcome o);        /* "not_executed"; static */
REDW_API enum redw_cause redw_error_cause(const redw_error *e);     /* NULL: REDW_CAUSE_NONE */
REDW_API const char *redw_cause_name(enum redw_cause c);            /* "server_timeout"; static */
REDW_API unsigned redw_error_flags(const redw_error *e);            /* of enum redw_error_flag; NULL: 0 */
REDW_API enum redw_origin redw_error_origin(const redw_error *e);
REDW_API int redw_error_code(const redw_error *e);                  /* REDW_E*; NULL: REDW_OK */
REDW_API int redw_error_errno(const redw_error *e);                 /* of the system call; 0: none */

/* One line, with what was being done in front: "connect: 10.0.0.1:5439: connection refused". Control
 * characters in text from the server are shown escaped; at most 1,023 bytes. Where Redshift's message is
 * only a number or a word, the error text of its DETAIL follows, and its code and query id. */
REDW_API const char *redw_error_message(const redw_error *e);

/* Five characters; "" when the failure is not the server's, or the server sent none that is one. */
REDW_API const char *redw_error_sqlstate(const redw_error *e);

/* A field of the server's ErrorResponse or NoticeResponse as it came, by its letter in the protocol
 * ("Error and Notice Message Fields"): 'S' severity, 'C' SQLSTATE, 'M' message, 'D' detail, 'H' hint,
 * 'P' position ... Raw: may hold control characters. Its NUL-terminated text may hold data of tables:
 * not for logs. ptr NULL: not sent. */
REDW_API redw_slice redw_error_field(const redw_error *e, char letter);

/* The code of Redshift's engine: 1023, 8001, 15007 ... 0: none, as always with other servers. */
REDW_API int redw_error_redshift_code(const redw_error *e);

/* Redshift's id of the query that failed, as in STL_QUERY or SYS_QUERY_HISTORY. -1: the error names none. */
REDW_API int64_t redw_error_query_id(const redw_error *e);

/* What else Redshift's engine said, trimmed but raw: may hold control characters and line breaks, is not
 * NUL-terminated, and may hold data of tables or names of files: not for logs. ptr NULL: not said. */
enum redw_redshift_field {
    REDW_REDSHIFT_ERROR = 0, /* what happened, often in more words than the message */
    REDW_REDSHIFT_CONTEXT,   /* what it was doing: "S3 key being read : s3://..." */
    REDW_REDSHIFT_LOCATION,  /* in its sources: "table_s3_scanner.cpp:354" */
    REDW_REDSHIFT_PROCESS,   /* "query3_45 [pid=3404]", "pid:7627" */
    REDW_REDSHIFT_ERROR_ID,  /* serverless, for AWS Support: "1-64f767d8-218c57e4" */
};
REDW_API redw_slice redw_error_redshift_field(const redw_error *e, enum redw_redshift_field field);

/* The name of the query monitoring rule that stopped the statement (REDW_CAUSE_RULE), raw as above. */
REDW_API redw_slice redw_error_rule(const redw_error *e);

/* Take a reference and give it back; NULL is allowed. Neither fails; any thread. */
REDW_API redw_error *redw_error_keep(const redw_error *e);
REDW_API void redw_error_release(redw_error *e);

#ifdef __cplusplus
}
#endif
#endif
