/* SPDX-License-Identifier: BSD-3-Clause */
/* frames.c - Ethernet, IPv4, IPv6, UDP, ICMP and fragments as the peers read and write them: from RFC 768, 791, 792,
 * 4443, 5722 and 8200, sharing nothing with dataplane/net, so that each can judge the other. */
#include "sim.h"

#define L2          14
#define LIFE_US     (5 * SEC)
#define L4_MAX      (TEXT_MAX + 8)
#define PROTO_UDP   17
#define PROTO_FRAG  44
#define PROTO_ICMP6 58

struct piece {
	struct piece *next;
	struct ep src, dst;
	uint32_t id, got, total; /* total 0: the last piece has not come */
	uint64_t born;
	bool honest;
	uint8_t there[(L4_MAX + 7) / 8]; /* 8-byte blocks */
	uint8_t l4[L4_MAX + 8];
};

/* What an IP header says. */
struct ip {
	struct ep src, dst;
	uint32_t at, len, off, id; /* of what it carries */
	uint8_t proto;
	bool more;
};

static void w16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void w32(uint8_t *p, uint32_t v)
{
	w16(p, v >> 16);
	w16(p + 2, v);
}

static uint32_t r16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t r32(const uint8_t *p)
{
	return r16(p) << 16 | r16(p + 2);
}

static uint32_t add(uint32_t sum, const uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i + 1 < n; i += 2)
		sum += r16(p + i);
	if (n & 1)
		sum += (uint32_t)p[n - 1] << 8;
	return sum;
}

static uint32_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static void write_ip(uint8_t *p, struct ep e)
{
	if (e.v6) {
		memset(p, 0, 16);
		p[0] = 0xfd;
		p += 12;
	}
	w32(p, e.ip);
}

static uint32_t pseudo(struct ep src, struct ep dst, uint32_t len, uint8_t proto)
{
	uint8_t a[32];
	uint32_t n = src.v6 ? 16 : 4;
	write_ip(a, src);
	write_ip(a + n, dst);
	return add(0, a, 2 * n) + (len >> 16) + (len & 0xffff) + proto;
}

/* Ethernet and IP in front of len bytes; returns their length. cut: a piece at off. */
static uint32_t heads(uint8_t *p, const struct ip *ip, uint32_t len, bool cut)
{
	memset(p, 0, FRAME_HEAD_MAX);
	p[0] = p[6] = 2;
	p[5] = ep_is_ours(ip->dst) ? 1 : 2;
	p[11] = ep_is_ours(ip->src) ? 1 : 2;
	w16(p + 12, ip->src.v6 ? 0x86dd : 0x0800);
	p += L2;
	if (ip->src.v6) {
		p[0] = 0x60;
		w16(p + 4, len + (cut ? 8 : 0));
		p[6] = cut ? PROTO_FRAG : ip->proto;
		p[7] = 64;
		write_ip(p + 8, ip->src);
		write_ip(p + 24, ip->dst);
		if (!cut)
			return L2 + 40;
		p[40] = ip->proto;
		w16(p + 42, ip->off | ip->more);
		w32(p + 44, ip->id);
		return L2 + 48;
	}
	p[0] = 0x45;
	w16(p + 2, 20 + len);
	w16(p + 4, ip->id & 0xffff);
	w16(p + 6, ip->off / 8 | (ip->more ? 0x2000 : 0));
	p[8] = 64;
	p[9] = ip->proto;
	write_ip(p + 12, ip->src);
	write_ip(p + 16, ip->dst);
	w16(p + 10, fold(add(0, p, 20)));
	return L2 + 20;
}

static void udp_head(uint8_t *l4, struct ep src, struct ep dst, uint32_t len)
{
	w16(l4, src.port);
	w16(l4 + 2, dst.port);
	w16(l4 + 4, len + 8);
	w16(l4 + 6, 0);
}

