/* SPDX-License-Identifier: BSD-3-Clause */
/* show.c - the methods that show how things stand: status, trunks, routes, explain, version. */
#include "control/manage/rpc.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ROUTE_PAGE_MEMBERS 2000 /* a page of routes ends early when its groups have so many members */
#define NUMBER_MAX         255
#define DOMAIN_MAX         255

json_t *sb_show_version(struct sb_call *c)
{
	return json_pack("{s:s, s:s, s:i}", "name", "switchback", "version", SB_VERSION, "protocol", 1);
}

static const struct sb_snapshot *snapshot(const struct sb_call *c)
{
	return c->m->view.snapshot(c->m->view.ctx);
}

static json_t *trunks_by_state(const struct sb_call *c)
{
	const struct sb_snapshot *s = snapshot(c);
	uint64_t state[SB_HEALTH_STATES] = {0}, admin[SB_DISABLED + 1] = {0};
	json_t *states = json_object(), *admins = json_object();
	for (uint32_t i = 0; i < s->n_trunks; i++) {
		struct sb_health_view v = sb_health_read(c->m->view.health, s->trunks[i].slot);
		if (v.state < SB_HEALTH_STATES)
			state[v.state]++;
		if (v.admin <= SB_DISABLED)
			admin[v.admin]++;
	}
	for (int i = 0; i < SB_HEALTH_STATES; i++)
		sb_json_set(&states, sb_health_name((enum sb_health_state)i), json_integer((json_int_t)state[i]));
	for (int i = 0; i <= SB_DISABLED; i++)
		sb_json_set(&admins, sb_admin_name((enum sb_admin)i), json_integer((json_int_t)admin[i]));
	return json_pack("{s:i, s:o, s:o}", "total", (int)s->n_trunks, "states", states, "admin", admins);
}

static json_t *last_reload(const struct sb_manage *m)
{
	if (!m->reloaded.known)
		return json_null();
	return json_pack("{s:b, s:I, s:s, s:o}", "ok", m->reloaded.err == 0, "wall_ms", (json_int_t)m->reloaded.wall_ms,
	        "result", sb_err_text(m->reloaded.err), "line", sb_json_text(m->reloaded.line));
}

static json_t *calls(const struct sb_manage *m, const struct sb_usage_sum *u)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "total", (json_int_t)sb_figures_total(m, SB_C_calls),
	        "answered", (json_int_t)sb_figures_total(m, SB_C_calls_answered), "failed",
	        (json_int_t)sb_figures_total(m, SB_C_calls_failed), "cancelled",
	        (json_int_t)sb_figures_total(m, SB_C_calls_cancelled), "in_setup", (json_int_t)u->invites, "per_second",
	        (json_int_t)m->calls_per_second);
}

/* P13: how much is turned away now, by the worker that must turn away most, and so far. */
static json_t *overload(const struct sb_manage *m, const struct sb_usage_sum *u)
{
	return json_pack("{s:f, s:I}", "shed_share", (double)u->shed_share / 65536, "shed",
	        (json_int_t)sb_figures_total(m, SB_C_shed_overload));
}

json_t *sb_show_status(struct sb_call *c)
{
	const struct sb_manage *m = c->m;
	struct sb_usage_sum u = sb_figures_usage(m);
	uint64_t up_ms = m->view.now_ms(m->view.ctx) - m->started_ms;
	return json_pack("{s:s, s:i, s:I, s:I, s:i, s:o, s:o, s:{s:I, s:I}, s:{s:I, s:I}, s:o, s:I, s:o}", "version",
	        SB_VERSION, "pid", (int)getpid(), "uptime_ms", (json_int_t)up_ms, "generation",
	        (json_int_t)snapshot(c)->generation, "workers", (int)m->view.n_workers, "calls", calls(m, &u),
	        "overload", overload(m, &u), "transactions", "in_use", (json_int_t)u.transactions, "max",
	        (json_int_t)u.transactions_max, "lingering", "in_use", (json_int_t)u.lingering, "max",
	        (json_int_t)u.lingering_max, "trunks", trunks_by_state(c), "last_event",
	        (json_int_t)sb_events_last(m->view.events), "last_reload", last_reload(m));
}

