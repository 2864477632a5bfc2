/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operating system as a table, so that tests can fail each call. Functions behave as the system
 * calls they are named for (-1 and errno). Sockets are made non-blocking and close-on-exec; sends raise
 * no SIGPIPE (MSG_NOSIGNAL).
 */
#ifndef REDWI_POOL_SYS_H
#define REDWI_POOL_SYS_H

#include <redw/base.h>
#include <sys/socket.h>
#include <sys/types.h>

struct redwi_sys {
    void *ctx;
    int (*open)(void *ctx, int family, int type); /* socket(2) with SOCK_NONBLOCK | SOCK_CLOEXEC */
    int (*connect)(void *ctx, int fd, const struct sockaddr *addr, socklen_t len);
    int (*connect_error)(void *ctx, int fd); /* SO_ERROR of a finished connect: 0 or an errno; -1: the call failed */
    int (*set_option)(void *ctx, int fd, int level, int name, const void *value, socklen_t len);
    int (*adopt)(void *ctx, int fd); /* a descriptor made elsewhere: non-blocking and close-on-exec from now on */
    ssize_t (*recv)(void *ctx, int fd, void *p, size_t n);
    ssize_t (*send)(void *ctx, int fd, const void *p, size_t n);
    void (*close)(void *ctx, int fd);
    int (*entropy)(void *ctx, void *p, size_t n); /* getrandom: 0 when all n bytes are filled */
};
extern const struct redwi_sys redwi_sys_real;

#endif
