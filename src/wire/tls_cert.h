/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said about a certificate. Pure functions over one X509; the texts come from the peer and are
 * therefore escaped and bounded. Called by tls.c and tls_ctx.c only.
 */
#ifndef REDWI_WIRE_TLS_CERT_H
#define REDWI_WIRE_TLS_CERT_H

#include <openssl/x509.h>
#include <redw/client.h>

/* Whom it is for: `"db.example", "*.b.example", 10.0.0.1 and 3 more`; the subject's common name when no
 * DNS name is there, as in verification. Always NUL-terminated. */
void redwi_cert_names(char *out, size_t cap, const X509 *cert);

/* `subject "CN = x", issuer "CN = y", valid 2024-01-01 00:00:00 to 2025-01-01 00:00:00 UTC` */
void redwi_cert_about(char *out, size_t cap, const X509 *cert);

/* Its last second, Unix time; INT64_MIN: malformed. */
int64_t redwi_cert_not_after(const X509 *cert);

/* Fills subject, issuer, not_after_s and fingerprint. False: no memory. */
bool redwi_cert_facts(struct redw_tls_facts *out, const X509 *cert);

#endif
