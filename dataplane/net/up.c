/* SPDX-License-Identifier: BSD-3-Clause */
/* up.c - the exception path: frames and datagrams that a worker leaves to the kernel, and frames that the kernel sends.
 */
#include "dataplane/net/net.h"

#define UP_BURST      32
#define PORTS_LOOK_US 500000

void sb_up_frame(struct sb_worker *w, struct sb_net_pkt *np)
{
	np->kind = SB_NET_FRAME;
	if (rte_ring_sp_enqueue(w->up, np))
		sb_end(w, np, SB_C_drop_ring_full);
	else
		sb_count(&w->counters, SB_C_end_punted);
}

bool sb_up_datagram(struct sb_worker *w, struct sb_net_pkt *np)
{
	np->kind = SB_NET_DATAGRAM;
	if (rte_ring_sp_enqueue(w->up, np)) {
		sb_count(&w->counters, SB_C_tx_dropped);
		sb_pkt_free(w->dp, np);
		return false;
	}
	sb_count(&w->counters, SB_C_tx_kernel);
	return true;
}

static void give(const struct sb_exception_ops *ops, const struct sb_net_pkt *np)
{
	if (np->kind == SB_NET_DATAGRAM)
		ops->datagram(ops->ctx, &np->local, &np->pkt.peer, np->pkt.text, np->pkt.len);
	else
		ops->frame(ops->ctx, np->port, np->frame, np->frame_len);
}

static void look_at_port(struct sb_dataplane *dp, struct sb_port *p)
{
	sb_port_look(dp, p);
	sb_port_losses(p, &dp->control_counters);
}

static void look_at_ports(struct sb_dataplane *dp)
{
	uint64_t now_us = sb_dataplane_now_us();
	if (now_us - dp->looked_us < PORTS_LOOK_US)
		return;
	dp->looked_us = now_us;
	for (uint32_t i = 0; i < dp->cfg.n_ports; i++)
		look_at_port(dp, &dp->port[i]);
}

uint32_t sb_dataplane_exceptions(struct sb_dataplane *dp, const struct sb_exception_ops *ops, uint32_t budget)
{
	void *burst[UP_BURST];
	uint32_t done = 0;
	look_at_ports(dp);
	for (uint32_t i = 0; i < dp->cfg.n_workers; i++) {
		uint32_t n = 1;
		while (n && done < budget) {
			n = rte_ring_sc_dequeue_burst(
			        dp->worker[i]->up, burst, RTE_MIN(budget - done, (uint32_t)UP_BURST), NULL);
			for (uint32_t k = 0; k < n; k++) {
				give(ops, burst[k]);
				sb_pkt_free(dp, burst[k]);
			}
			done += n;
		}
	}
	return done;
}

/* A worker that owns a queue of the port sends it: queue 0 is always the first worker's. */
bool sb_dataplane_inject(struct sb_dataplane *dp, uint32_t port, const void *data, uint32_t len)
{
	struct rte_mbuf *m = NULL;
	if (port < dp->cfg.n_ports && len >= 14 && len <= dp->pools.small_room)
		m = rte_pktmbuf_alloc(dp->pools.small);
	if (m) {
		memcpy(rte_pktmbuf_append(m, (uint16_t)len), data, len);
		m->port = (uint16_t)port;
		if (rte_ring_mp_enqueue(dp->worker[0]->tx_in, m) == 0)
			return true;
		rte_pktmbuf_free(m);
	}
	sb_count(&dp->control_counters, SB_C_tx_dropped);
	return false;
}
