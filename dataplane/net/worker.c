/* SPDX-License-Identifier: BSD-3-Clause */
/* worker.c - the loop of one polling thread: take, classify, act, send, and say that nothing old is in use any more. */
#include "dataplane/net/net.h"
#include "dataplane/sip/osip.h"
#include <rte_cycles.h>
#include <rte_prefetch.h>
#include <sched.h>
#include <sys/prctl.h>
#include <time.h>

#define IDLE_LOOPS    200 /* without work, before a CPU that others need is let go */
#define IDLE_SLEEP_NS 50000
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

/* What has passed since the last lap goes to one stage's account. */
static inline void lap(struct sb_worker *w, enum sb_counter stage)
{
	uint64_t now = rte_rdtsc();
	sb_count_add(&w->counters, stage, now - w->lap);
	w->lap = now;
}

static uint32_t take_port(struct sb_worker *w, uint16_t port)
{
	struct rte_mbuf *m[SB_BURST];
	uint32_t n = rte_eth_rx_burst(w->dp->port[port].id, (uint16_t)w->index, m, SB_BURST);
	if (!n)
		return 0;
	lap(w, SB_C_ticks_receive);
	/* What came after a reload was told done must see it, however long this thread was not run. */
	sb_worker_look(w);
	sb_count_add(&w->counters, SB_C_rx_frames, n);
	for (uint32_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (uint32_t i = 0; i < n; i++) {
		struct sb_net_pkt *np = sb_pkt_received(w, m[i]);
		if (!np) {
			sb_count(&w->counters, SB_C_drop_no_buffer);
			continue;
		}
		np->port = port;
		sb_classify(w, np);
	}
	lap(w, SB_C_ticks_read);
	sb_act_all(w);
	lap(w, SB_C_ticks_act);
	return n;
}

static uint32_t take_ports(struct sb_worker *w)
{
	uint32_t n = 0;
	for (uint16_t port = 0; port < w->dp->cfg.n_ports; port++) {
		struct sb_port *p = &w->dp->port[port];
		if (w->index < p->n_queues && atomic_load_explicit(&p->started, memory_order_acquire))
			n += take_port(w, port);
	}
	return n;
}

/* What other workers received and this one owns. */
static uint32_t take_handed(struct sb_worker *w)
{
	w->n_act = rte_ring_sc_dequeue_burst(w->in, (void **)w->act, SB_BURST, NULL);
	uint32_t n = w->n_act;
	if (!n)
		return 0;
	lap(w, SB_C_ticks_receive);
	for (uint32_t i = 0; i < n; i++) {
		if (w->act[i]->kind == SB_NET_SIP)
			sb_core_prefetch(w->core, &w->act[i]->sip, (enum sb_read)w->act[i]->read);
	}
	sb_act_all(w);
	lap(w, SB_C_ticks_act);
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

/* Polling goes on for ever, but not at the cost of a thread that shares the CPU. */
static void rest(struct sb_worker *w, uint32_t work)
{
	static const struct timespec nap = {.tv_nsec = IDLE_SLEEP_NS};
	w->idle = work ? 0 : w->idle + 1;
	if (w->shares_cpu && w->idle > IDLE_LOOPS)
		nanosleep(&nap, NULL);
	else if (w->idle)
		rte_pause();
}

void sb_worker_step(struct sb_worker *w)
{
	sb_worker_look(w);
	uint32_t work = take_ports(w);
	work += take_handed(w);
	work += take_tx(w);
	if (work)
		lap(w, SB_C_ticks_receive);
	work += take_mail(w);
	sb_core_tick(w->core, w->now_us);
	expire_fragments(w);
	if (work)
		lap(w, SB_C_ticks_mail);
	sb_tx_flush(w);
	rte_rcu_qsbr_quiescent(w->dp->rcu, w->index);
	lap(w, work ? SB_C_ticks_transmit : SB_C_ticks_idle);
	rest(w, work);
}

int sb_worker_run(void *worker)
{
	struct sb_worker *w = worker;
	prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul);
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
