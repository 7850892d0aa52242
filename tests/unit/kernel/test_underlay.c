/* SPDX-License-Identifier: BSD-3-Clause */
/* Which interface beneath a port is kept quiet, by the devargs of each driver, and that it is as before afterwards. */
#include "control/kernel/underlay.h"
#include "netns.h"
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <cmocka.h>

static int make_interface(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", name);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	return fd;
}

static int arp_ignore(const char *name)
{
	char path[128];
	int value = -1;
	snprintf(path, sizeof path, "/proc/sys/net/ipv4/conf/%s/arp_ignore", name);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &value), 1);
	fclose(f);
	return value;
}

static void interface_beneath_a_port_is_found_by_its_devargs(void **state)
{
	static const char *const beneath[] = {
	        "net_af_packet0,iface=ge0",
	        "eth_af_packet0,iface=ge0,qpairs=2",
	        "net_af_xdp0,start_queue=0,iface=ge0",
	        "net_pcap0,iface=ge0",
	        "eth_pcap0,iface=ge0",
	        "net_pcap0,rx_iface=ge0,tx_iface=ge0",
	        "net_pcap0,tx_pcap=out.pcap,rx_iface_in=ge0",
	};
	static const char *const none[] = {
	        "net_memif0,role=client,id=1",
	        "net_tap0,iface=ge0",
	        "net_pcap0,rx_pcap=in.pcap,tx_pcap=out.pcap",
	        "0000:3b:00.0",
	};
	struct sb_underlay u;
	char why[256];
	netns_enter();
	int fd = make_interface("ge0");
	for (size_t i = 0; i < sizeof beneath / sizeof *beneath; i++) {
		assert_int_equal(arp_ignore("ge0"), 0);
		assert_int_equal(sb_underlay_quiet(beneath[i], &u, why), 0);
		if (strcmp(u.name, "ge0") != 0 || arp_ignore("ge0") != 8)
			fail_msg("%s: \"%s\" is kept quiet, arp_ignore %d", beneath[i], u.name, arp_ignore("ge0"));
		sb_underlay_restore(&u);
	}
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		assert_int_equal(sb_underlay_quiet(none[i], &u, why), 0);
		assert_string_equal(u.name, "");
		assert_int_equal(arp_ignore("ge0"), 0);
		sb_underlay_restore(&u);
	}
	close(fd);
}

static void what_the_operator_had_set_is_put_back(void **state)
{
	struct sb_underlay u;
	char why[256];
	netns_enter();
	int fd = make_interface("ge0");
	netns_write("/proc/sys/net/ipv4/conf/ge0/arp_ignore", "2");
	assert_int_equal(sb_underlay_quiet("net_pcap0,iface=ge0", &u, why), 0);
	assert_int_equal(arp_ignore("ge0"), 8);
	sb_underlay_restore(&u);
	assert_int_equal(arp_ignore("ge0"), 2);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(interface_beneath_a_port_is_found_by_its_devargs),
	        cmocka_unit_test(what_the_operator_had_set_is_put_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
