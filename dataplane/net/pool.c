/* SPDX-License-Identifier: BSD-3-Clause */
/* pool.c - the three pools that every packet's memory comes from, and the packet they hold. */
#include "dataplane/net/net.h"
#include <rte_errno.h>
#include <switchback/err.h>

#define SMALL_ROOM       2176
#define SMALL_PER_WORKER 4096 /* in rings, bursts and caches */
#define SMALL_PER_QUEUE  3072 /* descriptors of both directions */
#define SMALL_PER_XDP    9216 /* net_af_xdp keeps two rings of 4096 filled */
#define CACHE            256
#define WIDE_BUFFERS     255
#define WIDE_ROOM        (61440 + RTE_PKTMBUF_HEADROOM)
#define OVERHEAD_MB      48 /* the libraries' own, rings, page ends */
#define PRIV_BYTES       RTE_ALIGN_CEIL(sizeof(struct sb_net_pkt), RTE_MBUF_PRIV_ALIGN)
_Static_assert(sizeof(struct sb_net_pkt) <= 512, "net_af_xdp wants mbuf, private area and data in one page");
_Static_assert(offsetof(struct sb_net_pkt, pkt) == 0, "the core hands back the address of pkt");

/* Bytes behind the headroom: what the biggest MTU takes, with Ethernet, tag and what vectors over-read. */
static uint32_t small_room(const struct sb_dataplane_config *cfg)
{
	uint32_t room = SMALL_ROOM;
	for (uint32_t i = 0; i < cfg->n_ports; i++)
		room = RTE_MAX(room, RTE_MIN(cfg->port[i].mtu, 16000u) + 22u + SB_SIP_PAD);
	return RTE_ALIGN_CEIL(room, 64);
}

static uint32_t small_buffers(const struct sb_dataplane_config *cfg)
{
	uint32_t n = SMALL_PER_WORKER;
	for (uint32_t i = 0; i < cfg->n_ports; i++)
		n += strstr(cfg->port[i].device, "af_xdp") ? SMALL_PER_XDP : SMALL_PER_QUEUE;
	return n * cfg->n_workers - 1;
}

uint32_t sb_pool_memory_mb(const struct sb_dataplane_config *cfg)
{
	uint64_t small =
	        (uint64_t)small_buffers(cfg) * (small_room(cfg) + RTE_PKTMBUF_HEADROOM + 128 + PRIV_BYTES + 128);
	uint64_t wide = (uint64_t)WIDE_BUFFERS * (WIDE_ROOM + 1024),
	         large = (uint64_t)SB_LARGE_BUFFERS * sizeof(struct sb_large);
	return (uint32_t)((small + wide + large) >> 20) + OVERHEAD_MB;
}

static struct rte_mempool *large_pool(void)
{
	return rte_mempool_create(
	        "sb_large", SB_LARGE_BUFFERS, sizeof(struct sb_large), 0, 0, NULL, NULL, NULL, NULL, SOCKET_ID_ANY, 0);
}

int sb_pool_open(struct sb_dataplane *dp, char why[256])
{
	struct sb_pools *p = &dp->pools;
	bool wide = false;
	for (uint32_t i = 0; i < dp->cfg.n_ports; i++)
		wide |= dp->port[i].wide;
	p->small_room = small_room(&dp->cfg);
	p->small = rte_pktmbuf_pool_create("sb_small", small_buffers(&dp->cfg), CACHE, (uint16_t)PRIV_BYTES,
	        (uint16_t)(p->small_room + RTE_PKTMBUF_HEADROOM), SOCKET_ID_ANY);
	p->large = large_pool();
	if (wide)
		p->wide = rte_pktmbuf_pool_create(
		        "sb_wide", WIDE_BUFFERS, 0, (uint16_t)PRIV_BYTES, WIDE_ROOM, SOCKET_ID_ANY);
	if (p->small && p->large && (p->wide || !wide))
		return 0;
	snprintf(why, 256, "packet buffers need %u MB of %s memory: %s", sb_pool_memory_mb(&dp->cfg),
	        dp->cfg.hugepages ? "hugepage" : "DPDK", rte_strerror(rte_errno));
	return SB_E_NOMEM;
}

