/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any connection string, any password file. Values lie in the copy, end with NUL, and are no longer than the
 * text; written down again as pairs with quotes they are read as the same values; nothing of it is in a
 * message.
 */
#include "pool/conninfo.h"
#include "pool/passfile.h"
#include "wire/mem.h"
#include "wire/secret.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NAMES = 7 };
static const char *const names[NAMES] = {"host", "port", "user", "password", "dbname", "sslmode", "passfile"};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static size_t put(char *out, const char *text)
{
    size_t n = strlen(text);
    memcpy(out, text, n);
    return n;
}

/* name='value' for each, quotes and backslashes with a backslash in front. */
static char *write_pairs(const redw_slice *values)
{
    size_t room = 1;
    for (int i = 0; i < NAMES; i++)
        room += strlen(names[i]) + 4 + 2 * values[i].len;
    char *text = malloc(room), *out = text;
    must(text != NULL);
    for (int i = 0; i < NAMES; i++) {
        if (!values[i].ptr)
            continue;
        out += put(out, names[i]);
        out += put(out, "='");
        for (size_t k = 0; k < values[i].len; k++) {
            if (values[i].ptr[k] == '\'' || values[i].ptr[k] == '\\')
                *out++ = '\\';
            *out++ = values[i].ptr[k];
        }
        out += put(out, "' ");
    }
    *out = '\0';
    return text;
}

static void read_again(const redw_slice *values)
{
    struct redwi_conninfo info;
    struct redw_diag why;
    redw_slice again[NAMES];
    char *text = write_pairs(values);

    must(redwi_conninfo_read(&info, again, names, NAMES, text, &redwi_malloc, &why) == 0);
    for (int i = 0; i < NAMES; i++) {
        must(!again[i].ptr == !values[i].ptr && again[i].len == values[i].len);
        must(!again[i].ptr || memcmp(again[i].ptr, values[i].ptr, again[i].len) == 0);
    }
    redwi_conninfo_free(&info, &redwi_malloc);
    free(text);
}

static void conninfo(const char *text)
{
    struct redwi_conninfo info;
    struct redw_diag why = {0};
    redw_slice values[NAMES];
    int rc = redwi_conninfo_read(&info, values, names, NAMES, text, &redwi_malloc, &why);

    must(rc == 0 || (rc == REDW_EINVAL && why.code == rc && why.text[0] && !info.text));
    for (int i = 0; rc == 0 && i < NAMES; i++) {
        redw_slice v = values[i];
        must(!v.ptr || (v.ptr >= info.text && (size_t)(v.ptr - info.text) + v.len <= strlen(text) &&
                        strlen(v.ptr) == v.len));
    }
    if (rc == 0)
        read_again(values);
    for (const char *p = why.text; *p; p++)
        must(*p >= ' ' && *p <= '~');
    redwi_conninfo_free(&info, &redwi_malloc);
}

static void passfile(const uint8_t *data, size_t size)
{
    static const struct redwi_passfile_key key = {"h", "d", "u", 5439};
    const char *fault = NULL;
    char *found;
    int rc = redwi_passfile_search(&found, (redw_slice){(const char *)data, size}, &key, 64, &redwi_malloc,
                                   &fault);

    must(rc == 0 ? !found || strlen(found) <= 64 : rc == REDW_EINVAL && fault && !found);
    redwi_secret_free(&redwi_malloc, found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    must(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    conninfo(text);
    free(text);
    passfile(data, size);
    return 0;
}
