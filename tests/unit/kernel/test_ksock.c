/* SPDX-License-Identifier: BSD-3-Clause */
/* Datagrams with an unresolved next hop leave by the kernel, and what the network says of them comes back. */
#include "control/kernel/ksock.h"
#include "control/kernel/tap.h"
#include "netns.h"
#include <errno.h>
#include <linux/neighbour.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define WAIT_MS 5000

struct heard {
	int n, err;
	bool icmp;
	struct sb_addr from, to;
	char payload[2048];
	uint32_t len;
};

static void on_error(void *ctx, const struct sb_ksock_error *e)
{
	struct heard *h = ctx;
	h->n++;
	h->err = e->err;
	h->icmp = e->icmp;
	h->from = *e->from;
	h->to = *e->to;
	h->len = e->len;
	memcpy(h->payload, e->payload, e->len < sizeof h->payload ? e->len : sizeof h->payload);
}

static struct sb_ksock *open_ksock(struct heard *h)
{
	struct sb_ksock *k;
	memset(h, 0, sizeof *h);
	assert_int_equal(sb_ksock_open(&(struct sb_ksock_ops){on_error, h}, &k), 0);
	return k;
}

static struct sb_addr at(const char *text)
{
	struct sb_addr a;
	assert_int_equal(sb_addr_parse(text, 5060, &a), 0);
	return a;
}

static void await_errors(struct sb_ksock *k, const struct heard *h, int n)
{
	for (int i = 0; i < 100 && h->n < n; i++) {
		struct pollfd p = {.fd = sb_ksock_fd(k), .events = POLLIN};
		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		sb_ksock_poll(k);
	}
	assert_int_equal(h->n, n);
}

static int receiver(const char *text)
{
	struct sb_addr a = at(text);
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a.port)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	memcpy(&in.sin_addr, a.ip, 4);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
	return fd;
}

static void refused(const char *from_text, const char *to_text)
{
	struct heard h;
	netns_enter();
	struct sb_ksock *k = open_ksock(&h);
	struct sb_addr from = at(from_text), to = at(to_text);
	assert_int_equal(sb_ksock_send(k, &from, &to, "INVITE sip:1@2 SIP/2.0", 22), 0);
	await_errors(k, &h, 1);
	assert_int_equal(h.err, ECONNREFUSED);
	assert_true(h.icmp);
	assert_true(sb_addr_eq(&h.from, &from));
	assert_true(sb_addr_eq(&h.to, &to));
	assert_int_equal(h.len, 22);
	assert_memory_equal(h.payload, "INVITE sip:1@2 SIP/2.0", 22);
	struct pollfd p = {.fd = sb_ksock_fd(k), .events = POLLIN};
	assert_int_equal(poll(&p, 1, 0), 0); /* told once: the loop does not spin */
	sb_ksock_close(k);
}

static void closed_port_is_reported_with_the_quoted_message(void **state)
{
	refused("127.0.0.1:5060", "127.0.0.2:5070");
}

static void closed_ipv6_port_is_reported_with_the_quoted_message(void **state)
{
	refused("[::1]:5060", "[::1]:5070");
}

static void datagram_comes_from_the_listeners_address(void **state)
{
	struct heard h;
	struct sockaddr_in peer;
	socklen_t len = sizeof peer;
	char buf[64];
	netns_enter();
	struct sb_ksock *k = open_ksock(&h);
	int fd = receiver("127.0.0.2:5070");
	struct sb_addr from = at("127.0.0.1:5062"), to = at("127.0.0.2:5070");
	assert_int_equal(sb_ksock_send(k, &from, &to, "hello", 5), 0);
	assert_int_equal(recvfrom(fd, buf, sizeof buf, 0, (struct sockaddr *)&peer, &len), 5);
	assert_int_equal(ntohs(peer.sin_port), 5062);
	assert_memory_equal(&peer.sin_addr, from.ip, 4);
	assert_int_equal(sb_ksock_stats(k).sent, 1);
	close(fd);
	sb_ksock_close(k);
}

/* A pending error makes the kernel refuse the next send on the same socket: that one must not be lost for it. */
static void error_of_one_peer_does_not_cost_the_next_peers_datagram(void **state)
{
	struct heard h;
	char buf[64];
	netns_enter();
	struct sb_ksock *k = open_ksock(&h);
	int fd = receiver("127.0.0.2:5070");
	struct sb_addr from = at("127.0.0.1:5060"), dead = at("127.0.0.3:5070"), alive = at("127.0.0.2:5070");
	for (int i = 0; i < 20; i++) {
		assert_int_equal(sb_ksock_send(k, &from, &dead, "x", 1), 0);
		assert_int_equal(sb_ksock_send(k, &from, &alive, "y", 1), 0);
		assert_int_equal(recv(fd, buf, sizeof buf, 0), 1);
	}
	await_errors(k, &h, 20);
	close(fd);
	sb_ksock_close(k);
}

static void no_route_is_reported_at_once(void **state)
{
	struct heard h;
	netns_enter();
	struct sb_ksock *k = open_ksock(&h);
	struct sb_addr from = at("127.0.0.1"), to = at("203.0.113.1"), foreign = at("192.0.2.1");
	assert_int_equal(sb_ksock_send(k, &from, &to, "x", 1), SB_E_IO);
	assert_int_equal(h.n, 1);
	assert_false(h.icmp);
	assert_true(h.err == ENETUNREACH || h.err == EINVAL);
	assert_int_equal(sb_ksock_send(k, &foreign, &to, "x", 1), SB_E_IO);
	assert_int_equal(h.err, EADDRNOTAVAIL);
	assert_int_equal(sb_ksock_stats(k).refused, 2);
	sb_ksock_close(k);
}

