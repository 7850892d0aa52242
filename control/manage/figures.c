/* SPDX-License-Identifier: BSD-3-Clause */
/* figures.c - the methods that count: stats, memory; and the sums over workers they and others show. */
#include "control/manage/rpc.h"
#include "control/manage/server.h"
#include <malloc.h>
#include <string.h>

/* jemalloc's, if the daemon is linked with it. Weak, so that tests and sanitized builds link without. */
extern int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len) __attribute__((weak));

static uint64_t counter(const struct sb_manage *m, uint32_t worker, enum sb_counter i)
{
	const struct sb_counters *c = m->view.counters(m->view.ctx, worker);
	return c ? sb_counter_get(c, i) : 0;
}

uint64_t sb_figures_total(const struct sb_manage *m, enum sb_counter i)
{
	uint64_t sum = 0;
	for (uint32_t w = 0; w < m->view.n_workers; w++)
		sum += counter(m, w, i);
	return sum;
}

#define READ(p, field) atomic_load_explicit(&(p)->field, memory_order_relaxed)

/* Atomic reads take no pointer to const before C17; the object is not written. */
static struct sb_core_usage *usage_of(const struct sb_manage *m, uint32_t worker)
{
	return (struct sb_core_usage *)(uintptr_t)m->view.usage(m->view.ctx, worker);
}

struct sb_usage_sum sb_figures_usage(const struct sb_manage *m)
{
	struct sb_usage_sum s = {0};
	for (uint32_t w = 0; w < m->view.n_workers; w++) {
		struct sb_core_usage *u = usage_of(m, w);
		if (!u)
			continue;
		s.transactions += READ(u, transactions);
		s.transactions_max += READ(u, transactions_max);
		s.invites += READ(u, invites);
		s.lingering += READ(u, lingering);
		s.lingering_max += READ(u, lingering_max);
		s.text_bytes += READ(u, text_bytes);
		s.text_bytes_max += READ(u, text_bytes_max);
		uint64_t share = READ(u, shed_share);
		if (share > s.shed_share)
			s.shed_share = share;
	}
	return s;
}

struct sb_trunk_sum sb_figures_trunk(const struct sb_manage *m, uint16_t slot)
{
	struct sb_trunk_sum s = {0};
	for (uint32_t w = 0; w < m->view.n_workers; w++) {
		const struct sb_trunk_stats *all = m->view.trunk_stats(m->view.ctx, w);
		struct sb_trunk_stats *t = (struct sb_trunk_stats *)(uintptr_t)all;
		if (!t)
			continue;
		t += slot;
		s.calls += READ(t, calls);
		s.requests += READ(t, requests);
		s.answered += READ(t, answered);
		s.alive += READ(t, alive);
		s.failed_timeout += READ(t, failed_timeout);
		s.failed_code += READ(t, failed_code);
		s.failed_icmp += READ(t, failed_icmp);
		s.active += READ(t, active);
	}
	return s;
}

static json_t *trunk_figures(const struct sb_manage *m, const struct sb_snap_trunk *t)
{
	struct sb_trunk_sum s = sb_figures_trunk(m, t->slot);
	return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "name", sb_json_text(t->name), "calls",
	        (json_int_t)s.calls, "requests", (json_int_t)s.requests, "answered", (json_int_t)s.answered, "alive",
	        (json_int_t)s.alive, "failed_timeout", (json_int_t)s.failed_timeout, "failed_code",
	        (json_int_t)s.failed_code, "failed_icmp", (json_int_t)s.failed_icmp, "active", (json_int_t)s.active);
}

/* What came in is read last: workers go on counting meanwhile, and more must not seem to end than came. */
static void read_totals(const struct sb_manage *m, uint64_t total[SB_COUNTERS])
{
	const struct sb_counter_row *rows = sb_counter_rows();
	for (unsigned i = 0; i < SB_COUNTERS; i++) {
		if (rows[i].kind != SB_KIND_RX)
			total[i] = sb_figures_total(m, (enum sb_counter)i);
	}
	for (unsigned i = 0; i < SB_COUNTERS; i++) {
		if (rows[i].kind == SB_KIND_RX)
			total[i] = sb_figures_total(m, (enum sb_counter)i);
	}
}

static json_t *identity(const uint64_t total[SB_COUNTERS])
{
	const struct sb_counter_row *rows = sb_counter_rows();
	json_int_t rx = 0, ends = 0;
	for (unsigned i = 0; i < SB_COUNTERS; i++) {
		if (rows[i].kind == SB_KIND_RX)
			rx += (json_int_t)total[i];
		else if (rows[i].kind == SB_KIND_END || rows[i].kind == SB_KIND_DROP)
			ends += (json_int_t)total[i];
	}
	return json_pack("{s:I, s:I, s:I}", "rx", rx, "ends", ends, "in_flight", rx - ends);
}

static json_t *workers_counters(const struct sb_manage *m)
{
	json_t *workers = json_array();
	for (uint32_t w = 0; w < m->view.n_workers; w++) {
		json_t *one = json_object();
		for (unsigned i = 0; i < SB_COUNTERS; i++)
			sb_json_set(&one, sb_counter_rows()[i].name,
			        json_integer((json_int_t)counter(m, w, (enum sb_counter)i)));
		sb_json_add(&workers, one);
	}
	return workers;
}

