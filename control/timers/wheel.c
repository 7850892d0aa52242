/* SPDX-License-Identifier: BSD-3-Clause */
/* wheel.c - see wheel.h.
 * A bucket of level l is 256^l ms wide. Of the 512 buckets of a level one half is for the block of 256 that the tick is
 * in, the other for the block after it, and a timer lies at the lowest level one of whose two blocks holds its
 * deadline. So while the tick goes through one bucket of a higher level, the timers of the next one can already move
 * down ("ahead"): each millisecond an even share of them. What time that leaps has left there moves when the tick
 * enters the bucket
 * ("cascade"). The first used bucket of all levels holds the next thing to happen, and a leap of time costs buckets in
 * use, not milliseconds. */
#include "control/timers/wheel.h"
#include <switchback/err.h>
#include <string.h>

struct sb_wheel_node {
	uint32_t next, prev; /* index in node[]; 0: not armed (node 0 is never used) */
	union {
		uint32_t gen;
		uint32_t count; /* of a list's head at level 1 and above: nodes in the list */
	};
	uint32_t home; /* the head that counts this node; 0: none does */
	uint64_t deadline_ms;
};
_Static_assert(sizeof(struct sb_wheel_node) == 24, "a million transactions cost 24 MB");

/* Lists: head nodes of two-way rings, so that unlinking a node needs no word of which list it is in. */
enum {
	HEAD_DUE = 1, /* to be fired, in order */
	HEAD_FAR,     /* beyond the 2^32 ms of the tick's own era, and those of the next */
	HEAD_AGAIN,   /* of HEAD_FAR, to be looked at again since a new era began */
	HEAD_BUCKET,
	HEADS = HEAD_BUCKET + SB_WHEEL_LEVELS * SB_WHEEL_BUCKETS
};

#define WORDS   (SB_WHEEL_BUCKETS / 64)
#define LAST_MS (UINT64_MAX - 1) /* the tick stands at most one after it, so it never wraps */

size_t sb_wheel_memory(uint32_t n_ids)
{
	return ((size_t)n_ids + HEADS) * sizeof(struct sb_wheel_node);
}

static unsigned bucket_of(uint64_t t, unsigned level)
{
	return t >> 8 * level & (SB_WHEEL_BUCKETS - 1);
}

static uint32_t bucket_head(unsigned level, unsigned bucket)
{
	return HEAD_BUCKET + level * SB_WHEEL_BUCKETS + bucket;
}

static bool list_empty(const struct sb_wheel *w, uint32_t head)
{
	return w->node[head].next == head;
}

static void link_after(struct sb_wheel *w, uint32_t at, uint32_t n)
{
	uint32_t next = w->node[at].next;
	w->node[n].prev = at;
	w->node[n].next = next;
	w->node[next].prev = n;
	w->node[at].next = n;
}

static void unlink_node(struct sb_wheel *w, uint32_t n)
{
	struct sb_wheel_node *x = &w->node[n];
	w->node[x->prev].next = x->next;
	w->node[x->next].prev = x->prev;
	w->node[x->home].count--; /* of node 0 nobody asks */
	x->next = x->prev = 0;
}

/* Moves all of from to the end of to: O(1). */
static void splice(struct sb_wheel *w, uint32_t to, uint32_t from)
{
	struct sb_wheel_node *a = &w->node[to], *b = &w->node[from];
	if (b->next == from)
		return;
	w->node[a->prev].next = b->next;
	w->node[b->next].prev = a->prev;
	w->node[b->prev].next = to;
	a->prev = b->prev;
	b->next = b->prev = from;
}

void sb_wheel_init(struct sb_wheel *w, void *memory, uint32_t n_ids, uint64_t now_ms)
{
	memset(w, 0, sizeof *w);
	w->node = memory;
	w->n_ids = n_ids;
	w->tick_ms = now_ms;
	for (uint32_t h = HEAD_DUE; h < HEADS; h++)
		w->node[h].next = w->node[h].prev = h;
}

