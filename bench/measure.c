/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measuring, and the functions that stand in front of the C library's to be counted.
 */
#include "measure.h"

#include <err.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LATENCIES_MAX 1000000u
#define COUNTED __attribute__((visibility("default")))

static struct counts {
    uint64_t recvs, recv_bytes, sends, waits, mallocs;
} counted, began, ended;

static struct usage {
    int64_t wall_ns, cpu_ns;
    struct rusage ru;
} usage_began, usage_ended;

static long rss_start_kb, anon_began_kb;
static uint32_t *latencies;
static size_t nlatencies;
static bool latencies_wanted = true;

/* The counted functions --------------------------------------------------------------------------- */

COUNTED ssize_t recv(int fd, void *p, size_t n, int flags)
{
    ssize_t got = syscall(SYS_recvfrom, fd, p, n, flags, NULL, NULL);

    counted.recvs++;
    if (got > 0)
        counted.recv_bytes += (uint64_t)got;
    return got;
}

/* OpenSSL's own sockets read and write. */
COUNTED ssize_t read(int fd, void *p, size_t n)
{
    ssize_t got = syscall(SYS_read, fd, p, n);

    counted.recvs++;
    if (got > 0)
        counted.recv_bytes += (uint64_t)got;
    return got;
}

COUNTED ssize_t write(int fd, const void *p, size_t n)
{
    counted.sends++;
    return syscall(SYS_write, fd, p, n);
}

COUNTED ssize_t send(int fd, const void *p, size_t n, int flags)
{
    counted.sends++;
    return syscall(SYS_sendto, fd, p, n, flags, NULL, 0);
}

COUNTED ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    counted.sends++;
    return syscall(SYS_sendmsg, fd, m, flags);
}

COUNTED int epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
    counted.waits++;
    return (int)syscall(SYS_epoll_pwait, fd, events, max, timeout, NULL, 0);
}

COUNTED int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    struct timespec t = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000l};

    counted.waits++;
    return (int)syscall(SYS_ppoll, fds, n, timeout_ms < 0 ? NULL : &t, NULL, 0);
}

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

COUNTED void *malloc(size_t n)
{
    counted.mallocs++;
    return __libc_malloc(n);
}

COUNTED void *calloc(size_t n, size_t size)
{
    counted.mallocs++;
    return __libc_calloc(n, size);
}

COUNTED void *realloc(void *p, size_t n)
{
    counted.mallocs++;
    return __libc_realloc(p, n);
}

/* The command line -------------------------------------------------------------------------------- */

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        err(1, "--cpu %d", cpu);
}

static size_t choice(const char *option, const char *value, const char *const *names)
{
    for (size_t i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], value) == 0)
            return i;
    errx(1, "%s %s: no such choice", option, value);
}

static void read_option(struct bench_args *a, const char *name, const char *value)
{
    static const char *const formats[] = {"text", "binary", NULL};
    static const char *const answers[] = {"no", "yes", NULL};
    static const char *const servers[] = {"blast", "postgres", NULL};
    static const char *const loops[] = {"block", "ev", NULL};
    static const char *const consumes[] = {"touch", "decode", "hash", NULL};

    if (strcmp(name, "--port") == 0)
        a->port = (int)strtol(value, NULL, 10);
    else if (strcmp(name, "--server") == 0)
        a->postgres = choice(name, value, servers) == 1;
    else if (strcmp(name, "--uri") == 0)
        a->uri = value;
    else if (strcmp(name, "--conns") == 0)
        a->conns = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(name, "--inflight") == 0)
        a->inflight = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(name, "--depth") == 0)
        a->depth = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(name, "--work") == 0)
        a->work = value;
    else if (strcmp(name, "--kind") == 0)
        a->kind = value;
    else if (strcmp(name, "--count") == 0)
        a->count = strtoull(value, NULL, 10);
    else if (strcmp(name, "--format") == 0)
        a->binary = choice(name, value, formats) == 1;
    else if (strcmp(name, "--loop") == 0)
        a->loop = choice(name, value, loops) == 1;
    else if (strcmp(name, "--consume") == 0)
        a->consume = (enum consume)choice(name, value, consumes);
    else if (strcmp(name, "--latency") == 0)
        latencies_wanted = choice(name, value, answers) == 1;
    else if (strcmp(name, "--tls") == 0)
        a->tls = choice(name, value, answers) == 1;
    else if (strcmp(name, "--cpu") == 0)
        pin((int)strtol(value, NULL, 10));
    else if (strcmp(name, "--bound") == 0)
        alarm((unsigned)strtoul(value, NULL, 10));
    else if (strcmp(name, "--shape") == 0) {
        if ((a->shape = shape_find(value)) == NULL)
            errx(1, "--shape %s: no such shape", value);
    } else
        errx(1, "unknown option %s", name);
}

