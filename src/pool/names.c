/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses that need no look-up, and addresses as text. Pure functions but for an IPv6 zone given by name
 * ("fe80::1%eth0"), which asks the kernel for the interface.
 */
#include "pool/names.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static bool literal_v4(const char *host, uint16_t port, struct redwi_address *out)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &sa.sin_addr) != 1)
        return false;
    *out = (struct redwi_address){.len = sizeof sa, .family = AF_INET};
    memcpy(&out->storage, &sa, sizeof sa);
    return true;
}

static bool literal_v6(const char *host, uint16_t port, struct redwi_address *out)
{
    struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    char digits[INET6_ADDRSTRLEN];
    const char *zone = strchr(host, '%');
    size_t n = zone ? (size_t)(zone - host) : strlen(host);
    if (n >= sizeof digits)
        return false;
    memcpy(digits, host, n);
    digits[n] = 0;
    if (inet_pton(AF_INET6, digits, &sa.sin6_addr) != 1)
        return false;
    if (zone && (sa.sin6_scope_id = if_nametoindex(zone + 1)) == 0)
        return false;
    *out = (struct redwi_address){.len = sizeof sa, .family = AF_INET6};
    memcpy(&out->storage, &sa, sizeof sa);
    return true;
}

bool redwi_address_literal(const char *host, uint16_t port, struct redwi_address *out)
{
    return literal_v4(host, port, out) || literal_v6(host, port, out);
}

bool redwi_address_unix(const char *dir, uint16_t port, struct redwi_address *out)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int n = snprintf(sa.sun_path, sizeof sa.sun_path, "%s/.s.PGSQL.%u", dir, (unsigned)port);
    if (n < 0 || (size_t)n >= sizeof sa.sun_path)
        return false;
    *out = (struct redwi_address){.family = AF_UNIX};
    out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n + 1);
    memcpy(&out->storage, &sa, sizeof sa);
    return true;
}

void redwi_address_named(const char *host, uint16_t port, struct redwi_address *out)
{
    *out = (struct redwi_address){.family = AF_UNSPEC};
    snprintf((char *)&out->storage, sizeof out->storage, "%.100s:%u", host, (unsigned)port);
}

/* Moves what stands at `from` to `to`, further in front; what is between moves back by one. */
static void move_up(struct redwi_address *addrs, size_t from, size_t to)
{
    struct redwi_address moved = addrs[from];
    memmove(&addrs[to + 1], &addrs[to], (from - to) * sizeof *addrs);
    addrs[to] = moved;
}

void redwi_addresses_interleave(struct redwi_address *addrs, size_t n)
{
    for (size_t at = 1; at < n; at++) {
        size_t other = at;
        while (other < n && addrs[other].family == addrs[at - 1].family)
            other++;
        if (other == n)
            return;
        move_up(addrs, other, at);
    }
}

void redwi_address_text(const struct redwi_address *a, char *out, size_t cap)
{
    char ip[INET6_ADDRSTRLEN];
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;

    switch (a->family) {
    case AF_INET:
        memcpy(&v4, &a->storage, sizeof v4);
        snprintf(out, cap, "%s:%u", inet_ntop(AF_INET, &v4.sin_addr, ip, sizeof ip), ntohs(v4.sin_port));
        break;
    case AF_INET6:
        memcpy(&v6, &a->storage, sizeof v6);
        inet_ntop(AF_INET6, &v6.sin6_addr, ip, sizeof ip);
        if (v6.sin6_scope_id)
            snprintf(out, cap, "[%s%%%u]:%u", ip, (unsigned)v6.sin6_scope_id, ntohs(v6.sin6_port));
        else
            snprintf(out, cap, "[%s]:%u", ip, ntohs(v6.sin6_port));
        break;
    case AF_UNSPEC:
        snprintf(out, cap, "%s", (const char *)&a->storage);
        break;
    default:
        memcpy(&un, &a->storage, sizeof un);
        snprintf(out, cap, "%s", un.sun_path);
    }
}
