/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel knows of routes and neighbours on our TAP twins is what workers read in the fib. */
#include "control/kernel/fib_build.h"
#include "control/kernel/netlink.h"
#include "control/kernel/tap.h"
#include "netns.h"
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define WAIT_MS 5000

static const uint8_t edge_mac[6] = {2, 0, 0, 0, 0, 1}, core_mac[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t mac_a[6] = {2, 0xaa, 0, 0, 0, 1}, mac_b[6] = {2, 0xbb, 0, 0, 0, 2};

/* Two ports: edge (port 3 of ours, with VLAN 100) and core (port 5), and the mirror of both. */
struct world {
	struct sb_tap edge, core;
	int edge_if, vlan_if, core_if;
	struct sb_rtnl r;
	struct sb_netlink *nl;
	struct sb_fib *fib;
};

static void address(struct sb_config_addresses *a, const char *ip, uint8_t bits)
{
	a->list[a->n].ip = netns_ip(ip);
	a->list[a->n++].bits = bits;
}

static int end_world(void **state)
{
	struct world *w = *state;
	sb_fib_free(w->fib);
	sb_netlink_close(w->nl);
	sb_rtnl_fini(&w->r);
	sb_tap_close(&w->edge);
	sb_tap_close(&w->core);
	return 0;
}

/* Waits for the mirror to tell of a change, then builds anew. A dump that something changed under is told, too. */
static void await_change(struct world *w)
{
	for (int i = 0; i < WAIT_MS; i++) {
		struct pollfd p = {.fd = sb_netlink_fd(w->nl), .events = POLLIN};
		assert_true(poll(&p, 1, 1) >= 0); /* as control does: at least once a millisecond */
		if (!sb_netlink_poll(w->nl))
			continue;
		sb_fib_free(w->fib);
		assert_int_equal(sb_netlink_build(w->nl, 2, &w->fib), 0);
		return;
	}
	fail_msg("no change told");
}

#define AWAIT(condition)                                                                                               \
	while (!(condition))                                                                                           \
	await_change(w)

/* All that a netlink request changed has been sent when its answer came: no waiting. */
static void sync_now(struct world *w)
{
	sb_netlink_poll(w->nl);
	sb_fib_free(w->fib);
	assert_int_equal(sb_netlink_build(w->nl, 2, &w->fib), 0);
}

static enum sb_fib_answer look(const struct world *w, const char *ip, struct sb_fib_hop *hop)
{
	struct sb_addr a = netns_ip(ip);
	memset(hop, 0, sizeof *hop);
	return sb_fib_lookup(w->fib, &a, 3, hop);
}

/* -1: no route, else the ifindex by which ip is reached. */
static int leaves_by(const struct world *w, const char *ip)
{
	struct sb_fib_hop hop;
	return look(w, ip, &hop) == SB_FIB_NO_ROUTE ? -1 : hop.iface->ifindex;
}

static bool has_gateway(const struct world *w, const char *ip, const char *gateway)
{
	struct sb_addr a = netns_ip(ip), want = netns_ip(gateway);
	const struct sb_fib_range *range = sb_fib_range(w->fib, &a);
	return range && sb_addr_eq(&range->gateway, &want);
}

static bool resolves_to(const struct world *w, const char *ip, const uint8_t mac[6])
{
	struct sb_fib_hop hop;
	return look(w, ip, &hop) == SB_FIB_SEND && memcmp(hop.mac, mac, 6) == 0;
}

static bool running(const char *name)
{
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	strcpy(ifr.ifr_name, name);
	assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &ifr), 0);
	close(fd);
	return ifr.ifr_flags & IFF_RUNNING;
}

/* The kernel finishes some of its work after we have been told "done": carriers, routes to our own IPv6 addresses. */
static int settle(struct world *w)
{
	AWAIT(running("sb-edge") && running("sb-edge.100") && running("sb-core"));
	AWAIT(leaves_by(w, "2001:db8:1::10") == -1 && leaves_by(w, "2001:db8:2::1") == -1);
	sync_now(w);
	return 0;
}

