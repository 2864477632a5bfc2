/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes and UUIDs as text. VARBYTE, GEOMETRY and GEOGRAPHY are hexadecimal digits (protocol 5.3);
 * PostgreSQL's bytea has "\x" before them, or is of the older form that escapes what is not printable
 * (bytea_output).
 */
#ifndef REDWI_DATA_BYTES_H
#define REDWI_DATA_BYTES_H

#include <redw/base.h>

/* Decodes into `to`, which has room; *len is what is needed. REDW_EFULL: more than there is room for;
 * REDW_EPROTOCOL: not of this form, *len is 0. */
int redwi_text_hex(const char *p, size_t n, uint8_t *to, size_t room, size_t *len);
int redwi_text_bytea(const char *p, size_t n, uint8_t *to, size_t room, size_t *len);

/* 2 * n digits. */
void redwi_hex_write(char *to, const uint8_t *p, size_t n);

/* "01234567-89ab-cdef-0123-456789abcdef"; to is zeroed on failure. */
int redwi_text_uuid(const char *p, size_t n, uint8_t to[16]);

#endif
