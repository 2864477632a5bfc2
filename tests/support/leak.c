/* SPDX-License-Identifier: Apache-2.0 */
#include "support/leak.h"

#include <dirent.h>
#include <ev.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FDS_MAX (sizeof(((struct leak *)NULL)->open) / sizeof(bool))

static void read_descriptors(bool open[FDS_MAX])
{
    memset(open, 0, FDS_MAX * sizeof open[0]);
    DIR *d = opendir("/proc/self/fd");
    if (d == NULL)
        abort();
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char *end;
        long fd = strtol(e->d_name, &end, 10);
        if (*end == '\0' && end != e->d_name && fd != dirfd(d) && (size_t)fd < FDS_MAX)
            open[fd] = true;
    }
    closedir(d);
}

void leak_begin(struct leak *g)
{
    read_descriptors(g->open);
}

static bool check_descriptors(const struct leak *g, FILE *to)
{
    bool now[FDS_MAX];
    bool clean = true;
    read_descriptors(now);
    for (size_t fd = 0; fd < FDS_MAX; fd++) {
        if (now[fd] == g->open[fd])
            continue;
        char path[64], name[256];
        snprintf(path, sizeof path, "/proc/self/fd/%zu", fd);
        ssize_t n = readlink(path, name, sizeof name - 1);
        name[n > 0 ? n : 0] = '\0';
        fprintf(to, "leak: descriptor %zu %s %s\n", fd, now[fd] ? "was left open:" : "was closed", name);
        clean = false;
    }
    return clean;
}

/* A run that returns at once, a few times: prepare and check watchers left behind would run, and those
 * whose memory was given back (filled by the counting allocator) would crash. */
static bool check_loop(struct ev_loop *loop, FILE *to)
{
    bool active = false;
    for (int i = 0; i < 3; i++)
        active = ev_run(loop, EVRUN_NOWAIT);
    unsigned pending = ev_pending_count(loop);
    if (active)
        fprintf(to, "leak: the loop has active watchers\n");
    if (pending > 0)
        fprintf(to, "leak: %u events are pending\n", pending);
    return !active && pending == 0;
}

static bool check_openssl(FILE *to)
{
    unsigned long e = ERR_peek_error();
    if (e == 0)
        return true;
    char text[256];
    ERR_error_string_n(e, text, sizeof text);
    fprintf(to, "leak: OpenSSL's error queue holds %s\n", text);
    ERR_clear_error();
    return false;
}

bool leak_check(const struct leak *g, struct ev_loop *loop, const struct fault *fault,
                const struct probe *probe, FILE *to)
{
    bool clean = check_descriptors(g, to);
    clean = check_openssl(to) && clean;
    if (loop != NULL)
        clean = check_loop(loop, to) && clean;
    if (fault != NULL && fault->live != 0) {
        fprintf(to, "leak: %llu blocks, %llu bytes\n", (unsigned long long)fault->live,
                (unsigned long long)fault->live_bytes);
        fault_list_live(fault, to);
        clean = false;
    }
    if (fault != NULL && fault->opened != fault->closed) {
        fprintf(to, "leak: %llu sockets opened, %llu closed\n", (unsigned long long)fault->opened,
                (unsigned long long)fault->closed);
        clean = false;
    }
    if (probe != NULL && !probe_is_quiet(probe)) {
        fprintf(to, "leak: watchers: %d descriptors, %d timers, %d turns (%d requested), %d holds\n",
                probe->ios, probe->timers, probe->turns, probe->turns_requested, probe->holds);
        clean = false;
    }
    return clean;
}
