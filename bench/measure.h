/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bench's clients share: the command line, what they do with each value, the measuring, and
 * the line they print. The same code in all of them, so that what differs is the driver.
 *
 *   main: bench_args(); connect; a warm-up; bench_begin(); the queries; bench_end(); bench_report()
 *
 * Counted in between: time, CPU, context switches, and, by standing in front of the C library's
 * functions, recv, send, poll, epoll_wait and allocations. Memory (RssAnon) from bench_begin() to bench_report().
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "shapes.h"
#include <stdbool.h>
#include <string.h>

enum consume {
    CONSUME_TOUCH,  /* length and first byte of each value */
    CONSUME_DECODE, /* native int, double, bool; other types are touched */
    CONSUME_HASH,   /* every byte: slow, for comparing clients */
};

#define KEPT_ROWS  10000  /* of a result, --work kept */
#define PAUSE_ROWS 1000   /* between two pauses, --work paused */
#define PAUSE_S    0.001

struct bench_args {
    int port;
    const char *uri;     /* instead of the port: a server that is no blast */
    const char *work;    /* "stream", "ping" ... */
    const char *kind;    /* the client's own: "view", "exec" ... */
    const struct shape *shape;
    uint64_t count;      /* rows, queries, connections */
    unsigned conns;      /* connections */
    unsigned inflight;   /* requests that are kept outstanding over all of them */
    unsigned depth;      /* of them on their way on one connection at most */
    bool binary;
    bool postgres;       /* the server has tables named as the shapes, and knows no BLAST */
    bool loop;           /* on libev; else blocking */
    bool tls;
    enum consume consume;
};

/*
 *   --port N --work stream|ping --shape NAME --count N --format text|binary --consume touch|decode|hash
 *   --kind NAME --loop ev|block --tls no|yes --latency yes|no --cpu N --bound SECONDS
 *   --server blast|postgres --uri TEXT --conns N --inflight N --depth N
 * Ends the process on anything else; pins it; ties its life to its parent's and to the bound.
 */
struct bench_args bench_args(int argc, char **argv);

/* The server's: --uri, or blast's at its port. */
void bench_uri(const struct bench_args *a, char *to, size_t room);

/* The statement whose result has so many rows of the shape; and how many the warm-up asks for. */
void bench_sql(const struct bench_args *a, uint64_t rows, char *to, size_t room);
uint64_t bench_warm_rows(const struct bench_args *a);

void bench_begin(void);
void bench_end(void);
int64_t bench_now_ns(void);
void bench_latency(int64_t ns); /* one answer took so long; 1,000,000 are kept, none with --latency no */
/* The line: rows is what the client counted, checksum what it made of the values. */
void bench_report(uint64_t rows, uint64_t checksum);

/* The checksum of values in their order. */
static inline uint64_t checksum_add(uint64_t sum, uint64_t v)
{
    return sum * 5 + v;
}

/* p NULL is SQL NULL, and then len is 0. */
static inline uint64_t checksum_touch(uint64_t sum, const void *p, size_t len)
{
    if (len == 0)
        return checksum_add(sum, p == NULL ? 0x6e756c6c : 0);
    return checksum_add(sum, len + *(const uint8_t *)p);
}

static inline uint64_t checksum_double(uint64_t sum, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    return checksum_add(sum, bits);
}

static inline uint64_t checksum_hash(uint64_t sum, const void *p, size_t len)
{
    const uint8_t *b = p;

    for (size_t i = 0; i < len; i++)
        sum = (sum ^ b[i]) * 0x100000001b3u;
    return checksum_add(sum, len);
}

#endif
