/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What most tests with a real server begin and end with: one lab (support/lab.h), and what a request must bring.
 */
#ifndef TESTS_API_LAB_STAGE_H
#define TESTS_API_LAB_STAGE_H

#include "support/lab.h"
#include "support/pg.h"

#include <check.h>

static struct lab r;

static inline void finish(void)
{
    ck_assert_msg(!r.late, "the test waited in vain");
    ck_assert(lab_close(&r));
}

/* The one value of a statement as text. */
static inline void must_answer(const struct redw_request *rq, const char *text)
{
    struct answer a = lab_query(&r, rq);
    ck_assert_pstr_eq(answer_text(&a), text);
    answer_release(&a);
}

static inline void must_succeed(const struct redw_request *rq)
{
    struct answer a = lab_query(&r, rq);
    answer_must_succeed(&a);
    answer_release(&a);
}

#endif
