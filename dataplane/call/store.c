/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/call/store.h"
#include "dataplane/sip/sip.h"
#include <stdbool.h>
#include <string.h>

static uint32_t bytes_of(unsigned class)
{
	unsigned fine = (SB_STORE_FINE - SB_STORE_LEAST) / SB_STORE_UNIT + 1;
	return class < fine ? SB_STORE_LEAST + class * SB_STORE_UNIT : (uint32_t)SB_STORE_COARSE << (class - fine);
}

/* The smallest whose chunks hold len bytes. */
static unsigned class_for(uint32_t len)
{
	if (len <= SB_STORE_LEAST)
		return 0;
	if (len <= SB_STORE_FINE)
		return (len - SB_STORE_LEAST + SB_STORE_UNIT - 1) / SB_STORE_UNIT;
	unsigned class = (SB_STORE_FINE - SB_STORE_LEAST) / SB_STORE_UNIT + 1;
	while (bytes_of(class) < len)
		class ++;
	return class;
}

void sb_store_init(struct sb_store *s, void *region, uint64_t size)
{
	memset(s, 0, sizeof *s);
	s->region = region;
	s->page = region;
	s->n_pages = (uint32_t)(size / (SB_STORE_PAGE + sizeof(struct sb_store_page)));
	size_t head = (s->n_pages * sizeof(struct sb_store_page) + 63) & ~(size_t)63;
	if (s->n_pages && head + (uint64_t)s->n_pages * SB_STORE_PAGE > size)
		s->n_pages--;
	s->first = s->region + (head ? head : 64);
}

static uint8_t *chunk(const struct sb_store *s, uint32_t at)
{
	return s->region + (uint64_t)at * SB_STORE_UNIT;
}

static void link_page(struct sb_store *s, uint32_t *head, uint32_t p)
{
	s->page[p].prev = 0;
	s->page[p].next = *head;
	if (*head)
		s->page[*head - 1].prev = p + 1;
	*head = p + 1;
}

static void unlink_page(struct sb_store *s, uint32_t *head, uint32_t p)
{
	struct sb_store_page *g = &s->page[p];
	if (g->prev)
		s->page[g->prev - 1].next = g->next;
	else
		*head = g->next;
	if (g->next)
		s->page[g->next - 1].prev = g->prev;
}

/* A page for this class with at least one chunk to give; false: none can be had. */
static bool page_for(struct sb_store *s, unsigned class)
{
	uint32_t p;
	if (s->partial[class])
		return true;
	if (s->empty) {
		p = s->empty - 1;
		unlink_page(s, &s->empty, p);
	} else if (s->top < s->n_pages) {
		p = s->top++;
	} else {
		return false;
	}
	uint32_t bytes = bytes_of(class);
	s->page[p] = (struct sb_store_page){
	        .bytes = bytes, .n = (uint16_t)(SB_STORE_PAGE / bytes), .class = (uint8_t) class};
	link_page(s, &s->partial[class], p);
	return true;
}

static uint32_t take(struct sb_store *s, unsigned class)
{
	if (!page_for(s, class))
		return 0;
	uint32_t p = s->partial[class] - 1, at;
	struct sb_store_page *g = &s->page[p];
	if (g->free) {
		at = g->free;
		memcpy(&g->free, chunk(s, at), sizeof at);
		if (g->free) /* its beginning is read when its turn comes */
			__builtin_prefetch(chunk(s, g->free), 1);
	} else {
		uint64_t offset = (uint64_t)p * SB_STORE_PAGE + (uint64_t)g->cut++ * g->bytes;
		at = (uint32_t)(((uint64_t)(s->first - s->region) + offset) / SB_STORE_UNIT);
	}
	if (++g->used == g->n)
		unlink_page(s, &s->partial[class], p);
	s->in_use += g->bytes;
	return at;
}

struct sb_text sb_store_put(struct sb_store *s, const char *text, uint32_t len)
{
	struct sb_text t = {0};
	if (len > SB_SIP_MAX)
		return t;
	for (unsigned class = class_for(len); class < SB_STORE_CLASSES; class ++) {
		t.at = take(s, class);
		if (!t.at)
			continue; /* a larger chunk may still be free */
		t.len = (uint16_t)len;
		memcpy(chunk(s, t.at), text, len);
		return t;
	}
	return t;
}

static uint32_t page_of(const struct sb_store *s, struct sb_text t)
{
	return (uint32_t)((uint64_t)(chunk(s, t.at) - s->first) / SB_STORE_PAGE);
}

void sb_store_prefetch(const struct sb_store *s, struct sb_text t)
{
	if (!t.at)
		return;
	__builtin_prefetch(&s->page[page_of(s, t)], 1);
	__builtin_prefetch(chunk(s, t.at), 1);
}

void sb_store_drop(struct sb_store *s, struct sb_text *t)
{
	if (!t->at)
		return;
	uint32_t p = page_of(s, *t);
	struct sb_store_page *g = &s->page[p];
	if (g->used-- == g->n)
		link_page(s, &s->partial[g->class], p);
	memcpy(chunk(s, t->at), &g->free, sizeof g->free);
	g->free = t->at;
	s->in_use -= g->bytes;
	if (g->used == 0) {
		unlink_page(s, &s->partial[g->class], p);
		link_page(s, &s->empty, p);
	}
	memset(t, 0, sizeof *t);
}
