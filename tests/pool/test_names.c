/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names to addresses: literals, unix sockets, text; and c-ares on a libev loop against a name server
 * that lives on the same loop.
 */
#include "pool/dial.h"
#include "pool/loop_ev.h"
#include "pool/names.h"
#include "wire/mem.h"

#include <arpa/inet.h>
#include <check.h>
#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static const char *text_of(const struct redwi_address *a)
{
    static char text[160];
    redwi_address_text(a, text, sizeof text);
    return text;
}

START_TEST(literals_are_read_and_printed)
{
    static const struct {
        const char *host, *text; /* text NULL: not a literal */
    } table[] = {
        {"10.0.0.1", "10.0.0.1:5432"},
        {"255.255.255.255", "255.255.255.255:5432"},
        {"::1", "[::1]:5432"},
        {"fe80::1%lo", "[fe80::1%1]:5432"},
        {"::ffff:10.0.0.1", "[::ffff:10.0.0.1]:5432"},
        {"2001:db8:0:0:0:0:0:1", "[2001:db8::1]:5432"},
        {"", NULL},
        {"localhost", NULL},
        {"10.1", NULL}, /* inet_aton's forms are names here */
        {"0x7f000001", NULL},
        {"10.0.0.256", NULL},
        {"10.0.0.1 ", NULL},
        {"[::1]", NULL},
        {"::1%", NULL},
        {"::1%no-such-interface", NULL},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc", NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct redwi_address a;
        bool literal = redwi_address_literal(table[i].host, 5432, &a);
        ck_assert_msg(literal == (table[i].text != NULL), "%s", table[i].host);
        if (literal)
            ck_assert_str_eq(text_of(&a), table[i].text);
    }
}
END_TEST

START_TEST(a_unix_socket_is_named_as_postgresql_names_it_or_refused_when_too_long)
{
    struct redwi_address a;
    char dir[200];
    ck_assert(redwi_address_unix("/run/postgresql", 5433, &a));
    ck_assert_str_eq(text_of(&a), "/run/postgresql/.s.PGSQL.5433");
    ck_assert_int_eq(a.family, AF_UNIX);
    size_t most = sizeof(((struct sockaddr_un *)0)->sun_path) - strlen("/.s.PGSQL.5433") - 1;
    memset(dir, 'd', sizeof dir);
    dir[0] = '/';
    dir[most] = 0;
    ck_assert(redwi_address_unix(dir, 5433, &a));
    ck_assert_uint_eq(strlen(text_of(&a)), most + strlen("/.s.PGSQL.5433"));
    dir[most] = 'd';
    dir[most + 1] = 0;
    ck_assert(!redwi_address_unix(dir, 5433, &a));
}
END_TEST

START_TEST(text_is_cut_not_overrun)
{
    struct redwi_address a;
    char small[8];
    ck_assert(redwi_address_literal("2001:db8::1234", 5432, &a));
    redwi_address_text(&a, small, sizeof small);
    ck_assert_str_eq(small, "[2001:d");
}
END_TEST

/* A name server on the loop of the test. */

static struct ev_loop *ev;
static struct redw_loop loop;
static struct {
    ev_io udp, accept, tcp;
    int udp_questions, tcp_questions;
    char servers[64];
} dns;

enum { QTYPE_A = 1, QTYPE_AAAA = 28 };

static size_t put(uint8_t *at, const void *p, size_t n)
{
    memcpy(at, p, n);
    return n;
}

static size_t put_record(uint8_t *at, uint8_t type, const char *address)
{
    uint8_t raw[16];
    uint8_t len = type == QTYPE_A ? 4 : 16;
    ck_assert_int_eq(inet_pton(type == QTYPE_A ? AF_INET : AF_INET6, address, raw), 1);
    const uint8_t head[12] = {0xc0, 12, 0, type, 0, 1, 0, 0, 0, 9, 0, len};
    size_t n = put(at, head, sizeof head);
    return n + put(at + n, raw, len);
}

