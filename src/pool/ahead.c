/* SPDX-License-Identifier: Apache-2.0 */
#include "pool/ahead.h"

#include "data/quote.h"
#include "wire/mem.h"

#include <string.h>

static bool differs(const struct redwi_ahead *a, const char *group)
{
    if (!a->touched)
        return *group != '\0';
    return a->unknown || strcmp(a->group, group) != 0;
}

static int statement(struct redwi_buf *b, const char *group)
{
    static const char set[] = "set query_group to ", reset[] = "reset query_group";
    if (!*group) {
        redwi_buf_bytes(b, reset, sizeof reset - 1);
        return 0;
    }
    redwi_buf_bytes(b, set, sizeof set - 1);
    return redwi_quote_literal(b, group, strlen(group));
}

static int write_unit(struct redwi_session *s, const struct redw_allocator *mem, void *tag, const char *group)
{
    struct redwi_buf sql;
    redwi_buf_init(&sql, mem, 2 * REDWI_QUERY_GROUP_MAX + 64);
    int code = statement(&sql, group);
    if (!code)
        code = sql.failed;
    if (!code)
        code = redwi_session_query(s, tag, (const char *)redwi_buf_front(&sql), redwi_buf_len(&sql),
                                   REDW_OUTCOME_NOT_EXECUTED);
    redwi_buf_free(&sql);
    return code;
}

int redwi_ahead_put_group(struct redwi_ahead *a, struct redwi_session *s, const struct redw_allocator *mem,
                          void *tag, const char *group)
{
    if (!differs(a, group) || !redwi_session_is_redshift(s))
        return 0;
    int code = write_unit(s, mem, tag, group);
    if (code)
        return code;
    memcpy(a->group, group, strlen(group) + 1);
    a->touched = true;
    a->unknown = false;
    a->due++;
    return 0;
}

void redwi_ahead_take_back(struct redwi_ahead *a, struct redwi_session *s, const void *tag)
{
    if (a->due == 0 || !redwi_session_take_back(s, tag))
        return;
    a->due--;
    a->unknown = true; /* what was before is not kept */
}

void redwi_ahead_failed(struct redwi_ahead *a)
{
    a->failed = true;
}

void redwi_ahead_ended(struct redwi_ahead *a)
{
    /* One that is still to come decides. */
    if (--a->due == 0 && a->failed)
        a->unknown = true;
    a->failed = false;
}

void redwi_ahead_saw_tag(struct redwi_ahead *a, const char *tag, size_t len)
{
    bool sets = (len == 3 && memcmp(tag, "SET", 3) == 0) || (len == 5 && memcmp(tag, "RESET", 5) == 0) ||
                (len > 7 && memcmp(tag, "DISCARD", 7) == 0);
    if (sets)
        redwi_ahead_doubt(a);
}

void redwi_ahead_doubt(struct redwi_ahead *a)
{
    if (a->touched && a->due == 0)
        a->unknown = true;
}
