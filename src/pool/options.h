/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings, checked: from redw_options and its URI to one owned struct with every default filled in.
 */
#ifndef REDWI_POOL_OPTIONS_H
#define REDWI_POOL_OPTIONS_H

#include "wire/login.h"
#include "wire/startup.h"
#include "wire/tls.h"
#include <redw/client.h>

/* What is set on TCP sockets; 0: left as the system has it. */
struct redwi_tcp {
    uint32_t idle_s, interval_s, count; /* keepalive; idle_s 0: none */
    uint32_t user_timeout_ms;
};

struct redwi_settings {
    char *host;      /* name, address literal, or directory of a unix socket (begins with '/') */
    uint16_t port;
    char *user, *database, *application_name;
    char *query_group;   /* of requests that name none; NULL: none */
    char *password;  /* NULL: none */
    char *token;     /* of an identity provider; NULL: none. user may be NULL then */
    struct redwi_idp_names idp; /* owned too */
    char os_version[128];
    bool redshift;   /* the startup names that only Redshift knows are sent */
    unsigned methods, methods_denied; /* REDWI_LOGIN_*; 0: as wire/login.h says */
    enum redwi_binding binding;
    enum redwi_tls_mode tls_mode;
    char *ca_file;   /* NULL: none */
    bool system_roots;
    char *cert_file, *key_file; /* both or neither */
    char *tls_name;  /* NULL: host */
    bool tls_direct;
    bool cancel_plain;   /* side connections go in clear */
    redw_trace_fn *trace; /* NULL: none */
    void *trace_ctx;
    bool trace_values;
    uint32_t pool_max, pipeline_max, queue_max, connect_timeout_ms, request_timeout_ms, cancel_timeout_ms;
    uint32_t acquire_timeout_ms; /* REDW_NONE: no bound of its own */
    uint32_t connect_retries;
    struct redwi_tcp tcp;
    uint64_t memory_max_bytes; /* 0: no bound */
    redw_notice_fn *notice; /* NULL: none */
    void *notice_ctx;
    redw_open_fn *open; /* NULL: sockets are made and connected here */
    void *open_ctx;
};

/* 0, or REDW_EINVAL with the setting named in *why, or REDW_ENOMEM. On failure *s is empty. */
int redwi_settings_read(struct redwi_settings *s, const struct redw_allocator *mem,
                        const struct redw_options *o, struct redw_diag *why);
void redwi_settings_free(struct redwi_settings *s, const struct redw_allocator *mem); /* wipes its secrets */

/* 0, or REDW_EINVAL: an allocator of the options, filled and complete, or the default. */
int redwi_settings_allocator(struct redw_allocator *out, const struct redw_options *o, struct redw_diag *why);

/* 0, or REDW_EINVAL: the bound of the client's memory, 0 for none. */
int redwi_settings_memory_max(uint64_t *out, const struct redw_options *o, struct redw_diag *why);

#define REDWI_QUERY_GROUP_MAX 320 /* bytes */
/* What is wrong with a query group, as a text that follows its name; NULL: nothing. */
const char *redwi_query_group_fault(const char *group);

/* Reads a struct that a caller filled and that begins with its size: dst gets the `known` bytes of this
 * version, what the caller's version lacks is zero. False: smaller than `least`, or larger than known
 * with something set that this version does not know. */
bool redwi_struct_read(void *dst, size_t known, size_t least, const void *src);

#endif