static int make_world(void **state)
{
	static struct world w;
	char why[256] = "";
	struct sb_config_port edge = {.tap = "sb-edge", .mtu = 1500}, core = {.tap = "sb-core", .mtu = 9000};
	memset(&w, 0, sizeof w);
	netns_enter();
	address(&edge.addresses, "192.0.2.10", 24);
	address(&edge.addresses, "2001:db8:1::10", 64);
	edge.n_vlans = 1;
	edge.vlans[0].id = 100;
	address(&edge.vlans[0].addresses, "198.51.100.10", 24);
	address(&core.addresses, "10.0.0.1", 24);
	address(&core.addresses, "2001:db8:2::1", 64);
	assert_int_equal(sb_tap_open(&edge, edge_mac, &w.edge, why), 0);
	assert_int_equal(sb_tap_open(&core, core_mac, &w.core, why), 0);
	w.edge_if = w.edge.twin[0].ifindex;
	w.vlan_if = w.edge.twin[1].ifindex;
	w.core_if = w.core.twin[0].ifindex;
	assert_int_equal(sb_rtnl_init(&w.r), 0);
	struct sb_mirror_twin twins[] = {{w.edge_if, 3, 0}, {w.vlan_if, 3, 100}, {w.core_if, 5, 0}};
	if (sb_netlink_open(twins, 3, &w.nl, why))
		fail_msg("%s", why);
	assert_true(sb_netlink_poll(w.nl)); /* the first fib is to be built */
	assert_int_equal(sb_netlink_build(w.nl, 1, &w.fib), 0);
	*state = &w;
	return settle(&w);
}

static void first_fib_has_the_interfaces_and_their_subnets(void **state)
{
	struct world *w = *state;
	struct sb_fib_hop hop;
	assert_int_equal(w->fib->n_ifaces, 3);
	assert_int_equal(look(w, "192.0.2.77", &hop), SB_FIB_UNRESOLVED);
	assert_int_equal(hop.iface->port, 3);
	assert_int_equal(hop.iface->vlan, 0);
	assert_int_equal(hop.iface->mtu, 1500);
	assert_memory_equal(hop.iface->mac, edge_mac, 6);
	assert_int_equal(look(w, "198.51.100.77", &hop), SB_FIB_UNRESOLVED);
	assert_int_equal(hop.iface->port, 3);
	assert_int_equal(hop.iface->vlan, 100);
	assert_int_equal(look(w, "2001:db8:2::77", &hop), SB_FIB_UNRESOLVED);
	assert_int_equal(hop.iface->port, 5);
	assert_int_equal(hop.iface->mtu, 9000);
	assert_int_equal(leaves_by(w, "203.0.113.1"), -1);
}

/* Our own and broadcast addresses are within the subnet, but not for sending to. */
static void own_and_broadcast_addresses_are_no_route(void **state)
{
	struct world *w = *state;
	assert_int_equal(leaves_by(w, "192.0.2.10"), -1);
	assert_int_equal(leaves_by(w, "192.0.2.255"), -1);
	assert_int_equal(leaves_by(w, "2001:db8:1::10"), -1);
	assert_int_equal(leaves_by(w, "127.0.0.1"), -1);
	assert_int_equal(leaves_by(w, "192.0.2.11"), w->edge_if);
}

static void neighbour_appears_changes_and_goes(void **state)
{
	struct world *w = *state;
	struct sb_fib_hop hop;
	netns_neigh(&w->r, w->edge_if, "192.0.2.77", NUD_PERMANENT, mac_a);
	AWAIT(resolves_to(w, "192.0.2.77", mac_a));
	netns_neigh(&w->r, w->edge_if, "192.0.2.77", NUD_PERMANENT, mac_b);
	AWAIT(resolves_to(w, "192.0.2.77", mac_b));
	netns_neigh_del(&w->r, w->edge_if, "192.0.2.77");
	AWAIT(look(w, "192.0.2.77", &hop) == SB_FIB_UNRESOLVED);
}

