/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operating system itself. Nothing here blocks, nothing raises a signal, and no descriptor reaches a
 * program that the application executes.
 */
#include "pool/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

static int sys_open(void *ctx, int family, int type)
{
    (void)ctx;
    return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int sys_connect(void *ctx, int fd, const struct sockaddr *addr, socklen_t len)
{
    (void)ctx;
    return connect(fd, addr, len);
}

static int sys_connect_error(void *ctx, int fd)
{
    int error = 0;
    socklen_t len = sizeof error;
    (void)ctx;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) ? -1 : error;
}

static int sys_set_option(void *ctx, int fd, int level, int name, const void *value, socklen_t len)
{
    (void)ctx;
    return setsockopt(fd, level, name, value, len);
}

static int sys_adopt(void *ctx, int fd)
{
    int status = fcntl(fd, F_GETFL), flags = fcntl(fd, F_GETFD);
    (void)ctx;
    if (status < 0 || flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC))
        return -1;
    return fcntl(fd, F_SETFL, status | O_NONBLOCK);
}

static ssize_t sys_recv(void *ctx, int fd, void *p, size_t n)
{
    (void)ctx;
    return recv(fd, p, n, 0);
}

static ssize_t sys_send(void *ctx, int fd, const void *p, size_t n)
{
    (void)ctx;
    return send(fd, p, n, MSG_NOSIGNAL);
}

/* Not repeated on EINTR: on Linux the descriptor is gone by then, its number perhaps another's already. */
static void sys_close(void *ctx, int fd)
{
    (void)ctx;
    close(fd);
}

static int sys_entropy(void *ctx, void *p, size_t n)
{
    uint8_t *at = p;
    (void)ctx;
    while (n) {
        ssize_t got = getrandom(at, n, GRND_NONBLOCK);
        if (got < 0 && errno != EINTR)
            return -1;
        if (got > 0) {
            at += got;
            n -= (size_t)got;
        }
    }
    return 0;
}

const struct redwi_sys redwi_sys_real = {
    .open = sys_open,
    .connect = sys_connect,
    .connect_error = sys_connect_error,
    .set_option = sys_set_option,
    .adopt = sys_adopt,
    .recv = sys_recv,
    .send = sys_send,
    .close = sys_close,
    .entropy = sys_entropy,
};
