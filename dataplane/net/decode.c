/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/net/decode.h"
#include "dataplane/net/csum.h"
#include <netinet/in.h>

#define ETHERTYPE_4    0x0800
#define ETHERTYPE_6    0x86dd
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_QINQ 0x88a8
#define EXTENSIONS_MAX 8 /* IPv6 extension headers that are walked */

/* Where the IP layer left off. */
struct ip_end {
	uint32_t at, end; /* of what follows the IP headers */
	uint8_t proto;
	bool fragment, first;
};

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

/* An address of size bytes in one piece: whoever copies it finds it whole in the store buffer. */
static inline void set_addr(struct sb_addr *a, const uint8_t *ip, size_t size, uint8_t family, uint16_t port)
{
	unsigned __int128 whole = 0;
	memcpy(&whole, ip, size);
	memcpy(a->ip, &whole, sizeof a->ip);
	a->port = port;
	a->family = family;
	a->zero = 0;
}

/* quoted: inside an ICMP error, where the total length may lie beyond what is there and the checksum may be stale. */
static enum sb_frame_kind read_ip4(
        const uint8_t *p, uint32_t at, uint32_t end, bool quoted, struct sb_frame *f, struct ip_end *ip)
{
	if (end - at < 20 || p[at] >> 4 != 4)
		return SB_FRAME_BAD_IP;
	uint32_t head = (p[at] & 15) * 4u, total = be16(p + at + 2);
	if (head < 20 || head > end - at || total < head)
		return SB_FRAME_BAD_IP;
	if (total > end - at) {
		if (!quoted)
			return SB_FRAME_BAD_IP;
		total = end - at;
	}
	if (!quoted && sb_csum_end(sb_csum_add(0, p + at, head)))
		return SB_FRAME_BAD_CHECKSUM;
	uint16_t frag = be16(p + at + 6);
	f->frag_more = frag & 0x2000;
	f->frag_off = (uint16_t)((frag & 0x1fff) * 8);
	f->frag_id = be16(p + at + 4);
	set_addr(&f->src, p + at + 12, 4, 4, 0);
	set_addr(&f->dst, p + at + 16, 4, 4, 0);
	ip->proto = p[at + 9];
	ip->fragment = f->frag_more || f->frag_off;
	ip->first = !f->frag_off;
	ip->at = at + head;
	ip->end = at + total;
	return SB_FRAME_OTHER;
}

/* Walks the extension headers to UDP, ICMPv6 or something that is none of ours. */
static enum sb_frame_kind walk_ip6(const uint8_t *p, struct sb_frame *f, struct ip_end *ip)
{
	for (int n = 0; n < EXTENSIONS_MAX; n++) {
		uint32_t left = ip->end - ip->at;
		if (ip->proto == IPPROTO_FRAGMENT) {
			if (left < 8)
				return SB_FRAME_BAD_IP;
			uint16_t frag = be16(p + ip->at + 2);
			f->frag_more = frag & 1;
			f->frag_off = frag & 0xfff8;
			f->frag_id = be32(p + ip->at + 4);
			ip->fragment = f->frag_more || f->frag_off;
			ip->first = !f->frag_off;
			ip->proto = p[ip->at];
			ip->at += 8;
			if (!ip->first)
				return SB_FRAME_OTHER;
		} else if (ip->proto == IPPROTO_HOPOPTS || ip->proto == IPPROTO_DSTOPTS) {
			if (left < 8 || left < (p[ip->at + 1] + 1u) * 8)
				return SB_FRAME_BAD_IP;
			ip->proto = p[ip->at];
			ip->at += (p[ip->at + 1] + 1u) * 8;
		} else {
			return SB_FRAME_OTHER;
		}
	}
	ip->proto = IPPROTO_NONE;
	return SB_FRAME_OTHER;
}

static enum sb_frame_kind read_ip6(
        const uint8_t *p, uint32_t at, uint32_t end, bool quoted, struct sb_frame *f, struct ip_end *ip)
{
	if (end - at < 40 || p[at] >> 4 != 6)
		return SB_FRAME_BAD_IP;
	uint32_t total = 40 + be16(p + at + 4);
	if (total > end - at) {
		if (!quoted)
			return SB_FRAME_BAD_IP;
		total = end - at;
	}
	set_addr(&f->src, p + at + 8, 16, 6, 0);
	set_addr(&f->dst, p + at + 24, 16, 6, 0);
	*ip = (struct ip_end){.at = at + 40, .end = at + total, .proto = p[at + 6], .first = true};
	return walk_ip6(p, f, ip);
}

static enum sb_frame_kind read_ip(
        const uint8_t *p, uint32_t at, uint32_t end, uint8_t family, bool quoted, struct sb_frame *f, struct ip_end *ip)
{
	return family == 6 ? read_ip6(p, at, end, quoted, f, ip) : read_ip4(p, at, end, quoted, f, ip);
}

static enum sb_frame_kind read_udp(const uint8_t *p, const struct ip_end *ip, struct sb_frame *f)
{
	if (ip->end - ip->at < 8)
		return SB_FRAME_BAD_IP;
	uint32_t len = be16(p + ip->at + 4);
	if (len < 8 || len > ip->end - ip->at)
		return SB_FRAME_BAD_IP;
	f->src.port = be16(p + ip->at);
	f->dst.port = be16(p + ip->at + 2);
	f->l4_len = len;
	f->data = ip->at + 8;
	f->data_len = len - 8;
	return SB_FRAME_UDP;
}