static void ipv6_and_vlan_neighbours_are_told_apart_by_interface(void **state)
{
	struct world *w = *state;
	struct sb_fib_hop hop;
	netns_neigh(&w->r, w->core_if, "2001:db8:2::77", NUD_REACHABLE, mac_a);
	netns_neigh(&w->r, w->vlan_if, "198.51.100.77", NUD_STALE, mac_b);
	netns_neigh(&w->r, w->edge_if, "fe80::1", NUD_PERMANENT, mac_a);
	netns_neigh(&w->r, w->core_if, "fe80::1", NUD_PERMANENT, mac_b);
	sync_now(w);
	assert_int_equal(look(w, "2001:db8:2::77", &hop), SB_FIB_SEND);
	assert_memory_equal(hop.mac, mac_a, 6);
	assert_int_equal(look(w, "198.51.100.77", &hop), SB_FIB_SEND);
	assert_memory_equal(hop.mac, mac_b, 6);
	assert_int_equal(hop.iface->vlan, 100);
	assert_int_equal(look(w, "fe80::1", &hop), SB_FIB_SEND); /* of port 3 */
	assert_memory_equal(hop.mac, mac_a, 6);
}

/* REACHABLE and STALE come and go each half minute: no reason to build a fib. */
static void ageing_neighbour_is_no_change(void **state)
{
	struct world *w = *state;
	netns_neigh(&w->r, w->edge_if, "192.0.2.77", NUD_REACHABLE, mac_a);
	AWAIT(resolves_to(w, "192.0.2.77", mac_a));
	netns_neigh(&w->r, w->edge_if, "192.0.2.77", NUD_STALE, mac_a);
	assert_false(sb_netlink_poll(w->nl));
}

static void route_by_a_gateway_comes_and_goes(void **state)
{
	struct world *w = *state;
	struct sb_addr gw = netns_ip("192.0.2.1"), gw6 = netns_ip("2001:db8:2::fe");
	struct netns_route v4 = {.net = netns_net("203.0.113.0/24"), .ifindex = w->edge_if, .gateway = &gw};
	struct netns_route v6 = {.net = netns_net("::/0"), .ifindex = w->core_if, .gateway = &gw6};
	netns_route(&w->r, &v4);
	netns_route(&w->r, &v6);
	sync_now(w);
	assert_int_equal(leaves_by(w, "203.0.113.9"), w->edge_if);
	assert_true(has_gateway(w, "203.0.113.9", "192.0.2.1"));
	assert_int_equal(leaves_by(w, "2001:db8:ffff::1"), w->core_if);
	assert_true(has_gateway(w, "2001:db8:ffff::1", "2001:db8:2::fe"));
	v4.remove = v6.remove = true;
	netns_route(&w->r, &v4);
	netns_route(&w->r, &v6);
	sync_now(w);
	assert_int_equal(leaves_by(w, "203.0.113.9"), -1);
	assert_int_equal(leaves_by(w, "2001:db8:ffff::1"), -1);
}

static void replaced_route_has_the_new_gateway(void **state)
{
	struct world *w = *state;
	struct sb_addr gw = netns_ip("192.0.2.1"), gw2 = netns_ip("10.0.0.2");
	struct sb_addr gw6 = netns_ip("2001:db8:1::1"), gw62 = netns_ip("2001:db8:2::2");
	struct netns_route v4 = {.net = netns_net("203.0.113.0/24"), .ifindex = w->edge_if, .gateway = &gw};
	struct netns_route v6 = {.net = netns_net("2001:db8:9::/48"), .ifindex = w->edge_if, .gateway = &gw6};
	netns_route(&w->r, &v4);
	netns_route(&w->r, &v6);
	sync_now(w);
	v4.replace = v6.replace = true;
	v4.ifindex = v6.ifindex = w->core_if;
	v4.gateway = &gw2;
	v6.gateway = &gw62;
	netns_route(&w->r, &v4);
	netns_route(&w->r, &v6);
	AWAIT(has_gateway(w, "203.0.113.9", "10.0.0.2") && has_gateway(w, "2001:db8:9::9", "2001:db8:2::2"));
	assert_int_equal(leaves_by(w, "203.0.113.9"), w->core_if);
	assert_int_equal(leaves_by(w, "2001:db8:9::9"), w->core_if);
}

