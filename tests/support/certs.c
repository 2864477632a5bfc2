/* SPDX-License-Identifier: Apache-2.0 */
#include "support/certs.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOT_BEFORE INT64_C(1577836800) /* 2020-01-01 */
#define NOT_AFTER  INT64_C(2493072000) /* 2049-01-01 */

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "certs: %s failed\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

/* ---- Keys ---- */

static EVP_PKEY *make_rsa_pss(unsigned bits)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
    EVP_PKEY *key = NULL;

    must(ctx != NULL && EVP_PKEY_keygen_init(ctx) > 0 &&
             EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)bits) > 0 && EVP_PKEY_keygen(ctx, &key) > 0,
         "RSA-PSS key");
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static EVP_PKEY *make_key(enum cert_key kind)
{
    EVP_PKEY *key = NULL;

    switch (kind) {
    case CERT_P256:
        key = EVP_EC_gen("P-256");
        break;
    case CERT_P384:
        key = EVP_EC_gen("P-384");
        break;
    case CERT_RSA2048:
        key = EVP_RSA_gen(2048);
        break;
    case CERT_RSA1024:
        key = EVP_RSA_gen(1024);
        break;
    case CERT_RSA_PSS2048:
        key = make_rsa_pss(2048);
        break;
    case CERT_ED25519:
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        break;
    }
    must(key != NULL, "key");
    return key;
}

/* ---- Certificates ---- */

static void add_ext(X509 *x, X509V3_CTX *ctx, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, ctx, nid, value);

    must(ext != NULL && X509_add_ext(x, ext, -1), value);
    X509_EXTENSION_free(ext);
}

static void add_raw_san(X509 *x, const char *text, size_t n)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *ia5 = ASN1_IA5STRING_new();

    must(names != NULL && name != NULL && ia5 != NULL && ASN1_STRING_set(ia5, text, (int)n), "raw SAN");
    GENERAL_NAME_set0_value(name, GEN_DNS, ia5);
    must(sk_GENERAL_NAME_push(names, name) > 0, "raw SAN");
    must(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0) > 0, "raw SAN");
    GENERAL_NAMES_free(names);
}

static void set_names(X509 *x, const struct cert_spec *spec)
{
    const char *cn = spec->cn != NULL ? spec->cn : "localhost";
    size_t n = spec->cn_len > 0 ? spec->cn_len : strlen(cn);
    X509_NAME *name = X509_get_subject_name(x);

    if (n > 0)
        must(X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (const unsigned char *)cn,
                                        (int)n, -1, 0),
             "CN");
    if (spec->issuer != NULL)
        name = X509_get_subject_name(spec->issuer->x509);
    must(X509_set_issuer_name(x, name), "issuer");
}

static void set_extensions(X509 *x, const struct cert_spec *spec)
{
    const char *san = spec->san != NULL ? spec->san : spec->ca ? "" : "DNS:localhost,IP:127.0.0.1";
    const char *eku = spec->eku != NULL ? spec->eku : spec->ca ? "" : "serverAuth";
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, spec->issuer != NULL ? spec->issuer->x509 : x, x, NULL, NULL, 0);
    add_ext(x, &ctx, NID_basic_constraints, spec->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_ext(x, &ctx, NID_key_usage, spec->ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
    add_ext(x, &ctx, NID_subject_key_identifier, "hash");
    if (spec->issuer != NULL)
        add_ext(x, &ctx, NID_authority_key_identifier, "keyid");
    if (eku[0] != '\0')
        add_ext(x, &ctx, NID_ext_key_usage, eku);
    if (spec->san_raw != NULL)
        add_raw_san(x, spec->san_raw, spec->san_raw_len);
    else if (san[0] != '\0')
        add_ext(x, &ctx, NID_subject_alt_name, san);
}

static void sign(X509 *x, EVP_PKEY *key, const char *hash)
{
    bool has_hash = EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519;
    const EVP_MD *md = has_hash ? EVP_get_digestbyname(hash != NULL ? hash : "SHA256") : NULL;

    must(X509_sign(x, key, md) > 0, "signature");
}

struct cert *cert_make(const struct cert_spec *spec)
{
    static long serial = 1;
    struct cert *c = calloc(1, sizeof *c);
    X509 *x = X509_new();

    must(c != NULL && x != NULL, "certificate");
    c->x509 = x;
    c->key = make_key(spec->kind);
    must(X509_set_version(x, X509_VERSION_3) && X509_set_pubkey(x, c->key), "certificate");
    must(ASN1_INTEGER_set(X509_get_serialNumber(x), ((long)getpid() << 20) + serial++), "serial");
    must(ASN1_TIME_set(X509_getm_notBefore(x), spec->not_before != 0 ? spec->not_before : NOT_BEFORE) &&
             ASN1_TIME_set(X509_getm_notAfter(x), spec->not_after != 0 ? spec->not_after : NOT_AFTER),
         "validity");
    set_names(x, spec);
    set_extensions(x, spec);
    sign(x, spec->issuer != NULL ? spec->issuer->key : c->key, spec->hash);
    return c;
}

void cert_free(struct cert *c)
{
    if (c == NULL)
        return;
    X509_free(c->x509);
    EVP_PKEY_free(c->key);
    free(c);
}

/* ---- Files ---- */

static FILE *create(const char *path, mode_t mode)
{
    int fd;
    FILE *f;

    unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    f = fd >= 0 ? fdopen(fd, "w") : NULL;
    must(f != NULL, path);
    return f;
}

void cert_write(const char *path, const char *key_path, const struct cert *c, const struct cert *chain)
{
    FILE *f = create(path, 0644);

    must(PEM_write_X509(f, c->x509) && (chain == NULL || PEM_write_X509(f, chain->x509)), path);
    must(fclose(f) == 0, path);
    if (key_path == NULL)
        return;
    f = create(key_path, 0600);
    must(PEM_write_PrivateKey(f, c->key, NULL, NULL, 0, NULL, NULL), key_path);
    must(fclose(f) == 0, key_path);
}

static char dir[64];
static pid_t dir_owner;
static char *paths[64];

static void remove_dir(void)
{
    DIR *d;

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        free(paths[i]);
    if (getpid() != dir_owner || (d = opendir(dir)) == NULL)
        return; /* a forked test's exit must not take the files from the others */
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    rmdir(dir);
}

const char *cert_dir(void)
{
    if (dir[0] != '\0')
        return dir;
    snprintf(dir, sizeof dir, "/tmp/redw-certs-XXXXXX");
    must(mkdtemp(dir) != NULL, "mkdtemp");
    dir_owner = getpid();
    atexit(remove_dir);
    return dir;
}

const char *cert_path(const char *name)
{
    char path[PATH_MAX];
    size_t i = 0;

    snprintf(path, sizeof path, "%s/%s", cert_dir(), name);
    while (i < sizeof paths / sizeof paths[0] && paths[i] != NULL && strcmp(paths[i], path) != 0)
        i++;
    must(i < sizeof paths / sizeof paths[0], "cert_path: too many names");
    if (paths[i] == NULL)
        paths[i] = strdup(path);
    must(paths[i] != NULL, "cert_path");
    return paths[i];
}
