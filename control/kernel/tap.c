/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/kernel/tap.h"
#include "control/kernel/rtnl.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#define MACS     12u /* bytes of the two addresses in front of a tag */
#define TAG      4u
#define VID_MASK 0x0fff

_Static_assert(sizeof(((struct sb_tap_twin *)0)->name) == IFNAMSIZ, "holds any interface name");

static int __attribute__((format(printf, 3, 4))) fail(char why[256], int err, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vsnprintf(why, 256, format, ap);
	va_end(ap);
	return err;
}

static int attach(struct sb_tap_twin *t, char why[256])
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL};
	t->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (t->fd < 0)
		return fail(why, SB_E_IO, "cannot open /dev/net/tun: %s", strerror(errno));
	memcpy(ifr.ifr_name, t->name, sizeof ifr.ifr_name);
	if (ioctl(t->fd, TUNSETIFF, &ifr) < 0) {
		if (errno == EBUSY)
			return fail(why, SB_E_EXIST, "interface name %s is already taken", t->name);
		return fail(why, SB_E_IO, "cannot create TAP interface %s: %s", t->name, strerror(errno));
	}
	/* Nothing is left to us to finish: whole segments, whole checksums. */
	if (ioctl(t->fd, TUNSETOFFLOAD, 0) < 0)
		return fail(why, SB_E_IO, "cannot turn off offloads of %s: %s", t->name, strerror(errno));
	t->ifindex = (int)if_nametoindex(t->name);
	if (t->ifindex == 0)
		return fail(why, SB_E_IO, "interface %s is gone: %s", t->name, strerror(errno));
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

/* MAC, MTU, up and addresses. */
static int dress(struct sb_rtnl *r, const struct sb_tap_twin *t, const struct sb_config_addresses *addresses,
        const uint8_t mac[SB_MAC_LEN], uint32_t mtu, char why[256])
{
	bool any6 = false;
	if (sb_rtnl_link_dress(r, t->ifindex, mac, mtu))
		return fail(why, SB_E_IO, "cannot set MAC and MTU %u of %s: %s", mtu, t->name, strerror(errno));
	for (uint32_t i = 0; i < addresses->n; i++)
		any6 |= addresses->list[i].ip.family == 6;
	if (any6)
		enable_ipv6(t->name);
	if (sb_rtnl_link_up(r, t->ifindex))
		return fail(why, SB_E_IO, "cannot bring %s up: %s", t->name, strerror(errno));
	if (any6) {
		struct sb_addr ll = link_local(mac);
		int err = sb_rtnl_addr_add(r, t->ifindex, &ll, 64);
		if (err && err != SB_E_EXIST)
			return fail(
			        why, SB_E_IO, "cannot add a link-local address to %s: %s", t->name, strerror(errno));
	}
	for (uint32_t i = 0; i < addresses->n; i++) {
		char text[INET6_ADDRSTRLEN] = "?";
		const struct sb_addr *ip = &addresses->list[i].ip;
		if (sb_rtnl_addr_add(r, t->ifindex, ip, addresses->list[i].bits) == 0)
			continue;
		inet_ntop(ip->family == 6 ? AF_INET6 : AF_INET, ip->ip, text, sizeof text);
		return fail(why, SB_E_IO, "cannot add address %s/%u to %s: %s", text, addresses->list[i].bits, t->name,
		        strerror(errno));
	}
	return 0;
}

/* Makes the next twin and watches it. */
static int add_twin(struct sb_tap *tap, const char *name, uint16_t vlan, char why[256])
{
	struct sb_tap_twin *t = &tap->twin[tap->n++];
	struct epoll_event ev = {.events = EPOLLIN};
	*t = (struct sb_tap_twin){.fd = -1, .vlan = vlan};
	size_t len = strlen(name);
	if (len == 0 || len >= sizeof t->name)
		return fail(why, SB_E_INVAL, "interface name \"%s\" must have 1 to %d characters", name, IFNAMSIZ - 1);
	memcpy(t->name, name, len);
	int err = attach(t, why);
	if (!err && epoll_ctl(tap->fd, EPOLL_CTL_ADD, t->fd, &ev) < 0)
		err = fail(why, SB_E_IO, "cannot watch interface %s: %s", name, strerror(errno));
	return err;
}

