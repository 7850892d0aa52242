/* SPDX-License-Identifier: BSD-3-Clause */
/* wheel.h - a hierarchical timing wheel: 1 ms ticks, 4 levels of 2 x 256 buckets, one node an id.
 * Timers move between levels a few a millisecond, ahead of need: no tick pays for a whole bucket of a higher level.
 * An id is at most once in the wheel: arming it again moves it. Nothing is allocated after init; the nodes are touched
 * only as their ids are used, so a region of millions costs what is used of it.
 * Promise: never early; in deadline order; at the first sb_wheel_advance() whose now_ms >= deadline, budget permitting.
 * Owner: one thread. Lifetime: the memory handed over. Pure: time is handed in, it never reads a clock. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SB_WHEEL_LEVELS  4
#define SB_WHEEL_BUCKETS 512
#define SB_WHEEL_IDS_MAX (1u << 30)

struct sb_wheel_node;

struct sb_wheel {
	struct sb_wheel_node *node; /* list heads first, then one an id */
	uint32_t n_ids;
	uint32_t n_armed;
	uint64_t tick_ms; /* the next ms to look at: every deadline before it is in the due list or has fired */
	uint64_t used[SB_WHEEL_LEVELS][SB_WHEEL_BUCKETS / 64]; /* bit clear: that bucket is empty */
};

/* The deadline of {id, gen} has come. The id is free to be armed again from within. False: it cannot be delivered now;
 * the timer stays due, advance stops, and the next advance begins with it. */
typedef bool sb_wheel_fire(void *ctx, uint32_t id, uint32_t gen, uint64_t deadline_ms);

/* Bytes needed for ids 0..n_ids-1 (n_ids <= SB_WHEEL_IDS_MAX). */
size_t sb_wheel_memory(uint32_t n_ids);

/* memory: sb_wheel_memory(n_ids) zeroed bytes, 8-aligned, that outlive the wheel and stay the caller's. */
void sb_wheel_init(struct sb_wheel *w, void *memory, uint32_t n_ids, uint64_t now_ms);

/* Arms id, or moves it if armed. A deadline already over fires at the next advance; any 64-bit deadline is kept
 * exactly. 0, or SB_E_INVAL for an id out of range. O(1). */
int sb_wheel_arm(struct sb_wheel *w, uint32_t id, uint32_t gen, uint64_t deadline_ms);

/* Asks for the memory that arming id is going to touch. Any id is allowed. */
void sb_wheel_prefetch(const struct sb_wheel *w, uint32_t id);

/* Takes id out; nothing if it is not armed. O(1). */
void sb_wheel_cancel(struct sb_wheel *w, uint32_t id);

/* The deadline of id, or UINT64_MAX if it is not armed. */
uint64_t sb_wheel_deadline(const struct sb_wheel *w, uint32_t id);

/* Fires what is due at now_ms. budget bounds timers fired plus timers moved between levels; what is left over is done
 * by the next call. Returns how many fired. Time that goes back is taken as standing still. */
uint32_t sb_wheel_advance(struct sb_wheel *w, uint64_t now_ms, uint32_t budget, sb_wheel_fire *fire, void *ctx);

/* When advance next has something to do: never later than the first deadline, perhaps earlier; 0: something is due
 * already; UINT64_MAX: nothing is armed. */
uint64_t sb_wheel_next_ms(const struct sb_wheel *w);
