/* SPDX-License-Identifier: Apache-2.0 */
/*
 * E03, E05: the table of what is prepared on a connection: what becomes of an entry in each way a unit may end, its
 * bound, and what it does without memory. No connection, no session: only the table.
 */
#include "pool/prepared.h"

#include "data/types.h"
#include "pool/client.h"
#include "support/fault.h"
#include "wire/be_write.h"
#include "wire/fe_read.h"
#include "wire/mem.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct fault heap;
static redw_client client;
static struct redwi_prepared table;
static struct redwi_job job, other;
static struct redwi_buf out, wire;

static void setup(void)
{
    fault_init(&heap);
    memset(&client, 0, sizeof client);
    memset(&table, 0, sizeof table);
    client.mem = client.work = heap.mem;
    client.env.sys = &heap.sys;
    redwi_list_init(&client.statements);
    for (int i = 0; i < REDWI_PLACES; i++)
        redwi_list_init(&client.places[i]);
    job.client = other.client = &client;
    redwi_buf_init(&out, &redwi_malloc, 1 << 20);
    redwi_buf_init(&wire, &redwi_malloc, 1 << 20);
}

static void teardown(void)
{
    redwi_prepared_free(&table);
    redwi_buf_free(&out);
    redwi_buf_free(&wire);
    fault_fini(&heap); /* aborts on leaks */
}

/* A description of columns of these types, each with a type modifier. */
static struct redwi_columns describe(const uint32_t *oids, int32_t typmod, size_t n)
{
    struct redwi_field fields[16] = {0};
    struct redwi_columns columns;

    for (size_t i = 0; i < n; i++)
        fields[i] = (struct redwi_field){.name = {"c", 1}, .type_oid = oids[i], .typmod = typmod};
    redwi_buf_take(&wire, redwi_buf_len(&wire));
    redwi_be_put_row_description(&wire, fields, n);
    ck_assert(redwi_be_row_description(redwi_buf_front(&wire) + 5, redwi_buf_len(&wire) - 5, 0, &columns));
    return columns;
}

static struct redwi_prepared_entry *add(const struct redwi_job *j, uint64_t statement)
{
    struct redwi_prepared_entry *e = redwi_prepared_add(&table, j, statement, 0);

    ck_assert_ptr_nonnull(e);
    ck_assert_int_eq(e->state, REDWI_PREPARED_PARSING);
    return e;
}

static struct redwi_prepared_entry *add_ready(uint64_t statement)
{
    struct redwi_prepared_entry *e = add(&job, statement);

    ck_assert_int_eq(redwi_prepared_describe(&table, e, &(struct redwi_columns){0}, REDWI_POSTGRES), 0);
    redwi_prepared_unit_ended(&table, &job);
    ck_assert_int_eq(e->state, REDWI_PREPARED_READY);
    return e;
}

/* The name that a Close was written for; NULL: none was. */
static const char *closed_by(const struct redwi_job *j, uint64_t statement)
{
    static char text[64];
    redw_slice name;
    char what;

    redwi_buf_take(&out, redwi_buf_len(&out));
    unsigned sent = redwi_prepared_put_close(&table, j, &out, statement);
    ck_assert_uint_eq(sent, redwi_buf_len(&out) ? REDWI_SENT_CLOSE : 0);
    if (!sent)
        return NULL;
    ck_assert(redwi_fe_read_describe(redwi_buf_front(&out) + 5, redwi_buf_len(&out) - 5, &what, &name));
    ck_assert_int_eq(what, 'S');
    snprintf(text, sizeof text, "%.*s", (int)name.len, name.ptr);
    return text;
}

