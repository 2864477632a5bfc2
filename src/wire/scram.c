/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One object per exchange, used in the order of the header; a call out of order is a protocol error. The
 * texts that are kept are those RFC 5802 section 3 signs:
 *
 *   AuthMessage = client-first-bare "," server-first "," client-final-without-proof
 *
 * Called by auth.c only. OpenSSL's error queue is left empty.
 */
#include "wire/scram.h"

#include "wire/mem.h"
#include "wire/saslprep.h"
#include "wire/secret.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/sha.h>

#define KEY_BYTES  SHA256_DIGEST_LENGTH
#define TEXT_MAX   (4 * (size_t)REDWI_SCRAM_MESSAGE_MAX)

static const char no_memory[] = "no memory for the SCRAM exchange";
static const char out_of_order[] = "SCRAM message out of order";

enum step {
    STEP_START,
    STEP_FIRST_SENT,
    STEP_DERIVING,
    STEP_DERIVED,
    STEP_FINAL_SENT,
    STEP_VERIFIED,
    STEP_FAILED
};

struct redwi_scram {
    const struct redw_allocator *mem;
    enum step step;
    EVP_MAC_CTX *mac;         /* HMAC-SHA-256; keyed with the password while deriving */
    char *password;           /* prepared; NULL once the context has it */
    size_t password_len;

    struct redwi_buf first;   /* client-first-message */
    size_t gs2_len;           /* its gs2 header; the rest is client-first-message-bare */
    redw_slice nonce;         /* its nonce: the last bytes of `first` */
    struct redwi_buf binding; /* "c=" value: base64 of gs2 header and channel binding */
    struct redwi_buf signed_; /* AuthMessage, as far as it is known */
    struct redwi_buf final;   /* client-final-message */

    unsigned iterations, done;
    uint8_t u[KEY_BYTES];       /* U_i of PBKDF2 */
    uint8_t salted[KEY_BYTES];  /* their xor; at last SaltedPassword */
    uint8_t server[KEY_BYTES];  /* ServerSignature expected */
};

/* --- base64, RFC 4648 section 4 ----------------------------------------------------------------- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void put_base64(struct redwi_buf *b, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t v = (uint32_t)p[i] << 16;
        v |= left > 1 ? (uint32_t)p[i + 1] << 8 : 0;
        v |= left > 2 ? p[i + 2] : 0u;
        char quad[4] = {alphabet[v >> 18], alphabet[v >> 12 & 63], '=', '='};
        if (left > 1)
            quad[2] = alphabet[v >> 6 & 63];
        if (left > 2)
            quad[3] = alphabet[v & 63];
        redwi_buf_bytes(b, quad, sizeof quad);
    }
}

/* Strict: whole quads, padding only at the end, unused bits zero. False too when it does not fit cap. */
static bool read_base64(redw_slice text, uint8_t *out, size_t cap, size_t *len)
{
    *len = 0;
    if (text.len % 4 != 0 || text.len / 4 * 3 > cap + 2)
        return false;
    for (size_t i = 0; i < text.len; i += 4) {
        const char *quad = text.ptr + i;
        size_t digits = 4;
        if (i + 4 == text.len && quad[3] == '=')
            digits = quad[2] == '=' ? 2 : 3;
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            const char *digit = k < digits ? memchr(alphabet, quad[k], 64) : alphabet;
            if (!digit)
                return false;
            v = v << 6 | (uint32_t)(digit - alphabet);
        }
        size_t bytes = digits - 1;
        if ((v & (0xFFFFFFu >> (8 * bytes))) != 0 || bytes > cap - *len)
            return false;
        for (size_t k = 0; k < bytes; k++)
            out[(*len)++] = (uint8_t)(v >> (16 - 8 * k));
    }
    return true;
}

/* --- keys --------------------------------------------------------------------------------------- */

static bool hmac_key(struct redwi_scram *s, const void *key, size_t n)
{
    /* An empty key must not be NULL: that would mean "the key as before". */
    return EVP_MAC_init(s->mac, n ? key : (const void *)"", n, NULL) == 1;
}

static bool hmac_end(struct redwi_scram *s, uint8_t out[KEY_BYTES])
{
    return EVP_MAC_final(s->mac, out, NULL, KEY_BYTES) == 1;
}

static bool hmac(struct redwi_scram *s, const uint8_t key[KEY_BYTES], const void *text, size_t n,
                 uint8_t out[KEY_BYTES])
{
    return hmac_key(s, key, KEY_BYTES) && EVP_MAC_update(s->mac, text, n) == 1 && hmac_end(s, out);
}

