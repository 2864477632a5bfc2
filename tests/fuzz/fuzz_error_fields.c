/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of an ErrorResponse: refused, or an error whose every getter holds and whose message can be
 * shown.
 */
#include "wire/be_read.h"
#include "wire/err.h"
#include "wire/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static uint32_t read_all(redw_slice s)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < s.len; i++)
        sum += (uint8_t)s.ptr[i];
    return sum;
}

static void check(const redw_error *e)
{
    const char *text = redw_error_message(e);
    size_t n = strlen(text);
    must(n > 0 && n < 1024);
    for (size_t i = 0; i < n; i++)
        must((uint8_t)text[i] >= 0x20 && text[i] != 0x7f);
    must(strlen(redw_error_sqlstate(e)) % 5 == 0);
    must(strcmp(redw_class_name(redw_error_class(e)), "unknown") != 0);
    must(redw_error_class(e) != REDW_CLASS_NONE);
    must(redw_error_cause(e) <= REDW_CAUSE_UNKNOWN && redw_error_flags(e) < 8);
    must(redw_error_redshift_code(e) >= 0);
    must(redw_error_query_id(e) >= -1);
    volatile uint32_t sum = read_all(redw_error_rule(e));
    for (const char *letter = "SVCMDHPpqWstcdnFLR"; *letter; letter++)
        sum += read_all(redw_error_field(e, *letter));
    for (int part = REDW_REDSHIFT_ERROR; part <= REDW_REDSHIFT_ERROR_ID; part++)
        sum += read_all(redw_error_redshift_field(e, (enum redw_redshift_field)part));
    (void)sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!redwi_be_fields_ok(data, size))
        return 0;
    redw_error *e = redwi_err_server(&redwi_malloc, data, size, REDW_OUTCOME_NOT_EXECUTED);
    check(e);
    redw_error *caused = redwi_err_with_cause(&redwi_malloc, e, REDW_CAUSE_DEADLINE, REDW_OUTCOME_UNKNOWN);
    redw_error_release(e);
    redw_error *again = redwi_err_again(&redwi_malloc, caused, REDW_OUTCOME_NOT_SENT, "query");
    redw_error_release(caused);
    check(again);
    must(redw_error_outcome(again) == REDW_OUTCOME_NOT_SENT);
    redw_error_release(again);
    return 0;
}
