/* SPDX-License-Identifier: BSD-3-Clause */
/* reader.h - YAML text to the schema's raw form: every value there, defaulted, bounds-checked and with its line.
 * What depends on more than one value is not its business (check.h). */
#pragma once
#include "control/config/mistakes.h"
#include "control/config/schema.h"

struct sb_reading;

/* Reads text; mistakes go to m. What could not be read has its default (names: NULL, addresses: family 0), so that the
 * check can go on to find more. 0 with *out, whose raw form lives until sb_reading_free; or SB_E_CONFIG when there is
 * nothing to check (not YAML, empty, not a mapping), or SB_E_NOMEM. */
int sb_reading_new(const char *text, size_t len, struct sb_mistakes *m, struct sb_reading **out);
struct sb_raw *sb_reading_raw(struct sb_reading *r);
void sb_reading_free(struct sb_reading *r);
