/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code points by what RFC 4013 does with them, each table in ascending order. Only saslprep.c includes this.
 */
#ifndef REDWI_WIRE_SASLPREP_TABLES_H
#define REDWI_WIRE_SASLPREP_TABLES_H

#include <stddef.h>
#include <stdint.h>

struct redwi_prep_range {
    uint32_t first, last;
};

extern const struct redwi_prep_range redwi_prep_spaces[];  /* become a space */
extern const struct redwi_prep_range redwi_prep_nothing[]; /* go away */
extern const struct redwi_prep_range redwi_prep_no_form[]; /* prohibited, or not assigned in Unicode 3.2 */
extern const struct redwi_prep_range redwi_prep_right_to_left[], redwi_prep_left_to_right[];
extern const size_t redwi_prep_spaces_count, redwi_prep_nothing_count, redwi_prep_no_form_count,
    redwi_prep_right_to_left_count, redwi_prep_left_to_right_count;

#endif
