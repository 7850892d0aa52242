/* SPDX-License-Identifier: BSD-3-Clause */
/* What the mirror makes of single messages, those included that this kernel does not send. */
#include "control/kernel/fib_build.h"
#include "control/kernel/mirror.h"
#include "netns.h"
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/neighbour.h>
#include <time.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct message {
	alignas(8) char buf[1024];
	struct nlmsghdr *nlh;
	void *header;
};

static void begin(struct message *m, uint16_t type, size_t header)
{
	memset(m->buf, 0, sizeof m->buf);
	m->nlh = mnl_nlmsg_put_header(m->buf);
	m->nlh->nlmsg_type = type;
	m->header = mnl_nlmsg_put_extra_header(m->nlh, header);
}

static enum sb_mirror_effect link_up(struct sb_mirror *m, int ifindex, bool up)
{
	struct message msg;
	begin(&msg, RTM_NEWLINK, sizeof(struct ifinfomsg));
	*(struct ifinfomsg *)msg.header =
	        (struct ifinfomsg){.ifi_index = ifindex, .ifi_flags = up ? IFF_UP | IFF_RUNNING : 0};
	mnl_attr_put(msg.nlh, IFLA_ADDRESS, 6, "\x02\0\0\0\0\1");
	mnl_attr_put_u32(msg.nlh, IFLA_MTU, 1500);
	return sb_mirror_apply(m, msg.nlh, true);
}

static struct sb_mirror *new_mirror(void)
{
	struct sb_mirror_twin twin = {.ifindex = 7, .port = 1};
	struct sb_mirror *m = sb_mirror_new(&twin, 1);
	assert_non_null(m);
	assert_int_equal(link_up(m, 7, true), SB_MIRROR_CHANGED);
	return m;
}

/* An IPv4 or IPv6 route of prefix /16 by interface 7 and one or two gateways. */
static enum sb_mirror_effect route(struct sb_mirror *m, uint16_t type, uint16_t flags, const char *dst, const char *gw)
{
	struct message msg;
	struct sb_addr d = netns_ip(dst), g = netns_ip(gw);
	size_t len = d.family == 6 ? 16 : 4;
	begin(&msg, type, sizeof(struct rtmsg));
	*(struct rtmsg *)msg.header = (struct rtmsg){.rtm_family = d.family == 6 ? AF_INET6 : AF_INET,
	        .rtm_dst_len = 16,
	        .rtm_table = RT_TABLE_MAIN,
	        .rtm_type = RTN_UNICAST};
	msg.nlh->nlmsg_flags = flags;
	mnl_attr_put(msg.nlh, RTA_DST, len, d.ip);
	mnl_attr_put(msg.nlh, RTA_GATEWAY, g.family == 6 ? 16 : 4, g.ip);
	mnl_attr_put_u32(msg.nlh, RTA_OIF, 7);
	return sb_mirror_apply(m, msg.nlh, true);
}

static void interface_that_comes_or_goes_asks_for_a_new_dump(void **state)
{
	struct sb_mirror *m = new_mirror();
	struct message msg;
	assert_int_equal(link_up(m, 7, true), SB_MIRROR_SAME);
	assert_int_equal(link_up(m, 8, true), SB_MIRROR_SAME); /* not ours */
	assert_int_equal(link_up(m, 7, false), SB_MIRROR_RESYNC);
	begin(&msg, RTM_DELLINK, sizeof(struct ifinfomsg));
	((struct ifinfomsg *)msg.header)->ifi_index = 7;
	assert_int_equal(sb_mirror_apply(m, msg.nlh, true), SB_MIRROR_RESYNC);
	sb_mirror_free(m);
}

static void vanished_address_asks_for_a_new_dump(void **state)
{
	struct sb_mirror *m = new_mirror();
	struct message msg;
	begin(&msg, RTM_DELADDR, sizeof(struct ifaddrmsg));
	((struct ifaddrmsg *)msg.header)->ifa_index = 7;
	assert_int_equal(sb_mirror_apply(m, msg.nlh, true), SB_MIRROR_RESYNC);
	((struct ifaddrmsg *)msg.header)->ifa_index = 8;
	assert_int_equal(sb_mirror_apply(m, msg.nlh, true), SB_MIRROR_SAME);
	sb_mirror_free(m);
}