/* RFC 792, RFC 4443. False: not an error message. */
static bool icmp_error(const uint8_t *p, uint8_t family, bool *fatal)
{
	uint8_t type = p[0], code = p[1];
	if (family == 6) {
		*fatal = type == 1 || type == 4;
		return type >= 1 && type <= 4;
	}
	*fatal = (type == 3 && code != 4) || type == 12;
	return type == 3 || type == 4 || type == 11 || type == 12;
}

/* Whose datagram an ICMP error quotes. RFC 1812 asks for 548 bytes of it, RFC 792 for 8 only. */
static enum sb_frame_kind read_icmp(const uint8_t *p, const struct ip_end *ip, struct sb_frame *f)
{
	struct sb_frame inner = {0};
	struct ip_end in = {0};
	uint8_t family = f->src.family;
	if (ip->end - ip->at < 8 || !icmp_error(p + ip->at, family, &f->fatal))
		return SB_FRAME_OTHER;
	if (read_ip(p, ip->at + 8, ip->end, family, true, &inner, &in) != SB_FRAME_OTHER)
		return SB_FRAME_OTHER;
	if (in.proto != IPPROTO_UDP || !in.first || in.end - in.at < 8)
		return SB_FRAME_OTHER;
	f->from = inner.src;
	f->to = inner.dst;
	f->from.port = be16(p + in.at);
	f->to.port = be16(p + in.at + 2);
	uint32_t len = be16(p + in.at + 4), there = in.end - in.at;
	f->data = in.at + 8;
	f->data_len = (len < 8 || len > there ? there : len) - 8;
	return SB_FRAME_ICMP_ERROR;
}

/* What nearly every frame is: untagged, IPv4 without options, one whole UDP datagram, all of it sound. False: it is
 * another, or not sound, and f is untouched. */
static bool plain(const uint8_t *p, uint32_t len, struct sb_frame *f)
{
	const uint8_t *ip = p + 14, *l4 = ip + 20;
	if (len < 14 + 20 + 8 || be16(p + 12) != ETHERTYPE_4 || ip[0] != 0x45 || ip[9] != IPPROTO_UDP ||
	        (be16(ip + 6) & 0x3fff))
		return false;
	uint32_t total = be16(ip + 2), udp = be16(l4 + 4);
	if (total > len - 14 || total < 20 + 8 || udp < 8 || udp > total - 20 || sb_csum_end(sb_csum_add(0, ip, 20)))
		return false;
	set_addr(&f->src, ip + 12, 4, 4, be16(l4));
	set_addr(&f->dst, ip + 16, 4, 4, be16(l4 + 2));
	f->l4 = 14 + 20;
	f->l4_len = udp;
	f->data = 14 + 20 + 8;
	f->data_len = udp - 8;
	f->vlan = 0;
	f->l2_len = 14;
	return true;
}

enum sb_frame_kind sb_frame_decode(const uint8_t *p, uint32_t len, struct sb_frame *f)
{
	struct ip_end ip = {0};
	if (plain(p, len, f))
		return SB_FRAME_UDP;
	memset(f, 0, sizeof *f);
	if (len < 14)
		return SB_FRAME_BAD_L2;
	uint16_t type = be16(p + 12);
	f->l2_len = 14;
	if (type == ETHERTYPE_VLAN) {
		if (len < 18)
			return SB_FRAME_BAD_L2;
		f->vlan = be16(p + 14) & 0xfff;
		type = be16(p + 16);
		f->l2_len = 18;
	}
	if (type == ETHERTYPE_QINQ || type == ETHERTYPE_VLAN)
		return SB_FRAME_BAD_L2;
	if (type != ETHERTYPE_4 && type != ETHERTYPE_6)
		return SB_FRAME_OTHER;
	enum sb_frame_kind kind = read_ip(p, f->l2_len, len, type == ETHERTYPE_6 ? 6 : 4, false, f, &ip);
	if (kind != SB_FRAME_OTHER)
		return kind;
	f->l4 = ip.at;
	f->l4_len = ip.end - ip.at;
	if (ip.fragment)
		return ip.proto == IPPROTO_UDP ? SB_FRAME_FRAGMENT : SB_FRAME_OTHER;
	if (ip.proto == IPPROTO_UDP)
		return read_udp(p, &ip, f);
	if (ip.proto == (f->src.family == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return read_icmp(p, &ip, f);
	return SB_FRAME_OTHER;
}

bool sb_frame_checksum_ok(const uint8_t *p, const struct sb_frame *f, enum sb_frame_kind kind)
{
	uint64_t sum = 0;
	if (kind == SB_FRAME_UDP) {
		if (!be16(p + f->l4 + 6))
			return f->src.family == 4;
		sum = sb_csum_pseudo(&f->src, &f->dst, IPPROTO_UDP, f->l4_len);
	} else if (f->src.family == 6) {
		sum = sb_csum_pseudo(&f->src, &f->dst, IPPROTO_ICMPV6, f->l4_len);
	}
	return sb_csum_end(sb_csum_payload(sum, p + f->l4, f->l4_len)) == 0;
}
