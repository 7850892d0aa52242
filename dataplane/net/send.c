/* SPDX-License-Identifier: BSD-3-Clause */
/* send.c - what the core asks of its surroundings: buffers, and a datagram on its way by the fib, whole, cut, or by the
 * kernel. */
#include "dataplane/net/net.h"

#define MTU_MIN_6 1280 /* RFC 8200 5 */
#define MTU_MIN   576  /* an interface that says less is not believed */

static void give(struct sb_worker *w, uint16_t port, struct sb_tx *tx)
{
	struct sb_port *p = &w->dp->port[port];
	uint32_t sent = 0;
	if (!atomic_load_explicit(&p->started, memory_order_acquire)) {
		/* nobody there */
	} else if (w->index < p->n_queues) {
		sent = rte_eth_tx_burst(p->id, (uint16_t)w->index, tx->mbuf, (uint16_t)tx->n);
		sb_count_add(&w->counters, SB_C_tx_frames, sent);
	} else { /* its owner counts what goes out */
		struct rte_ring *ring = w->dp->worker[w->index % p->n_queues]->tx_in;
		sent = rte_ring_mp_enqueue_burst(ring, (void **)tx->mbuf, tx->n, NULL);
	}
	sb_count_add(&w->counters, SB_C_tx_dropped, tx->n - sent);
	if (sent < tx->n)
		rte_pktmbuf_free_bulk(tx->mbuf + sent, tx->n - sent);
	tx->n = 0;
}

void sb_tx_put(struct sb_worker *w, uint16_t port, struct rte_mbuf *m)
{
	struct sb_tx *tx = &w->tx[port];
	m->port = port;
	tx->mbuf[tx->n++] = m;
	if (tx->n == SB_TX_BUFFER)
		give(w, port, tx);
}

void sb_tx_flush(struct sb_worker *w)
{
	for (uint16_t port = 0; port < w->dp->cfg.n_ports; port++) {
		if (w->tx[port].n)
			give(w, port, &w->tx[port]);
	}
}

/* The headers stand in front of the text already in an mbuf: nothing is copied. */
static void send_in_place(
        struct sb_worker *w, struct sb_net_pkt *np, struct sb_wire *wire, const struct sb_port *p, uint16_t port)
{
	struct rte_mbuf *m = np->mbuf;
	uint8_t *l4 = (uint8_t *)np->pkt.text - SB_UDP_HEAD;
	size_t head = sb_wire_head_len(wire, false);
	bool v6 = wire->to->family == 6;
	uint32_t len = (uint32_t)head + SB_UDP_HEAD + np->pkt.len;
	wire->ip_offload = p->tx_ip_checksum && !v6;
	sb_wire_udp(wire, l4, np->pkt.len, p->tx_udp_checksum);
	sb_wire_head(wire, l4 - head, np->pkt.len + SB_UDP_HEAD, NULL);
	m->data_off = (uint16_t)(l4 - head - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	m->ol_flags = 0;
	if (wire->ip_offload || p->tx_udp_checksum) {
		m->l2_len = wire->vlan ? 18 : 14;
		m->l3_len = v6 ? 40 : 20;
		m->ol_flags = (v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4) |
		              (wire->ip_offload ? RTE_MBUF_F_TX_IP_CKSUM : 0) |
		              (p->tx_udp_checksum ? RTE_MBUF_F_TX_UDP_CKSUM : 0);
	}
	sb_tx_put(w, port, m);
}

/* Copies L4 bytes into a fresh mbuf behind their headers. piece NULL: all of them. */
static struct rte_mbuf *cut(struct sb_worker *w, const struct sb_wire *wire, const uint8_t *l4, uint32_t len,
        const struct sb_wire_piece *piece)
{
	size_t head = sb_wire_head_len(wire, piece);
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->dp->pools.small);
	if (!m)
		return NULL;
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(head + len));
	if (!at) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	sb_wire_head(wire, at, len, piece);
	memcpy(at + head, l4, len);
	return m;
}

