/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/kernel/tap.h"
#include "control/kernel/rtnl.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

_Static_assert(sizeof(((struct sb_tap *)0)->name) == IFNAMSIZ, "holds any interface name");

static int __attribute__((format(printf, 3, 4))) fail(char why[256], int err, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vsnprintf(why, 256, format, ap);
	va_end(ap);
	return err;
}

static int attach(struct sb_tap *tap, char why[256])
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL};
	tap->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tap->fd < 0)
		return fail(why, SB_E_IO, "cannot open /dev/net/tun: %s", strerror(errno));
	memcpy(ifr.ifr_name, tap->name, sizeof ifr.ifr_name);
	if (ioctl(tap->fd, TUNSETIFF, &ifr) < 0) {
		if (errno == EBUSY)
			return fail(why, SB_E_EXIST, "interface name %s is already taken", tap->name);
		return fail(why, SB_E_IO, "cannot create TAP interface %s: %s", tap->name, strerror(errno));
	}
	/* Nothing is left to us to finish: whole segments, whole checksums. */
	if (ioctl(tap->fd, TUNSETOFFLOAD, 0) < 0)
		return fail(why, SB_E_IO, "cannot turn off offloads of %s: %s", tap->name, strerror(errno));
	tap->ifindex = (int)if_nametoindex(tap->name);
	if (tap->ifindex == 0)
		return fail(why, SB_E_IO, "interface %s is gone: %s", tap->name, strerror(errno));
	return 0;
}

/* Containers often start with IPv6 off on new interfaces; who configures an IPv6 address wants it on. A failure shows
 * when the address is added. */
static void enable_ipv6(const char *name)
{
	char path[64 + IFNAMSIZ];
	snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "0", 1) < 0)
		errno = 0;
	close(fd);
}

/* RFC 4291 appendix A: fe80:: and the modified EUI-64 of the MAC. */
static struct sb_addr link_local(const uint8_t mac[SB_MAC_LEN])
{
	return (struct sb_addr){
	        .family = 6,
	        .ip = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]},
	};
}

/* MAC, MTU, up and addresses: the same for the TAP and each VLAN on it. */
static int dress(struct sb_rtnl *r, int ifindex, const char *name, const struct sb_config_addresses *addresses,
        const uint8_t mac[SB_MAC_LEN], uint32_t mtu, char why[256])
{
	bool any6 = false;
	if (sb_rtnl_link_dress(r, ifindex, mac, mtu))
		return fail(why, SB_E_IO, "cannot set MAC and MTU %u of %s: %s", mtu, name, strerror(errno));
	for (uint32_t i = 0; i < addresses->n; i++)
		any6 |= addresses->list[i].ip.family == 6;
	if (any6)
		enable_ipv6(name);
	if (sb_rtnl_link_up(r, ifindex))
		return fail(why, SB_E_IO, "cannot bring %s up: %s", name, strerror(errno));
	if (any6) {
		struct sb_addr ll = link_local(mac);
		int err = sb_rtnl_addr_add(r, ifindex, &ll, 64);
		if (err && err != SB_E_EXIST)
			return fail(why, SB_E_IO, "cannot add a link-local address to %s: %s", name, strerror(errno));
	}
	for (uint32_t i = 0; i < addresses->n; i++) {
		char text[INET6_ADDRSTRLEN] = "?";
		const struct sb_addr *ip = &addresses->list[i].ip;
		if (sb_rtnl_addr_add(r, ifindex, ip, addresses->list[i].bits) == 0)
			continue;
		inet_ntop(ip->family == 6 ? AF_INET6 : AF_INET, ip->ip, text, sizeof text);
		return fail(why, SB_E_IO, "cannot add address %s/%u to %s: %s", text, addresses->list[i].bits, name,
		        strerror(errno));
	}
	return 0;
}

static int add_vlan(struct sb_rtnl *r, const struct sb_tap *tap, const struct sb_config_port *port, uint32_t i,
        const uint8_t mac[SB_MAC_LEN], char why[256])
{
	char name[IFNAMSIZ + 8];
	uint16_t id = port->vlans[i].id;
	if (snprintf(name, sizeof name, "%s.%u", tap->name, id) >= IFNAMSIZ)
		return fail(why, SB_E_INVAL, "interface name %s is longer than %d characters", name, IFNAMSIZ - 1);
	int err = sb_rtnl_vlan_add(r, tap->ifindex, id, name);
	if (err == SB_E_EXIST)
		return fail(why, err, "interface name %s is already taken", name);
	if (err)
		return fail(why, err, "cannot create VLAN interface %s: %s", name, strerror(errno));
	int ifindex = (int)if_nametoindex(name);
	if (ifindex == 0)
		return fail(why, SB_E_IO, "interface %s is gone: %s", name, strerror(errno));
	return dress(r, ifindex, name, &port->vlans[i].addresses, mac, port->mtu, why);
}

int sb_tap_open(const struct sb_config_port *port, const uint8_t mac[SB_MAC_LEN], struct sb_tap *tap, char why[256])
{
	struct sb_rtnl r = {0};
	*tap = (struct sb_tap){.fd = -1};
	size_t len = strnlen(port->tap, sizeof tap->name);
	if (len == 0 || len >= sizeof tap->name)
		return fail(why, SB_E_INVAL, "TAP name must have 1 to %d characters", IFNAMSIZ - 1);
	memcpy(tap->name, port->tap, len);
	int err = attach(tap, why);
	if (!err && sb_rtnl_init(&r))
		err = fail(why, SB_E_IO, "cannot open a netlink socket: %s", strerror(errno));
	if (!err)
		err = dress(&r, tap->ifindex, tap->name, &port->addresses, mac, port->mtu, why);
	for (uint32_t i = 0; !err && i < port->n_vlans; i++)
		err = add_vlan(&r, tap, port, i, mac, why);
	sb_rtnl_fini(&r);
	if (err)
		sb_tap_close(tap);
	return err;
}

void sb_tap_close(struct sb_tap *tap)
{
	if (tap->fd >= 0)
		close(tap->fd);
	tap->fd = -1;
}

int sb_tap_read(struct sb_tap *tap, void *frame, uint32_t size)
{
	ssize_t n = read(tap->fd, frame, size);
	if (n >= 0)
		return (int)n;
	return errno == EAGAIN || errno == EINTR ? 0 : SB_E_IO;
}

int sb_tap_write(struct sb_tap *tap, const void *frame, uint32_t len)
{
	ssize_t n = write(tap->fd, frame, len);
	if (n == (ssize_t)len)
		return 0;
	return n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) ? SB_E_FULL : SB_E_IO;
}
