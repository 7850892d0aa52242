/* SPDX-License-Identifier: BSD-3-Clause */
/* store.h - where a worker keeps message texts: a region cut into pages, each page into 32-byte-aligned chunks of one
 * size. A page whose chunks are all back serves any size again, so no burst of small texts can lock large ones out.
 * Owner: one worker. Every operation is O(number of sizes). SB_SIP_PAD bytes behind a text can be read: most often they
 * are of the next one. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* A stored text; at 0: none. 8 bytes, so that a transaction can hold several. */
struct sb_text {
	uint32_t at;  /* chunk's place in the region, in units of SB_STORE_UNIT bytes */
	uint16_t len; /* bytes of text */
	uint16_t zero;
};

/* Sizes of chunks: one for each unit where SIP messages are, so that little of millions of them is lost to rounding;
 * doubling above. */
#define SB_STORE_UNIT    32
#define SB_STORE_LEAST   320  /* bytes of the smallest chunks */
#define SB_STORE_FINE    1536 /* ... and of the last that is one unit larger than the one before */
#define SB_STORE_COARSE  2048 /* the next */
#define SB_STORE_LARGEST 65536
#define SB_STORE_CLASSES ((SB_STORE_FINE - SB_STORE_LEAST) / SB_STORE_UNIT + 1 + 6)
#define SB_STORE_PAGE    131072 /* bytes: two of the largest chunks */
_Static_assert(SB_STORE_COARSE << 5 == SB_STORE_LARGEST, "six sizes above the fine ones");

struct sb_store_page {
	uint32_t free;       /* first chunk that came back (place), 0: none; linked through the chunks */
	uint32_t prev, next; /* page + 1 in the list it is on; 0: end */
	uint16_t used, cut;  /* chunks handed out; chunks ever cut */
	uint32_t bytes;      /* of a chunk */
	uint16_t n;          /* chunks that it holds */
	uint8_t class;
	uint8_t zero[9];
};
_Static_assert(sizeof(struct sb_store_page) == 32, "never on two cache lines: of random pages each is a miss");

struct sb_store {
	uint8_t *region;
	struct sb_store_page *page;         /* at the region's beginning */
	uint8_t *first;                     /* page 0's bytes */
	uint32_t n_pages, top;              /* pages; how many were ever used */
	uint32_t empty;                     /* list of pages without a class (page + 1) */
	uint32_t partial[SB_STORE_CLASSES]; /* lists of pages with room */
	uint64_t in_use;                    /* bytes of chunks handed out */
};

/* region: 64-aligned, borrowed for the store's life; SB_SIP_PAD bytes behind it can be read as well. */
void sb_store_init(struct sb_store *s, void *region, uint64_t size);

/* Copies len bytes in. at is 0 when there is no room. */
struct sb_text sb_store_put(struct sb_store *s, const char *text, uint32_t len);

/* Gives a text back and clears it; nothing happens to a cleared one. */
void sb_store_drop(struct sb_store *s, struct sb_text *t);

/* Asks the caches for what giving it back will touch. */
void sb_store_prefetch(const struct sb_store *s, struct sb_text t);

static inline const char *sb_store_text(const struct sb_store *s, struct sb_text t)
{
	return (const char *)s->region + (uint64_t)t.at * SB_STORE_UNIT;
}
