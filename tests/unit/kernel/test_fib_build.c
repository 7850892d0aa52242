/* SPDX-License-Identifier: BSD-3-Clause */
/* The fib answers as the kernel would: longest prefix, then lowest metric; checked against a naive look-up. */
#include "control/kernel/fib_build.h"
#include "netns.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const struct sb_fib_iface four_ifaces[4] = {{.ifindex = 3}, {.ifindex = 4}, {.ifindex = 5}, {.ifindex = 6}};

static struct sb_fib_prefix prefix(const char *net, uint16_t iface, uint32_t metric, const char *gateway)
{
	struct sb_fib_prefix p = {.net = netns_net(net), .iface = iface, .metric = metric};
	if (gateway)
		p.gateway = netns_ip(gateway);
	return p;
}

static struct sb_fib *build(const struct sb_fib_prefix *p, uint32_t n, const struct sb_fib_neigh *e, uint32_t n_e)
{
	struct sb_fib *f;
	struct sb_fib_input in = {four_ifaces, p, e, 4, n, n_e};
	assert_int_equal(sb_fib_build(&in, 7, &f), 0);
	assert_int_equal(f->generation, 7);
	return f;
}

/* -1: no route. */
static int iface_to(const struct sb_fib *f, const char *ip)
{
	struct sb_addr a = netns_ip(ip);
	const struct sb_fib_range *r = sb_fib_range(f, &a);
	return r ? r->iface : -1;
}

static void longest_prefix_wins(void **state)
{
	struct sb_fib_prefix p[] = {
	        prefix("0.0.0.0/0", 0, 0, "192.0.2.1"),
	        prefix("10.0.0.0/8", 1, 0, NULL),
	        prefix("10.1.0.0/16", 2, 500, NULL),
	        prefix("10.1.2.3/32", 3, 0, NULL),
	        prefix("2001:db8::/32", 1, 0, NULL),
	        prefix("2001:db8:1::/48", 2, 0, NULL),
	};
	struct sb_fib *f = build(p, 6, NULL, 0);
	assert_int_equal(iface_to(f, "9.255.255.255"), 0);
	assert_int_equal(iface_to(f, "10.0.0.0"), 1);
	assert_int_equal(iface_to(f, "10.1.0.0"), 2);
	assert_int_equal(iface_to(f, "10.1.2.2"), 2);
	assert_int_equal(iface_to(f, "10.1.2.3"), 3);
	assert_int_equal(iface_to(f, "10.1.2.4"), 2);
	assert_int_equal(iface_to(f, "10.2.0.0"), 1);
	assert_int_equal(iface_to(f, "255.255.255.255"), 0);
	assert_int_equal(iface_to(f, "2001:db8:1::1"), 2);
	assert_int_equal(iface_to(f, "2001:db8:2::"), 1);
	assert_int_equal(iface_to(f, "2001:db9::"), -1);
	sb_fib_free(f);
}

static void lower_metric_wins_among_equal_prefixes(void **state)
{
	struct sb_fib_prefix p[] = {prefix("10.0.0.0/8", 1, 200, NULL), prefix("10.0.0.0/8", 2, 100, NULL),
	        prefix("10.0.0.0/8", 3, 300, NULL), prefix("10.0.0.0/9", 0, 900, NULL)};
	struct sb_fib *f = build(p, 4, NULL, 0);
	assert_int_equal(iface_to(f, "10.200.0.1"), 2);
	assert_int_equal(iface_to(f, "10.100.0.1"), 0);
	sb_fib_free(f);
}

static void a_hole_is_no_route_within_a_wider_prefix(void **state)
{
	struct sb_fib_prefix p[] = {prefix("192.0.2.0/24", 1, 0, NULL), prefix("192.0.2.10", SB_FIB_HOLE, 0, NULL),
	        prefix("192.0.2.255", SB_FIB_HOLE, 0, NULL), prefix("192.0.2.10", 2, 0, NULL)};
	struct sb_fib *f = build(p, 4, NULL, 0);
	assert_int_equal(iface_to(f, "192.0.2.9"), 1);
	assert_int_equal(iface_to(f, "192.0.2.10"), -1);
	assert_int_equal(iface_to(f, "192.0.2.11"), 1);
	assert_int_equal(iface_to(f, "192.0.2.255"), -1);
	sb_fib_free(f);
}

static void equal_neighbouring_ranges_become_one(void **state)
{
	struct sb_fib_prefix p[] = {prefix("10.0.0.0/9", 1, 0, "192.0.2.1"), prefix("10.128.0.0/9", 1, 5, "192.0.2.1"),
	        prefix("11.0.0.0/8", 1, 0, "192.0.2.2"), prefix("10.64.0.0/16", 1, 0, "192.0.2.1")};
	struct sb_fib *f = build(p, 4, NULL, 0);
	assert_int_equal(f->n_range4, 2);
	sb_fib_free(f);
}

