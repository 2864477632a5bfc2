/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options to settings. The URI is cut into raw views first (authority, path, then the query string,
 * which wins over both); each setting is then decoded once, a password straight into the memory where it
 * stays, so that no other copy of it is ever made. Messages name the setting and the rule, never a value:
 * a misplaced '/' or '?' may turn part of a password into any other setting.
 */
#include "pool/options.h"

#include "pool/login_options.h"
#include "wire/mem.h"
#include "wire/secret.h"
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <sys/utsname.h>

#define NAME_BYTES_MAX                                                                                  \
    1023 /* user, database, application_name; PostgreSQL's startup packet ends at 10,000 */
#define PASSWORD_BYTES_MAX 32767 /* of temporary ones; tokens run to a few thousand */
#define WORD_BYTES_MAX     255
#define HOST_BYTES_MAX     253   /* RFC 1035, 2.3.4, as text */
#define PATH_BYTES_MAX     4095
#define TIMEOUT_MS_MAX     3600000u
#define POOL_MAX           10000u
#define KEEPALIVE_S_MAX    32767u /* the kernel's, tcp(7) */
#define KEEPALIVE_N_MAX    127u
#define RETRIES_MAX        1000u

enum setting {
    HOST = 0,
    PORT,
    USER,
    PASSWORD,
    DBNAME,
    SSLMODE,
    SSLROOTCERT,
    SSLCERT,
    SSLKEY,
    SSLNAME,
    SSLNEGOTIATION,
    APPLICATION_NAME,
    CONNECT_TIMEOUT,
    KEEPALIVES_IDLE,
    KEEPALIVES_INTERVAL,
    KEEPALIVES_COUNT,
    TCP_USER_TIMEOUT_MS,
    SERVER,
    REQUIRE_AUTH,
    CHANNEL_BINDING,
    SETTINGS
};

static const char *const setting_names[SETTINGS] = {
    "host",
    "port",
    "user",
    "password",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslname",
    "sslnegotiation",
    "application_name",
    "connect_timeout",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "server",
    "require_auth",
    "channel_binding",
};

/* The URI, cut: ptr NULL means not given. Still percent-encoded. */
struct uri {
    redw_slice raw[SETTINGS];
    bool in_query[SETTINGS];
    uint16_t default_port;
    bool redshift_scheme;
};

REDW_PRINTF(3, 4) static int fail(struct redw_diag *why, int code, const char *fmt, ...)
{
    va_list args;

    why->code = code;
    va_start(args, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, args);
    va_end(args);
    return code;
}

static int no_memory(struct redw_diag *why)
{
    return fail(why, REDW_ENOMEM, "out of memory");
}

bool redwi_struct_read(void *dst, size_t known, size_t least, const void *src)
{
    size_t size;

    memcpy(&size, src, sizeof size);
    if (size < least)
        return false;
    for (size_t i = known; i < size; i++) {
        if (((const unsigned char *)src)[i] != 0)
            return false;
    }
    memset(dst, 0, known);
    memcpy(dst, src, size < known ? size : known);
    return true;
}

/* The first of `stops` in [p, end), or end. */
static const char *until(const char *p, const char *end, const char *stops)
{
    while (p < end && !strchr(stops, *p))
        p++;
    return p;
}

