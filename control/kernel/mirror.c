/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/kernel/mirror.h"
#include "control/kernel/fib_build.h"
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <search.h>
#include <switchback/snapshot.h>

#define NUD_USABLE (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)
#define LINK_ALIVE (IFF_UP | IFF_RUNNING | IFF_LOWER_UP)

struct iface {
	struct sb_fib_iface fib;
	uint32_t flags; /* LINK_ALIVE ones */
};

/* Keys are compared as bytes: no padding, and zeroed where unused.
 * IPv4 knows one route a prefix and metric, IPv6 one a next hop as well; a multipath route stands under hop 0. */
struct route_key {
	struct sb_net net;
	uint8_t table;
	uint8_t zero[1];
	uint32_t metric;
	int32_t ifindex;
	struct sb_addr gateway;
};
_Static_assert(sizeof(struct route_key) == 18 + 2 + 4 + 4 + 20, "no padding");

struct route {
	struct route_key key; /* first: the tree compares it */
	int ifindex;
	struct sb_addr gateway;
	bool hole;
	bool many; /* the kernel holds further routes under this key */
};

struct neigh_key {
	int32_t ifindex;
	struct sb_addr ip;
};
_Static_assert(sizeof(struct neigh_key) == 24, "no padding");

struct neigh {
	struct neigh_key key; /* first: the tree compares it */
	uint16_t state;
	uint8_t mac[SB_MAC_LEN];
};

struct sb_mirror {
	struct sb_mirror_port ports[SB_PORTS_MAX];
	uint32_t n_ports;
	struct iface ifaces[SB_MIRROR_IFACES_MAX];
	uint32_t n_ifaces;
	void *routes, *neighs; /* trees of tsearch(3) */
	uint32_t n_routes, n_neighs;
};

static int route_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct route_key));
}

static int neigh_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct neigh_key));
}

struct sb_mirror *sb_mirror_new(const struct sb_mirror_port *ports, uint32_t n)
{
	struct sb_mirror *m = n <= SB_PORTS_MAX ? calloc(1, sizeof *m) : NULL;
	if (!m)
		return NULL;
	for (uint32_t i = 0; i < n; i++)
		m->ports[i] = ports[i];
	m->n_ports = n;
	return m;
}

void sb_mirror_clear(struct sb_mirror *m)
{
	tdestroy(m->routes, free);
	tdestroy(m->neighs, free);
	m->routes = m->neighs = NULL;
	m->n_routes = m->n_neighs = m->n_ifaces = 0;
}

void sb_mirror_free(struct sb_mirror *m)
{
	if (!m)
		return;
	sb_mirror_clear(m);
	free(m);
}

/* Attributes of one message by type; the length checks are those of libmnl. */
struct attrs {
	const struct nlattr *at[64];
};

static int attrs_take(const struct nlattr *a, void *data)
{
	struct attrs *t = data;
	uint16_t type = mnl_attr_get_type(a);
	if (type < 64)
		t->at[type] = a;
	return MNL_CB_OK;
}

static bool attr_u32(const struct attrs *t, int type, uint32_t *out)
{
	if (!t->at[type] || mnl_attr_get_payload_len(t->at[type]) < 4)
		return false;
	*out = mnl_attr_get_u32(t->at[type]);
	return true;
}

/* An IP address of 4 or 16 bytes. */
static bool take_ip(const void *data, size_t len, struct sb_addr *out)
{
	if (len != 4 && len != 16)
		return false;
	memset(out, 0, sizeof *out);
	memcpy(out->ip, data, len);
	out->family = len == 4 ? 4 : 6;
	return true;
}

static bool attr_ip(const struct attrs *t, int type, struct sb_addr *out)
{
	const struct nlattr *a = t->at[type];
	return a && take_ip(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a), out);
}

static struct iface *iface_find(struct sb_mirror *m, int ifindex)
{
	for (uint32_t i = 0; i < m->n_ifaces; i++)
		if (m->ifaces[i].fib.ifindex == ifindex)
			return &m->ifaces[i];
	return NULL;
}

static const struct sb_mirror_port *port_find(const struct sb_mirror *m, int ifindex)
{
	for (uint32_t i = 0; i < m->n_ports; i++)
		if (m->ports[i].ifindex == ifindex)
			return &m->ports[i];
	return NULL;
}

