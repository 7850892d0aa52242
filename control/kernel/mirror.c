/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/kernel/mirror_read.h"
#include "control/kernel/fib_build.h"
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <search.h>

struct sb_mirror {
	struct sb_mirror_links links;
	void *routes, *neighs; /* trees of tsearch(3) */
	uint32_t n_routes, n_neighs;
	struct sb_fib_ranges *ranges; /* of the routes as they are; NULL: they have changed since a fib was built */
};

static int route_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sb_mirror_route_key));
}

static int neigh_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sb_mirror_neigh_key));
}

static void routes_changed(struct sb_mirror *m)
{
	sb_fib_ranges_put(m->ranges);
	m->ranges = NULL;
}

struct sb_mirror *sb_mirror_new(const struct sb_mirror_twin *twins, uint32_t n)
{
	struct sb_mirror *m = n <= SB_MIRROR_IFACES_MAX ? calloc(1, sizeof *m) : NULL;
	if (!m)
		return NULL;
	for (uint32_t i = 0; i < n; i++)
		m->links.twins[i] = twins[i];
	m->links.n_twins = n;
	return m;
}

void sb_mirror_clear(struct sb_mirror *m)
{
	routes_changed(m);
	tdestroy(m->routes, free);
	tdestroy(m->neighs, free);
	m->routes = m->neighs = NULL;
	m->n_routes = m->n_neighs = m->links.n_ifaces = 0;
}

void sb_mirror_free(struct sb_mirror *m)
{
	if (!m)
		return;
	sb_mirror_clear(m);
	free(m);
}

static enum sb_mirror_effect link_del(struct sb_mirror *m, int ifindex)
{
	struct sb_mirror_iface *i = sb_mirror_iface(&m->links, ifindex);
	if (!i)
		return SB_MIRROR_SAME;
	*i = m->links.ifaces[--m->links.n_ifaces];
	routes_changed(m); /* ranges name interfaces by their places */
	/* IPv4 drops the routes of a dead interface without a word about each. */
	return SB_MIRROR_RESYNC;
}

static enum sb_mirror_effect link_new(struct sb_mirror *m, const struct nlmsghdr *nlh)
{
	struct sb_mirror_iface now, *old;
	if (!sb_mirror_read_link(&m->links, nlh, &now))
		return SB_MIRROR_SAME;
	old = sb_mirror_iface(&m->links, now.fib.ifindex);
	if (!old) { /* there is room: one a twin */
		m->links.ifaces[m->links.n_ifaces++] = now;
		routes_changed(m);
		return SB_MIRROR_CHANGED;
	}
	bool same = old->fib.mtu == now.fib.mtu && memcmp(old->fib.mac, now.fib.mac, SB_MAC_LEN) == 0;
	/* Routes die silently, and come back to life, with the interface. */
	bool alive = old->flags == now.flags;
	*old = now;
	return !alive ? SB_MIRROR_RESYNC : same ? SB_MIRROR_SAME : SB_MIRROR_CHANGED;
}

static struct sb_mirror_route *route_find(const struct sb_mirror *m, const struct sb_mirror_route_key *key)
{
	struct sb_mirror_route *const *at = tfind(key, &m->routes, route_order);
	return at ? *at : NULL;
}

static void route_remove(struct sb_mirror *m, struct sb_mirror_route *r)
{
	routes_changed(m);
	tdelete(r, &m->routes, route_order);
	free(r);
	m->n_routes--;
}

static bool route_same_hop(const struct sb_mirror_route *a, const struct sb_mirror_route *b)
{
	return a->ifindex == b->ifindex && a->hole == b->hole && sb_addr_eq(&a->gateway, &b->gateway);
}

static enum sb_mirror_effect route_insert(struct sb_mirror *m, const struct sb_mirror_route *r)
{
	struct sb_mirror_route *copy = malloc(sizeof *copy);
	if (!copy)
		return SB_MIRROR_RESYNC;
	*copy = *r;
	if (!tsearch(copy, &m->routes, route_order)) {
		free(copy);
		return SB_MIRROR_RESYNC;
	}
	m->n_routes++;
	routes_changed(m);
	return SB_MIRROR_CHANGED;
}

