/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: immutable, counted objects. Each answers three questions: what went wrong (code, class,
 * SQLSTATE, message), who says so (origin), and whether the statement ran (outcome).
 */
#ifndef REDW_ERROR_H
#define REDW_ERROR_H

#include <redw/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct redw_error redw_error;

/* What kind of failure, to branch on. From the SQLSTATE for server errors. */
enum redw_class {
    REDW_CLASS_NONE = 0,
    REDW_CLASS_CONNECTION_FAILED,     /* not reached, broken, shut down: SQLSTATE 08, 57P01..57P05, 25P03 */
    REDW_CLASS_AUTHENTICATION_FAILED, /* 28, 3D000 */
    REDW_CLASS_QUERY_CANCELLED,       /* by the caller, or 57014 */
    REDW_CLASS_QUERY_TIMEOUT,         /* the request's own deadline */
    REDW_CLASS_SERIALIZATION_FAILURE, /* 40001, 40P01 */
    REDW_CLASS_DISK_FULL,             /* 53100 */
    REDW_CLASS_OUT_OF_MEMORY,         /* 53200, or this process */
    REDW_CLASS_RESOURCE_BUSY,         /* the rest of 53, 55, or this client's own bounds */
    REDW_CLASS_INVALID_SQL,           /* 42, 0A, 24, 25, 26, 2D, 34, 3B, 54 */
    REDW_CLASS_TABLE_NOT_FOUND,       /* 42P01, 3F000 */
    REDW_CLASS_COLUMN_NOT_FOUND,      /* 42703 */
    REDW_CLASS_PERMISSION_DENIED,     /* 42501 */
    REDW_CLASS_DATA_ERROR,            /* 20, 21, 22, 23, 44, P0 */
    REDW_CLASS_COPY_ERROR,
    REDW_CLASS_UNLOAD_ERROR,
    REDW_CLASS_SPECTRUM_ERROR,
    REDW_CLASS_CLOSED,                /* the client was closed or destroyed */
    REDW_CLASS_INTERNAL,              /* XX, a broken protocol, anything unforeseen */
};

/* Did the statement run? Only the first two are safe to send again without further thought. */
enum redw_outcome {
    REDW_OUTCOME_UNKNOWN = 0,   /* some of it may have reached the server, and no answer proves otherwise */
    REDW_OUTCOME_NOT_SENT,      /* not one byte of it left this process */
    REDW_OUTCOME_NOT_EXECUTED,  /* the server's answer proves it had no effect */
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
REDW_API enum redw_origin redw_error_origin(const redw_error *e);
REDW_API int redw_error_code(const redw_error *e);                  /* REDW_E*; NULL: REDW_OK */
REDW_API int redw_error_errno(const redw_error *e);                 /* of the system call; 0: none */

/* One line, with what was being done in front: "connect: 10.0.0.1:5439: connection refused". Control
 * characters in text from the server are shown escaped; at most 1,023 bytes. */
REDW_API const char *redw_error_message(const redw_error *e);

/* Five characters; "" when the failure is not the server's, or the server sent none that is one. */
REDW_API const char *redw_error_sqlstate(const redw_error *e);

/* A field of the server's ErrorResponse or NoticeResponse as it came, by its letter in the protocol
 * ("Error and Notice Message Fields"): 'S' severity, 'C' SQLSTATE, 'M' message, 'D' detail, 'H' hint,
 * 'P' position ... Raw: may hold control characters. Its NUL-terminated text may hold data of tables:
 * not for logs. ptr NULL: not sent. */
REDW_API redw_slice redw_error_field(const redw_error *e, char letter);

/* Take a reference and give it back; NULL is allowed. Neither fails; any thread. */
REDW_API redw_error *redw_error_keep(const redw_error *e);
REDW_API void redw_error_release(redw_error *e);

#ifdef __cplusplus
}
#endif
#endif