static double share_of(uint32_t share)
{
	return (double)(share > SB_SHARE_FULL ? SB_SHARE_FULL : share) / SB_SHARE_FULL;
}

/* A time, or null for "none". */
static json_t *ms_or_null(uint64_t ms, bool none)
{
	return none ? json_null() : json_integer((json_int_t)(ms > INT64_MAX ? INT64_MAX : ms));
}

json_t *sb_show_trunk_row(struct sb_call *c, const struct sb_snap_trunk *t)
{
	struct sb_manage_trunk info;
	struct sb_trunk_sum sum = sb_figures_trunk(c->m, t->slot);
	char address[SB_ADDR_TEXT_MAX];
	memset(&info, 0, sizeof info);
	if (c->m->view.trunk(c->m->view.ctx, t->slot, &info)) {
		struct sb_health_view v = sb_health_read(c->m->view.health, t->slot);
		info.state = v.state;
		info.admin = v.admin;
		info.share = v.share;
		info.next_probe_in_ms = UINT64_MAX;
	}
	info.evidence[sizeof info.evidence - 1] = 0;
	sb_addr_format(&t->addr, address);
	return json_pack("{s:o, s:s, s:o, s:s, s:s, s:f, s:b, s:o, s:I, s:o, s:I, s:o, s:o, s:I, s:I, s:I, s:i}",
	        "name", sb_json_text(t->name), "address", address, "listener",
	        sb_json_text(snapshot(c)->listeners[t->listener].name), "state", sb_health_name(info.state), "admin",
	        sb_admin_name(info.admin), "share", share_of(info.share), "probed", info.probed, "rtt_us",
	        ms_or_null(info.rtt_us, info.rtt_us == 0), "state_age_ms", (json_int_t)info.changed_age_ms,
	        "next_probe_in_ms", ms_or_null(info.next_probe_in_ms, info.next_probe_in_ms == UINT64_MAX), "hold_ms",
	        (json_int_t)info.hold_ms, "evidence", sb_json_text(info.evidence), "evidence_age_ms",
	        ms_or_null(info.evidence_age_ms, !info.evidence[0]), "calls", (json_int_t)sum.calls, "active",
	        (json_int_t)sum.active, "trying_timer_ms", (json_int_t)t->trying_timer_ms, "sends", (int)t->sends);
}

json_t *sb_show_trunks(struct sb_call *c)
{
	const struct sb_snapshot *s = snapshot(c);
	json_t *result = json_object();
	struct sb_page p;
	for (sb_page_begin(&p, c, s->n_trunks); p.at < p.end; p.at++)
		sb_json_add(&p.rows, sb_show_trunk_row(c, &s->trunks[p.at]));
	sb_page_end(&p, &result, "trunks");
	return result;
}

static json_t *group_json(const struct sb_snapshot *s, const struct sb_snap_group *g)
{
	json_t *members = json_array();
	for (uint32_t i = 0; i < g->n_members; i++) {
		const struct sb_snap_member *m = &s->members[g->member + i];
		sb_json_add(&members, json_pack("{s:o, s:i, s:i}", "trunk", sb_json_text(s->trunks[m->trunk].name),
		                              "priority", (int)m->priority, "weight", (int)m->weight));
	}
	return json_pack("{s:o, s:I, s:o}", "name", sb_json_text(g->name), "fallback_interval_ms",
	        (json_int_t)g->fallback_interval_ms, "members", members);
}

static void net_text(const struct sb_net *n, char *out, size_t size)
{
	char ip[INET6_ADDRSTRLEN] = "?";
	inet_ntop(n->family == 6 ? AF_INET6 : AF_INET, n->ip, ip, sizeof ip);
	snprintf(out, size, "%s/%u", ip, n->bits);
}

/* The i-th for people: what are no prefixes, then each prefix with the route it leads to. members: counts what it
 * takes.
 */
