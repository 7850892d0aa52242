/* SPDX-License-Identifier: BSD-3-Clause */
/* main-view.c - the daemon as the control socket sees it, and what the operator may do to it. */
#include "control/main.h"
#include "dataplane/call/steer.h"
#include <errno.h>

static uint64_t now_ms(void *ctx)
{
	(void)ctx;
	return sb_daemon_now_ms();
}

static const struct sb_snapshot *snapshot(void *ctx)
{
	return ((struct sb_daemon *)ctx)->snapshot;
}

static const struct sb_counters *counters(void *ctx, uint32_t worker)
{
	return sb_dataplane_counters(((struct sb_daemon *)ctx)->dp, worker);
}

static const struct sb_trunk_stats *trunk_stats(void *ctx, uint32_t worker)
{
	return sb_dataplane_trunk_stats(((struct sb_daemon *)ctx)->dp, worker);
}

static const struct sb_core_usage *usage(void *ctx, uint32_t worker)
{
	return sb_dataplane_usage(((struct sb_daemon *)ctx)->dp, worker);
}

static uint32_t pools(void *ctx, struct sb_manage_pool *out, uint32_t max)
{
	struct sb_pool_usage p[SB_MANAGE_POOLS_MAX];
	uint32_t n = sb_dataplane_pools(
	        ((struct sb_daemon *)ctx)->dp, p, max < SB_MANAGE_POOLS_MAX ? max : SB_MANAGE_POOLS_MAX);
	for (uint32_t i = 0; i < n; i++)
		out[i] = (struct sb_manage_pool){p[i].name, p[i].size, p[i].in_use, p[i].buffer_bytes};
	return n;
}

static int trunk(void *ctx, uint16_t slot, struct sb_manage_trunk *out)
{
	const struct sb_daemon *d = ctx;
	struct sb_engine_trunk t;
	uint64_t now = sb_daemon_now_ms();
	int err = sb_engine_trunk(d->engine, slot, now, &t);
	if (err)
		return err;
	*out = (struct sb_manage_trunk){.state = t.state,
	        .admin = t.admin,
	        .probed = t.probed,
	        .share = t.share,
	        .rtt_us = t.probe_rtt_ms * 1000,
	        .changed_age_ms = now - t.changed_ms,
	        .next_probe_in_ms = t.next_probe_ms == UINT64_MAX ? UINT64_MAX
	                            : t.next_probe_ms > now       ? t.next_probe_ms - now
	                                                          : 0,
	        .hold_ms = t.hold_until_ms > now ? t.hold_until_ms - now : 0,
	        .evidence_age_ms = t.evidence[0] ? now - t.evidence_ms : 0};
	snprintf(out->evidence, sizeof out->evidence, "%s", t.evidence);
	return 0;
}

static int admin(void *ctx, uint16_t slot, enum sb_admin to, char why[SB_MANAGE_WHY_MAX])
{
	struct sb_daemon *d = ctx;
	/* Remembered first: what cannot be remembered would be undone by the next reload, so it is not switched. */
	int err = sb_opstate_set(d->opstate, sb_slots_name(d->slots, slot), to);
	if (err == SB_E_IO)
		snprintf(why, SB_MANAGE_WHY_MAX, "switched, but not written down: %s", strerror(errno));
	else if (err)
		snprintf(why, SB_MANAGE_WHY_MAX, "%s", sb_err_text(err));
	if (err && err != SB_E_IO)
		return err;
	int engine = sb_engine_admin(d->engine, slot, to, sb_daemon_now_ms());
	return engine ? engine : err;
}

static int reload(void *ctx, struct sb_manage_lines *lines)
{
	struct sb_config_errors errors = {0};
	int err = sb_daemon_reload_begin(ctx, &errors);
	for (uint32_t i = 0; i < errors.n; i++)
		sb_manage_line(lines, errors.line[i]);
	sb_config_errors_free(&errors);
	return err ? err : SB_MANAGE_LATER;
}

static const char *pick_words(unsigned pick)
{
	static const char *const words[] = {[SB_PICK_TAKEN] = "in its turn",
	        [SB_PICK_RAMP] = "behind the others: its ramp does not give it this call",
	        [SB_PICK_FALLBACK] = "behind the others: fallback_interval is running",
	        [SB_PICK_UNPROVEN] = "behind the others: not proven yet",
	        [SB_PICK_PANIC] = "panic: the least bad, all are DOWN",
	        [SB_PICK_DOWN] = "passed over: DOWN",
	        [SB_PICK_ADMIN] = "passed over: switched off by the operator",
	        [SB_PICK_TWICE] = "passed over: listed already",
	        [SB_PICK_OVER] = "passed over: the list is full"};
	return pick < sizeof words / sizeof *words ? words[pick] : "?";
}