static void nothing_makes_an_empty_fib(void **state)
{
	struct sb_addr a = netns_ip("192.0.2.1");
	struct sb_fib_hop hop = {0};
	struct sb_fib *f = build(NULL, 0, NULL, 0);
	assert_int_equal(sb_fib_lookup(f, &a, 0, &hop), SB_FIB_NO_ROUTE);
	assert_null(sb_fib_neigh(f, &a, 0));
	sb_fib_free(f);
	sb_fib_free(NULL);
}

static void wrong_input_is_refused(void **state)
{
	struct sb_fib *f;
	struct sb_fib_prefix p = prefix("10.0.0.0/8", 4, 0, NULL);
	struct sb_fib_neigh e = {.ip = netns_ip("10.0.0.1"), .iface = 9};
	assert_int_equal(sb_fib_build(&(struct sb_fib_input){four_ifaces, &p, NULL, 4, 1, 0}, 1, &f), SB_E_INVAL);
	p.iface = 0;
	p.net.bits = 33;
	assert_int_equal(sb_fib_build(&(struct sb_fib_input){four_ifaces, &p, NULL, 4, 1, 0}, 1, &f), SB_E_INVAL);
	p.net.bits = 8;
	p.net.family = 0;
	assert_int_equal(sb_fib_build(&(struct sb_fib_input){four_ifaces, &p, NULL, 4, 1, 0}, 1, &f), SB_E_INVAL);
	assert_int_equal(sb_fib_build(&(struct sb_fib_input){four_ifaces, NULL, &e, 4, 0, 1}, 1, &f), SB_E_INVAL);
	assert_null(f);
}

static void gateway_neighbour_is_the_next_hop(void **state)
{
	struct sb_fib_prefix p[] = {prefix("192.0.2.0/24", 1, 0, NULL), prefix("0.0.0.0/0", 1, 0, "192.0.2.1")};
	struct sb_fib_neigh e = {.ip = netns_ip("192.0.2.1"), .iface = 1, .mac = {2, 0, 0, 0, 0, 1}};
	struct sb_fib *f = build(p, 2, &e, 1);
	struct sb_addr far = netns_ip("203.0.113.9"), near = netns_ip("192.0.2.7");
	struct sb_fib_hop hop = {0};
	assert_int_equal(sb_fib_lookup(f, &far, 0, &hop), SB_FIB_SEND);
	assert_int_equal(hop.iface->ifindex, 4);
	assert_memory_equal(hop.mac, e.mac, SB_MAC_LEN);
	assert_int_equal(sb_fib_lookup(f, &near, 0, &hop), SB_FIB_UNRESOLVED);
	sb_fib_free(f);
}

static uint64_t rng_state = 88172645463325252ull;

static uint32_t rng(uint32_t below)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (uint32_t)(rng_state >> 11) % below;
}

/* Few distinct bytes, so that prefixes nest and touch the ends of the address space. */
static struct sb_addr random_ip(uint8_t family)
{
	static const uint8_t bytes[] = {0, 1, 0x7f, 0x80, 0xfe, 0xff};
	struct sb_addr a = {.family = family};
	for (int i = 0; i < (family == 6 ? 16 : 4); i++)
		a.ip[i] = rng(8) == 0 ? (uint8_t)rng(256) : bytes[rng(sizeof bytes)];
	return a;
}

static int naive(const struct sb_fib_prefix *p, uint32_t n, const struct sb_addr *a, struct sb_addr *gateway)
{
	const struct sb_fib_prefix *best = NULL;
	for (uint32_t i = 0; i < n; i++) {
		if (!sb_net_has(&p[i].net, a))
			continue;
		if (!best || p[i].net.bits > best->net.bits ||
		        (p[i].net.bits == best->net.bits &&
		                (p[i].metric < best->metric ||
		                        (p[i].metric == best->metric && p[i].iface == SB_FIB_HOLE &&
		                                best->iface != SB_FIB_HOLE))))
			best = &p[i];
	}
	if (!best || best->iface == SB_FIB_HOLE)
		return -1;
	*gateway = best->gateway;
	return best->iface;
}

static void check_at(const struct sb_fib *f, const struct sb_fib_prefix *p, uint32_t n, const struct sb_addr *a)
{
	struct sb_addr gateway;
	int want = naive(p, n, a, &gateway);
	const struct sb_fib_range *r = sb_fib_range(f, a);
	assert_int_equal(r ? r->iface : -1, want);
	if (r)
		assert_true(sb_addr_eq(&r->gateway, &gateway));
}

static void check_order(const struct sb_fib_range *r, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		assert_true(memcmp(r[i].first, r[i].last, 16) <= 0);
		assert_true(i == 0 || memcmp(r[i - 1].last, r[i].first, 16) < 0);
	}
}