static void lower_metric_is_used_until_it_goes(void **state)
{
	struct world *w = *state;
	struct sb_addr gw = netns_ip("192.0.2.1"), gw2 = netns_ip("10.0.0.2");
	struct netns_route good = {
	        .net = netns_net("203.0.113.0/24"), .metric = 10, .ifindex = w->edge_if, .gateway = &gw};
	struct netns_route poor = {.net = good.net, .metric = 20, .ifindex = w->core_if, .gateway = &gw2};
	netns_route(&w->r, &poor);
	netns_route(&w->r, &good);
	sync_now(w);
	assert_int_equal(leaves_by(w, "203.0.113.9"), w->edge_if);
	good.remove = true;
	netns_route(&w->r, &good);
	sync_now(w);
	assert_int_equal(leaves_by(w, "203.0.113.9"), w->core_if);
}

static void blackhole_within_a_default_route_is_no_route(void **state)
{
	struct world *w = *state;
	struct sb_addr gw = netns_ip("192.0.2.1");
	struct netns_route all = {.net = netns_net("0.0.0.0/0"), .ifindex = w->edge_if, .gateway = &gw};
	struct netns_route hole = {.net = netns_net("203.0.113.0/24"), .type = RTN_BLACKHOLE};
	netns_route(&w->r, &all);
	netns_route(&w->r, &hole);
	sync_now(w);
	assert_int_equal(leaves_by(w, "203.0.112.255"), w->edge_if);
	assert_int_equal(leaves_by(w, "203.0.113.0"), -1);
	assert_int_equal(leaves_by(w, "203.0.114.0"), w->edge_if);
}

static void multipath_route_uses_a_usable_hop(void **state)
{
	struct world *w = *state;
	struct sb_addr gw = netns_ip("192.0.2.1"), gw2 = netns_ip("10.0.0.2");
	struct sb_addr gw6 = netns_ip("2001:db8:1::1"), gw62 = netns_ip("2001:db8:2::2");
	struct netns_route v4 = {.net = netns_net("203.0.113.0/24"),
	        .ifindex = w->edge_if,
	        .gateway = &gw,
	        .ifindex2 = w->core_if,
	        .gateway2 = &gw2};
	struct netns_route v6 = {.net = netns_net("2001:db8:9::/48"),
	        .ifindex = w->edge_if,
	        .gateway = &gw6,
	        .ifindex2 = w->core_if,
	        .gateway2 = &gw62};
	netns_route(&w->r, &v4);
	netns_route(&w->r, &v6);
	AWAIT(has_gateway(w, "203.0.113.9", "192.0.2.1") && has_gateway(w, "2001:db8:9::9", "2001:db8:1::1"));
	netns_link(&w->r, w->edge_if, false);
	AWAIT(has_gateway(w, "203.0.113.9", "10.0.0.2") && has_gateway(w, "2001:db8:9::9", "2001:db8:2::2"));
	assert_int_equal(leaves_by(w, "203.0.113.9"), w->core_if);
}

/* The kernel drops the IPv4 routes of an interface that goes down without telling of them. */
static void routes_of_an_interface_go_down_with_it(void **state)
{
	struct world *w = *state;
	struct sb_addr gw = netns_ip("192.0.2.1");
	struct netns_route far = {.net = netns_net("203.0.113.0/24"), .ifindex = w->edge_if, .gateway = &gw};
	netns_route(&w->r, &far);
	netns_neigh(&w->r, w->edge_if, "192.0.2.1", NUD_REACHABLE, mac_a);
	sync_now(w);
	assert_int_equal(leaves_by(w, "203.0.113.9"), w->edge_if);
	netns_link(&w->r, w->edge_if, false);
	AWAIT(leaves_by(w, "203.0.113.9") == -1);
	assert_int_equal(leaves_by(w, "192.0.2.1"), -1);
	assert_int_equal(leaves_by(w, "10.0.0.9"), w->core_if);
	netns_link(&w->r, w->edge_if, true);
	AWAIT(leaves_by(w, "192.0.2.1") == w->edge_if);
	assert_true(sb_netlink_stats(w->nl).resyncs >= 1); /* dumps rest in between: down and up may share one */
}