uint32_t frame_udp(struct sim *s, struct ep src, struct ep dst, const char *text, uint32_t len, uint32_t mtu,
        void (*each)(struct sim *s, struct ep src, struct ep dst, const uint8_t *frame, uint32_t len))
{
	uint8_t l4[L4_MAX], f[FRAME_HEAD_MAX + L4_MAX];
	uint32_t total = len + 8, head = src.v6 ? 40 : 20, n = 0;
	struct ip ip = {.src = src, .dst = dst, .id = s->frame_id, .proto = PROTO_UDP};
	bool cut = total + head > mtu;
	uint32_t room = cut ? (mtu - head - (src.v6 ? 8 : 0)) & ~7u : total;
	udp_head(l4, src, dst, len);
	memcpy(l4 + 8, text, len);
	uint32_t sum = fold(pseudo(src, dst, total, PROTO_UDP) + add(0, l4, total));
	w16(l4 + 6, sum ? sum : 0xffff);
	for (ip.off = 0; ip.off < total; ip.off += room, n++) {
		uint32_t part = total - ip.off < room ? total - ip.off : room;
		ip.more = ip.off + part < total;
		uint32_t at_f = heads(f, &ip, part, cut);
		memcpy(f + at_f, l4 + ip.off, part);
		each(s, src, dst, f, at_f + part);
	}
	return n;
}

/* The error about a datagram of p->dst to p->src: port unreachable, or one that says the packet was too big. */
uint32_t frame_icmp(const struct packet *p, uint8_t *out)
{
	uint8_t quote[FRAME_HEAD_MAX + 8 + TEXT_MAX], icmp[8 + sizeof quote];
	const struct ip inner = {.src = p->dst, .dst = p->src, .proto = PROTO_UDP};
	const struct ip outer = {.src = p->src, .dst = p->dst, .proto = p->src.v6 ? PROTO_ICMP6 : 1};
	uint32_t head = heads(quote, &inner, p->whole + 8, false) - L2, len = 8 + head + 8 + p->len;
	memmove(quote, quote + L2, head);
	udp_head(quote + head, p->dst, p->src, p->whole);
	memcpy(quote + head + 8, p->text, p->len);
	memset(icmp, 0, 8);
	icmp[0] = p->src.v6 ? (p->fatal ? 1 : 2) : 3;
	icmp[1] = p->src.v6 ? (p->fatal ? 4 : 0) : (p->fatal ? 3 : 4);
	memcpy(icmp + 8, quote, len - 8);
	uint32_t sum = p->src.v6 ? pseudo(p->src, p->dst, len, PROTO_ICMP6) : 0;
	w16(icmp + 2, fold(sum + add(0, icmp, len)));
	uint32_t at_f = heads(out, &outer, len, false);
	memcpy(out + at_f, icmp, len);
	return at_f + len;
}

static struct ep read_ip(const uint8_t *p, bool v6)
{
	return (struct ep){.ip = r32(v6 ? p + 12 : p), .v6 = v6};
}

/* False: broken. */
static bool read_ip4(const uint8_t *p, uint32_t len, struct ip *ip)
{
	if (len < 20 || p[0] != 0x45 || r16(p + 2) != len || fold(add(0, p, 20)) != 0 || !p[8])
		return false;
	ip->src = read_ip(p + 12, false);
	ip->dst = read_ip(p + 16, false);
	ip->off = (r16(p + 6) & 0x1fff) * 8;
	ip->more = r16(p + 6) & 0x2000;
	ip->id = r16(p + 4);
	ip->proto = p[9];
	ip->at = 20;
	ip->len = len - 20;
	return true;
}

static bool read_ip6(const uint8_t *p, uint32_t len, struct ip *ip)
{
	if (len < 40 || p[0] >> 4 != 6 || r16(p + 4) != len - 40 || !p[7])
		return false;
	ip->src = read_ip(p + 8, true);
	ip->dst = read_ip(p + 24, true);
	ip->proto = p[6];
	ip->at = 40;
	ip->len = len - 40;
	if (ip->proto != PROTO_FRAG)
		return true;
	if (ip->len < 8)
		return false;
	ip->proto = p[40];
	ip->off = r16(p + 42) & 0xfff8;
	ip->more = p[43] & 1;
	ip->id = r32(p + 44);
	ip->at += 8;
	ip->len -= 8;
	return true;
}

