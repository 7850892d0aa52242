/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config/build.h"
#include <switchback/mailbox.h>

/* How far each array is filled. */
struct filled {
	uint32_t members, routes, route_groups, nets, text;
};

static struct filled count(const struct sb_raw *raw)
{
	const struct sb_prefixes *p = &raw->prefixes;
	struct filled n = {.text = 1, .routes = p->n_lists, .route_groups = p->n_groups};
	for (uint32_t i = 0; i < raw->listeners.n; i++)
		n.nets += raw->listeners.list[i].trust.n;
	for (uint32_t i = 0; i < raw->groups.n; i++)
		n.members += raw->groups.list[i].members.n;
	for (uint32_t i = 0; i < raw->routes.n; i++) {
		const struct sb_raw_route *r = &raw->routes.list[i];
		if (r->kind == SB_ROUTE_PREFIX || r->kind == K_ROUTE_FILE)
			continue;
		n.routes++;
		n.route_groups += r->groups.n;
		n.nets += r->kind == SB_ROUTE_SOURCE;
		n.text += r->domain ? (uint32_t)strlen(r->domain) + 1 : 0;
	}
	return n;
}

static struct sb_snapshot *allocate(const struct sb_raw *raw)
{
	struct filled n = count(raw);
	struct sb_snapshot *s = aligned_alloc(alignof(struct sb_snapshot), sizeof *s);
	if (!s)
		return NULL;
	memset(s, 0, sizeof *s);
	s->n_listeners = raw->listeners.n;
	s->n_trunks = raw->trunks.n;
	s->n_groups = raw->groups.n;
	s->n_routes = n.routes;
	s->listeners = calloc(s->n_listeners, sizeof *s->listeners);
	s->trunks = calloc(s->n_trunks, sizeof *s->trunks);
	s->members = calloc(n.members, sizeof *s->members);
	s->groups = calloc(s->n_groups, sizeof *s->groups);
	s->routes = calloc(s->n_routes, sizeof *s->routes);
	s->route_groups = calloc(n.route_groups, sizeof *s->route_groups);
	s->nets = calloc(n.nets + 1, sizeof *s->nets);
	s->text = calloc(1, n.text);
	s->trunk_of_slot = malloc(SB_TRUNKS_MAX * sizeof *s->trunk_of_slot);
	if (!s->listeners || !s->trunks || !s->members || !s->groups || !s->routes || !s->route_groups || !s->nets ||
	        !s->text || !s->trunk_of_slot) {
		sb_snapshot_free(s);
		return NULL;
	}
	return s;
}

void sb_snapshot_free(struct sb_snapshot *s)
{
	if (!s)
		return;
	free(s->listeners);
	free(s->trunks);
	free(s->members);
	free(s->groups);
	free(s->routes);
	free(s->route_groups);
	free(s->nets);
	free(s->text);
	free(s->trunk_of_slot);
	sb_prefix_table_free(&s->prefixes);
	free(s);
}

static void fill_settings(const struct sb_raw *raw, struct sb_snapshot *s)
{
	s->parser = (enum sb_parser)raw->parser;
	s->late_2xx = (enum sb_late_2xx)raw->late_2xx;
	s->idle_latency_us = raw->idle == IDLE_ADAPTIVE ? raw->idle_latency_us : 0;
	s->t1_ms = raw->timers.t1;
	s->t2_ms = raw->timers.t2;
	s->t4_ms = raw->timers.t4;
	s->timer_c_ms = raw->timers.timer_c;
	s->retry_after_s = raw->limits.retry_after_s;
	s->invite_rate_per_source = raw->limits.invite_rate_per_source;
	s->overload_shed = raw->limits.overload == OVERLOAD_SHED;
}

/* The VLAN of its port on which a listener's address is; 0: the port itself. The check has found it to be on one of
 * them. */