/* The ID of an 802.1Q interface, 0 for any other. */
static uint16_t vlan_of(const struct attrs *link)
{
	struct attrs info = {0}, data = {0};
	if (!link->at[IFLA_LINKINFO] || mnl_attr_parse_nested(link->at[IFLA_LINKINFO], attrs_take, &info) < 0)
		return 0;
	const struct nlattr *kind = info.at[IFLA_INFO_KIND];
	if (!kind || mnl_attr_get_payload_len(kind) < 4 || memcmp(mnl_attr_get_payload(kind), "vlan", 4) != 0)
		return 0;
	if (!info.at[IFLA_INFO_DATA] || mnl_attr_parse_nested(info.at[IFLA_INFO_DATA], attrs_take, &data) < 0)
		return 0;
	const struct nlattr *id = data.at[IFLA_VLAN_ID], *protocol = data.at[IFLA_VLAN_PROTOCOL];
	if (!id || mnl_attr_get_payload_len(id) < 2)
		return 0;
	if (protocol && mnl_attr_get_payload_len(protocol) >= 2 && mnl_attr_get_u16(protocol) != htons(ETH_P_8021Q))
		return 0;
	return mnl_attr_get_u16(id);
}

static enum sb_mirror_effect link_del(struct sb_mirror *m, int ifindex)
{
	struct iface *i = iface_find(m, ifindex);
	if (!i)
		return SB_MIRROR_SAME;
	*i = m->ifaces[--m->n_ifaces];
	/* IPv4 drops the routes of a dead interface without a word about each. */
	return SB_MIRROR_RESYNC;
}

static bool link_read(const struct sb_mirror *m, const struct nlmsghdr *nlh, struct iface *out)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const struct sb_mirror_port *port = port_find(m, ifi->ifi_index);
	struct attrs t = {0};
	uint32_t parent = 0, mtu = 0;
	uint16_t vlan = 0;
	if (mnl_attr_parse(nlh, sizeof *ifi, attrs_take, &t) < 0)
		return false;
	if (!port && attr_u32(&t, IFLA_LINK, &parent) && !t.at[IFLA_LINK_NETNSID]) {
		port = port_find(m, (int)parent);
		vlan = vlan_of(&t);
		if (!vlan)
			return false;
	}
	const struct nlattr *mac = t.at[IFLA_ADDRESS];
	if (!port || !mac || mnl_attr_get_payload_len(mac) != SB_MAC_LEN || !attr_u32(&t, IFLA_MTU, &mtu))
		return false;
	*out = (struct iface){
	        .fib = {.ifindex = ifi->ifi_index,
	                .port = port->port,
	                .vlan = vlan,
	                .mtu = (uint16_t)(mtu > 65535 ? 65535 : mtu)},
	        .flags = ifi->ifi_flags & LINK_ALIVE,
	};
	memcpy(out->fib.mac, mnl_attr_get_payload(mac), SB_MAC_LEN);
	return true;
}

static enum sb_mirror_effect link_new(struct sb_mirror *m, const struct nlmsghdr *nlh)
{
	struct iface now, *old;
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	if (ifi->ifi_family != AF_UNSPEC || !link_read(m, nlh, &now))
		return SB_MIRROR_SAME;
	old = iface_find(m, now.fib.ifindex);
	if (!old) {
		if (m->n_ifaces == SB_MIRROR_IFACES_MAX)
			return SB_MIRROR_SAME;
		m->ifaces[m->n_ifaces++] = now;
		return SB_MIRROR_CHANGED;
	}
	/* Routes die silently, and come back to life, with the interface. */
	enum sb_mirror_effect effect = old->flags != now.flags ? SB_MIRROR_RESYNC : SB_MIRROR_CHANGED;
	if (effect == SB_MIRROR_CHANGED && old->fib.port == now.fib.port && old->fib.vlan == now.fib.vlan &&
	        old->fib.mtu == now.fib.mtu && memcmp(old->fib.mac, now.fib.mac, SB_MAC_LEN) == 0)
		effect = SB_MIRROR_SAME;
	*old = now;
	return effect;
}

/* Table, kind and prefix; false: no route we follow. */
static bool route_read_key(const struct nlmsghdr *nlh, const struct attrs *t, struct route *out)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	uint32_t table = rtm->rtm_table;
	struct sb_addr dst = {.family = rtm->rtm_family == AF_INET6 ? 6 : 4};
	attr_u32(t, RTA_TABLE, &table);
	if ((rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6) || rtm->rtm_flags & RTM_F_CLONED)
		return false;
	if (rtm->rtm_tos || rtm->rtm_src_len || (table != RT_TABLE_MAIN && table != RT_TABLE_LOCAL))
		return false;
	if (t->at[RTA_DST] && !attr_ip(t, RTA_DST, &dst))
		return false;
	if (dst.family != (rtm->rtm_family == AF_INET6 ? 6 : 4) || rtm->rtm_dst_len > (dst.family == 6 ? 128 : 32))
		return false;
	*out = (struct route){.key = {.table = (uint8_t)table}};
	memcpy(out->key.net.ip, dst.ip, 16);
	out->key.net.family = dst.family;
	out->key.net.bits = rtm->rtm_dst_len;
	attr_u32(t, RTA_PRIORITY, &out->key.metric);
	return true;
}

