/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk through all points of failure: a session is run again and again, and each time another one of its
 * allocations or system calls fails, in each way that makes sense for it (support/fault.h).
 *
 *   static bool session(const struct sweep_point *p)
 *   {
 *       lab_open(&r) ...; fault_arm(&r.fault, p->c, p->n, p->mode, p->kind); ... check what must hold ...
 *       return fault_fired(&r.fault);
 *   }
 *   sweep_allocations(&(struct sweep){"batches", session});
 *
 * Each sweep prints how many points it ran. REDW_FAULT='recv 7 once ECONNRESET' runs that one alone.
 */
#ifndef TESTS_SUPPORT_SWEEP_H
#define TESTS_SUPPORT_SWEEP_H

#include "support/fault.h"

struct sweep_point {
    enum fault_class c;
    uint64_t n;
    enum fault_mode mode;
    struct fault_kind kind;
    bool harmless; /* short transfers, interrupted calls, full buffers: must not show at all */
};

struct sweep {
    const char *name;
    /* One session with one fault. False: it has fewer calls of this class, nothing failed. */
    bool (*run)(const struct sweep_point *p);
    bool trimmed;   /* of short transfers and of broken connections one each */
    unsigned turns; /* of recv and send: one short transfer and one broken connection at each call, each other fault
                       at one call of so many, in turns; 0: all. REDW_FAULTS=all: all of them after all */
    uint64_t dense; /* so many calls of a class are failed one by one, of those behind about one in eight; 0: all */
};

/* The session without a fault. */
void sweep_none(const struct sweep *s);
/* Every allocation, failed once and from then on. */
void sweep_allocations(const struct sweep *s);
/* Every system call from `from` on in every way. */
void sweep_calls(const struct sweep *s, enum fault_class from);

/* Ends the test: what does not hold, and the fault that led to it. */
_Noreturn void sweep_broken(const struct fault *f, const char *file, int line, const char *what, const char *detail);

/* The same in short, of the fault that the program calls SWEEP_FAULT: `#define SWEEP_FAULT (&r.fault)`. */
#define BROKEN(what, detail) sweep_broken(SWEEP_FAULT, __FILE__, __LINE__, what, detail)
#define MUST(cond)                                                                                            \
    do {                                                                                                      \
        if (!(cond))                                                                                          \
            BROKEN(#cond, "");                                                                                \
    } while (0)

#endif