START_TEST(E05_an_entry_is_found_from_its_parse_until_it_is_unwanted)
{
    ck_assert_ptr_null(redwi_prepared_find(&table, 7));
    struct redwi_prepared_entry *e = add(&job, 7);
    ck_assert_ptr_eq(redwi_prepared_find(&table, 7), e);
    ck_assert_ptr_null(redwi_prepared_find(&table, 8));
    redwi_prepared_describe(&table, e, &(struct redwi_columns){0}, REDWI_POSTGRES);
    ck_assert_int_eq(e->state, REDWI_PREPARED_READY); /* before its unit has ended: the server has it */
    ck_assert(!e->brings_rows);
    redwi_prepared_unit_ended(&table, &job);
    ck_assert_ptr_eq(redwi_prepared_find(&table, 7), e);
    redwi_prepared_unwant(&table, e);
    ck_assert_ptr_null(redwi_prepared_find(&table, 7));
}
END_TEST

/* What a unit that was preparing leaves, by how it ended and how far it had come. */
START_TEST(E05_what_was_not_described_is_closed_to_be_sure_or_never_was)
{
    void (*const ends[])(struct redwi_prepared *, const struct redwi_job *) = {
        redwi_prepared_unit_ended, redwi_prepared_abandoned, redwi_prepared_never_sent};

    for (size_t how = 0; how < 3; how++) {
        for (int described = 0; described < 2; described++) {
            struct redwi_prepared_entry *e = add(&job, 1);
            redwi_prepared_keep(e);
            if (described)
                redwi_prepared_describe(&table, e, &(struct redwi_columns){0}, REDWI_POSTGRES);
            ends[how](&table, &other); /* somebody else's unit */
            ck_assert_ptr_eq(redwi_prepared_find(&table, 1), e);
            ends[how](&table, &job);
            ck_assert(redwi_prepared_find(&table, 1) == (described ? e : NULL));
            if (how < 2 || described)
                ck_assert_int_eq(e->state, described ? REDWI_PREPARED_READY : REDWI_PREPARED_UNWANTED);
            else
                ck_assert_uint_eq(table.count, 0);
            ck_assert_uint_eq(table.pending, 0);
            redwi_prepared_release(e);
            redwi_prepared_free(&table);
        }
    }
}
END_TEST

START_TEST(E03_a_close_takes_the_entry_out_unless_it_was_never_sent)
{
    struct redwi_prepared_entry *a = add_ready(1), *b = add_ready(2), *c = add_ready(3);
    char names[3][64];

    snprintf(names[0], 64, "%s", a->name);
    snprintf(names[1], 64, "%s", b->name);
    snprintf(names[2], 64, "%s", c->name);
    ck_assert_ptr_null(closed_by(&job, 0));
    redwi_prepared_unwant(&table, a);
    redwi_prepared_unwant(&table, b);
    redwi_prepared_unwant(&table, c);
    ck_assert_str_eq(closed_by(&job, 2), names[1]); /* the statement's own first */
    ck_assert_uint_eq(table.pending, 1);
    redwi_prepared_never_sent(&table, &job);
    ck_assert_uint_eq(table.count, 3);
    ck_assert_str_eq(closed_by(&job, 2), names[1]); /* so it is to be closed still */
    ck_assert_str_ne(closed_by(&other, 2), names[1]); /* once */
    redwi_prepared_unit_ended(&table, &job);
    ck_assert_uint_eq(table.count, 2);
    redwi_prepared_abandoned(&table, &other); /* its answers are dropped, but it was sent */
    ck_assert_uint_eq(table.count, 1);
    ck_assert_ptr_nonnull(closed_by(&job, 0));
    ck_assert_ptr_null(closed_by(&other, 0));
    redwi_prepared_unit_ended(&table, &job);
    ck_assert_uint_eq(table.count, 0);
    ck_assert_uint_eq(table.pending, 0);
}
END_TEST

