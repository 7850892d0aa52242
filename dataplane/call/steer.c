/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/call/steer.h"
#include <math.h>
#include <strings.h>

/* A member with what decides its place. Lower rank goes first; within a rank lower priority, then lower draw. */
struct standing {
	uint16_t trunk, priority;
	uint8_t pick, state, rank;
	float draw;
};

static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x7fb5d329728ea185ull;
	x ^= x >> 27;
	x *= 0x81dadef4bc2dd44dull;
	return x ^ x >> 33;
}

static bool domain_matches(const struct sb_snapshot *s, const struct sb_snap_route *r, const struct sb_steer_key *key)
{
	const char *domain = s->text + r->key;
	return strlen(domain) == key->domain_len && strncasecmp(domain, key->domain, key->domain_len) == 0;
}

const struct sb_snap_route *sb_steer_route(const struct sb_snapshot *s, const struct sb_steer_key *key)
{
	const struct sb_snap_route *r = sb_prefix_find(s, key->number, key->number_len);
	if (r)
		return r;
	for (uint32_t i = 0; i < s->n_other_routes; i++) {
		r = &s->routes[i];
		if ((r->kind == SB_ROUTE_DOMAIN && domain_matches(s, r, key)) ||
		        (r->kind == SB_ROUTE_SOURCE && sb_net_has(&s->nets[r->key], &key->source)) ||
		        r->kind == SB_ROUTE_DEFAULT)
			return r;
	}
	return NULL;
}

bool sb_steer_usable(const struct sb_snapshot *s, const struct sb_health_table *h, uint16_t trunk)
{
	struct sb_health_view v = sb_health_read(h, s->trunks[trunk].slot);
	return v.admin == SB_ENABLED && v.state != SB_DOWN;
}

/* Is a trunk that has come back still to leave new calls to the secondary (fallback_interval)? */
static bool held_back(const struct sb_health_table *h, const struct sb_snap_group *g, uint16_t slot, uint64_t now_ms)
{
	if (g->fallback_interval_ms == 0)
		return false;
	uint64_t up = atomic_load_explicit(
	        &((struct sb_health_table *)(uintptr_t)h)->line[slot].up_since_ms, memory_order_relaxed);
	return up != 0 && now_ms < up + g->fallback_interval_ms;
}

/* What health, operator and group say of one member for this call. */
static struct standing judge(const struct sb_snapshot *s, const struct sb_health_table *h,
        const struct sb_snap_group *g, const struct sb_snap_member *m, const struct sb_steer_key *key)
{
	uint16_t slot = s->trunks[m->trunk].slot;
	struct sb_health_view v = sb_health_read(h, slot);
	uint64_t r = mix(key->hash ^ (uint64_t)m->trunk * 0x9e3779b97f4a7c15ull);
	struct standing st = {.trunk = m->trunk, .priority = m->priority, .state = (uint8_t)v.state};

	/* Weighted sampling without replacement: sorted by -ln(u)/weight, the first is each member with its weight's
	 * share. */
	st.draw = -logf(((float)(r >> 40) + 1) / 16777216.0f) / m->weight;
	if (v.admin != SB_ENABLED)
		st.pick = SB_PICK_ADMIN;
	else if (v.state == SB_DOWN)
		st.pick = SB_PICK_DOWN;
	else if (v.state == SB_PROBING || v.state == SB_HALF_OPEN)
		st.pick = SB_PICK_UNPROVEN, st.rank = 2;
	else if (v.state == SB_RAMPING && (mix(r) & (SB_SHARE_FULL - 1)) >= v.share)
		st.pick = SB_PICK_RAMP, st.rank = 1;
	else if (held_back(h, g, slot, key->now_ms))
		st.pick = SB_PICK_FALLBACK, st.rank = 1;
	else
		st.pick = SB_PICK_TAKEN;
	return st;
}

static bool before(const struct standing *a, const struct standing *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank;
	if (a->priority != b->priority)
		return a->priority < b->priority;
	return a->draw < b->draw;
}

static bool listed(const struct sb_candidates *out, uint16_t trunk)
{
	for (unsigned i = 0; i < out->n; i++)
		if (out->list[i].trunk == trunk)
			return true;
	return false;
}

