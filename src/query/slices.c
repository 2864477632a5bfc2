/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large requests are written in slices, one a turn: copying a 16 MB parameter into fresh memory holds the loop
 * for more than ten milliseconds, most of it the kernel's, which clears the pages. The room for all of it is
 * reserved at first; its pages are touched as the slices come.
 *
 * While a unit is being written it is open in the session and nothing of it is sent, so such a request has
 * its connection to itself, and can be taken back until the last slice.
 */
#include "query/request.h"

#include "data/encode.h"
#include "wire/fe_write.h"

enum step { PARSE = 0, SQL, PARSE_END, BIND, VALUES, REST, DONE };

/* Or together with the SQL. */
bool redwi_request_has_large_params(const struct redwi_request *r)
{
    size_t bytes = r->sql_len;

    for (size_t i = 0; i < r->nparams && bytes <= REDWI_SLICE_BYTES; i++)
        bytes += redwi_param_raw(&r->params[i], r->server).len;
    return bytes > REDWI_SLICE_BYTES;
}

/* Room for all of it; what is encoded otherwise than it lies is small, or grows as it comes. */
static void reserve(const struct redwi_request *r, struct redwi_buf *b)
{
    size_t bytes = r->sql_len + 64 + 32 * r->nparams, room;

    for (size_t i = 0; i < r->nparams; i++)
        bytes += redwi_param_raw(&r->params[i], r->server).len;
    redwi_buf_room(b, bytes, &room);
}

/* Puts what is left of `whole`, or as much as there is budget for; true: all of it. */
static bool put_slice(struct redwi_slices *at, struct redwi_buf *b, redw_slice whole, size_t *budget)
{
    size_t n = whole.len - at->offset;

    if (n > *budget)
        n = *budget;
    redwi_buf_bytes(b, whole.ptr + at->offset, n);
    at->offset += n;
    *budget -= n;
    if (at->offset < whole.len)
        return false;
    at->offset = 0;
    return true;
}

/* One value; true: it is complete. base: where the unit begins, by which positions are remembered, since what
 * is ahead of it may be sent meanwhile. */
static bool put_value(struct redwi_request *r, struct redwi_buf *b, size_t base, size_t *budget)
{
    struct redwi_slices *at = &r->slices;
    const redw_param *p = &r->params[at->index];
    redw_slice raw = redwi_param_raw(p, r->server);

    if (!raw.ptr) {
        redwi_param_put(b, p, r->server);
        *budget -= *budget < 64 ? *budget : 64;
        return true;
    }
    if (at->offset == 0)
        at->value_at = redwi_fe_bind_value(b) - base;
    if (!put_slice(at, b, raw, budget))
        return false;
    redwi_fe_bind_value_end(b, base + at->value_at);
    return true;
}

static void put_values(struct redwi_request *r, struct redwi_buf *b, size_t base, size_t *budget)
{
    struct redwi_slices *at = &r->slices;

    while (at->index < r->nparams && *budget > 0 && put_value(r, b, base, budget))
        at->index++;
    if (at->index == r->nparams)
        at->step = REST;
}

static void advance(struct redwi_request *r, struct redwi_buf *b, size_t base, size_t *budget)
{
    struct redwi_slices *at = &r->slices;

    switch ((enum step)at->step) {
    case PARSE:
        reserve(r, b);
        at->message_at = redwi_fe_parse_begin(b, "") - base;
        at->step = SQL;
        break;
    case SQL:
        if (put_slice(at, b, (redw_slice){r->sql, r->sql_len}, budget))
            at->step = PARSE_END;
        break;
    case PARSE_END:
        redwi_fe_parse_end(b, base + at->message_at, r->oids, r->nparams);
        at->step = BIND;
        break;
    case BIND:
        at->message_at = redwi_fe_bind_begin(b, "", "", r->formats, r->nparams) - base;
        at->step = VALUES;
        break;
    case VALUES:
        put_values(r, b, base, budget);
        break;
    case REST:
        redwi_fe_bind_end(b, base + at->message_at, redwi_request_wants_binary(r));
        redwi_fe_describe_portal(b, "");
        redwi_fe_execute(b, "", 0);
        at->step = DONE;
        break;
    case DONE:
        break;
    }
}

int redwi_request_write_slice(struct redwi_request *r, struct redwi_session *s)
{
    size_t base = 0, budget = REDWI_SLICE_BYTES;
    struct redwi_buf *b = r->slices.begun ? redwi_session_unit_more(s, &base) : redwi_session_unit_begin(s);

    if (!b)
        return REDW_ENOMEM;
    if (!r->slices.begun) {
        base = redwi_buf_mark(b);
        r->slices = (struct redwi_slices){.begun = true};
    }
    while (r->slices.step != DONE && budget > 0 && !b->failed)
        advance(r, b, base, &budget);
    if (r->slices.step != DONE && !b->failed)
        return REDWI_JOB_MORE;
    return redwi_session_unit_end(
        s, &r->job, REDWI_SENT_PARSE | REDWI_SENT_BIND | REDWI_SENT_DESCRIBE | REDWI_SENT_EXECUTE, r->on_error);
}