static void what_comes_in_is_drained_and_counted(void **state)
{
	struct heard h;
	netns_enter();
	struct sb_ksock *k = open_ksock(&h);
	int fd = receiver("127.0.0.2:5070");
	struct sb_addr from = at("127.0.0.1:5060"), to = at("127.0.0.2:5070");
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(5060), .sin_addr.s_addr = htonl(0x7f000001)};
	assert_int_equal(sb_ksock_send(k, &from, &to, "x", 1), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(sendto(fd, "stray", 5, 0, (struct sockaddr *)&in, sizeof in), 5);
	sb_ksock_poll(k);
	assert_int_equal(sb_ksock_stats(k).drained, 5);
	close(fd);
	sb_ksock_close(k);
}

static void oldest_socket_makes_room_beyond_the_bound(void **state)
{
	struct heard h;
	netns_enter();
	struct sb_ksock *k = open_ksock(&h);
	int fd = receiver("127.0.0.2:5070");
	struct sb_addr to = at("127.0.0.2:5070");
	for (uint32_t i = 0; i < SB_KSOCK_MAX + 10; i++) {
		struct sb_addr from = at("127.0.0.1");
		from.port = (uint16_t)(10000 + i);
		assert_int_equal(sb_ksock_send(k, &from, &to, "x", 1), 0);
	}
	assert_int_equal(sb_ksock_stats(k).sent, SB_KSOCK_MAX + 10);
	assert_int_equal(h.n, 0);
	close(fd);
	sb_ksock_close(k);
}

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1}, peer_mac[6] = {2, 0, 0, 0, 0, 9};

static struct sb_tap open_tap(const char *ip, uint8_t bits)
{
	struct sb_config_port p = {.tap = "sb-edge", .mtu = 1500, .addresses.n = 1};
	struct sb_tap tap;
	char why[256];
	p.addresses.list[0].ip = netns_ip(ip);
	p.addresses.list[0].bits = bits;
	assert_int_equal(sb_tap_open(&p, our_mac, &tap, why), 0);
	return tap;
}

/* Nobody answers ARP: the kernel gives up and says so, with the message it held. */
static void silent_next_hop_is_reported_as_host_unreachable(void **state)
{
	struct heard h;
	netns_enter();
	struct sb_tap tap = open_tap("192.0.2.10", 24);
	netns_write("/proc/sys/net/ipv4/neigh/sb-edge/retrans_time_ms", "20");
	struct sb_ksock *k = open_ksock(&h);
	struct sb_addr from = at("192.0.2.10:5060"), to = at("192.0.2.77:5060");
	assert_int_equal(sb_ksock_send(k, &from, &to, "OPTIONS", 7), 0);
	await_errors(k, &h, 1);
	assert_int_equal(h.err, EHOSTUNREACH);
	assert_true(sb_addr_eq(&h.to, &to));
	assert_int_equal(h.len, 7);
	sb_ksock_close(k);
	sb_tap_close(&tap);
}

/* Five frames of 1500 bytes carry 6 000 bytes. */
static void large_datagram_leaves_in_fragments(void **state)
{
	static char invite[6000];
	uint8_t frame[2000];
	struct heard h;
	struct sb_rtnl r;
	uint32_t carried = 0;
	netns_enter();
	struct sb_tap tap = open_tap("192.0.2.10", 24);
	assert_int_equal(sb_rtnl_init(&r), 0);
	netns_neigh(&r, tap.twin[0].ifindex, "192.0.2.77", NUD_PERMANENT, peer_mac);
	struct sb_ksock *k = open_ksock(&h);
	struct sb_addr from = at("192.0.2.10:5060"), to = at("192.0.2.77:5060");
	assert_int_equal(sb_ksock_send(k, &from, &to, invite, sizeof invite), 0);
	for (int i = 0; i < 50 && carried < sizeof invite + 8; i++) {
		struct pollfd p = {.fd = tap.fd, .events = POLLIN};
		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		int n = sb_tap_read(&tap, frame, sizeof frame);
		if (n > 34 && frame[12] == 8 && frame[13] == 0)
			carried += (uint32_t)n - 34;
	}
	assert_int_equal(carried, sizeof invite + 8);
	sb_ksock_close(k);
	sb_rtnl_fini(&r);
	sb_tap_close(&tap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(closed_port_is_reported_with_the_quoted_message),
	        cmocka_unit_test(closed_ipv6_port_is_reported_with_the_quoted_message),
	        cmocka_unit_test(datagram_comes_from_the_listeners_address),
	        cmocka_unit_test(error_of_one_peer_does_not_cost_the_next_peers_datagram),
	        cmocka_unit_test(no_route_is_reported_at_once),
	        cmocka_unit_test(what_comes_in_is_drained_and_counted),
	        cmocka_unit_test(oldest_socket_makes_room_beyond_the_bound),
	        cmocka_unit_test(silent_next_hop_is_reported_as_host_unreachable),
	        cmocka_unit_test(large_datagram_leaves_in_fragments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
