/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options to settings. A setting comes from, first wins: its field of the struct; the text of `uri`, cut and
 * decoded in a copy that is wiped (pool/conninfo.h); its REDSHIFT_* variable, if the environment was asked
 * for; the password at last from the password file. Messages name the setting and the rule, never a value:
 * a misplaced '/' or '?' may turn part of a password into any other setting.
 */
#include "pool/options.h"

#include "pool/conninfo.h"
#include "pool/passfile.h"
#include "wire/mem.h"
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define NAME_BYTES_MAX 1023 /* user, database, application_name; PostgreSQL's startup packet ends at 10,000  \
                             */
#define PASSWORD_BYTES_MAX 16383 /* tokens of identity providers run to a few thousand */
#define HOST_BYTES_MAX     253   /* RFC 1035, 2.3.4, as text */
#define PATH_BYTES_MAX     4095
#define TIMEOUT_MS_MAX     3600000u
#define POOL_MAX           10000u

enum setting {
    HOST = 0,
    PORT,
    USER,
    PASSWORD,
    DBNAME,
    SSLMODE,
    SSLROOTCERT,
    APPLICATION_NAME,
    CONNECT_TIMEOUT,
    PASSFILE,
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
    "application_name",
    "connect_timeout",
    "passfile",
};

/* What was given outside the struct: text that ends with NUL; ptr NULL: not given. */
struct uri {
    struct redwi_conninfo info; /* what most of it lies in */
    redw_slice raw[SETTINGS];
    bool in_environment[SETTINGS];
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
static int take(char **out, const struct uri *u, enum setting what, size_t max,
                const struct redw_allocator *mem, struct redw_diag *why)
{
    redw_slice raw = u->raw[what];

    *out = NULL;
    if (!raw.ptr)
        return 0;
    if (raw.len > max)
        return fail(why, REDW_EINVAL, "uri: %s is longer than %zu bytes", setting_names[what], max);
    *out = redwi_copy_text(mem, raw.ptr, raw.len);
    return *out ? 0 : no_memory(why);
}

/* A text from the struct if it is there, else from the URI. */
static int take_text(char **out, const char *given, const char *given_name, const struct uri *u,
                     enum setting what, size_t max, const struct redw_allocator *mem, struct redw_diag *why)
{
    if (!given)
        return take(out, u, what, max, mem, why);
    if (strlen(given) > max)
        return fail(why, REDW_EINVAL, "%s is longer than %zu bytes", given_name, max);
    *out = redwi_copy_text(mem, given, strlen(given));
    return *out ? 0 : no_memory(why);
}

/* A whole decimal number from min to max. */
static int take_number(uint32_t *out, const struct uri *u, enum setting what, uint32_t min, uint32_t max,
                       struct redw_diag *why)
{
    const char *text = u->raw[what].ptr;
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

static int check_host(const char *host, uint16_t port, struct redw_diag *why)
{
    struct in6_addr v6;
    size_t len = strlen(host);

    if (host[0] == '/') {
        int n = snprintf(NULL, 0, "%s/.s.PGSQL.%u", host, port);
        if (n < 0 || (size_t)n >= sizeof((struct sockaddr_un *)0)->sun_path)
            return fail(why, REDW_EINVAL, "uri: host: the directory's name is too long for a unix socket");
        return 0;
    }
    if (strchr(host, ':')) {
        if (inet_pton(AF_INET6, host, &v6) != 1)
            return fail(why, REDW_EINVAL, "uri: host is not an IPv6 address");
        return 0;
    }
    if (len > HOST_BYTES_MAX)
        return fail(why, REDW_EINVAL, "uri: host is longer than %d bytes", HOST_BYTES_MAX);
    for (size_t i = 0; i < len; i++) {
        char c = host[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && c != '.' && c != '-' && c != '_')
            return fail(why, REDW_EINVAL, "uri: host has a character that is in no host name");
    }
    return 0;
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
    if (!s->user || !*s->user)
        return fail(why, REDW_EINVAL, "uri: no user");
    if ((rc = take_text(&s->password, o->password, "password", u, PASSWORD, PASSWORD_BYTES_MAX, mem, why)) !=
            0 ||
        (rc = take(&s->database, u, DBNAME, NAME_BYTES_MAX, mem, why)) != 0 ||
        (rc = take_text(&s->application_name, o->application_name, "application_name", u, APPLICATION_NAME,
                        NAME_BYTES_MAX, mem, why)) != 0)
        return rc;
    if (s->database && !*s->database) {
        redwi_free(mem, s->database);
        s->database = NULL;
    }
    if (!s->database && !(s->database = redwi_copy_text(mem, s->user, strlen(s->user))))
        return no_memory(why);
    if (!s->application_name && !(s->application_name = redwi_copy_text(mem, "redw", 4)))
        return no_memory(why);
    return 0;
}

/* The password, if nobody gave one, of the first line of the file that fits. */
static int read_password_file(struct redwi_settings *s, const struct redw_allocator *mem, const struct uri *u,
                              const struct redw_options *o, struct redw_diag *why)
{
    const char *name = o->password_file ? "password_file" : "uri: passfile";
    char *path = NULL;
    int rc = take_text(&path, o->password_file, name, u, PASSFILE, PATH_BYTES_MAX, mem, why);

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
        redwi_free_secret(mem, s->password, s->password ? strlen(s->password) : 0);
        s->password = found;
    }
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

    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(u->raw[SSLMODE].ptr, modes[i].name) == 0) {
            *out = modes[i].mode;
            return 0;
        }
    }
    return fail(why, REDW_EINVAL, "uri: sslmode must be disable, require, verify-ca or verify-full");
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
    if ((rc = take_text(&s->ca_file, o->ca_file, "ca_file", u, SSLROOTCERT, PATH_BYTES_MAX, mem, why)) != 0)
        return rc;
    if (s->ca_file && !*s->ca_file)
        return fail(why, REDW_EINVAL, "%s is empty", o->ca_file ? "ca_file" : "uri: sslrootcert");
    /* Roots that nothing is checked against would look like safety; libpq verifies here, silently. */
    if (s->ca_file && given && s->tls_mode < REDWI_TLS_VERIFY_CA)
        return fail(why, REDW_EINVAL, "%s: needs sslmode verify-ca or verify-full",
                    o->ca_file ? "ca_file" : "uri: sslrootcert");
    if (s->ca_file && strcmp(s->ca_file, "system") == 0) {
        redwi_free(mem, s->ca_file);
        s->ca_file = NULL;
    }
    return 0;
}

