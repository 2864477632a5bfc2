/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The low-water mark of a socket (SO_RCVLOWAT): the loop is woken for a portion and not for each segment. What is
 * below the mark is hidden from poll, so whoever raises it owes a look after a millisecond: what came by then is
 * read. Only on TCP without TLS (a record that is complete would wait for the next one; a unix socket takes no
 * notice). Two occasions:
 *
 * A long result: 64 KiB once there were some reads in a row. A look that finds less lowers it, and so does the end.
 * Worth it: 2,000,000 rows of 58 bytes from PostgreSQL 15 over loopback, two busy vCPUs, medians of five interleaved
 * runs with and without: 1,807 against 7,441 sleeps, 3,449 against 8,287 calls of recv, 81 against 156 ns of CPU a
 * row, 1.27 against 0.98 million rows a second. Marks of 128 and 256 KiB did no better. From bench/blast, which is
 * faster than any client, reads are full without it, and nothing changes.
 *
 * A pipeline that trickles: the server sends each answer by itself, we are woken for it, and whoever submits from
 * its callback sends one statement. Three eighths of what is outstanding are waited for instead; meanwhile the
 * server works on the rest, and the statements that follow leave in one send. It begins after some wake-ups in a
 * row which each
 *   - brought less than an eighth of what was outstanding (what comes in bursts needs no mark), and
 *   - whose answers had taken several times as long as the fastest of this connection ever did: they queued at the
 *     server, and it does not wait for what we hold back. Where the way there is most of the time, holding
 *     back would lower the rate; there the factor is never met.
 *   - and not so long that a look would find less than an eighth.
 * It ends when one of these fails, when a look finds less than an eighth, and when fewer than 16 are outstanding.
 * Worth it: 100 outstanding "SELECT 1" with a Sync each, PostgreSQL 15 over loopback, two busy vCPUs, medians of three
 * interleaved runs of 100,000 with and without: 8,379 against 36,559 sends, 8,557 against 36,643 calls of recv, 4.8
 * against 12.4 us of CPU a query (libpq 11.3), 28 against 21 thousand queries a second, p50 2.0 against 4.0 ms.
 * What it costs if the fastest answer is no measure any more, because the way became many times longer while the
 * connection lived: up to a third of the rate at ways of 0.5 to 1 ms, a tenth to 7 ms, nothing beyond 8 (by the model
 * of tests/pool/test_lowat.c).
 *
 *   redwi_lowat_heard() after each wake-up that read something from a pipeline; reads++ for each recv in a result
 *   redwi_lowat_settle() before the loop sleeps
 *   redwi_lowat_lower() at the end of a result, when a job is given up, when a look found too little
 */
#ifndef REDWI_POOL_LOWAT_H
#define REDWI_POOL_LOWAT_H

#include "pool/sys.h"

#define REDWI_LOWAT_READS   4     /* in a row; a short result is over by then */
#define REDWI_LOWAT_BYTES   65536 /* the system takes half of the receive buffer at most */
#define REDWI_LOWAT_WAIT_US 1000  /* until the look */

#define REDWI_LOWAT_UNITS 16u /* outstanding; with fewer there is little to save */
#define REDWI_LOWAT_FEW   8u  /* wake-ups in a row; and the part of what is outstanding that is few */
#define REDWI_LOWAT_QUEUE 4   /* times the fastest: then most of the time is the server's queue */

struct redwi_lowat {
    int mark;         /* what the socket has; 0: down */
    bool useless;     /* the system does not take it: never again */
    unsigned reads;   /* in a row, of this result */
    unsigned few;     /* wake-ups in a row, of a pipeline */
    uint64_t bytes, answers; /* of them: what an answer takes */
    int64_t least_us; /* what the fastest answer took, of those that were looked at; 0: none was */
};

/* A wake-up brought so many bytes, with them the ends of so many units, the first of which took so long; so
 * many are left. Of pipelines only: at least REDWI_LOWAT_UNITS in all. */
void redwi_lowat_heard(struct redwi_lowat *l, size_t bytes, unsigned answers, unsigned left, int64_t took_us);

/* Rows of a long result are coming, or not; units that are outstanding. False: the mark ought to go down, and the
 * system did not take it. */
bool redwi_lowat_settle(struct redwi_lowat *l, const struct redwi_sys *sys, int fd, bool in_result, unsigned left);

/* All has to be earned anew. False: the system did not take it, the mark is up still. */
bool redwi_lowat_lower(struct redwi_lowat *l, const struct redwi_sys *sys, int fd);

#endif
