/* SPDX-License-Identifier: BSD-3-Clause */
/* net.c - virtual time and the network: a heap of events, packets that are lost, doubled, delayed, overtaken and
 * damaged, ICMP errors with quotes; and the trace: a hash over all that passes the proxy's ports, and a pcap of it if
 * asked for. */
#include "sim.h"

static bool before(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

static void push(struct sim *s, struct event e)
{
	if (s->n_heap == s->heap_max) {
		s->heap_max = s->heap_max ? s->heap_max * 2 : 4096;
		s->heap = realloc(s->heap, s->heap_max * sizeof *s->heap);
		assert(s->heap);
	}
	e.seq = s->seq++;
	uint32_t i = s->n_heap++;
	for (; i > 0 && before(&e, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = e;
}

void at(struct sim *s, uint64_t when, enum ev kind, uint32_t a, uint32_t b)
{
	push(s, (struct event){.at = when, .kind = kind, .a = a, .b = b});
}

bool event_next(struct sim *s, struct event *e)
{
	if (!s->n_heap)
		return false;
	*e = s->heap[0];
	struct event last = s->heap[--s->n_heap];
	uint32_t i = 0;
	for (;;) {
		uint32_t child = 2 * i + 1;
		if (child >= s->n_heap)
			break;
		if (child + 1 < s->n_heap && before(&s->heap[child + 1], &s->heap[child]))
			child++;
		if (!before(&s->heap[child], &last))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = last;
	return true;
}

struct packet *packet_new(struct sim *s)
{
	struct packet *p = s->free_packets;
	if (p)
		s->free_packets = p->next;
	else
		p = malloc(sizeof *p);
	assert(p);
	memset(p, 0, offsetof(struct packet, text));
	return p;
}

void packet_free(struct sim *s, struct packet *p)
{
	p->next = s->free_packets;
	s->free_packets = p;
}

/* Two doors to the outside and two to the inside, one of each in each family, and a second port outside. */
struct ep listener_ep(unsigned i)
{
	return (struct ep){IP(10, 0, 0, i == 4 ? 1 : 1 + i % 2), i == 4 ? 5070 : 5060, i == 2 || i == 3};
}

struct ep caller_ep(const struct sim *s, uint32_t call)
{
	uint32_t c = s->ucall[call].caller;
	return (struct ep){IP(10, 1, 0, 1 + c), (uint16_t)(s->ucall[call].rport ? 40000 + c : 5060), c >= CALLERS / 2};
}

struct ep trunk_ep(const struct conf *c, unsigned trunk)
{
	return (struct ep){IP(10, 2, 0, 1 + trunk), c->trunk[trunk].port, c->trunk[trunk].v6};
}

bool ep_is_ours(struct ep e)
{
	return e.ip >> 16 == IP(10, 0, 0, 0) >> 16;
}

bool ep_is_caller(struct ep e)
{
	return e.ip >> 16 == IP(10, 1, 0, 0) >> 16;
}

static uint64_t delay(struct sim *s)
{
	uint64_t d = 100 + rnd(s, 3000);
	if (!s->quiet && chance(s, s->profile->reorder_pm))
		d += rnd(s, s->profile->reorder_ms * 1000 + 1);
	return d;
}

static struct packet *packet_of(struct sim *s, struct ep src, struct ep dst, const void *text, uint32_t len)
{
	struct packet *p = packet_new(s);
	p->src = src;
	p->dst = dst;
	p->len = len;
	memcpy(p->text, text, len);
	memset(p->text + len, 0, SB_SIP_PAD);
	return p;
}

static void deliver_later(struct sim *s, struct packet *p)
{
	enum ev kind = p->kind == PACKET_FRAME ? EV_FRAME : EV_PACKET;
	push(s, (struct event){.at = s->now + delay(s), .kind = kind, .p = p});
}

static void frame_later(struct sim *s, struct ep src, struct ep dst, const uint8_t *frame, uint32_t len)
{
	struct packet *p = packet_of(s, src, dst, frame, len);
	p->kind = PACKET_FRAME;
	/* In what the last checksum covers; always from 0 to 1, for two changes must not make up for each other. */
	char *byte = &p->text[len - 1 - rnd(s, len > 100 ? 30 : 4)], bit = (char)(1 << rnd(s, 8));
	if (!s->quiet && chance(s, s->profile->corrupt_pm) && !(*byte & bit)) {
		p->corrupt = true;
		*byte |= bit;
		saw(s, SEEN_corrupted);
	}
	deliver_later(s, p);
}

/* One packet of a link, from either side. */
void net_frame(struct sim *s, struct ep src, struct ep dst, const uint8_t *frame, uint32_t len)
{
	bool piece = src.v6 ? frame[20] == 44 : (frame[20] & 0x3f) || frame[21];
	if (ep_is_ours(src))
		trace(s, &(struct packet){.src = src, .dst = dst, .kind = PACKET_FRAME}, frame, len);
	if (!s->quiet && chance(s, s->profile->loss_pm)) {
		if (piece)
			saw(s, SEEN_fragment_lost);
		return;
	}
	frame_later(s, src, dst, frame, len);
	if (!s->quiet && chance(s, s->profile->dup_pm))
		frame_later(s, src, dst, frame, len);
}

void net_send(struct sim *s, struct ep src, struct ep dst, const char *text, uint32_t len)
{
	assert(len <= TEXT_MAX);
	if (s->frames) {
		s->frame_id++;
		frame_udp(s, src, dst, text, len, src.v6 && s->mtu < 1280 ? 1280 : s->mtu, net_frame);
		return;
	}
	if (!s->quiet && chance(s, s->profile->loss_pm))
		return;
	deliver_later(s, packet_of(s, src, dst, text, len));
	if (!s->quiet && chance(s, s->profile->dup_pm))
		deliver_later(s, packet_of(s, src, dst, text, len));
}

/* Port unreachable for a packet of the proxy's; the quote is as much as hosts send, cut, or the 8 bytes that RFC 792
 * asks for. */
void net_icmp(struct sim *s, const struct packet *p)
{
	uint32_t pick = rnd(s, 10), most = p->len < 500 ? p->len : 500;
	uint32_t len = pick < 7 ? most : pick < 8 ? most / 4 : 0;
	if (!s->quiet && chance(s, s->profile->loss_pm))
		return;
	struct packet *e = packet_of(s, p->dst, p->src, p->text, p->len); /* the oracle reads all of it */
	e->kind = PACKET_ICMP;
	e->len = len;
	e->fatal = pick != 6;
	e->whole = p->len;
	push(s, (struct event){.at = s->now + delay(s), .kind = EV_ICMP, .p = e});
}

static void mix(struct sim *s, uint64_t v)
{
	s->hash = (s->hash ^ v) * 0x9e3779b97f4a7c15ull;
	s->hash ^= s->hash >> 29;
}

static void mix_bytes(struct sim *s, const char *text, uint32_t len)
{
	uint64_t v;
	uint32_t i = 0;
	for (; i + 8 <= len; i += 8) {
		memcpy(&v, text + i, 8);
		mix(s, v);
	}
	for (; i < len; i++)
		mix(s, (uint8_t)text[i]);
}

static void pcap_frame(struct sim *s, struct ep src, struct ep dst, const uint8_t *frame, uint32_t len)
{
	const uint32_t record[4] = {(uint32_t)(s->now / SEC), (uint32_t)(s->now % SEC), len, len};
	(void)src;
	(void)dst;
	fwrite(record, sizeof record, 1, s->pcap);
	fwrite(frame, len, 1, s->pcap);
}

void trace_open(struct sim *s, const char *file)
{
	const uint32_t head[6] = {0xa1b2c3d4, 4u << 16 | 2, 0, 0, 65535, 1};
	s->pcap = fopen(file, "wb");
	if (s->pcap)
		fwrite(head, sizeof head, 1, s->pcap);
}

void trace(struct sim *s, const struct packet *p, const void *bytes, uint32_t len)
{
	uint8_t f[FRAME_HEAD_MAX * 2 + 16 + TEXT_MAX];
	s->n_packets++;
	mix(s, s->now ^ (uint64_t)p->kind << 62);
	mix(s, (uint64_t)p->src.ip << 32 | p->dst.ip);
	mix(s, (uint64_t)p->src.port << 48 | (uint64_t)p->dst.port << 32 | len);
	mix_bytes(s, bytes, len);
	if (!s->pcap)
		return;
	if (p->kind == PACKET_FRAME)
		pcap_frame(s, p->src, p->dst, bytes, len);
	else if (p->kind == PACKET_ICMP)
		pcap_frame(s, p->src, p->dst, f, frame_icmp(p, f));
	else
		frame_udp(s, p->src, p->dst, bytes, len, 65535, pcap_frame);
}