static struct packet *datagram(struct sim *s, struct ip *ip, const uint8_t *l4, uint32_t len, bool honest)
{
	bool right = len >= 8 && r16(l4 + 4) == len && (r16(l4 + 6) || !ip->src.v6);
	if (right && r16(l4 + 6))
		right = fold(pseudo(ip->src, ip->dst, len, PROTO_UDP) + add(0, l4, len)) == 0;
	if (!right && honest)
		breach(s, "INV-WIRE", "a datagram of %u bytes leaves with a wrong length or checksum", len);
	if (!right || len - 8 > TEXT_MAX)
		return NULL;
	struct packet *p = packet_new(s);
	p->src = ip->src;
	p->dst = ip->dst;
	p->src.port = (uint16_t)r16(l4);
	p->dst.port = (uint16_t)r16(l4 + 2);
	p->len = len - 8;
	memcpy(p->text, l4 + 8, p->len);
	memset(p->text + p->len, 0, SB_SIP_PAD);
	return p;
}

static void drop(struct piece **at_p)
{
	struct piece *d = *at_p;
	*at_p = d->next;
	free(d);
}

static struct piece **find(struct sim *s, struct piece **held, const struct ip *ip, bool honest)
{
	struct piece **p = held;
	while (*p) {
		if (s->now - (*p)->born > LIFE_US) {
			drop(p);
			continue;
		}
		if ((*p)->id == ip->id && ep_eq((*p)->src, ip->src) && ep_eq((*p)->dst, ip->dst))
			return p;
		p = &(*p)->next;
	}
	*p = calloc(1, sizeof **p);
	assert(*p);
	**p = (struct piece){.src = ip->src, .dst = ip->dst, .id = ip->id, .born = s->now, .honest = honest};
	return p;
}

/* Puts a piece where it belongs. False: it contradicts what is there. */
static bool place(struct piece *d, const struct ip *ip, const uint8_t *data)
{
	uint32_t end = ip->off + ip->len, seen = 0, blocks = 0;
	if (!ip->len || end > L4_MAX || (ip->more && ip->len % 8) || (d->total && end > d->total))
		return false;
	for (uint32_t b = ip->off / 8; b < (end + 7) / 8; b++, blocks++)
		seen += d->there[b];
	if (seen)
		return seen == blocks && memcmp(d->l4 + ip->off, data, ip->len) == 0;
	if (!ip->more)
		d->total = end;
	memcpy(d->l4 + ip->off, data, ip->len);
	memset(d->there + ip->off / 8, 1, blocks);
	d->got += ip->len;
	return true;
}

static struct packet *gather(struct sim *s, struct piece **held, struct ip *ip, const uint8_t *data, bool honest)
{
	struct piece **at_p = find(s, held, ip, honest), *d = *at_p;
	struct packet *whole = NULL;
	d->honest &= honest;
	if (!place(d, ip, data)) {
		if (d->honest)
			breach(s, "INV-WIRE", "a piece of %u bytes at %u contradicts the others", ip->len, ip->off);
		drop(at_p);
		return NULL;
	}
	if (!d->total || d->got < d->total)
		return NULL;
	whole = datagram(s, ip, d->l4, d->total, d->honest);
	drop(at_p);
	return whole;
}

struct packet *frame_take(struct sim *s, struct piece **held, const uint8_t *frame, uint32_t len, bool from_proxy)
{
	struct ip ip = {.at = 0};
	bool v6 = len > L2 && r16(frame + 12) == 0x86dd, right = len > L2;
	right = right && (v6 ? read_ip6(frame + L2, len - L2, &ip) : read_ip4(frame + L2, len - L2, &ip));
	if (from_proxy && (!right || ip.proto != PROTO_UDP))
		breach(s, "INV-WIRE", "a frame leaves that is no IP packet with UDP");
	uint32_t mtu = v6 && s->mtu < 1280 ? 1280 : s->mtu;
	if (from_proxy && len - L2 > mtu)
		breach(s, "INV-WIRE", "a packet of %u bytes leaves, the MTU is %u", len - L2, mtu);
	if (!right || ip.proto != PROTO_UDP)
		return NULL;
	const uint8_t *data = frame + L2 + ip.at;
	return ip.off || ip.more ? gather(s, held, &ip, data, from_proxy) : datagram(s, &ip, data, ip.len, from_proxy);
}

void frames_free(struct sim *s)
{
	while (s->pieces)
		drop(&s->pieces);
	while (s->proxy_pieces)
		drop(&s->proxy_pieces);
}
