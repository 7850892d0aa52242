/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"
#include "dataplane/sip/osip.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOTS 64

static struct bench *the_bench; /* of the kernel's mirror, which is ours here */

/* The mirror of the kernel's routes as control sees it. */
bool sb_netlink_poll(struct sb_netlink *nl)
{
	bool changed = the_bench->mirror_changed;
	the_bench->mirror_changed = false;
	return changed;
}

int sb_netlink_build(const struct sb_netlink *nl, uint64_t generation, struct sb_fib **out)
{
	*out = NULL;
	if (the_bench->mirror_err)
		return the_bench->mirror_err;
	*out = calloc(1, sizeof **out);
	if (!*out)
		return SB_E_NOMEM;
	(*out)->generation = generation;
	the_bench->fibs_built++;
	return 0;
}

static void *aligned(size_t size)
{
	void *p = aligned_alloc(64, (size + 63) & ~(size_t)63);
	assert_non_null(p);
	memset(p, 0, size);
	return p;
}

static struct rte_ring *new_ring(unsigned slots)
{
	struct rte_ring *r = aligned((size_t)rte_ring_get_memsize(slots));
	assert_int_equal(rte_ring_init(r, "test", slots, RING_F_SC_DEQ), 0);
	return r;
}

static struct sb_worker *new_worker(struct sb_dataplane *dp, uint32_t index, const struct sb_core_ops *ops)
{
	const struct sb_frag_ops none = {0};
	struct sb_worker *w = aligned(sizeof *w);
	w->dp = dp;
	w->index = index;
	w->shares_cpu = true; /* it naps when it has nothing to do */
	w->in = new_ring(64);
	w->tx_in = new_ring(64);
	w->up = new_ring(64);
	w->trunk_stats = aligned(SB_TRUNKS_MAX * sizeof *w->trunk_stats);
	w->arena = aligned(SB_OSIP_ARENA);
	sb_frag_init(&w->frags, 1, &none);
	assert_int_equal(sb_mailbox_init(&w->mail, BENCH_MAILS), 0);
	struct sb_core_config core = {.worker = (uint8_t)index,
	        .n_workers = (uint8_t)dp->cfg.n_workers,
	        .keys = dp->keys,
	        .ops = ops ? ops : sb_net_ops(),
	        .ops_ctx = w,
	        .mail = &w->mail,
	        .health = dp->cfg.health,
	        .counters = &w->counters,
	        .trunk_stats = w->trunk_stats,
	        .transactions_max = SLOTS,
	        .linger_max = 4 * SLOTS,
	        .text_bytes_max = 1 << 20};
	core.memory = w->memory = aligned(sb_core_memory(&core));
	w->core = sb_core_init(&core);
	rte_rcu_qsbr_thread_register(dp->rcu, index);
	rte_rcu_qsbr_thread_online(dp->rcu, index);
	return w;
}

static struct sb_dataplane *new_dataplane(
        uint32_t n_workers, const struct sb_health_table *health, const struct sb_core_ops *ops)
{
	struct sb_dataplane *dp = aligned(sizeof *dp);
	dp->cfg.n_workers = n_workers;
	dp->cfg.health = health;
	memset(&dp->keys, 7, sizeof dp->keys);
	dp->rcu = aligned(rte_rcu_qsbr_get_memsize(n_workers));
	assert_int_equal(rte_rcu_qsbr_init(dp->rcu, n_workers), 0);
	for (uint32_t i = 0; i < n_workers; i++)
		dp->worker[i] = new_worker(dp, i, ops);
	return dp;
}

static void free_dataplane(struct sb_dataplane *dp)
{
	for (uint32_t i = 0; i < dp->cfg.n_workers; i++) {
		struct sb_worker *w = dp->worker[i];
		sb_mailbox_fini(&w->mail);
		free(w->in);
		free(w->tx_in);
		free(w->up);
		free(w->trunk_stats);
		free(w->arena);
		free(w->memory);
		free(w);
	}
	while (dp->views) {
		struct sb_view *v = dp->views;
		dp->views = v->older;
		free(v);
	}
	free(dp->rcu);
	free(dp);
}

static void add_event(void *ctx, const struct sb_event_record *rec)
{
	sb_events_add(ctx, rec);
}

static struct sb_engine *new_engine(struct sb_daemon *d)
{
	struct sb_engine_config cfg = {.n_workers = d->dp->cfg.n_workers,
	        .health = d->health,
	        .event = add_event,
	        .event_ctx = d->events,
	        .transactions_per_worker = SLOTS,
	        .seed = 1,
	        .now_ms = sb_daemon_now_ms()};
	for (uint32_t w = 0; w < cfg.n_workers; w++) {
		cfg.mail[w] = sb_dataplane_mail(d->dp, w);
		cfg.trunk_stats[w] = sb_dataplane_trunk_stats(d->dp, w);
	}
	return sb_engine_new(&cfg);
}

