/* SPDX-License-Identifier: BSD-3-Clause */
/* value.h - one scalar of the configuration file, from text to its C form, by the rule of its row in the schema. */
#pragma once
#include "control/config/schema.h"

/* Reads text into out (of the type that the row's kind tells). NULL, or what is wrong: "is not a duration".
 * A const char * that is read points into text. CODES adds to the set, and takes several separated by commas. */
const char *sb_value_read(const struct sb_key *k, const char *text, void *out);

#define SB_ALLOWED_MAX 320
/* What the row allows, in words for a message; the text is either constant or in buf. */
const char *sb_value_allowed(const struct sb_key *k, char buf[SB_ALLOWED_MAX]);

#define SB_TIME_TEXT_MAX 16
/* 90000 ms as "90s": in the largest unit that divides it. */
void sb_value_time(uint32_t ms, char out[SB_TIME_TEXT_MAX]);