static redw_slice between(const char *p, const char *end)
{
    return (redw_slice){p, (size_t)(end - p)};
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

/* Percent-decodes in into out, which has room for in.len + 1 bytes; NULL, or what is wrong. */
static const char *decode(char *out, redw_slice in)
{
    size_t n = 0;

    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == '%') {
            if (in.len - i < 3 || hex_digit(in.ptr[i + 1]) < 0 || hex_digit(in.ptr[i + 2]) < 0)
                return "'%' must be followed by two hexadecimal digits";
            c = (char)(hex_digit(in.ptr[i + 1]) * 16 + hex_digit(in.ptr[i + 2]));
            if (c == '\0')
                return "%00 is not allowed";
            i += 2;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return NULL;
}

static int cut_userinfo(struct uri *u, redw_slice info)
{
    const char *end = info.ptr + info.len, *colon = until(info.ptr, end, ":");

    u->raw[USER] = between(info.ptr, colon);
    if (colon < end)
        u->raw[PASSWORD] = between(colon + 1, end);
    return 0;
}

/* host, host:port, [v6], [v6]:port, :port, or nothing. */
static int cut_host(struct uri *u, redw_slice where, struct redw_diag *why)
{
    const char *p = where.ptr, *end = p + where.len, *stop;

    if (p < end && *p == '[') {
        stop = until(p, end, "]");
        if (stop == end)
            return fail(why, REDW_EINVAL, "uri: host: '[' without ']'");
        u->raw[HOST] = between(p + 1, stop);
        if (u->raw[HOST].len == 0 || !memchr(p, ':', (size_t)(stop - p)))
            return fail(why, REDW_EINVAL, "uri: host: only an IPv6 address goes into brackets");
        stop++;
        if (stop < end && *stop != ':')
            return fail(why, REDW_EINVAL, "uri: host: after ']' only a port may follow");
    } else {
        stop = until(p, end, ":");
        if (stop > p)
            u->raw[HOST] = between(p, stop);
    }
    if (stop < end)
        u->raw[PORT] = between(stop + 1, end);
    return 0;
}

static enum setting setting_of(redw_slice raw_name)
{
    char name[32];

    if (raw_name.len >= sizeof name || decode(name, raw_name))
        return SETTINGS;
    for (unsigned i = 0; i < SETTINGS; i++) {
        if (strcmp(name, setting_names[i]) == 0)
            return (enum setting)i;
    }
    return SETTINGS;
}

static int cut_query(struct uri *u, const char *p, const char *end, struct redw_diag *why)
{
    for (unsigned nth = 1; p <= end; nth++) {
        const char *stop = until(p, end, "&"), *equals = until(p, stop, "=");
        enum setting what = setting_of(between(p, equals));

        if (equals == stop)
            return fail(why, REDW_EINVAL, "uri: setting number %u after '?' is not name=value", nth);
        if (what == SETTINGS)
            return fail(why, REDW_EINVAL, "uri: setting number %u after '?' has an unknown name", nth);
        if (u->in_query[what])
            return fail(why, REDW_EINVAL, "uri: %s is given twice", setting_names[what]);
        u->in_query[what] = true;
        u->raw[what] = between(equals + 1, stop);
        p = stop + 1;
    }
    return 0;
}

static int cut(struct uri *u, const char *text, struct redw_diag *why)
{
    static const struct {
        const char *prefix;
        uint16_t port;
        bool redshift;
    } schemes[] = {
        {"postgresql://", 5432, false}, {"postgres://", 5432, false}, {"redshift://", 5439, true}};
    const char *p = NULL, *end = text + strlen(text), *stop, *at;

    *u = (struct uri){0};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (strncmp(text, schemes[i].prefix, strlen(schemes[i].prefix)) == 0) {
            p = text + strlen(schemes[i].prefix);
            u->default_port = schemes[i].port;
            u->redshift_scheme = schemes[i].redshift;
        }
    }
    if (!p)
        return fail(why, REDW_EINVAL, "uri: must begin with postgresql://, postgres:// or redshift://");

    stop = until(p, end, "/?");
    at = until(p, stop, "@");
    if (at < stop) {
        cut_userinfo(u, between(p, at));
        p = at + 1;
    }
    int rc = cut_host(u, between(p, stop), why);
    if (rc)
        return rc;
    if (stop < end && *stop == '/') {
        p = stop + 1;
        stop = until(p, end, "?");
        if (stop > p)
            u->raw[DBNAME] = between(p, stop);
    }
    return stop < end && stop + 1 < end ? cut_query(u, stop + 1, end, why) : 0;
}

