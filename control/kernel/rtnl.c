/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/kernel/rtnl.h"
#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdalign.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

int sb_rtnl_init(struct sb_rtnl *r)
{
	r->seq = 0;
	r->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!r->nl)
		return SB_E_IO;
	if (mnl_socket_bind(r->nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		sb_rtnl_fini(r);
		return SB_E_IO;
	}
	return 0;
}

void sb_rtnl_fini(struct sb_rtnl *r)
{
	if (r->nl)
		mnl_socket_close(r->nl);
	r->nl = NULL;
}

int sb_rtnl_talk(struct sb_rtnl *r, struct nlmsghdr *nlh)
{
	alignas(NLMSG_ALIGNTO) char answer[8192];
	nlh->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = ++r->seq;
	if (mnl_socket_sendto(r->nl, nlh, nlh->nlmsg_len) < 0)
		return SB_E_IO;
	ssize_t n = mnl_socket_recvfrom(r->nl, answer, sizeof answer);
	if (n < 0)
		return SB_E_IO;
	if (mnl_cb_run(answer, (size_t)n, r->seq, mnl_socket_get_portid(r->nl), NULL, NULL) < 0)
		return errno == EEXIST ? SB_E_EXIST : SB_E_IO;
	return 0;
}

static struct nlmsghdr *link_request(void *buf, int ifindex)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = RTM_NEWLINK;
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof *ifi);
	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = ifindex;
	return nlh;
}

static int link_arp_own_only(struct sb_rtnl *r, int ifindex)
{
	alignas(NLMSG_ALIGNTO) char buf[SB_RTNL_BUF] = {0};
	struct nlmsghdr *nlh = link_request(buf, ifindex);
	struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *inet = mnl_attr_nest_start(nlh, AF_INET);
	struct nlattr *conf = mnl_attr_nest_start(nlh, IFLA_INET_CONF);
	mnl_attr_put_u32(nlh, IPV4_DEVCONF_ARP_IGNORE, 1);
	mnl_attr_put_u32(nlh, IPV4_DEVCONF_ARP_ANNOUNCE, 2);
	mnl_attr_nest_end(nlh, conf);
	mnl_attr_nest_end(nlh, inet);
	mnl_attr_nest_end(nlh, spec);
	return sb_rtnl_talk(r, nlh);
}

static int link_no_own_ipv6(struct sb_rtnl *r, int ifindex)
{
	alignas(NLMSG_ALIGNTO) char buf[SB_RTNL_BUF] = {0};
	struct nlmsghdr *nlh = link_request(buf, ifindex);
	struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(nlh, AF_INET6);
	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, spec);
	int err = sb_rtnl_talk(r, nlh);
	/* A kernel without IPv6 makes no addresses either; an IPv6 address in the config then fails by itself. */
	return err && errno == EAFNOSUPPORT ? 0 : err;
}

int sb_rtnl_link_dress(struct sb_rtnl *r, int ifindex, const uint8_t mac[SB_MAC_LEN], uint32_t mtu)
{
	alignas(NLMSG_ALIGNTO) char buf[SB_RTNL_BUF] = {0};
	struct nlmsghdr *nlh = link_request(buf, ifindex);
	mnl_attr_put(nlh, IFLA_ADDRESS, SB_MAC_LEN, mac);
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	int err = sb_rtnl_talk(r, nlh);
	if (!err)
		err = link_arp_own_only(r, ifindex);
	return err ? err : link_no_own_ipv6(r, ifindex);
}

int sb_rtnl_link_up(struct sb_rtnl *r, int ifindex)
{
	alignas(NLMSG_ALIGNTO) char buf[SB_RTNL_BUF] = {0};
	struct nlmsghdr *nlh = link_request(buf, ifindex);
	struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	return sb_rtnl_talk(r, nlh);
}

int sb_rtnl_addr_add(struct sb_rtnl *r, int ifindex, const struct sb_addr *ip, uint8_t bits)
{
	alignas(NLMSG_ALIGNTO) char buf[SB_RTNL_BUF] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = RTM_NEWADDR;
	nlh->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof *ifa);
	ifa->ifa_family = ip->family == 6 ? AF_INET6 : AF_INET;
	ifa->ifa_prefixlen = bits;
	ifa->ifa_flags = ip->family == 6 ? IFA_F_NODAD : 0;
	ifa->ifa_index = (uint32_t)ifindex;
	size_t len = ip->family == 6 ? 16 : 4;
	mnl_attr_put(nlh, IFA_LOCAL, len, ip->ip);
	mnl_attr_put(nlh, IFA_ADDRESS, len, ip->ip);
	return sb_rtnl_talk(r, nlh);
}

struct nlmsghdr *sb_rtnl_neigh_request(
        void *buf, int ifindex, const struct sb_addr *ip, uint16_t state, const uint8_t *mac)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = RTM_NEWNEIGH;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE;
	struct ndmsg *nd = mnl_nlmsg_put_extra_header(nlh, sizeof *nd);
	nd->ndm_family = ip->family == 6 ? AF_INET6 : AF_INET;
	nd->ndm_ifindex = ifindex;
	nd->ndm_state = state;
	mnl_attr_put(nlh, NDA_DST, ip->family == 6 ? 16 : 4, ip->ip);
	if (mac)
		mnl_attr_put(nlh, NDA_LLADDR, SB_MAC_LEN, mac);
	return nlh;
}
