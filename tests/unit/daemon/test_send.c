/* SPDX-License-Identifier: BSD-3-Clause */
/* How a datagram leaves: whole, cut, by the kernel, or not at all, and whose fault that is. DPDK's memory comes without
 * hugepages; what would go to a port is looked at before it is given there. */
#include "bench.h"
#include <rte_eal.h>

#define PORT_MTU 1500

static struct sb_dataplane *dp; /* DPDK's environment starts once a process */
static struct sb_worker *w;

static struct sb_fib_iface iface = {.mtu = PORT_MTU, .mac = {2, 0, 0, 0, 0, 1}};
static struct sb_fib_range range4[2], range6[2];
static struct sb_fib_neigh neigh[8];
static struct sb_fib fib = {.n_ifaces = 1,
        .n_range4 = 2,
        .n_range6 = 2,
        .ifaces = &iface,
        .range4 = range4,
        .range6 = range6,
        .neigh = neigh,
        .neigh_mask = 7};
static struct sb_snap_listener listener4, listener6;

static struct sb_addr addr(const char *text)
{
	struct sb_addr a;
	assert_int_equal(sb_addr_parse(text, 5060, &a), 0);
	return a;
}

static struct sb_fib_range range(const char *first, const char *last, const char *gateway)
{
	struct sb_fib_range r = {.iface = 0};
	memcpy(r.first, addr(first).ip, 16);
	memcpy(r.last, addr(last).ip, 16);
	if (gateway)
		r.gateway = addr(gateway);
	return r;
}

static void know(const char *ip)
{
	struct sb_addr a = addr(ip);
	uint32_t at = sb_fib_neigh_hash(&a, 0);
	while (neigh[at & 7].ip.family)
		at++;
	neigh[at & 7] = (struct sb_fib_neigh){.ip = a, .mac = {2, 0, 0, 0, 0, 9}};
}

/* 192.0.2.0/24 and 2001:db8::/64 are on the link, 198.51.100.0/24 and 2001:db8:9::/64 beyond .1; .9 is unresolved. */
static int begin_all(void **state)
{
	char why[256] = "";
	dp = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof *dp, 64));
	w = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof *w, 64));
	assert_true(dp && w);
	memset(dp, 0, sizeof *dp);
	memset(w, 0, sizeof *w);
	dp->cfg = (struct sb_dataplane_config){.n_workers = 1, .n_ports = 1};
	dp->cfg.port[0].mtu = dp->port[0].mtu = PORT_MTU;
	if (sb_eal_start(&dp->cfg, sb_pool_memory_mb(&dp->cfg), why) || sb_pool_open(dp, why))
		fail_msg("%s", why);
	w->dp = dp;
	w->up = rte_ring_create("test_up", 8, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	w->fib = &fib;
	range4[0] = range("192.0.2.0", "192.0.2.255", NULL);
	range4[1] = range("198.51.100.0", "198.51.100.255", "192.0.2.1");
	range6[0] = range("2001:db8::", "2001:db8::ff", NULL);
	range6[1] = range("2001:db8:9::", "2001:db8:9::ff", "2001:db8::1");
	know("192.0.2.1");
	know("192.0.2.2");
	know("2001:db8::1");
	know("2001:db8::2");
	listener4.addr = addr("192.0.2.200");
	listener6.addr = addr("2001:db8::200");
	return 0;
}

static int end_all(void **state)
{
	rte_ring_free(w->up);
	sb_pool_close(&dp->pools);
	sb_eal_stop();
	free(w);
	free(dp);
	return 0;
}

static void forget_frames(void)
{
	if (w->tx[0].n)
		rte_pktmbuf_free_bulk(w->tx[0].mbuf, w->tx[0].n);
	w->tx[0].n = 0;
}

static int end(void **state)
{
	void *p;
	forget_frames();
	while (rte_ring_sc_dequeue(w->up, &p) == 0)
		sb_pkt_free(dp, p);
	assert_int_equal(rte_mempool_in_use_count(dp->pools.small), 0);
	assert_int_equal(rte_mempool_in_use_count(dp->pools.large), 0);
	memset(&w->counters, 0, sizeof w->counters);
	return 0;
}