/* *out: the decoded setting, owned; NULL when it is not given. */
static int take(char **out, const struct uri *u, enum setting what, size_t max,
                const struct redw_allocator *mem, struct redw_diag *why)
{
    redw_slice raw = u->raw[what];

    *out = NULL;
    if (!raw.ptr)
        return 0;
    if (raw.len > 3 * max)
        return fail(why, REDW_EINVAL, "uri: %s is longer than %zu bytes", setting_names[what], max);
    char *text = redwi_alloc(mem, raw.len + 1);
    if (!text)
        return no_memory(why);
    memset(text, 0, raw.len + 1);
    const char *fault = decode(text, raw);
    size_t len = fault ? 0 : strlen(text);
    if (!fault && len <= max) {
        *out = redwi_copy_text(mem, text, len);
        redwi_free_secret(mem, text, raw.len + 1);
        return *out ? 0 : no_memory(why);
    }
    redwi_free_secret(mem, text, raw.len + 1);
    if (fault)
        return fail(why, REDW_EINVAL, "uri: %s: %s", setting_names[what], fault);
    return fail(why, REDW_EINVAL, "uri: %s is longer than %zu bytes", setting_names[what], max);
}

/* A text from the struct if it is there, else from the URI. */
static int take_text(char **out, const char *given, const char *given_name, const struct uri *u,
                     enum setting what, size_t max, const struct redw_allocator *mem,
                     struct redw_diag *why)
{
    if (!given)
        return take(out, u, what, max, mem, why);
    if (strlen(given) > max)
        return fail(why, REDW_EINVAL, "%s is longer than %zu bytes", given_name, max);
    *out = redwi_copy_text(mem, given, strlen(given));
    return *out ? 0 : no_memory(why);
}

/* The same for the password, which is decoded where it stays. */
static int take_password(char **out, const struct redw_options *o, const struct uri *u,
                         const struct redw_allocator *mem, struct redw_diag *why)
{
    redw_slice raw = u->raw[PASSWORD];

    if (o->password && strlen(o->password) > PASSWORD_BYTES_MAX)
        return fail(why, REDW_EINVAL, "password is longer than %d bytes", PASSWORD_BYTES_MAX);
    if (o->password)
        return (*out = redwi_secret_copy(mem, o->password, strlen(o->password))) ? 0 : no_memory(why);
    if (!raw.ptr)
        return 0;
    if (raw.len > 3 * PASSWORD_BYTES_MAX)
        return fail(why, REDW_EINVAL, "uri: password is longer than %d bytes", PASSWORD_BYTES_MAX);
    if (!(*out = redwi_secret_alloc(mem, raw.len)))
        return no_memory(why);
    const char *fault = decode(*out, raw);
    if (fault)
        return fail(why, REDW_EINVAL, "uri: password: %s", fault);
    if (strlen(*out) > PASSWORD_BYTES_MAX)
        return fail(why, REDW_EINVAL, "uri: password is longer than %d bytes", PASSWORD_BYTES_MAX);
    return 0;
}

/* A whole decimal number from min to max. */
static int take_number(uint32_t *out, const struct uri *u, enum setting what, uint32_t min, uint32_t max,
                       struct redw_diag *why)
{
    redw_slice raw = u->raw[what];
    char text[32];
    uint32_t v = 0;
    size_t i = 0;

    if (raw.len < sizeof text && !decode(text, raw)) {
        for (; text[i] >= '0' && text[i] <= '9' && v <= max; i++)
            v = v * 10 + (uint32_t)(text[i] - '0');
        if (i > 0 && text[i] == '\0' && v >= min && v <= max) {
            *out = v;
            return 0;
        }
    }
    return fail(why, REDW_EINVAL, "uri: %s must be a number from %u to %u", setting_names[what], min,
                max);
}