struct bench *bench_new(uint32_t n_workers, const char *text, const struct sb_core_ops *ops)
{
	struct bench *b = calloc(1, sizeof *b);
	struct sb_daemon *d = &b->d;
	struct sb_config_errors errors = {0};
	uint64_t token;
	assert_non_null(b);
	the_bench = b;
	sb_osip_init();
	strcpy(b->dir, "/tmp/sb-daemon-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->file, sizeof b->file, "%s/switchback.yaml", b->dir);
	bench_write(b, text);
	d->slots = sb_slots_new();
	d->events = sb_events_new();
	d->opstate = sb_opstate_open(b->dir);
	d->health = aligned(sizeof *d->health);
	assert_int_equal(sb_config_load(b->file, NULL, 0, d->slots, &d->config, &errors), 0);
	sb_log_setup(SB_LOG_ERROR, SB_LOG_LOGFMT);
	d->dp = new_dataplane(n_workers, d->health, ops);
	d->engine = new_engine(d);
	d->fib = calloc(1, sizeof *d->fib);
	assert_true(d->slots && d->events && d->opstate && d->engine && d->fib);
	assert_int_equal(sb_dataplane_snapshot(d->dp, d->config->snapshot, &token), 0);
	(void)sb_dataplane_fib(d->dp, d->fib);
	assert_int_equal(sb_daemon_publish(d, d->config), 0);
	assert_int_equal(sb_daemon_load_open(d), 0);
	return b;
}

void bench_free(struct bench *b)
{
	struct sb_daemon *d = &b->d;
	for (uint32_t i = 0; i < d->n_retired; i++) {
		sb_snapshot_free(d->retired[i].snapshot);
		sb_fib_free(d->retired[i].fib);
	}
	sb_manage_free(d->manage);
	sb_daemon_load_close(d);
	sb_engine_free(d->engine);
	free_dataplane(d->dp);
	sb_snapshot_free(d->snapshot);
	sb_fib_free(d->fib);
	sb_config_free(d->config);
	sb_slots_free(d->slots);
	sb_opstate_free(d->opstate);
	sb_events_free(d->events);
	free(d->health);
	unlink(b->file);
	snprintf(b->file, sizeof b->file, "%s/%s", b->dir, SB_OPSTATE_FILE);
	unlink(b->file);
	assert_int_equal(rmdir(b->dir), 0);
	free(b);
}

void bench_write(struct bench *b, const char *text)
{
	FILE *f = fopen(b->file, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

int bench_reload_told(struct bench *b, struct sb_config_errors *errors)
{
	struct pollfd over = {.fd = b->d.load.fd, .events = POLLIN};
	int err = sb_daemon_reload_begin(&b->d, errors);
	if (err)
		return err;
	assert_int_equal(poll(&over, 1, -1), 1);
	assert_true(sb_daemon_loaded(&b->d, &err, errors));
	return err;
}

int bench_reload(struct bench *b)
{
	struct sb_config_errors errors = {0};
	int err = bench_reload_told(b, &errors);
	sb_config_errors_free(&errors);
	return err;
}

void bench_control(struct bench *b)
{
	char why[256] = "", *path = b->d.config->control.socket, in_file[sizeof b->d.config->control.socket];
	strcpy(in_file, path); /* a reload finds nothing changed */
	snprintf(path, sizeof in_file, "%s/control.sock", b->dir);
	assert_int_equal(sb_daemon_manage(&b->d, why), 0);
	strcpy(path, in_file);
}

const char *bench_config(unsigned n_trunks, unsigned host, const char *extra)
{
	static char text[16384];
	int n = snprintf(text, sizeof text,
	        "workers: [0]\nports: [ { name: p, device: net_null0, addresses: [192.0.2.200/24] } ]\n"
	        "listeners: [ { name: l, port: p, address: 192.0.2.200, trust: [192.0.2.0/24] } ]\ntrunks:\n");
	for (unsigned i = 0; i < n_trunks; i++)
		n += snprintf(text + n, sizeof text - (size_t)n,
		        "  - { name: t%u, address: 192.0.2.%u, listener: l, trying_timer: 20ms, invite_retries: 1 }\n",
		        i, host + i);
	n += snprintf(text + n, sizeof text - (size_t)n, "groups: [ { name: g, members: [ ");
	for (unsigned i = 0; i < n_trunks; i++)
		n += snprintf(
		        text + n, sizeof text - (size_t)n, "%s{ trunk: t%u, priority: %u }", i ? ", " : "", i, i + 1);
	n += snprintf(text + n, sizeof text - (size_t)n, " ] } ]\nroutes: [ { default: true, groups: [g] } ]\n%s%s",
	        strstr(extra, "control:") ? "" : "control: { log_level: error }\n", extra);
	assert_true((size_t)n < sizeof text);
	return text;
}

void bench_step(struct bench *b)
{
	for (uint32_t i = 0; i < b->d.dp->cfg.n_workers; i++)
		sb_worker_step(b->d.dp->worker[i]);
}
