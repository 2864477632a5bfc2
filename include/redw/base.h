/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Codes, slices, diagnostics, the allocator: what every other header needs.
 */
#ifndef REDW_BASE_H
#define REDW_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define REDW_API __attribute__((visibility("default")))
#define REDW_MUST_USE __attribute__((warn_unused_result))
#define REDW_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define REDW_API
#define REDW_MUST_USE
#define REDW_PRINTF(fmt, args)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Explicitly none, unlimited, never: where a 32-bit setting allows it (see each field). */
#define REDW_NONE UINT32_MAX

/* What functions return: 0 or a negative code; typed getters also REDW_NULL. */
enum redw_code {
    REDW_OK = 0,
    REDW_NULL = 1,           /* getters: the value is SQL NULL, *out is zeroed */
    REDW_EINVAL = -1,        /* an argument is wrong; the accompanying text names it */
    REDW_ENOMEM = -2,        /* the allocator failed */
    REDW_ENOENT = -3,        /* no such request: already done, or never was */
    REDW_ECLOSED = -4,       /* the client is closing or closed */
    REDW_EFULL = -5,         /* a bound was reached: waiting requests, message size, result size */
    REDW_ETYPE = -6,         /* the value is of another type than asked for */
    REDW_ERANGE = -7,        /* the value does not fit; never a truncated number */
    REDW_ECOLUMN = -8,       /* no such column */
    REDW_ECANCELLED = -10,   /* given up by the caller */
    REDW_ETIMEDOUT = -12,    /* a deadline passed */
    REDW_ECONNECT = -13,     /* the connection could not be made, or broke */
    REDW_EPROTOCOL = -14,    /* the peer broke the protocol; the connection was closed */
    REDW_EAUTH = -15,        /* login refused, by the server or by this client's policy */
    REDW_ETLS = -16,         /* TLS failed: refused, not offered, or not trusted */
    REDW_ESERVER = -17,      /* the server answered with an error: see its SQLSTATE */
};

/* The name and meaning of a code, as "REDW_EFULL: a bound was reached". Static; never NULL. */
REDW_API const char *redw_strerror(int code);

/* "0.1.0": the library that is running; REDW_VERSION is the header that was compiled. */
REDW_API const char *redw_version(void);
#define REDW_VERSION "0.1.0"

/* Filled by functions that fail before there is an object to ask: a code and one line of text. */
struct redw_diag {
    int code;       /* the function's return value */
    char text[252]; /* one line, NUL-terminated, without secrets */
};

/* A view of bytes somebody else owns. Not NUL-terminated unless a comment says so. */
typedef struct redw_slice {
    const char *ptr; /* NULL: SQL NULL (an empty value is non-NULL with len 0) */
    size_t len;      /* bytes */
} redw_slice;

/* For "%.*s": prints NULL for SQL NULL. Evaluates its argument three times. */
#define REDW_ARG(s) ((s).ptr ? (int)(s).len : 4), ((s).ptr ? (s).ptr : "NULL")

/*
 * Where a client's memory comes from; default: malloc, realloc, free. Copied at create. Must be safe to
 * call from any thread on which kept results or errors are released, and must live as long as they do.
 * A failed allocation fails one request, never the process. (OpenSSL, c-ares and the loop use their own.)
 */
struct redw_allocator {
    size_t size; /* sizeof(struct redw_allocator) */
    void *ctx;
    void *(*alloc)(void *ctx, size_t bytes);               /* aligned for any type; NULL: none left */
    void *(*resize)(void *ctx, void *ptr, size_t bytes);   /* as realloc; ptr may be NULL */
    void (*release)(void *ctx, void *ptr);                 /* ptr may be NULL */
};

#ifdef __cplusplus
}
#endif
#endif
