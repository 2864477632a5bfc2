/* SPDX-License-Identifier: Apache-2.0 */
#include "pool/lowat.h"

static bool set_mark(const struct redwi_sys *sys, int fd, int bytes)
{
    return sys->set_option(sys->ctx, fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes) == 0;
}

void redwi_lowat_raise(struct redwi_lowat *l, const struct redwi_sys *sys, int fd)
{
    if (l->raised || l->useless || l->reads < REDWI_LOWAT_READS)
        return;
    l->raised = set_mark(sys, fd, REDWI_LOWAT_BYTES);
    l->useless = !l->raised;
}

bool redwi_lowat_lower(struct redwi_lowat *l, const struct redwi_sys *sys, int fd)
{
    l->reads = 0;
    if (l->raised)
        l->raised = !set_mark(sys, fd, 1);
    return !l->raised;
}