int sb_tap_open(const struct sb_config_port *port, const uint8_t mac[SB_MAC_LEN], struct sb_tap *tap, char why[256])
{
	struct sb_rtnl r = {0};
	int err = 0;
	*tap = (struct sb_tap){.fd = epoll_create1(EPOLL_CLOEXEC)};
	if (tap->fd < 0 || sb_rtnl_init(&r))
		err = fail(why, SB_E_IO, "cannot open a netlink socket: %s", strerror(errno));
	for (uint32_t i = 0; !err && i <= port->n_vlans; i++) {
		char name[sizeof port->tap + 8];
		const struct sb_config_addresses *addresses = i ? &port->vlans[i - 1].addresses : &port->addresses;
		uint16_t vlan = i ? port->vlans[i - 1].id : 0;
		snprintf(name, sizeof name, vlan ? "%.15s.%u" : "%.15s", port->tap, vlan);
		err = add_twin(tap, name, vlan, why);
		if (!err)
			err = dress(&r, &tap->twin[i], addresses, mac, port->mtu, why);
	}
	sb_rtnl_fini(&r);
	if (err)
		sb_tap_close(tap);
	return err;
}

void sb_tap_close(struct sb_tap *tap)
{
	for (uint32_t i = 0; i < tap->n; i++)
		if (tap->twin[i].fd >= 0)
			close(tap->twin[i].fd);
	if (tap->fd >= 0)
		close(tap->fd);
	*tap = (struct sb_tap){.fd = -1};
}

/* Leaves room for the tag while reading, so that nothing is copied. */
static int read_tagged(const struct sb_tap_twin *t, uint8_t *frame, uint32_t size)
{
	if (size <= MACS + TAG)
		return SB_E_IO;
	struct iovec iov[] = {{frame, MACS}, {frame + MACS + TAG, size - MACS - TAG}};
	ssize_t n = readv(t->fd, iov, 2);
	if (n < (ssize_t)MACS)
		return (int)n;
	frame[MACS] = ETHERTYPE_VLAN >> 8;
	frame[MACS + 1] = ETHERTYPE_VLAN & 0xff;
	frame[MACS + 2] = (uint8_t)(t->vlan >> 8);
	frame[MACS + 3] = (uint8_t)t->vlan;
	return (int)n + (int)TAG;
}

int sb_tap_read(struct sb_tap *tap, void *frame, uint32_t size)
{
	for (uint32_t i = 0; i < tap->n; i++) {
		const struct sb_tap_twin *t = &tap->twin[tap->turn++ % tap->n];
		int n = t->vlan ? read_tagged(t, frame, size) : (int)read(t->fd, frame, size);
		if (n > 0)
			return n;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return SB_E_IO;
	}
	return 0;
}

int sb_tap_write(struct sb_tap *tap, const void *frame, uint32_t len)
{
	const uint8_t *b = frame;
	/* writev does not write to its buffers: the constness is lost in struct iovec alone. */
	struct iovec iov[] = {{(void *)(uintptr_t)b, len}, {NULL, 0}};
	uint32_t i = 0;
	if (len >= MACS + TAG && b[MACS] == ETHERTYPE_VLAN >> 8 && b[MACS + 1] == (ETHERTYPE_VLAN & 0xff)) {
		uint16_t vlan = (uint16_t)(b[MACS + 2] << 8 | b[MACS + 3]) & VID_MASK;
		while (i < tap->n && tap->twin[i].vlan != vlan) /* VLAN 0, a priority tag alone, is the untagged one */
			i++;
		if (i == tap->n)
			return SB_E_NOENT;
		iov[0].iov_len = MACS;
		iov[1] = (struct iovec){(void *)(uintptr_t)(b + MACS + TAG), len - MACS - TAG};
	}
	ssize_t n = writev(tap->twin[i].fd, iov, 2);
	if (n >= 0)
		return 0;
	return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? SB_E_FULL : SB_E_IO;
}
