/* SPDX-License-Identifier: BSD-3-Clause */
/* store.h - where a worker keeps message texts: size classes of 64-byte-aligned chunks, cut from one region, never
 * given back to it. Owner: one worker. Every operation is O(number of classes). Each chunk has SB_SIP_PAD bytes behind
 * its text. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* A stored text; at 0: none. 8 bytes, so that a transaction can hold several. */
struct sb_text {
	uint32_t at;  /* chunk's place in the region, in units of 64 bytes */
	uint16_t len; /* bytes of text */
	uint8_t class;
	uint8_t zero;
};

#define SB_STORE_CLASSES 11

struct sb_store {
	uint8_t *region;
	uint64_t size, cut;              /* bytes; how many have been cut into chunks */
	uint64_t in_use;                 /* bytes of chunks handed out */
	uint32_t free[SB_STORE_CLASSES]; /* heads of free lists, linked through the chunks; 0: empty */
};

/* region: 64-aligned, borrowed for the store's life. */
void sb_store_init(struct sb_store *s, void *region, uint64_t size);

/* Copies len bytes in. at is 0 when there is no room. */
struct sb_text sb_store_put(struct sb_store *s, const char *text, uint32_t len);

/* Gives a text back and clears it; nothing happens to a cleared one. */
void sb_store_drop(struct sb_store *s, struct sb_text *t);

static inline const char *sb_store_text(const struct sb_store *s, struct sb_text t)
{
	return (const char *)s->region + (uint64_t)t.at * 64;
}
