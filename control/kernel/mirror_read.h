/* SPDX-License-Identifier: BSD-3-Clause */
/* mirror_read.h - one rtnetlink message as what it means to the mirror. Private to control/kernel/mirror.c. Pure. */
#pragma once
#include "control/kernel/mirror.h"

struct sb_mirror_iface {
	struct sb_fib_iface fib;
	uint32_t flags; /* those that decide whether its routes live */
};

/* The interfaces known so far: routes and neighbours elsewhere are not ours. */
struct sb_mirror_links {
	struct sb_mirror_twin twins[SB_MIRROR_IFACES_MAX];
	struct sb_mirror_iface ifaces[SB_MIRROR_IFACES_MAX];
	uint32_t n_twins, n_ifaces;
};

/* Keys are compared as bytes: no padding, and zeroed where unused.
 * IPv4 knows one route a prefix and metric, IPv6 one a next hop as well; a multipath route stands under hop 0. */
struct sb_mirror_route_key {
	struct sb_net net;
	uint16_t table;
	uint32_t metric;
	int32_t ifindex;
	struct sb_addr gateway;
};
_Static_assert(sizeof(struct sb_mirror_route_key) == 18 + 2 + 4 + 4 + 20, "no padding");

struct sb_mirror_route {
	struct sb_mirror_route_key key; /* first: the tree compares it */
	int ifindex;
	struct sb_addr gateway;
	bool hole; /* not to be sent to, whatever shorter prefix covers it */
	bool many; /* the kernel holds further routes under this key */
};

struct sb_mirror_neigh_key {
	int32_t ifindex;
	struct sb_addr ip;
};
_Static_assert(sizeof(struct sb_mirror_neigh_key) == 24, "no padding");

struct sb_mirror_neigh {
	struct sb_mirror_neigh_key key; /* first: the tree compares it */
	uint16_t state;                 /* NUD_, 0: not usable */
	uint8_t mac[SB_MAC_LEN];
};

enum sb_mirror_kind {
	SB_MIRROR_IGNORED,   /* nothing that we follow */
	SB_MIRROR_ELSEWHERE, /* a route that does not leave by a living interface of ours */
	SB_MIRROR_OURS,
};

/* The message is whole and its header of the right size; its attributes may be anything. */
struct sb_mirror_iface *sb_mirror_iface(struct sb_mirror_links *l, int ifindex);
bool sb_mirror_read_link(const struct sb_mirror_links *l, const struct nlmsghdr *nlh, struct sb_mirror_iface *out);
enum sb_mirror_kind sb_mirror_read_route(
        struct sb_mirror_links *l, const struct nlmsghdr *nlh, struct sb_mirror_route *out);
bool sb_mirror_read_neigh(struct sb_mirror_links *l, const struct nlmsghdr *nlh, struct sb_mirror_neigh *out);
