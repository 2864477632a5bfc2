/* SPDX-License-Identifier: Apache-2.0 */
#include "support/sweep.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MANY 100000u

void sweep_broken(const struct fault *f, const char *file, int line, const char *what, const char *detail)
{
    char text[96];
    fault_explain(f, stderr);
    ck_abort_msg("%s:%d: %s: %s %s", file, line, fault_text(f, text, sizeof text), what, detail);
    abort(); /* never reached */
}

static bool is_harmless(enum fault_class c, const struct fault_kind *k)
{
    if (c == FAULT_CONNECT)
        return k->error == EINTR;
    return (c == FAULT_RECV || c == FAULT_SEND) && (k->bytes > 0 || k->error == EINTR || k->error == EAGAIN);
}

static bool is_trimmed(const struct fault_kind *k, size_t kinds)
{
    return k->bytes > 1 || (kinds > 5 && k->error > 0 && k->error != ECONNRESET && k->error != EINTR &&
                            k->error != EAGAIN);
}

/* Is this the turn of the i-th fault of a class? */
static bool has_its_turn(const struct sweep *s, const struct sweep_point *p, size_t i)
{
    bool always = p->kind.bytes == 1 || p->kind.error == ECONNRESET;
    if (!s->rotated || always || (p->c != FAULT_RECV && p->c != FAULT_SEND) || getenv("REDW_FAULT") != NULL)
        return true;
    const char *want = getenv("REDW_FAULTS");
    return (p->n + i) % 4 == 0 || (want != NULL && strcmp(want, "all") == 0);
}

static uint64_t next(const struct sweep *s, uint64_t n)
{
    return s->dense == 0 || n < s->dense ? n + 1 : n + 1 + n / 8;
}

/* The i-th fault of its class at all calls. Returns how many points; *most: the last call that failed. */
static uint64_t walk(const struct sweep *s, struct sweep_point p, size_t i, uint64_t *most)
{
    uint64_t points = 0;
    p.harmless = is_harmless(p.c, &p.kind);
    for (p.n = 1; p.n < MANY; p.n = next(s, p.n)) {
        if (!fault_only(p.c, p.n, p.mode, p.kind)) {
            const char *want = getenv("REDW_FAULT"); /* one fault alone: straight to it */
            if (strncmp(want, fault_class_name(p.c), strlen(fault_class_name(p.c))) != 0 || p.n > 5000)
                break;
            continue;
        }
        if (!has_its_turn(s, &p, i))
            continue;
        if (!s->run(&p))
            break;
        points++;
        *most = p.n > *most ? p.n : *most;
    }
    return points;
}

void sweep_none(const struct sweep *s)
{
    struct sweep_point p = {
        .c = FAULT_ALLOC, .n = UINT64_MAX, .mode = FAULT_ONCE, .kind = FAULT_NO_MEMORY, .harmless = true};
    ck_assert(!s->run(&p));
}

void sweep_allocations(const struct sweep *s)
{
    for (int mode = FAULT_ONCE; mode <= FAULT_STICKY; mode++) {
        uint64_t most = 0;
        struct sweep_point p = {.c = FAULT_ALLOC, .mode = (enum fault_mode)mode, .kind = FAULT_NO_MEMORY};
        uint64_t points = walk(s, p, 0, &most);
        printf("faults: %s: N = %llu allocations, %llu failed %s\n", s->name, (unsigned long long)most,
               (unsigned long long)points, mode == FAULT_ONCE ? "once" : "for ever");
    }
}

void sweep_calls(const struct sweep *s, enum fault_class from)
{
    for (enum fault_class c = from; c < FAULT_CLASSES; c++) {
        size_t kinds, used = 0;
        const struct fault_kind *k = fault_kinds(c, &kinds);
        uint64_t points = 0, most = 0;
        for (size_t i = 0; i < kinds; i++) {
            if (s->trimmed && is_trimmed(&k[i], kinds))
                continue;
            used++;
            points += walk(s, (struct sweep_point){.c = c, .mode = FAULT_ONCE, .kind = k[i]}, i, &most);
        }
        if (most > 0)
            printf("faults: %s: N = %llu calls of %s, %llu pairs with %zu faults\n", s->name,
                   (unsigned long long)most, fault_class_name(c), (unsigned long long)points, used);
    }
}
