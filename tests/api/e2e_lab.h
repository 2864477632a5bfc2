/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stage of the test_e2e programs: a real server, TLS verified and SCRAM.
 */
#ifndef TESTS_API_E2E_LAB_H
#define TESTS_API_E2E_LAB_H

#include "api/lab_stage.h"

static inline void start(uint32_t pool_max)
{
    lab_open(&r);
    lab_pool(&r, pg_server()->uri, pg_server()->password, pool_max);
}

#endif
