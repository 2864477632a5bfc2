/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory: every allocation of the library goes through these calls, with the allocator of the client
 * passed down. Nothing here aborts; NULL means the caller fails its request with REDW_ENOMEM.
 */
#ifndef REDWI_WIRE_MEM_H
#define REDWI_WIRE_MEM_H

#include <redw/base.h>

/* malloc, realloc, free. */
extern const struct redw_allocator redwi_malloc;

void *redwi_alloc(const struct redw_allocator *mem, size_t bytes);
/* count * each bytes, zeroed; NULL also when the product overflows. */
void *redwi_alloc_array(const struct redw_allocator *mem, size_t count, size_t each);
void *redwi_resize(const struct redw_allocator *mem, void *ptr, size_t bytes);
void redwi_free(const struct redw_allocator *mem, void *ptr);
/* A NUL-terminated copy of n bytes. */
char *redwi_copy_text(const struct redw_allocator *mem, const char *text, size_t n);

/* Overwrites in a way the compiler keeps (OPENSSL_cleanse). */
void redwi_wipe(void *ptr, size_t bytes);
/* Wipes, then frees; ptr may be NULL. */
void redwi_free_secret(const struct redw_allocator *mem, void *ptr, size_t bytes);

#endif