/* What is wrong with the name or address literal `host`; NULL: nothing. */
static const char *host_fault(const char *host)
{
    struct in6_addr v6;
    size_t len = strlen(host);

    if (strchr(host, ':'))
        return inet_pton(AF_INET6, host, &v6) == 1 ? NULL : "is not an IPv6 address";
    if (len > HOST_BYTES_MAX)
        return "is longer than 253 bytes";
    for (size_t i = 0; i < len; i++) {
        char c = host[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && c != '.' && c != '-' && c != '_')
            return "has a character that is in no host name";
    }
    return NULL;
}

static int check_host(const char *host, uint16_t port, struct redw_diag *why)
{
    if (host[0] == '/') {
        int n = snprintf(NULL, 0, "%s/.s.PGSQL.%u", host, port);
        if (n < 0 || (size_t)n >= sizeof((struct sockaddr_un *)0)->sun_path)
            return fail(why, REDW_EINVAL,
                        "uri: host: the directory's name is too long for a unix socket");
        return 0;
    }
    const char *fault = host_fault(host);
    return fault ? fail(why, REDW_EINVAL, "uri: host %s", fault) : 0;
}

static int read_where(struct redwi_settings *s, const struct redw_allocator *mem, const struct uri *u,
                      struct redw_diag *why)
{
    uint32_t port = u->default_port;
    int rc = take(&s->host, u, HOST, NAME_BYTES_MAX, mem, why);

    if (rc)
        return rc;
    if (!s->host || !*s->host)
        return fail(why, REDW_EINVAL, "uri: no host");
    if (u->raw[PORT].ptr && (rc = take_number(&port, u, PORT, 1, 65535, why)) != 0)
        return rc;
    s->port = (uint16_t)port;
    return check_host(s->host, s->port, why);
}

static int read_who(struct redwi_settings *s, const struct redw_allocator *mem, const struct uri *u,
                    const struct redw_options *o, struct redw_diag *why)
{
    int rc = take(&s->user, u, USER, NAME_BYTES_MAX, mem, why);

    if (rc)
        return rc;
    if (s->user && !*s->user) {
        redwi_free(mem, s->user);
        s->user = NULL;
    }
    if (!s->user && !o->token) /* a token says who comes */
        return fail(why, REDW_EINVAL, "uri: no user");
    if ((rc = take_password(&s->password, o, u, mem, why)) != 0 ||
        (rc = take(&s->database, u, DBNAME, NAME_BYTES_MAX, mem, why)) != 0 ||
        (rc = take_text(&s->application_name, o->application_name, "application_name", u,
                        APPLICATION_NAME, NAME_BYTES_MAX, mem, why)) != 0)
        return rc;
    if (s->database && !*s->database) {
        redwi_free(mem, s->database);
        s->database = NULL;
    }
    if (!s->database && !s->user)
        return fail(why, REDW_EINVAL, "uri: no database, and no user whose name it could have");
    if (!s->database && !(s->database = redwi_copy_text(mem, s->user, strlen(s->user))))
        return no_memory(why);
    if (!s->application_name && !(s->application_name = redwi_copy_text(mem, "redw", 4)))
        return no_memory(why);
    return 0;
}

static int read_sslmode(enum redwi_tls_mode *out, const struct uri *u, struct redw_diag *why)
{
    static const struct {
        const char *name;
        enum redwi_tls_mode mode;
    } modes[] = {{"disable", REDWI_TLS_DISABLE},
                 {"require", REDWI_TLS_REQUIRE},
                 {"verify-ca", REDWI_TLS_VERIFY_CA},
                 {"verify-full", REDWI_TLS_VERIFY_FULL}};
    redw_slice raw = u->raw[SSLMODE];
    char text[64];

    if (raw.len < sizeof text && !decode(text, raw)) {
        for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
            if (strcmp(text, modes[i].name) == 0) {
                *out = modes[i].mode;
                return 0;
            }
        }
    }
    return fail(why, REDW_EINVAL, "uri: sslmode must be disable, require, verify-ca or verify-full");
}

