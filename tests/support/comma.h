/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A locale whose decimal point is a comma, for tests that what they test does not ask for it.
 */
#ifndef TESTS_SUPPORT_COMMA_H
#define TESTS_SUPPORT_COMMA_H

#include <stdbool.h>

/* Switches this process to one, tests/run.sh's own or the system's; false, with a line on stdout: none. */
bool comma_locale(void);

#endif
