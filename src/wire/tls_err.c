/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What OpenSSL's error queue says, as facts and as text.
 */
#include "wire/tls_err.h"

#include "wire/err.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct redwi_tls_failure redwi_tls_take_errors(void)
{
    struct redwi_tls_failure f = {.alert = -1};

    for (unsigned long e; (e = ERR_get_error()) != 0;) {
        int lib = ERR_GET_LIB(e), reason = ERR_GET_REASON(e);

        if (f.first == 0)
            f.first = e;
        if (f.ssl == 0 && lib == ERR_LIB_SSL)
            f.ssl = e;
        if (reason == ERR_R_MALLOC_FAILURE || (lib == ERR_LIB_SYS && reason == ENOMEM))
            f.no_memory = true;
        if (lib == ERR_LIB_SSL && reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
            f.unverified = true;
        if (lib == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET && reason <= SSL_AD_REASON_OFFSET + 255)
            f.alert = reason - SSL_AD_REASON_OFFSET;
    }
    return f;
}

const char *redwi_tls_reason(unsigned long e, char room[128])
{
    const char *text = ERR_SYSTEM_ERROR(e) ? NULL : ERR_reason_error_string(e);

    if (e == 0)
        return "OpenSSL gives no reason";
    if (text != NULL)
        return text;
    if (ERR_SYSTEM_ERROR(e))
        return strerror_r(ERR_GET_REASON(e), room, 128); /* GNU's: returns the text */
    ERR_error_string_n(e, room, 128);
    return room;
}

const char *redwi_tls_alert_name(int alert)
{
    switch (alert) { /* those of TLS 1.3 that OpenSSL 3.0 has no names for */
    case SSL_AD_MISSING_EXTENSION:
        return "missing extension";
    case SSL_AD_CERTIFICATE_REQUIRED:
        return "certificate required";
    case SSL_AD_NO_APPLICATION_PROTOCOL:
        return "no application protocol";
    default:
        return SSL_alert_desc_string_long(alert);
    }
}

int redwi_tls_why(struct redw_diag *why, int code, const char *fmt, ...)
{
    char text[512];
    va_list args;

    if (why == NULL)
        return code;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    why->code = code;
    redwi_escape(why->text, sizeof why->text, text, strlen(text));
    return code;
}

int redwi_tls_no_memory(struct redw_diag *why)
{
    return redwi_tls_why(why, REDW_ENOMEM, "%s", "out of memory");
}

int redwi_tls_refused(const char *what, const char *of, struct redw_diag *why)
{
    struct redwi_tls_failure f = redwi_tls_take_errors();
    char room[128];

    if (f.no_memory || f.first == 0)
        return redwi_tls_no_memory(why);
    return redwi_tls_why(why, REDW_ETLS, "%s%s: %s", what, of, redwi_tls_reason(f.first, room));
}
