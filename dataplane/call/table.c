/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/call/table.h"

uint32_t sb_table_buckets(uint64_t objects)
{
	uint64_t n = objects / SB_TABLE_SHARE + 1;
	return n < SB_TABLE_LEAST ? SB_TABLE_LEAST : (uint32_t)n;
}

static uint16_t tag_of(uint64_t key)
{
	return (uint16_t)(key >> 48); /* not of the bits that choose the bucket */
}

static void clear(struct sb_bucket *b)
{
	for (unsigned i = 0; i < SB_TABLE_SLOTS; i++)
		b->ref[i] = SB_NONE;
	b->more = SB_NONE;
}

void sb_table_init(
        struct sb_table *t, struct sb_bucket *bucket, uint32_t max, struct sb_table_of first, struct sb_table_of second)
{
	*t = (struct sb_table){.bucket = bucket,
	        .max = max,
	        .n_buckets = SB_TABLE_LEAST,
	        .round = SB_TABLE_LEAST,
	        .of = {first, second}};
	for (uint32_t i = 0; i < t->n_buckets; i++)
		clear(&bucket[i]);
}

/* Which of the places hold ref, a bit for each: how many are taken is as good as random, so nothing is guessed. */
static unsigned places(const struct sb_bucket *b, uint32_t ref)
{
	unsigned found = 0;
	for (unsigned i = 0; i < SB_TABLE_SLOTS; i++)
		found |= (unsigned)(b->ref[i] == ref) << i;
	return found;
}

static unsigned first(unsigned places)
{
	return (unsigned)__builtin_ctz(places);
}

static void put(struct sb_table *t, struct sb_bucket *b, uint32_t ref, uint16_t tag)
{
	unsigned free = places(b, SB_NONE);
	if (free) {
		b->ref[first(free)] = ref;
		b->tag[first(free)] = tag;
	} else {
		sb_table_at(t, ref)->next = b->more;
		b->more = ref;
	}
}

static void place(struct sb_table *t, uint32_t ref)
{
	uint64_t key = sb_table_at(t, ref)->key;
	put(t, sb_table_bucket(t, key), ref, tag_of(key));
}

/* The next bucket in turn shares its objects with a new one, as one bit more of their keys says. */
static void split(struct sb_table *t)
{
	struct sb_bucket *from = &t->bucket[t->n_buckets - t->round], old = *from;
	clear(from);
	clear(&t->bucket[t->n_buckets++]);
	for (unsigned i = 0; i < SB_TABLE_SLOTS; i++)
		if (old.ref[i] != SB_NONE)
			place(t, old.ref[i]);
	for (uint32_t ref = old.more, next; ref != SB_NONE; ref = next) {
		next = sb_table_at(t, ref)->next;
		place(t, ref);
	}
	if (t->n_buckets == 2 * t->round)
		t->round *= 2;
}

/* One object or two before a bucket is split: what it names is anywhere in memory. */
static void prefetch_split(const struct sb_table *t, uint64_t objects_left)
{
	const struct sb_bucket *from = &t->bucket[t->n_buckets - t->round];
	if (objects_left == 1) {
		__builtin_prefetch(from, 1);
		__builtin_prefetch(&t->bucket[t->n_buckets], 1);
	}
	for (unsigned i = 0; i < SB_TABLE_SLOTS && objects_left == 0; i++)
		if (from->ref[i] != SB_NONE)
			__builtin_prefetch(sb_table_at(t, from->ref[i]));
}

void sb_table_add(struct sb_table *t, uint32_t ref)
{
	const uint64_t enough = (uint64_t)t->n_buckets * SB_TABLE_SHARE;
	place(t, ref);
	t->n++;
	if (t->n + 1 < enough || t->n_buckets == t->max)
		return;
	if (t->n > enough)
		split(t);
	else
		prefetch_split(t, enough - t->n);
}

/* The link to ref among those that had no room. */
static uint32_t *link_to(const struct sb_table *t, struct sb_bucket *b, uint32_t ref)
{
	uint32_t *p = &b->more;
	while (*p != ref && *p != SB_NONE)
		p = &sb_table_at(t, *p)->next;
	return p;
}

/* The first of those that had no room takes the place. */
static void vacate(struct sb_table *t, struct sb_bucket *b, unsigned i)
{
	b->ref[i] = b->more;
	if (b->more == SB_NONE)
		return;
	struct sb_keyed *o = sb_table_at(t, b->more);
	b->tag[i] = tag_of(o->key);
	b->more = o->next;
}

void sb_table_drop(struct sb_table *t, uint32_t ref)
{
	struct sb_bucket *b = sb_table_bucket(t, sb_table_at(t, ref)->key);
	unsigned at = places(b, ref);
	t->n--;
	if (at) {
		vacate(t, b, first(at));
	} else {
		uint32_t *link = link_to(t, b, ref);
		*link = *link == ref ? sb_table_at(t, ref)->next : SB_NONE;
	}
}

void sb_table_replace(struct sb_table *t, uint32_t ref, uint32_t by)
{
	struct sb_bucket *b = sb_table_bucket(t, sb_table_at(t, ref)->key);
	unsigned at = places(b, ref);
	if (at) {
		b->ref[first(at)] = by;
	} else {
		sb_table_at(t, by)->next = sb_table_at(t, ref)->next;
		*link_to(t, b, ref) = by;
	}
}

static bool is(const struct sb_table *t, uint32_t ref, uint64_t key, uint32_t key2)
{
	const struct sb_keyed *o = sb_table_at(t, ref);
	return o->key == key && o->key2 == key2;
}

uint32_t sb_table_find(const struct sb_table *t, uint64_t key, uint32_t key2)
{
	const struct sb_bucket *b = sb_table_bucket(t, key);
	const uint16_t tag = tag_of(key);
	unsigned alike = 0;
	for (unsigned i = 0; i < SB_TABLE_SLOTS; i++)
		alike |= (unsigned)(b->tag[i] == tag) << i;
	for (; alike; alike &= alike - 1)
		if (b->ref[first(alike)] != SB_NONE && is(t, b->ref[first(alike)], key, key2))
			return b->ref[first(alike)];
	for (uint32_t ref = b->more; ref != SB_NONE; ref = sb_table_at(t, ref)->next)
		if (is(t, ref, key, key2))
			return ref;
	return SB_NONE;
}
