/* SPDX-License-Identifier: BSD-3-Clause */
/* steer.h - which trunks a request is to try, in which order, and why the others were passed over (S4.4, P5, P6, P22).
 * Pure: a function of the snapshot, the health table, the number, the source, the key and the time. */
#pragma once
#include <switchback/health.h>
#include <switchback/snapshot.h>

/* Why a trunk is where it is. */
enum sb_pick {
	SB_PICK_TAKEN,    /* candidate, in its own order */
	SB_PICK_RAMP,     /* candidate, but behind the others: its ramp does not yet give it this call */
	SB_PICK_FALLBACK, /* candidate, but behind the others: fallback_interval keeps traffic on the secondary */
	SB_PICK_UNPROVEN, /* candidate behind the others: PROBING or HALF_OPEN */
	SB_PICK_PANIC,    /* DOWN, but nothing better is left */
	SB_PICK_DOWN,     /* passed over */
	SB_PICK_ADMIN,    /* passed over: DRAIN or DISABLED */
	SB_PICK_TWICE,    /* passed over: it is in the list already */
	SB_PICK_OVER,     /* passed over: the list is full (SB_CANDIDATES_MAX) */
};

struct sb_candidate {
	uint16_t trunk; /* index in snapshot->trunks */
	uint8_t pick;   /* enum sb_pick */
	uint8_t state;  /* enum sb_health_state when it was looked at */
};

struct sb_candidates {
	const struct sb_snap_route *route; /* NULL: no route matches */
	uint8_t n;                         /* candidates to try, in order */
	uint8_t n_skipped;                 /* passed over, kept for explain and the event log */
	struct sb_candidate list[SB_CANDIDATES_MAX];
	struct sb_candidate skipped[SB_CANDIDATES_MAX];
};

struct sb_steer_key {
	const char *number; /* user part, unescaped */
	size_t number_len;
	const char *domain; /* Request-URI host */
	size_t domain_len;
	struct sb_addr source;
	uint64_t hash; /* of Call-ID: weights and ramps are repeatable for a call */
	uint64_t now_ms;
};

void sb_steer(const struct sb_snapshot *s, const struct sb_health_table *h, const struct sb_steer_key *key,
        struct sb_candidates *out);

/* May this trunk be sent a new request now? What each hop asks again (P6). */
bool sb_steer_usable(const struct sb_snapshot *s, const struct sb_health_table *h, uint16_t trunk);

/* Worst time in ms that a trunk may hold a request before the next is tried: a * (2^n - 1) (S4.2). */
static inline uint64_t sb_formula_ms(const struct sb_snap_trunk *t)
{
	return (uint64_t)t->trying_timer_ms * ((1ull << t->sends) - 1);
}

/* The route for a key; NULL: none. Longest prefix, then domain, source, default. */
const struct sb_snap_route *sb_steer_route(const struct sb_snapshot *s, const struct sb_steer_key *key);