/* Out in copies, as many as the MTU asks for: from a large buffer, or beyond the MTU. False: a buffer was missing. */
static bool send_copied(struct sb_worker *w, struct sb_net_pkt *np, struct sb_wire *wire, uint32_t mtu, uint16_t port)
{
	uint8_t *l4 = (uint8_t *)np->pkt.text - SB_UDP_HEAD;
	uint32_t len = np->pkt.len + SB_UDP_HEAD, room = sb_wire_room(wire, mtu, true);
	bool whole = len <= sb_wire_room(wire, mtu, false);
	sb_wire_udp(wire, l4, np->pkt.len, false);
	for (uint32_t off = 0; off < len;) {
		uint32_t n = whole ? len : RTE_MIN(room, len - off);
		struct sb_wire_piece piece = {(uint16_t)off, off + n < len};
		struct rte_mbuf *m = cut(w, wire, l4 + off, n, whole ? NULL : &piece);
		if (!m)
			return false;
		sb_tx_put(w, port, m);
		off += n;
	}
	return true;
}

static bool send_by_port(struct sb_worker *w, struct sb_net_pkt *np, const struct sb_fib_hop *hop)
{
	const struct sb_fib_iface *i = hop->iface;
	struct sb_wire wire = {.dst_mac = hop->mac,
	        .src_mac = i->mac,
	        .from = &np->pkt.listener->addr,
	        .to = &np->pkt.peer,
	        .id = sb_wire_id(&w->ids),
	        .vlan = i->vlan};
	if (i->port >= w->dp->cfg.n_ports || (np->pkt.peer.family == 4 && np->pkt.len > SB_UDP_MAX_4)) {
		sb_pkt_free(w->dp, np);
		return false;
	}
	/* Routers do not cut IPv6, and nobody here remembers path MTUs: beyond a gateway every packet fits the least.
	 */
	uint32_t mtu = i->mtu ? RTE_MAX((uint32_t)i->mtu, (uint32_t)MTU_MIN) : w->dp->port[i->port].mtu;
	if (hop->off_link && np->pkt.peer.family == 6)
		mtu = MTU_MIN_6;
	mtu = RTE_MIN(mtu, w->dp->pools.small_room - SB_SIP_PAD - 18);
	if (np->mbuf && np->pkt.len + SB_UDP_HEAD <= sb_wire_room(&wire, mtu, false)) {
		send_in_place(w, np, &wire, &w->dp->port[i->port], i->port);
		return true;
	}
	if (!send_copied(w, np, &wire, mtu, i->port))
		sb_count(&w->counters, SB_C_tx_no_buffer);
	sb_pkt_free(w->dp, np);
	return true; /* a buffer that was wanting is our fault: as if lost on the way, no evidence against the peer */
}

static bool op_send(void *ctx, struct sb_pkt *pkt)
{
	struct sb_worker *w = ctx;
	struct sb_net_pkt *np = (struct sb_net_pkt *)(void *)pkt;
	const struct sb_snap_listener *l = pkt->listener;
	struct sb_fib_hop hop = {0};
	enum sb_fib_answer answer = SB_FIB_NO_ROUTE;
	if (w->fib && l && l->addr.family == pkt->peer.family)
		answer = sb_fib_lookup(w->fib, &pkt->peer, l->port, &hop);
	if (answer == SB_FIB_SEND)
		return send_by_port(w, np, &hop);
	if (answer == SB_FIB_UNRESOLVED) {
		np->local = l->addr;
		np->port = l->port;
		sb_up_datagram(w, np);
		return true; /* a full ring likewise */
	}
	sb_pkt_free(w->dp, np);
	return false;
}

static struct sb_pkt *op_alloc(void *ctx, uint32_t size)
{
	struct sb_worker *w = ctx;
	struct sb_net_pkt *np = NULL;
	if (size <= w->dp->pools.small_room - SB_SIP_PAD)
		np = sb_pkt_small(w->dp);
	else if (size <= SB_SIP_MAX)
		np = sb_pkt_large(w->dp);
	return np ? &np->pkt : NULL;
}

static void op_free(void *ctx, struct sb_pkt *pkt)
{
	struct sb_worker *w = ctx;
	sb_pkt_free(w->dp, (struct sb_net_pkt *)(void *)pkt);
}

const struct sb_core_ops *sb_net_ops(void)
{
	static const struct sb_core_ops ops = {.alloc = op_alloc, .free = op_free, .send = op_send};
	return &ops;
}
