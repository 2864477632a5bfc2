/* SPDX-License-Identifier: Apache-2.0 */
#include "support/peer.h"

#include "wire/fe_read.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const uint8_t peer_key[4] = {0xca, 0xfe, 0xba, 0xbe};

static const char salt[] = "salt of the peer";

static void wrong(struct peer *p, const char *what)
{
    if (!p->wrong[0])
        snprintf(p->wrong, sizeof p->wrong, "%s", what);
    p->step = PEER_GONE;
}

static void copy(char *out, size_t cap, redw_slice s)
{
    snprintf(out, cap, "%.*s", (int)s.len, s.ptr ? s.ptr : "");
}

static void put_error(struct peer *p, const char *severity, const char *sqlstate, const char *message)
{
    const struct redwi_error_field fields[] = {
        {'S', severity}, {'C', sqlstate}, {'M', message}, {0, NULL}};
    redwi_be_put_error(&p->out, 'E', fields);
}

/* --- SCRAM, the server's side ------------------------------------------------------------------- */

static void put_sasl(struct peer *p, uint32_t code, const char *text)
{
    redwi_be_put_authentication(&p->out, code, text, strlen(text));
}

static void base64(char *out, const void *p, size_t n)
{
    EVP_EncodeBlock((unsigned char *)out, p, (int)n);
}

/* Bytes of a base64 text; -1: malformed. */
static int unbase64(uint8_t *out, const char *text)
{
    size_t n = strlen(text);
    int len = EVP_DecodeBlock(out, (const unsigned char *)text, (int)n);
    if (len >= 0 && n && text[n - 1] == '=')
        len -= n > 1 && text[n - 2] == '=' ? 2 : 1;
    return len;
}

static void hmac(const uint8_t key[32], const char *text, uint8_t out[32])
{
    unsigned n;
    HMAC(EVP_sha256(), key, 32, (const unsigned char *)text, strlen(text), out, &n);
}

static void offer(struct peer *p)
{
    char list[64];
    size_t n = 0;
    if (p->config.end_point)
        n += (size_t)snprintf(list, sizeof list, "SCRAM-SHA-256-PLUS") + 1;
    if (!p->config.plus_only)
        n += (size_t)snprintf(list + n, sizeof list - n, "SCRAM-SHA-256") + 1;
    list[n++] = 0;
    redwi_be_put_authentication(&p->out, 10, list, n);
    p->step = PEER_SASL_FIRST;
}

static void sasl_first(struct peer *p, const uint8_t *body, size_t len)
{
    redw_slice mechanism, data;
    if (!redwi_fe_read_sasl_initial(body, len, &mechanism, &data)) {
        wrong(p, "SASLInitialResponse malformed");
        return;
    }
    char name[64], text[600];
    copy(name, sizeof name, mechanism);
    copy(text, sizeof text, data);
    p->plus_used = strcmp(name, "SCRAM-SHA-256-PLUS") == 0;
    char *bare = strstr(text, ",,");
    if (!bare || (!p->plus_used && strcmp(name, "SCRAM-SHA-256") != 0)) {
        wrong(p, "unknown mechanism or no gs2 header");
        return;
    }
    bare += 2;
    snprintf(p->gs2, sizeof p->gs2, "%.*s", (int)(bare - text), text);
    snprintf(p->client_bare, sizeof p->client_bare, "%s", bare);
    if (p->plus_used ? strcmp(p->gs2, "p=tls-server-end-point,,") != 0 : p->gs2[0] == 'p') {
        wrong(p, "gs2 flag and mechanism disagree");
        return;
    }
    if (p->gs2[0] == 'y' && p->config.end_point) {
        wrong(p, "gs2 flag y although -PLUS was offered");
        return;
    }
    if (strncmp(bare, "n=,r=", 5) != 0 || strlen(bare) < 5 + 24) {
        wrong(p, "client-first-message-bare");
        return;
    }

    switch (p->config.fault) {
    case PEER_OK_INSTEAD_OF_CHALLENGE: redwi_be_put_authentication(&p->out, 0, NULL, 0); return;
    case PEER_METHOD_SWITCH: redwi_be_put_authentication(&p->out, 3, NULL, 0); return;
    case PEER_SECOND_EXCHANGE: offer(p); return;
    default: break;
    }
    const char *own = p->config.fault == PEER_SAME_NONCE ? "" : "fromThePeer";
    const char *theirs = p->config.fault == PEER_FOREIGN_NONCE ? "somebodyElses" : bare + 5;
    snprintf(p->nonce, sizeof p->nonce, "%.400s%s", theirs, own);
    char salt64[64];
    base64(salt64, salt, strlen(salt));
    snprintf(p->server_first, sizeof p->server_first, "r=%s,s=%s,i=%u", p->nonce, salt64,
             p->config.iterations ? p->config.iterations : 4096u);
    put_sasl(p, 11, p->server_first);
    p->step = PEER_SASL_FINAL;
}

