/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config/names.h"
#include <stdlib.h>
#include <string.h>
#include <switchback/err.h>
#include <switchback/snapshot.h>

int sb_names_init(struct sb_names *t, uint32_t max)
{
	uint64_t slots = 8;
	while (slots < 2 * (uint64_t)max)
		slots *= 2;
	t->slot = calloc(slots, sizeof *t->slot);
	t->mask = slots - 1;
	return t->slot ? 0 : SB_E_NOMEM;
}

void sb_names_fini(struct sb_names *t)
{
	free(t->slot);
	t->slot = NULL;
}

static uint64_t hash_of(const char *name)
{
	uint64_t h = SB_PREFIX_SEED;
	for (const char *p = name; *p; p++)
		h = sb_prefix_step(h, (uint8_t)*p);
	return sb_prefix_finish(h);
}

/* The slot of name, or the empty one where it belongs. At half load there always is an empty one. */
static struct sb_name_slot *slot_of(const struct sb_names *t, const char *name, uint64_t hash)
{
	uint64_t i = hash & t->mask;
	while (t->slot[i].hash && (t->slot[i].hash != hash || strcmp(t->slot[i].name, name) != 0))
		i = (i + 1) & t->mask;
	return &t->slot[i];
}

uint32_t sb_names_get(const struct sb_names *t, const char *name)
{
	const struct sb_name_slot *s = slot_of(t, name, hash_of(name));
	return s->hash ? s->value : SB_NAME_NONE;
}

uint32_t sb_names_put(struct sb_names *t, const char *name, uint32_t value)
{
	uint64_t hash = hash_of(name);
	struct sb_name_slot *s = slot_of(t, name, hash);
	if (s->hash)
		return s->value;
	*s = (struct sb_name_slot){hash, name, value};
	return SB_NAME_NONE;
}

void sb_names_undo(struct sb_names *t, const char *name)
{
	slot_of(t, name, hash_of(name))->hash = 0;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Letters to insert, delete, replace or swap with their neighbour. Texts longer than SB_NAME_MAX count as unlike. */
static unsigned distance_of(const char *a, const char *b)
{
	unsigned d[SB_NAME_MAX + 1][SB_NAME_MAX + 1];
	size_t la = strnlen(a, SB_NAME_MAX + 1), lb = strnlen(b, SB_NAME_MAX + 1);
	if (la > SB_NAME_MAX || lb > SB_NAME_MAX)
		return SB_NAME_MAX;
	for (size_t i = 0; i <= la; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j <= lb; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		for (size_t j = 1; j <= lb; j++) {
			unsigned v = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			v = least(v, least(d[i - 1][j], d[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				v = least(v, d[i - 2][j - 2] + 1);
			d[i][j] = v;
		}
	}
	return d[la][lb];
}

void sb_nearest_try(struct sb_nearest *n, const char *text, const char *candidate)
{
	unsigned limit = (unsigned)(strlen(text) + 2) / 3;
	unsigned distance = distance_of(text, candidate);
	if (distance <= limit && (!n->best || distance < n->distance)) {
		n->best = candidate;
		n->distance = distance;
	}
}

const char *sb_names_nearest(const struct sb_names *t, const char *text)
{
	struct sb_nearest n = {0};
	for (uint64_t i = 0; i <= t->mask; i++) {
		if (t->slot[i].hash)
			sb_nearest_try(&n, text, t->slot[i].name);
	}
	return n.best;
}
