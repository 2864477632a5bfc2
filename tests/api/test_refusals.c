/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C23, D02: Whatever redw_submit and redw_stream refuse, they say why: the field, and the limit it passed. A
 * refusal changes nothing, and its callback never runs.
 */
#include "support/desk.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct desk d;
static const struct peer_config server;

static void never(const redw_result *res, void *ctx)
{
    (void)res, (void)ctx;
    ck_abort_msg("a callback of a request that was refused");
}

static enum redw_flow no_rows(redw_rows *rows, void *ctx)
{
    (void)rows, (void)ctx;
    ck_abort_msg("rows of a request that was refused");
}

static const struct redw_stream_handler handler = {.size = sizeof handler, .on_rows = no_rows, .on_done = never};

#define X64  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X321 X64 X64 X64 X64 X64 "x"

static char *spaces; /* 16 MB and 1 of SQL */
static redw_param *many;

struct refusal {
    const struct redw_request *rq;
    int code;
    const char *field, *limit; /* words of the reason; limit NULL: there is none to name */
};

static void must_refuse(const struct refusal *t, size_t i)
{
    for (int streams = 0; streams < 2; streams++) {
        redw_id id = streams ? redw_stream(d.lab.client, t->rq, &handler, NULL)
                             : redw_submit(d.lab.client, t->rq, never, NULL);
        const char *why = redw_client_why(d.lab.client);
        ck_assert_msg(id == t->code, "%zu: %lld, %s", i, (long long)id, why);
        ck_assert_msg(strncmp(why, t->field, strlen(t->field)) == 0, "%zu: \"%s\" does not begin with %s", i, why, t->field);
        ck_assert_msg(!t->limit || strstr(why, t->limit), "%zu: \"%s\" does not say %s", i, why, t->limit);
        ck_assert_msg(!strchr(why, '\n') && strlen(why) > strlen(t->field), "%zu: \"%s\"", i, why);
    }
}

