/* SPDX-License-Identifier: BSD-3-Clause */
#include "netns.h"
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>
#include <cmocka.h>

void netns_enter(void)
{
	struct sb_rtnl r;
	if (unshare(CLONE_NEWNET) < 0) {
		if (geteuid() != 0 && errno == EPERM)
			skip();
		fail_msg("unshare(CLONE_NEWNET): %s", strerror(errno));
	}
	assert_int_equal(sb_rtnl_init(&r), 0);
	assert_int_equal(sb_rtnl_link_up(&r, (int)if_nametoindex("lo")), 0);
	sb_rtnl_fini(&r);
}

struct sb_addr netns_ip(const char *text)
{
	struct sb_addr a;
	assert_int_equal(sb_addr_parse(text, 0, &a), 0);
	return a;
}

struct sb_net netns_net(const char *text)
{
	struct sb_net n;
	assert_int_equal(sb_net_parse(text, &n), 0);
	return n;
}

static size_t width(uint8_t family)
{
	return family == 6 ? 16 : 4;
}

static void put_hop(struct nlmsghdr *nlh, int ifindex, const struct sb_addr *gateway)
{
	struct rtnexthop *nh = mnl_nlmsg_get_payload_tail(nlh);
	uint32_t before = nlh->nlmsg_len;
	memset(nh, 0, sizeof *nh);
	nh->rtnh_ifindex = ifindex;
	nlh->nlmsg_len += sizeof *nh;
	mnl_attr_put(nlh, RTA_GATEWAY, width(gateway->family), gateway->ip);
	nh->rtnh_len = (uint16_t)(nlh->nlmsg_len - before);
}

void netns_route(struct sb_rtnl *r, const struct netns_route *route)
{
	alignas(NLMSG_ALIGNTO) char buf[SB_RTNL_BUF] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = route->remove ? RTM_DELROUTE : RTM_NEWROUTE;
	nlh->nlmsg_flags = route->remove    ? 0
	                   : route->replace ? NLM_F_CREATE | NLM_F_REPLACE
	                   : route->append  ? NLM_F_CREATE | NLM_F_APPEND
	                                    : NLM_F_CREATE | NLM_F_EXCL;
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof *rtm);
	rtm->rtm_family = route->net.family == 6 ? AF_INET6 : AF_INET;
	rtm->rtm_dst_len = route->net.bits;
	rtm->rtm_table = route->table ? route->table : RT_TABLE_MAIN;
	rtm->rtm_type = route->type ? route->type : RTN_UNICAST;
	rtm->rtm_protocol = RTPROT_STATIC;
	rtm->rtm_scope = route->gateway || route->net.family == 6 || route->type ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	if (route->remove)
		rtm->rtm_scope = RT_SCOPE_NOWHERE;
	mnl_attr_put(nlh, RTA_DST, width(route->net.family), route->net.ip);
	if (route->metric)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, route->metric);
	if (route->source)
		mnl_attr_put(nlh, RTA_PREFSRC, width(route->source->family), route->source->ip);
	if (route->ifindex2) {
		struct nlattr *multipath = mnl_attr_nest_start(nlh, RTA_MULTIPATH);
		put_hop(nlh, route->ifindex, route->gateway);
		put_hop(nlh, route->ifindex2, route->gateway2);
		mnl_attr_nest_end(nlh, multipath);
	} else {
		if (route->gateway)
			mnl_attr_put(nlh, RTA_GATEWAY, width(route->gateway->family), route->gateway->ip);
		if (route->ifindex)
			mnl_attr_put_u32(nlh, RTA_OIF, (uint32_t)route->ifindex);
	}
	if (sb_rtnl_talk(r, nlh))
		fail_msg("route: %s", strerror(errno));
}

void netns_link(struct sb_rtnl *r, int ifindex, bool up)
{
	alignas(NLMSG_ALIGNTO) char buf[SB_RTNL_BUF] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = RTM_NEWLINK;
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof *ifi);
	ifi->ifi_index = ifindex;
	ifi->ifi_change = IFF_UP;
	ifi->ifi_flags = up ? IFF_UP : 0;
	assert_int_equal(sb_rtnl_talk(r, nlh), 0);
}

void netns_neigh(struct sb_rtnl *r, int ifindex, const char *ip, uint16_t state, const uint8_t *mac)
{
	alignas(NLMSG_ALIGNTO) char buf[SB_RTNL_BUF] = {0};
	struct sb_addr a = netns_ip(ip);
	assert_int_equal(sb_rtnl_talk(r, sb_rtnl_neigh_request(buf, ifindex, &a, state, mac)), 0);
}

void netns_neigh_del(struct sb_rtnl *r, int ifindex, const char *ip)
{
	alignas(NLMSG_ALIGNTO) char buf[SB_RTNL_BUF] = {0};
	struct sb_addr a = netns_ip(ip);
	struct nlmsghdr *nlh = sb_rtnl_neigh_request(buf, ifindex, &a, 0, NULL);
	nlh->nlmsg_type = RTM_DELNEIGH;
	nlh->nlmsg_flags = 0;
	assert_int_equal(sb_rtnl_talk(r, nlh), 0);
}

void netns_addr_del(struct sb_rtnl *r, int ifindex, const char *net)
{
	alignas(NLMSG_ALIGNTO) char buf[SB_RTNL_BUF] = {0};
	struct sb_net n = netns_net(net);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = RTM_DELADDR;
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof *ifa);
	ifa->ifa_family = n.family == 6 ? AF_INET6 : AF_INET;
	ifa->ifa_prefixlen = n.bits;
	ifa->ifa_index = (uint32_t)ifindex;
	mnl_attr_put(nlh, IFA_LOCAL, width(n.family), n.ip);
	assert_int_equal(sb_rtnl_talk(r, nlh), 0);
}

void netns_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}