/* "c=" must be the gs2 header as it was sent, and the certificate this server has. */
static bool binding_right(const struct peer *p, const char *c)
{
    uint8_t got[512], want[512];
    if (strlen(c) > 600)
        return false;
    int n = unbase64(got, c);
    size_t len = strlen(p->gs2);
    memcpy(want, p->gs2, len);
    if (p->plus_used) {
        memcpy(want + len, p->config.end_point, p->config.end_point_len);
        len += p->config.end_point_len;
    }
    return n >= 0 && (size_t)n == len && memcmp(got, want, len) == 0;
}

static void welcome(struct peer *p);

static void send_signature(struct peer *p, const uint8_t signature[32])
{
    uint8_t out[32];
    char text[80] = "v=";
    memcpy(out, signature, 32);
    switch (p->config.fault) {
    case PEER_BAD_SIGNATURE: out[31] ^= 1; break;
    case PEER_OK_INSTEAD_OF_PROOF: welcome(p); return;
    case PEER_EMPTY_SIGNATURE: put_sasl(p, 12, "v="); return;
    case PEER_ERROR_SIGNATURE: put_sasl(p, 12, "e=other-error"); return;
    default: break;
    }
    base64(text + 2, out, p->config.fault == PEER_SHORT_SIGNATURE ? 30 : 32);
    put_sasl(p, 12, text);
    welcome(p);
}

static void sasl_final(struct peer *p, const uint8_t *body, size_t len)
{
    char text[1200], c[600], nonce[600], proof64[64];
    copy(text, sizeof text, (redw_slice){(const char *)body, len});
    if (sscanf(text, "c=%599[^,],r=%599[^,],p=%63s", c, nonce, proof64) != 3 ||
        strcmp(nonce, p->nonce) != 0 || !binding_right(p, c)) {
        wrong(p, "client-final-message");
        return;
    }
    char message[3000];
    snprintf(message, sizeof message, "%s,%s,c=%s,r=%s", p->client_bare, p->server_first, c, nonce);

    uint8_t salted[32], client[32], stored[32], server[32], signature[32], proof[64];
    PKCS5_PBKDF2_HMAC(p->config.password, (int)strlen(p->config.password), (const unsigned char *)salt,
                      (int)strlen(salt), p->config.iterations ? (int)p->config.iterations : 4096,
                      EVP_sha256(), 32, salted);
    hmac(salted, "Client Key", client);
    SHA256(client, 32, stored);
    hmac(stored, message, signature);
    bool right = unbase64(proof, proof64) == 32;
    for (size_t i = 0; right && i < 32; i++)
        right = (proof[i] ^ signature[i]) == client[i];
    if (!right) {
        put_error(p, "FATAL", "28P01", "password authentication failed");
        p->step = PEER_GONE;
        return;
    }
    hmac(salted, "Server Key", server);
    hmac(server, message, signature);
    send_signature(p, signature);
}

/* --- login -------------------------------------------------------------------------------------- */

static void put_ready(struct peer *p)
{
    redwi_be_put_ready(&p->out, p->status);
}

