/* SPDX-License-Identifier: BSD-3-Clause */
/* fib_build.h - makes the immutable fib that workers read out of lists of prefixes and neighbours. Pure: no syscall.
 * Owner: control. The result is the caller's until published; sb_fib_free after RCU quiescence. */
#pragma once
#include <switchback/err.h>
#include <switchback/fib.h>

/* As a prefix's iface: addresses that are not to be sent to by us though a shorter prefix covers them (our own
 * addresses, broadcast, blackholes). They end as NO_ROUTE. */
#define SB_FIB_HOLE 0xffff

struct sb_fib_prefix {
	struct sb_net net; /* bits beyond net.bits are ignored */
	uint16_t iface;    /* index into ifaces[], or SB_FIB_HOLE */
	uint32_t
	        metric; /* lower wins among equal prefixes; at equal metric a hole wins, then the earlier in the list */
	struct sb_addr gateway; /* family 0: on link; may be of the other family (RFC 5549) */
};

/* The ranges of a list of prefixes. Neighbours change far more often than routes: fibs that differ in neighbours alone
 * share one of these. Counted without a lock, as only control makes and frees fibs. */
struct sb_fib_ranges;

struct sb_fib_input {
	const struct sb_fib_iface *ifaces;
	const struct sb_fib_prefix *prefixes;
	const struct sb_fib_neigh *neighs; /* an address twice on one interface: the later one counts */
	uint32_t n_ifaces, n_prefixes, n_neighs;
	struct sb_fib_ranges
	        *ranges; /* instead of prefixes, which are not looked at then; NULL: they are made of prefixes */
};

/* A hold on the ranges of f, for sb_fib_input. They hold for the ifaces[] that f was built with, their order included.
 */
struct sb_fib_ranges *sb_fib_ranges_get(const struct sb_fib *f);
void sb_fib_ranges_put(struct sb_fib_ranges *r); /* frees them if nobody else holds them; NULL is allowed */

/* O(n log n). The longest prefix wins; neighbouring ranges with the same hop become one. 0, SB_E_NOMEM, or SB_E_INVAL:
 * a prefix or neighbour with an unknown family, too many bits, or an interface that is not in ifaces[]. */
int sb_fib_build(const struct sb_fib_input *in, uint64_t generation, struct sb_fib **out);
void sb_fib_free(struct sb_fib *f); /* NULL is allowed */
