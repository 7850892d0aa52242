/* SPDX-License-Identifier: BSD-3-Clause */
/* net.c - virtual time and the network: a heap of events, packets that are lost, doubled, delayed and overtaken, ICMP
 * errors with quotes; and the trace: a hash over all that passes the proxy's ports, and a pcap of it if asked for. */
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
	p->next = NULL;
	p->fatal = true;
	return p;
}

void packet_free(struct sim *s, struct packet *p)
{
	p->next = s->free_packets;
	s->free_packets = p;
}

struct ep listener_ep(unsigned i)
{
	return (struct ep){IP(10, 0, 0, 1 + i), 5060};
}

struct ep caller_ep(uint32_t call, bool rport)
{
	uint32_t c = call % CALLERS;
	return (struct ep){IP(10, 1, 0, 1 + c), (uint16_t)(rport ? 40000 + c : 5060)};
}

struct ep trunk_ep(const struct conf *c, unsigned trunk)
{
	return (struct ep){IP(10, 2, 0, 1 + trunk), c->trunk[trunk].port};
}

static uint64_t delay(struct sim *s)
{
	uint64_t d = 100 + rnd(s, 3000);
	if (!s->quiet && chance(s, s->profile->reorder_pm))
		d += rnd(s, s->profile->reorder_ms * 1000 + 1);
	return d;
}

static void deliver_later(struct sim *s, struct ep src, struct ep dst, const char *text, uint32_t len)
{
	struct packet *p = packet_new(s);
	p->src = src;
	p->dst = dst;
	p->len = len;
	memcpy(p->text, text, len);
	memset(p->text + len, 0, SB_SIP_PAD);
	push(s, (struct event){.at = s->now + delay(s), .kind = EV_PACKET, .p = p});
}

void net_send(struct sim *s, struct ep src, struct ep dst, const char *text, uint32_t len)
{
	assert(len <= TEXT_MAX);
	if (!s->quiet && chance(s, s->profile->loss_pm))
		return;
	deliver_later(s, src, dst, text, len);
	if (!s->quiet && chance(s, s->profile->dup_pm))
		deliver_later(s, src, dst, text, len);
}

/* Port unreachable for a packet of the proxy's; the quote is whole, cut, or the 8 bytes that RFC 792 asks for. */
void net_icmp(struct sim *s, const struct packet *p)
{
	uint32_t pick = rnd(s, 10);
	uint32_t len = pick < 7 ? p->len : pick < 8 ? p->len / 4 : 0;
	if (!s->quiet && chance(s, s->profile->loss_pm))
		return;
	struct packet *e = packet_new(s);
	e->src = p->dst;
	e->dst = p->src;
	e->len = len;
	e->fatal = pick != 6;
	e->whole = p->len;
	memcpy(e->text, p->text, p->len); /* the oracle reads all of it */
	push(s, (struct event){.at = s->now + delay(s), .kind = EV_ICMP, .p = e});
}

static void mix(struct sim *s, uint64_t v)
{
	s->hash = (s->hash ^ v) * 0x9e3779b97f4a7c15ull;
	s->hash ^= s->hash >> 29;
}

static void write16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void write32(uint8_t *p, uint32_t v)
{
	write16(p, v >> 16);
	write16(p + 2, v & 0xffff);
}

static unsigned checksum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;
	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	if (n & 1)
		sum += (uint32_t)p[n - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* IP and UDP (checksum 0: none) headers of 28 bytes. */
static void udp_headers(uint8_t *p, struct ep src, struct ep dst, uint32_t len)
{
	memset(p, 0, 28);
	p[0] = 0x45;
	write16(p + 2, 28 + len);
	p[8] = 64;
	p[9] = 17;
	write32(p + 12, src.ip);
	write32(p + 16, dst.ip);
	write16(p + 10, checksum(p, 20));
	write16(p + 20, src.port);
	write16(p + 22, dst.port);
	write16(p + 24, 8 + len);
}

static void pcap_write(struct sim *s, struct ep src, struct ep dst, const char *text, uint32_t len, bool icmp)
{
	uint8_t f[TEXT_MAX + 128];
	uint32_t head = 14 + (icmp ? 28 + 28 : 28), total = head + len;
	memset(f, 0, head);
	write32(f + 2, dst.ip);
	write32(f + 8, src.ip);
	f[0] = f[6] = 2;
	write16(f + 12, 0x0800);
	memcpy(f + head, text, len);
	if (icmp) { /* quotes a datagram of dst's to src */
		udp_headers(f + 42, dst, src, len);
		udp_headers(f + 14, src, dst, 28 + len);
		f[23] = 1;
		write16(f + 24, 0);
		write16(f + 24, checksum(f + 14, 20));
		memset(f + 34, 0, 8);
		f[34] = f[35] = 3;
		write16(f + 36, checksum(f + 34, total - 34));
	} else {
		udp_headers(f + 14, src, dst, len);
	}
	const uint32_t record[4] = {(uint32_t)(s->now / SEC), (uint32_t)(s->now % SEC), total, total};
	fwrite(record, sizeof record, 1, s->pcap);
	fwrite(f, total, 1, s->pcap);
}

void trace_open(struct sim *s, const char *file)
{
	const uint32_t head[6] = {0xa1b2c3d4, 4u << 16 | 2, 0, 0, 65535, 1};
	s->pcap = fopen(file, "wb");
	if (s->pcap)
		fwrite(head, sizeof head, 1, s->pcap);
}

void trace(struct sim *s, struct ep src, struct ep dst, const char *text, uint32_t len, bool icmp)
{
	uint64_t v;
	s->n_packets++;
	mix(s, s->now ^ (uint64_t)icmp << 63);
	mix(s, (uint64_t)src.ip << 32 | dst.ip);
	mix(s, (uint64_t)src.port << 48 | (uint64_t)dst.port << 32 | len);
	uint32_t i = 0;
	for (; i + 8 <= len; i += 8) {
		memcpy(&v, text + i, 8);
		mix(s, v);
	}
	for (; i < len; i++)
		mix(s, (uint8_t)text[i]);
	if (s->pcap)
		pcap_write(s, src, dst, text, len, icmp);
}
