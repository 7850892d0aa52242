/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config/config.h"
#include "control/config/names.h"

/* Names that were in use are never taken out: a trunk that comes back after ten reloads finds the health it left (P20).
 */
struct sb_slots {
	uint32_t n;
	struct sb_names names;
	char name[SB_TRUNKS_MAX][SB_NAME_MAX];
};

struct sb_slots *sb_slots_new(void)
{
	struct sb_slots *s = calloc(1, sizeof *s);
	if (s && sb_names_init(&s->names, SB_TRUNKS_MAX)) {
		free(s);
		return NULL;
	}
	return s;
}

void sb_slots_free(struct sb_slots *s)
{
	if (!s)
		return;
	sb_names_fini(&s->names);
	free(s);
}

int sb_slots_get(struct sb_slots *s, const char *name)
{
	size_t len = strlen(name);
	if (!len || len >= SB_NAME_MAX)
		return SB_E_INVAL;
	uint32_t slot = sb_names_get(&s->names, name);
	if (slot != SB_NAME_NONE)
		return (int)slot;
	if (s->n == SB_TRUNKS_MAX)
		return SB_E_FULL;
	memcpy(s->name[s->n], name, len + 1);
	sb_names_put(&s->names, s->name[s->n], s->n);
	return (int)s->n++;
}

uint32_t sb_slots_taken(const struct sb_slots *s)
{
	return s->n;
}

void sb_slots_give_back(struct sb_slots *s, uint32_t taken)
{
	while (s->n > taken)
		sb_names_undo(&s->names, s->name[--s->n]);
}

const char *sb_slots_name(const struct sb_slots *s, uint16_t slot)
{
	return slot < s->n ? s->name[slot] : NULL;
}
