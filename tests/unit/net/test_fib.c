/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking up where a datagram leaves. */
#include "frames.h"
#include <switchback/fib.h>

static struct sb_fib_iface ifaces[3] = {{.ifindex = 5, .port = 0, .mtu = 1500},
        {.ifindex = 6, .port = 1, .vlan = 7, .mtu = 1400}, {.ifindex = 7, .port = 1}};
static struct sb_fib_range range4[3], range6[1];
static struct sb_fib_neigh neigh[8];
static struct sb_fib fib = {.n_ifaces = 3,
        .n_range4 = 3,
        .n_range6 = 1,
        .ifaces = ifaces,
        .range4 = range4,
        .range6 = range6,
        .neigh = neigh,
        .neigh_mask = 7};

static void set_range(struct sb_fib_range *r, const char *first, const char *last, const char *gateway, uint16_t iface)
{
	memset(r, 0, sizeof *r);
	struct sb_addr a = at(first), b = at(last);
	memcpy(r->first, a.ip, 16);
	memcpy(r->last, b.ip, 16);
	if (gateway)
		r->gateway = at(gateway);
	r->iface = iface;
}

static void add_neigh(const char *ip, uint16_t iface, uint8_t last)
{
	struct sb_addr a = at(ip);
	uint32_t i = sb_fib_neigh_hash(&a, iface) & fib.neigh_mask;
	while (neigh[i].ip.family)
		i = (i + 1) & fib.neigh_mask;
	neigh[i] = (struct sb_fib_neigh){.ip = a, .iface = iface, .mac = {2, 0, 0, 0, 0, last}};
}

static int set_up(void **s)
{
	memset(neigh, 0, sizeof neigh);
	set_range(&range4[0], "10.0.0.0", "10.0.0.255", NULL, 0);
	set_range(&range4[1], "10.0.1.0", "10.0.1.127", "10.0.0.1", 0);
	set_range(&range4[2], "192.0.2.0", "192.0.2.255", NULL, 1);
	set_range(&range6[0], "2001:db8::", "2001:db8::ffff", "fe80::1", 1);
	add_neigh("10.0.0.1", 0, 1);
	add_neigh("10.0.0.9", 0, 9);
	add_neigh("fe80::1", 0, 0x60);
	add_neigh("fe80::1", 1, 0x61);
	add_neigh("fe80::1", 2, 0x62);
	return 0;
}

static enum sb_fib_answer look(const char *dst, uint16_t port, struct sb_fib_hop *hop)
{
	struct sb_addr a = at(dst);
	a.port = 5060; /* of no account */
	return sb_fib_lookup(&fib, &a, port, hop);
}

static void on_link_and_by_gateway(void **s)
{
	struct sb_fib_hop hop = {0};
	assert_int_equal(look("10.0.0.9", 0, &hop), SB_FIB_SEND);
	assert_ptr_equal(hop.iface, &ifaces[0]);
	assert_int_equal(hop.mac[5], 9);
	assert_int_equal(look("10.0.1.127", 0, &hop), SB_FIB_SEND);
	assert_int_equal(hop.mac[5], 1);
	assert_int_equal(look("2001:db8::77", 0, &hop), SB_FIB_SEND);
	assert_ptr_equal(hop.iface, &ifaces[1]);
	assert_int_equal(hop.mac[5], 0x61);
}

static void outside_every_range_there_is_no_route(void **s)
{
	struct sb_fib_hop hop = {0};
	const char *none[] = {"9.255.255.255", "10.0.1.128", "191.255.255.255", "192.0.3.0", "255.255.255.255",
	        "2001:db8::1:0", "::1"};
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_int_equal(look(none[i], 0, &hop), SB_FIB_NO_ROUTE);
}

static void edges_of_a_range_belong_to_it(void **s)
{
	struct sb_fib_hop hop = {0};
	assert_int_equal(look("10.0.0.0", 0, &hop), SB_FIB_UNRESOLVED);
	assert_int_equal(look("10.0.0.255", 0, &hop), SB_FIB_UNRESOLVED);
	assert_int_equal(look("192.0.2.255", 0, &hop), SB_FIB_UNRESOLVED);
	assert_ptr_equal(hop.iface, &ifaces[1]);
	assert_null(hop.mac);
}

static void link_local_leaves_by_the_listeners_port(void **s)
{
	struct sb_fib_hop hop = {0};
	assert_int_equal(look("fe80::1", 0, &hop), SB_FIB_SEND);
	assert_int_equal(hop.mac[5], 0x60);
	assert_int_equal(look("fe80::1", 1, &hop), SB_FIB_SEND); /* the untagged one */
	assert_int_equal(hop.mac[5], 0x62);
	assert_int_equal(look("fe80::1", 9, &hop), SB_FIB_NO_ROUTE);
}

static void an_empty_fib_has_no_route(void **s)
{
	struct sb_fib empty = {0};
	struct sb_fib_hop hop = {0};
	struct sb_addr a = at("10.0.0.1"), b = at("fe80::1"), c = at("2001:db8::1");
	assert_int_equal(sb_fib_lookup(&empty, &a, 0, &hop), SB_FIB_NO_ROUTE);
	assert_int_equal(sb_fib_lookup(&empty, &b, 0, &hop), SB_FIB_NO_ROUTE);
	assert_int_equal(sb_fib_lookup(&empty, &c, 0, &hop), SB_FIB_NO_ROUTE);
}

static void a_full_neighbour_table_still_ends_the_search(void **s)
{
	struct sb_fib_hop hop = {0};
	for (uint8_t i = 0; i < 3; i++)
		add_neigh("10.0.0.77", 0, i); /* fills the last three slots */
	assert_int_equal(look("10.0.0.200", 0, &hop), SB_FIB_UNRESOLVED);
}

/* Before the kernel has told of any neighbour everything is to be resolved */
static void without_neighbours_nothing_is_resolved(void **s)
{
	struct sb_fib bare = fib;
	struct sb_fib_hop hop = {0};
	struct sb_addr a = at("10.0.0.9");
	bare.neigh = NULL;
	assert_int_equal(sb_fib_lookup(&bare, &a, 0, &hop), SB_FIB_UNRESOLVED);
	assert_ptr_equal(hop.iface, &ifaces[0]);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(on_link_and_by_gateway),
	        TEST(outside_every_range_there_is_no_route),
	        TEST(edges_of_a_range_belong_to_it),
	        TEST(link_local_leaves_by_the_listeners_port),
	        TEST(an_empty_fib_has_no_route),
	        TEST(a_full_neighbour_table_still_ends_the_search),
	        TEST(without_neighbours_nothing_is_resolved),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