/* FILE, "system", or "system,FILE": a file alone replaces the system's roots, as in libpq. */
static int read_roots(struct redwi_settings *s, const struct redw_allocator *mem, const struct uri *u,
                      const struct redw_options *o, struct redw_diag *why)
{
    static const char word[] = "system";
    const char *name = o->ca_file ? "ca_file" : "uri: sslrootcert";
    const size_t n = sizeof word - 1;
    int rc = take_text(&s->ca_file, o->ca_file, "ca_file", u, SSLROOTCERT, PATH_BYTES_MAX, mem, why);

    if (rc)
        return rc;
    /* Roots that nothing is checked against would look like safety; libpq verifies here, silently. */
    if (s->ca_file && u->raw[SSLMODE].ptr && s->tls_mode < REDWI_TLS_VERIFY_CA)
        return fail(why, REDW_EINVAL, "%s: needs sslmode verify-ca or verify-full", name);
    s->system_roots = !s->ca_file || (strncmp(s->ca_file, word, n) == 0 &&
                                      (s->ca_file[n] == '\0' || s->ca_file[n] == ','));
    if (!s->ca_file)
        return 0;
    if (!*s->ca_file || strcmp(s->ca_file, "system,") == 0)
        return fail(why, REDW_EINVAL, "%s is empty", name);
    if (!s->system_roots)
        return 0;
    char *given = s->ca_file;
    bool more = given[n] == ',';
    s->ca_file = more ? redwi_copy_text(mem, given + n + 1, strlen(given + n + 1)) : NULL;
    redwi_free(mem, given);
    return more && !s->ca_file ? no_memory(why) : 0;
}

/* The client's certificate and key: both or neither, and only where there is TLS. */
static int read_identity(struct redwi_settings *s, const struct redw_allocator *mem, const struct uri *u,
                         const struct redw_options *o, struct redw_diag *why)
{
    int rc = take_text(&s->cert_file, o->cert_file, "cert_file", u, SSLCERT, PATH_BYTES_MAX, mem, why);

    if (rc || (rc = take_text(&s->key_file, o->key_file, "key_file", u, SSLKEY, PATH_BYTES_MAX, mem,
                              why)) != 0)
        return rc;
    if (!s->cert_file && !s->key_file)
        return 0;
    if (!s->cert_file || !*s->cert_file)
        return fail(why, REDW_EINVAL, "%s is missing", o->cert_file ? "cert_file" : "uri: sslcert");
    if (!s->key_file || !*s->key_file)
        return fail(why, REDW_EINVAL, "%s is missing", o->key_file ? "key_file" : "uri: sslkey");
    if (s->tls_mode == REDWI_TLS_DISABLE)
        return fail(why, REDW_EINVAL, "%s: there is no TLS", o->cert_file ? "cert_file" : "uri: sslcert");
    return 0;
}

/* A name that nothing is checked against would look like safety. */
static int read_tls_name(struct redwi_settings *s, const struct redw_allocator *mem, const struct uri *u,
                         const struct redw_options *o, struct redw_diag *why)
{
    const char *name = o->tls_name ? "tls_name" : "uri: sslname", *fault;
    int rc = take_text(&s->tls_name, o->tls_name, "tls_name", u, SSLNAME, NAME_BYTES_MAX, mem, why);

    if (rc || !s->tls_name)
        return rc;
    if (s->tls_mode != REDWI_TLS_VERIFY_FULL)
        return fail(why, REDW_EINVAL, "%s: needs sslmode verify-full", name);
    fault = *s->tls_name && *s->tls_name != '.' ? host_fault(s->tls_name) : "is not a host name";
    return fault ? fail(why, REDW_EINVAL, "%s %s", name, fault) : 0;
}

