/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for passwords and tokens: pages of their own, left out of core dumps, locked against swapping as
 * far as the process's limits allow, and wiped before they are given back. Taken from the allocator like all
 * memory, so a secret costs two pages or so: it is for the few that stay, not for what passes through.
 */
#ifndef REDWI_WIRE_SECRET_H
#define REDWI_WIRE_SECRET_H

#include <redw/base.h>

/* n bytes, zeroed, and a NUL behind them, aligned as for any type. NULL: no memory. */
void *redwi_secret_alloc(const struct redw_allocator *mem, size_t n);
/* A NUL-terminated copy of n bytes. */
char *redwi_secret_copy(const struct redw_allocator *mem, const char *text, size_t n);
/* Wipes all of it, then frees; NULL is allowed. */
void redwi_secret_free(const struct redw_allocator *mem, void *secret);

#endif
