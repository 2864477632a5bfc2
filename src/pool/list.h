/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An intrusive, doubly linked, circular list. A link is in at most one list; an initialised link that
 * is in none points at itself, so removal is always allowed.
 */
#ifndef REDWI_POOL_LIST_H
#define REDWI_POOL_LIST_H

#include <redw/base.h>

struct redwi_link {
    struct redwi_link *prev, *next;
};

#define REDWI_OF(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))

static inline void redwi_list_init(struct redwi_link *l)
{
    l->prev = l->next = l;
}
static inline bool redwi_list_empty(const struct redwi_link *l)
{
    return l->next == l;
}
static inline void redwi_list_remove(struct redwi_link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    redwi_list_init(l);
}
static inline void redwi_list_append(struct redwi_link *head, struct redwi_link *l)
{
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}
static inline void redwi_list_prepend(struct redwi_link *head, struct redwi_link *l)
{
    redwi_list_append(head->next, l);
}
/* From the list it is in to another, or to its other end. */
static inline void redwi_list_move_back(struct redwi_link *head, struct redwi_link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    redwi_list_append(head, l);
}
static inline void redwi_list_move_front(struct redwi_link *head, struct redwi_link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    redwi_list_prepend(head, l);
}
/* Moves all of `from` into the empty list `to`: iterate over what was taken, so that callbacks may add. */
static inline void redwi_list_take(struct redwi_link *to, struct redwi_link *from)
{
    redwi_list_init(to);
    if (redwi_list_empty(from))
        return;
    to->next = from->next;
    to->prev = from->prev;
    to->next->prev = to;
    to->prev->next = to;
    redwi_list_init(from);
}

#endif