/* The answer to one question, by the first label of its name; 0: silence. */
static size_t answer(const uint8_t *q, size_t n, uint8_t *out, bool tcp)
{
    uint8_t label[64] = {0};
    ck_assert_uint_ge(n, 17);
    memcpy(label, q + 13, q[12]);
    uint8_t type = q[n - 3];
    size_t at = put(out, q, n);
    out[2] = 0x84; /* answer, authoritative */
    out[3] = 0;
    if (!strcmp((char *)label, "silent") || (!strcmp((char *)label, "half") && type == QTYPE_AAAA) ||
        (!strcmp((char *)label, "six") && type == QTYPE_A))
        return 0;
    if (!strcmp((char *)label, "long") && !tcp) {
        out[2] |= 2; /* truncated: ask by TCP */
        return at;
    }
    if (!strcmp((char *)label, "two") || !strcmp((char *)label, "long")) {
        out[7] = type == QTYPE_A ? 2 : 0;
        if (type == QTYPE_A) {
            at += put_record(out + at, type, "127.0.0.3");
            at += put_record(out + at, type, "127.0.0.2");
        }
        return at;
    }
    if (!strcmp((char *)label, "both") || !strcmp((char *)label, "half") || !strcmp((char *)label, "six") ||
        !strcmp((char *)label, "slow")) {
        out[7] = 1;
        return at + put_record(out + at, type, type == QTYPE_A ? "127.0.0.1" : "::1");
    }
    if (!strcmp((char *)label, "crowd")) {
        out[7] = 12;
        for (int i = 0; i < out[7]; i++) {
            char address[32];
            snprintf(address, sizeof address, type == QTYPE_A ? "127.0.1.%d" : "::1:%d", i);
            at += put_record(out + at, type, address);
        }
        return at;
    }
    if (!strcmp((char *)label, "many")) {
        out[7] = type == QTYPE_A ? 20 : 0;
        for (int i = 0; i < out[7]; i++) {
            char address[32];
            snprintf(address, sizeof address, "127.0.1.%d", i);
            at += put_record(out + at, type, address);
        }
        return at;
    }
    out[3] = 3; /* NXDOMAIN */
    return at;
}

/* Answers that leave 150 ms after the question. */
static struct held {
    ev_timer timer;
    struct sockaddr_storage to;
    socklen_t len;
    uint8_t bytes[1024];
    size_t n;
} held[8];
static unsigned nheld;

static void on_held(struct ev_loop *l, ev_timer *w, int events)
{
    struct held *h = w->data;
    (void)l, (void)events;
    ck_assert_int_eq(sendto(dns.udp.fd, h->bytes, h->n, 0, (struct sockaddr *)&h->to, h->len), (ssize_t)h->n);
}

static void hold_back(const uint8_t *bytes, size_t n, const struct sockaddr_storage *to, socklen_t len)
{
    ck_assert_uint_lt(nheld, 8);
    struct held *h = &held[nheld++];
    memcpy(h->bytes, bytes, n);
    h->n = n;
    h->to = *to;
    h->len = len;
    ev_now_update(ev);
    ev_timer_init(&h->timer, on_held, 0.15, 0);
    h->timer.data = h;
    ev_timer_start(ev, &h->timer);
}

static void on_udp(struct ev_loop *l, ev_io *w, int events)
{
    uint8_t q[512], a[1024];
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    ssize_t n = recvfrom(w->fd, q, sizeof q, 0, (struct sockaddr *)&from, &len);
    (void)l, (void)events;
    if (n <= 0)
        return;
    dns.udp_questions++;
    size_t out = answer(q, (size_t)n, a, false);
    if (out && !strncmp((char *)q + 13, "slow", 4))
        hold_back(a, out, &from, len);
    else if (out)
        ck_assert_int_eq(sendto(w->fd, a, out, 0, (struct sockaddr *)&from, len), (ssize_t)out);
}

