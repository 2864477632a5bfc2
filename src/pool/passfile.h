/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The password file: lines "host:port:database:user:password", the format of libpq's .pgpass. Read at create,
 * and only when asked for.
 */
#ifndef REDWI_POOL_PASSFILE_H
#define REDWI_POOL_PASSFILE_H

#include <redw/base.h>

#define REDWI_PASSFILE_BYTES_MAX ((size_t)1 << 20)

struct redwi_passfile_key {
    const char *host, *database, *user;
    uint16_t port;
};

/* The password of the first line that fits; *out NULL: none does. In secret memory (wire/secret.h), the caller's.
 * 0; REDW_EINVAL: the file cannot be used, *fault says why; REDW_ENOMEM. */
int redwi_passfile_find(char **out, const char *path, const struct redwi_passfile_key *key,
                        size_t password_max, const struct redw_allocator *mem, const char **fault);

/* The same in text that has been read: a line's password may be `password_max` bytes long. */
int redwi_passfile_search(char **out, redw_slice text, const struct redwi_passfile_key *key,
                          size_t password_max, const struct redw_allocator *mem, const char **fault);

#endif