static void welcome(struct peer *p)
{
    redwi_be_put_authentication(&p->out, 0, NULL, 0);
    if (p->config.fault == PEER_ASKS_AFTER_LOGIN)
        redwi_be_put_authentication(&p->out, 3, NULL, 0);
    if (p->config.refuses_names && p->protocol[0]) {
        put_error(p, "FATAL", p->config.refuses_names, "unrecognized configuration parameter");
        p->step = PEER_GONE;
        return;
    }
    if (p->config.redshift) {
        redwi_be_put_parameter_status(&p->out, "padb_version", "1.0.63269");
        redwi_be_put_parameter_status(&p->out, "server_protocol_version", p->protocol[0] ? p->protocol : "0");
    }
    redwi_be_put_parameter_status(&p->out, "server_version", p->config.redshift ? "8.0.2" : "15.0");
    redwi_be_put_parameter_status(&p->out, "client_encoding", p->config.redshift ? "UNICODE" : "UTF8");
    redwi_be_put_key_data(&p->out, PEER_PID, peer_key, sizeof peer_key);
    p->status = 'I';
    put_ready(p);
    p->step = PEER_QUERIES;
}

/* --- one answer: cleartext, MD5, digest, token ---------------------------------------------------- */

static const uint8_t md5_salt[4] = {0x01, 0x80, 0x00, 0xff};

static void ask(struct peer *p)
{
    /* Layout: docs/redshift/protocol.md, "Digest". */
    static const char digest[] = "\0\0\0\0\0\0\0\x10salt of the peer\0\0\0\x08\1\2\3\0\5\6\7\xff";
    switch (p->config.login) {
    case PEER_SCRAM: offer(p); return;
    case PEER_CLEARTEXT: redwi_be_put_authentication(&p->out, 3, NULL, 0); break;
    case PEER_MD5: redwi_be_put_authentication(&p->out, 5, md5_salt, sizeof md5_salt); break;
    case PEER_DIGEST: redwi_be_put_authentication(&p->out, 13, digest, sizeof digest - 1); break;
    case PEER_TOKEN: redwi_be_put_authentication(&p->out, 14, NULL, 0); break;
    }
    p->step = PEER_ANSWER;
}