static void removed_address_takes_its_subnet_along(void **state)
{
	struct world *w = *state;
	netns_addr_del(&w->r, w->edge_if, "192.0.2.10/24");
	AWAIT(leaves_by(w, "192.0.2.1") == -1);
}

/* Whether the kernel tells of each (new ones do) or not. */
static void route_goes_with_its_source_address(void **state)
{
	struct world *w = *state;
	struct sb_addr second = netns_ip("192.0.2.11"), gw = netns_ip("10.0.0.2");
	struct netns_route far = {
	        .net = netns_net("203.0.113.0/24"), .ifindex = w->core_if, .gateway = &gw, .source = &second};
	assert_int_equal(sb_rtnl_addr_add(&w->r, w->edge_if, &second, 32), 0);
	netns_route(&w->r, &far);
	AWAIT(leaves_by(w, "203.0.113.9") == w->core_if);
	netns_addr_del(&w->r, w->edge_if, "192.0.2.11/32");
	AWAIT(leaves_by(w, "203.0.113.9") == -1);
}

static void interfaces_that_are_not_ours_are_left_out(void **state)
{
	struct world *w = *state;
	struct sb_config_port other = {.tap = "other", .mtu = 1500};
	struct sb_tap tap;
	char why[256];
	address(&other.addresses, "203.0.113.1", 24);
	assert_int_equal(sb_tap_open(&other, core_mac, &tap, why), 0);
	netns_neigh(&w->r, tap.twin[0].ifindex, "203.0.113.9", NUD_PERMANENT, mac_a);
	sync_now(w);
	assert_int_equal(w->fib->n_ifaces, 3);
	assert_int_equal(leaves_by(w, "203.0.113.9"), -1);
	sb_tap_close(&tap);
}

/* More changes than the socket holds: the kernel drops some and says so once. */
static void lost_notifications_are_made_up_by_a_new_dump(void **state)
{
	struct world *w = *state;
	struct sb_fib_hop hop;
	int small = 1;
	assert_int_equal(setsockopt(sb_netlink_fd(w->nl), SOL_SOCKET, SO_RCVBUFFORCE, &small, sizeof small), 0);
	for (int i = 1; i < 120; i++) {
		char ip[32];
		snprintf(ip, sizeof ip, "10.0.0.%d", i + 1);
		netns_neigh(&w->r, w->core_if, ip, NUD_PERMANENT, mac_a);
	}
	AWAIT(look(w, "10.0.0.120", &hop) == SB_FIB_SEND);
	assert_true(sb_netlink_stats(w->nl).overruns >= 1);
	assert_true(sb_netlink_stats(w->nl).resyncs >= 1);
	assert_int_equal(look(w, "10.0.0.2", &hop), SB_FIB_SEND);
}

/* A routing daemon that never rests: every other turn of control brings nearly twice as many changes as one poll reads,
 * and each of them asks for a new dump. What the dumps tell is told all the same, and in between there is time to build
 * a fib. */
static void endless_change_starves_no_fib(void **state)
{
	struct world *w = *state;
	const struct sb_addr gateway[2] = {netns_ip("2001:db8:1::1"), netns_ip("2001:db8:1::2")};
	struct netns_route r = {.net = netns_net("2001:db8:9::/48"), .ifindex = w->edge_if, .replace = true};
	unsigned told = 0, built = 0;
	for (unsigned turn = 0; turn < 800; turn++) { /* the dump at the start is followed by a rest, too */
		for (unsigned i = 0; i < 62 && turn % 2 == 0; i++) {
			r.gateway = &gateway[i % 2];
			netns_route(&w->r, &r);
		}
		told += sb_netlink_poll(w->nl);
		struct sb_fib *fib;
		if (sb_netlink_build(w->nl, 2, &fib))
			continue;
		built++;
		sb_fib_free(w->fib);
		w->fib = fib;
	}
	assert_true(sb_netlink_stats(w->nl).resyncs >= 1); /* or the change was no trouble */
	assert_true(told >= 2);
	assert_true(built >= 600);
	assert_int_equal(leaves_by(w, "2001:db8:9::9"), w->edge_if);
	AWAIT(has_gateway(w, "2001:db8:9::9", "2001:db8:1::2")); /* and at rest it is right to the last */
}