static void skip(struct sb_candidates *out, const struct standing *st, enum sb_pick why)
{
	if (out->n_skipped < SB_CANDIDATES_MAX)
		out->skipped[out->n_skipped++] =
		        (struct sb_candidate){.trunk = st->trunk, .pick = (uint8_t)why, .state = st->state};
}

/* Keeps the best SB_CANDIDATES_MAX of a group in order: one bounded insertion a member. */
static unsigned rank_group(const struct sb_snapshot *s, const struct sb_health_table *h, const struct sb_snap_group *g,
        const struct sb_steer_key *key, struct standing best[SB_CANDIDATES_MAX], struct sb_candidates *out)
{
	unsigned n = 0;
	for (uint32_t i = 0; i < g->n_members; i++) {
		struct standing st = judge(s, h, g, &s->members[g->member + i], key);
		if (st.pick == SB_PICK_ADMIN || st.pick == SB_PICK_DOWN) {
			skip(out, &st, (enum sb_pick)st.pick);
			continue;
		}
		unsigned at = n;
		while (at > 0 && before(&st, &best[at - 1]))
			at--;
		if (n == SB_CANDIDATES_MAX) {
			skip(out, at == n ? &st : &best[n - 1], SB_PICK_OVER);
			if (at == n)
				continue;
			n--;
		}
		memmove(&best[at + 1], &best[at], (n - at) * sizeof best[0]);
		best[at] = st;
		n++;
	}
	return n;
}

/* Every candidate is DOWN: the least bad of those the operator allows (P5). */
static void panic(const struct sb_snapshot *s, const struct sb_health_table *h, struct sb_candidates *out)
{
	const struct sb_snap_route *r = out->route;
	uint32_t least = UINT32_MAX;
	int pick = -1;
	for (uint32_t gi = 0; gi < r->n_groups; gi++) {
		const struct sb_snap_group *g = &s->groups[s->route_groups[r->group + gi]];
		for (uint32_t i = 0; i < g->n_members; i++) {
			uint16_t trunk = s->members[g->member + i].trunk, slot = s->trunks[trunk].slot;
			if (sb_health_read(h, slot).admin != SB_ENABLED)
				continue;
			uint32_t bad = atomic_load_explicit(
			        &((struct sb_health_table *)(uintptr_t)h)->line[slot].badness, memory_order_relaxed);
			if (pick < 0 || bad < least) {
				least = bad;
				pick = trunk;
			}
		}
	}
	if (pick >= 0)
		out->list[out->n++] = (struct sb_candidate){(uint16_t)pick, SB_PICK_PANIC, SB_DOWN};
}

void sb_steer(const struct sb_snapshot *s, const struct sb_health_table *h, const struct sb_steer_key *key,
        struct sb_candidates *out)
{
	struct standing best[SB_CANDIDATES_MAX + 1];
	struct standing behind[SB_CANDIDATES_MAX]; /* held back in their group: after everybody else of every group */
	unsigned n_behind = 0;

	out->n = out->n_skipped = 0;
	out->route = sb_steer_route(s, key);
	if (!out->route)
		return;
	for (uint32_t gi = 0; gi < out->route->n_groups; gi++) {
		const struct sb_snap_group *g = &s->groups[s->route_groups[out->route->group + gi]];
		unsigned n = rank_group(s, h, g, key, best, out);
		for (unsigned i = 0; i < n; i++) {
			if (listed(out, best[i].trunk))
				skip(out, &best[i], SB_PICK_TWICE);
			else if (best[i].rank > 0 && n_behind < SB_CANDIDATES_MAX)
				behind[n_behind++] = best[i];
			else if (best[i].rank == 0 && out->n < SB_CANDIDATES_MAX)
				out->list[out->n++] = (struct sb_candidate){best[i].trunk, best[i].pick, best[i].state};
			else
				skip(out, &best[i], SB_PICK_OVER);
		}
	}
	for (unsigned rank = 1; rank <= 2; rank++)
		for (unsigned i = 0; i < n_behind && out->n < SB_CANDIDATES_MAX; i++)
			if (behind[i].rank == rank && !listed(out, behind[i].trunk))
				out->list[out->n++] =
				        (struct sb_candidate){behind[i].trunk, behind[i].pick, behind[i].state};
	if (out->n == 0)
		panic(s, h, out);
}
