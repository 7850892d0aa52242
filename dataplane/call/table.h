/* SPDX-License-Identifier: BSD-3-Clause */
/* table.h - finds transactions and lingering records by server key: a bucket is one cache line and holds 16 bits of
 * each key, so whoever looks for a key that is not there reads nothing else as a rule. It grows a bucket at a time
 * (linear hashing), so it covers no more memory than what was in use at once needs: of a large table, the page tables
 * are what costs. Owner: one worker. Knows of what it names only how it begins. */
#pragma once
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SB_NONE        0xffffffffu /* no slot, no record */
#define SB_REF_SECOND  0x80000000u /* in a ref: of the second array; the rest is an index */
#define SB_TABLE_SLOTS 10          /* objects that a bucket itself has room for */
#define SB_TABLE_SHARE 4           /* objects a bucket on average; with more of them a bucket is added */
#define SB_TABLE_LEAST 16          /* buckets; a power of two */

/* How whatever can be found begins. */
struct sb_keyed {
	uint64_t key;  /* server transaction key (17.2.3), keyed hash */
	uint32_t key2; /* and a second one of Call-ID and CSeq: 96 bits must agree */
	uint32_t next; /* of those that their bucket has no room for; its owner's while it is not in the table */
};

struct sb_bucket {
	alignas(64) uint16_t tag[SB_TABLE_SLOTS]; /* upper bits of the key */
	uint32_t ref[SB_TABLE_SLOTS];             /* SB_NONE: free */
	uint32_t more;                            /* those without room, by their next; SB_NONE: none */
};
_Static_assert(sizeof(struct sb_bucket) == 64, "a look-up reads one cache line");

struct sb_table {
	struct sb_bucket *bucket;
	uint32_t n_buckets, max;
	uint32_t round; /* a power of two: so many buckets there were before the first of them was split, this time
	                   round */
	uint32_t n;     /* objects */
	struct sb_table_of {
		void *base; /* objects of `size` bytes, each a struct sb_keyed to begin with */
		size_t size;
	} of[2];
};

/* Buckets for so many objects at most. */
uint32_t sb_table_buckets(uint64_t objects);
/* bucket: room for max of them, what sb_table_buckets() said. first, second: where refs point, without and with
 * SB_REF_SECOND. */
void sb_table_init(struct sb_table *t, struct sb_bucket *bucket, uint32_t max, struct sb_table_of first,
        struct sb_table_of second);
/* Its key is set. At most one bucket is split, so what it costs is bounded. */
void sb_table_add(struct sb_table *t, uint32_t ref);
/* ref is in it. */
void sb_table_drop(struct sb_table *t, uint32_t ref);
/* `by`, with the same key, comes in its place; ref is in it. */
void sb_table_replace(struct sb_table *t, uint32_t ref, uint32_t by);
/* SB_NONE: there is none. */
uint32_t sb_table_find(const struct sb_table *t, uint64_t key, uint32_t key2);

static inline struct sb_keyed *sb_table_at(const struct sb_table *t, uint32_t ref)
{
	const struct sb_table_of *of = &t->of[ref / SB_REF_SECOND];
	return (struct sb_keyed *)(void *)((uint8_t *)of->base + (size_t)(ref & ~SB_REF_SECOND) * of->size);
}

static inline struct sb_bucket *sb_table_bucket(const struct sb_table *t, uint64_t key)
{
	uint32_t i = (uint32_t)key & (2 * t->round - 1);
	return &t->bucket[i < t->n_buckets ? i : i - t->round];
}

static inline void sb_table_prefetch(const struct sb_table *t, uint64_t key)
{
	__builtin_prefetch(sb_table_bucket(t, key), 1);
}
