/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connection strings. Both forms are read as libpq reads them (its conninfo_parse and
 * conninfo_uri_parse_options), except that nothing doubtful is let through:
 *
 *   - a setting given twice is refused, where libpq takes the last one (that the query string of a URI wins
 *     over what stands in front of it is libpq's rule and kept);
 *   - a URI names one host, libpq a list;
 *   - '?' ends what stands in front of the query string, also inside a password, as RFC 3986 (3.2) has it;
 *   - an empty setting at the end of a query string ("?a=b&") is refused; '=' in a value is a character of
 * it;
 *   - redshift:// is a scheme, ssl=true and requiressl are not settings.
 *
 * The copy is decoded in place: a value never grows, and its NUL takes the place of the delimiter behind it.
 */
#include "pool/conninfo.h"

#include "wire/secret.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct cut {
    redw_slice *values;
    const char *const *names;
    size_t count;
    struct redw_diag *why;
};

REDW_PRINTF(2, 3) static int refuse(const struct cut *c, const char *fmt, ...)
{
    va_list args;

    c->why->code = REDW_EINVAL;
    va_start(args, fmt);
    vsnprintf(c->why->text, sizeof c->why->text, fmt, args);
    va_end(args);
    return REDW_EINVAL;
}

/* The first of `stops` in [p, end), or end. */
static char *until(char *p, char *end, const char *stops)
{
    while (p < end && !strchr(stops, *p))
        p++;
    return p;
}

/* isspace() of the C locale, whatever the program's is. */
static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static char *skip_blanks(char *p, const char *end)
{
    while (p < end && is_blank(*p))
        p++;
    return p;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Percent-decodes [p, end) to out, which may be p; returns where it ends, or NULL and what is wrong. */
static char *percent_decode(char *out, const char *p, const char *end, const char **fault)
{
    while (p < end) {
        char c = *p++;
        if (c == '%') {
            if (end - p < 2 || hex_digit(p[0]) < 0 || hex_digit(p[1]) < 0) {
                *fault = "'%' must be followed by two hexadecimal digits";
                return NULL;
            }
            c = (char)(hex_digit(p[0]) * 16 + hex_digit(p[1]));
            p += 2;
            if (c == '\0') {
                *fault = "%00 is not allowed";
                return NULL;
            }
        }
        *out++ = c;
    }
    return out;
}

/* The index of a name; count: unknown. */
static size_t find(const struct cut *c, const char *name, size_t len)
{
    for (size_t i = 0; i < c->count; i++) {
        if (strlen(c->names[i]) == len && memcmp(c->names[i], name, len) == 0)
            return i;
    }
    return c->count;
}

/* Settings of libpq that are not among the names. They alone may be quoted: they are no part of a password.
 */
static int refuse_unknown(const struct cut *c, const char *name, size_t len, unsigned nth, const char *where)
{
    static const char *const of_libpq[] = {
        "service",
        "hostaddr",
        "options",
        "client_encoding",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "krbsrvname",
        "tcp_user_timeout",
        "gsslib",
        "gssencmode",
        "gssdelegation",
        "fallback_application_name",
        "sslpassword",
        "sslcrl",
        "sslcrldir",
        "sslsni",
        "sslcompression",
        "sslcertmode",
        "ssl",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
        "requiressl",
        "requirepeer",
        "replication",
        "target_session_attrs",
        "load_balance_hosts",
    };

    for (size_t i = 0; i < sizeof of_libpq / sizeof *of_libpq; i++) {
        if (strlen(of_libpq[i]) == len && memcmp(of_libpq[i], name, len) == 0)
            return refuse(c, "uri: %s is a setting of libpq that this library does not have", of_libpq[i]);
    }
    return refuse(c, "uri: setting number %u%s has an unknown name", nth, where);
}

/* What a URI's part [p, end) says of a setting; *end is there to be overwritten. */
static int put_part(struct cut *c, const char *name, char *p, char *end)
{
    size_t i = find(c, name, strlen(name));
    const char *fault = NULL;
    char *stop = percent_decode(p, p, end, &fault);

    if (!stop)
        return refuse(c, "uri: %s: %s", name, fault);
    *stop = '\0';
    c->values[i] = (redw_slice){p, (size_t)(stop - p)};
    return 0;
}

static int cut_user(struct cut *c, char *p, char *end)
{
    char *colon = until(p, end, ":");
    bool password = colon < end;
    int rc = put_part(c, "user", p, colon);

    return rc == 0 && password ? put_part(c, "password", colon + 1, end) : rc;
}

/* host, host:port, [v6], [v6]:port, :port, or nothing. */
static int cut_host(struct cut *c, char *p, char *end)
{
    char *stop, *port;
    int rc = 0;

    if (memchr(p, ',', (size_t)(end - p)))
        return refuse(c, "uri: host: there can be only one");
    if (p < end && *p == '[') {
        stop = until(++p, end, "]");
        if (stop == end)
            return refuse(c, "uri: host: '[' without ']'");
        if (!memchr(p, ':', (size_t)(stop - p)))
            return refuse(c, "uri: host: only an IPv6 address goes into brackets");
        port = stop + 1;
        if (port < end && *port != ':')
            return refuse(c, "uri: host: after ']' only a port may follow");
    } else {
        port = stop = until(p, end, ":");
    }
    bool has_port = port < end;
    if (stop > p)
        rc = put_part(c, "host", p, stop);
    return rc == 0 && has_port ? put_part(c, "port", port + 1, end) : rc;
}

static int cut_query(struct cut *c, char *p, char *end)
{
    uint64_t given = 0; /* bits by setting: what stands in front of the '?' may be given again */

    for (unsigned nth = 1; p <= end; nth++) {
        char *stop = until(p, end, "&"), *equals = until(p, stop, "=");
        const char *fault = NULL;

        if (equals == stop)
            return refuse(c, "uri: setting number %u after '?' is not name=value", nth);
        char *name_end = percent_decode(p, p, equals, &fault);
        size_t len = name_end ? (size_t)(name_end - p) : 0, i = find(c, p, len);
        if (i == c->count)
            return refuse_unknown(c, p, len, nth, " after '?'");
        if (given & UINT64_C(1) << i)
            return refuse(c, "uri: %s is given twice", c->names[i]);
        given |= UINT64_C(1) << i;
        int rc = put_part(c, c->names[i], equals + 1, stop);
        if (rc)
            return rc;
        p = stop + 1;
    }
    return 0;
}

/* What follows scheme://. All delimiters are found before the first is overwritten. */
static int cut_uri(struct cut *c, char *p, char *end)
{
    char *host_end = until(p, end, "/?"), *at = until(p, host_end, "@");
    char *query = until(host_end, end, "?"), *host = at < host_end ? at + 1 : p;
    bool has_user = at<host_end, has_path = query - host_end> 1, has_query = end - query > 1;
    int rc = has_user ? cut_user(c, p, at) : 0;

    if (rc == 0)
        rc = cut_host(c, host, host_end);
    if (rc == 0 && has_path)
        rc = put_part(c, "dbname", host_end + 1, query);
    return rc == 0 && has_query ? cut_query(c, query + 1, end) : rc;
}

/* A value of key=value, unquoted in place: *p behind the '=' and blanks, afterwards behind the value. The
 * backslash takes the next character as it is; the last one of the text says nothing. False: no closing
 * quote. */
static bool cut_value(redw_slice *value, char **p, const char *end)
{
    char *at = *p, *out = at;
    bool quoted = at < end && *at == '\'';

    value->ptr = out;
    at += quoted;
    while (at < end && (quoted ? *at != '\'' : !is_blank(*at))) {
        if (*at == '\\' && ++at == end)
            break;
        *out++ = *at++;
    }
    if (quoted && at == end)
        return false;
    *p = at < end ? at + 1 : at;
    value->len = (size_t)(out - value->ptr);
    *out = '\0';
    return true;
}

static int cut_pairs(struct cut *c, char *p, char *end)
{
    unsigned nth = 1;

    for (p = skip_blanks(p, end); p < end; p = skip_blanks(p, end), nth++) {
        char *name = p;
        while (p < end && *p != '=' && !is_blank(*p))
            p++;
        size_t len = (size_t)(p - name), i = find(c, name, len);
        p = skip_blanks(p, end);
        if (p == end || *p != '=')
            return refuse(c, "uri: setting number %u is not name=value", nth);
        if (i == c->count)
            return refuse_unknown(c, name, len, nth, "");
        if (c->values[i].ptr)
            return refuse(c, "uri: %s is given twice", c->names[i]);
        p = skip_blanks(p + 1, end);
        if (!cut_value(&c->values[i], &p, end))
            return refuse(c, "uri: %s: the closing quote is missing", c->names[i]);
    }
    return 0;
}

/* The length of scheme://; 0: there is none. */
static size_t read_scheme(struct redwi_conninfo *c, const char *text)
{
    static const struct {
        const char *prefix;
        uint16_t port;
        bool redshift;
    } schemes[] = {{"postgresql://", 5432, false}, {"postgres://", 5432, false}, {"redshift://", 5439, true}};

    c->default_port = 5432;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (strncmp(text, schemes[i].prefix, strlen(schemes[i].prefix)) == 0) {
            c->default_port = schemes[i].port;
            c->redshift_scheme = schemes[i].redshift;
            return strlen(schemes[i].prefix);
        }
    }
    return 0;
}

