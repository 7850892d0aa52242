/* SPDX-License-Identifier: BSD-3-Clause */
/* worker.c - the loop of one polling thread: take, act, send, and say that nothing old is in use any more. */
#include "dataplane/net/net.h"
#include "dataplane/sip/osip.h"
#include <sys/prctl.h>

#define FRAGS_LOOK_US 100000

/* The snapshot and the fib of this loop. */
void sb_worker_look(struct sb_worker *w)
{
	const struct sb_view *v = atomic_load_explicit(&w->dp->view, memory_order_acquire);
	w->fib = atomic_load_explicit(&w->dp->fib, memory_order_acquire);
	w->view = v;
	sb_core_snapshot(w->core, v->snapshot); /* each time: a new view may stand where an old one stood */
	w->now_us = sb_clock_now(&w->clock);
}

static uint32_t take_port(struct sb_worker *w, uint16_t port)
{
	struct rte_mbuf *m[SB_BURST];
	uint32_t n = rte_eth_rx_burst(w->dp->port[port].id, (uint16_t)w->index, m, SB_BURST);
	if (!n)
		return 0;
	sb_lap(w, SB_C_ticks_receive);
	/* What came after a reload was told done must see it, however long this thread was not run. */
	sb_worker_look(w);
	sb_count_add(&w->counters, SB_C_rx_frames, n);
	sb_burst_received(w, port, m, n);
	sb_tx_flush(w);
	sb_lap(w, SB_C_ticks_transmit);
	return n;
}

/* n: frames in all; returns the most that one port had. */
static uint32_t take_ports(struct sb_worker *w, uint32_t *n)
{
	uint32_t most = 0;
	for (uint16_t port = 0; port < w->dp->cfg.n_ports; port++) {
		struct sb_port *p = &w->dp->port[port];
		uint32_t took = 0;
		if (w->index < p->n_queues && atomic_load_explicit(&p->started, memory_order_acquire))
			most = RTE_MAX(most, took = take_port(w, port));
		*n += took;
	}
	return most;
}

/* What other workers received and this one owns. */
static uint32_t take_handed(struct sb_worker *w)
{
	uint32_t n = rte_ring_sc_dequeue_burst(w->in, (void **)w->burst.pkt, SB_BURST, NULL);
	if (!n)
		return 0;
	sb_lap(w, SB_C_ticks_receive);
	w->burst.n = n;
	sb_burst_handed(w);
	sb_tx_flush(w);
	sb_lap(w, SB_C_ticks_transmit);
	return n;
}

/* Frames for queues of this worker, from others without one and from control. */
static uint32_t take_tx(struct sb_worker *w)
{
	struct rte_mbuf *m[SB_BURST];
	uint32_t n = rte_ring_sc_dequeue_burst(w->tx_in, (void **)m, SB_BURST, NULL);
	for (uint32_t i = 0; i < n; i++)
		sb_tx_put(w, m[i]->port, m[i]);
	return n;
}

static uint32_t take_mail(struct sb_worker *w)
{
	struct sb_mail mail;
	uint32_t n = 0;
	for (; n < SB_MAIL_BURST && sb_ring_take(&w->mail.down, &mail); n++)
		sb_core_mail(w->core, &mail, w->now_us);
	return n;
}

static void expire_fragments(struct sb_worker *w)
{
	if (w->now_us - w->frags_looked_us < FRAGS_LOOK_US)
		return;
	w->frags_looked_us = w->now_us;
	sb_count_add(&w->counters, SB_C_fragments_expired, sb_frag_expire(&w->frags, w->now_us));
}

/* A queue that filled a burst had perhaps more. */
static void weigh(struct sb_worker *w, uint32_t most)
{
	uint32_t before = w->overload.share;
	if (!w->view->snapshot->overload_shed)
		w->overload = (struct sb_overload){0};
	else
		sb_overload_turn(&w->overload,
		        most == SB_BURST ? SB_TURN_FULL
		        : most           ? SB_TURN_SOME
		                         : SB_TURN_IDLE,
		        w->now_us);
	if (w->overload.share != before)
		sb_core_shed(w->core, w->overload.share);
}

void sb_worker_step(struct sb_worker *w)
{
	sb_worker_look(w);
	uint32_t work = 0;
	uint32_t most = take_ports(w, &work);
	uint32_t handed = take_handed(w);
	work += handed;
	weigh(w, RTE_MAX(most, handed));
	work += take_tx(w);
	if (work)
		sb_lap(w, SB_C_ticks_receive);
	work += take_mail(w);
	sb_core_tick(w->core, w->now_us);
	expire_fragments(w);
	if (work)
		sb_lap(w, SB_C_ticks_timers);
	sb_tx_flush(w);
	rte_rcu_qsbr_quiescent(w->dp->rcu, w->index);
	sb_rest(w, work);
	sb_lap(w, work ? SB_C_ticks_transmit : SB_C_ticks_idle);
}

int sb_worker_run(void *worker)
{
	struct sb_worker *w = worker;
	prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul); /* naps are short */
	sb_osip_arena(w->arena, SB_OSIP_ARENA);
	rte_rcu_qsbr_thread_register(w->dp->rcu, w->index);
	rte_rcu_qsbr_thread_online(w->dp->rcu, w->index);
	sb_clock_init(&w->clock);
	w->lap = rte_rdtsc();
	while (!atomic_load_explicit(&w->dp->stop, memory_order_relaxed))
		sb_worker_step(w);
	rte_rcu_qsbr_thread_offline(w->dp->rcu, w->index);
	rte_rcu_qsbr_thread_unregister(w->dp->rcu, w->index);
	return 0;
}
