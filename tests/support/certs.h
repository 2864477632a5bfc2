/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and certificates made on the spot, in memory and as PEM files, good and bad in every way a test
 * asks for. All zeroes mean: a good certificate for "localhost" and 127.0.0.1, P-256, valid for years.
 *
 *   struct cert *ca = cert_make(&(struct cert_spec){.ca = true, .cn = "Test CA"});
 *   struct cert *leaf = cert_make(&(struct cert_spec){.issuer = ca, .san = "DNS:db.example"});
 *   cert_write("/tmp/x/ca.crt", NULL, ca, NULL);
 *   cert_write("/tmp/x/server.crt", "/tmp/x/server.key", leaf, NULL);
 *
 * Nothing here returns a failure: the program ends with a message and status 1.
 */
#ifndef TESTS_SUPPORT_CERTS_H
#define TESTS_SUPPORT_CERTS_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 2024-07-01 00:00:00 UTC, inside the default validity (2020 to 2049) of everything made here. */
#define CERT_NOW    INT64_C(1719792000)
#define CERT_NOW_US (CERT_NOW * 1000000)

enum cert_key {
    CERT_P256 = 0,
    CERT_P384,
    CERT_RSA2048,
    CERT_RSA1024,
    CERT_RSA_PSS2048, /* an RSASSA-PSS key, whose own signatures name their hash in parameters */
    CERT_ED25519,
};

struct cert {
    X509 *x509;
    EVP_PKEY *key;
};

struct cert_spec {
    const char *cn;      /* default "localhost"; "": empty subject */
    size_t cn_len;       /* of cn, when it holds a NUL; 0: up to the first */
    const char *san;     /* as in openssl.cnf: "DNS:a,IP:127.0.0.1"; "": none; default
                            "DNS:localhost,IP:127.0.0.1" (none with ca) */
    const char *san_raw; /* instead: one dNSName of san_raw_len bytes, whatever they are */
    size_t san_raw_len;
    const char *eku;    /* default "serverAuth" (none with ca); "": none */
    bool ca;            /* CA:TRUE and keyCertSign; otherwise CA:FALSE */
    int64_t not_before; /* Unix seconds; default 2020-01-01 */
    int64_t not_after;  /* default 2049-01-01 */
    enum cert_key kind;
    const char *hash;          /* of the signature; default "SHA256"; EdDSA has none */
    const struct cert *issuer; /* NULL: self-signed. Need not be a CA */
};

struct cert *cert_make(const struct cert_spec *spec);
void cert_free(struct cert *c); /* NULL is allowed */

/* PEM: the certificate and, if not NULL, `chain` behind it; the key (mode 0600) unless key_path is
 * NULL. */
void cert_write(const char *path, const char *key_path, const struct cert *c, const struct cert *chain);

/* A new directory below the system's temporary one, removed with the files in it at exit of the program
 * that made it. Its text lives as long. */
const char *cert_dir(void);
/* "<cert_dir>/name"; freed at exit. */
const char *cert_path(const char *name);

#endif