static json_t *route_json(const struct sb_snapshot *s, uint32_t i, uint32_t *members)
{
	static const char *const kind[] = {"prefix", "domain", "source", "default"};
	char text[INET6_ADDRSTRLEN + 8 > SB_PREFIX_MAX ? INET6_ADDRSTRLEN + 8 : SB_PREFIX_MAX] = "";
	uint32_t n = s->n_other_routes;
	const struct sb_snap_route *r = &s->routes[i < n ? i : n + sb_prefix_get(&s->prefixes, i - n, text)];
	const char *key = r->kind == SB_ROUTE_DOMAIN ? s->text + r->key : text;
	json_t *groups = json_array();
	if (r->kind == SB_ROUTE_SOURCE)
		net_text(&s->nets[r->key], text, sizeof text);
	for (uint32_t j = 0; j < r->n_groups; j++) {
		const struct sb_snap_group *g = &s->groups[s->route_groups[r->group + j]];
		*members += g->n_members;
		sb_json_add(&groups, group_json(s, g));
	}
	return json_pack("{s:s, s:o, s:o}", "kind", kind[r->kind], "key", sb_json_text(key), "groups", groups);
}

json_t *sb_show_routes(struct sb_call *c)
{
	const struct sb_snapshot *s = snapshot(c);
	json_t *result = json_object();
	struct sb_page p;
	uint32_t members = 0;
	for (sb_page_begin(&p, c, (uint64_t)s->n_other_routes + s->prefixes.n);
	        p.at < p.end && members < ROUTE_PAGE_MEMBERS; p.at++)
		sb_json_add(&p.rows, route_json(s, (uint32_t)p.at, &members));
	sb_page_end(&p, &result, "routes");
	return result;
}

static json_t *explain_row(struct sb_explain_row *r)
{
	r->evidence[sizeof r->evidence - 1] = 0;
	return json_pack("{s:o, s:o, s:o, s:s, s:s, s:f, s:o, s:I, s:i, s:I, s:I, s:o, s:o}", "trunk",
	        sb_json_text(r->trunk), "group", sb_json_text(r->group), "address", sb_json_text(r->address), "state",
	        sb_health_name(r->state), "admin", sb_admin_name(r->admin), "share", share_of(r->share), "pick",
	        sb_json_text(r->pick), "trying_timer_ms", (json_int_t)r->trying_timer_ms, "sends", (int)r->sends,
	        "formula_ms", (json_int_t)r->formula_ms, "running_ms", (json_int_t)r->running_ms, "evidence",
	        sb_json_text(r->evidence), "evidence_age_ms", ms_or_null(r->evidence_age_ms, !r->evidence[0]));
}

/* A dialled number or a domain as it may stand in a Request-URI: no blanks, no control characters. */
static bool is_token(const char *text, size_t max)
{
	size_t n = strnlen(text, max + 1);
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
			return false;
	}
	return n > 0 && n <= max;
}

static json_t *explained(const char *number, struct sb_explain *x)
{
	json_t *candidates = json_array(), *passed_over = json_array();
	for (uint32_t i = 0; i < x->n && i < SB_EXPLAIN_ROWS_MAX; i++)
		sb_json_add(x->row[i].skipped ? &passed_over : &candidates, explain_row(&x->row[i]));
	return json_pack("{s:o, s:b, s:o, s:o, s:o}", "number", sb_json_text(number), "found", x->found, "route",
	        x->found ? sb_json_text(x->route) : json_null(), "candidates", candidates, "passed_over", passed_over);
}

json_t *sb_show_explain(struct sb_call *c)
{
	const char *number = sb_call_text(c, "number"), *domain = sb_call_text(c, "domain");
	const char *from = sb_call_text(c, "source");
	struct sb_addr source = {.family = 0};
	struct sb_explain x;
	int err;
	if (!is_token(number, NUMBER_MAX))
		return sb_call_fail(c, SB_RPC_PARAMS, "number must be 1 to %d characters without blanks", NUMBER_MAX);
	if (domain && !is_token(domain, DOMAIN_MAX))
		return sb_call_fail(c, SB_RPC_PARAMS, "domain must be 1 to %d characters without blanks", DOMAIN_MAX);
	if (from && sb_addr_parse(from, 5060, &source))
		return sb_call_fail(c, SB_RPC_PARAMS, "source must be an IP address");
	memset(&x, 0, sizeof x);
	err = c->m->view.explain(c->m->view.ctx, number, domain ? domain : "", &source, &x);
	if (err)
		return sb_call_fail(c, SB_RPC_REFUSED, "cannot explain: %s", sb_err_text(err));
	return explained(number, &x);
}
