/* SPDX-License-Identifier: BSD-3-Clause */
/* prefixes.h - every dialled prefix of a configuration, those of its routes and those of the files they name, in the
 * table that workers will search; and the lists of groups they lead to, each kept once.
 * Owner: one load. */
#pragma once
#include <switchback/prefix.h>

struct sb_prefix_list {
	uint32_t group, n; /* in groups[]: 1 to SB_CANDIDATES_MAX indexes */
};

struct sb_prefixes {
	struct sb_prefix_table table; /* leads to lists[] */
	struct sb_prefix_list *lists;
	uint32_t *groups;
	uint32_t n_lists, n_groups, lists_room, groups_room;
	uint32_t *by_hash, hash_mask; /* lists[] plus 1 by what is in them; 0: empty */
	uint32_t n_other, text_room;
};

/* Room for max prefixes. 0 or SB_E_NOMEM: sb_prefixes_fini() frees what there is. */
int sb_prefixes_init(struct sb_prefixes *p, uint32_t max);
void sb_prefixes_fini(struct sb_prefixes *p);
/* The table alone, for whoever has taken it over. */
void sb_prefix_table_free(struct sb_prefix_table *t);

/* The list of these groups, made if new; SB_PREFIX_NONE: no memory. */
uint32_t sb_prefixes_list(struct sb_prefixes *p, const uint32_t *groups, uint32_t n);

/* Puts one, with sb_prefix_put()'s result in *there. 0 or SB_E_NOMEM. At most as many as init made room for. */
int sb_prefixes_put(struct sb_prefixes *p, const char *text, size_t len, uint32_t list, uint32_t *there);