/* Puts an unlinked node where its deadline belongs, seen from the tick. */
static void place(struct sb_wheel *w, uint32_t n)
{
	uint64_t deadline = w->node[n].deadline_ms;
	uint32_t head = HEAD_FAR, home = 0;
	if (deadline < w->tick_ms)
		head = HEAD_DUE;
	for (unsigned level = 0; head == HEAD_FAR && level < SB_WHEEL_LEVELS; level++) {
		if ((deadline >> 8 * (level + 1)) - (w->tick_ms >> 8 * (level + 1)) > 1)
			continue;
		unsigned bucket = bucket_of(deadline, level);
		head = bucket_head(level, bucket);
		w->used[level][bucket / 64] |= 1ull << bucket % 64;
		if (level > 0) /* level 0 becomes due as a whole: nobody counts there */
			home = head;
	}
	w->node[n].home = home;
	w->node[home].count++;
	link_after(w, w->node[head].prev, n);
}

int sb_wheel_arm(struct sb_wheel *w, uint32_t id, uint32_t gen, uint64_t deadline_ms)
{
	if (id >= w->n_ids)
		return SB_E_INVAL;
	uint32_t n = id + HEADS;
	if (w->node[n].next)
		unlink_node(w, n);
	else
		w->n_armed++;
	w->node[n].gen = gen;
	w->node[n].deadline_ms = deadline_ms < LAST_MS ? deadline_ms : LAST_MS;
	place(w, n);
	return 0;
}

void sb_wheel_prefetch(const struct sb_wheel *w, uint32_t id)
{
	__builtin_prefetch(&w->node[id < w->n_ids ? id + HEADS : 0], 1);
}

void sb_wheel_cancel(struct sb_wheel *w, uint32_t id)
{
	if (id >= w->n_ids || !w->node[id + HEADS].next)
		return;
	unlink_node(w, id + HEADS);
	w->n_armed--;
}

uint64_t sb_wheel_deadline(const struct sb_wheel *w, uint32_t id)
{
	if (id >= w->n_ids || !w->node[id + HEADS].next)
		return UINT64_MAX;
	return w->node[id + HEADS].deadline_ms;
}

/* Fires the due list. False: budget or receiver stopped it. */
static bool fire_due(struct sb_wheel *w, uint32_t *budget, uint32_t *fired, sb_wheel_fire *fire, void *ctx)
{
	while (!list_empty(w, HEAD_DUE)) {
		if (!*budget)
			return false;
		uint32_t n = w->node[HEAD_DUE].next, id = n - HEADS;
		uint64_t deadline = w->node[n].deadline_ms;
		unlink_node(w, n);
		w->n_armed--;
		if (!fire(ctx, id, w->node[n].gen, deadline)) {
			if (!w->node[n].next) {
				link_after(w, HEAD_DUE, n);
				w->n_armed++;
			}
			return false;
		}
		(*budget)--;
		(*fired)++;
	}
	return true;
}

/* Places every node of a list anew. False: budget over, the rest waits in the list. */
static bool cascade_list(struct sb_wheel *w, uint32_t head, uint32_t *budget)
{
	while (!list_empty(w, head)) {
		if (!*budget)
			return false;
		uint32_t n = w->node[head].next;
		unlink_node(w, n);
		place(w, n);
		(*budget)--;
	}
	return true;
}

/* Brings down what the tick has reached at every level. */
static bool cascade(struct sb_wheel *w, uint32_t *budget)
{
	if (!cascade_list(w, HEAD_AGAIN, budget))
		return false;
	for (unsigned level = SB_WHEEL_LEVELS - 1; level > 0; level--) {
		if (!cascade_list(w, bucket_head(level, bucket_of(w->tick_ms, level)), budget))
			return false;
	}
	return true;
}

/* Steps from a bucket to the first in use, itself included, round the ring; SB_WHEEL_BUCKETS if none is. */
static unsigned next_bucket(const struct sb_wheel *w, unsigned level, unsigned from)
{
	for (unsigned i = 0; i <= WORDS; i++) {
		unsigned word = (from / 64 + i) % WORDS;
		uint64_t bits = w->used[level][word];
		if (i == 0)
			bits &= ~0ull << from % 64;
		for (; bits; bits &= bits - 1) {
			unsigned bucket = word * 64 + (unsigned)__builtin_ctzll(bits);
			if (!list_empty(w, bucket_head(level, bucket)))
				return (bucket - from) % SB_WHEEL_BUCKETS;
		}
	}
	return SB_WHEEL_BUCKETS;
}

