/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/call/store.h"
#include "dataplane/sip/sip.h"
#include <string.h>

/* Fine steps where SIP messages are (500 to 2000 bytes), doubling above: a ringing INVITE of 700 bytes costs 832. */
static const uint32_t class_bytes[SB_STORE_CLASSES] = {
        448, 640, 832, 1088, 1600, 2240, 4160, 8256, 16448, 32832, 65600 + 64};

void sb_store_init(struct sb_store *s, void *region, uint64_t size)
{
	memset(s, 0, sizeof *s);
	s->region = region;
	s->size = size;
	s->cut = 64; /* place 0 means none */
}

static uint8_t *chunk(const struct sb_store *s, uint32_t at)
{
	return s->region + (uint64_t)at * 64;
}

/* A chunk of exactly this class: from its free list, or cut anew. 0: neither. */
static uint32_t take(struct sb_store *s, unsigned class)
{
	uint32_t at = s->free[class];
	if (at) {
		memcpy(&s->free[class], chunk(s, at), sizeof at);
		return at;
	}
	if (s->size - s->cut < class_bytes[class] + SB_SIP_PAD)
		return 0;
	at = (uint32_t)(s->cut / 64);
	s->cut += class_bytes[class];
	return at;
}

struct sb_text sb_store_put(struct sb_store *s, const char *text, uint32_t len)
{
	struct sb_text t = {0};
	for (unsigned class = 0; class < SB_STORE_CLASSES; class ++) {
		if (class_bytes[class] < len + SB_SIP_PAD)
			continue;
		t.at = take(s, class);
		if (!t.at)
			continue; /* a larger chunk may still be free */
		t.class = (uint8_t) class;
		t.len = (uint16_t)len;
		memcpy(chunk(s, t.at), text, len);
		s->in_use += class_bytes[class];
		return t;
	}
	return t;
}

void sb_store_drop(struct sb_store *s, struct sb_text *t)
{
	if (!t->at)
		return;
	memcpy(chunk(s, t->at), &s->free[t->class], sizeof t->at);
	s->free[t->class] = t->at;
	s->in_use -= class_bytes[t->class];
	memset(t, 0, sizeof *t);
}
