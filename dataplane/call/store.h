/* SPDX-License-Identifier: BSD-3-Clause */
/* store.h - where a worker keeps message texts: a region cut into pages, each page into 64-byte-aligned chunks of one
 * size. A page whose chunks are all back serves any size again, so no burst of small texts can lock large ones out.
 * Owner: one worker. Every operation is O(number of sizes). Each chunk has SB_SIP_PAD bytes behind its text. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* A stored text; at 0: none. 8 bytes, so that a transaction can hold several. */
struct sb_text {
	uint32_t at;  /* chunk's place in the region, in units of 64 bytes */
	uint16_t len; /* bytes of text */
	uint16_t zero;
};

#define SB_STORE_CLASSES 14
#define SB_STORE_PAGE    131328 /* bytes: two of the largest chunks */

struct sb_store_page {
	uint32_t free;       /* first chunk that came back (place), 0: none; linked through the chunks */
	uint32_t prev, next; /* page + 1 in the list it is on; 0: end */
	uint16_t used, cut;  /* chunks handed out; chunks ever cut */
	uint8_t class;
};

struct sb_store {
	uint8_t *region;
	struct sb_store_page *page;         /* at the region's beginning */
	uint8_t *first;                     /* page 0's bytes */
	uint32_t n_pages, top;              /* pages; how many were ever used */
	uint32_t empty;                     /* list of pages without a class (page + 1) */
	uint32_t partial[SB_STORE_CLASSES]; /* lists of pages with room */
	uint64_t in_use;                    /* bytes of chunks handed out */
};

/* region: 64-aligned, borrowed for the store's life. */
void sb_store_init(struct sb_store *s, void *region, uint64_t size);

/* Copies len bytes in. at is 0 when there is no room. */
struct sb_text sb_store_put(struct sb_store *s, const char *text, uint32_t len);

/* Gives a text back and clears it; nothing happens to a cleared one. */
void sb_store_drop(struct sb_store *s, struct sb_text *t);

/* Asks the caches for what giving it back will touch. */
void sb_store_prefetch(const struct sb_store *s, struct sb_text t);

static inline const char *sb_store_text(const struct sb_store *s, struct sb_text t)
{
	return (const char *)s->region + (uint64_t)t.at * 64;
}
