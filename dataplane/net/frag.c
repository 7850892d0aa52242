/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/net/frag.h"

void sb_frag_init(struct sb_frag_table *t, uint32_t n_slots, const struct sb_frag_ops *ops)
{
	memset(t, 0, sizeof *t);
	t->n_slots = n_slots < SB_FRAG_SLOTS ? n_slots : SB_FRAG_SLOTS;
	t->ops = *ops;
}

static void give_up(struct sb_frag_table *t, struct sb_frag *s)
{
	t->ops.free(t->ops.ctx, s->buf);
	s->buf = NULL;
	t->n_busy--;
}

static struct sb_frag *find(struct sb_frag_table *t, const struct sb_frame *f, uint16_t port)
{
	for (uint32_t i = 0; t->n_busy && i < t->n_slots; i++) {
		struct sb_frag *s = &t->slot[i];
		if (s->buf && s->id == f->frag_id && s->port == port && s->vlan == f->vlan &&
		        sb_addr_same_ip(&s->src, &f->src) && sb_addr_same_ip(&s->dst, &f->dst))
			return s;
	}
	return NULL;
}

/* A free slot, or the oldest one's: a flood of first pieces must not lock out everybody else for a lifetime. */
static struct sb_frag *make_room(struct sb_frag_table *t)
{
	struct sb_frag *oldest = NULL;
	for (uint32_t i = 0; i < t->n_slots; i++) {
		struct sb_frag *s = &t->slot[i];
		if (!s->buf)
			return s;
		if (!oldest || s->born_us < oldest->born_us)
			oldest = s;
	}
	if (oldest)
		give_up(t, oldest);
	return oldest;
}

static struct sb_frag *begin(
        struct sb_frag_table *t, const uint8_t *frame, const struct sb_frame *f, uint16_t port, uint64_t now_us)
{
	struct sb_frag *s = make_room(t);
	if (!s)
		return NULL;
	memset(s, 0, sizeof *s);
	s->buf = t->ops.alloc(t->ops.ctx, &s->l4);
	if (!s->buf)
		return NULL;
	s->src = f->src;
	s->dst = f->dst;
	s->id = f->frag_id;
	s->port = port;
	s->vlan = f->vlan;
	s->born_us = now_us;
	memcpy(s->l2, frame, SB_FRAG_L2_BYTES);
	t->n_busy++;
	return s;
}

/* Blocks of [first, last) that are there already. */
static uint32_t blocks_seen(const struct sb_frag *s, uint32_t first, uint32_t last)
{
	uint32_t n = 0;
	for (uint32_t b = first; b < last; b++)
		n += s->seen[b / 64] >> b % 64 & 1;
	return n;
}

/* Puts the piece in its place. False: it contradicts what is there. */
static bool fill(struct sb_frag *s, const uint8_t *data, const struct sb_frame *f)
{
	uint32_t off = f->frag_off, len = f->l4_len, end = off + len;
	uint32_t first = off / 8, last = (end + 7) / 8;
	if (!len || end > SB_FRAG_BYTES || (f->frag_more && len % 8))
		return false;
	if (s->total && (end > s->total || (!f->frag_more && end != s->total)))
		return false;
	uint32_t seen = blocks_seen(s, first, last);
	if (seen) /* a copy of a piece is harmless, anything else that overlaps is not */
		return seen == last - first && memcmp(s->l4 + off, data, len) == 0;
	if (!f->frag_more) {
		if (blocks_seen(s, last, 8192))
			return false;
		s->total = end;
	}
	memcpy(s->l4 + off, data, len);
	for (uint32_t b = first; b < last; b++)
		s->seen[b / 64] |= 1ull << b % 64;
	s->got += len;
	return true;
}

enum sb_frag_answer sb_frag_add(struct sb_frag_table *t, const uint8_t *frame, const struct sb_frame *f, uint16_t port,
        uint64_t now_us, struct sb_frag *done)
{
	struct sb_frag *s = find(t, f, port);
	if (!s)
		s = begin(t, frame, f, port, now_us);
	if (!s)
		return SB_FRAG_NO_BUFFER;
	if (!fill(s, frame + f->l4, f)) {
		give_up(t, s);
		return SB_FRAG_BAD;
	}
	if (!s->total || s->got < s->total)
		return SB_FRAG_WAITS;
	*done = *s;
	s->buf = NULL;
	t->n_busy--;
	return SB_FRAG_DONE;
}

uint32_t sb_frag_expire(struct sb_frag_table *t, uint64_t now_us)
{
	uint32_t n = 0;
	for (uint32_t i = 0; t->n_busy && i < t->n_slots; i++) {
		if (t->slot[i].buf && now_us - t->slot[i].born_us > SB_FRAG_LIFE_US) {
			give_up(t, &t->slot[i]);
			n++;
		}
	}
	return n;
}

void sb_frag_fini(struct sb_frag_table *t)
{
	for (uint32_t i = 0; i < t->n_slots; i++) {
		if (t->slot[i].buf)
			give_up(t, &t->slot[i]);
	}
}