static bool open_mac(struct redwi_scram *s)
{
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    s->mac = algorithm ? EVP_MAC_CTX_new(algorithm) : NULL;
    bool ok = s->mac && EVP_MAC_CTX_set_params(s->mac, params) == 1;
    EVP_MAC_free(algorithm);
    return ok;
}

static int failed(struct redwi_scram *s, int code, const char **why, const char *what)
{
    s->step = STEP_FAILED;
    *why = what;
    ERR_clear_error();
    return code;
}

/* --- life --------------------------------------------------------------------------------------- */

static void put_string(struct redwi_buf *b, const char *text)
{
    redwi_buf_bytes(b, text, strlen(text));
}

/* saslname: "=" and "," would end the attribute (RFC 5802 section 5.1). */
static void put_user(struct redwi_buf *b, const char *user)
{
    for (; *user; user++) {
        if (*user == '=')
            put_string(b, "=3D");
        else if (*user == ',')
            put_string(b, "=2C");
        else
            redwi_buf_u8(b, (uint8_t)*user);
    }
}

/* The texts that depend on nothing the server says. */
static void write_first(struct redwi_scram *s, const struct redwi_scram_config *c)
{
    put_string(&s->first, c->plus ? "p=tls-server-end-point,," : c->tls_without_plus ? "y,," : "n,,");
    s->gs2_len = redwi_buf_len(&s->first);
    put_string(&s->first, "n=");
    put_user(&s->first, c->user ? c->user : "");
    put_string(&s->first, ",r=");
    size_t at = redwi_buf_len(&s->first);
    if (c->nonce_text)
        put_string(&s->first, c->nonce_text);
    else
        put_base64(&s->first, c->nonce, sizeof c->nonce);
    if (s->first.failed)
        return;
    s->nonce =
        (redw_slice){(const char *)redwi_buf_front(&s->first) + at, redwi_buf_len(&s->first) - at};
}

static void write_binding(struct redwi_scram *s, const struct redwi_scram_config *c)
{
    struct redwi_buf plain;
    redwi_buf_init(&plain, s->mem, TEXT_MAX);
    plain.secret = true;
    redwi_buf_bytes(&plain, redwi_buf_front(&s->first), s->gs2_len);
    if (c->plus)
        redwi_buf_bytes(&plain, c->binding, c->binding_len);
    if (!plain.failed)
        put_base64(&s->binding, redwi_buf_front(&plain), redwi_buf_len(&plain));
    else
        s->binding.failed = plain.failed;
    redwi_buf_free(&plain);
}

int redwi_scram_create(struct redwi_scram **out, const struct redwi_scram_config *config)
{
    *out = NULL;
    struct redwi_scram *s = redwi_alloc_array(config->mem, 1, sizeof *s);
    if (!s)
        return REDW_ENOMEM;
    s->mem = config->mem;
    struct redwi_buf *texts[] = {&s->first, &s->binding, &s->signed_, &s->final};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        redwi_buf_init(texts[i], s->mem, TEXT_MAX);
        texts[i]->secret = true;
    }
    if (redwi_saslprep(s->mem, config->password, config->password_len, &s->password, &s->password_len) ||
        !open_mac(s))
        goto fail;
    write_first(s, config);
    if (s->first.failed)
        goto fail;
    write_binding(s, config);
    if (s->binding.failed)
        goto fail;
    *out = s;
    return 0;

fail:
    redwi_scram_free(s);
    ERR_clear_error();
    return REDW_ENOMEM;
}

void redwi_scram_free(struct redwi_scram *s)
{
    if (!s)
        return;
    EVP_MAC_CTX_free(s->mac); /* cleanses its key */
    redwi_secret_free(s->mem, s->password);
    redwi_buf_free(&s->first);
    redwi_buf_free(&s->binding);
    redwi_buf_free(&s->signed_);
    redwi_buf_free(&s->final);
    redwi_free_secret(s->mem, s, sizeof *s);
}

static redw_slice text_of(const struct redwi_buf *b)
{
    return (redw_slice){(const char *)redwi_buf_front(b), redwi_buf_len(b)};
}

int redwi_scram_first(struct redwi_scram *s, redw_slice *message, const char **why)
{
    if (s->step != STEP_START)
        return failed(s, REDW_EPROTOCOL, why, out_of_order);
    *message = text_of(&s->first);
    s->step = STEP_FIRST_SENT;
    return 0;
}

/* --- server-first-message ----------------------------------------------------------------------- */

