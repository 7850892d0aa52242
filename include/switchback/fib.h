/* SPDX-License-Identifier: BSD-3-Clause */
/* fib.h - the kernel's routes and neighbours on our TAP twins, as workers read them: immutable, swapped by pointer.
 * It is apart from the snapshot because neighbours change far more often than configuration, and a change of one
 * neighbour must not rebuild ten million prefixes.
 * Owner: built and freed by control (netlink mirror) after RCU quiescence. */
#pragma once
#include <switchback/addr.h>
#include <stdbool.h>
#include <stdint.h>

#define SB_MAC_LEN 6

/* A kernel interface that stands for one of our ports, or a VLAN on it. */
struct sb_fib_iface {
	int ifindex;
	uint16_t port; /* index of our port */
	uint16_t vlan; /* 0: untagged */
	uint16_t mtu;  /* bytes of IP packet */
	uint8_t mac[SB_MAC_LEN];
};

/* Disjoint address ranges sorted by first; the longest prefix has already been cut out of the shorter ones. */
struct sb_fib_range {
	uint8_t first[16], last[16]; /* network order, so that memcmp orders */
	struct sb_addr gateway;      /* family 0: on link */
	uint16_t iface;              /* index into ifaces[] */
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
	struct sb_fib_range *range4, *range6; /* perhaps those of other fibs, too */
	struct sb_fib_neigh *neigh;           /* open addressing */
	uint32_t neigh_mask;                  /* slots - 1 */
	struct sb_fib_ranges *held;           /* what range4 and range6 are of; control: rw, workers do not look */
};

enum sb_fib_answer { SB_FIB_SEND, SB_FIB_UNRESOLVED, SB_FIB_NO_ROUTE };

struct sb_fib_hop {
	const struct sb_fib_iface *iface; /* where it leaves */
	const uint8_t *mac;               /* the next hop's; NULL when UNRESOLVED */
	bool off_link;                    /* beyond a gateway */
};

/* Where the probe for a neighbour begins: & neigh_mask, then linearly until an empty slot. The builder puts by it, too.
 * The interface counts: fe80::1 may live on every one of them. */
static inline uint32_t sb_fib_neigh_hash(const struct sb_addr *ip, uint16_t iface)
{
	uint64_t a, b;
	memcpy(&a, ip->ip, 8);
	memcpy(&b, ip->ip + 8, 8);
	a = (a ^ iface ^ (uint64_t)ip->family << 32) * 0x9e3779b97f4a7c15ull;
	b = (b ^ a >> 29) * 0xff51afd7ed558ccdull;
	return (uint32_t)(b >> 32 ^ a >> 17);
}

/* The neighbour's MAC; NULL if the kernel has not resolved it. ip->port is not looked at. */
static inline const uint8_t *sb_fib_neigh(const struct sb_fib *f, const struct sb_addr *ip, uint16_t iface)
{
	uint32_t at = sb_fib_neigh_hash(ip, iface);
	if (!f->neigh)
		return NULL;
	for (uint32_t n = 0; n <= f->neigh_mask; n++, at++) {
		const struct sb_fib_neigh *e = &f->neigh[at & f->neigh_mask];
		if (!e->ip.family)
			return NULL;
		if (e->iface == iface && sb_addr_same_ip(&e->ip, ip))
			return e->mac;
	}
	return NULL;
}

/* Eight bytes in network order as a number. */
static inline uint64_t sb_fib_number(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap64(v) : v;
}

/* Is a in front of b? As memcmp has it, in two compares. */
static inline bool sb_fib_before(const uint8_t a[16], const uint8_t b[16])
{
	uint64_t x = sb_fib_number(a), y = sb_fib_number(b);
	return x != y ? x < y : sb_fib_number(a + 8) < sb_fib_number(b + 8);
}

/* The range that holds dst; NULL: none. */
static inline const struct sb_fib_range *sb_fib_range(const struct sb_fib *f, const struct sb_addr *dst)
{
	const struct sb_fib_range *r = dst->family == 6 ? f->range6 : f->range4;
	uint32_t low = 0, high = dst->family == 6 ? f->n_range6 : f->n_range4;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (sb_fib_before(r[mid].last, dst->ip))
			low = mid + 1;
		else
			high = mid;
	}
	if (low == (dst->family == 6 ? f->n_range6 : f->n_range4) || sb_fib_before(dst->ip, r[low].first))
		return NULL;
	return &r[low];
}

/* How a packet to dst leaves. port_hint: the port of the listener it leaves from; it decides for IPv6 link-local
 * addresses alone, which every interface has and no range can tell apart. hop is set unless the answer is NO_ROUTE. */
static inline enum sb_fib_answer sb_fib_lookup(
        const struct sb_fib *f, const struct sb_addr *dst, uint16_t port_hint, struct sb_fib_hop *hop)
{
	const struct sb_addr *next = dst;
	uint32_t iface = 0;
	if (dst->family == 6 && dst->ip[0] == 0xfe && (dst->ip[1] & 0xc0) == 0x80) {
		while (iface < f->n_ifaces && (f->ifaces[iface].port != port_hint || f->ifaces[iface].vlan))
			iface++;
	} else {
		const struct sb_fib_range *r = sb_fib_range(f, dst);
		if (!r)
			return SB_FIB_NO_ROUTE;
		iface = r->iface;
		hop->off_link = r->gateway.family != 0;
		if (r->gateway.family)
			next = &r->gateway;
	}
	if (iface >= f->n_ifaces)
		return SB_FIB_NO_ROUTE;
	hop->iface = &f->ifaces[iface];
	hop->mac = sb_fib_neigh(f, next, (uint16_t)iface);
	return hop->mac ? SB_FIB_SEND : SB_FIB_UNRESOLVED;
}