static enum sb_mirror_effect route_new(struct sb_mirror *m, const struct nlmsghdr *nlh, bool live)
{
	struct sb_mirror_route r;
	bool replace = live && nlh->nlmsg_flags & NLM_F_REPLACE;
	enum sb_mirror_kind kind = sb_mirror_read_route(&m->links, nlh, &r);
	if (kind == SB_MIRROR_IGNORED)
		return SB_MIRROR_SAME;
	/* Which of the IPv6 routes to this prefix it replaces or joins is not said. */
	if (live && r.key.net.family == 6 && (replace || (r.many && kind == SB_MIRROR_OURS)))
		return SB_MIRROR_RESYNC;
	struct sb_mirror_route *old = route_find(m, &r.key);
	if (kind == SB_MIRROR_ELSEWHERE) {
		if (old && replace)
			return SB_MIRROR_RESYNC;
		return SB_MIRROR_SAME;
	}
	if (!old)
		return route_insert(m, &r);
	if (route_same_hop(old, &r))
		return SB_MIRROR_SAME;
	if (replace && !old->many) {
		old->ifindex = r.ifindex;
		old->gateway = r.gateway;
		old->hole = r.hole;
		routes_changed(m);
		return SB_MIRROR_CHANGED;
	}
	/* A second IPv4 route beside the first: the kernel uses the one that a dump tells first. */
	old->many = true;
	return live ? SB_MIRROR_RESYNC : SB_MIRROR_SAME;
}

static enum sb_mirror_effect route_del(struct sb_mirror *m, const struct nlmsghdr *nlh)
{
	struct sb_mirror_route r;
	if (sb_mirror_read_route(&m->links, nlh, &r) == SB_MIRROR_IGNORED)
		return SB_MIRROR_SAME;
	struct sb_mirror_route *old = route_find(m, &r.key);
	if (!old && r.key.net.family == 6) { /* one hop of a multipath route? */
		r.key.ifindex = 0;
		r.key.gateway = (struct sb_addr){0};
		old = route_find(m, &r.key);
	}
	if (!old)
		return SB_MIRROR_SAME;
	if (old->many || !route_same_hop(old, &r))
		return SB_MIRROR_RESYNC;
	route_remove(m, old);
	return SB_MIRROR_CHANGED;
}

/* A neighbour that cannot be used (failed, incomplete, deleted) has state 0 and is not kept. */
static enum sb_mirror_effect neigh_change(struct sb_mirror *m, const struct nlmsghdr *nlh)
{
	struct sb_mirror_neigh now;
	if (!sb_mirror_read_neigh(&m->links, nlh, &now))
		return SB_MIRROR_SAME;
	struct sb_mirror_neigh *const *at = tfind(&now.key, &m->neighs, neigh_order), *old = at ? *at : NULL;
	if (!old && !now.state)
		return SB_MIRROR_SAME;
	if (old && now.state) {
		bool same = memcmp(old->mac, now.mac, SB_MAC_LEN) == 0;
		*old = now;
		return same ? SB_MIRROR_SAME : SB_MIRROR_CHANGED;
	}
	if (old) {
		tdelete(old, &m->neighs, neigh_order);
		free(old);
		m->n_neighs--;
		return SB_MIRROR_CHANGED;
	}
	old = malloc(sizeof *old);
	if (!old)
		return SB_MIRROR_RESYNC;
	*old = now;
	if (!tsearch(old, &m->neighs, neigh_order)) {
		free(old);
		return SB_MIRROR_RESYNC;
	}
	m->n_neighs++;
	return SB_MIRROR_CHANGED;
}

/* Routes that prefer a vanished source address go with it, which older kernels do not tell. */
static enum sb_mirror_effect addr_del(struct sb_mirror *m, const struct nlmsghdr *nlh)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	return sb_mirror_iface(&m->links, (int)ifa->ifa_index) ? SB_MIRROR_RESYNC : SB_MIRROR_SAME;
}

static size_t header_bytes(uint16_t type)
{
	switch (type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return sizeof(struct ifinfomsg);
	case RTM_DELADDR:
		return sizeof(struct ifaddrmsg);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return sizeof(struct rtmsg);
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		return sizeof(struct ndmsg);
	default:
		return SIZE_MAX;
	}
}

