/* SPDX-License-Identifier: BSD-3-Clause */
/* fib.h - the kernel's routes and neighbours on our TAP twins, as workers read them: immutable, swapped by pointer.
 * It is apart from the snapshot because neighbours change far more often than configuration, and a change of one
 * neighbour must not rebuild ten million prefixes.
 * Owner: built and freed by control (netlink mirror) after RCU quiescence. */
#pragma once
#include <switchback/addr.h>
#include <stdint.h>

#define SB_MAC_LEN 6

/* A kernel interface that stands for one of our ports, or a VLAN on it. */
struct sb_fib_iface {
	int ifindex;
	uint16_t port;	/* index of our port */
	uint16_t vlan;	/* 0: untagged */
	uint16_t mtu;	/* bytes of IP packet */
	uint8_t mac[SB_MAC_LEN];
};

/* Disjoint address ranges sorted by first; the longest prefix has already been cut out of the shorter ones. */
struct sb_fib_range {
	uint8_t first[16], last[16]; /* network order, so that memcmp orders */
	struct sb_addr gateway;	     /* family 0: on link */
	uint16_t iface;		     /* index into ifaces[] */
};

struct sb_fib_neigh {
	struct sb_addr ip; /* port 0; family 0: empty slot */
	uint16_t iface;
	uint8_t mac[SB_MAC_LEN];
};

struct sb_fib {
	uint64_t generation;
	uint32_t n_ifaces, n_range4, n_range6;
	struct sb_fib_iface *ifaces;
	struct sb_fib_range *range4, *range6;
	struct sb_fib_neigh *neigh; /* open addressing */
	uint32_t neigh_mask;	    /* slots - 1 */
};

enum sb_fib_answer { SB_FIB_SEND, SB_FIB_UNRESOLVED, SB_FIB_NO_ROUTE };

struct sb_fib_hop {
	const struct sb_fib_iface *iface; /* where it leaves */
	const uint8_t *mac;		  /* the next hop's; NULL when UNRESOLVED */
};
