/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options to settings. A setting comes from, first wins: its field of the struct; the text of `uri`, cut and
 * decoded in secret memory that is given back at the end (pool/conninfo.h); its REDSHIFT_* variable, if the
 * environment was asked for; the password at last from the password file. Readers take every value outside the
 * struct for the URI's, and say so. Messages name the setting and the rule, never a value:
 * a misplaced '/' or '?' may turn part of a password into any other setting.
 */
#include "pool/options.h"

#include "data/decode.h"
#include "pool/conninfo.h"
#include "pool/login_options.h"
#include "pool/passfile.h"
#include "wire/mem.h"
#include "wire/secret.h"
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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
#define PIPELINE_MAX       1000u
#define MEMORY_LEAST       ((uint64_t)1 << 20)
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
    PASSFILE,
    CANCEL_TLS,
    QUERY_GROUP,
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
    "passfile",
    "cancel_tls",
    "query_group",
};

/* What was given outside the struct: text that ends with NUL; ptr NULL: not given. */
struct given {
    struct redwi_conninfo info; /* of the URI: what its values lie in */
    redw_slice value[SETTINGS];
    bool in_environment[SETTINGS];
    bool environment_read;
    uint16_t default_port;
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

/* *out: a copy of the setting; NULL when it is not given. */
static int take(char **out, const struct given *g, enum setting what, size_t max,
                const struct redw_allocator *mem, struct redw_diag *why)
{
    redw_slice value = g->value[what];

    *out = NULL;
    if (!value.ptr)
        return 0;
    if (value.len > max)
        return fail(why, REDW_EINVAL, "uri: %s is longer than %zu bytes", setting_names[what], max);
    *out = redwi_copy_text(mem, value.ptr, value.len);
    return *out ? 0 : no_memory(why);
}

/* A text from the struct if it is there, else from outside. */
static int take_text(char **out, const char *given, const char *given_name, const struct given *g,
                     enum setting what, size_t max, const struct redw_allocator *mem,
                     struct redw_diag *why)
{
    if (!given)
        return take(out, g, what, max, mem, why);
    if (strlen(given) > max)
        return fail(why, REDW_EINVAL, "%s is longer than %zu bytes", given_name, max);
    *out = redwi_copy_text(mem, given, strlen(given));
    return *out ? 0 : no_memory(why);
}

/* The same for the password. */
static int take_password(char **out, const struct redw_options *o, const struct given *g,
                         const struct redw_allocator *mem, struct redw_diag *why)
{
    const char *given = o->password ? o->password : g->value[PASSWORD].ptr;

    if (!given)
        return 0;
    if (strlen(given) > PASSWORD_BYTES_MAX)
        return fail(why, REDW_EINVAL, "%spassword is longer than %d bytes", o->password ? "" : "uri: ",
                    PASSWORD_BYTES_MAX);
    *out = redwi_secret_copy(mem, given, strlen(given));
    return *out ? 0 : no_memory(why);
}

/* A whole decimal number from min to max. */
static int take_number(uint32_t *out, const struct given *g, enum setting what, uint32_t min, uint32_t max,
                       struct redw_diag *why)
{
    const char *text = g->value[what].ptr;
    uint32_t v = 0;
    size_t i = 0;

    for (; text[i] >= '0' && text[i] <= '9' && v <= max; i++)
        v = v * 10 + (uint32_t)(text[i] - '0');
    if (i > 0 && text[i] == '\0' && v >= min && v <= max) {
        *out = v;
        return 0;
    }
    return fail(why, REDW_EINVAL, "uri: %s must be a number from %u to %u", setting_names[what], min, max);
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

static int read_where(struct redwi_settings *s, const struct redw_allocator *mem, const struct given *g,
                      struct redw_diag *why)
{
    uint32_t port = g->default_port;
    int rc = take(&s->host, g, HOST, NAME_BYTES_MAX, mem, why);

