/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane.c - puts ports, pools and workers together, publishes to them, and takes them apart again. */
#include "dataplane/net/net.h"
#include "dataplane/sip/osip.h"
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_malloc.h>
#include <switchback/err.h>
#include <sys/mman.h>

#define LINGER_MIN   65536
#define TEXT_PER_TXN 2048
#define TEXT_MIN     (8u << 20) /* the largest datagrams fit a small table too */

/* Zeroed, and no page of it is there before it is touched. */
static void *region_map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, size, MADV_HUGEPAGE);
	return p;
}

static void *frag_alloc(void *ctx, uint8_t **l4)
{
	struct sb_net_pkt *np = sb_pkt_large(ctx);
	if (np)
		*l4 = (uint8_t *)np->pkt.text;
	return np;
}

static void frag_free(void *ctx, void *buf)
{
	sb_pkt_free(ctx, buf);
}

static int open_core(struct sb_worker *w)
{
	const struct sb_dataplane_config *cfg = &w->dp->cfg;
	struct sb_core_config core = {
	        .worker = (uint8_t)w->index,
	        .n_workers = (uint8_t)cfg->n_workers,
	        .keys = w->dp->keys,
	        .ops = sb_net_ops(),
	        .ops_ctx = w,
	        .mail = &w->mail,
	        .health = cfg->health,
	        .counters = &w->counters,
	        .trunk_stats = w->trunk_stats,
	};
	core.transactions_max = RTE_MIN(RTE_MAX(cfg->transactions_max / cfg->n_workers, 1u), SB_COOKIE_SLOTS_MAX);
	core.linger_max = RTE_MAX(core.transactions_max * 4, (uint32_t)LINGER_MIN);
	core.text_bytes_max = RTE_MAX((uint64_t)core.transactions_max * TEXT_PER_TXN, (uint64_t)TEXT_MIN);
	w->memory_size = sb_core_memory(&core);
	w->memory = core.memory = region_map(w->memory_size);
	if (!w->memory)
		return SB_E_NOMEM;
	w->core = sb_core_init(&core);
	sb_ahead_watch(&w->dp->ahead, w->core);
	return 0;
}

static struct rte_ring *new_ring(const char *what, uint32_t index, uint32_t slots, unsigned flags)
{
	char name[RTE_RING_NAMESIZE];
	snprintf(name, sizeof name, "sb_%s_%u", what, index);
	return rte_ring_create(name, slots, SOCKET_ID_ANY, flags);
}

static bool shares_cpu(const struct sb_dataplane_config *cfg, uint32_t index)
{
	bool shared = cfg->worker_cpu[index] == cfg->control_cpu;
	for (uint32_t i = 0; i < cfg->n_workers; i++)
		shared |= i != index && cfg->worker_cpu[i] == cfg->worker_cpu[index];
	return shared;
}

static int open_worker(struct sb_dataplane *dp, uint32_t index)
{
	struct sb_frag_ops ops = {.alloc = frag_alloc, .free = frag_free, .ctx = dp};
	struct sb_worker *w = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof *w, 64));
	if (!w)
		return SB_E_NOMEM;
	memset(w, 0, sizeof *w);
	dp->worker[index] = w;
	w->dp = dp;
	w->index = index;
	w->lcore = index + 1;
	sb_wire_ids_init(&w->ids, index, dp->cfg.n_workers, (uint32_t)sb_dataplane_now_us());
	w->shares_cpu = shares_cpu(&dp->cfg, index);
	/* Reassembly may take half of the large buffers: the other half is for what we send. */
	sb_frag_init(&w->frags, RTE_MAX(SB_LARGE_BUFFERS / 2 / dp->cfg.n_workers, 1u), &ops);
	w->in = new_ring("in", index, SB_IN_RING, RING_F_SC_DEQ);
	w->tx_in = new_ring("tx", index, SB_TX_RING, RING_F_SC_DEQ);
	w->up = new_ring("up", index, SB_UP_RING, RING_F_SP_ENQ | RING_F_SC_DEQ);
	w->trunk_stats = region_map(SB_TRUNKS_MAX * sizeof *w->trunk_stats);
	w->arena = region_map(SB_OSIP_ARENA);
	if (!w->in || !w->tx_in || !w->up || !w->trunk_stats || !w->arena || sb_mailbox_init(&w->mail, SB_MAIL_SLOTS))
		return SB_E_NOMEM;
	return open_core(w);
}

