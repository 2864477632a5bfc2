/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SCRAM against hostile servers. Input: a byte of choices, the challenge, a newline, the final message. The
 * derivation runs to its end only if the first byte asks for it: 4,096 iterations are most of a second's
 * worth of other inputs.
 */
#include "wire/mem.h"
#include "wire/scram.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PLUS = 1, WITHOUT_PLUS = 2, RFC = 4, OTHER_PASSWORD = 8, DERIVE = 0xC0 };

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* After a failure nothing works any more, and each call says why. */
static void must_be_dead(struct redwi_scram *s)
{
    redw_slice message;
    const char *why = NULL;
    must(redwi_scram_first(s, &message, &why) != 0 && why);
    must(redwi_scram_challenge(s, "r=", 2, &why) != 0);
    must(redwi_scram_work(s, 1, &why) < 0);
    must(redwi_scram_final(s, &message, &why) != 0);
    must(redwi_scram_verify(s, "v=", 2, &why) != 0);
}

static void exchange(struct redwi_scram *s, bool derive, const char *challenge, size_t n, const char *final,
                     size_t final_n)
{
    redw_slice message;
    const char *why = NULL;
    must(redwi_scram_first(s, &message, &why) == 0 && message.len > 10);
    int code = redwi_scram_challenge(s, challenge, n, &why);
    if (code) {
        must(why && *why);
        must_be_dead(s);
        return;
    }
    code = redwi_scram_work(s, derive ? 4096 : 3, &why);
    must(code >= 0);
    if (code > 0) { /* too early */
        must(redwi_scram_final(s, &message, &why) == REDW_EPROTOCOL);
        must_be_dead(s);
        return;
    }
    must(redwi_scram_final(s, &message, &why) == 0);
    must(memmem(message.ptr, message.len, "pencil", 6) == NULL || memmem(challenge, n, "pencil", 6) != NULL);
    code = redwi_scram_verify(s, final, final_n, &why);
    if (code)
        must_be_dead(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t binding[32] = {1, 2, 3};
    struct redwi_scram *s;
    if (!size)
        return 0;
    const char *challenge = (const char *)data + 1, *end = (const char *)data + size;
    const char *newline = size > 1 ? memchr(challenge, '\n', size - 1) : NULL;
    if (!newline)
        newline = end;
    struct redwi_scram_config config = {
        .mem = &redwi_malloc,
        .password = data[0] & OTHER_PASSWORD ? "p\xc3\xa4nc\xc2\xadil" : "pencil",
        .plus = data[0] & PLUS,
        .tls_without_plus = data[0] & WITHOUT_PLUS && !(data[0] & PLUS),
        .binding = binding,
        .binding_len = sizeof binding,
        .nonce_text = data[0] & RFC ? "rOprNGfwEbeRWgbNEkqO" : NULL,
        .user = data[0] & RFC ? "user" : NULL,
    };
    config.password_len = strlen(config.password);
    must(redwi_scram_create(&s, &config) == 0);
    bool last = newline == end;
    exchange(s, (data[0] & DERIVE) == DERIVE, challenge, (size_t)(newline - challenge), last ? end : newline + 1,
             last ? 0 : (size_t)(end - newline - 1));
    redwi_scram_free(s);
    return 0;
}
