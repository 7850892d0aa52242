/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/kernel/mirror_read.h"
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#define NUD_USABLE (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)
#define LINK_ALIVE (IFF_UP | IFF_RUNNING | IFF_LOWER_UP)

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

struct sb_mirror_iface *sb_mirror_iface(struct sb_mirror_links *l, int ifindex)
{
	for (uint32_t i = 0; i < l->n_ifaces; i++)
		if (l->ifaces[i].fib.ifindex == ifindex)
			return &l->ifaces[i];
	return NULL;
}

static const struct sb_mirror_twin *twin_find(const struct sb_mirror_links *l, int ifindex)
{
	for (uint32_t i = 0; i < l->n_twins; i++)
		if (l->twins[i].ifindex == ifindex)
			return &l->twins[i];
	return NULL;
}

bool sb_mirror_read_link(const struct sb_mirror_links *l, const struct nlmsghdr *nlh, struct sb_mirror_iface *out)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const struct sb_mirror_twin *twin = twin_find(l, ifi->ifi_index);
	struct attrs t = {0};
	uint32_t mtu = 0;
	if (!twin || ifi->ifi_family != AF_UNSPEC || mnl_attr_parse(nlh, sizeof *ifi, attrs_take, &t) < 0)
		return false;
	const struct nlattr *mac = t.at[IFLA_ADDRESS];
	if (!mac || mnl_attr_get_payload_len(mac) != SB_MAC_LEN || !attr_u32(&t, IFLA_MTU, &mtu))
		return false;
	*out = (struct sb_mirror_iface){
	        .fib = {.ifindex = twin->ifindex,
	                .port = twin->port,
	                .vlan = twin->vlan,
	                .mtu = (uint16_t)(mtu > 65535 ? 65535 : mtu)},
	        .flags = ifi->ifi_flags & LINK_ALIVE,
	};
	memcpy(out->fib.mac, mnl_attr_get_payload(mac), SB_MAC_LEN);
	return true;
}

/* Table, kind and prefix; false: no route we follow. */
static bool route_read_key(const struct nlmsghdr *nlh, const struct attrs *t, struct sb_mirror_route *out)
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
	*out = (struct sb_mirror_route){.key = {.table = (uint16_t)table}};
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
static bool take_multipath(struct sb_mirror_links *l, const struct nlattr *multipath, struct sb_mirror_route *out)
{
	const struct rtnexthop *nh = mnl_attr_get_payload(multipath);
	int left = mnl_attr_get_payload_len(multipath);
	while (RTNH_OK(nh, left)) {
		struct attrs t = {0};
		bool dead = nh->rtnh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN);
		if (!dead && sb_mirror_iface(l, nh->rtnh_ifindex) &&
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

enum sb_mirror_kind sb_mirror_read_route(
        struct sb_mirror_links *l, const struct nlmsghdr *nlh, struct sb_mirror_route *out)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct attrs t = {0};
	uint32_t oif = 0;
	if (mnl_attr_parse(nlh, sizeof *rtm, attrs_take, &t) < 0 || !route_read_key(nlh, &t, out))
		return SB_MIRROR_IGNORED;
	bool ours = false;
	switch (rtm->rtm_type) {
	case RTN_UNICAST:
		if (t.at[RTA_MULTIPATH]) {
			out->many = out->key.net.family == 6;
			ours = take_multipath(l, t.at[RTA_MULTIPATH], out);
			break;
		}
		attr_u32(&t, RTA_OIF, &oif);
		out->ifindex = (int)oif;
		if (!attr_ip(&t, RTA_GATEWAY, &out->gateway))
			take_via(&t, &out->gateway);
		ours = sb_mirror_iface(l, out->ifindex) && !(rtm->rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN));
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
		return SB_MIRROR_IGNORED;
	}
	if (out->key.net.family == 6 && !out->many) {
		out->key.ifindex = out->ifindex;
		out->key.gateway = out->gateway;
	}
	return ours ? SB_MIRROR_OURS : SB_MIRROR_ELSEWHERE;
}

bool sb_mirror_read_neigh(struct sb_mirror_links *l, const struct nlmsghdr *nlh, struct sb_mirror_neigh *out)
{
	const struct ndmsg *nd = mnl_nlmsg_get_payload(nlh);
	struct attrs t = {0};
	if ((nd->ndm_family != AF_INET && nd->ndm_family != AF_INET6) || nd->ndm_flags & NTF_PROXY)
		return false;
	if (!sb_mirror_iface(l, nd->ndm_ifindex) || mnl_attr_parse(nlh, sizeof *nd, attrs_take, &t) < 0)
		return false;
	*out = (struct sb_mirror_neigh){.key = {.ifindex = nd->ndm_ifindex}};
	if (!attr_ip(&t, NDA_DST, &out->key.ip))
		return false;
	const struct nlattr *mac = t.at[NDA_LLADDR];
	if (nlh->nlmsg_type == RTM_NEWNEIGH && mac && mnl_attr_get_payload_len(mac) == SB_MAC_LEN) {
		memcpy(out->mac, mnl_attr_get_payload(mac), SB_MAC_LEN);
		out->state = nd->ndm_state & NUD_USABLE;
	}
	return true;
}