static uint16_t vlan_of(const struct sb_raw *raw, const struct sb_raw_listener *l)
{
	const struct sb_raw_port *port = &raw->ports.list[l->port_index];
	for (uint32_t v = 0; v < port->vlans.n; v++) {
		const sb_raw_nets *nets = &port->vlans.list[v].addresses;
		for (uint32_t i = 0; i < nets->n; i++)
			if (nets->list[i].net.family == l->address.family &&
			        memcmp(nets->list[i].net.ip, l->address.ip, 16) == 0)
				return (uint16_t)port->vlans.list[v].id;
	}
	return 0;
}

static void fill_listeners(const struct sb_raw *raw, struct sb_snapshot *s, struct filled *at)
{
	for (uint32_t i = 0; i < s->n_listeners; i++) {
		const struct sb_raw_listener *from = &raw->listeners.list[i];
		struct sb_snap_listener *to = &s->listeners[i];
		strcpy(to->name, from->name);
		to->addr = from->address;
		to->addr.port = (uint16_t)from->udp;
		to->hostport_len = (uint8_t)sb_addr_format(&to->addr, to->hostport);
		to->port = (uint16_t)from->port_index;
		to->vlan = vlan_of(raw, from);
		to->trust = at->nets;
		to->n_trust = from->trust.n;
		for (uint32_t j = 0; j < from->trust.n; j++)
			s->nets[at->nets++] = from->trust.list[j].net;
	}
}

static void fill_trunks(const struct sb_raw *raw, struct sb_snapshot *s)
{
	for (uint32_t i = 0; i < s->n_trunks; i++) {
		const struct sb_raw_trunk *from = &raw->trunks.list[i];
		struct sb_snap_trunk *to = &s->trunks[i];
		strcpy(to->name, from->name);
		to->addr = from->address;
		to->listener = (uint16_t)from->listener_index;
		to->trying_timer_ms = from->trying_timer;
		to->sends = from->invite_retries + 1;
		to->failover_after_ringing = from->failover_after_ringing;
		for (unsigned code = 300; code < 700; code++) {
			if (sb_status_in(&from->failover_on, code))
				sb_code_add(&to->failover_on, code);
		}
		strcpy(to->probe_from, from->probe.from);
		strcpy(to->probe_user_agent, from->probe.user_agent);
	}
}

int sb_snapshot_slots(struct sb_snapshot *s, struct sb_slots *slots)
{
	const uint32_t taken = sb_slots_taken(slots);
	for (uint32_t i = 0; i < SB_TRUNKS_MAX; i++)
		s->trunk_of_slot[i] = SB_NO_TRUNK;
	for (uint32_t i = 0; i < s->n_trunks; i++) {
		int slot = sb_slots_get(slots, s->trunks[i].name);
		if (slot < 0) {
			sb_slots_give_back(slots, taken);
			return slot;
		}
		s->trunks[i].slot = (uint16_t)slot;
		s->trunk_of_slot[slot] = (uint16_t)i;
	}
	return 0;
}

/* Insertion after equals keeps the file's order within a priority; a group has at most 256 members. */
static void fill_groups(const struct sb_raw *raw, struct sb_snapshot *s, struct filled *at)
{
	for (uint32_t i = 0; i < s->n_groups; i++) {
		const struct sb_raw_group *from = &raw->groups.list[i];
		struct sb_snap_group *to = &s->groups[i];
		strcpy(to->name, from->name);
		to->member = at->members;
		to->n_members = from->members.n;
		to->fallback_interval_ms = from->fallback_interval;
		for (uint32_t j = 0; j < from->members.n; j++) {
			const struct sb_raw_member *m = &from->members.list[j];
			struct sb_snap_member made = {
			        (uint16_t)m->trunk_index, (uint16_t)m->priority, (uint16_t)m->weight};
			uint32_t k = at->members++;
			for (; k > to->member && s->members[k - 1].priority > made.priority; k--)
				s->members[k] = s->members[k - 1];
			s->members[k] = made;
		}
	}
}

