/* SPDX-License-Identifier: BSD-3-Clause */
/* ring.h - a bounded single-producer single-consumer ring of fixed-size elements in C11 atomics.
 * It is here, and not rte_ring, because the pure core and its simulator post mail and know no DPDK.
 * Owner: one thread puts, one thread takes; the creator frees after both have stopped. */
#pragma once
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct sb_ring {
	uint32_t mask;      /* slots - 1; constant */
	uint32_t elem_size; /* bytes; constant */
	uint8_t *slots;
	alignas(64) _Atomic uint32_t head; /* producer: wo, consumer: ro */
	uint32_t tail_seen;                /* producer only: last tail it read */
	alignas(64) _Atomic uint32_t tail; /* consumer: wo, producer: ro */
	uint32_t head_seen;                /* consumer only */
};

#define SB_RING_AHEAD 4 /* elements: a ring is larger than a cache, so each slot is asked for before its turn */
#define SB_RING_LINE  64

static inline void *sb_ring_slot(const struct sb_ring *r, uint32_t i)
{
	return r->slots + (size_t)(i & r->mask) * r->elem_size;
}

/* Mails, which are one cache line, without a call. */
static inline void sb_ring_copy(const struct sb_ring *r, void *to, const void *from)
{
	if (r->elem_size == SB_RING_LINE)
		memcpy(to, from, SB_RING_LINE);
	else
		memcpy(to, from, r->elem_size);
}

/* slots: a power of two. 0 or -1 (SB_E_NOMEM). */
static inline int sb_ring_init(struct sb_ring *r, uint32_t slots, uint32_t elem_size)
{
	memset(r, 0, sizeof *r);
	r->slots = aligned_alloc(64, ((size_t)slots * elem_size + 63) & ~(size_t)63);
	if (!r->slots)
		return -1;
	r->mask = slots - 1;
	r->elem_size = elem_size;
	return 0;
}

static inline void sb_ring_fini(struct sb_ring *r)
{
	free(r->slots);
	r->slots = NULL;
}

/* Producer: how many elements fit now (exact or less). */
static inline uint32_t sb_ring_room(struct sb_ring *r)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
	return r->mask + 1 - (head - r->tail_seen);
}

/* Producer: where the next element is to be written, its old bytes still in it; NULL when full. sb_ring_commit() hands
 * it over. For elements whose members are written one by one: to copy them as a whole right after would have to wait
 * until each of these stores is done. */
static inline void *sb_ring_begin(struct sb_ring *r)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	if (head - r->tail_seen > r->mask) {
		r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
		if (head - r->tail_seen > r->mask)
			return NULL;
	}
	__builtin_prefetch(sb_ring_slot(r, head + SB_RING_AHEAD), 1);
	return sb_ring_slot(r, head);
}

static inline void sb_ring_commit(struct sb_ring *r)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	atomic_store_explicit(&r->head, head + 1, memory_order_release);
}

/* Producer: copies one element in. False when full: nothing was put. */
static inline bool sb_ring_put(struct sb_ring *r, const void *elem)
{
	void *slot = sb_ring_begin(r);
	if (!slot)
		return false;
	sb_ring_copy(r, slot, elem);
	sb_ring_commit(r);
	return true;
}

/* Consumer: copies one element out. False when empty. */
static inline bool sb_ring_take(struct sb_ring *r, void *elem)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	if (tail == r->head_seen) {
		r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
		if (tail == r->head_seen)
			return false;
	}
	if (r->head_seen - tail > SB_RING_AHEAD)
		__builtin_prefetch(sb_ring_slot(r, tail + SB_RING_AHEAD));
	sb_ring_copy(r, elem, sb_ring_slot(r, tail));
	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
	return true;
}