/* RTA_VIA: a gateway of the other family (RFC 5549). */
static void take_via(const struct attrs *t, struct sb_addr *gateway)
{
	const struct nlattr *a = t->at[RTA_VIA];
	if (a && mnl_attr_get_payload_len(a) > sizeof(uint16_t))
		take_ip((const uint8_t *)mnl_attr_get_payload(a) + 2, mnl_attr_get_payload_len(a) - 2, gateway);
}

/* The first next hop on an interface of ours that is alive. */
static bool take_multipath(struct sb_mirror *m, const struct nlattr *multipath, struct route *out)
{
	const struct rtnexthop *nh = mnl_attr_get_payload(multipath);
	int left = mnl_attr_get_payload_len(multipath);
	while (RTNH_OK(nh, left)) {
		struct attrs t = {0};
		bool dead = nh->rtnh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN);
		if (!dead && iface_find(m, nh->rtnh_ifindex) &&
		        mnl_attr_parse_payload(nh + 1, nh->rtnh_len - sizeof *nh, attrs_take, &t) >= 0) {
			out->ifindex = nh->rtnh_ifindex;
			if (!attr_ip(&t, RTA_GATEWAY, &out->gateway))
				take_via(&t, &out->gateway);
			return true;
		}
		left -= (int)NLMSG_ALIGN(nh->rtnh_len);
		nh = (const void *)((const char *)nh + NLMSG_ALIGN(nh->rtnh_len));
	}
	return false;
}

enum route_kind { ROUTE_IGNORED, ROUTE_ELSEWHERE, ROUTE_OURS };

/* What a route message means to us. ELSEWHERE: a route under this key that does not leave by our interfaces. */
static enum route_kind route_read(struct sb_mirror *m, const struct nlmsghdr *nlh, struct route *out)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct attrs t = {0};
	uint32_t oif = 0;
	if (mnl_attr_parse(nlh, sizeof *rtm, attrs_take, &t) < 0 || !route_read_key(nlh, &t, out))
		return ROUTE_IGNORED;
	bool ours = false;
	switch (rtm->rtm_type) {
	case RTN_UNICAST:
		if (t.at[RTA_MULTIPATH]) {
			out->many = out->key.net.family == 6;
			ours = take_multipath(m, t.at[RTA_MULTIPATH], out);
			break;
		}
		attr_u32(&t, RTA_OIF, &oif);
		out->ifindex = (int)oif;
		if (!attr_ip(&t, RTA_GATEWAY, &out->gateway))
			take_via(&t, &out->gateway);
		ours = iface_find(m, out->ifindex) && !(rtm->rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN));
		break;
	case RTN_LOCAL:
	case RTN_BROADCAST:
	case RTN_ANYCAST:
	case RTN_MULTICAST:
	case RTN_BLACKHOLE:
	case RTN_UNREACHABLE:
	case RTN_PROHIBIT:
		attr_u32(&t, RTA_OIF, &oif);
		out->ifindex = (int)oif;
		out->hole = ours = true;
		break;
	default:
		return ROUTE_IGNORED;
	}
	if (out->key.net.family == 6 && !out->many) {
		out->key.ifindex = out->ifindex;
		out->key.gateway = out->gateway;
	}
	return ours ? ROUTE_OURS : ROUTE_ELSEWHERE;
}

static struct route *route_find(const struct sb_mirror *m, const struct route_key *key)
{
	struct route *const *at = tfind(key, &m->routes, route_order);
	return at ? *at : NULL;
}

static void route_remove(struct sb_mirror *m, struct route *r)
{
	tdelete(r, &m->routes, route_order);
	free(r);
	m->n_routes--;
}

static bool route_same_hop(const struct route *a, const struct route *b)
{
	return a->ifindex == b->ifindex && a->hole == b->hole && sb_addr_eq(&a->gateway, &b->gateway);
}

static enum sb_mirror_effect route_insert(struct sb_mirror *m, const struct route *r)
{
	struct route *copy = malloc(sizeof *copy);
	if (!copy)
		return SB_MIRROR_RESYNC;
	*copy = *r;
	if (!tsearch(copy, &m->routes, route_order)) {
		free(copy);
		return SB_MIRROR_RESYNC;
	}
	m->n_routes++;
	return SB_MIRROR_CHANGED;
}