static void random_rounds(uint8_t family)
{
	struct sb_fib_prefix p[60];
	for (int round = 0; round < 400; round++) {
		uint32_t n = rng(60) + 1;
		for (uint32_t i = 0; i < n; i++) {
			struct sb_addr a = random_ip(family);
			p[i] = (struct sb_fib_prefix){
			        .iface = (uint16_t)(rng(5) ? rng(4) : SB_FIB_HOLE), .metric = rng(3)};
			memcpy(p[i].net.ip, a.ip, 16);
			p[i].net.family = family;
			p[i].net.bits = (uint8_t)rng(family == 6 ? 129 : 33);
			if (rng(2))
				p[i].gateway = random_ip(family);
		}
		struct sb_fib *f = build(p, n, NULL, 0);
		check_order(f->range4, f->n_range4);
		check_order(f->range6, f->n_range6);
		for (int probe = 0; probe < 200; probe++) {
			struct sb_addr a = random_ip(family);
			check_at(f, p, n, &a);
		}
		for (uint32_t i = 0; i < f->n_range4 + f->n_range6; i++) {
			const struct sb_fib_range *r = family == 6 ? &f->range6[i] : &f->range4[i];
			struct sb_addr a = {.family = family};
			memcpy(a.ip, r->first, 16);
			check_at(f, p, n, &a);
			memcpy(a.ip, r->last, 16);
			check_at(f, p, n, &a);
		}
		sb_fib_free(f);
	}
}

static void random_ipv4_prefixes_agree_with_the_naive_search(void **state)
{
	random_rounds(4);
}

static void random_ipv6_prefixes_agree_with_the_naive_search(void **state)
{
	random_rounds(6);
}

static void every_neighbour_is_found_and_the_table_is_half_empty(void **state)
{
	static struct sb_fib_neigh e[3000];
	uint32_t n = sizeof e / sizeof *e;
	for (uint32_t i = 0; i < n; i++) {
		e[i] = (struct sb_fib_neigh){.ip = netns_ip(i % 2 ? "fe80::" : "10.0.0.0"), .iface = (uint16_t)(i % 4)};
		e[i].ip.ip[2] = (uint8_t)(i >> 8);
		e[i].ip.ip[3] = (uint8_t)i;
		e[i].ip.port = 9; /* is of no account */
		memcpy(e[i].mac, &i, sizeof i);
	}
	struct sb_fib *f = build(NULL, 0, e, n);
	assert_true((f->neigh_mask + 1) / 2 >= n);
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *mac = sb_fib_neigh(f, &e[i].ip, e[i].iface);
		assert_non_null(mac);
		assert_memory_equal(mac, e[i].mac, SB_MAC_LEN);
		assert_null(sb_fib_neigh(f, &e[i].ip, (uint16_t)(e[i].iface ^ 1)));
	}
	sb_fib_free(f);
}

static void fibs_of_other_neighbours_share_ranges_until_the_last_goes(void **state)
{
	struct sb_fib_prefix p[] = {prefix("10.0.0.0/8", 1, 0, NULL), prefix("2001:db8::/32", 2, 0, NULL)};
	struct sb_fib_neigh e = {.ip = netns_ip("10.0.0.1"), .iface = 1, .mac = {2, 0, 0, 0, 0, 9}};
	struct sb_fib *first = build(p, 2, NULL, 0), *then[3];
	struct sb_fib_ranges *ranges = sb_fib_ranges_get(first);
	struct sb_fib_input in = {four_ifaces, NULL, &e, 4, 0, 1, ranges};
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(sb_fib_build(&in, i, &then[i]), 0);
		assert_ptr_equal(then[i]->range4, first->range4);
		assert_ptr_equal(then[i]->range6, first->range6);
	}
	sb_fib_free(
	        first); /* the oldest goes first, as in the daemon: under ASan a range freed too early is found here */
	sb_fib_ranges_put(ranges);
	sb_fib_free(then[1]);
	assert_int_equal(iface_to(then[2], "10.1.2.3"), 1);
	sb_fib_free(then[0]);
	assert_int_equal(iface_to(then[2], "2001:db8::1"), 2);
	assert_non_null(sb_fib_neigh(then[2], &e.ip, 1));
	sb_fib_free(then[2]);
	sb_fib_ranges_put(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(longest_prefix_wins),
	        cmocka_unit_test(lower_metric_wins_among_equal_prefixes),
	        cmocka_unit_test(a_hole_is_no_route_within_a_wider_prefix),
	        cmocka_unit_test(equal_neighbouring_ranges_become_one),
	        cmocka_unit_test(nothing_makes_an_empty_fib),
	        cmocka_unit_test(wrong_input_is_refused),
	        cmocka_unit_test(gateway_neighbour_is_the_next_hop),
	        cmocka_unit_test(random_ipv4_prefixes_agree_with_the_naive_search),
	        cmocka_unit_test(random_ipv6_prefixes_agree_with_the_naive_search),
	        cmocka_unit_test(fibs_of_other_neighbours_share_ranges_until_the_last_goes),
	        cmocka_unit_test(every_neighbour_is_found_and_the_table_is_half_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
