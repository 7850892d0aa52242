/* SPDX-License-Identifier: BSD-3-Clause */
/* names.h - a hash from names to numbers, for finding and for telling duplicates; and the nearest name to a misspelt
 * one. Owner: control. The table borrows the names: they must outlive it. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define SB_NAME_NONE UINT32_MAX

struct sb_name_slot {
	uint64_t hash; /* 0: empty */
	const char *name;
	uint32_t value;
};

struct sb_names {
	struct sb_name_slot *slot;
	uint64_t mask; /* slots - 1 */
};

/* Room for at most max names at half load. 0 or SB_E_NOMEM. */
int sb_names_init(struct sb_names *t, uint32_t max);
void sb_names_fini(struct sb_names *t);
/* The value of name, SB_NAME_NONE if it is not there. */
uint32_t sb_names_get(const struct sb_names *t, const char *name);
/* Adds name, unless it is there: then its value is returned and nothing changes. SB_NAME_NONE: added. */
uint32_t sb_names_put(struct sb_names *t, const char *name, uint32_t value);
/* Takes out the name that was put last: the search for another would end at the gap that an earlier one leaves. */
void sb_names_undo(struct sb_names *t, const char *name);

/* The name most like text, if it is like enough to be meant (a third of its letters wrong); NULL otherwise. */
struct sb_nearest {
	const char *best;
	unsigned distance;
};
void sb_nearest_try(struct sb_nearest *n, const char *text, const char *candidate);
const char *sb_names_nearest(const struct sb_names *t, const char *text);
