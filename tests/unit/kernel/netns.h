/* SPDX-License-Identifier: BSD-3-Clause */
/* netns.h - a network namespace of the test's own, so that its interfaces, routes and neighbours touch nobody else's.
 */
#pragma once
#include "control/kernel/rtnl.h"

/* Moves this thread into a new namespace with lo up. Where that is not permitted the test is skipped; root must manage.
 */
void netns_enter(void);

/* Adds a route over rtnetlink: table, type (RTN_), gateway NULL for none. */
struct netns_route {
	struct sb_net net;
	uint8_t table, type; /* 0: main, unicast */
	uint32_t metric;
	int ifindex;
	const struct sb_addr *gateway, *source; /* source: the preferred one */
	bool replace, remove, append;
	int ifindex2; /* a second next hop, if not 0: multipath, with gateway2 */
	const struct sb_addr *gateway2;
};
void netns_route(struct sb_rtnl *r, const struct netns_route *route);
void netns_link(struct sb_rtnl *r, int ifindex, bool up);
void netns_neigh(struct sb_rtnl *r, int ifindex, const char *ip, uint16_t state, const uint8_t *mac);
void netns_neigh_del(struct sb_rtnl *r, int ifindex, const char *ip);
void netns_addr_del(struct sb_rtnl *r, int ifindex, const char *net);
struct sb_addr netns_ip(const char *text);
struct sb_net netns_net(const char *text);
void netns_write(const char *path, const char *text); /* a sysctl */
