/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The low-water mark of a socket (SO_RCVLOWAT): while a long result comes, the loop is woken for a portion and not
 * for each segment. What is below the mark is hidden from poll, so whoever raises it owes a look after a
 * millisecond: what came by then is read, and if that is less than the mark, the mark goes down. Only on TCP
 * without TLS (a record that is complete would wait for the next one), and only while rows of a stream come.
 *
 * Worth it: 2,000,000 rows of 58 bytes from PostgreSQL 15 over loopback, two busy vCPUs, medians of five interleaved
 * runs with and without: 1,807 against 7,441 sleeps, 3,449 against 8,287 calls of recv, 81 against 156 ns of CPU a
 * row, 1.27 against 0.98 million rows a second. Marks of 128 and 256 KiB did no better. From bench/blast, which is faster than any client,
 * reads are full without it, and nothing changes.
 *
 *   reads++ after each recv that brought something
 *   redwi_lowat_raise() before the loop sleeps, once there were some in a row and the result goes on
 *   redwi_lowat_lower() at the end of the result, and when the look found less than the mark
 */
#ifndef REDWI_POOL_LOWAT_H
#define REDWI_POOL_LOWAT_H

#include "pool/sys.h"

#define REDWI_LOWAT_READS   4     /* in a row; a short result is over by then */
#define REDWI_LOWAT_BYTES   65536 /* the system takes half of the receive buffer at most */
#define REDWI_LOWAT_WAIT_US 1000  /* until the look */

struct redwi_lowat {
    unsigned reads; /* in a row, of this result */
    bool raised;
    bool useless;   /* the system does not take it: never again */
};

void redwi_lowat_raise(struct redwi_lowat *l, const struct redwi_sys *sys, int fd);
/* False: the system did not take it, the mark is up still. */
bool redwi_lowat_lower(struct redwi_lowat *l, const struct redwi_sys *sys, int fd);

#endif
