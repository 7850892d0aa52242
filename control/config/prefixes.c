/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config/prefixes.h"
#include "control/config/huge.h"
#include <stdlib.h>
#include <switchback/err.h>

/* Zeroed. A look-up touches lines at random: each ordinary page would cost it a walk through the page tables. */
static struct sb_prefix_line *new_lines(uint32_t n)
{
	void *lines = sb_huge_alloc(n * sizeof(struct sb_prefix_line));
	return lines ? memset(lines, 0, n * sizeof(struct sb_prefix_line)) : NULL;
}

int sb_prefixes_init(struct sb_prefixes *p, uint32_t max)
{
	memset(p, 0, sizeof *p);
	if (!max)
		return 0;
	p->table.n_lines = max / SB_PREFIX_LOAD + 1;
	p->table.line = new_lines(p->table.n_lines);
	p->table.place = sb_huge_alloc(max * sizeof *p->table.place);
	return p->table.line && p->table.place ? 0 : SB_E_NOMEM;
}

void sb_prefix_table_free(struct sb_prefix_table *t)
{
	free(t->line);
	free(t->other);
	free(t->text);
	free(t->place);
	memset(t, 0, sizeof *t);
}

void sb_prefixes_fini(struct sb_prefixes *p)
{
	sb_prefix_table_free(&p->table);
	free(p->lists);
	free(p->groups);
	free(p->by_hash);
	memset(p, 0, sizeof *p);
}

/* Room for more elements of size bytes, doubling. *list stays as it is when there is no memory. */
static bool grow(void *list, uint32_t *room, uint32_t n, size_t size)
{
	void *old, *more;
	if (n <= *room)
		return true;
	if (n > 1u << 31)
		return false; /* doubling would go round */
	uint32_t want = *room ? *room : 16;
	while (want < n)
		want *= 2;
	memcpy(&old, list, sizeof old);
	more = realloc(old, want * size);
	if (!more)
		return false;
	memcpy(list, &more, sizeof more);
	*room = want;
	return true;
}

static uint32_t hash_of(const uint32_t *groups, uint32_t n)
{
	uint64_t h = SB_PREFIX_SEED ^ n;
	for (uint32_t i = 0; i < n; i++)
		h = (h ^ groups[i]) * 0xff51afd7ed558ccdull;
	return (uint32_t)(sb_prefix_finish(h) >> 16);
}

/* Where the list is or belongs. */
static uint32_t seek_list(const struct sb_prefixes *p, const uint32_t *groups, uint32_t n)
{
	uint32_t at = hash_of(groups, n) & p->hash_mask;
	for (; p->by_hash[at]; at = (at + 1) & p->hash_mask) {
		const struct sb_prefix_list *l = &p->lists[p->by_hash[at] - 1];
		if (l->n == n && memcmp(p->groups + l->group, groups, n * sizeof *groups) == 0)
			break;
	}
	return at;
}

static bool grow_hash(struct sb_prefixes *p)
{
	if (p->by_hash && 2 * (p->n_lists + 1) <= p->hash_mask)
		return true;
	uint32_t slots = p->by_hash ? 2 * (p->hash_mask + 1) : 16;
	uint32_t *by_hash = calloc(slots, sizeof *by_hash);
	if (!by_hash)
		return false;
	free(p->by_hash);
	p->by_hash = by_hash;
	p->hash_mask = slots - 1;
	for (uint32_t i = 0; i < p->n_lists; i++) {
		const struct sb_prefix_list *l = &p->lists[i];
		p->by_hash[seek_list(p, p->groups + l->group, l->n)] = i + 1;
	}
	return true;
}

uint32_t sb_prefixes_list(struct sb_prefixes *p, const uint32_t *groups, uint32_t n)
{
	if (!grow_hash(p))
		return SB_PREFIX_NONE;
	uint32_t at = seek_list(p, groups, n);
	if (p->by_hash[at])
		return p->by_hash[at] - 1;
	if (!grow(&p->lists, &p->lists_room, p->n_lists + 1, sizeof *p->lists) ||
	        !grow(&p->groups, &p->groups_room, p->n_groups + n, sizeof *p->groups))
		return SB_PREFIX_NONE;
	memcpy(p->groups + p->n_groups, groups, n * sizeof *groups);
	p->lists[p->n_lists] = (struct sb_prefix_list){p->n_groups, n};
	p->n_groups += n;
	p->by_hash[at] = ++p->n_lists;
	return p->n_lists - 1;
}

/* The other prefixes are few as a rule: their table grows as they come. */
static bool room_for_other(struct sb_prefixes *p, size_t len)
{
	struct sb_prefix_table *t = &p->table;
	uint64_t text = (uint64_t)t->text_used + len + 1 + SB_PREFIX_MAX;
	if (text > UINT32_MAX || !grow(&t->text, &p->text_room, (uint32_t)text, 1))
		return false;
	if (t->other && 2 * (p->n_other + 1) <= t->other_mask)
		return true;
	uint32_t slots = t->other ? 2 * (t->other_mask + 1) : 16;
	struct sb_prefix_other *bigger = calloc(slots, sizeof *bigger);
	uint32_t *moved = malloc((t->other ? t->other_mask + 1 : 1) * sizeof *moved);
	if (!bigger || !moved) {
		free(bigger);
		free(moved);
		return false;
	}
	for (uint32_t i = 0; t->other && i <= t->other_mask; i++) {
		if (!t->other[i].hash)
			continue;
		uint32_t at = (uint32_t)t->other[i].hash & (slots - 1);
		while (bigger[at].hash)
			at = (at + 1) & (slots - 1);
		bigger[at] = t->other[i];
		moved[i] = at;
	}
	for (uint32_t i = 0; i < t->n; i++)
		if (t->place[i] & SB_PREFIX_BIG)
			t->place[i] = SB_PREFIX_BIG | moved[t->place[i] & ~SB_PREFIX_BIG];
	free(moved);
	free(t->other);
	t->other = bigger;
	t->other_mask = slots - 1;
	return true;
}

int sb_prefixes_put(struct sb_prefixes *p, const char *text, size_t len, uint32_t list, uint32_t *there)
{
	bool other = !sb_prefix_key(text, len);
	if (other && !room_for_other(p, len))
		return SB_E_NOMEM;
	*there = sb_prefix_put(&p->table, text, len, list);
	p->n_other += other && *there == SB_PREFIX_NONE;
	return 0;
}