static enum sb_mirror_effect route_new(struct sb_mirror *m, const struct nlmsghdr *nlh, bool live)
{
	struct route r;
	bool replace = live && nlh->nlmsg_flags & NLM_F_REPLACE;
	enum route_kind kind = route_read(m, nlh, &r);
	if (kind == ROUTE_IGNORED)
		return SB_MIRROR_SAME;
	/* Which of the IPv6 routes to this prefix it replaces or joins is not said. */
	if (live && r.key.net.family == 6 && (replace || (r.many && kind == ROUTE_OURS)))
		return SB_MIRROR_RESYNC;
	struct route *old = route_find(m, &r.key);
	if (kind == ROUTE_ELSEWHERE) {
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
		return SB_MIRROR_CHANGED;
	}
	/* A second IPv4 route beside the first: the kernel uses the one that a dump tells first. */
	old->many = true;
	return live ? SB_MIRROR_RESYNC : SB_MIRROR_SAME;
}

static enum sb_mirror_effect route_del(struct sb_mirror *m, const struct nlmsghdr *nlh)
{
	struct route r;
	if (route_read(m, nlh, &r) == ROUTE_IGNORED)
		return SB_MIRROR_SAME;
	struct route *old = route_find(m, &r.key);
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

static bool neigh_read(struct sb_mirror *m, const struct nlmsghdr *nlh, struct neigh *out)
{
	const struct ndmsg *nd = mnl_nlmsg_get_payload(nlh);
	struct attrs t = {0};
	if ((nd->ndm_family != AF_INET && nd->ndm_family != AF_INET6) || nd->ndm_flags & NTF_PROXY)
		return false;
	if (!iface_find(m, nd->ndm_ifindex) || mnl_attr_parse(nlh, sizeof *nd, attrs_take, &t) < 0)
		return false;
	*out = (struct neigh){.key = {.ifindex = nd->ndm_ifindex}};
	if (!attr_ip(&t, NDA_DST, &out->key.ip))
		return false;
	const struct nlattr *mac = t.at[NDA_LLADDR];
	if (nlh->nlmsg_type == RTM_NEWNEIGH && mac && mnl_attr_get_payload_len(mac) == SB_MAC_LEN) {
		memcpy(out->mac, mnl_attr_get_payload(mac), SB_MAC_LEN);
		out->state = nd->ndm_state & NUD_USABLE;
	}
	return true;
}

/* A neighbour that cannot be used (failed, incomplete, deleted) has state 0 and is not kept. */
static enum sb_mirror_effect neigh_change(struct sb_mirror *m, const struct nlmsghdr *nlh)
{
	struct neigh now;
	if (!neigh_read(m, nlh, &now))
		return SB_MIRROR_SAME;
	struct neigh *const *at = tfind(&now.key, &m->neighs, neigh_order), *old = at ? *at : NULL;
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

/* Routes that prefer a vanished source address go with it, untold. */
static enum sb_mirror_effect addr_del(struct sb_mirror *m, const struct nlmsghdr *nlh)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	return iface_find(m, (int)ifa->ifa_index) ? SB_MIRROR_RESYNC : SB_MIRROR_SAME;
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
	for (uint32_t i = 0; i < m->n_ifaces; i++)
		if (m->ifaces[i].fib.ifindex == ifindex)
			return (uint16_t)i;
	return SB_FIB_HOLE;
}

static void collect_route(const void *node, VISIT visit, void *ctx)
{
	struct collect *c = ctx;
	const struct route *r = *(struct route *const *)node;
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
	const struct neigh *n = *(struct neigh *const *)node;
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
	const struct neigh *n = *(struct neigh *const *)node;
	if ((visit == postorder || visit == leaf) && n->state == NUD_STALE && c->n_stale < c->n_stale_max)
		c->stale[c->n_stale++] = (struct sb_mirror_stale){.ifindex = n->key.ifindex, .ip = n->key.ip};
}

int sb_mirror_build(const struct sb_mirror *m, uint64_t generation, struct sb_fib **out)
{
	struct sb_fib_iface ifaces[SB_MIRROR_IFACES_MAX];
	struct collect c = {.m = m};
	int err = SB_E_NOMEM;
	*out = NULL;
	c.prefixes = calloc((size_t)m->n_routes + 1, sizeof *c.prefixes);
	c.neighs = calloc((size_t)m->n_neighs + 1, sizeof *c.neighs);
	if (c.prefixes && c.neighs) {
		for (uint32_t i = 0; i < m->n_ifaces; i++)
			ifaces[i] = m->ifaces[i].fib;
		twalk_r(m->routes, collect_route, &c);
		twalk_r(m->neighs, collect_neigh, &c);
		struct sb_fib_input in = {ifaces, c.prefixes, c.neighs, m->n_ifaces, c.n_prefixes, c.n_neighs};
		err = sb_fib_build(&in, generation, out);
	}
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
