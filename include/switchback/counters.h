/* SPDX-License-Identifier: BSD-3-Clause */
/* counters.h - one set of counters a worker: written by that worker alone, read by control. */
#pragma once
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

enum sb_counter {
#define X(name, kind, help) SB_C_##name,
#include <switchback/counters.def>
#undef X
	SB_COUNTERS
};

enum sb_counter_kind { SB_KIND_RX, SB_KIND_END, SB_KIND_DROP, SB_KIND_INFO };

struct sb_counter_row {
	const char *name, *help;
	enum sb_counter_kind kind;
};

struct sb_counters {
	alignas(64) _Atomic uint64_t v[SB_COUNTERS]; /* the worker: rw, control: ro */
};

static inline const struct sb_counter_row *sb_counter_rows(void)
{
	static const struct sb_counter_row rows[SB_COUNTERS] = {
#define X(name, kind, help) {#name, help, SB_KIND_##kind},
#include <switchback/counters.def>
#undef X
	};
	return rows;
}

/* Single writer: a plain add. Release, with an acquire at the reader: whoever sees a frame's end counted sees the frame
 * counted, too, if that is looked at later. Plain stores and loads on x86. */
static inline void sb_count_add(struct sb_counters *c, enum sb_counter i, uint64_t n)
{
	atomic_store_explicit(&c->v[i], atomic_load_explicit(&c->v[i], memory_order_relaxed) + n, memory_order_release);
}

static inline void sb_count(struct sb_counters *c, enum sb_counter i)
{
	sb_count_add(c, i, 1);
}

static inline uint64_t sb_counter_get(const struct sb_counters *c, enum sb_counter i)
{
	return atomic_load_explicit(&((struct sb_counters *)(uintptr_t)c)->v[i], memory_order_acquire);
}