json_t *sb_figures_stats(struct sb_call *c)
{
	const struct sb_snapshot *s = c->m->view.snapshot(c->m->view.ctx);
	json_t *totals = json_object(), *result;
	uint64_t total[SB_COUNTERS];
	struct sb_page p;
	read_totals(c->m, total);
	for (unsigned i = 0; i < SB_COUNTERS; i++)
		sb_json_set(&totals, sb_counter_rows()[i].name, json_integer((json_int_t)total[i]));
	result = json_pack(
	        "{s:o, s:o, s:o}", "counters", totals, "identity", identity(total), "workers", workers_counters(c->m));
	for (sb_page_begin(&p, c, s->n_trunks); p.at < p.end; p.at++)
		sb_json_add(&p.rows, trunk_figures(c->m, &s->trunks[p.at]));
	sb_page_end(&p, &result, "trunks");
	return result;
}

static json_int_t jemalloc_figure(const char *name)
{
	size_t v = 0, len = sizeof v;
	return mallctl(name, &v, &len, NULL, 0) ? 0 : (json_int_t)v;
}

/* No bound is set on the heap: after start it grows with the configuration, the kernel's routes and neighbours, and the
 * control socket's clients, which are bounded; never with packets or calls. */
static json_t *heap(void)
{
	if (mallctl) {
		uint64_t epoch = 1;
		size_t len = sizeof epoch;
		mallctl("epoch", &epoch, &len, &epoch, len); /* the figures are as old as this says */
		return json_pack("{s:s, s:I, s:I, s:I, s:n}", "allocator", "jemalloc", "allocated",
		        jemalloc_figure("stats.allocated"), "active", jemalloc_figure("stats.active"), "resident",
		        jemalloc_figure("stats.resident"), "max");
	}
	struct mallinfo2 i = mallinfo2();
	return json_pack("{s:s, s:I, s:I, s:I, s:n}", "allocator", "system", "allocated",
	        (json_int_t)(i.uordblks + i.hblkhd), "active", (json_int_t)(i.arena + i.hblkhd), "resident",
	        (json_int_t)(i.arena + i.hblkhd), "max");
}

static json_t *clients(const struct sb_manage *m)
{
	size_t bytes = 0, n = 0;
	for (uint32_t i = 0; i < SB_MANAGE_CLIENTS_MAX; i++) {
		if (m->client[i].fd < 0)
			continue;
		bytes += SB_MANAGE_LINE_MAX + m->client[i].out_size;
		n++;
	}
	return json_pack("{s:I, s:I, s:I, s:I}", "in_use", (json_int_t)n, "max", (json_int_t)SB_MANAGE_CLIENTS_MAX,
	        "bytes", (json_int_t)bytes, "bytes_max",
	        (json_int_t)SB_MANAGE_CLIENTS_MAX * (SB_MANAGE_LINE_MAX + SB_MANAGE_OUT_MAX));
}

static json_t *osip_arenas(const struct sb_manage *m)
{
	json_t *arenas = json_array();
	for (uint32_t w = 0; w < m->view.n_workers; w++) {
		struct sb_core_usage *u = usage_of(m, w);
		sb_json_add(&arenas,
		        json_pack("{s:i, s:I, s:I}", "worker", (int)w, "peak", (json_int_t)(u ? READ(u, osip_peak) : 0),
		                "max", (json_int_t)(u ? READ(u, osip_size) : 0)));
	}
	return arenas;
}

static json_t *packet_pools(const struct sb_manage *m)
{
	struct sb_manage_pool pool[SB_MANAGE_POOLS_MAX];
	uint32_t n = m->view.pools(m->view.ctx, pool, SB_MANAGE_POOLS_MAX);
	json_t *pools = json_array();
	for (uint32_t i = 0; i < n && i < SB_MANAGE_POOLS_MAX; i++) {
		json_int_t each = pool[i].buffer_bytes;
		sb_json_add(&pools,
		        json_pack("{s:o, s:I, s:I, s:I, s:I, s:I}", "name", sb_json_text(pool[i].name), "in_use",
		                (json_int_t)pool[i].in_use, "max", (json_int_t)pool[i].size, "buffer_bytes", each,
		                "bytes", each * pool[i].in_use, "bytes_max", each * pool[i].size));
	}
	return pools;
}

json_t *sb_figures_memory(struct sb_call *c)
{
	struct sb_usage_sum u = sb_figures_usage(c->m);
	return json_pack("{s:o, s:o, s:o, s:o, s:{s:I, s:I}, s:{s:I, s:I}, s:{s:I, s:I}}", "heap", heap(), "clients",
	        clients(c->m), "osip", osip_arenas(c->m), "packets", packet_pools(c->m), "transactions", "in_use",
	        (json_int_t)u.transactions, "max", (json_int_t)u.transactions_max, "lingering", "in_use",
	        (json_int_t)u.lingering, "max", (json_int_t)u.lingering_max, "text", "bytes", (json_int_t)u.text_bytes,
	        "bytes_max", (json_int_t)u.text_bytes_max);
}
