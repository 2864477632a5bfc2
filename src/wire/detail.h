/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Redshift's engine writes into the DETAIL of an error: a framed block of "key: value" lines, or one
 * line of prose ending in "(pid:N)". docs/redshift/errors.md, "The detail". Everything here is a view into
 * the text that was given; any bytes are allowed in it.
 */
#ifndef REDWI_WIRE_DETAIL_H
#define REDWI_WIRE_DETAIL_H

#include <redw/base.h>

enum redwi_detail_kind {
    REDWI_DETAIL_PROSE = 0, /* whatever else: `error` is the whole text, `process` its "pid:N" */
    REDWI_DETAIL_BLOCK,
};
struct redwi_detail {
    enum redwi_detail_kind kind;
    redw_slice error, context, location,
        process;         /* trimmed; continuation lines keep their breaks; ptr NULL: none */
    redw_slice error_id; /* serverless: "1-64f767d8-..."; ptr NULL: none */
    int code;            /* 0: none */
    int64_t query;       /* id in STL_QUERY; -1: none */
};
void redwi_detail_parse(redw_slice text, struct redwi_detail *out);

/* Trims *text and takes "[ErrorId: 1-...]" off its end, where serverless puts it in DETAIL and message.
 * Returns what stands behind the colon; ptr NULL: there was none. */
redw_slice redwi_detail_cut_error_id(redw_slice *text);

/* The decimal number text begins with; -1: no digit, or larger than max. */
int64_t redwi_detail_number(redw_slice text, int64_t max);

#endif