    if (rc)
        return rc;
    if (!s->host || !*s->host)
        return fail(why, REDW_EINVAL, "uri: no host%s", g->environment_read ? ", and no REDSHIFT_HOST" : "");
    if (g->value[PORT].ptr && (rc = take_number(&port, g, PORT, 1, 65535, why)) != 0)
        return rc;
    s->port = (uint16_t)port;
    return check_host(s->host, s->port, why);
}

static int read_who(struct redwi_settings *s, const struct redw_allocator *mem, const struct given *g,
                    const struct redw_options *o, struct redw_diag *why)
{
    int rc = take(&s->user, g, USER, NAME_BYTES_MAX, mem, why);

    if (rc)
        return rc;
    if (s->user && !*s->user) {
        redwi_free(mem, s->user);
        s->user = NULL;
    }
    if (!s->user && !o->token) /* a token says who comes */
        return fail(why, REDW_EINVAL, "uri: no user%s", g->environment_read ? ", and no REDSHIFT_USER" : "");
    if ((rc = take_password(&s->password, o, g, mem, why)) != 0 ||
        (rc = take(&s->database, g, DBNAME, NAME_BYTES_MAX, mem, why)) != 0 ||
        (rc = take_text(&s->application_name, o->application_name, "application_name", g,
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

const char *redwi_query_group_fault(const char *group)
{
    size_t n = strnlen(group, REDWI_QUERY_GROUP_MAX + 1);
    const char *fault;
    if (n > REDWI_QUERY_GROUP_MAX)
        return "is longer than 320 bytes";
    if ((fault = redwi_utf8_fault(group, n)) != NULL)
        return fault;
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)group[i] < ' ' || group[i] == 0x7f)
            return "has a control character";
    }
    return NULL;
}

static int read_query_group(struct redwi_settings *s, const struct redw_allocator *mem, const struct given *g,
                            const struct redw_options *o, struct redw_diag *why)
{
    const char *name = o->query_group ? "query_group" : "uri: query_group", *fault;
    int rc = take_text(&s->query_group, o->query_group, "query_group", g, QUERY_GROUP, REDWI_QUERY_GROUP_MAX, mem,
                       why);

    if (rc || !s->query_group)
        return rc;
    fault = redwi_query_group_fault(s->query_group);
    return fault ? fail(why, REDW_EINVAL, "%s %s", name, fault) : 0;
}

/* The password, if nobody gave one, of the first line of the file that fits. */
static int read_password_file(struct redwi_settings *s, const struct redw_allocator *mem, const struct given *g,
                              const struct redw_options *o, struct redw_diag *why)
{
    const char *name = o->password_file ? "password_file" : "uri: passfile";
    char *path = NULL;
    int rc = take_text(&path, o->password_file, name, g, PASSFILE, PATH_BYTES_MAX, mem, why);

    if (rc || !path || (s->password && *s->password) || !s->user) {
        redwi_free(mem, path);
        return rc;
    }
    const struct redwi_passfile_key key = {s->host, s->database, s->user, s->port};
    const char *fault = NULL;
    char *found = NULL;
    rc = redwi_passfile_find(&found, path, &key, PASSWORD_BYTES_MAX, mem, &fault);
    redwi_free(mem, path);
    if (rc == REDW_EINVAL)
        return fail(why, REDW_EINVAL, "%s: %s", name, fault);
    if (rc)
        return no_memory(why);
    if (found) {
        redwi_secret_free(mem, s->password);
        s->password = found;
    }
    return 0;
}

static int read_sslmode(enum redwi_tls_mode *out, const struct given *g, struct redw_diag *why)
{
    static const struct {
        const char *name;
        enum redwi_tls_mode mode;
    } modes[] = {{"disable", REDWI_TLS_DISABLE},
                 {"require", REDWI_TLS_REQUIRE},
                 {"verify-ca", REDWI_TLS_VERIFY_CA},
                 {"verify-full", REDWI_TLS_VERIFY_FULL}};

    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(g->value[SSLMODE].ptr, modes[i].name) == 0) {
            *out = modes[i].mode;
            return 0;
        }
    }
    return fail(why, REDW_EINVAL, "uri: sslmode must be disable, require, verify-ca or verify-full");
}

/* FILE, "system", or "system,FILE": a file alone replaces the system's roots, as in libpq. */
static int read_roots(struct redwi_settings *s, const struct redw_allocator *mem, const struct given *g,
                      const struct redw_options *o, struct redw_diag *why)
{
    static const char word[] = "system";
    const char *name = o->ca_file ? "ca_file" : "uri: sslrootcert";
    const size_t n = sizeof word - 1;
    int rc = take_text(&s->ca_file, o->ca_file, "ca_file", g, SSLROOTCERT, PATH_BYTES_MAX, mem, why);

    if (rc)
        return rc;
    /* Roots that nothing is checked against would look like safety; libpq verifies here, silently. */
    if (s->ca_file && g->value[SSLMODE].ptr && s->tls_mode < REDWI_TLS_VERIFY_CA)
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
static int read_identity(struct redwi_settings *s, const struct redw_allocator *mem, const struct given *g,
                         const struct redw_options *o, struct redw_diag *why)
{
    int rc = take_text(&s->cert_file, o->cert_file, "cert_file", g, SSLCERT, PATH_BYTES_MAX, mem, why);

    if (rc || (rc = take_text(&s->key_file, o->key_file, "key_file", g, SSLKEY, PATH_BYTES_MAX, mem,
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
static int read_tls_name(struct redwi_settings *s, const struct redw_allocator *mem, const struct given *g,
                         const struct redw_options *o, struct redw_diag *why)
{
    const char *name = o->tls_name ? "tls_name" : "uri: sslname", *fault;
    int rc = take_text(&s->tls_name, o->tls_name, "tls_name", g, SSLNAME, NAME_BYTES_MAX, mem, why);

    if (rc || !s->tls_name)
        return rc;
    if (s->tls_mode != REDWI_TLS_VERIFY_FULL)
        return fail(why, REDW_EINVAL, "%s: needs sslmode verify-full", name);
    fault = *s->tls_name && *s->tls_name != '.' ? host_fault(s->tls_name) : "is not a host name";
    return fault ? fail(why, REDW_EINVAL, "%s %s", name, fault) : 0;
}

static int read_negotiation(struct redwi_settings *s, const struct given *g, struct redw_diag *why)
{
    const char *text = g->value[SSLNEGOTIATION].ptr ? g->value[SSLNEGOTIATION].ptr : "postgres";

    s->tls_direct = strcmp(text, "direct") == 0;
    if (!s->tls_direct && strcmp(text, "postgres") != 0)
        return fail(why, REDW_EINVAL, "uri: sslnegotiation must be postgres or direct");
    if (s->tls_direct && s->tls_mode == REDWI_TLS_DISABLE)
        return fail(why, REDW_EINVAL, "uri: sslnegotiation: there is no TLS");
    return 0;
}

static int read_cancel_tls(struct redwi_settings *s, const struct redw_allocator *mem, const struct given *g,
                           const struct redw_options *o, struct redw_diag *why)
{
    const char *name = o->cancel_tls ? "cancel_tls" : "uri: cancel_tls";
    char *word;
    int rc = take_text(&word, o->cancel_tls, "cancel_tls", g, CANCEL_TLS, WORD_BYTES_MAX, mem, why);

    if (rc || !word)
        return rc;
    s->cancel_plain = strcmp(word, "plain") == 0;
    bool known = s->cancel_plain || strcmp(word, "session") == 0;
    redwi_free(mem, word);
    return known ? 0 : fail(why, REDW_EINVAL, "%s must be session or plain", name);
}

static int read_tls(struct redwi_settings *s, const struct redw_allocator *mem, const struct given *g,
                    const struct redw_options *o, struct redw_diag *why)
{
    bool unix_socket = s->host[0] == '/', given = g->value[SSLMODE].ptr != NULL;
    int rc;

    s->tls_mode = unix_socket ? REDWI_TLS_DISABLE : REDWI_TLS_VERIFY_FULL;
    if (given && (rc = read_sslmode(&s->tls_mode, g, why)) != 0)
        return rc;
    if (unix_socket && s->tls_mode != REDWI_TLS_DISABLE)
        return fail(why, REDW_EINVAL, "uri: sslmode: a unix socket carries no TLS");
    if ((rc = read_roots(s, mem, g, o, why)) != 0 || (rc = read_identity(s, mem, g, o, why)) != 0 ||
        (rc = read_tls_name(s, mem, g, o, why)) != 0 || (rc = read_cancel_tls(s, mem, g, o, why)) != 0)
        return rc;
    return read_negotiation(s, g, why);
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

static int read_login(struct redwi_settings *s, const struct redw_allocator *mem, const struct given *g,
                      const struct redw_options *o, struct redw_diag *why)
{
    char *server = NULL, *methods = NULL, *binding = NULL;
    int rc = read_token(s, mem, o, why);

    read_system(s);
    if (!rc)
        rc = take_text(&server, o->server, "server", g, SERVER, WORD_BYTES_MAX, mem, why);
    if (!rc)
        rc = take_text(&methods, o->require_auth, "require_auth", g, REQUIRE_AUTH, WORD_BYTES_MAX, mem, why);
    if (!rc)
        rc = take_text(&binding, o->channel_binding, "channel_binding", g, CHANNEL_BINDING, WORD_BYTES_MAX,
                       mem, why);
    const struct redwi_login_words words = {.server = server,
                                            .require_auth = methods,
                                            .channel_binding = binding,
                                            .redshift_scheme = g->info.redshift_scheme};
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
static int read_tcp_number(uint32_t *out, const char *name, uint32_t given, const struct given *g, enum setting what,
                           uint32_t fallback, uint32_t max, struct redw_diag *why)
{
    if (given == 0 && g->value[what].ptr)
        return take_number(out, g, what, 0, max, why);
    *out = given == REDW_NONE ? 0 : given ? given : fallback;
    return *out <= max ? 0 : fail(why, REDW_EINVAL, "%s must be from 1 to %u, or REDW_NONE", name, max);
}

/* Dead peers are found within 90 s when idle and 75 s when we have sent something. */
static int read_tcp(struct redwi_tcp *t, const struct given *g, const struct redw_options *o, struct redw_diag *why)
{
    int rc;

    if ((rc = read_tcp_number(&t->idle_s, "keepalive_idle_s", o->keepalive_idle_s, g, KEEPALIVES_IDLE, 60,
                              KEEPALIVE_S_MAX, why)) != 0 ||
        (rc = read_tcp_number(&t->interval_s, "keepalive_interval_s", o->keepalive_interval_s, g,
                              KEEPALIVES_INTERVAL, 10, KEEPALIVE_S_MAX, why)) != 0 ||
        (rc = read_tcp_number(&t->count, "keepalive_count", o->keepalive_count, g, KEEPALIVES_COUNT, 3,
                              KEEPALIVE_N_MAX, why)) != 0)
        return rc;
    return read_tcp_number(&t->user_timeout_ms, "tcp_user_timeout_ms", o->tcp_user_timeout_ms, g,
                           TCP_USER_TIMEOUT_MS, 75000, TIMEOUT_MS_MAX, why);
}

static int read_numbers(struct redwi_settings *s, const struct given *g, const struct redw_options *o,
                        struct redw_diag *why)
{
    uint32_t seconds = 30;
    int rc;

    if (g->value[CONNECT_TIMEOUT].ptr &&
        (rc = take_number(&seconds, g, CONNECT_TIMEOUT, 1, TIMEOUT_MS_MAX / 1000, why)) != 0)
        return rc;
    if ((rc = read_u32(&s->pool_max, "pool_max", o->pool_max, 10, POOL_MAX, why)) != 0 ||
        (rc = read_u32(&s->pipeline_max, "pipeline_max", o->pipeline_max, 1, PIPELINE_MAX, why)) != 0 ||
        (rc = read_u32(&s->queue_max, "queue_max", o->queue_max, 65536, UINT32_MAX, why)) != 0 ||
        (rc = read_u32(&s->connect_timeout_ms, "connect_timeout_ms", o->connect_timeout_ms,
                       seconds * 1000, TIMEOUT_MS_MAX, why)) != 0 ||
        (rc = read_u32(&s->request_timeout_ms, "request_timeout_ms", o->request_timeout_ms, 300000,
                       UINT32_MAX, why)) != 0 ||
        (rc = read_u32(&s->acquire_timeout_ms, "acquire_timeout_ms", o->acquire_timeout_ms, REDW_NONE,
                       UINT32_MAX, why)) != 0 ||
        (rc = read_tcp(&s->tcp, g, o, why)) != 0)
        return rc;
    if (o->connect_retries != REDW_NONE &&
        (rc = read_u32(&s->connect_retries, "connect_retries", o->connect_retries, 5, RETRIES_MAX, why)) != 0)
        return rc;
    s->memory_max_bytes = o->memory_max_bytes;
    s->notice = o->notice;
    s->notice_ctx = o->notice_ctx;
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

/* REDSHIFT_ and the setting's name in capitals; that of dbname is REDSHIFT_DATABASE. */
struct variable {
    char name[48];
};

static struct variable variable_of(unsigned what)
{
    struct variable v = {"REDSHIFT_"};
    const char *name = what == DBNAME ? "database" : setting_names[what];
    size_t n = strlen(v.name);

    for (; *name && n < sizeof v.name - 1; name++)
        v.name[n++] = *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name;
    return v;
}

/* NULL: not set, or empty, which is how a shell says the same; or this program has the rights of another user
 * than the one who set it (setuid). */
static const char *environment(const char *variable)
{
    const char *value = secure_getenv(variable);

    return value && *value ? value : NULL;
}

static void read_environment(struct given *g)
{
    g->environment_read = true;
    for (unsigned i = 0; i < SETTINGS; i++) {
        const char *value = g->value[i].ptr ? NULL : environment(variable_of(i).name);
        if (!value)
            continue;
        g->value[i] = (redw_slice){value, strlen(value)};
        g->in_environment[i] = true;
    }
}

/* Everything outside the struct. */
static int read_given(struct given *g, const struct redw_allocator *mem, const struct redw_options *o,
                      struct redw_diag *why)
{
    const char *text = o->uri ? o->uri : o->from_environment ? environment("REDSHIFT_URI") : NULL;

    if (!text && !o->from_environment)
        return fail(why, REDW_EINVAL, "uri: NULL");
    int rc = redwi_conninfo_read(&g->info, g->value, setting_names, SETTINGS, text ? text : "", mem, why);
    if (rc)
        return rc;
    g->default_port = text ? g->info.default_port : 5439; /* nothing but REDSHIFT_*: to Redshift */
    if (o->from_environment)
        read_environment(g);
    return 0;
}

/* Readers name every setting as the URI's: here one that came from the environment gets its own name. */
static void name_variable(const struct given *g, struct redw_diag *why)
{
    for (unsigned i = 0; i < SETTINGS; i++) {
        size_t n = strlen("uri: ") + strlen(setting_names[i]);
        char rest[sizeof why->text];

        if (!g->in_environment[i] || strncmp(why->text, "uri: ", strlen("uri: ")) != 0 ||
            strncmp(why->text + strlen("uri: "), setting_names[i], strlen(setting_names[i])) != 0 ||
            !strchr(": ", why->text[n]))
            continue;
        snprintf(rest, sizeof rest, "%s", why->text + n);
        snprintf(why->text, sizeof why->text, "%s%.*s", variable_of(i).name,
                 (int)(sizeof why->text - sizeof(struct variable)), rest);
        return;
    }
}

int redwi_settings_read(struct redwi_settings *s, const struct redw_allocator *mem,
                        const struct redw_options *options, struct redw_diag *why)
{
    struct redw_options o;
    struct given g = {0};

    memset(s, 0, sizeof *s);
    int rc = read_struct(&o, options, why);
    if (rc || (rc = read_given(&g, mem, &o, why)) != 0)
        return rc;
    if ((rc = read_where(s, mem, &g, why)) != 0 || (rc = read_who(s, mem, &g, &o, why)) != 0 ||
        (rc = read_query_group(s, mem, &g, &o, why)) != 0 || (rc = read_tls(s, mem, &g, &o, why)) != 0 ||
        (rc = read_login(s, mem, &g, &o, why)) != 0 || (rc = read_numbers(s, &g, &o, why)) != 0 || (rc = read_password_file(s, mem, &g, &o, why)) != 0) {
        name_variable(&g, why);
        redwi_settings_free(s, mem);
    }
    redwi_conninfo_free(&g.info, mem);
    if (rc)
        return rc;
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
    redwi_free(mem, s->query_group);
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

int redwi_settings_memory_max(uint64_t *out, const struct redw_options *options, struct redw_diag *why)
{
    struct redw_options o;
    int rc = read_struct(&o, options, why);

    *out = 0;
    if (rc)
        return rc;
    if (o.memory_max_bytes != 0 && o.memory_max_bytes < MEMORY_LEAST)
        return fail(why, REDW_EINVAL, "memory_max_bytes: %llu is less than %llu",
                    (unsigned long long)o.memory_max_bytes, (unsigned long long)MEMORY_LEAST);
    *out = o.memory_max_bytes;
    return 0;
}