static uint32_t put_text(struct sb_snapshot *s, struct filled *at, const char *text)
{
	uint32_t offset = at->text;
	size_t len = strlen(text) + 1;
	memcpy(s->text + offset, text, len);
	at->text += (uint32_t)len;
	return offset;
}

/* A domain is compared without regard to case: it is kept in lower case. */
static uint32_t put_domain(struct sb_snapshot *s, struct filled *at, const char *text)
{
	uint32_t offset = put_text(s, at, text);
	for (char *p = s->text + offset; *p; p++)
		*p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
	return offset;
}

static void put_route(const struct sb_raw_route *from, struct sb_snapshot *s, struct filled *at)
{
	struct sb_snap_route *to = &s->routes[at->routes];
	to->kind = (enum sb_route_kind)from->kind;
	to->group = at->route_groups;
	to->n_groups = from->groups.n;
	for (uint32_t i = 0; i < from->groups.n; i++)
		s->route_groups[at->route_groups++] = from->groups.list[i].index;
	if (to->kind == SB_ROUTE_DOMAIN) {
		to->key = put_domain(s, at, from->domain);
	} else if (to->kind == SB_ROUTE_SOURCE) {
		to->key = at->nets;
		s->nets[at->nets++] = from->source;
	}
	at->routes++;
}

/* Routes of one kind in the file's order; only those with bits of network, if bits is not negative. */
static void put_routes(
        const struct sb_raw *raw, enum sb_route_kind kind, int bits, struct sb_snapshot *s, struct filled *at)
{
	for (uint32_t i = 0; i < raw->routes.n; i++) {
		const struct sb_raw_route *r = &raw->routes.list[i];
		if (r->kind == kind && (bits < 0 || r->source.bits == bits))
			put_route(r, s, at);
	}
}

/* Sources are searched in order: the narrowest network stands first, as the longest prefix does. */
static void fill_routes(const struct sb_raw *raw, struct sb_snapshot *s, struct filled *at)
{
	bool present[129] = {false};
	for (uint32_t i = 0; i < raw->routes.n; i++) {
		if (raw->routes.list[i].kind == SB_ROUTE_SOURCE)
			present[raw->routes.list[i].source.bits] = true;
	}
	put_routes(raw, SB_ROUTE_DOMAIN, -1, s, at);
	for (int bits = 128; bits >= 0; bits--) {
		if (present[bits])
			put_routes(raw, SB_ROUTE_SOURCE, bits, s, at);
	}
	put_routes(raw, SB_ROUTE_DEFAULT, -1, s, at);
	s->n_other_routes = at->routes;
}

/* Takes the table over, whose prefixes lead to lists, and makes a route of each list. */
static void take_prefixes(struct sb_prefixes *p, struct sb_snapshot *s, struct filled *at)
{
	s->prefixes = p->table;
	memset(&p->table, 0, sizeof p->table);
	for (uint32_t i = 0; i < p->n_lists; i++)
		s->routes[at->routes++] = (struct sb_snap_route){.kind = SB_ROUTE_PREFIX,
		        .group = at->route_groups + p->lists[i].group,
		        .n_groups = p->lists[i].n};
	if (p->n_groups)
		memcpy(s->route_groups + at->route_groups, p->groups, p->n_groups * sizeof *p->groups);
	at->route_groups += p->n_groups;
}

int sb_build_snapshot(struct sb_raw *raw, struct sb_snapshot **out)
{
	struct filled at = {0};
	struct sb_snapshot *s = allocate(raw);
	if (!s)
		return SB_E_NOMEM;
	fill_trunks(raw, s);
	fill_settings(raw, s);
	fill_listeners(raw, s, &at);
	fill_groups(raw, s, &at);
	fill_routes(raw, s, &at);
	take_prefixes(&raw->prefixes, s, &at);
	*out = s;
	return 0;
}
