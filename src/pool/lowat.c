/* SPDX-License-Identifier: Apache-2.0 */
#include "pool/lowat.h"

/* Answers whose length is averaged, about: the older ones count half. */
#define AVERAGED 1024

static bool set_mark(const struct redwi_sys *sys, int fd, int bytes)
{
    return sys->set_option(sys->ctx, fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes) == 0;
}

static bool is_down(struct redwi_lowat *l, const struct redwi_sys *sys, int fd)
{
    if (l->mark && set_mark(sys, fd, 1))
        l->mark = 0;
    return !l->mark;
}

static void forget(struct redwi_lowat *l)
{
    l->few = 0;
    l->bytes = l->answers = 0;
}

static bool queued(struct redwi_lowat *l, int64_t took_us)
{
    if (!l->least_us || took_us < l->least_us)
        l->least_us = took_us > 0 ? took_us : 1;
    return took_us >= l->least_us * REDWI_LOWAT_QUEUE && took_us <= REDWI_LOWAT_WAIT_US * (int64_t)REDWI_LOWAT_FEW;
}

void redwi_lowat_heard(struct redwi_lowat *l, size_t bytes, unsigned answers, unsigned left, int64_t took_us)
{
    bool few = answers * REDWI_LOWAT_FEW < answers + left;
    bool goes_on = l->mark ? !few || bytes >= (size_t)l->mark : few;
    if (!goes_on || (answers && !queued(l, took_us))) {
        forget(l);
        return;
    }
    l->few += answers > 0;
    l->bytes += bytes;
    l->answers += answers;
    if (l->answers > AVERAGED) {
        l->bytes /= 2;
        l->answers /= 2;
    }
}

/* Three eighths of what is to come. A mark from a quarter to three quarters stays as it is: so it does when a
 * portion was read and the statements that follow it have not been submitted yet. */
static int pipeline_mark(const struct redwi_lowat *l, unsigned left)
{
    if (left < REDWI_LOWAT_UNITS || l->few < REDWI_LOWAT_FEW)
        return 0;
    uint64_t coming = l->bytes * left / l->answers, mark = (uint64_t)l->mark;
    if (mark >= coming / 4 && mark <= coming / 4 * 3)
        return l->mark;
    return coming / 8 * 3 < REDWI_LOWAT_BYTES ? (int)(coming / 8 * 3) : REDWI_LOWAT_BYTES;
}

bool redwi_lowat_settle(struct redwi_lowat *l, const struct redwi_sys *sys, int fd, bool in_result, unsigned left)
{
    bool for_rows = in_result && l->reads >= REDWI_LOWAT_READS;
    int mark = for_rows ? REDWI_LOWAT_BYTES : pipeline_mark(l, left);
    if (l->useless)
        mark = 0;
    if (!left)
        forget(l);
    if (mark == l->mark)
        return true;
    if (!mark)
        return is_down(l, sys, fd);
    l->useless = !set_mark(sys, fd, mark);
    if (!l->useless)
        l->mark = mark;
    return true;
}

bool redwi_lowat_lower(struct redwi_lowat *l, const struct redwi_sys *sys, int fd)
{
    l->reads = 0;
    forget(l);
    return is_down(l, sys, fd);
}
