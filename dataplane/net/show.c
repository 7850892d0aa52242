/* SPDX-License-Identifier: BSD-3-Clause */
/* show.c - what control may see of workers, ports and pools while they run. */
#include "dataplane/net/net.h"

uint32_t sb_dataplane_memory_mb(const struct sb_dataplane_config *cfg)
{
	return sb_pool_memory_mb(cfg);
}

struct sb_mailbox *sb_dataplane_mail(struct sb_dataplane *dp, uint32_t worker)
{
	return &dp->worker[worker]->mail;
}

const struct sb_counters *sb_dataplane_counters(const struct sb_dataplane *dp, uint32_t worker)
{
	return worker < dp->cfg.n_workers ? &dp->worker[worker]->counters : &dp->control_counters;
}

const struct sb_trunk_stats *sb_dataplane_trunk_stats(const struct sb_dataplane *dp, uint32_t worker)
{
	return dp->worker[worker]->trunk_stats;
}

const struct sb_core_usage *sb_dataplane_usage(const struct sb_dataplane *dp, uint32_t worker)
{
	return sb_core_usage(dp->worker[worker]->core);
}

void sb_dataplane_port_mac(const struct sb_dataplane *dp, uint32_t port, uint8_t mac[6])
{
	memcpy(mac, dp->port[port].mac, SB_MAC_LEN);
}

uint32_t sb_dataplane_pools(const struct sb_dataplane *dp, struct sb_pool_usage *out, uint32_t max)
{
	const struct {
		const char *name;
		const struct rte_mempool *pool;
	} all[] = {{"small", dp->pools.small}, {"wide", dp->pools.wide}, {"large", dp->pools.large}};
	uint32_t n = 0;
	for (size_t i = 0; i < RTE_DIM(all) && n < max; i++) {
		if (!all[i].pool)
			continue;
		out[n++] = (struct sb_pool_usage){
		        .name = all[i].name,
		        .size = all[i].pool->size,
		        .in_use = rte_mempool_in_use_count(all[i].pool),
		        .buffer_bytes = all[i].pool->elt_size,
		};
	}
	return n;
}
