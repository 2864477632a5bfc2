/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One byte budget for a whole client (row X7): allocators that count what they gave, and refuse what would go
 * beyond a bound. Two of them share one count:
 *
 *   work       what can fail alone: requests, parameters, results. Refused beyond the bound.
 *   machinery  connections, buffers, errors: counted, and refused only in pieces larger than the usual
 *              buffer (a message of megabytes); a client at its bound must still be able to end what it began.
 *
 * Kept results outlive their client and are released on any thread, so the count is atomic, and the budget
 * lives as long as the last block.
 */
#ifndef REDWI_WIRE_BUDGET_H
#define REDWI_WIRE_BUDGET_H

#include <redw/base.h>

struct redwi_budget;

/* Over the caller's allocator, which it copies. NULL: no memory. */
struct redwi_budget *redwi_budget_create(const struct redw_allocator *own, uint64_t max_bytes);
/* The client is gone; blocks may be left. NULL is allowed. */
void redwi_budget_release(struct redwi_budget *b);

struct redw_allocator redwi_budget_work(struct redwi_budget *b);
struct redw_allocator redwi_budget_machinery(struct redwi_budget *b);

uint64_t redwi_budget_used(const struct redwi_budget *b); /* bytes, what the count itself takes included */
/* True once after a block was refused because of the bound, so that whoever got NULL can say why. */
bool redwi_budget_took_part(struct redwi_budget *b);

#endif