static const char *group_of(const struct sb_snapshot *s, const struct sb_snap_route *r, uint16_t trunk_index)
{
	for (uint32_t g = 0; g < r->n_groups; g++) {
		const struct sb_snap_group *group = &s->groups[s->route_groups[r->group + g]];
		for (uint32_t i = 0; i < group->n_members; i++)
			if (s->members[group->member + i].trunk == trunk_index)
				return group->name;
	}
	return "";
}

static void explain_row(struct sb_daemon *d, const struct sb_candidates *c, const struct sb_candidate *k, bool last,
        bool skipped, struct sb_explain *out)
{
	const struct sb_snap_trunk *t = &d->snapshot->trunks[k->trunk];
	struct sb_explain_row *row = &out->row[out->n];
	struct sb_manage_trunk m;
	memset(row, 0, sizeof *row);
	memcpy(row->trunk, t->name, sizeof row->trunk);
	snprintf(row->group, sizeof row->group, "%s", group_of(d->snapshot, c->route, k->trunk));
	sb_addr_format(&t->addr, row->address);
	snprintf(row->pick, sizeof row->pick, "%s", pick_words(k->pick));
	if (trunk(d, t->slot, &m) == 0) {
		row->state = m.state;
		row->admin = m.admin;
		row->share = m.share;
		row->evidence_age_ms = m.evidence_age_ms;
		memcpy(row->evidence, m.evidence, sizeof row->evidence);
	}
	row->trying_timer_ms = t->trying_timer_ms;
	row->sends = t->sends;
	row->skipped = skipped;
	if (!skipped) { /* the last of all gets the whole 64*T1 (S2.2) */
		row->formula_ms = last ? 64ull * d->snapshot->t1_ms : sb_formula_ms(t);
		row->running_ms = (out->n ? out->row[out->n - 1].running_ms : 0) + row->formula_ms;
	}
	out->n++;
}

static void route_words(
        const struct sb_snapshot *s, const struct sb_snap_route *r, const char *number, char *out, size_t size)
{
	size_t len = strlen(number);
	struct sb_addr net = {.family = 0};
	char ip[SB_ADDR_TEXT_MAX];
	switch (r->kind) {
	case SB_ROUTE_PREFIX:
		sb_prefix_match(&s->prefixes, number, &len);
		snprintf(out, size, "prefix %.*s", (int)len, number);
		break;
	case SB_ROUTE_DOMAIN:
		snprintf(out, size, "domain %s", s->text + r->key);
		break;
	case SB_ROUTE_SOURCE:
		memcpy(net.ip, s->nets[r->key].ip, 16);
		inet_ntop(s->nets[r->key].family == 6 ? AF_INET6 : AF_INET, net.ip, ip, sizeof ip);
		snprintf(out, size, "source %s/%u", ip, s->nets[r->key].bits);
		break;
	case SB_ROUTE_DEFAULT:
		snprintf(out, size, "default");
		break;
	}
}

static int explain(
        void *ctx, const char *number, const char *domain, const struct sb_addr *source, struct sb_explain *out)
{
	struct sb_daemon *d = ctx;
	struct sb_candidates c;
	size_t len = strlen(number);
	struct sb_steer_key key = {.number = number,
	        .number_len = len < SB_PREFIX_MAX ? len : SB_PREFIX_MAX - 1,
	        .domain = domain,
	        .domain_len = strlen(domain),
	        .source = *source,
	        .now_ms = sb_daemon_now_ms()};
	sb_steer(d->snapshot, d->health, &key, &c);
	out->found = c.route != NULL;
	if (!c.route)
		return 0;
	route_words(d->snapshot, c.route, number, out->route, sizeof out->route);
	for (unsigned i = 0; i < c.n && out->n < SB_EXPLAIN_ROWS_MAX; i++)
		explain_row(d, &c, &c.list[i], i + 1u == c.n, false, out);
	for (unsigned i = 0; i < c.n_skipped && out->n < SB_EXPLAIN_ROWS_MAX; i++)
		explain_row(d, &c, &c.skipped[i], false, true, out);
	return 0;
}

int sb_daemon_manage(struct sb_daemon *d, char why[256])
{
	const struct sb_manage_view view = {.ctx = d,
	        .n_workers = d->config->n_workers,
	        .events = d->events,
	        .health = d->health,
	        .now_ms = now_ms,
	        .snapshot = snapshot,
	        .counters = counters,
	        .trunk_stats = trunk_stats,
	        .usage = usage,
	        .pools = pools,
	        .trunk = trunk,
	        .admin = admin,
	        .reload = reload,
	        .explain = explain};
	return sb_manage_new(d->config->control.socket, &view, &d->manage, why);
}