START_TEST(E05_the_least_recently_used_gives_way_and_a_full_table_makes_none)
{
    for (uint64_t i = 1; i <= REDWI_PREPARED_MAX; i++)
        add_ready(i);
    redwi_prepared_find(&table, 1); /* used */
    add_ready(1000);
    ck_assert_ptr_nonnull(redwi_prepared_find(&table, 1));
    ck_assert_ptr_null(redwi_prepared_find(&table, 2));
    /* Anew, for the same statement: only that one gives way. */
    add_ready(1);
    ck_assert_ptr_nonnull(redwi_prepared_find(&table, 3));
    /* Nothing is closed meanwhile: it ends when all room is taken by what waits for that. */
    uint64_t i = 2000;
    while (redwi_prepared_add(&table, &job, i, 0))
        i++;
    ck_assert_uint_le(table.count, 2 * REDWI_PREPARED_MAX);
    redwi_prepared_unit_ended(&table, &job);
    while (closed_by(&job, 0))
        redwi_prepared_unit_ended(&table, &job);
    for (size_t k = 0; k < table.count; k++)
        ck_assert_int_eq(table.entries[k]->state, REDWI_PREPARED_READY);
    redwi_prepared_free(&table);
    /* Units under way with a Parse each are not given up. */
    for (i = 0; i < REDWI_PREPARED_MAX; i++)
        add(&job, 5000 + i);
    ck_assert_ptr_null(redwi_prepared_add(&table, &job, 9999, 0));
}
END_TEST

START_TEST(E05_names_belong_to_one_client_and_are_never_used_twice)
{
    struct redwi_statement s;

    redwi_statement_open(&s, &client);
    ck_assert_uint_eq(s.serial, 1);
    uint64_t tag = client.names_tag;
    struct redwi_prepared_entry *a = add(&job, 1), *b = add(&job, 2);
    ck_assert_str_ne(a->name, b->name);
    ck_assert_int_eq(strncmp(a->name, "redw_", 5), 0);
    redwi_statement_close(&s);
    redwi_statement_open(&s, &client);
    ck_assert_uint_eq(s.serial, 2);
    ck_assert_uint_eq(client.names_tag, tag);
    redwi_statements_part(&client);
    ck_assert_ptr_null(s.client);
    redwi_statement_close(&s); /* without a client: nothing to tell */

    client.nstatements = 0; /* another client */
    redwi_statement_open(&s, &client);
    ck_assert(client.names_tag != tag);
    redwi_statement_close(&s);
}
END_TEST

static int64_t some_time(void *ctx)
{
    (void)ctx;
    return 1234567;
}

START_TEST(E05_without_entropy_names_come_from_clock_and_process)
{
    struct redwi_statement s;
    const struct fault_kind *kinds;
    size_t n;

    client.loop.wall_us = some_time;
    client.pid = 4711;
    kinds = fault_kinds(FAULT_ENTROPY, &n);
    ck_assert_uint_ge(n, 1);
    fault_arm(&heap, FAULT_ENTROPY, 1, FAULT_ONCE, kinds[0]);
    redwi_statement_open(&s, &client);
    ck_assert(fault_fired(&heap));
    ck_assert(client.names_tag != 0);
    redwi_statement_close(&s);
}
END_TEST

START_TEST(E03_a_handle_that_is_gone_is_closed_on_all_connections)
{
    struct redwi_conn conns[2] = {0};
    struct redwi_statement s;

    redwi_statement_open(&s, &client);
    redwi_list_append(&client.places[REDWI_AT_IDLE], &conns[0].link);
    redwi_list_append(&client.places[REDWI_AT_BUSY], &conns[1].link);
    for (int i = 0; i < 2; i++) {
        for (uint64_t statement = s.serial; statement < s.serial + 2; statement++) {
            struct redwi_prepared_entry *e = redwi_prepared_add(&conns[i].prepared, &job, statement, 0);
            redwi_prepared_describe(&conns[i].prepared, e, &(struct redwi_columns){0}, REDWI_POSTGRES);
        }
    }
    redwi_statement_close(&s);
    for (int i = 0; i < 2; i++) {
        ck_assert_ptr_null(redwi_prepared_find(&conns[i].prepared, s.serial));
        ck_assert_ptr_nonnull(redwi_prepared_find(&conns[i].prepared, s.serial + 1));
        redwi_prepared_free(&conns[i].prepared);
    }
}
END_TEST