/* The value of attribute `name`, which must come next; it ends before a comma or at the end. */
static bool take_attribute(redw_slice *text, char name, redw_slice *value)
{
    if (text->len < 2 || text->ptr[0] != name || text->ptr[1] != '=')
        return false;
    const char *v = text->ptr + 2, *end = text->ptr + text->len;
    const char *comma = v < end ? memchr(v, ',', (size_t)(end - v)) : NULL;
    const char *stop = comma ? comma : end;
    *value = (redw_slice){v, (size_t)(stop - v)};
    *text = (redw_slice){stop, (size_t)(end - stop)};
    return true;
}

/* What follows an attribute begins with a comma, or there is nothing. */
static bool take_comma(redw_slice *text)
{
    if (!text->len)
        return false;
    text->ptr++;
    text->len--;
    return true;
}

/* Ours, and something of the server's own behind it, all printable (a comma has ended it already). */
static bool nonce_extends(const struct redwi_scram *s, redw_slice nonce)
{
    if (nonce.len <= s->nonce.len || memcmp(nonce.ptr, s->nonce.ptr, s->nonce.len) != 0)
        return false;
    for (size_t i = 0; i < nonce.len; i++) {
        if (nonce.ptr[i] < 0x21 || nonce.ptr[i] > 0x7E)
            return false;
    }
    return true;
}

/* posit-number; what is too large to matter reads as UINT_MAX. */
static bool read_count(redw_slice text, unsigned *out)
{
    if (!text.len || text.ptr[0] == '0')
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        v = v > UINT32_MAX ? v : v * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *out = v > UINT32_MAX ? UINT32_MAX : (unsigned)v;
    return true;
}

/* U_1 = HMAC(password, salt || 1), RFC 8018 section 5.2. */
static bool derive_begin(struct redwi_scram *s, const uint8_t *salt, size_t n)
{
    static const uint8_t one[4] = {0, 0, 0, 1};
    if (!hmac_key(s, s->password, s->password_len) || EVP_MAC_update(s->mac, salt, n) != 1 ||
        EVP_MAC_update(s->mac, one, sizeof one) != 1 || !hmac_end(s, s->u))
        return false;
    memcpy(s->salted, s->u, sizeof s->salted);
    s->done = 1;
    redwi_secret_free(s->mem, s->password);
    s->password = NULL;
    return true;
}

/* AuthMessage, and the client-final-message without its proof. */
static bool write_texts(struct redwi_scram *s, const char *server_first, size_t n, redw_slice nonce)
{
    put_string(&s->final, "c=");
    redwi_buf_bytes(&s->final, redwi_buf_front(&s->binding), redwi_buf_len(&s->binding));
    put_string(&s->final, ",r=");
    redwi_buf_bytes(&s->final, nonce.ptr, nonce.len);
    if (s->final.failed)
        return false;

    redw_slice first = text_of(&s->first), final = text_of(&s->final);
    redwi_buf_bytes(&s->signed_, first.ptr + s->gs2_len, first.len - s->gs2_len);
    redwi_buf_u8(&s->signed_, ',');
    redwi_buf_bytes(&s->signed_, server_first, n);
    redwi_buf_u8(&s->signed_, ',');
    redwi_buf_bytes(&s->signed_, final.ptr, final.len);
    return !s->signed_.failed;
}

int redwi_scram_challenge(struct redwi_scram *s, const char *message, size_t n, const char **why)
{
    if (s->step != STEP_FIRST_SENT)
        return failed(s, REDW_EPROTOCOL, why, out_of_order);
    if (n > REDWI_SCRAM_MESSAGE_MAX)
        return failed(s, REDW_EPROTOCOL, why, "SCRAM challenge too long");

    redw_slice rest = {message, n}, nonce, salt_text, count;
    if (n >= 2 && memcmp(message, "m=", 2) == 0)
        return failed(s, REDW_EPROTOCOL, why, "SCRAM challenge asks for an extension that is not known");
    if (!take_attribute(&rest, 'r', &nonce) || !nonce_extends(s, nonce))
        return failed(s, REDW_EPROTOCOL, why,
                      "SCRAM challenge without a nonce that extends the client's");

    uint8_t salt[REDWI_SCRAM_SALT_MAX];
    size_t salt_len;
    if (!take_comma(&rest) || !take_attribute(&rest, 's', &salt_text) ||
        !read_base64(salt_text, salt, sizeof salt, &salt_len) || !salt_len)
        return failed(s, REDW_EPROTOCOL, why, "SCRAM challenge without a valid salt");

    if (!take_comma(&rest) || !take_attribute(&rest, 'i', &count) || !read_count(count, &s->iterations))
        return failed(s, REDW_EPROTOCOL, why, "SCRAM challenge without a valid iteration count");
    if (rest.len)
        return failed(s, REDW_EPROTOCOL, why, "SCRAM challenge goes on after its end");
    if (s->iterations < REDWI_SCRAM_ITERATIONS_MIN)
        return failed(s, REDW_EAUTH, why, "SCRAM iteration count too low to protect the password");
    if (s->iterations > REDWI_SCRAM_ITERATIONS_MAX)
        return failed(s, REDW_EAUTH, why, "SCRAM iteration count too high");

    if (!write_texts(s, message, n, nonce) || !derive_begin(s, salt, salt_len))
        return failed(s, REDW_ENOMEM, why, no_memory);
    s->step = STEP_DERIVING;
    return 0;
}

