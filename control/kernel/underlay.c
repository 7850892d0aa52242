/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/kernel/underlay.h"
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* rp_filter: the way back to any source leads over the TAP twin, so a copy that arrives here is dropped as spoofed.
 * arp_ignore 8: no ARP answers for local addresses. IPv6 has neither knob; it is switched off. */
static const struct {
	const char *path;
	int value;
} settings[SB_UNDERLAY_SETTINGS] = {
        {"/proc/sys/net/ipv4/conf/%s/rp_filter", 1},
        {"/proc/sys/net/ipv4/conf/%s/arp_ignore", 8},
        {"/proc/sys/net/ipv6/conf/%s/disable_ipv6", 1},
};

static int read_int(const char *path)
{
	int v = -1;
	FILE *f = fopen(path, "re");
	if (f && fscanf(f, "%d", &v) != 1)
		v = -1;
	if (f)
		fclose(f);
	return v;
}

static int write_int(const char *path, int v)
{
	FILE *f = fopen(path, "we");
	if (!f)
		return SB_E_IO;
	bool ok = fprintf(f, "%d\n", v) > 0;
	return fclose(f) == 0 && ok ? 0 : SB_E_IO;
}

/* These take their frames from an interface that the kernel goes on using. */
static const struct {
	const char *driver, *keys[3];
} drivers[] = {
        {"net_af_xdp", {",iface="}},
        {"net_af_packet", {",iface="}},
        {"eth_af_packet", {",iface="}},
        {"net_pcap", {",iface=", ",rx_iface=", ",rx_iface_in="}},
        {"eth_pcap", {",iface=", ",rx_iface=", ",rx_iface_in="}},
};

static bool is_driver(const char *device, const char *driver)
{
	return strncmp(device, driver, strlen(driver)) == 0;
}

/* NAME of "driver0,iface=NAME,..."; "" none: net_memif and pcap files have no interface, net_tap's is a peer's. */
static void iface_of(const char *device, char name[16])
{
	const char *at = NULL, *key = "";
	for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++)
		for (size_t k = 0; is_driver(device, drivers[i].driver) && !at && k < 3 && drivers[i].keys[k]; k++) {
			key = drivers[i].keys[k];
			at = strstr(device, key);
		}
	size_t len = at ? strcspn(at + strlen(key), ",") : 0;
	name[0] = 0;
	if (len > 0 && len < IF_NAMESIZE) {
		memcpy(name, at + strlen(key), len);
		name[len] = 0;
	}
}

/* Whether the interface takes VLAN tags out of what it receives: read with on NULL, or set. Negative: not told. */
static int rx_vlan(const char *name, const bool *on)
{
	struct ethtool_value v = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq ifr = {.ifr_data = (char *)&v};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", name);
	int err = fd < 0 ? -1 : ioctl(fd, SIOCETHTOOL, &ifr);
	bool was = !err && v.data & ETH_FLAG_RXVLAN;
	if (!err && on && was != *on) {
		v.cmd = ETHTOOL_SFLAGS;
		v.data ^= ETH_FLAG_RXVLAN;
		err = ioctl(fd, SIOCETHTOOL, &ifr);
	}
	if (fd >= 0)
		close(fd);
	return err ? -1 : was;
}

/* An XDP program sees the frame alone: a tag that the interface has taken out is lost, and the frame of a VLAN would
 * come in as one of none. */
static void keep_tags(const char *device, struct sb_underlay *u)
{
	static const bool off = false;
	if (!is_driver(device, "net_af_xdp"))
		return;
	u->rx_vlan = rx_vlan(u->name, NULL) == 1;
	u->loses_tags = u->rx_vlan && rx_vlan(u->name, &off) < 0;
	u->rx_vlan &= !u->loses_tags;
}

int sb_underlay_quiet(const char *device, struct sb_underlay *u, char why[256])
{
	char path[128];
	*u = (struct sb_underlay){0};
	memset(u->before, 0xff, sizeof u->before);
	iface_of(device, u->name);
	if (!u->name[0] || strchr(u->name, '/'))
		return 0;
	for (unsigned i = 0; i < SB_UNDERLAY_SETTINGS; i++) {
		snprintf(path, sizeof path, settings[i].path, u->name);
		int now = read_int(path);
		if (now == settings[i].value || now < 0) /* absent: a kernel without IPv6 has nothing to be quieted */
			continue;
		if (write_int(path, settings[i].value)) {
			snprintf(why, 256, "%s cannot be set: %s", path, strerror(errno));
			return SB_E_IO;
		}
		u->before[i] = now;
	}
	keep_tags(device, u);
	return 0;
}

void sb_underlay_restore(struct sb_underlay *u)
{
	static const bool on = true;
	char path[128];
	if (u->rx_vlan)
		(void)rx_vlan(u->name, &on);
	u->rx_vlan = false;
	for (unsigned i = 0; u->name[0] && i < SB_UNDERLAY_SETTINGS; i++) {
		if (u->before[i] < 0)
			continue;
		snprintf(path, sizeof path, settings[i].path, u->name);
		write_int(path, u->before[i]);
		u->before[i] = -1;
	}
}