static void on_tcp(struct ev_loop *l, ev_io *w, int events)
{
    uint8_t q[1024], a[2048];
    ssize_t n = recv(w->fd, q, sizeof q, 0);
    (void)events;
    if (n <= 0) {
        ev_io_stop(l, w);
        close(w->fd);
        return;
    }
    for (ssize_t at = 0; at + 2 < n;) {
        size_t len = (size_t)q[at] << 8 | q[at + 1];
        size_t out = answer(q + at + 2, len, a + 2, true);
        a[0] = (uint8_t)(out >> 8);
        a[1] = (uint8_t)out;
        dns.tcp_questions++;
        if (send(w->fd, a, out + 2, MSG_NOSIGNAL) < 0) /* cancelled meanwhile */
            break;
        at += (ssize_t)len + 2;
    }
}

static void on_accept(struct ev_loop *l, ev_io *w, int events)
{
    int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    (void)events;
    ck_assert_int_ge(fd, 0);
    ev_io_init(&dns.tcp, on_tcp, fd, EV_READ);
    ev_io_start(l, &dns.tcp);
}

static void dns_open(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int udp, tcp, tries = 0;
    memset(&dns, 0, sizeof dns);
    do { /* one port, free for both */
        sa.sin_port = 0;
        udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(bind(udp, (struct sockaddr *)&sa, sizeof sa), 0);
        getsockname(udp, (struct sockaddr *)&sa, &len);
        tcp = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (bind(tcp, (struct sockaddr *)&sa, sizeof sa) == 0)
            break;
        close(udp);
        close(tcp);
    } while (++tries < 50);
    ck_assert_int_eq(listen(tcp, 8), 0);
    ev_io_init(&dns.udp, on_udp, udp, EV_READ);
    ev_io_init(&dns.accept, on_accept, tcp, EV_READ);
    ev_io_start(ev, &dns.udp);
    ev_io_start(ev, &dns.accept);
    snprintf(dns.servers, sizeof dns.servers, "127.0.0.1:%u", ntohs(sa.sin_port));
}

/* A look-up and what came of it. */

struct lookup {
    void *query;
    bool inside; /* still in start() */
    int calls;
    size_t n;
    struct redwi_address addrs[REDWI_ADDRESSES_MAX];
    char why[128];
};

static void on_names(void *arg, const struct redwi_address *addrs, size_t n, const char *why)
{
    struct lookup *l = arg;
    ck_assert(!l->inside);
    ck_assert((n == 0) == (why != NULL));
    ev_break(ev, EVBREAK_ONE); /* before it sleeps: there may be nothing else to come */
    l->calls++;
    l->n = n;
    for (size_t i = 0; i < n; i++)
        l->addrs[i] = addrs[i];
    snprintf(l->why, sizeof l->why, "%s", why ? why : "");
}

static void start(struct lookup *l, const char *host)
{
    memset(l, 0, sizeof *l);
    l->inside = true;
    ck_assert_int_eq(
        redwi_names_cares.start(dns.servers, &redwi_malloc, &loop, host, 5432, on_names, l, &l->query), 0);
    l->inside = false;
}

static void finish(struct lookup *l)
{
    for (int rounds = 0; !l->calls && rounds < 1000; rounds++)
        ev_run(ev, EVRUN_ONCE);
    redwi_names_cares.cancel(dns.servers, l->query);
    ck_assert_int_eq(l->calls, 1);
}

