/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel serves a port's addresses on its TAP twin: ARP, ICMP echo, its own UDP; over VLANs too. */
#include "control/kernel/tap.h"
#include "netns.h"
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_tun.h>
#include <linux/neighbour.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define WAIT_MS 5000

static const uint8_t our_mac[6] = {0x02, 0xaa, 0, 0, 0, 1}, peer_mac[6] = {0x02, 0xbb, 0, 0, 0, 9};

static void address(struct sb_config_addresses *a, const char *ip, uint8_t bits)
{
	a->list[a->n].ip = netns_ip(ip);
	a->list[a->n++].bits = bits;
}

static struct sb_config_port edge_config(void)
{
	struct sb_config_port p = {.name = "edge", .tap = "sb-edge", .mtu = 1400};
	address(&p.addresses, "192.0.2.10", 24);
	address(&p.addresses, "2001:db8::10", 64);
	p.n_vlans = 1;
	p.vlans[0].id = 100;
	address(&p.vlans[0].addresses, "198.51.100.10", 24);
	return p;
}

static struct sb_tap open_edge(void)
{
	struct sb_tap tap;
	char why[256] = "";
	struct sb_config_port p = edge_config();
	netns_enter();
	if (sb_tap_open(&p, our_mac, &tap, why))
		fail_msg("%s", why);
	return tap;
}

static bool has_address(const char *interface, const char *ip)
{
	struct ifaddrs *all, *i;
	struct sb_addr want = netns_ip(ip);
	bool found = false;
	assert_int_equal(getifaddrs(&all), 0);
	for (i = all; i; i = i->ifa_next) {
		if (!i->ifa_addr || strcmp(i->ifa_name, interface) != 0)
			continue;
		if (want.family == 4 && i->ifa_addr->sa_family == AF_INET)
			found |= memcmp((const char *)i->ifa_addr + 4, want.ip, 4) == 0;
		if (want.family == 6 && i->ifa_addr->sa_family == AF_INET6)
			found |= memcmp((const char *)i->ifa_addr + 8, want.ip, 16) == 0;
	}
	freeifaddrs(all);
	return found;
}

static void check_interface(const char *name)
{
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	strcpy(ifr.ifr_name, name);
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &ifr), 0);
	assert_memory_equal(ifr.ifr_hwaddr.sa_data, our_mac, 6);
	assert_int_equal(ioctl(fd, SIOCGIFMTU, &ifr), 0);
	assert_int_equal(ifr.ifr_mtu, 1400);
	assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &ifr), 0);
	assert_true(ifr.ifr_flags & IFF_UP);
	close(fd);
}

static void twin_has_the_ports_mac_mtu_and_addresses(void **state)
{
	struct sb_tap tap = open_edge();
	check_interface("sb-edge");
	check_interface("sb-edge.100");
	assert_true(has_address("sb-edge", "192.0.2.10"));
	assert_true(has_address("sb-edge", "2001:db8::10"));
	assert_true(has_address("sb-edge", "fe80::aa:ff:fe00:1"));
	assert_true(has_address("sb-edge.100", "198.51.100.10"));
	assert_int_equal(tap.twin[0].ifindex, if_nametoindex("sb-edge"));
	sb_tap_close(&tap);
	assert_int_equal(if_nametoindex("sb-edge"), 0); /* leaves nothing behind */
	assert_int_equal(if_nametoindex("sb-edge.100"), 0);
}

/* A tentative address cannot be bound. */
static void ipv6_address_serves_at_once(void **state)
{
	struct sb_tap tap = open_edge();
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6};
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	memcpy(&sa.sin6_addr, netns_ip("2001:db8::10").ip, 16);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	close(fd);
	sb_tap_close(&tap);
}

static void taken_name_is_told_clearly(void **state)
{
	struct sb_tap tap = open_edge(), second;
	struct sb_config_port p = edge_config();
	char why[256];
	assert_int_equal(sb_tap_open(&p, our_mac, &second, why), SB_E_EXIST);
	assert_string_equal(why, "interface name sb-edge is already taken");
	assert_int_equal(second.fd, -1);
	sb_tap_close(&tap);
}

