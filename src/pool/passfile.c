/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The password file, read as libpq reads it (passwordFromFile), but for two things: a file that others may
 * read is refused, not skipped with a warning, because the caller asked for it by name; and the directory of
 * a unix socket is matched as it is, also PostgreSQL's default one, which libpq calls localhost.
 */
#include "pool/passfile.h"

#include "wire/secret.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Matches a field at p against `value`; returns behind its colon, or NULL. A '*' alone matches anything. */
static const char *match(const char *p, const char *end, const char *value)
{
    if (end - p >= 2 && p[0] == '*' && p[1] == ':')
        return p + 2;
    while (p < end) {
        if (*p == ':' && *value == '\0')
            return p + 1;
        if (*p == '\\' && ++p == end)
            return NULL;
        if (*value == '\0' || *p != *value)
            return NULL;
        p++;
        value++;
    }
    return NULL;
}

/* The password of a line, or NULL: it is another's. */
static const char *match_line(const char *p, const char *end, const struct redwi_passfile_key *key)
{
    char port[8];

    if (p == end || *p == '#')
        return NULL;
    snprintf(port, sizeof port, "%u", (unsigned)key->port);
    const char *const values[] = {key->host, port, key->database, key->user};
    for (size_t i = 0; p && i < sizeof values / sizeof *values; i++)
        p = match(p, end, values[i]);
    return p;
}

/* How long the password at p is; out NULL: only that. It ends at a colon, or with the line. */
static size_t unescape(char *out, const char *p, const char *end)
{
    size_t n = 0;

    for (; p < end && *p != ':'; p++, n++) {
        if (*p == '\\' && p + 1 < end)
            p++;
        if (out)
            out[n] = *p;
    }
    return n;
}

int redwi_passfile_search(char **out, redw_slice text, const struct redwi_passfile_key *key,
                          size_t password_max, const struct redw_allocator *mem, const char **fault)
{
    const char *p = text.ptr, *end = p + text.len;

    *out = NULL;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p)), *stop = newline ? newline : end;
        const char *line_end = stop;
        while (line_end > p && line_end[-1] == '\r')
            line_end--;
        const char *password = match_line(p, line_end, key);
        p = newline ? newline + 1 : end;
        if (!password)
            continue;
        size_t len = unescape(NULL, password, line_end);
        if (len > password_max || memchr(password, '\0', (size_t)(line_end - password))) {
            *fault = "the password is too long, or has a NUL byte";
            return REDW_EINVAL;
        }
        *out = redwi_secret_alloc(mem, len);
        if (!*out)
            return REDW_ENOMEM;
        unescape(*out, password, line_end);
        return 0;
    }
    return 0;
}

/* What is wrong with the file as a place for passwords; NULL: nothing. */
static const char *judge(int fd, size_t *bytes)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return "cannot be looked at";
    if (!S_ISREG(st.st_mode))
        return "is not a regular file";
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return "group or others have rights to it; chmod 0600";
    if (st.st_size > (off_t)REDWI_PASSFILE_BYTES_MAX)
        return "is larger than 1 MiB";
    *bytes = (size_t)st.st_size;
    return NULL;
}

/* Up to n bytes; -1 and errno. */
static ssize_t read_all(int fd, char *p, size_t n)
{
    size_t done = 0;

    while (done < n) {
        ssize_t got = read(fd, p + done, n - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

int redwi_passfile_find(char **out, const char *path, const struct redwi_passfile_key *key,
                        size_t password_max, const struct redw_allocator *mem, const char **fault)
{
    /* O_NONBLOCK: opening a FIFO would wait for a writer before it can be told from a file. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc = REDW_EINVAL;
    char *text = NULL;
    size_t bytes = 0;
    ssize_t got;

    *out = NULL;
    if (fd < 0) {
        *fault = errno == ENOENT ? "there is no such file" : "cannot be opened";
        return REDW_EINVAL;
    }
    *fault = judge(fd, &bytes);
    if (*fault)
        goto out;
    rc = REDW_ENOMEM;
    text = redwi_secret_alloc(mem, bytes);
    if (!text)
        goto out;
    rc = REDW_EINVAL;
    got = read_all(fd, text, bytes);
    *fault = "cannot be read";
    if (got >= 0)
        rc = redwi_passfile_search(out, (redw_slice){text, (size_t)got}, key, password_max, mem, fault);
out:
    redwi_secret_free(mem, text);
    close(fd);
    return rc;
}