static void md5_text(char out[33], const void *text, size_t n)
{
    unsigned char sum[16];
    EVP_Digest(text, n, sum, NULL, EVP_md5(), NULL);
    for (size_t i = 0; i < sizeof sum; i++)
        snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

static bool md5_right(const struct peer *p, const char *text)
{
    char stored[200], want[40] = "md5";
    snprintf(stored, sizeof stored, "%s%s", p->config.password, p->user);
    md5_text(stored, stored, strlen(stored));
    memcpy(stored + 32, md5_salt, sizeof md5_salt);
    md5_text(want + 3, stored, 36);
    return strcmp(text, want) == 0;
}

static bool digest_right(const struct peer *p, const uint8_t *body, size_t len)
{
    uint8_t text[300], inner[32], want[32];
    size_t n = strlen(p->config.password);
    /* Digest length, digest, nonce length, nonce. */
    if (len < 40 + 16 || redwi_load32(body) != 32 || redwi_load32(body + 36) != len - 40 || len > 200 || n > 200)
        return false;
    memcpy(text, p->config.password, n);
    memcpy(text + n, salt, 16);
    SHA256(text, n + 16, inner);
    memcpy(text, inner, 32);
    memcpy(text + 32, "\1\2\3\0\5\6\7\xff", 8);
    memcpy(text + 40, body + 40, len - 40);
    SHA256(text, len, want);
    return memcmp(want, body + 4, 32) == 0;
}

/* The last byte of p messages is a NUL, that of a token may be. */
static void take_answer(struct peer *p, char type, const uint8_t *body, size_t len)
{
    static const char types[] = {'p', 'p', 'p', 'd', 'i'};
    char text[600];
    copy(text, sizeof text, (redw_slice){(const char *)body, len});
    if (type != types[p->config.login] || (type == 'p' && (!len || body[len - 1] || strlen(text) != len - 1))) {
        wrong(p, "the answer to the authentication request is malformed");
        return;
    }
    bool right = p->config.login == PEER_MD5      ? md5_right(p, text)
                 : p->config.login == PEER_DIGEST ? digest_right(p, body, len)
                                                  : strcmp(text, p->config.password) == 0;
    if (right) {
        welcome(p);
        return;
    }
    put_error(p, "FATAL", "28000", "password authentication failed");
    p->step = PEER_GONE;
}

static void cancel_request(struct peer *p, const uint8_t *body, size_t len)
{
    const uint8_t *key;
    size_t n;
    if (!redwi_fe_read_cancel(body, len, &p->cancel_pid, &key, &n) || n != sizeof p->cancel_key) {
        wrong(p, "CancelRequest malformed");
        return;
    }
    memcpy(p->cancel_key, key, n);
    p->cancelled = true;
    p->step = PEER_GONE;
}

static void first_packet(struct peer *p, const uint8_t *body, size_t len)
{
    enum redwi_first kind;
    if (!redwi_fe_first(body, len, &kind)) {
        wrong(p, "first packet malformed");
        return;
    }
    if (kind == REDWI_FIRST_CANCEL) {
        cancel_request(p, body, len);
        return;
    }
    if (kind == REDWI_FIRST_GSS) {
        redwi_buf_u8(&p->out, 'N');
        return;
    }
    if (kind == REDWI_FIRST_SSL) {
        if (p->step != PEER_FIRST) {
            wrong(p, "SSLRequest twice");
            return;
        }
        redwi_buf_u8(&p->out, p->config.tls ? 'S' : 'N');
        p->tls_wanted = p->config.tls;
        p->step = PEER_STARTUP;
        return;
    }
    const struct {
        const char *name;
        char *out;
        size_t cap;
    } names[] = {
#define NAME(name, member) {name, p->member, sizeof p->member}
        NAME("user", user),
        NAME("database", database),
        NAME("application_name", application),
        NAME("client_protocol_version", protocol),
        NAME("driver_version", driver),
        NAME("os_version", os),
        NAME("plugin_name", plugin),
        NAME("idp_type", idp_type),
        NAME("identity_namespace", namespace),
        NAME("token_type", token_type),
        NAME("provider_name", provider),
        NAME("idc_client_display_name", display_name),
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        copy(names[i].out, names[i].cap, redwi_fe_startup_value(body, len, names[i].name));
    bool refused = p->config.refuses_names && strcmp(p->config.refuses_names, "08P01") == 0 && p->protocol[0];
    if (refused) {
        put_error(p, "FATAL", "08P01", "unsupported startup parameter: client_protocol_version");
        p->step = PEER_GONE;
    } else if (p->config.password)
        ask(p);
    else
        welcome(p);
}

/* --- queries ------------------------------------------------------------------------------------ */

static void unit_error(struct peer *p, const char *sqlstate, const char *message)
{
    put_error(p, "ERROR", sqlstate, message);
    p->skipping = true;
}

static const struct peer_statement *find(const struct peer *p, redw_slice sql)
{
    for (size_t i = 0; i < p->config.nstatements; i++) {
        const struct peer_statement *s = &p->config.statements[i];
        if (strlen(s->sql) == sql.len && memcmp(s->sql, sql.ptr, sql.len) == 0)
            return s;
    }
    return NULL;
}

static void parse(struct peer *p, const uint8_t *body, size_t len)
{
    struct redwi_parse_msg m;
    if (!redwi_fe_read_parse(body, len, &m)) {
        wrong(p, "Parse malformed");
        return;
    }
    p->parsed = find(p, m.sql);
    if (p->parsed)
        redwi_be_put_simple(&p->out, '1');
    else
        unit_error(p, "42601", "syntax error");
}

static void describe(struct peer *p)
{
    const struct peer_statement *s = p->parsed;
    struct redwi_field fields[16] = {0};
    if (!s || !s->columns) {
        redwi_be_put_simple(&p->out, 'n');
        return;
    }
    for (size_t i = 0; i < s->ncolumns && i < 16; i++) {
        fields[i].name = (redw_slice){s->columns[i], strlen(s->columns[i])};
        fields[i].type_oid = 25;
        fields[i].type_size = -1;
        fields[i].typmod = -1;
    }
    redwi_be_put_row_description(&p->out, fields, s->ncolumns);
}

static void execute(struct peer *p)
{
    const struct peer_statement *s = p->parsed;
    if (s->notice) {
        const struct redwi_error_field fields[] = {
            {'S', "NOTICE"}, {'C', "00000"}, {'M', s->notice}, {0, NULL}};
        redwi_be_put_error(&p->out, 'N', fields);
    }
    for (size_t row = 0; row < s->nrows; row++) {
        redw_slice cells[16] = {0};
        for (size_t i = 0; i < s->ncolumns && i < 16; i++) {
            const char *cell = s->cells[row * s->ncolumns + i];
            cells[i] = (redw_slice){cell, cell ? strlen(cell) : 0};
        }
        redwi_be_put_data_row(&p->out, cells, s->ncolumns);
    }
    p->status = s->status ? s->status : 'I';
    if (s->sqlstate)
        unit_error(p, s->sqlstate, "statement failed");
    else if (!s->tag[0])
        redwi_be_put_simple(&p->out, 'I');
    else
        redwi_be_put_command_complete(&p->out, s->tag);
}

/* A simple Query: one statement without rows, of the list, or any SET or RESET. */
static void query(struct peer *p, const uint8_t *body, size_t len)
{
    const struct peer_statement *s = len ? find(p, (redw_slice){(const char *)body, len - 1}) : NULL;
    if (!len || body[len - 1]) {
        wrong(p, "Query malformed");
        return;
    }
    if (s) {
        p->parsed = s;
        execute(p);
    } else if (strncmp((const char *)body, "set ", 4) == 0) {
        redwi_be_put_command_complete(&p->out, "SET");
    } else if (strncmp((const char *)body, "reset ", 6) == 0) {
        redwi_be_put_command_complete(&p->out, "RESET");
    } else {
        unit_error(p, "42601", "syntax error");
    }
    p->skipping = false;
    p->units++;
    put_ready(p);
}

static void query_message(struct peer *p, char type, const uint8_t *body, size_t len)
{
    struct redwi_bind_msg bind;
    char what;
    redw_slice name;
    uint32_t max_rows;
    if (type == 'S') {
        p->skipping = false;
        p->units++;
        put_ready(p);
        return;
    }
    if (type == 'X') {
        p->terminated = true;
        p->step = PEER_GONE;
        return;
    }
    if (p->skipping)
        return;
    if (type == 'Q') {
        query(p, body, len);
    } else if (type == 'P') {
        parse(p, body, len);
    } else if (type == 'B' && redwi_fe_read_bind(body, len, &bind)) {
        redwi_be_put_simple(&p->out, '2');
    } else if (type == 'D' && redwi_fe_read_describe(body, len, &what, &name)) {
        describe(p);
    } else if (type == 'E' && redwi_fe_read_execute(body, len, &name, &max_rows) && p->parsed) {
        execute(p);
    } else {
        wrong(p, "a message that no client of this library sends");
    }
}

/* --- bytes -------------------------------------------------------------------------------------- */

static bool take_packet(struct peer *p)
{
    bool typed = p->step != PEER_FIRST && p->step != PEER_STARTUP;
    size_t head = typed ? 5 : 4;
    if (p->step == PEER_GONE || redwi_buf_len(&p->in) < head)
        return false;
    const uint8_t *at = redwi_buf_front(&p->in);
    size_t len = redwi_load32(at + head - 4);
    if (len < 4 || len > 0x3fffffff) {
        wrong(p, "length word");
        return false;
    }
    if (redwi_buf_len(&p->in) < len + head - 4)
        return false;
    const uint8_t *body = at + head;
    char type = typed ? (char)at[0] : 0;
    redwi_buf_take(&p->in, len + head - 4);
    len -= 4;

    if (!typed)
        first_packet(p, body, len);
    else if (p->step == PEER_QUERIES)
        query_message(p, type, body, len);
    else if (p->step == PEER_ANSWER)
        take_answer(p, type, body, len);
    else if (type != 'p')
        wrong(p, "not an answer to the authentication request");
    else if (p->step == PEER_SASL_FIRST)
        sasl_first(p, body, len);
    else
        sasl_final(p, body, len);
    return true;
}

void peer_init(struct peer *p, const struct peer_config *config)
{
    *p = (struct peer){.config = *config, .status = 'I'};
    redwi_buf_init(&p->in, &redwi_malloc, SIZE_MAX / 2);
    redwi_buf_init(&p->out, &redwi_malloc, SIZE_MAX / 2);
}

void peer_free(struct peer *p)
{
    redwi_buf_free(&p->in);
    redwi_buf_free(&p->out);
}

void peer_feed(struct peer *p, const uint8_t *bytes, size_t n)
{
    redwi_buf_bytes(&p->in, bytes, n);
    while (take_packet(p))
        ;
}