enum sb_mirror_effect sb_mirror_apply(struct sb_mirror *m, const struct nlmsghdr *nlh, bool live)
{
	size_t need = header_bytes(nlh->nlmsg_type);
	if (need == SIZE_MAX || mnl_nlmsg_get_payload_len(nlh) < need)
		return SB_MIRROR_SAME;
	enum sb_mirror_effect effect = SB_MIRROR_SAME;
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
		effect = link_new(m, nlh);
		break;
	case RTM_DELLINK:
		effect = link_del(m, ((const struct ifinfomsg *)mnl_nlmsg_get_payload(nlh))->ifi_index);
		break;
	case RTM_DELADDR:
		effect = addr_del(m, nlh);
		break;
	case RTM_NEWROUTE:
		effect = route_new(m, nlh, live);
		break;
	case RTM_DELROUTE:
		effect = route_del(m, nlh);
		break;
	default:
		effect = neigh_change(m, nlh);
		break;
	}
	return effect;
}

struct collect {
	const struct sb_mirror *m;
	struct sb_fib_prefix *prefixes;
	struct sb_fib_neigh *neighs;
	struct sb_mirror_stale *stale;
	uint32_t n_prefixes, n_neighs, n_stale, n_stale_max;
};

static uint16_t iface_index(const struct sb_mirror *m, int ifindex)
{
	for (uint32_t i = 0; i < m->links.n_ifaces; i++)
		if (m->links.ifaces[i].fib.ifindex == ifindex)
			return (uint16_t)i;
	return SB_FIB_HOLE;
}

static void collect_route(const void *node, VISIT visit, void *ctx)
{
	struct collect *c = ctx;
	const struct sb_mirror_route *r = *(struct sb_mirror_route *const *)node;
	if (visit != postorder && visit != leaf)
		return;
	uint16_t iface = r->hole ? SB_FIB_HOLE : iface_index(c->m, r->ifindex);
	if (!r->hole && iface == SB_FIB_HOLE)
		return;
	c->prefixes[c->n_prefixes++] = (struct sb_fib_prefix){
	        .net = r->key.net,
	        .iface = iface,
	        .metric = r->key.table == RT_TABLE_LOCAL ? 0 : r->key.metric, /* the kernel asks "local" first */
	        .gateway = r->gateway,
	};
}

static void collect_neigh(const void *node, VISIT visit, void *ctx)
{
	struct collect *c = ctx;
	const struct sb_mirror_neigh *n = *(struct sb_mirror_neigh *const *)node;
	uint16_t iface = iface_index(c->m, n->key.ifindex);
	if ((visit != postorder && visit != leaf) || iface == SB_FIB_HOLE)
		return;
	struct sb_fib_neigh *out = &c->neighs[c->n_neighs++];
	*out = (struct sb_fib_neigh){.ip = n->key.ip, .iface = iface};
	memcpy(out->mac, n->mac, SB_MAC_LEN);
}

static void collect_stale(const void *node, VISIT visit, void *ctx)
{
	struct collect *c = ctx;
	const struct sb_mirror_neigh *n = *(struct sb_mirror_neigh *const *)node;
	if ((visit == postorder || visit == leaf) && n->state == NUD_STALE && c->n_stale < c->n_stale_max)
		c->stale[c->n_stale++] = (struct sb_mirror_stale){.ifindex = n->key.ifindex, .ip = n->key.ip};
}

int sb_mirror_build(struct sb_mirror *m, uint64_t generation, struct sb_fib **out)
{
	struct sb_fib_iface ifaces[SB_MIRROR_IFACES_MAX];
	struct collect c = {.m = m};
	int err = SB_E_NOMEM;
	*out = NULL;
	c.prefixes = m->ranges ? NULL : calloc((size_t)m->n_routes + 1, sizeof *c.prefixes);
	c.neighs = calloc((size_t)m->n_neighs + 1, sizeof *c.neighs);
	if ((m->ranges || c.prefixes) && c.neighs) {
		for (uint32_t i = 0; i < m->links.n_ifaces; i++)
			ifaces[i] = m->links.ifaces[i].fib;
		if (!m->ranges)
			twalk_r(m->routes, collect_route, &c);
		twalk_r(m->neighs, collect_neigh, &c);
		struct sb_fib_input in = {
		        ifaces, c.prefixes, c.neighs, m->links.n_ifaces, c.n_prefixes, c.n_neighs, m->ranges};
		err = sb_fib_build(&in, generation, out);
	}
	if (!err && !m->ranges)
		m->ranges = sb_fib_ranges_get(*out);
	free(c.prefixes);
	free(c.neighs);
	return err;
}

uint32_t sb_mirror_stale(const struct sb_mirror *m, struct sb_mirror_stale *out, uint32_t n)
{
	struct collect c = {.m = m, .stale = out, .n_stale_max = n};
	twalk_r(m->neighs, collect_stale, &c);
	return c.n_stale;
}