static int read_negotiation(struct redwi_settings *s, const struct uri *u, struct redw_diag *why)
{
    redw_slice raw = u->raw[SSLNEGOTIATION];
    char text[64] = "postgres";

    if (raw.ptr && (raw.len >= sizeof text || decode(text, raw)))
        text[0] = '\0';
    s->tls_direct = strcmp(text, "direct") == 0;
    if (!s->tls_direct && strcmp(text, "postgres") != 0)
        return fail(why, REDW_EINVAL, "uri: sslnegotiation must be postgres or direct");
    if (s->tls_direct && s->tls_mode == REDWI_TLS_DISABLE)
        return fail(why, REDW_EINVAL, "uri: sslnegotiation: there is no TLS");
    return 0;
}

static int read_tls(struct redwi_settings *s, const struct redw_allocator *mem, const struct uri *u,
                    const struct redw_options *o, struct redw_diag *why)
{
    bool unix_socket = s->host[0] == '/', given = u->raw[SSLMODE].ptr != NULL;
    int rc;

    s->tls_mode = unix_socket ? REDWI_TLS_DISABLE : REDWI_TLS_VERIFY_FULL;
    if (given && (rc = read_sslmode(&s->tls_mode, u, why)) != 0)
        return rc;
    if (unix_socket && s->tls_mode != REDWI_TLS_DISABLE)
        return fail(why, REDW_EINVAL, "uri: sslmode: a unix socket carries no TLS");
    if ((rc = read_roots(s, mem, u, o, why)) != 0 || (rc = read_identity(s, mem, u, o, why)) != 0 ||
        (rc = read_tls_name(s, mem, u, o, why)) != 0)
        return rc;
    return read_negotiation(s, u, why);
}

static int read_token(struct redwi_settings *s, const struct redw_allocator *mem,
                      const struct redw_options *o, struct redw_diag *why)
{
    const struct {
        const char *name, *given;
        const char **out;
    } names[] = {
        {"idp_type", o->idp_type, &s->idp.idp_type},
        {"token_type", o->token_type, &s->idp.token_type},
        {"identity_namespace", o->identity_namespace, &s->idp.identity_namespace},
        {"provider_name", o->provider_name, &s->idp.provider_name},
        {"idc_client_display_name", o->idc_client_display_name, &s->idp.display_name},
    };

    if (o->token && !*o->token)
        return fail(why, REDW_EINVAL, "token is empty");
    if (o->token && strlen(o->token) > PASSWORD_BYTES_MAX)
        return fail(why, REDW_EINVAL, "token is longer than %d bytes", PASSWORD_BYTES_MAX);
    if (o->token && !(s->token = redwi_secret_copy(mem, o->token, strlen(o->token))))
        return no_memory(why);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!names[i].given)
            continue;
        if (!o->token)
            return fail(why, REDW_EINVAL, "%s: says something about a token, and none is given", names[i].name);
        if (strlen(names[i].given) > WORD_BYTES_MAX)
            return fail(why, REDW_EINVAL, "%s is longer than %d bytes", names[i].name, WORD_BYTES_MAX);
        if (!(*names[i].out = redwi_copy_text(mem, names[i].given, strlen(names[i].given))))
            return no_memory(why);
    }
    return 0;
}

/* "Linux 6.1.0 x86_64": for the server's connection log. */
static void read_system(struct redwi_settings *s)
{
    struct utsname name;

    if (uname(&name) == 0)
        snprintf(s->os_version, sizeof s->os_version, "%.40s %.40s %.40s", name.sysname, name.release,
                 name.machine);
}

