/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/net/wire.h"
#include "dataplane/net/csum.h"
#include <netinet/in.h>

#define HOP_LIMIT 64

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

void sb_wire_udp(const struct sb_wire *w, uint8_t *l4, uint32_t len, bool offload)
{
	/* The header's part of the sum comes from its values: what has just been written is slow to read. */
	uint64_t sum = sb_csum_pseudo(w->from, w->to, IPPROTO_UDP, len + SB_UDP_HEAD);
	if (!offload) {
		uint64_t head =
		        (uint64_t)htons(w->from->port) + htons(w->to->port) + htons((uint16_t)(len + SB_UDP_HEAD));
		sum = sb_csum_payload(sb_csum_word(sum, head), l4 + SB_UDP_HEAD, len);
	}
	put16(l4, w->from->port);
	put16(l4 + 2, w->to->port);
	put16(l4 + 4, len + SB_UDP_HEAD);
	uint16_t sum16 = sb_csum_end(sum);
	if (offload)
		sum16 = (uint16_t)~sum16;
	else if (!sum16)
		sum16 = 0xffff; /* 0 would mean "none" (RFC 768) */
	memcpy(l4 + 6, &sum16, 2);
}

size_t sb_wire_head_len(const struct sb_wire *w, bool piece)
{
	return (w->vlan ? 18 : 14) + (w->to->family == 6 ? 40 + (piece ? 8 : 0) : 20);
}

static uint8_t *write_l2(const struct sb_wire *w, uint8_t *p)
{
	memcpy(p, w->dst_mac, 6);
	memcpy(p + 6, w->src_mac, 6);
	p += 12;
	if (w->vlan) {
		put16(p, 0x8100);
		put16(p + 2, w->vlan);
		p += 4;
	}
	put16(p, w->to->family == 6 ? 0x86dd : 0x0800);
	return p + 2;
}

/* Of the words of an IPv4 header without options, from its values. */
static uint16_t ip4_checksum(const struct sb_wire *w, uint32_t len, uint32_t frag)
{
	uint32_t from, to;
	memcpy(&from, w->from->ip, 4);
	memcpy(&to, w->to->ip, 4);
	uint64_t sum = (uint64_t)htons(0x4500) + htons((uint16_t)len) + htons((uint16_t)w->id) + htons((uint16_t)frag) +
	               htons(HOP_LIMIT << 8 | IPPROTO_UDP);
	return sb_csum_end(sum + from + to);
}

static void write_ip4(const struct sb_wire *w, uint8_t *p, uint32_t l4_len, const struct sb_wire_piece *piece)
{
	/* A whole packet may be cut on its way: fragmentation is allowed, so it carries an id as well (RFC 6864). */
	uint32_t frag = piece ? (piece->off / 8u) | (piece->more ? 0x2000 : 0) : 0;
	put16(p, 0x4500);
	put16(p + 2, 20 + l4_len);
	put16(p + 4, w->id);
	put16(p + 6, frag);
	p[8] = HOP_LIMIT;
	p[9] = IPPROTO_UDP;
	uint16_t sum = w->ip_offload ? 0 : ip4_checksum(w, 20 + l4_len, frag);
	memcpy(p + 10, &sum, 2);
	memcpy(p + 12, w->from->ip, 4);
	memcpy(p + 16, w->to->ip, 4);
}

static void write_ip6(const struct sb_wire *w, uint8_t *p, uint32_t l4_len, const struct sb_wire_piece *piece)
{
	put32(p, 6u << 28);
	put16(p + 4, l4_len + (piece ? 8 : 0));
	p[6] = piece ? IPPROTO_FRAGMENT : IPPROTO_UDP;
	p[7] = HOP_LIMIT;
	memcpy(p + 8, w->from->ip, 16);
	memcpy(p + 24, w->to->ip, 16);
	if (piece) {
		p[40] = IPPROTO_UDP;
		p[41] = 0;
		put16(p + 42, piece->off | (piece->more ? 1u : 0u));
		put32(p + 44, w->id);
	}
}

void sb_wire_head(const struct sb_wire *w, uint8_t *out, uint32_t l4_len, const struct sb_wire_piece *piece)
{
	uint8_t *ip = write_l2(w, out);
	if (w->to->family == 6)
		write_ip6(w, ip, l4_len, piece);
	else
		write_ip4(w, ip, l4_len, piece);
}

uint32_t sb_wire_room(const struct sb_wire *w, uint32_t mtu, bool piece)
{
	uint32_t head = w->to->family == 6 ? 40 + (piece ? 8 : 0) : 20;
	uint32_t room = mtu > head ? mtu - head : 0;
	return piece ? room & ~7u : room;
}