/* Has the core's way to send take len bytes to there, in a buffer made for that many. */
static bool send_bytes(const char *to, uint32_t len)
{
	const struct sb_core_ops *ops = sb_net_ops();
	struct sb_pkt *p = ops->alloc(w, len);
	assert_non_null(p);
	memset(p->text, 'x', len);
	p->len = len;
	p->peer = addr(to);
	p->listener = p->peer.family == 6 ? &listener6 : &listener4;
	return ops->send(w, p);
}

/* Frames that left, and the bytes of IP in the longest. */
static uint32_t frames(uint32_t *longest)
{
	*longest = 0;
	for (uint32_t i = 0; i < w->tx[0].n; i++)
		*longest = RTE_MAX(*longest, w->tx[0].mbuf[i]->pkt_len - 14);
	return w->tx[0].n;
}

static void assert_leaves(const char *to, uint32_t len, uint32_t n, uint32_t ip_max)
{
	uint32_t longest;
	assert_true(send_bytes(to, len));
	assert_int_equal(frames(&longest), n);
	assert_in_range(longest, 1, ip_max);
	forget_frames();
}

/* RFC 8200 5: routers do not cut IPv6, and nobody here remembers what a path can take. */
static void ipv6_beyond_a_gateway_is_cut_at_1280(void **state)
{
	assert_leaves("2001:db8::2", 1400, 1, 1448); /* on the link its MTU counts */
	assert_leaves("2001:db8:9::2", 1400, 2, 1280);
	assert_leaves("2001:db8:9::2", 1232, 1, 1280); /* with its headers just so */
	assert_leaves("2001:db8:9::2", 1233, 2, 1280);
	assert_leaves("2001:db8:9::2", 6000, 5, 1280);
	assert_leaves("2001:db8::2", 6000, 5, PORT_MTU);
	assert_leaves("198.51.100.2", 1400, 1, 1428); /* IPv4 is cut where it has to be */
	assert_leaves("192.0.2.2", 6000, 5, PORT_MTU);
}

/* What is wanting here is our fault: as if lost on the way. Only what has no way at all is told to the core. */
static void want_of_buffers_is_not_the_peers_fault(void **state)
{
	static struct rte_mbuf *held[65536];
	const struct sb_core_ops *ops = sb_net_ops();
	struct sb_pkt *p = ops->alloc(w, 6000);
	uint32_t n = 0;
	assert_non_null(p);
	while (n < RTE_DIM(held) && (held[n] = rte_pktmbuf_alloc(dp->pools.small)))
		n++;
	assert_in_range(n, 1, RTE_DIM(held) - 1);
	p->len = 6000;
	p->peer = addr("192.0.2.2");
	p->listener = &listener4;
	assert_true(ops->send(w, p));
	assert_int_equal(sb_counter_get(&w->counters, SB_C_tx_no_buffer), 1);
	assert_int_equal(w->tx[0].n, 0);
	rte_pktmbuf_free_bulk(held, n);
}

static void full_ring_to_the_kernel_is_not_the_peers_fault(void **state)
{
	unsigned sent = 0;
	while (sb_counter_get(&w->counters, SB_C_tx_dropped) == 0 && sent++ < 100)
		assert_true(send_bytes("192.0.2.9", 500));
	assert_in_range(sent, 2, 99);
	assert_int_equal(sb_counter_get(&w->counters, SB_C_tx_kernel), sent - 1);
	assert_int_equal(w->tx[0].n, 0);
}

static void peer_without_a_route_is_told_to_the_core(void **state)
{
	assert_false(send_bytes("203.0.113.1", 500));
	assert_false(send_bytes("2001:db8:77::1", 500));
	assert_int_equal(w->tx[0].n, 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(ipv6_beyond_a_gateway_is_cut_at_1280),
	        TEST(want_of_buffers_is_not_the_peers_fault),
	        TEST(full_ring_to_the_kernel_is_not_the_peers_fault),
	        TEST(peer_without_a_route_is_told_to_the_core),
	};
	return cmocka_run_group_tests(tests, begin_all, end_all);
}