START_TEST(E05_a_unit_keeps_its_entry_whatever_becomes_of_the_table)
{
    struct redwi_columns columns = describe((const uint32_t[]){23, 25}, -1, 2);
    struct redwi_prepared_entry *e = add(&job, 1);
    struct redwi_field f;

    ck_assert_int_eq(redwi_prepared_describe(&table, e, &columns, REDWI_POSTGRES), 0);
    redwi_prepared_keep(e);
    redwi_prepared_free(&table);
    memset(wire.data, 0, wire.cap); /* the message is gone too */
    struct redwi_columns mine = e->columns;
    ck_assert(e->brings_rows);
    ck_assert_uint_eq(mine.n, 2);
    redwi_be_field_next(&mine, &f);
    ck_assert_uint_eq(f.type_oid, 23);
    ck_assert_uint_eq(f.format, 0);
    mine = e->columns;
    mine.formats = e->binary;
    redwi_be_field_next(&mine, &f);
    ck_assert_uint_eq(f.format, 1);
    redwi_be_field_next(&mine, &f);
    ck_assert_uint_eq(f.format, 1);
    ck_assert_uint_eq(f.type_oid, 25);
    redwi_prepared_release(e);
    redwi_prepared_release(NULL);
}
END_TEST

START_TEST(E02_uses_of_one_entry_share_a_heading_for_each_form)
{
    struct redwi_columns columns = describe((const uint32_t[]){23, 25}, -1, 2);
    struct redwi_prepared_entry *e = add(&job, 1);
    struct redwi_heading *made[REDWI_FORMS], *again;

    ck_assert_int_eq(redwi_prepared_describe(&table, e, &columns, REDWI_POSTGRES), 0);
    for (int form = 0; form < REDWI_FORMS; form++)
        made[form] = redwi_prepared_heading(e, &heap.mem, (enum redwi_form)form, REDWI_POSTGRES);
    uint64_t allocations = heap.total_allocs;
    for (int form = 0; form < REDWI_FORMS; form++) {
        again = redwi_prepared_heading(e, &heap.mem, (enum redwi_form)form, REDWI_POSTGRES);
        ck_assert_ptr_eq(again, made[form]);
        redwi_heading_release(again);
    }
    ck_assert_uint_eq(heap.total_allocs, allocations);
    redwi_prepared_free(&table);
    ck_assert(!made[REDWI_FORM_TEXT]->columns[0].binary && !made[REDWI_FORM_TEXT]->columns[1].binary);
    ck_assert(made[REDWI_FORM_AUTOMATIC]->columns[0].binary && !made[REDWI_FORM_AUTOMATIC]->columns[1].binary);
    ck_assert(made[REDWI_FORM_BINARY]->columns[0].binary && made[REDWI_FORM_BINARY]->columns[1].binary);
    for (int form = 0; form < REDWI_FORMS; form++)
        redwi_heading_release(made[form]);
}
END_TEST

START_TEST(E02_rows_without_columns_are_not_no_rows)
{
    struct redwi_columns columns = describe(NULL, -1, 0);
    struct redwi_prepared_entry *e = add(&job, 1);

    ck_assert_int_eq(redwi_prepared_describe(&table, e, &columns, REDWI_POSTGRES), 0);
    ck_assert(e->brings_rows);
    ck_assert_uint_eq(e->columns.n, 0);
}
END_TEST

