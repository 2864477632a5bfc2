/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts about certificates. Nothing here can fail: what cannot be shown, for want of room or of memory
 * inside OpenSSL, is left out. OpenSSL's error queue is the caller's to clear.
 */
#include "wire/tls_cert.h"

#include "wire/err.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    NAME_SHOWN = 128, /* bytes of one name */
    MORE_MAX = 24,    /* " and 4294967295 more" */
};

/* A list of names in a fixed room; keeps space to say how many did not fit. */
struct list {
    char *out;
    size_t cap, len;
    unsigned omitted;
};

static void list_add(struct list *l, const char *item)
{
    const char *comma = l->len > 0 ? ", " : "";
    size_t n = strlen(comma) + strlen(item);

    if (l->omitted > 0 || l->len + n + MORE_MAX > l->cap) {
        l->omitted++;
        return;
    }
    snprintf(l->out + l->len, l->cap - l->len, "%s%s", comma, item);
    l->len += n;
}

static void list_add_text(struct list *l, const char *text, size_t n)
{
    char shown[NAME_SHOWN], quoted[NAME_SHOWN + 2];

    redwi_escape(shown, sizeof shown, text, n);
    snprintf(quoted, sizeof quoted, "\"%s\"", shown);
    list_add(l, quoted);
}

static void list_add_address(struct list *l, const ASN1_OCTET_STRING *ip)
{
    char shown[INET6_ADDRSTRLEN];
    int family = ASN1_STRING_length(ip) == 4 ? AF_INET : ASN1_STRING_length(ip) == 16 ? AF_INET6 : 0;

    if (family == 0 || inet_ntop(family, ASN1_STRING_get0_data(ip), shown, sizeof shown) == NULL)
        list_add(l, "a malformed address");
    else
        list_add(l, shown);
}

/* DNS names and addresses; true if there was a DNS name. */
static bool list_add_sans(struct list *l, const X509 *cert)
{
    GENERAL_NAMES *sans = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    bool dns = false;

    for (int i = 0; i < sk_GENERAL_NAME_num(sans); i++) {
        const GENERAL_NAME *san = sk_GENERAL_NAME_value(sans, i);

        if (san->type == GEN_DNS) {
            dns = true;
            list_add_text(l, (const char *)ASN1_STRING_get0_data(san->d.dNSName),
                          (size_t)ASN1_STRING_length(san->d.dNSName));
        } else if (san->type == GEN_IPADD) {
            list_add_address(l, san->d.iPAddress);
        }
    }
    GENERAL_NAMES_free(sans);
    return dns;
}

static void list_add_common_names(struct list *l, const X509 *cert)
{
    const X509_NAME *subject = X509_get_subject_name(cert);

    for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0;) {
        const ASN1_STRING *cn = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i));
        unsigned char *utf8 = NULL;
        int n = ASN1_STRING_to_UTF8(&utf8, cn);

        if (n >= 0)
            list_add_text(l, (const char *)utf8, (size_t)n);
        OPENSSL_free(utf8);
    }
}

static void show_name(char *out, size_t cap, const X509_NAME *name)
{
    const unsigned long how = XN_FLAG_ONELINE & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long n;

    out[0] = '\0';
    if (bio != NULL && X509_NAME_print_ex(bio, name, 0, how) >= 0) {
        n = BIO_get_mem_data(bio, &text);
        redwi_escape(out, cap, text, n > 0 ? (size_t)n : 0);
    }
    BIO_free(bio);
}

static void show_time(char *out, size_t cap, const ASN1_TIME *when)
{
    struct tm tm;

    if (!ASN1_TIME_to_tm(when, &tm) || strftime(out, cap, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        snprintf(out, cap, "(malformed time)");
}

void redwi_cert_names(char *out, size_t cap, const X509 *cert)
{
    struct list l = {.out = out, .cap = cap};

    out[0] = '\0';
    if (!list_add_sans(&l, cert))
        list_add_common_names(&l, cert);
    if (l.omitted > 0)
        snprintf(out + l.len, cap - l.len, "%s%u more", l.len > 0 ? " and " : "", l.omitted);
    else if (l.len == 0)
        snprintf(out, cap, "no name");
}

void redwi_cert_about(char *out, size_t cap, const X509 *cert)
{
    char subject[2 * NAME_SHOWN], issuer[2 * NAME_SHOWN], from[32], to[32];

    show_name(subject, sizeof subject, X509_get_subject_name(cert));
    show_name(issuer, sizeof issuer, X509_get_issuer_name(cert));
    show_time(from, sizeof from, X509_get0_notBefore(cert));
    show_time(to, sizeof to, X509_get0_notAfter(cert));
    snprintf(out, cap, "subject \"%s\", issuer \"%s\", valid %s to %s UTC", subject, issuer, from, to);
}

int64_t redwi_cert_not_after(const X509 *cert)
{
    struct tm tm;

    return ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) ? (int64_t)timegm(&tm) : INT64_MIN;
}

bool redwi_cert_facts(struct redw_tls_facts *out, const X509 *cert)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    show_name(out->subject, sizeof out->subject, X509_get_subject_name(cert));
    show_name(out->issuer, sizeof out->issuer, X509_get_issuer_name(cert));
    out->not_after_s = redwi_cert_not_after(cert);
    if (!X509_digest(cert, EVP_sha256(), hash, &n) || 2 * n >= sizeof out->fingerprint)
        return false;
    for (unsigned i = 0; i < n; i++)
        snprintf(out->fingerprint + 2 * i, 3, "%02x", hash[i]);
    return true;
}