static int open_workers(struct sb_dataplane *dp, char why[256])
{
	size_t size = rte_rcu_qsbr_get_memsize(dp->cfg.n_workers);
	dp->rcu = aligned_alloc(64, RTE_ALIGN_CEIL(size, 64));
	int err = dp->rcu && rte_rcu_qsbr_init(dp->rcu, dp->cfg.n_workers) == 0 ? 0 : SB_E_NOMEM;
	for (uint32_t i = 0; !err && i < dp->cfg.n_workers; i++)
		err = open_worker(dp, i);
	if (err)
		snprintf(why, 256, "no memory for %u workers with %u transactions", dp->cfg.n_workers,
		        dp->cfg.transactions_max);
	return err;
}

static int open_ports(struct sb_dataplane *dp, char why[256])
{
	int err = 0;
	for (uint32_t i = 0; !err && i < dp->cfg.n_ports; i++)
		err = sb_port_probe(&dp->port[i], &dp->cfg.port[i], dp->cfg.n_workers, why);
	if (!err)
		err = sb_pool_open(dp, why);
	for (uint32_t i = 0; !err && i < dp->cfg.n_ports; i++)
		err = sb_port_start(&dp->port[i], &dp->pools, why);
	return err;
}

static int check(const struct sb_dataplane_config *cfg, uint32_t *memory_mb, char why[256])
{
	uint32_t need = sb_pool_memory_mb(cfg);
	*memory_mb = cfg->memory_mb ? cfg->memory_mb : need;
	if (!cfg->n_workers || cfg->n_workers > SB_WORKERS_MAX || !cfg->n_ports || cfg->n_ports > SB_PORTS_MAX) {
		snprintf(why, 256,
		        "there are %u workers and %u ports, at least one of each and at most %d and %d are possible",
		        cfg->n_workers, cfg->n_ports, SB_WORKERS_MAX, SB_PORTS_MAX);
		return SB_E_INVAL;
	}
	if (!cfg->hugepages && *memory_mb < need) {
		snprintf(why, 256, "packet buffers of these ports and workers need %u MB of memory, there are %u", need,
		        *memory_mb);
		return SB_E_NOMEM;
	}
	return 0;
}

int sb_dataplane_open(const struct sb_dataplane_config *cfg, struct sb_dataplane **out, char why[256])
{
	uint32_t memory_mb;
	int err = check(cfg, &memory_mb, why);
	if (err)
		return err;
	struct sb_dataplane *dp = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof *dp, 64));
	if (!dp)
		return SB_E_NOMEM;
	memset(dp, 0, sizeof *dp);
	dp->cfg = *cfg;
	memcpy(dp->keys.fleet, cfg->fleet_key, sizeof dp->keys.fleet);
	memcpy(dp->keys.boot, cfg->boot_key, sizeof dp->keys.boot);
	err = sb_eal_start(cfg, memory_mb, why);
	dp->eal = !err;
	if (!err)
		err = open_ports(dp, why);
	if (!err)
		err = open_workers(dp, why);
	sb_eal_quiet();
	if (err) {
		sb_dataplane_close(dp);
		return err;
	}
	sb_osip_init();
	*out = dp;
	return 0;
}