int redwi_scram_work(struct redwi_scram *s, unsigned iterations, const char **why)
{
    if (s->step != STEP_DERIVING)
        return failed(s, REDW_EPROTOCOL, why, out_of_order);
    for (; iterations && s->done < s->iterations; iterations--, s->done++) {
        /* No key: the context starts over with the one it has, which is several times faster. */
        if (EVP_MAC_init(s->mac, NULL, 0, NULL) != 1 || EVP_MAC_update(s->mac, s->u, sizeof s->u) != 1 ||
            !hmac_end(s, s->u))
            return failed(s, REDW_ENOMEM, why, no_memory);
        for (size_t i = 0; i < KEY_BYTES; i++)
            s->salted[i] ^= s->u[i];
    }
    if (s->done < s->iterations)
        return 1;
    s->step = STEP_DERIVED;
    return 0;
}

/* --- proofs ------------------------------------------------------------------------------------- */

/* RFC 5802 section 3: ClientProof into proof, ServerSignature into s->server. */
static bool sign(struct redwi_scram *s, uint8_t proof[KEY_BYTES])
{
    redw_slice text = text_of(&s->signed_);
    uint8_t client_key[KEY_BYTES], stored_key[KEY_BYTES], server_key[KEY_BYTES], signature[KEY_BYTES];
    bool ok = hmac(s, s->salted, "Client Key", 10, client_key) &&
              EVP_Q_digest(NULL, "SHA256", NULL, client_key, KEY_BYTES, stored_key, NULL) == 1 &&
              hmac(s, stored_key, text.ptr, text.len, signature) &&
              hmac(s, s->salted, "Server Key", 10, server_key) &&
              hmac(s, server_key, text.ptr, text.len, s->server);
    for (size_t i = 0; ok && i < KEY_BYTES; i++)
        proof[i] = client_key[i] ^ signature[i];
    redwi_wipe(client_key, sizeof client_key);
    redwi_wipe(stored_key, sizeof stored_key);
    redwi_wipe(server_key, sizeof server_key);
    redwi_wipe(signature, sizeof signature);
    redwi_wipe(s->salted, sizeof s->salted);
    redwi_wipe(s->u, sizeof s->u);
    return ok;
}

int redwi_scram_final(struct redwi_scram *s, redw_slice *message, const char **why)
{
    if (s->step != STEP_DERIVED)
        return failed(s, REDW_EPROTOCOL, why, out_of_order);
    uint8_t proof[KEY_BYTES];
    bool ok = sign(s, proof);
    if (ok) {
        put_string(&s->final, ",p=");
        put_base64(&s->final, proof, sizeof proof);
    }
    redwi_wipe(proof, sizeof proof);
    if (!ok || s->final.failed)
        return failed(s, REDW_ENOMEM, why, no_memory);
    *message = text_of(&s->final);
    s->step = STEP_FINAL_SENT;
    return 0;
}

int redwi_scram_verify(struct redwi_scram *s, const char *message, size_t n, const char **why)
{
    if (s->step != STEP_FINAL_SENT)
        return failed(s, REDW_EPROTOCOL, why, out_of_order);
    redw_slice rest = {message, n}, value;
    if (n <= REDWI_SCRAM_MESSAGE_MAX && take_attribute(&rest, 'e', &value))
        return failed(s, REDW_EAUTH, why, "server refused the SCRAM proof");

    uint8_t signature[KEY_BYTES];
    size_t len;
    if (n > REDWI_SCRAM_MESSAGE_MAX || !take_attribute(&rest, 'v', &value) || rest.len ||
        !read_base64(value, signature, sizeof signature, &len) || len != sizeof signature)
        return failed(s, REDW_EPROTOCOL, why, "SCRAM server signature malformed");
    if (CRYPTO_memcmp(signature, s->server, sizeof signature) != 0)
        return failed(s, REDW_EAUTH, why, "server did not prove that it knows the password");
    s->step = STEP_VERIFIED;
    return 0;
}