void sb_pool_close(struct sb_pools *p)
{
	rte_mempool_free(p->small);
	rte_mempool_free(p->wide);
	rte_mempool_free(p->large);
	memset(p, 0, sizeof *p);
}

static struct sb_net_pkt *of_mbuf(struct rte_mbuf *m)
{
	struct sb_net_pkt *np = rte_mbuf_to_priv(m);
	np->mbuf = m;
	return np;
}

struct sb_net_pkt *sb_pkt_small(struct sb_dataplane *dp)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp->pools.small);
	if (!m)
		return NULL;
	struct sb_net_pkt *np = of_mbuf(m);
	np->frame = rte_pktmbuf_mtod(m, uint8_t *);
	np->pkt.text = rte_pktmbuf_mtod(m, char *);
	np->pkt.cap = dp->pools.small_room - SB_SIP_PAD;
	np->pkt.len = 0;
	return np;
}

struct sb_net_pkt *sb_pkt_large(struct sb_dataplane *dp)
{
	void *buf;
	if (rte_mempool_get(dp->pools.large, &buf))
		return NULL;
	struct sb_large *l = buf;
	l->pkt.mbuf = NULL;
	l->pkt.frame = l->text;
	l->pkt.pkt.text = (char *)l->text;
	l->pkt.pkt.cap = SB_SIP_MAX;
	l->pkt.pkt.len = 0;
	return &l->pkt;
}

void sb_pkt_free(struct sb_dataplane *dp, struct sb_net_pkt *np)
{
	if (np->mbuf)
		rte_pktmbuf_free(np->mbuf);
	else
		rte_mempool_put(dp->pools.large, np);
}

void sb_pkt_free_burst(struct sb_dataplane *dp, struct sb_burst *b)
{
	struct rte_mbuf *m[SB_BURST];
	uint32_t n = 0;
	for (uint32_t i = 0; i < b->n; i++) {
		if (b->pkt[i]->mbuf)
			m[n++] = b->pkt[i]->mbuf;
		else
			rte_mempool_put(dp->pools.large, b->pkt[i]);
	}
	rte_pktmbuf_free_bulk(m, n);
	b->n = 0;
}

/* The frame in one piece with SB_SIP_PAD readable bytes behind it, and out of the few wide buffers if it is no big one.
 */
struct sb_net_pkt *sb_pkt_received(struct sb_worker *w, struct rte_mbuf *m)
{
	uint32_t len = rte_pktmbuf_pkt_len(m);
	bool wide = m->pool == w->dp->pools.wide;
	struct sb_net_pkt *np;
	if (m->nb_segs == 1 && rte_pktmbuf_tailroom(m) >= SB_SIP_PAD &&
	        (!wide || len > w->dp->pools.small_room - SB_SIP_PAD)) {
		np = of_mbuf(m);
		np->frame = rte_pktmbuf_mtod(m, uint8_t *);
		np->frame_len = len;
		return np;
	}
	np = len <= w->dp->pools.small_room - SB_SIP_PAD ? sb_pkt_small(w->dp) : sb_pkt_large(w->dp);
	if (np && len > (np->mbuf ? len : SB_LARGE_BYTES)) {
		sb_pkt_free(w->dp, np);
		np = NULL;
	}
	if (np) {
		const void *from = rte_pktmbuf_read(m, 0, len, np->frame);
		if (from != np->frame)
			memcpy(np->frame, from, len);
		np->frame_len = len;
		if (np->mbuf) {
			np->mbuf->data_len = (uint16_t)len;
			np->mbuf->pkt_len = len;
			np->mbuf->ol_flags = m->ol_flags & (RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK);
		}
	}
	rte_pktmbuf_free(m);
	return np;
}
