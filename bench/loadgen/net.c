/* SPDX-License-Identifier: BSD-3-Clause */
/* net.c - the generator's port: Ethernet, ARP, IPv4 and UDP for addresses that all stand behind one gateway. */
#include "dataplane/net/csum.h"
#include "gen.h"
#include <immintrin.h>
#include <rte_arp.h>
#include <rte_bus_vdev.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_udp.h>

#define HEADERS (RTE_ETHER_HDR_LEN + 20 + 8)
#define QUOTED  548 /* of the datagram, as hosts do (RFC 1812 4.3.2.3) */

struct headers {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
} __attribute__((packed, aligned(2)));

int gen_net_open(struct gen *g)
{
	struct rte_eth_conf conf = {0};
	struct rte_ether_addr mac;
	char name[64];
	uint16_t rxd = 1024, txd = 1024;
	snprintf(name, sizeof name, "%.*s", (int)strcspn(g->o.device, ","), g->o.device);
	g->pool = rte_pktmbuf_pool_create("frames", 16383, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!g->pool)
		return -1;
	if (rte_eth_dev_get_port_by_name(name, &g->port) &&
	        (rte_dev_probe(g->o.device) || rte_eth_dev_get_port_by_name(name, &g->port)))
		return -1;
	if (rte_eth_dev_configure(g->port, 1, 1, &conf) || rte_eth_dev_adjust_nb_rx_tx_desc(g->port, &rxd, &txd) ||
	        rte_eth_rx_queue_setup(g->port, 0, rxd, SOCKET_ID_ANY, NULL, g->pool) ||
	        rte_eth_tx_queue_setup(g->port, 0, txd, SOCKET_ID_ANY, NULL))
		return -1;
	for (int i = 0; rte_eth_dev_start(g->port); i++) { /* a memif client's server may still be starting */
		if (i == 100)
			return -1;
		rte_delay_us_sleep(100000);
	}
	(void)rte_eth_promiscuous_enable(g->port);
	rte_eth_macaddr_get(g->port, &mac);
	memcpy(g->mac, mac.addr_bytes, 6);
	return 0;
}

static void put_frame(struct gen *g, struct rte_mbuf *m)
{
	if (g->n_out == RTE_DIM(g->out))
		gen_net_flush(g);
	g->out[g->n_out++] = m;
}

static void arp(struct gen *g, uint16_t op, const uint8_t to[6], uint32_t target, const uint8_t *eth_to)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(g->pool);
	if (!m)
		return;
	struct rte_ether_hdr *e = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_arp_hdr *a = (void *)(e + 1);
	m->data_len = 60;
	m->pkt_len = 60;
	memset(e, 0, 60);
	memcpy(e->dst_addr.addr_bytes, eth_to, 6);
	memcpy(e->src_addr.addr_bytes, g->mac, 6);
	e->ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP);
	a->arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
	a->arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	a->arp_hlen = 6;
	a->arp_plen = 4;
	a->arp_opcode = rte_cpu_to_be_16(op);
	memcpy(a->arp_data.arp_sha.addr_bytes, g->mac, 6);
	a->arp_data.arp_sip = rte_cpu_to_be_32(g->gateway_ip);
	memcpy(a->arp_data.arp_tha.addr_bytes, to, 6);
	a->arp_data.arp_tip = target;
	put_frame(g, m);
}

/* Asks for the proxy's MAC; the answer comes with what is received. */
void gen_net_meet(struct gen *g)
{
	static const uint8_t all[6] = {255, 255, 255, 255, 255, 255}, none[6];
	arp(g, RTE_ARP_OP_REQUEST, none, rte_cpu_to_be_32(g->proxy_ip), all);
	gen_net_flush(g);
}

static void read_arp(struct gen *g, const struct rte_arp_hdr *a)
{
	if (a->arp_data.arp_sip == rte_cpu_to_be_32(g->proxy_ip)) {
		memcpy(g->proxy_mac, a->arp_data.arp_sha.addr_bytes, 6);
		g->met = true;
	}
	if (a->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) && a->arp_data.arp_tip == rte_cpu_to_be_32(g->gateway_ip))
		arp(g, RTE_ARP_OP_REPLY, a->arp_data.arp_sha.addr_bytes, a->arp_data.arp_sip,
		        a->arp_data.arp_sha.addr_bytes);
}

/* Room for one SIP text; NULL: no buffer. */
char *gen_net_begin(struct gen *g, struct rte_mbuf **m)
{
	*m = rte_pktmbuf_alloc(g->pool);
	return *m ? rte_pktmbuf_mtod_offset(*m, char *, HEADERS) : NULL;
}

/* sb_csum_add for whole messages. Reads no byte behind them. */
__attribute__((target("avx2"))) static uint64_t add_text(uint64_t sum, const char *p, size_t len)
{
	const __m256i low = _mm256_set1_epi64x(0xffffffff);
	__m256i total = _mm256_setzero_si256();
	for (; len >= 32; p += 32, len -= 32) {
		__m256i v = _mm256_loadu_si256((const void *)p);
		total = _mm256_add_epi64(total, _mm256_add_epi64(_mm256_and_si256(v, low), _mm256_srli_epi64(v, 32)));
	}
	uint64_t lanes[4];
	_mm256_storeu_si256((void *)lanes, total);
	return sb_csum_add(sum + lanes[0] + lanes[1] + lanes[2] + lanes[3], p, len);
}

static uint64_t fold_ip(const struct rte_ipv4_hdr *ip)
{
	return sb_csum_add(0, ip, 20);
}