/* The kernel would lend us somebody's persistent TAP that nobody holds just now. */
static void idle_persistent_tap_of_that_name_is_not_taken_over(void **state)
{
	struct sb_tap tap;
	struct sb_config_port p = edge_config();
	struct ifreq ifr = {.ifr_name = "sb-edge", .ifr_flags = IFF_TAP | IFF_NO_PI};
	char why[256];
	netns_enter();
	int fd = open("/dev/net/tun", O_RDWR);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	assert_int_equal(ioctl(fd, TUNSETPERSIST, 1), 0);
	close(fd);
	assert_int_equal(sb_tap_open(&p, our_mac, &tap, why), SB_E_EXIST);
	assert_int_not_equal(if_nametoindex("sb-edge"), 0);
}

static void too_long_a_vlan_name_is_told_and_leaves_nothing(void **state)
{
	struct sb_tap tap;
	struct sb_config_port p = edge_config();
	char why[256];
	netns_enter();
	strcpy(p.tap, "twelve-chars");
	assert_int_equal(sb_tap_open(&p, our_mac, &tap, why), SB_E_INVAL);
	assert_string_equal(why, "interface name \"twelve-chars.100\" must have 1 to 15 characters");
	assert_int_equal(if_nametoindex("twelve-chars"), 0);
	p.tap[0] = 0;
	assert_int_equal(sb_tap_open(&p, our_mac, &tap, why), SB_E_INVAL);
}

static void refused_address_is_named(void **state)
{
	struct sb_tap tap;
	struct sb_config_port p = edge_config();
	char why[256];
	netns_enter();
	address(&p.addresses, "192.0.2.10", 24);
	assert_int_equal(sb_tap_open(&p, our_mac, &tap, why), SB_E_IO);
	assert_string_equal(why, "cannot add address 192.0.2.10/24 to sb-edge: File exists");
}

/* The next frame of this type; others (MLD, router solicitations) are passed over. */
static int next_frame(struct sb_tap *tap, uint16_t type, uint8_t frame[2000])
{
	for (int i = 0; i < 100; i++) {
		struct pollfd p = {.fd = tap->fd, .events = POLLIN};
		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		int n = sb_tap_read(tap, frame, 2000);
		assert_true(n >= 14);
		if ((frame[12] << 8 | frame[13]) == type)
			return n;
	}
	fail_msg("no frame of type 0x%x", type);
	return 0;
}

static void send_arp_request(struct sb_tap *tap, const char *target)
{
	uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct ether_arp *arp = (void *)(frame + 14);
	memcpy(frame + 6, peer_mac, 6);
	frame[12] = ETHERTYPE_ARP >> 8;
	frame[13] = ETHERTYPE_ARP & 0xff;
	arp->ea_hdr = (struct arphdr){htons(ARPHRD_ETHER), htons(ETHERTYPE_IP), 6, 4, htons(ARPOP_REQUEST)};
	memcpy(arp->arp_sha, peer_mac, 6);
	memcpy(arp->arp_spa, netns_ip("192.0.2.77").ip, 4);
	memcpy(arp->arp_tpa, netns_ip(target).ip, 4);
	assert_int_equal(sb_tap_write(tap, frame, sizeof frame), 0);
}

/* The first answer is to the second question: the VLAN's address is no business of the untagged interface. */
static void kernel_answers_arp_for_the_interfaces_own_addresses(void **state)
{
	struct sb_tap tap = open_edge();
	uint8_t frame[2000];
	send_arp_request(&tap, "198.51.100.10");
	send_arp_request(&tap, "192.0.2.10");
	next_frame(&tap, ETHERTYPE_ARP, frame);
	const struct ether_arp *arp = (const void *)(frame + 14);
	assert_int_equal(ntohs(arp->ea_hdr.ar_op), ARPOP_REPLY);
	assert_memory_equal(arp->arp_sha, our_mac, 6);
	assert_memory_equal(arp->arp_spa, netns_ip("192.0.2.10").ip, 4);
	assert_memory_equal(frame, peer_mac, 6);
	assert_int_equal(sb_tap_read(&tap, frame, sizeof frame), 0);
	sb_tap_close(&tap);
}

