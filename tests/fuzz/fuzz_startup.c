/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options and URI to settings to StartupMessage, and read again as a server does. Input: fields separated by
 * newlines: uri, password, server, require_auth, channel_binding, token, idp_type, ca_file; an empty field is
 * not given.
 */
#include "pool/options.h"
#include "wire/fe_read.h"
#include "wire/mem.h"
#include "wire/startup.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIELDS 8

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void cut(char *text, const char *fields[FIELDS])
{
    for (size_t i = 0; i < FIELDS && text; i++) {
        char *newline = strchr(text, '\n');
        if (newline)
            *newline = '\0';
        fields[i] = *text ? text : NULL;
        text = newline ? newline + 1 : NULL;
    }
}

static void same(const uint8_t *body, size_t len, const char *name, const char *value)
{
    redw_slice got = redwi_fe_startup_value(body, len, name);
    must(value ? got.ptr && got.len == strlen(value) && memcmp(got.ptr, value, got.len) == 0 : !got.ptr);
}

/* PostgreSQL's and Redshift's bound for the packet is 10,000 bytes. */
static void pack(const struct redwi_settings *s)
{
    struct redwi_buf b;
    enum redwi_first kind;
    const struct redwi_startup startup = {
        .user = s->user,
        .database = s->database,
        .application_name = s->application_name,
        .redshift = s->redshift,
        .os_version = s->os_version,
        .idp = s->token ? &s->idp : NULL,
    };
    redwi_buf_init(&b, &redwi_malloc, 1 << 20);
    redwi_startup_put(&b, &startup);
    must(!b.failed && redwi_buf_len(&b) <= 10000);
    const uint8_t *body = redwi_buf_front(&b) + 4;
    size_t len = redwi_buf_len(&b) - 4;
    must(redwi_fe_first(body, len, &kind) && kind == REDWI_FIRST_STARTUP);
    same(body, len, "user", s->user);
    same(body, len, "database", s->database);
    same(body, len, "application_name", s->application_name);
    same(body, len, "idp_type", s->redshift && s->token ? s->idp.idp_type : NULL);
    must(!redwi_fe_startup_value(body, len, "client_protocol_version").ptr == !s->redshift);
    redwi_buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *f[FIELDS] = {0};
    struct redwi_settings s;
    struct redw_diag why = {0};
    char *text = redwi_copy_text(&redwi_malloc, (const char *)data, size);
    must(text);
    cut(text, f);
    const struct redw_options o = {
        .size = sizeof o,
        .uri = f[0],
        .password = f[1],
        .server = f[2],
        .require_auth = f[3],
        .channel_binding = f[4],
        .token = f[5],
        .idp_type = f[6],
        .ca_file = f[7],
    };
    int code = redwi_settings_read(&s, &redwi_malloc, &o, &why);
    if (code == 0) {
        must(s.host && *s.host && s.port && s.database && *s.database);
        must((s.user && *s.user) || s.token);
        must(!s.token || (s.redshift && s.tls_mode != REDWI_TLS_DISABLE));
        must(s.binding != REDWI_BINDING_REQUIRE || s.tls_mode != REDWI_TLS_DISABLE);
        must(!s.methods || !s.methods_denied);
        pack(&s);
    } else {
        must(code == REDW_EINVAL && why.code == code && why.text[0] && strlen(why.text) < sizeof why.text);
        must(!s.host && !s.password && !s.token);
    }
    redwi_settings_free(&s, &redwi_malloc);
    redwi_free(&redwi_malloc, text);
    return 0;
}