/* Reads what the kernel sends on a TAP until an ARP request for ip. */
static void await_arp_request(struct sb_tap *tap, const char *ip)
{
	uint8_t frame[2000];
	struct sb_addr a = netns_ip(ip);
	for (int i = 0; i < 100; i++) {
		struct pollfd p = {.fd = tap->fd, .events = POLLIN};
		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		int n = sb_tap_read(tap, frame, sizeof frame);
		if (n >= 42 && frame[12] == 8 && frame[13] == 6 && frame[21] == 1 && memcmp(frame + 38, a.ip, 4) == 0)
			return;
	}
	fail_msg("no ARP request for %s", ip);
}

static void stale_neighbour_is_probed_and_dropped_if_silent(void **state)
{
	struct world *w = *state;
	struct sb_fib_hop hop;
	netns_write("/proc/sys/net/ipv4/neigh/sb-edge/retrans_time_ms", "20");
	netns_neigh(&w->r, w->edge_if, "192.0.2.77", NUD_STALE, mac_a);
	netns_neigh(&w->r, w->edge_if, "192.0.2.78", NUD_PERMANENT, mac_b);
	sync_now(w);
	assert_int_equal(look(w, "192.0.2.77", &hop), SB_FIB_SEND);
	assert_int_equal(sb_netlink_refresh(w->nl, 8), 1); /* not the permanent one */
	await_arp_request(&w->edge, "192.0.2.77");
	AWAIT(look(w, "192.0.2.77", &hop) == SB_FIB_UNRESOLVED);
	assert_int_equal(look(w, "192.0.2.78", &hop), SB_FIB_SEND);
	assert_int_equal(sb_netlink_refresh(w->nl, 8), 0);
}

static void refresh_asks_no_more_than_it_may(void **state)
{
	struct world *w = *state;
	for (int i = 1; i < 20; i++) {
		char ip[32];
		snprintf(ip, sizeof ip, "10.0.0.%d", i + 1);
		netns_neigh(&w->r, w->core_if, ip, NUD_STALE, mac_a);
	}
	sync_now(w);
	assert_int_equal(sb_netlink_refresh(w->nl, 5), 5);
	sb_netlink_poll(w->nl);
	assert_int_equal(sb_netlink_refresh(w->nl, 100), 14); /* those under probe are not asked again */
	assert_int_equal(sb_netlink_stats(w->nl).probes, 19);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, make_world, end_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        WORLD_TEST(first_fib_has_the_interfaces_and_their_subnets),
	        WORLD_TEST(own_and_broadcast_addresses_are_no_route),
	        WORLD_TEST(neighbour_appears_changes_and_goes),
	        WORLD_TEST(ipv6_and_vlan_neighbours_are_told_apart_by_interface),
	        WORLD_TEST(ageing_neighbour_is_no_change),
	        WORLD_TEST(route_by_a_gateway_comes_and_goes),
	        WORLD_TEST(replaced_route_has_the_new_gateway),
	        WORLD_TEST(lower_metric_is_used_until_it_goes),
	        WORLD_TEST(blackhole_within_a_default_route_is_no_route),
	        WORLD_TEST(multipath_route_uses_a_usable_hop),
	        WORLD_TEST(routes_of_an_interface_go_down_with_it),
	        WORLD_TEST(removed_address_takes_its_subnet_along),

	        WORLD_TEST(route_goes_with_its_source_address),
	        WORLD_TEST(interfaces_that_are_not_ours_are_left_out),
	        WORLD_TEST(lost_notifications_are_made_up_by_a_new_dump),
	        WORLD_TEST(endless_change_starves_no_fib),
	        WORLD_TEST(stale_neighbour_is_probed_and_dropped_if_silent),
	        WORLD_TEST(refresh_asks_no_more_than_it_may),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