static uint16_t checksum(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *p = data;
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void kernel_answers_echo_on_a_vlan_with_the_tag(void **state)
{
	struct sb_tap tap = open_edge();
	struct sb_rtnl r;
	uint8_t frame[2000] = {0}, *l3 = frame + 18;
	assert_int_equal(sb_rtnl_init(&r), 0);
	netns_neigh(&r, (int)if_nametoindex("sb-edge.100"), "198.51.100.77", NUD_PERMANENT, peer_mac);
	memcpy(frame, our_mac, 6);
	memcpy(frame + 6, peer_mac, 6);
	memcpy(frame + 12, "\x81\x00\x00\x64\x08\x00", 6);
	struct iphdr ip = {.version = 4, .ihl = 5, .tot_len = htons(28), .ttl = 64, .protocol = IPPROTO_ICMP};
	struct icmphdr icmp = {.type = ICMP_ECHO, .un.echo = {htons(7), htons(1)}};
	memcpy(&ip.saddr, netns_ip("198.51.100.77").ip, 4);
	memcpy(&ip.daddr, netns_ip("198.51.100.10").ip, 4);
	ip.check = htons(checksum(&ip, sizeof ip, 0));
	icmp.checksum = htons(checksum(&icmp, sizeof icmp, 0));
	memcpy(l3, &ip, sizeof ip);
	memcpy(l3 + 20, &icmp, sizeof icmp);
	assert_int_equal(sb_tap_write(&tap, frame, 60), 0);
	next_frame(&tap, ETHERTYPE_VLAN, frame);
	assert_memory_equal(frame + 14, "\x00\x64\x08\x00", 4);
	assert_memory_equal(frame, peer_mac, 6);
	assert_int_equal(l3[20], ICMP_ECHOREPLY);
	frame[15] = 101;
	assert_int_equal(sb_tap_write(&tap, frame, 60), SB_E_NOENT); /* a VLAN that is not configured */
	sb_rtnl_fini(&r);
	sb_tap_close(&tap);
}

/* Nobody behind us would finish a checksum that the kernel left half done. */
static void frames_leave_the_kernel_with_whole_checksums(void **state)
{
	struct sb_tap tap = open_edge();
	struct sb_rtnl r;
	uint8_t frame[2000], *udp = frame + 34;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(5060)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(sb_rtnl_init(&r), 0);
	netns_neigh(&r, tap.twin[0].ifindex, "192.0.2.77", NUD_PERMANENT, peer_mac);
	memcpy(&to.sin_addr, netns_ip("192.0.2.77").ip, 4);
	assert_int_equal(sendto(fd, "hello, world", 12, 0, (struct sockaddr *)&to, sizeof to), 12);
	assert_int_equal(next_frame(&tap, ETHERTYPE_IP, frame), 14 + 20 + 8 + 12);
	assert_int_equal(checksum(frame + 14, 20, 0), 0);
	assert_true(udp[6] || udp[7]);
	uint32_t pseudo = IPPROTO_UDP + 20;
	for (int i = 26; i < 34; i += 2)
		pseudo += (uint32_t)(frame[i] << 8 | frame[i + 1]);
	assert_int_equal(checksum(udp, 20, pseudo), 0);
	close(fd);
	sb_rtnl_fini(&r);
	sb_tap_close(&tap);
}

static void runt_is_refused_and_harmless(void **state)
{
	struct sb_tap tap = open_edge();
	uint8_t frame[2000];
	assert_int_equal(sb_tap_write(&tap, "x", 1), SB_E_IO);
	send_arp_request(&tap, "192.0.2.10");
	next_frame(&tap, ETHERTYPE_ARP, frame);
	sb_tap_close(&tap);
	sb_tap_close(&tap); /* twice is once */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(twin_has_the_ports_mac_mtu_and_addresses),
	        cmocka_unit_test(ipv6_address_serves_at_once),
	        cmocka_unit_test(taken_name_is_told_clearly),
	        cmocka_unit_test(idle_persistent_tap_of_that_name_is_not_taken_over),
	        cmocka_unit_test(too_long_a_vlan_name_is_told_and_leaves_nothing),
	        cmocka_unit_test(refused_address_is_named),
	        cmocka_unit_test(kernel_answers_arp_for_the_interfaces_own_addresses),
	        cmocka_unit_test(kernel_answers_echo_on_a_vlan_with_the_tag),
	        cmocka_unit_test(frames_leave_the_kernel_with_whole_checksums),
	        cmocka_unit_test(runt_is_refused_and_harmless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
