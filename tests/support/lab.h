/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client under observation: libev loop, loop probe, counting allocator and failable system calls around
 * it, leak guards at the end. What most tests of the public API begin and end with.
 *
 *   struct lab r;
 *   lab_open(&r);
 *   ck_assert_int_eq(lab_client(&r, REDW_OPTIONS(.uri = pg_uri()), &why), 0);
 *   struct answer a = lab_query(&r, REDW_QUERY("select 1"));
 *   ...
 *   answer_release(&a);
 *   ck_assert(lab_close(&r));       destroys the client; false: something leaked, and stderr says what
 */
#ifndef TESTS_SUPPORT_LAB_H
#define TESTS_SUPPORT_LAB_H

#include "pool/client.h"
#include "support/fault.h"
#include "support/leak.h"
#include "support/probe.h"
#include <ev.h>
#include <redw.h>

struct lab {
    struct ev_loop *loop;
    struct fault fault;
    struct probe probe;
    struct leak leak;
    struct redwi_env env;
    redw_client *client;   /* NULL before lab_client and after destroy; set it to NULL if the test destroys */
    double patience_s;     /* lab_wait gives up after so long: 20, or less if the test says so */
    bool late;             /* it did */
    const unsigned *counter; /* lab_wait's */
    unsigned goal;
};

/* What the final callback of one request brought. */
struct answer {
    redw_id id;         /* < 0: refused */
    unsigned calls;     /* of the final callback */
    redw_result *res;   /* kept; NULL: none came */
};

void lab_open(struct lab *r);
/* Creates the client on the probed loop with the counting allocator and the failable system. */
int lab_client(struct lab *r, const struct redw_options *o, struct redw_diag *why);
/* As lab_client with only a URI and a pool size; fails the test if the client cannot be made. */
void lab_pool(struct lab *r, const char *uri, const char *password, uint32_t pool_max);
/* Destroys the client if it is there and checks all guards. */
bool lab_close(struct lab *r);

/* Runs the loop until *counter >= goal. False after patience_s. */
bool lab_wait(struct lab *r, const unsigned *counter, unsigned goal);
/* Runs the loop for some milliseconds. */
void lab_run_ms(struct lab *r, unsigned ms);

/* Runs the loop until the server executes exactly this statement (for cancels: one that comes before its
 * statement is lost). Its text should be no other test's. */
void lab_run_until_active(struct lab *r, const char *sql);

/* Submits and waits. The answer's result is the caller's: answer_release. */
struct answer lab_query(struct lab *r, const struct redw_request *rq);
/* The same, for later: *a must stay where it is until the callback has come. */
void lab_submit(struct lab *r, struct answer *a, const struct redw_request *rq);
void answer_done(const redw_result *res, void *ctx); /* ctx: struct answer */
void answer_release(struct answer *a);

/* The one value of a one-row, one-column answer as text; fails the test if it is not that. NULL: SQL NULL. */
const char *answer_text(const struct answer *a);
const redw_error *answer_error(const struct answer *a); /* fails the test if no answer came */
/* Fails the test unless the answer is a success. */
void answer_must_succeed(const struct answer *a);

#endif
