/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers to the two logins that are one hash: MD5 (PostgreSQL documentation, "Message Flow") and Redshift's
 * digest (docs/redshift/protocol.md, "Digest"). Neither proves anything about the server.
 *
 * 0, or REDW_ENOMEM, or REDW_EAUTH: this OpenSSL has no such hash (MD5 under FIPS). What lay in between is
 * wiped; OpenSSL's error queue is left empty.
 */
#ifndef REDWI_WIRE_DIGEST_H
#define REDWI_WIRE_DIGEST_H

#include "wire/be_read.h"
#include "wire/fe_write.h"

#define REDWI_MD5_CHARS 35 /* "md5" and 32 digits; no NUL */
int redwi_digest_md5(char out[REDWI_MD5_CHARS], redw_slice user, redw_slice password, const uint8_t salt[4]);

int redwi_digest_sha256(uint8_t out[REDWI_DIGEST_BYTES], redw_slice password,
                        const struct redwi_digest_request *request, redw_slice client_nonce);

#endif