/* Two IPv4 routes of one metric: which one is left is known to the kernel alone. */
static void deleting_one_of_two_equal_routes_asks_for_a_new_dump(void **state)
{
	struct sb_mirror *m = new_mirror();
	assert_int_equal(route(m, RTM_NEWROUTE, 0, "10.1.0.0", "10.0.0.1"), SB_MIRROR_CHANGED);
	assert_int_equal(route(m, RTM_NEWROUTE, NLM_F_APPEND, "10.1.0.0", "10.0.0.2"), SB_MIRROR_RESYNC);
	assert_int_equal(route(m, RTM_DELROUTE, 0, "10.1.0.0", "10.0.0.1"), SB_MIRROR_RESYNC);
	sb_mirror_clear(m);
	assert_int_equal(link_up(m, 7, true), SB_MIRROR_CHANGED);
	assert_int_equal(route(m, RTM_NEWROUTE, 0, "10.1.0.0", "10.0.0.1"), SB_MIRROR_CHANGED);
	assert_int_equal(route(m, RTM_DELROUTE, 0, "10.1.0.0", "10.0.0.9"), SB_MIRROR_RESYNC);
	assert_int_equal(route(m, RTM_DELROUTE, 0, "10.1.0.0", "10.0.0.1"), SB_MIRROR_CHANGED);
	assert_int_equal(route(m, RTM_DELROUTE, 0, "10.1.0.0", "10.0.0.1"), SB_MIRROR_SAME);
	sb_mirror_free(m);
}

static void replaced_ipv6_route_asks_for_a_new_dump(void **state)
{
	struct sb_mirror *m = new_mirror();
	assert_int_equal(route(m, RTM_NEWROUTE, 0, "2001::", "fe80::1"), SB_MIRROR_CHANGED);
	assert_int_equal(route(m, RTM_NEWROUTE, NLM_F_REPLACE, "2001::", "fe80::2"), SB_MIRROR_RESYNC);
	assert_int_equal(route(m, RTM_NEWROUTE, NLM_F_REPLACE, "10.1.0.0", "10.0.0.2"), SB_MIRROR_CHANGED);
	sb_mirror_free(m);
}

/* RFC 5549. */
static void ipv4_route_may_have_an_ipv6_gateway(void **state)
{
	struct sb_mirror *m = new_mirror();
	struct message msg;
	struct sb_addr dst = netns_ip("10.1.0.0"), gw = netns_ip("fe80::1");
	struct {
		uint16_t family;
		uint8_t ip[16];
	} via = {AF_INET6, {0}};
	struct sb_fib *f;
	memcpy(via.ip, gw.ip, 16);
	begin(&msg, RTM_NEWROUTE, sizeof(struct rtmsg));
	*(struct rtmsg *)msg.header = (struct rtmsg){
	        .rtm_family = AF_INET, .rtm_dst_len = 16, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST};
	mnl_attr_put(msg.nlh, RTA_DST, 4, dst.ip);
	mnl_attr_put(msg.nlh, RTA_VIA, sizeof via, &via);
	mnl_attr_put_u32(msg.nlh, RTA_OIF, 7);
	assert_int_equal(sb_mirror_apply(m, msg.nlh, true), SB_MIRROR_CHANGED);
	assert_int_equal(sb_mirror_build(m, 1, &f), 0);
	const struct sb_fib_range *r = sb_fib_range(f, &dst);
	assert_non_null(r);
	assert_true(sb_addr_eq(&r->gateway, &gw));
	sb_fib_free(f);
	sb_mirror_free(m);
}

/* Well-formed outside, anything inside: under the sanitizers this must be silent. */
static void senseless_attributes_are_harmless(void **state)
{
	static const uint16_t types[] = {RTM_NEWLINK, RTM_DELLINK, RTM_DELADDR, RTM_NEWROUTE, RTM_DELROUTE,
	        RTM_NEWNEIGH, RTM_DELNEIGH, RTM_NEWRULE};
	struct sb_mirror *m = new_mirror();
	uint64_t x = 0x2545f4914f6cdd1dull;
	for (int round = 0; round < 200000; round++) {
		alignas(8) uint8_t buf[160];
		for (size_t i = 0; i < sizeof buf; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			buf[i] = (uint8_t)(x >> 33) & (x & 64 ? 0x1f : 0xff);
		}
		struct nlmsghdr *nlh = (void *)buf;
		*nlh = (struct nlmsghdr){.nlmsg_len = (uint32_t)(16 + x % (sizeof buf - 15)),
		        .nlmsg_type = types[x >> 8 & 7],
		        .nlmsg_flags = (uint16_t)(x >> 20)};
		buf[16] = x & 128 ? AF_INET : AF_INET6; /* family */
		if (round % 2)
			memcpy(buf + 20, &(int){7}, 4); /* the interface, save in routes */
		sb_mirror_apply(m, nlh, round % 3);
	}
	struct sb_fib *f;
	assert_int_equal(sb_mirror_build(m, 1, &f), 0);
	sb_fib_free(f);
	sb_mirror_free(m);
}

