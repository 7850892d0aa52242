/* SPDX-License-Identifier: BSD-3-Clause */
/* health.h - the health table: one cache line a trunk, written by control alone, read relaxed by workers.
 * Indexed by a trunk's health slot, which belongs to its name and outlives reloads (P20). */
#pragma once
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#define SB_TRUNKS_MAX 16384
#define SB_SHARE_FULL 1024 /* a trunk's share while RAMPING counts in 1/1024 */

enum sb_health_state { SB_PROBING, SB_UP, SB_SUSPECT, SB_DOWN, SB_HALF_OPEN, SB_RAMPING, SB_HEALTH_STATES };
enum sb_admin { SB_ENABLED, SB_DRAIN, SB_DISABLED };

struct sb_health_line {
	alignas(64) _Atomic uint32_t word; /* control: wo, workers: ro. state | admin << 8 | share << 16 */
	_Atomic uint32_t badness;          /* control: wo, workers: ro. Higher is worse; orders the panic choice */
	_Atomic uint64_t up_since_ms; /* control: wo, workers: ro. Last change from a not-serving state; 0 never down */
	_Atomic uint64_t changed_ms;  /* control: wo. Last change of state: the evidence's age (P22) */
	_Atomic uint64_t hold_until_ms; /* control: wo. Retry-After of a 503; 0 none */
};
_Static_assert(sizeof(struct sb_health_line) == 64, "one line a trunk: no false sharing between trunks");

struct sb_health_table {
	struct sb_health_line line[SB_TRUNKS_MAX];
};

struct sb_health_view {
	enum sb_health_state state;
	enum sb_admin admin;
	uint32_t share; /* 0..SB_SHARE_FULL */
};

static inline struct sb_health_view sb_health_read(const struct sb_health_table *t, uint16_t slot)
{
	uint32_t w =
	        atomic_load_explicit(&((struct sb_health_table *)(uintptr_t)t)->line[slot].word, memory_order_relaxed);
	return (struct sb_health_view){(enum sb_health_state)(w & 0xff), (enum sb_admin)(w >> 8 & 0xff), w >> 16};
}

static inline uint32_t sb_health_word(enum sb_health_state state, enum sb_admin admin, uint32_t share)
{
	return (uint32_t)state | (uint32_t)admin << 8 | share << 16;
}

static inline const char *sb_health_name(enum sb_health_state s)
{
	static const char *const names[SB_HEALTH_STATES] = {"PROBING", "UP", "SUSPECT", "DOWN", "HALF_OPEN", "RAMPING"};
	return (unsigned)s < SB_HEALTH_STATES ? names[s] : "?";
}

static inline const char *sb_admin_name(enum sb_admin a)
{
	return a == SB_ENABLED ? "enabled" : a == SB_DRAIN ? "drain" : "disabled";
}
