/* SPDX-License-Identifier: BSD-3-Clause */
/* burst.c - a burst of frames, stage by stage: decode all, index all, hand over what is not ours, act on all. While one
 * stage works on a packet, what it needs of the next ones is on its way to the cache. */
#include "dataplane/net/net.h"
#include <rte_prefetch.h>

#define AHEAD        4 /* packets */
#define PACKET_LINES 3 /* cache lines of a packet's private area in front of the message that was read */

static void prefetch_packet(struct rte_mbuf *m)
{
	const char *np = rte_mbuf_to_priv(m);
	rte_prefetch0(rte_pktmbuf_mtod(m, void *));
	for (uint32_t line = 0; line < PACKET_LINES; line++)
		__builtin_prefetch(np + line * RTE_CACHE_LINE_SIZE, 1);
}

/* Frames to datagrams: L2 to L4, checksums, listeners. The rest has its end here. */
static void decode_all(struct sb_worker *w, uint16_t port, struct rte_mbuf **m, uint32_t n)
{
	w->burst.n = 0;
	for (uint32_t i = 0; i < RTE_MIN(n, (uint32_t)AHEAD); i++)
		prefetch_packet(m[i]);
	for (uint32_t i = 0; i < n; i++) {
		if (i + AHEAD < n)
			prefetch_packet(m[i + AHEAD]);
		struct sb_net_pkt *np = sb_pkt_received(w, m[i]);
		if (!np) {
			sb_count(&w->counters, SB_C_drop_no_buffer);
			continue;
		}
		np->port = port;
		sb_classify(w, np);
	}
}

/* SIP is read here, whoever owns it: the index rides along. What a message of ours belongs to is asked for at once: the
 * caches have until the last of the burst is read. */
static void index_all(struct sb_worker *w)
{
	const bool osip = w->view->snapshot->parser == SB_PARSER_OSIP;
	uint32_t fast = 0, slow = 0;
	for (uint32_t i = 0; i < w->burst.n; i++) {
		struct sb_net_pkt *np = w->burst.pkt[i];
		bool asked = false;
		if (np->kind != SB_NET_SIP)
			continue;
		np->read = (uint8_t)sb_core_read(w->core, &np->sip, &np->pkt, osip, &np->look, &asked);
		np->owner = sb_core_owner(w->core, &np->look);
		if (np->owner == w->index)
			sb_core_prefetch(w->core, &np->look);
		if (np->read < SB_READ_NOT_SIP)
			*(asked ? &slow : &fast) += 1;
	}
	sb_count_add(&w->counters, SB_C_sip_fast, fast);
	sb_count_add(&w->counters, SB_C_sip_osip, slow);
}

/* The worker whose transaction an ICMP error is about: its cookie says so. */
static uint32_t icmp_owner(const struct sb_worker *w, const struct sb_net_pkt *np)
{
	struct sb_cookie c;
	if (sb_cookie_find(&w->dp->keys, np->pkt.text, np->pkt.len, &c) || c.kind != SB_COOKIE_TXN)
		return w->index;
	return c.worker < w->dp->cfg.n_workers ? c.worker : w->index;
}

static uint32_t owner_of(const struct sb_worker *w, const struct sb_net_pkt *np)
{
	return np->kind == SB_NET_ICMP ? icmp_owner(w, np) : np->owner;
}

/* To the worker that owns them; what its ring has no room for ends here. */
static void hand_over(struct sb_worker *w, uint32_t owner, struct sb_net_pkt **pkt, uint32_t n)
{
	uint32_t sent = rte_ring_mp_enqueue_burst(w->dp->worker[owner]->in, (void **)pkt, n, NULL);
	sb_count_add(&w->counters, SB_C_handoff, sent);
	for (uint32_t i = sent; i < n; i++)
		sb_end(w, pkt[i], SB_C_drop_ring_full);
}

/* It reads what sb_core_prefetch() has asked for. */
static void prefetch_more(struct sb_worker *w)
{
	for (uint32_t i = 0; i < w->burst.n; i++)
		if (w->burst.pkt[i]->kind == SB_NET_SIP)
			sb_core_prefetch_more(w->core, &w->burst.pkt[i]->look);
}

/* Ours stay in the burst; the others leave, all of one owner at once. */
static void place_all(struct sb_worker *w)
{
	struct sb_burst *b = &w->burst, away = {0};
	struct sb_net_pkt *batch[SB_BURST];
	uint32_t owner[SB_BURST], kept = 0;
	for (uint32_t i = 0; i < b->n; i++) {
		uint32_t whose = owner_of(w, b->pkt[i]);
		if (whose == w->index) {
			b->pkt[kept++] = b->pkt[i];
		} else {
			owner[away.n] = whose;
			away.pkt[away.n++] = b->pkt[i];
		}
	}
	b->n = kept;
	while (away.n) {
		uint32_t whose = owner[0], n = 0, left = 0;
		for (uint32_t i = 0; i < away.n; i++) {
			if (owner[i] == whose) {
				batch[n++] = away.pkt[i];
			} else {
				owner[left] = owner[i];
				away.pkt[left++] = away.pkt[i];
			}
		}
		away.n = left;
		hand_over(w, whose, batch, n);
	}
}

static enum sb_counter act(struct sb_worker *w, struct sb_net_pkt *np)
{
	if (np->kind == SB_NET_ICMP)
		return sb_core_icmp(w->core, &np->pkt.peer, np->pkt.text, np->pkt.len, np->fatal, w->now_us).counter;
	if (!np->pkt.listener) /* a reload came between whoever received it and us */
		return SB_C_drop_not_ours;
	return sb_core_packet(w->core, &np->pkt, &np->sip, &np->look, w->now_us).counter;
}

static void act_all(struct sb_worker *w)
{
	for (uint32_t i = 0; i < w->burst.n; i++)
		sb_count(&w->counters, act(w, w->burst.pkt[i]));
	sb_pkt_free_burst(w->dp, &w->burst);
}

void sb_burst_received(struct sb_worker *w, uint16_t port, struct rte_mbuf **m, uint32_t n)
{
	decode_all(w, port, m, n);
	sb_lap(w, SB_C_ticks_decode);
	index_all(w);
	sb_lap(w, SB_C_ticks_index);
	place_all(w);
	prefetch_more(w);
	sb_lap(w, SB_C_ticks_handoff);
	act_all(w);
	sb_lap(w, SB_C_ticks_act);
}

/* The listener belongs to a snapshot, and another worker may go by another one. */
void sb_burst_handed(struct sb_worker *w)
{
	for (uint32_t i = 0; i < w->burst.n; i++) {
		struct sb_net_pkt *np = w->burst.pkt[i];
		np->pkt.listener = sb_view_find(w->view, np->port, &np->local);
		if (np->kind == SB_NET_SIP)
			sb_core_prefetch(w->core, &np->look);
	}
	prefetch_more(w);
	sb_lap(w, SB_C_ticks_handoff);
	act_all(w);
	sb_lap(w, SB_C_ticks_act);
}