static void host_route(struct sb_mirror *m, uint32_t n)
{
	struct message msg;
	uint8_t dst[4] = {10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n},
	        gw[4] = {192, 0, 2, (uint8_t)(n % 200 + 1)};
	begin(&msg, RTM_NEWROUTE, sizeof(struct rtmsg));
	*(struct rtmsg *)msg.header = (struct rtmsg){
	        .rtm_family = AF_INET, .rtm_dst_len = 32, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST};
	mnl_attr_put(msg.nlh, RTA_DST, 4, dst);
	mnl_attr_put(msg.nlh, RTA_GATEWAY, 4, gw);
	mnl_attr_put_u32(msg.nlh, RTA_OIF, 7);
	assert_int_equal(sb_mirror_apply(m, msg.nlh, true), SB_MIRROR_CHANGED);
}

static void neighbour(struct sb_mirror *m, const char *ip, uint8_t mac)
{
	struct message msg;
	struct sb_addr a = netns_ip(ip);
	begin(&msg, RTM_NEWNEIGH, sizeof(struct ndmsg));
	*(struct ndmsg *)msg.header =
	        (struct ndmsg){.ndm_family = AF_INET, .ndm_ifindex = 7, .ndm_state = NUD_REACHABLE};
	mnl_attr_put(msg.nlh, NDA_DST, 4, a.ip);
	mnl_attr_put(msg.nlh, NDA_LLADDR, 6, (uint8_t[]){2, 0, 0, 0, 0, mac});
	assert_int_equal(sb_mirror_apply(m, msg.nlh, true), SB_MIRROR_CHANGED);
}

static struct sb_fib *timed_build(struct sb_mirror *m, double *ms)
{
	struct timespec a, b;
	struct sb_fib *f;
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(sb_mirror_build(m, 1, &f), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	*ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
	return f;
}

static void neighbours_change_without_new_ranges_and_routes_with(void **state)
{
	struct sb_mirror *m = new_mirror();
	double all_ms, neighbour_ms, ms;
	for (uint32_t n = 0; n < 100000; n++)
		host_route(m, n);
	struct sb_fib *first = timed_build(m, &all_ms);
	neighbour(m, "192.0.2.1", 1);
	struct sb_fib *second = timed_build(m, &neighbour_ms);
	assert_ptr_equal(second->range4, first->range4);
	assert_int_equal(second->n_range4, 100000);
	host_route(m, 100000);
	struct sb_fib *third = timed_build(m, &ms);
	assert_ptr_not_equal(third->range4, first->range4);
	assert_int_equal(third->n_range4, 100001);
	sb_fib_free(first);
	assert_int_equal(route(m, RTM_NEWROUTE, 0, "172.16.0.0", "192.0.2.1"), SB_MIRROR_CHANGED);
	assert_int_equal(route(m, RTM_DELROUTE, 0, "172.16.0.0", "192.0.2.1"), SB_MIRROR_CHANGED);
	struct sb_fib *fourth = timed_build(m, &ms);
	assert_ptr_not_equal(fourth->range4, third->range4);
	sb_mirror_free(m); /* fibs in use do not need it */
	struct sb_addr to = netns_ip("10.0.0.0");
	struct sb_fib_hop hop = {0};
	assert_int_equal(sb_fib_lookup(second, &to, 1, &hop), SB_FIB_SEND);
	assert_int_equal(hop.mac[5], 1);
	print_message("100 000 routes: %.1f ms; a neighbour after that: %.3f ms\n", all_ms, neighbour_ms);
	sb_fib_free(second);
	sb_fib_free(third);
	sb_fib_free(fourth);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(interface_that_comes_or_goes_asks_for_a_new_dump),
	        cmocka_unit_test(vanished_address_asks_for_a_new_dump),
	        cmocka_unit_test(deleting_one_of_two_equal_routes_asks_for_a_new_dump),
	        cmocka_unit_test(replaced_ipv6_route_asks_for_a_new_dump),
	        cmocka_unit_test(ipv4_route_may_have_an_ipv6_gateway),
	        cmocka_unit_test(neighbours_change_without_new_ranges_and_routes_with),
	        cmocka_unit_test(senseless_attributes_are_harmless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
