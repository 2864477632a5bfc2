/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The n-th failure engine: an allocator that counts and an operating system that fails on demand.
 *
 *   struct fault f;
 *   fault_init(&f);
 *   for (n = 1;; n++) {
 *       fault_arm(&f, FAULT_ALLOC, n, FAULT_ONCE, FAULT_NO_MEMORY);
 *       run a session with .allocator = &f.mem and .sys = &f.sys
 *       if (!fault_fired(&f))
 *           break;                      the session had n - 1 calls of this class: all were failed
 *       check invariants; on failure print fault_text(&f, ...)
 *   }
 *   fault_fini(&f);                       aborts on leaked blocks
 *
 * The allocator knows its live blocks: releasing or resizing anything else (double free, foreign free)
 * aborts at once. Fresh memory is filled with 0xa5, released memory with 0xdd, resizing always moves, and
 * released blocks are searched for a canary, so that stale pointers, uninitialised reads and secrets
 * left behind show themselves without a sanitizer too.
 */
#ifndef TESTS_SUPPORT_FAULT_H
#define TESTS_SUPPORT_FAULT_H

#include "pool/sys.h"
#include <pthread.h>
#include <stdio.h>

/* What is counted: allocations, and each system call of pool/sys.h. */
enum fault_class {
    FAULT_ALLOC = 0,
    FAULT_OPEN,
    FAULT_CONNECT,
    FAULT_CONNECT_ERROR,
    FAULT_SET_OPTION,
    FAULT_RECV,
    FAULT_SEND,
    FAULT_ENTROPY,
    FAULT_CLASSES
};

enum fault_mode {
    FAULT_ONCE = 1, /* call n only */
    FAULT_STICKY,   /* call n and all after it */
};

/* What happens: a short transfer of so many bytes, the end of the stream, or an errno. */
struct fault_kind {
    const char *name;
    size_t bytes;  /* > 0: at most so many bytes are transferred */
    bool end;      /* recv: 0 */
    int error;     /* errno of the failed call */
};
extern const struct fault_kind FAULT_NO_MEMORY;

/* The faults of a class that make sense for it, from the tests' full list: {recv, send: short 1, 2, 5,
 * EINTR, EAGAIN, ECONNRESET, EPIPE, ETIMEDOUT, ENOBUFS, recv also: end; open: EMFILE, ENOBUFS; ...}. */
const struct fault_kind *fault_kinds(enum fault_class c, size_t *n);
const char *fault_class_name(enum fault_class c);

struct fault {
    struct redw_allocator mem; /* for redw_options.allocator */
    struct redwi_sys sys;      /* for struct redwi_env; close is counted, never failed */

    uint64_t calls[FAULT_CLASSES]; /* since fault_arm or fault_reset */
    uint64_t opened, closed;       /* descriptors */

    uint64_t live, live_bytes, peak_bytes; /* blocks now */
    uint64_t total_bytes, total_allocs;    /* ever */
    const char *canary;                    /* NULL, or text that no released block may hold */
    uint64_t canary_hits;

    /* Inside. */
    bool on;
    enum fault_class armed;
    uint64_t at;
    enum fault_mode mode;
    struct fault_kind kind;
    uint64_t fired;
    void *where[32]; /* who made the call that failed first */
    int depth;
    struct fault_block *table; /* open addressing */
    size_t cap;
    uint64_t serial;
    pthread_mutex_t lock; /* kept results may be released on any thread */
};

void fault_init(struct fault *f);
void fault_fini(struct fault *f); /* aborts, with a list, when blocks are live */

void fault_arm(struct fault *f, enum fault_class c, uint64_t n, enum fault_mode mode, struct fault_kind kind);
void fault_disarm(struct fault *f); /* counters go on, and fault_text() still says what was armed */
void fault_reset(struct fault *f);  /* disarms, counters to 0 */
bool fault_fired(const struct fault *f);

/* "recv 7 once ECONNRESET": what is armed; REDW_FAULT set to it makes fault_only() choose it alone. */
const char *fault_text(const struct fault *f, char *out, size_t cap);
/* True if REDW_FAULT is not set or names exactly this fault: matrices skip the others. */
bool fault_only(enum fault_class c, uint64_t n, enum fault_mode mode, struct fault_kind kind);
/* For failure messages: what is armed, how to run it alone, and the stack of the call that failed. */
void fault_explain(const struct fault *f, FILE *to);
/* Live blocks, in no order; returns how many. */
uint64_t fault_list_live(const struct fault *f, FILE *to);

#endif