static int open_descriptors(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static int descriptors_before;

static void setup(void)
{
    ev = ev_loop_new(EVFLAG_AUTO);
    loop = redwi_loop_ev(ev);
    dns_open();
    ev_run(ev, EVRUN_NOWAIT);
    descriptors_before = open_descriptors();
}

static void teardown(void)
{
    for (int rounds = 0; rounds < 3; rounds++) /* the server sees the ends of its connections */
        ev_run(ev, EVRUN_NOWAIT);
    ck_assert_int_eq(open_descriptors(), descriptors_before);
    ev_io_stop(ev, &dns.udp);
    ev_io_stop(ev, &dns.accept);
    ev_run(ev, EVRUN_NOWAIT); /* nothing of a look-up is left: this would sleep or run for ever */
    ev_run(ev, 0);
    close(dns.udp.fd);
    close(dns.accept.fd);
    ev_loop_destroy(ev);
}

/* Addresses of localhost in the hosts file. */
static size_t localhosts(void)
{
    char line[512];
    size_t n = 0;
    FILE *f = fopen("/etc/hosts", "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "#\n")] = 0;
        strtok(line, " \t");
        for (char *name; (name = strtok(NULL, " \t")) != NULL;)
            n += strcmp(name, "localhost") == 0;
    }
    fclose(f);
    return n;
}

START_TEST(names_in_the_hosts_file_are_answered_later_all_the_same)
{
    struct lookup l;
    struct redwi_address expected;
    bool seen = false;
    start(&l, "localhost");
    ck_assert_int_eq(l.calls, 0);
    finish(&l);
    ck_assert_uint_gt(l.n, 0);
    ck_assert(redwi_address_literal("127.0.0.1", 5432, &expected));
    for (size_t i = 0; i < l.n; i++)
        seen = seen || (l.addrs[i].len == expected.len &&
                        !memcmp(&l.addrs[i].storage, &expected.storage, expected.len));
    ck_assert(seen); /* with the port filled in */
    ck_assert_uint_eq(l.n, localhosts()); /* the file is all there is to the name */
    ck_assert_int_eq(dns.udp_questions, 0);
}
END_TEST

START_TEST(addresses_come_in_the_resolvers_order_with_the_port)
{
    struct lookup l;
    start(&l, "two.test");
    finish(&l);
    ck_assert_uint_eq(l.n, 2);
    ck_assert_str_eq(text_of(&l.addrs[0]), "127.0.0.3:5432");
    ck_assert_str_eq(text_of(&l.addrs[1]), "127.0.0.2:5432");
    ck_assert_int_eq(dns.udp_questions, 2);
}
END_TEST

START_TEST(a_truncated_answer_is_fetched_by_tcp)
{
    struct lookup l;
    start(&l, "long.test");
    finish(&l);
    ck_assert_uint_eq(l.n, 2);
    ck_assert_int_eq(dns.tcp_questions, 2);
}
END_TEST

START_TEST(more_addresses_than_we_try_are_left_out)
{
    struct lookup l;
    start(&l, "many.test");
    finish(&l);
    ck_assert_uint_eq(l.n, REDWI_ADDRESSES_MAX);
}
END_TEST

START_TEST(an_unknown_name_says_so)
{
    struct lookup l;
    start(&l, "nx.test");
    finish(&l);
    ck_assert_uint_eq(l.n, 0);
    ck_assert_str_eq(l.why, "Domain name not found");
}
END_TEST

START_TEST(names_that_no_server_is_asked_for_fail_later_too)
{
    static const char *const names[] = {
        "hidden.onion", "a..b", "",
        "label-of-more-than-sixty-three-characters-which-no-name-server-would-take.test"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct lookup l;
        start(&l, names[i]);
        ck_assert_int_eq(l.calls, 0);
        finish(&l);
        ck_assert_uint_eq(l.n, 0);
        ck_assert_uint_gt(strlen(l.why), 0);
    }
}
END_TEST

START_TEST(a_server_list_that_cannot_be_used_is_an_answer_too)
{
    struct lookup l = {.inside = true};
    char bad[] = "not a server";
    ck_assert_int_eq(
        redwi_names_cares.start(bad, &redwi_malloc, &loop, "two.test", 1, on_names, &l, &l.query), 0);
    l.inside = false;
    finish(&l);
    ck_assert_uint_eq(l.n, 0);
}
END_TEST

START_TEST(a_silent_name_server_is_asked_again_until_it_has_timed_out)
{
    struct lookup l;
    setenv("RES_OPTIONS", "retrans:10 retry:2", 1); /* c-ares: 10 ms, twice */
    start(&l, "silent.test");
    finish(&l);
    ck_assert_uint_eq(l.n, 0);
    ck_assert_str_eq(l.why, "Timeout while contacting DNS servers");
    ck_assert_int_eq(dns.udp_questions, 4);
}
END_TEST

START_TEST(a_look_up_can_be_cancelled_at_any_time)
{
    static const char *const names[] = {"localhost",   "two.test",  "nx.test",
                                        "silent.test", "long.test", "a..b"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (int rounds = 0; rounds < 6; rounds++) {
            struct lookup l;
            start(&l, names[i]);
            for (int r = 0; r < rounds; r++)
                ev_run(ev, EVRUN_NOWAIT);
            redwi_names_cares.cancel(dns.servers, l.query);
            int calls = l.calls;
            for (int r = 0; r < 3; r++)
                ev_run(ev, EVRUN_NOWAIT);
            ck_assert_int_eq(l.calls, calls);
            ck_assert_int_le(calls, 1);
            if (!strcmp(names[i], "silent.test"))
                ck_assert_int_eq(calls, 0);
        }
    }
}
END_TEST

START_TEST(many_look_ups_run_at_once)
{
    struct lookup l[20];
    for (size_t i = 0; i < 20; i++)
        start(&l[i], i % 2 ? "two.test" : "nx.test");
    for (size_t i = 0; i < 20; i++) {
        finish(&l[i]);
        ck_assert_uint_eq(l[i].n, i % 2 ? 2 : 0);
    }
}
END_TEST

static double seconds(void)
{
    return (double)loop.now_us(loop.ctx) / 1e6;
}

START_TEST(A07_both_families_are_found_and_take_turns)
{
    struct lookup l;
    start(&l, "both.test");
    finish(&l);
    ck_assert_uint_eq(l.n, 2);
    ck_assert_str_eq(text_of(&l.addrs[0]), "[::1]:5432");
    ck_assert_str_eq(text_of(&l.addrs[1]), "127.0.0.1:5432");
    start(&l, "crowd.test"); /* more than we try, and neither family cut off */
    finish(&l);
    ck_assert_uint_eq(l.n, REDWI_ADDRESSES_MAX);
    for (size_t i = 0; i < l.n; i++)
        ck_assert_int_eq(l.addrs[i].family, i % 2 ? AF_INET : AF_INET6);
}
END_TEST

START_TEST(A02_a_name_server_that_is_silent_about_one_family_costs_half_a_second)
{
    static const char *const names[] = {"half.test", "six.test"};
    for (int i = 0; i < 2; i++) {
        struct lookup l;
        double begin = seconds();
        start(&l, names[i]);
        finish(&l);
        ck_assert_uint_eq(l.n, 1);
        ck_assert_int_eq(l.addrs[0].family, i ? AF_INET6 : AF_INET);
        ck_assert(seconds() - begin >= 0.499 && seconds() - begin < 3);
    }
}
END_TEST

static int ticks;
static double longest_gap, last_tick;

static void on_tick(struct ev_loop *l, ev_timer *w, int events)
{
    (void)l, (void)w, (void)events;
    double now = seconds();
    if (ticks++ && now - last_tick > longest_gap)
        longest_gap = now - last_tick;
    last_tick = now;
}

START_TEST(A02_the_loop_goes_on_while_a_name_server_is_slow)
{
    struct lookup l;
    ev_timer tick;
    ev_timer_init(&tick, on_tick, 0.001, 0.001);
    ev_timer_start(ev, &tick);
    start(&l, "slow.test");
    finish(&l);
    ev_timer_stop(ev, &tick);
    ck_assert_uint_eq(l.n, 2);
    ck_assert_int_ge(ticks, 20); /* 150, but for a busy machine */
    ck_assert(longest_gap < 0.1);
}
END_TEST

/* --- through a dial, in real time --- */

static struct {
    int calls, fd;
    redw_error *why;
    char peer[64];
} dialled;

static void on_dialled(void *arg, int fd, const struct redwi_address *peer, redw_error *why)
{
    (void)arg;
    dialled.calls++;
    dialled.fd = fd;
    dialled.why = why;
    if (peer)
        redwi_address_text(peer, dialled.peer, sizeof dialled.peer);
    ev_break(ev, EVBREAK_ONE);
}

static void dial_to(const char *host, uint16_t port, int64_t ms)
{
    const struct redwi_names names = {dns.servers, redwi_names_cares.start, redwi_names_cares.cancel};
    struct redwi_dial *d;
    memset(&dialled, 0, sizeof dialled);
    struct redwi_dial_config config = {
        .mem = &redwi_malloc,
        .loop = &loop,
        .sys = &redwi_sys_real,
        .names = &names,
        .host = host,
        .port = port,
        .deadline_us = loop.now_us(loop.ctx) + ms * 1000,
        .done = on_dialled,
    };
    ck_assert_int_eq(redwi_dial_start(&d, &config), 0);
    while (!dialled.calls)
        ev_run(ev, EVRUN_ONCE);
    redwi_dial_free(d);
}

START_TEST(A08_a_black_hole_of_a_name_server_costs_the_deadline_and_no_more)
{
    double begin = seconds();
    dial_to("silent.test", 5432, 300);
    ck_assert(seconds() - begin >= 0.299 && seconds() - begin < 2);
    ck_assert_int_eq(redw_error_code(dialled.why), REDW_ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(redw_error_message(dialled.why), "the name look-up timed out"));
    redw_error_release(dialled.why);
    dial_to("nx.test", 5432, 5000);
    ck_assert_int_eq(redw_error_code(dialled.why), REDW_ECONNECT);
    ck_assert_ptr_nonnull(strstr(redw_error_message(dialled.why), "connect: nx.test (after "));
    ck_assert_ptr_nonnull(strstr(redw_error_message(dialled.why), "Domain name not found"));
    redw_error_release(dialled.why);
}
END_TEST

START_TEST(A07_the_family_that_somebody_listens_on_is_found)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(listen(listener, 8), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
    dial_to("both.test", ntohs(sa.sin_port), 5000); /* nobody listens on ::1, or there is none */
    ck_assert_int_ge(dialled.fd, 0);
    ck_assert_int_eq(strncmp(dialled.peer, "127.0.0.1:", 10), 0);
    close(dialled.fd);
    close(listener);
}
END_TEST

static void *no_alloc(void *ctx, size_t n)
{
    (void)ctx, (void)n;
    return NULL;
}

START_TEST(without_memory_nothing_is_started)
{
    struct redw_allocator none = redwi_malloc;
    void *query = NULL;
    none.alloc = no_alloc;
    ck_assert_int_eq(redwi_names_cares.start(NULL, &none, &loop, "localhost", 1, on_names, NULL, &query),
                     REDW_ENOMEM);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("names");
    TCase *pure = tcase_create("addresses"), *cares = tcase_create("c-ares");
    tcase_add_test(pure, literals_are_read_and_printed);
    tcase_add_test(pure, a_unix_socket_is_named_as_postgresql_names_it_or_refused_when_too_long);
    tcase_add_test(pure, text_is_cut_not_overrun);
    tcase_add_checked_fixture(cares, setup, teardown);
    tcase_add_test(cares, names_in_the_hosts_file_are_answered_later_all_the_same);
    tcase_add_test(cares, addresses_come_in_the_resolvers_order_with_the_port);
    tcase_add_test(cares, a_truncated_answer_is_fetched_by_tcp);
    tcase_add_test(cares, more_addresses_than_we_try_are_left_out);
    tcase_add_test(cares, an_unknown_name_says_so);
    tcase_add_test(cares, names_that_no_server_is_asked_for_fail_later_too);
    tcase_add_test(cares, a_server_list_that_cannot_be_used_is_an_answer_too);
    tcase_add_test(cares, a_silent_name_server_is_asked_again_until_it_has_timed_out);
    tcase_add_test(cares, a_look_up_can_be_cancelled_at_any_time);
    tcase_add_test(cares, many_look_ups_run_at_once);
    tcase_add_test(cares, A07_both_families_are_found_and_take_turns);
    tcase_add_test(cares, A02_a_name_server_that_is_silent_about_one_family_costs_half_a_second);
    tcase_add_test(cares, A02_the_loop_goes_on_while_a_name_server_is_slow);
    tcase_add_test(cares, A08_a_black_hole_of_a_name_server_costs_the_deadline_and_no_more);
    tcase_add_test(cares, A07_the_family_that_somebody_listens_on_is_found);
    tcase_add_test(cares, without_memory_nothing_is_started);
    suite_add_tcase(suite, pure);
    suite_add_tcase(suite, cares);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
