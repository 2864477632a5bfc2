/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes of a few concatenated pieces. Called by auth.c only.
 */
#include "wire/digest.h"

#include "wire/mem.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#define MD5_BYTES 16

static int hash(const char *name, const redw_slice *pieces, size_t n, uint8_t *out)
{
    EVP_MD *algorithm = EVP_MD_fetch(NULL, name, NULL);
    EVP_MD_CTX *ctx = algorithm ? EVP_MD_CTX_new() : NULL;
    bool ok = ctx && EVP_DigestInit_ex2(ctx, algorithm, NULL) == 1;
    for (size_t i = 0; ok && i < n; i++)
        ok = EVP_DigestUpdate(ctx, pieces[i].ptr, pieces[i].len) == 1;
    ok = ok && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    int code = ok ? 0 : algorithm ? REDW_ENOMEM : REDW_EAUTH;
    EVP_MD_CTX_free(ctx); /* cleanses its state */
    EVP_MD_free(algorithm);
    ERR_clear_error();
    return code;
}

static int md5_hex(const redw_slice *pieces, size_t n, char out[2 * MD5_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t sum[MD5_BYTES];
    int code = hash("MD5", pieces, n, sum);
    for (size_t i = 0; !code && i < sizeof sum; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
    redwi_wipe(sum, sizeof sum);
    return code;
}

int redwi_digest_md5(char out[REDWI_MD5_CHARS], redw_slice user, redw_slice password, const uint8_t salt[4])
{
    char inner[2 * MD5_BYTES];
    const redw_slice stored[] = {password, user};
    const redw_slice salted[] = {{inner, sizeof inner}, {(const char *)salt, 4}};
    memcpy(out, "md5", 3);
    int code = md5_hex(stored, 2, inner);
    if (!code)
        code = md5_hex(salted, 2, out + 3);
    redwi_wipe(inner, sizeof inner);
    return code;
}

int redwi_digest_sha256(uint8_t out[REDWI_DIGEST_BYTES], redw_slice password,
                        const struct redwi_digest_request *request, redw_slice client_nonce)
{
    uint8_t inner[REDWI_DIGEST_BYTES]; /* what the server stores, and as good as the password */
    const redw_slice stored[] = {password, {(const char *)request->salt, request->salt_len}};
    const redw_slice salted[] = {{(const char *)inner, sizeof inner},
                                 {(const char *)request->nonce, request->nonce_len},
                                 client_nonce};
    int code = hash("SHA256", stored, 2, inner);
    if (!code)
        code = hash("SHA256", salted, 3, out);
    redwi_wipe(inner, sizeof inner);
    return code;
}