/* A line of /proc/self/status, in KiB. (ru_maxrss would start at the parent's size.) */
static long status_kb(const char *name)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    long kb = 0;

    if (f == NULL)
        return 0;
    while (fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            kb = strtol(line + strlen(name), NULL, 10);
    fclose(f);
    return kb;
}

struct bench_args bench_args(int argc, char **argv)
{
    struct bench_args a = {
        .work = "stream", .kind = "", .count = 1000, .loop = true, .conns = 1, .inflight = 1, .depth = 1};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(600);
    a.shape = shape_find("narrow");
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc)
            errx(1, "%s needs a value", argv[i]);
        read_option(&a, argv[i], argv[i + 1]);
    }
    if (a.port == 0 && a.uri == NULL)
        errx(1, "--port or --uri is needed");
    if (strcmp(a.work, "ping") == 0 || strcmp(a.work, "flight") == 0)
        a.shape = shape_find("ping");
    if (strcmp(a.work, "stream") != 0) {
        latencies = latencies_wanted ? malloc(sizeof *latencies * LATENCIES_MAX) : NULL;
        if (latencies_wanted && latencies == NULL)
            err(1, "memory");
    }
    rss_start_kb = status_kb("VmRSS:");
    return a;
}

void bench_uri(const struct bench_args *a, char *to, size_t room)
{
    int n = a->uri != NULL ? snprintf(to, room, "%s", a->uri)
                           : snprintf(to, room, "postgresql://bench@127.0.0.1:%d/bench?sslmode=%s", a->port,
                                      a->tls ? "require" : "disable");

    if (n < 0 || (size_t)n >= room)
        errx(1, "--uri: too long");
}

void bench_sql(const struct bench_args *a, uint64_t rows, char *to, size_t room)
{
    if (a->postgres)
        snprintf(to, room, "SELECT * FROM %s LIMIT %" PRIu64, a->shape->name, rows);
    else
        snprintf(to, room, "BLAST %" PRIu64 " %s", rows, a->shape->name);
}

uint64_t bench_warm_rows(const struct bench_args *a)
{
    return a->shape == shape_find("huge") ? 1 : 1000;
}

/* Measuring --------------------------------------------------------------------------------------- */

static int64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t bench_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static struct usage usage_now(void)
{
    struct usage u = {.wall_ns = bench_now_ns(), .cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID)};

    getrusage(RUSAGE_SELF, &u.ru);
    return u;
}

void bench_begin(void)
{
    anon_began_kb = status_kb("RssAnon:");
    began = counted;
    usage_began = usage_now();
}

void bench_end(void)
{
    usage_ended = usage_now();
    ended = counted;
}

void bench_latency(int64_t ns)
{
    if (latencies_wanted && nlatencies < LATENCIES_MAX)
        latencies[nlatencies++] = (uint32_t)(ns < UINT32_MAX ? ns : UINT32_MAX);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void report_latencies(void)
{
    if (nlatencies == 0)
        return;
    qsort(latencies, nlatencies, sizeof *latencies, by_size);
    printf(" p50_ns=%u p99_ns=%u p999_ns=%u", latencies[nlatencies / 2],
           latencies[nlatencies * 99 / 100], latencies[nlatencies * 999 / 1000]);
}

static int64_t tv_ns(struct timeval from, struct timeval to)
{
    return (to.tv_sec - from.tv_sec) * INT64_C(1000000000) + (to.tv_usec - from.tv_usec) * INT64_C(1000);
}

void bench_report(uint64_t rows, uint64_t checksum)
{
    const struct rusage *from = &usage_began.ru, *to = &usage_ended.ru;

    printf("rows=%" PRIu64 " bytes=%" PRIu64, rows, ended.recv_bytes - began.recv_bytes);
    printf(" wall_ns=%" PRId64 " cpu_ns=%" PRId64, usage_ended.wall_ns - usage_began.wall_ns,
           usage_ended.cpu_ns - usage_began.cpu_ns);
    printf(" user_ns=%" PRId64 " sys_ns=%" PRId64, tv_ns(from->ru_utime, to->ru_utime),
           tv_ns(from->ru_stime, to->ru_stime));
    printf(" recvs=%" PRIu64 " sends=%" PRIu64 " waits=%" PRIu64, ended.recvs - began.recvs,
           ended.sends - began.sends, ended.waits - began.waits);
    printf(" switches=%ld", to->ru_nvcsw - from->ru_nvcsw);
    printf(" mallocs=%" PRIu64, ended.mallocs - began.mallocs);
    printf(" start_kb=%ld peak_kb=%ld", rss_start_kb, status_kb("VmHWM:"));
    printf(" anon_growth_kb=%ld", status_kb("RssAnon:") - anon_began_kb);
    report_latencies();
    printf(" checksum=%016" PRIx64 "\n", checksum);
}