static int read_login(struct redwi_settings *s, const struct redw_allocator *mem, const struct uri *u,
                      const struct redw_options *o, struct redw_diag *why)
{
    char *server = NULL, *methods = NULL, *binding = NULL;
    int rc = read_token(s, mem, o, why);

    read_system(s);
    if (!rc)
        rc = take_text(&server, o->server, "server", u, SERVER, WORD_BYTES_MAX, mem, why);
    if (!rc)
        rc = take_text(&methods, o->require_auth, "require_auth", u, REQUIRE_AUTH, WORD_BYTES_MAX, mem, why);
    if (!rc)
        rc = take_text(&binding, o->channel_binding, "channel_binding", u, CHANNEL_BINDING, WORD_BYTES_MAX,
                       mem, why);
    const struct redwi_login_words words = {.server = server,
                                            .require_auth = methods,
                                            .channel_binding = binding,
                                            .redshift_scheme = u->redshift_scheme};
    if (!rc)
        rc = redwi_login_options(s, &words, why);
    redwi_free(mem, server);
    redwi_free(mem, methods);
    redwi_free(mem, binding);
    return rc;
}

static int read_u32(uint32_t *out, const char *name, uint32_t given, uint32_t fallback, uint32_t max,
                    struct redw_diag *why)
{
    *out = given ? given : fallback;
    return *out <= max ? 0 : fail(why, REDW_EINVAL, "%s must be from 1 to %u", name, max);
}

/* A number of the struct if it is there, else of the URI, where 0 leaves it to the system as in libpq. */
static int read_tcp_number(uint32_t *out, const char *name, uint32_t given, const struct uri *u, enum setting what,
                           uint32_t fallback, uint32_t max, struct redw_diag *why)
{
    if (given == 0 && u->raw[what].ptr)
        return take_number(out, u, what, 0, max, why);
    *out = given == REDW_NONE ? 0 : given ? given : fallback;
    return *out <= max ? 0 : fail(why, REDW_EINVAL, "%s must be from 1 to %u, or REDW_NONE", name, max);
}

/* Dead peers are found within 90 s when idle and 75 s when we have sent something. */
static int read_tcp(struct redwi_tcp *t, const struct uri *u, const struct redw_options *o, struct redw_diag *why)
{
    int rc;

    if ((rc = read_tcp_number(&t->idle_s, "keepalive_idle_s", o->keepalive_idle_s, u, KEEPALIVES_IDLE, 60,
                              KEEPALIVE_S_MAX, why)) != 0 ||
        (rc = read_tcp_number(&t->interval_s, "keepalive_interval_s", o->keepalive_interval_s, u,
                              KEEPALIVES_INTERVAL, 10, KEEPALIVE_S_MAX, why)) != 0 ||
        (rc = read_tcp_number(&t->count, "keepalive_count", o->keepalive_count, u, KEEPALIVES_COUNT, 3,
                              KEEPALIVE_N_MAX, why)) != 0)
        return rc;
    return read_tcp_number(&t->user_timeout_ms, "tcp_user_timeout_ms", o->tcp_user_timeout_ms, u,
                           TCP_USER_TIMEOUT_MS, 75000, TIMEOUT_MS_MAX, why);
}

static int read_numbers(struct redwi_settings *s, const struct uri *u, const struct redw_options *o,
                        struct redw_diag *why)
{
    uint32_t seconds = 30;
    int rc;