/* bool int8 float8 numeric text jsonb date bytea int4[] uuid "char" inet oid */
START_TEST(E02_automatic_formats_follow_the_server_and_what_getters_trust)
{
    static const uint32_t oids[] = {16, 20, 701, 1700, 25, 3802, 1082, 17, 1007, 2950, 18, 869, 26};
    enum { N = sizeof oids / sizeof *oids };
    static const struct {
        enum redwi_server server;
        int32_t typmod; /* of all; it matters to numeric */
        const char *formats;
    } rows[] = {
        {REDWI_POSTGRES, -1, "1111001101001"},
        {REDWI_POSTGRES, (10 << 16) + 2 + 4, "1111001101001"},
        {REDWI_REDSHIFT_BINARY, (10 << 16) + 2 + 4, "1111001101001"},
        {REDWI_REDSHIFT_BINARY, -1, "1110001101001"}, /* a NUMERIC of unknown scale */
        {REDWI_REDSHIFT_BASE, (10 << 16) + 2 + 4, "0000000000000"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct redwi_columns columns = describe(oids, rows[i].typmod, N);
        struct redwi_prepared_entry *e = add(&job, i);
        redwi_prepared_describe(&table, e, &columns, rows[i].server);
        for (size_t k = 0; k < N; k++)
            ck_assert_msg(e->automatic[k] == (rows[i].formats[k] == '1'), "row %zu, column %zu", i, k);
    }
}
END_TEST

START_TEST(E05_without_memory_there_is_no_entry_or_one_to_be_closed)
{
    struct redwi_columns columns = describe((const uint32_t[]){23}, -1, 1);

    fault_arm(&heap, FAULT_ALLOC, 1, FAULT_ONCE, FAULT_NO_MEMORY);
    ck_assert_ptr_null(redwi_prepared_add(&table, &job, 1, 2)); /* the table */
    fault_arm(&heap, FAULT_ALLOC, 2, FAULT_ONCE, FAULT_NO_MEMORY);
    ck_assert_ptr_null(redwi_prepared_add(&table, &job, 1, 2)); /* the entry */
    fault_disarm(&heap);
    ck_assert_uint_eq(table.count, 0);
    struct redwi_prepared_entry *e = add(&job, 1);
    fault_arm(&heap, FAULT_ALLOC, 1, FAULT_ONCE, FAULT_NO_MEMORY);
    ck_assert_ptr_null(redwi_prepared_add(&table, &other, 1, 2)); /* ...and what was there stays */
    ck_assert_ptr_eq(redwi_prepared_find(&table, 1), e);
    fault_arm(&heap, FAULT_ALLOC, 1, FAULT_ONCE, FAULT_NO_MEMORY);
    ck_assert_int_eq(redwi_prepared_describe(&table, e, &columns, REDWI_POSTGRES), REDW_ENOMEM);
    fault_disarm(&heap);
    ck_assert_ptr_null(redwi_prepared_find(&table, 1));
    ck_assert_str_eq(closed_by(&other, 0), e->name);
    redwi_prepared_unit_ended(&table, &job);
    redwi_prepared_unit_ended(&table, &other);
    ck_assert_uint_eq(table.count, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("prepared");
    TCase *t = tcase_create("prepared");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, E05_an_entry_is_found_from_its_parse_until_it_is_unwanted);
    tcase_add_test(t, E05_what_was_not_described_is_closed_to_be_sure_or_never_was);
    tcase_add_test(t, E03_a_close_takes_the_entry_out_unless_it_was_never_sent);
    tcase_add_test(t, E05_the_least_recently_used_gives_way_and_a_full_table_makes_none);
    tcase_add_test(t, E05_names_belong_to_one_client_and_are_never_used_twice);
    tcase_add_test(t, E05_without_entropy_names_come_from_clock_and_process);
    tcase_add_test(t, E03_a_handle_that_is_gone_is_closed_on_all_connections);
    tcase_add_test(t, E05_a_unit_keeps_its_entry_whatever_becomes_of_the_table);
    tcase_add_test(t, E02_uses_of_one_entry_share_a_heading_for_each_form);
    tcase_add_test(t, E02_rows_without_columns_are_not_no_rows);
    tcase_add_test(t, E02_automatic_formats_follow_the_server_and_what_getters_trust);
    tcase_add_test(t, E05_without_memory_there_is_no_entry_or_one_to_be_closed);
    suite_add_tcase(s, t);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