/* Any other scheme: worth words of its own, as nothing like it is the beginning of a pair. */
static bool has_scheme(const char *text)
{
    const char *colon = strstr(text, "://");

    return colon && strcspn(text, "=") > (size_t)(colon - text);
}

int redwi_conninfo_read(struct redwi_conninfo *c, redw_slice *values, const char *const *names, size_t count,
                        const char *text, const struct redw_allocator *mem, struct redw_diag *why)
{
    struct cut cut = {values, names, count, why};
    size_t len = strlen(text), scheme;
    int rc;

    *c = (struct redwi_conninfo){0};
    for (size_t i = 0; i < count; i++)
        values[i] = (redw_slice){0};
    scheme = read_scheme(c, text);
    if (!scheme && has_scheme(text))
        return refuse(&cut, "uri: must begin with postgresql://, postgres:// or redshift://");
    c->text = redwi_secret_copy(mem, text, len);
    if (!c->text) {
        why->code = REDW_ENOMEM;
        snprintf(why->text, sizeof why->text, "out of memory");
        return REDW_ENOMEM;
    }
    char *p = c->text + scheme, *end = c->text + len;
    rc = scheme ? cut_uri(&cut, p, end) : cut_pairs(&cut, p, end);
    if (rc) {
        redwi_conninfo_free(c, mem);
        for (size_t i = 0; i < count; i++)
            values[i] = (redw_slice){0};
    }
    return rc;
}

void redwi_conninfo_free(struct redwi_conninfo *c, const struct redw_allocator *mem)
{
    redwi_secret_free(mem, c->text);
    *c = (struct redwi_conninfo){0};
}