/* The start of the next bucket in use; UINT64_MAX if the wheel is empty. Nothing due is looked at. */
static uint64_t next_start(const struct sb_wheel *w)
{
	uint64_t first = list_empty(w, HEAD_FAR) ? UINT64_MAX : ((w->tick_ms >> 32) + 1) << 32;
	for (unsigned level = 0; level < SB_WHEEL_LEVELS; level++) {
		unsigned steps = next_bucket(w, level, bucket_of(w->tick_ms, level));
		if (steps == SB_WHEEL_BUCKETS)
			continue;
		uint64_t start = ((w->tick_ms >> 8 * level) + steps) << 8 * level;
		first = start < first ? start : first;
	}
	return first > w->tick_ms ? first : w->tick_ms;
}

static void set_tick(struct sb_wheel *w, uint64_t tick_ms)
{
	if (tick_ms >> 32 != w->tick_ms >> 32)
		splice(w, HEAD_AGAIN, HEAD_FAR);
	w->tick_ms = tick_ms;
}

/* All of the tick's own bucket is due; its bit goes, and the tick moves on. */
static void take_tick(struct sb_wheel *w)
{
	unsigned bucket = bucket_of(w->tick_ms, 0);
	splice(w, HEAD_DUE, bucket_head(0, bucket));
	for (unsigned level = 0; level < SB_WHEEL_LEVELS; level++) {
		unsigned at = bucket_of(w->tick_ms, level);
		w->used[level][at / 64] &= ~(1ull << at % 64);
	}
	set_tick(w, w->tick_ms + 1);
}

/* Of what the next bucket of each higher level holds, moves the share of the milliseconds gone by in those that are
 * left until the tick gets there. Nothing is armed into a bucket that is the next one, so the shares are even. */
static void ahead(struct sb_wheel *w, uint64_t gone_ms, uint32_t *budget)
{
	for (unsigned level = 1; gone_ms && level < SB_WHEEL_LEVELS; level++) {
		uint64_t next = (w->tick_ms >> 8 * level) + 1, left_ms = (next << 8 * level) - w->tick_ms;
		uint32_t head = bucket_head(level, bucket_of(next << 8 * level, level)), n = w->node[head].count;
		uint64_t share = gone_ms < left_ms ? n * gone_ms / left_ms + 1 : n;
		uint32_t part = share < *budget ? (uint32_t)share : *budget;
		*budget -= part;
		cascade_list(w, head, &part);
		*budget += part;
	}
}

static void run(struct sb_wheel *w, uint64_t now_ms, uint32_t *budget, uint32_t *fired, sb_wheel_fire *fire, void *ctx)
{
	/* Bounded: each turn fires or moves at least one timer (budget), or crosses one bucket boundary with a timer
	 * behind it, of which there are at most as many as levels before a timer fires. */
	for (;;) {
		if (!fire_due(w, budget, fired, fire, ctx) || w->tick_ms > now_ms)
			return;
		if (!cascade(w, budget))
			return;
		uint64_t start = next_start(w);
		if (start > now_ms) {
			set_tick(w, now_ms + 1);
			return;
		}
		if (start > w->tick_ms)
			set_tick(w, start);
		else
			take_tick(w);
	}
}

uint32_t sb_wheel_advance(struct sb_wheel *w, uint64_t now_ms, uint32_t budget, sb_wheel_fire *fire, void *ctx)
{
	uint32_t fired = 0;
	uint64_t before_ms = w->tick_ms;
	run(w, now_ms < LAST_MS ? now_ms : LAST_MS, &budget, &fired, fire, ctx);
	ahead(w, w->tick_ms - before_ms, &budget);
	return fired;
}

uint64_t sb_wheel_next_ms(const struct sb_wheel *w)
{
	if (!list_empty(w, HEAD_DUE))
		return 0;
	if (!list_empty(w, HEAD_AGAIN))
		return w->tick_ms;
	return w->n_armed ? next_start(w) : UINT64_MAX;
}
