/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redw: talk to Amazon Redshift (and any PostgreSQL v3 server) from an event loop.
 *
 * This header includes the whole public API; each part also compiles alone:
 *
 *   redw/base.h     codes, slices, the allocator, visibility
 *   redw/loop.h     the port through which redw uses an event loop (libev ships)
 *   redw/value.h    types and parameters
 *   redw/error.h    what went wrong, whether it ran, what to do
 *   redw/result.h   columns, rows, typed getters
 *   redw/client.h   the pool: create, ready, close, destroy
 *   redw/request.h  submit, cancel, forget
 *   redw/statement.h  statements prepared once, run often
 *   redw/batch.h    one statement, many sets of parameters, one transaction
 *   redw/stream.h   rows as they arrive, with back-pressure
 *
 * and not, because a service has no use for it:
 *
 *   redw/sync.h     blocking helpers for tools, tests and scripts
 *
 * Rules that hold everywhere
 *
 *  R1 redw_id > 0: accepted; the final callback runs exactly once, later, from the loop, never from
 *     inside the call that submitted. < 0: a REDW_E* code; nothing happened, no callback will come, and
 *     redw_client_why() says why in words. Only redw_forget() cuts the promise.
 *  R2 Whatever is passed in (requests, parameters, handlers, options, strings) is copied before the
 *     call returns, unless a function says otherwise.
 *  R3 Whatever a callback receives dies when it returns; redw_result_keep() and redw_error_keep() are
 *     the ways out.
 *  R4 In a struct zero means default; REDW_NONE means explicitly none, unlimited, never.
 *  R5 Ids are values, not pointers: a stale one answers REDW_ENOENT.
 *  R6 Any function may be called from any callback, redw_client_destroy() included, unless its comment
 *     says otherwise. Two things are not allowed in a callback: running the loop recursively, and
 *     leaving by longjmp or a C++ exception.
 *  R7 One client is used by one thread at a time, and there are no locks. A client may be created on
 *     one thread and used on another. Kept results and errors may be read and released on any thread.
 *  R8 No signal handler is installed, no thread started, and writes raise no SIGPIPE.
 */
#ifndef REDW_H
#define REDW_H

#include <redw/base.h>
#include <redw/batch.h>
#include <redw/client.h>
#include <redw/error.h>
#include <redw/loop.h>
#include <redw/request.h>
#include <redw/result.h>
#include <redw/statement.h>
#include <redw/stream.h>
#include <redw/value.h>

#endif
