/* SPDX-License-Identifier: BSD-3-Clause */
/* rtnl.h - the few changes we ask of the kernel's network configuration, each one NETLINK_ROUTE request and its answer.
 * Not the mirror of what the kernel does by itself: that is netlink.h.
 * Owner: control, at start. Lifetime: as long as the caller keeps the struct. Works in the calling thread's namespace.
 */
#pragma once
#include <switchback/addr.h>
#include <switchback/err.h>
#include <switchback/fib.h>

struct mnl_socket;
struct nlmsghdr;

struct sb_rtnl {
	struct mnl_socket *nl;
	uint32_t seq; /* of the last request */
};

/* Bytes: every request of ours fits. Zeroed before use: libmnl leaves what pads an attribute as it is. */
#define SB_RTNL_BUF 1024

/* 0 or SB_E_IO. fini is safe on a zeroed struct. */
int sb_rtnl_init(struct sb_rtnl *r);
void sb_rtnl_fini(struct sb_rtnl *r);

/* Sends one request (its flags get NLM_F_REQUEST | NLM_F_ACK) and waits for the kernel's verdict, which it gives at
 * once. 0, SB_E_EXIST (the thing is there already) or SB_E_IO; errno says why. */
int sb_rtnl_talk(struct sb_rtnl *r, struct nlmsghdr *nlh);

/* Gives an interface that is down its MAC and MTU, and keeps its kernel from answering ARP for other interfaces'
 * addresses (arp_ignore 1, arp_announce 2). IPv6 makes no address by itself: addr_gen_mode none. */
int sb_rtnl_link_dress(struct sb_rtnl *r, int ifindex, const uint8_t mac[SB_MAC_LEN], uint32_t mtu);
int sb_rtnl_link_up(struct sb_rtnl *r, int ifindex);

/* IPv6 addresses skip duplicate address detection: they serve at once. */
int sb_rtnl_addr_add(struct sb_rtnl *r, int ifindex, const struct sb_addr *ip, uint8_t bits);

/* Builds in buf a request that puts a neighbour into an NUD_ state; mac NULL: keep the one it has. */
struct nlmsghdr *sb_rtnl_neigh_request(
        void *buf, int ifindex, const struct sb_addr *ip, uint16_t state, const uint8_t *mac);
