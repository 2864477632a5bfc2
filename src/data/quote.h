/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that becomes part of a statement: names and string literals. Values of the application never do,
 * they travel in Bind; this is for the statements the library itself builds.
 *
 * Redshift takes a backslash in an ordinary literal for an escape, and does not know E'...'. So a quote
 * and a backslash are both doubled, always. PostgreSQL with standard_conforming_strings = on then reads
 * a text in which each backslash stands twice: another text, never another statement. Where that
 * matters, bind.
 *
 * What cannot be said is refused, not changed: REDW_EINVAL, and nothing is written. What is written is
 * one token when it stands between blanks, commas, parentheses or the like: a letter directly in front
 * (E'...', U&"...") or a literal on the next line would be read with it.
 *
 * The buffer's own failure is sticky as ever: see wire/buf.h.
 */
#ifndef REDWI_DATA_QUOTE_H
#define REDWI_DATA_QUOTE_H

#include "wire/buf.h"

#define REDWI_IDENTIFIER_MAX 127 /* bytes */

/* Redshift's reserved words, in any case. */
bool redwi_is_reserved(const char *p, size_t n);

/* Whether this is a name that needs no quotes: a letter, _ or a character beyond ASCII, then also digits
 * and $; 127 bytes at most; not reserved. */
bool redwi_is_identifier(const char *p, size_t n);

/* "name", with " doubled. Refused: nothing, more than 127 bytes, control characters, invalid UTF-8.
 * (Quotes do not keep capital letters on Redshift unless enable_case_sensitive_identifier is on.) */
REDW_MUST_USE int redwi_quote_identifier(struct redwi_buf *b, const char *p, size_t n);

/* 'text', with ' and \ doubled. Refused: control characters, tab and newline among them; invalid
 * UTF-8. */
REDW_MUST_USE int redwi_quote_literal(struct redwi_buf *b, const char *p, size_t n);

#endif