static int read_u32(uint32_t *out, const char *name, uint32_t given, uint32_t fallback, uint32_t max,
                    struct redw_diag *why)
{
    *out = given ? given : fallback;
    return *out <= max ? 0 : fail(why, REDW_EINVAL, "%s must be from 1 to %u", name, max);
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
        (rc = read_u32(&s->connect_timeout_ms, "connect_timeout_ms", o->connect_timeout_ms, seconds * 1000,
                       TIMEOUT_MS_MAX, why)) != 0 ||
        (rc = read_u32(&s->request_timeout_ms, "request_timeout_ms", o->request_timeout_ms, 300000,
                       UINT32_MAX, why)) != 0)
        return rc;
    return read_u32(&s->cancel_timeout_ms, "cancel_timeout_ms", o->cancel_timeout_ms, 5000, TIMEOUT_MS_MAX,
                    why);
}

/* The caller's struct, whatever its version. */
static int read_struct(struct redw_options *out, const struct redw_options *o, struct redw_diag *why)
{
    if (!o)
        return fail(why, REDW_EINVAL, "options: NULL");
    if (!redwi_struct_read(out, sizeof *out, offsetof(struct redw_options, uri) + sizeof out->uri, o))
        return fail(why, REDW_EINVAL, "options: size is wrong, or a field newer than this library is set");
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

static void read_environment(struct uri *u)
{
    for (unsigned i = 0; i < SETTINGS; i++) {
        const char *value = u->raw[i].ptr ? NULL : environment(variable_of(i).name);
        if (!value)
            continue;
        u->raw[i] = (redw_slice){value, strlen(value)};
        u->in_environment[i] = true;
    }
}

/* Everything outside the struct. */
static int read_given(struct uri *u, const struct redw_allocator *mem, const struct redw_options *o,
                      struct redw_diag *why)
{
    const char *text = o->uri ? o->uri : o->from_environment ? environment("REDSHIFT_URI") : NULL;

    if (!text && !o->from_environment)
        return fail(why, REDW_EINVAL, "uri: NULL");
    int rc = redwi_conninfo_read(&u->info, u->raw, setting_names, SETTINGS, text ? text : "", mem, why);
    if (rc)
        return rc;
    u->default_port = text ? u->info.default_port : 5439; /* nothing but REDSHIFT_*: to Redshift */
    if (o->from_environment)
        read_environment(u);
    return 0;
}

/* Readers name every setting as the URI's: here one that came from the environment gets its own name. */
static void name_variable(const struct uri *u, struct redw_diag *why)
{
    for (unsigned i = 0; i < SETTINGS; i++) {
        size_t n = strlen("uri: ") + strlen(setting_names[i]);
        char rest[sizeof why->text];

        if (!u->in_environment[i] || strncmp(why->text, "uri: ", strlen("uri: ")) != 0 ||
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
    struct uri u = {0};

    memset(s, 0, sizeof *s);
    int rc = read_struct(&o, options, why);
    if (rc || (rc = read_given(&u, mem, &o, why)) != 0)
        return rc;
    if ((rc = read_where(s, mem, &u, why)) != 0 || (rc = read_who(s, mem, &u, &o, why)) != 0 ||
        (rc = read_tls(s, mem, &u, &o, why)) != 0 || (rc = read_numbers(s, &u, &o, why)) != 0 ||
        (rc = read_password_file(s, mem, &u, &o, why)) != 0) {
        name_variable(&u, why);
        redwi_settings_free(s, mem);
    }
    redwi_conninfo_free(&u.info, mem);
    return rc;
}

void redwi_settings_free(struct redwi_settings *s, const struct redw_allocator *mem)
{
    redwi_free(mem, s->host);
    redwi_free(mem, s->user);
    redwi_free(mem, s->database);
    redwi_free(mem, s->application_name);
    redwi_free_secret(mem, s->password, s->password ? strlen(s->password) : 0);
    redwi_free(mem, s->ca_file);
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