    if (u->raw[CONNECT_TIMEOUT].ptr &&
        (rc = take_number(&seconds, u, CONNECT_TIMEOUT, 1, TIMEOUT_MS_MAX / 1000, why)) != 0)
        return rc;
    if ((rc = read_u32(&s->pool_max, "pool_max", o->pool_max, 10, POOL_MAX, why)) != 0 ||
        (rc = read_u32(&s->queue_max, "queue_max", o->queue_max, 65536, UINT32_MAX, why)) != 0 ||
        (rc = read_u32(&s->connect_timeout_ms, "connect_timeout_ms", o->connect_timeout_ms,
                       seconds * 1000, TIMEOUT_MS_MAX, why)) != 0 ||
        (rc = read_u32(&s->request_timeout_ms, "request_timeout_ms", o->request_timeout_ms, 300000,
                       UINT32_MAX, why)) != 0 ||
        (rc = read_u32(&s->acquire_timeout_ms, "acquire_timeout_ms", o->acquire_timeout_ms, REDW_NONE,
                       UINT32_MAX, why)) != 0 ||
        (rc = read_tcp(&s->tcp, u, o, why)) != 0)
        return rc;
    if (o->connect_retries != REDW_NONE &&
        (rc = read_u32(&s->connect_retries, "connect_retries", o->connect_retries, 5, RETRIES_MAX, why)) != 0)
        return rc;
    s->open = o->open;
    s->open_ctx = o->open_ctx;
    return read_u32(&s->cancel_timeout_ms, "cancel_timeout_ms", o->cancel_timeout_ms, 5000,
                    TIMEOUT_MS_MAX, why);
}

/* The caller's struct, whatever its version. */
static int read_struct(struct redw_options *out, const struct redw_options *o, struct redw_diag *why)
{
    if (!o)
        return fail(why, REDW_EINVAL, "options: NULL");
    if (!redwi_struct_read(out, sizeof *out, offsetof(struct redw_options, uri) + sizeof out->uri, o))
        return fail(why, REDW_EINVAL,
                    "options: size is wrong, or a field newer than this library is set");
    return 0;
}

int redwi_settings_read(struct redwi_settings *s, const struct redw_allocator *mem,
                        const struct redw_options *options, struct redw_diag *why)
{
    struct redw_options o;
    struct uri u;

    memset(s, 0, sizeof *s);
    int rc = read_struct(&o, options, why);
    if (rc)
        return rc;
    if (!o.uri)
        return fail(why, REDW_EINVAL, "uri: NULL");
    if ((rc = cut(&u, o.uri, why)) != 0 || (rc = read_where(s, mem, &u, why)) != 0 ||
        (rc = read_who(s, mem, &u, &o, why)) != 0 || (rc = read_tls(s, mem, &u, &o, why)) != 0 ||
        (rc = read_login(s, mem, &u, &o, why)) != 0 || (rc = read_numbers(s, &u, &o, why)) != 0) {
        redwi_settings_free(s, mem);
        return rc;
    }
    s->trace = o.trace;
    s->trace_ctx = o.trace_ctx;
    s->trace_values = o.trace_values;
    return 0;
}

void redwi_settings_free(struct redwi_settings *s, const struct redw_allocator *mem)
{
    redwi_free(mem, s->host);
    redwi_free(mem, s->user);
    redwi_free(mem, s->database);
    redwi_free(mem, s->application_name);
    redwi_secret_free(mem, s->password);
    redwi_secret_free(mem, s->token);
    redwi_free(mem, (char *)s->idp.idp_type);
    redwi_free(mem, (char *)s->idp.token_type);
    redwi_free(mem, (char *)s->idp.identity_namespace);
    redwi_free(mem, (char *)s->idp.provider_name);
    redwi_free(mem, (char *)s->idp.display_name);
    redwi_free(mem, s->ca_file);
    redwi_free(mem, s->cert_file);
    redwi_free(mem, s->key_file);
    redwi_free(mem, s->tls_name);
    memset(s, 0, sizeof *s);
}

int redwi_settings_allocator(struct redw_allocator *out, const struct redw_options *options,
                             struct redw_diag *why)
{
    struct redw_options o;
    int rc = read_struct(&o, options, why);

    if (rc)
        return rc;
    if (!o.allocator) {
        *out = redwi_malloc;
        return 0;
    }
    if (!redwi_struct_read(out, sizeof *out, sizeof *out, o.allocator))
        return fail(why, REDW_EINVAL, "allocator: size is wrong");
    if (!out->alloc || !out->resize || !out->release)
        return fail(why, REDW_EINVAL, "allocator: alloc, resize and release are required");
    return 0;
}