int sb_dataplane_start(struct sb_dataplane *dp, const struct sb_snapshot *snapshot, const struct sb_fib *fib)
{
	uint64_t token;
	int err = sb_dataplane_snapshot(dp, snapshot, &token);
	if (err)
		return err;
	(void)sb_dataplane_fib(dp, fib);
	atomic_store(&dp->stop, false);
	(void)sb_ahead_start(&dp->ahead);
	for (uint32_t i = 0; i < dp->cfg.n_workers; i++) {
		if (rte_eal_remote_launch(sb_worker_run, dp->worker[i], dp->worker[i]->lcore))
			err = SB_E_DEVICE;
		else
			dp->running = true;
	}
	return err;
}

void sb_dataplane_stop(struct sb_dataplane *dp)
{
	atomic_store(&dp->stop, true);
	sb_ahead_stop(&dp->ahead);
	for (uint32_t i = 0; dp->running && i < dp->cfg.n_workers; i++)
		rte_eal_wait_lcore(dp->worker[i]->lcore);
	dp->running = false;
}

static void drain(struct sb_dataplane *dp, struct rte_ring *ring, bool mbufs)
{
	void *p;
	while (ring && rte_ring_sc_dequeue(ring, &p) == 0) {
		if (mbufs)
			rte_pktmbuf_free(p);
		else
			sb_pkt_free(dp, p);
	}
	rte_ring_free(ring);
}

static void close_worker(struct sb_dataplane *dp, struct sb_worker *w)
{
	sb_frag_fini(&w->frags);
	drain(dp, w->in, false);
	drain(dp, w->up, false);
	drain(dp, w->tx_in, true);
	if (w->mail.up.slots)
		sb_mailbox_fini(&w->mail);
	if (w->memory)
		munmap(w->memory, w->memory_size);
	if (w->trunk_stats)
		munmap(w->trunk_stats, SB_TRUNKS_MAX * sizeof *w->trunk_stats);
	if (w->arena)
		munmap(w->arena, SB_OSIP_ARENA);
	free(w);
}

/* Frees views from v on that no worker can be reading; the newest of all stays. */
static void reap_views(struct sb_dataplane *dp, bool all)
{
	struct sb_view **at = &dp->views;
	while (*at) {
		struct sb_view *v = *at;
		bool current = v == atomic_load_explicit(&dp->view, memory_order_relaxed);
		if (all || (!current && sb_dataplane_quiescent(dp, v->token))) {
			*at = v->older;
			free(v);
		} else {
			at = &v->older;
		}
	}
}

void sb_dataplane_close(struct sb_dataplane *dp)
{
	sb_dataplane_stop(dp);
	for (uint32_t i = 0; i < SB_WORKERS_MAX; i++) {
		if (dp->worker[i])
			close_worker(dp, dp->worker[i]);
	}
	for (uint32_t i = 0; i < SB_PORTS_MAX; i++)
		sb_port_close(&dp->port[i]);
	sb_pool_close(&dp->pools);
	reap_views(dp, true);
	free(dp->rcu);
	if (dp->eal)
		sb_eal_stop();
	free(dp);
}

int sb_dataplane_snapshot(struct sb_dataplane *dp, const struct sb_snapshot *s, uint64_t *token)
{
	struct sb_view *v = sb_view_new(s);
	if (!v)
		return SB_E_NOMEM;
	atomic_store_explicit(&dp->view, v, memory_order_release);
	*token = rte_rcu_qsbr_start(dp->rcu);
	if (dp->views)
		dp->views->token = *token;
	v->older = dp->views;
	dp->views = v;
	reap_views(dp, false);
	return 0;
}

uint64_t sb_dataplane_fib(struct sb_dataplane *dp, const struct sb_fib *f)
{
	atomic_store_explicit(&dp->fib, f, memory_order_release);
	return rte_rcu_qsbr_start(dp->rcu);
}

bool sb_dataplane_quiescent(struct sb_dataplane *dp, uint64_t token)
{
	return rte_rcu_qsbr_check(dp->rcu, token, false) == 1;
}