START_TEST(a_wrong_field_is_named_with_its_limit)
{
    struct redw_request newer[2] = {{.size = 2 * sizeof(struct redw_request), .sql = "select 1"}, {.size = 1}};
    desk_open(&d, &server, REDW_OPTIONS(.pool_max = 1));
    const struct refusal table[] = {
        {NULL, REDW_EINVAL, "request", "NULL"},
        {&(struct redw_request){.size = 0, .sql = "select 1"}, REDW_EINVAL, "request", "size"},
        {&newer[0], REDW_EINVAL, "request", "newer than this library"},
        {REDW_REQUEST(.sql = NULL), REDW_EINVAL, "sql", "NULL"},
        {REDW_REQUEST(.sql = spaces), REDW_EINVAL, "sql", "16777216 bytes"},
        {REDW_REQUEST(.sql = spaces, .sql_len = (16 << 20) + 1), REDW_EINVAL, "sql", "16777216 bytes"},
        {REDW_REQUEST(.sql = spaces, .sql_len = 16 << 20, .label = "a"), REDW_EINVAL, "sql", "16777216 bytes with its label"},
        {REDW_REQUEST(.sql = "select '\xff'"), REDW_EINVAL, "sql", NULL},
        {REDW_REQUEST(.sql = "a\0b", .sql_len = 3), REDW_EINVAL, "sql", NULL},
        {REDW_REQUEST(.sql = "select 1", .params = many, .nparams = 32768), REDW_EINVAL, "params", "32767"},
        {REDW_REQUEST(.sql = "select 1", .nparams = 1), REDW_EINVAL, "params", "NULL"},
        {REDW_REQUEST(.sql = "select $1", REDW_PARAMS(redw_p_int32(1), redw_p_text("\xc3("))), REDW_EINVAL, "parameter $2", NULL},
        {REDW_REQUEST(.sql = "select 1", .wire = (enum redw_wire)7), REDW_EINVAL, "wire", NULL},
        {REDW_REQUEST(.sql = "select 1", .priority = (enum redw_priority)4), REDW_EINVAL, "priority", "4"},
        {REDW_REQUEST(.sql = "select 1", .priority = (enum redw_priority)-1), REDW_EINVAL, "priority", "-1"},
        {REDW_REQUEST(.sql = "select 1", .label = ""), REDW_EINVAL, "label", "empty"},
        {REDW_REQUEST(.sql = "select 1", .label = X64 "x"), REDW_EINVAL, "label", "64 bytes"},
        {REDW_REQUEST(.sql = "select 1", .label = "a*/b"), REDW_EINVAL, "label", "letters, digits"},
        {REDW_REQUEST(.sql = "select 1", .query_group = X321), REDW_EINVAL, "query_group", "320 bytes"},
        {REDW_REQUEST(.sql = "select 1", .query_group = "a\nb"), REDW_EINVAL, "query_group", "control character"},
        {REDW_REQUEST(.sql = "select 1", .query_group = "\xff"), REDW_EINVAL, "query_group", NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        must_refuse(&table[i], i);
    desk_turn(&d);
    ck_assert_uint_eq(d.nconns, 0);
    desk_close(&d);
}
END_TEST

START_TEST(a_missing_callback_is_named)
{
    static const struct redw_stream_handler no_on_rows = {.size = sizeof handler, .on_done = never},
                                            no_on_done = {.size = sizeof handler, .on_rows = no_rows},
                                            no_size = {.on_rows = no_rows, .on_done = never};
    static const struct redw_stream_handler *const handlers[] = {NULL, &no_on_rows, &no_on_done, &no_size};
    desk_open(&d, &server, REDW_OPTIONS(.pool_max = 1));
    ck_assert_int_eq((int)redw_submit(d.lab.client, REDW_QUERY("select 1"), NULL, NULL), REDW_EINVAL);
    ck_assert_str_eq(redw_client_why(d.lab.client), "submit: fn is NULL");
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq((int)redw_stream(d.lab.client, REDW_QUERY("select 1"), handlers[i], NULL), REDW_EINVAL);
        ck_assert_ptr_eq(strstr(redw_client_why(d.lab.client), "handler: "), redw_client_why(d.lab.client));
    }
    desk_close(&d);
}
END_TEST

static void ignore(const redw_result *res, void *ctx)
{
    (void)res, (void)ctx;
}

START_TEST(a_full_queue_a_closing_client_and_no_memory_say_so)
{
    desk_open(&d, &server, REDW_OPTIONS(.pool_max = 1, .queue_max = 2));
    for (int i = 0; i < 2; i++)
        ck_assert_int_gt(redw_submit(d.lab.client, REDW_QUERY("select 1"), ignore, NULL), 0);
    must_refuse(&(struct refusal){REDW_QUERY("select 1"), REDW_EFULL, "queue_max 2", "2 requests wait"}, 0);
    /* First one that no spare block is large enough for; then none is left. */
    const char *const sql[] = {spaces + (16 << 20) - 2000, "select 1"};
    for (int k = 1; k < 3; k++) {
        fault_arm(&d.lab.fault, FAULT_ALLOC, (uint64_t)k, FAULT_STICKY, FAULT_NO_MEMORY);
        must_refuse(&(struct refusal){REDW_QUERY(sql[k - 1]), REDW_ENOMEM, "out of", "memory"}, (size_t)k);
        fault_disarm(&d.lab.fault);
    }
    redw_client_close(d.lab.client, 0, NULL, NULL);
    must_refuse(&(struct refusal){REDW_QUERY("select 1"), REDW_ECLOSED, "the client", "is closing"}, 3);
    desk_turn(&d);
    must_refuse(&(struct refusal){REDW_QUERY("select 1"), REDW_ECLOSED, "the client", "is closed"}, 4);
    desk_close(&d);
}
END_TEST

int main(void)
{
    spaces = malloc((16 << 20) + 2);
    many = calloc(32768, sizeof *many);
    if (!spaces || !many)
        return 1;
    memset(spaces, ' ', (16 << 20) + 1);
    spaces[(16 << 20) + 1] = '\0';
    Suite *s = suite_create("refusals");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_wrong_field_is_named_with_its_limit);
    tcase_add_test(t, a_missing_callback_is_named);
    tcase_add_test(t, a_full_queue_a_closing_client_and_no_memory_say_so);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    free(spaces);
    free(many);
    return failed != 0;
}