void gen_net_send(struct gen *g, struct rte_mbuf *m, uint32_t from, size_t len)
{
	struct headers *h = rte_pktmbuf_mtod(m, struct headers *);
	memcpy(h->eth.dst_addr.addr_bytes, g->proxy_mac, 6);
	memcpy(h->eth.src_addr.addr_bytes, g->mac, 6);
	h->eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	h->ip = (struct rte_ipv4_hdr){.version_ihl = 0x45,
	        .time_to_live = 64,
	        .next_proto_id = IPPROTO_UDP,
	        .fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
	        .total_length = rte_cpu_to_be_16((uint16_t)(len + 28)),
	        .src_addr = rte_cpu_to_be_32(from),
	        .dst_addr = rte_cpu_to_be_32(g->proxy_ip)};
	h->ip.hdr_checksum = sb_csum_end(fold_ip(&h->ip));
	h->udp = (struct rte_udp_hdr){.src_port = RTE_BE16(5060),
	        .dst_port = RTE_BE16(5060),
	        .dgram_len = rte_cpu_to_be_16((uint16_t)(len + 8))};
	uint64_t sum = (uint64_t)h->ip.src_addr + h->ip.dst_addr + RTE_BE16(IPPROTO_UDP) + 2ull * h->udp.dgram_len +
	               RTE_BE16(5060) * 2ull;
	uint16_t folded = sb_csum_end(add_text(sum, (char *)(h + 1), len));
	h->udp.dgram_cksum = folded ? folded : 0xffff;
	m->data_len = (uint16_t)(len + HEADERS);
	m->pkt_len = (uint32_t)(len + HEADERS);
	g->f.tx++;
	g->f.tx_bytes += m->pkt_len;
	put_frame(g, m);
}

/* Port unreachable from the host that was addressed, quoting what it refuses (RFC 792). */
void gen_net_icmp(struct gen *g, const struct rte_mbuf *offending)
{
	const struct headers *o = rte_pktmbuf_mtod(offending, const struct headers *);
	struct rte_mbuf *m = rte_pktmbuf_alloc(g->pool);
	if (!m)
		return;
	uint16_t quoted = rte_be_to_cpu_16(o->ip.total_length);
	quoted = quoted > QUOTED ? QUOTED : quoted;
	struct headers *h = rte_pktmbuf_mtod(m, struct headers *);
	struct rte_icmp_hdr *icmp = (void *)&h->udp;
	memcpy(h->eth.dst_addr.addr_bytes, g->proxy_mac, 6);
	memcpy(h->eth.src_addr.addr_bytes, g->mac, 6);
	h->eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	h->ip = (struct rte_ipv4_hdr){.version_ihl = 0x45,
	        .time_to_live = 64,
	        .next_proto_id = IPPROTO_ICMP,
	        .total_length = rte_cpu_to_be_16((uint16_t)(28 + quoted)),
	        .src_addr = o->ip.dst_addr,
	        .dst_addr = o->ip.src_addr};
	h->ip.hdr_checksum = sb_csum_end(fold_ip(&h->ip));
	*icmp = (struct rte_icmp_hdr){.icmp_type = 3, .icmp_code = 3};
	memcpy(icmp + 1, &o->ip, quoted);
	icmp->icmp_cksum = sb_csum_end(sb_csum_add(0, icmp, 8u + quoted));
	m->data_len = (uint16_t)(HEADERS + quoted);
	m->pkt_len = m->data_len;
	put_frame(g, m);
}

/* Every frame goes: what the ring does not take is offered again, for as long as the proxy takes to read. */
void gen_net_flush(struct gen *g)
{
	unsigned sent = 0;
	uint64_t patience = 0;
	while (sent < g->n_out) {
		unsigned n = g->n_out - sent < GEN_BURST ? g->n_out - sent : GEN_BURST;
		n = rte_eth_tx_burst(g->port, 0, g->out + sent, (uint16_t)n);
		sent += n;
		if (!n && ++patience > 2000000)
			break; /* nobody reads any more */
	}
	if (sent < g->n_out)
		rte_pktmbuf_free_bulk(g->out + sent, g->n_out - sent);
	g->n_out = 0;
}

bool gen_net_read(
        struct gen *g, const struct rte_mbuf *m, const char **text, uint32_t *len, uint32_t *to, bool *checksum_wrong)
{
	const struct headers *h = rte_pktmbuf_mtod(m, const struct headers *);
	if (h->eth.ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP) && m->data_len >= 42) {
		read_arp(g, (const void *)(&h->eth + 1));
		return false;
	}
	if (h->eth.ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4) || h->ip.next_proto_id != IPPROTO_UDP ||
	        m->data_len < HEADERS)
		return false;
	uint32_t udp = rte_be_to_cpu_16(h->udp.dgram_len);
	if (udp < 8 || udp + HEADERS - 8 > m->data_len || h->udp.dst_port != RTE_BE16(5060))
		return false;
	*text = (const char *)(h + 1);
	*len = udp - 8;
	*to = rte_be_to_cpu_32(h->ip.dst_addr);
	*checksum_wrong = false;
	if (h->udp.dgram_cksum && (++g->sampled & 15) == 0) { /* one of sixteen: they are all made alike */
		uint64_t sum = (uint64_t)h->ip.src_addr + h->ip.dst_addr + RTE_BE16(IPPROTO_UDP) + h->udp.dgram_len;
		*checksum_wrong = sb_csum_end(add_text(sum, (const char *)&h->udp, udp)) != 0;
	}
	return true;
}
