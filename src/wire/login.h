/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a login may use: the words that options (pool) and exchange (auth.c) have in common. The client
 * decides, never the server: it is told what is allowed and asked for nothing else.
 *
 *   method               unless require_auth says otherwise    at all
 *   NONE                 yes                                   not with channel binding required
 *   PASSWORD             no                                    inside TLS
 *   MD5, DIGEST          inside verified TLS                   anywhere
 *   SCRAM, SCRAM_PLUS    yes                                   anywhere; -PLUS inside TLS
 *   TOKEN                inside verified TLS                   inside TLS
 *
 * MD5, DIGEST, PASSWORD and TOKEN prove nothing about the server, and what they send is worth something to
 * whoever sits in between: TLS has to have verified the server before.
 */
#ifndef REDWI_WIRE_LOGIN_H
#define REDWI_WIRE_LOGIN_H

enum {
    REDWI_LOGIN_NONE = 1, /* the server asks for nothing */
    REDWI_LOGIN_PASSWORD = 2,
    REDWI_LOGIN_MD5 = 4,
    REDWI_LOGIN_SCRAM = 8,
    REDWI_LOGIN_SCRAM_PLUS = 16,
    REDWI_LOGIN_DIGEST = 32,
    REDWI_LOGIN_TOKEN = 64,
};
#define REDWI_LOGIN_DEFAULT                                                                             \
    (REDWI_LOGIN_NONE | REDWI_LOGIN_MD5 | REDWI_LOGIN_SCRAM | REDWI_LOGIN_SCRAM_PLUS |                  \
     REDWI_LOGIN_DIGEST | REDWI_LOGIN_TOKEN)

enum redwi_binding { REDWI_BINDING_PREFER = 0, REDWI_BINDING_DISABLE, REDWI_BINDING_REQUIRE };

#endif
